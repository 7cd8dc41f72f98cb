# make run    one profiled training run, from nothing to a report
# make test   the whole suite, with lint and types
# make check  lint, format and types alone
# make suite  the suite alone

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?= --algo mf
# what is installed: constraints-oldest.txt has the oldest releases that will do
CONSTRAINTS ?= constraints.txt

.PHONY: run test check suite clean

run: $(VENV)/.run
	$(BIN)/energyprof run $(ARGS)

test: check suite

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

suite: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist worksteal

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "energyprof needs Python 3.11 or newer; point PYTHON at one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e .
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e ".[test]"
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
