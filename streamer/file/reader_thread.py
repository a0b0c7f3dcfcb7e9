"""Decodes ahead in its own thread, so that reading, detection and encoding run in parallel."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from core.frame import Frame
from core.owned_thread import POLL, OwnedThread
from streamer.errors import InterruptedJobError
from streamer.file.memory_plan import picture_bytes
from streamer.file.source import FileSource
from streamer.media.audio_track import TrackPacket

DEPTH = 6  # items decoded ahead ...
READER_BYTES = 100_000_000  # ... but, after the first, no more pictures than fit into this
JOIN_TIMEOUT = 10.0  # seconds; after that the disk hangs, and the daemon thread ends with the process


class _End:
    """The source has ended, or failed with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class ReaderThread:
    """Iterates over the items of a source, in order. Exceptions of the source are raised here.

    A context manager; leaving it stops and joins the thread. The caller closes the source afterwards. Once `interrupt`
    is set, iterating raises InterruptedJobError.
    """

    def __init__(self, source: FileSource, interrupt: threading.Event | None = None) -> None:
        self._source = source
        self._interrupt = interrupt or threading.Event()
        form = source.info.picture
        size = picture_bytes(form.width, form.height, form.pixel_format)
        self._items: queue.Queue[Frame | TrackPacket | _End] = queue.Queue(max(1, min(DEPTH, READER_BYTES // size)))
        self._thread = OwnedThread("veilcast-reader", self._run)

    def __enter__(self) -> ReaderThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close(JOIN_TIMEOUT)

    def __iter__(self) -> Iterator[Frame | TrackPacket]:
        while True:
            if self._interrupt.is_set():
                raise InterruptedJobError
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
        except BaseException as error:  # noqa: BLE001 - the consumer handles it
            end = _End(error)
        self._put(end)

    def _put(self, item: Frame | TrackPacket | _End) -> bool:
        while not self._thread.stopping.is_set():
            try:
                self._items.put(item, timeout=POLL)
            except queue.Full:
                continue
            return True
        return False
