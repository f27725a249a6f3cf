# make study   set up, run the quickstart study on the embedded default, print its tables
# make test    set up, run every test and linter offline
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := $(shell grep -E '^torch==' constraints.txt)

.PHONY: study test lint ui bench clean

study: $(STAMP)
	$(BIN)/suite run studies/quickstart.toml
	@echo "open the MLflow UI:  make ui"

ui: $(STAMP)
	$(BIN)/suite ui studies/quickstart.toml

test: $(STAMP) lint
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# torch goes first and pinned: a range that admits a newer one would pull gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet $(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
