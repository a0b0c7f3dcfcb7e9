"""Every choice the engine knows. Unknown keys and impossible values are refused by name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Byte = Annotated[int, Field(ge=0, le=255)]


class Section(BaseModel):
    """A group of options: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MaskConfig(Section):
    """How a region is painted."""

    style: Literal["blur", "mosaic", "solid"] = "blur"
    shape: Literal["ellipse", "box"] = "ellipse"
    cells: Annotated[int, Field(ge=1, le=6)] = 5
    """Averages per side that a region is reduced to before any smoothing (blur and mosaic)."""
    soft_edge: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Width of the blended rim outside the shape, as a share of the region's size."""
    color: tuple[Byte, Byte, Byte] = (0, 0, 0)
    """Red, green, blue of `solid`."""
    outline: bool = False
    """Draw a thin line around every region."""


class ZoneConfig(Section):
    """A static polygon that is always masked."""

    points: Annotated[tuple[tuple[float, float], ...], Field(min_length=3)]
    """Corners `(x, y)` of the upright picture."""
    unit: Literal["pixels", "fractions"] = "fractions"
