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


class IpMcList:
    """One group of a device: how many sockets hold it in which mode, which sources they name, its report timer."""

    __slots__ = (
        "in_dev",
        "group",
        "users",
        "excl",
        "incl",
        "sources_excl",
        "sources_incl",
        "timer",
        "tm_running",
        "reporter",
        "unsolicit_count",
        "gsquery",
        "queried",
        "loaded",
        "crcount",
        "last_mode",
    )

    def __init__(self, d: InDevice, group: int) -> None:
        self.in_dev = d
        self.group = group
        self.users = 1
        self.excl = 0  # sockets in EXCLUDE mode
        self.incl = 0
        self.sources_excl: dict[int, int] = {}
        self.sources_incl: dict[int, int] = {}
        self.tm_running = False
        self.reporter = False
        self.unsolicit_count = 0
        self.gsquery = False
        self.queried: list[int] = []
        self.loaded = False
        self.crcount = 0
        self.last_mode = MCAST_INCLUDE
        self.timer = TimerList(d.ipv4.kernel, lambda: igmp_timer_expire(self))


# --- hot path -------------------------------------------------------------------------------------


def ip_check_mc_rcu(d: InDevice, group: int, src: int, proto: int) -> bool:
    """Whether the device is in the group (and wants this source)."""
    for im in d.mc_list:
        if im.group == group:
            if proto == 2:
                return True
            if src:
                incl = im.sources_incl.get(src, 0)
                excl = im.sources_excl.get(src, 0)
                if incl or excl:
                    return incl > 0 or excl != im.excl
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
    for im in d.mc_list:
        if im.group == m.group:
            src = im.sources_incl if m.sfmode == MCAST_INCLUDE else im.sources_excl
            for s in m.sources:
                _source_ref(src, s, -1)
    ip_mc_dec_group(d, m.group, m.sfmode)


def _source_ref(table: dict[int, int], s: int, by: int) -> None:
    n = table.get(s, 0) + by
    if n > 0:
        table[s] = n
    else:
        table.pop(s, None)


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
    im = next((i for i in d.mc_list if i.group == group), None)
    if m.filtered:
        if m.sfmode != mode:
            raise linux_error(EINVAL)
    elif m.sfmode != mode:
        if im is not None:
            if m.sfmode == MCAST_EXCLUDE:
                im.excl -= 1
                im.incl += 1
            else:
                im.incl -= 1
                im.excl += 1
        m.sfmode = mode
    table = None if im is None else im.sources_incl if mode == MCAST_INCLUDE else im.sources_excl
    if not add:
        if src not in m.sources:
            raise linux_error(EADDRNOTAVAIL)
        if len(m.sources) == 1 and mode == MCAST_INCLUDE:
            sk.mc_list.remove(m)
            _drop_membership(ipv4, m)
            return
        m.sources.remove(src)
        if table is not None:
            _source_ref(table, src, -1)
        return
    if m.filtered and len(m.sources) >= ipv4.igmp_max_msf:
        raise linux_error(ENOBUFS)
    if src in m.sources:
        raise linux_error(EADDRNOTAVAIL)
    m.sources.append(src)
    m.filtered = True
    if table is not None:
        _source_ref(table, src, 1)
    if im is not None:
        igmp_ifc_event(d, im)


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
    im = next((i for i in d.mc_list if i.group == group), None)
    if im is not None:
        for table, users, by, which in (
            (im.sources_incl, sources, 1, mode == MCAST_INCLUDE),
            (im.sources_excl, sources, 1, mode == MCAST_EXCLUDE),
            (im.sources_incl, m.sources, -1, m.sfmode == MCAST_INCLUDE),
            (im.sources_excl, m.sources, -1, m.sfmode == MCAST_EXCLUDE),
        ):
            if which:
                for src in users:
                    _source_ref(table, src, by)
        for by, kind in ((1, mode), (-1, m.sfmode)):
            if kind == MCAST_INCLUDE:
                im.incl += by
            else:
                im.excl += by
        igmp_ifc_event(d, im)
    m.sources = list(sources)
    m.filtered = bool(sources)
    m.sfmode = mode


# --- groups of devices ----------------------------------------------------------------------------


def ip_mc_inc_group(d: InDevice, group: int, mode: int) -> None:
    """One more user of the group on this device; the first one programs the device and reports."""
    for im in d.mc_list:
        if im.group == group:
            im.users += 1
            if mode == MCAST_EXCLUDE:
                im.excl += 1
            else:
                im.incl += 1
            return
    im = IpMcList(d, group)
    if mode == MCAST_EXCLUDE:
        im.excl = 1
    else:
        im.incl = 1
    d.mc_list.insert(0, im)
    igmp_group_added(im)

    rt_cache_flush(d.ipv4)


def ip_mc_dec_group(d: InDevice, group: int, mode: int) -> None:
    for im in d.mc_list:
        if im.group == group:
            im.users -= 1
            if mode == MCAST_EXCLUDE:
                im.excl -= 1
            else:
                im.incl -= 1
            if im.users == 0:
                d.mc_list.remove(im)
                igmp_group_dropped(im)

                rt_cache_flush(d.ipv4)
            return


def igmp_group_added(im: IpMcList) -> None:
    d = im.in_dev
    if not im.loaded:
        im.loaded = True
        if d.dev.flags & IFF_MULTICAST:
            dev_mc_add(d.dev, ip_eth_mc_map(im.group))
    if im.group == IGMP_ALL_HOSTS or not _reported(d, im.group) or d.dead or not d.dev.running():
        return
    im.unsolicit_count = d.ipv4.igmp_qrv
    if _v1_seen(d) or _v2_seen(d):
        igmp_start_timer(im, 2)
        return
    im.crcount = d.ipv4.igmp_qrv
    igmp_ifc_event(d, im)


def igmp_group_dropped(im: IpMcList) -> None:
    d = im.in_dev
    if im.loaded:
        im.loaded = False
        dev_mc_del(d.dev, ip_eth_mc_map(im.group))
    im.timer.del_timer()
    if im.group == IGMP_ALL_HOSTS or not _reported(d, im.group) or d.dead or not d.dev.running():
        return
    if _v1_seen(d):
        return
    if _v2_seen(d):
        if im.reporter:
            igmp_send_report(d, im.group, IGMP_HOST_LEAVE_MESSAGE)
        return
    im.crcount = d.ipv4.igmp_qrv
    d.mc_tomb.append(im)
    igmp_ifc_event(d, im)


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


def ip_mc_up(d: InDevice) -> None:
    """The device came up: every host listens to 224.0.0.1."""
    if d.dev.flags & IFF_MULTICAST or d.dev.is_loopback:
        if not any(im.group == IGMP_ALL_HOSTS for im in d.mc_list):
            ip_mc_inc_group(d, IGMP_ALL_HOSTS, MCAST_EXCLUDE)
        for im in d.mc_list:
            if im.group != IGMP_ALL_HOSTS:
                igmp_group_added(im)


def ip_mc_down(d: InDevice) -> None:
    for im in list(d.mc_list):
        im.timer.del_timer()
    if isinstance(d.mr_ifc_timer, TimerList):
        d.mr_ifc_timer.del_timer()
    if isinstance(d.mr_gq_timer, TimerList):
        d.mr_gq_timer.del_timer()
    for im in d.mc_list:
        if im.group == IGMP_ALL_HOSTS:
            ip_mc_dec_group(d, IGMP_ALL_HOSTS, MCAST_EXCLUDE)
            break


def ip_mc_destroy_dev(d: InDevice) -> None:
    ip_mc_down(d)
    for im in list(d.mc_list):
        d.mc_list.remove(im)
        if im.loaded:
            dev_mc_del(d.dev, ip_eth_mc_map(im.group))
    d.mc_tomb.clear()


# --- reports --------------------------------------------------------------------------------------


def igmp_ifc_event(d: InDevice, im: IpMcList) -> None:
    """State changed: report it now and again, igmp_qrv times."""
    if _v1_seen(d) or _v2_seen(d) or not d.dev.running():
        return
    d.mr_ifc_count = d.ipv4.igmp_qrv
    if isinstance(d.mr_ifc_timer, TimerList):
        d.mr_ifc_timer.mod_timer(d.ipv4.kernel.jiffies() + 1)


def igmp_ifc_timer_expire(d: InDevice) -> None:
    igmpv3_send_cr(d)
    if d.mr_ifc_count:
        d.mr_ifc_count -= 1
        if d.mr_ifc_count:
            iv = d.ipv4.kernel.msecs_to_jiffies(max(d.conf.igmpv3_unsolicited_report_interval, 1))
            if isinstance(d.mr_ifc_timer, TimerList):
                d.mr_ifc_timer.mod_timer(d.ipv4.kernel.jiffies() + d.ipv4.random.randrange(max(iv, 1)) + 2)


def igmp_gq_timer_expire(d: InDevice) -> None:
    d.mr_gq_running = False
    igmpv3_send_report(d, None)


def _record(im: IpMcList, type_: int) -> bytes:
    srcs: list[int] = []
    if im.excl == 0:
        srcs = sorted(im.sources_incl)
    else:
        srcs = sorted(s for s, n in im.sources_excl.items() if n >= im.excl and s not in im.sources_incl)
    return _REC.pack(type_, 0, len(srcs), im.group) + b"".join(s.to_bytes(4, "big") for s in srcs)


def igmpv3_send_cr(d: InDevice) -> None:
    """State-change records."""
    recs: list[bytes] = []
    for im in list(d.mc_tomb):
        recs.append(_REC.pack(IGMPV3_CHANGE_TO_INCLUDE, 0, 0, im.group))
        im.crcount -= 1
        if im.crcount <= 0:
            d.mc_tomb.remove(im)
    for im in d.mc_list:
        if im.crcount and im.group != IGMP_ALL_HOSTS and _reported(d, im.group):
            recs.append(_record(im, IGMPV3_CHANGE_TO_EXCLUDE if im.excl else IGMPV3_ALLOW_NEW_SOURCES))
            im.crcount -= 1
    if recs:
        _igmpv3_send(d, recs)


def igmpv3_send_report(d: InDevice, only: IpMcList | None) -> None:
    """Current-state records."""
    recs = [
        _record(im, IGMPV3_MODE_IS_EXCLUDE if im.excl else IGMPV3_MODE_IS_INCLUDE)
        for im in d.mc_list
        if (only is None or im is only) and im.group != IGMP_ALL_HOSTS and _reported(d, im.group)
    ]
    if recs:
        _igmpv3_send(d, recs)


def _igmpv3_send(d: InDevice, recs: list[bytes]) -> None:
    body = bytes((IGMPV3_HOST_MEMBERSHIP_REPORT, 0, 0, 0, 0, 0)) + len(recs).to_bytes(2, "big") + b"".join(recs)
    body = body[:2] + ip_compute_csum(body).to_bytes(2, "big") + body[4:]
    # igmpv3_newpack: room for a packet of the device's MTU and its link header
    _send(d, IGMPV3_ALL_MCR, body, 0xC0, min(d.dev.mtu, IP_MAX_MTU) + LL_RESERVED)


def igmp_send_report(d: InDevice, group: int, type_: int) -> None:
    """A version 1 or 2 message."""
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
            igmp_start_timer(im, d.ipv4.kernel.msecs_to_jiffies(d.conf.igmpv2_unsolicited_report_interval))
    im.reporter = True
    if _v1_seen(d):
        igmp_send_report(d, im.group, IGMP_HOST_MEMBERSHIP_REPORT)
    elif _v2_seen(d):
        igmp_send_report(d, im.group, IGMPV2_HOST_MEMBERSHIP_REPORT)
    else:
        igmpv3_send_report(d, im)


# --- receive --------------------------------------------------------------------------------------


def igmp_rcv(skb: SkBuff) -> int:
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
        if skb.pkt_type in (PACKET_MULTICAST, PACKET_BROADCAST):
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
            im.timer.del_timer()
            im.reporter = False
            im.unsolicit_count = 0
    return False


def igmp_heard_query(d: InDevice, data: bytes) -> bool:
    """A router asks: report timers start.  True = malformed."""
    k = d.ipv4.kernel
    hz = k.hz
    group = int.from_bytes(data[4:8], "big")
    code = data[1]
    n = len(data)
    if n == 8:
        if code == 0:
            max_delay = 10 * hz
            d.mr_v1_seen = k.jiffies() + d.mr_qrv * d.mr_qi + d.mr_qri
            group = 0
        else:
            max_delay = code * hz // 10
            d.mr_v2_seen = k.jiffies() + d.mr_qrv * d.mr_qi + d.mr_qri
        if isinstance(d.mr_ifc_timer, TimerList):
            d.mr_ifc_timer.del_timer()
        d.mr_ifc_count = 0
        d.mc_tomb.clear()
    elif n < 12:
        return True
    elif _v1_seen(d):
        max_delay = 10 * hz
        group = 0
    elif _v2_seen(d):
        max_delay = max(code * hz // 10, 1)
    else:
        nsrcs = int.from_bytes(data[10:12], "big")
        if n < 12 + 4 * nsrcs:
            return True
        mrc = code if code < 128 else (code & 15 | 16) << ((code >> 4 & 7) + 3)
        max_delay = max(mrc * hz // 10, 1)
        d.mr_maxdelay = max_delay
        qrv = data[8] & 7
        d.mr_qrv = qrv or d.ipv4.igmp_qrv
        qqic = data[9]
        d.mr_qi = (qqic if qqic < 128 else (qqic & 15 | 16) << ((qqic >> 4 & 7) + 3)) * hz or 125 * hz
        if not group:
            if nsrcs:
                return True
            if not d.mr_gq_running:
                d.mr_gq_running = True
                if isinstance(d.mr_gq_timer, TimerList):
                    d.mr_gq_timer.mod_timer(k.jiffies() + d.ipv4.random.randrange(max_delay) + 2)
            return False
    for im in d.mc_list:
        if group and group != im.group:
            continue
        if im.group == IGMP_ALL_HOSTS or not _reported(d, im.group):
            continue
        igmp_mod_timer(im, max_delay)
    return False


class IgmpProtocol(NetProtocol):
    __slots__ = ()

    def handler(self, skb: SkBuff) -> int:
        return igmp_rcv(skb)
