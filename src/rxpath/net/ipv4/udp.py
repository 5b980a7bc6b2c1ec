"""UDP: lookup, receive, queueing with its memory rules, reading, sending, errors.

Facts: net/ipv4/udp.c of 3.13, 5.15, 6.1 (order of functions recorded on 6.1, memory rules recorded on 6.1 and
6.18), datagram.c.
"""

from __future__ import annotations

import contextlib
from collections import deque
from math import gcd
from struct import Struct
from typing import Final

from rxpath.kernel.cpu import Cpu
from rxpath.kernel.errno import (
    EACCES,
    EAGAIN,
    EDESTADDRREQ,
    EHOSTUNREACH,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOBUFS,
    ENOENT,
    ENOPROTOOPT,
    EOPNOTSUPP,
    EPROTO,
    linux_error,
)
from rxpath.kernel.mm import PAGE_SIZE
from rxpath.net.core.busy_poll import sk_busy_loop
from rxpath.net.core.datagram import __skb_recv_datagram, __skb_try_recv_from_queue
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import (
    CHECKSUM_COMPLETE,
    CHECKSUM_NONE,
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    PACKET_HOST,
    PACKET_MULTICAST,
    SKB_GSO_FRAGLIST,
    SKB_GSO_UDP_L4,
    SUMMED_BELOW,
    SUMMED_CONVERTED,
    SUMMED_CUT,
    SUMMED_PAYLOAD,
    SUMMED_WITH_HEADER,
    SkBuff,
    __alloc_skb,
    __skb_checksum_complete,
    consume_skb,
    ip_hdr,
    kfree_skb_reason,
    pskb_may_pull,
    pskb_trim,
    skb_clone,
    skb_condense,
)
from rxpath.net.core.sock import (
    MSG_CONFIRM,
    MSG_DONTROUTE,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    MSG_MORE,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    PAGE_SHIFT,
    POLLIN,
    POLLRDNORM,
    RCV_SHUTDOWN,
    SHUTDOWN_MASK,
    SITE_SOCK_CLOSED,
    SK_MEM_RECV,
    SOCK_DGRAM,
    SOL_UDP,
    TCP_ESTABLISHED,
    Msg,
    Sock,
    __sk_mem_raise_allocated,
    __sk_mem_reduce_allocated,
    __skb_wait_for_more_packets,
    __sock_queue_rcv_skb,
    count_tokens,
    datagram_poll,
    opt_int,
    sk_error_report,
    sk_filter_trim_cap,
    sk_release,
    sock_deadline,
    sock_def_readable,
    sock_error,
    sock_recv_cmsgs,
    sock_rfree,
)
from rxpath.net.ipv4.datagram import ip4_datagram_connect, parse_addr, udp_disconnect_common
from rxpath.net.ipv4.icmp import icmp_send
from rxpath.net.ipv4.igmp import ip_check_mc_rcu, ip_mc_drop_socket, ip_mc_sf_allow
from rxpath.net.ipv4.inet_sock import IP_PMTUDISC_DONT, Address, Cmsg, InetSock, inet_is_local_reserved_port
from rxpath.net.ipv4.ip_output import (
    Cork,
    IpcmCookie,
    ip_append_data,
    ip_flush_pending_frames,
    ip_make_skb,
    ip_send_skb,
)
from rxpath.net.ipv4.ip_sockglue import (
    CMSG_CHECKSUM,
    ICMP_ERR_CONVERT,
    ip_cmsg_recv_offset,
    ip_cmsg_send,
    ip_icmp_error,
    ip_recv_error,
    ipv4_pktinfo_prepare,
)
from rxpath.net.ipv4.mib import (
    ICMP_MIB_INERRORS,
    IPSTATS_MIB_OUTNOROUTES,
    UDP_MIB_CSUMERRORS,
    UDP_MIB_IGNOREDMULTI,
    UDP_MIB_INDATAGRAMS,
    UDP_MIB_INERRORS,
    UDP_MIB_MEMERRORS,
    UDP_MIB_NOPORTS,
    UDP_MIB_OUTDATAGRAMS,
    UDP_MIB_RCVBUFERRORS,
    UDP_MIB_SNDBUFERRORS,
)
from rxpath.net.ipv4.netns import Inetsw, Ipv4, NetProtocol, ipv4_of
from rxpath.net.ipv4.offload import IpOffload, UdpGroLookup
from rxpath.net.ipv4.route import (
    FLOWI_FLAG_ANYSRC,
    IPTOS_RT_MASK,
    RTCF_BROADCAST,
    RTCF_MULTICAST,
    Flowi4,
    Rtable,
    inet_iif,
    ip_mc_validate_source,
    ip_route_output_flow,
    ipv4_sk_redirect,
    ipv4_sk_update_pmtu,
)
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.checksum import csum_partial, csum_sub, csum_tcpudp_magic, csum_tcpudp_nofold, transport_checksum
from rxpath.wire.icmp import (
    ICMP_DEST_UNREACH,
    ICMP_FRAG_NEEDED,
    ICMP_PARAMETERPROB,
    ICMP_PORT_UNREACH,
    ICMP_REDIRECT,
    ICMP_SOURCE_QUENCH,
    NR_ICMP_UNREACH,
)

UDP_CORK: Final = 1
UDPLITE_SEND_CSCOV: Final = 10
UDPLITE_RECV_CSCOV: Final = 11
UDP_ENCAP: Final = 100
UDP_NO_CHECK6_TX: Final = 101
UDP_NO_CHECK6_RX: Final = 102
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104

MAX_ADDR_TEXT: Final = 4096

SITE_HDR: Final = Site("udp", "no room for a UDP header", "Udp InErrors", "NOT_SPECIFIED")
SITE_SHORT: Final = Site("udp", "bad UDP length", "Udp InErrors", "PKT_TOO_SMALL")
SITE_CSUM: Final = Site("udp", "bad UDP checksum", "Udp InCsumErrors, Udp InErrors", "UDP_CSUM")
SITE_CSUM_READ: Final = Site("socket", "bad UDP checksum found at read", "Udp InCsumErrors, Udp InErrors", "UDP_CSUM")
SITE_CSUM_READ_OLD: Final = Site(
    "socket", "bad UDP checksum found at read", "Udp InCsumErrors, Udp InErrors", "NOT_SPECIFIED"
)
SITE_NO_SOCKET: Final = Site("udp", "no socket on that port", "Udp NoPorts", "NO_SOCKET")
SITE_GSO_REFUSED: Final = Site("udp", "UDP_SEGMENT that cannot be", "none", "NOT_SPECIFIED")
SITE_NO_SOCKET_MULTI: Final = Site("udp", "no socket wants this group or broadcast", "Udp IgnoredMulti")
SITE_FILTER: Final = Site("udp", "socket filter", "Udp InErrors", "SOCKET_FILTER")
SITE_RCVBUF: Final = Site("socket", "receive buffer full", "Udp RcvbufErrors, Udp InErrors", "SOCKET_RCVBUFF")
SITE_RCVBUF_313: Final = Site("socket", "receive buffer full", "Udp InErrors", "NOT_SPECIFIED")
SITE_MEM: Final = Site("socket", "udp_mem", "Udp MemErrors, Udp InErrors", "PROTO_MEM")

_PORTS: Final = Struct(">HHHH")
_ADDRS: Final = Struct(">II")


class ReuseGroup:
    """`struct sock_reuseport`: sockets that share one address and port, in the order of joining."""

    __slots__ = ("socks", "has_conns", "bind_inany")

    def __init__(self) -> None:
        self.socks: list[UdpSock] = []
        self.has_conns = False
        self.bind_inany = False


class UdpTable:
    """Sockets by port (newest first), by (bound address, port) and, once connected, by both ends (`udp_lib_hash4`).

    `by_four` has the key under which a socket entered; one that took another peer later is found there no more.
    """

    __slots__ = ("by_port", "by_addr", "by_four", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.by_port: dict[int, list[UdpSock]] = {}
        self.by_addr: dict[int, list[UdpSock]] = {}  # key: address << 16 | port
        self.by_four: dict[int, list[UdpSock]] = {}  # key: four_tuple


class UdpSock(InetSock):
    """`struct udp_sock`."""

    __slots__ = (
        "reader_queue",
        "forward_deficit",
        "forward_threshold",
        "pending",
        "corkflag",
        "gro_enabled",
        "gso_size",
        "reuse_group",
        "hashed",
        "udplite",
        "pending_data",
        "encap_type",
        "no_check6_tx",
        "no_check6_rx",
        "enq",
        "hashed4",
    )

    def __init__(self, net: Net, protocol: int) -> None:
        ipv4 = ipv4_of(net)
        super().__init__(net, SOCK_DGRAM, protocol, ipv4.udp_prot)
        self.reader_queue: deque[SkBuff] = deque()
        self.forward_deficit = 0
        self.forward_threshold = self.rcvbuf >> 2
        self.pending = False
        self.corkflag = False
        self.gro_enabled = False
        self.gso_size = 0
        self.reuse_group: ReuseGroup | None = None
        self.hashed = False
        self.udplite = False
        self.encap_type = 0
        self.no_check6_tx = False
        self.no_check6_rx = False
        self.hashed4 = -1  # udp_lrpa_hash: the key in by_four, -1 = not in there
        variant = net.kernel.release.udp_queue
        self.enq = 2 if ipv4.variant.udp_strict_full else 0 if variant == "v3_13" else 1

    # --- struct proto ----------------------------------------------------------------------------------------------
    def has_queued(self) -> bool:
        return bool(self.receive_queue or self.reader_queue)

    def get_port(self, snum: int) -> bool:
        return udp_v4_get_port(self, snum)

    def hash(self) -> None:
        udp_lib_rehash_in(self)

    def unhash(self) -> None:
        udp_lib_unhash(self)

    def rehash(self) -> None:
        udp_v4_rehash(self)

    def connect(self, addr: int, port: int, flags: int) -> None:
        udp_connect(self, addr, port)

    def disconnect(self) -> None:
        udp_disconnect(self)

    def sendmsg(self, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
        return udp_sendmsg(self, data, name, control, flags)

    def recvmsg(self, size: int, flags: int) -> Msg:
        return udp_recvmsg(self, size, flags)

    def close(self) -> None:
        udp_destroy_sock(self)

    def poll(self) -> int:
        return udp_poll(self)

    def rcvbuf_changed(self) -> None:
        self.forward_threshold = self.rcvbuf >> 2

    def set_peek_off(self, val: int) -> None:
        self.peek_off = val

    def get_peek_off(self) -> int:
        return self.peek_off

    def siocinq(self) -> int:
        skb = first_packet_length(self)
        return 0 if skb is None else skb.len

    def setsockopt(self, level: int, optname: int, value: int | bytes) -> None:
        if level == SOL_UDP:
            udp_lib_setsockopt(self, optname, value)
        else:
            super().setsockopt(level, optname, value)

    def getsockopt(self, level: int, optname: int) -> int | bytes:
        if level == SOL_UDP:
            if optname == UDP_CORK:
                return int(self.corkflag)
            if optname == UDP_GRO:
                return int(self.gro_enabled)
            if optname == UDP_SEGMENT:
                return self.gso_size
            if optname == UDP_ENCAP:
                return self.encap_type
            if optname == UDP_NO_CHECK6_TX:
                return int(self.no_check6_tx)
            if optname == UDP_NO_CHECK6_RX:
                return int(self.no_check6_rx)
            if optname in (UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV):
                return 0
            raise linux_error(ENOPROTOOPT)
        return super().getsockopt(level, optname)

    def in_flight(self, seen: dict[int, int]) -> int:
        n = super().in_flight(seen)
        for skb in self.reader_queue:
            n += count_tokens(skb, seen)
        return n


# --- tables ---------------------------------------------------------------------------------------


def udp_v4_get_port(sk: UdpSock, snum: int) -> bool:
    """Take a port: 0 chooses one from the local range at random, none that is reserved."""
    ipv4 = sk.ipv4
    t = ipv4.udp_table
    if snum == 0:
        lo, hi = sk.local_port_range()
        n = hi - lo + 1
        first = ipv4.random.randrange(n)
        step = ipv4.random.getrandbits(16) | 1
        while gcd(step, n) != 1:
            step += 2
        for i in range(n):
            p = lo + (first + i * step) % n
            if not inet_is_local_reserved_port(ipv4, p) and not udp_lib_lport_inuse(t, p, sk, True):
                snum = p
                break
        else:
            return False
    elif udp_lib_lport_inuse(t, snum, sk, False):
        return False
    sk.num = snum
    sk.hashed = True
    t.by_port.setdefault(snum, []).insert(0, sk)
    if sk.reuseport:
        udp_reuseport_add_sock(t, sk)
    t.by_addr.setdefault(sk.rcv_saddr << 16 | snum, []).insert(0, sk)
    return True


def udp_lib_lport_inuse(t: UdpTable, num: int, sk: UdpSock, choosing: bool) -> bool:
    """Whether another socket forbids this port.  Of a port that was asked for the first that is in the way decides,
    newest first; one that is to be chosen (Linux's bitmap) must be in nobody's way.
    """
    for other in t.by_port.get(num, ()):
        if other is sk:
            continue
        if other.reuse and sk.reuse:
            continue
        if other.bound_dev_if and sk.bound_dev_if and other.bound_dev_if != sk.bound_dev_if:
            continue
        if sk.rcv_saddr and other.rcv_saddr and sk.rcv_saddr != other.rcv_saddr:
            continue
        if other.reuseport and sk.reuseport and sk.reuse_group is None and other.uid == sk.uid:
            if choosing:
                continue
            return False
        return True
    return False


def udp_reuseport_add_sock(t: UdpTable, sk: UdpSock) -> None:
    for other in t.by_port.get(sk.num, ()):
        if (
            other is not sk
            and other.reuseport
            and other.rcv_saddr == sk.rcv_saddr
            and other.bound_dev_if == sk.bound_dev_if
            and other.uid == sk.uid
        ):
            reuseport_add_sock(sk, other)
            return
    reuseport_alloc(sk)


def reuseport_alloc(sk: UdpSock) -> ReuseGroup:
    """A group of its own."""
    g = ReuseGroup()
    g.socks.append(sk)
    sk.reuse_group = g
    return g


def reuseport_add_sock(sk: UdpSock, other: UdpSock) -> None:
    """Join the group of `other`, which gets one if it has none (it left its own when it connected)."""
    g = other.reuse_group or reuseport_alloc(other)
    g.socks.append(sk)
    sk.reuse_group = g


def reuseport_detach_sock(sk: UdpSock) -> None:
    """Leave the group; the last member takes the place."""
    g = sk.reuse_group
    if g is None:
        return
    sk.reuse_group = None
    i = g.socks.index(sk)
    g.socks[i] = g.socks[-1]
    g.socks.pop()


def _remove(table: dict[int, list[UdpSock]], key: int, sk: UdpSock) -> None:
    lst = table.get(key)
    if lst is not None and sk in lst:
        lst.remove(sk)
        if not lst:
            del table[key]


def udp_lib_unhash(sk: UdpSock) -> None:
    if not sk.hashed:
        return
    t = sk.ipv4.udp_table
    sk.hashed = False
    reuseport_detach_sock(sk)
    _remove(t.by_port, sk.num, sk)
    _out_of_addr(t, sk)
    if sk.hashed4 >= 0:
        _remove(t.by_four, sk.hashed4, sk)
        sk.hashed4 = -1


def _out_of_addr(t: UdpTable, sk: UdpSock) -> None:
    key = sk.rcv_saddr << 16 | sk.num
    if sk in t.by_addr.get(key, ()):
        _remove(t.by_addr, key, sk)
        return
    for key in [k for k, v in t.by_addr.items() if sk in v]:
        _remove(t.by_addr, key, sk)


def udp_lib_rehash_in(sk: UdpSock) -> None:
    """Enter the tables again under the same port."""
    if sk.hashed or not sk.num:
        return
    t = sk.ipv4.udp_table
    sk.hashed = True
    t.by_port.setdefault(sk.num, []).insert(0, sk)
    if sk.reuseport:
        udp_reuseport_add_sock(t, sk)
    t.by_addr.setdefault(sk.rcv_saddr << 16 | sk.num, []).insert(0, sk)


def udp_v4_rehash(sk: UdpSock) -> None:
    """The bound address or device changed: another slot of the address table and of both ends', out of the group."""
    if not sk.hashed:
        return
    t = sk.ipv4.udp_table
    reuseport_detach_sock(sk)
    key = sk.rcv_saddr << 16 | sk.num
    if sk not in t.by_addr.get(key, ()):
        _out_of_addr(t, sk)
        t.by_addr.setdefault(key, []).insert(0, sk)
    if sk.hashed4 >= 0:
        udp_rehash4(t, sk, four_tuple(sk.rcv_saddr, sk.num, sk.daddr, sk.dport))


def four_tuple(laddr: int, lport: int, faddr: int, fport: int) -> int:
    """The key of `UdpTable.by_four`."""
    return (laddr << 16 | lport) << 48 | faddr << 16 | fport


def udp_rehash4(t: UdpTable, sk: UdpSock, key: int) -> None:
    if key != sk.hashed4:
        _remove(t.by_four, sk.hashed4, sk)
        sk.hashed4 = key
        t.by_four.setdefault(key, []).insert(0, sk)


def udp4_hash4(sk: UdpSock) -> None:
    """A connected socket enters the table of both ends."""
    if sk.hashed and sk.rcv_saddr:
        udp_lib_hash4(sk, four_tuple(sk.rcv_saddr, sk.num, sk.daddr, sk.dport))


def udp_lib_hash4(sk: UdpSock, key: int) -> None:
    """Once: who takes another peer stays under the first.  It leaves its reuseport group."""
    if sk.hashed4 >= 0:
        return
    reuseport_detach_sock(sk)
    sk.hashed4 = key
    sk.ipv4.udp_table.by_four.setdefault(key, []).insert(0, sk)


# --- lookup ---------------------------------------------------------------------------------------


def compute_score(sk: UdpSock, saddr: int, sport: int, dif: int, cpu: int) -> int:
    """How well the socket fits (-1 = not at all); its address and port are those of the slot."""
    score = 2
    if sk.daddr:
        if sk.daddr != saddr:
            return -1
        score = 6
    if sk.dport:
        if sk.dport != sport:
            return -1
        score += 4
    if sk.bound_dev_if:
        if sk.bound_dev_if != dif:
            return -1
        score += 4
    if sk.incoming_cpu == cpu:
        score += 1
    return score


def inet_lookup_reuseport(ipv4: Ipv4, sk: UdpSock, saddr: int, sport: int, daddr: int, hnum: int) -> UdpSock | None:
    """The member of the socket's reuseport group for this flow, if it is in one."""
    g = sk.reuse_group
    if g is None or not sk.reuseport:
        return None
    return reuseport_select_sock(g, udp_ehashfn(ipv4, daddr, hnum, saddr, sport))


def udp_ehashfn(ipv4: Ipv4, laddr: int, lport: int, faddr: int, fport: int) -> int:
    """A hash of the 4-tuple with a seed of this boot, 32 bits."""
    h = (
        ipv4.net.hash_secret ^ laddr * 0x9E3779B1 ^ faddr * 0x85EBCA77 ^ (lport << 16 | fport) * 0xC2B2AE3D
    ) & 0xFFFFFFFFFFFFFFFF
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & 0xFFFFFFFFFFFFFFFF
    h ^= h >> 33
    return h & 0xFFFFFFFF


def reuseport_select_sock(g: ReuseGroup, phash: int) -> UdpSock | None:
    """(hash * n) >> 32, from there the first member that is not connected."""
    n = len(g.socks)
    i = start = (phash * n) >> 32
    while True:
        sk = g.socks[i]
        if sk.state != TCP_ESTABLISHED:
            return sk
        i += 1
        if i >= n:
            i = 0
        if i == start:
            return None


def udp4_lib_lookup2(
    ipv4: Ipv4, slot: list[UdpSock] | None, saddr: int, sport: int, daddr: int, hnum: int, dif: int
) -> UdpSock | None:
    """The best socket of one (address, port) slot."""
    if slot is None:
        return None
    result: UdpSock | None = None
    badness = 0
    cur = ipv4.kernel.engine.current
    cpu = cur.id if cur is not None else 0
    for sk in slot:
        score = compute_score(sk, saddr, sport, dif, cpu)
        if score > badness:
            badness = score
            if sk.state == TCP_ESTABLISHED:
                result = sk
                continue
            result = inet_lookup_reuseport(ipv4, sk, saddr, sport, daddr, hnum)
            if result is None:
                result = sk
                continue
            g = sk.reuse_group
            if g is None or not g.has_conns:
                return result
            badness = max(badness, compute_score(result, saddr, sport, dif, cpu))
    return result


def udp4_lib_lookup4(ipv4: Ipv4, saddr: int, sport: int, daddr: int, hnum: int, dif: int) -> UdpSock | None:
    """The connected socket of this pair of ends."""
    for sk in ipv4.udp_table.by_four.get(four_tuple(daddr, hnum, saddr, sport), ()):
        if (
            sk.daddr == saddr
            and sk.dport == sport
            and sk.rcv_saddr == daddr
            and (not sk.bound_dev_if or sk.bound_dev_if == dif)
        ):
            return sk
    return None


def __udp4_lib_lookup(ipv4: Ipv4, saddr: int, sport: int, daddr: int, hnum: int, dif: int) -> UdpSock | None:
    """Both ends, where the release has that table; then the exact destination address: a connected socket there ends
    it, then any; then sockets bound to no address.
    """
    table = ipv4.udp_table.by_addr
    result: UdpSock | None
    if ipv4.udp_table.by_four:
        result = udp4_lib_lookup4(ipv4, saddr, sport, daddr, hnum, dif)
        if result is not None:
            return result
    result = udp4_lib_lookup2(ipv4, table.get(daddr << 16 | hnum), saddr, sport, daddr, hnum, dif)
    if result is not None:
        return result
    return udp4_lib_lookup2(ipv4, table.get(hnum), saddr, sport, 0, hnum, dif)


def __udp4_lib_lookup_3_13(ipv4: Ipv4, saddr: int, sport: int, daddr: int, hnum: int, dif: int) -> UdpSock | None:
    """3.13: the sockets of the port (or of the address, when there are more than ten), scored with the bound
    address.
    """
    slot = ipv4.udp_table.by_port.get(hnum)
    if not slot:
        return None
    if len(slot) > 10:
        r = _lookup2_3_13(ipv4, ipv4.udp_table.by_addr.get(daddr << 16 | hnum), saddr, sport, daddr, hnum, dif)
        if r is not None:
            return r
        return _lookup2_3_13(ipv4, ipv4.udp_table.by_addr.get(hnum), saddr, sport, 0, hnum, dif)
    return _lookup2_3_13(ipv4, slot, saddr, sport, daddr, hnum, dif)


def _lookup2_3_13(
    ipv4: Ipv4, slot: list[UdpSock] | None, saddr: int, sport: int, daddr: int, hnum: int, dif: int
) -> UdpSock | None:
    if slot is None:
        return None
    result: UdpSock | None = None
    badness = 0
    matches = 0
    h = 0
    reuseport = 0
    for sk in slot:
        score = 2
        if sk.rcv_saddr:
            if sk.rcv_saddr != daddr:
                continue
            score += 4
        if sk.daddr:
            if sk.daddr != saddr:
                continue
            score += 4
        if sk.dport:
            if sk.dport != sport:
                continue
            score += 4
        if sk.bound_dev_if:
            if sk.bound_dev_if != dif:
                continue
            score += 4
        if score > badness:
            result = sk
            badness = score
            reuseport = sk.reuseport
            if reuseport:
                h = udp_ehashfn(ipv4, daddr, hnum, saddr, sport)
                matches = 1
        elif score == badness and reuseport:
            matches += 1
            if (h * matches) >> 32 == 0:
                result = sk
            h = (h * 1664525 + 1013904223) & 0xFFFFFFFF
    return result


def udp_v4_early_demux(ipv4: Ipv4, skb: SkBuff) -> int:
    """A connected socket (or the only listener of a group) is found before routing and lends its route."""
    th = skb.transport_header
    if skb.tail - th < 8:
        return 0
    dev = skb.dev
    assert dev is not None
    head = skb.head
    pkt_type = skb.pkt_type
    sk: UdpSock | None = None
    mc = False
    if pkt_type == PACKET_HOST:
        iph = skb.iph if skb.iph_head is head else ip_hdr(skb)
        slot = ipv4.udp_table.by_addr.get(iph[9] << 16 | head[th + 2] << 8 | head[th + 3])
        if slot is None:
            return 0
        sk = slot[0]  # only the first one is looked at
        if (
            sk.state != TCP_ESTABLISHED
            or sk.dport != head[th] << 8 | head[th + 1]
            or sk.daddr != iph[8]
            or (sk.bound_dev_if and sk.bound_dev_if != dev.ifindex)
        ):
            return 0
    elif pkt_type == PACKET_MULTICAST:
        d = ipv4.in_dev(dev)
        if d is None:
            return 0
        nh = skb.network_header
        saddr, daddr = _ADDRS.unpack_from(head, nh + 12)
        sport, dport, _, _ = _PORTS.unpack_from(head, th)
        if not ip_check_mc_rcu(d, daddr, saddr, 17):
            return 0
        lst = ipv4.udp_table.by_port.get(dport, ())
        if len(lst) > 10:
            return 0
        for s in lst:
            if udp_is_mcast_sock(s, daddr, sport, saddr, dev.ifindex):
                if sk is not None:
                    return 0
                sk = s
        mc = True
    if sk is None:
        return 0
    skb.sk = sk
    rt = sk.rx_dst
    if isinstance(rt, Rtable) and rt.valid() and sk.rx_dst_ifindex == dev.ifindex:
        skb.dst = rt
        if mc and not sk.daddr:
            d = ipv4.in_dev(dev)
            saddr, daddr = _ADDRS.unpack_from(head, skb.network_header + 12)
            return ip_mc_validate_source(ipv4, skb, daddr, saddr, head[skb.network_header + 1] & IPTOS_RT_MASK, dev, d)
    return 0


def udp_is_mcast_sock(sk: UdpSock, loc_addr: int, rmt_port: int, rmt_addr: int, dif: int) -> bool:
    if (
        (sk.daddr and sk.daddr != rmt_addr)
        or (sk.dport and sk.dport != rmt_port)
        or (sk.rcv_saddr and sk.rcv_saddr != loc_addr)
        or (sk.bound_dev_if and sk.bound_dev_if != dif)
    ):
        return False
    return ip_mc_sf_allow(sk, loc_addr, rmt_addr, dif)


# --- receive --------------------------------------------------------------------------------------


def udp_rcv(skb: SkBuff) -> int:
    return __udp4_lib_rcv(skb)


def __udp4_lib_rcv(skb: SkBuff) -> int:
    """Checks, checksum, lookup; no socket: unreachable."""
    ipv4: Ipv4 = skb.net.ipv4
    th = skb.data
    if skb.tail - th < 8 and not pskb_may_pull(skb, 8):
        return _udp_drop(ipv4, skb, SITE_HDR)
    head = skb.head
    sport, dport, ulen, check = _PORTS.unpack_from(head, th)
    n = skb.len
    if ulen != n:
        if ulen > n or ulen < 8:
            return _udp_drop(ipv4, skb, SITE_SHORT)
        if skb.ip_summed == CHECKSUM_COMPLETE:
            skb.csum = csum_sub(skb.csum, csum_partial(skb.tobytes()[ulen:]))
        pskb_trim(skb, ulen)
    iph = skb.iph if skb.iph_head is head else ip_hdr(skb)
    saddr = iph[8]
    daddr = iph[9]
    # the state of the checksum (udp4_csum_init)
    if check == 0:
        skb.ip_summed = CHECKSUM_UNNECESSARY
    elif skb.ip_summed == CHECKSUM_UNNECESSARY:
        if skb.csum_level:
            skb.csum_level -= 1
        else:
            skb.ip_summed = CHECKSUM_NONE
            skb.csum_valid = True
            skb.csum = SUMMED_BELOW
    elif skb.ip_summed != CHECKSUM_PARTIAL and not skb.csum_valid:
        psum = saddr + daddr + 17 + ulen
        if skb.ip_summed == CHECKSUM_COMPLETE and csum_tcpudp_magic(saddr, daddr, ulen, 17, skb.csum) == 0:
            skb.csum_valid = True
        else:
            skb.csum = psum
            if ulen <= ipv4.kernel.release.udp_csum_break and not __skb_checksum_complete(skb):
                return _udp_csum_drop(ipv4, skb)
    sk = skb.sk
    if sk is not None:
        skb.sk = None
        assert isinstance(sk, UdpSock)
        if sk.rx_dst is not skb.dst:
            sk.rx_dst = skb.dst
            sk.rx_dst_ifindex = skb.dev.ifindex if skb.dev is not None else 0
        return udp_unicast_rcv_skb(sk, skb)
    rt = skb.dst
    if isinstance(rt, Rtable) and rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST):
        return __udp4_lib_mcast_deliver(ipv4, skb, saddr, daddr, sport, dport)
    dif = inet_iif(skb)
    if ipv4.kernel.release.udp_lookup == "v3_13":
        usk = __udp4_lib_lookup_3_13(ipv4, saddr, sport, daddr, dport, dif)
    else:
        usk = __udp4_lib_lookup(ipv4, saddr, sport, daddr, dport, dif)
    if usk is not None:
        return udp_unicast_rcv_skb(usk, skb)
    if not udp_lib_checksum_complete(skb):
        return _udp_csum_drop(ipv4, skb)
    ipv4.udp[UDP_MIB_NOPORTS] += 1
    c = ipv4.kernel.costs
    if c.enabled:
        ipv4.kernel.cur().accrued_or_charge(c.ip_udp + c.udp_no_socket)
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0)
    kfree_skb_reason(skb, SITE_NO_SOCKET)
    return 0


def _udp_drop(ipv4: Ipv4, skb: SkBuff, site: Site) -> int:
    ipv4.udp[UDP_MIB_INERRORS] += 1
    kfree_skb_reason(skb, site)
    return 0


def _udp_csum_drop(ipv4: Ipv4, skb: SkBuff) -> int:
    ipv4.udp[UDP_MIB_CSUMERRORS] += 1
    ipv4.udp[UDP_MIB_INERRORS] += 1
    kfree_skb_reason(skb, SITE_CSUM)
    return 0


def udp_lib_checksum_complete(skb: SkBuff) -> bool:
    """True = known or found to be right (inline in Linux)."""
    return (
        skb.csum_valid
        or skb.ip_summed == CHECKSUM_UNNECESSARY
        or skb.ip_summed == CHECKSUM_PARTIAL
        or __skb_checksum_complete(skb)
    )


def __udp4_lib_mcast_deliver(ipv4: Ipv4, skb: SkBuff, saddr: int, daddr: int, sport: int, dport: int) -> int:
    """A copy to every socket that wants it, the original to the first (3.13: to the last)."""
    dev = skb.dev
    dif = dev.ifindex if dev is not None else 0
    slot = ipv4.udp_table.by_port.get(dport)
    match: list[UdpSock] = []
    if slot:
        if len(slot) > 10:
            both = ipv4.udp_table.by_addr
            slot = both.get(daddr << 16 | dport, []) + both.get(dport, [])
        for sk in slot:
            if udp_is_mcast_sock(sk, daddr, sport, saddr, dif):
                match.append(sk)
    if not match:
        if ipv4.kernel.release.udp_ignored_multi:
            ipv4.udp[UDP_MIB_IGNOREDMULTI] += 1
        skb.listed = None  # consumed in Linux, and with it what hangs behind it
        kfree_skb_reason(skb, SITE_NO_SOCKET_MULTI)
        return 0
    first = match[0]
    clones = [(sk, skb_clone(skb)) for sk in match[1:]]
    for sk, c in clones:
        udp_queue_rcv_skb(sk, c)
    udp_queue_rcv_skb(first, skb)
    return 0


def udp_unicast_rcv_skb(sk: UdpSock, skb: SkBuff) -> int:
    if skb.csum_valid and skb.csum == SUMMED_BELOW and sk.cmsg_flags & CMSG_CHECKSUM:
        skb.csum = (
            SUMMED_CONVERTED  # skb_checksum_try_convert; datagrams to a group by way of all its sockets have none
        )
    ret = udp_queue_rcv_skb(sk, skb)
    return -ret if ret > 0 else 0


def udp_queue_rcv_skb(sk: UdpSock, skb: SkBuff) -> int:
    """A merged packet is split again for a socket that did not ask for UDP_GRO."""
    if skb.gso_size and (skb.gso_type & SKB_GSO_FRAGLIST or not (sk.gro_enabled and skb.gso_type & SKB_GSO_UDP_L4)):
        for seg in udp_rcv_segment(skb):
            seg.data += 0
            udp_queue_rcv_one_skb(sk, seg)
        return 0
    return udp_queue_rcv_one_skb(sk, skb)


def udp_rcv_segment(skb: SkBuff) -> list[SkBuff]:
    """The datagrams that a GRO packet was made of, each with the headers of the first and lengths of its own."""
    head = skb.head
    nh = skb.network_header
    th = skb.transport_header
    data = skb.tobytes()[8:]
    size = skb.gso_size
    out: list[SkBuff] = []
    n = max((len(data) + size - 1) // size, 1)
    tokens = skb.tokens
    skb.tokens = 0
    truesize = skb.truesize // n
    for i in range(n):
        part = data[i * size : (i + 1) * size]
        hdr = head[nh:th] + head[th : th + 4] + (8 + len(part)).to_bytes(2, "big") + head[th + 6 : th + 8]
        s = SkBuff(skb.net, hdr + part, truesize)
        s.network_header = 0
        s.transport_header = th - nh
        s.data = th - nh
        s.len = 8 + len(part)
        s.dev = skb.dev
        s.dst = skb.dst
        s.protocol = skb.protocol
        s.pkt_type = skb.pkt_type
        s.ip_summed = CHECKSUM_UNNECESSARY
        s.tstamp = skb.tstamp
        s.skb_iif = skb.skb_iif
        s.hash = skb.hash
        s.napi_id = skb.napi_id
        s.cb = skb.cb
        share = tokens // (n - i)
        s.tokens = share
        tokens -= share
        if isinstance(skb.tag, tuple) and i < len(skb.tag):
            s.tag = skb.tag[i]
        else:
            s.tag = skb.tag
        s.arrived_ns = skb.arrived_ns
        out.append(s)
    tp = skb.net.kernel.trace.consume_skb
    if tp.on:
        tp.fire(skb, "udp_rcv_segment")
    return out


def skb_pull_rcsum(skb: SkBuff, n: int) -> None:
    """Pull a header and take it out of skb.csum."""
    if skb.ip_summed == CHECKSUM_COMPLETE:
        skb.csum = csum_sub(skb.csum, csum_partial(skb.head[skb.data : skb.data + n]))
    skb.data += n
    skb.len -= n


def udp_queue_rcv_one_skb(sk: UdpSock, skb: SkBuff) -> int:
    """Filter, pull the header, queue or drop with its counters."""
    ipv4 = sk.ipv4
    whole = b""
    if sk.filter is not None:
        if not udp_lib_checksum_complete(skb):
            ipv4.udp[UDP_MIB_CSUMERRORS] += 1
            ipv4.udp[UDP_MIB_INERRORS] += 1
            sk.drops += 1
            kfree_skb_reason(skb, SITE_CSUM)
            return -1
        whole = skb.tobytes()
    if sk_filter_trim_cap(sk, skb, 8):
        ipv4.udp[UDP_MIB_INERRORS] += 1
        sk.drops += 1
        kfree_skb_reason(skb, SITE_FILTER)
        return -1
    if len(whole) > skb.len and skb.csum in (SUMMED_WITH_HEADER, SUMMED_PAYLOAD):
        skb.csum = SUMMED_CUT - int.from_bytes(whole[8:], "little") % 0xFFFFFFFF
    if not skb.csum_valid and skb.ip_summed == CHECKSUM_NONE:
        skb.csum += csum_partial(skb.head[skb.data : skb.data + 8])
    skb_pull_rcsum(skb, 8)
    ipv4_pktinfo_prepare(sk, skb)
    if sk.daddr:
        sk.rxhash = skb.hash
        sk.napi_id = skb.napi_id
        cur = ipv4.kernel.engine.current
        if cur is not None:
            sk.incoming_cpu = cur.id
    elif not sk.napi_id:
        sk.napi_id = skb.napi_id
    rc = __udp_enqueue_schedule_skb(sk, skb) if sk.enq else udp_enqueue_3_13(sk, skb)
    if rc == 0:
        return 0
    udp = ipv4.udp
    site = SITE_RCVBUF
    if rc == -12:
        if sk.enq:
            udp[UDP_MIB_RCVBUFERRORS] += 1
        else:
            site = SITE_RCVBUF_313
    elif rc == -13:
        udp[UDP_MIB_RCVBUFERRORS] += 1
        rc = -12
    else:
        if ipv4.kernel.release.udp_mem_errors:
            udp[UDP_MIB_MEMERRORS] += 1
        site = SITE_MEM
    udp[UDP_MIB_INERRORS] += 1
    tp = ipv4.kernel.trace.udp_fail_queue_rcv_skb
    if tp.on:
        tp.fire(rc, sk.num)
    kfree_skb_reason(skb, site)
    return -1


def udp_enqueue_3_13(sk: UdpSock, skb: SkBuff) -> int:
    """3.13: `sk_rcvqueues_full` counts InErrors alone; the generic queue adds RcvbufErrors (here: -13)."""
    if sk.rmem_alloc + sk.backlog_len > sk.rcvbuf:
        sk.drops += 1
        return -12
    rc = __sock_queue_rcv_skb(sk, skb)
    return -13 if rc == -12 else rc


def __udp_enqueue_schedule_skb(sk: UdpSock, skb: SkBuff) -> int:
    """Charge and append: 0, -ENOMEM (receive buffer) or -ENOBUFS (udp_mem).

    5.15, 6.1: taken iff what is charged already is at most sk_rcvbuf.  6.18: iff it fits whole or the queue is empty.
    """
    rmem = sk.rmem_alloc
    rcvbuf = sk.rcvbuf
    size = skb.truesize
    if sk.enq == 2:
        if rmem and rmem + size > rcvbuf:
            sk.drops += 1
            return -12
    elif rmem > rcvbuf:
        sk.drops += 1
        return -12
    if rmem > rcvbuf >> 1:
        skb_condense(skb)
        size = skb.truesize
    k = sk.net.kernel
    c = k.costs
    if c.enabled:
        cpu: Cpu = k.engine.current
        if cpu.hardirq_count:
            cpu.accrued_or_charge(c.ip_udp + c.enqueue)
        else:
            cpu.charge(c.ip_udp + c.enqueue)
    sk.rmem_alloc += size
    fwd = sk.forward_alloc
    if size >= fwd:
        amt = (size - fwd + PAGE_SIZE - 1) >> PAGE_SHIFT if sk.enq == 2 else (size + PAGE_SIZE - 1) >> PAGE_SHIFT
        if not __sk_mem_raise_allocated(sk, size, amt, SK_MEM_RECV):
            sk.rmem_alloc -= size
            sk.drops += 1
            return -105
        fwd += amt << PAGE_SHIFT
    sk.forward_alloc = fwd - size
    skb.dropcount = sk.drops if sk.rxq_ovfl else 0
    skb.dev = None
    sk.receive_queue.append(skb)
    hook = sk.net.on_socket
    if hook is not None:
        hook(skb)
    if not sk.dead:
        sock_def_readable(sk)
    return 0


# --- memory of readers ----------------------------------------------------------------------------


def udp_rmem_release(sk: UdpSock, size: int, partial: int) -> None:
    """What was read gives its memory back, in lumps: at a quarter of sk_rcvbuf or when the reader's queue is empty."""
    if partial:
        sk.forward_deficit += size
        size = sk.forward_deficit
        if size < sk.forward_threshold and sk.reader_queue:
            return
    else:
        size += sk.forward_deficit
    sk.forward_deficit = 0
    fwd = sk.forward_alloc + size
    amt = (fwd - partial) & ~(PAGE_SIZE - 1)
    sk.forward_alloc = fwd - amt
    if amt:
        __sk_mem_reduce_allocated(sk, amt >> PAGE_SHIFT)
    sk.rmem_alloc -= size
    if sk.receive_queue:
        sk.reader_queue.extend(sk.receive_queue)
        sk.receive_queue.clear()


def udp_skb_destructor(sk: UdpSock, skb: SkBuff) -> None:
    udp_rmem_release(sk, skb.truesize, 1)


def __skb_recv_udp(sk: UdpSock, flags: int, off: int) -> tuple[SkBuff | None, int]:
    """The next datagram, waiting for it if allowed; None: shut down.  Raises OSError (EAGAIN, the pending error,
    EINTR).
    """
    if sk.enq == 0:
        return _recv_3_13(sk, flags, off)
    deadline = -2  # reckoned when there is nothing to read
    while True:
        if sk.err:
            raise linux_error(sock_error(sk))
        skb, o = __skb_try_recv_from_queue(sk, sk.reader_queue, flags, off)
        if skb is None and sk.receive_queue:
            sk.reader_queue.extend(sk.receive_queue)
            sk.receive_queue.clear()
            skb, o = __skb_try_recv_from_queue(sk, sk.reader_queue, flags, off)
        if skb is not None:
            if not flags & MSG_PEEK:
                udp_skb_destructor(sk, skb)
            return skb, o
        if sk.busy_poll > 0:
            sk_busy_loop(sk, bool(flags & MSG_DONTWAIT) or sk.nonblock)
            if sk.receive_queue:
                continue
        if deadline == -2:
            deadline = sock_deadline(sk, flags, sk.rcvtimeo)
        if deadline == 0:
            raise linux_error(EAGAIN)
        if not __skb_wait_for_more_packets(sk, deadline):
            return None, 0


def _recv_3_13(sk: UdpSock, flags: int, off: int) -> tuple[SkBuff | None, int]:
    """3.13 has one queue, and a datagram's memory goes back when it is taken."""
    skb, off = __skb_recv_datagram(sk, flags, off)
    if skb is not None and not flags & MSG_PEEK:
        sock_rfree(sk, skb.truesize)
    return skb, off


def udp_recvmsg(sk: UdpSock, size: int, flags: int) -> Msg:
    """Read one datagram.  Raises OSError."""
    if flags & MSG_ERRQUEUE:
        return ip_recv_error(sk, size)
    peeking = flags & MSG_PEEK
    net = sk.net
    k = net.kernel
    while True:
        off = sk.peek_off if peeking else -1
        with_off = off >= 0
        skb, off = __skb_recv_udp(sk, flags, off)
        msg = Msg()
        if skb is None:
            return msg
        if off < 0:
            off = 0
        ulen = skb.len
        copied = size
        if copied > ulen - off:
            copied = ulen - off
        elif copied < ulen:
            msg.flags |= MSG_TRUNC
        c = k.costs
        if c.enabled:
            cur = k.engine.current
            if cur is not None:
                cur.charge(c.recv + (copied * c.copy_kb >> 10))
        if not (
            skb.csum_valid
            or skb.ip_summed == CHECKSUM_UNNECESSARY
            or skb.ip_summed == CHECKSUM_PARTIAL
            or (__skb_checksum_complete(skb) if copied < ulen or peeking else _copy_and_csum(skb))
        ):
            _csum_copy_err(sk, skb, flags)
            if sk.enq == 0 and sock_deadline(sk, flags, sk.rcvtimeo) == 0:
                raise linux_error(EAGAIN)
            continue
        break
    if skb.frag_list is None:
        d = skb.data + off
        msg.data = skb.head[d : d + copied]
    else:
        msg.data = skb.tobytes()[off : off + copied]
    tp = k.trace.skb_copy_datagram_iovec
    if tp.on:
        tp.fire(skb, copied)
    if not peeking:
        sk.ipv4.udp[UDP_MIB_INDATAGRAMS] += 1
    if sk.tstamp_on or sk.tsflags or sk.rxq_ovfl or sk.rcvmark or sk.rcvpriority or sk.stamp < 0:
        sock_recv_cmsgs(msg, sk, skb)
    head = skb.head
    th = skb.transport_header
    saddr = (skb.iph if skb.iph_head is head else ip_hdr(skb))[8]
    texts = sk.ipv4.addr_text
    text = texts.get(saddr)
    if text is None:
        if len(texts) >= MAX_ADDR_TEXT:
            texts.clear()
        text = texts[saddr] = ip4_str(saddr)
    msg.name = (text, head[th] << 8 | head[th + 1])
    if sk.gro_enabled and skb.gso_size:
        msg.control.append((SOL_UDP, UDP_GRO, skb.gso_size.to_bytes(4, "little")))
    if sk.cmsg_flags:
        ip_cmsg_recv_offset(msg, sk, skb, 8, off)
    msg.n = copied
    if flags & MSG_TRUNC:
        msg.n = ulen
        if copied < ulen and copied < size:  # behind a peek offset: the end of the buffer is never written
            msg.data += bytes(min(ulen, size) - copied)
    if peeking:
        if with_off:
            sk.peek_off += msg.n
        skb.users -= 1
    else:
        if sk.peek_off >= 0:
            sk.peek_off = max(sk.peek_off - msg.n, 0)
        hook = net.on_delivered
        if hook is not None:
            hook(skb)
        skb_consume_udp(sk, skb)
    return msg


def _copy_and_csum(skb: SkBuff) -> bool:
    """Summed while it is copied out (skb_copy_and_csum_datagram_msg): the sum is not kept."""
    ok = __skb_checksum_complete(skb)
    skb.csum = 0
    return ok


def _csum_copy_err(sk: UdpSock, skb: SkBuff, flags: int) -> None:
    """The checksum was wrong when it was looked at: the datagram goes, counted once."""
    if flags & MSG_PEEK:
        skb.users -= 1
        if skb in sk.reader_queue:
            sk.reader_queue.remove(skb)
            udp_skb_destructor(sk, skb)
        elif skb in sk.receive_queue:
            sk.receive_queue.remove(skb)
            udp_skb_destructor(sk, skb)
    sk.drops += 1
    mib = sk.ipv4.udp
    mib[UDP_MIB_CSUMERRORS] += 1
    mib[UDP_MIB_INERRORS] += 1
    kfree_skb_reason(skb, SITE_CSUM_READ if sk.ipv4.variant.udp_strict_full else SITE_CSUM_READ_OLD)


def skb_consume_udp(sk: UdpSock, skb: SkBuff) -> None:
    if skb.listed is not None:  # what hangs behind it is consumed with it
        skb.listed[0] -= 1
        skb.listed = None
    consume_skb(skb, None)


def first_packet_length(sk: UdpSock) -> SkBuff | None:
    """The next datagram whose checksum is right; bad ones at the front are dropped."""
    if sk.receive_queue and sk.enq:
        if not sk.reader_queue:
            sk.reader_queue.extend(sk.receive_queue)
            sk.receive_queue.clear()
    q = sk.reader_queue if sk.enq else sk.receive_queue
    total = 0
    res: SkBuff | None = None
    while q:
        skb = q[0]
        if udp_lib_checksum_complete(skb):
            res = skb
            break
        q.popleft()
        mib = sk.ipv4.udp
        mib[UDP_MIB_CSUMERRORS] += 1
        mib[UDP_MIB_INERRORS] += 1
        sk.drops += 1
        total += skb.truesize
        kfree_skb_reason(skb, SITE_CSUM_READ if sk.ipv4.variant.udp_strict_full else SITE_CSUM_READ_OLD)
    if total:
        udp_rmem_release(sk, total, 1)
        if res is None and sk.enq and sk.reader_queue:
            return first_packet_length(sk)
    return res


def udp_poll(sk: UdpSock) -> int:
    mask = datagram_poll(sk)
    if sk.reader_queue:
        mask |= POLLIN | POLLRDNORM
    if mask & POLLRDNORM and not sk.nonblock and not sk.shutdown & RCV_SHUTDOWN and first_packet_length(sk) is None:
        mask &= ~(POLLIN | POLLRDNORM)
    return mask


# --- errors from ICMP -----------------------------------------------------------------------------


def udp_err(skb: SkBuff, info: int) -> int:
    return __udp4_lib_err(skb, info)


def __udp4_lib_err(skb: SkBuff, info: int) -> int:
    """An ICMP error quotes one of our datagrams; skb.data at the quoted IP header."""
    ipv4 = ipv4_of(skb.net)
    h = skb.head
    q = skb.data
    ihl = (h[q] & 15) << 2
    sport, dport, _, _ = _PORTS.unpack_from(h, q + ihl)
    saddr, daddr = _ADDRS.unpack_from(h, q + 12)
    type_ = h[skb.transport_header]
    code = h[skb.transport_header + 1]
    dev = skb.dev
    sk = __udp4_lib_lookup(ipv4, daddr, dport, saddr, sport, dev.ifindex if dev is not None else 0)
    if sk is None:
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return -ENOENT
    err = EHOSTUNREACH
    harderr = False
    if type_ == ICMP_SOURCE_QUENCH:
        return 0
    if type_ == ICMP_PARAMETERPROB:
        err = EPROTO
        harderr = True
    elif type_ == ICMP_DEST_UNREACH:
        if code == ICMP_FRAG_NEEDED:
            ipv4_sk_update_pmtu(sk, skb, info)
            if sk.pmtudisc == IP_PMTUDISC_DONT:
                return 0
            err = EMSGSIZE
            harderr = True
        elif code <= NR_ICMP_UNREACH:
            err, harderr = ICMP_ERR_CONVERT[code]
    elif type_ == ICMP_REDIRECT:
        ipv4_sk_redirect(skb, sk)
        return 0
    if not sk.recverr:
        if not harderr or sk.state != TCP_ESTABLISHED:
            return 0
    else:
        ip_icmp_error(sk, skb, err, dport, info, q + ihl + 8)
    sk.err = err
    sk_error_report(sk)
    return 0


# --- send -----------------------------------------------------------------------------------------


def udp_sendmsg(sk: UdpSock, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
    """Send one datagram (or append to a corked one).  Raises OSError."""
    n = len(data)
    ipv4 = sk.ipv4
    if n > 0xFFFF:
        raise linux_error(EMSGSIZE)
    if flags & MSG_OOB:
        raise linux_error(EOPNOTSUPP)
    corkreq = sk.corkflag or bool(flags & MSG_MORE)
    if sk.pending:
        cork = sk.cork
        assert cork is not None
        try:
            ip_append_data(cork, data, flags)
        except OSError as e:
            udp_flush_pending_frames(sk)
            _no_space(sk, e.errno or 0)
            raise
        if not corkreq:
            udp_push_pending_frames(sk)
        return n
    connected = False
    if name is not None:
        daddr, dport = parse_addr(name)
        if dport == 0:
            raise linux_error(EINVAL)
    else:
        if sk.state != TCP_ESTABLISHED:
            raise linux_error(EDESTADDRREQ)
        daddr = sk.daddr
        dport = sk.dport
        connected = True
    ipc = IpcmCookie(sk)
    ipc.gso_size = sk.gso_size
    if control:
        for level, type_, value in control:
            if level == SOL_UDP:
                if type_ != UDP_SEGMENT or len(value) != 2:
                    raise linux_error(EINVAL)
                ipc.gso_size = int.from_bytes(value, "little")
        ip_cmsg_send(sk, control, ipc)
        connected = False
    if ipc.opt is None and sk.inet_opt is not None:
        ipc.opt = sk.inet_opt.copy()
    saddr = ipc.addr
    ipc.addr = faddr = daddr
    if ipc.opt is not None and ipc.opt.srr:
        if not daddr:
            raise linux_error(EINVAL)
        faddr = ipc.opt.faddr
        connected = False
    tos = (ipc.tos if ipc.tos >= 0 else sk.tos) & IPTOS_RT_MASK
    scope = 0
    if sk.localroute or flags & MSG_DONTROUTE or (ipc.opt is not None and ipc.opt.is_strictroute):
        scope = 253
        connected = False
    if daddr >> 28 == 0xE:
        if not ipc.oif:
            ipc.oif = sk.mc_index
        if not saddr:
            saddr = sk.mc_addr
        connected = False
    elif not ipc.oif:
        ipc.oif = sk.uc_index
    rt: Rtable | None = None
    fl4 = Flowi4(
        faddr,
        saddr,
        oif=ipc.oif,
        tos=tos,
        proto=17,
        scope=scope,
        mark=sk.mark,
        sport=sk.sport,
        dport=dport,
        flags=FLOWI_FLAG_ANYSRC if sk.transparent or sk.hdrincl else 0,
    )
    if connected:
        d = sk.dst
        if isinstance(d, Rtable) and d.valid():
            rt = d
            fl4.saddr = sk.saddr
            if not corkreq:
                fl4.daddr = sk.cork_daddr
                fl4.dport = sk.cork_dport
    if rt is None:
        rt = ip_route_output_flow(ipv4, fl4)
        if rt is None:
            if fl4.error == -ENETUNREACH:
                ipv4.ip[IPSTATS_MIB_OUTNOROUTES] += 1
            _no_space(sk, -fl4.error)
            raise linux_error(-fl4.error)
        if rt.rt_flags & RTCF_BROADCAST and not sk.broadcast:
            _no_space(sk, EACCES)
            raise linux_error(EACCES)
        if connected:
            sk.dst = rt
    if flags & MSG_CONFIRM:
        pass
    if not ipc.addr:
        ipc.addr = fl4.daddr
        daddr = fl4.daddr
    try:
        if not corkreq:
            cork = ip_make_skb(sk, fl4, data, 8, ipc, rt, flags)
            udp_send_skb(sk, cork, fl4)
            return n
        sk.cork_daddr = daddr
        sk.cork_dport = dport
        cork = Cork(sk, fl4, ipc, rt, 8)
        cork.more = True
        sk.cork = cork
        sk.pending = True
        try:
            ip_append_data(cork, data, flags)
        except OSError:
            udp_flush_pending_frames(sk)
            raise
        return n
    except OSError as e:
        _no_space(sk, e.errno or 0)
        raise


def _no_space(sk: UdpSock, err: int) -> None:
    """A send that failed counts when memory was short, or ever was."""
    if err == ENOBUFS or sk.nospace:
        sk.ipv4.udp[UDP_MIB_SNDBUFERRORS] += 1


def udp_push_pending_frames(sk: UdpSock) -> None:
    cork = sk.cork
    sk.pending = False
    sk.cork = None
    if cork is not None and cork.data_len >= 0:
        udp_send_skb(sk, cork, cork.fl4)


def udp_flush_pending_frames(sk: UdpSock) -> None:
    if sk.pending:
        sk.pending = False
        if sk.cork is not None:
            ip_flush_pending_frames(sk.cork)
        sk.cork = None


def udp_send_skb(sk: UdpSock, cork: Cork, fl4: Flowi4) -> None:
    """Header and checksum, then IP; UDP_SEGMENT sends as many datagrams as it takes."""
    ipv4 = sk.ipv4
    payload = cork.payload()
    saddr = fl4.saddr
    daddr = fl4.daddr
    gso = cork.gso_size
    if gso:
        err = 0
        if 28 + (cork.opt.optlen if cork.opt is not None else 0) + min(len(payload), gso) > cork.fragsize:
            err = EMSGSIZE
        elif len(payload) > gso * ipv4.variant.udp_max_segments or sk.no_check_tx:
            err = EINVAL
        if err:
            kfree_skb_reason(__alloc_skb(sk.net, len(payload) + 8), SITE_GSO_REFUSED)
            raise linux_error(err)
    n = len(payload) + 8
    hdr = bytes(((sk.sport >> 8) & 255, sk.sport & 255, fl4.dport >> 8, fl4.dport & 255, n >> 8 & 255, n & 255, 0, 0))
    seg = hdr + payload
    partial = False
    if not sk.no_check_tx:
        partial = bool(gso and len(payload) > gso) or (
            cork.rt.dev.is_loopback
            and not cork.more
            and n + 20 + (cork.opt.optlen if cork.opt is not None else 0) <= cork.fragsize
        )
        if partial:  # for the device to complete; on lo nobody does
            c = csum_tcpudp_nofold(saddr, daddr, n, 17)
        else:
            c = transport_checksum(saddr, daddr, 17, seg) or 0xFFFF
        seg = seg[:6] + c.to_bytes(2, "big") + payload
    try:
        ip_send_skb(ipv4, cork, seg, partial)
    except OSError as e:
        if e.errno == ENOBUFS and not sk.recverr:
            ipv4.udp[UDP_MIB_SNDBUFERRORS] += 1
            return
        raise
    ipv4.udp[UDP_MIB_OUTDATAGRAMS] += 1


# --- connect, disconnect, close, options ----------------------------------------------------------


def udp_connect(sk: UdpSock, addr: int, port: int) -> None:
    ip4_datagram_connect(sk, addr, port)
    if sk.ipv4.variant.udp_hash4:
        udp4_hash4(sk)


def udp_disconnect(sk: UdpSock) -> None:
    udp_disconnect_common(sk)


def udp_destruct_common(sk: UdpSock) -> None:
    """What was not read is dropped."""
    total = 0
    for q in (sk.reader_queue, sk.receive_queue):
        while q:
            skb = q.popleft()
            total += skb.truesize
            kfree_skb_reason(skb, SITE_SOCK_CLOSED)
    udp_rmem_release(sk, total, 0)


def udp_destroy_sock(sk: UdpSock) -> None:
    if sk.dead:
        return
    udp_flush_pending_frames(sk)
    udp_lib_unhash(sk)
    ip_mc_drop_socket(sk)
    udp_destruct_common(sk)
    sk.shutdown = SHUTDOWN_MASK
    sk_release(sk)


def udp_lib_setsockopt(sk: UdpSock, optname: int, value: int | bytes) -> None:
    val = opt_int(value)
    if optname == UDP_CORK:
        sk.corkflag = bool(val)
        if not val and sk.pending:
            with contextlib.suppress(OSError):  # nobody hears why it could not be sent
                udp_push_pending_frames(sk)
    elif optname == UDP_GRO:
        sk.gro_enabled = bool(val)
        if val:
            enable_udp_gro(sk.ipv4)
    elif optname == UDP_SEGMENT:
        if val < 0 or val > 0xFFFF:
            raise linux_error(EINVAL)
        sk.gso_size = val
    elif optname == UDP_NO_CHECK6_TX:
        sk.no_check6_tx = bool(val)
    elif optname == UDP_NO_CHECK6_RX:
        sk.no_check6_rx = bool(val)
    elif optname == UDP_ENCAP:
        if val == 0:
            sk.encap_type = 0
            return
        raise linux_error(EOPNOTSUPP if val in (2, 3) else ENOPROTOOPT, "UDP_ENCAP")  # ESP and L2TP
    else:
        raise linux_error(ENOPROTOOPT, f"SOL_UDP option {optname}")


class UdpLookup(UdpGroLookup):
    """Tells GRO which socket a datagram would go to."""

    __slots__ = ("ipv4",)

    def __init__(self, ipv4: Ipv4) -> None:
        super().__init__()
        self.ipv4 = ipv4
        self.needed = 1

    def lookup(self, skb: SkBuff, sport: int, dport: int) -> Sock | None:
        return udp4_gro_lookup_skb(self.ipv4, skb, sport, dport)

    def gro_enabled(self, sk: Sock) -> bool:
        return isinstance(sk, UdpSock) and sk.gro_enabled


def udp4_gro_lookup_skb(ipv4: Ipv4, skb: SkBuff, sport: int, dport: int) -> Sock | None:
    saddr, daddr = _ADDRS.unpack_from(skb.head, skb.network_header + 12)
    dev = skb.dev
    return __udp4_lib_lookup(ipv4, saddr, sport, daddr, dport, dev.ifindex if dev is not None else 0)


def enable_udp_gro(ipv4: Ipv4) -> None:
    """The first socket with UDP_GRO makes GRO look for sockets."""
    off = ipv4.net.offloads.get(0x0800)
    if isinstance(off, IpOffload) and not off.udp_lookup.needed:
        off.udp_lookup = UdpLookup(ipv4)


# --- registration ---------------------------------------------------------------------------------


class UdpProtocol(NetProtocol):
    __slots__ = ()

    def handler(self, skb: SkBuff) -> int:
        return udp_rcv(skb)

    def err_handler(self, skb: SkBuff, info: int) -> int:
        return udp_err(skb, info)

    def early_demux(self, skb: SkBuff) -> int:
        return udp_v4_early_demux(ipv4_of(skb.net), skb)


class UdpInetsw(Inetsw):
    __slots__ = ()

    def create(self, net: Net, protocol: int) -> InetSock:
        return UdpSock(net, protocol)


def udp_init(ipv4: Ipv4) -> None:
    ipv4.udp_table = UdpTable("UDP")
