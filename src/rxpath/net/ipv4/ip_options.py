"""IP options: parsing (which already records addresses and times), echoing, building, forwarding, fragmenting.

Facts: net/ipv4/ip_options.c (6.1), RFC 791, RFC 1812 5.2.4.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EINVAL, linux_error
from rxpath.net.core.netdevice import NetDevice
from rxpath.net.core.skbuff import PACKET_HOST, SkBuff
from rxpath.net.ipv4.devinet import inet_select_addr
from rxpath.net.ipv4.fib import RTN_LOCAL, RTN_UNICAST, FibResult, fib_lookup, inet_addr_type
from rxpath.net.ipv4.ip_cb import ip_cb
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.net.ipv4.route import IPTOS_RT_MASK, Rtable, fib_compute_spec_dst, fib_result_prefsrc, ip_route_input_noref
from rxpath.wire.checksum import ip_fast_csum
from rxpath.wire.icmp import ICMP_PARAMETERPROB
from rxpath.wire.ipv4 import IPOPT_END, IPOPT_LSRR, IPOPT_RA, IPOPT_RR, IPOPT_SSRR, IPOPT_TIMESTAMP

IPOPT_NOOP: Final = 1
IPOPT_SEC: Final = 130
IPOPT_CIPSO: Final = 134
IPOPT_SID: Final = 136

IPOPT_TS_TSONLY: Final = 0
IPOPT_TS_TSANDADDR: Final = 1
IPOPT_TS_PRESPEC: Final = 3


class IpOptions:
    """`struct ip_options`: offsets count from the start of the IP header; `data` are the option bytes (of one's
    own packets).
    """

    __slots__ = (
        "faddr",
        "nexthop",
        "optlen",
        "srr",
        "rr",
        "ts",
        "cipso",
        "router_alert",
        "is_strictroute",
        "srr_is_hit",
        "is_changed",
        "rr_needaddr",
        "ts_needtime",
        "ts_needaddr",
        "data",
    )

    def __init__(self) -> None:
        self.faddr = 0
        self.nexthop = 0
        self.optlen = 0
        self.srr = 0
        self.rr = 0
        self.ts = 0
        self.cipso = 0
        self.router_alert = 0
        self.is_strictroute = False
        self.srr_is_hit = False
        self.is_changed = False
        self.rr_needaddr = False
        self.ts_needtime = False
        self.ts_needaddr = False
        self.data = b""

    def copy(self) -> IpOptions:
        o = IpOptions()
        o.faddr, o.nexthop, o.optlen = self.faddr, self.nexthop, self.optlen
        o.srr, o.rr, o.ts, o.cipso, o.router_alert = self.srr, self.rr, self.ts, self.cipso, self.router_alert
        o.is_strictroute, o.srr_is_hit, o.is_changed = self.is_strictroute, self.srr_is_hit, self.is_changed
        o.rr_needaddr, o.ts_needtime, o.ts_needaddr = self.rr_needaddr, self.ts_needtime, self.ts_needaddr
        o.data = self.data
        return o


def inet_current_timestamp(ipv4: Ipv4) -> int:
    """Milliseconds since midnight UT."""
    return ipv4.kernel.ktime_get_real() // 1_000_000 % 86_400_000


def compile_options(ipv4: Ipv4, opt: IpOptions, b: bytearray, skb: SkBuff | None) -> int:
    """Parse the options in `b` (a header with its 20 bytes in front) and record into it what they ask for.

    0, or the offset of the byte at fault.  Without `skb` the bytes come from a program's own options.
    """
    p = 20
    left = opt.optlen
    rt = skb.dst if skb is not None else None
    spec: int = -1
    while left > 0:
        kind = b[p]
        if kind == IPOPT_END:
            p += 1
            left -= 1
            while left > 0:
                if b[p] != IPOPT_END:
                    b[p] = IPOPT_END
                    opt.is_changed = True
                p += 1
                left -= 1
            return 0
        if kind == IPOPT_NOOP:
            left -= 1
            p += 1
            continue
        if left < 2:
            return p
        n = b[p + 1]
        if n < 2 or n > left:
            return p
        if kind in (IPOPT_SSRR, IPOPT_LSRR):
            if n < 3:
                return p + 1
            if b[p + 2] < 4:
                return p + 2
            if opt.srr:
                return p
            if skb is None:
                if b[p + 2] != 4 or n < 7 or (n - 3) & 3:
                    return p + 1
                opt.faddr = int.from_bytes(b[p + 3 : p + 7], "big")
                if n > 7:
                    b[p + 3 : p + n - 4] = b[p + 7 : p + n]
            opt.is_strictroute = kind == IPOPT_SSRR
            opt.srr = p
        elif kind == IPOPT_RR:
            if opt.rr:
                return p
            if n < 3:
                return p + 1
            ptr = b[p + 2]
            if ptr < 4:
                return p + 2
            if ptr <= n:
                if ptr + 3 > n:
                    return p + 2
                if rt is not None and skb is not None:
                    if spec < 0:
                        spec = fib_compute_spec_dst(skb)
                    b[p + ptr - 1 : p + ptr + 3] = spec.to_bytes(4, "big")
                    opt.is_changed = True
                b[p + 2] = ptr + 4
                opt.rr_needaddr = True
            opt.rr = p
        elif kind == IPOPT_TIMESTAMP:
            if opt.ts:
                return p
            if n < 4:
                return p + 1
            ptr = b[p + 2]
            if ptr < 5:
                return p + 2
            if ptr <= n:
                if ptr + 3 > n:
                    return p + 2
                at = -1
                flag = b[p + 3] & 15
                if flag == IPOPT_TS_TSONLY:
                    if skb is not None:
                        at = p + ptr - 1
                    opt.ts_needtime = True
                    b[p + 2] = ptr + 4
                elif flag == IPOPT_TS_TSANDADDR:
                    if ptr + 7 > n:
                        return p + 2
                    if rt is not None and skb is not None:
                        if spec < 0:
                            spec = fib_compute_spec_dst(skb)
                        b[p + ptr - 1 : p + ptr + 3] = spec.to_bytes(4, "big")
                        at = p + ptr + 3
                    opt.ts_needaddr = True
                    opt.ts_needtime = True
                    b[p + 2] = ptr + 8
                elif flag == IPOPT_TS_PRESPEC:
                    if ptr + 7 > n:
                        return p + 2
                    addr = int.from_bytes(b[p + ptr - 1 : p + ptr + 3], "big")
                    if inet_addr_type(ipv4, addr) != RTN_UNICAST:
                        if skb is not None:
                            at = p + ptr + 3
                        opt.ts_needtime = True
                        b[p + 2] = ptr + 8
                if at >= 0:
                    b[at : at + 4] = inet_current_timestamp(ipv4).to_bytes(4, "big")
                    opt.is_changed = True
            elif b[p + 3] & 15 != IPOPT_TS_PRESPEC:
                over = b[p + 3] >> 4
                if over == 15:
                    return p + 3
                if skb is not None:
                    b[p + 3] = b[p + 3] & 15 | (over + 1) << 4
                    opt.is_changed = True
            opt.ts = p
        elif kind == IPOPT_RA:
            if n < 4:
                return p + 1
            if b[p + 2] == 0 and b[p + 3] == 0:
                opt.router_alert = p
        elif kind == IPOPT_CIPSO:
            if opt.cipso:
                return p
            opt.cipso = p
            bad = _cipso_bad(b, p, n)
            if bad:
                return p + bad - 1
        left -= n
        p += n
    return 0


def _cipso_bad(b: bytearray, p: int, n: int) -> int:
    """cipso_v4_validate without any configured domain: 0 = fine, else 1 + the offset of the fault within the option."""
    if n < 8:
        return 2
    return 3  # no domain of interpretation is known


def __ip_options_compile(ipv4: Ipv4, skb: SkBuff, info: None) -> IpOptions | None:
    """Parse the options of a received packet; on a fault an ICMP parameter problem is sent and None given."""
    head = skb.head
    nh = skb.network_header
    hl = (head[nh] & 15) << 2
    b = bytearray(head[nh : nh + hl])
    opt = IpOptions()
    opt.optlen = hl - 20
    before = bytes(b)
    bad = compile_options(ipv4, opt, b, skb)
    if bytes(b) != before:
        skb.replace(nh, bytes(b))
    if bad:
        from rxpath.net.ipv4.icmp import icmp_send

        ip_cb(skb).opt = opt
        icmp_send(skb, ICMP_PARAMETERPROB, 0, bad << 24)
        return None
    return opt


def ip_options_get(ipv4: Ipv4, data: bytes) -> IpOptions:
    """A program's own options (IP_OPTIONS, IP_RETOPTS), padded to four bytes.  Raises EINVAL."""
    if len(data) > 40:
        raise linux_error(EINVAL, "IP options too long")
    opt = IpOptions()
    data = data + bytes(-len(data) % 4)
    opt.optlen = len(data)
    b = bytearray(20) + bytearray(data)
    if data and compile_options(ipv4, opt, b, None):
        raise linux_error(EINVAL, "bad IP options")
    opt.data = bytes(b[20:])
    return opt


def __ip_options_echo(ipv4: Ipv4, skb: SkBuff, sopt: IpOptions) -> IpOptions | None:
    """The options of a reply to this packet; None when they cannot be made."""
    d = IpOptions()
    if sopt.optlen == 0:
        return d
    head = skb.head
    nh = skb.network_header
    out = bytearray()
    if sopt.rr:
        n = head[nh + sopt.rr + 1]
        ptr = head[nh + sopt.rr + 2]
        d.rr = 20 + len(out)
        part = bytearray(head[nh + sopt.rr : nh + sopt.rr + n])
        if sopt.rr_needaddr and ptr <= n:
            if ptr + 3 > n:
                return None
            part[2] = ptr + 4
            d.rr_needaddr = True
        out += part
    if sopt.ts:
        n = head[nh + sopt.ts + 1]
        ptr = head[nh + sopt.ts + 2]
        d.ts = 20 + len(out)
        part = bytearray(head[nh + sopt.ts : nh + sopt.ts + n])
        if ptr <= n:
            if sopt.ts_needaddr:
                if ptr + 3 > n:
                    return None
                d.ts_needaddr = True
                ptr += 4
            if sopt.ts_needtime:
                if ptr + 3 > n:
                    return None
                if part[3] & 15 != IPOPT_TS_PRESPEC:
                    d.ts_needtime = True
                    ptr += 4
                else:
                    d.ts_needtime = False
                    if ptr + 7 <= n:
                        addr = int.from_bytes(part[ptr - 1 : ptr + 3], "big")
                        if inet_addr_type(ipv4, addr) != RTN_UNICAST:
                            d.ts_needtime = True
                            ptr += 8
            part[2] = ptr
        out += part
    if sopt.srr:
        s = nh + sopt.srr
        n = head[s + 1]
        ptr = head[s + 2]
        if ptr > n:
            ptr = n + 1
        ptr -= 4
        if ptr > 3:
            faddr = int.from_bytes(head[s + ptr - 1 : s + ptr + 3], "big")
            hops = b""
            ptr -= 4
            while ptr > 3:
                hops += head[s + ptr - 1 : s + ptr + 3]
                ptr -= 4
            # the last place is for the sender (ip_options_build writes it); the route may already end with it
            size = len(hops) + 4
            if head[nh + 12 : nh + 16] == head[s + ptr + 3 : s + ptr + 7]:
                size -= 4
            if size > 3:
                d.faddr = faddr
                d.srr = 20 + len(out)
                out += bytes((head[s], size + 3, 4)) + (hops + bytes(4))[:size]
                d.is_strictroute = sopt.is_strictroute
    if sopt.cipso:
        n = head[nh + sopt.cipso + 1]
        d.cipso = 20 + len(out)
        out += head[nh + sopt.cipso : nh + sopt.cipso + n]
    while len(out) & 3:
        out.append(IPOPT_END)
    d.data = bytes(out)
    d.optlen = len(out)
    return d


def ip_rt_get_source(ipv4: Ipv4, skb: SkBuff, rt: Rtable) -> bytes:
    """The address that this packet leaves from, as four bytes."""
    head = skb.head
    nh = skb.network_header
    if not rt.rt_is_input:
        return head[nh + 12 : nh + 16]
    res = FibResult()
    daddr = int.from_bytes(head[nh + 16 : nh + 20], "big")
    if fib_lookup(ipv4, daddr, head[nh + 1] & IPTOS_RT_MASK, rt.dev.ifindex, 0, res) == 0:
        return fib_result_prefsrc(ipv4, res, daddr).to_bytes(4, "big")

    return inet_select_addr(rt.dev, rt.rt_gw or daddr, 0, ipv4).to_bytes(4, "big")


def ip_options_build(ipv4: Ipv4, opt: IpOptions, daddr: int, saddr: int) -> bytes:
    """The option bytes of a packet that goes out: source route with the final address, our address and time where
    asked.
    """
    b = bytearray(opt.data)
    if opt.srr:
        o = opt.srr - 20
        at = o + b[o + 1] - 4
        b[at : at + 4] = daddr.to_bytes(4, "big")
    if opt.rr_needaddr:
        o = opt.rr - 20
        at = o + b[o + 2] - 5
        b[at : at + 4] = saddr.to_bytes(4, "big")
    if opt.ts_needaddr:
        o = opt.ts - 20
        at = o + b[o + 2] - 9
        b[at : at + 4] = saddr.to_bytes(4, "big")
    if opt.ts_needtime:
        o = opt.ts - 20
        at = o + b[o + 2] - 5
        b[at : at + 4] = inet_current_timestamp(ipv4).to_bytes(4, "big")
    return bytes(b)


def ip_options_fragment(options: bytes) -> bytes:
    """Options of the second and later fragments: what is not to be copied becomes no-operation."""
    b = bytearray(options)
    p = 0
    left = len(b)
    while left > 0:
        kind = b[p]
        if kind == IPOPT_END:
            break
        if kind == IPOPT_NOOP:
            left -= 1
            p += 1
            continue
        if left < 2:
            break
        n = b[p + 1]
        if n < 2 or n > left:
            break
        if not kind & 0x80:
            b[p : p + n] = bytes((IPOPT_NOOP,)) * n
        left -= n
        p += n
    return bytes(b)


def ip_options_undo(opt: IpOptions) -> bytes:
    """Options as a program gets them back: our own addresses and times taken out again, the route with its first
    hop.
    """
    b = bytearray(opt.data)
    if opt.srr:
        o = opt.srr - 20
        n = b[o + 1]
        if n > 7:
            b[o + 7 : o + n] = b[o + 3 : o + n - 4]
        b[o + 3 : o + 7] = opt.faddr.to_bytes(4, "big")
    if opt.rr_needaddr:
        o = opt.rr - 20
        b[o + 2] -= 4
        b[o + b[o + 2] - 1 : o + b[o + 2] + 3] = bytes(4)
    if opt.ts:
        o = opt.ts - 20
        if opt.ts_needtime:
            b[o + 2] -= 4
            b[o + b[o + 2] - 1 : o + b[o + 2] + 3] = bytes(4)
            if b[o + 3] & 15 == IPOPT_TS_PRESPEC:
                b[o + 2] -= 4
        if opt.ts_needaddr:
            b[o + 2] -= 4
            b[o + b[o + 2] - 1 : o + b[o + 2] + 3] = bytes(4)
    return bytes(b)


def ip_options_rcv_srr(ipv4: Ipv4, skb: SkBuff, dev: NetDevice) -> bool:
    """A packet with a source route reached us: where next?  False: drop it."""
    opt = ip_cb(skb).opt
    rt = skb.dst
    if opt is None or not isinstance(rt, Rtable):
        return True
    if skb.pkt_type != PACKET_HOST:
        return False
    from rxpath.net.ipv4.icmp import icmp_send

    if rt.rt_type == RTN_UNICAST:
        if not opt.is_strictroute:
            return True
        icmp_send(skb, ICMP_PARAMETERPROB, 0, 16 << 24)
        return False
    if rt.rt_type != RTN_LOCAL:
        return False
    nh = skb.network_header
    o = nh + opt.srr
    space = skb.head[o + 1]
    ptr = skb.head[o + 2]
    nexthop = 0
    saddr = int.from_bytes(skb.head[nh + 12 : nh + 16], "big")
    while ptr <= space:
        if ptr + 3 > space:
            icmp_send(skb, ICMP_PARAMETERPROB, 0, (opt.srr + 2) << 24)
            return False
        nexthop = int.from_bytes(skb.head[o + ptr - 1 : o + ptr + 3], "big")
        old = skb.dst
        skb.dst = None
        err = ip_route_input_noref(ipv4, skb, nexthop, saddr, skb.head[nh + 1] & IPTOS_RT_MASK, dev)
        rt2 = skb.dst
        if err or not isinstance(rt2, Rtable) or rt2.rt_type not in (RTN_UNICAST, RTN_LOCAL):
            skb.dst = old
            return False
        if rt2.rt_type != RTN_LOCAL:
            break
        skb.replace(nh + 16, nexthop.to_bytes(4, "big"))
        opt.is_changed = True
        ptr += 4
    if ptr <= space:
        opt.srr_is_hit = True
        opt.nexthop = nexthop
        opt.is_changed = True
    return True


def ip_forward_options(skb: SkBuff) -> None:
    """Record route, next hop of a source route, time stamp address in a packet that is forwarded."""
    opt = ip_cb(skb).opt
    rt = skb.dst
    if opt is None or not isinstance(rt, Rtable):
        return
    ipv4 = ipv4_of(skb.net)
    nh = skb.network_header
    hl = (skb.head[nh] & 15) << 2
    b = bytearray(skb.head[nh : nh + hl])
    if opt.rr_needaddr:
        at = opt.rr + b[opt.rr + 2] - 5
        b[at : at + 4] = ip_rt_get_source(ipv4, skb, rt)
        opt.is_changed = True
    if opt.srr_is_hit:
        ptr = b[opt.srr + 2]
        space = b[opt.srr + 1]
        hop = opt.nexthop.to_bytes(4, "big")
        while ptr <= space:
            if ptr + 3 > space or b[opt.srr + ptr - 1 : opt.srr + ptr + 3] == hop:
                break
            ptr += 4
        if ptr + 3 <= space:
            opt.is_changed = True
            b[16:20] = hop
            skb.replace(nh, bytes(b))
            b[opt.srr + ptr - 1 : opt.srr + ptr + 3] = ip_rt_get_source(ipv4, skb, rt)
            b[opt.srr + 2] = ptr + 4
        if opt.ts_needaddr:
            at = opt.ts + b[opt.ts + 2] - 9
            b[at : at + 4] = ip_rt_get_source(ipv4, skb, rt)
            opt.is_changed = True
    if opt.is_changed:
        opt.is_changed = False
        b[10:12] = b"\0\0"
        b[10:12] = ip_fast_csum(b).to_bytes(2, "big")
        skb.replace(nh, bytes(b))
