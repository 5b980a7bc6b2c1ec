"""Socket buffers: one frame (or a merged or reassembled packet) on its way through the stack.

What lives here: `SkBuff`, its memory charge, cloning, and the two ways it ends: `consume_skb` and `kfree_skb_reason`.
Both book the frames that it stands for (ledger.py).

The bytes: `head` is immutable; `data` and `tail` are offsets into it.  Paged data (GRO, reassembly) hangs on
`frag_list` as further skbs; `len` counts it, `data_len` is its part (without a list: what stands in `head` but lies in
pages).  Who changes bytes makes a new `head`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rxpath.hw.bus import Tag
from rxpath.kernel.mm import (
    NET_SKB_PAD,
    SKB_OVERHEAD,
    SKB_STRUCT,
    alloc_skb_truesize,
    alloc_skb_truesize_small_head,
    page_frag_truesize,
)
from rxpath.sim.ledger import CONSUMED, DELIVERED, DROPPED, Fate, Site
from rxpath.wire.checksum import csum_partial
from rxpath.wire.ipv4 import IPV4_HDR

if TYPE_CHECKING:
    from rxpath.net.core.dst import Dst
    from rxpath.net.core.netdevice import Net, NetDevice
    from rxpath.net.core.sock import Sock
    from rxpath.net.core.timestamping import TxStamp

CHECKSUM_NONE: Final = 0
CHECKSUM_UNNECESSARY: Final = 1
CHECKSUM_COMPLETE: Final = 2
# skb.csum of an skb whose checksum was found right by software (csum_valid)
SUMMED_WITH_HEADER: Final = -1
SUMMED_PAYLOAD: Final = -2
SUMMED_BELOW: Final = -3  # somebody before UDP (a device, GRO) said so
SUMMED_CONVERTED: Final = 1 << 32  # the same, and UDP made a sum of it for a socket with IP_CHECKSUM
SUMMED_CUT: Final = -4  # a filter cut it afterwards: less the whole payload's sum (32 bit words, host's order)
CHECKSUM_PARTIAL: Final = 3

PACKET_HOST: Final = 0
PACKET_BROADCAST: Final = 1
PACKET_MULTICAST: Final = 2
PACKET_OTHERHOST: Final = 3
PACKET_OUTGOING: Final = 4
PACKET_LOOPBACK: Final = 5

SKB_GSO_TCPV4: Final = 1 << 0
SKB_GSO_DODGY: Final = 1 << 1
SKB_GSO_TCP_ECN: Final = 1 << 2
SKB_GSO_TCP_FIXEDID: Final = 1 << 3
SKB_GSO_TCP_ACCECN: Final = 1 << 19
SKB_GSO_UDP_L4: Final = 1 << 17
SKB_GSO_FRAGLIST: Final = 1 << 18

MAX_SKB_FRAGS: Final = 17

# version and header length, TOS, total length, id, fragment, TTL, protocol, checksum, source, destination
IpHdr: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int]
NO_IP_HDR: Final[IpHdr] = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class SkBuff:
    """`struct sk_buff`.  Offsets count from the start of `head`; times are engine nanoseconds."""

    __slots__ = (
        "net",
        "head",
        "data",
        "tail",
        "len",
        "data_len",
        "truesize",
        "dev",
        "protocol",
        "pkt_type",
        "ip_summed",
        "csum",
        "csum_start",
        "csum_offset",
        "csum_level",
        "csum_valid",
        "hash",
        "l4_hash",
        "sw_hash",
        "vlan_present",
        "vlan_tci",
        "vlan_proto",
        "queue_mapping",
        "rx_queue_recorded",
        "napi_id",
        "tstamp",
        "mac_header",
        "network_header",
        "transport_header",
        "iph",
        "iph_head",
        "iph_off",
        "dst",
        "sk",
        "mark",
        "priority",
        "skb_iif",
        "frag_list",
        "users",
        "cloned",
        "peeked",
        "gso_size",
        "gso_segs",
        "gso_type",
        "tokens",
        "tag",
        "fate",
        "arrived_ns",
        "dropcount",
        "nohdr",
        "gro",
        "cb",
        "own",
        "destructor_w",
        "head_size",
        "nr_frags",
        "head_frag",
        "shared",
        "listed",
        "dataref",
        "txstamp",
    )

    def __init__(self, net: Net, head: bytes, truesize: int) -> None:
        n = len(head)
        self.net = net
        self.head = head
        self.data = 0
        self.tail = n
        self.len = n
        self.data_len = 0
        self.truesize = truesize
        self.dev: NetDevice | None = None
        self.protocol = 0
        self.pkt_type = PACKET_HOST
        self.ip_summed = CHECKSUM_NONE
        self.csum = 0
        self.csum_start = 0
        self.csum_offset = 0
        self.csum_level = 0
        self.csum_valid = False
        self.hash = 0
        self.l4_hash = False
        self.sw_hash = False
        self.vlan_present = False
        self.vlan_tci = 0
        self.vlan_proto = 0
        self.queue_mapping = 0
        self.rx_queue_recorded = False
        self.napi_id = 0
        self.tstamp = 0
        self.mac_header = 0
        self.network_header = 0
        self.transport_header = -1
        # what `ip_hdr` parsed: fields of the IPv4 header at `iph_off` of `iph_head`; void once `head` is another
        self.iph: IpHdr = NO_IP_HDR
        self.iph_head: bytes | None = None
        self.iph_off = 0
        self.dst: Dst | None = None
        self.sk: Sock | None = None
        self.mark = 0
        self.priority = 0
        self.skb_iif = 0
        self.frag_list: list[SkBuff] | None = None
        self.users = 1
        self.cloned = False
        self.peeked = False  # an empty packet was looked at with a peek offset
        self.gso_size = 0
        self.gso_segs = 0
        self.gso_type = 0
        self.tokens = 0
        self.tag: Tag | None = None
        self.fate: Fate | None = None
        self.arrived_ns = 0
        self.dropcount = 0
        self.nohdr = False
        self.gro: Any = None  # NAPI_GRO_CB while in GRO
        self.cb: Any = None  # the owning layer's control block
        self.own = False  # made by this machine (the other ledger)
        self.destructor_w: Sock | None = None  # sock_wfree: who is charged for it on the way out
        self.head_size = truesize - SKB_OVERHEAD
        self.nr_frags = 0
        self.head_frag = False  # the head is a page fragment: GRO may take it over
        self.shared = False  # one of several references to a packet: its end is no event
        self.dataref: list[int] | None = None  # how many skbs have the bytes; None: never cloned
        self.listed: list[int] | None = None  # skbs behind this one, shared by clones: [references, how many]
        self.txstamp: TxStamp | None = None  # time stamps that a sender wants of it

    def linear_len(self) -> int:
        """skb_headlen."""
        return self.len - self.data_len

    def tobytes(self) -> bytes:
        """All data from `data` on, frag_list included."""
        if self.frag_list is None:
            return self.head[self.data : self.tail]
        parts = [self.head[self.data : self.tail]]
        for f in self.frag_list:
            parts.append(f.tobytes())
        return b"".join(parts)

    def pull(self, n: int) -> None:
        """skb_pull (inline in Linux): forget `n` bytes at the front."""
        self.data += n
        self.len -= n

    def push_header(self, header: bytes) -> None:
        """Put `header` in front of the data.  Offsets behind it keep pointing at the same bytes."""
        d = self.data
        n = len(header)
        if d >= n:
            self.head = self.head[: d - n] + header + self.head[d:]
            self.data = d - n
        else:
            shift = n - d
            self.head = header + self.head[d:]
            self.data = 0
            self.tail += shift
            self.network_header += shift
            self.mac_header += shift
            if self.transport_header >= 0:
                self.transport_header += shift
            self.csum_start += shift
        self.len += n

    def replace(self, off: int, data: bytes) -> None:
        """Overwrite bytes at offset `off` of `head` (a header changed on the way)."""
        h = self.head
        self.head = h[:off] + data + h[off + len(data) :]

    def linearize(self) -> None:
        """skb_linearize: frag_list data joins the head."""
        if self.frag_list is not None:
            self.head = self.head[: self.tail] + b"".join([f.tobytes() for f in self.frag_list])
            self.tail = len(self.head)
            self.frag_list = None
        self.data_len = 0

    def trim(self, n: int) -> None:
        """pskb_trim: keep the first `n` bytes of data."""
        if n >= self.len:
            return
        if self.frag_list is not None:
            room = n - (self.tail - self.data)
            before = len(self.frag_list)
            if room <= 0:
                skb_drop_fraglist(self, before)
                self.frag_list = None
                self.data_len = 0
                self.tail = self.data + n
            else:
                keep: list[SkBuff] = []
                for f in self.frag_list:
                    if room <= 0:
                        break
                    if f.len > room:
                        f = skb_clone(f)  # a clone of the whole may share it
                        f.trim(room)
                    keep.append(f)
                    room -= f.len
                skb_drop_fraglist(self, before - len(keep))
                self.frag_list = keep
                self.data_len = n - (self.tail - self.data)
        else:
            self.tail = self.data + n
            self.data_len = max(self.data_len - (self.len - n), 0)
        self.len = n


def ip_hdr(skb: SkBuff) -> IpHdr:
    """The IPv4 header at `network_header` (inline in Linux), parsed once as long as the bytes are the same."""
    head = skb.head
    nh = skb.network_header
    if skb.iph_head is not head or skb.iph_off != nh:
        skb.iph = IPV4_HDR.unpack_from(head, nh)
        skb.iph_head = head
        skb.iph_off = nh
    return skb.iph


def skb_drop_fraglist(skb: SkBuff, n: int) -> None:
    """The last `n` of the list go: tracers see those that hung on it (not taken over as pages) dropped."""
    ref = skb.listed
    if ref is None or ref[0] != 1:
        return
    n = min(n, ref[1])
    ref[1] -= n
    tp = skb.net.kernel.trace.kfree_skb
    if tp.on:
        for _ in range(n):
            tp.fire(skb, "skb_drop_fraglist", skb.protocol, "NOT_SPECIFIED")


def skb_put(skb: SkBuff, data: bytes) -> None:
    """Append `data` behind the tail (Linux hands out the room; here the bytes come along)."""
    skb.head = data if skb.tail == 0 else skb.head[: skb.tail] + data
    n = len(data)
    skb.tail += n
    skb.len += n


def skb_clone(skb: SkBuff) -> SkBuff:
    """A second reference to the same bytes: same truesize, charged again; both share one fate."""
    c = SkBuff(skb.net, skb.head, skb.truesize)
    c.data = skb.data
    c.tail = skb.tail
    c.len = skb.len
    c.data_len = skb.data_len
    c.dev = skb.dev
    c.protocol = skb.protocol
    c.pkt_type = skb.pkt_type
    c.ip_summed = skb.ip_summed
    c.csum = skb.csum
    c.csum_start = skb.csum_start
    c.csum_offset = skb.csum_offset
    c.csum_level = skb.csum_level
    c.csum_valid = skb.csum_valid
    c.hash = skb.hash
    c.l4_hash = skb.l4_hash
    c.sw_hash = skb.sw_hash
    c.vlan_present = skb.vlan_present
    c.vlan_tci = skb.vlan_tci
    c.vlan_proto = skb.vlan_proto
    c.queue_mapping = skb.queue_mapping
    c.rx_queue_recorded = skb.rx_queue_recorded
    c.napi_id = skb.napi_id
    c.tstamp = skb.tstamp
    c.mac_header = skb.mac_header
    c.network_header = skb.network_header
    c.transport_header = skb.transport_header
    c.dst = skb.dst
    c.mark = skb.mark
    c.priority = skb.priority
    c.skb_iif = skb.skb_iif
    c.frag_list = skb.frag_list
    c.gso_size = skb.gso_size
    c.gso_segs = skb.gso_segs
    c.gso_type = skb.gso_type
    c.arrived_ns = skb.arrived_ns
    c.head_size = skb.head_size
    c.nr_frags = skb.nr_frags
    c.head_frag = skb.head_frag
    ref = skb.listed
    if ref is not None:
        ref[0] += 1
        c.listed = ref
    c.cb = skb.cb
    c.own = skb.own
    c.cloned = True
    skb.cloned = True
    data = skb.dataref
    if data is None:
        data = skb.dataref = [1]
    data[0] += 1
    c.dataref = data
    if skb.tokens:
        fate = skb.fate
        if fate is None:
            fate = skb.fate = Fate(1, skb.tokens)
        fate.refs += 1
        c.fate = fate
        c.tokens = skb.tokens
        c.tag = skb.tag
    return c


def skb_clone_observer(skb: SkBuff) -> SkBuff:
    """A clone for somebody who only looks (a capture): it holds no token."""
    tokens, fate = skb.tokens, skb.fate
    skb.tokens = 0
    c = skb_clone(skb)
    skb.tokens, skb.fate = tokens, fate
    c.tokens = 0
    c.fate = None
    return c


def skb_move_tokens(dst: SkBuff, src: SkBuff) -> None:
    """A merge: the frames of `src` now share the fate of `dst`."""
    n = src.tokens
    if not n:
        return
    if src.fate is not None or dst.fate is not None:
        raise AssertionError("tokens of a shared skb cannot move")
    src.tokens = 0
    dst.tokens += n
    if src.tag is not None:
        a = dst.tag if isinstance(dst.tag, tuple) else (() if dst.tag is None else (dst.tag,))
        b = src.tag if isinstance(src.tag, tuple) else (src.tag,)
        dst.tag = a + b
        src.tag = None


def skb_condense(skb: SkBuff) -> None:
    """Give paged data's memory back when it fits into the head; truesize is recomputed."""
    if skb.data_len:
        if skb.data_len > skb.head_size - NET_SKB_PAD - skb.tail or skb_cloned(skb):
            return
        skb.linearize()
    elif skb_has_pages(skb):
        return
    skb.truesize = skb.head_size + SKB_OVERHEAD


def skb_has_pages(skb: SkBuff) -> bool:
    """Whether bytes lie behind the head, in page fragments: `head` here has all of them (not a Linux function)."""
    return skb.truesize > skb.head_size + SKB_OVERHEAD and skb.tail > skb.head_size - NET_SKB_PAD


def skb_cloned(skb: SkBuff) -> bool:
    """Whether somebody else still has the bytes (inline in Linux: dataref above one)."""
    return skb.cloned and (skb.dataref is None or skb.dataref[0] > 1)


def skb_drop_dataref(skb: SkBuff) -> None:
    """These bytes are no longer this skb's (inline in Linux)."""
    data = skb.dataref
    if data is not None:
        data[0] -= 1
        skb.dataref = None


def skb_unclone(skb: SkBuff) -> int:
    """The head of a clone moves into memory of its own (pskb_expand_head); the difference in truesize."""
    size = slab_truesize(skb.net, skb.head_size) - SKB_OVERHEAD
    more = size - skb.head_size
    skb.truesize += more
    skb.head_size = size
    skb.head_frag = False
    skb.cloned = False
    skb_drop_dataref(skb)
    return more


def pskb_trim(skb: SkBuff, n: int) -> None:
    """Keep the first `n` bytes of data; what then lies in the head alone is charged for the head alone."""
    if n >= skb.len:
        return
    if skb.data_len or skb_has_pages(skb):
        ___pskb_trim(skb, n)
    else:
        skb.trim(n)


def ___pskb_trim(skb: SkBuff, n: int) -> None:
    """Cut a packet that has data outside of its head, a clone in memory of its own; what fits is pulled together."""
    ref = skb.listed
    before = len(skb.frag_list or ())
    shared = skb_cloned(skb)
    if shared:
        skb_unclone(skb)
        if ref is not None:
            ref[0] -= 1
            skb.listed = None
    skb.trim(n)
    if shared and ref is not None:  # the others keep the list, this one has clones of what it needs
        dropped = before - len(skb.frag_list or ())
        if ref[1] > dropped:
            skb.listed = [1, ref[1] - dropped]
    if skb.sk is None:
        skb_condense(skb)


# --- the ends -----------------------------------------------------------------------------------------------


def skb_end(skb: SkBuff, outcome: int, site: Site | None) -> None:
    """Book what became of the frames of this reference (not a Linux function)."""
    n = skb.tokens
    if n:
        skb.tokens = 0
        ledger = skb.net.kernel.ledger
        fate = skb.fate
        if fate is not None:
            skb.fate = None
            ledger.settle(fate, outcome, site)
        elif outcome == DELIVERED:
            ledger.delivered += n
        elif outcome == CONSUMED:
            assert site is not None
            ledger.book_consumed(site, n)
        else:
            assert site is not None
            ledger.book_drop(site, n)
    elif skb.own and skb.sk is None:
        pass


def skb_release_head_state(skb: SkBuff) -> None:
    """The destructor: give a sender's memory back (sock_wfree)."""
    sk = skb.destructor_w
    if sk is not None:
        skb.destructor_w = None
        sock_wfree(sk, skb.truesize)


def sock_wfree(sk: Sock, truesize: int) -> None:
    sk.wmem_free(truesize)


def skb_free_head(skb: SkBuff) -> None:
    """Memory of the head goes back: nothing to do here, Python owns it."""


def skb_release_data(skb: SkBuff) -> None:
    ref = skb.listed
    if ref is not None:  # the last one frees the list, and tracers see each of it as a drop
        skb.listed = None
        ref[0] -= 1
        tp = skb.net.kernel.trace.kfree_skb
        if ref[0] == 0 and tp.on:
            for _ in range(ref[1]):
                tp.fire(skb, "skb_release_data", skb.protocol, "NOT_SPECIFIED")
    if skb.dataref is not None:
        skb_drop_dataref(skb)
    skb_free_head(skb)


def kfree_skbmem(skb: SkBuff) -> None:
    """The struct itself goes back."""


def consume_skb(skb: SkBuff, site: Site | None) -> None:
    """The normal end.  `site` None: a program read it (delivered); else what consumed it."""
    if skb.users > 1:
        skb.users -= 1
        return
    tp = skb.net.kernel.trace.consume_skb
    if tp.on:
        tp.fire(skb, "consume_skb")
    if skb.tokens:
        if site is None and skb.fate is None:  # `skb_end` of what a program read
            skb.net.kernel.ledger.delivered += skb.tokens
            skb.tokens = 0
        else:
            skb_end(skb, DELIVERED if site is None else CONSUMED, site)
    skb_release_head_state(skb)
    skb_release_data(skb)
    kfree_skbmem(skb)


def kfree_skb_reason(skb: SkBuff, site: Site) -> None:
    """The end by a drop: `site` says stage, reason, the Linux counter that its caller moved, and the drop
    reason.
    """
    if skb.users > 1:
        skb.users -= 1
        return
    tp = skb.net.kernel.trace.kfree_skb
    if tp.on and not skb.shared:
        tp.fire(skb, site.stage, skb.protocol, site.skb_reason)
    if skb.tokens:
        watch = skb.net.kernel.ledger.on_drop
        if watch is not None:
            watch(skb, site)
        skb_end(skb, DROPPED, site)
    elif skb.own:
        skb.net.kernel.ledger.book_own_drop(site)
    skb_release_head_state(skb)
    skb_release_data(skb)
    kfree_skbmem(skb)


# --- allocation: heads come empty, `skb_put` brings the bytes -----------------------------------------------


def __build_skb_around(net: Net, truesize: int) -> SkBuff:
    return SkBuff(net, b"", truesize)


def napi_skb_cache_get() -> None:
    """6.1 takes the struct from a per-CPU cache; Python allocates it in __build_skb_around."""


def __napi_build_skb(net: Net, truesize: int) -> SkBuff:
    napi_skb_cache_get()
    return __build_skb_around(net, truesize)


def __napi_alloc_skb(net: Net, length: int) -> SkBuff:
    """A small skb for `length` bytes, from NAPI context; truesize by release (mm.py)."""
    alloc = net.kernel.skb_alloc
    truesize = alloc.napi_known.get(length)
    if truesize is None:
        truesize = alloc.napi_known[length] = alloc.napi(length)
    skb = __napi_build_skb(net, truesize)
    skb.head_frag = alloc.napi_frag
    return skb


def __netdev_alloc_skb(net: Net, length: int, sleepable: bool = False) -> SkBuff:
    """A receive skb for `length` bytes; `sleepable` = GFP_KERNEL."""
    alloc = net.kernel.skb_alloc
    skb = SkBuff(net, b"", alloc.netdev(length, sleepable))
    skb.head_frag = not sleepable and skb.truesize == page_frag_truesize(length + NET_SKB_PAD)
    return skb


def slab_truesize(net: Net, size: int) -> int:
    """What `__alloc_skb(size)` is charged as in this release."""
    small = net.kernel.release.skb_alloc == "v6_18"
    return alloc_skb_truesize_small_head(size) if small else alloc_skb_truesize(size)


def __alloc_skb(net: Net, size: int) -> SkBuff:
    """An skb whose head of `size` bytes comes from the slab (what the machine itself sends)."""
    skb = __build_skb_around(net, slab_truesize(net, size))
    skb.own = True
    return skb


def build_skb_truesize(frag_size: int) -> int:
    """build_skb around a buffer of `frag_size` bytes (shared info included): what it is charged as."""
    return frag_size + SKB_STRUCT


def __skb_checksum_complete(skb: SkBuff) -> bool:
    """Sum everything from skb.data on with skb.csum; True = it is right."""
    n = __skb_checksum(skb) + skb.csum
    ok = n != 0 and n % 0xFFFF == 0
    if ok and skb.users == 1:  # nothing is noted in a packet that is shared (peeked at)
        skb.csum_valid = True
        # what Linux keeps (CHECKSUM_COMPLETE by software) is worth nothing here but to IP_CHECKSUM, which sums anew
        skb.csum = SUMMED_WITH_HEADER if skb.data == skb.transport_header else SUMMED_PAYLOAD
    return ok


def __skb_checksum(skb: SkBuff) -> int:
    return csum_partial(skb.tobytes())


def pskb_may_pull(skb: SkBuff, n: int) -> bool:
    """At least `n` linear bytes (inline in Linux)."""
    if skb.tail - skb.data >= n:
        return True
    if skb.len < n:
        return False
    skb.linearize()
    return True
