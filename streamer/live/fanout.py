"""One producer, many consumers: a slow consumer loses only its own items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class ClosedError(Exception):
    """The fan-out or the subscription is closed: there will be no more items."""


class Fanout(Generic[T]):
    """Passes every item to every subscription without ever waiting. Thread-safe.

    `is_key` marks items at which a consumer can start. A new subscription, and one that overflowed, gets nothing before
    the next such item. `key_wanted` is called whenever a subscription starts waiting for one, from the thread that
    causes it.
    """

    def __init__(self, is_key: Callable[[T], bool], key_wanted: Callable[[], None] = lambda: None) -> None:
        self._is_key, self._key_wanted = is_key, key_wanted
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription[T]] = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._subscriptions)

    def publish(self, item: T) -> None:
        """Queue `item` for every subscription; never blocks."""
        key = self._is_key(item)
        with self._lock:
            subscriptions = list(self._subscriptions)
        lost = [subscription for subscription in subscriptions if not subscription._offer(item, key)]
        if lost:
            self._key_wanted()

    def subscribe(self, name: str, depth: int, notify: Callable[[], None] = lambda: None) -> Subscription[T]:
        """Add a consumer called `name` that may lag by at most `depth` items.

        `notify` is called from the producer's thread after every queued item and at the end. It must not block (for an
        event loop, use `call_soon_threadsafe`).
        """
        subscription = Subscription(self, name, depth, notify)
        with self._lock:
            if self._closed:
                subscription._end()
                return subscription
            self._subscriptions.append(subscription)
        self._key_wanted()
        return subscription

    def request_key(self) -> None:
        """Request an item at which consumers can start, for example for a decoder that lost data."""
        self._key_wanted()

    def close(self) -> None:
        """End all current and future subscriptions."""
        with self._lock:
            self._closed = True
            subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription._end()

    def _leave(self, subscription: Subscription[T]) -> None:
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)


class Subscription(Generic[T]):
    """One consumer's bounded queue; leaving the context manager closes it. See `Fanout.subscribe`.

    `dropped` counts items lost because it lagged, including those skipped until the next key item.
    """

    def __init__(self, owner: Fanout[T], name: str, depth: int, notify: Callable[[], None]) -> None:
        if depth < 1:
            raise ValueError(f"depth must be positive, not {depth}")
        self.name = name
        self.dropped = 0
        self._owner, self._depth, self._notify = owner, depth, notify
        self._items: deque[T] = deque()
        self._ready = threading.Condition()
        self._begun = False
        self._lagged = False
        self._closed = False

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, timeout: float) -> T | None:
        """The next item, or None if there is none within `timeout` seconds. Raises ClosedError at the end."""
        with self._ready:
            self._ready.wait_for(lambda: self._items or self._closed, timeout)
            return self._take()

    def get_nowait(self) -> T | None:
        """The next item, or None if there is none yet. Raises ClosedError at the end."""
        with self._ready:
            return self._take()

    def close(self) -> None:
        """End the subscription."""
        self._owner._leave(self)
        self._end()

    def _take(self) -> T | None:
        if self._items:
            return self._items.popleft()
        if self._closed:
            raise ClosedError(self.name)
        return None

    def _offer(self, item: T, key: bool) -> bool:
        """Queue the item; False if this consumer has just started to lag."""
        with self._ready:
            if self._closed:
                return True
            overflow = len(self._items) >= self._depth
            if overflow:
                self.dropped += len(self._items)
                self._items.clear()
                self._lagged = True
            if not key and (self._lagged or not self._begun):
                self.dropped += self._lagged
                return not overflow
            self._begun, self._lagged = True, False
            self._items.append(item)
            self._ready.notify_all()
        self._notify()
        return True

    def _end(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        self._notify()
