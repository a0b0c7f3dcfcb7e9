"""Parses and serializes RTSP 1.0 messages and interleaved frames (RFC 2326)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from yarl import URL

MAX_HEAD: Final = 8192  # bytes of request line and headers together
MAX_FIELD: Final = 2048  # bytes of one header value, folded and repeated lines included; credentials are the longest
MAX_BODY: Final = 4096  # bytes; no supported method needs a body of any size
_MAX_FIELDS = 64
_MAX_CSEQ = 2**32 - 1
TRACK: Final = "trackID=0"
"""Control name of a stream's only track, relative to the stream."""

REASONS: Final[Mapping[int, str]] = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Time-out",
    413: "Request Entity Too Large",
    451: "Parameter Not Understood",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option not supported",
}

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(r"([A-Z_]{1,32}) ([^\s\x00-\x1f\x7f]{1,2048}) RTSP/(\d{1,3}\.\d{1,3})")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64})[ \t]*:[ \t]*(.*)")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class RtspParseError(Exception):
    """The input is not RTSP. `status` is the response to send before closing. The text never quotes the input."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request. Header names are in lower case; repeated headers are joined by commas."""

    method: str
    uri: str
    cseq: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Interleaved:
    """A binary frame between messages (RFC 2326, 10.12)."""

    channel: int
    data: bytes

    def __bytes__(self) -> bytes:
        return b"$%c%b%b" % (self.channel, len(self.data).to_bytes(2, "big"), self.data)


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `bytes(response)` is its wire format."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, *headers: tuple[str, str]) -> Response:
        """A copy with `headers` in front of its own."""
        return Response(self.status, headers + self.headers, self.body)

    def __bytes__(self) -> bytes:
        lines = [f"RTSP/1.0 {self.status} {REASONS[self.status]}"]
        for name, value in self.headers:
            if _CONTROL.search(value):
                raise ValueError(f"control characters in the value of {name}")
            lines.append(f"{name}: {value}")
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class MessageReader:
    """Turns a byte stream into requests and interleaved frames; buffers at most one message."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # bytes already searched for the end of a head, so that slow senders cost no rescans

    @property
    def pending(self) -> bool:
        """Whether an incomplete message is buffered."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[Request | Interleaved]:
        """Yield the messages that `data` completes. After RtspParseError the reader cannot be used any more."""
        self._buffer += data
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> Request | Interleaved | None:
        buffer = self._buffer
        if buffer[:1] == b"$":
            return self._next_interleaved()
        # Ignore empty lines before a message, as in HTTP.
        blank = len(buffer) - len(buffer.lstrip(b"\r\n"))
        del buffer[:blank]
        if buffer[:1] == b"$":
            return self._next_interleaved()
        end = _HEAD_END.search(buffer, max(0, self._searched - blank - len(b"\r\n\r")), MAX_HEAD)
        if end is None:
            if len(buffer) >= MAX_HEAD:
                raise RtspParseError(400, "the header is too long")
            self._searched = len(buffer)
            return None
        request, length = _parse_head(bytes(buffer[: end.start()]))
        if len(buffer) < end.end() + length:
            return None
        self._searched = 0
        body = bytes(buffer[end.end() : end.end() + length])
        del buffer[: end.end() + length]
        return Request(request.method, request.uri, request.cseq, request.headers, body)

    def _next_interleaved(self) -> Interleaved | None:
        buffer = self._buffer
        size = 4 + int.from_bytes(buffer[2:4], "big")
        if len(buffer) < 4 or len(buffer) < size:
            return None
        frame = Interleaved(buffer[1], bytes(buffer[4:size]))
        del buffer[:size]
        return frame


def _parse_head(head: bytes) -> tuple[Request, int]:
    """The request without its body, and the body's length in bytes."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise RtspParseError(400, "the header is not UTF-8") from None
    first, *lines = re.split(r"\r?\n", text)
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise RtspParseError(400, "not an RTSP request line")
    method, uri, version = line.groups()
    if version != "1.0":
        raise RtspParseError(505, f"RTSP version {version}")
    headers = _parse_fields(lines)
    cseq = _number(headers.get("cseq"), "CSeq", _MAX_CSEQ, 400)
    length = _number(headers.get("content-length", "0"), "Content-Length", MAX_BODY, 413)
    return Request(method, uri, cseq, headers), length


def _parse_fields(lines: list[str]) -> dict[str, str]:
    if len(lines) > _MAX_FIELDS:
        raise RtspParseError(400, "too many header fields")
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if _CONTROL.search(line):
            raise RtspParseError(400, "control characters in a header")
        if line[:1] in (" ", "\t") and name:
            headers[name] += " " + line.strip()
            continue
        match = _FIELD.fullmatch(line)
        if match is None:
            raise RtspParseError(400, "a header line without a name")
        name, value = match[1].lower(), match[2].strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if any(len(value.encode()) > MAX_FIELD for value in headers.values()):
        raise RtspParseError(413, "a header field is too long")
    return headers


def _number(text: str | None, name: str, most: int, status: int) -> int:
    if text is None or not re.fullmatch(r"[0-9]{1,10}", text):
        raise RtspParseError(400, f"{name} is missing or not a number")
    if int(text) > most:
        raise RtspParseError(status, f"{name} is too large")
    return int(text)


@dataclass(frozen=True, slots=True)
class Address:
    """What a request's URI refers to: the stream's name, percent-decoded, and whether the URI names its track.

    `base` is the stream's absolute URI with a trailing slash, without credentials or query; empty if the URI has no
    host.
    """

    stream: str
    track: bool
    base: str

    @staticmethod
    def parse(uri: str) -> Address:
        """Parse any URI. An invalid one gets the stream name "", which never exists."""
        try:
            url = URL(uri)
            path = url.path.strip("/")
            raw = url.raw_path.strip("/")
            origin = str(url.origin()) if url.scheme in ("rtsp", "rtspu") and url.host else ""
        except ValueError:
            return Address("", False, "")
        if _CONTROL.search(origin):  # yarl lets control characters into host names; they must not reach a header
            return Address("", False, "")
        track = path.endswith(f"/{TRACK}")
        if track:
            path, raw = path.removesuffix(f"/{TRACK}"), raw.rpartition("/")[0].rstrip("/")
        return Address(path.rstrip("/"), track, f"{origin}/{raw}/" if origin and raw else "")
