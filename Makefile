# make demo    make test    make test-slow    make format
# A fresh machine needs Python 3.11 to 3.13 and nothing else; VENV=DIR, PYTHON=PROGRAM and JOBS=N choose others.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
SITE ?= site
# Tests run side by side, each on one thread, so that the threads of one do not wait for those of another.
JOBS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS)
# COVERAGE=1 measures branches; the floor stands in pyproject.toml.
COVERAGE ?=
# Seconds after which no further slow test starts; comparisons with official code come first, what is left is named.
TIME_LIMIT ?=

# The Python in which sam2 and transformers are compared with their doors.
FOREIGN := $(VENV)/foreign
export TRACKBENCH_FOREIGN_PYTHON ?= $(abspath $(FOREIGN))/bin/python

.PHONY: demo test test-slow test-exhaustive lint format docs clean

# The tested version of torch comes first, so that nothing else draws in another one.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,train]'
	touch $@

# sam2 names torchvision, which would draw in another torch, and whose part that follows a video imports none of it. So
# its packages come without what they name, into an environment that also sees those of the tests.
$(FOREIGN)/.installed: $(VENV)/.installed
	$(BIN)/python -m venv --without-pip $(FOREIGN)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > `$(FOREIGN)/bin/python -c \
	  "import sysconfig; print(sysconfig.get_path('purelib'))"`/tested.pth
	$(BIN)/pip --python $(FOREIGN)/bin/python install --quiet --constraint constraints.txt setuptools
	SAM2_BUILD_CUDA=0 $(BIN)/pip --python $(FOREIGN)/bin/python install --quiet --constraint constraints.txt --no-deps \
	  --no-build-isolation sam2 hydra-core omegaconf antlr4-python3-runtime iopath portalocker tqdm
	touch $@

demo: $(VENV)/.installed
	test -d $(DEMO)/benchmark || $(BIN)/trackbench synthesize $(DEMO)/benchmark --sequences 6 --frames 60 --layout otb
	$(BIN)/trackbench run dcf static --dataset $(DEMO)/benchmark --runs $(DEMO)/runs
	$(BIN)/trackbench report --dataset $(DEMO)/benchmark --runs $(DEMO)/runs

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	$(PYTEST) -rfE $(if $(COVERAGE),--cov=trackbench --cov-branch --cov-report=term:skip-covered)

test-slow: $(FOREIGN)/.installed
	$(PYTEST) -m 'slow and not exhaustive' -rfEs $(if $(TIME_LIMIT),--time-limit $(TIME_LIMIT))

docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir $(SITE)

test-exhaustive: $(VENV)/.installed
	$(PYTEST) -m exhaustive

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(DEMO) dist .pytest_cache .mypy_cache .ruff_cache
