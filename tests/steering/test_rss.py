"""A thousand flows over eight queues: where the indirection table puts them, on which CPU, and what moves when it changes."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.tools.run import CommandFailed

from .fleet import MS, US, Fleet, by_flow, in_order

CHIPS = [("igb", "82576"), ("igb", "i350"), ("ixgbe", "x540"), ("ixgbe", "82599")]
N = 1000


@pytest.mark.parametrize(("model", "variant"), CHIPS)
def test_a_thousand_flows_spread_as_the_table_says(model: str, variant: str) -> None:
    f = Fleet(model, variant, cpus=8)
    table = f.table()
    assert set(table) == set(range(8))
    before = [f.counts(f.irq_of(q)) for q in range(8)]
    cpus = [f.cpu_of(q) for q in range(8)]
    assert sorted(cpus) == list(range(8))
    f.feed(f.flows(N).rounds(3, 2 * US))
    f.finish()
    in_order(f.seen)
    assert len(f.seen) == 3 * N
    where = by_flow(f.seen)
    want = {flow: f.queue_of(flow, table) for flow in range(N)}
    assert where == {flow: {(q, cpus[q])} for flow, q in want.items()}
    per_queue = [3 * sum(1 for q in want.values() if q == i) for i in range(8)]
    assert f.queue_packets()[:8] == per_queue and min(per_queue) > 0
    assert [r.processed for r in f.softnet().rows] == [per_queue[cpus.index(c)] for c in range(8)]
    for q in range(8):  # nobody else took this queue's interrupt
        moved = [b - a for a, b in zip(before[q], f.counts(f.irq_of(q)), strict=True)]
        assert moved[cpus[q]] > 0 and sum(moved) == moved[cpus[q]]
    f.close()


@pytest.mark.parametrize(("model", "variant"), CHIPS)
def test_ports_count_when_udp_hashing_is_on(model: str, variant: str) -> None:
    f = Fleet(model, variant, cpus=8)
    f.do("ethtool -N eth0 rx-flow-hash udp4 sdfn")
    f.m.wait_for_link()
    f.run()
    table = f.table()
    f.feed(f.flows(N).rounds(1, 2 * US))
    f.finish()
    assert {s.flow: s.queue for s in f.seen} == {flow: f.queue_of(flow, table, ports=True) for flow in range(N)}
    in_order(f.seen)
    f.close()


def test_3_13_hashes_with_the_published_key() -> None:
    f = Fleet("igb", "82576", release="3.13", cpus=8)
    table = f.table()
    f.feed(f.flows(200).rounds(1, 2 * US))
    f.finish()
    assert {s.flow: s.queue for s in f.seen} == {flow: f.queue_of(flow, table) for flow in range(200)}
    f.close()


@pytest.mark.parametrize(("model", "variant", "change"), [
    ("igb", "82576", "equal 4"), ("igb", "i350", "weight 1 0 0 0 0 0 0 7"), ("ixgbe", "x540", "equal 4"),
    ("ixgbe", "82599", "weight 5 1 1 1 0 0 0 0"),
])  # fmt: skip
def test_a_new_table_in_mid_run_moves_exactly_the_flows_it_should(model: str, variant: str, change: str) -> None:
    f = Fleet(model, variant, cpus=8)
    old = f.table()
    cpus = [f.cpu_of(q) for q in range(8)]
    f.feed(f.flows(N).rounds(6, 5 * US))
    f.m.run(f.m.now + 12_500 * US)
    f.do(f"ethtool -X eth0 {change}")
    new = f.table()
    changed_at = f.m.now
    assert new != old
    f.finish()
    in_order(f.seen)
    assert len(f.seen) == 6 * N and f.m.ledger.wire == 6 * N
    # what was in the rings at that moment is harvested where it lay; a moderated interrupt is later by less than 2 ms
    early = by_flow([s for s in f.seen if s.time <= changed_at])
    late = by_flow([s for s in f.seen if s.time > changed_at + 2 * MS])
    was = {flow: f.queue_of(flow, old) for flow in range(N)}
    now = {flow: f.queue_of(flow, new) for flow in range(N)}
    assert early == {flow: {(q, cpus[q])} for flow, q in was.items()}
    assert late == {flow: {(q, cpus[q])} for flow, q in now.items()}
    assert 0 < sum(1 for flow in was if was[flow] != now[flow]) < N
    f.close()


@pytest.mark.parametrize(("model", "variant"), CHIPS)
def test_a_new_affinity_in_mid_run_moves_exactly_one_queue(model: str, variant: str) -> None:
    f = Fleet(model, variant, cpus=8)
    table = f.table()
    cpus = [f.cpu_of(q) for q in range(8)]
    f.feed(f.flows(N).rounds(6, 5 * US))
    f.m.run(f.m.now + 12_500 * US)
    target = (cpus[3] + 1) % 8
    irq = f.irq_of(3)
    f.place(3, target)
    changed_at = f.m.now
    assert f.cpu_of(3) == cpus[3]  # effective at the next interrupt of that line only
    counts = f.counts(irq)
    f.finish()
    in_order(f.seen)
    assert len(f.seen) == 6 * N
    assert f.cpu_of(3) == target
    moved = [b - a for a, b in zip(counts, f.counts(irq), strict=True)]
    assert (
        moved[cpus[3]] == 1 and moved[target] > 5 and sum(moved) == 1 + moved[target]
    )  # the first one still came here
    for s in f.seen:
        q = f.queue_of(s.flow, table)
        if q != 3 or s.time <= changed_at:
            assert (s.queue, s.cpu) == (q, cpus[q])
        else:
            assert s.queue == 3 and s.cpu in (cpus[3], target)
    late = [s for s in f.seen if s.queue == 3 and s.time > changed_at + 2 * MS]
    assert late and all(s.cpu == target for s in late)
    f.close()


@settings(max_examples=300 if os.environ.get("RXPATH_SOAK") else 6)
@given(
    st.sampled_from([("igb", "82576"), ("ixgbe", "x540")]),
    st.sampled_from(["3.13", "6.1", "6.18"]),
    st.lists(
        st.tuples(
            st.integers(50, 3000),  # microseconds until then
            st.one_of(
                st.lists(st.integers(0, 3), min_size=8, max_size=8).filter(any).map(lambda w: ("weight", tuple(w))),
                st.tuples(st.just("place"), st.tuples(st.integers(0, 7), st.integers(0, 7))),
            ),
        ),
        max_size=6,
    ),
)
def test_whenever_tables_and_affinities_change_nothing_is_lost_or_reordered(
    chip: tuple[str, str], release: str, changes: list[tuple[int, tuple[str, tuple[int, ...]]]]
) -> None:
    cpus = 4 if chip[0] == "igb" else 8  # ixgbe has no more queues than there are CPUs
    f = Fleet(*chip, release=release, cpus=cpus, queues=8)
    f.do("ethtool -C eth0 rx-usecs 10")
    f.feed(f.flows(120).rounds(25, 2 * US))
    for us, (what, how) in changes:
        f.run(us * US)
        if what == "weight" and (chip[0], release) == ("ixgbe", "3.13"):  # that ixgbe has no such operation
            with pytest.raises(CommandFailed, match="not supported"):
                f.do("ethtool -X eth0 weight " + " ".join(map(str, how)))
        elif what == "weight":
            f.do("ethtool -X eth0 weight " + " ".join(map(str, how)))
        else:
            f.place(how[0], how[1] % cpus)
    f.finish()
    in_order(f.seen)
    assert len(f.seen) == 25 * 120
    assert f.m.in_flight() == 0
    assert sum(f.m.ledger.dropped.values()) == 25 * 120  # no socket on that port: the end of each of them
    f.close()


@pytest.mark.parametrize(("release", "masks"), [("3.13", "ff"), ("5.15", ""), ("6.1", "ff"), ("6.18", "ff")])
def test_a_hint_is_the_affinity_where_the_release_makes_it_so(release: str, masks: str) -> None:
    f = Fleet("ixgbe", "x540", release=release, cpus=8)
    for q in range(8):
        base = f"/proc/irq/{f.irq_of(q)}"
        assert f.read(base + "/affinity_hint") == f"{1 << q:02x}\n"
        assert f.read(base + "/smp_affinity") == (masks or f"{1 << q:02x}") + "\n"
    f.close()
