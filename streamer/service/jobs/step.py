"""Steps of jobs. A job is done whole, or its video in units that are joined in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class JobPhase(StrEnum):
    """What is to be done next for a job that has not ended."""

    WHOLE = "whole"
    UNITS = "units"
    JOIN = "join"


class StepKind(StrEnum):
    """What a worker does at a time. The first step of a long video is `WHOLE` and only cuts it into units."""

    WHOLE = "whole"
    UNIT = "unit"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class StepId:
    """A step that can be claimed; `number` is that of a unit."""

    job: str
    kind: StepKind
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A step that a worker has claimed. `parts` are the blobs of the original, in order; `settings` is JSON."""

    job: str
    lease: str
    attempt: int
    parts: tuple[str, ...]
    input_sha256: str
    input_bytes: int
    settings: str
    base: str | None = None
    """Settings of the server that took the job in, as JSON, if it does not do jobs itself."""
    kind: StepKind = StepKind.WHOLE
    number: int | None = None
    """Of the unit, if it is one."""
    span: str | None = None
    """The unit's `UnitSpan`, as JSON."""
    units: tuple[str, ...] = ()
    """Blobs of all units, in order, if they are to be joined."""
    plan: str | None = None
    """The engine's settings for units and their joining, as JSON: the same for all of them, wherever they are done.

    If such a job is to be done whole, it may not be cut again."""
    setbacks: int = 0
    """How often the step was put off or interrupted."""

    @property
    def step(self) -> StepId:
        """The step's own name."""
        return StepId(self.job, self.kind, self.number)


@dataclass(frozen=True, slots=True)
class Output:
    """What a worker has made of a job: files, and what the masked one is."""

    result: Path
    media_type: str
    bytes: int
    sha256: str
    others: Mapping[str, Path]
    """`report` and `masks`, if there are any."""
    checked: str | None = None
    """What the check of the masked file found, in one line; None if it was not checked."""
    engine: str | None = None
    """Version, weights and settings that made it; None: as the job says."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A video cut into units. `settings`: the engine's for all of them, as JSON."""

    settings: str
    spans: tuple[str, ...]
    """A `UnitSpan` each, as JSON, in order."""
    shares: tuple[float, ...]
    """Of the work; they add up to 1."""
