"""Linux's counters of a machine, taken as numbers and compared: what moved between two moments."""

from __future__ import annotations

from rxpath.formats import interrupts, net_dev, netstat, snmp, softirqs, softnet_stat
from rxpath.machine import Machine
from rxpath.net.core.ethtool import ETH_SS_STATS

Counters = dict[str, dict[str, int]]


def take(m: Machine) -> Counters:
    """Every counter by group: snmp, netstat, softnet, softirqs, interrupts, net_dev:DEV, ethtool:DEV."""
    out: Counters = {}
    read = m.files.read
    for group, mod in (("snmp", snmp), ("netstat", netstat)):
        rows: dict[str, int] = {}
        for proto, values in mod.parse(read("/proc/net/" + group)).as_dict().items():
            for name, v in values.items():
                rows[f"{proto}.{name}"] = v
        out[group] = rows
    rows = {}
    for r in softnet_stat.parse(read("/proc/net/softnet_stat")).rows:
        for name in ("processed", "dropped", "time_squeeze", "received_rps", "flow_limit_count"):
            rows[f"cpu{r.cpu}.{name}"] = int(getattr(r, name))
    out["softnet_stat"] = rows
    soft = softirqs.parse(read("/proc/softirqs"))
    out["softirqs"] = {
        f"{label}.cpu{c}": n for label, counts in soft.counts.items() for c, n in zip(soft.cpus, counts, strict=True)
    }
    rows = {}
    irqs = interrupts.parse(read("/proc/interrupts"))
    for row in irqs.rows:
        for c, n in zip(irqs.cpus, row.counts, strict=True):
            rows[f"{','.join(row.actions)}.cpu{c}"] = n
    for a in irqs.arch:
        if a.label in ("LOC", "RES", "CAL"):
            for c, n in zip(irqs.cpus, a.counts, strict=True):
                rows[f"{a.label}.cpu{c}"] = n
    out["interrupts"] = rows
    for dev in net_dev.parse(read("/proc/net/dev")).rows:
        out["net_dev:" + dev.name] = {f: int(getattr(dev, f)) for f in dev.__slots__ if f != "name"}
    for d in m.net.devices:
        ops = d.ethtool_ops
        if ops is not None:
            try:
                out["ethtool:" + d.name] = dict(
                    zip(ops.get_strings(ETH_SS_STATS), ops.get_ethtool_stats(), strict=True)
                )
            except OSError:
                continue
    return out


def moved(before: Counters, after: Counters) -> Counters:
    """Differences that are not zero; a group that appeared counts from zero."""
    out: Counters = {}
    for group, rows in after.items():
        old = before.get(group, {})
        diff = {n: v - old.get(n, 0) for n, v in rows.items() if v != old.get(n, 0)}
        if diff:
            out[group] = diff
    return out
