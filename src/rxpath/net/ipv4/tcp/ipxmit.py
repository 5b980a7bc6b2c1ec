"""IP headers of what TCP sends: with a socket's route, for a request, as an answer without a socket.

Facts: net/ipv4/ip_output.c __ip_queue_xmit, ip_build_and_send_pkt, ip_send_unicast_reply (6.1); order of
functions recorded on 6.1.
"""

from __future__ import annotations

from rxpath.kernel.errno import EHOSTUNREACH
from rxpath.net.core.skbuff import SkBuff, __alloc_skb, kfree_skb_reason, skb_put
from rxpath.net.ipv4.inet_sock import InetSock
from rxpath.net.ipv4.ip_options import IpOptions, ip_options_build
from rxpath.net.ipv4.ip_output import __ip_local_out, ip_dont_fragment, ip_local_out, ip_select_ttl
from rxpath.net.ipv4.mib import IPSTATS_MIB_OUTNOROUTES
from rxpath.net.ipv4.netns import Ipv4
from rxpath.net.ipv4.route import Flowi4, Rtable, ip_route_output_flow
from rxpath.net.ipv4.tcp.sites import SITE_OWN_LOST
from rxpath.net.ipv4.tcp.sock import TcpSock
from rxpath.wire.ethernet import ETH_P_IP
from rxpath.wire.ipv4 import IP_DF, IPV4_HDR


def ipv4_dst_check(rt: Rtable) -> bool:
    """Whether a remembered route still holds."""
    return rt.valid()


def __sk_dst_check(sk: InetSock) -> Rtable | None:
    rt = sk.dst
    if isinstance(rt, Rtable):
        if ipv4_dst_check(rt):
            return rt
        sk.dst = None
    return None


def inet_sk_rebuild_header(sk: TcpSock) -> Rtable | None:
    """The socket's route, looked up again when it is stale.  (Inline in ip_queue_xmit.)"""
    rt = __sk_dst_check(sk)
    if rt is not None:
        return rt
    opt = sk.inet_opt
    daddr = opt.faddr if opt is not None and opt.srr else sk.daddr
    fl4 = Flowi4(
        daddr, sk.saddr, oif=sk.bound_dev_if, tos=sk.tos & 0x1C, proto=6, mark=sk.mark, sport=sk.sport, dport=sk.dport
    )
    rt = ip_route_output_flow(sk.ipv4, fl4)
    if rt is not None:
        sk.dst = rt
        sk.ts.handlers.dst_changed(sk)
    return rt


def ip_queue_xmit(sk: TcpSock, skb: SkBuff, tos: int) -> int:
    """0, or a negative errno (the packet is freed)."""
    return __ip_queue_xmit(sk, skb, tos)


def __ip_queue_xmit(sk: TcpSock, skb: SkBuff, tos: int) -> int:
    ipv4 = sk.ipv4
    rt = inet_sk_rebuild_header(sk)
    if rt is None:
        ipv4.ip[IPSTATS_MIB_OUTNOROUTES] += 1
        skb.own = False
        kfree_skb_reason(skb, SITE_OWN_LOST)
        return -EHOSTUNREACH
    df = IP_DF if ip_dont_fragment(sk, rt) else 0
    if not df:
        skb.nohdr = True
    opt = sk.inet_opt
    options = b""
    daddr = sk.daddr
    if opt is not None and opt.optlen:
        options = ip_options_build(ipv4, opt, sk.daddr, sk.saddr)
        if opt.srr:
            daddr = opt.faddr
    ident = sk.inet_id
    sk.inet_id = (ident + 1) & 0xFFFF
    hl = 20 + len(options)
    hdr = (
        IPV4_HDR.pack(
            0x40 | hl >> 2, tos, (skb.len + hl) & 0xFFFF, ident, df, ip_select_ttl(ipv4, sk), 6, 0, sk.saddr, daddr
        )
        + options
    )
    skb_push(skb, hdr)
    skb.dst = rt
    skb.priority = sk.priority
    skb.mark = sk.mark
    return ip_local_out(ipv4, sk, skb)


def skb_push(skb: SkBuff, header: bytes) -> None:
    """Put a header in front; the network header is where it begins."""
    skb.push_header(header)
    skb.network_header = skb.data
    skb.transport_header = skb.data + len(header)


def ip_build_and_send_pkt(
    sk: InetSock, skb: SkBuff, rt: Rtable, saddr: int, daddr: int, opt: IpOptions | None, tos: int
) -> int:
    """A packet with a header of its own (SYN-ACK): no identification, never fragmented."""
    ipv4 = sk.ipv4
    options = b""
    if opt is not None and opt.optlen:
        options = ip_options_build(ipv4, opt, daddr, saddr)
        if opt.srr:
            daddr = opt.faddr
    hl = 20 + len(options)
    df = IP_DF if skb.len + hl <= 576 or ip_dont_fragment(sk, rt) else 0
    ttl = ip_select_ttl(ipv4, sk)
    skb_push(skb, IPV4_HDR.pack(0x40 | hl >> 2, tos, skb.len + hl, 0, df, ttl, 6, 0, saddr, daddr) + options)
    skb.dst = rt
    skb.priority = sk.priority
    skb.mark = sk.mark
    return _send(ipv4, sk, skb)


def _send(ipv4: Ipv4, sk: InetSock | None, skb: SkBuff) -> int:
    """ip_local_out, inline."""
    err = __ip_local_out(ipv4, sk, skb)
    if err == 1:
        dst = skb.dst
        assert dst is not None
        err = dst.output(skb)
    return err


def ip_send_unicast_reply(
    ipv4: Ipv4,
    segment: bytes,
    saddr: int,
    daddr: int,
    tos: int,
    oif: int,
    mark: int,
    opt: IpOptions | None = None,
    ttl: int = 0,
) -> None:
    """Answer without a socket (RST, ACK for TIME_WAIT or a request): identification 0, DF."""
    hdr_daddr = daddr
    options = b""
    if opt is not None and opt.optlen:
        options = ip_options_build(ipv4, opt, daddr, saddr)
        if opt.srr:
            hdr_daddr = opt.faddr
    fl4 = Flowi4(hdr_daddr, saddr, oif=oif, tos=tos & 0x1C, proto=6, mark=mark)
    rt = ip_route_output_flow(ipv4, fl4)
    if rt is None:
        return
    skb = __alloc_skb(ipv4.net, len(segment) + 20 + len(options) + 31)
    skb_put(skb, segment)
    skb.protocol = ETH_P_IP
    hl = 20 + len(options)
    skb_push(
        skb,
        IPV4_HDR.pack(0x40 | hl >> 2, tos, skb.len + hl, 0, IP_DF, ttl or ipv4.ip_default_ttl, 6, 0, saddr, hdr_daddr)
        + options,
    )
    skb.dst = rt
    skb.mark = mark
    _send(ipv4, None, skb)
