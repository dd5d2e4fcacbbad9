# Everything happens in .venv, which the targets make when they need it.
#   make demo      train on the shipped digits, draw the curves, reload the checkpoint
#   make test      lint, types, tests and the examples in docstrings
#   make oracle    add PyTorch to .venv, so that the tests that compare with it run instead of being skipped
#   make nightly   the long tests
#   make format    what ruff can mend by itself
#   make stubs     write the .pyi files anew, after public names or signatures have changed
#   make docs      the documentation as web pages, in build/site
#   make clean     remove .venv and what the tools left

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
# The test processes share the cores; more threads in each would only wait for one another.
pytest nightly: export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test nightly oracle lint format types pytest stubs docs install clean

demo: $(STAMP)
	$(BIN)/python -m rushlight quickstart --data digits

test: lint types pytest

lint: $(STAMP)
	$(BIN)/ruff check .

format: $(STAMP)
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

stubs: $(STAMP)
	$(BIN)/python tools/stubs.py

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/python -m mkdocs build --quiet --strict --config-file tools/docs/mkdocs.yml --site-dir $(CURDIR)/build/site

pytest: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS)

nightly: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) -m nightly --timeout 1800

oracle: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[parity]'

install: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Rushlight needs Python 3.11 or newer; '$(PYTHON)' is not one. Say which to use: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,demo]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
