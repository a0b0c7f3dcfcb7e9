"""Resumable uploads as tus 1.0 has them: cut off anywhere, resumed, checked, refused."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest
from tusclient.client import TusClient

from tests.rigs.service.raw_http import cut_off, head, soon
from tests.streamer.service.api.sending import MOST, PIECE, STREAM, TUS, Receiving, receiving

pytestmark = pytest.mark.slow

CONTENT = random.Random(1).randbytes(3 * PIECE + 77)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    with receiving(tmp_path_factory.mktemp("tus") / "data") as made:
        yield made


def start_of(server: Receiving, path: str, offset: int, count: int, sent: bytes, **more: object) -> bytes:
    """A PATCH that announces `count` bytes and has only `sent`."""
    return (
        head(
            server.client,
            "PATCH",
            path,
            Tus_Resumable="1.0.0",
            Content_Type="application/offset+octet-stream",
            Upload_Offset=offset,
            **{"Content_Length": count, **more},
        )
        + sent
    )


@pytest.mark.parametrize("chunk", [PIECE // 3, PIECE, PIECE + 1, len(CONTENT)])
@pytest.mark.parametrize("checksum", [False, True])
def test_an_independent_client_uploads(chunk: int, checksum: bool, server: Receiving) -> None:
    client = TusClient(f"{server.client.base_url}/v1/uploads")
    uploader = client.uploader(file_stream=io.BytesIO(CONTENT), chunk_size=chunk, upload_checksum=checksum)
    uploader.upload(stop_at=PIECE)
    again = client.uploader(file_stream=io.BytesIO(CONTENT), url=uploader.url, chunk_size=chunk)
    assert again.offset == uploader.offset
    again.upload()
    path = httpx.URL(uploader.url or "").path
    assert (server.offset(path), server.sha256(path)) == (len(CONTENT), SHA256)


def is_at(server: Receiving, path: str, offset: int) -> bool:
    return server.offset(path) == offset


CUTS = (1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 1, len(CONTENT) - 1)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_what_came_in_before_a_cut_counts(reset: bool, chunked: bool, server: Receiving) -> None:
    for cut in CUTS:
        path = server.begun(len(CONTENT))
        if chunked:
            sent = start_of(server, path, 0, 0, b"", Content_Length="", Transfer_Encoding="chunked")
            sent = sent.replace(b"Content-Length: \r\n", b"") + f"{len(CONTENT):x}\r\n".encode() + CONTENT[:cut]
        else:
            sent = start_of(server, path, 0, len(CONTENT), CONTENT[:cut])
        cut_off(server.client, sent, reset)
        assert soon(partial(is_at, server, path, cut)), f"{server.offset(path)} of {cut}"
        assert server.sha256(path) is None
        assert server.patch(path, cut, CONTENT[cut:]).status_code == 204
        assert (server.offset(path), server.sha256(path)) == (len(CONTENT), SHA256), cut


def test_cut_off_again_and_again(server: Receiving) -> None:
    chance, path, at = random.Random(2), server.begun(len(CONTENT)), 0
    while at < len(CONTENT):
        upto = min(len(CONTENT), at + chance.randint(1, PIECE))
        cut_off(server.client, start_of(server, path, at, len(CONTENT) - at, CONTENT[at:upto]), chance.random() < 0.5)
        assert soon(partial(is_at, server, path, upto)), f"{server.offset(path)} of {upto}"
        at = upto
    assert server.sha256(path) == SHA256


def test_all_bytes_came_but_not_the_end_of_the_request(server: Receiving) -> None:
    path = server.begun(len(CONTENT))
    sent = start_of(server, path, 0, 0, b"", Transfer_Encoding="chunked").replace(b"Content-Length: 0\r\n", b"")
    cut_off(server.client, sent + f"{len(CONTENT):x}\r\n".encode() + CONTENT)
    assert soon(lambda: server.offset(path) == len(CONTENT))
    assert soon(lambda: server.sha256(path) == SHA256), "the client thinks it is done, the server does not"


def test_a_body_that_is_not_http_any_more_is_cut_off(server: Receiving) -> None:
    path = server.begun(len(CONTENT))
    sent = start_of(server, path, 0, 0, b"", Transfer_Encoding="chunked").replace(b"Content-Length: 0\r\n", b"")
    cut_off(server.client, sent + b"5\r\n" + CONTENT[:5] + b"\r\nnonsense\r\n")
    assert soon(lambda: server.offset(path) == 5)
    assert server.patch(path, 5, CONTENT[5:]).status_code == 204 and server.sha256(path) == SHA256


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Offset": "1"}, 409),
        ({"Upload-Offset": None}, 400),
        ({"Upload-Offset": "-1"}, 400),
        ({"Upload-Offset": "0x0"}, 400),
        ({"Upload-Offset": "٣".encode()}, 400),
        ({"Upload-Offset": "9" * 40}, 400),
        ({"Upload-Length": "x"}, 400),
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Tus-Resumable": None}, 412),
        ({"Content-Type": "application/octet-stream"}, 415),
        ({"Content-Type": None}, 415),
        ({"Upload-Checksum": "sha256 " + base64.b64encode(bytes(32)).decode()}, 460),
        ({"Upload-Checksum": "crc32 AAAA"}, 400),
        ({"Upload-Checksum": "sha256 ***"}, 400),
        ({"Upload-Checksum": "sha256"}, 460),
    ],
)
def test_a_refused_piece_stores_nothing(headers: dict[str, str | None], status: int, server: Receiving) -> None:
    path = server.begun(3)
    before = server.kept()
    given = {**TUS, **STREAM, "Upload-Offset": "0", **headers}
    answer = server.client.patch(path, content=b"abc", headers={n: v for n, v in given.items() if v is not None})
    assert (answer.status_code, server.offset(path), server.kept()) == (status, 0, before), answer.text
    assert answer.headers["content-type"] == "application/problem+json" and answer.json()["status"] == status
    assert status != 412 or answer.headers["tus-version"] == "1.0.0"
    assert server.patch(path, 0, b"abc").status_code == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload-Length": "-5"}, 400),
        ({"Upload-Length": "0"}, 422),
        ({"Upload-Length": str(MOST + 1)}, 413),
        ({"Upload-Defer-Length": "2"}, 400),
        ({"Upload-Length": "5", "Tus-Resumable": "2.0.0"}, 412),
    ],
)
def test_a_refused_creation_leaves_nothing(headers: dict[str, str], status: int, server: Receiving) -> None:
    before = server.kept()
    answer = server.client.post("/v1/uploads", headers={**TUS, **headers})
    assert (answer.status_code, server.kept()) == (status, before), answer.text


def test_a_right_checksum_over_many_pieces(server: Receiving) -> None:
    path = server.begun(len(CONTENT))
    for name in ("sha1", "sha256"):
        at = server.offset(path)
        part = CONTENT[:PIECE] if name == "sha1" else CONTENT[at:]
        digest = base64.b64encode(hashlib.new(name, part).digest()).decode()
        assert server.patch(path, at, part, Upload_Checksum=f"{name} {digest}").status_code == 204
    assert server.sha256(path) == SHA256


def test_a_cut_body_with_a_checksum_is_not_stored(server: Receiving) -> None:
    path = server.begun(len(CONTENT))
    before = server.kept()
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    sent = start_of(server, path, 0, len(CONTENT), CONTENT[:-1], Upload_Checksum=f"sha256 {digest}")
    cut_off(server.client, sent)
    assert server.patch(path, 0, CONTENT).status_code == 204 and server.kept() != before
    assert server.sha256(path) == SHA256


def test_creation_with_upload(server: Receiving) -> None:
    for sent in (b"", CONTENT[: PIECE + 1], CONTENT):
        headers = {**TUS, **STREAM, "Upload-Length": str(len(CONTENT))}
        answer = server.client.post("/v1/uploads", content=sent, headers=headers)
        assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(sent)))
        path = answer.headers["location"]
        if len(sent) < len(CONTENT):
            assert server.patch(path, len(sent), CONTENT[len(sent) :]).status_code == 204
        assert server.sha256(path) == SHA256


def test_the_length_comes_later(server: Receiving) -> None:
    path = server.begun(None)
    assert server.client.head(path, headers=TUS).headers["upload-defer-length"] == "1"
    assert server.patch(path, 0, CONTENT[:PIECE]).status_code == 204 and server.sha256(path) is None
    assert server.patch(path, PIECE, b"", Upload_Length=str(PIECE - 1)).status_code == 409
    assert server.patch(path, PIECE, b"", Upload_Length=str(MOST + 1)).status_code == 413
    rest = CONTENT[PIECE:]
    assert server.patch(path, PIECE, rest, Upload_Length=str(len(CONTENT))).status_code == 204
    assert server.client.head(path, headers=TUS).headers["upload-length"] == str(len(CONTENT))
    assert server.sha256(path) == SHA256
    known_at_last = server.begun(None)
    assert server.patch(known_at_last, 0, CONTENT).status_code == 204
    assert server.patch(known_at_last, len(CONTENT), b"", Upload_Length=str(len(CONTENT))).status_code == 204
    assert server.sha256(known_at_last) == SHA256


def test_more_than_announced_is_refused_whole(server: Receiving) -> None:
    path = server.begun(PIECE)
    assert server.patch(path, 0, bytes(PIECE + 1)).status_code == 413
    assert server.offset(path) in (0, PIECE)
    done = server.begun(1)
    assert server.patch(done, 0, b"x").status_code == 204
    assert server.patch(done, 1, b"x").status_code == 409 and server.offset(done) == 1


def test_termination(server: Receiving) -> None:
    before = server.kept()
    path = server.begun(len(CONTENT))
    assert server.patch(path, 0, CONTENT[:-1]).status_code == 204
    answer = server.client.delete(path, headers=TUS)
    assert (answer.status_code, server.kept()) == (204, before)
    for gone in (server.client.head(path, headers=TUS), server.client.delete(path), server.patch(path, 0, b"x")):
        assert gone.status_code == 404


def test_a_termination_while_bytes_come_in(server: Receiving) -> None:
    before = server.kept()
    path = server.begun(len(CONTENT))
    halves = iter((CONTENT[: 2 * PIECE], CONTENT[2 * PIECE :]))

    def sent() -> Iterator[bytes]:
        yield next(halves)
        assert soon(lambda: server.offset(path) >= PIECE)
        assert server.client.delete(path).status_code == 204
        yield next(halves)

    with httpx.Client(base_url=server.client.base_url, timeout=30) as other:
        answer = other.patch(path, content=sent(), headers={**TUS, **STREAM, "Upload-Offset": "0"})
    assert (answer.status_code, server.kept()) == (404, before)


def test_two_at_once_at_the_same_place(server: Receiving) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            path = server.begun(PIECE)
            found = pool.map(lambda mark, path=path: server.patch(path, 0, mark * PIECE).status_code, (b"a", b"b"))
            assert sorted(found) == [204, 409]
            assert server.offset(path) == PIECE
            assert server.sha256(path) in {hashlib.sha256(mark * PIECE).hexdigest() for mark in (b"a", b"b")}


def test_what_the_server_can_do(server: Receiving) -> None:
    found = server.client.options("/v1/uploads").headers
    assert found["tus-version"] == "1.0.0" and found["tus-max-size"] == str(MOST)
    assert set(found["tus-extension"].split(",")) >= {"creation", "termination", "checksum"}
    assert found["tus-checksum-algorithm"] == "sha256,sha1"
