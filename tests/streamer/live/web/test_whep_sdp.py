from __future__ import annotations

import pytest

from streamer.live.web.whep_sdp import (
    MAX_CANDIDATES,
    MAX_MEDIA,
    OfferError,
    SdpError,
    codec_of,
    parse_fragment,
    usable_offer,
)

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
OFFER = f"""v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:0
a=recvonly
a=rtcp-mux
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;profile-level-id=42e01f
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:{FINGERPRINT}
a=setup:actpass
a=candidate:1 1 udp 2122260223 192.0.2.7 5000 typ host generation 0
a=candidate:2 1 udp 2122260223 0f7b1c1e-52a9-4be8-a0c9-d5a6b1f2c3d4.local 5001 typ host
a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active
a=candidate:4 1 udp 1686052607 2001:db8::1 5002 typ srflx raddr 192.0.2.7 rport 5000
a=candidate:5 1 udp 1 elsewhere.example 5003 typ host
a=candidate:6 1 udp
a=end-of-candidates
"""


def test_only_usable_candidates_are_kept() -> None:
    kept = [line for line in usable_offer(OFFER).splitlines() if line.startswith(("a=candidate", "a=end"))]
    assert [line.split()[0] for line in kept] == ["a=candidate:1", "a=candidate:4"]
    assert usable_offer(usable_offer(OFFER)) == usable_offer(OFFER)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("v=0", "hello", SdpError),
        ("m=video 9", "m=video nine", SdpError),
        ("sha-256 ", "", SdpError),
        ("m=video", "m=audio", OfferError),
        ("m=video 9", "m=video 0", OfferError),
        ("a=recvonly", "a=sendonly", OfferError),
        ("a=recvonly", "a=inactive", OfferError),
        ("a=ice-ufrag:abcd", "a=x", OfferError),
        ("a=ice-pwd", "a=x", OfferError),
        ("a=fingerprint", "a=x", OfferError),
    ],
)
def test_offers_that_cannot_be_answered(old: str, new: str, error: type[Exception]) -> None:
    assert old in OFFER
    with pytest.raises(error):
        usable_offer(OFFER.replace(old, new))


def test_the_size_of_an_offer_is_bounded() -> None:
    media = OFFER[OFFER.index("m=") :]
    many = [media.replace("a=mid:0", f"a=mid:{number}") for number in range(1, MAX_MEDIA + 1)]
    assert usable_offer(OFFER + "".join(many[:-1]))
    with pytest.raises(OfferError, match="too many media"):
        usable_offer(OFFER + "".join(many))
    with pytest.raises(OfferError, match="same name"):
        usable_offer(OFFER + media)
    candidate = "a=candidate:9 1 udp 2122260223 192.0.2.7 5000 typ host\n"
    assert usable_offer(OFFER + candidate * (MAX_CANDIDATES - 2))
    with pytest.raises(OfferError, match="too many candidates"):
        usable_offer(OFFER + candidate * (MAX_CANDIDATES - 1))


def test_the_codec_of_an_answer() -> None:
    answer = usable_offer(OFFER).replace("recvonly", "sendonly")
    assert codec_of(answer) == "H264"
    assert codec_of(answer.replace("H264", "VP8")) == "VP8"
    with pytest.raises(OfferError):
        codec_of(answer.replace("sendonly", "inactive"))


def test_trickled_candidates() -> None:
    fragment = parse_fragment(
        "a=ice-ufrag:abcd\r\na=ice-pwd:x\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:v\r\n"
        "a=candidate:1 1 udp 2122260223 192.0.2.7 5000 typ host\r\n"
        "a=candidate:2 1 udp 2122260223 x-y.local 5001 typ host\r\n"
        "a=end-of-candidates\r\n"
    )
    assert fragment.ufrag == "abcd"
    [candidate] = fragment.candidates
    assert (candidate.ip, candidate.port, candidate.sdpMid, candidate.sdpMLineIndex) == ("192.0.2.7", 5000, "v", 0)


def test_fragments_are_bounded_and_checked() -> None:
    line = "a=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\n"
    assert len(parse_fragment(line * 1000).candidates) == MAX_CANDIDATES
    assert parse_fragment("").candidates == ()
    with pytest.raises(SdpError):
        parse_fragment('{"candidate": 1}')
