"""Routing decisions: what becomes of a received packet, where a packet to be sent goes, and what was learnt about
paths.

What lives here: Rtable, ip_route_input*, ip_route_output*, path MTU and redirects, ip_error.  The tables are fib.py's.
Facts: net/ipv4/route.c (3.13, 5.15, 6.1; drop reasons of routing as recorded on 6.18).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV, EXDEV
from rxpath.net.core.dst import Dst
from rxpath.net.core.neighbour import NUD_VALID, neigh_event_send, neigh_lookup_create
from rxpath.net.core.netdevice import IFF_LOOPBACK, IFF_UP, NetDevice
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason
from rxpath.net.ipv4.devinet import InDevice, inet_addr_onlink, inet_select_addr
from rxpath.net.ipv4.fib import (
    ESRCH,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
    RTN_BROADCAST,
    RTN_LOCAL,
    RTN_MULTICAST,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    FibInfo,
    FibNh,
    FibResult,
    Fnhe,
    fib_lookup,
    fib_validate_source,
    inet_addr_type,
    inet_lookup_ifaddr_rcu,
)
from rxpath.net.ipv4.igmp import ip_check_mc_rcu
from rxpath.net.ipv4.inet_sock import InetSock, ip_sk_accept_pmtu
from rxpath.net.ipv4.inetpeer import inet_getpeer
from rxpath.net.ipv4.ip_cb import IPSKB_DOREDIRECT, ip_cb
from rxpath.net.ipv4.mib import IPSTATS_MIB_INADDRERRORS, IPSTATS_MIB_INNOROUTES
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.ethernet import ETH_P_IP
from rxpath.wire.icmp import (
    ICMP_DEST_UNREACH,
    ICMP_HOST_UNREACH,
    ICMP_NET_UNREACH,
    ICMP_PKT_FILTERED,
    ICMP_REDIR_HOST,
    ICMP_REDIR_HOSTTOS,
    ICMP_REDIRECT,
)
from rxpath.wire.ipv4 import IP_MAX_MTU, IPPROTO_IGMP

RTCF_NOTIFY: Final = 0x00010000
RTCF_DIRECTDST: Final = 0x00020000
RTCF_REDIRECTED: Final = 0x00040000
RTCF_BROADCAST: Final = 0x10000000
RTCF_MULTICAST: Final = 0x20000000
RTCF_LOCAL: Final = 0x80000000

IPTOS_RT_MASK: Final = 0x1C  # IPTOS_TOS_MASK without the low bits

FLOWI_FLAG_ANYSRC: Final = 1
FLOWI_FLAG_KNOWN_NH: Final = 2

IN_LOCAL: Final = 1
IN_FORWARD: Final = 2
IN_ERROR: Final = 3
IN_MR: Final = 4

SITE_IP_ERROR: Final = Site("ip", "no route for it", "none", "NOT_SPECIFIED")
SITE_IP_INADDRERRORS: Final = Site(
    "ip", "not for this host and forwarding is off", "Ip InAddrErrors", "IP_INADDRERRORS"
)
SITE_IP_INNOROUTES: Final = Site("ip", "no route to the destination", "IpExt InNoRoutes", "IP_INNOROUTES")
SITE_RT_BUG: Final = Site("ip", "a received packet was to be sent without a route", "none", "NOT_SPECIFIED")
SITE_MARTIAN: Final = Site("ip", "martian source or destination", "none", "NOT_SPECIFIED")
SITE_RPFILTER: Final = Site("ip", "reverse path filter", "TcpExt IPReversePathFilter", "IP_RPFILTER")
SITE_INVALID_SOURCE: Final = Site("ip", "martian source", "none", "IP_INVALID_SOURCE")
SITE_INVALID_DEST: Final = Site("ip", "martian destination", "none", "IP_INVALID_DEST")
SITE_LOCALNET: Final = Site("ip", "loopback address from outside", "none", "IP_LOCALNET")
SITE_LOCAL_SOURCE: Final = Site("ip", "source is one of our own addresses", "none", "IP_LOCAL_SOURCE")

_ADDRS: Final = Struct(">II")

# what ip_route_input* return below zero: an errno, or the position in this table
R_INVALID_SOURCE: Final = -1001
R_INVALID_DEST: Final = -1002
R_LOCALNET: Final = -1003
R_LOCAL_SOURCE: Final = -1004
_SITES: Final = {
    R_INVALID_SOURCE: SITE_INVALID_SOURCE,
    R_INVALID_DEST: SITE_INVALID_DEST,
    R_LOCALNET: SITE_LOCALNET,
    R_LOCAL_SOURCE: SITE_LOCAL_SOURCE,
}


def route_error_site(ipv4: Ipv4, err: int) -> Site:
    """Where a packet whose routing failed with `err` ends."""
    if err == -EXDEV:
        return SITE_RPFILTER
    if ipv4.variant.route_reasons:
        return _SITES.get(err, SITE_MARTIAN)
    return SITE_MARTIAN


class RtAction:
    """What a route does with a packet: subclassed by whoever owns the function (ip_input, ip_forward, ip_output)."""

    __slots__ = ()

    def run(self, skb: SkBuff) -> int:
        raise NotImplementedError


class Flowi4:
    """`struct flowi4`: what a packet to be routed is known by; `error` is why there is no route (negative errno)."""

    __slots__ = (
        "daddr",
        "saddr",
        "oif",
        "iif",
        "tos",
        "proto",
        "flags",
        "scope",
        "mark",
        "sport",
        "dport",
        "error",
        "icmp_type",
    )

    def __init__(
        self,
        daddr: int,
        saddr: int = 0,
        *,
        oif: int = 0,
        tos: int = 0,
        proto: int = 0,
        scope: int = RT_SCOPE_UNIVERSE,
        flags: int = 0,
        mark: int = 0,
        sport: int = 0,
        dport: int = 0,
    ) -> None:
        self.daddr = daddr
        self.saddr = saddr
        self.oif = oif
        self.iif = 1
        self.tos = tos
        self.proto = proto
        self.flags = flags
        self.scope = scope
        self.mark = mark
        self.sport = sport
        self.dport = dport
        self.error = 0
        self.icmp_type = 0


class Rtable(Dst):
    """`struct rtable`.  `rt_gw` 0 = on link; `rt_iif` 0 = not for a device; `genid`: valid while it equals
    ipv4.rt_genid.
    """

    __slots__ = (
        "ipv4",
        "rt_flags",
        "rt_type",
        "rt_is_input",
        "rt_iif",
        "rt_gw",
        "rt_pmtu",
        "rt_mtu_locked",
        "genid",
        "in_kind",
        "act_in",
        "act_out",
        "nh",
        "fi",
        "expires",
        "neigh",
        "neigh_key",
        "rt_uses_gateway",
    )

    def __init__(self, ipv4: Ipv4, dev: NetDevice, flags: int, rt_type: int) -> None:
        super().__init__(dev)
        self.ipv4 = ipv4
        self.rt_flags = flags
        self.rt_type = rt_type
        self.rt_is_input = False
        self.rt_iif = 0
        self.rt_gw = 0
        self.rt_uses_gateway = False
        self.rt_pmtu = 0
        self.rt_mtu_locked = False
        self.genid = ipv4.rt_genid
        self.act_in: RtAction | None = None
        self.act_out: RtAction = ipv4.act_output
        self.in_kind = 0
        if flags & RTCF_LOCAL:
            self.in_kind = IN_LOCAL
            self.act_in = ipv4.act_local
        self.nh: FibNh | None = None
        self.fi: FibInfo | None = None
        self.expires = 0
        self.neigh: object = None
        self.neigh_key = -1

    def input(self, skb: SkBuff) -> int:
        a = self.act_in
        if a is None:
            kfree_skb_reason(skb, SITE_RT_BUG)
            return 0
        return a.run(skb)

    def output(self, skb: SkBuff) -> int:
        return self.act_out.run(skb)

    def valid(self) -> bool:
        """dst_check: no table changed since, and what was learnt has not expired."""
        if self.genid != self.ipv4.rt_genid or self.obsolete:
            return False
        return not self.expires or self.ipv4.kernel.jiffies() < self.expires


def dst_metric(rt: object, name: str) -> int:
    """A metric of the route that was looked up; 0: none.  (Inline in Linux.)"""
    if isinstance(rt, Rtable) and rt.fi is not None:
        return rt.fi.metrics.get(name, 0)
    return 0


def ipv4_mtu(rt: Rtable) -> int:
    """The MTU of the path."""
    mtu = rt.rt_pmtu
    if mtu and rt.expires and rt.ipv4.kernel.jiffies() >= rt.expires:
        mtu = 0
    if not mtu:
        mtu = rt.mtu_metric
        if not mtu:
            mtu = rt.dev.mtu
            if rt.rt_mtu_locked and rt.rt_uses_gateway and mtu > 576:
                mtu = 576
    return mtu if mtu < IP_MAX_MTU else IP_MAX_MTU


# --- input ----------------------------------------------------------------------------------------


def ip_route_input_noref(ipv4: Ipv4, skb: SkBuff, daddr: int, saddr: int, tos: int, dev: NetDevice) -> int:
    """Find what to do with a received packet: 0 and skb.dst, or an error (`route_error_site` says which)."""
    if daddr >> 28 == 0xE:
        return ip_route_input_mc(ipv4, skb, daddr, saddr, tos, dev)
    return ip_route_input_slow(ipv4, skb, daddr, saddr, tos, dev)


def ip_mc_validate_source(
    ipv4: Ipv4, skb: SkBuff, daddr: int, saddr: int, tos: int, dev: NetDevice, d: InDevice | None
) -> int:
    if d is None:
        return -EINVAL
    if saddr >> 28 == 0xE or saddr == 0xFFFFFFFF:
        return R_INVALID_SOURCE
    if skb.protocol != ETH_P_IP:
        return -EINVAL
    if saddr >> 24 == 127 and not d.eff_route_localnet:
        return R_LOCALNET
    if saddr <= ipv4.zeronet_max:
        if daddr & 0xFFFFFF00 != 0xE0000000 and skb.head[skb.network_header + 9] != 2:
            return R_INVALID_SOURCE
        return 0
    err = fib_validate_source(ipv4, skb, saddr, 0, tos, 0, dev, d)
    return _validated(err) if err < 0 else 0


def _validated(err: int) -> int:
    """The reason for what fib_validate_source refused."""
    if err == -ESRCH:
        return R_LOCAL_SOURCE
    if err == -EINVAL:
        return R_INVALID_SOURCE
    return err


def ip_route_input_mc(ipv4: Ipv4, skb: SkBuff, daddr: int, saddr: int, tos: int, dev: NetDevice) -> int:
    """To a group: ours when the device joined it."""
    d = ipv4.in_dev(dev)
    if d is None:
        return -EINVAL
    our = ip_check_mc_rcu(d, daddr, saddr, skb.head[skb.network_header + 9])
    if not our and not (d.conf.mc_forwarding and ipv4.conf_all.mc_forwarding and daddr & 0xFFFFFF00 != 0xE0000000):
        return -EINVAL
    err = ip_mc_validate_source(ipv4, skb, daddr, saddr, tos, dev, d)
    if err:
        return err
    flags = RTCF_MULTICAST
    if our:
        flags |= RTCF_LOCAL
    rt = Rtable(ipv4, ipv4.net.loopback or dev, flags, RTN_MULTICAST)
    rt.act_out = ipv4.act_rt_bug
    rt.rt_is_input = True
    skb.dst = rt
    ipv4.rt_stat["in_slow_mc"] += 1
    return 0


def ip_handle_martian_source(ipv4: Ipv4, dev: NetDevice, d: InDevice, skb: SkBuff, daddr: int, saddr: int) -> None:
    ipv4.rt_stat["in_martian_src"] += 1
    if d.eff_log_martians and ipv4.kernel.log.ratelimit("martian source"):
        ipv4.kernel.log.warn("martian source %s from %s, on dev %s" % (ip4_str(daddr), ip4_str(saddr), dev.name))
        if skb.mac_header >= 0:
            ipv4.kernel.log.warn("ll header: " + skb.head[skb.mac_header : skb.mac_header + 14].hex(" "))


def ip_route_input_slow(ipv4: Ipv4, skb: SkBuff, daddr: int, saddr: int, tos: int, dev: NetDevice) -> int:
    """The decision for a unicast or broadcast destination, in Linux's order."""
    d: InDevice | None = dev.ip_ptr
    if d is None:
        return -EINVAL
    s8 = saddr >> 24
    rt = ipv4.rt_in_cache.get((daddr, dev.ifindex))
    if rt is not None and 0 < s8 < 224 and s8 != 127:
        # a local destination that was decided before: only the source can make a difference
        if (
            not d.eff_rp_filter
            and not ipv4.fib_has_custom_local_routes
            and (d.eff_accept_local or saddr not in ipv4.ifa_hash)
        ):
            skb.dst = rt
            return 0
    skb.dst = None
    if s8 >> 4 == 0xE or saddr == 0xFFFFFFFF:
        ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
        return R_INVALID_SOURCE
    res = FibResult()
    flags = 0
    err = 0
    d8 = daddr >> 24
    if daddr == 0xFFFFFFFF or (saddr == 0 and daddr == 0):
        return _brd_input(ipv4, skb, daddr, saddr, tos, dev, d)
    if saddr <= ipv4.zeronet_max:
        ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
        return R_INVALID_SOURCE
    if daddr <= ipv4.zeronet_max:
        return _martian_destination(ipv4, dev, d, daddr, saddr, R_INVALID_DEST)
    if d8 == 127:
        if not d.eff_route_localnet:
            return _martian_destination(ipv4, dev, d, daddr, saddr, R_LOCALNET)
    elif s8 == 127 and not d.eff_route_localnet:
        ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
        return R_LOCALNET
    err = fib_lookup(ipv4, daddr, tos, 0, 0, res)
    if err:
        if not d.eff_forward:
            err = -EHOSTUNREACH
    else:
        t = res.type
        if t == RTN_BROADCAST:
            if d.eff_bforward:
                return ip_mkroute_input(ipv4, skb, res, d, daddr, saddr, tos)
            return _brd_input(ipv4, skb, daddr, saddr, tos, dev, d)
        if t == RTN_LOCAL:
            err = fib_validate_source(ipv4, skb, saddr, daddr, tos, 0, dev, d)
            if err < 0:
                ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
                return _validated(err)
            rt = Rtable(ipv4, ipv4.net.loopback or dev, flags | RTCF_LOCAL, RTN_LOCAL)
            rt.act_out = ipv4.act_rt_bug
            rt.rt_is_input = True
            ipv4.rt_stat["in_slow_tot"] += 1
            skb.dst = rt
            if len(ipv4.rt_in_cache) < 4096:
                ipv4.rt_in_cache[(daddr, dev.ifindex)] = rt
            return 0
        if not d.eff_forward:
            err = -EHOSTUNREACH
        elif t != RTN_UNICAST:
            return _martian_destination(ipv4, dev, d, daddr, saddr, R_INVALID_DEST)
        else:
            return ip_mkroute_input(ipv4, skb, res, d, daddr, saddr, tos)
    ipv4.rt_stat["in_no_route"] += 1
    rt = Rtable(ipv4, ipv4.net.loopback or dev, 0, RTN_UNREACHABLE)
    rt.act_out = ipv4.act_rt_bug
    rt.rt_is_input = True
    rt.act_in = ipv4.act_error
    rt.in_kind = IN_ERROR
    rt.error = -err
    ipv4.rt_stat["in_slow_tot"] += 1
    skb.dst = rt
    return 0


def _brd_input(ipv4: Ipv4, skb: SkBuff, daddr: int, saddr: int, tos: int, dev: NetDevice, d: InDevice) -> int:
    if skb.protocol != ETH_P_IP:
        return -EINVAL
    if saddr > ipv4.zeronet_max:
        err = fib_validate_source(ipv4, skb, saddr, 0, tos, 0, dev, d)
        if err < 0:
            ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
            return _validated(err)
    ipv4.rt_stat["in_brd"] += 1
    rt = Rtable(ipv4, ipv4.net.loopback or dev, RTCF_BROADCAST | RTCF_LOCAL, RTN_BROADCAST)
    rt.act_out = ipv4.act_rt_bug
    rt.rt_is_input = True
    skb.dst = rt
    return 0


def _martian_destination(ipv4: Ipv4, dev: NetDevice, d: InDevice, daddr: int, saddr: int, err: int) -> int:
    ipv4.rt_stat["in_martian_dst"] += 1
    if d.eff_log_martians and ipv4.kernel.log.ratelimit("martian destination"):
        ipv4.kernel.log.warn("martian destination %s from %s, dev %s" % (ip4_str(daddr), ip4_str(saddr), dev.name))
    return err


def ip_mkroute_input(ipv4: Ipv4, skb: SkBuff, res: FibResult, d: InDevice, daddr: int, saddr: int, tos: int) -> int:
    """A route that forwards."""
    out = res.dev
    nh = res.nh
    assert out is not None and nh is not None
    out_dev = ipv4.in_dev(out)
    if out_dev is None:
        return -EINVAL
    err = fib_validate_source(ipv4, skb, saddr, daddr, tos, out.ifindex, d.dev, d)
    if err < 0:
        ip_handle_martian_source(ipv4, d.dev, d, skb, daddr, saddr)
        return _validated(err)
    if (
        out_dev is d
        and err
        and out_dev.eff_tx_redirects
        and skb.protocol == ETH_P_IP
        and (out_dev.eff_shared_media or inet_addr_onlink(out_dev, saddr, nh.gw))
    ):
        ip_cb(skb).flags |= IPSKB_DOREDIRECT
    if skb.protocol != ETH_P_IP and out_dev is d and not d.eff_proxy_arp_pvlan:
        return -EINVAL
    rt = Rtable(ipv4, out, 0, res.type)
    rt.rt_is_input = True
    rt.in_kind = IN_FORWARD
    rt.act_in = ipv4.act_forward
    rt_set_nexthop(ipv4, rt, daddr, res)
    ipv4.rt_stat["in_slow_tot"] += 1
    skb.dst = rt
    return 0


def ip_route_use_hint(ipv4: Ipv4, skb: SkBuff, daddr: int, saddr: int, tos: int, dev: NetDevice, hint: SkBuff) -> int:
    """The packet before went to the same address: only the source is checked again."""
    d: InDevice | None = dev.ip_ptr
    if d is None:
        return -EINVAL
    s8 = saddr >> 24
    if s8 >> 4 == 0xE or saddr == 0xFFFFFFFF or saddr <= ipv4.zeronet_max:
        ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
        return R_INVALID_SOURCE
    if s8 == 127 and not d.eff_route_localnet:
        ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
        return R_LOCALNET
    rt = hint.dst
    if isinstance(rt, Rtable) and rt.rt_type == RTN_LOCAL:
        err = fib_validate_source(ipv4, skb, saddr, daddr, tos, 0, dev, d)
        if err < 0:
            ip_handle_martian_source(ipv4, dev, d, skb, daddr, saddr)
            return _validated(err)
    skb.dst = rt
    return 0


def rt_set_nexthop(ipv4: Ipv4, rt: Rtable, daddr: int, res: FibResult) -> None:
    """Gateway, metrics and what was learnt about this destination."""
    nh = res.nh
    fi = res.fi
    if nh is None or fi is None:
        return
    rt.nh = nh
    rt.fi = fi
    if nh.gw and nh.scope == RT_SCOPE_LINK:
        rt.rt_gw = nh.gw
        rt.rt_uses_gateway = True
    rt.mtu_metric = fi.mtu
    rt.rt_mtu_locked = "mtu" in fi.locked
    fnhe = find_exception(ipv4, nh, daddr)
    if fnhe is not None:
        rt_bind_exception(rt, fnhe)
        if not rt.rt_gw:  # with an exception even a neighbour is its own gateway, and may be redirected
            rt.rt_gw = daddr


def rt_bind_exception(rt: Rtable, fnhe: Fnhe) -> None:
    if fnhe.genid != rt.ipv4.fnhe_genid:  # learnt before route.flush
        fnhe.genid = rt.ipv4.fnhe_genid
        fnhe.gw = fnhe.pmtu = fnhe.expires = 0
        fnhe.mtu_locked = False
    rt.rt_pmtu = fnhe.pmtu
    rt.rt_mtu_locked = rt.rt_mtu_locked or fnhe.mtu_locked
    rt.expires = fnhe.expires
    if fnhe.gw:
        rt.rt_flags |= RTCF_REDIRECTED
        rt.rt_uses_gateway = True
        rt.rt_gw = fnhe.gw


def find_exception(ipv4: Ipv4, nh: FibNh, daddr: int) -> Fnhe | None:
    f = nh.exceptions.get(daddr)
    if f is not None and f.expires and ipv4.kernel.jiffies() > f.expires:
        del nh.exceptions[daddr]
        return None
    return f


FNHE_MAX: Final = 2048 * 5


def update_or_create_fnhe(ipv4: Ipv4, nh: FibNh, daddr: int, gw: int, pmtu: int, lock: bool, expires: int) -> None:
    """Learn; the oldest goes when there are too many."""
    f = nh.exceptions.get(daddr)
    if f is None:
        if len(nh.exceptions) >= FNHE_MAX:
            nh.exceptions.pop(next(iter(nh.exceptions)))
        f = nh.exceptions[daddr] = Fnhe(daddr)
    f.stamp = ipv4.kernel.jiffies()
    f.genid = ipv4.fnhe_genid
    if gw:
        f.gw = gw
    if pmtu:
        f.pmtu = pmtu
        f.mtu_locked = lock
    f.expires = max(expires, 1) if expires else f.expires
    ipv4.rt_out_cache.clear()


def __ip_rt_update_pmtu(ipv4: Ipv4, rt: Rtable, daddr: int, mtu: int) -> None:
    """ICMP said that the path takes `mtu` bytes at most."""
    if rt.rt_mtu_locked:
        return
    old = ipv4_mtu(rt)
    if old < mtu:
        return
    lock = False
    if mtu < ipv4.min_pmtu:
        lock = True
        mtu = min(old, ipv4.min_pmtu)
    now = ipv4.kernel.jiffies()
    if rt.rt_pmtu == mtu and not lock and now < rt.expires - ipv4.mtu_expires // 2:
        return
    res = FibResult()
    if fib_lookup(ipv4, daddr, 0, 0, 0, res) == 0 and res.nh is not None:
        update_or_create_fnhe(ipv4, res.nh, daddr, 0, mtu, lock, now + ipv4.mtu_expires)
        rt.obsolete = True
        _drop_cached(ipv4)


def _drop_cached(ipv4: Ipv4) -> None:
    ipv4.rt_out_cache.clear()


def ipv4_update_pmtu(ipv4: Ipv4, daddr: int, saddr: int, tos: int, mtu: int, oif: int, proto: int) -> None:
    """From an ICMP error without a socket of its own route."""
    fl4 = Flowi4(daddr, saddr, oif=oif, tos=tos & IPTOS_RT_MASK, proto=proto)
    rt = __ip_route_output_key(ipv4, fl4)
    if rt is not None:
        __ip_rt_update_pmtu(ipv4, rt, fl4.daddr, mtu)


def ip_do_redirect(ipv4: Ipv4, skb: SkBuff, rt: Rtable, fl4: Flowi4, new_gw: int, old_gw: int) -> None:
    """ICMP redirect: use another gateway for this destination, if it can be believed."""
    dev = skb.dev
    if dev is None:
        return
    d = ipv4.in_dev(dev)
    if d is None or rt.rt_gw != old_gw:
        return
    if (
        new_gw == old_gw
        or not d.eff_rx_redirects
        or new_gw >> 28 == 0xE
        or new_gw == 0xFFFFFFFF
        or new_gw <= ipv4.zeronet_max
    ):
        return
    if not d.eff_shared_media:
        if not inet_addr_onlink(d, new_gw, old_gw):
            return
        if d.eff_sec_redirects and not _ip_fib_check_default(ipv4, new_gw, dev):
            return
    elif inet_addr_type(ipv4, new_gw) != RTN_UNICAST:
        return

    n = neigh_lookup_create(ipv4.arp_tbl, new_gw, rt.dev)
    if n is None:
        return
    if not n.nud_state & NUD_VALID:
        neigh_event_send(n, None)
        return
    res = FibResult()
    if fib_lookup(ipv4, fl4.daddr, fl4.tos, 0, 0, res) == 0 and res.nh is not None:
        update_or_create_fnhe(ipv4, res.nh, fl4.daddr, new_gw, 0, False, ipv4.kernel.jiffies() + 300 * ipv4.kernel.hz)
    rt.obsolete = True
    ipv4.rt_out_cache.clear()


def ipv4_sk_update_pmtu(sk: InetSock, skb: SkBuff, mtu: int) -> None:
    """ICMP's word on the path's MTU, unless the socket believes its interface alone."""
    if not ip_sk_accept_pmtu(sk):
        return
    h = skb.head
    q = skb.data
    saddr, daddr = _ADDRS.unpack_from(h, q + 12)
    ipv4_update_pmtu(sk.ipv4, daddr, saddr, h[q + 1], mtu, sk.bound_dev_if, h[q + 9])
    sk.dst = None


def ipv4_sk_redirect(skb: SkBuff, sk: InetSock) -> None:
    ipv4_redirect(sk.ipv4, skb, sk.bound_dev_if)
    sk.dst = None


def ipv4_redirect(ipv4: Ipv4, skb: SkBuff, oif: int) -> None:
    """Believe a redirect for the quoted destination, if its sender is the gateway in use."""
    h = skb.head
    q = skb.data
    saddr, daddr = _ADDRS.unpack_from(h, q + 12)
    fl4 = Flowi4(daddr, saddr, oif=oif, tos=h[q + 1] & IPTOS_RT_MASK, proto=h[q + 9])
    rt = __ip_route_output_key(ipv4, fl4)
    if rt is None:
        return
    th = skb.transport_header
    if h[th + 1] & 7 > ICMP_REDIR_HOSTTOS:
        return
    old_gw = int.from_bytes(h[skb.network_header + 12 : skb.network_header + 16], "big")
    new_gw = int.from_bytes(h[th + 4 : th + 8], "big")
    ip_do_redirect(ipv4, skb, rt, fl4, new_gw, old_gw)


def _ip_fib_check_default(ipv4: Ipv4, gw: int, dev: NetDevice) -> bool:
    for t in ipv4.fib_tables.values():
        for a in t.aliases():
            for nh in a.fi.nhs:
                if nh.dev is dev and nh.gw == gw and not nh.dead:
                    return True
    return False


# --- errors and redirects that we send ------------------------------------------------------------


def inet_iif(skb: SkBuff) -> int:
    """The interface that a packet came in by; for one of our own that came back, the one its route was asked for."""
    rt = skb.dst
    if isinstance(rt, Rtable) and rt.rt_iif:
        return rt.rt_iif
    return skb.skb_iif


def ip_error(skb: SkBuff) -> int:
    """No way to the destination: a host counts, a router answers within limits."""
    from rxpath.net.ipv4.icmp import icmp_send

    rt = skb.dst
    dev = skb.dev
    assert isinstance(rt, Rtable) and dev is not None
    ipv4 = rt.ipv4
    d = ipv4.in_dev(dev)
    site = SITE_IP_ERROR
    if d is not None:
        if not d.eff_forward:
            if rt.error == EHOSTUNREACH:
                site = SITE_IP_INADDRERRORS
                ipv4.ip[IPSTATS_MIB_INADDRERRORS] += 1
            elif rt.error == ENETUNREACH:
                site = SITE_IP_INNOROUTES
                ipv4.ipext[IPSTATS_MIB_INNOROUTES] += 1
        else:
            code = -1
            if rt.error == EHOSTUNREACH:
                code = ICMP_HOST_UNREACH
            elif rt.error == ENETUNREACH:
                code = ICMP_NET_UNREACH
                site = SITE_IP_INNOROUTES
                ipv4.ipext[IPSTATS_MIB_INNOROUTES] += 1
            elif rt.error == EACCES:
                code = ICMP_PKT_FILTERED
            if code >= 0:
                saddr = int.from_bytes(skb.head[skb.network_header + 12 : skb.network_header + 16], "big")
                peer = inet_getpeer(ipv4.peers, saddr)
                now = ipv4.kernel.jiffies()
                peer.rate_tokens = min(peer.rate_tokens + now - peer.rate_last, ipv4.error_burst)
                peer.rate_last = now
                if peer.rate_tokens >= ipv4.error_cost:
                    peer.rate_tokens -= ipv4.error_cost
                    icmp_send(skb, ICMP_DEST_UNREACH, code, 0)
    kfree_skb_reason(skb, site)
    return 0


def ip_rt_send_redirect(skb: SkBuff) -> None:
    """The sender has a shorter way: tell it, with exponential back-off a source."""
    from rxpath.net.ipv4.icmp import icmp_send

    rt = skb.dst
    assert isinstance(rt, Rtable)
    ipv4 = rt.ipv4
    d = ipv4.in_dev(rt.dev)
    if d is None or not d.eff_tx_redirects:
        return
    saddr, daddr = _ADDRS.unpack_from(skb.head, skb.network_header + 12)
    peer = inet_getpeer(ipv4.peers, saddr)
    gw = rt.rt_gw or daddr
    now = ipv4.kernel.jiffies()
    if now > peer.rate_last + ipv4.redirect_silence:
        peer.rate_tokens = 0
        peer.n_redirects = 0
    if peer.n_redirects >= ipv4.redirect_number:
        peer.rate_last = now
        return
    if peer.n_redirects == 0 or now > peer.rate_last + (ipv4.redirect_load << peer.n_redirects):
        icmp_send(skb, ICMP_REDIRECT, ICMP_REDIR_HOST, gw)
        peer.rate_last = now
        peer.n_redirects += 1
        if d.eff_log_martians and peer.n_redirects == ipv4.redirect_number:
            ipv4.kernel.log.warn(
                "host %s/if%d ignores redirects for %s to %s"
                % (ip4_str(saddr), skb.skb_iif, ip4_str(daddr), ip4_str(gw))
            )


# --- output ---------------------------------------------------------------------------------------


def _find_src(ipv4: Ipv4, addr: int) -> NetDevice | None:
    ifa = inet_lookup_ifaddr_rcu(ipv4, addr)
    if ifa is not None:
        return ifa.in_dev.dev
    res = FibResult()
    if fib_lookup(ipv4, addr, 0, 0, 0, res) == 0 and res.type == RTN_LOCAL:
        return res.dev
    return None


def ip_route_output_key_hash_rcu(ipv4: Ipv4, fl4: Flowi4) -> Rtable | None:
    """Where does it go, and from which address?  Fills fl4.saddr; None = fl4.error says why not."""
    net = ipv4.net
    dev_out: NetDevice | None = None
    orig_oif = fl4.oif
    daddr = fl4.daddr
    saddr = fl4.saddr
    res = FibResult()
    d8 = daddr >> 24
    if saddr:
        if saddr >> 28 == 0xE or saddr == 0xFFFFFFFF or saddr <= ipv4.zeronet_max:
            fl4.error = -EINVAL
            return None
        if fl4.oif == 0 and (d8 >> 4 == 0xE or daddr == 0xFFFFFFFF):
            dev_out = _find_src(ipv4, saddr)
            if dev_out is None:
                fl4.error = -ENETUNREACH
                return None
            fl4.oif = dev_out.ifindex
            return __mkroute_output(ipv4, res, fl4, orig_oif, dev_out, 0)
        if not fl4.flags & FLOWI_FLAG_ANYSRC and saddr not in ipv4.ifa_hash and _find_src(ipv4, saddr) is None:
            fl4.error = -ENETUNREACH
            return None
    if fl4.oif:
        dev_out = net.by_index.get(fl4.oif)
        if dev_out is None:
            fl4.error = -ENODEV
            return None
        if not dev_out.flags & IFF_UP or dev_out.ip_ptr is None:
            fl4.error = -ENETUNREACH
            return None
        if daddr & 0xFFFFFF00 == 0xE0000000 or daddr == 0xFFFFFFFF or fl4.proto == IPPROTO_IGMP:
            if not saddr:
                fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK, ipv4)
            return __mkroute_output(ipv4, res, fl4, orig_oif, dev_out, 0)
        if not saddr:
            if d8 >> 4 == 0xE:
                fl4.saddr = inet_select_addr(dev_out, 0, fl4.scope, ipv4)
            elif not daddr:
                fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_HOST, ipv4)
    if not daddr:
        fl4.daddr = fl4.saddr
        if not fl4.daddr:
            fl4.daddr = fl4.saddr = 0x7F000001
        assert net.loopback is not None
        dev_out = net.loopback
        fl4.oif = dev_out.ifindex
        res.type = RTN_LOCAL
        return __mkroute_output(ipv4, res, fl4, orig_oif, dev_out, RTCF_LOCAL)
    err = fib_lookup(ipv4, daddr, fl4.tos, fl4.oif, fl4.scope, res)
    if err:
        if fl4.oif and dev_out is not None:
            if not fl4.saddr:
                fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK, ipv4)
            res.type = RTN_UNICAST
            res.fi = None
            res.nh = None
            return __mkroute_output(ipv4, res, fl4, orig_oif, dev_out, 0)
        fl4.error = err
        return None
    assert res.fi is not None and res.nh is not None and res.dev is not None
    if res.type == RTN_LOCAL:
        if not fl4.saddr:
            fl4.saddr = res.fi.prefsrc or daddr
        orig_oif = res.dev.ifindex
        assert net.loopback is not None
        dev_out = net.loopback
        fl4.oif = dev_out.ifindex
        return __mkroute_output(ipv4, res, fl4, orig_oif, dev_out, RTCF_LOCAL)
    if not fl4.saddr:
        fl4.saddr = fib_result_prefsrc(ipv4, res, daddr)
    dev_out = res.dev
    return __mkroute_output(ipv4, res, fl4, orig_oif, dev_out, 0)


def fib_result_prefsrc(ipv4: Ipv4, res: FibResult, daddr: int) -> int:
    """The preferred source of a route, else an address of its device."""
    assert res.fi is not None and res.nh is not None
    if res.fi.prefsrc:
        return res.fi.prefsrc
    return inet_select_addr(res.dev, res.nh.gw, res.fi.scope, ipv4)


def __mkroute_output(
    ipv4: Ipv4, res: FibResult, fl4: Flowi4, orig_oif: int, dev_out: NetDevice, flags: int
) -> Rtable | None:
    d = ipv4.in_dev(dev_out)
    if d is None:
        fl4.error = -EINVAL
        return None
    lo = bool(dev_out.flags & IFF_LOOPBACK)
    if fl4.saddr >> 24 == 127 and not lo and not d.eff_route_localnet:
        fl4.error = -EINVAL
        return None
    t = res.type
    daddr = fl4.daddr
    fi = res.fi
    if daddr == 0xFFFFFFFF:
        t = RTN_BROADCAST
        fi = None
    elif daddr >> 28 == 0xE:
        t = RTN_MULTICAST
    elif daddr <= ipv4.zeronet_max:
        fl4.error = -EINVAL
        return None
    if lo:
        flags |= RTCF_LOCAL
    if t == RTN_BROADCAST:
        flags |= RTCF_BROADCAST | RTCF_LOCAL
        fi = None
    elif t == RTN_MULTICAST:
        flags |= RTCF_MULTICAST | RTCF_LOCAL
        if not ip_check_mc_rcu(d, daddr, fl4.saddr, fl4.proto):
            flags &= ~RTCF_LOCAL
        if fi is not None and res.prefixlen < 4:
            fi = None
    rt = Rtable(ipv4, dev_out, flags, t)
    rt.rt_iif = orig_oif
    ipv4.rt_stat["out_slow_tot"] += 1
    if flags & (RTCF_BROADCAST | RTCF_MULTICAST) and flags & RTCF_LOCAL and not lo:
        rt.act_out = ipv4.act_mc_output
        ipv4.rt_stat["out_slow_mc"] += 1
    if fi is not None:
        rt_set_nexthop(ipv4, rt, daddr, res)
        if fl4.flags & FLOWI_FLAG_KNOWN_NH and not rt.rt_gw:
            rt.rt_gw = daddr  # whatever the packet's own header says
    return rt


def ip_route_output_key_hash(ipv4: Ipv4, fl4: Flowi4) -> Rtable | None:
    fl4.iif = 1
    return ip_route_output_key_hash_rcu(ipv4, fl4)


def __ip_route_output_key(ipv4: Ipv4, fl4: Flowi4) -> Rtable | None:
    return ip_route_output_key_hash(ipv4, fl4)


def ip_route_output_flow(ipv4: Ipv4, fl4: Flowi4) -> Rtable | None:
    """The route of a flow that a socket sends (inline __ip_route_output_key, then IPsec)."""
    fl4.iif = 1
    return ip_route_output_key_hash_rcu(ipv4, fl4)


def fib_compute_spec_dst(skb: SkBuff) -> int:
    """The address that a reply to this packet should come from (RFC 1122's specific destination)."""
    ipv4 = ipv4_of(skb.net)
    rt = skb.dst
    saddr, daddr = _ADDRS.unpack_from(skb.head, skb.network_header + 12)
    if isinstance(rt, Rtable) and rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST | RTCF_LOCAL) == RTCF_LOCAL:
        return int(daddr)
    dev = skb.dev if skb.dev is not None else skb.net.by_index.get(skb.skb_iif)
    scope = RT_SCOPE_UNIVERSE
    if saddr > ipv4.zeronet_max:
        res = FibResult()
        if fib_lookup(ipv4, saddr, skb.head[skb.network_header + 1] & IPTOS_RT_MASK, 0, 0, res) == 0:
            return fib_result_prefsrc(ipv4, res, saddr)
    else:
        scope = RT_SCOPE_LINK
    return inet_select_addr(dev, saddr, scope, ipv4)


class ErrorAction(RtAction):
    __slots__ = ()

    def run(self, skb: SkBuff) -> int:
        return ip_error(skb)


def ip_rt_bug(skb: SkBuff) -> int:
    kfree_skb_reason(skb, SITE_RT_BUG)
    return 0


class RtBugAction(RtAction):
    __slots__ = ()

    def run(self, skb: SkBuff) -> int:
        return ip_rt_bug(skb)


def ip_rt_init(ipv4: Ipv4) -> None:
    ipv4.act_error = ErrorAction()
    ipv4.act_rt_bug = RtBugAction()
    ipv4.act_mr_input = ErrorAction()
