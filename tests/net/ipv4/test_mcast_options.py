"""The multicast options that name interfaces by index (RFC 3678) and IP_MSFILTER; answers as a 6.18 gave them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from rxpath.sockets import Socket
from rxpath.wire.addr import ip4, ip_eth_mc_map

from .taphost import TapHost

G = "239.1.1.1"
IP_MSFILTER, JOIN, BLOCK, UNBLOCK, LEAVE, JOIN_SOURCE, LEAVE_SOURCE, MCAST_MSFILTER = 41, 42, 43, 44, 45, 46, 47, 48
EXCLUDE, INCLUDE = 0, 1


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost("6.18")
    yield t
    t.close()


def a(text: str) -> bytes:
    return ip4(text).to_bytes(4, "big")


def storage(text: str, family: int = 2) -> bytes:
    return struct.pack("=HH", family, 0) + a(text) + bytes(120)


def group(ifindex: int, text: str = G) -> bytes:
    return struct.pack("=II", ifindex, 0) + storage(text)


def msfilter(mode: int, *sources: str, count: int = -1) -> bytes:
    n = len(sources) if count < 0 else count
    return a(G) + a("10.0.0.2") + struct.pack("=II", mode, n) + b"".join(map(a, sources))


def heard(h: TapHost, s: Socket) -> list[bytes]:
    for src in ("10.0.0.1", "10.0.0.9", "10.0.0.3"):
        h.rx(h.udp(7000, src[-1].encode(), src=ip4(src), dst=ip4(G), dmac=bytes(ip_eth_mc_map(ip4(G)))))
    return h.drain(s)


def test_a_filter_step_by_step(h: TapHost) -> None:
    s = h.sock(7000)
    i = h.tap.ifindex
    for opt, value, want in (
        (JOIN, group(i), [b"1", b"9", b"3"]),
        (BLOCK, group(i) + storage("10.0.0.9"), [b"1", b"3"]),
        (UNBLOCK, group(i) + storage("10.0.0.9"), [b"1", b"9", b"3"]),
        (IP_MSFILTER, msfilter(INCLUDE, "10.0.0.1", "10.0.0.3"), [b"1", b"3"]),
        (IP_MSFILTER, msfilter(EXCLUDE, "10.0.0.1"), [b"9", b"3"]),
        (MCAST_MSFILTER, group(i) + struct.pack("=II", INCLUDE, 1) + storage("10.0.0.9"), [b"9"]),
        (JOIN_SOURCE, group(i) + storage("10.0.0.1"), [b"1", b"9"]),
        (LEAVE_SOURCE, group(i) + storage("10.0.0.9"), [b"1"]),
        (IP_MSFILTER, msfilter(INCLUDE), []),
    ):
        s.setsockopt(0, opt, value)
        assert heard(h, s) == want, opt


@pytest.mark.parametrize(
    "opt,value,errno",
    [
        (JOIN, lambda i: group(99), 19),
        (JOIN, lambda i: group(i, "10.0.0.1"), 22),
        (JOIN, lambda i: group(i)[:135], 22),
        (JOIN, lambda i: struct.pack("=II", i, 0) + storage(G, 10), 22),
        (JOIN_SOURCE, lambda i: group(i) + storage("10.0.0.1", 10), 99),
        (JOIN_SOURCE, lambda i: (group(i) + storage("10.0.0.1"))[:263], 22),
        (LEAVE, lambda i: group(i), 99),
        (BLOCK, lambda i: group(i) + storage("10.0.0.1"), 22),
        (IP_MSFILTER, lambda i: msfilter(2, "10.0.0.1"), 22),
        (IP_MSFILTER, lambda i: msfilter(INCLUDE, "10.0.0.1"), 22),
        (IP_MSFILTER, lambda i: msfilter(INCLUDE, "10.0.0.1", count=11), 105),
        (IP_MSFILTER, lambda i: msfilter(INCLUDE, "10.0.0.1", count=2), 22),
    ],
)
def test_what_is_refused(h: TapHost, opt: int, value: object, errno: int) -> None:
    s = h.sock(7000)
    assert callable(value)
    with pytest.raises(OSError) as e:
        s.setsockopt(0, opt, value(h.tap.ifindex))
    assert e.value.errno == errno


def test_an_emptied_filter_keeps_its_mode(h: TapHost) -> None:
    s = h.sock(7000)
    i = h.tap.ifindex
    s.setsockopt(0, JOIN, group(i))
    s.setsockopt(0, BLOCK, group(i) + storage("10.0.0.1"))
    s.setsockopt(0, UNBLOCK, group(i) + storage("10.0.0.1"))
    with pytest.raises(OSError) as e:
        s.setsockopt(0, LEAVE_SOURCE, group(i) + storage("10.0.0.1"))
    assert e.value.errno == 22


def test_reading_a_filter_back(h: TapHost) -> None:
    s = h.sock(7000)
    i = h.tap.ifindex
    sources = ("10.0.0.9", "10.0.0.3", "10.0.0.5")
    for src in sources:
        s.setsockopt(0, 39, a(G) + a("10.0.0.2") + a(src))
    assert s.getsockopt(0, IP_MSFILTER, msfilter(0)) == msfilter(INCLUDE, count=3)
    assert s.getsockopt(0, IP_MSFILTER, msfilter(0, count=2) + bytes(8)) == msfilter(INCLUDE, *sources[:2], count=3)
    assert s.getsockopt(0, IP_MSFILTER, msfilter(0, count=9) + bytes(36)) == msfilter(INCLUDE, *sources)
    asked = group(i) + struct.pack("=II", 0, 8) + bytes(8 * 128)
    want = group(i) + struct.pack("=II", INCLUDE, 3) + b"".join(map(storage, sources))
    assert s.getsockopt(0, MCAST_MSFILTER, asked) == want


@pytest.mark.parametrize(
    ("opt", "buf", "errno"),
    [
        (IP_MSFILTER, lambda i: msfilter(0)[:15], 22),
        (IP_MSFILTER, lambda i: a("10.0.0.1") + msfilter(0)[4:], 22),
        (IP_MSFILTER, lambda i: a(G) + a("10.9.9.9") + bytes(8), 19),
        (IP_MSFILTER, lambda i: a("239.1.1.9") + msfilter(0)[4:], 99),
        (MCAST_MSFILTER, lambda i: group(i) + bytes(7), 22),
        (MCAST_MSFILTER, lambda i: group(i, "9.1.1.9") + bytes(8), 22),
        (MCAST_MSFILTER, lambda i: group(i + 1) + bytes(8), 99),
        (MCAST_MSFILTER, lambda i: struct.pack("=II", i, 0) + storage(G, 10) + bytes(8), 22),
        (IP_MSFILTER, lambda i: 64, 22),
    ],
)
def test_what_cannot_be_read(h: TapHost, opt: int, buf: object, errno: int) -> None:
    s = h.sock(7000)
    s.setsockopt(0, JOIN, group(h.tap.ifindex))
    assert callable(buf)
    with pytest.raises(OSError) as e:
        s.getsockopt(0, opt, buf(h.tap.ifindex))
    assert e.value.errno == errno
