"""Faults on the way: drop, duplicate, corrupt, reorder, delay. Each is a stage with a generator of its own
from the seed.

A fault that stands nearer to the host than the `Cable` may bring two frames at one time; put the cable
outside.
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

from rxpath.link.source import FAULT_DROPS, FAULT_DUPLICATES, BadFcsFrame, Frame, Source, purpose_rng
from rxpath.units import parse_time


class Fault(Source):
    """Base: `probability` (0..1) that a frame is hit, and `hits`, how many were."""

    __slots__ = ("hits", "probability", "seed")

    def __init__(self, inner: Source, probability: float | Fraction, seed: int = 0) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"a probability must be from 0 to 1, not {probability}")
        super().__init__(inner.name, inner.total, inner)
        self.probability = float(probability)
        self.seed = seed
        self.hits = 0

    def clear_counts(self) -> None:
        self.frames = 0
        self.hits = 0


class Drop(Fault):
    """Loses frames (tally: not sent, "fault drops")."""

    __slots__ = ()

    def not_sent(self) -> dict[str, int]:
        return {FAULT_DROPS: self.hits}

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        draw = purpose_rng(self.seed, "drop").random
        probability = self.probability
        for item in self.inner:
            if draw() < probability:
                self.hits += 1
                continue
            self.frames += 1
            yield item


class Duplicate(Fault):
    """Gives frames twice, at the same time (tally: added, "fault duplicates")."""

    __slots__ = ()

    def added(self) -> dict[str, int]:
        return {FAULT_DUPLICATES: self.hits}

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        draw = purpose_rng(self.seed, "duplicate").random
        probability = self.probability
        for item in self.inner:
            self.frames += 1
            yield item
            if draw() < probability:
                self.hits += 1
                self.frames += 1
                yield item


class Corrupt(Fault):
    """Flips one bit. With `fcs` the frame then fails its check sequence (BadFcsFrame), as on a bad cable;
    without, the check sequence is right again, as after a bad switch memory: only checksums higher up can
    notice. Then the bit is one behind the addresses and ethertype, so that the frame still finds its way.
    """

    __slots__ = ("fcs",)

    def __init__(self, inner: Source, probability: float | Fraction, seed: int = 0, *, fcs: bool = True) -> None:
        super().__init__(inner, probability, seed)
        self.fcs = fcs

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        rng = purpose_rng(self.seed, "corrupt" if self.fcs else "corrupt-bits")
        probability = self.probability
        first = 0 if self.fcs else 14
        for item in self.inner:
            if rng.random() < probability and len(item[1]) > first:
                self.hits += 1
                data = bytearray(item[1])
                data[rng.randrange(first, len(data))] ^= 1 << rng.randrange(8)
                item = (item[0], BadFcsFrame(data) if self.fcs else type(item[1])(data))
            self.frames += 1
            yield item


class Reorder(Fault):
    """Holds frames back until `depth` later ones have passed; they then come at the time of the last of
    those.
    """

    __slots__ = ("_held", "depth")

    def __init__(self, inner: Source, probability: float | Fraction, seed: int = 0, *, depth: int = 3) -> None:
        if depth < 1:
            raise ValueError(f"a reordering depth must be at least 1, not {depth}")
        super().__init__(inner, probability, seed)
        self.depth = depth
        self._held: deque[tuple[int, bytes]] = deque()

    def clear_counts(self) -> None:
        self.frames = 0
        self.hits = 0
        self._held.clear()

    def held(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        draw = purpose_rng(self.seed, "reorder").random
        probability = self.probability
        held = self._held
        held.clear()
        passed = 0
        t = 0
        for item in self.inner:
            t = item[0]
            if draw() < probability:
                self.hits += 1
                held.append((passed + self.depth, item[1]))
                continue
            passed += 1
            self.frames += 1
            yield item
            while held and held[0][0] <= passed:
                self.frames += 1
                yield t, held.popleft()[1]
        while held:
            self.frames += 1
            yield t, held.popleft()[1]


class Delay(Fault):
    """Delays frames by `delay_ns` plus 0..`jitter_ns`; what is delayed more than the next falls behind it."""

    __slots__ = ("_heap", "delay_ns", "jitter_ns")

    def __init__(
        self,
        inner: Source,
        probability: float | Fraction,
        seed: int = 0,
        *,
        delay_ns: int = 0,
        jitter_ns: int = 0,
    ) -> None:
        if delay_ns < 0 or jitter_ns < 0:
            raise ValueError(f"a delay must not be negative: {delay_ns} ns, jitter {jitter_ns} ns")
        super().__init__(inner, probability, seed)
        self.delay_ns = delay_ns
        self.jitter_ns = jitter_ns
        self._heap: list[tuple[int, int, bytes]] = []

    def clear_counts(self) -> None:
        self.frames = 0
        self.hits = 0
        self._heap.clear()

    def held(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        rng = purpose_rng(self.seed, "delay")
        probability, jitter = self.probability, self.jitter_ns
        heap = self._heap
        heap.clear()
        order = 0
        for t, frame in self.inner:
            while heap and heap[0][0] <= t:
                due, _, late = heapq.heappop(heap)
                self.frames += 1
                yield due, late
            if rng.random() < probability:
                self.hits += 1
                order += 1
                extra = self.delay_ns + (rng.randrange(jitter + 1) if jitter else 0)
                heapq.heappush(heap, (t + extra, order, frame))
                continue
            self.frames += 1
            yield t, frame
        while heap:
            due, _, late = heapq.heappop(heap)
            self.frames += 1
            yield due, late


FAULTS = ("drop", "duplicate", "corrupt", "corrupt-bits", "reorder", "delay")

_NUMBER = re.compile(r"[0-9]{0,9}\.?[0-9]{1,12}(e-[0-9]{1,2})?", re.ASCII)


def _probability(text: str) -> Fraction:
    number = text.removesuffix("%")
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"not a probability: {text[:40]!r} (write 1% or 0.01)")
    value = Fraction(number) / (100 if text.endswith("%") else 1)
    if not 0 <= value <= 1:
        raise ValueError(f"a probability must be from 0 to 1, not {text}")
    return value


def apply_faults(source: Source, text: str, seed: int = 0) -> Source:
    """Wrap `source` as `text` says, first item innermost:
    `"drop=1%,duplicate=0.1%,corrupt=0.001,delay=5%:50us:10us"`.

    Items are NAME=PROBABILITY, with `reorder=P:DEPTH` (default 3) and `delay=P:TIME[:JITTER]`. `corrupt`
    breaks the FCS, `corrupt-bits` flips a bit under a good one. ValueError, one line, for all else.
    """
    for position, item in enumerate(text.split(",")):
        name, equals, value = item.strip().partition("=")
        if not equals or name not in FAULTS:
            raise ValueError(f"unknown fault {item.strip()!r}: one of {', '.join(FAULTS)} and =PROBABILITY")
        first, *rest = value.split(":")
        probability = _probability(first)
        # two faults of one name must not hit the same frames
        own = seed + 1_000_003 * position
        if name == "reorder" and len(rest) <= 1:
            if rest and not (rest[0].isdecimal() and rest[0].isascii() and 0 < len(rest[0]) <= 4):
                raise ValueError(f"not a reordering depth (1 to 9999): {rest[0][:40]!r}")
            source = Reorder(source, probability, own, depth=int(rest[0]) if rest else 3)
        elif name == "delay" and 1 <= len(rest) <= 2:
            jitter = parse_time(rest[1]) if len(rest) == 2 else 0
            source = Delay(source, probability, own, delay_ns=parse_time(rest[0]), jitter_ns=jitter)
        elif name == "delay":
            raise ValueError(f"a delay needs a time: {item.strip()!r} (write delay=1%:50us)")
        elif rest:
            raise ValueError(f"too much in fault {item.strip()!r}")
        elif name == "drop":
            source = Drop(source, probability, own)
        elif name == "duplicate":
            source = Duplicate(source, probability, own)
        else:
            source = Corrupt(source, probability, own, fcs=name == "corrupt")
    return source
