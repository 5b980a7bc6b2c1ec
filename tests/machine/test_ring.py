"""The receive ring of a whole machine: what is given to the device, and what a full one loses and counts."""

from __future__ import annotations

import pytest

from rxpath.hw.regs import i82574 as r

from .box import Box


class Masked:
    """A machine whose device cannot interrupt: frames go to the ring, then to the FIFO, then they are lost."""

    def __init__(self, ring: int = 0) -> None:
        self.b = Box()
        if ring:
            self.b.do(f"ethtool -G eth0 rx {ring}")
            self.b.m.wait_for_link()
        self.b.run(3_000_000_000)  # the link's and the driver's timers are past
        dev = self.b.m.dev("eth0")
        self.hw = dev.adapter.the_hw()
        self.hw.ew32(r.IMC, 0xFFFFFFFF)
        self.model = self.b.m.ports[0].model

    def arrive(self, frame: bytes, n: int) -> int:
        return sum(self.b.m.ports[0].receive(frame) for _ in range(n))

    def unmask(self) -> None:
        self.hw.ew32(r.IMS, 0x01570244)
        self.hw.ew32(r.ICS, r.ICR_RXQ0)
        self.b.run(3_000_000_000)

    def stats(self) -> dict[str, int]:
        return self.b.take()["ethtool:eth0"]


@pytest.mark.parametrize("size,given", [(64, 48), (80, 64), (128, 112), (256, 240), (1000, 992), (4096, 4080)])
def test_so_many_frames_fit_the_ring_and_no_more(size: int, given: int) -> None:
    x = Masked(size if size != 256 else 0)
    f = x.b.udp(9, 18)
    assert x.arrive(f, given) == given
    assert x.model.in_flight() == 0 and x.b.m.dev("eth0").rx_in_flight() == given
    assert x.arrive(f, 1) == 1
    assert x.model.in_flight() == 1 and x.b.m.dev("eth0").rx_in_flight() == given
    x.b.m.check()
    x.unmask()
    assert x.stats()["rx_packets"] == given + 1 and x.b.m.in_flight() == 0
    x.b.close()


def test_a_full_ring_counts_what_waits_and_a_full_fifo_what_is_lost() -> None:
    """RNBC counts a frame that found no descriptor (it waits in the FIFO), MPC one that found no room there either."""
    x = Masked()
    before = x.stats()
    f = x.b.udp(9, 1000)
    total = 400
    took = x.arrive(f, total)
    waiting = x.model.in_flight()
    lost = total - took
    assert waiting == took - 240 > 0 and lost > 0
    # the packet buffer's share for receiving is a matter of kilobytes, so a few dozen frames of 1042 bytes
    assert 10 < waiting < 40
    after = x.stats()
    diff = {n: after[n] - before[n] for n in ("rx_no_buffer_count", "rx_missed_errors", "rx_packets")}
    assert diff["rx_missed_errors"] == lost
    assert diff["rx_no_buffer_count"] >= waiting
    assert x.b.m.ledger.dropped == {("nic", "rx fifo full", "rx_missed_errors"): lost}
    x.b.m.check()
    # smaller frames: the same room holds more of them
    y = Masked()
    assert y.arrive(y.b.udp(9, 18), 240 + 2 * waiting) == 240 + 2 * waiting
    y.b.close()
    x.unmask()
    assert x.b.m.in_flight() == 0 and x.stats()["rx_packets"] - before["rx_packets"] == took
    assert x.b.take()["net_dev:eth0"]["rx_drop"] == lost  # rx_missed_errors is what /proc/net/dev shows as drop
    x.b.close()
