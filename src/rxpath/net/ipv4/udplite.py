"""UDP-Lite and PIM as a host has them that uses neither: checks of the datagram, unreachable, counters.

No socket of UDP-Lite can be made here (ENOTSUP by `socket`), and nobody routes groups.  Facts: net/ipv4/udplite.c,
net/udplite.h, net/ipv4/ipmr.c pim_rcv (6.1).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.net.core.skbuff import SkBuff, consume_skb, kfree_skb_reason
from rxpath.net.ipv4.icmp import icmp_send
from rxpath.net.ipv4.mib import (
    ICMP_MIB_INERRORS,
    UDP_MIB_CSUMERRORS,
    UDP_MIB_IGNOREDMULTI,
    UDP_MIB_INERRORS,
    UDP_MIB_NOPORTS,
)
from rxpath.net.ipv4.netns import Ipv4, NetProtocol, ipv4_of
from rxpath.net.ipv4.route import RTCF_BROADCAST, RTCF_MULTICAST, Rtable
from rxpath.sim.ledger import Site
from rxpath.wire.checksum import csum_partial, csum_tcpudp_magic
from rxpath.wire.icmp import ICMP_DEST_UNREACH, ICMP_PORT_UNREACH
from rxpath.wire.ipv4 import IPPROTO_UDPLITE

IPPROTO_PIM: Final = 103

SITE_HDR: Final = Site("udplite", "UDP-Lite header cut off", "UdpLite InErrors", "NOT_SPECIFIED")
SITE_SHORT: Final = Site("udplite", "UDP-Lite coverage beyond the packet", "UdpLite InErrors", "PKT_TOO_SMALL")
SITE_CSUM: Final = Site("udplite", "bad UDP-Lite checksum", "UdpLite InCsumErrors, UdpLite InErrors", "UDP_CSUM")
SITE_NO_SOCKET: Final = Site("udplite", "no UDP-Lite socket", "UdpLite NoPorts", "NO_SOCKET")
SITE_IGNORED: Final = Site("udplite", "no UDP-Lite socket for a group", "UdpLite IgnoredMulti")
SITE_PIM: Final = Site("pim", "no multicast routing", "none", "NOT_SPECIFIED")

_PORTS: Final = Struct(">HHHH")
_ADDRS: Final = Struct(">II")


def udplite_rcv(skb: SkBuff) -> int:
    """Like udp_rcv with its own checksum coverage and an empty table."""
    ipv4 = ipv4_of(skb.net)
    data = skb.tobytes()
    n = len(data)
    if n < 8:
        return _drop(ipv4, skb, SITE_HDR)
    _, _, cover, check = _PORTS.unpack_from(data)
    if cover > n:
        return _drop(ipv4, skb, SITE_SHORT)
    saddr, daddr = _ADDRS.unpack_from(skb.head, skb.network_header + 12)
    if check == 0 or 0 < cover < 8:
        return _csum_drop(ipv4, skb)
    rt = skb.dst
    if isinstance(rt, Rtable) and rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST):
        ipv4.udplite[UDP_MIB_IGNOREDMULTI] += 1
        consume_skb(skb, SITE_IGNORED)
        return 0
    if csum_tcpudp_magic(saddr, daddr, n, IPPROTO_UDPLITE, csum_partial(data[: cover or n])):
        return _csum_drop(ipv4, skb)
    ipv4.udplite[UDP_MIB_NOPORTS] += 1

    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0)
    kfree_skb_reason(skb, SITE_NO_SOCKET)
    return 0


def _drop(ipv4: Ipv4, skb: SkBuff, site: Site) -> int:
    ipv4.udplite[UDP_MIB_INERRORS] += 1
    kfree_skb_reason(skb, site)
    return 0


def _csum_drop(ipv4: Ipv4, skb: SkBuff) -> int:
    ipv4.udplite[UDP_MIB_CSUMERRORS] += 1
    return _drop(ipv4, skb, SITE_CSUM)


def pim_rcv(skb: SkBuff) -> int:
    """Without a register interface every PIM message is dropped."""
    kfree_skb_reason(skb, SITE_PIM)
    return 0


class UdpliteProtocol(NetProtocol):
    __slots__ = ()

    def handler(self, skb: SkBuff) -> int:
        return udplite_rcv(skb)

    def err_handler(self, skb: SkBuff, info: int) -> int:
        ipv4_of(skb.net).icmp[ICMP_MIB_INERRORS] += 1  # no socket
        return 0


class PimProtocol(NetProtocol):
    __slots__ = ()

    def handler(self, skb: SkBuff) -> int:
        return pim_rcv(skb)
