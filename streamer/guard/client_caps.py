"""Lowers client caps so that cameras and recorders always have enough file descriptors."""

from __future__ import annotations

import logging
import socket

from streamer.runtime.descriptors import ClientDemand, allocate, available
from streamer.settings.listen import parse_listen
from streamer.settings.live import LiveConfig

_log = logging.getLogger("veilcast.live")


def fit_descriptor_limit(live: LiveConfig, limit: int) -> LiveConfig:
    """`live` with client caps that fit into `limit` file descriptors; unchanged if they fit already."""
    rtsp, web = live.rtsp_access, live.web
    demands = {
        "RTSP clients": ClientDemand(rtsp.max_clients if live.rtsp else 0, 3),  # a connection and, over UDP, two ports
        "HTTP connections": ClientDemand(web.max_connections if live.webrtc else 0, 1),
        "WebRTC viewers": ClientDemand(web.max_viewers if live.webrtc else 0, _udp_ports(live) + len(web.turn)),
    }
    left = available(limit, len(live.streams))
    clients, connections, viewers = allocate(left, list(demands.values()))
    if sum(demand.clients * demand.cost for demand in demands.values()) <= left:
        return live
    fewer = ", ".join(f"{count} {name}" for name, count in zip(demands, (clients, connections, viewers), strict=True))
    _log.warning("the open file limit (ulimit -n) is %d, which allows at most %s at a time", limit, fewer)
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
    """UDP ports per WebRTC viewer: one per served address, which is about one per network interface."""
    if live.web.udp_host is not None or live.webrtc is None:
        return 1
    everywhere = parse_listen(live.webrtc).host in ("0.0.0.0", "::")
    return len(socket.if_nameindex()) + 1 if everywhere else 1
