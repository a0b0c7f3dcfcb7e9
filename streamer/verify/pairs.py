"""Reads an original and its masked copy in step: each checked picture with those of the copy for its moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from core.detect.cuts import Thumbnail
from core.frame import Frame
from core.geometry import Box
from core.pictures import planes
from core.pictures.planes import luma_thumbnail
from core.verify.detail import Grey
from core.verify.pairing import WINDOW, Candidate, Pairing
from streamer.errors import InputError, InterruptedJobError
from streamer.file.source import FileSource, SourceInfo
from streamer.media.picture_limit import PictureLimit
from streamer.warning_log import WarningLog

STRETCH = 0.03  # the sides of both may differ by this much in proportion
SHORTER = 0.1  # share of the length by which both may differ
SECONDS = 1.0
OUR_WINDOW = 0.02  # s: time stamps of our own copies are rounded at most


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A picture of the original; `time` in seconds from its first picture. `copies`: none, one or two of the copy."""

    frame: Frame
    time: float
    thumbnail: Thumbnail
    copies: list[Candidate[Frame]]


class Pairs:
    """Both files, open for one pass; a context manager. Iterate to get the checked pictures in order.

    `every`: check one of so many pictures. `skipped`: pictures of the original that could not be decoded whole.
    `ours`: the copy was just made from the original, so that it is known to have the same pictures, even if a damaged
    header or a container without rotation says otherwise. Raises InputError, also if the two cannot be compared.
    """

    def __init__(
        self,
        original: Path,
        masked: Path,
        every: int,
        limit: PictureLimit,
        warnings: WarningLog,
        interrupt: threading.Event | None = None,
        *,
        ours: bool = False,
    ) -> None:
        self._every, self._interrupt, self._ours = every, interrupt, ours
        self.frames = self.skipped = 0
        with ExitStack() as stack:
            self._one = stack.enter_context(FileSource(original, limit=limit, warnings=warnings))
            self._two = stack.enter_context(FileSource(masked, limit=limit, warnings=WarningLog()))
            self.original, self.copy = self._one.info, self._two.info
            if not ours:
                _check_alike(self.original, self.copy)
            self._stack = stack.pop_all()

    def __enter__(self) -> Pairs:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Checked]:
        pairing: Pairing[Frame] = Pairing(OUR_WINDOW if self._ours else WINDOW)
        copies = (self._oriented(item) for item in self._two if isinstance(item, Frame))
        begun: float | None = None
        copy_begun: float | None = None
        for frame in self._one:
            if self._interrupt is not None and self._interrupt.is_set():
                raise InterruptedJobError
            if not isinstance(frame, Frame):
                continue
            begun = frame.time if begun is None else begun
            self.frames += 1
            if frame.index % self._every:
                continue
            if not frame.trusted:
                self.skipped += 1
                continue
            time = frame.time - begun
            while pairing.wants(time) and (copy := next(copies, None)) is not None:
                copy_begun = copy.time if copy_begun is None else copy_begun
                pairing.add(Candidate(copy.time - copy_begun, _thumbnail(copy), copy))
            thumbnail = _thumbnail(frame)
            yield Checked(frame, time, thumbnail, pairing.matches(time, thumbnail))

    def _oriented(self, copy: Frame) -> Frame:
        return replace(copy, orientation=self.original.orientation) if self._ours else copy


def grey_part(frame: Frame, area: Box, width: int, height: int) -> Grey:
    """The part of the upright picture in `area`, grey, at this size; black outside the picture."""
    return np.asarray(cv2.cvtColor(bgr_part(frame, area, width, height), cv2.COLOR_BGR2GRAY), np.uint8)


def bgr_part(frame: Frame, area: Box, width: int, height: int) -> planes.BgrImage:
    """The part of the upright picture in `area` as BGR, at this size; black outside the picture."""
    orientation, video = frame.orientation, frame.video
    size = (height, width) if orientation.turn in (90, 270) else (width, height)
    coded = orientation.to_coded(area, video.width, video.height)
    return orientation.upright(planes.crop(video, coded, *size))


def _thumbnail(frame: Frame) -> Thumbnail:
    size = (36, 64) if frame.orientation.turn in (90, 270) else (64, 36)  # the same for all once it is upright
    return frame.orientation.upright(luma_thumbnail(frame.video, *size))


def _check_alike(original: SourceInfo, copy: SourceInfo) -> None:
    """Raises InputError if the two files cannot show the same video."""
    (width, height), (wide, high) = (
        i.orientation.upright_size(i.picture.width, i.picture.height) for i in (original, copy)
    )
    if abs(wide / high / (width / height) - 1) > STRETCH:
        turned = abs(high / wide / (width / height) - 1) <= STRETCH
        why = "it is turned on its side" if turned else "the pictures have other proportions"
        raise InputError(
            copy.path, f"cannot be compared with {original.path}: {why} ({wide}x{high}, not {width}x{height})"
        )
    if original.duration and copy.duration:
        apart = abs(original.duration - copy.duration)
        if apart > max(SECONDS, SHORTER * original.duration):
            raise InputError(
                copy.path,
                f"cannot be compared with {original.path}: it is {copy.duration:.1f} s long, "
                f"not {original.duration:.1f} s",
            )
