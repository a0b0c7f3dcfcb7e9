"""Weights are used only when they are the ones that were reviewed."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from core.detect import model_files as weights
from core.detect.model_files import Weights, WeightsError
from core.detect.registry import DETECTORS


@pytest.mark.parametrize("entry", [entry.weights for entry in DETECTORS.values()], ids=lambda w: w.name)
def test_every_weight_file_is_there_and_is_the_reviewed_one(entry: Weights) -> None:
    data = entry.read()
    assert hashlib.sha256(data).hexdigest() == entry.sha256
    assert len(data) > 100_000 and entry.license


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with a weight file."""
    (tmp_path / "pretend_weights").mkdir()
    (tmp_path / "pretend_weights" / "__init__.py").write_text("raise RuntimeError('imported')", "utf-8")
    (tmp_path / "pretend_weights" / "net.bin").write_bytes(b"reviewed")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "pretend_weights"


GOOD = Weights("net", "pretend_weights", "net.bin", hashlib.sha256(b"reviewed").hexdigest(), "MIT")


def test_the_package_is_found_without_importing_it(package: Path) -> None:
    assert GOOD.locate() == package / "net.bin"
    assert GOOD.read() == b"reviewed"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (dataclasses.replace(GOOD, sha256="0" * 64), ["weights net", "SHA-256 is", "expected 0000"]),
        (dataclasses.replace(GOOD, path="gone.bin"), ["weights net", "cannot read pretend_weights/gone.bin"]),
        (dataclasses.replace(GOOD, package="no_such_package"), ["weights net", "'no_such_package' is not installed"]),
        (dataclasses.replace(GOOD, package="hashlib"), ["weights net", "'hashlib' is not installed"]),
    ],
    ids=["another hash", "no file", "no package", "no directory"],
)
def test_what_is_wrong_is_named(entry: Weights, words: list[str], package: Path) -> None:
    with pytest.raises(WeightsError) as error:
        entry.read()
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


def test_one_changed_byte_is_noticed(package: Path) -> None:
    (package / "net.bin").write_bytes(b"reviewee")
    with pytest.raises(WeightsError, match="SHA-256"):
        GOOD.read()


@pytest.mark.parametrize(
    ("name", "module"),
    [("yunet", "core.detect.yunet.YUNET"), ("mediapipe", "core.detect.mediapipe.BLAZEFACE_FULL")],
)
def test_a_detector_is_not_made_from_other_weights(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = DETECTORS[name]
    monkeypatch.setattr(module, dataclasses.replace(entry.weights, sha256="0" * 64))
    with pytest.raises(WeightsError, match="expected 0000"):
        entry.make(0.5)


def test_looking_for_weights_imports_nothing_slow() -> None:
    code = "import sys, core.detect.model_files as w; w.BLAZEFACE_FULL.read(); assert 'mediapipe' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(weights.__file__).parents[2])
