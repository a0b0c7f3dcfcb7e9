"""The command line: `veilcast file | live | demo | doctor`."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, get_args

from rich.console import Console
from rich.text import Text

from core.config import MaskConfig
from core.detect.registry import DETECTORS
from streamer.cli.live_options import add_live_parser
from streamer.errors import ConfigError, InterruptedJobError, JobError, printable
from streamer.redact import redacted
from streamer.runtime.signals import interrupts
from streamer.settings.audio import AudioPolicy
from streamer.settings.encoder import EncoderConfig
from streamer.settings.file import Settings
from streamer.settings.loading import checked, load, presets
from streamer.version import VERSION

USAGE_ERROR = 2
DEGRADED = 3  # the copy is complete, but the input was damaged or the detector failed somewhere
INTERRUPTED = 130  # what shells give for Ctrl-C
UNEXPECTED = 1
DEBUG = "VEILCAST_DEBUG"  # environment variable: show where an unexpected error came from


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 output trouble, 2 bad input, 3 damage, 130 Ctrl-C."""
    options = parser().parse_args(arguments)
    console = _Console(stderr=True)
    try:
        return _run(options, console)
    except JobError as error:
        say(console, f"veilcast: {error}", "bold red")
        return error.exit_code
    except (InterruptedJobError, KeyboardInterrupt):
        # Recordings are whole up to their last fragment; a file job leaves nothing.
        left = "recordings may lack their last second" if options.command == "live" else "nothing was written"
        say(console, f"veilcast: interrupted; {left}", "bold red")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last net: whatever it is, it is one line for the user
        if os.environ.get(DEBUG):
            traceback.print_exc()
        say(console, f"veilcast: {unexpected(error)}", "bold red")
        return UNEXPECTED


def unexpected(error: Exception) -> str:
    """One line about an error that should not have been possible, without credentials."""
    said = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
    return f"this is a bug in veilcast ({said}); {DEBUG}=1 shows where: please report it with what it says"


def _run(options: argparse.Namespace, console: Console) -> int:
    # A live service reads its configuration anew on SIGHUP; for all else it means that the terminal is gone.
    with interrupts(hangup=options.command != "live") as interrupt:
        if options.command == "file":
            return _file(options, console, interrupt)
        if options.command == "live":
            return _live(options, interrupt)
        if options.command == "demo":
            from streamer.cli.demo import run_demo

            return run_demo(Path(options.directory), console, interrupt)
    from streamer.cli.doctor import run_doctor

    return run_doctor(Console())


def _live(options: argparse.Namespace, interrupt: threading.Event) -> int:
    try:
        from streamer.cli.live import run_live
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing in ("", "core", "streamer", "configs"):
            raise  # of the program itself: a bug
        raise ConfigError(
            Path("live"), f"{missing} is not installed; install it with: pip install 'veilcast[live]'"
        ) from error
    return run_live(options, interrupt)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read what is said has gone: that is no reason to end the job, as rich would have it."""
        self.quiet = True


def say(console: Console, text: str, style: str = "") -> None:
    """One line, exactly as it is: paths may hold what looks like markup, or line feeds, which are escaped."""
    with contextlib.suppress(OSError):  # a terminal that is gone is no reason to end otherwise
        console.print(Text(printable(text), style), soft_wrap=True)


def _file(options: argparse.Namespace, console: Console, interrupt: threading.Event) -> int:
    from streamer.cli.progress import progress_view
    from streamer.file import report as reports
    from streamer.file.job import anonymize_file

    settings = _settings(options)
    target = None if options.output is None else Path(options.output)
    source = Path(options.input)
    if options.report is not None:
        videos = [source] if target is None else [source, target]
        reports.check_report_target(Path(options.report), videos, options.overwrite)
    with progress_view(console) as view:
        report = anonymize_file(
            source,
            target,
            settings,
            overwrite=options.overwrite,
            on_progress=view.show,
            on_warning=lambda text: say(console, f"warning: {text}", "yellow"),
            interrupt=interrupt,
        )
    if options.report is not None:
        reports.write(report, Path(options.report), options.overwrite)
    seconds = report.seconds
    total = max(seconds.settled + seconds.held + seconds.blanket, 1e-9)
    covered = ", ".join(
        f"{100 * value / total:.1f} % {name}"
        for name, value in (("settled", seconds.settled), ("held", seconds.held), ("blanket", seconds.blanket))
        if value or name == "settled"
    )
    say(
        console,
        f"{report.output.path}: {report.frames} frames, {_count(report.faces, 'face')} followed, {covered}, "
        f"{report.frames / max(report.elapsed, 1e-9):.1f} fps",
        "green",
    )
    return DEGRADED if report.failed_samples or report.damaged else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _settings(options: argparse.Namespace) -> Settings:
    """The preset or file, with what was said on the command line on top."""
    settings = load(options.config)
    mask = {"style": options.mask, "shape": options.shape}
    encoder = {"codec": options.codec, "crf": options.crf, "preset": options.preset}
    detect = {"detector": options.detector, "scales": () if options.detector else None}
    file = {
        "audio": options.audio,
        "keep_metadata": True if options.keep_metadata else None,
        "max_size": options.max_size,
    }
    changes = {
        name: {key: value for key, value in values.items() if value is not None}
        for name, values in (("mask", mask), ("encoder", encoder), ("detect", detect), ("file", file))
    }
    data = settings.model_dump()
    for name, values in changes.items():
        data[name].update(values)
    return checked(Settings.model_validate(data), Path(options.config or "options"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with the message and exit code 2; what was typed may hold a password."""
        super().error(redacted(message))


def parser() -> argparse.ArgumentParser:
    """Of everything that can be typed behind `veilcast`."""
    top = _Parser(prog="veilcast", description="The same video with nobody's face in it. Works offline, on a CPU.")
    top.add_argument("--version", action="version", version=f"veilcast {VERSION}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    file = commands.add_parser(
        "file", help="make a masked copy of a video file", description="Make a masked copy of a video file."
    )
    file.add_argument("input", help="the video")
    file.add_argument("output", nargs="?", help="the copy; default: NAME.masked.EXT beside the input")
    file.add_argument("--config", metavar="NAME|FILE", help=f"preset ({', '.join(presets())}) or YAML file")
    file.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    file.add_argument("--mask", choices=_choices(MaskConfig, "style"), help="how faces are hidden (default: blur)")
    file.add_argument("--shape", choices=_choices(MaskConfig, "shape"), help="shape of a mask (default: ellipse)")
    file.add_argument("--detector", choices=sorted(DETECTORS), help="what finds faces (default: yunet)")
    file.add_argument(
        "--audio",
        choices=get_args(AudioPolicy),
        help="sound: bit for bit, left out, or voices disguised (default: keep)",
    )
    file.add_argument("--codec", choices=("h264", "hevc"), help="default: h264, or hevc for more than 8 bits")
    file.add_argument("--crf", type=_crf, metavar="0-51", help="quality: lower is better and larger (default: 20)")
    file.add_argument("--preset", choices=_choices(EncoderConfig, "preset"), help="encoder speed (default: veryfast)")
    file.add_argument("--keep-metadata", action="store_true", help="keep harmless tags of the input")
    file.add_argument(
        "--max-size", type=_size, metavar="WxH", help="refuse pictures with more pixels than this (default: 8192x8192)"
    )
    file.add_argument("--report", metavar="FILE", help="write a JSON report of what was done")
    add_live_parser(commands, presets())
    about_demo = "mask a moving picture of a face that comes with the program"
    demo = commands.add_parser("demo", help=about_demo, description=about_demo)
    demo.add_argument("directory", nargs="?", default="demo", help="where to leave the results (default: demo)")
    about_doctor = "check versions, weights, encoders and the speed of detection"
    commands.add_parser("doctor", help=about_doctor, description=about_doctor)
    return top


def _choices(section: type[MaskConfig] | type[EncoderConfig], field: str) -> tuple[str, ...]:
    return get_args(section.model_fields[field].annotation)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(1 <= side <= 65_536 for side in sides):
        raise argparse.ArgumentTypeError("must be a width and a height, like 8192x8192")
    return sides


def _crf(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 51:
        raise argparse.ArgumentTypeError("must be between 0 and 51")
    return value


if __name__ == "__main__":
    sys.exit(main())
