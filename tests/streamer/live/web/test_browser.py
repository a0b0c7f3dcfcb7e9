from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from pydantic import SecretStr

from streamer.live.status import Snapshot, StreamState
from streamer.live.stream_output import StreamOutput
from streamer.live.web.server import WebServer
from streamer.runtime.event_loop import LoopThread
from streamer.settings.web import WebConfig
from tests.rigs.live.producing import BITS, CELL, Producer, number_of
from tests.rigs.live.web_rig import WAIT, serving

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "a-long-secret"
PERIOD = 100  # pictures, four seconds
PHONE = ViewportSize(width=390, height=844)

COUNT = """() => {
    const video = document.getElementById("video");
    window.pictures = 0;
    const count = () => { window.pictures += 1; video.requestVideoFrameCallback(count); };
    video.requestVideoFrameCallback(count);
}"""
CORNER = """([width, height]) => {
    const video = document.getElementById("video");
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    return [...context.getImageData(0, 0, width, height).data];
}"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Chromium at {CHROMIUM}")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(WAIT * 1000)
    yield context.new_page()
    context.close()


def soon(page: Page, what: Callable[[], bool], timeout: float = WAIT) -> None:
    """Wait until true; fails after a while. (The page forbids `eval`, which Playwright's own wait needs.)"""
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, page.inner_text("body")
        page.wait_for_timeout(50)


def pictures(page: Page) -> int:
    """How many pictures the video element has shown since the last call."""
    if page.evaluate("() => window.pictures === undefined"):
        page.evaluate(COUNT)
    return int(page.evaluate("() => window.pictures"))


def number(page: Page) -> int:
    """The number in the corner of the picture that is shown."""
    rgba = np.array(page.evaluate(CORNER, [BITS * CELL, CELL]), np.uint8).reshape(CELL, BITS * CELL, 4)
    return number_of(rgba[:, :, 2::-1])


def address(server: WebServer, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def posed(producer: Producer, **facts: object) -> None:
    """Make the producer's stream report these snapshot fields."""
    snapshot = replace(Snapshot("door", fps_in=24.9, fps_out=25.0), **facts)  # type: ignore[arg-type]
    producer.output.snapshot = lambda: snapshot


def test_the_picture_moves_and_the_page_says_how_it_is_covered(page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    troubles: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    with Producer(width=640, height=360, period=PERIOD) as producer, serving({"door": producer.output}) as server:
        posed(producer, state="settled", delay=(0.234, 0.3), faces=2, mask_age=0.08, viewers=0)
        page.goto(address(server, "/door"))
        soon(page, lambda: pictures(page) >= 40)
        first, begun = number(page), time.monotonic()
        soon(page, lambda: 10 < (number(page) - first) % PERIOD < 80)
        assert (number(page) - first) % PERIOD < 25 * (time.monotonic() - begun) + 25
        assert page.evaluate("() => [video.videoWidth, video.videoHeight]") == [640, 360]
        assert page.evaluate("() => [video.muted, video.autoplay, video.playsInline]") == [True, True, True]
        soon(page, lambda: page.inner_text("#viewers") == "1")
        assert page.inner_text("#state-word") == "settled" and page.inner_text("#fps-in") == "24.9"
        assert page.inner_text("#delay") == "234 ms" and page.inner_text("#faces") == "2"
        assert page.inner_text("#mask-age") == "80 ms" and page.inner_text("#link") == ""
        assert page.get_attribute("#state", "aria-live") == "polite"
        page.screenshot(path=tmp_path / "page.png")
        assert server.viewers("door") == 1 and server.vp8_encodes("door") == 0
        page.goto("about:blank")
        soon(page, lambda: server.viewers("door") == 0)
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {asked[0].split("/")[2]}
    assert troubles == []


def test_every_state_has_its_word_and_colour(page: Page) -> None:
    states: list[StreamState] = ["settled", "held", "blanket", "offline", "starting"]
    colours: set[str] = set()
    since: list[bool] = []
    with Producer() as producer, serving({"door": producer.output}) as server:
        posed(producer, errors=("no route",))
        page.goto(address(server, "/?stream=door"))
        soon(page, lambda: page.inner_text("#trouble") == "no route")
        for state in states:
            posed(producer, state=state, offline_since=time.time() if state == "offline" else None)
            soon(page, lambda state=state: page.inner_text("#state-word") == state)  # type: ignore[misc]
            assert page.inner_text("#state-text") and page.inner_text("#trouble") == ""
            since.append("since" in page.inner_text("#state-text"))
            colours.add(page.evaluate("() => getComputedStyle(document.querySelector('.dot')).backgroundColor"))
    assert since == [False, False, False, True, False]
    assert len(colours) == len(states)


def test_the_token_is_asked_for_until_it_is_right(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    config = WebConfig(token=SecretStr(TOKEN))
    with Producer() as producer, serving({"door": producer.output}, config) as server:
        page.goto(address(server, "/door"))
        page.fill("#token", "wrong")
        page.click("#login button")
        soon(page, lambda: "Wrong token" in page.inner_text("#login"))
        assert server.viewers("door") == 0
        page.fill("#token", TOKEN)
        page.press("#token", "Enter")
        soon(page, lambda: pictures(page) >= 10)
        assert page.is_hidden("#login") and page.inner_text("#state-word") == "settled"
        page.reload()
        soon(page, lambda: pictures(page) >= 10)
        assert page.is_hidden("#login")
    assert TOKEN not in " ".join([*asked, page.content(), page.url])


def test_it_comes_back_when_the_server_does(page: Page) -> None:
    with Producer() as producer, LoopThread() as network:
        first = WebServer({"door": producer.output}, WebConfig())
        network.run(first.start("127.0.0.1", 0), WAIT)
        port = first.port
        page.goto(address(first, "/door"))
        soon(page, lambda: pictures(page) >= 5)
        network.run(first.close(), WAIT)
        soon(page, lambda: "Reconnecting" in page.inner_text("#link"))
        soon(page, lambda: "Cannot reach the server" in page.inner_text("#trouble"))
        second = WebServer({"door": producer.output}, WebConfig())
        network.run(second.start("127.0.0.1", port), WAIT)
        seen = pictures(page)
        soon(page, lambda: pictures(page) >= seen + 10, 30)
        assert page.inner_text("#link") == "" and page.inner_text("#trouble") == ""
        network.run(second.close(), WAIT)


def test_it_reports_an_unknown_stream_and_a_full_server(page: Page) -> None:
    quiet = {name: StreamOutput(name, lambda name=name: Snapshot(name)) for name in ("door",)}  # type: ignore[misc]
    with serving(quiet) as server:
        page.goto(address(server, "/?stream=gate"))
        soon(page, lambda: "does not exist" in page.inner_text("#link"))
        assert "does not exist" in page.inner_text("#trouble")


def test_the_list_leads_to_the_streams(page: Page, tmp_path: Path) -> None:
    gate = Snapshot("the gate/2", "offline", offline_since=time.time())
    with Producer() as producer:
        streams = {"door": producer.output, "the gate/2": StreamOutput("the gate/2", lambda: gate)}
        with serving(streams) as server:
            page.goto(address(server))
            soon(page, lambda: page.locator("#streams li").count() == 2)
            assert "offline" in page.inner_text("#streams li:nth-child(2)")
            page.screenshot(path=tmp_path / "list.png")
            page.click("text=door")
            soon(page, lambda: pictures(page) >= 5)
            assert page.inner_text("h1") == "door"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, tmp_path: Path, scheme: str) -> None:
    context = browser.new_context(
        viewport=PHONE,
        is_mobile=True,
        has_touch=True,
        device_scale_factor=2,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    with Producer(width=640, height=360, period=PERIOD) as producer, serving({"door": producer.output}) as server:
        posed(producer, state="held", delay=(0.234, 0.3), faces=2, mask_age=0.3)
        page.goto(address(server, "/door"))
        soon(page, lambda: pictures(page) >= 10)
        soon(page, lambda: page.inner_text("#state-word") == "held")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
        box = page.locator("#video").bounding_box()
        assert box is not None and box["width"] > PHONE["width"] * 0.85
        [red, green, blue] = page.evaluate(
            "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
        )
        assert (red + green + blue < 200) == (scheme == "dark")
        page.screenshot(path=tmp_path / "phone.png")
    context.close()
