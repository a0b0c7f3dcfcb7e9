"""Programs and sources that come as Go modules, of fixed versions. They stay in Go's own folders, for the next time."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

GO: Final = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
BUILD: Final = 900  # s for the first build of a large program on a busy machine
needs_go = pytest.mark.skipif(GO is None, reason="needs Go")


def go_program(package: str, version: str) -> Path:
    """The program, built unless it has been before."""
    program = _place(package, version)
    if not program.exists():
        _go("install", f"{package}@{version}", GOBIN=str(program.parent))
    return program


def built_go_program(package: str, version: str) -> Path | None:
    """The program, if it has been built before."""
    return program if GO is not None and (program := _place(package, version)).exists() else None


def _place(package: str, version: str) -> Path:
    folder = f"{package.replace('/', '-')}@{version}"
    return Path(_go("env", "GOPATH").strip()) / "bin" / folder / package.rpartition("/")[2]


@functools.cache
def go_source(module: str, version: str) -> Path:
    """The folder of a module's source, fetched unless it has been before. Its files are read, and never copied."""
    return Path(json.loads(_go("mod", "download", "-json", f"{module}@{version}"))["Dir"])


def _go(*words: str, **environment: str) -> str:
    assert GO is not None
    whole = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"} | environment
    done = subprocess.run([GO, *words], env=whole, cwd="/", capture_output=True, text=True, timeout=BUILD, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
