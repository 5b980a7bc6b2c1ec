"""Who hears of providers of direct cache access: the notifier chain of drivers/dca (caches are not modelled)."""

from __future__ import annotations

from rxpath.kernel.core import Kernel
from rxpath.kernel.module import Module


def dca_register_notify(kernel: Kernel, module: Module) -> None:
    """From here on the module's driver is told when a provider comes or goes."""
    kernel.dca_notifiers.append(module)


def dca_unregister_notify(kernel: Kernel, module: Module) -> None:
    """Nothing when it was not registered."""
    if module in kernel.dca_notifiers:
        kernel.dca_notifiers.remove(module)
