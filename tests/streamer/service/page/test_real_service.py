"""The page in front of the service itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.rigs.service.running import film, photo, running_service
from tests.streamer.service.page.conftest import Visit
from tests.streamer.service.page.looking import drop, saved, soon

TOKEN = "a-secret-of-an-administrator"
MASKING = 120_000  # ms


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("service") / "data", token=TOKEN) as client:
        yield str(client.base_url).rstrip("/")


def test_log_in_mask_save_delete_and_read_about_it(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.fill("#token", "not-the-one-that-it-is")
    page.keyboard.press("Enter")
    expect(page.locator("#login-trouble")).to_contain_text("not valid")
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    original = film(tmp_path)
    page.get_by_label("Solid", exact=True).check()
    drop(page, ("Anna.jpg", "image/jpeg", photo()), ("trip.mp4", "video/mp4", original))
    expect(page.locator(".picture")).to_contain_text("One face masked.", timeout=MASKING)
    name, picture = saved(page, ".picture a:not([hidden])")
    assert name == "Anna-masked.jpg" and picture[:3] == b"\xff\xd8\xff" and picture != photo()
    expect(page.locator(".job .badge")).to_have_text("Done", timeout=MASKING)
    expect(page.locator(".job")).to_contain_text("Solid")
    page.click("text=Watch")
    soon(page, lambda: page.evaluate("() => document.querySelector('.job video').readyState") >= 2)
    name, video = saved(page, ".job [data-part=download]")
    assert name == "trip-masked.mp4" and b"ftyp" in video[:16] and video != original
    page.reload()
    expect(page.locator(".job .name")).to_have_text("trip.mp4")
    page.click("#places [href='#queue']")
    expect(page.locator("#queue .row .badge")).to_have_text("Done")
    page.click("#places [href='#mask']")
    page.click(".job [data-part=delete]")
    page.click("#question-yes")
    expect(page.locator(".job")).to_have_count(0)
    page.click("#places [href='#audit']")
    rows = page.locator("#audit-list .badge")
    expect(rows.first).to_have_text("Deletion")
    assert {"Picture", "Upload", "New job", "Result", "Download", "Login"} <= set(rows.all_inner_texts())
    page.click("#log-out")
    expect(page.locator("#token")).to_be_visible()


def test_a_large_upload_goes_on_after_a_reload(visit: Visit, tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    long.write_bytes(bytes(20_000_000))
    page = visit()
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#drop")).to_be_visible()
    page.route(
        "**/v1/uploads/*", lambda route: route.abort() if _is_later_piece(route.request.headers) else route.continue_()
    )
    page.set_input_files("#files", long)
    expect(page.locator(".upload")).to_contain_text("goes on by itself")
    page.unroute_all()
    page.reload()
    expect(page.locator(".upload")).to_contain_text("8.0 MB of 20.0 MB have arrived")
    page.set_input_files("#files", long)
    expect(page.locator(".job .badge")).to_have_text("Failed", timeout=MASKING)  # zeros are no video
    expect(page.locator(".job .trouble")).not_to_be_empty()
    expect(page.locator(".upload")).to_have_count(0)


def _is_later_piece(headers: dict[str, str]) -> bool:
    return headers.get("upload-offset", "0") != "0"
