"""/proc/net/ptype: who takes which Ethernet type (net/core/net-procfs.c `ptype_seq_show`)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, shown, split_lines

FORMAT = "net/ptype"
HEADER = "Type Device      Function\n"
ALL = 3  # ETH_P_ALL


@dataclass(frozen=True, slots=True)
class PacketType:
    """`type`: Ethernet type in host order, ALL (3) for taps; `device` "" = any."""

    type: int
    device: str
    function: str


@dataclass(frozen=True, slots=True)
class Ptype:
    rows: tuple[PacketType, ...]


def parse(text: str) -> Ptype:
    """The file of any release.  FormatError otherwise."""
    lines = split_lines(text)
    if not lines or lines[0].split() != HEADER.split():
        raise FormatError(FORMAT, 1, "expected the header 'Type Device      Function'")
    rows: list[PacketType] = []
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if len(words) not in (2, 3):
            raise FormatError(FORMAT, number, f"expected type, device and function, found {shown(line)}")
        kind = ALL if words[0] == "ALL" else hexadecimal(words[0], FORMAT, number, "a type of 4 hex digits")
        rows.append(PacketType(kind, words[1] if len(words) == 3 else "", words[-1]))
    return Ptype(tuple(rows))


def render(value: Ptype) -> str:
    out = [HEADER]
    for row in value.rows:
        kind = "ALL " if row.type == ALL else f"{row.type:04x}"
        out.append(f"{kind} {row.device:<8s} {row.function}\n")
    return "".join(out)
