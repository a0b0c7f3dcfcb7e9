"""Caps of clients, so that they leave cameras and recorders their file descriptors."""

from __future__ import annotations

import logging
import socket

from streamer.runtime.descriptors import Wish, available, share_out
from streamer.settings.listen import parse_listen
from streamer.settings.live import LiveConfig

_log = logging.getLogger("veilcast.live")


def within_limit(live: LiveConfig, limit: int) -> LiveConfig:
    """The same with fewer clients where a process with `limit` descriptors cannot have as many."""
    rtsp, web = live.rtsp_access, live.web
    wishes = {
        "RTSP clients": Wish(rtsp.max_clients if live.rtsp else 0, 3),  # a connection and, over UDP, two ports
        "HTTP connections": Wish(web.max_connections if live.webrtc else 0, 1),
        "WebRTC viewers": Wish(web.max_viewers if live.webrtc else 0, _udp_ports(live) + len(web.turn)),
    }
    left = available(limit, len(live.streams))
    clients, connections, viewers = share_out(left, list(wishes.values()))
    if sum(wish.clients * wish.cost for wish in wishes.values()) <= left:
        return live
    fewer = ", ".join(f"{count} {name}" for name, count in zip(wishes, (clients, connections, viewers), strict=True))
    _log.warning("the limit of open files (ulimit -n) is %d: no more than %s at a time", limit, fewer)
    rtsp_part = {
        "max_clients": clients,
        "max_clients_per_address": _of(rtsp.max_clients_per_address, clients, rtsp.max_clients),
    }
    web_part = {
        "max_viewers": viewers,
        "max_connections": connections,
        "max_connections_per_address": _of(web.max_connections_per_address, connections, web.max_connections),
    }
    return live.model_copy(
        update={"rtsp_access": rtsp.model_copy(update=rtsp_part), "web": web.model_copy(update=web_part)}
    )


def _of(per_address: int, now: int, before: int) -> int:
    return max(1, per_address * now // before)


def _udp_ports(live: LiveConfig) -> int:
    """Of one WebRTC viewer: one for every address that is served, which is about one for every network interface."""
    if live.web.udp_host is not None or live.webrtc is None:
        return 1
    everywhere = parse_listen(live.webrtc).host in ("0.0.0.0", "::")
    return len(socket.if_nameindex()) + 1 if everywhere else 1
