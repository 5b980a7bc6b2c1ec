"""Every frame of a conversation from the wire is accounted for: read, used up, dropped."""

from __future__ import annotations

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.net.ipv4.tcp.sock import ConnHint, tcp_state_of
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4
from rxpath.wire.build import tcp_frame

PEER_MAC = bytes.fromhex("020000000001")
HOST_MAC = bytes.fromhex("020000000002")
PEER, HOST = ip4("192.0.2.1"), ip4("192.0.2.2")
ISN = 7000
SYN, ACK, PSH_ACK, FIN_ACK = 0x02, 0x10, 0x18, 0x11


def frame(flags: int, seq: int, ack: int = ISN + 1, data: bytes = b"") -> bytes:
    return tcp_frame(PEER_MAC, HOST_MAC, PEER, HOST, 40000, 8000, seq, 0 if flags == SYN else ack, flags, data)


@pytest.mark.parametrize("release", ["3.13", "6.1", "6.18"])
@pytest.mark.parametrize("reads", [True, False])
def test_law_with_holes_and_repetitions(release: str, reads: bool) -> None:
    d = [bytes([65 + i]) * 100 for i in range(6)]
    talk = [frame(SYN, 999), frame(ACK, 1000)]
    talk += [frame(PSH_ACK, 1000 + 100 * i, data=d[i]) for i in (0, 2, 3, 2, 1, 0, 5)]  # repeats 2 and 0; 4 never comes
    nic = NicConfig(model="e1000e", mac="02:00:00:00:00:02", addresses=["192.0.2.2/24"])
    m = Machine(MachineConfig(release=release, costs="none", nics=[nic]))
    m.boot()
    dev = m.ports[0].dev
    assert dev is not None
    arp_tbl = m.net.ipv4.arp_tbl
    m.in_task(lambda: neigh_add(arp_tbl, PEER, dev, PEER_MAC, NUD_PERMANENT))
    tcp_state_of(m.net.ipv4).hints[(HOST, 8000, PEER, 40000, 999)] = ConnHint(ISN)
    got: list[bytes] = []

    def server() -> None:
        s = Socket(m.net, 2, 1, 0)
        s.bind(("0.0.0.0", 8000))
        s.listen(5)
        c, _ = s.accept()
        while reads:
            got.append(c.recv(1000))

    m.spawn(server, cpu=0)
    m.attach(0, [((i + 1) * 2_000_000, f) for i, f in enumerate(talk)])
    m.run(until=m.now + 100_000_000)
    m.check()
    led = m.ledger
    assert led.wire == len(talk)
    if reads:
        assert b"".join(got) == b"".join(d[:4])
        assert led.delivered == 4
        assert m.in_flight() == 1
    else:
        assert led.delivered == 0
        assert m.in_flight() == 5
    assert led.total_consumed() == 2  # SYN and third ACK
    assert led.total_dropped() == 2  # what came twice
    m.close()
    assert m.in_flight() == 0
    led.check(0)
