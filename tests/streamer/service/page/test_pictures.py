from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.rigs.service.fake_api import FakeApi, masked
from tests.streamer.service.page.conftest import Visit
from tests.streamer.service.page.looking import choose, drop, saved

DONE = ".picture a:not([hidden])"
EDGE = "() => getComputedStyle(document.querySelector('.compare .before')).clipPath"


def test_dropped_pictures_are_masked_compared_and_saved(visit: Visit, api: FakeApi, picture: bytes) -> None:
    page = visit()
    drop(page, ("Anna Müller.png", "image/png", picture), ("b.png", "image/png", picture))
    expect(page.locator(DONE)).to_have_count(2)
    expect(page.locator(".picture").first).to_contain_text("One face masked")
    name, content = saved(page, f".picture:last-child {DONE.split()[1]}")
    assert name == "Anna Müller-masked.jpg"
    assert content == masked(picture)
    name, content = saved(page, "#pictures-all")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["Anna Müller-masked.jpg", "b-masked.jpg"]
        assert archive.read("b-masked.jpg") == masked(picture)
    expect(page.locator("#news")).to_contain_text("is masked")


def test_the_original_is_shown_from_this_computer_beside_the_copy(visit: Visit, picture: bytes) -> None:
    page = visit()
    drop(page, ("a.png", "image/png", picture))
    slider = page.locator(".compare input")
    expect(slider).to_have_value("50")
    assert page.evaluate(EDGE) == "inset(0px 50% 0px 0px)"
    slider.press("End")
    assert page.evaluate(EDGE) in ("inset(0px 0% 0px 0px)", "inset(0px)")
    assert slider.get_attribute("aria-valuetext") == "100 % before"
    for which in ("before", "after"):
        assert (page.locator(f".compare [data-part={which}]").get_attribute("src") or "").startswith("blob:")


def test_chosen_settings_are_asked_for_and_remembered(visit: Visit, api: FakeApi, picture: bytes) -> None:
    page = visit()
    page.select_option("#config", "crowd")
    page.get_by_label("Solid", exact=True).check()
    page.get_by_label("Whole head", exact=True).check()
    page.get_by_label("Check videos").check()
    page.reload()
    expect(page.locator("#drop-settings")).to_contain_text("Crowd · Solid · whole head · sound kept · videos checked")
    drop(page, ("a.png", "image/png", picture))
    expect(page.locator(DONE)).to_have_count(1)
    assert api.queries == [{"config": "crowd", "style": "solid", "cover": "head"}]
    page.get_by_label("Blur", exact=True).check()
    page.click("text=Mask again")
    expect(page.locator(DONE)).to_have_count(1)
    assert [query["style"] for query in api.queries] == ["solid", "blur"]


def test_a_busy_server_is_asked_again(visit: Visit, api: FakeApi, picture: bytes) -> None:
    api.busy = 1
    page = visit()
    drop(page, ("a.png", "image/png", picture))
    expect(page.locator(".picture")).to_contain_text("busy")
    expect(page.locator(DONE)).to_have_count(1)


def test_what_goes_wrong_is_said_in_plain_words(visit: Visit, api: FakeApi, picture: bytes) -> None:
    api.most_bytes = 1000
    page = visit()
    drop(page, ("a.png", "image/png", b"no picture"))
    expect(page.locator(".picture .trouble")).to_have_text(
        "The server cannot use this file. This is not a picture that can be read."
    )
    for name, kind, content, words in [
        ("notes.txt", "text/plain", b"x", "notes.txt is neither a picture nor a video."),
        ("b.png", "image/png", b"", "b.png is empty."),
        ("c.png", "image/png", bytes(1001), "c.png is too large: this server takes pictures of up to 1.0 KB."),
    ]:
        drop(page, (name, kind, content))
        expect(page.locator("#drop-trouble")).to_have_text(words)
    page.click("text=Remove all")
    expect(page.locator("#pictures")).to_be_hidden()


def test_a_file_that_has_changed_is_not_a_server_that_is_away(visit: Visit, picture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture)
    page = visit()
    choose(page, path)
    expect(page.locator(DONE)).to_have_count(1)
    path.write_bytes(picture + b"more")
    page.click("text=Mask again")
    expect(page.locator(".picture .trouble")).to_contain_text("can no longer be read")
    expect(page.locator(DONE)).to_have_count(0)


def test_no_face_is_a_reason_to_look(visit: Visit, api: FakeApi, picture: bytes) -> None:
    api.faces = 0
    page = visit()
    drop(page, ("a.png", "image/png", picture))
    expect(page.locator(".picture.doubt")).to_contain_text("No face found")


def test_a_picture_that_the_browser_cannot_show_can_still_be_saved(visit: Visit, picture: bytes) -> None:
    tiff = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(tiff, "TIFF")
    page = visit()
    drop(page, ("scan.tif", "", tiff.getvalue()))
    expect(page.locator(".compare.alone [data-part=after]")).to_be_visible()  # the fake's answer is a JPEG
    assert saved(page, DONE)[0] == "scan-masked.jpg"
