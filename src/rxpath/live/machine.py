"""A live machine: configuration, TAP, bridge, programs and control socket put together.

Not here: the command line's words (cli/live.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

from rxpath.config import ConfigError, ListenConfig, MachineConfig, NicConfig, parse_listen, parse_nic
from rxpath.kernel.errno import ENOTSUP
from rxpath.link.badcable import BadCable
from rxpath.link.tap import Tap
from rxpath.live import access
from rxpath.live.bridge import Bridge
from rxpath.live.control import Server, check_name
from rxpath.live.module import make_modules, make_ssl
from rxpath.live.operations import OPERATIONS
from rxpath.live.programs import LiveReader
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.net.ipv4.netns import ipv4_of

# (machine, line) -> something with status, stdout, stderr
Runner = Callable[[Machine, str], Any]


def default_runner() -> Runner:
    """The tools' `run_command`.  They lie above this room, so they are looked up when a command comes."""
    runner: Runner = import_module("rxpath.tools.run").run_command
    return runner


def parse_interface(text: str, what: str) -> tuple[int, int]:
    """ "10.9.0.1/24" -> (address, prefix length).  ConfigError in one line that names `what`."""
    try:
        i = ipaddress.IPv4Interface(text)
    except ValueError:
        raise ConfigError(f"{what}: not an IPv4 address with its prefix length: {text!r}") from None
    if "/" not in text:
        raise ConfigError(f"{what}: the prefix length is missing: write {text}/24")
    return int(i.ip), i.network.prefixlen


class LiveMachine:
    """A machine that serves until `close`; a context manager.

    `socket` is a module like the standard library's whose sockets are this machine's; `run` runs a command
    (`ethtool -S eth0`) on it; `account` is the ledger as it stands.  `tap` None: a NIC without a cable.
    """

    def __init__(
        self,
        config: MachineConfig,
        tap: str | None,
        *,
        host_address: str | None = None,
        name: str | None = None,
        runner: Runner | None = None,
    ) -> None:
        if config.routes:
            raise OSError(ENOTSUP, "routes of a machine file in real time")
        self.config = config
        self.tap_name = tap
        self.name = name
        self.host = None if host_address is None else parse_interface(host_address, "host address")
        if name is not None:
            check_name(name)
        self.runner = runner if runner is not None else default_runner()
        self.programs: list[LiveReader] = []
        self.bridge: Bridge | None = None
        self.server: Server | None = None
        self._modules: tuple[ModuleType, ModuleType] | None = None
        self._ssl: ModuleType | None = None

    def start(self) -> LiveMachine:
        """Make the TAP, boot, serve.  Raises TapError, and what boot raises."""
        server = None
        if self.name:
            server = Server(self.name, self._describe, self.run, self.request_stop, self.perform)
        try:
            tap: Tap | BadCable | None = None
            if self.tap_name is not None:
                tap = Tap(self.tap_name, address=self.host, up=True)
                if self.config.nics[0].faults:
                    tap = BadCable(tap, self.config.nics[0].faults, self.config.seed)
            self.bridge = bridge = Bridge(self.config, tap)
            bridge.setup.append(self._set_up)
            bridge.start()
        except BaseException:
            if server is not None:
                server.close()
            raise
        self._modules = make_modules(bridge)
        self.server = server
        if server is not None:
            server.start()
        return self

    def _set_up(self, m: Machine) -> None:
        for n in self.config.neighbours:
            self._neighbour(m, n.ip, n.mac, n.dev)
        for line in self.config.do:
            done = self.runner(m, line)
            if done.status:
                raise ConfigError(f"{line}: {' '.join((done.stderr or done.stdout).split())}")
        self.programs += [LiveReader(m, spec) for spec in self.config.listeners]

    @staticmethod
    def _neighbour(m: Machine, ip: str, mac: str, name: str) -> None:
        dev = m.dev(name) if name else m.ports[0].dev
        assert dev is not None
        addr = int(ipaddress.IPv4Address(ip))
        raw = bytes.fromhex(mac.replace(":", ""))
        m.in_task(lambda: neigh_add(ipv4_of(m.net).arp_tbl, addr, dev, raw, NUD_PERMANENT), "ip")

    def _describe(self) -> dict[str, Any]:
        nics = [{"model": n.model, "addresses": list(n.addresses)} for n in self.config.nics]
        return {"name": self.name, "tap": self.tap_name, "release": self.config.release, "nics": nics}

    def request_stop(self) -> None:
        """Ask it to end and return at once; for signal handlers.  `wait` tells when it has."""
        if self.bridge is not None:
            self.bridge.request_stop()

    def _running(self) -> Bridge:
        if self.bridge is None:
            raise RuntimeError("the machine has not been started")
        return self.bridge

    @property
    def socket(self) -> ModuleType:
        """The machine's stand-in for the standard library's module `socket`."""
        return self.modules[1]

    @property
    def ssl(self) -> ModuleType:
        """`ssl` for those sockets; ImportError for a Python without it."""
        if self._ssl is None:
            self._ssl = make_ssl(*self.modules)
        return self._ssl

    @property
    def modules(self) -> tuple[ModuleType, ModuleType]:
        """The stand-ins for `_socket` and `socket`."""
        self._running()
        assert self._modules is not None
        return self._modules

    def run(self, line: str) -> Any:
        """Run a command on the machine: an object with `status`, `stdout`, `stderr`."""
        b = self._running()
        m = b.machine
        assert m is not None
        return b.run_task(lambda: self.runner(m, line))

    def perform(self, what: dict[str, Any]) -> dict[str, Any]:
        """One operation of access.py on the machine; in a task of its own when it may sleep."""
        b = self._running()
        m = b.machine
        assert m is not None
        done: dict[str, Any]
        if OPERATIONS[str(what["op"])]:
            done = b.run_task(lambda: access.perform(m, what))
        else:
            done = b.call(lambda: access.perform(m, what))
        return done

    def account(self) -> dict[str, Any]:
        """Frames by fate, checked by the ledger's law; with what the TAP gave and took, and what programs read."""
        b = self._running()
        m = b.machine
        assert m is not None

        def look() -> dict[str, Any]:
            m.check()
            return b.account()

        out: dict[str, Any] = look() if b.finished else b.call(look)
        out["programs"] = {
            f"{p.name}": {"read": p.read, "failed": p.failed, "connections": p.connections} for p in self.programs
        }
        return out

    def wait(self, timeout: float | None = None) -> bool:
        """Until the machine has ended (by `close`, by `rxpath stop`, by a failure); False: time ran out first."""
        return self._running().wait(timeout)

    def close(self) -> None:
        """End the machine.  Raises what it failed with; LedgerError when a frame is unexplained."""
        try:
            if self.bridge is not None:
                self.bridge.stop()
        finally:
            if self.server is not None:
                self.server.close()
                self.server = None

    def __enter__(self) -> LiveMachine:
        if self.bridge is None:
            self.start()
        return self

    def __exit__(self, t: type[BaseException] | None, v: BaseException | None, tb: TracebackType | None) -> None:
        if t is None:
            self.close()
            return
        try:
            self.close()
        except Exception as e:
            if v is not None and e is not v:
                v.add_note(f"and the machine failed: {e}")


FIRST_ADDRESS_MISSING: Final = "an address is missing: address='10.9.0.2/24'"


def live(
    tap: str | None = None,
    address: str | None = None,
    *,
    host_address: str | None = None,
    name: str | None = None,
    nic: str = "",
    cpus: int = 0,
    release: str = "",
    machine: MachineConfig | str | Path | None = None,
    listen: list[str] | None = None,
    faults: str = "",
) -> LiveMachine:
    """A machine in real time on the TAP device `tap`, with `address` ("10.9.0.2/24") on its first NIC.

    The TAP is made when it is not there; `host_address` is put on the host's side of it.  `name`: under which
    `rxpath list` and `rxpath -n NAME COMMAND` find it (without one they do not).  `machine`: a MachineConfig or
    a machine file; `nic`, `cpus`, `release`, `listen` ("udp:7,echo") and `faults` ("drop=1%") change it.  The
    faults hit what comes and what goes.

    ConfigError for what cannot be; TapError with the kernel's errno without the right to open the TAP.
    """
    if isinstance(machine, MachineConfig):
        config = MachineConfig.from_dict(machine.to_dict(), "machine")
    else:
        config = MachineConfig() if machine is None else MachineConfig.load(machine)
    if not config.nics:
        config.nics.append(NicConfig())
    first = config.nics[0]
    if address is not None:
        parse_interface(address, "address")
        first.addresses = [address]
    elif not first.addresses:
        raise ConfigError(FIRST_ADDRESS_MISSING)
    if nic:
        first.model, first.variant = parse_nic(nic)
    if faults:
        first.faults = faults
    if cpus:
        config.cpus = cpus
    if release:
        config.release = release
    listeners: list[ListenConfig] = [parse_listen(text) for text in listen or []]
    if listeners:
        config.listeners = listeners
    config = MachineConfig.from_dict(config.to_dict(), "live")
    return LiveMachine(config, tap, host_address=host_address, name=name)
