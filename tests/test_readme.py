"""What the README shows, in both languages, must work as it stands, and must be the same."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from streamer.cli.main import parser
from streamer.settings.live import LiveSettings
from streamer.settings.loading import parse

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "README.zh-CN.md")
TEXTS = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
README = TEXTS["README.md"]


def _fenced(text: str) -> list[tuple[str, str]]:
    """Language and content of each block; every fence counts, or a closing one begins the next."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)


def _commands(text: str) -> list[str]:
    blocks = "".join(content for language, content in _fenced(text) if not language).replace("\\\n", " ")
    return [line for line in blocks.splitlines() if line.startswith("veilcast ")]


def _without_comments(block: str) -> list[str]:
    return [re.sub(r"(^|\s+)# .*| *#$", "", line).rstrip() for line in block.splitlines()]


@pytest.mark.parametrize("command", _commands(README))
def test_commands_are_understood(command: str) -> None:
    words, _, _ = command.partition(" > ")
    parser().parse_args(shlex.split(words, comments=True)[1:])


def test_all_commands_are_found() -> None:
    assert len(_commands(README)) == len(re.findall(r"^veilcast ", README, re.M)) > 10


@pytest.mark.parametrize("text", [content for language, content in _fenced(README) if language == "yaml"])
def test_yaml_is_understood(text: str) -> None:
    parse(text, Path("README.md"), LiveSettings)


def test_both_languages_show_the_same() -> None:
    """Commands, code and output are equal but for comments; diagrams differ in their words."""
    english, chinese = (
        [(language, _without_comments(block)) for language, block in _fenced(text) if language != "mermaid"]
        for text in TEXTS.values()
    )
    assert english == chinese
    for mark in (r"^#+ ", r"^\|", r"^- \S", r"^```"):
        counts = [len(re.findall(mark, text, re.M)) for text in TEXTS.values()]
        assert counts[0] == counts[1], f"lines with {mark}: {counts}"


def test_both_languages_name_the_same_options_and_lead_to_the_same_pages() -> None:
    codes, links = [], []
    for text in TEXTS.values():
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
        codes.append(set(re.findall(r"`([^`\n]+)`", prose)))
        links.append({link for link in re.findall(r"\]\(([^)#]+)", prose) if not link.startswith("README")})
    assert codes[0] ^ codes[1] == set()
    assert links[0] ^ links[1] == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXTS[page])
    paths = [link.partition("#")[0] for link in links if not re.match(r"https?:|#", link)]
    assert set(PAGES) - {page} <= set(paths) and len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", TEXTS[page], re.M)
    }
    assert [link for link in links if link.startswith("#") and link[1:] not in headings] == []
