"""rxpath: the Linux network receive path that you can run.

What belongs here: the version and the few names that a user of the library imports first. Each is looked up
on first use, so that `import rxpath` loads nothing else and the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "rxpath.config",
    "MachineConfig": "rxpath.config",
    "Machine": "rxpath.machine",
}

__all__ = ["ConfigError", "Machine", "MachineConfig", "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use (PEP 562). AttributeError for any other name."""
    if name == "live":  # a package that can be called: rxpath.live(tap=..., address=...)
        return import_module("rxpath.live")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rxpath' has no attribute {name!r}")
    return getattr(import_module(home), name)
