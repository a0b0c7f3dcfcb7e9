"""The HTTP guard over real sockets, in front of a protocol that is not uvicorn's: it must not depend on the server."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Coroutine

import pytest

from streamer.guard.acceptor import Acceptor, ClientConnection
from streamer.guard.connection_caps import Caps
from streamer.guard.http_connection import REFUSAL, HttpConnection
from streamer.guard.http_pace import PaceLimits

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LIMITS = PaceLimits(head=1.0, answer=1.0, pace=1000, idle=1.5, stall=1.0)


class Simple(asyncio.Protocol):
    """Answers anything that ends in a blank line."""

    answer = ANSWER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.data.endswith(b"\r\n\r\n"):
            self.transport.writelines([self.answer[:5], self.answer[5:]])
            self.data = b""


class Huge(Simple):
    answer = bytes(20_000_000)


def run(
    test: Callable[[Acceptor], Coroutine[None, None, None]], caps: Caps, inner: type[asyncio.Protocol] = Simple
) -> None:
    async def main() -> None:
        acceptor = Acceptor("test", lambda: HttpConnection(inner(), LIMITS), caps, REFUSAL)
        await acceptor.listen("127.0.0.1", 0)
        try:
            await asyncio.wait_for(test(acceptor), 30)
        finally:
            acceptor.close()
            acceptor.close()

    asyncio.run(main())


async def connect(acceptor: Acceptor, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", acceptor.port, local_addr=(source, 0))


async def ask(acceptor: Acceptor, source: str = "127.0.0.1") -> bytes:
    reader, writer = await connect(acceptor, source)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    try:
        return await reader.read(1000)
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


async def seconds_until_closed(reader: asyncio.StreamReader) -> float:
    begun = time.monotonic()
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"])
def test_an_incomplete_request_times_out(sent: bytes) -> None:
    async def test(acceptor: Acceptor) -> None:
        reader, writer = await connect(acceptor)
        writer.write(sent)
        assert 0.5 < await seconds_until_closed(reader) < 4
        assert len(acceptor) == 0

    run(test, Caps(10, 10))


@pytest.mark.slow
def test_a_connection_may_be_reused_but_not_kept_forever() -> None:
    async def test(acceptor: Acceptor) -> None:
        reader, writer = await connect(acceptor)
        for _ in range(4):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            await asyncio.sleep(0.5)
        assert 0.5 < await seconds_until_closed(reader) < 5

    run(test, Caps(10, 10))


@pytest.mark.slow
def test_a_response_that_nobody_reads_times_out() -> None:
    async def test(acceptor: Acceptor) -> None:
        _, writer = await connect(acceptor)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.2)
        assert len(acceptor) == 1
        for _ in range(60):
            await asyncio.sleep(0.1)
            if not len(acceptor):
                return
        pytest.fail("it is still there")

    run(test, Caps(10, 10), Huge)


class Upgrading(Simple):
    """Switches to another protocol, as for a WebSocket."""

    def data_received(self, data: bytes) -> None:
        other = Simple()
        other.connection_made(self.transport)
        self.transport.set_protocol(other)
        assert self.transport.get_protocol() is other
        other.data_received(data)


@pytest.mark.slow
def test_the_timeouts_also_apply_after_a_protocol_switch() -> None:
    async def test(acceptor: Acceptor) -> None:
        reader, writer = await connect(acceptor)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.readexactly(len(ANSWER)) == ANSWER
        assert 0.5 < await seconds_until_closed(reader) < 5

    run(test, Caps(10, 10), Upgrading)


def test_half_requests_from_one_address_keep_nobody_out() -> None:
    async def test(acceptor: Acceptor) -> None:
        evil = [await connect(acceptor) for _ in range(60)]
        for _, writer in evil:
            writer.write(b"GET / HT")
        await asyncio.sleep(0.1)
        assert len(acceptor) == 8
        assert await ask(acceptor, "127.0.0.2") == ANSWER
        assert await ask(acceptor) == ANSWER
        more = [await connect(acceptor, f"127.0.1.{number}") for number in range(1, 60)]
        await asyncio.sleep(0.1)
        assert len(acceptor) == 16
        assert await ask(acceptor, "127.0.0.2") == ANSWER
        for _, writer in evil + more:
            writer.close()

    run(test, Caps(16, 8))


def test_a_newcomer_is_refused_if_nobody_can_be_evicted() -> None:
    class Busy(ClientConnection):
        @property
        def idle_since(self) -> float | None:
            return None

    async def main() -> None:
        acceptor = Acceptor("test", lambda: Busy(Simple()), Caps(4, 2), REFUSAL)
        await acceptor.listen("127.0.0.1", 0)
        kept = [await connect(acceptor) for _ in range(2)]
        assert await ask(acceptor) == REFUSAL
        assert await ask(acceptor, "127.0.0.2") == ANSWER
        kept[0][1].close()
        await asyncio.sleep(0.1)
        assert await ask(acceptor) == ANSWER
        acceptor.close()

    asyncio.run(main())


class Exhausted(socket.socket):
    """A listening socket of a process that has run out of descriptors while `exhausted` is true."""

    exhausted = True
    asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        Exhausted.asked += 1
        if Exhausted.exhausted:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.mark.slow
def test_without_descriptors_it_waits_instead_of_spinning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(acceptor: Acceptor) -> None:
        asking = asyncio.create_task(ask(acceptor))
        processor = time.process_time()
        await asyncio.sleep(2)
        assert 2 <= Exhausted.asked <= 6  # it was 15,000 a second
        assert time.process_time() - processor < 0.5
        Exhausted.exhausted = False
        assert await asking == ANSWER

    monkeypatch.setattr(socket, "socket", Exhausted)
    run(test, Caps(10, 10))
    assert [record.getMessage() for record in caplog.records] == [
        "test: cannot accept connections for now: Too many open files"
    ]


def test_an_address_that_is_taken_or_invalid() -> None:
    async def test(acceptor: Acceptor) -> None:
        second = Acceptor("second", lambda: ClientConnection(Simple()), Caps(1, 1), b"")
        with pytest.raises(OSError) as caught:
            await second.listen("127.0.0.1", acceptor.port)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(RuntimeError):
            _ = second.port
        with pytest.raises(OSError):
            await second.listen("no.such.host.invalid", 0)

    run(test, Caps(1, 1))


def test_a_name_may_have_several_addresses() -> None:
    async def main() -> None:
        acceptor = Acceptor("test", lambda: ClientConnection(Simple()), Caps(4, 4), REFUSAL)
        await acceptor.listen("localhost", 0)
        assert set(acceptor.hosts) <= {"127.0.0.1", "::1"} and acceptor.hosts
        for host in acceptor.hosts:
            _, writer = await asyncio.open_connection(host, acceptor.port)
            writer.close()
        acceptor.close()

    asyncio.run(main())


def test_small_pieces_are_sent_at_once() -> None:
    """Otherwise the second piece of an answer waits for the client's system to confirm the first: 40 ms."""
    set_to: list[int] = []

    class Looks(Simple):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            set_to.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def test(acceptor: Acceptor) -> None:
        await ask(acceptor)

    run(test, Caps(8, 8), Looks)
    assert set_to and all(set_to)
