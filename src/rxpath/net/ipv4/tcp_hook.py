"""Where TCP, a package of its own, hangs itself into IPv4 (as inet_init does for all protocols)."""

from __future__ import annotations

from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.netns import Ipv4


def tcp_v4_early_demux(ipv4: Ipv4, skb: SkBuff) -> int:
    """Ask TCP for the socket of an established connection, if TCP is there."""
    p = ipv4.protos[6]
    if p is not None and p.has_early_demux:
        return p.early_demux(skb)
    return 0
