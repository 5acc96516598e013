"""Frozen dataclasses as plain JSON values, and back: ``to_dict`` and ``from_dict`` of schedules.

An object becomes a dict of its arguments and of its class's name, under the key "schedule". A
class is looked up among those that the program has defined; a config never imports a module and is
never run as code. So a config from a stranger can do no more than name the wrong schedule.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from itertools import islice
from typing import Any, TypeVar, cast

import numpy as np

from coslr._arguments import require, require_type

KIND = "schedule"  # the key of the class's name
DEEPEST, MOST = 100, 100_000  # what Python's stack and a reader's patience bear

T = TypeVar("T")


def argument_names(kind: Any) -> list[str]:
    """The arguments of a dataclass: the fields that its constructor takes."""
    return [field.name for field in dataclasses.fields(kind) if field.init]


def arguments_of(value: Any) -> dict[str, Any]:
    """The arguments with which an object was made."""
    right = "a frozen dataclass, because only such a class can be saved and copied"
    require_type(dataclasses.is_dataclass(value), "schedule", value, right)
    return {name: getattr(value, name) for name in argument_names(value)}


def to_config(value: Any, root: type) -> dict[str, Any]:
    """The object as plain JSON values.

    Args:
        value: an instance of a dataclass that inherits from `root`.
        root: the base class of everything that becomes a dict with a name.
    """
    arguments = arguments_of(value)
    name = _name(type(value), root)
    return {KIND: name} | {_escaped(n): _to_json(v, root) for n, v in arguments.items()}


def _name(kind: type, root: type) -> str:
    """The class's name, and its module too where one of ours has the same name."""
    known: Iterator[type] = _subclasses(root)
    ours = {one.__name__ for one in known if one.__module__ == root.__module__}
    is_ours = kind.__module__ == root.__module__ and kind.__qualname__ == kind.__name__
    return kind.__name__ if is_ours or kind.__name__ not in ours else _full_name(kind)


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _to_json(value: Any, root: type) -> Any:
    if isinstance(value, root):
        to_dict: Callable[[], Any] = value.to_dict  # type: ignore[attr-defined]
        return to_dict()
    if isinstance(value, dict):
        return {_escaped(key): _to_json(v, root) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return [_to_json(v, root) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _escaped(key: Any) -> Any:
    """A field may be called "schedule" like our key: it gets one underscore more."""
    return f"{key}_" if isinstance(key, str) and key.rstrip("_") == KIND else key


def _unescaped(key: Any) -> Any:
    return key.removesuffix("_") if isinstance(key, str) and key.rstrip("_") == KIND else key


def from_config(config: object, root: type[T]) -> T:
    """The object that ``to_config`` described.

    Raises:
        ValueError, TypeError: the config is not such a description; the message says where.
    """
    require_type(isinstance(config, dict), "config", config, "a dict from Schedule.to_dict")
    _require_bounded(config)
    return _built(cast(dict[Any, Any], config), root)


def _require_bounded(config: object) -> None:
    """Refuse what would exhaust the stack or the memory, without using more of either."""
    level, count = [config], 0
    for _ in range(DEEPEST):
        level = list(islice((one for parent in level for one in _children(parent)), MOST + 1))
        count += len(level)
        require(count <= MOST, "config", count, f"a description with at most {MOST:,} parts")
        if not level:
            return
    raise ValueError(f"config: must be nested at most {DEEPEST} levels deep")


def _children(parent: object) -> Iterator[object]:
    values = parent.values() if isinstance(parent, dict) else parent
    return (v for v in values if isinstance(v, dict | list | tuple))  # type: ignore[attr-defined]


def _built(config: dict[Any, Any], root: type[T]) -> T:
    kind = _named(config.get(KIND), root)
    values = {_unescaped(key): _from_json(v, root) for key, v in config.items() if key != KIND}
    names = argument_names(kind)
    wrong = [name for name in values if name not in names]
    require(not wrong, f"config for {kind.__name__}", wrong, f"arguments among {', '.join(names)}")
    missing = [name for name in _needed(kind) if name not in values]
    right = f"a dict that also has {', '.join(missing)}"
    require(not missing, f"config for {kind.__name__}", config, right)
    return kind(**values)


def _needed(kind: Any) -> Iterator[str]:
    for field in dataclasses.fields(kind):
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if field.init and not has_default:
            yield field.name


def _named(name: object, root: type[T]) -> type[T]:
    """The class of that name: ours, else the one that the reader defined last."""
    kinds = [kind for kind in _subclasses(root) if dataclasses.is_dataclass(kind)]
    ours = {kind.__name__: kind for kind in kinds if kind.__module__ == root.__module__}
    by_full_name = {_full_name(kind): kind for kind in kinds}  # the last definition counts
    same_name = {full: kind for full, kind in by_full_name.items() if kind.__name__ == name}
    known = sorted({one.__name__ for one in kinds if not one.__name__.startswith("_")})
    right = f"one of {', '.join(known)}"  # classes of the reader's own included
    require(isinstance(name, str), f"config[{KIND!r}]", name, right)
    if name in ours:
        return ours[name]
    if name in by_full_name:
        return by_full_name[name]
    require(same_name, f"config[{KIND!r}]", name, right)
    only_one = f"the full name of one class, because these share a name: {', '.join(same_name)}"
    require(len(same_name) == 1, f"config[{KIND!r}]", name, only_one)
    return next(iter(same_name.values()))


def _subclasses(root: type[T]) -> Iterator[type[T]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _subclasses(kind)


def _from_json(value: Any, root: type) -> Any:
    if isinstance(value, dict):
        if KIND in value:
            return _built(value, root)
        return {_unescaped(key): _from_json(v, root) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_from_json(v, root) for v in value)
    return value


def rebuilt(kind: type[T], arguments: dict[str, Any]) -> T:
    """What unpickling calls: by name, because an argument may be keyword-only."""
    return kind(**arguments)
