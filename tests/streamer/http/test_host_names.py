from __future__ import annotations

import socket

import pytest

from streamer.http.host_names import HostNames

OWN = socket.gethostname()


@pytest.mark.parametrize(
    "host",
    [
        None,
        "127.0.0.1",
        "127.0.0.1:8080",
        "10.1.2.3:8080",
        "[::1]:8080",
        "[2001:db8::1]",
        "localhost",
        "LocalHost:8080",
        "door.localhost:8080",
        "localhost.",
        OWN,
        f"{OWN.upper()}:8080",
        f"{OWN.partition('.')[0]}.local:8080",
        "nas.example:8080",
        "NAS.example.",
        "cam.lan",
    ],
)
def test_names_of_this_machine(host: str | None) -> None:
    assert HostNames(["nas.example"], "cam.lan").allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8080",
        "evil.example",
        "evil.example:8080",
        "nas.example.evil.example",
        "evilnas.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1:8080@evil.example",
        "127.0.0.1:x",
        "127.0.0.1, evil.example",
        "[evil.example]",
        "[::1",
        "[127.0.0.1]",
        "::1",
        "2130706433",
        "0x7f.1",
        "evil.example:80:80",
    ],
)
def test_other_names(host: str) -> None:
    assert not HostNames(["nas.example"], "cam.lan").allows(host)
