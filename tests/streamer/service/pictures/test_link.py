"""What a picture process says is not trusted."""

from __future__ import annotations

import pytest

from streamer.service.pictures.link import HEAD, READY, Answer, packed


@pytest.mark.parametrize("said", [b"[" * 500_000, b'{"a":' * 100_000, b"{", b"[]", b"\xff", b'{"kind": 1}'])
def test_nonsense(said: bytes) -> None:
    with pytest.raises(ValueError):
        Answer.read(said)


def test_an_answer() -> None:
    assert Answer.read(packed(READY)[HEAD.size :]) == READY
