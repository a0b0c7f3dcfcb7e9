"""What a Celery process of a worker is told: one line of JSON on its standard input, since it holds passwords."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

LONGEST = 1 << 20
"""Bytes of a line."""


@dataclass(frozen=True, slots=True)
class Order:
    """One queue of one node. `stopping` is a descriptor whose end says that steps are to be given back at once."""

    queue: str
    concurrency: int
    broker: str
    database: str
    blobs: str
    scratch: str
    """Folder for files of steps; nobody else uses it."""
    node: str
    """Name of the node; workers' names begin with it."""
    parent: int
    stopping: int
    memory: int
    seconds: float
    file_bytes: int
    keep: float
    """Seconds until a job that has ended is deleted."""
    log: str
    """`LogConfig`, as JSON."""

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Order:
        """What `line` made. Raises ValueError or TypeError."""
        return cls(**json.loads(line))
