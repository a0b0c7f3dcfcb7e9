"""A headless Chromium on the preview page: how many pictures it showed, and what could be seen in some of them."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.rigs.live.face_scene import Scene, Seen, judge

CHROMIUM = Path("/usr/bin/chromium")
WAIT = 20.0  # seconds

COUNT = """() => {
    const video = document.getElementById("video");
    window.presented = 0;
    const count = (now, facts) => {
        window.first ??= facts.presentedFrames;
        window.presented = facts.presentedFrames - window.first;
        video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
}"""
_PICTURE = """() => {
    const video = document.getElementById("video");
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas.toDataURL("image/png");
}"""


@dataclass(frozen=True)
class Shown:
    """`presented` pictures reached the screen; `seen` is what is to be seen in those that were looked at."""

    presented: int
    seen: Seen


def watch(url: str, seconds: float, screenshot: Path, scene: Scene) -> Shown:
    """Open the page, watch for so long, looking closely about twice a second. Skips the test without Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"Chromium is missing: {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(url)
            page.evaluate(COUNT)
            _until_it_shows(page)
            pictures = list(_pictures(page, seconds))
            page.screenshot(path=screenshot)
            presented = int(page.evaluate("() => window.presented"))
        finally:
            browser.close()
    return Shown(presented, judge(scene, pictures))


def _until_it_shows(page: Page) -> None:
    deadline = time.monotonic() + WAIT
    while not page.evaluate("() => window.presented"):
        assert time.monotonic() < deadline, page.inner_text("body")
        page.wait_for_timeout(50)


def _pictures(page: Page, seconds: float) -> Iterator[npt.NDArray[np.uint8]]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        page.wait_for_timeout(500)
        png = base64.b64decode(str(page.evaluate(_PICTURE)).partition(",")[2])
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        yield np.asarray(picture, np.uint8)
