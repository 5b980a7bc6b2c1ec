"""What a name in `ethtool -S` means, by driver: the table of data/counters.toml, typed.

Belongs here: finding meanings in a list of statistics and telling the driver from its names.  Not:
differences between two moments (delta.py) nor any judgement.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

MEANINGS = (
    "missed",
    "no_buffer",
    "ring_empty",
    "port_discards",
    "crc",
    "frame",
    "length",
    "alloc",
    "policed",
    "pause_rx",
    "pause_tx",
    "csum",
    "filtered",
    "xdp",
    "rx_packets",
    "queue_packets",
    "queue_drops",
)

# the names of struct rtnl_link_stats64, as many drivers copy them into ethtool -S: for drivers that the
# table lacks
GENERIC: dict[str, tuple[str, ...]] = {
    "missed": ("rx_missed_errors", "rx_fifo_errors"),
    "no_buffer": ("rx_no_buffer_count",),
    "crc": ("rx_crc_errors",),
    "frame": ("rx_frame_errors",),
    "length": ("rx_length_errors",),
    "rx_packets": ("rx_packets",),
}


@dataclass(frozen=True, slots=True)
class DriverNames:
    """One driver's row of the table.  `meanings`: meaning -> alternatives, best first (see
    data/counters.toml)."""

    driver: str
    meanings: Mapping[str, tuple[str, ...]]
    signature: tuple[tuple[str, ...], ...] = ()
    bits: int = 64
    mode_usecs: tuple[int, ...] = ()
    model: str = ""
    model_as: str = ""
    note: str = ""
    source: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """The counters of one meaning that a text has: (name, value, queue or None), and their sum."""

    meaning: str
    items: tuple[tuple[str, int, int | None], ...] = field(default=())

    @property
    def total(self) -> int:
        return sum(value for _, value, _ in self.items)


@cache
def table() -> Mapping[str, DriverNames]:
    """driver -> names.  Read once a process; the file is part of the package."""
    raw = tomllib.loads(resources.files("rxpath.tune").joinpath("data/counters.toml").read_text("utf-8"))
    out: dict[str, DriverNames] = {}
    for driver, row in raw.items():
        out[driver] = DriverNames(
            driver,
            {m: tuple(row[m]) for m in MEANINGS if m in row},
            tuple(tuple(s) for s in row.get("signature", ())),
            row.get("bits", 64),
            tuple(row.get("mode_usecs", ())),
            row.get("model", ""),
            row.get("model_as", ""),
            row["note"],
            row["source"],
        )
    return out


ALIASES = {
    "mlx5": "mlx5_core",
    "mlx4_core": "mlx4_en",
    "mlx4": "mlx4_en",
    "bnxt": "bnxt_en",
    "virtio": "virtio_net",
    "r8168": "r8169",
    "r8125": "r8169",
    "e1000": "e1000e",
}


def names_of(driver: str | None) -> DriverNames:
    """The row of a driver; for one that the table lacks the generic names, with `known` False."""
    found = table().get(ALIASES.get(driver or "", driver or ""))
    if found is not None:
        return found
    return DriverNames(driver or "unknown", GENERIC, source="include/uapi/linux/if_link.h", known=False)


def recognise_driver(names: Sequence[str]) -> str | None:
    """The driver whose signature these names have, None when none (or more than one driver) has."""
    have = set(names)
    hits = [row.driver for row in table().values() if any(all(n in have for n in s) for s in row.signature)]
    return hits[0] if len(hits) == 1 else None


def find(stats: Sequence[tuple[str, int]], row: DriverNames, meaning: str) -> Found | None:
    """The counters of a meaning, or None when this text has none of their names."""
    for alternative in row.meanings.get(meaning, ()):
        items = _match(stats, alternative)
        if items:
            return Found(meaning, items)
    return None


def _match(stats: Sequence[tuple[str, int]], alternative: str) -> tuple[tuple[str, int, int | None], ...]:
    items: list[tuple[str, int, int | None]] = []
    if alternative.startswith("~"):
        pattern = _compiled(alternative[1:])
        for name, value in stats:
            match = pattern.fullmatch(name)
            if match is not None:
                queue = match.group(1) if pattern.groups else None
                items.append((name, value, int(queue) if queue and queue.isdigit() else None))
        return tuple(items)
    wanted = alternative.split(" + ")
    for name, value in stats:
        if name in wanted:
            items.append((name, value, None))
    # an alternative that adds several names counts only when all are there, else a poorer one is honest
    return tuple(items) if {name for name, _, _ in items} == set(wanted) else ()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
