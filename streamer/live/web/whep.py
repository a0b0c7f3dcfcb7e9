"""WHEP, the WebRTC-HTTP Egress Protocol (draft-ietf-wish-whep, modelled on RFC 9725): streams to WebRTC viewers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Coroutine, Mapping

from aiortc import RTCIceServer
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import PlainTextResponse, Response

from streamer.guard.connection_caps import Caps, FullError, Slot, client_key, pick_eviction
from streamer.live.stream_output import StreamOutput
from streamer.live.web.ice_addresses import UdpHosts
from streamer.live.web.viewer import WebViewer
from streamer.live.web.vp8 import SharedVp8
from streamer.live.web.whep_sdp import OfferError, SdpError, parse_fragment
from streamer.settings.web import WebConfig

_log = logging.getLogger("veilcast.whep")

SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
_CLOSE_TIME = 2.5  # seconds to close all viewers
_RETRY = "5"  # seconds
_PENDING = Caps(24, 12)  # sessions not connected yet, in total and per client address


class Whep:
    """All WHEP sessions. Use it from the event loop only, except for `viewers`, `drops` and `vp8_encodes`."""

    def __init__(self, streams: Mapping[str, StreamOutput], config: WebConfig) -> None:
        self._streams = streams
        self._limit = config.max_viewers
        self._servers = ice_servers(config)
        self._links = ice_links(config)
        self.hosts: tuple[str, ...] = ("0.0.0.0",)
        """Addresses to open UDP ports on."""
        # Keyed by a hash of the ID, so that the time a failed lookup takes reveals nothing about valid IDs.
        self._viewers: dict[bytes, WebViewer] = {}
        self._vp8 = {name: SharedVp8(output, _vp8_failed) for name, output in streams.items()}
        self._lost = dict.fromkeys(streams, 0)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def add_to(self, router: APIRouter) -> None:
        """Add the routes of endpoint and sessions. The caller is responsible for checking the token."""
        endpoint, session = "/whep/{name}", "/whep/{name}/{id}"
        router.add_api_route(endpoint, self._post, methods=["POST"])
        router.add_api_route(endpoint, self._options, methods=["OPTIONS"])
        router.add_api_route(session, self._patch, methods=["PATCH"])
        router.add_api_route(session, self._delete, methods=["DELETE"])
        router.add_api_route(session, self._options, methods=["OPTIONS"])

    def viewers(self, name: str) -> int:
        """The number of connected viewers of a stream. Thread-safe."""
        return sum(viewer.connected for viewer in list(self._viewers.values()) if viewer.stream == name)

    def drops(self, name: str) -> dict[str, int]:
        """A stream's packets lost by lagging viewers, and pictures skipped by the VP8 encoder. Thread-safe."""
        lost = sum(viewer.dropped for viewer in list(self._viewers.values()) if viewer.stream == name)
        return {"webrtc": self._lost[name] + lost, "vp8": self._vp8[name].dropped}

    def vp8_encodes(self, name: str) -> int:
        """How many pictures of a stream were encoded as VP8. Thread-safe."""
        return self._vp8[name].encoded

    async def close(self) -> None:
        """End all sessions, within three seconds."""
        self._closing = True
        for viewer in list(self._viewers.values()):
            self._ended(viewer)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_CLOSE_TIME)

    async def _post(self, name: str, request: Request) -> Response:
        output = self._stream(name)
        _expect(request, SDP)
        offer = await _text(request)
        client = client_key(request.client.host if request.client else "")
        self._make_room(client)
        hosts = UdpHosts(self.hosts, _reached(request))
        viewer = WebViewer(output, self._vp8[output.name], self._servers, hosts, client, self._ended)
        self._viewers[_hashed(viewer.id)] = viewer
        try:
            answer = await viewer.answer(offer)
        except BaseException as error:
            if isinstance(error, OfferError) and _hashed(viewer.id) not in self._viewers:
                raise _busy() from error  # it was evicted while its offer was being answered
            self._ended(viewer)
            if isinstance(error, SdpError):
                raise HTTPException(400, str(error)) from error
            if isinstance(error, OfferError):
                raise HTTPException(422, str(error)) from error
            raise
        if _hashed(viewer.id) not in self._viewers:
            raise _busy()
        if "a=candidate:" not in answer:
            self._ended(viewer)
            _log.warning("%s: no UDP port could be opened for a viewer on %s", output.name, ", ".join(self.hosts))
            raise _busy()
        location = f"{request.scope['raw_path'].decode()}/{viewer.id}"
        headers = {"Location": location, "ETag": viewer.etag, "Accept-Patch": FRAGMENT}
        return self._with_links(Response(answer, 201, headers, SDP))

    async def _patch(self, name: str, id: str, request: Request) -> Response:
        viewer = self._viewer(name, id)
        _expect(request, FRAGMENT)
        match = request.headers.get("If-Match", "*")
        if match != "*" and viewer.etag not in [tag.strip() for tag in match.split(",")]:
            raise HTTPException(412, "that ICE session has ended")
        try:
            await viewer.trickle(parse_fragment(await _text(request)))
        except SdpError as error:
            raise HTTPException(400, str(error)) from error
        except OfferError as error:
            raise HTTPException(422, str(error)) from error
        return Response(status_code=204)

    async def _delete(self, name: str, id: str) -> Response:
        self._ended(self._viewer(name, id))
        return PlainTextResponse("")

    async def _options(self, name: str) -> Response:
        self._stream(name)
        return self._with_links(Response(None, 204, {"Accept-Post": SDP, "Accept-Patch": FRAGMENT}))

    def _with_links(self, response: Response) -> Response:
        for link in self._links:
            response.headers.append("Link", link)
        return response

    def _stream(self, name: str) -> StreamOutput:
        output = self._streams.get(name)
        if output is None:
            raise HTTPException(404, "no such stream")
        return output

    def _viewer(self, name: str, ident: str) -> WebViewer:
        viewer = self._viewers.get(_hashed(ident))
        if viewer is None or viewer.stream != name:
            raise HTTPException(404, "no such session")
        return viewer

    def _make_room(self, client: str) -> None:
        """Evict the oldest session that never connected if there are too many. Raises HTTPException if none can go."""
        if self._closing:
            raise _busy()
        for caps in (_PENDING, Caps(self._limit, self._limit)):
            viewers = [viewer for viewer in self._viewers.values() if caps is not _PENDING or not viewer.connected]
            slots = [Slot(each, each.client, None if each.connected else each.since) for each in viewers]
            try:
                evicted = pick_eviction(slots, client, caps)
            except FullError:
                raise _busy() from None
            if evicted is not None:
                self._ended(evicted)

    def _ended(self, viewer: WebViewer) -> None:
        if self._viewers.pop(_hashed(viewer.id), None) is not None:
            self._lost[viewer.stream] += viewer.dropped
            self._spawn(viewer.close())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def ice_servers(config: WebConfig) -> list[RTCIceServer]:
    """The configured STUN and TURN servers, for aiortc."""
    stun = [RTCIceServer(url) for url in config.stun]
    turn = [RTCIceServer(relay.url, relay.user, relay.password.get_secret_value()) for relay in config.turn]
    return stun + turn


def ice_links(config: WebConfig) -> list[str]:
    """The configured servers for the viewer, as values of `Link` headers (RFC 9725, 4.6)."""
    stun = [f'<{url}>; rel="ice-server"' for url in config.stun]
    turn = [
        f'<{relay.url}>; rel="ice-server"; username={_quoted(relay.user)}; '
        f'credential={_quoted(relay.password.get_secret_value())}; credential-type="password"'
        for relay in config.turn
    ]
    return stun + turn


def _busy() -> HTTPException:
    return HTTPException(503, "too many viewers", {"Retry-After": _RETRY})


def _reached(request: Request) -> str:
    """The local address that received the request."""
    name: tuple[str, int] | None = request.scope["server"]
    return name[0] if name else ""


def _hashed(ident: str) -> bytes:
    return hashlib.sha256(ident.encode("utf-8", "surrogateescape")).digest()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _expect(request: Request, content_type: str) -> None:
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != content_type:
        raise HTTPException(415, f"the content type must be {content_type}")


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HTTPException(400, "not UTF-8") from error


def _vp8_failed(error: BaseException) -> None:
    _log.error("the VP8 encoder failed: %s", error)
