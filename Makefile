# handoff: every task of the repository. `make` alone lists them.

VENV    := .venv
PY      := $(VENV)/bin/python
HANDOFF := $(VENV)/bin/handoff
STAMP   := $(VENV)/.installed
UV      := 0.13.9
# Scratch for tools that want a warehouse of their own.
SCRATCH := var/scratch
# How many leads `make bench` simulates, and how often it measures each step.
BENCH_LEADS ?= 1000000
BENCH_PAIRS ?= 3

export UV_PYTHON_DOWNLOADS = never
export DAGSTER_DISABLE_TELEMETRY = 1
export DO_NOT_TRACK = 1
export GX_ANALYTICS_ENABLED = false

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format dev clean docs bench wheel exercises mutants warehouse proof metrics diagnostics system-packages

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## build the environment in .venv (only when something changed)

$(STAMP): requirements.lock pyproject.toml
	@python=''; for name in $(PYTHON) python3.11 python3 python3.12 python3.13; do \
	  if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	  then python=$$name; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo 'handoff needs Python 3.11, 3.12 or 3.13 (name one: make setup PYTHON=/path/to/python)' >&2; exit 1; fi; \
	test -x $(PY) || $$python -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV) || echo 'uv is not available; using pip' >&2
	@if $(VENV)/bin/uv --version >/dev/null 2>&1 && \
	    $(VENV)/bin/uv pip install --quiet --python $(PY) --compile-bytecode --require-hashes -r requirements.lock && \
	    $(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps --editable .; then :; else \
	  $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .; fi
	@touch $@

run: setup ## read the sources of handoff.yml (the sample), publish the marts, say where they are
	@$(HANDOFF) run

warehouse: setup ## fill raw tables for `dbt build` in dbt_project/ (targets dev and prod)
	@$(HANDOFF) warehouse

test: setup system-packages lint ## lint, types and tests: what CI runs
	@# The tests start many processes: none of them should compile the project again.
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: setup ## ruff, mypy, sqlfluff
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@mkdir -p $(SCRATCH)
	@HANDOFF_DEV_WAREHOUSE=$(CURDIR)/$(SCRATCH)/warehouse.duckdb DBT_TARGET_PATH=$(CURDIR)/$(SCRATCH)/target \
	  DBT_LOG_PATH=$(CURDIR)/$(SCRATCH)/logs $(VENV)/bin/sqlfluff lint --processes 2 dbt_project/models $(wildcard dbt_project/tests)

format: setup ## let ruff fix what it can
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

# Chromium looks at the pages, PostgreSQL is Dagster's other storage. Without them the tests that
# need them are skipped, and say so.
system-packages:
	@if command -v chromium >/dev/null 2>&1 && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  { apt-get install -y -qq chromium postgresql || \
	    { apt-get update -qq && apt-get install -y -qq chromium postgresql; }; } >/dev/null 2>&1 \
	  || echo 'chromium and postgresql could not be installed: the tests that need them are skipped' >&2; \
	else echo 'chromium or postgresql is missing: the tests that need them are skipped' >&2; fi

dev: setup ## Dagster's UI on the output of handoff.yml, with the runs of the shell in it
	@DAGSTER_HOME=$$($(PY) -m dagster_project.running.home) \
	  $(VENV)/bin/dagster dev --host 127.0.0.1 --port $(or $(PORT),3000) --module-name dagster_project.definitions

docs: setup ## dbt's documentation of the project, in var/dbt_docs
	@test -f var/warehouse.duckdb || $(MAKE) --no-print-directory run
	@mkdir -p var/dbt_docs
	@HANDOFF_WAREHOUSE=$(CURDIR)/var/warehouse.duckdb $(VENV)/bin/dbt docs generate --static --target prod \
	  --project-dir dbt_project --profiles-dir dbt_project \
	  --target-path $(CURDIR)/var/dbt_docs --log-path $(CURDIR)/$(SCRATCH)/logs
	@echo "open var/dbt_docs/static_index.html"

bench: setup ## measure reading beside DuckDB alone, and a whole run (BENCH_LEADS=100000: a quick look)
	@$(PY) -m bench.run --leads $(BENCH_LEADS) --pairs $(BENCH_PAIRS)
	@$(HANDOFF) run --input var/bench/$(BENCH_LEADS)/parquet --as-of 2026-07-01T00:00:00Z \
	  --output var/bench/$(BENCH_LEADS)/output --verbose

wheel: setup ## build the wheel, install it in an empty environment and directory, run the sample
	@rm -rf $(SCRATCH)/wheel && mkdir -p $(SCRATCH)/wheel/project
	@$(VENV)/bin/uv build --quiet --wheel --out-dir $(SCRATCH)/wheel .
	@$(PY) -m venv $(SCRATCH)/wheel/venv
	@$(VENV)/bin/uv pip install --quiet --python $(SCRATCH)/wheel/venv/bin/python --require-hashes -r requirements.lock
	@$(VENV)/bin/uv pip install --quiet --python $(SCRATCH)/wheel/venv/bin/python --no-deps $(SCRATCH)/wheel/*.whl
	@chmod -R a-w $(SCRATCH)/wheel/venv/lib
	@cd $(SCRATCH)/wheel/project && unset HANDOFF_HOME HANDOFF_CONFIG DAGSTER_HOME && ../venv/bin/handoff init && ../venv/bin/handoff run && ../venv/bin/handoff status; \
	  status=$$?; chmod -R u+w ../venv/lib; exit $$status

exercises: setup ## make five usual changes in a copy; the whole suite must stay green in it
	@HANDOFF_EXERCISES=whole $(PY) -m pytest tests/test_changes.py

mutants: setup ## put one bug at a time into a copy of the models; the lifecycle tests must catch each
	@$(PY) -m tests.mutants.run

proof: setup ## compare 20,000 random leads with the reference, in every tradition and mode; try 500 damaged exports
	@$(PY) -m tests.lifecycle.compare_with_runs
	@$(PY) -m tests.ingestion.damage_proof

diagnostics: setup ## plant causes into simulated companies; the diagnostics must find them, and nothing else
	@$(PY) -m tests.marts.planted --write

metrics: setup ## MetricFlow answers every metric of the semantic layer on the sample, as the marts do
	@$(HANDOFF) run --output $(SCRATCH)/metrics > /dev/null
	@$(PY) -m tests.dbt_project.query_metrics $(SCRATCH)/metrics/warehouse.duckdb

clean: ## remove what can be made again; published builds and the environment stay
	@rm -rf $(SCRATCH) var/cache var/dbt_docs var/bench .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  dbt_project/target dbt_project/logs logs
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
