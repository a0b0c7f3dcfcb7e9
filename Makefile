# The two commands of the README. Needs python3.11, pip and make; everything else is installed into .venv.
PYTHON ?= python3.11
UV := .venv/bin/uv

.PHONY: demo test lint setup

demo: setup
	.venv/bin/veilcast demo demo

test: setup
	.venv/bin/pytest

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

setup: .venv/.ready

# Debian's python3.11 comes without ensurepip, so pip is lent to the new environment from outside.
.venv/.ready: uv.lock pyproject.toml requirements-uv.txt
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python .venv/bin/python install --quiet --require-hashes -r requirements-uv.txt
	VIRTUAL_ENV= $(UV) sync --locked --quiet --compile-bytecode --python .venv/bin/python
	touch $@
