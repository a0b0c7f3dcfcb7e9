from __future__ import annotations

from streamer.live.rtsp.rtp import Burst
from streamer.live.rtsp.session import Start
from streamer.live.rtsp.viewer import Lag, RtspViewer

BOUND = 8000


def test_begins_at_a_key_frame_and_counts_nothing_before() -> None:
    lag = Lag()
    assert lag.wants_key and not lag.admit(False, 5, 0, BOUND)
    assert lag.admit(True, 5, 0, BOUND) and lag.admit(False, 5, 0, BOUND)
    assert lag.dropped == 0 and not lag.wants_key


def test_falls_behind_and_resumes_at_a_key_frame_when_it_has_caught_up() -> None:
    lag = Lag()
    assert lag.admit(True, 5, 0, BOUND) and lag.admit(False, 5, BOUND, BOUND)
    assert not lag.admit(False, 2, BOUND + 1, BOUND)
    assert not lag.admit(True, 3, BOUND // 2, BOUND) and not lag.wants_key  # a key frame would be lost on it yet
    assert not lag.admit(False, 4, BOUND // 8, BOUND) and lag.wants_key
    assert lag.admit(True, 5, BOUND // 8, BOUND) and lag.admit(False, 1, 0, BOUND)
    assert lag.dropped == 9


def test_a_new_play_is_not_a_loss() -> None:
    lag = Lag()
    lag.admit(True, 5, 0, BOUND)
    lag.restart()
    assert not lag.admit(False, 5, 0, BOUND) and lag.dropped == 0 and lag.admit(True, 5, 0, BOUND)


def test_stalled_means_no_progress_at_all() -> None:
    lag = Lag()
    assert lag.stalled_for(1000, 1000, 0.0) == 0.0
    assert lag.stalled_for(2000, 2000, 5.0) == 5.0
    assert lag.stalled_for(2000, 1999, 9.0) == 0.0
    assert lag.stalled_for(5000, 4999, 20.0) == 11.0
    assert lag.stalled_for(5000, 0, 21.0) == 0.0
    assert lag.stalled_for(5000, 0, 99.0) == 0.0


class FakeWire:
    def __init__(self) -> None:
        self.sent: list[object] = []
        self.buffered = self.written = 0

    def send(self, burst: Burst) -> None:
        self.sent.append(burst)

    def control(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.sent.append("close")


def test_the_answer_comes_first_then_the_report_then_the_picture() -> None:
    wire = FakeWire()
    viewer = RtspViewer("v", wire, lambda at_once: None)
    viewer.started = wire.sent.append
    early, key = Burst((b"p",), False, 6, 8), Burst((b"k",), True, 7, 9)
    assert not viewer.offer(early, BOUND, lambda: b"report")
    assert viewer.offer(key, BOUND, lambda: b"report") and viewer.offer(early, BOUND, lambda: b"report")
    assert wire.sent == [Start(7, 9), b"report", key, early]
