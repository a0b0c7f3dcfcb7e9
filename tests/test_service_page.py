"""What docs/service.md shows, and the README of the service, must work as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.cli.main import parser
from streamer.pictures.kind import PictureKind, picture_kind
from streamer.service.jobs.job import JobState
from streamer.service.jobs.jobs import MOST_WAITING
from streamer.service.pictures import pool
from streamer.service.webhooks.signing import new_webhook_secret, signature_headers, webhook_secret_text
from streamer.settings.loading import parse
from streamer.settings.service import ServeSettings, ServiceConfig
from tests.rigs.service.running import film, photo, running_service

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "service.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.S | re.M)
    return [text for named, text in fenced if named == language]


def typed_at_one_service() -> str:
    """What a user types against one running service; setting up a cluster is tested in `tests/deploy`."""
    shown = [block for block in blocks("bash", README) + blocks("bash") if "helm install" not in block]
    assert len(shown) == len(blocks("bash", README) + blocks("bash")) - 1
    return "".join(shown)


def commands() -> list[str]:
    text = "".join(blocks("") + blocks("bash")).replace("\\\n", " ")
    return re.findall(r"(?:^|\$\()(veilcast [^\n)]*)", text, re.M)


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command: str) -> None:
    parser().parse_args(shlex.split(command, comments=True)[1:])


def test_how_many_pictures_share_a_process_is_said_as_it_is() -> None:
    for page in (PAGE, (ROOT / "SECURITY.md").read_text("utf-8")):
        assert f"up to {pool._TURNS} " in " ".join(page.split())


def test_all_commands_are_found() -> None:
    assert {"serve", "token", "audit"} <= {command.split()[1] for command in commands()}


@pytest.mark.slow
def test_what_is_typed_works(tmp_path: Path) -> None:
    if shutil.which("jq") is None or shutil.which("curl") is None:
        pytest.skip("needs curl and jq")
    (tmp_path / "team.jpg").write_bytes(photo())
    (tmp_path / "meeting.mp4").write_bytes(film(tmp_path, 25))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with running_service(tmp_path / "veilcast-data") as client:
        server = client.base_url.netloc.decode()
        script = typed_at_one_service().replace("localhost:8080", server)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ("team.masked.jpg", "team.solid.jpg", "team.fast.jpg"):
        assert picture_kind(tmp_path / name) is PictureKind.JPEG
    assert "x-veilcast-faces: 1" in (tmp_path / "headers").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["frames"] == 25
    assert len((tmp_path / "masks.jsonl").read_text().splitlines()) > 25
    assert '"roles":["submit"]' in done.stdout and 'veilcast_jobs{state="queued"} 0.0' in done.stdout
    assert "meeting.masked.mp4: entry" in done.stdout


def test_the_check_of_webhooks_accepts_what_is_genuine_and_nothing_else() -> None:
    [code] = blocks("python")
    names: dict[str, Callable[..., bool]] = {}
    exec(code, names)
    key, body = new_webhook_secret(), b'{"type":"job.done"}'
    secret, check = webhook_secret_text(key), names["is_genuine"]
    headers = signature_headers("msg_1", int(time.time()), body, key)
    assert check(headers, body, secret)
    assert not check(headers, body + b" ", secret)
    assert not check(headers, body, webhook_secret_text(new_webhook_secret()))
    assert not check({**headers, "webhook-id": "msg_2"}, body, secret)
    assert not check(signature_headers("msg_1", int(time.time()) - 3600, body, key), body, secret)


def test_settings_are_understood() -> None:
    [text] = [text for text in blocks("yaml") if "service:" in text]
    assert parse(text, Path("service.md"), ServeSettings).service.keep_hours == 24


def test_limits_are_those_of_the_program() -> None:
    config = ServiceConfig()
    said = PAGE[PAGE.index("## Limits") : PAGE.index("## Errors")]
    assert (config.picture_mb, config.picture_queue, config.upload_mb) == (100, 64, 20_000)
    assert (config.job_memory_mb, config.job_hours, config.keep_hours) == (4000, 24, 24)
    assert (config.max_connections, config.max_connections_per_address, MOST_WAITING) == (512, 128, 10_000)
    for shown in ("100 MB", "64, for a minute", "20 GB", "4 GB of memory, 24 hours", "512, 128 per address", "10,000"):
        assert shown in said
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", said))
    assert named <= ServiceConfig.model_fields.keys()
    assert all(f"`{state}`" in PAGE for state in JobState)
