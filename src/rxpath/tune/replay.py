"""Replay: a capture or a generated load through a modelled host, and the account of every frame.

What lives here: the request, the run, the result.  Terminal output is cli/'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from rxpath.config import MachineConfig
from rxpath.kernel.cpu import Cpu
from rxpath.link.conversations import Conversations
from rxpath.machine import Machine, Port
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.net.core.netdevice import NetDevice
from rxpath.net.core.sock import SO_RCVBUF, SO_REUSEPORT, SOL_SOCKET
from rxpath.net.ipv4.fib import fib_add_route
from rxpath.observe import counters
from rxpath.tune.tcp_replay import TcpListener, TcpReplay
from rxpath.wire.addr import ip4_str

STAGES = ("wire", "nic", "ring", "poll", "gro", "ip", "transport", "socket", "program")
# Before the first frame, for programs that connect as the capture begins.
TCP_START_NS = 1_000_000
# stage words of the ledger's sites -> stage of the funnel
STAGE_OF = {
    "nic": "nic",
    "ring": "ring",
    "driver": "poll",
    "poll": "poll",
    "gro": "gro",
    "backlog": "gro",
    "core": "gro",
    "arp": "gro",
    "ip": "ip",
    "netfilter": "ip",
    "route": "ip",
    "frag": "ip",
    "icmp": "transport",
    "transport": "transport",
    "udp": "transport",
    "tcp": "transport",
    "socket": "socket",
    "program": "program",
    "xmit": "transport",
    "igmp": "transport",
    "raw": "socket",
    "packet": "gro",
    "neigh": "ip",
    "forward": "ip",
}


@dataclass
class Listener:
    """A program to run: `readers` tasks, the first on `cpu` and each next one on the CPU after, that spend `cost_ns`
    on every datagram. They read one socket, or with `reuseport` one each of a SO_REUSEPORT group.
    """

    proto: str = "udp"
    port: int = 0
    cpu: int = 0
    cost_ns: int = 0
    rcvbuf: int = 0
    readers: int = 1
    echo: bool = False
    address: int = 0
    reuseport: bool = False

    def programs(self, cpus: int) -> list[Listener]:
        """What to start, a socket each: itself, or with `reuseport` one a reader."""
        if not self.reuseport:
            return [self]
        return [replace(self, cpu=(self.cpu + n) % cpus, readers=1) for n in range(self.readers)]


@dataclass
class ReplayRequest:
    """What to replay on what.

    `source`: frames with times, already as on the wire (link/ made it).  `hosts`: what a survey of the
    capture found (`HostScan`).  `actions`: commands run after boot, as `ethtool -G eth0 rx 4096`.  `talks`: the host's
    TCP conversations, all of which are played with `all_talks`, else those of `tcp_listeners`; `speed` (as a fraction)
    and `cuts` (time, what was cut for all that is later) lead from their times to the source's, whose first is
    `first_ns`.
    """

    machine: MachineConfig
    source: Iterable[tuple[int, bytes]]
    listeners: list[Listener] = field(default_factory=list)
    auto_listen: bool = True
    hosts: HostScan | None = None
    actions: list[str] = field(default_factory=list)
    run_action: Callable[[Machine, str], None] | None = None
    total: int = 0
    capture: int = 0
    own: int = 0
    not_sent: Callable[[], dict[str, int]] | None = None
    added: Callable[[], int] | None = None
    notes: list[str] = field(default_factory=list)
    on_machine: Callable[[Machine], None] | None = None
    keep_open: bool = False
    tcp_listeners: list[TcpListener] = field(default_factory=list)
    talks: Conversations | None = None
    all_talks: bool = True
    first_ns: int = 0
    speed: tuple[int, int] = (1, 1)
    cuts: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class HostScan:
    """The receiving side of a capture: which address and MAC received most, on which ports, from whom."""

    ip: int = 0
    mac: bytes = b""
    udp_ports: list[int] = field(default_factory=list)
    tcp_ports: list[int] = field(default_factory=list)
    peers: dict[int, bytes] = field(default_factory=dict)
    received: int = 0


def quantiles(values: list[int]) -> dict[str, int]:
    """p50, p99, p99.9 (nearest rank), max and count; empty for no values."""
    if not values:
        return {}
    v = sorted(values)
    n = len(v)

    def rank(num: int, den: int) -> int:
        return v[min(n - 1, (n * num + den - 1) // den - 1)]

    return {"p50": rank(50, 100), "p99": rank(99, 100), "p99.9": rank(999, 1000), "max": v[-1], "count": n}


class ReplayResult:
    """What came of it; `to_json` is the contract of `--json`."""

    def __init__(self, request: ReplayRequest) -> None:
        self.request = request
        self.config: dict[str, Any] = {}
        self.ledger: dict[str, Any] = {}
        self.counters: counters.Counters = {}
        self.latency: dict[str, dict[str, int]] = {}
        self.cpus: list[dict[str, int]] = []
        self.virtual_time_ns = 0
        self.sockets: list[dict[str, Any]] = []
        self.tcp: dict[str, Any] = {}
        self.messages: list[str] = list(request.notes)

    def to_json(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "ledger": self.ledger,
            "counters": self.counters,
            "latency_ns": self.latency,
            "cpus": self.cpus,
            "virtual_time_ns": self.virtual_time_ns,
            "sockets": self.sockets,
            "tcp": self.tcp,
            "messages": self.messages,
        }


class ReaderProgram:
    """A user program: read, spend time, again; with `echo` the datagram goes back."""

    def __init__(self, m: Machine, spec: Listener) -> None:
        self.machine = m
        self.spec = spec
        self.read = 0
        self.sock = m.socket()
        if spec.rcvbuf:
            self.sock.setsockopt(SOL_SOCKET, SO_RCVBUF, spec.rcvbuf)
        if spec.reuseport:
            self.sock.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        self.sock.bind((ip4_str(spec.address) if spec.address else "", spec.port))
        cpus = m.kernel.cpus
        for n in range(spec.readers):
            cpu = cpus[(spec.cpu + n) % len(cpus)]
            m.spawn(partial(self.main, cpu), cpu=cpu.id, name="%s:%d" % (spec.proto, spec.port))

    def main(self, cpu: Cpu) -> None:
        sock = self.sock
        cost = self.spec.cost_ns
        echo = self.spec.echo
        while True:
            data, addr = sock.recvfrom(65535)
            self.read += 1
            if cost:
                cpu.kernel.cur().charge(cost)
            if echo:
                sock.sendto(data, addr)


def counted(source: Iterator[tuple[int, bytes]], tick: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """Pass frames on, telling `tick` how many went by (for progress)."""
    n = 0
    for item in source:
        n += 1
        if not n & 0xFFF:
            tick(n)
        yield item
    tick(n)


def first_time(source: Iterable[tuple[int, bytes]]) -> tuple[Iterator[tuple[int, bytes]], int]:
    """The frames and the time of the first (0 for none)."""
    frames = iter(source)
    for first in frames:
        return chain((first,), frames), first[0]
    return frames, 0


def run(request: ReplayRequest, progress: Callable[[int], None] | None = None) -> ReplayResult:
    """Boot the host, send every frame, let it settle, close it, check the law, and report."""
    result = ReplayResult(request)
    m = Machine(request.machine)
    m.boot()
    try:
        _drive(m, request, result, progress)
    except BaseException:
        m.closed = True
        m.kernel.close()
        raise
    return result


def _drive(m: Machine, request: ReplayRequest, result: ReplayResult, progress: Callable[[int], None] | None) -> None:
    port = m.ports[0]
    dev = port.dev
    assert dev is not None
    hosts = request.hosts
    for action in request.actions:
        assert request.run_action is not None
        request.run_action(m, action)
    if hosts is not None:  # after the actions: an interface that goes down forgets its neighbours
        _teach_peers(m, dev, hosts)
    specs = list(request.listeners)
    if not specs and request.auto_listen and hosts is not None:
        specs = [Listener("udp", p) for p in hosts.udp_ports[:256]]
    programs = [ReaderProgram(m, p) for s in specs if s.proto == "udp" for p in s.programs(len(m.kernel.cpus))]
    if request.on_machine is not None:
        request.on_machine(m)
    tcp: TcpReplay | None = None
    if request.tcp_listeners or request.talks is not None:
        ip = hosts.ip if hosts is not None else 0
        tcp = TcpReplay(m, request.talks, request.tcp_listeners, ip, request.all_talks)
        tcp.prepare()
    m.run(m.now + 1_000_000)
    before = counters.take(m)
    start = m.now
    acct = [list(c.acct) for c in m.kernel.cpus]
    for c in m.kernel.cpus:
        c.set_mode(c.mode)
    acct = [list(c.acct) for c in m.kernel.cpus]
    if tcp is not None and tcp.lives:
        lead = TCP_START_NS if tcp.acts_before(request.first_ns) else 0
        tcp.begin(request.first_ns, m.now + lead - request.first_ns, request.speed, request.cuts)
        if lead:
            m.run(m.now + lead)
    frames, base = first_time(request.source)
    m.attach(0, frames if progress is None else counted(frames, progress), offset=m.now - base)
    m.run()
    if tcp is not None and tcp.end() > m.now:
        m.run(tcp.end() + TCP_START_NS)
        m.run()
    end = m.now
    for c in m.kernel.cpus:
        c.set_mode(c.mode)
    result.virtual_time_ns = end - start
    for c, old in zip(m.kernel.cpus, acct, strict=True):
        d = [a - b for a, b in zip(c.acct, old, strict=True)]
        result.cpus.append(
            {
                "cpu": c.id,
                "hardirq_ns": d[4],
                "softirq_ns": d[3],
                "ksoftirqd_ns": d[2],
                "program_ns": d[1] + d[5],
                "idle_ns": max(0, end - start - d[1] - d[2] - d[3] - d[4] - d[5]),
            }
        )
    _sync_stats(m)
    after = counters.take(m)
    result.counters = counters.moved(before, after)
    in_flight = m.in_flight()
    led = m.kernel.ledger
    led.capture = request.capture
    if request.not_sent is not None:
        led.not_sent = request.not_sent()
    if request.added is not None:
        led.fault_duplicates = request.added()
    led.check(in_flight)
    result.ledger = ledger_json(m, in_flight)
    result.latency = {
        "wire_to_socket": quantiles(m.socket_latency),
        "wire_to_program": quantiles(m.program_latency),
    }
    result.sockets = [
        {"proto": p.spec.proto, "port": p.spec.port, "cpu": p.spec.cpu, "readers": p.spec.readers, "read": p.read}
        for p in programs
    ]
    if tcp is not None:
        result.tcp = tcp.report()
        result.sockets += [
            {"proto": "tcp", "port": s.port, "cpu": s.cpu, "readers": s.readers, "read": n, "unit": "bytes"}
            for s, n in ((s, tcp.reads[s.port]) for s in tcp.listeners)
        ]
    result.config = request.machine.to_dict()
    if not request.keep_open:
        m.close()


def _sync_stats(m: Machine) -> None:
    """Let drivers fold their hardware counters in, as reading /proc/net/dev does."""
    m.files.read("/proc/net/dev")


def _teach_peers(m: Machine, dev: NetDevice, hosts: HostScan) -> None:
    """Neighbours that the capture showed answer no ARP here: their addresses are put in for good."""

    def teach() -> None:
        ipv4 = m.net.ipv4
        try:
            fib_add_route(ipv4, 0, 0, dev=dev)
        except OSError:  # the machine file has a default route of its own
            pass
        told = {n.key for n in ipv4.arp_tbl.entries.values() if n.nud_state == NUD_PERMANENT}
        for ip, mac in hosts.peers.items():
            if ip not in told:  # what a machine file or a command says of a neighbour holds
                neigh_add(ipv4.arp_tbl, ip, dev, mac, NUD_PERMANENT)

    m.in_task(teach, "ip")


def ledger_json(m: Machine, in_flight: int) -> dict[str, Any]:
    """The ledger as data, with the funnel's stages."""
    led = m.kernel.ledger
    dropped = [
        {"stage": s, "reason": r, "counter": c, "count": n}
        for (s, r, c), n in sorted(
            led.dropped.items(),
            key=lambda kv: (STAGES.index(STAGE_OF.get(kv[0][0], "transport")), -kv[1], kv[0]),
        )
        if n
    ]
    lost = dict.fromkeys(STAGES, 0)
    used = dict.fromkeys(STAGES, 0)
    for (s, _, _), n in led.dropped.items():
        lost[STAGE_OF.get(s, "transport")] += n
    for (s, _), n in led.consumed.items():
        used[STAGE_OF.get(s, "transport")] += n
    stages = []
    n = led.wire
    for s in STAGES:
        out = n - lost[s] - used[s]
        stages.append({"stage": s, "in": n, "dropped": lost[s], "consumed": used[s], "out": out})
        n = out
    return {
        "capture": led.capture,
        "fault_duplicates": led.fault_duplicates,
        "not_sent": [{"reason": r, "count": c} for r, c in sorted(led.not_sent.items()) if c],
        "wire": led.wire,
        "delivered": led.delivered,
        "consumed": led.total_consumed(),
        "consumed_by": [{"stage": s, "reason": r, "count": c} for (s, r), c in sorted(led.consumed.items()) if c],
        "dropped": dropped,
        "in_flight": in_flight,
        "stages": stages,
        "own": {
            "generated": led.own_generated,
            "sent": led.own_sent,
            "looped": led.own_looped,
            "dropped": sum(led.own_dropped.values()),
        },
    }


__all__ = [
    "HostScan",
    "Listener",
    "Port",
    "ReplayRequest",
    "ReplayResult",
    "ledger_json",
    "quantiles",
    "run",
]
