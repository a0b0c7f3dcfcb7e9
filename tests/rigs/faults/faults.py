"""The faults: how to cause and end each one, and how it must show up."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.rigs.camera.garbling_proxy import Faults
from tests.rigs.faults.judge import Judgement, Shown, missing
from tests.rigs.faults.rig import Rig

Act = Callable[[Rig], None]


@dataclass(frozen=True)
class Fault:
    """`begin` and `end` cause and end the fault; `lasts` is its range of durations in seconds.

    `proof` names a metric that must have grown, or None; `sink`: it must not touch the picture at all.
    """

    name: str
    begin: Act
    end: Act
    lasts: tuple[float, float]
    proof: str | None = None
    sink: bool = False
    injected: bool = False


def _detector(mood: str) -> Act:
    return lambda rig: rig.live.tell(f"detector {mood}")


def _encoder(mood: str) -> Act:
    return lambda rig: rig.live.tell(f"encoder {mood}")


def _starve(rig: Rig) -> None:
    rig.live.tell("detector starve")
    rig.burn(2 * (os.cpu_count() or 2))


def _feed(rig: Rig) -> None:
    rig.cool()
    rig.live.tell("detector ok")


def _garble(faults: Faults) -> Act:
    def act(rig: Rig) -> None:
        rig.proxy.faults = faults

    return act


def _resize(rig: Rig) -> None:
    rig.camera.restart(rig.footage.small)


def _back(rig: Rig) -> None:
    rig.camera.restart(rig.footage.large)


NOTICED: Final = 10.0
"""Seconds after its end within which a fault must show in the metrics."""

_BLANKET: Final = "frames_total{blanket}"
_SLATE: Final = "frames_total{slate}"
_CLEAN: Final = Faults()
_DETECTOR_FAULTS: Final = (
    Fault("detector-hangs", _detector("hang"), _detector("ok"), (1.5, 5), _BLANKET, injected=True),
    Fault("detector-raises", _detector("raise"), _detector("ok"), (1.0, 3), _BLANKET, injected=True),
    Fault("detector-dies", _detector("die"), _detector("ok"), (1.0, 4), _BLANKET, injected=True),
    Fault("detector-slow", _detector("slow"), _detector("ok"), (2.0, 4), _BLANKET, injected=True),
    Fault("detector-hogs", _detector("hog"), _detector("ok"), (2.0, 4), _BLANKET, injected=True),
    Fault("detector-starved", _starve, _feed, (2.0, 6), injected=True),
)
_ENCODER_FAULTS: Final = (
    Fault("encoder-raises", _encoder("raise"), _encoder("ok"), (0.3, 2), "encoder_errors_total", injected=True),
    Fault("encoder-slow", _encoder("slow"), _encoder("ok"), (1.0, 3), injected=True),
)
_CAMERA_FAULTS: Final = (
    Fault("camera-killed", lambda rig: rig.camera.kill(), lambda rig: rig.camera.start(), (0.5, 5), "reconnects_total"),
    Fault("camera-paused", lambda rig: rig.camera.pause(), lambda rig: rig.camera.resume(), (1.5, 8), _SLATE),
    Fault(
        "camera-stalled", lambda rig: rig.proxy.stalled.set(), lambda rig: rig.proxy.stalled.clear(), (1.5, 8), _SLATE
    ),
    Fault("camera-loses", _garble(Faults(lose=0.02)), _garble(_CLEAN), (1.5, 4), _BLANKET),
    Fault("camera-flips", _garble(Faults(flip=0.02)), _garble(_CLEAN), (1.5, 4)),
    Fault("camera-drops", _garble(Faults(drop=0.05)), _garble(_CLEAN), (1.5, 4)),
    Fault("camera-garbled", _garble(Faults(0.01, 0.05, 0.005)), _garble(_CLEAN), (1.5, 4), _BLANKET),
    Fault("camera-resized", _resize, _back, (3.0, 6), "reconnects_total"),
)
_SINK_FAULTS: Final = (
    Fault("disk-full", lambda rig: rig.disk.fill(rig.live.pid), lambda rig: rig.disk.free(rig.live.pid), (1.5, 4),
          "dropped_packets_total{recording}", sink=True),
    Fault("client-stalls", lambda rig: rig.stall_client(), lambda rig: rig.leave(), (2.0, 6), sink=True),
    Fault("push-dead", lambda rig: rig.push.kill(), lambda rig: rig.push.start(), (1.0, 4), sink=True),
)  # fmt: skip
FAULTS: Final = {f.name: f for f in (*_DETECTOR_FAULTS, *_ENCODER_FAULTS, *_CAMERA_FAULTS, *_SINK_FAULTS)}


@dataclass(frozen=True)
class Injection:
    """One fault that was there from `begun` to `ended`, seconds of `time.time()`; `settled` once all was well again.

    `proven`: the metric that tells of it has grown. `left_out` counts pictures that veilcast itself skipped meanwhile.
    """

    fault: Fault
    begun: float
    ended: float
    settled: float
    proven: bool
    left_out: float


def inject(rig: Rig, fault: Fault, seconds: float) -> Injection:
    """Cause it, wait, end it, and wait until pictures are masked face by face again."""
    before, begun = rig.live.metrics(), time.time()
    fault.begin(rig)
    time.sleep(seconds)
    fault.end(rig)
    ended = time.time()
    # What was seen before it was mended could still be on its way.
    time.sleep(0.5)
    rig.settle()

    def growth(name: str) -> float:
        return rig.live.metrics().get(name, 0.0) - before.get(name, 0.0)

    # A connection that broke may be noticed only now, and all look well until then.
    deadline = time.monotonic() + NOTICED
    while not (proven := fault.proof is None or growth(fault.proof) > 0) and time.monotonic() < deadline:
        time.sleep(0.1)
        rig.settle()
    return Injection(fault, begun, ended, time.time(), proven, growth("skipped_frames_total"))


def run(
    rig: Rig, faults: Sequence[Fault], rounds: int, chance: random.Random, *, brief: bool = False
) -> Iterator[Injection]:
    """Every fault so many times, in an order and for times that `chance` decides; if `brief`, as short as they are."""
    order = [fault for fault in faults for _ in range(rounds)]
    chance.shuffle(order)
    for fault in order:
        yield inject(rig, fault, fault.lasts[0] if brief else chance.uniform(*fault.lasts))


@dataclass(frozen=True)
class Outcome:
    """What clients got of one fault: seconds from its end to the first picture that is not masked whole, each time."""

    rounds: int
    proven: int
    pictures: int
    whole: int
    """Of them, masked whole or slates: they have no number."""
    recoveries: tuple[float, ...]
    lost: int
    """Pictures that the client missed though veilcast skipped none of them itself; counted for faults of sinks."""


def outcomes(injections: Sequence[Injection], judgement: Judgement, count: int) -> Mapping[str, Outcome]:
    """By fault; `count` is how many pictures the camera's loop has."""
    found: dict[str, Outcome] = {}
    for name in {injection.fault.name: None for injection in injections}:
        mine = [injection for injection in injections if injection.fault.name == name]
        windows = [[s for s in judgement.shown if i.begun <= s.arrived <= i.settled] for i in mine]
        found[name] = Outcome(
            len(mine),
            sum(i.proven for i in mine),
            sum(map(len, windows)),
            sum(s.number is None for window in windows for s in window),
            tuple(_recovery(judgement.shown, i) for i in mine),
            sum(max(0, round(missing(w, count) - i.left_out)) for w, i in zip(windows, mine, strict=True))
            if mine[0].fault.sink
            else 0,
        )
    return found


def _recovery(shown: Sequence[Shown], injection: Injection) -> float:
    # What is on its way from a camera of another size does not count: every fault ends with the large clip.
    first = next((s.arrived for s in shown if s.original == 0 and s.arrived > injection.ended), None)
    return float("inf") if first is None else first - injection.ended
