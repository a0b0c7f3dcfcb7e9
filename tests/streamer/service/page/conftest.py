"""A browser, and the page to point it at."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.rigs.service.fake_api import FakeApi, fake_site
from tests.streamer.service.page.looking import WAIT

CHROMIUM = Path("/usr/bin/chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Chromium at {CHROMIUM}")
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(missing)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def video() -> bytes:
    """Half a second that a browser can play."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for shade in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade * 40, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.fixture
def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), (60, 120, 180)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def api(video: bytes) -> FakeApi:
    """What the server holds, and how it behaves."""
    return FakeApi(video=video)


@pytest.fixture
def site(api: FakeApi) -> Iterator[str]:
    """The address of the page, without a slash at its end."""
    with fake_site(api) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


Visit = Callable[..., Page]


@pytest.fixture
def troubles() -> list[str]:
    """What the pages of a test complained about: exceptions, and what the Content-Security-Policy forbids."""
    return []


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest, troubles: list[str]) -> Iterator[Visit]:
    """Opens the page in a browser of its own; takes the path, and the options of a context."""
    site: str = request.getfixturevalue("site")
    contexts: list[BrowserContext] = []

    def complain(text: str) -> None:
        if "Failed to load resource" not in text:  # an answer of 4xx, which the page deals with
            troubles.append(text)

    def open_page(path: str = "/", **options: object) -> Page:
        context = browser.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]
        context.set_default_timeout(WAIT * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("console", lambda line: complain(line.text) if line.type in ("error", "warning") else None)
        page.goto(site + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []
