"""A clock that tests set, and servers that receive webhooks on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.streamer.service.webhooks.receiver import Clock, Receiver, Respond


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receive() -> Iterator[Callable[[Respond], Receiver]]:
    with ExitStack() as stack:
        yield lambda respond: stack.enter_context(Receiver(respond))
