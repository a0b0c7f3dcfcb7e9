"""One post to a real server on loopback, and to those that it must not reach."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import Webhook

from streamer.service.webhooks.courier import Courier, WebhookAnswer
from streamer.service.webhooks.deliveries import Delivery
from streamer.service.webhooks.lookup import Lookups
from streamer.service.webhooks.signing import new_webhook_secret, webhook_secret_text
from streamer.service.webhooks.target import WebhookPolicy
from tests.streamer.service.webhooks.receiver import Received, Receiver, Respond, silence, status

LOOSE = WebhookPolicy(allow_http=True, allow_private=True)
SECRET = new_webhook_secret()
TLS = ssl.create_default_context()

Receive = Callable[[Respond], Receiver]


def post(courier: Courier, url: str) -> WebhookAnswer:
    delivery = Delivery(1, "msg_1", "j", 1, url, SECRET, '{"type":"job.done"}')
    try:
        return asyncio.run(courier.post(delivery))
    finally:
        assert courier.close(10)


def test_a_receiver_gets_it_signed(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # of no account
    receiver = receive(status(204))
    courier = Courier(LOOSE, tls=TLS, lookups=Lookups(lambda host, _: ["127.0.0.1"] if host == "hooks.example" else []))
    answer = post(courier, f"http://hooks.example:{receiver.port}/hook?x=1")
    assert answer == WebhookAnswer(204, "answered 204") and answer.accepted
    got = receiver.received.get(timeout=10)
    assert got.path == "/hook?x=1" and got.headers["host"] == f"hooks.example:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert Webhook(webhook_secret_text(SECRET)).verify(got.body, got.headers) == {"type": "job.done"}


def test_redirects_are_not_followed(receive: Receive) -> None:
    elsewhere = receive(status(200))
    answer = post(Courier(LOOSE, tls=TLS), receive(status(307, location=elsewhere.url)).url)
    assert answer.status == 307 and not answer.accepted and "redirects" in answer.line
    assert elsewhere.received.empty()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120.0), (formatdate(1_800_000_090, usegmt=True), 90.0), ("soon", None), ("-5", None), ("9" * 400, None)],
)
def test_a_receiver_may_say_when_to_come_back(receive: Receive, said: str, seconds: float | None) -> None:
    courier = Courier(LOOSE, lambda: 1_800_000_000.0, tls=TLS)
    assert post(courier, receive(status(503, Retry_After=said)).url).retry_after == seconds


class Recorder(httpcore.AsyncNetworkBackend):
    """Connects to nothing, and says what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        raise httpcore.ConnectError


def test_a_name_that_changes_between_check_and_use_leads_nowhere_else() -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["10.0.0.1", "2606:2800:220:1::1", "::ffff:127.0.0.1"]])
    network = Recorder()
    courier = Courier(WebhookPolicy(), tls=TLS, network=network, lookups=Lookups(lambda *_: next(answers)))
    assert post(courier, "https://rebinds.example/").line == "no connection"
    assert post(courier, "https://rebinds.example/").line == "the host has no address that webhooks may go to"
    assert post(courier, "https://rebinds.example/").line == "no connection"
    assert network.asked == ["93.184.216.34", "2606:2800:220:1::1"]


def test_this_machine_is_not_reached_by_a_name(receive: Receive) -> None:
    receiver = receive(status(200))
    answer = post(Courier(WebhookPolicy(allow_http=True), tls=TLS), f"http://localhost:{receiver.port}/")
    assert answer.status is None and "may go to" in answer.line
    assert receiver.received.empty()


def test_a_policy_that_has_become_stricter_counts() -> None:
    assert "https, not http" in post(Courier(WebhookPolicy(), tls=TLS), "http://hooks.example/").line


def test_hosts_that_do_not_exist_or_answer() -> None:
    def nothing(host: str, port: int) -> list[str]:
        raise OSError

    assert post(Courier(LOOSE, tls=TLS, lookups=Lookups(nothing)), "http://nowhere.example/").line == "no connection"
    with Receiver(status(200)) as closed:
        pass
    assert post(Courier(LOOSE, tls=TLS), closed.url).line == "no connection"


def test_a_look_up_that_hangs_holds_nobody_up() -> None:
    release = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        assert release.wait(60)
        return ["127.0.0.1"]

    courier = Courier(LOOSE, tls=TLS, lookups=Lookups(hang), patience=0.2)
    delivery = Delivery(1, "msg_1", "j", 1, "https://hooks.example/", SECRET, "{}")

    async def many() -> list[WebhookAnswer]:
        return await asyncio.gather(*[courier.post(delivery) for _ in range(17)])

    lines = sorted(answer.line for answer in asyncio.run(many()))
    assert lines == ["no answer within 0.2 s"] * 16 + ["no connection"], "no more threads than that"
    assert not courier.close(0.0)
    release.set()
    assert courier.close(10)


def test_a_receiver_that_never_answers(receive: Receive) -> None:
    url = receive(silence()).url
    assert post(Courier(LOOSE, tls=TLS, patience=0.3), url) == WebhookAnswer(None, "no answer within 0.3 s")


def endless(piece: bytes, head: bytes, ended: threading.Event) -> Respond:
    """Answers until the other side hangs up."""

    def respond(handler: BaseHTTPRequestHandler, _: Received) -> None:
        try:
            handler.wfile.write(head)
            while True:
                handler.wfile.write(piece)
                if len(piece) == 1:
                    ended.wait(0.02)
        except OSError:
            ended.set()

    return respond


def test_an_answer_that_trickles_in_has_no_more_time(receive: Receive) -> None:
    ended = threading.Event()
    receiver = receive(endless(b"x", b"HTTP/1.1 200 OK\r\nx-long: ", ended))
    assert post(Courier(LOOSE, tls=TLS, patience=0.5), receiver.url).line == "no answer within 0.5 s"
    assert ended.wait(10)


@pytest.mark.parametrize("header", ["content-length: 99999999999", "content-encoding: gzip"])
def test_an_answer_without_end_is_cut_off_and_its_status_counts(receive: Receive, header: str) -> None:
    ended = threading.Event()
    receiver = receive(endless(b"x" * 65536, f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n".encode(), ended))
    answer = post(Courier(LOOSE, tls=TLS, patience=1e6), receiver.url)
    assert ended.wait(10), "hung up"
    assert answer == WebhookAnswer(200, "answered 200")


def test_no_http_at_all_is_no_answer(receive: Receive) -> None:
    def respond(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.wfile.write(b"SSH-2.0-x\r\n\r\n")

    assert post(Courier(LOOSE, tls=TLS), receive(respond).url).line == "no answer (RemoteProtocolError)"


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server of this name, and for a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), start)
        .not_valid_after(start + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    ).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(made + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=made.decode())


def test_the_certificate_must_be_for_the_url_s_host(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "hooks.example")
    with Receiver(status(200), server) as receiver:
        anywhere = Lookups(lambda *_: ["127.0.0.1"])
        assert post(Courier(LOOSE, tls=client, lookups=anywhere), f"https://hooks.example:{receiver.port}/").accepted
        answer = post(Courier(LOOSE, tls=client, lookups=anywhere), f"https://other.example:{receiver.port}/")
        assert answer.line == "TLS failed"
        answer = post(Courier(LOOSE, lookups=anywhere), f"https://hooks.example:{receiver.port}/")
        assert answer.line == "TLS failed", "nobody vouches for it"
        assert receiver.received.qsize() == 1


def test_the_time_of_the_attempt_is_signed(receive: Receive) -> None:
    receiver = receive(status(200))
    before = int(time.time())
    post(Courier(LOOSE, tls=TLS), receiver.url)
    assert before <= int(receiver.received.get(timeout=10).headers["webhook-timestamp"]) <= time.time()
