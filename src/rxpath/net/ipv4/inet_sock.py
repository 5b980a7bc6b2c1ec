"""`InetSock`: a socket with IPv4 addresses, and the operations that a protocol gives it (struct inet_sock, struct
proto).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import EINVAL, ENOTCONN, EOPNOTSUPP, linux_error
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.sock import (
    AF_INET,
    TCP_CLOSE,
    TCP_ESTABLISHED,
    TCP_SYN_SENT,
    Msg,
    Proto,
    Sock,
    sock_def_readable,
    sock_def_wakeup,
)
from rxpath.net.ipv4.netns import Ipv4, ipv4_of

if TYPE_CHECKING:
    from rxpath.net.ipv4.igmp import IpMcSocklist
    from rxpath.net.ipv4.ip_options import IpOptions
    from rxpath.net.ipv4.ip_output import Cork

IPV4_MIN_MTU: Final = 68  # RFC 791

IP_PMTUDISC_DONT: Final = 0
IP_PMTUDISC_WANT: Final = 1
IP_PMTUDISC_DO: Final = 2
IP_PMTUDISC_PROBE: Final = 3
IP_PMTUDISC_INTERFACE: Final = 4
IP_PMTUDISC_OMIT: Final = 5

Address = tuple[str, int]
Cmsg = tuple[int, int, bytes]


class InetSock(Sock):
    """Addresses are u32, ports host order; `num` is the local port (raw: the protocol).  `rcv_saddr`: bound to,
    `saddr`: sent from.
    """

    __slots__ = (
        "ipv4",
        "saddr",
        "rcv_saddr",
        "daddr",
        "dport",
        "sport",
        "num",
        "tos",
        "uc_ttl",
        "mc_ttl",
        "mc_loop",
        "mc_all",
        "mc_index",
        "mc_addr",
        "uc_index",
        "cmsg_flags",
        "recverr",
        "recverr_rfc4884",
        "hdrincl",
        "freebind",
        "transparent",
        "nodefrag",
        "bind_address_no_port",
        "pmtudisc",
        "min_ttl",
        "inet_opt",
        "mc_list",
        "rx_dst",
        "rx_dst_ifindex",
        "cork",
        "cork_daddr",
        "cork_dport",
        "inet_id",
        "bind_addr_lock",
        "bind_port_lock",
        "defer_connect",
        "port_lo",
        "port_hi",
        "nospace",
    )

    def __init__(self, net: Net, type_: int, protocol: int, prot: Proto) -> None:
        super().__init__(net, AF_INET, type_, protocol, prot)
        ipv4: Ipv4 = ipv4_of(net)
        self.ipv4 = ipv4
        self.saddr = 0
        self.rcv_saddr = 0
        self.daddr = 0
        self.dport = 0
        self.cork_daddr = 0  # cork.fl.u.ip4: where the last connect or corked datagram wanted to go
        self.cork_dport = 0
        self.sport = 0
        self.num = 0
        self.tos = 0
        self.uc_ttl = -1
        self.mc_ttl = 1
        self.mc_loop = True
        self.mc_all = True
        self.mc_index = 0
        self.mc_addr = 0
        self.uc_index = 0
        self.cmsg_flags = 0
        self.recverr = False
        self.recverr_rfc4884 = False
        self.hdrincl = False
        self.freebind = False
        self.transparent = False
        self.nodefrag = False
        self.bind_address_no_port = False
        self.pmtudisc = IP_PMTUDISC_DONT if ipv4.ip_no_pmtu_disc else IP_PMTUDISC_WANT
        self.min_ttl = 0
        self.inet_opt: IpOptions | None = None
        self.mc_list: list[IpMcSocklist] = []
        self.rx_dst: object = None
        self.rx_dst_ifindex = 0
        self.cork: Cork | None = None
        self.inet_id = ipv4.random.getrandbits(16)
        self.bind_addr_lock = False
        self.bind_port_lock = False
        self.defer_connect = False
        self.port_lo = 0
        self.port_hi = 0
        self.nospace = False  # SOCK_NOSPACE: a sender found no room

    # --- struct proto ----------------------------------------------------------------------------------------------
    def get_port(self, snum: int) -> bool:
        """Take a local port (0 = choose one); False = in use."""
        raise linux_error(EINVAL)

    def power_off(self) -> None:
        """The machine ends: a closed socket that lingers lets go of what it holds."""

    def bind(self, addr: int, port: int) -> None:
        """Raises OSError."""
        from rxpath.net.ipv4.af_inet import bind_entry

        bind_entry(self, addr, port)

    def connect(self, addr: int, port: int, flags: int) -> None:
        raise linux_error(EOPNOTSUPP)

    def disconnect(self) -> None:
        raise linux_error(EOPNOTSUPP)

    def sendmsg(self, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
        raise linux_error(EOPNOTSUPP)

    def recvmsg(self, size: int, flags: int) -> Msg:
        raise linux_error(EOPNOTSUPP)

    def close(self) -> None:
        """Free everything; the socket is dead afterwards."""
        raise NotImplementedError

    def shutdown_how(self, how: int) -> None:
        """`how` 0 read, 1 write, 2 both.  An unconnected socket is shut down all the same, and told ENOTCONN."""
        self.shutdown |= how + 1
        sock_def_wakeup(self)
        if self.wq.entries:
            sock_def_readable(self)
        if self.state != TCP_ESTABLISHED:
            raise linux_error(ENOTCONN)

    def setsockopt(self, level: int, optname: int, value: int | bytes) -> None:
        from rxpath.net.ipv4.ip_sockglue import ip_setsockopt

        ip_setsockopt(self, level, optname, value)

    def getsockopt(self, level: int, optname: int) -> int | bytes:
        from rxpath.net.ipv4.ip_sockglue import ip_getsockopt

        return ip_getsockopt(self, level, optname)

    def local_port_range(self) -> tuple[int, int]:
        """Lowest and highest port to choose from: IP_LOCAL_PORT_RANGE inside of ip_local_port_range."""
        lo = self.ipv4.ip_local_port_lo
        hi = self.ipv4.ip_local_port_hi
        first = self.port_lo if lo <= self.port_lo <= hi else lo
        last = self.port_hi if lo <= self.port_hi <= hi else hi
        return first, last

    def peername(self) -> bytes:
        if not self.dport or self.state in (TCP_CLOSE, TCP_SYN_SENT):
            return b""
        return b"\2\0" + self.dport.to_bytes(2, "big") + self.daddr.to_bytes(4, "big") + bytes(8)

    def siocinq(self) -> int:
        """FIONREAD."""
        raise linux_error(EOPNOTSUPP)

    def backlog_rcv(self, skb: SkBuff) -> int:
        raise NotImplementedError


def inet_is_local_reserved_port(ipv4: Ipv4, port: int) -> bool:
    """Whether net.ipv4.ip_local_reserved_ports keeps the port from being chosen."""
    bits = ipv4.ip_local_reserved_ports
    return bool(bits) and bool(bits >> port & 1)


def ip_sk_accept_pmtu(sk: InetSock) -> bool:
    """Whether ICMP may tell this socket of its path's MTU; else it believes its interface alone."""
    return sk.pmtudisc not in (IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT)


def ip_sk_use_pmtu(sk: InetSock) -> bool:
    return sk.pmtudisc < IP_PMTUDISC_PROBE
