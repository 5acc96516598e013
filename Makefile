# Each command builds .venv and installs what it needs by itself, and only when pyproject.toml is
# newer than the last complete installation, which a stamp in .venv marks: .course, .site or .test.

ARGS ?=
# An interpreter to use in place of the newest one found.
PYTHON ?=
# Free space asked for before .venv is made. On Linux torch comes with its CUDA libraries.
NEEDED_GB ?= $(if $(filter Linux,$(shell uname -s)),10,3)

PYTHONS = python3.14 python3.13 python3.12 python3.11 python3
# JupyterLab refuses to run as root, as in most containers, unless it is told to.
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)
FIRST = notebooks/00_start_here.ipynb
# JupyterLab asks at its first start whether to fetch news, over the first lesson, and asks the
# network for a newer version of itself. This course needs neither.
LAB_SETTINGS = .venv/share/jupyter/lab/settings/overrides.json
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}

.PHONY: help lab test e2e peers site clean

help:
	@echo 'make lab     open the course in JupyterLab (make lab ARGS="--no-browser --port 9999")'
	@echo 'make test    lint, run the tests, and run every notebook'
	@echo 'make e2e     run the course in a real browser (needs Chromium)'
	@echo 'make peers   the table of our schedules beside those of other libraries'
	@echo 'make site    the course as a site, in build/site'
	@echo 'make clean   remove .venv and caches'

lab: .venv/.course
	.venv/bin/python -m jupyterlab $(FIRST) --ServerApp.root_dir="$(CURDIR)" $(AS_ROOT) $(ARGS)

test: .venv/.test
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2
	.venv/bin/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300 notebooks

e2e: .venv/.test
	.venv/bin/python -m pytest -m e2e tests/e2e

peers: .venv/.test
	@.venv/bin/python -m tests.peers

site: .venv/.site
	.venv/bin/python -m sphinx -q -W --keep-going docs build/site
	@echo "Open build/site/index.html in a browser."

clean:
	rm -rf build docs/api docs/notebooks .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis

# .unfinished is there while pip writes. If it is still there at the next call, pip was killed
# half-way and may have left half a package, so .venv starts again (from pip's cache).
# pip's temporary files go into .venv too: /tmp is often too small for the CUDA libraries.
.venv/.course .venv/.site .venv/.test: pyproject.toml
	@if test -e .venv/.unfinished || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then \
	  $(find_python); $(check_space); \
	  echo "Making .venv with $$python"; "$$python" -m venv --clear .venv || exit 1; \
	fi
	@mkdir -p .venv/tmp && touch .venv/.unfinished
	TMPDIR="$$PWD/.venv/tmp" .venv/bin/python -m pip install -e ".[$(@:.venv/.%=%)]" \
	  || { rm -rf .venv/.unfinished .venv/tmp; echo "The packages could not be installed; pip says" \
	    "why, above. With no network, 'touch $@' goes on with those that are there." >&2; exit 1; }
	@mkdir -p $(dir $(LAB_SETTINGS)) && echo '$(QUIET)' > $(LAB_SETTINGS)
	@rm -rf .venv/.unfinished .venv/tmp && touch .venv/.course $(if $(filter %.test,$@),.venv/.site) $@

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
