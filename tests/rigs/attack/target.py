"""The target of an attack, and connections to it from the attackers' addresses."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CONNECTS: Final = 3.0  # seconds
PAUSE: Final = 0.05
_LISTEN: Final = "0A"  # of a TCP socket in /proc/net/tcp


@dataclass
class Target:
    """The service on 127.0.0.1, the end of the attack (`time.monotonic()`), and a tally of responses."""

    rtsp: int
    web: int
    pid: int
    until: float
    sources: Sequence[str]
    tally: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._next = itertools.cycle(self.sources)

    @property
    def over(self) -> bool:
        """Whether the attack should stop."""
        return time.monotonic() >= self.until

    async def rest(self) -> None:
        """Wait until the attack should stop."""
        await asyncio.sleep(max(0.0, self.until - time.monotonic()))

    @contextlib.asynccontextmanager
    async def connected(self, port: int) -> AsyncIterator[Stream]:
        """A connection; errors are counted, not raised."""
        try:
            opening = asyncio.open_connection("127.0.0.1", port, local_addr=(next(self._next), 0), limit=2**20)
            reader, writer = await asyncio.wait_for(opening, _CONNECTS)
        except (OSError, TimeoutError) as error:
            self.tally[f"no connection: {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE)
            raise Nothing from None
        self.tally["connections"] += 1
        try:
            yield reader, writer
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
            self.tally[f"ended by {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE)
        finally:
            writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, patience: float = 5.0) -> int:
        """The status of the next response; reads and counts its body."""
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience)).decode("latin-1")
        length = re.search(r"content-length:\s*(\d+)", head, re.IGNORECASE)
        await asyncio.wait_for(reader.readexactly(int(length[1]) if length else 0), patience)
        status = int(head.split()[1])
        self.tally[str(status)] += 1
        return status

    async def many(self, count: int, one: Callable[[int], Coroutine[None, None, None]], *, again: bool = True) -> None:
        """Run `count` of them at a time until the end; `again`: restart each one that ends early."""

        async def endless(number: int) -> None:
            while not self.over:
                with contextlib.suppress(Nothing):
                    await one(number)
                if not again:
                    return
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(endless(number)) for number in range(count)]
        await asyncio.wait(tasks, timeout=max(0.0, self.until - time.monotonic()))
        for task in tasks:
            task.cancel()
        for failure in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure

    def listening(self, kind: str) -> list[tuple[str, int]]:
        """Addresses and ports that the service has open: `tcp`, `tcp6` (listening), `udp`, `udp6`."""
        sockets = set()
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(entry))  # noqa: PTH115 - no path
        found = []
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            fields = line.split()
            (address, _, port), state, inode = fields[1].partition(":"), fields[3], fields[9]
            if f"socket:[{inode}]" in sockets and (kind.startswith("udp") or state == _LISTEN):
                words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
                found.append((str(ipaddress.ip_address(b"".join(words))), int(port, 16)))
        return found


class Nothing(Exception):  # noqa: N818 - there is no connection, which is counted
    """No connection could be made."""
