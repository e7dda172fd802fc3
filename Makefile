# The two commands: `make demo` and `make test`. Both set up a virtual environment in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests wait for disks, servers and leases more than they compute.
WORKERS ?= 2

.PHONY: demo test gates bench clean help

help:
	@echo "make demo   run the permit office on real data (DEMO_SECONDS=10, DEMO_PORT=8000, DEMO_DATA=receipt.csv, ENGINE=postgres or mixed)"
	@echo "make test   every gate and every test (WORKERS=2 processes; PYTEST='tests/read -k lease' for some of them)"
	@echo "make bench  the numbers, against the floor of this machine and against peers (QUICK=1 for two minutes)"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found %s; set PYTHON=python3.11" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)
	@DEMO_ENGINE=$(ENGINE) $(BIN)/python -m examples.permits demo

test: gates
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST)

gates: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m bench $(if $(QUICK),--quick,)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
