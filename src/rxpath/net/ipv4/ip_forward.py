"""Forwarding: TTL, MTU, redirects, options, FORWARD hook.  Facts: net/ipv4/ip_forward.c (5.15, 6.1), drop reasons
of 6.18 as recorded.
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.skbuff import PACKET_HOST, SkBuff, kfree_skb_reason
from rxpath.net.ipv4.icmp import icmp_send
from rxpath.net.ipv4.ip_cb import IPSKB_DOREDIRECT, IPSKB_FORWARDED, ip_cb
from rxpath.net.ipv4.ip_input import ip_call_ra_chain
from rxpath.net.ipv4.ip_options import ip_forward_options
from rxpath.net.ipv4.ip_output import ip_dst_mtu_maybe_forward
from rxpath.net.ipv4.mib import (
    IPSTATS_MIB_FRAGFAILS,
    IPSTATS_MIB_INHDRERRORS,
    IPSTATS_MIB_OUTFORWDATAGRAMS,
    IPSTATS_MIB_OUTOCTETS,
)
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.net.ipv4.offload import skb_gso_validate_network_len
from rxpath.net.ipv4.route import Rtable, RtAction, ip_rt_send_redirect
from rxpath.net.netfilter.core import NF_INET_FORWARD, NFPROTO_IPV4, NfHookState, nf_hook_slow
from rxpath.sim.ledger import Site
from rxpath.wire.icmp import ICMP_DEST_UNREACH, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, ICMP_SR_FAILED, ICMP_TIME_EXCEEDED

SITE_FORWARD: Final = Site("ip forward", "cannot be forwarded", "none", "NOT_SPECIFIED")
SITE_TTL: Final = Site("ip forward", "TTL expired", "Ip InHdrErrors", "IP_INHDR")
SITE_TOO_BIG: Final = Site("ip forward", "too big and not to be fragmented", "Ip FragFails", "PKT_TOO_BIG")
SITE_SRFAIL: Final = Site("ip forward", "strict source route over a gateway", "none", "NOT_SPECIFIED")


def ip_exceeds_mtu(skb: SkBuff, mtu: int) -> bool:
    if skb.len <= mtu:
        return False
    if not skb.head[skb.network_header + 6] & 0x40:
        return False
    cb = ip_cb(skb)
    if cb.frag_max_size > mtu:
        return True
    if skb.nohdr:
        return False
    if skb.gso_size and skb_gso_validate_network_len(skb, mtu):
        return False
    return True


def ip_forward(skb: SkBuff) -> int:
    ipv4 = ipv4_of(skb.net)
    rt = skb.dst
    if skb.pkt_type != PACKET_HOST or skb.sk is not None or not isinstance(rt, Rtable):
        kfree_skb_reason(skb, SITE_FORWARD)
        return 1
    cb = ip_cb(skb)
    opt = cb.opt
    if opt is not None and opt.router_alert and ip_call_ra_chain(ipv4, skb):
        return 0
    nh = skb.network_header
    if skb.head[nh + 8] <= 1:
        ipv4.ip[IPSTATS_MIB_INHDRERRORS] += 1
        icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0)
        kfree_skb_reason(skb, SITE_TTL)
        return 1
    if opt is not None and opt.is_strictroute and rt.rt_uses_gateway:
        icmp_send(skb, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0)
        kfree_skb_reason(skb, SITE_SRFAIL)
        return 1
    cb.flags |= IPSKB_FORWARDED
    if ipv4.variant.forw_early:
        ipv4.ip[IPSTATS_MIB_OUTFORWDATAGRAMS] += 1
    mtu = ip_dst_mtu_maybe_forward(ipv4, rt, True)
    if ip_exceeds_mtu(skb, mtu):
        ipv4.ip[IPSTATS_MIB_FRAGFAILS] += 1
        icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu)
        kfree_skb_reason(skb, SITE_TOO_BIG)
        return 1
    ip_decrease_ttl(skb)
    if cb.flags & IPSKB_DOREDIRECT and (opt is None or not opt.srr):
        ip_rt_send_redirect(skb)
    hooks = ipv4.net.netfilter.ipv4[NF_INET_FORWARD]
    if hooks and nf_hook_slow(skb, NfHookState(ipv4.net, NFPROTO_IPV4, NF_INET_FORWARD, skb.dev, rt.dev), hooks) != 1:
        return 0
    return ip_forward_finish(ipv4, skb)


def ip_decrease_ttl(skb: SkBuff) -> None:
    """TTL - 1 with the checksum (inline in Linux)."""
    nh = skb.network_header
    h = bytearray(skb.head[nh : nh + 12])
    h[8] -= 1
    check = int.from_bytes(h[10:12], "little") + 1  # htons(0x0100): a wrong sum stays as wrong
    h[10:12] = (check + (check >= 0xFFFF) & 0xFFFF).to_bytes(2, "little")
    skb.replace(nh, bytes(h))


def ip_forward_finish(ipv4: Ipv4, skb: SkBuff) -> int:
    if not ipv4.variant.forw_early:
        ipv4.ip[IPSTATS_MIB_OUTFORWDATAGRAMS] += 1
    if not ipv4.kernel.release.ip_out_transmits:
        ipv4.ipext[IPSTATS_MIB_OUTOCTETS] += skb.len
    cb = ip_cb(skb)
    if cb.opt is not None and cb.opt.optlen:
        ip_forward_options(skb)
    skb.tstamp = 0
    rt = skb.dst
    assert rt is not None
    return rt.output(skb)


class ForwardAction(RtAction):
    __slots__ = ()

    def run(self, skb: SkBuff) -> int:
        return ip_forward(skb)
