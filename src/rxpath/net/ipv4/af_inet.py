"""The AF_INET family: inet_init, making sockets, and the system calls on them.

What lives here: registration in Linux's order, bind, the syscall layer (`__x64_sys_*`), in-flight counting.  A
program's object with stdlib manners is rxpath.sockets.Socket.  Facts: net/ipv4/af_inet.c, net/socket.c; boot order
sheet 1.4.

A call from outside of any task (a test between two runs) works when it need not block: it runs as if on CPU 0 with
interrupts off, so time that it costs and softirqs that it raises come when the machine runs again; what would block
raises EAGAIN.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import (
    EADDRINUSE,
    EADDRNOTAVAIL,
    EAFNOSUPPORT,
    EAGAIN,
    EINVAL,
    ENOTCONN,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
    linux_error,
)
from rxpath.net.core.neighbour import neigh_in_flight, neigh_remove
from rxpath.net.core.netdevice import Net, dev_add_pack
from rxpath.net.core.sock import (
    AF_INET,
    AF_PACKET,
    IPPROTO_IP,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_RAW,
    SOCK_STREAM,
    TCP_CLOSE,
    Msg,
    Sock,
    in_flight_sockets,
    this_cpu,
)
from rxpath.net.core.steering import sock_rps_record_flow
from rxpath.net.ipv4.arp import ArpPacketType, ArpTable
from rxpath.net.ipv4.devinet import Ipv4DevConf, inetdev_event, inetdev_init
from rxpath.net.ipv4.fib import (
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RTN_BROADCAST,
    RTN_LOCAL,
    RTN_MULTICAST,
    fib_get_table,
    inet_addr_type,
)
from rxpath.net.ipv4.icmp import IcmpProtocol, icmp_init
from rxpath.net.ipv4.igmp import IgmpProtocol
from rxpath.net.ipv4.inet_sock import Address, Cmsg, InetSock
from rxpath.net.ipv4.inetpeer import InetPeerBase
from rxpath.net.ipv4.ip_forward import ForwardAction
from rxpath.net.ipv4.ip_fragment import frag_in_flight, ipfrag_flush, ipfrag_init
from rxpath.net.ipv4.ip_input import IpPacketType, LocalAction
from rxpath.net.ipv4.ip_output import ip_output_init
from rxpath.net.ipv4.netns import Inetsw, Ipv4, inet_add_protocol, ipv4_of
from rxpath.net.ipv4.nf_reject import nf_reject_init
from rxpath.net.ipv4.offload import ipv4_offload_init
from rxpath.net.ipv4.ping import PingInetsw
from rxpath.net.ipv4.proc import ipv4_proc_init
from rxpath.net.ipv4.raw import RawInetsw
from rxpath.net.ipv4.route import ip_rt_init
from rxpath.net.ipv4.sysctl_held import sysctl_held_init
from rxpath.net.ipv4.sysctl_net_ipv4 import devinet_sysctl_register, neigh_sysctl_register, sysctl_ipv4_init
from rxpath.net.ipv4.udp import UdpInetsw, UdpProtocol, udp_init
from rxpath.net.ipv4.udplite import IPPROTO_PIM, PimProtocol, UdpliteProtocol
from rxpath.net.netfilter.core import netfilter_init
from rxpath.wire.ipv4 import IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_UDP, IPPROTO_UDPLITE

# --- boot -----------------------------------------------------------------------------------------


def register_initcalls(k: Kernel, net: Net) -> None:
    """Put IPv4 into the boot order (before the initcalls run)."""
    k.initcalls.add("fs", "inet_init", lambda: inet_init(net))
    k.initcalls.add("fs", "ipv4_offload_init", lambda: ipv4_offload_init(net))
    k.initcalls.add("device", "sysctl_ipv4_init", lambda: sysctl_ipv4_init(ipv4_of(net)))
    k.initcalls.add("late", "sysctl_held_init", lambda: sysctl_held_init(ipv4_of(net)))


def inet_init(net: Net) -> None:
    """fs_initcall: protocols, socket types, ARP, IP, UDP, ICMP, then the packet type of IP last."""
    if net.netfilter is None:
        netfilter_init(net)
    ipv4 = Ipv4(net)
    net.ipv4 = ipv4
    inet_add_protocol(net, IcmpProtocol("ICMP", no_policy=True), IPPROTO_ICMP)
    inet_add_protocol(net, UdpProtocol("UDP", no_policy=True), IPPROTO_UDP)
    inet_add_protocol(net, IgmpProtocol("IGMP"), IPPROTO_IGMP)
    inet_add_protocol(net, UdpliteProtocol("UDP-Lite", no_policy=True), IPPROTO_UDPLITE)
    inet_add_protocol(net, PimProtocol("PIM"), IPPROTO_PIM)
    ipv4.inetsw.append(UdpInetsw(SOCK_DGRAM, IPPROTO_UDP))
    ipv4.inetsw.append(PingInetsw(SOCK_DGRAM, IPPROTO_ICMP))
    ipv4.inetsw.append(RawInetsw(SOCK_RAW, IPPROTO_IP))
    arp_init(ipv4)
    ip_init(ipv4)
    udp_init(ipv4)
    icmp_init(ipv4)
    nf_reject_init(ipv4)
    ipv4_proc_init(ipv4)
    ipfrag_init(ipv4)
    dev_add_pack(net, IpPacketType(ipv4))


def arp_init(ipv4: Ipv4) -> None:
    ipv4.arp_tbl = ArpTable(ipv4)
    dev_add_pack(ipv4.net, ArpPacketType())
    neigh_sysctl_register(ipv4, "default", ipv4.arp_tbl.parms)


def ip_init(ipv4: Ipv4) -> None:
    """Routing, peers, devices that are there already (loopback)."""
    ip_output_init(ipv4)
    ip_rt_init(ipv4)
    ipv4.act_local = LocalAction()
    ipv4.act_forward = ForwardAction()
    ipv4.peers = InetPeerBase(ipv4)
    ipv4.conf_all = Ipv4DevConf()
    ipv4.conf_default = Ipv4DevConf()
    ipv4.conf_default.accept_source_route = 1
    fib_get_table(ipv4, RT_TABLE_LOCAL)
    fib_get_table(ipv4, RT_TABLE_MAIN)
    devinet_sysctl_register(ipv4, "all", ipv4.conf_all, None)
    devinet_sysctl_register(ipv4, "default", ipv4.conf_default, None)
    ipv4.net.notifiers.append(inetdev_event)
    for dev in ipv4.net.devices:
        inetdev_init(dev)


# --- making and binding sockets -------------------------------------------------------------------


def inet_register_protosw(net: Net, sw: object) -> None:
    """Another protocol's sockets (TCP registers itself so)."""
    assert isinstance(sw, Inetsw)
    ipv4_of(net).inetsw.insert(0, sw)


def inet_create(net: Net, type_: int, protocol: int) -> InetSock:
    """Find the socket type.  Raises ESOCKTNOSUPPORT, EPROTONOSUPPORT, EINVAL."""
    if not 0 <= protocol < ipv4_of(net).variant.protocols:
        raise linux_error(EINVAL)
    found = False
    for sw in ipv4_of(net).inetsw:
        if sw.type != type_:
            continue
        found = True
        if protocol == sw.protocol:
            if protocol != IPPROTO_IP:
                return sw.create(net, protocol)
            if type_ == SOCK_RAW:
                raise linux_error(EPROTONOSUPPORT)
        elif protocol == IPPROTO_IP:
            return sw.create(net, sw.protocol)
        elif sw.protocol == IPPROTO_IP:
            return sw.create(net, protocol)
    raise linux_error(EPROTONOSUPPORT if found else ESOCKTNOSUPPORT)


def __inet_bind(sk: InetSock, addr: int, port: int) -> None:
    """bind.  Raises EADDRNOTAVAIL, EINVAL (bound already), EADDRINUSE."""
    ipv4 = sk.ipv4
    t = inet_addr_type(ipv4, addr)
    if (
        addr
        and t not in (RTN_LOCAL, RTN_MULTICAST, RTN_BROADCAST)
        and not ipv4.ip_nonlocal_bind
        and not sk.freebind
        and not sk.transparent
    ):
        raise linux_error(EADDRNOTAVAIL)
    if sk.state != TCP_CLOSE or sk.num:
        raise linux_error(EINVAL)
    sk.rcv_saddr = sk.saddr = addr
    if t in (RTN_MULTICAST, RTN_BROADCAST):
        sk.saddr = 0
    if port or not sk.bind_address_no_port:
        if not sk.get_port(port):
            sk.saddr = sk.rcv_saddr = 0
            raise linux_error(EADDRINUSE)
    if sk.rcv_saddr:
        sk.bind_addr_lock = True
    if port:
        sk.bind_port_lock = True
    sk.sport = sk.num
    sk.daddr = 0
    sk.dport = 0
    sk.dst = None


bind_entry = __inet_bind  # a name that class bodies do not mangle


def inet_autobind(sk: InetSock) -> None:
    """A port for who did not ask for one.  Raises EAGAIN."""
    if not sk.num:
        if not sk.get_port(0):
            raise linux_error(EAGAIN)
        sk.sport = sk.num


def inet_dgram_connect(sk: InetSock, addr: int, port: int, flags: int) -> None:
    if not sk.num:
        inet_autobind(sk)
    sk.connect(addr, port, flags)


def inet_recvmsg(sk: InetSock, size: int, flags: int) -> Msg:
    if sk.net.rps_sock_flow_table is not None and not flags & MSG_ERRQUEUE:
        sock_rps_record_flow(sk)
    return sk.recvmsg(size, flags)


def sock_recvmsg(sk: InetSock, size: int, flags: int) -> Msg:
    return inet_recvmsg(sk, size, flags)


def inet_sendmsg(sk: InetSock, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
    if sk.net.rps_sock_flow_table is not None:
        sock_rps_record_flow(sk)
    if sk.type not in (SOCK_RAW, SOCK_STREAM) and sk.family == AF_INET and not sk.num:
        inet_autobind(sk)
    return sk.sendmsg(data, name, control, flags)


NPROTO: Final = 46
SOCK_MAX: Final = 11


# --- system calls ---------------------------------------------------------------------------------


def enter(net: Net) -> bool:
    """Called first: True when the caller is outside of the machine (`leave` must follow)."""
    if net.kernel.engine.current is not None:
        return False
    this_cpu(net).enter_from_outside()
    return True


def leave(net: Net) -> None:
    this_cpu(net).leave_to_outside()


def __sys_socket(net: Net, family: int, type_: int, protocol: int) -> Sock:
    """socket.  Raises EINVAL (no such flag or type), EAFNOSUPPORT and what inet_create raises."""
    nb = type_ & SOCK_NONBLOCK
    kind = type_ & 0xF
    if type_ & ~(0xF | SOCK_NONBLOCK | SOCK_CLOEXEC):
        raise linux_error(EINVAL)
    if 0 <= family < NPROTO and kind >= SOCK_MAX:
        raise linux_error(EINVAL)
    if family == AF_INET:
        sk: Sock = inet_create(net, kind, protocol)
    elif family == AF_PACKET and net.packet is not None:
        sk = net.packet.create(kind, protocol)
    else:
        raise linux_error(EAFNOSUPPORT)
    sk.nonblock = bool(nb)
    return sk


def __sys_bind(sk: InetSock, addr: int, port: int) -> None:
    out = enter(sk.net)
    try:
        sk.bind(addr, port)
    finally:
        if out:
            leave(sk.net)


def __sys_connect(sk: InetSock, addr: int, port: int) -> None:
    out = enter(sk.net)
    try:
        if sk.type == SOCK_STREAM:
            sk.connect(addr, port, MSG_DONTWAIT if sk.nonblock else 0)
        else:
            inet_dgram_connect(sk, addr, port, 0)
    finally:
        if out:
            leave(sk.net)


def sys_disconnect(sk: InetSock) -> None:
    """connect with AF_UNSPEC."""
    out = enter(sk.net)
    try:
        sk.disconnect()
    finally:
        if out:
            leave(sk.net)


def __sys_recvfrom(sk: InetSock, size: int, flags: int) -> Msg:
    out = sk.net.kernel.engine.current is None and enter(sk.net)
    try:
        return sock_recvmsg(sk, size, flags)
    finally:
        if out:
            leave(sk.net)


def __x64_sys_recvfrom(sk: InetSock, size: int, flags: int) -> Msg:
    return __sys_recvfrom(sk, size, flags)


def ___sys_recvmsg(sk: InetSock, size: int, flags: int) -> Msg:
    out = enter(sk.net)
    try:
        return sock_recvmsg(sk, size, flags)
    finally:
        if out:
            leave(sk.net)


def __sys_recvmsg(sk: InetSock, size: int, flags: int) -> Msg:
    return ___sys_recvmsg(sk, size, flags)


def __x64_sys_recvmsg(sk: InetSock, size: int, flags: int) -> Msg:
    return __sys_recvmsg(sk, size, flags)


def __sys_sendto(sk: InetSock, data: bytes, name: Address | None, flags: int) -> int:
    out = enter(sk.net)
    try:
        if sk.nonblock:
            flags |= MSG_DONTWAIT
        return inet_sendmsg(sk, data, name, [], flags)
    finally:
        if out:
            leave(sk.net)


def __x64_sys_sendto(sk: InetSock, data: bytes, name: Address | None, flags: int) -> int:
    return __sys_sendto(sk, data, name, flags)


def __sys_sendmsg(sk: InetSock, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
    out = enter(sk.net)
    try:
        if sk.nonblock:
            flags |= MSG_DONTWAIT
        return inet_sendmsg(sk, data, name, control, flags)
    finally:
        if out:
            leave(sk.net)


def __x64_sys_sendmsg(sk: InetSock, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
    return __sys_sendmsg(sk, data, name, control, flags)


def __sys_setsockopt(sk: InetSock, level: int, optname: int, value: int | bytes) -> None:
    out = enter(sk.net)
    try:
        sk.setsockopt(level, optname, value)
    finally:
        if out:
            leave(sk.net)


def __sys_getsockopt(sk: InetSock, level: int, optname: int) -> int | bytes:
    return sk.getsockopt(level, optname)


def __sys_shutdown(sk: InetSock, how: int) -> None:
    if how not in (0, 1, 2):
        raise linux_error(EINVAL)
    out = enter(sk.net)
    try:
        sk.shutdown_how(how)
    finally:
        if out:
            leave(sk.net)


def sys_close(sk: InetSock) -> None:
    out = enter(sk.net)
    try:
        sk.close()
    finally:
        if out:
            leave(sk.net)


def sys_getsockname(sk: InetSock) -> tuple[int, int]:
    """(address, port)."""
    return sk.rcv_saddr or sk.saddr, sk.sport


def sys_getpeername(sk: InetSock) -> tuple[int, int]:
    """Raises ENOTCONN."""
    if not sk.dport or sk.state in (TCP_CLOSE, 2):  # CLOSE, SYN_SENT
        raise linux_error(ENOTCONN)
    return sk.daddr, sk.dport


# names without leading underscores for callers inside of class bodies
sys_socket = __sys_socket
sys_bind = __sys_bind
sys_connect = __sys_connect
sys_recvfrom = __x64_sys_recvfrom
sys_recvmsg = __x64_sys_recvmsg
sys_sendto = __x64_sys_sendto
sys_sendmsg = __x64_sys_sendmsg
sys_setsockopt = __sys_setsockopt
sys_getsockopt = __sys_getsockopt
sys_shutdown = __sys_shutdown


# --- the ledger's walk ----------------------------------------------------------------------------


def in_flight(net: Net) -> int:
    """Wire frames in sockets' queues, fragment queues and neighbours' queues."""
    if net.ipv4 is None:
        return 0
    seen: dict[int, int] = {}
    return in_flight_sockets(net, seen) + frag_in_flight(net, seen) + neigh_in_flight(ipv4_of(net).arp_tbl, seen)


def close_all(net: Net) -> None:
    """The machine ends: sockets are closed, queues emptied; nothing is in flight afterwards."""
    if net.ipv4 is None:
        return
    for sk in list(net.sockets):
        if isinstance(sk, InetSock):
            sys_close(sk)
    for sk in list(net.sockets):  # orphans that still talk: power goes off
        if isinstance(sk, InetSock):
            sk.power_off()
    ipfrag_flush(net)

    tbl = ipv4_of(net).arp_tbl
    for n in list(tbl.entries.values()):
        neigh_remove(tbl, n)
