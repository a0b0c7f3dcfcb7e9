from __future__ import annotations

import pytest

from streamer.live.faults import MOST
from streamer.live.meter import WINDOW, Meter, Rate
from tests.rigs.live.producing import masked


def test_rate_forgets() -> None:
    now = 0.0
    rate = Rate(lambda: now)
    for _ in range(50):
        rate.count()
        now += 0.04
    assert rate.per_second() == pytest.approx(25, abs=1)
    now += 2 * WINDOW
    assert rate.per_second() == 0


def test_meter_counts() -> None:
    meter = Meter()
    assert meter.delay() == (0.0, 0.0)
    for n in range(100):
        meter.frame_in()
        meter.frame_out(masked(0, 64, 48), n / 1000, 0.05 if n >= 98 else 0.0)
    assert meter.frames_in == 100 and meter.frames == {"settled": 100} and meter.late == 2
    assert meter.delay() == pytest.approx((0.05, 0.095))
    assert (str(meter.state), meter.faces, meter.mask_age) == ("settled", 1, 0)
    meter.slate_out()
    assert (str(meter.state), meter.frames["slate"], meter.faces) == ("offline", 1, 0)


def test_the_same_error_is_reported_once() -> None:
    meter = Meter()
    for n in range(20):
        meter.error("same")
        meter.error(f"error {n}")
    texts = [fault.text for fault in meter.faults()]
    assert len(texts) == MOST and texts[-2:] == ["same", "error 19"]
