# make run | test | quick | lint | check | bench     (`make help` says what each does)
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# Every package that is downloaded has one of the lock's hashes; the project itself, a folder, can have none.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-require-hashes \
	-c constraints.lock --build-constraint constraints.lock

.PHONY: help run test quick lint check bench chaos conformance sbom audit fuzz clean

help:
	@echo "make run    install what the service needs into .venv and start it on http://127.0.0.1:7860 (PORT=N: another port; ARGS=…: any option, --help lists them)"
	@echo "make test   install what the tests need and run the whole suite"
	@echo "make quick  the tests that need no cluster, no service and no network of the real size: a minute or two"
	@echo "make lint   ruff and mypy"
	@echo "make check  lint and test"
	@echo "make bench  how fast engine and service are (FULL=--full: the long run); JSON in benchmarks/results/"
	@echo "make sbom   CycloneDX bill of materials and licence list of the environment: sbom.json, licenses.md"
	@echo "make audit DATABASE=FILE  known weaknesses of the pinned packages, from a file of OSV advisories (no network)"
	@echo "make fuzz   5,000 requests drawn from the API document with a key, and others without"
	@echo "make chaos  kill, freeze and flood parts of the service under load, and say what callers saw (SEED=N)"
	@echo "make conformance  how accurate measurements, beats, quality and rules are: benchmarks/results/conformance.html"

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it or say: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "creating .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv

# pip itself, of the version that knows the option above.
.venv/pip.stamp: constraints.lock | .venv/bin/python
	@sed -n '/^pip==/,/[^\\]$$/p' constraints.lock > .venv/pip.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/pip.lock
	@touch $@

# The stamps make a second `make` instant; a changed dependency list installs anew.
.venv/run.stamp: pyproject.toml constraints.lock .venv/pip.stamp
	@echo "installing the service (the first time takes a few minutes)"
	@$(PIP) -e '.[all]'
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.lock .venv/pip.stamp
	@echo "installing the service and its test tools (the first time takes a few minutes)"
	@$(PIP) -e '.[dev]'
	@touch $@ .venv/run.stamp

run: .venv/run.stamp
	@$(BIN)/python -m serve_app $(if $(PORT),--port $(PORT)) $(ARGS)

# Two at a time what starts no services; alone what does.
test: .venv/dev.stamp
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not processes"
	@$(BIN)/python -m pytest -m processes

quick: .venv/dev.stamp
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"

lint: .venv/dev.stamp
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

check: lint test

conformance: .venv/dev.stamp
	@$(BIN)/python -m benchmarks.conformance

chaos: .venv/dev.stamp
	@$(BIN)/python -m benchmarks.chaos $(if $(SEED),--seed $(SEED))

# FULL=--full asks every question for as long as it takes; short runs otherwise.
bench: .venv/dev.stamp
	@$(BIN)/python -m benchmarks.suite $(FULL)

# Of what is installed in .venv, by programs that stand apart from it.
.venv/sbom.stamp: pyproject.toml constraints.lock .venv/pip.stamp
	@$(BIN)/python -m venv --without-pip .venv/sbom
	@$(subst -m pip,-m pip --python .venv/sbom/bin/python,$(PIP)) cyclonedx-bom pip-licenses
	@touch $@

sbom: .venv/run.stamp .venv/sbom.stamp
	@.venv/sbom/bin/cyclonedx-py environment $(BIN)/python --of JSON -o sbom.json
	@.venv/sbom/bin/pip-licenses --python=$(BIN)/python --format=markdown --order=license --output-file=licenses.md

audit: .venv/dev.stamp
	@$(BIN)/python -m supply.audit $(DATABASE) $(ARGS)

fuzz: .venv/dev.stamp
	@$(BIN)/python -m benchmarks.fuzz $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
