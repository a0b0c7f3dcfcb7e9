"""A thread that does the service's chores from time to time: what has expired and what belongs to nobody goes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from core.owned_thread import POLL, OwnedThread

_log = logging.getLogger("veilcast.keeper")


class Keeper:
    """Does `chores`, by name, every `every` seconds until it is closed. One that fails does not keep others from it."""

    def __init__(self, chores: Mapping[str, Callable[[], object]], every: float) -> None:
        self._chores, self._every = chores, every
        self._thread = OwnedThread("veilcast-keeper", self._run)

    def start(self) -> None:
        """Begin, with a first round at once."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> bool:
        """Stop; False if a chore took longer than `timeout` seconds."""
        return self._thread.close(timeout)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._thread.stopping.wait(POLL):
            if time.monotonic() < due:
                continue
            for name, chore in self._chores.items():
                try:
                    chore()
                except Exception as error:  # noqa: BLE001 - the next round may go better, and other chores must go on
                    _log.error("%s failed: %s", name, type(error).__name__)
            due = time.monotonic() + self._every
