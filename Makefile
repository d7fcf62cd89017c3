# `make book` and `make test` work in a fresh checkout; both make what they need first and may be repeated.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
STEP   := $(BIN)/python tools/step.py
BOOK   := $(BIN)/jupyter-book build . -W -n --keep-going
NBVAL  := env OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval book --nbval-current-env --nbval-sanitize-with tests/nbval.cfg \
          --nbval-cell-timeout=400 -q -p no:cacheprovider

# Small networks on two cores: threads that wait must sleep, or a busy machine makes them ten times slower. Notebooks,
# whose networks are the smallest, run on one thread.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help book test notebooks stamp widgets clean
.DEFAULT_GOAL := help

help:
	@echo "make book        build the pages and say what to open"
	@echo "make test        run all tests: code, notebooks, library, pages in a browser (Chromium)"
	@echo "make notebooks   run the notebooks in order and store their results"
	@echo "make stamp       write the book's address into the notebooks (URL=https://... sets it first)"
	@echo "make widgets     bundle the widgets' JavaScript (needs Node; readers never do)"
	@echo "make clean       remove what was built, keep the environment"

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This book needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "==> making the environment $(VENV) (a few minutes the first time: torch is large)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

book: $(READY)
	@$(STEP) "book: jupyter-book" $(BOOK)
	@echo "Open this file in a browser: $(CURDIR)/_build/html/index.html"

test: $(READY)
	@$(STEP) "ruff" $(BIN)/ruff check book cnnlib tests tools
	@$(STEP) "notebooks: executed, clean, stamped" $(BIN)/python tools/notebooks.py check
	@$(STEP) "library" $(BIN)/python -m pytest tests --ignore tests/site -q
	@$(STEP) "notebooks: run again and compared" $(NBVAL)
	@$(STEP) "book: jupyter-book" $(BOOK)
	@$(STEP) "pages in a browser" $(BIN)/python -m pytest tests/site -q
	@echo "All tests passed."

notebooks: $(READY)
	@$(STEP) "notebooks: execute" $(BIN)/python tools/notebooks.py execute
	@$(BIN)/python tools/notebooks.py check

stamp: $(READY)
	@$(BIN)/python tools/notebooks.py stamp $(URL)

widgets:
	npm --prefix cnnlib/widgets install --no-fund --no-audit
	node cnnlib/widgets/build.mjs

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
