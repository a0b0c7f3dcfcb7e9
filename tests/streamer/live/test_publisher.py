from __future__ import annotations

from fractions import Fraction

import pytest

from core.masked_frame import MaskedFrame
from streamer.live.encoder import EncoderError, LiveEncoder
from streamer.live.packet import VideoPacket
from streamer.live.publisher import Publisher
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.settings.encoder import LiveEncoderConfig
from tests.rigs.live.producing import masked

CONFIG = LiveEncoderConfig(preset="ultrafast")


class Moody(LiveEncoder):
    """Raises the errors in `moods`, in order; None means success."""

    moods: tuple[Exception | None, ...] = ()
    made: tuple[tuple[int, int, Fraction], ...] = ()

    def __init__(self, width: int, height: int, rate: Fraction, config: LiveEncoderConfig) -> None:
        super().__init__(width, height, rate, config)
        Moody.made += ((width, height, rate),)

    def encode(self, masked: MaskedFrame, pts: int, captured: float, *, key: bool = False) -> list[VideoPacket]:
        mood, Moody.moods = (Moody.moods[0], Moody.moods[1:]) if Moody.moods else (None, ())
        if mood is not None:
            raise mood
        return super().encode(masked, pts, captured, key=key)


@pytest.fixture
def output() -> StreamOutput:
    Moody.moods, Moody.made = (), ()
    return StreamOutput("door", lambda: Snapshot("door"))


@pytest.mark.parametrize("error", [EncoderError("injected"), ValueError("unforeseen"), KeyError("sps")])
def test_whatever_an_encoder_raises_it_is_replaced(
    error: Exception, output: StreamOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.live.publisher._RETRY", 0.0)
    told: list[str] = []
    publisher = Publisher(output, CONFIG, Moody, told.append)
    Moody.moods = (None, error)
    with output.packets.subscribe("x", 10) as packets, output.frames.subscribe("y", 10) as frames:
        done = [publisher.publish(masked(n, 64, 48), n * 3600, 0.0) for n in range(3)]
        assert done == [True, False, True] and publisher.errors == 1 and len(told) == 1
        assert len(packets) == 2 and len(Moody.made) == 2
        assert len(frames) == 3, "who encodes anew does not wait for this encoder"
        second = [packets.get(1), packets.get(1)][1]
        assert second is not None and second.keyframe


def test_a_failing_encoder_is_not_recreated_in_a_busy_loop(output: StreamOutput) -> None:
    def fail(width: int, height: int, rate: Fraction, config: LiveEncoderConfig) -> LiveEncoder:
        Moody.made += ((width, height, rate),)
        raise EncoderError("none to be had")

    publisher = Publisher(output, CONFIG, fail, lambda text: None)
    assert not any(publisher.publish(masked(n, 64, 48), n * 3600, 0.0) for n in range(50))
    assert len(Moody.made) <= 3


def test_rate(output: StreamOutput) -> None:
    Publisher(output, CONFIG, Moody, lambda text: None).publish(masked(0, 64, 48), 0, 0.0, Fraction(30000, 1001))
    assert Moody.made == ((64, 48, Fraction(30000, 1001)),)


def test_another_size_is_another_format(output: StreamOutput) -> None:
    publisher = Publisher(output, CONFIG, Moody, lambda text: None)
    assert publisher.publish(masked(0, 64, 48), 0, 0.0) and publisher.publish(masked(1, 96, 64), 3600, 0.0)
    assert output.format is not None and (output.format.width, output.format.height) == (96, 64)
