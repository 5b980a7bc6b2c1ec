"""The PCI driver model: devices, drivers, matching and probing, capabilities, MSI-X, MSI and INTx, power,
error recovery, sysfs.

What lives here: the host's view of config space and what a driver may ask of the bus.  What does not: the device side
of config space (hw/pci.py), slots and address windows (hw/pcibus.py), interrupt descriptors (kernel/irq.py).
Facts: drivers/pci/{pci,pci-driver,pci-sysfs,probe,msi}.c and drivers/pci/pcie/err.c of 6.1; files and texts recorded
on 6.1.
"""

from __future__ import annotations

from typing import Final

from rxpath.formats import cpumask
from rxpath.hw.irqchip import msi_message
from rxpath.hw.pcibus import PciSlot
from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import EBUSY, EEXIST, EINVAL, EIO, ENODEV, ENOENT, ENOSPC, EOPNOTSUPP, ERANGE, linux_error
from rxpath.kernel.irq import IrqDesc
from rxpath.kernel.log import KERN_ERR, KERN_INFO, KERN_WARNING
from rxpath.kernel.procfs import online_mask

ENXIO: Final = 6
PCI_ANY_ID: Final = 0xFFFFFFFF

PCI_VENDOR_ID: Final = 0x00
PCI_DEVICE_ID: Final = 0x02
PCI_COMMAND: Final = 0x04
PCI_STATUS: Final = 0x06
PCI_REVISION_ID: Final = 0x08
PCI_CLASS_PROG: Final = 0x09
PCI_BASE_ADDRESS_0: Final = 0x10
PCI_SUBSYSTEM_VENDOR_ID: Final = 0x2C
PCI_SUBSYSTEM_ID: Final = 0x2E
PCI_ROM_ADDRESS: Final = 0x30
PCI_CAPABILITY_LIST: Final = 0x34
PCI_INTERRUPT_LINE: Final = 0x3C
PCI_INTERRUPT_PIN: Final = 0x3D

PCI_COMMAND_IO: Final = 0x1
PCI_COMMAND_MEMORY: Final = 0x2
PCI_COMMAND_MASTER: Final = 0x4
PCI_COMMAND_SERR: Final = 0x100
PCI_COMMAND_INTX_DISABLE: Final = 0x400
PCI_STATUS_CAP_LIST: Final = 0x10

PCI_CAP_ID_PM: Final = 0x01
PCI_CAP_ID_MSI: Final = 0x05
PCI_CAP_ID_EXP: Final = 0x10
PCI_CAP_ID_MSIX: Final = 0x11
PCI_EXT_CAP_ID_ERR: Final = 0x0001
PCI_EXT_CAP_ID_DSN: Final = 0x0003
PCI_EXT_CAP_ID_SRIOV: Final = 0x0010
PCI_SRIOV_TOTAL_VF: Final = 0x0E

PCI_PM_CTRL: Final = 4
PCI_MSI_FLAGS: Final = 2
PCI_MSI_FLAGS_ENABLE: Final = 0x1
PCI_MSI_FLAGS_QSIZE: Final = 0x70
PCI_MSI_FLAGS_64BIT: Final = 0x80
PCI_MSIX_FLAGS: Final = 2
PCI_MSIX_FLAGS_QSIZE: Final = 0x7FF
PCI_MSIX_FLAGS_MASKALL: Final = 0x4000
PCI_MSIX_FLAGS_ENABLE: Final = 0x8000
PCI_MSIX_TABLE: Final = 4
PCI_EXP_DEVCTL: Final = 8
PCI_EXP_LNKCAP: Final = 12
PCI_EXP_LNKCTL: Final = 16
PCI_EXP_LNKSTA: Final = 18

PCI_D0: Final = 0
PCI_D3HOT: Final = 3
PCI_UNKNOWN: Final = 5
POWER_NAMES: Final = ("D0", "D1", "D2", "D3hot", "D3cold", "unknown")

PCIE_LINK_STATE_L0S: Final = 1
PCIE_LINK_STATE_L1: Final = 2

IORESOURCE_IO: Final = 0x100
IORESOURCE_MEM: Final = 0x200
IORESOURCE_PREFETCH: Final = 0x2000

# pci_ers_result and pci_channel_state
PCI_ERS_RESULT_NONE: Final = 1
PCI_ERS_RESULT_CAN_RECOVER: Final = 2
PCI_ERS_RESULT_NEED_RESET: Final = 3
PCI_ERS_RESULT_DISCONNECT: Final = 4
PCI_ERS_RESULT_RECOVERED: Final = 5
PCI_ERS_RESULT_NO_AER_DRIVER: Final = 6
PCI_CHANNEL_IO_NORMAL: Final = 1
PCI_CHANNEL_IO_FROZEN: Final = 2
PCI_CHANNEL_IO_PERM_FAILURE: Final = 3

REFUSABLE: Final = ("msix", "msi")


class PciDeviceId:
    """`struct pci_device_id`: exact numbers or PCI_ANY_ID, a class with its mask, and the driver's own
    `driver_data`.
    """

    __slots__ = (
        "vendor",
        "device",
        "subvendor",
        "subdevice",
        "class_code",
        "class_mask",
        "driver_data",
        "override_only",
    )

    def __init__(
        self,
        vendor: int,
        device: int,
        driver_data: int = 0,
        subvendor: int = PCI_ANY_ID,
        subdevice: int = PCI_ANY_ID,
        class_code: int = 0,
        class_mask: int = 0,
        override_only: bool = False,
    ) -> None:
        self.vendor = vendor
        self.device = device
        self.subvendor = subvendor
        self.subdevice = subdevice
        self.class_code = class_code
        self.class_mask = class_mask
        self.driver_data = driver_data
        self.override_only = override_only

    def alias(self) -> str:
        """The module alias that depmod makes of this entry."""

        def hex8(v: int) -> str:
            return "*" if v == PCI_ANY_ID else "%08X" % v

        def hex2(shift: int) -> str:
            return "*" if not self.class_mask >> shift & 0xFF else "%02x" % (self.class_code >> shift & 0xFF)

        return "pci:v%sd%ssv%ssd%sbc%ssc%si%s" % (
            hex8(self.vendor),
            hex8(self.device),
            hex8(self.subvendor),
            hex8(self.subdevice),
            hex2(16),
            hex2(8),
            hex2(0),
        )


class MsixEntry:
    """`struct msix_entry`: the table entry asked for and the interrupt number given."""

    __slots__ = ("entry", "vector", "desc")

    def __init__(self, entry: int) -> None:
        self.entry = entry
        self.vector = 0
        self.desc: IrqDesc | None = None


class PciResource:
    """One BAR: bus addresses `start`..`end` inclusive, Linux's resource flags; `owner`: who requested it."""

    __slots__ = ("index", "start", "end", "flags", "owner")

    def __init__(self, index: int, start: int = 0, end: int = 0, flags: int = 0) -> None:
        self.index = index
        self.start = start
        self.end = end
        self.flags = flags
        self.owner = ""

    def size(self) -> int:
        return self.end - self.start + 1 if self.flags else 0


class PciDev:
    """`struct pci_dev`: one function as the host sees it.

    Registers: `readl`/`writel` (and b, w, q) of a BAR at a byte offset; config space: `config_read`/`config_write`.
    `irq` is the line that INTx arrives on, or the MSI number while MSI is on.  `refuse`: interrupt kinds that the
    platform will not give ("msix", "msi").
    """

    __slots__ = (
        "bus",
        "kernel",
        "slot",
        "model",
        "name",
        "vendor",
        "device",
        "subsystem_vendor",
        "subsystem_device",
        "revision",
        "class_code",
        "pin",
        "irq",
        "line_irq",
        "resources",
        "driver",
        "driver_data",
        "driver_override",
        "enable_cnt",
        "is_busmaster",
        "state_saved",
        "saved",
        "current_state",
        "msix_enabled",
        "msi_enabled",
        "msix_descs",
        "msi_desc",
        "refuse",
        "devid",
        "error_state",
        "caps",
        "ext_caps",
        "dma_mask",
        "wakeup_capable",
        "wakeup_enabled",
        "aspm_disabled",
        "aer_enabled",
        "removed",
        "probing",
        "no_msi",
        "num_vfs",
    )

    def __init__(self, bus: PciBus, slot: PciSlot, refuse: tuple[str, ...] = ()) -> None:
        for kind in refuse:
            if kind not in REFUSABLE:
                raise ValueError("refuse: '%s' is none of %s" % (kind, ", ".join(REFUSABLE)))
        self.bus = bus
        self.kernel = bus.kernel
        self.slot = slot
        self.model = slot.model
        self.name = slot.name
        self.refuse = refuse
        self.devid = int(slot.name[5:7], 16) << 8 | int(slot.name[8:10], 16) << 3 | int(slot.name[11])
        read = slot.model.config_read
        self.vendor = read(PCI_VENDOR_ID, 2)
        self.device = read(PCI_DEVICE_ID, 2)
        self.subsystem_vendor = read(PCI_SUBSYSTEM_VENDOR_ID, 2)
        self.subsystem_device = read(PCI_SUBSYSTEM_ID, 2)
        self.revision = read(PCI_REVISION_ID, 1)
        self.class_code = read(PCI_CLASS_PROG, 1) | read(PCI_CLASS_PROG + 1, 2) << 8
        self.pin = read(PCI_INTERRUPT_PIN, 1)
        self.line_irq = slot.bus.gsi if self.pin else 0
        self.irq = self.line_irq
        self.driver: PciDriver | None = None
        self.driver_data: object = None
        self.driver_override = ""
        self.enable_cnt = 0
        self.is_busmaster = False
        self.state_saved = False
        self.saved: list[tuple[int, int, int]] = []
        self.current_state = PCI_D0
        self.msix_enabled = False
        self.msi_enabled = False
        self.msix_descs: list[MsixEntry] = []
        self.msi_desc: IrqDesc | None = None
        self.error_state = PCI_CHANNEL_IO_NORMAL
        self.caps: list[tuple[int, int]] = []
        self.ext_caps: list[tuple[int, int]] = []
        self.dma_mask = (1 << 32) - 1
        self.wakeup_capable = False
        self.wakeup_enabled = False
        self.aspm_disabled = 0
        self.aer_enabled = False
        self.removed = False
        self.probing: PciDriver | None = None
        self.no_msi = False
        self.num_vfs = 0
        self._scan_caps()
        self.wakeup_capable = self.find_capability(PCI_CAP_ID_PM) != 0
        self.resources = self._scan_bars()

    # --- registers ------------------------------------------------------------------------------------------
    def readl(self, bar: int, off: int) -> int:
        return self.model.mmio_read(bar, off, 4)

    def writel(self, bar: int, off: int, value: int) -> None:
        self.model.mmio_write(bar, off, 4, value)

    def readw(self, bar: int, off: int) -> int:
        return self.model.mmio_read(bar, off, 2)

    def writew(self, bar: int, off: int, value: int) -> None:
        self.model.mmio_write(bar, off, 2, value)

    def readb(self, bar: int, off: int) -> int:
        return self.model.mmio_read(bar, off, 1)

    def writeb(self, bar: int, off: int, value: int) -> None:
        self.model.mmio_write(bar, off, 1, value)

    def config_read(self, off: int, size: int) -> int:
        return self.model.config_read(off, size)

    def config_write(self, off: int, size: int, value: int) -> None:
        self.model.config_write(off, size, value)

    # --- what it is -----------------------------------------------------------------------------------------
    def _scan_caps(self) -> None:
        if self.config_read(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST:
            at = self.config_read(PCI_CAPABILITY_LIST, 1) & ~3
            for _ in range(48):
                if at < 0x40:
                    break
                self.caps.append((self.config_read(at, 1), at))
                at = self.config_read(at + 1, 1) & ~3
        at = 0x100
        for _ in range(480):
            head = self.config_read(at, 4)
            if head in (0, 0xFFFFFFFF):
                break
            self.ext_caps.append((head & 0xFFFF, at))
            at = head >> 20 & 0xFFC
            if at < 0x100:
                break

    def find_capability(self, ident: int) -> int:
        """pci_find_capability: its offset, 0 when there is none."""
        for i, at in self.caps:
            if i == ident:
                return at
        return 0

    def find_ext_capability(self, ident: int) -> int:
        for i, at in self.ext_caps:
            if i == ident:
                return at
        return 0

    def _scan_bars(self) -> list[PciResource]:
        """Addresses that the host assigned and sizes by the write-ones protocol (decoding off meanwhile)."""
        out: list[PciResource] = []
        command = self.config_read(PCI_COMMAND, 2)
        self.config_write(PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY))
        i = 0
        while i < 6:
            off = PCI_BASE_ADDRESS_0 + 4 * i
            old = self.config_read(off, 4)
            self.config_write(off, 4, 0xFFFFFFFF)
            ones = self.config_read(off, 4)
            self.config_write(off, 4, old)
            if ones == 0:
                out.append(PciResource(i))
            elif ones & 1:
                start = old & ~3
                size = (~(ones & ~3) & 0xFFFF) + 1
                out.append(PciResource(i, start, start + size - 1, 0x40000 | IORESOURCE_IO | 1))
            else:
                start = old & ~0xF
                flags = 0x40000 | IORESOURCE_MEM | (IORESOURCE_PREFETCH | 8 if ones & 8 else 0)
                if ones & 6 == 4:
                    start |= self.config_read(off + 4, 4) << 32
                    flags |= 0x100000 | 4
                size = (~(ones & ~0xF) & 0xFFFFFFFF) + 1
                out.append(PciResource(i, start, start + size - 1, flags))
                if ones & 6 == 4:
                    i += 1
                    out.append(PciResource(i))
            i += 1
        old = self.config_read(PCI_ROM_ADDRESS, 4)
        self.config_write(PCI_ROM_ADDRESS, 4, 0xFFFFF800)
        ones = self.config_read(PCI_ROM_ADDRESS, 4)
        self.config_write(PCI_ROM_ADDRESS, 4, old)
        if ones:
            start = old & ~0x7FF
            out.append(PciResource(6, start, start + (~(ones & ~0x7FF) & 0xFFFFFFFF), 0x46000 | IORESOURCE_MEM))
        else:
            out.append(PciResource(6))
        while len(out) < 13:
            out.append(PciResource(len(out)))
        self.config_write(PCI_COMMAND, 2, command)
        return out

    def modalias(self) -> str:
        return "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X" % (
            self.vendor,
            self.device,
            self.subsystem_vendor,
            self.subsystem_device,
            self.class_code >> 16,
            self.class_code >> 8 & 0xFF,
            self.class_code & 0xFF,
        )

    def printk(self, level: int, text: str) -> None:
        """dev_printk: the driver's name (while there is one), the slot, the text."""
        drv = self.driver if self.driver is not None else self.probing
        self.kernel.log.printk(level, "%s %s: %s" % (drv.name if drv is not None else "pci", self.name, text))

    def info(self, text: str) -> None:
        self.printk(KERN_INFO, text)

    def warn(self, text: str) -> None:
        self.printk(KERN_WARNING, text)

    def err(self, text: str) -> None:
        self.printk(KERN_ERR, text)

    def __repr__(self) -> str:
        return "<pci %s %04x:%04x>" % (self.name, self.vendor, self.device)


class PciErrorHandlers:
    """`struct pci_error_handlers`: subclass; a driver without one blocks recovery (NO_AER_DRIVER)."""

    __slots__ = ()

    has_mmio_enabled = False

    def error_detected(self, pdev: PciDev, state: int) -> int:
        raise NotImplementedError

    def mmio_enabled(self, pdev: PciDev) -> int:
        return PCI_ERS_RESULT_RECOVERED

    def slot_reset(self, pdev: PciDev) -> int:
        raise NotImplementedError

    def resume(self, pdev: PciDev) -> None:
        raise NotImplementedError


class PciDriver:
    """`struct pci_driver`: subclass; set `name`, `id_table`, `err_handler` in __init__."""

    __slots__ = (
        "name",
        "id_table",
        "err_handler",
        "dynids",
        "module_name",
        "devices",
        "has_sriov",
        "has_suspend",
    )

    def __init__(self, name: str, id_table: list[PciDeviceId], err_handler: PciErrorHandlers | None = None) -> None:
        self.name = name
        self.id_table = id_table
        self.err_handler = err_handler
        self.dynids: list[PciDeviceId] = []
        self.module_name = name
        self.devices: list[PciDev] = []
        self.has_sriov = False
        self.has_suspend = True

    def probe(self, pdev: PciDev, ent: PciDeviceId) -> None:
        """Bind to `pdev`.  Raises OSError after undoing everything (ENODEV, ENXIO: not mine, said quietly)."""
        raise NotImplementedError

    def remove(self, pdev: PciDev) -> None:
        raise NotImplementedError

    def suspend(self, pdev: PciDev) -> None:
        """Before the device loses power.  Raises OSError: the system stays awake."""

    def resume(self, pdev: PciDev) -> None:
        """The device has power again and its config space is back."""

    def shutdown(self, pdev: PciDev) -> None:
        """The machine halts or reboots."""

    def sriov_configure(self, pdev: PciDev, num_vfs: int) -> int:
        raise linux_error(EOPNOTSUPP, self.name)


class PciBus:
    """pci_bus_type of one kernel: devices found, drivers registered, files under /sys/bus/pci."""

    __slots__ = ("kernel", "devices", "drivers", "autoprobe", "refuse")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.devices: list[PciDev] = []
        self.drivers: list[PciDriver] = []
        self.autoprobe = True
        # slot number -> what the platform denies that device
        self.refuse: dict[int, tuple[str, ...]] = {}

    def driver_init(self) -> None:
        f = self.kernel.files
        f.mkdir("/sys/bus/pci/devices")
        f.mkdir("/sys/bus/pci/drivers")
        f.add("/sys/bus/pci/drivers_autoprobe", lambda: "%d\n" % self.autoprobe, self._put_autoprobe)

    def _put_autoprobe(self, text: str) -> None:
        self.autoprobe = not text.startswith("0")

    def scan(self) -> None:
        """Find every plugged slot that is not known yet."""
        known = [d.slot for d in self.devices]
        for slot in self.kernel.pci.slots:
            if slot not in known:
                pci_scan_slot(self, slot, self.refuse.get(slot.slot, ()) or tuple(getattr(slot, "refuse", ())))

    def by_name(self, name: str) -> PciDev:
        """Raises OSError(ENODEV)."""
        for d in self.devices:
            if d.name == name:
                return d
        raise linux_error(ENODEV, name)


def register_initcalls(kernel: Kernel) -> None:
    """pci_subsys_init: the bus is scanned before any driver's init."""
    kernel.initcalls.add("subsys", "pci_subsys_init", lambda: _subsys_init(kernel))


def _subsys_init(kernel: Kernel) -> None:
    pci_bus(kernel)


def pci_bus(kernel: Kernel) -> PciBus:
    """The one PCI bus of this kernel, made and scanned when first asked for."""
    bus = kernel.modules.get("pci_bus")
    if isinstance(bus, PciBus):
        return bus
    bus = PciBus(kernel)
    kernel.modules["pci_bus"] = bus
    bus.driver_init()
    bus.scan()
    return bus


# --- devices ------------------------------------------------------------------------------------------------


def pci_scan_slot(bus: PciBus, slot: PciSlot, refuse: tuple[str, ...] = ()) -> PciDev | None:
    """Make the device of a slot (None when nobody answers), place its BARs if firmware did not, announce it
    to the drivers.

    `refuse`: interrupt kinds that the platform denies it, "msix" and "msi".
    """
    for d in bus.devices:
        if d.slot is slot:
            if refuse:
                d.refuse = refuse
            return d
    if slot.model.config_read(PCI_VENDOR_ID, 2) in (0xFFFF, 0):
        return None
    if not slot.bars:
        bus.kernel.pci.assign_bars(slot)
    pdev = PciDev(bus, slot, refuse)
    pdev.config_write(PCI_INTERRUPT_LINE, 1, pdev.line_irq & 0xFF)
    # firmware leaves decoding on (recorded: no "enabling device" line at probe)
    decode = pdev.config_read(PCI_COMMAND, 2) | PCI_COMMAND_IO | PCI_COMMAND_MEMORY
    pdev.config_write(PCI_COMMAND, 2, decode)
    bus.devices.append(pdev)
    bus.kernel.log.info(
        "pci %s: [%04x:%04x] type 00 class 0x%06x" % (pdev.name, pdev.vendor, pdev.device, pdev.class_code)
    )
    _device_files(pdev)
    if bus.autoprobe:
        device_attach(pdev)
    return pdev


def pci_stop_and_remove_bus_device(pdev: PciDev) -> None:
    """Hot-unplug or `echo 1 > remove`: the driver is released, the files go."""
    device_release_driver(pdev)
    pdev.removed = True
    f = pdev.kernel.files
    f.remove("/sys/bus/pci/devices/" + pdev.name)
    f.remove(_devpath(pdev))
    pdev.bus.devices.remove(pdev)


# --- matching -----------------------------------------------------------------------------------------------


def pci_match_one_device(ident: PciDeviceId, pdev: PciDev) -> bool:
    return (
        (ident.vendor == PCI_ANY_ID or ident.vendor == pdev.vendor)
        and (ident.device == PCI_ANY_ID or ident.device == pdev.device)
        and (ident.subvendor == PCI_ANY_ID or ident.subvendor == pdev.subsystem_vendor)
        and (ident.subdevice == PCI_ANY_ID or ident.subdevice == pdev.subsystem_device)
        and not (ident.class_code ^ pdev.class_code) & ident.class_mask
    )


def pci_match_id(ids: list[PciDeviceId], pdev: PciDev) -> PciDeviceId | None:
    """The first entry that fits."""
    for ident in ids:
        if pci_match_one_device(ident, pdev):
            return ident
    return None


def pci_match_device(drv: PciDriver, pdev: PciDev) -> PciDeviceId | None:
    """driver_override first, then dynamic ids, then the table; an override without an id matches by a
    wildcard.
    """
    if pdev.driver_override and pdev.driver_override != drv.name:
        return None
    found = pci_match_id(drv.dynids, pdev)
    if found is not None:
        return found
    for ident in drv.id_table:
        if pci_match_one_device(ident, pdev) and (not ident.override_only or pdev.driver_override):
            return ident
    if pdev.driver_override:
        return PciDeviceId(PCI_ANY_ID, PCI_ANY_ID)
    return None


# --- drivers ------------------------------------------------------------------------------------------------


def __pci_register_driver(bus: PciBus, drv: PciDriver) -> None:
    """Add a driver and offer it every unbound device.  Raises OSError(EBUSY) for a second one of that name."""
    for d in bus.drivers:
        if d.name == drv.name:
            bus.kernel.log.err("Error: Driver '%s' is already registered, aborting..." % drv.name)
            raise linux_error(EBUSY, drv.name)
    bus.drivers.append(drv)
    _driver_files(bus, drv)
    if bus.autoprobe:
        driver_attach(bus, drv)


def pci_register_driver(bus: PciBus, drv: PciDriver) -> None:
    if not bus.kernel.config_enabled("PM"):
        drv.has_suspend = False  # the pm field is not compiled in
    __pci_register_driver(bus, drv)


def pci_unregister_driver(bus: PciBus, drv: PciDriver) -> None:
    """Release its devices, newest first, then forget it."""
    for pdev in list(reversed(drv.devices)):
        device_release_driver(pdev)
    if drv in bus.drivers:
        bus.drivers.remove(drv)
    bus.kernel.files.remove("/sys/bus/pci/drivers/" + drv.name)


def driver_attach(bus: PciBus, drv: PciDriver) -> None:
    for pdev in list(bus.devices):
        if pdev.driver is None:
            ident = pci_match_device(drv, pdev)
            if ident is not None:
                _really_probe(drv, pdev, ident)


def device_attach(pdev: PciDev) -> bool:
    """Offer the device to the drivers in the order of their registration."""
    for drv in pdev.bus.drivers:
        ident = pci_match_device(drv, pdev)
        if ident is not None and _really_probe(drv, pdev, ident):
            return True
    return False


def _really_probe(drv: PciDriver, pdev: PciDev, ident: PciDeviceId) -> bool:
    """pci_device_probe: the driver's probe; what it raises leaves the device unbound."""
    pdev.probing = drv
    try:
        drv.probe(pdev, ident)
    except OSError as e:
        pdev.probing = None
        pdev.driver_data = None
        if e.errno in (ENODEV, ENXIO):
            return False
        pdev.kernel.log.warn("%s: probe of %s failed with error %d" % (drv.name, pdev.name, -(e.errno or EIO)))
        return False
    pdev.probing = None
    pdev.driver = drv
    drv.devices.append(pdev)
    f = pdev.kernel.files
    f.symlink("%s/driver" % _devpath(pdev), "/sys/bus/pci/drivers/%s" % drv.name)
    f.symlink("/sys/bus/pci/drivers/%s/%s" % (drv.name, pdev.name), _devpath(pdev))
    return True


def device_release_driver(pdev: PciDev) -> None:
    """pci_device_remove: the driver lets go; the device stays disabled."""
    drv = pdev.driver
    if drv is None:
        return
    drv.remove(pdev)
    pdev.driver = None
    pdev.driver_data = None
    drv.devices.remove(pdev)
    f = pdev.kernel.files
    f.remove("%s/driver" % _devpath(pdev))
    f.remove("/sys/bus/pci/drivers/%s/%s" % (drv.name, pdev.name))
    if pdev.current_state == PCI_D0:
        pdev.current_state = PCI_UNKNOWN


def pci_set_drvdata(pdev: PciDev, data: object) -> None:
    pdev.driver_data = data


# --- enabling -----------------------------------------------------------------------------------------------


def _enable(pdev: PciDev, flags: int) -> None:
    pdev.enable_cnt += 1
    if pdev.enable_cnt > 1:
        return
    try:
        pci_set_power_state(pdev, PCI_D0)
        want = 0
        for res in pdev.resources[:6]:
            if res.flags & flags:
                want |= PCI_COMMAND_IO if res.flags & IORESOURCE_IO else PCI_COMMAND_MEMORY
                if res.start == 0:
                    pdev.err("can't enable device: BAR %d not assigned" % res.index)
                    raise linux_error(EINVAL, pdev.name)
        command = pdev.config_read(PCI_COMMAND, 2)
        if command == 0xFFFF:
            raise linux_error(ENODEV, pdev.name)
        if command | want != command:
            pdev.info("enabling device (%04x -> %04x)" % (command, command | want))
            pdev.config_write(PCI_COMMAND, 2, command | want)
        if not pdev.msix_enabled and not pdev.msi_enabled:
            if pdev.pin:
                pdev.irq = pci_request_line(pdev)
            pci_intx(pdev, True)
    except OSError:
        pdev.enable_cnt -= 1
        raise


def pci_enable_device_mem(pdev: PciDev) -> None:
    """Power on and decode memory BARs; counted.  Raises OSError(EINVAL, ENODEV)."""
    _enable(pdev, IORESOURCE_MEM)


def pci_enable_device(pdev: PciDev) -> None:
    """Power on and decode memory and I/O BARs; counted."""
    _enable(pdev, IORESOURCE_MEM | IORESOURCE_IO)


def pci_disable_device(pdev: PciDev) -> None:
    """The last one to disable takes bus mastering away."""
    pdev.enable_cnt -= 1
    if pdev.enable_cnt > 0:
        return
    pdev.enable_cnt = 0
    command = pdev.config_read(PCI_COMMAND, 2)
    if command & PCI_COMMAND_MASTER:
        pdev.config_write(PCI_COMMAND, 2, command & ~PCI_COMMAND_MASTER)
    pdev.is_busmaster = False


def pci_set_master(pdev: PciDev) -> None:
    command = pdev.config_read(PCI_COMMAND, 2)
    if not command & PCI_COMMAND_MASTER:
        pdev.config_write(PCI_COMMAND, 2, command | PCI_COMMAND_MASTER)
    pdev.is_busmaster = True


def pci_clear_master(pdev: PciDev) -> None:
    pdev.config_write(PCI_COMMAND, 2, pdev.config_read(PCI_COMMAND, 2) & ~PCI_COMMAND_MASTER)
    pdev.is_busmaster = False


def pci_intx(pdev: PciDev, enable: bool) -> None:
    command = pdev.config_read(PCI_COMMAND, 2)
    new = command & ~PCI_COMMAND_INTX_DISABLE if enable else command | PCI_COMMAND_INTX_DISABLE
    if new != command:
        pdev.config_write(PCI_COMMAND, 2, new)


def pci_set_power_state(pdev: PciDev, state: int) -> None:
    """PMCSR; D3hot to D0 resets a device that has no NoSoftRst (its config space then needs
    pci_restore_state).
    """
    at = pdev.find_capability(PCI_CAP_ID_PM)
    if at and pdev.config_read(at + PCI_PM_CTRL, 2) & 3 != state:
        v = pdev.config_read(at + PCI_PM_CTRL, 2)
        pdev.config_write(at + PCI_PM_CTRL, 2, v & ~3 | state)
        if state == PCI_D0:
            for res in pdev.resources[:6]:  # pci_restore_bars
                if res.flags:
                    pdev.config_write(PCI_BASE_ADDRESS_0 + 4 * res.index, 4, res.start & 0xFFFFFFFF)
    pdev.current_state = state


def pci_save_state(pdev: PciDev) -> None:
    """Remember the first 64 bytes and what software sets in the capabilities."""
    saved = [(4 * i, 4, pdev.config_read(4 * i, 4)) for i in range(16)]
    at = pdev.find_capability(PCI_CAP_ID_EXP)
    if at:
        saved.append((at + PCI_EXP_DEVCTL, 2, pdev.config_read(at + PCI_EXP_DEVCTL, 2)))
        saved.append((at + PCI_EXP_LNKCTL, 2, pdev.config_read(at + PCI_EXP_LNKCTL, 2)))
    pdev.saved = saved
    pdev.state_saved = True


def pci_restore_state(pdev: PciDev) -> None:
    """Write back what was saved, the command register last, then the interrupt messages; once."""
    if not pdev.state_saved:
        return
    command = -1
    for off, size, value in pdev.saved:
        if off == PCI_COMMAND:
            command = value & 0xFFFF
        elif pdev.config_read(off, size) != value:
            pdev.config_write(off, size, value)
    if command >= 0:
        pdev.config_write(PCI_COMMAND, 2, command)
    pci_restore_msi_state(pdev)
    pdev.state_saved = False


def pci_wake_from_d3(pdev: PciDev, enable: bool) -> None:
    pdev.wakeup_enabled = enable


# --- resources and DMA --------------------------------------------------------------------------------------


def pci_select_bars(pdev: PciDev, flags: int) -> int:
    """The BARs of that kind, as a mask."""
    mask = 0
    for res in pdev.resources[:6]:
        if res.flags & flags:
            mask |= 1 << res.index
    return mask


def pci_request_selected_regions(pdev: PciDev, bars: int, name: str) -> None:
    """Claim the BARs of the mask for `name`.  Raises OSError(EBUSY), nothing claimed."""
    taken: list[PciResource] = []
    for res in pdev.resources[:6]:
        if bars >> res.index & 1 and res.flags:
            if res.owner:
                kind = "io " if res.flags & IORESOURCE_IO else "mem"
                pdev.warn("BAR %d: can't reserve [%s 0x%08x-0x%08x]" % (res.index, kind, res.start, res.end))
                for t in taken:
                    t.owner = ""
                raise linux_error(EBUSY, pdev.name)
            res.owner = name
            taken.append(res)


def pci_release_selected_regions(pdev: PciDev, bars: int) -> None:
    for res in pdev.resources[:6]:
        if bars >> res.index & 1:
            res.owner = ""


def pci_release_mem_regions(pdev: PciDev) -> None:
    pci_release_selected_regions(pdev, pci_select_bars(pdev, IORESOURCE_MEM))


def dma_set_mask_and_coherent(pdev: PciDev, mask: int) -> None:
    """`mask`: addresses that the device can reach.  Raises OSError(EIO) for what no memory lies under."""
    if mask < 0xFFFFFF:
        raise linux_error(EIO, pdev.name)
    pdev.dma_mask = mask


def pci_disable_link_state(pdev: PciDev, state: int) -> None:
    """Turn ASPM states off in the link control register."""
    at = pdev.find_capability(PCI_CAP_ID_EXP)
    if at:
        pdev.aspm_disabled |= state
        v = pdev.config_read(at + PCI_EXP_LNKCTL, 2)
        if v & state:
            pdev.config_write(at + PCI_EXP_LNKCTL, 2, v & ~state)


def pci_enable_pcie_error_reporting(pdev: PciDev) -> None:
    """Correctable, non-fatal, fatal and unsupported-request reporting, when there is AER."""
    at = pdev.find_capability(PCI_CAP_ID_EXP)
    if at and pdev.find_ext_capability(PCI_EXT_CAP_ID_ERR):
        pdev.aer_enabled = True
        pdev.config_write(at + PCI_EXP_DEVCTL, 2, pdev.config_read(at + PCI_EXP_DEVCTL, 2) | 0xF)


def pci_disable_pcie_error_reporting(pdev: PciDev) -> None:
    at = pdev.find_capability(PCI_CAP_ID_EXP)
    if at and pdev.aer_enabled:
        pdev.aer_enabled = False
        pdev.config_write(at + PCI_EXP_DEVCTL, 2, pdev.config_read(at + PCI_EXP_DEVCTL, 2) & ~0xF)


def pcie_get_speed_and_width(pdev: PciDev) -> tuple[str, int]:
    """Negotiated link: speed as sysfs prints it, lanes."""
    at = pdev.find_capability(PCI_CAP_ID_EXP)
    v = pdev.config_read(at + PCI_EXP_LNKSTA, 2) if at else 0
    return {1: "2.5 GT/s PCIe", 2: "5.0 GT/s PCIe", 3: "8.0 GT/s PCIe"}.get(v & 0xF, "Unknown"), v >> 4 & 0x3F


# --- interrupts ---------------------------------------------------------------------------------------------


class _MsixMessage:
    """Writes one MSI-X table entry through its BAR, masked while it changes."""

    __slots__ = ("pdev", "bar", "off")

    def __init__(self, pdev: PciDev, bar: int, off: int) -> None:
        self.pdev = pdev
        self.bar = bar
        self.off = off

    def write(self, cpu: int, vector: int) -> None:
        addr, data = msi_message(cpu, vector)
        p, bar, off = self.pdev, self.bar, self.off
        control = p.readl(bar, off + 12)
        p.writel(bar, off + 12, control | 1)
        p.writel(bar, off, addr & 0xFFFFFFFF)
        p.writel(bar, off + 4, addr >> 32)
        p.writel(bar, off + 8, data)
        p.writel(bar, off + 12, control & ~1)


class _MsiMessage:
    """Writes the message of the MSI capability."""

    __slots__ = ("pdev", "at")

    def __init__(self, pdev: PciDev, at: int) -> None:
        self.pdev = pdev
        self.at = at

    def write(self, cpu: int, vector: int) -> None:
        addr, data = msi_message(cpu, vector)
        p, at = self.pdev, self.at
        p.config_write(at + 4, 4, addr & 0xFFFFFFFF)
        if p.config_read(at + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_64BIT:
            p.config_write(at + 8, 4, addr >> 32)
            p.config_write(at + 12, 2, data)
        else:
            p.config_write(at + 8, 2, data)


def pci_msix_vec_count(pdev: PciDev) -> int:
    """Table size; raises OSError(EINVAL) without MSI-X."""
    at = pdev.find_capability(PCI_CAP_ID_MSIX)
    if not at:
        raise linux_error(EINVAL, pdev.name)
    return (pdev.config_read(at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1


def _msi_supported(pdev: PciDev, kind: str) -> None:
    if "pci=nomsi" in pdev.kernel.cmdline.split() or pdev.no_msi or pdev.current_state != PCI_D0:
        raise linux_error(EINVAL, pdev.name)
    if kind in pdev.refuse:
        raise linux_error(ENOSPC, pdev.name)


def pci_enable_msix_range(pdev: PciDev, entries: list[MsixEntry], minvec: int, maxvec: int) -> int:
    """Between `minvec` and `maxvec` vectors for the first of `entries`; returns how many.

    Raises OSError: EINVAL (no capability, MSI off, already on), ENOSPC (fewer than `minvec`; a platform
    without vectors).
    """
    if pdev.msix_enabled or pdev.msi_enabled:
        raise linux_error(EINVAL, pdev.name)
    _msi_supported(pdev, "msix")
    have = pci_msix_vec_count(pdev)
    n = min(maxvec, have)
    if n < minvec:
        raise linux_error(ENOSPC, pdev.name)
    at = pdev.find_capability(PCI_CAP_ID_MSIX)
    table = pdev.config_read(at + PCI_MSIX_TABLE, 4)
    bar, base = table & 7, table & ~7
    flags = pdev.config_read(at + PCI_MSIX_FLAGS, 2)
    pdev.config_write(at + PCI_MSIX_FLAGS, 2, flags | PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE)
    done: list[MsixEntry] = []
    try:
        for e in entries[:n]:
            if e.entry >= have:
                raise linux_error(EINVAL, pdev.name)
            off = base + 16 * e.entry
            pdev.writel(bar, off + 12, 1)
            e.desc = pdev.kernel.irq.alloc_msi(
                (pdev.devid << 11) + e.entry, "msix", pdev.name, _MsixMessage(pdev, bar, off).write
            )
            e.vector = e.desc.irq
            done.append(e)
    except OSError as err:
        short = err.errno == ENOSPC and len(done) >= minvec
        if not short:
            for e in done:
                assert e.desc is not None
                pdev.kernel.irq.free_msi(e.desc)
                e.desc = None
            pdev.config_write(at + PCI_MSIX_FLAGS, 2, flags & ~(PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE))
            raise
    pci_intx(pdev, False)
    pdev.msix_enabled = True
    pdev.msix_descs = done
    pdev.config_write(at + PCI_MSIX_FLAGS, 2, (flags | PCI_MSIX_FLAGS_ENABLE) & ~PCI_MSIX_FLAGS_MASKALL)
    for e in done:
        _irq_file(pdev, e.vector, "msix")
    return len(done)


def pci_disable_msix(pdev: PciDev) -> None:
    if not pdev.msix_enabled:
        return
    at = pdev.find_capability(PCI_CAP_ID_MSIX)
    table = pdev.config_read(at + PCI_MSIX_TABLE, 4)
    for e in pdev.msix_descs:
        pdev.writel(table & 7, (table & ~7) + 16 * e.entry + 12, 1)
        if e.desc is not None:
            _irq_file(pdev, e.vector, "")
            pdev.kernel.irq.free_msi(e.desc)
            e.desc = None
    flags = pdev.config_read(at + PCI_MSIX_FLAGS, 2)
    pdev.config_write(at + PCI_MSIX_FLAGS, 2, flags & ~PCI_MSIX_FLAGS_ENABLE)
    pdev.msix_enabled = False
    pdev.msix_descs = []
    pci_intx(pdev, True)


def pci_enable_msi(pdev: PciDev) -> None:
    """One MSI vector; `pdev.irq` becomes its number.  Raises OSError(EINVAL, ENOSPC)."""
    at = pdev.find_capability(PCI_CAP_ID_MSI)
    if not at or pdev.msi_enabled or pdev.msix_enabled:
        raise linux_error(EINVAL, pdev.name)
    _msi_supported(pdev, "msi")
    flags = pdev.config_read(at + PCI_MSI_FLAGS, 2) & ~(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE)
    pdev.config_write(at + PCI_MSI_FLAGS, 2, flags)
    pdev.msi_desc = pdev.kernel.irq.alloc_msi(pdev.devid << 11, "msi", pdev.name, _MsiMessage(pdev, at).write)
    pci_intx(pdev, False)
    pdev.config_write(at + PCI_MSI_FLAGS, 2, flags | PCI_MSI_FLAGS_ENABLE)
    pdev.msi_enabled = True
    pdev.irq = pdev.msi_desc.irq
    _irq_file(pdev, pdev.irq, "msi")


def pci_disable_msi(pdev: PciDev) -> None:
    if not pdev.msi_enabled:
        return
    at = pdev.find_capability(PCI_CAP_ID_MSI)
    pdev.config_write(at + PCI_MSI_FLAGS, 2, pdev.config_read(at + PCI_MSI_FLAGS, 2) & ~PCI_MSI_FLAGS_ENABLE)
    if pdev.msi_desc is not None:
        _irq_file(pdev, pdev.msi_desc.irq, "")
        pdev.kernel.irq.free_msi(pdev.msi_desc)
        pdev.msi_desc = None
    pdev.msi_enabled = False
    pdev.irq = pdev.line_irq
    pci_intx(pdev, True)


def pci_restore_msi_state(pdev: PciDev) -> None:
    """After a reset: messages and enable bits as they were."""
    if pdev.msix_enabled:
        at = pdev.find_capability(PCI_CAP_ID_MSIX)
        flags = pdev.config_read(at + PCI_MSIX_FLAGS, 2)
        pci_intx(pdev, False)
        pdev.config_write(at + PCI_MSIX_FLAGS, 2, flags | PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)
        for e in pdev.msix_descs:
            if e.desc is not None and e.desc.write_msg is not None:
                e.desc.write_msg(e.desc.cpu, e.desc.vector)
        pdev.config_write(at + PCI_MSIX_FLAGS, 2, flags & ~PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE)
    if pdev.msi_enabled and pdev.msi_desc is not None and pdev.msi_desc.write_msg is not None:
        at = pdev.find_capability(PCI_CAP_ID_MSI)
        pci_intx(pdev, False)
        pdev.msi_desc.write_msg(pdev.msi_desc.cpu, pdev.msi_desc.vector)
        pdev.config_write(at + PCI_MSI_FLAGS, 2, pdev.config_read(at + PCI_MSI_FLAGS, 2) | PCI_MSI_FLAGS_ENABLE)


def pci_request_line(pdev: PciDev) -> int:
    """The IRQ number of the INTx line, its descriptor made when first asked for."""
    return pdev.kernel.irq.line_desc(pdev.slot.bus.gsi, pdev.name).irq


# --- power and the end of the machine -----------------------------------------------------------------------


def pci_pm_suspend(pdev: PciDev) -> None:
    """The driver's suspend, then D3hot.  Raises what the driver raises."""
    drv = pdev.driver
    if drv is not None and drv.has_suspend:
        pdev.state_saved = False
        drv.suspend(pdev)
    if not pdev.state_saved:
        pci_save_state(pdev)
    pci_set_power_state(pdev, PCI_D3HOT)


def pci_pm_resume(pdev: PciDev) -> None:
    """D0, config space back, the driver's resume."""
    pci_set_power_state(pdev, PCI_D0)
    pci_restore_state(pdev)
    if pdev.driver is not None and pdev.driver.has_suspend:
        pdev.driver.resume(pdev)


def device_shutdown(bus: PciBus) -> None:
    """Every bound driver's shutdown, last device first; then DMA is off."""
    for pdev in reversed(bus.devices):
        if pdev.driver is not None:
            pdev.driver.shutdown(pdev)
            pci_clear_master(pdev)


# --- error recovery (AER) -----------------------------------------------------------------------------------


def merge_result(orig: int, new: int) -> int:
    """How one driver's answer changes the result so far (drivers/pci/pcie/err.c)."""
    if new == PCI_ERS_RESULT_NO_AER_DRIVER:
        return PCI_ERS_RESULT_NO_AER_DRIVER
    if new == PCI_ERS_RESULT_NONE:
        return orig
    if orig in (PCI_ERS_RESULT_CAN_RECOVER, PCI_ERS_RESULT_RECOVERED):
        return new
    if orig == PCI_ERS_RESULT_DISCONNECT:
        return new if new == PCI_ERS_RESULT_NEED_RESET else orig
    return orig


def pcie_do_recovery(pdev: PciDev, fatal: bool) -> int:
    """An uncorrectable error below the port: report, reset, resume.  Returns the final result (RECOVERED or
    DISCONNECT...).
    """
    state = PCI_CHANNEL_IO_FROZEN if fatal else PCI_CHANNEL_IO_NORMAL
    drv = pdev.driver
    handler = drv.err_handler if drv is not None else None
    pdev.error_state = state
    status = PCI_ERS_RESULT_CAN_RECOVER
    if handler is None:
        status = merge_result(status, PCI_ERS_RESULT_NO_AER_DRIVER)
    else:
        status = merge_result(status, handler.error_detected(pdev, state))
    if fatal and not pci_bus_error_reset(pdev):
        status = PCI_ERS_RESULT_DISCONNECT
    if status == PCI_ERS_RESULT_CAN_RECOVER and handler is not None:
        status = PCI_ERS_RESULT_RECOVERED
        if handler.has_mmio_enabled:
            status = merge_result(status, handler.mmio_enabled(pdev))
    if status == PCI_ERS_RESULT_NEED_RESET and handler is not None:
        pdev.error_state = PCI_CHANNEL_IO_NORMAL
        status = merge_result(PCI_ERS_RESULT_RECOVERED, handler.slot_reset(pdev))
    if status == PCI_ERS_RESULT_RECOVERED and handler is not None:
        pdev.error_state = PCI_CHANNEL_IO_NORMAL
        handler.resume(pdev)
        pdev.kernel.log.info("pcieport 0000:00:01.0: AER: device recovery successful")
        return status
    if handler is not None:
        pdev.error_state = PCI_CHANNEL_IO_PERM_FAILURE
        handler.error_detected(pdev, PCI_CHANNEL_IO_PERM_FAILURE)
    pdev.kernel.log.info("pcieport 0000:00:01.0: AER: device recovery failed")
    return status


def pci_bus_error_reset(pdev: PciDev) -> bool:
    """A secondary bus reset: the function is at power-on values and has its BARs back."""
    pdev.model.reset()
    for res in pdev.resources[:6]:
        if res.flags:
            pdev.config_write(PCI_BASE_ADDRESS_0 + 4 * res.index, 4, res.start & 0xFFFFFFFF)
    return True


# --- files --------------------------------------------------------------------------------------------------


def _devpath(pdev: PciDev) -> str:
    return "/sys/devices/pci0000:00/0000:00:01.0/" + pdev.name


def _irq_file(pdev: PciDev, irq: int, kind: str) -> None:
    path = "%s/msi_irqs/%d" % (_devpath(pdev), irq)
    if kind:
        pdev.kernel.files.add(path, lambda: kind + "\n")
    else:
        pdev.kernel.files.remove(path)
        if not [p for p in pdev.kernel.files.files if p.startswith(_devpath(pdev) + "/msi_irqs/")]:
            pdev.kernel.files.remove(_devpath(pdev) + "/msi_irqs")


def _int_of(text: str, base: int = 0) -> int:
    try:
        return int(text.strip(), base)
    except ValueError:
        raise linux_error(EINVAL, text.strip()) from None


def _device_files(pdev: PciDev) -> None:
    f = pdev.kernel.files
    d = _devpath(pdev)

    def text(name: str, value: str) -> None:
        f.add(d + "/" + name, lambda: value + "\n")

    text("vendor", "0x%04x" % pdev.vendor)
    text("device", "0x%04x" % pdev.device)
    text("subsystem_vendor", "0x%04x" % pdev.subsystem_vendor)
    text("subsystem_device", "0x%04x" % pdev.subsystem_device)
    text("revision", "0x%02x" % pdev.revision)
    text("class", "0x%06x" % pdev.class_code)
    text("modalias", pdev.modalias())
    text("numa_node", "-1")
    k = pdev.kernel
    f.add(d + "/local_cpulist", lambda: cpumask.render_list(online_mask(k)) + "\n")
    f.add(d + "/local_cpus", lambda: cpumask.render_mask(online_mask(k), len(k.cpus)) + "\n")
    text("ari_enabled", "0")
    text("broken_parity_status", "0")
    text("d3cold_allowed", "1")
    f.add(d + "/irq", lambda: "%d\n" % pdev.irq)
    f.add(d + "/enable", lambda: "%d\n" % pdev.enable_cnt)
    f.add(d + "/power_state", lambda: POWER_NAMES[pdev.current_state] + "\n")
    f.add(d + "/dma_mask_bits", lambda: "%d\n" % pdev.dma_mask.bit_length())
    f.add(d + "/consistent_dma_mask_bits", lambda: "%d\n" % pdev.dma_mask.bit_length())
    f.add(
        d + "/resource",
        lambda: "".join("0x%016x 0x%016x 0x%016x\n" % (r.start, r.end, r.flags) for r in pdev.resources),
    )
    f.add(d + "/uevent", lambda: _uevent(pdev))
    f.add(d + "/current_link_speed", lambda: pcie_get_speed_and_width(pdev)[0] + "\n")
    f.add(d + "/current_link_width", lambda: "%d\n" % pcie_get_speed_and_width(pdev)[1])
    f.add(
        d + "/driver_override",
        lambda: (pdev.driver_override or "(null)") + "\n",
        lambda t: _put_override(pdev, t),
    )
    f.add(d + "/msi_bus", lambda: "%d\n" % (not pdev.no_msi), lambda t: _put_msi_bus(pdev, t))
    f.add(d + "/remove", None, lambda t: pci_stop_and_remove_bus_device(pdev) if _int_of(t) else None)
    if pdev.find_ext_capability(PCI_EXT_CAP_ID_SRIOV):
        f.add(d + "/sriov_totalvfs", lambda: "%d\n" % pci_sriov_get_totalvfs(pdev))
        f.add(d + "/sriov_numvfs", lambda: "%d\n" % pdev.num_vfs, lambda t: sriov_numvfs_store(pdev, t))
    f.symlink(d + "/subsystem", "/sys/bus/pci")
    f.symlink("/sys/bus/pci/devices/" + pdev.name, d)


def _put_override(pdev: PciDev, text: str) -> None:
    pdev.driver_override = text.strip()


def _put_msi_bus(pdev: PciDev, text: str) -> None:
    pdev.no_msi = not _int_of(text)


def pci_sriov_get_totalvfs(pdev: PciDev) -> int:
    """How many virtual functions the device can have."""
    at = pdev.find_ext_capability(PCI_EXT_CAP_ID_SRIOV)
    return pdev.config_read(at + PCI_SRIOV_TOTAL_VF, 2) if at else 0


def sriov_numvfs_store(pdev: PciDev, text: str) -> None:
    """`echo N > sriov_numvfs`.

    Raises OSError: EINVAL (no number), ERANGE (more than there can be), ENOENT (no driver, or one that cannot), EBUSY
    (change from one number to another without 0 between), or what the driver raises.
    """
    n = _int_of(text)
    if n < 0:
        raise linux_error(EINVAL, text.strip())
    if n > pci_sriov_get_totalvfs(pdev):
        raise linux_error(ERANGE, text.strip())
    if n == pdev.num_vfs:
        return
    drv = pdev.driver
    if drv is None:
        pdev.info("no driver bound to device; cannot configure SR-IOV")
        raise linux_error(ENOENT, pdev.name)
    if not drv.has_sriov:
        pdev.info("driver does not support SR-IOV configuration via sysfs")
        raise linux_error(ENOENT, pdev.name)
    if n and pdev.num_vfs:
        pdev.warn("%d VFs already enabled. Disable before enabling %d VFs" % (pdev.num_vfs, n))
        raise linux_error(EBUSY, pdev.name)
    got = drv.sriov_configure(pdev, n)
    if n and got != n:
        pdev.warn("%d VFs requested; only %d enabled" % (n, got))
    pdev.num_vfs = got if n else 0


def _uevent(pdev: PciDev) -> str:
    out = "DRIVER=%s\n" % pdev.driver.name if pdev.driver is not None else ""
    return out + "PCI_CLASS=%04X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s\nMODALIAS=%s\n" % (
        pdev.class_code,
        pdev.vendor,
        pdev.device,
        pdev.subsystem_vendor,
        pdev.subsystem_device,
        pdev.name,
        pdev.modalias(),
    )


def _driver_files(bus: PciBus, drv: PciDriver) -> None:
    f = bus.kernel.files
    d = "/sys/bus/pci/drivers/" + drv.name
    f.add(d + "/bind", None, lambda t: bind_store(bus, drv, t.strip()))
    f.add(d + "/unbind", None, lambda t: unbind_store(bus, drv, t.strip()))
    f.add(d + "/new_id", None, lambda t: new_id_store(bus, drv, t))
    f.add(d + "/remove_id", None, lambda t: remove_id_store(drv, t))
    f.symlink(d + "/module", "/sys/module/" + drv.module_name)


def bind_store(bus: PciBus, drv: PciDriver, name: str) -> None:
    """`echo SLOT > bind`.  Raises OSError(ENODEV) when it does not exist, is bound, or does not match."""
    pdev = bus.by_name(name)
    ident = pci_match_device(drv, pdev) if pdev.driver is None else None
    if ident is None or not _really_probe(drv, pdev, ident):
        raise linux_error(ENODEV, name)


def unbind_store(bus: PciBus, drv: PciDriver, name: str) -> None:
    pdev = bus.by_name(name)
    if pdev.driver is not drv:
        raise linux_error(ENODEV, name)
    device_release_driver(pdev)


def _id_fields(text: str) -> list[int]:
    words = text.split()
    if len(words) < 2:
        raise linux_error(EINVAL, text.strip())
    return [_int_of(w, 16) for w in words[:7]]


def new_id_store(bus: PciBus, drv: PciDriver, text: str) -> None:
    """`vendor device [subvendor subdevice [class class_mask [driver_data]]]`, hexadecimal; rescans.

    Raises OSError: EINVAL (fewer than two numbers), EEXIST (the driver has that id).
    """
    v = _id_fields(text)
    ident = PciDeviceId(
        v[0],
        v[1],
        v[6] if len(v) > 6 else 0,
        v[2] if len(v) > 2 else PCI_ANY_ID,
        v[3] if len(v) > 3 else PCI_ANY_ID,
        v[4] if len(v) > 4 else 0,
        v[5] if len(v) > 5 else 0,
    )
    for old in drv.dynids + drv.id_table:
        if (
            old.vendor == ident.vendor
            and old.device == ident.device
            and old.subvendor == ident.subvendor
            and old.subdevice == ident.subdevice
        ):
            raise linux_error(EEXIST, text.strip())
    drv.dynids.append(ident)
    driver_attach(bus, drv)


def remove_id_store(drv: PciDriver, text: str) -> None:
    v = _id_fields(text)
    for old in drv.dynids:
        if old.vendor == v[0] and old.device == v[1]:
            drv.dynids.remove(old)
            return
    raise linux_error(ENODEV, text.strip())
