"""The HTTP server: preview page, WHEP, health checks and metrics, on the event loop it is started in."""

from __future__ import annotations

import json
import logging
import math
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from importlib import resources
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from streamer.guard.acceptor import Acceptor
from streamer.guard.connection_caps import Caps
from streamer.guard.http_connection import REFUSAL, HttpConnection
from streamer.guard.http_pace import PaceLimits
from streamer.http.host_names import HostNames
from streamer.live.stream_output import StreamOutput
from streamer.live.web import metrics
from streamer.live.web.access import AccessRequest, Admitted, WebAccess
from streamer.live.web.health import readiness
from streamer.live.web.whep import Whep
from streamer.settings.web import WebConfig

_log = logging.getLogger("veilcast.web")
_aiohttp_log = logging.getLogger("veilcast.web.aiohttp")

_BODY: Final = 64 * 1024  # bytes; a browser's offer has about 6 KB
_PAGE: Final = {"index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    "Server": "veilcast",
}
_CORS: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After",
    "Access-Control-Max-Age": "600",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """Serves `streams` by name. Without a token in `config`, everybody may watch."""

    def __init__(
        self, streams: Mapping[str, StreamOutput], config: WebConfig, limits: PaceLimits | None = None
    ) -> None:
        self._streams, self._config, self._limits = streams, config, limits or PaceLimits()
        self._access = self._access_at("")
        self._whep = Whep(streams, config)
        self._metrics = metrics.registry(streams, self.viewers, self.drops)
        self._files = {name: (resources.files("streamer.live.web") / "page" / name).read_bytes() for name in _PAGE}
        self._runner: web.AppRunner | None = None
        self._acceptor: Acceptor | None = None

    @property
    def port(self) -> int:
        """The port that it listens on. Raises RuntimeError before `start`."""
        if self._acceptor is None:
            raise RuntimeError("the server has not been started")
        return self._acceptor.port

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`; port 0 picks any free port. Raises OSError if an address cannot be used."""
        config, limits = self._config, self._limits
        if config.udp_host is not None:
            _check_udp(str(config.udp_host))
        runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, shutdown_timeout=0.3, logger=_aiohttp_log
        )
        await runner.setup()
        make = runner.server
        assert make is not None
        self._access = self._access_at(host)
        caps = Caps(config.max_connections, config.max_connections_per_address)
        acceptor = Acceptor("web", lambda: HttpConnection(make(), limits), caps, REFUSAL)
        try:
            await acceptor.listen(host, port)
        except OSError:
            await runner.cleanup()
            raise
        self._whep.hosts = acceptor.hosts if config.udp_host is None else (str(config.udp_host),)
        self._runner, self._acceptor = runner, acceptor

    async def close(self) -> None:
        """Stop listening and disconnect the viewers, within three seconds. May be called twice."""
        runner, self._runner = self._runner, None
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.close()
        await self._whep.close()
        if runner is not None:
            await runner.cleanup()

    def viewers(self, name: str) -> int:
        """The number of WebRTC viewers of a stream. Thread-safe."""
        return self._whep.viewers(name)

    def drops(self, name: str) -> dict[str, int]:
        """Losses since the start: packets by lagging `webrtc` viewers, pictures by a lagging `vp8` encoder."""
        return self._whep.drops(name)

    def vp8_encodes(self, name: str) -> int:
        """Pictures also encoded as VP8, for viewers without H.264. Thread-safe."""
        return self._whep.vp8_encodes(name)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=_BODY, middlewares=[self._finish, self._guard])
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics_page),
                web.get("/api/streams", self._api_streams),
                web.get("/page/{file}", self._file),
                *self._whep.routes(),
                web.get("/{name}", self._index),
            ]
        )
        return application

    @web.middleware
    async def _finish(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Add headers to every response, errors included, and log the request without query, headers or session ID."""
        begun = time.monotonic()
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.text)
            for name in ("Allow", "Retry-After", "WWW-Authenticate"):
                if name in error.headers:
                    response.headers[name] = error.headers[name]
        except Exception as error:  # noqa: BLE001 - only its type is logged: its text may contain anything
            _log.error("a request failed: %s", type(error).__name__)
            response = web.Response(status=500, text="internal error")
        response.headers.update(_HEADERS)
        self._allow_origin(request, response)
        resource = request.match_info.route.resource
        _log.debug(
            "%s %s: %d in %.0f ms",
            request.method,
            resource.canonical if resource is not None else "(no such page)",
            response.status,
            (time.monotonic() - begun) * 1000,
        )
        return response

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests that are not allowed."""
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204)  # a CORS preflight, which carries no token
        given = request.headers
        asked = AccessRequest(
            path=request.path,
            host=given.get("Host"),
            authorization=given.get("Authorization"),
            cookies=given.get("Cookie"),
            agent=given.get("User-Agent"),
            address=request.remote or "",
        )
        verdict = self._access.check(asked, time.monotonic())
        if not isinstance(verdict, Admitted):
            return web.Response(status=verdict.status, text=verdict.text, headers=dict(verdict.headers))
        response = await handler(request)
        if verdict.cookie is not None:
            response.headers["Set-Cookie"] = verdict.cookie
        return response

    def _access_at(self, host: str) -> WebAccess:
        token = self._config.token
        return WebAccess(None if token is None else token.get_secret_value(), HostNames(self._config.hosts, host))

    def _allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add CORS headers. Without a token foreign origins get none: any page in a local browser could watch."""
        origin = request.headers.get("Origin")
        if origin is None or not request.path.startswith(("/whep/", "/api/")):
            return
        if self._config.token is not None or "*" in self._config.origins:
            origin = "*"
        elif origin not in self._config.origins:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers.update(_CORS)
        response.headers["Vary"] = "Origin"

    async def _index(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        if name is not None and name not in self._streams:
            raise web.HTTPNotFound(text="no such stream")
        return web.Response(body=self._files["index.html"], content_type="text/html", charset="utf-8")

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["file"]
        if name not in self._files:
            raise web.HTTPNotFound(text="no such file")
        return web.Response(body=self._files[name], content_type=_PAGE[name], charset="utf-8")

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        state = readiness(self._streams, time.monotonic())
        body = {"ready": state.ready, "silent": state.silent, "unrecorded": state.unrecorded}
        return web.json_response(body, status=200 if state.ready else 503)

    async def _metrics_page(self, _: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(self._metrics), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _api_streams(self, _: web.Request) -> web.Response:
        return web.json_response([self._described(name) for name in self._streams], dumps=_dumps)

    def _described(self, name: str) -> dict[str, object]:
        snapshot = self._streams[name].snapshot()
        described: dict[str, object] = asdict(snapshot)
        described["viewers"] = max(snapshot.viewers, self.viewers(name))
        described["mask_age"] = snapshot.mask_age if math.isfinite(snapshot.mask_age) else None
        described["drops"] = {**self.drops(name), **snapshot.drops}
        return described


def _check_udp(host: str) -> None:
    """Raises OSError if WebRTC could not open ports; otherwise only the first viewer would notice."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as tried:
            tried.bind((host, 0))
    except OSError as error:
        raise OSError(error.errno, f"no UDP ports on live.web.udp_host {host}: {error.strerror}") from error


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether the record is about a bug here: bad requests must neither flood the log nor be quoted in it."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_aiohttp_log.addFilter(_is_ours)


def _dumps(data: object) -> str:
    return json.dumps(data, allow_nan=False)
