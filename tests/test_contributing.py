"""What CONTRIBUTING.md and the forms for issues promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_commands_of_make_are_there() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    named = set(re.findall(r"\bmake ([a-z-]+)", CONTRIBUTING))
    assert {"setup", "test", "test-fast", "lint", "docs"} <= named <= set(targets)


def test_paths_are_there() -> None:
    named = re.findall(r"`((?:tests|core|streamer|examples|docs|configs|\.ci)/[\w/.-]*)`", CONTRIBUTING)
    named += re.findall(r"\]\(([\w/.-]+)\)", CONTRIBUTING)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("form", [path for path in FORMS if path.name != "config.yml"], ids=lambda path: path.stem)
def test_forms_are_well_formed_and_want_no_pictures_of_people(form: Path) -> None:
    content = yaml.safe_load(form.read_text("utf-8"))
    assert content["name"] and content["description"]
    fields = [item for item in content["body"] if item["type"] != "markdown"]
    assert len({item["id"] for item in fields}) == len(fields)
    assert all(item["attributes"]["label"] for item in fields)
    assert re.search(r"(no|not attach) pictures", form.read_text("utf-8"))


def test_the_three_forms_are_there() -> None:
    assert {path.stem for path in FORMS} == {"bug", "missed-face", "feature", "config"}


def test_hooks_download_nothing_and_call_what_lint_calls() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {hook["entry"].split()[0] for hook in hooks} == {".venv/bin/ruff", ".venv/bin/mypy", ".venv/bin/uv"}
