"""The ledger: what became of every frame that the wire gave to a NIC.

The law, checked at the end of every run:
    wire = delivered + consumed + dropped + in flight
    capture + fault duplicates = wire + not sent {own transmissions, fault drops, link}
`in flight` is counted by walking queues (machine.py asks each room), never by subtraction.

One token a wire frame.  An skb carries a count of tokens; clones share one `Fate`, booked once, when the last
reference ends, at the best outcome: delivered > consumed > dropped; among drops the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

IGNORED: Final = (
    -1
)  # a copy that its receiver did not want: it has no say in the frame's fate unless it was the only one
DROPPED: Final = 0
CONSUMED: Final = 1
DELIVERED: Final = 2


class Site:
    """A place where a frame may end: stage, reason in words, the Linux counter that moves, and Linux's drop
    reason.
    """

    __slots__ = ("stage", "reason", "counter", "skb_reason")

    def __init__(self, stage: str, reason: str, counter: str = "none", skb_reason: str = "NOT_SPECIFIED") -> None:
        self.stage = stage
        self.reason = reason
        self.counter = counter
        self.skb_reason = skb_reason

    def __repr__(self) -> str:
        return f"Site({self.stage}: {self.reason} [{self.counter}])"


class Fate:
    """Shared by the clones of one skb: how many references are left and the best outcome so far."""

    __slots__ = ("refs", "tokens", "outcome", "site")

    def __init__(self, refs: int, tokens: int) -> None:
        self.refs = refs
        self.tokens = tokens
        self.outcome = -1
        self.site: Site | None = None


class LedgerError(AssertionError):
    """The law does not hold: a frame was lost from the books, or booked twice."""


class Ledger:
    """Counts of tokens by fate.  Every method is a booking; `check` is the law."""

    __slots__ = (
        "capture",
        "fault_duplicates",
        "not_sent",
        "wire",
        "delivered",
        "consumed",
        "dropped",
        "own_generated",
        "own_sent",
        "own_looped",
        "own_dropped",
        "on_drop",
    )

    def __init__(self) -> None:
        self.capture = 0
        self.fault_duplicates = 0
        self.not_sent: dict[str, int] = {}
        self.wire = 0
        self.delivered = 0
        self.consumed: dict[tuple[str, str], int] = {}
        self.dropped: dict[tuple[str, str, str], int] = {}
        # frames that the machine itself makes: generated = sent + looped + dropped + in flight
        self.own_generated = 0
        self.own_sent = 0
        self.own_looped = 0
        self.own_dropped: dict[tuple[str, str, str], int] = {}
        # told of each skb with a wire frame that is dropped, and where
        self.on_drop: Callable[[Any, Site], None] | None = None

    def book_drop(self, site: Site, tokens: int) -> None:
        key = (site.stage, site.reason, site.counter)
        self.dropped[key] = self.dropped.get(key, 0) + tokens

    def book_consumed(self, site: Site, tokens: int) -> None:
        key = (site.stage, site.reason)
        self.consumed[key] = self.consumed.get(key, 0) + tokens

    def book_delivered(self, tokens: int) -> None:
        self.delivered += tokens

    def book_not_sent(self, reason: str, n: int = 1) -> None:
        self.not_sent[reason] = self.not_sent.get(reason, 0) + n

    def book_own_drop(self, site: Site, n: int = 1) -> None:
        key = (site.stage, site.reason, site.counter)
        self.own_dropped[key] = self.own_dropped.get(key, 0) + n

    def settle(self, fate: Fate, outcome: int, site: Site | None) -> None:
        """One of the references that share `fate` ended."""
        if outcome > fate.outcome or (fate.site is None and outcome == fate.outcome):
            fate.outcome = outcome
            fate.site = site
        fate.refs -= 1
        if fate.refs == 0 and fate.tokens:
            if fate.outcome == DELIVERED:
                self.book_delivered(fate.tokens)
            elif fate.outcome == CONSUMED:
                assert fate.site is not None
                self.book_consumed(fate.site, fate.tokens)
            else:
                assert fate.site is not None
                self.book_drop(fate.site, fate.tokens)

    def total_consumed(self) -> int:
        return sum(self.consumed.values())

    def total_dropped(self) -> int:
        return sum(self.dropped.values())

    def balances(self, in_flight: int) -> bool:
        """Whether nothing is in a CPU's hands: in the middle of a burst, a frame that code holds and has not
        put anywhere yet is in no queue that can be walked.
        """
        return self.wire == self.delivered + self.total_consumed() + self.total_dropped() + in_flight

    def check(self, in_flight: int) -> None:
        """Raise LedgerError unless every frame is accounted for; `in_flight` is the walked count."""
        booked = self.delivered + self.total_consumed() + self.total_dropped() + in_flight
        if booked != self.wire:
            raise LedgerError(
                f"wire {self.wire} != delivered {self.delivered} + consumed {self.total_consumed()}"
                f" + dropped {self.total_dropped()} + in flight {in_flight} (= {booked})"
            )
        left = self.capture + self.fault_duplicates
        right = self.wire + sum(self.not_sent.values())
        if left and left != right:
            raise LedgerError(
                f"capture {self.capture} + duplicates {self.fault_duplicates} != wire {self.wire}"
                f" + not sent {sum(self.not_sent.values())}"
            )

    def check_own(self, in_flight: int) -> None:
        """The law of the frames that the machine itself made."""
        right = self.own_sent + self.own_looped + sum(self.own_dropped.values()) + in_flight
        if self.own_generated != right:
            raise LedgerError(
                f"generated {self.own_generated} != sent {self.own_sent} + looped {self.own_looped}"
                f" + dropped {sum(self.own_dropped.values())} + in flight {in_flight}"
            )
