"""IP_ROUTER_ALERT: what a 6.18 gives to raw sockets instead of forwarding it (the same scenarios were asked of one)."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from rxpath.sockets import Socket
from rxpath.wire.addr import ip4

from .taphost import TapHost

ALERT = b"\x94\x04\0\0"
ROUTER_ALERT, RAW, RSVP = 5, 3, 46
FAR = ip4("192.0.2.9")


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost("6.18", sysctls={"net.ipv4.ip_forward": "1"}, routes=(("192.0.2.0/24", "10.0.0.1"),))
    yield t
    t.close()


def raw(h: TapHost, proto: int = RSVP, on: bool = True) -> Socket:
    s = h.sock(type=RAW, proto=proto)
    if on:
        s.setsockopt(0, ROUTER_ALERT, 1)
    return s


def passing(h: TapHost, data: bytes = b"hello", proto: int = RSVP, options: bytes = ALERT, **more: int) -> bytes:
    return h.ip(proto, data, dst=FAR, options=options, **more)


def forwarded(frames: list[bytes]) -> list[int]:
    """Protocols of the frames that went on (a redirect may go before)."""
    return [f[23] for f in frames if f[30:34] == FAR.to_bytes(4, "big")]


def test_all_of_the_protocol_hear_it_and_it_stays(h: TapHost) -> None:
    a, b, without = raw(h), raw(h), raw(h, on=False)
    assert h.rx(passing(h)) == []
    assert [p[24:] for p in h.drain(a)] == [b"hello"] == [p[24:] for p in h.drain(b)]
    assert h.drain(without) == []


def test_what_does_not_ask_or_is_another_protocol_goes_on(h: TapHost) -> None:
    s = raw(h)
    assert forwarded(h.rx(passing(h, options=b""), passing(h, proto=99))) == [RSVP, 99]
    assert h.drain(s) == []


def test_it_is_taken_before_its_ttl_is_looked_at(h: TapHost) -> None:
    s = raw(h)
    assert h.rx(passing(h, ttl=1)) == []
    assert len(h.drain(s)) == 1


def test_a_socket_of_another_device_does_not_hear_it(h: TapHost) -> None:
    s = raw(h)
    s.setsockopt(1, 25, b"lo\0")
    assert forwarded(h.rx(passing(h))) == [RSVP]
    assert h.drain(s) == []


def test_fragments_are_put_together_for_it(h: TapHost) -> None:
    s = raw(h)
    first = passing(h, bytes(24), ident=7, frag_off=0x2000)
    assert h.rx(first, passing(h, b"end", ident=7, frag_off=3)) == []
    assert [p[24:] for p in h.drain(s)] == [bytes(24) + b"end"]


def test_it_ends_with_the_option_and_with_the_socket(h: TapHost) -> None:
    a, b = raw(h), raw(h)
    a.setsockopt(0, ROUTER_ALERT, 0)
    b.close()
    assert forwarded(h.rx(passing(h))) == [RSVP]
    assert h.drain(a) == []


@pytest.mark.parametrize(
    ("type_", "proto", "values", "want"),
    [
        (RAW, RSVP, (1, 1), errno.EADDRINUSE),
        (RAW, RSVP, (0,), errno.ENOBUFS),
        (RAW, RSVP, (1, 0, 0), errno.ENOBUFS),
        (RAW, 255, (1,), errno.EINVAL),
        (2, 0, (1,), errno.EINVAL),
        (2, 0, (0,), errno.EINVAL),
    ],
)
def test_what_is_refused(h: TapHost, type_: int, proto: int, values: tuple[int, ...], want: int) -> None:
    s = h.sock(type=type_, proto=proto)
    for v in values[:-1]:
        s.setsockopt(0, ROUTER_ALERT, v)
    with pytest.raises(OSError) as e:
        s.setsockopt(0, ROUTER_ALERT, values[-1])
    assert e.value.errno == want


def test_reading_it_back() -> None:
    for release, want in (("6.18", 1), ("6.1", None)):
        h = TapHost(release)
        s = raw(h)
        if want is None:
            with pytest.raises(OSError) as e:
                s.getsockopt(0, ROUTER_ALERT)
            assert e.value.errno == errno.ENOPROTOOPT
        else:
            assert s.getsockopt(0, ROUTER_ALERT) == want
        h.close()
