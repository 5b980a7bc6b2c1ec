"""Goes through the events of a script on a host, and says what went otherwise.

Times are those of the script: 0 is when the first event could happen.  An outbound packet must be sent within the
tolerance of its time; a packet of another connection than the one under test is passed over.  A blocking call runs
beside the events and is looked at when it is done.
"""

from __future__ import annotations

import ipaddress
import os
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rxpath.packetdrill.calls import CallError, Calls, Made
from rxpath.packetdrill.code import MEMINFO, Failed, NotUnderstood, tcp_info
from rxpath.packetdrill.code import Code as CodeRunner
from rxpath.packetdrill.host import Host, Pending, Setup
from rxpath.packetdrill.packets import (
    Flow,
    Live,
    PacketError,
    build,
    compare,
    learn,
    read,
    show_live,
    show_options,
)
from rxpath.packetdrill.parser import parse
from rxpath.packetdrill.script import (
    ABSOLUTE,
    ANY,
    RELATIVE,
    Code,
    Command,
    Ellipsis_,
    Event,
    Packet,
    Script,
    ScriptError,
    SysCall,
)
from rxpath.packetdrill.shell import Shell
from rxpath.packetdrill.symbols import ERRNO, ERRNO_NAMES
from rxpath.wire.addr import ip4

PASS, FAIL, SKIP, BAD = "pass", "fail", "skip", "error"
LATE_US: Final = 5_000_000  # how long beyond its time a packet is waited for, to say how late it is
STUCK_US: Final = 30_000_000
FIRST_PORT: Final = 40000


def whole(value: str, low: int, high: int = 1 << 31) -> int:
    """A whole number of an option.  Raises ValueError with the range."""
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise ValueError(f"takes a whole number from {low} to {high}, not {value!r}")
    return int(value)


def share(value: str) -> float:
    """Per cent of an option.  Raises ValueError."""
    try:
        percent = float(value)
    except ValueError:
        percent = -1.0
    if not 0 <= percent < float("inf"):
        raise ValueError(f"takes per cent, not {value!r}")
    return percent


@dataclass(slots=True)
class Options:
    """The options of packetdrill, from the command line and from the script."""

    setup: Setup = field(default_factory=Setup)
    tolerance_us: int = 4000
    tolerance_percent: float = 1.0
    bind_port: int = 8080
    connect_port: int = 8080
    tcp_ts_tick_us: int = 0
    init_scripts: list[str] = field(default_factory=list)
    defines: dict[str, str] = field(default_factory=dict)
    non_fatal: tuple[str, ...] = ()
    dry_run: bool = False
    strict_segments: bool = False
    ip_version: str = "ipv4"
    verbose: bool = False
    unknown: list[str] = field(default_factory=list)  # options of the script that nobody knows

    def copy(self) -> Options:
        """For one script, whose own options change nothing for the next."""
        return deepcopy(self)

    def set(self, name: str, value: str) -> None:
        """One option by its packetdrill name.  Raises ValueError."""
        s = self.setup
        if name == "ip_version":
            if value not in ("ipv4", "ipv6", "ipv4-mapped-ipv6", "ipv4_mapped_ipv6"):
                raise ValueError(f"takes ipv4, ipv6 or ipv4-mapped-ipv6, not {value!r}")
            self.ip_version = value
        elif name == "tolerance_usecs":
            self.tolerance_us = whole(value, 0)
        elif name == "tolerance_percent":
            self.tolerance_percent = share(value)
        elif name == "bind_port":
            self.bind_port = whole(value, 1, 0xFFFF)
        elif name == "connect_port":
            self.connect_port = whole(value, 1, 0xFFFF)
        elif name == "tcp_ts_tick_usecs":
            self.tcp_ts_tick_us = whole(value, 0)
        elif name in ("local_ip", "remote_ip", "gateway_ip"):
            host, _, plen = value.partition("/")
            if ":" in host:
                self.ip_version = "ipv6"
                return
            setattr(s, name, str(ipaddress.IPv4Address(host)))
            if plen and name == "local_ip":
                s.prefix = int(plen)
            elif plen and name == "remote_ip":
                s.remote_prefix = int(plen)
        elif name == "netmask_ip":
            s.prefix = ipaddress.IPv4Network(f"0.0.0.0/{value}").prefixlen
        elif name == "mtu":
            s.mtu = whole(value, 68, 0xFFFF)
        elif name == "mss":
            s.mss = whole(value, 0, 0xFFFF)
        elif name == "init_scripts":
            self.init_scripts += [x for x in value.split(",") if x]
        elif name in ("define", "D"):
            key, _, v = value.partition("=")
            if not key:
                raise ValueError(f"takes NAME=VALUE, not {value!r}")
            self.defines[key] = v or "1"
        elif name == "non_fatal":
            kinds = tuple(x for x in value.split(",") if x)
            if not {*kinds} <= {"packet", "syscall"}:
                raise ValueError(f"takes packet and syscall, with a comma between, not {value!r}")
            self.non_fatal = kinds
        elif name == "dry_run":
            self.dry_run = True
        elif name == "strict_segments":
            self.strict_segments = True
        elif name == "verbose":
            self.verbose = True
        elif name not in IGNORED:
            raise ValueError(f"unknown option --{name}")


# options that say how the tool reaches its wire or prints
IGNORED: Final = frozenset(
    "code_command code_format code_sockopt speed persistent_tun_dev tun_dev wire_client wire_server wire_server_ip "
    "wire_server_port wire_client_dev wire_server_dev send_omit_free is_anyip so_filename "
    "so_flags debug "
    "no_cleanup udp_encaps tcp_ts_ecr_scaled inet_ecn_mode fill_rand swap_order".split()
)


# what the runners of public suites define for IPv4
DEFINES: Final = {
    "CMSG_LEVEL_IP": "SOL_IP",
    "CMSG_TYPE_RECVERR": "IP_RECVERR",
    "TFO_COOKIE": "3021b9d889017eeb",
    "TFO_COOKIE_ZERO": "b7c12350a90dc8f5",
}


@dataclass(slots=True)
class Result:
    path: str
    outcome: str
    line: int = 0
    message: str = ""
    remarks: list[str] = field(default_factory=list)
    events: int = 0
    virtual_us: int = 0


class Mismatch(Exception):
    """The script and the host differ."""

    def __init__(self, line: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.kind = kind


class Refused(Exception):
    """The script asks for what is not modelled as a whole."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def seconds(us: int) -> str:
    return f"{us / 1_000_000:.6f}"


def strerror(n: int) -> str:
    return os.strerror(n)


class Runner:
    """One script on one host."""

    def __init__(self, script: Script, host: Host, options: Options, remarks: list[str]) -> None:
        self.script = script
        self.host = host
        self.o = options
        self.remarks = remarks
        s = options.setup
        self.laddr, self.raddr = ip4(s.local_ip), ip4(s.remote_ip)
        self.calls = Calls(host, s.local_ip, s.remote_ip, options.bind_port, options.connect_port)
        self.calls.on_event = self.socket_event
        self.calls.slack_us = options.tolerance_us
        self.shell = Shell(host, Path(script.path).resolve().parent, self.say)
        self.calls.files = self.shell.files
        self.code = CodeRunner()
        self.flows: list[Flow] = []
        self.flow: Flow | None = None
        self.expect_new = ""  # "listen": the next inbound packet begins a connection; "connect": the next SYN sent does
        self.udp_sock: Any = None
        self.next_port = FIRST_PORT
        self.start_us = 0
        self.last_us = 0
        self.pending: tuple[Pending, Made, Event, int] | None = None
        self.done = 0
        self.line = 0
        self.rest = 0
        self.actual = ""
        self.cut: tuple[int, Live] | None = None

    def say(self, text: str) -> None:
        self.remarks.append(f"{self.script.path}:{self.line}: {text}")

    # --- time --------------------------------------------------------------------------------------------------------
    def tolerance(self, script_us: int) -> int:
        return max(self.o.tolerance_us, int(self.o.tolerance_percent * (script_us - self.last_us) / 100))

    def when(self, e: Event) -> tuple[int, int]:
        """(first, last) moment of an event in script time."""
        if e.kind == ANY:
            return self.last_us, 1 << 60
        base = 0 if e.kind in (ABSOLUTE, "absolute range") else self.last_us
        t = base + e.time_us
        return t, (base + e.end_us if e.end_us else t)

    def verify_time(self, e: Event, first: int, last: int, live: int, what: str) -> None:
        if e.kind == ANY:
            return
        tol = self.tolerance(last)
        if first - tol <= live <= last + tol:
            return
        if first != last:
            text = f"in time range {seconds(first)}~{seconds(last)} sec"
        else:
            text = f"at {seconds(first)} sec"
        raise Mismatch(
            e.line,
            f"timing error: expected {what} {text} but happened at {seconds(live)} sec; tolerance {seconds(tol)} sec",
            "packet" if isinstance(e.action, Packet) else "syscall",
        )

    # --- the script --------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Raises Mismatch, Refused, ScriptError."""
        for name in self.o.unknown:
            self.say(f"unknown option {name}")
        for path in self.o.init_scripts:
            self.shell.script(path, Path(path).name, 0)
        if self.script.init is not None:
            self.line = self.script.init_line
            self.shell.run(self.script.init.text)
        self.start_us = self.host.now_us()
        self.calls.zero_ns = self.host.wall_ns()
        for e in self.script.events:
            self.line = e.line
            first, last = self.when(e)
            if first < self.last_us and e.kind == ABSOLUTE and not isinstance(e.action, Packet):
                raise ScriptError(self.script.path, e.line, "script is not in chronological order")
            a = e.action
            try:
                if isinstance(a, Packet) and not a.inbound:
                    live = self.outbound(e, a, first, last)
                    self.last_us = live if e.kind not in (ABSOLUTE, RELATIVE) else first
                else:
                    self.host.sleep_until(self.start_us + first)
                    if isinstance(a, Packet):
                        self.inbound(e, a)
                    elif isinstance(a, SysCall):
                        self.syscall(e, a, first)
                    elif isinstance(a, Command):
                        self.shell.run(a.text)
                    else:
                        self.assertion(e, a)
                    self.last_us = first
            except Mismatch as m:
                if m.kind not in self.o.non_fatal:
                    raise
                self.say(m.message)
                self.last_us = max(self.last_us, first if e.kind != ANY else 0)
            except (CallError, PacketError) as err:
                raise Refused(e.line, str(err)) from None
            self.done += 1
            self.host.event_done()
            if self.pending is not None and self.pending[0].done:
                self.finish_pending()
        self.finish_pending()
        if self.script.cleanup is not None:
            self.line = self.script.cleanup_line
            self.shell.run(self.script.cleanup.text)

    # --- connections -------------------------------------------------------------------------------------------------
    def socket_event(self, what: str, sock: Any) -> None:
        stream = getattr(sock, "type", 1) & 15 == 1
        if not stream:
            self.udp_sock = sock
            if what in ("bind", "connected", "connect"):
                self.udp_flow()
            return
        if what == "listen":
            self.expect_new = "listen"
        elif what == "connect":
            if self.flow is None or not self.connected_flow(sock):
                self.expect_new = "connect"

    def connected_flow(self, sock: Any) -> bool:
        try:
            name = sock.getsockname()
        except OSError:
            return False
        return any(
            f.lport == name[1] and f.rport == self.o.connect_port and f.local_offset is not None for f in self.flows
        )

    def udp_flow(self) -> Flow:
        try:
            lport = self.udp_sock.getsockname()[1] or self.o.bind_port
        except (OSError, AttributeError):
            lport = self.o.bind_port
        rport = self.o.connect_port
        f = next((f for f in self.flows if f.lport == lport and f.rport == rport), None)
        if f is None:
            f = Flow(self.laddr, lport, self.raddr, rport)
            self.flows.append(f)
        if self.flow is None or self.flow.local_offset is None:
            self.flow = f
        return f

    def new_flow(self, p: Packet | None) -> Flow:
        """A connection that the script's side begins."""
        lport, rport = self.o.bind_port, 0
        if p is not None and p.src_port:
            lport, rport = p.dst_port, p.src_port
        if not rport:
            rport = self.next_port
            self.next_port += 1
        f = Flow(self.laddr, lport, self.raddr, rport)
        if p is not None and p.src_port:
            f.script_ports = (p.dst_port, p.src_port)
        self.flows.append(f)
        return f

    def by_ports(self, local: int, remote: int) -> Flow | None:
        for f in reversed(self.flows):
            if (f.script_ports or (f.lport, f.rport)) == (local, remote) or (f.lport, f.rport) == (local, remote):
                return f
        return None

    def inbound_flow(self, p: Packet) -> Flow:
        if p.protocol == "udp" and self.udp_sock is not None:
            f = self.udp_flow()
            if p.src_port:
                f = self.by_ports(p.dst_port, p.src_port) or Flow(self.laddr, p.dst_port, self.raddr, p.src_port)
            self.flow = f
            return f
        if p.src_port:
            found = self.by_ports(p.dst_port, p.src_port)
            if found is None and self.expect_new == "connect" and self.flow is not None:
                found = self.flow
            if found is None:
                found = self.new_flow(p)
                self.expect_new = ""
            self.flow = found
            return found
        if self.expect_new == "listen" and p.protocol == "tcp":
            self.expect_new = ""
            self.flow = self.new_flow(None)
        if self.flow is None:
            self.flow = self.new_flow(None)
        return self.flow

    # --- events ------------------------------------------------------------------------------------------------------
    def inbound(self, e: Event, p: Packet) -> None:
        if any(o.kind == "ipv6" for o in p.outer):
            self.say("an IPv6 packet: the machine has no IPv6, it is dropped")
            return
        flow = self.flow if p.outer and self.flow is not None else self.inbound_flow(p)
        if "S" in p.flags and p.seq:
            flow.absolute = self.absolute_numbers(p.seq)
        packet = build(p, flow)
        try:
            mss = self.o.setup.mss
            self.host.inject(packet, mss if p.protocol == "tcp" and p.length > mss else 0)
        except OSError as err:
            raise Mismatch(e.line, f"error handling packet: cannot inject: {err.strerror}", "packet") from None

    def belongs(self, v: Live, f: Flow) -> bool:
        if v.protocol == 1:
            return v.dst == f.raddr
        return v.src == f.laddr and v.dst == f.raddr and v.sport == f.lport and v.dport == f.rport

    def outbound_flow(self, p: Packet, v: Live) -> Flow | None:
        """The connection that a live packet belongs to if it may be the expected one, else None: pass it over."""
        if v.bad or v.protocol not in (1, 6, 17) or v.dst >> 28 == 0xE:
            return None
        known = next((f for f in reversed(self.flows) if self.belongs(v, f)), None)
        if known is not None and self.expect_new == "connect" and p.protocol == "tcp" and p.flags.startswith("S"):
            if v.flags & 0x12 != 2 or known.live_isn in (None, v.seq):
                return None  # what an older connection still says, before the one that begins here
            known = None  # the same ports once more
        if v.protocol == 6 and known is None:
            if v.flags & 0x12 == 2 or self.expect_new == "connect":
                f = Flow(v.src, v.sport, v.dst, v.dport)
                if p.src_port:
                    f.script_ports = (p.src_port, p.dst_port)
                self.flows.append(f)
                self.flow = f
                if self.expect_new == "connect":
                    self.expect_new = ""
                return f
            return None
        if v.protocol == 17 and known is None:
            f = Flow(v.src, v.sport, v.dst, v.dport)
            self.flows.append(f)
            if self.flow is None or self.flow.local_offset is None:
                self.flow = f
            return f
        if v.protocol == 1:  # an answer of the host itself, when no ICMP is expected
            return (self.flow or Flow(v.src, 0, v.dst, 0)) if p.protocol == "icmp" else None
        if p.src_port:
            want = self.by_ports(p.src_port, p.dst_port)
            if want is None and known is not None and not known.script_ports[0]:
                known.script_ports = (p.src_port, p.dst_port)
                return known
            return known if known is want else None
        if known is not self.flow and p.protocol != "udp":
            return None
        return known

    def outbound(self, e: Event, p: Packet, first: int, last: int) -> int:
        if p.refused:
            raise Refused(e.line, f"{p.refused} is not modelled")
        if p.outer:
            raise Refused(e.line, f"an outer {p.outer[0].kind} header is not modelled in packets that are sent")
        limit = self.start_us + (self.last_us if e.kind == ANY else last) + LATE_US
        if e.kind == ANY:
            limit += STUCK_US * 10
        limit += self.tolerance(last) if e.kind != ANY else 0
        whole = p
        start = ""
        while True:
            try:
                live = self.one_outbound(e, p, whole, first, last, limit)
            except Mismatch as m:
                if start and ("Timed out" in m.message or "tcp_seq" in m.message):  # it was all of it
                    m.message = start
                raise
            if p.protocol != "tcp" or not self.rest:
                return live
            if not start:
                n, want = self.rest, whole.length
                start = (
                    f"error handling packet: live packet field tcp_payload: expected: {want} ({want:#x}) vs "
                    f"actual: {n} ({n:#x})\nscript packet: {seconds(first)} {self.show_script(whole)}\n{self.actual}"
                )
            # a script may show as one what is sent as several segments
            p = replace(p, seq=(p.seq + self.rest) & 0xFFFFFFFF, length=p.length - self.rest)

    def one_outbound(self, e: Event, p: Packet, whole: Packet, first: int, last: int, limit: int) -> int:
        """One live packet against (the rest of) a script's packet.  `rest`: what it brought when more must follow."""
        self.rest = 0
        while True:
            if self.cut is not None:
                t, v = self.cut
                self.cut = None
            else:
                got = self.host.packet_before(limit)
                if got is None:
                    raise Mismatch(
                        e.line,
                        "error handling packet: Timed out waiting for packet\n"
                        f"script packet: {seconds(first)} {self.show_script(whole)}",
                        "packet",
                    )
                t, v = got[0], read(got[1])
            flow = self.outbound_flow(p, v)
            if flow is not None:
                break
        live = t - self.start_us
        if p.protocol == "tcp" and v.protocol == 6:
            saved = dict(flow.ts_live), flow.ts_first
            if "S" in p.flags and p.seq:
                flow.absolute = self.absolute_numbers(p.seq)
            if not (v.flags & 4 and flow.local_offset is None):
                learn(p, v, flow, live)
            part = p
            if 0 < p.length < v.length and v.seq == flow.to_live_local(p.seq) and not self.o.strict_segments:
                # more than the script shows in one: the rest is for its next packet
                tail = copy(v)
                tail.seq, tail.length = (v.seq + p.length) & 0xFFFFFFFF, v.length - p.length
                v.length = p.length
                v.flags &= ~1
                self.cut = (t, tail)
            if 0 < v.length < p.length and not self.o.strict_segments:
                flags = p.flags.replace("P", "").replace("F", "")
                part = replace(p, length=v.length, flags="P" + flags if v.flags & 8 else flags)
                self.rest = v.length
            bad = compare(part, v, flow, self.o.tcp_ts_tick_us, self.tolerance(last), self.o.strict_segments)
            if bad:
                flow.ts_live, flow.ts_first = saved
        else:
            bad = compare(p, v, flow, 0, 0)
        self.actual = actual = f"actual packet: {seconds(live)} {show_live(v, flow)}"
        if bad:
            raise Mismatch(
                e.line,
                f"error handling packet: {bad}\nscript packet: {seconds(first if e.kind != ANY else live)} "
                f"{self.show_script(whole)}\n{actual}",
                "packet",
            )
        try:
            self.verify_time(e, first, last, live, "outbound packet")
        except Mismatch as m:
            script = f"script packet: {seconds(first)} {self.show_script(whole)}"
            m.message = f"error handling packet: {m.message}\n{script}\n{actual}"
            raise
        return live

    def absolute_numbers(self, isn: int) -> bool:
        """Whether the script goes on with whole sequence numbers after a SYN with `isn`."""
        for e in self.script.events[self.done + 1 :]:
            a = e.action
            if isinstance(a, Packet) and a.protocol == "tcp" and "S" not in a.flags:
                return (isn + 1) & 0xFFFFFFFF in (a.seq, a.ack)
        return False

    def show_script(self, p: Packet) -> str:
        if p.protocol != "tcp":
            return p.text.lstrip("<> ")
        ack = f" ack {p.ack}" if p.has_ack else ""
        win = "" if p.window is None else f" win {p.window}"
        urg = f" urg {p.urg}" if p.urg else ""
        ecn = f"[{p.ecn}] " if p.ecn else f"[tos {p.tos:#x}] " if p.tos is not None else ""
        opts = show_options(p.options)
        return f"{ecn}{p.flags or '-'} {p.seq}:{p.end}({p.length}){ack}{win}{urg} {opts}".rstrip()

    def finish_pending(self) -> None:
        if self.pending is None:
            return
        p, made, e, end = self.pending
        self.pending = None
        call = e.action
        assert isinstance(call, SysCall)
        tol = max(self.o.tolerance_us, int(self.o.tolerance_percent * (end - self.last_us) / 100))
        if not self.host.join(p, max(self.start_us + end + tol, self.host.now_us() + 1)):
            raise Mismatch(
                e.line,
                f"runtime error in {call.name} call: the call should return at {seconds(end)} sec and still blocks at "
                f"{seconds(self.host.now_us() - self.start_us)} sec",
                "syscall",
            )
        live = p.end_us - self.start_us
        try:
            self.verify(e, call, made, p)
        except CallError as err:
            raise Refused(e.line, str(err)) from None
        if abs(live - end) > tol:
            raise Mismatch(
                e.line,
                f"timing error: expected system call return at {seconds(end)} sec but happened at {seconds(live)} sec; "
                f"tolerance {seconds(tol)} sec",
                "syscall",
            )

    def syscall(self, e: Event, c: SysCall, first: int) -> None:
        self.finish_pending()
        live = self.host.now_us() - self.start_us
        try:
            made = self.calls.make(c)
        except OSError as err:
            error = err

            def failing() -> Any:
                raise error

            made = Made(failing)
        pending = self.host.start(made.run) if c.end_us is not None else self.host.call(made.run)
        if c.end_us is not None:
            end = c.end_us if e.kind == ABSOLUTE else self.last_us + c.end_us
            self.pending = (pending, made, e, end)
            return
        if not self.host.join(pending, self.start_us + first + STUCK_US):
            raise Mismatch(e.line, f"runtime error in {c.name} call: the call blocks", "syscall")
        self.verify(e, c, made, pending)
        self.verify_time(e, first, first, live, "system call")

    def verify(self, e: Event, c: SysCall, made: Made, p: Pending) -> None:
        """The result of a call against the script's."""
        any_result = isinstance(c.result, Ellipsis_)
        want = 0 if any_result else self.calls.number(c.result)
        prefix = f"runtime error in {c.name} call: "
        if p.error is not None:
            n = p.error.errno or 0
            if any_result or (want == -1 and (c.errno is None or ERRNO.get(c.errno) == n)):
                return
            name = ERRNO_NAMES.get(n, str(n))
            own = p.error.strerror or ""
            text = strerror(n) if own == strerror(n) or not own else f"{strerror(n)}; {own}"
            if want == -1:
                raise Mismatch(
                    e.line,
                    f"{prefix}Expected errno {ERRNO.get(c.errno or '', 0)} ({c.errno}) but got {n} ({name}: {text})",
                    "syscall",
                )
            raise Mismatch(
                e.line, f"{prefix}Expected result {want} but got -1 with errno {n} ({name}: {text})", "syscall"
            )
        if made.result is None:
            got = int(p.value)
        else:
            got = made.result(p.value)
        if got == -2 and want >= 0:  # a new descriptor: the script gives it its number
            if any_result:
                want = min(set(range(3, 4000)) - set(self.calls.fds))
        elif not any_result and got != want:
            if got == -2:
                got = min(set(range(3, 4000)) - set(self.calls.fds))
            raise Mismatch(e.line, f"{prefix}Expected result {want} but got {got}", "syscall")
        if made.after is not None:
            made.after(p.value, want)
        if made.check is not None:
            bad = made.check(p.value)
            if bad:
                raise Mismatch(e.line, prefix + bad, "syscall")

    def assertion(self, e: Event, c: Code) -> None:
        names: dict[str, Any] = {}
        s = self.calls.info
        if s is not None:
            try:
                b = s.getsockopt(6, 11, 256)
                names = dict(tcp_info(b))
                m = s.getsockopt(1, 55, 36)
                for i, name in enumerate(MEMINFO[: len(m) // 4]):
                    names["SK_MEMINFO_" + name] = int.from_bytes(m[4 * i : 4 * i + 4], "little")
            except OSError:
                pass
        try:
            self.code.run(c.text, names)
        except NotUnderstood as err:
            self.say(f"skipped code: {err}")
        except Failed as err:
            raise Mismatch(e.line, f"error executing code: {err}", "code") from None
        except (TypeError, ArithmeticError, ValueError, LookupError) as err:
            raise Mismatch(e.line, f"error executing code: {err}", "code") from None


def prepare(text: str, path: str, options: Options) -> tuple[Script, Options]:
    """Read a script; its own options come on top of those of the command line.  Raises ScriptError."""
    o = options.copy()
    script = parse(text, path, DEFINES | o.defines)
    for name, value in script.options:
        try:
            o.set(name, value)
        except ValueError as e:
            if "unknown option" not in str(e):
                raise ScriptError(path, 1, str(e)) from None
            o.unknown.append(f"--{name}")
    return script, o


def skip_reason(o: Options) -> str:
    if o.ip_version != "ipv4":
        return f"--ip_version={o.ip_version}: the machine has no IPv6"
    return ""


def run_on(host: Host, script: Script, o: Options, result: Result) -> None:
    """The events, and the result filled in."""
    r = Runner(script, host, o, result.remarks)
    try:
        r.run()
        result.outcome = PASS
    except Mismatch as m:
        result.outcome, result.line, result.message = FAIL, m.line, m.message
    except Refused as m2:
        result.outcome, result.line, result.message = FAIL, m2.line, m2.message
    except ScriptError as m3:
        result.outcome, result.line, result.message = BAD, m3.line, m3.what
    except Exception as err:
        if os.environ.get("RXPATH_TRACEBACK"):
            raise
        result.outcome, result.line = FAIL, r.line
        result.message = f"rxpath itself failed: {type(err).__name__}: {err} (RXPATH_TRACEBACK=1 shows where)"
    result.events = r.done
    result.virtual_us = host.now_us() - r.start_us


def run_text(text: str, path: str, options: Options, on: str = "machine") -> Result:
    """One script on a new machine (`on` "machine") or on the host's kernel ("kernel")."""
    result = Result(path, PASS)
    try:
        script, o = prepare(text, path, options)
    except ScriptError as e:
        result.outcome, result.line, result.message = BAD, e.line, e.what
        return result
    if o.dry_run:
        return result
    reason = skip_reason(o)
    if reason:
        result.outcome, result.message = SKIP, reason
        return result
    if on == "kernel":
        from rxpath.packetdrill.kernel_host import run_on_kernel

        return run_on_kernel(script, o, result)
    from rxpath.packetdrill.machine_host import MachineHost

    host = MachineHost(o.setup)
    try:
        host.run(lambda: run_on(host, script, o, result))
    finally:
        host.close()
    return result


def run_file(path: Path, options: Options, on: str = "machine") -> Result:
    """Raises OSError when the file cannot be read."""
    return run_text(path.read_text(errors="replace"), str(path), options, on)


__all__ = ["BAD", "FAIL", "PASS", "SKIP", "Options", "Result", "Runner", "run_file", "run_text"]
