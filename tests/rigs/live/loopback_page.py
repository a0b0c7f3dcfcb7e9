"""The preview page on a machine that has no network but the loopback: run inside `unshare --net`, as root there.

`python -m tests.rigs.live.loopback_page HOST`; prints how many pictures Chromium has shown. Chromium has to be told to
use the loopback, and not to hide addresses behind mDNS names, which takes a network: by itself it would not even begin.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time

from playwright.sync_api import sync_playwright

from streamer.live.web.server import WebServer
from streamer.runtime.event_loop import LoopThread
from streamer.settings.web import WebConfig
from tests.rigs.live.chromium_viewer import CHROMIUM, COUNT
from tests.rigs.live.producing import Producer
from tests.rigs.live.web_rig import WAIT

_ARGUMENTS = ["--no-sandbox", "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def loopback_up() -> None:
    """Switch on the loopback of this network namespace. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def pictures_shown(host: str) -> int:
    """Serve at `host`, watch at 127.0.0.1 until some pictures have been shown or it takes too long."""
    with Producer() as producer, LoopThread() as network, sync_playwright() as playwright:
        server = WebServer({"door": producer.output}, WebConfig())
        network.run(server.start(host, 0), WAIT)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.port}/door")
            page.evaluate(COUNT)
            deadline, shown = time.monotonic() + WAIT, 0
            while shown < 20 and time.monotonic() < deadline:
                page.wait_for_timeout(100)
                shown = int(page.evaluate("() => window.presented"))
        finally:
            browser.close()
            network.run(server.close(), WAIT)
    return shown


if __name__ == "__main__":
    loopback_up()
    assert [name for _, name in socket.if_nameindex()] == ["lo"], "there is another network"
    sys.stdout.write(f"{pictures_shown(sys.argv[1])}\n")
