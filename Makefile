# Everything sets itself up in .venv; the only need is Python 3.11 or later as python3.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Python compiles what is imported, a small part of what is installed, and keeps it: the tests start
# hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# Collecting all tests takes longer than running some: those of a mark are looked for where it stands.
LONG := grep -rlE --include='test_*.py' 'mark\.long|LONG|tails|targets|@each' tests
TORCH := grep -rlE --include='test_*.py' 'mark\.torch' tests
BROWSER := grep -rlE --include='test_*.py' 'mark\.browser' tests

EXAMPLES := segmentation sensors volumes tags

.PHONY: demo examples test long search lint torch browser pictures bench clean
.DEFAULT_GOAL := demo

demo: $(VENV)/installed  ## train on the digits and take a gradient apart
	$(BIN)/python examples/first_run.py

examples: $(VENV)/installed-test  ## run the programs in examples/, which leave pictures here
	for name in $(EXAMPLES); do $(BIN)/python examples/$$name.py || exit 1; done

test: $(VENV)/installed-test  ## all tests that need no PyTorch
	$(BIN)/python -m pytest -m "not long and not torch and not browser" -n auto --dist worksteal

long: $(VENV)/installed-test  ## the long tails of those tests
	$(BIN)/python -m pytest -m "long and not torch and not browser" -n auto --dist worksteal $$($(LONG))

search: $(VENV)/installed-test  ## those and more: what is drawn by number 300 times, or SEARCH=, and every pair of tables
	GRADTRAIL_SEARCH=$(or $(SEARCH),300) $(BIN)/python -m pytest -m "not torch and not browser" -n auto --dist worksteal $$($(LONG))

lint: $(VENV)/installed-dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

torch: $(VENV)/installed-test  ## the comparisons with PyTorch, which must be in .venv
	$(BIN)/python -m pytest -m torch -n auto --dist worksteal $$($(TORCH))

browser: $(VENV)/installed-browser  ## the pages in Chromium, which must be at /usr/bin/chromium
	node $(VENV)/prettier/package/bin/prettier.cjs --check --log-level warn src/gradtrail/exploring/page
	GRADTRAIL_AXE=$(VENV)/axe/package/axe.min.js $(BIN)/python -m pytest -m browser -n auto --dist loadfile $$($(BROWSER))

pictures: $(VENV)/installed-browser  ## the pictures in docs/, from the code and the page themselves
	$(BIN)/python docs/pictures/rooms.py
	$(BIN)/python docs/pictures/make.py
	cd docs/pictures && $(abspath $(BIN))/gradtrail rates --plot rates.png
	cd docs/pictures && for name in $(EXAMPLES); do $(abspath $(BIN))/python ../../examples/$$name.py; done

bench: $(VENV)/installed-bench  ## speed and accuracy against PyTorch and others, as far as .venv has them
	$(BIN)/python -m benchmarks.training $(BENCH)
	$(BIN)/python -m benchmarks.accuracy

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gradtrail needs Python 3.11 or later; make PYTHON=python3.11 chooses one"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed-test
	$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/installed-browser: $(VENV)/installed-test
	$(PIP) playwright
	for package in axe-core@4 prettier@3; do \
		mkdir -p $(VENV)/$${package%%[-@]*}; (cd $(VENV)/$${package%%[-@]*} && \
			npm pack --silent $$package >/dev/null && tar xzf *.tgz) || exit 1; done
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(PIP) --editable '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
