"""Damaged files in short: some runs of every seed, and proof that the judge of the long run can see and count."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from random import Random

import pytest

from tests.bench.fuzz.looking import shown_faces
from tests.bench.fuzz.mutations import MUTATIONS
from tests.bench.fuzz.reading import read
from tests.bench.fuzz.runs import Lane, damaged, run_all, which
from tests.bench.fuzz.seeds import SEEDS, Seed, make, pictures
from tests.bench.fuzz.verdict import Result, judge_copy, judge_run
from tests.bench.fuzz.warm import Warm, WorkerDied

RUNS = 96
FIRST = 20_000
"""Beyond those of the long run: what is tested here is not what was mended by looking at its results."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    for seed in SEEDS:
        make(seed, folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_damaged_file_breaks_a_rule(seeds: Path, tmp_path: Path) -> None:
    results: list[Result] = []
    run_all(range(FIRST, FIRST + RUNS), tmp_path, seeds, 2, results.append)
    assert len(results) == RUNS
    bad = [f"run {r.index}, {r.seed}, {r.mutation}: {r.findings}" for r in results if r.findings]
    assert bad == [], f"{len(bad)} of {RUNS}; again: python -m tests.bench.bench_fuzz --only {FIRST}\n" + "\n".join(bad)


@pytest.mark.slow
def test_good_files_break_none(seeds: Path, tmp_path: Path) -> None:
    with Lane(tmp_path / "lane", seeds) as lane:
        for index, seed in enumerate(SEEDS):
            result = lane.run(index, make(seed, seeds).read_bytes())
            assert (result.seed, result.code, result.findings) == (seed.name, 0, {})
            seen = result.notes["seen"]
            assert seen["packets"] == seen["frames"] == seen["copy_frames"] == 30 and seen["looked"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_the_judge_sees_a_face_that_is_not_masked(seed: Seed, seeds: Path, tmp_path: Path) -> None:
    copy = tmp_path / f"copy{seed.suffix}"
    shutil.copy(make(seed, seeds), copy)
    source = read(make(seed, seeds))
    found = shown_faces(source, read(copy), pictures(seed.scene), Random(1))
    assert len(found) >= 8 and any("of the copy has a face" in line for line in found)


@pytest.mark.slow
def test_a_run_of_a_number_is_always_the_same_file(seeds: Path, tmp_path: Path) -> None:
    assert all(make(seed, tmp_path).read_bytes() == make(seed, seeds).read_bytes() for seed in SEEDS)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER, "an encoder has made this process a real-time one"
    numbers = range(len(SEEDS) * len(MUTATIONS))
    assert {which(n) for n in numbers} == {(seed, name) for seed in SEEDS for name in MUTATIONS}
    for number in numbers:
        good = make(which(number)[0], seeds).read_bytes()
        assert good != damaged(number, seeds) == damaged(number, seeds)


def test_what_is_missing_must_be_said_with_a_warning_and_the_exit_code() -> None:
    seen: dict[str, object] = {"packets": 30, "frames": 28, "frames_with_corrupt": 30, "damaged": 2}
    seen |= {"copy_frames": 28, "faces": [], "looked": True}
    for code, said, finding in (
        (0, "", "lost-silently"),
        (0, "warning: 2 pictures are lost", "lost-code"),
        (3, "", "lost-silently"),
        (3, "warning: 2 pictures are lost", None),
    ):
        result = Result(0, "seed", "bits", code)
        judge_copy(result, seen, said)
        assert set(result.findings) == ({finding} if finding else set())


def test_tracebacks_leftovers_and_odd_exit_codes_are_found() -> None:
    result = Result(0, "seed", "bits", 7, peak_mb=2500)
    judge_run(result, "Traceback (most recent call last):\n  ...\nOverflowError: too large", [".out.mp4.part"], False)
    assert set(result.findings) == {"traceback", "leftover", "code", "memory"}
    result = Result(0, "seed", "bits", 2)
    judge_run(result, "veilcast: in.mp4 is empty", [], True)
    assert set(result.findings) == {"leftover"}


@pytest.mark.slow
@pytest.mark.parametrize(("most_mb", "patience", "reason"), [(1.0, 60.0, "memory"), (4000.0, 0.2, "hang")])
def test_a_worker_that_takes_too_much_is_ended(
    most_mb: float, patience: float, reason: str, seeds: Path, tmp_path: Path
) -> None:
    job = {"input": str(make(SEEDS[0], seeds)), "output": str(tmp_path / "out.mp4"), "log": str(tmp_path / "said")}
    with Warm("program", tmp_path, most_mb, patience) as worker, pytest.raises(WorkerDied) as death:
        worker.do(job)
    assert death.value.reason == reason


@pytest.mark.slow
def test_a_worker_that_crashes_is_noticed_and_replaced(seeds: Path, tmp_path: Path) -> None:
    job = {"input": str(make(SEEDS[0], seeds)), "output": str(tmp_path / "out.mp4"), "log": str(tmp_path / "said")}
    with Warm("program", tmp_path, 4000.0, 60.0) as worker:
        assert worker.do(job)["code"] == 0
        worker.signal(signal.SIGSEGV)
        with pytest.raises(WorkerDied) as death:
            worker.do(job)
        assert (death.value.reason, death.value.code) == ("signal", -signal.SIGSEGV)
        (tmp_path / "out.mp4").unlink()
        assert worker.do(job)["code"] == 0
