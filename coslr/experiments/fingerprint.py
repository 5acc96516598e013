"""A digest of a value and of the code behind it, so that a change of either is noticed.

`joblib.hash` knows a function by its name alone. `fingerprint` knows the reader's own functions and
classes by their code, and it follows the functions, classes and constants that this code uses, in
other files and in notebook cells. It knows what belongs to an installed package by its name and the
package's release.
"""

import contextlib
import dataclasses
import dis
import functools
import hashlib
import importlib
import importlib.metadata
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from coslr._optional import extra

with extra("train"):
    import joblib
    import torch

# Python adds these names to every class. They say where the class is, not what it does.
_NOT_CODE = {"__module__", "__doc__", "__dict__", "__weakref__", "__qualname__"}
# A module in one of Python's own folders, or anywhere in a folder of such a name, is installed.
_STDLIB = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
_PACKAGES = {"site-packages", "dist-packages"}


def fingerprint(value: Any) -> str:
    """A hexadecimal digest of a value; two values with equal digests compute the same.

    Numbers, texts, arrays, containers, functions, classes and objects of the reader's classes are
    followed all the way down. An object of an installed package enters the digest as its pickle,
    which knows functions by their names. An object that cannot be pickled enters as its type.

    ``coslr`` counts as an installed package; `coslr.experiments.keys` covers its code.

    Args:
        value: anything.

    Example:
        >>> fingerprint(["relu", 32]) == fingerprint(["relu", 32])
        True
        >>> fingerprint(["relu", 32]) == fingerprint(["relu", 32.0])
        False
    """
    walk = _Walk()
    walk.add(value)
    return walk.digest.hexdigest()


class _Walk:
    """One walk through a value and everything that it refers to; each step enters the digest."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        # id -> number and object. The object is kept, or Python might give its id to another one.
        self.met: dict[int, tuple[int, Any]] = {}
        # (id of a module of the reader's, attribute), for those that are in the digest already.
        self.looked_up: set[tuple[int, str]] = set()

    def write(self, *parts: Any) -> None:
        for part in parts:
            text = repr(part).encode()
            self.digest.update(b"%d:%s" % (len(text), text))

    def add(self, value: Any) -> None:
        if value is None or isinstance(value, bool | int | str | bytes | complex | type(...)):
            self.write(type(value).__name__, value)
        elif isinstance(value, float):
            self.write("float", float(value))
        elif isinstance(value, np.ndarray):
            self.write("array", joblib.hash(value))
        elif isinstance(value, set | frozenset):
            self.write("set", sorted(fingerprint(one) for one in value))
        elif id(value) in self.met:
            self.write("again", self.met[id(value)][0])
        else:
            # Whether two equal tuples are one object is up to Python, and must not matter.
            if not isinstance(value, tuple | torch.Tensor):
                self.met[id(value)] = len(self.met), value
            self.add_object(value)

    def add_object(self, value: Any) -> None:
        if isinstance(value, list | tuple | dict) and not _installed(type(value).__module__):
            self.add([type(value), getattr(value, "__dict__", {})])  # a named tuple's methods, say
        if isinstance(value, list | tuple):
            self.write(type(value).__name__, len(value))
            for one in value:
                self.add(one)
        elif isinstance(value, dict | types.MappingProxyType):
            self.add(list(value.items()))
        elif isinstance(value, torch.Tensor):
            self.write("tensor", value.dtype, joblib.hash(value.detach().cpu().numpy()))
        elif isinstance(value, functools.partial):
            self.add(["partial", value.func, value.args, value.keywords])
        elif isinstance(value, types.MethodType):
            self.add(["method", value.__self__, value.__func__])
        elif isinstance(value, functools._lru_cache_wrapper):
            self.add(["cached", value.__wrapped__])
        elif isinstance(value, property):
            self.add(["property", value.fget, value.fset, value.fdel])
        elif isinstance(value, functools.cached_property):
            self.add(["cached", value.func])
        elif isinstance(value, staticmethod | classmethod):
            self.add([type(value).__name__, value.__func__])
        elif isinstance(value, types.ModuleType):
            self.write("module", value.__name__, _release(value.__name__))
        elif isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            self.write("named", value.__qualname__)
            if _installed(value.__module__) or isinstance(value, types.BuiltinFunctionType):
                self.write(value.__module__, value.__module__ and _release(value.__module__))
                self.add_cells(value)  # a package's decorator may wrap a function of the reader's
            elif isinstance(value, type):
                self.add_class(value)
            else:
                self.add_function(value)
        elif dataclasses.is_dataclass(value):
            # Hash only the fields; cached properties are not part of the value.
            self.add(type(value))
            fields = [field.name for field in dataclasses.fields(value)]
            for name in fields:
                self.write(name)
                self.add(getattr(value, name))
            # What a reader's class sets beside its fields, in __post_init__ from an InitVar, say.
            if not _installed(type(value).__module__):
                for name, own in sorted(getattr(value, "__dict__", {}).items()):
                    cached = getattr(type(value), name, None)
                    if name not in fields and not isinstance(cached, functools.cached_property):
                        self.write(name)
                        self.add(own)
        elif hasattr(value, "__dict__") and not _installed(type(value).__module__):
            self.add([type(value), vars(value)])
        else:
            self.add(type(value))
            try:
                self.write(joblib.hash(value))
            except Exception:  # whatever a foreign object raises when it is pickled
                self.write("by its type")

    def add_class(self, value: type) -> None:
        for base in value.__bases__:
            self.add(base)
        for name, attribute in sorted(vars(value).items()):
            code = callable(attribute) or isinstance(attribute, classmethod)
            special = name.startswith("__") and not code
            place = isinstance(attribute, types.GetSetDescriptorType | types.MemberDescriptorType)
            if not (name in _NOT_CODE or name.startswith("_abc_") or special or place):
                self.write(name)
                self.add(attribute)

    def add_function(self, value: Any) -> None:
        self.add([value.__defaults__, value.__kwdefaults__])
        names = self.add_code(value.__code__)
        self.add_cells(value)
        self.add_used(names, value.__globals__)
        for module in _imports(value.__code__, value.__globals__.get("__package__")):
            self.add_used([module.__name__, *names], {module.__name__: module})

    def add_cells(self, value: Any) -> None:
        """The variables of enclosing functions that a function uses."""
        for cell in getattr(value, "__closure__", None) or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # the enclosing function has not assigned the variable yet
                self.write("empty")

    def add_code(self, code: types.CodeType) -> list[str]:
        """Add the code without its place in a file.

        Returns:
            The global names and the attributes that the code uses.
        """
        self.write(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_flags)
        self.write(code.co_argcount, code.co_kwonlyargcount, len(code.co_consts))
        names = list(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                names += self.add_code(constant)
            else:
                self.add(constant)
        return names

    def add_used(self, names: list[str], namespace: dict[str, Any]) -> None:
        """Add those of the names that are in the namespace."""
        for name in dict.fromkeys(names):
            if (name.startswith("__") and name.endswith("__")) or name not in namespace:
                continue
            used = namespace[name]
            self.write(name)
            self.add(used)
            # The code may mean `helpers.block`: look up its names in the reader's module too.
            if isinstance(used, types.ModuleType) and not _installed(used.__name__):
                new = [one for one in names if (id(used), one) not in self.looked_up]
                self.looked_up.update((id(used), one) for one in new)
                self.add_used(new, vars(used))


def _imports(code: types.CodeType, package: str | None) -> Iterator[types.ModuleType]:
    """The modules that a function imports when it runs."""
    steps = list(dis.get_instructions(code))
    for level, names, step in zip(steps, steps[1:], steps[2:], strict=False):
        if step.opname == "IMPORT_NAME":  # `from ..a import b` has level 2 and the names ("b",)
            with contextlib.suppress(Exception):  # the trial itself will report a failing import
                module = importlib.import_module("." * level.argval + step.argval, package)
                for name in names.argval or ():
                    with contextlib.suppress(ImportError):  # most names are no modules
                        if not _installed(module.__name__) and not hasattr(module, name):
                            importlib.import_module(f"{module.__name__}.{name}")
                yield module
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imports(constant, package)


@functools.lru_cache
def _installed(module: str | None) -> bool:
    """Whether a module belongs to Python, to an installed package, or to coslr."""
    if module == "__main__":
        return False
    if module is None or module.partition(".")[0] == "coslr":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:  # a package without __init__.py has a path and no file
        file = next(iter(getattr(sys.modules.get(module), "__path__", [])), None)
    if file is None or _PACKAGES.intersection(Path(file).parts):
        return True
    return any(Path(file).resolve().is_relative_to(folder) for folder in _STDLIB)


@functools.lru_cache
def _release(module: str) -> str:
    """The release of the package that a module belongs to; empty if it has none."""
    try:
        return importlib.metadata.version(module.partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return ""
