"""Plain uploads: a body that breaks off, or is not what its head says, leaves nothing behind."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.rigs.service.raw_http import answer_to, connected, cut_off, head, soon, status_of
from tests.streamer.service.api.sending import IN_MEMORY, MOST, PIECE, STREAM, TUS, Receiving, receiving

pytestmark = pytest.mark.slow

CONTENT = random.Random(1).randbytes(2 * PIECE + 77)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Receiving]:
    """One a test: what another one has broken off may come to rest at any time."""
    with receiving(tmp_path / "data") as made:
        yield made


def test_a_whole_file(server: Receiving) -> None:
    pieces = iter((CONTENT[:5], CONTENT[5:]))
    for content in (CONTENT, pieces):  # with a length, and chunked
        answer = server.client.post("/v1/uploads", content=content)
        assert answer.status_code == 201
        assert answer.json().items() >= {"bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}.items()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_nothing_is_left_of_a_body_that_breaks_off(reset: bool, server: Receiving) -> None:
    before = server.at_rest()
    for cut in (0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, len(CONTENT) - 1):
        cut_off(
            server.client,
            head(server.client, "POST", "/v1/uploads", Content_Length=len(CONTENT)) + CONTENT[:cut],
            reset,
        )
        chunk = f"{len(CONTENT):x}\r\n".encode() + CONTENT[:cut]
        cut_off(server.client, head(server.client, "POST", "/v1/uploads", Transfer_Encoding="chunked") + chunk, reset)
    # Those that are still being dealt with have begun before this one.
    assert server.client.delete(
        "/v1/uploads/" + server.client.post("/v1/uploads", content=b"x").json()["id"]
    ).is_success
    assert soon(lambda: server.kept() == before), f"{server.kept()}, before {before}"


def post(server: Receiving, body: bytes, no_more: bool = False, **headers: object) -> bytes:
    request = head(server.client, "POST", "/v1/uploads", Connection="close", **headers) + body
    return answer_to(server.client, request, no_more)


def test_lengths_that_lie(server: Receiving) -> None:
    before = server.at_rest()
    for body, headers in (
        (CONTENT, {"Content_Length": len(CONTENT) + 1}),  # more announced than sent
        (b"", {"Content_Length": 5}),
        (b"x", {"Content_Length": "-1"}),
        (b"x", {"Content_Length": "1x"}),
        (b"x", {"Content_Length": "9" * 30}),
        (b"5\r\nxxx", {"Transfer_Encoding": "chunked"}),
        (b"zz\r\nxxx\r\n0\r\n\r\n", {"Transfer_Encoding": "chunked"}),
        (b"3\r\nxxxxxxx\r\n0\r\n\r\n", {"Transfer_Encoding": "chunked"}),
        (b"fffffffffffffffff\r\nxxx", {"Transfer_Encoding": "chunked"}),
        (b"3\r\nxxx\r\n0\r\n\r\n", {"Transfer_Encoding": "gzip, chunked"}),
    ):
        status = status_of(post(server, body, no_more=True, **headers))
        assert status in (0, 400, 413, 501), f"{headers}: {status}"
        assert soon(lambda: server.kept() == before), f"{headers}: {server.kept()}, before {before}"


def test_what_follows_a_body_is_another_request(server: Receiving) -> None:
    request = head(server.client, "POST", "/v1/uploads", Content_Length=3) + b"abc" + b"defg\r\n\r\n"
    answer = answer_to(server.client, request, no_more=False)
    assert status_of(answer) == 201 and hashlib.sha256(b"abc").hexdigest().encode() in answer and b" 400 " in answer


def test_nothing_is_no_file(server: Receiving) -> None:
    before = server.at_rest()
    for body, headers in (
        (b"", {"Content_Length": 0}),
        (b"", {}),
        (b"0\r\n\r\n", {"Transfer_Encoding": "chunked"}),
    ):
        assert status_of(post(server, body, **headers)) == 422, headers
    assert server.kept() == before


def test_too_large_is_said_before_it_is_sent(server: Receiving) -> None:
    before = server.at_rest()
    request = head(server.client, "POST", "/v1/uploads", Content_Length=MOST + 1)
    answer = answer_to(server.client, request, no_more=False)
    assert status_of(answer) == 413 and b"application/problem+json" in answer and server.kept() == before
    continued = head(server.client, "POST", "/v1/uploads", Content_Length=MOST + 1, Expect="100-continue")
    assert status_of(answer_to(server.client, continued, no_more=False)) == 413


def test_too_large_without_a_length_is_said_at_the_byte_that_is_too_many(server: Receiving) -> None:
    before = server.at_rest()
    body = f"{MOST + 1:x}\r\n".encode() + bytes(MOST + 1)  # and no end
    with patch("streamer.service.api.uploads.PIECE", MOST // 4):
        assert status_of(post(server, body, Transfer_Encoding="chunked")) == 413
    assert soon(lambda: server.kept() == before)


def test_as_large_as_allowed(server: Receiving) -> None:
    with patch("streamer.service.api.uploads.PIECE", MOST // 4):
        made = server.client.post("/v1/uploads", content=bytes(MOST))
    assert made.status_code == 201 and made.json()["bytes"] == MOST
    assert server.client.delete(f"/v1/uploads/{made.json()['id']}").status_code == 204


def test_slow_bodies_do_not_keep_others_out(server: Receiving) -> None:
    before = server.at_rest()
    slow_ones = 20
    with patch("streamer.service.api.uploads.PIECE", IN_MEMORY // 10), ExitStack() as stack:
        for _ in range(slow_ones):  # together twice what there is room for, if a whole piece was reserved for each
            slow = stack.enter_context(connected(server.client))
            slow.sendall(head(server.client, "POST", "/v1/uploads", Content_Length=PIECE) + b"x")
        assert soon(lambda: server.kept()[0] == before[0] + slow_ones)
        answer = server.client.post("/v1/uploads", content=CONTENT)
        assert answer.status_code == 201, answer.text
    assert soon(lambda: server.kept()[0] == before[0] + 1)


def test_more_at_once_than_fits_into_memory_is_put_off(server: Receiving) -> None:
    before, path = server.at_rest(), server.begun(MOST)
    with patch("streamer.service.api.uploads.PIECE", 10 * MOST):
        answer = server.patch(path, 0, bytes(IN_MEMORY + 1))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert 0 < server.offset(path) <= IN_MEMORY
        assert server.client.post("/v1/uploads", content=bytes(IN_MEMORY + 1)).status_code == 429
    assert server.client.delete(path).status_code == 204 and server.at_rest() == before


def test_originals_are_never_served(server: Receiving) -> None:
    made = server.client.post("/v1/uploads", content=CONTENT).json()["id"]
    for path in (f"/v1/uploads/{made}", f"/v1/uploads/{made}/content", f"/v1/uploads/{made}/result", "/v1/uploads"):
        for headers in ({}, {"Range": "bytes=0-9"}, {"Accept": "application/octet-stream"}):
            answer = server.client.get(path, headers=headers)
            assert CONTENT[:10] not in answer.content and answer.status_code in (200, 404, 405), path


def test_to_others_an_upload_does_not_exist(server: Receiving, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = "an admin's long secret"
    with receiving(tmp_path_factory.mktemp("two") / "data", token=secret) as made:
        of = [
            made.client.post("/v1/tokens", json={"label": name, "roles": ["submit"]}).json()["secret"]
            for name in ("anna", "ben")
        ]
        anna, ben = ({**TUS, "Authorization": f"Bearer {token}"} for token in of)
        path = made.client.post("/v1/uploads", headers={**anna, "Upload-Length": "5"}).headers["location"]
        invented = "/v1/uploads/" + "0123456789abcdef" * 2
        for method, headers, body in (
            ("HEAD", {}, b""),
            ("GET", {}, b""),
            ("DELETE", {}, b""),
            ("PATCH", {**STREAM, "Upload-Offset": "0"}, b"x"),
            ("PATCH", {**STREAM, "Upload-Offset": "7", "Upload-Length": "9"}, b"x"),
            ("PATCH", {**STREAM, "Upload-Offset": "0", "Upload-Checksum": "sha256 AAAA"}, b"x"),
        ):
            theirs, nobodys = (
                made.client.request(method, where, headers={**ben, **headers}, content=body)
                for where in (path, invented)
            )
            assert theirs.status_code == nobodys.status_code == 404, method
            assert theirs.content == nobodys.content and set(theirs.headers) == set(nobodys.headers)
        assert made.client.head(path, headers=anna).headers["upload-offset"] == "0"
        assert made.client.head(path, headers=TUS).status_code == 404, "not even an admin"
