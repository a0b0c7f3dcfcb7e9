"""Notices a Celery worker that is connected and hears nothing, as after a restart of Redis (celery #8030, #9054)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from streamer.cluster.app import UNITS
from streamer.cluster.sending import Sending
from streamer.service.jobs.leases import Leases

LONG: Final = 20.0
"""Seconds in which an idle worker takes a message that waits, unless it hears nothing."""
LONGEST: Final = 600.0


class Deafness:
    """Ask it every few seconds. A worker that turns out deaf again and again is suspected ever more slowly."""

    def __init__(
        self, leases: Leases, sending: Sending, node: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`node`: what the names of its workers begin with."""
        self._leases, self._sending, self._node, self._clock = leases, sending, node, clock
        self._since: float | None = None
        self._patience = LONG

    def found(self, ready: bool) -> bool:
        """Whether messages have waited for long while the worker was idle. `ready`: it has begun to take messages.

        Raises BusyError, StorageError.
        """
        if not ready or not self._leases.free(1) or not self._sending.waiting(UNITS):
            self._since = None
        elif self._leases.at_work(self._node):
            self._since, self._patience = None, LONG
        elif self._since is None:
            self._since = self._clock()
        elif self._clock() - self._since > self._patience:
            self._since, self._patience = None, min(2 * self._patience, LONGEST)
            return True
        return False
