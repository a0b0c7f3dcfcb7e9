"""What a job's process is told, and what it answers: lines of JSON on its standard input and output.

Hardly anything is imported here: a process reads this before it has confined itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from streamer.errors import printable

_LONGEST: Final = 500  # characters of a reason
LINE: Final = 1 << 16
"""No line is longer."""

RESULT, REPORT, MASKS, PLAN, UNIT = "masked", "report.json", "masks.jsonl", "plan.json", "unit"
"""Names of the files that a process leaves in its folder; the first also has an ending."""
ORIGINAL: Final = "original"
"""Name of what is to be masked."""

MEDIA_TYPES: Final = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".ts": "video/mp2t",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".heic": "image/heic",
    ".avif": "image/avif",
    ".gif": "image/gif",
}
"""What a result can be, by its ending."""


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a step of a job. `inputs` holds what it needs, and cannot be written; `folder` gets the rest."""

    folder: str
    inputs: str
    settings: str
    """Settings of the engine, as JSON."""
    verify: bool
    masks: bool
    file_bytes: int
    """No file may be larger."""
    address_bytes: int
    parent: int
    """Process that started this one."""
    step: Literal["whole", "unit", "join"] = "whole"
    span: str | None = None
    """Which unit it is, as JSON."""
    units: int = 0
    """How many there are to join."""
    may_cut: bool = False
    """Whether a long video is cut into units instead of being masked whole."""

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Task:
        """What `line` made. Raises ValueError or TypeError."""
        return cls(**json.loads(line))

    def unit(self, number: int) -> Path:
        """The file of a unit that is to be joined."""
        return Path(self.inputs) / f"unit-{number:05d}"


@dataclass(frozen=True, slots=True)
class Said:
    """A line from a job's process. `progress` from 0 to 1; the last line has `suffix`, `left` or `failed`."""

    progress: float | None = None
    seconds_left: float | None = None
    suffix: str | None = None
    """The job is done, and the masked file has this ending."""
    failed: str | None = None
    """Why there is no masked file, in one line."""
    blame: Literal["file", "disk", "cut", "unknown"] = "unknown"
    """What it is due to: a bad file stays bad, a full disk may get room, what cannot be cut may be masked whole."""
    left: Literal["plan", "unit"] | None = None
    """The step is done, and has left this instead of a masked file."""

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.suffix is not None or self.left is not None or self.failed is not None

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Said:
        """What `line` made; whoever sends it is not trusted. Raises ValueError."""
        try:
            found = json.loads(line)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(found, dict):
            raise ValueError("not an object")
        progress, seconds, suffix, failed, blame, left = (found.get(name) for name in cls.__dataclass_fields__)
        texts = all(value is None or isinstance(value, str) for value in (suffix, failed))
        numbers = _is_number(progress, 1.0) and _is_number(seconds, 1e9)
        if not (numbers and texts and blame in ("file", "disk", "cut", "unknown") and left in (None, "plan", "unit")):
            raise ValueError("not what a job says")
        return cls(progress, seconds, suffix, None if failed is None else printable(failed[:_LONGEST]), blame, left)


def _is_number(value: object, most: float) -> bool:
    """None, or a number from 0 to `most`; of any other, such as NaN, a database would make something else."""
    return value is None or (type(value) in (int, float) and 0 <= value <= most)  # type: ignore[operator]
