"""Tables of rules at the IPv4 hooks: filter and raw.

What belongs here: rules, chains, tables, the walk of a packet through them, and the lists of /proc/net.  What
matches and targets do is in xt_match.py and xt_target.py; what REJECT sends is IPv4's (net/ipv4/nf_reject.py).
Facts: net/ipv4/netfilter/ip_tables.c, iptable_filter.c, iptable_raw.c (3.13 to 6.18).

A table whose module is not there has no hooks, and costs nothing.  One that is there costs `netfilter_rule` for each
rule that a packet is compared with; the policy at the end of a chain is such a rule.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EINVAL, ELOOP
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.netfilter.core import (
    NF_ACCEPT,
    NF_DROP,
    NF_INET_FORWARD,
    NF_INET_LOCAL_IN,
    NF_INET_LOCAL_OUT,
    NF_INET_PRE_ROUTING,
    NF_IP_PRI_FILTER,
    NF_IP_PRI_RAW,
    NFPROTO_IPV4,
    NfHookOps,
    NfHookState,
    nf_register_net_hook,
    nf_unregister_net_hook,
)
from rxpath.net.netfilter.x_tables import XT_CONTINUE, XT_RETURN, XtActionParam, XtCheckParam, XtMatch, XtTarget
from rxpath.sim.ledger import Site

IPT_F_FRAG: Final = 0x01
IPT_F_GOTO: Final = 0x02
IPT_INV_VIA_IN: Final = 0x01
IPT_INV_VIA_OUT: Final = 0x02
IPT_INV_TOS: Final = 0x04
IPT_INV_SRCIP: Final = 0x08
IPT_INV_DSTIP: Final = 0x10
IPT_INV_FRAG: Final = 0x20
IPT_INV_PROTO: Final = 0x40

CHAIN_OF_HOOK: Final = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
# table -> (priority, its hooks in the order of its chains)
TABLES: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "filter": (NF_IP_PRI_FILTER, (NF_INET_LOCAL_IN, NF_INET_FORWARD, NF_INET_LOCAL_OUT)),
    "raw": (NF_IP_PRI_RAW, (NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT)),
}

# what a rule without `-j` has as its verdict: count, and on to the next
FALLTHROUGH: Final = -1


class IptEntry:
    """`struct ipt_entry`: one rule.  Addresses are numbers, interfaces as given (`eth+` = every name with eth).

    `verdict` counts when there is neither `target` nor `jump`: NF_ACCEPT, NF_DROP, XT_RETURN or FALLTHROUGH.
    """

    __slots__ = (
        "src",
        "smsk",
        "dst",
        "dmsk",
        "iniface",
        "outiface",
        "proto",
        "flags",
        "invflags",
        "matches",
        "target",
        "jump",
        "verdict",
        "pcnt",
        "bcnt",
    )

    def __init__(self) -> None:
        self.src = 0
        self.smsk = 0
        self.dst = 0
        self.dmsk = 0
        self.iniface = ""
        self.outiface = ""
        self.proto = 0
        self.flags = 0
        self.invflags = 0
        self.matches: list[XtMatch] = []
        self.target: XtTarget | None = None
        self.jump: IptChain | None = None
        self.verdict = FALLTHROUGH
        self.pcnt = 0
        self.bcnt = 0

    def unconditional(self) -> bool:
        return not self.matches and not (
            self.smsk or self.dmsk or self.iniface or self.outiface or self.proto or self.flags & IPT_F_FRAG
        )

    def key(self) -> tuple[object, ...]:
        """What -D and -C compare: everything but the counters."""
        return (
            self.src,
            self.smsk,
            self.dst,
            self.dmsk,
            self.iniface if self.iniface != "+" else "",
            self.outiface if self.outiface != "+" else "",
            self.proto,
            self.flags,
            self.invflags,
            tuple((m.name, *m.key()) for m in self.matches),
            (self.target.name, *self.target.key()) if self.target is not None else (),
            self.jump.name if self.jump is not None else "",
            self.verdict,
        )


class IptChain:
    """A chain: a built-in one has its hook, a policy and counters of what fell through to it."""

    __slots__ = ("name", "hook", "rules", "policy", "pcnt", "bcnt")

    def __init__(self, name: str, hook: int) -> None:
        self.name = name
        self.hook = hook  # -1: made by the user
        self.rules: list[IptEntry] = []
        self.policy = NF_ACCEPT
        self.pcnt = 0
        self.bcnt = 0


class IptTable:
    """`struct xt_table`: its chains (built-in ones in order, then the user's by name) and hooks."""

    __slots__ = ("net", "name", "priority", "builtin", "by_hook", "user", "ops")

    def __init__(self, net: Net, name: str) -> None:
        self.net = net
        self.name = name
        self.priority, hooks = TABLES[name]
        self.builtin = [IptChain(CHAIN_OF_HOOK[h], h) for h in hooks]
        self.by_hook: list[IptChain | None] = [None] * 5
        for c in self.builtin:
            self.by_hook[c.hook] = c
        self.user: dict[str, IptChain] = {}
        self.ops: list[NfHookOps] = []

    def chains(self) -> list[IptChain]:
        """In the order in which iptables shows them."""
        return self.builtin + [self.user[n] for n in sorted(self.user)]

    def chain(self, name: str) -> IptChain | None:
        for c in self.builtin:
            if c.name == name:
                return c
        return self.user.get(name)

    def references(self, chain: IptChain) -> int:
        return sum(1 for c in self.chains() for r in c.rules if r.jump is chain)

    def valid_hooks(self) -> int:
        return sum(1 << c.hook for c in self.builtin)

    def check(self, changed: list[IptEntry]) -> int:
        """What the kernel checks when the table is replaced: 0 or an errno, with the complaint in its log.

        `changed`: rules that may not be in a chain yet.  As a side effect the state of every match begins anew.
        """
        masks = self._reached()
        if masks is None:
            return ELOOP
        for c in self.chains():
            for r in c.rules:
                err = self._check_rule(r, masks.get(c.name, 0))
                if err:
                    return err
        for r in changed:
            err = self._check_rule(r, 0)
            if err:
                return err
        return 0

    def _check_rule(self, r: IptEntry, mask: int) -> int:
        if r.jump is not None and r.jump.hook >= 0:
            return EINVAL
        par = XtCheckParam(self.net, self.name, r.proto, bool(r.invflags & IPT_INV_PROTO), mask)
        for m in r.matches:
            err = m.check(par)
            if err:
                return err
        return r.target.check(par) if r.target is not None else 0

    def _reached(self) -> dict[str, int] | None:
        """Chain -> mask of the hooks that reach it; None when rules lead in a circle (mark_source_chains)."""
        masks: dict[str, int] = {}
        for c in self.builtin:
            if not self._walk(c, 1 << c.hook, masks, []):
                return None
        return masks

    def _walk(self, chain: IptChain, mask: int, masks: dict[str, int], path: list[str]) -> bool:
        if chain.name in path:
            return False
        if masks.get(chain.name, 0) & mask == mask:
            return True
        masks[chain.name] = masks.get(chain.name, 0) | mask
        path.append(chain.name)
        for r in chain.rules:
            if r.jump is not None:
                if r.jump.hook < 0 and not self._walk(r.jump, mask, masks, path):
                    return False
            elif r.target is None and r.verdict != FALLTHROUGH and r.unconditional():
                break
        path.pop()
        return True


def ip_packet_match(skb: SkBuff, nh: int, indev: str, outdev: str, r: IptEntry, isfrag: bool) -> bool:
    """Whether the packet fits what the rule says of addresses, interfaces, protocol and fragments.  (Inline.)"""
    inv = r.invflags
    head = skb.head
    if r.smsk or inv & IPT_INV_SRCIP:
        saddr = head[nh + 12] << 24 | head[nh + 13] << 16 | head[nh + 14] << 8 | head[nh + 15]
        if ((saddr & r.smsk) != r.src) != bool(inv & IPT_INV_SRCIP):
            return False
    if r.dmsk or inv & IPT_INV_DSTIP:
        daddr = head[nh + 16] << 24 | head[nh + 17] << 16 | head[nh + 18] << 8 | head[nh + 19]
        if ((daddr & r.dmsk) != r.dst) != bool(inv & IPT_INV_DSTIP):
            return False
    if r.iniface and _ifname_differs(indev, r.iniface) != bool(inv & IPT_INV_VIA_IN):
        return False
    if r.outiface and _ifname_differs(outdev, r.outiface) != bool(inv & IPT_INV_VIA_OUT):
        return False
    if r.proto and (head[nh + 9] != r.proto) != bool(inv & IPT_INV_PROTO):
        return False
    return not (r.flags & IPT_F_FRAG and (not isfrag) != bool(inv & IPT_INV_FRAG))


def _ifname_differs(name: str, pattern: str) -> bool:
    if pattern.endswith("+"):
        return not name.startswith(pattern[:-1])
    return name != pattern


def ipt_do_table(skb: SkBuff, state: NfHookState, table: IptTable) -> int:
    """Walk the packet through the table's chain of this hook: a verdict."""
    chain = table.by_hook[state.hook]
    assert chain is not None
    nh = skb.network_header
    head = skb.head
    fragoff = (head[nh + 6] << 8 | head[nh + 7]) & 0x1FFF
    par = XtActionParam(state, fragoff, nh + ((head[nh] & 15) << 2), head[nh + 9])
    indev = state.indev.name if state.indev is not None else ""
    outdev = state.outdev.name if state.outdev is not None else ""
    size = skb.len
    tested = 0
    stack: list[tuple[IptChain, int]] = []
    at = 0
    verdict = NF_DROP
    while True:
        if at >= len(chain.rules):
            tested += 1
            if chain.hook >= 0:  # the policy
                chain.pcnt += 1
                chain.bcnt += size
                verdict = chain.policy
                break
            if not stack:  # a goto's way back ends at the policy of the hook
                base = table.by_hook[state.hook]
                assert base is not None
                chain, at = base, len(base.rules)
            else:
                chain, at = stack.pop()
            continue
        r = chain.rules[at]
        at += 1
        tested += 1
        if not ip_packet_match(skb, nh, indev, outdev, r, fragoff != 0):
            continue
        fits = True
        for m in r.matches:
            if not m.match(skb, par):
                fits = False
                break
        if not fits:
            if par.hotdrop:
                verdict = NF_DROP
                break
            continue
        r.pcnt += 1
        r.bcnt += size
        t = r.target
        if t is not None:
            verdict = t.target(skb, par)
            if par.hotdrop:
                verdict = NF_DROP
                break
            if verdict == XT_CONTINUE:
                continue
            break
        if r.jump is not None:
            if not r.flags & IPT_F_GOTO:
                stack.append((chain, at))
            chain, at = r.jump, 0
            continue
        if r.verdict == FALLTHROUGH:
            continue
        if r.verdict == XT_RETURN:
            if stack:
                chain, at = stack.pop()
            else:
                base = table.by_hook[state.hook]
                assert base is not None
                chain, at = base, len(base.rules)
            continue
        verdict = r.verdict
        break
    k = table.net.kernel
    cost = k.costs.netfilter_rule
    if cost and k.engine.current is not None:
        k.cur().accrued_or_charge(cost * tested)
    return verdict


class IptHook(NfHookOps):
    """A table at one hook.  What it drops is booked under the table's and the chain's name."""

    __slots__ = ("table",)

    def __init__(self, table: IptTable, hooknum: int) -> None:
        chain = CHAIN_OF_HOOK[hooknum]
        super().__init__(
            NFPROTO_IPV4,
            hooknum,
            table.priority,
            Site(
                "netfilter",
                f"iptables: the {table.name} table dropped it in {chain}",
                f"iptables -t {table.name} -L {chain}",
                "NETFILTER_DROP",
            ),
        )
        self.table = table

    def func(self, skb: SkBuff, state: NfHookState) -> int:
        return ipt_do_table(skb, state, self.table)


def ipt_register_table(net: Net, name: str) -> IptTable:
    """The table with its built-in chains, empty, policy ACCEPT, at its hooks.  Raises KeyError."""
    table = IptTable(net, name)
    for chain in table.builtin:
        ops = IptHook(table, chain.hook)
        table.ops.append(ops)
        nf_register_net_hook(net, ops)
    net.netfilter.tables[name] = table
    return table


def ipt_unregister_table(net: Net, name: str) -> None:
    table = net.netfilter.tables.pop(name, None)
    if isinstance(table, IptTable):
        for ops in table.ops:
            nf_unregister_net_hook(net, ops)


def tables_text(net: Net) -> str:
    """/proc/net/ip_tables_names: newest first."""
    return "".join(n + "\n" for n in reversed(list(net.netfilter.tables)))
