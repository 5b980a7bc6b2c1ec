"""Sysctls of net.ipv4 that are there for the programs that look for them, and change nothing for what is received.

What belongs here: names whose value is kept with Linux's range and read by nobody.  What a part of the stack reads
stands with that part (sysctl_net_ipv4.py, tcp/proc.py).  Facts: net/ipv4/sysctl_net_ipv4.c, route.c; defaults as
recorded.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import ENOTSUP, linux_error
from rxpath.kernel.sysctl import INT_MAX, INT_MIN
from rxpath.net.core.dev import held_sysctl
from rxpath.net.ipv4.netns import Ipv4

# name, default, lowest, highest
HELD: Final = (
    ("fib_multipath_hash_seed", 0, 0, (1 << 32) - 1),
    ("fib_sync_mem", 524288, 64 * 1024, 64 * 1024 * 1024),
    ("route.gc_elasticity", 8, INT_MIN, INT_MAX),
    ("route.gc_interval", 60, INT_MIN, INT_MAX),
    ("route.gc_min_interval", 0, INT_MIN, INT_MAX),
    ("route.gc_min_interval_ms", 500, INT_MIN, INT_MAX),
    ("route.gc_thresh", -1, INT_MIN, INT_MAX),
    ("route.gc_timeout", 300, INT_MIN, INT_MAX),
    ("route.max_size", INT_MAX, INT_MIN, INT_MAX),
    ("tcp_child_ehash_entries", 0, 0, 16 << 20),
    ("tcp_l3mdev_accept", 0, 0, 1),
    ("tcp_min_rtt_wlen", 300, 0, 86400),
    ("tcp_no_ssthresh_metrics_save", 1, 0, 1),
    ("tcp_plb_cong_thresh", 128, 0, 256),
    ("tcp_plb_enabled", 0, 0, 1),
    ("tcp_plb_idle_rehash_rounds", 3, 0, 31),
    ("tcp_plb_rehash_rounds", 12, 0, 31),
    ("tcp_plb_suspend_rto_sec", 60, 0, 255),
    ("tcp_thin_dupack", 0, INT_MIN, INT_MAX),
    ("tcp_tso_rtt_log", 9, 0, 255),
    ("tcp_tw_recycle", 0, INT_MIN, INT_MAX),
    ("udp_child_hash_entries", 0, 0, 1 << 16),
)
# read-only, or writable only to the value that is there: name, text, mode
TEXTS: Final = (
    ("tcp_allowed_congestion_control", "reno cubic", 0o644),
    ("tcp_available_ulp", "mptcp", 0o444),
    ("tcp_ehash_entries", "4096", 0o444),
    ("tcp_fastopen_key", "00000000-00000000-00000000-00000000", 0o600),
    ("udp_hash_entries", "1024", 0o444),
)


def sysctl_held_init(ipv4: Ipv4) -> None:
    """device_initcall, after the parts have registered theirs: a name that is there already stays."""
    s = ipv4.kernel.sysctl
    for name, value, lo, hi in HELD:
        if "net.ipv4." + name not in s.entries:
            held_sysctl(s, "net.ipv4." + name, value, lo, hi, 0o644)
    for name, text, mode in TEXTS:
        if "net.ipv4." + name not in s.entries:
            cell = _Text(name, text)
            s.register("net.ipv4." + name, cell.get, cell.put if mode & 0o200 else None, mode)


class _Text:
    """A text that may only be written as it is."""

    __slots__ = ("name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    def get(self) -> str:
        return self.text

    def put(self, text: str) -> None:
        if text.split() != self.text.split():
            raise linux_error(ENOTSUP, "net.ipv4." + self.name)
