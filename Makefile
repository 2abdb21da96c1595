# One door to everything. The work is done by tools/setup (once) and by cowbench, pytest and ruff in .venv.

SHELL := /bin/bash
MATRIX ?= stacks/matrices/default.yaml
BIN := .venv/bin
# Tests and cowbench find Pulumi and the container images where tools/setup puts them.
ENV = eval "$$(tools/env)" &&

.DEFAULT_GOAL := help
.PHONY: help setup setup-vms setup-clouds bench bench-kernels clouds machine-images test live test-vms benchmark check fmt env clean clean-cache

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is needed; says what, and does nothing the second time
	@tools/setup

setup-vms: setup ## install what VMs on this host need besides (QEMU, mmdebstrap); nothing the second time
	@tools/setup vms

setup-clouds: setup ## install the SDKs of all clouds (1 GB), which the tests need; CLOUDS="aws gcp" for some; nothing the second time
	@tools/setup clouds $(CLOUDS)

bench: setup ## measure the default matrix on this host and report; MATRIX=file for another one
	@tools/bench bench $(MATRIX)

bench-kernels: setup-vms ## measure storage drivers on several kernels, in VMs on this host; MATRIX=file for another one
	@tools/bench bench $(if $(filter-out file,$(origin MATRIX)),$(MATRIX),stacks/matrices/kernels.yaml)

clouds: setup-clouds setup-vms ## a campaign over six simulated clouds, with VMs behind them; ARGS="--clouds aws,gcp" for fewer
	@$(ENV) $(BIN)/python -m tests.simulator.campaign $(ARGS)

machine-images: setup-vms ## build the machine images that VMs boot, before they are needed
	@$(ENV) $(BIN)/python -m stacks.machine_image

test: setup-clouds ## run the tests, those with real engines and servers included where this host can
	@$(ENV) $(BIN)/pytest -m "not slow and not vm" $(ARGS)

live: setup-clouds ## run the live suites, also the long ones
	@$(ENV) $(BIN)/pytest -m "(live or slow) and not vm" $(ARGS)

test-vms: setup-vms setup-clouds ## run the suites that boot VMs: failures of other kernels, power losses, rented VMs on simulated clouds
	@$(ENV) $(BIN)/pytest -m vm $(ARGS)

benchmark: setup-clouds ## print how long it takes to plan 10,000 cells, to preview 500 rented VMs, to start one cloud's program
	@$(ENV) $(BIN)/python -m tests.bench_plan && $(BIN)/python -m tests.bench_clouds

check: setup-clouds ## everything that must hold: format, lint, types, import contracts, scripts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(ENV) $(BIN)/pytest -m "not slow and not vm" $(ARGS)

fmt: setup ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --exit-zero .

env: ## print the shell line that puts pulumi and cowbench on PATH, for eval
	@tools/env

clean: ## remove the environment and tool caches of this checkout; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove what was built for all checkouts: Pulumi, container images, machine images
	@tools/clean-cache
