"""What datagram sockets share: connect, disconnect, addresses of programs (net/ipv4/datagram.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxpath.kernel.errno import EACCES, EINVAL, ENETUNREACH, linux_error
from rxpath.net.core.sock import TCP_CLOSE, TCP_ESTABLISHED
from rxpath.net.ipv4.inet_sock import Address, InetSock
from rxpath.net.ipv4.mib import IPSTATS_MIB_OUTNOROUTES
from rxpath.net.ipv4.route import FLOWI_FLAG_ANYSRC, IPTOS_RT_MASK, RTCF_BROADCAST, Flowi4, ip_route_output_flow
from rxpath.wire.addr import ip4

if TYPE_CHECKING:
    pass


def parse_addr(name: Address) -> tuple[int, int]:
    """("10.0.0.1", 53) -> numbers; "" is 0.0.0.0.  Raises EINVAL."""
    host, port = name[0], name[1]
    if host == "":
        a = 0
    elif host == "<broadcast>":
        a = 0xFFFFFFFF
    elif host == "localhost":
        a = 0x7F000001
    else:
        try:
            a = ip4(host)
        except ValueError as e:
            raise linux_error(EINVAL, str(e)) from None
    if not 0 <= port <= 65535:
        raise OverflowError("port must be 0-65535.")
    return a, port


def ip4_datagram_connect(sk: InetSock, daddr: int, dport: int) -> None:
    """Fix the peer and the local address.  Raises ENETUNREACH, EACCES (broadcast without SO_BROADCAST)..."""
    from rxpath.net.ipv4.udp import UdpSock

    ipv4 = sk.ipv4
    sk.dst = None
    oif = sk.bound_dev_if
    saddr = sk.saddr
    if daddr >> 28 == 0xE:
        if not oif:
            oif = sk.mc_index
        if not saddr:
            saddr = sk.mc_addr
    elif not oif:
        oif = sk.uc_index
    fl4 = Flowi4(
        daddr,
        saddr,
        oif=oif,
        tos=sk.tos & IPTOS_RT_MASK,
        proto=sk.protocol,
        sport=sk.sport,
        dport=dport,
        mark=sk.mark,
        flags=FLOWI_FLAG_ANYSRC if sk.transparent else 0,
    )
    sk.cork_daddr = daddr  # stays when this fails, and a send over a cached route goes there
    sk.cork_dport = dport
    rt = ip_route_output_flow(ipv4, fl4)
    if rt is not None and not (daddr and saddr):  # ip_route_connect: again with both addresses
        fl4.oif = oif
        rt = ip_route_output_flow(ipv4, fl4)
    if rt is None:
        if fl4.error == -ENETUNREACH:
            ipv4.ip[IPSTATS_MIB_OUTNOROUTES] += 1
        raise linux_error(-fl4.error)
    if rt.rt_flags & RTCF_BROADCAST and not sk.broadcast:
        raise linux_error(EACCES)
    if not sk.saddr:
        sk.saddr = fl4.saddr
    if not sk.rcv_saddr:
        sk.rcv_saddr = fl4.saddr
        sk.rehash()
    sk.daddr = sk.cork_daddr = fl4.daddr
    sk.dport = dport
    sk.state = TCP_ESTABLISHED
    if isinstance(sk, UdpSock) and sk.reuse_group is not None:
        sk.reuse_group.has_conns = True
    sk.inet_id = ipv4.random.getrandbits(16)
    sk.dst = rt


def udp_disconnect_common(sk: InetSock) -> None:
    """connect to AF_UNSPEC."""
    sk.state = TCP_CLOSE
    sk.daddr = 0
    sk.dport = 0
    sk.rxhash = 0
    sk.bound_dev_if = 0
    if not sk.bind_addr_lock:
        sk.rcv_saddr = 0
        sk.saddr = 0
        if sk.bind_port_lock:
            sk.rehash()
    if not sk.bind_port_lock:
        sk.unhash()
        sk.sport = 0
        sk.num = 0
    sk.dst = None
