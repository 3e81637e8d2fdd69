# Verbs: demo, test, test-slow, coverage, check, wheel, audit, clean. Each sets up what it needs; a second run reuses it.
VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
MODEL  ?=
IMAGES ?=
# Many tests wait for a process that starts or a server that answers: two at a time, a file each.
WORKERS ?= 2
BIN     = $(VENV)/bin
TORCH   = $(VENV)/.torch
STAMP   = $(VENV)/.installed
TOOLS   = $(VENV)/.installed-test
DEMO    = demo
# Twice quiet: only what fails. A warning on every index that pip is told of says nothing to anybody.
INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
STARTED = start=$$(date +%s)
TOOK    = $$(( $$(date +%s) - start )) s

.DEFAULT_GOAL = help
.PHONY: help install demo test test-slow coverage check wheel lock audit clean

help:
	@echo "make demo   index pictures and search them (IMAGES=folder, MODEL=hub id or directory)"
	@echo "make test   run the test suite"
	@echo "make test-slow  real commands and servers, killed, stopped and crowded, and real photos: as long again"
	@echo "make coverage  the tests in one process under coverage; fails below the floor in pyproject.toml"
	@echo "make check  lint, types and the import contract"
	@echo "make wheel  build the wheel and use it where no checkout is seen"
	@echo "make audit  look up known holes in the pinned packages (needs the network)"
	@echo "make clean  remove the environment and the demo's output"

install: $(STAMP)

$(TORCH): constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "crossmodal needs Python 3.11 or later; name one with make PYTHON=..."'
	@echo "==> installing into $(VENV) (minutes on the first run)"
	@test -x $(BIN)/python || { $(STARTED); $(PYTHON) -m venv $(VENV) && echo "==> $(VENV) made in $(TOOK)"; }
	@$(STARTED); index=$$($(BIN)/python .ci/torch_index.py) && \
	  $(INSTALL) $${index:+--extra-index-url $$index} torch && echo "==> torch installed in $(TOOK)"
	@touch $@

$(STAMP): pyproject.toml constraints.txt $(TORCH)
	@$(STARTED); $(INSTALL) --editable . && echo "==> crossmodal installed in $(TOOK)"
	@touch $@

$(TOOLS): $(STAMP)
	@$(STARTED); $(INSTALL) --editable '.[test]' && echo "==> what tests and checks need installed in $(TOOK)"
	@touch $@

demo: $(STAMP)
	@$(STARTED); $(BIN)/python -m examples.demo $(DEMO) --images '$(IMAGES)' --model '$(MODEL)' && \
	  echo "==> the demo took $(TOOK)"

test: $(TOOLS)
	@$(STARTED); \
	  $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 15; code=$$?; \
	  echo "==> tests took $(TOOK)"; exit $$code

test-slow: $(TOOLS)
	@$(STARTED); \
	  $(BIN)/python -m pytest -m "slow or (process and not meaning)" -n $(WORKERS) --dist loadfile --durations 5; code=$$?; \
	  echo "==> slow tests took $(TOOK)"; exit $$code

coverage: $(TOOLS)
	@$(STARTED); \
	  $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov \
    -m "not operation and not slow and not process and not browser"; code=$$?; \
	  echo "==> tests under coverage took $(TOOK)"; exit $$code

check: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheel: $(TOOLS)
	@$(STARTED); $(BIN)/python .ci/wheel.py && echo "==> the wheel took $(TOOK)"

lock: $(TOOLS)
	@$(STARTED); $(BIN)/python .ci/lock.py && echo "==> the lock took $(TOOK)"

audit: $(TOOLS)
	@$(INSTALL) pip-audit && $(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

clean:
	rm -rf $(VENV) $(DEMO)
