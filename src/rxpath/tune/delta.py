"""Two moments of one host: which belong together, how much time lies between, how far each counter moved.

Belongs here: wraps, resets, reboots, CPUs that come and go, texts of two hosts.  A movement that cannot be
known is None with a reason, never a guess.  Rates are integers a second where the interval is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .snapshot import Snapshot

SECOND = 1_000_000_000
# more events a second than one CPU or card counts: a fall that would need more is a reset, not a wrap
MAX_RATE = 20_000_000


@dataclass(frozen=True, slots=True)
class Move:
    """How far one counter moved.  `delta` None = not known, `why` says so; `since_boot` = the total, no
    baseline."""

    before: int
    after: int
    delta: int | None
    why: str = ""
    since_boot: bool = False
    wrapped: bool = False


def move(before: int, after: int, bits: int, interval_ns: int | None) -> Move:
    """The movement of a counter of that width.  A fall is a wrap only where the width and the time allow
    it."""
    if after >= before:
        return Move(before, after, after - before)
    if bits >= 64:
        return Move(before, after, None, "the counter fell: it was reset between the snapshots")
    size = 1 << bits
    if before >= size:
        return Move(before, after, None, f"the counter is wider than {bits} bits and fell: reset")
    wrapped = size - before + after
    if before < size - size // 4 or after >= size // 4:
        return Move(before, after, None, "the counter fell, and not as a wrap would: reset")
    if interval_ns is not None and wrapped * SECOND > MAX_RATE * max(interval_ns, SECOND):
        return Move(before, after, None, "the counter fell further than a wrap explains: reset")
    return Move(before, after, wrapped, wrapped=True)


@dataclass(slots=True)
class Pair:
    """What the doctor judges: `after` against `before` (an empty moment at boot when `single`).

    `interval_ns` None = not known: no rates.  `lines` are clear words about what could not be compared.
    `unusable` = nothing may be concluded from movements (reset, order, two hosts): `single` judgements do
    not apply.
    """

    before: Snapshot
    after: Snapshot
    single: bool
    interval_ns: int | None = None
    interval_from: str = ""
    lines: list[str] = field(default_factory=list)
    reset_devices: set[str] = field(default_factory=set)
    unusable: bool = False

    def seconds(self) -> float | None:
        return self.interval_ns / SECOND if self.interval_ns else None


def _mac_addresses(s: Snapshot) -> dict[str, str]:
    out: dict[str, str] = {}
    for path, value in s.paths.items():
        parts = path.split("/")
        if len(parts) == 6 and path.startswith("/sys/class/net/") and parts[5] == "address":
            if re.fullmatch(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", value):
                out[parts[4]] = value
    return out


def different_hosts(a: Snapshot, b: Snapshot) -> str:
    """Why two snapshots cannot be of one host, "" when nothing speaks against it."""
    if a.host() and b.host() and a.host() != b.host():
        return f"they are from two hosts ({a.host()} and {b.host()})"
    macs_a, macs_b = _mac_addresses(a), _mac_addresses(b)
    for name in sorted(macs_a.keys() & macs_b.keys()):
        if name != "lo" and macs_a[name] != macs_b[name] and not name.startswith(("veth", "docker", "br-", "bond")):
            return f"{name} has another MAC address in each ({macs_a[name]}, {macs_b[name]})"
    sa, sb = a.softirqs(), b.softirqs()
    if sa is not None and sb is not None and len(sa.cpus) != len(sb.cpus):
        return f"one has {len(sa.cpus)} possible CPUs, the other {len(sb.cpus)}"
    ca, cb = a.cpuinfo(), b.cpuinfo()
    if ca is not None and cb is not None and ca.processors and cb.processors:
        ma, mb = ca.processors[0].get("model name"), cb.processors[0].get("model name")
        if ma and mb and ma != mb:
            return "their CPU models differ"
    for d in sorted(set(a.devices()) & set(b.devices())):
        ia, ib = a.driver_info(d), b.driver_info(d)
        if ia is not None and ib is not None and ia.driver != ib.driver:
            return f"{d} has driver {ia.driver} in one and {ib.driver} in the other"
    ua, ub = a.uname(), b.uname()
    if ua is not None and ub is not None and ua.machine and ub.machine and ua.machine != ub.machine:
        return "their machine types differ"
    return ""


def _monotonic(a: Snapshot, b: Snapshot) -> tuple[int, int, list[str]]:
    """How many of the counters that only a boot resets rose and fell from a to b, and which fell."""
    pairs: list[tuple[str, int, int]] = []
    sa, sb = a.snmp(), b.snmp()
    if sa is not None and sb is not None:
        for group, name in (
            ("Ip", "InReceives"),
            ("Ip", "InDelivers"),
            ("Tcp", "InSegs"),
            ("Udp", "InDatagrams"),
        ):
            pairs.append((f"{group}.{name}", sa.get(group, name), sb.get(group, name)))
    ca, cb = a.cpu_times(), b.cpu_times()
    if ca is not None and cb is not None:
        pairs.append(("/proc/stat intr", ca.intr_total, cb.intr_total))
        both = ca.cpus.keys() & cb.cpus.keys()
        pairs.append(
            (
                "/proc/stat user+system",
                sum(ca.cpus[c][0] + ca.cpus[c][2] for c in both),
                sum(cb.cpus[c][0] + cb.cpus[c][2] for c in both),
            )
        )
    na, nb = a.netstat(), b.netstat()
    if na is not None and nb is not None:
        pairs.append(("IpExt.InOctets", na.get("IpExt", "InOctets"), nb.get("IpExt", "InOctets")))
    fell = [name for name, x, y in pairs if y < x]
    rose = [name for name, x, y in pairs if y > x]
    return len(rose), len(fell), fell


def _interval(a: Snapshot, b: Snapshot) -> tuple[int | None, str]:
    """Nanoseconds from a to b by the best clock that both have."""
    ua, ub = a.uptime_cs(), b.uptime_cs()
    if ua is not None and ub is not None and ub > ua:
        return (ub - ua) * 10_000_000, "/proc/uptime"
    if a.time_ns is not None and b.time_ns is not None and b.time_ns > a.time_ns:
        if "file" not in (a.time_from, b.time_from):
            return b.time_ns - a.time_ns, "the times in the files"
    ca, cb = a.cpu_times(), b.cpu_times()
    if ca is not None and cb is not None:
        spans = sorted(sum(cb.cpus[c][:8]) - sum(ca.cpus[c][:8]) for c in ca.cpus.keys() & cb.cpus.keys())
        if spans and spans[-1] > 0:
            # every CPU sees the same time; an idle tickless one may lag, so the largest is nearest
            return spans[-1] * 10_000_000, "the times in /proc/stat"
    if a.time_ns is not None and b.time_ns is not None and b.time_ns - a.time_ns >= SECOND // 2:
        return b.time_ns - a.time_ns, "the times of the files"
    return None, ""


def _single(s: Snapshot, line: str = "") -> Pair:
    up = s.uptime_cs()
    empty = Snapshot("boot", boot=True)
    pair = Pair(empty, s, True, up * 10_000_000 if up else None, "/proc/uptime" if up else "")
    if line:
        pair.lines.append(line)
    return pair


def make_pairs(snapshots: Sequence[Snapshot]) -> list[Pair]:
    """What can be judged: one pair a host from its first to its last moment, or a lone moment against
    boot."""
    groups: list[list[Snapshot]] = []
    words: list[str] = []
    for s in snapshots:
        why = ""
        for g in groups:
            why = different_hosts(g[-1], s)
            if not why:
                g.append(s)
                break
        else:
            if groups:
                words.append(f"{groups[0][-1].label} and {s.label} are not compared: {why}")
            groups.append([s])
    pairs: list[Pair] = []
    for g in groups:
        pairs.append(_single(g[0]) if len(g) == 1 else _of_series(g))
    if words and pairs:
        pairs[0].lines[:0] = words
    return pairs


def _of_series(g: list[Snapshot]) -> Pair:
    """First against last; after a reset the part of the series that follows it."""
    lines: list[str] = []
    if (
        all(s.uptime_cs() is not None for s in g)
        and len({(t.btime if (t := s.cpu_times()) else 0) // 10 for s in g}) <= 2
    ):
        boots = [t.btime for s in g if (t := s.cpu_times()) is not None and t.btime]
        if not boots or max(boots) - min(boots) <= 5:
            g = sorted(g, key=lambda s: s.uptime_cs() or 0)
    start = 0
    for i in range(1, len(g)):
        why = _restarted(g[i - 1], g[i])
        if why:
            lines.append(f"{g[i].label}: {why}; the moments before it are not compared with it")
            start = i
    part = g[start:]
    if len(part) == 1:
        pair = _single(part[0])
        pair.lines = lines + ["so only totals since that restart are known: no rates"]
        if "order" in " ".join(lines):
            pair.unusable = True
        return pair
    before, after = part[0], part[-1]
    interval, source = _interval(before, after)
    pair = Pair(before, after, False, interval, source, lines)
    if interval is None:
        pair.lines.append(
            "the time between the two is not known: movements, but no rates (add the output of "
            "`date` or /proc/uptime to each)"
        )
    if len(part) > 2:
        pair.lines.append(f"{len(part)} moments: compared are the first and the last")
    _check_rows(pair)
    return pair


def _restarted(a: Snapshot, b: Snapshot) -> str:
    """Whether the host (or its counters) began anew between two moments."""
    ca, cb = a.cpu_times(), b.cpu_times()
    if ca is not None and cb is not None and ca.btime and cb.btime and abs(ca.btime - cb.btime) > 5:
        return "the host was booted between the snapshots"
    ua, ub = a.uptime_cs(), b.uptime_cs()
    known = a.time_ns is not None and b.time_ns is not None and "file" not in (a.time_from, b.time_from)
    if ua is not None and ub is not None and ub < ua:
        return "its uptime is smaller than before: the host was booted between the snapshots"
    rose, fell, which = _monotonic(a, b)
    if fell and fell >= rose:
        if ua is None or ub is None:
            if not known:
                return (
                    f"its counters are smaller ({', '.join(which[:3])}): given in the wrong order, or reset in between"
                )
        return f"its counters were reset between the snapshots ({', '.join(which[:3])})"
    if fell:
        return f"some counters fell ({', '.join(which[:3])}): reset in between, or another host or network namespace"
    return ""


def _check_rows(pair: Pair) -> None:
    """CPUs that came or went and devices whose driver restarted."""
    a, b = pair.before, pair.after
    gone = set(a.online_cpus()) ^ set(b.online_cpus())
    if gone:
        names = ", ".join(str(c) for c in sorted(gone))
        pair.lines.append(f"CPU {names} is online in only one of the snapshots: left out of movements by CPU")
    for device in sorted(set(a.devices()) | set(b.devices())):
        sa, sb = a.statistics(device), b.statistics(device)
        if sa is None or sb is None:
            continue
        bits = b.names(device).bits
        old = dict(sa.items)
        fell = []
        for name, value in sb.items:
            if name in old and value < old[name] and move(old[name], value, bits, pair.interval_ns).delta is None:
                if not _gauge(name):
                    fell.append(name)
        if fell:
            pair.reset_devices.add(device)
            pair.lines.append(
                f"{device}: ethtool -S counters fell ({', '.join(fell[:3])}): the driver restarted "
                f"in between; "
                "its counters are not compared"
            )


_GAUGES = (
    "temperature",
    "alarm",
    "_link",
    "usage",
    "_level",
    "fdir_sb_status",
    "atr_status",
    "cur_",
    "_cur",
    "free",
    "interface_",
    "napi_id",
    "_util",
    "sensor",
    "power",
    "_state",
    "status",
)


def _gauge(name: str) -> bool:
    return any(g in name for g in _GAUGES)
