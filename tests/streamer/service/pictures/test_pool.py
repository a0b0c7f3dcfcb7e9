"""Pictures are masked by processes that may die of them: it costs that picture alone, and nothing outlives the pool."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import MaskConfig
from streamer.runtime.backoff import Backoff
from streamer.service.pictures import pool as room
from streamer.service.pictures.link import Answer
from streamer.service.pictures.pool import PicturePool, PictureRefusedError, PoolFullError
from streamer.service.pictures.worker import PictureProcess, ProcessLimits
from streamer.service.work.sandbox import landlock_version
from streamer.settings.file import Settings
from tests.rigs.service.odd_process import COMMAND
from tests.streamer.pictures.files import face_change, portrait

WAIT = 60.0
SETTINGS = Settings()
SHORT = ProcessLimits(seconds=2)


@asynccontextmanager
async def odd_pool(workers: int = 1, waiting: int = 4, seconds: float = 20.0) -> AsyncIterator[PicturePool]:
    pool = PicturePool(workers, waiting, limits=ProcessLimits(seconds=seconds), patience=WAIT, command=COMMAND)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def run(work: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), WAIT))


async def until(what: Callable[[], bool]) -> None:
    while not what():
        await asyncio.sleep(0.01)


async def reason(answer: Awaitable[object]) -> str:
    with pytest.raises(PictureRefusedError) as refused:
        await answer
    assert "\n" not in str(refused.value)
    return str(refused.value)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_picture_is_masked() -> None:
    out = io.BytesIO()
    portrait().save(out, "PNG")

    async def work() -> None:
        pool = PicturePool(1, 4)
        await pool.start()
        try:
            veiled = await pool.mask(out.getvalue(), SETTINGS)
            black = await pool.mask(out.getvalue(), Settings(mask=MaskConfig(style="solid")))
            unknown = await asyncio.gather(pool.mask(b"GIF", SETTINGS), return_exceptions=True)
        finally:
            await pool.close()
        for answer in (veiled, black):
            assert (answer.media_type, answer.faces, answer.whole) == ("image/png", 1, False)
            assert answer.sha256 == hashlib.sha256(answer.content).hexdigest()
            with Image.open(io.BytesIO(answer.content)) as image:
                assert face_change(portrait(), image) > 15
                assert (np.asarray(image)[61, 112].max() == 0) == (answer is black)
        assert isinstance(unknown[0], PictureRefusedError) and unknown[0].unsupported

    run(work)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"crash", "the picture cannot be masked: its process ended with signal 11"),
        (b"exit", "the picture cannot be masked: its process ended with code 3"),
        (b"hang", "the picture cannot be masked: took longer than 2 s"),
        (b"bomb", "the picture does not fit into memory"),
        (b"raise", "the picture cannot be masked (RuntimeError)"),
        (b"nonsense", "the picture cannot be masked: it talked nonsense"),
        (b"nest", "the picture cannot be masked: its process ended with signal 9"),
    ],
)
def test_it_dies_alone(content: bytes, said: str) -> None:
    async def work() -> None:
        async with odd_pool(workers=2, waiting=8, seconds=2) as pool:
            others = [asyncio.create_task(pool.mask(b"echo %d" % number, SETTINGS)) for number in range(4)]
            assert await reason(pool.mask(content, SETTINGS)) == said
            assert [(await answer).content for answer in others] == [b"echo %d" % number for number in range(4)]
            await until(lambda: pool.counts().processes == 2)  # replaced
            assert (await pool.mask(b"again", SETTINGS)).content == b"again"
            assert (pool.counts().masked, pool.counts().refused) == (5, 1)

    run(work)


def test_a_good_process_stays() -> None:
    async def work() -> None:
        async with odd_pool() as pool:
            assert await reason(pool.mask(b"refuse", SETTINGS)) == "the picture is\\nodd\\x1b[0m"
            before = pool.process_numbers
            for content in (b"print", bytes(3_000_000), b"x"):
                assert (await pool.mask(content, SETTINGS)).content == content
            assert pool.process_numbers == before and len(before) == 1

    run(work)


def test_a_process_is_replaced_in_good_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_TURNS", 2)

    async def work() -> None:
        async with odd_pool() as pool:
            used = set()
            for number in range(5):
                assert (await pool.mask(b"%d" % number, SETTINGS)).content == b"%d" % number
                used |= set(pool.process_numbers)
            assert len(used) >= 2 and pool.counts().lost == 0

    run(work)


def test_it_is_confined(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("somebody else's", "utf-8")

    async def work() -> None:
        async with odd_pool() as pool:
            said = (await pool.mask(f"escape {secret}".encode(), SETTINGS)).content.decode()
            allowed = {"read"} if landlock_version() < 1 else set()
            assert set(said.removeprefix("escaped:").split()) <= allowed

    run(work)
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_one_that_dies_idle_costs_no_picture() -> None:
    async def work() -> None:
        async with odd_pool() as pool:
            await until(lambda: pool.ready)
            os.kill(pool.process_numbers[0], signal.SIGKILL)
            await until(lambda: pool.counts().lost == 1)
            assert (await pool.mask(b"x", SETTINGS)).content == b"x"

    run(work)


def test_the_waiting_room_has_an_end() -> None:
    async def work() -> None:
        async with odd_pool(workers=1, waiting=2) as pool:
            first = [asyncio.create_task(pool.mask(b"slow", SETTINGS)) for _ in range(3)]
            await until(lambda: pool.counts().busy == 1)
            with pytest.raises(PoolFullError) as full:
                await pool.mask(b"x", SETTINGS)
            assert 1 <= full.value.retry_after <= 60
            first[1].cancel()  # whoever goes away gives up the place
            await until(lambda: pool.counts().waiting == 1)
            assert (await pool.mask(b"x", SETTINGS)).content == b"x"
            await asyncio.gather(*first, return_exceptions=True)
            counts = pool.counts()
            assert (counts.masked, counts.turned_away, counts.dropped, counts.waiting) == (3, 1, 1, 0)

    run(work)


def test_closing_ends_everything() -> None:
    async def work() -> None:
        async with odd_pool(workers=2, waiting=4) as pool:
            await until(lambda: pool.counts().processes == 2)
            numbers = pool.process_numbers
            waiting = [asyncio.create_task(pool.mask(b"hang", SETTINGS)) for _ in range(4)]
            await until(lambda: pool.counts().busy == 2)
            await pool.close()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(answer, PoolFullError) for answer in answers)
            assert not any(map(alive, numbers)) and not pool.ready
            with pytest.raises(PoolFullError):
                await pool.mask(b"x", SETTINGS)

    run(work)


def test_what_cannot_start_is_no_endless_wait() -> None:
    async def work() -> None:
        command = (sys.executable, "-c", "raise SystemExit(7)")
        pool = PicturePool(1, 4, limits=SHORT, patience=0.1, command=command)
        await pool.start()
        with pytest.raises(PoolFullError, match="no process was free in time"):
            await pool.mask(b"x", SETTINGS)
        assert not pool.ready
        await pool.close()

    run(work)


def test_a_place_is_never_lost(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong in the service itself: the picture is refused, and the next one is masked."""
    monkeypatch.setattr(room, "Backoff", lambda: Backoff(0.01, 0.02))
    real_pair, real_ask, real_connection = socket.socketpair, PictureProcess.ask, asyncio.open_connection
    unconnected: list[socket.socket] = []
    failures = [OSError(errno.EMFILE, "Too many open files"), RuntimeError("a secret")]

    def pair() -> tuple[socket.socket, socket.socket]:
        if failures:
            raise failures.pop(0)
        return real_pair()

    async def connection(*, sock: socket.socket, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not unconnected:
            unconnected.append(sock)
            raise OSError(errno.ENOMEM, "Out of memory")
        return await real_connection(sock=sock, limit=limit)

    async def ask(process: PictureProcess, settings: str, content: bytes, seconds: float) -> tuple[Answer, bytes]:
        if content == b"bad":
            raise RecursionError("a secret")
        return await real_ask(process, settings, content, seconds)

    async def work() -> None:
        monkeypatch.setattr("streamer.service.pictures.worker.socket.socketpair", pair)
        monkeypatch.setattr("streamer.service.pictures.worker.asyncio.open_connection", connection)
        monkeypatch.setattr(PictureProcess, "ask", ask)
        async with odd_pool() as pool:
            assert not pool.ready
            assert (await pool.mask(b"x", SETTINGS)).content == b"x"
            assert await reason(pool.mask(b"bad", SETTINGS)) == "the picture cannot be masked (RecursionError)"
            assert (await pool.mask(b"y", SETTINGS)).content == b"y"
            assert pool.counts().processes == 1

    run(work)
    assert not failures and unconnected[0].fileno() == -1 and "a secret" not in caplog.text
    for said in ("(Too many open files)", "(Out of memory)", "(RuntimeError)", "(RecursionError)"):
        assert said in caplog.text


_DOOMED = """
import asyncio
from streamer.service.pictures import pool as room
from streamer.service.pictures.pool import PicturePool
from streamer.service.work.sandbox import landlock_version
from streamer.settings.file import Settings
from tests.rigs.service.odd_process import COMMAND

async def work():
    pool = PicturePool(2, 4, command=COMMAND)
    await pool.start()
    while pool.counts().processes < 2:
        await asyncio.sleep(0.01)
    task = asyncio.create_task(pool.mask(b"hang", Settings()))
    while not pool.counts().busy:
        await asyncio.sleep(0.01)
    print(*pool.process_numbers, flush=True)
    await task

asyncio.run(work())
"""


def test_no_orphans() -> None:
    doomed = subprocess.Popen([sys.executable, "-c", _DOOMED], stdout=subprocess.PIPE)
    assert doomed.stdout is not None
    numbers = [int(number) for number in doomed.stdout.readline().split()]
    doomed.kill()
    doomed.communicate(timeout=WAIT)
    deadline = time.monotonic() + WAIT
    while any(map(alive, numbers)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(numbers) == 2
