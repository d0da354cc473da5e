# Every command works in a fresh clone: each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

.PHONY: help setup clients check test unit demo bundle clean
help:
	@echo "make demo    back a VM up and restore it, on a local Kubernetes and a simulated Azure"
	@echo "make test    every test        make unit    the fast ones only"
	@echo "make check   style, types, layers        make bundle  the worker's bundle"
	@echo "make clients Azure CLI, azcopy and a Go program, once, for the tests that use them"

setup: $(SETUP)

$(SETUP): tools/python/requirements.txt tools/python/set_up.sh pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/python/set_up.sh
	@touch $@

# Azure CLI, azcopy and a program made with Azure's SDK for Go, which tests use as anybody would.
clients: $(SETUP)
	@$(BIN)/python -m tools.local_cloud.client_programs

check: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 core worker_agent simulator/azure_simulator/machines/guest
	$(BIN)/lint-imports

unit: $(SETUP)
	$(BIN)/pytest tests/unit --numprocesses auto

test: $(SETUP) clients
	$(BIN)/pytest

demo: $(SETUP)
	@$(BIN)/python -m tools.demo

bundle: $(SETUP)
	@$(BIN)/python -m tools.bundle

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
