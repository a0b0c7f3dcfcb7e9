"""What a container is told of the health of what runs in it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streamer.cli import healthcheck
from streamer.errors import ConfigError
from tests.rigs.faces import carphone
from tests.rigs.faces import write as write_clip
from tests.rigs.service.running import running_service
from tests.streamer.cli.test_live import Capture, read_until, running, write


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "in.mp4", carphone().pictures[:50])


@pytest.mark.parametrize(
    ("line", "url"),
    [
        (b"veilcast\0live\0x\0--webrtc\x000.0.0.0:8080", "http://127.0.0.1:8080/healthz"),
        (b"veilcast live x --webrtc=[::]:9000 --rtsp 8554\0\0\0", "http://127.0.0.1:9000/healthz"),
        (b"veilcast live x --webrtc [::1]:9000", "http://[::1]:9000/healthz"),
        (b"veilcast live 'rtsp://***@cam/a b' --webrtc 9000", "http://127.0.0.1:9000/healthz"),
        (b"/sbin/docker-init\0--\0/opt/v/bin/veilcast\0live\0x\0--webrtc\x009000", "http://127.0.0.1:9000/healthz"),
        (b"/opt/v/bin/python\0/opt/v/bin/veilcast\0live\0x\0--webrtc\x009000", "http://127.0.0.1:9000/healthz"),
        (b"veilcast live x --rtsp 8554", None),
        (b"veilcast live x --rtsp 8554 --name webrtc", None),
        (b"veilcast serve --listen 0.0.0.0:8080", "http://127.0.0.1:8080/healthz"),
        (b"/opt/v/bin/python\0/opt/v/bin/veilcast\0serve", "http://127.0.0.1:8080/healthz"),
        (b"veilcast serve --listen 0", "unknown"),
        (b"veilcast token list", None),
        (b"veilcast file x", None),
        (b"veilcast file live --report '--webrtc 9000'", None),
        (b"veilcast file live --webrtc.mp4 --webrtc 9000", "unknown"),
        (b"veilcast live x --webrtc nonsense", "unknown"),
        (b"veilcast live x --webrtc 0", "unknown"),
        (b"veilcast live --config cameras-that-are-not-there.yaml", "unknown"),
        (b"veilcast live 'x --webrtc 9000", "unknown"),
        (b"python3\0-m\0http.server", "unknown"),
        (b"", "unknown"),
    ],
)
def test_where_a_container_asks_after_health(line: bytes, url: str | None) -> None:
    try:
        found = healthcheck.address(line, {})
    except (healthcheck.UnknownServiceError, ConfigError):
        found = "unknown"
    assert found == url


@pytest.mark.slow
def test_the_health_of_a_service_that_a_file_configures(clip: Path, tmp_path: Path, capsys: Capture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    streams = f"[{{name: door, source: {clip}}}]"
    config = tmp_path / "two words.yaml"
    write(config, f"live: {{webrtc: '{port}', source: {{loop: true}}, streams: {streams}}}")
    with running("--config", str(config)) as job:
        read_until(job, r"watch (http://[^/]+)/door")
        process = Path(f"/proc/{job.pid}")
        assert healthcheck.address((process / "cmdline").read_bytes(), {}) == f"http://127.0.0.1:{port}/healthz"
        assert healthcheck.main([], process) == 0
        last = tmp_path / "proc"
        last.mkdir()
        (last / "cmdline").write_bytes((process / "cmdline").read_bytes())
        config.rename(tmp_path / "elsewhere.yaml")
        capsys.readouterr()
        assert healthcheck.main([], process) == 1
        assert "no such file" in capsys.readouterr().err
        (tmp_path / "elsewhere.yaml").rename(config)
    assert healthcheck.main([], last) == 1
    assert "cannot be asked" in capsys.readouterr().err


@pytest.mark.slow
def test_health_of_a_running_service(clip: Path) -> None:
    with running(str(clip), "--loop", "--webrtc", "0") as job:
        _, found = read_until(job, r"watch (http://[^/]+)/camera")
        assert healthcheck.main([f"{found[1]}/healthz"]) == 0
    assert healthcheck.main([f"{found[1]}/healthz"]) == 1


@pytest.mark.slow
def test_the_health_of_the_http_service_needs_no_token(tmp_path: Path) -> None:
    with running_service(tmp_path / "data", token="a token of 16 characters or more", workers=0) as client:
        assert healthcheck.main([f"{client.base_url}/healthz"]) == 0
    assert healthcheck.main([f"{client.base_url}/healthz"]) == 1
