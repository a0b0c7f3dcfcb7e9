"""Rules that the source keeps, checked by reading it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import Section
from streamer.settings.live import LiveSettings

ROOT = Path(__file__).parent.parent
MAX_LINES = 400
ENGINE, SOURCES = sorted((ROOT / "core").rglob("*.py")), sorted((ROOT / "streamer").rglob("*.py"))
EVERYTHING = [*ENGINE, *SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Every module that is imported anywhere in the file, and the name taken from it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def test_there_is_something_to_check() -> None:
    assert len(ENGINE) > 15 and len(SOURCES) > 15


@pytest.mark.parametrize("path", named(ENGINE))
def test_the_engine_knows_neither_files_nor_networks(path: Path) -> None:
    forbidden = {"streamer", "socket", "ssl", "urllib", "http", "requests", "asyncio", "subprocess", "configs"}
    assert not {module.split(".")[0] for module, _ in imports(path)} & forbidden


LIGHT = {"streamer.cli.live_options", "streamer.runtime.redact"}
"""What the command line may know of live streams without running one."""


NO_NETWORK = [path for path in SOURCES if path.relative_to(ROOT / "streamer").parts[0] in ("media", "file")]


@pytest.mark.parametrize("path", named(NO_NETWORK))
def test_file_jobs_know_no_network(path: Path) -> None:
    forbidden = {"socket", "ssl", "urllib", "http", "requests", "asyncio", "aiohttp", "aiortc"}
    assert not {module.split(".")[0] for module, _ in imports(path)} & forbidden
    assert not {module for module, _ in imports(path) if module.startswith("streamer.live")}


@pytest.mark.parametrize("path", named([*ENGINE, *SOURCES]))
def test_no_test_code_in_the_source(path: Path) -> None:
    assert not {module.split(".")[0] for module, _ in imports(path)} & {"tests", "pytest", "hypothesis", "skimage"}


def test_only_the_masker_has_the_seal() -> None:
    users = {path.relative_to(ROOT).as_posix() for path in EVERYTHING for _, name in imports(path) if name == "SEAL"}
    assert users - {"tests/core/test_masked_type.py"} == {"core/paint/masker.py"}
    # Nor through the module, nor a seal of one's own.
    for path in [*ENGINE, *SOURCES]:
        if path.name not in ("masked_frame.py", "masker.py"):
            assert not re.search(r"\bSEAL\b|\bMaskerSeal\b", path.read_text("utf-8")), path


@pytest.mark.parametrize("path", named(EVERYTHING))
def test_files_are_short_and_named_for_what_they_hold(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("path", named([*ENGINE, *SOURCES]))
def test_nothing_is_printed(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("print", "breakpoint")]


@pytest.mark.parametrize("path", named([*ENGINE, *SOURCES]))
def test_every_logger_is_one_of_the_program_s(path: Path) -> None:
    """What is said below any other name is shown from warnings on at best, whatever level is asked for."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    found = [ast.unparse(call.args[0]) if call.args else "" for call in calls if _last_name(call.func) == "getLogger"]
    foreign = {"logs.py": {"", "LOGGER"}, "ffmpeg_log.py": {"'libav'"}}.get(path.name, set())
    assert [name for name in found if not name.startswith("'veilcast.") and name not in foreign] == []
    assert not [
        call
        for call in calls
        if re.match(r"logging\.(debug|info|warning|error|exception|critical|log)\(", ast.unparse(call))
    ]
    assert "from logging import" not in path.read_text("utf-8"), "what is called otherwise is not found here"


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def fields(section: type[Section], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Full name and own name of every option, those of nested sections and of sections in tuples included."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}", name
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for kind in inner:
            if isinstance(kind, type) and issubclass(kind, Section):
                yield from fields(kind, f"{prefix}{name}.")


def test_every_option_is_read_somewhere() -> None:
    read = {
        node.attr
        for path in [*ENGINE, *SOURCES]
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    options = dict(fields(LiveSettings))
    some = {"track.hold", "detect.scales.every", "zones.points", "encoder.crf", "file.audio", "live.web.turn.url"}
    assert some <= options.keys()
    assert [full for full, name in options.items() if name not in read] == []


def test_top_level_stays_small() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert {"core", "streamer", "configs", "tests"} <= folders
    assert list(ROOT.glob("*.py")) == []
