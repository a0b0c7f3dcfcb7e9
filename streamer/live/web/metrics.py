"""What the streams are doing, as Prometheus reads it."""

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
    _Plain("input_frames_per_second", "Pictures from the source, lately.", lambda s: s.fps_in, counter=False),
    _Plain("output_frames_per_second", "Pictures published, lately.", lambda s: s.fps_out, counter=False),
    _Plain("width_pixels", "Width of the published picture.", lambda s: s.width, counter=False),
    _Plain("height_pixels", "Height of the published picture.", lambda s: s.height, counter=False),
    _Plain("faces", "Faces masked on the newest picture.", lambda s: s.faces, counter=False),
    _Plain(
        "mask_age_seconds",
        "From the newest detector verdict to the newest picture.",
        lambda s: s.mask_age,
        counter=False,
    ),
    _Plain("input_frames", "Pictures from the source.", lambda s: s.frames_in),
    _Plain("late_frames", "Pictures published more than 40 ms after their deadline.", lambda s: s.frames_late),
    _Plain("skipped_frames", "Pictures left out because the machine did not keep up.", lambda s: s.frames_skipped),
    _Plain("samples", "Pictures that the detector was given.", lambda s: s.samples),
    _Plain("failed_samples", "Pictures on which the detector failed.", lambda s: s.samples_failed),
    _Plain("skipped_samples", "Pictures that the detector had no time for.", lambda s: s.samples_skipped),
    _Plain("reconnects", "Times that the source was opened anew.", lambda s: s.reconnects),
    _Plain("encoder_errors", "Failures of the encoder.", lambda s: s.encoder_errors),
)


class StreamCollector(Collector):
    """Reads every stream's snapshot when it is asked. No label holds an address or a credential."""

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
            "Pictures published, by how they were covered.",
            True,
            ("cover",),
            (((name, cover), count) for name, s in snapshots.items() for cover, count in s.frames.items()),
        )
        yield _family(
            "state",
            "1 for what the newest picture is, 0 for what it is not.",
            False,
            ("state",),
            (((name, state), s.state == state) for name, s in snapshots.items() for state in get_args(StreamState)),
        )
        yield _family(
            "delay_seconds",
            "Time that pictures spent in the engine and the encoder, lately.",
            False,
            ("quantile",),
            (((name, q), value) for name, s in snapshots.items() for q, value in zip(_QUANTILES, s.delay, strict=True)),
        )
        yield _family(
            "queue_depth",
            "Items that wait in a queue.",
            False,
            ("queue",),
            (((name, queue), depth) for name, s in snapshots.items() for queue, depth in s.queue_depths.items()),
        )
        yield _family(
            "dropped_packets",
            "Packets that a sink lost because it lagged.",
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
            "Who is watching, over all sinks.",
            False,
            (),
            (((name,), max(s.viewers, self._viewers(name))) for name, s in snapshots.items()),
        )


def registry(streams: Mapping[str, StreamOutput], viewers: Viewers, drops: Drops) -> CollectorRegistry:
    """The metrics of these streams and of this process, and nothing from other registries."""
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
