"""Values from the command line and the environment, laid over a preset or file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from streamer.errors import ConfigError
from streamer.settings.file import Settings
from streamer.settings.loading import unknown_detector
from streamer.settings.problems import Loc, Problem, problems_of

OPTIONS = Path("options")
"""Takes the place of the file in messages about options and variables."""

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Override:
    """A value for the option at `loc`; `said` is what the user knows it by: `--crf`, `VEILCAST_TOKEN`."""

    loc: Loc
    value: object
    said: str


def overlaid(settings: S, overrides: Iterable[Override]) -> S:
    """The settings with the overrides in place. Raises ConfigError that names the option, not the setting it sets."""
    overrides = list(overrides)
    data: dict[Any, Any] = settings.model_dump(exclude_unset=True)
    for override in overrides:
        _put(data, override.loc, override.value)
    try:
        changed = type(settings).model_validate(data)
    except ValidationError as error:
        found = problems_of(error, type(settings))
    else:
        found = unknown_detector(changed.detect.detector)
        if not found:
            return changed
    raise ConfigError(OPTIONS, *(_in_the_users_words(problem, overrides) for problem in found))


def secret_variable(name: str, environment: Mapping[str, str]) -> str | None:
    """What the variable says, or the file that NAME_FILE names; None if neither is set. Raises ConfigError."""
    if value := environment.get(name):
        return value
    place = environment.get(f"{name}_FILE")
    if not place:
        return None
    try:
        value = Path(place).read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(Path(f"{name}_FILE"), f"{place} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError:
        raise ConfigError(Path(f"{name}_FILE"), f"{place} holds no text") from None
    if not value:
        raise ConfigError(Path(f"{name}_FILE"), f"{place} is empty")
    return value


def _in_the_users_words(problem: Problem, overrides: list[Override]) -> str:
    for override in overrides:
        if problem.loc[: len(override.loc)] == override.loc:
            return f"{override.said}: {problem.cause}"
    return str(problem)  # about a combination of values


def _put(section: dict[Any, Any], loc: Loc, value: object) -> None:
    """Set the value; creates missing sections and lists."""
    part, *others = loc
    if not others:
        section[part] = value
    elif isinstance(others[0], int):
        # A list as a section whose keys are its positions.
        items: dict[Any, Any] = dict(enumerate(section.get(part) or ()))
        _put(items, tuple(others), value)
        section[part] = list(items.values())
    else:
        section[part] = section.get(part) or {}
        _put(section[part], tuple(others), value)
