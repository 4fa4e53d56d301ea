# Everything here works on a fresh machine with make and Python >= 3.11; Go >= 1.26 adds the tests on a real API server.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
INSTALL = $(UV) pip install --quiet --python $(BIN)/python
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--output-file
WORKERS ?= 2
N ?= 20000

.DEFAULT_GOAL := help
.PHONY: help demo test sim mutants sim-exhaustive golden lint format kill-tests bench generate lock clean bench-trainer bench-gpu trainer-faults lightly-train
# A recipe that fails leaves no half-made file behind.
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Train a small model on this machine as a cluster would: two pods, real DDP, no GPU
	@$(BIN)/python -m trainingjob_trainer prepare digits .trainingjob/datasets/digits
	@$(BIN)/trainingjob run manifests/examples/digits.yaml --claim datasets=.trainingjob/datasets/digits

test: lint ## Run every test (those on a real API server with Go >= 1.26; CI=true allows no skip)
	@$(BIN)/python tests/support/kubernetes/binaries.py >/dev/null
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup

sim: $(VENV)/.dev ## Tell N=20000 random stories of a job under faults, or one in words: SEED=7
	@PYTHONPATH=tests $(BIN)/python -m simulation.many $(if $(SEED),--seed $(SEED),--count $(N))

mutants: $(VENV)/.dev ## Break the protocol on purpose, rule by rule: the simulation has to notice each break
	@PYTHONPATH=tests $(BIN)/python -m simulation.mutation

sim-exhaustive: $(VENV)/.dev ## Look at every interleaving of small worlds; MUTANT=never-doubts shows what one rule is for
	@PYTHONPATH=tests $(BIN)/python -m simulation.exhaustive.whole \
		$(if $(MUTANT),--mutant $(MUTANT)) $(if $(WORLD),--world "$(WORLD)")

golden: $(VENV)/.dev ## Write the kept texts of the tests anew; read `git diff` then
	@WRITE_GOLDEN=1 $(BIN)/pytest --quiet tests/simulation/test_golden.py tests/core

lint: $(VENV)/.dev ## Check style, types and layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Put the code into its standard form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

kill-tests: $(VENV)/.dev ## Kill the operator at every write of six lives, before and after, on a real API server
	@TRAININGJOB_KILLS=all $(BIN)/pytest tests/kills

bench: $(VENV)/.dev ## Measure the operator beside a plain client on a real API server (CASE=burst, QUICK=1, WRITE=1)
	@PYTHONPATH=.:tests $(BIN)/python -m benchmarks.control \
		$(addprefix --case ,$(CASE)) $(if $(QUICK),--quick) $(if $(WRITE),--write)

bench-trainer: $(VENV)/.dev ## Measure the trainer beside a plain PyTorch loop (CASES=loops,loader,stall,restart QUICK=1)
	@PYTHONPATH=.:tests $(BIN)/python -m benchmarks.trainer

bench-gpu: $(VENV)/.dev ## Measure the GPT in bfloat16 on this machine's GPUs beside a plain loop (TINY=1: on the CPU)
	@PYTHONPATH=.:tests $(BIN)/python -m benchmarks.gpu

trainer-faults: $(VENV)/.dev ## Kill training 100 times at random moments, and send SIGTERM in every way
	@rm -f $(VENV)/trainer-faults.log
	@TRAINER_FAULTS=100 TRAINER_FAULTS_LOG=$(CURDIR)/$(VENV)/trainer-faults.log $(BIN)/pytest -q \
		tests/training/test_faults_kills.py tests/training/test_preemption.py
	@cat $(VENV)/trainer-faults.log

lightly-train: $(VENV)/lightly/.done ## Train with LightlyTrain (AGPL-3.0, installed apart) on two pods
	@$(VENV)/lightly/bin/python tests/launchers/lightly_train_on_two_pods.py

generate: $(VENV)/.dev ## Write the CRD, docs/api.md, the chart's copies and manifests/install.yaml anew
	@$(BIN)/trainingjob crd > $(VENV)/crd.yaml
	@cp $(VENV)/crd.yaml manifests/crd.yaml
	@$(BIN)/trainingjob reference > $(VENV)/api.md
	@cp $(VENV)/api.md docs/api.md
	@PYTHONPATH=tests $(BIN)/python -m support.chart

lock: $(VENV)/.uv ## Choose the newest allowed versions of all dependencies anew (requirements/*.txt)
	@$(COMPILE) requirements/dev.txt --upgrade pyproject.toml --extra dev
	@echo hatchling | $(COMPILE) requirements/build.txt --upgrade --constraint requirements/dev.txt -
	@echo uv | $(COMPILE) requirements/bootstrap.txt --upgrade -
	@$(COMPILE) requirements/operator.txt --upgrade --constraint requirements/dev.txt pyproject.toml --extra operator
	@$(COMPILE) requirements/trainer.txt --upgrade --constraint requirements/dev.txt pyproject.toml --extra trainer
	@$(COMPILE) requirements/demo.txt --upgrade --constraint requirements/dev.txt pyproject.toml --extra sandbox --extra trainer

clean: ## Remove the environment, caches and what demos left (downloads and built binaries in ~/.cache stay)
	rm -rf $(VENV) .trainingjob .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	find operator trainer tests -name __pycache__ -prune -exec rm -rf {} +

# --- the environment: each stamp file is newer than all that went into it ---------------------------------------------

$(VENV)/.uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: '$(PYTHON)' is no Python >= 3.11 with the venv module."; \
		echo "Name one that is: make PYTHON=/path/to/python3.12 (on Debian and Ubuntu also: apt install python3-venv)"; \
		exit 1; } >&2
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.demo: $(VENV)/.uv requirements/build.txt requirements/demo.txt pyproject.toml
	@echo "installing what the demo needs (PyTorch is large; once)"
	@$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/demo.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.uv requirements/build.txt requirements/dev.txt pyproject.toml
	@echo "installing what development needs (PyTorch is large; once)"
	@$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.demo $@

$(VENV)/lightly/.done: $(VENV)/.uv pyproject.toml
	@echo "installing LightlyTrain (once)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/lightly
	@$(UV) pip install --quiet --python $(VENV)/lightly/bin/python --editable ".[sandbox,trainer]" "lightly-train~=0.18.0"
	@touch $@
