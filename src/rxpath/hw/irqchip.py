"""The interrupt controllers of a PC: local APICs that take MSI writes, one IO-APIC that takes INTx levels.

A message is decoded to (cpu, vector) and handed to `deliver`, which the kernel registered; a line to
`deliver_line`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MSI_ADDR_BASE: Final = 0xFEE0_0000
MSI_DEST_SHIFT: Final = 12
FIRST_DEVICE_VECTOR: Final = 0x22
LAST_DEVICE_VECTOR: Final = 0xEB


def msi_message(apic_id: int, vector: int) -> tuple[int, int]:
    """(address, data) of the memory write that interrupts `apic_id` with `vector`: fixed delivery, edge."""
    return MSI_ADDR_BASE | (apic_id << MSI_DEST_SHIFT), vector


class InterruptController:
    """Decodes messages and lines.  `spurious` counts messages that no CPU could take."""

    __slots__ = ("ncpus", "deliver", "deliver_line", "lines", "spurious")

    def __init__(self, ncpus: int) -> None:
        self.ncpus = ncpus
        self.deliver: Callable[[int, int], None] | None = None
        self.deliver_line: Callable[[int], None] | None = None
        self.lines: dict[int, dict[int, bool]] = {}
        self.spurious = 0

    def msi(self, addr: int, data: int) -> None:
        cpu = (addr >> MSI_DEST_SHIFT) & 0xFF
        fn = self.deliver
        if addr & 0xFFF0_0000 != MSI_ADDR_BASE or cpu >= self.ncpus or fn is None:
            self.spurious += 1
            return
        fn(cpu, data & 0xFF)

    def set_line(self, gsi: int, source: int, level: bool) -> None:
        """A device (`source`, any stable number) drives IO-APIC input `gsi`; the line is the OR of its
        sources.
        """
        sources = self.lines.setdefault(gsi, {})
        was = any(sources.values())
        sources[source] = level
        if level and not was and self.deliver_line is not None:
            self.deliver_line(gsi)

    def level(self, gsi: int) -> bool:
        """Whether any device asserts the line now."""
        return any(self.lines.get(gsi, {}).values())
