"""The command line of `veilcast live`; imports nothing heavy, for it is also built to mask a file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from streamer.cli.options import MASK, SettingOption, add_config, encoding, number, overrides, presets_help
from streamer.errors import ConfigError
from streamer.settings.listen import parse_listen
from streamer.settings.live import LiveSettings
from streamer.settings.loading import load
from streamer.settings.overlay import OPTIONS, Override, overlaid

if TYPE_CHECKING:
    from argparse import _SubParsersAction

P = TypeVar("P", bound=argparse.ArgumentParser)

EPILOG = """\
Credentials: those in addresses are kept out of logs, pages and the process list. VEILCAST_TOKEN is asked of web
viewers, VEILCAST_RTSP_USER and VEILCAST_RTSP_PASSWORD of RTSP clients. SIGHUP reloads masks and zones from --config.

"""

DEFAULT_NAME = "camera"

LIVE = (
    *MASK,
    SettingOption("--rtsp", "live.rtsp", "serve RTSP; without HOST on this machine only", metavar="[HOST:]PORT[/NAME]"),
    SettingOption(
        "--webrtc", "live.webrtc", "serve a page with a preview, and WHEP at /whep/NAME", metavar="[HOST:]PORT"
    ),
    SettingOption("--record", "live.record", "record in segments", metavar="DIRECTORY"),
    SettingOption(
        "--audio", "live.audio", "audio in recordings: disguise changes voices; viewers and pushes never get any"
    ),
    *encoding("live.encoder"),
    SettingOption("--look-ahead", "live.look_ahead", "delay, for better masks", read=number(0, 5), metavar="SECONDS"),
    SettingOption(
        "--max-mask-age", "live.max_mask_age", "older masks hide all", read=number(0.01, 5), metavar="SECONDS"
    ),
    SettingOption("--transport", "live.source.transport", "how RTSP is pulled"),
    SettingOption("--loop", "live.source.loop", "play a file over and over", switch=True),
)
"""Options that set one setting each."""

ENVIRONMENT = {
    "VEILCAST_TOKEN": ("live", "web", "token"),
    "VEILCAST_RTSP_USER": ("live", "rtsp_access", "user"),
    "VEILCAST_RTSP_PASSWORD": ("live", "rtsp_access", "password"),
}
"""Variables that set one setting each."""


def add_live_parser(commands: _SubParsersAction[P]) -> None:
    """Add `live` to the program's commands."""
    live = commands.add_parser(
        "live",
        help="mask a camera's stream: RTSP, WebRTC, recordings",
        description="Mask a camera's stream and publish it. Several cameras: list them in --config.",
        epilog=EPILOG + presets_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    live.add_argument("source", nargs="?", help="rtsp://..., http(s)://... (MJPEG, HLS), /dev/video0 or a file")
    add_config(live)
    for option in LIVE:
        option.add_to(live, LiveSettings)
    live.add_argument("--codec", type=_codec, metavar="h264", help="video codec: live streams are always H.264")
    live.add_argument("--push", metavar="URL", action="append", help="publish to an RTSP server; may be repeated")
    live.add_argument("--name", help="name of the stream (default: that in --rtsp, or camera)")
    live.add_argument("--duration", type=number(0.1, 1e9), metavar="SECONDS", help="stop after this time")


def live_settings(options: argparse.Namespace, environment: Mapping[str, str]) -> LiveSettings:
    """The preset or file with what was said on the command line and in the environment on top. Raises ConfigError."""
    settings = load(options.config, LiveSettings)
    if options.source is None and (options.push or options.name):
        raise ConfigError(OPTIONS, "--push and --name go with a source on the command line")
    if options.source is not None and settings.live.streams:
        raise ConfigError(OPTIONS, f"{options.config} lists streams already: give a source there or here, not both")
    said = [*overrides(options, LIVE), *in_environment(environment)]
    said += _of_own_masks(said, settings)
    return overlaid(settings, said if options.source is None else [*said, *_stream(options)])


def in_environment(environment: Mapping[str, str]) -> list[Override]:
    """Settings from environment variables. A user comes with a password from there or is refused."""
    token = environment.get("VEILCAST_TOKEN")
    said = [Override(ENVIRONMENT["VEILCAST_TOKEN"], token, "VEILCAST_TOKEN")] if token else []
    return said + rtsp_login_in(environment)


def rtsp_login_in(environment: Mapping[str, str]) -> list[Override]:
    """The part of `in_environment` that RTSP clients need."""
    names = ("VEILCAST_RTSP_USER", "VEILCAST_RTSP_PASSWORD") if environment.get("VEILCAST_RTSP_USER") else ()
    return [Override(ENVIRONMENT[name], environment.get(name), name) for name in names]


def _of_own_masks(said: list[Override], settings: LiveSettings) -> list[Override]:
    """The command line goes on top of the file: also for streams that the file gives a mask of their own."""
    own = [index for index, stream in enumerate(settings.live.streams) if stream.mask is not None]
    masks = [override for override in said if override.loc[0] == "mask"]
    return [Override(("live", "streams", index, *mask.loc), mask.value, mask.said) for index in own for mask in masks]


def _stream(options: argparse.Namespace) -> list[Override]:
    """The one camera that is given on the command line."""
    stream = ("live", "streams", 0)
    found = [
        Override((*stream, "name"), _name(options), "--rtsp" if options.name is None else "--name"),
        Override((*stream, "source"), options.source, "source"),
    ]
    return [*found, Override((*stream, "push"), tuple(options.push), "--push")] if options.push else found


def _name(options: argparse.Namespace) -> str:
    if options.name is not None:
        return str(options.name)
    try:
        found = parse_listen(options.rtsp or "0").name
    except ValueError:
        found = None  # the address itself is refused later, with a reason
    return found or DEFAULT_NAME


def _codec(text: str) -> str:
    if text != "h264":
        raise argparse.ArgumentTypeError("live streams are always h264, which every browser and recorder can play")
    return text
