"""`veilcast serve`: from options to a running service and back."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from streamer.cli.service.options import VARIABLES, serve_settings
from streamer.errors import ConfigError
from streamer.runtime.logs import logging_to
from streamer.runtime.malloc import few_heaps
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.service.elsewhere import Elsewhere
from streamer.service.server import ENVIRONMENT_TOKEN, ServiceServer
from streamer.service.store.data_folder import DataFolder, open_database
from streamer.settings.listen import parse_listen
from streamer.settings.overlay import secret_variable
from streamer.settings.service import ServiceConfig

_log = logging.getLogger("veilcast.service")


def _migrate(config: ServiceConfig) -> None:
    """Before nodes of a new version start. Nodes of the version before go on meanwhile. Raises ConfigError."""
    if config.database is None:
        DataFolder.of(config).close()
    else:
        open_database(config.database.get_secret_value()).close()


def run_serve(options: argparse.Namespace, stop: threading.Event) -> int:
    """Serve until `stop` is set; returns the exit code. Raises ConfigError for what makes no sense."""
    said = dict(os.environ)
    settings = serve_settings(options, said)
    if options.migrate_only:
        _migrate(settings.service)
        return 0
    few_heaps()
    one_opencv_thread()
    token = secret_variable(ENVIRONMENT_TOKEN, os.environ)
    for name in (ENVIRONMENT_TOKEN, *VARIABLES):  # no child needs to know them
        os.environ.pop(name, None)
    reload = threading.Event()
    before = signal.signal(signal.SIGHUP, lambda *_: reload.set())
    try:
        with (
            logging_to(sys.stderr, settings.live.log),
            ServiceServer(settings, token, options.insecure, _elsewhere(settings.service)) as server,
        ):
            where = parse_listen(settings.service.listen)
            host = f"[{where.host}]" if ":" in where.host else where.host
            _log.info("open http://%s:%d/ in a browser; the API is described at /docs", host, server.port)

            def reload_if_asked() -> None:
                if reload.is_set():
                    reload.clear()
                    try:
                        server.apply(serve_settings(options, said))
                    except ConfigError as error:
                        _log.error("not reloaded: %s", error)

            server.run(stop, options.duration, reload_if_asked)
            _log.info("stopping; jobs that have not ended are queued and go on at the next start")
    finally:
        signal.signal(signal.SIGHUP, before)
    return 0


def _elsewhere(config: ServiceConfig) -> Elsewhere | None:
    """Workers on other machines, if there are any. Raises ConfigError."""
    if config.broker is None:
        return None
    where = Path("service.broker")
    if config.database is None:
        raise ConfigError(where, "workers on other machines need a database and files that they share: set --database")
    try:
        from streamer.cluster.gateway import BrokerLink  # only whoever has such workers needs Celery

        return BrokerLink(config.broker.get_secret_value())
    except ModuleNotFoundError as error:
        install = f"{error.name} is not installed; install it with: pip install 'veilcast[cluster]'"
        raise ConfigError(where, install) from error
    except ValueError as error:
        raise ConfigError(where, str(error)) from error
