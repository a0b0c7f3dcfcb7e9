"""The model of a cluster against what queueing theory knows, and against what must hold for every run."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from tests.rigs.cluster.day import DayLoad, simulate_day, smallest
from tests.rigs.cluster.model import (
    LOOKED_TWICE,
    LOOKING,
    UNIT,
    Carried,
    Cluster,
    Pictures,
    Shape,
    Videos,
    percentile,
    unit_count,
)
from tests.rigs.cluster.queueing import Agenda, Servers
from tests.rigs.cluster.times import FILE, Times

FREE = Times(**dict.fromkeys((field.name for field in dataclasses.fields(Times)), 0.0))
"""Nothing takes any time."""


def mean_wait(arrivals: np.ndarray[tuple[int], np.dtype[np.float64]], works: list[float], servers: int) -> float:
    """Seconds that customers wait, but for the first tenth, when the queue is still too empty."""
    agenda, waits = Agenda(), list[float]()
    station = Servers(agenda, servers)

    def arrive(work: float) -> None:
        def begin(_: int, waited: float) -> float:
            waits.append(waited)
            return work

        station.ask((0.0,), begin, lambda: None)

    for at, work in zip(arrivals.tolist(), works, strict=True):
        agenda.after(at, lambda work=work: arrive(work))  # type: ignore[misc]
    agenda.run()
    assert len(waits) == len(works) and station.busy_seconds == pytest.approx(sum(works))
    return float(np.mean(waits[len(waits) // 10 :]))


def erlang_c(servers: int, load: float) -> float:
    """The chance that one has to wait, of `servers` with so much to do."""
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last)


def gaps(chance: np.random.Generator, mean: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Random lengths whose mean is just that, so that fewer of them will do."""
    drawn = chance.exponential(1.0, 100_000)
    return np.multiply(drawn, mean / float(drawn.mean()))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (4, 3.2), (16, 12.0)])
def test_waits_of_random_work_are_erlang_s(servers: int, load: float) -> None:
    """M/M/c."""
    chance = np.random.default_rng(105)
    waited = mean_wait(np.cumsum(gaps(chance, 1 / load)), gaps(chance, 1.0).tolist(), servers)
    assert waited == pytest.approx(erlang_c(servers, load) / (servers - load), rel=0.04)


@pytest.mark.parametrize("load", [0.5, 0.85])
def test_waits_of_work_that_is_always_the_same_are_half_as_long(load: float) -> None:
    """M/D/1, by Pollaczek and Khinchin."""
    arrivals = np.cumsum(gaps(np.random.default_rng(6), 1 / load))
    assert mean_wait(arrivals, [1.0] * len(arrivals), 1) == pytest.approx(load / (2 * (1 - load)), rel=0.04)


def test_what_is_lower_in_rank_goes_first_and_nothing_is_interrupted() -> None:
    agenda, begun = Agenda(), list[str]()
    station = Servers(agenda, 1, wake=lambda: 0.5)

    def ask(name: str, *rank: float) -> None:
        def begin(_: int, waited: float) -> float:
            begun.append(f"{name} {waited:g}")
            return 10.0

        station.ask(rank, begin, lambda: None)

    ask("late job", 2, 1)
    agenda.after(1, lambda: ask("unit", 1, 1))
    agenda.after(2, lambda: ask("join", 1, 0))
    agenda.run()
    assert begun == ["late job 0.5", "join 8.5", "unit 19.5"] and agenda.now == 30.5


def test_one_video_takes_as_long_as_its_longest_chain_of_steps() -> None:
    """10 units on 4 cores: a plan, three rounds, a join; and its original is fetched once by each worker."""
    times = dataclasses.replace(FREE, second=1.0, step=2.0, plan_second=0.01, join_second=0.1, fetch_mb=0.1, ring=0.25)
    video = Videos(np.zeros(1), np.array([600.0]), mb_per_second=1.0)
    outcome = Cluster(times, Shape(workers=4)).run(video)
    assert (unit_count(600.0), outcome.units, outcome.steps) == (10, 10, 12)
    plan, join = 0.25 + 2 + 60 + 6, 2 + 60 + 60
    units = 3 * (60 + 3.75 + 2) + 0.25 + 60
    assert outcome.job_times[0] == pytest.approx(plan + units + join, rel=0.04)
    assert outcome.mb_out == pytest.approx(600 * 4 + 600), "each worker once, and the units to the one that joins them"
    assert outcome.job_waits == [0.25]


def test_twice_the_workers_do_much_work_in_half_the_time() -> None:
    times = dataclasses.replace(FREE, second=1.0, second_spread=0.2, step=1.0, join_second=0.01)
    videos = Videos(np.zeros(20), np.full(20, 1200.0))
    one, two = (Cluster(times, Shape(workers=workers)).run(videos) for workers in (4, 8))
    assert one.units == two.units == 400 and one.steps == two.steps
    assert 1.9 < one.end / two.end <= 2.01


def test_a_ring_that_nobody_hears_costs_no_more_than_a_sweep() -> None:
    times = dataclasses.replace(FREE, second=1.0)
    videos = Videos(np.array([1.0]), np.array([10.0]))
    heard, missed = (Cluster(times, Shape(lost_rings=share, sweep=15)).run(videos).end for share in (0.0, 1.0))
    assert (heard, missed) == (11.0, 25.0)


@pytest.mark.parametrize(("spill", "refused", "spilled"), [(False, 5, 0), (True, 0, 5)])
def test_what_a_full_gateway_cannot_take(spill: bool, refused: int, spilled: int) -> None:
    times = dataclasses.replace(FREE, picture=1.0)
    shape = Shape(gateways=1, picture_processes=1, picture_queue=4, workers=1, spill=spill)
    outcome = Cluster(times, shape).run(pictures=Pictures(np.zeros(10)))
    assert (outcome.refused, outcome.spilled, len(outcome.picture_times)) == (refused, spilled, 10 - refused)
    assert outcome.end == 5.0


def test_clients_that_wait_for_each_answer_never_fill_the_queue() -> None:
    times = dataclasses.replace(FREE, picture=0.5, picture_http=0.1)
    shape = Shape(gateways=1, picture_processes=2)
    outcome = Cluster(times, shape).run(pictures=Pictures(np.zeros(0), clients=2, count=100))
    assert len(outcome.picture_times) == 100 and max(outcome.picture_waits) == 0
    assert outcome.end == pytest.approx(50 * 0.6, abs=0.2)


def test_what_shares_a_core_with_a_worker_holds_its_steps_up() -> None:
    """Steps come last: a picture takes as long as it would alone, and the step under it that much longer."""
    times = dataclasses.replace(FREE, second=1.0, picture=2.0, services_step=5.0)
    video, pictures = Videos(np.zeros(1), np.array([60.0])), Pictures(np.arange(10.0) * 5 + 1)
    alone, shared = (
        Cluster(times, Shape(1, 1, workers=1, shared=shared)).run(video, pictures) for shared in (False, True)
    )
    assert alone.end == 60.0 and shared.end == 60 + 10 * 2 + 5 and set(shared.picture_times) == {2.0}
    two = Cluster(times, Shape(1, 1, workers=2, shared=True)).run(Videos(np.zeros(20), np.full(20, 60.0)))
    assert two.end == pytest.approx((20 * 60 + 20 * 5) / 2, rel=0.1), "the other worker takes more of the work over"


def test_what_the_parts_carry_adds_up() -> None:
    times = dataclasses.replace(
        FREE, second=1.0, picture=1.0, picture_writes=2, job_writes=10, step_writes=3, beat_writes=0.2
    )
    shape = Shape(gateways=1, picture_processes=2, workers=2)
    outcome = Cluster(times, shape).run(Videos(np.zeros(1), np.array([300.0])), Pictures(np.arange(10.0)))
    carried = Carried.of(outcome, times, 100.0)
    assert carried.writes == pytest.approx((10 * 2 + 10 + outcome.steps * 3 + outcome.step_seconds * 0.2) / 100)


def test_as_many_cores_are_found_as_a_day_needs() -> None:
    """What comes in the busiest hour needs 2.04 times the average, unless there is no hurry."""
    times = dataclasses.replace(FREE, second=2.0, picture=0.2)
    load = DayLoad(hours=60)
    soon, late = (smallest(times, load, within) for within in (600.0, None))
    busy = 2.0 * 60 / 24 * (1 + LOOKED_TWICE * LOOKING / UNIT)
    assert 1.5 * busy < soon.shape.workers < 4 * busy and 0.75 * busy < late.shape.workers < 1.3 * busy
    assert soon.outcome.units == late.outcome.units
    fewer = dataclasses.replace(soon.shape, workers=round(soon.shape.workers * 0.9))
    assert percentile(simulate_day(times, load, fewer).outcome.job_waits, 95) > 600
    assert next(iter(late.rooms(times))) == "worker cores"


def test_the_same_seed_gives_the_same_run() -> None:
    times = dataclasses.replace(FREE, second=1.0, second_spread=0.3, picture=0.4, picture_spread=0.5)
    load = Videos(np.arange(30.0) * 60, np.full(30, 200.0)), Pictures(np.arange(200.0))
    ends = [Cluster(times, Shape(), seed).run(*load).end for seed in (1, 1, 2)]
    assert ends[0] == ends[1] != ends[2]


def test_the_times_that_were_measured_are_whole(tmp_path: Path) -> None:
    measured = Times.from_file()
    assert min(dataclasses.astuple(measured)) >= 0 and measured.second > 0 and measured.picture > 0
    measured.to_file("as it was", tmp_path / "times.json")
    assert Times.from_file(tmp_path / "times.json") == measured and FILE.exists()
