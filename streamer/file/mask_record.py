"""The decisions of a file job as data: one line for the file, then one per frame. No I/O here.

Published as a JSON schema in `docs/masks.schema.json`.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, model_validator

from core.config import MaskConfig, ZoneConfig
from core.frame import Cover, Origin, Region, Verdict
from core.geometry import Box
from core.masked_frame import MaskedFrame

Text = Annotated[str, Field(max_length=200)]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class RecordedInput(_Line):
    """The video that the decisions belong to."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Hash


class RecordHeader(_Line):
    """First line of a record: which video it belongs to, and how regions were painted."""

    schema_name: Literal["veilcast-masks-1"] = Field(default="veilcast-masks-1", alias="schema")
    veilcast: Text | None = None
    """Version of the program that wrote the record."""
    input: RecordedInput | None = None
    """None: applies to any video."""
    width: Annotated[int, Field(ge=1)] | None = None
    height: Annotated[int, Field(ge=1)] | None = None
    """Size of the upright picture in pixels; regions use these pixels."""
    time_base: Annotated[str, Field(pattern="^[0-9]{1,12}/[0-9]{1,12}$")] | None = None
    """Seconds per tick of `pts`."""
    mask: MaskConfig = MaskConfig()
    zones: tuple[ZoneConfig, ...] = ()


class RecordedRegion(_Line):
    """One thing to hide."""

    box: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    """x0, y0, x1, y1 in pixels of the upright picture: the area to paint, margin included."""
    track: Annotated[int, Field(ge=-1)] = -1
    """The same number in different frames means the same face; -1 means no track."""
    label: Text = "face"
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    origin: Origin = Origin.SEEN

    @model_validator(mode="after")
    def _check_box(self) -> Self:
        if not Box(*self.box).is_valid():
            raise ValueError("box must be x0, y0, x1, y1 with x0 < x1 and y0 < y1, near the picture")
        return self


class RecordedFrame(_Line):
    """The decision on one frame."""

    frame: Annotated[int, Field(ge=0)]
    """Counted from 0 in presentation order."""
    pts: int | None = None
    """In the input's time base; if given, it must match the frame."""
    time: FiniteFloat | None = None
    """Seconds on the input's clock; informational, ignored when read back."""
    cover: Cover
    mask_age: Annotated[float, Field(ge=0)] | None = None
    """Seconds since the newest detector verdict; None if there was none."""
    regions: tuple[RecordedRegion, ...] = ()

    def verdict(self) -> Verdict:
        """The decision as a verdict for the masker."""
        age = math.inf if self.mask_age is None else self.mask_age
        if self.cover is Cover.BLANKET:
            return Verdict(self.cover, (), age)
        regions = tuple(Region(Box(*r.box), r.track, r.label, r.score, r.origin) for r in self.regions)
        return Verdict(self.cover, regions, age)


def recorded(masked: MaskedFrame) -> RecordedFrame:
    """The decision on a masked frame."""
    return RecordedFrame(
        frame=masked.index,
        pts=masked.video.pts,
        time=masked.time,
        cover=masked.cover,
        mask_age=masked.mask_age if math.isfinite(masked.mask_age) else None,
        regions=tuple(
            RecordedRegion(
                box=(r.box.x0, r.box.y0, r.box.x1, r.box.y1),
                track=r.track,
                label=r.label,
                score=r.score,
                origin=r.origin,
            )
            for r in masked.regions
        ),
    )


def mot_rows(frame: RecordedFrame, size: tuple[int, int]) -> list[str]:
    """Rows in MOTChallenge format: frame and id from 1, left, top, width, height, score, and three times -1.

    A blanket frame is one row with id -1 and the `size` of the upright picture. No row would mean that nothing was
    hidden.
    """
    if frame.cover is Cover.BLANKET:
        return [f"{frame.frame + 1},-1,0,0,{size[0]},{size[1]},1,-1,-1,-1"]
    boxes = ((region, Box(*region.box)) for region in frame.regions)
    return [
        f"{frame.frame + 1},{r.track + 1 if r.track >= 0 else -1},{box.x0:.2f},{box.y0:.2f},"
        f"{box.width:.2f},{box.height:.2f},{1.0 if r.score is None else r.score:.4f},-1,-1,-1"
        for r, box in boxes
    ]


def record_schema() -> str:
    """The JSON schema of a record's lines, as published."""
    lines: TypeAdapter[RecordHeader | RecordedFrame] = TypeAdapter(RecordHeader | RecordedFrame)
    return json.dumps(lines.json_schema(by_alias=True), indent=2) + "\n"
