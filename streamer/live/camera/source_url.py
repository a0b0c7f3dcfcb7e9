"""Parses source addresses and chooses FFmpeg's options for them. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from streamer.media.formats import HTTP_FORMATS
from streamer.redact import redacted
from streamer.settings.source import SourceConfig

_KNOWN: Final = "a source is rtsp://, rtsps://, http://, https://, a webcam (/dev/video0) or a file"
_DEVICE = re.compile(r"/dev/(video\d+|v4l/\S+)")
_REORDERED: Final = 64  # RTP packets that may wait for a late one; without this queue FFmpeg reports no losses
_REORDER_DELAY: Final = 100_000  # most microseconds they may wait
_SOCKET_BUFFER: Final = 2 << 20  # bytes; a key frame arrives as one burst
_SEGMENTS: Final = 3  # read timeouts for which segmented streams may be silent: they arrive in bursts


class SourceKind(StrEnum):
    """The kind of source."""

    RTSP = "rtsp"
    HTTP = "http"  # MJPEG, HLS, or any other supported format
    WEBCAM = "webcam"
    FILE = "file"


class SourceUrlError(ValueError):
    """An invalid source address; the text says why in one line without credentials."""


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """A source. `url` is what FFmpeg opens and may contain credentials; `shown` has none."""

    kind: SourceKind
    url: str = field(repr=False)
    shown: str
    host: str | None = None
    port: int | None = None

    @property
    def network(self) -> bool:
        """Whether it is reached over a network."""
        return self.kind in (SourceKind.RTSP, SourceKind.HTTP)

    @property
    def segmented(self) -> bool:
        """Whether it arrives in segments of several seconds (HLS, RFC 8216)."""
        return self.kind is SourceKind.HTTP and urlsplit(self.url).path.lower().endswith((".m3u8", ".m3u"))

    def silence(self, config: SourceConfig) -> float:
        """Seconds without data after which the source counts as lost."""
        return config.read_timeout * (_SEGMENTS if self.segmented else 1)


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How FFmpeg opens a source: demuxer name (None to probe) and options."""

    format: str | None
    options: dict[str, str]


def parse_source(text: str) -> SourceUrl:
    """Parse a source address. Raises SourceUrlError."""
    text = text.strip()
    if not text:
        raise SourceUrlError("the source is empty")
    if "\0" in text or "\n" in text:
        raise SourceUrlError("the source contains a control character")
    device = text.removeprefix("v4l2:") if text.startswith("v4l2:") else text
    if _DEVICE.fullmatch(device):
        return SourceUrl(SourceKind.WEBCAM, device, device)
    if device != text:
        raise SourceUrlError(f"not a webcam: {redacted(text)} (one is v4l2:/dev/video0)")
    scheme, colon, _ = text.partition("://")
    if not colon:
        return SourceUrl(SourceKind.FILE, text, text)
    scheme = scheme.lower()
    if scheme == "file":
        return SourceUrl(SourceKind.FILE, text[7:], text[7:])
    if scheme not in ("rtsp", "rtsps", "http", "https"):
        raise SourceUrlError(f"{redacted(scheme)}:// is not supported: {_KNOWN}")
    return _network_source(text, SourceKind.RTSP if scheme.startswith("rtsp") else SourceKind.HTTP)


def _network_source(text: str, kind: SourceKind) -> SourceUrl:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Python's error text quotes the address, and with it a password that was not escaped.
        raise SourceUrlError(
            "the host or port of the source is invalid (write / ? # @ in a password as %2F %3F %23 %40)"
        ) from None
    if not host:
        raise SourceUrlError("the source has no host name")
    if any(char.isspace() for char in text):
        raise SourceUrlError("the source contains a space (write it as %20)")
    default = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}[parts.scheme.lower()]
    return SourceUrl(kind, text, redacted(text), host, port or default)


def open_options(source: SourceUrl, config: SourceConfig, thorough: bool = False, audio: bool = False) -> OpenOptions:
    """How to open the source. `thorough` probes for longer, for streams that do not describe themselves.

    With `audio`, audio is requested from a camera as well.
    """
    probing = {"fpsprobesize": "0"}
    if thorough:
        probing |= {"probesize": "2000000", "analyzeduration": "3000000"}
    match source.kind:
        case SourceKind.FILE:
            return OpenOptions(None, {"protocol_whitelist": "file"})
        case SourceKind.WEBCAM:
            return OpenOptions("v4l2", probing)
        case SourceKind.HTTP:
            probing = {"probesize": "500000", "analyzeduration": "1000000"} | probing
            whitelist = "http,https,tcp,tls,crypto,httpproxy,data"
            # Whitelist formats, because some playlist formats can read any file. Forbid redirects, because FFmpeg
            # would follow them to any host.
            most = {} if config.redirects == "any" else {"max_redirects": "0"}
            return OpenOptions(
                None, probing | most | {"protocol_whitelist": whitelist, "format_whitelist": HTTP_FORMATS}
            )
        case SourceKind.RTSP:
            # The SDP names the codec, so probing one packet is enough and delays no picture.
            probing = {"probesize": "32", "analyzeduration": "100000"} | probing
            transport = {
                "auto": {"rtsp_transport": "udp+tcp", "rtsp_flags": "prefer_tcp"},
                "tcp": {"rtsp_transport": "tcp"},
                "udp": {"rtsp_transport": "udp"},
            }[config.transport]
            return OpenOptions(
                "rtsp",
                probing
                | transport
                | {
                    "allowed_media_types": "video+audio" if audio else "video",
                    "reorder_queue_size": str(_REORDERED),
                    "max_delay": str(_REORDER_DELAY),
                    "buffer_size": str(_SOCKET_BUFFER),
                    "timeout": str(round(1e6 * max(config.open_timeout, config.read_timeout))),
                    "protocol_whitelist": "rtp,srtp,udp,tcp,tls,http,https,httpproxy",
                },
            )


def file_path(source: SourceUrl) -> Path:
    """The file of a source of kind FILE."""
    return Path(source.url).expanduser()
