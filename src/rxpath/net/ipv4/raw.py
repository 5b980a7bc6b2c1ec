"""Raw sockets: every packet of a protocol before its handler sees it; sending with or without a header of one's own.

Facts: net/ipv4/raw.c (6.1).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import (
    EACCES,
    EADDRNOTAVAIL,
    EDESTADDRREQ,
    EFAULT,
    EHOSTUNREACH,
    EINVAL,
    EMSGSIZE,
    ENOBUFS,
    ENOPROTOOPT,
    EOPNOTSUPP,
    EPROTO,
    linux_error,
)
from rxpath.net.core.datagram import skb_copy_datagram_msg, skb_free_datagram, skb_recv_datagram
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason, skb_clone, skb_put
from rxpath.net.core.sock import (
    IPPROTO_RAW,
    MSG_ERRQUEUE,
    MSG_MORE,
    MSG_OOB,
    MSG_TRUNC,
    SOCK_RAW,
    SOF_TIMESTAMPING_TX_RECORD_MASK,
    SOL_RAW,
    TCP_CLOSE,
    TCP_ESTABLISHED,
    Msg,
    opt_int,
    sk_error_report,
    sk_release,
    sock_queue_rcv_skb_reason,
    sock_recv_cmsgs,
)
from rxpath.net.core.timestamping import sock_tx_timestamp
from rxpath.net.core.xmit import NET_XMIT_CN
from rxpath.net.ipv4.datagram import ip4_datagram_connect, parse_addr, udp_disconnect_common
from rxpath.net.ipv4.fib import RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, inet_addr_type
from rxpath.net.ipv4.igmp import ip_mc_drop_socket, ip_mc_sf_allow
from rxpath.net.ipv4.inet_sock import IP_PMTUDISC_DONT, Address, Cmsg, InetSock
from rxpath.net.ipv4.ip_output import (
    Cork,
    IpcmCookie,
    __ip_select_ident,
    _nf_local_out,
    ip_append_data,
    ip_flush_pending_frames,
    ip_send_skb,
    sock_alloc_send_pskb,
    sock_wait_for_room,
)
from rxpath.net.ipv4.ip_sockglue import (
    ICMP_ERR_CONVERT,
    ip_cmsg_recv_offset,
    ip_cmsg_send,
    ip_icmp_error,
    ip_local_error,
    ip_ra_control,
    ip_recv_error,
    ipv4_pktinfo_prepare,
)
from rxpath.net.ipv4.mib import IPSTATS_MIB_OUTDISCARDS
from rxpath.net.ipv4.netns import Inetsw, Ipv4, ipv4_of
from rxpath.net.ipv4.route import (
    FLOWI_FLAG_ANYSRC,
    FLOWI_FLAG_KNOWN_NH,
    IPTOS_RT_MASK,
    RTCF_BROADCAST,
    Flowi4,
    Rtable,
    inet_iif,
    ip_route_output_flow,
    ipv4_sk_redirect,
    ipv4_sk_update_pmtu,
)
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.checksum import ip_fast_csum
from rxpath.wire.icmp import (
    ICMP_DEST_UNREACH,
    ICMP_FRAG_NEEDED,
    ICMP_PARAMETERPROB,
    ICMP_REDIRECT,
    ICMP_SOURCE_QUENCH,
    NR_ICMP_UNREACH,
)
from rxpath.wire.ipv4 import IPPROTO_ICMP

ICMP_FILTER: Final = 1

SITE_RAW_FULL: Final = Site("socket", "receive buffer of a raw socket full", "socket drops", "SOCKET_RCVBUFF")
SITE_RAW_MEM: Final = Site("socket", "memory of raw sockets used up", "socket drops", "PROTO_MEM")
SITE_RAW_BAD_HEADER: Final = Site("raw", "header of a program's own is malformed", "Ip OutDiscards", "NOT_SPECIFIED")
SITE_RAW_FILTER: Final = Site("socket", "filter of a raw socket", "none", "SOCKET_FILTER")

_ADDRS: Final = Struct(">II")


class RawSock(InetSock):
    __slots__ = ("icmp_filter", "hashed")

    def __init__(self, net: Net, protocol: int) -> None:
        super().__init__(net, SOCK_RAW, protocol, ipv4_of(net).raw_prot)
        self.reuse = 1  # INET_PROTOSW_REUSE
        self.icmp_filter = 0
        self.hashed = False
        self.num = protocol
        if protocol == IPPROTO_RAW:
            self.hdrincl = True
        self.sport = protocol
        self.hash()

    def hash(self) -> None:
        if not self.hashed:
            self.hashed = True
            self.ipv4.raw_hash.setdefault(self.num, []).insert(0, self)

    def unhash(self) -> None:
        if self.hashed:
            self.hashed = False
            lst = self.ipv4.raw_hash[self.num]
            lst.remove(self)
            if not lst:
                del self.ipv4.raw_hash[self.num]

    def bind(self, addr: int, port: int) -> None:
        raw_bind(self, addr)

    def connect(self, addr: int, port: int, flags: int) -> None:
        ip4_datagram_connect(self, addr, port)

    def disconnect(self) -> None:
        num = self.num  # the port is nobody's, so the socket leaves the table and hears nothing any more
        udp_disconnect_common(self)
        self.num = num

    def sendmsg(self, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
        return raw_sendmsg(self, data, name, control, flags)

    def recvmsg(self, size: int, flags: int) -> Msg:
        return raw_recvmsg(self, size, flags)

    def siocinq(self) -> int:
        return self.receive_queue[0].len if self.receive_queue else 0

    def setsockopt(self, level: int, optname: int, value: int | bytes) -> None:
        if level == SOL_RAW:
            if optname != ICMP_FILTER:
                raise linux_error(ENOPROTOOPT)
            if self.num != IPPROTO_ICMP:
                raise linux_error(EOPNOTSUPP)
            if isinstance(value, bytes) and len(value) < 4:  # the rest stays
                value += self.icmp_filter.to_bytes(4, "little")[len(value) :]
            self.icmp_filter = opt_int(value) & 0xFFFFFFFF
        else:
            super().setsockopt(level, optname, value)

    def getsockopt(self, level: int, optname: int) -> int | bytes:
        if level == SOL_RAW:
            if optname != ICMP_FILTER or self.num != IPPROTO_ICMP:
                raise linux_error(ENOPROTOOPT if optname != ICMP_FILTER else EOPNOTSUPP)
            return self.icmp_filter.to_bytes(4, "little")
        return super().getsockopt(level, optname)

    def close(self) -> None:
        if not self.dead:
            if self in self.ipv4.ra_chain:
                ip_ra_control(self, False)
            self.unhash()
            ip_mc_drop_socket(self)
            raw_flush_pending_frames(self)
            sk_release(self)


def raw_flush_pending_frames(sk: RawSock) -> None:
    """What was gathered with MSG_MORE goes."""
    if sk.cork is not None:
        ip_flush_pending_frames(sk.cork)
        sk.cork = None


def raw_bind(sk: RawSock, addr: int) -> None:
    if sk.state != TCP_CLOSE:
        raise linux_error(EINVAL)
    t = inet_addr_type(sk.ipv4, addr)
    if (
        addr
        and t not in (RTN_LOCAL, RTN_MULTICAST, RTN_BROADCAST)
        and not (sk.freebind or sk.transparent or sk.ipv4.ip_nonlocal_bind)
    ):
        raise linux_error(EADDRNOTAVAIL)
    sk.rcv_saddr = sk.saddr = addr
    if t in (RTN_MULTICAST, RTN_BROADCAST):
        sk.saddr = 0
    sk.dst = None


def raw_v4_match(sk: InetSock, num: int, raddr: int, laddr: int, dif: int) -> bool:
    return (
        sk.num == num
        and not (sk.daddr and sk.daddr != raddr)
        and not (sk.rcv_saddr and sk.rcv_saddr != laddr)
        and (not sk.bound_dev_if or sk.bound_dev_if == dif)
    )


def raw_local_deliver(ipv4: Ipv4, skb: SkBuff, protocol: int) -> bool:
    """Give a clone to every raw socket of the protocol that wants it; True when there was one."""
    socks = ipv4.raw_hash.get(protocol)
    return bool(socks) and raw_v4_input(ipv4, skb, protocol)


def raw_v4_input(ipv4: Ipv4, skb: SkBuff, protocol: int) -> bool:
    delivered = False
    nh = skb.network_header
    saddr, daddr = _ADDRS.unpack_from(skb.head, nh + 12)
    dif = inet_iif(skb)
    for sk in list(ipv4.raw_hash.get(protocol, ())):
        if not raw_v4_match(sk, protocol, saddr, daddr, dif):
            continue
        assert isinstance(sk, RawSock)
        if sk.rmem_alloc >= sk.rcvbuf and ipv4.variant.raw_early_full:
            sk.drops += 1
            continue
        delivered = True
        if protocol == IPPROTO_ICMP and icmp_filter(sk, skb):
            continue
        if not ip_mc_sf_allow(sk, daddr, saddr, dif):
            continue
        raw_rcv(sk, skb_clone(skb))
    return delivered


def icmp_filter(sk: RawSock, skb: SkBuff) -> bool:
    """ICMP_FILTER: a bit a type that is not wanted."""
    if skb.len < 8:
        return True
    t = skb.tobytes()[0] if skb.tail <= skb.data else skb.head[skb.data]
    return t < 32 and bool(1 << t & sk.icmp_filter)


def raw_rcv(sk: RawSock, skb: SkBuff) -> int:
    """Queue a packet, the IP header included."""
    nh = skb.network_header
    skb.len += skb.data - nh
    skb.data = nh
    return raw_rcv_skb(sk, skb)


def raw_rcv_skb(sk: RawSock, skb: SkBuff) -> int:
    ipv4_pktinfo_prepare(sk, skb)
    rc = sock_queue_rcv_skb_reason(sk, skb)
    if rc < 0:
        kfree_skb_reason(skb, SITE_RAW_FULL if rc == -12 else SITE_RAW_MEM if rc == -105 else SITE_RAW_FILTER)
        return 1
    return 0


def raw_icmp_error(ipv4: Ipv4, skb: SkBuff, protocol: int, info: int) -> None:
    """An ICMP error quotes a packet of this protocol; skb.data at the quoted header."""
    socks = ipv4.raw_hash.get(protocol)
    if not socks:
        return
    q = skb.data
    saddr, daddr = _ADDRS.unpack_from(skb.head, q + 12)
    dev = skb.dev
    for sk in list(socks):
        if raw_v4_match(sk, protocol, daddr, saddr, dev.ifindex if dev is not None else 0):
            assert isinstance(sk, RawSock)
            raw_err(sk, skb, info)


def raw_err(sk: RawSock, skb: SkBuff, info: int) -> None:
    th = skb.transport_header
    type_ = skb.head[th]
    code = skb.head[th + 1]
    if type_ == ICMP_DEST_UNREACH and code == ICMP_FRAG_NEEDED:
        ipv4_sk_update_pmtu(sk, skb, info)
    elif type_ == ICMP_REDIRECT:
        ipv4_sk_redirect(skb, sk)
        return
    if not sk.recverr and sk.state != TCP_ESTABLISHED:
        return
    err = EHOSTUNREACH
    hard = False
    if type_ == ICMP_SOURCE_QUENCH:
        return
    if type_ == ICMP_PARAMETERPROB:
        err, hard = EPROTO, True
    elif type_ == ICMP_DEST_UNREACH:
        if code <= NR_ICMP_UNREACH:
            err, hard = ICMP_ERR_CONVERT[code]
        if code == ICMP_FRAG_NEEDED:
            hard = sk.pmtudisc != IP_PMTUDISC_DONT
            err = EMSGSIZE
    if sk.recverr:
        q = skb.data
        at = q
        if not sk.hdrincl:
            at += (skb.head[q] & 15) << 2
        ip_icmp_error(sk, skb, err, 0, info, at)
    if sk.recverr or hard:
        sk.err = err
        sk_error_report(sk)


def raw_sendmsg(sk: RawSock, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
    ipv4 = sk.ipv4
    if len(data) > 0xFFFF:
        raise linux_error(EMSGSIZE)
    if flags & MSG_OOB:
        raise linux_error(EOPNOTSUPP)
    if name is not None:
        daddr, _ = parse_addr(name)
    else:
        if sk.state != TCP_ESTABLISHED:
            raise linux_error(EDESTADDRREQ)
        daddr = sk.daddr
    ipc = IpcmCookie(sk)
    if control:
        ip_cmsg_send(sk, control, ipc)
    if sk.protocol == IPPROTO_ICMP and not sk.hdrincl and len(data) < 2:
        raise linux_error(EFAULT)  # raw_probe_proto_opt wants type and code
    saddr = ipc.addr
    ipc.addr = daddr
    if ipc.opt is None and sk.inet_opt is not None:
        ipc.opt = sk.inet_opt.copy()
    faddr = daddr
    if ipc.opt is not None:
        if sk.hdrincl:
            raise linux_error(EINVAL)
        if ipc.opt.srr:
            if not daddr:
                raise linux_error(EINVAL)
            faddr = ipc.opt.faddr
    if daddr >> 28 == 0xE:
        if not ipc.oif:
            ipc.oif = sk.mc_index
        if not saddr:
            saddr = sk.mc_addr
    elif not ipc.oif:
        ipc.oif = sk.uc_index
    tos = (ipc.tos if ipc.tos >= 0 else sk.tos) & IPTOS_RT_MASK
    fl4 = Flowi4(
        faddr,
        saddr,
        oif=ipc.oif,
        tos=tos,
        proto=IPPROTO_RAW if sk.hdrincl else sk.protocol,
        scope=253 if sk.localroute else 0,
        flags=(FLOWI_FLAG_KNOWN_NH if sk.hdrincl else 0) | (FLOWI_FLAG_ANYSRC if sk.hdrincl or sk.transparent else 0),
    )
    rt: Rtable | None = ip_route_output_flow(ipv4, fl4)
    if rt is None:
        raise linux_error(-fl4.error)
    if rt.rt_flags & RTCF_BROADCAST and not sk.broadcast:
        raise linux_error(EACCES)
    if sk.hdrincl:
        raw_send_hdrinc(sk, fl4, data, rt, ipc)
        return len(data)
    if not ipc.addr:
        ipc.addr = fl4.daddr
    fl4.proto = sk.protocol
    if sk.protocol == IPPROTO_ICMP and data:
        fl4.icmp_type = data[0]
    cork = sk.cork  # what came before with MSG_MORE
    if cork is None:
        cork = sk.cork = Cork(sk, fl4, ipc, rt, 0)
    try:
        ip_append_data(cork, data, flags)
    except OSError:
        raw_flush_pending_frames(sk)
        raise
    if not flags & MSG_MORE:
        sk.cork = None
        cork.fl4 = fl4  # the header is made of the last call's flow, on the first one's route
        ip_send_skb(ipv4, cork, cork.payload())
    return len(data)


def raw_send_hdrinc(sk: RawSock, fl4: Flowi4, data: bytes, rt: Rtable, ipc: IpcmCookie) -> None:
    """The program brought the IP header; source, id, length and checksum are filled in where it left them open."""
    ipv4 = sk.ipv4
    n = len(data)
    if n > rt.dev.mtu:
        ip_local_error(sk, EMSGSIZE, fl4.daddr, sk.dport, rt.dev.mtu)
        raise linux_error(EMSGSIZE)
    if n < 20:
        raise linux_error(EINVAL)
    hl = (data[0] & 15) << 2
    try:
        sock_wait_for_room(sk)
    except OSError:
        ipv4.ip[IPSTATS_MIB_OUTDISCARDS] += 1
        raise
    if hl < 20 or hl > n:
        skb = sock_alloc_send_pskb(sk, n + 31)
        kfree_skb_reason(skb, SITE_RAW_BAD_HEADER)
        ipv4.ip[IPSTATS_MIB_OUTDISCARDS] += 1
        raise linux_error(EINVAL)
    h = bytearray(data)
    if not any(h[12:16]):
        h[12:16] = fl4.saddr.to_bytes(4, "big")
    h[2:4] = n.to_bytes(2, "big")
    if h[4:6] == b"\0\0":
        h[4:6] = __ip_select_ident(ipv4, fl4.saddr, fl4.daddr, h[9]).to_bytes(2, "big")
    h[10:12] = b"\0\0"
    h[10:12] = ip_fast_csum(h[:hl]).to_bytes(2, "big")
    skb = sock_alloc_send_pskb(sk, n + 31)
    skb_put(skb, bytes(h))
    skb.network_header = 0
    skb.transport_header = hl
    skb.dst = rt
    skb.protocol = 0x0800
    skb.mark = sk.mark
    skb.priority = sk.priority
    skb.txstamp = sock_tx_timestamp(sk, ipc.tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK, ipc.ts_opt_id)
    if h[9] == IPPROTO_ICMP and n >= hl + 8:
        from rxpath.net.ipv4.icmp import icmp_out_count

        icmp_out_count(ipv4, h[hl])
    err = _nf_local_out(ipv4, sk, skb)
    if err == 1:
        err = rt.output(skb)  # not counted as a request: the header is the program's
    if err:
        if err == NET_XMIT_CN:
            return
        if err > 0:
            err = -ENOBUFS
        ipv4.ip[IPSTATS_MIB_OUTDISCARDS] += 1
        if not (err == -ENOBUFS and not sk.recverr):
            raise linux_error(-err)


def raw_recvmsg(sk: RawSock, size: int, flags: int) -> Msg:
    """Read one packet, IP header included."""
    if flags & MSG_OOB:
        raise linux_error(EOPNOTSUPP)
    if flags & MSG_ERRQUEUE:
        return ip_recv_error(sk, size)
    skb = skb_recv_datagram(sk, flags)
    msg = Msg()
    if skb is None:
        return msg
    skb_copy_datagram_msg(msg, skb, size)
    sock_recv_cmsgs(msg, sk, skb)
    nh = skb.network_header
    msg.name = (ip4_str(int.from_bytes(skb.head[nh + 12 : nh + 16], "big")), 0)
    if sk.cmsg_flags:
        ip_cmsg_recv_offset(msg, sk, skb, 0, 0)
    if flags & MSG_TRUNC:
        msg.n = skb.len
    skb_free_datagram(sk, skb, flags)
    return msg


class RawInetsw(Inetsw):
    __slots__ = ()

    def create(self, net: Net, protocol: int) -> InetSock:
        return RawSock(net, protocol)
