"""The machine that one sits at: the commands of run.py and those that move time and the wire.

What belongs here: `Console.execute(line)`: inject, load, replay, listen, run, step, stop-at, trace, and what
they print.  What does not: the prompt, history and completion (cli/shell.py).

Time stands still between two lines; `run`, `step`, `load` and `replay` let it pass.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from types import FrameType, FunctionType
from typing import Any, Final

from rxpath.config import ConfigError, nearest, parse_listen
from rxpath.kernel.trace import Tracepoint
from rxpath.link.capture import CaptureError, CaptureReader
from rxpath.link.captured import as_wire
from rxpath.link.generator import LoadGenerator, Sizes
from rxpath.link.survey import survey
from rxpath.machine import Machine, Port
from rxpath.observe.function_trace import FunctionTrace, TraceFilter
from rxpath.tools.run import COMMANDS, LOOKING, Completed, Pipeline, SyntaxFault, parse, run_command, run_rest
from rxpath.tune.replay import Listener, ReaderProgram
from rxpath.units import UnitError, human_time, parse_count, parse_rate, parse_size, parse_time
from rxpath.wire.addr import ip4_str
from rxpath.wire.arp import ARPOP_REQUEST
from rxpath.wire.build import arp_frame, icmp_echo_frame, tcp_frame, udp_frame
from rxpath.wire.tcp import TCPHDR_SYN

SLICE_NS: Final = 1_000_000
SETTLE_NS: Final = 5_000_000_000

HELP: Final = """\
Linux's commands: ethtool ip ifconfig sysctl ss nstat iptables cat echo tee ls dmesg modprobe rmmod lsmod uname
  a pipe goes to programs of this host: ethtool -S eth0 | grep drop
the wire (time stands still until run, step, load or replay):
  inject HEX                   a frame arrives now (Ethernet header on, no FCS)
  inject udp [dport=9] [sport=N] [src=IP] [dst=IP] [size=64] [count=1] [dev=eth0]
  inject tcp | icmp | arp [the same]   a SYN, an echo request, a request for the machine's address
  load [rate=100k] [size=64] [count=1000] [flows=1] [burst=1] [port=9] [dev=eth0]
  replay FILE [dev=eth0]       a capture, to its end
  listen udp:PORT[,cpu=N,cost=5us,rcvbuf=4M]   a program that reads
time:
  run [10ms]                   let it pass; without a time until nothing moves
  step [N]                     to the next event (N times)
  time                         what the machine's clock says
looking inside:
  stop-at FUNCTION | off       run stops when the kernel calls FUNCTION (there: where, step, continue)
  trace on | off               print the functions that run while time passes
  trace EVENT... | list        print the tracepoints EVENT (napi:napi_poll, skb:*) as they fire; off ends it
  drops                        where frames ended
  machine                      the machine file of this machine
help, exit"""

OWN: Final = (
    "inject",
    "load",
    "replay",
    "listen",
    "run",
    "step",
    "time",
    "stop-at",
    "trace",
    "drops",
    "machine",
    "help",
    "exit",
    "quit",
)


INJECTED: Final = ("udp", "tcp", "icmp", "arp")

# what a command takes as NAME=VALUE, with what it is when nothing is said
SETTINGS: Final[dict[str, dict[str, str]]] = {
    "inject": {
        "dport": "9",
        "sport": "40000",
        "src": "",
        "dst": "",
        "size": "64",
        "count": "1",
        "dev": "",
    },
    "load": {
        "rate": "100k",
        "size": "64",
        "count": "1000",
        "flows": "1",
        "burst": "1",
        "port": "9",
        "dev": "",
    },
    "replay": {"dev": ""},
}
PEER_MAC: Final = b"\x02\0\0\0\0\x01"


class ConsoleError(ValueError):
    """One line: what a word of the console cannot be."""


class Console:
    """Lines in, text out.  `ask(prompt)` gives the next line at a stop, None at the end of input."""

    def __init__(self, machine: Machine, write: Callable[[str], None], ask: Callable[[str], str | None]) -> None:
        self.machine = machine
        self.write = write
        self.ask = ask
        self.done = False
        self.interrupted = False
        self.trace = False
        self.stop_at = ""
        self.stepping = False
        self.stopped = False  # inside a stop: nothing may move
        self.filter = TraceFilter()
        self.programs: list[ReaderProgram] = []
        self.events: list[Tracepoint] = []
        self.own: dict[str, Callable[[list[str]], None]] = {
            "inject": self._inject,
            "load": self._load,
            "replay": self._replay,
            "listen": self._listen,
            "run": self._run,
            "step": self._step,
            "time": self._time,
            "stop-at": self._stop_at,
            "trace": self._trace,
            "drops": self._drops,
            "machine": self._machine,
            "help": self._help,
            "exit": self._exit,
            "quit": self._exit,
        }

    # --- lines ----------------------------------------------------------------------------------------------
    def execute(self, line: str) -> Completed:
        """One line.  What the console's own commands print goes to `write` as it comes."""
        words = line.split()
        if not words or words[0].startswith("#"):
            return Completed(0, "", "")
        if words[0] not in self.own:
            done = run_command(self.machine, line, host=True)
            if done.status == 127 and done.stderr.endswith("command not found\n") and len(words[0]) > 1:
                hint = nearest(words[0], [*COMMANDS, *OWN])
                return Completed(127, done.stdout, done.stderr.rstrip("\n") + hint + "\n")
            return done
        try:
            if "|" in line:
                return self._piped(line)
            self.own[words[0]](words[1:])
        except (ConsoleError, UnitError, ConfigError, CaptureError) as e:
            return Completed(2, "", f"{words[0]}: {e}\n")
        except OSError as e:
            what = f"{e.filename}: {e.strerror}" if e.filename is not None else str(e.strerror or e)
            return Completed(2, "", f"{words[0]}: {what}\n")
        return Completed(0, "", "")

    def _piped(self, line: str) -> Completed:
        """An own command into the host's programs: its text is gathered first."""
        pipelines = parse(line)
        if len(pipelines) != 1:
            raise ConsoleError("one pipe a line")
        first = pipelines[0].commands[0]
        parts: list[str] = []
        keep = self.write
        self.write = parts.append
        try:
            self.own[first.words[0].text]([w.text for w in first.words[1:]])
        finally:
            self.write = keep
        return run_rest(self.machine, Pipeline(pipelines[0].commands[1:]), "".join(parts))

    def _say(self, text: str) -> None:
        self.write(text + "\n")

    # --- the wire -------------------------------------------------------------------------------------------
    def _port(self, name: str = "") -> Port:
        if not self.machine.ports:
            raise ConsoleError("this machine has no NIC")
        if not name:
            return self.machine.ports[0]
        for p in self.machine.ports:
            if p.dev is not None and p.dev.name == name:
                return p
        raise ConsoleError(f"no interface '{name}' with a cable")

    def _settings(self, words: list[str], known: dict[str, str]) -> dict[str, str]:
        out = dict(known)
        for w in words:
            key, equals, value = w.partition("=")
            if not equals or key not in known:
                raise ConsoleError(f"'{w}' is not understood{nearest(key, known)}")
            out[key] = value
        return out

    def _ends(self, port: Port) -> tuple[int, int, bytes]:
        """(our address, a neighbour's address, our MAC) of a port."""
        dev = port.dev
        if dev is None:
            raise ConsoleError("no driver holds this NIC")
        ifa = dev.ip_ptr.ifa_list[0] if dev.ip_ptr is not None and dev.ip_ptr.ifa_list else None
        if ifa is None:
            return 0x0A000002, 0x0A000001, dev.dev_addr
        net = ipaddress.IPv4Interface(f"{ip4_str(ifa.local)}/{ifa.prefixlen}").network
        peer = next((int(a) for a in net.hosts() if int(a) != ifa.local), ifa.local ^ 1)
        return ifa.local, peer, dev.dev_addr

    def _inject(self, words: list[str]) -> None:
        if not words:
            raise ConsoleError("give a frame in hex, or udp, tcp, icmp, arp")
        if words[0] in INJECTED:
            s = self._settings(words[1:], SETTINGS["inject"])
            port = self._port(s["dev"])
            ours, peer, mac = self._ends(port)
            dst = _ip(s["dst"]) if s["dst"] else ours
            src = _ip(s["src"]) if s["src"] else peer
            frame = _frame(words[0], s, mac, src, dst)
            count = parse_count(s["count"])
        else:
            port = self._port()
            count = 1
            try:
                frame = bytes.fromhex("".join(words).replace(":", ""))
            except ValueError:
                raise ConsoleError(f"'{words[0]}' is no frame in hex") from None
            if len(frame) < 14:
                raise ConsoleError(f"{len(frame)} bytes are no frame (14 at least)")
        taken = sum(port.receive(frame) for _ in range(count))
        name = port.dev.name if port.dev is not None else "NIC"
        lost = f", {count - taken} lost there" if taken < count else ""
        self._say(
            f"{count} frame{'s' if count > 1 else ''} of {len(frame)} bytes at {name}'s wire{lost}; run or step goes on"
        )

    def _load(self, words: list[str]) -> None:
        s = self._settings(words, SETTINGS["load"])
        port = self._port(s["dev"])
        ours, peer, mac = self._ends(port)
        try:
            source = LoadGenerator(
                count=parse_count(s["count"]),
                pps=parse_rate(s["rate"]),
                burst=parse_count(s["burst"]),
                sizes=Sizes.parse(s["size"]),
                flows=parse_count(s["flows"]),
                src=peer,
                dst=ours,
                dport=_whole(s["port"], "port", 65535),
                dst_mac=mac,
                seed=self.machine.config.seed,
            )
        except ValueError as e:
            raise ConsoleError(str(e)) from None
        self._feed(port, source)

    def _replay(self, words: list[str]) -> None:
        if not words:
            raise ConsoleError("give a capture")
        s = self._settings(words[1:], SETTINGS["replay"])
        port = self._port(s["dev"])
        reader = CaptureReader(words[0])
        try:
            wire = as_wire(reader)
            seen = survey(wire).host()
            wire.reset()
            dev = port.dev
            if seen is not None and dev is not None:
                have = [a.local for a in dev.ip_ptr.ifa_list] if dev.ip_ptr is not None else []
                if seen.mac is not None and seen.mac != dev.dev_addr:
                    self._say(f"the capture's host has another MAC: ip link set {dev.name} address {seen.mac.hex(':')}")
                if seen.ip not in have:
                    self._say(
                        f"the capture's host has another address: ip addr add {ip4_str(seen.ip)}/24 dev {dev.name}"
                    )
            self._feed(port, _from_zero(wire))
        finally:
            reader.close()

    def _feed(self, port: Port, source: Any) -> None:
        m = self.machine
        before = m.ledger.wire, m.ledger.delivered
        start = m.now
        dropped = dict(m.ledger.dropped)
        port.feed(source, m.now)
        self._going(lambda: not port.exhausted or m.in_flight() > 0, SETTLE_NS, port)
        if not port.exhausted:
            port.source = iter(())  # interrupted: one more frame is on its way already
        self._say(
            f"{m.ledger.wire - before[0]:,} frames in {human_time(m.now - start)}: "
            f"{m.ledger.delivered - before[1]:,} delivered"
        )
        for key, n in m.ledger.dropped.items():
            lost = n - dropped.get(key, 0)
            if lost:
                self._say(f"  {lost:,} dropped: {key[0]}: {key[1]} (counter {key[2]})")
        if m.in_flight():
            self._say(f"  {m.in_flight():,} wait in queues")

    def _listen(self, words: list[str]) -> None:
        if len(words) != 1:
            raise ConsoleError("give udp:PORT[,cpu=N,cost=5us,rcvbuf=4M]")
        c = parse_listen(words[0])
        if c.proto != "udp" or c.reuseport:
            raise ConsoleError(f"a reader of {c.proto}{' with reuseport' if c.reuseport else ''} is not modelled here")
        cpus = len(self.machine.kernel.cpus)
        self.programs.append(
            ReaderProgram(
                self.machine,
                Listener(
                    proto=c.proto,
                    port=c.port,
                    cpu=c.cpu if c.cpu >= 0 else (len(self.programs) + 1) % cpus,
                    cost_ns=c.cost_ns,
                    rcvbuf=c.rcvbuf,
                    readers=c.readers,
                    echo=c.echo,
                    address=_ip(c.address) if c.address else 0,
                ),
            )
        )
        self._going(lambda: False, SLICE_NS)

    # --- time -----------------------------------------------------------------------------------------------
    def _going(self, more: Callable[[], bool], limit_ns: int, port: Port | None = None) -> None:
        """Run at least one slice, then while `more()`; `limit_ns` counts from the moment the port is dry."""
        m = self.machine
        limit = m.now + limit_ns
        last = -1
        with _Watch(self):
            while not self.interrupted:
                m.run(m.now + SLICE_NS)
                if port is not None and not port.exhausted:
                    limit = m.now + limit_ns
                    continue
                n = m.in_flight()
                if not more() or m.now >= limit or (n == last and m.now > limit - limit_ns + 50 * SLICE_NS):
                    break
                last = n
        if self.interrupted:
            self._say("interrupted")

    def _until(self, t: int) -> None:
        m = self.machine
        with _Watch(self):
            while m.now < t and not self.interrupted:
                m.run(min(t, m.now + SLICE_NS))
        if self.interrupted:
            self._say("interrupted")

    def _run(self, words: list[str]) -> None:
        if len(words) > 1:
            raise ConsoleError("one time, like 10ms")
        if words:
            self._until(self.machine.now + parse_time(words[0]))
        else:
            self._going(lambda: self.machine.in_flight() > 0, SETTLE_NS)

    def _step(self, words: list[str]) -> None:
        n = parse_count(words[0]) if words else 1
        m = self.machine
        eng = m.kernel.engine
        with _Watch(self):
            for _ in range(n):
                if self.interrupted:
                    break
                times = [e[0] for e in eng.heap if e[0] > m.now]
                if not times:
                    self._say("nothing is to come")
                    break
                m.run(min(times))
        self._time([])

    def _time(self, words: list[str]) -> None:
        self._say(f"{self.machine.now // 10**9}.{self.machine.now % 10**9:09d} s")

    # --- looking inside -------------------------------------------------------------------------------------
    def _stop_at(self, words: list[str]) -> None:
        if len(words) != 1:
            raise ConsoleError("give a kernel function's name, or off")
        if words[0] != "off" and words[0] not in (names := self.functions()):
            raise ConsoleError(f"no kernel function '{words[0]}' here{nearest(words[0], names)}")
        self.stop_at = "" if words[0] == "off" else words[0]

    def functions(self) -> list[str]:
        """The kernel functions at which run can stop, sorted; those of drivers that are loaded."""
        found: dict[str, int] = {}
        for module in list(sys.modules.values()):
            if not getattr(module, "__name__", "").startswith(("rxpath.kernel.", "rxpath.net.", "rxpath.drivers.")):
                continue
            for value in list(vars(module).values()):
                if isinstance(value, FunctionType) and (name := self.filter.name(value.__code__)):
                    found[name] = 1
        return sorted(found)

    def _trace(self, words: list[str]) -> None:
        by_name = self.machine.kernel.trace.by_name
        if words == ["list"]:
            for name, t in by_name.items():
                self._say(f"{name} {' '.join(t.fields)}")
            return
        if words == ["on"]:
            self.trace = True
            return
        if words == ["off"]:
            self.trace = False
            for t in self.events:
                t.detach(self._fired)
            self.events.clear()
            return
        if not words:
            raise ConsoleError("on, off, list, or tracepoints like napi:napi_poll")
        wanted: list[Tracepoint] = []
        for w in words:
            got = [t for name, t in by_name.items() if fnmatchcase(name, w)]
            if not got:
                raise ConsoleError(f"no tracepoint '{w}'{nearest(w, by_name)}; on and off are for functions")
            wanted += got
        for t in wanted:
            if t not in self.events:
                t.attach(self._fired)
                self.events.append(t)

    def _fired(self, t: Tracepoint, cpu: int, now: int, values: tuple[Any, ...]) -> None:
        said = " ".join(f"{f}={_traced(v)}" for f, v in zip(t.fields, values, strict=False))
        self._say(f"[{cpu:03d}] {now // 10**9}.{now % 10**9 // 1000:06d}: {t.name.partition(':')[2]}: {said}")

    def _drops(self, words: list[str]) -> None:
        led = self.machine.ledger
        self._say(f"{led.wire:,} on the wire, {led.delivered:,} delivered, {self.machine.in_flight():,} in flight")
        for (stage, reason), n in sorted(led.consumed.items()):
            if n:
                self._say(f"  {n:,} consumed: {stage}: {reason}")
        for (stage, reason, counter), n in sorted(led.dropped.items()):
            if n:
                self._say(f"  {n:,} dropped: {stage}: {reason} (counter {counter})")

    def _machine(self, words: list[str]) -> None:
        self.write(self.machine.config.to_toml())

    def _help(self, words: list[str]) -> None:
        self._say(HELP)

    def _exit(self, words: list[str]) -> None:
        self.done = True

    # --- a stop ---------------------------------------------------------------------------------------------
    def at_stop(self, frame: FrameType, name: str) -> None:
        """The kernel calls `name` and waits: only looking is possible until continue or step."""
        self._say(f"stopped at {name} on cpu{self._cpu()}, {self.machine.now // 1000} us{_skb_of(frame)}")
        self.stopped = True
        try:
            while True:
                line = self.ask(f"{name}> ")
                if line is None:
                    self.stop_at = ""
                    self.stepping = False
                    return
                words = line.split()
                if not words:
                    continue
                if words[0] in ("c", "continue", "run"):
                    self.stepping = False
                    return
                if words[0] in ("s", "step"):
                    self.stepping = True
                    return
                self._look(frame, words, line)
                if self.done:
                    self.stop_at = ""
                    self.stepping = False
                    return
        finally:
            self.stopped = False

    def _look(self, frame: FrameType, words: list[str], line: str) -> None:
        if words[0] in ("where", "bt"):
            names: list[str] = []
            f: FrameType | None = frame
            while f is not None:
                n = self.filter.name(f.f_code)
                if n:
                    names.append(n)
                f = f.f_back
            for depth, n in enumerate(reversed(names)):
                self._say("  " * depth + n)
        elif words[0] in ("stop-at", "trace", "time", "drops", "help", "exit", "quit"):
            done = self.execute(line)
            self.write(done.stderr)
        elif words[0] in LOOKING or (words[0] == "sysctl" and "=" not in line) or words[0] in ("ethtool", "ip"):
            if words[0] == "ethtool" and (len(words) < 3 or words[1] not in ("-S", "-g", "-i", "-k", "-c", "-l")):
                self._say("at a stop only ethtool -S -g -i -k -c -l are possible")
                return
            if words[0] == "ip" and any(w in ("set", "add", "del", "replace", "flush", "change") for w in words):
                self._say("at a stop nothing can be changed")
                return
            try:
                parse(line)
            except SyntaxFault as e:
                self._say(str(e))
                return
            done = (
                run_command(self.machine, line, host=True) if ">" not in line else Completed(1, "", "not at a stop\n")
            )
            self.write(done.stdout + done.stderr)
        else:
            self._say("at a stop: where, step, continue, cat, ss, nstat, dmesg, ip (show), ethtool -S, time, drops")

    def _cpu(self) -> int:
        cur = self.machine.kernel.engine.current
        return cur.id if cur is not None else 0


class _Watch:
    """Around a piece of time: the function trace and the stop, when they are wanted."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.function_trace: FunctionTrace | None = None
        self.saved: Any = None

    def __enter__(self) -> _Watch:
        c = self.console
        self.saved = sys.getprofile()
        if c.trace:
            self.function_trace = FunctionTrace()
        if c.trace or c.stop_at:
            sys.setprofile(self.hook)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(self.saved)
        if self.function_trace is not None:
            self.console.write(self.function_trace.text())

    def hook(self, frame: FrameType, event: str, arg: Any) -> None:
        c = self.console
        if c.stopped:
            return
        t = self.function_trace
        if t is not None:
            t._hook(frame, event, arg)
        if event == "call" and (c.stop_at or c.stepping):
            name = c.filter.name(frame.f_code)
            if name and (c.stepping or name == c.stop_at):
                if t is not None:
                    c.write(t.text())
                    t.lines.clear()
                c.at_stop(frame, name)


def _skb_of(frame: FrameType) -> str:
    """` (skb len 60, eth0)` when the function has one."""
    skb = frame.f_locals.get("skb")
    if skb is None or not hasattr(skb, "tail"):
        return ""
    dev = getattr(skb, "dev", None)
    return f" (skb of {skb.tail - skb.data} bytes{', ' + dev.name if dev is not None else ''})"


def _traced(value: Any) -> str:
    """A value of a tracepoint: numbers and texts as they are, of an object what names it."""
    if isinstance(value, int | str | None):
        return str(value)
    if hasattr(value, "tail"):
        return f"{value.tail - value.data} bytes"
    name = getattr(value, "name", None)
    if isinstance(name, str):
        return name
    num = getattr(value, "num", None)
    return f"port {num}" if isinstance(num, int) else type(value).__name__


def _frame(kind: str, s: dict[str, str], mac: bytes, src: int, dst: int) -> bytes:
    """The frame of an `inject`: `s` its settings."""
    sport, dport = _whole(s["sport"], "sport", 65535), _whole(s["dport"], "dport", 65535)
    size = _whole(s["size"], "size", 65507)
    if kind == "arp":
        return arp_frame(ARPOP_REQUEST, PEER_MAC, src, b"", dst)
    if kind == "icmp":
        return icmp_echo_frame(PEER_MAC, mac, src, dst, 1, 1, bytes(size))
    if kind == "tcp":
        return tcp_frame(PEER_MAC, mac, src, dst, sport, dport, 1, 0, TCPHDR_SYN)
    return udp_frame(PEER_MAC, mac, src, dst, sport, dport, bytes(size))


def _from_zero(source: Any) -> Iterator[tuple[int, bytes]]:
    first = -1
    for t, frame in source:
        if first < 0:
            first = t
        yield t - first, frame


def _ip(text: str) -> int:
    try:
        return int(ipaddress.IPv4Address(text))
    except ValueError:
        raise ConsoleError(f"'{text}' is no IPv4 address") from None


def _whole(text: str, what: str, top: int) -> int:
    n = parse_size(text) if what == "size" else parse_count(text)
    if not 0 <= n <= top:
        raise ConsoleError(f"{what}: {text} is not in 0..{top}")
    return n
