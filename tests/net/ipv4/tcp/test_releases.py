"""What TCP's receiver does otherwise in 3.13, 5.15, 6.1 and 6.18: one conversation, four answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.net.ipv4.tcp.peer import ACK, FIN, HOST, HOST_MAC, NO_OPTIONS, PEER, PEER_MAC, PSH, RST, SYN, Bench, seg

from rxpath.net.core.sock import SO_PEEK_OFF, SO_RCVLOWAT, SOL_SOCKET, SOL_TCP
from rxpath.net.ipv4.tcp.sockopt import TCP_INFO, TCP_INQ, TCP_SAVE_SYN
from rxpath.sockets import Socket
from rxpath.wire.build import tcp_frame
from rxpath.wire.tcp import TcpOptions

RELEASES = ["3.13", "5.15", "6.1", "6.18"]
SACK = TcpOptions(mss=1460, sack_ok=True, wscale=7)
EOPNOTSUPP, ENOPROTOOPT = 95, 92


class Held(Bench):
    """The program accepts and keeps the socket in `c`; `do` runs a call on it."""

    def __init__(self, release: str, *, options: TcpOptions = NO_OPTIONS, rcvbuf: int = 0) -> None:
        kept: list[Socket] = []
        super().__init__(kept.append, release, options=options, rcvbuf=rcvbuf)
        self.c = kept[0]

    def do(self, fn: Callable[[], object]) -> object:
        return self.m.in_task(fn)

    def errno_of(self, fn: Callable[[], object]) -> int:
        with pytest.raises(OSError) as e:
            self.do(fn)
        return e.value.errno or 0


@pytest.mark.parametrize(("release", "rcvbuf"), [("3.13", 374400), ("5.15", 131072), ("6.1", 131072)])
def test_a_new_connections_buffer(release: str, rcvbuf: int) -> None:
    # 3.13: tcp_fixup_rcvbuf, 2 * SKB_TRUESIZE(1460 + MAX_TCP_HEADER) * 20 segments, times four
    b = Held(release)
    assert b.sk.rcvbuf == rcvbuf
    assert b.sk.rcvq_space == (29200 if release == "3.13" else 14600)
    b.m.close()


def test_a_buffer_that_was_set_is_left_alone() -> None:
    b = Held("3.13", rcvbuf=8192)
    assert b.sk.rcvbuf == 16384
    b.m.close()


@pytest.mark.parametrize(("release", "window"), [("3.13", 29200), ("5.15", 64240), ("6.1", 64240)])
def test_first_window(release: str, window: int) -> None:
    b = Held(release)
    assert b.sent[0].flags == SYN | ACK
    assert b.sent[0].window == window
    b.m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_clock_of_time_stamps(release: str) -> None:
    """3.13 counts jiffies, everybody else milliseconds."""
    b = Held(release, options=TcpOptions(mss=1460, sack_ok=True, tsval=77, wscale=7))
    first = TcpOptions.parse(b.sent[0].options).tsval
    assert first is not None
    began = b.m.now
    b.feed((1, seg(0, b"x" * 10, options=TcpOptions(tsval=78, tsecr=first))), until_ms=2)
    b.feed((1000, seg(10, b"x" * 10, options=TcpOptions(tsval=79, tsecr=first))), until_ms=1002)
    stamps = [TcpOptions.parse(s.options).tsval or 0 for s in b.sent[-2:]]
    ticks = b.m.kernel.hz if release == "3.13" else 1000
    assert abs(stamps[1] - stamps[0] - ticks) <= 1
    if release == "3.13":  # the counter itself, without a connection's own offset
        assert abs(first - b.m.kernel.boot_jiffies) <= began * ticks // 1_000_000_000
    b.m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_syn_without_ack_inside_a_connection(release: str) -> None:
    """RFC 5961 wants a challenge; 3.13 throws away what has neither ACK nor RST."""
    b = Held(release)
    n = len(b.sent)
    b.feed((1, seg(0, flags=SYN)))
    assert len(b.sent) - n == (0 if release == "3.13" else 1)
    assert b.count("TCPSYNChallenge") == (0 if release == "3.13" else 1)
    b.m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_reset_with_the_number_of_the_fin(release: str) -> None:
    b = Held(release)
    b.feed((1, seg(0, flags=FIN | ACK)), (5, seg(0, flags=RST)))
    assert b.sk.state == (8 if release == "3.13" else 7)  # CLOSE_WAIT, CLOSE
    b.m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_fin_is_joined_to_data(release: str) -> None:
    b = Held(release)
    b.feed((1, seg(0, b"a" * 100)), (2, seg(100, b"b" * 100, ACK | PSH | FIN)))
    assert b.count("TCPRcvCoalesce") == (0 if release == "3.13" else 1)
    assert len(b.sk.receive_queue) == (2 if release == "3.13" else 1)
    assert b.do(lambda: b.c.recv(1000)) == b"a" * 100 + b"b" * 100
    assert b.do(lambda: b.c.recv(1000)) == b""
    b.m.check()
    b.m.close()
    b.m.ledger.check(0)


@pytest.mark.parametrize("release", RELEASES)
def test_a_filled_hole(release: str) -> None:
    b = Held(release, options=SACK)
    d = [bytes([65 + i]) * 200 for i in range(3)]
    b.feed((1, seg(400, d[2])), (2, seg(200, d[1])), (3, seg(0, d[0])))
    # 3.13 keeps a list: it looks for a neighbour at its end only, and never joins when it moves
    assert (b.count("TCPRcvCoalesce") > 0) == (release != "3.13")
    assert b.count("TCPOFOQueue") == 2
    assert b.sk.rcv_nxt == 1600
    assert b.do(lambda: b.c.recv(1000)) == b"".join(d)
    b.m.check()
    b.m.close()
    b.m.ledger.check(0)


@pytest.mark.parametrize("release", RELEASES)
def test_a_hole_starts_quick_acks_in_3_13(release: str) -> None:
    b = Held(release, options=SACK)
    b.sk.ack_quick = 0
    b.sk.ato = 10
    b.feed((1, seg(200, b"x" * 50)))
    assert (b.sk.ack_quick > 0) == (release == "3.13")
    b.m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_no_room_for_the_next_segment(release: str) -> None:
    """3.13 says nothing, 5.15 and 6.1 count it and wake the reader, 6.18 shuts the window with an ACK."""
    b = Held(release)
    prot = b.m.net.ipv4.tcp_prot
    prot.mem[:] = [0, 0, 0]
    prot.rmem_min = 0
    n = len(b.sent)
    b.feed((1, seg(0, b"x" * 100)))
    # an empty queue takes one whatever the pool says
    assert b.sk.rcv_nxt == (1000 if release == "3.13" else 1100)
    assert len(b.sent) - n == (0 if release == "3.13" else 1)
    if release == "6.18":
        assert b.sent[-1].window == 0
    b.feed((1, seg(100, b"x" * 1000)), (2, seg(1100, b"x" * 1000)))
    # what the forced page leaves room for comes in; with 6.18 it is the last one, behind a hole
    assert b.sk.rcv_nxt == {"3.13": 1000, "5.15": 2100, "6.1": 2100, "6.18": 1100}[release]
    assert b.m.ledger.total_dropped() == {"3.13": 3, "5.15": 1, "6.1": 1, "6.18": 1}[release]
    assert (b.sk.drops > 0) == (release != "3.13")
    assert b.count("TCPRcvQDrop") == (1 if release in ("5.15", "6.1") else 0)
    b.m.check()
    b.m.close()
    b.m.ledger.check(0)


@pytest.mark.parametrize("release", RELEASES)
def test_low_water_mark(release: str) -> None:
    """From 4.18 on a reader sleeps until there is enough; before, each segment wakes it for nothing."""
    got: list[bytes] = []
    wakes: list[int] = []

    def reader(c: Socket) -> None:
        c.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 300)
        got.append(c.recv(1000))

    b = Bench(reader, release, low_latency=1)
    tp = b.m.kernel.trace.sched_wakeup
    tp.attach(lambda _tp, _cpu, _now, values: wakes.append(1) if values[0].name == "program" else None)
    b.feed(*[(1 + i, seg(100 * i, b"x" * 100)) for i in range(3)])
    assert got == [b"x" * 300]
    assert len(wakes) == (3 if release == "3.13" else 1)
    b.m.close()


@pytest.mark.parametrize(("release", "n"), [("3.13", 104), ("5.15", 232), ("6.1", 232), ("6.18", 280)])
def test_options_of_the_release(release: str, n: int) -> None:
    b = Held(release)
    info = b.c.sk.getsockopt(SOL_TCP, TCP_INFO)
    assert len(info) == n
    if release == "3.13":
        assert b.errno_of(lambda: b.c.sk.setsockopt(SOL_TCP, TCP_INQ, 1)) == ENOPROTOOPT
        assert b.errno_of(lambda: b.c.sk.getsockopt(SOL_TCP, TCP_SAVE_SYN)) == ENOPROTOOPT
    else:
        b.do(lambda: b.c.sk.setsockopt(SOL_TCP, TCP_INQ, 1))
    if release == "6.18":
        b.do(lambda: b.c.sk.setsockopt(SOL_SOCKET, SO_PEEK_OFF, 0))
    else:
        assert b.errno_of(lambda: b.c.sk.setsockopt(SOL_SOCKET, SO_PEEK_OFF, 0)) == EOPNOTSUPP
    b.m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_currestab_of_a_half_closed_connection(release: str) -> None:
    b = Held(release)
    assert b.m.net.ipv4.tcp[8] == 1
    b.feed((1, seg(0, flags=FIN | ACK)))
    assert b.m.net.ipv4.tcp[8] == (0 if release == "3.13" else 1)
    b.m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_bad_checksum_of_a_locked_socket(release: str) -> None:
    """A long segment for a socket that a program owns: 3.13 looks at its checksum when the backlog is done."""
    b = Held(release)
    b.sk.owned = True
    b.feed((1, seg(0, b"x" * 200, bad=True)))
    assert len(b.sk.backlog) == (1 if release == "3.13" else 0)
    assert b.m.net.ipv4.tcp[14] == (0 if release == "3.13" else 1)  # InCsumErrors
    b.sk.owned = False
    b.m.check()
    b.m.close()
    b.m.ledger.check(0)


@pytest.mark.parametrize("release", RELEASES)
def test_cookies_count_as_drops_in_3_13(release: str) -> None:
    b = Held(release)
    b.m.kernel.files.write("/proc/sys/net/ipv4/tcp_syncookies", "2\n")
    n = len(b.sent)
    b.feed((1, tcp_frame(PEER_MAC, HOST_MAC, PEER, HOST, 40001, 8000, 5, 0, SYN)))
    assert b.sent[n].flags == SYN | ACK
    assert b.count("SyncookiesSent") == 1
    assert b.count("ListenDrops") == (1 if release == "3.13" else 0)
    b.m.close()
