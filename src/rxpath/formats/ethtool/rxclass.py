"""`ethtool -n DEV`: number of receive rings and the flow steering rules (ETHTOOL_GRXRINGS,
ETHTOOL_GRXCLSRLALL).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines, unsigned

FORMAT = "ethtool -n"
_RINGS = re.compile(r"([0-9]{1,9}) RX rings available", re.ASCII)
_TOTAL = re.compile(r"Total ([0-9]{1,9}) rules", re.ASCII)
_FILTER = re.compile(r"Filter: (-?[0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """`fields`: label -> text in order, e.g.

    "Rule Type" -> "UDP over IPv4", "Action" -> "Direct to queue 1".
    """

    location: int
    fields: dict[str, str]

    @property
    def queue(self) -> int | None:
        """The queue the rule steers to; None for a drop."""
        match = re.search(r"queue ([0-9]{1,9})$", self.fields.get("Action", ""), re.ASCII)
        return None if match is None else int(match[1])


@dataclass(frozen=True, slots=True)
class RxClass:
    """`rings` None = the first line is not there; `rules` None = only the number of rings was printed."""

    rings: int | None
    rules: tuple[Rule, ...] | None


def ipv4_rule(
    location: int,
    protocol: str,
    src: str = "0.0.0.0",
    src_mask: str = "255.255.255.255",
    dst: str = "0.0.0.0",
    dst_mask: str = "255.255.255.255",
    tos: int = 0,
    tos_mask: int = 0xFF,
    sport: int = 0,
    sport_mask: int = 0xFFFF,
    dport: int = 0,
    dport_mask: int = 0xFFFF,
    queue: int | None = None,
) -> Rule:
    """A rule for `protocol` TCP, UDP or SCTP.

    Masks as printed: a set bit is NOT compared; `queue` None drops.
    """
    return Rule(
        location,
        {
            "Rule Type": f"{protocol} over IPv4",
            "Src IP addr": f"{src} mask: {src_mask}",
            "Dest IP addr": f"{dst} mask: {dst_mask}",
            "TOS": f"{tos:#x} mask: {tos_mask:#x}",
            "Src port": f"{sport} mask: {sport_mask:#x}",
            "Dest port": f"{dport} mask: {dport_mask:#x}",
            "Action": "Drop" if queue is None else f"Direct to queue {queue}",
        },
    )


def ether_rule(
    location: int,
    src: str = "00:00:00:00:00:00",
    src_mask: str = "FF:FF:FF:FF:FF:FF",
    dst: str = "00:00:00:00:00:00",
    dst_mask: str = "FF:FF:FF:FF:FF:FF",
    proto: int = 0,
    proto_mask: int = 0xFFFF,
    queue: int | None = None,
) -> Rule:
    """A rule on the Ethernet header.  Masks as printed: a set bit is NOT compared; `queue` None drops."""
    return Rule(
        location,
        {
            "Flow Type": "Raw Ethernet",
            "Src MAC addr": f"{src.upper()} mask: {src_mask.upper()}",
            "Dest MAC addr": f"{dst.upper()} mask: {dst_mask.upper()}",
            "Ethertype": f"0x{proto:X} mask: 0x{proto_mask:X}",
            "Action": "Drop" if queue is None else f"Direct to queue {queue}",
        },
    )


def extended(rule: Rule, vlan_etype: tuple[int, int], vlan: tuple[int, int], user: tuple[int, int]) -> Rule:
    """`rule` with the lines of FLOW_EXT, which stand before its action: (value, mask as printed) each."""
    fields = dict(rule.fields)
    action = fields.pop("Action")
    fields["VLAN EtherType"] = f"{vlan_etype[0]:#x} mask: {vlan_etype[1]:#x}"
    fields["VLAN"] = f"{vlan[0]:#x} mask: {vlan[1]:#x}"
    fields["User-defined"] = f"{user[0]:#x} mask: {user[1]:#x}"
    fields["Action"] = action
    return Rule(rule.location, fields)


def parse(text: str) -> RxClass:
    """The output of any version.  FormatError otherwise."""
    rings: int | None = None
    rules: list[Rule] | None = None
    total: int | None = None
    current: dict[str, str] = {}
    for number, line in enumerate(split_lines(text), 1):
        stripped = line.strip()
        if not stripped:
            continue
        match = _RINGS.fullmatch(stripped)
        if match is not None:
            rings = int(match[1])
            continue
        match = _TOTAL.fullmatch(stripped)
        if match is not None:
            rules, total = [], int(match[1])
            continue
        match = _FILTER.fullmatch(stripped)
        if match is not None and line[:1] not in (" ", "\t"):
            current = {}
            rules = rules or []
            rules.append(Rule(int(match[1]), current))
            continue
        label, colon, value = stripped.partition(":")
        if not colon or not rules or label in current:
            raise FormatError(FORMAT, number, f"expected a line of a rule, found {shown(stripped)}")
        current[label] = value.strip()
    if rings is None and rules is None:
        raise FormatError(FORMAT, 0, "neither rings nor rules")
    if total is not None and rules is not None and len(rules) != total:
        raise FormatError(FORMAT, 0, f"{total} rules announced, {len(rules)} found")
    return RxClass(rings, None if rules is None else tuple(rules))


def render(value: RxClass) -> str:
    out: list[str] = []
    if value.rings is not None:
        out.append(f"{value.rings} RX rings available\n")
    if value.rules is not None:
        out.append(f"Total {len(value.rules)} rules\n\n")
        out.extend(render_rule(rule) for rule in value.rules)
    return "".join(out)


def render_rule(rule: Rule) -> str:
    """One rule, as `-n DEV rule N` prints it."""
    return f"Filter: {rule.location}\n" + "".join(f"\t{k}: {v}\n" for k, v in rule.fields.items()) + "\n"


def rule_number(text: str) -> int:
    """The N of `Added rule with ID N`, the answer of -N.  FormatError otherwise."""
    word = text.strip().removeprefix("Added rule with ID ")
    return unsigned(word, FORMAT, 1, "'Added rule with ID N'")
