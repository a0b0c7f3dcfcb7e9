"""What works with `pip install veilcast` alone, and the one line that says which extra is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.rigs.faces import panned
from tests.rigs.faces import write as write_clip

# Runs the command line with the modules of argument 1 hidden, as if their packages were not installed.
WITHOUT = """
import importlib.machinery, importlib.metadata, json, sys

hidden = set(json.loads(sys.argv.pop(1)))

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else super().find_spec(name, path, target)

def version(name, real=importlib.metadata.version):
    if name in hidden:
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
importlib.metadata.version = version

from streamer.cli.entry import main
sys.exit(main())
"""


def requirements(extra: str | None) -> dict[str, Requirement]:
    """What veilcast's own metadata asks for: without extras, or what an extra adds."""
    found = [Requirement(line) for line in requires("veilcast") or ()]
    base = {item.name for item in found if item.marker is None or item.marker.evaluate({"extra": ""})}
    if extra is None:
        return {item.name: item for item in found if item.name in base}
    wanted = [item for item in found if item.marker is not None and item.marker.evaluate({"extra": extra})]
    return {item.name: item for item in wanted if item.name not in base}


def closure(names: set[str]) -> set[str]:
    """These packages and everything that they need, as installed here."""
    done: set[str] = set()
    todo = {canonicalize_name(name) for name in names}
    while todo:
        name = todo.pop()
        done.add(name)
        try:
            needs = [Requirement(line) for line in distribution(name).requires or ()]
        except ModuleNotFoundError:  # opencv-python: its headless twin is installed
            continue
        todo |= {
            canonicalize_name(item.name) for item in needs if item.marker is None or item.marker.evaluate({"extra": ""})
        } - done
    return done


def modules_outside(names: set[str]) -> list[str]:
    """Every installed module that comes with none of these packages or of what they need."""
    kept = closure(names | {"veilcast", "opencv-python-headless"})
    return sorted(
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & kept
    )


BASE = modules_outside(set(requirements(None)))


def run(hidden: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, json.dumps(hidden), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("extras") / "in.mp4", panned().pictures[:12])


def test_the_hidden_modules_are_those_of_the_extras() -> None:
    assert {"aiortc", "fastapi", "uvicorn", "yarl", "prometheus_client", "mediapipe"} <= set(BASE)
    assert not {"av", "cv2", "numpy", "onnxruntime", "pydantic", "yaml", "rich", "setproctitle"} & set(BASE)


@pytest.mark.slow
def test_a_file_is_masked_without_any_extra(clip: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = run(BASE, "file", str(clip), str(tmp_path / "out.mp4"), "--report", str(report))
    assert done.returncode == 0, done.stderr
    said = json.loads(report.read_text())
    assert said["frames"] == 12 and said["faces"] >= 1 and said["warnings"] == []
    assert "onnxruntime" in said["versions"] and "mediapipe" not in said["versions"]


@pytest.mark.slow
def test_the_doctor_says_what_may_be_installed() -> None:
    done = run(BASE, "doctor")
    assert done.returncode == 0, done.stdout
    assert "everything is there" in done.stdout and "veilcast[mediapipe]" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("module", ["aiortc", "fastapi", "uvicorn", "yarl", "prometheus_client"])
def test_live_without_its_extra_is_one_line(module: str) -> None:
    done = run([module], "live", "rtsp://127.0.0.1:9/x", "--rtsp", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"veilcast: live: {module} is not installed; install it with: pip install 'veilcast[live]'\n"


@pytest.mark.slow
@pytest.mark.parametrize("words", [["token", "list"], ["audit", "verify"]])
def test_the_service_without_its_extra_is_one_line(words: list[str], tmp_path: Path) -> None:
    done = run(BASE, *words, "--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"veilcast: {words[0]}: ") and done.stderr.count("\n") == 1
    assert done.stderr.endswith(" is not installed; install it with: pip install 'veilcast[service]'\n")


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["mediapipe", "mediapipe-short"])
def test_a_detector_without_its_extra_is_one_line(detector: str, clip: Path, tmp_path: Path) -> None:
    done = run(BASE, "file", str(clip), str(tmp_path / "out.mp4"), "--detector", detector)
    assert (done.returncode, done.stdout) == (2, "")
    missing = "mediapipe is not installed; install it with: pip install 'veilcast[mediapipe]'"
    assert done.stderr == f"veilcast: options: --detector: {missing}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_configured_detector_without_its_extra_is_named_with_the_file(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("detect: {detector: mediapipe}\n")
    done = run(BASE, "file", str(clip), str(tmp_path / "out.mp4"), "--config", str(config))
    assert done.returncode == 2 and done.stderr.startswith(f"veilcast: {config}: ")
    assert "line 1: detect.detector: mediapipe is not installed;" in done.stderr


@pytest.mark.slow
def test_live_with_only_its_own_extra_runs(clip: Path, tmp_path: Path) -> None:
    hidden = modules_outside(set(requirements(None)) | set(requirements("live")))
    assert "mediapipe" in hidden
    done = run(hidden, "live", str(clip), "--record", str(tmp_path), "--webrtc", "0", "--rtsp", "0", "--duration", "2")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.mp4"))


@pytest.mark.parametrize("extra", [None, "live", "mediapipe"])
def test_the_package_asks_for_ranges_and_the_tested_versions_are_in_them(extra: str | None) -> None:
    found = requirements(extra)
    assert found
    for name, item in found.items():
        operators = {part.operator for part in item.specifier}
        assert operators == ({"=="} if name == "mediapipe" else {">=", "<"}), f"{item}"
        tested = "opencv-python-headless" if name == "opencv-python" else name
        assert item.specifier.contains(distribution(tested).version), f"{item}"


def test_onnx_runtime_stays_below_the_version_that_collects_usage_data() -> None:
    specifier = requirements(None)["onnxruntime"].specifier
    assert specifier.contains("1.28.0") and not specifier.contains("1.29.0")
