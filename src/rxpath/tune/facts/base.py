"""What every fact is made of: value, evidence, the command that would tell it; and movements as facts.

Belongs here: the register of facts, the view of a subject, and what facts of several scopes share (CPU
time, softnet, interrupt movements).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...formats.interrupts import IrqRow
from ..delta import SECOND, Move, Pair, move
from ..expr import Value
from ..snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number that a verdict rests on.  `delta` None for a state rather than a movement."""

    file: str
    counter: str
    before: int | None
    after: int | float | str
    delta: int | None = None
    per_second: float | None = None
    since_boot: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """`value` None = unknown, then `why` and `need` (commands to take in both snapshots) say what would
    tell."""

    value: Value
    evidence: tuple[Evidence, ...] = ()
    need: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class FactInfo:
    """How a fact is described in the pages: name, scope, meaning with unit."""

    name: str
    scope: str
    doc: str


FACTS: dict[str, FactInfo] = {}


FUNCTIONS: dict[str, Callable[[View], Fact]] = {}


def fact(scope: str, doc: str) -> Callable[[Callable[[View], Fact]], Callable[[View], Fact]]:
    """Register a function as the fact of its name."""

    def register(function: Callable[[View], Fact]) -> Callable[[View], Fact]:
        name = function.__name__.strip("_")
        FACTS[name] = FactInfo(name, scope, doc)
        FUNCTIONS[name] = function
        return function

    return register


class View:
    """A pair seen from one subject: the host, a device, a CPU or a socket.  Facts are computed once."""

    __slots__ = ("_cache", "cpu", "device", "host", "pair", "socket")

    def __init__(
        self,
        pair: Pair,
        device: str = "",
        cpu: int = -1,
        socket: tuple[str, int] | None = None,
        host: View | None = None,
    ) -> None:
        self.pair = pair
        self.device = device
        self.cpu = cpu
        self.socket = socket
        self.host = host
        self._cache: dict[str, Fact] = {}

    def get(self, name: str) -> Fact:
        """A fact by name; KeyError for a name that no fact has."""
        found = self._cache.get(name)
        if found is None:
            if self.host is not None and FACTS[name].scope == "host":
                found = self.host.get(name)
            else:
                found = FUNCTIONS[name](self)
            self._cache[name] = found
        return found

    def value(self, name: str) -> Value:
        return self.get(name).value

    def number(self, name: str) -> float | None:
        v = self.get(name).value
        return v if isinstance(v, (int, float)) else None

    @property
    def a(self) -> Snapshot:
        return self.pair.before

    @property
    def b(self) -> Snapshot:
        return self.pair.after

    def per_second(self, delta: int | float | None) -> float | None:
        if delta is None or self.pair.single or not self.pair.interval_ns:
            return None
        return delta * SECOND / self.pair.interval_ns

    def subject(self) -> str:
        if self.device:
            return self.device
        if self.cpu >= 0:
            return f"CPU {self.cpu}"
        if self.socket is not None:
            return f"UDP socket {self.socket[0]}:{self.socket[1]}"
        return "host"


BOTH = "rxpath snapshot --interval 10"


def unknown_fact(need: str | tuple[str, ...] = (), why: str = "") -> Fact:
    return Fact(None, (), (need,) if isinstance(need, str) else need, why)


def moved_fact(v: View, before: int | None, after: int | None, bits: int, file: str, counter: str, need: str) -> Fact:
    """A movement as a fact with its evidence."""
    if after is None:
        return unknown_fact(need)
    if v.pair.single:
        return Fact(after, (Evidence(file, counter, None, after, after, None, True),))
    if before is None:
        return unknown_fact(need, f"{file} is in one of the snapshots only")
    m = move(before, after, bits, v.pair.interval_ns)
    if m.delta is None:
        return unknown_fact(need, f"{file} {counter}: {m.why}")
    return Fact(m.delta, (movement_evidence(v, m, file, counter),))


def movement_evidence(v: View, m: Move, file: str, counter: str) -> Evidence:
    return Evidence(file, counter, m.before, m.after, m.delta, v.per_second(m.delta), v.pair.single)


def rate_of(v: View, of: Fact) -> Fact:
    """Per second; unknown for a lone snapshot."""
    if of.value is None:
        return of
    if v.pair.single or not v.pair.interval_ns or not isinstance(of.value, (int, float)):
        return Fact(None, of.evidence, (BOTH,), "a rate needs two snapshots with their times")
    return Fact(of.value * SECOND / v.pair.interval_ns, of.evidence)


def sum_of(parts: list[Fact]) -> Fact:
    total = 0.0
    evidence: list[Evidence] = []
    for p in parts:
        if not isinstance(p.value, (int, float)):
            return p
        total += p.value
        evidence.extend(e for e in p.evidence if e.delta)
    return Fact(int(total) if float(total).is_integer() else total, tuple(evidence))


def soft_share(v: View, cpu: int) -> float | None:
    average = v.b.value("mpstat")
    if isinstance(average, dict) and cpu in average:
        return float(average[cpu]) / 10000
    times = spent_times(v, cpu)
    return times[6] / sum(times[:8]) if times is not None and sum(times[:8]) > 0 else None


def spent_times(v: View, cpu: int) -> tuple[int, ...] | None:
    a, b = v.a.cpu_times(), v.b.cpu_times()
    if v.pair.single or a is None or b is None or cpu not in a.cpus or cpu not in b.cpus:
        return None
    x, y = a.cpus[cpu], b.cpus[cpu]
    if len(x) < 8 or len(y) < 8:
        x, y = x + (0,) * (8 - len(x)), y + (0,) * (8 - len(y))
    # idle and iowait may step back a little on a tickless CPU
    return tuple(max(0, q - p) for p, q in zip(x, y, strict=False))


def busy_share(v: View, cpu: int) -> float | None:
    average = v.b.value("mpstat")
    times = spent_times(v, cpu)
    if times is None:
        return float(average[cpu]) / 10000 if isinstance(average, dict) and cpu in average else None
    total = sum(times[:8])
    return 1 - (times[3] + times[4]) / total if total > 0 else None


STAT_NEED = "cat /proc/stat (twice, 10 s apart)"


def soft_evidence(v: View, cpu: int, share: float) -> Evidence:
    times = spent_times(v, cpu)
    if times is None:
        return Evidence("mpstat", f"CPU {cpu} %soft", None, round(share * 100, 1))
    return Evidence("/proc/stat", f"cpu{cpu} softirq share %", None, round(share * 100, 1))


def softnet_moved(v: View, column: str, cpu: int | None = None) -> Fact:
    """Movement of one column, of a CPU or of all CPUs that both snapshots have."""
    need = "cat /proc/net/softnet_stat"
    b = v.b.softnet()
    if b is None:
        return unknown_fact(need)
    a = v.a.softnet()
    if not v.pair.single and a is None:
        return unknown_fact(need, "softnet_stat is in one of the snapshots only")
    old = {r.cpu: r for r in a.rows} if a is not None else {}
    if not v.pair.single and a is not None and any(r.backlog_len is None for r in b.rows):
        # no CPU numbers in the text: rows match by position, and only when both moments have the same CPUs
        online = [set(t.cpus) for snap in (v.a, v.b) if (t := snap.cpu_times()) is not None]
        counts = {len(a.rows), len(b.rows), *(len(cpus) for cpus in online)}
        if len(counts) > 1 or any(cpus != online[0] for cpus in online):
            return unknown_fact(
                need,
                "a CPU went on- or offline and this release prints no CPU numbers: rows cannot be matched",
            )
    parts: list[Fact] = []
    for r in b.rows:
        if cpu is not None and r.cpu != cpu:
            continue
        before = old.get(r.cpu)
        if before is None and not v.pair.single:
            continue
        parts.append(
            moved_fact(
                v,
                getattr(before, column) if before is not None else None,
                getattr(r, column),
                32,
                "/proc/net/softnet_stat",
                f"CPU {r.cpu} {column}",
                need,
            )
        )
    if not parts:
        return unknown_fact(need)
    return sum_of(parts)


def material(v: View, f: Fact, of: float | None) -> Fact:
    """For totals since boot: fewer than 1 in 100000 (or than 10 of an unknown whole) is the history of a
    long life, not a fault now."""
    if v.pair.single and isinstance(f.value, (int, float)) and f.value < (of / 100_000 if of else 10):
        return Fact(0, f.evidence)
    return f


def irq_moves(v: View) -> list[tuple[IrqRow, dict[int, int]]] | None:
    """(line, CPU -> movement) of the device's receive interrupts; None where the texts do not tell."""
    b = v.b.interrupts()
    if b is None:
        return None
    rows = v.b.rx_irqs(v.device)
    if not rows:
        return None
    a = v.a.interrupts()
    if not v.pair.single and a is None:
        return None
    old = {r.irq: r for r in a.rows} if a is not None else {}
    out: list[tuple[IrqRow, dict[int, int]]] = []
    for r in rows:
        before = old.get(r.irq)
        moves: dict[int, int] = {}
        for i, cpu in enumerate(b.cpus):
            if v.pair.single or a is None:
                moves[cpu] = r.counts[i]
                continue
            if before is None or before.actions != r.actions or cpu not in a.cpus:
                continue
            m = move(before.counts[a.cpus.index(cpu)], r.counts[i], 32, v.pair.interval_ns)
            if m.delta is None:
                return None
            moves[cpu] = m.delta
        out.append((r, moves))
    return out


IRQ_NEED = "cat /proc/interrupts (twice, 10 s apart)"


def udp_sockets(pair: Pair) -> list[tuple[str, int]]:
    """Sockets whose drops moved or are unknown, in order of the file."""
    out: list[tuple[str, int]] = []
    for table in pair.after.udp():
        for row in table.rows:
            key = (row.head.local, row.head.lport)
            if row.drops and key not in out:
                out.append(key)
    return out
