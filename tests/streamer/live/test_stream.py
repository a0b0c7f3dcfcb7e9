"""One live stream from pictures to packets, with a scripted source."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NoReturn

import av
import numpy as np
import numpy.typing as npt
import pytest

from core.config import EngineConfig, MaskConfig, ZoneConfig
from core.detect.detection import Detector
from core.frame import Frame
from core.live_anonymizer import LiveAnonymizer
from core.masked_frame import MaskedFrame
from core.pictures.orientation import UPRIGHT, Orientation
from streamer.live.camera.camera import CameraStatus
from streamer.live.camera.connection import LivePicture
from streamer.live.encoder import EncoderError, LiveEncoder
from streamer.live.fanout import ClosedError
from streamer.live.packet import VideoPacket
from streamer.live.stream import LiveStream
from streamer.settings.encoder import LiveEncoderConfig
from tests.rigs.fakes import HangingDetector, ScriptedDetector, engine_config
from tests.rigs.live.producing import number_of, picture

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 320, 240
RATE = 25
WAIT = 20.0
Picture = npt.NDArray[np.uint8]


class FakeSource:
    """Plays numbered pictures in real time while `playing`; the test injects its faults."""

    def __init__(self) -> None:
        self.status = CameraStatus(connected=True, since=time.time(), fps_in=RATE)
        self._queue: queue.Queue[LivePicture] = queue.Queue(50)
        self.connection = 0
        self.number = 0
        self.stamped = True

    def get(self, timeout: float) -> LivePicture | None:
        try:
            return self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    def send(
        self, trusted: bool = True, size: tuple[int, int] = (WIDTH, HEIGHT), orientation: Orientation = UPRIGHT
    ) -> None:
        video = av.VideoFrame.from_ndarray(picture(self.number, *size), "bgr24").reformat(format="yuv420p")
        stamp = self.number / RATE if self.stamped else None
        self._queue.put(
            LivePicture(video, time.monotonic(), trusted, self.connection, orientation, stamp), timeout=WAIT
        )
        self.number += 1

    def play(
        self,
        count: int,
        *,
        trusted: bool = True,
        size: tuple[int, int] = (WIDTH, HEIGHT),
        orientation: Orientation = UPRIGHT,
    ) -> None:
        for _ in range(count):
            self.send(trusted, size, orientation)
            time.sleep(1 / RATE)  # the pace of a camera

    def leave(self) -> None:
        self.status = replace(self.status, connected=False, since=time.time(), trouble="gone")

    def come_back(self) -> None:
        self.connection += 1
        self.status = replace(self.status, connected=True, since=time.time(), trouble=None)


class Viewer:
    """Decodes the published stream in a thread."""

    def __init__(self, stream: LiveStream) -> None:
        self.pictures: list[Picture] = []
        self.packets: list[VideoPacket] = []
        self._subscription = stream.output.packets.subscribe("viewer", 500)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        decoder = av.CodecContext.create("h264", "r")
        assert isinstance(decoder, av.VideoCodecContext)
        while True:
            try:
                packet = self._subscription.get(0.2)
            except ClosedError:
                return
            if packet is not None:
                self.packets.append(packet)
                # A decoder holds one picture back unless it is told that the access unit is over.
                frames = decoder.decode(av.Packet(packet.data + b"\0\0\0\1\x09\xf0"))
                self.pictures += [frame.to_ndarray(format="bgr24").astype("u1") for frame in frames]

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self) -> None:
        self._thread.join(WAIT)
        assert not self._thread.is_alive()


@dataclass(frozen=True)
class Running:
    stream: LiveStream
    source: FakeSource
    viewer: Viewer


def config(**timeline: float) -> EngineConfig:
    return engine_config(
        timeline={"look_ahead": 0.2, "max_mask_age": 0.5, "detector_timeout": 3, **timeline},
        mask={"style": "solid", "color": (255, 0, 0), "soft_edge": 0.0},
    )


@contextmanager
def running(
    make_detector: Callable[[], Detector] = ScriptedDetector,
    settings: EngineConfig | None = None,
    make_encoder: Callable[[int, int, Fraction, LiveEncoderConfig], LiveEncoder] = LiveEncoder,
) -> Iterator[Running]:
    source = FakeSource()
    encoding = LiveEncoderConfig(preset="ultrafast", crf=10)
    stream = LiveStream("door", source, settings or config(), encoding, "rtsp://camera", make_detector, make_encoder)
    viewer = Viewer(stream)
    stream.start()
    try:
        yield Running(stream, source, viewer)
    finally:
        assert stream.close(WAIT)
        viewer.end()
        assert stream.error is None
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("veilcast")]


def is_blanket(shown: Picture) -> bool:
    """Whether the whole picture has the mask colour, red, allowing for coding artefacts."""
    blue, green, red = shown.reshape(-1, 3).astype(int).T
    return bool((red > 200).all() and (blue < 60).all() and (green < 60).all())


def test_pictures_come_out_masked_in_order_after_the_look_ahead() -> None:
    with running(lambda: ScriptedDetector(then="face")) as live:
        live.source.play(60)
        live.viewer.until(lambda: len(live.viewer.pictures) >= 58)
        snapshot = live.stream.snapshot()
        shown = list(live.viewer.pictures)
    clear = [p for p in shown if not is_blanket(p)]
    assert 20 < len(clear) < 60, "blanket before the first verdict, then faces only"
    numbers = [number_of(p) for p in clear]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    # 20..40 of a detector's picture 64 px wide is 100..200 here.
    assert all((p[130:160, 140:160, 2] > 200).all() and (p[130:160, 140:160, 0] < 60).all() for p in clear)
    assert not any((p[:8, 200:, 2] > 200).all() for p in clear)
    assert (
        snapshot.state in ("settled", "held")
        and snapshot.faces == 1
        and (snapshot.width, snapshot.height) == (320, 240)
    )
    assert snapshot.frames_in == 60 and 0.19 < snapshot.delay[0] < 0.5
    stamps = [packet.pts for packet in live.viewer.packets]
    assert stamps == sorted(set(stamps))


def test_pictures_that_arrive_in_a_burst_keep_the_cameras_spacing() -> None:
    gate = threading.Event()
    detectors: list[HangingDetector] = []

    def make() -> HangingDetector:
        detectors.append(HangingDetector(["face"] * 99, 99, gate))
        return detectors[-1]

    with running(make, config(detector_timeout=60)) as live:
        live.source.play(15)
        live.viewer.until(lambda: any(not is_blanket(p) for p in live.viewer.pictures))
        time.sleep(11 / RATE)  # the network holds them back
        detectors[0].hang_at = detectors[0].calls + 1
        with live.stream.output.frames.subscribe("ages", 99) as masked:
            for _ in range(11):
                live.source.send()
            live.viewer.until(lambda: len(masked) >= 11)
            ages = [frame.mask_age for _ in range(11) if (frame := masked.get_nowait()) is not None]
        gate.set()
    assert max(ages) > 7 / RATE, "by the clock on the wall hardly any time has passed"


def test_pictures_that_the_decoder_made_up_are_blanket() -> None:
    with running(lambda: ScriptedDetector(then="face")) as live:
        live.source.play(30)
        live.viewer.until(lambda: any(not is_blanket(p) for p in live.viewer.pictures))
        seen = len(live.viewer.pictures)
        live.source.play(10, trusted=False)
        live.viewer.until(lambda: len(live.viewer.pictures) >= seen + 5 + 9)
        assert live.stream.snapshot().frames["blanket"] >= 9
    assert all(is_blanket(p) for p in live.viewer.pictures[-8:])


def test_an_offline_source_gets_a_slate_and_no_old_masks_when_it_returns() -> None:
    with running(lambda: ScriptedDetector(["face"] * 12)) as live:
        live.source.play(30)
        live.source.leave()
        live.viewer.until(lambda: live.stream.snapshot().state == "offline")
        offline = live.stream.snapshot()
        assert offline.offline_since is not None and "gone" in offline.errors
        count = len(live.viewer.pictures)
        live.viewer.until(lambda: len(live.viewer.pictures) > count + 5)
        slate = live.viewer.pictures[-1]
        assert slate[:80].std() < 3 and slate.max() > 120, "grey with words on it"
        live.source.come_back()
        live.source.play(30)
        live.viewer.until(lambda: live.stream.snapshot().state == "settled")
        assert live.stream.snapshot().offline_since is None
    stamps = [packet.pts for packet in live.viewer.packets]
    assert stamps == sorted(set(stamps))


def test_a_source_that_goes_silent_but_stays_connected_is_offline_since_its_last_picture() -> None:
    with running() as live:
        live.source.play(10)
        silent = time.time()
        live.viewer.until(lambda: live.stream.snapshot().state == "offline")
        count = len(live.viewer.pictures)
        live.viewer.until(lambda: len(live.viewer.pictures) > count + 5)
        offline = live.stream.snapshot()
        assert offline.offline_since is not None and silent - 1 < offline.offline_since < silent + 0.5, (
            "and it does not move"
        )
        live.source.play(30)
        live.viewer.until(lambda: live.stream.snapshot().state == "settled")
        assert live.stream.snapshot().offline_since is None


def test_before_the_first_picture_a_slate_is_shown_and_its_size_is_kept() -> None:
    with running() as live:
        live.source.leave()
        live.viewer.until(lambda: bool(live.viewer.packets))
        assert (live.viewer.packets[0].format.width, live.viewer.packets[0].format.height) == (1280, 720)
        live.source.come_back()
        live.source.play(20)
        live.viewer.until(lambda: live.viewer.packets[-1].format.width == WIDTH)
        first = next(packet for packet in live.viewer.packets if packet.format.width == WIDTH)
        assert first.keyframe


def test_another_size_is_scaled_to_the_first() -> None:
    with running() as live:
        live.source.play(15)
        live.source.come_back()
        live.source.play(20, size=(640, 400))
        live.viewer.until(lambda: len(live.viewer.pictures) >= 34)
    assert {p.shape for p in live.viewer.pictures} == {(HEIGHT, WIDTH, 3)}


def test_an_encoder_that_fails_is_replaced_and_nothing_raw_is_shown() -> None:
    made: list[LiveEncoder] = []

    class Failing(LiveEncoder):
        def __init__(self, width: int, height: int, rate: Fraction, config: LiveEncoderConfig) -> None:
            super().__init__(width, height, rate, config)
            self.left = 5
            made.append(self)

        def encode(self, masked: MaskedFrame, pts: int, captured: float, *, key: bool = False) -> list[VideoPacket]:
            self.left -= 1
            if self.left < 0 and len(made) < 4:
                raise EncoderError("injected")
            return super().encode(masked, pts, captured, key=key)

    with running(lambda: ScriptedDetector(then="face"), make_encoder=Failing) as live:
        live.source.play(80)
        live.viewer.until(lambda: live.stream.snapshot().encoder_errors == 3)
        live.viewer.until(lambda: len(live.viewer.packets) > 25)
        assert "the encoder failed: EncoderError: injected" in live.stream.snapshot().errors
    assert len(made) == 4
    assert all(is_blanket(p) or (p[130:160, 140:160, 2] > 200).all() for p in live.viewer.pictures)


def test_a_detector_that_hangs_makes_everything_blanket() -> None:
    gate = threading.Event()
    with running(lambda: HangingDetector(["face"] * 9, 5, gate), config(detector_timeout=60)) as live:
        live.source.play(60)
        live.viewer.until(lambda: live.stream.snapshot().state == "blanket" and len(live.viewer.pictures) > 50)
        gate.set()
    assert is_blanket(live.viewer.pictures[-1])


def test_masks_and_zones_are_changed_without_a_gap() -> None:
    everything = ZoneConfig(points=((0, 0), (1, 0), (1, 1), (0, 1)))
    with running() as live:
        live.source.play(30)
        live.stream.repaint(MaskConfig(style="solid", color=(255, 0, 0)), [everything])
        live.source.play(20)
        live.viewer.until(lambda: len(live.viewer.pictures) >= 49)
    assert is_blanket(live.viewer.pictures[-1])


def test_only_the_newest_of_many_mask_changes_is_applied() -> None:
    everything = ZoneConfig(points=((0, 0), (1, 0), (1, 1), (0, 1)))
    with running() as live:
        for _ in range(20):
            live.stream.repaint(MaskConfig(), [])
        live.stream.repaint(MaskConfig(style="solid", color=(255, 0, 0)), [everything])
        live.source.play(20)
        live.viewer.until(lambda: len(live.viewer.pictures) >= 19)
    assert is_blanket(live.viewer.pictures[-1])


def test_a_masker_that_always_fails_shows_nothing_and_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise ValueError("injected")

    monkeypatch.setattr("core.paint.masker.Masker.mask", fail)
    with running() as live:
        live.source.play(60)
        live.viewer.until(lambda: live.stream.snapshot().frames_in >= 55)
        assert live.stream.snapshot().queue_depths["timeline"] <= 20
        assert not live.viewer.pictures
        assert any("injected" in error for error in live.stream.snapshot().errors)


def test_a_picture_that_cannot_be_processed_is_skipped() -> None:
    with running() as live:
        live.source.play(10)
        bad = av.VideoFrame(0, 0, "yuv420p")
        live.source._queue.put(LivePicture(bad, time.monotonic(), True, 0, UPRIGHT, None))
        live.source.play(15)
        live.viewer.until(lambda: len(live.viewer.pictures) >= 24)
        assert any("was skipped" in error for error in live.stream.snapshot().errors)


@pytest.mark.parametrize("change", ["connection", "size", "turn"])
def test_a_new_shot_is_a_cut_even_if_its_first_picture_fails(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[bool] = []
    push = LiveAnonymizer.push
    fail_at = 3

    def watched(engine: LiveAnonymizer, frame: Frame, now: float, *, cut: bool = False) -> None:
        cuts.append(cut)
        if len(cuts) == fail_at + 1:
            raise ValueError("injected")
        push(engine, frame, now, cut=cut)

    monkeypatch.setattr(LiveAnonymizer, "push", watched)
    with running() as live:
        live.source.play(fail_at)
        if change == "connection":
            live.source.connection += 1
        size = (400, 240) if change == "size" else (WIDTH, HEIGHT)
        live.source.play(3, size=size, orientation=Orientation(180 if change == "turn" else 0))
        live.viewer.until(lambda: len(cuts) == fail_at + 3)
    assert cuts == [False] * fail_at + [True, True, False]


def test_the_end_of_a_file_ends_the_stream_with_all_its_frames() -> None:
    with running() as live:
        live.source.play(20)
        live.source.status = replace(live.source.status, connected=False, ended=True)
        live.viewer.until(lambda: live.stream.ended)
        assert sum(live.stream.snapshot().frames.values()) == 20


@pytest.mark.parametrize("look_ahead", [0.0, 0.5])
def test_look_ahead_is_the_delay(look_ahead: float) -> None:
    with running(lambda: ScriptedDetector(then="face"), config(look_ahead=look_ahead)) as live:
        live.source.play(40)
        live.viewer.until(lambda: len(live.viewer.packets) >= 38)
        assert look_ahead <= live.stream.snapshot().delay[0] < look_ahead + 0.2
