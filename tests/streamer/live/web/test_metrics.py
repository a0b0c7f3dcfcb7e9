from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families

from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web import metrics

BUSY = Snapshot(
    "door",
    "held",
    "rtsp://camera/door",
    width=1280,
    height=720,
    fps_in=24.5,
    fps_out=25.0,
    faces=3,
    mask_age=0.12,
    delay=(0.2, 0.31),
    frames={"settled": 100, "held": 7, "blanket": 2, "slate": 5},
    frames_in=111,
    frames_late=1,
    frames_skipped=4,
    samples=40,
    samples_failed=2,
    samples_skipped=3,
    reconnects=6,
    encoder_errors=1,
    queue_depths={"timeline": 5},
    drops={"recorder": 8},
    viewers=2,
    errors=("cannot open rtsp://camera/door",),
)


def samples(*snapshots: Snapshot) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    streams = {s.name: StreamOutput(s.name, lambda s=s: s) for s in snapshots}  # type: ignore[misc]
    text = metrics.exposition(metrics.registry(streams, lambda name: 1, lambda name: {"webrtc": 9})).decode()
    assert "rtsp://" not in text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_all_metrics_are_exposed() -> None:
    values = samples(BUSY, Snapshot('ga"te'))

    def value(name: str, stream: str = "door", **labels: str) -> float:
        return values[f"veilcast_{name}", frozenset({"stream": stream, **labels}.items())]

    assert value("input_frames_per_second") == 24.5 and value("output_frames_per_second") == 25
    assert value("width_pixels") == 1280 and value("height_pixels") == 720
    assert value("mask_age_seconds") == 0.12 and value("faces") == 3
    covers = ("settled", "held", "blanket", "slate")
    assert [value("frames_total", cover=cover) for cover in covers] == [100, 7, 2, 5]
    assert value("input_frames_total") == 111
    assert value("late_frames_total") == 1 and value("skipped_frames_total") == 4
    assert value("samples_total") == 40
    assert value("failed_samples_total") == 2 and value("skipped_samples_total") == 3
    assert value("reconnects_total") == 6 and value("encoder_errors_total") == 1
    assert value("delay_seconds", quantile="0.5") == 0.2 and value("delay_seconds", quantile="0.95") == 0.31
    assert value("queue_depth", queue="timeline") == 5
    assert value("dropped_packets_total", sink="recorder") == 8 and value("dropped_packets_total", sink="webrtc") == 9
    assert value("viewers") == 2
    assert value("state", state="held") == 1 and value("state", state="settled") == 0
    assert math.isinf(value("mask_age_seconds", stream='ga"te'))
    assert value("viewers", stream='ga"te') == 1
    assert values["process_open_fds", frozenset()] > 0


def test_names_follow_the_conventions() -> None:
    units = ("_seconds", "_total", "_pixels", "_per_second")
    plain = {"veilcast_faces", "veilcast_viewers", "veilcast_state", "veilcast_queue_depth"}
    names = {name for name, _ in samples(BUSY) if name.startswith("veilcast_")}
    assert [name for name in names if not name.endswith(units) and name not in plain] == []
    assert len(names) >= 20
