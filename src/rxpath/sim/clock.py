"""Clocks: integer nanoseconds, virtual or monotonic.  What time *does* to a machine is in engine.py."""

from __future__ import annotations

import time

NSEC_PER_USEC = 1_000
NSEC_PER_MSEC = 1_000_000
NSEC_PER_SEC = 1_000_000_000


class Clock:
    """A source since the machine was made.  Virtual: stands still until the engine moves it."""

    __slots__ = ("is_virtual",)

    def __init__(self) -> None:
        self.is_virtual = True

    def read(self) -> int:
        """Nanoseconds that the outside world says have passed; a virtual clock has no outside and says 0."""
        return 0


class MonotonicClock(Clock):
    """The host's CLOCK_MONOTONIC, from zero at construction."""

    __slots__ = ("_start",)

    def __init__(self) -> None:
        super().__init__()
        self.is_virtual = False
        self._start = time.monotonic_ns()

    def read(self) -> int:
        return time.monotonic_ns() - self._start

    def advance_to(self, ns: int) -> None:
        """From now on read `ns` and more: continue where a virtual clock stood."""
        self._start = time.monotonic_ns() - ns
