"""/proc/net/dev_mcast: multicast hardware addresses (net/core/net-procfs.c `dev_mc_seq_show`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned

FORMAT = "net/dev_mcast"
_MAC = re.compile(r"[0-9a-f]{2,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class McastAddress:
    """`address`: hex digits without colons, as printed."""

    ifindex: int
    device: str
    refcount: int
    global_use: int
    address: str


@dataclass(frozen=True, slots=True)
class DevMcast:
    rows: tuple[McastAddress, ...]


def parse(text: str) -> DevMcast:
    """The file of any release; no device with addresses = empty file.  FormatError otherwise."""
    rows: list[McastAddress] = []
    for number, line in enumerate(split_lines(text), 1):
        w = line.split()
        if len(w) != 5 or _MAC.fullmatch(w[4]) is None or len(w[4]) % 2:
            raise FormatError(FORMAT, number, f"expected index, device, two counts and an address, found {shown(line)}")
        rows.append(
            McastAddress(
                unsigned(w[0], FORMAT, number),
                w[1],
                unsigned(w[2], FORMAT, number),
                unsigned(w[3], FORMAT, number),
                w[4],
            )
        )
    return DevMcast(tuple(rows))


def render(value: DevMcast) -> str:
    return "".join(
        f"{r.ifindex:<4d} {r.device:<15s} {r.refcount:<5d} {r.global_use:<5d} {r.address}\n" for r in value.rows
    )
