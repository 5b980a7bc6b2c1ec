"""IPv4 receive: the checks of the header, routing, local delivery to raw sockets and protocols.

Facts: net/ipv4/ip_input.c (3.13, 5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import EXDEV
from rxpath.net.core.netdevice import NetDevice, PacketType
from rxpath.net.core.skbuff import (
    CHECKSUM_COMPLETE,
    PACKET_BROADCAST,
    PACKET_MULTICAST,
    PACKET_OTHERHOST,
    SkBuff,
    consume_skb,
    ip_hdr,
    kfree_skb_reason,
    skb_clone,
    skb_cloned,
    skb_unclone,
)
from rxpath.net.ipv4.fib import RTN_BROADCAST, RTN_MULTICAST
from rxpath.net.ipv4.icmp import icmp_send
from rxpath.net.ipv4.ip_cb import ip_cb
from rxpath.net.ipv4.ip_fragment import IP_DEFRAG_CALL_RA_CHAIN, IP_DEFRAG_LOCAL_DELIVER, ip_defrag
from rxpath.net.ipv4.ip_options import __ip_options_compile, ip_options_rcv_srr
from rxpath.net.ipv4.mib import (
    IPSTATS_MIB_CSUMERRORS,
    IPSTATS_MIB_INBCASTOCTETS,
    IPSTATS_MIB_INBCASTPKTS,
    IPSTATS_MIB_INDELIVERS,
    IPSTATS_MIB_INHDRERRORS,
    IPSTATS_MIB_INMCASTOCTETS,
    IPSTATS_MIB_INMCASTPKTS,
    IPSTATS_MIB_INOCTETS,
    IPSTATS_MIB_INPKTS,
    IPSTATS_MIB_INTRUNCATEDPKTS,
    IPSTATS_MIB_INUNKNOWNPROTOS,
    IPSTATS_MIB_NOECTPKTS,
)
from rxpath.net.ipv4.netns import Ipv4
from rxpath.net.ipv4.raw import RawSock, raw_local_deliver, raw_rcv
from rxpath.net.ipv4.route import (
    IN_LOCAL,
    IPTOS_RT_MASK,
    Rtable,
    RtAction,
    ip_route_input_noref,
    ip_route_use_hint,
    route_error_site,
)
from rxpath.net.ipv4.tcp_hook import tcp_v4_early_demux
from rxpath.net.ipv4.udp import udp_v4_early_demux
from rxpath.net.netfilter.core import (
    NF_INET_LOCAL_IN,
    NF_INET_PRE_ROUTING,
    NFPROTO_IPV4,
    NfHookState,
    nf_hook_slow,
    nf_hook_slow_list,
)
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.checksum import csum_partial, csum_sub
from rxpath.wire.ethernet import ETH_P_IP
from rxpath.wire.icmp import ICMP_DEST_UNREACH, ICMP_PROT_UNREACH
from rxpath.wire.ipv4 import IPPROTO_TCP, IPPROTO_UDP, IPV4_HDR

SITE_OTHERHOST: Final = Site("ip", "frame is for another host", "rx_otherhost_dropped", "OTHERHOST")
SITE_INHDR: Final = Site("ip", "bad IP header", "Ip InHdrErrors", "IP_INHDR")
SITE_CSUM: Final = Site("ip", "bad IP header checksum", "IpExt InCsumErrors, Ip InHdrErrors", "IP_CSUM")
SITE_TRUNC: Final = Site("ip", "IP total length beyond the frame", "IpExt InTruncatedPkts", "PKT_TOO_SMALL")
SITE_OPTIONS: Final = Site("ip", "bad or refused IP options", "Ip InHdrErrors", "NOT_SPECIFIED")
SITE_OPTIONS_INHDR: Final = Site("ip", "malformed IP options", "Ip InHdrErrors", "IP_INHDR")
SITE_L2MC: Final = Site("ip", "unicast in a multicast frame", "none", "UNICAST_IN_L2_MULTICAST")
SITE_NOPROTO: Final = Site("ip", "no such protocol", "Ip InUnknownProtos", "IP_NOPROTO")
SITE_RAW_TOOK: Final = Site("ip", "a raw socket took it")

_ADDRS: Final = Struct(">II")


def ip_rcv_core(ipv4: Ipv4, skb: SkBuff) -> bool:
    """The checks in order; False: the packet was freed."""
    if skb.pkt_type == PACKET_OTHERHOST:
        dev = skb.dev
        assert dev is not None
        if ipv4.kernel.release.otherhost_dropped:
            dev.core_rx_otherhost += 1
        kfree_skb_reason(skb, SITE_OTHERHOST)
        return False
    ip = ipv4.ip
    skb.shared = False  # skb_share_check
    length = skb.len
    ip[IPSTATS_MIB_INPKTS] += 1
    ipext = ipv4.ipext
    ipext[IPSTATS_MIB_INOCTETS] += length
    if length < 20:
        ip[IPSTATS_MIB_INHDRERRORS] += 1
        kfree_skb_reason(skb, SITE_INHDR)
        return False
    head = skb.head
    nh = skb.data
    if skb.iph_head is head and skb.iph_off == nh:  # GRO saw these very bytes: 20 of them, and their sum is right
        hl = 20
        ipext[IPSTATS_MIB_NOECTPKTS + (skb.iph[1] & 3)] += skb.gso_segs or 1
    else:
        if skb.tail - nh < 20:
            skb.linearize()
            head = skb.head
        b0 = head[nh]
        if b0 != 0x45 and (b0 >> 4 != 4 or b0 & 15 < 5):
            ip[IPSTATS_MIB_INHDRERRORS] += 1
            kfree_skb_reason(skb, SITE_INHDR)
            return False
        ipext[IPSTATS_MIB_NOECTPKTS + (head[nh + 1] & 3)] += skb.gso_segs or 1
        hl = (b0 & 15) << 2
        if hl > length:
            ip[IPSTATS_MIB_INHDRERRORS] += 1
            kfree_skb_reason(skb, SITE_INHDR)
            return False
        if int.from_bytes(head[nh : nh + hl], "big") % 0xFFFF:
            ipext[IPSTATS_MIB_CSUMERRORS] += 1
            ip[IPSTATS_MIB_INHDRERRORS] += 1
            kfree_skb_reason(skb, SITE_CSUM)
            return False
        skb.iph = IPV4_HDR.unpack_from(head, nh)
        skb.iph_head = head
        skb.iph_off = nh
    tot = skb.iph[2]
    if length != tot:
        if length < tot:
            ipext[IPSTATS_MIB_INTRUNCATEDPKTS] += 1
            kfree_skb_reason(skb, SITE_TRUNC)
            return False
        if tot < hl:
            ip[IPSTATS_MIB_INHDRERRORS] += 1
            kfree_skb_reason(skb, SITE_INHDR)
            return False
        if skb.ip_summed == CHECKSUM_COMPLETE:
            skb.csum = csum_sub(skb.csum, csum_partial(skb.tobytes()[tot:]))
        skb.trim(tot)
    skb.network_header = nh
    skb.transport_header = nh + hl
    skb.cb = None
    skb.sk = None
    return True


def ip_rcv(skb: SkBuff, dev: NetDevice) -> int:
    """One packet."""
    ipv4: Ipv4 = dev.net.ipv4
    if not ip_rcv_core(ipv4, skb):
        return 1
    hooks = ipv4.net.netfilter.ipv4[NF_INET_PRE_ROUTING]
    if hooks and nf_hook_slow(skb, NfHookState(ipv4.net, NFPROTO_IPV4, NF_INET_PRE_ROUTING, dev, None), hooks) != 1:
        return 0
    return ip_rcv_finish(ipv4, skb)


def ip_rcv_finish(ipv4: Ipv4, skb: SkBuff) -> int:
    dev = skb.dev
    assert dev is not None
    if not ip_rcv_finish_core(ipv4, skb, dev, None):
        return 1
    dst = skb.dst
    assert dst is not None
    return dst.input(skb)


def ip_list_rcv(ipv4: Ipv4, skbs: list[SkBuff]) -> None:
    """A batch: sublists of one device."""
    sub: list[SkBuff] = []
    cur: NetDevice | None = None
    for skb in skbs:
        if not ip_rcv_core(ipv4, skb):
            continue
        if skb.dev is not cur:
            if sub:
                assert cur is not None
                ip_sublist_rcv(ipv4, sub, cur)
                sub = []
            cur = skb.dev
        sub.append(skb)
    if sub:
        assert cur is not None
        ip_sublist_rcv(ipv4, sub, cur)


def ip_sublist_rcv(ipv4: Ipv4, skbs: list[SkBuff], dev: NetDevice) -> None:
    """PRE_ROUTING for the list, then route each; packets with the same route are delivered together."""
    hooks = ipv4.net.netfilter.ipv4[NF_INET_PRE_ROUTING]
    if hooks:
        skbs = nf_hook_slow_list(skbs, NfHookState(ipv4.net, NFPROTO_IPV4, NF_INET_PRE_ROUTING, dev, None), hooks)
    hint: SkBuff | None = None
    cur: object = None
    sub: list[SkBuff] = []
    for skb in skbs:
        d = skb.dev
        assert d is not None
        if not ip_rcv_finish_core(ipv4, skb, d, hint):
            continue
        dst = skb.dst
        if dst is not cur:
            hint = skb if isinstance(dst, Rtable) and dst.rt_type != RTN_BROADCAST else None
            if sub:
                ip_sublist_rcv_finish(sub)
                sub = []
            cur = dst
        sub.append(skb)
    if sub:
        ip_sublist_rcv_finish(sub)


def ip_sublist_rcv_finish(skbs: list[SkBuff]) -> None:
    for skb in skbs:
        dst = skb.dst
        if isinstance(dst, Rtable) and dst.in_kind == IN_LOCAL:
            ip_local_deliver(skb)
        else:
            assert dst is not None
            dst.input(skb)


def ip_rcv_finish_core(ipv4: Ipv4, skb: SkBuff, dev: NetDevice, hint: SkBuff | None) -> bool:
    """Early demux, route, options, counting of group and broadcast packets; False: freed."""
    vhl, tos, _, _, frag, _, proto, _, saddr, daddr = skb.iph if skb.iph_head is skb.head else ip_hdr(skb)
    err = 0
    if hint is not None and skb.dst is None:
        before = hint.iph if hint.iph_head is hint.head else ip_hdr(hint)
        if daddr == before[9] and tos == before[1]:
            err = ip_route_use_hint(ipv4, skb, daddr, saddr, tos & IPTOS_RT_MASK, dev, hint)
            if err:
                _route_drop(ipv4, skb, err)
                return False
    if skb.dst is None and ipv4.ip_early_demux and not frag & 0x3FFF:
        if proto == IPPROTO_UDP:
            if ipv4.udp_early_demux:
                err = udp_v4_early_demux(ipv4, skb)
                if err:
                    _route_drop(ipv4, skb, err)
                    return False
        elif proto == IPPROTO_TCP and ipv4.tcp_early_demux:
            tcp_v4_early_demux(ipv4, skb)
    if skb.dst is None:
        err = ip_route_input_noref(ipv4, skb, daddr, saddr, tos & IPTOS_RT_MASK, dev)
        if err:
            _route_drop(ipv4, skb, err)
            return False
    if vhl != 0x45 and vhl & 15 > 5 and not ip_rcv_options(ipv4, skb, dev):
        return False
    rt = skb.dst
    assert rt is not None
    if isinstance(rt, Rtable):
        t = rt.rt_type
        if t == RTN_MULTICAST:
            ipv4.ipext[IPSTATS_MIB_INMCASTPKTS] += 1
            ipv4.ipext[IPSTATS_MIB_INMCASTOCTETS] += skb.len
            return True
        if t == RTN_BROADCAST:
            ipv4.ipext[IPSTATS_MIB_INBCASTPKTS] += 1
            ipv4.ipext[IPSTATS_MIB_INBCASTOCTETS] += skb.len
            return True
    if skb.pkt_type == PACKET_BROADCAST or skb.pkt_type == PACKET_MULTICAST:
        d = ipv4.in_dev(dev)
        if d is not None and d.eff_drop_unicast_l2mc:
            kfree_skb_reason(skb, SITE_L2MC)
            return False
    return True


def _route_drop(ipv4: Ipv4, skb: SkBuff, err: int) -> None:
    if err == -EXDEV:
        ipv4.tcpext["IPReversePathFilter"] += 1
    kfree_skb_reason(skb, route_error_site(ipv4, err))


def ip_rcv_options(ipv4: Ipv4, skb: SkBuff, dev: NetDevice) -> bool:
    """Parse the options; False: freed (malformed: InHdrErrors; source route where it is not wanted: silently)."""
    if skb_cloned(skb):  # skb_cow: record route and the like write into it
        more = skb_unclone(skb)
        if skb.sk is not None and skb.head[skb.network_header + 9] != 6:
            skb.truesize -= more  # pskb_expand_head: a socket's own, but for TCP's early demux (sock_edemux)
    opt = __ip_options_compile(ipv4, skb, None)
    if opt is None:
        ipv4.ip[IPSTATS_MIB_INHDRERRORS] += 1
        kfree_skb_reason(skb, SITE_OPTIONS_INHDR if ipv4.variant.option_reason else SITE_OPTIONS)
        return False
    ip_cb(skb).opt = opt
    if opt.srr:
        d = ipv4.in_dev(dev)
        if d is not None and not d.eff_source_route:
            if d.eff_log_martians and ipv4.kernel.log.ratelimit("source route option"):
                saddr, daddr = _ADDRS.unpack_from(skb.head, skb.network_header + 12)
                ipv4.kernel.log.info("source route option %s -> %s" % (ip4_str(saddr), ip4_str(daddr)))
            kfree_skb_reason(skb, SITE_OPTIONS)
            return False
        if not ip_options_rcv_srr(ipv4, skb, dev):
            kfree_skb_reason(skb, SITE_OPTIONS)
            return False
    return True


def ip_local_deliver(skb: SkBuff) -> int:
    """Reassemble, LOCAL_IN, deliver."""
    ipv4: Ipv4 = skb.net.ipv4
    iph = skb.iph if skb.iph_head is skb.head else ip_hdr(skb)
    if iph[4] & 0x3FFF:
        whole = ip_defrag(ipv4, skb, IP_DEFRAG_LOCAL_DELIVER)
        if whole is None:
            return 0
        skb = whole
    hooks = ipv4.net.netfilter.ipv4[NF_INET_LOCAL_IN]
    if hooks and nf_hook_slow(skb, NfHookState(ipv4.net, NFPROTO_IPV4, NF_INET_LOCAL_IN, skb.dev, None), hooks) != 1:
        return 0
    return ip_local_deliver_finish(ipv4, skb)


def ip_local_deliver_finish(ipv4: Ipv4, skb: SkBuff) -> int:
    hl = skb.transport_header - skb.network_header
    skb.data += hl
    skb.len -= hl
    iph = skb.iph if skb.iph_head is skb.head else ip_hdr(skb)
    ip_protocol_deliver_rcu(ipv4, skb, iph[6])
    return 0


def ip_protocol_deliver_rcu(ipv4: Ipv4, skb: SkBuff, protocol: int) -> None:
    """Raw sockets first, then the protocol; a negative result names another protocol."""
    while True:
        raw = raw_local_deliver(ipv4, skb, protocol)
        ipprot = ipv4.protos[protocol]
        if ipprot is not None:
            ret = ipprot.handler(skb)
            if ret < 0:
                protocol = -ret & 255
                continue
            ipv4.ip[IPSTATS_MIB_INDELIVERS] += 1
        elif not raw:
            ipv4.ip[IPSTATS_MIB_INUNKNOWNPROTOS] += 1
            icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0)
            kfree_skb_reason(skb, SITE_NOPROTO)
        else:
            ipv4.ip[IPSTATS_MIB_INDELIVERS] += 1
            consume_skb(skb, SITE_RAW_TOOK)
        return


def ip_call_ra_chain(ipv4: Ipv4, skb: SkBuff) -> bool:
    """A packet on its way elsewhere that asks routers to look: to the raw sockets with IP_ROUTER_ALERT of its protocol
    and device, the last of which takes it off its way.  True when it was taken.
    """
    protocol = skb.head[skb.network_header + 9]
    dev = skb.dev
    ifindex = dev.ifindex if dev is not None else 0
    last: RawSock | None = None
    for sk in list(ipv4.ra_chain):
        if sk.num != protocol or (sk.bound_dev_if and sk.bound_dev_if != ifindex):
            continue
        nh = skb.network_header
        if (skb.head[nh + 6] << 8 | skb.head[nh + 7]) & 0x3FFF:
            whole = ip_defrag(ipv4, skb, IP_DEFRAG_CALL_RA_CHAIN)
            if whole is None:
                return True
            skb = whole
        if last is not None:
            raw_rcv(last, skb_clone(skb))
        assert isinstance(sk, RawSock)
        last = sk
    if last is None:
        return False
    raw_rcv(last, skb)
    return True


class LocalAction(RtAction):
    __slots__ = ()

    def run(self, skb: SkBuff) -> int:
        return ip_local_deliver(skb)


class IpPacketType(PacketType):
    """0x0800."""

    __slots__ = ("ipv4",)

    def __init__(self, ipv4: Ipv4) -> None:
        super().__init__(ETH_P_IP, "ip_rcv")
        self.ipv4 = ipv4
        self.has_list_func = ipv4.kernel.release.netif_receive_list

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        return ip_rcv(skb, dev)

    def list_func(self, skbs: list[SkBuff], dev: NetDevice, orig_dev: NetDevice) -> None:
        ip_list_rcv(self.ipv4, skbs)
