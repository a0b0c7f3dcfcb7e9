"""One connection against real servers: trust, timestamps, picture format."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError

from streamer.live.camera.connection import LivePicture, LiveSource, SourceError
from streamer.live.camera.source_url import parse_source
from streamer.media.convert import to_published
from streamer.media.h264 import nal_units
from streamer.runtime.ffmpeg_interrupt import interruptible
from streamer.runtime.ffmpeg_log import capture, listen
from streamer.settings.source import SourceConfig
from tests.rigs import faces
from tests.rigs.camera.coded_clip import Bgr, coded_clip
from tests.rigs.camera.frame_code import read
from tests.rigs.camera.garbling_proxy import Faults, GarblingProxy
from tests.rigs.camera.rtsp_camera import RtspCamera

QUICK = SourceConfig(open_timeout=5, read_timeout=1)
DIFFERENT = 12.0  # grey levels, mean of a block: what coding never does to a picture


@dataclass(frozen=True)
class Clip:
    path: Path
    clean: list[Bgr]


def make(path: Path, size: tuple[int, int]) -> Clip:
    coded_clip(faces.panned().pictures + faces.turned().pictures, path, size, 25, key_interval=20)
    with av.open(str(path)) as container:
        return Clip(path, [np.asarray(f.to_ndarray(format="gray"), np.uint8) for f in container.decode(video=0)])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return make(tmp_path_factory.mktemp("clip") / "faces.mp4", (640, 480))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Pictures so small that a lost RTP packet is a lost picture, which the decoder does not notice."""
    return make(tmp_path_factory.mktemp("clip") / "small.mp4", (320, 240))


def open_source(url: str, config: SourceConfig = QUICK) -> LiveSource:
    return LiveSource(parse_source(url), config, threading.Event())


def pictures(url: str, seconds: float, config: SourceConfig = QUICK) -> list[LivePicture]:
    """The pictures received in that time. gst-rtsp-server is sometimes silent from the start; then retry."""
    for _ in range(3):
        with ExitStack() as opened:
            try:
                source = iter(opened.enter_context(open_source(url, config)))
                first = next(source)
            except SourceError:
                continue
            seen, end = [first], time.monotonic() + seconds
            while time.monotonic() < end and (picture := next(source, None)) is not None:
                seen.append(picture)
            return seen
    raise AssertionError("no picture in three connections")


def grey(picture: LivePicture) -> Bgr:
    return np.asarray(picture.video.to_ndarray(format="gray"), np.uint8)


def spoilt(picture: LivePicture, clip: Clip) -> bool:
    """Whether a block of the picture differs from the clean one."""
    shown = grey(picture)
    number = read(shown)
    if number is None or number >= len(clip.clean):
        return True
    height, width = shown.shape
    apart = np.abs(shown.astype(np.int16) - clip.clean[number])
    return float(apart.reshape(height // 20, 20, width // 20, 20).mean((1, 3)).max()) > DIFFERENT


def judge(seen: list[LivePicture], clip: Clip) -> tuple[int, int, int]:
    """Counts of spoilt pictures, of spoilt ones that were trusted, and of intact ones that were trusted."""
    bad = [spoilt(picture, clip) for picture in seen]
    trusted = [picture.trusted for picture in seen]
    return (
        sum(bad),
        sum(b and t for b, t in zip(bad, trusted, strict=True)),
        sum(t and not b for b, t in zip(bad, trusted, strict=True)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_clean_stream_is_trusted_from_its_first_picture_on(clip: Clip, transport: str) -> None:
    config = SourceConfig.model_validate({"transport": transport})
    with RtspCamera(clip.path) as camera:
        seen = pictures(camera.url, 3, config)
    assert len(seen) > 50
    assert [read(grey(p)) for p in seen[:50]] == list(range(50))
    assert judge(seen, clip) == (0, 0, len(seen))
    times = [p.source_time for p in seen[2:50] if p.source_time is not None]
    assert len(times) == 48 and times[-1] - times[0] == pytest.approx(47 / 25, abs=0.3)
    assert all(b > a for a, b in itertools.pairwise(times))


@pytest.mark.slow
def test_pictures_do_not_wait_in_the_decoder(clip: Clip) -> None:
    with RtspCamera(clip.path, rate=2) as camera, open_source(camera.url) as source:
        opened = time.monotonic()
        first = next(iter(source))
    assert read(grey(first)) == 0
    # The parser waits for the next picture's first byte, half a second here; frame threads would add another second.
    assert first.arrived - opened < 1.1


@pytest.mark.slow
def test_flipped_bits_are_marked_by_the_decoder(clip: Clip) -> None:
    faults = Faults(flip=0.02)  # nothing is missing, so that nobody but the decoder can tell
    with RtspCamera(clip.path) as camera, GarblingProxy(camera.url, faults=faults) as proxy:
        seen = pictures(proxy.url, 4, SourceConfig(transport="tcp"))
    bad, leaked, _ = judge(seen, clip)
    # A bit may turn one valid picture into another; few do, and they differ little.
    assert bad > 20 and leaked < 0.1 * bad


@pytest.mark.slow
def test_udp_loss_is_never_trusted(small: Clip) -> None:
    with RtspCamera(small.path, loss=0.03, transport="udp") as camera:
        seen = pictures(camera.url, 5, SourceConfig(transport="udp"))
    bad, leaked, good = judge(seen, small)
    assert bad >= 5, "the loss did no harm: nothing was tried"
    assert leaked == 0
    assert good > 0, "trust never came back"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["clip", "small"])
def test_rtp_packets_that_a_sender_drops_over_tcp_are_noticed(which: str, request: pytest.FixtureRequest) -> None:
    clip: Clip = request.getfixturevalue(which)
    with RtspCamera(clip.path) as camera, GarblingProxy(camera.url, faults=Faults(lose=0.01)) as proxy:
        seen = pictures(proxy.url, 5, SourceConfig(transport="tcp"))
        assert proxy.lost > 0
    bad, leaked, good = judge(seen, clip)
    assert bad > 0 and leaked == 0 and good > 0


def test_a_picture_that_is_missing_from_the_stream_itself_is_noticed(small: Clip, tmp_path: Path) -> None:
    """A relay that lost a picture numbers its packets without a gap; only frame_num shows the loss."""
    path = tmp_path / "gap.h264"
    with av.open(str(small.path)) as source, av.open(str(path), "w", "h264") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number != 7:
                packet.stream = stream
                target.mux(packet)
    with open_source(str(path)) as live:
        trust = [picture.trusted for picture in live]
    assert trust[:7] == [True] * 7 and not any(trust[7:19]) and all(trust[20:])


def test_a_missing_slice_is_marked_by_the_decoder(tmp_path: Path) -> None:
    """With slice threads it would not be: they switch off error concealment."""
    options = {"x264-params": "slices=4:repeat-headers=1"}
    coded_clip(faces.panned().pictures[:30], tmp_path / "whole.mp4", (640, 480), key_interval=20, options=options)
    path, at = tmp_path / "holed.h264", 7
    with av.open(str(tmp_path / "whole.mp4")) as source, path.open("wb") as target:
        to_annex_b = BitStreamFilterContext("h264_mp4toannexb", source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            for unit in to_annex_b.filter(packet if packet.size else None):
                units = nal_units(bytes(unit))
                target.write(b"".join(b"\0\0\1" + u for u in (units[:1] + units[2:] if number == at else units)))
    with open_source(str(path)) as live:
        trust = [picture.trusted for picture in live]
    assert trust[:at] == [True] * at and not any(trust[at:20]) and all(trust[20:])


def test_a_stream_joined_between_key_frames_is_not_trusted_before_one(small: Clip, tmp_path: Path) -> None:
    path = tmp_path / "tail.h264"
    with av.open(str(small.path)) as source, av.open(str(path), "w", "h264") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number >= 8:
                packet.stream = stream
                target.mux(packet)
    with open_source(str(path)) as live:
        seen = list(live)
    assert judge(seen, small)[1] == 0
    assert read(grey(next(p for p in seen if p.trusted))) == 20


def rgb_clip(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "bgr0"
        for number in range(3):
            bgra = np.zeros((240, 320, 4), np.uint8)
            bgra[:, :, 2] = 200
            frame = av.VideoFrame.from_ndarray(bgra, "bgra").reformat(format="bgr0")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_other_pixel_formats_keep_their_time_and_colour_when_converted(tmp_path: Path) -> None:
    rgb_clip(tmp_path / "rgb.mkv")
    with open_source(str(tmp_path / "rgb.mkv")) as source:
        seen = list(source)
    assert [picture.source_time for picture in seen] == pytest.approx([0, 0.04, 0.08], abs=0.001)
    video = to_published(seen[0].video, (320, 240))
    assert video.format.name == "yuv420p"
    red = video.to_ndarray(format="rgb24")[100, 100]
    assert red == pytest.approx([200, 0, 0], abs=4)


def test_rotated_video_has_its_orientation(tmp_path: Path) -> None:
    matrix = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    faces.write(tmp_path / "turned.mp4", faces.panned().pictures[:3], matrix)
    with open_source(str(tmp_path / "turned.mp4")) as source:
        assert {picture.orientation.turn for picture in source} == {90}


@pytest.mark.parametrize(
    ("content", "said"), [(None, "does not exist"), (b"", "is empty"), (b"hello\n" * 9, "text file")]
)
def test_files_that_are_not_videos(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=said):
        open_source(str(tmp_path / "x.mp4"))


def test_ffmpegs_log_is_silent_and_does_not_hide_a_second_loss(capfd: pytest.CaptureFixture[str]) -> None:
    listen()
    with capture() as said:
        for _ in range(2):
            av.logging.log(av.logging.WARNING, "rtsp", "RTP: missed 1 packets\n")
    assert len(said) == 2
    av.logging.log(av.logging.ERROR, "rtsp", "rtsp://user:s3cret@cam/ failed\n")
    out, err = capfd.readouterr()
    assert not out + err


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"rtsp://user:s3cret@127.0.0.1:{server.getsockname()[1]}/x"


def test_opening_times_out(mute: str) -> None:
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"no answer for 0\.5 s") as caught:
        open_source(mute, SourceConfig(open_timeout=0.5))
    assert time.monotonic() - began < 5
    assert "s3cret" not in repr(caught.value) and caught.value.__suppress_context__


@pytest.mark.slow
def test_a_camera_that_answers_but_sends_nothing_times_out(small: Clip) -> None:
    config = SourceConfig(transport="tcp", open_timeout=1.5, read_timeout=30)
    with RtspCamera(small.path) as camera, GarblingProxy(camera.url, faults=Faults(lose=1.0)) as proxy:
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"it answers but sent nothing for 1\.5 s"):
            open_source(proxy.url, config)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("before", [True, False])
def test_a_blocked_call_can_be_interrupted(mute: str, before: bool) -> None:
    interrupt = threading.Event()
    timer = threading.Timer(0 if before else 0.3, interrupt.set)
    timer.start()
    if before:
        timer.join()
    began = time.monotonic()
    with interruptible(interrupt), pytest.raises(FFmpegError):
        av.open(mute, timeout=(60, 60))
    assert time.monotonic() - began < 5
    timer.join()
