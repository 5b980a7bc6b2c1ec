"""Facts about one CPU: its softnet row, its softirq share, the queues that it serves."""

from __future__ import annotations

from .base import (
    BOTH,
    IRQ_NEED,
    STAT_NEED,
    Evidence,
    Fact,
    View,
    fact,
    irq_moves,
    material,
    soft_evidence,
    soft_share,
    softnet_moved,
    unknown_fact,
)


@fact("cpu", "number of this CPU")
def cpu(v: View) -> Fact:
    return Fact(v.cpu)


@fact("cpu", "packets that this CPU took up (softnet column 1)")
def processed(v: View) -> Fact:
    return softnet_moved(v, "processed", v.cpu)


@fact("cpu", "packets that this CPU's backlog refused (softnet column 2)")
def backlog_drops(v: View) -> Fact:
    f = softnet_moved(v, "dropped", v.cpu)
    return material(v, f, v.number("processed"))


@fact("cpu", "polls of this CPU that ended early (softnet column 3)")
def squeezed(v: View) -> Fact:
    return softnet_moved(v, "time_squeeze", v.cpu)


@fact(
    "cpu",
    "true when squeezes are more than harmless: at least one a second, or one in 10000 packets since boot",
)
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
    return Fact(f.value * 10_000 >= p, f.evidence) if p else unknown_fact(BOTH)


@fact("cpu", "packets that the flow limit of this CPU dropped (softnet column 11)")
def flow_limited(v: View) -> Fact:
    return softnet_moved(v, "flow_limit_count", v.cpu)


@fact("cpu", "softirq share of this CPU, 0 to 1")
def soft(v: View) -> Fact:
    s = soft_share(v, v.cpu)
    return Fact(s, (soft_evidence(v, v.cpu, s),)) if s is not None else unknown_fact(STAT_NEED)


@fact("cpu", "this CPU's share of all backlog drops, 0 to 1")
def drop_share_here(v: View) -> Fact:
    here, total = softnet_moved(v, "dropped", v.cpu), softnet_moved(v, "dropped")
    if not isinstance(here.value, (int, float)) or not isinstance(total.value, (int, float)):
        return here if here.value is None else total
    return Fact(here.value / total.value if total.value else 0.0)


@fact("cpu", "packets of this CPU against the mean of all CPUs")
def load_ratio(v: View) -> Fact:
    here, total, n = v.number("processed"), softnet_moved(v, "processed").value, v.number("cpus")
    if here is None or not isinstance(total, (int, float)) or not n:
        return unknown_fact("cat /proc/net/softnet_stat")
    return Fact(here * n / total if total else 0.0)


@fact("cpu", "true when the flow limit is armed on this CPU")
def flow_limit_here(v: View) -> Fact:
    mask = v.value("flow_limit_mask")
    return Fact(bool(int(mask) >> v.cpu & 1)) if isinstance(mask, int) else v.get("flow_limit_mask")


@fact("cpu", "NAPI contexts that this CPU serves: receive lines that it takes, and its backlog when used")
def napis_here(v: View) -> Fact:
    if v.b.interrupts() is None:
        return unknown_fact("cat /proc/interrupts")
    n = 0
    known = False
    for d in v.b.devices():
        moves = irq_moves(View(v.pair, device=d))
        if moves is None:
            continue
        known = True
        n += sum(1 for _, m in moves if m.get(v.cpu, 0) > 0)
    if not known:
        return unknown_fact(IRQ_NEED)
    return Fact(n, (Evidence("/proc/interrupts", f"receive lines served by CPU {v.cpu}", None, n),))


@fact("cpu", "mask with this CPU added to the flow limit")
def flow_limit_next(v: View) -> Fact:
    mask = v.value("flow_limit_mask")
    return Fact(f"{(int(mask) if isinstance(mask, int) else 0) | 1 << v.cpu:x}")


@fact("cpu", "delay that the doubled backlog may add when full, at 600 ns a packet, milliseconds")
def backlog_next_ms(v: View) -> Fact:
    n = v.number("backlog_next")
    return Fact(round(n * 0.0006, 1)) if n is not None else unknown_fact("sysctl net.core.netdev_max_backlog")
