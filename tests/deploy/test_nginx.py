"""nginx with the configuration of `deploy/nginx` in front of two gateways of one service, on PostgreSQL and S3."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from streamer.service.store.database import Database
from streamer.service.store.tables import PartRow
from tests.rigs.cluster.postgres_server import PostgresServer
from tests.rigs.cluster.s3_server import S3Server
from tests.rigs.deploy.name_server import NameServer
from tests.rigs.deploy.nginx_process import PROGRAM, NginxProcess, as_user, write_configuration
from tests.rigs.service.kill_judge import masked_picture
from tests.rigs.service.kill_rig import picture
from tests.rigs.service.serve_process import ServeProcess

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="needs nginx")]
TOKEN = "a token that no other one guesses"
TUS = {"Tus-Resumable": "1.0.0"}
FIRST, SECOND = "127.0.0.2", "127.0.0.3"


@dataclass
class Front:
    """nginx in front of two gateways."""

    nginx: NginxProcess
    names: NameServer
    gateways: dict[str, ServeProcess]
    database: Database
    client: httpx.Client

    def received(self) -> int:
        """Bytes of uploads that gateways have stored."""
        with self.database.reading() as session:
            return int(session.scalar(select(func.sum(PartRow.bytes))) or 0)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, s3: S3Server) -> Iterator[Front]:
    folder, url = tmp_path_factory.mktemp("front"), postgres.new_database()
    settings = folder / "settings.yaml"
    settings.write_text("service: {proxies: [127.0.0.1/32]}", "utf-8")  # from where nginx connects
    shared = "--config", str(settings), "--workers", "0", "--database", url, "--blobs", s3.new_place()
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for name, value in (s3.environment | {"VEILCAST_TOKEN": TOKEN}).items():
            patch.setenv(name, value)
        port, gateways = 0, dict[str, ServeProcess]()
        for address in (FIRST, SECOND):
            options = *shared, "--listen", f"{address}:{port}"
            serve = ServeProcess(folder / address, folder / f"{address}.log", *options)
            gateways[address] = stack.enter_context(serve)
            port = urlsplit(serve.start()).port or 0
        names = stack.enter_context(NameServer("gateway", (FIRST, SECOND)))
        nginx = stack.enter_context(NginxProcess(folder / "nginx", port, names.port))
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        client = stack.enter_context(httpx.Client(base_url=nginx.url, headers=bearer, timeout=60))
        database = Database(url)
        stack.callback(database.close)
        yield Front(nginx, names, gateways, database, client)


def test_an_upload_streams_through(front: Front) -> None:
    """50 MB: the gateway has much of it while the client has not sent the rest, and nginx has kept nothing."""
    half, arrived = 25 << 20, threading.Event()
    before = front.received()

    def body() -> Iterator[bytes]:
        yield from (bytes(1 << 20) for _ in range(25))
        for _ in range(1200):
            if front.received() > before + half // 2:
                arrived.set()
                break
            threading.Event().wait(0.05)
        assert front.nginx.stored() == 0
        yield from (bytes(1 << 20) for _ in range(25))

    answer = front.client.post("/v1/uploads", content=body(), headers={"Content-Length": str(2 * half)})
    assert answer.status_code == 201 and answer.json()["bytes"] == 2 * half
    assert arrived.is_set()


def test_events_arrive_at_once_and_a_cancelled_job_ends_them(front: Front) -> None:
    upload = front.client.post("/v1/uploads", content=b"a video, as it says").json()["id"]
    job = front.client.post("/v1/jobs", json={"upload": upload, "settings": {}}).json()["id"]
    with front.client.stream("GET", f"/v1/jobs/{job}/events") as events:
        lines = events.iter_lines()
        first = next(line for line in lines if line.startswith("data:"))  # nobody does it, so nothing follows
        assert '"state":"queued"' in first.replace(" ", "")
        assert front.client.delete(f"/v1/jobs/{job}").status_code in (200, 202, 204)
        assert any("cancelled" in line for line in lines)


def test_an_upload_that_is_cut_off_goes_on_where_it_was(front: Front) -> None:
    content = bytes(range(256)) * 8192
    begun = front.client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(content))})
    place = begun.headers["location"]
    host = urlsplit(front.nginx.url)
    head = (
        f"PATCH {place} HTTP/1.1\r\nHost: {host.netloc}\r\nAuthorization: Bearer {TOKEN}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    assert host.hostname is not None and host.port is not None
    with socket.create_connection((host.hostname, host.port), 10) as connection:
        connection.sendall(head.encode() + content[: len(content) // 2])
    offset = 0
    for _ in range(200):  # the gateway notices the end a moment later
        told = front.client.head(place, headers=TUS)
        offset = int(told.headers["upload-offset"]) if told.status_code == 200 else 0
        if offset:
            break
        threading.Event().wait(0.05)
    assert 0 < offset <= len(content) // 2, "of what was sent, nothing got through"
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    assert front.client.patch(place, content=content[offset:], headers=headers).status_code == 204
    assert front.client.get(place).json()["bytes"] == len(content)


def test_a_picture_comes_back_masked(front: Front) -> None:
    before, box, content = picture()
    answer = front.client.post("/v1/pictures", content=content)
    assert answer.status_code == 200 and masked_picture(before, box, answer.content)


def test_what_nobody_outside_needs_is_closed_and_logins_are_limited(front: Front) -> None:
    assert front.client.get("/metrics").status_code == 404
    statuses = [httpx.post(f"{front.nginx.url}/v1/session", json={"token": "wrong"}).status_code for _ in range(14)]
    assert statuses[-1] == 429 and front.client.get("/v1/session").status_code == 200


def test_who_guesses_tokens_locks_out_nobody_else(front: Front) -> None:
    """Gateways know by nginx whom a request comes from, whatever the client itself claims."""

    def ask(address: str, token: str, number: int) -> int:
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": f"203.0.113.{number}", "User-Agent": "guess"}
        with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as client:
            return client.get(f"{front.nginx.url}/v1/session", headers=headers).status_code

    wrong = [ask("127.0.0.77", f"wrong {number}", number) for number in range(24)]  # each gateway counts for itself
    assert wrong[0] == 401 and wrong[-1] == 429
    assert ask("127.0.0.78", "wrong", 1) == 401 and ask("127.0.0.78", TOKEN, 1) == 200


def test_a_gateway_that_dies_is_left_out(front: Front) -> None:
    """Comes last: it kills the first gateway. The name server still names it, as it does until it notices."""
    for _ in range(400):
        assert front.client.get("/readyz").status_code == 200
        if any(SECOND in each for each in front.nginx.asked()[-50:]):
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail("the second gateway is never asked")
    front.gateways[FIRST].kill()
    begun = len(front.nginx.asked())
    for number in range(12):
        assert front.client.get("/readyz").status_code == 200
        assert front.client.post("/v1/uploads", content=b"%d" % number).status_code == 201, "nothing was sent to it yet"
    tried = front.nginx.asked()[begun:]
    assert any(re.search(rf"{FIRST}:\d+, {SECOND}:\d+", each) for each in tried), "the dead one was never tried"
    front.names.addresses = (SECOND,)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_example_of_https_is_understood(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path / "nginx", "tls.conf", 8080, 53)
    tls = tmp_path / "nginx" / "tls"
    tls.mkdir()
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    files = ["-subj", "/CN=veilcast.example", "-keyout", str(tls / "privkey.pem"), "-out", str(tls / "fullchain.pem")]
    subprocess.run([*make, *files], check=True, capture_output=True)
    assert PROGRAM is not None
    command = [PROGRAM, "-t", "-e", "stderr", "-c", str(configuration), *as_user()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
