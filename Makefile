# `make book` and `make test` work in a fresh checkout; both make what they need first and may be repeated.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY  := $(VENV)/.installed
STEP   := $(BIN)/python tools/step.py
BOOK   := $(BIN)/jupyter-book build . -W -n --keep-going
# Two workers, a notebook or a test file each, so that cells stay in order. With `--dist worksteal` each has half of the
# tests, and one that has nothing left takes over tests of the other.
UNITS  := -q -p no:cacheprovider -n 2 --dist loadfile
PYTEST := $(BIN)/python -m pytest $(UNITS)
NBVAL  := --nbval --nbval-sanitize-with tests/nbval.cfg --nbval-cell-timeout=400
CELLS  := book $(NBVAL) --nbval-current-env
# In `make test` kernels are copies of a process that has imported PyTorch; on other versions they start by themselves.
COPIES := book $(NBVAL) -p tests.kernels --nbval-kernel-name copy
LIBRARY := tests --ignore tests/site

# Environments of other versions: the lowest that requirements.txt allows, and Colab's (ipywidgets 7, IPython 7). Each is
# downloaded and has a Python of its own, so they are targets by themselves, and no part of test-matrix.
LOWEST := .venv-lowest
COLAB  := .venv-colab
# Bytecode is written when a module is first imported: for all of PyTorch's at once pip would take half a minute.
PIP    := -m pip install --quiet --disable-pip-version-check --no-compile

# Small networks on two cores: threads that wait must sleep, or a busy machine makes them ten times slower. Tests and
# notebooks run on one thread each, two at a time.
export OMP_WAIT_POLICY ?= PASSIVE
export PYTHONUTF8 ?= 1
# Each test process and kernel would compile the library anew where no bytecode is kept.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help book publish zip pdf links test test-library steps test-matrix test-lowest test-colab test-luck notebooks stamp trainer widgets clean
.DEFAULT_GOAL := help

help:
	@echo "make book        build the pages and say what to open"
	@echo "make publish     build, check, and show what would be pushed to the branch gh-pages (PUSH=1 pushes it)"
	@echo "make zip         pack pages, notebooks and the library's wheel for a class without network"
	@echo "make pdf         print the pages as one PDF (NAME=lenet/watch a section, NAME=lenet a chapter; needs Chromium)"
	@echo "make links       ask every outside address in the pages whether it is still there"
	@echo "make test        run all tests: code, notebooks, library, pages in a browser (Chromium)"
	@echo "make test-library run the library's tests alone"
	@echo "make test-matrix run library and notebooks as other processors and more threads would; all of torchvision"
	@echo "make test-lowest run the library and a notebook on the lowest versions in requirements.txt (PYTHON=python3.11)"
	@echo "make test-colab  run the library, as installed, and all notebooks on Colab's versions (PYTHON=python3.13)"
	@echo "make test-luck   run the library's tests 20 times in random order (ROUNDS=20)"
	@echo "make notebooks   run the notebooks in order and store their results"
	@echo "make stamp       write the book's address into the notebooks (URL=https://... sets it first)"
	@echo "make trainer     compile the in-page trainer's kernels (needs clang, lld, binaryen), then bundle as make widgets does"
	@echo "make widgets     bundle the widgets' JavaScript (needs Node; readers never do)"
	@echo "make clean       remove what was built, keep the environment"

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This book needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "==> making the environment $(VENV) (a few minutes the first time: torch is large)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) -r requirements.txt
	@touch $@

book: $(READY)
	@$(STEP) "book: jupyter-book" $(BOOK)
	@echo "Open this file in a browser: $(CURDIR)/_build/html/index.html"

# A copy's own address first, which is committed and pushed if it is new: pages are built from what is committed.
publish: $(READY)
	@$(if $(filter 1,$(PUSH)),$(BIN)/python tools/publish.py stamp)
	@$(MAKE) --no-print-directory book
	@$(STEP) "publish" $(BIN)/python tools/publish.py $(if $(filter 1,$(PUSH)),push)

zip: book
	@$(STEP) "zip" $(BIN)/python tools/pack.py

pdf: book
	@$(STEP) "pdf" $(BIN)/python tools/pdf.py $(NAME)

links: book
	@$(STEP) "outside links" $(BIN)/python tools/links.py

# All steps, also after one that failed; then their times, and what the tests counted.
test: export STEPS := $(VENV)/.steps
test: $(READY)
	@rm -f $(STEPS)
	@$(MAKE) --no-print-directory --ignore-errors steps
	@$(BIN)/python tools/step.py --table

test-library: $(READY)
	@$(STEP) "library" env OMP_NUM_THREADS=1 $(PYTEST) --dist worksteal $(LIBRARY)

steps:
	@$(STEP) "ruff" $(BIN)/ruff check book cnnlib tests tools
	@$(STEP) "notebooks: executed, clean, stamped" $(BIN)/python tools/notebooks.py check
	@$(MAKE) --no-print-directory test-library
	@$(STEP) "notebooks: run again and compared" env OMP_NUM_THREADS=1 $(PYTEST) $(COPIES)
	@$(STEP) "book: jupyter-book" $(BOOK)
	@$(STEP) "pages in a browser" $(PYTEST) --dist worksteal tests/site

test-matrix: $(READY)
	@$(STEP) "library and notebooks as on other machines" $(BIN)/python tools/matrix.py $(UNITS) \
	  $(LIBRARY) $(CELLS)
	@$(STEP) "summary: all of torchvision, three oracles" env OMP_NUM_THREADS=1 $(PYTEST) -m slow tests/anatomy/test_watch.py

test-lowest:
	@$(PYTHON) -m venv $(LOWEST)
	@sed -nE 's/^([a-z-]+)>=([0-9.]+).*/\1==\2/p' requirements.txt > $(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python $(PIP) -c $(LOWEST)/constraints.txt -r requirements.txt
	@$(LOWEST)/bin/python tools/step.py "library and a notebook, lowest versions" env OMP_NUM_THREADS=1 \
	  $(LOWEST)/bin/python -m pytest $(UNITS) $(LIBRARY) $(CELLS:book=book/anatomy)

# The wheel, and a copy of the repository without the library, so that nothing but the wheel can be imported.
test-colab:
	@$(PYTHON) -m venv $(COLAB)
	@rm -rf $(COLAB)/wheel
	@$(COLAB)/bin/python -m pip wheel --quiet --no-deps --wheel-dir $(COLAB)/wheel .
	@$(COLAB)/bin/python $(PIP) -c tests/colab.txt $$(sed -nE 's/^([A-Za-z-]+)==.*/\1/p' tests/colab.txt) \
	  torchinfo sphinx latex2mathml nbval pytest pytest-xdist pytest-random-order hypothesis playwright pypdf ghp-import
	@$(COLAB)/bin/python $(PIP) --force-reinstall --no-deps $(COLAB)/wheel/*.whl
	@copy=$$(mktemp -d); git ls-files -z -- . ':!cnnlib' | tar -c --null -T - | tar -x -C $$copy; cd $$copy; \
	  python=$(abspath $(COLAB))/bin/python; export OMP_NUM_THREADS=1; \
	  $$python tools/step.py "library and notebooks, Colab" $$python -m pytest $(UNITS) $(LIBRARY) $(CELLS); \
	  code=$$?; rm -r $$copy; exit $$code

test-luck: $(READY)
	@for round in $$(seq $(or $(ROUNDS),20)); do \
	  $(STEP) "library, round $$round" env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -p no:cacheprovider -n 2 \
	    --random-order-bucket=global --random-order-seed=$$round --hypothesis-profile=new $(LIBRARY) || failed=1; \
	done; [ -z "$$failed" ]

notebooks: $(READY)
	@$(STEP) "notebooks: execute" $(BIN)/python tools/notebooks.py execute
	@$(BIN)/python tools/notebooks.py check

stamp: $(READY)
	@$(BIN)/python tools/notebooks.py stamp $(URL)

trainer: $(READY)
	$(BIN)/python -m cnnlib.widgets.trainer.compile
	$(MAKE) --no-print-directory widgets

widgets:
	npm --prefix cnnlib/widgets install --no-fund --no-audit
	node cnnlib/widgets/build.mjs

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
