from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.rigs.service.fake_api import FakeApi
from tests.streamer.service.page.conftest import Visit
from tests.streamer.service.page.looking import choose, drop, saved, soon

PIECE = 8_000_000
CHOOSE = ".upload [data-part=choose]"


@pytest.fixture
def long_film(tmp_path: Path) -> Path:
    """A file of three pieces."""
    path = tmp_path / "long film.mp4"
    path.write_bytes(bytes(range(256)) * 78_125)  # 20 MB
    return path


def job_of(page: Page, api: FakeApi) -> str:
    """The job that an upload has become."""
    soon(page, lambda: len(api.jobs) == 1 and page.locator(".job").count() == 1)
    [job] = api.jobs
    return job


def test_a_video_is_masked_watched_saved_and_deleted(visit: Visit, api: FakeApi, video: bytes) -> None:
    page = visit()
    page.get_by_label("Disguise", exact=True).check()
    drop(page, ("trip.mov", "video/quicktime", video))
    job = job_of(page, api)
    assert bytes(next(iter(api.uploads.values()))) == video
    assert api.jobs[job].settings == {
        "config": "default",
        "style": "veil",
        "cover": "face",
        "audio": "disguise",
        "verify": False,
    }
    expect(page.locator(".job")).to_contain_text("Next in line")
    api.change(job, state="running", place=None, progress=0.5, seconds_left=90)
    expect(page.locator(".job")).to_contain_text("50 %, 2 min left")
    expect(page.locator("#news")).to_have_text("trip.mov: 50 %")
    assert page.locator(".job progress").get_attribute("aria-label") == "Masking of trip.mov"
    api.change(job, state="done", progress=1.0, seconds_left=None)
    expect(page.locator("#news")).to_have_text("trip.mov is masked.")
    page.click("text=Watch")
    soon(page, lambda: bool(page.evaluate("() => document.querySelector('.job video').videoWidth === 64")))
    assert saved(page, ".job [data-part=download]") == ("trip-masked.mp4", video)
    page.click(".job [data-part=delete]")
    page.keyboard.press("Escape")
    assert api.jobs
    page.click(".job [data-part=delete]")
    page.click("#question-yes")
    expect(page.locator(".job")).to_have_count(0)
    assert not api.jobs


def test_an_upload_goes_on_after_a_reload(visit: Visit, api: FakeApi, long_film: Path) -> None:
    api.pieces = 1
    page = visit()
    choose(page, long_film)
    expect(page.locator(".upload")).to_contain_text("goes on by itself")
    page.reload()
    expect(page.locator(".upload")).to_contain_text("8.0 MB of 20.0 MB have arrived")
    expect(page.locator(CHOOSE)).to_be_visible()
    api.pieces = None
    with page.expect_file_chooser() as chooser:
        page.click(CHOOSE)
    chooser.value.set_files(long_film)
    job_of(page, api)
    assert api.sent == [(0, PIECE), (PIECE, PIECE), (2 * PIECE, 4_000_000)]
    assert bytes(next(iter(api.uploads.values()))) == long_film.read_bytes()
    assert len(api.uploads) == 1
    expect(page.locator(".job .name")).to_have_text("long film.mp4")
    expect(page.locator(".upload")).to_have_count(0)


def test_a_forgotten_upload_begins_again_and_another_file_is_another_upload(
    visit: Visit, api: FakeApi, long_film: Path, video: bytes
) -> None:
    api.pieces = 1
    page = visit()
    choose(page, long_film)
    expect(page.locator(".upload")).to_contain_text("goes on by itself")
    api.uploads.clear()
    api.pieces = None
    job_of(page, api)
    assert [offset for offset, _ in api.sent] == [0, 0, PIECE, 2 * PIECE]
    drop(page, ("other.mp4", "video/mp4", video))
    soon(page, lambda: len(api.jobs) == 2)
    assert api.sent[-1] == (0, len(video))


def test_the_last_piece_came_in_but_not_its_answer(visit: Visit, api: FakeApi, video: bytes) -> None:
    api.cut = True
    page = visit()
    drop(page, ("trip.mp4", "video/mp4", video))
    job_of(page, api)
    assert api.sent == [(0, len(video)), (len(video), 0)]
    expect(page.locator(".upload")).to_have_count(0)


def test_an_upload_is_cancelled(visit: Visit, api: FakeApi, long_film: Path) -> None:
    api.pieces = 1
    page = visit()
    choose(page, long_film)
    expect(page.locator(".upload")).to_contain_text("goes on by itself")
    page.click(".upload [data-part=cancel]")
    expect(page.locator(".upload")).to_have_count(0)
    soon(page, lambda: not api.uploads)
    page.reload()
    expect(page.locator("#jobs-note")).to_have_text("No videos yet.")
    expect(page.locator(".upload")).to_have_count(0)
    assert not api.jobs


def test_progress_without_events_and_a_job_is_cancelled(visit: Visit, api: FakeApi) -> None:
    api.events = False
    job = api.add_job(state="running", place=None, progress=0.1)
    page = visit()
    expect(page.locator(".job")).to_contain_text("Masking: 10 %")
    api.change(job, progress=0.6)
    expect(page.locator(".job")).to_contain_text("Masking: 60 %")
    page.click(".job [data-part=cancel]")
    page.click("#question-yes")
    expect(page.locator(".job .badge")).to_have_text("Cancelled")
    assert api.jobs[job].state == "cancelled"


def test_the_list_survives_a_reload_and_has_pages(visit: Visit, api: FakeApi, video: bytes) -> None:
    for _ in range(25):
        api.add_job(state="failed", reason="the file is damaged")
    page = visit()
    drop(page, ("trip.mp4", "video/mp4", video))
    soon(page, lambda: len(api.jobs) == 26)
    page.reload()
    expect(page.locator(".job")).to_have_count(20)
    expect(page.locator(".job .name").first).to_have_text("trip.mp4")
    expect(page.locator(".job").nth(1)).to_contain_text("The file is damaged.")
    page.click("#jobs-older")
    expect(page.locator(".job")).to_have_count(26)
    expect(page.locator("#jobs-older")).to_be_hidden()
