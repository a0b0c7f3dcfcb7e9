"""Checks whether faces of an original still show in its masked copy, by pixels alone: any tool's copy will do."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.detect.detection import Detection
from core.frame import Frame
from core.geometry import Box
from core.verify.chains import EAGER, STRICT, Chains, Sight
from core.verify.detail import Grey, PicturePair
from core.verify.pairing import Candidate, shows_another
from core.verify.search import Search
from core.verify.witnesses import Suspect, suspects
from streamer.errors import InputError, InterruptedJobError
from streamer.media.picture_limit import DEFAULT_LIMIT, PictureLimit
from streamer.verify.pairs import Checked, Pairs, grey_part
from streamer.warning_log import WarningLog

MOST_THREADS = 8
UNPAIRED = 0.1  # share of the checked pictures that may have no counterpart
OTHERS = 0.5  # share of the pairs that may show different things

OnSight = Callable[[Sight, Frame, float, float], None]
"""Called for a sight that shows: the copy's picture, and the factors from the original's pixels to the copy's."""


@dataclass(slots=True)
class Searched:
    """What the detectors found in an original, by index of the frame: later rounds need not search again."""

    suspects: dict[int, list[Suspect]] = field(default_factory=dict)
    complete: bool = False


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Result of one check.

    `findings`: faces that show. `likely`: these and others that are worth a mask, but may be false alarms. `interval`
    is the time between two checked frames in seconds, `frames` the number in the original, `unpaired` how many checked
    frames have no counterpart in the copy, `skipped` how many are damaged.
    """

    findings: list[Sight]
    likely: list[Sight]
    frames: int
    checked: int
    judged: int
    unpaired: int
    skipped: int
    interval: float


def check(
    original: Path,
    masked: Path,
    every: int,
    *,
    limit: PictureLimit = DEFAULT_LIMIT,
    warnings: WarningLog | None = None,
    searched: Searched | None = None,
    ours: bool = False,
    on_frame: Callable[[int, float], None] | None = None,
    on_sight: OnSight | None = None,
    interrupt: threading.Event | None = None,
) -> CheckOutcome:
    """Search every n-th picture of `original` for faces, and judge how much of each `masked` shows.

    `searched` keeps what the detectors found for the next call with the same original and `every`. `ours`: the copy was
    just made from the original, so whether they can be compared is no question. `on_frame` is called
    with the number of checked frames and the time of the last one. Raises InputError if the files cannot be read or
    compared, and InterruptedJobError once `interrupt` is set.
    """
    searched = searched if searched is not None else Searched()
    chains = Chains(STRICT, EAGER)
    judge = _Judge(chains, on_sight)
    workers = 1 if searched.complete else max(1, min(MOST_THREADS, len(os.sched_getaffinity(0))))
    with ExitStack() as stack:
        pairs = stack.enter_context(
            Pairs(original, masked, every, limit, warnings or WarningLog(), interrupt, ours=ours)
        )
        finder = _Finder(searched, stack.enter_context(ThreadPoolExecutor(workers, "veilcast-verify")))
        waiting: deque[tuple[Checked, Future[list[Suspect]]]] = deque()
        try:
            for item in pairs:
                waiting.append((item, finder.start(item.frame)))
                if len(waiting) > 2 * workers:
                    judge(*waiting.popleft(), searched)
                    if on_frame is not None:
                        on_frame(judge.checked, judge.time)
            while waiting:
                if interrupt is not None and interrupt.is_set():
                    raise InterruptedJobError
                judge(*waiting.popleft(), searched)
        except BaseException:
            for _, future in waiting:
                future.cancel()
            raise
        frames, skipped, rate = pairs.frames, pairs.skipped, float(pairs.original.rate)
    searched.complete = True
    if not ours:
        _check_comparable(original, masked, judge)
    findings, likely = chains.finish()
    interval = every / max(rate, 1e-3)
    return CheckOutcome(findings, likely, frames, judge.checked, judge.judged, judge.unpaired, skipped, interval)


class _Finder:
    """Searches pictures in threads, each with detectors of its own; what is known already is not searched for again."""

    def __init__(self, searched: Searched, pool: ThreadPoolExecutor) -> None:
        self._searched, self._pool = searched, pool
        self._own = threading.local()

    def start(self, frame: Frame) -> Future[list[Suspect]]:
        if self._searched.complete:
            known: Future[list[Suspect]] = Future()
            known.set_result(self._searched.suspects.get(frame.index, []))
            return known
        return self._pool.submit(self._suspects, frame)

    def _suspects(self, frame: Frame) -> list[Suspect]:
        if not hasattr(self._own, "search"):
            self._own.search = Search()
        found: list[Detection] = self._own.search.faces(frame)
        return suspects(found)


class _Judge:
    """Judges the suspects of one checked picture after another."""

    def __init__(self, chains: Chains, on_sight: OnSight | None) -> None:
        self._chains, self._on_sight = chains, on_sight
        self.checked = self.judged = self.unpaired = self.others = 0
        self.time = 0.0

    def __call__(self, item: Checked, found: Future[list[Suspect]], searched: Searched) -> None:
        self.checked += 1
        self.time = item.time
        there = searched.suspects[item.frame.index] = found.result()
        if not item.copies:
            self.unpaired += 1
        else:
            self.others += shows_another(item.thumbnail, item.copies[-1].thumbnail)
        sights = []
        for suspect in there:
            judged = [(share, copy) for copy in item.copies if (share := _share(item, copy, suspect.box)) is not None]
            if not judged:
                continue
            self.judged += 1
            share, copy = max(judged, key=lambda j: j[0])
            sight = Sight(item.frame.index, item.frame.time, suspect, share)
            sights.append(sight)
            if self._on_sight is not None and sight.shows:
                self._on_sight(sight, copy.picture, *_factors(item.frame, copy.picture))
        self._chains.add(item.frame.time, sights)


def _share(item: Checked, copy: Candidate[Frame], box: Box) -> float | None:
    fx, fy = _factors(item.frame, copy.picture)

    def masked(area: Box, width: int, height: int) -> Grey:
        return grey_part(copy.picture, area.scaled(fx, fy), width, height)

    return PicturePair(*item.frame.upright_size, partial(grey_part, item.frame), masked).visible_share(box)


def _factors(original: Frame, copy: Frame) -> tuple[float, float]:
    """From pixels of the original to those of the copy, x and y."""
    (width, height), (wide, high) = original.upright_size, copy.upright_size
    return wide / width, high / height


def _check_comparable(original: Path, masked: Path, judge: _Judge) -> None:
    if judge.checked == 0:
        raise InputError(original, "none of its pictures could be decoded whole, so there is nothing to check")
    paired = judge.checked - judge.unpaired
    if judge.unpaired > max(1, UNPAIRED * judge.checked):
        raise InputError(
            masked,
            f"cannot be compared with {original}: it lacks {judge.unpaired} of {judge.checked} checked pictures",
        )
    if judge.others > OTHERS * max(1, paired):
        raise InputError(masked, f"cannot be compared with {original}: it shows other pictures")
