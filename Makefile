# One command sets everything up (`make setup`), one checks everything (`make test`), one shows it (`make demo`).
# Needs Python 3.11 or later and make. Each target does its own set-up; a stamp file in .venv remembers what is done.

PYTHON ?= python3
# pytest workers; each keeps its linear algebra to one thread, for two thread pools in one machine cost more than they give
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
EXTRAS := bench,demo,test,dev
# the build backend is installed first, from constraints.txt like everything else, and used as it stands
BACKEND := hatchling
# -qq leaves errors and nothing else
PIP_INSTALL := -m pip install -qq --disable-pip-version-check
INSTALL := $(BIN)/python $(PIP_INSTALL) -c constraints.txt
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

VENV_STAMP := $(VENV)/.stamp-venv
DEMO_STAMP := $(VENV)/.stamp-demo
SETUP_STAMP := $(VENV)/.stamp-setup

.PHONY: help setup demo test test-long bench docs lint types imports format lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: $(SETUP_STAMP) ## create .venv with all that tests and benchmarks need

demo: $(DEMO_STAMP) ## derive, verify, compile and train a small network
	@$(BIN)/chainrule demo

test: lint types imports ## lint, types, import contract, then all but the long tests
	$(PYTEST)

test-long: $(SETUP_STAMP) ## the long tests
	$(PYTEST) -m long

# about ten minutes on two quiet cores; BENCH="--only a,b --quick" for less, and no page
BENCH ?= --json build/benchmarks.json --write docs/benchmarks.md
bench: $(SETUP_STAMP) ## time the generated code against every other library, and write docs/benchmarks.md
	$(BIN)/chainrule bench $(BENCH)

docs: $(SETUP_STAMP) ## write the pages that are made from commands (docs/*.md.in)
	$(BIN)/python docs/make_pages.py

lint: $(SETUP_STAMP) ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(SETUP_STAMP) ## mypy --strict over src
	$(BIN)/mypy

imports: $(SETUP_STAMP) ## the floors: who may import whom
	$(BIN)/lint-imports --no-logo

format: $(SETUP_STAMP) ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Every package that an install with all extras brings, at the version pip chooses today. A local version label
# (torch's +cpu) is dropped, so that the same pin fits whichever build of that version a machine offers.
lock: ## choose all versions anew and write constraints.txt
	@echo "resolving in a fresh environment, this takes some minutes"
	@set -e; \
	fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(PYTHON) -m venv "$$fresh/venv"; \
	"$$fresh/venv/bin/python" $(PIP_INSTALL) $(BACKEND); \
	"$$fresh/venv/bin/python" $(PIP_INSTALL) --no-build-isolation ".[$(EXTRAS)]"; \
	"$$fresh/venv/bin/python" -m pip freeze --all --exclude pip --exclude chainrule > "$$fresh/frozen"; \
	{ echo "# Every package of a full install, pinned. Written by 'make lock'; do not edit."; \
	  sed 's/+[A-Za-z0-9.]*$$//' "$$fresh/frozen"; } > "$$fresh/constraints"; \
	cat "$$fresh/constraints" > constraints.txt
	@echo "constraints.txt is written; now run make test"

clean: ## remove everything that can be made again
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "chainrule needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(DEMO_STAMP): pyproject.toml constraints.txt $(VENV_STAMP)
	@echo "installing chainrule and what the demo needs (about a minute)"
	@$(INSTALL) $(BACKEND)
	@$(INSTALL) --no-build-isolation -e ".[demo]"
	@$(BIN)/python -m compileall -q src
	@touch $@

# A full set-up covers the demo's.
$(SETUP_STAMP): pyproject.toml constraints.txt $(VENV_STAMP)
	@echo "installing chainrule and all that tests and benchmarks need (a few minutes)"
	@$(INSTALL) $(BACKEND)
	@$(INSTALL) --no-build-isolation -e ".[$(EXTRAS)]"
	@$(BIN)/python -m compileall -q src
	@touch $(DEMO_STAMP) $@
