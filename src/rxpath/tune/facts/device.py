"""Facts about one network device: losses by meaning, ring, queues, moderation, interrupts, steering."""

from __future__ import annotations

import re

from ...formats.cpumask import render_mask
from ...formats.interrupts import IrqRow
from ..counters import find
from ..delta import move
from ..snapshot import UNNAMED, cpus_of_mask
from .base import (
    BOTH,
    IRQ_NEED,
    STAT_NEED,
    Evidence,
    Fact,
    View,
    busy_share,
    fact,
    irq_moves,
    material,
    moved_fact,
    rate_of,
    soft_evidence,
    soft_share,
    softnet_moved,
    sum_of,
    unknown_fact,
)


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
        return Fact(0) if row.known else unknown_fact(need, f"the table of counters has no row for driver {row.driver}")
    if v.device in v.pair.reset_devices:
        return unknown_fact(need, f"{v.device}: the driver restarted between the snapshots")
    a = v.a.statistics(v.device)
    if not v.pair.single and a is None:
        return unknown_fact(need, f"ethtool -S {v.device} is in one of the snapshots only")
    old: dict[str, list[int]] = {}
    for name, value in a.items if a is not None else ():
        old.setdefault(name, []).append(value)
    seen: dict[str, int] = {}
    parts: list[Fact] = []
    for name, value, _ in got.items:
        at = seen.get(name, 0)
        seen[name] = at + 1
        have = old.get(name, [])
        before = have[at] if at < len(have) else None
        parts.append(moved_fact(v, before, value, row.bits, f"ethtool -S {v.device}", name, need))
    known = [p for p in parts if p.value is not None]
    if not known:
        return parts[0] if parts else unknown_fact(need)
    return sum_of(known) if len(known) == len(parts) else next(p for p in parts if p.value is None)


_SYSFS = {
    "missed": ("rx_missed_errors", "rx_fifo_errors"),
    "crc": ("rx_crc_errors",),
    "frame": ("rx_frame_errors",),
    "length": ("rx_length_errors",),
    "rx_packets": ("rx_packets",),
}


def _sysfs(v: View, meaning: str, need: str) -> Fact:
    names = [n for n in _SYSFS.get(meaning, ()) if f"/sys/class/net/{v.device}/statistics/{n}" in v.b.paths]
    parts = [
        moved_fact(
            v,
            v.a.path_int(f"/sys/class/net/{v.device}/statistics/{n}"),
            v.b.path_int(f"/sys/class/net/{v.device}/statistics/{n}"),
            64,
            f"/sys/class/net/{v.device}/statistics",
            n,
            need,
        )
        for n in names
    ]
    return sum_of(parts) if parts else unknown_fact(need)


@fact("device", "name of the driver")
def driver(v: View) -> Fact:
    d = v.b.driver(v.device)
    return Fact(d) if d else unknown_fact(f"ethtool -i {v.device if v.device != UNNAMED else 'DEV'}")


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
        return (
            got
            if got.value is not None and rows is None and v.b.names(v.device).meanings.get("rx_packets")
            else unknown_fact("cat /proc/net/dev")
        )
    old = v.a.net_dev()
    before = old.get(v.device) if old is not None else None
    return moved_fact(
        v,
        before.rx_packets if before is not None else None,
        row.rx_packets,
        64,
        "/proc/net/dev",
        f"{v.device} rx packets",
        "cat /proc/net/dev",
    )


def _net_dev(v: View, column: str) -> Fact:
    rows, old = v.b.net_dev(), v.a.net_dev()
    row = rows.get(v.device) if rows is not None else None
    if row is None:
        return unknown_fact("cat /proc/net/dev")
    before = old.get(v.device) if old is not None else None
    return moved_fact(
        v,
        getattr(before, column) if before is not None else None,
        getattr(row, column),
        64,
        "/proc/net/dev",
        f"{v.device} {column}",
        "cat /proc/net/dev",
    )


@fact("device", "frames received a second")
def pps(v: View) -> Fact:
    return rate_of(v, v.get("rx_packets"))


@fact("device", "mean length of received frames, bytes")
def avg_frame(v: View) -> Fact:
    b, p = _net_dev(v, "rx_bytes"), _net_dev(v, "rx_packets")
    if not isinstance(b.value, (int, float)) or not isinstance(p.value, (int, float)):
        return b if b.value is None else p
    return Fact(b.value / p.value) if p.value else unknown_fact("cat /proc/net/dev (twice)", "no frame arrived")


def _lost(v: View, meaning: str) -> Fact:
    return material(v, _meaning(v, meaning), v.number("rx_packets"))


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


@fact("device", "frames that the driver counts as dropped at its queues")
def queue_drops(v: View) -> Fact:
    return _lost(v, "queue_drops")


@fact("device", "frames with a bad checksum or bad symbols: the wire")
def wire_errors(v: View) -> Fact:
    return _lost_sum(v, "crc", "frame")


def _lost_sum(v: View, *meanings: str) -> Fact:
    parts = [_meaning(v, m) for m in meanings]
    known = [p for p in parts if p.value is not None]
    return material(v, sum_of(known), v.number("rx_packets")) if known else parts[0]


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


@fact("device", "drop column of /proc/net/dev")
def dev_drop(v: View) -> Fact:
    return material(v, _net_dev(v, "rx_drop"), v.number("rx_packets"))


@fact("device", "drop column of /proc/net/dev as a share of received frames, 0 to 1")
def dev_drop_share(v: View) -> Fact:
    d, p = v.number("dev_drop"), v.number("rx_packets")
    if d is None or p is None:
        return unknown_fact("cat /proc/net/dev")
    return Fact(d / (d + p) if d + p else 0.0)


@fact("device", "true when every loss counter of the card is known and did not move")
def card_flat(v: View) -> Fact:
    for m in ("missed", "ring_empty", "port_discards", "queue_drops"):
        f = _meaning(v, m)
        if f.value is None:
            return f
        if f.value != 0:
            return Fact(False, f.evidence)
    return Fact(True)


@fact("device", "receive ring in use, descriptors")
def ring_rx(v: View) -> Fact:
    r = v.b.ring(v.device)
    if r is None or r.current.rx is None:
        return unknown_fact(f"ethtool -g {v.device}")
    return Fact(r.current.rx, (Evidence(f"ethtool -g {v.device}", "RX", None, r.current.rx),))


@fact("device", "largest receive ring, descriptors")
def ring_max(v: View) -> Fact:
    r = v.b.ring(v.device)
    return Fact(r.maximum.rx) if r is not None and r.maximum.rx else unknown_fact(f"ethtool -g {v.device}")


@fact("device", "the next sensible receive ring: 2048, then 4096, at most the card's largest")
def ring_next(v: View) -> Fact:
    now, top = v.number("ring_rx"), v.number("ring_max")
    if now is None or top is None:
        return unknown_fact(f"ethtool -g {v.device}")
    return Fact(int(min(top, 2048 if now < 2048 else max(4096, now * 2) if now < 4096 else now * 2)))


@fact("device", "true when the receive ring can be made larger")
def ring_can_grow(v: View) -> Fact:
    now, top = v.number("ring_rx"), v.number("ring_max")
    return Fact(now < top) if now is not None and top is not None else unknown_fact(f"ethtool -g {v.device}")


@fact("device", "latency that the next ring may add when full at the present rate, milliseconds")
def ring_next_ms(v: View) -> Fact:
    n, p = v.number("ring_next"), v.number("pps")
    return Fact(round(n * 1000 / p, 1)) if n and p else unknown_fact(BOTH)


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
    return Fact(len(irqs)) if irqs else unknown_fact(f"ethtool -l {v.device}")


@fact("device", "most queues that the card can have")
def queues_max(v: View) -> Fact:
    c = v.b.channels(v.device)
    if c is None:
        return unknown_fact(f"ethtool -l {v.device}")
    return Fact(max(c.maximum.combined or 0, c.maximum.rx or 0))


@fact("device", "true when the card can have more queues than it has and there are CPUs for them")
def queues_can_grow(v: View) -> Fact:
    now, top, n = v.number("queues"), v.number("queues_max"), v.number("cpus")
    if now is None or top is None or n is None:
        return unknown_fact(f"ethtool -l {v.device}")
    return Fact(now < min(top, n))


@fact("device", "as many queues as the card and the CPUs allow")
def queues_next(v: View) -> Fact:
    top, n = v.number("queues_max"), v.number("cpus")
    cores = v.b.physical_cores()
    return Fact(int(min(top, cores or n))) if top and n else unknown_fact(f"ethtool -l {v.device}")


@fact("device", "fewer queues: the number of busy CPUs, at least 2")
def queues_fewer(v: View) -> Fact:
    n = v.number("busy_cpus")
    return Fact(int(max(2, n))) if n is not None else unknown_fact(STAT_NEED)


@fact(
    "device",
    "true when the card chooses its interrupt rate itself (adaptive, or a dynamic mode of the driver)",
)
def adaptive(v: View) -> Fact:
    c = v.b.coalesce(v.device)
    if c is None:
        return unknown_fact(f"ethtool -c {v.device}")
    modes = v.b.names(v.device).mode_usecs
    usecs = c.values.get("rx-usecs")
    return Fact(bool(c.adaptive_rx) or (usecs in modes and usecs != 0))


@fact("device", "rx-usecs as a time, microseconds (0 for no delay; unknown for a dynamic mode)")
def rx_usecs(v: View) -> Fact:
    c = v.b.coalesce(v.device)
    if c is None:
        return unknown_fact(f"ethtool -c {v.device}")
    n = c.values.get("rx-usecs")
    if n is None:
        return unknown_fact((), f"{v.device} has no rx-usecs")
    if n in v.b.names(v.device).mode_usecs and n != 0:
        return unknown_fact((), "the driver moderates dynamically")
    return Fact(n, (Evidence(f"ethtool -c {v.device}", "rx-usecs", None, n),))


@fact("device", "true when rx-usecs can be set")
def can_moderate(v: View) -> Fact:
    c = v.b.coalesce(v.device)
    if c is None:
        return unknown_fact(f"ethtool -c {v.device}")
    return Fact("rx-usecs" in c.values)


@fact("device", "true when moderation is off or below 10 microseconds and not adaptive")
def moderation_low(v: View) -> Fact:
    auto, n = v.value("adaptive"), v.number("rx_usecs")
    if auto is None:
        return unknown_fact(f"ethtool -c {v.device}")
    if auto:
        return Fact(False)
    return Fact(n < 10, v.get("rx_usecs").evidence) if n is not None else unknown_fact(f"ethtool -c {v.device}")


@fact("device", "link speed, Mbit/s")
def speed(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/speed")
    if n is not None and n > 0:
        return Fact(n)
    s = v.b.value("ethtool", v.device)
    text = str(getattr(s, "speed", "") or "")
    m = re.match(r"(\d+)", text)
    return Fact(int(m[1])) if m else unknown_fact(f"cat /sys/class/net/{v.device}/speed")


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


def _by_cpu(moves: list[tuple[IrqRow, dict[int, int]]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for _, m in moves:
        for cpu, n in m.items():
            total[cpu] = total.get(cpu, 0) + n
    return total


@fact("device", "interrupts of the receive queues a second")
def irq_rate(v: View) -> Fact:
    moves = irq_moves(v)
    if moves is None:
        return unknown_fact(IRQ_NEED)
    n = sum(_by_cpu(moves).values())
    return rate_of(
        v,
        Fact(
            n,
            (
                Evidence(
                    "/proc/interrupts",
                    f"{v.device} receive lines",
                    None,
                    n,
                    n,
                    v.per_second(n),
                    v.pair.single,
                ),
            ),
        ),
    )


@fact("device", "interrupts of the busiest receive queue a second")
def irq_queue_rate(v: View) -> Fact:
    moves = irq_moves(v)
    if not moves:
        return unknown_fact(IRQ_NEED)
    row, m = max(moves, key=lambda x: (sum(x[1].values()), -x[0].irq))
    n = sum(m.values())
    return rate_of(
        v,
        Fact(
            n,
            (
                Evidence(
                    "/proc/interrupts",
                    f"{row.irq} {row.actions[0]}",
                    None,
                    row.total,
                    n,
                    v.per_second(n),
                    v.pair.single,
                ),
            ),
        ),
    )


@fact("device", "share of the device's receive interrupts that one CPU takes, 0 to 1")
def irq_top_share(v: View) -> Fact:
    moves = irq_moves(v)
    if moves is None:
        return unknown_fact(IRQ_NEED)
    by = _by_cpu(moves)
    total = sum(by.values())
    if not total:
        return unknown_fact(IRQ_NEED, "no interrupt of the device")
    cpu = max(by, key=lambda c: (by[c], -c))
    return Fact(
        by[cpu] / total,
        (
            Evidence(
                "/proc/interrupts",
                f"{v.device}: CPU {cpu} of all CPUs",
                None,
                by[cpu],
                by[cpu],
                v.per_second(by[cpu]),
                v.pair.single,
            ),
            Evidence(
                "/proc/interrupts",
                f"{v.device}: all CPUs",
                None,
                total,
                total,
                v.per_second(total),
                v.pair.single,
            ),
        ),
    )


@fact("device", "receive interrupt lines that carry at least a tenth of an even share")
def irqs_active(v: View) -> Fact:
    moves = irq_moves(v)
    if moves is None:
        return unknown_fact(IRQ_NEED)
    sums = [sum(m.values()) for _, m in moves]
    total = sum(sums)
    return Fact(sum(1 for s in sums if total and s * len(sums) * 10 >= total))


@fact("device", "CPU that takes most of the device's receive interrupts")
def irq_cpu(v: View) -> Fact:
    moves = irq_moves(v)
    if moves is None:
        return unknown_fact(IRQ_NEED)
    by = _by_cpu(moves)
    return Fact(max(by, key=lambda c: (by[c], -c))) if by else unknown_fact(IRQ_NEED)


def _serving(v: View) -> tuple[int, ...] | None:
    """CPUs that serve the device's receive interrupts: by count, and by effective affinity."""
    moves = irq_moves(v)
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
        return unknown_fact(("cat /proc/interrupts", STAT_NEED))
    shares = [(s, c) for c in serving if (s := soft_share(v, c)) is not None]
    if not shares:
        return unknown_fact(STAT_NEED)
    share, cpu = max(shares)
    return Fact(share, (soft_evidence(v, cpu, share),))


@fact("device", "CPU with the largest softirq share among those that serve the device")
def hot_cpu(v: View) -> Fact:
    shares = [(s, -c) for c in _serving(v) or () if (s := soft_share(v, c)) is not None]
    return Fact(-max(shares)[1]) if shares else unknown_fact(STAT_NEED)


@fact("device", "true when some CPU is at least half idle and does not serve the device")
def idle_elsewhere(v: View) -> Fact:
    serving = _serving(v)
    if serving is None:
        return unknown_fact(("cat /proc/interrupts", STAT_NEED))
    others = [
        s
        for c in v.b.online_cpus()
        if c not in serving or (soft_share(v, c) or 0) < 0.3
        if (s := busy_share(v, c)) is not None
    ]
    known = [s for c in v.b.online_cpus() if (s := busy_share(v, c)) is not None]
    return Fact(any(s < 0.5 for s in others)) if known else unknown_fact(STAT_NEED)


def _good_cpus(v: View) -> list[int]:
    """CPUs for the interrupts: those of the card's NUMA node, the first thread of each core."""
    cpus = list(v.b.online_cpus())
    node = v.number("numa_node")
    if node is not None and node >= 0 and v.b.nodes() > 1:
        cpus = [c for c in cpus if v.b.node_of(c) == int(node)] or cpus
    return [c for c in cpus if (v.b.siblings(c) or (c,))[0] == c] or cpus


@fact("device", "plan for the receive interrupts, LINE:CPU, on the card's NUMA node and one a core")
def pin_plan(v: View) -> Fact:
    rows, cpus = v.b.rx_irqs(v.device), _good_cpus(v)
    if not rows or not cpus:
        return unknown_fact(("cat /proc/interrupts", "cat /proc/stat"))
    return Fact(" ".join(f"{r.irq}:{cpus[i % len(cpus)]}" for i, r in enumerate(rows)))


@fact("device", "present masks of the receive interrupts, LINE:MASK")
def pin_now(v: View) -> Fact:
    rows = v.b.rx_irqs(v.device)
    masks = [v.b.paths.get(f"/proc/irq/{r.irq}/smp_affinity", "").strip() for r in rows]
    if not rows or not all(masks):
        return unknown_fact("grep -H . /proc/irq/*/smp_affinity")
    return Fact(" ".join(f"{r.irq}:{m}" for r, m in zip(rows, masks, strict=True)))


@fact("device", "true when the masks of the receive interrupts allow more than one CPU")
def masks_wide(v: View) -> Fact:
    rows = v.b.rx_irqs(v.device)
    masks: list[int] = []
    for r in rows:
        m = v.b.mask_of(f"/proc/irq/{r.irq}/smp_affinity")
        if m is None:
            listed = v.b.list_of(f"/proc/irq/{r.irq}/smp_affinity_list")
            if listed is None:
                return unknown_fact("grep -H . /proc/irq/*/smp_affinity_list")
            m = sum(1 << c for c in listed)
        masks.append(m)
    if not masks:
        return unknown_fact("cat /proc/interrupts")
    wide = sum(1 for m in masks if len(cpus_of_mask(m)) > 1)
    return Fact(
        wide * 2 > len(masks),
        (Evidence("/proc/irq/N/smp_affinity", f"{v.device}: lines that allow several CPUs", None, wide),),
    )


@fact("device", "NUMA node of the card (-1 none)")
def numa_node(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/device/numa_node")
    return (
        Fact(n, (Evidence("/sys/class/net", f"{v.device}/device/numa_node", None, n),))
        if n is not None
        else unknown_fact(f"cat /sys/class/net/{v.device}/device/numa_node")
    )


@fact("device", "share of the device's receive interrupts taken outside its NUMA node, 0 to 1")
def irq_remote_share(v: View) -> Fact:
    node, moves = v.number("numa_node"), irq_moves(v)
    if node is None:
        return v.get("numa_node")
    if node < 0 or v.b.nodes() < 2:
        return Fact(0.0) if v.b.nodes() else v.get("nodes")
    if moves is None:
        return unknown_fact(IRQ_NEED)
    by = _by_cpu(moves)
    total = sum(by.values())
    if not total:
        return Fact(0.0)
    remote = sum(n for c, n in by.items() if v.b.node_of(c) != int(node))
    return Fact(
        remote / total,
        (
            Evidence(
                "/proc/interrupts",
                f"{v.device}: on CPUs outside node {int(node)}",
                None,
                remote,
                remote,
                v.per_second(remote),
                v.pair.single,
            ),
        ),
    )


@fact(
    "device",
    "physical cores of which two or more hyper-threads take the device's interrupts while softirqs fill both",
)
def shared_cores(v: View) -> Fact:
    moves = irq_moves(v)
    if moves is None:
        return unknown_fact(IRQ_NEED)
    by = _by_cpu(moves)
    total = sum(by.values())
    if any(v.b.siblings(c) is None for c in by):
        return unknown_fact("grep -H . /sys/devices/system/cpu/cpu*/topology/thread_siblings_list")
    hot = [c for c, n in by.items() if total and n * len(by) * 2 >= total and (soft_share(v, c) or 0.0) >= 0.5]
    groups: dict[tuple[int, ...], int] = {}
    for c in hot:
        groups[v.b.siblings(c) or (c,)] = groups.get(v.b.siblings(c) or (c,), 0) + 1
    if not v.pair.single and all(soft_share(v, c) is None for c in by):
        return unknown_fact(STAT_NEED)
    pairs = [g for g, n in groups.items() if n > 1]
    return Fact(
        len(pairs),
        (Evidence("/sys/.../thread_siblings_list", "threads of one core", None, ",".join(map(str, pairs[0]))),)
        if pairs
        else (),
    )


@fact("device", "true when free physical cores remain that take no interrupt of the device")
def cores_free(v: View) -> Fact:
    cores, serving = v.b.physical_cores(), _serving(v)
    if cores is None or serving is None:
        return unknown_fact("grep -H . /sys/devices/system/cpu/cpu*/topology/thread_siblings_list")
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
        return unknown_fact(f"ethtool -S {v.device} (twice)")
    total = sum(n for _, n in moves)
    if not total:
        return Fact(0.0)
    name, n = max(moves, key=lambda x: (x[1], x[0]))
    return Fact(n / total, (Evidence(f"ethtool -S {v.device}", name, None, n, n, v.per_second(n), v.pair.single),))


@fact("device", "CPUs that the receive interrupt lines point to")
def irq_targets(v: View) -> Fact:
    serving = _serving(v)
    return Fact(len(serving)) if serving is not None else unknown_fact("grep -H . /proc/irq/*/effective_affinity_list")


@fact("device", "frames a receive interrupt")
def frames_per_irq(v: View) -> Fact:
    moves, p = irq_moves(v), v.number("rx_packets")
    if moves is None or p is None:
        return unknown_fact((IRQ_NEED, "cat /proc/net/dev (twice)"))
    n = sum(_by_cpu(moves).values())
    return (
        Fact(
            p / n,
            (
                Evidence(
                    "/proc/interrupts",
                    f"{v.device} receive lines",
                    None,
                    n,
                    n,
                    v.per_second(n),
                    v.pair.single,
                ),
            ),
        )
        if n
        else unknown_fact(IRQ_NEED, "no interrupt")
    )


@fact("device", "true when RPS is on for the device")
def rps_on(v: View) -> Fact:
    masks = v.b.rps_masks(v.device)
    if masks is None:
        return unknown_fact(f"grep -H . /sys/class/net/{v.device}/queues/rx-*/rps_cpus")
    return Fact(
        any(masks),
        (Evidence("/sys/class/net", f"{v.device}/queues/rx-N/rps_cpus, any", None, f"{max(masks):x}"),),
    )


@fact("device", "mask for RPS: CPUs of the device's node without the one that takes its interrupts")
def rps_mask(v: View) -> Fact:
    cpus = list(v.b.online_cpus())
    node, hot = v.number("numa_node"), v.number("irq_cpu")
    if node is not None and node >= 0 and v.b.nodes() > 1:
        cpus = [c for c in cpus if v.b.node_of(c) == int(node)] or cpus
    cpus = [c for c in cpus if c != hot] or cpus

    return (
        Fact(render_mask(sum(1 << c for c in cpus), max(cpus) + 1).strip()) if cpus else unknown_fact("cat /proc/stat")
    )


@fact("device", "napi_defer_hard_irqs of the device")
def napi_defer(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/napi_defer_hard_irqs")
    return (
        Fact(n, (Evidence("/sys/class/net", f"{v.device}/napi_defer_hard_irqs", None, n),))
        if n is not None
        else unknown_fact(f"cat /sys/class/net/{v.device}/napi_defer_hard_irqs")
    )


def _feature(v: View, *names: str) -> Fact:
    f = v.b.features(v.device)
    if f is None:
        return unknown_fact(f"ethtool -k {v.device}")
    for item in f.items:
        if item.name in names:
            return Fact(item.on, (Evidence(f"ethtool -k {v.device}", item.name, None, "on" if item.on else "off"),))
    return unknown_fact((), f"{v.device} has no feature {names[0]}")


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
        return unknown_fact(IRQ_NEED)
    return rate_of(
        v,
        sum_of([softnet_moved(v, "received_rps", c) for c in serving]) if serving else unknown_fact(IRQ_NEED),
    )


@fact("device", "early ends of polls a second on the CPUs that serve the device")
def irq_cpu_squeeze_rate(v: View) -> Fact:
    serving = _serving(v)
    if serving is None:
        return unknown_fact(IRQ_NEED)
    return rate_of(
        v,
        sum_of([softnet_moved(v, "time_squeeze", c) for c in serving]) if serving else unknown_fact(IRQ_NEED),
    )


@fact("device", "MTU")
def mtu(v: View) -> Fact:
    n = v.b.path_int(f"/sys/class/net/{v.device}/mtu")
    return (
        Fact(n, (Evidence("/sys/class/net", f"{v.device}/mtu", None, n),))
        if n is not None
        else unknown_fact(f"cat /sys/class/net/{v.device}/mtu")
    )
