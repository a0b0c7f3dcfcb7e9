"""All settings of the engine. Unknown keys and invalid values are rejected by name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Byte = Annotated[int, Field(ge=0, le=255)]
Coordinate = Annotated[FiniteFloat, Field(ge=-100_000, le=100_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=60)]


class Section(BaseModel):
    """A group of settings: immutable; a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MaskConfig(Section):
    """How a region is painted."""

    style: Literal["veil", "blur", "mosaic", "solid"] = "veil"
    """veil: colours of what is visible around; blur, mosaic: averages of what is hidden, which give some of it away."""
    cover: Literal["face", "head"] = "face"
    """face: eyes, nose and mouth, with a margin; head: hair, ears and chin as well, which also tell who it is."""
    shape: Literal["ellipse", "box"] = "ellipse"
    cells: Annotated[int, Field(ge=1, le=6)] = 2
    """Averages per side that a region is reduced to before any smoothing (blur and mosaic)."""
    refresh: Seconds = 1.0
    """Seconds until a region's colours are renewed: fewer of them reveal less and cost fewer bits. 0: every frame."""
    soft_edge: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Width of the blended rim outside the shape, as a fraction of the region's size."""
    color: tuple[Byte, Byte, Byte] = (0, 0, 0)
    """Red, green and blue of the `solid` style, 0 to 255."""
    outline: bool = False
    """Draw a thin line around every region."""


class ZoneConfig(Section):
    """A static polygon that is always masked."""

    points: Annotated[tuple[tuple[Coordinate, Coordinate], ...], Field(min_length=3)]
    """Corners `(x, y)`, in the upright picture."""
    unit: Literal["pixels", "fractions"] = "fractions"

    @model_validator(mode="after")
    def _check_fractions(self) -> Self:
        # Pixels read as fractions would lie far outside the picture and cover nothing.
        if self.unit == "fractions" and not all(0 <= value <= 1 for point in self.points for value in point):
            raise ValueError("points in fractions must be between 0 and 1; for pixels, set unit to pixels")
        return self


class TrackConfig(Section):
    """How detections become masks over time. Times are in seconds, scores from 0 to 1."""

    new_track_score: Share = 0.44
    """A detection with at least this score starts a new track immediately."""
    min_score: Share = 0.3
    """Detections below this score are ignored; those above can continue a track or extend it backwards.

    What several in a row have above it adds up: together they can start a track, too."""
    max_weak: Seconds = 0.4
    """How long a track continues on weak detections alone: those that could not start a track."""
    max_gap: Seconds = 1.0
    """A track found again within this time is interpolated across the gap."""
    confident_score: Share = 0.6
    """Recent score a track needs to be linked across a missed sample and more than `hold`, and to be held in full."""
    hold: Seconds = 0.28
    """How long a box is held after its last detection, at least to the next sample; halved below `confident_score`."""
    back_fill: Seconds = 0.1
    """A new track is masked back to the previous sample and this much further."""
    margin: Annotated[float, Field(ge=1, le=4)] = 1.3
    """Minimum size of a painted region, relative to the detection box; up to a fifth more if that keeps it stable."""
    growth: Annotated[float, Field(ge=0, le=10)] = 0.6
    """Added to the margin for every second away from the nearest detection."""
    pending_growth: Annotated[float, Field(ge=0, le=20)] = 3.0
    """Added as well for every second after the newest sample with a verdict: the face may have moved since."""
    jump_distance: Annotated[float, Field(ge=1, le=20)] = 4.0
    """How many times the usual distance a track may jump to a detection that no other track matches."""
    jump_gap: Seconds = 0.3
    """Longest time between two detections across which a track may jump like that."""
    bend: Share = 0.15
    """How far a path may bend from the straight line between two detections, as a fraction of its length."""


class SampleConfig(Section):
    """How often the detector runs. Times are in seconds."""

    min_interval: Seconds = 0.12
    """Between two samples while the picture changes."""
    max_interval: Seconds = 0.25
    """Between two samples while nothing changes."""
    still_interval: Seconds = 1.0
    """Between two searches of samples in a recording in which nothing has changed, and nothing was found, for 3.5
    seconds. 0: search all."""
    change_level: Annotated[int, Field(ge=0, le=255)] = 10
    """Grey levels by which a pixel of the 64x36 thumbnail must differ from the last sample to count as changed."""
    change_share: Share = 0.004
    """Fraction of pixels that must have changed for the picture to count as moving."""
    forced_change_share: Share = 0.4
    """If more than this fraction of pixels has changed, the picture is sampled regardless of its time stamp."""
    sparse_ratio: Share = 0.57
    """Above this ratio of one-step to two-step change, moving pictures are too far apart to skip any."""
    isolated_ratio: Share = 0.66
    """Above this ratio, neighbouring pictures say nothing about a picture: the detector runs at all sizes."""


class ScaleConfig(Section):
    """One size at which the detector sees a sample."""

    long_side: Annotated[int, Field(ge=64, le=4096)]
    """The picture, or each tile of it, is scaled so that its longer side has this many pixels."""
    every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Use this size on the first sample of a scene and every n-th after it, sooner if samples are far apart."""
    rows: Annotated[int, Field(ge=1, le=8)] = 1
    columns: Annotated[int, Field(ge=1, le=8)] = 1
    """Cut the picture into rows x columns overlapping tiles."""


class SecondConfig(Section):
    """The second detector, which speaks for or against the finds of the first. Times in seconds, scores from 0 to 1.

    Only beside `yunet`: no other detector was measured with it.
    """

    detector: Literal["centerface", "none"] = "centerface"
    weak_score: Share = 0.1
    """Finds of the first detector from this score on are shown to the second ..."""
    trusted_score: Share = 0.8
    """... unless they have this score: then the first detector's word is enough."""
    neutral_score: Annotated[float, Field(gt=0, le=1)] = 0.08
    """A score of the second detector that neither raises nor lowers that of the first."""
    weight: Annotated[float, Field(ge=0, le=4)] = 0.5
    """What a score of the second detector ten times as high or as low adds to or takes from that of the first."""
    sure_score: Share = 0.4
    """What the second detector finds by itself with this score is a face."""
    interval: Seconds = 1.0
    """Between two searches of the whole picture; the first sample of a scene is always searched."""
    long_side: Annotated[int, Field(ge=64, le=4096)] = 960
    """Longer side in pixels of the picture that is searched."""
    crops: Annotated[int, Field(ge=0, le=64)] = 8
    """At most this many finds of one sample are shown to it, each in a crop."""
    crop_side: Annotated[int, Field(ge=64, le=640)] = 96
    """Side in pixels of such a crop, which shows three times the find's size."""
    memory: Seconds = 0.5
    """What the second detector said about a place counts for this long."""


class DetectConfig(Section):
    """Which detector runs, at which sizes, and how it follows up on faces it has seen."""

    detector: str = "yunet"
    scales: tuple[ScaleConfig, ...] = ()
    """Sizes to use; none means those that suit the detector."""
    follow_up: Annotated[int, Field(ge=0, le=64)] = 8
    """Search again, each in a crop, for at most this many small faces that a sample lacks."""
    follow_up_side: Annotated[int, Field(ge=64, le=640)] = 128
    """Side in pixels of such a crop, which shows three times the face's size."""
    memory: Seconds = 0.6
    """How long to search in this way for a face that is not found."""
    second: SecondConfig = SecondConfig()
    turned_interval: Seconds = 1.0
    """Seconds between two searches of turned copies, for faces that lie or stand on their heads. 0: never.

    Only with `yunet`."""

    @property
    def second_detector(self) -> str | None:
        """Name of the detector that looks beside the first one, if any."""
        return self.second.detector if self.detector == "yunet" and self.second.detector != "none" else None


class TimelineConfig(Section):
    """How long frames are held before they are masked."""

    look_ahead: Seconds = 1.0
    """Seconds of frames to hold so that later detections can still cover them."""
    memory_mb: Annotated[int, Field(ge=16, le=65536)] = 128
    """Maximum megabytes of held frames; limits the look-ahead for large pictures."""
    max_mask_age: Seconds = 0.5
    """A frame with no detector verdict within this many seconds is masked whole."""
    detector_timeout: Annotated[float, Field(gt=0, le=600)] = 20.0
    """Seconds without an answer after which the detector is abandoned: all later frames are masked whole."""


class EngineConfig(Section):
    """All settings of the engine."""

    detect: DetectConfig = DetectConfig()
    sample: SampleConfig = SampleConfig()
    track: TrackConfig = TrackConfig()
    timeline: TimelineConfig = TimelineConfig()
    mask: MaskConfig = MaskConfig()
    zones: tuple[ZoneConfig, ...] = ()
