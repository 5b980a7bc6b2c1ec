"""`ip neigh`, with -s, as text and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines
from .json_text import Json

FORMAT = "ip neigh"
STATES = ("INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "NOARP", "PERMANENT")
_LINE = re.compile(
    r"([0-9a-fA-F:.]+) dev (\S+)(?: lladdr ([0-9a-fA-F:.]+))?(?: +(router|proxy|extern_learn))?"
    r"(?: +ref [0-9]{1,9})?(?: +used ([0-9]{1,9})/([0-9]{1,9})/([0-9]{1,9}) ?probes ([0-9]{1,9}))?"
    r"((?: [A-Z]+)*)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class NeighStats:
    """Seconds since used, confirmed, updated; probes sent."""

    used: int
    confirmed: int
    updated: int
    probes: int


@dataclass(frozen=True, slots=True)
class Neigh:
    """One neighbour.  `lladdr` None while unresolved; `flag` router, proxy or ""; `stats` with -s."""

    dst: str
    dev: str
    lladdr: str | None = None
    states: tuple[str, ...] = ("REACHABLE",)
    flag: str = ""
    stats: NeighStats | None = None


def parse(text: str) -> tuple[Neigh, ...]:
    """The text form of any version.  FormatError otherwise."""
    out: list[Neigh] = []
    for number, line in enumerate(split_lines(text), 1):
        if not line.strip():
            continue
        m = _LINE.fullmatch(line.rstrip())
        if m is None:
            raise FormatError(FORMAT, number, f"expected 'ADDRESS dev DEV ... STATE', found {shown(line)}")
        stats = NeighStats(int(m[5]), int(m[6]), int(m[7]), int(m[8])) if m[5] else None
        states = tuple(m[9].split())
        if any(s not in STATES for s in states):
            raise FormatError(FORMAT, number, f"unknown state {shown(m[9].strip())}")
        out.append(Neigh(m[1], m[2], m[3], states, m[4] or "", stats))
    if not out:
        raise FormatError(FORMAT, 0, "no neighbours")
    return tuple(out)


def render(neighbours: Sequence[Neigh]) -> str:
    """Each line ends with a blank, as in ip."""
    out: list[str] = []
    for n in neighbours:
        line = f"{n.dst} dev {n.dev} "
        if n.lladdr is not None:
            line += f"lladdr {n.lladdr} "
        if n.flag:
            line += f"{n.flag} "
        if n.stats is not None:
            line += f" used {n.stats.used}/{n.stats.confirmed}/{n.stats.updated}probes {n.stats.probes} "
        out.append(line + "".join(f"{s} " for s in n.states) + "\n")
    return "".join(out)


def to_json(neighbours: Sequence[Neigh]) -> Json:
    """The structure of `ip -j neigh`."""
    out: list[Json] = []
    for n in neighbours:
        one: dict[str, Json] = {"dst": n.dst, "dev": n.dev}
        if n.lladdr is not None:
            one["lladdr"] = n.lladdr
        if n.flag:
            one[n.flag] = None
        if n.stats is not None:
            s = n.stats
            one |= {"used": s.used, "confirmed": s.confirmed, "updated": s.updated, "probes": s.probes}
        one["state"] = list(n.states)
        out.append(one)
    return out
