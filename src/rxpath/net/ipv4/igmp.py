"""Multicast membership of sockets and devices, source filters, IGMP (versions 1 to 3).

Facts: net/ipv4/igmp.c (6.1), RFC 1112, 2236, 3376; sheet 8.8.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV, linux_error
from rxpath.kernel.timer import TimerList
from rxpath.net.core.netdevice import IFF_MULTICAST, NetDevice, dev_mc_add, dev_mc_del
from rxpath.net.core.skbuff import (
    CHECKSUM_UNNECESSARY,
    PACKET_BROADCAST,
    PACKET_MULTICAST,
    SkBuff,
    __alloc_skb,
    consume_skb,
    kfree_skb_reason,
    skb_put,
)
from rxpath.net.ipv4.fib import RT_SCOPE_LINK, rt_cache_flush
from rxpath.net.ipv4.netns import Ipv4, NetProtocol, ipv4_of
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip_eth_mc_map
from rxpath.wire.checksum import csum_partial, ip_compute_csum
from rxpath.wire.ipv4 import IPV4_HDR

if TYPE_CHECKING:
    from rxpath.net.ipv4.devinet import InDevice
    from rxpath.net.ipv4.inet_sock import InetSock

LL_RESERVED: Final = 16  # LL_RESERVED_SPACE of an Ethernet header
IP_MAX_MTU: Final = 0xFFFF
IPV4_MIN_MTU: Final = 68
IGMP_ALL_HOSTS: Final = 0xE0000001
IGMPV3_ALL_MCR: Final = 0xE0000016
IGMP_ALL_ROUTER: Final = 0xE0000002

MCAST_EXCLUDE: Final = 0
MCAST_INCLUDE: Final = 1

IGMP_HOST_MEMBERSHIP_QUERY: Final = 0x11
IGMP_HOST_MEMBERSHIP_REPORT: Final = 0x12
IGMPV2_HOST_MEMBERSHIP_REPORT: Final = 0x16
IGMP_HOST_LEAVE_MESSAGE: Final = 0x17
IGMPV3_HOST_MEMBERSHIP_REPORT: Final = 0x22

IGMPV3_MODE_IS_INCLUDE: Final = 1
IGMPV3_MODE_IS_EXCLUDE: Final = 2
IGMPV3_CHANGE_TO_INCLUDE: Final = 3
IGMPV3_CHANGE_TO_EXCLUDE: Final = 4
IGMPV3_ALLOW_NEW_SOURCES: Final = 5
IGMPV3_BLOCK_OLD_SOURCES: Final = 6

SITE_IGMP: Final = Site("igmp", "IGMP")
SITE_IGMP_BAD: Final = Site("igmp", "bad IGMP message", "none", "NOT_SPECIFIED")

_REC: Final = Struct(">BBHI")


class IpMcSocklist:
    """One membership of a socket: group, interface index, filter mode and sources.

    `filtered`: there is a list of sources, perhaps an empty one, and with it the mode is fixed.
    """

    __slots__ = ("group", "ifindex", "sfmode", "sources", "filtered")

    def __init__(self, group: int, ifindex: int, sfmode: int) -> None:
        self.group = group
        self.ifindex = ifindex
        self.sfmode = sfmode
        self.sources: list[int] = []
        self.filtered = False


class IpSfList:
    """A source that sockets include in or exclude from a group of a device."""

    __slots__ = ("addr", "incl", "excl", "crcount", "oldin", "gsresp")

    def __init__(self, addr: int) -> None:
        self.addr = addr
        self.incl = 0  # sockets that include it
        self.excl = 0
        self.crcount = 0  # reports of its change that are still to be sent
        self.oldin = False  # it was in the filter before the change at hand
        self.gsresp = False  # a query asked for it


class IpMcList:
    """One group of a device: how many sockets hold it in which mode, which sources they name, its report timer.

    `sfmode` is the mode of the device's filter; `tomb` holds sources that left it and are still to be reported.
    """

    __slots__ = (
        "in_dev",
        "group",
        "users",
        "sfmode",
        "excl",
        "incl",
        "sources",
        "tomb",
        "timer",
        "tm_running",
        "reporter",
        "unsolicit_count",
        "gsquery",
        "loaded",
        "crcount",
    )

    def __init__(self, d: InDevice, group: int, sfmode: int) -> None:
        self.in_dev = d
        self.group = group
        self.users = 1
        self.sfmode = sfmode
        self.excl = 0  # sockets in EXCLUDE mode
        self.incl = 0
        self.sources: list[IpSfList] = []
        self.tomb: list[IpSfList] = []
        self.tm_running = False
        self.reporter = False
        self.unsolicit_count = 0
        self.gsquery = False
        self.loaded = False
        self.crcount = 0
        self.timer = TimerList(d.ipv4.kernel, lambda: igmp_timer_expire(self))

    def count(self, mode: int, by: int) -> None:
        if mode == MCAST_EXCLUDE:
            self.excl += by
        else:
            self.incl += by

    def active(self, psf: IpSfList) -> bool:
        """Whether the device's filter names this source: excluded by all who exclude and included by none, else
        included."""
        if self.excl:
            return self.excl == psf.excl and not psf.incl
        return psf.incl != 0


# --- hot path -------------------------------------------------------------------------------------


def ip_check_mc_rcu(d: InDevice, group: int, src: int, proto: int) -> bool:
    """Whether the device is in the group (and wants this source)."""
    for im in d.mc_list:
        if im.group == group:
            if proto == 2:
                return True
            if src:
                for psf in im.sources:
                    if psf.addr == src:
                        return psf.incl > 0 or psf.excl != im.excl
                return im.excl > 0
            return True
    return False


def ip_mc_sf_allow(sk: InetSock, loc_addr: int, rmt_addr: int, dif: int) -> bool:
    """Whether the socket takes a packet to this group from this source: its own filter, else IP_MULTICAST_ALL."""
    if loc_addr >> 28 != 0xE:
        return True
    for m in sk.mc_list:
        if m.group == loc_addr and m.ifindex == dif:
            if not m.sources:
                return m.sfmode == MCAST_EXCLUDE
            if rmt_addr in m.sources:
                return m.sfmode == MCAST_INCLUDE
            return m.sfmode == MCAST_EXCLUDE
    return sk.mc_all


# --- membership of sockets ------------------------------------------------------------------------


def ip_mc_find_dev(ipv4: Ipv4, group: int, local: int, ifindex: int) -> InDevice | None:
    """The device of a membership: by index, by its address, else by route."""
    from rxpath.net.ipv4.devinet import ip_dev_find
    from rxpath.net.ipv4.route import Flowi4, ip_route_output_key_hash

    dev: NetDevice | None = None
    if ifindex:
        dev = ipv4.net.by_index.get(ifindex)
        return ipv4.in_dev(dev) if dev is not None else None
    if local:
        dev = ip_dev_find(ipv4.net, local)
        if dev is None:
            return None
    if dev is None:
        rt = ip_route_output_key_hash(ipv4, Flowi4(group))
        if rt is not None:
            dev = rt.dev
    return ipv4.in_dev(dev) if dev is not None else None


def ip_mc_join_group(sk: InetSock, group: int, local: int, ifindex: int, include: bool = False) -> None:
    """IP_ADD_MEMBERSHIP.  Raises EINVAL (no group), ENODEV, EADDRINUSE (already), ENOBUFS (igmp_max_memberships)."""
    ipv4 = sk.ipv4
    if group >> 28 != 0xE:
        raise linux_error(EINVAL)
    d = ip_mc_find_dev(ipv4, group, local, ifindex)
    if d is None:
        raise linux_error(ENODEV)
    for m in sk.mc_list:
        if m.group == group and m.ifindex == d.dev.ifindex:
            if include:
                return
            raise linux_error(EADDRINUSE)
    if len(sk.mc_list) >= ipv4.igmp_max_memberships:
        raise linux_error(ENOBUFS)
    m = IpMcSocklist(group, d.dev.ifindex, MCAST_INCLUDE if include else MCAST_EXCLUDE)
    sk.mc_list.insert(0, m)
    ip_mc_inc_group(d, group, m.sfmode)


def ip_mc_leave_group(sk: InetSock, group: int, local: int, ifindex: int) -> None:
    """IP_DROP_MEMBERSHIP.  Raises ENODEV, EADDRNOTAVAIL."""
    ipv4 = sk.ipv4
    d = ip_mc_find_dev(ipv4, group, local, ifindex)
    if not ifindex and not local and d is None:
        raise linux_error(ENODEV)
    for m in sk.mc_list:
        if m.group != group:
            continue
        if ifindex:
            if m.ifindex != ifindex:
                continue
        elif local and (d is None or m.ifindex != d.dev.ifindex):
            continue
        sk.mc_list.remove(m)
        _drop_membership(ipv4, m)
        return
    raise linux_error(EADDRNOTAVAIL)


def _drop_membership(ipv4: Ipv4, m: IpMcSocklist) -> None:
    dev = ipv4.net.by_index.get(m.ifindex)
    d = ipv4.in_dev(dev) if dev is not None else None
    if d is None:
        return
    ip_mc_del_src(d, m.group, m.sfmode, m.sources, False)
    ip_mc_dec_group(d, m.group)


def ip_mc_drop_socket(sk: InetSock) -> None:
    """The socket ends: all memberships go."""
    while sk.mc_list:
        _drop_membership(sk.ipv4, sk.mc_list.pop(0))


def ip_mc_source(sk: InetSock, add: bool, include: bool, group: int, local: int, src: int, ifindex: int = 0) -> None:
    """Add or remove a source of a membership (IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE...).  Raises EINVAL,
    EADDRNOTAVAIL, ENOBUFS.
    """
    ipv4 = sk.ipv4
    if group >> 28 != 0xE:
        raise linux_error(EINVAL)
    d = ip_mc_find_dev(ipv4, group, local, ifindex)
    if d is None:
        raise linux_error(ENODEV)
    mode = MCAST_INCLUDE if include else MCAST_EXCLUDE
    for m in sk.mc_list:
        if m.group == group and m.ifindex == d.dev.ifindex:
            break
    else:
        raise linux_error(EINVAL)
    if m.filtered:
        if m.sfmode != mode:
            raise linux_error(EINVAL)
    elif m.sfmode != mode:
        ip_mc_add_src(d, group, mode, [], False)
        ip_mc_del_src(d, group, m.sfmode, [], False)
        m.sfmode = mode
    if not add:
        if src not in m.sources:
            raise linux_error(EADDRNOTAVAIL)
        if len(m.sources) == 1 and mode == MCAST_INCLUDE:
            sk.mc_list.remove(m)
            _drop_membership(ipv4, m)
            return
        ip_mc_del_src(d, group, mode, [src], True)
        m.sources.remove(src)
        return
    if m.filtered and len(m.sources) >= ipv4.igmp_max_msf:
        raise linux_error(ENOBUFS)
    if src in m.sources:
        raise linux_error(EADDRNOTAVAIL)
    m.sources.append(src)
    m.filtered = True
    ip_mc_add_src(d, group, mode, [src], True)


def ip_mc_msfilter(sk: InetSock, group: int, local: int, ifindex: int, mode: int, sources: list[int]) -> None:
    """Replace mode and sources of a membership; no source to include leaves the group.  Raises EINVAL, ENODEV,
    EADDRNOTAVAIL.
    """
    ipv4 = sk.ipv4
    if group >> 28 != 0xE or mode not in (MCAST_INCLUDE, MCAST_EXCLUDE):
        raise linux_error(EINVAL)
    d = ip_mc_find_dev(ipv4, group, local, ifindex)
    if d is None:
        raise linux_error(ENODEV)
    if mode == MCAST_INCLUDE and not sources:
        ip_mc_leave_group(sk, group, local, ifindex)
        return
    m = next((m for m in sk.mc_list if m.group == group and m.ifindex == d.dev.ifindex), None)
    if m is None:
        raise linux_error(EINVAL)
    ip_mc_add_src(d, group, mode, sources, False)
    ip_mc_del_src(d, group, m.sfmode, m.sources, False)
    m.sources = list(sources)
    m.filtered = bool(sources)
    m.sfmode = mode


# --- groups of devices ----------------------------------------------------------------------------


def ip_mc_inc_group(d: InDevice, group: int, mode: int) -> None:
    """One more user of the group on this device; the first one programs the device and reports."""
    for im in d.mc_list:
        if im.group == group:
            im.users += 1
            ip_mc_add_src(d, group, mode, [], False)
            return
    im = IpMcList(d, group, mode)
    im.count(mode, 1)
    d.mc_list.insert(0, im)
    igmpv3_del_delrec(d, im)
    igmp_group_added(im)
    rt_cache_flush(d.ipv4)


def ip_mc_dec_group(d: InDevice, group: int) -> None:
    """One user less; the last one takes the group along."""
    for im in d.mc_list:
        if im.group == group:
            im.users -= 1
            if im.users == 0:
                d.mc_list.remove(im)
                igmp_group_dropped(im)
                rt_cache_flush(d.ipv4)
            return


def sf_markstate(im: IpMcList) -> None:
    """Remember what the filter names before it changes."""
    for psf in im.sources:
        psf.oldin = im.active(psf)


def sf_setstate(im: IpMcList) -> bool:
    """The filter has changed: sources that came or went are to be reported.  True: there are such."""
    qrv = im.in_dev.mr_qrv
    changed = False
    for psf in im.sources:
        dead = next((t for t in im.tomb if t.addr == psf.addr), None)
        if im.active(psf):
            if not psf.oldin:
                if dead is not None:
                    im.tomb.remove(dead)
                psf.crcount = qrv
                changed = True
        elif psf.oldin:
            psf.crcount = 0
            if dead is None:
                dead = IpSfList(psf.addr)
                dead.incl = psf.incl
                dead.excl = psf.excl
                dead.oldin = psf.oldin
                dead.gsresp = psf.gsresp
                im.tomb.insert(0, dead)
            dead.crcount = qrv
            changed = True
    return changed


def ip_mc_add_src(d: InDevice, group: int, mode: int, sources: list[int], delta: bool) -> None:
    """Add sources to the device's filter; without `delta` it is one more socket in this mode."""
    im = next((i for i in d.mc_list if i.group == group), None)
    if im is None:
        return
    sf_markstate(im)
    was_exclude = im.sfmode == MCAST_EXCLUDE
    if not delta:
        im.count(mode, 1)
    for src in sources:
        psf = next((p for p in im.sources if p.addr == src), None)
        if psf is None:
            psf = IpSfList(src)
            im.sources.append(psf)
        if mode == MCAST_INCLUDE:
            psf.incl += 1
        else:
            psf.excl += 1
        rt_cache_flush(d.ipv4)
    if was_exclude != (im.excl != 0):
        if im.excl:
            im.sfmode = MCAST_EXCLUDE
        elif im.incl:
            im.sfmode = MCAST_INCLUDE
        _mode_changed(d, im)
    elif sf_setstate(im):
        igmp_ifc_event(d)


def ip_mc_del_src(d: InDevice, group: int, mode: int, sources: list[int], delta: bool) -> None:
    """Take sources from the device's filter; without `delta` it is one socket less in this mode."""
    im = next((i for i in d.mc_list if i.group == group), None)
    if im is None:
        return
    sf_markstate(im)
    if not delta:
        im.count(mode, -1)
    changed = False
    for src in sources:
        psf = next((p for p in im.sources if p.addr == src), None)
        if psf is None:
            continue
        if mode == MCAST_INCLUDE:
            psf.incl -= 1
        else:
            psf.excl -= 1
        rt_cache_flush(d.ipv4)
        if not psf.incl and not psf.excl:
            im.sources.remove(psf)
            if psf.oldin and not _v1_seen(d) and not _v2_seen(d):
                psf.crcount = _robustness(d)
                im.tomb.insert(0, psf)
                changed = True
    if im.sfmode == MCAST_EXCLUDE and im.excl == 0 and im.incl:
        im.sfmode = MCAST_INCLUDE
        _mode_changed(d, im)
    elif sf_setstate(im) or changed:
        igmp_ifc_event(d)


def _mode_changed(d: InDevice, im: IpMcList) -> None:
    """The filter's mode is reported, which says of its sources all there is to say."""
    im.crcount = _robustness(d)
    d.mr_ifc_count = im.crcount
    for psf in im.sources:
        psf.crcount = 0
    igmp_ifc_event(d)


def igmpv3_add_delrec(d: InDevice, im: IpMcList) -> None:
    """The device has left the group: what is to be reported of it."""
    dead = IpMcList(d, im.group, im.sfmode)
    dead.crcount = _robustness(d)
    if im.sfmode == MCAST_INCLUDE:
        dead.tomb, im.tomb = im.tomb, []
        dead.sources, im.sources = im.sources, []
        for psf in dead.sources:
            psf.crcount = dead.crcount
    d.mc_tomb.insert(0, dead)


def igmpv3_del_delrec(d: InDevice, im: IpMcList) -> None:
    """The device is in the group again: its leaving is not reported further, its being there is."""
    dead = next((i for i in d.mc_tomb if i.group == im.group), None)
    if dead is None:
        return
    d.mc_tomb.remove(dead)
    if im.sfmode == MCAST_INCLUDE:
        im.tomb = dead.tomb
        im.sources = dead.sources
        for psf in im.sources:
            psf.crcount = _robustness(d)
    else:
        im.crcount = _robustness(d)


def igmpv3_clear_delrec(d: InDevice) -> None:
    d.mc_tomb.clear()
    for im in d.mc_list:
        im.tomb = []


def igmp_group_added(im: IpMcList) -> None:
    d = im.in_dev
    if not im.loaded:
        im.loaded = True
        if d.dev.flags & IFF_MULTICAST:
            dev_mc_add(d.dev, ip_eth_mc_map(im.group))
    if im.group == IGMP_ALL_HOSTS or not _reported(d, im.group) or d.dead:
        return
    im.unsolicit_count = d.ipv4.igmp_qrv
    if _v1_seen(d) or _v2_seen(d):
        igmp_start_timer(im, 1)
        return
    if im.sfmode == MCAST_EXCLUDE:  # a new list of included sources is no change of mode
        im.crcount = _robustness(d)
    igmp_ifc_event(d)


def igmp_group_dropped(im: IpMcList) -> None:
    d = im.in_dev
    if im.loaded:
        im.loaded = False
        dev_mc_del(d.dev, ip_eth_mc_map(im.group))
    if im.group == IGMP_ALL_HOSTS or not _reported(d, im.group):
        return
    reporter = im.reporter
    igmp_stop_timer(im)
    if d.dead or _v1_seen(d):
        return
    if _v2_seen(d):
        if reporter:
            igmp_send_report(d, im.group, IGMP_HOST_LEAVE_MESSAGE)
        return
    igmpv3_add_delrec(d, im)
    igmp_ifc_event(d)


def _robustness(d: InDevice) -> int:
    """How often a change is reported: what the last querier said, else the sysctl."""
    return d.mr_qrv or d.ipv4.igmp_qrv


def _reported(d: InDevice, group: int) -> bool:
    return bool(d.ipv4.igmp_link_local_mcast_reports) or group & 0xFFFFFF00 != 0xE0000000


def _forced(d: InDevice, version: int) -> bool:
    return version in (d.ipv4.conf_all.force_igmp_version, d.conf.force_igmp_version)


def _v1_seen(d: InDevice) -> bool:
    return _forced(d, 1) or (d.mr_v1_seen != 0 and d.ipv4.kernel.jiffies() < d.mr_v1_seen)


def _v2_seen(d: InDevice) -> bool:
    """Whether to talk as version 2; version 3 by force does not make an old querier unseen."""
    return _forced(d, 2) or (d.mr_v2_seen != 0 and d.ipv4.kernel.jiffies() < d.mr_v2_seen)


def ip_mc_init_dev(d: InDevice) -> None:
    d.mr_ifc_timer = TimerList(d.ipv4.kernel, lambda: igmp_ifc_timer_expire(d))
    d.mr_gq_timer = TimerList(d.ipv4.kernel, lambda: igmp_gq_timer_expire(d))


def ip_mc_reset(d: InDevice) -> None:
    d.mr_qi = 125 * d.ipv4.kernel.hz
    d.mr_qri = 10 * d.ipv4.kernel.hz
    d.mr_qrv = d.ipv4.igmp_qrv


def ip_mc_up(d: InDevice) -> None:
    """The device came up: every host listens to 224.0.0.1."""
    ip_mc_reset(d)
    if d.dev.flags & IFF_MULTICAST or d.dev.is_loopback:
        if not any(im.group == IGMP_ALL_HOSTS for im in d.mc_list):
            ip_mc_inc_group(d, IGMP_ALL_HOSTS, MCAST_EXCLUDE)
        for im in d.mc_list:
            igmpv3_del_delrec(d, im)
            igmp_group_added(im)


def ip_mc_down(d: InDevice) -> None:
    for im in list(d.mc_list):
        igmp_group_dropped(im)
    d.mr_ifc_count = 0
    if isinstance(d.mr_ifc_timer, TimerList):
        d.mr_ifc_timer.del_timer()
    d.mr_gq_running = False
    if isinstance(d.mr_gq_timer, TimerList):
        d.mr_gq_timer.del_timer()
    ip_mc_dec_group(d, IGMP_ALL_HOSTS)


def ip_mc_destroy_dev(d: InDevice) -> None:
    ip_mc_down(d)
    igmpv3_clear_delrec(d)
    d.mc_list.clear()


# --- reports --------------------------------------------------------------------------------------


def igmp_ifc_event(d: InDevice) -> None:
    """State changed: report it now and again, as often as the network asks for."""
    if _v1_seen(d) or _v2_seen(d):
        return
    d.mr_ifc_count = _robustness(d)
    igmp_ifc_start_timer(d, 1)


def igmp_ifc_start_timer(d: InDevice, delay: int) -> None:
    if isinstance(d.mr_ifc_timer, TimerList):
        d.mr_ifc_timer.mod_timer(d.ipv4.kernel.jiffies() + d.ipv4.random.randrange(delay) + 2)


def unsolicited_report_interval(d: InDevice) -> int:
    """Jiffies, at least one."""
    c = d.conf
    ms = c.igmpv2_unsolicited_report_interval if _v2_seen(d) else c.igmpv3_unsolicited_report_interval
    return max(d.ipv4.kernel.msecs_to_jiffies(ms), 1)


def igmp_ifc_timer_expire(d: InDevice) -> None:
    igmpv3_send_cr(d)
    if d.mr_ifc_count:
        d.mr_ifc_count -= 1
        igmp_ifc_start_timer(d, unsolicited_report_interval(d))


def igmp_gq_start_timer(d: InDevice) -> None:
    """A general query: one report of all groups, some time within what it allows."""
    t = d.mr_gq_timer
    if not isinstance(t, TimerList):
        return
    exp = d.ipv4.kernel.jiffies() + d.ipv4.random.randrange(max(d.mr_maxdelay, 1)) + 2
    if d.mr_gq_running and exp >= t.expires:
        return
    d.mr_gq_running = True
    t.mod_timer(exp)


def igmp_gq_timer_expire(d: InDevice) -> None:
    d.mr_gq_running = False
    igmpv3_send_report(d, None)


class _Pack:
    """A version 3 report that is being written: its records, and room for more in a packet of the device's MTU."""

    __slots__ = ("d", "recs", "ngrec", "room", "head")

    def __init__(self, d: InDevice) -> None:
        self.d = d
        self.recs = bytearray()
        self.ngrec = 0
        self.room = min(d.dev.mtu, IP_MAX_MTU) - 24 - 8
        self.head = 0  # where the record at hand begins

    def begin(self, im: IpMcList, type_: int) -> None:
        self.head = len(self.recs)
        self.recs += _REC.pack(type_, 0, 0, im.group)
        self.ngrec += 1
        self.room -= _REC.size

    def source(self, addr: int) -> None:
        self.recs += addr.to_bytes(4, "big")
        self.room -= 4

    def end(self, scount: int) -> None:
        self.recs[self.head + 2 : self.head + 4] = scount.to_bytes(2, "big")


def is_in(im: IpMcList, psf: IpSfList, type_: int, gdeleted: bool, sdeleted: bool) -> bool:
    """Whether a record of this type names this source."""
    if type_ == IGMPV3_ALLOW_NEW_SOURCES:
        return not gdeleted and psf.crcount > 0 and (im.sfmode == MCAST_INCLUDE) != sdeleted
    if type_ == IGMPV3_BLOCK_OLD_SOURCES:
        if im.sfmode == MCAST_INCLUDE:
            return gdeleted or (psf.crcount > 0 and sdeleted)
        return psf.crcount > 0 and not gdeleted and not sdeleted
    if gdeleted or sdeleted:
        return False
    if type_ == IGMPV3_CHANGE_TO_INCLUDE:
        return psf.incl != 0
    if type_ == IGMPV3_CHANGE_TO_EXCLUDE:
        return im.excl != 0 and not psf.incl and im.excl == psf.excl
    if im.gsquery and not psf.gsresp:
        return False
    if im.sfmode == MCAST_INCLUDE:
        return True
    if psf.incl:
        return type_ == IGMPV3_MODE_IS_INCLUDE
    return im.excl == psf.excl


def add_grec(pack: _Pack | None, im: IpMcList, type_: int, gdeleted: bool, sdeleted: bool) -> _Pack | None:
    """One record behind those of `pack`; a full packet is sent and another begun.  The packet to go on with."""
    d = im.in_dev
    if im.group == IGMP_ALL_HOSTS or not _reported(d, im.group) or d.dev.mtu < IPV4_MIN_MTU:
        return pack
    isquery = type_ in (IGMPV3_MODE_IS_INCLUDE, IGMPV3_MODE_IS_EXCLUDE)
    truncate = type_ in (IGMPV3_MODE_IS_EXCLUDE, IGMPV3_CHANGE_TO_EXCLUDE)
    change = type_ in (IGMPV3_ALLOW_NEW_SOURCES, IGMPV3_BLOCK_OLD_SOURCES)
    sources = im.tomb if sdeleted else im.sources
    opened = False
    first = True
    scount = stotal = 0
    if sources and truncate and pack is not None and pack.ngrec:
        need = _REC.size + 4 * sum(is_in(im, p, type_, gdeleted, sdeleted) for p in sources)
        if pack.room < need:
            _igmpv3_send(d, pack)
            pack = _Pack(d)
    for psf in list(sources):
        if not is_in(im, psf, type_, gdeleted, sdeleted):
            continue
        by_mode = (gdeleted and im.sfmode == MCAST_EXCLUDE) or (not gdeleted and im.crcount > 0)
        if not (by_mode and change and psf.crcount):  # a change of mode says it already
            if isquery:
                psf.gsresp = False
            if (pack.room if pack is not None else 0) < 4 + first * _REC.size:
                if truncate and not first:
                    break
                if pack is not None:
                    if opened:
                        pack.end(scount)
                    _igmpv3_send(d, pack)
                pack = _Pack(d)
                first = True
                scount = 0
            assert pack is not None
            if first:
                pack.begin(im, type_)
                opened = True
                first = False
            pack.source(psf.addr)
            scount += 1
            stotal += 1
            if not (change and psf.crcount):
                continue
        psf.crcount -= 1
        if (sdeleted or gdeleted) and psf.crcount == 0:
            sources.remove(psf)
    if not stotal:
        if change:
            return pack
        if im.crcount or isquery:
            if pack is not None and pack.room < _REC.size:
                _igmpv3_send(d, pack)
                pack = None
            if pack is None:
                pack = _Pack(d)
            pack.begin(im, type_)
            opened = True
    if opened and pack is not None:
        pack.end(scount)
    if isquery:
        im.gsquery = False
    return pack


def igmpv3_send_cr(d: InDevice) -> None:
    """State-change records: of groups that were left, then of those that are there."""
    pack: _Pack | None = None
    for im in list(d.mc_tomb):
        if im.sfmode == MCAST_INCLUDE:
            pack = add_grec(pack, im, IGMPV3_BLOCK_OLD_SOURCES, True, False)
            pack = add_grec(pack, im, IGMPV3_BLOCK_OLD_SOURCES, True, True)
        if im.crcount:
            if im.sfmode == MCAST_EXCLUDE:
                pack = add_grec(pack, im, IGMPV3_CHANGE_TO_INCLUDE, True, False)
            im.crcount -= 1
            if im.crcount == 0:
                im.tomb = [p for p in im.tomb if p.crcount]
                im.sources = [p for p in im.sources if p.crcount]
        if im.crcount == 0 and not im.tomb and not im.sources:
            d.mc_tomb.remove(im)
    for im in d.mc_list:
        here, gone = IGMPV3_ALLOW_NEW_SOURCES, IGMPV3_BLOCK_OLD_SOURCES
        if im.excl:
            here, gone = gone, here
        pack = add_grec(pack, im, here, False, False)
        pack = add_grec(pack, im, gone, False, True)
        if im.crcount:
            to = IGMPV3_CHANGE_TO_EXCLUDE if im.sfmode == MCAST_EXCLUDE else IGMPV3_CHANGE_TO_INCLUDE
            pack = add_grec(pack, im, to, False, False)
            im.crcount -= 1
    if pack is not None:
        _igmpv3_send(d, pack)


def igmpv3_send_report(d: InDevice, only: IpMcList | None) -> None:
    """Current-state records."""
    pack: _Pack | None = None
    for im in d.mc_list:
        if only is None or im is only:
            pack = add_grec(pack, im, IGMPV3_MODE_IS_EXCLUDE if im.excl else IGMPV3_MODE_IS_INCLUDE, False, False)
    if pack is not None:
        _igmpv3_send(d, pack)


def _igmpv3_send(d: InDevice, pack: _Pack) -> None:
    body = bytes((IGMPV3_HOST_MEMBERSHIP_REPORT, 0, 0, 0, 0, 0)) + pack.ngrec.to_bytes(2, "big") + bytes(pack.recs)
    body = body[:2] + ip_compute_csum(body).to_bytes(2, "big") + body[4:]
    # igmpv3_newpack: room for a packet of the device's MTU and its link header
    _send(d, IGMPV3_ALL_MCR, body, 0xC0, min(d.dev.mtu, IP_MAX_MTU) + LL_RESERVED)


def igmp_send_report(d: InDevice, group: int, type_: int) -> None:
    """A version 1 or 2 message."""
    if not _reported(d, group):
        return
    body = bytes((type_, 0, 0, 0)) + group.to_bytes(4, "big")
    body = body[:2] + ip_compute_csum(body).to_bytes(2, "big") + body[4:]
    _send(d, IGMP_ALL_ROUTER if type_ == IGMP_HOST_LEAVE_MESSAGE else group, body, 0xC0, 24 + 8 + LL_RESERVED)


def igmpv3_get_srcaddr(d: InDevice, saddr: int) -> int:
    """The source of a version 3 report: an address of its device, else 0.  6.18, igmpv3_get_srcaddr."""
    return saddr if any(ifa.local == saddr for ifa in d.ifa_list) else 0


def _send(d: InDevice, dst: int, body: bytes, tos: int, room: int) -> None:
    """An IGMP packet: TTL 1, router alert; its head has `room` bytes, or more when the packet needs it."""
    from rxpath.net.ipv4.devinet import inet_select_addr
    from rxpath.net.ipv4.ip_output import ip_local_out
    from rxpath.net.ipv4.route import Flowi4, ip_route_output_key_hash

    ipv4 = d.ipv4
    fl4 = Flowi4(dst, 0, oif=d.dev.ifindex, proto=2)
    rt = ip_route_output_key_hash(ipv4, fl4)
    if rt is None:
        return
    saddr = fl4.saddr or inet_select_addr(d.dev, 0, RT_SCOPE_LINK, ipv4)
    if dst == IGMPV3_ALL_MCR:
        saddr = igmpv3_get_srcaddr(d, saddr)
    skb = __alloc_skb(ipv4.net, max(room, 24 + len(body) + LL_RESERVED))
    hdr = (
        IPV4_HDR.pack(0x46, tos, 24 + len(body), 0, 0x4000, 1, 2, 0, saddr, dst)  # DF and no socket: no identification
        + b"\x94\x04\0\0"
    )
    skb_put(skb, hdr + body)
    skb.network_header = 0
    skb.transport_header = 24
    skb.dst = rt
    skb.protocol = 0x0800
    ip_local_out(ipv4, ipv4.igmp_sk, skb)


def igmp_stop_timer(im: IpMcList) -> None:
    im.timer.del_timer()
    im.tm_running = False
    im.reporter = False
    im.unsolicit_count = 0


def igmp_start_timer(im: IpMcList, max_delay: int) -> None:
    im.tm_running = True
    im.timer.mod_timer(im.in_dev.ipv4.kernel.jiffies() + im.in_dev.ipv4.random.randrange(max(max_delay, 1)) + 2)


def igmp_mod_timer(im: IpMcList, max_delay: int) -> None:
    im.unsolicit_count = 0
    k = im.in_dev.ipv4.kernel
    if im.timer.pending():
        if im.timer.expires - k.jiffies() < max_delay:
            return
    igmp_start_timer(im, max_delay)


def igmp_timer_expire(im: IpMcList) -> None:
    d = im.in_dev
    im.tm_running = False
    if im.unsolicit_count:
        im.unsolicit_count -= 1
        if im.unsolicit_count:
            igmp_start_timer(im, unsolicited_report_interval(d))
    im.reporter = True
    if _v1_seen(d):
        igmp_send_report(d, im.group, IGMP_HOST_MEMBERSHIP_REPORT)
    elif _v2_seen(d):
        igmp_send_report(d, im.group, IGMPV2_HOST_MEMBERSHIP_REPORT)
    else:
        igmpv3_send_report(d, im)


# --- receive --------------------------------------------------------------------------------------


def igmp_rcv(skb: SkBuff) -> int:
    from rxpath.net.ipv4.route import Rtable

    ipv4 = ipv4_of(skb.net)
    dev = skb.dev
    d = ipv4.in_dev(dev) if dev is not None else None
    data = skb.tobytes()
    if d is None or len(data) < 8:
        kfree_skb_reason(skb, SITE_IGMP_BAD)
        return 0
    if skb.ip_summed != CHECKSUM_UNNECESSARY and csum_partial(data) != 0xFFFF:
        kfree_skb_reason(skb, SITE_IGMP_BAD)
        return 0
    type_ = data[0]
    drop = True  # what is not for a host is dropped
    if type_ == IGMP_HOST_MEMBERSHIP_QUERY:
        drop = igmp_heard_query(d, data)
    elif type_ in (IGMP_HOST_MEMBERSHIP_REPORT, IGMPV2_HOST_MEMBERSHIP_REPORT):
        rt = skb.dst
        if isinstance(rt, Rtable) and not rt.rt_is_input:
            pass  # our own report, looped back
        elif skb.pkt_type in (PACKET_MULTICAST, PACKET_BROADCAST):
            drop = igmp_heard_report(d, int.from_bytes(data[4:8], "big"))
    if drop:
        kfree_skb_reason(skb, SITE_IGMP_BAD)
    else:
        consume_skb(skb, SITE_IGMP)
    return 0


def igmp_heard_report(d: InDevice, group: int) -> bool:
    """Somebody else reported: ours is not needed."""
    if group == IGMP_ALL_HOSTS or not _reported(d, group):
        return False
    for im in d.mc_list:
        if im.group == group:
            igmp_stop_timer(im)
            break
    return False


def igmp_heard_query(d: InDevice, data: bytes) -> bool:
    """A router asks: report timers start.  True = malformed."""
    k = d.ipv4.kernel
    hz = k.hz
    group = int.from_bytes(data[4:8], "big")
    code = data[1]
    n = len(data)
    asked: list[int] = []
    if n == 8:
        if code == 0:
            max_delay = 10 * hz
            d.mr_v1_seen = k.jiffies() + d.mr_qrv * d.mr_qi + d.mr_qri
            group = 0
        else:
            max_delay = code * (hz // 10)
            d.mr_v2_seen = k.jiffies() + d.mr_qrv * d.mr_qi + d.mr_qri
        if isinstance(d.mr_ifc_timer, TimerList):
            d.mr_ifc_timer.del_timer()
        d.mr_ifc_count = 0
        igmpv3_clear_delrec(d)
    elif n < 12:
        return True
    elif _v1_seen(d):
        max_delay = 10 * hz
        group = 0
    elif _v2_seen(d):
        max_delay = max(igmpv3_exp(code) * (hz // 10), 1)
    else:
        nsrcs = int.from_bytes(data[10:12], "big")
        if n < 12 + 4 * nsrcs:
            return True
        max_delay = max(igmpv3_exp(code) * (hz // 10), 1)
        d.mr_maxdelay = max_delay
        qrv = data[8] & 7
        d.mr_qrv = qrv or d.ipv4.igmp_qrv
        d.mr_qi = igmpv3_exp(data[9]) * hz or 125 * hz
        if d.mr_qri >= d.mr_qi:
            d.mr_qri = (d.mr_qi // hz - 1) * hz
        if not group:
            if nsrcs:
                return True
            igmp_gq_start_timer(d)
            return False
        asked = [int.from_bytes(data[i : i + 4], "big") for i in range(12, 12 + 4 * nsrcs, 4)]
    for im in d.mc_list:
        if group and group != im.group:
            continue
        if im.group == IGMP_ALL_HOSTS or not _reported(d, im.group):
            continue
        im.gsquery = bool(asked) and (im.gsquery or not im.tm_running)
        if not im.gsquery or igmp_marksources(im, asked):
            igmp_mod_timer(im, max_delay)
    return False


def igmpv3_exp(code: int) -> int:
    """A number of eight bits, from 128 on with an exponent."""
    return code if code < 128 else (code & 15 | 16) << ((code >> 4 & 7) + 3)


def igmp_marksources(im: IpMcList, asked: list[int]) -> bool:
    """A query for sources: mark those that a report has to name.  False: there is nothing to say."""
    if im.sfmode == MCAST_EXCLUDE:
        im.gsquery = False
        out = sum(1 for p in im.sources if not p.incl and im.excl == p.excl and p.addr in asked)
        return out < len(asked)
    hits = [p for p in im.sources if p.addr in asked][: len(asked)]
    for psf in hits:
        psf.gsresp = True
    im.gsquery = bool(hits)
    return im.gsquery


class IgmpProtocol(NetProtocol):
    __slots__ = ()

    def handler(self, skb: SkBuff) -> int:
        return igmp_rcv(skb)
