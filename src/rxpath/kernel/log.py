"""The kernel log: lines with a level and a time stamp, as dmesg shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rxpath.sim.engine import Engine

KERN_EMERG: Final = 0
KERN_ALERT: Final = 1
KERN_CRIT: Final = 2
KERN_ERR: Final = 3
KERN_WARNING: Final = 4
KERN_NOTICE: Final = 5
KERN_INFO: Final = 6
KERN_DEBUG: Final = 7

LEVEL_NAMES: Final = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")


class Record:
    __slots__ = ("time_ns", "level", "text")

    def __init__(self, time_ns: int, level: int, text: str) -> None:
        self.time_ns = time_ns
        self.level = level
        self.text = text

    def stamped(self) -> str:
        """`[    0.000123] text`, microseconds as printk_time prints them."""
        us = self.time_ns // 1000
        return "[%5d.%06d] %s" % (us // 1_000_000, us % 1_000_000, self.text)


class KernelLog:
    """A bounded ring of records (oldest go first, as with log_buf_len)."""

    __slots__ = ("engine", "records", "limit", "listeners", "once", "ratelimits")

    def __init__(self, engine: Engine, limit: int = 4096) -> None:
        self.engine = engine
        self.records: list[Record] = []
        self.limit = limit
        self.listeners: list[Callable[[Record], None]] = []
        self.once: dict[str, bool] = {}
        self.ratelimits: dict[str, list[int]] = {}

    def printk(self, level: int, text: str) -> None:
        rec = Record(self.engine.now, level, text)
        self.records.append(rec)
        if len(self.records) > self.limit:
            del self.records[0]
        for fn in self.listeners:
            fn(rec)

    def info(self, text: str) -> None:
        self.printk(KERN_INFO, text)

    def warn(self, text: str) -> None:
        self.printk(KERN_WARNING, text)

    def err(self, text: str) -> None:
        self.printk(KERN_ERR, text)

    def warn_once(self, key: str, text: str) -> None:
        """pr_warn_once: the first time only, by `key` (a call site)."""
        if key not in self.once:
            self.once[key] = True
            self.printk(KERN_WARNING, text)

    def ratelimit(self, key: str, interval_ns: int = 5_000_000_000, burst: int = 10) -> bool:
        """__ratelimit: whether a line of this site may be printed now."""
        now = self.engine.now
        st = self.ratelimits.get(key)
        if st is None or now - st[0] >= interval_ns:
            self.ratelimits[key] = [now, 1]
            return True
        if st[1] < burst:
            st[1] += 1
            return True
        return False

    def text(self) -> str:
        return "".join(r.stamped() + "\n" for r in self.records)
