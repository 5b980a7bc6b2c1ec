"""A whole machine at 10.0.0.2/24 with one 82574L, a peer at 10.0.0.1, no costs unless asked, and short words to use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rxpath.config import MachineConfig, NicConfig
from rxpath.formats import udp as udp_file
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.observe import counters
from rxpath.tools.run import run_checked
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import udp_frame

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
DEMO = ROOT / "captures" / "demo.pcapng"
PEER, PEER_MAC = ip4("10.0.0.1"), mac("02:00:00:00:00:01")
HOST = ip4("10.0.0.2")
OTHER_MAC = mac("02:00:00:00:00:99")
MS = 1_000_000


class Box:
    """`Box(release, ...)` boots; the peer's neighbour entry is there for good, so that nothing asks by ARP."""

    def __init__(
        self,
        release: str = "6.1",
        *,
        costs: str = "none",
        params: dict[str, str] | None = None,
        refuse: list[str] | None = None,
        mtu: int = 0,
        sysctls: dict[str, str] | None = None,
        model: str = "e1000e",
        cpus: int = 1,
    ) -> None:
        nic = NicConfig(model=model, addresses=["10.0.0.2/24"], params=dict(params or {}), refuse=list(refuse or []))
        if mtu:
            nic.mtu = mtu
        self.m = Machine(MachineConfig(release=release, costs=costs, cpus=cpus, nics=[nic], sysctls=dict(sysctls or {})))
        self.m.boot()
        dev = self.m.ports[0].dev
        assert dev is not None
        self.mac = dev.dev_addr
        arp_tbl = self.m.net.ipv4.arp_tbl
        self.m.in_task(lambda: neigh_add(arp_tbl, PEER, dev, PEER_MAC, NUD_PERMANENT))

    def do(self, line: str) -> Any:
        return run_checked(self.m, line)

    def run(self, ns: int = 5 * MS) -> None:
        self.m.run(self.m.now + ns)

    def udp(self, port: int, n: int, *, sport: int = 4000, **more: Any) -> bytes:
        """`n` bytes of payload from the peer, padded as on the wire."""
        frame = udp_frame(PEER_MAC, self.mac, PEER, HOST, sport, port, b"d" * n, **more)
        return frame.ljust(60, b"\0")

    def rx(self, frame: bytes, count: int = 1) -> int:
        """`count` copies arrive, 32 at a time with a pause, so that the ring never is what loses; how many were taken."""
        took = 0
        while count > 0:
            n = min(count, 32)
            for _ in range(n):
                took += self.m.ports[0].receive(frame)
            count -= n
            self.run(2 * MS)
        return took

    def lap(self) -> None:
        """Let size-1 large frames go by: later ones lie in buffers of the refill."""
        self.rx(self.udp(9, 1000), 255)

    def bound(self, port: int, rcvbuf: int = 0) -> Any:
        s = self.m.socket()
        if rcvbuf:
            s.setsockopt(1, 8, rcvbuf)
        s.bind(("", port))
        s.setblocking(False)
        return s

    def drain(self, sock: Any) -> list[int]:
        """Read until there is nothing more; the lengths."""
        out: list[int] = []

        def read() -> None:
            while True:
                try:
                    out.append(len(sock.recv(65535)))
                except BlockingIOError:
                    return

        self.m.in_task(read, "reader")
        return out

    def udp_row(self, port: int) -> Any:
        """The socket's line in /proc/net/udp."""
        rows = [r for r in udp_file.parse(self.m.files.read("/proc/net/udp")).rows if r.head.lport == port]
        assert len(rows) == 1
        return rows[0]

    def take(self) -> counters.Counters:
        return counters.take(self.m)

    def moved(self, act: Callable[[], object]) -> dict[str, int]:
        """Run `act`; the differences of all counters but those of time and interrupts, flat."""
        before = self.take()
        act()
        out: dict[str, int] = {}
        for group, rows in counters.moved(before, self.take()).items():
            if group not in ("softirqs", "interrupts"):
                out.update({f"{group}.{n}": v for n, v in rows.items()})
        return out

    def close(self) -> None:
        self.m.close()
