# Needs only Python >= 3.11 and make. Everything is installed into .venv, from the hash-locked requirements/.
# Choose another interpreter with PYTHON=python3.12, the GPU with DEVICE=cuda, and pass arguments with ARGS="…".
PYTHON ?= python3
DEVICE ?= auto
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --require-hashes
DOCKER_DEVICE := $(if $(filter cuda,$(DEVICE)),cuda,cpu)

ifeq ($(filter auto cpu cuda,$(DEVICE)),)
$(error DEVICE is "$(DEVICE)", expected auto, cpu or cuda)
endif

.DEFAULT_GOAL := help
.PHONY: setup serve test check fmt lock train export bench docker help

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '%-8s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.dev ## Install everything for development (Python 3.11 to 3.13)

serve: $(VENV)/.service$(if $(filter cuda,$(DEVICE)),-cuda) ## Start the service on port 8000; DEVICE=cuda adds the CUDA wheels and insists on the GPU
	$(if $(filter-out auto,$(DEVICE)),POSE_DEVICE=$(DEVICE)) $(BIN)/python -m service serve $(ARGS)

test: setup ## Run all tests that need no GPU
	$(BIN)/python -m pytest -n auto -m "not gpu" $(ARGS)

check: setup ## Check formatting, lint, types and import rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	$(BIN)/lint-imports

fmt: setup ## Format the code and apply safe lint fixes
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

COMPILE = $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" pyproject.toml
lock: setup ## Lock the versions again after a change in pyproject.toml; ARGS=--upgrade takes the newest
	$(COMPILE) $(ARGS) --extra dev --output-file requirements/dev.txt
	for extra in service gpu training otel; do \
		$(COMPILE) $(ARGS) --extra $$extra --constraint requirements/dev.txt \
			--output-file requirements/$$extra.txt || exit 1; \
	done

train: setup ## Train a network: make train ARGS="--recipe mobilenetv2-heatmap --data.train … --output runs/x"
	$(BIN)/python -m training train $(ARGS)

export: setup ## Write a trained run as a bundle: make export ARGS="…"
	$(BIN)/python -m training export $(ARGS)

bench: setup ## Time decoding, detection and keypoints on this machine
	$(BIN)/python -m benchmarks $(ARGS)

docker: ## Build both images; DEVICE=cuda puts the CUDA libraries into the service's
	docker build --file docker/service.Dockerfile --build-arg DEVICE=$(DOCKER_DEVICE) --tag stance-service .
	docker build --file docker/training.Dockerfile --tag stance-training .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo '$(PYTHON) is missing or older than 3.11: install Python >= 3.11 or name one, for example make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo '$(PYTHON) has no venv module: on Debian and Ubuntu, apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp per set of requirements, so that a second call installs nothing.
$(VENV)/.service: requirements/service.txt | $(BIN)/python
	$(PIP) -r requirements/service.txt
	@touch $@

$(VENV)/.service-cuda: requirements/service.txt requirements/gpu.txt | $(BIN)/python
	$(PIP) -r requirements/service.txt -r requirements/gpu.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(BIN)/python
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || \
		{ echo 'TensorFlow has no wheel for this Python: remove $(VENV) and name Python 3.11 to 3.13, for example make setup PYTHON=python3.13' >&2; exit 1; }
	$(PIP) -r requirements/dev.txt
	@touch $@
