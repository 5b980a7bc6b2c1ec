"""Options and control messages that change little: answers as a 6.18 gave them to the same calls."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator

import pytest

from rxpath.sockets import Socket
from rxpath.wire.addr import ip4

from .taphost import TapHost

SOL_UDP, SOL_PACKET, SOL_RAW = 17, 263, 255
TO = ("10.0.0.1", 9)


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost("6.18")
    yield t
    t.close()


def refused(call: object) -> int:
    assert callable(call)
    with pytest.raises(OSError) as e:
        call()
    return e.value.errno or 0


def test_buffer_locks(h: TapHost) -> None:
    s = h.sock(7000)
    seen = [s.getsockopt(1, 72)]
    for name, value in ((8, 5000), (7, 5000), (72, 0)):
        s.setsockopt(1, name, value)
        seen.append(s.getsockopt(1, 72))
    assert seen == [0, 2, 3, 0]
    assert refused(lambda: s.setsockopt(1, 72, 4)) == errno.EINVAL


def test_a_priority_is_told(h: TapHost) -> None:
    s = h.sock(7000, "", (1, 82, 1))
    assert s.getsockopt(1, 82) == 1
    h.rx(h.udp(7000))
    assert s.recvmsg(10, 100)[1] == [(1, 12, bytes(4))]


def test_control_messages_of_a_send_call(h: TapHost) -> None:
    s = h.sock(7000)

    def send(level: int, type_: int, value: bytes) -> list[bytes]:
        h.do(lambda: s.sendmsg([b"A" * 350], [(level, type_, value)], 0, TO))
        return h.sent()

    assert len(send(SOL_UDP, 103, struct.pack("<H", 100))) == 4
    assert len(send(1, 12, struct.pack("<i", 3))) == len(send(1, 1, bytes(4))) == 1
    for level, type_, value in (
        (SOL_UDP, 103, struct.pack("<i", 100)),
        (SOL_UDP, 104, struct.pack("<H", 100)),
        (1, 37, struct.pack("<i", 4096)),
        (1, 99, bytes(4)),
    ):
        assert refused(lambda at=(level, type_, value): send(*at)) == errno.EINVAL


def test_udp_options(h: TapHost) -> None:
    s = h.sock(7000)
    s.setsockopt(SOL_UDP, 101, 1)
    assert [s.getsockopt(SOL_UDP, o) for o in (10, 11, 101, 102)] == [0, 0, 1, 0]
    assert refused(lambda: s.setsockopt(SOL_UDP, 100, 1)) == errno.ENOPROTOOPT


def test_a_short_icmp_filter_keeps_the_rest(h: TapHost) -> None:
    s = h.sock(type=3, proto=1)
    s.setsockopt(SOL_RAW, 1, struct.pack("<I", 0x01020304))
    s.setsockopt(SOL_RAW, 1, b"\xff\xee")
    assert s.getsockopt(SOL_RAW, 1, 4) == b"\xff\xee\x02\x01"


def test_the_rest_of_the_socket_level(h: TapHost) -> None:
    s = h.sock(7000)
    assert s.getsockopt(1, 3, 4) == struct.pack("<i", 2)
    s.setsockopt(1, 14, 1)
    assert s.getsockopt(1, 14) == 0
    assert refused(lambda: s.setsockopt(1, 25, 1)) == errno.ENODEV
    assert refused(lambda: s.setsockopt(1, 37, -1)) == errno.EINVAL


def test_a_membership_that_is_not_there_is_left_quietly(h: TapHost) -> None:
    s = Socket(h.net, 17, 3, 0)
    s.setsockopt(SOL_PACKET, 2, struct.pack("=iHH8s", h.tap.ifindex, 1, 0, b""))


def test_protocols_beyond_a_byte(h: TapHost) -> None:
    s = h.sock(type=3, proto=256)
    h.do(lambda: s.sendto(b"x", TO))
    (frame,) = h.sent()
    assert frame[23] == 0 and frame[30:34] == ip4("10.0.0.1").to_bytes(4, "big")
    assert refused(lambda: h.sock(type=3, proto=263)) == errno.EINVAL
    old = TapHost("3.13")
    assert refused(lambda: old.sock(type=3, proto=256)) == errno.EINVAL
    old.close()
