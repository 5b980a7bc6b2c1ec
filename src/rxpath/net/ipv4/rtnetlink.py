"""rtnetlink of IPv4: addresses, routes and neighbours, told and changed, and all handlers together.

Facts: include/uapi/linux/{if_addr,rtnetlink,neighbour}.h, net/ipv4/{devinet,fib_semantics}.c, net/core/neighbour.c of
6.1.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.kernel.errno import (
    EADDRNOTAVAIL,
    EAFNOSUPPORT,
    EEXIST,
    EINVAL,
    ENODEV,
    ENOENT,
    ENOTSUP,
    EOPNOTSUPP,
    linux_error,
)
from rxpath.net.core import rtnetlink as rt
from rxpath.net.core.neighbour import NUD_NOARP, NUD_NONE, NUD_VALID, Neighbour, neigh_add, neigh_remove
from rxpath.net.core.netdevice import IFF_UP, Net, NetDevice
from rxpath.net.core.sock import AF_INET
from rxpath.net.ipv4 import fib
from rxpath.net.ipv4.devinet import InDevice, InIfaddr, inet_del_ifa, inet_ifa_match, inet_insert_ifa
from rxpath.net.ipv4.netns import ipv4_of

IFADDRMSG: Final = struct.Struct("<BBBBI")
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
IFA_LABEL: Final = 3
IFA_BROADCAST: Final = 4
IFA_CACHEINFO: Final = 6
IFA_FLAGS: Final = 8
IFA_F_PERMANENT: Final = 0x80
RTMSG: Final = struct.Struct("<BBBBBBBBI")
RTA_DST: Final = 1
RTA_OIF: Final = 4
RTA_GATEWAY: Final = 5
RTA_PRIORITY: Final = 6
RTA_PREFSRC: Final = 7
RTA_METRICS: Final = 8
RTA_MULTIPATH: Final = 9
RTAX_MTU: Final = 2
RTA_TABLE: Final = 15
RTNH_F_ONLINK: Final = 4
RTNH_F_LINKDOWN: Final = 16
NDMSG: Final = struct.Struct("<BxxxiHBB")
NDA_DST: Final = 1
NDA_LLADDR: Final = 2
NDA_CACHEINFO: Final = 3
NDA_PROBES: Final = 4


def _ip(address: int) -> bytes:
    return address.to_bytes(4, "big")


def inet_fill_ifaddr(ifa: InIfaddr) -> bytes:
    """struct ifaddrmsg with its attributes; every address is permanent."""
    flags = ifa.flags | IFA_F_PERMANENT
    a = rt.nla(IFA_ADDRESS, _ip(ifa.address)) + rt.nla(IFA_LOCAL, _ip(ifa.local))
    if ifa.broadcast:
        a += rt.nla(IFA_BROADCAST, _ip(ifa.broadcast))
    a += rt.nla_text(IFA_LABEL, ifa.label) + rt.nla_u32(IFA_FLAGS, flags)
    a += rt.nla(IFA_CACHEINFO, struct.pack("<IIII", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0))
    return IFADDRMSG.pack(AF_INET, ifa.prefixlen, flags & 0xFF, ifa.scope, ifa.in_dev.dev.ifindex) + a


def inet_dump_ifaddr(net: Net, body: bytes, flags: int) -> list[bytes]:
    """Every IPv4 address; only as a dump (EOPNOTSUPP else).  Another family has none."""
    if not rt.is_dump(flags):
        raise linux_error(EOPNOTSUPP, "RTM_GETADDR of one address")
    if body[:1] not in (b"", b"\0", b"\2"):
        return []
    out: list[bytes] = []
    for dev in net.devices:
        in_dev: InDevice | None = dev.ip_ptr
        out += [inet_fill_ifaddr(ifa) for ifa in in_dev.ifa_list] if in_dev is not None else []
    return out


def fib_dump_info(a: fib.FibAlias) -> bytes:
    """struct rtmsg with its attributes."""
    fi = a.fi
    nh = fi.nhs[0]
    dead = nh.dev is not None and nh.dev.flags & IFF_UP and not nh.dev.carrier_ok
    flags = RTNH_F_LINKDOWN if dead else 0
    out = rt.nla_u32(RTA_TABLE, a.table)
    if a.plen:
        out += rt.nla(RTA_DST, _ip(a.prefix))
    if fi.priority:
        out += rt.nla_u32(RTA_PRIORITY, fi.priority)
    if fi.prefsrc:
        out += rt.nla(RTA_PREFSRC, _ip(fi.prefsrc))
    if nh.gw:
        out += rt.nla(RTA_GATEWAY, _ip(nh.gw))
    if nh.dev is not None:
        out += rt.nla_u32(RTA_OIF, nh.dev.ifindex)
    table = a.table if a.table < 256 else 252
    return RTMSG.pack(AF_INET, a.plen, 0, a.tos, table, fi.protocol, fi.scope, a.type, flags) + out


def inet_dump_fib(net: Net, body: bytes, flags: int) -> list[bytes]:
    """Every route of every table; only as a dump (EOPNOTSUPP else)."""
    if not rt.is_dump(flags):
        raise linux_error(EOPNOTSUPP, "RTM_GETROUTE of one route")
    if body[:1] not in (b"", b"\0", b"\2"):
        return []
    tables = ipv4_of(net).fib_tables
    return [fib_dump_info(a) for t in sorted(tables, reverse=True) for a in tables[t].aliases()]


def neigh_fill_info(n: Neighbour, hz: int, now: int) -> bytes:
    """struct ndmsg with its attributes; ages in hundredths of a second."""
    a = rt.nla(NDA_DST, _ip(n.key))
    if n.nud_state & NUD_VALID:
        a += rt.nla(NDA_LLADDR, n.ha)
    ages = (max(0, now - t) * 100 // hz for t in (n.confirmed, n.used, n.updated))
    a += rt.nla(NDA_CACHEINFO, struct.pack("<4I", *ages, 0)) + rt.nla_u32(NDA_PROBES, n.probes)
    return NDMSG.pack(AF_INET, n.dev.ifindex, n.nud_state, n.flags & 0xFF, n.type & 0xFF) + a


def neigh_dump_table(net: Net, body: bytes, flags: int) -> list[bytes]:
    """The ARP table, without entries that nobody has asked for yet; only as a dump (EOPNOTSUPP else)."""
    if not rt.is_dump(flags):
        raise linux_error(EOPNOTSUPP, "RTM_GETNEIGH of one neighbour")
    if body[:1] not in (b"", b"\0", b"\2"):
        return []
    k = net.kernel
    entries = ipv4_of(net).arp_tbl.entries.values()
    return [neigh_fill_info(n, k.hz, k.jiffies()) for n in entries if n.nud_state not in (NUD_NONE, NUD_NOARP)]


def _index(net: Net, index: int) -> NetDevice:
    for d in net.devices:
        if d.ifindex == index:
            return d
    raise linux_error(ENODEV, str(index))


def _address(attrs: dict[int, bytes], kind: int) -> int:
    data = attrs.get(kind, bytes(4))
    if len(data) != 4:
        raise linux_error(EINVAL, "netlink attribute")
    return int.from_bytes(data, "big")


def _label(attrs: dict[int, bytes]) -> str:
    return attrs.get(IFA_LABEL, b"").split(b"\0", 1)[0].decode("utf-8", "replace")


def _head(body: bytes, head: struct.Struct) -> tuple[int, ...]:
    if len(body) < head.size:
        raise linux_error(EINVAL, "too short a message")
    v = head.unpack_from(body)
    if v[0] != AF_INET:
        raise linux_error(EAFNOSUPPORT, "only IPv4")
    return v


def inet_rtm_newaddr(net: Net, body: bytes, flags: int) -> list[bytes]:
    """`ip addr add`, `replace`.  EINVAL without IFA_LOCAL, ENODEV, EEXIST; ENOTSUP for a lifetime."""
    _, length, _, scope, index = _head(body, IFADDRMSG)
    attrs = rt.parse_attrs(body[IFADDRMSG.size :])
    dev = _index(net, index)
    in_dev: InDevice | None = dev.ip_ptr
    if IFA_LOCAL not in attrs or length > 32 or in_dev is None:
        raise linux_error(EINVAL, "ipv4: address")
    lifetime = attrs.get(IFA_CACHEINFO, b"\xff" * 8)
    if len(lifetime) < 8 or struct.unpack_from("<II", lifetime) != (0xFFFFFFFF, 0xFFFFFFFF):
        raise OSError(ENOTSUP, "addresses with a lifetime")
    local = _address(attrs, IFA_LOCAL)
    peer = _address(attrs, IFA_ADDRESS) if IFA_ADDRESS in attrs else local
    for old in in_dev.ifa_list:
        if old.local == local and old.prefixlen == length:
            if flags & rt.NLM_F_EXCL or not flags & rt.NLM_F_REPLACE:
                raise linux_error(EEXIST, "ipv4: Address already assigned")
            return []
    inet_insert_ifa(
        dev,
        local,
        length,
        peer=0 if peer == local else peer,
        broadcast=_address(attrs, IFA_BROADCAST),
        scope=scope,
        label=_label(attrs),
    )
    return []


def inet_rtm_deladdr(net: Net, body: bytes, flags: int) -> list[bytes]:
    """`ip addr del`: the first address that fits what is said.  ENODEV, EADDRNOTAVAIL."""
    _, length, _, _, index = _head(body, IFADDRMSG)
    attrs = rt.parse_attrs(body[IFADDRMSG.size :])
    in_dev: InDevice | None = _index(net, index).ip_ptr
    for ifa in list(in_dev.ifa_list) if in_dev is not None else []:
        if IFA_LOCAL in attrs and ifa.local != _address(attrs, IFA_LOCAL):
            continue
        if IFA_LABEL in attrs and ifa.label != _label(attrs):
            continue
        if IFA_ADDRESS in attrs and (ifa.prefixlen != length or not inet_ifa_match(_address(attrs, IFA_ADDRESS), ifa)):
            continue
        assert in_dev is not None
        inet_del_ifa(in_dev, ifa)
        return []
    raise linux_error(EADDRNOTAVAIL, "ipv4: Address not found")


def inet_rtm_newroute(net: Net, body: bytes, flags: int) -> list[bytes]:
    """`ip route add`, `replace`.  As fib_add_route; ENOTSUP by name for what routes are not here."""
    _, plen, _, tos, table, protocol, scope, kind, rtm_flags = _head(body, RTMSG)
    attrs = rt.parse_attrs(body[RTMSG.size :])
    if RTA_MULTIPATH in attrs:
        raise OSError(ENOTSUP, "multipath routes")
    mtu = 0
    for metric, value in rt.parse_attrs(attrs.get(RTA_METRICS, b"")).items():
        if metric != RTAX_MTU or len(value) != 4:
            raise OSError(ENOTSUP, "route metrics but mtu")
        mtu = struct.unpack("<I", value)[0]
    index = rt.attr_u32(attrs, RTA_OIF)
    fib.fib_add_route(
        ipv4_of(net),
        _address(attrs, RTA_DST),
        plen,
        dev=_index(net, index) if index else None,
        gw=_address(attrs, RTA_GATEWAY),
        type_=kind,
        table=rt.attr_u32(attrs, RTA_TABLE, table),
        priority=rt.attr_u32(attrs, RTA_PRIORITY),
        prefsrc=_address(attrs, RTA_PREFSRC),
        scope=scope,
        protocol=protocol,
        tos=tos,
        mtu=mtu,
        replace=bool(flags & rt.NLM_F_REPLACE),
        onlink=bool(rtm_flags & RTNH_F_ONLINK),
    )
    return []


def inet_rtm_delroute(net: Net, body: bytes, flags: int) -> list[bytes]:
    """`ip route del`: the first route that fits what is said.  ESRCH."""
    _, plen, _, _, table, _, _, kind, _ = _head(body, RTMSG)
    attrs = rt.parse_attrs(body[RTMSG.size :])
    index = rt.attr_u32(attrs, RTA_OIF)
    fib.fib_del_route(
        ipv4_of(net),
        _address(attrs, RTA_DST),
        plen,
        table=rt.attr_u32(attrs, RTA_TABLE, table),
        type_=kind,
        dev=_index(net, index) if index else None,
        gw=_address(attrs, RTA_GATEWAY),
        priority=rt.attr_u32(attrs, RTA_PRIORITY),
        prefsrc=_address(attrs, RTA_PREFSRC),
    )
    return []


def neigh_add_request(net: Net, body: bytes, flags: int) -> list[bytes]:
    """`ip neigh add`, `replace` (neigh_add of Linux).  EINVAL, ENODEV, EEXIST, ENOENT, ENOBUFS."""
    _, index, state, _, _ = _head(body, NDMSG)
    attrs = rt.parse_attrs(body[NDMSG.size :])
    dev = _index(net, index)
    if NDA_DST not in attrs or len(attrs.get(NDA_LLADDR, bytes(6))) < 6:
        raise linux_error(EINVAL, "neighbour")
    tbl = ipv4_of(net).arp_tbl
    key = _address(attrs, NDA_DST)
    old = tbl.entries.get((key, dev.ifindex))
    if old is not None and flags & rt.NLM_F_EXCL:
        raise linux_error(EEXIST, "neighbour")
    if old is None and not flags & rt.NLM_F_CREATE:
        raise linux_error(ENOENT, "neighbour")
    lladdr = attrs.get(NDA_LLADDR)
    neigh_add(tbl, key, dev, None if lladdr is None else lladdr[:6], state)
    return []


def neigh_delete_request(net: Net, body: bytes, flags: int) -> list[bytes]:
    """`ip neigh del` (neigh_delete of Linux).  EINVAL, ENODEV, ENOENT."""
    _, index, _, _, _ = _head(body, NDMSG)
    attrs = rt.parse_attrs(body[NDMSG.size :])
    if NDA_DST not in attrs:
        raise linux_error(EINVAL, "Network address not specified")
    tbl = ipv4_of(net).arp_tbl
    n = tbl.entries.get((_address(attrs, NDA_DST), _index(net, index).ifindex))
    if n is None:
        raise linux_error(ENOENT, "neighbour")
    neigh_remove(tbl, n)
    return []


HANDLERS: Final[rt.Handlers] = {
    **rt.LINK_HANDLERS,
    rt.RTM_GETADDR: (rt.RTM_NEWADDR, inet_dump_ifaddr),
    rt.RTM_GETROUTE: (rt.RTM_NEWROUTE, inet_dump_fib),
    rt.RTM_GETNEIGH: (rt.RTM_NEWNEIGH, neigh_dump_table),
    rt.RTM_NEWADDR: (0, inet_rtm_newaddr),
    rt.RTM_DELADDR: (0, inet_rtm_deladdr),
    rt.RTM_NEWROUTE: (0, inet_rtm_newroute),
    rt.RTM_DELROUTE: (0, inet_rtm_delroute),
    rt.RTM_NEWNEIGH: (0, neigh_add_request),
    rt.RTM_DELNEIGH: (0, neigh_delete_request),
}
