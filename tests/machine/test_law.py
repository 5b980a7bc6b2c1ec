"""Whatever arrives, the ledger's law holds, and a closed machine holds no frame."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.link.source import BadFcsFrame
from rxpath.wire.addr import BROADCAST_MAC, ip4, ip_eth_mc_map
from rxpath.wire.arp import ARPOP_REPLY, ARPOP_REQUEST
from rxpath.wire.build import arp_frame, fragment_frame, icmp_echo_frame, ipv4_frame, tcp_frame, udp_frame
from rxpath.wire.ethernet import ether_frame

from .box import HOST, OTHER_MAC, PEER, PEER_MAC, Box

EXAMPLES = 400 if os.environ.get("RXPATH_SOAK") else 40
MAC = b"\0" * 6  # stands for the machine's own address until it is known


def base(kind: int, size: int, n: int) -> list[bytes]:
    """Frames of one kind to a machine whose address is not known yet."""
    data = bytes((n + i) & 255 for i in range(size))
    if kind == 0:
        return [udp_frame(PEER_MAC, MAC, PEER, HOST, 4000 + n % 4, 5000, data)]
    if kind == 1:
        return [udp_frame(PEER_MAC, MAC, PEER, HOST, 4000, 5001, data, checksum=0)]
    if kind == 2:
        return [udp_frame(PEER_MAC, MAC, PEER, HOST, 4000, 9 + n % 3, data)]
    if kind == 3:
        return [icmp_echo_frame(PEER_MAC, MAC, PEER, HOST, 7, n & 0xFFFF, data)]
    if kind == 4:
        return [tcp_frame(PEER_MAC, MAC, PEER, HOST, 4000, 80, n, 0, n & 0x3F, data)]
    if kind == 5:
        return [arp_frame(ARPOP_REQUEST if n & 1 else ARPOP_REPLY, PEER_MAC, PEER, MAC, HOST)]
    if kind == 6:
        whole = udp_frame(PEER_MAC, MAC, PEER, HOST, 4000, 5000, data * 3, ident=n & 0xFFFF)
        pieces = fragment_frame(whole, 576)
        return pieces[n % len(pieces):] + pieces[:n % len(pieces)] if n & 4 else pieces[:1 + n % len(pieces)]
    if kind == 7:
        return [ether_frame(MAC, PEER_MAC, (0x88B5, 46, 0x86DD, 0x8100)[n & 3], data)]
    if kind == 8:
        return [ipv4_frame(PEER_MAC, MAC, PEER, HOST, n & 0xFF, data)]
    if kind == 9:
        return [udp_frame(PEER_MAC, BROADCAST_MAC, PEER, ip4("10.0.0.255"), 4000, 5000, data)]
    if kind == 10:
        return [udp_frame(PEER_MAC, ip_eth_mc_map(ip4("224.0.0.1")), PEER, ip4("224.0.0.1"), 4000, 5000, data)]
    if kind == 11:
        return [udp_frame(PEER_MAC, OTHER_MAC, PEER, HOST, 4000, 5000, data)]
    return [data]  # no frame at all


def settled(b: Box) -> None:
    """The law, when no CPU has a frame in its hands: time goes on a little until then; what leaked never comes back."""
    for _ in range(2000):
        if b.m.ledger.balances(b.m.in_flight()):
            break
        b.run(7_000)
    b.m.check()


item = st.tuples(
    st.integers(0, 12), st.sampled_from([0, 1, 18, 64, 213, 214, 600, 1472, 1600]), st.integers(0, 1000),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=3),  # bytes overwritten
    st.sampled_from([0, 0, 0, 5, 40]),  # bytes cut off the end
    st.sampled_from([1, 1, 3, 70, 400]),  # how many at once
    st.booleans(),  # its FCS is good
    st.sampled_from([0, 0, 1_000, 100_000, 40_000_000]),  # ns until the next
)  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(
    st.lists(item, max_size=12),
    st.sampled_from(["3.13", "5.15", "6.1", "6.18"]),
    st.sampled_from(["none", "default"]),
    st.sampled_from(["reader", "slow", "nobody", "small"]),
    st.sampled_from([0, 9000]),
)
def test_the_law_holds_for_anything(
    items: list[tuple[Any, ...]], release: str, costs: str, who: str, mtu: int
) -> None:
    b = Box(release, costs=costs, mtu=mtu)
    m = b.m
    s = m.socket()
    if who == "small":
        s.setsockopt(1, 8, 4608)
    s.bind(("", 5000))

    def main() -> None:
        cpu = m.kernel.cpus[0]
        while True:
            s.recvfrom(2000)
            cpu.charge(50_000 if who == "slow" else 100)

    if who in ("reader", "slow"):
        m.spawn(main)
    sent = 0
    for kind, size, n, patches, cut, burst, good, gap in items:
        for f in base(kind, size, n):
            f = f.replace(MAC, b.mac, 1) if f[:6] == MAC else f
            raw = bytearray(f[: len(f) - cut] if cut < len(f) else f)
            for at, value in patches:
                if at < len(raw):
                    raw[at] = value
            frame = bytes(raw) if good else BadFcsFrame(raw)
            for _ in range(burst):
                m.ports[0].receive(frame)
                sent += 1
        b.run(gap)
        settled(b)
    assert m.ledger.wire == sent
    b.run(1_000_000)
    settled(b)
    b.close()  # checks the law once more, with nothing in flight
    assert m.in_flight() == 0
    led = m.ledger
    assert led.wire == led.delivered + led.total_consumed() + led.total_dropped()
    m.kernel.ledger.check_own(m.own_in_flight())


@pytest.mark.parametrize("release", ["3.13", "5.15", "6.1", "6.18"])
def test_closing_in_the_middle_of_a_burst_books_what_was_under_way(release: str) -> None:
    b = Box(release, costs="default")
    s = b.m.socket()
    s.bind(("", 5000))
    for _ in range(300):
        b.m.ports[0].receive(b.udp(5000, 1000))
    b.run(60_000)
    assert b.m.in_flight() > 0
    b.close()
    lost = {why: n for (_, why, _), n in b.m.ledger.dropped.items()}
    assert b.m.ledger.delivered == 0 and sum(lost.values()) == 300
    assert lost["socket closed unread"] > 0
