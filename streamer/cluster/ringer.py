"""A gateway's bell: tells workers on other machines, from a thread of its own, so that no request waits for Redis."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from core.owned_thread import POLL, OwnedThread
from streamer.cluster.sending import MOST, Sending, steps_after
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.step import StepId

_log = logging.getLogger("veilcast.cluster")

_PATIENCE: Final = 5.0  # seconds until Redis is tried again
_LAST: Final = 2.0  # seconds to send what is left when it is closed


class Ringer:
    """Rings for steps and pictures, at most `MOST` of each at a time; the sweep rings for all others. Thread-safe."""

    def __init__(self, sending: Sending, leases: Leases) -> None:
        self._sending, self._leases = sending, leases
        self._bell = threading.Condition()
        self._steps, self._pictures = dict[StepId, None](), dict[str, None]()
        self._thread = OwnedThread("veilcast-ringer", self._run)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def ring(self, step: StepId) -> None:
        """As `Bell.ring` has it."""
        self._add(lambda: self._steps.setdefault(step), self._steps)

    def ring_picture(self, picture: str) -> None:
        """A picture waits whose id this is."""
        self._add(lambda: self._pictures.setdefault(picture), self._pictures)

    def close(self) -> bool:
        """Send what is left, if Redis can be reached, and stop; False if that took too long."""
        self._thread.stopping.set()
        with self._bell:
            self._bell.notify()
        return self._thread.close(2 * _LAST + 10.0)

    def _add(self, add: Callable[[], None], to: dict[StepId, None] | dict[str, None]) -> None:
        with self._bell:
            if len(to) < MOST:
                add()
                self._bell.notify()

    def _run(self) -> None:
        resume = 0.0
        while True:
            stopping = self._thread.stopping.is_set()
            with self._bell:
                if not (self._steps or self._pictures) and not stopping:
                    self._bell.wait(POLL)
                if time.monotonic() < resume:  # Redis was away: what comes meanwhile is the sweep's
                    self._steps.clear()
                    self._pictures.clear()
                steps, self._steps = list(self._steps), {}
                pictures, self._pictures = list(self._pictures), {}
            if not self._told(steps, pictures):
                resume = time.monotonic() + _PATIENCE
            if stopping:
                return

    def _told(self, steps: list[StepId], pictures: list[str]) -> bool:
        told = not pictures or self._sending.pictures(pictures)
        try:
            free = [each for step in steps for each in steps_after(step, self._leases.free(MOST, step.job))]
        except Exception as error:  # noqa: BLE001 - the sweep rings once the database is back
            _log.warning("workers are told later: %s", type(error).__name__)
            return told
        return (not free or self._sending.steps(free)) and told
