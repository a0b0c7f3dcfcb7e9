"""Who is it? People told apart on masked photos of their faces: how often a trained attacker is right, by style.

    python -m tests.bench.bench_reid [FACES] [--clips 24] [--meter METER] [--only NAME ...]

FACES (default: $VEILCAST_FACES) holds a folder for each person with ten photos, 1.pgm to 10.pgm. Every photo is shown
in a larger picture, found and masked as in a video. The attacker learns from five photos of each person, which were
masked in the same way, and names the other five. It sees the whole picture. `outside only`, the mask cut out, is what
any mask of that size leaves. With --clips, every photo becomes a clip of that many frames that pan, zoom and flicker,
and the attacker uses all of them. METER is a judge's script, `METER FACES`, which is run first.
Needs scikit-learn: `uv sync --group bench`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from core import Anonymizer, EngineConfig, Frame, MaskedFrame
from core.config import MaskConfig
from core.frame import Verdict
from core.paint.head import extended
from core.paint.masker import Masker

Grey = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float64]

WIDTH, HEIGHT = 352, 288
PHOTOS, LEARNT, SPLITS = 10, 5, 4
SEEN = slice(88, 200), slice(130, 222)
"""What the attacker looks at, rows and columns: the photo without its own edge."""

_REST = np.array([[1, 0, (WIDTH - 92) / 2], [0, 1, (HEIGHT - 112) / 2]])
"""Where a photo of 92 x 112 pixels lies in a frame that does not move."""
_STILL = 3
"""Frames of a clip that does not move."""
_EVERY = 4
"""A vote is learnt from every n-th frame (memory and time), and taken from all."""

STYLES: dict[str, dict[str, object]] = {
    "veil": {},
    "blur": {"style": "blur"},
    "blur, one average": {"style": "blur", "cells": 1},
    "mosaic": {"style": "mosaic"},
    "solid": {"style": "solid"},
    "outside only": {"style": "solid", "color": (0, 0, 0), "soft_edge": 0.0},
}


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One photo as a clip. `moves`: for each frame, where the photo lies, shape (2, 3), and grey levels to add."""

    person: str
    photo: Grey
    moves: tuple[tuple[npt.NDArray[np.float32], float], ...]

    def frames(self) -> Iterator[Grey]:
        """Its frames, grey; drawn anew each time, since all of them take a gigabyte."""
        for place, light in self.moves:
            size = WIDTH, HEIGHT
            frame = cv2.warpAffine(self.photo, place, size, borderMode=cv2.BORDER_CONSTANT, borderValue=(128,))
            yield np.asarray(cv2.convertScaleAbs(frame, alpha=1, beta=light), np.uint8)


def clips(faces: Path, count: int) -> list[Clip]:
    """Every photo as a clip of `count` frames that move, or of three equal ones if `count` is 1."""
    people = sorted((folder for folder in faces.iterdir() if folder.is_dir()), key=lambda folder: int(folder.name[1:]))
    return [_clip(folder / f"{number}.pgm", count) for folder in people for number in range(1, PHOTOS + 1)]


def _clip(path: Path, count: int) -> Clip:
    photo = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if photo is None:
        raise SystemExit(f"bench_reid: cannot read {path}")
    height, width = photo.shape
    random = np.random.default_rng(int(path.parent.name[1:]) * 100 + int(path.stem))
    moves = []
    for dx, dy, zoom, light in _moves(random, count):
        left, top = (WIDTH - width * zoom) / 2 + dx, (HEIGHT - height * zoom) / 2 + dy
        moves.append((np.array([[zoom, 0, left], [0, zoom, top]], np.float32), light))
    return Clip(path.parent.name, np.asarray(photo, np.uint8), tuple(moves))


def _moves(random: np.random.Generator, count: int) -> Iterator[tuple[float, float, float, float]]:
    """Pan in pixels, zoom, and brightness in grey levels of every frame."""
    if count == 1:
        yield from [(0.0, 0.0, 1.0, 0.0)] * _STILL
        return
    phase, speed = random.uniform(0, 2 * np.pi, 4), random.uniform(0.1, 0.5, 4)
    for frame in range(count):
        x, y, zoom, light = np.sin(phase + speed * frame)
        jitter = random.normal(0, 0.4, 2)
        yield 6 * x + jitter[0], 4 * y + jitter[1], 1 + 0.04 * zoom, 6 * light


def judged(shown: Sequence[Clip]) -> list[Verdict]:
    """The engine's decision on every frame of all clips, one after the other."""
    found: list[Verdict] = []
    with Anonymizer(EngineConfig()) as engine:

        def take(masked: Sequence[MaskedFrame]) -> None:
            found.extend(Verdict(frame.cover, frame.regions, frame.mask_age) for frame in masked)

        for index, grey in enumerate(grey for clip in shown for grey in clip.frames()):
            take(engine.push(_frame(grey, index)))
        take(engine.flush())
    return found


def _frame(grey: Grey, index: int) -> Frame:
    video = av.VideoFrame.from_ndarray(grey, "gray").reformat(format="yuv420p")
    return Frame(index, video, index / 25)


def masked(shown: Sequence[Clip], verdicts: Sequence[Verdict], config: MaskConfig) -> Iterator[list[Grey]]:
    """The frames of every clip, painted."""
    masker, index = Masker(config), 0
    for clip in shown:
        frames = []
        for grey in clip.frames():
            painted = masker.mask(_frame(grey, index), extended(verdicts[index], config))
            frames.append(np.asarray(painted.video.to_ndarray(format="gray"), np.uint8))
            index += 1
        yield frames


def features(shown: Sequence[Clip], frames: Iterable[Iterable[Grey]]) -> list[Features]:
    """What the attacker compares: of every clip, one row a frame, moved back to where the photo lies at rest.

    Of a clip that does not move, the frame in the middle.
    """
    out = []
    for clip, painted in zip(shown, frames, strict=True):
        rows = []
        for grey, (place, _) in zip(painted, clip.moves, strict=True):
            back = _REST @ np.vstack([cv2.invertAffineTransform(place), [0, 0, 1]])
            steady = cv2.warpAffine(grey, back, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
            rows.append(cv2.resize(steady[SEEN], (46, 56), interpolation=cv2.INTER_AREA).ravel())
        used = rows[1:2] if len(rows) == _STILL else rows
        out.append(np.array(used, np.float64))
    return out


def named(people: npt.NDArray[np.str_], rows: Sequence[Features]) -> float:
    """Share of photos that are named rightly: the best attacker of each split, the mean over the splits."""
    right = []
    for split in range(SPLITS):
        random = np.random.RandomState(split)
        learnt = np.zeros(len(people), bool)
        for person in sorted(set(people)):
            learnt[random.choice(np.flatnonzero(people == person), LEARNT, replace=False)] = True
        right.append(max(_attacks(people, rows, learnt)))
    return float(np.mean(right))


def _attacks(people: npt.NDArray[np.str_], rows: Sequence[Features], learnt: npt.NDArray[np.bool_]) -> Iterator[float]:
    """How often each way of using the frames is right: their mean, and a vote of them all."""
    known, asked = np.flatnonzero(learnt), np.flatnonzero(~learnt)
    means = [clip.mean(axis=0, keepdims=True) for clip in rows]
    for used, every in ((means, 1), (rows, _EVERY))[: 1 if len(rows[0]) == 1 else 2]:
        x = np.concatenate([used[i][::every] for i in known])
        y = np.repeat(people[known], len(used[0][::every]))
        unknown, spread = np.concatenate([used[i] for i in asked]), x.std(axis=0)
        spread[spread < 1e-6] = 1.0  # a pixel that is always the same
        for scale, parts in ((spread, 100), (1.0, 60)):
            few = PCA(parts, whiten=parts == 100, random_state=0).fit(x / scale)
            learner = LinearSVC(C=0.01) if parts == 100 else LinearDiscriminantAnalysis("lsqr", shrinkage="auto")
            learner.fit(few.transform(x / scale), y)
            votes = learner.decision_function(few.transform(unknown / scale))
            best = votes.reshape(len(asked), len(used[0]), -1).mean(axis=1).argmax(axis=1)
            yield float((learner.classes_[best] == people[asked]).mean())


def main() -> None:
    """Print a line for each style and cover."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path, nargs="?", default=os.environ.get("VEILCAST_FACES"))
    parser.add_argument("--clips", type=int, default=1, metavar="FRAMES", help="frames of each clip; 1: the photos")
    parser.add_argument("--meter", type=Path, help="a judge's script, run first")
    parser.add_argument("--only", nargs="*", choices=["clear", *STYLES], help="these styles only")
    options = parser.parse_args()
    if options.faces is None or not options.faces.is_dir():
        sys.stdout.write("skipped: no photos in $VEILCAST_FACES\n")
        return
    if options.meter is not None:
        subprocess.run([sys.executable, str(options.meter), str(options.faces)], check=True)
    warnings.simplefilter("ignore", ConvergenceWarning)  # as good as converged
    shown = clips(options.faces, options.clips)
    people = np.array([clip.person for clip in shown])
    verdicts = judged(shown)
    bare = sum(not verdict.regions for verdict in verdicts)
    _say(f"{len(set(people))} people, {len(shown)} photos, {len(verdicts)} frames, {bare} without a region")
    if options.only is None or "clear" in options.only:
        _say(f"{'clear':24s}      {named(people, features(shown, (clip.frames() for clip in shown))):.3f}")
    for cover in ("face", "head"):
        for style, mask in STYLES.items():
            if options.only is None or style in options.only:
                config = MaskConfig.model_validate({**mask, "cover": cover})
                share = named(people, features(shown, masked(shown, verdicts, config)))
                _say(f"{style:24s} {cover} {share:.3f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
