"""What iptables' REJECT sends: an ICMP error, or a TCP reset.

Facts: net/ipv4/netfilter/nf_reject_ipv4.c (3.13: include/net/netfilter/ipv4/nf_reject.h), net/ipv4/netfilter.c.
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.skbuff import CHECKSUM_COMPLETE, CHECKSUM_NONE, CHECKSUM_UNNECESSARY, SkBuff, __alloc_skb, skb_put
from rxpath.net.ipv4.fib import RTN_LOCAL, RTN_UNICAST, inet_addr_type_dev_table
from rxpath.net.ipv4.icmp import icmp_send
from rxpath.net.ipv4.ip_output import ip_local_out
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.net.ipv4.route import (
    FLOWI_FLAG_ANYSRC,
    RTCF_BROADCAST,
    RTCF_MULTICAST,
    Flowi4,
    Rtable,
    ip_route_output_key_hash,
)
from rxpath.net.netfilter.core import NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING, RejectSender
from rxpath.net.netfilter.x_tables import skb_header_pointer
from rxpath.wire.checksum import csum_partial, csum_tcpudp_magic, transport_checksum
from rxpath.wire.ethernet import ETH_P_IP
from rxpath.wire.icmp import ICMP_DEST_UNREACH
from rxpath.wire.ipv4 import IP_DF, IPPROTO_UDP, IPV4_HDR
from rxpath.wire.tcp import TCP_HDR, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN

LL_MAX_HEADER: Final = 128


def nf_ip_checksum(skb: SkBuff, hook: int, dataoff: int, proto: int) -> bool:
    """Whether the transport checksum is right, or known to be, or not to be looked at."""
    nh = skb.network_header
    saddr = int.from_bytes(skb.head[nh + 12 : nh + 16], "big")
    daddr = int.from_bytes(skb.head[nh + 16 : nh + 20], "big")
    segment = skb.tobytes()[dataoff:]
    if skb.ip_summed == CHECKSUM_COMPLETE and hook not in (NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN):
        return True
    if skb.ip_summed not in (CHECKSUM_COMPLETE, CHECKSUM_NONE):
        return True
    if proto in (6, 17):
        good = csum_tcpudp_magic(saddr, daddr, len(segment), proto, csum_partial(segment)) == 0
    else:
        good = csum_partial(segment) in (0, 0xFFFF)
    if good:
        skb.ip_summed = CHECKSUM_UNNECESSARY
    return good


def nf_reject_verify_csum(skb: SkBuff, dataoff: int, proto: int) -> bool:
    """Whether there is a checksum over all of the payload.  (Inline.)"""
    if proto == IPPROTO_UDP:
        uh = skb_header_pointer(skb, skb.network_header + dataoff, 8)
        return uh is None or bool(uh[6] | uh[7])
    return proto not in (33, 47, 50, 51, 132, 136)


def nf_reject_fill_skb_dst(ipv4: Ipv4, skb: SkBuff) -> bool:
    """A route back, for a packet that has none yet."""
    nh = skb.network_header
    rt = ip_route_output_key_hash(ipv4, Flowi4(int.from_bytes(skb.head[nh + 12 : nh + 16], "big")))
    skb.dst = rt
    return rt is not None


def nf_send_unreach(skb_in: SkBuff, code: int, hook: int) -> None:
    ipv4 = ipv4_of(skb_in.net)
    head = skb_in.head
    nh = skb_in.network_header
    if (head[nh + 6] & 0x1F) or head[nh + 7]:
        return
    dataoff = (head[nh] & 15) << 2
    proto = head[nh + 9]
    if skb_in.dst is None and not nf_reject_fill_skb_dst(ipv4, skb_in):
        return
    if (
        skb_in.ip_summed == CHECKSUM_UNNECESSARY
        or not nf_reject_verify_csum(skb_in, dataoff, proto)
        or nf_ip_checksum(skb_in, hook, dataoff, proto)
    ):
        icmp_send(skb_in, ICMP_DEST_UNREACH, code, 0)


def nf_reject_ip_tcphdr_get(oldskb: SkBuff, hook: int) -> bytes | None:
    """The TCP header that may be answered with a reset: no later fragment, no reset, a right checksum."""
    head = oldskb.head
    nh = oldskb.network_header
    if (head[nh + 6] & 0x1F) or head[nh + 7] or head[nh + 9] != 6:
        return None
    hl = (head[nh] & 15) << 2
    oth = skb_header_pointer(oldskb, nh + hl, 20)
    if oth is None or oth[13] & TCPHDR_RST or not nf_ip_checksum(oldskb, hook, hl, 6):
        return None
    return oth


def nf_send_reset(oldskb: SkBuff, hook: int) -> None:
    ipv4 = ipv4_of(oldskb.net)
    oth = nf_reject_ip_tcphdr_get(oldskb, hook)
    if oth is None:
        return
    if oldskb.dst is None and not nf_reject_fill_skb_dst(ipv4, oldskb):
        return
    old = oldskb.dst
    if not isinstance(old, Rtable) or old.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST):
        return
    head = oldskb.head
    nh = oldskb.network_header
    saddr = int.from_bytes(head[nh + 16 : nh + 20], "big")
    daddr = int.from_bytes(head[nh + 12 : nh + 16], "big")
    sport, dport, seq, ack, doff, flags, _, _, _ = TCP_HDR.unpack(oth)
    if flags & TCPHDR_ACK:
        segment = TCP_HDR.pack(dport, sport, ack, 0, 5 << 4, TCPHDR_RST, 0, 0, 0)
    else:
        size = oldskb.len - ((head[nh] & 15) << 2) - (doff >> 4) * 4
        end = seq + bool(flags & TCPHDR_SYN) + bool(flags & TCPHDR_FIN) + size & 0xFFFFFFFF
        segment = TCP_HDR.pack(dport, sport, 0, end, 5 << 4, TCPHDR_RST | TCPHDR_ACK, 0, 0, 0)
    check = transport_checksum(saddr, daddr, 6, segment)
    segment = segment[:16] + check.to_bytes(2, "big") + segment[18:]
    rt = ip_route_me_harder(ipv4, old, saddr, daddr)
    if rt is None:
        return
    nskb = __alloc_skb(ipv4.net, 20 + 20 + LL_MAX_HEADER)
    skb_put(
        nskb,
        IPV4_HDR.pack(0x45, 0, 40, 0, IP_DF, ipv4.ip_default_ttl, 6, 0, saddr, daddr) + segment,
    )
    nskb.network_header = 0
    nskb.transport_header = 20
    nskb.protocol = ETH_P_IP
    nskb.dst = rt
    ip_local_out(ipv4, None, nskb)


def ip_route_me_harder(ipv4: Ipv4, old: Rtable, saddr: int, daddr: int) -> Rtable | None:
    """The way of a packet whose source may be somebody else's address."""
    kind = inet_addr_type_dev_table(ipv4, old.dev, saddr)
    flags = 0
    if kind in (RTN_LOCAL, RTN_UNICAST):
        flags = FLOWI_FLAG_ANYSRC
    else:
        saddr = 0
    return ip_route_output_key_hash(ipv4, Flowi4(daddr, saddr, flags=flags))


class Ipv4Reject(RejectSender):
    __slots__ = ()

    def send_unreach(self, skb: SkBuff, code: int, hook: int) -> None:
        nf_send_unreach(skb, code, hook)

    def send_reset(self, skb: SkBuff, hook: int) -> None:
        nf_send_reset(skb, hook)


def nf_reject_init(ipv4: Ipv4) -> None:
    ipv4.net.netfilter.reject = Ipv4Reject()
