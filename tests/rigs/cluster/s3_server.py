"""A real S3 server: versitygw over a folder, where it was built with Go, else moto's imitation of S3.

`python -m tests.rigs.cluster.s3_server` builds it, which takes minutes the first time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import httpx

from tests.rigs.cluster.server_process import ServerProcess
from tests.rigs.deploy.go_tools import built_go_program, go_program

PROGRAM, VERSION = "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"

ACCESS, SECRET, BUCKET = "veilcast-tests", "geheim-0815", "videos"


class S3Server(ServerProcess):
    """Has one bucket, and any number of prefixes in it."""

    def __init__(self) -> None:
        super().__init__("s3")
        self.program = built_go_program(PROGRAM, VERSION)
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


if __name__ == "__main__":
    go_program(PROGRAM, VERSION)
