"""A picture process that does what a "picture" asks for: `echo ...`, `crash`, `exit`, `hang`, `bomb`, `raise`, ..."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from streamer.service.pictures import process
from streamer.service.pictures.link import HEAD, Answer
from streamer.service.pictures.process import MaskPicture

COMMAND = (sys.executable, "-m", "tests.rigs.service.odd_process")


def made() -> MaskPicture:
    return mask


def mask(settings: str, content: bytes) -> tuple[Answer, bytes]:
    match content.split():
        case [b"crash"]:
            ctypes.string_at(0)
        case [b"exit"]:
            os._exit(3)
        case [b"hang"]:
            signal.alarm(0)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            time.sleep(600)
        case [b"escape", path]:
            return _escape(path.decode())
        case [b"bomb"]:
            bytearray(64 << 30)
        case [b"raise"]:
            raise RuntimeError("a secret")
        case [b"nonsense"]:
            return Answer("script", 0, 7), b"<b></b>"
        case [b"nest"]:
            said = b"[" * 500_000
            os.write(_link(), HEAD.pack(len(said)) + said)
        case [b"refuse"]:
            return Answer(refused="is\nodd\x1b[0m", unsupported=True), b""
        case [b"whole"]:
            return Answer("PNG", 0, len(content), whole=True), content
        case [b"slow"]:
            time.sleep(0.3)
        case [b"print"]:
            sys.stdout.write("noise")
            os.write(1, b"noise")
            os.write(2, b"noise")
    return Answer("PNG", 1, len(content)), content


def _link() -> int:
    """The descriptor of the socket to the service."""
    names = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    return next(number for number in names if Path(f"/proc/self/fd/{number}").is_socket())


def _escape(path: str) -> tuple[Answer, bytes]:
    """What of this is possible: read a file, write one, reach the network, start a program."""
    done = []
    for name, deed in (
        ("read", lambda: Path(path).read_bytes()),
        ("write", lambda: Path(path).with_suffix(".new").write_bytes(b"x")),
        ("connect", lambda: socket.socket().close()),
        ("run", lambda: subprocess.run(["true"], check=True)),
    ):
        with suppress(OSError):
            deed()
            done.append(name)
    content = f"escaped: {' '.join(done)}".encode()
    return Answer("PNG", 0, len(content)), content


if __name__ == "__main__":
    sys.exit(process.serve_pictures(made))
