"""What the service and a picture process tell each other: a line of JSON, and the bytes that it announces.

JSON, not pickle: a process that a picture has taken over may say anything, and nothing it says must run here.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import asdict, dataclass
from typing import Final

HEAD: Final = struct.Struct(">I")
MOST_TEXT: Final = 1 << 20
"""Bytes of JSON; settings may hold many zones."""


@dataclass(frozen=True, slots=True)
class Question:
    """A picture to mask: `size` bytes of it follow. `settings`: those of the engine, as JSON."""

    settings: str
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """How it went. With a `kind`, `size` bytes of a masked picture follow; otherwise `refused` says why none do."""

    kind: str | None = None
    faces: int = 0
    size: int = 0
    whole: bool = False
    """The detector failed, so all of the picture is masked."""
    refused: str | None = None
    unsupported: bool = False
    """It is no picture of a format that is read."""
    spent: bool = False
    """The process may not be used again."""

    @classmethod
    def read(cls, text: bytes) -> Answer:
        """What a process said; it is not trusted. Raises ValueError."""
        try:
            found = json.loads(text)
        except RecursionError as error:
            raise ValueError("not an answer") from error
        if not isinstance(found, dict) or found.keys() != cls.__dataclass_fields__.keys():
            raise ValueError("not an answer")
        answer = cls(**found)
        flags = (answer.whole, answer.unsupported, answer.spent)
        numbers = (answer.faces, answer.size)
        texts = (answer.kind, answer.refused)
        if not (
            all(type(flag) is bool for flag in flags)
            and all(type(number) is int and number >= 0 for number in numbers)
            and all(text is None or type(text) is str for text in texts)
            and (answer.kind is None) == (answer.size == 0)
        ):
            raise ValueError("not an answer")
        return answer


READY: Final = Answer(refused="ready")
"""The first thing that a process says, once it can take pictures."""


def packed(said: Question | Answer) -> bytes:
    """As it is sent."""
    text = json.dumps(asdict(said)).encode()
    return HEAD.pack(len(text)) + text


def receive(link: socket.socket, count: int) -> bytearray:
    """So many bytes from the service. Raises EOFError if it has gone."""
    content = bytearray(count)
    view = memoryview(content)
    while view:
        received = link.recv_into(view)
        if not received:
            raise EOFError
        view = view[received:]
    return content
