"""The DMA API as drivers call it.  Names are those that a 6.1 function trace shows."""

from __future__ import annotations

from rxpath.hw.bus import DmaFault
from rxpath.hw.memory import DMA_BIDIRECTIONAL, DMA_FROM_DEVICE, DMA_TO_DEVICE, Buffer, Memory

__all__ = [
    "DMA_BIDIRECTIONAL",
    "DMA_FROM_DEVICE",
    "DMA_TO_DEVICE",
    "dma_alloc_coherent",
    "dma_free_coherent",
    "dma_map_page_attrs",
    "dma_sync_single_for_cpu",
    "dma_sync_single_for_device",
    "dma_unmap_page_attrs",
]


def dma_alloc_coherent(mem: Memory, size: int) -> Buffer:
    """Zeroed memory that CPU and device both see: `.view` and `.addr`."""
    b = mem.alloc(size)
    b.view[:] = bytes(size)
    mem.map_coherent(b)
    return b


def dma_free_coherent(mem: Memory, b: Buffer) -> None:
    mem.unmap_coherent(b)
    mem.release(b)


def dma_map_page_attrs(mem: Memory, b: Buffer, offset: int, size: int, direction: int) -> int:
    """dma_map_single and dma_map_page: hand `size` bytes of `b` to the device; returns the bus address."""
    return mem.map(b, offset, size, direction)


def dma_unmap_page_attrs(mem: Memory, addr: int, size: int, direction: int) -> bytes | None:
    """Take a streaming mapping back; returns what `Memory.unmap` does.  Raises DmaFault when it was not mapped so."""
    m = mem.streaming.pop(addr, None)  # `Memory.unmap`
    if m is None or m.size != size:
        raise DmaFault(addr, size, "unmap of what is not mapped so")
    frame = m.frame
    m.frame = None
    return frame


def dma_sync_single_for_cpu(mem: Memory, addr: int, size: int, direction: int) -> None:
    """x86 is coherent: nothing to do but to be there."""


def dma_sync_single_for_device(mem: Memory, addr: int, size: int, direction: int) -> None:
    """x86 is coherent: nothing to do but to be there."""
