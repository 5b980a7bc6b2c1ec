"""The bus as a device model sees it: DMA, interrupts, time.

What belongs here: the interface that a host side implements for a device (`DeviceBus`), the fault that a
bad DMA access raises, and the shadow tag's type. Neither address decoding nor memory nor an interrupt
controller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from rxpath.hw import mypyc_attr

Tag: TypeAlias = int | tuple[int, ...]
"""Shadow identity of wire frames: one token, or a tuple of tokens when the device merged several frames."""

INTA: Final = 1
INTB: Final = 2
INTC: Final = 3
INTD: Final = 4


class DmaFault(Exception):
    """A bus master access that no mapping allows (a master abort on a real bus).

    `addr` is the bus address, `size` the length in bytes, `reason` why it was refused. A device model must
    catch it and go on: a real device sees discarded writes, all ones on reads, and sets a status bit.
    """

    def __init__(self, addr: int, size: int, reason: str = "not mapped") -> None:
        super().__init__(f"DMA fault at {addr:#x}+{size:#x}: {reason}")
        self.addr = addr
        self.size = size
        self.reason = reason


@mypyc_attr(allow_interpreted_subclasses=True)
class DeviceBus:
    """What `NicModel.attach` receives. Addresses are bus addresses, times integer nanoseconds.

    Every method runs inline on the caller's stack and must not block. Subclass it and implement all of
    them.
    """

    __slots__ = ()

    def dma_read(self, addr: int, n: int) -> bytes:
        """Copy `n` bytes from bus address `addr`. Raises DmaFault."""
        raise NotImplementedError

    def dma_write(self, addr: int, data: bytes | memoryview, tag: Tag | None = None) -> None:
        """Write `data` at bus address `addr`; `tag` names the wire frame(s) whose FIRST bytes these are.

        Raises DmaFault.
        """
        raise NotImplementedError

    def dma_view(self, addr: int, n: int) -> memoryview:
        """A writable window of `n` bytes on mapped memory, for descriptor rings. Raises DmaFault.

        Not every host can give one (an IOMMU that maps page by page): a model falls back to read and write.
        """
        raise NotImplementedError

    def msi(self, addr: int, data: int, size: int = 4) -> None:
        """The memory write of an MSI (size 2) or MSI-X (size 4) message."""
        raise NotImplementedError

    def intx(self, pin: int, level: bool) -> None:
        """Assert or deassert INTA..INTD (`pin` 1..4), level semantics."""
        raise NotImplementedError

    def now_ns(self) -> int:
        """The clock, nanoseconds."""
        raise NotImplementedError

    def at_ns(self, t: int, fn: Callable[[], None]) -> object:
        """Call `fn()` at absolute time `t` nanoseconds (>= now). Returns a handle for `cancel`."""
        raise NotImplementedError

    def cancel(self, handle: object) -> None:
        """Forget a call that `at_ns` returned `handle` for; harmless when it already ran."""
        raise NotImplementedError

    def frame_dropped(self, tag: Tag | None, reason: str, counter: str) -> None:
        """The device lost this wire frame.

        `reason`: plain words ("mac filter", "rx fifo full", "crc error"). `counter`: the statistics
        register or ethtool name that moved, or "none".
        """
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class DetachedBus(DeviceBus):
    """The bus of a model that is not plugged in: nothing is mapped, messages go nowhere, time stands at 0."""

    __slots__ = ()

    def dma_read(self, addr: int, n: int) -> bytes:
        raise DmaFault(addr, n, "device is not attached")

    def dma_write(self, addr: int, data: bytes | memoryview, tag: Tag | None = None) -> None:
        raise DmaFault(addr, len(data), "device is not attached")

    def dma_view(self, addr: int, n: int) -> memoryview:
        raise DmaFault(addr, n, "device is not attached")

    def msi(self, addr: int, data: int, size: int = 4) -> None:
        pass

    def intx(self, pin: int, level: bool) -> None:
        pass

    def now_ns(self) -> int:
        return 0

    def at_ns(self, t: int, fn: Callable[[], None]) -> object:
        return None

    def cancel(self, handle: object) -> None:
        pass

    def frame_dropped(self, tag: Tag | None, reason: str, counter: str) -> None:
        pass
