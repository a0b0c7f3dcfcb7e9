"""What can be chosen for a picture, and what that means for the engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from core.config import Section
from streamer.service.jobs.settings import ConfigName, JobSettings
from streamer.settings.file import Settings


class PictureSettings(Section):
    """Settings of one picture. What is left out is as the server has it."""

    config: ConfigName = "default"
    """Preset: `fast` costs less and misses more faces."""
    style: Literal["veil", "blur", "mosaic", "solid"] | None = None
    """How faces are painted over."""
    cover: Literal["face", "head"] | None = None
    """face: eyes, nose and mouth, with a margin; head: hair, ears and chin as well."""
    color: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{6}$")] | None = None
    """Red, green and blue of the `solid` style, two hexadecimal digits each."""

    def chosen(self) -> dict[str, str]:
        """What was asked for, without what was left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def whole(self, base: Settings) -> Settings:
        """Settings of the engine: the server's own, or a preset, with what was chosen on top. Reads a preset's file."""
        settings = JobSettings(config=self.config, style=self.style, cover=self.cover).whole(base)
        if self.color is None:
            return settings
        red, green, blue = bytes.fromhex(self.color)
        return settings.model_copy(update={"mask": settings.mask.model_copy(update={"color": (red, green, blue)})})
