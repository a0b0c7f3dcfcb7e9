"""Sends messages to the queues. What cannot be sent is not lost: the database knows it, and it is sent again later."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from celery import Celery

from streamer.cluster.app import PICTURE, PICTURES, STEP, UNITS
from streamer.service.jobs.step import StepId, StepKind

_log = logging.getLogger("veilcast.cluster")

MOST: Final = 1000
"""Steps that are sent at a time; the rest when there are no messages left."""


class Sending:
    """Sends over a connection of its own each time. Does not raise. One thread at a time."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def steps(self, steps: Sequence[StepId]) -> bool:
        """Say that these steps wait. False: Redis cannot be reached."""
        return self._send(STEP, UNITS, [[step.job, str(step.kind), step.number] for step in steps])

    def pictures(self, pictures: Sequence[str]) -> bool:
        """Say that these pictures wait, by their ids. False: Redis cannot be reached."""
        return self._send(PICTURE, PICTURES, [[picture] for picture in pictures])

    def waiting(self, queue: str) -> int | None:
        """Messages that nobody has taken yet; None: Redis cannot be reached."""
        try:
            with self._app.connection_for_write() as connection:
                return int(connection.default_channel.client.llen(queue))
        except Exception as error:  # noqa: BLE001 - whatever Redis and its client raise: they have many kinds
            _log.warning("Redis cannot be asked: %s", type(error).__name__)
            return None

    def _send(self, task: str, queue: str, messages: list[list[str | int | None]]) -> bool:
        try:
            with self._app.connection_for_write() as connection, self._app.amqp.Producer(connection) as producer:
                for arguments in messages:
                    self._app.send_task(
                        task, arguments, queue=queue, producer=producer, retry=False, ignore_result=True
                    )
            return True
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning("workers are told later, since Redis cannot be reached: %s", type(error).__name__)
            return False


def steps_after(step: StepId, free: Sequence[StepId]) -> list[StepId]:
    """Those of a job's free steps of which nobody has been told, after one of them was taken in, done or let go of."""
    if step.kind is not StepKind.UNIT:
        return list(free)
    return [each for each in free if each.kind is not StepKind.UNIT or each == step]
