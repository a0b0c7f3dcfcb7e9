"""What must hold of a data folder, whenever a service was killed over it: looked at from outside."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import select

from core.geometry import Box
from core.pictures.planes import BgrImage
from streamer.service.audit.verification import verify_log
from streamer.service.jobs.orphans import remove_orphans
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow, JobRow, PartRow, UploadRow
from tests.rigs import faces

MASKED = 12.0
"""How much a masked face differs from the original: mean of all its pixels, in grey levels."""


class Judge:
    """Looks at the data of a service that may be running."""

    def __init__(self, data: Path, database: Database | None = None, blobs: Blobs | None = None) -> None:
        """`data`: the service's folder; `database`, `blobs`: where its things are, if they are not in there."""
        self._data = data
        self._database = database or Database.in_file(data / "veilcast.db")
        self._blobs = blobs or Blobs.in_folder(data / "blobs")

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def always(self, accepted: Iterable[str]) -> list[str]:
        """What is wrong though it must never be: lost jobs, results twice, files that are missing, a broken log."""
        faults = [finding.text for finding in verify_log(self._database).findings]
        with self._database.reading() as session:
            jobs = {row.id: row for row in session.scalars(select(JobRow))}
            parts = list(session.scalars(select(PartRow)))
        faults += [f"an accepted job is lost: {job}" for job in accepted if job not in jobs]
        for job, count in self.results().items():
            if count > 1:
                faults.append(f"job {job} has {count} results in the audit log")
            if job not in jobs or jobs[job].state != "done":
                faults.append(f"job {job} has a result in the audit log, but is not done")
        for row in jobs.values():
            if row.state == "done" and (row.result is None or self._size(row.result) != row.result_bytes):
                faults.append(f"the result of job {row.id} is missing or not whole")
            if row.state != "done" and (row.result, row.result_sha256) != (None, None):
                faults.append(f"job {row.id} is {row.state} and has a result")
        faults += ["a piece of an upload is missing" for part in parts if self._size(part.blob) != part.bytes]
        return faults

    def idle(self, unclaimed: int) -> list[str]:
        """What is left though nothing is to be done. `unclaimed`: uploads whose senders may never have known them."""
        faults = []
        if left := list((self._data / "work").iterdir()):
            faults.append(f"{len(left)} scratch folders are left")
        files = [path for path in (self._data / "blobs").rglob("*") if path.is_file()]
        odd = [path for path in files if len(path.name) != 32 and path.name not in ("clock", "owner")]
        if odd:
            faults.append(f"{len(odd)} half-written files are left")
        if orphans := remove_orphans(self._database, self._blobs):
            faults.append(f"{orphans} files of nobody are left")
        with self._database.reading() as session:
            uploads = list(session.scalars(select(UploadRow)))
            open_jobs = list(session.scalars(select(JobRow.id).where(JobRow.state.in_(("queued", "running")))))
        if any(row.sha256 is None and not row.resumable for row in uploads) or len(uploads) > unclaimed:
            faults.append(f"{len(uploads)} uploads are left, of which {unclaimed} may be")
        if open_jobs:
            faults.append(f"{len(open_jobs)} jobs have not ended")
        return faults

    def results(self) -> Counter[str]:
        """How many results that are ok the audit log has of each job."""
        return Counter(str(entry["job"]) for entry in self._entries("result") if entry["outcome"] == "ok")

    def pictures(self) -> int:
        """How many pictures were answered, by the audit log."""
        return sum(1 for entry in self._entries("picture") if entry["outcome"] == "ok")

    def _entries(self, action: str) -> list[dict[str, object]]:
        with self._database.reading() as session:
            entries = [json.loads(text) for text in session.scalars(select(AuditRow.entry))]
        return [entry for entry in entries if entry["action"] == action]

    def _size(self, blob: str) -> int | None:
        try:
            return self._blobs.size(blob)
        except FileNotFoundError:
            return None


def unmasked(content: bytes, clip: faces.Clip) -> str:
    """What is wrong with a masked video; empty if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "masked.mp4")
        path.write_bytes(content)
        pictures = faces.read(path)
    if len(pictures) != len(clip.pictures):
        return f"a result has {len(pictures)} pictures in place of {len(clip.pictures)}"
    for before, after, boxes in zip(clip.pictures, pictures, clip.faces, strict=True):
        if any(difference(before, after, box) < MASKED for box in boxes):
            return "a face shows in a result"
    return ""


def difference(before: BgrImage, after: BgrImage, box: Box) -> float:
    """Of the middle of a box, in grey levels."""
    (x, y), width, height = box.center, box.width / 4, box.height / 4
    area = np.s_[round(y - height) : round(y + height), round(x - width) : round(x + width)]
    return float(np.abs(before[area].astype(int) - after[area]).mean())


def masked_picture(before: BgrImage, box: Box, content: bytes) -> bool:
    """Whether an answer is the picture with its face masked."""
    after = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if after is None or after.shape != before.shape:
        return False
    return difference(before, np.asarray(after, np.uint8), box) >= MASKED
