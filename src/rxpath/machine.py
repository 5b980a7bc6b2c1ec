"""The composition root: MachineConfig -> Machine.  Alone knows every room.

Boot, attach a wire, run, look, close.  Everything of a machine hangs off its Kernel; many machines live in
one process.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from rxpath.config import ConfigError, MachineConfig, NicConfig
from rxpath.drivers.pci import pci_bus, pci_scan_slot
from rxpath.hw.nic.base import NicModel
from rxpath.kernel import procfs
from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import ENODEV, linux_error
from rxpath.kernel.module import Module
from rxpath.kernel.release import find_release
from rxpath.kernel.sched import Task
from rxpath.link.source import BadFcsFrame
from rxpath.net.core import dev as core_dev
from rxpath.net.core.netdevice import (
    IFF_UP,
    Net,
    NetDevice,
    dev_change_name,
    dev_close,
    dev_open,
    dev_set_mtu,
    unregister_netdev,
)
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.xmit import own_in_flight
from rxpath.net.ipv4.af_inet import close_all, in_flight, register_initcalls
from rxpath.net.ipv4.devinet import inet_insert_ifa
from rxpath.net.ipv4.tcp.ipv4 import register_initcalls as register_tcp
from rxpath.net.packet.af_packet import packet_init
from rxpath.sim.clock import Clock
from rxpath.sim.costs import Costs, load_profile
from rxpath.sim.engine import NEVER, Event
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4, ip4_net

# driver name -> (module of its package, attribute): the class of its Module, and of its device models by
# variant
DRIVERS: dict[str, tuple[str, str]] = {
    "e1000e": ("rxpath.drivers.e1000e", "E1000eModule"),
    "igb": ("rxpath.drivers.igb", "IgbModule"),
    "ixgbe": ("rxpath.drivers.ixgbe", "IxgbeModule"),
}
MODELS: dict[str, dict[str, tuple[str, str]]] = {
    "e1000e": {"": ("rxpath.hw.nic.i82574", "I82574"), "82574L": ("rxpath.hw.nic.i82574", "I82574")},
    "igb": {
        "": ("rxpath.hw.nic.igb", "I82576"),
        "82576": ("rxpath.hw.nic.igb", "I82576"),
        "i350": ("rxpath.hw.nic.igb", "I350"),
    },
    "ixgbe": {
        "": ("rxpath.hw.nic.ixgbe", "X540"),
        "x540": ("rxpath.hw.nic.ixgbe", "X540"),
        "82599": ("rxpath.hw.nic.ixgbe", "I82599"),
    },
}

LINK_UP_LIMIT_NS = 10_000_000_000
DRAIN_FIRST_NS = 100_000
DRAIN_STEP_NS = 25_600_000
DRAIN_LIMIT_NS = 5_000_000_000


def _load(where: tuple[str, str], what: str) -> Any:
    try:
        return getattr(importlib.import_module(where[0]), where[1])
    except (ImportError, AttributeError) as e:
        raise linux_error(ENODEV, f"{what} is not modelled ({e})") from None


class Port:
    """A NIC's plug: the device model, its slot, and the wire that feeds it."""

    __slots__ = (
        "machine",
        "engine",
        "ledger",
        "config",
        "model",
        "slot",
        "source",
        "next_frame",
        "offset",
        "exhausted",
        "transmitted",
        "on_transmit",
        "keep_transmitted",
        "event",
        "event_fn",
    )

    def __init__(self, machine: Machine, config: NicConfig, model: NicModel) -> None:
        self.machine = machine
        self.engine = machine.kernel.engine
        self.ledger = machine.kernel.ledger
        self.config = config
        self.model = model
        self.slot = machine.kernel.pci.plug(model)
        self.source: Iterator[tuple[int, bytes]] | None = None
        self.next_frame: bytes = b""
        self.offset = 0
        self.exhausted = True
        self.transmitted = 0
        self.keep_transmitted: list[tuple[int, bytes]] | None = None
        self.on_transmit: Callable[[int, bytes], None] | None = None
        self.event: Event | None = None
        self.event_fn = self._arrive
        model.tx_sink = self._sent

    @property
    def dev(self) -> NetDevice | None:
        """The interface that the driver made of this device, if it is bound."""
        for d in self.machine.net.devices:
            p = d.parent
            if p is not None and getattr(p, "slot", None) is self.slot:
                return d
        return None

    def _sent(self, frame: bytes) -> None:
        self.transmitted += 1
        now = self.machine.kernel.engine.now
        if self.keep_transmitted is not None:
            self.keep_transmitted.append((now, frame))
        if self.on_transmit is not None:
            self.on_transmit(now, frame)

    def feed(self, source: Iterable[tuple[int, bytes]], offset: int) -> None:
        """Frames of `source` arrive at their time plus `offset` (engine ns)."""
        if self.event is not None:
            self.machine.kernel.engine.cancel(self.event)
        self.source = iter(source)
        self.offset = offset
        self.exhausted = False
        self._next()

    def unplug(self) -> None:
        """No more frames from the source."""
        self.source = None
        self.exhausted = True

    def _next(self) -> None:
        assert self.source is not None
        item = next(self.source, None)
        if item is None:
            self.exhausted = True
            self.source = None
            return
        self.next_frame = item[1]
        self.event = self.machine.kernel.engine.at(item[0] + self.offset, self.event_fn)

    def _arrive(self) -> None:
        """The next frame is there; and those behind it, as long as their time is now."""
        source = self.source
        if source is None:  # unplugged
            return
        eng = self.engine
        now = eng.now
        self.receive(self.next_frame)
        for t, frame in source:
            t += self.offset
            if t > now:
                self.next_frame = frame
                event = self.event
                assert event is not None
                eng.again(event, t, self.event_fn)
                return
            self.receive(frame)
        self.exhausted = True
        self.source = None
        eng.stop = True

    def receive(self, frame: bytes) -> bool:
        """One frame from the wire, now."""
        ledger = self.ledger
        tag = ledger.wire
        ledger.wire = tag + 1
        m = self.machine
        if m.keep_times:
            m.wire_times.append(self.engine.now)
        return self.model.receive(frame, tag, type(frame) is not BadFcsFrame)


class Machine:
    """A host: `boot`, `attach`, `run`, `files`, `socket`, `spawn`, `ledger`, `close`; a context manager.

    Raises OSError with Linux's errno for what Linux would refuse, ConfigError for a bad configuration.
    """

    def __init__(self, config: MachineConfig | None = None, *, clock: Clock | None = None) -> None:
        self.config = config if config is not None else MachineConfig()
        c = self.config
        costs = Costs() if c.costs in ("", "none") else load_profile(c.costs).costs(c.cost_level)
        self.kernel = Kernel(
            find_release(c.release),
            ncpus=c.cpus,
            hz=c.hz,
            seed=c.seed,
            clock=clock,
            costs=costs,
            config=dict(c.config),
        )
        self.engine = self.kernel.engine
        self.net = Net(self.kernel)
        self.ports: list[Port] = []
        self.keep_times = True  # when each frame was on the wire, for latencies
        self.wire_times: list[int] = []
        self.socket_latency: list[int] = []
        self.program_latency: list[int] = []
        self.booted = False
        self.closed = False
        self.modules: list[Module] = []

    # --- what one looks at ----------------------------------------------------------------------------------
    @property
    def ledger(self) -> Any:
        return self.kernel.ledger

    @property
    def files(self) -> Any:
        """The /proc and /sys tree: `read(path)`, `write(path, text)`."""
        return self.kernel.files

    @property
    def now(self) -> int:
        """Engine time, ns since power on."""
        return self.kernel.engine.now

    def dev(self, name: str) -> NetDevice:
        return self.net.dev_get_by_name(name)

    # --- boot -----------------------------------------------------------------------------------------------
    def boot(self) -> Machine:
        """Power on, run the initcalls, load drivers, bring the interfaces up with their addresses."""
        if self.booted:
            return self
        self.booted = True
        k = self.kernel
        k.start()
        k.initcalls.add("fs", "proc_init", lambda: procfs.register(k))
        core_dev.register_initcalls(k, self.net)
        self._register_protocols()
        for nic in self.config.nics:
            variants = MODELS.get(nic.model)
            if variants is None or nic.variant not in variants:
                known = ", ".join(variants or MODELS)
                raise linux_error(ENODEV, f"no device model {nic.model}/{nic.variant} (known: {known})")
            cls = _load(variants[nic.variant], f"{nic.model} {nic.variant}")
            model: NicModel = cls(mac=nic.mac_bytes(len(self.ports)))
            port = Port(self, nic, model)
            k.pci.assign_bars(port.slot)
            pci_scan_slot(pci_bus(k), port.slot, tuple(nic.refuse))
            self.ports.append(port)
        for name in dict.fromkeys(n.model for n in self.config.nics):
            params = next(n.params for n in self.config.nics if n.model == name)
            module: Module = _load(DRIVERS[name], name)({a: str(b) for a, b in params.items()})
            self.modules.append(module)
            k.initcalls.add("device", module.init_name, partial(self._load_module, module))
        self.in_task(lambda: k.initcalls.do_initcalls(), "swapper/0")
        for name, value in self.config.sysctls.items():
            try:
                k.sysctl.set(name, str(value))
            except OSError as e:
                raise ConfigError(f"sysctl {name} = {value}: {e.strerror}") from None
        self.in_task(self._bring_up, "ifup")
        self.wait_for_link()
        if self.keep_times:
            self.net.on_socket = self._on_socket
            self.net.on_delivered = self._on_delivered
        return self

    def _register_protocols(self) -> None:
        register_initcalls(self.kernel, self.net)
        register_tcp(self.kernel, self.net)
        self.kernel.initcalls.add("device", "packet_init", lambda: packet_init(self.net))

    def _load_module(self, m: Module) -> None:
        m.init(self.kernel, self.net)

    def _bring_up(self) -> None:
        lo = self.net.loopback
        if lo is not None:
            dev_open(lo)
            inet_insert_ifa(lo, ip4("127.0.0.1"), 8)
        for port in self.ports:
            dev = port.dev
            if dev is None:
                continue
            nic = port.config
            if nic.name and nic.name != dev.name:
                dev_change_name(dev, nic.name)
            if nic.mtu:
                dev_set_mtu(dev, nic.mtu)
            if nic.up:
                port.model.link_change(True)
                dev_open(dev)
            for cidr in nic.addresses:
                inet_insert_ifa(dev, *ip4_net(cidr))

    def wait_for_link(self) -> None:
        """Run until every interface that is up has its carrier (virtual time; bounded)."""
        eng = self.kernel.engine
        limit = eng.now + LINK_UP_LIMIT_NS
        while eng.now < limit:
            devs = [p.dev for p in self.ports]
            if all(d is None or not d.flags & IFF_UP or d.carrier_ok for d in devs):
                return
            self._run_engine(eng.now + 1_000_000)

    # --- programs and hands ---------------------------------------------------------------------------------
    def in_task(self, fn: Callable[[], Any], name: str = "task", cpu: int = 0) -> Any:
        """Run `fn` to its end as a task on `cpu`, and return what it returns (or raise what it raises)."""
        return self.kernel.in_task(fn, name, cpu)

    def spawn(self, program: Callable[[], Any], *, cpu: int = 0, name: str = "program") -> Task:
        """Start `program()` as a user program on `cpu`; it blocks in Python on this machine's sockets."""
        t = self.kernel.sched.create(name, self.kernel.cpus[cpu], program)
        self.kernel.sched.wake_up_process(t)
        return t

    def socket(self, family: int = 2, type: int = 2, proto: int = 0) -> Any:
        """A socket with stdlib semantics, for programs (see net/ipv4/af_inet.py)."""
        return Socket(self.net, family, type, proto)

    # --- the wire -------------------------------------------------------------------------------------------
    def attach(self, nic: int | str, source: Iterable[tuple[int, bytes]], *, offset: int | None = None) -> Port:
        """Plug `source`, frames with times in ns, into a NIC (its number or interface name), from now on."""
        port = self.port(nic)
        port.feed(source, self.now if offset is None else offset)
        return port

    def port(self, nic: int | str) -> Port:
        if isinstance(nic, int):
            return self.ports[nic]
        for p in self.ports:
            d = p.dev
            if d is not None and d.name == nic:
                return p
        raise linux_error(ENODEV, nic)

    def _on_socket(self, skb: SkBuff) -> None:
        tag = skb.tag
        if tag is not None:
            t = self.wire_times[tag if type(tag) is int else tag[0]]  # type: ignore[index]
            self.socket_latency.append(self.engine.now - t)

    def _on_delivered(self, skb: SkBuff) -> None:
        tag = skb.tag
        if tag is not None:
            t = self.wire_times[tag if type(tag) is int else tag[0]]  # type: ignore[index]
            self.program_latency.append(self.engine.now - t)

    # --- running --------------------------------------------------------------------------------------------
    def _run_engine(self, until: int) -> None:
        self.kernel.engine.run(until)
        if self.kernel.task_errors:
            _, error = self.kernel.task_errors.pop(0)
            raise error

    def run(self, until: int | None = None) -> None:
        """Run to `until` (engine ns); by default until the sources are dry and nothing moves any more.

        Raises what a program raised.
        """
        eng = self.kernel.engine
        if until is not None:
            self._run_engine(until)
            while eng.stop and eng.now < until:  # a source ran dry on the way
                self._run_engine(until)
            return
        while not all(p.exhausted for p in self.ports):
            self._run_engine(NEVER)  # the port that runs dry stops the engine
        limit = eng.now + DRAIN_LIMIT_NS
        step = DRAIN_FIRST_NS
        last = -1
        while eng.now < limit:
            self._run_engine(eng.now + step)
            n = self.in_flight()
            quiet = n == 0 or (n == last and step >= DRAIN_STEP_NS)
            if quiet and self.kernel.ledger.balances(n):
                return
            last = n
            step = min(step * 2, DRAIN_STEP_NS)

    def in_flight(self) -> int:
        """Wire frames that are nowhere else: counted by walking FIFOs, rings, GRO, backlogs, queues."""
        n = core_dev.core_in_flight(self.net)
        for p in self.ports:
            n += p.model.in_flight()
        for d in self.net.devices:
            n += d.rx_in_flight()
        if self.net.ipv4 is not None:
            n += in_flight(self.net)
        return n

    def check(self) -> None:
        """The ledger's law with the walked count; raises LedgerError."""
        self.kernel.ledger.check(self.in_flight())

    def own_in_flight(self) -> int:
        n = own_in_flight(self.net)
        for d in self.net.devices:
            fn = getattr(d, "tx_in_flight", None)
            if fn is not None:
                n += fn()
        return n

    # --- end ------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """Close sockets, take interfaces down, unload drivers, end tasks; then nothing is in flight."""
        if self.closed:
            return
        self.closed = True
        if self.booted:
            self._let_programs_sleep()
            self.kernel.sched.kill_programs()
            self.in_task(self._shutdown, "halt")
            self.check()
            if self.in_flight():
                raise AssertionError(f"{self.in_flight()} frames in flight in a closed machine")
        self.kernel.close()

    def _let_programs_sleep(self) -> None:
        """Unplug the wires and run until every program waits for something: killed in the middle of a read,
        one would take the frame in its hands along.  A program that never waits is killed where it is
        (bounded, virtual time).
        """
        for p in self.ports:
            p.unplug()
        eng = self.kernel.engine
        limit = eng.now + DRAIN_LIMIT_NS
        while eng.now < limit and (self.kernel.sched.busy_programs() or self.kernel.hotplug.busy):
            self.kernel.engine.run(eng.now + DRAIN_FIRST_NS)
            if self.kernel.task_errors:
                return

    def _shutdown(self) -> None:
        close_all(self.net)
        for d in list(self.net.devices):
            if d is not self.net.loopback:
                dev_close(d)
        for m in self.modules:
            m.exit(self.kernel)
        for d in list(self.net.devices):
            if d is not self.net.loopback:
                unregister_netdev(d)

    def __enter__(self) -> Machine:
        return self.boot()

    def __exit__(self, *exc: object) -> None:
        if exc[0] is None:
            self.close()
        else:
            self.closed = True
            self.kernel.close()


__all__ = ["DRIVERS", "MODELS", "NEVER", "Machine", "Port"]
