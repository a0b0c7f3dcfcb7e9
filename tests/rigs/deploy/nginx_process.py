"""nginx from the system with the configuration of `deploy/nginx`, in which only addresses and folders are others."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final

SOURCE: Final = Path(__file__).parents[3] / "deploy" / "nginx"
PROGRAM: Final = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
ADDRESS: Final = "127.0.0.9"
"""Where it listens, on the port of the gateways."""


def write_configuration(folder: Path, server: str, port: int, name_server: int) -> Path:
    """`nginx.conf` with the server of file `server`, whose gateways listen on `port` of several addresses."""
    (folder / "servers").mkdir(parents=True)
    (folder / "tmp").mkdir()
    changes = (
        (r"(?<= )/tmp/", f"{folder}/tmp/"),
        (r"/etc/nginx/", f"{folder}/"),
        (r"127\.0\.0\.11\b", f"127.0.0.1:{name_server}"),
        (r"listen 127\.0\.0\.1:8081", f"listen unix:{folder}/health"),
        (r"listen 80(80)", f"listen {ADDRESS}:{port}"),
        (r"listen 8443", f"listen 127.0.0.10:{port}"),
        (r"\$gateways:8080", f"$gateways:{port}"),
    )
    for source, target in ((server, "servers/server.conf"), ("nginx.conf",) * 2, ("gateways.conf",) * 2):
        text = (SOURCE / source).read_text("utf-8")
        for old, new in changes:
            text = re.sub(old, new, text)
        (folder / target).write_text(text, "utf-8")
    return folder / "nginx.conf"


def as_user() -> list[str]:
    """Of a root's nginx, workers are root's, too: the test's folders are closed to others."""
    return ["-g", "daemon off; user root;" if os.getuid() == 0 else "daemon off;"]


class NginxProcess:
    """Runs as a context manager."""

    def __init__(self, folder: Path, port: int, name_server: int) -> None:
        self._folder, self._port = folder, port
        self._configuration = write_configuration(folder, "http.conf", port, name_server)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients ask."""
        return f"http://{ADDRESS}:{self._port}"

    def stored(self) -> int:
        """Bytes in its temporary files."""
        files = [path for path in (self._folder / "tmp").rglob("*") if path.is_file() and path.name != "nginx.pid"]
        return sum(path.stat().st_size for path in files)

    def asked(self) -> list[str]:
        """Addresses of gateways that requests went to, in order: of one that failed and was left out, several."""
        lines = (self._folder / "access.log").read_text("utf-8").splitlines()
        return [line.split(" ", 6)[6] for line in lines]

    def __enter__(self) -> NginxProcess:
        assert PROGRAM is not None
        with (self._folder / "access.log").open("wb") as out, (self._folder / "error.log").open("wb") as errors:
            command = [PROGRAM, "-e", "stderr", "-c", str(self._configuration), *as_user()]
            self._process = subprocess.Popen(command, stdout=out, stderr=errors)
        end = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((ADDRESS, self._port)) == 0:
                    return self
            said = (self._folder / "error.log").read_text("utf-8")
            assert self._process.poll() is None and time.monotonic() < end, f"nginx does not start: {said}"
            time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
