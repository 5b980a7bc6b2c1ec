"""Hook registration and traversal.  Tables (iptables) and connection tracking register here; nothing of them lives
here.

A place without hooks costs one test of a list.  Facts: net/netfilter/core.c, linux/netfilter.h (all releases alike).
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EPERM
from rxpath.net.core.netdevice import Net, NetDevice
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason
from rxpath.sim.ledger import Site

NF_INET_PRE_ROUTING: Final = 0
NF_INET_LOCAL_IN: Final = 1
NF_INET_FORWARD: Final = 2
NF_INET_LOCAL_OUT: Final = 3
NF_INET_POST_ROUTING: Final = 4
NF_INET_NUMHOOKS: Final = 5

NF_ARP_IN: Final = 0
NF_ARP_OUT: Final = 1
NF_ARP_FORWARD: Final = 2

NFPROTO_IPV4: Final = 2
NFPROTO_ARP: Final = 3

NF_DROP: Final = 0
NF_ACCEPT: Final = 1
NF_STOLEN: Final = 2
NF_QUEUE: Final = 3
NF_REPEAT: Final = 4
NF_STOP: Final = 5
NF_VERDICT_MASK: Final = 0xFF
NF_VERDICT_QBITS: Final = 16
NF_VERDICT_FLAG_QUEUE_BYPASS: Final = 0x8000

NF_IP_PRI_RAW_BEFORE_DEFRAG: Final = -450
NF_IP_PRI_CONNTRACK_DEFRAG: Final = -400
NF_IP_PRI_RAW: Final = -300
NF_IP_PRI_SELINUX_FIRST: Final = -225
NF_IP_PRI_CONNTRACK: Final = -200
NF_IP_PRI_MANGLE: Final = -150
NF_IP_PRI_NAT_DST: Final = -100
NF_IP_PRI_FILTER: Final = 0
NF_IP_PRI_SECURITY: Final = 50
NF_IP_PRI_NAT_SRC: Final = 100
NF_IP_PRI_SELINUX_LAST: Final = 225
NF_IP_PRI_CONNTRACK_HELPER: Final = 300
NF_IP_PRI_CONNTRACK_CONFIRM: Final = (1 << 31) - 1

SITE_NF_DROP: Final = Site("netfilter", "a hook said DROP", "none", "NETFILTER_DROP")
SITE_NF_NO_QUEUE: Final = Site("netfilter", "queued to user space and nobody listens", "none", "NETFILTER_DROP")


class NfHookState:
    """`struct nf_hook_state`: where the packet is and the devices that it came from and goes to."""

    __slots__ = ("hook", "pf", "indev", "outdev", "net", "sk")

    def __init__(
        self, net: Net, pf: int, hook: int, indev: NetDevice | None, outdev: NetDevice | None, sk: object = None
    ) -> None:
        self.net = net
        self.pf = pf
        self.hook = hook
        self.indev = indev
        self.outdev = outdev
        self.sk = sk


class NfHookOps:
    """`struct nf_hook_ops`: subclass and implement `func`, which returns a verdict (NF_*, perhaps with high bits)."""

    __slots__ = ("pf", "hooknum", "priority", "drop_site")

    def __init__(self, pf: int, hooknum: int, priority: int, drop_site: Site = SITE_NF_DROP) -> None:
        self.pf = pf
        self.hooknum = hooknum
        self.priority = priority
        self.drop_site = drop_site  # how a DROP of this hook is booked

    def func(self, skb: SkBuff, state: NfHookState) -> int:
        raise NotImplementedError


class RejectSender:
    """What REJECT asks of IPv4: subclass in net/ipv4, which lies above."""

    __slots__ = ()

    def send_unreach(self, skb: SkBuff, code: int, hook: int) -> None:
        raise NotImplementedError

    def send_reset(self, skb: SkBuff, hook: int) -> None:
        raise NotImplementedError


class Netfilter:
    """The hooks of one machine: `ipv4[hook]` and `arp[hook]` are lists in order of priority, empty when nobody
    registered.  `tables`: name -> table of iptables (ip_tables.py), `registry`: matches and targets (x_tables.py).
    """

    __slots__ = ("ipv4", "arp", "tables", "registry", "reject")

    def __init__(self) -> None:
        self.tables: dict[str, object] = {}
        self.registry: object = None
        self.reject: RejectSender | None = None
        self.ipv4: list[list[NfHookOps]] = [[] for _ in range(NF_INET_NUMHOOKS)]
        self.arp: list[list[NfHookOps]] = [[] for _ in range(3)]


def nf_register_net_hook(net: Net, ops: NfHookOps) -> None:
    """Insert behind the hooks of equal priority."""
    nf: Netfilter = net.netfilter
    lst = (nf.ipv4 if ops.pf == NFPROTO_IPV4 else nf.arp)[ops.hooknum]
    i = 0
    while i < len(lst) and lst[i].priority <= ops.priority:
        i += 1
    lst.insert(i, ops)


def nf_unregister_net_hook(net: Net, ops: NfHookOps) -> None:
    nf: Netfilter = net.netfilter
    lst = (nf.ipv4 if ops.pf == NFPROTO_IPV4 else nf.arp)[ops.hooknum]
    if ops in lst:
        lst.remove(ops)


def nf_hook_slow(skb: SkBuff, state: NfHookState, hooks: list[NfHookOps]) -> int:
    """Run the hooks: 1 = go on, 0 = taken by a hook, negative errno = dropped and freed."""
    for ops in list(hooks):
        while True:
            verdict = ops.func(skb, state)
            v = verdict & NF_VERDICT_MASK
            if v != NF_REPEAT:
                break
        if v == NF_ACCEPT:
            continue
        if v == NF_DROP:
            kfree_skb_reason(skb, ops.drop_site)
            err = -(verdict >> NF_VERDICT_QBITS)
            return err if err else -EPERM
        if v == NF_QUEUE:
            if verdict & NF_VERDICT_FLAG_QUEUE_BYPASS:
                continue
            kfree_skb_reason(skb, SITE_NF_NO_QUEUE)
            return -EPERM
        if v == NF_STOP:
            return 1
        return 0  # NF_STOLEN
    return 1


def nf_hook_slow_list(skbs: list[SkBuff], state: NfHookState, hooks: list[NfHookOps]) -> list[SkBuff]:
    """The packets of a list that go on."""
    return [skb for skb in skbs if nf_hook_slow(skb, state, hooks) == 1]


def netfilter_init(net: Net) -> None:
    net.netfilter = Netfilter()
