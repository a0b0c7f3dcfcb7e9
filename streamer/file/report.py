"""The report of a job: what went in, what came out, how every second was covered, and what was left out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.atomic_file import Partial
from streamer.errors import InterruptedJobError, OutputError

_CHUNK = 1 << 20
PACKAGES = ("av", "numpy", "onnxruntime", "mediapipe")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileDigest(_Part):
    """A file and what it holds."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class WeightsUsed(_Part):
    """The weights of a detector that comes with the program."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    license: str


class Coverage(_Part):
    """Seconds of stream time by how they were covered."""

    settled: float = Field(ge=0)
    held: float = Field(ge=0)
    blanket: float = Field(ge=0)


class Report(_Part):
    """What one file job did. Published as a JSON schema in `docs/report.schema.json`."""

    schema_name: Literal["veilcast-report-1"] = Field(default="veilcast-report-1", alias="schema")
    veilcast: str
    versions: dict[str, str]
    """Versions of the libraries that the output depends on."""
    input: FileDigest
    output: FileDigest
    config_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    weights: WeightsUsed | None
    """None where the caller brought a detector, or a record of masks: then there are no weights to name."""
    masks: FileDigest | None = None
    """The record of masks that was painted from, if it was not a detector's findings."""
    frames: int = Field(ge=0)
    """Frames written: as many as were read."""
    faces: int = Field(ge=0)
    """Faces followed through time; one that was lost and found again counts twice."""
    samples: int = Field(ge=0)
    """Frames that the detector looked at."""
    failed_samples: int = Field(ge=0)
    """Samples for which it gave no answer that can be used."""
    seconds: Coverage
    damaged: float = Field(ge=0)
    """Seconds of pictures that are missing, or covered whole, because the input is damaged; at least one picture's time
    where anything in it is, its audio included."""
    audio: Literal["keep", "drop", "disguise", "none"]
    stripped: list[str]
    """What the input carried besides picture and sound and the output does not; names, never values."""
    warnings: list[str]
    elapsed: float = Field(ge=0)
    """Seconds that the job took."""


def digest(path: Path, interrupt: threading.Event | None = None) -> FileDigest:
    """Size and SHA-256 of a file.

    Raises OSError when it cannot be read, InterruptedJobError once `interrupt` is set: a long recording takes a while.
    """
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if interrupt is not None and interrupt.is_set():
                raise InterruptedJobError
            found.update(chunk)
        size = file.tell()
    # JSON is UTF-8, which the name of a file need not be: other bytes become \\xNN.
    return FileDigest(path=os.fsencode(path).decode("utf-8", "backslashreplace"), bytes=size, sha256=found.hexdigest())


def versions() -> dict[str, str]:
    """Versions of the libraries that decide what the output looks like; of those that are not installed none."""
    import cv2

    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return {**found, "opencv": cv2.__version__}


def check_report_target(path: Path, others: Iterable[Path], overwrite: bool) -> None:
    """Raises OutputError when a report must not or cannot be written there, before any work is done.

    `others` are the files of the job, which a report never replaces.
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
            raise OutputError(path, "is a video of this job; the report needs a name of its own")
        if os.path.lexists(path) and not overwrite:
            raise OutputError(path, "exists already; --overwrite replaces it")
    except OSError as error:
        raise OutputError(path, f"the report cannot be written ({error.strerror or error})") from error


def write(report: Report, path: Path, overwrite: bool = True) -> None:
    """Write the report as JSON, whole or not at all. Raises OutputError, which says that the copy is there."""
    try:
        partial = Partial(path)
        try:
            partial.path.write_text(report.model_dump_json(by_alias=True, indent=2) + "\n", "utf-8")
            partial.publish(overwrite)
        finally:
            partial.discard()
    except OSError as error:
        appeared = isinstance(error, FileExistsError)
        said = "it appeared meanwhile; --overwrite replaces it" if appeared else (error.strerror or str(error)).lower()
        raise OutputError(
            path, f"the report cannot be written ({said}); the copy {report.output.path} is complete"
        ) from error


def schema() -> str:
    """The JSON schema of reports, as published."""
    return json.dumps(Report.model_json_schema(by_alias=True), indent=2) + "\n"
