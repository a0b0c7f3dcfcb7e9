"""One playing client: how its packets are sent, and which ones are dropped when it lags."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from aiortc.rtp import is_rtcp

from streamer.live.rtsp.message import Interleaved
from streamer.live.rtsp.rtp import Burst
from streamer.live.rtsp.session import Start

_BLOCKED: Final = 2**40
"""Buffered bytes reported for a UDP port while its socket buffer is full."""


class Lag:
    """Decides which pictures a client gets: none before a key frame, and none while it has fallen behind."""

    def __init__(self) -> None:
        self.dropped = 0
        """Packets lost since the client's first picture."""
        self._begun = False
        self._behind = False
        self._waits = True
        self._drained = 0
        self._progress: float | None = None

    def admit(self, keyframe: bool, packets: int, buffered: int, bound: int) -> bool:
        """Whether to send a picture of `packets` packets while `buffered` bytes are unsent, of `bound` allowed."""
        if self._behind:
            self._behind = buffered > bound // 8
        elif buffered > bound:
            self._behind = self._waits = True
        if self._behind or (self._waits and not keyframe):
            self.dropped += packets if self._begun else 0
            return False
        self._begun, self._waits = True, False
        return True

    def restart(self) -> None:
        """A new PLAY: wait for a key frame again, without counting that as loss."""
        self._begun, self._waits = False, True

    @property
    def wants_key(self) -> bool:
        """Whether the client only waits for a key frame."""
        return self._waits and not self._behind

    def stalled_for(self, written: int, buffered: int, now: float) -> float:
        """Seconds without progress, given the bytes written so far and those still buffered."""
        if self._progress is None or not buffered or written - buffered > self._drained:
            self._drained, self._progress = written - buffered, now
        return now - self._progress


class Wire(Protocol):
    """Sends to one client without blocking; `written` counts bytes accepted, `buffered` bytes not sent yet."""

    written: int

    @property
    def buffered(self) -> int:
        """Bytes not sent yet."""

    def send(self, burst: Burst) -> None:
        """Send the packets of a picture."""

    def control(self, data: bytes) -> None:
        """Send an RTCP packet."""

    def close(self) -> None:
        """Stop sending."""


class TcpWire:
    """Sends interleaved frames on the client's RTSP connection, which stays open when this is closed."""

    def __init__(self, transport: asyncio.WriteTransport, channels: tuple[int, int]) -> None:
        self.written = 0
        self._transport, self._channels = transport, channels

    @property
    def buffered(self) -> int:
        """Bytes not sent yet, including responses to requests."""
        return self._transport.get_write_buffer_size()

    def send(self, burst: Burst) -> None:
        """Send the packets of a picture in one write."""
        self._write(burst.interleaved(self._channels[0]))

    def control(self, data: bytes) -> None:
        """Send an RTCP packet."""
        self._write(bytes(Interleaved(self._channels[1], data)))

    def close(self) -> None:
        """Do nothing: the connection stays open."""

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
            self.written += len(data)


class UdpPort(asyncio.DatagramProtocol):
    """One of the server's two UDP ports for a client; calls `received` for every RTCP packet from `peer`."""

    def __init__(self, peer: str, received: Callable[[], None]) -> None:
        self.blocked = False
        self._peer, self._received = peer, received

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        """Any receiver report is a sign of life."""
        if addr[0] == self._peer and is_rtcp(data):
            self._received()

    def error_received(self, exc: Exception) -> None:
        """The client's port is closed or unreachable: its session will end or time out."""

    def pause_writing(self) -> None:
        """The socket buffer is full."""
        self.blocked = True

    def resume_writing(self) -> None:
        """The socket buffer has room again."""
        self.blocked = False


class UdpWire:
    """A pair of UDP ports for one client: an even one for RTP, the next one for RTCP (RFC 3550, 11)."""

    def __init__(
        self, rtp: asyncio.DatagramTransport, rtcp: asyncio.DatagramTransport, peer: str, client_ports: tuple[int, int]
    ) -> None:
        self.written = 0
        self._rtp, self._rtcp = rtp, rtcp
        self._peer, self._client_ports = peer, client_ports

    @staticmethod
    async def open(host: str, peer: str, client_ports: tuple[int, int], received: Callable[[], None]) -> UdpWire:
        """Open a pair of ports on `host` for the client at `peer`. Raises OSError if no pair is free."""
        loop = asyncio.get_running_loop()
        error = OSError("no pair of UDP ports is free")
        for _ in range(32):
            first, _ = await loop.create_datagram_endpoint(lambda: UdpPort(peer, received), (host, 0))
            port = _port(first)
            try:
                other, _ = await loop.create_datagram_endpoint(lambda: UdpPort(peer, received), (host, port ^ 1))
            except OSError as refused:
                error = refused
                first.close()
                continue
            rtp, rtcp = (other, first) if port % 2 else (first, other)
            return UdpWire(rtp, rtcp, peer, client_ports)
        raise error

    @property
    def ports(self) -> tuple[int, int]:
        """The server's ports for RTP and RTCP."""
        return _port(self._rtp), _port(self._rtcp)

    @property
    def buffered(self) -> int:
        """0, or more than any bound while the socket buffer is full."""
        protocol = self._rtp.get_protocol()
        return _BLOCKED if isinstance(protocol, UdpPort) and protocol.blocked else 0

    def send(self, burst: Burst) -> None:
        """Send the packets of a picture."""
        if not self._rtp.is_closing():
            for packet in burst.packets:
                self._rtp.sendto(packet, (self._peer, self._client_ports[0]))
            self.written += burst.size

    def control(self, data: bytes) -> None:
        """Send an RTCP packet."""
        if not self._rtcp.is_closing():
            self._rtcp.sendto(data, (self._peer, self._client_ports[1]))

    def close(self) -> None:
        """Release the ports."""
        self._rtp.close()
        self._rtcp.close()


class RtspViewer:
    """A client that is set up to play. `hang_up(at_once)` closes its connection, at once or after sending the rest."""

    def __init__(self, name: str, wire: Wire, hang_up: Callable[[bool], None]) -> None:
        self.name, self.wire, self.hang_up = name, wire, hang_up
        self.lag = Lag()
        self.started: Callable[[Start], None] | None = None
        """Called once, before the first packet of a PLAY."""

    def offer(self, burst: Burst, bound: int, report: Callable[[], bytes | None]) -> bool:
        """Send the picture unless the client lags by more than `bound` bytes; the first one follows a sender report."""
        if not self.lag.admit(burst.keyframe, len(burst.packets), self.wire.buffered, bound):
            return False
        if self.started is not None:
            started, self.started = self.started, None
            started(Start(burst.seq, burst.timestamp))
            # With the report first, a client knows the wall-clock time of every picture.
            if (data := report()) is not None:
                self.wire.control(data)
        self.wire.send(burst)
        return True


def _port(transport: asyncio.BaseTransport) -> int:
    name: tuple[str, int] = transport.get_extra_info("sockname")
    return name[1]
