"""What moved between two snapshots, a second, in the manner of nstat.

Belongs here: listing movements of every counter that both moments have, without judgement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .delta import Pair, move
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Moved:
    """One counter: `delta` None = reset (then `why`), `per_second` None where the time between is unknown."""

    file: str
    counter: str
    delta: int | None
    per_second: float | None
    why: str = ""


def _counters(s: Snapshot) -> Iterable[tuple[str, str, int, int]]:
    """(file, counter, value, bits) of everything that counts."""
    soft = s.softnet()
    if soft is not None:
        for r in soft.rows:
            for name in (
                "processed",
                "dropped",
                "time_squeeze",
                "cpu_collision",
                "received_rps",
                "flow_limit_count",
            ):
                yield "softnet_stat", f"cpu{r.cpu}.{name}", getattr(r, name), 32
    irqs = s.interrupts()
    if irqs is not None:
        for row in irqs.rows:
            label = row.actions[0] if row.actions else str(row.irq)
            for cpu, n in zip(irqs.cpus, row.counts, strict=False):
                yield "interrupts", f"{row.irq}:{label}.cpu{cpu}", n, 32
        for arch in irqs.arch:
            for cpu, n in zip(irqs.cpus, arch.counts, strict=False):
                yield "interrupts", f"{arch.label}.cpu{cpu}", n, 32
    softirqs = s.softirqs()
    if softirqs is not None:
        for label, counts in softirqs.counts.items():
            for cpu, n in zip(softirqs.cpus, counts, strict=False):
                yield "softirqs", f"{label}.cpu{cpu}", n, 32
    dev = s.net_dev()
    if dev is not None:
        for row_ in dev.rows:
            for name in (
                "rx_bytes",
                "rx_packets",
                "rx_errs",
                "rx_drop",
                "rx_fifo",
                "rx_frame",
                "rx_multicast",
                "tx_bytes",
                "tx_packets",
                "tx_errs",
                "tx_drop",
            ):
                yield "net/dev", f"{row_.name}.{name}", getattr(row_, name), 64
    gauges = {
        "IpForwarding",
        "IpDefaultTTL",
        "TcpRtoAlgorithm",
        "TcpRtoMin",
        "TcpRtoMax",
        "TcpMaxConn",
        "TcpCurrEstab",
    }
    for file, pairs in (("snmp", s.snmp()), ("netstat", s.netstat())):
        if pairs is not None:
            for group in pairs.groups:
                for name, value in zip(group.names, group.values, strict=False):
                    if group.name + name not in gauges:
                        yield file, group.name + name, value, 64
    for table in s.udp():
        for sock in table.rows:
            yield "udp", f"{sock.head.local}:{sock.head.lport}.drops", sock.drops, 32
    for device in s.devices():
        stats = s.statistics(device)
        if stats is not None:
            bits = s.names(device).bits
            for name, value in stats.items:
                yield f"ethtool -S {device}", name, value, bits


def differences(pair: Pair) -> list[Moved]:
    """Every counter that moved, in the order of the texts.  Names that appear twice in one text are
    matched in order."""
    old: dict[tuple[str, str], list[int]] = {}
    for file, counter, value, _ in _counters(pair.before):
        old.setdefault((file, counter), []).append(value)
    seen: dict[tuple[str, str], int] = {}
    out: list[Moved] = []
    for file, counter, value, bits in _counters(pair.after):
        key = (file, counter)
        at = seen.get(key, 0)
        seen[key] = at + 1
        have = old.get(key, [])
        if pair.single:
            if value:
                out.append(Moved(file, counter, value, None))
            continue
        if at >= len(have) or have[at] == value:
            continue
        m = move(have[at], value, bits, pair.interval_ns)
        if m.delta is None:
            out.append(Moved(file, counter, None, None, m.why))
        else:
            seconds = pair.seconds()
            out.append(Moved(file, counter, m.delta, m.delta / seconds if seconds else None))
    return out


def text(moved: list[Moved]) -> str:
    """Aligned columns: file and counter, movement, per second."""
    if not moved:
        return "nothing moved\n"
    names = [f"{m.file}  {m.counter}" for m in moved]
    width = min(72, max(len(n) for n in names))
    out: list[str] = []
    for name, m in zip(names, moved, strict=True):
        if m.delta is None:
            out.append(f"{name:<{width}} {'reset':>16}   {m.why}")
        else:
            rate = f"{m.per_second:>16.1f}/s" if m.per_second is not None else ""
            out.append(f"{name:<{width}} {m.delta:>16}{rate}")
    return "".join(line.rstrip() + "\n" for line in out)
