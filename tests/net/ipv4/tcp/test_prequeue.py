"""The prequeue of 3.13: what a sleeping reader takes from it, counts of each counter, what makes it step aside."""

from __future__ import annotations

import random

import pytest
from tests.net.ipv4.tcp.peer import ACK, FIN, PSH, RST, URG, Bench, chunks, seg

from rxpath.kernel.sched import Task
from rxpath.net.core.sock import MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL
from rxpath.net.ipv4.mib import TCP_MIB_CSUMERRORS
from rxpath.observe.function_trace import FunctionTrace
from rxpath.sockets import Socket
from rxpath.wire.tcp import TcpOptions

COUNTERS = (
    "TCPPrequeued",
    "TCPDirectCopyFromBacklog",
    "TCPDirectCopyFromPrequeue",
    "TCPPrequeueDropped",
    "TCPHPHits",
    "TCPHPHitsToUser",
    "TCPSchedulerFailed",
)


def counts(b: Bench) -> dict[str, int]:
    return {n: b.count(n) for n in COUNTERS if b.count(n)}


def test_each_wait_takes_one_segment() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(1000))

    b = Bench(reader)
    d = chunks(3)
    b.feed(*[(1 + i, seg(100 * i, x)) for i, x in enumerate(d)])
    assert got == d
    assert counts(b) == {"TCPPrequeued": 3, "TCPDirectCopyFromPrequeue": 300, "TCPHPHitsToUser": 3}
    # none of it was ever charged to the socket
    assert b.sk.rmem_alloc == 0
    b.end(3)


def test_a_burst_is_one_round() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(1000))

    b = Bench(reader)
    d = chunks(4)
    b.feed(*[(1, seg(100 * i, x)) for i, x in enumerate(d)])
    assert got == [b"".join(d)]
    assert counts(b) == {"TCPPrequeued": 1, "TCPDirectCopyFromPrequeue": 400, "TCPHPHitsToUser": 4}
    b.end(4)


def test_a_small_buffer_splits_a_segment() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while len(b"".join(got)) < 300:
            got.append(c.recv(150))

    b = Bench(reader)
    d = chunks(3)
    b.feed(*[(1, seg(100 * i, x)) for i, x in enumerate(d)])
    # the first fits (fast path), half of the second does (slow path), then the receive queue
    assert got == [d[0] + d[1][:50], d[1][50:] + d[2]]
    assert counts(b) == {"TCPPrequeued": 1, "TCPDirectCopyFromPrequeue": 150, "TCPHPHitsToUser": 1}
    assert b.sk.rmem_alloc == 0
    b.end(3)


@pytest.mark.parametrize("release", ["5.15", "6.1", "6.18"])
def test_other_releases_have_none(release: str) -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(1000))

    b = Bench(reader, release)
    d = chunks(4)
    b.feed(*[(1, seg(100 * i, x)) for i, x in enumerate(d)])
    assert b"".join(got) == b"".join(d)
    assert "TCPPrequeued" not in b.m.kernel.files.read("/proc/net/netstat")
    assert not {n for n in counts(b) if n != "TCPHPHits"}
    b.end(4)


def test_low_latency_turns_it_off() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(1000))

    b = Bench(reader, low_latency=1)
    d = chunks(3)
    b.feed(*[(1 + i, seg(100 * i, x)) for i, x in enumerate(d)])
    assert got == d
    assert not {n for n in counts(b) if n != "TCPHPHits"}
    # and on again, while the reader sleeps: it is installed when it next begins to wait
    b.m.kernel.files.write("/proc/sys/net/ipv4/tcp_low_latency", "0\n")
    b.feed((1, seg(300, b"x" * 10)), (2, seg(310, b"y" * 10)))
    assert got[3:] == [b"x" * 10, b"y" * 10]
    assert counts(b)["TCPPrequeued"] == 1
    b.end(5)


def test_overflow_is_done_at_once() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(3000))

    b = Bench(reader, rcvbuf=1152)  # doubled: 2304, less than two segments of a kilobyte hold
    assert b.sk.rcvbuf == 2304
    b.feed((1, seg(0, b"a" * 100)), (1, seg(100, b"b" * 100)), (1, seg(200, b"c" * 100)))
    assert b"".join(got) == b"a" * 100 + b"b" * 100 + b"c" * 100
    n = counts(b)
    one = n["TCPPrequeueDropped"]
    assert one >= 2
    # what was done in softirq went to the receive queue, the rest past it
    assert n.get("TCPDirectCopyFromPrequeue", 0) == 100 * (3 - one)
    b.end(3)


def test_what_comes_while_the_reader_copies_is_copied_too() -> None:
    got: list[bytes] = []
    b = Bench(lambda c: got.append(c.recv(20_000, MSG_WAITALL)), cpu=1)
    slow = b.m.kernel.trace.tcp_rcv_space_adjust
    slow.attach(lambda *_: b.m.kernel.cur().charge(300_000))
    b.feed(*[(1 + i / 10, seg(1000 * i, bytes([i]) * 1000)) for i in range(20)])
    assert got == [b"".join(bytes([i]) * 1000 for i in range(20))]
    n = counts(b)
    # the first wakes it; what the other CPU takes meanwhile finds the socket owned
    assert n["TCPPrequeued"] == 1
    assert n["TCPDirectCopyFromPrequeue"] == 1000
    assert n["TCPDirectCopyFromBacklog"] == 19_000
    assert n["TCPHPHitsToUser"] == 20
    assert b.sk.rmem_alloc == 0
    b.end(20)


def stranded(b: Bench) -> Task:
    """A reader that is installed and cannot run: the scheduler keeps it waiting, as on a loaded machine."""
    t = b.m.kernel.sched.create("stranded", b.m.kernel.cpus[0], lambda: None)
    b.sk.ucopy_task = t
    return t


def test_the_timer_takes_over() -> None:
    b = Bench(lambda c: None)
    stranded(b)
    b.feed((1, seg(0, b"a" * 50)), (2, seg(50, flags=ACK)), (3, seg(50, b"b" * 50)), until_ms=100)
    assert len(b.sk.prequeue) == 3  # a bare ACK is not the first, but may stand in line
    assert b.sk.prequeue_mem == sum(s.truesize for s in b.sk.prequeue)
    assert b.m.in_flight() == 3
    assert b.sk.rcv_nxt == 1000
    hz = b.m.kernel.hz
    b.m.run(until=b.m.now + (3 * (hz // 5) // 4) * 1_000_000_000 // hz)
    # the first finds no memory set aside and takes the slow path
    assert counts(b) == {"TCPSchedulerFailed": 1, "TCPHPHits": 1}
    assert b.sk.rcv_nxt == 1100
    assert b.sk.rmem_alloc > 0
    assert b.sent[-1].ack_seq == 1100
    b.sk.ucopy_task = None
    b.end(0)


def test_a_bare_ack_does_not_begin_it() -> None:
    b = Bench(lambda c: None)
    stranded(b)
    b.feed((1, seg(0, flags=ACK)))
    assert not b.sk.prequeue
    b.sk.ucopy_task = None
    b.end(0)


def test_closed_with_segments_in_it() -> None:
    b = Bench(lambda c: None)
    stranded(b)
    b.feed((1, seg(0, b"a" * 50)), (1, seg(50, b"b" * 50)))
    assert len(b.sk.prequeue) == 2
    b.m.check()
    b.m.close()
    assert b.m.in_flight() == 0
    assert b.m.ledger.total_dropped() == 2
    b.m.ledger.check(0)


@pytest.mark.parametrize("flag", [MSG_PEEK, MSG_TRUNC])
def test_peeking_and_discarding_readers_are_not_installed(flag: int) -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        got.append(c.recv(1000, flag))
        got.append(c.recv(1000))

    b = Bench(reader)
    b.feed((1, seg(0, b"a" * 50)), (2, seg(50, b"b" * 50)))
    if flag == MSG_PEEK:
        assert got == [b"a" * 50, b"a" * 50]
        assert counts(b) == {}
        b.end(1)
    else:
        assert len(got[0]) == 50
        assert got[1] == b"b" * 50
        assert counts(b) == {"TCPPrequeued": 1, "TCPDirectCopyFromPrequeue": 50, "TCPHPHitsToUser": 1}
        b.end(2)


def test_waitall_takes_each_as_it_comes() -> None:
    got: list[bytes] = []
    d = chunks(6)
    b = Bench(lambda c: got.append(c.recv(600, MSG_WAITALL)))
    b.feed(*[(1 + i, seg(100 * i, x)) for i, x in enumerate(d[:5])])
    assert got == []
    assert counts(b) == {"TCPPrequeued": 5, "TCPDirectCopyFromPrequeue": 500, "TCPHPHitsToUser": 5}
    b.feed((1, seg(500, d[5])))
    assert got == [b"".join(d)]
    b.end(6)


def test_urgent_data_stops_the_direct_copy() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        got.append(c.recv(1000))
        got.append(c.recv(1, MSG_OOB))
        got.append(c.recv(1000))
        got.append(c.recv(1000))

    b = Bench(reader)
    # the pointer is behind the 60th byte: BSD's reading
    b.feed((1, seg(0, b"a" * 59 + b"!" + b"b" * 40, ACK | PSH | URG, urg_ptr=60)), (5, seg(100, b"c" * 100)))
    assert got == [b"a" * 59, b"!", b"b" * 40, b"c" * 100]
    n = counts(b)
    assert n["TCPPrequeued"] == 2
    # the first went through the receive queue, the second did not
    assert n["TCPDirectCopyFromPrequeue"] == 100
    b.end(2)


def test_fin_with_the_last_byte() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        got.append(c.recv(1000))
        got.append(c.recv(1000))
        got.append(b"%d" % c.sk.siocinq())

    b = Bench(reader)
    b.feed((1, seg(0, b"a" * 50, ACK | PSH | FIN)))
    assert got == [b"a" * 50, b"", b"0"]
    # not the predicted header: tcp_data_queue copied
    assert counts(b) == {"TCPPrequeued": 1, "TCPDirectCopyFromPrequeue": 50}
    b.end(1)


def test_reset_behind_data() -> None:
    got: list[object] = []

    def reader(c: Socket) -> None:
        got.append(c.recv(1000))
        try:
            c.recv(1000)
        except OSError as e:
            got.append(e.errno)

    b = Bench(reader)
    b.feed((1, seg(0, b"a" * 50)), (3, seg(50, flags=RST | ACK)))
    assert got == [b"a" * 50, 104]
    assert b.sk.ucopy_task is None
    b.end(1)


def test_bad_checksum_is_found_while_copying() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(1000))

    b = Bench(reader)
    b.feed((1, seg(0, b"a" * 200, bad=True)), (3, seg(0, b"b" * 200)))
    assert got == [b"b" * 200]
    assert b.m.net.ipv4.tcp[TCP_MIB_CSUMERRORS] == 1
    n = counts(b)
    assert n["TCPPrequeued"] == 2
    assert n["TCPDirectCopyFromPrequeue"] == 200
    b.end(1)


def test_timeout_uninstalls_the_reader() -> None:
    errs: list[int] = []

    def reader(c: Socket) -> None:
        c.settimeout(0.005)
        try:
            c.recv(10)
        except OSError as e:
            errs.append(e.errno or 0)

    b = Bench(reader)
    b.feed(until_ms=50)
    assert len(errs) == 1
    assert b.sk.ucopy_task is None
    b.feed((1, seg(0, b"a" * 50)))
    assert counts(b) == {}
    assert b.sk.rcv_nxt == 1050
    b.end(0)


def test_holes_are_filled_by_the_reader() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(1000))

    b = Bench(reader)
    d = chunks(3)
    b.feed((1, seg(100, d[1])), (2, seg(200, d[2])), (3, seg(0, d[0])))
    assert b"".join(got) == b"".join(d)
    n = counts(b)
    assert n["TCPPrequeued"] == 3  # out of order, too, it is the reader that looks
    assert n["TCPDirectCopyFromPrequeue"] == 100
    assert b.m.net.ipv4.tcpext["TCPOFOQueue"] == 2
    b.end(3)


def test_names_and_order_of_functions() -> None:
    got: list[bytes] = []

    def reader(c: Socket) -> None:
        while True:
            got.append(c.recv(1000))

    with FunctionTrace() as t:
        b = Bench(reader)
        b.feed((1, seg(0, b"a" * 50)))
    names = [name for _, name in t.lines]
    order = [
        "tcp_prequeue",
        "__wake_up_sync_key",
        "tcp_prequeue_process",
        "tcp_v4_do_rcv",
        "tcp_rcv_established",
        "tcp_copy_to_iovec",
        "tcp_rcv_space_adjust",
        "tcp_event_data_recv",
        "sock_def_readable",
        "tcp_cleanup_rbuf",
    ]
    at = -1
    for name in order:
        at = names.index(name, at + 1)
    b.end(1)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_every_byte_is_read_once(seed: int) -> None:
    """Pieces in any order, some twice, some overlapping; reads of any size; copies that take time on one CPU while
    the other one receives.
    """
    rng = random.Random(seed)
    size = 6000
    data = bytes(rng.randrange(256) for _ in range(size))
    cuts = sorted({*rng.sample(range(1, size), 10), *range(1000, size, 1000)})
    pieces = list(zip([0, *cuts], [*cuts, size], strict=True))
    pieces += [(max(a - rng.randrange(60), 0), min(b + rng.randrange(60), size)) for a, b in rng.sample(pieces, 6)]
    rng.shuffle(pieces)
    got: list[bytes] = []
    peeked: list[tuple[int, bytes]] = []

    def reader(c: Socket) -> None:
        n = 0
        while n < size:
            want = rng.choice((1, 7, 100, 500, 2000))
            if rng.random() < 0.2:
                peeked.append((n, c.recv(want, MSG_PEEK)))
            got.append(c.recv(want, MSG_WAITALL if rng.random() < 0.3 and want <= size - n else 0))
            n += len(got[-1])

    b = Bench(reader, cpu=seed & 1, rcvbuf=rng.choice((0, 4096)), options=TcpOptions(mss=1460, sack_ok=bool(seed & 2)))
    b.m.kernel.trace.tcp_rcv_space_adjust.attach(lambda *_: b.m.kernel.cur().charge(rng.choice((0, 40_000, 200_000))))
    at = 1.0
    frames = []
    for a, e in pieces:
        at += rng.choice((0.0, 0.02, 0.3))
        frames.append((at, seg(a, data[a:e])))
    b.feed(*frames, until_ms=60)
    for _ in range(8):  # what was lost for want of memory comes again
        if b"".join(got) != data:
            b.feed(*[(1 + i, seg(a, data[a:e])) for i, (a, e) in enumerate(sorted(pieces))], until_ms=60)
    assert b"".join(got) == data
    assert all(data[n : n + len(p)] == p for n, p in peeked)
    assert b.count("TCPDirectCopyFromPrequeue") + b.count("TCPDirectCopyFromBacklog") <= size
    assert b.sk.rmem_alloc == 0
    b.m.check()
    b.m.close()
    assert b.m.in_flight() == 0
    b.m.ledger.check(0)
