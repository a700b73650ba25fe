# Two commands set everything up and need only Python 3.11+, make and git:
#   make demo   the main job on the real parts      make test   every check and every test
# The programs that tests talk to are found on PATH or built once into a cache outside this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# What `check` runs already; and tests without real parts share the cores, each file on one of them.
CHECKED := tests/repository tests/chart
UNIT := tests -m "not system" --numprocesses=auto --dist=loadfile
INSTALLED := $(VENV)/.installed
DEMO_PARTS := etcd kube-apiserver kube-controller-manager kubectl crane refregistry cosign3
SOURCES := app image tests

# `make image` takes these; bases given with a digest make what is built repeatable.
ENGINE ?= $(firstword $(shell command -v docker podman buildah))
IMAGE ?= landwaiter:dev
REVISION ?= $(shell git describe --always --dirty --abbrev=40 --exclude '*')
IMAGE_ARGUMENTS := --build-arg REVISION=$(REVISION) \
  $(if $(PLATFORM),--platform $(PLATFORM)) \
  $(if $(DEBIAN_BASE),--build-arg DEBIAN_BASE=$(DEBIAN_BASE)) \
  $(if $(GO_BASE),--build-arg GO_BASE=$(GO_BASE)) \
  $(BUILD_OPTIONS)

.DEFAULT_GOAL := help
.PHONY: help setup parts demo-parts demo check generate test test-fast soak hostile bench image lock format clean

help: ## Print this list.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(INSTALLED): requirements/dev.txt pyproject.toml
	@echo "==> installing the locked Python packages into $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(INSTALLED) ## Install the locked Python packages into .venv.

parts: setup ## Find or build every real part that the tests talk to.
	@$(BIN)/python tests/realparts/install.py

demo-parts: setup
	@$(BIN)/python tests/realparts/install.py $(DEMO_PARTS)

demo: demo-parts ## Run the main job on the real parts (KEEP=1 leaves the cluster up).
	@$(BIN)/python tests/demo/run.py $(if $(KEEP),--keep)

check: setup ## Format, lint, types, import layers, generated files, documentation, the chart.
	@$(BIN)/python tests/realparts/install.py helm
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy --strict $(SOURCES)
	$(BIN)/lint-imports
	$(PYTEST) -q $(CHECKED)

generate: setup ## Write the generated parts of the documents anew.
	$(BIN)/python tests/repository/generated.py
	$(BIN)/python tests/repository/crds.py
	$(BIN)/python tests/repository/chart_values.py
	$(BIN)/python tests/repository/dashboard.py
	@$(BIN)/python tests/realparts/install.py helm
	$(BIN)/python tests/chart/plain_manifests.py
	$(BIN)/python tests/wiring/fault_table.py
	$(BIN)/python tests/registry/conformance.py
	$(BIN)/python tests/system/faults/table.py

test: check parts ## Run every check and every test, on the real parts.
	$(PYTEST) -q $(UNIT) $(CHECKED:%=--ignore=%)
	$(PYTEST) -q tests -m system $(CHECKED:%=--ignore=%)

test-fast: setup ## Run the tests that need no real part.
	$(PYTEST) -q $(UNIT)

# Ten minutes, unless SOAK_SECONDS says how many seconds; `make test` runs the first of them.
SOAK_SECONDS ?= 600
soak: setup parts ## Run an install at half of what it can do, through changes, upgrades and renewals.
	LANDWAITER_SOAK_SECONDS=$(SOAK_SECONDS) $(PYTEST) -q tests/system/test_soak.py

hostile: setup parts ## Attack the real process, with 100,000 spoilt reviews among other things.
	LANDWAITER_HOSTILE_REVIEWS=100000 $(PYTEST) -q tests/system/test_hostile_input.py

# With KEEP=1 the figures of other cases stay in the output.
bench: setup parts ## Measure, both sides in turns (CASES=warm,start AGAINST=EARLIER.json OUTPUT=bench.json).
	@$(BIN)/python tests/bench/run.py $(if $(CASES),--cases "$(CASES)") $(if $(AGAINST),--against "$(AGAINST)") $(if $(OUTPUT),--output "$(OUTPUT)") $(if $(KEEP),--keep)

image: ## Build the container image with docker, podman or buildah (docs/image.md).
	@test -n "$(ENGINE)" || { echo "make image needs docker, podman or buildah; ENGINE names another" >&2; exit 1; }
	$(ENGINE) build --file Dockerfile --tag $(IMAGE) $(IMAGE_ARGUMENTS) .

lock: setup ## Write the lock files anew, with hashes and without index addresses (needs uv).
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra tracing pyproject.toml -o requirements/runtime.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev --extra tracing -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group image -c requirements/dev.txt -o requirements/image.txt

format: setup ## Format the sources.
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix-only $(SOURCES)

clean: ## Remove the virtual environment and tool caches; the parts' cache is left.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
