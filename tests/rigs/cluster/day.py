"""A day of a busy office: when pictures and videos come, and how large a cluster must be for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.rigs.cluster.model import Carried, Cluster, Floats, Outcome, Pictures, Shape, Videos, percentile
from tests.rigs.cluster.times import Times

DAY: Final = 86_400.0
HOURS: Final = np.array([1, 1, 1, 1, 1, 2, 4, 7, 10, 11, 11, 10, 9, 10, 11, 10, 9, 7, 5, 4, 3, 2, 2, 1], np.float64)
"""How much comes in each hour, in proportion."""
PEAK: Final = float(HOURS.max() / HOURS.mean())
MINUTES, SPREAD = 30.0, 0.8
"""Mean length of a video, and its standard deviation as a share of that (log-normal)."""
PICTURE_GOAL: Final = 3.0
"""Seconds in which 99 of 100 pictures are to be answered."""

# What one of each part can do. Not measured here but for the lock, which `Times.write` tells.
REDIS_COMMANDS: Final = 50_000.0  # a second
STORAGE_MB: Final = 500.0  # a second, in and out together: a good half of a line of 10 Gbit/s


@dataclass(frozen=True, slots=True)
class DayLoad:
    """What comes in a day."""

    pictures: int = 0
    hours: float = 0.0

    def arrivals(self, seed: int) -> tuple[Videos, Pictures]:
        """At random, as the hours have it."""
        chance = np.random.default_rng(seed)
        count = round(self.hours * 60 / MINUTES)
        width = float(np.sqrt(np.log1p(SPREAD**2)))
        seconds = np.exp(chance.normal(-width * width / 2, width, count)) * MINUTES * 60
        if count:
            seconds *= self.hours * 3600 / float(seconds.sum())
        return Videos(_moments(chance, count), seconds), Pictures(_moments(chance, self.pictures))


@dataclass(frozen=True, slots=True)
class DayReport:
    """A cluster of some shape, a day, and what came of it."""

    load: DayLoad
    shape: Shape
    outcome: Outcome
    carried: Carried
    """In the busiest hour."""

    @property
    def late(self) -> float:
        """Seconds after the day's end until all is done."""
        return max(0.0, self.outcome.end - DAY)

    def rooms(self, times: Times) -> dict[str, float]:
        """How many times as much each part could carry, the tightest first."""
        carried, outcome, shape = self.carried, self.outcome, self.shape
        whole = max(outcome.end, DAY)
        picture_cores = shape.gateways * shape.picture_processes
        found = {
            "worker cores": _room(outcome.worker_seconds / whole, shape.workers * shape.concurrency),
            "picture processes": _room(PEAK * outcome.picture_seconds / DAY, picture_cores),
            "PostgreSQL's lock": _room(carried.writes * times.write, 1.0),
            "storage": _room(carried.mb_in + carried.mb_out, STORAGE_MB),
            "gateways": _room(carried.gateway_cores, float(shape.gateways)),
            "Redis": _room(carried.commands, REDIS_COMMANDS),
        }
        return dict(sorted(found.items(), key=lambda each: each[1]))


def simulate_day(times: Times, load: DayLoad, shape: Shape, seed: int = 1) -> DayReport:
    """One day, and what is left of its work after it."""
    outcome = Cluster(times, shape, seed).run(*load.arrivals(seed))
    return DayReport(load, shape, outcome, Carried.of(outcome, times, DAY / PEAK))


def smallest(times: Times, load: DayLoad, begins_within: float | None, ranges: bool = False) -> DayReport:
    """The fewest gateways, then the fewest workers, with which nobody is refused and 95 of 100 videos begin in time.

    None: there is no hurry, but the day's videos must be done within six hours after it.
    """

    def pictures_in_time(report: DayReport) -> bool:
        goal = max(PICTURE_GOAL, 3 * times.picture)
        return not report.outcome.refused and percentile(report.outcome.picture_times, 99) <= goal

    def videos_in_time(report: DayReport) -> bool:
        if begins_within is None:
            return report.late <= 6 * 3600
        return percentile(report.outcome.job_waits, 95) <= begins_within

    def gateways(count: int) -> Shape:
        return Shape(gateways=count, picture_processes=2, workers=1, spill=False, ranges=ranges)

    only_pictures, only_videos = dataclasses.replace(load, hours=0.0), dataclasses.replace(load, pictures=0)
    first = _fewest(lambda count: pictures_in_time(simulate_day(times, only_pictures, gateways(count))), 2)
    if not load.hours:
        return simulate_day(times, load, gateways(first))
    shape = gateways(first)

    def enough(count: int) -> bool:
        return videos_in_time(simulate_day(times, only_videos, dataclasses.replace(shape, workers=count)))

    return simulate_day(times, load, dataclasses.replace(shape, workers=_fewest(enough, 1)))


def _fewest(enough: Callable[[int], bool], least: int) -> int:
    high = least
    while not enough(high):
        high *= 2
    low = least if high == least else high // 2
    while high - low > max(1, high // 50):  # within 2 %
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _moments(chance: np.random.Generator, count: int) -> Floats:
    hours = chance.choice(len(HOURS), count, p=HOURS / HOURS.sum())
    return np.sort((hours + chance.random(count)) * (DAY / len(HOURS)))


def _room(used: float, there: float) -> float:
    return there / used if used else float("inf")
