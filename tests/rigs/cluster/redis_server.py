"""A real Redis, which keeps nothing on disk: what it forgets when it is restarted must not matter."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Iterator

import redis

from tests.rigs.cluster.server_process import ServerProcess


class RedisServer(ServerProcess):
    """Its databases are empty after each start."""

    def __init__(self) -> None:
        super().__init__("redis")

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.run(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        self.wait_for(self._answers())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        super().stop(how)

    def client(self) -> redis.Redis:
        """For a look inside."""
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def _answers(self) -> Iterator[bool]:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as link:
                    link.sendall(b"PING\r\n")
                    yield link.recv(16).startswith(b"+PONG")
            except OSError:
                yield False


def missing_redis() -> str | None:
    """Why there can be none, for a test that is skipped."""
    return None if shutil.which("redis-server") else "needs redis-server: apt-get install redis-server"
