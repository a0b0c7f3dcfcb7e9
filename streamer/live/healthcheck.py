"""For containers: exits with 0 if what runs in this one is healthy.

`python -m streamer.live.healthcheck [URL]`; the default is /healthz at the address behind --webrtc.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from streamer.live.address import parse_listen

_EVERYWHERE = ("0.0.0.0", "::")


def address(command_line: bytes) -> str | None:
    """Where /healthz of the service with this command line is; None if it says of none."""
    words = command_line.replace(b"\0", b" ").replace(b"=", b" ").decode("utf-8", "replace").split()
    if "live" not in words or "--webrtc" not in words[:-1]:
        return None
    try:
        listen = parse_listen(words[words.index("--webrtc") + 1])
    except ValueError:
        return None
    host = "127.0.0.1" if listen.host in _EVERYWHERE else listen.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listen.port}/healthz"


def main(arguments: list[str]) -> int:
    """0 healthy, 1 not. What says of no web port is healthy as long as it runs."""
    # Process 1 of a container is what it was started for.
    url = arguments[0] if arguments else address(Path("/proc/1/cmdline").read_bytes())
    if url is None:
        return 0
    try:
        with urlopen(url, timeout=3) as answer:
            return 0 if answer.status == 200 else 1
    except (URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
