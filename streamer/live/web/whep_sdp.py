"""Parses the SDP of WHEP: offers, answers and trickled candidates. No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace

from aiortc import RTCIceCandidate
from aiortc.sdp import SessionDescription, candidate_from_sdp

MAX_CANDIDATES = 64  # per viewer; browsers send about ten
MAX_MEDIA = 8  # media sections per offer


class SdpError(ValueError):
    """The text is not SDP."""


class OfferError(ValueError):
    """Valid SDP, but not an offer that this server can answer with video."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Trickled candidates (RFC 8840, `application/trickle-ice-sdpfrag`); `ufrag` identifies the ICE session."""

    ufrag: str | None
    candidates: tuple[RTCIceCandidate, ...]


def usable_offer(text: str) -> str:
    """The offer without unusable candidates and without its end-of-candidates line.

    Browsers hide their address behind an mDNS name. Resolving it would send packets to machines that are not the peer,
    and is not needed: the browser's own connectivity checks reveal its address. Those checks may arrive after the end
    of candidates, at which aioice would give up, so that line is removed. Raises SdpError, OfferError.
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
    """The codec that the answer selects for the first video section: `H264` or `VP8`. Raises OfferError."""
    for media in SessionDescription.parse(answer).media:
        if media.kind == "video" and media.rtp.codecs and media.direction == "sendonly":
            return media.rtp.codecs[0].name.upper()
    raise OfferError("the offer accepts neither H.264 nor VP8")


def parse_fragment(text: str) -> Fragment:
    """Parse a fragment; keeps at most `MAX_CANDIDATES` usable candidates. Raises SdpError."""
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
    """The ICE username fragments in an offer."""
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
