# Every command works in a fresh clone: each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

.PHONY: help setup check test unit demo bench bundle clean
help:
	@echo "make demo    back a VM up and restore it, on a local Kubernetes and a simulated Azure"
	@echo "make test    every test        make unit    the fast ones only"
	@echo "make check   style, types, layers        make bundle  the worker's bundle"
	@echo "make bench   what a session asks of Azure, and what imports cost: build/bench/"

setup: $(SETUP)

$(SETUP): tools/python/requirements.txt tools/python/set_up.sh pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/python/set_up.sh
	@touch $@

check: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 core worker_agent simulator/azure_simulator/machines/guest
	$(BIN)/lint-imports

unit: $(SETUP)
	$(BIN)/pytest tests/unit --numprocesses auto

test: $(SETUP)
	$(BIN)/pytest

demo: $(SETUP)
	@$(BIN)/python -m tools.demo

bench: $(SETUP)
	@$(BIN)/python -m tools.bench

bundle: $(SETUP)
	@$(BIN)/python -m tools.bundle

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
