"""Sends webhooks that are due, in a thread of its own. Several servers may do so on one database."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from core.owned_thread import POLL, OwnedThread, one_line
from streamer.service.webhooks.courier import Courier
from streamer.service.webhooks.deliveries import Deliveries, Delivery

_log = logging.getLogger("veilcast.webhooks")

_PARALLEL: Final = 4  # posts at a time
_EVERY: Final = 1.0  # s between looks for what is due
_GONE: Final = 410


class WebhookSender:
    """Looks for webhooks that are due, and posts them. Whatever goes wrong with one leaves the others alone."""

    def __init__(self, deliveries: Deliveries, courier: Courier) -> None:
        self._deliveries, self._courier = deliveries, courier
        self._thread = OwnedThread("veilcast-webhooks", self._run)
        self._ill = False

    @property
    def alive(self) -> bool:
        """Whether it is at work."""
        return self._thread.alive

    def start(self) -> None:
        """Begin; call once. Raises RuntimeError if there can be no thread."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> bool:
        """Stop. Posts under way are broken off, and made again a minute later, by whoever runs then.

        False if it did not end within `timeout` s.
        """
        deadline = time.monotonic() + timeout
        ended = self._thread.close(timeout)
        return self._courier.close(max(0.0, deadline - time.monotonic())) and ended

    def _run(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        posts: set[asyncio.Task[None]] = set()
        look, more = time.monotonic(), False
        try:
            while not self._thread.stopping.is_set():
                free = _PARALLEL - len(posts)
                if free and (more or time.monotonic() >= look):
                    found = self._claim(free)
                    more, look = len(found) == free, time.monotonic() + _EVERY
                    posts |= {asyncio.create_task(self._send(each)) for each in found}
                if posts:
                    _, posts = await asyncio.wait(posts, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(POLL)
        finally:
            for each in posts:
                each.cancel()
            await asyncio.gather(*posts, return_exceptions=True)

    def _claim(self, most: int) -> list[Delivery]:
        try:
            found = self._deliveries.claim(most)
        except Exception as error:  # noqa: BLE001 - whatever the database raises, it may be better later
            if not self._ill:  # once, and not every second
                _log.warning("cannot look for webhooks that are due: %s", one_line(error))
            self._ill = True
            return []
        self._ill = False
        return found

    async def _send(self, delivery: Delivery) -> None:
        try:
            answer = await self._courier.post(delivery)
            if answer.accepted:
                self._deliveries.succeeded(delivery)
            elif answer.status == _GONE:
                ended = self._deliveries.gone(delivery)
                _log.warning("webhook of job %s: %s; %d given up", delivery.job, answer.line, ended)
            elif self._deliveries.failed(delivery, answer.line, answer.retry_after) is None:
                _log.warning("webhook of job %s given up: %s", delivery.job, answer.line)
        except Exception as error:  # noqa: BLE001 - the claim runs out, and it is tried again
            _log.warning("webhook of job %s: %s", delivery.job, one_line(error))
