"""Kills a service at random moments while videos and pictures are sent to it, and looks whether anything was lost."""

from __future__ import annotations

import functools
import random
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import httpx
import numpy as np

from core.geometry import Box
from core.pictures.planes import BgrImage
from tests.rigs import faces
from tests.rigs.service.kill_clients import Sent, Stubborn
from tests.rigs.service.kill_judge import Judge, masked_picture, unmasked
from tests.rigs.service.serve_process import PROGRAM, WAIT, ServeProcess

STARTING: Final = 0.15  # share of kills that come while it starts
SCALE: Final = 0.5  # of pictures


@dataclass(frozen=True)
class KillPlan:
    """How much is sent, and how often it is killed. `longest`: seconds that it may run before it is killed."""

    kills: int
    videos: int
    pictures: int
    seed: int
    longest: float = 8.0
    patience: float = 3600.0
    frames: tuple[int, int] = (25, 75)


@dataclass(frozen=True)
class KillReport:
    """What came of it; `faults` is empty if all is as it must be."""

    kills: int
    while_starting: int
    jobs: int
    resumed: int
    unclaimed: int
    pictures: int
    audit_pictures: int
    slowest_start: float
    seconds: float
    statuses: dict[int, int]
    faults: tuple[str, ...]


class KillRig:
    """One campaign; call `run` once."""

    def __init__(self, folder: Path, plan: KillPlan) -> None:
        self._plan, self._random = plan, random.Random(plan.seed)
        self._data, self._notes = folder / "data", folder / "checkpoints"
        self._notes.mkdir()
        options = "--workers", "2", "--checkpoints", str(self._notes)
        self._serve = ServeProcess(self._data, folder / "serve.log", *options)
        self._clients = Stubborn(lambda: self._serve.url, plan.patience)
        self._killed = threading.Condition()
        self._kills = self._while_starting = 0
        self._slowest = 0.0
        self._clips = [video(number, self._random.randint(*plan.frames)) for number in range(plan.videos)]
        self._sent = [
            Sent(faces.write(folder / f"{number}.mp4", clip.pictures).read_bytes(), resumable=number % 3 != 2)
            for number, clip in enumerate(self._clips)
        ]

    def run(self) -> KillReport:
        """Send, kill, and judge."""
        begun, plan = time.monotonic(), self._plan
        with self._serve, ThreadPoolExecutor(8, thread_name_prefix="client") as pool:
            work = list[Callable[[], None]]()
            for number, sent in enumerate(self._sent):
                work.append(functools.partial(self._when, number / plan.videos, self._clients.video, sent))
            steps = [functools.partial(self._when, n / plan.pictures, self._picture, n) for n in range(plan.pictures)]
            videos = [pool.submit(self._each, work[number::4]) for number in range(4)]
            pictures = [pool.submit(self._each, steps[number::2]) for number in range(2)]
            self._kill_it()
            for each in [*videos, *pictures]:
                each.result(plan.patience)
            faults = self._at_rest()
        return KillReport(
            kills=self._kills,
            while_starting=self._while_starting,
            jobs=sum(len(sent.jobs) for sent in self._sent),
            resumed=sum(sent.resumed for sent in self._sent),
            unclaimed=self._clients.unclaimed,
            pictures=plan.pictures,
            audit_pictures=self._audit_pictures,
            slowest_start=self._slowest,
            seconds=time.monotonic() - begun,
            statuses=dict(sorted(self._clients.statuses.items())),
            faults=(*self._clients.faults, *faults),
        )

    def _each(self, work: Sequence[Callable[[], None]]) -> None:
        for step in work:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs in the report
                self._clients.fault(f"a client gave up: {error!r}")

    def _when(self, share: float, step: Callable[..., None], *arguments: object) -> None:
        """Do it once so large a share of the kills is over, so that there is work at every moment."""
        with self._killed:
            if not self._killed.wait_for(lambda: self._kills >= share * self._plan.kills, self._plan.patience):
                raise TimeoutError
        step(*arguments)

    def _picture(self, number: int) -> None:
        before, box, content = picture()
        sent = content + number.to_bytes(4, "big")  # behind its end: the cache has not seen it
        self._clients.picture(sent, lambda answer: masked_picture(before, box, answer))

    def _kill_it(self) -> None:
        while True:
            begun = time.monotonic()
            self._serve.spawn()
            if self._kills < self._plan.kills and self._random.random() < STARTING:
                end = begun + self._random.uniform(0.0, 3.0)
                while time.monotonic() < end and not self._serve.look():
                    time.sleep(0.02)
                self._while_starting += self._serve.url is None
            else:
                while not self._serve.look():
                    assert time.monotonic() < begun + WAIT, "it does not start"
                    time.sleep(0.02)
                self._slowest = max(self._slowest, time.monotonic() - begun)
                self._look()
                if self._kills == self._plan.kills:
                    return
                time.sleep(self._random.uniform(0.0, self._plan.longest))
            for left in self._serve.kill():
                self._clients.fault(f"a process outlives the server: {left}")
            with self._killed:
                self._kills += 1
                self._killed.notify_all()

    def _look(self) -> None:
        accepted = [job for sent in self._sent for job in tuple(sent.jobs)]
        judge = Judge(self._data)
        for fault in judge.always(accepted):
            self._clients.fault(f"after kill {self._kills}: {fault}")
        judge.close()

    def _at_rest(self) -> list[str]:
        """All is done: look at every result, and at what is left."""
        faults, url = list[str](), self._serve.url
        for sent, clip in zip(self._sent, self._clips, strict=True):
            if len(sent.jobs) != 1:
                faults.append(f"a video became {len(sent.jobs)} jobs")
            for job in sent.jobs:
                content = httpx.get(f"{url}/v1/jobs/{job}/result", timeout=60).content
                faults += [wrong] if (wrong := unmasked(content, clip)) else []
        judge = Judge(self._data)
        jobs = [job for sent in self._sent for job in sent.jobs]
        faults += judge.always(jobs) + judge.idle(self._clients.unclaimed)
        results = judge.results()
        faults += [f"job {job} has {results[job]} results" for job in jobs if results[job] != 1]
        faults += [f"job {job} was done, but never accepted" for job in results if job not in jobs]
        self._audit_pictures = judge.pictures()
        if self._audit_pictures < self._plan.pictures:
            faults.append(f"the audit log has {self._audit_pictures} pictures of {self._plan.pictures}")
        judge.close()
        code, seconds, left = self._serve.stop()
        if code != 0 or seconds > 10 or left:
            faults.append(f"SIGTERM: code {code} after {seconds:.1f} s, processes left: {left}")
        verify = [str(PROGRAM), "audit", "verify", "--data", str(self._data), "--checkpoint", str(self._notes)]
        if (told := subprocess.run(verify, capture_output=True, text=True, check=False)).returncode != 0:
            faults.append(f"audit verify: {told.stdout}{told.stderr}")
        return faults


def video(number: int, count: int) -> faces.Clip:
    """A face that moves, different for each number."""
    shots = [faces.shot(110 + 3 * i + number, 120 + i + number, 80 + number % 7) for i in range(count)]
    return faces.clip_of(shots)


@functools.cache
def picture() -> tuple[BgrImage, Box, bytes]:
    """A picture, its face, and the picture as JPEG."""
    small = np.asarray(cv2.resize(faces.astronaut(), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA), np.uint8)
    box = Box(*(SCALE * edge for edge in (faces.FACE.x0, faces.FACE.y0, faces.FACE.x1, faces.FACE.y1)))
    done, coded = cv2.imencode(".jpg", small)
    assert done
    return small, box, coded.tobytes()
