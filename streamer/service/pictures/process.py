"""A process that masks pictures: `python -m streamer.service.pictures.process PARENT MEMORY SECONDS`, link on stdin."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from streamer.service.pictures.link import HEAD, READY, Answer, Question, packed, receive
from streamer.service.work.sandbox import confine

MaskPicture = Callable[[str, bytes], tuple[Answer, bytes]]
"""Settings as JSON and a picture to an answer and its bytes."""

_ENGINES: Final = 4
_GRACE: Final = 5  # seconds; the service, if it still runs, kills a process that hangs before the process does


def serve_pictures(make: Callable[[], MaskPicture] | None = None) -> int:
    """Take pictures until the service hangs up. `make` replaces what masks them."""
    parent, memory, seconds = (int(value) for value in sys.argv[1:4])
    link = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # whatever a library prints goes nowhere: it may quote a picture
        os.dup2(nowhere, descriptor)
    try:
        confine(None, 0, memory, parent, niceness=0)  # before anything is imported that starts threads
        mask = (make or _engines)()
    except Exception as error:  # noqa: BLE001 - whatever it is, the service's log gets one line
        link.sendall(packed(Answer(refused=f"{type(error).__name__}: {error}", spent=True)))
        return 1
    link.sendall(packed(READY))
    with suppress(EOFError, OSError):  # the service has gone
        while _one(link, mask, seconds):
            pass
    return 0


def _one(link: socket.socket, mask: MaskPicture, seconds: int) -> bool:
    """Answer one question; whether there may be another."""
    (length,) = HEAD.unpack(receive(link, HEAD.size))
    question = Question(**json.loads(receive(link, length)))
    content = bytes(receive(link, question.size))
    signal.alarm(seconds + _GRACE)  # ends the process even if it hangs in C, and nobody is left to kill it
    try:
        answer, masked = mask(question.settings, content)
    except MemoryError:
        answer, masked = Answer(refused="does not fit into memory", spent=True), b""
    except Exception as error:  # noqa: BLE001 - one line, and a fresh process for the next picture
        answer, masked = Answer(refused=f"cannot be masked ({type(error).__name__})", spent=True), b""
    signal.alarm(0)
    link.sendall(packed(answer))
    link.sendall(masked)
    return not answer.spent


def _engines() -> MaskPicture:
    """The real thing, warm. Keeps the engines of the last few settings."""
    from functools import lru_cache

    import numpy as np

    from core.still import StillAnonymizer
    from streamer.errors import JobError
    from streamer.pictures.job import mask_picture
    from streamer.pictures.kind import kind_of
    from streamer.runtime.malloc import few_heaps, return_freed_memory
    from streamer.runtime.opencv_threads import one_opencv_thread
    from streamer.settings.file import Settings

    few_heaps()
    one_opencv_thread()

    @lru_cache(_ENGINES)
    def engine_of(text: str) -> tuple[Settings, StillAnonymizer]:
        settings = Settings.model_validate_json(text)
        return settings, StillAnonymizer(settings)

    engine_of(Settings().model_dump_json())[1].decide([np.zeros((64, 64, 3), np.uint8)])

    def mask(text: str, content: bytes) -> tuple[Answer, bytes]:
        if kind_of(content) is None:
            return Answer(refused="is not a still picture of a supported format", unsupported=True), b""
        settings, engine = engine_of(text)
        try:
            masked, kind, faces = mask_picture(content, settings, engine)
        except JobError as error:
            # The text may quote the decoder; a memory that was full may be in pieces.
            return Answer(refused=error.cause, spent=isinstance(error.__cause__, MemoryError)), b""
        finally:
            return_freed_memory()
        return Answer(kind, faces, len(masked), whole=engine.error is not None), masked

    return mask


if __name__ == "__main__":
    sys.exit(serve_pictures())
