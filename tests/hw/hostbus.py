"""A host for one device in unit tests: flat memory with mapped ranges, a calendar, and a record of all it was
told.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from rxpath.hw.bus import DeviceBus, DmaFault, Tag


class HostBus(DeviceBus):
    """1 MiB of memory; accesses outside `mapped` fault. Time moves only by `advance`."""

    def __init__(self) -> None:
        self.mem = bytearray(1 << 20)
        self.view = memoryview(self.mem)
        self.low = 0x1000
        self.now = 1_000_000
        self.due: list[tuple[int, int, Callable[[], None]]] = []
        self.gone: set[int] = set()
        self.count = 0
        self.sent: list[tuple[int, int, int]] = []  # (time, address, data)
        self.lines: list[tuple[int, int, bool]] = []  # (time, pin, level)
        self.writes: list[tuple[int, int, Tag | None]] = []
        self.dropped: list[tuple[Tag | None, str, str]] = []

    def _check(self, addr: int, n: int) -> None:
        if addr < self.low or addr + n > len(self.mem):
            raise DmaFault(addr, n)

    def dma_read(self, addr: int, n: int) -> bytes:
        self._check(addr, n)
        return bytes(self.view[addr : addr + n])

    def dma_write(self, addr: int, data: bytes | memoryview, tag: Tag | None = None) -> None:
        self._check(addr, len(data))
        self.mem[addr : addr + len(data)] = data
        self.writes.append((addr, len(data), tag))

    def dma_view(self, addr: int, n: int) -> memoryview:
        self._check(addr, n)
        return self.view[addr : addr + n]

    def msi(self, addr: int, data: int, size: int = 4) -> None:
        self.sent.append((self.now, addr, data))

    def intx(self, pin: int, level: bool) -> None:
        self.lines.append((self.now, pin, level))

    def now_ns(self) -> int:
        return self.now

    def at_ns(self, t: int, fn: Callable[[], None]) -> object:
        assert t >= self.now, "a timer in the past"
        self.count += 1
        heapq.heappush(self.due, (t, self.count, fn))
        return self.count

    def cancel(self, handle: object) -> None:
        assert isinstance(handle, int)
        self.gone.add(handle)

    def frame_dropped(self, tag: Tag | None, reason: str, counter: str) -> None:
        self.dropped.append((tag, reason, counter))

    def advance(self, ns: int) -> None:
        end = self.now + ns
        while self.due and self.due[0][0] <= end:
            t, i, fn = heapq.heappop(self.due)
            if i in self.gone:
                continue
            self.now = max(self.now, t)
            fn()
        self.now = end

    def pending(self) -> int:
        return sum(1 for _t, i, _f in self.due if i not in self.gone)
