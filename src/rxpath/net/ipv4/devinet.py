"""IPv4 on a device: addresses, the per-device settings, and what happens when devices come and go.

What lives here: InDevice, addresses, net.ipv4.conf values and how `all` and the device's own combine.  Routes that
follow from addresses are fib.py's.  Facts: net/ipv4/devinet.c, linux/inetdevice.h; proc-files sheet 16.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import EADDRNOTAVAIL, EEXIST, EINVAL, linux_error
from rxpath.net.core.neighbour import neigh_changeaddr, neigh_ifdown, neigh_parms_alloc
from rxpath.net.core.netdevice import (
    IFF_LOOPBACK,
    IFF_UP,
    NETDEV_CHANGEADDR,
    NETDEV_CHANGEMTU,
    NETDEV_CHANGENAME,
    NETDEV_DOWN,
    NETDEV_REGISTER,
    NETDEV_UNREGISTER,
    NETDEV_UP,
    Net,
    NetDevice,
)
from rxpath.net.ipv4 import fib
from rxpath.net.ipv4.fib import IFA_F_SECONDARY, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE
from rxpath.net.ipv4.igmp import ip_mc_destroy_dev, ip_mc_down, ip_mc_init_dev, ip_mc_up
from rxpath.net.ipv4.inet_sock import IPV4_MIN_MTU
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.net.ipv4.sysctl_net_ipv4 import devinet_sysctl_register
from rxpath.wire.addr import inet_make_mask, ip4, ip4_str

if TYPE_CHECKING:
    from rxpath.net.core.neighbour import NeighParms
    from rxpath.net.ipv4.igmp import IpMcList

RT_SCOPE_SITE: Final = 200


CONF_NAMES: Final = (
    "accept_local",
    "accept_redirects",
    "accept_source_route",
    "arp_accept",
    "arp_announce",
    "arp_evict_nocarrier",
    "arp_filter",
    "arp_ignore",
    "arp_notify",
    "bc_forwarding",
    "bootp_relay",
    "disable_policy",
    "disable_xfrm",
    "drop_gratuitous_arp",
    "drop_unicast_in_l2_multicast",
    "force_igmp_version",
    "forwarding",
    "igmpv2_unsolicited_report_interval",
    "igmpv3_unsolicited_report_interval",
    "ignore_routes_with_linkdown",
    "log_martians",
    "mc_forwarding",
    "medium_id",
    "promote_secondaries",
    "proxy_arp",
    "proxy_arp_pvlan",
    "route_localnet",
    "rp_filter",
    "secure_redirects",
    "send_redirects",
    "shared_media",
    "src_valid_mark",
    "tag",
)


class Ipv4DevConf:
    """net.ipv4.conf.X: one value a name; `is_default` values for a new device, `all` starts without source routing."""

    __slots__ = CONF_NAMES

    def __init__(self) -> None:
        self.accept_local = 0
        self.accept_redirects = 1
        self.accept_source_route = 0
        self.arp_accept = 0
        self.arp_announce = 0
        self.arp_evict_nocarrier = 1
        self.arp_filter = 0
        self.arp_ignore = 0
        self.arp_notify = 0
        self.bc_forwarding = 0
        self.bootp_relay = 0
        self.disable_policy = 0
        self.disable_xfrm = 0
        self.drop_gratuitous_arp = 0
        self.drop_unicast_in_l2_multicast = 0
        self.force_igmp_version = 0
        self.forwarding = 0
        self.igmpv2_unsolicited_report_interval = 10000
        self.igmpv3_unsolicited_report_interval = 1000
        self.ignore_routes_with_linkdown = 0
        self.log_martians = 0
        self.mc_forwarding = 0
        self.medium_id = 0
        self.promote_secondaries = 0
        self.proxy_arp = 0
        self.proxy_arp_pvlan = 0
        self.route_localnet = 0
        self.rp_filter = 0
        self.secure_redirects = 1
        self.send_redirects = 1
        self.shared_media = 1
        self.src_valid_mark = 0
        self.tag = 0

    def copy(self) -> Ipv4DevConf:
        c = Ipv4DevConf()
        for n in CONF_NAMES:
            setattr(c, n, getattr(self, n))
        return c


class InIfaddr:
    """`struct in_ifaddr`: `local` and `address` (the peer, else the same), `broadcast` 0 = none."""

    __slots__ = (
        "local",
        "address",
        "mask",
        "prefixlen",
        "broadcast",
        "scope",
        "flags",
        "label",
        "in_dev",
        "anycast",
        "metric",
    )

    def __init__(
        self,
        in_dev: InDevice,
        local: int,
        prefixlen: int,
        *,
        address: int = 0,
        broadcast: int = 0,
        scope: int = 0,
        label: str = "",
    ) -> None:
        self.in_dev = in_dev
        self.local = local
        self.address = address or local
        self.prefixlen = prefixlen
        self.mask = inet_make_mask(prefixlen)
        self.broadcast = broadcast
        self.scope = scope
        self.flags = 0
        self.label = label or in_dev.dev.name
        self.metric = 0


class InDevice:
    """`struct in_device`.  The `eff_*` fields combine `all` and the device's own setting; `recompute` keeps them."""

    __slots__ = (
        "dev",
        "ipv4",
        "ifa_list",
        "conf",
        "conf_set",
        "conf_all_set",
        "mc_list",
        "arp_parms",
        "mr_v1_seen",
        "mr_v2_seen",
        "mr_qrv",
        "mr_qi",
        "mr_qri",
        "mr_maxdelay",
        "mr_gq_timer",
        "mr_ifc_timer",
        "mr_ifc_count",
        "mc_tomb",
        "dead",
        "mr_gq_running",
        "eff_forward",
        "eff_rp_filter",
        "eff_accept_local",
        "eff_route_localnet",
        "eff_log_martians",
        "eff_source_route",
        "eff_arp_ignore",
        "eff_arp_announce",
        "eff_arp_filter",
        "eff_arp_accept",
        "eff_proxy_arp",
        "eff_proxy_arp_pvlan",
        "eff_drop_unicast_l2mc",
        "eff_drop_gratuitous_arp",
        "eff_tx_redirects",
        "eff_rx_redirects",
        "eff_shared_media",
        "eff_sec_redirects",
        "eff_bforward",
        "eff_medium_id",
        "eff_src_vmark",
        "mc_count",
    )

    def __init__(self, ipv4: Ipv4, dev: NetDevice) -> None:
        self.ipv4 = ipv4
        self.dev = dev
        self.ifa_list: list[InIfaddr] = []
        self.conf = ipv4.conf_default.copy()
        self.conf_set: set[str] = set()  # settings of its own, which writes to `default` leave alone
        self.conf_all_set = False  # all are, from the first address on
        self.mc_list: list[IpMcList] = []
        self.mc_tomb: list[IpMcList] = []
        self.arp_parms: NeighParms
        self.mr_v1_seen = 0
        self.mr_v2_seen = 0
        self.mr_qrv = ipv4.igmp_qrv
        self.mr_qi = 125 * ipv4.kernel.hz
        self.mr_qri = 10 * ipv4.kernel.hz
        self.mr_maxdelay = 0
        self.mr_gq_timer: object = None
        self.mr_gq_running = False
        self.mr_ifc_timer: object = None
        self.mr_ifc_count = 0
        self.dead = False
        self.recompute()

    def recompute(self) -> None:
        a = self.ipv4.conf_all
        c = self.conf
        self.eff_forward = c.forwarding != 0
        self.eff_rp_filter = max(a.rp_filter, c.rp_filter)
        self.eff_accept_local = bool(a.accept_local or c.accept_local)
        self.eff_route_localnet = bool(a.route_localnet or c.route_localnet)
        self.eff_log_martians = bool(a.log_martians or c.log_martians)
        self.eff_source_route = bool(a.accept_source_route and c.accept_source_route)
        self.eff_arp_ignore = max(a.arp_ignore, c.arp_ignore)
        self.eff_arp_announce = max(a.arp_announce, c.arp_announce)
        self.eff_arp_filter = bool(a.arp_filter or c.arp_filter)
        self.eff_arp_accept = max(a.arp_accept, c.arp_accept)
        self.eff_proxy_arp = bool(a.proxy_arp or c.proxy_arp)
        self.eff_proxy_arp_pvlan = bool(a.proxy_arp_pvlan or c.proxy_arp_pvlan)
        self.eff_drop_unicast_l2mc = bool(a.drop_unicast_in_l2_multicast or c.drop_unicast_in_l2_multicast)
        self.eff_drop_gratuitous_arp = bool(a.drop_gratuitous_arp or c.drop_gratuitous_arp)
        self.eff_tx_redirects = bool(a.send_redirects or c.send_redirects)
        if c.forwarding:
            self.eff_rx_redirects = bool(a.accept_redirects and c.accept_redirects)
        else:
            self.eff_rx_redirects = bool(a.accept_redirects or c.accept_redirects)
        self.eff_shared_media = bool(a.shared_media or c.shared_media)
        self.eff_sec_redirects = bool(a.secure_redirects or c.secure_redirects)
        self.eff_bforward = bool(a.bc_forwarding and c.bc_forwarding)
        self.eff_medium_id = c.medium_id
        self.eff_src_vmark = bool(a.src_valid_mark or c.src_valid_mark)


def conf_changed(ipv4: Ipv4, flush: bool = True) -> None:
    """A net.ipv4.conf value changed: effective values and, for some, cached routes are stale."""
    for d in ipv4.in_devs:
        d.recompute()
    if flush:
        fib.rt_cache_flush(ipv4)


def inet_forward_change(ipv4: Ipv4, on: int) -> None:
    """net.ipv4.ip_forward: sets `all`, `default` and every device; routers do not accept redirects."""
    ipv4.ip_forward = on
    ipv4.conf_all.accept_redirects = 0 if on else 1
    ipv4.conf_all.forwarding = on
    ipv4.conf_default.forwarding = on
    for d in ipv4.in_devs:
        d.conf.forwarding = on
    conf_changed(ipv4)


# --- devices --------------------------------------------------------------------------------------


def inetdev_init(dev: NetDevice) -> InDevice:
    """A device starts to speak IPv4."""
    ipv4 = ipv4_of(dev.net)
    d = InDevice(ipv4, dev)
    d.arp_parms = neigh_parms_alloc(dev, ipv4.arp_tbl)
    if dev.is_loopback:
        d.conf.disable_policy = d.conf.disable_xfrm = 1
    ipv4.in_devs.append(d)
    dev.ip_ptr = d

    devinet_sysctl_register(ipv4, dev.name, d.conf, d)
    ip_mc_init_dev(d)
    if dev.flags & IFF_UP:
        ip_mc_up(d)
    return d


def inetdev_destroy(d: InDevice) -> None:
    ipv4 = d.ipv4
    d.dead = True
    ip_mc_destroy_dev(d)
    while d.ifa_list:
        inet_del_ifa(d, d.ifa_list[0])
    neigh_ifdown(ipv4.arp_tbl, d.dev)
    ipv4.kernel.sysctl.unregister("net.ipv4.conf." + d.dev.name.replace(".", "/"))
    ipv4.kernel.sysctl.unregister("net.ipv4.neigh." + d.dev.name.replace(".", "/"))
    d.dev.ip_ptr = None
    ipv4.in_devs.remove(d)


def inetdev_event(event: str, dev: NetDevice) -> None:
    """The netdevice notifier of IPv4 (addresses, multicast, ARP, routes in one place, in Linux's order)."""
    ipv4 = ipv4_of(dev.net)
    d: InDevice | None = dev.ip_ptr
    if d is None:
        if event == NETDEV_REGISTER:
            d = inetdev_init(dev)
        elif event == NETDEV_CHANGEMTU and dev.mtu >= IPV4_MIN_MTU:
            d = inetdev_init(dev)
        return
    if event == NETDEV_CHANGENAME:
        old = str(dev.attr["old_name"]).replace(".", "/")
        ipv4.kernel.sysctl.unregister("net.ipv4.conf." + old)
        ipv4.kernel.sysctl.unregister("net.ipv4.neigh." + old)
        devinet_sysctl_register(ipv4, dev.name, d.conf, d)
        return
    if event == NETDEV_UP:
        if dev.mtu < IPV4_MIN_MTU:
            return
        if dev.flags & IFF_LOOPBACK and not d.ifa_list:
            inet_insert_ifa(dev, ip4("127.0.0.1"), 8, scope=RT_SCOPE_HOST)
        ip_mc_up(d)
        for ifa in d.ifa_list:
            fib.fib_add_ifaddr(ifa)
        fib.rt_cache_flush(ipv4)
    elif event == NETDEV_DOWN:
        ip_mc_down(d)
        fib.fib_disable_ip(ipv4, dev)
        neigh_ifdown(ipv4.arp_tbl, dev)
        fib.rt_cache_flush(ipv4)
    elif event == NETDEV_UNREGISTER:
        inetdev_destroy(d)
        fib.fib_disable_ip(ipv4, dev, force=True)
    elif event == NETDEV_CHANGEMTU:
        if dev.mtu < IPV4_MIN_MTU:
            inetdev_destroy(d)
        fib.rt_cache_flush(ipv4)
    elif event == NETDEV_CHANGEADDR:
        neigh_changeaddr(ipv4.arp_tbl, dev)
        fib.rt_cache_flush(ipv4)


# --- addresses ------------------------------------------------------------------------------------


def inet_insert_ifa(
    dev: NetDevice, local: int, prefixlen: int, *, peer: int = 0, broadcast: int = 0, scope: int = -1, label: str = ""
) -> InIfaddr:
    """`ip addr add`: IPv4 number, prefix length.  `broadcast` -1: the subnet's.  Raises EEXIST, EINVAL,
    EADDRNOTAVAIL.
    """
    d: InDevice | None = dev.ip_ptr
    if d is None:
        raise linux_error(EADDRNOTAVAIL, dev.name)
    if not 0 <= prefixlen <= 32:
        raise linux_error(EINVAL, f"prefix length {prefixlen}")
    ipv4 = d.ipv4
    d.conf_all_set = True
    if scope < 0:
        scope = RT_SCOPE_HOST if local >> 24 == 127 else RT_SCOPE_UNIVERSE
    mask = inet_make_mask(prefixlen)
    if broadcast == -1:
        broadcast = 0 if prefixlen >= 31 else (peer or local) | (~mask & 0xFFFFFFFF)
    ifa = InIfaddr(d, local, prefixlen, address=peer, broadcast=broadcast, scope=scope, label=label)
    for other in d.ifa_list:
        if other.mask == ifa.mask and inet_ifa_match(ifa.address, other):
            if other.local == ifa.local:
                if dev.flags & IFF_LOOPBACK:  # put there by the kernel itself
                    return other
                raise linux_error(EEXIST, ip4_str(local))
            if other.scope == ifa.scope:
                ifa.flags |= IFA_F_SECONDARY
    if ifa.flags & IFA_F_SECONDARY:
        d.ifa_list.append(ifa)
    else:
        i = 0
        while i < len(d.ifa_list) and not d.ifa_list[i].flags & IFA_F_SECONDARY and ifa.scope >= d.ifa_list[i].scope:
            i += 1
        d.ifa_list.insert(i, ifa)
    ipv4.ifa_hash.setdefault(ifa.local, []).insert(0, ifa)
    fib.fib_add_ifaddr(ifa)
    fib.rt_cache_flush(ipv4)
    return ifa


def inet_del_ifa(d: InDevice, ifa: InIfaddr) -> None:
    """`ip addr del`; secondaries of a primary go with it (promote_secondaries 0)."""
    ipv4 = d.ipv4
    gone = [ifa]
    stay: list[InIfaddr] = []
    if not ifa.flags & IFA_F_SECONDARY:
        same = [
            o for o in d.ifa_list if o.flags & IFA_F_SECONDARY and o.mask == ifa.mask and inet_ifa_match(ifa.address, o)
        ]
        if d.conf.promote_secondaries or ipv4.conf_all.promote_secondaries:
            stay = same
        else:
            gone = [*same, ifa]
    for g in gone:
        d.ifa_list.remove(g)
        lst = ipv4.ifa_hash[g.local]
        lst.remove(g)
        if not lst:
            del ipv4.ifa_hash[g.local]
        fib.fib_del_ifaddr(g)
    if stay:  # the first is the primary now, and the source that the others' routes prefer
        stay[0].flags &= ~IFA_F_SECONDARY
        for s in stay:
            fib.fib_magic_del(ipv4, fib.RTN_LOCAL, s.local, 32, ifa)
            fib.fib_add_ifaddr(s)
    fib.rt_cache_flush(ipv4)


def inet_ifa_match(addr: int, ifa: InIfaddr) -> bool:
    return (addr ^ ifa.address) & ifa.mask == 0


def inet_addr_onlink(d: InDevice, a: int, b: int) -> bool:
    """Whether `a` (and `b`, when not 0) are in one subnet of the device."""
    for ifa in d.ifa_list:
        if inet_ifa_match(a, ifa) and (not b or inet_ifa_match(b, ifa)):
            return True
    return False


def inet_select_addr(dev: NetDevice | None, dst: int, scope: int, ipv4: Ipv4) -> int:
    """A source address of the device (else of any) for `dst`, of at most this scope; 0 when there is none."""
    addr = 0
    if dev is not None:
        d: InDevice | None = dev.ip_ptr
        if d is not None:
            localnet_scope = RT_SCOPE_HOST
            if d.eff_route_localnet:
                localnet_scope = RT_SCOPE_LINK
            for ifa in d.ifa_list:
                if ifa.flags & IFA_F_SECONDARY:
                    continue
                if min(ifa.scope, localnet_scope) > scope:
                    continue
                if not dst or inet_ifa_match(dst, ifa):
                    return ifa.local
                if not addr:
                    addr = ifa.local
    if addr:
        return addr
    for d in ipv4.in_devs:
        for ifa in d.ifa_list:
            if not ifa.flags & IFA_F_SECONDARY and ifa.scope != RT_SCOPE_LINK and ifa.scope <= scope:
                return ifa.local
    return 0


def confirm_addr_indev(d: InDevice, dst: int, local: int, scope: int) -> int:
    """An address of the device that may stand for `local` (0 = any) towards `dst` (0 = any); 0 when there is none.

    The subnet that holds `dst` and the address itself may come from two entries.  6.18, confirm_addr_indev.
    """
    localnet_scope = RT_SCOPE_LINK if d.eff_route_localnet else RT_SCOPE_HOST
    addr = 0
    same = False
    for ifa in d.ifa_list:
        fits = min(ifa.scope, localnet_scope) <= scope
        if not addr and fits and local in (0, ifa.local):
            addr = ifa.local
            if same:
                break
        if not same:
            same = (not local or inet_ifa_match(local, ifa)) and (not dst or inet_ifa_match(dst, ifa))
            if same and addr:
                if local or not dst or inet_ifa_match(addr, ifa):
                    break
                if fits:
                    addr = ifa.local
                    break
                same = False
    return addr if same else 0


def inet_confirm_addr(ipv4: Ipv4, d: InDevice | None, dst: int, local: int, scope: int) -> int:
    """Whether `local` (0 = any) is configured with this scope on the device (None = any); the address or 0."""
    if d is not None:
        return confirm_addr_indev(d, dst, local, scope)
    for x in ipv4.in_devs:
        addr = confirm_addr_indev(x, dst, local, scope)
        if addr:
            return addr
    return 0


def __ip_dev_find(ipv4: Ipv4, addr: int) -> NetDevice | None:
    """The device that has `addr`, or whose local table says so."""
    ifa = fib.inet_lookup_ifaddr_rcu(ipv4, addr)
    if ifa is not None:
        return ifa.in_dev.dev
    res = fib.FibResult()
    t = ipv4.fib_tables.get(fib.RT_TABLE_LOCAL)
    if t is not None and fib.fib_table_lookup(t, addr, 0, 0, 0, res) == 0 and res.type == fib.RTN_LOCAL:
        return res.dev
    return None


def ip_dev_find(net: Net, addr: int) -> NetDevice | None:
    return __ip_dev_find(ipv4_of(net), addr)
