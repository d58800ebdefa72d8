# Everything a person does with this project. `make` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.runtime-$(shell cat requirements.txt constraints.txt | sha256sum | cut -c1-16)
DEV := .venv/.dev-$(shell cat requirements*.txt constraints.txt | sha256sum | cut -c1-16)
MANUAL := docs/_build/html/index.html
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH
ARGS ?=
PHOTOS ?=

.PHONY: help setup models samples demo serve test check format torture torture-long docs bench bench-api clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed (PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "the venv could not be made; on Debian or Ubuntu: apt install python3-venv"; exit 1; }

$(SETUP): $(BIN)/python
	@echo "installing the pinned dependencies"
	@$(BIN)/python -m pip install --quiet -r requirements.txt -c constraints.txt
	@touch $@

$(DEV): $(SETUP)
	@echo "installing the pinned tools of development"
	@# constraints.txt is the whole set, resolved once: without --no-deps an older pip searches for many minutes
	@$(BIN)/python -m pip install --quiet --no-deps -r constraints.txt
	@touch $@

MANUAL_SOURCES := $(wildcard docs/*.rst docs/*.md docs/tasks/*.rst docs/conf.py docs/_static/*) \
	lunatasks/errors.py lunatasks/settings.py tasks_app/api/examples.py tasks_app/api/operations.py

$(MANUAL): $(SETUP) $(MANUAL_SOURCES)
	@echo "building the manual"
	@$(BIN)/python -m pip install --quiet -r requirements-docs.txt -c constraints.txt
	@$(BIN)/sphinx-build -q -W -b html -d docs/_build/doctrees docs docs/_build/html
	@touch $@

setup: $(SETUP) ## .venv with the pinned dependencies

models: $(SETUP) ## fetch and verify the face models
	@$(BIN)/python manage.py fetchmodels

samples: $(SETUP) ## fetch the sample photos
	@$(BIN)/python manage.py fetchsamples

demo: $(SETUP) models $(MANUAL) ## photos in, clusters out; PHOTOS=/some/folder for your own
	@$(BIN)/python manage.py demo $(if $(PHOTOS),--photos "$(PHOTOS)")

serve: $(SETUP) models $(MANUAL) ## run the whole service on 127.0.0.1:5050
	@$(BIN)/python manage.py runall $(ARGS)

test: $(DEV) models samples ## all tests, on SQLite and on TEST_DATABASE_URL with TEST_REDIS_URL when set
	@BIN=$(BIN) bash tests/run.sh $(ARGS)

check: $(DEV) $(MANUAL) ## format, lint, types, system checks, missing migrations, import directions, OpenAPI, the manual
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/lint-imports
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file .venv/openapi.yaml
	diff docs/openapi.yaml .venv/openapi.yaml

format: $(DEV) ## rewrite the code in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

torture: $(DEV) models samples ## kill everything at random and check the promises: 60 kills a back end, a few minutes
	@BIN=$(BIN) bash workers/torture/run.sh 60

torture-long: $(DEV) models samples ## 500 kills a back end, the four deliberate bugs, ten thousand cancel races: an hour or two
	@BIN=$(BIN) bash workers/torture/run.sh 500

docs: $(MANUAL) ## the manual, served at /docs/dev/

bench: $(DEV) models samples ## benchmarks, as ratios
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

bench-api: $(DEV) ## the API under load, on the PostgreSQL of DATABASE_URL
	@$(BIN)/python benchmarks/bench_api.py $(ARGS)

clean: ## remove the environment and what the demo wrote
	rm -rf .venv var
