"""A database with uploads and jobs, a clock that tests set, and no worker but the test."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import func, select

from streamer.service.access.caller import Caller, Role
from streamer.service.jobs.ending import Farewell
from streamer.service.jobs.jobs import Jobs
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.step import Claim, Output
from streamer.service.jobs.uploads import Uploads
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow

KEEP = 1000.0
ANNA = Caller("a" * 32, frozenset({Role.SUBMIT}), "127.0.0.1", max_jobs=3, max_bytes=1000)
BEN = Caller("b" * 32, frozenset({Role.SUBMIT}), "127.0.0.1")
BOSS = Caller("c" * 32, frozenset({Role.OPERATE}), "127.0.0.1")


class Ledger:
    """Uploads, jobs and leases on one database, at `now`."""

    def __init__(self, folder: Path, database: Database | None = None, blobs: Blobs | None = None) -> None:
        self.folder, self.now = folder, 1_000_000.0
        self.database = database or Database.in_file(folder / "jobs.db")
        self.database.migrate()
        self.blobs = blobs or Blobs.in_folder(folder / "blobs")
        farewell = Farewell(KEEP)
        self.uploads = Uploads(self.database, self.blobs, 5000, self.clock)
        self.jobs = Jobs(self.database, self.blobs, KEEP, lambda _: "engine 1", farewell, clock=self.clock)
        self.leases = Leases(self.database, self.blobs, farewell, self.clock)

    def clock(self) -> float:
        """Seconds since 1970, as the test wants them."""
        return self.now

    def upload(self, caller: Caller = BEN, content: bytes = b"a film") -> str:
        """A complete upload; returns its id."""
        begun = self.uploads.begin(caller, len(content))
        self.uploads.append(caller, begun.id, 0, content)
        return self.uploads.finish(caller, begun.id).id

    def output(self, content: bytes = b"masked") -> Output:
        """Files of a job's result."""
        result, report = self.folder / "result", self.folder / "report"
        result.write_bytes(content)
        report.write_bytes(b"{}")
        sha256 = hashlib.sha256(content).hexdigest()
        return Output(result, "video/mp4", len(content), sha256, {"report": report})

    def claim(self, worker: str = "w1") -> Claim:
        """The next job, which there must be."""
        claim = self.leases.claim(worker)
        assert claim is not None
        return claim

    def blob_count(self) -> int:
        """Blobs in the store."""
        return sum(1 for _ in self.blobs.names())

    def audit_count(self) -> int:
        """Entries of the audit log."""
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(AuditRow)) or 0
