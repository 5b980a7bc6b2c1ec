"""IPv4 transmit: from a socket's data to the neighbour: headers, hooks, loop-back of group packets, fragmentation.

Facts: net/ipv4/ip_output.c (6.1), order of functions recorded on 6.1 (an echo reply, an unreachable).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import EINVAL, EMSGSIZE, ENETUNREACH, ENOBUFS, EPERM, EPIPE, linux_error
from rxpath.kernel.mm import PAGE_SIZE, SKB_SHARED_INFO
from rxpath.net.core.neighbour import Neighbour, neigh_create, neigh_output
from rxpath.net.core.netdevice import NETIF_F_SG, Net, NetDevice
from rxpath.net.core.receive import netif_rx
from rxpath.net.core.skbuff import (
    CHECKSUM_NONE,
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    PACKET_LOOPBACK,
    SKB_GSO_UDP_L4,
    SkBuff,
    __alloc_skb,
    consume_skb,
    kfree_skb_reason,
    skb_clone,
    skb_put,
)
from rxpath.net.core.sock import (
    SEND_SHUTDOWN,
    SOCK_RAW,
    SOF_TIMESTAMPING_TX_COMPLETION,
    SOF_TIMESTAMPING_TX_HARDWARE,
    SOF_TIMESTAMPING_TX_SCHED,
    SOF_TIMESTAMPING_TX_SOFTWARE,
    SockcmCookie,
    __skb_wait_for_space,
    skb_set_owner_w,
    sock_deadline,
    sock_error,
    this_cpu,
)
from rxpath.net.core.timestamping import TxStamp, sock_tx_timestamp
from rxpath.net.core.xmit import NET_XMIT_CN
from rxpath.net.ipv4.fib import RTN_BROADCAST, RTN_MULTICAST
from rxpath.net.ipv4.inet_sock import (
    IP_PMTUDISC_DO,
    IP_PMTUDISC_OMIT,
    IP_PMTUDISC_PROBE,
    IP_PMTUDISC_WANT,
    IPV4_MIN_MTU,
    InetSock,
    ip_sk_use_pmtu,
)
from rxpath.net.ipv4.ip_cb import IPSKB_FORWARDED, IPSKB_FRAG_PMTU, IPSKB_REROUTED, ip_cb, ip_cb_peek
from rxpath.net.ipv4.ip_options import IpOptions, ip_options_build, ip_options_fragment
from rxpath.net.ipv4.mib import (
    IPSTATS_MIB_FRAGCREATES,
    IPSTATS_MIB_FRAGFAILS,
    IPSTATS_MIB_FRAGOKS,
    IPSTATS_MIB_OUTBCASTOCTETS,
    IPSTATS_MIB_OUTBCASTPKTS,
    IPSTATS_MIB_OUTDISCARDS,
    IPSTATS_MIB_OUTMCASTOCTETS,
    IPSTATS_MIB_OUTMCASTPKTS,
    IPSTATS_MIB_OUTOCTETS,
    IPSTATS_MIB_OUTPKTS,
    IPSTATS_MIB_OUTREQUESTS,
)
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.net.ipv4.offload import skb_gso_validate_network_len
from rxpath.net.ipv4.route import RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST, Flowi4, Rtable, RtAction, ipv4_mtu
from rxpath.net.netfilter.core import NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NFPROTO_IPV4, NfHookState, nf_hook_slow
from rxpath.sim.ledger import Site
from rxpath.wire.checksum import ip_fast_csum
from rxpath.wire.ethernet import ETH_P_IP
from rxpath.wire.icmp import ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED
from rxpath.wire.ipv4 import IP_DF, IP_MAX_MTU, IP_MF, IPPROTO_ICMP, IPV4_HDR

if TYPE_CHECKING:
    pass

TX_NUMBERED: Final = (
    SOF_TIMESTAMPING_TX_HARDWARE
    | SOF_TIMESTAMPING_TX_SOFTWARE
    | SOF_TIMESTAMPING_TX_SCHED
    | SOF_TIMESTAMPING_TX_COMPLETION
)  # SKBTX_ANY_TSTAMP: stamps that a datagram can get take a number
SKB_MAX_ALLOC: Final = (PAGE_SIZE << 2) - SKB_SHARED_INFO  # the largest head: four pages

SITE_CREATEFAIL: Final = Site("ip output", "no neighbour entry could be made", "none", "NEIGH_CREATEFAIL")
SITE_FRAG_NEEDED: Final = Site(
    "ip output", "larger than the path and not to be fragmented", "Ip FragFails", "NOT_SPECIFIED"
)
SITE_TTL0: Final = Site("ip output", "TTL 0 does not leave the host", "none", "NOT_SPECIFIED")
SITE_FLUSHED: Final = Site("ip output", "gathered with MSG_MORE and given up", "none", "NOT_SPECIFIED")
SITE_FRAGMENTED: Final = Site("ip output", "sent as fragments")
SITE_OUTPUT_ERR: Final = Site("ip output", "fragment could not be sent", "Ip FragFails", "NOT_SPECIFIED")


class IpcmCookie(SockcmCookie):
    """`struct ipcm_cookie`: what a send call wants: addresses, TTL (0 = default), TOS (-1 = the socket's), options."""

    __slots__ = ("addr", "oif", "opt", "ttl", "tos", "protocol", "gso_size")

    def __init__(self, sk: InetSock) -> None:
        super().__init__(sk)
        self.addr = sk.saddr
        self.oif = sk.bound_dev_if
        self.opt: IpOptions | None = None
        self.ttl = 0
        self.tos = -1
        self.protocol = sk.protocol
        self.gso_size = 0


class Cork:
    """`struct inet_cork` with its queue: a packet in the making."""

    __slots__ = (
        "sk",
        "fl4",
        "rt",
        "opt",
        "addr",
        "ttl",
        "tos",
        "priority",
        "mark",
        "parts",
        "data_len",
        "transhdrlen",
        "fragsize",
        "gso_size",
        "skb",
        "protocol",
        "tsflags",
        "ts_opt_id",
        "txstamp",
        "more",
    )

    def __init__(self, sk: InetSock, fl4: Flowi4, ipc: IpcmCookie, rt: Rtable, transhdrlen: int) -> None:
        self.sk = sk
        self.fl4 = fl4
        self.rt = rt
        self.opt = ipc.opt
        self.addr = ipc.addr
        self.ttl = ipc.ttl
        self.tos = ipc.tos
        self.priority = ipc.priority
        self.mark = ipc.mark
        self.protocol = fl4.proto & 0xFF  # a raw socket of a number beyond
        self.gso_size = ipc.gso_size
        self.tsflags = ipc.tsflags & TX_NUMBERED
        self.ts_opt_id = ipc.ts_opt_id
        self.txstamp: TxStamp | None = None
        self.more = False  # put together of several calls: its checksum is made here
        self.parts: list[bytes] = []
        self.data_len = 0
        self.transhdrlen = transhdrlen
        self.fragsize = 0
        self.skb: SkBuff | None = None
        ip_setup_cork(self)

    def payload(self) -> bytes:
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


def ip_setup_cork(cork: Cork) -> None:
    """The MTU that counts, checked against the device."""
    sk = cork.sk
    cork.fragsize = ipv4_mtu(cork.rt) if ip_sk_use_pmtu(sk) else cork.rt.dev.mtu
    if cork.fragsize < IPV4_MIN_MTU:
        raise linux_error(ENETUNREACH)


def ip_append_data(cork: Cork, data: bytes, flags: int = 0) -> None:
    """Add to the packet.  Raises EMSGSIZE, EAGAIN, ENOBUFS."""
    __ip_append_data(cork, data, flags)


def __ip_append_data(cork: Cork, data: bytes, flags: int = 0) -> None:
    sk = cork.sk
    mtu = IP_MAX_MTU if cork.gso_size else cork.fragsize
    hdr = 20 + (cork.opt.optlen if cork.opt is not None else 0)
    limit = IP_MAX_MTU if ip_sk_ignore_df(sk) else mtu
    if cork.data_len + len(data) + cork.transhdrlen > limit - hdr:
        from rxpath.net.ipv4.ip_sockglue import ip_local_error

        ip_local_error(sk, EMSGSIZE, cork.fl4.daddr, sk.dport, mtu - hdr + 20)
        raise linux_error(EMSGSIZE)
    try:
        if sk.type != SOCK_RAW:
            sock_wait_for_room(sk, flags)
        elif sk.wmem_alloc > 2 * sk.sndbuf:  # without a transport header nobody waits
            raise linux_error(ENOBUFS)
    except OSError:
        sk.ipv4.ip[IPSTATS_MIB_OUTDISCARDS] += 1
        raise
    if cork.tsflags:  # the first packet's alone
        cork.txstamp = sock_tx_timestamp(sk, cork.tsflags, cork.ts_opt_id)
        cork.tsflags = 0
    cork.parts.append(data)
    cork.data_len += len(data)


def ip_sk_ignore_df(sk: InetSock) -> bool:
    return sk.pmtudisc < IP_PMTUDISC_DO or sk.pmtudisc == IP_PMTUDISC_OMIT


def sock_wait_for_room(sk: InetSock, flags: int = 0) -> None:
    """What sock_alloc_send_pskb checks before it allocates.  Raises the pending error, EPIPE, EAGAIN."""
    while True:
        if sk.err:
            raise linux_error(sock_error(sk))
        if sk.shutdown & SEND_SHUTDOWN:
            raise linux_error(EPIPE)
        if sk.wmem_alloc < sk.sndbuf:
            return
        sk.nospace = True
        __skb_wait_for_space(sk, sock_deadline(sk, flags, sk.sndtimeo))


def sock_alloc_send_pskb(sk: InetSock, size: int, linear: int = 0) -> SkBuff:
    """An skb charged to the sender, who has waited for room.  `linear`: only so much lies in its head, the rest in
    pages, which are charged by the byte.
    """
    skb = alloc_skb_with_frags(sk.net, linear or size)
    if linear:
        skb.truesize += size - linear
    skb_set_owner_w(skb, sk)
    return skb


def alloc_skb_with_frags(net: Net, size: int) -> SkBuff:
    return __alloc_skb(net, size)


def ip_make_skb(
    sk: InetSock, fl4: Flowi4, data: bytes, transhdrlen: int, ipc: IpcmCookie, rt: Rtable, flags: int
) -> Cork:
    """The lock-free path of a datagram: all its data at once."""
    cork = Cork(sk, fl4, ipc, rt, transhdrlen)
    ip_append_data(cork, data, flags)
    return cork


def ip_flush_pending_frames(cork: Cork) -> None:
    """What was gathered is dropped, a packet for each fragment that it would have become."""
    if cork.parts and cork.skb is None:
        net = cork.sk.net
        hdr = 20 + (cork.opt.optlen if cork.opt is not None else 0)
        left = cork.data_len + cork.transhdrlen
        room = cork.fragsize - hdr
        while left > 0:
            n = left if left <= room or cork.gso_size else room & ~7
            kfree_skb_reason(__alloc_skb(net, n + hdr), SITE_FLUSHED)
            left -= n
    cork.parts.clear()
    skb = cork.skb
    if skb is not None:
        cork.skb = None
        skb.own = False
        consume_skb(skb, SITE_FRAGMENTED)


def _paged(cork: Cork, n: int) -> bool:
    """Whether the data of a packet of `n` bytes lies in pages (__ip_append_data): segments, much data since 5.14."""
    if not cork.rt.dev.features & NETIF_F_SG:
        return False
    return bool(cork.gso_size) or (min(n, cork.fragsize) + 31 >= SKB_MAX_ALLOC and cork.sk.ipv4.variant.paged_sends)


def ip_send_skb(ipv4: Ipv4, cork: Cork, segment: bytes, partial: bool = False) -> None:
    """One packet with this transport segment, whose checksum is `partial`: of the pseudo header alone.  Raises ENOBUFS
    when the device's queue is full.
    """
    n = len(segment) + 20 + (cork.opt.optlen if cork.opt is not None else 0)
    skb = sock_alloc_send_pskb(cork.sk, n + 31, n - len(segment) + cork.transhdrlen + 31 if _paged(cork, n) else 0)
    skb_put(skb, segment)
    cork.skb = skb
    if partial:
        skb.ip_summed = CHECKSUM_PARTIAL
    skb.txstamp = cork.txstamp
    if cork.gso_size and len(segment) - 8 > cork.gso_size:
        skb.gso_size = cork.gso_size
        skb.gso_type = SKB_GSO_UDP_L4
        skb.gso_segs = (len(segment) - 8 + cork.gso_size - 1) // cork.gso_size
    __ip_make_skb(ipv4, cork)
    err = ip_local_out(ipv4, cork.sk, skb)
    if err:
        if err == NET_XMIT_CN:  # net_xmit_errno
            return
        if err > 0:
            err = -ENOBUFS
        ipv4.ip[IPSTATS_MIB_OUTDISCARDS] += 1
        raise linux_error(-err)


def ip_push_pending_frames(ipv4: Ipv4, cork: Cork) -> int:
    """Header in front, then out (the form of ICMP and raw sockets): 0 or a negative errno."""
    skb = __ip_make_skb(ipv4, cork)
    err = ip_output_skb(ipv4, cork.sk, skb)
    if err > 0:
        err = -ENOBUFS if err != NET_XMIT_CN else 0
    if err:
        ipv4.ip[IPSTATS_MIB_OUTDISCARDS] += 1
    return err


def ip_output_skb(ipv4: Ipv4, sk: InetSock | None, skb: SkBuff) -> int:
    """ip_send_skb's ip_local_out, inline."""
    err = __ip_local_out(ipv4, sk, skb)
    if err == 1:
        dst = skb.dst
        assert dst is not None
        return dst.output(skb)
    return err


def __ip_make_skb(ipv4: Ipv4, cork: Cork) -> SkBuff:
    """The IP header of a corked packet."""
    skb = cork.skb
    assert skb is not None
    sk = cork.sk
    rt = cork.rt
    fl4 = cork.fl4
    opt = cork.opt
    optlen = opt.optlen if opt is not None else 0
    total = skb.len + 20 + optlen
    mtu = ipv4_mtu(rt)
    df = 0
    disc = sk.pmtudisc
    cb = None
    if disc in (IP_PMTUDISC_DO, IP_PMTUDISC_PROBE) or (total <= mtu and ip_dont_fragment(sk, rt)):
        df = IP_DF
    if cork.ttl:
        ttl = cork.ttl
    elif rt.rt_type == RTN_MULTICAST:
        ttl = sk.mc_ttl
    else:
        ttl = ip_select_ttl(ipv4, sk)
    ident = ip_select_ident(ipv4, sk, fl4, df, ip_sk_ignore_df(sk))
    options = b""
    if opt is not None:
        options = ip_options_build(ipv4, opt, cork.addr, fl4.saddr)
        cb = ip_cb(skb)
        cb.opt = opt
    ihl = 5 + (optlen >> 2)
    dst = opt.faddr if opt is not None and opt.srr else fl4.daddr
    tos = cork.tos if cork.tos >= 0 else sk.tos
    hdr = IPV4_HDR.pack(0x40 | ihl, tos, total & 0xFFFF, ident, df, ttl, cork.protocol, 0, fl4.saddr, dst) + options
    if ip_sk_ignore_df(sk):
        skb.nohdr = True  # stands for skb->ignore_df
    skb.transport_header = 0
    skb.network_header = 0
    payload_first = skb.head[skb.data : skb.data + 1]
    skb.data = 0
    skb.push_header(hdr)
    skb.network_header = 0
    skb.transport_header = len(hdr)
    skb.dst = rt
    skb.priority = cork.priority
    skb.mark = cork.mark
    skb.protocol = ETH_P_IP
    if cork.protocol == IPPROTO_ICMP and payload_first:
        from rxpath.net.ipv4.icmp import icmp_out_count

        # a raw socket's type comes from its flow: so replies of the kernel's own socket count as type 0
        icmp_out_count(ipv4, fl4.icmp_type if sk.type == SOCK_RAW and not sk.hdrincl else payload_first[0])
    return skb


def ip_dont_fragment(sk: InetSock, rt: Rtable) -> bool:
    return sk.pmtudisc == IP_PMTUDISC_DO or (sk.pmtudisc == IP_PMTUDISC_WANT and not rt.rt_mtu_locked)


def ip_select_ttl(ipv4: Ipv4, sk: InetSock) -> int:
    return ipv4.ip_default_ttl if sk.uc_ttl < 0 else sk.uc_ttl


def ip_select_ident(ipv4: Ipv4, sk: InetSock | None, fl4: Flowi4, df: int, ignore_df: bool) -> int:
    """The identification (inline in Linux): a connected socket's own sequence, 0 for what is never fragmented,
    else the host's.
    """
    if sk is not None and sk.daddr:
        v = sk.inet_id
        sk.inet_id = (v + 1) & 0xFFFF
        return v
    if df and not ignore_df:
        return 0
    return __ip_select_ident(ipv4, fl4.saddr, fl4.daddr, fl4.proto)


def __ip_select_ident(ipv4: Ipv4, saddr: int, daddr: int, proto: int) -> int:
    """A counter a (hashed) destination that moves with time, never told to others."""
    key = (daddr * 0x9E3779B1 ^ saddr * 0x85EBCA77 ^ proto ^ ipv4.net.hash_secret & 0xFFFFFFFF) & 0x7FF
    v = ipv4.ip_ident.get(key)
    if v is None:
        v = ipv4.random.getrandbits(16)
    v = (v + 1) & 0xFFFF
    ipv4.ip_ident[key] = v
    return v or 1


def ip_send_check(skb: SkBuff) -> None:
    """Header checksum."""
    nh = skb.network_header
    head = skb.head
    hl = (head[nh] & 15) << 2
    h = head[nh : nh + 10] + b"\0\0" + head[nh + 12 : nh + hl]
    skb.head = head[: nh + 10] + ip_fast_csum(h).to_bytes(2, "big") + head[nh + 12 :]


def __ip_local_out(ipv4: Ipv4, sk: InetSock | None, skb: SkBuff) -> int:
    """Length, checksum, LOCAL_OUT: 1 = go on."""
    if ipv4.kernel.release.ip_out_transmits:
        ipv4.ip[IPSTATS_MIB_OUTREQUESTS] += 1
    nh = skb.network_header
    if (skb.head[nh + 2] << 8 | skb.head[nh + 3]) != skb.len:
        skb.replace(nh + 2, (skb.len & 0xFFFF).to_bytes(2, "big"))
    ip_send_check(skb)
    skb.protocol = ETH_P_IP
    return _nf_local_out(ipv4, sk, skb)


def _nf_local_out(ipv4: Ipv4, sk: InetSock | None, skb: SkBuff) -> int:
    """NF_HOOK at LOCAL_OUT: 1 = go on, else what the caller gives back."""
    hooks = ipv4.net.netfilter.ipv4[NF_INET_LOCAL_OUT]
    if hooks:
        dst = skb.dst
        own = skb.own
        skb.own = False
        r = nf_hook_slow(
            skb,
            NfHookState(ipv4.net, NFPROTO_IPV4, NF_INET_LOCAL_OUT, None, dst.dev if dst is not None else None, sk),
            hooks,
        )
        skb.own = own
        return r
    return 1


def ip_local_out(ipv4: Ipv4, sk: InetSock | None, skb: SkBuff) -> int:
    err = __ip_local_out(ipv4, sk, skb)
    if err == 1:
        dst = skb.dst
        assert dst is not None
        err = dst.output(skb)
    return err


def _count_out(ipv4: Ipv4, skb: SkBuff) -> None:
    """Before 6.12 packets are counted here, later as they leave, each fragment for itself."""
    if not ipv4.kernel.release.ip_out_transmits:
        ipv4.ipext[IPSTATS_MIB_OUTOCTETS] += skb.len
        ipv4.ip[IPSTATS_MIB_OUTREQUESTS] += 1


def _post_routing(ipv4: Ipv4, skb: SkBuff, dev: NetDevice) -> bool:
    hooks = ipv4.net.netfilter.ipv4[NF_INET_POST_ROUTING]
    if not hooks:
        return True
    cb = ip_cb_peek(skb)
    if cb is not None and cb.flags & IPSKB_REROUTED:
        return True
    own = skb.own
    skb.own = False
    r = nf_hook_slow(skb, NfHookState(ipv4.net, NFPROTO_IPV4, NF_INET_POST_ROUTING, None, dev), hooks)
    skb.own = own
    return r == 1


def ip_output(skb: SkBuff) -> int:
    dst = skb.dst
    assert dst is not None
    ipv4 = ipv4_of(skb.net)
    _count_out(ipv4, skb)
    dev = dst.dev
    skb.dev = dev
    skb.protocol = ETH_P_IP
    if not _post_routing(ipv4, skb, dev):
        return -EPERM
    return ip_finish_output(ipv4, skb)


def ip_mc_output(skb: SkBuff) -> int:
    """Group and broadcast packets: a copy for ourselves, then out."""
    rt = skb.dst
    assert isinstance(rt, Rtable)
    ipv4 = rt.ipv4
    _count_out(ipv4, skb)
    dev = rt.dev
    skb.dev = dev
    skb.protocol = ETH_P_IP
    if rt.rt_flags & RTCF_MULTICAST:
        sk = skb.sk
        cb = ip_cb_peek(skb)
        loop = not isinstance(sk, InetSock) or sk.mc_loop
        if loop and (rt.rt_flags & RTCF_LOCAL or cb is None or not cb.flags & IPSKB_FORWARDED):
            ip_mc_finish_output(ipv4, _loop_clone(skb), dev)
        if skb.head[skb.network_header + 8] == 0:
            skb.own = False
            kfree_skb_reason(skb, SITE_TTL0)
            return 0
    if rt.rt_flags & RTCF_BROADCAST:
        ip_mc_finish_output(ipv4, _loop_clone(skb), dev)
    if not _post_routing(ipv4, skb, dev):
        return -EPERM
    return ip_finish_output(ipv4, skb)


def _loop_clone(skb: SkBuff) -> SkBuff:
    rt = skb.dst
    truesize = 0
    if isinstance(rt, Rtable) and skb.len > ipv4_mtu(rt) and skb.listed is None and skb.own:
        # as it was put together: a packet for the first fragment and a list of the others, which go with the last clone
        hl = (skb.head[skb.network_header] & 15) << 2
        most = ipv4_mtu(rt) - hl & ~7
        sizes = [min(most, skb.len - hl - at) for at in range(0, skb.len - hl, most)]
        skb.listed = [1, len(sizes) - 1]
        truesize = sum(__alloc_skb(skb.net, hl + n + 31).truesize for n in sizes)
    c = skb_clone(skb)
    if truesize:
        c.truesize = truesize
    c.own = False
    c.sk = skb.sk
    return c


def ip_mc_finish_output(ipv4: Ipv4, skb: SkBuff, dev: NetDevice) -> None:
    if _post_routing(ipv4, skb, dev):
        dev_loopback_xmit(skb)


def dev_loopback_xmit(skb: SkBuff) -> None:
    """Into the device's own receive path."""
    nh = skb.network_header
    skb.mac_header = nh
    skb.data = nh
    skb.pkt_type = PACKET_LOOPBACK
    if skb.ip_summed == CHECKSUM_NONE:
        skb.ip_summed = CHECKSUM_UNNECESSARY
    skb.sk = None
    skb.transport_header = -1
    if skb.net.kernel.engine.current is None:
        cpu = this_cpu(skb.net)
        cpu.enter_from_outside()
        try:
            netif_rx(skb)
        finally:
            cpu.leave_to_outside()
    else:
        netif_rx(skb)


def ip_finish_output(ipv4: Ipv4, skb: SkBuff) -> int:
    return __ip_finish_output(ipv4, skb)


def __ip_finish_output(ipv4: Ipv4, skb: SkBuff) -> int:
    """Fragment what is too long."""
    rt = skb.dst
    assert isinstance(rt, Rtable)
    mtu = ip_skb_dst_mtu(ipv4, skb, rt)
    cb = ip_cb_peek(skb)
    if skb.gso_size and skb.sk is None and not skb_gso_validate_network_len(skb, mtu):
        return ip_finish_output_gso(ipv4, skb, mtu)
    if (skb.len > mtu and not skb.gso_size) or (cb is not None and cb.frag_max_size and cb.flags & IPSKB_FRAG_PMTU):
        return ip_fragment(ipv4, skb, mtu)
    return ip_finish_output2(ipv4, skb, rt)


def ip_finish_output_gso(ipv4: Ipv4, skb: SkBuff, mtu: int) -> int:
    """A merged packet that goes on where its segments do not fit: cut, then each is fragmented."""
    po = ipv4.net.offloads[skb.protocol]
    cb = ip_cb_peek(skb)
    ret = 0
    for s in po.gso_segment(skb):
        s.dst = skb.dst
        s.cb = cb
        s.skb_iif = skb.skb_iif
        ret = ip_fragment(ipv4, s, mtu) or ret
    consume_skb(skb, None)
    return ret


def ip_skb_dst_mtu(ipv4: Ipv4, skb: SkBuff, rt: Rtable) -> int:
    """The MTU that this packet is held to (inline in Linux)."""
    sk = skb.sk
    cb = ip_cb_peek(skb)
    if not isinstance(sk, InetSock) or ip_sk_use_pmtu(sk):
        if cb is not None and cb.flags & IPSKB_FORWARDED:
            return ip_dst_mtu_maybe_forward(ipv4, rt, True)
        # without the trace's call: ipv4_mtu is inline here
        mtu = rt.rt_pmtu or rt.mtu_metric or rt.dev.mtu
        if rt.rt_pmtu or rt.rt_mtu_locked:
            return ipv4_mtu(rt)
        return mtu if mtu < IP_MAX_MTU else IP_MAX_MTU
    return min(rt.dev.mtu, IP_MAX_MTU)


def ip_dst_mtu_maybe_forward(ipv4: Ipv4, rt: Rtable, forwarding: bool) -> int:
    """Forwarded packets are held to the device's MTU (or the route's), not to what ICMP told us."""
    if ipv4.ip_forward_use_pmtu or rt.rt_mtu_locked or not forwarding:
        return ipv4_mtu(rt)
    mtu = rt.mtu_metric
    if not mtu:
        mtu = min(rt.dev.mtu, IP_MAX_MTU)
    return mtu


def ip_fragment(ipv4: Ipv4, skb: SkBuff, mtu: int) -> int:
    nh = skb.network_header
    if not skb.head[nh + 6] & 0x40:
        return ip_do_fragment(ipv4, skb)
    cb = ip_cb_peek(skb)
    if not skb.nohdr or (cb is not None and cb.frag_max_size and cb.frag_max_size > mtu):
        from rxpath.net.ipv4.icmp import icmp_send

        ipv4.ip[IPSTATS_MIB_FRAGFAILS] += 1
        icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu)
        skb.own = False
        kfree_skb_reason(skb, SITE_FRAG_NEEDED)
        return -EMSGSIZE
    return ip_do_fragment(ipv4, skb)


def ip_do_fragment(ipv4: Ipv4, skb: SkBuff) -> int:
    """Cut into packets of the MTU, each with the header; options that are not copied only in the first."""
    rt = skb.dst
    assert isinstance(rt, Rtable)
    skb.linearize()
    nh = skb.network_header
    head = skb.head
    hlen = (head[nh] & 15) << 2
    mtu = ip_skb_dst_mtu(ipv4, skb, rt)
    cb = ip_cb_peek(skb)
    if cb is not None and cb.frag_max_size and cb.frag_max_size < mtu:
        mtu = cb.frag_max_size
    tokens_owner = skb
    if mtu < hlen + 8:
        skb.own = False
        kfree_skb_reason(skb, SITE_OUTPUT_ERR)
        ipv4.ip[IPSTATS_MIB_FRAGFAILS] += 1
        return -EMSGSIZE
    room = mtu - hlen
    data = head[nh + hlen : nh + skb.len]
    base = (head[nh + 6] << 8 | head[nh + 7]) & 0x1FFF
    last_mf = (head[nh + 6] << 8 | head[nh + 7]) & IP_MF
    df = IP_DF if cb is not None and cb.flags & IPSKB_FRAG_PMTU else 0
    left = len(data)
    off = 0
    first = True
    err = 0
    sk = skb.sk
    while left > 0:
        n = left
        if n > room:
            n = room
        if n < left:
            n &= ~7
        hdr = bytearray(head[nh : nh + hlen])
        if not first and not base and hlen > 20:  # a fragment that is cut again keeps what it has
            hdr[20:hlen] = ip_options_fragment(bytes(hdr[20:hlen]))
        left -= n
        fo = (base + (off >> 3)) | df
        if left > 0 or last_mf:
            fo |= IP_MF
        hdr[6:8] = fo.to_bytes(2, "big")
        hdr[2:4] = (n + hlen).to_bytes(2, "big")
        hdr[10:12] = b"\0\0"
        hdr[10:12] = ip_fast_csum(hdr).to_bytes(2, "big")
        s2 = __alloc_skb(ipv4.net, n + hlen + 16)
        if isinstance(sk, InetSock) and skb.destructor_w is not None:
            skb_set_owner_w(s2, sk)
        skb_put(s2, bytes(hdr) + data[off : off + n])
        s2.network_header = 0
        s2.transport_header = hlen
        s2.protocol = ETH_P_IP
        s2.priority = skb.priority
        s2.mark = skb.mark
        s2.pkt_type = skb.pkt_type
        s2.dst = rt
        s2.dev = skb.dev
        if first:
            s2.txstamp = skb.txstamp
        if first and tokens_owner.tokens:
            # the frames behind a forwarded packet follow its first fragment
            s2.tokens, tokens_owner.tokens = tokens_owner.tokens, 0
            s2.fate, tokens_owner.fate = tokens_owner.fate, None
            s2.tag = tokens_owner.tag
        off += n
        first = False
        err = ip_finish_output2(ipv4, s2, rt)
        if err:
            break
        ipv4.ip[IPSTATS_MIB_FRAGCREATES] += 1
    skb.own = False
    if err:
        kfree_skb_reason(skb, SITE_OUTPUT_ERR)
        ipv4.ip[IPSTATS_MIB_FRAGFAILS] += 1
        return err
    consume_skb(skb, SITE_FRAGMENTED)
    ipv4.ip[IPSTATS_MIB_FRAGOKS] += 1
    return 0


def ip_finish_output2(ipv4: Ipv4, skb: SkBuff, rt: Rtable) -> int:
    """Counting of group and broadcast packets, then the neighbour."""
    t = rt.rt_type
    if ipv4.kernel.release.ip_out_transmits:
        ipv4.ipext[IPSTATS_MIB_OUTOCTETS] += skb.len
        ipv4.ip[IPSTATS_MIB_OUTPKTS] += 1
    if t == RTN_MULTICAST:
        ipv4.ipext[IPSTATS_MIB_OUTMCASTPKTS] += 1
        ipv4.ipext[IPSTATS_MIB_OUTMCASTOCTETS] += skb.len
    elif t == RTN_BROADCAST:
        ipv4.ipext[IPSTATS_MIB_OUTBCASTPKTS] += 1
        ipv4.ipext[IPSTATS_MIB_OUTBCASTOCTETS] += skb.len
    key = rt.rt_gw
    if not key:
        nh = skb.network_header
        key = int.from_bytes(skb.head[nh + 16 : nh + 20], "big")
    n = rt.neigh
    if not isinstance(n, Neighbour) or rt.neigh_key != key or n.dead:
        dev = rt.dev
        tbl = ipv4.arp_tbl
        n = tbl.entries.get((0 if dev.is_loopback else key, dev.ifindex))
        if n is None:
            n = neigh_create(tbl, key, dev)
            if n is None:
                skb.own = False
                kfree_skb_reason(skb, SITE_CREATEFAIL)
                return -EINVAL
        rt.neigh = n
        rt.neigh_key = key
    if n.connected:
        n.used = ipv4.kernel.jiffies()
    return neigh_output(n, skb)


class OutputAction(RtAction):
    __slots__ = ()

    def run(self, skb: SkBuff) -> int:
        return ip_output(skb)


class McOutputAction(RtAction):
    __slots__ = ()

    def run(self, skb: SkBuff) -> int:
        return ip_mc_output(skb)


def ip_output_init(ipv4: Ipv4) -> None:
    ipv4.act_output = OutputAction()
    ipv4.act_mc_output = McOutputAction()
