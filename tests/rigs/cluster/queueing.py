"""Discrete events: an agenda, and servers that take what waits in the order of its rank."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

Action = Callable[[], None]
Rank = tuple[float, ...]

_EVER: Final = float("inf")


class Agenda:
    """What happens when, in seconds from 0."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Action]] = []
        self._count = 0

    def after(self, delay: float, action: Action) -> None:
        """Do it so many seconds from now; what is due at the same moment happens in the order in which it was said."""
        self._count += 1
        heapq.heappush(self._events, (self.now + delay, self._count, action))

    def run(self, until: float = _EVER) -> None:
        """Let everything happen that is due by then."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()


class Servers:
    """Several that do the same, each one thing at a time. What is lower in rank goes first, equals in order of arrival.

    `wake`: seconds until an idle one begins with what has come; one that has just ended goes on at once.
    """

    def __init__(self, agenda: Agenda, count: int, wake: Callable[[], float] = lambda: 0.0) -> None:
        self._agenda, self._wake = agenda, wake
        self._idle = list(range(count - 1, -1, -1))
        self._waiting: list[tuple[Rank, int, float, Callable[[int, float], float], Action]] = []
        self._arrivals = 0
        self._owed: dict[int, float] = {}
        """Seconds by which each that is at work has been held up since it last looked."""
        self.busy_seconds = 0.0
        self.count = count

    @property
    def waiting(self) -> int:
        """How much waits."""
        return len(self._waiting)

    @property
    def idle(self) -> int:
        """How many have nothing to do, or are just being woken."""
        return len(self._idle)

    def ask(self, rank: Rank, work: Callable[[int, float], float], done: Action) -> None:
        """`work` is called when it begins, with the server's number and the seconds waited, says how long."""
        self._arrivals += 1
        heapq.heappush(self._waiting, (rank, self._arrivals, self._agenda.now, work, done))
        if self._idle and (delay := self._wake()):
            self._agenda.after(delay, self._look)
        else:
            self._look()

    def hold_up(self, server: int, seconds: float) -> None:
        """Something else has its core for so long. One that is idle does not mind."""
        if server in self._owed:
            self._owed[server] += seconds

    def _look(self) -> None:
        if self._idle and self._waiting:
            self._begin(self._idle.pop())

    def _begin(self, server: int) -> None:
        _, _, since, work, done = heapq.heappop(self._waiting)
        self._owed[server] = 0.0
        seconds = work(server, self._agenda.now - since)
        self.busy_seconds += seconds

        def ended() -> None:
            if held_up := self._owed[server]:
                self._owed[server] = 0.0
                self._agenda.after(held_up, ended)
                return
            del self._owed[server]
            done()
            if self._waiting:
                self._begin(server)
            else:
                self._idle.append(server)

        self._agenda.after(seconds, ended)
