"""Looks up host names without ever holding up whoever asks: the system's own look-up can hang, and cannot be ended."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from core.owned_thread import OwnedThread

_MOST: Final = 16  # look-ups at a time, those included that nobody waits for any more

Resolver = Callable[[str, int], Sequence[str]]
"""Returns the IP addresses of a host and port. Raises OSError."""


def system_addresses(host: str, port: int) -> list[str]:
    """As this machine looks names up. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError("not the name of a host") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Lookups:
    """Runs each look-up in a thread of its own. For use from one event loop at a time."""

    def __init__(self, resolver: Resolver = system_addresses) -> None:
        self._resolver = resolver
        self._threads: list[OwnedThread] = []

    async def find(self, host: str, port: int) -> Sequence[str]:
        """IP addresses. Raises OSError, also if too many look-ups hang. Cancel it to stop waiting."""
        # `close` before the thread is alive would keep it from working.
        self._threads = [each for each in self._threads if each.alive or not each.close(0.0)]
        if len(self._threads) >= _MOST:
            raise OSError("too many look-ups hang")
        answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        thread = OwnedThread("veilcast-webhook-lookup", partial(self._look_up, host, port, answer))
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError("no thread for a look-up") from error
        self._threads.append(thread)
        return await answer

    def close(self, timeout: float) -> bool:
        """Wait at most `timeout` s for look-ups that still run; False if one hangs."""
        deadline = time.monotonic() + timeout
        hanging = [each for each in self._threads if not each.close(max(0.0, deadline - time.monotonic()))]
        return not hanging

    def _look_up(self, host: str, port: int, answer: asyncio.Future[Sequence[str]]) -> None:
        found: Sequence[str] | OSError
        try:
            found = self._resolver(host, port)
        except OSError as error:
            found = error
        try:
            answer.get_loop().call_soon_threadsafe(_settle, answer, found)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


def _settle(answer: asyncio.Future[Sequence[str]], found: Sequence[str] | OSError) -> None:
    if answer.done():
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    else:
        answer.set_result(found)
