"""Who is it? People told apart on masked photos of their faces: how often a trained attacker is right, by style.

    python -m tests.bench.bench_reid [FACES] [--clips 24] [--meter METER] [--only NAME ...]

FACES (default: $VEILCAST_FACES) holds a folder for each person with ten photos, 1.pgm to 10.pgm. Every photo is shown
in a larger picture, found and masked as in a video. The attacker learns from five photos of each person, which were
masked in the same way, and names the other five. It sees the whole picture. `outside only`, the mask cut out, is what
any mask of that size leaves. With --clips, every photo becomes a clip of that many frames that pan, zoom and flicker,
and the attacker uses all of them. METER is a judge's script, `METER FACES`, which is run first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import LinearSVC

from core import Anonymizer, EngineConfig, Frame
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
    """One photo as frames, grey, and where the photo lies in each: shape (frames, 2, 3)."""

    person: str
    frames: tuple[Grey, ...]
    places: npt.NDArray[np.float32]


def clips(faces: Path, count: int) -> list[Clip]:
    """Every photo: three equal frames if `count` is 1, otherwise a clip of that many frames."""
    people = sorted((folder for folder in faces.iterdir() if folder.is_dir()), key=lambda folder: int(folder.name[1:]))
    return [_clip(folder / f"{number}.pgm", count) for folder in people for number in range(1, PHOTOS + 1)]


def _clip(path: Path, count: int) -> Clip:
    photo = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if photo is None:
        raise SystemExit(f"bench_reid: cannot read {path}")
    height, width = photo.shape
    random = np.random.default_rng(int(path.parent.name[1:]) * 100 + int(path.stem))
    frames, places = [], []
    for dx, dy, zoom, light in _moves(random, count):
        left, top = (WIDTH - width * zoom) / 2 + dx, (HEIGHT - height * zoom) / 2 + dy
        place = np.array([[zoom, 0, left], [0, zoom, top]], np.float32)
        frame = cv2.warpAffine(photo, place, (WIDTH, HEIGHT), borderMode=cv2.BORDER_CONSTANT, borderValue=(128,))
        frames.append(np.asarray(cv2.convertScaleAbs(frame, alpha=1, beta=light), np.uint8))
        places.append(place)
    return Clip(path.parent.name, tuple(frames), np.stack(places))


def _moves(random: np.random.Generator, count: int) -> Iterator[tuple[float, float, float, float]]:
    """Pan in pixels, zoom, and brightness in grey levels of every frame."""
    if count == 1:
        yield from [(0.0, 0.0, 1.0, 0.0)] * 3
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

        def take(masked: Sequence[object]) -> None:
            found.extend(Verdict(m.cover, m.regions, m.mask_age) for m in masked)  # type: ignore[attr-defined]

        for index, frame in enumerate(frame for clip in shown for frame in clip.frames):
            take(engine.push(_frame(frame, index)))
        take(engine.flush())
    return found


def _frame(grey: Grey, index: int) -> Frame:
    video = av.VideoFrame.from_ndarray(grey, "gray").reformat(format="yuv420p")
    return Frame(index, video, index / 25)


def masked(shown: Sequence[Clip], verdicts: Sequence[Verdict], config: MaskConfig) -> list[list[Grey]]:
    """The frames of every clip, painted."""
    masker, index, out = Masker(config), 0, []
    for clip in shown:
        frames = []
        for grey in clip.frames:
            painted = masker.mask(_frame(grey, index), extended(verdicts[index], config))
            frames.append(np.asarray(painted.video.to_ndarray(format="gray"), np.uint8))
            index += 1
        out.append(frames)
    return out


def features(shown: Sequence[Clip], frames: Sequence[Sequence[Grey]]) -> list[Features]:
    """What the attacker compares: of every clip, one row a frame, moved back to where the photo lay at rest."""
    out = []
    for clip, painted in zip(shown, frames, strict=True):
        still = clip.places.mean(axis=0) if len(clip.places) == 3 else _rest()
        rows = []
        for grey, place in list(zip(painted, clip.places, strict=True))[1 if len(painted) == 3 else 0 :: 1]:
            back = cv2.invertAffineTransform(place)
            whole = np.vstack([still, [0, 0, 1]]) @ np.vstack([back, [0, 0, 1]])
            steady = cv2.warpAffine(grey, whole[:2], (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
            rows.append(cv2.resize(steady[SEEN], (46, 56), interpolation=cv2.INTER_AREA).ravel())
            if len(painted) == 3:
                break
        out.append(np.array(rows, np.float64))
    return out


def _rest() -> npt.NDArray[np.float32]:
    return np.array([[1, 0, (WIDTH - 92) / 2], [0, 1, (HEIGHT - 112) / 2]], np.float32)


def named(people: npt.NDArray[np.str_], rows: Sequence[Features]) -> float:
    """Share of photos that are named rightly: the better of two attackers in each split, the mean over the splits."""
    right = []
    for split in range(SPLITS):
        random = np.random.RandomState(split)
        learnt = np.zeros(len(people), bool)
        for person in sorted(set(people)):
            learnt[random.choice(np.flatnonzero(people == person), LEARNT, replace=False)] = True
        right.append(max(_attacks(people, rows, learnt)))
    return float(np.mean(right))


def _attacks(people: npt.NDArray[np.str_], rows: Sequence[Features], learnt: npt.NDArray[np.bool_]) -> Iterator[float]:
    """How often each way of using the frames is right: the mean of all, and a vote of all."""
    means = [clip.mean(axis=0, keepdims=True) for clip in rows]
    for used in [means] if all(len(clip) == 1 for clip in rows) else [means, rows]:
        x = np.concatenate([used[i] for i in np.flatnonzero(learnt)])
        y = np.concatenate([[people[i]] * len(used[i]) for i in np.flatnonzero(learnt)])
        asked = np.flatnonzero(~learnt)
        lengths = np.cumsum([len(used[i]) for i in asked])[:-1]
        unknown = np.concatenate([used[i] for i in asked])
        spread = x.std(axis=0) + 1e-9
        for scale, parts, whiten in ((spread, 100, True), (1.0, 60, False)):
            few = PCA(parts, whiten=whiten, random_state=0).fit(x / scale)
            learner = LinearSVC(C=0.01) if whiten else LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            learner.fit(few.transform(x / scale), y)
            votes = np.split(learner.decision_function(few.transform(unknown / scale)), lengths)
            best = np.array([learner.classes_[vote.mean(axis=0).argmax()] for vote in votes])
            yield float((best == people[asked]).mean())


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
    shown = clips(options.faces, options.clips)
    people = np.array([clip.person for clip in shown])
    verdicts = judged(shown)
    bare = sum(not verdict.regions for verdict in verdicts)
    _say(f"{len(set(people))} people, {len(shown)} photos, {len(verdicts)} frames, {bare} without a region")
    if options.only is None or "clear" in options.only:
        _say(f"{'clear':24s}      {named(people, features(shown, [list(clip.frames) for clip in shown])):.3f}")
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
