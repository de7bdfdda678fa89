# Needs Python 3.11 to 3.13 and make. Everything else is installed in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The bundle for `make serve`: the newest that `make demo` made, or BUNDLE=...
BUNDLE ?= $(lastword $(sort $(wildcard demo/*/run/bundle)))

.PHONY: demo serve test test-slow fuzz soak container-test container-test-matrix container-test-places container-test-trainer \
	lint format docs lock audit sbom dist

demo: $(VENV)/.trainer-installed
	$(BIN)/python deploy/demo.py

serve: $(VENV)/.trainer-installed
	@test -n "$(BUNDLE)" || { echo "no bundle yet: type 'make demo' first, or 'make serve BUNDLE=path'" >&2; exit 2; }
	$(BIN)/fieldguide serve $(BUNDLE)

# Of one file of tests, all run in one process.
TEST_PROCESSES ?= 2
test: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

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

# The image for training: builds it, and trains in it on the CPU. Needs 20 GB of disk.
container-test-trainer: $(VENV)/.dev-installed
	CT_TARGET=trainer tests/container/run.sh

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

# Writes deploy/locks: every package of the images and of the workflows, for every Python and system, with its hashes and
# without addresses. Run it to update them.
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade --quiet --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'
lock: $(VENV)/.dev-installed
	$(LOCK) pyproject.toml --extra sign --output-file deploy/locks/service.txt
	$(LOCK) pyproject.toml --extra trainer --extra heic --extra sign --constraints deploy/locks/service.txt \
		--output-file deploy/locks/trainer.txt
	$(LOCK) --group release --output-file deploy/locks/release.txt

# Looks up known vulnerabilities of every locked package. Needs the internet.
audit: $(VENV)/.dev-installed
	$(BIN)/python deploy/audit.py

# Writes sbom/: what the locks name, and with IMAGE=fieldguide what that image has (by docker; ENGINE=podman is the same).
ENGINE ?= docker
sbom: $(VENV)/.dev-installed
	mkdir -p sbom
	for lock in service trainer; do $(BIN)/cyclonedx-py requirements deploy/locks/$$lock.txt --pyproject pyproject.toml \
		--short-PURLs --output-reproducible --spec-version 1.6 --output-file sbom/$$lock.cdx.json || exit; done
	test -z "$(IMAGE)" || { set -e; container=$$($(ENGINE) create $(IMAGE)); trap "$(ENGINE) rm $$container >/dev/null" EXIT; \
		$(ENGINE) export $$container | $(BIN)/python deploy/sbom.py > sbom/image.part; mv sbom/image.part sbom/image.cdx.json; }

# Writes dist/: the source distribution and the wheel that a release has, built and tried with the locked packages alone.
dist:
	PYTHON=$(PYTHON) deploy/dist.sh

$(VENV)/.trainer-installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[trainer]'
	touch $@

$(VENV)/.dev-installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.trainer-installed
