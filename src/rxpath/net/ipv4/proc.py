"""The /proc/net files of IPv4: snmp, netstat, udp, raw, icmp, arp, route, igmp, sockstat, rt_cache.

Only what is read where; the texts are rxpath.formats'.  Facts: net/ipv4/proc.c, sheets 5 to 12 of the files.
"""

from __future__ import annotations

from rxpath.formats import arp as f_arp
from rxpath.formats import igmp as f_igmp
from rxpath.formats import netstat as f_netstat
from rxpath.formats import raw as f_raw
from rxpath.formats import route as f_route
from rxpath.formats import snmp as f_snmp
from rxpath.formats import sockstat as f_sockstat
from rxpath.formats import udp as f_udp
from rxpath.formats.inet_sock import SockHead
from rxpath.formats.layouts import LAYOUTS
from rxpath.net.core.neighbour import NUD_NOARP, NUD_PERMANENT, NUD_VALID
from rxpath.net.core.sock import TCP_CLOSE, TCP_ESTABLISHED
from rxpath.net.ipv4 import mib
from rxpath.net.ipv4.fib import RT_TABLE_MAIN, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_PROHIBIT, RTN_UNREACHABLE
from rxpath.net.ipv4.fib_trie import fib_trie_text
from rxpath.net.ipv4.inet_sock import InetSock
from rxpath.net.ipv4.netns import Ipv4
from rxpath.wire.addr import inet_make_mask, ip4_str, mac_str

_ICMP_TYPES = (
    (3, "DestUnreachs"),
    (11, "TimeExcds"),
    (12, "ParmProbs"),
    (4, "SrcQuenchs"),
    (5, "Redirects"),
    (8, "Echos"),
    (0, "EchoReps"),
    (13, "Timestamps"),
    (14, "TimestampReps"),
    (17, "AddrMasks"),
    (18, "AddrMaskReps"),
)
UDP_HTABLE_SIZE = 2048


def snmp_counters(ipv4: Ipv4) -> dict[str, dict[str, int]]:
    """Group -> name -> value, all releases' names."""
    icmp = dict(zip(mib.ICMP_NAMES, ipv4.icmp, strict=True))
    for t, name in _ICMP_TYPES:
        icmp["In" + name] = ipv4.icmpmsg[t]
        icmp["Out" + name] = ipv4.icmpmsg[256 + t]
    ip = dict(zip(mib.IP_NAMES, ipv4.ip, strict=True))
    ip["Forwarding"] = 1 if ipv4.conf_all.forwarding else 2
    ip["DefaultTTL"] = ipv4.ip_default_ttl
    return {
        "Ip": ip,
        "Icmp": icmp,
        "Tcp": dict(zip(mib.TCP_NAMES, ipv4.tcp, strict=True)),
        "Udp": dict(zip(mib.UDP_NAMES, ipv4.udp, strict=True)),
        "UdpLite": dict(zip(mib.UDP_NAMES, ipv4.udplite, strict=True)),
    }


def snmp_text(ipv4: Ipv4) -> str:
    counts = {i: n for i, n in enumerate(ipv4.icmpmsg) if n}
    return f_snmp.render(f_snmp.build(snmp_counters(ipv4), LAYOUTS[ipv4.kernel.release.name].snmp, counts))


def netstat_text(ipv4: Ipv4) -> str:
    groups = {"TcpExt": ipv4.tcpext, "IpExt": dict(zip(mib.IPEXT_NAMES, ipv4.ipext, strict=True))}
    return f_netstat.render(f_netstat.build(groups, LAYOUTS[ipv4.kernel.release.name].netstat))


def _head(sl: int, sk: InetSock, rx: int) -> SockHead:
    return SockHead(
        sl,
        ip4_str(sk.rcv_saddr),
        sk.sport,
        ip4_str(sk.daddr),
        sk.dport,
        TCP_ESTABLISHED if sk.state == TCP_ESTABLISHED else TCP_CLOSE,
        sk.wmem_alloc,
        rx,
        0,
        0,
        0,
        sk.uid,
        0,
    )


def udp_bucket(ipv4: Ipv4, port: int) -> int:
    """The slot of a port in the hash table, moved by this boot's namespace mix."""
    return (port + (ipv4.net.hash_secret & 0xFFFF)) & (UDP_HTABLE_SIZE - 1)


def udp_text(ipv4: Ipv4) -> str:
    rows = []
    for port, socks in ipv4.udp_table.by_port.items():
        for sk in socks:
            rows.append((udp_bucket(ipv4, port), sk))
    rows.sort(key=lambda r: r[0])
    return f_udp.render(
        f_udp.Udp(
            tuple(
                f_udp.UdpSock(_head(b, sk, sk.rmem_alloc - sk.forward_deficit), sk.inode, 2, 0, sk.drops)
                for b, sk in rows
            )
        ),
        LAYOUTS[ipv4.kernel.release.name].udp,
    )


def raw_text(ipv4: Ipv4) -> str:
    rows = []
    for num in sorted(ipv4.raw_hash):
        for sk in ipv4.raw_hash[num]:
            rows.append(f_udp.UdpSock(_head(num & 255, sk, sk.rmem_alloc), sk.inode, 2, 0, sk.drops))
    return f_raw.render(f_udp.Udp(tuple(rows)))


def icmp_text(ipv4: Ipv4) -> str:
    rows = [f_udp.UdpSock(_head(sk.num & 63, sk, sk.rmem_alloc), sk.inode, 2, 0, sk.drops) for sk in ipv4.ping_socks]
    return f_udp.render(f_udp.Udp(tuple(rows)), LAYOUTS[ipv4.kernel.release.name].udp)


def arp_text(ipv4: Ipv4) -> str:
    rows = []
    for n in ipv4.arp_tbl.entries.values():
        if n.nud_state & NUD_NOARP:
            continue
        flags = 0
        if n.nud_state & NUD_PERMANENT:
            flags = f_arp.COMPLETE | f_arp.PERMANENT
        elif n.nud_state & NUD_VALID:
            flags = f_arp.COMPLETE
        rows.append(
            f_arp.ArpEntry(
                ip4_str(n.key), n.dev.type, flags, mac_str(n.ha) if flags else f_arp.INCOMPLETE_MAC, n.dev.name
            )
        )
    return f_arp.render(f_arp.Arp(tuple(rows)), LAYOUTS[ipv4.kernel.release.name].arp)


def route_text(ipv4: Ipv4) -> str:
    rows = []
    for a in ipv4.fib_tables[RT_TABLE_MAIN].aliases():
        if a.type in (RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST):
            continue
        nh = a.fi.nhs[0]
        flags = f_route.UP
        if a.type in (RTN_UNREACHABLE, RTN_PROHIBIT):
            flags = f_route.REJECT
        if nh.gw:
            flags |= f_route.GATEWAY
        if a.plen == 32:
            flags |= f_route.HOST
        dev = nh.dev
        name = dev.name if dev is not None and not flags & f_route.REJECT else "*"
        rows.append(
            f_route.Route(
                name,
                ip4_str(a.prefix),
                ip4_str(nh.gw),
                flags,
                0,
                0,
                a.fi.priority,
                ip4_str(inet_make_mask(a.plen)),
                a.fi.mtu,
            )
        )
    return f_route.render(f_route.RouteTable(tuple(rows)))


def igmp_text(ipv4: Ipv4) -> str:
    devs = []
    now = ipv4.kernel.jiffies()
    for d in ipv4.in_devs:
        if not d.mc_list:
            continue
        v1 = d.mr_v1_seen and now < d.mr_v1_seen
        v2 = d.mr_v2_seen and now < d.mr_v2_seen
        groups = tuple(
            f_igmp.IgmpGroup(
                ip4_str(im.group),
                im.users,
                int(im.tm_running),
                (im.timer.expires - now) * 100 // ipv4.kernel.hz if im.tm_running else 0,
                int(im.reporter),
            )
            for im in d.mc_list
        )
        devs.append(
            f_igmp.IgmpDevice(d.dev.ifindex, d.dev.name, len(d.mc_list), "V1" if v1 else "V2" if v2 else "V3", groups)
        )
    return f_igmp.render(f_igmp.Igmp(tuple(devs)))


def sockstat_text(ipv4: Ipv4) -> str:
    tcp = ipv4.tcp_prot
    fq = ipv4.fqdir
    return f_sockstat.render(
        f_sockstat.make(
            len(ipv4.net.sockets),
            (tcp.inuse, 0, 0, tcp.sockets_allocated, tcp.memory_allocated),
            (ipv4.udp_prot.inuse, ipv4.udp_prot.memory_allocated),
            0,
            ipv4.raw_prot.inuse,
            (len(fq.queues), fq.mem),
        )
    )


def rt_cache_text(ipv4: Ipv4) -> str:
    """The cache is gone since 3.6; the file and its header stayed."""
    titles = "Iface Destination Gateway_ Flags _ RefCnt Use Metric Source _ MTU Window IRTT TOS HHRef HHUptod SpecDst"
    words = ["" if w == "_" else w.replace("_", " ") for w in titles.split()]
    return "\t".join(words).ljust(127) + "\n"


class _Text:
    """A file's read function bound to one machine."""

    __slots__ = ("fn", "ipv4")

    def __init__(self, fn: object, ipv4: Ipv4) -> None:
        self.fn = fn
        self.ipv4 = ipv4

    def __call__(self) -> str:
        fn = self.fn
        assert callable(fn)
        return str(fn(self.ipv4))


def ipv4_proc_init(ipv4: Ipv4) -> None:
    f = ipv4.kernel.files
    for name, fn in (
        ("snmp", snmp_text),
        ("netstat", netstat_text),
        ("udp", udp_text),
        ("raw", raw_text),
        ("icmp", icmp_text),
        ("arp", arp_text),
        ("route", route_text),
        ("igmp", igmp_text),
        ("sockstat", sockstat_text),
        ("fib_trie", fib_trie_text),
    ):
        f.add("/proc/net/" + name, _Text(fn, ipv4))
    if ipv4.kernel.release.rt_cache_file:
        f.add("/proc/net/rt_cache", _Text(rt_cache_text, ipv4))
