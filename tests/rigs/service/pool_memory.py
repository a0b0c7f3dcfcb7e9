"""What the processes of a pool take."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(numbers: Iterable[int]) -> int:
    """Bytes of memory that these processes have, all together."""
    return sum(int(Path(f"/proc/{number}/statm").read_text("ascii").split()[1]) * _PAGE for number in numbers)
