"""Settings of `veilcast live`, on top of those for files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from core.config import EngineConfig, MaskConfig, Section, ZoneConfig
from streamer.settings.audio import AudioPolicy
from streamer.settings.encoder import LiveEncoderConfig
from streamer.settings.file import Settings
from streamer.settings.listen import RESERVED, is_name, parse_listen
from streamer.settings.log import LogConfig
from streamer.settings.recording import RecordConfig
from streamer.settings.rtsp import PushConfig, RtspConfig
from streamer.settings.source import SourceConfig
from streamer.settings.web import WebConfig


def _address(text: str) -> str:
    parse_listen(text)
    return text


def _name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"{text!r} cannot be a name: letters, digits, dots, dashes and underscores, 64 at most")
    if text in RESERVED:
        raise ValueError(f"{text!r} cannot be a stream's name: the web server has a page of its own there")
    return text


ListenAddress = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, AfterValidator(_name)]


class StreamConfig(Section):
    """One camera."""

    name: Name
    """Part of its addresses: rtsp://HOST:PORT/NAME and /whep/NAME."""
    source: SecretStr
    """rtsp://..., http(s)://..., /dev/video0 or a file. Secret, because it may contain a password."""
    push: tuple[SecretStr, ...] = ()
    """RTSP addresses to publish the masked stream to."""
    mask: MaskConfig | None = None
    """How to paint faces on this camera, if different from the others."""
    zones: tuple[ZoneConfig, ...] | None = None
    """What to always mask on this camera, instead of the common zones."""


class LiveConfig(Section):
    """How cameras are read and what is published."""

    streams: tuple[StreamConfig, ...] = ()
    look_ahead: Annotated[float, Field(ge=0, le=5)] = 0.2
    """Seconds by which the picture is delayed, so that later detections can still cover it."""
    max_mask_age: Annotated[float, Field(gt=0, le=5)] = 0.5
    """A frame with no detector verdict within this many seconds is masked whole."""
    detector_timeout: Annotated[float, Field(gt=0, le=600)] = 3.0
    """A detector that gives no answer for this many seconds is replaced."""
    min_interval: Annotated[float, Field(ge=0, le=5)] = 0.06
    """Seconds between two samples while the picture moves, unless only sample.min_interval is set. Shorter than for
    files: a face that comes into view is masked only from `look_ahead` before it is first found."""
    hold: Annotated[float, Field(ge=0, le=5)] = 0.36
    """Seconds for which a box is carried past its last detection, unless only track.hold is set. Longer than for files:
    their look-ahead often finds the face again, a camera's rarely does."""
    source: SourceConfig = SourceConfig()
    encoder: LiveEncoderConfig = LiveEncoderConfig()
    rtsp: ListenAddress | None = None
    """[HOST:]PORT of the RTSP server."""
    rtsp_access: RtspConfig = RtspConfig()
    webrtc: ListenAddress | None = None
    """[HOST:]PORT of the preview page, WHEP, health and metrics."""
    web: WebConfig = WebConfig()
    record: Path | None = None
    """Directory for recordings of all streams."""
    recording: RecordConfig = RecordConfig()
    audio: AudioPolicy = "drop"
    """Audio in recordings: dropped, kept as it is, or with voices disguised. Viewers and pushes never get any."""
    pushing: PushConfig = PushConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [stream.name for stream in self.streams]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"streams: two are called {twice[0]}")
        return self


FILES_ONLY = ("detector_timeout", "look_ahead", "max_mask_age")
"""Keys of `timeline` that live streams have settings of their own for."""


class LiveSettings(Settings):
    """Settings of the engine and of live streams: the keys of a YAML file."""

    live: LiveConfig = LiveConfig()

    @property
    def heard(self) -> bool:
        """Whether to ask sources for their audio."""
        return self.live.record is not None and self.live.audio != "drop"

    @model_validator(mode="after")
    def _check_timeline(self) -> Self:
        mine = [key for key in FILES_ONLY if key in self.timeline.model_fields_set]
        if mine:
            raise ValueError(f"timeline.{mine[0]} is for files; for live streams write live.{mine[0]}")
        return self

    @property
    def shared_engine(self) -> EngineConfig:
        """Engine settings that all streams share.

        Some settings have a default of their own for live streams. For these a value under `live` comes first, then one
        that a preset or file sets for files and streams alike.
        """
        live = self.live
        timeline = self.timeline.model_copy(update={key: getattr(live, key) for key in FILES_ONLY})
        sample, track = self.sample, self.track
        if _counts(live, "min_interval", sample):
            sample = sample.model_copy(update={"min_interval": live.min_interval})
        if _counts(live, "hold", track):
            track = track.model_copy(update={"hold": live.hold})
        return EngineConfig(
            detect=self.detect, sample=sample, track=track, timeline=timeline, mask=self.mask, zones=self.zones
        )

    def engine(self, stream: StreamConfig) -> EngineConfig:
        """Engine settings for one stream: those of all streams, with its own mask and zones."""
        own = {"mask": stream.mask, "zones": stream.zones}
        return self.shared_engine.model_copy(update={key: value for key, value in own.items() if value is not None})

    def masks_fingerprint(self) -> str:
        """SHA-256 over what a reload changes: the masks and zones of every stream, by its name."""
        parts = {"mask", "zones"}
        said = {one.name: self.engine(one).model_dump(mode="json", include=parts) for one in self.live.streams}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _counts(live: LiveConfig, key: str, common: Section) -> bool:
    """Whether to use the value under `live` rather than the one shared by files and streams."""
    return key in live.model_fields_set or key not in common.model_fields_set
