"""Finds the groups of pictures of a stream, and which of them may be copied. No I/O."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from streamer.gops.access_unit import EntryPoint, StreamForm
from streamer.gops.gop import Gop
from streamer.gops.uncopyable import HEADER_CHANGES, UncopyableError


class GopScanner:
    """Takes every packet of a video, or of a part from a key frame on, in decoding order; without empty packets.

    `first` is the ordinal of the first packet.
    """

    def __init__(self, form: StreamForm, first: int = 0) -> None:
        self._reader = form.reader()
        self._first = first
        self._pts: list[int] = []
        self._entries: list[EntryPoint] = []
        self._refusals: list[str | None] = []
        self._new_header = False

    def packet(
        self, data: bytes, pts: int | None, *, key: bool, corrupt: bool, shown: bool, new_header: bool = False
    ) -> None:
        """The next packet; `shown` is False if an edit list cuts it.

        `new_header` is True if the file says that another header holds from here on. Raises UncopyableError if the
        packet has no pts.
        """
        if pts is None:
            raise UncopyableError("some packets have no time stamp")
        self._new_header |= new_header
        entry, refusal = EntryPoint.NONE, None
        try:
            entry = self._reader.read(data).entry
        except UncopyableError as error:
            refusal = str(error)
        if self._new_header:
            refusal = HEADER_CHANGES
        elif corrupt:
            refusal = "it is damaged"
        elif not shown:
            refusal = "an edit list cuts it"
        if entry is EntryPoint.NONE and key:
            entry = EntryPoint.OPEN
        self._pts.append(pts)
        self._entries.append(entry)
        self._refusals.append(refusal)

    def finish(self) -> tuple[Gop, ...]:
        """All groups; what comes before the first key frame belongs to the first one."""
        count = len(self._pts)
        if not count:
            return ()
        pts = np.asarray(self._pts, np.int64)
        before = np.maximum.accumulate(pts)
        after = np.minimum.accumulate(pts[::-1])[::-1]
        cuts = [at for at in range(1, count) if self._entries[at] is not EntryPoint.NONE and before[at - 1] < after[at]]
        return tuple(
            self._gop(number, pts, begin, end) for number, (begin, end) in enumerate(pairwise([0, *cuts, count]))
        )

    def _gop(self, number: int, pts: npt.NDArray[np.int64], begin: int, end: int) -> Gop:
        own = np.sort(pts[begin:end])
        refusal = next((why for why in self._refusals[begin:end] if why is not None), None)
        if refusal is None and np.any(np.diff(own) == 0):
            refusal = "two pictures share a time stamp"
        closed = self._entries[begin] is EntryPoint.CLOSED and bool(own[0] == pts[begin])
        return Gop(number, self._first + begin, end - begin, tuple(own.tolist()), closed, refusal)
