"""The detector's thread: bounded, in order, and no error of the detector's gets lost or gets out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from core.clock import Moment
from core.detect import detector_thread as worker
from core.detect.detection import Detection
from core.detect.detector_thread import DetectorThread, Sample, SampleVerdict, Scan
from core.owned_thread import one_line
from tests.rigs.fakes import found, numbered

WAIT = 20.0  # seconds; reached only when a test is about to fail


@pytest.fixture(autouse=True)
def _quick_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL", 0.005)


def sample(index: int) -> Sample:
    return Sample(numbered(index, index / 25), Moment(index / 25, 1, 0.0), scene_start=not index)


def get(thread: DetectorThread) -> SampleVerdict:
    verdict = thread.verdict(WAIT)
    assert verdict is not None
    return verdict


class Gate:
    """A scan that waits to be let through."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, sample: Sample) -> list[Detection]:
        self.entered.set()
        assert self.open.wait(WAIT)
        return [found(0, 0, sample.frame.index + 1, 9)]


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def test_verdicts_come_in_order_each_with_its_sample() -> None:
    with DetectorThread(lambda: lambda s: [found(0, 0, s.frame.index + 1, 9)]) as thread:
        for start in range(0, 12, 4):
            samples = [sample(index) for index in range(start, start + 4)]
            assert all(thread.try_submit(s) for s in samples)
            for expected in samples:
                verdict = get(thread)
                assert verdict.sample is expected and verdict.error is None and verdict.seconds >= 0
                assert verdict.detections == [found(0, 0, expected.frame.index + 1, 9)]


def test_no_more_than_depth_are_under_way(gate: Gate) -> None:
    with DetectorThread(lambda: gate, depth=3) as thread:
        assert [thread.try_submit(sample(index)) for index in range(5)] == [True, True, True, False, False]
        assert gate.entered.wait(WAIT)
        assert not thread.try_submit(sample(3)), "the sample being scanned is in flight, too"
        gate.open.set()
        get(thread)
        assert thread.try_submit(sample(3)), "a verdict that was taken makes room"
        assert not thread.try_submit(sample(4)), "one that was not does not"


def test_a_scan_that_raises_fails_its_sample_only() -> None:
    def scan(sample: Sample) -> list[Detection]:
        if sample.frame.index == 1:
            raise ValueError("cannot\nlook")
        return []

    with DetectorThread(lambda: scan) as thread:
        for index in range(3):
            assert thread.try_submit(sample(index))
        verdicts = [get(thread) for _ in range(3)]
    assert [(v.detections, v.error) for v in verdicts] == [([], None), (None, "ValueError: cannot look"), ([], None)]


@pytest.mark.parametrize("broken", ["raises", "gives no list"])
def test_a_scan_without_an_answer_is_a_failure_not_an_empty_scene(broken: str) -> None:
    def make() -> Scan:
        if broken == "raises":
            raise RuntimeError("no weights")
        return lambda sample: None  # type: ignore[return-value]

    with DetectorThread(make) as thread:
        for index in range(2):
            assert thread.try_submit(sample(index))
            verdict = get(thread)
            assert verdict.detections is None
            assert verdict.error is not None
            assert verdict.error == "RuntimeError: no weights" if broken == "raises" else "TypeError" in verdict.error


def test_make_scan_runs_in_the_thread(gate: Gate) -> None:
    names: list[str] = []

    def make() -> Scan:
        names.append(threading.current_thread().name)
        assert gate.open.wait(WAIT)  # slow weights delay nobody
        return lambda sample: []

    with DetectorThread(make) as thread:
        assert thread.try_submit(sample(0))
        assert thread.verdict(0) is None
        gate.open.set()
        assert get(thread).detections == []
    assert names == ["veilcast-detector"]


def test_no_verdict_in_time_is_none(gate: Gate) -> None:
    with DetectorThread(lambda: gate) as thread:
        assert thread.verdict(0) is None
        assert thread.try_submit(sample(0))
        assert thread.verdict(0.01) is None
        gate.open.set()
        assert get(thread).sample.frame.index == 0


def test_close_while_busy(gate: Gate) -> None:
    thread = DetectorThread(lambda: gate)
    assert thread.try_submit(sample(0)) and thread.try_submit(sample(1))
    assert gate.entered.wait(WAIT)
    assert not thread.close(timeout=0.01), "it hangs, and says so"
    gate.open.set()
    assert thread.close(WAIT)
    assert get(thread).sample.frame.index == 0
    assert thread.verdict(0) is None, "what was still waiting is not begun"


def test_close_twice_and_when_idle() -> None:
    thread = DetectorThread(lambda: lambda sample: [])
    assert thread.close(WAIT) and thread.close(WAIT)


def test_an_idle_thread_is_woken_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL", 3600.0)
    with DetectorThread(lambda: lambda sample: []) as thread:
        thread.try_submit(sample(0))
        get(thread)
        assert thread.close(WAIT)
        assert not thread.try_submit(sample(1))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (KeyError("key"), "KeyError: 'key'"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_describe(error: BaseException, line: str) -> None:
    assert one_line(error) == line
