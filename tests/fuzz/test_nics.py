"""Random and mutated frames through every NIC: device model, driver, stack and sockets; the ledger is balanced at the end.

A million a model with `make soak`, in parts with a machine each; a small sample without.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.conform.generate import GROUPS, Gen, mutate_frame
from rxpath.conform.tapfmt import patch_frame
from rxpath.link.source import BadFcsFrame
from rxpath.machine import Machine
from rxpath.wire.addr import mac

MODELS = (("e1000e", "82574L"), ("igb", "82576"), ("igb", "i350"), ("ixgbe", "x540"), ("ixgbe", "82599"))
GENERATED = mac("02:00:00:00:00:02")  # the host of the generator's frames


def frames(rng: random.Random, own: bytes) -> Iterator[bytes]:
    """Without end: frames of the grammar, mutated ones, noise; for the address of this machine's card."""
    while True:
        gen = Gen(random.Random(rng.getrandbits(64)), rng.choice(GROUPS))
        gen.odd = rng.choice((0.0, 0.05, 0.3))
        pool: list[bytes] = []
        for _ in range(40):
            for spec in gen.frames():
                pool.append(patch_frame(spec, None)[0])
                if rng.random() < 0.3:
                    pool.append(patch_frame(mutate_frame(rng, spec), None)[0])
        pool += [rng.randbytes(rng.choice((0, 1, 13, 14, 60, 64, 200, 1514, 1518, 1522, 3000, 9000, 16000))) for _ in range(3)]
        for _ in range(8):  # made once, used some times: the frames are cheap beside the machine
            rng.shuffle(pool)
            for f in pool:
                yield own + f[6:] if f[:6] == GENERATED else f


SOAK = bool(os.environ.get("RXPATH_SOAK"))


@pytest.mark.parametrize("part", range(40 if SOAK else 1))
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m[1])
def test_frames_through_every_model(model: tuple[str, str], part: int) -> None:
    total = 25_000 if SOAK else 4_000
    rng = random.Random(f"{model[1]}/{part}")
    m = Machine(MachineConfig(release="6.1", nics=[NicConfig(model=model[0], variant=model[1], addresses=["10.0.0.2/24"])]))
    with m:
        m.boot()
        port = m.ports[0]
        dev = port.dev
        assert dev is not None
        socks = []
        for p in (7000, 7001):
            s = m.socket()
            s.bind(("", p))
            s.setblocking(False)
            socks.append(s)
        listener = m.socket(2, 1)
        listener.bind(("", 80))
        listener.listen(16)
        listener.setblocking(False)
        source = frames(rng, dev.dev_addr)

        def read() -> None:
            for s in socks:
                while True:
                    try:
                        s.recv(65535)
                    except OSError as e:
                        if e.errno == 11:
                            break

        sent = 0
        while sent < total:
            for _ in range(rng.choice((1, 8, 32, 100, 600))):
                f = next(source)
                port.receive(BadFcsFrame(f) if sent % 23 == 0 else f)
                sent += 1
            m.run(m.now + rng.choice((1_000, 100_000, 2_000_000)))
            if rng.random() < 0.3:
                m.in_task(read, "reader")
        m.run(m.now + 50_000_000)
        m.check()
        assert m.ledger.wire == sent
        assert m.ledger.delivered and m.ledger.consumed
    assert m.in_flight() == 0
    m.check()
