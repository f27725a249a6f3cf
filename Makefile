# make study   set up, run the quickstart study on the embedded default, print its tables
# make test    set up, run every test and linter offline
# make audit   hold the pinned set against known holes and withdrawn versions; asks the package index
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := $(shell grep -E '^torch==' constraints.txt)

.PHONY: study test lint audit ui bench clean

study: $(STAMP)
	$(BIN)/suite run studies/quickstart.toml
	@echo "open the MLflow UI:  make ui"

ui: $(STAMP)
	$(BIN)/suite ui studies/quickstart.toml

# One process more than cores: tests wait for servers and other processes a third of their time. The order, slowest files
# first, is that of tests/conftest.py.
PROCESSES = $(shell $(PYTHON) -c 'import os; print(min(8, 1 + len(os.sched_getaffinity(0))))')

test: $(STAMP) lint
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# pip-audit has an environment of its own: its dependencies are none of ours. A pin with a hole fails this (exit code 1);
# an index that cannot be asked (2) is said, and fails nothing.
audit: $(STAMP)
	test -x $(VENV)/audit/bin/python || $(PYTHON) -m venv $(VENV)/audit
	-$(VENV)/audit/bin/python -m pip install --disable-pip-version-check --quiet 'pip-audit>=2.9'
	PATH="$(abspath $(VENV)/audit/bin):$$PATH" $(BIN)/python .ci/audit.py || test $$? -eq 2

bench: $(STAMP)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# torch goes first and pinned: a range that admits a newer one would pull gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt $(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
