"""WHEP, WebRTC-HTTP egress (draft-ietf-wish-whep, on the model of RFC 9725): an offer in, a masked stream out."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Coroutine, Mapping

from aiohttp import web
from aiortc import RTCIceServer

from streamer.live.guard.connection_caps import Caps, FullError, Place, make_room, party_of
from streamer.live.stream_output import StreamOutput
from streamer.live.web.ice_addresses import UdpHosts
from streamer.live.web.viewer import WebViewer
from streamer.live.web.vp8 import SharedVp8
from streamer.live.web.whep_sdp import OfferError, SdpError, parse_fragment
from streamer.settings.web import WebConfig

_log = logging.getLogger("veilcast.whep")

SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
_CLOSE_TIME = 2.5  # seconds for all viewers together
_RETRY = "5"  # seconds
_PENDING = Caps(24, 12)  # offers whose viewer has not come yet, in all and of one address


class Whep:
    """The sessions of all viewers of `streams`. To be used from the event loop, but for `viewers` and `drops`."""

    def __init__(self, streams: Mapping[str, StreamOutput], config: WebConfig) -> None:
        self._streams = streams
        self._limit = config.max_viewers
        self._servers = ice_servers(config)
        self._links = ice_links(config)
        self.hosts: tuple[str, ...] = ("0.0.0.0",)
        """Addresses that UDP ports are on."""
        # By the hash of its name, so that how long it takes to find none tells nothing of any.
        self._viewers: dict[bytes, WebViewer] = {}
        self._vp8 = {name: SharedVp8(output, _vp8_failed) for name, output in streams.items()}
        self._lost = dict.fromkeys(streams, 0)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def routes(self) -> list[web.RouteDef]:
        """Endpoint and sessions; whoever mounts them asks for the token."""
        endpoint, session = "/whep/{name}", "/whep/{name}/{id}"
        return [
            web.post(endpoint, self._post),
            web.options(endpoint, self._options),
            web.patch(session, self._patch),
            web.delete(session, self._delete),
            web.options(session, self._options),
        ]

    def viewers(self, name: str) -> int:
        """Viewers of that stream that are connected. For any thread."""
        return sum(viewer.connected for viewer in list(self._viewers.values()) if viewer.stream == name)

    def drops(self, name: str) -> dict[str, int]:
        """Packets of that stream lost by viewers that lagged, and pictures skipped by the VP8 encoder. Any thread."""
        lost = sum(viewer.dropped for viewer in list(self._viewers.values()) if viewer.stream == name)
        return {"webrtc": self._lost[name] + lost, "vp8": self._vp8[name].dropped}

    def vp8_encodes(self, name: str) -> int:
        """Pictures of that stream that were encoded as VP8. For any thread."""
        return self._vp8[name].encoded

    async def close(self) -> None:
        """End all sessions; within three seconds."""
        self._closing = True
        for viewer in list(self._viewers.values()):
            self._ended(viewer)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_CLOSE_TIME)

    async def _post(self, request: web.Request) -> web.Response:
        output = self._stream(request)
        _expect(request, SDP)
        offer = await _text(request)
        party = party_of(request.remote or "")
        self._make_room(party)
        hosts = UdpHosts(self.hosts, _reached(request))
        viewer = WebViewer(output, self._vp8[output.name], self._servers, hosts, party, self._ended)
        self._viewers[_hashed(viewer.id)] = viewer
        try:
            answer = await viewer.answer(offer)
        except BaseException as error:
            if isinstance(error, OfferError) and _hashed(viewer.id) not in self._viewers:
                raise _busy() from error  # it has had to give way while it was answered
            self._ended(viewer)
            if isinstance(error, SdpError):
                raise web.HTTPBadRequest(text=str(error)) from error
            if isinstance(error, OfferError):
                raise web.HTTPUnprocessableEntity(text=str(error)) from error
            raise
        if _hashed(viewer.id) not in self._viewers:
            raise _busy()
        if "a=candidate:" not in answer:
            self._ended(viewer)
            _log.warning("%s: no UDP port could be opened for a viewer on %s", output.name, ", ".join(self.hosts))
            raise _busy()
        location = request.rel_url.with_query(None) / viewer.id
        response = web.Response(status=201, text=answer, content_type=SDP)
        response.headers.update({"Location": str(location), "ETag": viewer.etag, "Accept-Patch": FRAGMENT})
        self._add_links(response)
        return response

    async def _patch(self, request: web.Request) -> web.Response:
        viewer = self._viewer(request)
        _expect(request, FRAGMENT)
        match = request.headers.get("If-Match", "*")
        if match != "*" and viewer.etag not in [tag.strip() for tag in match.split(",")]:
            raise web.HTTPPreconditionFailed(text="that ICE session is over")
        try:
            await viewer.trickle(parse_fragment(await _text(request)))
        except SdpError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        except OfferError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        self._ended(self._viewer(request))
        return web.Response()

    async def _options(self, request: web.Request) -> web.Response:
        self._stream(request)
        response = web.Response(status=204, headers={"Accept-Post": SDP, "Accept-Patch": FRAGMENT})
        self._add_links(response)
        return response

    def _add_links(self, response: web.Response) -> None:
        for link in self._links:
            response.headers.add("Link", link)

    def _stream(self, request: web.Request) -> StreamOutput:
        output = self._streams.get(request.match_info["name"])
        if output is None:
            raise web.HTTPNotFound(text="no such stream")
        return output

    def _viewer(self, request: web.Request) -> WebViewer:
        viewer = self._viewers.get(_hashed(request.match_info["id"]))
        if viewer is None or viewer.stream != request.match_info["name"]:
            raise web.HTTPNotFound(text="no such session")
        return viewer

    def _make_room(self, party: str) -> None:
        """Have the oldest offer that came to nothing give way, where there are too many. Raises HTTPException."""
        if self._closing:
            raise _busy()
        for caps in (_PENDING, Caps(self._limit, self._limit)):
            viewers = [viewer for viewer in self._viewers.values() if caps is not _PENDING or not viewer.connected]
            places = [Place(each, each.party, None if each.connected else each.since) for each in viewers]
            try:
                leaves = make_room(places, party, caps)
            except FullError:
                raise _busy() from None
            if leaves is not None:
                self._ended(leaves)

    def _ended(self, viewer: WebViewer) -> None:
        if self._viewers.pop(_hashed(viewer.id), None) is not None:
            self._lost[viewer.stream] += viewer.dropped
            self._spawn(viewer.close())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def ice_servers(config: WebConfig) -> list[RTCIceServer]:
    """What aiortc is to use: the configured servers and no others."""
    stun = [RTCIceServer(url) for url in config.stun]
    turn = [RTCIceServer(relay.url, relay.user, relay.password.get_secret_value()) for relay in config.turn]
    return stun + turn


def ice_links(config: WebConfig) -> list[str]:
    """The same for the viewer, as values of `Link` headers (RFC 9725, 4.6)."""
    stun = [f'<{url}>; rel="ice-server"' for url in config.stun]
    turn = [
        f'<{relay.url}>; rel="ice-server"; username={_quoted(relay.user)}; '
        f'credential={_quoted(relay.password.get_secret_value())}; credential-type="password"'
        for relay in config.turn
    ]
    return stun + turn


def _busy() -> web.HTTPException:
    return web.HTTPServiceUnavailable(text="too many viewers", headers={"Retry-After": _RETRY})


def _reached(request: web.Request) -> str:
    """The address of this machine that the request came in at."""
    name: tuple[str, int] | None = request.get_extra_info("sockname")
    return name[0] if name else ""


def _hashed(ident: str) -> bytes:
    return hashlib.sha256(ident.encode("utf-8", "surrogateescape")).digest()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _expect(request: web.Request, content_type: str) -> None:
    if request.content_type != content_type:
        raise web.HTTPUnsupportedMediaType(text=f"{content_type} is expected")


async def _text(request: web.Request) -> str:
    try:
        return (await request.read()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise web.HTTPBadRequest(text="not UTF-8") from error


def _vp8_failed(error: BaseException) -> None:
    _log.error("the VP8 encoder failed: %s", error)
