"""A host that exists only as texts: counters that move as told, printed in Linux's own formats.

Belongs here: making snapshot pairs for tests of the doctor, healthy ones and ones with a fault.  Every
text goes through the same intake as a real host's.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from rxpath.formats import line_pairs, net_dev, netstat, snmp, softirqs, softnet_stat
from rxpath.formats.ethtool import statistics
from rxpath.formats.inet_sock import SockHead
from rxpath.formats.interrupts import ArchRow, Interrupts, IrqRow, Layout
from rxpath.formats.interrupts import render as render_interrupts
from rxpath.formats.udp import Layout as UdpLayout
from rxpath.formats.udp import Udp, UdpSock
from rxpath.formats.udp import render as render_udp
from rxpath.tune.counters import table
from rxpath.tune.intake import ns_to_iso

START = "# rxpath snapshot"
T0 = 1_700_000_000_000_000_000
IRQ_NAMES: dict[str, str] = {
    "e1000e": "{dev}-rx-{q}",
    "igb": "{dev}-TxRx-{q}",
    "ixgbe": "{dev}-TxRx-{q}",
    "tg3": "{dev}-{q}",
    "be2net": "{dev}-q{q}",
    "bnx2": "{dev}-{q}",
    "mlx5_core": "mlx5_comp{q}@pci:{bus}",
    "mlx4_en": "mlx4-{q}@{bus}",
    "ice": "ice-{dev}-TxRx-{q}",
    "i40e": "i40e-{dev}-TxRx-{q}",
    "ena": "{dev}-Tx-Rx-{q}",
    "virtio_net": "virtio1-input.{q}",
    "vmxnet3": "{dev}-rxtx-{q}",
    "bnxt_en": "{dev}-TxRx-{q}",
    "r8169": "{dev}",
    "hns3": "hns3-{dev}-TxRx-{q}",
}
SINGLE_QUEUE = ("e1000e", "r8169")


def names_of_driver(driver: str, queues: int) -> dict[str, int]:
    """Every name that the table knows of a driver, at zero."""
    out: dict[str, int] = {}
    for alternatives in table()[driver].meanings.values():
        for name in alternatives[0].split(" + ") if alternatives and not alternatives[0].startswith("~") else ():
            out[name] = 0
        if alternatives and alternatives[0].startswith("~"):
            pattern = re.sub(r"\(\?:([^|)]*)[^)]*\)", r"\1", alternatives[0][1:])
            for q in range(queues):
                out[pattern.replace(r"(\d+)", str(q)).replace("\\", "")] = 0
    return out


@dataclass
class Host:
    """Counters and settings; `tick` moves them as a healthy load does, tests then add the fault."""

    driver: str = "ixgbe"
    cpus: int = 8
    queues: int = 8
    release: str = "5.15.0-91-generic"
    name: str = "web1"
    dev: str = "eth0"
    bus: str = "0000:3b:00.0"
    ring: int = 512
    ring_max: int = 4096
    queues_max: int = 16
    softnet_columns: int = 13
    nodes: int = 1
    threads_per_core: int = 1
    adaptive: bool = True
    rx_usecs: int | None = 1
    rps: str = "0"
    speed: int = 10000
    numa_node: int = -1
    gro: bool = True
    now_ns: int = T0
    uptime_cs: int = 500_000_00
    soft: list[dict[str, int]] = field(default_factory=list)
    irq: list[list[int]] = field(default_factory=list)
    ticks: list[list[int]] = field(default_factory=list)
    eth: dict[str, int] = field(default_factory=dict)
    devrow: dict[str, int] = field(default_factory=dict)
    snmp: dict[str, dict[str, int]] = field(default_factory=dict)
    ext: dict[str, dict[str, int]] = field(default_factory=dict)
    sockets: list[dict[str, int]] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    masks: list[str] = field(default_factory=list)
    threads: list[tuple[int, str, int, int]] = field(default_factory=list)
    extra_devs: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    sockstat_udp_mem: int = 10
    boot: int = 1_699_500_000

    def __post_init__(self) -> None:
        if self.driver in SINGLE_QUEUE:
            self.queues = self.queues_max = 1
        zero = ("processed", "dropped", "time_squeeze", "received_rps", "flow_limit_count")
        self.soft = [dict.fromkeys(zero, 0) for _ in range(self.cpus)]
        self.irq = [[0] * self.cpus for _ in range(self.queues)]
        self.ticks = [[0] * 8 for _ in range(self.cpus)]
        self.eth = names_of_driver(self.driver, self.queues)
        self.devrow = {"rx_bytes": 0, "rx_packets": 0, "rx_drop": 0}
        self.snmp = {"Ip": {}, "Tcp": {}, "Udp": {}, "Icmp": {}}
        self.ext = {"TcpExt": {}, "IpExt": {}}
        self.masks = [f"{1 << (q % self.cpus):x}" for q in range(self.queues)]
        self.sysctls = {
            "net.core.netdev_max_backlog": "1000",
            "net.core.netdev_budget": "300",
            "net.core.dev_weight": "64",
            "net.core.rmem_default": "212992",
            "net.core.rmem_max": "212992",
            "net.core.somaxconn": "4096",
            "net.core.rps_sock_flow_entries": "0",
            "net.core.busy_read": "0",
            "net.core.flow_limit_cpu_bitmap": "00",
            "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
            "net.ipv4.udp_mem": "188000\t251000\t376000",
            "vm.min_free_kbytes": "67584",
        }
        if not self.release.startswith(("3.", "2.")):
            self.sysctls["net.core.netdev_budget_usecs"] = "8000"
        # a long life before the first snapshot
        self.tick(36000, pps=20000)

    # -- movement
    def tick(
        self,
        seconds: int,
        pps: int = 50000,
        soft: float = 0.1,
        busy: float = 0.2,
        udp: float = 0.3,
        frame: int = 500,
        irq_rate: int = 4000,
        merge: int = 1,
    ) -> Host:
        """A healthy load: everything spread evenly, nothing lost."""
        n = pps * seconds
        self.now_ns += seconds * 1_000_000_000
        self.uptime_cs += seconds * 100
        for q in range(self.queues):
            self.irq[q][q % self.cpus] += irq_rate * seconds
        for c in range(self.cpus):
            used = c < max(1, min(self.queues, self.cpus))
            share = n // min(self.queues, self.cpus) if used else 0
            self.soft[c]["processed"] += share // merge
            self.cpu_time(c, seconds, soft if used else 0.0, busy)
        self.count_packets(n)
        self.devrow["rx_packets"] += n
        self.devrow["rx_bytes"] += n * frame
        u = int(n * udp)
        for group, counter, value in (
            ("Ip", "InReceives", n),
            ("Ip", "InDelivers", n),
            ("Udp", "InDatagrams", u),
            ("Tcp", "InSegs", n - u),
            ("Tcp", "PassiveOpens", n // 1000 + 1),
        ):
            self.add_snmp(group, counter, value)
        self.add_ext("IpExt", "InOctets", n * frame)
        return self

    def cpu_time(self, cpu: int, seconds: int, soft: float, busy: float) -> None:
        total = seconds * 100
        s = round(total * soft)
        user = round(total * max(0.0, busy))
        t = self.ticks[cpu]
        t[0] += user
        t[6] += s
        t[3] += max(0, total - s - user)

    def set_cpu(self, cpu: int, seconds: int, soft: float, busy: float = 0.0) -> None:
        """Say how the last `seconds` of a CPU were really spent (replaces what tick added)."""
        self.ticks[cpu] = list(self._ticks_before[cpu])
        self.cpu_time(cpu, seconds, soft, busy)

    def count_packets(self, n: int) -> None:
        row = table()[self.driver]
        for alternative in row.meanings.get("rx_packets", ())[:1]:
            self.eth[alternative.split(" + ")[0]] += n
        own = [k for k in self.eth if "queue_packets" in row.meanings and self._is_queue_packets(k)]
        for k in own:
            self.eth[k] += n // len(own)

    def _is_queue_packets(self, name: str) -> bool:
        return any(
            a.startswith("~") and re.fullmatch(a[1:], name)
            for a in table()[self.driver].meanings.get("queue_packets", ())[:1]
        )

    def queue_counters(self) -> list[str]:
        return [k for k in self.eth if self._is_queue_packets(k)]

    def add_snmp(self, group: str, counter: str, n: int) -> None:
        self.snmp[group][counter] = self.snmp[group].get(counter, 0) + n

    def add_ext(self, group: str, counter: str, n: int) -> None:
        self.ext[group][counter] = self.ext[group].get(counter, 0) + n

    def lose(self, meaning: str, n: int) -> None:
        """Move the first counter of a meaning of this driver."""
        name = table()[self.driver].meanings[meaning][0].split(" + ")[0]
        if name.startswith("~"):
            name = re.sub(r"\(\?:([^|)]*)[^)]*\)", r"\1", name[1:]).replace(r"(\d+)", "0").replace("\\", "")
        self.eth[name] += n

    # -- text
    def mark(self) -> str:
        """The present moment as text; remembers it so that set_cpu knows where the interval began."""
        self._ticks_before = [list(t) for t in self.ticks]
        return self.text()

    def parts(self) -> dict[str, tuple[str, str]]:
        """name -> (command, text)."""
        rows = tuple(softnet_stat.SoftnetRow(cpu=c, backlog_len=0, **s) for c, s in enumerate(self.soft))
        counts = tuple(
            IrqRow(
                40 + q,
                tuple(n & 0xFFFFFFFF for n in self.irq[q]),
                "PCI-MSI",
                524288 + q,
                "edge",
                (self._irq_name(q),),
            )
            for q in range(self.queues)
        )
        cal = ArchRow("CAL", tuple(0 for _ in range(self.cpus)), "Function call interrupts")
        irqs = Interrupts(tuple(range(self.cpus)), counts, (cal,))
        cpu_lines = "".join(f"cpu{c} {' '.join(map(str, t))} 0 0\n" for c, t in enumerate(self.ticks))
        total = [sum(t[i] for t in self.ticks) for i in range(8)]
        stat = (
            f"cpu  {' '.join(map(str, total))} 0 0\n{cpu_lines}intr {sum(map(sum, self.irq))} "
            f"0\nctxt 1\nbtime {self.boot}\n"
            "processes 1\nprocs_running 1\nprocs_blocked 0\nsoftirq 1 0 0 0 0 0 0 0 0 0 0\n"
        )
        net = net_dev.NetDev(
            (
                net_dev.NetDevRow("lo"),
                net_dev.NetDevRow(self.dev, **self.devrow),
                *(net_dev.NetDevRow(n, rx_packets=p) for n, p in self.extra_devs.items()),
            )
        )
        udp = Udp(
            tuple(
                UdpSock(
                    SockHead(i, "0.0.0.0", s["port"], "0.0.0.0", 0, 7, 0, s.get("queued", 0)),
                    100 + i,
                    2,
                    0,
                    s.get("drops", 0),
                )
                for i, s in enumerate(self.sockets)
            )
        )
        ss = "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n" + "".join(
            f"UNCONN 0      0            0.0.0.0:{s['port']}       0.0.0.0:*    "
            f'users:(("app",pid={s.get("pid", 900)},fd=3))\n'
            f"\t "
            f"skmem:(r{s.get('queued', 0)},rb{s.get('rb', 212992)},t0,tb212992,f0,w0,o0,bl0,"
            f"d{s.get('drops', 0)})\n"
            for s in self.sockets
        )
        soft = softirqs.Softirqs(
            tuple(range(self.cpus)), dict.fromkeys(("HI", "TIMER", "NET_TX", "NET_RX"), (0,) * self.cpus)
        )
        old = self.release.startswith(("3.", "2."))
        parts = {
            "uname": ("uname -a", f"Linux {self.name} {self.release} #1 SMP x86_64 GNU/Linux\n"),
            "uptime": ("cat /proc/uptime", f"{self.uptime_cs // 100}.{self.uptime_cs % 100:02d} 100.00\n"),
            "stat": ("cat /proc/stat", stat),
            "softnet": (
                "cat /proc/net/softnet_stat",
                softnet_stat.render(softnet_stat.SoftnetStat(rows), softnet_stat.Layout(self.softnet_columns)),
            ),
            "interrupts": ("cat /proc/interrupts", render_interrupts(irqs, Layout())),
            "softirqs": ("cat /proc/softirqs", softirqs.render(soft, softirqs.layout_of(soft))),
            "dev": ("cat /proc/net/dev", net_dev.render(net)),
            "snmp": ("cat /proc/net/snmp", snmp.render(_pairs(self.snmp, ("Ip", "Icmp", "Tcp", "Udp"), old))),
            "netstat": ("cat /proc/net/netstat", netstat.render(_pairs(self.ext, ("TcpExt", "IpExt"), old))),
            "sockstat": (
                "cat /proc/net/sockstat",
                "sockets: used 100\nTCP: inuse 5 orphan 0 tw 0 alloc 6 mem 1\n"
                f"UDP: inuse {len(self.sockets)} mem {self.sockstat_udp_mem}\n"
                "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
            ),
            "udp": ("cat /proc/net/udp", render_udp(udp, UdpLayout())),
            "ss": ("ss -uampn", ss),
            "ethtool-S": (
                f"ethtool -S {self.dev}",
                statistics.render(statistics.Statistics(tuple(self.eth.items()))),
            ),
            "ethtool-i": (
                f"ethtool -i {self.dev}",
                f"driver: {self.driver}\nversion: {self.release}\nfirmware-version: 1\nexpansion-rom-version: \n"
                f"bus-info: {self.bus}\nsupports-statistics: yes\n",
            ),
            "ethtool-g": (
                f"ethtool -g {self.dev}",
                f"Ring parameters for {self.dev}:\nPre-set maximums:\n{_ring(self.ring_max)}"
                f"Current hardware settings:\n{_ring(self.ring)}",
            ),
            "ethtool-l": (
                f"ethtool -l {self.dev}",
                f"Channel parameters for {self.dev}:\nPre-set maximums:\n{_channels(self.queues_max)}"
                f"Current hardware settings:\n{_channels(self.queues)}",
            ),
            "ethtool-c": (
                f"ethtool -c {self.dev}",
                f"Coalesce parameters for {self.dev}:\nAdaptive RX: {'on' if self.adaptive else 'off'}  TX: off\n"
                f"rx-usecs: {'n/a' if self.rx_usecs is None else self.rx_usecs}\nrx-frames: n/a\n",
            ),
            "ethtool-k": (
                f"ethtool -k {self.dev}",
                f"Features for {self.dev}:\nrx-checksumming: on\n"
                f"generic-receive-offload: {'on' if self.gro else 'off'}\nrx-udp-gro-forwarding: off\n",
            ),
            "sysctl": ("sysctl -a", "".join(f"{k} = {v}\n" for k, v in self.sysctls.items())),
            "paths": ("grep -H . /sys /proc/irq", "".join(f"{k} = {v}\n" for k, v in self._paths().items())),
        }
        if self.threads:
            parts["threads"] = (
                "cat /proc/[0-9]*/task/[0-9]*/stat",
                "".join(
                    f"{tid} ({n}) R 1 1 1 0 -1 4194304 0 0 0 0 {t} 0 0 0 20 0 1 0 5 0 0 "
                    + "0 " * 14
                    + f"{c} 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
                    for tid, n, t, c in self.threads
                ),
            )
        return {k: v for k, v in parts.items() if k not in self.without}

    def text(self) -> str:
        at = ns_to_iso(self.now_ns)
        out = [f"# rxpath snapshot 1 host={self.name} time={at}\n"]
        if self.notes:
            out.append("# note " + " ".join(f"{k}={v}" for k, v in self.notes.items()) + "\n")
        out += [f"# {command}  ## {at}\n{body}" for command, body in self.parts().values()]
        return "".join(out)

    def _irq_name(self, q: int) -> str:
        return IRQ_NAMES[self.driver].format(dev=self.dev, q=q, bus=self.bus)

    def _paths(self) -> dict[str, str]:
        out: dict[str, str] = {}
        for q in range(self.queues):
            out[f"/proc/irq/{40 + q}/smp_affinity"] = self.masks[q]
            top = max(range(self.cpus), key=lambda c: (self.irq[q][c], -c))
            out[f"/proc/irq/{40 + q}/effective_affinity_list"] = str(top)
            out[f"/sys/class/net/{self.dev}/queues/rx-{q}/rps_cpus"] = self.rps
            out[f"/sys/class/net/{self.dev}/device/msi_irqs/{40 + q}"] = "msix"
        base = f"/sys/class/net/{self.dev}"
        out |= {
            f"{base}/address": "52:54:00:aa:bb:cc",
            f"{base}/mtu": "1500",
            f"{base}/speed": str(self.speed),
            f"{base}/device/numa_node": str(self.numa_node),
            f"{base}/napi_defer_hard_irqs": "0",
            f"{base}/gro_flush_timeout": "0",
        }
        cores = self.cpus // self.threads_per_core
        for c in range(self.cpus):
            own = sorted({c % cores, c % cores + cores}) if self.threads_per_core == 2 else [c]
            out[f"/sys/devices/system/cpu/cpu{c}/topology/thread_siblings_list"] = ",".join(map(str, own))
        per = max(1, self.cpus // self.nodes)
        for n in range(self.nodes):
            out[f"/sys/devices/system/node/node{n}/cpulist"] = f"{n * per}-{(n + 1) * per - 1}"
        return out | self.paths


def _ring(n: int) -> str:
    return f"RX:\t\t{n}\nRX Mini:\tn/a\nRX Jumbo:\tn/a\nTX:\t\t{n}\n"


def _channels(n: int) -> str:
    return f"RX:\t\tn/a\nTX:\t\tn/a\nOther:\t\t1\nCombined:\t{n}\n"


def _pairs(counters: dict[str, dict[str, int]], groups: tuple[str, ...], old: bool) -> line_pairs.LinePairs:
    """Groups with the names that the doctor reads (and what was counted)."""
    names = {
        "Ip": ("Forwarding", "DefaultTTL", "InReceives", "InDelivers", "ForwDatagrams"),
        "Icmp": ("InMsgs",),
        "Tcp": ("RtoAlgorithm", "PassiveOpens", "InSegs", "InErrs", "InCsumErrors"),
        "Udp": (
            "InDatagrams",
            "NoPorts",
            "InErrors",
            "OutDatagrams",
            "RcvbufErrors",
            "SndbufErrors",
            "InCsumErrors",
            *(() if old else ("IgnoredMulti", "MemErrors")),
        ),
        "TcpExt": (
            "SyncookiesSent",
            "PruneCalled",
            "RcvPruned",
            "OfoPruned",
            "ListenOverflows",
            "ListenDrops",
            "TCPRcvCollapsed",
            "TCPBacklogDrop",
            "TCPRcvQDrop",
        ),
        "IpExt": ("InNoRoutes", "InOctets"),
    }
    return line_pairs.LinePairs(
        tuple(line_pairs.Group(g, names[g], tuple(counters.get(g, {}).get(n, 0) for n in names[g])) for g in groups)
    )


def pair(host: Host, fault: Callable[[Host], None] | None = None, seconds: int = 10, **load: object) -> str:
    """Two moments of a host in one text: a healthy load in between, then the fault's own movements."""
    first = host.mark()
    host.tick(seconds, **load)  # type: ignore[arg-type]
    if fault is not None:
        fault(host)
    return first + host.text()


RELEASES = (
    "3.13.0-170-generic",
    "3.10.0-1160.el7.x86_64",
    "4.4.0-210-generic",
    "4.18.0-513.5.1.el8_9.x86_64",
    "5.4.0-1103-aws",
    "5.14.0-427.13.1.el9_4.x86_64",
    "5.15.0-91-generic",
    "5.14.21-150500.55.28-default",
    "6.1.0-18-amd64",
    "6.8.0-31-generic",
    "6.1.66-91.160.amzn2023.x86_64",
    "6.12.0",
    "6.18.2",
)


def healthy(seed: int) -> str:
    """A healthy host of that seed, idle to busy, with the small blemishes that healthy hosts have."""
    r = random.Random(seed)
    driver = r.choice(sorted(IRQ_NAMES))
    cpus = r.choice((1, 2, 4, 8, 16, 32, 64))
    queues = min(cpus, r.choice((1, 2, 4, 8, 16)))
    release = r.choice(RELEASES)
    old = release.startswith("3.")
    h = Host(
        driver=driver,
        cpus=cpus,
        queues=queues,
        release=release,
        name=f"host{seed}",
        ring=r.choice((256, 512, 1024, 2048)),
        softnet_columns=11 if old else r.choice((13, 15)),
        nodes=1 if cpus < 8 else r.choice((1, 2)),
        threads_per_core=2 if cpus >= 4 and r.random() < 0.5 else 1,
        adaptive=True,
        rx_usecs=r.choice((1, 8, 30, 50)),
        numa_node=0 if cpus >= 8 else -1,
    )
    if h.nodes == 2:
        # the driver of a careful engineer: queues on the card's own node only
        h.numa_node = 0
        for q in range(h.queues):
            moved = sum(h.irq[q])
            h.irq[q] = [0] * cpus
            h.irq[q][q % (cpus // 2)] = moved
    h.tick(r.randrange(1000, 5_000_000), pps=r.randrange(100, 30000))
    # what a long life leaves behind
    h.devrow["rx_drop"] += r.randrange(0, 2000)
    h.add_snmp("Udp", "NoPorts", r.randrange(0, 50))
    h.add_snmp("Udp", "InCsumErrors", r.randrange(0, 5))
    h.add_ext("TcpExt", "ListenDrops", r.randrange(0, 2))
    for s in h.soft:
        s["time_squeeze"] += r.randrange(0, 30)
    if "missed" in table()[driver].meanings and table()[driver].meanings["missed"]:
        h.lose("missed", r.randrange(0, 5))
    h.sockets = [{"port": 53, "drops": r.randrange(0, 3)}, {"port": 514, "rb": 425984}]
    first = h.mark()
    busy = r.random()
    pps = int(100 + busy * 60000 * h.queues)
    h.tick(
        10,
        pps=pps,
        soft=busy * 0.7,
        busy=r.random() * 0.25,
        udp=r.random(),
        frame=r.choice((80, 300, 800, 1400)),
        irq_rate=min(r.randrange(10, 30000), pps // h.queues // 2),
        merge=r.choice((1, 1, 3, 20)),
    )
    if h.nodes == 2:
        for q in range(h.queues):
            moved = sum(h.irq[q])
            h.irq[q] = [0] * cpus
            h.irq[q][q % (cpus // 2)] = moved
    h.devrow["rx_drop"] += r.randrange(0, 10)
    h.add_snmp("Udp", "NoPorts", r.randrange(0, 20))
    h.soft[r.randrange(cpus)]["time_squeeze"] += r.randrange(0, 9)
    return first + h.text()
