"""Finds the modules of a room by what they declare, so that adding one touches no list."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType


def declaring(table: str, package: str, path: Iterable[str]) -> tuple[ModuleType, ...]:
    """The modules of a package that have a `table` of that name, by their names in order. `path` is its `__path__`."""
    names = sorted(module.name for module in pkgutil.iter_modules(path))
    modules = (import_module(f"{package}.{name}") for name in names)
    return tuple(module for module in modules if hasattr(module, table))
