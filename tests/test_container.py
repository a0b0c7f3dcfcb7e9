"""What the Dockerfile and the commands that go with it rely on. The image itself is built elsewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from streamer.cli.healthcheck import address, words_of
from streamer.cli.main import parser
from streamer.service.store.data_folder import default_data
from streamer.settings.service import ServiceConfig

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PAGES = ("README.md", "README.zh-CN.md", "docs/service.md", "Dockerfile")


def _runs() -> list[tuple[str, list[str]]]:
    """All `docker run` commands of the documentation: where they are, and their words."""
    found = []
    for page in PAGES:
        text = re.sub(r"\\\n#?", " ", (ROOT / page).read_text("utf-8"))
        for line in re.findall(r"^.*?(docker run .*)$", text, re.M):
            found.append((page, shlex.split(line)))
    return found


@pytest.mark.parametrize(("page", "words"), _runs(), ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_run_in_a_container_is_understood(page: str, words: list[str]) -> None:
    inside = words[words.index("veilcast") + 1 :]
    options = parser().parse_args(inside)
    if options.command == "serve":
        # Other machines come in by the published port, and whoever asks after its health finds it.
        assert options.listen == "0.0.0.0:8080" and "8080:8080" in words and "VEILCAST_TOKEN" in " ".join(words)
        assert address("\0".join(["veilcast", *inside]).encode(), {}) == "http://127.0.0.1:8080/healthz"
        assert words_of("\0".join(["/usr/bin/python", "/opt/veilcast/.venv/bin/veilcast", *inside]).encode()) == inside


def test_there_are_commands_for_files_cameras_and_the_service() -> None:
    commands = [words[words.index("veilcast") + 1] for _, words in _runs()]
    assert {"file", "live", "serve"} <= set(commands)


def test_data_ends_up_in_the_volume_and_its_folder_can_be_written() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert "--all-extras" in DOCKERFILE
    assert not default_data().is_absolute() and ServiceConfig().data == default_data()
    assert re.search(r"^WORKDIR /data$", last, re.M)
    assert "install -d -o veilcast" in last and last.index("/data") < last.index("USER veilcast")
    assert "streamer.cli.healthcheck" in last
