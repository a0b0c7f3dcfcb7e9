"""What a unit is encoded and copied with: its encoder, its groups of pictures, its packets and frames once more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from av.packet import Packet
from av.video.stream import VideoStream

from core.frame import Cover, Frame, Verdict
from core.masked_frame import MaskedFrame
from core.replay import Replay
from streamer.file.encoder import VideoEncoder
from streamer.file.entry import Entry, content_hash
from streamer.file.source import FileSource
from streamer.gops.gop import Gop
from streamer.gops.scan import GopScanner
from streamer.gops.uncopyable import UncopyableError
from streamer.media.picture_limit import PictureLimit
from streamer.settings.file import Settings
from streamer.units.copying import Copying, copying_for
from streamer.units.encoding import CopySource, CopyUntouched, EncodeAll, UnitEncoding, scratch_encoder
from streamer.units.index import scan
from streamer.units.span import UnitSpan
from streamer.units.unit_file import UnitWriter
from streamer.warning_log import WarningLog

NOT_COPIED: Final = "its packets do not allow it"
_CHANGED: Final = "it changed while it was masked"
_NOTHING: Final = Verdict(Cover.SETTLED)


class UnitParts:
    """A context manager. `uncopied` says why no group of pictures is copied; None: where nothing is masked they are."""

    def __init__(
        self,
        source: Path,
        span: UnitSpan,
        reader: FileSource,
        settings: Settings,
        container: str,
        warnings: WarningLog,
    ) -> None:
        self._source, self._span, self._info, self._settings = source, span, reader.info, settings
        self._reader = reader
        self._warnings = warnings
        self._limit = PictureLimit(*settings.file.max_size)
        self._stack = ExitStack()
        self.copying: Copying | None = None
        self.uncopied: str | None = None
        try:
            if not span.copy:
                raise UncopyableError(NOT_COPIED)
            copying = copying_for(reader.info, reader.video.codec_context.extradata, settings)
            self.encoder = self._new_encoder(copying.parameter_set)
            self._joint = copying.joint(self.encoder, container)
            self.copying = copying
        except UncopyableError as error:
            self.uncopied = str(error)
            self.encoder = self._new_encoder(None)

    def __enter__(self) -> UnitParts:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def encoding(self, writer: UnitWriter) -> UnitEncoding:
        """What writes the frames of the unit."""
        if self.copying is None:
            return EncodeAll(self.encoder, writer)
        number = self.copying.parameter_set
        gops, self._entries = self._groups(GopScanner(self.copying.form))
        source = CopySource(gops, self._packets(), self._joint, self._again)
        return CopyUntouched(source, self.encoder, lambda: self._new_encoder(number), self._info, writer)

    def _new_encoder(self, parameter_set: int | None) -> VideoEncoder:
        return scratch_encoder(self._info, self._settings, self._warnings, parameter_set)

    def _open(self) -> FileSource:
        opened = FileSource(self._source, threads=1, warnings=WarningLog(), limit=self._limit)
        return self._stack.enter_context(opened)

    def _own(self) -> Iterator[Packet[VideoStream]]:
        """The packets from the unit's first one up to that of the next unit."""
        for packet in self._open().packets(self._span.start):
            if packet.is_keyframe and self._span.end is not None and (packet.pts or 0) >= self._span.end:
                return
            yield packet

    def _groups(self, scanner: GopScanner) -> tuple[tuple[Gop, ...], list[Entry]]:
        entries = []
        for packet in self._own():
            scan(scanner, packet)
            entries.append(Entry(packet.pts or 0, packet.dts, packet.size))
        return scanner.finish(), entries

    def _packets(self) -> Iterator[tuple[int, bytes]]:
        for packet in self._own():
            pts, data = packet.pts or 0, bytes(packet)
            # What is copied must be what was looked at, also if somebody writes to the file meanwhile.
            if self._reader.decoded.get(pts) != content_hash(data):
                raise UncopyableError(_CHANGED)
            yield pts, data

    def _again(self, decode_from: int, times: tuple[int, ...]) -> Iterator[MaskedFrame]:
        """These frames, decoded and passed through the masker once more, which has nothing to mask in them."""
        wanted = set(times)
        with FileSource(self._source, threads=1, warnings=WarningLog(), limit=self._limit) as reader:
            reader.jump(self._entries[decode_from], times[0])
            replay = Replay(self._settings, lambda _: _NOTHING)
            for item in reader:
                if not isinstance(item, Frame) or item.video.pts not in wanted:
                    continue
                if not item.trusted:
                    raise UncopyableError(_CHANGED)
                wanted.discard(item.video.pts)
                yield from replay.push(item)
                if not wanted:
                    break
            first = self._reader.decoded
            if wanted or any(first.get(pts) != found for pts, found in reader.decoded.items()):
                raise UncopyableError(_CHANGED)
