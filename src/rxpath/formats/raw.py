"""/proc/net/raw, raw6, icmp (net/ipv4/raw.c `raw_seq_show`): as udp, not padded; the local port is the IP
protocol.
"""

from __future__ import annotations

from . import udp
from .inet_sock import HEADER_V4, HEADER_V6, render_head
from .udp import Udp, UdpSock

FORMAT = "net/raw"


def parse(text: str) -> Udp:
    """The file of any release.  FormatError otherwise."""
    return udp.parse(text, FORMAT)


def render(value: Udp, pointer: int = 16) -> str:
    """The file; `pointer` is the number of hex digits of a pointer."""
    if value.family == 6:
        out = [HEADER_V6 + " ref pointer drops"]
        out.extend(_row(r, pointer, 5) for r in value.rows)
    else:
        out = ["  " + HEADER_V4 + " ref pointer drops"]
        out.extend(_row(r, pointer, 4) for r in value.rows)
    return "".join(line + "\n" for line in out)


def _row(r: UdpSock, pointer: int, slot: int) -> str:
    return f"{render_head(r.head, slot)} {r.inode} {r.ref} {r.pointer:0{pointer}x} {r.drops}"
