"""The form shared by /proc/net/snmp and /proc/net/netstat: a line of names, then a line of values, per
protocol.

Belongs here: the form.  Which protocols and names a release prints is in `snmp` and `netstat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import FormatError, decimal, shown, split_lines


@dataclass(frozen=True, slots=True)
class Layout:
    """The groups of a release in order: (group, names).  A group printed only when counted is not listed."""

    groups: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """One pair of lines."""

    name: str
    names: tuple[str, ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LinePairs:
    """The whole file.  A group may appear more than once (IcmpMsg prints at most 16 names a line)."""

    groups: tuple[Group, ...]

    def get(self, group: str, name: str, default: int = 0) -> int:
        """One counter, e.g. get("Udp", "RcvbufErrors"); `default` where this release does not print it."""
        for g in self.groups:
            if g.name == group and name in g.names:
                return g.values[g.names.index(name)]
        return default

    def has(self, group: str, name: str) -> bool:
        return any(g.name == group and name in g.names for g in self.groups)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """group -> name -> value."""
        out: dict[str, dict[str, int]] = {}
        for g in self.groups:
            out.setdefault(g.name, {}).update(zip(g.names, g.values, strict=True))
        return out


def build(counters: Mapping[str, Mapping[str, int]], layout: Layout) -> LinePairs:
    """The value that a release shows of `counters` (group -> name -> value): its names only, 0 where not
    counted.
    """
    groups: list[Group] = []
    for name, names in layout.groups:
        have = counters.get(name, {})
        groups.append(Group(name, names, tuple(have.get(n, 0) for n in names)))
    return LinePairs(tuple(groups))


def parse_pairs(text: str, fmt: str) -> LinePairs:
    """Any file of this form; FormatError otherwise."""
    lines = [(number, line) for number, line in enumerate(split_lines(text), 1) if line.strip()]
    if not lines:
        raise FormatError(fmt, 0, "empty")
    if len(lines) % 2:
        raise FormatError(fmt, lines[-1][0], "a line of names without its line of values")
    groups: list[Group] = []
    for (at, first), (at2, second) in zip(lines[::2], lines[1::2], strict=True):
        head, colon, names_text = first.partition(":")
        head2, colon2, values_text = second.partition(":")
        if not colon or not head or " " in head:
            raise FormatError(fmt, at, f"expected 'Group: names', found {shown(first)}")
        if not colon2 or head2 != head:
            raise FormatError(fmt, at2, f"expected the values of {head[:40]!a}, found {shown(second)}")
        names = tuple(names_text.split())
        words = values_text.split()
        if len(names) != len(words):
            raise FormatError(fmt, at2, f"{len(names)} names but {len(words)} values in {head[:40]!a}")
        if len(set(names)) != len(names):
            raise FormatError(fmt, at, f"a name appears twice in {head[:40]!a}")
        for n in names:
            if n.lstrip("-").isdigit():
                raise FormatError(fmt, at, f"expected names, found the number {shown(n)}")
        groups.append(Group(head, names, tuple(decimal(w, fmt, at2, "a counter") for w in words)))
    return LinePairs(tuple(groups))


def render_pairs(value: LinePairs) -> str:
    """The text: single blanks, both lines prefixed `Group:`."""
    out: list[str] = []
    for g in value.groups:
        out.append(f"{g.name}: {' '.join(g.names)}\n")
        out.append(f"{g.name}: {' '.join(str(v) for v in g.values)}\n")
    return "".join(out)
