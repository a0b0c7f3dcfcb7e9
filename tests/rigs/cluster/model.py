"""A cluster as a model: pictures and videos come, gateways and workers do them as the real ones would."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from tests.rigs.cluster.queueing import Action, Agenda, Servers
from tests.rigs.cluster.times import Times

Floats = npt.NDArray[np.float64]

UNIT: Final = 60.0  # s of video in a unit (streamer.units.plan); with less than half of one beyond it, it is not cut
LOOKED_TWICE: Final = 5.0  # s beside a unit that are looked at as well, without encoding
LOOKING: Final = 0.75  # share of a second's work that looking is
RANGE: Final = 1.2  # bytes of a unit with what is looked at beside it, as a share of its own
JOIN, ONE_UNIT, WHOLE = 0, 1, 2  # rank within a job


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the cluster is. `spill`: a picture that finds a gateway's queue full goes to the workers.

    A picture on a worker takes the core away from a step there, since steps have the lowest priority. `shared`: so do
    the gateways and PostgreSQL, Redis and S3, which all run on the first worker's core.
    """

    gateways: int = 2
    picture_processes: int = 2
    picture_queue: int = 64
    workers: int = 2
    concurrency: int = 1
    worker_pictures: int = 1  # pictures at a time, of each worker
    spill: bool = True
    shared: bool = False
    ranges: bool = False  # a worker would fetch only what a unit needs of the original; it fetches all of it
    sweep: float = 5.0  # s between two sweeps, which ring for what was missed
    lost_rings: float = 0.0  # share of rings that nobody hears

    @property
    def cores(self) -> int:
        """For masking: those of gateways and workers."""
        return self.gateways * self.picture_processes + self.workers * self.concurrency


@dataclass(frozen=True, slots=True)
class Videos:
    """Videos that come in: when, how long (both in seconds), and how large they are."""

    at: Floats
    seconds: Floats
    mb_per_second: float = 0.6


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures that come in; or `clients` that send so many one after the other, each the next when one is answered."""

    at: Floats
    mb: float = 2.0
    clients: int = 0
    count: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of it. Waits and turnarounds in seconds, in order of arrival or end."""

    picture_waits: list[float] = field(default_factory=list)
    picture_times: list[float] = field(default_factory=list)
    refused: int = 0
    spilled: int = 0
    job_waits: list[float] = field(default_factory=list)
    job_times: list[float] = field(default_factory=list)
    step_waits: list[float] = field(default_factory=list)
    steps: int = 0
    units: int = 0
    end: float = 0.0
    worker_seconds: float = 0.0
    picture_seconds: float = 0.0
    gateway_seconds: float = 0.0
    step_seconds: float = 0.0
    mb_in: float = 0.0
    mb_out: float = 0.0


@dataclass(slots=True)
class _Job:
    number: int
    since: float
    seconds: float
    mb: float
    left: int = 0
    begun: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """`core`: seconds of a core; MB besides the original that it fetches, and that it stores."""

    kind: int
    core: float
    fetches: float = 0.0
    stores: float = 0.0


class Cluster:
    """One run; call `run` once."""

    def __init__(self, times: Times, shape: Shape, seed: int = 0) -> None:
        self._times, self._shape = times, shape
        self._chance = np.random.default_rng(seed)
        self._agenda = Agenda()
        self.outcome = Outcome()
        self._gateways = [Servers(self._agenda, shape.picture_processes) for _ in range(shape.gateways)]
        self._workers = Servers(self._agenda, shape.workers * shape.concurrency, self._ring)
        self._sent_on = Servers(self._agenda, shape.workers * shape.worker_pictures, lambda: times.ring)
        self._kept: dict[int, int] = {}
        """The job whose original each of the workers still has."""
        self._answered = 0

    def run(self, videos: Videos | None = None, pictures: Pictures | None = None) -> Outcome:
        """Let it all come in, and wait until it is done."""
        agenda, outcome = self._agenda, self.outcome
        if videos is not None:
            for number, (at, seconds) in enumerate(zip(videos.at.tolist(), videos.seconds.tolist(), strict=True)):
                mb = seconds * videos.mb_per_second
                agenda.after(at, partial(self._upload, _Job(number, 0.0, seconds, mb)))
        if pictures is not None:
            for at in pictures.at.tolist():
                agenda.after(at, partial(self._picture, pictures, False))
            for _ in range(min(pictures.clients, pictures.count)):
                self._answered += 1
                self._picture(pictures, True)
        agenda.run()
        outcome.end = agenda.now
        outcome.worker_seconds = self._workers.busy_seconds
        return outcome

    # Pictures

    def _picture(self, pictures: Pictures, again: bool) -> None:
        times, shape, outcome = self._times, self._shape, self.outcome
        since = self._agenda.now
        gateway = self._gateways[int(self._chance.integers(len(self._gateways)))] if self._gateways else None
        full = gateway is None or gateway.waiting >= shape.picture_queue or not gateway.count
        if full and not shape.spill:
            outcome.refused += 1
            return
        seconds = self._spread(times.picture, times.picture_spread)
        self._gateway_works(times.picture_http)

        def work(server: int, waited: float) -> float:
            outcome.picture_waits.append(waited)
            outcome.picture_seconds += seconds
            if full:
                self._workers.hold_up(server // shape.worker_pictures * shape.concurrency, seconds)
                # Sent on, it takes the way over the storage, there and back.
                return seconds + pictures.mb * (times.fetch_mb + times.store_mb)
            if shape.shared:
                self._workers.hold_up(0, seconds)
                return seconds + times.picture_http  # the gateway's own work takes the same core
            return seconds

        def done() -> None:
            outcome.mb_in += pictures.mb  # the masked one is kept, to answer the same question again
            outcome.picture_times.append(self._agenda.now - since + times.picture_http)
            if again and self._answered < pictures.count:
                self._answered += 1
                self._agenda.after(times.picture_http, lambda: self._picture(pictures, True))

        outcome.spilled += full
        (self._sent_on if gateway is None or full else gateway).ask((0.0,), work, done)

    def _gateway_works(self, seconds: float) -> None:
        self.outcome.gateway_seconds += seconds
        if self._shape.shared:
            self._workers.hold_up(0, seconds)

    # Videos

    def _upload(self, job: _Job) -> None:
        cost = job.mb * self._times.upload_mb
        self._gateway_works(cost)
        self.outcome.mb_in += job.mb
        self._agenda.after(cost + job.mb * self._times.store_mb, lambda: self._submitted(job))

    def _submitted(self, job: _Job) -> None:
        job.since = self._agenda.now
        count, times = unit_count(job.seconds), self._times
        if count == 1:
            self._step(job, _Step(WHOLE, job.seconds * times.second, stores=job.mb), lambda: self._ended(job))
        else:
            self._step(job, _Step(WHOLE, job.seconds * times.plan_second), lambda: self._cut(job, count))

    def _cut(self, job: _Job, count: int) -> None:
        job.left = count
        self.outcome.units += count
        for number in range(count):
            looked = LOOKED_TWICE * LOOKING * (0.5 if number in (0, count - 1) else 1.0)
            core = (job.seconds / count + looked) * self._times.second
            self._step(job, _Step(ONE_UNIT, core, stores=job.mb / count), lambda: self._unit_done(job))

    def _unit_done(self, job: _Job) -> None:
        job.left -= 1
        if not job.left:
            core = job.seconds * self._times.join_second
            self._step(job, _Step(JOIN, core, fetches=job.mb, stores=job.mb), lambda: self._ended(job))

    def _ended(self, job: _Job) -> None:
        self.outcome.job_times.append(self._agenda.now - job.since)

    def _step(self, job: _Job, step: _Step, done: Action) -> None:
        times, outcome = self._times, self.outcome
        core = self._spread(step.core, times.second_spread if step.kind != JOIN else 0.0)

        def work(server: int, waited: float) -> float:
            outcome.steps += 1
            outcome.step_waits.append(waited)
            if not job.begun:
                job.begun = True
                outcome.job_waits.append(self._agenda.now - job.since)
            original = job.mb if step.kind != ONE_UNIT or not self._shape.ranges else step.stores * RANGE
            fetched = step.fetches + (0.0 if self._kept.get(server) == job.number else original)
            self._kept[server] = job.number
            outcome.mb_out += fetched
            outcome.mb_in += step.stores
            if self._shape.shared:
                self._workers.hold_up(0, times.services_step)
            seconds = times.step + core + fetched * times.fetch_mb + step.stores * times.store_mb
            outcome.step_seconds += seconds
            return seconds

        self._workers.ask((float(job.number), float(step.kind)), work, done)

    def _ring(self) -> float:
        if self._shape.lost_rings and self._chance.random() < self._shape.lost_rings:
            return self._shape.sweep - math.fmod(self._agenda.now, self._shape.sweep)
        return self._times.ring

    def _spread(self, mean: float, spread: float) -> float:
        """Log-normal around `mean`: never below 0, and now and then much longer."""
        if not spread or not mean:
            return mean
        width = math.sqrt(math.log1p(spread * spread))
        return float(mean * math.exp(width * self._chance.standard_normal() - width * width / 2))


def unit_count(seconds: float) -> int:
    """Into how many units a video is cut; 1: it is done whole."""
    return 1 if seconds < 1.5 * UNIT else max(1, math.floor(seconds / UNIT + 0.5))


def percentile(values: Sequence[float], share: float) -> float:
    """0 if there are none."""
    return float(np.percentile(np.asarray(values), share)) if values else 0.0


@dataclass(frozen=True, slots=True)
class Carried:
    """What the parts that all share carry, for each second, on average over `seconds`."""

    writes: float
    reads: float
    commands: float
    mb_in: float
    mb_out: float
    gateway_cores: float

    @classmethod
    def of(cls, outcome: Outcome, times: Times, seconds: float) -> Carried:
        """Of all that happened within so many seconds."""
        pictures, jobs = len(outcome.picture_times), len(outcome.job_times)
        writes = pictures * times.picture_writes + jobs * times.job_writes
        writes += outcome.steps * times.step_writes + outcome.step_seconds * times.beat_writes
        return cls(
            writes=writes / seconds,
            reads=(pictures * times.picture_reads + outcome.step_seconds * times.look_reads) / seconds,
            commands=(outcome.steps + outcome.spilled) * times.messages / seconds,
            mb_in=outcome.mb_in / seconds,
            mb_out=outcome.mb_out / seconds,
            gateway_cores=outcome.gateway_seconds / seconds,
        )
