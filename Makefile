# Each command builds .venv and installs what it needs by itself, and only when pyproject.toml or
# requirements.lock is newer than the last complete installation, which a stamp in .venv marks:
# .course, .site or .test.

ARGS ?=
# An interpreter to use in place of the newest one found.
PYTHON ?=
# With LATEST=1, the newest releases are installed and not those of requirements.lock. TORCH_INDEX
# is the address of a package index from which torch and torchvision come, for instance without
# CUDA. Both hold for as long as .venv exists: it keeps them in .choices.
-include .venv/.choices
LATEST ?= $(CHOSEN_LATEST)
TORCH_INDEX ?= $(CHOSEN_TORCH_INDEX)
# Free space asked for before .venv is made. On Linux torch comes with its CUDA libraries.
NEEDED_GB ?= $(if $(TORCH_INDEX),3,$(if $(filter Linux,$(shell uname -s)),10,3))

LOCKED = $(if $(LATEST),,-c requirements.lock)
PYTHONS = python3.14 python3.13 python3.12 python3.11 python3
# JupyterLab refuses to run as root, as in most containers, unless it is told to.
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)
FIRST = notebooks/00_start_here.ipynb
# JupyterLab asks at its first start whether to fetch news, over the first lesson, and asks the
# network for a newer version of itself. This course needs neither.
LAB_SETTINGS = .venv/share/jupyter/lab/settings/overrides.json
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}

# Many container images tell Python to keep no compiled modules. Then each kernel compiles PyTorch
# anew, which takes longer than importing it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help lab test test-full e2e evidence peers site lock clean

help:
	@echo 'make lab        open the course in JupyterLab (make lab ARGS="--no-browser --port 9999")'
	@echo 'make test       lint, run the tests, and run every notebook'
	@echo 'make test-full  run the tests that take long'
	@echo 'make e2e        run the course in a real browser (needs Chromium)'
	@echo 'make evidence   train what the tables of the evidence lack; takes hours (STUDY=name for one)'
	@echo 'make peers      the table of our schedules beside those of other libraries'
	@echo 'make site       the course as a site, in build/site'
	@echo 'make lock       write requirements.lock anew (newer releases: make lock ARGS=--upgrade)'
	@echo 'make clean      remove .venv and caches'

lab: .venv/.course .venv/.trusted
	.venv/bin/python -m jupyterlab $(FIRST) --ServerApp.root_dir="$(CURDIR)" $(AS_ROOT) $(ARGS)

test: .venv/.test
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy
	.venv/bin/lint-imports --no-logo
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2
	.venv/bin/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300 notebooks

test-full: .venv/.test
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 -m slow

e2e: .venv/.test
	.venv/bin/python -m pytest -m e2e tests/e2e

evidence: .venv/.course
	.venv/bin/python -m coslr.course.evidence $(STUDY)

peers: .venv/.test
	@.venv/bin/python -m tests.peers

site: .venv/.site
	.venv/bin/python -m sphinx -q -W --keep-going docs build/site
	@echo "Open build/site/index.html in a browser."

# A pin stays as it is while pyproject.toml allows it, unless ARGS asks for newer releases.
# UV_TORCH_BACKEND would write the name of its own torch into the lock, as in torch==2.14.1+cpu.
lock: .venv/.installer
	unset UV_TORCH_BACKEND; .venv/bin/python -m uv pip compile pyproject.toml --all-extras \
	  --group install --group test --group build --universal --python-version 3.11 --quiet \
	  --output-file requirements.lock --annotation-style line --custom-compile-command 'make lock' $(ARGS)

clean:
	rm -rf build docs/api docs/notebooks .venv
	rm -rf .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis

# .installer holds the command that installs packages. An installation renames it while it writes.
# One that is killed may leave half a package, and then there is no .installer, so .venv starts
# again. pip's temporary files go into .venv too: /tmp is often too small for the CUDA libraries.
INSTALL = TMPDIR="$$PWD/.venv/tmp" .venv/bin/python -m $$(cat .venv/.unfinished)
# torch and torchvision are installed first and without their dependencies, so that the other index
# serves nothing else. They satisfy the lock, because its torch==2.14.1 also allows 2.14.1+cpu.
FROM_TORCH_INDEX = PIP_INDEX_URL="$(TORCH_INDEX)" UV_DEFAULT_INDEX="$(TORCH_INDEX)"

.venv/.course .venv/.site .venv/.test: .venv/.installer pyproject.toml requirements.lock
	@mkdir -p .venv/tmp && mv .venv/.installer .venv/.unfinished
	@echo 'Installing the packages into .venv'
	@$(if $(TORCH_INDEX),$(FROM_TORCH_INDEX) $(INSTALL) --no-deps torch torchvision $(LOCKED) &&) \
	$(INSTALL) -e '.[course]' $(patsubst %,--group %,$(filter-out course,$(@:.venv/.%=%))) $(LOCKED) \
	  || { mv .venv/.unfinished .venv/.installer; echo "The packages could not be installed; the lines" \
	    "above say why. With no network, 'touch $@' goes on with those that are there." >&2; exit 1; }
	@mkdir -p $(dir $(LAB_SETTINGS)) && echo '$(QUIET)' > $(LAB_SETTINGS)
	@rm -rf .venv/tmp && mv .venv/.unfinished .venv/.installer
	@touch .venv/.course $(if $(filter %.test,$@),.venv/.site) $@

# JupyterLab runs no script of a notebook that it does not trust, and then our explorables stand
# still. If the signatures cannot be written, that is all that is lost.
NOTEBOOKS = $(wildcard notebooks/*.ipynb)
.venv/.trusted: .venv/.course $(NOTEBOOKS)
	@test -z "$(NOTEBOOKS)" || .venv/bin/python -m nbformat.sign $(NOTEBOOKS) >/dev/null || true
	@touch $@

# .venv starts again if its interpreter is gone, and if another LATEST or TORCH_INDEX is asked for,
# because that may change every package.
INTERPRETER = $(shell test -x .venv/bin/python && echo there)
ifneq ($(LATEST) $(TORCH_INDEX) there,$(CHOSEN_LATEST) $(CHOSEN_TORCH_INDEX) $(INTERPRETER))
.PHONY: .venv/.installer
endif

# uv is about ten times as fast as pip. Without --python, it would install into whichever
# environment is active.
BOOTSTRAP = .venv/bin/python -m pip install --quiet --disable-pip-version-check $(LOCKED)

.venv/.installer:
	@$(find_python); $(check_space); echo "Making .venv with $$python"; "$$python" -m venv --clear .venv
	@printf 'CHOSEN_%s\n' 'LATEST = $(LATEST)' 'TORCH_INDEX = $(TORCH_INDEX)' > .venv/.choices
	@if $(BOOTSTRAP) uv; then \
	  echo 'uv pip install --python .venv/bin/python' > $@; \
	elif $(BOOTSTRAP) --upgrade 'pip>=25.1'; then \
	  echo 'uv could not be installed, so pip installs the packages, which takes longer.' >&2; \
	  echo 'pip install' > $@; \
	else \
	  echo 'Neither uv nor a new pip could be installed into .venv; pip says why, above. The first' \
	    'call needs the network.' >&2; exit 1; \
	fi

# Sets $python to the first interpreter that is new enough and can make a venv.
define find_python
recent=; able=; \
for python in $(if $(PYTHON),"$(PYTHON)",$(PYTHONS)); do \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
  recent=$$python; \
  "$$python" -c 'import ensurepip, venv' 2>/dev/null && able=yes && break; \
done; \
test "$$recent" || { echo "$(or $(PYTHON),python3) is not Python 3.11 or newer:" \
  "install one from your package manager or python.org, or name one with PYTHON=/path/to/python." >&2; exit 1; }; \
test "$$able" || { echo "$$recent cannot make virtual environments:" \
  "install its venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
endef

define check_space
free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1048576)}'); \
test "$$free" -ge "$(NEEDED_GB)" || { echo "Only $$free GB are free here, of the $(NEEDED_GB) GB" \
  "that the packages need: free some space, or set NEEDED_GB if you know better." >&2; exit 1; }
endef
