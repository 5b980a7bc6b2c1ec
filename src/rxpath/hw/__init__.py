"""Hardware: buses, memory, interrupt controller, device models. No kernel and no driver code belongs here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_options: Any) -> Callable[[type], type]:
        """What only the compiler looks at (may a class be subclassed by uncompiled code?): does nothing."""
        return lambda cls: cls
