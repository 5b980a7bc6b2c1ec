"""/proc/net/sockstat (net/ipv4/proc.c `sockstat_seq_show`): sockets in use; memory of TCP and UDP in pages,
FRAG in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, decimal, shown, split_lines

FORMAT = "net/sockstat"


@dataclass(frozen=True, slots=True)
class Sockstat:
    """Protocol -> name -> number, in the order of the file ("sockets" first)."""

    groups: dict[str, dict[str, int]]

    def get(self, protocol: str, name: str, default: int = 0) -> int:
        return self.groups.get(protocol, {}).get(name, default)


def make(
    used: int,
    tcp: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0),
    udp: tuple[int, int] = (0, 0),
    udplite: int = 0,
    raw: int = 0,
    frag: tuple[int, int] = (0, 0),
) -> Sockstat:
    """The value: tcp = (inuse, orphan, tw, alloc, pages), udp = (inuse, pages), frag = (queues, bytes)."""
    return Sockstat(
        {
            "sockets": {"used": used},
            "TCP": dict(zip(("inuse", "orphan", "tw", "alloc", "mem"), tcp, strict=True)),
            "UDP": dict(zip(("inuse", "mem"), udp, strict=True)),
            "UDPLITE": {"inuse": udplite},
            "RAW": {"inuse": raw},
            "FRAG": dict(zip(("inuse", "memory"), frag, strict=True)),
        }
    )


def parse(text: str) -> Sockstat:
    """sockstat or sockstat6 of any release.  FormatError otherwise."""
    groups: dict[str, dict[str, int]] = {}
    for number, line in enumerate(split_lines(text), 1):
        name, colon, rest = line.partition(":")
        pairs = rest.split()
        if not colon or not name or " " in name or len(pairs) % 2 or not pairs:
            raise FormatError(FORMAT, number, f"expected 'PROTO: name number ...', found {shown(line)}")
        if name in groups:
            raise FormatError(FORMAT, number, f"{shown(name)} appears twice")
        groups[name] = {
            pairs[i]: decimal(pairs[i + 1], FORMAT, number, f"a number after {pairs[i][:20]!a}")
            for i in range(0, len(pairs), 2)
        }
    if not groups:
        raise FormatError(FORMAT, 0, "empty")
    return Sockstat(groups)


def render(value: Sockstat) -> str:
    return "".join(
        f"{name}: {' '.join(f'{k} {n}' for k, n in pairs.items())}\n" for name, pairs in value.groups.items()
    )
