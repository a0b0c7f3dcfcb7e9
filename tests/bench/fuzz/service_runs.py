"""Damaged videos as jobs of a running service: what becomes of each, and what is left of all."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from tests.bench.fuzz.runs import KILL_MB, damaged, which
from tests.bench.fuzz.warm import Warm, WorkerDied
from tests.rigs.service.running import ended, submitted

PATIENCE: Final = 180.0  # seconds for a job, with a queue before it
_PATH: Final = re.compile(r"(^|[\s'\"(:=])/\w|\\|\.\.|Traceback|\.py\b")


@dataclass
class JobRun:
    """One damaged file. `wrong`: which rules were broken; `looked`: whether the copy was compared with the original."""

    index: int
    state: str = ""
    reason: str = ""
    looked: bool = False
    wrong: list[str] = field(default_factory=list)


class JobRuns:
    """Runs by number, the same as those of `bench_fuzz`."""

    def __init__(self, client: httpx.Client, seeds: Path, folder: Path, judge: Warm) -> None:
        self._client, self._seeds, self._folder, self._judge = client, seeds, folder, judge

    def run(self, index: int, look: bool = True) -> JobRun:
        """Upload, mask, fetch; `look`: also search the copy for faces of the original."""
        found, content = JobRun(index), damaged(index, self._seeds)
        job = ended(self._client, submitted(self._client, content)["id"], PATIENCE)
        found.state, found.reason = str(job["state"]), str(job["reason"] or "")
        answer = self._client.get(f"/v1/jobs/{job['id']}/result")
        if found.state == "failed":
            _judge_reason(found)
            if answer.status_code != 409:
                found.wrong.append("a failed job has a result")
        elif found.state == "done":
            self._judge_copy(found, content, answer, job["result"], look)
        else:
            found.wrong.append(f"it ended as {found.state}")
        if self._client.delete(f"/v1/jobs/{job['id']}").status_code != 204:
            found.wrong.append("it cannot be deleted")
        return found

    def _judge_copy(self, found: JobRun, sent: bytes, answer: httpx.Response, told: object, look: bool) -> None:
        assert isinstance(told, dict)
        if answer.status_code != 200 or hashlib.sha256(answer.content).hexdigest() != told["sha256"]:
            found.wrong.append("the result is not what the job says")
        if not look:
            return
        seed, _ = which(found.index)
        original, copy = self._folder / f"original{seed.suffix}", self._folder / "copy"
        original.write_bytes(sent)
        copy.write_bytes(answer.content)
        task = {"index": found.index, "input": str(original), "output": str(copy), "scene": seed.scene}
        try:
            seen = self._judge.do(task)
        except WorkerDied:  # a decoder that is not confined died of the file
            return
        found.looked = bool(seen["looked"])
        found.wrong += [f"a face: {line}" for line in seen["faces"]]
        if not seen["copy_frames"]:
            found.wrong.append("nothing in the result can be decoded")


@contextmanager
def job_runs(client: httpx.Client, seeds: Path, folder: Path) -> Iterator[JobRuns]:
    """Runs with a judge of their own; `folder` for its files."""
    folder.mkdir()
    (folder / "tmp").mkdir()
    with Warm("judge", folder / "tmp", KILL_MB, 60.0) as judge:
        yield JobRuns(client, seeds, folder, judge)


def _judge_reason(found: JobRun) -> None:
    if not found.reason or "\n" in found.reason or len(found.reason) > 300:
        found.wrong.append("its reason is not one line")
    if _PATH.search(found.reason):
        found.wrong.append(f"its reason names a path: {found.reason}")
    if "unexpected error" in found.reason:
        found.wrong.append(f"nobody expected that: {found.reason}")


def job_processes() -> list[int]:
    """Processes of jobs that run on this machine for this process."""
    return [number for number, line in _descendants() if "streamer.service.work.process" in line]


def _descendants() -> Iterator[tuple[int, str]]:
    for each in Path("/proc").iterdir():
        if not each.name.isdigit():
            continue
        try:
            parent = int(re.findall(r"PPid:\s+(\d+)", (each / "status").read_text())[0])
            line = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (OSError, IndexError):
            continue
        if parent == os.getpid():
            yield int(each.name), line
