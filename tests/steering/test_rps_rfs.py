"""RPS, RFS and the flow limit on a whole machine: who hands up, what is counted where, what an elephant costs the mice."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.formats import interrupts as interrupts_file

from .fleet import BASE, MS, US, Fleet, by_flow, in_order, sport

RELEASES = ["3.13", "5.15", "6.1", "6.18"]
RPS = "/sys/class/net/eth0/queues/rx-0/rps_cpus"


def one_queue(release: str, cpus: int = 2, variant: str = "82576", **kw: Any) -> Fleet:
    """One igb queue harvested by CPU 0."""
    f = Fleet("igb", variant, release=release, cpus=cpus, queues=1, **kw)
    f.do("ethtool -G eth0 rx 4096")
    f.m.wait_for_link()
    f.run(20 * MS)
    f.place(0, 0)
    f.feed(f.flows(1, dport=7).rounds(2, 500 * US))
    f.finish()
    f.seen.clear()
    return f


def cal(f: Fleet) -> list[int]:
    row = interrupts_file.parse(f.read("/proc/interrupts")).arch_row("CAL")
    assert row is not None
    return list(row.counts)


# --- RPS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_interrupts_between_cpus_are_counted_not_packets(release: str) -> None:
    f = one_queue(release, cpus=4)
    f.write(RPS, "e\n")
    before, calls = f.softnet().rows, cal(f)
    flows = f.flows(90)
    f.feed(flows.rounds(2, 300 * US))  # one at a time: an interrupt each
    f.finish()
    rows = f.softnet().rows
    per = [sum(1 for s in f.seen if s.cpu == c) for c in range(4)]
    assert per[0] == 0 and min(per[1:]) > 20 and all(len(x) == 1 for x in by_flow(f.seen).values())
    assert [b.processed - a.processed for a, b in zip(before, rows, strict=True)] == per
    assert [b.received_rps - a.received_rps for a, b in zip(before, rows, strict=True)] == per
    assert [b - a for a, b in zip(calls, cal(f), strict=True)] == per
    before, calls = rows, cal(f)
    f.seen.clear()
    f.feed(flows.rounds(2, 0))  # in a burst: one for many
    f.finish()
    ipis = [b.received_rps - a.received_rps for a, b in zip(before, f.softnet().rows, strict=True)]
    assert len(f.seen) == 180 and ipis[0] == 0 and all(1 <= n <= 3 for n in ipis[1:])
    assert [b - a for a, b in zip(calls, cal(f), strict=True)] == ipis
    in_order([s for s in f.seen if not setattr(s, "seq", s.seq - 2)])
    f.close()


@pytest.mark.parametrize("release", RELEASES)
def test_the_harvesting_cpu_in_the_mask_needs_no_interrupt(release: str) -> None:
    f = one_queue(release)
    f.write(RPS, "1\n")
    calls = cal(f)
    f.feed(f.flows(50).rounds(3, 10 * US))
    f.finish()
    assert cal(f) == calls and {s.cpu for s in f.seen} == {0} and len(f.seen) == 150
    assert f.softnet().rows[0].received_rps == 0
    f.close()


@settings(max_examples=300 if os.environ.get("RXPATH_SOAK") else 5)
@given(st.sampled_from(RELEASES), st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 15)), min_size=1, max_size=5))
def test_whatever_the_mask_nothing_is_lost(release: str, masks: list[tuple[int, int]]) -> None:
    """A new mask moves flows; frames in the old CPU's backlog may be overtaken, as in Linux, but none is lost."""
    f = one_queue(release, cpus=4)
    f.feed(f.flows(60).rounds(50, 2 * US))
    for us, mask in masks:
        f.run(us * US)
        f.write(RPS, f"{mask:x}\n")
        assert f.read(RPS) == f"{mask:x}\n"
    f.finish()
    assert sorted((s.flow, s.seq) for s in f.seen) == [(x, y) for x in range(60) for y in range(50)]
    late = [s for s in f.seen if s.seq == 49]
    want = {c for c in range(4) if masks[-1][1] >> c & 1} or {0}
    assert {s.cpu for s in late} <= want or sum(us for us, _ in masks) > 5800
    f.close()


# --- flow limit -------------------------------------------------------------------------------------------------------


def stampede(release: str, limit: bool) -> tuple[Fleet, list[int]]:
    """An elephant (flow 0) and 63 mice to a CPU that takes nothing meanwhile; the flows in their order of arrival."""
    f = one_queue(release)
    f.do("sysctl -w net.core.flow_limit_cpu_bitmap=" + ("1" if limit else "0"))
    f.write(RPS, "2\n")
    flows = f.flows(64)
    order: list[int] = []
    for i in range(1400):
        order.append(0)
        if i % 7 == 3:
            order.append(1 + len(order) // 8 % 63)
    stuck = f.k.cpus[1]
    stuck.local_irq_disable()
    f.feed(iter([(i * 1 * US, flows.frame(flow)) for i, flow in enumerate(order)]))
    f.run(20 * MS)
    stuck.irqs_off -= 1
    stuck.need_attention()
    f.finish()
    return f, order


def accepted(order: list[int], maximum: int = 1000) -> dict[int, int]:
    """What a queue of that maximum takes under the flow limit: from half full on, a flow that has more than 64 of the last
    128 arrivals is refused.
    """
    history: list[int] = []
    queued: dict[int, int] = {}
    n = 0
    for flow in order:
        refuse = False
        if n >= maximum // 2:
            history = (history + [flow])[-128:]
            refuse = history.count(flow) > 64
        if not refuse and n <= maximum:
            queued[flow] = queued.get(flow, 0) + 1
            n += 1
    return queued


@pytest.mark.parametrize("release", RELEASES)
def test_an_elephant_is_cut_and_63_mice_lose_nothing(release: str) -> None:
    f, order = stampede(release, True)
    got: dict[int, int] = {}
    for s in f.seen:
        got[s.flow] = got.get(s.flow, 0) + 1
    assert got == accepted(order)
    assert all(got[m] == order.count(m) > 0 for m in range(1, 64))
    lost = order.count(0) - got[0]
    assert 0 < lost == len(order) - len(f.seen)
    rows = f.softnet().rows
    assert rows[0].flow_limit_count == lost  # counted by the CPU that enqueues
    assert (
        rows[1].flow_limit_count == 0 and rows[1].dropped == lost and rows[0].dropped == 0
    )  # by the CPU that would process
    assert int(f.read("/sys/class/net/eth0/statistics/rx_dropped")) == lost
    assert {why: n for (_, why, _), n in f.m.ledger.dropped.items() if "flow" in why} == {"flow limit": lost}
    for m in range(1, 64):
        assert [s.seq for s in f.seen if s.flow == m] == list(range(order.count(m)))
    # off again: what was counted goes with the table
    f.do("sysctl -w net.core.flow_limit_cpu_bitmap=0")
    assert f.softnet().rows[0].flow_limit_count == 0
    f.close()


@pytest.mark.parametrize("release", RELEASES)
def test_without_the_limit_the_mice_suffer(release: str) -> None:
    f, order = stampede(release, False)
    assert len(f.seen) == 1001
    rows = f.softnet().rows
    assert rows[1].dropped == len(order) - 1001 and rows[0].flow_limit_count == 0
    mice = sum(1 for s in f.seen if s.flow)
    assert mice < len(order) - order.count(0)
    f.close()


def test_a_table_length_must_be_a_power_of_two_and_holds_for_new_tables() -> None:
    f = one_queue("6.1")
    with pytest.raises(OSError) as e:
        f.k.sysctl.set("net.core.flow_limit_table_len", "1000")
    assert e.value.errno == 22
    f.k.sysctl.set("net.core.flow_limit_cpu_bitmap", "1")
    f.k.sysctl.set("net.core.flow_limit_table_len", "128")
    f.k.sysctl.set("net.core.flow_limit_cpu_bitmap", "3")
    tables = [sd.flow_limit.num_buckets for sd in f.m.net.softnet]
    assert tables == [4096, 128]
    f.close()


# --- RFS --------------------------------------------------------------------------------------------------------------


class Readers:
    """A connected socket a flow, each read by a program of its own on a chosen CPU."""

    def __init__(self, f: Fleet, n: int) -> None:
        self.f = f
        self.read: list[int] = [0] * n
        self.socks = []
        for flow in range(n):
            s = f.m.socket()
            s.setsockopt(1, 2, 1)
            s.setsockopt(1, 8, 1 << 20)
            s.bind(("10.0.0.2", 9))
            a = BASE + flow
            s.connect((".".join(str(a >> i & 255) for i in (24, 16, 8, 0)), sport(flow)))
            self.socks.append(s)

    def start(self, flow: int, cpu: int, count: int) -> None:
        def main() -> None:
            for _ in range(count):
                self.socks[flow].recv(2048)
                self.read[flow] += 1

        self.f.m.spawn(main, cpu=cpu, name=f"reader{flow}")


def rfs(release: str, cpus: int = 4, variant: str = "82576") -> Fleet:
    f = one_queue(release, cpus, variant)
    f.do("sysctl -w net.core.rps_sock_flow_entries=4096")
    f.write("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "4096\n")
    return f


@pytest.mark.parametrize("release", RELEASES)
def test_flows_follow_their_readers(release: str) -> None:
    f = rfs(release)
    r = Readers(f, 12)
    flows = f.flows(12)
    for flow in range(12):
        r.start(flow, 1 + flow % 3, 10)
    f.feed(flows.rounds(10, 200 * US))
    f.finish()
    assert r.read == [10] * 12
    # the first one teaches the socket its hash, the reader's next call says where it runs; from the third on it is followed
    assert by_flow([s for s in f.seen if s.seq >= 2]) == {flow: {(0, 1 + flow % 3)} for flow in range(12)}
    # the readers go elsewhere
    f.seen.clear()
    for flow in range(12):
        r.start(flow, (flow + 2) % 4, 10)
    f.feed(flows.rounds(10, 200 * US))
    f.finish()
    in_order([s for s in f.seen if not setattr(s, "seq", s.seq - 10)])
    assert by_flow([s for s in f.seen if s.seq >= 2]) == {flow: {(0, (flow + 2) % 4)} for flow in range(12)}
    f.close()


@pytest.mark.parametrize("release", RELEASES)
def test_a_flow_moves_only_when_its_old_backlog_is_empty(release: str) -> None:
    """The reader moves while the old CPU still has frames of the flow: they are not overtaken."""
    f = rfs(release)
    r = Readers(f, 1)
    flows = f.flows(1)
    r.start(0, 2, 5)
    f.feed(flows.rounds(5, 200 * US))
    f.finish()
    assert f.seen[-1].cpu == 2

    def slow(tp: Any, cpu: int, now: int, v: tuple[Any, ...]) -> None:
        if cpu == 2:
            f.k.cur().charge(30 * US)

    f.k.trace.netif_receive_skb.attach(slow)
    f.seen.clear()
    f.feed(flows.rounds(200, 5 * US))
    f.run(1 * MS)
    assert len(f.m.net.softnet[2].input_pkt_queue) + len(f.m.net.softnet[2].process_queue) > 20
    r.start(0, 3, 200)
    f.finish()
    in_order([s for s in f.seen if not setattr(s, "seq", s.seq - 5)])
    cpus = [s.cpu for s in f.seen]
    assert cpus == sorted(cpus) and set(cpus) <= {2, 3} and len(cpus) == 200
    f.close()


@pytest.mark.parametrize("release", RELEASES)
def test_only_connected_sockets_are_followed(release: str) -> None:
    f = rfs(release)
    s = f.m.socket()
    s.bind(("", 9))

    def main() -> None:
        while True:
            s.recv(2048)

    f.m.spawn(main, cpu=3)
    f.feed(f.flows(8).rounds(10, 100 * US))
    f.finish()
    assert {x.cpu for x in f.seen} == {0} and len(f.seen) == 80
    f.close()


def test_no_driver_here_accelerates_it() -> None:
    """Accelerated RFS needs ndo_rx_flow_steer and a map of interrupts: with ntuple on nothing is put into the card."""
    f = rfs("6.1", variant="i350")
    f.do("ethtool -K eth0 ntuple on")
    r = Readers(f, 4)
    for flow in range(4):
        r.start(flow, 3, 20)
    f.feed(f.flows(4).rounds(20, 200 * US))
    f.finish()
    assert {s.cpu for s in f.seen if s.seq > 2} == {3} and {s.queue for s in f.seen} == {0}
    assert "Total 0 rules" in f.do("ethtool -n eth0")
    assert not hasattr(f.dev, "ndo_rx_flow_steer")
    f.close()


def test_sizes_are_rounded_up_and_too_large_ones_refused() -> None:
    f = one_queue("6.1")
    for text, shown in (("1000", "1024"), ("1", "1"), ("0", "0"), ("4096", "4096")):
        f.k.sysctl.set("net.core.rps_sock_flow_entries", text)
        assert f.k.sysctl.get("net.core.rps_sock_flow_entries").strip() == shown
    with pytest.raises(OSError) as e:
        f.k.sysctl.set("net.core.rps_sock_flow_entries", str((1 << 29) + 1))
    assert e.value.errno == 22
    f.write("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "100\n")
    assert f.read("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt") == "128\n"
    f.close()
