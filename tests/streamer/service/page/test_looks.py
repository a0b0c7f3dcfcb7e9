from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, ViewportSize, expect

from tests.rigs.service.fake_api import FakeApi
from tests.streamer.service.page.conftest import Visit
from tests.streamer.service.page.looking import drop

WIDE = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
SMALL_PHONE = ViewportSize(width=360, height=640)


def busy_page(visit: Visit, api: FakeApi, picture: bytes, **options: object) -> Page:
    """The page with something in every part of it."""
    api.cameras, api.faces = ("door",), 0
    api.add_job(state="failed", reason="the file is damaged")
    api.add_job(state="done", place=None)
    api.add_job(state="running", place=None, progress=0.3, seconds_left=4000)
    page = visit(**options)
    expect(page.locator(".job")).to_have_count(3)
    drop(page, (f"{'long' * 30}.png", "image/png", picture), ("a.png", "image/png", b"no picture"))
    expect(page.locator(".compare")).to_have_count(1)
    expect(page.locator(".picture .trouble:not(:empty)")).to_have_count(1)
    return page


def assert_axe_is_content(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-US"), ("dark", "zh-CN")])
def test_axe_finds_nothing(visit: Visit, api: FakeApi, picture: bytes, scheme: str, locale: str) -> None:
    page = busy_page(visit, api, picture, viewport=WIDE, color_scheme=scheme, locale=locale, reduced_motion="reduce")
    assert page.get_attribute("html", "lang") == {"en-US": "en", "zh-CN": "zh-Hans"}[locale]
    assert_axe_is_content(page)
    page.locator(".job [data-part=delete]:visible").first.click()
    assert_axe_is_content(page)
    page.keyboard.press("Escape")
    for place, shown in [("queue", ".row"), ("audit", ".row"), ("cameras", ".camera")]:
        page.click(f"#places [href='#{place}']")
        expect(page.locator(f"#{place} {shown}").first).to_be_visible()
        assert_axe_is_content(page)
    api.token = "secret"
    page.reload()
    expect(page.locator("#login")).to_be_visible()
    assert_axe_is_content(page)
    page.goto(page.url.split("#")[0] + "nothing")
    expect(page.locator("h1")).to_have_text("There is nothing here")
    assert_axe_is_content(page)


@pytest.mark.parametrize(("viewport", "locale"), [(SMALL_PHONE, "en-US"), (PHONE, "zh-CN")], ids=["360", "390"])
def test_a_phone_shows_it_without_scrolling_sideways(
    visit: Visit, api: FakeApi, picture: bytes, viewport: ViewportSize, locale: str
) -> None:
    page = busy_page(visit, api, picture, viewport=viewport, locale=locale, is_mobile=True, has_touch=True)
    page.click("#settings summary")
    expect(page.locator("#settings-form")).to_be_visible()
    for place, shown in [("mask", "#drop"), ("queue", ".row"), ("audit", ".row"), ("cameras", ".camera")]:
        page.click(f"#places [href='#{place}']")
        expect(page.locator(f"#{place} {shown}" if shown != "#drop" else shown).first).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= viewport["width"], place
    page.click("#places [href='#mask']")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, a.button, .places a, select")]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
            .map((one) => one.outerHTML)"""
    )
    assert small == []


def test_the_language_is_switched_without_losing_anything(visit: Visit, api: FakeApi, picture: bytes) -> None:
    page = busy_page(visit, api, picture)
    before = re.findall(r"[A-Za-z]{3,} [a-z]{2,}", page.inner_text("main"))
    assert before
    page.click("#language")
    assert page.get_attribute("html", "lang") == "zh-Hans"
    expect(page.locator("h1:visible")).to_have_text("为图片和视频中的人脸打码")
    expect(page.locator(".job").first).to_contain_text("剩余 1 小时 7 分钟")
    expect(page.locator(".compare")).to_have_count(1)
    left = page.evaluate(
        """() => {
            for (const own of document.querySelectorAll("[lang=en], .name")) own.remove();
            return document.getElementById("main").innerText.match(/[A-Za-z]{3,}/g);
        }"""
    )
    assert left is None
    page.reload()
    expect(page.locator("h1:visible")).to_have_text("为图片和视频中的人脸打码")
