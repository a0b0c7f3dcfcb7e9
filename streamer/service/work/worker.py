"""A thread that does jobs, one step after the other, each in a process of its own."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from core.owned_thread import OwnedThread
from streamer.service.jobs.leases import Leases
from streamer.service.store.blobs import Blobs
from streamer.service.work.doorbell import Doorbell
from streamer.service.work.originals import KeptOriginals
from streamer.service.work.step_work import TROUBLE, JobLimits, StepWork
from streamer.settings.file import Settings

_log = logging.getLogger("veilcast.work")

PAUSE: Final = 2.0  # seconds between two looks for a job when nobody rings


class Worker:
    """Does jobs until it is closed. What it has not finished by then waits for another worker."""

    def __init__(
        self,
        number: int,
        leases: Leases,
        blobs: Blobs,
        scratch: Path,
        base: Settings,
        limits: JobLimits,
        bell: Doorbell,
    ) -> None:
        """`scratch`: folder for jobs' files; `base`: the server's settings, on top of which come a job's own."""
        self.name = f"{os.uname().nodename[:40]}-{os.getpid()}-{number}"
        self._leases, self._bell = leases, bell
        self._thread = OwnedThread(f"veilcast-worker-{number}", self._run)
        kept = KeptOriginals(scratch / f"kept-{number}")
        self._work = StepWork(leases, blobs, scratch, base, limits, bell, self._thread.stopping, kept)

    def start(self) -> None:
        """Begin to look for jobs."""
        self._thread.start()

    @property
    def error(self) -> BaseException | None:
        """Why it has ended by itself, which it never should."""
        return self._thread.error

    def close(self, timeout: float = 10.0) -> bool:
        """Give the job back and stop; False if that took longer than `timeout` seconds."""
        self._thread.stopping.set()
        self._bell.ring()
        return self._thread.close(timeout)

    def _run(self) -> None:
        heard = 0
        while not self._thread.stopping.is_set():
            try:
                claim = self._leases.claim(self.name)
                if claim is None:
                    self._work.kept.tidy(self._leases.running)
                    heard = self._bell.wait(heard, PAUSE)
                else:
                    self._work.do(claim)
            except Exception as error:  # noqa: BLE001 - a worker that ends would leave all other jobs waiting
                _log.error("no job can be done at the moment: %s", type(error).__name__)
                self._thread.stopping.wait(TROUBLE)
        self._work.kept.clear()
