"""Programs that talk over loopback with RPS on while CPUs go and come: frames of the machine's own are accounted for too."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.config import MachineConfig
from rxpath.machine import Machine

MS, US = 1_000_000, 1_000
RELEASES = ["3.13", "5.15", "6.1", "6.18"]
item = st.tuples(st.integers(0, 800), st.integers(1, 3), st.booleans())


def talk(release: str, costs: str, mask: str, moments: list[tuple[int, int, bool]]) -> tuple[int, int, Machine]:
    """Three pairs of programs, 90 datagrams each way; (sent, read, the machine)."""
    m = Machine(MachineConfig(release=release, costs=costs, cpus=4))
    m.boot()
    k = m.kernel
    m.files.write("/sys/class/net/lo/queues/rx-0/rps_cpus", mask)
    sent, read = [0], [0]

    def server(s: Any) -> None:
        while True:
            data, peer = s.recvfrom(100)
            read[0] += 1
            s.sendto(data, peer)
            sent[0] += 1

    def client(s: Any, port: int) -> None:
        s.connect(("127.0.0.1", port))
        for i in range(90):
            s.send(b"%d" % i)
            sent[0] += 1
            assert s.recv(100) == b"%d" % i
            read[0] += 1
            k.cur().charge(3 * US)

    for n in range(3):
        s = m.socket()
        s.bind(("127.0.0.1", 6000 + n))
        m.spawn(lambda s=s: server(s), cpu=n + 1, name=f"server{n}")
        c = m.socket()
        m.spawn(lambda c=c, n=n: client(c, 6000 + n), cpu=3 - n, name=f"client{n}")
    for us, cpu, up in moments:
        m.run(m.now + us * US)
        m.files.write(f"/sys/devices/system/cpu/cpu{cpu}/online", str(int(up)))
    m.run(m.now + 200 * MS)
    return sent[0], read[0], m


@settings(max_examples=300 if os.environ.get("RXPATH_SOAK") else 5)
@given(
    st.sampled_from(RELEASES),
    st.sampled_from(["none", "default"]),
    st.sampled_from(["0", "f", "e", "8"]),
    st.lists(item, max_size=8),
)
def test_whenever_cpus_go_and_come_loopback_loses_nothing(
    release: str, costs: str, mask: str, moments: list[tuple[int, int, bool]]
) -> None:
    sent, read, m = talk(release, costs, mask, moments)
    assert sent == read == 540
    m.kernel.ledger.check_own(m.own_in_flight())
    m.close()


@pytest.mark.parametrize("release", RELEASES)
def test_all_but_one_go(release: str) -> None:
    sent, read, m = talk(release, "default", "f", [(100, 3, False), (1, 2, False), (1, 1, False)])
    assert sent == read == 540 and m.files.read("/sys/devices/system/cpu/online") == "0\n"
    assert all(not c.rq and not c.runnable for c in m.kernel.cpus[1:])
    m.close()
