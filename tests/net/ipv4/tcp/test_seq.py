"""Sequence arithmetic and SYN cookies: properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rxpath.config import MachineConfig
from rxpath.machine import Machine
from rxpath.net.ipv4.tcp.cong import cubic_root
from rxpath.net.ipv4.tcp.cookies import MSSTAB, cookie_init_sequence, cookie_v4_check_mss
from rxpath.net.ipv4.tcp.seq import M32, after, before, between, s32
from rxpath.net.ipv4.tcp.sock import tcp_state_of

U32 = st.integers(0, M32)
NEAR = st.integers(1, 0x7FFFFFFF)


@given(U32, NEAR)
def test_order_survives_the_wrap(a: int, d: int) -> None:
    b = (a + d) & M32
    assert before(a, b) and after(b, a)
    assert not before(b, a) and not after(a, b)
    assert not before(a, a) and not after(a, a)
    assert s32(b - a) == d and s32(a - b) == -d


@given(U32, st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_between(lo: int, d1: int, d2: int) -> None:
    hi = (lo + d1 + d2) & M32
    assert between((lo + d1) & M32, lo, hi)
    assert not between((hi + 1) & M32, lo, hi)


@given(st.integers(0, 1 << 40))
def test_cube_root(a: int) -> None:
    r = cubic_root(a)
    assert r**3 <= a < (r + 1) ** 3


def test_a_cookie_verifies_only_as_it_was_made() -> None:
    m = Machine(MachineConfig(release="6.1"))
    m.boot()
    ts = tcp_state_of(m.net.ipv4)
    for mss in (100, 536, 1299, 1300, 1440, 1460, 9000):
        isn, said = cookie_init_sequence(ts, 1, 2, 3, 4, 1000, mss)
        assert said == max([x for x in MSSTAB if x <= mss], default=MSSTAB[0])
        assert cookie_v4_check_mss(ts, 1, 2, 3, 4, 1000, isn) == said
        assert cookie_v4_check_mss(ts, 1, 2, 3, 5, 1000, isn) == 0
        assert cookie_v4_check_mss(ts, 1, 2, 3, 4, 1000, isn ^ 1 << 23) == 0
    m.close()
