"""What MkDocs does besides rendering docs/: pages of the repository's top level, and tables made from the source."""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import posixpath
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Literal, Union, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import IPvAnyAddress, IPvAnyNetwork, SecretStr
from pydantic.fields import FieldInfo

from core.config import Section
from streamer.cli.main import parser
from streamer.settings.service import ServeSettings

ROOT = Path(__file__).parent.parent.parent
PAGES = {
    "guide.md": "README.md",
    "guide.zh-CN.md": "README.zh-CN.md",
    "BENCHMARKS.md": "BENCHMARKS.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "deploy.md": "deploy/README.md",
    "helm.md": "deploy/helm/README.md",
}
"""Pages of the site that are files outside docs/."""
_HOMES = {source: page for page, source in PAGES.items()}
_COMMANDS = "<!-- command line -->"
_SETTINGS = "<!-- settings -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: object) -> str:
    """Links that work in the repository work in the site; options are listed where the page asks for them."""
    source = PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    markdown = re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", lambda found: _link(found, source, files), markdown)
    if _COMMANDS in markdown:
        markdown = markdown.replace(_COMMANDS, _command_line())
    if _SETTINGS in markdown:
        markdown = markdown.replace(_SETTINGS, "\n".join(_sections(ServeSettings, set())))
    return markdown


def _link(found: re.Match[str], source: str, files: Files) -> str:
    """A link between pages; one to a file that is no page becomes plain text, any other stays as it is."""
    mark, text, target = found.groups()
    if re.match(r"[a-z]+:|#", target):
        return found[0]
    path, hash_mark, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    address = _HOMES.get(path, path.removeprefix("docs/"))
    if files.get_file_from_path(address):
        return f"{mark}[{text}]({address}{hash_mark}{anchor})"
    # A page that is gone stays a link, so that the strict build fails.
    return text if (ROOT / path).exists() and not path.endswith(".md") else found[0]


def _command_line() -> str:
    """What `--help` says, command by command."""
    os.environ["COLUMNS"] = "100"  # not as wide as the terminal happens to be
    return "\n".join(
        f"### `{name}`\n\n```text\n{command.format_help().rstrip()}\n```\n" for name, command in _commands(parser())
    )


def _commands(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A command and all below it, each with what is typed for it."""
    yield top.prog, top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _commands(below)


def _sections(kind: type[Section], seen: set[type[Section]], prefix: str = "", where: str = "") -> Iterator[str]:
    """Tables of the options of a section and of those in it, as Markdown; each section of `seen` only once."""
    inner = []
    rows = []
    for name, field in kind.model_fields.items():
        section = _section_of(field.annotation)
        key = f"{prefix}{name}"
        if section is None:
            meaning = " ".join((field.description or _docstrings(kind).get(name, "")).split())
            rows.append(f"| `{name}` | {_type(field)} | {_default(field)} | {_cell(meaning)} |")
        else:
            inner.append((key, section, _is_list(field.annotation)))
    if rows:
        yield f"### `{where or prefix.removesuffix('.') or 'top level'}`\n"
        yield f"{inspect.getdoc(kind) or ''}\n"
        yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
        yield "\n".join(rows) + "\n"
    for key, section, is_list in inner:
        if section not in seen:  # a stream's own mask and zones have the keys of the common ones
            seen.add(section)
            yield from _sections(section, seen, f"{key}.", f"{key}[]" if is_list else key)


def _parts(annotation: object) -> list[object]:
    if get_origin(annotation) in (Union, UnionType):
        return [part for part in get_args(annotation) if part is not type(None)]
    return [annotation]


def _is_list(annotation: object) -> bool:
    return any(get_origin(part) is tuple for part in _parts(annotation))


def _section_of(annotation: object) -> type[Section] | None:
    for part in _parts(annotation):
        for kind in (part, *get_args(part)):
            if isinstance(kind, type) and issubclass(kind, Section):
                return kind
    return None


def _docstrings(kind: type) -> dict[str, str]:
    """The string below each field, those of the classes that it is derived from included."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        if not issubclass(cls, Section) or cls is Section:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(field.target, ast.Name):
                found[field.target.id] = str(ast.literal_eval(below.value))
    return found


_NAMES: dict[object, str] = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "text (kept secret)",
    Path: "path",
    IPvAnyAddress: "IP address",
    IPvAnyNetwork: "IP network",
}


_LIMITS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def _type(field: FieldInfo) -> str:
    """What may be given, in words."""
    words = " or ".join(_words(part) for part in _parts(field.annotation))
    given = {name: getattr(rule, name) for rule in field.metadata for name in _LIMITS if hasattr(rule, name)}
    if given.keys() == {"ge", "le"}:
        return f"{words}, {given['ge']} to {given['le']}"
    limits = [_LIMITS[name].format(value) for name, value in given.items()]
    return ", ".join([words, *limits])


def _words(kind: object) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        items = [item for item in get_args(kind) if item is not ...]
        return f"list of {_words(items[0])}" if ... in get_args(kind) else f"list of {len(items)}: {_words(items[0])}"
    if hasattr(kind, "__metadata__"):
        return _words(get_args(kind)[0])
    return _NAMES.get(kind, getattr(kind, "__name__", str(kind)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
