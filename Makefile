# Everything sets itself up on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

ORACLES := .venv-oracle
CLIENTS := stable next openapi telegram
SYNAPSE := .venv-synapse

.PHONY: demo test test-full full oracle run bench faults soak lint unit docs clean

demo: $(VENV)/core
	@$(BIN)/msgbridge demo $(if $(KEEP),--keep)

run: $(VENV)/core
	$(BIN)/msgbridge run

test: lint unit

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/dev
	$(BIN)/pytest -m "not full"

# What needs Prometheus, nginx, a browser …; what is not installed is skipped, and the reason said.
full: $(VENV)/dev
	PATH="$$PATH:/usr/sbin" $(BIN)/pytest -m full -rs

# The official clients, unmodified, against the simulator: needs a package index for the first run.
oracle: $(VENV)/dev $(CLIENTS:%=$(ORACLES)/%/installed)
	$(BIN)/python -m tests.oracle

test-full: test oracle $(SYNAPSE)/installed full

docs: $(VENV)/dev
	$(BIN)/python docs/generate.py

bench: $(VENV)/dev
	$(BIN)/python -m bench

faults: $(VENV)/dev
	$(BIN)/python -m tests.faults

# About half an hour: a thousand simulated hours, then ten minutes of the daemon, which must not grow.
soak: $(VENV)/dev
	$(BIN)/python -m tests.soak

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "msgbridge needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "the venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/core: pyproject.toml | $(VENV)/bin/python
	@echo "installing msgbridge into $(VENV) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing msgbridge and its test tools into $(VENV) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(VENV)/core $@

$(ORACLES)/%/installed: tests/oracle/%.txt | $(VENV)/bin/python
	@echo "installing the official client of $< …"
	@$(BIN)/python -m venv $(ORACLES)/$*
	@$(ORACLES)/$*/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# A real Matrix homeserver for the tests that are marked full.
$(SYNAPSE)/installed: tests/drivers/matrix/synapse.txt | $(VENV)/bin/python
	@echo "installing Synapse into $(SYNAPSE) …"
	@$(BIN)/python -m venv $(SYNAPSE)
	@$(SYNAPSE)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean:
	rm -rf $(VENV) $(ORACLES) $(SYNAPSE) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
