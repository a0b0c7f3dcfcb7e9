"""`veilcast worker` with short times, whose steps do what their originals say: see `bad_process`.

Without arguments it is one of the node's Celery processes.
"""

from __future__ import annotations

import sys
from types import ModuleType

LEASE = 4.0
"""Seconds; the gateway of a test has to know it, too."""


def hurry() -> None:
    """What takes minutes takes seconds, in this process."""
    from streamer.cluster import celery_process, deafness, node, sweep
    from streamer.service.jobs import free_steps, leases
    from streamer.service.work import heartbeat, job_process, step_work

    kept = (*job_process._KEPT, "PYTHONPATH")
    changed: list[tuple[ModuleType, str, object]] = [
        (celery_process, "_MODULE", "tests.rigs.cluster.fast_worker"),
        (job_process, "_MODULE", "tests.rigs.service.bad_process"),
        (job_process, "_KEPT", kept),
        (free_steps, "LEASE", LEASE),
        (leases, "LEASE", LEASE),
        (heartbeat, "BEAT", 0.6),
        (step_work, "LOOK", 0.2),
        (step_work, "AGAIN", 0.2),
        (step_work, "TROUBLE", 0.5),
        (sweep, "EVERY", 0.5),
        (node, "LOOK", 0.5),
        (deafness, "LONG", 8.0),
    ]
    for module, name, value in changed:
        assert hasattr(module, name)
        setattr(module, name, value)


if __name__ == "__main__":
    hurry()
    if len(sys.argv) > 1:
        from streamer.cli.main import main

        sys.exit(main(sys.argv[1:]))
    from streamer.cluster.process import main as celery_main

    sys.exit(celery_main())
