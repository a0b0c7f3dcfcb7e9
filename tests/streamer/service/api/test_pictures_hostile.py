"""Whatever is sent: the server stays up, and answers with a masked picture or one line."""

from __future__ import annotations

import io
import random
import socket
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest

from core.still import StillAnonymizer
from streamer.pictures.job import mask_picture
from streamer.service.pictures.worker import ProcessLimits
from streamer.settings.file import Settings
from tests.rigs.service.damaged_pictures import coded, mutated_picture
from tests.rigs.service.pictures_server import PicturesServer, serving_pictures

WAIT = 60.0
SEED = 20_261_127
RUNS = 200
REFUSALS = {400, 413, 415, 422}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicturesServer]:
    limits = ProcessLimits(seconds=30, memory=1_500_000_000)
    with serving_pictures(tmp_path_factory.mktemp("hostile"), workers=2, waiting=16, limits=limits) as made:
        yield made
        assert httpx.post(made.pictures, content=coded("PNG"), timeout=WAIT).status_code == 200
        assert made.pool.counts().waiting == made.pool.counts().busy == made.budget.held == 0


def refused_in_one_line(answer: httpx.Response) -> bool:
    detail = answer.json().get("detail", "")
    return answer.status_code in REFUSALS and "\n" not in detail and len(detail) < 300


@pytest.mark.slow
def test_mutated_pictures(server: PicturesServer) -> None:
    chance, engine, statuses = random.Random(SEED), StillAnonymizer(Settings()), Counter[int]()
    seeds = [coded(form, 48) for form in ("JPEG", "PNG", "WEBP", "TIFF")]
    with httpx.Client(timeout=WAIT) as http:
        for number in range(RUNS):
            picture = mutated_picture(chance, seeds[number % len(seeds)])
            answer = http.post(server.pictures, content=picture)
            statuses[answer.status_code] += 1
            if answer.status_code == 200:
                content, kind, faces = mask_picture(picture, Settings(), engine)
                assert answer.content == content, f"picture {number} of seed {SEED}"
                assert answer.headers["content-type"] == f"image/{kind.lower()}"
                assert answer.headers["x-veilcast-faces"] == str(faces)
            else:
                assert refused_in_one_line(answer), answer.text
    assert statuses[200] > 10 and statuses[422] > 50


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(1)
    pieces = [packer.compress(bytes(min(1 << 20, count - at))) for at in range(0, count, 1 << 20)]
    return b"".join(pieces) + packer.flush()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a.jpg", coded("JPEG"))
    return out.getvalue()


def animated() -> bytes:
    """A GIF of 300 bytes whose three frames would take 810 MB."""
    screen = struct.pack("<HHBBB", 9_000, 10_000, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    image = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + screen + image * 3 + b";"


BOMBS: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "says it is huge": (lambda: png(2**31 - 1, 2**31 - 1, b""), 422, "more than the 10000x10000"),
    "huge": (lambda: png(10_000, 9_999, zeros(30_001 * 9_999)), 422, "does not fit into memory"),
    "less than it says": (lambda: png(5_000, 5_000, zeros(100)), 422, "is damaged"),
    "animated": (lambda: animated(), 422, "has 3 frames, more than the 2 that fit"),
    "archive": (lambda: archive(), 415, "not a still picture"),
    "script": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", 415, "not a still picture"),
    "video": (lambda: b"\0\0\0\x20ftypisom" + bytes(100), 415, "not a still picture"),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run", 415, "not a still picture"),
    "one byte": (lambda: b"\xff", 415, "not a still picture"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_other_things(name: str, server: PicturesServer) -> None:
    make, status, said = BOMBS[name]
    answer = httpx.post(server.pictures, content=make(), headers={"Content-Type": "image/jpeg"}, timeout=WAIT)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert refused_in_one_line(answer)


@pytest.mark.parametrize(
    "request_",
    [
        b"Content-Length: 100\r\n\r\nshort",
        b"Content-Length: 99999999999999999999999\r\n\r\nx",
        b"Content-Length: -1\r\n\r\nx",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nxxxxxxx\r\n0\r\n\r\n",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9\r\n\r\n--x\r\n\r\n\r\n\r\n",
    ],
)
def test_lying_lengths(request_: bytes, server: PicturesServer) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), WAIT) as client:
        client.sendall(f"POST /v1/pictures HTTP/1.1\r\nHost: {host}\r\n".encode() + request_)
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(4096)
    assert not answer or answer.split()[1] in (b"400", b"413", b"415", b"422")
