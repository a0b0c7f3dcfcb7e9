"""The settings of a live service: its preset or file, its command line and its environment. Opens no connection."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from streamer.errors import ConfigError
from streamer.redact import redacted
from streamer.settings.listen import parse_listen
from streamer.settings.live import LiveSettings
from streamer.settings.loading import checked, first_problem, load

DEFAULT_NAME = "camera"


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
    return checked(settings, where)


def _name(options: argparse.Namespace) -> str:
    if options.name is not None:
        return str(options.name)
    try:
        found = parse_listen(options.rtsp or "0").name
    except ValueError:
        found = None  # the address itself is refused later, with a reason
    return found or DEFAULT_NAME
