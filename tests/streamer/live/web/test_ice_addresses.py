from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.live.web.ice_addresses import UdpHosts
from streamer.live.web.server import WebServer
from streamer.runtime.event_loop import LoopThread
from streamer.settings.web import WebConfig
from tests.rigs.live.chromium_viewer import CHROMIUM
from tests.rigs.live.producing import Producer
from tests.rigs.live.web_rig import WAIT, WhepClient, run, soon

ROOT = Path(__file__).parents[4]
FOUND = ["192.168.1.5", "172.17.0.1", "2001:db8::5"]


@pytest.mark.parametrize(
    ("bound", "reached", "chosen"),
    [
        (("127.0.0.1",), "127.0.0.1", ["127.0.0.1"]),
        (("192.168.1.5",), "192.168.1.5", ["192.168.1.5"]),
        (("::1", "127.0.0.1"), "::1", ["::1", "127.0.0.1"]),
        (("0.0.0.0",), "192.168.1.5", ["192.168.1.5", "172.17.0.1"]),
        (("0.0.0.0",), "127.0.0.1", ["192.168.1.5", "172.17.0.1", "127.0.0.1"]),
        (("::",), "::1", ["2001:db8::5", "::1"]),
        (("::",), "fe80::1%eth0", ["2001:db8::5"]),
        (("0.0.0.0", "::"), "127.0.0.1", ["192.168.1.5", "172.17.0.1", "127.0.0.1", "2001:db8::5"]),
        (("0.0.0.0",), "", ["192.168.1.5", "172.17.0.1"]),
    ],
)
def test_addresses(bound: tuple[str, ...], reached: str, chosen: list[str]) -> None:
    assert UdpHosts(bound, reached).choose(FOUND) == chosen


def offered(answer: str) -> set[str]:
    """Addresses of the candidates in an answer."""
    return {line.split()[4] for line in answer.splitlines() if line.startswith("a=candidate:")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "config", "expected"),
    [
        ("127.0.0.1", WebConfig(), {"127.0.0.1"}),
        ("127.0.0.1", WebConfig.model_validate({"udp_host": "127.0.0.3"}), {"127.0.0.3"}),
        ("0.0.0.0", WebConfig(), None),
    ],
)
@pytest.mark.parametrize("audio", [False, True])
def test_what_is_offered_is_where_the_page_is(
    host: str, config: WebConfig, expected: set[str] | None, audio: bool
) -> None:
    async def test(url: str) -> None:
        async with WhepClient(url, audio=audio) as client:
            addresses = offered(client.peer.remoteDescription.sdp)
            assert addresses == expected if expected else "127.0.0.1" in addresses
            await soon(lambda: len(client.numbers) > 3)

    with Producer() as producer, LoopThread() as network:
        server = WebServer({"door": producer.output}, config)
        network.run(server.start(host, 0), WAIT)
        try:
            run(server, test)
        finally:
            network.run(server.close(), WAIT)


def can_be_alone() -> bool:
    """Whether this machine lets us create a network namespace."""
    return (
        shutil.which("unshare") is not None and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode
    )


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Chromium at {CHROMIUM}")
@pytest.mark.skipif(not can_be_alone(), reason="needs unshare, and leave to use it")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_page_plays_on_a_machine_without_a_network(host: str) -> None:
    command = ["unshare", "-rn", sys.executable, "-m", "tests.rigs.live.loopback_page", host]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= 20
