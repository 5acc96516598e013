"""How hypothesis runs here: no deadlines, because machines differ, and fixed examples in CI."""

import importlib.util
import os

from hypothesis import settings

settings.register_profile("coslr", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("coslr")

# The browser tests, for `make e2e`, import playwright, so pytest can read them only if it is there.
collect_ignore = [] if importlib.util.find_spec("playwright") else ["e2e"]
