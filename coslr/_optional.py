"""One message for a missing package: which extra of coslr installs it."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports in this block need the extra `name`; a missing package is an error that says so.

    >>> with extra("train"):
    ...     import a_package_that_is_missing
    Traceback (most recent call last):
    ...
    ModuleNotFoundError: No module named 'a_package_that_is_missing': install it with pip install
    "coslr[train]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        error.msg += f': install it with pip install "coslr[{name}]"'
        raise
