"""The web server of live streams: preview page, WHEP, health checks and metrics, on the event loop it is started in."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from streamer.guard.connection_caps import Caps
from streamer.guard.http_pace import PaceLimits
from streamer.http.body_cap import BodyCap
from streamer.http.error_pages import ErrorPages, plain_error
from streamer.http.host_names import HostNames
from streamer.http.protection import SecurityHeaders
from streamer.http.request_log import RequestLog
from streamer.http.server import HttpServer
from streamer.live.stream_output import StreamOutput
from streamer.live.web.access import WebAccess
from streamer.live.web.gate import ForeignPages, TokenGate
from streamer.live.web.site import LiveSite
from streamer.settings.web import WebConfig

_BODY: Final = 64 * 1024  # bytes; a browser's offer has about 6 KB


class WebServer:
    """Serves `streams` by name. Without a token in `config`, everybody may watch."""

    def __init__(
        self, streams: Mapping[str, StreamOutput], config: WebConfig, limits: PaceLimits | None = None
    ) -> None:
        self._config = config
        self._access = self._access_at("")
        self._site = LiveSite(streams, config)
        caps = Caps(config.max_connections, config.max_connections_per_address)
        self._http = HttpServer(self._application(), name="web", caps=caps, limits=limits)

    @property
    def port(self) -> int:
        """The port that it listens on. Raises RuntimeError before `start`."""
        return self._http.port

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`; port 0 picks any free port. Raises OSError if an address cannot be used."""
        udp_host = self._config.udp_host
        if udp_host is not None:
            _check_udp(str(udp_host))
        self._access = self._access_at(host)
        await self._http.start(host, port)
        self._site.open_ports_on(self._http.hosts if udp_host is None else (str(udp_host),))

    async def close(self) -> None:
        """Stop listening and disconnect the viewers, within three seconds. May be called twice."""
        self._http.stop_listening()
        await self._site.close()
        await self._http.close()

    def viewers(self, name: str) -> int:
        """The number of WebRTC viewers of a stream. Thread-safe."""
        return self._site.viewers(name)

    def drops(self, name: str) -> dict[str, int]:
        """Losses since the start: packets by lagging `webrtc` viewers, pictures by a lagging `vp8` encoder."""
        return self._site.drops(name)

    def vp8_encodes(self, name: str) -> int:
        """Pictures also encoded as VP8, for viewers without H.264. Thread-safe."""
        return self._site.vp8_encodes(name)

    def _application(self) -> ASGIApp:
        routes = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        routes.add_exception_handler(HTTPException, plain_error)
        routes.include_router(self._site.router())
        routes.include_router(self._site.pages())
        answered = ErrorPages(TokenGate(BodyCap(routes, _BODY), lambda: self._access))
        # With a token, foreign pages need it, too. Without one, any page in a local browser could watch.
        origins = self._config.origins if self._config.token is None else ("*",)
        return SecurityHeaders(ForeignPages(RequestLog(answered), origins))

    def _access_at(self, host: str) -> WebAccess:
        token = self._config.token
        return WebAccess(None if token is None else token.get_secret_value(), HostNames(self._config.hosts, host))


def _check_udp(host: str) -> None:
    """Raises OSError if WebRTC could not open ports; otherwise only the first viewer would notice."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as tried:
            tried.bind((host, 0))
    except OSError as error:
        raise OSError(error.errno, f"no UDP ports on live.web.udp_host {host}: {error.strerror}") from error
