"""ixgbe's module: parameters, banner, registration with the PCI core, DCA's notifier."""

from __future__ import annotations

from rxpath.drivers.dca import dca_register_notify, dca_unregister_notify
from rxpath.drivers.ixgbe.ethtool import IxgbeEthtoolOps
from rxpath.drivers.ixgbe.ixgbe import DRIVER_NAME, ixgbe_pci_tbl
from rxpath.drivers.ixgbe.main import (
    DCA_PROVIDER_ADD,
    IxgbeErrHandler,
    IxgbeModuleBase,
    IxgbeNetDevice,
    ixgbe_notify_dca,
    ixgbe_probe,
    ixgbe_remove,
    ixgbe_resume,
    ixgbe_shutdown,
    ixgbe_suspend,
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
from rxpath.kernel.errno import ENOTSUP
from rxpath.net.core.ethtool import EthtoolOps
from rxpath.net.core.netdevice import Net

PARAMETERS = {
    "max_vfs": "Maximum number of virtual functions to allocate per physical function - default is zero and maximum"
    " value is 63. (Deprecated)",
    "allow_unsupported_sfp": "Allow unsupported and untested SFP+ modules on 82599-based adapters",
    "debug": "Debug level (0=none,...,16=all)",
}


class IxgbeDriver(PciDriver):
    """ixgbe_driver."""

    __slots__ = ("module",)

    def __init__(self, module: IxgbeModule) -> None:
        super().__init__(DRIVER_NAME, ixgbe_pci_tbl(), IxgbeErrHandler())
        self.module = module

    def probe(self, pdev: PciDev, ent: PciDeviceId) -> None:
        ixgbe_probe(pdev, ent, self.module)

    def remove(self, pdev: PciDev) -> None:
        ixgbe_remove(pdev)

    def suspend(self, pdev: PciDev) -> None:
        ixgbe_suspend(pdev)

    def resume(self, pdev: PciDev) -> None:
        ixgbe_resume(pdev)

    def shutdown(self, pdev: PciDev) -> None:
        ixgbe_shutdown(pdev)

    def sriov_configure(self, pdev: PciDev, num_vfs: int) -> int:
        raise OSError(ENOTSUP, "ixgbe: virtual functions are not modelled")


def ixgbe_dbg_init(kernel: Kernel) -> None:
    """The driver's directory in debugfs (its cards' reg_ops and netdev_ops are not modelled)."""
    kernel.files.mkdir("/sys/kernel/debug/ixgbe")


def ixgbe_dbg_exit(kernel: Kernel) -> None:
    kernel.files.remove("/sys/kernel/debug/ixgbe")


def ixgbe_init_module(module: IxgbeModule, kernel: Kernel) -> None:
    """module_init: two lines, the debugfs directory, then the PCI core probes what matches; the DCA notifier comes
    after that.  Raises OSError (the directory is gone again).
    """
    log = kernel.log
    text = "ixgbe: Intel(R) 10 Gigabit PCI Express Network Driver"
    if kernel.release.driver_banner_version:
        log.info(text + " - version 3.15.1-k")
        log.info("ixgbe: Copyright (c) 1999-2013 Intel Corporation.")
    else:
        log.info(text)
        log.info("ixgbe: Copyright (c) 1999-2016 Intel Corporation.")
    ixgbe_dbg_init(kernel)
    try:
        pci_register_driver(pci_bus(kernel), module.driver)
    except OSError:
        ixgbe_dbg_exit(kernel)
        raise
    if kernel.config_enabled("IXGBE_DCA"):
        dca_register_notify(kernel, module)


class IxgbeModule(IxgbeModuleBase):
    """`modprobe ixgbe [PARAMETER=VALUE[,VALUE...]]`; raises ParamError for what is no parameter."""

    __slots__ = ("driver",)

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(params)
        for name, text in PARAMETERS.items():
            self.params.declare(name, text)
        self.params.check()
        if self.params.int_of("max_vfs", 0, 0) > 0:
            raise OSError(ENOTSUP, "ixgbe: max_vfs: virtual functions are not modelled")
        self.driver = IxgbeDriver(self)

    def make_ethtool_ops(self, netdev: IxgbeNetDevice) -> EthtoolOps:
        return IxgbeEthtoolOps(netdev)

    def init(self, kernel: Kernel, net: Net) -> None:
        self.net_ = net
        kernel.modules[self.name] = self
        self.dca_provider = False
        ixgbe_init_module(self, kernel)

    def dca_notify(self, event: int) -> None:
        """A DCA provider appeared (DCA_PROVIDER_ADD) or went (DCA_PROVIDER_REMOVE): the chips are told, nothing else
        changes, since caches are not modelled.
        """
        if self.net_ is None or self not in self.net_.kernel.dca_notifiers:
            return  # nobody registered the notifier
        self.dca_provider = event == DCA_PROVIDER_ADD
        ports = []
        if self.net_ is not None:
            for dev in self.net_.devices:
                if isinstance(dev, IxgbeNetDevice) and dev.priv().module is self:
                    ports.append(dev.priv())
        ixgbe_notify_dca(ports, event)

    def exit(self, kernel: Kernel) -> None:
        dca_unregister_notify(kernel, self)
        self.dca_provider = False
        pci_unregister_driver(pci_bus(kernel), self.driver)
        ixgbe_dbg_exit(kernel)
        kernel.files.remove("/sys/module/ixgbe")
        kernel.modules.pop(self.name, None)
