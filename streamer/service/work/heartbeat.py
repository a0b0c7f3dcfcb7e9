"""Keeps a claim alive for as long as a worker is at it, also while large files are copied and nothing else happens."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from core.owned_thread import POLL, OwnedThread
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.step import Claim
from streamer.service.store.database import BusyError

_log = logging.getLogger("veilcast.work")

BEAT: Final = 5.0
"""Seconds between two signs of life."""


class Heartbeat:
    """Beats from a thread of its own inside a `with` block; `progress` and `seconds_left` are what it says."""

    def __init__(self, leases: Leases, claim: Claim) -> None:
        self.progress = 0.0
        self.seconds_left: float | None = None
        self._leases, self._claim = leases, claim
        self._thread = OwnedThread("veilcast-heartbeat", self._run)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.close()

    def _run(self) -> None:
        waited = 0.0
        while not self._thread.stopping.wait(POLL):
            waited += POLL
            if waited < BEAT:
                continue
            waited = 0.0
            try:
                if not self._leases.beat(self._claim, self.progress, self.seconds_left):
                    return  # it is another one's now
            except (BusyError, SQLAlchemyError, OSError) as error:
                _log.warning("a sign of life could not be written: %s", type(error).__name__)
