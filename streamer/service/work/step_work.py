"""Does a step of a job that was claimed, in a process of its own; whatever comes of it is noted."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from streamer.service.jobs.leases import Leases
from streamer.service.jobs.settings import JobSettings, engine_name
from streamer.service.jobs.step import Claim, StepKind
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import BusyError, StorageError
from streamer.service.work.doorbell import Bell
from streamer.service.work.heartbeat import Heartbeat
from streamer.service.work.job_process import JobProcess
from streamer.service.work.leavings import collect, collect_plan, collect_unit
from streamer.service.work.originals import KeptOriginals
from streamer.service.work.task import ORIGINAL, Said, Task
from streamer.settings.file import Settings
from streamer.settings.service import ServiceConfig
from streamer.units.span import UnitSpan

_log = logging.getLogger("veilcast.work")

LISTEN: Final = 0.2  # seconds
LOOK: Final = 0.5  # seconds between two looks whether the job was cancelled
AGAIN: Final = 2.0  # seconds until a database that does not answer is asked again
TROUBLE: Final = 10.0  # seconds to wait after a full disk or a database that does not answer
_ROOM: Final = 256 << 20  # bytes
_FILES: Final = 100
_OTHERS: Final = 8  # how often a step is left to workers of other versions: 10 minutes in all
RESULT_FACTOR: Final = 4  # a masked file may be so many times as large as the largest upload
ADDRESS_FACTOR: Final = 6
"""How much more address space than memory a process gets: most of it is never used."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a job may take: bytes of memory, seconds, bytes of a file that it writes."""

    memory: int
    seconds: float
    file_bytes: int

    @classmethod
    def of(cls, config: ServiceConfig) -> JobLimits:
        """As the settings have them."""
        return cls(config.job_memory_mb << 20, config.job_hours * 3600, RESULT_FACTOR * (config.upload_mb << 20))


class StepWork:
    """Does steps of jobs. One at a time; many may share a scratch folder."""

    def __init__(
        self,
        leases: Leases,
        blobs: Blobs,
        scratch: Path,
        base: Settings | None,
        limits: JobLimits,
        bell: Bell,
        stopping: threading.Event,
        kept: KeptOriginals,
    ) -> None:
        """`scratch`: folder for steps' files; `base`: the server's settings, on top of which come a job's own, or None
        for those of the server that took the job in.

        Once `stopping` is set, the step is given back. `bell` is rung when a step has led to others.
        """
        self._leases, self._blobs, self._scratch, self._base = leases, blobs, scratch, base
        self._limits, self._bell, self._stopping, self.kept = limits, bell, stopping, kept

    def do(self, claim: Claim) -> None:
        """One attempt. Whatever comes of it is noted, and its files are removed. Raises what the database raises."""
        scratch = self._scratch / claim.lease
        with Heartbeat(self._leases, claim) as heart:
            try:
                self._fetch(claim, scratch)
                self._attempt(claim, scratch, heart)
            except FileNotFoundError:
                self._insist(claim, lambda: self._leases.fail(claim, "its original is gone", again=False))
            except OSError as error:  # nothing that the job could be blamed for
                reason = (error.strerror or str(error)).lower()
                _log.error("a job is put off: %s", reason)
                self._insist(claim, lambda: self._leases.put_off(claim, f"put off: {reason}"))
                self._stopping.wait(TROUBLE)
            except (BusyError, SQLAlchemyError):
                raise
            except Exception as error:  # noqa: BLE001 - settings of an older version, say: the next job is another one
                reason = f"unexpected error ({type(error).__name__})"
                _log.error("a job failed: %s", reason)
                self._insist(claim, lambda: self._leases.fail(claim, reason, again=True))
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def _fetch(self, claim: Claim, scratch: Path) -> None:
        """What a process needs, in a folder that it cannot write to, and one for what it makes."""
        inputs = scratch / "in"
        for folder in (scratch, inputs, scratch / "out"):
            folder.mkdir(mode=0o700)
        if not self.kept.take(claim.job, inputs / ORIGINAL):
            self._blobs.fetch(claim.parts, inputs / ORIGINAL)
            (inputs / ORIGINAL).chmod(0o400)

    def _attempt(self, claim: Claim, scratch: Path, heart: Heartbeat) -> None:
        folder = scratch / "out"
        try:
            chosen, settings = self._chosen(claim)
        except ValueError:
            self._misunderstood(claim)
            return
        task = Task(
            folder=str(folder),
            inputs=str(scratch / "in"),
            settings=settings.model_dump_json(),
            verify=chosen.verify,
            masks=chosen.masks,
            file_bytes=self._limits.file_bytes,
            address_bytes=ADDRESS_FACTOR * self._limits.memory,
            parent=os.getpid(),
            step=claim.kind.value,
            span=claim.span,
            units=len(claim.units),
            may_cut=claim.plan is None and not chosen.verify and not chosen.masks,
        )
        for number, blob in enumerate(claim.units):
            self._blobs.fetch([blob], task.unit(number))
        with JobProcess(task) as process:
            verdict = self._watch(claim, process, heart)
        if verdict is None:
            return
        if verdict.failed is None:
            try:
                publish = self._publishing(claim, folder, verdict, settings)
            except ValueError as error:
                verdict = Said(failed=str(error))
            else:
                if self._insist(claim, publish) and verdict.left is not None:
                    self.kept.keep(claim.job, scratch / "in" / ORIGINAL)
                return
        if verdict.blame == "disk" and is_full(folder):  # its word alone does not count
            raise OSError(errno.ENOSPC, verdict.failed)
        reason = verdict.failed or "ended without a word"
        _log.info("a job failed (attempt %d): %s", claim.attempt, reason)
        if verdict.blame == "cut" and claim.kind is not StepKind.WHOLE:
            self._insist(claim, lambda: self._leases.uncut(claim, reason))
        else:
            self._insist(claim, lambda: self._leases.fail(claim, reason, again=verdict.blame != "file"))

    def _chosen(self, claim: Claim) -> tuple[JobSettings, Settings]:
        """What was chosen for the job, and the engine's settings. Raises ValueError if that makes no sense."""
        chosen = JobSettings.model_validate_json(claim.settings)
        if claim.kind is not StepKind.WHOLE:
            if claim.span is not None:
                UnitSpan.from_json(claim.span)
            return chosen, Settings.model_validate_json(claim.plan or "{}")
        base = Settings.model_validate_json(claim.base or "{}") if self._base is None else self._base
        return chosen, chosen.whole(base)

    def _misunderstood(self, claim: Claim) -> None:
        """Another version has written what this one cannot read. In a cluster, workers of that version may come by."""
        why = "its settings make no sense to this version"
        if self._base is None and claim.setbacks < _OTHERS:
            self._insist(claim, lambda: self._leases.put_off(claim, f"put off: {why}"))
        elif claim.kind is not StepKind.WHOLE:
            self._insist(claim, lambda: self._leases.uncut(claim, why))
        else:
            self._insist(claim, lambda: self._leases.fail(claim, why, again=False))

    def _publishing(self, claim: Claim, folder: Path, said: Said, settings: Settings) -> Callable[[], bool]:
        """What notes what the process has left. Raises ValueError if that is not what the step was to make."""
        if said.suffix is not None and claim.kind is not StepKind.UNIT:
            output = replace(collect(folder, said.suffix), engine=engine_name(settings))
            return lambda: self._leases.publish(claim, output)
        if said.left == "unit" and claim.kind is StepKind.UNIT:
            unit = collect_unit(folder)
            return lambda: self._leases.publish_unit(claim, unit)
        if said.left == "plan" and claim.kind is StepKind.WHOLE:
            cut = collect_plan(folder, settings.model_dump_json())
            return lambda: self._leases.cut(claim, cut)
        raise ValueError("its process said what makes no sense")

    def _watch(self, claim: Claim, process: JobProcess, heart: Heartbeat) -> Said | None:
        """How the process ended; None if the job is no longer this worker's, or was given back."""
        begun = looked = time.monotonic()
        while process.exit_code is None:
            try:
                for said in process.listen(LISTEN):
                    if said.last:
                        return said
                    heart.progress, heart.seconds_left = said.progress or 0.0, said.seconds_left
            except ValueError:
                return Said(failed="its process said what makes no sense")
            if self._stopping.is_set():
                self._insist(claim, lambda: self._leases.give_back(claim))
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

    def _insist(self, claim: Claim, note: Callable[[], bool]) -> bool:
        """Do it as soon as the database can be written again; then others may have something to do.

        While closing, once: a lease that is not given back ends by itself. False: the step was no longer this worker's.
        """
        while True:
            try:
                if note():
                    self._bell.ring(claim.step)
                    return True
                _log.info("a job went to another worker, or was cancelled")
                return False
            except (BusyError, StorageError):
                if self._stopping.wait(AGAIN):
                    return False


def is_full(folder: Path) -> bool:
    """Whether there is hardly any room where the folder is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < _ROOM or (found.f_files > 0 and found.f_favail < _FILES)
