"""A process of Celery's pool: takes messages, and does steps or pictures. Its connections are its own."""

from __future__ import annotations

import logging
import os
import select
from pathlib import Path
from typing import Final

from core.owned_thread import POLL, OwnedThread
from streamer.cluster.app import celery_app
from streamer.cluster.order import Order
from streamer.cluster.picture_work import PictureWork
from streamer.cluster.sending import MOST, Sending, steps_after
from streamer.service.jobs.ending import Farewell
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.step import StepId
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import BusyError, Database, StorageError
from streamer.service.webhooks.deliveries import Deliveries
from streamer.service.work.originals import KeptOriginals
from streamer.service.work.sandbox import die_with
from streamer.service.work.step_work import JobLimits, StepWork

_log = logging.getLogger("veilcast.cluster")

KEPT: Final = "kept"
"""Folder of originals that all processes of a node share."""


class Child:
    """Made in the process itself. `stopping` is set once steps are to be given back."""

    def __init__(self, order: Order) -> None:
        die_with(os.getppid())
        self._order = order
        self._database, self._blobs = Database(order.database), Blobs.at(order.blobs)
        farewell = Farewell(order.keep, Deliveries(self._database))
        self._leases = Leases(self._database, self._blobs, farewell)
        self._sending = Sending(celery_app(order.broker))
        self._watch = OwnedThread("veilcast-stop-watch", self._look)
        self.stopping = self._watch.stopping
        kept = KeptOriginals(Path(order.scratch) / KEPT, order.concurrency)
        limits = JobLimits(order.memory, order.seconds, order.file_bytes)
        self._steps = StepWork(self._leases, self._blobs, Path(order.scratch), None, limits, self, self.stopping, kept)
        self._pictures: PictureWork | None = None
        self._name = f"{order.node}-{os.getpid()}"
        self._watch.start()

    def step(self) -> None:
        """Do the next step, whichever it is: another one may have become more urgent since the message was sent."""
        if self.stopping.is_set():
            return
        try:
            claim = self._leases.claim(self._name)
            if claim is not None:
                self._steps.do(claim)
        except (BusyError, StorageError) as error:  # the message is gone, and the sweep sends another one
            _log.error("no job can be done at the moment: %s", error)

    def picture(self, picture: str) -> None:
        """Mask a picture whose sender waits at a gateway."""
        if self._pictures is None:
            self._pictures = PictureWork(AskedPictures(self._database, self._blobs))
        self._pictures.do(picture)

    def ring(self, step: StepId) -> None:
        """As `Bell.ring` has it."""
        try:
            free = steps_after(step, self._leases.free(MOST, step.job))
        except (BusyError, StorageError):
            return
        if free:
            self._sending.steps(free)

    def close(self) -> None:
        """End what it has started."""
        self._watch.close()
        if self._pictures is not None:
            self._pictures.close()
        self._database.close()

    def _look(self) -> None:
        """Until the supervisor closes its end of the pipe, or dies."""
        while not self.stopping.is_set():
            ready, _, _ = select.select([self._order.stopping], [], [], POLL)
            if ready:
                self.stopping.set()
