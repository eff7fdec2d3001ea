# Needs python3 (3.11 to 3.13), pip and make; everything else is set up here. `make demo` and `make test` are all one needs.
PYTHON ?= python3
BIN := .venv/bin
# two workers: the whole test run is sized for two cores
WORKERS ?= 2

.PHONY: help demo test test-all check bench install core clean

help:
	@echo "make demo      convert two samples into out/ and draw one of them"
	@echo "make test      run the tests (minutes)"
	@echo "make test-all  run the slow tests as well"
	@echo "make check     linters, formatter, types, arrows between modules"
	@echo "make bench     convert the set of real parts and judge the results"
	@echo "make install   set up .venv with everything for development"

core:
	@$(PYTHON) scripts/set_up.py core

install:
	@$(PYTHON) scripts/set_up.py dev

demo: core
	@$(BIN)/python scripts/demo.py

test: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" $(ARGS)

test-all: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python benchmarks/bench.py $(ARGS)

clean:
	rm -rf out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
