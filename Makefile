# Every target creates or updates .venv if it is missing or older than pyproject.toml or constraints.txt.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# tests/processes.py decides which tests share a process.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS)

# Tests of docs/faults.md that start a Ray.
FAULTS := $(addprefix tests/study/test_,$(addsuffix .py,kill disturbed bad_node damaged_study read_only clock_back faults object_store_study time_limits out_of_memory lanes_killed sharing tracking reach cluster))
ROUNDS ?= 10

.PHONY: demo test slow faults lint docs bench lock

demo: .venv/runtime
	$(BIN)/ganstudy launch studies/digits.yaml

test: .venv/dev
	$(PYTEST) -m "not slow"

slow: .venv/dev
	$(PYTEST) -m slow

faults: .venv/dev
	for round in $$(seq $(ROUNDS)); do $(BIN)/python -m pytest -n 0 $(FAULTS) || exit 1; done

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation site, in site/. tests/test_site.py builds it too.
docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: .venv/dev
	$(BIN)/python -m bench

# Update constraints.txt to the newest versions that pyproject.toml allows. Run `make lint test slow` afterwards.
lock: .venv/created
	$(BIN)/python tools/lock.py

.venv/created:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("ganstudy needs Python 3.11 or newer; $(PYTHON) is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	touch $@

.venv/runtime: pyproject.toml constraints.txt | .venv/created
	$(PIP) -e .
	touch $@

.venv/dev: .venv/runtime
	$(PIP) -e '.[dev]'
	touch $@
