"""Jobs sent to a cluster in which one thing after the other goes wrong, and what must hold once all have ended."""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from streamer.service.jobs.orphans import remove_orphans
from streamer.service.store.tables import CacheRow, JobRow, PartRow, UnitRow, UploadRow
from tests.rigs.cluster.fault_cluster import TOKEN, FaultCluster, until
from tests.rigs.cluster.faults import FAULTS, PLANNED, Hurt
from tests.rigs.recordings import recording
from tests.rigs.service.kill_clients import PIECE, Stubborn
from tests.rigs.service.kill_judge import Judge
from tests.rigs.service.running import film, photo

PATIENCE: Final = 240.0
"""Seconds for a round's jobs to end."""


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One fault. `open`: jobs that had not ended when it came; `seconds`: from then to the last job's end."""

    fault: str
    jobs: int
    open: int
    seconds: float
    orphans: int
    faults: tuple[str, ...]


class FaultRig:
    """Rounds on one cluster, which goes on from round to round. Use it inside the cluster's block."""

    def __init__(self, cluster: FaultCluster, folder: Path, jobs: int, seed: int, clients: int | None = None) -> None:
        """`jobs` a round, by so many clients one after the other; None: all at once."""
        self._cluster, self._chance, self._clients = cluster, random.Random(seed), clients or jobs
        long, other = (recording(folder / f"{name}.mp4", video=name).read_bytes() for name in ("testsrc2", "testsrc"))
        inputs = [film(folder, 8), long, photo(0.5), other, film(folder, 12)]
        self._inputs = [inputs[number % len(inputs)] for number in range(jobs)]
        self._results = dict[str, str]()
        self._jobs = list[str]()
        self._unclaimed = 0

    def round(self, fault: str, number: int) -> RoundReport:
        """Send jobs, do the fault while they are worked on, wait for their end, and judge."""
        clients = Stubborn(self._cluster.entrance, PATIENCE, TOKEN)
        faults = list[str]()
        over, steady = threading.Event(), list[Future[None]]()
        with (
            ThreadPoolExecutor(self._clients, thread_name_prefix="client") as pool,
            ThreadPoolExecutor(_STEADY, thread_name_prefix="steady") as extra,
        ):
            done = [pool.submit(self._jobs_of, clients, [content]) for content in self._inputs]
            if fault in PLANNED:
                done += [pool.submit(self._jobs_of, clients, self._until(over)) for _ in range(self._clients)]
                steady = [extra.submit(self._steadily, clients, over, send) for send in (_upload, _upload, _picture)]
            until(lambda: bool(self._at_work()) or all(each.done() for each in done), "a step begins")
            time.sleep(self._chance.uniform(0, 1.5))
            holders = self._at_work() or range(len(self._cluster.workers))
            hurt = Hurt(self._cluster, self._chance.choice(holders), number % 2 == 1)
            begun, still = time.monotonic(), sum(not each.done() for each in done)
            ended = [begun]
            for each in done:
                each.add_done_callback(lambda _: ended.append(time.monotonic()))
            try:
                (FAULTS | PLANNED)[fault](hurt)
            finally:
                over.set()
            for sender in steady:
                sender.result()
            count = 0
            for each in done:
                try:
                    jobs = each.result()
                    self._jobs += jobs
                    count += len(jobs)
                except Exception as error:  # noqa: BLE001 - whatever it is, it belongs in the report
                    faults.append(f"a client gave up: {error!r}")
        self._unclaimed += clients.unclaimed
        if fault == "clocks a minute apart":
            self._set_clocks_right(hurt.victim)
        orphans, wrong = self._judge()
        nodes = (*self._cluster.gateways, *self._cluster.workers)
        faults += [f"{node.name} has ended: {node.log[-1000:]}" for node in nodes if node.ended()]
        if fault in PLANNED:
            faults += clients.refusals
        wrong = [*clients.faults, *faults, *wrong]
        return RoundReport(fault, count, still, max(ended) - begun, orphans, tuple(wrong))

    def _until(self, over: threading.Event) -> Iterator[bytes]:
        """What to send while something lasts, and once more after it."""
        for content in itertools.cycle(self._inputs):
            last = over.is_set()
            yield content
            if last:
                return

    def _steadily(self, clients: Stubborn, over: threading.Event, send: Callable[[Stubborn], None]) -> None:
        """Requests that last, one after the other, so that there is always one on its way."""
        while not over.is_set():
            send(clients)

    def _jobs_of(self, clients: Stubborn, contents: Iterable[bytes]) -> list[str]:
        return [self._job(clients, content) for content in contents]

    def _job(self, clients: Stubborn, content: bytes) -> str:
        """Send it, wait for its end, and look at the result."""
        upload = clients.until(
            "POST", "/v1/uploads", content=_unlike_others(content), lost=functools.partial(self._lost, clients)
        )
        assert upload.status_code == 201, upload.text
        body, key = {"upload": upload.json()["id"]}, {"Idempotency-Key": uuid.uuid4().hex}
        told = {str(clients.until("POST", "/v1/jobs", json=body, headers=key).json()["id"]) for _ in range(2)}
        if len(told) != 1:
            clients.fault("one request became two jobs")
        [job] = told
        while (found := clients.until("GET", f"/v1/jobs/{job}").json())["state"] in ("queued", "running"):
            time.sleep(0.3)
        if found["state"] != "done":
            clients.fault(f"a job is {found['state']}: {found['reason']}")
            return job
        result = clients.until("GET", f"/v1/jobs/{job}/result")
        sha256 = hashlib.sha256(result.content).hexdigest()
        if sha256 != found["result"]["sha256"]:
            clients.fault(f"a result is not what it is said to be: {result.status_code}, {len(result.content)} bytes")
        given = hashlib.sha256(content).hexdigest()
        if self._results.setdefault(given, sha256) != sha256:
            clients.fault("a result differs from that of the same input undisturbed")
        return job

    def _lost(self, clients: Stubborn) -> None:
        clients.unclaimed += 1

    def _at_work(self) -> list[int]:
        """Workers that do a step at the moment, by number."""
        with self._cluster.database.reading() as session:
            names = [*session.scalars(select(JobRow.worker)), *session.scalars(select(UnitRow.worker))]
        workers = enumerate(self._cluster.workers)
        return [number for number, node in workers if any((name or "").startswith(node.claims_as) for name in names)]

    def _set_clocks_right(self, worker: int) -> None:
        nodes = (self._cluster.workers[worker], self._cluster.gateways[0])
        for node in nodes:
            node.kill()
            node.spawn()
        for node in nodes:
            node.wait()

    def _judge(self) -> tuple[int, list[str]]:
        """How many files of nobody the keeper's chore finds, and what is wrong."""
        database, blobs = self._cluster.database, self._cluster.blobs
        judge = Judge(self._cluster.folder, database, blobs)
        faults = judge.always(self._jobs)
        results = judge.results()
        faults += [f"job {job} has {results[job]} results" for job in self._jobs if results[job] != 1]
        faults += [f"job {job} was done, but never accepted" for job in results if job not in self._jobs]
        until(lambda: not self._at_work(), "nobody works any more", 30)
        orphans = remove_orphans(database, blobs)
        with database.reading() as session:
            units = session.scalar(select(func.count()).select_from(UnitRow)) or 0
            uploads = list(session.scalars(select(UploadRow.id)))
            parts = list(session.scalars(select(PartRow)))
            jobs = list(session.scalars(select(JobRow)))
            cached = set(session.scalars(select(CacheRow.blob)))
        if units:
            faults.append(f"{units} units of jobs that have ended are left")
        if len(uploads) > self._unclaimed:
            faults.append(f"{len(uploads)} uploads are left, of which {self._unclaimed} may be")
        known = {part.blob for part in parts} | {name for row in jobs for name in (row.result, row.report, row.masks)}
        known |= cached
        stored = set(blobs.names())
        faults += [f"a file of nobody: {name}" for name in stored - known]
        odd = [path for path in self._cluster.stored_files() if len(path.name) != 32 and path.name not in _NOTES]
        faults += [f"half-written: {path}" for path in odd]
        faults += self._scratch()
        return orphans, faults

    def _scratch(self) -> list[str]:
        """What workers have left in their folders, but for originals that they keep."""
        folders = list(self._cluster.folder.glob("worker*/work"))

        def left() -> Sequence[Path]:
            return [path for folder in folders if folder.exists() for path in folder.iterdir() if path.name != "kept"]

        try:
            until(lambda: not left(), "", 20)
        except TimeoutError:
            return [f"a scratch folder is left: {path}" for path in left()]
        return []


_NOTES: Final = ("clock", "owner")
_STEADY: Final = 3


def _upload(clients: Stubborn) -> None:
    answer = clients.whole(random.randbytes(20 * PIECE))
    if answer.status_code == 201:
        clients.until("DELETE", f"/v1/uploads/{answer.json()['id']}")
    else:
        clients.fault(f"an upload is answered {answer.status_code}: {answer.text[:200]}")


def _picture(clients: Stubborn) -> None:
    answer = clients.until("POST", "/v1/pictures", content=photo(random.uniform(0.4, 0.6)))
    if answer.status_code != 200:
        clients.fault(f"a picture is answered {answer.status_code}: {answer.text[:200]}")


def _unlike_others(content: bytes) -> bytes:
    """The same video or picture, but not the same file: what was masked before is not masked again."""
    return content + (24).to_bytes(4, "big") + b"free" + uuid.uuid4().bytes
