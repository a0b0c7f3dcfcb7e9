"""HTTP cameras: MJPEG as an endless multipart answer, and a folder (HLS) as ffmpeg writes it."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext

from core.owned_thread import OwnedThread


def jpegs(clip: Path, count: int = 50) -> list[bytes]:
    """The first pictures of a clip as JPEG."""
    out: list[bytes] = []
    encoder: VideoCodecContext | None = None
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            if encoder is None:
                made = CodecContext.create("mjpeg", "w")
                assert isinstance(made, VideoCodecContext) and frame.time_base is not None
                encoder = made
                encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
                encoder.time_base, encoder.options = frame.time_base, {"q:v": "3"}
            picture = frame.reformat(format="yuvj420p", threads=1)
            picture.pts, picture.time_base = frame.pts, frame.time_base
            out += [bytes(packet) for packet in encoder.encode(picture)]
            if len(out) >= count:
                break
    return out


class _Mjpeg(http.server.BaseHTTPRequestHandler):
    pictures: list[bytes] = []  # noqa: RUF012 - set by the subclass that a server makes
    rate = 25.0
    silent = threading.Event()
    over = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        try:
            while not self.over.wait(1 / self.rate):
                if self.silent.is_set():
                    continue
                data = self.pictures[number % len(self.pictures)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                number += 1
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        return


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def served(
    handler: type[http.server.BaseHTTPRequestHandler] | functools.partial[_Files],
) -> Iterator[int]:
    """The port of a server on 127.0.0.1 whose requests `handler` answers."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = OwnedThread("veilcast-test-http", lambda: server.serve_forever(0.05))
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.close()


@contextmanager
def mjpeg_camera(clip: Path, rate: float = 25.0, hurt: int | None = None) -> Iterator[tuple[str, threading.Event]]:
    """The address, and an event that silences the camera without closing anything. Picture `hurt` comes damaged."""
    silent, over = threading.Event(), threading.Event()
    pictures = jpegs(clip)
    if hurt is not None:
        data, third = pictures[hurt], len(pictures[hurt]) // 3
        pictures[hurt] = data[:third] + bytes(byte ^ 0xA5 for byte in data[third : third + 30]) + data[third + 30 :]
    handler = type("Mjpeg", (_Mjpeg,), {"pictures": pictures, "rate": rate, "silent": silent, "over": over})
    with served(handler) as port:
        try:
            yield f"http://127.0.0.1:{port}/video.mjpg", silent
        finally:
            over.set()


@contextmanager
def hls_camera(clip: Path, folder: Path) -> Iterator[str]:
    """The address of a live playlist with segments of a second. Skips the test where ffmpeg is missing."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("the ffmpeg program is missing")
    playlist = folder / "live.m3u8"
    process = subprocess.Popen(
        [
            *(ffmpeg, "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy"),
            *("-f", "hls", "-hls_time", "1", "-hls_list_size", "4", "-hls_flags", "delete_segments", str(playlist)),
        ]
    )
    try:
        deadline = time.monotonic() + 30  # the first segment takes 4 s, on a loaded machine more
        while not playlist.exists():
            if time.monotonic() > deadline:
                raise TimeoutError("ffmpeg wrote no playlist")
            time.sleep(0.05)
        with served(functools.partial(_Files, directory=str(folder))) as port:
            yield f"http://127.0.0.1:{port}/{playlist.name}"
    finally:
        process.kill()
        process.wait(5)
