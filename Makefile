# The commands of the project. `make help` lists them. Everything that they make lies in .venv/ and build/.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

python := .venv/bin/python
dandang := $(python) -m dandang
pytest := $(python) -m pytest

compile := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--custom-compile-command "make lock" $(UPGRADE)

# Python with which to make the virtual environment: make PYTHON=/path/to/python3 …
export PYTHON
unexport PYTHONPATH PYTHONHOME

.PHONY: help run test test-long lint format bench up down status clean lock environment-local environment-dev

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: environment-local ## set up and start the whole city, play a year of it, stay up until Ctrl-C
	@exec $(dandang) up --play year

up: environment-local ## start the whole city in the background
	@$(dandang) up --detach

status: environment-local ## show processes, queues, unpublished events and dead letters
	@$(dandang) status

down: environment-local ## end the city that runs in this folder
	@$(dandang) down

test: environment-dev ## set up and run every tier of tests, faults at sizes cut to fit
	@$(dandang) prepare
	$(pytest) -m "not long" --numprocesses 2 --no-loadscope-reorder

test-long: environment-dev ## the fault runs at full size
	@$(dandang) prepare
	FAULT_SIZE=long $(pytest) tests/fault -m "fault or long" --timeout=7200

lint: environment-dev ## style, types and layers
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy $(wildcard libs services tests)
	.venv/bin/lint-imports

format: environment-dev ## put the code in the project's style
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

bench: environment-dev ## measure, write build/bench.json and print a table
	@$(dandang) prepare
	$(python) -m tests.benchmarks

lock: ## pin requirements/*.in anew, with hashes (needs uv); make lock UPGRADE=--upgrade for newer versions
	cd requirements && $(compile) --output-file dev.txt dev.in
	cd requirements && for set in local run; do $(compile) --constraint dev.txt --output-file $$set.txt $$set.in || exit 1; done

clean: down ## end the city and remove all that it keeps, and all that was built
	@$(dandang) down --delete-data
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

environment-local:
	@sh deploy/local/environment.sh local

environment-dev:
	@sh deploy/local/environment.sh dev
