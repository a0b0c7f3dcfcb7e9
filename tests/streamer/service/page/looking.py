"""What the tests of the page look for, and how they wait for it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

WAIT = 60.0  # seconds; a busy machine is no failure

expect.set_options(timeout=WAIT * 1000)

DROP = """files => {
    const transfer = new DataTransfer();
    for (const { name, type, content } of files) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    for (const kind of ["dragenter", "dragover", "drop"]) {
        const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
        document.getElementById("drop").dispatchEvent(new DragEvent(kind, options));
    }
}"""


def soon(page: Page, what: Callable[[], bool]) -> None:
    """Wait until true; fails after a while. (The page forbids `eval`, which Playwright's own wait needs.)"""
    deadline = time.monotonic() + WAIT
    while not what():
        assert time.monotonic() < deadline, page.inner_text("body")
        page.wait_for_timeout(20)


def drop(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Drop files (name, type, content) onto the page."""
    expect(page.locator("#drop")).to_be_visible()
    page.evaluate(
        DROP,
        [{"name": name, "type": kind, "content": base64.b64encode(content).decode()} for name, kind, content in files],
    )


def choose(page: Page, file: Path) -> None:
    """Choose a file by the button for it."""
    with page.expect_file_chooser() as chooser:
        page.click("#choose")
    chooser.value.set_files(file)


def saved(page: Page, selector: str) -> tuple[str, bytes]:
    """Click, and return the name and content of the file that is saved."""
    with page.expect_download() as download:
        page.click(selector)
    return download.value.suggested_filename, download.value.path().read_bytes()
