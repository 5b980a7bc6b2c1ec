"""The cable: frames arrive no faster than the link serialises them, and what does not fit its queue is
never sent.

A frame takes its length (at least 60) and 24 bytes more: FCS, preamble, gap. Times are ends of frames, as
captures have them, so a frame is delayed when it ends sooner behind the one before than its own bytes take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from rxpath.link.source import LINK, Frame, Source
from rxpath.wire.ethernet import ETH_ZLEN, WIRE_OVERHEAD

# What Linux's own senders queue behind a link by default (txqueuelen of an Ethernet device).
DEFAULT_QUEUE: Final = 1000
# A clock that goes back by more than this was set, or two captures were joined; by less, records swapped.
STEP_NS: Final = 10_000_000


class Cable(Source):
    """Paces a source at `bps` bit/s with room for `queue` waiting frames; None for `queue` keeps all.

    `delayed` counts frames that waited, `lost` those that found the queue full (tally: not sent, "link"),
    `max_wait_ns` the longest wait. Times come out in order whatever comes in.
    """

    __slots__ = ("bps", "delayed", "lost", "max_wait_ns", "queue")

    def __init__(self, inner: Source, bps: int, queue: int | None = DEFAULT_QUEUE) -> None:
        if bps <= 0:
            raise ValueError(f"a link rate must be above 0 bit/s, not {bps}")
        if queue is not None and queue < 0:
            raise ValueError(f"a link's queue must hold 0 or more frames, not {queue}")
        super().__init__(inner.name, inner.total, inner)
        self.bps = bps
        self.queue = queue
        self.delayed = 0
        self.lost = 0
        self.max_wait_ns = 0

    def clear_counts(self) -> None:
        self.frames = 0
        self.delayed = 0
        self.lost = 0
        self.max_wait_ns = 0

    def not_sent(self) -> dict[str, int]:
        return {LINK: self.lost}

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        # picoseconds: 80 a byte at 100 Gbit/s, and still whole
        byte_ps = 8 * 10**12 // self.bps or 1
        limit = self.queue
        waiting: deque[int] = deque()
        last = -(1 << 62)
        for item in self.inner:
            size = len(item[1])
            t = item[0] * 1000
            earliest = last + ((size if size > ETH_ZLEN else ETH_ZLEN) + WIRE_OVERHEAD) * byte_ps
            if t >= earliest:
                last = t
                if waiting:
                    waiting.clear()
                self.frames += 1
                yield item
                continue
            while waiting and waiting[0] <= t:
                waiting.popleft()
            if limit is not None and len(waiting) >= limit:
                self.lost += 1
                continue
            waiting.append(earliest)
            last = earliest
            self.delayed += 1
            wait = (earliest - t) // 1000
            if wait > self.max_wait_ns:
                self.max_wait_ns = wait
            self.frames += 1
            yield earliest // 1000, item[1]


class Monotonic(Source):
    """Makes time never go back. A record out of order by less than 10 ms comes at the time of the one
    before it; a larger step back moves all that follows, so that a capture whose clock was set keeps its
    gaps.

    `swapped` and `stepped` count the two.
    """

    __slots__ = ("stepped", "swapped")

    def __init__(self, inner: Source) -> None:
        super().__init__(inner.name, inner.total, inner)
        self.stepped = 0
        self.swapped = 0

    def clear_counts(self) -> None:
        self.frames = 0
        self.stepped = 0
        self.swapped = 0

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        offset = 0
        last = -(1 << 62)
        for t, frame in self.inner:
            t += offset
            if t < last:
                if last - t > STEP_NS:
                    offset += last - t
                    self.stepped += 1
                else:
                    self.swapped += 1
                t = last
            last = t
            self.frames += 1
            yield t, frame
