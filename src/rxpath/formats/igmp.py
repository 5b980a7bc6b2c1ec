"""/proc/net/igmp: multicast groups joined, per device (net/ipv4/igmp.c `igmp_mc_seq_show`)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, shown, split_lines, unsigned
from .inet_addr import from_hex, to_hex

FORMAT = "net/igmp"
HEADER = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"


@dataclass(frozen=True, slots=True)
class IgmpGroup:
    """`timer` in 1/100 s while `running`."""

    group: str
    users: int = 1
    running: int = 0
    timer: int = 0
    reporter: int = 0


@dataclass(frozen=True, slots=True)
class IgmpDevice:
    index: int
    device: str
    count: int
    querier: str
    groups: tuple[IgmpGroup, ...]


@dataclass(frozen=True, slots=True)
class Igmp:
    devices: tuple[IgmpDevice, ...]


def parse(text: str) -> Igmp:
    """The file of any release.  FormatError otherwise."""
    lines = split_lines(text)
    if not lines or lines[0].split() != HEADER.split():
        raise FormatError(FORMAT, 1, "expected the header 'Idx Device : Count Querier ...'")
    devices: list[IgmpDevice] = []
    groups: list[IgmpGroup] = []
    head: tuple[int, str, int, str] | None = None
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if line.startswith(("\t", " ")):
            if head is None:
                raise FormatError(FORMAT, number, "a group before any device")
            if len(words) != 4 or ":" not in words[2]:
                raise FormatError(FORMAT, number, f"expected group, users, timer and reporter, found {shown(line)}")
            running, _, timer = words[2].partition(":")
            groups.append(
                IgmpGroup(
                    from_hex(words[0], FORMAT, number),
                    unsigned(words[1], FORMAT, number),
                    unsigned(running, FORMAT, number),
                    hexadecimal(timer, FORMAT, number),
                    unsigned(words[3], FORMAT, number),
                )
            )
            continue
        left, _, right = line.rpartition(":")
        first, last = left.split(), right.split()
        if len(first) != 2 or len(last) != 2:
            raise FormatError(FORMAT, number, f"expected 'index device : count querier', found {shown(line)}")
        if head is not None:
            devices.append(IgmpDevice(*head, tuple(groups)))
        groups = []
        head = (unsigned(first[0], FORMAT, number), first[1], unsigned(last[0], FORMAT, number), last[1])
    if head is not None:
        devices.append(IgmpDevice(*head, tuple(groups)))
    return Igmp(tuple(devices))


def render(value: Igmp) -> str:
    out = [HEADER]
    for d in value.devices:
        out.append(f"{d.index}\t{d.device:<10s}: {d.count:5d} {d.querier:>7s}\n")
        for g in d.groups:
            out.append(f"\t\t\t\t{to_hex(g.group)} {g.users:5d} {g.running}:{g.timer:08X}\t\t{g.reporter}\n")
    return "".join(out)
