"""TCP between two programs on one machine: every byte arrives, whatever is lost on the way."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rxpath.config import MachineConfig
from rxpath.machine import Machine
from rxpath.net.core.loopback import Loopback
from rxpath.net.core.skbuff import kfree_skb_reason
from rxpath.net.ipv4.tcp.sock import TcpSock
from rxpath.sim.ledger import Site
from rxpath.sockets import Socket

SITE_LOST = Site("link", "lost by the test")
DATA = bytes((i * 7 + (i >> 8)) & 255 for i in range(120_000))


def talk(machine: Machine, data: bytes, until_s: int = 120) -> tuple[bytes, bytes]:
    """A client sends `data` and half-closes; the server answers with its length.  (what arrived, the answer)"""
    out: dict[str, bytes] = {"got": b"", "answer": b""}
    net = machine.net

    def server() -> None:
        s = Socket(net, 2, 1, 0)
        s.bind(("127.0.0.1", 8000))
        s.listen(5)
        c, _ = s.accept()
        while True:
            d = c.recv(5000)
            if not d:
                break
            out["got"] += d
        c.sendall(b"%d" % len(out["got"]))
        c.close()
        s.close()

    def client() -> None:
        s = Socket(net, 2, 1, 0)
        s.connect(("127.0.0.1", 8000))
        s.sendall(data)
        s.shutdown(1)
        while True:
            d = s.recv(3)
            if not d:
                break
            out["answer"] += d
        s.close()

    machine.spawn(server, cpu=0)
    machine.spawn(client, cpu=0)
    machine.run(until=until_s * 1_000_000_000)
    return out["got"], out["answer"]


@pytest.mark.parametrize("release", ["3.13", "5.15", "6.1", "6.18"])
def test_every_byte_and_half_close(release: str) -> None:
    m = Machine(MachineConfig(release=release))
    m.boot()
    got, answer = talk(m, DATA, 20)
    assert got == DATA
    assert answer == b"%d" % len(DATA)
    assert m.net.ipv4.tcpext["TCPTimeouts"] == 0
    # nothing of the connection but a TIME_WAIT socket is left
    assert not [s for s in m.net.sockets if isinstance(s, TcpSock)]
    m.close()
    m.ledger.check_own(0)


class Lossy:
    """Drops, and holds back by one, frames of the loopback device, by a seeded generator."""

    def __init__(self, seed: int, drop: float, swap: float) -> None:
        self.rng = random.Random(seed)
        self.drop = drop
        self.swap = swap
        self.held: Any = None
        self.lost = 0
        self.real = Loopback.ndo_start_xmit

    def xmit(self, dev: Any, skb: Any, txq: Any) -> int:
        r = self.rng.random()
        if r < self.drop:
            self.lost += 1
            kfree_skb_reason(skb, SITE_LOST)
            return 0
        if self.held is None and r < self.drop + self.swap:
            self.held = (dev, skb, txq)
            return 0
        self.real(dev, skb, txq)
        if self.held is not None:
            h, self.held = self.held, None
            self.real(*h)
        return 0


@pytest.mark.parametrize(("release", "seed"), [("3.13", 1), ("5.15", 2), ("6.1", 3), ("6.18", 4), ("6.18", 5)])
def test_loss_and_reordering(release: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    m = Machine(MachineConfig(release=release))
    m.boot()
    m.net.loopback.mtu = 1500
    m.net.loopback.takes_gso = False
    lossy = Lossy(seed, 0.05, 0.05)
    monkeypatch.setattr(Loopback, "ndo_start_xmit", lambda dev, skb, txq: lossy.xmit(dev, skb, txq))
    got, answer = talk(m, DATA)
    assert got == DATA
    assert answer == b"%d" % len(DATA)
    assert lossy.lost > 0
    assert m.net.ipv4.tcp[11] > 0  # RetransSegs
    m.close()
    m.ledger.check_own(0)
