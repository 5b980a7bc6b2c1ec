"""Every parser with noise and with mutated good inputs: no exception but the documented ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import MACHINES, TARGETS, seeds

SLOW = ("command", "iptables", "frames", "snapshot", "scenario")


@pytest.fixture(scope="module", autouse=True)
def machines() -> Iterator[None]:
    yield
    MACHINES.close()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_noise(name: str) -> None:
    @settings(max_examples=30 if name in SLOW else 100, suppress_health_check=list(HealthCheck))
    @example(b"")
    @given(st.one_of(st.binary(max_size=600), st.text(max_size=300).map(str.encode)))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A few bytes changed, cut, doubled or moved."""
    b = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 9))):
        k = rng.randrange(6)
        i = rng.randrange(len(b) + 1)
        if k == 0 and i < len(b):
            b[i] = rng.randrange(256)
        elif k == 1 and i < len(b):
            b[i] ^= 1 << rng.randrange(8)
        elif k == 2:
            del b[i : i + rng.choice((1, 2, 4, 30))]
        elif k == 3:
            b[i:i] = rng.randbytes(rng.choice((1, 2, 4)))
        elif k == 4:
            b[i:i] = b[i : i + rng.choice((4, 20, 200))]
        else:
            b[i : i + 4] = rng.choice((b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\x80", b"9999", b"-1  "))
    return bytes(b[: 1 << 16])


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_mutations(name: str, soak: bool) -> None:
    rng = random.Random(name)
    good = seeds(name)
    for data in good:
        TARGETS[name](data)
    for _ in range((40 if name in SLOW else 150) * (50 if soak else 1)):
        TARGETS[name](mutated(rng, rng.choice(good)))


def test_a_fault_would_be_seen() -> None:
    def broken(data: bytes) -> None:
        if b"\xff" in data:
            raise IndexError

    with pytest.raises(IndexError):
        rng = random.Random(0)
        for _ in range(1000):
            broken(mutated(rng, b"abc"))
