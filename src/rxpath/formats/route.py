"""/proc/net/route: the main IPv4 table (net/ipv4/fib_trie.c `fib_route_seq_show`)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, shown, split_lines, unsigned
from .inet_addr import from_hex, to_hex

FORMAT = "net/route"
_HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
_WIDTH = 127
UP, GATEWAY, HOST, REJECT = 0x1, 0x2, 0x4, 0x200  # RTF_*


@dataclass(frozen=True, slots=True)
class Route:
    """Addresses are texts; `device` "*" = none (unreachable); gateway 0.0.0.0 = on link; mtu: advmss + 40."""

    device: str
    destination: str
    gateway: str = "0.0.0.0"
    flags: int = UP
    refcnt: int = 0
    use: int = 0
    metric: int = 0
    mask: str = "255.255.255.0"
    mtu: int = 0
    window: int = 0
    irtt: int = 0


@dataclass(frozen=True, slots=True)
class RouteTable:
    rows: tuple[Route, ...]


def parse(text: str) -> RouteTable:
    """The file of any release.  FormatError otherwise."""
    lines = split_lines(text)
    if not lines or lines[0].split() != _HEADER.split():
        raise FormatError(FORMAT, 1, "expected the header 'Iface Destination Gateway ...'")
    rows: list[Route] = []
    for number, line in enumerate(lines[1:], 2):
        w = line.split()
        if len(w) != 11:
            raise FormatError(FORMAT, number, f"expected 11 columns, found {shown(line)}")
        addresses = [from_hex(w[i], FORMAT, number) for i in (1, 2, 7)]
        if any(":" in a for a in addresses):
            raise FormatError(FORMAT, number, "expected addresses of 8 hex digits")
        n = [unsigned(w[i], FORMAT, number) for i in (4, 5, 6, 8, 9, 10)]
        flags = hexadecimal(w[3], FORMAT, number, "flags of 4 hex digits")
        rows.append(Route(w[0], addresses[0], addresses[1], flags, n[0], n[1], n[2], addresses[2], n[3], n[4], n[5]))
    return RouteTable(tuple(rows))


def render(value: RouteTable) -> str:
    out = [f"{_HEADER:<{_WIDTH}s}\n"]
    for r in value.rows:
        line = (
            f"{r.device}\t{to_hex(r.destination)}\t{to_hex(r.gateway)}\t{r.flags:04X}\t{r.refcnt}\t{r.use}"
            f"\t{r.metric}\t{to_hex(r.mask)}\t{r.mtu}\t{r.window}\t{r.irtt}"
        )
        out.append(f"{line:<{_WIDTH}s}\n")
    return "".join(out)
