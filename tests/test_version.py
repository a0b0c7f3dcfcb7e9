"""One version: the git tag's, and without git the newest release of the changelog."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parent.parent
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
RELEASES = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", CHANGELOG, re.M)
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no git repository: {done.stderr.strip()}")
    return done.stdout


def test_the_command_line_says_the_version_of_the_package() -> None:
    command = [sys.executable, "-m", "streamer.cli.entry", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"veilcast {version('veilcast')}\n"
    Version(version("veilcast"))


def test_without_git_the_version_is_that_of_the_newest_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"] and "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["fallback-version"] == RELEASES[0][0]


def test_archives_made_by_git_carry_the_tag() -> None:
    assert git("check-attr", "export-subst", ".git_archival.txt").endswith("export-subst: set\n")
    assert "describe-name: $Format:%(describe:tags=true,match=v[0-9]*)$" in (ROOT / ".git_archival.txt").read_text()


def test_every_tag_has_its_release_in_the_changelog() -> None:
    tags = git("tag", "--list", "v*").split()
    assert [tag for tag in tags if tag.removeprefix("v") not in dict(RELEASES)] == []


def test_the_changelog_is_by_release_newest_first() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.M)
    assert headings == ["[Unreleased]", *(f"[{number}] - {day}" for number, day in RELEASES)]
    numbers = [Version(number) for number, _ in RELEASES]
    days = [date.fromisoformat(day) for _, day in RELEASES]
    assert numbers == sorted(numbers, reverse=True) and days == sorted(days, reverse=True)
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.M)) <= set(SECTIONS)
