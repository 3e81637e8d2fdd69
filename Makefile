# Four verbs: demo, test, check, clean. Each sets up what it needs; a second run reuses it.
VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
MODEL  ?=
IMAGES ?=
# Many tests wait for a process that starts or a server that answers: two at a time, a file each.
WORKERS ?= 2
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed
DEMO    = demo

.DEFAULT_GOAL = help
.PHONY: help install demo test check clean

help:
	@echo "make demo   index pictures and search them (IMAGES=folder, MODEL=hub id or directory)"
	@echo "make test   run the whole test suite"
	@echo "make check  lint, types and the import contract"
	@echo "make clean  remove the environment and the demo's output"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "crossmodal needs Python 3.11 or later; name one with make PYTHON=..."'
	@echo "==> installing into $(VENV) (minutes on the first run)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@start=$$(date +%s); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]' && \
	  echo "==> installed in $$(( $$(date +%s) - start )) s"
	@touch $@

demo: $(STAMP)
	@CROSSMODAL_IMAGES='$(IMAGES)' CROSSMODAL_MODEL='$(MODEL)' $(BIN)/python -m examples.demo $(DEMO)

test: $(STAMP)
	@start=$$(date +%s); \
	  $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 15; code=$$?; \
	  echo "==> tests took $$(( $$(date +%s) - start )) s"; exit $$code

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(DEMO)
