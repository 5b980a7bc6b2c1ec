"""Sequence arithmetic of TCP (u32 that wraps), states and their masks.  The flags of a header are wire/tcp.py's."""

from __future__ import annotations

from typing import Final

from rxpath.wire.tcp import TCPHDR_CWR, TCPHDR_ECE, TCPHDR_SYN

M32: Final = 0xFFFFFFFF

TCPHDR_SYN_ECN: Final = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR


STATE_NAMES: Final = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
)


def before(a: int, b: int) -> bool:
    """a stands before b."""
    return (a - b) & 0x80000000 != 0


def after(a: int, b: int) -> bool:
    """a stands behind b."""
    return (b - a) & 0x80000000 != 0


def between(a: int, lo: int, hi: int) -> bool:
    """lo <= a <= hi."""
    return (hi - lo) & M32 >= (a - lo) & M32


def s32(a: int) -> int:
    """A u32 difference as a signed number."""
    a &= M32
    return a - 0x100000000 if a & 0x80000000 else a
