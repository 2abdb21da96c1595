# One door to everything. The work is done by tools/setup (once) and by cowbench, pytest and ruff in .venv.

SHELL := /bin/bash
MATRIX ?= stacks/matrices/default.yaml
BIN := .venv/bin
# Tests and cowbench find Pulumi and the container images where tools/setup puts them.
ENV = eval "$$(tools/env)" &&

.DEFAULT_GOAL := help
.PHONY: help setup bench test live check fmt env clean clean-cache

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is needed; says what, and does nothing the second time
	@tools/setup

bench: setup ## measure the default matrix on this host and report; MATRIX=file for another one
	@tools/bench bench $(MATRIX)

test: setup ## run the tests, those with real engines and servers included where this host can
	@$(ENV) $(BIN)/pytest -m "not slow" $(ARGS)

live: setup ## run the live suites, also the long ones
	@$(ENV) $(BIN)/pytest -m "live or slow" $(ARGS)

check: setup ## everything that must hold: format, lint, types, import contracts, scripts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(ENV) $(BIN)/pytest -m "not slow" $(ARGS)

fmt: setup ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --exit-zero .

env: ## print the shell line that puts pulumi and cowbench on PATH, for eval
	@tools/env

clean: ## remove the environment and tool caches of this checkout; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove what was built for all checkouts: Pulumi, container images
	@tools/clean-cache
