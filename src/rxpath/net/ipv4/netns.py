"""`Ipv4`: the state of IPv4 in one machine (struct netns_ipv4): counters, protocol table, devices, routes,
sysctls, sockets.

What lives here: fields and their defaults.  Behaviour lives in the file named after Linux's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.formats.netstat import TCPEXT_3_13, TCPEXT_5_15, TCPEXT_6_18
from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import EINVAL
from rxpath.net.core.netdevice import Net, NetDevice
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.sock import Proto
from rxpath.net.ipv4 import mib
from rxpath.net.ipv4.variants import VARIANTS, Ipv4Variant

if TYPE_CHECKING:
    from rxpath.net.core.neighbour import NeighTable
    from rxpath.net.ipv4.devinet import InDevice, InIfaddr, Ipv4DevConf
    from rxpath.net.ipv4.fib import FibInfo, FibTable
    from rxpath.net.ipv4.inet_fragment import FqDir
    from rxpath.net.ipv4.inet_sock import InetSock
    from rxpath.net.ipv4.inetpeer import InetPeerBase
    from rxpath.net.ipv4.route import Rtable, RtAction
    from rxpath.net.ipv4.udp import UdpTable

BUFFER_PAGES: Final = 2048 * 1024 // 4  # nr_free_buffer_pages of a 2 GiB machine


class NetProtocol:
    """`struct net_protocol`: subclass and implement `handler` and `err_handler`.

    `handler(skb)` with skb.data at the transport header: 0, or -n to resubmit as protocol n.  `netns_ok`: 3.13
    refuses without.
    """

    __slots__ = ("name", "no_policy", "netns_ok", "icmp_strict_tag_validation", "has_early_demux")

    def __init__(self, name: str, *, no_policy: bool = False, netns_ok: bool = True, strict: bool = False) -> None:
        self.name = name
        self.no_policy = no_policy
        self.netns_ok = netns_ok
        self.icmp_strict_tag_validation = strict
        self.has_early_demux = False

    def handler(self, skb: SkBuff) -> int:
        raise NotImplementedError

    def err_handler(self, skb: SkBuff, info: int) -> int:
        """An ICMP error quotes a packet of this protocol; skb.data at the quoted IP header.  0 = found its socket."""
        return 0

    def early_demux(self, skb: SkBuff) -> int:
        """Before routing: attach a socket (and perhaps its route).  Returns a negative errno to drop."""
        return 0


class Inetsw:
    """`struct inet_protosw`: which socket a (type, protocol) makes.  Subclass and implement `create`."""

    __slots__ = ("type", "protocol", "permanent")

    def __init__(self, type_: int, protocol: int) -> None:
        self.type = type_
        self.protocol = protocol

    def create(self, net: Net, protocol: int) -> InetSock:
        raise NotImplementedError


class Ipv4:
    __slots__ = (
        "net",
        "kernel",
        "variant",
        "ip",
        "ipext",
        "icmp",
        "icmpmsg",
        "udp",
        "udplite",
        "tcp",
        "tcpext",
        "protos",
        "inetsw",
        "udp_prot",
        "tcp_prot",
        "raw_prot",
        "ping_prot",
        "udplite_prot",
        "udp_table",
        "raw_hash",
        "ra_chain",
        "ping_socks",
        "tcp_state",
        "in_devs",
        "ifa_hash",
        "conf_all",
        "conf_default",
        "fib_tables",
        "fib_info_list",
        "fib_has_custom_local_routes",
        "rt_genid",
        "fnhe_genid",
        "fib_seq",
        "rt_in_cache",
        "rt_out_cache",
        "act_local",
        "act_forward",
        "act_error",
        "act_output",
        "act_mc_output",
        "act_rt_bug",
        "act_mr_input",
        "arp_tbl",
        "peers",
        "fqdir",
        "icmp_sk",
        "icmp_xmit_busy",
        "icmp_global_credit",
        "icmp_global_stamp",
        "ip_ident",
        "local_port_rng",
        "random",
        "igmp_sk",
        "mc_autojoin_sk",
        "rt_stat",
        "tcp_sk",
        "fib_nexthop_hash",
        # sysctls
        "ip_forward",
        "ip_default_ttl",
        "ip_no_pmtu_disc",
        "ip_forward_use_pmtu",
        "ip_forward_update_priority",
        "ip_early_demux",
        "tcp_early_demux",
        "udp_early_demux",
        "ip_local_port_lo",
        "ip_local_port_hi",
        "ip_local_reserved_ports",
        "ip_nonlocal_bind",
        "ip_dynaddr",
        "ip_autobind_reuse",
        "ip_unprivileged_port_start",
        "ipfrag_max_dist",
        "ipfrag_secret_interval",
        "icmp_echo_ignore_all",
        "icmp_echo_enable_probe",
        "icmp_echo_ignore_broadcasts",
        "icmp_ignore_bogus_error_responses",
        "icmp_errors_use_inbound_ifaddr",
        "icmp_ratelimit",
        "icmp_ratemask",
        "icmp_msgs_per_sec",
        "icmp_msgs_burst",
        "igmp_max_memberships",
        "igmp_max_msf",
        "igmp_qrv",
        "igmp_link_local_mcast_reports",
        "udp_l3mdev_accept",
        "raw_l3mdev_accept",
        "fwmark_reflect",
        "fwmark_accept",
        "fib_multipath_hash_policy",
        "fib_multipath_hash_fields",
        "fib_multipath_use_neigh",
        "fib_notify_on_flag_change",
        "nexthop_compat_mode",
        "min_pmtu",
        "mtu_expires",
        "min_advmss",
        "error_cost",
        "error_burst",
        "redirect_number",
        "redirect_load",
        "redirect_silence",
        "ping_group_lo",
        "ping_group_hi",
        "inet_peer_threshold",
        "inet_peer_minttl",
        "inet_peer_maxttl",
        "nexthop_compat_mode",
        "fib_sync_mem",
        "zeronet_max",
        "addr_text",
    )

    def __init__(self, net: Net) -> None:
        k: Kernel = net.kernel
        r = k.release
        self.net = net
        self.kernel = k
        self.variant: Ipv4Variant = VARIANTS[r.name]
        self.addr_text: dict[int, str] = {}  # of senders, as programs see them; some thousands at most
        self.ip = [0] * len(mib.IP_NAMES)
        self.ipext = [0] * len(mib.IPEXT_NAMES)
        self.icmp = [0] * len(mib.ICMP_NAMES)
        self.icmpmsg = [0] * 512
        self.udp = [0] * len(mib.UDP_NAMES)
        self.udplite = [0] * len(mib.UDP_NAMES)
        self.tcp = [0] * len(mib.TCP_NAMES)
        self.tcp[0:4] = [1, 200, 120000, -1]
        self.tcpext: dict[str, int] = dict.fromkeys((*TCPEXT_3_13, *TCPEXT_5_15, *TCPEXT_6_18), 0)
        self.protos: list[NetProtocol | None] = [None] * 256
        self.inetsw: list[Inetsw] = []
        self.udp_prot = Proto("UDP", has_pool=True)
        self.tcp_prot = Proto("TCP", has_pool=True, has_pressure=True)
        self.raw_prot = Proto("RAW")
        self.ping_prot = Proto("PING")
        self.udplite_prot = Proto("UDP-Lite", has_pool=True)
        pages = BUFFER_PAGES
        limit = max(pages // 8, 128)
        self.udp_prot.mem = [limit // 4 * 3, limit, limit // 4 * 3 * 2]
        self.udplite_prot.mem = self.udp_prot.mem
        self.udp_table: UdpTable
        self.raw_hash: dict[int, list[InetSock]] = {}
        self.ra_chain: list[InetSock] = []  # raw sockets with IP_ROUTER_ALERT
        self.ping_socks: list[InetSock] = []
        self.tcp_state: object = None  # the TCP package hangs its tables here
        self.in_devs: list[InDevice] = []
        self.ifa_hash: dict[int, list[InIfaddr]] = {}
        self.conf_all: Ipv4DevConf
        self.conf_default: Ipv4DevConf
        self.fib_tables: dict[int, FibTable] = {}
        self.fib_info_list: list[FibInfo] = []
        self.fib_has_custom_local_routes = False
        self.rt_genid = 0
        self.fnhe_genid = 0
        self.fib_seq = 0
        self.rt_in_cache: dict[tuple[int, int], Rtable] = {}
        self.rt_out_cache: dict[tuple[int, int, int], Rtable] = {}
        self.act_local: RtAction
        self.act_forward: RtAction
        self.act_error: RtAction
        self.act_output: RtAction
        self.act_mc_output: RtAction
        self.act_rt_bug: RtAction
        self.act_mr_input: RtAction
        self.arp_tbl: NeighTable
        self.peers: InetPeerBase
        self.fqdir: FqDir
        self.icmp_sk: InetSock
        self.icmp_xmit_busy = False
        self.icmp_global_credit = 0
        self.icmp_global_stamp = 0
        self.random = k.rng("ipv4")
        self.ip_ident: dict[int, int] = {}
        self.igmp_sk: InetSock | None = None
        self.rt_stat: dict[str, int] = {
            "in_martian_src": 0,
            "in_martian_dst": 0,
            "in_slow_tot": 0,
            "in_brd": 0,
            "in_no_route": 0,
            "in_slow_mc": 0,
            "out_slow_tot": 0,
            "out_slow_mc": 0,
        }
        hz = k.hz
        self.zeronet_max = 0xFFFFFF if self.variant.zeronet_is_net else 0  # the last address of "this network"
        self.ip_forward = 0
        self.ip_default_ttl = 64
        self.ip_no_pmtu_disc = 0
        self.ip_forward_use_pmtu = 0
        self.ip_forward_update_priority = 1
        self.ip_early_demux = 1
        self.tcp_early_demux = 1
        self.udp_early_demux = 1
        self.ip_local_port_lo = 32768
        self.ip_local_port_hi = r.local_port_max
        self.ip_local_reserved_ports = 0  # a bit a port
        self.ip_nonlocal_bind = 0
        self.ip_dynaddr = 0
        self.ip_autobind_reuse = 0
        self.ip_unprivileged_port_start = 1024
        self.ipfrag_max_dist = 64
        self.ipfrag_secret_interval = net.kernel.release.ipfrag_secret_interval
        self.icmp_echo_ignore_all = 0
        self.icmp_echo_enable_probe = 0
        self.icmp_echo_ignore_broadcasts = 1
        self.icmp_ignore_bogus_error_responses = 1
        self.icmp_errors_use_inbound_ifaddr = 0
        self.icmp_ratelimit = hz  # jiffies; the file is in milliseconds
        self.icmp_ratemask = 0x1818
        self.icmp_msgs_per_sec = 1000
        self.icmp_msgs_burst = 50
        self.igmp_max_memberships = 20
        self.igmp_max_msf = 10
        self.igmp_qrv = 2
        self.igmp_link_local_mcast_reports = 1
        self.udp_l3mdev_accept = 0
        self.raw_l3mdev_accept = 1
        self.fwmark_reflect = 0
        self.fib_multipath_hash_fields = 7
        self.fib_multipath_use_neigh = 0
        self.fib_notify_on_flag_change = 0
        self.nexthop_compat_mode = 1
        self.fwmark_accept = 0
        self.fib_multipath_hash_policy = 0
        self.min_pmtu = 552
        self.mtu_expires = 600 * hz
        self.min_advmss = 256
        self.error_cost = hz
        self.error_burst = 5 * hz
        self.redirect_number = 9
        self.redirect_load = max(hz // 50, 1)
        self.redirect_silence = (max(hz // 50, 1)) << 10
        self.ping_group_lo = 1
        self.ping_group_hi = 0
        self.inet_peer_threshold = 65536 + 128
        self.inet_peer_minttl = 120
        self.inet_peer_maxttl = 600
        self.nexthop_compat_mode = 1

    def in_dev(self, dev: NetDevice) -> InDevice | None:
        """__in_dev_get_rcu."""
        d = dev.ip_ptr
        return d  # type: ignore[no-any-return]


def ipv4_of(net: Net) -> Ipv4:
    v = net.ipv4
    assert isinstance(v, Ipv4)
    return v


def inet_add_protocol(net: Net, prot: NetProtocol, protocol: int) -> int:
    """Take a slot: 0, -1 when it is taken, -EINVAL when the release demands `netns_ok` and it is not set (3.13)."""
    ipv4 = ipv4_of(net)
    if net.kernel.release.netns_ok and not prot.netns_ok:
        net.kernel.log.err("Protocol %d is not namespace aware, cannot register." % protocol)
        return -EINVAL
    if ipv4.protos[protocol & 255] is not None:
        return -1
    ipv4.protos[protocol & 255] = prot
    return 0


def inet_del_protocol(net: Net, prot: NetProtocol, protocol: int) -> int:
    ipv4 = ipv4_of(net)
    if ipv4.protos[protocol & 255] is not prot:
        return -1
    ipv4.protos[protocol & 255] = None
    return 0
