"""/proc/net/tcp and tcp6 (net/ipv4/tcp_ipv4.c `tcp4_seq_show`; equal in all releases).

`rx_queue` is unread payload bytes, of a listener the length of its accept queue.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, decimal, hexadecimal, split_lines, unsigned
from .inet_sock import HEADER_V4, HEADER_V6, SockHead, is_header, parse_head, render_head

FORMAT = "net/tcp"
_WIDTH = 149


@dataclass(frozen=True, slots=True)
class TcpTail:
    """The columns only full sockets have: timeouts in 1/100 s, 2 * quick acks + pingpong, window."""

    rto: int = 100
    ato: int = 0
    quick_pingpong: int = 0
    cwnd: int = 10
    ssthresh: int = -1


@dataclass(frozen=True, slots=True)
class TcpSock:
    """One socket; `tail` is None for TIME_WAIT and SYN_RECV, whose lines end after the pointer."""

    head: SockHead
    inode: int = 0
    ref: int = 1
    pointer: int = 0
    tail: TcpTail | None = None


@dataclass(frozen=True, slots=True)
class Tcp:
    """The file; `family` 4 or 6 says which header it has."""

    rows: tuple[TcpSock, ...]
    family: int = 4


def parse(text: str) -> Tcp:
    """The file of any release, IPv4 or IPv6; the header may be missing.  FormatError otherwise."""
    rows: list[TcpSock] = []
    family = 4
    seen = False
    for number, line in enumerate(split_lines(text), 1):
        if is_header(line):
            seen = True
            family = 6 if "remote_address" in line else 4
            continue
        head, words = parse_head(line, FORMAT, number)
        if len(words) not in (3, 8):
            raise FormatError(FORMAT, number, f"expected 3 or 8 columns from the inode on, found {len(words)}")
        if ":" in head.local:
            family = 6
        tail = None
        if len(words) == 8:
            rto, ato, quick, cwnd = (unsigned(w, FORMAT, number) for w in words[3:7])
            tail = TcpTail(rto, ato, quick, cwnd, decimal(words[7], FORMAT, number))
        rows.append(
            TcpSock(
                head,
                inode=unsigned(words[0], FORMAT, number, "an inode"),
                ref=unsigned(words[1], FORMAT, number),
                pointer=hexadecimal(words[2], FORMAT, number, "a pointer"),
                tail=tail,
            )
        )
    if not rows and not seen:
        raise FormatError(FORMAT, 0, "no header and no sockets")
    return Tcp(tuple(rows), family)


def render(value: Tcp, pointer: int = 16) -> str:
    """The file; `pointer` is the number of hex digits of a pointer (16 on 64-bit machines)."""
    if value.family == 6:
        out = [HEADER_V6]
        out.extend(_row(r, pointer) for r in value.rows)
    else:
        out = [f"{'  ' + HEADER_V4:<{_WIDTH}s}"]
        out.extend(f"{_row(r, pointer):<{_WIDTH}s}" for r in value.rows)
    return "".join(line + "\n" for line in out)


def _row(r: TcpSock, pointer: int) -> str:
    line = f"{render_head(r.head, 4)} {r.inode} {r.ref} {r.pointer:0{pointer}x}"
    if r.tail is not None:
        t = r.tail
        line += f" {t.rto} {t.ato} {t.quick_pingpong} {t.cwnd} {t.ssthresh}"
    return line
