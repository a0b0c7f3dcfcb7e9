"""Workers on other machines, as a gateway sees them. What they are told by is not the service's business."""

from __future__ import annotations

from typing import Protocol

from streamer.service.jobs.leases import Leases
from streamer.service.jobs.step import StepId
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.store.database import Database


class Elsewhere(Protocol):
    """Tells them of steps and pictures. Nothing raises but `open` and `sweep`, and nothing takes long."""

    def open(self, database: Database, leases: Leases, asked: AskedPictures) -> None:
        """Begin. Called once, before all others."""

    def ring(self, step: StepId) -> None:
        """A step waits. Thread-safe."""

    def ring_picture(self, picture: str) -> None:
        """A picture waits. Thread-safe."""

    def sweep(self) -> object:
        """Tell of what nobody works on; called every so often. May raise BusyError and OSError."""

    def close(self) -> object:
        """Stop."""
