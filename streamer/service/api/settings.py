"""What clients can choose: for pages and programs that offer a choice."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter
from pydantic import BaseModel

from core.config import MaskConfig
from streamer.service.http.callers import CallerOf
from streamer.service.jobs.settings import ConfigName
from streamer.settings.audio import AudioPolicy


class ChoiceJson(BaseModel):
    """A preset."""

    name: str
    default: bool


class ChoicesJson(BaseModel):
    """What can be chosen, and how large files may be."""

    configs: list[ChoiceJson]
    styles: list[str]
    covers: list[str]
    audio: list[str]
    max_upload_bytes: int
    max_picture_bytes: int


def settings_routes(max_upload_bytes: int, max_picture_bytes: int) -> APIRouter:
    """`/v1/settings`."""
    router = APIRouter(tags=["settings"])
    fields = MaskConfig.model_fields
    choices = ChoicesJson(
        configs=[ChoiceJson(name=name, default=name == "default") for name in get_args(ConfigName)],
        styles=list(get_args(fields["style"].annotation)),
        covers=list(get_args(fields["cover"].annotation)),
        audio=list(get_args(AudioPolicy)),
        max_upload_bytes=max_upload_bytes,
        max_picture_bytes=max_picture_bytes,
    )

    @router.get("/v1/settings")
    async def get(_: CallerOf) -> ChoicesJson:
        """What can be chosen, and how large files may be."""
        return choices

    return router
