"""The kernel's own files: /proc/interrupts, /proc/softirqs, /proc/irq, and what tools ask of a kernel's
identity.
"""

from __future__ import annotations

from functools import partial

from rxpath.formats import cpumask, interrupts, irq, softirqs
from rxpath.formats.layouts import LAYOUTS
from rxpath.kernel.core import Kernel
from rxpath.kernel.cpu import Cpu
from rxpath.kernel.errno import EINVAL, EIO, linux_error
from rxpath.kernel.hotplug import kstrtobool
from rxpath.kernel.irq import IrqDesc

ARCH_ROWS = (
    "NMI",
    "LOC",
    "SPU",
    "PMI",
    "IWI",
    "RTR",
    "RES",
    "CAL",
    "TLB",
    "TRM",
    "THR",
    "DFR",
    "MCE",
    "MCP",
    "ERR",
    "MIS",
)


def interrupts_text(k: Kernel) -> str:
    cpus = [c for c in k.cpus if c.online]
    layout = LAYOUTS[k.release.name].interrupts
    rows = []
    for n in sorted(k.irq.descs):
        d = k.irq.descs[n]
        if not d.actions:
            continue
        chip, hwirq, flow = d.chip, d.hwirq, d.flow
        if not d.level and layout.gap_before:
            chip = "PCI-MSI%s-%s" % ("X" if d.kind == "msix" else "", d.device)
            hwirq = d.hwirq & 0x7FF
        rows.append(
            interrupts.IrqRow(
                n,
                tuple(d.kstat[c.id] for c in cpus),
                chip,
                hwirq if layout.hwirq else None,
                flow,
                tuple(a.name for a in d.actions),
            )
        )
    arch = []
    for label in ARCH_ROWS:
        if label in ("ERR", "MIS"):
            arch.append(interrupts.ArchRow(label, (0,)))
            continue
        counts = tuple({"LOC": c.loc_count, "RES": c.res_count, "CAL": c.cal_count}.get(label, 0) for c in cpus)
        arch.append(interrupts.ArchRow(label, counts, interrupts.X86_TEXTS[label]))
    return interrupts.render(interrupts.Interrupts(tuple(c.id for c in cpus), tuple(rows), tuple(arch)), layout)


def softirqs_text(k: Kernel) -> str:
    layout = LAYOUTS[k.release.name].softirqs
    counts = {label: tuple(c.softirq_stat[i] for c in k.cpus) for i, label in enumerate(layout.labels)}
    return softirqs.render(softirqs.Softirqs(tuple(c.id for c in k.cpus), counts), layout)


def stat_text(k: Kernel) -> str:
    """cpu lines in USER_HZ ticks (user nice system idle iowait irq softirq steal guest guest_nice), intr,
    ctxt, softirq.
    """
    out: list[str] = []
    now = k.engine.now

    def ticks(acct: list[int]) -> str:
        user, softirq, hard = acct[1], acct[3] + acct[2], acct[4]
        v = [user, 0, acct[5], acct[0], 0, hard, softirq, 0, 0, 0]
        return " ".join(str(x // 10_000_000) for x in v)

    total = [0] * 6
    per: list[list[int]] = []
    for c in k.cpus:
        a = list(c.acct)
        if c.online:
            a[c.mode] += max(0, now - c.mode_since)
        per.append(a)
        for i, x in enumerate(a):
            total[i] += x
    out.append("cpu  " + ticks(total))
    for c, a in zip(k.cpus, per, strict=True):
        if c.online:
            out.append("cpu%d %s" % (c.id, ticks(a)))
    top = max(k.irq.descs, default=-1)
    counts = [sum(k.irq.descs[i].kstat) if i in k.irq.descs else 0 for i in range(top + 1)]
    arch = sum(c.loc_count + c.res_count + c.cal_count for c in k.cpus)
    out.append("intr %d %s" % (sum(counts) + k.irq.retired + arch, " ".join(map(str, counts))))
    out.append("ctxt 0")
    out.append("btime %d" % (k.wall_base_ns // 1_000_000_000))
    out.append("processes %d" % (k.sched.next_pid - 1))
    out.append("procs_running 1")
    out.append("procs_blocked 0")
    soft = [sum(c.softirq_stat[i] for c in k.cpus) for i in range(10)]
    out.append("softirq %d %s" % (sum(soft), " ".join(map(str, soft))))
    return "\n".join(out) + "\n"


def set_affinity_text(k: Kernel, n: int, mask: int) -> None:
    d = k.irq.descs[n]
    if d.managed:
        raise linux_error(EIO, "managed interrupt")
    k.irq.set_affinity(n, mask)


def irq_files(k: Kernel, d: IrqDesc) -> None:
    """(Re)register /proc/irq/N/* of one descriptor after its actions changed."""
    base = "/proc/irq/%d" % d.irq
    bits = len(k.cpus)
    n = d.irq
    if not d.actions:
        k.files.remove(base)
        k.files.remove("/sys/kernel/irq/%d" % n)
        return
    k.files.remove(base)
    f = k.files
    f.add(
        base + "/smp_affinity",
        lambda: cpumask.render_mask(d.affinity, bits) + "\n",
        lambda t: set_affinity_text(k, n, cpumask.parse_mask(t, bits)),
    )
    f.add(
        base + "/smp_affinity_list",
        lambda: cpumask.render_list(d.affinity) + "\n",
        lambda t: set_affinity_text(k, n, cpumask.parse_list(t, bits)),
    )
    if k.release.interrupts_hwirq:
        f.add(base + "/effective_affinity", lambda: cpumask.render_mask(1 << d.cpu, bits) + "\n")
        f.add(base + "/effective_affinity_list", lambda: "%d\n" % d.cpu)
    f.add(base + "/affinity_hint", lambda: cpumask.render_mask(d.affinity_hint, bits) + "\n")
    f.add(base + "/node", lambda: "-1\n")
    f.add(
        base + "/spurious",
        lambda: irq.render_spurious(
            irq.Spurious(
                d.irq_count,
                d.irqs_unhandled,
                (d.last_unhandled - k.boot_jiffies) * 1000 // k.hz if d.last_unhandled else 0,
            )
        ),
    )
    for a in d.actions:
        f.mkdir(base + "/" + a.name)
    sysfs_irq_files(k, d)


def sysfs_irq_files(k: Kernel, d: IrqDesc) -> None:
    """/sys/kernel/irq/N (4.9), beside /proc/irq/N."""
    base = "/sys/kernel/irq/%d" % d.irq
    f = k.files
    f.remove(base)
    if not d.actions or not k.release.interrupts_hwirq:
        return
    f.add(base + "/actions", lambda: ",".join(a.name for a in d.actions) + "\n")
    f.add(base + "/chip_name", lambda: d.chip + "\n")
    f.add(base + "/hwirq", lambda: "%d\n" % d.hwirq)
    f.add(base + "/name", lambda: d.flow + "\n")
    f.add(base + "/per_cpu_count", lambda: ",".join("%d" % n for n in d.kstat) + "\n")
    f.add(base + "/type", lambda: ("level" if d.level else "edge") + "\n")
    f.add(base + "/wakeup", lambda: "disabled\n")


def cpu_files(k: Kernel) -> None:
    """/sys/devices/system: one package on one memory node, a core for each CPU, one thread each."""
    bits = len(k.cpus)
    every = (1 << bits) - 1
    cpu = "/sys/devices/system/cpu"
    k.hotplug.setup_state(
        "base/topology:prepare",
        ("topology_add_dev", partial(topology_add_dev, k)),
        ("topology_remove_dev", partial(topology_remove_dev, k)),
    )
    for c in k.cpus:
        topology_add_dev(k, c)
        k.files.symlink("%s/cpu%d/node0" % (cpu, c.id), "/sys/devices/system/node/node0")
        k.files.symlink("/sys/devices/system/node/node0/cpu%d" % c.id, "%s/cpu%d" % (cpu, c.id))
    node = "/sys/devices/system/node"
    for name in ("has_cpu", "has_memory", "has_normal_memory", "online", "possible"):
        k.files.add("%s/%s" % (node, name), partial(str, "0\n"))
    k.files.add(node + "/node0/cpumap", lambda: cpumask.render_mask(online_mask(k), bits) + "\n")
    k.files.add(node + "/node0/cpulist", lambda: cpumask.render_list(online_mask(k)) + "\n")
    k.files.add(node + "/node0/distance", partial(str, "10\n"))
    k.files.add(cpu + "/offline", lambda: cpumask.render_list(every & ~online_mask(k)) + "\n")
    k.files.add(cpu + "/isolated", lambda: "\n")
    k.files.add(cpu + "/kernel_max", lambda: "%d\n" % (8191 if k.release.ethtool_netlink else 255))


def topology_add_dev(k: Kernel, c: Cpu) -> None:
    """cpuN/topology, which an offline CPU does not have; siblings are those that are online."""
    bits = len(k.cpus)
    base = "/sys/devices/system/cpu/cpu%d/topology" % c.id
    alone = ["thread_siblings"]
    together = ["core_siblings"]
    if k.release.ethtool_netlink:  # 5.3 gave them better names and kept the old ones
        alone.append("core_cpus")
        together.append("package_cpus")
    for name in alone:
        k.files.add("%s/%s" % (base, name), partial(_mask_text, 1 << c.id, bits))
        k.files.add("%s/%s_list" % (base, name), partial(_list_text, 1 << c.id))
    for name in together:
        k.files.add("%s/%s" % (base, name), lambda: cpumask.render_mask(online_mask(k), bits) + "\n")
        k.files.add("%s/%s_list" % (base, name), lambda: cpumask.render_list(online_mask(k)) + "\n")
    k.files.add(base + "/core_id", partial(str, "%d\n" % c.id))
    k.files.add(base + "/physical_package_id", partial(str, "0\n"))


def topology_remove_dev(k: Kernel, c: Cpu) -> None:
    k.files.remove("/sys/devices/system/cpu/cpu%d/topology" % c.id)


def _mask_text(mask: int, bits: int) -> str:
    return cpumask.render_mask(mask, bits) + "\n"


def _list_text(mask: int) -> str:
    return cpumask.render_list(mask) + "\n"


def register(k: Kernel) -> None:
    """fs_initcall: the kernel's files."""
    f = k.files
    bits = len(k.cpus)
    f.add("/proc/interrupts", lambda: interrupts_text(k))
    f.add("/proc/softirqs", lambda: softirqs_text(k))
    f.add("/proc/stat", lambda: stat_text(k))
    f.add("/proc/uptime", lambda: "%d.%02d 0.00\n" % (k.engine.now // 10**9, k.engine.now // 10**7 % 100))
    f.add("/proc/version", lambda: "Linux version %s (rxpath)\n" % k.release.uname)
    f.add("/proc/sys/kernel/osrelease", lambda: k.release.uname + "\n")
    f.add("/proc/sys/kernel/ostype", lambda: "Linux\n")

    def put_hostname(text: str) -> None:
        k.hostname = text.removesuffix("\n")[:64]

    f.add("/proc/sys/kernel/hostname", lambda: k.hostname + "\n", put_hostname)

    def put_default(text: str) -> None:
        mask = cpumask.parse_mask(text, bits)
        if not mask & online_mask(k):
            raise linux_error(EINVAL, "default_smp_affinity")
        k.irq.default_affinity = mask

    f.add(
        "/proc/irq/default_smp_affinity",
        lambda: cpumask.render_mask(k.irq.default_affinity, bits) + "\n",
        put_default,
    )
    cpu_files(k)
    f.add("/sys/devices/system/cpu/online", lambda: cpumask.render_list(online_mask(k)) + "\n")
    for c in k.cpus[1:]:  # x86: cpu0 has no such file, it cannot go
        f.add("/sys/devices/system/cpu/cpu%d/online" % c.id, partial(_online_text, c), partial(_put_online, k, c))
    f.add("/sys/devices/system/cpu/possible", lambda: cpumask.render_list((1 << bits) - 1) + "\n")
    f.add("/sys/devices/system/cpu/present", lambda: cpumask.render_list((1 << bits) - 1) + "\n")
    k.irq_listener.append(lambda d: irq_files(k, d))


def _online_text(c: Cpu) -> str:
    return "%d\n" % c.online


def _put_online(k: Kernel, c: Cpu, text: str) -> None:
    up = kstrtobool(text, k.release.strtobool)
    if k.engine.current is None:  # nobody's task writes: one is made for it
        k.in_task(partial(k.hotplug.online_store, c, up), "sh")
    else:
        k.hotplug.online_store(c, up)


def online_mask(k: Kernel) -> int:
    m = 0
    for c in k.cpus:
        if c.online:
            m |= 1 << c.id
    return m
