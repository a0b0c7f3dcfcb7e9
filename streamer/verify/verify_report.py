"""The report of `veilcast verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.atomic_file import write_atomically
from streamer.errors import OutputError
from streamer.file.report import AddedMoment, BoxNumbers, FileDigest

MOST_FINDINGS = 10_000


class Finding(BaseModel):
    """One face in one checked frame that the masked file still shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: float
    """Seconds on the original's clock."""
    frame: int = Field(ge=0)
    """Of the original, counted from 0 in presentation order."""
    box: BoxNumbers
    """x0, y0, x1, y1 in pixels of the original's upright picture."""
    score: float = Field(ge=0, le=1)
    detector: str
    witnesses: list[str]
    """All detectors that saw something there."""
    share: float = Field(ge=0, le=1)
    """Share of the face's detail that is visible."""


class VerifyReport(BaseModel):
    """The result of one check. Published as a JSON schema in `docs/verify.schema.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_name: Literal["veilcast-verify-1"] = Field(default="veilcast-verify-1", alias="schema")
    veilcast: str
    versions: dict[str, str]
    original: FileDigest
    masked: FileDigest
    every: int = Field(ge=1)
    """One of so many frames was checked."""
    frames: int = Field(ge=0)
    """Frames of the original."""
    checked: int = Field(ge=0)
    judged: int = Field(ge=0)
    """Places in checked frames that might be a face, were it certain or not."""
    unpaired: int = Field(ge=0)
    """Checked frames without a counterpart in the masked file."""
    skipped: int = Field(ge=0)
    """Frames that were not checked because the original is damaged there."""
    findings_total: int = Field(ge=0)
    findings: list[Finding]
    """The most visible ones first; at most 10,000."""
    moments: list[AddedMoment]
    """The same by face and stretch of time, most visible first; at most 1000."""
    warnings: list[str]
    elapsed: float = Field(ge=0)
    """Duration of the check in seconds."""


def verify_schema() -> str:
    """The JSON schema of these reports, as published."""
    return json.dumps(VerifyReport.model_json_schema(by_alias=True), indent=2) + "\n"


def write_new(path: Path, data: bytes, overwrite: bool, mode: int = 0o666) -> None:
    """Write a file atomically, with `mode` less what the umask takes. Raises OutputError."""
    try:
        write_atomically(path, data, overwrite, mode)
    except FileExistsError as error:
        raise OutputError(path, "exists already; --overwrite replaces it") from error
    except OSError as error:
        raise OutputError(path, f"cannot be written ({(error.strerror or str(error)).lower()})") from error
