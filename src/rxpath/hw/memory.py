"""Physical memory that devices may reach, and the record of what is mapped for DMA.

No IOMMU: a bus address is a physical address.  What is not mapped does not answer: a device that touches it gets a
DmaFault.  Beside the bytes go shadow tags (which wire frame a buffer holds); nothing in the machine behaves by them.
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
    """A piece of physical memory: `addr`, `size`, and the bytes.  `view` is a writable window.

    `mapping` is the last streaming mapping of it, kept for the next one.
    """

    __slots__ = ("addr", "size", "mem", "view", "mapping")

    def __init__(self, addr: int, size: int) -> None:
        self.addr = addr
        self.size = size
        self.mem = bytearray(size)
        self.view = memoryview(self.mem)
        self.mapping: Mapping | None = None


class Mapping:
    """One live streaming mapping: the buffer's bytes from `offset`, `size` long, for one direction.

    `lands`: what a device writes at its start stays in `frame` as it came, uncopied, until `unmap` returns
    it; the buffer has it only when somebody else asks.
    """

    __slots__ = ("buffer", "offset", "size", "direction", "lands", "frame")

    def __init__(self, buffer: Buffer, offset: int, size: int, direction: int, lands: bool = False) -> None:
        self.lands = lands
        self.frame: bytes | None = None
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

    def map_landing(self, b: Buffer, size: int) -> int:
        """`map` the first `size` bytes of `b` for a device to write; what it wrote comes back from `unmap`."""
        addr = b.addr
        if addr in self.streaming:
            raise DmaFault(addr, size, "mapped twice")
        m = b.mapping
        if m is None or m.size != size:
            m = b.mapping = Mapping(b, 0, size, DMA_FROM_DEVICE, True)
        self.streaming[addr] = m
        return addr

    def unmap(self, addr: int, size: int) -> bytes | None:
        """End a mapping; returns the frame that landed there, None when what was written is in the buffer."""
        m = self.streaming.pop(addr, None)
        if m is None or m.size != size:
            raise DmaFault(addr, size, "unmap of what is not mapped so")
        frame = m.frame
        m.frame = None
        return frame

    def take_tag(self, addr: int) -> Tag | None:
        """Remove and return the tag of the frame that a device wrote at `addr`."""
        return self.tags.pop(addr, None)

    def frames_at(self, addr: int) -> int:
        """How many wire frames a device wrote at `addr` that nobody took yet: 0, 1, or those that it merged."""
        tag = self.tags.get(addr)
        if tag is None:
            return 0
        return len(tag) if isinstance(tag, tuple) else 1

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
        if m.frame is not None:
            m.buffer.mem[: len(m.frame)] = m.frame
            m.frame = None
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
            if m.lands and type(data) is bytes:
                m.frame = data
            else:
                start = m.offset
                m.buffer.mem[start : start + n] = data
                m.frame = None
        else:
            self._find(addr, n, True)[:] = data
        if tag is not None:
            self.tags[addr] = tag

    def window(self, addr: int, n: int) -> memoryview:
        return self._find(addr, n, True)
