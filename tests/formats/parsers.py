"""Every parser of rxpath.formats, found by its name: one that is added is under the mutilated texts, too."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import rxpath.formats


def parsers() -> dict[str, Callable[[str], object]]:
    """`ethtool.ring.parse` -> the function, of all functions that take a text alone and whose names begin with parse."""
    out: dict[str, Callable[[str], object]] = {}
    base = rxpath.formats.__name__ + "."
    for info in pkgutil.walk_packages(rxpath.formats.__path__, base):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.startswith("parse") and inspect.isfunction(value) and value.__module__ == info.name:
                first, *more = inspect.signature(value).parameters.values()
                if first.name == "text" and all(p.default is not p.empty for p in more):
                    out[f"{info.name.removeprefix(base)}.{name}"] = value
    return out
