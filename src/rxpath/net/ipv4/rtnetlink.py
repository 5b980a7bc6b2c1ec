"""What rtnetlink tells of IPv4: RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, and all handlers together.

Facts: include/uapi/linux/{if_addr,rtnetlink,neighbour}.h, net/ipv4/{devinet,fib_semantics}.c, net/core/neighbour.c of
6.1.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.kernel.errno import EOPNOTSUPP, linux_error
from rxpath.net.core import rtnetlink as rt
from rxpath.net.core.neighbour import NUD_NOARP, NUD_NONE, NUD_VALID, Neighbour
from rxpath.net.core.netdevice import IFF_UP, Net
from rxpath.net.ipv4 import fib
from rxpath.net.ipv4.devinet import InDevice, InIfaddr
from rxpath.net.ipv4.netns import ipv4_of

AF_INET: Final = 2
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
RTA_TABLE: Final = 15
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


def inet_dump_ifaddr(net: Net, body: bytes, dump: bool) -> list[bytes]:
    """Every IPv4 address; only as a dump (EOPNOTSUPP else).  Another family has none."""
    if not dump:
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


def inet_dump_fib(net: Net, body: bytes, dump: bool) -> list[bytes]:
    """Every route of every table; only as a dump (EOPNOTSUPP else)."""
    if not dump:
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


def neigh_dump_table(net: Net, body: bytes, dump: bool) -> list[bytes]:
    """The ARP table, without entries that nobody has asked for yet; only as a dump (EOPNOTSUPP else)."""
    if not dump:
        raise linux_error(EOPNOTSUPP, "RTM_GETNEIGH of one neighbour")
    if body[:1] not in (b"", b"\0", b"\2"):
        return []
    k = net.kernel
    entries = ipv4_of(net).arp_tbl.entries.values()
    return [neigh_fill_info(n, k.hz, k.jiffies()) for n in entries if n.nud_state not in (NUD_NONE, NUD_NOARP)]


HANDLERS: Final[rt.Handlers] = {
    **rt.LINK_HANDLERS,
    rt.RTM_GETADDR: (rt.RTM_NEWADDR, inet_dump_ifaddr),
    rt.RTM_GETROUTE: (rt.RTM_NEWROUTE, inet_dump_fib),
    rt.RTM_GETNEIGH: (rt.RTM_NEWNEIGH, neigh_dump_table),
}
