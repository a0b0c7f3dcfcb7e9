"""`veilcast live`: from options to a running service and back."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from streamer.errors import ConfigError
from streamer.live.address import parse_listen
from streamer.live.config import LiveSettings
from streamer.live.heaps import few_heaps
from streamer.live.logs import logging_to
from streamer.live.redact import redacted
from streamer.live.service import LiveService, ServiceError
from streamer.settings import checked, first_problem, load

log = logging.getLogger("veilcast.live")

DEFAULT_NAME = "camera"


def run_live(options: argparse.Namespace, stop: threading.Event) -> int:
    """Publish until `stop` is set; returns the exit code. Raises ConfigError for what cannot be meant."""
    settings = live_settings(options, os.environ)
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
                        service.apply(live_settings(options, os.environ))
                    except ConfigError as error:
                        log.error("not reloaded: %s", error)

            service.run(stop, options.duration, reload_if_asked)
            log.info("stopping")
    except ServiceError as error:
        raise ConfigError(Path(options.config or "live"), str(error)) from error
    finally:
        signal.signal(signal.SIGHUP, before)
    return 0


def live_settings(options: argparse.Namespace, environment: Mapping[str, str]) -> LiveSettings:
    """The preset or file with what was said on the command line and in the environment on top. Raises ConfigError."""
    where = Path(options.config or "options")
    data = load(options.config, LiveSettings).model_dump(exclude_unset=True)
    live = data.setdefault("live", {})
    for key in ("rtsp", "webrtc", "record", "audio", "look_ahead", "max_mask_age"):
        if (value := getattr(options, key)) is not None:
            live[key] = value
    source = {"transport": options.transport, "loop": True if options.loop else None}
    live.setdefault("source", {}).update({key: value for key, value in source.items() if value is not None})
    if token := environment.get("VEILCAST_TOKEN"):
        live.setdefault("web", {})["token"] = token
    if user := environment.get("VEILCAST_RTSP_USER"):
        login = {"user": user, "password": environment.get("VEILCAST_RTSP_PASSWORD")}
        live.setdefault("rtsp_access", {}).update(login)
    if options.source is not None:
        if live.get("streams"):
            raise ConfigError(where, "lists streams already: give a source there or on the command line, not both")
        live["streams"] = [{"name": _name(options), "source": options.source, "push": tuple(options.push or ())}]
    elif options.push or options.name:
        raise ConfigError(where, "--push and --name go with a source on the command line")
    try:
        settings = LiveSettings.model_validate(data)
    except ValidationError as error:
        raise ConfigError(where, redacted(first_problem(error))) from error
    _check_purpose(settings, where)
    return checked(settings, where)


def _name(options: argparse.Namespace) -> str:
    if options.name is not None:
        return str(options.name)
    try:
        found = parse_listen(options.rtsp or "0").name
    except ValueError:
        found = None  # the address itself is refused later, with a reason
    return found or DEFAULT_NAME


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


def _say_where(settings: LiveSettings, service: LiveService) -> None:
    live, (rtsp, web) = settings.live, service.ports
    for stream in live.streams:
        if live.rtsp is not None:
            log.info("watch rtsp://%s:%s/%s", parse_listen(live.rtsp).host, rtsp, stream.name)
        if live.webrtc is not None:
            log.info("watch http://%s:%s/%s", parse_listen(live.webrtc).host, web, stream.name)
