"""A TAP behind a bad cable: the faults of faults.py for frames that come and go in real time, both ways.

Not here: the faults' language and their iterator form (faults.py), the TAP itself (tap.py).
"""

from __future__ import annotations

from collections import deque
from typing import Any

from rxpath.link.faults import Corrupt, Delay, Drop, Duplicate, Fault, Reorder, apply_faults
from rxpath.link.source import BadFcsFrame, Source, purpose_rng
from rxpath.link.tap import Tap


class Stage:
    """One fault in one direction."""

    __slots__ = ("depth", "fcs", "held", "hits", "kind", "passed", "probability", "rng")

    def __init__(self, fault: Fault, direction: str) -> None:
        self.kind = type(fault)
        self.probability = fault.probability
        self.depth = fault.depth if isinstance(fault, Reorder) else 0
        self.fcs = isinstance(fault, Corrupt) and fault.fcs
        self.rng = purpose_rng(fault.seed, f"{self.kind.__name__} {direction}")
        self.held: deque[tuple[int, bytes]] = deque()
        self.passed = 0
        self.hits = 0

    def push(self, frame: bytes) -> list[bytes]:
        """What comes out for one frame that goes in."""
        rng = self.rng
        hit = rng.random() < self.probability
        if hit:
            self.hits += 1
        if self.kind is Drop:
            return [] if hit else [frame]
        if self.kind is Duplicate:
            return [frame, frame] if hit else [frame]
        if self.kind is Corrupt:
            if not hit:
                return [frame]
            data = bytearray(frame)
            data[rng.randrange(0 if self.fcs else 14, len(data))] ^= 1 << rng.randrange(8)
            return [BadFcsFrame(data) if self.fcs else bytes(data)]
        if hit:
            self.held.append((self.passed + self.depth, frame))
            return []
        self.passed += 1
        out = [frame]
        while self.held and self.held[0][0] <= self.passed:
            out.append(self.held.popleft()[1])
        return out


class Way:
    """All faults of one direction, first item innermost."""

    __slots__ = ("stages",)

    def __init__(self, faults: list[Fault], direction: str) -> None:
        self.stages = [Stage(f, direction) for f in faults]

    def push(self, frame: bytes) -> list[bytes]:
        frames = [frame]
        for s in self.stages:
            frames = [out for f in frames for out in s.push(f)]
        return frames

    def hits(self, kind: type[Fault]) -> int:
        return sum(s.hits for s in self.stages if s.kind is kind)

    def held(self) -> int:
        return sum(len(s.held) for s in self.stages)


class BadCable:
    """A Tap to the one who holds it: `read`, `write`, `fileno`, `close`, and its counts.

    `rx_frames`: what `read` gave, thus the TAP's own count less what was lost, more what was doubled, less what
    is held back to be reordered.  A frame whose check sequence broke on the way out is lost, as a NIC would.
    OSError ENOTSUP for `delay`, which needs a clock.
    """

    __slots__ = ("_in", "_out", "_waiting", "name", "rx_frames", "tap", "tx_frames")

    def __init__(self, tap: Tap, faults: str, seed: int = 0) -> None:
        chain: list[Fault] = []
        source: Any = apply_faults(Source("wire", 0, None), faults, seed)
        while isinstance(source, Fault):
            if isinstance(source, Delay):
                from errno import ENOTSUP

                raise OSError(ENOTSUP, "the fault delay in real time")
            chain.insert(0, source)
            source = source.inner
        self.tap = tap
        self.name = tap.name
        self._in = Way(chain, "in")
        self._out = Way(chain, "out")
        self._waiting: deque[bytes] = deque()
        self.rx_frames = 0
        self.tx_frames = 0

    @property
    def tx_dropped(self) -> int:
        return self.tap.tx_dropped

    def fileno(self) -> int:
        return self.tap.fileno()

    def read(self) -> bytes | None:
        """As Tap.read; None also when what was read fell to a fault and nothing else is there."""
        waiting = self._waiting
        while not waiting:
            frame = self.tap.read()
            if frame is None:
                return None
            waiting.extend(self._in.push(frame))
        self.rx_frames += 1
        return waiting.popleft()

    def write(self, frame: bytes | bytearray | memoryview) -> bool:
        """As Tap.write; what a fault takes counts as written."""
        self.tx_frames += 1
        taken = True
        for out in self._out.push(bytes(frame)):
            if type(out) is not BadFcsFrame:
                taken = self.tap.write(out) and taken
        return taken

    def counts(self) -> dict[str, int]:
        """Frames by what the cable did to them."""
        out: dict[str, int] = {}
        for name, kind in (("lost", Drop), ("doubled", Duplicate), ("reordered", Reorder), ("corrupted", Corrupt)):
            for side, way in (("in", self._in), ("out", self._out)):
                n = way.hits(kind)
                if n:
                    out[f"{name} {side}"] = n
        return out

    def close(self) -> None:
        self.tap.close()
