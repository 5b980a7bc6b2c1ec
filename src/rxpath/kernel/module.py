"""Modules: what `modprobe` loads.  A driver package exports one `Module`; the machine knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxpath.kernel.params import ModuleParams

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel


class Module:
    """Subclass: `name`, `init` (register yourself), `exit` (undo it)."""

    __slots__ = ("name", "params", "init_name")

    def __init__(self, name: str, params: dict[str, str] | None = None) -> None:
        self.name = name
        self.init_name = name + "_init_module"  # of the initcall
        self.params = ModuleParams(name, params)

    def init(self, kernel: Kernel, net: Any) -> None:
        """module_init; `net` is the network namespace (rxpath.net.core.netdevice.Net).  Raises OSError when
        it cannot be loaded.
        """
        raise NotImplementedError

    def exit(self, kernel: Kernel) -> None:
        """module_exit."""
