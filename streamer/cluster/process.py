"""A Celery worker as its node starts it: `python -m streamer.cluster.process`, which reads an `Order`."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from typing import Final

from celery import Celery, signals

from core.owned_thread import one_line
from streamer.cluster.app import PICTURE, STEP, celery_app
from streamer.cluster.child import Child
from streamer.cluster.order import LONGEST, Order
from streamer.runtime.logs import logging_to
from streamer.runtime.malloc import few_heaps
from streamer.service.work.sandbox import die_with
from streamer.settings.log import LogConfig

_log = logging.getLogger("veilcast.cluster")

READY: Final = b"ready\n"
"""What it says on its standard output once it takes messages."""
_AGAIN: Final = 5.0  # seconds until a process that cannot work is replaced
_SPARE: Final = 600.0  # seconds that Celery's time limit is beyond the step's own, which says why in the job's reason


class _Here:
    """What the tasks of this process work with, once it is one of the pool's."""

    child: Child | None = None


def main() -> int:
    """Take messages until SIGTERM; returns the exit code."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)  # Celery prints as it stops
    order = Order.read(sys.stdin.buffer.readline(LONGEST))
    die_with(order.parent)
    few_heaps()
    app = celery_app(order.broker, order.seconds + _SPARE)
    _register(app)

    def begin(**_: object) -> None:
        try:
            _Here.child = Child(order)
        except Exception as error:  # noqa: BLE001 - Celery would go on without it, and take messages for nothing
            _log.error("cannot work: %s", one_line(error))
            time.sleep(_AGAIN)
            os._exit(1)

    def end(**_: object) -> None:
        if _Here.child is not None:
            _Here.child.close()

    def keep_logging(**_: object) -> None:
        """Celery would set up logs of its own if nobody listened."""

    def ready(**_: object) -> None:
        out.write(READY)

    # Strong: otherwise Celery forgets these functions as soon as this one could end.
    for signal, function in (
        (signals.setup_logging, keep_logging),
        (signals.worker_process_init, begin),
        (signals.worker_process_shutdown, end),
        (signals.worker_ready, ready),
    ):
        signal.connect(function, weak=False)
    warnings.filterwarnings("ignore", module="celery.platforms")  # that it runs as root, as in a container
    with logging_to(sys.stderr, LogConfig.model_validate_json(order.log)):
        worker = app.Worker(
            hostname=f"{order.queue}@{order.node}",
            pool="prefork",
            concurrency=order.concurrency,
            queues=[order.queue],
            without_gossip=True,
            without_mingle=True,
            quiet=True,
        )
        worker.start()
    return int(worker.exitcode or 0)


def _register(app: Celery) -> None:
    """The tasks. What a message names tells people what was rung for; a worker takes what is next."""

    def step(job: str, kind: str, number: int | None = None) -> None:  # noqa: ARG001 - for those who watch
        if _Here.child is not None:
            _Here.child.step()

    def picture(picture: str) -> None:
        if _Here.child is not None:
            _Here.child.picture(picture)

    app.task(step, name=STEP)
    app.task(picture, name=PICTURE)


if __name__ == "__main__":
    sys.exit(main())
