"""Metadata that may identify people, places and devices: listed by name and left out of the copy."""

from __future__ import annotations

import re
from collections.abc import Collection

import av
from av.container.input import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from streamer.media.input import is_still
from streamer.media.picture_format import EXIF, side_data

# A date or a genre does not identify anybody; titles, comments and names may.
HARMLESS_TAGS = frozenset({"creation_time", "date", "genre", "language"})

# Written by every muxer; describes the file, not its contents.
_STRUCTURAL = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "vendor_id", "language", "duration", "rotate"}
)
_DEFAULT_HANDLERS = frozenset({"VideoHandler", "SoundHandler", "SubtitleHandler", "DataHandler"})
_LOCATION = re.compile(r"location|iso6709|gps|(^|\W)xyz$|latitude|longitude|geo", re.IGNORECASE)
_DEVICE = re.compile(r"(^|[._ -])(make|model|manufacturer|device|camera|lens|software|serial|android)", re.IGNORECASE)
_ENCODER = re.compile(r"encod|writing|muxing", re.IGNORECASE)
_PER_TRACK_STATISTICS = re.compile(r"^(_STATISTICS_|BPS|NUMBER_OF_|DURATION)", re.IGNORECASE)

_IN_PICTURES = {
    SideDataType.A53_CC: "closed captions inside the pictures",
    SideDataType.GOP_TIMECODE: "timecode inside the pictures",
    SideDataType.S12M_TIMECODE: "timecode inside the pictures",
    SideDataType.SEI_UNREGISTERED: "unregistered data inside the pictures",
    SideDataType.SPHERICAL: "spherical mapping",
    SideDataType.ICC_PROFILE: "colour profile (ICC)",
    EXIF: "EXIF data inside the pictures",
}


def stripped_items(container: InputContainer, video: VideoStream, audio_kept: Collection[int]) -> tuple[str, ...]:
    """Everything that a plain copy would keep and the masked copy drops: names, never values.

    `audio_kept` contains the indices of the audio streams that are copied.
    """
    items = [_describe_tag(key) for key in container.metadata if not _is_structural(key, container.metadata[key])]
    for stream in container.streams:
        kept = stream.index == video.index or stream.index in audio_kept
        if not kept:
            items.append(_describe_stream(stream))
        items += [
            f"{_describe_tag(key)} of stream #{stream.index}"
            for key, value in stream.metadata.items()
            if kept and not _is_structural(key, value)
        ]
    chapters = container.chapters()
    if chapters:
        items.append(f"{len(chapters)} chapter mark{'s' if len(chapters) > 1 else ''}")
    return tuple(dict.fromkeys(items))


def items_in_pictures(frame: av.VideoFrame) -> tuple[str, ...]:
    """The same for data embedded in the coded pictures, as found on one frame."""
    return tuple(dict.fromkeys(_IN_PICTURES[item.type] for item in side_data(frame) if item.type in _IN_PICTURES))


def harmless_tags(container: InputContainer) -> dict[str, str]:
    """The container's tags that `--keep-metadata` keeps."""
    return {key: value for key, value in container.metadata.items() if key.lower() in HARMLESS_TAGS}


def _is_structural(key: str, value: str) -> bool:
    plain = key.lower()
    if plain == "handler_name":
        return value in _DEFAULT_HANDLERS
    return plain in _STRUCTURAL or _PER_TRACK_STATISTICS.match(key) is not None


def _describe_tag(key: str) -> str:
    for pattern, kind in ((_LOCATION, "location tag"), (_DEVICE, "device tag"), (_ENCODER, "encoder tag")):
        if pattern.search(key):
            return f"{kind} '{key}'"
    return f"tag '{key}'"


def _describe_stream(stream: Stream) -> str:
    codec = _codec_name(stream)
    if isinstance(stream, VideoStream):
        if is_still(stream):
            thumbnails = bool(stream.disposition & Disposition.timed_thumbnails)
            return f"{'thumbnails' if thumbnails else 'cover art'} ({codec})"
        return f"further video track #{stream.index} ({codec})"
    kind = {"audio": "audio", "subtitle": "subtitle", "data": "data"}.get(stream.type, stream.type or "unknown")
    if stream.type == "attachment":
        return f"attachment #{stream.index} ({stream.metadata.get('mimetype', 'unknown type')})"
    return f"{kind} track #{stream.index} ({codec})"


def _codec_name(stream: Stream) -> str:
    context: object = stream.codec_context  # None without a decoder, contrary to the stubs
    if context is not None:
        return stream.codec_context.codec.canonical_name
    handler = stream.metadata.get("handler_name", "")
    name: object = getattr(stream, "name", None) if stream.type == "data" else None
    return str(name) if name else ("timecode" if "time" in handler.lower() else "unknown codec")
