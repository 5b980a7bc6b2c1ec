"""/proc/net/snmp: the MIB counters Ip, Icmp, IcmpMsg, Tcp, Udp, UdpLite (net/ipv4/proc.c `snmp_seq_show`).

Also `icmpmsg_groups`: IcmpMsg is printed only for the types that were counted, sixteen a pair of lines.
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import words
from .line_pairs import Group, Layout, LinePairs, parse_pairs, render_pairs
from .line_pairs import build as build_groups

FORMAT = "snmp"

IP: tuple[str, ...] = words(
    """
    Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards
    InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs
    FragFails FragCreates
    """
)
IP_6_12: tuple[str, ...] = (*IP, "OutTransmits")

_ICMP_TYPES = words(
    """
    DestUnreachs TimeExcds ParmProbs SrcQuenchs Redirects Echos EchoReps Timestamps TimestampReps
    AddrMasks AddrMaskReps
    """
)
_ICMP_IN = ("InMsgs", "InErrors", "InCsumErrors", *("In" + t for t in _ICMP_TYPES))
ICMP: tuple[str, ...] = (*_ICMP_IN, "OutMsgs", "OutErrors", *("Out" + t for t in _ICMP_TYPES))
ICMP_RATELIMIT: tuple[str, ...] = (
    *_ICMP_IN,
    *("OutMsgs", "OutErrors", "OutRateLimitGlobal", "OutRateLimitHost"),
    *("Out" + t for t in _ICMP_TYPES),
)
TCP: tuple[str, ...] = words(
    """
    RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs
    OutSegs RetransSegs InErrs OutRsts InCsumErrors
    """
)
UDP_3_13: tuple[str, ...] = words("InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors")
UDP_5_15: tuple[str, ...] = (*UDP_3_13, "IgnoredMulti", "MemErrors")

LAYOUT_3_13 = Layout((("Ip", IP), ("Icmp", ICMP), ("Tcp", TCP), ("Udp", UDP_3_13), ("UdpLite", UDP_3_13)))
LAYOUT_5_15 = Layout((("Ip", IP), ("Icmp", ICMP), ("Tcp", TCP), ("Udp", UDP_5_15), ("UdpLite", UDP_5_15)))
LAYOUT_6_1 = Layout((("Ip", IP), ("Icmp", ICMP_RATELIMIT), ("Tcp", TCP), ("Udp", UDP_5_15), ("UdpLite", UDP_5_15)))
LAYOUT_6_18 = Layout(
    (("Ip", IP_6_12), ("Icmp", ICMP_RATELIMIT), ("Tcp", TCP), ("Udp", UDP_5_15), ("UdpLite", UDP_5_15))
)

_PER_LINE = 16


def icmpmsg_groups(counts: Mapping[int, int]) -> tuple[Group, ...]:
    """The IcmpMsg pairs of `counts`: index 0-255 received type, 256-511 sent type; zero counts are not
    printed.
    """
    shown = sorted((index, n) for index, n in counts.items() if n)
    out: list[Group] = []
    for at in range(0, len(shown), _PER_LINE):
        part = shown[at : at + _PER_LINE]
        names = tuple(f"{'Out' if i & 0x100 else 'In'}Type{i & 0xFF}" for i, _ in part)
        out.append(Group("IcmpMsg", names, tuple(n for _, n in part)))
    return tuple(out)


def build(
    counters: Mapping[str, Mapping[str, int]], layout: Layout, icmpmsg: Mapping[int, int] | None = None
) -> LinePairs:
    """The value a release shows: its groups with 0 where not counted, IcmpMsg (if any type was counted) after
    Icmp.

    The caller gives Forwarding, DefaultTTL, RtoAlgorithm 1, RtoMin 200, RtoMax 120000 and MaxConn -1 like
    counters.
    """
    groups: list[Group] = []
    for group in build_groups(counters, layout).groups:
        groups.append(group)
        if group.name == "Icmp":
            groups.extend(icmpmsg_groups(icmpmsg or {}))
    return LinePairs(tuple(groups))


def parse(text: str) -> LinePairs:
    """The file of any release; FormatError otherwise."""
    return parse_pairs(text, FORMAT)


def render(value: LinePairs) -> str:
    """The file.  `build(counters, layout)` makes the value that a release shows."""
    return render_pairs(value)
