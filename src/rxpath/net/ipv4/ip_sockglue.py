"""SOL_IP: options, control messages both ways, the error queue.

Facts: net/ipv4/ip_sockglue.c (6.1), linux/in.h; order of control messages recorded on 6.18.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import (
    EADDRINUSE,
    EADDRNOTAVAIL,
    EAGAIN,
    ECONNREFUSED,
    EHOSTDOWN,
    EHOSTUNREACH,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOBUFS,
    ENODEV,
    ENONET,
    ENOPROTOOPT,
    ENOTCONN,
    EOPNOTSUPP,
    EPROTO,
    linux_error,
)
from rxpath.net.core.skbuff import (
    CHECKSUM_COMPLETE,
    SUMMED_BELOW,
    SUMMED_CONVERTED,
    SUMMED_CUT,
    SUMMED_PAYLOAD,
    SkBuff,
    __alloc_skb,
    consume_skb,
    kfree_skb_reason,
    skb_clone,
    skb_put,
)
from rxpath.net.core.sock import (
    AF_INET,
    IPPROTO_RAW,
    MSG_CTRUNC,
    MSG_ERRQUEUE,
    MSG_TRUNC,
    SO_EE_ORIGIN_ICMP,
    SO_EE_ORIGIN_LOCAL,
    SO_EE_ORIGIN_TIMESTAMPING,
    SOCK_RAW,
    SOCK_STREAM,
    SOF_TIMESTAMPING_OPT_CMSG,
    SOL_IP,
    SOL_SOCKET,
    TCP_ESTABLISHED,
    Msg,
    SockErr,
    __sock_cmsg_send,
    opt_int,
    sk_getsockopt,
    sk_setsockopt,
    sock_dequeue_err_skb,
    sock_queue_err_skb,
    sock_recv_timestamp,
)
from rxpath.net.ipv4.devinet import ip_dev_find
from rxpath.net.ipv4.igmp import ip_mc_find_dev, ip_mc_join_group, ip_mc_leave_group, ip_mc_msfilter, ip_mc_source
from rxpath.net.ipv4.inet_sock import Cmsg, InetSock
from rxpath.net.ipv4.ip_cb import InetSkbParm, ip_cb, ip_cb_peek
from rxpath.net.ipv4.ip_options import __ip_options_echo, ip_options_get, ip_options_undo
from rxpath.net.ipv4.ip_output import IpcmCookie
from rxpath.net.ipv4.netns import ipv4_of
from rxpath.net.ipv4.route import Flowi4, Rtable, fib_compute_spec_dst, ip_route_output_flow, ipv4_mtu
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str

IP_TOS: Final = 1
IP_TTL: Final = 2
IP_HDRINCL: Final = 3
IP_OPTIONS: Final = 4
IP_ROUTER_ALERT: Final = 5
IP_RECVOPTS: Final = 6
IP_RETOPTS: Final = 7
IP_PKTINFO: Final = 8
IP_PKTOPTIONS: Final = 9
IP_MTU_DISCOVER: Final = 10
IP_RECVERR: Final = 11
IP_RECVTTL: Final = 12
IP_RECVTOS: Final = 13
IP_MTU: Final = 14
IP_FREEBIND: Final = 15
IP_IPSEC_POLICY: Final = 16
IP_XFRM_POLICY: Final = 17
IP_PASSSEC: Final = 18
IP_TRANSPARENT: Final = 19
IP_RECVORIGDSTADDR: Final = 20
IP_MINTTL: Final = 21
IP_NODEFRAG: Final = 22
IP_CHECKSUM: Final = 23
IP_BIND_ADDRESS_NO_PORT: Final = 24
IP_RECVFRAGSIZE: Final = 25
IP_RECVERR_RFC4884: Final = 26
IP_MULTICAST_IF: Final = 32
IP_MULTICAST_TTL: Final = 33
IP_MULTICAST_LOOP: Final = 34
IP_ADD_MEMBERSHIP: Final = 35
IP_DROP_MEMBERSHIP: Final = 36
IP_UNBLOCK_SOURCE: Final = 37
IP_BLOCK_SOURCE: Final = 38
IP_ADD_SOURCE_MEMBERSHIP: Final = 39
IP_DROP_SOURCE_MEMBERSHIP: Final = 40
IP_MSFILTER: Final = 41
MCAST_JOIN_GROUP: Final = 42
MCAST_BLOCK_SOURCE: Final = 43
MCAST_UNBLOCK_SOURCE: Final = 44
MCAST_LEAVE_GROUP: Final = 45
MCAST_JOIN_SOURCE_GROUP: Final = 46
MCAST_LEAVE_SOURCE_GROUP: Final = 47
MCAST_MSFILTER: Final = 48
IP_MULTICAST_ALL: Final = 49
IP_UNICAST_IF: Final = 50
IP_LOCAL_PORT_RANGE: Final = 51
IP_PROTOCOL: Final = 52

CMSG_PKTINFO: Final = 1
CMSG_TTL: Final = 2
CMSG_TOS: Final = 4
CMSG_RECVOPTS: Final = 8
CMSG_RETOPTS: Final = 16
CMSG_PASSSEC: Final = 32
CMSG_ORIGDSTADDR: Final = 64
CMSG_CHECKSUM: Final = 128
CMSG_RECVFRAGSIZE: Final = 256

SITE_ERRQ_FULL: Final = Site("socket", "error queue full", "none", "NOT_SPECIFIED")
SITE_ERRQ_PURGED: Final = Site("socket", "IP_RECVERR switched off", "none", "QUEUE_PURGE")
SITE_ERRQ_PURGED_OLD: Final = Site("socket", "IP_RECVERR switched off", "none", "NOT_SPECIFIED")
SITE_ERROR_READ: Final = Site("icmp", "ICMP error queued to a socket")

_INT: Final = Struct("=i")
_PKTINFO: Final = Struct("=i4s4s")
_SIN: Final = Struct(">HI")

_TOS2PRIO: Final = (0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4)  # ip_tos2prio

# options that refuse fewer bytes; the others take what is missing as zero
_LEAST: Final = {
    IP_FREEBIND: 1,
    IP_TRANSPARENT: 1,
    IP_MINTTL: 1,
    IP_MULTICAST_TTL: 1,
    IP_MULTICAST_LOOP: 1,
    IP_MULTICAST_ALL: 1,
    IP_MULTICAST_IF: 4,
    IP_UNICAST_IF: 4,
}
_FLAG_OPTS: Final[dict[int, int]] = {
    IP_PKTINFO: CMSG_PKTINFO,
    IP_RECVTTL: CMSG_TTL,
    IP_RECVTOS: CMSG_TOS,
    IP_RECVOPTS: CMSG_RECVOPTS,
    IP_RETOPTS: CMSG_RETOPTS,
    IP_RECVORIGDSTADDR: CMSG_ORIGDSTADDR,
    IP_RECVFRAGSIZE: CMSG_RECVFRAGSIZE,
    IP_CHECKSUM: CMSG_CHECKSUM,
    IP_PASSSEC: CMSG_PASSSEC,  # without a security module there is nothing to pass
}


# --- what a received packet tells -----------------------------------------------------------------


def ipv4_pktinfo_prepare(sk: InetSock, skb: SkBuff) -> None:
    """Note what IP_PKTINFO will ask for, then let the route go."""
    if sk.cmsg_flags & CMSG_PKTINFO and skb.dst is not None:
        cb = ip_cb(skb)
        iif = skb.skb_iif
        rt = skb.dst
        if iif == 1 and isinstance(rt, Rtable) and rt.rt_iif:
            iif = rt.rt_iif
        cb.pi_ifindex = iif
        cb.pi_spec_dst = fib_compute_spec_dst(skb)
    skb.dst = None


def sockaddr_in(addr: int, port: int) -> bytes:
    """struct sockaddr_in."""
    return b"\x02\x00" + _SIN.pack(port, addr) + bytes(8)


def ip_cmsg_recv_offset(msg: Msg, sk: InetSock, skb: SkBuff, tlen: int, offset: int, summed_from: int = -1) -> None:
    """SOL_IP control messages, in Linux's order.  `summed_from`: where in skb.head the checksum of an ICMP message
    that became an error was begun, -1 = at skb.data.
    """
    flags = sk.cmsg_flags
    head = skb.head
    nh = skb.network_header
    cb = ip_cb_peek(skb)
    out = msg.control
    if flags & CMSG_PKTINFO:
        ifi, spec = (cb.pi_ifindex, cb.pi_spec_dst) if cb is not None else (0, 0)
        out.append((SOL_IP, IP_PKTINFO, _PKTINFO.pack(ifi, spec.to_bytes(4, "big"), head[nh + 16 : nh + 20])))
    if flags & CMSG_TTL:
        out.append((SOL_IP, IP_TTL, _INT.pack(head[nh + 8])))
    if flags & CMSG_TOS:
        out.append((SOL_IP, IP_TOS, head[nh + 1 : nh + 2]))
    opt = cb.opt if cb is not None else None
    if flags & CMSG_RECVOPTS and opt is not None and opt.optlen:
        out.append((SOL_IP, IP_RECVOPTS, head[nh + 20 : nh + 20 + opt.optlen]))
    if flags & CMSG_RETOPTS and opt is not None and opt.optlen:
        echo = __ip_options_echo(ipv4_of(skb.net), skb, opt)
        if echo is None:
            msg.flags |= MSG_CTRUNC
        else:
            out.append((SOL_IP, IP_RETOPTS, ip_options_undo(echo)))
    if flags & CMSG_ORIGDSTADDR:
        th = skb.transport_header
        if skb.tail >= th + 4:
            out.append(
                (
                    SOL_IP,
                    IP_RECVORIGDSTADDR,
                    sockaddr_in(int.from_bytes(head[nh + 16 : nh + 20], "big"), head[th + 2] << 8 | head[th + 3]),
                )
            )
    if flags & CMSG_CHECKSUM and (
        skb.ip_summed == CHECKSUM_COMPLETE or (skb.csum_valid and skb.csum < 0 and skb.csum != SUMMED_BELOW)
    ):
        # a sum of 32 bit words in the host's order, ones' complement, less what a peek offset leaves out; which zero
        # it is depends on how it came about
        data = skb.tobytes()
        if summed_from >= 0:
            data = skb.head[summed_from : skb.data] + data
        v = SUMMED_CUT - skb.csum if skb.csum <= SUMMED_CUT else int.from_bytes(data, "little")
        v = (v - int.from_bytes(data[:offset], "little")) % 0xFFFFFFFF
        if not v and (offset or skb.csum != SUMMED_PAYLOAD):
            v = 0xFFFFFFFF
        out.append((SOL_IP, IP_CHECKSUM, v.to_bytes(4, "little")))
    elif flags & CMSG_CHECKSUM and not offset and skb.csum_valid and skb.csum == SUMMED_CONVERTED:
        th = skb.transport_header
        if th == skb.data - 8 and head[th + 6 : th + 8] != b"\0\0":
            # what a right sum leaves behind the pseudo header, less the UDP header
            length = int.from_bytes(head[th + 4 : th + 6], "big")
            pseudo = int.from_bytes(head[nh + 12 : nh + 20], "little") + (length + 17 << 8)
            v = (-pseudo - int.from_bytes(head[th : th + 8], "little")) % 0xFFFFFFFF
            out.append((SOL_IP, IP_CHECKSUM, (v or 0xFFFFFFFF).to_bytes(4, "little")))
    if flags & CMSG_RECVFRAGSIZE and cb is not None and cb.frag_max_size:
        out.append((SOL_IP, IP_RECVFRAGSIZE, _INT.pack(cb.frag_max_size)))


def ip_cmsg_send(sk: InetSock, control: list[Cmsg], ipc: IpcmCookie) -> None:
    """Control messages of a send call.  Raises EINVAL."""
    for level, type_, v in control:
        if level == SOL_SOCKET:
            __sock_cmsg_send(sk, type_, v, ipc)
            continue
        if level != SOL_IP:
            continue
        if type_ == IP_RETOPTS:
            ipc.opt = ip_options_get(sk.ipv4, v[:40])
        elif type_ == IP_PKTINFO:
            if len(v) != 12:
                raise linux_error(EINVAL)
            ifindex, spec, _ = _PKTINFO.unpack(v)
            if ifindex:
                ipc.oif = ifindex
            ipc.addr = int.from_bytes(spec, "big")
        elif type_ == IP_TTL:
            if len(v) != 4 or not 1 <= _INT.unpack(v)[0] <= 255:
                raise linux_error(EINVAL)
            ipc.ttl = _INT.unpack(v)[0]
        elif type_ == IP_TOS:
            if len(v) not in (1, 4):
                raise linux_error(EINVAL)
            t = v[0] if len(v) == 1 else _INT.unpack(v)[0]
            if not 0 <= t <= 255:
                raise linux_error(EINVAL)
            ipc.tos = t
        elif type_ == IP_PROTOCOL:
            if len(v) != 4 or not 1 <= _INT.unpack(v)[0] <= 255:
                raise linux_error(EINVAL)
            ipc.protocol = _INT.unpack(v)[0]
        else:
            raise linux_error(EINVAL, f"control message {type_}")


# --- the error queue ------------------------------------------------------------------------------


# icmp_err_convert: errno and whether it is fatal, by code of "destination unreachable"
ICMP_ERR_CONVERT: Final = (
    (ENETUNREACH, False),  # ICMP_NET_UNREACH
    (EHOSTUNREACH, False),  # ICMP_HOST_UNREACH
    (ENOPROTOOPT, True),  # ICMP_PROT_UNREACH
    (ECONNREFUSED, True),  # ICMP_PORT_UNREACH
    (EMSGSIZE, False),  # ICMP_FRAG_NEEDED
    (EOPNOTSUPP, False),  # ICMP_SR_FAILED
    (ENETUNREACH, True),  # ICMP_NET_UNKNOWN
    (EHOSTDOWN, True),  # ICMP_HOST_UNKNOWN
    (ENONET, True),  # ICMP_HOST_ISOLATED
    (ENETUNREACH, True),  # ICMP_NET_ANO
    (EHOSTUNREACH, True),  # ICMP_HOST_ANO
    (ENETUNREACH, False),  # ICMP_NET_UNR_TOS
    (EHOSTUNREACH, False),  # ICMP_HOST_UNR_TOS
    (EHOSTUNREACH, True),  # ICMP_PKT_FILTERED
    (EHOSTUNREACH, True),  # ICMP_PREC_VIOLATION
    (EHOSTUNREACH, True),  # ICMP_PREC_CUTOFF
)


def ip_icmp_error(sk: InetSock, skb: SkBuff, err: int, port: int, info: int, payload: int) -> None:
    """Queue an ICMP error; `payload`: offset in skb.head of what is quoted behind the transport header."""
    c = skb_clone(skb)
    th = skb.transport_header
    q = skb.data
    e = SockErr(c, err, SO_EE_ORIGIN_ICMP, skb.head[th], skb.head[th + 1], info, port)
    e.addr_offset = q + 16
    nh = skb.network_header
    e.offender = int.from_bytes(skb.head[nh + 12 : nh + 16], "big")
    old = ip_cb_peek(skb)
    cb = InetSkbParm()  # IP_PKTINFO of an error: the device, no local address
    cb.pi_ifindex = skb.skb_iif
    if old is not None:
        cb.opt = old.opt
        cb.frag_max_size = old.frag_max_size
    c.cb = cb
    if payload - q > c.len:
        kfree_skb_reason(c, SITE_ERRQ_FULL)
        return
    c.len -= payload - q
    c.data = payload
    if not sock_queue_err_skb(sk, e):
        kfree_skb_reason(c, SITE_ERRQ_FULL)


def ip_local_error(sk: InetSock, err: int, daddr: int, port: int, info: int) -> None:
    """An error of our own about a packet to send (EMSGSIZE with the path's MTU)."""
    if not sk.recverr:
        return
    skb = __alloc_skb(sk.net, 20)
    skb.own = False
    skb_put(skb, bytes(16) + daddr.to_bytes(4, "big"))
    skb.network_header = 0
    skb.data = skb.tail
    skb.len = 0
    e = SockErr(skb, err, SO_EE_ORIGIN_LOCAL, 0, 0, info, port)
    e.addr_offset = 16
    if not sock_queue_err_skb(sk, e):
        kfree_skb_reason(skb, SITE_ERRQ_FULL)


def ip_recv_error(sk: InetSock, size: int) -> Msg:
    """recvmsg with MSG_ERRQUEUE.  Raises EAGAIN."""
    e = sock_dequeue_err_skb(sk)
    if e is None:
        raise linux_error(EAGAIN)
    skb = e.skb
    msg = Msg()
    data = skb.tobytes()
    if len(data) > size:
        msg.flags |= MSG_TRUNC
        data = data[:size]
    msg.data = data
    msg.n = len(data)
    sock_recv_timestamp(msg, sk, skb, e)
    off = e.addr_offset
    if off >= 0:
        msg.name = (ip4_str(int.from_bytes(skb.head[off : off + 4], "big")), e.port)
    offender = bytes(16)
    if e.origin == SO_EE_ORIGIN_ICMP:
        offender = sockaddr_in(e.offender, 0)
        icmp_at = skb.transport_header
        skb.transport_header = skb.data  # ip_icmp_error: what follows the quoted headers
        if sk.cmsg_flags:
            ip_cmsg_recv_offset(msg, sk, skb, 0, 0, icmp_at)
    elif e.iif and e.origin == SO_EE_ORIGIN_TIMESTAMPING and sk.tsflags & SOF_TIMESTAMPING_OPT_CMSG:
        nh = skb.network_header
        saddr = int.from_bytes(skb.head[nh + 12 : nh + 16], "big")
        offender = sockaddr_in(saddr, 0)
        cb = InetSkbParm()
        cb.pi_ifindex = e.iif
        cb.pi_spec_dst = saddr
        skb.cb = cb
        if sk.cmsg_flags:
            ip_cmsg_recv_offset(msg, sk, skb, 0, 0)
    msg.control.append((SOL_IP, IP_RECVERR, e.pack() + offender))
    msg.flags |= MSG_ERRQUEUE
    consume_skb(skb, SITE_ERROR_READ)
    return msg


# --- options --------------------------------------------------------------------------------------


def _ifindex_of(sk: InetSock, addr: int) -> int:
    dev = None

    dev = ip_dev_find(sk.net, addr)
    return dev.ifindex if dev is not None else 0


def _mreq(value: int | bytes) -> tuple[int, int, int]:
    """struct ip_mreq, ip_mreqn: (group, local address, ifindex)."""
    if isinstance(value, int) or len(value) < 8:
        raise linux_error(EINVAL, "struct ip_mreqn expected")
    group = int.from_bytes(value[0:4], "big")
    local = int.from_bytes(value[4:8], "big")
    ifindex = _INT.unpack_from(value, 8)[0] if len(value) >= 12 else 0
    return group, local, ifindex


def _storage(value: bytes, at: int) -> tuple[int, int]:
    """(family, IPv4 address) of the struct sockaddr_storage at this offset."""
    return int.from_bytes(value[at : at + 2], "little"), int.from_bytes(value[at + 4 : at + 8], "big")


def ip_mcast_option(sk: InetSock, optname: int, value: bytes) -> None:
    """IP_MSFILTER and the options of RFC 3678 that name interfaces by index.  Raises EINVAL, ENOBUFS, EADDRNOTAVAIL and
    what the memberships raise.
    """
    most = sk.ipv4.igmp_max_msf
    if optname == IP_MSFILTER:  # struct ip_msfilter
        if len(value) < 16:
            raise linux_error(EINVAL)
        group, local = (int.from_bytes(value[i : i + 4], "big") for i in (0, 4))
        mode, n = (int.from_bytes(value[i : i + 4], "little") for i in (8, 12))
        if n > most:
            raise linux_error(ENOBUFS)
        if 16 + 4 * n > len(value):
            raise linux_error(EINVAL)
        sources = [int.from_bytes(value[i : i + 4], "big") for i in range(16, 16 + 4 * n, 4)]
        ip_mc_msfilter(sk, group, local, 0, mode, sources)
        return
    ifindex = int.from_bytes(value[:4], "little")
    family, group = _storage(value, 8)
    if optname == MCAST_MSFILTER:  # struct group_filter
        if len(value) < 144:
            raise linux_error(EINVAL)
        mode, n = (int.from_bytes(value[i : i + 4], "little") for i in (136, 140))
        if n > most:
            raise linux_error(ENOBUFS)
        if 144 + 128 * n > len(value):
            raise linux_error(EINVAL)
        several = [_storage(value, 144 + 128 * i) for i in range(n)]
        if family != AF_INET or any(f != AF_INET for f, _ in several):
            raise linux_error(EADDRNOTAVAIL)
        ip_mc_msfilter(sk, group, 0, ifindex, mode, [a for _, a in several])
    elif optname in (MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP):  # struct group_req
        if len(value) < 136 or family != AF_INET:
            raise linux_error(EINVAL)
        if optname == MCAST_JOIN_GROUP:
            ip_mc_join_group(sk, group, 0, ifindex)
        else:
            ip_mc_leave_group(sk, group, 0, ifindex)
    else:  # struct group_source_req
        if len(value) != 264:
            raise linux_error(EINVAL)
        family2, src = _storage(value, 136)
        if family != AF_INET or family2 != AF_INET:
            raise linux_error(EADDRNOTAVAIL)
        if optname == MCAST_JOIN_SOURCE_GROUP:
            ip_mc_join_group(sk, group, 0, ifindex, include=True)
        add = optname in (MCAST_BLOCK_SOURCE, MCAST_JOIN_SOURCE_GROUP)
        include = optname in (MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP)
        ip_mc_source(sk, add, include, group, 0, src, ifindex)


def ip_get_mcast_filter(sk: InetSock, optname: int, buf: bytes) -> bytes:
    """getsockopt of IP_MSFILTER and MCAST_MSFILTER: `buf` names group, interface and how many sources have room;
    returned are mode, how many sources there are, and those that fit.  Raises EINVAL, ENODEV, EADDRNOTAVAIL.
    """
    by_index = optname == MCAST_MSFILTER
    at = 136 if by_index else 8  # of the mode, which the number of sources and the sources follow
    if len(buf) < at + 8:
        raise linux_error(EINVAL)
    if by_index:  # struct group_filter
        family, group = _storage(buf, 8)
        if family != AF_INET:
            raise linux_error(EINVAL)
    else:  # struct ip_msfilter
        group = int.from_bytes(buf[:4], "big")
    if group >> 28 != 0xE:
        raise linux_error(EINVAL)
    ifindex = int.from_bytes(buf[:4], "little")
    if not by_index:
        d = ip_mc_find_dev(sk.ipv4, group, int.from_bytes(buf[4:8], "big"), 0)
        if d is None:
            raise linux_error(ENODEV)
        ifindex = d.dev.ifindex
    for m in sk.mc_list:
        if m.group == group and m.ifindex == ifindex:
            break
    else:
        raise linux_error(EADDRNOTAVAIL)
    room = int.from_bytes(buf[at + 4 : at + 8], "little")
    head = buf[:at] + m.sfmode.to_bytes(4, "little") + len(m.sources).to_bytes(4, "little")
    addrs = [a.to_bytes(4, "big") for a in m.sources[:room]]
    if by_index:  # a struct sockaddr_storage each
        addrs = [b"\2\0\0\0" + a + bytes(120) for a in addrs]
    return head + b"".join(addrs)


def ip_ra_control(sk: InetSock, on: bool) -> None:
    """IP_ROUTER_ALERT of a raw socket.  Raises EINVAL (another socket), EADDRINUSE (already), ENOBUFS (off and never
    on).
    """
    if sk.type != SOCK_RAW or sk.num == IPPROTO_RAW:
        raise linux_error(EINVAL)
    chain = sk.ipv4.ra_chain
    if sk in chain:
        if on:
            raise linux_error(EADDRINUSE)
        chain.remove(sk)
    elif on:
        chain.append(sk)
    else:
        raise linux_error(ENOBUFS)


def ip_setsockopt(sk: InetSock, level: int, optname: int, value: int | bytes) -> None:
    """setsockopt at SOL_IP (and SOL_SOCKET).  Raises OSError."""
    if level == SOL_SOCKET:
        sk_setsockopt(sk, optname, value)
        return
    if level != SOL_IP:
        raise linux_error(ENOPROTOOPT, f"level {level}")
    if optname in (IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP):
        if sk.type == SOCK_STREAM:
            raise linux_error(EPROTO)
        group, local, ifindex = _mreq(value)
        if optname == IP_ADD_MEMBERSHIP:
            ip_mc_join_group(sk, group, local, ifindex)
        else:
            ip_mc_leave_group(sk, group, local, ifindex)
        return
    if optname in (IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP):
        if isinstance(value, int) or len(value) != 12:
            raise linux_error(EINVAL, "struct ip_mreq_source expected")
        group = int.from_bytes(value[0:4], "big")
        local = int.from_bytes(value[4:8], "big")
        src = int.from_bytes(value[8:12], "big")
        if optname == IP_BLOCK_SOURCE:
            ip_mc_source(sk, True, False, group, local, src)
        elif optname == IP_UNBLOCK_SOURCE:
            ip_mc_source(sk, False, False, group, local, src)
        elif optname == IP_ADD_SOURCE_MEMBERSHIP:
            ip_mc_join_group(sk, group, local, 0, include=True)
            ip_mc_source(sk, True, True, group, local, src)
        else:
            ip_mc_source(sk, False, True, group, local, src)
        return
    if isinstance(value, bytes) and len(value) < _LEAST.get(optname, 0):
        raise linux_error(EINVAL, "option value too short")
    if optname == IP_UNICAST_IF and isinstance(value, bytes) and len(value) != 4:
        raise linux_error(EINVAL, "four bytes expected")
    if optname in (IP_IPSEC_POLICY, IP_XFRM_POLICY):  # xfrm_user_policy: no key manager knows any
        if value == b"":
            raise linux_error(EMSGSIZE)
        raise linux_error(EOPNOTSUPP if optname == IP_IPSEC_POLICY else EINVAL)
    if optname == IP_LOCAL_PORT_RANGE and isinstance(value, bytes) and len(value) != 4:
        raise linux_error(EINVAL, "four bytes expected")
    if optname == IP_MULTICAST_IF:
        if sk.type == SOCK_STREAM:
            raise linux_error(EINVAL)
        if not isinstance(value, int) and len(value) >= 8:
            _, local, ifindex = _mreq(value)
        else:
            local = value if isinstance(value, int) else int.from_bytes(value[:4], "big")
            ifindex = 0
        if not ifindex:
            if local == 0:
                sk.mc_index = 0
                sk.mc_addr = 0
                return
            ifindex = _ifindex_of(sk, local)
            if not ifindex:
                raise linux_error(EADDRNOTAVAIL)
        elif ifindex not in sk.net.by_index:
            raise linux_error(EADDRNOTAVAIL)
        if sk.bound_dev_if and sk.bound_dev_if != ifindex:
            raise linux_error(EINVAL)
        sk.mc_index = ifindex
        sk.mc_addr = local
        return
    if optname == IP_OPTIONS:
        data = value if isinstance(value, bytes) else (value & 0xFFFFFFFF).to_bytes(4, "little")
        opt = ip_options_get(sk.ipv4, data)
        sk.inet_opt = opt if opt.optlen else None
        return
    if optname in (IP_MSFILTER, MCAST_MSFILTER) or MCAST_JOIN_GROUP <= optname <= MCAST_LEAVE_SOURCE_GROUP:
        ip_mcast_option(sk, optname, b"" if isinstance(value, int) else value)
        return
    val = (value[0] if isinstance(value, bytes) and 0 < len(value) < 4 else opt_int(value)) if value != b"" else 0
    if optname == IP_ROUTER_ALERT:
        ip_ra_control(sk, val != 0)
        return
    flag = _FLAG_OPTS.get(optname)
    if flag is not None:
        if optname == IP_RECVFRAGSIZE and sk.type not in (SOCK_RAW, 2):
            raise linux_error(EINVAL)
        sk.cmsg_flags = sk.cmsg_flags | flag if val else sk.cmsg_flags & ~flag
    elif optname == IP_TOS:
        tos = val & 0xFF
        if sk.type == SOCK_STREAM:
            tos = tos & ~3 | sk.tos & 3
        if sk.tos != tos:
            sk.tos = tos
            sk.priority = _TOS2PRIO[tos >> 1 & 15]
            sk.dst = None
    elif optname == IP_TTL:
        if val != -1 and not 1 <= val <= 255:
            raise linux_error(EINVAL)
        sk.uc_ttl = val
    elif optname == IP_HDRINCL:
        if sk.type != SOCK_RAW:
            raise linux_error(ENOPROTOOPT)
        sk.hdrincl = bool(val)
    elif optname == IP_NODEFRAG:
        if sk.type != SOCK_RAW:
            raise linux_error(ENOPROTOOPT)
        sk.nodefrag = bool(val)
    elif optname == IP_MTU_DISCOVER:
        if not 0 <= val <= 5:
            raise linux_error(EINVAL)
        sk.pmtudisc = val
    elif optname == IP_RECVERR:
        sk.recverr = bool(val)
        if not val:
            while sk.error_queue:
                e = sk.error_queue.popleft()
                sk.rmem_alloc -= e.skb.truesize
                kfree_skb_reason(
                    e.skb, SITE_ERRQ_PURGED if sk.ipv4.variant.socket_close_reason else SITE_ERRQ_PURGED_OLD
                )
    elif optname == IP_RECVERR_RFC4884:
        if val not in (0, 1):
            raise linux_error(EINVAL)
        sk.recverr_rfc4884 = bool(val)
    elif optname == IP_MULTICAST_TTL:
        if sk.type == SOCK_STREAM:
            raise linux_error(EINVAL)
        if val == -1:
            val = 1
        if not 0 <= val <= 255:
            raise linux_error(EINVAL)
        sk.mc_ttl = val
    elif optname == IP_MULTICAST_LOOP:
        sk.mc_loop = bool(val)
    elif optname == IP_MULTICAST_ALL:
        if val not in (0, 1):
            raise linux_error(EINVAL)
        sk.mc_all = bool(val)
    elif optname == IP_UNICAST_IF:
        ifindex = int.from_bytes((val & 0xFFFFFFFF).to_bytes(4, "little"), "big")
        if ifindex and ifindex not in sk.net.by_index:
            raise linux_error(EADDRNOTAVAIL)
        sk.uc_index = ifindex
    elif optname == IP_FREEBIND:
        sk.freebind = bool(val)
    elif optname == IP_TRANSPARENT:
        sk.transparent = bool(val)
    elif optname == IP_MINTTL:
        if not 0 <= val <= 255:
            raise linux_error(EINVAL)
        sk.min_ttl = val
    elif optname == IP_BIND_ADDRESS_NO_PORT:
        sk.bind_address_no_port = bool(val)
    elif optname == IP_LOCAL_PORT_RANGE:
        lo, hi = val & 0xFFFF, val >> 16 & 0xFFFF
        if lo and hi and lo > hi:
            raise linux_error(EINVAL)
        sk.port_lo, sk.port_hi = lo, hi
    else:
        raise linux_error(ENOPROTOOPT, f"SOL_IP option {optname}")


def ip_getsockopt(sk: InetSock, level: int, optname: int) -> int | bytes:
    """getsockopt at SOL_IP (and SOL_SOCKET): an int, or bytes for structures."""
    if level == SOL_SOCKET:
        return sk_getsockopt(sk, optname)
    if level != SOL_IP:
        raise linux_error(EOPNOTSUPP, f"level {level}")
    flag = _FLAG_OPTS.get(optname)
    if flag is not None:
        return 1 if sk.cmsg_flags & flag else 0
    if optname == IP_OPTIONS:
        return ip_options_undo(sk.inet_opt) if sk.inet_opt is not None else b""
    if optname == IP_TOS:
        return sk.tos
    if optname == IP_TTL:
        return sk.ipv4.ip_default_ttl if sk.uc_ttl == -1 else sk.uc_ttl
    if optname == IP_HDRINCL:
        return int(sk.hdrincl)
    if optname == IP_NODEFRAG:
        return int(sk.nodefrag)
    if optname == IP_ROUTER_ALERT and sk.ipv4.variant.alert_readable:
        return int(sk in sk.ipv4.ra_chain)
    if optname == IP_MTU_DISCOVER:
        return sk.pmtudisc
    if optname == IP_MTU:
        rt = sk.dst
        if isinstance(rt, Rtable):
            if rt.obsolete or (rt.genid == rt.ipv4.rt_genid and not rt.valid()):
                new = ip_route_output_flow(sk.ipv4, Flowi4(sk.daddr, sk.saddr, oif=sk.bound_dev_if, proto=sk.protocol))
                if new is None:
                    raise linux_error(ENOTCONN)
                sk.dst = rt = new
            return ipv4_mtu(rt)
        if sk.daddr and sk.state == TCP_ESTABLISHED and sk.type != SOCK_STREAM:  # an ICMP error made its route old
            new = ip_route_output_flow(sk.ipv4, Flowi4(sk.daddr, sk.saddr, oif=sk.bound_dev_if, proto=sk.protocol))
            if new is not None:
                sk.dst = new
                return ipv4_mtu(new)
        raise linux_error(ENOTCONN)
    if optname == IP_RECVERR:
        return int(sk.recverr)
    if optname == IP_RECVERR_RFC4884:
        return int(sk.recverr_rfc4884)
    if optname == IP_MULTICAST_TTL:
        return sk.mc_ttl
    if optname == IP_MULTICAST_LOOP:
        return int(sk.mc_loop)
    if optname == IP_MULTICAST_ALL:
        return int(sk.mc_all)
    if optname == IP_MULTICAST_IF:
        return sk.mc_addr.to_bytes(4, "big")
    if optname == IP_UNICAST_IF:
        return int.from_bytes(sk.uc_index.to_bytes(4, "little"), "big")
    if optname == IP_FREEBIND:
        return int(sk.freebind)
    if optname == IP_TRANSPARENT:
        return int(sk.transparent)
    if optname == IP_MINTTL:
        return sk.min_ttl
    if optname == IP_BIND_ADDRESS_NO_PORT:
        return int(sk.bind_address_no_port)
    if optname == IP_LOCAL_PORT_RANGE:
        return sk.port_hi << 16 | sk.port_lo
    if optname in (IP_MSFILTER, MCAST_MSFILTER):
        raise linux_error(EINVAL, "the buffer names no group")  # ip_get_mcast_filter reads what it names
    if optname == IP_PKTOPTIONS and sk.type == SOCK_STREAM:
        return b""
    if optname == IP_PROTOCOL:
        return sk.num  # inet_num: a raw socket's protocol, else the local port
    raise linux_error(ENOPROTOOPT, f"SOL_IP option {optname}")
