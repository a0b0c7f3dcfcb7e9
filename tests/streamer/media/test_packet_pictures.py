from __future__ import annotations

import pytest

from streamer.media.packet_pictures import pictures_in

VOP = b"\0\0\1\xb6"


@pytest.mark.parametrize(
    ("codec", "data", "pictures"),
    [
        ("h264", b"", 1),
        ("mpeg4", VOP + bytes(100), 1),
        ("mpeg4", VOP + bytes(100) + VOP + bytes(50), 2),
        ("mpeg4", VOP + bytes(3), 0),
        ("mpeg4", bytes([7]) * 100, 1),
        ("vp8", b"\x10" + bytes(20), 1),
        ("vp8", b"\x00" + bytes(20), 0),
        ("vp8", b"", 0),
        ("flv1", bytes(100), 0),
    ],
)
def test_pictures_that_a_packet_should_yield(codec: str, data: bytes, pictures: int) -> None:
    assert pictures_in(codec, data) == pictures
