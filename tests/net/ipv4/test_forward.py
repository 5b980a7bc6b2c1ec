"""Forwarding, raw and packet sockets."""

from __future__ import annotations

import pytest

from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4
from rxpath.wire.icmp import IcmpView
from rxpath.wire.ipv4 import Ipv4View

from .taphost import HOST, PEER_MAC, RELEASES, TapHost

FAR = ip4("10.1.0.9")
FAR_MAC = b"\2\0\0\0\0\x09"


def router(release: str = "6.18", **more: object) -> TapHost:
    h = TapHost(
        release, addrs=("10.0.0.2/24", "10.1.0.2/24"), sysctls={"net.ipv4.ip_forward": "1"}, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    h.do(lambda: neigh_add(h.ipv4.arp_tbl, FAR, h.tap, FAR_MAC, NUD_PERMANENT))
    return h


@pytest.mark.parametrize("release", RELEASES)
def test_a_packet_goes_on(release: str) -> None:
    h = router(release)
    h.m.kernel.sysctl.set("net.ipv4.conf.all.send_redirects", "0")
    h.m.kernel.sysctl.set("net.ipv4.conf.tap0.send_redirects", "0")
    out: list[bytes] = []
    moved = h.moved(lambda: out.extend(h.rx(h.udp(9, b"abc", dst=FAR, ttl=10))))
    (f,) = out
    ip = Ipv4View(f[14:])
    assert (f[:6], ip.ttl, ip.check_ok(), bytes(ip.payload[8:])) == (FAR_MAC, 9, True, b"abc")
    assert moved["Ip.ForwDatagrams"] == 1 and "Ip.InDelivers" not in moved
    h.m.check()
    assert h.m.ledger.total_consumed() == 1
    h.close()


def test_the_ttl_ends() -> None:
    h = router()
    (f,) = h.rx(h.udp(9, b"abc", dst=FAR, ttl=1))
    ip = Ipv4View(f[14:])
    icmp = IcmpView(ip.payload)
    assert (ip.saddr, icmp.type, icmp.code, f[:6]) == (HOST, 11, 0, PEER_MAC)
    assert h.m.ledger.total_dropped() == 1
    h.close()


@pytest.mark.parametrize("df", [True, False])
def test_too_big(df: bool) -> None:
    h = router(mtu=1000)
    h.m.kernel.sysctl.set("net.ipv4.conf.tap0.send_redirects", "0")
    h.m.kernel.sysctl.set("net.ipv4.conf.all.send_redirects", "0")
    out = h.rx(h.udp(9, bytes(1400), dst=FAR, frag_off=0x4000 if df else 0))
    if df:
        ip = Ipv4View(out[0][14:])
        assert bytes(ip.payload[:2]) == b"\3\4" and bytes(ip.payload[6:8]) == (1000).to_bytes(2, "big")
    else:
        assert [len(f) for f in out] == [14 + 996, 14 + 20 + 1408 - 976]
    h.m.check()
    h.close()


def test_a_host_does_not_forward() -> None:
    h = TapHost(addrs=("10.0.0.2/24", "10.1.0.2/24"))
    moved = h.moved(lambda: h.rx(h.udp(9, dst=FAR)))
    assert moved["Ip.InAddrErrors"] == 1
    h.close()


def test_raw_sockets_get_copies() -> None:
    h = TapHost()
    a, b, other = (Socket(h.net, 2, 3, p) for p in (1, 1, 47))
    for s in (a, b, other):
        s.setblocking(False)
    f = h.echo(b"data")
    assert len(h.rx(f)) == 1  # the kernel answers all the same
    assert a.recv(100) == b.recv(100) == f[14:]
    with pytest.raises(BlockingIOError):
        other.recv(100)
    h.m.check()
    h.close()


def test_a_raw_socket_makes_the_protocol_known() -> None:
    h = TapHost()
    assert bytes(Ipv4View(h.rx(h.ip(200, b"x" * 8))[0][14:]).payload[:2]) == b"\3\2"
    s = Socket(h.net, 2, 3, 200)
    s.setblocking(False)
    assert h.rx(h.ip(200, b"x" * 8)) == []
    assert s.recv(100)[20:] == b"x" * 8
    (f,) = h.do(lambda: (s.sendto(b"out", ("10.0.0.1", 0)), h.sent())[1])
    assert Ipv4View(f[14:]).protocol == 200
    h.close()


def test_header_included() -> None:
    h = TapHost()
    s = Socket(h.net, 2, 3, 255)
    pkt = bytearray(h.udp(9, b"mine", src=0)[14:])
    (f,) = h.do(lambda: (s.sendto(bytes(pkt), ("10.0.0.1", 0)), h.sent())[1])
    ip = Ipv4View(f[14:])
    assert (f[:6], ip.daddr) == (PEER_MAC, HOST)  # to where the call says, whatever the header says
    assert (ip.saddr, ip.check_ok(), bytes(ip.payload[8:])) == (HOST, True, b"mine")
    h.close()


def test_packet_sockets_see_everything_first() -> None:
    h = TapHost()
    s = Socket(h.net, 17, 3, 0)
    s.bind(("tap0", 3))
    s.setblocking(False)
    frames = [h.echo(), h.udp(7000, dmac=b"\2\0\0\0\0\x77"), b"\2\0\0\0\0\2" + PEER_MAC + b"\x88\xb5" + bytes(50)]
    out = h.rx(*frames)
    got = h.drain(s)
    assert got[0] == frames[0] and out[0] in got
    assert frames[1] in got and frames[2] in got
    h.m.check()
    h.close()


def test_ping_sockets() -> None:
    h = TapHost(sysctls={"net.ipv4.ping_group_range": "0 2147483647"})
    s = Socket(h.net, 2, 2, 1)
    s.bind(("", 321))
    s.setblocking(False)
    (f,) = h.do(lambda: (s.sendto(b"\x08\0\0\0\0\0\0\x05hello", ("10.0.0.1", 0)), h.sent())[1])
    assert bytes(Ipv4View(f[14:]).payload[4:8]) == (321).to_bytes(2, "big") + b"\0\5"
    from rxpath.wire.build import icmp_echo_frame

    h.rx(icmp_echo_frame(PEER_MAC, b"\2\0\0\0\0\2", ip4("10.0.0.1"), HOST, 321, 5, b"hello", reply=True))
    assert s.recv(100)[8:] == b"hello"
    h.close()
