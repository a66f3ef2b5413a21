# Recovery Quiz. A fresh machine needs Python ≥ 3.11 and make; everything else is set up here.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP_OPTIONS := --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all:
LOCK_OPTIONS := --only-binary :all: --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

.PHONY: help setup setup-dev run test coverage check bench docs release lock clean browser image

help: ## what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found."; exit 1; }
	@echo "Making $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements/run.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the service needs (about half a minute, once) …"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock $(VENV)/run.stamp
	@echo "Installing what tests and checks need (once) …"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements/dev.lock
	@touch $@

$(VENV)/bench.stamp: requirements/bench.lock $(VENV)/dev.stamp
	@echo "Installing the rule engines to measure against (once) …"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements/bench.lock
	@touch $@

$(VENV)/docs.stamp: requirements/docs.lock $(VENV)/run.stamp
	@echo "Installing what the documentation site needs (once) …"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements/docs.lock
	@touch $@

$(VENV)/release.stamp: requirements/release.lock $(VENV)/run.stamp
	@echo "Installing what a release needs (once) …"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements/release.lock
	@touch $@

setup: $(VENV)/run.stamp ## install what running needs; fast when nothing changed
setup-dev: $(VENV)/dev.stamp

browser: setup-dev
	@$(BIN)/python infra/install_tool.py chromium firefox webkit xvfb nginx pgbouncer prometheus systemd-analyze ip iptables rabbitmq-server

run: setup ## start everything on this machine
	@$(BIN)/recovery-quiz run

test: browser ## all tests, on SQLite and PostgreSQL, with a real Redis and real browsers
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

coverage: browser ## the tests of make test, measured; fails below the threshold in pyproject.toml
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --cov $(ARGS)

check: setup-dev ## style, types, import contracts, migration drift, the shipped pack, known vulnerabilities
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/djlint --check --quiet widget
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python infra/check_drift.py
	@$(BIN)/recovery-quiz content check content/leg-day
	@$(BIN)/python infra/check_words.py
	@$(BIN)/python infra/audit.py

bench: $(VENV)/bench.stamp ## speed as ratios in one run, with wrk and nginx (installed where missing)
	@$(BIN)/python infra/install_tool.py wrk nginx
	@$(BIN)/python -m tests.load.bench

image: setup-dev ## build the image without a container engine, run it, and ask it for a quiz (needs root)
	@$(BIN)/python infra/install_tool.py buildah mmdebstrap
	@$(BIN)/python -m tests.load.image

docs: $(VENV)/docs.stamp ## build the documentation site into var/site
	@$(BIN)/python infra/docs/build.py

release: $(VENV)/release.stamp ## build and check dist/: the wheel and its software bill of materials
	@$(BIN)/python infra/release.py

lock: setup-dev ## lock the requirements anew, with hashes and without addresses
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml -o requirements/run.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml --extra oidc -o requirements/oidc.lock
	@for name in dev bench docs release; do $(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml --group $$name -o requirements/$$name.lock; done

clean: ## remove the environment and caches; data in var/ stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
