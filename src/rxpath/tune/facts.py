"""Named facts about a pair of snapshots, for the predicates and texts of rules.

Belongs here: computing one value from the texts, with its evidence (file, counter, movement) or the command that would
tell it.  Not: thresholds and judgement, which are in the rules (data/rules.toml).

Scopes: host, device, cpu, socket.  A narrower scope sees the host's facts too.  A fact is unknown (value None) where the
texts do not tell; it never raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..formats.interrupts import IrqRow
from .counters import find
from .delta import SECOND, Move, Pair, move
from .expr import Value
from .snapshot import UNNAMED, Snapshot, cpus_of_mask


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
    """`value` None = unknown, then `why` and `need` (commands to take in both snapshots) say what would tell."""

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
_FUNCTIONS: dict[str, Callable[[View], Fact]] = {}


def fact(scope: str, doc: str) -> Callable[[Callable[[View], Fact]], Callable[[View], Fact]]:
    """Register a function as the fact of its name."""

    def register(function: Callable[[View], Fact]) -> Callable[[View], Fact]:
        name = function.__name__.strip("_")
        FACTS[name] = FactInfo(name, scope, doc)
        _FUNCTIONS[name] = function
        return function

    return register


class View:
    """A pair seen from one subject: the host, a device, a CPU or a socket.  Facts are computed once."""

    __slots__ = ("_cache", "cpu", "device", "host", "pair", "socket")

    def __init__(
        self, pair: Pair, device: str = "", cpu: int = -1, socket: tuple[str, int] | None = None, host: View | None = None
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
                found = _FUNCTIONS[name](self)
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


def _unknown(need: str | tuple[str, ...] = (), why: str = "") -> Fact:
    return Fact(None, (), (need,) if isinstance(need, str) else need, why)


def _moved(v: View, before: int | None, after: int | None, bits: int, file: str, counter: str, need: str) -> Fact:
    """A movement as a fact with its evidence."""
    if after is None:
        return _unknown(need)
    if v.pair.single:
        return Fact(after, (Evidence(file, counter, None, after, after, None, True),))
    if before is None:
        return _unknown(need, f"{file} is in one of the snapshots only")
    m = move(before, after, bits, v.pair.interval_ns)
    if m.delta is None:
        return _unknown(need, f"{file} {counter}: {m.why}")
    return Fact(m.delta, (_evidence(v, m, file, counter),))


def _evidence(v: View, m: Move, file: str, counter: str) -> Evidence:
    return Evidence(file, counter, m.before, m.after, m.delta, v.per_second(m.delta), v.pair.single)


def _rate(v: View, of: Fact) -> Fact:
    """Per second; unknown for a lone snapshot."""
    if of.value is None:
        return of
    if v.pair.single or not v.pair.interval_ns or not isinstance(of.value, (int, float)):
        return Fact(None, of.evidence, (BOTH,), "a rate needs two snapshots with their times")
    return Fact(of.value * SECOND / v.pair.interval_ns, of.evidence)


def _sum(parts: list[Fact]) -> Fact:
    total = 0.0
    evidence: list[Evidence] = []
    for p in parts:
        if not isinstance(p.value, (int, float)):
            return p
        total += p.value
        evidence.extend(e for e in p.evidence if e.delta)
    return Fact(int(total) if float(total).is_integer() else total, tuple(evidence))


# == host ============================================================================================================


@fact("host", "number of online CPUs")
def cpus(v: View) -> Fact:
    n = len(v.b.online_cpus())
    return Fact(n) if n else _unknown("cat /proc/stat")


@fact("host", "true when only one snapshot was given: totals since boot, no rates")
def single(v: View) -> Fact:
    return Fact(v.pair.single)


@fact("host", "seconds between the snapshots")
def seconds(v: View) -> Fact:
    s = v.pair.seconds()
    return Fact(s) if s is not None and not v.pair.single else _unknown(BOTH)


def _kernel_fact(v: View, at_least: tuple[int, int]) -> Fact:
    k = v.b.kernel()
    return Fact(k.at_least(*at_least)) if k is not None else _unknown("uname -r")


@fact("host", "true where NAPI has a time limit of its own that can be set (netdev_budget_usecs exists)")
def has_budget_usecs(v: View) -> Fact:
    if "net.core.netdev_budget_usecs" in v.b.sysctls:
        return Fact(True, (Evidence("sysctl", "net.core.netdev_budget_usecs", None, v.b.sysctls["net.core.netdev_budget_usecs"]),))
    if "net.core.netdev_budget" in v.b.sysctls:
        return Fact(False, (Evidence("sysctl", "net.core.netdev_budget_usecs", None, "absent"),))
    return _kernel_fact(v, (4, 12))


@fact("host", "true where one NAPI gets one poll of its weight a round (3.19 and later), false where it may spend the whole budget")
def repolls(v: View) -> Fact:
    if "net.core.netdev_budget_usecs" in v.b.sysctls:
        return Fact(True)
    return _kernel_fact(v, (3, 19))


def _sysctl(v: View, name: str) -> Fact:
    n = v.b.sysctl(name)
    if n is None:
        return _unknown(f"sysctl {name}")
    return Fact(n, (Evidence("sysctl", name, None, n),))


@fact("host", "net.core.netdev_max_backlog, packets")
def backlog(v: View) -> Fact:
    return _sysctl(v, "net.core.netdev_max_backlog")


@fact("host", "twice the backlog, packets")
def backlog_next(v: View) -> Fact:
    n = v.number("backlog")
    return Fact(int(max(n, 1000) * 2)) if n is not None else _unknown("sysctl net.core.netdev_max_backlog")


@fact("host", "net.core.netdev_budget, packets")
def budget(v: View) -> Fact:
    return _sysctl(v, "net.core.netdev_budget")


@fact("host", "twice the budget, packets")
def budget_next(v: View) -> Fact:
    n = v.number("budget")
    return Fact(int(n * 2)) if n is not None else Fact(600)


@fact("host", "net.core.netdev_budget_usecs, microseconds")
def budget_usecs(v: View) -> Fact:
    return _sysctl(v, "net.core.netdev_budget_usecs")


@fact("host", "the time limit and half of it again, microseconds")
def budget_usecs_next(v: View) -> Fact:
    n = v.number("budget_usecs")
    return Fact(int(n * 3 // 2)) if n is not None else _unknown("sysctl net.core.netdev_budget_usecs")


@fact("host", "net.core.rmem_default, bytes")
def rmem_default(v: View) -> Fact:
    return _sysctl(v, "net.core.rmem_default")


@fact("host", "net.core.rmem_max, bytes")
def rmem_max(v: View) -> Fact:
    return _sysctl(v, "net.core.rmem_max")


@fact("host", "a larger rmem_max, bytes (four times, at least 4 MiB)")
def rmem_max_next(v: View) -> Fact:
    n = v.number("rmem_max")
    return Fact(int(max(n * 4, 4 << 20))) if n is not None else Fact(4 << 20)


@fact("host", "largest size of net.ipv4.tcp_rmem, bytes")
def tcp_rmem_max(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.tcp_rmem")
    return Fact(t[2], (Evidence("sysctl", "net.ipv4.tcp_rmem", None, " ".join(map(str, t))),)) if t and len(t) == 3 else _unknown("sysctl net.ipv4.tcp_rmem")


@fact("host", "net.ipv4.tcp_rmem with its largest size doubled")
def tcp_rmem_next(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.tcp_rmem")
    return Fact(f"{t[0]} {t[1]} {t[2] * 2}") if t and len(t) == 3 else _unknown("sysctl net.ipv4.tcp_rmem")


@fact("host", "net.ipv4.tcp_rmem")
def tcp_rmem(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.tcp_rmem")
    return Fact(" ".join(map(str, t))) if t else _unknown("sysctl net.ipv4.tcp_rmem")


@fact("host", "net.core.somaxconn")
def somaxconn(v: View) -> Fact:
    return _sysctl(v, "net.core.somaxconn")


@fact("host", "net.core.rps_sock_flow_entries (0 = RFS off)")
def rfs_entries(v: View) -> Fact:
    return _sysctl(v, "net.core.rps_sock_flow_entries")


@fact("host", "vm.min_free_kbytes, KiB")
def min_free_kbytes(v: View) -> Fact:
    return _sysctl(v, "vm.min_free_kbytes")


@fact("host", "twice vm.min_free_kbytes, KiB")
def min_free_next(v: View) -> Fact:
    n = v.number("min_free_kbytes")
    return Fact(int(n * 2)) if n is not None else _unknown("sysctl vm.min_free_kbytes")


@fact("host", "net.core.busy_read, microseconds")
def busy_read(v: View) -> Fact:
    return _sysctl(v, "net.core.busy_read")


@fact("host", "what the host is for, as noted by the engineer: latency or throughput")
def goal(v: View) -> Fact:
    n = v.b.notes.get("goal")
    return Fact(n, (Evidence("note", "goal", None, n),)) if n else _unknown("rxpath doctor --goal latency|throughput", "nobody said what the host is for")


def _note_us(v: View, key: str) -> Fact:
    n = v.b.notes.get(key, "")
    if not re.fullmatch(r"\d{1,9}(?:\.\d+)?", n):
        return _unknown(f"rxpath doctor --{key.replace('_', '-')} MICROSECONDS", "latency is measured outside the host's files")
    return Fact(float(n), (Evidence("note", key, None, float(n)),))


@fact("host", "median latency as measured by the engineer, microseconds")
def p50_us(v: View) -> Fact:
    return _note_us(v, "p50_us")


@fact("host", "99th percentile latency as measured by the engineer, microseconds")
def p99_us(v: View) -> Fact:
    return _note_us(v, "p99_us")


@fact("host", "share of last-level cache references that miss, as measured (perf stat), 0 to 1")
def cache_miss_share(v: View) -> Fact:
    n = v.b.notes.get("cache_miss_pct", "")
    if not re.fullmatch(r"\d{1,3}(?:\.\d+)?", n):
        return _unknown("perf stat -a -e cache-references,cache-misses sleep 10, then: rxpath doctor --cache-miss-pct N")
    return Fact(float(n) / 100, (Evidence("note", "cache misses, %", None, float(n)),))


# -- CPU time by CPU


def _soft(v: View, cpu: int) -> float | None:
    average = v.b.value("mpstat")
    if isinstance(average, dict) and cpu in average:
        return float(average[cpu]) / 10000
    times = _times(v, cpu)
    return times[6] / sum(times[:8]) if times is not None and sum(times[:8]) > 0 else None


def _times(v: View, cpu: int) -> tuple[int, ...] | None:
    a, b = v.a.cpu_times(), v.b.cpu_times()
    if v.pair.single or a is None or b is None or cpu not in a.cpus or cpu not in b.cpus:
        return None
    x, y = a.cpus[cpu], b.cpus[cpu]
    if len(x) < 8 or len(y) < 8:
        x, y = x + (0,) * (8 - len(x)), y + (0,) * (8 - len(y))
    # idle and iowait may step back a little on a tickless CPU
    return tuple(max(0, q - p) for p, q in zip(x, y, strict=False))


def _busy(v: View, cpu: int) -> float | None:
    average = v.b.value("mpstat")
    times = _times(v, cpu)
    if times is None:
        return float(average[cpu]) / 10000 if isinstance(average, dict) and cpu in average else None
    total = sum(times[:8])
    return 1 - (times[3] + times[4]) / total if total > 0 else None


_STAT_NEED = "cat /proc/stat (twice, 10 s apart)"


def _soft_evidence(v: View, cpu: int, share: float) -> Evidence:
    times = _times(v, cpu)
    if times is None:
        return Evidence("mpstat", f"CPU {cpu} %soft", None, round(share * 100, 1))
    return Evidence("/proc/stat", f"cpu{cpu} softirq share %", None, round(share * 100, 1))


@fact("host", "largest softirq share of any CPU, 0 to 1")
def max_soft(v: View) -> Fact:
    shares = [(s, c) for c in v.b.online_cpus() if (s := _soft(v, c)) is not None]
    if not shares:
        return _unknown(_STAT_NEED)
    share, cpu = max(shares)
    return Fact(share, (_soft_evidence(v, cpu, share),))


@fact("host", "smallest busy share of any CPU, 0 to 1")
def min_busy(v: View) -> Fact:
    shares = [(s, c) for c in v.b.online_cpus() if (s := _busy(v, c)) is not None]
    if not shares:
        return _unknown(_STAT_NEED)
    share, cpu = min(shares)
    return Fact(share, (Evidence("/proc/stat", f"cpu{cpu} busy share % (least busy)", None, round(share * 100, 1)),))


@fact("host", "mean busy share of the CPUs, 0 to 1")
def mean_busy(v: View) -> Fact:
    shares = [s for c in v.b.online_cpus() if (s := _busy(v, c)) is not None]
    return Fact(sum(shares) / len(shares)) if shares else _unknown(_STAT_NEED)


@fact("host", "CPUs busy for more than half of the time")
def busy_cpus(v: View) -> Fact:
    shares = [s for c in v.b.online_cpus() if (s := _busy(v, c)) is not None]
    return Fact(sum(1 for s in shares if s > 0.5)) if shares else _unknown(_STAT_NEED)


def _thread_shares(v: View) -> list[tuple[float, str, int]] | None:
    """(share of one CPU, name, CPU) of threads that are in both snapshots, busiest first."""
    ta, tb = v.a.threads(), v.b.threads()
    if ta is None or tb is None or v.pair.single or not v.pair.interval_ns:
        return None
    old = {t.tid: t for t in ta}
    span = v.pair.interval_ns / 10_000_000
    out = [(min(1.0, (t.ticks - old[t.tid].ticks) / span), t.name, t.cpu) for t in tb if t.tid in old and t.ticks >= old[t.tid].ticks]
    return sorted(out, key=lambda x: (-x[0], x[1], x[2]))


_THREADS_NEED = "cat /proc/[0-9]*/task/[0-9]*/stat (twice, 10 s apart)"


@fact("host", "largest share of one CPU that any ksoftirqd took, 0 to 1")
def ksoftirqd_share(v: View) -> Fact:
    threads = _thread_shares(v)
    if threads is None:
        return _unknown(_THREADS_NEED)
    own = [t for t in threads if t[1].startswith("ksoftirqd/")]
    if not own:
        return Fact(0.0)
    return Fact(own[0][0], (Evidence("/proc/PID/stat", f"{own[0][1]} share of a CPU %", None, round(own[0][0] * 100, 1)),))


def _readers(v: View) -> list[tuple[float, str, int]] | None:
    threads = _thread_shares(v)
    if threads is None:
        return None
    return [t for t in threads if not re.match(r"(?:ksoftirqd|kworker|rcu|migration|napi/|irq/|swapper)", t[1])]


@fact("host", "share of one CPU that the busiest program thread took, 0 to 1")
def top_thread_share(v: View) -> Fact:
    readers = _readers(v)
    if readers is None:
        return _unknown(_THREADS_NEED)
    if not readers:
        return Fact(0.0)
    share, name, cpu = readers[0]
    return Fact(share, (Evidence("/proc/PID/task/TID/stat", f"thread {name} on CPU {cpu}, share %", None, round(share * 100, 1)),))


@fact("host", "second busiest program thread's share of a CPU, 0 to 1")
def second_thread_share(v: View) -> Fact:
    readers = _readers(v)
    if readers is None:
        return _unknown(_THREADS_NEED)
    return Fact(readers[1][0] if len(readers) > 1 else 0.0)


@fact("host", "true when a program that holds an overflowing UDP socket runs on a CPU that softirqs fill")
def reader_on_rx_cpu(v: View) -> Fact:
    tb = v.b.threads()
    ss = v.b.ss()
    if tb is None or ss is None:
        return _unknown(("ss -uampn", _THREADS_NEED))
    full = {c for c in v.b.online_cpus() if (_soft(v, c) or 0.0) >= 0.9}
    pids: set[str] = set()
    for row in ss.rows:
        if row.skmem is not None and (row.skmem.d or 0) > 0:
            pids |= set(re.findall(r"pid=(\d+)", row.process))
    own = [t for t in tb if str(t.tid) in pids]
    if not own:
        return _unknown("ss -uampn (as root, for the processes)")
    hit = [t for t in own if t.cpu in full]
    if not hit:
        return Fact(False)
    return Fact(True, (Evidence("/proc/PID/stat", f"reader {hit[0].name} last ran on CPU", None, hit[0].cpu),))


# -- softnet over all CPUs


def _softnet(v: View, column: str, cpu: int | None = None) -> Fact:
    """Movement of one column, of a CPU or of all CPUs that both snapshots have."""
    need = "cat /proc/net/softnet_stat"
    b = v.b.softnet()
    if b is None:
        return _unknown(need)
    a = v.a.softnet()
    if not v.pair.single and a is None:
        return _unknown(need, "softnet_stat is in one of the snapshots only")
    old = {r.cpu: r for r in a.rows} if a is not None else {}
    if not v.pair.single and a is not None and len(a.rows) != len(b.rows) and any(r.backlog_len is None for r in b.rows):
        return _unknown(need, "a CPU went on- or offline and this release prints no CPU numbers: rows cannot be matched")
    parts: list[Fact] = []
    for r in b.rows:
        if cpu is not None and r.cpu != cpu:
            continue
        before = old.get(r.cpu)
        if before is None and not v.pair.single:
            continue
        parts.append(
            _moved(v, getattr(before, column) if before is not None else None, getattr(r, column), 32,
                   "/proc/net/softnet_stat", f"CPU {r.cpu} {column}", need)
        )  # fmt: skip
    if not parts:
        return _unknown(need)
    return _sum(parts)


@fact("host", "packets that all CPUs took up from devices and backlogs")
def processed_all(v: View) -> Fact:
    return _softnet(v, "processed")


@fact("host", "packets that all CPUs' backlogs refused (softnet column 2)")
def backlog_drops_all(v: View) -> Fact:
    return _material(v, _softnet(v, "dropped"), v.number("processed_all"))


@fact("host", "polls that ended early on all CPUs (softnet column 3)")
def squeezed_all(v: View) -> Fact:
    return _softnet(v, "time_squeeze")


@fact("host", "RPS interrupts taken on all CPUs (softnet column 10), per second")
def rps_rate(v: View) -> Fact:
    return _rate(v, _softnet(v, "received_rps"))


def _material(v: View, f: Fact, of: float | None) -> Fact:
    """For totals since boot: fewer than 1 in 100000 is the history of a long life, not a fault now."""
    if v.pair.single and isinstance(f.value, (int, float)) and of and f.value < of / 100_000:
        return Fact(0, f.evidence)
    return f


# -- snmp, netstat


def _snmp(v: View, group: str, name: str) -> Fact:
    ext = group in ("TcpExt", "IpExt")
    file = "/proc/net/netstat" if ext else "/proc/net/snmp"
    b = v.b.netstat() if ext else v.b.snmp()
    a = v.a.netstat() if ext else v.a.snmp()
    if b is None:
        return _unknown(f"cat {file}")
    if not b.has(group, name):
        return Fact(0)  # this release does not count it
    before = a.get(group, name) if a is not None and a.has(group, name) else None
    return _moved(v, before, b.get(group, name), 64, file, f"{group}.{name}", f"cat {file}")


@fact("host", "UDP datagrams that programs read")
def udp_in(v: View) -> Fact:
    return _snmp(v, "Udp", "InDatagrams")


@fact("host", "UDP datagrams lost because a socket's buffer was full")
def udp_rcvbuf(v: View) -> Fact:
    return _material(v, _snmp(v, "Udp", "RcvbufErrors"), v.number("udp_in"))


@fact("host", "share of UDP datagrams for sockets that were lost to full buffers, 0 to 1")
def udp_rcvbuf_share(v: View) -> Fact:
    lost, got = v.get("udp_rcvbuf"), v.get("udp_in")
    if not isinstance(lost.value, (int, float)) or not isinstance(got.value, (int, float)):
        return lost if lost.value is None else got
    total = lost.value + got.value
    return Fact(lost.value / total if total else 0.0, lost.evidence + got.evidence)


@fact("host", "UDP datagrams in error without full buffer or bad checksum: InErrors - RcvbufErrors - InCsumErrors - MemErrors")
def udp_errors_uncounted(v: View) -> Fact:
    parts = [_snmp(v, "Udp", n) for n in ("InErrors", "RcvbufErrors", "InCsumErrors", "MemErrors")]
    for p in parts:
        if not isinstance(p.value, (int, float)):
            return p
    values = [p.value if isinstance(p.value, (int, float)) else 0 for p in parts]
    rest = values[0] - sum(values[1:])
    return _material(v, Fact(max(0, rest), parts[0].evidence + parts[1].evidence), v.number("udp_in"))


@fact("host", "UDP datagrams to ports that nobody holds, per second")
def udp_noports_rate(v: View) -> Fact:
    return _rate(v, _snmp(v, "Udp", "NoPorts"))


@fact("host", "share of arriving UDP datagrams for ports that nobody holds, 0 to 1")
def udp_noports_share(v: View) -> Fact:
    lost, got = _snmp(v, "Udp", "NoPorts"), v.get("udp_in")
    if not isinstance(lost.value, (int, float)) or not isinstance(got.value, (int, float)):
        return lost if lost.value is None else got
    total = lost.value + got.value
    return Fact(lost.value / total if total else 0.0, lost.evidence + got.evidence)


@fact("host", "UDP datagrams lost because all UDP sockets together had too much memory")
def udp_mem_errors(v: View) -> Fact:
    return _snmp(v, "Udp", "MemErrors")


@fact("host", "UDP memory in use against the pressure mark of udp_mem, 0 to 1")
def udp_mem_share(v: View) -> Fact:
    s = v.b.sockstat()
    t = v.b.sysctl_vector("net.ipv4.udp_mem")
    if s is None or t is None or len(t) != 3 or "UDP" not in s.groups or t[1] <= 0:
        return _unknown(("cat /proc/net/sockstat", "sysctl net.ipv4.udp_mem"))
    pages = s.groups["UDP"].get("mem", 0)
    return Fact(pages / t[1], (Evidence("/proc/net/sockstat", "UDP mem, pages", None, pages), Evidence("sysctl", "net.ipv4.udp_mem", None, " ".join(map(str, t)))))


@fact("host", "net.ipv4.udp_mem")
def udp_mem(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.udp_mem")
    return Fact(" ".join(map(str, t))) if t else _unknown("sysctl net.ipv4.udp_mem")


@fact("host", "net.ipv4.udp_mem doubled, pages")
def udp_mem_next(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.udp_mem")
    return Fact(" ".join(str(2 * n) for n in t)) if t else _unknown("sysctl net.ipv4.udp_mem")


@fact("host", "TCP segments that arrived")
def tcp_in(v: View) -> Fact:
    return _snmp(v, "Tcp", "InSegs")


@fact("host", "share of UDP in what UDP and TCP received, 0 to 1")
def udp_share(v: View) -> Fact:
    parts = [v.number("udp_in"), v.number("udp_rcvbuf"), v.number("tcp_in")]
    noports = _snmp(v, "Udp", "NoPorts").value
    if any(p is None for p in parts) or not isinstance(noports, (int, float)):
        return _unknown("cat /proc/net/snmp (twice)")
    udp = (parts[0] or 0) + (parts[1] or 0) + noports
    total = udp + (parts[2] or 0)
    return Fact(udp / total if total else 0.0)


@fact("host", "share of received IP packets that were forwarded, 0 to 1")
def forwarded_share(v: View) -> Fact:
    f, r = _snmp(v, "Ip", "ForwDatagrams"), _snmp(v, "Ip", "InReceives")
    if not isinstance(f.value, (int, float)) or not isinstance(r.value, (int, float)):
        return f if f.value is None else r
    return Fact(f.value / r.value if r.value else 0.0, f.evidence + r.evidence)


@fact("host", "UDP and TCP segments with a bad checksum")
def csum_errors(v: View) -> Fact:
    return _sum([_snmp(v, "Udp", "InCsumErrors"), _snmp(v, "Tcp", "InCsumErrors")])


@fact("host", "share of UDP and TCP segments with a bad checksum, 0 to 1")
def csum_error_share(v: View) -> Fact:
    bad, t, u = v.number("csum_errors"), v.number("tcp_in"), v.number("udp_in")
    if bad is None or t is None or u is None:
        return _unknown("cat /proc/net/snmp (twice)")
    return Fact(bad / (t + u + bad) if t + u + bad else 0.0, v.get("csum_errors").evidence)


@fact("host", "TCP segments lost because the socket's backlog was full while its owner held it")
def tcp_backlog_drop(v: View) -> Fact:
    return _material(v, _snmp(v, "TcpExt", "TCPBacklogDrop"), v.number("tcp_in"))


@fact("host", "TCP segments lost for want of receive memory (RcvPruned, TCPRcvQDrop, OfoPruned)")
def tcp_pruned(v: View) -> Fact:
    return _material(v, _sum([_snmp(v, "TcpExt", n) for n in ("RcvPruned", "TCPRcvQDrop", "OfoPruned")]), v.number("tcp_in"))


@fact("host", "times TCP had to tidy a receive queue for memory (PruneCalled), per second")
def tcp_prune_rate(v: View) -> Fact:
    return _rate(v, _snmp(v, "TcpExt", "PruneCalled"))


@fact("host", "segments copied together for memory (TCPRcvCollapsed)")
def tcp_collapsed(v: View) -> Fact:
    return _snmp(v, "TcpExt", "TCPRcvCollapsed")


@fact("host", "connections lost because an accept queue was full")
def listen_overflows(v: View) -> Fact:
    return _material(v, _snmp(v, "TcpExt", "ListenOverflows"), _passive(v))


def _passive(v: View) -> float | None:
    f = _snmp(v, "Tcp", "PassiveOpens").value
    return f if isinstance(f, (int, float)) else None


@fact("host", "connections lost at a listening socket for any reason")
def listen_drops(v: View) -> Fact:
    return _snmp(v, "TcpExt", "ListenDrops")


@fact("host", "flows seen in the socket tables: different peers of TCP and connected UDP sockets")
def flows(v: View) -> Fact:
    peers: set[tuple[str, int]] = set()
    seen = False
    t = v.b.tcp()
    if t is not None:
        seen = True
        peers |= {(r.head.remote, r.head.rport) for r in t.rows if r.head.st == 1}
    for u in v.b.udp():
        peers |= {(r.head.remote, r.head.rport) for r in u.rows if r.head.rport}
        # an unconnected UDP socket hides its peers, so their number is not known
        if any(not r.head.rport for r in u.rows) and not peers:
            seen = False
    return Fact(len(peers), (Evidence("/proc/net/tcp, udp", "different peers", None, len(peers)),)) if seen and peers else _unknown("cat /proc/net/tcp")


@fact("host", "true when connection tracking is at work")
def conntrack(v: View) -> Fact:
    n = v.b.sysctl("net.netfilter.nf_conntrack_count")
    if n is not None:
        return Fact(n > 0, (Evidence("sysctl", "net.netfilter.nf_conntrack_count", None, n),))
    modules = v.b.value("modules")
    if isinstance(modules, tuple):
        return Fact("nf_conntrack" in modules, (Evidence("/proc/modules", "nf_conntrack", None, "loaded"),))
    return _unknown("cat /proc/modules")


@fact("host", "connections tracked against nf_conntrack_max, 0 to 1")
def conntrack_share(v: View) -> Fact:
    n, top = v.b.sysctl("net.netfilter.nf_conntrack_count"), v.b.sysctl("net.netfilter.nf_conntrack_max")
    if n is None or not top:
        return _unknown("sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max")
    return Fact(n / top, (Evidence("sysctl", "net.netfilter.nf_conntrack_count", None, n), Evidence("sysctl", "net.netfilter.nf_conntrack_max", None, top)))


@fact("host", "true where the kernel makes every return dearer against AMD SRSO")
def srso(v: View) -> Fact:
    text = v.b.paths.get("/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow")
    if text is None:
        return _unknown("cat /sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow")
    return Fact("Mitigation" in text or "Safe RET" in text, (Evidence("/sys/.../spec_rstack_overflow", "state", None, text),))


@fact("host", "true when a tunnel device exists (vxlan, geneve, wireguard, gre, tun)")
def tunnel(v: View) -> Fact:
    rows = v.b.net_dev()
    if rows is None:
        return _unknown("cat /proc/net/dev")
    hits = [r.name for r in rows.rows if re.match(r"(?:wg|vxlan|geneve|flannel|tailscale|gre|tun)", r.name) and r.rx_packets > 0]
    return Fact(bool(hits), (Evidence("/proc/net/dev", "tunnel device", None, hits[0]),) if hits else ())


@fact("host", "CPUs on which the flow limit is armed, as a mask (0 = none)")
def flow_limit_mask(v: View) -> Fact:
    text = v.b.sysctls.get("net.core.flow_limit_cpu_bitmap")
    if text is None or not re.fullmatch(r"[0-9a-fA-F,]{1,512}", text.strip()):
        return _unknown("sysctl net.core.flow_limit_cpu_bitmap")
    return Fact(int(text.replace(",", ""), 16), (Evidence("sysctl", "net.core.flow_limit_cpu_bitmap", None, text),))


@fact("host", "true when any device steers with RPS (a receive queue's rps_cpus is not 0)")
def rps_any(v: View) -> Fact:
    masks = [m for d in v.b.devices() for m in (v.b.rps_masks(d) or ())]
    if masks:
        return Fact(any(masks))
    return _unknown("grep -H . /sys/class/net/*/queues/rx-*/rps_cpus")


# == device ==========================================================================================================


def _meaning(v: View, meaning: str) -> Fact:
    """Movement of all counters of one meaning of this device."""
    need = f"ethtool -S {v.device if v.device != UNNAMED else 'DEV'}"
    b = v.b.statistics(v.device)
    if b is None or not b.items:
        return _sysfs(v, meaning, need)
    row = v.b.names(v.device)
    got = find(b.items, row, meaning)
    if got is None:
        fallback = _sysfs(v, meaning, need)
        if fallback.value is not None:
            return fallback
        return Fact(0) if row.known else _unknown(need, f"the table of counters has no row for driver {row.driver}")
    if v.device in v.pair.reset_devices:
        return _unknown(need, f"{v.device}: the driver restarted between the snapshots")
    a = v.a.statistics(v.device)
    if not v.pair.single and a is None:
        return _unknown(need, f"ethtool -S {v.device} is in one of the snapshots only")
    old: dict[str, list[int]] = {}
    for name, value in a.items if a is not None else ():
        old.setdefault(name, []).append(value)
    seen: dict[str, int] = {}
    parts: list[Fact] = []
    for name, value, _ in got.items:
        at = seen.get(name, 0)
        seen[name] = at + 1
        have = old.get(name, [])
        before = have[at] if at < len(have) else (None if v.pair.single else 0 if a is not None and _new_queue(name) else None)
        parts.append(_moved(v, before, value, row.bits, f"ethtool -S {v.device}", name, need))
    known = [p for p in parts if p.value is not None]
    if not known:
        return parts[0] if parts else _unknown(need)
    return _sum(known) if len(known) == len(parts) else next(p for p in parts if p.value is None)


def _new_queue(name: str) -> bool:
    return re.search(r"\d", name) is not None


_SYSFS = {
    "missed": ("rx_missed_errors", "rx_fifo_errors"), "crc": ("rx_crc_errors",), "frame": ("rx_frame_errors",),
    "length": ("rx_length_errors",), "rx_packets": ("rx_packets",),
}  # fmt: skip


def _sysfs(v: View, meaning: str, need: str) -> Fact:
    names = [n for n in _SYSFS.get(meaning, ()) if f"/sys/class/net/{v.device}/statistics/{n}" in v.b.paths]
    parts = [
        _moved(v, v.a.path_int(f"/sys/class/net/{v.device}/statistics/{n}"), v.b.path_int(f"/sys/class/net/{v.device}/statistics/{n}"),
               64, f"/sys/class/net/{v.device}/statistics", n, need)
        for n in names
    ]  # fmt: skip
    return _sum(parts) if parts else _unknown(need)


@fact("device", "name of the driver")
def driver(v: View) -> Fact:
    d = v.b.driver(v.device)
    return Fact(d) if d else _unknown(f"ethtool -i {v.device if v.device != UNNAMED else 'DEV'}")


@fact("device", "name of the device")
def dev(v: View) -> Fact:
    return Fact(v.device if v.device != UNNAMED else "DEV")


@fact("device", "frames received, by the card's count where there is one")
def rx_packets(v: View) -> Fact:
    got = _meaning(v, "rx_packets")
    if isinstance(got.value, (int, float)) and got.value > 0:
        return got
    rows = v.b.net_dev()
    row = rows.get(v.device) if rows is not None else None
    if row is None:
        return got if got.value is not None and rows is None and v.b.names(v.device).meanings.get("rx_packets") else _unknown("cat /proc/net/dev")
    old = v.a.net_dev()
    before = old.get(v.device) if old is not None else None
    return _moved(v, before.rx_packets if before is not None else None, row.rx_packets, 64, "/proc/net/dev", f"{v.device} rx packets", "cat /proc/net/dev")


def _net_dev(v: View, column: str) -> Fact:
    rows, old = v.b.net_dev(), v.a.net_dev()
    row = rows.get(v.device) if rows is not None else None
    if row is None:
        return _unknown("cat /proc/net/dev")
    before = old.get(v.device) if old is not None else None
    return _moved(v, getattr(before, column) if before is not None else None, getattr(row, column), 64, "/proc/net/dev", f"{v.device} {column}", "cat /proc/net/dev")


@fact("device", "frames received a second")
def pps(v: View) -> Fact:
    return _rate(v, v.get("rx_packets"))


@fact("device", "mean length of received frames, bytes")
def avg_frame(v: View) -> Fact:
    b, p = _net_dev(v, "rx_bytes"), _net_dev(v, "rx_packets")
    if not isinstance(b.value, (int, float)) or not isinstance(p.value, (int, float)):
        return b if b.value is None else p
    return Fact(b.value / p.value) if p.value else _unknown("cat /proc/net/dev (twice)", "no frame arrived")


def _lost(v: View, meaning: str) -> Fact:
    return _material(v, _meaning(v, meaning), v.number("rx_packets"))


@fact("device", "frames that the card lost because the host did not take them in time")
def missed(v: View) -> Fact:
    return _lost(v, "missed")


@fact("device", "moments or frames without a free descriptor (a frame may still survive in the card)")
def no_buffer(v: View) -> Fact:
    return _lost(v, "no_buffer")


@fact("device", "frames lost for want of a posted receive buffer, counted apart")
def ring_empty(v: View) -> Fact:
    return _lost(v, "ring_empty")


@fact("device", "frames lost in the port's own memory")
def port_discards(v: View) -> Fact:
    return _lost(v, "port_discards")


@fact("device", "frames with a bad checksum or bad symbols: the wire")
def wire_errors(v: View) -> Fact:
    return _lost_sum(v, "crc", "frame")


def _lost_sum(v: View, *meanings: str) -> Fact:
    parts = [_meaning(v, m) for m in meanings]
    known = [p for p in parts if p.value is not None]
    return _material(v, _sum(known), v.number("rx_packets")) if known else parts[0]


@fact("device", "frames too long, too short or with a wrong length")
def length_errors(v: View) -> Fact:
    return _lost(v, "length")


@fact("device", "times the driver got no memory for a receive buffer")
def alloc_failed(v: View) -> Fact:
    return _lost(v, "alloc")


@fact("device", "frames or moments at which a policer outside the host dropped")
def policed(v: View) -> Fact:
    return _lost(v, "policed")


@fact("device", "pause frames sent and received")
def pauses(v: View) -> Fact:
    return _lost_sum(v, "pause_rx", "pause_tx")


@fact("device", "pause frames sent: this host asks the peer to stop")
def pause_sent(v: View) -> Fact:
    return _lost(v, "pause_tx")


@fact("device", "drop column of /proc/net/dev")
def dev_drop(v: View) -> Fact:
    return _material(v, _net_dev(v, "rx_drop"), v.number("rx_packets"))


@fact("device", "drop column of /proc/net/dev as a share of received frames, 0 to 1")
def dev_drop_share(v: View) -> Fact:
    d, p = v.number("dev_drop"), v.number("rx_packets")
    if d is None or p is None:
        return _unknown("cat /proc/net/dev")
    return Fact(d / (d + p) if d + p else 0.0)


@fact("device", "true when every loss counter of the card is known and did not move")
def card_flat(v: View) -> Fact:
    for m in ("missed", "ring_empty", "port_discards"):
        f = _meaning(v, m)
        if f.value is None:
            return f
        if f.value != 0:
            return Fact(False, f.evidence)
    return Fact(True)


# -- rings, queues, moderation


@fact("device", "receive ring in use, descriptors")
def ring_rx(v: View) -> Fact:
    r = v.b.ring(v.device)
    if r is None or r.current.rx is None:
        return _unknown(f"ethtool -g {v.device}")
    return Fact(r.current.rx, (Evidence(f"ethtool -g {v.device}", "RX", None, r.current.rx),))


@fact("device", "largest receive ring, descriptors")
def ring_max(v: View) -> Fact:
    r = v.b.ring(v.device)
    return Fact(r.maximum.rx) if r is not None and r.maximum.rx else _unknown(f"ethtool -g {v.device}")


@fact("device", "the next sensible receive ring: 2048, then 4096, at most the card's largest")
def ring_next(v: View) -> Fact:
    now, top = v.number("ring_rx"), v.number("ring_max")
    if now is None or top is None:
        return _unknown(f"ethtool -g {v.device}")
    return Fact(int(min(top, 2048 if now < 2048 else max(4096, now * 2) if now < 4096 else now * 2)))


@fact("device", "true when the receive ring can be made larger")
def ring_can_grow(v: View) -> Fact:
    now, top = v.number("ring_rx"), v.number("ring_max")
    return Fact(now < top) if now is not None and top is not None else _unknown(f"ethtool -g {v.device}")


@fact("device", "latency that the next ring may add when full at the present rate, milliseconds")
def ring_next_ms(v: View) -> Fact:
    n, p = v.number("ring_next"), v.number("pps")
    return Fact(round(n * 1000 / p, 1)) if n and p else _unknown(BOTH)


@fact("device", "receive queues")
def queues(v: View) -> Fact:
    c = v.b.channels(v.device)
    if c is not None:
        n = (c.current.rx or 0) + (c.current.combined or 0)
        if n:
            return Fact(n, (Evidence(f"ethtool -l {v.device}", "RX + Combined", None, n),))
    paths = {p for p in v.b.paths if re.match(rf"/sys/class/net/{re.escape(v.device)}/queues/rx-\d+/", p)}
    n = len({p.split("/")[6] for p in paths})
    if n:
        return Fact(n, (Evidence("/sys/class/net", f"{v.device}/queues/rx-N", None, n),))
    x = v.b.rxfh(v.device)
    if x is not None and x.rings:
        return Fact(x.rings)
    stats = v.b.statistics(v.device)
    if stats is not None:
        found = find(stats.items, v.b.names(v.device), "queue_packets")
        if found is not None:
            return Fact(len({q for _, _, q in found.items}))
    irqs = v.b.rx_irqs(v.device)
    return Fact(len(irqs)) if irqs else _unknown(f"ethtool -l {v.device}")


@fact("device", "most queues that the card can have")
def queues_max(v: View) -> Fact:
    c = v.b.channels(v.device)
    if c is None:
        return _unknown(f"ethtool -l {v.device}")
    return Fact(max(c.maximum.combined or 0, c.maximum.rx or 0))


@fact("device", "true when the card can have more queues than it has and there are CPUs for them")
def queues_can_grow(v: View) -> Fact:
    now, top, n = v.number("queues"), v.number("queues_max"), v.number("cpus")
    if now is None or top is None or n is None:
        return _unknown(f"ethtool -l {v.device}")
    return Fact(now < min(top, n))


@fact("device", "as many queues as the card and the CPUs allow")
def queues_next(v: View) -> Fact:
    top, n = v.number("queues_max"), v.number("cpus")
    cores = v.b.physical_cores()
    return Fact(int(min(top, cores or n))) if top and n else _unknown(f"ethtool -l {v.device}")


@fact("device", "fewer queues: the number of busy CPUs, at least 2")
def queues_fewer(v: View) -> Fact:
    n = v.number("busy_cpus")
    return Fact(int(max(2, n))) if n is not None else _unknown(_STAT_NEED)


@fact("device", "true when the card chooses its interrupt rate itself (adaptive, or a dynamic mode of the driver)")
def adaptive(v: View) -> Fact:
    c = v.b.coalesce(v.device)
    if c is None:
        return _unknown(f"ethtool -c {v.device}")
    modes = v.b.names(v.device).mode_usecs
    usecs = c.values.get("rx-usecs")
    return Fact(bool(c.adaptive_rx) or (usecs in modes and usecs != 0))


@fact("device", "rx-usecs as a time, microseconds (0 for no delay; unknown for a dynamic mode)")
def rx_usecs(v: View) -> Fact:
    c = v.b.coalesce(v.device)
    if c is None:
        return _unknown(f"ethtool -c {v.device}")
    n = c.values.get("rx-usecs")
    if n is None:
        return _unknown((), f"{v.device} has no rx-usecs")
    if n in v.b.names(v.device).mode_usecs and n != 0:
        return _unknown((), "the driver moderates dynamically")
    return Fact(n, (Evidence(f"ethtool -c {v.device}", "rx-usecs", None, n),))


@fact("device", "true when rx-usecs can be set")
def can_moderate(v: View) -> Fact:
    c = v.b.coalesce(v.device)
    if c is None:
        return _unknown(f"ethtool -c {v.device}")
    return Fact("rx-usecs" in c.values)


@fact("device", "true when moderation is off or below 10 microseconds and not adaptive")
def moderation_low(v: View) -> Fact:
    auto, n = v.value("adaptive"), v.number("rx_usecs")
    if auto is None:
        return _unknown(f"ethtool -c {v.device}")
    if auto:
        return Fact(False)
    return Fact(n < 10, v.get("rx_usecs").evidence) if n is not None else _unknown(f"ethtool -c {v.device}")


@fact("device", "link speed, Mbit/s")
def speed(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/speed")
    if n is not None and n > 0:
        return Fact(n)
    s = v.b.value("ethtool", v.device)
    text = str(getattr(s, "speed", "") or "")
    m = re.match(r"(\d+)", text)
    return Fact(int(m[1])) if m else _unknown(f"cat /sys/class/net/{v.device}/speed")


@fact("device", "frames that arrive at line rate during one moderation gap, 64-byte frames")
def burst_per_gap(v: View) -> Fact:
    n, s = v.number("rx_usecs"), v.number("speed")
    if n is None or s is None:
        return v.get("rx_usecs") if n is None else v.get("speed")
    c = v.b.coalesce(v.device)
    frames = c.values.get("rx-frames") if c is not None else None
    burst = n * s / 672  # 64-byte frame = 672 bit times on the wire
    return Fact(min(burst, float(frames)) if frames else burst, v.get("rx_usecs").evidence)


@fact("device", "frames that arrive during one moderation gap at the present rate")
def frames_per_gap(v: View) -> Fact:
    n, p = v.number("rx_usecs"), v.number("pps")
    if n is None or p is None:
        return v.get("rx_usecs") if n is None else v.get("pps")
    return Fact(n * p / 1_000_000)


# -- interrupts of the device


def _irq_moves(v: View) -> list[tuple[IrqRow, dict[int, int]]] | None:
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


_IRQ_NEED = "cat /proc/interrupts (twice, 10 s apart)"


def _by_cpu(moves: list[tuple[IrqRow, dict[int, int]]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for _, m in moves:
        for cpu, n in m.items():
            total[cpu] = total.get(cpu, 0) + n
    return total


@fact("device", "interrupts of the receive queues a second")
def irq_rate(v: View) -> Fact:
    moves = _irq_moves(v)
    if moves is None:
        return _unknown(_IRQ_NEED)
    n = sum(_by_cpu(moves).values())
    return _rate(v, Fact(n, (Evidence("/proc/interrupts", f"{v.device} receive lines", None, n, n, v.per_second(n), v.pair.single),)))


@fact("device", "interrupts of the busiest receive queue a second")
def irq_queue_rate(v: View) -> Fact:
    moves = _irq_moves(v)
    if not moves:
        return _unknown(_IRQ_NEED)
    row, m = max(moves, key=lambda x: (sum(x[1].values()), -x[0].irq))
    n = sum(m.values())
    return _rate(v, Fact(n, (Evidence("/proc/interrupts", f"{row.irq} {row.actions[0]}", None, row.total, n, v.per_second(n), v.pair.single),)))


@fact("device", "share of the device's receive interrupts that one CPU takes, 0 to 1")
def irq_top_share(v: View) -> Fact:
    moves = _irq_moves(v)
    if moves is None:
        return _unknown(_IRQ_NEED)
    by = _by_cpu(moves)
    total = sum(by.values())
    if not total:
        return _unknown(_IRQ_NEED, "no interrupt of the device")
    cpu = max(by, key=lambda c: (by[c], -c))
    return Fact(by[cpu] / total, (Evidence("/proc/interrupts", f"{v.device}: CPU {cpu} of all CPUs", None, by[cpu], by[cpu], v.per_second(by[cpu]), v.pair.single),
                                  Evidence("/proc/interrupts", f"{v.device}: all CPUs", None, total, total, v.per_second(total), v.pair.single)))  # fmt: skip


@fact("device", "receive interrupt lines that carry at least a tenth of an even share")
def irqs_active(v: View) -> Fact:
    moves = _irq_moves(v)
    if moves is None:
        return _unknown(_IRQ_NEED)
    sums = [sum(m.values()) for _, m in moves]
    total = sum(sums)
    return Fact(sum(1 for s in sums if total and s * len(sums) * 10 >= total))


@fact("device", "CPU that takes most of the device's receive interrupts")
def irq_cpu(v: View) -> Fact:
    moves = _irq_moves(v)
    if moves is None:
        return _unknown(_IRQ_NEED)
    by = _by_cpu(moves)
    return Fact(max(by, key=lambda c: (by[c], -c))) if by else _unknown(_IRQ_NEED)


def _serving(v: View) -> tuple[int, ...] | None:
    """CPUs that serve the device's receive interrupts: by count, and by effective affinity."""
    moves = _irq_moves(v)
    if moves is None:
        return (0,) if v.b.online_cpus() == (0,) else None
    cpus = {c for c, n in _by_cpu(moves).items() if n > 0}
    for row, _ in moves:
        cpus |= set(v.b.list_of(f"/proc/irq/{row.irq}/effective_affinity_list") or ())
    return tuple(sorted(cpus))


@fact("device", "largest softirq share of the CPUs that serve the device, 0 to 1")
def irq_cpu_soft(v: View) -> Fact:
    serving = _serving(v)
    if serving is None:
        alone = v.get("max_soft")
        # whatever CPU it is, it cannot be busier than the busiest
        if isinstance(alone.value, float) and alone.value < 0.8:
            return alone
        return _unknown(("cat /proc/interrupts", _STAT_NEED))
    shares = [(s, c) for c in serving if (s := _soft(v, c)) is not None]
    if not shares:
        return _unknown(_STAT_NEED)
    share, cpu = max(shares)
    return Fact(share, (_soft_evidence(v, cpu, share),))


@fact("device", "CPU with the largest softirq share among those that serve the device")
def hot_cpu(v: View) -> Fact:
    shares = [(s, -c) for c in _serving(v) or () if (s := _soft(v, c)) is not None]
    return Fact(-max(shares)[1]) if shares else _unknown(_STAT_NEED)


@fact("device", "true when some CPU is at least half idle and does not serve the device")
def idle_elsewhere(v: View) -> Fact:
    serving = _serving(v)
    if serving is None:
        return _unknown(("cat /proc/interrupts", _STAT_NEED))
    others = [s for c in v.b.online_cpus() if c not in serving or (_soft(v, c) or 0) < 0.3 if (s := _busy(v, c)) is not None]
    known = [s for c in v.b.online_cpus() if (s := _busy(v, c)) is not None]
    return Fact(any(s < 0.5 for s in others)) if known else _unknown(_STAT_NEED)


@fact("device", "first receive interrupt line")
def irq_first(v: View) -> Fact:
    rows = v.b.rx_irqs(v.device)
    return Fact(rows[0].irq) if rows else _unknown("cat /proc/interrupts")


@fact("device", "receive interrupt lines, as words for a shell loop")
def irq_list(v: View) -> Fact:
    rows = v.b.rx_irqs(v.device)
    return Fact(" ".join(str(r.irq) for r in rows)) if rows else _unknown("cat /proc/interrupts")


@fact("device", "CPUs for the interrupts: those of the device's NUMA node, one a core, as words for a shell loop")
def good_cpus(v: View) -> Fact:
    cpus = list(v.b.online_cpus())
    node = v.number("numa_node")
    if node is not None and node >= 0 and v.b.nodes() > 1:
        local = [c for c in cpus if v.b.node_of(c) == int(node)]
        cpus = local or cpus
    firsts = [c for c in cpus if (v.b.siblings(c) or (c,))[0] == c]
    return Fact(" ".join(map(str, firsts or cpus))) if cpus else _unknown("cat /proc/stat")


@fact("device", "true when the masks of the receive interrupts allow more than one CPU")
def masks_wide(v: View) -> Fact:
    rows = v.b.rx_irqs(v.device)
    masks: list[int] = []
    for r in rows:
        m = v.b.mask_of(f"/proc/irq/{r.irq}/smp_affinity")
        if m is None:
            listed = v.b.list_of(f"/proc/irq/{r.irq}/smp_affinity_list")
            if listed is None:
                return _unknown("grep -H . /proc/irq/*/smp_affinity_list")
            m = sum(1 << c for c in listed)
        masks.append(m)
    if not masks:
        return _unknown("cat /proc/interrupts")
    wide = sum(1 for m in masks if len(cpus_of_mask(m)) > 1)
    return Fact(wide * 2 > len(masks), (Evidence("/proc/irq/N/smp_affinity", f"{v.device}: lines that allow several CPUs", None, wide),))


@fact("device", "NUMA node of the card (-1 none)")
def numa_node(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/device/numa_node")
    return Fact(n, (Evidence("/sys/class/net", f"{v.device}/device/numa_node", None, n),)) if n is not None else _unknown(f"cat /sys/class/net/{v.device}/device/numa_node")


@fact("host", "NUMA nodes")
def nodes(v: View) -> Fact:
    n = v.b.nodes()
    return Fact(n) if n else _unknown("grep -H . /sys/devices/system/node/node*/cpulist")


@fact("device", "share of the device's receive interrupts taken outside its NUMA node, 0 to 1")
def irq_remote_share(v: View) -> Fact:
    node, moves = v.number("numa_node"), _irq_moves(v)
    if node is None:
        return v.get("numa_node")
    if node < 0 or v.b.nodes() < 2:
        return Fact(0.0) if v.b.nodes() else v.get("nodes")
    if moves is None:
        return _unknown(_IRQ_NEED)
    by = _by_cpu(moves)
    total = sum(by.values())
    if not total:
        return Fact(0.0)
    remote = sum(n for c, n in by.items() if v.b.node_of(c) != int(node))
    return Fact(remote / total, (Evidence("/proc/interrupts", f"{v.device}: on CPUs outside node {int(node)}", None, remote, remote, v.per_second(remote), v.pair.single),))


@fact("device", "physical cores of which two or more hyper-threads take the device's interrupts while softirqs fill both")
def shared_cores(v: View) -> Fact:
    moves = _irq_moves(v)
    if moves is None:
        return _unknown(_IRQ_NEED)
    by = _by_cpu(moves)
    total = sum(by.values())
    if any(v.b.siblings(c) is None for c in by):
        return _unknown("grep -H . /sys/devices/system/cpu/cpu*/topology/thread_siblings_list")
    hot = [c for c, n in by.items() if total and n * len(by) * 2 >= total and (_soft(v, c) or 0.0) >= 0.5]
    groups: dict[tuple[int, ...], int] = {}
    for c in hot:
        groups[v.b.siblings(c) or (c,)] = groups.get(v.b.siblings(c) or (c,), 0) + 1
    if not v.pair.single and all(_soft(v, c) is None for c in by):
        return _unknown(_STAT_NEED)
    pairs = [g for g, n in groups.items() if n > 1]
    return Fact(len(pairs), (Evidence("/sys/.../thread_siblings_list", "threads of one core", None, ",".join(map(str, pairs[0]))),) if pairs else ())


@fact("device", "true when free physical cores remain that take no interrupt of the device")
def cores_free(v: View) -> Fact:
    cores, serving = v.b.physical_cores(), _serving(v)
    if cores is None or serving is None:
        return _unknown("grep -H . /sys/devices/system/cpu/cpu*/topology/thread_siblings_list")
    used = {v.b.siblings(c) for c in serving}
    return Fact(len(used) < cores)


def _queue_moves(v: View) -> list[tuple[str, int]] | None:
    b = v.b.statistics(v.device)
    if b is None or v.device in v.pair.reset_devices:
        return None
    row = v.b.names(v.device)
    got = find(b.items, row, "queue_packets")
    a = v.a.statistics(v.device)
    if got is None or (not v.pair.single and a is None):
        return None
    old = dict(a.items) if a is not None else {}
    out: list[tuple[str, int]] = []
    for name, value, _ in got.items:
        if v.pair.single:
            out.append((name, value))
            continue
        if name not in old:
            continue
        m = move(old[name], value, row.bits, v.pair.interval_ns)
        if m.delta is None:
            return None
        out.append((name, m.delta))
    return out


@fact("device", "share of the device's packets that its busiest queue has, 0 to 1")
def queue_top_share(v: View) -> Fact:
    moves = _queue_moves(v)
    if not moves:
        return _unknown(f"ethtool -S {v.device} (twice)")
    total = sum(n for _, n in moves)
    if not total:
        return Fact(0.0)
    name, n = max(moves, key=lambda x: (x[1], x[0]))
    return Fact(n / total, (Evidence(f"ethtool -S {v.device}", name, None, n, n, v.per_second(n), v.pair.single),))


@fact("device", "CPUs that the receive interrupt lines point to")
def irq_targets(v: View) -> Fact:
    serving = _serving(v)
    return Fact(len(serving)) if serving is not None else _unknown("grep -H . /proc/irq/*/effective_affinity_list")


@fact("device", "frames a receive interrupt")
def frames_per_irq(v: View) -> Fact:
    moves, p = _irq_moves(v), v.number("rx_packets")
    if moves is None or p is None:
        return _unknown((_IRQ_NEED, "cat /proc/net/dev (twice)"))
    n = sum(_by_cpu(moves).values())
    return Fact(p / n, (Evidence("/proc/interrupts", f"{v.device} receive lines", None, n, n, v.per_second(n), v.pair.single),)) if n else _unknown(_IRQ_NEED, "no interrupt")


@fact("device", "true when RPS is on for the device")
def rps_on(v: View) -> Fact:
    masks = v.b.rps_masks(v.device)
    if masks is None:
        return _unknown(f"grep -H . /sys/class/net/{v.device}/queues/rx-*/rps_cpus")
    return Fact(any(masks), (Evidence("/sys/class/net", f"{v.device}/queues/rx-N/rps_cpus, any", None, f"{max(masks):x}"),))


@fact("device", "mask for RPS: CPUs of the device's node without the one that takes its interrupts")
def rps_mask(v: View) -> Fact:
    cpus = [c for c in v.b.online_cpus()]
    node, hot = v.number("numa_node"), v.number("irq_cpu")
    if node is not None and node >= 0 and v.b.nodes() > 1:
        cpus = [c for c in cpus if v.b.node_of(c) == int(node)] or cpus
    cpus = [c for c in cpus if c != hot] or cpus
    from ..formats.cpumask import render_mask

    return Fact(render_mask(sum(1 << c for c in cpus), max(cpus) + 1).strip()) if cpus else _unknown("cat /proc/stat")


@fact("device", "napi_defer_hard_irqs of the device")
def napi_defer(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/napi_defer_hard_irqs")
    return Fact(n, (Evidence("/sys/class/net", f"{v.device}/napi_defer_hard_irqs", None, n),)) if n is not None else _unknown(f"cat /sys/class/net/{v.device}/napi_defer_hard_irqs")


def _feature(v: View, *names: str) -> Fact:
    f = v.b.features(v.device)
    if f is None:
        return _unknown(f"ethtool -k {v.device}")
    for item in f.items:
        if item.name in names:
            return Fact(item.on, (Evidence(f"ethtool -k {v.device}", item.name, None, "on" if item.on else "off"),))
    return _unknown((), f"{v.device} has no feature {names[0]}")


@fact("device", "true when GRO is on")
def gro(v: View) -> Fact:
    return _feature(v, "generic-receive-offload")


@fact("device", "true when UDP GRO for forwarded packets is on")
def udp_gro_forwarding(v: View) -> Fact:
    return _feature(v, "rx-udp-gro-forwarding")


@fact("device", "RPS interrupts a second taken by the CPUs that serve the device")
def irq_cpu_rps_rate(v: View) -> Fact:
    serving = _serving(v)
    if serving is None:
        return _unknown(_IRQ_NEED)
    return _rate(v, _sum([_softnet(v, "received_rps", c) for c in serving]) if serving else _unknown(_IRQ_NEED))


@fact("device", "early ends of polls a second on the CPUs that serve the device")
def irq_cpu_squeeze_rate(v: View) -> Fact:
    serving = _serving(v)
    if serving is None:
        return _unknown(_IRQ_NEED)
    return _rate(v, _sum([_softnet(v, "time_squeeze", c) for c in serving]) if serving else _unknown(_IRQ_NEED))


@fact("device", "MTU")
def mtu(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/mtu")
    return Fact(n, (Evidence("/sys/class/net", f"{v.device}/mtu", None, n),)) if n is not None else _unknown(f"cat /sys/class/net/{v.device}/mtu")


# == cpu =============================================================================================================


@fact("cpu", "number of this CPU")
def cpu(v: View) -> Fact:
    return Fact(v.cpu)


@fact("cpu", "packets that this CPU took up (softnet column 1)")
def processed(v: View) -> Fact:
    return _softnet(v, "processed", v.cpu)


@fact("cpu", "packets that this CPU's backlog refused (softnet column 2)")
def backlog_drops(v: View) -> Fact:
    f = _softnet(v, "dropped", v.cpu)
    return _material(v, f, v.number("processed"))


@fact("cpu", "polls of this CPU that ended early (softnet column 3)")
def squeezed(v: View) -> Fact:
    return _softnet(v, "time_squeeze", v.cpu)


@fact("cpu", "true when squeezes are more than harmless: at least one a second, or one in 10000 packets since boot")
def squeeze_matters(v: View) -> Fact:
    f = v.get("squeezed")
    if not isinstance(f.value, (int, float)):
        return f
    if f.value == 0:
        return Fact(False)
    rate = v.per_second(f.value)
    if rate is not None:
        return Fact(rate >= 1, f.evidence)
    p = v.number("processed")
    return Fact(f.value * 10_000 >= p, f.evidence) if p else _unknown(BOTH)


@fact("cpu", "packets that the flow limit of this CPU dropped (softnet column 11)")
def flow_limited(v: View) -> Fact:
    return _softnet(v, "flow_limit_count", v.cpu)


@fact("cpu", "softirq share of this CPU, 0 to 1")
def soft(v: View) -> Fact:
    s = _soft(v, v.cpu)
    return Fact(s, (_soft_evidence(v, v.cpu, s),)) if s is not None else _unknown(_STAT_NEED)


@fact("cpu", "this CPU's share of all backlog drops, 0 to 1")
def drop_share_here(v: View) -> Fact:
    here, total = _softnet(v, "dropped", v.cpu), _softnet(v, "dropped")
    if not isinstance(here.value, (int, float)) or not isinstance(total.value, (int, float)):
        return here if here.value is None else total
    return Fact(here.value / total.value if total.value else 0.0)


@fact("cpu", "packets of this CPU against the mean of all CPUs")
def load_ratio(v: View) -> Fact:
    here, total, n = v.number("processed"), _softnet(v, "processed").value, v.number("cpus")
    if here is None or not isinstance(total, (int, float)) or not n:
        return _unknown("cat /proc/net/softnet_stat")
    return Fact(here * n / total if total else 0.0)


@fact("cpu", "true when the flow limit is armed on this CPU")
def flow_limit_here(v: View) -> Fact:
    mask = v.value("flow_limit_mask")
    return Fact(bool(int(mask) >> v.cpu & 1)) if isinstance(mask, int) else v.get("flow_limit_mask")


@fact("cpu", "NAPI contexts that this CPU serves: receive lines that it takes, and its backlog when used")
def napis_here(v: View) -> Fact:
    if v.b.interrupts() is None:
        return _unknown("cat /proc/interrupts")
    n = 0
    known = False
    for d in v.b.devices():
        moves = _irq_moves(View(v.pair, device=d))
        if moves is None:
            continue
        known = True
        n += sum(1 for _, m in moves if m.get(v.cpu, 0) > 0)
    if not known:
        return _unknown(_IRQ_NEED)
    return Fact(n, (Evidence("/proc/interrupts", f"receive lines served by CPU {v.cpu}", None, n),))


@fact("cpu", "mask with this CPU added to the flow limit")
def flow_limit_next(v: View) -> Fact:
    mask = v.value("flow_limit_mask")
    return Fact(f"{(int(mask) if isinstance(mask, int) else 0) | 1 << v.cpu:x}")


@fact("cpu", "delay that the doubled backlog may add when full, at 600 ns a packet, milliseconds")
def backlog_next_ms(v: View) -> Fact:
    n = v.number("backlog_next")
    return Fact(round(n * 0.0006, 1)) if n is not None else _unknown("sysctl net.core.netdev_max_backlog")


# == socket ==========================================================================================================


def _sock(v: View, s: Snapshot) -> tuple[int, int] | None:
    """(drops, truesize bytes queued) of the socket."""
    for table in s.udp():
        for row in table.rows:
            if (row.head.local, row.head.lport) == v.socket:
                return row.drops, row.head.rx_queue
    return None


@fact("socket", "local port of the socket")
def port(v: View) -> Fact:
    return Fact(v.socket[1] if v.socket else 0)


@fact("socket", "datagrams that this socket lost")
def sock_drops(v: View) -> Fact:
    b, a = _sock(v, v.b), _sock(v, v.a)
    name = f"{v.socket[0]}:{v.socket[1]} drops" if v.socket else "drops"
    got = _moved(v, a[0] if a is not None else None, b[0] if b is not None else None, 32, "/proc/net/udp", name, "cat /proc/net/udp (twice)")
    return _material(v, got, v.number("udp_in"))


def _rb(v: View, s: Snapshot) -> int | None:
    ss = s.ss()
    if ss is None or v.socket is None:
        return None
    for row in ss.rows:
        if row.skmem is not None and row.local_port == str(v.socket[1]):
            return row.skmem.rb
    return None


@fact("socket", "receive buffer of the socket (rb of ss -m), bytes")
def rb(v: View) -> Fact:
    n = _rb(v, v.b)
    return Fact(n, (Evidence("ss -uampn", f"port {v.socket[1] if v.socket else 0} rb", None, n),)) if n is not None else _unknown("ss -uampn")


@fact("socket", "true when the queue was full at both moments: arrivals exceed what the program reads")
def full_both(v: View) -> Fact:
    n = v.number("rb")
    a, b = _sock(v, v.a), _sock(v, v.b)
    if n is None:
        return v.get("rb")
    if v.pair.single or a is None or b is None:
        return _unknown("cat /proc/net/udp (twice, 10 s apart)")
    full = a[1] * 10 >= n * 9 and b[1] * 10 >= n * 9
    return Fact(full, (Evidence("/proc/net/udp", f"port {v.socket[1] if v.socket else 0} rx_queue, bytes", a[1], b[1]),))


def udp_sockets(pair: Pair) -> list[tuple[str, int]]:
    """Sockets whose drops moved or are unknown, in order of the file."""
    out: list[tuple[str, int]] = []
    for table in pair.after.udp():
        for row in table.rows:
            key = (row.head.local, row.head.lport)
            if row.drops and key not in out:
                out.append(key)
    return out
