"""An asyncio event loop in its own thread, for the servers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from core.owned_thread import POLL, OwnedThread

T = TypeVar("T")


class LoopThread:
    """Runs the servers' coroutines in a thread called `veilcast-network`; leaving the context manager ends it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = OwnedThread("veilcast-network", self._run)

    def __enter__(self) -> LoopThread:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run the coroutine and return its result or raise its error; TimeoutError after `timeout` seconds."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel running tasks, stop the loop, join the thread."""
        self._thread.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._until_stopped())
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 3.0))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    async def _until_stopped(self) -> None:
        while not self._thread.stopping.is_set():
            await asyncio.sleep(POLL)
