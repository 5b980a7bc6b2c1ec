"""/proc/net/snmp6 and /proc/net/dev_snmp6/DEV: lines of name and value (net/ipv6/proc.c `snmp6_seq_show`)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned

FORMAT = "net/snmp6"


@dataclass(frozen=True, slots=True)
class Snmp6:
    counters: dict[str, int]


def parse(text: str) -> Snmp6:
    """The file of any release.  FormatError otherwise."""
    counters: dict[str, int] = {}
    for number, line in enumerate(split_lines(text), 1):
        w = line.split()
        if len(w) != 2 or w[0] in counters:
            raise FormatError(FORMAT, number, f"expected a new name and a number, found {shown(line)}")
        counters[w[0]] = unsigned(w[1], FORMAT, number, "a counter")
    if not counters:
        raise FormatError(FORMAT, 0, "empty")
    return Snmp6(counters)


def render(value: Snmp6) -> str:
    return "".join(f"{name:<32s}\t{number}\n" for name, number in value.counters.items())
