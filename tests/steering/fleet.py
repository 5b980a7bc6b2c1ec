"""A machine with many queues and CPUs, flows that carry their number and sequence, and a watch where frames are handed up.

What belongs here: what several tests of steering use.  The Toeplitz hash here is a plain bit-by-bit one of its own, so that
the models' is judged by another.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

from rxpath.config import MachineConfig, NicConfig
from rxpath.formats import cpumask
from rxpath.formats import interrupts as interrupts_file
from rxpath.formats import softnet_stat as softnet_file
from rxpath.machine import Machine
from rxpath.net.core.ethtool import ethtool_get_stats
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.tools.run import run_checked
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import udp_frame

PEER_MAC = mac("02:00:00:00:00:01")
HOST = ip4("10.0.0.2")
BASE = ip4("10.1.0.1")
US, MS = 1_000, 1_000_000
STAMP = Struct(">II")
# Microsoft's verification key: what igb of 3.13 writes
MS_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


def toeplitz(key: bytes, data: bytes) -> int:
    """For every set bit of the input, the 32 bits of the key that begin there."""
    bits = int.from_bytes(key, "big")
    out = 0
    for i in range(len(data) * 8):
        if data[i // 8] >> (7 - i % 8) & 1:
            out ^= bits >> (len(key) * 8 - 32 - i) & 0xFFFFFFFF
    return out


def address(flow: int) -> int:
    return BASE + flow


def sport(flow: int) -> int:
    return 1024 + flow


class Flows:
    """Frames of `n` UDP flows, each from an address and a port of its own; every frame carries (flow, sequence)."""

    def __init__(self, n: int, dst_mac: bytes, dport: int = 9, size: int = 18) -> None:
        self.n = n
        self.next = [0] * n
        body = bytes(size - 8)
        self.heads = [
            udp_frame(PEER_MAC, dst_mac, address(f), HOST, sport(f), dport, b"\0" * 8 + body, checksum=0)
            for f in range(n)
        ]

    def frame(self, flow: int) -> bytes:
        seq = self.next[flow]
        self.next[flow] = seq + 1
        h = self.heads[flow]
        return h[:42] + STAMP.pack(flow, seq) + h[50:]

    def rounds(self, rounds: int, gap_ns: int, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Every flow in turn, `rounds` times, `gap_ns` apart."""
        t = start
        for _ in range(rounds):
            for f in range(self.n):
                yield t, self.frame(f)
                t += gap_ns


class Seen:
    """One frame as it was handed up."""

    __slots__ = ("cpu", "flow", "queue", "seq", "time")

    def __init__(self, time: int, cpu: int, queue: int, flow: int, seq: int) -> None:
        self.time = time
        self.cpu = cpu
        self.queue = queue
        self.flow = flow
        self.seq = seq


class Fleet:
    """`Fleet(model, variant, cpus=...)` boots; `seen` fills with frames in the order of being handed up."""

    def __init__(
        self,
        model: str = "igb",
        variant: str = "82576",
        *,
        release: str = "6.1",
        cpus: int = 8,
        queues: int = 0,
        costs: str = "none",
        hz: int = 250,
        sysctls: dict[str, str] | None = None,
        watch: bool = True,
        params: dict[str, str] | None = None,
    ) -> None:
        nic = NicConfig(model=model, variant=variant, addresses=["10.0.0.2/8"], params=dict(params or {}))
        self.m = Machine(
            MachineConfig(release=release, cpus=cpus, costs=costs, hz=hz, nics=[nic], sysctls=dict(sysctls or {}))
        )
        self.m.boot()
        self.k = self.m.kernel
        self.port = self.m.ports[0]
        dev = self.port.dev
        assert dev is not None
        self.dev = dev
        self.mac = dev.dev_addr
        self.seen: list[Seen] = []
        if queues:
            self.do(f"ethtool -L eth0 combined {queues}")
            self.m.wait_for_link()
        if watch:
            self.k.trace.netif_receive_skb.attach(self._watch)

    def _watch(self, tp: Any, cpu: int, now: int, values: tuple[Any, ...]) -> None:
        skb = values[0]
        h, d = skb.head, skb.data
        if skb.protocol == 0x0800 and h[d + 9] == 17:
            flow, seq = STAMP.unpack_from(h, d + 28)
            self.seen.append(Seen(now, cpu, skb.queue_mapping if skb.rx_queue_recorded else 0, flow, seq))

    def do(self, line: str) -> str:
        return str(run_checked(self.m, line).stdout)

    def read(self, path: str) -> str:
        return str(self.m.files.read(path))

    def write(self, path: str, text: str) -> None:
        self.m.in_task(lambda: self.m.files.write(path, text))

    def flows(self, n: int, **kw: Any) -> Flows:
        return Flows(n, self.mac, **kw)

    def run(self, ns: int = 5 * MS) -> None:
        self.m.run(self.m.now + ns)

    def feed(self, source: Iterator[tuple[int, bytes]]) -> None:
        self.m.attach(0, source)

    def finish(self) -> None:
        """Until the source is dry and nothing moves; then the law."""
        self.m.run()
        self.m.check()

    # --- what the machine says -------------------------------------------------------------------------------
    def irq_of(self, queue: int) -> int:
        """The interrupt that serves a receive queue, by its name in /proc/interrupts."""
        rows = interrupts_file.parse(self.read("/proc/interrupts")).rows
        vectors = [r.irq for r in rows if any("-TxRx-" in a or "-rx-" in a for a in r.actions)]
        return int(vectors[queue % len(vectors)])

    def cpu_of(self, queue: int) -> int:
        return int(self.read(f"/proc/irq/{self.irq_of(queue)}/effective_affinity_list"))

    def counts(self, irq: int) -> list[int]:
        for r in interrupts_file.parse(self.read("/proc/interrupts")).rows:
            if r.irq == irq:
                return list(r.counts)
        raise AssertionError(f"no interrupt {irq}")

    def place(self, queue: int, cpu: int) -> None:
        self.write(
            f"/proc/irq/{self.irq_of(queue)}/smp_affinity", cpumask.render_mask(1 << cpu, len(self.k.cpus)) + "\n"
        )

    def table(self) -> list[int]:
        """The indirection table as `ethtool -x` prints it."""
        out: list[int] = []
        for line in self.do("ethtool -x eth0").splitlines():
            head, _, rest = line.partition(":")
            if head.strip().isdigit():
                out += [int(x) for x in rest.split()]
        return out

    def key(self) -> bytes:
        if self.k.release.name == "3.13":
            return MS_KEY
        return bytes.fromhex(self.k.sysctl.get("net.core.netdev_rss_key").strip().replace(":", ""))[:40]

    def queue_of(self, flow: int, table: list[int], ports: bool = False) -> int:
        """Where the hash and that table put a flow."""
        data = address(flow).to_bytes(4, "big") + HOST.to_bytes(4, "big")
        if ports:
            data += sport(flow).to_bytes(2, "big") + (9).to_bytes(2, "big")
        return table[toeplitz(self.key(), data) % len(table)]

    def queue_packets(self) -> list[int]:
        s = self.m.in_task(lambda: dict(ethtool_get_stats(self.dev)))
        return [v for n, v in s.items() if n.startswith("rx_queue_") and n.endswith("_packets")]

    def softnet(self) -> Any:
        return softnet_file.parse(self.read("/proc/net/softnet_stat"))

    def close(self) -> None:
        self.m.close()


def in_order(seen: list[Seen]) -> None:
    """Within each flow every frame came once, in its order, none is missing."""
    last: dict[int, int] = {}
    for s in seen:
        assert s.seq == last.get(s.flow, -1) + 1, f"flow {s.flow}: {s.seq} after {last.get(s.flow, -1)}"
        last[s.flow] = s.seq


def by_flow(seen: list[Seen]) -> dict[int, set[tuple[int, int]]]:
    """flow -> the (queue, cpu) pairs it was seen on."""
    out: dict[int, set[tuple[int, int]]] = {}
    for s in seen:
        out.setdefault(s.flow, set()).add((s.queue, s.cpu))
    return out


def neighbour(fleet: Fleet, address_: int) -> None:
    """A permanent entry, so that answers to that address need no ARP."""
    tbl = fleet.m.net.ipv4.arp_tbl
    fleet.m.in_task(lambda: neigh_add(tbl, address_, fleet.dev, PEER_MAC, NUD_PERMANENT))
