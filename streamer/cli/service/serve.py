"""`veilcast serve`: from options to a running service and back."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

from streamer.cli.service.options import serve_settings
from streamer.errors import ConfigError
from streamer.runtime.logs import logging_to
from streamer.runtime.malloc import few_heaps
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.service.server import ENVIRONMENT_TOKEN, ServiceServer
from streamer.settings.listen import parse_listen

_log = logging.getLogger("veilcast.service")


def run_serve(options: argparse.Namespace, stop: threading.Event) -> int:
    """Serve until `stop` is set; returns the exit code. Raises ConfigError for what makes no sense."""
    settings = serve_settings(options, os.environ)
    few_heaps()
    one_opencv_thread()
    token = os.environ.pop(ENVIRONMENT_TOKEN, "") or None  # no child needs to know it
    reload = threading.Event()
    before = signal.signal(signal.SIGHUP, lambda *_: reload.set())
    try:
        with logging_to(sys.stderr, settings.live.log), ServiceServer(settings, token, options.insecure) as server:
            where = parse_listen(settings.service.listen)
            host = f"[{where.host}]" if ":" in where.host else where.host
            _log.info("open http://%s:%d/ in a browser; the API is described at /docs", host, server.port)

            def reload_if_asked() -> None:
                if reload.is_set():
                    reload.clear()
                    try:
                        server.apply(serve_settings(options, os.environ))
                    except ConfigError as error:
                        _log.error("not reloaded: %s", error)

            server.run(stop, options.duration, reload_if_asked)
            _log.info("stopping; jobs that have not ended are queued and go on at the next start")
    finally:
        signal.signal(signal.SIGHUP, before)
    return 0
