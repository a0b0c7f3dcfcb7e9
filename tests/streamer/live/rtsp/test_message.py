from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.rtsp.message import (
    MAX_FIELD,
    MAX_HEAD,
    Address,
    Interleaved,
    MessageReader,
    Request,
    Response,
    RtspParseError,
)

OPTIONS = b"OPTIONS rtsp://h/door RTSP/1.0\r\nCSeq: 7\r\nUser-Agent: x\r\n\r\n"


def read(*pieces: bytes) -> list[Request | Interleaved]:
    reader = MessageReader()
    return [message for piece in pieces for message in reader.feed(piece)]


def test_a_request() -> None:
    expected = Request("OPTIONS", "rtsp://h/door", 7, {"cseq": "7", "user-agent": "x"})
    assert read(OPTIONS) == [expected]
    assert read(*(OPTIONS[i : i + 1] for i in range(len(OPTIONS)))) == [expected]
    assert read(b"\r\n\r\n" + OPTIONS + b"\r\n") == [expected]
    assert read(OPTIONS.replace(b"\r\n", b"\n")) == [expected]


def test_a_body_frames_and_requests_in_one_piece() -> None:
    body = b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 8\r\nContent-Length: 4\r\n\r\n$\0\0\1"
    frame = Interleaved(1, b"\r\n\r\n$")
    messages = read(OPTIONS + body + bytes(frame) + OPTIONS)
    assert [type(message) for message in messages] == [Request, Request, Interleaved, Request]
    assert isinstance(messages[1], Request) and messages[1].body == b"$\0\0\1"
    assert messages[2] == frame
    assert read((OPTIONS + body + bytes(frame))[:-1])[2:] == []


def test_headers_are_folded_joined_and_of_any_case() -> None:
    (message,) = read(b"OPTIONS * RTSP/1.0\r\ncseq:1\r\nAccept: a,\r\n b\r\nACCEPT: c\r\n\r\n")
    assert isinstance(message, Request) and message.headers["accept"] == "a, b, c"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        (b"options * RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: -1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 99999999999\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 999999\r\n\r\n", 413),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nno colon\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: a\x00b\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: \xff\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n" + b"X: y\r\n" * 70 + b"\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"y" * (MAX_FIELD + 1) + b"\r\n\r\n", 413),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"y" * MAX_FIELD + b"\r\n z\r\n\r\n", 413),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n" + (b"X: " + b"y" * 1500 + b"\r\n") * 2 + b"\r\n", 413),
        (b"x" * MAX_HEAD, 400),
        (b"OPTIONS * RTSP/1.0\r\nX: " + b"y" * MAX_HEAD, 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", 400),
    ],
)
def test_invalid_requests(text: bytes, status: int) -> None:
    with pytest.raises(RtspParseError) as caught:
        read(text)
    assert caught.value.status == status


def test_an_endless_message_is_bounded() -> None:
    reader = MessageReader()
    assert not reader.pending
    assert list(reader.feed(b"x" * (MAX_HEAD - 1))) == [] and reader.pending
    with pytest.raises(RtspParseError):
        list(reader.feed(b"x"))


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
def test_the_end_of_a_head_is_found_wherever_it_was_cut(ending: bytes) -> None:
    whole = (b"\r\n" + OPTIONS).replace(b"\r\n", ending)
    for first in range(len(whole)):
        for second in range(first, len(whole)):
            assert len(read(whole[:first], whole[first:second], whole[second:])) == 1


LINE = st.sampled_from(
    [
        b"$",
        b"\0",
        b"\r\n",
        b"\n",
        b"CSeq: 1",
        b"Content-Length: ",
        b"9",
        b"-",
        b":",
        b" ",
        b"\xff",
        b"RTSP/1.0",
        OPTIONS,
    ]
)


@given(st.lists(st.one_of(st.binary(max_size=40), LINE), max_size=30))
def test_garbage_raises_nothing_but_the_parse_error(pieces: list[bytes]) -> None:
    reader = MessageReader()
    try:
        for piece in pieces:
            for message in reader.feed(piece):
                if isinstance(message, Request):
                    Address.parse(message.uri)
    except RtspParseError as error:
        assert 400 <= error.status < 600


@given(st.text(max_size=60), st.sampled_from(["", "rtsp://", "rtsp://h:1/", "rtsp://u:p@h/"]))
def test_any_uri_can_be_parsed(text: str, start: str) -> None:
    address = Address.parse(start + text)
    assert address.base == "" or (address.base.startswith("rtsp") and address.base.endswith("/"))
    assert bytes(Response(200, (("Content-Base", address.base),)))


@given(st.binary(max_size=200), st.integers(1, 50))
def test_frames_come_through_in_any_pieces(data: bytes, step: int) -> None:
    frame = bytes(Interleaved(3, data))
    assert read(*(frame[i : i + step] for i in range(0, len(frame), step))) == [Interleaved(3, data)]


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("rtsp://h/door", Address("door", False, "rtsp://h/door/")),
        ("rtsp://h:8554/door/?token=1", Address("door", False, "rtsp://h:8554/door/")),
        ("rtsp://user:secret@h/door/trackID=0?x", Address("door", True, "rtsp://h/door/")),
        ("rtsp://h/caf%C3%A9%20x/trackID=0", Address("café x", True, "rtsp://h/caf%C3%A9%20x/")),
        ("rtsp://[::1]:8554/door", Address("door", False, "rtsp://[::1]:8554/door/")),
        ("/door", Address("door", False, "")),
        ("*", Address("*", False, "")),
        ("rtsp://h/door/trackID=1", Address("door/trackID=1", False, "rtsp://h/door/trackID=1/")),
        ("rtsp://h:99999/door", Address("", False, "")),
        ("rtsp://\x08/0", Address("", False, "")),
        ("rtsp://[::1/door", Address("", False, "")),
    ],
)
def test_addresses(uri: str, address: Address) -> None:
    assert Address.parse(uri) == address


def test_a_response() -> None:
    response = Response(200, (("CSeq", "1"),), b"body").with_headers(("Server", "s"))
    assert bytes(response) == b"RTSP/1.0 200 OK\r\nServer: s\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nbody"
    with pytest.raises(ValueError, match="control characters"):
        bytes(Response(200, (("X", "a\r\nb"),)))
