"""The device side of PCI: sizing, masks, capability chain, MSI and MSI-X message rules, INTx line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.hw.bus import DetachedBus, Tag
from rxpath.hw.nic.base import NicModel
from rxpath.hw.pci import BAR_IO, BAR_MEM64, MsixTable, PciConfig


class RecordingBus(DetachedBus):
    def __init__(self) -> None:
        self.sent: list[tuple[int, int, int]] = []
        self.lines: list[tuple[int, bool]] = []

    def msi(self, addr: int, data: int, size: int = 4) -> None:
        self.sent.append((addr, data, size))

    def intx(self, pin: int, level: bool) -> None:
        self.lines.append((pin, level))


class Plain(NicModel):
    def __init__(self, config: PciConfig, msix: MsixTable | None = None) -> None:
        super().__init__(config, b"\x52\x54\x00\x12\x34\x56", msix)
        self.resets = 0

    def device_reset(self) -> None:
        self.resets += 1

    def receive(self, frame: bytes, tag: Tag | None = None, fcs_ok: bool = True) -> bool:
        return False


def full() -> PciConfig:
    c = PciConfig(0x8086, 0x10D3)
    c.add_bar(0, 0x20000)
    c.add_bar(2, 0x20, BAR_IO)
    c.add_bar(4, 1 << 33, BAR_MEM64, prefetch=True)
    c.add_rom(0x40000)
    c.add_pm(0xC8)
    c.add_msi(0xD0, vectors_log2=2, maskable=True)
    c.add_pcie(0x40, devcap=0x10008000)
    c.add_msix(0xA0, 5, 3, 0, 3, 0x2000)
    c.add_aer()
    c.add_dsn(0x140, b"\x52\x54\x00\x12\x34\x56")
    return c


def test_sizing() -> None:
    c = full()
    for off in (0x10, 0x18, 0x20, 0x24, 0x30):
        c.write(off, 4, 0xFFFFFFFF)
    assert c.read(0x10, 4) == 0xFFFE0000
    assert c.read(0x18, 4) == 0xFFFFFFE1
    assert c.read(0x20, 8) == 0xFFFFFFFE0000000C
    assert c.read(0x30, 4) == 0xFFFC0001
    assert c.read(0x14, 4) == 0  # not there
    c.write(0x20, 8, 0x1234567800000000)
    assert c.bar_address(4) == 0x1234567800000000
    c.write(0x18, 4, 0xC001)
    assert c.bar_address(2) == 0xC000
    with pytest.raises(ValueError):
        c.add_bar(0, 3000)


def test_capability_chain() -> None:
    c = full()
    seen, at = [], c.read(0x34, 1)
    while at:
        seen.append(c.read(at, 1))
        at = c.read(at + 1, 1)
    assert seen == [0x01, 0x05, 0x10, 0x11]
    assert c.read(0x100, 4) >> 20 == 0x140
    assert c.read(0x140, 4) == 0x00010003
    assert bytes(c.mem[0x144:0x14C]).hex() == "563412ffff005452"


def test_read_only_and_w1c() -> None:
    c = full()
    c.write(0, 4, 0)
    assert c.read(0, 4) == 0x10D38086
    c.set_status(0x2000)
    c.write(6, 2, 0x1000)
    assert c.read(6, 2) == 0x2010
    c.write(6, 2, 0x2000)
    assert c.read(6, 2) == 0x0010
    assert c.read(4096, 4) == 0xFFFFFFFF


def test_power_state_gates_decode_and_resets() -> None:
    d = Plain(full())
    d.attach(RecordingBus())
    d.config_write(4, 2, 7)
    assert d.config.decode_mem and d.config.bus_master
    d.config_write(0xCC, 2, 1)  # D1 is not offered
    assert d.config_read(0xCC, 2) & 3 == 0
    d.config_write(0xCC, 2, 3)
    assert not d.config.decode_mem and not d.config.bus_master and d.resets == 0
    d.config_write(0xCC, 2, 0)
    assert d.resets == 1 and d.config_read(4, 2) == 0  # No_Soft_Reset is clear: configuration is lost


def test_function_level_reset() -> None:
    d = Plain(full())
    d.config_write(4, 2, 7)
    d.config_write(0x48, 2, 0x8000)
    assert d.resets == 1 and d.config_read(4, 2) == 0


def msix_device() -> tuple[Plain, RecordingBus, MsixTable]:
    c = full()
    t = MsixTable(c, 5)
    d = Plain(c, t)
    bus = RecordingBus()
    d.attach(bus)
    for v in range(5):
        for i, x in enumerate((0xFEE00000 + 0x1000 * v, 0, 0x40 + v, 0)):
            t.write(16 * v + 4 * i, 4, x)
    return d, bus, t


def test_msix_rules() -> None:
    d, bus, t = msix_device()
    d.config_write(4, 2, 7)
    t.fire(1)
    assert bus.sent == [] and t.pending == 0  # MSI-X is off
    d.config_write(0xA2, 2, 0xC000)
    t.fire(1)
    t.fire(1)
    assert bus.sent == [] and t.pba_read(0, 4) == 2  # function mask
    d.config_write(0xA2, 2, 0x8000)
    assert bus.sent == [(0xFEE01000, 0x41, 4)] and t.pba_read(0, 4) == 0
    t.write(16 * 2 + 12, 4, 1)
    t.fire(2)
    t.fire(9)
    assert len(bus.sent) == 1
    t.write(16 * 2, 4, 0xFEE09000)  # affinity change while masked
    t.write(16 * 2 + 12, 4, 0)
    assert bus.sent[1:] == [(0xFEE09000, 0x42, 4)]
    d.config_write(4, 2, 3)
    t.fire(0)
    assert len(bus.sent) == 2  # not a bus master
    d.config_write(4, 2, 7)
    assert bus.sent[2:] == [(0xFEE00000, 0x40, 4)]


def test_msi_rules() -> None:
    d, bus, _t = msix_device()
    d.config_write(4, 2, 7)
    d.config_write(0xD4, 4, 0xFEE0F000)
    d.config_write(0xDC, 2, 0x4050)
    d.fire_msi(0)
    assert bus.sent == []
    d.config_write(0xD2, 2, 0x21)  # enable, 4 vectors
    d.fire_msi(3)
    assert bus.sent == [(0xFEE0F000, 0x4053, 2)]
    d.config_write(0xE0, 4, 0x2)
    d.fire_msi(1)
    assert len(bus.sent) == 1 and d.config_read(0xE4, 4) == 2
    d.config_write(0xE0, 4, 0)
    assert bus.sent[1:] == [(0xFEE0F000, 0x4051, 2)] and d.config_read(0xE4, 4) == 0


def test_intx_line() -> None:
    d, bus, _t = msix_device()
    d.set_intx(True)
    d.set_intx(True)
    assert bus.lines == [(1, True)] and d.config_read(6, 2) & 8
    d.config_write(4, 2, 0x407)
    assert bus.lines[1:] == [(1, False)] and d.config_read(6, 2) & 8
    d.config_write(4, 2, 0x7)
    d.config_write(0xA2, 2, 0x8000)
    assert bus.lines[2:] == [(1, True), (1, False)]
    d.set_intx(False)
    assert len(bus.lines) == 4 and not d.config_read(6, 2) & 8


@given(st.lists(st.tuples(st.integers(0, 4200), st.sampled_from((1, 2, 4, 8)), st.integers(0, 2**64 - 1)), max_size=40))
def test_random_writes_never_raise_and_keep_identity(writes: list[tuple[int, int, int]]) -> None:
    d, _bus, _t = msix_device()
    for off, size, value in writes:
        d.config_write(off, size, value & ((1 << 8 * size) - 1))
        assert 0 <= d.config_read(off, size) < 1 << 8 * size
    assert d.config_read(0, 4) == 0x10D38086
    assert d.config_read(0x34, 1) == 0xC8
