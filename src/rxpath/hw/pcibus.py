"""The host's side of PCI: slots, address windows for BARs, config and register cycles, and the bus each
device sees.

Register accesses run in the driver's call.  An interrupt that an access causes is pended by the controller, never
taken inside the accessor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rxpath.hw.bus import DeviceBus, Tag
from rxpath.hw.irqchip import InterruptController
from rxpath.hw.memory import Memory
from rxpath.hw.nic.base import NicModel
from rxpath.sim.engine import Engine, Event
from rxpath.sim.ledger import Ledger, Site

MMIO_BASE: Final = 0xF000_0000
IO_BASE: Final = 0xC000
FIRST_GSI: Final = 16


class HostBus(DeviceBus):
    """What one device sees of this host."""

    __slots__ = ("engine", "memory", "irqchip", "ledger", "slot", "gsi", "sites", "on_drop")

    def __init__(self, engine: Engine, memory: Memory, irqchip: InterruptController, ledger: Ledger, slot: int) -> None:
        self.engine = engine
        self.memory = memory
        self.irqchip = irqchip
        self.ledger = ledger
        self.slot = slot
        self.gsi = FIRST_GSI + slot % 8
        self.sites: dict[tuple[str, str], Site] = {}
        self.on_drop: Callable[[Tag, Site], None] | None = None

    def dma_read(self, addr: int, n: int) -> bytes:
        return self.memory.read(addr, n)

    def dma_write(self, addr: int, data: bytes | memoryview, tag: Tag | None = None) -> None:
        self.memory.write(addr, data, tag)

    def dma_view(self, addr: int, n: int) -> memoryview:
        return self.memory.window(addr, n)

    def msi(self, addr: int, data: int, size: int = 4) -> None:
        self.irqchip.msi(addr, data)

    def intx(self, pin: int, level: bool) -> None:
        self.irqchip.set_line(self.gsi, self.slot * 4 + pin - 1, level)

    def now_ns(self) -> int:
        return self.engine.now

    def at_ns(self, t: int, fn: Callable[[], None]) -> object:
        return self.engine.at(t, fn)

    def cancel(self, handle: object) -> None:
        if isinstance(handle, Event):
            self.engine.cancel(handle)

    def frame_dropped(self, tag: Tag | None, reason: str, counter: str) -> None:
        if tag is None:
            return
        key = (reason, counter)
        site = self.sites.get(key)
        if site is None:
            site = self.sites[key] = Site("nic", reason, counter)
        self.ledger.book_drop(site, len(tag) if isinstance(tag, tuple) else 1)
        if self.on_drop is not None:
            self.on_drop(tag, site)


class PciSlot:
    """A device in its slot: bus number 1, device `slot`, function 0.  `bars`: bus addresses by number."""

    __slots__ = ("slot", "model", "bus", "bars")

    def __init__(self, slot: int, model: NicModel, bus: HostBus) -> None:
        self.slot = slot
        self.model = model
        self.bus = bus
        self.bars: dict[int, int] = {}

    @property
    def name(self) -> str:
        return "0000:01:%02x.0" % self.slot


class PciHost:
    """The host bridge: plug devices in, size and place their BARs."""

    __slots__ = ("engine", "memory", "irqchip", "ledger", "slots", "next_mmio", "next_io")

    def __init__(self, engine: Engine, memory: Memory, irqchip: InterruptController, ledger: Ledger) -> None:
        self.engine = engine
        self.memory = memory
        self.irqchip = irqchip
        self.ledger = ledger
        self.slots: list[PciSlot] = []
        self.next_mmio = MMIO_BASE
        self.next_io = IO_BASE

    def plug(self, model: NicModel) -> PciSlot:
        """Put `model` into the next slot and attach it to its bus."""
        n = len(self.slots)
        bus = HostBus(self.engine, self.memory, self.irqchip, self.ledger, n)
        slot = PciSlot(n, model, bus)
        model.attach(bus)
        self.slots.append(slot)
        return slot

    def assign_bars(self, slot: PciSlot) -> None:
        """Size every BAR by the write-ones protocol and place it (what firmware does before Linux looks)."""
        model = slot.model
        i = 0
        while i < 6:
            off = 0x10 + 4 * i
            model.config_write(off, 4, 0xFFFF_FFFF)
            low = model.config_read(off, 4)
            if low == 0:
                i += 1
                continue
            if low & 1:
                size = (~(low & ~3) + 1) & 0xFFFF
                addr = (self.next_io + size - 1) // size * size
                self.next_io = addr + size
                model.config_write(off, 4, addr)
            else:
                wide = (low >> 1) & 3 == 2
                size = (~(low & ~0xF) + 1) & 0xFFFF_FFFF
                addr = (self.next_mmio + size - 1) // size * size
                self.next_mmio = addr + size
                model.config_write(off, 4, addr)
                if wide:
                    model.config_write(off + 4, 4, 0)
            slot.bars[i] = addr
            i += 2 if not low & 1 and (low >> 1) & 3 == 2 else 1
