# `make run` alone is enough to use Sockpit, `make test` alone to test it. Needs Python >= 3.11.
# Candidates are run, not looked up: a version manager's stand-in may exist and fail.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do if $$p -c \
	'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)
BIN = .venv/bin
# An environment whose interpreter is gone (an upgrade) is made anew.
_ := $(shell test -x $(BIN)/python || rm -f .venv/.run .venv/.dev)
PIP = $(BIN)/python -m pip install -qq --require-hashes
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q
# Tests wait more than they work: of sockets, processes, a browser. JOBS=0 runs them one by one.
JOBS ?= 4
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = 1
export UV_PYTHON_DOWNLOADS = never

.PHONY: help run test check audit lint format types lock vendor bench bench-log torture clean migration browser
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: .venv/.run ## serve on http://127.0.0.1:8000 (settings: docs/operations.md)
	@$(BIN)/python -m app

test: .venv/.dev browser ## every test but the long ones, the browser's too; ARGS= goes to pytest
	@$(BIN)/python -m pytest -m 'not torture' -n $(JOBS) --maxschedchunk 1 $(ARGS)

check: lint types audit test ## what a change must pass: lint, types, known vulnerabilities, tests

lint: .venv/.dev ## ruff and djlint, changing nothing
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/djlint templates --lint --quiet --ignore H015,H043,J018

format: .venv/.dev ## let ruff put the code in order
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: .venv/.dev ## mypy --strict
	@$(BIN)/mypy

audit: .venv/.dev ## known vulnerabilities of what is locked; says so if nobody can be asked
	@$(BIN)/python scripts/audit.py

torture: .venv/.dev ## the long tests: kills, floods, leaks
	@$(BIN)/python -m pytest -m torture $(ARGS)

bench: build/peers/.peers ## measure beside the standard library and its peers; ARGS= goes to it
	@build/peers/bin/python -m bench $(ARGS)

bench-log: .venv/.dev browser ## measure the request log; ROWS= how many, 1000000
	@$(BIN)/python -m bench.log

migration: .venv/.run ## a new migration from the tables: make migration m="add notes"
	@$(BIN)/alembic upgrade head && $(BIN)/alembic revision --autogenerate -m "$(m)"

lock: .venv/.run ## requirements*.lock anew from requirements*.in
	@$(BIN)/python -m pip install -qq uv==0.13.9
	@for name in requirements requirements-dev requirements-bench; do $(COMPILE) $$name.in -o $$name.lock || exit 1; done

vendor: .venv/.run ## static/vendor anew from vendor.toml (needs npm)
	@$(BIN)/python scripts/vendor.py

clean: ## remove what was built; your data stays
	@rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

browser: # Chromium, nc, tshark, strace and a Chinese font, from the system
	@scripts/install-browser.sh

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Sockpit needs Python 3.11 or newer; name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make an environment: \
	install its venv package (Debian: apt install python3-venv) or name another: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv

.venv/.run: requirements.lock $(BIN)/python
	@echo "Installing $< ..."
	@$(PIP) -r $< && touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	@echo "Installing $< ..."
	@$(PIP) -r $< && touch $@

# The peers have an environment of their own: the product and its tests never see them.
build/peers/.peers: requirements.lock requirements-bench.lock | $(BIN)/python
	@echo "Installing requirements-bench.lock ..."
	@$(PYTHON) -m venv --clear build/peers
	@for name in $(filter %.lock,$^); do \
		build/peers/bin/python -m pip install -qq --require-hashes -r $$name || exit 1; done && touch $@
