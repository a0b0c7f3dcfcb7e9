"""A bounded waiting room for pictures, and the processes that mask them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from streamer.errors import printable
from streamer.pictures.kind import PictureKind
from streamer.runtime.backoff import Backoff
from streamer.service.pictures.link import Answer
from streamer.service.pictures.worker import COMMAND, PictureProcess, ProcessLimits, ProcessLostError
from streamer.settings.file import Settings

_log = logging.getLogger("veilcast.service.pictures")

_KINDS: Final = frozenset(PictureKind)
_TURNS: Final = 500  # pictures a process masks before a fresh one takes over: libraries leak a little
_LINE: Final = 200  # characters
_LOOK: Final = 1.0  # seconds between two looks at whether an idle process still lives


class PoolFullError(Exception):
    """No room, or no process in time. `retry_after`: seconds after which to try again."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class PictureRefusedError(Exception):
    """This picture cannot be masked; one line says why. `unsupported`: it is of no format that is read."""

    def __init__(self, text: str, unsupported: bool = False) -> None:
        super().__init__(text)
        self.unsupported = unsupported


@dataclass(frozen=True, slots=True)
class MaskedAnswer:
    """A masked picture. `whole`: the detector failed, so all of it is masked."""

    content: bytes
    media_type: str
    faces: int
    sha256: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Pictures waiting and being masked now, processes that can take one; the rest since the start."""

    waiting: int
    busy: int
    processes: int
    masked: int
    refused: int
    turned_away: int
    dropped: int
    lost: int
    seconds: float
    """Spent on pictures."""


@dataclass(slots=True, eq=False)
class _Request:
    content: bytes
    settings: str
    answer: asyncio.Future[MaskedAnswer]


class PicturePool:
    """Masks pictures in `workers` processes; up to `waiting` more may wait. All of it on one event loop.

    A process that dies, hangs or needs too much memory costs its own picture alone, and is replaced.
    """

    def __init__(
        self,
        workers: int,
        waiting: int,
        *,
        limits: ProcessLimits | None = None,
        patience: float = 60.0,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """`patience`: seconds that a picture may wait for a process. `command` replaces what is run."""
        self._workers, self._room, self._patience = workers, waiting, patience
        self._limits, self._command = limits or ProcessLimits(), command
        self._waiting: deque[_Request] = deque()
        self._arrived = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: set[PictureProcess] = set()
        self._busy = self._masked = self._refused = self._turned_away = self._dropped = self._lost = 0
        self._seconds, self._usual = 0.0, 1.0
        self._closed = False

    async def start(self) -> None:
        """Start the processes. Does not wait for them: pictures may come already."""
        for number in range(1, self._workers + 1):
            self._tasks.append(asyncio.create_task(self._serve(), name=f"veilcast-pictures-{number}"))

    async def close(self) -> None:
        """Turn everybody away and end the processes. May be called twice."""
        self._closed = True
        while self._waiting:
            self._turn_away(self._waiting.popleft(), "the service is being stopped")
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def ready(self) -> bool:
        """Whether any process can take a picture."""
        return bool(self._processes) and not self._closed

    @property
    def full(self) -> bool:
        """Whether one more picture would be turned away."""
        return self._busy + len(self._waiting) >= self._workers + self._room

    @property
    def process_numbers(self) -> list[int]:
        """The system's numbers of the processes."""
        return [process.number for process in self._processes]

    def counts(self) -> PoolCounts:
        """How it is going."""
        return PoolCounts(
            waiting=len(self._waiting),
            busy=self._busy,
            processes=len(self._processes),
            masked=self._masked,
            refused=self._refused,
            turned_away=self._turned_away,
            dropped=self._dropped,
            lost=self._lost,
            seconds=self._seconds,
        )

    async def mask(self, content: bytes, settings: Settings) -> MaskedAnswer:
        """Have a picture masked. Raises PoolFullError and PictureRefusedError. Cancelled, it gives up its place."""
        if self._closed:
            raise PoolFullError("the service is being stopped", 1)
        if self.full:
            self._turned_away += 1
            raise PoolFullError("too many pictures are waiting", self._wait_expected())
        request = _Request(content, _as_json(settings), asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        try:
            async with self._arrived:
                self._arrived.notify()
            async with asyncio.timeout(self._patience + self._limits.seconds):
                return await request.answer
        except TimeoutError:
            self._turned_away += 1
            raise PoolFullError("no process was free in time", self._wait_expected()) from None
        except asyncio.CancelledError:
            self._dropped += 1
            raise
        finally:
            if request in self._waiting:
                self._waiting.remove(request)

    def _wait_expected(self) -> int:
        """Whole seconds until a place is likely to be free."""
        return max(1, min(60, round(self._usual * (len(self._waiting) + 1) / self._workers)))

    def _turn_away(self, request: _Request, why: str) -> None:
        if not request.answer.done():
            request.answer.set_exception(PoolFullError(why, 1))

    async def _serve(self) -> None:
        """One place for a process, which is replaced when need be. Whatever happens, the place stays."""
        backoff = Backoff()
        while True:
            try:
                process = await PictureProcess.start(self._limits, self._command)
            except ProcessLostError as error:
                _log.error("a picture process %s", error)
            except Exception as error:  # noqa: BLE001 - the place would be gone for good
                _log.error("a picture process cannot be started (%s)", type(error).__name__)
            else:
                try:
                    await self._use(process, backoff)
                    continue
                except Exception as error:  # noqa: BLE001 - likewise
                    _log.error("a picture process was given up (%s)", type(error).__name__)
            await asyncio.sleep(backoff.next())

    async def _use(self, process: PictureProcess, backoff: Backoff) -> None:
        """Have a process mask pictures for as long as it is good for it."""
        self._processes.add(process)
        try:
            while not process.lost and process.answered < _TURNS:
                request = await self._next(process)
                if request is None:
                    break
                spent = await self._do(request, process)
                backoff.reset()
                if spent:
                    break
        except ProcessLostError as error:
            self._lost += 1
            _log.warning("a picture process was lost: %s", error)
        finally:
            self._processes.discard(process)
            await process.end()

    async def _next(self, process: PictureProcess) -> _Request | None:
        """The next picture for a process; None if it died while it was idle, for which no picture is to blame."""
        while not process.lost:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK), self._arrived:
                    await self._arrived.wait_for(lambda: self._waiting)
            if self._waiting and not process.lost:
                return self._waiting.popleft()
        self._lost += 1
        _log.warning("a picture process was lost while it had nothing to do")
        return None

    async def _do(self, request: _Request, process: PictureProcess) -> bool:
        """Have a picture masked, and pass on the answer. Whether the process is to be replaced."""
        begun = asyncio.get_running_loop().time()
        self._busy += 1
        try:
            answer, content = await process.ask(request.settings, request.content, self._limits.seconds)
            if answer.kind is not None and answer.kind not in _KINDS:
                raise ProcessLostError("it talked nonsense")
        except ProcessLostError as error:
            self._refuse(request, PictureRefusedError(f"the picture cannot be masked: {error}"))
            raise
        except Exception as error:
            self._refuse(request, PictureRefusedError(f"the picture cannot be masked ({type(error).__name__})"))
            raise
        except asyncio.CancelledError:
            self._turn_away(request, "the service is being stopped")
            raise
        finally:
            self._busy -= 1
            took = asyncio.get_running_loop().time() - begun
            self._seconds += took
            self._usual += (took - self._usual) / 8
        if answer.kind is None:
            line = printable(answer.refused or "cannot be masked")[:_LINE]
            self._refuse(request, PictureRefusedError(f"the picture {line}", answer.unsupported))
            return answer.spent
        self._masked += 1
        if not request.answer.done():
            request.answer.set_result(_masked(answer, answer.kind, content))
        return answer.spent

    def _refuse(self, request: _Request, error: PictureRefusedError) -> None:
        self._refused += 1
        if not request.answer.done():
            request.answer.set_exception(error)


def _masked(answer: Answer, kind: str, content: bytes) -> MaskedAnswer:
    digest = hashlib.sha256(content).hexdigest()
    return MaskedAnswer(content, f"image/{kind.lower()}", answer.faces, digest, answer.whole)


@lru_cache(64)
def _as_json(settings: Settings) -> str:
    return settings.model_dump_json()
