from __future__ import annotations

from playwright.sync_api import expect

from tests.rigs.service.fake_api import FakeApi
from tests.streamer.service.page.conftest import Visit
from tests.streamer.service.page.looking import drop, soon

TOKEN = "vc_a-long-secret"


def test_a_token_is_traded_for_a_session_and_log_out_forgets(visit: Visit, api: FakeApi, picture: bytes) -> None:
    api.token = TOKEN
    api.add_job(state="done", place=None)
    page = visit()
    expect(page.locator("#token")).to_be_focused()
    expect(page.locator("#mask")).to_be_hidden()
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#login-trouble")).to_contain_text("not valid")
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator(".job")).to_have_count(1)
    page.reload()
    expect(page.locator(".job")).to_have_count(1)
    assert TOKEN not in page.content()
    assert TOKEN not in str(page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])"))
    drop(page, ("Anna.png", "image/png", picture))
    expect(page.locator(".picture")).to_have_count(1)
    page.evaluate("() => localStorage.setItem('veilcast.names', JSON.stringify({a: 'Anna.mp4'}))")
    page.click("#log-out")
    expect(page.locator("#token")).to_be_visible()
    assert "Anna" not in page.content()
    assert "Anna" not in str(page.evaluate("() => JSON.stringify({...localStorage})"))
    assert api.cookie == ""


def test_an_upload_waits_for_a_new_login(visit: Visit, api: FakeApi, video: bytes) -> None:
    api.token = TOKEN
    page = visit()
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#jobs-note")).to_have_text("No videos yet.")
    api.cookie = "another session"  # this one has expired
    drop(page, ("trip.mp4", "video/mp4", video))
    expect(page.locator("#login")).to_be_visible()
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    soon(page, lambda: len(api.jobs) == 1)
    expect(page.locator(".job .name")).to_have_text("trip.mp4")


def test_each_role_has_its_places(visit: Visit, api: FakeApi) -> None:
    api.roles = ("submit",)
    page = visit()
    expect(page.locator("#drop")).to_be_visible()
    expect(page.locator("#places")).to_be_hidden()
    api.roles, api.cameras = ("view", "audit"), ("door",)
    page.goto("about:blank")
    page = visit("/#queue")
    expect(page.locator("#places a:visible")).to_have_text(["Cameras", "Audit log"])
    expect(page.locator(".camera .name")).to_have_text("door")
    expect(page.locator("#queue")).to_be_hidden()
    page.click("text=Audit log")
    expect(page.locator("#audit-list .row")).to_have_count(50)
    expect(page.locator("#audit-list .row").first).to_contain_text("by 5f0c1a7e")
    page.click("#audit-older")
    expect(page.locator("#audit-list .row")).to_have_count(59)
    expect(page.locator("#audit-older")).to_be_hidden()


def test_an_operator_sees_the_queue_and_cancels(visit: Visit, api: FakeApi) -> None:
    job = api.add_job(state="running", progress=0.25, place=None)
    page = visit("/#queue")
    expect(page.locator(".row")).to_contain_text(f"{job[:8]} is at 25 %")
    assert page.locator("#queue a[href*=result], #queue video").count() == 0
    page.click(".row button")
    page.click("#question-yes")
    expect(page.locator(".row .badge")).to_have_text("Cancelled")
    assert api.jobs[job].state == "cancelled"


def test_a_keyboard_is_enough(visit: Visit, api: FakeApi) -> None:
    api.add_job(state="done", place=None, progress=1.0)
    page = visit()
    expect(page.locator(".job")).to_have_count(1)
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("() => document.activeElement.textContent.trim() || document.activeElement.id"))
        assert page.evaluate(
            "() => document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle"
        ) in (True, "solid")
        if "Delete" in seen:
            break
    assert {"Choose files", "Settings", "style-veil", "Watch", "Download", "Delete", "中文"} <= seen
    page.keyboard.press("Enter")
    expect(page.locator("#question-no")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".job")).to_have_count(0)
    expect(page.locator("#choose")).to_be_focused()
    assert not api.jobs
