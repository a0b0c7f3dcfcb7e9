"""Pictures at a gateway: masked here, or by other machines while all processes here are taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.pictures.pool import MaskedAnswer, PicturePool, PoolCounts, PoolFullError
from streamer.settings.file import Settings

UNTAKEN: Final = 10.0
"""Seconds in which some worker must have begun; otherwise the sender is told to come again."""
LONGEST: Final = 150.0
"""Seconds that a picture may take elsewhere, all told."""
_LOOKS: Final = (0.05, 0.5)  # seconds between two looks at whether there is an answer: first and longest
_AGAIN: Final = 5  # seconds after which a sender is asked to come again


class PictureMasker(Protocol):
    """What masks pictures while their senders wait."""

    @property
    def ready(self) -> bool:
        """Whether any process can take a picture."""

    def counts(self) -> PoolCounts:
        """How it is going."""

    async def mask(self, content: bytes, settings: Settings) -> MaskedAnswer:
        """Have a picture masked. Raises PoolFullError and PictureRefusedError."""


class FarPictures:
    """A pool that others help when it is full. At most `most` pictures are elsewhere at a time. One event loop."""

    def __init__(self, pool: PicturePool, asked: AskedPictures, ring: Callable[[str], None], most: int) -> None:
        """`ring` tells workers of a picture by its id; it must not take long."""
        self._pool, self._asked, self._ring, self._most = pool, asked, ring, most
        self._away = self._masked = self._turned_away = 0
        self._forgetting = set[asyncio.Task[None]]()

    @property
    def ready(self) -> bool:
        """As the pool is."""
        return self._pool.ready

    def counts(self) -> PoolCounts:
        """As the pool's, with what was done elsewhere."""
        found = self._pool.counts()
        turned_away = found.turned_away + self._turned_away
        return replace(found, masked=found.masked + self._masked, turned_away=turned_away)

    async def mask(self, content: bytes, settings: Settings) -> MaskedAnswer:
        """As `PicturePool.mask`. Also raises BusyError and OSError."""
        if not self._pool.full or self._away >= self._most:
            return await self._pool.mask(content, settings)
        self._away += 1
        picture: str | None = None
        try:
            text = settings.model_dump_json()
            picture = await asyncio.to_thread(self._asked.ask, content, text, LONGEST)
            self._ring(picture)
            answer = await self._answer(picture)
        finally:
            self._away -= 1
            if picture is not None:
                # In a task of its own: whoever was cancelled cannot wait.
                task = asyncio.create_task(asyncio.to_thread(self._asked.forget, picture))
                self._forgetting.add(task)
                task.add_done_callback(self._forgotten)
        self._masked += 1
        return answer

    async def close(self) -> None:
        """Wait until what was elsewhere is deleted; what is left after a while is deleted by the sweep."""
        if self._forgetting:
            await asyncio.wait(self._forgetting, timeout=5.0)

    def _forgotten(self, task: asyncio.Task[None]) -> None:
        self._forgetting.discard(task)
        if not task.cancelled():
            task.exception()  # what could not be deleted now is deleted by the sweep

    async def _answer(self, picture: str) -> MaskedAnswer:
        begun, pause, taken = asyncio.get_running_loop().time(), _LOOKS[0], False
        while True:
            answer = await asyncio.to_thread(self._asked.answer, picture)
            if answer is not None:
                return answer
            passed = asyncio.get_running_loop().time() - begun
            if passed > UNTAKEN and not taken:
                taken = await asyncio.to_thread(self._asked.taken, picture)
            if passed > LONGEST or (passed > UNTAKEN and not taken):
                self._turned_away += 1
                raise PoolFullError("too many pictures are waiting", _AGAIN)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LOOKS[1])
