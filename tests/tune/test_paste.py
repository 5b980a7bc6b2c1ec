"""What copying adds to a text goes, and the doctor reads the same as without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.tune.intake import read_inputs, read_text
from rxpath.tune.paste import unpasted

STATISTICS = "NIC statistics:\n     rx_packets: 5\n     rx_missed_errors: 3\n"
RING = "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t4096\nTX:\t\t4096\nCurrent hardware settings:\nRX:\t\t256\nTX:\t\t256\n"
SOFTIRQS = "           CPU0       CPU1       \n  HI:          0          0\n  NET_RX:          1          2\n"
SOFTNET = "000000aa 00000000 00000001" + " 00000000" * 10 + "\n"
TEXTS = {"statistics": STATISTICS, "ring": RING, "softirqs": SOFTIRQS, "softnet": SOFTNET,
         "all": STATISTICS + RING + SOFTIRQS + SOFTNET}  # fmt: skip


def each(before: str, after: str = "") -> Callable[[str], str]:
    return lambda text: "".join(f"{before}{line}{after}\n" for line in text.splitlines())


COPIED: dict[str, Callable[[str], str]] = {
    "quoted": each("> "),
    "quoted twice": each(">> "),
    "quoted by two programs": each("> > "),
    "a byte order mark": lambda t: "\ufeff" + t,
    "CRLF": lambda t: t.replace("\n", "\r\n"),
    "CR": lambda t: t.replace("\n", "\r"),
    "colours": each("\x1b[01;31m\x1b[K", "\x1b[m"),
    "a terminal's title": lambda t: "\x1b]0;root@host: ~\x07" + t,
    "four spaces": each("    "),
    "a tab": each("\t"),
    "a prompt after it": lambda t: t + "[root@host ~]# ",
    "zeros at its end": lambda t: t + "\0\0",
    "all at once": lambda t: "\ufeff" + each("> >     \x1b[1m", "\x1b[0m\r")(t),
}


def told(text: str) -> list[tuple[object, ...]]:
    taken = read_text(text)
    assert taken.problems == []
    return [(key, piece.value) for s in taken.snapshots for key, piece in sorted(s.pieces.items())]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("how", COPIED)
def test_the_same_is_read(text: str, how: str) -> None:
    expected = told(TEXTS[text])
    assert len(expected) == (4 if text == "all" else 1)
    assert told(COPIED[how](TEXTS[text])) == expected


@pytest.mark.parametrize("coding", ["utf-16", "utf-8-sig"])
def test_a_redirect_of_another_system(coding: str) -> None:
    data = RING.replace("\n", "\r\n").encode(coding)
    taken = read_inputs(["-"], lambda: data)
    assert taken.problems == [] and [sorted(s.pieces) for s in taken.snapshots] == [[("ethtool-g", "eth0")]]


def test_a_quotation_beside_other_text_stays() -> None:
    mixed = "It says:\n> NIC statistics:\n>      rx_packets: 5\n"
    assert unpasted(mixed, lambda line: False) == mixed


@given(st.text(alphabet=" >\t\r\n\x1b[0m#@ax:1", max_size=60))
def test_nothing_that_is_text_is_lost(text: str) -> None:
    """Letters and digits that are no part of a terminal's code or of a prompt stay, in their order."""
    if "\x1b" in text or "@" in text:
        unpasted(text, lambda line: False)
    else:
        keep = [c for c in text if c not in " >\t\r\n"]
        assert [c for c in unpasted(text, lambda line: True) if c not in " >\t\r\n"] == keep
