"""Physical memory that devices may reach, and the record of what is mapped for DMA.

No IOMMU: a bus address is a physical address.  What is not mapped does not answer: a device that touches it
gets a
DmaFault.  Beside the bytes go shadow tags (which wire frame a buffer holds); nothing in the machine behaves
by them.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Final

from rxpath.hw.bus import DmaFault, Tag

DMA_BIDIRECTIONAL: Final = 0
DMA_TO_DEVICE: Final = 1
DMA_FROM_DEVICE: Final = 2

PAGE_SIZE: Final = 4096
RAM_BASE: Final = 0x1000_0000


class Buffer:
    """A piece of physical memory: `addr`, `size`, and the bytes.  `view` is a writable window."""

    __slots__ = ("addr", "size", "mem", "view")

    def __init__(self, addr: int, size: int) -> None:
        self.addr = addr
        self.size = size
        self.mem = bytearray(size)
        self.view = memoryview(self.mem)


class Mapping:
    """One live streaming mapping: the buffer's bytes from `offset`, `size` long, for one direction."""

    __slots__ = ("buffer", "offset", "size", "direction")

    def __init__(self, buffer: Buffer, offset: int, size: int, direction: int) -> None:
        self.buffer = buffer
        self.offset = offset
        self.size = size
        self.direction = direction


class Memory:
    """Allocator of buffers (freed ones are reused by size) and table of DMA mappings."""

    __slots__ = (
        "next_addr",
        "free",
        "streaming",
        "coherent",
        "coherent_starts",
        "tags",
        "allocated",
        "by_addr",
    )

    def __init__(self) -> None:
        self.next_addr = RAM_BASE
        self.free: dict[int, list[Buffer]] = {}
        self.streaming: dict[int, Mapping] = {}
        self.coherent: dict[int, Buffer] = {}
        self.coherent_starts: list[int] = []
        self.tags: dict[int, Tag] = {}
        self.allocated = 0
        self.by_addr: dict[int, Buffer] = {}

    # --- memory ---------------------------------------------------------------------------------------------
    def alloc(self, size: int) -> Buffer:
        """A buffer of `size` bytes (contents undefined)."""
        self.allocated += 1
        stack = self.free.get(size)
        if stack:
            return stack.pop()
        b = Buffer(self.next_addr, size)
        step = PAGE_SIZE if size >= PAGE_SIZE else 64
        self.next_addr += (size + step - 1) // step * step
        return b

    def release(self, b: Buffer) -> None:
        self.allocated -= 1
        stack = self.free.get(b.size)
        if stack is None:
            self.free[b.size] = [b]
        else:
            stack.append(b)

    # --- mappings -------------------------------------------------------------------------------------------
    def map_coherent(self, b: Buffer) -> None:
        self.coherent[b.addr] = b
        insort(self.coherent_starts, b.addr)

    def unmap_coherent(self, b: Buffer) -> None:
        del self.coherent[b.addr]
        self.coherent_starts.remove(b.addr)

    def map(self, b: Buffer, offset: int, size: int, direction: int) -> int:
        """Map `size` bytes of `b` from `offset`; returns the bus address.  Never twice."""
        addr = b.addr + offset
        if addr in self.streaming:
            raise DmaFault(addr, size, "mapped twice")
        self.streaming[addr] = Mapping(b, offset, size, direction)
        return addr

    def unmap(self, addr: int, size: int) -> None:
        m = self.streaming.pop(addr, None)
        if m is None or m.size != size:
            raise DmaFault(addr, size, "unmap of what is not mapped so")

    def take_tag(self, addr: int) -> Tag | None:
        """Remove and return the tag of the frame that a device wrote at `addr`."""
        return self.tags.pop(addr, None)

    # --- a device's access ----------------------------------------------------------------------------------
    def _find(self, addr: int, n: int, write: bool) -> memoryview:
        m = self.streaming.get(addr)
        if m is None:
            starts = self.coherent_starts
            i = bisect_right(starts, addr) - 1
            if i >= 0:
                b = self.coherent[starts[i]]
                off = addr - b.addr
                if off + n <= b.size:
                    return b.view[off : off + n]
            for a, cand in self.streaming.items():  # an access into the middle of a mapping: rare
                if a <= addr and addr + n <= a + cand.size:
                    m = cand
                    break
            if m is None:
                raise DmaFault(addr, n)
            off = addr - (m.buffer.addr + m.offset)
        else:
            off = 0
        if off + n > m.size:
            raise DmaFault(addr, n, "beyond the mapping")
        if write and m.direction == DMA_TO_DEVICE:
            raise DmaFault(addr, n, "device writes what was mapped for reading")
        if not write and m.direction == DMA_FROM_DEVICE:
            raise DmaFault(addr, n, "device reads what was mapped for writing")
        start = m.offset + off
        return m.buffer.view[start : start + n]

    def read(self, addr: int, n: int) -> bytes:
        return bytes(self._find(addr, n, False))

    def write(self, addr: int, data: bytes | memoryview, tag: Tag | None) -> None:
        n = len(data)
        m = self.streaming.get(addr)
        if m is not None and n <= m.size and m.direction != DMA_TO_DEVICE:
            start = m.offset
            m.buffer.mem[start : start + n] = data
        else:
            self._find(addr, n, True)[:] = data
        if tag is not None:
            self.tags[addr] = tag

    def window(self, addr: int, n: int) -> memoryview:
        return self._find(addr, n, True)
