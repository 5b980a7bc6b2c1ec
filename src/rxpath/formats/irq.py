"""/proc/irq/N/*: the small files of an interrupt (kernel/irq/proc.c).  Masks and lists are in `cpumask`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError

FORMAT = "irq spurious"
_SPURIOUS = re.compile(r"count ([0-9]{1,10})\nunhandled ([0-9]{1,10})\nlast_unhandled ([0-9]{1,20}) ms\n?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Spurious:
    """`count`: interrupts since the counters were cleared, `unhandled`: those nobody wanted."""

    count: int = 0
    unhandled: int = 0
    last_unhandled_ms: int = 0


def parse_spurious(text: str) -> Spurious:
    """/proc/irq/N/spurious.  FormatError otherwise."""
    match = _SPURIOUS.fullmatch(text.replace("\r\n", "\n"))
    if match is None:
        raise FormatError(FORMAT, 0, "expected the lines count, unhandled and last_unhandled")
    return Spurious(int(match[1]), int(match[2]), int(match[3]))


def render_spurious(value: Spurious) -> str:
    return f"count {value.count}\nunhandled {value.unhandled}\nlast_unhandled {value.last_unhandled_ms} ms\n"
