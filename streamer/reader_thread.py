"""Decodes ahead in a thread of its own, so that reading, looking and encoding go on side by side."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Iterator

from core.frame import Frame
from streamer.sound import SoundPacket
from streamer.source import FileSource

DEPTH = 6  # items decoded ahead: pictures are large
JOIN_TIMEOUT = 10.0  # seconds
POLL = 0.2  # seconds between looks at the stop signal


class _End:
    """The source is at its end, or failed with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class ReaderThread:
    """Iterate over it for what the source gives, in order; what the source raises is raised here.

    A context manager; leaving it stops and joins the thread. The source stays the caller's to close, afterwards.
    """

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self._items: queue.Queue[Frame | SoundPacket | _End] = queue.Queue(DEPTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="veilcast-reader", daemon=True)

    def __enter__(self) -> ReaderThread:
        # A thread that outlives the interpreter aborts the process, and Ctrl-C may come before anyone owns this one.
        atexit.register(self._join)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._join()
        atexit.unregister(self._join)

    def _join(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_TIMEOUT)  # past it the disk hangs, and the daemon thread goes with the process

    def __iter__(self) -> Iterator[Frame | SoundPacket]:
        while True:
            try:
                item = self._items.get(timeout=POLL)
            except queue.Empty:
                continue  # a slow disk; the thread always ends with an _End
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        end = _End(None)
        try:
            for item in self._source:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - it is the owner's to handle
            end = _End(error)
        self._put(end)

    def _put(self, item: Frame | SoundPacket | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._items.put(item, timeout=POLL)
            except queue.Full:
                continue
            return True
        return False
