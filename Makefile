# The two commands of the README. Needs python3.11, pip and make; everything else is installed into .venv.
PYTHON ?= python3.11
UV := .venv/bin/uv

.PHONY: demo test test-fast lint docs setup

demo: setup
	.venv/bin/veilcast demo demo

test: setup
	.venv/bin/pytest

# Without the tests that take more than about a second: see CONTRIBUTING.md.
test-fast: setup
	.venv/bin/pytest -q -m "not slow and not corpus" --durations=5

# Into site/. MkDocs is not part of `setup`: the docs group takes another 120 MB.
docs: setup
	VIRTUAL_ENV= $(UV) sync --locked --quiet --all-extras --group docs --python .venv/bin/python
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

setup: .venv/.ready

# Debian's python3.11 comes without ensurepip, so pip is lent to the new environment from outside.
.venv/.ready: uv.lock pyproject.toml requirements-uv.txt
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python .venv/bin/python install --quiet --require-hashes -r requirements-uv.txt
	VIRTUAL_ENV= $(UV) sync --locked --quiet --all-extras --compile-bytecode --python .venv/bin/python
	touch $@
