"""The report of a job: input, output, how every second was covered, and what was stripped."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import threading
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.atomic_file import write_atomically
from streamer.errors import InterruptedJobError, OutputError

_CHUNK = 1 << 20
PACKAGES = ("av", "numpy", "onnxruntime", "mediapipe", "pillow")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileDigest(_Part):
    """A file's name, size and hash."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class WeightsUsed(_Part):
    """The weights of a built-in detector."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    license: str


class Coverage(_Part):
    """Seconds of stream time by cover."""

    settled: float = Field(ge=0)
    held: float = Field(ge=0)
    blanket: float = Field(ge=0)


BoxNumbers = tuple[float, float, float, float]


class DoubtfulMoment(_Part):
    """A mask that a person should look at: it may be no face, or a face may show before or after it."""

    start: float
    end: float
    """Seconds on the input's clock."""
    box: BoxNumbers
    """x0, y0, x1, y1 in pixels of the upright picture: the area that is painted, where the doubt arose."""
    track: int
    why: list[Literal["weak", "lone", "ended"]]
    """weak: low scores only; lone: found once; ended: lost in the middle of the picture."""
    doubt: float = Field(ge=0, le=1)


class AddedMoment(_Part):
    """A face that the check found in the copy and that was masked afterwards, or one that still shows."""

    start: float
    end: float
    """Seconds on the input's clock, first and last checked frame."""
    frames: int = Field(ge=1)
    """Checked frames in which it was visible."""
    box: BoxNumbers
    """x0, y0, x1, y1 in pixels of the upright picture, where it was most visible."""
    score: float = Field(ge=0, le=1)
    detector: str
    share: float = Field(ge=0, le=1)
    """The largest share of its detail that was visible."""


class VerifyRound(_Part):
    """One check of the copy, and what was masked because of it."""

    findings: int = Field(ge=0)
    """Face-frames that showed, false alarms included."""
    faces: int = Field(ge=0)
    """Places that were masked in addition."""
    frames: int = Field(ge=0)
    """Frames that got additional masks."""


class Verification(_Part):
    """The check of the copy against its input."""

    every: int = Field(ge=1)
    """One of so many frames was checked."""
    checked: int = Field(ge=0)
    """Frames that were checked."""
    rounds: list[VerifyRound]
    added: list[AddedMoment]
    """The most visible ones first; at most 1000."""
    left: list[AddedMoment]
    """What still shows after the last round; at most 1000. Exit code 4 if there is any."""
    seconds: float = Field(ge=0)
    """Time that checking and painting again took."""


class Report(_Part):
    """The result of one file job. Published as a JSON schema in `docs/report.schema.json`."""

    schema_name: Literal["veilcast-report-1"] = Field(default="veilcast-report-1", alias="schema")
    veilcast: str
    versions: dict[str, str]
    """Versions of the libraries that the output depends on."""
    input: FileDigest
    output: FileDigest
    config_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    weights: WeightsUsed | None
    """None if the caller supplied a detector or a mask record, so that no built-in weights were used."""
    second_weights: WeightsUsed | None = None
    """The same for the second detector; None if only one looked."""
    masks: FileDigest | None = None
    """The mask record that was painted from, if any."""
    start: float | None = None
    end: float | None = None
    """The part of the input that was copied, in seconds from its first frame; None: from its begin, or to its end."""
    units: int = Field(default=1, ge=1)
    """Parts that the video was masked in and joined from; 1: in one go."""
    looked_at: int | None = None
    """Frames that were looked at, those around seams twice; None if it was masked in one go."""
    copied: int = Field(default=0, ge=0)
    """Frames of groups of pictures in which nothing was masked: their packets are the input's, bit for bit."""
    uncopied: str | None = None
    """Why no group could be copied; None: those in which nothing was masked were, or the video was masked in one go."""
    frames: int = Field(ge=0)
    """Frames written; equal to the frames read, or to those of the part."""
    faces: int = Field(ge=0)
    """Number of tracks; a face that is lost and found again counts twice."""
    samples: int = Field(ge=0)
    """Frames that the detector ran on."""
    failed_samples: int = Field(ge=0)
    """Samples without a usable detector result."""
    seconds: Coverage
    damaged: float = Field(ge=0)
    """Seconds of pictures that are missing or blanket because the input is damaged. At least one frame's duration if
    anything in the input is damaged, audio included."""
    audio: Literal["keep", "drop", "disguise", "none"]
    stripped: list[str]
    """What the input contained besides video and audio and the output does not: names, never values."""
    warnings: list[str]
    doubtful: list[DoubtfulMoment] = []
    """What a person should look at, most doubtful first; at most 100."""
    verification: Verification | None = None
    """None unless the copy was checked (`--verify`)."""
    elapsed: float = Field(ge=0)
    """Duration of the job in seconds."""


def digest(path: Path, interrupt: threading.Event | None = None) -> FileDigest:
    """Size and SHA-256 of a file.

    Raises OSError if it cannot be read, and InterruptedJobError once `interrupt` is set: long recordings take time.
    """
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if interrupt is not None and interrupt.is_set():
                raise InterruptedJobError
            found.update(chunk)
        size = file.tell()
    # JSON is UTF-8, but file names need not be: invalid bytes become \\xNN.
    return FileDigest(path=os.fsencode(path).decode("utf-8", "backslashreplace"), bytes=size, sha256=found.hexdigest())


def versions() -> dict[str, str]:
    """Versions of the libraries that decide what the output looks like; of those that are not installed none."""
    return dict(_versions())


@functools.cache
def _versions() -> dict[str, str]:  # reading what is installed takes half as long as a small picture
    import cv2

    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return {**found, "opencv": cv2.__version__}


def check_report_target(path: Path, others: Iterable[Path], overwrite: bool) -> None:
    """Raises OutputError if a report must not or cannot be written to `path`. Call it before any work is done.

    `others` are the other files of the job, which the report never replaces.
    """
    try:
        if not path.parent.is_dir():
            raise OutputError(path, f"the directory {path.parent} does not exist")
        if path.is_dir():
            raise OutputError(path, "is a directory")
        if any(
            path.absolute() == other.absolute() or (path.exists() and other.exists() and path.samefile(other))
            for other in others
        ):
            raise OutputError(path, "is a video of this job; choose a different name for the report")
        if os.path.lexists(path) and not overwrite:
            raise OutputError(path, "exists already; --overwrite replaces it")
    except OSError as error:
        raise OutputError(path, f"the report cannot be written ({error.strerror or error})") from error


def write(report: Report, path: Path, overwrite: bool = True) -> None:
    """Write the report as JSON, atomically. Raises OutputError, whose message says that the copy is complete."""
    try:
        write_atomically(path, f"{report.model_dump_json(by_alias=True, indent=2)}\n".encode(), overwrite)
    except OSError as error:
        appeared = isinstance(error, FileExistsError)
        said = (
            "it appeared in the meantime; --overwrite replaces it"
            if appeared
            else (error.strerror or str(error)).lower()
        )
        raise OutputError(
            path, f"the report cannot be written ({said}); the copy {report.output.path} is complete"
        ) from error


def schema() -> str:
    """The JSON schema of reports, as published."""
    return json.dumps(Report.model_json_schema(by_alias=True), indent=2) + "\n"
