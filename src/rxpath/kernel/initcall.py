"""Initcalls: functions that boot runs, level by level, in the order of their registration within a level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LEVELS: Final = ("early", "pure", "core", "postcore", "arch", "subsys", "fs", "device", "late")


class Initcalls:
    """Registration and run; `ran` records (level, name) for whoever wants to see the order."""

    __slots__ = ("calls", "ran")

    def __init__(self) -> None:
        self.calls: dict[str, list[tuple[str, Callable[[], None]]]] = {level: [] for level in LEVELS}
        self.ran: list[tuple[str, str]] = []

    def add(self, level: str, name: str, fn: Callable[[], None]) -> None:
        """Register `fn`, known to Linux as `name`, at `level` (one of LEVELS).  Raises KeyError."""
        self.calls[level].append((name, fn))

    def do_initcalls(self, levels: tuple[str, ...] = LEVELS) -> None:
        for level in levels:
            for name, fn in self.calls[level]:
                self.ran.append((level, name))
                fn()
