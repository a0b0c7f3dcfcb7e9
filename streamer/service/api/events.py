"""A job's news while they come: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from streamer.service.api.job_json import job_json
from streamer.service.http.problems import ProblemError
from streamer.service.jobs.errors import NotFoundError
from streamer.service.jobs.job import Job

LOOK: Final = 0.5  # seconds between two looks at the job
QUIET: Final = 15.0  # seconds after which a comment is sent, so that nobody in between closes the connection
LONGEST: Final = 600.0
"""Seconds that a stream lasts. Whoever listens connects again, and must still be let in then."""
LISTENERS: Final = 200
"""Most event streams at a time."""


class JobEvents:
    """Streams of events, a bounded number of them. Used on one event loop only."""

    def __init__(self, leaving: Callable[[], bool]) -> None:
        """`leaving`: whether the server is about to stop. Then streams end; whoever listens connects again."""
        self._open, self._leaving = 0, leaving

    async def stream(self, look: Callable[[], Job]) -> AsyncIterator[str]:
        """Events of the job that `look` returns, until it has ended or is gone, or for `LONGEST`.

        Raises ProblemError 429.
        """
        if self._open >= LISTENERS:
            raise ProblemError(429, "too many event streams; ask for the job instead", headers={"Retry-After": "5"})
        return self._events(look)

    async def _events(self, look: Callable[[], Job]) -> AsyncIterator[str]:
        self._open += 1
        try:
            said, spoke = "", time.monotonic()
            end = spoke + LONGEST
            while True:
                try:
                    job = await run_in_threadpool(look)
                except NotFoundError:
                    yield "event: gone\ndata: {}\n\n"
                    return
                text = job_json(job).model_dump_json()
                if text != said:
                    said, spoke = text, time.monotonic()
                    yield f"event: job\ndata: {text}\n\n"
                elif time.monotonic() - spoke > QUIET:
                    spoke = time.monotonic()
                    yield ": still here\n\n"
                if not job.active or time.monotonic() >= end or self._leaving():
                    return
                await asyncio.sleep(LOOK)
        finally:
            self._open -= 1
