"""Options that `veilcast file` and `veilcast live` share, each defined once with the setting that it sets."""

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
    """An option that sets one setting. Choices and default come from the setting unless they are given here."""

    flag: str
    key: str
    """The setting, from the top of a file: `mask.style`."""
    help: str
    read: Callable[[str], object] = str
    choices: tuple[str, ...] = ()
    metavar: str | None = None
    default: str = ""
    """The default in words, for the help text."""
    switch: bool = False
    """Takes no value: turns the setting on."""
    also: tuple[tuple[str, object], ...] = ()
    """Other settings that change with it, and their new values."""

    @property
    def dest(self) -> str:
        """The attribute that holds its value after parsing."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def loc(self) -> tuple[str, ...]:
        """The setting's key, split at the dots."""
        return tuple(self.key.split("."))

    def add_to(self, parser: argparse._ActionsContainer, kind: type[Settings]) -> None:
        """Add it to a parser; `kind` has the setting."""
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
    """The settings from those options of the table that were given."""
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
    SettingOption("--cover", "mask.cover", "how much of a head is hidden"),
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
    """One line about each preset, for the end of a help text."""
    about = about_presets()
    width = max(map(len, about))
    lines = [f"  {name:{width}}  {text}\n" for name, text in about.items()]
    return "".join(("presets for --config (veilcast config show --config NAME prints all its settings):\n", *lines))


def _setting(kind: type[Settings], loc: tuple[str, ...]) -> tuple[Any, Any]:
    """Annotation and default of a setting."""
    section: Any = kind()
    for name in loc[:-1]:
        section = getattr(section, name)
    field = type(section).model_fields[loc[-1]]
    return field.annotation, field.default
