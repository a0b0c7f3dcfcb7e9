"""A picture process that does what a "picture" asks for: `echo ...`, `crash`, `exit`, `hang`, `bomb`, `raise`, ..."""

from __future__ import annotations

import os
import signal
import sys
import time

from streamer.service.pictures import process
from streamer.service.pictures.link import Answer
from streamer.service.pictures.process import MaskPicture

COMMAND = (sys.executable, "-m", "tests.rigs.service.odd_process")


def made() -> MaskPicture:
    return mask


def mask(settings: str, content: bytes) -> tuple[Answer, bytes]:
    match content.split():
        case [b"crash"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        case [b"exit"]:
            os._exit(3)
        case [b"hang"]:
            signal.alarm(0)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            time.sleep(600)
        case [b"bomb"]:
            bytearray(64 << 30)
        case [b"raise"]:
            raise RuntimeError("a secret")
        case [b"nonsense"]:
            return Answer("script", 0, 7), b"<b></b>"
        case [b"refuse"]:
            return Answer(refused="is\nodd\x1b[0m", unsupported=True), b""
        case [b"slow"]:
            time.sleep(0.3)
        case [b"print"]:
            sys.stdout.write("noise")
            os.system("echo noise; echo noise >&2")
    return Answer("PNG", 1, len(content)), content


if __name__ == "__main__":
    sys.exit(process.serve_pictures(made))
