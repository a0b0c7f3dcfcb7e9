"""Measures `Times`: seconds of CPU, which hardly depend on what else the machine does."""

from __future__ import annotations

import dataclasses
import io
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import av
import httpx
from PIL import Image
from sqlalchemy.orm import Session

from core.still import StillAnonymizer
from streamer.pictures.job import mask_picture
from streamer.service.server import ServiceServer
from streamer.service.store.database import Database
from streamer.settings.file import Settings
from streamer.settings.live import LiveSettings
from streamer.settings.service import ServeSettings, ServiceConfig
from streamer.units.join import join_units
from streamer.units.plan import plan_file
from streamer.units.unit import mask_unit
from tests.rigs.cluster.model import LOOKED_TWICE, LOOKING
from tests.rigs.cluster.times import Times

LONG, SHORT = 200, 4  # s of video
PICTURES: Final = 24
WAIT: Final = 1800.0  # s


def measure(clip: Path, before: Times) -> Times:
    """All that needs no cluster, with this clip repeated as the video and its frames as pictures; else as `before`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        long, short = (repeated(clip, folder / f"{seconds}.mp4", seconds) for seconds in (LONG, SHORT))
        pictures = frames(long, PICTURES)
        units = _units(long, folder)
        masking = [_cpu(lambda each=each: _mask(each)) for each in pictures]  # type: ignore[misc]
        masking = masking[2:]  # models are loaded with the first
        found = dataclasses.replace(
            before,
            picture=statistics.mean(masking),
            picture_spread=statistics.stdev(masking) / statistics.mean(masking),
            **units,
        )
        return dataclasses.replace(found, **_service(folder, long, short, pictures, found))


def repeated(clip: Path, target: Path, seconds: int) -> Path:
    """The clip's pictures as they are, so often that they last that long."""
    loop = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(clip), "-t", str(seconds), "-an"]
    subprocess.run([*loop, "-c", "copy", str(target)], check=True, timeout=120)
    return target


def frames(video: Path, count: int) -> list[bytes]:
    """Frames from all over it, as JPEG."""
    found = list[bytes]()
    with av.open(str(video)) as container:
        total = int(float(container.duration or 0) / 1e6 * float(container.streams.video[0].average_rate or 25))
        for number, frame in enumerate(container.decode(video=0)):
            if number % max(1, total // count) == 0 and len(found) < count:
                out = io.BytesIO()
                Image.fromarray(frame.to_ndarray(format="rgb24")).save(out, "JPEG", quality=92)
                found.append(out.getvalue())
    return found


def _units(long: Path, folder: Path) -> dict[str, float]:
    settings = Settings()
    planning = _cpu(lambda: plan_file(long, settings))
    plan = plan_file(long, settings)
    assert len(plan.units) > 1, plan.whole_because
    targets, each = [folder / f"{unit.number}.unit" for unit in plan.units], list[float]()
    length = LONG / len(plan.units)
    for unit, target in zip(plan.units, targets, strict=True):
        looked = LOOKED_TWICE * LOOKING * (0.5 if unit.number in (0, len(plan.units) - 1) else 1.0)
        spent = _cpu(lambda unit=unit, target=target: mask_unit(long, unit, target, settings))  # type: ignore[misc]
        each.append(spent / (length + looked))
    joining = _cpu(lambda: join_units(long, targets, folder / "joined.mp4", settings))
    return {
        "second": statistics.mean(each),
        "second_spread": statistics.stdev(each) / statistics.mean(each),
        "plan_second": planning / LONG,
        "join_second": joining / LONG,
    }


def _service(folder: Path, long: Path, short: Path, pictures: list[bytes], times: Times) -> dict[str, float]:
    """What a service costs besides masking, from a picture, a short job and a long one."""
    config = ServiceConfig(listen="127.0.0.1:0", data=folder / "data", workers=1, picture_workers=1)
    settings = ServeSettings(**dict(LiveSettings()), service=config)
    with counted_transactions() as counts, ServiceServer(settings) as server:
        stop = threading.Event()
        runner = threading.Thread(target=server.run, args=(stop,), name="service-server")
        runner.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=WAIT) as http:
                for each in pictures[:4]:
                    http.post("/v1/pictures", content=each).raise_for_status()
                begun, writes, reads = time.process_time(), counts.writes["request"], counts.reads["request"]
                for each in pictures[4:]:
                    http.post("/v1/pictures", content=each).raise_for_status()
                count = len(pictures) - 4
                picture_http = (time.process_time() - begun) / count
                picture_writes = (counts.writes["request"] - writes) / count
                picture_reads = (counts.reads["request"] - reads) / count
                upload = _cpu(lambda: http.post("/v1/uploads", content=bytes(64_000_000)).raise_for_status()) / 64
                writes = counts.writes["request"]
                spent, _ = _job(http, short)
                job_writes = counts.writes["request"] - writes
                before = counts.copy()
                _, took = _job(http, long)
        finally:
            stop.set()
            runner.join(WAIT)
    steps = len(plan_file(long, Settings()).units) + 2
    by_worker = {name: each["worker"] - then["worker"] for name, each, then in counts.since(before)}
    return {
        "picture_http": picture_http,
        "picture_writes": picture_writes,
        "upload_mb": upload,
        "step": max(0.1, spent - SHORT * times.second),
        "job_writes": job_writes,
        "step_writes": by_worker["writes"] / steps,
        "beat_writes": (counts.writes["beat"] - before.writes["beat"]) / took,
        "write": counts.write_seconds,
        "picture_reads": picture_reads,
        "look_reads": by_worker["reads"] / took,
    }


def _job(http: httpx.Client, video: Path) -> tuple[float, float]:
    """CPU seconds of the job's processes, and how long it took."""
    begun, children = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with video.open("rb") as file:
        upload = http.post("/v1/uploads", content=file).json()["id"]
    job = http.post("/v1/jobs", json={"upload": upload, "settings": {}}).json()["id"]
    while (state := http.get(f"/v1/jobs/{job}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < begun + WAIT, "the job does not end"
        time.sleep(0.5)
    assert state["state"] == "done", state["reason"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime, time.monotonic() - begun


@dataclasses.dataclass
class TransactionCounts:
    """Transactions of this process by who made them: a request, a worker, its heartbeat ("beat"), others."""

    reads: Counter[str] = dataclasses.field(default_factory=Counter)
    writes: Counter[str] = dataclasses.field(default_factory=Counter)
    seconds: list[float] = dataclasses.field(default_factory=list)

    @property
    def write_seconds(self) -> float:
        """How long one that writes takes, in the middle of all."""
        return statistics.median(self.seconds) if self.seconds else 0.0

    def copy(self) -> TransactionCounts:
        """As they are now."""
        return TransactionCounts(self.reads.copy(), self.writes.copy())

    def since(self, before: TransactionCounts) -> list[tuple[str, Counter[str], Counter[str]]]:
        """Name, now and then, of both kinds."""
        return [("reads", self.reads, before.reads), ("writes", self.writes, before.writes)]


def _who() -> str:
    name = threading.current_thread().name
    kinds = {"AnyIO": "request", "veilcast-worker": "worker", "heartbeat": "beat"}
    return next((kind for part, kind in kinds.items() if part in name), "others")


@contextmanager
def counted_transactions() -> Iterator[TransactionCounts]:
    """Count them as long as the block runs."""
    counts, lock = TransactionCounts(), threading.Lock()
    reading, writing = Database.reading, Database.writing

    @contextmanager
    def count_reading(database: Database) -> Iterator[Session]:
        with lock:
            counts.reads[_who()] += 1
        with reading(database) as session:
            yield session

    @contextmanager
    def count_writing(database: Database) -> Iterator[Session]:
        begun = time.perf_counter()
        with writing(database) as session:
            yield session
        with lock:
            counts.writes[_who()] += 1
            counts.seconds.append(time.perf_counter() - begun)

    patched: tuple[Callable[[Database], AbstractContextManager[Session]], ...] = (count_reading, count_writing)
    Database.reading, Database.writing = patched  # type: ignore[method-assign, assignment]
    try:
        yield counts
    finally:
        Database.reading, Database.writing = reading, writing  # type: ignore[method-assign]


_ENGINES = list[StillAnonymizer]()


def _mask(picture: bytes) -> None:
    if not _ENGINES:
        _ENGINES.append(StillAnonymizer(Settings()))
    mask_picture(picture, Settings(), _ENGINES[0])


def _cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads together."""
    begun = time.process_time()
    work()
    return time.process_time() - begun
