"""A headless Chromium that plays a file: what it says, and what is to be seen at some instants."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
WAIT = 30_000  # milliseconds

_LOAD = """([data, kind]) => new Promise((done, failed) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const video = document.querySelector("video");
    video.onerror = () => failed(new Error(video.error.message));
    video.onloadeddata = () => done(video.duration);
    video.src = URL.createObjectURL(new Blob([bytes], {type: kind}));
})"""
_SEEK = """(time) => new Promise((done, failed) => {
    const video = document.querySelector("video");
    video.onerror = () => failed(new Error(video.error.message));
    video.requestVideoFrameCallback(() => {
        const canvas = document.createElement("canvas");
        canvas.width = video.videoWidth;
        canvas.height = video.videoHeight;
        canvas.getContext("2d").drawImage(video, 0, 0);
        done(canvas.toDataURL("image/png"));
    });
    video.currentTime = time;
})"""
_PLAY = """() => new Promise((done, failed) => {
    const video = document.querySelector("video");
    video.onerror = () => failed(new Error(video.error.message));
    video.onended = () => {
        const quality = video.getVideoPlaybackQuality();
        done([video.currentTime, quality.totalVideoFrames, quality.corruptedVideoFrames]);
    };
    video.currentTime = 0;
    video.play().catch(failed);
})"""


@dataclass(frozen=True, slots=True)
class Played:
    """Where playing ended (seconds), how many frames that took, and checksums of pictures at the given times."""

    end: float
    frames: int
    pictures: list[str]


def play(path: Path, times: Sequence[float], kind: str = "video/mp4") -> Played:
    """Seek to each of these times (seconds), then play all. Fails if the browser reports an error."""
    if not CHROMIUM.exists():
        pytest.skip(f"Chromium is missing: {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.set_default_timeout(WAIT)
            page.set_content("<video muted></video>")
            page.evaluate(_LOAD, [base64.b64encode(path.read_bytes()).decode(), kind])
            pictures = [hashlib.sha256(str(page.evaluate(_SEEK, time)).encode()).hexdigest() for time in times]
            end, frames, corrupted = page.evaluate(_PLAY)
        finally:
            browser.close()
    assert not corrupted
    return Played(end, frames, pictures)
