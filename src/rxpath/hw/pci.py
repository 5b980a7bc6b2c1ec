"""Device side of PCI: the configuration space of one function and its MSI-X table.

What belongs here: header type 0, BAR sizing, capability chains, MSI and MSI-X message rules, as a device
implements them (PCI Local Bus 3.0, PCI Express Base 2.0). Not here: enumeration, address decoding,
interrupt controllers, which are the host's side.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.hw.bus import DetachedBus, DeviceBus

CFG_SIZE: Final = 4096

PCI_VENDOR_ID: Final = 0x00
PCI_DEVICE_ID: Final = 0x02
PCI_COMMAND: Final = 0x04
PCI_STATUS: Final = 0x06
PCI_REVISION_ID: Final = 0x08
PCI_CLASS_PROG: Final = 0x09
PCI_CACHE_LINE_SIZE: Final = 0x0C
PCI_LATENCY_TIMER: Final = 0x0D
PCI_HEADER_TYPE: Final = 0x0E
PCI_BASE_ADDRESS_0: Final = 0x10
PCI_SUBSYSTEM_VENDOR_ID: Final = 0x2C
PCI_SUBSYSTEM_ID: Final = 0x2E
PCI_ROM_ADDRESS: Final = 0x30
PCI_CAPABILITY_LIST: Final = 0x34
PCI_INTERRUPT_LINE: Final = 0x3C
PCI_INTERRUPT_PIN: Final = 0x3D

PCI_COMMAND_IO: Final = 0x0001
PCI_COMMAND_MEMORY: Final = 0x0002
PCI_COMMAND_MASTER: Final = 0x0004
PCI_COMMAND_PARITY: Final = 0x0040
PCI_COMMAND_SERR: Final = 0x0100
PCI_COMMAND_INTX_DISABLE: Final = 0x0400

PCI_STATUS_INTERRUPT: Final = 0x0008
PCI_STATUS_CAP_LIST: Final = 0x0010
PCI_STATUS_SIG_TARGET_ABORT: Final = 0x0800
PCI_STATUS_REC_TARGET_ABORT: Final = 0x1000
PCI_STATUS_REC_MASTER_ABORT: Final = 0x2000

PCI_CAP_ID_PM: Final = 0x01
PCI_CAP_ID_VPD: Final = 0x03
PCI_CAP_ID_MSI: Final = 0x05
PCI_CAP_ID_VNDR: Final = 0x09
PCI_CAP_ID_EXP: Final = 0x10
PCI_CAP_ID_MSIX: Final = 0x11

PCI_EXT_CAP_ID_ERR: Final = 0x0001
PCI_EXT_CAP_ID_DSN: Final = 0x0003
PCI_EXT_CAP_ID_ARI: Final = 0x000E
PCI_EXT_CAP_ID_SRIOV: Final = 0x0010

PCI_MSI_FLAGS_ENABLE: Final = 0x0001
PCI_MSI_FLAGS_64BIT: Final = 0x0080
PCI_MSI_FLAGS_MASKBIT: Final = 0x0100
PCI_MSIX_FLAGS_MASKALL: Final = 0x4000
PCI_MSIX_FLAGS_ENABLE: Final = 0x8000
PCI_EXP_DEVCTL_BCR_FLR: Final = 0x8000
PCI_EXP_DEVCAP_FLR: Final = 0x10000000
PCI_PM_CTRL_NO_SOFT_RESET: Final = 0x0008

BAR_MEM32: Final = 0
BAR_MEM64: Final = 1
BAR_IO: Final = 2

PCI_ROM_RESOURCE: Final = 6
"""BAR number under which the expansion ROM is addressed (Linux's number for it)."""

_ENTRY: Final = struct.Struct("<IIII")


class PciConfig:
    """Configuration space of one PCI Express function, header type 0, 4096 bytes.

    A write changes only bits in the write mask; bits in the W1C mask clear when written as one. BAR sizing
    follows from the masks. The state that a hot path asks for (`decode_mem`, `bus_master`, `msi_on`, ...)
    is kept in attributes that every write refreshes.
    """

    __slots__ = (
        "_ext_last", "_last_ptr", "bars", "bus_master", "d_state", "decode_io", "decode_mem", "exp_at",
        "flr_requested",
        "init", "intx_disabled", "intx_pin", "mask", "mem", "msi_at", "msi_on", "msix_at", "msix_masked",
        "msix_on",
        "pm_at", "rom_size", "soft_reset_requested", "w1c",
    )

    def __init__(self, vendor: int, device: int, *, revision: int = 0, class_code: int = 0x020000,
                 sub_vendor: int = 0, sub_device: int = 0, intx_pin: int = 1,
                 multifunction: bool = False) -> None:
        """`intx_pin` 1..4 is INTA..INTD, 0 none. `class_code` is 24 bits: base class, sub class, interface.
        """
        self.mem: bytearray = bytearray(CFG_SIZE)
        self.init: bytearray = bytearray(CFG_SIZE)
        self.mask: bytearray = bytearray(CFG_SIZE)
        self.w1c: bytearray = bytearray(CFG_SIZE)
        self.bars: list[tuple[int, int, int, bool]] = []
        """BARs as (number, size in bytes, BAR_MEM32 | BAR_MEM64 | BAR_IO, prefetchable), ROM not included."""
        self.rom_size: int = 0
        self._last_ptr: int = PCI_CAPABILITY_LIST
        self._ext_last: int = 0
        self.pm_at: int = 0
        self.msi_at: int = 0
        self.msix_at: int = 0
        self.exp_at: int = 0
        self.intx_pin: int = intx_pin
        self.decode_io: bool = False
        self.decode_mem: bool = False
        self.bus_master: bool = False
        self.intx_disabled: bool = False
        self.msi_on: bool = False
        self.msix_on: bool = False
        self.msix_masked: bool = False
        self.d_state: int = 0
        self.flr_requested: bool = False
        self.soft_reset_requested: bool = False
        self.put(PCI_VENDOR_ID, 2, vendor)
        self.put(PCI_DEVICE_ID, 2, device)
        self.put(PCI_COMMAND, 2, 0,
                 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY
                 | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
        self.put(PCI_STATUS, 2, PCI_STATUS_CAP_LIST)
        self.w1c[PCI_STATUS + 1] = 0xF9
        self.put(PCI_REVISION_ID, 1, revision)
        self.put(PCI_CLASS_PROG, 1, class_code & 0xFF)
        self.put(PCI_CLASS_PROG + 1, 2, class_code >> 8)
        self.put(PCI_CACHE_LINE_SIZE, 1, 0, 0xFF)
        self.put(PCI_HEADER_TYPE, 1, 0x80 if multifunction else 0)
        self.put(PCI_SUBSYSTEM_VENDOR_ID, 2, sub_vendor)
        self.put(PCI_SUBSYSTEM_ID, 2, sub_device)
        self.put(PCI_INTERRUPT_LINE, 1, 0, 0xFF)
        self.put(PCI_INTERRUPT_PIN, 1, intx_pin)

    # ------------------------------------------------------------------ building
    def put(self, off: int, size: int, value: int, mask: int = 0, w1c: int = 0) -> None:
        """Set a field's value, power-on value, write mask and write-one-to-clear mask."""
        b = value.to_bytes(size, "little")
        self.mem[off:off + size] = b
        self.init[off:off + size] = b
        self.mask[off:off + size] = mask.to_bytes(size, "little")
        self.w1c[off:off + size] = w1c.to_bytes(size, "little")

    def set(self, off: int, size: int, value: int) -> None:
        """Set a field from the device's side (no masks apply)."""
        self.mem[off:off + size] = value.to_bytes(size, "little")

    def get(self, off: int, size: int) -> int:
        """A field's value, little endian."""
        return int.from_bytes(self.mem[off:off + size], "little")

    def add_bar(self, number: int, size: int, kind: int = BAR_MEM32, prefetch: bool = False) -> None:
        """Add BAR `number` of `size` bytes (a power of two; >= 16 memory, >= 4 I/O). A 64-bit one takes two
        slots.
        """
        least = 4 if kind == BAR_IO else 16
        if size < least or size & (size - 1):
            raise ValueError(f"BAR{number}: size {size} is not a power of two of at least {least}")
        if number < 0 or number > (4 if kind == BAR_MEM64 else 5):
            raise ValueError(f"BAR{number}: no such base address register")
        off = PCI_BASE_ADDRESS_0 + 4 * number
        low_mask = 0xFFFFFFFF & ~(size - 1)
        if kind == BAR_IO:
            self.put(off, 4, 1, low_mask)
        else:
            self.put(off, 4, (4 if kind == BAR_MEM64 else 0) | (8 if prefetch else 0), low_mask)
            if kind == BAR_MEM64:
                self.put(off + 4, 4, 0, (~(size - 1) >> 32) & 0xFFFFFFFF)
        self.bars.append((number, size, kind, prefetch))

    def add_rom(self, size: int) -> None:
        """Add an expansion ROM BAR of `size` bytes (bit 0 enables it)."""
        self.rom_size = size
        self.put(PCI_ROM_ADDRESS, 4, 0, (0xFFFFFFFF & ~(size - 1)) | 1)

    def bar_address(self, number: int) -> int:
        """Where BAR `number` (or PCI_ROM_RESOURCE) was placed, type bits removed."""
        if number == PCI_ROM_RESOURCE:
            return self.get(PCI_ROM_ADDRESS, 4) & ~1
        off = PCI_BASE_ADDRESS_0 + 4 * number
        v = self.get(off, 4)
        if v & 1:
            return v & ~3
        if v & 6 == 4:
            v |= self.get(off + 4, 4) << 32
        return v & ~0xF

    def bar_size(self, number: int) -> int:
        """Size of BAR `number` in bytes, 0 when there is none."""
        if number == PCI_ROM_RESOURCE:
            return self.rom_size
        for n, size, _kind, _prefetch in self.bars:
            if n == number:
                return size
        return 0

    def add_cap(self, at: int, ident: int, body: list[tuple[int, int, int, int]]) -> int:
        """Append a capability at offset `at`; body: (offset in it, size, value, write mask). Returns `at`.

        The chain follows the order of the calls, as the chip's own chain need not ascend.
        """
        self.mem[self._last_ptr] = at
        self.init[self._last_ptr] = at
        self.put(at, 1, ident)
        self.put(at + 1, 1, 0)
        self._last_ptr = at + 1
        for o, size, value, mask in body:
            self.put(at + o, size, value, mask)
        return at

    def add_ext_cap(self, at: int, ident: int, version: int, body: list[tuple[int, int, int, int]]) -> int:
        """Append an extended capability (the first belongs at 0x100). Returns `at`."""
        if self._ext_last:
            self.put(self._ext_last, 4, (self.get(self._ext_last, 4) & 0xFFFFF) | at << 20)
        self.put(at, 4, ident | version << 16)
        self._ext_last = at
        for o, size, value, mask in body:
            self.put(at + o, size, value, mask)
        return at

    def add_pm(self, at: int, pmc: int = 0x0022, pmcsr: int = 0) -> int:
        """Power management: D0 and D3hot. `pmcsr` bit 3 (no soft reset) keeps the state over D3hot to D0."""
        self.pm_at = self.add_cap(at, PCI_CAP_ID_PM, [(2, 2, pmc, 0), (4, 2, pmcsr, 0x0103), (6, 2, 0, 0)])
        self.w1c[at + 5] = 0x80
        return at

    def add_msi(self, at: int, vectors_log2: int = 0, wide: bool = True, maskable: bool = False) -> int:
        """MSI: 2**vectors_log2 vectors, 64-bit addresses if `wide`, per-vector masks if `maskable`."""
        flags = vectors_log2 << 1 | (PCI_MSI_FLAGS_64BIT if wide else 0)
        flags |= PCI_MSI_FLAGS_MASKBIT if maskable else 0
        body = [(2, 2, flags, 0x0071), (4, 4, 0, 0xFFFFFFFC)]
        at_data = 8
        if wide:
            body.append((8, 4, 0, 0xFFFFFFFF))
            at_data = 12
        body.append((at_data, 2, 0, 0xFFFF))
        if maskable:
            body.append((at_data + 4, 4, 0, (1 << (1 << vectors_log2)) - 1))
            body.append((at_data + 8, 4, 0, 0))
        self.msi_at = self.add_cap(at, PCI_CAP_ID_MSI, body)
        return at

    def add_msix(self, at: int, vectors: int, table_bar: int, table_off: int, pba_bar: int,
                 pba_off: int) -> int:
        """MSI-X: `vectors` entries (1..2048); table and pending bits at an offset (multiple of 8) of a BAR
        each.
        """
        self.msix_at = self.add_cap(at, PCI_CAP_ID_MSIX, [
            (2, 2, vectors - 1, PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE),
            (4, 4, table_off | table_bar, 0), (8, 4, pba_off | pba_bar, 0)])
        return at

    def add_pcie(self, at: int, version: int = 2, devcap: int = 0x8000, speed: int = 1, width: int = 1,
                 lnkcap: int = 0x400, lnksta: int = 0, devctl: int = 0, msi_number: int = 0) -> int:
        """PCI Express endpoint. `speed` 1 = 2.5 GT/s, 2 = 5, 3 = 8; `lnkcap`/`lnksta`: bits besides speed,
        width.
        """
        link = speed | width << 4
        body = [(2, 2, version | msi_number << 9, 0), (4, 4, devcap, 0), (8, 2, devctl, 0x7FFF), (10, 2, 0,
                                                                                                  0),
                (12, 4, link | lnkcap, 0), (16, 2, 0, 0x01FF), (18, 2, link | lnksta, 0)]
        if version >= 2:
            body += [(36, 4, 0x1F, 0), (40, 2, 0, 0x041F), (44, 4, 0, 0), (48, 2, speed, 0x000F), (50, 2, 0,
                                                                                                   0)]
        self.exp_at = self.add_cap(at, PCI_CAP_ID_EXP, body)
        self.w1c[at + 10] = 0x0F
        return at

    def add_aer(self, at: int = 0x100, version: int = 1, severity: int = 0x00462030, cor_mask: int = 0x2000,
                control: int = 0xA0) -> int:
        """Advanced error reporting: status registers clear by writing ones."""
        self.add_ext_cap(at, PCI_EXT_CAP_ID_ERR, version, [
            (4, 4, 0, 0), (8, 4, 0, 0x007FF030), (12, 4, severity, 0x007FF030), (16, 4, 0, 0),
            (20, 4, cor_mask, 0x0000F1C1), (24, 4, control, 0x00000140)])
        self.w1c[at + 4:at + 8] = (0x007FF030).to_bytes(4, "little")
        self.w1c[at + 16:at + 20] = (0x0000F1C1).to_bytes(4, "little")
        return at

    def add_dsn(self, at: int, mac: bytes) -> int:
        """Device serial number: the EUI-64 made of `mac` (6 bytes) with ff-ff in the middle."""
        lo = mac[5] | mac[4] << 8 | mac[3] << 16 | 0xFF << 24
        hi = 0xFF | mac[2] << 8 | mac[1] << 16 | mac[0] << 24
        return self.add_ext_cap(at, PCI_EXT_CAP_ID_DSN, 1, [(4, 4, lo, 0), (8, 4, hi, 0)])

    # ------------------------------------------------------------------ access
    def read(self, off: int, size: int) -> int:
        """A read of 1, 2, 4 or 8 bytes; all ones outside the space."""
        if off < 0 or off + size > CFG_SIZE:
            return (1 << (8 * size)) - 1
        return int.from_bytes(self.mem[off:off + size], "little")

    def write(self, off: int, size: int, value: int) -> None:
        """A write of 1, 2, 4 or 8 bytes; ignored outside the space. Sets
        `flr_requested`/`soft_reset_requested`.
        """
        if off < 0 or off + size > CFG_SIZE:
            return
        mem = self.mem
        for i in range(size):
            b = (value >> (8 * i)) & 0xFF
            at = off + i
            m = self.mask[at]
            mem[at] = ((mem[at] & ~m & 0xFF) | (b & m)) & ~(b & self.w1c[at]) & 0xFF
        exp = self.exp_at
        if (exp and off < exp + 10 and off + size > exp + 9 and self.get(exp + 4, 4) & PCI_EXP_DEVCAP_FLR
                and (value >> (8 * (exp + 9 - off))) & 0x80):
            self.flr_requested = True
        self.refresh()

    def refresh(self) -> None:
        """Recompute the cached state from the bytes."""
        command = self.mem[4] | self.mem[5] << 8
        if self.pm_at:
            state = self.mem[self.pm_at + 4] & 3
            if state in (1, 2):             # D1 and D2 are not offered: such a write has no effect
                state = self.d_state
                self.mem[self.pm_at + 4] = (self.mem[self.pm_at + 4] & ~3 & 0xFF) | state
            if self.d_state == 3 and state == 0 and not self.mem[self.pm_at + 4] & PCI_PM_CTRL_NO_SOFT_RESET:
                self.soft_reset_requested = True
            self.d_state = state
        awake = self.d_state == 0
        self.decode_io = awake and bool(command & PCI_COMMAND_IO)
        self.decode_mem = awake and bool(command & PCI_COMMAND_MEMORY)
        self.bus_master = awake and bool(command & PCI_COMMAND_MASTER)
        self.intx_disabled = bool(command & PCI_COMMAND_INTX_DISABLE)
        self.msi_on = self.msi_at != 0 and bool(self.mem[self.msi_at + 2] & 1)
        if self.msix_at:
            flags = self.mem[self.msix_at + 3]
            self.msix_on = bool(flags & 0x80)
            self.msix_masked = bool(flags & 0x40)

    def reset(self) -> None:
        """Power-on values everywhere."""
        self.mem[:] = self.init
        self.flr_requested = False
        self.soft_reset_requested = False
        self.d_state = 0
        self.refresh()
        self.soft_reset_requested = False

    # ------------------------------------------------------------------ interrupts
    def msi_vectors(self) -> int:
        """Vectors that software enabled (1, 2, 4 ... 32), whatever the enable bit says."""
        flags = self.get(self.msi_at + 2, 2)
        return int(1 << min((flags >> 4) & 7, (flags >> 1) & 7))

    def msi_message(self, vector: int = 0) -> tuple[int, int]:
        """(address, data) of an MSI message; the low data bits carry the vector."""
        at = self.msi_at
        if self.get(at + 2, 2) & PCI_MSI_FLAGS_64BIT:
            addr = self.get(at + 4, 4) | self.get(at + 8, 4) << 32
            data = self.get(at + 12, 2)
        else:
            addr = self.get(at + 4, 4)
            data = self.get(at + 8, 2)
        many = self.msi_vectors()
        return addr, (data & ~(many - 1)) | (vector & (many - 1))

    def msi_mask_at(self) -> int:
        """Offset of the MSI mask bits (pending bits are 4 above), 0 without per-vector masks."""
        flags = self.get(self.msi_at + 2, 2)
        if not flags & PCI_MSI_FLAGS_MASKBIT:
            return 0
        return self.msi_at + (16 if flags & PCI_MSI_FLAGS_64BIT else 12)

    def set_status(self, bits: int) -> None:
        """Set bits of the status register (an abort that the device saw, say)."""
        self.set(PCI_STATUS, 2, self.get(PCI_STATUS, 2) | bits)


class MsixTable:
    """MSI-X table and pending bits of one function (PCI 3.0, 6.8.2).

    A message leaves only when MSI-X is enabled, the function mask and the entry's mask are clear and bus
    mastering is on; else the pending bit is set and the message leaves once at the unmask. The model routes
    accesses of the table's BAR to `read`/`write` and of the pending bits to `pba_read`.
    """

    __slots__ = ("addr", "bus", "config", "data", "masked", "n", "pending", "table")

    def __init__(self, config: PciConfig, vectors: int) -> None:
        self.config: PciConfig = config
        self.bus: DeviceBus = DetachedBus()
        self.n: int = vectors
        self.table: bytearray = bytearray(16 * vectors)
        self.addr: list[int] = [0] * vectors
        self.data: list[int] = [0] * vectors
        self.masked: list[bool] = [True] * vectors
        self.pending: int = 0
        self.reset()

    def reset(self) -> None:
        """Power-on: every entry masked, nothing pending."""
        self.pending = 0
        for i in range(self.n):
            _ENTRY.pack_into(self.table, 16 * i, 0, 0, 0, 1)
            self.addr[i] = 0
            self.data[i] = 0
            self.masked[i] = True

    def read(self, off: int, size: int) -> int:
        """A read at byte offset `off` of the table; 0 beyond it."""
        if off < 0 or off + size > len(self.table):
            return 0
        return int.from_bytes(self.table[off:off + size], "little")

    def write(self, off: int, size: int, value: int) -> None:
        """A write at byte offset `off` of the table; ignored beyond it. May send a pending message."""
        if off < 0 or off + size > len(self.table):
            return
        self.table[off:off + size] = (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
        for v in range(off >> 4, ((off + size - 1) >> 4) + 1):
            lo, hi, data, control = _ENTRY.unpack_from(self.table, 16 * v)
            if control & ~1:
                self.table[16 * v + 12] = control & 1
                self.table[16 * v + 13:16 * v + 16] = b"\0\0\0"
            self.addr[v] = (lo & ~3) | hi << 32
            self.data[v] = data
            self.masked[v] = bool(control & 1)
        self.recheck()

    def pba_read(self, off: int, size: int) -> int:
        """A read at byte offset `off` of the pending bit array."""
        return int((self.pending >> (8 * off)) & ((1 << (8 * size)) - 1))

    def fire(self, vector: int) -> None:
        """The device wants to send `vector`; ignored when there is no such entry or MSI-X is off."""
        if vector >= self.n:
            return
        config = self.config
        if not config.msix_on:
            return
        if self.masked[vector] or config.msix_masked or not config.bus_master:
            self.pending |= 1 << vector
        else:
            self.bus.msi(self.addr[vector], self.data[vector], 4)

    def clear_pending(self, vector: int) -> None:
        """The cause went away before the message could leave."""
        self.pending &= ~(1 << vector)

    def recheck(self) -> None:
        """After a change of a mask or of the capability: send what became free, forget all when MSI-X is
        off.
        """
        if not self.pending:
            return
        config = self.config
        if not config.msix_on:
            self.pending = 0
            return
        if config.msix_masked or not config.bus_master:
            return
        for v in range(self.n):
            if self.pending >> v & 1 and not self.masked[v]:
                self.pending &= ~(1 << v)
                self.bus.msi(self.addr[v], self.data[v], 4)
