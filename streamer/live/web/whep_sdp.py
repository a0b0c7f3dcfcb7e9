"""The SDP that WHEP carries: offers, answers and trickled candidates. Text in, facts out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace

from aiortc import RTCIceCandidate
from aiortc.sdp import SessionDescription, candidate_from_sdp

MAX_CANDIDATES = 64  # of one viewer; browsers send about ten
MAX_MEDIA = 8  # sections of an offer


class SdpError(ValueError):
    """The text is not SDP."""


class OfferError(ValueError):
    """SDP, but nothing that this server can answer with a picture."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Trickled candidates (RFC 8840, `application/trickle-ice-sdpfrag`); `ufrag` tells the ICE session they are for."""

    ufrag: str | None
    candidates: tuple[RTCIceCandidate, ...]


def usable_offer(text: str) -> str:
    """The offer, without candidates that are of no use here and without the end of candidates.

    Browsers hide their address behind an mDNS name. Asking the network for it would send packets to who is no peer,
    and is not needed: the browser's own checks tell its address. They may come after the end of candidates, which
    would have aioice give up at once. Raises SdpError, OfferError.
    """
    if not text.startswith("v=0"):
        raise SdpError("the offer is not SDP")
    lines = [line for line in text.splitlines() if _is_kept(line)]
    if sum(line.startswith("a=candidate:") for line in lines) > MAX_CANDIDATES:
        raise OfferError("the offer has too many candidates")
    text = "\r\n".join(lines) + "\r\n"
    try:
        description = SessionDescription.parse(text)
    except Exception as error:  # aiortc's parser asserts, indexes and unpacks
        raise SdpError("the offer is not SDP") from error
    mids = [media.rtp.muxId for media in description.media if media.rtp.muxId]
    if len(description.media) > MAX_MEDIA:
        raise OfferError("the offer has too many media sections")
    if len(set(mids)) < len(mids):
        raise OfferError("two media sections of the offer have the same name")
    if not any(
        media.kind == "video" and media.port and media.direction in ("recvonly", "sendrecv", None)
        for media in description.media
    ):
        raise OfferError("the offer does not ask for video")
    for media in description.media:
        if not media.ice or not media.ice.usernameFragment or not media.ice.password:
            raise OfferError("the offer lacks ICE credentials")
        if not media.dtls or not media.dtls.fingerprints:
            raise OfferError("the offer lacks a DTLS fingerprint")
    return text


def codec_of(answer: str) -> str:
    """Name of the codec that the answer agrees on for the first video: `H264` or `VP8`. Raises OfferError."""
    for media in SessionDescription.parse(answer).media:
        if media.kind == "video" and media.rtp.codecs and media.direction == "sendonly":
            return media.rtp.codecs[0].name.upper()
    raise OfferError("the offer accepts neither H.264 nor VP8")


def parse_fragment(text: str) -> Fragment:
    """The candidates that are of use here, at most `MAX_CANDIDATES`. Raises SdpError."""
    ufrag: str | None = None
    candidates: list[RTCIceCandidate] = []
    index, mid = -1, None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if line.startswith("m="):
            index, mid = index + 1, None
        elif name == "a=ice-ufrag":
            ufrag = value.strip()
        elif name == "a=mid":
            mid = value.strip()
        elif name == "a=candidate":
            for candidate in _usable(value):
                candidates.append(replace(candidate, sdpMid=mid, sdpMLineIndex=max(0, index)))
        elif line.strip() and not line.startswith("a="):
            raise SdpError("not an SDP fragment")
    return Fragment(ufrag, tuple(candidates[:MAX_CANDIDATES]))


def offered_ufrags(offer: str) -> frozenset[str]:
    """ICE user name fragments of an offer."""
    media = SessionDescription.parse(offer).media
    return frozenset(m.ice.usernameFragment for m in media if m.ice and m.ice.usernameFragment)


def _is_kept(line: str) -> bool:
    if line.startswith("a=candidate:"):
        return bool(list(_usable(line.partition(":")[2])))
    return line.strip() != "a=end-of-candidates"


def _usable(value: str) -> Iterator[RTCIceCandidate]:
    try:
        candidate = candidate_from_sdp(value)
        ipaddress.ip_address(candidate.ip)
    except (AssertionError, ValueError, IndexError):
        return
    if (
        candidate.protocol.lower() == "udp"
        and candidate.component == 1
        and candidate.type in ("host", "srflx", "relay")
    ):
        yield candidate
