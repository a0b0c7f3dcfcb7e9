from __future__ import annotations

import itertools
import random

import pytest

from streamer.live.audio import AudioFormat, AudioPacket, LiveAudio
from streamer.live.clocks import AudioClock, PtsClock
from streamer.live.packet import CLOCK

FORMAT = AudioFormat("aac", 16_000, 1, True, b"")
LONG = 0.064


def live_audio(at: float, connection: int = 1, duration: float = LONG) -> LiveAudio:
    return LiveAudio(b"", at, duration, connection, FORMAT)


def stamps(packets: list[AudioPacket]) -> list[float]:
    return [packet.pts / CLOCK for packet in packets]


def test_audio_has_the_pts_of_the_picture_with_its_source_time() -> None:
    clock = AudioClock()
    clock.picture(1, 500.0, 7 * CLOCK)
    (packet,) = clock.add(live_audio(500.08))
    assert packet.pts == round(7.08 * CLOCK) and packet.duration == round(LONG * CLOCK)


def test_audio_ignores_jitter_of_the_pictures_and_follows_their_drift() -> None:
    pictures, clock, chance = PtsClock(), AudioClock(), random.Random(1)
    heard: list[AudioPacket] = []
    error = 0.0
    for n in range(3000):
        source = 1.0005 * n / 25  # half a millisecond a second fast
        pts = pictures.stamp(n / 25 + chance.uniform(0, 0.05), source)
        clock.picture(1, source, pts)
        while (at := len(heard) * LONG) <= source:
            (packet,) = clock.add(live_audio(at))
            heard.append(packet)
            error = max(error, abs(packet.pts / CLOCK - (pts / CLOCK + at - source)))
    steps = [b.pts - a.pts for a, b in itertools.pairwise(heard)]
    assert max(abs(step / CLOCK - LONG) for step in steps) < 0.003
    assert error < 0.03


def test_a_pause_in_the_audio_stays_a_pause() -> None:
    clock = AudioClock()
    clock.picture(1, 0.0, 0)
    heard = [*clock.add(live_audio(0.1)), *clock.add(live_audio(0.9))]
    assert stamps(heard) == pytest.approx([0.1, 0.9])


def test_audio_waits_for_the_first_picture_and_older_audio_is_dropped() -> None:
    clock = AudioClock()
    assert clock.add(live_audio(9.9)) == clock.add(live_audio(10.1)) == clock.ready() == []
    clock.picture(1, 10.0, CLOCK)
    assert stamps(clock.ready()) == pytest.approx([1.1]) and clock.dropped == 1


def test_another_connection_is_another_clock() -> None:
    clock = AudioClock()
    clock.picture(1, 10.0, 0)
    assert len(clock.add(live_audio(10.1))) == 1
    assert clock.add(live_audio(77.1, 2)) == [], "its first picture is not there yet"
    clock.picture(2, 77.0, 3 * CLOCK)
    assert stamps(clock.ready()) == pytest.approx([3.1])
    assert clock.add(live_audio(10.2)) == [] and clock.dropped == 1


def test_without_pictures_there_is_no_audio() -> None:
    clock = AudioClock()
    clock.picture(1, 10.0, 0)
    clock.offline()
    assert clock.add(live_audio(10.5)) == clock.add(live_audio(12.05)) == []
    clock.picture(1, 12.0, 5 * CLOCK)
    assert stamps(clock.ready()) == pytest.approx([5.05]), "nothing of what was said meanwhile"


@pytest.mark.parametrize("at", [-20.0, 20.0, 1e9])
def test_packets_with_senseless_timestamps_are_dropped(at: float) -> None:
    clock = AudioClock()
    clock.picture(1, 0.0, 0)
    assert clock.add(live_audio(at)) == [] and clock.dropped == 1


def test_a_clock_that_goes_back_never_makes_pts_fall() -> None:
    clock = AudioClock()
    clock.picture(1, 10.0, 10 * CLOCK)
    heard = [packet for at in (10.0, 10.064, 10.01, 10.02, 10.128) for packet in clock.add(live_audio(at))]
    times = [packet.pts for packet in heard]
    assert times == sorted(set(times)) and len(times) >= 3


def test_waiting_packets_are_bounded() -> None:
    clock = AudioClock()
    for n in range(1000):
        clock.add(live_audio(n * LONG))
    assert clock.dropped == 700
    clock.picture(1, None, 0)
    assert clock.ready() == [], "pictures without a source time give audio none"
