"""The command line of `veilcast live`; imports nothing heavy, for it is also built to mask a file."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from argparse import _SubParsersAction

P = TypeVar("P", bound=argparse.ArgumentParser)

EPILOG = """\
Credentials: those in addresses are kept out of logs, pages and the process list. VEILCAST_TOKEN is asked of web
viewers, VEILCAST_RTSP_USER and VEILCAST_RTSP_PASSWORD of RTSP clients. SIGHUP reloads masks and zones from --config.
"""


def add_live_parser(commands: _SubParsersAction[P], presets: list[str]) -> None:
    """Add `live` to the program's commands."""
    live = commands.add_parser(
        "live",
        help="mask a camera's stream: RTSP, WebRTC, recordings",
        description="Mask a camera's stream and publish it. Several cameras: list them in --config.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    live.add_argument("source", nargs="?", help="rtsp://..., http(s)://... (MJPEG, HLS), /dev/video0 or a file")
    live.add_argument("--config", metavar="NAME|FILE", help=f"preset ({', '.join(presets)}) or YAML file")
    live.add_argument("--rtsp", metavar="[HOST:]PORT[/NAME]", help="serve RTSP; without HOST on this machine only")
    live.add_argument("--webrtc", metavar="[HOST:]PORT", help="serve a page with a preview, and WHEP at /whep/NAME")
    live.add_argument("--push", metavar="URL", action="append", help="publish to an RTSP server; may be repeated")
    live.add_argument("--record", metavar="DIRECTORY", help="record in segments")
    live.add_argument(
        "--audio",
        choices=("keep", "drop", "disguise"),
        help="sound in recordings: disguise changes voices (default: drop); viewers and pushes never get any",
    )
    live.add_argument("--name", help="name of the stream (default: that in --rtsp, or camera)")
    live.add_argument(
        "--look-ahead", type=_number(0, 5), metavar="SECONDS", help="delay, for better masks (default: 0.2)"
    )
    live.add_argument(
        "--max-mask-age", type=_number(0.01, 5), metavar="SECONDS", help="older masks hide all (default: 0.5)"
    )
    live.add_argument("--transport", choices=("auto", "tcp", "udp"), help="how RTSP is pulled (default: auto)")
    live.add_argument("--loop", action="store_true", help="play a file over and over")
    live.add_argument("--duration", type=_number(0.1, 1e9), metavar="SECONDS", help="stop after this time")


def _number(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return number
