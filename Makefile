# Candlewick. `make` alone shows what there is; README.md tells the rest.

# Which Python makes .venv; empty: python3.
export PYTHON
# Settings of the stack: each may be given as `make up DAYS=7` or in the environment.
export SOURCE PORT STATE DAYS INSTRUMENTS TIMEFRAMES SEED

python := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help up down status test check bench psql logs env audit lock runtime tools

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  Settings of make up (STATE counts for all):'
	@echo '    SOURCE=simulator         or replay:PATH (recorded data) or binance (the real venue)'
	@echo '    DAYS=30                  days of history, up to yesterday'
	@echo '    INSTRUMENTS=4            a number, or a list such as BTCUSDT,ETHUSDT'
	@echo '    TIMEFRAMES="1m 5m 30m 4h"  divisors of a day, 1w and 1M; 1m is always one of them'
	@echo '    PORT=8080                the UI; PostgreSQL is on PORT+1, the simulator on PORT+2'
	@echo '    STATE=.local             where all data, logs and passwords lie'
	@echo '    SEED=7                   of the simulator'
	@echo '    PYTHON=python3           3.11 or newer'

up: runtime ## Start everything, run the main job, print a summary
	@$(python) -m stack up

down: ## Stop everything; the data stay
	@if [ -x $(python) ]; then $(python) -m stack down; else echo 'Nothing is running.'; fi

status: runtime ## Show the parts; exit code 0 when all are healthy
	@$(python) -m stack status

test: tools ## Run the tests (ARGS="tests/stack -k postgres" to choose)
	@$(python) -m pytest $(ARGS)

check: tools ## Run linter, formatter, type checker and import contracts
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy include stack
	@.venv/bin/lint-imports

bench: tools ## Run the benchmarks (NAME=one for benchmarks/one.py)
	@set -e; for file in benchmarks/$(or $(NAME),[a-z]*).py; do \
	  [ -f "$$file" ] || { echo "error: there is no $$file: see benchmarks/" >&2; exit 1; }; \
	  echo "== $$file"; PYTHONPATH=. $(python) "$$file"; done

psql: runtime ## Open the warehouse in psql (ARGS="-c 'select 1'" or SQL on standard input)
	@$(python) -m stack psql $(ARGS)

logs: runtime ## Show the last lines of every log (ARGS=scheduler for one part)
	@$(python) -m stack logs $(ARGS)

env: runtime ## Print shell exports for tools: eval "$(make -s env)"
	@$(python) -m stack env

audit: runtime ## Check everything stored; print what is wrong and how to repair it
	@$(python) -m stack audit

lock: tools ## Resolve requirements*.txt anew into the hashed lock files
	@$(python) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --output-file requirements.lock requirements.txt
	@$(python) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --constraint requirements.lock --output-file requirements-dev.lock \
	  requirements-dev.txt

runtime:
	@bin/make-venv requirements.lock

tools:
	@bin/make-venv requirements-dev.lock
