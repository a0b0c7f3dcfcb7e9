"""Options that say the same for `veilcast file` and `veilcast live`: each once, with the setting it stands for."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

from core.detect.registry import DETECTORS
from streamer.settings.file import Settings
from streamer.settings.loading import about_presets, presets
from streamer.settings.overlay import Override


@dataclass(frozen=True, slots=True)
class SettingOption:
    """An option that sets one setting. What is not given here comes from the setting: its choices and its default."""

    flag: str
    key: str
    """The setting, from the top of a file: `mask.style`."""
    help: str
    read: Callable[[str], object] = str
    choices: tuple[str, ...] = ()
    metavar: str | None = None
    default: str = ""
    """The default in words, where the setting's own is not telling."""
    switch: bool = False
    """Takes no value: the setting is on if it is there."""
    also: tuple[tuple[str, object], ...] = ()
    """Other settings that change with it, and what to."""

    @property
    def dest(self) -> str:
        """What argparse calls its value."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def loc(self) -> tuple[str, ...]:
        """The setting, part by part."""
        return tuple(self.key.split("."))

    def add_to(self, parser: argparse._ActionsContainer, kind: type[Settings]) -> None:
        """Make a parser understand it; `kind` has the setting."""
        if self.switch:
            parser.add_argument(self.flag, action="store_true", default=None, help=self.help)
            return
        annotation, default = _setting(kind, self.loc)
        shown = self.default or (f"{default:g}" if isinstance(default, float | int) else default)
        parser.add_argument(
            self.flag,
            type=self.read,
            choices=self.choices or (get_args(annotation) if self.metavar is None else None),
            metavar=self.metavar,
            help=f"{self.help} (default: {shown})" if shown else self.help,
        )


def overrides(options: argparse.Namespace, table: Iterable[SettingOption]) -> list[Override]:
    """What was given of the options in the table."""
    found = []
    for option in table:
        value = getattr(options, option.dest)
        if value is not None:
            found += [Override(tuple(key.split(".")), other, option.flag) for key, other in option.also]
            found.append(Override(option.loc, value, option.flag))
    return found


def number(low: float, high: float) -> Callable[[str], float]:
    """Reads a number from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return parse


MASK = (
    SettingOption("--mask", "mask.style", "how faces are hidden"),
    SettingOption("--shape", "mask.shape", "shape of a mask"),
    SettingOption(
        "--detector",
        "detect.detector",
        "what finds faces",
        choices=tuple(sorted(DETECTORS)),
        also=(("detect.scales", ()),),  # those of a preset suit its own detector
    ),
)
"""How faces are found and hidden."""


def encoding(section: str) -> tuple[SettingOption, ...]:
    """Options of the encoder whose settings are at `section`."""
    return (
        SettingOption(
            "--crf", f"{section}.crf", "quality: lower is better and larger", read=number(0, 51), metavar="0-51"
        ),
        SettingOption("--preset", f"{section}.preset", "encoder speed"),
    )


def add_config(parser: argparse._ActionsContainer) -> None:
    """Add `--config`."""
    names = ", ".join(presets())
    parser.add_argument("--config", metavar="NAME|FILE", help=f"preset ({names}), see below, or a YAML file")


def presets_help() -> str:
    """What there is for `--config`, a line each, for the end of a help text."""
    about = about_presets()
    width = max(map(len, about))
    lines = (f"  {name:{width}}  {text}" for name, text in about.items())
    return "\n".join(("presets for --config (veilcast config show --config NAME prints one):", *lines)) + "\n"


def _setting(kind: type[Settings], loc: tuple[str, ...]) -> tuple[Any, Any]:
    """Annotation and default of a setting."""
    section: Any = kind()
    for name in loc[:-1]:
        section = getattr(section, name)
    field = type(section).model_fields[loc[-1]]
    return field.annotation, field.default
