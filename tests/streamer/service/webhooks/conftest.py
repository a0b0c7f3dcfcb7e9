"""A database, a clock that tests set, and servers that receive webhooks on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamer.service.store.database import Database
from tests.streamer.service.webhooks.receiver import Clock, Receiver, Respond


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database.in_file(tmp_path / "jobs.db")
    made.migrate()
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receive() -> Iterator[Callable[[Respond], Receiver]]:
    with ExitStack() as stack:
        yield lambda respond: stack.enter_context(Receiver(respond))
