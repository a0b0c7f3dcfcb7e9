"""Rules that the source keeps, checked by reading it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import Section
from streamer.settings.service import ServeSettings

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


LAYERS: dict[str, tuple[str, ...]] = {
    "core": (
        "core.geometry core.clock core.config core.owned_thread",
        "core.pictures",
        "core.frame",
        "core.masked_frame",
        "core.detect",
        "core.track",
        "core.paint",
        "core.verify",
        "core.engine",
        "core.anonymizer core.live_anonymizer core.replay core.still",
        "core.arrays",
        "core",
    ),
    "streamer": (
        "core",
        "streamer.errors streamer.version streamer.warning_log streamer.atomic_file streamer.redact",
        "streamer.settings",
        "streamer.runtime",
        "streamer.media",
        "streamer.gops",  # packets as they are
        "streamer.guard",  # what clients of every server may do
        "streamer.http",
        "streamer.file streamer.live",
        "streamer.units",  # recordings cut, masked in parts, joined
        "streamer.pictures",  # reports on its copies as a file job does
        "streamer.batch",  # many inputs, videos and pictures alike
        "streamer.verify",
        "streamer.service",
        "streamer.cluster",  # what gateways and workers tell each other, and workers as programs
        "streamer.cli",
        "streamer",
    ),
    "streamer.service": (
        "streamer.service.store",
        "streamer.service.audit",
        "streamer.service.access",
        "streamer.service.jobs",
        "streamer.service.work streamer.service.webhooks",
        "streamer.service.pictures",
        "streamer.service.elsewhere",
        "streamer.service.http",
        "streamer.service.api",
        "streamer.service.page",
        "streamer.service.cameras",
        "streamer.service.app",
        "streamer.service.server",
        "streamer.service",
    ),
    "streamer.live": (
        "streamer.live.packet streamer.live.audio streamer.live.fanout streamer.live.faults streamer.live.frame_rate",
        "streamer.live.clocks streamer.live.status",
        "streamer.live.meter streamer.live.stream_output",
        "streamer.live.camera streamer.live.rtsp streamer.live.web streamer.live.recording streamer.live.push",
        "streamer.live.encoder streamer.live.slate",
        "streamer.live.publisher",
        "streamer.live.stream",
        "streamer.live.supervisor",
        "streamer.live",
    ),
}
"""Rooms and modules from the bottom up; one imports from itself and from lines above its own, never sideways."""


def layer(module: str, hall: str) -> tuple[int, str] | None:
    """The line that a module is on, and the room (or module) of that line that it belongs to."""
    found: tuple[int, str] | None = None
    for height, line in enumerate(LAYERS[hall]):
        for room in line.split():
            if module == room or (module.startswith(f"{room}.") and room != hall):
                found = height, room
    return found


def module_name(path: Path) -> str:
    """As it is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> Iterator[str]:
    """What the file imports of the program, as modules."""
    for module, name in imports(path):
        whole = f"{module}.{name}"
        yield whole if (ROOT / (whole.replace(".", "/") + ".py")).exists() else module


@pytest.mark.parametrize("hall", LAYERS)
def test_imports_run_downward_only(hall: str) -> None:
    wrong, seen = [], 0
    for path in [*ENGINE, *SOURCES]:
        name = module_name(path)
        here = layer(name, hall)
        if here is None or not (name == hall or name.startswith(f"{hall}.")):
            assert not name.startswith(f"{hall}."), f"{name} stands on no line of {hall}"
            continue
        for module in imported_modules(path):
            there = layer(module, hall)
            if there is None:
                assert not module.startswith(f"{hall}."), f"{name} imports {module}, which stands on no line"
                continue
            seen += 1
            if there[0] > here[0] or (there[0] == here[0] and there[1] != here[1]):
                wrong.append(f"{name} imports {module}")
    assert seen > 2
    assert wrong == []


def test_the_layers_name_only_what_there_is() -> None:
    for line in (line for hall in LAYERS.values() for line in hall):
        for room in line.split():
            assert (ROOT / room.replace(".", "/")).is_dir() or (ROOT / (room.replace(".", "/") + ".py")).exists(), room


MOST_IN_A_ROOM = 16


def test_rooms_are_not_crowded() -> None:
    for folder in {path.parent for path in [*ENGINE, *SOURCES]}:
        assert len(list(folder.glob("*.py"))) <= MOST_IN_A_ROOM + 1, f"{folder} is crowded"  # and __init__.py


def test_no_two_rooms_share_a_name() -> None:
    """A public class, function or type of the same name in two rooms is a question that every reader has to ask."""
    places: dict[str, set[str]] = {}
    for path in [*ENGINE, *SOURCES]:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                places.setdefault(node.name, set()).add(str(path.relative_to(ROOT).parent))
    assert places.pop("main") == {
        "streamer/cli",
        "streamer/cluster",
        "streamer/live/push",
        "streamer/service/work",
    }  # where a process begins, as in every program
    assert {name: rooms for name, rooms in places.items() if len(rooms) > 1} == {}


NO_NETWORK = [
    path
    for path in SOURCES
    if path.relative_to(ROOT / "streamer").parts[0] in ("media", "gops", "file", "pictures", "batch")
]


@pytest.mark.parametrize("path", named(NO_NETWORK))
def test_file_jobs_know_no_network(path: Path) -> None:
    forbidden = {"socket", "ssl", "urllib", "http", "requests", "asyncio", "fastapi", "uvicorn", "httpx", "aiortc"}
    assert not {module.split(".")[0] for module, _ in imports(path)} & forbidden


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
    options = dict(fields(ServeSettings))
    some = {"track.hold", "detect.scales.every", "zones.points", "encoder.crf", "file.audio", "live.web.turn.url"}
    assert some <= options.keys()
    assert [full for full, name in options.items() if name not in read] == []


def test_top_level_stays_small() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert {"core", "streamer", "configs", "tests"} <= folders
    assert list(ROOT.glob("*.py")) == []
