"""Receive memory to the byte: what is charged, what still fits, what is given back; the record of a real 6.18."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.drivers.tun.tun import tun_get_user, tun_skb_truesize
from rxpath.sockets import Socket

from .taphost import RELEASES, TapHost

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "rmem_tap.json").read_text())
SO_RCVBUF, PROTO_UDP = 8, 17
MODES = ("build_skb", "alloc_skb")
ROWS = [
    (kind, mode, int(n), int(size), row)
    for kind in ("udp", "packet", "raw_icmp")
    for mode in MODES
    for n, sizes in TABLE[kind][mode].items()
    for size, row in sizes.items()
]


@pytest.fixture(scope="module")
def h() -> Iterator[TapHost]:
    t = TapHost()
    yield t
    t.close()


def feed(h: TapHost, frame: bytes, mode: str, count: int = 1) -> None:
    h.tap.nonblock = mode == "build_skb"

    def run() -> None:
        for _ in range(count):
            tun_get_user(h.tap, frame)

    h.m.in_task(run)
    h.sent()


def test_the_record_is_whole() -> None:
    assert len(ROWS) > 250
    assert {r[0] for r in ROWS} == {"udp", "packet", "raw_icmp"}


@pytest.mark.parametrize("mode", MODES)
def test_what_one_datagram_is_charged(h: TapHost, mode: str) -> None:
    s = h.sock(7000)
    got = {}
    for size in TABLE["truesize"][mode]:
        feed(h, h.udp(7000, bytes(int(size))), mode)
        got[size] = s.sk.rmem_alloc
        h.drain(s)
        assert s.sk.rmem_alloc == 0
    assert got == TABLE["truesize"][mode]
    s.close()


def listener(h: TapHost, kind: str, rcvbuf: int) -> Socket:
    if kind == "udp":
        s = Socket(h.net, 2, 2)
    elif kind == "packet":
        s = Socket(h.net, 17, 3, 0)
    else:
        s = Socket(h.net, 2, 3, 1)
    if rcvbuf:
        s.setsockopt(1, SO_RCVBUF, rcvbuf)
    if kind == "udp":
        s.bind(("", 7000))
    elif kind == "packet":
        s.setsockopt(263, 23, 1)
        s.bind(("tap0", 3))
    s.setblocking(False)
    return s


@pytest.mark.parametrize("kind", ["udp", "packet", "raw_icmp"])
@pytest.mark.parametrize("mode", MODES)
def test_how_many_fit(h: TapHost, kind: str, mode: str, soak: bool) -> None:
    rows = [r for r in ROWS if r[:2] == (kind, mode)]
    for _, _, n, size, want in rows if soak else rows[::5]:
        s = listener(h, kind, n)
        assert s.getsockopt(1, SO_RCVBUF) == want["rcvbuf"]
        frame = h.echo(bytes(size)) if kind == "raw_icmp" else h.udp(7000, bytes(size))
        limit = want["rcvbuf"] // 600 + 5
        feed(h, frame, mode, min(420, limit))
        assert (n, size, s.sk.rmem_alloc) == (n, size, want["rmem_alloc"])
        assert (n, size, len(h.drain(s))) == (n, size, want["accepted"])
        assert s.sk.rmem_alloc == 0
        s.close()


@given(
    release=st.sampled_from(RELEASES),
    rcvbuf=st.sampled_from([0, 2304, 9000, 30000]),
    acts=st.lists(st.one_of(st.none(), st.integers(0, 1400)), min_size=1, max_size=60),
)
def test_the_rule(release: str, rcvbuf: int, acts: list[int | None]) -> None:
    """Sizes arrive, None reads.  The account is what lies in the queue, and what does not fit is dropped."""
    h = HOSTS.setdefault(release, TapHost(release))
    s = h.sock(7000, "", (1, SO_RCVBUF, rcvbuf))
    memory = s.sk.prot.memory_allocated
    try:
        play(h, release, s, acts)
    finally:
        s.close()
    assert s.sk.prot.memory_allocated == memory
    h.m.check()


def play(h: TapHost, release: str, s: Socket, acts: list[int | None]) -> None:
    old = release == "3.13"
    size = int(s.getsockopt(1, SO_RCVBUF))
    arrived: list[tuple[int, int]] = []
    reader: list[tuple[int, int]] = []  # 4.10 and later: what a reader took over
    account = deficit = drops = 0
    for i, a in enumerate(acts):
        if a is None:
            if not reader:
                reader, arrived = arrived, []
            if not reader:
                with pytest.raises(BlockingIOError):
                    s.recv(1)
                continue
            n, t = reader.pop(0)
            assert len(s.recv(2000)) == n
            deficit += t
            if old or not reader or deficit >= size >> 2:  # room is given back in lumps
                account -= deficit
                deficit = 0
                reader, arrived = reader + arrived, []
        else:
            frame = h.udp(7000, bytes(a), sport=1000 + i)
            t = tun_skb_truesize(h.tap, len(frame))[0]
            h.rx(frame)
            fits = {"6.18": account == 0 or account + t <= size, "3.13": account < size}.get(release, account <= size)
            if fits:
                arrived.append((a, t))
                account += t
            else:
                drops += 1
        assert s.sk.rmem_alloc == account
        assert s.sk.drops == drops
        assert s.sk.forward_alloc >= 0
    assert h.drain(s) == [bytes(n) for n, _ in reader + arrived]
    assert s.sk.rmem_alloc == 0


HOSTS: dict[str, TapHost] = {}


@pytest.mark.parametrize("release", RELEASES)
def test_which_counter_a_full_socket_moves(release: str) -> None:
    h = TapHost(release)
    s = h.sock(7000, "", (1, SO_RCVBUF, 1))
    moved = h.moved(lambda: h.rx(*(h.udp(7000, bytes(1000)) for _ in range(6))))
    fit = len(h.drain(s))
    assert 1 <= fit <= 2
    # 3.13 counts RcvbufErrors only when the buffer is full to the byte
    assert (moved["Udp.InErrors"], moved.get("Udp.RcvbufErrors", 0)) == (6 - fit, 0 if release == "3.13" else 6 - fit)
    assert s.sk.drops == 6 - fit
    assert h.m.ledger.total_dropped() == 6 - fit
    h.close()


def test_memory_of_all_sockets_has_a_limit() -> None:
    """net.ipv4.udp_mem: over the hard limit nothing is taken, and MemErrors counts."""
    h = TapHost(sysctls={"net.ipv4.udp_mem": "4 6 8"})
    socks = [h.sock(7000 + i) for i in range(8)]
    moved = h.moved(lambda: h.rx(*(h.udp(7000 + i, bytes(1400)) for i in range(8) for _ in range(4))))
    assert moved["Udp.MemErrors"] == moved["Udp.InErrors"] > 0
    assert "Udp.RcvbufErrors" not in moved
    got = sum(len(h.drain(s)) for s in socks)
    assert got == 32 - moved["Udp.MemErrors"]
    assert socks[0].sk.prot.memory_allocated <= 8
    h.close()
