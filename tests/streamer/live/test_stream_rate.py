"""The frame rate that a published stream states."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from streamer.live.rtsp.sdp import describe
from tests.streamer.live.test_stream import RATE, running


@pytest.mark.parametrize(("said", "stamped"), [(Fraction(30000, 1001), True), (Fraction(30000, 1001), False)])
def test_the_encoder_gets_the_rate_stated_by_the_source(said: Fraction, stamped: bool) -> None:
    with running() as live:
        live.source.stamped = stamped
        live.source.status = replace(live.source.status, fps_in=0.0, rate=said)
        live.source.play(8)
        live.viewer.until(lambda: bool(live.viewer.packets))
        form = live.viewer.packets[0].format
        assert form.rate == said
        assert b"a=framerate:29.97\r\n" in describe("door", form, "127.0.0.1", 1, "video")


def test_the_encoder_gets_the_rate_of_the_timestamps_or_the_default() -> None:
    with running() as live:
        live.source.status = replace(live.source.status, fps_in=0.0)
        live.source.play(8)
        live.viewer.until(lambda: bool(live.viewer.packets))
        assert live.viewer.packets[0].format.rate == RATE
    with running() as live:
        live.source.stamped = False
        live.source.status = replace(live.source.status, fps_in=0.0)
        live.source.play(5)
        live.viewer.until(lambda: bool(live.viewer.packets))
        assert live.viewer.packets[0].format.rate == 25
