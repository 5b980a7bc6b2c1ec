"""/proc/net/tcp and ss walk the hash tables: listeners, then connections, bucket by bucket."""

from __future__ import annotations

from typing import Any

import pytest

from rxpath.net.ipv4.tcp.hashtables import established_in_order, listening_in_order
from rxpath.net.ipv4.tcp.variants import VARIANTS


class Fake:
    def __init__(self, **kw: Any) -> None:
        self.__dict__.update(kw)


def state(release: str, secret: int) -> Any:
    socks = [Fake(num=p, rcv_saddr=0x0A000002, listen_no=i) for i, p in enumerate((80, 81, 112, 80, 400))]
    listening: dict[int, list[Any]] = {}
    for s in socks:
        listening.setdefault(s.num, []).append(s)
    ehash = {(0x0A000002, 80, 0x0A000001, 1000 + i): i for i in range(200)}
    return Fake(v=VARIANTS[release], hash_mix=5, ehash_secret=secret, listening=listening, ehash=ehash)


@pytest.mark.parametrize("release", ["3.13", "5.15"])
def test_listeners_by_port_modulo_32_newest_first(release: str) -> None:
    order = [(s.num, s.listen_no) for s in listening_in_order(state(release, 1))]
    # (port + 5) mod 32 is 21 for 80, 112 and 400, for 81 it is 22
    assert order == [(400, 4), (80, 3), (112, 2), (80, 0), (81, 1)]


def test_the_secret_decides_the_order_and_nothing_is_lost() -> None:
    a = [*established_in_order(state("6.18", 1))]
    b = [*established_in_order(state("6.18", 2))]
    assert a != b and sorted(a) == sorted(b) == list(range(200))
    assert a == established_in_order(state("6.18", 1))
