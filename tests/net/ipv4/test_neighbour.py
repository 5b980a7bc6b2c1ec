"""ARP both ways and the states of a neighbour entry over time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxpath.net.core.neighbour import (
    NUD_DELAY,
    NUD_FAILED,
    NUD_INCOMPLETE,
    NUD_PERMANENT,
    NUD_PROBE,
    NUD_REACHABLE,
    NUD_STALE,
    Neighbour,
    neigh_lookup,
)
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4
from rxpath.wire.arp import ARPOP_REPLY, ARPOP_REQUEST, ArpRepr
from rxpath.wire.build import arp_frame

from .taphost import HOST, HOST_MAC, PEER, PEER_MAC, RELEASES, TapHost

ARP = b"\x08\x06"


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost(neigh=False)
    yield t
    t.close()


def entry(h: TapHost, addr: int = PEER) -> Neighbour | None:
    return neigh_lookup(h.ipv4.arp_tbl, addr, h.tap)


def state(h: TapHost) -> int:
    n = entry(h)
    return 0 if n is None else n.nud_state


def ask(target: int, *, sip: int = PEER) -> bytes:
    return arp_frame(ARPOP_REQUEST, PEER_MAC, sip, b"", target)


def answer(mac: bytes = PEER_MAC, sip: int = PEER) -> bytes:
    return arp_frame(ARPOP_REPLY, mac, sip, HOST_MAC, HOST)


def send(h: TapHost, s: Socket, data: bytes = b"x") -> list[bytes]:
    def go() -> list[bytes]:
        s.sendto(data, ("10.0.0.1", 9))
        return h.sent()

    return h.do(go)  # type: ignore[no-any-return]


@pytest.mark.parametrize("release", RELEASES)
def test_a_request_for_us_is_answered(release: str) -> None:
    h = TapHost(release, neigh=False)
    (f,) = h.rx(ask(HOST))
    assert (f[:6], f[6:12], f[12:14]) == (PEER_MAC, HOST_MAC, ARP)
    a = ArpRepr.parse(f, 14)
    assert (a.op, a.sha, a.sip, a.tha, a.tip) == (ARPOP_REPLY, HOST_MAC, HOST, PEER_MAC, PEER)
    assert state(h) == NUD_STALE
    assert h.m.ledger.total_consumed() == 1
    h.m.check()
    h.close()


def test_what_is_not_answered(h: TapHost) -> None:
    assert h.rx(ask(ip4("10.0.0.3")), ask(ip4("224.0.0.1")), ask(ip4("127.0.0.1"))) == []
    assert entry(h) is None
    assert h.rx(answer()) == []
    assert entry(h) is None  # nobody asked: arp_accept is off
    h.m.kernel.sysctl.set("net.ipv4.conf.tap0.arp_ignore", "8")
    assert h.rx(ask(HOST)) == []
    h.m.check()


def test_a_probe_is_answered_without_an_entry(h: TapHost) -> None:
    """RFC 5227: the sender's address is 0.0.0.0."""
    (f,) = h.rx(ask(HOST, sip=0))
    assert ArpRepr.parse(f, 14).op == ARPOP_REPLY
    assert entry(h) is None and entry(h, 0) is None


def test_resolution_sends_what_waited(h: TapHost) -> None:
    s = h.sock(7000)
    (q,) = send(h, s, b"one")
    a = ArpRepr.parse(q, 14)
    assert (q[:6], a.op, a.sip, a.tip, a.tha) == (b"\xff" * 6, ARPOP_REQUEST, HOST, PEER, bytes(6))
    assert state(h) == NUD_INCOMPLETE
    assert send(h, s, b"two") == []
    out = h.rx(answer())
    assert [f[42:45] for f in out] == [b"one", b"two"]
    assert {f[:6] for f in out} == {PEER_MAC}
    assert state(h) == NUD_REACHABLE
    h.m.check()


def test_nobody_answers(h: TapHost) -> None:
    """Three requests, a second apart; then the sender learns it."""
    s = h.sock(7000)
    s.setsockopt(0, 11, 1)  # IP_RECVERR: host unreachable is no hard error
    s.connect(("10.0.0.1", 9))
    h.do(lambda: s.send(b"x"))
    asked = len(h.sent()) + len(h.run(900))
    assert asked == 1
    asked += len(h.run(2200))
    assert asked == 3
    assert state(h) == NUD_FAILED
    with pytest.raises(OSError) as e:
        s.recv(10)
    assert e.value.errno == 113  # EHOSTUNREACH
    assert h.m.own_in_flight() == 0


def test_the_queue_keeps_the_newest(h: TapHost) -> None:
    s = h.sock(7000)
    h.m.kernel.sysctl.set("net.ipv4.neigh.tap0.unres_qlen_bytes", "5000")
    send(h, s, b"0")
    for i in range(1, 12):
        send(h, s, b"%d" % i)
    out = h.rx(answer())
    n = entry(h)
    assert n is not None
    assert 1 < len(out) < 12
    assert [int(bytes(f[42:]).rstrip(b"\0")) for f in out] == list(range(12 - len(out), 12))
    h.m.check()


def test_states_in_time(h: TapHost) -> None:
    s = h.sock(7000)
    send(h, s)
    h.rx(answer())
    assert state(h) == NUD_REACHABLE
    h.run(50_000)  # reachable_time is 15 to 45 s
    assert state(h) == NUD_STALE
    (f,) = send(h, s)
    assert f[:6] == PEER_MAC
    assert state(h) == NUD_DELAY
    out = h.run(5_100)  # delay_first_probe_time
    assert state(h) == NUD_PROBE
    assert [(f[:6], f[12:14]) for f in out] == [(PEER_MAC, ARP)]  # asked directly
    h.rx(answer())
    assert state(h) == NUD_REACHABLE
    h.run(50_000)
    send(h, s)
    out = h.run(9_000)
    assert len(out) == 3  # ucast_solicit
    assert state(h) == NUD_FAILED or entry(h) is None


def test_another_address_is_taken_over(h: TapHost) -> None:
    s = h.sock(7000)
    send(h, s)
    h.rx(answer())
    other = b"\2\0\0\0\0\x55"
    h.rx(answer(other))  # within locktime (1 s): the first answer is believed
    n = entry(h)
    assert n is not None and n.ha == PEER_MAC
    h.run(1_100)
    h.rx(answer(other))
    assert n.ha == other and n.nud_state == NUD_REACHABLE
    h.rx(arp_frame(ARPOP_REQUEST, b"\2\0\0\0\0\x56", PEER, b"", HOST))  # a request is believed at once
    assert n.ha == b"\2\0\0\0\0\x56" and n.nud_state == NUD_STALE


def test_a_permanent_entry_stays() -> None:
    h = TapHost()
    h.rx(arp_frame(ARPOP_REQUEST, b"\2\0\0\0\0\x55", PEER, b"", HOST))
    h.run(100_000)
    n = entry(h)
    assert n is not None and n.ha == PEER_MAC and n.nud_state == NUD_PERMANENT
    h.close()


def test_proxy_arp() -> None:
    h = TapHost(sysctls={"net.ipv4.ip_forward": "1"}, routes=(("10.9.0.0/16", "10.0.0.1"),))
    assert h.rx(ask(ip4("10.9.0.1"))) == []
    h.m.kernel.sysctl.set("net.ipv4.conf.tap0.proxy_arp", "1")
    assert h.rx(ask(ip4("10.9.0.1"))) == []  # the answer would go out where the question came in
    h.m.kernel.sysctl.set("net.ipv4.conf.tap0.proxy_arp_pvlan", "1")
    out = h.rx(ask(ip4("10.9.0.1"))) + h.run(1000)
    assert len(out) == 1
    h.close()


@pytest.mark.parametrize("cut", [0, 10, 27])
def test_short_packets_are_dropped(h: TapHost, cut: int) -> None:
    f = ask(HOST)[: 14 + cut]
    assert h.rx(f) == []
    assert h.m.ledger.total_dropped() == 1
    h.m.check()
