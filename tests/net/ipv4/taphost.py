"""A host at 10.0.0.2/24 behind a TAP device: frames in, frames out, sockets, counters; no NIC, no costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxpath.config import MachineConfig
from rxpath.drivers.tun.tun import tun_create, tun_do_read, tun_get_user
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.net.core.netdevice import dev_open, dev_set_mtu
from rxpath.net.ipv4.devinet import inet_insert_ifa
from rxpath.net.ipv4.fib import fib_add_route
from rxpath.net.packet.af_packet import packet_init
from rxpath.observe import counters
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4, ip4_net, mac
from rxpath.wire.build import icmp_echo_frame, ipv4_frame, udp_frame

HOST, HOST_MAC = ip4("10.0.0.2"), mac("02:00:00:00:00:02")
PEER, PEER_MAC = ip4("10.0.0.1"), mac("02:00:00:00:00:01")
BROADCAST_MAC = b"\xff" * 6
RELEASES = ("3.13", "5.15", "6.1", "6.18")
MS = 1_000_000
DONTWAIT, PEEK, TRUNC, ERRQUEUE = 0x40, 2, 0x20, 0x2000


class TapHost:
    """`neigh=False`: the peer's hardware address is not known beforehand."""

    def __init__(
        self,
        release: str = "6.18",
        *,
        neigh: bool = True,
        mtu: int = 1500,
        addrs: tuple[str, ...] = ("10.0.0.2/24",),
        routes: tuple[tuple[str, str], ...] = (),
        sysctls: dict[str, str] | None = None,
    ) -> None:
        self.m = Machine(MachineConfig(release=release, costs="none", sysctls=dict(sysctls or {})))
        self.m.boot()
        self.net = self.m.net
        self.ipv4 = self.net.ipv4
        if self.net.packet is None:
            packet_init(self.net)
        self.tap = tun_create(self.net, "tap0")
        self.m.in_task(lambda: self._up(neigh, mtu, addrs, routes))
        self.sent()

    def _up(self, neigh: bool, mtu: int, addrs: tuple[str, ...], routes: tuple[tuple[str, str], ...]) -> None:
        self.tap.ndo_set_mac_address(HOST_MAC)
        dev_set_mtu(self.tap, mtu)
        for a in addrs:
            addr, plen = ip4_net(a)
            inet_insert_ifa(self.tap, addr, plen, broadcast=-1)
        dev_open(self.tap)
        if neigh:
            neigh_add(self.ipv4.arp_tbl, PEER, self.tap, PEER_MAC, NUD_PERMANENT)
        for prefix, gw in routes:
            p, n = ip4_net(prefix)
            fib_add_route(self.ipv4, p, n, dev=self.tap, gw=ip4(gw))

    # --- frames ------------------------------------------------------------------------------------------------------
    def rx(self, *frames: bytes) -> list[bytes]:
        """Let frames in, one after another; what was sent by then."""

        def feed() -> None:
            for f in frames:
                self.m.ledger.capture += 1
                self.m.ledger.wire += 1
                self.m.wire_times.append(self.m.now)
                tun_get_user(self.tap, f, len(self.m.wire_times) - 1)

        self.m.in_task(feed)
        return self.sent()

    def sent(self) -> list[bytes]:
        if self.m.kernel.engine.current is None:
            return self.m.in_task(self._read) if self.tap.to_reader else []  # type: ignore[no-any-return]
        return self._read()

    def _read(self) -> list[bytes]:
        out: list[bytes] = []
        while (f := tun_do_read(self.tap)) is not None:
            if f[12:14] != b"\x86\xdd" and not (f[12:14] == b"\x08\0" and f[23] == 2):  # IGMP is not of interest
                out.append(f)
        return out

    def udp(self, dport: int, data: bytes = b"x", *, sport: int = 4000, src: int = PEER, dst: int = HOST,
            dmac: bytes = HOST_MAC, **more: Any) -> bytes:  # fmt: skip
        return udp_frame(PEER_MAC, dmac, src, dst, sport, dport, data, pad=False, **more)

    def ip(self, proto: int, data: bytes = b"", *, src: int = PEER, dst: int = HOST, **more: Any) -> bytes:
        return ipv4_frame(PEER_MAC, HOST_MAC, src, dst, proto, data, pad=False, **more)

    def echo(self, data: bytes = b"ping", *, dst: int = HOST, dmac: bytes = HOST_MAC, ident: int = 7) -> bytes:
        return icmp_echo_frame(PEER_MAC, dmac, PEER, dst, ident, 1, data, pad=False)

    def run(self, ms: float) -> list[bytes]:
        """Time passes; what was sent meanwhile."""
        self.m.run(self.m.now + int(ms * MS))
        return self.sent()

    # --- sockets -----------------------------------------------------------------------------------------------------
    def do(self, fn: Callable[[], Any]) -> Any:
        return self.m.in_task(fn)

    def sock(self, port: int = 0, addr: str = "", *opts: tuple[int, int, int], type: int = 2, proto: int = 0) -> Socket:
        """A non-blocking socket, bound when there is a port or address."""
        s = Socket(self.net, 2, type, proto)
        for level, name, value in opts:
            s.setsockopt(level, name, value)
        if port or addr:
            s.bind((addr, port))
        s.setblocking(False)
        return s

    def drain(self, s: Socket) -> list[bytes]:
        out: list[bytes] = []
        while True:
            try:
                out.append(s.recv(65535))
            except BlockingIOError:
                return out

    # --- counters ----------------------------------------------------------------------------------------------------
    def moved(self, act: Callable[[], object]) -> dict[str, int]:
        """snmp and netstat counters that `act` moved, flat: {"Udp.InDatagrams": 1}; octets and plain ECN left out."""
        before = counters.take(self.m)
        act()
        out: dict[str, int] = {}
        for group, rows in counters.moved(before, counters.take(self.m)).items():
            if group in ("snmp", "netstat"):
                out.update({n: v for n, v in rows.items() if "Octets" not in n and "NoECTPkts" not in n})
        return out

    def close(self) -> None:
        self.m.close()
