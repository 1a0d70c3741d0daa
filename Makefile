# Two commands do everything on a fresh machine: `make demo` and `make test`.
# A torch that is already in .venv is kept; otherwise the pinned one is installed, which on some
# platforms brings CUDA libraries (gigabytes). For a CPU build first run, for example:
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_FLAGS ?=
BENCH ?=
GALLERY ?=
MATRIX ?=
BIN := .venv/bin
DEMO := demo
# Python compiles what is imported, when it is, and keeps that; pip would compile some 17,000 files for a minute, most of
# which nothing imports.
INSTALL := -m pip install --quiet --no-compile --disable-pip-version-check
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test check bench docs gallery pages families fuzz soak matrix axe lint style format clean

demo: .venv/.installed-demo
	mkdir -p $(DEMO)
	$(BIN)/probekit extract minilm grammar:n=4000 --cache $(DEMO)/cache
	$(BIN)/probekit probe --task pos --cache $(DEMO)/cache --plot $(DEMO)/pos.png --out $(DEMO)/pos.jsonl
	@echo "The layer curve: $(abspath $(DEMO)/pos.png)"

# Types are checked beside the tests: alone, they would keep one core busy for a minute and the other idle.
test: .venv/.installed-test style
	@nice $(BIN)/mypy & types=$$!; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope; tests=$$?; \
	wait $$types && exit $$tests

# The pictures of docs/, then its pages as a site.
docs: gallery pages

# Every picture whose data are there (PROBEKIT_DATA, PROBEKIT_MODELS), by the commands of its page, once for each state of
# the package; the others are named. All that are told to take longer: make gallery GALLERY="--minutes 60".
gallery: .venv/.installed-demo
	$(BIN)/python docs/gallery.py $(GALLERY)

# The pages of docs/ as a site, docs/_build/index.html; a warning fails it.
pages: .venv/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build

# All take about an hour on two cores with PROBEKIT_DATA; some: make bench BENCH="online structural".
bench: .venv/.installed-test
	$(BIN)/python tests/bench/run.py $(BENCH)

# Every text model type of the installed transformers, tiny: writes docs/families.md.
families: .venv/.installed-test
	$(BIN)/python tests/bench/families.py

# The tests over drawn examples, on new ones: a find is kept as an @example.
fuzz: .venv/.installed-test
	OMP_NUM_THREADS=1 PROBEKIT_EXAMPLES=new $(BIN)/python -m pytest -n 2 -m hypothesis

# Extract, kill at a random moment, resume; 200 times, at most ten minutes.
soak: .venv/.installed-test
	$(BIN)/python tests/soak/soak.py $(SOAK)

# The core of the tests under the lowest versions that pyproject.toml promises, the pinned and the newest, a line each; some:
# make matrix MATRIX="lowest torch-newest". The environments lie over .venv, in .venv-matrix.
matrix: .venv/.installed-test
	PIP_FLAGS="$(PIP_FLAGS)" $(BIN)/python tests/matrix/matrix.py $(MATRIX)

# The pages of reports under the rules of axe-core, which npm fetches, in a Chromium that is installed.
axe: .venv/.installed-test
	npm install --silent --no-save --prefix .venv/axe axe-core@4.14.1
	$(BIN)/python -m pytest -rs tests/report/test_page_browser.py

lint: .venv/.installed-test style
	$(BIN)/mypy

style: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(DEMO) build dist docs/_build docs/_gallery docs/_notebooks .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --upgrade pip

# The extra `demo`, `test` or `docs`, at the tested versions. An installed torch leaves the pins.
.venv/.installed-%: pyproject.toml constraints.txt .venv/bin/python
	@if $(BIN)/python -c "import importlib.metadata as m; m.version('torch')" 2>/dev/null; \
	then grep -v '^torch==' constraints.txt > .venv/constraints.txt; \
	else cp constraints.txt .venv/constraints.txt; \
	     $(BIN)/python $(INSTALL) $(PIP_FLAGS) -c constraints.txt "$$(grep '^torch==' constraints.txt)"; fi
	$(BIN)/python $(INSTALL) $(PIP_FLAGS) -c .venv/constraints.txt -e ".[$*]"
	@touch $@
