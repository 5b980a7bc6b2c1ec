"""What every network device model has in common: a configuration space, interrupts in three kinds, a place
on the bus.

What belongs here: `NicModel`. Nothing that knows a chip's registers.
"""

from __future__ import annotations

from collections.abc import Callable

from rxpath.hw import mypyc_attr
from rxpath.hw.bus import DetachedBus, DeviceBus, Tag
from rxpath.hw.pci import PCI_STATUS, PCI_STATUS_INTERRUPT, MsixTable, PciConfig


@mypyc_attr(allow_interpreted_subclasses=True)
class NicModel:
    """A PCI network device, driven by register accesses, DMA and interrupts alone.

    A subclass builds `config` (and `msix` when it has MSI-X), implements `mmio_read`, `mmio_write`,
    `receive`, `in_flight` and `device_reset`, and may override `link_change`, `config_changed`,
    `config_read`, `config_write`. No method blocks; none raises because of what a driver or the wire sent.
    """

    __slots__ = ("bus", "config", "intx_level", "intx_line", "link_up", "mac", "msix", "tx_sink")

    def __init__(self, config: PciConfig, mac: bytes, msix: MsixTable | None = None) -> None:
        """`mac`: the permanent address, 6 bytes."""
        if len(mac) != 6:
            raise ValueError("a MAC address has 6 bytes")
        self.config: PciConfig = config
        self.mac: bytes = bytes(mac)
        self.msix: MsixTable | None = msix
        self.bus: DeviceBus = DetachedBus()
        self.tx_sink: Callable[[bytes], None] | None = None
        """Called with each transmitted frame, without FCS."""
        self.link_up: bool = False
        self.intx_level: bool = False
        """Whether the device asks for its INTx line (the line itself also needs INTx enabled, MSI and MSI-X
        off).
        """
        self.intx_line: bool = False
        """Whether the line is driven now."""

    # ------------------------------------------------------------------ the bus
    def attach(self, bus: DeviceBus) -> None:
        """Plug the device in. Call once, before anything else."""
        self.bus = bus
        if self.msix is not None:
            self.msix.bus = bus

    def config_read(self, off: int, size: int) -> int:
        """A configuration read, `size` 1, 2, 4 or 8 bytes; all ones outside the space."""
        return self.config.read(off, size)

    def config_write(self, off: int, size: int, value: int) -> None:
        """A configuration write; masks, sizing, W1C, function level reset and D3hot to D0 reset are done
        here.
        """
        config = self.config
        config.write(off, size, value)
        if config.flr_requested or config.soft_reset_requested:
            self.reset()
        self._refresh_interrupts()
        self.config_changed(off, size)

    def config_changed(self, off: int, size: int) -> None:
        """Called after a configuration write of `size` bytes at `off` took effect."""

    def mmio_read(self, bar: int, off: int, size: int) -> int:
        """A read of BAR `bar` at byte offset `off`, 1, 2, 4 or 8 bytes. All ones while the BAR does not
        decode.
        """
        raise NotImplementedError

    def mmio_write(self, bar: int, off: int, size: int, value: int) -> None:
        """A write of BAR `bar`; ignored while the BAR does not decode."""
        raise NotImplementedError

    # ------------------------------------------------------------------ the cable
    def receive(self, frame: bytes, tag: Tag | None = None, fcs_ok: bool = True) -> bool:
        """A frame arrives, as on the wire without its FCS; `fcs_ok` False when the FCS was wrong.

        True: the device took it (stored or written to memory). False: lost, and `bus.frame_dropped` was
        called.
        """
        raise NotImplementedError

    def link_change(self, up: bool) -> None:
        """The cable was plugged in (`up`) or pulled out."""
        self.link_up = up

    def in_flight(self) -> int:
        """Wire frames inside the device (FIFO, partial merges) that were not yet written to memory."""
        raise NotImplementedError

    # ------------------------------------------------------------------ reset
    def reset(self) -> None:
        """PCI function-level or power-on reset: configuration space, MSI-X table and the device itself."""
        self.config.reset()
        if self.msix is not None:
            self.msix.reset()
        self.device_reset()
        self._refresh_interrupts()

    def device_reset(self) -> None:
        """Bring everything but the PCI side to its power-on state. Frames inside are lost and must be
        reported.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------ interrupts
    def set_intx(self, level: bool) -> None:
        """The device asks for its INTx line, or no longer. Calls the bus only when the line changes."""
        if level != self.intx_level:
            self.intx_level = level
            self._drive_intx()

    def _drive_intx(self) -> None:
        config = self.config
        wanted = self.intx_level and config.intx_pin != 0 and not config.msi_on and not config.msix_on
        status = config.mem[PCI_STATUS]
        config.mem[PCI_STATUS] = status | PCI_STATUS_INTERRUPT if wanted else status & ~PCI_STATUS_INTERRUPT
        line = wanted and not config.intx_disabled
        if line != self.intx_line:
            self.intx_line = line
            self.bus.intx(config.intx_pin, line)

    def fire_msi(self, vector: int = 0) -> None:
        """Send an MSI message, or set its pending bit while masked. Nothing when MSI is off or not bus
        master.
        """
        config = self.config
        if not config.msi_on or not config.bus_master:
            return
        mask_at = config.msi_mask_at()
        vector &= config.msi_vectors() - 1
        if mask_at and config.get(mask_at, 4) >> vector & 1:
            config.set(mask_at + 4, 4, config.get(mask_at + 4, 4) | 1 << vector)
            return
        addr, data = config.msi_message(vector)
        self.bus.msi(addr, data, 2)

    def _refresh_interrupts(self) -> None:
        """After a configuration write: messages that became free leave, the INTx line follows its enables."""
        config = self.config
        if self.msix is not None and self.msix.pending:
            self.msix.recheck()
        if config.msi_on and config.bus_master:
            mask_at = config.msi_mask_at()
            if mask_at:
                free = config.get(mask_at + 4, 4) & ~config.get(mask_at, 4)
                if free:
                    config.set(mask_at + 4, 4, config.get(mask_at + 4, 4) & ~free)
                    for v in range(config.msi_vectors()):
                        if free >> v & 1:
                            addr, data = config.msi_message(v)
                            self.bus.msi(addr, data, 2)
        self._drive_intx()
