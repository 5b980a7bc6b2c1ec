"""What rules are made of: matches and targets, the state of one test, and who has registered which.

What belongs here: the base classes and the lists behind /proc/net/ip_tables_*.  The matches and targets themselves
are in xt_match.py and xt_target.py, tables and rules in ip_tables.py.  Facts: net/netfilter/x_tables.c (3.13 to
6.18).
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.netfilter.core import NfHookState

XT_CONTINUE: Final = 0xFFFFFFFF
XT_RETURN: Final = -5  # as a standard verdict

NFPROTO_UNSPEC: Final = 0


class XtActionParam:
    """`struct xt_action_param`: where the transport header is and what the rules found so far.

    `fragoff`: fragment offset in 8-byte units; `thoff`: offset of the transport header in `skb.head`.
    """

    __slots__ = ("state", "fragoff", "thoff", "proto", "hotdrop")

    def __init__(self, state: NfHookState, fragoff: int, thoff: int, proto: int) -> None:
        self.state = state
        self.fragoff = fragoff
        self.thoff = thoff
        self.proto = proto
        self.hotdrop = False


class XtCheckParam:
    """What a rule says around a match or target when the table is replaced: `struct xt_mtchk_param`."""

    __slots__ = ("net", "table", "proto", "inv_proto", "hook_mask")

    def __init__(self, net: Net, table: str, proto: int, inv_proto: bool, hook_mask: int) -> None:
        self.net = net
        self.table = table
        self.proto = proto
        self.inv_proto = inv_proto
        self.hook_mask = hook_mask


class XtMatch:
    """A match of a rule: subclass with `match`; `key` is what makes two of them the same rule."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def match(self, skb: SkBuff, par: XtActionParam) -> bool:
        raise NotImplementedError

    def check(self, par: XtCheckParam) -> int:
        """0, or an errno: the table is refused.  Also called for every rule whenever its table is replaced."""
        return 0

    def key(self) -> tuple[object, ...]:
        raise NotImplementedError


class XtTarget:
    """A target of a rule: `target` gives a verdict, or XT_CONTINUE for the next rule."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def target(self, skb: SkBuff, par: XtActionParam) -> int:
        raise NotImplementedError

    def check(self, par: XtCheckParam) -> int:
        return 0

    def key(self) -> tuple[object, ...]:
        raise NotImplementedError


def skb_header_pointer(skb: SkBuff, off: int, n: int) -> bytes | None:
    """`n` bytes at offset `off` of `head`, from paged data too; None when the packet is shorter.  (Inline.)"""
    if off + n <= skb.tail:
        return skb.head[off : off + n]
    if skb.frag_list is None:
        return None
    rel = off - skb.data
    data = skb.tobytes()
    return data[rel : rel + n] if rel + n <= len(data) else None


class XtRegistry:
    """Names that are registered, newest first: those of every family, then IPv4's."""

    __slots__ = ("matches_any", "matches_ipv4", "targets_any", "targets_ipv4")

    def __init__(self) -> None:
        self.matches_any: list[str] = []
        self.matches_ipv4: list[str] = []
        self.targets_any: list[str] = []
        self.targets_ipv4: list[str] = []

    def matches_text(self) -> str:
        """/proc/net/ip_tables_matches."""
        return "".join(n + "\n" for n in self.matches_any + self.matches_ipv4)

    def targets_text(self) -> str:
        """/proc/net/ip_tables_targets; the standard target has no name and is not shown."""
        return "".join(n + "\n" for n in self.targets_any + self.targets_ipv4)
