"""IPCB: what IP notes about a packet while it has it (struct inet_skb_parm).  Made only for packets that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.net.core.skbuff import SkBuff

if TYPE_CHECKING:
    from rxpath.net.ipv4.ip_options import IpOptions

IPSKB_FORWARDED: Final = 1
IPSKB_XFRM_TUNNEL_SIZE: Final = 2
IPSKB_XFRM_TRANSFORMED: Final = 4
IPSKB_FRAG_COMPLETE: Final = 8
IPSKB_REROUTED: Final = 16
IPSKB_DOREDIRECT: Final = 32
IPSKB_FRAG_PMTU: Final = 64


class InetSkbParm:
    """`opt`: parsed options; `frag_max_size`: largest fragment that it came in, in bytes of IP packet, 0 = was whole;
    `pi_*`: for IP_PKTINFO."""

    __slots__ = ("flags", "opt", "frag_max_size", "pi_ifindex", "pi_spec_dst")

    def __init__(self) -> None:
        self.flags = 0
        self.opt: IpOptions | None = None
        self.frag_max_size = 0
        self.pi_ifindex = 0
        self.pi_spec_dst = 0


def ip_cb(skb: SkBuff) -> InetSkbParm:
    """The control block, made when it is not there."""
    c = skb.cb
    if isinstance(c, InetSkbParm):
        return c
    c = InetSkbParm()
    skb.cb = c
    return c


def ip_cb_peek(skb: SkBuff) -> InetSkbParm | None:
    """The control block if there is one."""
    c = skb.cb
    return c if isinstance(c, InetSkbParm) else None
