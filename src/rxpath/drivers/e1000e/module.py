"""e1000e's module: parameters, banner, registration with the PCI core."""

from __future__ import annotations

from rxpath.drivers.e1000e.e1000 import e1000_pci_tbl
from rxpath.drivers.e1000e.ethtool import E1000EthtoolOps
from rxpath.drivers.e1000e.netdev import (
    DRIVER_NAME,
    E1000ErrHandler,
    E1000NetDevice,
    ModuleLike,
    e1000_probe,
    e1000_remove,
    e1000_shutdown,
    e1000e_pm_resume,
    e1000e_pm_suspend,
)
from rxpath.drivers.e1000e.param import PARAMETERS
from rxpath.drivers.pci import (
    PciDev,
    PciDeviceId,
    PciDriver,
    pci_bus,
    pci_register_driver,
    pci_unregister_driver,
)
from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import EINVAL, linux_error
from rxpath.net.core.ethtool import EthtoolOps
from rxpath.net.core.netdevice import Net


class E1000Driver(PciDriver):
    """e1000_driver."""

    __slots__ = ("module",)

    def __init__(self, module: E1000eModule) -> None:
        super().__init__(DRIVER_NAME, e1000_pci_tbl(), E1000ErrHandler())
        self.module = module

    def probe(self, pdev: PciDev, ent: PciDeviceId) -> None:
        e1000_probe(pdev, ent, self.module)

    def remove(self, pdev: PciDev) -> None:
        e1000_remove(pdev)

    def suspend(self, pdev: PciDev) -> None:
        e1000e_pm_suspend(pdev)

    def resume(self, pdev: PciDev) -> None:
        e1000e_pm_resume(pdev)

    def shutdown(self, pdev: PciDev) -> None:
        e1000_shutdown(pdev)


def e1000_init_module(module: E1000eModule, kernel: Kernel) -> None:
    """module_init: two lines, then the PCI core probes what matches."""
    log = kernel.log
    if kernel.release.driver_banner_version:
        log.info("e1000e: Intel(R) PRO/1000 Network Driver - 2.3.2-k")
        log.info("e1000e: Copyright(c) 1999 - 2013 Intel Corporation.")
    else:
        log.info("e1000e: Intel(R) PRO/1000 Network Driver")
        log.info("e1000e: Copyright(c) 1999 - 2015 Intel Corporation.")
    pci_register_driver(pci_bus(kernel), module.driver)


class E1000eModule(ModuleLike):
    """`modprobe e1000e [PARAMETER=VALUE[,VALUE...]]`; raises ParamError for what is no parameter."""

    __slots__ = ("driver",)

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(params)
        self.init_name = "e1000_init_module"
        for name, text in PARAMETERS.items():
            self.params.declare(name, text)
        self.params.check()
        self.copybreak = self.params.int_of("copybreak", 0, 256)
        self.driver = E1000Driver(self)

    def make_ethtool_ops(self, netdev: E1000NetDevice) -> EthtoolOps:
        return E1000EthtoolOps(netdev)

    def init(self, kernel: Kernel, net: Net) -> None:
        self.net_ = net
        d = "/sys/module/e1000e/parameters/"
        kernel.files.add(d + "copybreak", lambda: "%d\n" % self.copybreak, self._put_copybreak)
        kernel.modules[self.name] = self
        e1000_init_module(self, kernel)

    def _put_copybreak(self, text: str) -> None:
        try:
            v = int(text.strip(), 0)
        except ValueError:
            v = -1
        if not 0 <= v <= 0xFFFFFFFF:
            raise linux_error(EINVAL, "copybreak")
        self.copybreak = v

    def exit(self, kernel: Kernel) -> None:
        pci_unregister_driver(pci_bus(kernel), self.driver)
        kernel.files.remove("/sys/module/e1000e")
        kernel.modules.pop(self.name, None)
