# Each target is enough on a machine that has only Python 3.11 or newer: it makes .venv when there is none and
# installs what it needs there, once. `make PYTHON=python3.12 test` chooses the interpreter.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PY := $(VENV)/bin/python
STAMP := $(VENV)/.stamp-

# What each chore installs, as extras of pyproject.toml.
EXTRAS_demo := examples
EXTRAS_test := test,parity
EXTRAS_check := dev,test
EXTRAS_bench := bench
EXTRAS_docs := docs

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check format golden bench bench-gpu docs clean

help:
	@echo "make demo       train the digits model, with pictures in build/demo"
	@echo "make test       the whole test suite, live parity with TensorFlow and Keras included"
	@echo "make test-slow  the slower tier: memory over many models, long runs"
	@echo "make check      format, lint, types, layering, the API file, the docs"
	@echo "make format     put the code into the form that make check wants"
	@echo "make golden     write the API file and docs/coverage.md again after a change of the API"
	@echo "make bench      speed beside the peers, into benchmarks/results"
	@echo "make bench-gpu  training on a GPU beside the peers, into benchmarks/results/gpu"
	@echo "make docs       the documentation as a site in build/site"

demo: $(STAMP)demo
	$(PY) examples/digits.py

test: $(STAMP)test
	$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-slow: $(STAMP)test
	$(PY) -m pytest -m slow $(ARGS)

check: $(STAMP)check
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m tools.coverage --check
	$(PY) -m pytest -q tests/test_layering.py tests/test_api_golden.py tests/test_docs.py

format: $(STAMP)check
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

golden: $(STAMP)check
	$(PY) -m tools.api_golden
	$(PY) -m tools.coverage

bench: $(STAMP)bench
	$(PY) -m benchmarks $(ARGS)

bench-gpu: $(STAMP)bench
	$(PY) -m benchmarks --gpu $(ARGS)

docs: $(STAMP)docs
	$(PY) -m tools.api_docs
	$(PY) -m mkdocs build --quiet --strict
	@echo "build/site/index.html"

clean:
	rm -rf build docs/api .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Dovetail needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP)%: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS_$*)]'
	@touch $@
