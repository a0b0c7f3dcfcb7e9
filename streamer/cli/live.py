"""`veilcast live`: from options to a running service and back."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from streamer.cli.live_options import live_settings
from streamer.errors import ConfigError
from streamer.live.recording.recorder import check_folder, folder_name
from streamer.live.recording.segment import SegmentError
from streamer.live.supervisor import LiveService, ServiceError
from streamer.runtime.logs import logging_to
from streamer.runtime.malloc import few_heaps
from streamer.settings.listen import parse_listen
from streamer.settings.live import LiveSettings
from streamer.settings.overlay import OPTIONS

log = logging.getLogger("veilcast.live")


def run_live(options: argparse.Namespace, stop: threading.Event) -> int:
    """Publish until `stop` is set; returns the exit code. Raises ConfigError for settings that make no sense."""
    settings = _wanted(options)
    few_heaps()
    reload = threading.Event()
    before = signal.signal(signal.SIGHUP, lambda *_: reload.set())
    try:
        with logging_to(sys.stderr, settings.live.log), LiveService(settings) as service:
            _say_where(settings, service)

            def reload_if_asked() -> None:
                if reload.is_set():
                    reload.clear()
                    try:
                        service.apply(_wanted(options))
                    except ConfigError as error:
                        log.error("not reloaded: %s", error)

            service.run(stop, options.duration, reload_if_asked)
            log.info("stopping")
    except ServiceError as error:
        raise ConfigError(Path(options.config or "live"), str(error)) from error
    finally:
        signal.signal(signal.SIGHUP, before)
    return 0


def _wanted(options: argparse.Namespace) -> LiveSettings:
    settings = live_settings(options, os.environ)
    _check_purpose(settings, Path(options.config) if options.config else OPTIONS)
    return settings


def _check_purpose(settings: LiveSettings, where: Path) -> None:
    live = settings.live
    if not live.streams:
        raise ConfigError(where, "no source: give one on the command line or list streams under live")
    for stream in live.streams:
        if live.rtsp is None and live.webrtc is None and live.record is None and not stream.push:
            raise ConfigError(
                where, f"{stream.name} would be published nowhere: give --rtsp, --webrtc, --push or --record"
            )
    if live.record is not None:
        try:
            live.record.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(live.record, f"recordings cannot be written there ({error.strerror or error})") from error
        for stream in live.streams:
            folder = live.record / folder_name(stream.name)
            try:
                check_folder(folder)
            except SegmentError as error:
                raise ConfigError(folder, str(error)) from error


def _say_where(settings: LiveSettings, service: LiveService) -> None:
    live, (rtsp, web) = settings.live, service.ports
    for stream in live.streams:
        if live.rtsp is not None:
            log.info("watch rtsp://%s:%s/%s", parse_listen(live.rtsp).host, rtsp, stream.name)
        if live.webrtc is not None:
            log.info("watch http://%s:%s/%s", parse_listen(live.webrtc).host, web, stream.name)
