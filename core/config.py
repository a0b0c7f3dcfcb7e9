"""Every choice the engine knows. Unknown keys and impossible values are refused by name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Byte = Annotated[int, Field(ge=0, le=255)]
Coordinate = Annotated[FiniteFloat, Field(ge=-100_000, le=100_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=60)]


class Section(BaseModel):
    """A group of options: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MaskConfig(Section):
    """How a region is painted."""

    style: Literal["veil", "blur", "mosaic", "solid"] = "veil"
    """veil: colours of what is visible around; blur, mosaic: averages of what is hidden, which give some of it away."""
    shape: Literal["ellipse", "box"] = "ellipse"
    cells: Annotated[int, Field(ge=1, le=6)] = 2
    """Averages per side that a region is reduced to before any smoothing (blur and mosaic)."""
    refresh: Seconds = 1.0
    """How long a region shows the same averages: less of a face in them, less to encode. 0: those of each frame."""
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


class TrackConfig(Section):
    """How detections become masks through time. Times in seconds, scores from 0 to 1."""

    birth_score: Share = 0.44
    """A detection of at least this score starts a track at once."""
    keep_score: Share = 0.38
    """A detection of at least this score goes on with a track that is there, or extends it backwards."""
    weak: Seconds = 0.4
    """A track goes on for this long with nothing but detections that could not start one."""
    bridge: Seconds = 1.0
    """A track that is found again within this time is masked in between."""
    sure_score: Share = 0.6
    """Only a track lately seen with this score is bridged over longer than `hold`, and carried for all of it."""
    hold: Seconds = 0.28
    """A box is carried this long past its last detection, or up to the next sample; half as long if not sure lately."""
    back_fill: Seconds = 0.1
    """A new track is masked back to the sample before it and this much further."""
    margin: Annotated[float, Field(ge=1, le=4)] = 1.3
    """A painted region's least size as a multiple of the detection box; up to a fifth more, to stay as it is."""
    growth: Annotated[float, Field(ge=0, le=10)] = 0.6
    """What the margin gains with every second away from a detection ..."""
    blind_growth: Annotated[float, Field(ge=0, le=20)] = 3.0
    """... and more with every second for which the detector has not said anything yet: the face may be anywhere."""
    reach: Annotated[float, Field(ge=1, le=20)] = 4.0
    """How many times the usual distance a track may leap to a detection that no other track claims ..."""
    leap: Seconds = 0.3
    """... between two sightings no further apart than this."""
    bend: Share = 0.15
    """How far a path may bend away from the straight line between two detections, as a share of its length."""


class SampleConfig(Section):
    """How often the detector looks. Times in seconds."""

    min_interval: Seconds = 0.12
    """Between two samples while the picture moves."""
    max_interval: Seconds = 0.25
    """Between two samples while nothing moves."""
    change_level: Annotated[int, Field(ge=0, le=255)] = 10
    """Grey levels by which a point of the 64x36 thumbnail must differ from the last sample to have moved."""
    change_share: Share = 0.004
    """Share of points that must have moved for the picture to count as moving."""
    change_most: Share = 0.4
    """A picture of which more than this share of points has moved is looked at whatever its time stamp says."""
    sparse: Share = 0.57
    """One step brings more than this share of the change of two: moving pictures are too far apart to skip any."""
    alone: Share = 0.66
    """The same from which on the pictures around say nothing about a picture: it is looked at in all sizes."""


class ScaleConfig(Section):
    """One size at which a sample is looked at."""

    long_side: Annotated[int, Field(ge=64, le=4096)]
    """Longer side in pixels that the picture, or each tile of it, is scaled to."""
    every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Used on the first sample of a scene and on every n-th after it, sooner where samples are far apart."""
    rows: Annotated[int, Field(ge=1, le=8)] = 1
    columns: Annotated[int, Field(ge=1, le=8)] = 1
    """The picture is cut into rows x columns overlapping tiles."""


class SecondConfig(Section):
    """The second detector, which confirms what the first one finds weakly. Times in seconds, scores from 0 to 1."""

    detector: Literal["centerface", "none"] = "centerface"
    weak_score: Share = 0.15
    """Finds of the first detector from this score on are shown to the second ..."""
    confirm_score: Share = 0.08
    """... and are faces if it reports one there with at least this score."""
    sure_score: Share = 0.4
    """What the second detector finds by itself with this score is a face."""
    interval: Seconds = 2.0
    """Between two searches of the whole picture; the first sample of a scene is always searched."""
    long_side: Annotated[int, Field(ge=64, le=4096)] = 640
    """Longer side in pixels of the picture that is searched."""
    crops: Annotated[int, Field(ge=0, le=64)] = 4
    """At most this many weak finds of one sample are shown to it, each in a crop."""
    crop_side: Annotated[int, Field(ge=64, le=640)] = 128
    """Side in pixels of such a crop, which shows three times the find's size."""
    memory: Seconds = 0.5
    """A find that was not confirmed is not shown again at the same place for this long."""


class DetectConfig(Section):
    """Which detector looks, at which sizes, and how it follows up on faces it has seen."""

    detector: str = "yunet"
    scales: tuple[ScaleConfig, ...] = ()
    """Sizes at which samples are looked at; none: those that suit the detector."""
    follow_up: Annotated[int, Field(ge=0, le=64)] = 8
    """At most this many small faces that a sample lacks are looked for again, each in a crop."""
    follow_up_side: Annotated[int, Field(ge=64, le=640)] = 128
    """Side in pixels of such a crop, which shows three times the face's size."""
    memory: Seconds = 0.6
    """How long a face that is not found is looked for in this way."""
    second: SecondConfig = SecondConfig()


class TimelineConfig(Section):
    """How long frames wait for their masks."""

    look_ahead: Seconds = 1.0
    """Seconds of frames that are held so that later detections can cover them."""
    memory_mb: Annotated[int, Field(ge=16, le=65536)] = 128
    """Megabytes of frames that may be held; bounds the look-ahead of large pictures."""
    max_mask_age: Seconds = 0.5
    """A frame with no detector verdict this near is masked whole."""
    detector_timeout: Annotated[float, Field(gt=0, le=600)] = 20.0
    """A detector that says nothing for this many seconds is given up: every later frame is masked whole."""


class EngineConfig(Section):
    """Everything the engine can be told."""

    detect: DetectConfig = DetectConfig()
    sample: SampleConfig = SampleConfig()
    track: TrackConfig = TrackConfig()
    timeline: TimelineConfig = TimelineConfig()
    mask: MaskConfig = MaskConfig()
    zones: tuple[ZoneConfig, ...] = ()
