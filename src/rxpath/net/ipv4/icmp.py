"""ICMP: receive, echo and timestamp replies, errors with their rate limits, errors handed to protocols.

Facts: net/ipv4/icmp.c (6.1, order of functions recorded on 6.1; counters and reasons recorded on 6.18), RFC 792,
RFC 1122.
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.netdevice import IFF_LOOPBACK, IFF_UP, IFNAMSIZ, NetDevice
from rxpath.net.core.skbuff import (
    CHECKSUM_COMPLETE,
    CHECKSUM_UNNECESSARY,
    PACKET_HOST,
    SkBuff,
    __skb_checksum_complete,
    consume_skb,
    kfree_skb_reason,
    pskb_may_pull,
    skb_put,
)
from rxpath.net.core.sock import IPPROTO_RAW, SOCK_RAW
from rxpath.net.ipv4.devinet import __ip_dev_find, inet_select_addr
from rxpath.net.ipv4.fib import RT_SCOPE_LINK, RTN_BROADCAST, RTN_LOCAL, inet_addr_type_dev_table
from rxpath.net.ipv4.inet_sock import IP_PMTUDISC_DONT, InetSock
from rxpath.net.ipv4.inetpeer import inet_getpeer, inet_peer_xrlim_allow
from rxpath.net.ipv4.ip_cb import ip_cb_peek
from rxpath.net.ipv4.ip_options import IpOptions, __ip_options_echo, inet_current_timestamp
from rxpath.net.ipv4.ip_output import Cork, IpcmCookie, ip_push_pending_frames, sock_alloc_send_pskb
from rxpath.net.ipv4.mib import (
    ICMP_MIB_CSUMERRORS,
    ICMP_MIB_INERRORS,
    ICMP_MIB_INMSGS,
    ICMP_MIB_OUTERRORS,
    ICMP_MIB_OUTMSGS,
    ICMP_MIB_RATELIMITGLOBAL,
    ICMP_MIB_RATELIMITHOST,
    IPSTATS_MIB_OUTDISCARDS,
)
from rxpath.net.ipv4.netns import Ipv4, NetProtocol, ipv4_of
from rxpath.net.ipv4.ping import ping_err, ping_rcv
from rxpath.net.ipv4.raw import raw_icmp_error
from rxpath.net.ipv4.route import (
    IPTOS_RT_MASK,
    RTCF_BROADCAST,
    RTCF_LOCAL,
    RTCF_MULTICAST,
    Flowi4,
    Rtable,
    fib_compute_spec_dst,
    ip_route_output_flow,
    ip_route_output_key_hash,
    ipv4_mtu,
    ipv4_redirect,
    ipv4_update_pmtu,
)
from rxpath.sim.ledger import Site
from rxpath.wire.checksum import csum_partial
from rxpath.wire.icmp import (
    ICMP_ADDRESS,
    ICMP_ADDRESSREPLY,
    ICMP_DEST_UNREACH,
    ICMP_ECHO,
    ICMP_ECHOREPLY,
    ICMP_EXC_FRAGTIME,
    ICMP_EXT_ECHO,
    ICMP_EXT_ECHOREPLY,
    ICMP_FRAG_NEEDED,
    ICMP_PARAMETERPROB,
    ICMP_REDIRECT,
    ICMP_SOURCE_QUENCH,
    ICMP_TIME_EXCEEDED,
    ICMP_TIMESTAMP,
    ICMP_TIMESTAMPREPLY,
    NR_ICMP_TYPES,
    NR_ICMP_UNREACH,
)
from rxpath.wire.ipv4 import IPPROTO_ICMP

# which of types 0..18 are errors (nobody answers those)
_IS_ERROR: Final = tuple(t in (1, 2, *range(3, 8), *range(9, 13)) for t in range(NR_ICMP_TYPES + 1))

# RFC 8335
ICMP_EXT_CODE_MAL_QUERY: Final = 1
ICMP_EXT_CODE_NO_IF: Final = 2
ICMP_EXT_ECHO_CTYPE_NAME: Final = 1
ICMP_EXT_ECHO_CTYPE_INDEX: Final = 2
ICMP_EXT_ECHO_CTYPE_ADDR: Final = 3
ICMP_AFI_IP: Final = 1
ICMP_AFI_IP6: Final = 2
ECHO_IIO_ROOM: Final = 24  # struct icmp_ext_echo_iio

SITE_ICMP: Final = Site("icmp", "ICMP")
SITE_CSUM: Final = Site("icmp", "bad ICMP checksum", "Icmp InCsumErrors, Icmp InErrors", "ICMP_CSUM")
SITE_SHORT: Final = Site("icmp", "short ICMP message", "Icmp InErrors", "NOT_SPECIFIED")
SITE_UNKNOWN: Final = Site("icmp", "unknown ICMP type", "Icmp InErrors", "UNHANDLED_PROTO")
SITE_BCAST: Final = Site("icmp", "not answered to a broadcast or group", "Icmp InErrors", "INVALID_PROTO")
SITE_INHDR: Final = Site("icmp", "quoted header is bad", "Icmp InErrors", "IP_INHDR")
SITE_TOO_SMALL: Final = Site("icmp", "short ICMP message", "Icmp InErrors", "PKT_TOO_SMALL")
SITE_NO_PING: Final = Site("icmp", "no ping socket for this reply", "none", "NO_SOCKET")


def icmp_rcv(skb: SkBuff) -> int:
    ipv4 = ipv4_of(skb.net)
    rt = skb.dst
    icmp = ipv4.icmp
    icmp[ICMP_MIB_INMSGS] += 1
    # skb_checksum_simple_validate
    if skb.ip_summed == CHECKSUM_UNNECESSARY:
        if skb.csum_level:
            skb.csum_level -= 1
    elif not (skb.ip_summed == CHECKSUM_COMPLETE and skb.csum % 0xFFFF == 0 and skb.csum) and not skb.csum_valid:
        skb.csum = 0
        if not __skb_checksum_complete(skb):
            icmp[ICMP_MIB_CSUMERRORS] += 1
            icmp[ICMP_MIB_INERRORS] += 1
            kfree_skb_reason(skb, SITE_CSUM)
            return 1
    if not pskb_may_pull(skb, 8):
        icmp[ICMP_MIB_INERRORS] += 1
        kfree_skb_reason(skb, SITE_SHORT)
        return 1
    type_ = skb.head[skb.data]
    skb.data += 8
    skb.len -= 8
    ipv4.icmpmsg[type_] += 1
    site: Site | None = None
    group = isinstance(rt, Rtable) and bool(rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST))
    first = group and ipv4.variant.icmp_bcast_first
    if type_ == ICMP_EXT_ECHO:
        icmp_echo(ipv4, skb)
    elif type_ == ICMP_EXT_ECHOREPLY and not first:
        site = None if ping_rcv(ipv4, skb) else SITE_NO_PING
    elif type_ > NR_ICMP_TYPES and not first:
        icmp[ICMP_MIB_INERRORS] += 1
        site = SITE_UNKNOWN
    else:
        if group:
            if type_ in (ICMP_ECHO, ICMP_TIMESTAMP):
                if ipv4.icmp_echo_ignore_broadcasts:
                    icmp[ICMP_MIB_INERRORS] += 1
                    kfree_skb_reason(skb, SITE_BCAST)
                    return 1
            elif type_ not in (ICMP_ADDRESS, ICMP_ADDRESSREPLY):
                icmp[ICMP_MIB_INERRORS] += 1
                kfree_skb_reason(skb, SITE_BCAST)
                return 1
        if type_ == ICMP_ECHO:
            icmp_echo(ipv4, skb)
        elif type_ == ICMP_ECHOREPLY:
            site = None if ping_rcv(ipv4, skb) else SITE_NO_PING
        elif type_ in (ICMP_DEST_UNREACH, ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB):
            site = icmp_unreach(ipv4, skb)
        elif type_ == ICMP_REDIRECT:
            site = icmp_redirect(ipv4, skb)
        elif type_ == ICMP_TIMESTAMP:
            site = icmp_timestamp(ipv4, skb)
    if site is None:
        consume_skb(skb, SITE_ICMP)
        return 0
    kfree_skb_reason(skb, site)
    return 1


def icmp_out_count(ipv4: Ipv4, type_: int) -> None:
    ipv4.icmpmsg[256 + type_] += 1
    ipv4.icmp[ICMP_MIB_OUTMSGS] += 1


# --- answers --------------------------------------------------------------------------------------


def icmp_echo(ipv4: Ipv4, skb: SkBuff) -> None:
    """Echo the payload back."""
    if ipv4.icmp_echo_ignore_all:
        return
    th = skb.transport_header
    type_ = skb.head[th]
    code = skb.head[th + 1]
    rest = skb.head[th + 4 : th + 8]
    if type_ != ICMP_ECHO:
        if not ipv4.icmp_echo_enable_probe or not rest[3] & 1:
            return
        code, status = icmp_build_probe(ipv4, skb, code)
        rest = rest[:3] + bytes((status,))
    c = ipv4.kernel.costs
    if c.enabled:
        ipv4.kernel.cur().accrued_or_charge(c.icmp_reply)
    reply = ICMP_ECHOREPLY if type_ == ICMP_ECHO else ICMP_EXT_ECHOREPLY
    icmp_reply(ipv4, skb, reply, code, rest, b"", skb.tobytes())


def icmp_build_probe(ipv4: Ipv4, skb: SkBuff, code: int) -> tuple[int, int]:
    """The interface that an extended echo request (RFC 8335) asks about: (code, status bits) of the reply.

    `skb` stands behind the ICMP header; `code` is the request's.  Bits: 4 active, 2 IPv4; 1 would be IPv6.
    Source: 6.18, icmp_build_probe.
    """
    data = skb.tobytes()[: 4 + ECHO_IIO_ROOM]
    size = int.from_bytes(data[4:6], "big") if len(data) >= 8 else 0
    if size <= 4 or size > ECHO_IIO_ROOM or len(data) < 4 + size:
        return ICMP_EXT_CODE_MAL_QUERY, 0
    ident = data[8 : 4 + size]
    ctype = data[7]
    dev: NetDevice | None = None
    if ctype == ICMP_EXT_ECHO_CTYPE_NAME:
        if len(ident) >= IFNAMSIZ:
            return ICMP_EXT_CODE_MAL_QUERY, 0
        dev = skb.net.by_name.get(ident.split(b"\0")[0].decode("latin-1"))
    elif ctype == ICMP_EXT_ECHO_CTYPE_INDEX:
        if len(ident) != 4:
            return ICMP_EXT_CODE_MAL_QUERY, 0
        dev = skb.net.by_index.get(int.from_bytes(ident, "big"))
    elif ctype == ICMP_EXT_ECHO_CTYPE_ADDR:
        if len(ident) < 4 or len(ident) != 4 + ident[2]:
            return ICMP_EXT_CODE_MAL_QUERY, 0
        afi = int.from_bytes(ident[:2], "big")
        if (afi, ident[2]) not in ((ICMP_AFI_IP, 4), (ICMP_AFI_IP6, 16)):
            return ICMP_EXT_CODE_MAL_QUERY, 0
        if afi == ICMP_AFI_IP:
            dev = __ip_dev_find(ipv4, int.from_bytes(ident[4:], "big"))
    else:
        return ICMP_EXT_CODE_MAL_QUERY, 0
    if dev is None:
        return ICMP_EXT_CODE_NO_IF, 0
    d = ipv4.in_dev(dev)
    return code, (4 if dev.flags & IFF_UP else 0) | (2 if d is not None and d.ifa_list else 0)


def icmp_timestamp(ipv4: Ipv4, skb: SkBuff) -> Site | None:
    if skb.len < 4:
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return SITE_TOO_SMALL
    pskb_may_pull(skb, 4)
    th = skb.transport_header
    now = inet_current_timestamp(ipv4).to_bytes(4, "big")
    icmp_reply(
        ipv4, skb, ICMP_TIMESTAMPREPLY, 0, skb.head[th + 4 : th + 8], skb.head[skb.data : skb.data + 4] + now + now, b""
    )
    return None


def icmp_reply(ipv4: Ipv4, skb: SkBuff, type_: int, code: int, rest: bytes, extra: bytes, data: bytes) -> None:
    """Answer a query: back to its source, from the address that it was sent to, options reversed."""
    cb = ip_cb_peek(skb)
    sopt = cb.opt if cb is not None and cb.opt is not None else IpOptions()
    opt = __ip_options_echo(ipv4, skb, sopt)
    if opt is None:
        return
    cpu = ipv4.kernel.cpus[0] if ipv4.kernel.engine.current is None else ipv4.kernel.cur()
    allow, limited = icmpv4_global_allow(ipv4, type_, code)
    if not allow or ipv4.icmp_xmit_busy:
        return
    cpu.softirq_count += 1
    ipv4.icmp_xmit_busy = True
    sk = ipv4.icmp_sk
    head = skb.head
    nh = skb.network_header
    sk.tos = head[nh + 1]
    ipc = IpcmCookie(sk)
    saddr_in = int.from_bytes(head[nh + 12 : nh + 16], "big")
    ipc.addr = daddr = saddr_in
    saddr = fib_compute_spec_dst(skb)
    if opt.optlen:
        ipc.opt = opt
        if opt.srr:
            daddr = opt.faddr
    fl4 = Flowi4(daddr, saddr, tos=head[nh + 1] & 0x1E, proto=IPPROTO_ICMP)
    rt = ip_route_output_flow(ipv4, fl4)
    if rt is not None and (not limited or icmpv4_xrlim_allow(ipv4, rt, fl4)):
        icmp_push_reply(ipv4, sk, type_, code, rest, extra, data, fl4, ipc, rt)
    ipv4.icmp_xmit_busy = False
    cpu.softirq_count -= 1


def icmp_push_reply(
    ipv4: Ipv4,
    sk: InetSock,
    type_: int,
    code: int,
    rest: bytes,
    extra: bytes,
    data: bytes,
    fl4: Flowi4,
    ipc: IpcmCookie,
    rt: Rtable,
) -> None:
    """Header, checksum, out."""
    hdr = bytes((type_, code, 0, 0)) + rest + extra
    try:
        cork = ip_append_data(ipv4, sk, fl4, ipc, rt, hdr, data)
    except OSError:
        ipv4.icmp[ICMP_MIB_OUTERRORS] += 1
        return
    skb = cork.skb
    assert skb is not None
    csum = csum_partial_copy_nocheck(hdr) + skb.csum
    # the copying sum starts from minus zero (5.10): all zeros give 0, not 0xffff
    zero = 0xFFFF if csum or ipv4.variant.csum_minus_zero else 0
    check = (csum % 0xFFFF or zero) ^ 0xFFFF
    skb.replace(2, check.to_bytes(2, "big"))
    ip_push_pending_frames(ipv4, cork)


def ip_append_data(ipv4: Ipv4, sk: InetSock, fl4: Flowi4, ipc: IpcmCookie, rt: Rtable, hdr: bytes, data: bytes) -> Cork:
    """ip_append_data as ICMP uses it: the payload is copied and summed by icmp_glue_bits."""
    cork = _setup(sk, fl4, ipc, rt)
    __ip_append_data(cork, hdr, data)
    return cork


def _setup(sk: InetSock, fl4: Flowi4, ipc: IpcmCookie, rt: Rtable) -> Cork:
    return Cork(sk, fl4, ipc, rt, 8)


def __ip_append_data(cork: Cork, hdr: bytes, data: bytes) -> None:
    sk = cork.sk
    total = len(hdr) + len(data)
    optlen = cork.opt.optlen if cork.opt is not None else 0
    if total + 20 + optlen > 0xFFFF:
        raise OSError(90, "icmp")
    if sk.wmem_alloc >= sk.sndbuf:  # of answers that wait for a neighbour
        sk.ipv4.ip[IPSTATS_MIB_OUTDISCARDS] += 1
        raise OSError(11, "icmp")
    skb = sock_alloc_send_pskb(sk, total + 20 + optlen + 31)
    skb_put(skb, hdr + data)
    icmp_glue_bits(skb, data)
    cork.skb = skb


def icmp_glue_bits(skb: SkBuff, data: bytes) -> None:
    skb.csum = skb_copy_and_csum_bits(data)


def skb_copy_and_csum_bits(data: bytes) -> int:
    return csum_partial_copy_nocheck(data)


def csum_partial_copy_nocheck(data: bytes) -> int:
    return csum_partial(data)


# --- limits ---------------------------------------------------------------------------------------


def icmp_global_allow(ipv4: Ipv4) -> bool:
    """The machine's bucket: icmp_msgs_per_sec, filled at most every 20 ms up to icmp_msgs_burst."""
    if ipv4.icmp_global_credit > 0:
        return True
    k = ipv4.kernel
    now = k.jiffies()
    delta = min(now - ipv4.icmp_global_stamp, k.hz)
    if delta < k.hz // 50:
        return False
    incr = ipv4.icmp_msgs_per_sec * delta // k.hz
    if not incr:
        return False
    ipv4.icmp_global_stamp = now
    ipv4.icmp_global_credit = min(ipv4.icmp_global_credit + incr, ipv4.icmp_msgs_burst)
    return True


def icmp_global_consume(ipv4: Ipv4) -> None:
    """Take 0 to 2 credits, so that nobody can count them from outside."""
    ipv4.icmp_global_credit -= ipv4.random.randrange(3)


def icmpv4_global_allow(ipv4: Ipv4, type_: int, code: int) -> tuple[bool, bool]:
    """(may be sent, counts against the limits)."""
    if (
        type_ > NR_ICMP_TYPES
        or (type_ == ICMP_DEST_UNREACH and code == ICMP_FRAG_NEEDED)
        or not 1 << type_ & ipv4.icmp_ratemask
    ):
        return True, False
    if not ipv4.kernel.release.icmp_global_limit or icmp_global_allow(ipv4):
        return True, True
    if ipv4.kernel.release.icmp_outratelimit:
        ipv4.icmp[ICMP_MIB_RATELIMITGLOBAL] += 1
    return False, False


def icmpv4_xrlim_allow(ipv4: Ipv4, rt: Rtable, fl4: Flowi4) -> bool:
    """The bucket of the destination: one message per icmp_ratelimit, six in a burst."""
    rc = True
    if not rt.dev.flags & IFF_LOOPBACK:
        peer = inet_getpeer(ipv4.peers, fl4.daddr)
        rc = inet_peer_xrlim_allow(ipv4.peers, peer, ipv4.icmp_ratelimit)
    if not rc:
        if ipv4.kernel.release.icmp_outratelimit:
            ipv4.icmp[ICMP_MIB_RATELIMITHOST] += 1
    elif ipv4.kernel.release.icmp_global_limit:
        icmp_global_consume(ipv4)
    return rc


# --- errors that we send --------------------------------------------------------------------------


def icmp_route_lookup(ipv4: Ipv4, skb: SkBuff, saddr_in: int, daddr_in: int, fl4: Flowi4) -> Rtable | None:
    """The way back; the second look is IPsec's and changes nothing without it."""
    rt = ip_route_output_key_hash(ipv4, fl4)
    if rt is None:
        return None
    dev = skb.dev
    if inet_addr_type_dev_table(ipv4, dev, fl4.daddr) == RTN_LOCAL:
        return rt
    if inet_addr_type_dev_table(ipv4, dev, daddr_in) == RTN_LOCAL:
        ip_route_output_key_hash(ipv4, Flowi4(saddr_in, daddr_in))
    return rt


def __icmp_send(skb: SkBuff, type_: int, code: int, info: int) -> None:
    """Tell the sender of `skb` what is wrong with it, unless a rule forbids it.  `info`: the second word of the
    header.
    """
    rt_in = skb.dst
    if not isinstance(rt_in, Rtable):
        return
    ipv4 = rt_in.ipv4
    head = skb.head
    nh = skb.network_header
    if nh + 20 > skb.tail or skb.pkt_type != PACKET_HOST or rt_in.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST):
        return
    if head[nh + 6] & 0x1F or head[nh + 7]:
        return
    ihl = (head[nh] & 15) << 2
    if type_ <= NR_ICMP_TYPES and _IS_ERROR[type_] and head[nh + 9] == IPPROTO_ICMP:
        if nh + ihl >= skb.tail:
            return
        inner = head[nh + ihl]
        if inner > NR_ICMP_TYPES or _IS_ERROR[inner]:
            return
    limited = False
    dev = skb.dev
    if not (dev is not None and dev.flags & IFF_LOOPBACK):
        allow, limited = icmpv4_global_allow(ipv4, type_, code)
        if not allow:
            return
    if ipv4.icmp_xmit_busy:
        return
    ipv4.icmp_xmit_busy = True
    cpu = ipv4.kernel.cpus[0] if ipv4.kernel.engine.current is None else ipv4.kernel.cur()
    cpu.softirq_count += 1
    _send_locked(ipv4, skb, rt_in, type_, code, info, limited)
    cpu.softirq_count -= 1
    ipv4.icmp_xmit_busy = False


def _send_locked(ipv4: Ipv4, skb: SkBuff, rt_in: Rtable, type_: int, code: int, info: int, limited: bool) -> None:
    sk = ipv4.icmp_sk
    head = skb.head
    nh = skb.network_header
    iph_saddr = int.from_bytes(head[nh + 12 : nh + 16], "big")
    saddr = iph_daddr = int.from_bytes(head[nh + 16 : nh + 20], "big")
    if not rt_in.rt_flags & RTCF_LOCAL:
        saddr = 0
        if rt_in.rt_is_input and ipv4.icmp_errors_use_inbound_ifaddr:
            d = ipv4.net.by_index.get(skb.skb_iif)
            if d is not None:
                saddr = inet_select_addr(d, iph_saddr, RT_SCOPE_LINK, ipv4)
    tos = head[nh + 1] & 0x1E | 0xC0 if type_ <= NR_ICMP_TYPES and _IS_ERROR[type_] else head[nh + 1]
    cb = ip_cb_peek(skb)
    sopt = cb.opt if cb is not None and cb.opt is not None else IpOptions()
    opt = __ip_options_echo(ipv4, skb, sopt)
    if opt is None:
        return
    sk.tos = tos
    ipc = IpcmCookie(sk)
    ipc.addr = iph_saddr
    ipc.opt = opt
    fl4 = Flowi4(opt.faddr if opt.srr else iph_saddr, saddr, tos=tos & IPTOS_RT_MASK, proto=IPPROTO_ICMP)
    fl4.icmp_type = type_
    rt = icmp_route_lookup(ipv4, skb, iph_saddr, iph_daddr, fl4)
    if rt is None:
        return
    if limited and not icmpv4_xrlim_allow(ipv4, rt, fl4):
        return
    room = ipv4_mtu(rt)
    if room > 576:
        room = 576
    room -= 20 + opt.optlen + 8
    if room <= 20:
        return
    data = (head[nh : skb.data] + skb.tobytes() if skb.data >= nh else skb.tobytes())[:room]
    if not fl4.saddr:
        fl4.saddr = 0xC0000008  # 192.0.0.8
    icmp_push_reply(ipv4, sk, type_, code, (info & 0xFFFFFFFF).to_bytes(4, "big"), b"", data, fl4, ipc, rt)


icmp_send = __icmp_send


# --- errors that we get ---------------------------------------------------------------------------


def icmp_unreach(ipv4: Ipv4, skb: SkBuff) -> Site | None:
    """Unreachable, source quench, time exceeded, parameter problem: to the transport whose packet is quoted."""
    th = skb.transport_header
    if not pskb_may_pull(skb, 20):
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return SITE_SHORT
    head = skb.head
    type_ = head[th]
    code = head[th + 1]
    q = skb.data
    if head[q] & 15 < 5:
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return SITE_INHDR
    info = 0
    if type_ == ICMP_DEST_UNREACH:
        if code & 15 == ICMP_FRAG_NEEDED:
            v = ipv4.ip_no_pmtu_disc
            if v == 2:
                return None
            if v == 3:
                p = ipv4.protos[head[q + 9]]
                if p is None or not p.icmp_strict_tag_validation:
                    return None
            if v in (0, 3):
                info = head[th + 6] << 8 | head[th + 7]
        if code > NR_ICMP_UNREACH:
            return None
    elif type_ == ICMP_PARAMETERPROB:
        info = head[th + 4]
    elif type_ == ICMP_TIME_EXCEEDED and code == ICMP_EXC_FRAGTIME:
        return None
    if not ipv4.icmp_ignore_bogus_error_responses:
        if inet_addr_type_dev_table(ipv4, skb.dev, int.from_bytes(head[q + 16 : q + 20], "big")) == RTN_BROADCAST:
            return None
    icmp_socket_deliver(ipv4, skb, info)
    return None


def icmp_socket_deliver(ipv4: Ipv4, skb: SkBuff, info: int) -> None:
    """Raw sockets, then the protocol's err_handler; eight bytes behind the quoted header must be there."""
    q = skb.data
    ihl = (skb.head[q] & 15) << 2
    if not pskb_may_pull(skb, ihl + 8):
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return
    protocol = skb.head[q + 9]
    if protocol == IPPROTO_RAW and ipv4.variant.raw_never_receives:
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return
    raw_icmp_error(ipv4, skb, protocol, info)
    p = ipv4.protos[protocol]
    if p is not None:
        p.err_handler(skb, info)


def icmp_redirect(ipv4: Ipv4, skb: SkBuff) -> Site | None:
    if not pskb_may_pull(skb, 20):
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return SITE_TOO_SMALL if ipv4.variant.route_reasons else SITE_SHORT
    th = skb.transport_header
    icmp_socket_deliver(ipv4, skb, int.from_bytes(skb.head[th + 4 : th + 8], "big"))
    return None


def icmp_err(skb: SkBuff, info: int) -> int:
    """An error quotes one of our ICMP messages: ping sockets, path MTU, redirects."""
    ipv4 = ipv4_of(skb.net)
    q = skb.data
    ihl = (skb.head[q] & 15) << 2
    if skb.head[q + ihl] != ICMP_ECHOREPLY:
        ping_err(ipv4, skb, q + ihl, info)
        return 0
    th = skb.transport_header
    type_ = skb.head[th]
    if type_ == ICMP_DEST_UNREACH and skb.head[th + 1] == ICMP_FRAG_NEEDED:
        saddr = int.from_bytes(skb.head[q + 12 : q + 16], "big")
        daddr = int.from_bytes(skb.head[q + 16 : q + 20], "big")
        ipv4_update_pmtu(ipv4, daddr, saddr, skb.head[q + 1], info, 0, IPPROTO_ICMP)
    elif type_ == ICMP_REDIRECT:
        ipv4_redirect(ipv4, skb, 0)
    return 0


class IcmpProtocol(NetProtocol):
    __slots__ = ()

    def handler(self, skb: SkBuff) -> int:
        icmp_rcv(skb)
        return 0

    def err_handler(self, skb: SkBuff, info: int) -> int:
        return icmp_err(skb, info)


class KernelSock(InetSock):
    """A socket of the kernel's own (ICMP's, IGMP's)."""

    __slots__ = ()

    def close(self) -> None:
        """Lives as long as the machine."""


def icmp_init(ipv4: Ipv4) -> None:
    """The kernel's ICMP socket: a large send buffer, never fragmented by path MTU discovery."""
    sk = KernelSock(ipv4.net, SOCK_RAW, IPPROTO_ICMP, ipv4.raw_prot)
    sk.prot.inuse -= 1
    ipv4.net.sockets.remove(sk)
    ipv4.net.next_inode -= 1
    sk.hdrincl = False
    sk.sndbuf = 2 * (64 * 1024 + 576)
    sk.pmtudisc = IP_PMTUDISC_DONT
    ipv4.icmp_sk = sk
