"""The file of one unit: encoded pictures in decoding order, then what the report needs to know of them.

Layout, all numbers little-endian: `MAGIC`; per packet pts, duration (int64), size (uint32), flags (uint8), and its
bytes; a trailer in JSON; its length (uint32); SHA-256 over all before.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamer.file.report import BoxNumbers, Coverage, DoubtfulMoment

MAGIC: Final = b"veilcast unit 1\n"
_PACKET: Final = struct.Struct("<qqIB")
_LENGTH: Final = struct.Struct("<I")
_MOST_TRAILER: Final = 64 << 20  # bytes
_MOST_PACKET: Final = 1 << 30
_CHUNK: Final = 1 << 20
_KEY: Final = 1
_DIGEST: Final = hashlib.sha256().digest_size


class UnitFileError(ValueError):
    """A file is no whole unit; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class UnitPacket:
    """An encoded picture; times in ticks of the unit's time base."""

    pts: int
    duration: int
    key: bool
    data: bytes


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UnitWarning(_Part):
    """A warning and how often it was given."""

    kind: str
    text: str
    count: int = Field(ge=1)


class UnitTrailer(_Part):
    """What a unit is, how it was encoded, and its share of the report."""

    span: str
    """The unit's span, as JSON."""
    config_sha256: str
    codec: Literal["h264", "hevc"]
    pixel_format: str
    time_base: str = Field(pattern="^[0-9]{1,10}/[0-9]{1,10}$")
    extradata: str = Field(pattern="^([0-9a-f]{2})*$")
    """The encoder's parameter sets, in hexadecimal digits."""
    container: str | None
    """The container whose framing the packets have, if groups may be copied; None: the encoder's."""
    uncopied: str | None
    """Why no group may be copied."""
    copied: int = Field(ge=0)
    """Frames whose packets were copied."""
    packets: int = Field(ge=1)
    looked_at: int = Field(ge=1)
    """Frames that were looked at, those around the unit included."""
    faces: int = Field(ge=0)
    """Tracks that the unit's own frames show."""
    tracks: int = Field(ge=0)
    """Numbers of tracks that were given, from 0."""
    samples: int = Field(ge=0)
    failed_samples: int = Field(ge=0)
    errors: dict[str, int]
    """What the detector failed with, and how often."""
    seconds: Coverage
    damaged: float = Field(ge=0)
    any_damage: bool
    warnings: list[UnitWarning]
    doubtful: list[DoubtfulMoment]
    first_faces: list[BoxNumbers]
    """Regions on the unit's first frame ..."""
    last_faces: list[BoxNumbers]
    """... and on its last one: the same face on both sides of a seam is one."""

    @property
    def base(self) -> Fraction:
        """`time_base` as a number."""
        return Fraction(self.time_base)


class UnitWriter:
    """Writes a unit to a new file; a context manager. Without `complete`, the file is removed. Raises OSError."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._file: BinaryIO = target.open("xb")
        self._digest = hashlib.sha256()
        self._complete = False
        self.packets = 0
        """How many have been written."""
        self._write(MAGIC)

    def __enter__(self) -> UnitWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self._complete:
            self._target.unlink(missing_ok=True)

    def write(self, packet: UnitPacket) -> None:
        """Add the next packet in decoding order."""
        self._write(_PACKET.pack(packet.pts, packet.duration, len(packet.data), _KEY if packet.key else 0))
        self._write(packet.data)
        self.packets += 1

    def complete(self, trailer: UnitTrailer) -> None:
        """No more packets: the file is whole, and on disk, when this returns."""
        text = trailer.model_dump_json().encode()
        self._write(text + _LENGTH.pack(len(text)))
        self._file.write(self._digest.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._complete = True

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


class UnitReader:
    """Reads a unit; whoever wrote it is not trusted. Raises UnitFileError, also while iterating, and OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        size, least = path.stat().st_size, len(MAGIC) + _LENGTH.size + _DIGEST
        with path.open("rb") as file:
            if size < least or file.read(len(MAGIC)) != MAGIC:
                raise UnitFileError("is no unit of a recording")
            file.seek(size - _LENGTH.size - _DIGEST)
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            self._end = size - _DIGEST - _LENGTH.size - length
            if length > _MOST_TRAILER or self._end < len(MAGIC):
                raise UnitFileError("is no unit of a recording")
            file.seek(self._end)
            text = file.read(length)
        try:
            self.trailer = UnitTrailer.model_validate_json(text)
        except ValidationError as error:
            raise UnitFileError("has a trailer that is none") from error
        if re.fullmatch("0+/.*|.*/0+", self.trailer.time_base):
            raise UnitFileError("has no time base")

    def check(self) -> None:
        """Read all of it and compare it with its hash."""
        digest = hashlib.sha256()
        with self._path.open("rb") as file:
            left = self._path.stat().st_size - _DIGEST
            while left and (chunk := file.read(min(left, _CHUNK))):
                digest.update(chunk)
                left -= len(chunk)
            if left or file.read() != digest.digest():
                raise UnitFileError("was changed, or not written to its end")

    def headers(self) -> Iterator[tuple[int, int]]:
        """pts and duration of all packets, in decoding order."""
        with self._path.open("rb") as file:
            for pts, duration, size, _ in self._heads(file):
                yield pts, duration
                file.seek(size, os.SEEK_CUR)

    def __iter__(self) -> Iterator[UnitPacket]:
        with self._path.open("rb") as file:
            for pts, duration, size, flags in self._heads(file):
                data = file.read(size)
                if len(data) != size:
                    raise UnitFileError("ends too early")
                yield UnitPacket(pts, duration, bool(flags & _KEY), data)

    def _heads(self, file: BinaryIO) -> Iterator[tuple[int, int, int, int]]:
        file.seek(len(MAGIC))
        for _ in range(self.trailer.packets):
            head = file.read(_PACKET.size)
            if len(head) < _PACKET.size:
                raise UnitFileError("ends too early")
            pts, duration, size, flags = _PACKET.unpack(head)
            if not 0 < size <= _MOST_PACKET or file.tell() + size > self._end or duration < 0:
                raise UnitFileError("holds a packet that is none")
            yield pts, duration, size, flags
        if file.tell() != self._end:
            raise UnitFileError("holds more than it says")
