"""Everything that a file job can be told."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import Field

from core.config import EngineConfig, Section
from streamer.settings.audio import AudioPolicy
from streamer.settings.encoder import EncoderConfig

Side = Annotated[int, Field(ge=1, le=65_536)]
DEFAULT_MEMORY_MB = 2000


class FileConfig(Section):
    """What becomes of everything in a file but the faces."""

    audio: AudioPolicy = "keep"
    """Sound: copied bit for bit, left out, or pitch and formants shifted."""
    keep_metadata: bool = False
    """Keep harmless tags; where, when, with what and by whom it was taken is dropped in any case."""
    max_size: tuple[Side, Side] = (8192, 8192)
    """Width and height: pictures with more pixels than such a one has, whatever their shape, are refused."""
    memory_mb: Annotated[int, Field(ge=500, le=1_000_000)] = DEFAULT_MEMORY_MB
    """Megabytes that a job may take: the encoder is held to them, and pictures that cannot fit are refused."""


class Settings(EngineConfig):
    """The engine's choices and those of file jobs; the keys of a YAML file."""

    encoder: EncoderConfig = EncoderConfig()
    file: FileConfig = FileConfig()

    def fingerprint(self) -> str:
        """SHA-256 over every choice, defaults included: equal for equal behaviour."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
