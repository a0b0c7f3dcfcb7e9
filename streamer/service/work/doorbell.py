"""Wakes workers when there is something to do."""

from __future__ import annotations

import threading
from typing import Protocol

from streamer.service.jobs.step import StepId


class Bell(Protocol):
    """Whoever can tell workers that there may be something to do. Must not raise, and must not take long."""

    def ring(self, step: StepId) -> None:
        """This step of a job waits, or is done so that others may wait: the database says so. Thread-safe."""


class Doorbell:
    """Wakes the workers of this process, whichever step it is: they look for themselves what is next."""

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self._rung = 0

    def ring(self, step: StepId | None = None) -> None:  # noqa: ARG002
        """Wake whoever waits. Thread-safe."""
        with self._bell:
            self._rung += 1
            self._bell.notify_all()

    def wait(self, heard: int, timeout: float) -> int:
        """Wait until it has rung more than `heard` times, or for `timeout` seconds; returns how often it has rung."""
        with self._bell:
            self._bell.wait_for(lambda: self._rung > heard, timeout)
            return self._rung
