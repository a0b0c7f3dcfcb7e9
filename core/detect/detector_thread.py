"""Runs the detector in its own thread: samples in, verdicts out, both in order."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.clock import Moment
from core.detect.detection import Detection
from core.frame import Frame
from core.owned_thread import POLL, OwnedThread, one_line


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A frame to run the detector on; `isolated` if neighbouring pictures say little about it."""

    frame: Frame
    moment: Moment
    scene_start: bool
    isolated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SampleVerdict:
    """Result for a sample: its detections, or None and the error; `seconds` is the CPU time spent on it."""

    sample: Sample
    detections: list[Detection] | None
    error: str | None = None
    seconds: float = 0.0


Scan = Callable[[Sample], list[Detection]]


class DetectorThread:
    """Runs `scan` on samples, one at a time, in its own thread. A scan that raises gives a failed verdict.

    At most `depth` samples are in flight. `make_scan` is called in that thread, so that loading weights blocks nobody;
    if it raises, every sample fails. Use as a context manager, or call `close`.
    """

    def __init__(self, make_scan: Callable[[], Scan], *, depth: int = 4) -> None:
        self._make_scan = make_scan
        # Both queues can hold everything in flight, so putting never blocks.
        self._samples: queue.Queue[Sample | None] = queue.Queue(depth + 1)  # plus None, which ends the thread
        self._verdicts: queue.Queue[SampleVerdict] = queue.Queue(depth)
        self._room = threading.Semaphore(depth)
        self._thread = OwnedThread("veilcast-detector", self._run)
        self._thread.start()

    def __enter__(self) -> DetectorThread:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the thread is running and verdicts may still come."""
        return self._thread.alive

    def try_submit(self, sample: Sample) -> bool:
        """Queue a sample; False if `depth` samples are in flight, or after `close`."""
        if self._thread.stopping.is_set() or not self._room.acquire(blocking=False):
            return False
        self._samples.put_nowait(sample)
        return True

    def verdict(self, timeout: float) -> SampleVerdict | None:
        """The next verdict, or None if there is none within `timeout` seconds (0: do not wait)."""
        try:
            verdict = self._verdicts.get(timeout=timeout) if timeout > 0 else self._verdicts.get_nowait()
        except queue.Empty:
            return None
        self._room.release()
        return verdict

    def close(self, timeout: float = 5.0) -> bool:
        """Stop after the current sample; False if the thread did not end within `timeout` seconds."""
        if not self._thread.stopping.is_set():
            self._thread.stopping.set()
            self._samples.put_nowait(None)
        return self._thread.close(timeout)

    def _run(self) -> None:
        scan: Scan | None = None
        broken: str | None = None
        try:
            scan = self._make_scan()
        except Exception as error:  # noqa: BLE001 - any error: all samples fail and the owner gets the message
            broken = one_line(error)
        while not self._thread.stopping.is_set():
            try:
                sample = self._samples.get(timeout=POLL)
            except queue.Empty:
                continue
            if sample is None:
                break
            start = time.thread_time()
            found: list[Detection] | None = None
            problem = broken
            if scan is not None:
                try:
                    found = list(scan(sample))
                except Exception as error:  # noqa: BLE001 - any error: this sample fails
                    problem = one_line(error)
            self._verdicts.put_nowait(SampleVerdict(sample, found, problem, time.thread_time() - start))
