"""Facts about the whole host: kernel, sysctls, CPU time, UDP and TCP counters, threads, connection
tracking."""

from __future__ import annotations

import re

from .base import (
    BOTH,
    STAT_NEED,
    Evidence,
    Fact,
    View,
    busy_share,
    fact,
    material,
    moved_fact,
    rate_of,
    soft_evidence,
    soft_share,
    softnet_moved,
    sum_of,
    unknown_fact,
)


@fact("host", "number of online CPUs")
def cpus(v: View) -> Fact:
    n = len(v.b.online_cpus())
    return Fact(n) if n else unknown_fact("cat /proc/stat")


@fact("host", "true when only one snapshot was given: totals since boot, no rates")
def single(v: View) -> Fact:
    return Fact(v.pair.single)


@fact("host", "seconds between the snapshots")
def seconds(v: View) -> Fact:
    s = v.pair.seconds()
    return Fact(s) if s is not None and not v.pair.single else unknown_fact(BOTH)


def _kernel_fact(v: View, at_least: tuple[int, int]) -> Fact:
    k = v.b.kernel()
    return Fact(k.at_least(*at_least)) if k is not None else unknown_fact("uname -r")


@fact("host", "true where NAPI has a time limit of its own that can be set (netdev_budget_usecs exists)")
def has_budget_usecs(v: View) -> Fact:
    if "net.core.netdev_budget_usecs" in v.b.sysctls:
        return Fact(
            True,
            (
                Evidence(
                    "sysctl",
                    "net.core.netdev_budget_usecs",
                    None,
                    v.b.sysctls["net.core.netdev_budget_usecs"],
                ),
            ),
        )
    if "net.core.netdev_budget" in v.b.sysctls:
        return Fact(False, (Evidence("sysctl", "net.core.netdev_budget_usecs", None, "absent"),))
    return _kernel_fact(v, (4, 12))


@fact(
    "host",
    "true where one NAPI gets one poll of its weight a round (3.19 and later), false where it may "
    "spend the whole budget",
)
def repolls(v: View) -> Fact:
    if "net.core.netdev_budget_usecs" in v.b.sysctls:
        return Fact(True)
    return _kernel_fact(v, (3, 19))


def _sysctl(v: View, name: str) -> Fact:
    n = v.b.sysctl(name)
    if n is None:
        return unknown_fact(f"sysctl {name}")
    return Fact(n, (Evidence("sysctl", name, None, n),))


@fact("host", "net.core.netdev_max_backlog, packets")
def backlog(v: View) -> Fact:
    return _sysctl(v, "net.core.netdev_max_backlog")


@fact("host", "twice the backlog, packets")
def backlog_next(v: View) -> Fact:
    n = v.number("backlog")
    return Fact(int(max(n, 1000) * 2)) if n is not None else unknown_fact("sysctl net.core.netdev_max_backlog")


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
    return Fact(int(n * 3 // 2)) if n is not None else unknown_fact("sysctl net.core.netdev_budget_usecs")


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


@fact("host", "net.ipv4.tcp_rmem with its largest size doubled")
def tcp_rmem_next(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.tcp_rmem")
    return Fact(f"{t[0]} {t[1]} {t[2] * 2}") if t and len(t) == 3 else unknown_fact("sysctl net.ipv4.tcp_rmem")


@fact("host", "net.ipv4.tcp_rmem")
def tcp_rmem(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.tcp_rmem")
    return Fact(" ".join(map(str, t))) if t else unknown_fact("sysctl net.ipv4.tcp_rmem")


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
    return Fact(int(n * 2)) if n is not None else unknown_fact("sysctl vm.min_free_kbytes")


@fact("host", "net.core.busy_read, microseconds")
def busy_read(v: View) -> Fact:
    return _sysctl(v, "net.core.busy_read")


@fact("host", "what the host is for, as noted by the engineer: latency or throughput")
def goal(v: View) -> Fact:
    n = v.b.notes.get("goal")
    return (
        Fact(n, (Evidence("note", "goal", None, n),))
        if n
        else unknown_fact("rxpath doctor --goal latency|throughput", "nobody said what the host is for")
    )


def _note_us(v: View, key: str) -> Fact:
    n = v.b.notes.get(key, "")
    if not re.fullmatch(r"\d{1,9}(?:\.\d+)?", n):
        return unknown_fact(
            f"rxpath doctor --{key.replace('_', '-')} MICROSECONDS",
            "latency is measured outside the host's files",
        )
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
        return unknown_fact(
            "perf stat -a -e cache-references,cache-misses sleep 10, then: rxpath doctor --cache-miss-pct N"
        )
    return Fact(float(n) / 100, (Evidence("note", "cache misses, %", None, float(n)),))


@fact("host", "largest softirq share of any CPU, 0 to 1")
def max_soft(v: View) -> Fact:
    shares = [(s, c) for c in v.b.online_cpus() if (s := soft_share(v, c)) is not None]
    if not shares:
        return unknown_fact(STAT_NEED)
    share, cpu = max(shares)
    return Fact(share, (soft_evidence(v, cpu, share),))


@fact("host", "smallest busy share of any CPU, 0 to 1")
def min_busy(v: View) -> Fact:
    shares = [(s, c) for c in v.b.online_cpus() if (s := busy_share(v, c)) is not None]
    if not shares:
        return unknown_fact(STAT_NEED)
    share, cpu = min(shares)
    return Fact(share, (Evidence("/proc/stat", f"cpu{cpu} busy share % (least busy)", None, round(share * 100, 1)),))


@fact("host", "mean busy share of the CPUs, 0 to 1")
def mean_busy(v: View) -> Fact:
    shares = [s for c in v.b.online_cpus() if (s := busy_share(v, c)) is not None]
    return Fact(sum(shares) / len(shares)) if shares else unknown_fact(STAT_NEED)


@fact("host", "CPUs busy for more than half of the time")
def busy_cpus(v: View) -> Fact:
    shares = [s for c in v.b.online_cpus() if (s := busy_share(v, c)) is not None]
    return Fact(sum(1 for s in shares if s > 0.5)) if shares else unknown_fact(STAT_NEED)


def _thread_shares(v: View) -> list[tuple[float, str, int]] | None:
    """(share of one CPU, name, CPU) of threads that are in both snapshots, busiest first."""
    ta, tb = v.a.threads(), v.b.threads()
    if ta is None or tb is None or v.pair.single or not v.pair.interval_ns:
        return None
    old = {t.tid: t for t in ta}
    span = v.pair.interval_ns / 10_000_000
    out = [
        (min(1.0, (t.ticks - old[t.tid].ticks) / span), t.name, t.cpu)
        for t in tb
        if t.tid in old and t.ticks >= old[t.tid].ticks
    ]
    return sorted(out, key=lambda x: (-x[0], x[1], x[2]))


_THREADS_NEED = "cat /proc/[0-9]*/task/[0-9]*/stat (twice, 10 s apart)"


@fact("host", "largest share of one CPU that any ksoftirqd took, 0 to 1")
def ksoftirqd_share(v: View) -> Fact:
    threads = _thread_shares(v)
    if threads is None:
        return unknown_fact(_THREADS_NEED)
    own = [t for t in threads if t[1].startswith("ksoftirqd/")]
    if not own:
        return Fact(0.0)
    return Fact(
        own[0][0],
        (Evidence("/proc/PID/stat", f"{own[0][1]} share of a CPU %", None, round(own[0][0] * 100, 1)),),
    )


def _readers(v: View) -> list[tuple[float, str, int]] | None:
    threads = _thread_shares(v)
    if threads is None:
        return None
    return [t for t in threads if not re.match(r"(?:ksoftirqd|kworker|rcu|migration|napi/|irq/|swapper)", t[1])]


@fact("host", "share of one CPU that the busiest program thread took, 0 to 1")
def top_thread_share(v: View) -> Fact:
    readers = _readers(v)
    if readers is None:
        return unknown_fact(_THREADS_NEED)
    if not readers:
        return Fact(0.0)
    share, name, cpu = readers[0]
    return Fact(
        share,
        (Evidence("/proc/PID/task/TID/stat", f"thread {name} on CPU {cpu}, share %", None, round(share * 100, 1)),),
    )


@fact("host", "second busiest program thread's share of a CPU, 0 to 1")
def second_thread_share(v: View) -> Fact:
    readers = _readers(v)
    if readers is None:
        return unknown_fact(_THREADS_NEED)
    return Fact(readers[1][0] if len(readers) > 1 else 0.0)


@fact("host", "true when a program that holds an overflowing UDP socket runs on a CPU that softirqs fill")
def reader_on_rx_cpu(v: View) -> Fact:
    tb = v.b.threads()
    ss = v.b.ss()
    if tb is None or ss is None:
        return unknown_fact(("ss -uampn", _THREADS_NEED))
    full = {c for c in v.b.online_cpus() if (soft_share(v, c) or 0.0) >= 0.9}
    pids: set[str] = set()
    for row in ss.rows:
        if row.skmem is not None and (row.skmem.d or 0) > 0:
            pids |= set(re.findall(r"pid=(\d+)", row.process))
    own = [t for t in tb if str(t.tid) in pids]
    if not own:
        return unknown_fact("ss -uampn (as root, for the processes)")
    hit = [t for t in own if t.cpu in full]
    if not hit:
        return Fact(False)
    return Fact(True, (Evidence("/proc/PID/stat", f"reader {hit[0].name} last ran on CPU", None, hit[0].cpu),))


@fact("host", "packets that all CPUs took up from devices and backlogs")
def processed_all(v: View) -> Fact:
    return softnet_moved(v, "processed")


@fact("host", "packets that all CPUs' backlogs refused (softnet column 2)")
def backlog_drops_all(v: View) -> Fact:
    return material(v, softnet_moved(v, "dropped"), v.number("processed_all"))


@fact("host", "RPS interrupts taken on all CPUs (softnet column 10), per second")
def rps_rate(v: View) -> Fact:
    return rate_of(v, softnet_moved(v, "received_rps"))


def _snmp(v: View, group: str, name: str) -> Fact:
    ext = group in ("TcpExt", "IpExt")
    file = "/proc/net/netstat" if ext else "/proc/net/snmp"
    b = v.b.netstat() if ext else v.b.snmp()
    a = v.a.netstat() if ext else v.a.snmp()
    if b is None:
        return unknown_fact(f"cat {file}")
    if not b.has(group, name):
        return Fact(0)  # this release does not count it
    before = a.get(group, name) if a is not None and a.has(group, name) else None
    return moved_fact(v, before, b.get(group, name), 64, file, f"{group}.{name}", f"cat {file}")


@fact("host", "UDP datagrams that programs read")
def udp_in(v: View) -> Fact:
    return _snmp(v, "Udp", "InDatagrams")


@fact("host", "UDP datagrams lost because a socket's buffer was full")
def udp_rcvbuf(v: View) -> Fact:
    return material(v, _snmp(v, "Udp", "RcvbufErrors"), v.number("udp_in"))


@fact("host", "share of UDP datagrams for sockets that were lost to full buffers, 0 to 1")
def udp_rcvbuf_share(v: View) -> Fact:
    lost, got = v.get("udp_rcvbuf"), v.get("udp_in")
    if not isinstance(lost.value, (int, float)) or not isinstance(got.value, (int, float)):
        return lost if lost.value is None else got
    total = lost.value + got.value
    return Fact(lost.value / total if total else 0.0, lost.evidence + got.evidence)


@fact(
    "host",
    "UDP datagrams in error without full buffer or bad checksum: InErrors - RcvbufErrors - InCsumErrors - MemErrors",
)
def udp_errors_uncounted(v: View) -> Fact:
    parts = [_snmp(v, "Udp", n) for n in ("InErrors", "RcvbufErrors", "InCsumErrors", "MemErrors")]
    for p in parts:
        if not isinstance(p.value, (int, float)):
            return p
    values = [p.value if isinstance(p.value, (int, float)) else 0 for p in parts]
    rest = values[0] - sum(values[1:])
    return material(v, Fact(max(0, rest), parts[0].evidence + parts[1].evidence), v.number("udp_in"))


@fact("host", "UDP datagrams to ports that nobody holds, per second")
def udp_noports_rate(v: View) -> Fact:
    return rate_of(v, _snmp(v, "Udp", "NoPorts"))


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
        return unknown_fact(("cat /proc/net/sockstat", "sysctl net.ipv4.udp_mem"))
    pages = s.groups["UDP"].get("mem", 0)
    return Fact(
        pages / t[1],
        (
            Evidence("/proc/net/sockstat", "UDP mem, pages", None, pages),
            Evidence("sysctl", "net.ipv4.udp_mem", None, " ".join(map(str, t))),
        ),
    )


@fact("host", "net.ipv4.udp_mem")
def udp_mem(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.udp_mem")
    return Fact(" ".join(map(str, t))) if t else unknown_fact("sysctl net.ipv4.udp_mem")


@fact("host", "net.ipv4.udp_mem doubled, pages")
def udp_mem_next(v: View) -> Fact:
    t = v.b.sysctl_vector("net.ipv4.udp_mem")
    return Fact(" ".join(str(2 * n) for n in t)) if t else unknown_fact("sysctl net.ipv4.udp_mem")


@fact("host", "TCP segments that arrived")
def tcp_in(v: View) -> Fact:
    return _snmp(v, "Tcp", "InSegs")


@fact("host", "share of UDP in what UDP and TCP received, 0 to 1")
def udp_share(v: View) -> Fact:
    parts = [v.number("udp_in"), v.number("udp_rcvbuf"), v.number("tcp_in")]
    noports = _snmp(v, "Udp", "NoPorts").value
    if any(p is None for p in parts) or not isinstance(noports, (int, float)):
        return unknown_fact("cat /proc/net/snmp (twice)")
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
    return sum_of([_snmp(v, "Udp", "InCsumErrors"), _snmp(v, "Tcp", "InCsumErrors")])


@fact("host", "share of UDP and TCP segments with a bad checksum, 0 to 1")
def csum_error_share(v: View) -> Fact:
    bad, t, u = v.number("csum_errors"), v.number("tcp_in"), v.number("udp_in")
    if bad is None or t is None or u is None:
        return unknown_fact("cat /proc/net/snmp (twice)")
    return Fact(bad / (t + u + bad) if t + u + bad else 0.0, v.get("csum_errors").evidence)


@fact("host", "TCP segments lost because the socket's backlog was full while its owner held it")
def tcp_backlog_drop(v: View) -> Fact:
    return material(v, _snmp(v, "TcpExt", "TCPBacklogDrop"), v.number("tcp_in"))


@fact("host", "TCP segments lost for want of receive memory (RcvPruned, TCPRcvQDrop, OfoPruned)")
def tcp_pruned(v: View) -> Fact:
    return material(
        v,
        sum_of([_snmp(v, "TcpExt", n) for n in ("RcvPruned", "TCPRcvQDrop", "OfoPruned")]),
        v.number("tcp_in"),
    )


@fact("host", "times TCP had to tidy a receive queue for memory (PruneCalled), per second")
def tcp_prune_rate(v: View) -> Fact:
    return rate_of(v, _snmp(v, "TcpExt", "PruneCalled"))


@fact("host", "segments copied together for memory (TCPRcvCollapsed)")
def tcp_collapsed(v: View) -> Fact:
    return _snmp(v, "TcpExt", "TCPRcvCollapsed")


@fact("host", "connections lost because an accept queue was full")
def listen_overflows(v: View) -> Fact:
    return material(v, _snmp(v, "TcpExt", "ListenOverflows"), _passive(v))


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
    return (
        Fact(len(peers), (Evidence("/proc/net/tcp, udp", "different peers", None, len(peers)),))
        if seen and peers
        else unknown_fact("cat /proc/net/tcp")
    )


@fact("host", "true when connection tracking is at work")
def conntrack(v: View) -> Fact:
    n = v.b.sysctl("net.netfilter.nf_conntrack_count")
    if n is not None:
        return Fact(n > 0, (Evidence("sysctl", "net.netfilter.nf_conntrack_count", None, n),))
    modules = v.b.value("modules")
    if isinstance(modules, tuple):
        return Fact("nf_conntrack" in modules, (Evidence("/proc/modules", "nf_conntrack", None, "loaded"),))
    return unknown_fact("cat /proc/modules")


@fact("host", "connections tracked against nf_conntrack_max, 0 to 1")
def conntrack_share(v: View) -> Fact:
    n, top = v.b.sysctl("net.netfilter.nf_conntrack_count"), v.b.sysctl("net.netfilter.nf_conntrack_max")
    if n is None or not top:
        return unknown_fact("sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max")
    return Fact(
        n / top,
        (
            Evidence("sysctl", "net.netfilter.nf_conntrack_count", None, n),
            Evidence("sysctl", "net.netfilter.nf_conntrack_max", None, top),
        ),
    )


@fact("host", "true where the kernel makes every return dearer against AMD SRSO")
def srso(v: View) -> Fact:
    text = v.b.paths.get("/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow")
    if text is None:
        return unknown_fact("cat /sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow")
    return Fact(
        "Mitigation" in text or "Safe RET" in text,
        (Evidence("/sys/.../spec_rstack_overflow", "state", None, text),),
    )


@fact("host", "true when a tunnel device exists (vxlan, geneve, wireguard, gre, tun)")
def tunnel(v: View) -> Fact:
    rows = v.b.net_dev()
    if rows is None:
        return unknown_fact("cat /proc/net/dev")
    hits = [
        r.name
        for r in rows.rows
        if re.match(r"(?:wg|vxlan|geneve|flannel|tailscale|gre|tun)", r.name) and r.rx_packets > 0
    ]
    return Fact(bool(hits), (Evidence("/proc/net/dev", "tunnel device", None, hits[0]),) if hits else ())


@fact("host", "CPUs on which the flow limit is armed, as a mask (0 = none)")
def flow_limit_mask(v: View) -> Fact:
    text = v.b.sysctls.get("net.core.flow_limit_cpu_bitmap")
    if text is None or not re.fullmatch(r"[0-9a-fA-F,]{1,512}", text.strip()):
        return unknown_fact("sysctl net.core.flow_limit_cpu_bitmap")
    return Fact(int(text.replace(",", ""), 16), (Evidence("sysctl", "net.core.flow_limit_cpu_bitmap", None, text),))


@fact("host", "CPUs that RPS may choose, over all receive queues")
def rps_targets(v: View) -> Fact:
    masks = [m for d in v.b.devices() for m in (v.b.rps_masks(d) or ())]
    if not masks:
        return unknown_fact("grep -H . /sys/class/net/*/queues/rx-*/rps_cpus")
    union = 0
    for m in masks:
        union |= m
    return Fact(union.bit_count())


@fact("host", "NUMA nodes")
def nodes(v: View) -> Fact:
    n = v.b.nodes()
    return Fact(n) if n else unknown_fact("grep -H . /sys/devices/system/node/node*/cpulist")
