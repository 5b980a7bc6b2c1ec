"""SO_RCVBUF against the record of a real 6.1 with e1000e: what is charged, how many fit, which counters move."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .box import GOLDEN, Box

TEXT = (GOLDEN / "sockbuf.txt").read_text()
SETS = [(int(n), int(v)) for n, v in re.findall(r"^set (\d+): rcvbuf=(\d+)$", TEXT, re.M)]
SIZES = [tuple(map(int, m)) for m in re.findall(r"^P=(\d+) frame=(\d+) truesize=(\d+) fwd_alloc=(\d+)", TEXT, re.M)]
NAMES = ("N", "rcvbuf", "P", "sent", "accepted", "RcvbufErrors", "InErrors", "MemErrors", "before", "InDatagrams", "drops",
         "full", "fwd")  # fmt: skip
ROWS = sorted({
    tuple(map(int, m))
    for m in re.findall(
        r"^N=(\d+) rcvbuf=(\d+) P=(\d+) sent=(\d+) accepted=(\d+) RcvbufErrors=(\d+) InErrors=(\d+) MemErrors=(\d+)"
        r" InDatagrams_before_read=(\d+) InDatagrams=(\d+) drops=(\d+) rmem_alloc_full=(\d+) fwd=(\d+) after_drain=0$", TEXT, re.M)
})  # fmt: skip


def test_the_record_is_whole() -> None:
    assert len(SETS) == 13 and len(SIZES) == 32
    assert len({(r[0], r[2]) for r in ROWS}) == 63
    # both repetitions of a row were alike, but for the memory of a few small ones that met the ring's first lap
    assert len({r[:11] for r in ROWS}) == 63 and len({r for r in ROWS if r[0] >= 16384}) == 27


@pytest.fixture(scope="module")
def lapped() -> Iterator[Box]:
    b = Box()
    b.lap()
    yield b
    b.close()


@pytest.fixture(scope="module")
def fresh() -> Iterator[Box]:
    """The ring's own buffers lie in it still: the table of sizes brings fewer large frames than it holds."""
    b = Box()
    yield b
    b.close()


def test_what_setsockopt_makes_of_a_number(lapped: Box) -> None:
    s = lapped.m.socket()
    assert s.getsockopt(1, 8) == int(re.findall(r"^default: rcvbuf=(\d+)$", TEXT, re.M)[0])
    got = []
    for n, _ in SETS:
        s.setsockopt(1, 8, n)
        got.append((n, s.getsockopt(1, 8)))
    assert got == SETS
    s.close()


@pytest.mark.parametrize("payload,frame,truesize,fwd", SIZES)
def test_what_one_datagram_is_charged(fresh: Box, payload: int, frame: int, truesize: int, fwd: int) -> None:
    s = fresh.bound(5000)
    f = fresh.udp(5000, payload)
    assert len(f) == frame
    fresh.rx(f)
    assert fresh.udp_row(5000).head.rx_queue == s.sk.rmem_alloc == truesize
    assert s.sk.forward_alloc == fwd
    assert fresh.drain(s) == [payload]
    assert s.sk.rmem_alloc == 0
    s.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"N{r[0]}-P{r[2]}")
def test_how_many_fit_and_what_counts(lapped: Box, row: tuple[int, ...]) -> None:
    b = lapped
    want = dict(zip(NAMES, row, strict=True))
    s = b.bound(5001, want["N"])
    assert s.getsockopt(1, 8) == want["rcvbuf"]
    moved = b.moved(lambda: b.rx(b.udp(5001, want["P"]), want["sent"]))
    got = {n: moved.get("snmp.Udp." + n, 0) for n in ("RcvbufErrors", "InErrors", "MemErrors")}
    got["before"] = moved.get("snmp.Udp.InDatagrams", 0)
    assert moved["ethtool:eth0.rx_packets"] == want["sent"]
    line = b.udp_row(5001)
    got["drops"] = line.drops
    assert line.head.rx_queue == s.sk.rmem_alloc
    if want["N"] >= 16384:
        got["full"], got["fwd"] = line.head.rx_queue, s.sk.forward_alloc
    read: list[int] = []
    after = b.moved(lambda: read.extend(b.drain(s)))
    assert read == [want["P"]] * want["accepted"]
    got["accepted"], got["InDatagrams"] = len(read), after["snmp.Udp.InDatagrams"]
    assert got == {n: v for n, v in want.items() if n in got}
    assert len(got) >= 7
    assert s.sk.rmem_alloc == 0
    s.close()
    b.m.check()


# --- the same rules with the sizes of other releases (reference figures: 768 on 5.15, 704 on 3.13 for small frames) ----------


def test_a_default_socket_holds_278_small_or_93_large_datagrams() -> None:
    """5.15: 212992 bytes, truesize 768 and 2304: the next one is refused."""
    for payload, truesize, fit in ((64, 768, 278), (1000, 2304, 93)):
        b = Box("5.15")
        s = b.bound(5000)
        b.rx(b.udp(5000, payload), fit)
        assert (s.sk.rmem_alloc, s.sk.drops) == (fit * truesize, 0) and s.sk.rmem_alloc > s.getsockopt(1, 8)
        moved = b.moved(lambda b=b, payload=payload: b.rx(b.udp(5000, payload)))  # type: ignore[misc]
        assert s.sk.drops == 1 and moved["snmp.Udp.RcvbufErrors"] == moved["snmp.Udp.InErrors"] == 1
        assert len(b.drain(s)) == fit
        b.close()


@pytest.mark.parametrize("release,rcvbuf_errors", [("3.13", 0), ("5.15", 5), ("6.1", 5), ("6.18", 5)])
def test_a_full_socket_counts_rcvbuf_errors_but_not_in_3_13(release: str, rcvbuf_errors: int) -> None:
    """3.13 refuses before the queue function that counts RcvbufErrors: InErrors alone rises."""
    b = Box(release)
    s = b.bound(5000, 8192)
    n = 0
    while not s.sk.drops:
        assert n < 100
        b.rx(b.udp(5000, 64))
        n += 1
    moved = b.moved(lambda: b.rx(b.udp(5000, 64), 5))
    assert moved["snmp.Udp.InErrors"] == 5
    assert moved.get("snmp.Udp.RcvbufErrors", 0) == rcvbuf_errors
    lost = {c: n for (stage, _, c), n in b.m.ledger.dropped.items() if stage == "socket"}
    assert list(lost) == (["Udp RcvbufErrors, Udp InErrors"] if rcvbuf_errors else ["Udp InErrors"])
    b.close()


def test_3_13_refuses_at_an_exact_multiple_and_there_counts_rcvbuf_errors() -> None:
    """What is charged equals sk_rcvbuf: the first check lets it pass, the queue function refuses, and counts both."""
    for release, fit, both in (("3.13", 2, 1), ("5.15", 3, 1)):
        b = Box(release)
        s = b.bound(5000, 2304)
        assert s.getsockopt(1, 8) == 2 * 2304
        moved = b.moved(lambda b=b, fit=fit: b.rx(b.udp(5000, 1000), fit + 1))  # type: ignore[misc]
        assert s.sk.rmem_alloc == fit * 2304
        assert moved["snmp.Udp.InErrors"] == 1 and moved.get("snmp.Udp.RcvbufErrors", 0) == both
        assert ("socket", "receive buffer full", "Udp RcvbufErrors, Udp InErrors") in b.m.ledger.dropped
        b.drain(s)
        b.close()
