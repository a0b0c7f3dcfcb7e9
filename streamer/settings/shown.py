"""Settings as text: effective values as YAML, and a JSON schema of settings files."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import get_args

import yaml
from pydantic import SecretStr
from pydantic.json_schema import GenerateJsonSchema

from core.config import Section
from core.detect.registry import DETECTORS
from streamer.redact import HIDDEN
from streamer.settings.file import Settings
from streamer.settings.live import FILES_ONLY, LiveSettings
from streamer.settings.problems import secrets_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def as_yaml(settings: Settings) -> str:
    """Every option with its effective value, defaults included. Secrets are shown as `***`.

    Without secrets the text can be loaded again and means the same; with `***` in it, loading refuses it.
    """
    data = settings.model_dump()
    if isinstance(settings, LiveSettings):
        for key in FILES_ONLY:
            del data["timeline"][key]
        shared = settings.shared_engine
        data["sample"]["min_interval"] = data["live"]["min_interval"] = shared.sample.min_interval
        data["track"]["hold"] = data["live"]["hold"] = shared.track.hold
    text = yaml.dump(_plain(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"# {HIDDEN} is a secret that is not shown.\n{text}" if any(secrets_of(settings)) else text


def as_schema(kind: type[Settings]) -> str:
    """JSON schema of a settings file, as text. The docstrings of options become their descriptions."""
    schema = kind.model_json_schema(schema_generator=_Schema)
    sections = {section.__name__: section for section in _sections(kind)}
    for name, found in [(kind.__name__, schema), *schema["$defs"].items()]:
        for option, text in _docstrings(sections[name]).items():
            found["properties"][option]["description"] = text
    schema["$defs"]["DetectConfig"]["properties"]["detector"]["enum"] = sorted(DETECTORS)
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"


def _plain(value: object) -> object:
    """The value as types that YAML has."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, SecretStr):
        return HIDDEN
    return str(value) if isinstance(value, PurePath | IPv4Address | IPv6Address) else value


class _Dumper(yaml.SafeDumper):
    """Writes lists of plain values on one line, and no references."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the interface is PyYAML's
        return True

    def represent_values(self, data: list[object]) -> yaml.Node:
        plain = not any(isinstance(value, dict | list) for value in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


_Dumper.add_representer(list, _Dumper.represent_values)


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the interface is pydantic's
        """A title would only repeat the option's name."""
        return False


def _sections(kind: object) -> Iterator[type[Section]]:
    """All sections that are in `kind`, itself included."""
    if isinstance(kind, type) and issubclass(kind, Section):
        yield kind
        for field in kind.model_fields.values():
            yield from _sections(field.annotation)
    for part in get_args(kind):
        yield from _sections(part)


def _docstrings(section: type[Section]) -> dict[str, str]:
    """The docstring of each option. Pydantic can collect them too, but that takes 0.1 s at every start."""
    found: dict[str, str] = {}
    for cls in reversed(section.__mro__):
        if not issubclass(cls, Section) or cls is Section:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for statement, below in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[statement.target.id] = " ".join(text.value.split())
    return found
