"""Prometheus metrics of the streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer.live.status import Snapshot, StreamState
from streamer.live.stream_output import StreamOutput

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Viewers = Callable[[str], int]
Drops = Callable[[str], Mapping[str, int]]

_QUANTILES = ("0.5", "0.95")


@dataclass(frozen=True, slots=True)
class _Plain:
    """A metric with one value per stream. `name` lacks `veilcast_`, and `_total` for a counter."""

    name: str
    text: str
    value: Callable[[Snapshot], float]
    counter: bool = True


_PLAIN = (
    _Plain(
        "input_frames_per_second",
        "Frames per second from the source, over the last seconds.",
        lambda s: s.fps_in,
        counter=False,
    ),
    _Plain(
        "output_frames_per_second",
        "Frames per second published, over the last seconds.",
        lambda s: s.fps_out,
        counter=False,
    ),
    _Plain("width_pixels", "Width of the published picture.", lambda s: s.width, counter=False),
    _Plain("height_pixels", "Height of the published picture.", lambda s: s.height, counter=False),
    _Plain("faces", "Faces masked in the newest frame.", lambda s: s.faces, counter=False),
    _Plain(
        "mask_age_seconds",
        "Time from the newest detector verdict to the newest frame.",
        lambda s: s.mask_age,
        counter=False,
    ),
    _Plain("input_frames", "Frames from the source.", lambda s: s.frames_in),
    _Plain("late_frames", "Frames published more than 40 ms after their deadline.", lambda s: s.frames_late),
    _Plain("skipped_frames", "Frames skipped because the machine did not keep up.", lambda s: s.frames_skipped),
    _Plain("samples", "Frames given to the detector.", lambda s: s.samples),
    _Plain("failed_samples", "Frames on which the detector failed.", lambda s: s.samples_failed),
    _Plain("skipped_samples", "Frames skipped because the detector was busy.", lambda s: s.samples_skipped),
    _Plain("reconnects", "Reconnections to the source.", lambda s: s.reconnects),
    _Plain("encoder_errors", "Encoder failures.", lambda s: s.encoder_errors),
)


class StreamCollector(Collector):
    """Reads every stream's snapshot on each scrape. No label contains an address or a credential."""

    def __init__(self, streams: Mapping[str, StreamOutput], viewers: Viewers, drops: Drops) -> None:
        self._streams, self._viewers, self._drops = streams, viewers, drops

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        snapshots = {name: output.snapshot() for name, output in self._streams.items()}
        for plain in _PLAIN:
            yield _family(
                plain.name, plain.text, plain.counter, (), (((name,), plain.value(s)) for name, s in snapshots.items())
            )
        yield _family(
            "frames",
            "Frames published, by cover.",
            True,
            ("cover",),
            (((name, cover), count) for name, s in snapshots.items() for cover, count in s.frames.items()),
        )
        yield _family(
            "state",
            "1 for the current state, 0 for the others.",
            False,
            ("state",),
            (((name, state), s.state == state) for name, s in snapshots.items() for state in get_args(StreamState)),
        )
        yield _family(
            "delay_seconds",
            "Time that recent frames spent in the engine and the encoder.",
            False,
            ("quantile",),
            (((name, q), value) for name, s in snapshots.items() for q, value in zip(_QUANTILES, s.delay, strict=True)),
        )
        yield _family(
            "queue_depth",
            "Items waiting in a queue.",
            False,
            ("queue",),
            (((name, queue), depth) for name, s in snapshots.items() for queue, depth in s.queue_depths.items()),
        )
        yield _family(
            "dropped_packets",
            "Packets lost by a sink because it lagged.",
            True,
            ("sink",),
            (
                ((name, sink), lost)
                for name, s in snapshots.items()
                for sink, lost in ({**self._drops(name), **s.drops}).items()
            ),
        )
        yield _family(
            "viewers",
            "Viewers, over all sinks.",
            False,
            (),
            (((name,), max(s.viewers, self._viewers(name))) for name, s in snapshots.items()),
        )


def registry(streams: Mapping[str, StreamOutput], viewers: Viewers, drops: Drops) -> CollectorRegistry:
    """A registry with the metrics of these streams and of this process only."""
    metrics = CollectorRegistry()
    metrics.register(StreamCollector(streams, viewers, drops))
    ProcessCollector(registry=metrics)
    return metrics


def exposition(metrics: CollectorRegistry) -> bytes:
    """The text of `/metrics`, of type `CONTENT_TYPE`."""
    return generate_latest(metrics)


def _family(
    name: str, text: str, counter: bool, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    kind = CounterMetricFamily if counter else GaugeMetricFamily
    family = kind(f"veilcast_{name}", text, labels=("stream", *labels))
    for label_values, value in values:
        family.add_metric(label_values, float(value))
    return family
