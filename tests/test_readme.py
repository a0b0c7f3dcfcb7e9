"""What the README shows must work as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from streamer.cli.main import parser
from streamer.settings.live import LiveSettings
from streamer.settings.loading import parse

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def _commands() -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.S | re.M)  # every fence, or a closing one begins the next
    blocks = "".join(text for language, text in fenced if not language).replace("\\\n", " ")
    return [line for line in blocks.splitlines() if line.startswith("veilcast ")]


@pytest.mark.parametrize("command", _commands())
def test_commands_are_understood(command: str) -> None:
    words, _, _ = command.partition(" > ")
    parser().parse_args(shlex.split(words, comments=True)[1:])


def test_all_commands_are_found() -> None:
    assert len(_commands()) == len(re.findall(r"^veilcast ", README, re.M)) > 10


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", README, re.S | re.M))
def test_yaml_is_understood(text: str) -> None:
    parse(text, Path("README.md"), LiveSettings)
