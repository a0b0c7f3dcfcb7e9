"""The command line of `veilcast file`."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from streamer.cli.options import MASK, SettingOption, add_config, encoding, overrides, presets_help
from streamer.errors import ConfigError
from streamer.settings.encoder import Codec
from streamer.settings.file import Settings
from streamer.settings.loading import load
from streamer.settings.overlay import Override, overlaid

if TYPE_CHECKING:
    from argparse import _SubParsersAction

P = TypeVar("P", bound=argparse.ArgumentParser)

_ONE_INPUT = ("--report", "--masks", "--from-masks", "--start", "--end")
_WHOLE_VIDEO = ("--masks", "--from-masks", "--verify")
_LONGEST = 1_000_000  # seconds
MOST_JOBS = 64
_IN_ONE_GO = ("--verify", "--masks", "--from-masks", "--start", "--end", "--jobs")
PROGRESS = ("bar", "plain", "json", "none")

EPILOG = """\
--progress bar needs a terminal; elsewhere it is the same as plain. --progress json writes one JSON object per line to
stderr, about once a second and once at the end:
  {"frames": 120, "seconds": 4.8, "total": 60.0, "fps": 31.2, "eta": 44.2}
seconds: position in the video; total: its length according to the header; eta: seconds left. total and eta are null
if unknown. Warnings and errors are plain lines that start with "warning: " or "veilcast: "; there is no summary.

"""


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(1 <= side <= 65_536 for side in sides):
        raise argparse.ArgumentTypeError("must be a width and a height, like 8192x8192")
    return sides


def _moment(text: str) -> float:
    """Seconds, or hours, minutes and seconds with colons between them."""
    found = re.fullmatch(r"(?:(?:(\d{1,3}):)?(\d{1,2}):)?(\d{1,6}(?:\.\d{1,6})?)", text)
    seconds = -1.0
    if found:
        hours, minutes, rest = int(found[1] or 0), int(found[2] or 0), float(found[3])
        if found[2] is None or rest < 60:
            seconds = 3600 * hours + 60 * minutes + rest
    if not 0 <= seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} must be seconds, or HH:MM:SS")
    return seconds


def _on_or_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither on nor off")
    return text == "on"


def _jobs(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_JOBS}")
    return int(text)


FILE = (
    *MASK,
    SettingOption("--audio", "file.audio", "keep audio bit for bit, drop it, or disguise voices"),
    SettingOption(
        "--codec",
        "encoder.codec",
        "video codec",
        choices=get_args(Codec),
        default="h264, or hevc for more than 8 bits",
    ),
    *encoding("encoder"),
    SettingOption("--keep-metadata", "file.keep_metadata", "keep harmless tags of the input", switch=True),
    SettingOption(
        "--copy-untouched",
        "file.copy_untouched",
        "keep the packets of parts in which nothing is masked; off: encode all pictures anew",
        read=_on_or_off,
        default="on",
        metavar="{on,off}",
    ),
    SettingOption(
        "--max-size",
        "file.max_size",
        "refuse pictures with more pixels than this",
        read=_size,
        metavar="WxH",
        default="8192x8192, for pictures 10000x10000",
    ),
)
"""Options that set one setting each."""


def add_file_parser(commands: _SubParsersAction[P]) -> None:
    """Add `file` to the program's commands."""
    file = commands.add_parser(
        "file",
        help="make masked copies of videos and pictures",
        usage="veilcast file [options] INPUT [OUTPUT]\n       veilcast file [options] INPUT ... --output-dir DIR",
        description="Make a masked copy of a video or a picture, or of many of them. The default for OUTPUT is "
        "NAME.masked.EXT beside the input.",
        epilog=EPILOG + presets_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    file.add_argument("input", nargs="+", help="the video or picture; with --output-dir any number, and folders")
    file.add_argument("--output-dir", metavar="DIR", help="write the copies of all inputs there, under their own names")
    file.add_argument("--recursive", action="store_true", help="look into folders inside of folders, too")
    file.add_argument(
        "--jobs", type=_jobs, metavar="N", help="with --output-dir: make N copies at a time, each in its own process"
    )
    file.add_argument(
        "--workers",
        type=_jobs,
        metavar="N",
        help="mask N parts of a long video at a time, each in its own process; the copy is the same for any N",
    )
    add_config(file)
    file.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    for option in FILE:
        option.add_to(file, Settings)
    file.add_argument("--start", type=_moment, metavar="TIME", help="copy the video from here on: seconds, or HH:MM:SS")
    file.add_argument("--end", type=_moment, metavar="TIME", help="copy the video up to here")
    file.add_argument("--report", metavar="FILE", help="write a JSON report of what was done")
    file.add_argument(
        "--masks", metavar="FILE", help="write what was masked in every frame: .jsonl, or .csv for MOTChallenge rows"
    )
    file.add_argument(
        "--from-masks", metavar="FILE", help="paint what a .jsonl of --masks says, edited or not, without a detector"
    )
    file.add_argument(
        "--verify",
        action="store_true",
        help="check the copy with all detectors before it appears, and mask what still shows; several times slower",
    )
    file.add_argument(
        "--every", type=every_nth, metavar="N", help="with --verify: check one of N frames (default: 1, every frame)"
    )
    file.add_argument(
        "--progress", choices=PROGRESS, help="how progress is shown on stderr (default: bar on a terminal, else plain)"
    )
    file.add_argument(
        "--quiet",
        action="store_true",
        help="print only warnings and errors: no summary, and no progress unless --progress is given",
    )


@dataclass(frozen=True, slots=True)
class Inputs:
    """What to mask, and where to: one file and its copy (None: the default), or many and a directory."""

    sources: tuple[Path, ...]
    target: Path | None = None
    directory: Path | None = None
    recursive: bool = False


def inputs_of(options: argparse.Namespace) -> Inputs:
    """What was given as inputs and outputs. Raises ConfigError if it does not go together."""
    given = tuple(map(Path, options.input))
    _check_part(options)
    _check_workers(options)
    if options.output_dir is None:
        if options.recursive:
            raise ConfigError(Path("--recursive"), "needs --output-dir")
        if options.jobs is not None:
            raise ConfigError(Path("--jobs"), "needs --output-dir")
        if len(given) > 2:
            raise ConfigError(given[2], "is a third file: several inputs need --output-dir")
        if given[0].is_dir():
            raise ConfigError(given[0], "is a directory: give --output-dir for the copies of its files")
        return Inputs(given[:1], given[1] if len(given) > 1 else None)
    for flag in _ONE_INPUT:
        if getattr(options, flag.removeprefix("--").replace("-", "_")) is not None:
            raise ConfigError(Path(flag), "is about one input and cannot be used with --output-dir")
    if options.progress == "json":
        raise ConfigError(Path("--progress json"), "is about one input and cannot be used with --output-dir")
    return Inputs(given, None, Path(options.output_dir), options.recursive)


def _check_workers(options: argparse.Namespace) -> None:
    if options.workers is None or options.workers == 1:
        return
    for flag in _IN_ONE_GO:
        if getattr(options, flag.removeprefix("--").replace("-", "_")):
            raise ConfigError(Path("--workers"), f"cannot be used with {flag}")


def _check_part(options: argparse.Namespace) -> None:
    if options.start is None and options.end is None:
        return
    for flag in _WHOLE_VIDEO:
        if getattr(options, flag.removeprefix("--").replace("-", "_")):
            raise ConfigError(Path(flag), "is about a whole video and cannot be used with --start and --end")
    if options.end is not None and options.end <= (options.start or 0):
        raise ConfigError(Path("--end"), "must be later than --start")


def every_nth(text: str) -> int:
    """Reads how many frames lie between two checked ones."""
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def file_settings(options: argparse.Namespace) -> Settings:
    """The preset or file with what was said on the command line on top. Raises ConfigError."""
    settings = load(options.config)
    if options.from_masks is not None and options.config is None:
        settings = _painted_like(Path(options.from_masks))
    changes = overrides(options, FILE)
    if options.max_size is not None:  # for pictures, too, which have a limit of their own
        changes.append(Override(("picture", "max_size"), options.max_size, "--max-size"))
    return overlaid(settings, changes)


def _painted_like(record: Path) -> Settings:
    """The defaults with the mask and the zones that a record was made with."""
    from streamer.file.mask_reader import MaskRecord

    with MaskRecord(record) as opened:
        return Settings(mask=opened.header.mask, zones=opened.header.zones)
