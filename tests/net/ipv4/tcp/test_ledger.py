"""Every frame of a conversation from the wire is accounted for: read, used up, dropped."""

from __future__ import annotations

import pytest
from tests.net.ipv4.tcp.peer import ACK, MS, SYN, chunks, machine, seg

from rxpath.sockets import Socket


@pytest.mark.parametrize("release", ["3.13", "6.1", "6.18"])
@pytest.mark.parametrize("reads", [True, False])
def test_law_with_holes_and_repetitions(release: str, reads: bool) -> None:
    d = chunks(6)
    talk = [seg(0, flags=SYN), seg(0, flags=ACK)]
    talk += [seg(100 * i, d[i]) for i in (0, 2, 3, 2, 1, 0, 5)]  # repeats 2 and 0; 4 never comes
    m = machine(release)
    got: list[bytes] = []

    def server() -> None:
        s = Socket(m.net, 2, 1, 0)
        s.bind(("0.0.0.0", 8000))
        s.listen(5)
        c, _ = s.accept()
        while reads:
            got.append(c.recv(1000))

    m.spawn(server, cpu=0)
    m.attach(0, [((i + 1) * 2 * MS, f) for i, f in enumerate(talk)])
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
