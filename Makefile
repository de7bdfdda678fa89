# Needs Python 3.11 to 3.13 and make. Everything else is installed in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The bundle for `make serve`: the newest that `make demo` made, or BUNDLE=...
BUNDLE ?= $(lastword $(sort $(wildcard demo/*/run/bundle)))

.PHONY: demo serve test test-slow fuzz soak container-test container-test-matrix container-test-places lint format docs lock

demo: $(VENV)/.trainer-installed
	$(BIN)/python deploy/demo.py

serve: $(VENV)/.trainer-installed
	@test -n "$(BUNDLE)" || { echo "no bundle yet: type 'make demo' first, or 'make serve BUNDLE=path'" >&2; exit 2; }
	$(BIN)/fieldguide serve $(BUNDLE)

test: $(VENV)/.dev-installed
	$(BIN)/python -m pytest

# Takes minutes to an hour: many images, many seeds.
test-slow: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -m slow --timeout 7200

# Takes about an hour. INPUTS is the number of inputs for each fuzzer.
INPUTS ?= 300000
fuzz: $(VENV)/.dev-installed
	FIELDGUIDE_FUZZ_INPUTS=$(INPUTS) $(BIN)/python -m pytest tests/service/test_fuzz.py --timeout 0

# Sends 100,000 good and bad requests, and checks that memory, open files and threads do not grow.
soak: $(VENV)/.dev-installed
	@test -n "$(BUNDLE)" -a -n "$(IMAGES)" || { echo "type 'make soak BUNDLE=path IMAGES=folder'" >&2; exit 2; }
	$(BIN)/python -m tests.benchmarks.soak $(BUNDLE) $(IMAGES)

# Builds the image and tries it. With docker or podman; without one it needs root on Debian or Ubuntu, and installs podman.
container-test: $(VENV)/.dev-installed
	@test -n "$(BUNDLE)" || { echo "no bundle yet: type 'make demo' first, or 'make $@ BUNDLE=path'" >&2; exit 2; }
	tests/container/run.sh $(BUNDLE) $(CONTAINER_TEST)

# The same with every user, restriction and size that docs/serving.md names.
container-test-matrix: CONTAINER_TEST := --matrix
container-test-matrix: container-test

# What `fieldguide deploy` writes, built, and started as each place does it.
container-test-places: $(VENV)/.dev-installed
	@test -n "$(BUNDLE)" || { echo "no bundle yet: type 'make demo' first, or 'make $@ BUNDLE=path'" >&2; exit 2; }
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		$(BIN)/fieldguide deploy space $(BUNDLE) --out "$$folder/site" --name bears && \
		CT_CONTEXT="$$folder/site" tests/container/run.sh $(BUNDLE) --places

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes docs/reference from the code: commands, settings, routes and metrics.
docs: $(VENV)/.trainer-installed
	$(BIN)/python -m docs.generate

# Writes deploy/locks/service.txt: every package of the image, with its hashes. Run it to update them.
lock: $(VENV)/.dev-installed
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --output-file deploy/locks/service.txt

$(VENV)/.trainer-installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[trainer]'
	touch $@

$(VENV)/.dev-installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.trainer-installed
