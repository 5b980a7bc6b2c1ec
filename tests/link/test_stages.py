"""Stages: time, loop, faults, cable; the generator; the law of their counts."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.link.cable import Cable, Monotonic
from rxpath.link.compose import load_chain
from rxpath.link.faults import Corrupt, Delay, Drop, Duplicate, Reorder, apply_faults
from rxpath.link.generator import LoadGenerator, Sizes, payload_of_frame
from rxpath.link.source import BadFcsFrame, ListSource, Loop, Shift, Source, SpeedUp
from rxpath.wire.ethernet import EthernetView, wire_bytes
from rxpath.wire.ipv4 import Ipv4View
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_PSH, TcpView
from rxpath.wire.udp import UdpView


def numbered(n: int, gap: int = 1000, size: int = 60) -> ListSource:
    return ListSource((i * gap, i.to_bytes(4, "big") + bytes(size - 4)) for i in range(n))


def numbers(source: Source) -> list[int]:
    return [int.from_bytes(frame[:4], "big") for _, frame in source]


def test_shift_speed_and_loop() -> None:
    base = ListSource([(100, b"a"), (300, b"b"), (250, b"c")])
    assert list(Shift(base, 7)) == [(7, b"a"), (207, b"b"), (157, b"c")]
    assert list(Shift(ListSource([(9, b"a"), (5, b"b")]), 1)) == [(1, b"a"), (1, b"b")]
    assert [t for t, _ in SpeedUp(base, 2)] == [100, 200, 175]
    assert [t for t, _ in SpeedUp(base, Fraction(1, 3))] == [100, 700, 550]
    looped = Loop(base, 3, gap_ns=50)
    assert [t for t, _ in looped] == [100, 300, 250, 350, 550, 500, 600, 800, 750]
    assert looped.total == 9
    assert list(Loop(ListSource([]), 2)) == []
    for bad in (lambda: SpeedUp(base, 0), lambda: Loop(base, 0)):
        with pytest.raises(ValueError, match="must be"):
            bad()


def test_monotonic() -> None:
    source = Monotonic(ListSource([(100, b"a"), (90, b"b"), (10**9, b"c"), (5, b"d"), (6, b"e")]))
    assert [t for t, _ in source] == [100, 100, 10**9, 10**9, 10**9 + 1]
    assert (source.swapped, source.stepped) == (1, 1)


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(14, 1514)), max_size=60),
    st.sampled_from([10**7, 10**8, 10**9, 25 * 10**8, 10**10, 10**11]),
    st.sampled_from([None, 0, 1, 7]),
)
def test_cable_never_beats_the_link(items: list[tuple[int, int]], bps: int, queue: int | None) -> None:
    t = 0
    frames = []
    for gap, size in items:
        t += gap
        frames.append((t, bytes(size)))
    cable = Cable(ListSource(frames), bps, queue)
    out = list(cable)
    assert len(out) + cable.lost == len(frames)
    assert cable.tally().balance() == 0
    for (a, _), (b, frame) in pairwise(out):
        # whole nanoseconds come out, so one may be missing
        assert b - a >= wire_bytes(len(frame)) * 8 * 10**9 // bps - 1
    if queue is None:
        assert cable.lost == 0
        assert all(late >= due for (due, _), (late, _) in zip(frames, out, strict=True))


def test_cable_at_line_rate_is_not_touched() -> None:
    source = numbered(1000, gap=672)
    cable = Cable(source, 10**9)
    assert list(cable) == list(numbered(1000, gap=672))
    assert (cable.delayed, cable.lost) == (0, 0)


def test_cable_loses_what_its_queue_cannot_hold() -> None:
    cable = Cable(ListSource([(0, bytes(60))] * 10), 10**9, 4)
    assert [t for t, _ in cable] == [0, 672, 1344, 2016, 2688]
    assert (cable.lost, cable.max_wait_ns) == (5, 2688)
    assert cable.tally().not_sent == {"link": 5}
    fast = Cable(ListSource([(0, bytes(1514))] * 3), 10**11)
    assert [t for t, _ in fast] == [0, 123, 246]
    with pytest.raises(ValueError, match="link rate"):
        Cable(ListSource([]), 0)


@pytest.mark.parametrize(
    "text",
    [
        "drop=30%",
        "duplicate=0.3",
        "corrupt=30%",
        "corrupt-bits=30%",
        "reorder=30%:2",
        "delay=30%:5us:20us",
        "drop=10%,duplicate=10%,reorder=5%,delay=5%:2us,corrupt=1%",
    ],
)
def test_faults_are_seeded_and_balance(text: str) -> None:
    def run(seed: int) -> list[tuple[int, bytes]]:
        source = apply_faults(numbered(2000), text, seed)
        out = list(source)
        assert source.tally().balance() == 0
        assert source.held() == 0
        return out

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(1) != list(numbered(2000))


def test_drop_and_duplicate_count() -> None:
    drop = Drop(numbered(5000), 0.2, 3)
    kept = numbers(drop)
    assert kept == sorted(kept)
    assert len(kept) + drop.hits == 5000
    assert 800 < drop.hits < 1200
    assert drop.tally().not_sent == {"fault drops": drop.hits}
    twice = Duplicate(numbered(5000), Fraction(1, 10), 3)
    counts = Counter(numbers(twice))
    assert sorted(counts) == list(range(5000))
    assert sum(c == 2 for c in counts.values()) == twice.hits == twice.tally().added["fault duplicates"]
    assert Counter(numbers(Drop(numbered(9), 1))) == {}
    assert len(list(Drop(numbered(9), 0))) == 9


def test_corrupt() -> None:
    for fcs in (True, False):
        source = Corrupt(numbered(1000), 0.5, 5, fcs=fcs)
        changed = 0
        for (_, frame), (_, good) in zip(source, numbered(1000), strict=True):
            flips = (int.from_bytes(frame, "big") ^ int.from_bytes(good, "big")).bit_count()
            assert flips == (1 if frame != good else 0)
            assert (type(frame) is BadFcsFrame) == (fcs and flips == 1)
            assert fcs or frame[:14] == good[:14]
            changed += flips
        assert changed == source.hits > 400


def test_reorder_and_delay() -> None:
    source = Reorder(numbered(1000), 0.1, 1, depth=2)
    order = numbers(source)
    assert sorted(order) == list(range(1000)) != order
    assert source.hits > 50
    late = Delay(numbered(1000), 0.2, 1, delay_ns=2500, jitter_ns=1000)
    out = list(late)
    times = [t for t, _ in out]
    assert times == sorted(times)
    moved = [t - int.from_bytes(f[:4], "big") * 1000 for t, f in out]
    assert {m for m in moved if m} <= set(range(2500, 3501))
    assert sum(m != 0 for m in moved) == late.hits


def test_what_is_held_is_counted_when_reading_stops() -> None:
    held = Reorder(numbered(100), 0.5, 1, depth=50)
    list(islice(iter(held), 5))
    assert held.held() > 0
    assert held.tally().balance() == 0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("loss=1%", "unknown fault"),
        ("drop", "unknown fault"),
        ("drop=2", "from 0 to 1"),
        ("drop=x", "not a probability"),
        ("drop=1e999999999", "not a probability"),
        ("delay=1%", "needs a time"),
        ("delay=1%:5", "5"),
        ("drop=1%:3", "too much"),
        ("reorder=1%:0", "at least 1"),
    ],
)
def test_bad_faults_are_one_line(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        apply_faults(numbered(1), text)
    assert "\n" not in str(caught.value)


def good(frame: bytes) -> tuple[Ipv4View, UdpView | TcpView]:
    ip = Ipv4View(frame, EthernetView(frame).network)
    assert ip.check_ok()
    view = UdpView(ip.payload) if ip.protocol == 17 else TcpView(ip.payload)
    assert view.check_ok(ip.saddr, ip.daddr)
    return ip, view


@given(
    st.sampled_from(["udp", "tcp"]),
    st.sampled_from(["64", "0-200", "imix", "1:3,900:1"]),
    st.integers(1, 9),
    st.integers(1, 5),
    st.sampled_from(["turn", "random"]),
    st.none() | st.integers(0, 65535),
    st.integers(0, 99),
)
def test_generated_frames_are_right(
    protocol: str, sizes: str, flows: int, train: int, spread: str, vlan: int | None, seed: int
) -> None:
    load = LoadGenerator(
        count=60,
        pps=10**6,
        protocol=protocol,
        sizes=Sizes.parse(sizes),
        flows=flows,
        train=train,
        spread=spread,
        vlan=vlan,
        seed=seed,
    )
    idents: Counter[int] = Counter()
    seqs: dict[int, int] = {}
    for _, frame in load:
        ip, view = good(frame)
        assert EthernetView(frame).vlan_tci == (() if vlan is None else (vlan,))
        assert ip.id == idents[view.source]
        idents[view.source] += 1
        if isinstance(view, TcpView):
            assert view.seq == seqs.get(view.source, 1)
            seqs[view.source] = view.seq + len(view.payload)
    assert load.frames == load.total == 60
    assert set(idents) <= set(range(10000, 10000 + flows))


def test_ids_wrap_and_stamps_count() -> None:
    load = LoadGenerator(count=65540, pps=10**6, stamp=True, sizes=18)
    for n, (_, frame) in enumerate(load):
        if n < 40 or n > 65530:
            ip, view = good(frame)
            assert ip.id == n & 0xFFFF
            assert int.from_bytes(view.payload[:4], "big") == n


def test_train_for_gro() -> None:
    load = LoadGenerator(count=24, pps=1000, protocol="tcp", sizes=1448, train=4, flows=3)
    views = [TcpView(Ipv4View(frame, 14).payload) for _, frame in load]
    assert [v.source - 10000 for v in views] == [0] * 4 + [1] * 4 + [2] * 4 + [0] * 4 + [1] * 4 + [2] * 4
    assert [v.flags for v in views[:4]] == [TCPHDR_ACK] * 3 + [TCPHDR_ACK | TCPHDR_PSH]
    assert views[12].seq == 1 + 4 * 1448


@pytest.mark.parametrize("burst", [1, 32])
@pytest.mark.parametrize("arrivals", ["even", "poisson"])
@pytest.mark.parametrize("rate", [{"pps": 300_000}, {"bps": 10**8}])
def test_the_mean_rate_holds(burst: int, arrivals: str, rate: dict[str, int]) -> None:
    load = LoadGenerator(count=32000, burst=burst, arrivals=arrivals, seed=4, sizes=Sizes.imix(), **rate)
    out = list(load)
    times = [t for t, _ in out]
    assert times == sorted(times)
    if "pps" in rate:
        expected = 32000 * 10**9 / rate["pps"]
    else:
        expected = sum(wire_bytes(len(f)) for _, f in out) * 8 * 10**9 / rate["bps"]
    assert abs(times[-1] / expected - 1) < (0.01 if arrivals == "even" else 0.1)
    assert len(set(times)) <= 32000 // burst + (burst == 1)


def test_bursts_at_line_rate() -> None:
    load = LoadGenerator(count=8, pps=1000, burst=4, link_bps=10**9, sizes=18, start_ns=5)
    starts = [5, 5 + 4_000_000]
    assert [t for t, _ in load] == [s + i * 672 for s in starts for i in range(4)]


def test_seed_changes_only_what_it_may() -> None:
    def run(seed: int) -> tuple[list[int], list[int]]:
        items = list(LoadGenerator(count=500, pps=1000, sizes=Sizes.imix(), seed=seed))
        return [t for t, _ in items], [len(f) for _, f in items]

    assert run(1) == run(1)
    assert run(1)[0] == run(2)[0]
    assert run(1)[1] != run(2)[1]


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"pps": 1, "bps": 1},
        {"pps": 0},
        {"pps": 1, "flows": 0},
        {"pps": 1, "flows": 60000, "sport": 10000},
        {"pps": 1, "protocol": "sctp"},
        {"pps": 1, "sizes": 65508},
        {"pps": 1, "stamp": True, "sizes": 3},
        {"pps": 1, "arrivals": "never"},
        {"pps": 1, "spread": "jam"},
        {"pps": 1, "dport": 65536},
        {"bps": -5},
    ],
)
def test_impossible_loads(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        LoadGenerator(count=1, **bad)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "x", "5-", "9-5", "1:2:3", "1:x", "70000", "-5"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|payload|range"):
        Sizes.parse(text)


def test_payload_of_frame() -> None:
    assert payload_of_frame(64) == 18
    assert payload_of_frame(1518) == 1472
    assert payload_of_frame(1518, "tcp") == 1460
    with pytest.raises(ValueError, match="at least 46"):
        payload_of_frame(40)


def test_load_chain() -> None:
    chain = load_chain(
        LoadGenerator(count=1000, pps=10**7, sizes=18),
        faults="duplicate=10%",
        link_bps=10**9,
        queue=10,
        seed=2,
    )
    assert len(list(chain.source)) == chain.tally().wire
    assert chain.tally().balance() == 0
    assert chain.tally().not_sent["link"] > 500
    assert chain.reconstruction() is None
