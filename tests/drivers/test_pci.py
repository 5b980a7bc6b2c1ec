"""The PCI driver model: matching, probing, resources, interrupts, power, recovery, files."""

from __future__ import annotations

import pytest
from tests.drivers.host import MAC, Host

from rxpath.drivers import pci
from rxpath.drivers.pci import (
    PCI_ERS_RESULT_CAN_RECOVER,
    PCI_ERS_RESULT_DISCONNECT,
    PCI_ERS_RESULT_NEED_RESET,
    PCI_ERS_RESULT_NO_AER_DRIVER,
    PCI_ERS_RESULT_NONE,
    PCI_ERS_RESULT_RECOVERED,
    MsixEntry,
    PciDev,
    PciDeviceId,
    PciDriver,
    merge_result,
    pci_match_device,
)
from rxpath.hw.irqchip import msi_message
from rxpath.hw.nic.i82574 import I82574
from rxpath.kernel.errno import EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, ENOSPC, ERANGE, linux_error

SYS = "/sys/bus/pci/devices/0000:01:00.0"


class Recorder(PciDriver):
    """Takes every device and remembers what was called."""

    __slots__ = ("calls", "error")

    def __init__(self, name: str, ids: list[PciDeviceId], error: int = 0) -> None:
        super().__init__(name, ids)
        self.calls: list[str] = []
        self.error = error

    def probe(self, pdev: PciDev, ent: PciDeviceId) -> None:
        self.calls.append("probe %d" % ent.driver_data)
        if self.error:
            raise linux_error(self.error, pdev.name)

    def remove(self, pdev: PciDev) -> None:
        self.calls.append("remove")

    def suspend(self, pdev: PciDev) -> None:
        self.calls.append("suspend")

    def resume(self, pdev: PciDev) -> None:
        self.calls.append("resume")

    def shutdown(self, pdev: PciDev) -> None:
        self.calls.append("shutdown")


NIC = PciDeviceId(0x8086, 0x10D3, 7)


@pytest.fixture
def host() -> Host:
    return Host(load=False)


def test_first_matching_entry_wins_and_classes_are_masked(host: Host) -> None:
    p = host.pdev()
    exact = PciDeviceId(0x8086, 0x10D3, 2)
    by_class = PciDeviceId(pci.PCI_ANY_ID, pci.PCI_ANY_ID, 1, class_code=0x020000, class_mask=0xFF0000)
    found = pci_match_device(Recorder("a", [by_class, exact]), p)
    assert found is not None and found.driver_data == 1
    found = pci_match_device(Recorder("a", [exact, by_class]), p)
    assert found is not None and found.driver_data == 2
    assert pci_match_device(Recorder("a", [PciDeviceId(0x8086, 0x10D3, 0, 0x8086, 0x1234)]), p) is None
    storage = PciDeviceId(pci.PCI_ANY_ID, pci.PCI_ANY_ID, 0, class_code=0x010000, class_mask=0xFF0000)
    assert pci_match_device(Recorder("a", [storage]), p) is None


def test_override_and_dynamic_ids_come_before_the_table(host: Host) -> None:
    p = host.pdev()
    d = Recorder("mine", [NIC])
    d.dynids.append(PciDeviceId(0x8086, 0x10D3, 9))
    found = pci_match_device(d, p)
    assert found is not None and found.driver_data == 9
    p.driver_override = "other"
    assert pci_match_device(d, p) is None
    p.driver_override = "mine"
    d.dynids.clear()
    d.id_table = []
    wild = pci_match_device(d, p)
    assert wild is not None and wild.vendor == pci.PCI_ANY_ID
    hidden = PciDeviceId(0x8086, 0x10D3, 3, override_only=True)
    d.id_table = [hidden]
    assert pci_match_device(d, p) is hidden
    p.driver_override = ""
    assert pci_match_device(d, p) is None


def test_alias_and_modalias(host: Host) -> None:
    # recorded: modalias of QEMU's 82574L
    assert host.kernel.files.read(SYS + "/modalias") == "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00\n"
    assert PciDeviceId(0x8086, 0x10D3).alias() == "pci:v00008086d000010D3sv*sd*bc*sc*i*"
    assert PciDeviceId(pci.PCI_ANY_ID, pci.PCI_ANY_ID, 0, class_code=0x020000, class_mask=0xFFFF00).alias() == \
        "pci:v*d*sv*sd*bc02sc00i*"


def test_probe_bind_unbind_and_a_second_driver(host: Host) -> None:
    first, second = Recorder("first", [NIC]), Recorder("second", [NIC])
    pci.pci_register_driver(host.bus, first)
    pci.pci_register_driver(host.bus, second)
    p = host.pdev()
    assert p.driver is first and first.calls == ["probe 7"] and second.calls == []
    f = host.kernel.files
    assert f.read(SYS + "/uevent").startswith("DRIVER=first\nPCI_CLASS=20000\nPCI_ID=8086:10D3\n")
    with pytest.raises(OSError) as e:
        f.write("/sys/bus/pci/drivers/second/bind", "0000:01:00.0")
    assert e.value.errno == ENODEV  # bound already
    with pytest.raises(OSError) as e:
        f.write("/sys/bus/pci/drivers/second/unbind", "0000:01:00.0")
    assert e.value.errno == ENODEV  # not its device
    f.write("/sys/bus/pci/drivers/first/unbind", "0000:01:00.0\n")
    assert p.driver is None and first.calls[-1] == "remove"
    assert not f.exists(SYS + "/driver")
    f.write("/sys/bus/pci/drivers/second/bind", "0000:01:00.0\n")
    assert p.driver is second and f.exists("/sys/bus/pci/drivers/second/0000:01:00.0")
    pci.pci_unregister_driver(host.bus, second)
    assert second.calls == ["probe 7", "remove"] and not f.exists("/sys/bus/pci/drivers/second")
    with pytest.raises(OSError) as e:
        pci.pci_register_driver(host.bus, Recorder("first", []))
    assert e.value.errno == EBUSY


def test_a_probe_that_fails_is_said_unless_it_means_not_mine(host: Host) -> None:
    pci.pci_register_driver(host.bus, Recorder("quiet", [NIC], ENODEV))
    n = len(host.log())
    assert host.pdev().driver is None and host.log()[n:] == []
    pci.pci_register_driver(host.bus, Recorder("loud", [NIC], ENOSPC))
    assert host.log()[-1] == "loud: probe of 0000:01:00.0 failed with error -28"
    good = Recorder("good", [NIC])
    pci.pci_register_driver(host.bus, good)
    assert host.pdev().driver is good


def test_new_id_and_remove_id(host: Host) -> None:
    d = Recorder("dyn", [PciDeviceId(0x8086, 0x1533)])
    pci.pci_register_driver(host.bus, d)
    f = host.kernel.files
    for text, errno in (("8086", EINVAL), ("8086 xyz", EINVAL), ("8086 1533", EEXIST)):
        with pytest.raises(OSError) as e:
            f.write("/sys/bus/pci/drivers/dyn/new_id", text)
        assert e.value.errno == errno
    f.write("/sys/bus/pci/drivers/dyn/new_id", "8086 10d3")
    assert host.pdev().driver is d
    f.write("/sys/bus/pci/drivers/dyn/remove_id", "8086 10d3")
    assert d.dynids == []
    with pytest.raises(OSError) as e:
        f.write("/sys/bus/pci/drivers/dyn/remove_id", "8086 10d3")
    assert e.value.errno == ENODEV


def test_enable_is_counted_and_takes_bus_mastering_away_at_the_end(host: Host) -> None:
    p = host.pdev()
    assert p.config_read(4, 2) & 7 == 3  # firmware's work
    p.config_write(4, 2, 0)
    assert p.readl(0, 8) == 0xFFFFFFFF
    pci.pci_enable_device_mem(p)
    assert host.log()[-1] == "pci 0000:01:00.0: enabling device (0000 -> 0002)"
    pci.pci_enable_device_mem(p)
    assert p.config_read(4, 2) & 7 == 2
    assert p.readl(0, 8) != 0xFFFFFFFF
    pci.pci_set_master(p)
    pci.pci_disable_device(p)
    assert p.config_read(4, 2) & 4
    pci.pci_disable_device(p)
    assert not p.config_read(4, 2) & 4


def test_regions_are_exclusive(host: Host) -> None:
    p = host.pdev()
    bars = pci.pci_select_bars(p, pci.IORESOURCE_MEM)
    assert bars == 0b1011
    pci.pci_request_selected_regions(p, 0b0010, "somebody")
    with pytest.raises(OSError) as e:
        pci.pci_request_selected_regions(p, bars, "e1000e")
    assert e.value.errno == EBUSY and host.log()[-1].startswith("pci 0000:01:00.0: BAR 1: can't reserve [mem 0x")
    assert [r.owner for r in p.resources[:4]] == ["", "somebody", "", ""]


def test_bars_have_the_recorded_sizes_and_flags(host: Host) -> None:
    rows = [line.split() for line in host.kernel.files.read(SYS + "/resource").splitlines()]
    assert len(rows) == 13
    sizes = [int(b, 16) - int(a, 16) + 1 if int(c, 16) else 0 for a, b, c in rows]
    assert sizes[:7] == [128 << 10, 128 << 10, 32, 16 << 10, 0, 0, 256 << 10]
    assert [c for _, _, c in rows[:4]] == ["0x0000000000040200"] * 2 + ["0x0000000000040101", "0x0000000000040200"]


def entries(n: int) -> list[MsixEntry]:
    return [MsixEntry(i) for i in range(n)]


def test_msix_range_shrinks_refuses_and_keeps_intx_off(host: Host) -> None:
    p = host.pdev()
    pci.pci_enable_device_mem(p)
    assert pci.pci_msix_vec_count(p) == 5
    with pytest.raises(OSError) as e:
        pci.pci_enable_msix_range(p, entries(8), 8, 8)
    assert e.value.errno == ENOSPC and not p.msix_enabled
    e8 = entries(8)
    assert pci.pci_enable_msix_range(p, e8, 1, 8) == 5
    assert [x.vector for x in e8[:5]] == [24, 25, 26, 27, 28]
    assert [host.kernel.irq.descs[i].hwirq for i in range(24, 29)] == [524288 + i for i in range(5)]
    assert p.config_read(4, 2) & pci.PCI_COMMAND_INTX_DISABLE
    with pytest.raises(OSError) as e:
        pci.pci_enable_msi(p)
    assert e.value.errno == EINVAL
    assert host.kernel.files.read(SYS + "/msi_irqs/26") == "msix\n"
    pci.pci_disable_msix(p)
    assert not p.config_read(4, 2) & pci.PCI_COMMAND_INTX_DISABLE
    assert not host.kernel.files.exists(SYS + "/msi_irqs") and 24 not in host.kernel.irq.descs


def test_msi_message_and_irq_number(host: Host) -> None:
    p = host.pdev()
    pci.pci_enable_device_mem(p)
    line = p.irq
    pci.pci_enable_msi(p)
    assert p.irq == 24 and host.kernel.files.read(SYS + "/irq") == "24\n"
    at = p.find_capability(pci.PCI_CAP_ID_MSI)
    desc = host.kernel.irq.descs[24]
    addr, data = msi_message(desc.cpu, desc.vector)
    assert (p.config_read(at + 4, 4), p.config_read(at + 12, 2)) == (addr, data)
    assert p.config_read(at + 2, 2) & 1
    pci.pci_disable_msi(p)
    assert p.irq == line and not p.config_read(at + 2, 2) & 1


@pytest.mark.parametrize("how", ["refuse", "nomsi", "msi_bus", "d3"])
def test_what_denies_messages(how: str) -> None:
    h = Host(load=False)
    p = h.pdev()
    if how == "refuse":
        pci.pci_scan_slot(h.bus, p.slot, ("msix", "msi"))
    elif how == "nomsi":
        h.kernel.cmdline = "quiet pci=nomsi"
    elif how == "msi_bus":
        h.kernel.files.write(SYS + "/msi_bus", "0")
    pci.pci_enable_device_mem(p)
    if how == "d3":
        pci.pci_set_power_state(p, pci.PCI_D3HOT)
    errno = ENOSPC if how == "refuse" else EINVAL
    with pytest.raises(OSError) as e:
        pci.pci_enable_msix_range(p, entries(1), 1, 1)
    assert e.value.errno == errno
    with pytest.raises(OSError) as e:
        pci.pci_enable_msi(p)
    assert e.value.errno == errno


def test_refuse_knows_its_words(host: Host) -> None:
    with pytest.raises(ValueError, match="refuse: 'intx'"):
        PciDev(host.bus, host.kernel.pci.slots[0], ("intx",))


class Watched(I82574):
    """Remembers writes of the MSI-X table: (offset, whether the entry was masked)."""

    def __init__(self, mac: bytes) -> None:
        super().__init__(mac)
        self.table_writes: list[tuple[int, bool]] = []

    def mmio_write(self, bar: int, off: int, size: int, value: int) -> None:
        if bar == 3 and self.msix is not None:
            self.table_writes.append((off, self.msix.masked[0]))
        super().mmio_write(bar, off, size, value)


def test_an_affinity_change_rewrites_the_entry_while_it_is_masked() -> None:
    h = Host(load=False, ncpus=2, model=lambda i: Watched(MAC))
    p = h.pdev()
    pci.pci_enable_device_mem(p)
    pci.pci_enable_msix_range(p, entries(1), 1, 1)
    desc = h.kernel.irq.descs[24]
    table = h.models[0].msix
    assert (table.addr[0], table.data[0]) == msi_message(desc.cpu, desc.vector) and not table.masked[0]
    h.models[0].table_writes.clear()
    old = desc.cpu
    h.kernel.irq.set_affinity(24, 2 if old == 0 else 1)
    h.kernel.irq.move_masked(desc)
    assert desc.cpu != old
    assert (table.addr[0], table.data[0]) == msi_message(desc.cpu, desc.vector) and not table.masked[0]
    body = [masked for off, masked in h.models[0].table_writes if off % 16 < 12]
    assert len(body) == 3 and all(body)


def test_suspend_saves_and_resume_restores(host: Host) -> None:
    d = Recorder("d", [NIC])
    pci.pci_register_driver(host.bus, d)
    p = host.pdev()
    pci.pci_enable_device_mem(p)
    pci.pci_set_master(p)
    bar0 = p.config_read(0x10, 4)
    pci.pci_pm_suspend(p)
    assert host.kernel.files.read(SYS + "/power_state") == "D3hot\n" and p.readl(0, 8) == 0xFFFFFFFF
    pci.pci_pm_resume(p)
    assert p.config_read(0x10, 4) == bar0 and p.config_read(4, 2) & 6 == 6 and p.readl(0, 8) != 0xFFFFFFFF
    pci.device_shutdown(host.bus)
    assert d.calls == ["probe 7", "suspend", "resume", "shutdown"] and not p.config_read(4, 2) & 4


def test_hot_removal(host: Host) -> None:
    d = Recorder("d", [NIC])
    pci.pci_register_driver(host.bus, d)
    host.kernel.files.write(SYS + "/remove", "1")
    assert d.calls == ["probe 7", "remove"] and host.bus.devices == [] and not host.kernel.files.exists(SYS)
    host.bus.scan()
    assert d.calls[-1] == "probe 7" and host.kernel.files.exists(SYS)


R = {"none": PCI_ERS_RESULT_NONE, "can": PCI_ERS_RESULT_CAN_RECOVER, "need": PCI_ERS_RESULT_NEED_RESET,
     "disc": PCI_ERS_RESULT_DISCONNECT, "ok": PCI_ERS_RESULT_RECOVERED, "nodrv": PCI_ERS_RESULT_NO_AER_DRIVER}


@pytest.mark.parametrize("orig,new,result", [
    ("can", "none", "can"), ("can", "need", "need"), ("can", "disc", "disc"), ("ok", "need", "need"), ("ok", "can", "can"),
    ("disc", "need", "need"), ("disc", "can", "disc"), ("disc", "ok", "disc"), ("need", "can", "need"),
    ("need", "disc", "need"), ("need", "nodrv", "nodrv"), ("can", "nodrv", "nodrv"),
])
def test_recovery_votes(orig: str, new: str, result: str) -> None:
    assert merge_result(R[orig], R[new]) == R[result]


def test_a_driver_without_handlers_blocks_recovery(host: Host) -> None:
    pci.pci_register_driver(host.bus, Recorder("d", [NIC]))
    assert pci.pcie_do_recovery(host.pdev(), True) == PCI_ERS_RESULT_NO_AER_DRIVER
    assert host.log()[-1].endswith("device recovery failed")


class WithVfs(Recorder):
    __slots__ = ()

    def sriov_configure(self, pdev: PciDev, num_vfs: int) -> int:
        self.calls.append("vfs %d" % num_vfs)
        return num_vfs


def sriov_model(i: int) -> I82574:
    m = I82574(MAC)
    m.config.add_ext_cap(0x160, 0x0010, 1, [(0x0C, 2, 7, 0), (0x0E, 2, 7, 0)])
    return m


def test_number_of_virtual_functions() -> None:
    h = Host(load=False, model=sriov_model)
    f = h.kernel.files
    d = WithVfs("d", [NIC])

    def put(text: str) -> int:
        try:
            f.write(SYS + "/sriov_numvfs", text)
        except OSError as e:
            return e.errno or -1
        return 0

    assert f.read(SYS + "/sriov_totalvfs") == "7\n"
    assert put("2") == ENOENT
    pci.pci_register_driver(h.bus, d)
    assert put("2") == ENOENT  # the driver does not say that it can
    d.has_sriov = True
    assert [put(t) for t in ("8", "-1", "x", "2", "2", "3", "0", "3")] == [ERANGE, EINVAL, EINVAL, 0, 0, EBUSY, 0, 0]
    assert d.calls == ["probe 7", "vfs 2", "vfs 0", "vfs 3"] and f.read(SYS + "/sriov_numvfs") == "3\n"
    assert not Host(load=False).kernel.files.exists(SYS + "/sriov_numvfs")
