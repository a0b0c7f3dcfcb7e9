"""Runs by number: which seed, which damage, what came of it. A number means the same run everywhere and always."""

from __future__ import annotations

import contextlib
import queue
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Final

from tests.bench.fuzz.mutations import MUTATIONS
from tests.bench.fuzz.seeds import SEEDS, Seed, make
from tests.bench.fuzz.verdict import HANGS, Result, judge_copy, judge_run
from tests.bench.fuzz.warm import Warm, WorkerDied

KILL_MB: Final = 4000
_TRIES: Final = 8  # a mutation may happen to change nothing
_STOP: Final = -1


def which(index: int) -> tuple[Seed, str]:
    """The seed and the name of the mutation of a run."""
    kinds = list(MUTATIONS)
    return SEEDS[index % len(SEEDS)], kinds[(index // len(SEEDS)) % len(kinds)]


def damaged(index: int, seeds: Path) -> bytes:
    """The file of a run."""
    seed, mutation = which(index)
    good = make(seed, seeds).read_bytes()
    chance = Random(f"veilcast {index}")
    for _ in range(_TRIES):
        if (data := MUTATIONS[mutation](chance, good, seed)) != good:
            return data
    return good


class Lane:
    """A pair of workers with a folder of their own; a context manager."""

    def __init__(self, folder: Path, seeds: Path) -> None:
        self._folder, self._seeds = folder, seeds
        self._temporary = folder / "tmp"
        self._temporary.mkdir(parents=True)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Lane:
        self._program = self._stack.enter_context(Warm("program", self._temporary, KILL_MB, HANGS))
        self._judge = self._stack.enter_context(Warm("judge", self._temporary, KILL_MB, HANGS))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, index: int, data: bytes | None = None) -> Result:
        """Do the run of this number; `data` in place of its damaged file."""
        seed, mutation = which(index)
        folder, log = self._folder / f"run-{index}", self._folder / "said.txt"
        folder.mkdir()
        source, copy = folder / f"in{seed.suffix}", folder / f"out{_kind_of_copy(seed)}"
        source.write_bytes(damaged(index, self._seeds) if data is None else data)
        result = Result(index, seed.name, mutation, None)
        job = {"index": index, "input": str(source), "output": str(copy), "log": str(log), "scene": seed.scene}
        try:
            answer = self._program.do(job)
            result.code, result.seconds = int(answer["code"]), answer["seconds"]
            result.peak_mb = answer["peak_mb"]
            if answer["threads"]:
                result.notes["threads left"] = answer["threads"]
        except WorkerDied as death:
            result.code = death.code
            result.findings[death.reason] = death.detail
        said = log.read_text("utf-8", "replace") if log.exists() else ""
        left = [path.name for path in folder.iterdir() if path not in (source, copy)]
        left += [f"temporary {path.name}" for path in self._temporary.iterdir()]
        judge_run(result, said, left, copy.exists())
        self._look(result, job, copy, said)
        shutil.rmtree(folder)
        for path in self._temporary.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return result

    def _look(self, result: Result, job: dict[str, object], copy: Path, said: str) -> None:
        if result.code is None or result.code < 0:
            return
        try:
            seen = self._judge.do(job | {"output": str(copy) if copy.exists() else None})
        except WorkerDied as death:
            result.notes["judge died"] = str(death)
            return
        judge_copy(result, seen, said)


def _kind_of_copy(seed: Seed) -> str:
    return seed.suffix if seed.suffix in (".mp4", ".mov", ".mkv", ".ts") else ".mkv"


def run_all(indexes: Iterable[int], folder: Path, seeds: Path, lanes: int, report: Callable[[Result], None]) -> None:
    """All runs, `lanes` at a time; `report` gets each result, one call at a time. Raises what a lane raises."""
    for seed in SEEDS:
        make(seed, seeds)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in indexes:
        todo.put(index)
    for _ in range(lanes):
        todo.put(_STOP)
    lock, failures = threading.Lock(), list[BaseException]()

    def work(number: int) -> None:
        try:
            with Lane(folder / f"lane-{number}", seeds) as lane:
                while (index := todo.get()) != _STOP and not failures:
                    result = lane.run(index)
                    with lock:
                        report(result)
        except BaseException as error:  # noqa: BLE001 - told to the owner
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,), name=f"fuzz-lane-{n}", daemon=True) for n in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
