"""The law of the ledger."""

from __future__ import annotations

import pytest

from rxpath.sim.ledger import CONSUMED, DELIVERED, DROPPED, Fate, Ledger, LedgerError, Site

A = Site("nic", "fifo full", "MPC")
B = Site("ip", "bad header", "Ip.InHdrErrors")


def test_law_holds_and_breaks() -> None:
    led = Ledger()
    led.wire = 3
    led.book_delivered(1)
    led.book_drop(A, 1)
    led.check(1)
    with pytest.raises(LedgerError):
        led.check(0)


@pytest.mark.parametrize(
    "ends,delivered,consumed,dropped",
    [
        ([DROPPED, DELIVERED], 1, 0, 0),
        ([DELIVERED, DROPPED], 1, 0, 0),
        ([CONSUMED, DROPPED], 0, 1, 0),
        ([DROPPED, DROPPED], 0, 0, 1),
    ],
)
def test_clones_share_one_fate_at_the_best_outcome(
    ends: list[int], delivered: int, consumed: int, dropped: int
) -> None:
    led = Ledger()
    fate = Fate(2, 1)
    led.settle(fate, ends[0], A)
    assert led.delivered + led.total_consumed() + led.total_dropped() == 0
    led.settle(fate, ends[1], B)
    assert (led.delivered, led.total_consumed(), led.total_dropped()) == (delivered, consumed, dropped)


def test_among_drops_the_first_counts() -> None:
    led = Ledger()
    fate = Fate(2, 1)
    led.settle(fate, DROPPED, A)
    led.settle(fate, DROPPED, B)
    assert led.dropped == {("nic", "fifo full", "MPC"): 1}
