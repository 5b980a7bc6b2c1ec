"""igb's module: parameters, banner, the DCA notifier, registration with the PCI core."""

from __future__ import annotations

from rxpath.drivers.dca import dca_register_notify, dca_unregister_notify
from rxpath.drivers.igb.ethtool import IgbEthtoolOps
from rxpath.drivers.igb.igb import DCA_PROVIDER_ADD, IgbAdapter, igb_pci_tbl
from rxpath.drivers.igb.main import (
    DRIVER_NAME,
    IgbErrHandler,
    IgbModuleLike,
    IgbNetDevice,
    igb_notify_dca,
    igb_pci_sriov_configure,
    igb_probe,
    igb_remove,
    igb_resume,
    igb_shutdown,
    igb_suspend,
)
from rxpath.drivers.pci import (
    PciDev,
    PciDeviceId,
    PciDriver,
    pci_bus,
    pci_register_driver,
    pci_unregister_driver,
)
from rxpath.kernel.core import Kernel
from rxpath.net.core.ethtool import EthtoolOps
from rxpath.net.core.netdevice import Net

PARAMETERS = {
    "max_vfs": "Maximum number of virtual functions to allocate per physical function",
    "debug": "Debug level (0=none,...,16=all)",
}


class IgbDriver(PciDriver):
    """igb_driver."""

    __slots__ = ("module",)

    def __init__(self, module: IgbModule) -> None:
        super().__init__(DRIVER_NAME, igb_pci_tbl(), IgbErrHandler())
        self.module = module
        self.has_sriov = True

    def probe(self, pdev: PciDev, ent: PciDeviceId) -> None:
        igb_probe(pdev, ent, self.module)

    def remove(self, pdev: PciDev) -> None:
        igb_remove(pdev)

    def suspend(self, pdev: PciDev) -> None:
        igb_suspend(pdev)

    def resume(self, pdev: PciDev) -> None:
        igb_resume(pdev)

    def shutdown(self, pdev: PciDev) -> None:
        igb_shutdown(pdev)

    def sriov_configure(self, pdev: PciDev, num_vfs: int) -> int:
        return igb_pci_sriov_configure(pdev, num_vfs)


def igb_init_module(module: IgbModule, kernel: Kernel) -> None:
    """module_init: two lines, the DCA notifier (there is no provider until somebody says so), then the PCI core
    probes what matches.
    """
    log = kernel.log
    if kernel.release.driver_banner_version:
        log.info("igb: Intel(R) Gigabit Ethernet Network Driver - version 5.0.5-k")
        log.info("igb: Copyright (c) 2007-2013 Intel Corporation.")
    else:
        log.info("igb: Intel(R) Gigabit Ethernet Network Driver")
        log.info("igb: Copyright (c) 2007-2014 Intel Corporation.")
    if kernel.config_enabled("IGB_DCA"):
        dca_register_notify(kernel, module)
    pci_register_driver(pci_bus(kernel), module.driver)


class IgbModule(IgbModuleLike):
    """`modprobe igb [max_vfs=N] [debug=N]`; raises ParamError for what is no parameter."""

    __slots__ = ("driver",)

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(params)
        for name, text in PARAMETERS.items():
            self.params.declare(name, text)
        self.params.check()
        self.max_vfs = self.params.int_of("max_vfs", 0, 0)
        self.driver = IgbDriver(self)

    def make_ethtool_ops(self, netdev: IgbNetDevice) -> EthtoolOps:
        return IgbEthtoolOps(netdev)

    def init(self, kernel: Kernel, net: Net) -> None:
        self.net_ = net
        kernel.modules[self.name] = self
        igb_init_module(self, kernel)

    def dca_notify(self, event: int) -> None:
        """A DCA provider appeared (DCA_PROVIDER_ADD) or went (DCA_PROVIDER_REMOVE): the chips are told, nothing
        gets faster.
        """
        if self.net_ is None or self not in self.net_.kernel.dca_notifiers:
            return  # nobody registered the notifier
        self.dca_provider = event == DCA_PROVIDER_ADD
        ports: list[IgbAdapter] = []
        for pdev in self.driver.devices:
            dev = pdev.driver_data
            if isinstance(dev, IgbNetDevice):
                ports.append(dev.priv())
        igb_notify_dca(ports, event)

    def exit(self, kernel: Kernel) -> None:
        """igb_exit_module: the notifier first, then the driver."""
        dca_unregister_notify(kernel, self)
        self.dca_provider = False
        pci_unregister_driver(pci_bus(kernel), self.driver)
        kernel.files.remove("/sys/module/igb")
        kernel.modules.pop(self.name, None)
