"""Settings of a file job."""

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
    """What happens to the rest of a file."""

    audio: AudioPolicy = "keep"
    """Audio: copied bit for bit, dropped, or with pitch and formants shifted."""
    keep_metadata: bool = False
    """Keep harmless tags. Where, when, with what and by whom it was recorded is always dropped."""
    copy_untouched: bool = True
    """Groups of pictures in which nothing is masked keep their packets, where that makes one clean stream."""
    max_size: tuple[Side, Side] = (8192, 8192)
    """Width and height. Pictures with more pixels than this, whatever their shape, are refused."""
    memory_mb: Annotated[int, Field(ge=500, le=1_000_000)] = DEFAULT_MEMORY_MB
    """Megabytes that a job may use. The encoder is limited to fit; pictures that cannot fit are refused."""


class PictureConfig(Section):
    """Still pictures."""

    max_size: tuple[Side, Side] = (10_000, 10_000)
    """Width and height. Pictures with more pixels than this, 100 megapixels, whatever their shape, are refused."""


class Settings(EngineConfig):
    """Settings of the engine and of file jobs: the keys of a YAML file."""

    encoder: EncoderConfig = EncoderConfig()
    file: FileConfig = FileConfig()
    picture: PictureConfig = PictureConfig()

    def fingerprint(self) -> str:
        """SHA-256 over all settings, defaults included: equal for equal behaviour."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
