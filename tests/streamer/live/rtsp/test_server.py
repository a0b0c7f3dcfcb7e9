from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpRrPacket, RtcpSrPacket, RtpPacket

from core.owned_thread import OwnedThread
from streamer.live.rtsp.connection import RtspLimits
from streamer.live.rtsp.server import RtspServer
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.settings.rtsp import RtspConfig
from tests.rigs.live.producing import Producer
from tests.rigs.live.rtsp_client import WAIT, Client, Serving, eventually, sequence, serving


@pytest.fixture(scope="module")
def producer() -> Iterator[Producer]:
    with Producer() as producer:
        yield producer


@pytest.fixture(scope="module")
def shared(producer: Producer) -> Iterator[Serving]:
    with serving(producer.output) as serving_:
        yield serving_


@pytest.fixture
def client(shared: Serving) -> Iterator[Client]:
    with Client(shared.server.port) as client:
        yield client


def rtp_info(headers: str) -> tuple[int, int]:
    fields = dict(part.split("=", 1) for part in headers.split(";"))
    return int(fields["seq"]), int(fields["rtptime"])


@pytest.mark.slow
def test_packets_begin_where_the_answer_says(client: Client) -> None:
    assert client.ask("DESCRIBE").headers["content-base"] == client.url("door/")
    transport = client.set_up("RTP/AVP/TCP;unicast;interleaved=6-7").headers["transport"]
    seq, rtptime = rtp_info(client.play().headers["rtp-info"])
    first, *_ = sequence(client, 60, seq)
    assert first.timestamp == rtptime and f"ssrc={first.ssrc:08X}" in transport
    assert first.payload[0] & 0x1F == 24 and first.payload[3] & 0x1F == 7  # an aggregate that begins with the SPS
    assert {channel for channel, _ in client.frames + client.reports} <= {6, 7} and client.reports


@pytest.mark.slow
def test_pause_and_play_again(client: Client, shared: Serving) -> None:
    client.set_up()
    client.play()
    sequence(client, 10)
    assert shared.viewers() == 1
    assert client.ask("PAUSE").status == 200
    assert shared.viewers() == 0
    client.frames.clear()
    assert client.ask("GET_PARAMETER").status == 200 and client.frames == []
    sequence(client, 30, rtp_info(client.play().headers["rtp-info"])[0])
    assert client.ask("TEARDOWN").status == 200
    assert shared.viewers() == 0
    client.frames.clear()
    assert client.ask("OPTIONS").status == 454 and client.frames == []


@pytest.mark.slow
def test_reports_come_with_the_first_picture_and_then_every_few_seconds(client: Client) -> None:
    client.set_up()
    client.play()
    deadline = time.monotonic() + WAIT
    while len(client.reports) < 3 and time.monotonic() < deadline:
        client.packet()
    reports = [RtcpPacket.parse(data)[0] for _, data in client.reports]
    assert isinstance(reports[0], RtcpSrPacket) and isinstance(reports[-1], RtcpSrPacket)
    first, last = reports[0].sender_info, reports[-1].sender_info
    seconds = (last.ntp_timestamp - first.ntp_timestamp) / 2**32
    assert len(reports) == 3 and abs(last.ntp_timestamp / 2**32 - 2_208_988_800 - time.time()) < 2
    assert seconds >= 2.5 and (last.rtp_timestamp - first.rtp_timestamp) % 2**32 == pytest.approx(
        seconds * 90_000, abs=9000
    )


@pytest.mark.slow
def test_two_clients_get_the_same_packets(shared: Serving) -> None:
    with Client(shared.server.port) as one, Client(shared.server.port) as two:
        for client in (one, two):
            client.set_up()
            client.play()
        assert shared.viewers() == 2
        ones = {packet.sequence_number: packet.serialize() for packet in sequence(one, 60)}
        twos = {packet.sequence_number: packet.serialize() for packet in sequence(two, 30)}
        common = ones.keys() & twos.keys()
        assert len(common) > 10 and all(ones[number] == twos[number] for number in common)
    eventually(lambda: shared.viewers() == 0)


HOSTILE = {
    "huge header": b"OPTIONS * RTSP/1.0\r\nX: " + b"y" * 10_000 + b"\r\n\r\n",
    "no line end": b"x" * 10_000,
    "negative length": b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n",
    "huge length": b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4294967295\r\n\r\n",
    "no CSeq": b"DESCRIBE rtsp://h/door RTSP/1.0\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\r\n\r\n",
    "HTTP": b"GET /door HTTP/1.0\r\nHost: h\r\n\r\n",
    "nul": b"OPTIONS \0 RTSP/1.0\r\nCSeq: 1\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nonsense_gets_an_error_and_is_disconnected(client: Client, name: str) -> None:
    client.socket.sendall(HOSTILE[name])
    assert client.answer().status in (400, 413) and client.is_closed()


def test_a_wrong_but_well_formed_request_leaves_the_connection_open(client: Client) -> None:
    assert client.ask("SETUP", "door/trackID=0").status == 400
    assert client.ask("PLAY").status == 455
    assert client.ask("PLAY", Session="0").status == 454
    assert client.ask("SETUP", "door/trackID=0", Transport="RTP/AVP;multicast;client_port=5000-5001").status == 461
    elsewhere = "RTP/AVP;unicast;client_port=5000-5001;destination=192.0.2.1"
    assert client.ask("SETUP", "door/trackID=0", Transport=elsewhere).status == 461
    assert client.ask("DESCRIBE", "%00%ff%2e%2e/%0d%0aX:%20y").status == 404
    assert client.ask("ANNOUNCE", body=b"v=0").status == 405
    assert client.ask("DESCRIBE", "d%6For?token=x").status == 200
    client.socket.sendall(b"$\xff\0\4abcd" + b"$\0\0\0" + b"\r\n" * 10)
    assert client.ask("OPTIONS").status == 200


@pytest.mark.slow
def test_udp_goes_to_the_client_alone_and_reports_keep_it_alive(producer: Producer) -> None:
    with (
        serving(producer.output, config=RtspConfig(session_timeout=2)) as one,
        Client(one.server.port) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp,
    ):
        for udp in (rtp, rtcp):
            udp.bind(("127.0.0.1", 0))
            udp.settimeout(WAIT)
        ports = f"{rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"
        way = client.set_up(f"RTP/AVP;unicast;client_port={ports}").headers["transport"]
        server_rtp, server_rtcp = map(int, way.split("server_port=")[1].split(";")[0].split("-"))
        assert server_rtp % 2 == 0 and server_rtcp == server_rtp + 1
        seq, _ = rtp_info(client.play().headers["rtp-info"])
        data, source = rtp.recvfrom(2000)
        assert RtpPacket.parse(data).sequence_number == seq and source == ("127.0.0.1", server_rtp)
        data, source = rtcp.recvfrom(2000)
        assert isinstance(RtcpPacket.parse(data)[0], RtcpSrPacket) and source[1] == server_rtcp
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            rtcp.sendto(bytes(RtcpRrPacket(1)), ("127.0.0.1", server_rtcp))
            rtp.recvfrom(2000)
        assert one.viewers() == 1
        eventually(lambda: one.viewers() == 0)  # and without reports it ends
        rtp.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                rtp.recvfrom(2000)
        assert client.is_closed()


@pytest.mark.slow
def test_a_client_that_stops_reading_loses_its_own_packets() -> None:
    limits = RtspLimits(stall=3.0)
    with (
        Producer(width=1280, height=720, period=25) as busy,
        serving(busy.output, limits=limits) as one,
        Client(one.server.port, receive_buffer=4096) as stalled,
        Client(one.server.port) as reader,
    ):
        for client in (stalled, reader):
            client.set_up()
            client.play()
        name = f"127.0.0.1:{stalled.local_port}"
        reading = threading.Event()
        reading.set()

        def read() -> None:
            first: int | None = None
            while reading.is_set():
                last = sequence(reader, 20, first)[-1]
                first = (last.sequence_number + 1) % 2**16

        thread = OwnedThread("veilcast-test-reader", read)
        thread.start()
        try:
            eventually(lambda: one.drops().get(name, 0) > 0)
            eventually(lambda: one.viewers() == 1)  # it has been disconnected
            assert one.drops().keys() == {"departed"}
        finally:
            reading.clear()
            thread.close(WAIT)
        assert thread.error is None and stalled.is_closed()


@pytest.mark.slow
def test_a_client_that_reads_again_resumes_at_a_key_frame() -> None:
    with (
        Producer(width=1280, height=720, period=25) as busy,
        serving(busy.output) as one,
        Client(one.server.port, receive_buffer=4096) as client,
    ):
        client.set_up()
        client.play()
        eventually(lambda: sum(one.drops().values()) > 0)
        packet = client.packet()
        while (following := client.packet()).sequence_number == (packet.sequence_number + 1) % 2**16:
            packet = following
        assert packet.marker  # whole pictures only were left out
        assert following.payload[0] & 0x1F == 24 and following.payload[3] & 0x1F == 7


@pytest.mark.slow
def test_before_the_first_packet() -> None:
    output = StreamOutput("door", lambda: Snapshot("door"))
    with serving(output, limits=RtspLimits(first_packet=0.5)) as one:
        with Client(one.server.port) as client, Client(one.server.port) as other:
            assert client.ask("DESCRIBE").status == 503
            client.set_up()
            assert client.play().headers["rtp-info"].endswith("trackID=0")
            assert other.ask("OPTIONS").status == 200
        output.close()


def test_the_description_waits_for_the_first_packet() -> None:
    producer = Producer()
    with serving(producer.output) as one, Client(one.server.port) as client, Client(one.server.port) as other:
        waiting = OwnedThread("veilcast-test-describe", lambda: check(client.ask("DESCRIBE").status == 200))
        waiting.start()
        assert other.ask("OPTIONS").status == 200 and waiting.alive
        with producer:
            eventually(lambda: not waiting.alive)
    assert waiting.close() and waiting.error is None


def check(fact: bool) -> None:
    assert fact


def test_the_end_of_the_stream_is_signalled() -> None:
    producer = Producer()
    with serving(producer.output) as one, Client(one.server.port) as client:
        with producer:
            client.set_up()
            client.play()
            sequence(client, 5)
        with pytest.raises(EOFError):
            while True:
                client.packet()
        assert isinstance(RtcpPacket.parse(client.reports[-1][1])[-1], RtcpByePacket)
        assert one.viewers() == 0


def test_closing_with_clients(producer: Producer) -> None:
    with serving(producer.output) as one:
        clients = [Client(one.server.port) for _ in range(4)]
        for client in clients[1:]:
            client.set_up()
        for client in clients[2:]:
            client.play()
        begun = time.monotonic()
        one.loop.run(one.server.close(), 2.0)
        assert time.monotonic() - begun < 2
        assert all(client.is_closed() for client in clients)
        assert one.viewers() == 0
        with pytest.raises(ConnectionRefusedError):
            Client(clients[0].port)


def test_nobody_watching_costs_nothing(producer: Producer) -> None:
    with serving(producer.output) as one:
        before = len(producer.output.packets)
        with Client(one.server.port) as client:
            client.set_up()
            client.play()
            assert len(producer.output.packets) == before + 1
        eventually(lambda: len(producer.output.packets) == before)


def test_an_address_that_is_taken(shared: Serving) -> None:
    async def start() -> None:
        server = RtspServer({}, RtspConfig())
        with pytest.raises(OSError) as caught:
            await server.start("127.0.0.1", shared.server.port)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(RuntimeError):
            _ = server.port
        await server.close()

    asyncio.run(start())


@pytest.mark.parametrize("values", [{"user": "me"}, {"password": "x"}, {"user": "a:b", "password": "x"}])
def test_invalid_settings(values: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        RtspConfig.model_validate(values)


def test_nothing_secret_is_logged(producer: Producer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    config = RtspConfig.model_validate({"user": "me", "password": "hunter2"})
    with serving(producer.output, config=config) as one, Client(one.server.port) as client:
        for _ in range(5):
            answer = client.ask("DESCRIBE", "door?token=hunter2", Authorization="Basic aHVudGVyMg==")
            assert answer.status == 401
        assert client.is_closed()
        with Client(one.server.port) as other:
            other.socket.sendall(b"DESCRIBE rtsp://me:hunter2@h/door HTTP\r\n\r\n")
            assert other.is_closed()
    assert "wrong credentials" in caplog.text and "does not speak RTSP" in caplog.text
    assert "hunter2" not in caplog.text and "aHVudGVyMg" not in caplog.text and "hunter2" not in repr(config)
