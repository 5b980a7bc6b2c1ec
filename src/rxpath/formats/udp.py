"""/proc/net/udp, udp6, udplite, udplite6 (net/ipv4/udp.c `udp4_seq_show`, net/ipv6/udp.c `udp6_seq_show`).

`rx_queue` is truesize bytes in the receive queue, not payload; the last column counts datagrams dropped by
the socket.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, decimal, hexadecimal, split_lines, unsigned
from .inet_sock import HEADER_V4, HEADER_V6, SockHead, is_header, parse_head, render_head

FORMAT = "net/udp"
_WIDTH = 127


@dataclass(frozen=True, slots=True)
class Layout:
    """`indent`: blanks before `sl` in the IPv4 header (2 in 3.13, 3 later); `pointer`: hex digits of a
    pointer.
    """

    indent: int = 3
    pointer: int = 16


@dataclass(frozen=True, slots=True)
class UdpSock:
    """One socket.  `head` has slot, addresses, state (7 unconnected, 1 connected) and queues."""

    head: SockHead
    inode: int = 0
    ref: int = 2
    pointer: int = 0
    drops: int = 0


@dataclass(frozen=True, slots=True)
class Udp:
    """The file; `family` 4 or 6 says which header it has."""

    rows: tuple[UdpSock, ...]
    family: int = 4


def parse(text: str, fmt: str = FORMAT) -> Udp:
    """The file of any release, IPv4 or IPv6; the header may be missing.  FormatError otherwise."""
    rows: list[UdpSock] = []
    family = 4
    seen = False
    for number, line in enumerate(split_lines(text), 1):
        if is_header(line):
            seen = True
            family = 6 if "remote_address" in line else 4
            continue
        head, words = parse_head(line, fmt, number)
        if len(words) != 4:
            raise FormatError(fmt, number, f"expected inode, ref, pointer and drops, found {len(words)} columns")
        if ":" in head.local:
            family = 6
        rows.append(
            UdpSock(
                head,
                inode=unsigned(words[0], fmt, number, "an inode"),
                ref=unsigned(words[1], fmt, number),
                pointer=hexadecimal(words[2], fmt, number, "a pointer"),
                drops=decimal(words[3], fmt, number),
            )
        )
    if not rows and not seen:
        raise FormatError(fmt, 0, "no header and no sockets")
    return Udp(tuple(rows), family)


def render(value: Udp, layout: Layout) -> str:
    """The file as that release prints it."""
    if value.family == 6:
        out = [HEADER_V6 + " ref pointer drops"]
        out.extend(_row(r, layout) for r in value.rows)
    else:
        out = [f"{' ' * layout.indent + HEADER_V4 + ' ref pointer drops ':<{_WIDTH}s}"]
        out.extend(f"{_row(r, layout):<{_WIDTH}s}" for r in value.rows)
    return "".join(line + "\n" for line in out)


def _row(r: UdpSock, layout: Layout) -> str:
    return f"{render_head(r.head, 5)} {r.inode} {r.ref} {r.pointer:0{layout.pointer}x} {r.drops}"
