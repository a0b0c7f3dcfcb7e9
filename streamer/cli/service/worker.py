"""`veilcast worker`: from options to a running node and back."""

from __future__ import annotations

import argparse
import os
import sys
import threading

from streamer.cli.service.options import VARIABLES
from streamer.cli.service.worker_options import worker_settings
from streamer.cluster.node import Capacity, Node
from streamer.runtime.logs import logging_to


def run_worker(options: argparse.Namespace, stop: threading.Event) -> int:
    """Work until `stop` is set; returns the exit code. Raises ConfigError for what makes no sense."""
    settings = worker_settings(options, os.environ)
    for name in VARIABLES:  # no child needs to know them
        os.environ.pop(name, None)
    capacity = Capacity(settings.service.workers, options.pictures, options.grace)
    with logging_to(sys.stderr, settings.live.log):
        Node(settings, capacity).run(stop)
    return 0
