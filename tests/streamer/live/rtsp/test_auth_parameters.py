from __future__ import annotations

import time
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.rtsp.auth import Authenticator, LoginVerdict
from streamer.live.rtsp.auth_parameters import MOST, auth_parameters
from streamer.live.rtsp.message import Address, MessageReader, Request, RtspParseError
from streamer.live.rtsp.transport import choose


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('username="me", nc=1', {"username": "me", "nc": "1"}),
        ('USERNAME = "me" ,\tnc\t=\t1,', {"username": "me", "nc": "1"}),
        ('a="say \\"hi\\" \\\\ now"', {"a": 'say "hi" \\ now'}),
        ('a="x, b=y", b=""', {"a": "x, b=y", "b": ""}),
        ("a=1, a=2", {"a": "2"}),
        ("a=1 b=2", {"a": "1", "b": "2"}),
        ("", {}),
        ("a", {}),
        ("=1", {}),
        ("a=", {}),
        ('a=1, b="open', {"a": "1"}),
        ('a="\\', {}),
        ("a=1, ?, b=2", {"a": "1"}),
    ],
)
def test_parameters(text: str, expected: dict[str, str]) -> None:
    assert auth_parameters(text) == expected


def test_the_number_of_parameters_is_bounded() -> None:
    assert len(auth_parameters(",".join(f"a{i}=1" for i in range(1000)))) == MOST


@given(st.text(alphabet='ab=" \\,', max_size=60))
def test_any_text_can_be_parsed(text: str) -> None:
    assert all(name and name in text for name in auth_parameters(text))


SHAPES: Final = [
    "a",
    "a=",
    "a ",
    " ",
    ",",
    '"',
    "\\",
    'a="',
    'a="\\"',
    "a=b,",
    "a =",
    "\\\\",
    "=",
    "\u00e9",
    "a.",
    "-",
    "0-",
]
LONG: Final = 256 * 1024  # characters: far beyond any header, so that time which grows with the square is seen at once


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_time_is_linear_in_the_length(shape: str) -> None:
    """A single 8 KB header once took half a second, and stalled every client meanwhile."""
    text = (shape * LONG)[:LONG]
    begun = time.perf_counter()
    for start in ("", 'a="', "a="):
        auth_parameters(start + text)
    assert time.perf_counter() - begun < 2.0


@pytest.mark.parametrize("shape", SHAPES)
def test_no_request_keeps_the_server_busy(shape: str) -> None:
    text = (shape * 8000)[:8000]
    auth = Authenticator("me", "secret")
    begun = time.perf_counter()
    for scheme in ("Digest", "Basic", "Bearer"):
        request = Request("DESCRIBE", text[:2000], 1, {"authorization": f"{scheme} {text}"})
        assert auth.check(request, 0.0) is LoginVerdict.WRONG
    assert choose(text, "10.0.0.9") is None
    Address.parse("rtsp://h/" + text)
    for head in (f"OPTIONS {text}", f"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n{text}\r\n\r\n"):
        reader = MessageReader()
        try:
            for byte in head.encode():
                list(reader.feed(bytes([byte])))
        except RtspParseError:
            pass
    assert time.perf_counter() - begun < 0.5
