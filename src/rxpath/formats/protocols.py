"""/proc/net/protocols: the socket protocols (net/core/sock.c `proto_seq_show`).

Read by the curious; kept whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, decimal, shown, split_lines

FORMAT = "net/protocols"


@dataclass(frozen=True, slots=True)
class Protocol:
    """`memory` pages, -1 not accounted; `press` no/yes/NI; `methods` one y or n a column."""

    name: str
    size: int
    sockets: int
    memory: int
    press: str
    maxhdr: int
    slab: bool
    module: str
    methods: str


@dataclass(frozen=True, slots=True)
class Protocols:
    """`columns`: the two-letter method names of the header (a release drops or adds some)."""

    columns: tuple[str, ...]
    rows: tuple[Protocol, ...]


METHODS_6_1 = (
    "cl",
    "co",
    "di",
    "ac",
    "io",
    "in",
    "de",
    "sh",
    "ss",
    "gs",
    "se",
    "re",
    "sp",
    "bi",
    "br",
    "ha",
    "uh",
    "gp",
    "em",
)
_FIXED = ["protocol", "size", "sockets", "memory", "press", "maxhdr", "slab", "module"]


def parse(text: str) -> Protocols:
    """The file of any release.  FormatError otherwise."""
    lines = split_lines(text)
    head = lines[0].split() if lines else []
    if head[:8] != _FIXED:
        raise FormatError(FORMAT, 1, "expected the header 'protocol  size sockets ...'")
    columns = tuple(head[8:])
    rows: list[Protocol] = []
    for number, line in enumerate(lines[1:], 2):
        w = line.split()
        if len(w) != len(head):
            raise FormatError(FORMAT, number, f"expected {len(head)} columns, found {shown(line)}")
        n = [decimal(w[i], FORMAT, number) for i in (1, 2, 3, 5)]
        rows.append(Protocol(w[0], n[0], n[1], n[2], w[4], n[3], w[6] == "yes", w[7], "".join(w[8:])))
    return Protocols(columns, tuple(rows))


def render(value: Protocols) -> str:
    widths = (9, 4, 8, 6, 5, 7, 4, 10)
    titles = " ".join(f"{name:<{width}s}" for name, width in zip(_FIXED, widths, strict=True))
    out = [f"{titles} {' '.join(value.columns)}\n"]
    for r in value.rows:
        out.append(
            f"{r.name:<9s} {r.size:4d} {r.sockets:6d}  {r.memory:6d}   {r.press:<3s} {r.maxhdr:6d}   "
            f"{'yes' if r.slab else 'no':<3s}  {r.module:<10s} {' '.join(f'{m:>2s}' for m in r.methods)}\n"
        )
    return "".join(out)
