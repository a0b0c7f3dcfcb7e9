"""What a file's packets say of its pictures without decoding any: the ground for a plan."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from streamer.errors import InterruptedJobError
from streamer.gops.decoding_times import Ticks
from streamer.gops.joint import parse_form
from streamer.gops.scan import GopScanner
from streamer.gops.uncopyable import WHOLE_FILE, UncopyableError
from streamer.media.input import open_input, pick_video
from streamer.media.picture_limit import PictureLimit
from streamer.media.timestamps import is_plausible


@dataclass(frozen=True, slots=True, eq=False)
class FileIndex:
    """The packets of a video track in decoding order: arrays of one length, times in ticks of `time_base`.

    `dts` is -2**63 where there is none. `shown` is False for what an edit list cuts away. `trouble` says in one line
    why times cannot be relied on; then the arrays may be incomplete.
    """

    time_base: Fraction
    codec: str
    pts: Ticks
    dts: Ticks
    sizes: Ticks
    keys: npt.NDArray[np.bool_]
    shown: npt.NDArray[np.bool_]
    trouble: str | None = None
    uncopied: str | None = "it was not looked at"
    """Why no group of pictures of it can be copied, in one line; None: some may be."""

    @property
    def shown_pts(self) -> Ticks:
        """The times of all pictures that are shown, in order."""
        return np.sort(self.pts[self.shown])


NO_DTS = -(2**63)


def read_index(path: Path, limit: PictureLimit, interrupt: threading.Event | None = None) -> FileIndex:
    """Read through the file once, without decoding. Raises InputError, and InterruptedJobError."""
    rows: list[tuple[int, int, int, bool, bool]] = []
    with open_input(path, limit) as container:
        video = pick_video(path, container, limit)
        base = video.time_base or Fraction(1, 90_000)
        codec = video.codec_context.codec.canonical_name
        trouble = None
        groups = _Groups(codec, video.codec_context.extradata)
        try:
            for packet in container.demux(video):
                if not packet.size:
                    continue
                if interrupt is not None and interrupt.is_set():
                    raise InterruptedJobError
                if packet.pts is None or not is_plausible(packet.pts, base):
                    trouble = "some pictures have no usable time stamp"
                elif packet.is_corrupt:
                    trouble = "some packets are damaged"
                if trouble is not None:
                    break
                groups.add(packet)
                dts = NO_DTS if packet.dts is None else packet.dts
                rows.append((packet.pts or 0, dts, packet.size, packet.is_keyframe, not packet.is_discard))
        except (FFmpegError, IndexError):
            trouble = "parts of it cannot be read"
    return replace(_index(base, codec, rows, trouble), uncopied=groups.refusal())


class _Groups:
    """Looks at packets for groups of pictures that can be copied."""

    def __init__(self, codec: str, header: bytes | None) -> None:
        self._why: str | None = None
        try:
            self._scanner = GopScanner(parse_form(codec, header))
        except UncopyableError as error:
            self._why = str(error)

    def add(self, packet: Packet[VideoStream]) -> None:
        if self._why is None:
            try:
                scan(self._scanner, packet)
            except UncopyableError as error:
                self._why = str(error)

    def refusal(self) -> str | None:
        if self._why is not None:
            return self._why
        gops = self._scanner.finish()
        changes = [gop.refusal for gop in gops if gop.refusal in WHOLE_FILE]
        some = any(gop.closed and gop.refusal is None for gop in gops)
        others = [gop.refusal for gop in gops if gop.refusal is not None]
        return changes[0] if changes else None if some else others[0] if others else "its groups of pictures are open"


def scan(scanner: GopScanner, packet: Packet[VideoStream]) -> None:
    """Show the scanner a packet. Raises UncopyableError."""
    scanner.packet(
        bytes(packet),
        packet.pts,
        key=packet.is_keyframe,
        corrupt=packet.is_corrupt,
        shown=not packet.is_discard,
        new_header=packet.has_sidedata("new_extradata"),
    )


def _index(
    base: Fraction, codec: str, rows: Sequence[tuple[int, int, int, bool, bool]], trouble: str | None
) -> FileIndex:
    table = np.array(rows, np.int64).reshape(len(rows), 5)
    pts, dts, sizes = (np.ascontiguousarray(table[:, column]) for column in range(3))
    keys, shown = table[:, 3].astype(bool), table[:, 4].astype(bool)
    return FileIndex(base, codec, pts, dts, sizes, keys, shown, trouble or _trouble(pts, dts, keys, shown))


def _trouble(pts: Ticks, dts: Ticks, keys: npt.NDArray[np.bool_], shown: npt.NDArray[np.bool_]) -> str | None:
    """What makes times unusable for cutting, in one line."""
    if not len(pts) or not shown.any():
        return "it has no pictures"
    if not keys[0]:
        return "it does not begin with a key frame"
    if len(np.unique(pts)) != len(pts):
        return "several pictures have the same time stamp"
    known = dts[dts != NO_DTS]
    if (np.diff(known) <= 0).any() or (np.diff(pts[keys]) <= 0).any():
        return "its time stamps run backwards"
    return None
