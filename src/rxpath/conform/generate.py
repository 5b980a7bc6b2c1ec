"""Makes scenarios: sockets, options, sysctls, frames and steps by the grammar of a group, from a seed.

What lives here: the grammar and the mutation of existing scenarios.  What does not: running them (adapter.py,
kernel.py) and comparing (compare.py).  The same seed and group give the same scenario.

A scenario is mostly ordinary: each field deviates with a small chance drawn once a scenario, so that frames reach deep
into the stack and yet every field deviates somewhere.
"""

from __future__ import annotations

import json
import random
import struct
from typing import Any, Final

from rxpath.wire.addr import ip4, ip_eth_mc_map, mac
from rxpath.wire.checksum import csum_tcpudp_magic, ip_compute_csum

GROUPS: Final = ("arp", "ethernet", "forward", "frag", "icmp", "ipv4", "mcast", "raw", "udp", "udpbuf")

HOST: Final = mac("02:00:00:00:00:02")
PEER: Final = mac("02:00:00:00:00:01")
NINE: Final = mac("02:00:00:00:00:09")
OTHER: Final = mac("02:00:00:00:00:77")
BCAST: Final = b"\xff" * 6

US, PEER_IP = "10.0.0.2", "10.0.0.1"
SOURCES: Final = (
    "10.0.0.9", "10.0.0.3", "10.0.0.200", "10.0.0.2", "10.0.0.255", "10.0.0.0", "127.0.0.1", "127.5.5.5", "192.0.2.1",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "0.0.0.0", "0.1.2.3", "10.1.0.7", "169.254.3.3", "8.8.8.8",
)  # fmt: skip
TARGETS: Final = (
    "10.0.0.255", "255.255.255.255", "10.0.0.0", "10.0.0.9", "10.0.0.3", "10.0.0.1", "127.0.0.1", "127.0.0.53",
    "192.0.2.9", "224.0.0.1", "224.0.0.2", "224.0.0.251", "239.1.1.1", "239.1.1.2", "239.2.2.2", "240.0.0.9", "0.0.0.0",
    "10.1.0.2", "10.1.0.9", "0.0.0.7", "169.254.1.1",
)  # fmt: skip
OPEN, OPEN2, CLOSED, REMOTE = 7000, 7001, 7009, 5555
GROUP_ADDRS: Final = ("239.1.1.1", "239.1.1.2", "224.0.0.251", "239.2.2.2", "224.0.0.1")
SIZES: Final = (
    0,
    1,
    2,
    7,
    8,
    9,
    17,
    18,
    19,
    26,
    32,
    63,
    64,
    100,
    129,
    256,
    500,
    512,
    600,
    1000,
    1024,
    1400,
    1471,
    1472,
)
RCVBUFS: Final = (0, 1, 256, 1152, 2304, 2305, 4096, 5000, 8192, 10000, 16384, 32768, 65536, 212992, 500000, 8000000)

UDP_OPTS: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("IP_PKTINFO", (1,)), ("IP_RECVTTL", (1,)), ("IP_RECVTOS", (1,)), ("IP_RECVOPTS", (1,)), ("IP_RETOPTS", (1,)),
    ("IP_RECVERR", (1,)), ("IP_RECVORIGDSTADDR", (1,)), ("IP_RECVFRAGSIZE", (1,)), ("IP_CHECKSUM", (1,)),
    ("SO_RXQ_OVFL", (1,)), ("SO_BROADCAST", (1,)), ("IP_TOS", (0, 4, 8, 16, 0x2E, 0xFF)),
    ("IP_TTL", (1, 2, 64, 255)), ("IP_MINTTL", (1, 64, 100, 255)), ("IP_MTU_DISCOVER", (0, 1, 2, 3, 4, 5)),
    ("IP_MULTICAST_ALL", (0, 1)), ("IP_MULTICAST_LOOP", (0, 1)), ("SO_NO_CHECK", (1,)), ("SO_PEEK_OFF", (0, 1, 4, -1)),
    ("SO_PRIORITY", (1, 6)), ("SO_MARK", (1, 7)), ("SO_RCVLOWAT", (1, 10, 2000)), ("IP_FREEBIND", (1,)),
    ("IP_TRANSPARENT", (1,)), ("SO_KEEPALIVE", (1,)), ("UDP_SEGMENT", (8, 100)), ("UDP_GRO", (1,)),
    ("SO_SNDBUF", (1, 4608, 20000)), ("SO_OOBINLINE", (1,)), ("SO_LINGER", ([1, 0], [1, 5], [0, 0])),
    ("SO_BINDTODEVICE", ("tap0", "lo", "")), ("SO_RCVBUF", RCVBUFS), ("SO_RCVBUFFORCE", (1, 3000, 10000000)),
    ("SO_REUSEADDR", (1,)), ("SO_REUSEPORT", (1,)), ("SO_INCOMING_CPU", (0, 1)), ("UDP_CORK", (0,)),
)  # fmt: skip
GET_OPTS: Final = (
    "SO_RCVBUF", "SO_SNDBUF", "SO_REUSEADDR", "SO_REUSEPORT", "SO_BROADCAST", "SO_KEEPALIVE", "SO_OOBINLINE",
    "SO_RCVLOWAT", "SO_RXQ_OVFL", "SO_NO_CHECK", "SO_ERROR", "SO_ACCEPTCONN", "SO_PRIORITY", "SO_MARK", "SO_PEEK_OFF",
    "IP_TOS", "IP_TTL", "IP_HDRINCL", "IP_PKTINFO", "IP_RECVERR", "IP_RECVTTL", "IP_RECVTOS", "IP_RECVOPTS", "IP_RETOPTS",
    "IP_MINTTL", "IP_MTU_DISCOVER", "IP_MTU", "IP_RECVORIGDSTADDR", "IP_CHECKSUM", "IP_MULTICAST_ALL",
    "IP_MULTICAST_LOOP", "IP_RECVFRAGSIZE", "IP_TRANSPARENT", "IP_FREEBIND", "UDP_GRO", "UDP_SEGMENT", "UDP_CORK",
)  # fmt: skip
SYSCTLS: Final[dict[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "arp": (
        ("net.ipv4.conf.all.arp_ignore", ("1", "2", "3", "8")), ("net.ipv4.conf.tap0.arp_ignore", ("1", "2", "3", "8")),
        ("net.ipv4.conf.all.arp_accept", ("1",)), ("net.ipv4.conf.tap0.arp_accept", ("1", "2")),
        ("net.ipv4.conf.all.arp_announce", ("1", "2")), ("net.ipv4.conf.all.arp_filter", ("1",)),
        ("net.ipv4.conf.tap0.drop_gratuitous_arp", ("1",)), ("net.ipv4.conf.all.drop_gratuitous_arp", ("1",)),
        ("net.ipv4.conf.all.arp_notify", ("1",)), ("net.ipv4.conf.tap0.arp_evict_nocarrier", ("0",)),
        ("net.ipv4.conf.tap0.proxy_arp", ("1",)), ("net.ipv4.conf.all.proxy_arp", ("1",)),
        ("net.ipv4.conf.tap0.proxy_arp_pvlan", ("1",)), ("net.ipv4.conf.all.rp_filter", ("1", "2")),
        ("net.ipv4.ip_forward", ("1",)), ("net.ipv4.neigh.tap0.unres_qlen", ("0", "1", "3")),
        ("net.ipv4.neigh.tap0.unres_qlen_bytes", ("1", "3000")), ("net.ipv4.neigh.tap0.locktime", ("0",)),
        ("net.ipv4.neigh.tap0.mcast_solicit", ("1", "2")), ("net.ipv4.neigh.tap0.ucast_solicit", ("0", "1")),
    ),
    "forward": (
        ("net.ipv4.conf.all.send_redirects", ("0", "1")), ("net.ipv4.conf.tap0.send_redirects", ("0", "1")),
        ("net.ipv4.conf.all.rp_filter", ("1", "2")), ("net.ipv4.conf.tap0.shared_media", ("0",)),
        ("net.ipv4.conf.all.shared_media", ("0",)), ("net.ipv4.conf.all.secure_redirects", ("0",)),
        ("net.ipv4.conf.all.accept_source_route", ("0", "1")), ("net.ipv4.conf.tap0.accept_source_route", ("0", "1")),
        ("net.ipv4.ip_forward_use_pmtu", ("1",)), ("net.ipv4.ip_default_ttl", ("3", "255")),
        ("net.ipv4.conf.tap0.forwarding", ("0", "1")), ("net.ipv4.conf.all.mc_forwarding", ()),
        ("net.ipv4.icmp_ratelimit", ("0", "100")), ("net.ipv4.icmp_errors_use_inbound_ifaddr", ("1",)),
        ("net.ipv4.conf.all.bc_forwarding", ("1",)), ("net.ipv4.conf.tap0.bc_forwarding", ("1",)),
        ("net.ipv4.conf.all.log_martians", ("1",)), ("net.ipv4.ip_forward_update_priority", ("0",)),
        ("net.ipv4.conf.all.route_localnet", ("1",)),
    ),
    "frag": (
        ("net.ipv4.ipfrag_high_thresh", ("4096", "8192", "20000", "0")), ("net.ipv4.ipfrag_max_dist", ("0", "1", "3", "64")),
        ("net.ipv4.ipfrag_low_thresh", ("1000", "4096")), ("net.ipv4.ip_forward", ("1",)),
    ),
    "icmp": (
        ("net.ipv4.icmp_echo_ignore_all", ("1",)), ("net.ipv4.icmp_echo_ignore_broadcasts", ("0", "1")),
        ("net.ipv4.icmp_ratelimit", ("0", "1", "10000")), ("net.ipv4.icmp_ratemask", ("0", "6169", "1", "8", "42949")),
        ("net.ipv4.icmp_msgs_burst", ("0",)), ("net.ipv4.icmp_msgs_per_sec", ("0",)),
        ("net.ipv4.icmp_ignore_bogus_error_responses", ("0", "1")), ("net.ipv4.icmp_errors_use_inbound_ifaddr", ("1",)),
        ("net.ipv4.conf.all.accept_redirects", ("0", "1")), ("net.ipv4.conf.tap0.accept_redirects", ("0", "1")),
        ("net.ipv4.conf.all.secure_redirects", ("0",)), ("net.ipv4.ip_no_pmtu_disc", ("1", "2", "3")),
        ("net.ipv4.icmp_echo_enable_probe", ("1",)), ("net.ipv4.route.min_pmtu", ("600", "1000")),
        ("net.ipv4.ping_group_range", ("0 2147483647", "0 0", "1 0")), ("net.ipv4.ip_default_ttl", ("1", "10", "255")),
        ("net.ipv4.ip_forward", ("1",)), ("net.ipv4.conf.tap0.shared_media", ("0",)),
        ("net.ipv4.conf.tap0.secure_redirects", ("0",)),
    ),
    "ipv4": (
        ("net.ipv4.conf.all.rp_filter", ("0", "1", "2")), ("net.ipv4.conf.tap0.rp_filter", ("0", "1", "2")),
        ("net.ipv4.conf.all.accept_local", ("1",)), ("net.ipv4.conf.tap0.accept_local", ("1",)),
        ("net.ipv4.conf.all.route_localnet", ("1",)), ("net.ipv4.conf.tap0.route_localnet", ("1",)),
        ("net.ipv4.conf.all.accept_source_route", ("0", "1")), ("net.ipv4.conf.tap0.accept_source_route", ("0", "1")),
        ("net.ipv4.conf.all.log_martians", ("1",)), ("net.ipv4.conf.all.src_valid_mark", ("1",)),
        ("net.ipv4.ip_forward", ("1",)), ("net.ipv4.ip_early_demux", ("0",)), ("net.ipv4.udp_early_demux", ("0",)),
        ("net.ipv4.conf.all.drop_unicast_in_l2_multicast", ("1",)),
        ("net.ipv4.conf.tap0.drop_unicast_in_l2_multicast", ("1",)), ("net.ipv4.ip_default_ttl", ("1", "128")),
        ("net.ipv4.conf.all.disable_policy", ("1",)), ("net.ipv4.conf.tap0.disable_xfrm", ("1",)),
        ("net.ipv4.ip_nonlocal_bind", ("1",)),
    ),
    "mcast": (
        ("net.ipv4.igmp_max_memberships", ("1", "2", "20")), ("net.ipv4.igmp_max_msf", ("0", "1", "10")),
        ("net.ipv4.icmp_echo_ignore_broadcasts", ("0",)), ("net.ipv4.conf.all.force_igmp_version", ("1", "2", "3")),
        ("net.ipv4.conf.all.rp_filter", ("1", "2")), ("net.ipv4.ip_early_demux", ("0",)),
        ("net.ipv4.conf.tap0.drop_unicast_in_l2_multicast", ("1",)), ("net.ipv4.igmp_link_local_mcast_reports", ("0",)),
    ),
    "udp": (
        ("net.ipv4.ip_nonlocal_bind", ("1",)), ("net.ipv4.udp_early_demux", ("0",)), ("net.ipv4.ip_early_demux", ("0",)),
        ("net.ipv4.ip_default_ttl", ("1", "200")), ("net.ipv4.ip_unprivileged_port_start", ("0", "8000")),
        ("net.ipv4.fwmark_reflect", ("1",)), ("net.ipv4.udp_l3mdev_accept", ()), ("net.ipv4.ip_no_pmtu_disc", ("1",)),
        ("net.ipv4.udp_rmem_min", ("0", "4096", "100000")),
    ),
    "udpbuf": (
        ("net.core.rmem_default", ()), ("net.ipv4.udp_rmem_min", ("4096", "100000", "300000")),
    ),
}  # fmt: skip
SYSCTLS_ANY: Final = tuple(row for rows in SYSCTLS.values() for row in rows if row[1])
# A race of the kernel when written between two errors: see docs/differences.md.
NOT_AS_STEP: Final = ("net.ipv4.icmp_ratelimit", "0")


def hx(b: bytes) -> str:
    return b.hex()


class Gen:
    """A scenario's maker.  `group` biases what is made, `rng` decides."""

    def __init__(self, rng: random.Random, group: str, frames: int = 30) -> None:
        self.rng = rng
        self.group = group
        self.budget = frames
        self.odd = rng.choice((0.0, 0.02, 0.05, 0.1, 0.25))
        self.env: dict[str, Any] = {}
        self.sysctls: dict[str, str] = {}
        self.sockets: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.alive: list[dict[str, Any]] = []
        self.ident = rng.randrange(65536)
        self.sent = 0

    # --- choice ------------------------------------------------------------------------------------------------------
    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def weird(self) -> bool:
        return self.rng.random() < self.odd

    def pick(self, seq: Any) -> Any:
        return seq[self.rng.randrange(len(seq))]

    def payload(self, n: int | None = None) -> bytes:
        if n is None:
            n = self.pick(SIZES) if self.chance(0.4) else self.rng.randrange(40)
        return self.rng.randbytes(n)

    # --- IPv4 --------------------------------------------------------------------------------------------------------
    def src(self) -> str:
        return str(self.pick(SOURCES)) if self.weird() or self.chance(0.04) else PEER_IP

    def dst(self) -> str:
        if self.group == "mcast" and self.chance(0.7):
            return str(self.pick(GROUP_ADDRS))
        if self.group == "forward" and self.chance(0.75):
            return str(self.pick(("10.0.0.9", "10.0.0.9", "10.0.0.3", "192.0.2.9", "10.1.0.9", "10.0.0.1", "8.8.8.8")))
        return str(self.pick(TARGETS)) if self.weird() or self.chance(0.06) else US

    def ip_options(self) -> bytes:
        r = self.rng
        out = b""
        for _ in range(r.choice((1, 1, 1, 2, 3))):
            k = r.randrange(14)
            addr = ip4(
                self.pick((US, PEER_IP, "10.0.0.9", "10.0.0.3", "192.0.2.9", "10.1.0.2", "127.0.0.1", "224.0.0.1"))
            )
            addrs = addr.to_bytes(4, "big") * r.choice((1, 1, 2, 3))
            if k == 0:
                out += b"\x01"
            elif k == 1:
                out += b"\x00" if self.chance(0.3) else b"\x01\x01"
            elif k in (2, 3):  # record route
                n = r.choice((1, 1, 2, 3, 9))
                ptr = r.choice((4, 4, 4, 8, 4 * n + 4, 3, 5, 6, 4 * n + 1))
                out += bytes((7, 3 + 4 * n, ptr)) + bytes(4 * n)
            elif k in (4, 5):  # source routes
                t = r.choice((131, 137))
                ptr = r.choice((4, 4, 4, 4, 8, len(addrs) + 4, 3, 5))
                out += bytes((t, 3 + len(addrs), ptr)) + addrs
            elif k in (6, 7):  # time stamps
                fl = r.choice((0, 0, 1, 1, 3, 3, 2, 4, 15))
                n = r.choice((1, 2, 3))
                room = (4 if fl == 0 else 8) * n
                body = bytearray(room)
                if fl == 3:
                    body[0:4] = addr.to_bytes(4, "big")
                ptr = r.choice((5, 5, 5, 5, 9, 13, 5 + room, 4, 6, 1))
                out += bytes((68, 4 + room, ptr, r.choice((0, 0, 0, 1, 14, 15)) << 4 | fl)) + bytes(body)
            elif k == 8:
                out += bytes((148, 4)) + r.choice((b"\0\0", b"\0\0", b"\0\1", b"\xff\xff"))
            elif k == 9:  # security, CIPSO
                n = r.choice((4, 8, 11))
                out += bytes((r.choice((130, 134, 133)), n)) + r.randbytes(n - 2)
            elif k == 10:  # unknown
                n = r.choice((2, 3, 4, 8))
                out += bytes((r.randrange(256), n)) + r.randbytes(n - 2)
            elif k == 11:
                out += bytes(
                    (r.choice((7, 68, 131, 137, 148, 130, 136, 99)), r.choice((0, 1, 2, 3, 4, 5, 38, 39, 41, 255)))
                )
            elif k == 12:
                out += bytes((148, r.choice((2, 3, 5, 6)))) + bytes(2)
            else:
                out += r.randbytes(r.randrange(1, 12))
        out = out[:40]
        return out + (b"\x01" if self.chance(0.1) else b"\0") * (-len(out) % 4)

    def ip(self, src: str, dst: str, proto: int, body: bytes, *, frag: int | None = None, ident: int | None = None,
           opts: bytes | None = None, plain: bool = False) -> bytes:  # fmt: skip
        """An IPv4 packet; each field deviates at times unless `plain`."""
        r = self.rng

        def weird() -> bool:
            return not plain and self.weird()

        if opts is None:
            opts = self.ip_options() if weird() or (self.group == "ipv4" and not plain and self.chance(0.25)) else b""
        ihl = 20 + len(opts)
        tlen = ihl + len(body)
        if ident is None:
            self.ident = (self.ident + 1) & 0xFFFF
            ident = self.ident
        fo = frag if frag is not None else r.choice((0x4000, 0x8000, 0xC000)) if weird() else 0
        ttl = r.choice((0, 1, 2, 3, 127, 255, 9)) if weird() or (self.group == "forward" and self.chance(0.15)) else 64
        tos = r.randrange(256) if weird() or self.chance(0.03) else 0
        ver = r.choice((0, 1, 3, 5, 6, 15)) if weird() and self.chance(0.3) else 4
        words = r.choice((0, 1, 4, 5, 6, 7, 15)) if weird() and self.chance(0.3) else ihl // 4
        if weird():
            tlen = r.choice((0, 1, 19, 20, 21, 27, 28, ihl, tlen - 1, tlen + 1, tlen - 8, tlen + 100, 65535)) & 0xFFFF
        if weird() and self.chance(0.2):
            proto = r.randrange(256)
        h = bytearray(
            struct.pack("!BBHHHBBH4s4s", ver << 4 | words, tos, tlen, ident, fo, ttl, proto, 0,
                        ip4(src).to_bytes(4, "big"), ip4(dst).to_bytes(4, "big"))
            + opts
        )  # fmt: skip
        c = ip_compute_csum(bytes(h))
        if weird() and self.chance(0.4):
            c = r.choice((0, 0xFFFF, c ^ 1, c ^ 0x8000))
        struct.pack_into("!H", h, 10, c)
        return bytes(h) + body

    def transport_csum(self, src: str, dst: str, proto: int, seg: bytearray, at: int, weird: bool) -> None:
        c = csum_tcpudp_magic(ip4(src), ip4(dst), len(seg), proto, _sum(bytes(seg)))
        if weird:
            c = self.pick((0, 0xFFFF, c ^ 1, c ^ 0x0100, 1))
        struct.pack_into("!H", seg, at, c)

    def udp_seg(self, src: str, dst: str, data: bytes | None = None, plain: bool = False) -> bytes:
        r = self.rng
        data = self.payload() if data is None else data
        sport = REMOTE if self.chance(0.85) else r.choice((0, 9000, 53, 7000, 65535))
        dport = OPEN if self.chance(0.72) else r.choice((OPEN2, OPEN2, CLOSED, CLOSED, 0, 53, 65535, REMOTE))
        ln = 8 + len(data)
        if not plain and self.weird():
            ln = r.choice((0, 1, 7, 8, 9, ln - 1, ln + 1, ln + 20, 65535, max(8, ln - 4))) & 0xFFFF
        seg = bytearray(struct.pack("!HHHH", sport, dport, ln, 0) + data)
        cov = seg[:ln] if 8 <= ln <= len(seg) and self.chance(0.7) else seg
        c = csum_tcpudp_magic(ip4(src), ip4(dst), len(cov), 17, _sum(bytes(cov))) or 0xFFFF
        if not plain and (self.weird() or self.chance(0.03)):
            c = r.choice((0, 0, 0, 0xFFFF, c ^ 1, c ^ 0x0100))
        struct.pack_into("!H", seg, 6, c)
        return bytes(seg)

    def tcp_seg(self, src: str, dst: str) -> bytes:
        r = self.rng
        off = r.choice((5, 5, 5, 6, 4, 15)) if self.weird() else 5
        flags = r.choice((2, 2, 16, 4, 18, 1, 17, 0, 41, 63, 20))
        seg = bytearray(struct.pack("!HHIIBBHHH", REMOTE, r.choice((OPEN, CLOSED, 80)), r.randrange(1 << 32),
                                    r.randrange(1 << 32), off << 4, flags, 4096, 0, 0))  # fmt: skip
        seg += self.rng.randbytes(r.choice((0, 0, 4, 20)))
        self.transport_csum(src, dst, 6, seg, 16, self.weird())
        return bytes(seg)

    def quoted(self) -> bytes:
        """The packet that an ICMP error quotes: mostly one that a socket here could have sent."""
        r = self.rng
        src = US if self.chance(0.92) else str(self.pick(TARGETS))
        dst = PEER_IP if self.chance(0.9) else str(self.pick(SOURCES))
        k = r.random()
        if k < 0.7:
            sport, dport = r.choice((OPEN, OPEN, OPEN, OPEN2, CLOSED)), r.choice((9000, 9000, 9000, REMOTE, 53))
            n = r.choice((0, 0, 5, 20, 500))
            body = struct.pack("!HHHH", sport, dport, 8 + n, r.randrange(65536)) + r.randbytes(n)
            proto = 17
        elif k < 0.8:
            proto, body = (
                1,
                struct.pack("!BBHHH", r.choice((8, 0, 13)), 0, r.randrange(65536), r.choice((7, OPEN)), 1)
                + b"abcdefgh",
            )
        elif k < 0.88:
            proto, body = 6, struct.pack("!HHIIBBHHH", OPEN, 9000, 1, 2, 0x50, 16, 100, 0, 0)
        else:
            proto, body = r.choice((253, 253, 2, 47, 255, 0)), b"payload-of-raw"
        opts = self.ip_options() if self.weird() else b""
        frag = r.choice((0, 0, 0x4000, 0x2000, 1, 100)) if self.weird() else 0
        p = self.ip(src, dst, proto, body, opts=opts, plain=True, frag=frag)
        if self.weird():
            p = p[: r.choice((0, 8, 19, 20, 21, 24, 27, 28, 29, 36))]
        if self.weird() and len(p) > 3:
            b = bytearray(p)
            b[r.randrange(min(len(b), 20))] = r.randrange(256)
            p = bytes(b)
        return p

    def icmp_msg(self) -> bytes:
        r = self.rng
        k = r.random()
        code = 0
        rest = bytes(4)
        if k < 0.25:
            t, rest, data = 8, r.randbytes(4), self.payload()
        elif k < 0.75 or (self.group == "icmp" and k < 0.85):
            t = r.choice((3, 3, 3, 3, 3, 11, 11, 12, 5, 4))
            code = {3: r.randrange(18), 11: r.choice((0, 1, 2)), 12: r.choice((0, 1, 2)), 5: r.randrange(5), 4: 0}[t]
            if t == 3 and code == 4:
                rest = struct.pack(
                    "!HH",
                    r.choice((0, 0, 5)),
                    r.choice((0, 1, 67, 68, 296, 552, 576, 1000, 1400, 1499, 1500, 1501, 65535)),
                )
            elif t == 5:
                rest = ip4(
                    self.pick(
                        ("10.0.0.9", "10.0.0.3", "10.0.0.1", US, "192.0.2.9", "0.0.0.0", "224.0.0.1", "10.0.0.255")
                    )
                ).to_bytes(4, "big")
            elif t == 12:
                rest = bytes((r.choice((0, 1, 9, 20, 255)), 0, 0, 0))
            data = self.quoted()
            if self.chance(0.1):  # RFC 4884
                data = data.ljust(128, b"\0") + b"\x20\0" + bytes(2) + bytes(8)
                rest = bytes((0, 32, 0, 0)) if self.chance(0.5) else rest
        elif k < 0.85:
            t, rest = r.choice((13, 13, 13, 14, 17, 15)), r.randbytes(4)
            data = r.randbytes(r.choice((12, 12, 12, 0, 4, 8, 11, 20)))
        else:
            t, rest, data = (
                r.choice((0, 0, 1, 2, 6, 7, 9, 10, 15, 16, 18, 19, 30, 40, 41, 42, 43, 44, 254, 255)),
                r.randbytes(4),
                self.payload(r.randrange(24)),
            )
        if self.weird():
            code = r.choice((1, 2, 15, 16, 255))
        if self.weird() and self.chance(0.3):
            t = r.randrange(45)
        m = bytearray(bytes((t, code, 0, 0)) + rest + data)
        if self.weird() and self.chance(0.3):
            m = m[: r.randrange(len(m) + 1)]
        if len(m) >= 4:
            c = ip_compute_csum(bytes(m))
            if self.weird() or self.chance(0.02):
                c = r.choice((0, 0xFFFF, c ^ 1))
            struct.pack_into("!H", m, 2, c)
        return bytes(m)

    def igmp_msg(self) -> bytes:
        r = self.rng
        t = r.choice((0x12, 0x16, 0x17, 0x22, 0x13, 0x14, 0x99, 0x11 if self.chance(0.2) else 0x16))
        grp = ip4(self.pick((*GROUP_ADDRS, "0.0.0.0"))).to_bytes(4, "big")
        m = bytearray(bytes((t, r.choice((0, 100, 200)), 0, 0)) + grp + r.randbytes(r.choice((0, 0, 0, 4, 12))))
        if self.weird():
            m = m[: r.randrange(9)]
        if len(m) >= 4:
            struct.pack_into("!H", m, 2, ip_compute_csum(bytes(m)) ^ (1 if self.weird() else 0))
        return bytes(m)

    def packet(self) -> tuple[bytes, str]:
        """(IPv4 packet, its destination)."""
        r = self.rng
        src, dst = self.src(), self.dst()
        w = {
            "icmp": (1, 8, 0, 1, 1), "ipv4": (6, 3, 1, 3, 1), "mcast": (8, 1, 1, 1, 0), "raw": (2, 3, 1, 6, 0),
            "forward": (6, 3, 0, 2, 1), "udp": (9, 1, 0, 0, 0), "udpbuf": (9, 0, 0, 0, 0), "frag": (6, 3, 0, 2, 1),
        }.get(self.group, (5, 3, 1, 1, 1))  # fmt: skip
        k = r.choices(range(5), w)[0]
        if k == 0:
            return self.ip(src, dst, 17, self.udp_seg(src, dst)), dst
        if k == 1:
            return self.ip(src, dst, 1, self.icmp_msg()), dst
        if k == 2:
            return self.ip(src, dst, 2, self.igmp_msg()), dst
        if k == 3:
            proto = r.choice((253, 253, 253, 254, 255, 0, 4, 41, 47, 50, 51, 89, 103, 132, 136, 33, r.randrange(256)))
            return self.ip(src, dst, proto, self.payload(r.choice((0, 1, 8, 20, 46, 200)))), dst
        return self.ip(src, dst, 6, self.tcp_seg(src, dst)), dst

    def dst_mac(self, dst: str) -> bytes:
        a = ip4(dst)
        right = HOST
        if dst in ("255.255.255.255", "10.0.0.255") or dst == "10.0.0.0":
            right = BCAST
        elif a >> 28 == 14:
            right = ip_eth_mc_map(a)
        if self.weird() or self.chance(0.03):
            return bytes(
                self.pick(
                    (HOST, BCAST, OTHER, mac("01:00:5e:00:00:01"), mac("01:80:c2:00:00:00"), ip_eth_mc_map(a), PEER)
                )
            )
        return right

    def ether(self, dst_mac: bytes, etype: int, body: bytes, src_mac: bytes = PEER) -> bytes:
        r = self.rng
        if self.weird() and self.chance(0.4):
            src_mac = bytes(self.pick((NINE, OTHER, BCAST, bytes(6), HOST, mac("01:00:5e:00:00:01"))))
        tag = b""
        if self.chance(0.35 if self.group == "ethernet" else 0.01):
            for _ in range(r.choice((1, 1, 1, 2, 3))):
                tpid = r.choice((0x8100, 0x8100, 0x8100, 0x88A8, 0x9100, 0x9200))
                tag += struct.pack(
                    "!HH", tpid, r.choice((0, 0, 5, 4095, 0x2000, 0xE000, 0x1000, 0xE005, r.randrange(65536)))
                )
        if self.chance(0.25) if self.group == "ethernet" else self.weird() and self.chance(0.15):
            etype = r.choice(
                (
                    0x0806,
                    0x86DD,
                    0x88CC,
                    0x8847,
                    0x8863,
                    0x9000,
                    0x0600,
                    0x05FF,
                    0x05DC,
                    len(body),
                    0,
                    0x88B5,
                    0x0801,
                    0x8100,
                    0x8137,
                    4,
                    0xFFFF,
                )
            )
            if etype < 0x600 and self.chance(0.6):
                body = (
                    r.choice(
                        (
                            b"\xaa\xaa\x03\0\0\0\x08\0",
                            b"\xff\xff",
                            b"\x42\x42\x03",
                            b"\xe0\xe0\x03",
                            b"\xaa\xaa\x03\0\0\xf8\x81\x37",
                            b"\xaa\xaa\x01\0\0\0\x08\0",
                            b"\0\0\x03",
                        )
                    )
                    + body
                )
        f = dst_mac + src_mac + tag + struct.pack("!H", etype) + body
        if self.chance(0.2):
            f = f.ljust(60, b"\0")
        if self.weird():
            f = (
                f[: r.randrange(14, len(f) + 1)]
                if self.chance(0.5) and len(f) > 14
                else f + r.randbytes(r.choice((1, 2, 4, 18, 100)))
            )
        return f[:1514] if self.env.get("mtu", 1500) >= 1500 and self.chance(0.97) else f

    def arp_frame(self) -> bytes:
        r = self.rng
        op = r.choice((1, 1, 1, 1, 2, 2, 2)) if self.chance(0.93) else r.choice((0, 3, 4, 8, 9, 10, 255, 65535))
        sha = (
            PEER
            if self.chance(0.8)
            else bytes(
                self.pick((NINE, OTHER, BCAST, bytes(6), HOST, mac("01:00:5e:01:01:01"), mac("02:00:00:00:00:05")))
            )
        )
        spa = (
            PEER_IP
            if self.chance(0.7)
            else str(
                self.pick(
                    (
                        "10.0.0.9",
                        "10.0.0.3",
                        "0.0.0.0",
                        US,
                        "192.0.2.1",
                        "10.0.0.255",
                        "127.0.0.1",
                        "224.0.0.1",
                        "255.255.255.255",
                        "10.1.0.7",
                        "10.0.0.5",
                    )
                )
            )
        )
        tpa = US if self.chance(0.65) else spa if self.chance(0.4) else str(self.pick(TARGETS))
        tha = (
            bytes(6) if op == 1 or self.chance(0.2) else HOST if self.chance(0.8) else bytes(self.pick((OTHER, BCAST)))
        )
        hw, pt, hl, pl = 1, 0x0800, 6, 4
        if self.weird():
            hw = r.choice((0, 2, 6, 7, 15, 256, 65535))
        if self.weird():
            pt = r.choice((0, 0x0806, 0x86DD, 0x0801))
        if self.weird():
            hl = r.choice((0, 5, 7, 8, 255))
        if self.weird():
            pl = r.choice((0, 3, 5, 16))
        b = (
            struct.pack("!HHBBH", hw, pt, hl, pl, op)
            + sha
            + ip4(spa).to_bytes(4, "big")
            + tha
            + ip4(tpa).to_bytes(4, "big")
        )
        dst = (
            BCAST
            if self.chance(0.5)
            else HOST
            if self.chance(0.85)
            else bytes(self.pick((OTHER, mac("01:00:5e:00:00:01"), bytes(6))))
        )
        tag = struct.pack("!HH", 0x8100, r.choice((0, 5, 0x2000))) if self.weird() and self.chance(0.3) else b""
        f = dst + (sha if self.chance(0.9) else bytes(self.pick((PEER, OTHER, HOST)))) + tag + b"\x08\x06" + b
        if self.chance(0.5):
            f = f.ljust(60, b"\0")
        if self.weird():
            f = f[: r.randrange(14, len(f) + 1)]
        return f

    # --- fragments ---------------------------------------------------------------------------------------------------
    def fragments(self) -> list[bytes]:
        """The frames of one datagram in pieces, at times disordered, lost, doubled, overlapping or disagreeing."""
        r = self.rng
        src = PEER_IP if self.chance(0.93) else str(self.pick(SOURCES))
        dst = self.dst() if self.chance(0.3) else US
        k = r.random()
        if k < 0.65:
            proto, seg = (
                17,
                self.udp_seg(
                    src,
                    dst,
                    self.payload(r.choice((0, 8, 16, 30, 56, 64, 100, 200, 400, 1000, 2000, 3000))),
                    plain=self.chance(0.9),
                ),
            )
        elif k < 0.85:
            m = bytearray(
                bytes((8, 0, 0, 0)) + r.randbytes(4) + self.payload(r.choice((0, 8, 40, 100, 400, 1400, 2000)))
            )
            struct.pack_into("!H", m, 2, ip_compute_csum(bytes(m)))
            proto, seg = 1, bytes(m)
        elif k < 0.95:
            proto, seg = r.choice((253, 254, 132)), self.payload(r.choice((16, 100, 600)))
        else:
            proto, seg = 6, self.tcp_seg(src, dst) + bytes(20)
        ident = r.choice((0x7777, 0x7777, 0x7778, self.ident))
        unit = r.choice((8, 8, 16, 24, 40, 104, 400, 800, 1480))
        cuts = list(range(0, len(seg), unit))[:12] or [0]
        parts: list[tuple[int, bytes, bool]] = []
        for i, a in enumerate(cuts):
            b = cuts[i + 1] if i + 1 < len(cuts) else len(seg)
            parts.append((a, seg[a:b], b < len(seg)))
        for _ in range(r.choice((0, 0, 0, 1, 1, 2))):
            i = r.randrange(len(parts))
            a, body, mf = parts[i]
            x = r.randrange(12)
            if x == 0:
                parts.insert(r.randrange(len(parts) + 1), parts[i])  # doubled
            elif x == 1 and len(parts) > 1:
                del parts[i]
            elif x in (2, 3):
                r.shuffle(parts)
            elif x == 4:
                parts.insert(r.randrange(len(parts) + 1), (a, r.randbytes(len(body)), mf))  # disagrees
            elif x == 5:
                parts.insert(r.randrange(len(parts) + 1), (max(0, a - 8), body[: r.randrange(len(body) + 1)], True))
            elif x == 6:
                parts.insert(r.randrange(len(parts) + 1), (a + 8, body, r.choice((True, False))))
            elif x == 7:
                parts[i] = (a, body, not mf)
            elif x == 8:
                parts[i] = (a, body[: r.randrange(len(body) + 1)], mf)
            elif x == 9:
                parts.insert(
                    r.randrange(len(parts) + 1), (r.choice((65512, 65528, 65000, 8, 0)), body, r.choice((True, False)))
                )
            elif x == 10:
                parts.insert(r.randrange(len(parts) + 1), (a, b"", mf))
            else:
                parts.reverse()
        opts_first = self.ip_options() if self.weird() else b""
        frames = []
        for i, (a, body, mf) in enumerate(parts):
            fo = (a // 8 & 0x1FFF) | (0x2000 if mf else 0) | (0x4000 if self.weird() else 0)
            p = self.ip(src, dst, proto, body, frag=fo, ident=ident, plain=not self.chance(0.15),
                        opts=opts_first if i == 0 or self.weird() else b"")  # fmt: skip
            if self.weird():
                b2 = bytearray(p)
                b2[1] = r.choice((0, 1, 2, 3, 0x2E))
                b2[10:12] = b"\0\0"
                struct.pack_into("!H", b2, 10, ip_compute_csum(bytes(b2[: (b2[0] & 15) * 4])))
                p = bytes(b2)
            f = self.dst_mac(dst) + PEER + b"\x08\0" + p
            frames.append(f.ljust(60, b"\0") if self.chance(0.3) else f)
        return frames

    # --- frames of the group -----------------------------------------------------------------------------------------
    def frames(self) -> list[Any]:
        r = self.rng
        g = self.group
        if g == "arp":
            if self.chance(0.75):
                return [hx(self.arp_frame())]
            p, d = self.packet()
            return [hx(self.ether(self.dst_mac(d), 0x800, p))]
        if (g == "frag" and self.chance(0.85)) or self.chance(0.03):
            fs = self.fragments()
            if self.chance(0.12):
                fs += self.fragments()
                if self.chance(0.6):
                    r.shuffle(fs)
            return [hx(f) for f in fs]
        if (g == "ethernet" and self.chance(0.12)) or self.chance(0.01):
            return [hx(self.arp_frame())]
        p, d = self.packet()
        f = hx(self.ether(self.dst_mac(d), 0x800, p))
        if g == "udpbuf" and self.chance(0.5):
            return [{"hex": f, "repeat": r.choice((2, 3, 5, 8, 12, 20))}]
        if self.chance(0.04):
            return [{"hex": f, "repeat": r.choice((2, 3, 7))}]
        return [f]

    # --- sockets -----------------------------------------------------------------------------------------------------
    def some_opts(self, most: int = 3) -> list[list[Any]]:
        out = []
        for _ in range(self.rng.choice((0, 0, 1, 1, 2, most))):
            name, values = self.pick(UDP_OPTS)
            out.append([name, self.pick(values)])
        return out

    def make_socket(self, sid: str) -> dict[str, Any]:
        r = self.rng
        g = self.group
        w = {
            "raw": (1, 8, 1, 0, 1), "ethernet": (4, 0, 0, 8, 0), "icmp": (6, 2, 2, 0, 0), "mcast": (9, 1, 0, 0, 0),
            "udpbuf": (9, 1, 0, 1, 0), "udp": (9, 0, 0, 0, 0), "arp": (1, 0, 0, 1, 0),
        }.get(g, (8, 1, 0, 1, 1))  # fmt: skip
        k = r.choices(range(5), w)[0]
        d: dict[str, Any] = {"id": sid}
        opts: list[list[Any]] = []
        if k == 0:
            d["type"] = "udp"
            port = r.choice((OPEN, OPEN, OPEN, OPEN, OPEN2, 9000, 53))
            if self.chance(0.96):
                d["bind"] = [r.choice(("0.0.0.0", "0.0.0.0", "0.0.0.0", US, US)) if self.chance(0.88) else str(self.pick(
                    ("10.0.0.255", "127.0.0.1", "255.255.255.255", *GROUP_ADDRS, "10.1.0.2", "10.0.0.9", "10.0.0.0"))), port]  # fmt: skip
            if (self.sockets and self.chance(0.9)) or self.chance(0.15):
                opts.append(["SO_REUSEADDR", 1])
            opts += self.some_opts()
            if g == "udpbuf" or self.chance(0.04):
                opts.append(["SO_RCVBUF", self.pick(RCVBUFS)])
            if self.chance(0.25):
                d["connect"] = [
                    PEER_IP if self.chance(0.85) else str(self.pick(TARGETS)),
                    r.choice((9000, REMOTE, REMOTE, 53)),
                ]
        elif k == 1:
            d["type"] = "raw"
            d["proto"] = r.choice((1, 1, 17, 253, 253, 253, 2, 6, 255, 47))
            if self.chance(0.3):
                d["bind"] = [str(self.pick((US, "0.0.0.0", "127.0.0.1", *GROUP_ADDRS, "10.0.0.255", "10.0.0.9"))), 0]
            if self.chance(0.3):
                d["connect"] = [str(self.pick((PEER_IP, PEER_IP, "10.0.0.9", "192.0.2.1"))), 0]
            opts += self.some_opts()
            if self.chance(0.3):
                opts.append(["IP_HDRINCL", 1])
            if d["proto"] == 1 and self.chance(0.4):
                opts.append(["ICMP_FILTER", r.choice((0, 1, 256, 0x800, -2 & 0xFFFFFFFF, 0xFFFFFFFF, 1 << 3 | 1 << 8))])
        elif k == 2:
            d["type"] = "ping"
            d["bind"] = [r.choice(("0.0.0.0", US, "127.0.0.1", "10.0.0.255")), r.choice((7, OPEN, 0x4242))]
            opts += self.some_opts(2)
            if self.chance(0.4):
                d["connect"] = [PEER_IP, 0]
            if self.chance(0.85):
                self.sysctls["net.ipv4.ping_group_range"] = "0 2147483647"
        elif k == 3:
            d["type"] = "packet"
            if self.chance(0.3):
                d["cooked"] = 1
            if self.chance(0.2):
                d["nodev"] = 1
            if self.chance(0.4):
                d["proto"] = r.choice((3, 0x0800, 0x0806, 0x0004, 0x8100, 0x88B5, 0x0001, 0x86DD, 0x88A8))
            if self.chance(0.2):
                opts.append(["SO_RCVBUF", self.pick(RCVBUFS)])
            if self.chance(0.2):
                opts.append(["SO_ATTACH_FILTER", self.bpf()])
        else:
            d["type"] = "tcp_listen"
            d["bind"] = ["0.0.0.0", OPEN]
            d["listen"] = 5
        if k in (0, 1) and ((g == "mcast" and self.chance(0.7)) or self.chance(0.03)):
            d["join"] = [
                [str(self.pick(GROUP_ADDRS)), r.choice((US, US, US, "0.0.0.0", "10.9.9.9"))]
                for _ in range(r.choice((1, 1, 2)))
            ]
        if k == 0 and (g == "mcast" and self.chance(0.25)):
            d["join_source"] = [
                [str(self.pick(GROUP_ADDRS)), US, r.choice((PEER_IP, PEER_IP, "10.0.0.9", "192.0.2.1"))]
                for _ in range(r.choice((1, 1, 2)))
            ]
        if k < 4 and self.chance(0.06):
            opts.append(["SO_ATTACH_FILTER", self.bpf() if self.chance(0.4) else self.bpf_any()])
        r.shuffle(opts)
        if opts:
            d["opts"] = opts
        return d

    def bpf(self) -> list[list[int]]:
        r = self.rng
        k = r.randrange(7)
        snap = r.choice((0, 1, 8, 9, 20, 34, 60, 65535, 0xFFFFFFFF))
        if k == 0:
            return [[6, 0, 0, snap]]
        if k == 1:
            off, width = r.choice((0, 1, 8, 9, 12, 23, 30)), r.choice((0x28, 0x30, 0x20))
            return [
                [width, 0, 0, off],
                [0x15, 0, 1, r.choice((0, 0x800, 0x806, OPEN, 17))],
                [6, 0, 0, snap],
                [6, 0, 0, 0],
            ]
        if k == 2:
            return [[0x80, 0, 0, 0], [0x25, 0, 1, r.choice((20, 42, 60, 100))], [6, 0, 0, snap], [6, 0, 0, 0]]
        if k == 3:
            return [
                [0x28, 0, 0, 0xFFFFF000 + r.choice((0, 4, 8))],
                [0x15, 1, 0, r.choice((0, 1, 2, 3, 0x800))],
                [6, 0, 0, 0],
                [6, 0, 0, snap],
            ]
        if k == 4:
            return [[0xB1, 0, 0, r.choice((0, 14))], [0x48, 0, 0, 2], [0x15, 0, 1, OPEN], [6, 0, 0, snap], [6, 0, 0, 0]]
        if k == 5:
            return [[0x30, 0, 0, r.choice((0, 9)) + 0xFFF00000], [0x54, 0, 0, 0xF], [0x16, 0, 0, 0]]
        return [[0x20, 0, 0, r.choice((0, 4, 100, 2000))], [0x44, 0, 0, 1], [0x16, 0, 0, 0]]

    # --- steps -------------------------------------------------------------------------------------------------------
    def bpf_any(self) -> list[list[int]]:
        """A program of any operations, most of them allowed, that keeps a small number of bytes or what it reckoned."""
        r = self.rng
        out: list[list[int]] = []
        for _ in range(r.choice((0, 1, 1, 2, 3, 5))):
            k = r.randrange(8)
            small = r.choice((0, 1, 2, 4, 8, 12, 20, 31, 60))
            if k == 0:
                out.append([r.choice((0x20, 0x28, 0x30, 0x40, 0x48, 0x50)), 0, 0, r.choice((
                    small, small, 0xFFFFF000 + r.choice((0, 4, 8, 12, 16, 20, 24, 28, 40, 44, 48, 52, 60)), 0xFFF00000 + small,
                    0xFFE00000 + small, 0xFFFFF000 + r.randrange(80)))])  # fmt: skip
            elif k == 1:
                out.append([r.choice((0x00, 0x01, 0x80, 0x81, 0xB1, 0x07, 0x87)), 0, 0, small])
            elif k == 2:
                out.append([r.choice((0x02, 0x03, 0x60, 0x61)), 0, 0, r.choice((0, 0, 1, 15, 16))])
            elif k in (3, 4):
                op = r.randrange(11) << 4
                out.append([0x04 | op | r.choice((0, 8)), 0, 0, r.choice((small, small, 33, 0xFFFFFFFF))])
            elif k == 5:
                out.append(
                    [r.choice((0x15, 0x25, 0x35, 0x45, 0x1D, 0x2D)), r.choice((0, 0, 1)), r.choice((0, 1)), small]
                )
            elif k == 6:
                out.append([0x05, 0, 0, r.choice((0, 0, 1, 9))])
            elif self.chance(0.1):
                out.append([r.randrange(65536), r.randrange(3), r.randrange(3), r.randrange(40)])
        if self.chance(0.4):
            out += [[0x54, 0, 0, 0x7F], [0x04, 0, 0, r.choice((1, 20, 40))], [0x16, 0, 0, 0]]
        else:
            out += [[0x06, 0, 0, r.choice((1, 8, 9, 12, 20, 28, 36, 42, 100, 1000, 0xFFFFFFFF))]] * r.choice((1, 2, 2))
        return out

    def inject(self) -> None:
        frames: list[Any] = []
        for _ in range(self.rng.choice((1, 1, 2, 3, 5, 8))):
            frames += self.frames()
        self.sent += sum(f.get("repeat", 1) if isinstance(f, dict) else 1 for f in frames)
        st: dict[str, Any] = {"op": "inject", "frames": frames}
        if self.chance(0.04):
            st["burst"] = True
        self.steps.append(st)

    def look(self) -> None:
        """What a program does after frames came."""
        r = self.rng
        if not self.alive:
            if self.group == "arp" or self.chance(0.1):
                self.steps.append({"op": "neighbours"})
            return
        s = self.pick(self.alive)
        sid = s["id"]
        if s["type"] == "tcp_listen":
            return
        k = r.randrange(40)
        if k < 12:
            st: dict[str, Any] = {"op": "recv_all", "sock": sid}
            if self.chance(0.15):
                st["len"] = r.choice((0, 1, 4, 8, 20, 100, 1472))
            self.steps.append(st)
        elif k < 19:
            st = {"op": "recv", "sock": sid}
            if self.chance(0.3):
                st["len"] = r.choice((0, 1, 4, 8, 20, 28, 100))
            if self.chance(0.5):
                st["flags"] = r.choice(
                    (
                        ["PEEK"],
                        ["TRUNC"],
                        ["PEEK", "TRUNC"],
                        ["ERRQUEUE"],
                        ["ERRQUEUE"],
                        ["OOB"],
                        ["WAITALL"],
                        ["DONTWAIT"],
                        ["ERRQUEUE", "PEEK"],
                    )
                )
            if self.chance(0.2):
                st["count"] = r.choice((2, 3))
            self.steps.append(st)
        elif k < 21:
            self.steps.append({"op": "poll", "sock": sid})
        elif k < 23:
            self.steps.append({"op": "mem", "sock": sid})
        elif k < 24:
            self.steps.append({"op": "inq", "sock": sid})
        elif k < 25:
            self.steps.append({"op": "recv_count", "sock": sid})
        elif k < 26:
            self.steps.append({"op": "state", "sock": sid})
        elif k < 29:
            self.steps.append(
                {"op": "getsockopt", "sock": sid, "opt": "SO_ERROR" if self.chance(0.4) else self.pick(GET_OPTS)}
            )
        elif k < 31 and self.chance(0.15):
            self.steps.append({"op": "setsockopt", "sock": sid, "opt": "SO_ATTACH_FILTER", "value": self.bpf_any()})
        elif k < 31:
            name, values = self.pick(UDP_OPTS)
            v = self.pick(values)
            self.steps.append(
                {
                    "op": "setsockopt",
                    "sock": sid,
                    "opt": name,
                    "value": v
                    if self.chance(0.85) or not isinstance(v, int)
                    else self.pick((0, 1, -1, 2, 255, 256, 65536)),
                }
            )
        elif k < 34:
            data = hx(self.payload(r.choice((0, 1, 8, 20, 64, 100, 1472, 1473, 2000, 3000))))
            if self.chance(0.5) or s["type"] == "packet":
                if s["type"] == "packet":
                    self.steps.append({"op": "send", "sock": sid, "data": hx(self.ether(PEER, 0x88B5, b"")) + data})
                else:
                    self.steps.append(
                        {
                            "op": "send",
                            "sock": sid,
                            "data": data,
                            **({"flags": [self.pick(("MORE", "OOB", "DONTWAIT", "EOR"))]} if self.chance(0.08) else {}),
                        }
                    )
            else:
                to = PEER_IP if self.chance(0.6) else str(self.pick(TARGETS + SOURCES))
                self.steps.append(
                    {
                        "op": "sendto",
                        "sock": sid,
                        "data": data,
                        "to": [to, 0 if s["type"] in ("raw", "ping") else r.choice((9000, REMOTE, OPEN, 0))],
                    }
                )
        elif k < 35:
            if s["type"] != "packet":
                self.steps.append(
                    {
                        "op": "connect",
                        "sock": sid,
                        "to": [
                            PEER_IP if self.chance(0.7) else str(self.pick(TARGETS)),
                            0 if s["type"] != "udp" else r.choice((9000, REMOTE, 0)),
                        ],
                    }
                )
        elif k < 36:
            if s["type"] != "packet":
                self.steps.append({"op": "disconnect", "sock": sid})
        elif k < 37:
            self.steps.append(
                {"op": self.pick(("getsockname", "getpeername")), "sock": sid}
                if s["type"] != "packet"
                else {"op": "inq", "sock": sid}
            )
        elif k < 38:
            if self.chance(0.5):
                self.steps.append({"op": "shutdown", "sock": sid, "how": self.pick(("rd", "wr", "rdwr"))})
            elif len(self.alive) > 1:
                self.steps.append({"op": "close", "sock": sid})
                self.alive.remove(s)
        elif k < 39:
            if s.get("join") and self.chance(0.7):
                self.steps.append(
                    {"op": "setsockopt", "sock": sid, "opt": "IP_DROP_MEMBERSHIP", "value": [s["join"][0][0], US]}
                )
            else:
                self.steps.append({"op": "neighbours"})
        elif self.chance(0.3):
            name, values = self.pick(SYSCTLS_ANY)
            value = self.pick(values)
            if (name, value) != NOT_AS_STEP:
                self.steps.append({"op": "sysctl", "key": name, "value": value})
        elif self.chance(0.6):
            d = self.make_socket("z%d" % len(self.steps))
            if "join" not in d and "join_source" not in d:
                self.alive.append(d)
                self.steps.append({"op": "socket", **d})

    def environment(self) -> None:
        r = self.rng
        g = self.group
        e = self.env
        if (g == "arp" and self.chance(0.75)) or self.chance(0.03):
            e["neigh"] = []
        elif g == "forward" or self.chance(0.1):
            e["neigh"] = [["10.0.0.1", "02:00:00:00:00:01"], ["10.0.0.9", "02:00:00:00:00:09"]]
        if self.chance(0.12):
            e["addrs"] = ["10.0.0.2/24", "10.1.0.2/24"] if self.chance(0.6) else r.choice((
                ["10.0.0.2/24", "10.0.0.7/24"], ["10.0.0.2/32"], ["10.0.0.2/30"], ["10.0.0.2/8"], ["10.0.0.2/31"], ["10.0.0.2/16", "192.0.2.2/24"]))  # fmt: skip
        if self.chance(0.25 if g in ("forward", "ipv4", "icmp") else 0.08):
            e["routes"] = r.choice(([["default", "10.0.0.1"]], [["default", "10.0.0.1"]], [["192.0.2.0/24", "10.0.0.9"]], [["192.0.2.0/24", None]],
                                    [["default", "10.0.0.1"], ["192.0.2.0/24", "10.0.0.9"]], [["10.0.0.0/25", "10.0.0.9"]], [["default", None]]))  # fmt: skip
            if e.get("addrs") and any("/3" in a for a in e["addrs"]):
                del e["addrs"]
        if self.chance(0.12 if g == "udpbuf" else 0.04):
            e["skb_alloc"] = "alloc_skb"
        if self.chance(0.2 if g == "ethernet" else 0.02):
            e["promisc"] = True
        if self.chance(0.1 if g == "ethernet" else 0.02):
            e["allmulti"] = True
        if self.chance(0.06):
            e["mtu"] = r.choice((576, 1000, 1280, 1400, 68, 9000, 296))
        if self.chance(0.02):
            e["lo_up"] = False
        if g == "forward":
            self.sysctls["net.ipv4.ip_forward"] = "1"
            if self.chance(0.5):
                self.sysctls["net.ipv4.conf.all.send_redirects"] = "0"
                self.sysctls["net.ipv4.conf.tap0.send_redirects"] = "0"
        rows = SYSCTLS.get(g, SYSCTLS_ANY)
        for _ in range(r.choice((0, 0, 0, 1, 1, 2))):
            name, values = self.pick(rows if self.chance(0.85) else SYSCTLS_ANY)
            if values:
                self.sysctls.setdefault(name, self.pick(values))

    def scenario(self, name: str) -> dict[str, Any]:
        self.environment()
        n = (
            self.rng.choice((0, 1, 1, 2))
            if self.group in ("arp", "forward")
            else self.rng.choice((1, 1, 1, 2, 2, 3, 4))
        )
        for i in range(n):
            d = self.make_socket("abcdefgh"[i])
            self.sockets.append(d)
            self.alive.append(d)
        while self.sent < self.budget and len(self.steps) < 120:
            self.inject()
            for _ in range(self.rng.choice((0, 0, 1, 1, 2, 4))):
                self.look()
        for s in self.alive:
            if s["type"] != "tcp_listen":
                self.steps.append({"op": "recv_all", "sock": s["id"]})
        if not any("join" in s or "join_source" in s for s in self.sockets):
            self.steps.append({"op": "neighbours"})  # it takes a while, in which a group's reports go out
        out: dict[str, Any] = {"name": name, "group": self.group}
        if self.env:
            out["env"] = self.env
        if self.sysctls:
            out["sysctls"] = self.sysctls
        out["sockets"] = self.sockets
        out["steps"] = self.steps
        return out


def _sum(data: bytes) -> int:
    """Unfolded sum of 16 bit words."""
    if len(data) & 1:
        data += b"\0"
    return sum(struct.unpack("!%dH" % (len(data) // 2), data))


def generate(seed: int, group: str, frames: int = 30) -> dict[str, Any]:
    """The scenario of a seed: about `frames` frames."""
    return Gen(random.Random(f"{group}/{seed}"), group, frames).scenario(f"fuzz/{group}_{seed}")


# --- mutation of what exists -------------------------------------------------------------------------------------------


def fix_checksums(frame: bytes) -> bytes:
    """Make the checksums of an IPv4 frame right (a fragment's and an unknown protocol's only in the IP header)."""
    if len(frame) < 34 or frame[12:14] != b"\x08\0":
        return frame
    f = bytearray(frame)
    ihl = (f[14] & 15) * 4
    if ihl < 20 or len(f) < 14 + ihl:
        return frame
    f[24:26] = b"\0\0"
    struct.pack_into("!H", f, 24, ip_compute_csum(bytes(f[14 : 14 + ihl])))
    tlen = min(struct.unpack_from("!H", f, 16)[0], len(f) - 14)
    if struct.unpack_from("!H", f, 20)[0] & 0x3FFF:
        return bytes(f)
    t = 14 + ihl
    seg = bytearray(f[t : 14 + tlen])
    at = {17: 6, 6: 16, 1: 2, 2: 2}.get(f[23])
    if at is None or len(seg) < at + 2 or (f[23] == 17 and seg[6:8] == b"\0\0"):
        return bytes(f)
    seg[at : at + 2] = b"\0\0"
    if f[23] in (1, 2):
        c = ip_compute_csum(bytes(seg))
    else:
        src, dst = struct.unpack_from("!II", f, 26)
        c = csum_tcpudp_magic(src, dst, len(seg), f[23], _sum(bytes(seg))) or (0xFFFF if f[23] == 17 else 0)
    struct.pack_into("!H", f, t + at, c)
    return bytes(f)


def mutate_frame(rng: random.Random, spec: Any) -> Any:
    """One or two bytes of the headers or the length of a frame changed; checksums mostly put right again."""
    d = dict(spec) if isinstance(spec, dict) else {"hex": spec}
    f = bytearray.fromhex(d["hex"])
    for _ in range(rng.choice((1, 1, 2))):
        k = rng.randrange(10)
        if k < 6 and f:
            i = rng.randrange(min(len(f), rng.choice((14, 34, 34, 42, 60, 70))))
            f[i] = rng.choice(
                (0, 1, 0xFF, f[i] ^ 1 << rng.randrange(8), f[i] + 1 & 255, f[i] - 1 & 255, rng.randrange(256))
            )
        elif k == 6 and len(f) > 15 and "pat" not in d:
            del f[rng.randrange(14, len(f)) :]
        elif k == 7 and "pat" not in d:
            f += rng.randbytes(rng.choice((1, 2, 8, 20)))
        elif k == 8 and "repeat" not in d:
            d["repeat"] = rng.choice((2, 3))
        elif len(f) > 22:
            struct.pack_into(
                "!H", f, 16, max(0, min(65535, struct.unpack_from("!H", f, 16)[0] + rng.choice((-1, 1, -8, 8, -20))))
            )
    b = bytes(f)
    if "pat" in d:
        if rng.random() < 0.3:
            d["pat"] = [max(0, d["pat"][0] + rng.choice((-8, -1, 1, 8))), *d["pat"][1:]]
    elif rng.random() < 0.85:
        b = fix_checksums(b)
    d["hex"] = b.hex()
    return d["hex"] if set(d) == {"hex"} else d


def mutate(seed: int, scenario: dict[str, Any]) -> dict[str, Any]:
    """A neighbour of a scenario: other frames, order, options, sysctls; steps doubled or left out."""
    rng = random.Random(f"mutate/{seed}")
    sc: dict[str, Any] = json.loads(json.dumps(scenario))
    sc["name"] = f"fuzz/mutant_{seed}"
    injects = [st for st in sc["steps"] if st["op"] == "inject" and st["frames"]]
    for _ in range(rng.choice((1, 2, 3, 5))):
        k = rng.randrange(12)
        if k < 5 and injects:
            st = rng.choice(injects)
            i = rng.randrange(len(st["frames"]))
            if rng.random() < 0.5:
                st["frames"][i] = mutate_frame(rng, st["frames"][i])
            else:
                st["frames"].insert(rng.randrange(len(st["frames"]) + 1), mutate_frame(rng, st["frames"][i]))
        elif k == 5 and injects:
            rng.shuffle(rng.choice(injects)["frames"])
        elif k == 6 and injects:
            st = rng.choice(injects)
            st["frames"] = st["frames"] + st["frames"]
        elif k == 7 and sc.get("sockets"):
            s = rng.choice(sc["sockets"])
            if s["type"] in ("udp", "raw", "ping"):
                name, values = rng.choice(UDP_OPTS)
                s["opts"] = [*s.get("opts", []), [name, rng.choice(values)]]
        elif k == 8:
            name, values = rng.choice(SYSCTLS_ANY)
            sc["sysctls"] = {**sc.get("sysctls", {}), name: rng.choice(values)}
        elif k == 9 and len(sc["steps"]) > 1:
            i = rng.randrange(len(sc["steps"]))
            if rng.random() < 0.5:
                sc["steps"].insert(i, sc["steps"][rng.randrange(len(sc["steps"]))])
            else:
                del sc["steps"][i]
        elif k == 10:
            sc["env"] = {**sc.get("env", {}), **rng.choice((
                {"skb_alloc": "alloc_skb"}, {"promisc": True}, {"routes": [["default", "10.0.0.1"]]}, {"neigh": []}, {"mtu": 1000}))}  # fmt: skip
        elif injects and sc.get("sockets"):
            sid = rng.choice(sc["sockets"])["id"]
            sc["steps"].insert(rng.randrange(len(sc["steps"]) + 1), rng.choice((
                {"op": "poll", "sock": sid}, {"op": "mem", "sock": sid}, {"op": "recv", "sock": sid}, {"op": "state", "sock": sid},
                {"op": "recv", "sock": sid, "flags": ["PEEK"]}, {"op": "getsockopt", "opt": "SO_ERROR", "sock": sid})))  # fmt: skip
    return sc
