"""/proc/net/arp: the neighbour table of IPv4 (net/ipv4/arp.c `arp_format_neigh_entry`)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, shown, split_lines

FORMAT = "net/arp"
HEADER = "IP address       HW type     Flags       HW address            Mask     Device\n"
COMPLETE, PERMANENT, PUBLISHED = 0x2, 0x4, 0x8
INCOMPLETE_MAC = "00:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class Layout:
    """`mac_width`: 17 where the hardware address is padded (6.1 and later), 0 before; shows with short
    addresses only.
    """

    mac_width: int = 17


@dataclass(frozen=True, slots=True)
class ArpEntry:
    """`flags`: 0 while unresolved (the address is then zeros)."""

    ip: str
    hw_type: int
    flags: int
    mac: str
    device: str


@dataclass(frozen=True, slots=True)
class Arp:
    rows: tuple[ArpEntry, ...]


def parse(text: str) -> Arp:
    """The file of any release.  FormatError otherwise."""
    lines = split_lines(text)
    if not lines or not lines[0].startswith("IP address"):
        raise FormatError(FORMAT, 1, "expected the header 'IP address  HW type  Flags ...'")
    rows: list[ArpEntry] = []
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if len(words) == 5:  # devices without hardware addresses (loopback, point to point) print an empty column
            words.insert(3, "")
        if len(words) != 6 or not words[1].startswith("0x") or not words[2].startswith("0x"):
            raise FormatError(
                FORMAT, number, f"expected address, type, flags, MAC, mask and device, found {shown(line)}"
            )
        rows.append(
            ArpEntry(
                words[0],
                hexadecimal(words[1][2:], FORMAT, number, "a hardware type"),
                hexadecimal(words[2][2:], FORMAT, number, "flags"),
                words[3],
                words[5],
            )
        )
    return Arp(tuple(rows))


def render(value: Arp, layout: Layout) -> str:
    out = [HEADER]
    for r in value.rows:
        out.append(
            f"{r.ip:<16s} 0x{r.hw_type:<10x}0x{r.flags:<10x}{r.mac:<{layout.mac_width}s}     *        {r.device}\n"
        )
    return "".join(out)
