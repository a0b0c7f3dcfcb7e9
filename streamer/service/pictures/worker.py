"""The service's end of a picture process: starts it, asks it, and ends it."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamer.errors import printable
from streamer.service.pictures.link import HEAD, MOST_TEXT, READY, Answer, Question, packed

COMMAND: Final = (sys.executable, "-B", "-P", "-m", "streamer.service.pictures.process")
_START: Final = 60.0  # seconds
_END: Final = 5.0  # seconds
_BUFFER: Final = 1 << 20  # bytes read ahead
_MOST_ANSWER: Final = 1 << 30
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ProcessLostError(Exception):
    """The process has died, hangs or talks nonsense, and was killed. The text says what happened."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one process may use: seconds a picture, bytes of addresses (libraries alone need 1 GB)."""

    seconds: float = 120.0
    memory: int = 4 << 30


class PictureProcess:
    """A running process. Used on one event loop, which must run in a thread that lives as long as the service."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self.answered = 0

    @classmethod
    async def start(cls, limits: ProcessLimits, command: Sequence[str] = COMMAND) -> PictureProcess:
        """Start one, ready to take pictures. Raises ProcessLostError."""
        try:
            ours, its = socket.socketpair()
        except OSError as error:  # no descriptor is free
            raise ProcessLostError(f"cannot be started ({error.strerror})") from error
        numbers = (os.getpid(), limits.memory, math.ceil(limits.seconds))
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}  # no tokens or keys
        try:
            # A session of its own: Ctrl-C on a terminal ends the service, which answers what it has before it goes.
            process = subprocess.Popen(
                [*command, *map(str, numbers)],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment | dict.fromkeys(_ONE_THREAD, "1"),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise ProcessLostError(f"cannot be started ({error.strerror})") from error
        finally:
            its.close()
        try:
            reader, writer = await asyncio.open_connection(sock=ours, limit=_BUFFER)
        except BaseException as error:
            ours.close()
            process.kill()
            process.wait(_END)
            if isinstance(error, OSError):
                raise ProcessLostError(f"cannot be reached ({error.strerror})") from error
            raise
        started = cls(process, reader, writer)
        try:
            async with asyncio.timeout(_START):
                said = await started._header()
        except (OSError, EOFError, ValueError) as error:
            reason = "did not start in time" if isinstance(error, TimeoutError) else "could not start"
            raise ProcessLostError(f"{reason} ({await started.end()})") from error
        except BaseException:
            await started.end()
            raise
        if said != READY:
            await started.end()
            raise ProcessLostError(f"could not start ({printable(said.refused or '')[:200]})")
        return started

    @property
    def number(self) -> int:
        """The system's number of the process."""
        return self._process.pid

    @property
    def lost(self) -> bool:
        """Whether it has died since."""
        return self._process.poll() is not None or self._reader.at_eof()

    async def ask(self, settings: str, content: bytes, seconds: float) -> tuple[Answer, bytes]:
        """Have a picture masked. Raises ProcessLostError; the process has then been ended."""
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(packed(Question(settings, len(content))))
                self._writer.write(content)
                await self._writer.drain()
                answer = await self._header()
                if answer.size > _MOST_ANSWER:
                    raise ValueError("no picture is that large")
                masked = await self._reader.readexactly(answer.size)
        except TimeoutError as error:
            await self.end()
            raise ProcessLostError(f"took longer than {seconds:g} s") from error
        except (OSError, EOFError, ValueError) as error:
            raise ProcessLostError(await self.end()) from error
        except BaseException:
            await self.end()
            raise
        self.answered += 1
        return answer, masked

    async def end(self) -> str:
        """Kill the process and wait until it is gone. Returns how it ended, if it did so by itself."""
        if self._reader.at_eof():  # it is about to end: let it, to learn how
            await self._gone(0.5)
        self._process.kill()
        self._writer.close()
        gone = await self._gone(_END)
        code = self._process.returncode
        return f"its process ended with {_ending(code)}" if gone and code is not None else "its process does not end"

    async def _gone(self, seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while self._process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.005)
        return True

    async def _header(self) -> Answer:
        (length,) = HEAD.unpack(await self._reader.readexactly(HEAD.size))
        if length > MOST_TEXT:
            raise ValueError("no answer is that long")
        return Answer.read(await self._reader.readexactly(length))


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"
