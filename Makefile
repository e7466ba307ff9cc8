# Every target makes the virtual environment by itself and uses it again until constraints.txt changes.
PYTHON  ?= python3
VENV    ?= .venv
WORKERS ?= 2
BIN     := $(VENV)/bin

# pip's own byte-compiling is most of its time; Python compiles what it imports anyway.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast soak soak-faults model lint bench clean

help:
	@echo "make demo       the whole path in a simulated world, then keeps serving (ONCE=1: end after the scenario)"
	@echo "make test       the whole test suite"
	@echo "make test-fast  unit tests and properties only, under a minute"
	@echo "make soak       every fault at every write of every action; replicas killed, frozen, cut off for an hour; takes some hours"
	@echo "                (MINUTES=10: only the replicas, for so long)"
	@echo "make model      the formal model of runs among several workers, in full bounds, by spin; takes some minutes"
	@echo "make lint       ruff, mypy, import contracts"
	@echo "make bench      what the claims about speed rest on (QUICK=1: a short one; JSON=FILE, MARKDOWN=FILE)"
	@echo "make clean      remove the virtual environment and every cache"

demo: $(VENV)/.ready
	@$(BIN)/remediator demo $(if $(filter-out 0 no false,$(ONCE)),--once)

# What the last tests need (a real control plane, Alertmanager, Prometheus) is built while the first ones run, if it has not been.
test: $(VENV)/.ready
	@echo "make test: the whole suite with $(WORKERS) workers; takes some minutes"
	@$(BIN)/python -m tests.controlplane.build & build=$$!; trap 'kill $$build 2>/dev/null' EXIT INT TERM; \
		$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder --hypothesis-profile=deep

# Without the simulated world's own tests: they live in its time.
test-fast: $(VENV)/.ready
	@echo "make test-fast: unit tests and properties with few examples; takes under a minute"
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup --hypothesis-profile=fast \
		-m "not (slow or crash or serial or real or live)" --ignore=tests/unit/sandbox tests/unit tests/properties

soak: $(VENV)/.ready $(if $(MINUTES),,soak-faults)
	@echo "make soak: replicas killed, frozen and cut off for $(or $(MINUTES),60) minutes; the report is tests/chaos/SOAK.md"
	@REMEDIATOR_SOAK_MINUTES=$(or $(MINUTES),60) $(BIN)/python -m pytest tests/chaos/soak.py

soak-faults: $(VENV)/.ready
	@echo "make soak: every fault at every write of every action, on both worlds, then every kill, then storms; takes some hours"
	@REMEDIATOR_SOAK=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup tests/contract/test_faults.py
	@REMEDIATOR_CRASH_ALL=1 $(BIN)/python -m pytest tests/crash
	@REMEDIATOR_SOAK=1 $(BIN)/python -m pytest -s tests/scenario/test_storms.py

model: $(VENV)/.ready
	@echo "make model: every order of steps of runs among several workers (tests/model/run.pml); takes some minutes"
	@$(BIN)/python -m tests.model

lint: $(VENV)/.ready
	@echo "make lint: ruff, mypy, import contracts; the first time takes a minute"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "run: $(BIN)/ruff format"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/.ready
	@echo "make bench: takes some twenty minutes; nothing else should run meanwhile (QUICK=1: two minutes, proves little)"
	@$(BIN)/python -m benchmarks $(if $(filter-out 0 no false,$(QUICK)),--quick) $(if $(JSON),--json $(JSON)) $(if $(MARKDOWN),--markdown $(MARKDOWN))

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .remediator build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "remediator needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "make: installing what constraints.txt lists into $(VENV), every file checked by its hash; takes about a minute"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --no-compile --require-hashes -r constraints.txt
	@touch $@

# Without build isolation: the build backend is one of the checked packages.
$(VENV)/.ready: $(VENV)/.installed pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
