"""`veilcast` as it is, but what takes minutes takes seconds: leases, looks and sweeps of a cluster that is hurt.

Without arguments it is one of a node's Celery processes.
"""

from __future__ import annotations

import sys
from types import ModuleType

LEASE = 6.0
"""Seconds."""


def hurry() -> None:
    """Shorten times in this process."""
    from streamer.cluster import celery_process, deafness, node, sweep
    from streamer.service import server
    from streamer.service.jobs import free_steps, leases
    from streamer.service.work import heartbeat, step_work

    changed: list[tuple[ModuleType, str, object]] = [
        (celery_process, "_MODULE", "tests.rigs.cluster.fault_node"),
        (free_steps, "LEASE", LEASE),
        (leases, "LEASE", LEASE),
        (heartbeat, "BEAT", 1.0),
        (step_work, "LOOK", 0.5),
        (step_work, "AGAIN", 0.5),
        (step_work, "TROUBLE", 1.0),
        (sweep, "EVERY", 1.0),
        (node, "LOOK", 0.5),
        (deafness, "LONG", 8.0),
        (server, "CHORES", 2.0),
    ]
    for module, name, value in changed:
        assert hasattr(module, name), name
        setattr(module, name, value)


if __name__ == "__main__":
    hurry()
    if len(sys.argv) > 1:
        from streamer.cli.main import main

        sys.exit(main(sys.argv[1:]))
    from streamer.cluster.process import main as celery_main

    sys.exit(celery_main())
