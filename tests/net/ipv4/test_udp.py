"""UDP: who gets a datagram, what is refused and how it counts, what a program can see."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from rxpath.sockets import Socket
from rxpath.wire.addr import ip4
from rxpath.wire.icmp import IcmpView
from rxpath.wire.ipv4 import Ipv4View

from .taphost import BROADCAST_MAC, ERRQUEUE, HOST, MS, PEEK, RELEASES, TRUNC, TapHost

SO_REUSEADDR, SO_BROADCAST, SO_REUSEPORT, SO_RXQ_OVFL, SO_PEEK_OFF, SO_TIMESTAMP, SO_BINDTODEVICE = (
    2,
    6,
    15,
    40,
    42,
    29,
    25,
)
IP_TOS, IP_TTL, IP_PKTINFO, IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_ALL = (
    1, 2, 8, 11, 12, 13, 35, 36, 49)  # fmt: skip


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost()
    yield t
    t.close()


@pytest.mark.parametrize("release", RELEASES)
def test_a_datagram_reaches_its_socket(release: str) -> None:
    h = TapHost(release)
    s = h.sock(7000)
    moved = h.moved(lambda: h.rx(h.udp(7000, b"hello")))
    # 6.x counts a datagram when it is read, as 3.13 does; 5.15 too
    assert moved.pop("Udp.InDatagrams", 0) == 0
    assert moved == {"Ip.InReceives": 1, "Ip.InDelivers": 1}
    assert h.moved(lambda: s.recvfrom(100)) == {"Udp.InDatagrams": 1}
    h.rx(h.udp(7000, b"again"))
    assert s.recvfrom(100) == (b"again", ("10.0.0.1", 4000))
    h.m.check()
    assert h.m.ledger.delivered == 2
    h.close()


def test_a_blocked_reader_is_woken(h: TapHost) -> None:
    s = h.sock(7000)
    s.setblocking(True)
    got: list[tuple[bytes, int]] = []

    def program() -> None:
        while True:
            got.append((s.recv(100), h.m.now))

    h.m.spawn(program)
    h.run(10)
    assert got == []
    at = h.m.now
    h.rx(h.udp(7000, b"one"), h.udp(7000, b"two"))
    h.run(1)
    assert got == [(b"one", at), (b"two", at)]


def test_a_time_out(h: TapHost) -> None:
    s = h.sock(7000)
    s.settimeout(0.25)
    began = h.m.now

    def program() -> int:
        with pytest.raises(TimeoutError):
            s.recv(10)
        return h.m.now

    waited = h.do(program) - began
    assert 250 * MS <= waited <= 258 * MS  # whole ticks of 4 ms


def test_outside_of_a_task_nothing_blocks(h: TapHost) -> None:
    s = h.sock(7000)
    s.setblocking(True)
    with pytest.raises(BlockingIOError):
        s.recv(10)


def test_no_socket_answers_port_unreachable(h: TapHost) -> None:
    out: list[bytes] = []
    frame = h.udp(7000, b"z" * 40)
    moved = h.moved(lambda: out.extend(h.rx(frame)))
    assert moved == {
        "Ip.InReceives": 1, "Ip.InDelivers": 1, "Udp.NoPorts": 1, "Icmp.OutMsgs": 1, "Icmp.OutDestUnreachs": 1,
        "IcmpMsg.OutType3": 1, "Ip.OutRequests": 1, **({"Ip.OutTransmits": 1} if "Ip.OutTransmits" in moved else {}),
    }  # fmt: skip
    (reply,) = out
    ip = Ipv4View(reply[14:])
    icmp = IcmpView(ip.payload)
    assert (ip.saddr, ip.daddr, ip.tos, icmp.type, icmp.code) == (HOST, ip4("10.0.0.1"), 0xC0, 3, 3)
    assert bytes(ip.payload[8:]) == frame[14:]
    assert h.m.ledger.total_dropped() == 1


@pytest.mark.parametrize(
    "what, checksum, counted",
    [("none", 0, {}), ("wrong", 0x1234, {"Udp.InErrors": 1, "Udp.InCsumErrors": 1})],
)
def test_checksums(h: TapHost, what: str, checksum: int, counted: dict[str, int]) -> None:
    s = h.sock(7000)
    moved = h.moved(lambda: (h.rx(h.udp(7000, b"abc", checksum=checksum)), h.drain(s)))
    moved = {k: v for k, v in moved.items() if k.startswith("Udp.")}
    assert moved == (counted or {"Udp.InDatagrams": 1})


@pytest.mark.parametrize("ulen, counted", [(7, "InErrors"), (100, "InErrors")])
def test_a_length_that_cannot_be(h: TapHost, ulen: int, counted: str) -> None:
    s = h.sock(7000)
    data = struct.pack("!HHHH", 4000, 7000, ulen, 0) + b"abcd"
    moved = h.moved(lambda: h.rx(h.ip(17, data)))
    assert {k: v for k, v in moved.items() if k.startswith("Udp.")} == {"Udp." + counted: 1}
    assert h.drain(s) == []


def test_what_lies_behind_the_datagram_is_cut(h: TapHost) -> None:
    s = h.sock(7000)
    h.rx(h.ip(17, struct.pack("!HHHH", 4000, 7000, 11, 0) + b"abcdefgh"))
    assert h.drain(s) == [b"abc"]


def test_peek_and_trunc(h: TapHost) -> None:
    s = h.sock(7000)
    h.rx(h.udp(7000, b"0123456789"), h.udp(7000, b"next"))
    assert s.recv(4, PEEK) == b"0123"
    assert s.recvmsg(4, 0, PEEK)[2] == TRUNC
    assert s.inq() == 10
    assert s.recv(4) == b"0123"  # the rest of it is gone
    assert s.recv(100) == b"next"
    assert h.m.ledger.delivered == 2


def test_peek_offset_walks(h: TapHost) -> None:
    s = h.sock(7000)
    s.setsockopt(1, SO_PEEK_OFF, 0)
    h.rx(h.udp(7000, b"abcdef"), h.udp(7000, b"ghi"))
    assert [s.recv(4, PEEK), s.recv(4, PEEK), s.recv(4, PEEK)] == [b"abcd", b"ef", b"ghi"]
    assert s.recv(10) == b"abcdef"
    assert s.getsockopt(1, SO_PEEK_OFF) == 3


def test_a_connected_socket_hears_its_peer_only(h: TapHost) -> None:
    s, any_ = h.sock(7000, "", (1, SO_REUSEADDR, 1)), h.sock(7000, "", (1, SO_REUSEADDR, 1))
    s.connect(("10.0.0.1", 4000))
    h.rx(h.udp(7000, b"his"), h.udp(7000, b"port", sport=4001), h.udp(7000, b"addr", src=ip4("10.0.0.3")))
    assert h.drain(s) == [b"his"]
    assert h.drain(any_) == [b"port", b"addr"]
    assert s.getpeername() == ("10.0.0.1", 4000)
    assert s.getsockname() == ("10.0.0.2", 7000)
    s.disconnect()
    with pytest.raises(OSError, match="not connected"):
        s.getpeername()


def test_the_better_match_wins(h: TapHost) -> None:
    wild = h.sock(7000, "", (1, SO_REUSEADDR, 1))
    own = h.sock(7000, "10.0.0.2", (1, SO_REUSEADDR, 1))
    dev = h.sock(7000, "", (1, SO_REUSEADDR, 1))
    h.rx(h.udp(7000, b"1"))
    dev.setsockopt(1, SO_BINDTODEVICE, b"tap0")
    dev2 = h.sock(7000, "10.0.0.2", (1, SO_REUSEADDR, 1))
    dev2.setsockopt(1, SO_BINDTODEVICE, b"tap0")
    h.rx(h.udp(7000, b"2"))
    assert [h.drain(x) for x in (wild, own, dev, dev2)] == [[], [b"1"], [], [b"2"]]


def test_a_socket_of_another_device_is_passed_over(h: TapHost) -> None:
    lo = h.sock(7000)
    lo.setsockopt(1, SO_BINDTODEVICE, b"lo")
    assert len(h.rx(h.udp(7000))) == 1  # port unreachable
    assert h.drain(lo) == []


def test_broadcast_and_multicast_reach_every_socket(h: TapHost) -> None:
    opt = (1, SO_REUSEADDR, 1)
    a, b, one = h.sock(7000, "", opt), h.sock(7000, "", opt), h.sock(7000, "10.0.0.2", opt)
    h.rx(h.udp(7000, b"bc", dst=0xFFFFFFFF, dmac=BROADCAST_MAC))
    assert [h.drain(x) for x in (a, b, one)] == [[b"bc"], [b"bc"], []]
    group, gmac = ip4("239.1.2.3"), bytes.fromhex("01005e010203")
    membership = bytes([239, 1, 2, 3, 10, 0, 0, 2])
    h.rx(h.udp(7000, b"before", dst=group, dmac=gmac))
    a.setsockopt(0, IP_ADD_MEMBERSHIP, membership)
    b.setsockopt(0, IP_MULTICAST_ALL, 0)
    one.setsockopt(0, IP_MULTICAST_ALL, 0)
    h.rx(h.udp(7000, b"mc", dst=group, dmac=gmac))
    a.setsockopt(0, IP_DROP_MEMBERSHIP, membership)
    h.rx(h.udp(7000, b"after", dst=group, dmac=gmac))
    assert [h.drain(x) for x in (a, b, one)] == [[b"mc"], [], []]
    h.m.check()


def test_a_group_of_sockets_shares_by_flow(h: TapHost) -> None:
    socks = [h.sock(7000, "", (1, SO_REUSEPORT, 1)) for _ in range(4)]
    for _ in range(3):
        h.rx(*(h.udp(7000, b"%d" % sport, sport=sport) for sport in range(5000, 5064)))
    got = [h.drain(s) for s in socks]
    assert sum(map(len, got)) == 3 * 64
    assert all(len(g) > 10 for g in got)  # 64 flows: nobody is left out
    for g in got:  # a flow stays with its socket
        assert all(g.count(f) == 3 for f in set(g))


def test_control_messages(h: TapHost) -> None:
    s = h.sock(7000, "", (0, IP_RECVTTL, 1), (0, IP_RECVTOS, 1), (0, IP_PKTINFO, 1), (1, SO_TIMESTAMP, 1))
    h.run(1500)
    h.rx(h.udp(7000, b"x", ttl=9, tos=0xB8))
    _, anc, flags, _ = s.recvmsg(10, 1000)
    by = {(a, b): c for a, b, c in anc}
    assert flags == 0
    assert struct.unpack("i", by[0, IP_TTL]) == (9,)
    assert by[0, IP_TOS] == b"\xb8"
    assert struct.unpack("=i4s4s", by[0, IP_PKTINFO]) == (h.tap.ifindex, bytes([10, 0, 0, 2]), bytes([10, 0, 0, 2]))
    assert len(by[1, SO_TIMESTAMP]) == 16
    h.rx(h.udp(7000, b"x"))
    assert s.recvmsg(10, 20)[2] == 8  # MSG_CTRUNC


def test_overflow_is_told(h: TapHost) -> None:
    s = h.sock(7000, "", (1, 8, 0), (1, SO_RXQ_OVFL, 1))
    h.rx(*(h.udp(7000, b"%d" % i) for i in range(12)))
    first = s.recvmsg(10, 100)
    rest = h.drain(s)
    assert first[0] == b"0" and not first[1]  # nothing was lost before it
    h.rx(h.udp(7000, b"later"))
    _, anc, _, _ = s.recvmsg(10, 100)
    assert anc == [(1, SO_RXQ_OVFL, struct.pack("I", 11 - len(rest)))]


def test_icmp_errors_reach_the_sender(h: TapHost) -> None:
    s = h.sock(7000)
    s.connect(("10.0.0.1", 9))
    (out,) = h.do(lambda: (s.send(b"question"), h.sent())[1])
    from rxpath.wire.build import icmp_error_frame

    error = icmp_error_frame(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", ip4("10.0.0.1"), HOST, 3, 3, out[14:])
    h.rx(error)
    assert s.poll() & 8
    with pytest.raises(ConnectionRefusedError):
        s.recv(10)
    with pytest.raises(BlockingIOError):  # told once
        s.recv(10)
    s.setsockopt(0, IP_RECVERR, 1)
    h.rx(error)
    data, anc, flags, name = s.recvmsg(100, 200, ERRQUEUE)
    assert (data, name, flags & ERRQUEUE) == (b"question", ("10.0.0.1", 9), ERRQUEUE)
    ((level, type_, ee),) = anc
    assert (level, type_, struct.unpack("=IBBBBII", ee[:16])) == (0, IP_RECVERR, (111, 2, 3, 3, 0, 0, 0))
    assert struct.unpack("=H", ee[16:18]) == (2,) and ee[20:24] == bytes([10, 0, 0, 1])


def test_an_error_for_an_unconnected_socket_is_not_told(h: TapHost) -> None:
    s = h.sock(7000)
    (out,) = h.do(lambda: (s.sendto(b"q", ("10.0.0.1", 9)), h.sent())[1])
    from rxpath.wire.build import icmp_error_frame

    h.rx(icmp_error_frame(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", ip4("10.0.0.1"), HOST, 3, 3, out[14:]))
    with pytest.raises(BlockingIOError):
        s.recv(10)


def test_what_is_sent(h: TapHost) -> None:
    s = h.sock(7000, "", (0, IP_TTL, 5), (0, IP_TOS, 0x10))
    (f,) = h.do(lambda: (s.sendto(b"data", ("10.0.0.1", 9)), h.sent())[1])
    ip = Ipv4View(f[14:])
    assert (ip.saddr, ip.daddr, ip.ttl, ip.tos, ip.protocol) == (HOST, ip4("10.0.0.1"), 5, 0x10, 17)
    assert ip.check_ok()
    assert bytes(ip.payload[8:]) == b"data"
    h.m.check()


def test_loopback_and_own_address(h: TapHost) -> None:
    s = h.sock(7000)
    for to in ("127.0.0.1", "10.0.0.2"):
        h.do(lambda to=to: s.sendto(to.encode(), (to, 7000)))
    assert h.drain(s) == [b"127.0.0.1", b"10.0.0.2"]
    assert h.sent() == []
    h.m.check()


def test_errors_of_calls(h: TapHost) -> None:
    def err(fn: object, *a: object) -> int:
        with pytest.raises(OSError) as e:
            h.do(lambda: fn(*a))  # type: ignore[operator]
        assert e.value.errno is not None
        return e.value.errno

    s = h.sock(7000)
    other = h.sock()
    assert err(h.sock().bind, ("", 7000)) == 98  # EADDRINUSE
    assert err(h.sock().bind, ("10.9.9.9", 1)) == 99  # EADDRNOTAVAIL
    assert err(s.bind, ("", 7001)) == 22
    assert err(other.sendto, b"x", ("10.0.0.255", 9)) == 13  # EACCES: SO_BROADCAST is off
    assert err(other.sendto, b"x", ("172.16.0.1", 9)) == 101  # ENETUNREACH
    assert err(other.sendto, b"x", ("10.0.0.1", 0)) == 22
    assert err(other.sendto, b"x" * 65508, ("10.0.0.1", 9)) == 90  # EMSGSIZE
    assert err(other.send, b"x") == 89  # EDESTADDRREQ
    assert err(other.getpeername) == 107
    assert err(other.setsockopt, 0, 200, 1) == 92  # ENOPROTOOPT
    assert err(other.setsockopt, 1, SO_BINDTODEVICE, b"nodev") == 19
    assert err(other.recv, 10) == 11
    s.close()
    assert err(s.recv, 10) == 9
    other.setsockopt(1, SO_BROADCAST, 1)
    assert h.do(lambda: other.sendto(b"x", ("10.0.0.255", 9))) == 1
    h.sock().bind(("", 7000))  # free again


def test_a_shut_socket_reads_end(h: TapHost) -> None:
    s = h.sock(7000)
    s.connect(("10.0.0.1", 9))
    s.shutdown(0)
    with pytest.raises(BlockingIOError):
        s.recv(10)
    s.setblocking(True)
    assert h.do(lambda: s.recv(10)) == b""
    s.shutdown(1)
    with pytest.raises(BrokenPipeError):
        s.send(b"x")


def test_closing_with_a_full_queue_books_every_frame(h: TapHost) -> None:
    s = h.sock(7000)
    h.rx(*(h.udp(7000, b"%d" % i) for i in range(5)))
    assert h.m.in_flight() == 5
    h.m.check()
    s.close()
    assert h.m.in_flight() == 0
    h.m.check()
    assert h.m.ledger.delivered == 0


@pytest.mark.parametrize("release", RELEASES)
def test_a_chosen_port_is_free_unreserved_and_in_range(release: str) -> None:
    h = TapHost(release)
    table = h.m.kernel.sysctl
    table.set("net.ipv4.ip_local_port_range", "40000 40007")
    table.set("net.ipv4.ip_local_reserved_ports", "40000-40002,40004,65535")
    assert table.get("net.ipv4.ip_local_reserved_ports") == "40000-40002,40004,65535"
    for kind in (2, 1):
        socks = [Socket(h.m.net, 2, kind, 0) for _ in range(5)]
        for s in socks[:4]:
            s.bind(("10.0.0.2", 0))
        assert sorted(s.getsockname()[1] for s in socks[:4]) == [40003, 40005, 40006, 40007]
        with pytest.raises(OSError, match="98"):
            socks[4].bind(("10.0.0.2", 0))
        socks[4].bind(("10.0.0.2", 40001))  # one may be asked for
    h.close()


def test_the_range_of_a_socket_lies_in_that_of_the_system(h: TapHost) -> None:
    h.m.kernel.sysctl.set("net.ipv4.ip_local_port_range", "40000 40100")
    for lo, hi, seen in ((40050, 40050, 40050), (100, 40000, 40000), (40100, 50000, 40100)):
        s = Socket(h.m.net, 2, 2, 0)
        s.setsockopt(0, 51, hi << 16 | lo)
        s.bind(("10.0.0.2", 0))
        assert s.getsockname()[1] == seen
    with pytest.raises(OSError, match="22"):
        h.m.kernel.sysctl.set("net.ipv4.ip_unprivileged_port_start", "40001")
    with pytest.raises(OSError, match="22"):
        h.m.kernel.sysctl.set("net.ipv4.ip_local_port_range", "1023 40000")


@pytest.mark.parametrize("release,last", [("6.1", "newer"), ("6.18", "older")])
def test_a_second_peer_is_not_in_the_table_of_both_ends(release: str, last: str) -> None:
    """6.18 finds a first peer there before all others, a later one by score alone."""
    h = TapHost(release)
    older = h.sock(7000, "10.0.0.2", (1, SO_REUSEADDR, 1))
    newer = h.sock(7000, "10.0.0.2", (1, SO_REUSEADDR, 1))
    h.sock(7000, "10.0.0.2", (1, SO_REUSEADDR, 1))  # the only one that early demux looks at
    older.connect(("10.0.0.1", 4000))
    newer.connect(("10.0.0.9", 1))
    newer.connect(("10.0.0.1", 4000))
    h.rx(h.udp(7000, b"x"))
    assert {"older": older, "newer": newer}[last].recv(9) == b"x"
    h.close()
