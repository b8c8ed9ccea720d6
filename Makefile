# Each command sets up .venv when it is missing or pyproject.toml is newer; a second call installs nothing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test slow lint bench

demo: .venv/runtime
	$(BIN)/ganstudy launch studies/digits.yaml

test: .venv/dev
	$(BIN)/python -m pytest -m "not slow"

slow: .venv/dev
	$(BIN)/python -m pytest -m slow

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/dev
	$(BIN)/python -m bench

.venv/runtime: pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("ganstudy needs Python 3.11 or newer; $(PYTHON) is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/dev: .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
