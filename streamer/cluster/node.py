"""A machine that works: `veilcast worker` as a whole. It starts Celery's workers, watches over them and drains them."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from streamer.cluster.app import PICTURES, UNITS, celery_app
from streamer.cluster.celery_process import CeleryProcess
from streamer.cluster.child import KEPT
from streamer.cluster.deafness import Deafness
from streamer.cluster.order import Order
from streamer.cluster.sending import Sending
from streamer.cluster.sweep import Sweep
from streamer.errors import ConfigError
from streamer.runtime.backoff import Backoff
from streamer.service.jobs.ending import Farewell
from streamer.service.jobs.leases import Leases
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.store.data_folder import DataFolder
from streamer.service.store.database import BusyError, StorageError
from streamer.service.store.folder_lock import FolderLock
from streamer.service.webhooks.deliveries import Deliveries
from streamer.service.work.originals import KeptOriginals
from streamer.service.work.sandbox import lacking
from streamer.service.work.step_work import JobLimits
from streamer.settings.service import ServeSettings

_log = logging.getLogger("veilcast.cluster")

POLL: Final = 0.2
LOOK: Final = 2.0  # seconds between two looks at what waits
END: Final = 15.0  # seconds for steps to be given back
"""After that, leases end by themselves."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Steps and pictures at a time; 0: none. `grace`: seconds that steps may go on once the node is to stop."""

    steps: int
    pictures: int
    grace: float


class Node:
    """Runs until it is told to stop. One node a data folder, which holds only what is being worked on."""

    def __init__(self, settings: ServeSettings, capacity: Capacity) -> None:
        self._settings, self._capacity = settings, capacity
        self.name = f"{os.uname().nodename[:40]}-{os.getpid()}"
        self._processes: dict[str, CeleryProcess] = {}
        self._heard = set[str]()
        self._backoffs = {UNITS: Backoff(), PICTURES: Backoff()}
        self._resume = {UNITS: 0.0, PICTURES: 0.0}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then drain. KeyboardInterrupt while draining: give everything back at once.

        Raises ConfigError, in one line, if it cannot start.
        """
        config = self._settings.service
        if config.broker is None or config.database is None or config.blobs is None:
            raise ConfigError(Path("worker"), "needs --database, --blobs and --broker: see docs/service.md")
        if (gap := lacking()) is not None:
            _log.warning("%s", gap)
        with ExitStack() as stack:
            folder = DataFolder.of(config)
            stack.callback(folder.close)
            stack.callback(FolderLock(folder.path).close)
            shutil.rmtree(folder.work, ignore_errors=True)
            folder.work.mkdir(mode=0o700, exist_ok=True)
            stack.callback(shutil.rmtree, folder.work, ignore_errors=True)
            reading, writing = os.pipe()
            stack.callback(os.close, reading)
            broker = config.broker.get_secret_value()
            limits = JobLimits.of(config)
            order = Order(
                queue=UNITS,
                concurrency=self._capacity.steps,
                broker=broker,
                database=config.database.get_secret_value(),
                blobs=config.blobs,
                scratch=str(folder.work),
                node=self.name,
                parent=os.getpid(),
                stopping=reading,
                memory=limits.memory,
                seconds=limits.seconds,
                file_bytes=limits.file_bytes,
                keep=config.keep_hours * 3600,
                log=self._settings.live.log.model_dump_json(),
            )
            leases = Leases(folder.database, folder.blobs, Farewell(order.keep, Deliveries(folder.database)))
            sending = Sending(celery_app(broker))
            sweep = Sweep(folder.database, leases, sending, AskedPictures(folder.database, folder.blobs))
            kept = KeptOriginals(folder.work / KEPT)
            deafness = Deafness(leases, sending, self.name)
            try:
                self._work(stop, order, lambda: self._look(leases, sweep, kept, deafness))
                self._drain()
            finally:
                os.close(writing)
                for process in self._processes.values():
                    process.drain()
                for process in self._processes.values():
                    process.close(END)

    def _work(self, stop: threading.Event, order: Order, look: Callable[[], None]) -> None:
        due = 0.0
        while not stop.wait(POLL):
            self._start(order)
            if time.monotonic() >= due:
                try:
                    look()
                except (BusyError, StorageError) as error:
                    _log.warning("the database cannot be asked: %s", error)
                due = time.monotonic() + LOOK

    def _start(self, order: Order) -> None:
        """Start what does not run, but is to."""
        for queue, concurrency in ((UNITS, self._capacity.steps), (PICTURES, self._capacity.pictures)):
            process = self._processes.get(queue)
            if process is not None and process.exit_code is not None:
                _log.error("the worker for %s has ended (code %s) and is started again", queue, process.exit_code)
                self._end(queue)
            elif process is not None and process.ready and queue not in self._heard:
                self._heard.add(queue)
                self._backoffs[queue].reset()
                _log.info("takes messages from %s, %d at a time", queue, concurrency)
            if concurrency and queue not in self._processes and time.monotonic() >= self._resume[queue]:
                self._processes[queue] = CeleryProcess(replace(order, queue=queue, concurrency=concurrency))

    def _end(self, queue: str) -> None:
        """End a process, which is started again after a while."""
        process = self._processes.pop(queue)
        self._heard.discard(queue)
        process.drain()
        process.close(END)
        self._resume[queue] = time.monotonic() + self._backoffs[queue].next()

    def _look(self, leases: Leases, sweep: Sweep, kept: KeptOriginals, deafness: Deafness) -> None:
        sweep.run()
        kept.tidy(leases.running)
        process = self._processes.get(UNITS)
        if process is not None and deafness.found(process.ready):
            _log.error("steps and messages wait, but nothing comes: the workers are started again")
            for queue in list(self._processes):
                self._end(queue)

    def _drain(self) -> None:
        """No new steps; those that run have time, then they are given back."""
        _log.info("stopping; steps that run have %g seconds", self._capacity.grace)
        for process in self._processes.values():
            process.drain()
        try:
            end = time.monotonic() + self._capacity.grace
            while any(process.exit_code is None for process in self._processes.values()) and time.monotonic() < end:
                time.sleep(POLL)
        except KeyboardInterrupt:
            _log.info("stopping at once")
