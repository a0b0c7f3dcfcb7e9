"""Cameras beside the service: masked as `veilcast live` does it, shown by the service's own server."""

from __future__ import annotations

import threading

from fastapi import APIRouter, Depends

from core.owned_thread import OwnedThread
from streamer.errors import ConfigError
from streamer.live.supervisor import LiveService, ServiceError
from streamer.live.web.site import LiveSite
from streamer.service.access.caller import Role
from streamer.service.http.callers import needs
from streamer.settings.overlay import OPTIONS
from streamer.settings.service import ServeSettings


class Cameras:
    """The streams of the settings' `live` section, as a context manager. Entering it raises ConfigError."""

    def __init__(self, settings: ServeSettings) -> None:
        self._live = LiveService(settings)
        self._config = settings.live.web
        self._thread = OwnedThread("veilcast-cameras", self._run)
        self._stop = threading.Event()
        self._site: LiveSite | None = None

    def __enter__(self) -> Cameras:
        try:
            self._live.__enter__()
        except ServiceError as error:
            raise ConfigError(OPTIONS, str(error)) from error
        self._site = LiveSite(self._live.outputs, self._config)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.close()
        self._live.close()

    @property
    def error(self) -> BaseException | None:
        """Why a stream has failed for good, which it never should."""
        return self._thread.error

    @property
    def site(self) -> LiveSite:
        """What the web shows of them. Raises RuntimeError before they are started."""
        if self._site is None:
            raise RuntimeError("the cameras have not been started")
        return self._site

    def apply(self, settings: ServeSettings) -> None:
        """Apply the masks and zones of other settings to the streams with the same names."""
        self._live.apply(settings)

    def _run(self) -> None:
        self._live.run(self._stop)


def camera_routes(site: LiveSite | None) -> APIRouter:
    """`/v1/streams`, and WHEP for those who may watch; no streams without a site."""
    router = APIRouter(tags=["cameras"], dependencies=[Depends(needs(Role.VIEW))])

    @router.get("/v1/streams")
    async def streams() -> list[dict[str, object]]:
        """The cameras, and how they are doing."""
        return [] if site is None else site.described()

    if site is not None:
        router.include_router(site.router(), include_in_schema=False)
    return router
