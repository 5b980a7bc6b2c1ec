"""The matches of iptables: tcp, udp, icmp, multiport, limit, comment.

Facts: net/netfilter/xt_tcpudp.c, xt_multiport.c, xt_limit.c, xt_comment.c, net/ipv4/netfilter/ip_tables.c (icmp).
A header that is cut short is dropped at once ("hotdrop"); a later fragment matches no port.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EINVAL, ERANGE
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.netfilter.x_tables import XtActionParam, XtCheckParam, XtMatch, skb_header_pointer

XT_TCP_INV_SRCPT: Final = 1
XT_TCP_INV_DSTPT: Final = 2
XT_TCP_INV_FLAGS: Final = 4
XT_TCP_INV_OPTION: Final = 8

XT_LIMIT_SCALE: Final = 10000
MULTIPORT_SOURCE: Final = 0
MULTIPORT_DESTINATION: Final = 1
MULTIPORT_EITHER: Final = 2


def _proto_wrong(par: XtCheckParam, proto: int) -> bool:
    """The match is bound to a protocol: xt_check_match's words are in the log (6.x)."""
    return par.proto != proto or par.inv_proto


def log_proto(net: Net, name: str, proto: int) -> None:
    net.kernel.log.info(f"x_tables: ip_tables: {name} match: only valid for protocol {proto}")


class TcpMatch(XtMatch):
    """`-m tcp`: ports (first, last), an option's presence (0 = not asked), flags (mask, what is set)."""

    __slots__ = ("spts", "dpts", "option", "flg_mask", "flg_cmp", "invflags")

    def __init__(self) -> None:
        super().__init__("tcp")
        self.spts = (0, 0xFFFF)
        self.dpts = (0, 0xFFFF)
        self.option = 0
        self.flg_mask = 0
        self.flg_cmp = 0
        self.invflags = 0

    def match(self, skb: SkBuff, par: XtActionParam) -> bool:
        if par.fragoff:
            if par.fragoff == 1:  # it would overwrite the flags of the first fragment
                par.hotdrop = True
            return False
        th = skb_header_pointer(skb, par.thoff, 20)
        if th is None:
            par.hotdrop = True
            return False
        inv = self.invflags
        sport, dport = th[0] << 8 | th[1], th[2] << 8 | th[3]
        if (self.spts[0] <= sport <= self.spts[1]) == bool(inv & XT_TCP_INV_SRCPT):
            return False
        if (self.dpts[0] <= dport <= self.dpts[1]) == bool(inv & XT_TCP_INV_DSTPT):
            return False
        if ((th[13] & self.flg_mask) == self.flg_cmp) == bool(inv & XT_TCP_INV_FLAGS):
            return False
        if self.option:
            if (th[12] >> 4) * 4 < 20:
                par.hotdrop = True
                return False
            return self._has_option(skb, par, (th[12] >> 4) * 4 - 20) != bool(inv & XT_TCP_INV_OPTION)
        return True

    def _has_option(self, skb: SkBuff, par: XtActionParam, optlen: int) -> bool:
        if not optlen:
            return False
        opts = skb_header_pointer(skb, par.thoff + 20, optlen)
        if opts is None:
            par.hotdrop = True
            return False
        i = 0
        while i < optlen:
            if opts[i] == self.option:
                return True
            if opts[i] < 2:
                i += 1
            else:
                i += (opts[i + 1] if i + 1 < optlen else 0) or 1
        return False

    def check(self, par: XtCheckParam) -> int:
        if _proto_wrong(par, 6):
            log_proto(par.net, "tcp", 6)
            return EINVAL
        return 0

    def key(self) -> tuple[object, ...]:
        return (self.spts, self.dpts, self.option, self.flg_mask, self.flg_cmp, self.invflags)


class UdpMatch(XtMatch):
    """`-m udp`: ports (first, last)."""

    __slots__ = ("spts", "dpts", "invflags")

    def __init__(self) -> None:
        super().__init__("udp")
        self.spts = (0, 0xFFFF)
        self.dpts = (0, 0xFFFF)
        self.invflags = 0

    def match(self, skb: SkBuff, par: XtActionParam) -> bool:
        if par.fragoff:
            return False
        uh = skb_header_pointer(skb, par.thoff, 8)
        if uh is None:
            par.hotdrop = True
            return False
        sport, dport = uh[0] << 8 | uh[1], uh[2] << 8 | uh[3]
        return (self.spts[0] <= sport <= self.spts[1]) != bool(self.invflags & XT_TCP_INV_SRCPT) and (
            self.dpts[0] <= dport <= self.dpts[1]
        ) != bool(self.invflags & XT_TCP_INV_DSTPT)

    def check(self, par: XtCheckParam) -> int:
        if _proto_wrong(par, 17):
            log_proto(par.net, "udp", 17)
            return EINVAL
        return 0

    def key(self) -> tuple[object, ...]:
        return (self.spts, self.dpts, self.invflags)


class IcmpMatch(XtMatch):
    """`-m icmp`: a type (255 = any) and its codes (first, last)."""

    __slots__ = ("type", "codes", "invert")

    def __init__(self) -> None:
        super().__init__("icmp")
        self.type = 255
        self.codes = (0, 255)
        self.invert = False

    def match(self, skb: SkBuff, par: XtActionParam) -> bool:
        if par.fragoff:
            return False
        ic = skb_header_pointer(skb, par.thoff, 8)
        if ic is None:
            par.hotdrop = True
            return False
        fits = self.type == 255 or (ic[0] == self.type and self.codes[0] <= ic[1] <= self.codes[1])
        return fits != self.invert

    def check(self, par: XtCheckParam) -> int:
        if _proto_wrong(par, 1):
            log_proto(par.net, "icmp", 1)
            return EINVAL
        return 0

    def key(self) -> tuple[object, ...]:
        return (self.type, self.codes, self.invert)


class MultiportMatch(XtMatch):
    """`-m multiport`: up to 15 ports, a range counting as two.  `ports`: (first, last) each."""

    __slots__ = ("kind", "ports", "invert")

    def __init__(self) -> None:
        super().__init__("multiport")
        self.kind = MULTIPORT_DESTINATION
        self.ports: list[tuple[int, int]] = []
        self.invert = False

    def match(self, skb: SkBuff, par: XtActionParam) -> bool:
        if par.fragoff:
            return False
        h = skb_header_pointer(skb, par.thoff, 4)
        if h is None:
            par.hotdrop = True
            return False
        sport, dport = h[0] << 8 | h[1], h[2] << 8 | h[3]
        for first, last in self.ports:
            if self.kind != MULTIPORT_DESTINATION and first <= sport <= last:
                return not self.invert
            if self.kind != MULTIPORT_SOURCE and first <= dport <= last:
                return not self.invert
        return self.invert

    def check(self, par: XtCheckParam) -> int:
        return EINVAL if par.inv_proto or par.proto not in (6, 17, 33, 132, 136) else 0

    def key(self) -> tuple[object, ...]:
        return (self.kind, tuple(self.ports), self.invert)


class LimitMatch(XtMatch):
    """`-m limit`: a token bucket in jiffies.  `avg`: time of one packet in 1/10000 s; `burst` packets at once."""

    __slots__ = ("avg", "burst", "hz", "prev", "credit", "credit_cap", "cost", "per_jiffy")

    def __init__(self) -> None:
        super().__init__("limit")
        self.avg = 3600 * XT_LIMIT_SCALE // 3
        self.burst = 5
        self.hz = 0
        self.prev = 0
        self.credit = 0
        self.credit_cap = 0
        self.cost = 0
        self.per_jiffy = 1

    def match(self, skb: SkBuff, par: XtActionParam) -> bool:
        now = skb.net.kernel.jiffies()
        self.credit = min(self.credit + (now - self.prev) * self.per_jiffy, self.credit_cap)
        self.prev = now
        if self.credit >= self.cost:
            self.credit -= self.cost
            return True
        return False

    def _user2credits(self, user: int) -> int:
        """As in C: 32 bits."""
        if user > 0xFFFFFFFF // (self.hz * self.per_jiffy):
            return user // XT_LIMIT_SCALE * self.hz * self.per_jiffy & 0xFFFFFFFF
        return user * self.hz * self.per_jiffy // XT_LIMIT_SCALE

    def check(self, par: XtCheckParam) -> int:
        k = par.net.kernel
        self.hz = k.hz
        most = 0xFFFFFFFF // (k.hz * 60 * 60 * 24)
        self.per_jiffy = 1 << (most.bit_length() - 1)
        whole = self.avg * self.burst & 0xFFFFFFFF
        if self.burst == 0 or self._user2credits(whole) < self._user2credits(self.avg):
            k.log.info(f"xt_limit: Overflow, try lower: {self.avg}/{self.burst}")
            return ERANGE
        self.prev = k.jiffies()
        self.credit = self.credit_cap = self._user2credits(whole)
        self.cost = self._user2credits(self.avg)
        return 0

    def key(self) -> tuple[object, ...]:
        return (self.avg, self.burst)


class CommentMatch(XtMatch):
    """`-m comment`: says something, matches everything."""

    __slots__ = ("comment",)

    def __init__(self, comment: str = "") -> None:
        super().__init__("comment")
        self.comment = comment

    def match(self, skb: SkBuff, par: XtActionParam) -> bool:
        return True

    def key(self) -> tuple[object, ...]:
        return (self.comment,)
