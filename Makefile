PYTHON ?= python3
BIN := .venv/bin
GPU := $(shell nvidia-smi -L 2>/dev/null)
# The 3 GB of CUDA libraries only where an NVIDIA GPU is; tensorflow-cpu has wheels for Linux on x86-64
REQUIREMENTS := $(if $(GPU),requirements.txt,$(if $(findstring Linux x86_64,$(shell uname -sm)),requirements-cpu.txt,requirements.txt))

.PHONY: course lesson test sync backends colab clean

course: .venv/installed  ## run every lesson
	@$(BIN)/python -m helpers run

ifeq ($(MAKECMDGOALS)$(N),lesson)
$(error Say which lesson: make lesson N=03)
endif
lesson: .venv/installed  ## run one: make lesson N=03, or on another backend: make lesson N=03 BACKEND=jax
	@$(BIN)/python -m helpers run $(N) $(if $(BACKEND),--backend $(BACKEND))

test: .venv/installed  ## the tests, one execution of each lesson among them
	@$(BIN)/python -m pytest

sync: .venv/installed  ## bring notebooks/ up to date with lessons/
	@$(BIN)/python -m helpers sync $(if $(wildcard lessons/solutions),--answers)

backends: .venv/backends  ## every lesson on TensorFlow, JAX and PyTorch, and README's table of them
	@$(BIN)/python -m helpers backends

colab: .venv/installed build/colab/installed  ## every notebook alone, with the versions that Colab has
	@COLAB_PYTHON=build/colab/bin/python $(BIN)/python -m pytest tests/test_colab.py

clean:  ## all that was made but the environment
	rm -rf build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path "./.venv/*" -prune -exec rm -rf {} +

.venv/installed: pyproject.toml requirements.txt requirements-cpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv from $(REQUIREMENTS): some minutes, once."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r $(REQUIREMENTS)
	@touch $@

.venv/backends: .venv/installed
	@echo "Adding JAX and PyTorch to .venv: some minutes, once."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[backends]"
	@touch $@

build/colab/installed: tests/colab-requirements.txt
	@echo "Setting up build/colab from $<: some minutes, once."
	@$(PYTHON) -m venv --clear build/colab
	@build/colab/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@
