# Every target sets up what it needs: a .venv with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: plan test lint check bench fuzz fit accuracy traffic planner-study docs screenshots clean

plan: $(READY)  ## the main job: certified fleet size, evidence and report under out/
	$(BIN)/fleetcast plan scenarios/examples/chat.yaml

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest -n auto

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint  ## lint, types, import direction, fast tests
	$(BIN)/python -m pytest -n auto -m "not slow"

bench: $(READY)  ## requests per second of the simulator on this machine, beside its slow twin
	$(BIN)/python -m benchmarks

fuzz: $(READY)  ## the compiled simulator against its slow twin, bit by bit, on thousands of random cases
	$(BIN)/python -m tests.oracles.fuzz --cases 20000

TRUTH ?= ../shared/data/truth

fit: $(READY)  ## the step time's coefficients, from the measured data under TRUTH
	$(BIN)/fleetcast fit $(TRUTH) --out scenarios/catalogue/step_time.yaml

accuracy: $(READY)  ## every figure about accuracy, and docs/accuracy.md, from the data under TRUTH
	$(BIN)/python -m benchmarks.accuracy $(TRUTH) --docs docs/accuracy.md

TRACES ?= ../shared/data/traces

traffic: $(READY)  ## fitted traffic against recorded, and docs/traffic-fits.md, from the data under TRACES
	$(BIN)/python -m benchmarks.traffic $(TRACES) --docs docs/traffic-fits.md

planner-study: $(READY)  ## the planner's own error and cost, and docs/planner-study.md
	$(BIN)/python -m benchmarks.planner_study --trials 100 --docs docs/planner-study.md

docs: .venv/ready-docs  ## the documentation as a website under site/
	$(BIN)/python -m mkdocs build --strict

screenshots: $(READY)  ## docs/images: a plan on a terminal, and the first screen of its report in a Chromium
	$(BIN)/python -m docs.screenshots

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[dev]"
	touch $@

.venv/ready-docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[docs]"
	touch $@

clean:
	rm -rf .venv out site
