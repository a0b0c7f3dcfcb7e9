"""A thread that does jobs, one after the other, each in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from core.owned_thread import OwnedThread
from streamer.file.report import Report
from streamer.service.jobs.leases import Claim, Leases, Output
from streamer.service.jobs.settings import JobSettings, engine_name
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import BusyError, StorageError
from streamer.service.work.heartbeat import Heartbeat
from streamer.service.work.job_process import JobProcess
from streamer.service.work.task import MASKS, MEDIA_TYPES, REPORT, RESULT, Said, Task
from streamer.settings.file import Settings

_log = logging.getLogger("veilcast.work")

LISTEN: Final = 0.2  # seconds
LOOK: Final = 0.5  # seconds between two looks whether the job was cancelled
PAUSE: Final = 2.0  # seconds between two looks for a job when nobody rings
TROUBLE: Final = 10.0  # seconds to wait after a full disk or a database that does not answer
_ROOM: Final = 256 << 20  # bytes
_FILES: Final = 100
_MOST_REPORT: Final = 64 << 20  # bytes
ADDRESS_FACTOR: Final = 6
"""How much more address space than memory a process gets: most of it is never used."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a job may take: bytes of memory, seconds, bytes of a file that it writes."""

    memory: int
    seconds: float
    file_bytes: int


class Doorbell:
    """Wakes workers when there is a new job."""

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self._rung = 0

    def ring(self) -> None:
        """Wake whoever waits. Thread-safe."""
        with self._bell:
            self._rung += 1
            self._bell.notify_all()

    def wait(self, heard: int, timeout: float) -> int:
        """Wait until it has rung more than `heard` times, or for `timeout` seconds; returns how often it has rung."""
        with self._bell:
            self._bell.wait_for(lambda: self._rung > heard, timeout)
            return self._rung


class Worker:
    """Does jobs until it is closed. Jobs that it has not finished by then are queued again."""

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
        self._leases, self._blobs, self._scratch, self._base = leases, blobs, scratch, base
        self._limits, self._bell = limits, bell
        self._thread = OwnedThread(f"veilcast-worker-{number}", self._run)

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
                    heard = self._bell.wait(heard, PAUSE)
                else:
                    self._do(claim)
            except Exception as error:  # noqa: BLE001 - a worker that ends would leave all other jobs waiting
                _log.error("no job can be done at the moment: %s", type(error).__name__)
                self._thread.stopping.wait(TROUBLE)

    def _do(self, claim: Claim) -> None:
        """One attempt. Whatever comes of it is noted, and its files are removed."""
        folder = self._scratch / claim.lease
        with Heartbeat(self._leases, claim) as heart:
            try:
                folder.mkdir(mode=0o700)
                self._blobs.fetch(claim.parts, folder / "original")
                self._attempt(claim, folder, heart)
            except FileNotFoundError:
                self._insist(lambda: self._leases.fail(claim, "its original is gone", again=False))
            except OSError as error:  # nothing that the job could be blamed for
                reason = (error.strerror or str(error)).lower()
                _log.error("a job is put off: %s", reason)
                self._insist(lambda: self._leases.put_off(claim, f"put off: {reason}"))
                self._thread.stopping.wait(TROUBLE)
            except (BusyError, SQLAlchemyError):
                raise
            except Exception as error:  # noqa: BLE001 - settings of an older version, say: the next job is another one
                reason = f"unexpected error ({type(error).__name__})"
                _log.error("a job failed: %s", reason)
                self._insist(lambda: self._leases.fail(claim, reason, again=True))
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _attempt(self, claim: Claim, folder: Path, heart: Heartbeat) -> None:
        chosen = JobSettings.model_validate_json(claim.settings)
        settings = chosen.whole(self._base)
        task = Task(
            folder=str(folder),
            settings=settings.model_dump_json(),
            verify=chosen.verify,
            masks=chosen.masks,
            file_bytes=self._limits.file_bytes,
            address_bytes=ADDRESS_FACTOR * self._limits.memory,
            parent=os.getpid(),
        )
        with JobProcess(task) as process:
            verdict = self._watch(claim, process, heart)
        if verdict is None:
            return
        if verdict.suffix is not None:
            try:
                output = replace(collect(folder, verdict.suffix), engine=engine_name(settings))
            except ValueError as error:
                wrong = str(error)
                self._insist(lambda: self._leases.fail(claim, wrong, again=True))
                return
            self._insist(lambda: self._leases.publish(claim, output))
        elif verdict.blame == "disk" and is_full(folder):  # its word alone does not count
            raise OSError(errno.ENOSPC, verdict.failed)
        else:
            reason = verdict.failed or "ended without a word"
            _log.info("a job failed (attempt %d): %s", claim.attempt, reason)
            self._insist(lambda: self._leases.fail(claim, reason, again=verdict.blame != "file"))

    def _watch(self, claim: Claim, process: JobProcess, heart: Heartbeat) -> Said | None:
        """How the process ended; None if the job is no longer this worker's, or was given back."""
        begun = looked = time.monotonic()
        while process.exit_code is None:
            try:
                for said in process.listen(LISTEN):
                    if said.suffix is not None or said.failed is not None:
                        return said
                    heart.progress, heart.seconds_left = said.progress or 0.0, said.seconds_left
            except ValueError:
                return Said(failed="its process said what makes no sense")
            if self._thread.stopping.is_set():
                self._insist(lambda: self._leases.give_back(claim))
                return None
            now = time.monotonic()
            if now - begun > self._limits.seconds:
                return Said(failed=f"took longer than {self._limits.seconds / 3600:g} hours", blame="file")
            if process.memory() > self._limits.memory:
                return Said(failed=f"needed more than {self._limits.memory >> 20} MB of memory", blame="file")
            if now - looked >= LOOK:
                looked = now
                with contextlib.suppress(BusyError, StorageError):  # another look comes soon
                    if not self._leases.held(claim):
                        return None
        code = process.exit_code
        return Said(failed=f"crashed (signal {-code})" if code < 0 else f"ended without a result (code {code})")

    def _insist(self, step: Callable[[], bool]) -> None:
        """Do it as soon as the database can be written again. While closing, once: a restart queues the job again."""
        while True:
            try:
                if not step():
                    _log.info("a job went to another worker, or was cancelled")
                return
            except (BusyError, StorageError):
                if self._thread.stopping.wait(PAUSE):
                    return


def is_full(folder: Path) -> bool:
    """Whether there is hardly any room where the folder is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < _ROOM or (found.f_files > 0 and found.f_favail < _FILES)


def collect(folder: Path, suffix: str) -> Output:
    """The files that a process has left, which may have been taken over. Raises ValueError if they are no result."""
    if suffix not in MEDIA_TYPES:
        raise ValueError("its process named a result of an unknown kind")
    result = folder / f"{RESULT}{suffix}"
    others = {"report": folder / REPORT, "masks": folder / MASKS}
    _check_plain(result)
    for path in [path for path in others.values() if os.path.lexists(path)]:
        _check_plain(path)
    found, size = hashlib.sha256(), 0
    with result.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
            size += len(chunk)
    if size == 0:
        raise ValueError("its process left an empty result")
    kept = {name: path for name, path in others.items() if path.exists()}
    return Output(result, MEDIA_TYPES[suffix], size, found.hexdigest(), kept, _checked(kept.get("report")))


def _checked(report: Path | None) -> str | None:
    """What a report says of the check of the masked file. Raises ValueError if it is no report."""
    if report is None:
        return None
    if report.stat().st_size > _MOST_REPORT:
        raise ValueError("its process left a report that is too large")
    try:
        found = Report.model_validate_json(report.read_bytes()).verification
    except ValidationError:
        raise ValueError("its process left a report that is none") from None
    if found is None:
        return None
    masked = sum(each.faces for each in found.rounds)
    return (
        "ok" if not found.left else f"{len(found.left)} places may still show a face; {masked} were masked in addition"
    )


def _check_plain(path: Path) -> None:
    """A link would have the server publish some other file that it may read, and the process may not."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise ValueError("its process left no result") from None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.getuid():
        raise ValueError("its process left a result that is no plain file")
