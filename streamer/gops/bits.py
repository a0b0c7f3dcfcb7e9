"""Reads H.264 and HEVC headers bit by bit, within bounds. No I/O."""

from __future__ import annotations

from streamer.gops.uncopyable import UncopyableError

_MOST_ZEROS = 32  # leading zeros of an Exp-Golomb code


class BitReader:
    """The payload of a NAL unit (without its header) as bits (H.264, 7.2 and 9.1; HEVC is the same).

    Raises UncopyableError past its end and for values out of bounds.
    """

    def __init__(self, payload: bytes) -> None:
        data = payload.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)
        self._size = self._left

    @property
    def position(self) -> int:
        """Bits read so far, escapes not counted."""
        return self._size - self._left

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._left -= count
        if self._left < 0:
            raise UncopyableError("a header ends too early")
        return self._value >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """One bit."""
        return self.u(1) == 1

    def ue(self, most: int) -> int:
        """An unsigned Exp-Golomb number, at most `most`."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise UncopyableError("a header holds an invalid number")
        value = (1 << zeros) - 1 + self.u(zeros)
        if value > most:
            raise UncopyableError("a header holds a number out of bounds")
        return value

    def se(self, most: int) -> int:
        """A signed Exp-Golomb number from -most to most."""
        code = self.ue(2 * most)
        return (code + 1) // 2 if code % 2 else -(code // 2)

    @property
    def more(self) -> bool:
        """Whether anything but the trailing bits is left."""
        rest = self._value & (1 << self._left) - 1
        return rest.bit_count() > 1

    def finish(self) -> None:
        """Raises UncopyableError unless exactly the trailing bits are left: a one, and zeros up to a whole byte."""
        rest = self._value & (1 << self._left) - 1
        if not 0 < self._left <= 8 or rest != 1 << self._left - 1:
            raise UncopyableError("a header is followed by something unknown")
