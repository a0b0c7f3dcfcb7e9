"""Runs one attack in a process of its own: NAME RTSP_PORT WEB_PORT PID SECONDS ADDRESS... Ends with a tally as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time

from tests.rigs.attack.attacks import ATTACKS
from tests.rigs.attack.target import Target

READY = "ready"
"""Printed when the attack starts; loading everything takes a moment."""


def _finish(target: Target) -> None:
    """Print the tally and exit, whatever the attackers are waiting for."""
    sys.stdout.write(json.dumps(dict(target.tally)) + "\n")
    sys.stdout.flush()
    os._exit(0)


async def _attack(name: str, target: Target) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _finish, target)
    await ATTACKS[name].attack(target)
    _finish(target)


def main() -> None:
    """Attack for `seconds` or until SIGTERM, from these addresses in turn."""
    name, rtsp, web, pid, seconds, *sources = sys.argv[1:]
    os.nice(10)  # measure the service, not a busy machine
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))
    target = Target(int(rtsp), int(web), int(pid), time.monotonic() + float(seconds), sources)
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    asyncio.run(_attack(name, target))


if __name__ == "__main__":
    main()
