"""A camera that connects, disconnects, hangs and sends garbage; the source's thread survives all of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer.live.camera.camera import Camera, CameraStatus
from streamer.live.camera.connection import LivePicture
from streamer.live.camera.source_url import SourceUrlError
from streamer.settings.source import SourceConfig
from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.camera.frame_code import read
from tests.rigs.camera.garbling_proxy import Faults, GarblingProxy
from tests.rigs.camera.http_camera import hls_camera, mjpeg_camera
from tests.rigs.camera.rtsp_camera import RtspCamera, free_port

QUICK = SourceConfig(open_timeout=5, read_timeout=1)
LONG = 15.0  # seconds: a machine that is busy elsewhere


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    coded_clip(None, path, (320, 240), 25, frames=50)
    return path


class Opened:
    """A started camera; a context manager that closes it and checks that it stopped."""

    def __init__(self, url: str, config: SourceConfig = QUICK) -> None:
        self.camera = Camera("door", url, config)

    def __enter__(self) -> Opened:
        self.camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        began = time.monotonic()
        assert self.camera.close(5.0)
        assert time.monotonic() - began < 5
        assert self.camera.error is None
        assert "veilcast-camera-door" not in {thread.name for thread in threading.enumerate()}

    @property
    def status(self) -> CameraStatus:
        return self.camera.status

    def picture(self, wanted: Callable[[LivePicture], bool] = lambda _: True, timeout: float = LONG) -> LivePicture:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            picture = self.camera.get(0.2)
            if picture is not None and wanted(picture):
                return picture
        raise AssertionError(f"no such picture: {self.status}")

    def take(self, seconds: float) -> list[LivePicture]:
        end, taken = time.monotonic() + seconds, []
        while time.monotonic() < end:
            if (picture := self.camera.get(0.1)) is not None:
                taken.append(picture)
        return taken

    def wait(self, wanted: Callable[[CameraStatus], bool], timeout: float = LONG) -> float:
        """Seconds until the status is as wanted; consumes pictures meanwhile."""
        began = time.monotonic()
        while not wanted(self.status):
            assert time.monotonic() - began < timeout, self.status
            self.camera.get(0.05)
        return time.monotonic() - began


def number(picture: LivePicture) -> int | None:
    return read(np.asarray(picture.video.to_ndarray(format="gray"), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "offered"), [("tcp", "any"), ("udp", "any"), ("auto", "tcp"), ("auto", "udp")])
def test_transports(clip: Path, wanted: str, offered: str) -> None:
    with (
        RtspCamera(clip, transport="udp" if offered == "udp" else "tcp" if offered == "tcp" else "any") as source,
        Opened(source.url, SourceConfig.model_validate({"transport": wanted})) as opened,
    ):
        assert number(opened.picture()) == 0
        assert opened.picture().connection == 1
        opened.wait(lambda status: status.fps_in > 15)
        status = opened.status
        assert (status.connected, status.trouble, status.width, status.height) == (True, None, 320, 240)
        assert status.since <= time.time()


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_credentials(clip: Path, auth: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspCamera(clip, login="user:s3cret", auth="basic" if auth == "basic" else "digest") as source:
        with Opened(source.url) as opened:
            opened.picture()
            assert opened.camera.shown == source.plain_url.replace("//", "//***@")
        for wrong in (source.url.replace("s3cret", "gu3ss"), source.plain_url):
            with Opened(wrong) as opened:
                opened.wait(lambda status: status.trouble is not None)
                assert opened.status.trouble == "user name or password is wrong or missing (401)"
                assert not opened.status.connected
    assert "s3cret" not in caplog.text and "gu3ss" not in caplog.text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rtsp://u:s3cret@127.0.0.1:{port}/x", "nothing is listening"),
        ("http://u:s3cret@127.0.0.1:{port}/x", "nothing is listening"),
        ("rtsp://u:s3cret@no-such-host.invalid/x", "unknown host name: no-such-host.invalid"),
        ("/dev/video99", "no such file"),
        ("/no/such.mp4", "does not exist"),
    ],
)
def test_problems_are_named(url: str, said: str) -> None:
    with Opened(url.format(port=free_port())) as opened:
        opened.wait(lambda status: status.trouble is not None)
        assert said in str(opened.status.trouble)
        assert "s3cret" not in str(opened.status.trouble)


def test_a_wrong_path_is_named(clip: Path) -> None:
    with RtspCamera(clip) as source, Opened(source.url + "x") as opened:
        opened.wait(lambda status: status.trouble is not None)
        assert "404" in str(opened.status.trouble)


def test_an_invalid_address_is_refused_at_once() -> None:
    with pytest.raises(SourceUrlError):
        Camera("door", "rtmp://cam/x", QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_is_killed_and_returns_with_another_size(clip: Path, tmp_path: Path, transport: str) -> None:
    coded_clip(None, tmp_path / "other.mp4", (480, 272), 25, frames=30)
    config = SourceConfig.model_validate({"transport": transport, "read_timeout": 1})
    with RtspCamera(clip) as source, Opened(source.url, config) as opened:
        opened.picture()
        source.kill()
        opened.wait(lambda status: not status.connected)
        assert opened.status.trouble is not None
        opened.take(2.5)  # long enough for the waits to have grown
        source.restart(tmp_path / "other.mp4")
        began = time.monotonic()
        picture = opened.picture(lambda picture: picture.connection > 1)
        took = time.monotonic() - began
        assert (picture.video.width, picture.video.height) == (480, 272)
        assert picture.trusted and opened.status.reconnects == 1 and opened.status.trouble is None
        assert took < 3.0


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_connected_but_silent(clip: Path, transport: str) -> None:
    config = SourceConfig.model_validate({"transport": transport, "read_timeout": 1})
    with RtspCamera(clip) as source, Opened(source.url, config) as opened:
        opened.take(0.5)
        source.pause()
        assert 0.8 < opened.wait(lambda status: not status.connected) < 3
        assert opened.status.trouble == "nothing was sent for 1 s"
        source.resume()
        assert opened.picture(lambda picture: picture.connection > 1).connection > 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tcp", "udp", "mjpeg"])
def test_the_rest_of_a_picture_at_the_timeout_is_not_a_new_picture(kind: str, clip: Path) -> None:
    """At a read timeout FFmpeg returns what it has of the newest picture, a second after it arrived."""
    config = SourceConfig.model_validate({"transport": "auto" if kind == "mjpeg" else kind, "read_timeout": 1})
    with ExitStack() as stack:
        if kind == "mjpeg":
            url, silent = stack.enter_context(mjpeg_camera(clip))
            silence = silent.set
        else:
            source = stack.enter_context(RtspCamera(clip))
            url, silence = source.url, source.pause
        opened = stack.enter_context(Opened(url, config))
        opened.take(0.5)
        silence()
        opened.take(0.4)  # what was on its way
        seen = opened.status.pictures
        opened.wait(lambda status: not status.connected)
        assert opened.status.pictures == seen


@pytest.mark.slow
def test_the_resolution_changes_in_mid_stream(clip: Path, tmp_path: Path) -> None:
    """Like a camera whose settings were changed: new parameter sets on the same connection."""
    import av

    coded_clip(None, tmp_path / "b.mp4", (480, 272), 25, frames=25)
    with av.open(str(tmp_path / "both.h264"), "w", "h264") as target:
        stream = None
        for path in (clip, tmp_path / "b.mp4"):
            with av.open(str(path)) as part:
                stream = stream or target.add_stream_from_template(part.streams.video[0])
                for packet in part.demux(video=0):
                    if packet.size:
                        packet.stream = stream
                        target.mux(packet)
    with Opened(str(tmp_path / "both.h264")) as opened:
        seen = opened.take(4)
    sizes = [(p.video.width, p.video.height) for p in seen]
    assert {(320, 240), (480, 272)} == set(sizes) and {p.connection for p in seen} == {1}
    assert all(p.trusted for p in seen)


@pytest.mark.slow
def test_garbled_streams_harm_nobody(clip: Path) -> None:
    with RtspCamera(clip) as source, GarblingProxy(source.url) as proxy, Opened(proxy.url) as opened:
        opened.picture()
        proxy.faults = Faults(flip=0.2, lose=0.1)
        opened.wait(lambda status: status.untrusted > 5)
        proxy.faults = Faults(drop=0.3)
        opened.take(2)
        proxy.faults = Faults()
        proxy.cut()
        opened.picture(lambda picture: picture.trusted and number(picture) is not None)
        newest = opened.status.reconnects
        proxy.stalled.set()
        opened.wait(lambda status: not status.connected)
        proxy.stalled.clear()
        opened.picture(lambda picture: picture.connection > newest + 1)


@pytest.mark.slow
def test_mjpeg_over_http(clip: Path) -> None:
    with mjpeg_camera(clip) as (url, silent), Opened(url) as opened:
        taken = opened.take(2)
        numbers = [number(picture) for picture in taken]
        assert len(numbers) > 20 and None not in numbers
        assert {picture.source_time for picture in taken} == {None}, "JPEGs come without times"
        silent.set()
        opened.wait(lambda status: not status.connected)
        assert opened.status.trouble == "nothing was sent for 1 s"
        silent.clear()
        opened.picture(lambda picture: picture.connection > 1)


@pytest.mark.slow
def test_a_damaged_jpeg_is_dropped_and_the_next_ones_are_not_trusted(clip: Path) -> None:
    with mjpeg_camera(clip, hurt=20) as (url, _), Opened(url) as opened:
        taken = opened.take(2)
    trusted = [(number(picture), picture.trusted) for picture in taken[:45]]
    assert 20 not in [n for n, _ in trusted], "the decoder would have made it up"
    assert all(good for n, good in trusted if n is not None and n < 20)
    after = [good for n, good in trusted if n is not None and n > 20]
    assert not any(after[:10]) and any(after), "damage comes in bursts, and every picture is a key frame"


@pytest.mark.slow
def test_hls_is_played_at_its_own_pace(clip: Path, tmp_path: Path) -> None:
    with hls_camera(clip, tmp_path) as url, Opened(url) as opened:
        opened.picture()
        gaps = np.diff([picture.arrived for picture in opened.take(4)])
        assert len(gaps) > 50
        assert 0.02 < float(np.median(gaps)) < 0.08, "segments must not arrive as bursts"


@pytest.mark.slow
def test_a_file_is_played_once_at_its_own_pace(clip: Path) -> None:
    with Opened(str(clip)) as opened:
        seen = [opened.picture()]
        while (picture := opened.camera.get(1.0)) is not None:
            seen.append(picture)
        assert [number(picture) for picture in seen] == list(range(50))
        assert 1.8 < seen[-1].arrived - seen[0].arrived < 4
        assert opened.status.ended and not opened.status.connected and opened.status.trouble is None
        began = time.monotonic()
        assert opened.camera.get(5.0) is None and time.monotonic() - began < 1, "there is nothing to wait for"


@pytest.mark.slow
def test_a_looped_file_is_a_new_scene_every_time(clip: Path) -> None:
    with Opened(str(clip), SourceConfig(loop=True)) as opened:
        first = opened.picture()
        again = opened.picture(lambda picture: picture.connection == 2)
        assert (number(first), number(again)) == (0, 0)
        assert again.arrived - first.arrived > 1.8
        assert opened.status.connected and opened.status.reconnects == 0


def test_a_lagging_consumer_loses_the_oldest_pictures(clip: Path) -> None:
    with RtspCamera(clip) as source, Opened(source.url) as opened:
        opened.picture()
        began = time.monotonic()
        while opened.status.dropped < 10:
            assert time.monotonic() - began < LONG
            time.sleep(0.05)
        waiting = [opened.camera.get(0) for _ in range(3)]
        numbers = [number(picture) for picture in waiting if picture is not None]
        assert len(numbers) == 3 and all(n is not None and n >= 10 for n in numbers)


def test_closing_does_not_wait_for_a_server_that_says_nothing() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        for scheme in ("rtsp", "http"):
            url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x"
            with Opened(url, SourceConfig(open_timeout=60, read_timeout=60)) as opened:
                time.sleep(0.5)  # let it block
                began = time.monotonic()
                assert opened.camera.close(5.0)
                assert time.monotonic() - began < 3
                assert opened.camera.get(1.0) is None


def test_closing_does_not_wait_for_a_silent_camera(clip: Path) -> None:
    with RtspCamera(clip) as source, Opened(source.url, SourceConfig(read_timeout=60)) as opened:
        opened.picture()
        source.pause()
        opened.take(0.5)
        began = time.monotonic()
        assert opened.camera.close(5.0)
        assert time.monotonic() - began < 3
        source.resume()


def test_waiting_ends_with_the_camera() -> None:
    camera = Camera("door", f"rtsp://127.0.0.1:{free_port()}/x", QUICK)
    camera.start()
    timer = threading.Timer(0.3, camera.close)
    timer.start()
    began = time.monotonic()
    assert camera.get(30.0) is None
    assert time.monotonic() - began < 10
    timer.join()


def test_the_rate_that_a_camera_states(tmp_path: Path) -> None:
    clip, rate = tmp_path / "clip.mp4", Fraction(30000, 1001)
    coded_clip(None, clip, (320, 240), rate, frames=60)
    with RtspCamera(clip) as camera, Opened(camera.url) as opened:
        opened.picture()
        assert opened.status.rate == rate
    with mjpeg_camera(clip, 10) as (url, _), Opened(url) as opened:
        opened.picture()
        assert opened.status.rate is None, "FFmpeg makes 25 up"
