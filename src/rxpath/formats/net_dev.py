"""/proc/net/dev: statistics per interface (net/core/net-procfs.c `dev_seq_show`; equal in all releases).

The columns are sums of several counters of rtnl_link_stats64: see `from_link_stats`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned

FORMAT = "net/dev"

HEADER = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast"
    "|bytes    packets errs drop fifo colls carrier compressed\n"
)


@dataclass(frozen=True, slots=True)
class NetDevRow:
    """One interface, fields in the order of the columns (bytes, then counts)."""

    name: str
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errs: int = 0
    rx_drop: int = 0
    rx_fifo: int = 0
    rx_frame: int = 0
    rx_compressed: int = 0
    rx_multicast: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errs: int = 0
    tx_drop: int = 0
    tx_fifo: int = 0
    tx_colls: int = 0
    tx_carrier: int = 0
    tx_compressed: int = 0


@dataclass(frozen=True, slots=True)
class NetDev:
    """The whole file, interfaces in the order of registration."""

    rows: tuple[NetDevRow, ...]

    def get(self, name: str) -> NetDevRow | None:
        for row in self.rows:
            if row.name == name:
                return row
        return None


def from_link_stats(name: str, stats: Mapping[str, int]) -> NetDevRow:
    """The row that Linux makes of the counters of /sys/class/net/NAME/statistics (missing ones count 0)."""

    def s(*keys: str) -> int:
        return sum(stats.get(key, 0) for key in keys)

    return NetDevRow(
        name,
        s("rx_bytes"),
        s("rx_packets"),
        s("rx_errors"),
        s("rx_dropped", "rx_missed_errors"),
        s("rx_fifo_errors"),
        s("rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors"),
        s("rx_compressed"),
        s("multicast"),
        s("tx_bytes"),
        s("tx_packets"),
        s("tx_errors"),
        s("tx_dropped"),
        s("tx_fifo_errors"),
        s("collisions"),
        s("tx_carrier_errors", "tx_aborted_errors", "tx_window_errors", "tx_heartbeat_errors"),
        s("tx_compressed"),
    )


def parse(text: str) -> NetDev:
    """The file of any release; the header may be missing (grep takes it away).  FormatError otherwise."""
    rows: list[NetDevRow] = []
    seen_header = False
    for number, line in enumerate(split_lines(text), 1):
        if "|" in line:
            seen_header = True
            continue
        name, colon, rest = line.rpartition(":")  # an alias row is eth0:1
        name = name.strip()
        if not colon or not name or " " in name:
            raise FormatError(FORMAT, number, f"expected 'NAME: counters', found {shown(line)}")
        words = rest.split()
        if len(words) != 16:
            raise FormatError(FORMAT, number, f"expected 16 columns, found {len(words)}")
        v = [unsigned(w, FORMAT, number, "a counter") for w in words]
        rows.append(NetDevRow(name, *v))
    if not rows and not seen_header:
        raise FormatError(FORMAT, 0, "no interfaces")
    return NetDev(tuple(rows))


def render(value: NetDev) -> str:
    """The file; the same in every release."""
    out = [HEADER]
    for r in value.rows:
        out.append(
            f"{r.name:>6s}: {r.rx_bytes:7d} {r.rx_packets:7d} {r.rx_errs:4d} {r.rx_drop:4d} {r.rx_fifo:4d}"
            f" {r.rx_frame:5d} {r.rx_compressed:10d} {r.rx_multicast:9d}"
            f" {r.tx_bytes:8d} {r.tx_packets:7d} {r.tx_errs:4d} {r.tx_drop:4d} {r.tx_fifo:4d}"
            f" {r.tx_colls:5d} {r.tx_carrier:7d} {r.tx_compressed:10d}\n"
        )
    return "".join(out)
