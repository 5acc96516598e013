"""How hypothesis runs here: no deadline (machines differ), and the same examples on each CI run."""

import os

from hypothesis import settings

settings.register_profile("coslr", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("coslr")
