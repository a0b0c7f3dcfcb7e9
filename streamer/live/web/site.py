"""What the web shows of live streams, as routes for any FastAPI application."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.responses import JSONResponse, Response

from streamer.live.stream_output import StreamOutput
from streamer.live.web import metrics
from streamer.live.web.health import readiness
from streamer.live.web.whep import Whep
from streamer.settings.web import WebConfig

_PAGE: Final = {"index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
_READ: Final = ["GET", "HEAD"]


class LiveSite:
    """WHEP, the list of streams, the preview page, health and metrics of `streams` by name.

    Who may use it is up to the application that includes the routes, and so are headers, caps and error pages. Use it
    from one event loop only, except where it says otherwise.
    """

    def __init__(self, streams: Mapping[str, StreamOutput], config: WebConfig) -> None:
        self._streams = streams
        self._whep = Whep(streams, config)
        self._metrics = metrics.registry(streams, self.viewers, self.drops)
        self._files = {name: (resources.files("streamer.live.web") / "page" / name).read_bytes() for name in _PAGE}

    def router(self) -> APIRouter:
        """The streams: `/whep/...` and `/api/streams`."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route("/api/streams", self._api_streams, methods=_READ)
        self._whep.add_to(router)
        return router

    def pages(self) -> APIRouter:
        """Health, metrics and the page at `/` and `/NAME`; include it last."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route("/", self._index, methods=_READ)
        router.add_api_route("/healthz", self._healthz, methods=_READ)
        router.add_api_route("/readyz", self._readyz, methods=_READ)
        router.add_api_route("/metrics", self._metrics_page, methods=_READ)
        router.add_api_route("/page/{file}", self._file, methods=_READ)
        router.add_api_route("/{name}", self._index_of, methods=_READ)
        return router

    def open_ports_on(self, hosts: tuple[str, ...]) -> None:
        """The addresses to open UDP ports on, for viewers to come."""
        self._whep.hosts = hosts

    async def close(self) -> None:
        """Disconnect the viewers, within three seconds. May be called twice."""
        await self._whep.close()

    def viewers(self, name: str) -> int:
        """The number of WebRTC viewers of a stream. Thread-safe."""
        return self._whep.viewers(name)

    def drops(self, name: str) -> dict[str, int]:
        """Losses since the start: packets by lagging `webrtc` viewers, pictures by a lagging `vp8` encoder."""
        return self._whep.drops(name)

    def vp8_encodes(self, name: str) -> int:
        """Pictures also encoded as VP8, for viewers without H.264. Thread-safe."""
        return self._whep.vp8_encodes(name)

    def described(self) -> list[dict[str, object]]:
        """Every stream's state, as `/api/streams` gives it: values of JSON."""
        return [self._described(name) for name in self._streams]

    def collector(self) -> metrics.StreamCollector:
        """The streams' metrics, for a registry that has others, too."""
        return metrics.StreamCollector(self._streams, self.viewers, self.drops)

    async def _index(self) -> Response:
        return self._page("index.html")

    async def _index_of(self, name: str) -> Response:
        if name not in self._streams:
            raise HTTPException(404, "no such stream")
        return self._page("index.html")

    async def _file(self, file: str) -> Response:
        if file not in self._files:
            raise HTTPException(404, "no such file")
        return self._page(file)

    def _page(self, name: str) -> Response:
        return Response(self._files[name], media_type=_PAGE[name])

    async def _healthz(self) -> Response:
        return JSONResponse({"status": "alive"})

    async def _readyz(self) -> Response:
        state = readiness(self._streams, time.monotonic())
        body = {"ready": state.ready, "silent": state.silent, "unrecorded": state.unrecorded}
        return JSONResponse(body, 200 if state.ready else 503)

    async def _metrics_page(self) -> Response:
        return Response(metrics.exposition(self._metrics), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _api_streams(self) -> Response:
        return JSONResponse(self.described())

    def _described(self, name: str) -> dict[str, object]:
        snapshot = self._streams[name].snapshot()
        described: dict[str, object] = asdict(snapshot)
        described["viewers"] = max(snapshot.viewers, self.viewers(name))
        described["mask_age"] = snapshot.mask_age if math.isfinite(snapshot.mask_age) else None
        described["drops"] = {**self.drops(name), **snapshot.drops}
        return described
