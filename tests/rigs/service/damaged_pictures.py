"""Good pictures in several formats, and ways to damage them."""

from __future__ import annotations

import io
import random

from tests.streamer.pictures.files import portrait


def coded(form: str, size: int = 64) -> bytes:
    """A face as a file of this format."""
    out = io.BytesIO()
    portrait(size=size).save(out, form)
    return out.getvalue()


def mutated_picture(chance: random.Random, data: bytes) -> bytes:
    """The file with one to four changes."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(raw)), chance.randint(1, 16)
        match chance.randrange(6):
            case 0:
                raw[at] ^= 1 << chance.randrange(8)
            case 1:
                raw[at : at + length] = chance.randbytes(length)
            case 2:
                del raw[at : at + length]
            case 3:
                raw[at:at] = raw[at : at + length]
            case 4:  # numbers are mostly near the beginning
                at = chance.randrange(min(64, len(raw)))
                raw[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\1\0\0"))
            case _:
                del raw[max(8, at) :]
        if not raw:
            return b"\0"
    return bytes(raw)
