# korder's commands. Each makes .venv first, once; a later call starts at once unless pyproject.toml or the pins changed.
# The plain lines behind every target stand in README.md, section "Without make".

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
PINS := tests/constraints.txt
# Set PYTHON to choose one; else the first of these that runs and is new enough.
CANDIDATES := python3 python3.13 python3.12 python3.11 python
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(PINS)

.PHONY: help demo test conformance mutants kafka confirm bench clean

help:
	@echo "make demo          environment, install, and one failover judged: figures in out/"
	@echo "make test          lint, types, tests, comparison with recorded real Kafka"
	@echo "make conformance   only the comparison (CELLS=FILE for other recorded runs)"
	@echo "make mutants       breaks one rule after another: which recorded runs notice?"
	@echo "make kafka         the jars of Apache Kafka for korder confirm, once, with Maven"
	@echo "make confirm       plays the scripts of the comparison on real Kafka again (needs Java and make kafka)"
	@echo "make bench         speed and memory by ratio, as a table and out/bench.json"
	@echo "make clean         removes .venv, out and caches"

demo: .venv/.installed
	$(BIN)/korder run scenarios/payments_failover.yaml --out out

test: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy sim analysis
	$(BIN)/python -m pytest -q -n 2 --dist worksteal
	$(BIN)/python tests/conformance/run.py

conformance: .venv/.installed
	$(BIN)/python tests/conformance/run.py $(CELLS)

mutants: .venv/.installed-dev
	$(BIN)/python tests/mutants/run.py

kafka: .venv/.installed
	$(BIN)/korder kafka 4.3
	$(BIN)/korder kafka 3.9

confirm: .venv/.installed-real
	$(BIN)/python tests/conformance/record.py $(if $(REPEAT),--repeat $(REPEAT)) $(SCRIPTS)

bench: .venv/.installed-bench
	$(BIN)/python tests/benchmarks/bench.py --json out/bench.json

clean:
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sim analysis tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@python="$(PYTHON)"; \
	for candidate in $(if $(PYTHON),,$(CANDIDATES)); do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "korder needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2; fi; \
	echo "making .venv with $$($$python --version) (once)"; \
	$$python -m venv .venv

# The stamps say which extras the environment has, and as of which pyproject.toml and pins.
.venv/.installed: .venv/bin/python pyproject.toml $(PINS)
	@echo "installing korder into .venv"
	@$(PIP) --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@echo "installing the tools of the tests into .venv"
	@$(PIP) --editable '.[dev]'
	@touch $@

.venv/.installed-real: .venv/.installed
	@echo "installing librdkafka's client into .venv"
	@$(PIP) --editable '.[real]'
	@touch $@

.venv/.installed-bench: .venv/.installed
	@echo "installing the tools of the benchmarks into .venv"
	@$(PIP) --editable '.[bench]'
	@touch $@
