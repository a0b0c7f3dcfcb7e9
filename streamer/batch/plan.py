"""Finds the files of a job with many inputs and where each copy goes, before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.errors import InputError, OutputError
from streamer.file.masked_file import default_output
from streamer.media.input import open_input, pick_video
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.kind import SUFFIXES, PictureKind, fitting_suffix, picture_kind

_MEDIA: Final = frozenset(
    {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    | {".bmp", ".gif", ".jp2", ".jxl", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf"}
    | {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".wmv"}
    | {".asf", ".mxf", ".ogv", ".3gp", ".3g2", ".vob", ".dv", ".mjpeg", ".h264", ".hevc", ".wtv", ".ivf"}
)
"""A file in a folder with one of these endings is never skipped: if it cannot be masked, that is an error."""


@dataclass(frozen=True, slots=True)
class PlannedCopy:
    """One file to mask: a picture of a kind, or, without one, a video."""

    source: Path
    target: Path
    kind: PictureKind | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in a folder that is not masked, and why; `failed` if it may hold files that should be."""

    path: Path
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job will do, in order."""

    copies: tuple[PlannedCopy, ...]
    skipped: tuple[Skipped, ...]


def make_plan(inputs: Iterable[Path], directory: Path, recursive: bool, limit: PictureLimit) -> Plan:
    """Files and folders to copies in `directory`, under their own names; a folder's structure is kept if `recursive`.

    Raises OutputError if two inputs would become the same file, or a copy would replace an input.
    """
    copies: list[PlannedCopy] = []
    skipped: list[Skipped] = []
    for given in inputs:
        if not given.is_dir():
            copies.append(_planned(given, directory / given.name))
            continue
        for found in _walk(given, directory, recursive):
            if isinstance(found, Skipped):
                skipped.append(found)
            elif (reason := _nothing_to_mask(found, limit)) is not None:
                skipped.append(Skipped(found, reason))
            else:
                copies.append(_planned(found, directory / found.relative_to(given)))
    _check(copies)
    return Plan(tuple(copies), tuple(skipped))


def _planned(source: Path, target: Path) -> PlannedCopy:
    kind = picture_kind(source)
    suffix = default_output(source).suffix if kind is None else fitting_suffix(source, kind)
    return PlannedCopy(source, target.with_name(source.stem + suffix), kind)


def _walk(folder: Path, output: Path, recursive: bool) -> Iterator[Path | Skipped]:
    """Files of a folder in the order of their names; what is no file comes out as skipped."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(folder, f"cannot be read ({(error.strerror or str(error)).lower()})", failed=True)
        return
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir():
            if entry.is_symlink():  # it may lead back here
                yield Skipped(path, "is a symbolic link to a folder")
            elif output.exists() and path.samefile(output):
                yield Skipped(path, "is the folder of the copies")
            elif recursive:
                yield from _walk(path, output, recursive)
            else:
                yield Skipped(path, "is a folder; --recursive looks into it")
        elif entry.is_file():
            yield path
        else:
            yield Skipped(path, "is not a regular file")


def _nothing_to_mask(path: Path, limit: PictureLimit) -> str | None:
    """Why a file of a folder is neither picture nor video; None if it is one, or should be one by its name."""
    if path.suffix.lower() in _MEDIA or picture_kind(path) is not None:
        return None
    try:
        with open_input(path, limit) as container:
            pick_video(path, container, limit)
    except InputError as error:
        return error.cause
    return None


def _check(copies: Iterable[PlannedCopy]) -> None:
    copies = list(copies)
    sources = {_real(copy.source): copy.source for copy in copies}
    taken: dict[Path, Path] = {}
    for copy in copies:
        target = _real(copy.target)
        if target in sources:
            raise OutputError(copy.target, f"is the input {sources[target]}, which is never overwritten")
        if target in taken:
            raise OutputError(copy.target, f"would be the copy of both {taken[target]} and {copy.source}")
        taken[target] = copy.source


def _real(path: Path) -> Path:
    """The same for all names of one place; a file system that ignores case would have the last word."""
    return Path(os.path.realpath(path))
