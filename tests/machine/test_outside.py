"""Calls from outside of the machine, between two runs: what they raise is served when it runs again."""

from __future__ import annotations

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine


@pytest.mark.parametrize("model", ["e1000e", "igb", "ixgbe"])
@pytest.mark.parametrize("cpus", [1, 2])
def test_each_datagram_of_a_caller_between_two_runs_goes_out(model: str, cpus: int) -> None:
    """Byte queue limits hold the second back until the first is completed, whose interrupt comes between the runs."""
    nic = NicConfig(model=model, addresses=["10.0.0.2/24"])
    with Machine(MachineConfig(nics=[nic], cpus=cpus)) as m:
        m.wait_for_link()
        sent: list[bytes] = []
        m.ports[0].model.tx_sink = sent.append
        s = m.socket()
        s.setsockopt(1, 6, 1)  # SO_BROADCAST
        words = [b"datagram %d" % n for n in range(5)]
        for w in words:
            s.sendto(w, ("10.0.0.255", 9))
        m.run(m.now + 1_000_000_000)
        assert [f[42 : 42 + 10] for f in sent] == words
        assert not m.kernel.cpus[0].irq_pending
