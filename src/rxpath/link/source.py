"""What a source is, the law that its counts obey, and the stages that only move time.

A source is an iterable of `(time_ns, frame)`: integer nanoseconds and the frame's bytes without FCS. Stages
take a source and are one, so they nest: `Cable(Drop(Loop(capture, 3), Rate(1, 100)), 10**9)`. A frame whose
FCS is wrong is a `BadFcsFrame`; a consumer asks `type(frame) is BadFcsFrame`.

Counts add up over all iterations until `reset()`. The law: read + added = wire + not sent + held, see
`Tally`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from fractions import Fraction

Frame = tuple[int, bytes]

OWN_TRANSMISSIONS = "own transmissions"
FAULT_DROPS = "fault drops"
LINK = "link"
NO_ETHERNET_FORM = "no Ethernet form"
FAULT_DUPLICATES = "fault duplicates"
SPLIT_SEGMENTS = "split from merged frames"
CUT_FRAGMENTS = "cut into IP fragments"


class BadFcsFrame(bytes):
    """A frame that arrives with a wrong frame check sequence."""

    __slots__ = ()


class Tally:
    """Where the frames of a chain of sources went.

    `read`: frames that the origin gave. `added`: made by stages, by reason. `wire`: given by the outermost
    stage. `not_sent`: kept off the wire, by reason. `held`: still inside a stage. The law: read + added =
    wire + not sent + held.
    """

    __slots__ = ("added", "held", "not_sent", "read", "wire")

    def __init__(self) -> None:
        self.read = 0
        self.wire = 0
        self.held = 0
        self.added: dict[str, int] = {}
        self.not_sent: dict[str, int] = {}

    def balance(self) -> int:
        """0 when the law holds; otherwise how many frames are missing (positive) or too many (negative)."""
        return self.read + sum(self.added.values()) - self.wire - sum(self.not_sent.values()) - self.held

    def as_dict(self) -> dict[str, object]:
        """The same as plain data, rows sorted by name, rows of 0 left out."""
        return {
            "read": self.read,
            "added": {k: v for k, v in sorted(self.added.items()) if v},
            "wire": self.wire,
            "not_sent": {k: v for k, v in sorted(self.not_sent.items()) if v},
            "held": self.held,
        }

    def __repr__(self) -> str:
        return f"Tally({self.as_dict()})"


class Source:
    """Base of all sources and stages.

    `name` says in a few words what it is. `total` is the number of frames to expect, or None when that is
    not known without reading. `inner` is the wrapped source, or None for an origin. `frames` counts what
    was yielded.
    """

    __slots__ = ("frames", "inner", "name", "total")

    def __init__(self, name: str, total: int | None = None, inner: Source | None = None) -> None:
        self.name = name
        self.total = total
        self.inner = inner
        self.frames = 0

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError(type(self).__name__)

    def in_order(self) -> bool:
        """Whether times never go back, by the way they are made."""
        return False

    def read_count(self) -> int:
        """Origin only: frames taken from the outside world."""
        return self.frames

    def added(self) -> dict[str, int]:
        """Frames that this stage made, by reason."""
        return {}

    def not_sent(self) -> dict[str, int]:
        """Frames that this stage kept back for good, by reason."""
        return {}

    def held(self) -> int:
        """Frames that are inside this stage now."""
        return 0

    def clear_counts(self) -> None:
        """Forget this stage's own counts."""
        self.frames = 0

    def reset(self) -> None:
        """Forget the counts of this stage and of all that it wraps."""
        stage: Source | None = self
        while stage is not None:
            stage.clear_counts()
            stage = stage.inner

    def progress(self) -> int:
        """Frames that the origin has given so far, comparable with the origin's `total`."""
        stage = self
        while stage.inner is not None:
            stage = stage.inner
        return stage.read_count()

    def tally(self) -> Tally:
        """The counts of the whole chain."""
        out = Tally()
        out.wire = self.frames
        stage: Source | None = self
        while stage is not None:
            for reason, count in stage.added().items():
                out.added[reason] = out.added.get(reason, 0) + count
            for reason, count in stage.not_sent().items():
                out.not_sent[reason] = out.not_sent.get(reason, 0) + count
            out.held += stage.held()
            if stage.inner is None:
                out.read = stage.read_count()
            stage = stage.inner
        return out


class ListSource(Source):
    """A source over frames that are already in memory."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[Frame], name: str = "list") -> None:
        self._items = list(items)
        super().__init__(name, len(self._items))

    def __iter__(self) -> Iterator[Frame]:
        for item in self._items:
            self.frames += 1
            yield item


class Shift(Source):
    """Moves all times by one amount so that the first frame comes at `start_ns`. No frame comes before
    that.
    """

    __slots__ = ("start_ns",)

    def __init__(self, inner: Source, start_ns: int = 0) -> None:
        super().__init__(inner.name, inner.total, inner)
        self.start_ns = start_ns

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        start = self.start_ns
        offset: int | None = None
        for t, frame in self.inner:
            if offset is None:
                offset = start - t
            t += offset
            self.frames += 1
            yield (t if t > start else start, frame)


class SpeedUp(Source):
    """Plays `factor` times as fast (2 halves every gap), measured from the first frame."""

    __slots__ = ("factor",)

    def __init__(self, inner: Source, factor: Fraction | int | str) -> None:
        self.factor = Fraction(factor)
        if self.factor <= 0:
            raise ValueError(f"a speed-up must be above 0, not {factor}")
        super().__init__(inner.name, inner.total, inner)

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        num, den = self.factor.numerator, self.factor.denominator
        first: int | None = None
        for t, frame in self.inner:
            if first is None:
                first = t
            self.frames += 1
            yield first + (t - first) * den // num, frame


class Loop(Source):
    """Plays a source `count` times, each round `gap_ns` behind the latest frame of the one before.

    The inner source must be iterable again, as every source of this package is.
    """

    __slots__ = ("count", "gap_ns")

    def __init__(self, inner: Source, count: int, gap_ns: int = 1_000_000) -> None:
        if count < 1:
            raise ValueError(f"a loop count must be at least 1, not {count}")
        super().__init__(inner.name, None if inner.total is None else inner.total * count, inner)
        self.count = count
        self.gap_ns = gap_ns

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        base = 0
        for round_ in range(self.count):
            first: int | None = None
            latest = 0
            shift = 0
            for t, frame in self.inner:
                if first is None:
                    first = latest = t
                    shift = base - first if round_ else 0
                if t > latest:
                    latest = t
                self.frames += 1
                yield t + shift, frame
            if first is None:
                return
            base = latest + shift + self.gap_ns


def purpose_rng(seed: int, purpose: str) -> random.Random:
    """A generator of its own for each purpose, all from one seed, so that one more draw here moves nothing
    there.
    """
    return random.Random(f"rxpath/{purpose}/{seed}")
