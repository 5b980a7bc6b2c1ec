"""Ping sockets (SOCK_DGRAM, IPPROTO_ICMP): an identifier as port, echo replies to their owner.

Facts: net/ipv4/ping.c (6.1).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import (
    EACCES,
    EADDRNOTAVAIL,
    EAGAIN,
    EDESTADDRREQ,
    EHOSTUNREACH,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOTTY,
    EOPNOTSUPP,
    EPROTO,
    EREMOTEIO,
    linux_error,
)
from rxpath.net.core.datagram import skb_copy_datagram_msg, skb_free_datagram, skb_recv_datagram
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason, skb_clone, skb_drop_dataref
from rxpath.net.core.sock import (
    MSG_ERRQUEUE,
    MSG_OOB,
    SOCK_DGRAM,
    TCP_ESTABLISHED,
    Msg,
    sk_error_report,
    sk_release,
    sock_queue_rcv_skb_reason,
    sock_recv_timestamp,
)
from rxpath.net.ipv4.datagram import ip4_datagram_connect, parse_addr, udp_disconnect_common
from rxpath.net.ipv4.fib import RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, inet_addr_type
from rxpath.net.ipv4.inet_sock import IP_PMTUDISC_DONT, Address, Cmsg, InetSock
from rxpath.net.ipv4.ip_cb import ip_cb
from rxpath.net.ipv4.ip_output import IpcmCookie, ip_make_skb, ip_send_skb
from rxpath.net.ipv4.ip_sockglue import (
    ICMP_ERR_CONVERT,
    ip_cmsg_recv_offset,
    ip_cmsg_send,
    ip_icmp_error,
    ip_recv_error,
)
from rxpath.net.ipv4.mib import IPSTATS_MIB_OUTNOROUTES
from rxpath.net.ipv4.netns import Inetsw, Ipv4, ipv4_of
from rxpath.net.ipv4.route import (
    FLOWI_FLAG_ANYSRC,
    IPTOS_RT_MASK,
    RTCF_BROADCAST,
    Flowi4,
    Rtable,
    ip_route_output_flow,
    ipv4_sk_redirect,
    ipv4_sk_update_pmtu,
)
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.checksum import ip_compute_csum
from rxpath.wire.icmp import (
    ICMP_DEST_UNREACH,
    ICMP_ECHO,
    ICMP_EXT_ECHO,
    ICMP_FRAG_NEEDED,
    ICMP_PARAMETERPROB,
    ICMP_REDIRECT,
    ICMP_SOURCE_QUENCH,
    NR_ICMP_UNREACH,
)
from rxpath.wire.ipv4 import IPPROTO_ICMP

SITE_PING_FULL: Final = Site("socket", "receive buffer of a ping socket full", "none", "SOCKET_RCVBUFF")
SITE_PING_MEM: Final = Site("socket", "memory of ping sockets used up", "none", "PROTO_MEM")
SITE_PING_FILTER: Final = Site("socket", "filter of a ping socket", "none", "SOCKET_FILTER")
_ADDRS: Final = Struct(">II")


class PingSock(InetSock):
    __slots__ = ("hashed",)

    def __init__(self, net: Net) -> None:
        super().__init__(net, SOCK_DGRAM, IPPROTO_ICMP, ipv4_of(net).ping_prot)
        self.hashed = False
        self.reuse = 1  # INET_PROTOSW_REUSE

    def get_port(self, snum: int) -> bool:
        return ping_get_port(self, snum)

    def bind(self, addr: int, port: int) -> None:
        ping_check_bind_addr(self, addr)
        super().bind(addr, port)

    def unhash(self) -> None:
        if self.hashed:
            self.hashed = False
            self.ipv4.ping_socks.remove(self)
            self.num = 0
            self.sport = 0

    def connect(self, addr: int, port: int, flags: int) -> None:
        ip4_datagram_connect(self, addr, port)

    def disconnect(self) -> None:
        udp_disconnect_common(self)

    def sendmsg(self, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
        return ping_v4_sendmsg(self, data, name, control, flags)

    def recvmsg(self, size: int, flags: int) -> Msg:
        return ping_recvmsg(self, size, flags)

    def siocinq(self) -> int:
        raise linux_error(ENOTTY)

    def close(self) -> None:
        if not self.dead:
            self.unhash()
            sk_release(self)


def ping_check_bind_addr(sk: PingSock, addr: int) -> None:
    """Raises EADDRNOTAVAIL for a group and a broadcast address, and for one that is nobody's here."""
    t = inet_addr_type(sk.ipv4, addr)
    if addr and (
        t in (RTN_MULTICAST, RTN_BROADCAST)
        or (t != RTN_LOCAL and not (sk.ipv4.ip_nonlocal_bind or sk.freebind or sk.transparent))
    ):
        raise linux_error(EADDRNOTAVAIL)


def ping_get_port(sk: PingSock, ident: int) -> bool:
    socks = sk.ipv4.ping_socks
    if ident == 0:
        used = {s.num for s in socks}
        start = sk.ipv4.random.randrange(65535)
        for i in range(65535):
            v = (start + i) % 65535 + 1
            if v not in used:
                ident = v
                break
        else:
            return False
    else:
        for s in socks:
            if s.num == ident and s is not sk and not (s.reuse and sk.reuse):
                return False
    sk.num = ident
    if not sk.hashed:
        sk.hashed = True
        socks.insert(0, sk)
    return True


def ping_lookup(ipv4: Ipv4, saddr: int, daddr: int, ident: int, dif: int) -> PingSock | None:
    for s in ipv4.ping_socks:
        if isinstance(s, PingSock) and s.num == ident and s.rcv_saddr in (0, daddr) and s.bound_dev_if in (0, dif):
            return s
    return None


def ping_rcv(ipv4: Ipv4, skb: SkBuff) -> bool:
    """An echo reply; skb.data behind the ICMP header.  True: a socket took (a clone of) it."""
    th = skb.transport_header
    head = skb.head
    saddr, daddr = _ADDRS.unpack_from(head, skb.network_header + 12)
    dev = skb.dev
    sk = ping_lookup(ipv4, saddr, daddr, head[th + 4] << 8 | head[th + 5], dev.ifindex if dev is not None else 0)
    if sk is None:
        return False
    if ipv4.variant.ping_takes_packet:
        c = skb_take_over(skb)
    else:
        c = skb_clone(skb)
    c.data = th
    c.len += skb.data - th
    cb = ip_cb(c)  # nobody prepares IP_PKTINFO here: it shows what stands in its place
    cb.pi_ifindex = c.skb_iif
    cb.pi_spec_dst = cb.opt.faddr if cb.opt is not None else 0
    rc = sock_queue_rcv_skb_reason(sk, c)
    if rc < 0:
        kfree_skb_reason(c, SITE_PING_FULL if rc == -12 else SITE_PING_MEM if rc == -105 else SITE_PING_FILTER)
        return ipv4.variant.ping_takes_packet
    return True


def skb_take_over(skb: SkBuff) -> SkBuff:
    """The packet in another object, which stands for its frames alone; what is left is an empty shell."""
    tokens, fate, cloned = skb.tokens, skb.fate, skb.cloned
    skb.tokens = 0
    c = skb_clone(skb)
    c.tokens, c.fate, c.tag, c.cloned = tokens, fate, skb.tag, cloned
    skb.fate = None
    skb_drop_dataref(skb)
    return c


def ping_err(ipv4: Ipv4, skb: SkBuff, icmp_at: int, info: int) -> None:
    """An error quotes an echo request of a ping socket."""
    head = skb.head
    saddr, daddr = _ADDRS.unpack_from(head, skb.network_header + 12)  # of the error, not of what it quotes
    if head[icmp_at] not in (ICMP_ECHO, ICMP_EXT_ECHO) or head[icmp_at + 1]:  # ping_supported
        return
    dev = skb.dev
    sk = ping_lookup(
        ipv4, saddr, daddr, head[icmp_at + 4] << 8 | head[icmp_at + 5], dev.ifindex if dev is not None else 0
    )
    if sk is None:
        return
    th = skb.transport_header
    type_ = head[th]
    code = head[th + 1]
    err = EHOSTUNREACH
    hard = False
    if type_ == ICMP_SOURCE_QUENCH:
        err = EREMOTEIO  # no real error, but ping wants to see it
    elif type_ == ICMP_REDIRECT:
        ipv4_sk_redirect(skb, sk)
        err = EREMOTEIO
    elif type_ == ICMP_PARAMETERPROB:
        err, hard = EPROTO, True
    elif type_ == ICMP_DEST_UNREACH:
        if code == ICMP_FRAG_NEEDED:
            ipv4_sk_update_pmtu(sk, skb, info)
            if sk.pmtudisc == IP_PMTUDISC_DONT:
                return
            err, hard = EMSGSIZE, True
        elif code <= NR_ICMP_UNREACH:
            err, hard = ICMP_ERR_CONVERT[code]
    if not sk.recverr:
        if not hard or sk.state != TCP_ESTABLISHED:
            return
    else:
        ip_icmp_error(sk, skb, err, 0, info, icmp_at)
    sk.err = err
    sk_error_report(sk)


def ping_v4_sendmsg(sk: PingSock, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
    """Send an echo request: the program's header, its identifier and checksum made by the kernel."""
    ipv4 = sk.ipv4
    if len(data) > 0xFFFF:
        raise linux_error(EMSGSIZE)
    if len(data) < 8:
        raise linux_error(EINVAL)
    if flags & MSG_OOB:
        raise linux_error(EOPNOTSUPP)
    if data[1] or (data[0] != 8 and not (data[0] == 42 and ipv4.variant.ext_echo)):  # ping_supported
        raise linux_error(EINVAL)
    if name is not None:
        daddr, _ = parse_addr(name)
    else:
        if sk.state != TCP_ESTABLISHED:
            raise linux_error(EDESTADDRREQ)
        daddr = sk.daddr
    if not sk.num and not ping_get_port(sk, 0):
        raise linux_error(EAGAIN)
    sk.sport = sk.num
    ipc = IpcmCookie(sk)
    if control:
        ip_cmsg_send(sk, control, ipc)
    saddr = ipc.addr
    ipc.addr = daddr
    fl4 = Flowi4(
        daddr,
        saddr,
        oif=ipc.oif or (sk.mc_index if daddr >> 28 == 0xE else sk.uc_index),
        tos=sk.tos & IPTOS_RT_MASK,
        proto=IPPROTO_ICMP,
        flags=FLOWI_FLAG_ANYSRC if sk.transparent else 0,
    )
    rt: Rtable | None = ip_route_output_flow(ipv4, fl4)
    if rt is None:
        if fl4.error == -ENETUNREACH:
            ipv4.ip[IPSTATS_MIB_OUTNOROUTES] += 1
        raise linux_error(-fl4.error)
    if rt.rt_flags & RTCF_BROADCAST and not sk.broadcast:
        raise linux_error(EACCES)
    if not ipc.addr:
        ipc.addr = fl4.daddr
    msg = data[:2] + b"\0\0" + sk.num.to_bytes(2, "big") + data[6:]
    msg = msg[:2] + ip_compute_csum(msg).to_bytes(2, "big") + msg[4:]
    cork = ip_make_skb(sk, fl4, msg, 0, ipc, rt, flags)
    ip_send_skb(ipv4, cork, msg)
    return len(data)


def ping_recvmsg(sk: PingSock, size: int, flags: int) -> Msg:
    if flags & MSG_OOB:
        raise linux_error(EOPNOTSUPP)
    if flags & MSG_ERRQUEUE:
        return ip_recv_error(sk, size)
    skb = skb_recv_datagram(sk, flags)
    msg = Msg()
    if skb is None:
        return msg
    skb_copy_datagram_msg(msg, skb, size)
    sock_recv_timestamp(msg, sk, skb)
    nh = skb.network_header
    msg.name = (ip4_str(int.from_bytes(skb.head[nh + 12 : nh + 16], "big")), 0)
    if sk.cmsg_flags:
        ip_cmsg_recv_offset(msg, sk, skb, 0, 0)
    skb_free_datagram(sk, skb, flags)
    return msg


class PingInetsw(Inetsw):
    __slots__ = ()

    def create(self, net: Net, protocol: int) -> InetSock:
        ipv4 = ipv4_of(net)
        if not ipv4.ping_group_lo <= 0 <= ipv4.ping_group_hi:
            raise linux_error(EACCES, "net.ipv4.ping_group_range")
        return PingSock(net)
