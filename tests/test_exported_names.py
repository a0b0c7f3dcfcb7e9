"""The public API: exactly these names, each importable and each in the reference."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

PUBLIC = {
    "core": [
        "Anonymizer",
        "Box",
        "Cover",
        "Detection",
        "Detector",
        "EngineConfig",
        "Frame",
        "LiveAnonymizer",
        "MaskedFrame",
        "Origin",
        "Region",
        "Replay",
        "Stats",
        "Verdict",
        "anonymize",
        "anonymize_picture",
    ],
    "streamer": [
        "ConfigError",
        "InputError",
        "JobError",
        "OutputError",
        "Progress",
        "Report",
        "Settings",
        "VerifyReport",
        "anonymize_and_verify",
        "anonymize_file",
        "anonymize_picture_file",
        "anonymize_recording",
        "load",
        "verify_file",
    ],
}
REFERENCE = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")


@pytest.mark.parametrize("package", PUBLIC)
def test_exactly_these_names_are_public(package: str) -> None:
    assert importlib.import_module(package).__all__ == PUBLIC[package], "in this order: sorted"
    assert PUBLIC[package] == sorted(PUBLIC[package])


@pytest.mark.parametrize(("package", "name"), [(package, name) for package in PUBLIC for name in PUBLIC[package]])
def test_each_is_there_and_says_what_it_is(package: str, name: str) -> None:
    found = getattr(importlib.import_module(package), name)
    assert (found.__doc__ or "").strip(), f"{package}.{name} has no docstring"
    assert found.__module__.split(".")[0] in PUBLIC


@pytest.mark.parametrize("package", PUBLIC)
def test_a_star_import_gives_them_all(package: str) -> None:
    code = f"from {package} import *; print(*sorted(name for name in globals() if name[0] != '_'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == PUBLIC[package]


@pytest.mark.parametrize("package", PUBLIC)
def test_the_reference_lists_each_once_and_no_other(package: str) -> None:
    assert sorted(re.findall(rf"^::: {package}\.(\w+)$", REFERENCE, re.M)) == PUBLIC[package]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'streamer' has no attribute 'nothing'"):
        importlib.import_module("streamer").nothing  # noqa: B018 - the access is the test
