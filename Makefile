# Every command works in a fresh clone: each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

# Tests start many processes: each would compile our own modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup cloud clients helm kwok kubelet promtool flux check test unit soak demo bench bench-plots bundle chart image reference format clean
help:
	@echo "make demo    back a VM up and restore it, on a local Kubernetes and a simulated Azure"
	@echo "make test    every test"
	@echo "make cloud   what is built once for test and demo, which begin with it"
	@echo "make clients Azure CLI, azcopy and a Go program, once, for the tests that use them"
	@echo "make helm    helm, once, from source, for the demo and the tests of the chart"
	@echo "make kwok    kwok and kube-scheduler, once, from source, for the tests of the chart on nodes"
	@echo "make kubelet kubelet, containerd and runc, once, for the tests of the chart on a real node"
	@echo "make promtool  Prometheus' promtool, once, from source, for the tests of the alerts"
	@echo "make flux    two of Flux's controllers, once, from source, for the test of examples/gitops"
	@echo "make unit    the fast tests only, and a sample of what is random or exhaustive"
	@echo "make soak    random and long tests, kills; SEED=N repeats a case, CASES=N asks for more"
	@echo "make check   style, types, layers"
	@echo "make format  puts the code into the style that check asks for"
	@echo "make bench   what sessions, thousands of them and idle hours cost; PARTS='scale idle': build/bench/"
	@echo "             PARTS=engine-all: what backup and restore take, beside other tools"
	@echo "make bench-plots  puts what was measured of them into docs/, as tables and plots"
	@echo "make bundle  what ships into worker VMs"
	@echo "make image   the operator's container image, as an OCI layout, without a daemon: build/image/"
	@echo "make reference  writes docs/reference.md from crds/"
	@echo "make chart   the chart's README and the schema of its values, from what they describe"
	@echo "make clean   removes what was made in this checkout"

setup: $(SETUP)

$(SETUP): tools/python/requirements.txt tools/python/requirements-set-up.txt tools/python/set_up.sh pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/python/set_up.sh
	@touch $@

# What is built or downloaded once, before anything with a time limit needs it.
cloud: $(SETUP)
	@$(BIN)/python -m tools.local_cloud

# Azure CLI, azcopy and a program made with Azure's SDK for Go, which tests use as anybody would.
clients: $(SETUP)
	@$(BIN)/python -m tools.local_cloud.client_programs

# Minutes of two processors each, so only where somebody asks for them, or for the demo: the tests that
# need one are skipped by its name else.
helm: $(SETUP)
	@$(BIN)/python -m tools.local_cloud.go_programs helm

kwok: $(SETUP)
	@$(BIN)/python -m tools.local_cloud.go_programs kwok kube-scheduler

kubelet: $(SETUP)
	@$(BIN)/python -m tools.local_cloud.go_programs kubelet kube-scheduler
	@$(BIN)/python -m tools.kubelet

promtool: $(SETUP)
	@$(BIN)/python -m tools.local_cloud.go_programs promtool

flux: $(SETUP)
	@$(BIN)/python -m tools.local_cloud.go_programs source-controller kustomize-controller

check: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 core worker_agent simulator/azure_simulator/machines/guest
	$(BIN)/lint-imports

format: $(SETUP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

unit: $(SETUP)
	$(BIN)/pytest tests/unit --numprocesses auto --hypothesis-profile sample

# More processes than processors: half of what takes long waits for programs. See tests/sharing.py.
test: cloud clients
	@$(BIN)/python -m tools.local_cloud.go_programs --missing
	$(BIN)/pytest --numprocesses 5 --dist loadfile --no-loadscope-reorder

# SEED draws the same cases again, CASES says how many for each test, TEST takes one test only. MOMENTS
# says how often the operator is killed at random, POINTS at how many of all, ROUNDS how many sessions
# lose their leader.
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
CASES ?= 1000
MOMENTS ?= 200
POINTS ?=
ROUNDS ?=
TEST ?= tests/soak/survival tests/unit tests/soak

soak: cloud
	CASES=$(CASES) MOMENTS=$(MOMENTS) POINTS=$(POINTS) ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -p tests.soak.recording \
	  -m "hypothesis or survival" --timeout 3600 --numprocesses auto --dist loadfile \
	  --no-loadscope-reorder --hypothesis-profile soak --hypothesis-seed $(SEED) $(TEST)

demo: cloud helm
	@$(BIN)/python -m tools.demo

bench: cloud
	@$(BIN)/python -m tools.bench $(PARTS)

bench-plots: $(SETUP)
	@$(BIN)/python -m tools.bench.engine.report

bundle: $(SETUP)
	@$(BIN)/python -m tools.bundle

image: $(SETUP)
	@$(BIN)/python -m tools.image

reference: $(SETUP)
	@$(BIN)/python -m tools.crd_reference

chart: $(SETUP)
	@$(BIN)/python -m tools.chart

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
