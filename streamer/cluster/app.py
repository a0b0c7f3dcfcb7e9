"""Celery as this program uses it: messages of JSON that name steps. All state is the database's.

A message is acknowledged before its work begins, so no visibility timeout matters, and one that is lost is sent again:
see `sweep`.
"""

from __future__ import annotations

from typing import Any, Final

from celery import Celery
from kombu.entity import Exchange, Queue

UNITS: Final = "units"
"""Queue of steps of jobs."""
PICTURES: Final = "pictures"
"""Queue of pictures whose senders wait."""
STEP: Final = "veilcast.step"
PICTURE: Final = "veilcast.picture"
"""Names of tasks."""

CONNECT: Final = 3.0  # seconds
ANSWER: Final = 10.0  # seconds for Redis to answer
CHECK: Final = 10  # seconds between two looks at whether a silent connection still lives
UNUSED: Final = 3600.0  # seconds after which an unacknowledged message comes again; by then it has long been sent again


def celery_app(broker: str, time_limit: float | None = None) -> Celery:
    """Connects when it is first used. `time_limit`: seconds after which a task's process is killed."""
    app = Celery("veilcast", set_as_current=False)
    queues = [_queue(name) for name in (UNITS, PICTURES)]
    conf: dict[str, Any] = {
        "broker_url": broker,
        "broker_connection_timeout": CONNECT,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "socket_connect_timeout": CONNECT,
            "socket_timeout": ANSWER,
            "socket_keepalive": True,
            "health_check_interval": CHECK,
            "visibility_timeout": UNUSED,
            # A connection that cannot be made is an error at once; whoever needs one tries again by itself.
            "max_retries": 1,
            "interval_start": 0.2,
            "interval_step": 0.2,
            "interval_max": 1.0,
        },
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_queues": queues,
        "task_default_queue": UNITS,
        "task_create_missing_queues": False,
        "task_routes": {STEP: {"queue": UNITS}, PICTURE: {"queue": PICTURES}},
        "task_time_limit": time_limit,
        "task_send_sent_event": True,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,  # a message that waits in a busy worker's memory is one that nobody else gets
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_proc_alive_timeout": 60.0,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_max_tasks_per_child": 1000,
    }
    app.conf.update(conf)
    return app


def _queue(name: str) -> Queue:
    exchange = Exchange(name, type="direct")  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name)  # type: ignore[no-untyped-call]
