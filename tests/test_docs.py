"""The documentation builds without a warning, is complete, and loads nothing from other hosts."""

from __future__ import annotations

import argparse
import html
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import core
import streamer
from core.config import Section
from streamer.cli.main import parser
from streamer.settings.service import ServeSettings

ROOT = Path(__file__).parent.parent
LOADING = {"src", "srcset", "poster", "data", "action", "formaction"}
"""Attributes whose address a browser fetches or sends to. `href` counts on `link` alone: on `a` it needs a click."""


class Fetched(HTMLParser):
    """Addresses that a page fetches by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        canonical = tag == "link" and dict(attrs).get("rel") in ("canonical", "prev", "next")
        for name, value in attrs:
            if value and (name in LOADING or (tag == "link" and name == "href" and not canonical)):
                self.found.append(value)


def outside(page: str) -> list[str]:
    fetched = Fetched()
    fetched.feed(page)
    return [address for address in fetched.found if re.match(r"(?:[a-z]+:)?//", address.strip(), re.I)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("needs MkDocs: `make docs` installs it")
    target = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text("utf-8")
        assert outside(text) == [], page
        assert "mermaid" not in re.findall(r'<(?:pre|div) class="([^"]*)"', text), "its script would come from a CDN"
    for style in site.rglob("*.css"):
        text = style.read_text("utf-8")
        assert not re.search(r"@import|url\(\s*['\"]?(?:https?:)?//", text), style


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = (site / "api.html").read_text("utf-8")
    anchors = set(re.findall(r'id="((?:core|streamer)\.\w+)"', text))
    assert anchors == {f"core.{name}" for name in core.__all__} | {f"streamer.{name}" for name in streamer.__all__}


@pytest.mark.slow
def test_every_option_is_in_the_reference(site: Path) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", "", (site / "options.html").read_text("utf-8")))
    words = set(re.findall(r"--[a-z-]+", parser().format_help()))
    for command in commands(parser()):
        words |= set(re.findall(r"--[a-z][a-z-]+", command.format_help()))
    assert {"--mask", "--look-ahead", "--report", "--max-jobs"} <= words
    assert [word for word in sorted(words) if word not in text] == []
    keys = {name for section in sections(ServeSettings) for name in section.model_fields}
    assert {"new_track_score", "max_viewers", "keep_hours", "points", "webhooks_private"} <= keys
    assert [key for key in sorted(keys) if key not in text] == []
    assert "<!--" not in text


def commands(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The command and all below it."""
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from commands(below)


def sections(kind: type[Section]) -> set[type[Section]]:
    """The section and all sections in it."""
    found = {kind}
    for field in kind.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            for inner in (part, *getattr(part, "__args__", ())):
                if isinstance(inner, type) and issubclass(inner, Section):
                    found |= sections(inner)
    return found


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<script src="https://cdn.example/x.js"></script>', 1),
        ('<link rel="stylesheet" href="//fonts.example/css">', 1),
        ('<img src="a.png"><a href="https://example.org">there</a>', 0),
        ('<link rel="canonical" href="https://example.org/">', 0),
    ],
)
def test_what_a_page_would_load_is_seen(page: str, found: int) -> None:
    assert len(outside(page)) == found
