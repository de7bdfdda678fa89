# Needs Python 3.11 to 3.13 and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The bundle that `make serve` serves: the newest of `make demo`, or BUNDLE=...
BUNDLE ?= $(lastword $(sort $(wildcard demo/*/run/bundle)))

.PHONY: demo serve test test-slow fuzz soak lint format docs

demo: $(VENV)/.trainer-installed
	$(BIN)/python deploy/demo.py

serve: $(VENV)/.trainer-installed
	@test -n "$(BUNDLE)" || { echo "no bundle yet: type 'make demo' first, or 'make serve BUNDLE=path'" >&2; exit 2; }
	$(BIN)/python -m service serve $(BUNDLE)

test: $(VENV)/.dev-installed
	$(BIN)/python -m pytest

# Minutes to an hour: many images, many seeds.
test-slow: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -m slow --timeout 7200

# About an hour: INPUTS to each fuzzer.
INPUTS ?= 300000
fuzz: $(VENV)/.dev-installed
	FIELDGUIDE_FUZZ_INPUTS=$(INPUTS) $(BIN)/python -m pytest tests/service/test_fuzz.py --timeout 0

# 100,000 good and bad requests: whether memory, files and threads stay what they were.
soak: $(VENV)/.dev-installed
	@test -n "$(BUNDLE)" -a -n "$(IMAGES)" || { echo "type 'make soak BUNDLE=path IMAGES=folder'" >&2; exit 2; }
	$(BIN)/python -m tests.benchmarks.soak $(BUNDLE) $(IMAGES)

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The reference of all settings, from the code.
docs: $(VENV)/.trainer-installed
	$(BIN)/python docs/generate.py

$(VENV)/.trainer-installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[trainer]'
	touch $@

$(VENV)/.dev-installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.trainer-installed
