from __future__ import annotations

import itertools
import random

import pytest

from streamer.live.audio import AudioFormat, AudioPacket, LiveAudio
from streamer.live.clocks import AudioClock, PtsClock
from streamer.live.packet import CLOCK

FORMAT = AudioFormat("aac", 16_000, 1, True, b"")
LONG = 0.064


def sound(at: float, connection: int = 1, duration: float = LONG) -> LiveAudio:
    return LiveAudio(b"", at, duration, connection, FORMAT)


def stamps(packets: list[AudioPacket]) -> list[float]:
    return [packet.pts / CLOCK for packet in packets]


def test_sound_has_the_pts_of_the_picture_with_its_source_time() -> None:
    clock = AudioClock()
    clock.picture(1, 500.0, 7 * CLOCK)
    (packet,) = clock.add(sound(500.08))
    assert packet.pts == round(7.08 * CLOCK) and packet.duration == round(LONG * CLOCK)


def test_the_pictures_jitter_is_not_heard_and_their_drift_is_followed() -> None:
    pictures, clock, chance = PtsClock(), AudioClock(), random.Random(1)
    heard: list[AudioPacket] = []
    error = 0.0
    for n in range(3000):
        source = 1.0005 * n / 25  # half a millisecond a second fast
        pts = pictures.stamp(n / 25 + chance.uniform(0, 0.05), source)
        clock.picture(1, source, pts)
        while (at := len(heard) * LONG) <= source:
            (packet,) = clock.add(sound(at))
            heard.append(packet)
            error = max(error, abs(packet.pts / CLOCK - (pts / CLOCK + at - source)))
    steps = [b.pts - a.pts for a, b in itertools.pairwise(heard)]
    assert max(abs(step / CLOCK - LONG) for step in steps) < 0.003
    assert error < 0.03


def test_a_pause_of_the_sound_stays_a_pause() -> None:
    clock = AudioClock()
    clock.picture(1, 0.0, 0)
    heard = [*clock.add(sound(0.1)), *clock.add(sound(0.9))]
    assert stamps(heard) == pytest.approx([0.1, 0.9])


def test_sound_waits_for_the_first_picture_and_what_was_before_it_is_left_out() -> None:
    clock = AudioClock()
    assert clock.add(sound(9.9)) == clock.add(sound(10.1)) == clock.ready() == []
    clock.picture(1, 10.0, CLOCK)
    assert stamps(clock.ready()) == pytest.approx([1.1]) and clock.left_out == 1


def test_another_connection_is_another_clock() -> None:
    clock = AudioClock()
    clock.picture(1, 10.0, 0)
    assert len(clock.add(sound(10.1))) == 1
    assert clock.add(sound(77.1, 2)) == [], "its first picture is not there yet"
    clock.picture(2, 77.0, 3 * CLOCK)
    assert stamps(clock.ready()) == pytest.approx([3.1])
    assert clock.add(sound(10.2)) == [] and clock.left_out == 1


def test_without_pictures_there_is_no_sound() -> None:
    clock = AudioClock()
    clock.picture(1, 10.0, 0)
    clock.offline()
    assert clock.add(sound(10.5)) == clock.add(sound(12.05)) == []
    clock.picture(1, 12.0, 5 * CLOCK)
    assert stamps(clock.ready()) == pytest.approx([5.05]), "nothing of what was said meanwhile"


@pytest.mark.parametrize("at", [-20.0, 20.0, 1e9])
def test_senseless_time_stamps_are_left_out(at: float) -> None:
    clock = AudioClock()
    clock.picture(1, 0.0, 0)
    assert clock.add(sound(at)) == [] and clock.left_out == 1


def test_a_clock_that_goes_back_never_makes_pts_fall() -> None:
    clock = AudioClock()
    clock.picture(1, 10.0, 10 * CLOCK)
    heard = [packet for at in (10.0, 10.064, 10.01, 10.02, 10.128) for packet in clock.add(sound(at))]
    times = [packet.pts for packet in heard]
    assert times == sorted(set(times)) and len(times) >= 3


def test_what_waits_is_bounded() -> None:
    clock = AudioClock()
    for n in range(1000):
        clock.add(sound(n * LONG))
    assert clock.left_out == 700
    clock.picture(1, None, 0)
    assert clock.ready() == [], "pictures without a source time give sound none"
