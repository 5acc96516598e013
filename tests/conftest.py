"""How hypothesis runs here: no deadline (machines differ), and the same examples on each CI run."""

import importlib.util
import os

from hypothesis import settings

settings.register_profile("coslr", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("coslr")

# The tests in a browser are for `make e2e`, and need playwright to be read at all.
collect_ignore = [] if importlib.util.find_spec("playwright") else ["e2e"]
