"""For containers: exits with 0 if what runs in this one is healthy.

`python -m streamer.live.healthcheck [URL]`; the default is /healthz on port 8080.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

DEFAULT = "http://127.0.0.1:8080/healthz"


def main(arguments: list[str]) -> int:
    """0 healthy, 1 not."""
    # Process 1 of a container is what it was started for.
    words = Path("/proc/1/cmdline").read_bytes().replace(b"\0", b" ").split()
    if not arguments and not {b"live", b"--webrtc"} <= set(words):
        return 0
    try:
        with urlopen(arguments[0] if arguments else DEFAULT, timeout=3) as answer:
            return 0 if answer.status == 200 else 1
    except (URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
