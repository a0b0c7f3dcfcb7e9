"""A real S3 server: versitygw over a folder where it is installed, else moto's imitation of S3."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.rigs.cluster.server_process import ServerProcess

ACCESS, SECRET, BUCKET = "veilcast-tests", "geheim-0815", "videos"


class S3Server(ServerProcess):
    """Has one bucket, and any number of prefixes in it."""

    def __init__(self) -> None:
        super().__init__("s3")
        self.program = _versitygw()
        self._prefixes = 0

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead to it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def new_place(self) -> str:
        """An empty place for blobs."""
        self._prefixes += 1
        return f"s3://{BUCKET}/test-{self._prefixes}"

    def start(self) -> None:
        if self.program is None:
            self.run([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)])
        else:
            for name in ("objects", f"objects/{BUCKET}", "attributes"):
                (self.folder / name).mkdir(exist_ok=True)
            place = ["--port", f"127.0.0.1:{self.port}", "--access", ACCESS, "--secret", SECRET, "--quiet"]
            folders = [str(self.folder / "attributes"), str(self.folder / "objects")]
            self.run([self.program, *place, "posix", "--sidecar", *folders])
        self.wait_for(self._answers())
        if self.program is None:
            httpx.put(f"http://127.0.0.1:{self.port}/{BUCKET}")

    def _answers(self) -> Iterator[bool]:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/", timeout=2)
                yield True
            except httpx.HTTPError:
                yield False


def _versitygw() -> Path | None:
    places = [os.environ.get("PATH"), os.environ.get("GOBIN"), f"{os.environ.get('GOPATH', Path.home() / 'go')}/bin"]
    found = shutil.which("versitygw", path=os.pathsep.join(place for place in places if place))
    return None if found is None else Path(found)
