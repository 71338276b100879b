# `make demo` and `make test` need nothing but Python 3.10+ and set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# pydensecrf2 does not build on Python 3.13; the package itself leaves it out there.
EXTRAS := lite,cam,crf,onnx,query,test

.PHONY: demo test docs lint clean

$(STAMP): pyproject.toml setup.py requirements/constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 13); sys.exit(None if ok else "mmws needs Python 3.10 to 3.13, found " + sys.version.split()[0] + ": run make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python -W ignore tools/demo.py

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest tests

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e '.[docs]'
	rm -rf docs/api docs/_build
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build
	@echo 'docs/_build/index.html'

lint: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info docs/api docs/_build
