"""What can be chosen for a job, and what that means for the engine."""

from __future__ import annotations

from typing import Literal

import rfc8785
from pydantic import Field

from core.config import Section
from core.detect.registry import find
from streamer.settings.audio import AudioPolicy
from streamer.settings.file import Settings
from streamer.settings.loading import load
from streamer.version import VERSION

ConfigName = Literal["default", "camera", "crowd", "fast", "meeting"]


class JobSettings(Section):
    """Settings of one job. What is left out is as the server has it."""

    config: ConfigName = "default"
    """Preset: `fast` costs less and misses more faces."""
    style: Literal["veil", "blur", "mosaic", "solid"] | None = None
    """How faces are painted over."""
    cover: Literal["face", "head"] | None = None
    """face: eyes, nose and mouth, with a margin; head: hair, ears and chin as well."""
    audio: AudioPolicy | None = None
    """Sound of a video: keep, drop, or disguise voices."""
    verify: bool = False
    """Check the masked video against the original, and mask what still shows. Takes about twice as long."""
    masks: bool = False
    """Also record which areas of which frames were masked."""

    def canonical(self) -> str:
        """The same text for the same settings, as canonical JSON (RFC 8785)."""
        return rfc8785.dumps(self.model_dump(mode="json", exclude_none=True)).decode()

    def whole(self, base: Settings) -> Settings:
        """Settings of the engine: the server's own, or a preset, with what was chosen on top."""
        settings = base if self.config == "default" else load(self.config)
        mask = {name: value for name in ("style", "cover") if (value := getattr(self, name)) is not None}
        if mask:
            settings = settings.model_copy(update={"mask": settings.mask.model_copy(update=mask)})
        file = settings.file.model_copy(update={} if self.audio is None else {"audio": self.audio})
        # What the server always hides, it hides with every preset.
        zones = settings.zones or base.zones
        return settings.model_copy(update={"file": file, "picture": base.picture, "zones": zones})


class WebhookRequest(Section):
    """Where to tell of a job's end."""

    url: str = Field(max_length=2000)
    secret: str | None = Field(default=None, max_length=200)
    """`whsec_` and 24 to 64 bytes in base64, for signatures by Standard Webhooks. None: one is made and returned."""


def engine_name(settings: Settings) -> str:
    """Version, weights and a hash of all settings: what was made by another engine is no answer to the same question.

    The server's own settings are in it, such as zones that it always hides.
    """
    detect = settings.detect
    names = [detect.detector, *([] if detect.second_detector is None else [detect.second_detector])]
    weights = [f"{name}:{find(name).weights.sha256[:12]}" for name in names]
    return " ".join([VERSION[:30], *weights, settings.fingerprint()[:16]])
