"""Rings again for what nobody works on: messages that were lost, or never sent, cost some seconds and nothing else."""

from __future__ import annotations

import logging
from typing import Final

from streamer.cluster.app import UNITS
from streamer.cluster.sending import MOST, Sending
from streamer.service.jobs.leases import Leases
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.store.chores import chore_is_due
from streamer.service.store.database import Database

_log = logging.getLogger("veilcast.cluster")

EVERY: Final = 5.0
"""Seconds between two sweeps, by whichever node is first."""


class Sweep:
    """Gateways and workers all sweep; one of them does at a time, and if two did, some messages would find no step."""

    def __init__(self, database: Database, leases: Leases, sending: Sending, asked: AskedPictures) -> None:
        self._database, self._leases, self._sending, self._asked = database, leases, sending, asked

    def run(self) -> int:
        """Sweep if it is time to; returns for how many steps it rang. Raises BusyError, OSError.

        While there are messages, workers come by and take the oldest step there is; so only an empty queue tells that
        some are missing.
        """
        if not chore_is_due(self._database, "sweep", EVERY):
            return 0
        self._asked.sweep()
        free = self._leases.free(MOST)
        if not free or self._sending.waiting(UNITS) != 0 or not self._sending.steps(free):
            return 0
        _log.info("rang again for %d steps that waited without a message", len(free))
        return len(free)
