"""A real PostgreSQL with its data in a temporary folder."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.rigs.cluster.server_process import ServerProcess, unprivileged

USER, PASSWORD = "veilcast", "geheim-4711"


class PostgresServer(ServerProcess):
    """Each `new_database` is an empty one of its own."""

    def __init__(self) -> None:
        super().__init__("postgres")
        self._numbers = itertools.count(1)

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            self._make(data)
        unsafe = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", "unix_socket_directories": ""}
        where = {"listen_addresses": "127.0.0.1", "port": str(self.port)}
        chosen = [part for name, value in {**unsafe, **where}.items() for part in ("-c", f"{name}={value}")]
        self.run([_program("postgres"), "-D", data, *chosen], unprivileged())
        self.wait_for(self._answers())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: connections are cut, as when a machine restarts it; SIGTERM would wait for them."""
        super().stop(how)

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def url(self, database: str) -> str:
        """Its address, with the password in it."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _answers(self) -> Iterator[bool]:
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                yield True
            except psycopg.OperationalError:
                yield False

    def _make(self, data: Path) -> None:
        user = unprivileged()
        if user is not None:
            os.chown(self.folder, user, -1)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        options = ["-U", USER, f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C"]
        done = subprocess.run([_program("initdb"), "-D", data, *options], capture_output=True, user=user, cwd="/")
        assert done.returncode == 0, done.stderr.decode()


def _program(name: str) -> Path:
    """Debian keeps the server's programs out of PATH."""
    found = [Path(place) for place in (shutil.which(name),) if place is not None]
    return [*found, *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)][0]


def missing_postgres() -> str | None:
    """Why there can be none, for a test that is skipped."""
    try:
        _program("initdb")
        _program("postgres")
    except IndexError:
        return "needs PostgreSQL's server: apt-get install postgresql"
    return None
