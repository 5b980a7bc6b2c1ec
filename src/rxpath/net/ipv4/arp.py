"""ARP: requests, replies, the table of IPv4 neighbours, proxy ARP.

Facts: net/ipv4/arp.c (6.1), sheet 8.9; order of functions recorded on 6.1.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.net.core.neighbour import (
    NEIGH_UPDATE_F_OVERRIDE,
    NUD_NOARP,
    NUD_REACHABLE,
    NUD_STALE,
    NUD_VALID,
    Neighbour,
    NeighTable,
    _xmit_from_outside,
    neigh_create,
    neigh_event_ns,
    neigh_update,
    pneigh_enqueue,
)
from rxpath.net.core.netdevice import IFF_LOOPBACK, IFF_NOARP, IFF_POINTOPOINT, NetDevice, PacketType
from rxpath.net.core.skbuff import (
    PACKET_HOST,
    PACKET_LOOPBACK,
    PACKET_OTHERHOST,
    SkBuff,
    __alloc_skb,
    consume_skb,
    kfree_skb_reason,
    skb_put,
)
from rxpath.net.core.xmit import __dev_queue_xmit
from rxpath.net.ipv4.devinet import InDevice, inet_addr_onlink, inet_confirm_addr, inet_select_addr
from rxpath.net.ipv4.fib import (
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RTN_BROADCAST,
    RTN_LOCAL,
    RTN_MULTICAST,
    RTN_UNICAST,
    inet_addr_type_dev_table,
)
from rxpath.net.ipv4.icmp import icmp_send
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.net.ipv4.route import Flowi4, Rtable, ip_route_input_noref, ip_route_output_key_hash
from rxpath.net.netfilter.core import NF_ARP_IN, NF_ARP_OUT, NFPROTO_ARP, NfHookState, nf_hook_slow
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip_eth_mc_map
from rxpath.wire.arp import ARPOP_REPLY, ARPOP_REQUEST
from rxpath.wire.ethernet import ETH_P_ARP
from rxpath.wire.icmp import ICMP_DEST_UNREACH, ICMP_HOST_UNREACH

SITE_ARP: Final = Site("arp", "ARP")
SITE_ARP_IGNORED: Final = Site("arp", "ARP for another host")
SITE_ARP_BAD: Final = Site("arp", "bad ARP packet", "none", "NOT_SPECIFIED")
SITE_ARP_SHORT: Final = Site("arp", "short ARP packet", "none", "PKT_TOO_SMALL")
SITE_HOST_UNREACH: Final = Site("neighbour", "host unreachable", "none", "NOT_SPECIFIED")

_ARP: Final = Struct(">HHBBH6sI6sI")


class ArpTable(NeighTable):
    """arp_tbl."""

    __slots__ = ("ipv4",)

    def __init__(self, ipv4: Ipv4) -> None:
        super().__init__(ipv4.net, "arp_cache")
        self.ipv4 = ipv4

    def constructor(self, n: Neighbour) -> bool:
        return arp_constructor(self.ipv4, n)

    def solicit(self, n: Neighbour, skb: SkBuff | None) -> None:
        arp_solicit(self.ipv4, n, skb)

    def error_report(self, n: Neighbour, skb: SkBuff) -> None:
        arp_error_report(n, skb)

    def proxy_redo(self, skb: SkBuff) -> None:
        assert skb.dev is not None
        if self.ipv4.in_dev(skb.dev) is None:
            kfree_skb_reason(skb, SITE_ARP_BAD)
        else:
            arp_process(self.ipv4, skb, waited=True)


def arp_constructor(ipv4: Ipv4, n: Neighbour) -> bool:
    dev = n.dev
    if dev.flags & (IFF_LOOPBACK | IFF_POINTOPOINT):
        n.key = 0
    d = ipv4.in_dev(dev)
    if d is None:
        return False
    n.type = inet_addr_type_dev_table(ipv4, dev, n.key)
    n.parms = d.arp_parms
    if n.type == RTN_MULTICAST:
        n.nud_state = NUD_NOARP
        n.ha = ip_eth_mc_map(n.key)
    elif dev.flags & (IFF_NOARP | IFF_LOOPBACK) or dev.noarp:
        n.nud_state = NUD_NOARP
        n.ha = dev.dev_addr
    elif n.type == RTN_BROADCAST or dev.flags & IFF_POINTOPOINT:
        n.nud_state = NUD_NOARP
        n.ha = dev.broadcast
    n.connected = bool(n.nud_state & NUD_VALID)
    return True


def arp_error_report(n: Neighbour, skb: SkBuff) -> None:
    """dst_link_failure: the sender of the packet is told, host unreachable."""
    skb.own = False
    rt = skb.dst
    if isinstance(rt, Rtable):
        icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0)
        if rt.expires:
            rt.obsolete = True
    kfree_skb_reason(skb, SITE_HOST_UNREACH)


def arp_solicit(ipv4: Ipv4, n: Neighbour, skb: SkBuff | None) -> None:
    """Ask for an address: unicast while the old one may still be right, then broadcast."""
    dev = n.dev
    d = ipv4.in_dev(dev)
    if d is None:
        return
    saddr = 0
    announce = d.eff_arp_announce
    src = int.from_bytes(skb.head[skb.network_header + 12 : skb.network_header + 16], "big") if skb is not None else 0
    if announce not in (1, 2):  # 3 and more are like 0
        if skb is not None and inet_addr_type_dev_table(ipv4, dev, src) == RTN_LOCAL:
            saddr = src
    elif announce == 1 and skb is not None:
        if inet_addr_type_dev_table(ipv4, dev, src) == RTN_LOCAL and inet_addr_onlink(d, n.key, src):
            saddr = src
    if not saddr:
        saddr = inet_select_addr(dev, n.key, RT_SCOPE_LINK, ipv4)
    probes = n.probes - n.parms.ucast_probes
    dst_hw: bytes | None = None
    if probes < 0:
        dst_hw = n.ha
    else:
        probes -= n.parms.app_probes
        if probes < 0:
            return
    arp_send_dst(ipv4, ARPOP_REQUEST, n.key, dev, saddr, dst_hw, dev.dev_addr, None)


def arp_send_dst(
    ipv4: Ipv4,
    op: int,
    dest_ip: int,
    dev: NetDevice,
    src_ip: int,
    dest_hw: bytes | None,
    src_hw: bytes,
    target_hw: bytes | None,
) -> None:
    """Make and send; `dest_hw` None = broadcast."""
    if dev.flags & IFF_NOARP or dev.noarp:
        return
    skb = arp_create(ipv4, op, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw)
    arp_xmit(ipv4, skb)


def arp_create(
    ipv4: Ipv4,
    op: int,
    dest_ip: int,
    dev: NetDevice,
    src_ip: int,
    dest_hw: bytes | None,
    src_hw: bytes,
    target_hw: bytes | None,
) -> SkBuff:
    skb = __alloc_skb(ipv4.net, 28 + 16 + 15)
    skb_put(
        skb, _ARP.pack(1, 0x0800, 6, 4, op, src_hw, src_ip, target_hw if target_hw is not None else bytes(6), dest_ip)
    )
    skb.network_header = 0
    skb.dev = dev
    skb.protocol = ETH_P_ARP
    eth_header(skb, dest_hw if dest_hw is not None else dev.broadcast, src_hw)
    return skb


def eth_header(skb: SkBuff, daddr: bytes, saddr: bytes) -> None:
    skb_push(skb, daddr + saddr + bytes((skb.protocol >> 8, skb.protocol & 255)))


def skb_push(skb: SkBuff, header: bytes) -> None:
    skb.push_header(header)


def arp_xmit(ipv4: Ipv4, skb: SkBuff) -> None:
    hooks = ipv4.net.netfilter.arp[NF_ARP_OUT]
    if hooks and nf_hook_slow(skb, NfHookState(ipv4.net, NFPROTO_ARP, NF_ARP_OUT, None, skb.dev), hooks) != 1:
        return
    eng = ipv4.kernel.engine
    if eng.current is None:
        _xmit_from_outside(skb, ipv4.net)
        return
    __dev_queue_xmit(skb)


# --- receive --------------------------------------------------------------------------------------


def arp_rcv(skb: SkBuff, dev: NetDevice) -> int:
    """The packet type's handler."""
    ipv4 = ipv4_of(dev.net)
    if dev.flags & IFF_NOARP or dev.noarp or skb.pkt_type == PACKET_OTHERHOST or skb.pkt_type == PACKET_LOOPBACK:
        consume_skb(skb, SITE_ARP_IGNORED)
        return 0
    skb.shared = False  # skb_share_check
    if skb.tail - skb.data < 28:
        kfree_skb_reason(skb, SITE_ARP_SHORT if ipv4.variant.route_reasons else SITE_ARP_BAD)
        return 0
    head = skb.head
    at = skb.data
    if head[at + 4] != 6 or head[at + 5] != 4:
        kfree_skb_reason(skb, SITE_ARP_BAD)
        return 0
    hooks = ipv4.net.netfilter.arp[NF_ARP_IN]
    if hooks and nf_hook_slow(skb, NfHookState(ipv4.net, NFPROTO_ARP, NF_ARP_IN, dev, None), hooks) != 1:
        return 0
    return arp_process(ipv4, skb)


def arp_ignore(ipv4: Ipv4, d: InDevice, sip: int, tip: int) -> bool:
    """Whether arp_ignore forbids an answer."""
    v = d.eff_arp_ignore
    x: InDevice | None = d
    if v == 0:
        return False
    if v == 1:
        sip = 0
        scope = RT_SCOPE_HOST
    elif v == 2:
        scope = RT_SCOPE_HOST
    elif v == 3:
        sip = 0
        scope = RT_SCOPE_LINK
        x = None
    elif v == 8:
        return True
    else:
        return False
    return not inet_confirm_addr(ipv4, x, sip, tip, scope)


def arp_filter(ipv4: Ipv4, sip: int, tip: int, dev: NetDevice) -> bool:
    """arp_filter: the answer would leave through another device."""
    rt = ip_route_output_key_hash(ipv4, Flowi4(sip, tip))
    if rt is None:
        return True
    if rt.dev is not dev:
        ipv4.tcpext["ArpFilter"] += 1
        return True
    return False


def arp_fwd_proxy(ipv4: Ipv4, d: InDevice, dev: NetDevice, rt: Rtable) -> bool:
    if rt.dev is dev:
        return False
    if not d.eff_proxy_arp:
        return False
    imi = d.eff_medium_id
    if imi == 0:
        return True
    if imi == -1:
        return False
    out = ipv4.in_dev(rt.dev)
    omi = out.eff_medium_id if out is not None else -1
    return omi != imi and omi != -1


def arp_accept(d: InDevice, sip: int) -> bool:
    v = d.eff_arp_accept
    if v == 1:
        return True
    if v == 2:
        return inet_addr_onlink(d, sip, 0)
    return False


def arp_is_garp(ipv4: Ipv4, dev: NetDevice, op: int, sip: int, tip: int, sha: bytes, tha: bytes) -> tuple[bool, int]:
    """Gratuitous: it speaks of itself.  Also the type of the sender's address (-1 = not looked up)."""
    garp = tip == sip
    addr_type = -1
    if garp and op == ARPOP_REPLY:
        garp = tha == sha
    if garp:
        addr_type = inet_addr_type_dev_table(ipv4, dev, sip)
        if addr_type != RTN_UNICAST:
            garp = False
    return garp, addr_type


def arp_process(ipv4: Ipv4, skb: SkBuff, waited: bool = False) -> int:
    """One request or reply; `waited`: it lay in the proxy queue and is answered now."""
    dev = skb.dev
    assert dev is not None
    d = ipv4.in_dev(dev)
    hrd, pro, _, _, op, sha, sip, tha, tip = _ARP.unpack_from(skb.head, skb.data)
    if d is None or hrd not in (1, 6) or pro != 0x0800 or op not in (ARPOP_REQUEST, ARPOP_REPLY):
        kfree_skb_reason(skb, SITE_ARP_BAD)
        return 1
    if (
        tip >> 28 == 0xE
        or (tip >> 24 == 127 and not d.eff_route_localnet)
        or (sip == tip and d.eff_drop_gratuitous_arp)
    ):
        kfree_skb_reason(skb, SITE_ARP_BAD)
        return 1
    tbl = ipv4.arp_tbl
    if sip == 0:
        if (
            op == ARPOP_REQUEST
            and inet_addr_type_dev_table(ipv4, dev, tip) == RTN_LOCAL
            and not arp_ignore(ipv4, d, sip, tip)
        ):
            arp_send_dst(ipv4, ARPOP_REPLY, sip, dev, tip, sha, dev.dev_addr, sha)
        consume_skb(skb, SITE_ARP)
        return 0
    if op == ARPOP_REQUEST and ip_route_input_noref(ipv4, skb, tip, sip, 0, dev) == 0:
        rt = skb.dst
        assert isinstance(rt, Rtable)
        if rt.rt_type == RTN_LOCAL:
            dont = arp_ignore(ipv4, d, sip, tip)
            if not dont and d.eff_arp_filter:
                dont = arp_filter(ipv4, sip, tip, dev)
            if not dont and neigh_event_ns(tbl, sha, sip, dev) is not None:
                arp_send_dst(ipv4, ARPOP_REPLY, sip, dev, tip, sha, dev.dev_addr, sha)
            consume_skb(skb, SITE_ARP)
            return 0
        if (
            d.eff_forward
            and rt.rt_type == RTN_UNICAST
            and (
                arp_fwd_proxy(ipv4, d, dev, rt)
                or (d.eff_proxy_arp_pvlan and rt.dev is dev and sip != tip)
                or (rt.dev is not dev and (tip, dev.ifindex) in tbl.proxies)
            )
        ):
            neigh_event_ns(tbl, sha, sip, dev)
            if waited or skb.pkt_type == PACKET_HOST or d.arp_parms.proxy_delay == 0:
                arp_send_dst(ipv4, ARPOP_REPLY, sip, dev, tip, sha, dev.dev_addr, sha)
                consume_skb(skb, SITE_ARP)
            else:
                pneigh_enqueue(tbl, d.arp_parms, skb)
            return 0
    n = tbl.entries.get((sip, dev.ifindex))
    garp = False
    addr_type = -1
    accept = arp_accept(d, sip)
    if n is not None or accept:
        garp, addr_type = arp_is_garp(ipv4, dev, op, sip, tip, sha, tha)
    if (
        accept
        and n is None
        and (
            garp
            or (
                op == ARPOP_REPLY
                and (
                    addr_type == RTN_UNICAST
                    or (addr_type < 0 and inet_addr_type_dev_table(ipv4, dev, sip) == RTN_UNICAST)
                )
            )
        )
    ):
        n = neigh_create(tbl, sip, dev)
    if n is not None:
        override = ipv4.kernel.jiffies() > n.updated + n.parms.locktime or garp
        state = NUD_REACHABLE
        if op != ARPOP_REPLY or skb.pkt_type != PACKET_HOST:
            state = NUD_STALE
        neigh_update(n, sha, state, NEIGH_UPDATE_F_OVERRIDE if override else 0)
    consume_skb(skb, SITE_ARP)
    return 0


class ArpPacketType(PacketType):
    """0x0806."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(ETH_P_ARP, "arp_rcv")

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        return arp_rcv(skb, dev)
