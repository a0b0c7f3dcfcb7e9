"""One playing client: the way its packets take, and what becomes of them when it does not keep up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from aiortc.rtp import is_rtcp

from streamer.live.rtsp.message import Interleaved
from streamer.live.rtsp.rtp import Burst
from streamer.live.rtsp.session import Start

_BLOCKED: Final = 2**40
"""Bytes that a UDP port counts as holding back while the system takes no more from it."""


class Lag:
    """Which pictures a client gets: none before a key frame, none between falling behind and having caught up."""

    def __init__(self) -> None:
        self.dropped = 0
        """Packets lost since the client's first picture."""
        self._begun = False
        self._behind = False
        self._waits = True
        self._drained = 0
        self._progress: float | None = None

    def admit(self, keyframe: bool, packets: int, buffered: int, bound: int) -> bool:
        """Whether a picture of so many packets is to be sent, with `buffered` of at most `bound` bytes still unsent."""
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
        """The next PLAY begins: nothing before a key frame again, and that is no loss."""
        self._begun, self._waits = False, True

    @property
    def wants_key(self) -> bool:
        """Whether a key frame is all that the client waits for."""
        return self._waits and not self._behind

    def standstill(self, written: int, buffered: int, now: float) -> float:
        """Seconds for which nothing has moved, with so many bytes handed over so far and so many still unsent."""
        if self._progress is None or not buffered or written - buffered > self._drained:
            self._drained, self._progress = written - buffered, now
        return now - self._progress


class Wire(Protocol):
    """A way to one client that never waits; `written` counts bytes handed over, `buffered` those unsent."""

    written: int

    @property
    def buffered(self) -> int:
        """Bytes not sent yet."""

    def send(self, burst: Burst) -> None:
        """The packets of a picture."""

    def control(self, data: bytes) -> None:
        """An RTCP packet."""

    def close(self) -> None:
        """No more of either."""


class TcpWire:
    """Frames between the messages of the client's own connection, which stays open when this is closed."""

    def __init__(self, transport: asyncio.WriteTransport, channels: tuple[int, int]) -> None:
        self.written = 0
        self._transport, self._channels = transport, channels

    @property
    def buffered(self) -> int:
        """Bytes not sent yet, answers to requests included."""
        return self._transport.get_write_buffer_size()

    def send(self, burst: Burst) -> None:
        """The packets of a picture, as one write."""
        self._write(burst.interleaved(self._channels[0]))

    def control(self, data: bytes) -> None:
        """An RTCP packet."""
        self._write(bytes(Interleaved(self._channels[1], data)))

    def close(self) -> None:
        """Nothing to be done."""

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
            self.written += len(data)


class UdpPort(asyncio.DatagramProtocol):
    """One of the server's two ports for a client; `received` is called for every RTCP packet from `peer`."""

    def __init__(self, peer: str, received: Callable[[], None]) -> None:
        self.blocked = False
        self._peer, self._received = peer, received

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        """A receiver report is a sign of life, whatever it says."""
        if addr[0] == self._peer and is_rtcp(data):
            self._received()

    def error_received(self, exc: Exception) -> None:
        """The client's port is closed or unreachable: its session will end or time out."""

    def pause_writing(self) -> None:
        """The system takes no more at present."""
        self.blocked = True

    def resume_writing(self) -> None:
        """It does again."""
        self.blocked = False


class UdpWire:
    """A pair of UDP ports for one client, an even one for RTP and the next for RTCP (RFC 3550, 11)."""

    def __init__(
        self, rtp: asyncio.DatagramTransport, rtcp: asyncio.DatagramTransport, peer: str, client_ports: tuple[int, int]
    ) -> None:
        self.written = 0
        self._rtp, self._rtcp = rtp, rtcp
        self._peer, self._client_ports = peer, client_ports

    @staticmethod
    async def open(host: str, peer: str, client_ports: tuple[int, int], received: Callable[[], None]) -> UdpWire:
        """Ports on the address `host` for the client at `peer`. Raises OSError when no pair is free."""
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
        """Nothing, or more than is ever allowed."""
        protocol = self._rtp.get_protocol()
        return _BLOCKED if isinstance(protocol, UdpPort) and protocol.blocked else 0

    def send(self, burst: Burst) -> None:
        """The packets of a picture."""
        if not self._rtp.is_closing():
            for packet in burst.packets:
                self._rtp.sendto(packet, (self._peer, self._client_ports[0]))
            self.written += burst.size

    def control(self, data: bytes) -> None:
        """An RTCP packet."""
        if not self._rtcp.is_closing():
            self._rtcp.sendto(data, (self._peer, self._client_ports[1]))

    def close(self) -> None:
        """Give the ports back."""
        self._rtp.close()
        self._rtcp.close()


class RtspViewer:
    """A client that is set up to play; `hang_up` closes its connection, at once or when all is sent."""

    def __init__(self, name: str, wire: Wire, hang_up: Callable[[bool], None]) -> None:
        self.name, self.wire, self.hang_up = name, wire, hang_up
        self.lag = Lag()
        self.started: Callable[[Start], None] | None = None
        """Called, once, before the first packet of a PLAY."""

    def offer(self, burst: Burst, bound: int, report: Callable[[], bytes | None]) -> bool:
        """Send the picture unless the client lags by more than `bound` bytes; the first one with a report."""
        if not self.lag.admit(burst.keyframe, len(burst.packets), self.wire.buffered, bound):
            return False
        if self.started is not None:
            started, self.started = self.started, None
            started(Start(burst.seq, burst.timestamp))
            # A client that has the report first can tell the time of every picture.
            if (data := report()) is not None:
                self.wire.control(data)
        self.wire.send(burst)
        return True


def _port(transport: asyncio.BaseTransport) -> int:
    name: tuple[str, int] = transport.get_extra_info("sockname")
    return name[1]
