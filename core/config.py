"""Every choice the engine knows. Unknown keys and impossible values are refused by name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Byte = Annotated[int, Field(ge=0, le=255)]
Coordinate = Annotated[FiniteFloat, Field(ge=-100_000, le=100_000)]


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

    points: Annotated[tuple[tuple[Coordinate, Coordinate], ...], Field(min_length=3)]
    """Corners `(x, y)` of the upright picture."""
    unit: Literal["pixels", "fractions"] = "fractions"

    @model_validator(mode="after")
    def _check_fractions(self) -> Self:
        # Pixels taken for fractions would lie far off the picture and cover nothing.
        if self.unit == "fractions" and not all(0 <= value <= 1 for point in self.points for value in point):
            raise ValueError("points in fractions must be from 0 to 1; set unit to pixels for pixels")
        return self
