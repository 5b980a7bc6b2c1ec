"""ICMP: what is answered, what is not, and how often."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.wire.addr import ip4
from rxpath.wire.checksum import ip_compute_csum
from rxpath.wire.icmp import IcmpView, icmp_message
from rxpath.wire.ipv4 import Ipv4View

from .taphost import BROADCAST_MAC, HOST, PEER, RELEASES, TapHost


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost()
    yield t
    t.close()


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("size", [0, 1, 56, 1472])
def test_echo(release: str, size: int) -> None:
    h = TapHost(release)
    data = bytes(i & 0xFF for i in range(size))
    out: list[bytes] = []
    moved = h.moved(lambda: out.extend(h.rx(h.echo(data))))
    (f,) = out
    assert (f[:6], f[6:12]) == (b"\2\0\0\0\0\1", b"\2\0\0\0\0\2")
    ip = Ipv4View(f[14:])
    icmp = IcmpView(ip.payload)
    assert (ip.saddr, ip.daddr, ip.ttl, ip.check_ok()) == (HOST, PEER, 64, True)
    assert (icmp.type, icmp.code, icmp.check_ok()) == (0, 0, True)
    assert bytes(ip.payload[4:8]) == struct.pack("!HH", 7, 1)
    assert bytes(ip.payload[8:]) == data
    assert {k: moved[k] for k in ("Icmp.InMsgs", "Icmp.InEchos", "Icmp.OutEchoReps", "IcmpMsg.InType8")} == {
        "Icmp.InMsgs": 1, "Icmp.InEchos": 1, "Icmp.OutEchoReps": 1, "IcmpMsg.InType8": 1,
    }  # fmt: skip
    h.m.check()
    assert h.m.ledger.total_consumed() == 1
    h.close()


def test_an_echo_larger_than_the_mtu_is_answered_in_pieces(h: TapHost) -> None:
    from rxpath.wire.build import fragment_frame

    out = h.rx(*fragment_frame(h.echo(bytes(4000)), 1500, pad=False))
    assert [Ipv4View(f[14:]).frag_off & 0x1FFF for f in out] == [0, 185, 370]
    assert sum(len(f) - 34 for f in out) == 4008


def test_an_echo_with_a_wrong_sum(h: TapHost) -> None:
    f = bytearray(h.echo())
    f[-1] ^= 1
    moved = h.moved(lambda: h.rx(bytes(f)))
    assert moved["Icmp.InErrors"] == moved["Icmp.InCsumErrors"] == 1


@pytest.mark.parametrize("dst", ["10.0.0.255", "255.255.255.255", "224.0.0.1"])
def test_broadcast_echoes_are_ignored(h: TapHost, dst: str) -> None:
    dmac = BROADCAST_MAC if not dst.startswith("224") else bytes.fromhex("01005e000001")
    assert h.rx(h.echo(dst=ip4(dst), dmac=dmac)) == []
    h.m.kernel.sysctl.set("net.ipv4.icmp_echo_ignore_broadcasts", "0")
    (f,) = h.rx(h.echo(dst=ip4(dst), dmac=dmac))
    assert Ipv4View(f[14:]).saddr == HOST


def test_echo_ignore_all(h: TapHost) -> None:
    h.m.kernel.sysctl.set("net.ipv4.icmp_echo_ignore_all", "1")
    assert h.rx(h.echo()) == []


def test_a_time_stamp_is_answered_in_milliseconds_of_the_day(h: TapHost) -> None:
    (f,) = h.rx(h.ip(1, icmp_message(13, 0, 1, 1, struct.pack("!III", 5, 0, 0))))
    icmp = bytes(Ipv4View(f[14:]).payload)
    orig, rcv, xmit = struct.unpack("!III", icmp[8:20])
    assert icmp[0] == 14 and orig == 5
    assert rcv == xmit == h.m.kernel.ktime_get_real() // 1_000_000 % 86_400_000


@pytest.mark.parametrize("type_, errors", [(1, 0), (2, 0), (7, 0), (15, 0), (18, 0), (19, 1), (44, 1), (255, 1)])
def test_types_without_a_meaning(h: TapHost, type_: int, errors: int) -> None:
    """Those of the table (up to 18) are passed over, others are errors."""
    moved = h.moved(lambda: h.rx(h.ip(1, icmp_message(type_, 0, 0, 0, bytes(8)))))
    assert moved.get("Icmp.InErrors", 0) == errors
    assert moved[f"IcmpMsg.InType{type_}"] == 1


def test_no_error_about_an_error_a_fragment_or_a_broadcast(h: TapHost) -> None:
    """RFC 1122, 3.2.2."""
    inner = h.udp(7000, src=HOST, dst=PEER)[14:]
    assert h.rx(h.ip(1, icmp_message(3, 3, 0, 0, inner))) == []
    assert h.rx(h.udp(7000, dst=ip4("10.0.0.255"), dmac=BROADCAST_MAC)) == []
    assert h.rx(h.ip(200, bytes(8), frag_off=3)) == []
    assert len(h.rx(h.ip(200, bytes(8)))) == 1  # protocol unreachable


def test_errors_to_one_destination_are_limited(h: TapHost) -> None:
    """icmp_ratelimit 1000 ms with a burst of six; echo replies are not in the mask."""
    got = sum(len(h.rx(h.udp(9))) for _ in range(20))
    assert got == 6
    assert len(h.run(3000)) == 0
    assert sum(len(h.rx(h.udp(9))) for _ in range(20)) == 3  # a token a second
    assert sum(len(h.rx(h.echo())) for _ in range(20)) == 20


def test_errors_quote_at_most_576_bytes(h: TapHost) -> None:
    (f,) = h.rx(h.udp(9, bytes(1400)))
    ip = Ipv4View(f[14:])
    assert len(f) == 14 + 576
    assert bytes(ip.payload[8:]) == h.udp(9, bytes(1400))[14 : 14 + 548]


def test_path_mtu_is_learned() -> None:
    h = TapHost(routes=(("10.9.0.0/16", "10.0.0.1"),))
    s = h.sock(7000, "", (0, 10, 1))  # IP_MTU_DISCOVER: DF on
    s.connect(("10.9.0.1", 9))
    assert s.getsockopt(0, 14) == 1500  # IP_MTU
    (f,) = h.do(lambda: (s.send(bytes(1000)), h.sent())[1])
    assert Ipv4View(f[14:]).frag_off & 0x4000
    h.rx(h.ip(1, icmp_message(3, 4, 0, 700, f[14:42])))
    assert s.getsockopt(0, 14) == 700
    with pytest.raises(OSError) as e:
        h.do(lambda: s.send(bytes(1000)))
    assert e.value.errno == 90
    h.run(601_000)  # mtu_expires
    assert s.getsockopt(0, 14) == 1500
    h.close()


def test_a_redirect_changes_the_gateway() -> None:
    h = TapHost(routes=(("10.9.0.0/16", "10.0.0.1"),), sysctls={"net.ipv4.conf.all.secure_redirects": "0"})
    s = h.sock(7000)
    (f,) = h.do(lambda: (s.sendto(b"x", ("10.9.0.1", 9)), h.sent())[1])
    assert f[:6] == b"\2\0\0\0\0\1"
    body = bytes([10, 0, 0, 9]) + f[14:42]
    redirect = h.ip(1, b"\5\1" + ip_compute_csum(b"\5\1\0\0" + body).to_bytes(2, "big") + body)
    (ask,) = h.rx(redirect)  # nobody knows 10.0.0.9 yet: it is asked for first
    assert ask[12:14] == b"\x08\x06" and ask[38:42] == bytes([10, 0, 0, 9])
    neigh_add(h.ipv4.arp_tbl, ip4("10.0.0.9"), h.tap, b"\2\0\0\0\0\x09", NUD_PERMANENT)
    assert h.rx(redirect) == []
    (out,) = h.do(lambda: (s.sendto(b"x", ("10.9.0.1", 9)), h.sent())[1])
    assert out[:6] == b"\2\0\0\0\0\x09"
    h.close()
