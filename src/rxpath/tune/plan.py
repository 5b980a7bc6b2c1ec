"""From what somebody asked for to a ReplayRequest: the capture opened and surveyed, the host chosen,
readers set.

What belongs here: every default of `rxpath replay` and `rxpath load` that depends on the capture. What does
not: reading options from text (`cli/`), running (`replay.py`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from errno import ENOTSUP
from fractions import Fraction
from itertools import islice
from typing import Any, Final

from rxpath.config import ConfigError, ListenConfig, MachineConfig, NicConfig
from rxpath.link.adapt import NO_MAC, Addressed, PeerWatch, Shortened
from rxpath.link.capture import CaptureReader
from rxpath.link.capture_writer import INBOUND, OUTBOUND, CaptureWriter, open_writer
from rxpath.link.captured import as_wire
from rxpath.link.compose import Chain, load_chain, shape
from rxpath.link.conversations import Conversations, conversations
from rxpath.link.filter import Filtered
from rxpath.link.generator import LoadGenerator, Sizes
from rxpath.link.source import Frame, Source
from rxpath.link.survey import HostSurvey, survey
from rxpath.machine import Machine
from rxpath.observe.tap import DeviceTap
from rxpath.tune.replay import HostScan, Listener, ReplayRequest
from rxpath.tune.tcp_replay import TcpListener, ports_of
from rxpath.units import human_time
from rxpath.wire.addr import ip4_str

MAX_PORTS: Final = 256
DEFAULT_ADDRESS: Final = "10.0.0.2/24"

RunAction = Callable[[Machine, str], None]


@dataclass(slots=True)
class LoadSpec:
    """What `rxpath load` sends: `count` UDP datagrams at `pps` frames a second, `size` bytes of payload
    each.
    """

    pps: int = 100_000
    size: str = "64"
    count: int = 100_000
    flows: int = 1
    burst: int = 1
    port: int = 9
    arrivals: str = "even"


@dataclass(slots=True)
class ReplayOptions:
    """What was asked for, as exact values. Either `capture` (a path, "-" for standard input) or `load` is
    set.

    `host` 0 lets the capture choose. `count` 0 takes all frames. `write_at` is "wire" or "tap".
    """

    machine: MachineConfig
    capture: str = ""
    load: LoadSpec | None = None
    captured_at: str = "auto"
    host: int = 0
    speed_up: Fraction = Fraction(1)
    loop: int = 1
    count: int = 0
    filter: str = ""
    write: str = ""
    write_at: str = "wire"


@dataclass(slots=True)
class Plan:
    """A request ready to run, and what has to be put away afterwards. `stop` ends the source at the next
    frame.
    """

    request: ReplayRequest
    chain: Chain
    options: ReplayOptions
    recorder: Recorder | None = None
    short: Shortened | None = None
    stopped: bool = False

    def stop(self) -> None:
        """No more frames: what is on its way ends as it will, and the result is of what was sent."""
        self.stopped = True

    def finish(self, messages: list[str]) -> None:
        """After the run: say what was reconstructed, close files."""
        reconstruction = self.chain.reconstruction()
        if reconstruction is not None:
            messages.extend(reconstruction.lines())
        if self.short is not None and self.short.hits:
            limit = human_time(self.short.limit_ns)
            messages.append(f"{self.short.hits} pauses of more than {limit} shortened to that")
        if self.stopped:
            messages.append("interrupted: the numbers are of the frames sent until then")
        self.close()

    def describe(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result with how it was played beside the machine in its `config` (no path, so that runs
        compare).
        """
        options = self.options
        wanted: dict[str, object] = {
            "link_bps": options.machine.nics[0].link_rate(),
            "loop": options.loop,
            "speed_up": str(options.speed_up),
        }
        if options.load is not None:
            wanted["load"] = {f.name: getattr(options.load, f.name) for f in fields(options.load)}
        else:
            wanted["captured_at"] = options.captured_at
        result["config"] = {**result["config"], "run": wanted}
        return result

    def close(self) -> None:
        """Close the capture and the file written; once more does nothing."""
        self.chain.close()
        if self.recorder is not None:
            self.recorder.close()
            self.recorder = None


class Recorder:
    """`-w`: both directions of the wire to a capture file, without any effect on the machine.

    A frame that comes in has its own time, one that goes out its engine time on the same scale. The source
    is read one frame ahead of the engine, so that frame is held until nothing can come before it.
    """

    __slots__ = ("base", "held", "machine", "start", "started", "writer")

    def __init__(self, writer: CaptureWriter) -> None:
        self.writer = writer
        self.machine: Machine | None = None
        self.held: Frame | None = None
        self.base = 0
        self.start = 0
        self.started = False

    def watch(self, machine: Machine) -> None:
        """Record what the first NIC of `machine` transmits."""
        self.machine = machine
        machine.ports[0].on_transmit = self.sent

    def frames(self, source: Iterator[Frame]) -> Iterator[Frame]:
        """Pass frames on, recording them."""
        for item in source:
            if not self.started:
                assert self.machine is not None
                self.started = True
                self.base = item[0]
                self.start = self.machine.now
            self.comes(item)
            yield item

    def comes(self, item: Frame) -> None:
        """The source gave a frame; it is on the wire when the engine gets to its time."""
        self._write_held()
        self.held = item

    def _write_held(self) -> None:
        if self.held is not None:
            self.writer.write(self.held[0], self.held[1])
            self.held = None

    def sent(self, now: int, frame: bytes) -> None:
        """A frame left the NIC at engine time `now`. What left before the first frame came is not recorded."""
        if not self.started:
            return
        time = self.base + now - self.start
        if self.held is not None and self.held[0] <= time:
            self._write_held()
        self.writer.write(time, frame)

    def close(self) -> None:
        """Write what is held and close the file."""
        self._write_held()
        self.writer.close()


class TapRecorder(Recorder):
    """`-w --at tap`: what a tap on the first interface sees, with a tap's effects (observe/tap.py)."""

    __slots__ = ("tap",)

    def __init__(self, writer: CaptureWriter) -> None:
        super().__init__(writer)
        self.tap: DeviceTap | None = None

    def watch(self, machine: Machine) -> None:
        self.machine = machine
        dev = machine.ports[0].dev
        assert dev is not None
        self.tap = DeviceTap(machine.net, dev, self.seen)
        self.tap.open()

    def comes(self, item: Frame) -> None:
        pass

    def seen(self, now: int, frame: bytes, outgoing: bool) -> None:
        if self.started:
            self.writer.write(self.base + now - self.start, frame, direction=OUTBOUND if outgoing else INBOUND)


def _wanted(host: int, found: dict[int, HostSurvey], best: HostSurvey | None, name: str) -> HostSurvey | None:
    if not host:
        return best
    seen = found.get(host)
    if seen is None or not seen.frames:
        raise ConfigError(f"--host {ip4_str(host)}: nothing in {name} is sent to it")
    return seen


def first_nic(machine: MachineConfig) -> NicConfig:
    """The NIC that frames arrive at; a machine without any gets an e1000e."""
    if not machine.nics:
        machine.nics.append(NicConfig())
    return machine.nics[0]


def _address(nic: NicConfig, ip: int) -> None:
    """Give the NIC the address, unless it has it already."""
    text = ip4_str(ip)
    if any(cidr.split("/")[0] == text for cidr in nic.addresses):
        return
    # an address that would be a network's own or its broadcast stands alone
    nic.addresses.insert(0, f"{text}/{32 if ip & 0xFF in (0, 0xFF) else 24}")


def setup_commands(machine: MachineConfig) -> list[str]:
    """Routes and neighbours of a machine file as the commands that set them on Linux."""
    commands = []
    for route in machine.routes:
        way = (f" via {route.via}" if route.via else "") + (f" dev {route.dev}" if route.dev else "")
        commands.append(f"ip route replace {route.to}{way}")
    for entry in machine.neighbours:
        dev = entry.dev or first_nic(machine).name or "eth0"
        commands.append(f"ip neigh replace {entry.ip} lladdr {entry.mac} dev {dev} nud permanent")
    return commands


def _listeners(configs: list[ListenConfig], cpus: int) -> list[Listener]:
    """Readers as the run knows them. A reader without a CPU goes, in turn, to CPUs 1, 2, ..., 0."""
    result = []
    for number, spec in enumerate(configs):
        if spec.proto != "udp":
            continue
        cpu = spec.cpu if spec.cpu >= 0 else (number + 1) % cpus
        address = int(ipaddress.IPv4Address(spec.address)) if spec.address else 0
        result.append(
            Listener(
                proto=spec.proto,
                port=spec.port,
                cpu=cpu,
                cost_ns=spec.cost_ns,
                rcvbuf=spec.rcvbuf,
                readers=spec.readers,
                echo=spec.echo,
                address=address,
                reuseport=spec.reuseport,
            )
        )
    return result


def _tcp_listeners(configs: list[ListenConfig], cpus: int) -> list[TcpListener]:
    result = []
    for number, spec in enumerate(configs):
        if spec.proto == "tcp":
            result.append(
                TcpListener(
                    port=spec.port,
                    address=int(ipaddress.IPv4Address(spec.address)) if spec.address else 0,
                    cpu=spec.cpu if spec.cpu >= 0 else (number + 1) % cpus,
                    cost_ns=spec.cost_ns,
                    rcvbuf=spec.rcvbuf,
                    readers=spec.readers,
                    echo=spec.echo,
                    sink=spec.sink,
                    reuseport=spec.reuseport,
                )
            )
    return result


def _frames(plan: Plan, source: Source, count: int) -> Iterator[Frame]:
    """The source, cut at `count` or when the plan is stopped; then the request learns how many were read."""
    request = plan.request
    frames: Iterator[Frame] = iter(source)
    if count:
        frames = islice(frames, count)
    if plan.recorder is not None:
        frames = plan.recorder.frames(frames)
    for item in frames:
        if plan.stopped:
            break
        yield item
    request.capture = plan.chain.tally().read


def prepare(options: ReplayOptions, run_action: RunAction | None = None) -> Plan:
    """Open, survey, decide; nothing runs yet.

    Raises ConfigError for what the options contradict, CaptureError for a capture that is none or is
    damaged, OSError for files, and OSError(ENOTSUP) for what is not modelled. `run_action` runs one command
    of `do` on the machine.
    """
    actions = setup_commands(options.machine) + options.machine.do
    if actions and run_action is None:
        raise OSError(ENOTSUP, "commands on the machine")
    nic = first_nic(options.machine)
    try:
        plan = _prepare_load(options, nic) if options.load is not None else _prepare_capture(options, nic)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(str(error)) from None
    request = plan.request
    request.actions = actions
    request.run_action = run_action
    if options.write:
        kind = TapRecorder if options.write_at == "tap" else Recorder
        plan.recorder = kind(open_writer(options.write))
        request.on_machine = plan.recorder.watch
    return plan


def _request(
    options: ReplayOptions,
    chain: Chain,
    hosts: HostScan,
    total: int,
    notes: list[str],
    talks: Conversations | None = None,
) -> Plan:
    machine = options.machine
    configs = machine.listeners or [
        *(ListenConfig(port=port) for port in hosts.udp_ports),
        *(ListenConfig(proto="tcp", port=port) for port in (ports_of(talks)[:MAX_PORTS] if talks is not None else ())),
    ]
    request = ReplayRequest(
        machine=machine,
        source=(),
        listeners=_listeners(configs, machine.cpus),
        auto_listen=False,
        hosts=hosts,
        total=min(total, options.count) if options.count else total,
        not_sent=lambda: dict(chain.tally().not_sent),
        added=lambda: sum(chain.tally().added.values()),
        notes=notes,
        tcp_listeners=_tcp_listeners(configs, machine.cpus),
        talks=talks,
        all_talks=not machine.listeners,
        speed=(options.speed_up.numerator, options.speed_up.denominator),
    )
    plan = Plan(request, chain, options)
    request.source = _frames(plan, chain.source, options.count)
    return plan


def _conversations(reader: CaptureReader, host: int, loop: int, notes: list[str]) -> Conversations | None:
    """The host's TCP conversations, where they can be played."""
    if loop != 1:
        notes.append("TCP: what is played more than once is no conversation; listeners only read")
        return None
    talks = conversations(reader.ethernet(), host)
    if talks.loops:
        notes.append(f"TCP: {talks.loops:,} segments of the host to itself are not played as conversations")
    return talks


def _prepare_capture(options: ReplayOptions, nic: NicConfig) -> Plan:
    reader = CaptureReader(options.capture)
    try:
        wire = as_wire(reader, options.captured_at, host=options.host or None, mtu=nic.mtu or None)
        wanted: Source = Filtered(wire, options.filter) if options.filter else wire
        watch = PeerWatch(wanted)
        wanted = short = Shortened(wanted)
        seen = survey(watch)
        talks: Conversations | None = None
        watch.reset()
        host = _wanted(options.host, seen.hosts, seen.host(), options.capture)
        notes: list[str] = []
        if host is None:
            notes.append("no host in the capture receives IPv4: no address is set and no socket opened")
            hosts = HostScan()
        else:
            if host.mac == NO_MAC:
                wanted = Addressed(wanted, nic.mac_bytes(0))
                notes.append("taken on a loopback device: frames are addressed to the NIC")
            elif not nic.mac and host.mac is not None:
                nic.mac = host.mac.hex(":")
            _address(nic, host.ip)
            ports = sorted((p for p in host.udp if p and p not in host.refused), key=lambda p: (-host.udp[p], p))
            if len(ports) > MAX_PORTS and not options.machine.listeners:
                notes.append(f"the host receives on {len(ports)} UDP ports; the {MAX_PORTS} busiest are opened")
            hosts = HostScan(
                ip=host.ip,
                mac=nic.mac_bytes(0),
                udp_ports=sorted(ports[:MAX_PORTS]),
                tcp_ports=sorted(host.tcp),
                peers=watch.peers_of(host.ip),
                received=host.frames,
            )
            notes.append(f"host {ip4_str(host.ip)} receives {host.frames:,} of {seen.frames:,} frames")
            if host.tcp:
                talks = _conversations(reader, host.ip, options.loop, notes)
                watch.reset()
        source, cable = shape(
            wanted,
            speed_up=options.speed_up,
            loop=options.loop,
            faults=nic.faults,
            seed=options.machine.seed,
            link_bps=nic.link_rate(),
            queue=nic.cable_queue,
        )
        plan = _request(options, Chain(source, reader, wire, cable), hosts, seen.frames * options.loop, notes, talks)
        plan.short = short
        plan.request.first_ns = seen.first_ns
        if talks is not None and seen.last_ns - seen.first_ns > short.limit_ns:
            for _ in short:
                pass
            plan.request.cuts = [(time - short.limit_ns, cut) for time, cut in short.cuts]
            source.reset()
        return plan
    except BaseException:
        reader.close()
        raise


def _prepare_load(options: ReplayOptions, nic: NicConfig) -> Plan:
    load = options.load
    assert load is not None
    if not nic.addresses:
        nic.addresses.append(DEFAULT_ADDRESS)
    own = ipaddress.IPv4Interface(nic.addresses[0])
    peer = next((a for a in own.network.hosts() if a != own.ip), None)
    if peer is None:
        raise ConfigError(f"{own} leaves no address for the sender")
    generator = LoadGenerator(
        count=load.count,
        pps=load.pps,
        burst=load.burst,
        link_bps=nic.link_rate(),
        arrivals=load.arrivals,
        sizes=Sizes.parse(load.size),
        flows=load.flows,
        src=int(peer),
        dst=int(own.ip),
        dport=load.port,
        dst_mac=nic.mac_bytes(0),
        seed=options.machine.seed,
    )
    chain = load_chain(
        generator,
        faults=nic.faults,
        seed=options.machine.seed,
        link_bps=nic.link_rate(),
        queue=nic.cable_queue,
    )
    hosts = HostScan(
        ip=int(own.ip),
        mac=nic.mac_bytes(0),
        udp_ports=[load.port],
        peers={int(peer): generator.src_mac},
        received=load.count,
    )
    return _request(options, chain, hosts, load.count, [])


__all__ = ["LoadSpec", "Plan", "ReplayOptions", "first_nic", "prepare"]
