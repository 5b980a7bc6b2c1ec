"""Reassembly: any order, repetitions, overlaps, what never comes; what is sent in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.wire.addr import ip4
from rxpath.wire.build import fragment_frame
from rxpath.wire.icmp import IcmpView
from rxpath.wire.ipv4 import Ipv4View

from .taphost import HOST, PEER, RELEASES, TapHost


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost()
    yield t
    t.close()


def pieces(h: TapHost, size: int, ident: int = 77, mtu: int = 600) -> tuple[bytes, list[bytes]]:
    data = bytes((i * 7 + ident) & 0xFF for i in range(size))
    return data, fragment_frame(h.udp(7000, data, ident=ident), mtu, pad=False)


@pytest.mark.parametrize("release", RELEASES)
def test_two_pieces(release: str) -> None:
    h = TapHost(release)
    s = h.sock(7000)
    data, parts = pieces(h, 900)
    moved = h.moved(lambda: h.rx(*parts))
    assert {k: v for k, v in moved.items() if "Reasm" in k} == {"Ip.ReasmReqds": 2, "Ip.ReasmOKs": 1}
    assert moved["Ip.InReceives"] == 2 and moved["Ip.InDelivers"] == 1
    assert h.drain(s) == [data]
    assert h.ipv4.fqdir.mem == 0
    h.m.check()
    assert h.m.ledger.delivered == 2  # both frames were read
    h.close()


HOSTS: dict[str, TapHost] = {}


@given(
    release=st.sampled_from(RELEASES),
    size=st.integers(600, 6000),
    mtu=st.sampled_from([100, 300, 576, 1500]),
    data=st.data(),
)
def test_any_order_with_repetitions(release: str, size: int, mtu: int, data: st.DataObject) -> None:
    h = HOSTS.setdefault(release, TapHost(release))
    s = h.sock(7000)
    try:
        want, parts = pieces(h, size, data.draw(st.integers(1, 0xFFFF)), mtu)
        order = data.draw(st.permutations(range(len(parts))))
        again = data.draw(st.lists(st.sampled_from(order), max_size=3)) if len(parts) > 1 else []
        late = order[-1]  # completes it
        seq = list(order[:-1])
        for i in again:
            if i != late:
                seq.append(i)
        h.rx(*(parts[i] for i in [*seq, late]))
        assert h.drain(s) == [want]
        h.m.check()
    finally:
        s.close()
        h.run(33_000)
    assert h.ipv4.fqdir.mem == 0 and not h.ipv4.fqdir.queues
    assert h.m.in_flight() == 0


def test_an_overlap_kills_the_queue(h: TapHost) -> None:
    """RFC 5722, taken over for IPv4 in 4.20."""
    s = h.sock(7000)
    full = h.udp(7000, bytes(1000), ident=5)
    a = h.ip(17, full[34 : 34 + 504], ident=5, frag_off=0x2000)
    b = h.ip(17, full[34 + 496 :], ident=5, frag_off=62)
    moved = h.moved(lambda: h.rx(a, b))
    assert moved["Ip.ReasmFails"] == moved["IpExt.ReasmOverlaps"] == 1
    assert h.drain(s) == []
    h.run(33_000)
    assert h.ipv4.fqdir.mem == 0
    assert h.m.ledger.total_dropped() == 2


def test_a_time_out_is_told_to_the_sender(h: TapHost) -> None:
    _, parts = pieces(h, 900)
    out: list[bytes] = []
    moved = h.moved(lambda: (h.rx(parts[0]), out.extend(h.run(29_000)), out.extend(h.run(4_000))))
    assert (moved["Ip.ReasmTimeout"], moved["Ip.ReasmFails"], moved["Icmp.OutTimeExcds"]) == (1, 1, 1)
    (f,) = out
    icmp = IcmpView(Ipv4View(f[14:]).payload)
    assert (icmp.type, icmp.code) == (11, 1)
    assert h.ipv4.fqdir.mem == 0
    h.m.check()


def test_without_the_first_piece_nobody_is_told(h: TapHost) -> None:
    _, parts = pieces(h, 900)
    h.rx(parts[1])
    assert h.run(33_000) == []
    assert h.m.ledger.total_dropped() == 1


def test_memory_is_limited() -> None:
    h = TapHost(sysctls={"net.ipv4.ipfrag_low_thresh": "90000", "net.ipv4.ipfrag_high_thresh": "100000"})
    for i in range(300):
        h.rx(pieces(h, 900, ident=i + 1)[1][0])
        assert h.ipv4.fqdir.mem <= 102_000
    assert h.m.in_flight() < 150
    h.m.check()
    h.run(33_000)
    assert h.ipv4.fqdir.mem == 0
    h.m.check()
    h.close()


def test_more_than_64_kib_is_refused(h: TapHost) -> None:
    moved = h.moved(lambda: h.rx(h.ip(17, bytes(1400), ident=3, frag_off=0x2000),
                                 h.ip(17, bytes(1400), ident=3, frag_off=8100)))  # fmt: skip
    assert moved.get("Ip.ReasmOKs", 0) == 0
    h.run(33_000)
    assert h.ipv4.fqdir.mem == 0
    h.m.check()


@pytest.mark.parametrize("size", [1472, 1473, 3000, 65507])
def test_output_in_pieces(h: TapHost, size: int) -> None:
    s = h.sock(7000)
    s.setsockopt(0, 10, 0)  # IP_PMTUDISC_DONT
    data = bytes(i % 251 for i in range(size))
    out = h.do(lambda: (s.sendto(data, ("10.0.0.1", 9)), h.sent())[1])
    assert len(out) == -(-(size + 8) // 1480)
    parts = [Ipv4View(f[14:]) for f in out]
    assert len({p.id for p in parts}) == 1
    assert all(p.check_ok() and len(f) <= 1514 for p, f in zip(parts, out, strict=True))
    whole = b"".join(bytes(p.payload) for p in parts)
    assert whole[8:] == data
    at = 0
    for p in parts:
        assert (p.frag_off & 0x1FFF) * 8 == at
        assert bool(p.frag_off & 0x2000) == (p is not parts[-1])
        at += len(p.payload)
    assert (parts[0].saddr, parts[0].daddr) == (HOST, PEER)
    h.m.check()


def test_different_keys_do_not_mix(h: TapHost) -> None:
    s = h.sock(7000)
    d1, p1 = pieces(h, 900, 1)
    d2, p2 = pieces(h, 900, 2)
    other = fragment_frame(h.udp(7000, d1, ident=1, src=ip4("10.0.0.3")), 600, pad=False)
    h.rx(p1[0], p2[1], other[0], p2[0], other[1], p1[1])
    assert h.drain(s) == [d2, d1, d1]
