"""Threads in place of softirqs, busy polling, deferred interrupts, weights: as far as each release has them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from .fleet import MS, US, Fleet, by_flow, in_order

RELEASES = ["3.13", "5.15", "6.1", "6.18"]
LATER = RELEASES[1:]
THREADED = "/sys/class/net/eth0/threaded"
SO_BUSY_POLL, SO_INCOMING_NAPI_ID, SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET = 46, 56, 69, 70


def pollers(f: Fleet) -> Counter[str]:
    """Who polls the device from now on, by the name of the task under which it happens and whether as a softirq."""
    out: Counter[str] = Counter()

    def poll(tp: Any, cpu: int, now: int, v: tuple[Any, ...]) -> None:
        if v[1] == "eth0":
            c = f.k.cpus[cpu]
            assert c.curr is not None
            out["softirq" if c.serving_softirq else c.curr.name] += 1

    f.k.trace.napi_poll.attach(poll)
    return out


# --- threads ----------------------------------------------------------------------------------------------------------


def test_3_13_has_no_threads() -> None:
    f = Fleet("e1000e", "82574L", release="3.13", cpus=2)
    assert not f.m.files.exists(THREADED)
    f.close()


@pytest.mark.parametrize("release", LATER)
@pytest.mark.parametrize(
    ("model", "variant", "cpus"), [("e1000e", "82574L", 2), ("igb", "82576", 4), ("ixgbe", "x540", 4)]
)
def test_a_thread_a_napi(model: str, variant: str, cpus: int, release: str) -> None:
    f = Fleet(model, variant, release=release, cpus=cpus, costs="default")
    assert f.read(THREADED) == "0\n"
    flows = f.flows(100)
    who = pollers(f)
    f.feed(flows.rounds(5, 5 * US))
    f.finish()
    assert set(who) == {"softirq"}
    f.write(THREADED, "1\n")
    assert f.read(THREADED) == "1\n"
    names = {f"napi/eth0-{n.napi_id}" for n in f.dev.napi_list}
    assert {t.name for t in f.k.sched.tasks if t.name.startswith("napi/")} == names
    if model == "e1000e":
        assert names == {"napi/eth0-8193"}  # as recorded
    who.clear()
    net_rx = [c.softirq_stat[3] for c in f.k.cpus]
    squeezed = [r.time_squeeze for r in f.softnet().rows]
    f.feed(flows.rounds(20, 2 * US))
    f.finish()
    in_order(f.seen)
    assert len(f.seen) == 2500
    assert who and set(who) <= names
    assert [c.softirq_stat[3] for c in f.k.cpus] == net_rx  # not one NET_RX
    assert [r.time_squeeze for r in f.softnet().rows] == squeezed
    f.write(THREADED, "0\n")
    who.clear()
    f.feed(flows.rounds(5, 5 * US))
    f.finish()
    assert set(who) == {"softirq"} and len(f.seen) == 3000
    assert {t.name for t in f.k.sched.tasks if t.name.startswith("napi/")} == names  # they stay for another time
    f.close()


def test_what_the_file_refuses() -> None:
    f = Fleet("e1000e", "82574L", cpus=1)
    for text in ("2\n", "x\n", "-1\n"):
        with pytest.raises(OSError):
            f.write(THREADED, text)
    with pytest.raises(OSError) as e:
        f.write("/sys/class/net/lo/threaded", "1\n")  # no NAPI
    assert e.value.errno == 95
    assert f.read(THREADED) == "0\n"
    f.close()


@pytest.mark.parametrize("release", LATER)
def test_new_queues_get_threads_and_gone_ones_lose_them(release: str) -> None:
    f = Fleet("igb", "82576", release=release, cpus=4)
    f.write(THREADED, "1\n")
    f.do("ethtool -L eth0 combined 2")
    f.m.wait_for_link()
    f.run(20 * MS)
    alive = {t.name for t in f.k.sched.tasks if t.name.startswith("napi/")}
    assert alive == {f"napi/eth0-{n.napi_id}" for n in f.dev.napi_list} and len(alive) >= 2
    who = pollers(f)
    f.feed(f.flows(50).rounds(10, 5 * US))
    f.finish()
    in_order(f.seen)
    assert len(f.seen) == 500 and set(who) <= alive and who
    f.do("ip link set eth0 down")
    f.do("ip link set eth0 up")
    f.m.wait_for_link()
    who.clear()
    f.feed(f.flows(50).rounds(10, 5 * US))
    f.finish()
    assert len(f.seen) == 1000 and set(who) <= alive and who
    f.close()


@pytest.mark.parametrize("release", LATER)
def test_a_thread_steers_to_other_cpus(release: str) -> None:
    """5.15 and 6.1 send the interrupts by a NET_RX of their own, 6.12 and later from the thread."""
    f = Fleet("e1000e", "82574L", release=release, cpus=4)
    f.write(THREADED, "1\n")
    f.write("/sys/class/net/eth0/queues/rx-0/rps_cpus", "c\n")
    home = next(t for t in f.k.sched.tasks if t.name.startswith("napi/")).cpu.id
    before = [c.softirq_stat[3] for c in f.k.cpus]
    f.feed(f.flows(60).rounds(5, 5 * US))
    f.finish()
    in_order(f.seen)
    assert {s.cpu for s in f.seen} == {2, 3} and len(f.seen) == 300
    sent = f.k.cpus[home].softirq_stat[3] - before[home]
    assert sent == 0 if release == "6.18" else sent > 0
    assert sum(r.received_rps for r in f.softnet().rows) > 0
    f.close()


def test_a_thread_goes_with_its_cpu() -> None:
    f = Fleet("e1000e", "82574L", cpus=2, costs="default")
    f.write(THREADED, "1\n")
    thread = next(t for t in f.k.sched.tasks if t.name.startswith("napi/"))
    f.do("echo 0 > /sys/devices/system/cpu/cpu1/online")
    f.feed(f.flows(10).rounds(50, 10 * US))
    f.finish()
    assert len(f.seen) == 500 and thread.cpu.id == 0
    assert "no longer affine" not in f.do("dmesg")  # a kernel thread is bound to no CPU
    f.close()


# --- busy polling -----------------------------------------------------------------------------------------------------


class Reader:
    """A program on CPU 1 that reads one datagram after the other from a socket on port 9; when each was read.

    Options by number: o46=500 is SO_BUSY_POLL.
    """

    def __init__(self, f: Fleet, **options: int) -> None:
        self.f = f
        self.read: list[int] = []
        self.sock = f.m.socket()
        self.sock.setsockopt(1, 8, 1 << 20)
        for name, value in options.items():
            self.sock.setsockopt(1, int(name[1:]), value)
        self.sock.bind(("", 9))
        f.m.spawn(self.main, cpu=1, name="reader")

    def main(self) -> None:
        while True:
            self.sock.recv(2048)
            self.read.append(self.f.k.engine.now)


def one_queue(release: str = "6.1", **kw: Any) -> Fleet:
    f = Fleet("igb", "82576", release=release, cpus=2, queues=1, costs="default", **kw)
    f.do("ethtool -C eth0 rx-usecs 10")
    f.place(0, 0)
    f.feed(f.flows(1, dport=7).rounds(3, 200 * US))  # nobody listens there; the interrupt moves to its CPU
    f.finish()
    f.seen.clear()
    return f


@pytest.mark.parametrize("release", LATER)
def test_a_waiting_reader_polls_its_queue_itself(release: str) -> None:
    f = one_queue(release)
    r = Reader(f, o46=500)
    flows = f.flows(1)
    f.feed(flows.rounds(1, 0))  # the first one teaches the socket its NAPI, by interrupt
    f.run(2 * MS)
    assert r.sock.getsockopt(1, SO_INCOMING_NAPI_ID) == f.dev.napi_list[0].napi_id
    irq = f.irq_of(0)
    count = f.counts(irq)
    who = pollers(f)
    polled = f.m.net.ipv4.tcpext["BusyPollRxPackets"]
    f.feed(flows.rounds(100, 100 * US))  # every 100 us: from the second one on it never sleeps
    f.m.run(f.m.now + 9_990 * US)
    rose = [b - a for a, b in zip(count, f.counts(irq), strict=True)]
    # the interrupt comes and finds the NAPI taken: it is counted and leaves the work to the reader
    assert 95 <= sum(rose) <= 100 and who["reader"] > 200 and who["softirq"] <= 1
    assert f.m.net.ipv4.tcpext["BusyPollRxPackets"] - polled >= 95
    assert "BusyPollRxPackets" in f.read("/proc/net/netstat")
    f.finish()
    assert len(r.read) == 101 and Counter(s.cpu for s in f.seen)[1] >= 95
    # half a millisecond after the last one it sleeps, and the interrupt does the work again
    f.run(5 * MS)
    count = f.counts(irq)
    who.clear()
    f.feed(flows.rounds(1, 0))
    f.finish()
    assert sum(f.counts(irq)) == sum(count) + 1 and len(r.read) == 102 and who["softirq"] == 1
    f.close()


@pytest.mark.parametrize("release", LATER)
def test_busy_polling_is_quicker_than_the_interrupt(release: str) -> None:
    def latency(usecs: int) -> int:
        f = one_queue(release)
        f.do("ethtool -C eth0 rx-usecs 50")
        r = Reader(f, o46=usecs)
        start = f.m.now
        f.feed(f.flows(1).rounds(40, 150 * US))
        f.finish()
        f.close()
        return sum(t - start - i * 150 * US for i, t in enumerate(r.read)) // len(r.read)

    assert latency(1000) * 2 < latency(0)


def test_busy_read_is_what_new_sockets_begin_with() -> None:
    f = one_queue(sysctls={"net.core.busy_read": "77"})
    s = f.m.socket()
    assert s.getsockopt(1, SO_BUSY_POLL) == 77
    s.setsockopt(1, SO_BUSY_POLL, 5)
    assert s.getsockopt(1, SO_BUSY_POLL) == 5
    for opt, bad in ((SO_BUSY_POLL, -1), (SO_BUSY_POLL_BUDGET, -1), (SO_BUSY_POLL_BUDGET, 65536)):
        with pytest.raises(OSError) as e:
            s.setsockopt(1, opt, bad)
        assert e.value.errno == 22
    s.setsockopt(1, SO_PREFER_BUSY_POLL, 1)
    assert s.getsockopt(1, SO_PREFER_BUSY_POLL) == 1 and s.getsockopt(1, SO_INCOMING_NAPI_ID) == 0
    f.close()


def test_3_13_has_the_option_and_no_driver_that_answers() -> None:
    f = one_queue("3.13")
    r = Reader(f, o46=500)
    for opt in (SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET):
        with pytest.raises(OSError) as e:
            r.sock.setsockopt(1, opt, 1)
        assert e.value.errno == 92
    who = pollers(f)
    f.feed(f.flows(1).rounds(50, 100 * US))
    f.finish()
    assert len(r.read) == 50 and set(who) == {"softirq"}
    f.close()


def test_the_budget_of_a_busy_poll() -> None:
    for options, budget in (({}, 8), ({"o70": 3}, 3), ({"o70": 64}, 64)):
        f = one_queue()
        r = Reader(f, o46=3000, **options)
        flows = f.flows(1)
        f.feed(flows.rounds(1, 0))
        f.run(1 * MS)
        budgets: set[int] = set()
        c = f.k.cpus[1]
        f.k.trace.napi_poll.attach(
            lambda tp, cpu, now, v, b=budgets, c=c: b.add(v[3]) if cpu == 1 and not c.serving_softirq else None
        )
        f.feed(flows.rounds(100, 0))  # a burst
        f.finish()
        assert budgets == {budget} and len(r.read) == 101
        f.close()


def test_who_prefers_busy_polling_keeps_the_interrupt_off() -> None:
    """napi_defer_hard_irqs and gro_flush_timeout: between two rounds of the reader a timer stands in for the interrupt."""

    def interrupts(prefer: int, defer: int) -> int:
        f = one_queue()
        f.write("/sys/class/net/eth0/napi_defer_hard_irqs", str(defer))
        f.write("/sys/class/net/eth0/gro_flush_timeout", str(3 * MS))
        r = Reader(f, o46=5000, o69=prefer)
        flows = f.flows(1)
        f.feed(flows.rounds(1, 0))
        f.run(1 * MS)
        before = sum(f.counts(f.irq_of(0)))
        f.feed(flows.rounds(60, 300 * US))
        f.finish()
        assert len(r.read) == 61
        n = sum(f.counts(f.irq_of(0))) - before
        f.close()
        return n

    assert interrupts(1, 100) <= 2
    assert interrupts(1, 0) >= 55 and interrupts(0, 0) >= 55


@pytest.mark.parametrize("release", LATER)
def test_deferred_interrupts_poll_by_timer(release: str) -> None:
    """With both knobs a queue that had work is looked at again by timer, so many times, before its interrupt comes on."""
    f = one_queue(release)
    f.write("/sys/class/net/eth0/napi_defer_hard_irqs", "3")
    f.write("/sys/class/net/eth0/gro_flush_timeout", str(200 * US))
    flows = f.flows(1)
    irq = f.irq_of(0)
    times: list[tuple[int, int]] = []
    f.k.trace.napi_poll.attach(lambda tp, cpu, now, v: times.append((now, v[2])))
    before = sum(f.counts(irq))
    f.feed(flows.rounds(1, 0))
    f.run(5 * MS)
    assert [w for _, w in times] == [1, 0, 0, 0]
    assert all(200 * US <= b - a < 210 * US for (a, _), (b, _) in pairwise(times))
    assert sum(f.counts(irq)) == before + 1
    f.seen.clear()
    before = sum(f.counts(irq))
    f.feed(flows.rounds(50, 150 * US))  # always something before the third empty look: one interrupt for all
    f.finish()
    assert len(f.seen) == 50 and sum(f.counts(irq)) == before + 1
    for name, bad, code in (("napi_defer_hard_irqs", str(1 << 31), 34), ("gro_flush_timeout", "x", 22)):
        with pytest.raises(OSError) as e:
            f.write(f"/sys/class/net/eth0/{name}", bad)
        assert e.value.errno == code
    f.close()


def test_3_13_has_neither_knob() -> None:
    f = Fleet("igb", "82576", release="3.13", cpus=1)
    for name in ("napi_defer_hard_irqs", "gro_flush_timeout"):
        assert not f.m.files.exists(f"/sys/class/net/eth0/{name}")
    f.close()


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_dev_weight_and_its_bias_are_the_backlogs(release: str) -> None:
    f = Fleet("e1000e", "82574L", release=release, cpus=2)
    f.place(0, 0)
    f.write("/sys/class/net/eth0/queues/rx-0/rps_cpus", "2\n")
    f.do("sysctl -w net.core.dev_weight=10")
    bias = release != "3.13"
    if bias:
        f.do("sysctl -w net.core.dev_weight_rx_bias=3 net.core.dev_weight_tx_bias=2")
        assert (f.m.net.dev_rx_weight, f.m.net.dev_tx_weight) == (30, 20)
        for name in ("dev_weight", "dev_weight_rx_bias"):
            with pytest.raises(OSError):
                f.k.sysctl.set(f"net.core.{name}", "0")
    else:
        with pytest.raises(OSError):
            f.k.sysctl.get("net.core.dev_weight_rx_bias")
    works: list[int] = []
    device: list[int] = []
    f.k.trace.napi_poll.attach(lambda tp, cpu, now, v: (device if v[1] == "eth0" else works).append(v[2]))
    c = f.k.cpus[1]
    c.local_irq_disable()
    flows = f.flows(1)
    f.feed(flows.rounds(200, 0))
    f.run(10 * MS)
    c.irqs_off -= 1
    c.need_attention()
    f.finish()
    assert len(f.seen) == 200 and max(device) == 64
    # the weight is read at the beginning of a poll and holds from the next one on
    assert max(works[1:]) == (30 if bias else 10) and sum(works) == 200
    f.close()


def test_where_flows_go_does_not_depend_on_threads() -> None:
    where = []
    for threads in ("0", "1"):
        f = Fleet("igb", "82576", cpus=4)
        f.write(THREADED, threads)
        f.feed(f.flows(200).rounds(2, 5 * US))
        f.finish()
        where.append({flow: {q for q, _ in x} for flow, x in by_flow(f.seen).items()})
        f.close()
    assert where[0] == where[1]
