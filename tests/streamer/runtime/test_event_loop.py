from __future__ import annotations

import asyncio
import threading

import pytest

from streamer.runtime.event_loop import LoopThread


async def where() -> str:
    return threading.current_thread().name


def test_work_runs_in_its_thread_and_errors_are_passed_on() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with LoopThread() as network:
        assert network.run(where(), 5) == "veilcast-network"
        with pytest.raises(ValueError, match="no"):
            network.run(fail(), 5)


def test_work_that_takes_too_long_is_cancelled() -> None:
    cancelled = threading.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    with LoopThread() as network, pytest.raises(TimeoutError):
        network.run(slow(), 0.05)
    assert cancelled.wait(5)


def test_leaving_cancels_what_still_runs() -> None:
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            cancelled.set()

    async def begin() -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(forever())
        await asyncio.sleep(0)
        return task

    with LoopThread() as network:
        network.run(begin(), 5)
    assert cancelled.is_set()
    assert all(thread.name != "veilcast-network" for thread in threading.enumerate())
