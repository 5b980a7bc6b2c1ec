"""For every rule a pair of snapshots that makes it fire and one near it that must not.

`SCENARIOS[id]` is a function of one flag; True gives the text that fires, False the near one.  They differ
in the one fact that the rule turns on.
"""

from __future__ import annotations

from collections.abc import Callable

from .hosts import Host, pair

SCENARIOS: dict[str, Callable[[bool], str]] = {}


def scenario(*ids: str) -> Callable[[Callable[[bool], str]], Callable[[bool], str]]:
    def register(f: Callable[[bool], str]) -> Callable[[bool], str]:
        for i in ids:
            SCENARIOS[i] = f
        return f

    return register


def lose(meaning: str, n: int) -> Callable[[Host], None]:
    return lambda h: h.lose(meaning, n)


@scenario("R01")
def burst(fire: bool) -> str:
    # near: the same loss with a full CPU is R02's
    def fault(h: Host) -> None:
        h.lose("missed", 4000)
        if not fire:
            h.set_cpu(0, 10, 0.99)

    return pair(Host(), fault)


@scenario("R02")
def cpu_bound(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.lose("missed", 40000)
        h.set_cpu(0, 10, 0.97 if fire else 0.6)

    return pair(Host(queues=4), fault)


@scenario("R03")
def early_warning(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.lose("no_buffer", 900)
        if not fire:
            h.lose("missed", 500)

    return pair(Host(driver="igb", queues=4), fault)


@scenario("R04")
def out_of_buffer(fire: bool) -> str:
    return pair(Host(driver="mlx5_core", ring=1024, ring_max=8192), lose("ring_empty", 7000 if fire else 0))


@scenario("R05")
def port_discards(fire: bool) -> str:
    # near: the same number in the ring's counter is another rule
    return pair(Host(driver="mlx5_core"), lose("port_discards" if fire else "ring_empty", 7000))


@scenario("R06")
def no_memory(fire: bool) -> str:
    return pair(Host(), lose("alloc" if fire else "csum", 300))


@scenario("R07")
def bad_wire(fire: bool) -> str:
    return pair(Host(), lose("crc" if fire else "csum", 5000))


@scenario("R08")
def wrong_length(fire: bool) -> str:
    return pair(Host(), lose("length" if fire else "csum", 5000))


@scenario("R09")
def pause(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.lose("pause_tx", 9000)
        if not fire:
            h.lose("missed", 9000)

    return pair(Host(), fault)


@scenario("R10")
def policer(fire: bool) -> str:
    def fault(h: Host) -> None:
        if fire:
            h.lose("policed", 800)
        else:
            h.eth["bw_out_allowance_exceeded"] += 800

    host = Host(driver="ena", release="5.4.0-1103-aws")
    host.eth["bw_out_allowance_exceeded"] = 0
    return pair(host, fault)


@scenario("R11")
def unknown_protocol(fire: bool) -> str:
    # near: the same drops of the interface come from a full backlog
    def fault(h: Host) -> None:
        h.devrow["rx_drop"] += 700
        if not fire:
            h.soft[0]["dropped"] += 700

    return pair(Host(), fault)


def _pile_up(h: Host, cpu: int = 0) -> None:
    for q in range(h.queues):
        total = sum(h.irq[q])
        h.irq[q] = [0] * h.cpus
        h.irq[q][cpu] = total


def _gathered(masks: str | None, spread: bool) -> str:
    h = Host()
    _pile_up(h)
    if masks is not None:
        h.masks = [masks] * h.queues
    else:
        h.masks = ["1"] * h.queues
    first = h.mark()
    before = [list(x) for x in h.irq]
    h.tick(10)
    if not spread:
        _pile_up(h)
    assert before != h.irq
    return first + h.text()


@scenario("R12")
def irq_on_one_cpu(fire: bool) -> str:
    return _gathered(None, spread=not fire)


@scenario("R13")
def wide_masks(fire: bool) -> str:
    # near: narrow masks make it R12
    return _gathered("ff" if fire else None, spread=False)


@scenario("R14")
def wrong_node(fire: bool) -> str:
    return pair(Host(cpus=16, queues=4, nodes=2, numa_node=1 if fire else 0), irq_rate=5000)


@scenario("R15")
def one_queue_has_all(fire: bool) -> str:
    def fault(h: Host) -> None:
        names = h.queue_counters()
        h.eth[names[3]] += 3_000_000 if fire else 100_000
        h.set_cpu(3, 10, 0.9)

    return pair(Host(), fault)


@scenario("R16")
def too_many_queues(fire: bool) -> str:
    return pair(
        Host(cpus=32, queues=16, queues_max=32),
        pps=180_000,
        irq_rate=10_000 if fire else 3000,
        soft=0.05,
        busy=0.02,
    )


@scenario("R17")
def interrupt_storm(fire: bool) -> str:
    return pair(Host(adaptive=not fire, rx_usecs=0), pps=1_200_000, irq_rate=70_000, soft=0.4)


@scenario("R18")
def moderation_is_latency(fire: bool) -> str:
    h = Host(driver="i40e", adaptive=False, rx_usecs=100)
    h.notes = {"p50_us": "115" if fire else "900"}
    return pair(h, pps=2000, irq_rate=200)


@scenario("R19")
def gap_fills_ring(fire: bool) -> str:
    return pair(
        Host(driver="i40e", adaptive=False, rx_usecs=500 if fire else 50),
        pps=800_000,
        irq_rate=2000,
        soft=0.4,
    )


@scenario("R20")
def hyperthreads(fire: bool) -> str:
    h = Host(cpus=8, queues=2, threads_per_core=2)
    target = 4 if fire else 1

    def move_second(x: Host) -> None:
        total = sum(x.irq[1])
        x.irq[1] = [0] * x.cpus
        x.irq[1][target] = total

    move_second(h)
    first = h.mark()
    h.tick(10)
    move_second(h)
    h.set_cpu(0, 10, 0.6)
    h.set_cpu(target, 10, 0.6)
    return first + h.text()


@scenario("R21")
def budget_on_old(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.soft[0]["time_squeeze"] += 500

    return pair(Host(release="3.13.0-170-generic" if fire else "5.15.0-91-generic", softnet_columns=11), fault)


@scenario("R22")
def time_limit(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.soft[0]["time_squeeze"] += 500 if fire else 5

    return pair(Host(), fault)


@scenario("R23", "N3")
def few_squeezes(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.soft[0]["time_squeeze"] += 5
        if not fire:
            h.soft[0]["dropped"] += 5

    return pair(Host(), fault)


@scenario("R24")
def backlog_full(fire: bool) -> str:
    # near: a device's drop without softnet's is not the backlog
    def fault(h: Host) -> None:
        if fire:
            h.soft[2]["dropped"] += 3000
            h.soft[5]["dropped"] += 3000
        h.devrow["rx_drop"] += 6000

    return pair(Host(), fault)


@scenario("R25")
def full_cpu(fire: bool) -> str:
    return pair(Host(), lambda h: h.set_cpu(1, 10, 0.98 if fire else 0.85))


@scenario("R26")
def no_steering(fire: bool) -> str:
    return pair(
        Host(driver="r8169", release="6.1.0-18-amd64", rps="0" if fire else "fe"),
        lambda h: h.set_cpu(0, 10, 0.97),
        irq_rate=9000,
    )


@scenario("R27")
def rps_twice(fire: bool) -> str:
    def fault(h: Host) -> None:
        for s in h.soft:
            s["received_rps"] += 20_000

    return pair(Host(rps="ff", queues=8 if fire else 4), fault)


@scenario("R28")
def elephant(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.soft[5]["dropped"] += 8000
        h.soft[5]["processed"] += 2_000_000

    h = Host(rps="ff", queues=2)
    h.sysctls["net.core.flow_limit_cpu_bitmap"] = "00" if fire else "20"
    return pair(h, fault)


@scenario("R29")
def flow_limit(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.soft[5]["dropped"] += 8000
        if fire:
            h.soft[5]["flow_limit_count"] += 8000

    return pair(Host(rps="ff", queues=2), fault)


@scenario("R30")
def no_locality(fire: bool) -> str:
    h = Host(rps="ff", queues=2)
    h.notes = {"cache_miss_pct": "35" if fire else "4"}
    return pair(h)


@scenario("R31")
def backlog_starves(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.lose("missed", 3000)
        if fire:
            h.soft[0]["received_rps"] += 50_000
            h.soft[0]["time_squeeze"] += 900

    return pair(Host(rps="ff", queues=2), fault)


@scenario("R32")
def starved_reader(fire: bool) -> str:
    h = Host(driver="e1000e", release="6.18.2", softnet_columns=15)
    h.sockets = [{"port": 9999, "pid": 4242, "rb": 212992, "drops": 10}]
    h.threads = [(4242, "sink", 1000, 0 if fire else 3), (15, "ksoftirqd/0", 100, 0)]

    def fault(x: Host) -> None:
        x.add_snmp("Udp", "RcvbufErrors", 30_000_000)
        x.add_snmp("Udp", "InErrors", 30_000_000)
        x.sockets[0]["drops"] += 30_000_000
        x.set_cpu(0, 10, 0.985, 0.01)
        x.threads = [(t, n, k + 10, c) for t, n, k, c in x.threads]

    return pair(h, fault, pps=2000)


@scenario("R33")
def ksoftirqd_owns(fire: bool) -> str:
    h = Host(release="5.15.0-91-generic" if fire else "6.8.0-31-generic")
    h.notes = {"p50_us": "60", "p99_us": "4000"}
    h.threads = [(15, "ksoftirqd/0", 100, 0)]

    def fault(x: Host) -> None:
        x.threads = [(15, "ksoftirqd/0", 500, 0)]

    return pair(h, fault)


@scenario("R34")
def no_coalescing(fire: bool) -> str:
    h = Host(driver="virtio_net", queues=2, rx_usecs=None, adaptive=False, release="6.1.0-18-amd64")
    if not fire:
        h.paths["/sys/class/net/eth0/napi_defer_hard_irqs"] = "2"
    return pair(h, pps=130_000, irq_rate=60_000, soft=0.4)


@scenario("R35")
def busy_poll(fire: bool) -> str:
    h = Host()
    h.notes = {"goal": "latency" if fire else "throughput"}
    return pair(h)


@scenario("R36")
def bulk_without_gro(fire: bool) -> str:
    return pair(Host(gro=not fire), lambda h: h.set_cpu(0, 10, 0.85), udp=0.0, frame=1450, pps=400_000)


@scenario("R37")
def gro_for_nothing(fire: bool) -> str:
    return pair(Host(gro=fire), lambda h: h.set_cpu(0, 10, 0.93), udp=1.0, frame=90, pps=2_000_000)


@scenario("R38")
def tunnel_forwarder(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.add_snmp("Ip", "ForwDatagrams", 450_000 if fire else 1000)
        h.set_cpu(0, 10, 0.9)

    h = Host(release="6.8.0-31-generic")
    h.extra_devs = {"wg0": 1_000_000}
    return pair(h, fault)


@scenario("R39")
def no_listener(fire: bool) -> str:
    return pair(Host(), lambda h: h.add_snmp("Udp", "NoPorts", 20_000 if fire else 60))


def _socket(rb: int, rmem_max: str, queued: tuple[int, int] = (0, 0), drops: int = 5000) -> str:
    h = Host()
    h.sysctls["net.core.rmem_max"] = rmem_max
    h.sockets = [{"port": 514, "rb": rb, "queued": queued[0], "drops": 100}]

    def fault(x: Host) -> None:
        x.sockets[0]["drops"] += drops
        x.sockets[0]["queued"] = queued[1]
        x.add_snmp("Udp", "RcvbufErrors", drops)
        x.add_snmp("Udp", "InErrors", drops)

    return pair(h, fault)


@scenario("R40")
def default_buffer(fire: bool) -> str:
    return _socket(212992, "212992", drops=5000 if fire else 0)


@scenario("R41")
def capped_buffer(fire: bool) -> str:
    return _socket(2097152, "1048576" if fire else "8388608")


@scenario("R42")
def slow_reader(fire: bool) -> str:
    return _socket(8_388_608, "16777216", (8_388_000, 8_389_000) if fire else (8_388_000, 100))


@scenario("R43")
def uncounted(fire: bool) -> str:
    h = Host(release="3.13.0-170-generic", softnet_columns=11)

    def fault(x: Host) -> None:
        x.add_snmp("Udp", "InErrors", 4000)
        if not fire:
            x.add_snmp("Udp", "RcvbufErrors", 4000)

    return pair(h, fault)


@scenario("R44")
def udp_memory(fire: bool) -> str:
    return pair(Host(sockstat_udp_mem=249_000 if fire else 1000))


@scenario("R45")
def bad_checksums(fire: bool) -> str:
    return pair(Host(), lambda h: h.add_snmp("Udp", "InCsumErrors", 5000 if fire else 5))


@scenario("R46")
def tcp_backlog(fire: bool) -> str:
    return pair(Host(), lambda h: h.add_ext("TcpExt", "TCPBacklogDrop", 40 if fire else 0))


@scenario("R47")
def tcp_memory(fire: bool) -> str:
    return pair(Host(), lambda h: h.add_ext("TcpExt", "PruneCalled", 400 if fire else 4))


@scenario("R48")
def accept_queue(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.add_ext("TcpExt", "ListenDrops", 90)
        if fire:
            h.add_ext("TcpExt", "ListenOverflows", 90)

    return pair(Host(), fault)


@scenario("R49")
def one_reader(fire: bool) -> str:
    h = Host()
    h.threads = [(4242, "collector", 1000, 3), (4243, "collector", 1000, 4)]

    def fault(x: Host) -> None:
        x.threads = [(4242, "collector", 1990 if fire else 1300, 3), (4243, "collector", 1100, 4)]
        x.add_snmp("Udp", "RcvbufErrors", 9000)
        x.add_snmp("Udp", "InErrors", 9000)

    return pair(h, fault)


@scenario("R50")
def conntrack(fire: bool) -> str:
    h = Host()
    h.sysctls["net.netfilter.nf_conntrack_count"] = "52000" if fire else "0"
    h.sysctls["net.netfilter.nf_conntrack_max"] = "262144"
    return pair(h, lambda x: x.set_cpu(0, 10, 0.93))


@scenario("R51")
def srso(fire: bool) -> str:
    h = Host()
    h.paths["/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow"] = (
        "Mitigation: Safe RET" if fire else "Not affected"
    )
    return pair(h, lambda x: x.set_cpu(0, 10, 0.93))


@scenario("R52")
def many_on_one_cpu(fire: bool) -> str:
    h = Host(cpus=2, queues=12 if fire else 4)

    def fault(x: Host) -> None:
        x.soft[0]["time_squeeze"] += 900

    return pair(h, fault)


@scenario("R53")
def table_full(fire: bool) -> str:
    h = Host()
    h.sysctls["net.netfilter.nf_conntrack_count"] = "262144" if fire else "100000"
    h.sysctls["net.netfilter.nf_conntrack_max"] = "262144"
    return pair(h)


@scenario("R54")
def unplaced(fire: bool) -> str:
    # near: with the card's own counters the drops have a place
    h = Host()
    h.without = {"ethtool-S"} if fire else set()
    return pair(h, lambda x: x.devrow.__setitem__("rx_drop", x.devrow["rx_drop"] + 9000))


@scenario("R55")
def nobody_wants_them(fire: bool) -> str:
    return pair(Host(), lambda x: x.devrow.__setitem__("rx_drop", x.devrow["rx_drop"] + (90_000 if fire else 900)))


@scenario("R56")
def queue_drops(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.eth["rx_queue_1_drops"] += 400
        if not fire:
            h.lose("missed", 400)

    return pair(Host(driver="igb", queues=4), fault)


@scenario("N1")
def bad_wire_only(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.lose("crc", 5000)
        if not fire:
            h.lose("missed", 5000)

    return pair(Host(), fault)


@scenario("N2")
def no_capacity(fire: bool) -> str:
    def fault(h: Host) -> None:
        h.lose("missed", 500_000)
        for c in range(h.cpus):
            h.set_cpu(c, 10, 0.97 if c == 0 or fire else 0.3, 0.02)

    return pair(Host(cpus=4, queues=4), fault)
