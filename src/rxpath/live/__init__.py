"""A machine in real time: the bridge between threads, a stand-in for `socket`, commands from outside.

The package itself can be called: `with rxpath.live(tap="t0", address="10.9.0.2/24") as net:` runs a machine on a
TAP, and `net.socket` is its socket module.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """So that `rxpath.live(...)` works although this is a package; the work is in machine.py."""

    def __call__(self, tap: str | None = None, address: str | None = None, **more: Any) -> Any:
        from rxpath.live.machine import live

        return live(tap, address, **more)


sys.modules[__name__].__class__ = _Callable
