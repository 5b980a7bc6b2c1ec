"""The sysctls net.ipv4.*, net.ipv4.conf.*, net.ipv4.neigh.* with their defaults, ranges and what a write does.

TCP's own stand in its package.  Facts: net/ipv4/sysctl_net_ipv4.c, devinet.c, net/core/neighbour.c; sheets 16 and 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import EINVAL, linux_error
from rxpath.kernel.sysctl import INT_MAX, INT_MIN, SysctlTable, bitmap_text, parse_bitmap
from rxpath.net.ipv4.fib import ipv4_sysctl_rtcache_flush
from rxpath.net.ipv4.inet_sock import IPV4_MIN_MTU
from rxpath.net.ipv4.netns import Ipv4

if TYPE_CHECKING:
    from rxpath.net.core.neighbour import NeighParms
    from rxpath.net.ipv4.devinet import InDevice, Ipv4DevConf

# name, lowest, highest; the attribute of Ipv4 has the same name
_PLAIN: Final = (
    ("ip_default_ttl", 1, 255),
    ("ip_no_pmtu_disc", 0, 255),
    ("ip_forward_use_pmtu", 0, 255),
    ("ip_early_demux", 0, 255),
    ("ip_nonlocal_bind", 0, 255),
    ("ip_dynaddr", 0, 255),
    ("ipfrag_max_dist", 0, INT_MAX),
    ("icmp_echo_ignore_all", 0, 1),
    ("icmp_echo_ignore_broadcasts", 0, 1),
    ("icmp_ignore_bogus_error_responses", 0, 1),
    ("icmp_errors_use_inbound_ifaddr", 0, 1),
    ("icmp_ratemask", INT_MIN, INT_MAX),
    ("igmp_max_memberships", INT_MIN, INT_MAX),
    ("igmp_max_msf", INT_MIN, INT_MAX),
    ("igmp_qrv", 1, INT_MAX),
    ("igmp_link_local_mcast_reports", 0, 255),
    ("inet_peer_threshold", INT_MIN, INT_MAX),
    ("inet_peer_minttl", INT_MIN, INT_MAX),
    ("inet_peer_maxttl", INT_MIN, INT_MAX),
)
_NEWER: Final = (
    ("ip_forward_update_priority", 0, 1),
    ("tcp_early_demux", 0, 1),
    ("udp_early_demux", 0, 255),
    ("icmp_echo_enable_probe", 0, 1),
    ("ip_autobind_reuse", 0, 1),
    ("icmp_msgs_per_sec", 0, INT_MAX),
    ("icmp_msgs_burst", 0, INT_MAX),
    ("fwmark_reflect", 0, 255),
    ("udp_l3mdev_accept", 0, 1),
    ("raw_l3mdev_accept", 0, 1),
    ("fib_multipath_use_neigh", 0, 1),
    ("fib_multipath_hash_policy", 0, 3),
    ("fib_multipath_hash_fields", 1, 0x1FFF),
    ("fib_notify_on_flag_change", 0, 2),
    ("nexthop_compat_mode", 0, 1),
)


SKB_TRUESIZE_ETH: Final = 2090  # SKB_TRUESIZE(ETH_FRAME_LEN)
GID_T_MAX: Final = 0xFFFFFFFE
LONG_MIN: Final = -(1 << 63)


class _Attr:
    """Reader and writer of one attribute."""

    __slots__ = ("obj", "name")

    def __init__(self, obj: object, name: str) -> None:
        self.obj = obj
        self.name = name

    def get(self) -> int:
        return int(getattr(self.obj, self.name))

    def put(self, v: int) -> None:
        setattr(self.obj, self.name, v)


class JiffiesSysctl:
    """A time kept in jiffies, shown in units of 1/`per` second: proc_dointvec_jiffies (1), _userhz_jiffies (100) and
    _ms_jiffies (1000), which differ in what they refuse and in how they round.
    """

    __slots__ = ("obj", "name", "per", "hz")

    def __init__(self, obj: object, name: str, per: int, hz: int) -> None:
        self.obj = obj
        self.name = name
        self.per = per
        self.hz = hz

    def get(self) -> int:
        return int(getattr(self.obj, self.name)) * self.per // self.hz

    def put(self, v: int) -> None:
        """Raises EINVAL: seconds beyond an int of jiffies, milliseconds that are negative as an int."""
        if self.per == 1:
            if abs(v) > INT_MAX // self.hz:
                raise linux_error(EINVAL, self.name)
            v *= self.hz
        elif self.per == 1000:
            v &= 0xFFFFFFFF
            if v > INT_MAX:
                raise linux_error(EINVAL, self.name)
            v = -(-v * self.hz // 1000)
        else:
            v = (v * self.hz // self.per + INT_MAX + 1 & 0xFFFFFFFF) - INT_MAX - 1
        setattr(self.obj, self.name, v)

    def register(self, table: SysctlTable, name: str) -> None:
        table.int_value(name, self.get, self.put, LONG_MIN, -LONG_MIN - 1)


def sysctl_ipv4_init(ipv4: Ipv4) -> None:
    """device_initcall."""
    from rxpath.net.ipv4.devinet import inet_forward_change

    s = ipv4.kernel.sysctl
    r = ipv4.kernel.release
    rows = list(_PLAIN)
    if r.ip_early_demux_split:
        rows += list(_NEWER)
    for name, lo, hi in rows:
        a = _Attr(ipv4, name)
        s.int_value("net.ipv4." + name, a.get, a.put, lo, hi)

    def put_forward(v: int) -> None:
        if v != ipv4.conf_all.forwarding:
            inet_forward_change(ipv4, v)

    s.int_value("net.ipv4.ip_forward", lambda: ipv4.conf_all.forwarding, put_forward)

    hz = ipv4.kernel.hz
    JiffiesSysctl(ipv4, "icmp_ratelimit", 1000, hz).register(s, "net.ipv4.icmp_ratelimit")

    def put_range(v: list[int]) -> None:
        lo, hi = v
        if lo > hi or lo < 1 or hi > 65535 or (r.ip_early_demux_split and lo < ipv4.ip_unprivileged_port_start):
            raise linux_error(EINVAL, "ip_local_port_range")
        ipv4.ip_local_port_lo, ipv4.ip_local_port_hi = lo, hi

    def put_unprivileged(v: int) -> None:
        if ipv4.ip_local_port_lo < v:
            raise linux_error(EINVAL, "above ip_local_port_range")
        ipv4.ip_unprivileged_port_start = v

    if r.ip_early_demux_split:
        s.int_value(
            "net.ipv4.ip_unprivileged_port_start", lambda: ipv4.ip_unprivileged_port_start, put_unprivileged, 0, 65535
        )

    def put_reserved(text: str) -> None:
        ipv4.ip_local_reserved_ports = parse_bitmap(text, 1 << 16)

    s.register("net.ipv4.ip_local_reserved_ports", lambda: bitmap_text(ipv4.ip_local_reserved_ports), put_reserved)
    s.vector("net.ipv4.ip_local_port_range", lambda: [ipv4.ip_local_port_lo, ipv4.ip_local_port_hi], put_range)

    def put_ping(v: list[int]) -> None:
        if v[0] > v[1]:
            v = [1, 0]
        ipv4.ping_group_lo, ipv4.ping_group_hi = v

    s.vector("net.ipv4.ping_group_range", lambda: [ipv4.ping_group_lo, ipv4.ping_group_hi], put_ping, 0, GID_T_MAX)

    # fragments: each bound depends on the other
    fq = ipv4.fqdir

    def put_high(v: int) -> None:
        if v < fq.low_thresh:
            raise linux_error(EINVAL, "below ipfrag_low_thresh")
        fq.high_thresh = v

    def put_low(v: int) -> None:
        if v > fq.high_thresh:
            raise linux_error(EINVAL, "above ipfrag_high_thresh")
        fq.low_thresh = v

    s.int_value("net.ipv4.ipfrag_high_thresh", lambda: fq.high_thresh, put_high, 0, 1 << 62)
    s.int_value("net.ipv4.ipfrag_low_thresh", lambda: fq.low_thresh, put_low, 0, 1 << 62)

    JiffiesSysctl(fq, "timeout", 1, hz).register(s, "net.ipv4.ipfrag_time")
    a = _Attr(ipv4, "ipfrag_secret_interval")
    s.int_value("net.ipv4.ipfrag_secret_interval", a.get, a.put)

    p = ipv4.udp_prot

    def put_mem(v: list[int]) -> None:
        p.mem[:] = v

    s.vector("net.ipv4.udp_mem", lambda: p.mem, put_mem, 0, 1 << 62)
    for name, attr in (("udp_rmem_min", "rmem_min"), ("udp_wmem_min", "wmem_min")):
        b = _Attr(p, attr)
        s.int_value("net.ipv4." + name, b.get, b.put, 1)
    for name in ("min_pmtu", "min_adv_mss"):
        c = _Attr(ipv4, "min_pmtu" if name == "min_pmtu" else "min_advmss")
        s.int_value("net.ipv4.route." + name, c.get, c.put, IPV4_MIN_MTU if name == "min_pmtu" else INT_MIN)

    JiffiesSysctl(ipv4, "mtu_expires", 1, hz).register(s, "net.ipv4.route.mtu_expires")
    s.register("net.ipv4.route.flush", lambda: "", lambda text: ipv4_sysctl_rtcache_flush(ipv4), 0o200)
    for name in ("error_cost", "error_burst", "redirect_number", "redirect_load", "redirect_silence"):
        e = _Attr(ipv4, name)
        s.int_value("net.ipv4.route." + name, e.get, e.put)


# the entries of net.ipv4.conf whose change makes cached routes stale
FLUSHING: Final = frozenset(
    (
        "forwarding",
        "accept_local",
        "route_localnet",
        "bc_forwarding",
        "disable_xfrm",
        "disable_policy",
        "promote_secondaries",
        "drop_unicast_in_l2_multicast",
    )
)


# settings whose default reaches new devices only
NOT_COPIED: Final = frozenset(
    (
        "forwarding",
        "mc_forwarding",
        "disable_xfrm",
        "disable_policy",
        "promote_secondaries",
        "route_localnet",
        "drop_unicast_in_l2_multicast",
    )
)


class _ConfAttr:
    """One net.ipv4.conf entry: a write recomputes what devices use; writing `all.forwarding` reaches every device."""

    __slots__ = ("ipv4", "conf", "name", "which")

    def __init__(self, ipv4: Ipv4, conf: Ipv4DevConf, name: str, which: str) -> None:
        self.ipv4 = ipv4
        self.conf = conf
        self.name = name
        self.which = which

    def get(self) -> int:
        return int(getattr(self.conf, self.name))

    def put(self, v: int) -> None:
        from rxpath.net.ipv4.devinet import conf_changed, inet_forward_change

        if self.name == "forwarding" and self.which == "all":
            if v != self.conf.forwarding:
                inet_forward_change(self.ipv4, v)
            return
        setattr(self.conf, self.name, v)
        if self.name not in NOT_COPIED:
            self._copy(v)
        conf_changed(self.ipv4, self.name in FLUSHING)

    def _copy(self, v: int) -> None:
        """A device's own setting is remembered; one of `default` reaches devices without one and without address."""
        for d in self.ipv4.in_devs:
            if d.conf is self.conf:
                d.conf_set.add(self.name)
            elif self.conf is self.ipv4.conf_default and not d.conf_all_set and self.name not in d.conf_set:
                setattr(d.conf, self.name, v)


def devinet_sysctl_register(ipv4: Ipv4, name: str, conf: Ipv4DevConf, d: InDevice | None) -> None:
    """net.ipv4.conf.NAME and, for a device, net.ipv4.neigh.NAME."""
    from rxpath.net.ipv4.devinet import CONF_NAMES

    s = ipv4.kernel.sysctl
    base = "net.ipv4.conf." + name.replace(".", "/") + "."
    for n in CONF_NAMES:
        a = _ConfAttr(ipv4, conf, n, name)
        s.int_value(base + n, a.get, a.put)
    if d is not None:
        neigh_sysctl_register(ipv4, name, d.arp_parms)


class _UnresQlen:
    """unres_qlen: unres_qlen_bytes in packets of a full Ethernet frame's truesize."""

    __slots__ = ("parms",)

    def __init__(self, parms: NeighParms) -> None:
        self.parms = parms

    def get(self) -> int:
        return self.parms.queue_len_bytes // SKB_TRUESIZE_ETH

    def put(self, v: int) -> None:
        self.parms.queue_len_bytes = v * SKB_TRUESIZE_ETH


class _NeighJiffies(JiffiesSysctl):
    """A new base time is drawn from at once."""

    __slots__ = ("parms",)

    def __init__(self, parms: NeighParms, name: str, per: int, hz: int) -> None:
        super().__init__(parms, name, per, hz)
        self.parms = parms

    def put(self, v: int) -> None:
        super().put(v)
        if self.name == "base_reachable_time":
            self.parms.reachable_time = self.parms.base_reachable_time


class _ProbeInterval(JiffiesSysctl):
    """proc_dointvec_ms_jiffies_minmax: a jiffy at least."""

    __slots__ = ()

    def put(self, v: int) -> None:
        if not v & 0xFFFFFFFF:
            raise linux_error(EINVAL, self.name)
        super().put(v)


def neigh_sysctl_register(ipv4: Ipv4, name: str, parms: NeighParms) -> None:
    s = ipv4.kernel.sysctl
    hz = ipv4.kernel.hz
    base = "net.ipv4.neigh." + name.replace(".", "/") + "."
    for n, attr, per in (
        ("anycast_delay", "anycast_delay", 100),
        ("base_reachable_time_ms", "base_reachable_time", 1000),
        ("base_reachable_time", "base_reachable_time", 1),
        ("delay_first_probe_time", "delay_probe_time", 1),
        ("gc_stale_time", "gc_staletime", 1),
        ("locktime", "locktime", 100),
        ("proxy_delay", "proxy_delay", 100),
        ("retrans_time", "retrans_time", 100),
        ("retrans_time_ms", "retrans_time", 1000),
    ):
        _NeighJiffies(parms, attr, per, hz).register(s, base + n)
    for n, attr in (
        ("app_solicit", "app_probes"),
        ("mcast_solicit", "mcast_probes"),
        ("ucast_solicit", "ucast_probes"),
        ("mcast_resolicit", "mcast_reprobes"),
        ("proxy_qlen", "proxy_qlen"),
        ("unres_qlen_bytes", "queue_len_bytes"),
    ):
        a = _Attr(parms, attr)
        s.int_value(base + n, a.get, a.put, 0)
    u = _UnresQlen(parms)
    s.int_value(base + "unres_qlen", u.get, u.put, 0, INT_MAX // SKB_TRUESIZE_ETH)
    if ipv4.kernel.release.packet_chains_per_net:
        _ProbeInterval(parms, "interval_probe_time", 1000, hz).register(s, base + "interval_probe_time_ms")
    if name == "default":
        for n in ("gc_interval", "gc_thresh1", "gc_thresh2", "gc_thresh3"):
            b = _Attr(ipv4.arp_tbl, n)
            if n == "gc_interval":
                JiffiesSysctl(ipv4.arp_tbl, n, 1, hz).register(s, base + n)
            else:
                s.int_value(base + n, b.get, b.put, 0)
