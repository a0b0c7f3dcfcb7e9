"""The audio of a masked copy: copied bit for bit, dropped, or disguised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from streamer.errors import OutputError
from streamer.file.packet_check import PacketCheck
from streamer.media.audio_track import AudioTrack
from streamer.media.disguise import DisguiseWriter
from streamer.settings.audio import AudioPolicy
from streamer.warning_log import WarningLog

# FFmpeg's MPEG-TS muxer accepts any codec, but players cannot play codecs without a standard stream type.
_IN_MPEGTS = frozenset({"aac", "aac_latm", "mp1", "mp2", "mp3", "ac3", "eac3", "dts", "truehd", "opus", "s302m"})


class AudioWriter(Protocol):
    """Turns the packets of one input audio track into output packets."""

    def write(self, packet: Packet[AudioStream]) -> list[Packet[AudioStream]]:
        """Output packets that are now ready. The input packet may be modified."""
        ...

    def flush(self) -> list[Packet[AudioStream]]:
        """The last packets."""
        ...


class CopyWriter:
    """Copies packets unchanged: payload and time stamps, including priming and its edit list."""

    def __init__(self, container: OutputContainer, track: AudioTrack, warnings: WarningLog) -> None:
        self._track, self._warnings = track, warnings
        self._last_dts: int | None = None
        self._check = PacketCheck(container.format.name, track)
        self.stream = container.add_stream_from_template(track.stream)
        copy_tags(self.stream, track)

    def write(self, packet: Packet[AudioStream]) -> list[Packet[AudioStream]]:
        """The same packet, assigned to the output stream; none, and a warning, if the container does not accept it."""
        if packet.is_corrupt:
            self._warnings.add(
                f"corrupt {self._track}",
                f"{self._track} has damaged packets, which are copied as they are",
                damage=True,
            )
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None:
            dts = 0 if self._last_dts is None else self._last_dts + 1
        if self._last_dts is not None and dts <= self._last_dts:
            dts = self._last_dts + 1  # muxers refuse time stamps that do not increase
            self._warnings.add(
                f"dts {self._track}", f"{self._track} has time stamps that do not increase; they are moved by a tick"
            )
        packet.dts = self._last_dts = dts
        if packet.pts is None or packet.pts < dts:
            packet.pts = dts
        if not self._check.accepts(packet):
            self._warnings.add(
                f"refused {self._track}", f"{self._track}: damaged packets are dropped from the copy", damage=True
            )
            return []
        packet.stream = self.stream
        return [packet]

    def flush(self) -> list[Packet[AudioStream]]:
        """An empty list: no packets are held back."""
        self._check.close()
        return []


def open_writers(
    container: OutputContainer, target: Path, tracks: Sequence[AudioTrack], policy: AudioPolicy, warnings: WarningLog
) -> dict[int, AudioWriter]:
    """A writer for each track that is kept, by track number.

    Raises OutputError if the container cannot hold a track as it is.
    """
    if policy == "drop":
        return {}
    if policy == "disguise":
        writers: dict[int, AudioWriter] = {}
        for track in tracks:
            writers[track.number] = writer = DisguiseWriter(container, track, warnings)
            copy_tags(writer.stream, track)
        return writers
    return {track.number: _copy(container, target, track, warnings) for track in tracks}


def copy_tags(stream: AudioStream, track: AudioTrack) -> None:
    """Copy language and disposition. They say which track to play, not who speaks, so they are always kept."""
    if track.language:
        stream.metadata["language"] = track.language
    stream.disposition = track.stream.disposition


def _copy(container: OutputContainer, target: Path, track: AudioTrack, warnings: WarningLog) -> CopyWriter:
    matroska = container.format.name == "matroska"
    advice = "disguise or drop the audio" if matroska else "choose a .mkv target, or disguise or drop the audio"
    refusal = OutputError(target, f"{target.suffix} cannot hold {track} as it is; {advice}")
    if container.format.name == "mpegts" and track.codec not in _IN_MPEGTS:
        raise refusal
    try:
        return CopyWriter(container, track, warnings)
    except (ValueError, FFmpegError) as error:
        raise refusal from error
