"""The forwarding tables: local, main, default; lookup, routes made from addresses, source validation.

What lives here: tables, route entries, next hops.  What a route decision becomes is route.py's.  Facts:
net/ipv4/fib_trie.c, fib_semantics.c, fib_frontend.c.  A trie is a matter of speed alone: here a table is one dict a
prefix length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import (
    EACCES,
    EAGAIN,
    EEXIST,
    EHOSTUNREACH,
    EINVAL,
    ENETDOWN,
    ENETUNREACH,
    ENODEV,
    ENOENT,
    EXDEV,
    linux_error,
)
from rxpath.net.core.netdevice import IFF_LOOPBACK, IFF_UP, NetDevice
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.netns import Ipv4
from rxpath.wire.addr import inet_make_mask

if TYPE_CHECKING:
    from rxpath.net.ipv4.devinet import InDevice, InIfaddr

ESRCH: Final = 3

RTN_UNSPEC: Final = 0
RTN_UNICAST: Final = 1
RTN_LOCAL: Final = 2
RTN_BROADCAST: Final = 3
RTN_ANYCAST: Final = 4
RTN_MULTICAST: Final = 5
RTN_BLACKHOLE: Final = 6
RTN_UNREACHABLE: Final = 7
RTN_PROHIBIT: Final = 8
RTN_THROW: Final = 9
RTN_NAMES: Final = (
    "unspec",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
)
_RTN_ERROR: Final = (EINVAL, 0, 0, 0, 0, 0, EINVAL, EHOSTUNREACH, EACCES, EAGAIN)

RT_TABLE_DEFAULT: Final = 253
RT_TABLE_MAIN: Final = 254
RT_TABLE_LOCAL: Final = 255

RT_SCOPE_UNIVERSE: Final = 0
RT_SCOPE_LINK: Final = 253
RT_SCOPE_HOST: Final = 254
RT_SCOPE_NOWHERE: Final = 255

RTPROT_REDIRECT: Final = 1
RTPROT_KERNEL: Final = 2
RTPROT_BOOT: Final = 3
RTPROT_STATIC: Final = 4

IFA_F_SECONDARY: Final = 1


class FibNh:
    """A next hop: device, gateway (0 = on link), its exceptions (PMTU, redirects) by destination."""

    __slots__ = ("dev", "gw", "scope", "weight", "dead", "exceptions", "oif")

    def __init__(self, dev: NetDevice | None, gw: int, scope: int) -> None:
        self.dev = dev
        self.gw = gw
        self.scope = scope
        self.weight = 1
        self.dead = False
        self.exceptions: dict[int, Fnhe] = {}


class Fnhe:
    """`struct fib_nh_exception`: what was learnt about one destination (jiffies; 0 = no expiry)."""

    __slots__ = ("daddr", "gw", "pmtu", "mtu_locked", "expires", "stamp", "genid")

    def __init__(self, daddr: int) -> None:
        self.daddr = daddr
        self.gw = 0
        self.pmtu = 0
        self.mtu_locked = False
        self.expires = 0
        self.stamp = 0
        self.genid = 0


class FibInfo:
    """`struct fib_info`: what routes with equal attributes share.  `metrics`: those but the MTU, by ip's names;
    `locked`: those that nothing learnt changes.
    """

    __slots__ = ("type", "scope", "prefsrc", "priority", "protocol", "nhs", "mtu", "locked", "metrics", "table")

    def __init__(self, type_: int, scope: int, prefsrc: int, priority: int, protocol: int, nhs: list[FibNh]) -> None:
        self.type = type_
        self.scope = scope
        self.prefsrc = prefsrc
        self.priority = priority
        self.protocol = protocol
        self.nhs = nhs
        self.mtu = 0
        self.locked: tuple[str, ...] = ()
        self.metrics: dict[str, int] = {}


class FibAlias:
    """One route in a table: prefix, TOS, priority, type; `seq`: the how manieth route of the machine."""

    __slots__ = ("prefix", "plen", "tos", "fi", "type", "table", "seq")

    def __init__(self, prefix: int, plen: int, tos: int, fi: FibInfo, type_: int, table: int) -> None:
        self.prefix = prefix
        self.plen = plen
        self.tos = tos
        self.fi = fi
        self.type = type_
        self.table = table
        self.seq = 0


class FibResult:
    """`struct fib_result`."""

    __slots__ = ("type", "fi", "nh", "dev", "prefix", "prefixlen", "scope", "table", "alias")

    def __init__(self) -> None:
        self.type = RTN_UNSPEC
        self.fi: FibInfo | None = None
        self.nh: FibNh | None = None
        self.dev: NetDevice | None = None
        self.prefix = 0
        self.prefixlen = 0
        self.scope = 0
        self.table = 0
        self.alias: FibAlias | None = None


class FibTable:
    """Routes by prefix length; `plens` are the lengths in use, longest first."""

    __slots__ = ("id", "by_len", "plens")

    def __init__(self, table_id: int) -> None:
        self.id = table_id
        self.by_len: dict[int, dict[int, list[FibAlias]]] = {}
        self.plens: list[int] = []

    def aliases(self) -> list[FibAlias]:
        """All routes, by address, longest prefix of an address first (the order of /proc/net/route)."""
        out = [a for m in self.by_len.values() for lst in m.values() for a in lst]
        out.sort(key=lambda a: (a.prefix, -a.plen, a.fi.priority))
        return out

    def insert(self, a: FibAlias, append: bool = False) -> None:
        """Before the routes of the same prefix, TOS and priority, or after them (NLM_F_APPEND)."""
        m = self.by_len.get(a.plen)
        if m is None:
            m = self.by_len[a.plen] = {}
            self.plens = sorted(self.by_len, reverse=True)
        lst = m.setdefault(a.prefix, [])
        i = 0
        last = a.fi.priority if append else a.fi.priority - 1
        while i < len(lst) and (lst[i].tos > a.tos or (lst[i].tos == a.tos and lst[i].fi.priority <= last)):
            i += 1
        lst.insert(i, a)

    def remove(self, a: FibAlias) -> None:
        m = self.by_len[a.plen]
        lst = m[a.prefix]
        lst.remove(a)
        if not lst:
            del m[a.prefix]
            if not m:
                del self.by_len[a.plen]
                self.plens = sorted(self.by_len, reverse=True)


def fib_lookup_good_nhc(nh: FibNh, oif: int) -> bool:
    if nh.dead:
        return False
    return not oif or (nh.dev is not None and nh.dev.ifindex == oif)


def _table_lookup(t: FibTable, daddr: int, tos: int, oif: int, scope: int, res: FibResult) -> int:
    """Longest prefix that fits: 0 and `res`, or a negative errno (-EAGAIN: not in this table)."""
    for plen in t.plens:
        lst = t.by_len[plen].get(daddr & (0xFFFFFFFF << (32 - plen)) & 0xFFFFFFFF)
        if lst is None:
            continue
        for a in lst:
            if a.tos and a.tos != tos:
                continue
            fi = a.fi
            if fi.scope < scope:
                continue
            err = _RTN_ERROR[a.type]
            if err:
                return -err
            for nh in fi.nhs:
                if not nh.dead and (not oif or (nh.dev is not None and nh.dev.ifindex == oif)):
                    res.type = a.type
                    res.fi = fi
                    res.nh = nh
                    res.dev = nh.dev
                    res.prefix = a.prefix
                    res.prefixlen = plen
                    res.scope = fi.scope
                    res.table = t.id
                    res.alias = a
                    return 0
    return -EAGAIN


def fib_table_lookup(
    t: FibTable, daddr: int, tos: int, oif: int, scope: int, res: FibResult, merged: FibTable | None = None
) -> int:
    """As `_table_lookup`, for callers that ask one table themselves; `merged` is the table that shares its trie."""
    err = _table_lookup(t, daddr, tos, oif, scope, res)
    if err == -EAGAIN and merged is not None:
        err = _table_lookup(merged, daddr, tos, oif, scope, res)
    if err == 0 and res.nh is not None:
        fib_lookup_good_nhc(res.nh, oif)
    return err


def fib_lookup(ipv4: Ipv4, daddr: int, tos: int, oif: int, scope: int, res: FibResult) -> int:
    """local, main, default: 0 and `res`, or -ENETUNREACH or the error of a route that says no.  (Inline in Linux.)"""
    for tid in (RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT):
        t = ipv4.fib_tables.get(tid)
        if t is not None and t.plens:
            err = _table_lookup(t, daddr, tos, oif, scope, res)
            if err != -EAGAIN:
                return err
    return -ENETUNREACH


def fib_get_table(ipv4: Ipv4, tid: int) -> FibTable:
    t = ipv4.fib_tables.get(tid)
    if t is None:
        t = ipv4.fib_tables[tid] = FibTable(tid)
    return t


def rt_cache_flush(ipv4: Ipv4) -> None:
    """rt_genid_bump_ipv4: cached route decisions are stale."""
    ipv4.rt_genid += 1
    ipv4.rt_in_cache.clear()
    ipv4.rt_out_cache.clear()


def ipv4_sysctl_rtcache_flush(ipv4: Ipv4) -> None:
    """A write to route.flush: what was learnt from ICMP is forgotten too."""
    rt_cache_flush(ipv4)
    ipv4.fnhe_genid += 1


# --- changing tables ------------------------------------------------------------------------------


def fib_add_route(
    ipv4: Ipv4,
    prefix: int,
    plen: int,
    *,
    dev: NetDevice | None = None,
    gw: int = 0,
    type_: int = RTN_UNICAST,
    table: int = 0,
    priority: int = 0,
    prefsrc: int = 0,
    scope: int = -1,
    protocol: int = RTPROT_BOOT,
    tos: int = 0,
    mtu: int = 0,
    locked: tuple[str, ...] = (),
    metrics: dict[str, int] | None = None,
    replace: bool = False,
    must_exist: bool = False,
    onlink: bool = False,
) -> FibAlias:
    """`ip route add`.  Raises OSError: EINVAL (host bits, bad type), ENETUNREACH (gateway not on link), ENODEV,
    ENETDOWN, EEXIST.
    """
    if not 0 <= plen <= 32 or prefix & ~inet_make_mask(plen) & 0xFFFFFFFF:
        raise linux_error(EINVAL, "Invalid prefix for given prefix length")
    if type_ >= len(_RTN_ERROR):
        raise linux_error(EINVAL, "Invalid route type")
    if not table:
        table = RT_TABLE_LOCAL if type_ in (RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST) else RT_TABLE_MAIN
    if scope < 0:
        if type_ in (RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST):
            scope = RT_SCOPE_LINK if type_ == RTN_BROADCAST else RT_SCOPE_HOST
        elif type_ == RTN_UNICAST and not gw:
            scope = RT_SCOPE_LINK
        else:
            scope = RT_SCOPE_UNIVERSE
    nh: FibNh
    if _RTN_ERROR[type_]:
        if dev is not None or gw:
            raise linux_error(EINVAL, "Routes with device or gateway cannot be of this type")
        nh = FibNh(ipv4.net.loopback, 0, RT_SCOPE_NOWHERE)
    elif gw:
        nh = fib_check_nh(ipv4, dev, gw, scope, onlink)
    else:
        if dev is None:
            raise linux_error(ENODEV, "no device")
        if not dev.flags & IFF_UP:
            raise linux_error(ENETDOWN, "Device for nexthop is not up")
        if dev.ip_ptr is None:
            raise linux_error(ENODEV, dev.name)
        nh = FibNh(dev, 0, RT_SCOPE_NOWHERE if scope == RT_SCOPE_HOST else RT_SCOPE_HOST)
    fi = FibInfo(type_, scope, prefsrc, priority, protocol, [nh])
    fi.mtu = mtu
    fi.locked = locked
    fi.metrics = dict(metrics or {})
    t = fib_get_table(ipv4, table)
    a = FibAlias(prefix, plen, tos, fi, type_, table)
    ipv4.fib_seq += 1
    a.seq = ipv4.fib_seq
    for old in list(t.by_len.get(plen, {}).get(prefix, [])):
        if old.tos == tos and old.fi.priority == priority:
            if replace:
                t.remove(old)
                break
            raise linux_error(EEXIST, "route")
    else:
        if must_exist:
            raise linux_error(ENOENT, "route")
    t.insert(a)
    if table == RT_TABLE_LOCAL and protocol != RTPROT_KERNEL and type_ == RTN_LOCAL:
        ipv4.fib_has_custom_local_routes = True
    rt_cache_flush(ipv4)
    return a


def fib_check_nh(ipv4: Ipv4, dev: NetDevice | None, gw: int, scope: int, onlink: bool) -> FibNh:
    """A gateway must be reachable on link, by a route of narrower scope."""
    if scope >= RT_SCOPE_LINK:
        raise linux_error(EINVAL, "Nexthop has invalid scope")
    if onlink and dev is not None:
        if not dev.flags & IFF_UP:
            raise linux_error(ENETDOWN, "Nexthop device is not up")
        return FibNh(dev, gw, RT_SCOPE_LINK)
    res = FibResult()
    err = fib_lookup(ipv4, gw, 0, dev.ifindex if dev is not None else 0, max(scope + 1, RT_SCOPE_LINK), res)
    if err:
        raise linux_error(ENETUNREACH, "Nexthop has invalid gateway")
    if res.type not in (RTN_UNICAST, RTN_LOCAL):
        raise linux_error(EINVAL, "Nexthop has invalid gateway")
    out = res.dev
    if out is None:
        raise linux_error(ENODEV, "No egress device for nexthop gateway")
    if not out.flags & IFF_UP:
        raise linux_error(ENETDOWN, "Nexthop device is not up")
    return FibNh(out, gw, res.scope)


def fib_del_route(
    ipv4: Ipv4,
    prefix: int,
    plen: int,
    *,
    table: int = RT_TABLE_MAIN,
    type_: int = RTN_UNSPEC,
    dev: NetDevice | None = None,
    gw: int = 0,
    priority: int = 0,
    prefsrc: int = 0,
) -> None:
    """`ip route del`: the first route that fits.  Raises ESRCH."""
    t = fib_get_table(ipv4, table)
    for a in t.by_len.get(plen, {}).get(prefix, []):
        nh = a.fi.nhs[0]
        if (
            (type_ == RTN_UNSPEC or a.type == type_)
            and (dev is None or nh.dev is dev)
            and (not gw or nh.gw == gw)
            and (not priority or a.fi.priority == priority)
            and (not prefsrc or a.fi.prefsrc == prefsrc)
        ):
            t.remove(a)
            rt_cache_flush(ipv4)
            return
    raise linux_error(ESRCH, "No such process")


def fib_magic(ipv4: Ipv4, type_: int, dst: int, plen: int, ifa: InIfaddr, priority: int = 0) -> None:
    """A route that follows from an address; duplicates are quietly one."""
    table = RT_TABLE_MAIN if type_ == RTN_UNICAST else RT_TABLE_LOCAL
    scope = RT_SCOPE_LINK if type_ != RTN_LOCAL else RT_SCOPE_HOST
    t = fib_get_table(ipv4, table)
    for a in t.by_len.get(plen, {}).get(dst, []):
        nh = a.fi.nhs[0]
        if a.type == type_ and nh.dev is ifa.in_dev.dev and a.fi.prefsrc == ifa.local and a.fi.priority == priority:
            return
    nh = FibNh(ifa.in_dev.dev, 0, RT_SCOPE_NOWHERE if scope == RT_SCOPE_HOST else RT_SCOPE_HOST)
    fi = FibInfo(type_, scope, ifa.local, priority, RTPROT_KERNEL, [nh])
    a = FibAlias(dst, plen, 0, fi, type_, table)
    ipv4.fib_seq += 1
    a.seq = ipv4.fib_seq
    t.insert(a, append=True)


def fib_magic_del(ipv4: Ipv4, type_: int, dst: int, plen: int, ifa: InIfaddr) -> None:
    t = fib_get_table(ipv4, RT_TABLE_MAIN if type_ == RTN_UNICAST else RT_TABLE_LOCAL)
    for a in t.by_len.get(plen, {}).get(dst, []):
        if a.type == type_ and a.fi.nhs[0].dev is ifa.in_dev.dev and a.fi.prefsrc == ifa.local:
            t.remove(a)
            return


def inet_ifa_byprefix(d: InDevice, prefix: int, mask: int) -> InIfaddr | None:
    """The primary address of a subnet on a device."""
    for ifa in d.ifa_list:
        if not ifa.flags & IFA_F_SECONDARY and ifa.mask == mask and ifa.address & mask == prefix & mask:
            return ifa
    return None


def fib_add_ifaddr(ifa: InIfaddr) -> None:
    """Local, broadcast and connected routes of an address."""
    d = ifa.in_dev
    ipv4 = d.ipv4
    dev = d.dev
    mask = ifa.mask
    prefix = ifa.address & mask
    # a secondary address's routes prefer its primary as source
    prim = inet_ifa_byprefix(d, prefix, mask) if ifa.flags & IFA_F_SECONDARY else ifa
    if prim is None:
        return
    fib_magic(ipv4, RTN_LOCAL, ifa.local, 32, prim)
    if not dev.flags & IFF_UP:
        return
    if ifa.broadcast and ifa.broadcast != 0xFFFFFFFF:
        fib_magic(ipv4, RTN_BROADCAST, ifa.broadcast, 32, prim)
    if prefix > ipv4.zeronet_max and not ifa.flags & IFA_F_SECONDARY and (prefix != ifa.local or ifa.prefixlen < 32):
        fib_magic(ipv4, RTN_LOCAL if dev.flags & IFF_LOOPBACK else RTN_UNICAST, prefix, ifa.prefixlen, ifa, ifa.metric)
        if ifa.prefixlen < 31:
            if ipv4.variant.network_broadcast:
                fib_magic(ipv4, RTN_BROADCAST, prefix, 32, ifa)
            fib_magic(ipv4, RTN_BROADCAST, prefix | (~mask & 0xFFFFFFFF), 32, ifa)


def fib_del_ifaddr(ifa: InIfaddr) -> None:
    """The routes of an address that is no longer on its device's list; what its primary shares stays."""
    d = ifa.in_dev
    ipv4 = d.ipv4
    prefix = ifa.address & ifa.mask
    prim = inet_ifa_byprefix(d, prefix, ifa.mask) if ifa.flags & IFA_F_SECONDARY else ifa
    if prim is None:
        return
    keep = ipv4.ifa_hash.get(ifa.local)
    if not keep:
        fib_magic_del(ipv4, RTN_LOCAL, ifa.local, 32, prim)
    shared = prim is not ifa and (
        (ifa.prefixlen < 31 and ifa.broadcast == prefix | (~ifa.mask & 0xFFFFFFFF))
        or any(o.broadcast == ifa.broadcast and o.mask == ifa.mask and o.address & o.mask == prefix for o in d.ifa_list)
    )
    if ifa.broadcast and not shared:
        fib_magic_del(ipv4, RTN_BROADCAST, ifa.broadcast, 32, prim)
    if not ifa.flags & IFA_F_SECONDARY:
        fib_magic_del(
            ipv4, RTN_LOCAL if ifa.in_dev.dev.flags & IFF_LOOPBACK else RTN_UNICAST, prefix, ifa.prefixlen, ifa
        )
        if ifa.prefixlen < 31:
            fib_magic_del(ipv4, RTN_BROADCAST, prefix, 32, ifa)
            fib_magic_del(ipv4, RTN_BROADCAST, prefix | (~ifa.mask & 0xFFFFFFFF), 32, ifa)


def fib_disable_ip(ipv4: Ipv4, dev: NetDevice, force: bool = False) -> None:
    """A device went down: its routes go; local ones stay until the address goes, unless `force` (unregistered)."""
    for t in ipv4.fib_tables.values():
        for a in t.aliases():
            if any(nh.dev is dev for nh in a.fi.nhs) and (force or a.type != RTN_LOCAL):
                t.remove(a)
    rt_cache_flush(ipv4)


# --- address types --------------------------------------------------------------------------------


def inet_addr_type_dev_table(ipv4: Ipv4, dev: NetDevice | None, addr: int) -> int:
    """What kind of address this is for us (on whatever device; `dev` matters to VRF tables alone):
    RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST or RTN_UNICAST.
    """
    if addr <= ipv4.zeronet_max or addr == 0xFFFFFFFF:
        return RTN_BROADCAST
    if addr >> 28 == 0xE:
        return RTN_MULTICAST
    t = ipv4.fib_tables.get(RT_TABLE_LOCAL)
    if t is not None:
        res = FibResult()
        # without policy rules the local and main tables are one trie
        main = ipv4.fib_tables.get(RT_TABLE_MAIN)
        if fib_table_lookup(t, addr, 0, 0, 0, res, main) == 0:
            return res.type
    return RTN_UNICAST


def inet_addr_type(ipv4: Ipv4, addr: int) -> int:
    return inet_addr_type_dev_table(ipv4, None, addr)


def inet_lookup_ifaddr_rcu(ipv4: Ipv4, addr: int) -> InIfaddr | None:
    """The address entry of one of our addresses, by hash (net/ipv4/devinet.c)."""
    lst = ipv4.ifa_hash.get(addr)
    return lst[0] if lst else None


# --- source validation ----------------------------------------------------------------------------


def fib_validate_source(
    ipv4: Ipv4, skb: SkBuff, src: int, dst: int, tos: int, oif: int, dev: NetDevice, d: InDevice
) -> int:
    """0 or 1 (the sender is reached through a gateway of host scope) = fine; -EINVAL martian, -EXDEV reverse path
    filter.

    With reasons of its own (6.14) a local source is told apart as -ESRCH, a source of a wrong type as -EINVAL.
    """
    rpf = d.eff_rp_filter
    if not rpf and (dev.ifindex != oif or not d.eff_tx_redirects):
        if d.eff_accept_local:
            return 0
        if not ipv4.fib_has_custom_local_routes:
            if inet_lookup_ifaddr_rcu(ipv4, src) is not None:
                return -ESRCH if ipv4.variant.route_reasons else -EINVAL
            return 0
    return __fib_validate_source(ipv4, src, dst, tos, oif, dev, rpf, d)


def __fib_validate_source(
    ipv4: Ipv4, src: int, dst: int, tos: int, oif: int, dev: NetDevice, rpf: int, d: InDevice
) -> int:
    res = FibResult()
    if fib_lookup(ipv4, src, tos, 0, 0, res):
        return -EXDEV if rpf else 0
    if res.type != RTN_UNICAST:
        if res.type == RTN_LOCAL:
            if not d.eff_accept_local:
                return -ESRCH if ipv4.variant.route_reasons else -EINVAL
        else:
            return -EINVAL
    assert res.fi is not None and res.nh is not None
    if any(nh.dev is dev for nh in res.fi.nhs) or (res.type == RTN_LOCAL and dev is ipv4.net.loopback):
        return 1 if res.nh.scope >= RT_SCOPE_HOST else 0
    if not d.ifa_list:
        return -EXDEV if rpf else 0
    if rpf == 1:
        return -EXDEV
    ret = 0
    if fib_lookup(ipv4, src, tos, dev.ifindex, 0, res) == 0 and res.type == RTN_UNICAST:
        assert res.nh is not None
        ret = 1 if res.nh.scope >= RT_SCOPE_HOST else 0
    return ret
