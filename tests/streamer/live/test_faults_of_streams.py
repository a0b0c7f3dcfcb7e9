"""Faults have a beginning and an end, and a stream that should be recorded but is not is not ready."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from streamer.live.camera.camera import Camera
from streamer.live.faults import CURRENT, MOST, Fault, Faults
from streamer.live.recording.recorder import Recorder
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web.health import readiness
from streamer.settings.recording import RecordConfig
from streamer.settings.source import SourceConfig
from tests.rigs.live.producing import Producer
from tests.rigs.live.recording import until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_fault_is_over_when_it_was_not_repeated_for_a_while() -> None:
    clock = Clock()
    faults = Faults(clock)
    faults.add("torn")
    clock.now += CURRENT / 2
    faults.add("torn")
    assert faults.current() == (Fault("torn", 1000.0, 1000.0 + CURRENT / 2, 2),)
    clock.now += CURRENT - 1
    assert faults.current()
    clock.now += 1
    assert faults.current() == ()
    faults.add("torn")
    assert faults.current()[0].since == clock.now, "another one, not the old one going on"


def test_faults_are_bounded_and_the_newest_is_last() -> None:
    faults = Faults(Clock())
    for number in range(3 * MOST):
        faults.add(f"fault {number}")
    faults.add(f"fault {3 * MOST - 2}")
    assert [fault.text for fault in faults.current()][-2:] == [f"fault {3 * MOST - 1}", f"fault {3 * MOST - 2}"]
    assert len(faults.current()) == MOST


@pytest.mark.parametrize("unrecorded", [None, "cannot record to /rec: no space"])
def test_a_stream_that_should_be_recorded_and_is_not_is_not_ready(unrecorded: str | None) -> None:
    output = StreamOutput("door", lambda: Snapshot("door", unrecorded=unrecorded))
    output.last_published = time.monotonic()
    state = readiness({"door": output}, time.monotonic())
    assert (state.silent, state.ready) == ((), unrecorded is None)
    assert state.unrecorded == (() if unrecorded is None else ("door",))


@pytest.mark.slow
def test_a_recorder_that_cannot_write_says_so_until_it_can(tmp_path: Path) -> None:
    place = tmp_path / "recordings"
    place.write_text("a file where the folder should be", "utf-8")
    with Producer(period=100) as producer:
        recorder = Recorder(producer.output, place, RecordConfig())
        recorder.start()
        until(lambda: recorder.trouble is not None)
        place.unlink()
        until(lambda: recorder.trouble is None)
        assert recorder.close()


@pytest.mark.slow
def test_a_camera_that_is_down_says_so_once_and_then_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamer.live.camera import camera as module

    config = SourceConfig(backoff_first=0.01, backoff_longest=0.02, open_timeout=1)

    def lines(seconds: float) -> list[logging.LogRecord]:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "veilcast.camera"):
            camera = Camera("door", "rtsp://127.0.0.1:9/nothing", config)
            camera.start()
            time.sleep(seconds)
            camera.close()
        return [r for r in caplog.records if r.name == "veilcast.camera" and "no pictures" in r.getMessage()]

    assert len(lines(1.0)) == 1
    monkeypatch.setattr(module, "_LOG_AGAIN", 0.3)
    again = lines(1.5)
    assert 2 <= len(again) <= 6
    assert vars(again[-1])["tries"] > len(again), "it says how often it was tried"
