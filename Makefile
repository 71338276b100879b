# `make demo` and `make test` need nothing but Python 3.10 or newer and set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_STAMP := $(VENV)/.for-demo
TEST_STAMP := $(VENV)/.for-test
DEMO_EXTRAS := openmmlab,lite,cam
# `make test HOSTS=onedl` takes OneDL's forks, which mmdet does not work with.
HOSTS := $(DEMO_EXTRAS),query
TEST_EXTRAS := $(HOSTS),onnx,test
SOURCES := pyproject.toml setup.py requirements/constraints.txt
# uv takes a fifth of pip's time. What it cannot install, such as from an index that only pip's
# settings name, pip tries again.
UV := $(shell command -v uv 2>/dev/null)
UNDER := -c requirements/constraints.txt
install = $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python $(UNDER) -e '.[$(1)]' ||) \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UNDER) -e '.[$(1)]'
# .ci/run shuffles them; SLOW=1 .ci/run runs the slow ones too.
PYTEST := -m "not slow"

.PHONY: demo test docs lint clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 10) else "mmws needs Python 3.10 or newer, found " + sys.version.split()[0] + ": run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(DEMO_STAMP): $(SOURCES) | $(BIN)/python
	$(call install,$(DEMO_EXTRAS))
	@touch $@

$(TEST_STAMP): $(SOURCES) | $(BIN)/python
	$(call install,$(TEST_EXTRAS))
	@touch $@ $(DEMO_STAMP)

demo: $(DEMO_STAMP)
	$(BIN)/python -W ignore tools/demo.py

test: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest tests $(PYTEST)

docs: $(TEST_STAMP)
	$(call install,docs)
	rm -rf docs/api docs/_build
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build
	@echo 'docs/_build/index.html'

lint: $(TEST_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info docs/api docs/_build
