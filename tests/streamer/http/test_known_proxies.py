from __future__ import annotations

import asyncio
import ipaddress

import pytest
from starlette.types import Message, Receive, Scope, Send

from streamer.http.known_proxies import KnownProxies, forwarded_client

PROXIES = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "header", "sender"),
    [
        ("10.0.0.2", "203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.2", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.2", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the left one is what the client claims
        ("10.0.0.2", "198.51.100.1, 203.0.113.9, 10.0.0.3", "203.0.113.9"),  # through two proxies
        ("10.0.0.2", "203.0.113.9:51432", "203.0.113.9"),
        ("10.0.0.2", "[2001:db8::7]:443", "2001:db8::7"),
        ("10.0.0.2", "10.9.9.9", "10.9.9.9"),  # somebody inside
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "unknown", "10.0.0.2"),
        ("10.0.0.2", "198.51.100.1, <script>", "10.0.0.2"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),  # no proxy that is known
        ("203.0.113.5", "10.0.0.2", "203.0.113.5"),
        ("testclient", "198.51.100.1", "testclient"),
    ],
)
def test_whom_a_request_comes_from(peer: str, header: str, sender: str) -> None:
    assert forwarded_client(peer, header, PROXIES) == sender


@pytest.mark.parametrize(("proxies", "sender"), [(PROXIES, "203.0.113.9"), ([], "10.0.0.2")])
def test_the_application_sees_the_client(proxies: list[ipaddress.IPv4Network], sender: str) -> None:
    seen = list[object]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"][0])

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None: ...

    headers = [(b"x-forwarded-for", b"198.51.100.1"), (b"X-Forwarded-For", b"203.0.113.9")]
    scope = {"type": "http", "client": ("10.0.0.2", 5), "headers": headers}
    asyncio.run(KnownProxies(app, proxies)(scope, receive, send))
    assert seen == [sender] and scope["client"] == ("10.0.0.2", 5)
