"""Requests that no HTTP library would send: cut off midway, with lying lengths, without an end."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Final

import httpx

WAIT: Final = 15.0  # seconds


def head(client: httpx.Client, method: str, path: str, **headers: object) -> bytes:
    """Request line and headers; `_` in a header's name stands for `-`. With those that the client sends always."""
    fields = {"Host": f"127.0.0.1:{client.base_url.port}"} | {
        name.replace("_", "-"): str(value) for name, value in headers.items()
    }
    if "authorization" in client.headers:
        fields["Authorization"] = client.headers["authorization"]
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def connected(client: httpx.Client) -> socket.socket:
    """A connection to the client's server."""
    return socket.create_connection(("127.0.0.1", client.base_url.port or 80), WAIT)


def cut_off(client: httpx.Client, sent: bytes, reset: bool = False) -> None:
    """Send this and hang up: in an orderly way, or with a reset."""
    with connected(client) as connection:
        connection.sendall(sent)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answer_to(client: httpx.Client, sent: bytes, no_more: bool = True) -> bytes:
    """What the server says to this until it hangs up; b"" if nothing. `no_more`: tell it that nothing else comes."""
    with connected(client) as connection:
        connection.sendall(sent)
        if no_more:
            connection.shutdown(socket.SHUT_WR)
        got = bytearray()
        while piece := connection.recv(1 << 16):
            got += piece
        return bytes(got)


def status_of(answer: bytes) -> int:
    """The status of an answer; 0 if there was none."""
    return int(answer.split()[1]) if answer else 0


def soon(check: Callable[[], bool]) -> bool:
    """Whether it holds within `WAIT` seconds."""
    end = time.monotonic() + WAIT
    while not (held := check()) and time.monotonic() < end:
        time.sleep(0.01)
    return held
