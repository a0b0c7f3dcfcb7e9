"""How many resources clients of the RTSP server may use, and how long it waits for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from streamer.guard.connection_caps import Caps
from streamer.live.rtsp.connection import RtspLimits
from streamer.settings.rtsp import RtspConfig
from tests.rigs.live.producing import Producer
from tests.rigs.live.rtsp_client import Client, eventually, sequence, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def producer() -> Iterator[Producer]:
    with Producer() as producer:
        yield producer


def test_more_clients_than_allowed(producer: Producer) -> None:
    with serving(producer.output, limits=RtspLimits(clients=Caps(2, 2))) as one:
        with Client(one.server.port) as first, Client(one.server.port) as second:
            for client in (first, second):
                client.set_up()
                client.play()
            with Client(one.server.port) as third:
                assert third.answer().status == 503 and third.is_closed()
            assert one.viewers() == 2

        def admitted() -> bool:
            with Client(one.server.port) as again:
                try:
                    return again.ask("OPTIONS").status == 200
                except (EOFError, OSError, AssertionError, KeyError):
                    return False

        eventually(admitted)


def test_idle_clients_shut_nobody_out(producer: Producer) -> None:
    """Idle clients that filled all slots used to lock out everybody else, a minute at a time."""
    with serving(producer.output) as one, ExitStack() as stack:
        watcher = stack.enter_context(Client(one.server.port))
        watcher.set_up()
        watcher.play()
        idle = [stack.enter_context(Client(one.server.port)) for _ in range(80)]
        for client in idle[:40]:
            client.socket.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        for _ in range(20):
            with Client(one.server.port) as newcomer:
                newcomer.set_up()
                newcomer.play()
                sequence(newcomer, 5)
        sequence(watcher, 50)


def test_a_client_that_never_plays_is_disconnected(producer: Producer) -> None:
    with (
        serving(producer.output, limits=RtspLimits(until_play=1.0)) as one,
        Client(one.server.port) as asking,
        Client(one.server.port) as ready,
        Client(one.server.port) as playing,
        Client(one.server.port) as paused,
    ):
        ready.set_up()
        for client in (playing, paused):
            client.set_up()
            client.play()
        assert paused.ask("PAUSE").status == 200
        begun = time.monotonic()
        with pytest.raises((EOFError, OSError)):
            while time.monotonic() - begun < 5:
                assert asking.ask("OPTIONS").status == 200  # asking for this and that is no life
                time.sleep(0.1)
        assert ready.is_closed() and time.monotonic() - begun < 5
        assert paused.play().status == 200
        sequence(playing, 10)


def test_addresses_are_counted_apart(producer: Producer) -> None:
    with serving(producer.output, limits=RtspLimits(clients=Caps(10, 2))) as one, ExitStack() as stack:
        for source in ("127.0.0.1", "127.0.0.2"):
            for _ in range(2):
                client = stack.enter_context(Client(one.server.port, source=source))
                client.set_up()
                client.play()
            third = stack.enter_context(Client(one.server.port, source=source))
            assert third.answer().status == 503 and third.is_closed()
        assert one.viewers() == 4


def test_clients_that_keep_the_server_waiting(producer: Producer) -> None:
    with (
        serving(producer.output, limits=RtspLimits(request=0.5), config=RtspConfig(session_timeout=2)) as one,
        Client(one.server.port) as mute,
        Client(one.server.port) as slow,
        Client(one.server.port) as idle,
    ):
        assert idle.ask("OPTIONS").status == 200
        begun = time.monotonic()
        slow.socket.sendall(b"OPTIONS")
        assert slow.answer().status == 408 and slow.is_closed()
        assert mute.is_closed() and time.monotonic() - begun < 5
        assert idle.is_closed() and time.monotonic() - begun > 1


def test_a_paused_session_times_out(producer: Producer) -> None:
    with serving(producer.output, config=RtspConfig(session_timeout=1)) as one, Client(one.server.port) as client:
        client.set_up()
        assert client.is_closed()
