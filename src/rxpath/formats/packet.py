"""/proc/net/packet: packet sockets (net/packet/af_packet.c `packet_seq_show`)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, shown, split_lines, unsigned

FORMAT = "net/packet"
_TITLES = "RefCnt Type Proto  Iface R Rmem   User   Inode\n"


@dataclass(frozen=True, slots=True)
class PacketSock:
    """`proto` host order; `iface` 0 = any; `rmem` truesize bytes queued."""

    pointer: int
    refcnt: int
    type: int
    proto: int
    iface: int
    running: int
    rmem: int
    user: int
    inode: int


@dataclass(frozen=True, slots=True)
class Packet:
    rows: tuple[PacketSock, ...]


def parse(text: str) -> Packet:
    """The file of any release.  FormatError otherwise."""
    lines = split_lines(text)
    if not lines or lines[0].split() != ["sk", *_TITLES.split()]:
        raise FormatError(FORMAT, 1, "expected the header 'sk  RefCnt Type Proto ...'")
    rows: list[PacketSock] = []
    for number, line in enumerate(lines[1:], 2):
        w = line.split()
        if len(w) != 9:
            raise FormatError(FORMAT, number, f"expected 9 columns, found {shown(line)}")
        rows.append(
            PacketSock(
                hexadecimal(w[0], FORMAT, number, "a pointer"),
                unsigned(w[1], FORMAT, number),
                unsigned(w[2], FORMAT, number),
                hexadecimal(w[3], FORMAT, number, "a protocol of 4 hex digits"),
                unsigned(w[4], FORMAT, number),
                unsigned(w[5], FORMAT, number),
                unsigned(w[6], FORMAT, number),
                unsigned(w[7], FORMAT, number),
                unsigned(w[8], FORMAT, number),
            )
        )
    return Packet(tuple(rows))


def render(value: Packet, pointer: int = 16) -> str:
    """The file; `pointer` is the number of hex digits of a pointer."""
    out = [f"{'sk':<{pointer + 1}s}{_TITLES}"]
    for r in value.rows:
        out.append(
            f"{r.pointer:0{pointer}x} {r.refcnt:<6d} {r.type:<4d} {r.proto:04x}   {r.iface:<5d}"
            f" {r.running:1d} {r.rmem:<6d} {r.user:<6d} {r.inode:<6d}\n"
        )
    return "".join(out)
