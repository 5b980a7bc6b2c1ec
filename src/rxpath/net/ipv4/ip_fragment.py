"""Reassembly of IPv4 fragments: queues by (id, source, destination, protocol, user), limits, time-out, overlaps by
release.

Facts: net/ipv4/ip_fragment.c, inet_fragment.c (3.13, 5.15, 6.1), RFC 791, RFC 5722; drop reasons as recorded on 6.18.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.mm import SKB_STRUCT
from rxpath.kernel.timer import TimerList
from rxpath.net.core.netdevice import Net, NetDevice
from rxpath.net.core.skbuff import (
    CHECKSUM_COMPLETE,
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    MAX_SKB_FRAGS,
    SkBuff,
    kfree_skb_reason,
    pskb_trim,
    skb_cloned,
    skb_end,
    skb_unclone,
)
from rxpath.net.core.sock import count_tokens
from rxpath.net.ipv4.fib import RTN_LOCAL
from rxpath.net.ipv4.icmp import icmp_send
from rxpath.net.ipv4.inet_fragment import IPQ_SIZE, FqDir
from rxpath.net.ipv4.ip_cb import IPSKB_FRAG_PMTU, ip_cb
from rxpath.net.ipv4.mib import (
    IPSTATS_MIB_REASM_OVERLAPS,
    IPSTATS_MIB_REASMFAILS,
    IPSTATS_MIB_REASMOKS,
    IPSTATS_MIB_REASMREQDS,
    IPSTATS_MIB_REASMTIMEOUT,
)
from rxpath.net.ipv4.netns import Ipv4, ipv4_of
from rxpath.net.ipv4.route import Rtable, ip_route_input_noref
from rxpath.sim.ledger import CONSUMED, Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.checksum import csum_add, ip_fast_csum
from rxpath.wire.icmp import ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED

IP_DEFRAG_LOCAL_DELIVER: Final = 0
IP_DEFRAG_CALL_RA_CHAIN: Final = 1
IP_DEFRAG_CONNTRACK_IN: Final = 2
IP_DEFRAG_AF_PACKET: Final = 1 << 20

INET_FRAG_FIRST_IN: Final = 1
INET_FRAG_LAST_IN: Final = 2

SITE_FRAG: Final = Site("ip defrag", "fragment did not fit its queue", "Ip ReasmFails", "NOT_SPECIFIED")
SITE_FRAG_NOMEM: Final = Site("ip defrag", "fragment memory is used up", "Ip ReasmFails", "NOT_SPECIFIED")
SITE_FRAG_DUP: Final = Site("ip defrag", "duplicate fragment", "none", "NOT_SPECIFIED")
SITE_FRAG_DUP_REASON: Final = Site("ip defrag", "duplicate fragment", "none", "DUP_FRAG")
SITE_FRAG_KILLED: Final = Site("ip defrag", "its queue was killed", "Ip ReasmFails", "NOT_SPECIFIED")
SITE_FRAG_KILLED_C: Final = Site("ip defrag", "its queue was killed", "Ip ReasmFails", "CONSUMED")
SITE_FRAG_OVERSIZE: Final = Site("ip defrag", "reassembled packet too large", "Ip ReasmFails", "NOT_SPECIFIED")
SITE_FRAG_TIMEOUT: Final = Site("ip defrag", "time-out", "Ip ReasmTimeout, Ip ReasmFails", "FRAG_REASM_TIMEOUT")
SITE_FRAG_TOO_FAR: Final = Site(
    "ip defrag", "too many other fragments of the same source between", "Ip ReasmFails", "FRAG_TOO_FAR"
)
SITE_FRAG_TRIMMED: Final = Site("ip defrag", "covered by another fragment", "none", "NOT_SPECIFIED")
SITE_MERGED: Final = Site("ip defrag", "joined a reassembled packet")

# by the set of ECN codepoints seen (bit 0 not-ECT, 1 ECT(1), 2 ECT(0), 3 CE): what to OR into TOS, 0xff = invalid
_ECN_INVALID: Final = 0xFF


def _ecn_result(bits: int) -> int:
    if bits & 1 and bits & 0xE:
        return _ECN_INVALID
    if bits & 8 and bits & 6:
        return 3
    return 0


class Frag:
    """One fragment in a queue: bytes [`offset`, `end`) of the packet."""

    __slots__ = ("skb", "offset", "end", "run")

    def __init__(self, skb: SkBuff, offset: int, end: int) -> None:
        self.skb = skb
        self.offset = offset
        self.end = end
        self.run = [offset, end]  # first and last byte of the run that it belongs to, shared by its members


class Ipq:
    """`struct ipq`: the fragments of one packet, in order of offset."""

    __slots__ = (
        "fqdir",
        "key",
        "frags",
        "flags",
        "len",
        "meat",
        "ecn",
        "max_size",
        "max_df_size",
        "rid",
        "iif",
        "timer",
        "dead",
        "stamp",
        "first_header",
    )

    def __init__(self, fqdir: FqDir, key: tuple[int, int, int, int, int]) -> None:
        self.fqdir = fqdir
        self.key = key
        self.frags: list[Frag] = []
        self.flags = 0
        self.len = 0
        self.meat = 0
        self.ecn = 0
        self.max_size = 0
        self.max_df_size = 0
        self.rid = 0
        self.iif = 0
        self.stamp = 0
        self.dead = False
        self.timer = TimerList(fqdir.ipv4.kernel, lambda: ip_expire(self))


def ip_find(ipv4: Ipv4, key: tuple[int, int, int, int, int]) -> Ipq | None:
    """The queue of this packet, made when it is not there; None when memory is used up."""
    f = ipv4.fqdir
    if not f.high_thresh or f.mem > f.high_thresh:
        return None
    q = f.queues.get(key)
    if q is not None:
        return q
    q = Ipq(f, key)
    f.queues[key] = q
    q.timer.mod_timer(ipv4.kernel.jiffies() + f.timeout)
    f.mem += IPQ_SIZE
    return q


def ipq_kill(q: Ipq) -> None:
    """Take the queue out of the table (fragments stay with it)."""
    if not q.dead:
        q.dead = True
        q.timer.del_timer()
        q.fqdir.queues.pop(q.key, None)
        q.fqdir.mem -= IPQ_SIZE


def ipq_destroy(q: Ipq, site: Site) -> None:
    """inet_frag_destroy: its fragments go with it."""
    ipq_kill(q)
    _purge(q, site)


def _purge(q: Ipq, site: Site) -> None:
    for f in q.frags:
        q.fqdir.mem -= f.skb.truesize
        kfree_skb_reason(f.skb, site)
    q.frags.clear()


def ip_expire(q: Ipq) -> None:
    """The time is up: an end host tells the sender when it had the first fragment."""
    if q.dead:
        return
    ipv4 = q.fqdir.ipv4
    ipq_kill(q)
    ipv4.ip[IPSTATS_MIB_REASMFAILS] += 1
    ipv4.ip[IPSTATS_MIB_REASMTIMEOUT] += 1
    if q.flags & INET_FRAG_FIRST_IN and q.frags:
        head = q.frags[0].skb
        dev: NetDevice | None = ipv4.net.by_index.get(q.iif)
        if dev is not None:
            head.dev = dev
            h = head.head
            nh = head.network_header
            head.data = head.transport_header
            head.dst = None
            err = ip_route_input_noref(
                ipv4,
                head,
                int.from_bytes(h[nh + 16 : nh + 20], "big"),
                int.from_bytes(h[nh + 12 : nh + 16], "big"),
                h[nh + 1] & 0x1C,
                dev,
            )
            rt = head.dst
            user = q.key[4]
            skip = user >= IP_DEFRAG_CONNTRACK_IN and (not isinstance(rt, Rtable) or rt.rt_type != RTN_LOCAL)
            if not err and not skip:
                icmp_send(head, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0)
    _purge(q, SITE_FRAG_TIMEOUT)


def ip_frag_too_far(q: Ipq) -> bool:
    """More than max_dist other fragments of this source came since the last one of this queue."""
    f = q.fqdir
    m = f.ipv4.ipfrag_max_dist
    if not m:
        return False
    src = q.key[1]
    start = q.rid
    end = f.rid.get(src, 0) + 1
    if src not in f.rid and len(f.rid) > 65536:
        f.rid.clear()
    f.rid[src] = end
    q.rid = end
    if q.frags and end - start > m:
        f.ipv4.ip[IPSTATS_MIB_REASMFAILS] += 1
        return True
    return False


def ip_frag_reinit(q: Ipq) -> None:
    q.timer.mod_timer(q.fqdir.ipv4.kernel.jiffies() + q.fqdir.timeout)
    _purge(q, SITE_FRAG_TOO_FAR if q.fqdir.ipv4.variant.frag_reasons else SITE_FRAG)
    q.flags = 0
    q.len = 0
    q.meat = 0
    q.iif = 0
    q.ecn = 0


def _discard(ipv4: Ipv4, q: Ipq, skb: SkBuff) -> None:
    ipv4.ip[IPSTATS_MIB_REASMFAILS] += 1
    kfree_skb_reason(skb, SITE_FRAG)
    ipq_destroy(q, killed_site(ipv4))


def killed_site(ipv4: Ipv4) -> Site:
    """6.12 and later tell tracers that what a killed queue held was consumed; it is lost all the same."""
    return SITE_FRAG_KILLED_C if ipv4.variant.frag_reasons else SITE_FRAG_KILLED


def inet_frag_queue_insert(q: Ipq, f: Frag) -> int:
    """0 inserted, 1 duplicate, 2 overlap (net/ipv4/inet_fragment.c: a run that holds it wholly makes a duplicate).

    Only what continues the last fragment joins its run; what comes in between is a run of its own.
    """
    frags = q.frags
    n = len(frags)
    if n == 0 or frags[-1].end < f.end:
        if n:
            last = frags[-1]
            if f.offset < last.end:
                return 2
            if f.offset == last.end:
                f.run = last.run
                f.run[1] = f.end
        frags.append(f)
        return 0
    i = n
    while i:
        run = frags[i - 1].run
        if f.offset >= run[1]:
            break
        if f.end > run[0]:
            return 1 if f.offset >= run[0] and f.end <= run[1] else 2
        i -= 1
    frags.insert(i, f)
    return 0


def _insert_trimming(q: Ipq, f: Frag) -> bool:
    """3.13: the new fragment's head gives way to the previous one, what follows gives way to it.  False: nothing
    is left of it.
    """
    frags = q.frags
    i = 0
    while i < len(frags) and frags[i].offset < f.offset:
        i += 1
    if i:
        over = frags[i - 1].end - f.offset
        if over > 0:
            f.offset += over
            if f.end <= f.offset:
                return False
            f.skb.pull(over)
            f.skb.ip_summed = CHECKSUM_NONE
    while i < len(frags) and frags[i].offset < f.end:
        nxt = frags[i]
        over = f.end - nxt.offset
        if over < nxt.end - nxt.offset:
            nxt.skb.pull(over)
            nxt.offset += over
            q.meat -= over
            nxt.skb.ip_summed = CHECKSUM_NONE
            break
        q.meat -= nxt.end - nxt.offset
        q.fqdir.mem -= nxt.skb.truesize
        kfree_skb_reason(nxt.skb, SITE_FRAG_TRIMMED)
        del frags[i]
    frags.insert(i, f)
    return True


def ip_frag_queue(ipv4: Ipv4, q: Ipq, skb: SkBuff) -> SkBuff | None:
    """Add a fragment; the whole packet when this was the last that missed."""
    if ip_frag_too_far(q):
        ip_frag_reinit(q)
    head = skb.head
    nh = skb.network_header
    ecn = 1 << (head[nh + 1] & 3)
    off = head[nh + 6] << 8 | head[nh + 7]
    mf = off & 0x2000
    df = off & 0x4000
    offset = (off & 0x1FFF) << 3
    ihl = (head[nh] & 15) << 2
    end = offset + skb.len - (nh - skb.data) - ihl
    if not mf:
        if end < q.len or (q.flags & INET_FRAG_LAST_IN and end != q.len):
            _discard(ipv4, q, skb)
            return None
        q.flags |= INET_FRAG_LAST_IN
        q.len = end
    else:
        if end & 7:
            end &= ~7
            if skb.ip_summed != CHECKSUM_UNNECESSARY:
                skb.ip_summed = CHECKSUM_NONE
        if end > q.len:
            if q.flags & INET_FRAG_LAST_IN:
                _discard(ipv4, q, skb)
                return None
            q.len = end
    if end == offset:
        _discard(ipv4, q, skb)
        return None
    skb.pull(nh + ihl - skb.data)
    pskb_trim(skb, end - offset)
    dev = skb.dev
    f = Frag(skb, offset, end)
    if ipv4.kernel.release.frag_overlap == "trim":
        if not _insert_trimming(q, f):
            kfree_skb_reason(skb, SITE_FRAG_TRIMMED)
            return None
        offset = f.offset
    else:
        r = inet_frag_queue_insert(q, f)
        if r == 1:
            kfree_skb_reason(skb, SITE_FRAG_DUP_REASON if ipv4.variant.frag_reasons else SITE_FRAG_DUP)
            return None
        if r == 2:
            ipv4.ipext[IPSTATS_MIB_REASM_OVERLAPS] += 1
            _discard(ipv4, q, skb)
            return None
    if dev is not None:
        q.iif = dev.ifindex
    q.stamp = skb.tstamp
    q.meat += skb.len
    q.ecn |= ecn
    q.fqdir.mem += skb.truesize
    if offset == 0:
        q.flags |= INET_FRAG_FIRST_IN
    fragsize = skb.len + ihl
    if fragsize > q.max_size:
        q.max_size = fragsize
    if df and fragsize > q.max_df_size:
        q.max_df_size = fragsize
    if q.flags == INET_FRAG_FIRST_IN | INET_FRAG_LAST_IN and q.meat == q.len:
        return ip_frag_reasm(ipv4, q, skb, dev)
    skb.dst = None
    skb.sk = None
    return None


def merge_tokens(dst: SkBuff, src: SkBuff) -> None:
    """The frames of `src` share the fate of `dst` from now on."""
    n = src.tokens
    if not n:
        return
    if src.fate is not None:  # somebody else holds a clone of it: this reference ends here
        skb_end(src, CONSUMED, SITE_MERGED)
        return
    src.tokens = 0
    dst.tokens += n
    if dst.fate is not None:
        dst.fate.tokens += n
    if src.tag is not None:
        a = dst.tag if isinstance(dst.tag, tuple) else (() if dst.tag is None else (dst.tag,))
        dst.tag = a + (src.tag if isinstance(src.tag, tuple) else (src.tag,))
        src.tag = None


def ip_frag_reasm(ipv4: Ipv4, q: Ipq, last: SkBuff, dev: NetDevice | None) -> SkBuff | None:
    """All there: make one packet of it, its header that of the first fragment."""
    ipq_kill(q)
    ecn = _ecn_result(q.ecn)
    frags = q.frags
    skb = frags[0].skb
    nh = skb.network_header
    ihl = (skb.head[nh] & 15) << 2
    total = ihl + q.len
    if ecn == _ECN_INVALID or total > 65535:
        if total > 65535 and ipv4.kernel.log.ratelimit("oversized"):
            ipv4.kernel.log.info("Oversized IP packet from %s" % ip4_str(q.key[1]))
        ipv4.ip[IPSTATS_MIB_REASMFAILS] += 1
        _purge(
            q, killed_site(ipv4) if ipv4.variant.frag_reasons else SITE_FRAG_OVERSIZE if total > 65535 else SITE_FRAG
        )
        return None
    dst = last.dst
    last.dst = None
    if skb_cloned(skb):
        q.fqdir.mem += skb_unclone(skb)
    coalesce = q.key[4] == IP_DEFRAG_LOCAL_DELIVER and skb.frag_list is None
    room = max(skb.head_size - 64 - skb.tail, 0)
    q.fqdir.mem -= skb.truesize
    parts: list[SkBuff] = []
    pages = 0
    listed = 0
    for f in frags[1:]:
        s = f.skb
        q.fqdir.mem -= s.truesize
        if skb.ip_summed != s.ip_summed:
            skb.ip_summed = CHECKSUM_NONE
        elif skb.ip_summed == CHECKSUM_COMPLETE:
            skb.csum = csum_add(skb.csum, s.csum)
        if coalesce and not parts and s.len <= room:
            skb.head = skb.head[: skb.tail] + s.tobytes()
            skb.tail += s.len
            skb.len += s.len
            room -= s.len
        else:
            room = 0
            if coalesce and not listed and s.head_frag and not skb_cloned(s) and pages < MAX_SKB_FRAGS:
                pages += 1  # its page is taken over
                skb.truesize += s.truesize - SKB_STRUCT
            else:
                listed += 1
                skb.truesize += s.truesize
            parts.append(s)
            skb.len += s.len
            skb.data_len += s.len
        merge_tokens(skb, s)
    if parts:
        skb.frag_list = parts
        if listed:
            skb.listed = [1, listed]
    q.frags.clear()
    skb.len += skb.data - nh
    skb.data = nh
    skb.dev = dev
    skb.dst = dst
    skb.tstamp = q.stamp
    cb = ip_cb(skb)
    cb.frag_max_size = max(q.max_df_size, q.max_size)
    hdr = bytearray(skb.head[nh : nh + ihl])
    hdr[2:4] = total.to_bytes(2, "big")
    hdr[1] |= ecn
    if q.max_df_size == q.max_size:
        cb.flags |= IPSKB_FRAG_PMTU
        hdr[6:8] = b"\x40\0"
    else:
        hdr[6:8] = b"\0\0"
    hdr[10:12] = b"\0\0"
    hdr[10:12] = ip_fast_csum(hdr).to_bytes(2, "big")
    skb.replace(nh, bytes(hdr))
    ipv4.ip[IPSTATS_MIB_REASMOKS] += 1
    return skb


def ip_defrag(ipv4: Ipv4, skb: SkBuff, user: int) -> SkBuff | None:
    """Take a fragment; the reassembled packet when it is complete, else None (the skb is kept or freed)."""
    ipv4.ip[IPSTATS_MIB_REASMREQDS] += 1
    h = skb.head
    nh = skb.network_header
    key = (
        h[nh + 4] << 8 | h[nh + 5],
        int.from_bytes(h[nh + 12 : nh + 16], "big"),
        int.from_bytes(h[nh + 16 : nh + 20], "big"),
        h[nh + 9],
        user,
    )
    q = ip_find(ipv4, key)
    if q is None:
        ipv4.ip[IPSTATS_MIB_REASMFAILS] += 1
        kfree_skb_reason(skb, SITE_FRAG_NOMEM)
        return None
    return ip_frag_queue(ipv4, q, skb)


def ipfrag_init(ipv4: Ipv4) -> None:
    ipv4.fqdir = FqDir(ipv4)


def frag_in_flight(net: Net, seen: dict[int, int]) -> int:
    n = 0
    for q in ipv4_of(net).fqdir.queues.values():
        for f in q.frags:
            n += count_tokens(f.skb, seen)
    return n


def ipfrag_flush(net: Net) -> None:
    """The machine ends: every queue goes."""
    for q in list(ipv4_of(net).fqdir.queues.values()):
        ipq_destroy(q, killed_site(q.fqdir.ipv4))
