"""GRO of IPv4, TCP and UDP: which packets belong together, and how a merged one is made whole.

Facts: net/ipv4/af_inet.c inet_gro_receive, net/ipv4/tcp_offload.c, net/ipv4/udp_offload.c, net/core/gro.c
skb_gro_receive (3.13, 5.15, 6.1, 6.12); merged sizes and results recorded on 6.1.

The merge itself keeps bytes where they are: the new segment, pulled to its payload, is chained behind the
held one.  Whether Linux takes over its pages (MERGED_FREE, at most 17 a head) or chains the skb (MERGED)
decides only what is charged and what is returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.mm import SKB_OVERHEAD, SKB_STRUCT
from rxpath.net.core.gro import GroCb, gro_cb
from rxpath.net.core.netdevice import (
    NETIF_F_GRO_FRAGLIST,
    NETIF_F_GRO_UDP_FWD,
    NapiStruct,
    Net,
    PacketOffload,
    dev_add_offload,
)
from rxpath.net.core.skbuff import (
    CHECKSUM_COMPLETE,
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    MAX_SKB_FRAGS,
    SKB_GSO_FRAGLIST,
    SKB_GSO_TCP_ACCECN,
    SKB_GSO_TCP_FIXEDID,
    SKB_GSO_TCPV4,
    SKB_GSO_UDP_L4,
    IpHdr,
    SkBuff,
    ip_hdr,
    skb_move_tokens,
    slab_truesize,
)
from rxpath.wire.checksum import csum_tcpudp_nofold, ip_compute_csum, transport_checksum
from rxpath.wire.ethernet import ETH_P_IP
from rxpath.wire.ipv4 import IP_DF, IPPROTO_TCP, IPPROTO_UDP, IPV4_HDR
from rxpath.wire.tcp import TCPHDR_CWR, TCPHDR_FIN, TCPHDR_PSH, TCPHDR_RST, TCPHDR_SYN, TCPHDR_URG

if TYPE_CHECKING:
    from rxpath.net.core.sock import Sock


UDP_GRO_CNT_MAX: Final = 64


class NetOffload:
    """`struct net_offload`: GRO callbacks of an IP protocol.  `skb.data + cb.data_offset` is the transport
    header.
    """

    __slots__ = ()

    def gro_receive(self, napi: NapiStruct, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
        raise NotImplementedError

    def gro_complete(self, skb: SkBuff, thoff: int) -> None:
        raise NotImplementedError


class UdpGroLookup:
    """Who has asked for UDP GRO: UDP replaces this with a socket lookup once a socket enables it."""

    __slots__ = ("needed",)

    def __init__(self) -> None:
        self.needed = 0

    def lookup(self, skb: SkBuff, sport: int, dport: int) -> Sock | None:
        """The socket that would receive this datagram."""
        return None

    def gro_enabled(self, sk: Sock) -> bool:
        """Whether that socket has UDP_GRO set."""
        return False


class IpOffload(PacketOffload):
    """ETH_P_IP: holds the table of protocol offloads (`inet_offloads`)."""

    __slots__ = ("net", "inet_offloads", "fixed_id", "fixed_id_any", "id_in_transport", "cwr_compared", "udp_lookup")

    def __init__(self, net: Net) -> None:
        super().__init__(ETH_P_IP)
        self.net = net
        self.inet_offloads: dict[int, NetOffload] = {}
        r = net.kernel.release
        self.fixed_id = r.gro_fixed_id
        self.fixed_id_any = r.gro_fixed_id_without_df
        self.id_in_transport = r.gro_id_in_transport
        self.cwr_compared = r.gro_cwr_compared
        self.udp_lookup = UdpGroLookup()

    def gro_receive(self, napi: NapiStruct, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
        return inet_gro_receive(self, napi, held, skb)

    def gro_complete(self, skb: SkBuff, nhoff: int) -> None:
        inet_gro_complete(self, skb)

    def gso_segment(self, skb: SkBuff) -> list[SkBuff]:
        return udp_gso_segment(skb) if skb.gso_type & SKB_GSO_UDP_L4 else tcp_gso_segment(skb)


def ipv4_offload_init(net: Net) -> None:
    """fs_initcall: TCP always; UDP where the release has it (3.13 has only its tunnels)."""
    off = IpOffload(net)
    off.inet_offloads[IPPROTO_TCP] = TcpOffload(off)
    if net.kernel.release.udp_gro:
        off.inet_offloads[IPPROTO_UDP] = UdpOffload(off)
    dev_add_offload(net, off)


# --- IPv4 ---------------------------------------------------------------------------------------------------


def inet_gro_receive(off: IpOffload, napi: NapiStruct, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
    cb: GroCb = skb.gro
    head = skb.head
    o = skb.data
    if skb.tail - o < 20:
        cb.flush = 1
        return None
    iph: IpHdr = IPV4_HDR.unpack_from(head, o)
    vhl, tos, tot_len, ident, frag, ttl, proto, check, saddr, daddr = iph
    ops = off.inet_offloads.get(proto) if vhl == 0x45 else None
    # no handler, a fragment, or a bad header checksum: not for us
    if (
        ops is None
        or frag & 0x3FFF
        or ((vhl + ttl << 8) + tos + tot_len + ident + frag + proto + check + saddr + daddr) % 0xFFFF
    ):
        cb.flush = 1
        return None
    skb.iph = iph
    skb.iph_head = head
    skb.iph_off = o
    flush = 1 if tot_len != skb.len or frag & 0x8000 else 0
    df = frag & IP_DF
    if held:
        for p in held:
            pcb: GroCb = p.gro
            if not pcb.same_flow:
                continue
            _, tos2, _, id2, frag2, ttl2, proto2, _, saddr2, daddr2 = ip_hdr(p)
            if proto != proto2 or saddr != saddr2 or daddr != daddr2:
                pcb.same_flow = False
                continue
            pcb.flush = 1 if ttl != ttl2 or tos != tos2 or (frag2 & IP_DF) != df else 0
            if flush and not off.id_in_transport:  # since 6.12 the merge itself refuses it
                pcb.flush = 1
            if off.id_in_transport:
                pcb.flush_id = (ident - id2) & 0xFFFF  # judged by `network_flush` once the transport agrees
            elif off.fixed_id:
                fid = (ident - id2) & 0xFFFF
                if not pcb.is_atomic or not df:
                    fid ^= pcb.count
                    fid = 0xFFFF if fid else 0
                pcb.flush_id = fid
            else:
                pcb.flush_id = ((id2 + pcb.count) & 0xFFFF) ^ ident
    cb.is_atomic = df != 0
    if flush:
        cb.flush = 1
    cb.data_offset = 20
    skb.transport_header = o + 20
    cb.csum_cnt = skb.csum_level + 1 if skb.ip_summed == CHECKSUM_UNNECESSARY else 0
    return ops.gro_receive(napi, held, skb)


def _network_flush(off: IpOffload, pcb: GroCb, df: bool) -> bool:
    """inet_gro_flush of 6.12: ids must count up, or all be the same (with DF; 6.18 asks no DF)."""
    offset = pcb.flush_id
    if pcb.count == 1 and offset == 0 and (df or off.fixed_id_any):
        pcb.ip_fixedid = True
    return offset != (0 if pcb.ip_fixedid else pcb.count)


def _id_flush(off: IpOffload, pcb: GroCb, cb: GroCb) -> bool:
    """Whether the identification says that a packet is not the next of the held one's."""
    if off.id_in_transport:
        return _network_flush(off, pcb, cb.is_atomic)
    if off.fixed_id and pcb.flush_id == 1 and pcb.count == 1 and pcb.is_atomic:
        pcb.is_atomic = False  # they count up after all
        return False
    return bool(pcb.flush_id)


def inet_gro_complete(off: IpOffload, skb: SkBuff) -> None:
    """Total length and header checksum of the merged packet, then the transport's part."""
    o = skb.network_header
    head = skb.head
    proto = head[o + 9]
    hdr = bytearray(head[o : o + 20])
    hdr[2:4] = (skb.len & 0xFFFF).to_bytes(2, "big")
    hdr[10:12] = b"\0\0"
    csum = 0xFFFF - (int.from_bytes(hdr, "big") % 0xFFFF or 0xFFFF)
    hdr[10:12] = csum.to_bytes(2, "big")
    skb.replace(o, bytes(hdr))
    ops = off.inet_offloads.get(proto)
    if ops is not None:
        ops.gro_complete(skb, o + 20)


# --- checksums ----------------------------------------------------------------------------------------------


def _checksum_needed(skb: SkBuff, cb: GroCb) -> bool:
    return skb.ip_summed != CHECKSUM_PARTIAL and cb.csum_cnt == 0 and not cb.csum_valid


def _checksum_valid(skb: SkBuff, cb: GroCb, proto: int) -> bool:
    """skb_gro_checksum_validate: True when the transport checksum may be trusted from here on."""
    if skb.ip_summed == CHECKSUM_COMPLETE:
        return __skb_gro_checksum_complete(skb, cb, proto)
    if not _checksum_needed(skb, cb):
        if cb.csum_cnt > 0:
            cb.csum_cnt -= 1
        return True
    if not __skb_gro_checksum_complete(skb, cb, proto):
        return False
    # verified here: the transport need not do it again
    skb.ip_summed = CHECKSUM_UNNECESSARY
    skb.csum_level = 0
    return True


def __skb_gro_checksum_complete(skb: SkBuff, cb: GroCb, proto: int) -> bool:
    o = skb.network_header
    t = skb.data + cb.data_offset
    length = skb.tail - t
    pseudo = int.from_bytes(skb.head[o + 12 : o + 20], "big") + proto + length
    total = skb_checksum(skb, t, length) + pseudo
    cost = skb.net.kernel.costs.csum_kb
    if cost:
        skb.net.kernel.cur().charge(cost * length >> 10)
    ok = total % 0xFFFF == 0
    cb.csum_valid = ok
    return ok


def skb_checksum(skb: SkBuff, off: int, length: int) -> int:
    return __skb_checksum(skb, off, length)


def __skb_checksum(skb: SkBuff, off: int, length: int) -> int:
    return csum_partial(skb.head, off, length)


def csum_partial(data: bytes, off: int, length: int) -> int:
    """A number congruent (mod 0xffff) to the sum of the 16-bit words; an odd last byte counts as its high
    half.
    """
    n = int.from_bytes(data[off : off + length], "big")
    return (n << 8 if length & 1 else n) % 0xFFFF


# --- cutting ------------------------------------------------------------------------------------------------


def segment_skb(skb: SkBuff, frame: bytes, nh: int, th: int) -> SkBuff:
    """One segment of `skb` with what all take over (skb_segment, __copy_skb_header); `nh`, `th`: offsets of headers."""
    s = SkBuff(skb.net, frame, slab_truesize(skb.net, len(frame)))
    s.dev = skb.dev
    s.protocol = skb.protocol
    s.network_header = nh
    s.transport_header = th
    s.priority = skb.priority
    s.mark = skb.mark
    s.queue_mapping = skb.queue_mapping
    s.hash = skb.hash
    s.own = skb.own
    s.sk = skb.sk
    s.dst = skb.dst
    if skb.data_len and skb.frag_list is None:  # the bytes stay in their pages
        s.head_size = skb.head_size
        s.data_len = s.len - (skb.len - skb.data_len)
        s.nr_frags = 1
        s.truesize = s.head_size + SKB_OVERHEAD + s.data_len
    return s


def udp_gso_segment(skb: SkBuff) -> list[SkBuff]:
    """What a program sent with UDP_SEGMENT, or GRO merged, as datagrams: identification goes on, each with a length
    and checksum of its own.  Those of a list keep their own header behind the first, with the TTL that they came with:
    a router counts down the first one's only (recorded on 6.18).  `skb.data` at the link header.
    """
    d = skb.data
    nh = skb.network_header - d
    b = skb.tobytes()
    th = nh + ((b[nh] & 15) << 2)
    ident = b[nh + 4] << 8 | b[nh + 5]
    saddr = int.from_bytes(b[nh + 12 : nh + 16], "big")
    daddr = int.from_bytes(b[nh + 16 : nh + 20], "big")
    out: list[SkBuff] = []
    own = skb.frag_list if skb.gso_type & SKB_GSO_FRAGLIST else None
    for pos in range(th + 8, len(b), skb.gso_size):
        data = b[pos : pos + skb.gso_size]
        n = len(data) + 8
        ip = b[nh : nh + 2] + (th - nh + n).to_bytes(2, "big") + ident.to_bytes(2, "big") + b[nh + 6 : nh + 10]
        if out and own is not None:
            o = own[len(out) - 1]
            ip = ip[:8] + o.head[o.network_header + 8 : o.network_header + 9] + ip[9:]
        rest = b[nh + 12 : th]
        c = ip_compute_csum(ip + b"\0\0" + rest)
        udp = b[th : th + 4] + n.to_bytes(2, "big")
        uc = transport_checksum(saddr, daddr, 17, udp + b"\0\0" + data) or 0xFFFF
        frame = b[:nh] + ip + c.to_bytes(2, "big") + rest + udp + uc.to_bytes(2, "big") + data
        out.append(segment_skb(skb, frame, nh, th))
        ident = (ident + 1) & 0xFFFF
    out[0].txstamp = skb.txstamp
    if skb.tokens and skb.fate is None:
        skb_move_tokens(out[0], skb)
    return out


def skb_gso_validate_network_len(skb: SkBuff, mtu: int) -> bool:
    """Whether each packet that this one stands for fits in `mtu` bytes with its headers."""
    t = skb.transport_header
    hlen = 8 if skb.gso_type & SKB_GSO_UDP_L4 else (skb.head[t + 12] >> 4) * 4
    return t - skb.network_header + hlen + skb.gso_size <= mtu


def tcp_gso_segment(skb: SkBuff) -> list[SkBuff]:
    """A TCP super-packet as frames: identification and sequence go on, PSH and FIN only in the last, CWR only in
    the first.  `skb.data` at the link header.
    """
    d = skb.data
    nh = skb.network_header - d
    b = skb.tobytes()
    ihl = (b[nh] & 15) << 2
    th = nh + ihl
    off = th + ((b[th + 12] >> 4) << 2)
    size = skb.gso_size
    ident = b[nh + 4] << 8 | b[nh + 5]
    seq = int.from_bytes(b[th + 4 : th + 8], "big")
    flags = b[th + 13]
    saddr = int.from_bytes(b[nh + 12 : nh + 16], "big")
    daddr = int.from_bytes(b[nh + 16 : nh + 20], "big")
    stamp = skb.txstamp
    fixed = bool(skb.gso_type & SKB_GSO_TCP_FIXEDID)
    out: list[SkBuff] = []
    pos = off
    end = len(b)
    while pos < end or not out:
        n = min(size, end - pos)
        f = flags
        if pos + n < end:
            f &= ~(TCPHDR_FIN | TCPHDR_PSH)
        if out and not skb.gso_type & SKB_GSO_TCP_ACCECN:
            f &= ~TCPHDR_CWR
        ip = b[nh : nh + 2] + (ihl + off - th + n).to_bytes(2, "big") + ident.to_bytes(2, "big") + b[nh + 6 : nh + 10]
        rest = b[nh + 12 : th]
        c = ip_compute_csum(ip + b"\0\0" + rest)
        tcp = b[th : th + 4] + seq.to_bytes(4, "big") + b[th + 8 : th + 13] + bytes((f,)) + b[th + 14 : th + 16]
        tail = b[th + 18 : off] + b[pos : pos + n]
        tc = transport_checksum(saddr, daddr, 6, tcp + b"\0\0" + tail)
        frame = b[:nh] + ip + c.to_bytes(2, "big") + rest + tcp + tc.to_bytes(2, "big") + tail
        s = segment_skb(skb, frame, nh, th)
        out.append(s)
        pos += n
        if stamp is not None and (stamp.key - seq) & 0xFFFFFFFF < size:  # tcp_gso_tstamp
            s.txstamp = stamp.of_segment(n, end - off)
        seq = (seq + n) & 0xFFFFFFFF
        if not fixed:
            ident = (ident + 1) & 0xFFFF
    if skb.tokens and skb.fate is None:
        skb_move_tokens(out[0], skb)
    return out


# --- merging ------------------------------------------------------------------------------------------------


def skb_gro_receive(p: SkBuff, skb: SkBuff, hlen: int) -> bool:
    """Merge `skb`, whose headers are `hlen` bytes from `data`, into `p`.  False when it does not fit."""
    pcb = gro_cb(p)
    cb = gro_cb(skb)
    length = skb.len - hlen
    dev = p.dev
    limit = dev.gro_max_size if dev is not None else 65536
    if p.len + length >= limit or cb.flush:
        return False
    last = pcb.last
    assert last is not None
    full_truesize = skb.truesize
    if skb.head_frag and last.nr_frags + 1 <= MAX_SKB_FRAGS and skb.frag_list is None:
        last.nr_frags += 1
        cb.free = 1
        delta = full_truesize - SKB_STRUCT
        if last is not p:
            last.truesize += delta
    else:
        delta = full_truesize
        pcb.last = skb
        if p.listed is None:
            p.listed = [1, 1]
        else:
            p.listed[1] += 1
    skb.data += hlen
    skb.len = length
    if p.frag_list is None:
        p.frag_list = [skb]
    else:
        p.frag_list.append(skb)
    pcb.count += cb.count
    p.data_len += length
    p.truesize += delta
    p.len += length
    skb_move_tokens(p, skb)
    cb.same_flow = True
    return True


# --- TCP ----------------------------------------------------------------------------------------------------


class TcpOffload(NetOffload):
    __slots__ = ("ip",)

    def __init__(self, ip: IpOffload) -> None:
        self.ip = ip

    def gro_receive(self, napi: NapiStruct, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
        return tcp4_gro_receive(self, held, skb)

    def gro_complete(self, skb: SkBuff, thoff: int) -> None:
        tcp4_gro_complete(self, skb, thoff)


def tcp4_gro_receive(off: TcpOffload, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
    cb = gro_cb(skb)
    if not cb.flush and not _checksum_valid(skb, cb, IPPROTO_TCP):
        cb.flush = 1
        # a bad one ends the flow's packet: order is kept
        return _flush_same_flow(held, skb, cb)
    return tcp_gro_receive(off, held, skb)


def _flush_same_flow(held: list[SkBuff], skb: SkBuff, cb: GroCb) -> SkBuff | None:
    return None


def tcp_gro_receive(off: TcpOffload, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
    cb = gro_cb(skb)
    head = skb.head
    t = skb.data + cb.data_offset
    if skb.tail - t < 20:
        cb.flush = 1
        return None
    doff = (head[t + 12] >> 4) * 4
    if doff < 20 or skb.tail - t < doff:
        cb.flush = 1
        return None
    ports = head[t : t + 4]
    seq = int.from_bytes(head[t + 4 : t + 8], "big")
    flags = head[t + 13]
    hlen = cb.data_offset + doff
    length = skb.len - hlen
    found: SkBuff | None = None
    for p in held:
        pcb = gro_cb(p)
        if not pcb.same_flow:
            continue
        t2 = p.transport_header
        if p.head[t2 : t2 + 4] != ports:
            pcb.same_flow = False
            continue
        found = p
        break
    mss = 1
    if found is not None:
        pcb = gro_cb(found)
        t2 = found.transport_header
        h2 = found.head
        flags2 = h2[t2 + 13]
        doff2 = (h2[t2 + 12] >> 4) * 4
        may = TCPHDR_FIN | TCPHDR_PSH if off.ip.cwr_compared else TCPHDR_CWR | TCPHDR_FIN | TCPHDR_PSH
        bad = bool(pcb.flush) or bool(flags & TCPHDR_CWR) or bool((flags ^ flags2) & ~may)
        if not bad:  # tcp_flag_word is compared: header length, reserved bits and window too
            bad = (
                head[t + 8 : t + 13] != h2[t2 + 8 : t2 + 13]
                or head[t + 14 : t + 16] != h2[t2 + 14 : t2 + 16]
                or doff != doff2
                or head[t + 20 : t + doff] != h2[t2 + 20 : t2 + doff2]
            )
        if _id_flush(off.ip, pcb, cb):
            bad = True
        mss = found.gso_size
        if not bad:
            seq2 = int.from_bytes(h2[t2 + 4 : t2 + 8], "big")
            payload2 = found.len - (t2 - found.data) - doff2
            bad = skb.gso_size != mss if skb.gso_size else length == 0 or length > mss
            bad = bad or (seq2 + payload2) & 0xFFFFFFFF != seq
        if bad or not skb_gro_receive(found, skb, hlen):
            mss = 1
        else:
            more = flags & (TCPHDR_FIN | TCPHDR_PSH)
            if more & ~flags2:
                found.replace(t2 + 13, bytes((flags2 | more,)))
            cost = skb.net.kernel.costs.gro_merge
            if cost:
                skb.net.kernel.cur().charge(cost)
    cb.data_offset = hlen
    final = length != cb.count * skb.gso_size if skb.gso_size else length < mss
    final = final or bool(flags & (TCPHDR_URG | TCPHDR_PSH | TCPHDR_RST | TCPHDR_SYN | TCPHDR_FIN))
    pp: SkBuff | None = None
    if found is not None and (not cb.same_flow or final):
        pp = found
    if final:
        cb.flush = 1
    return pp


def _pseudo_sum(skb: SkBuff, thoff: int, proto: int) -> bytes:
    """What a checksum field holds until a device completes it: the pseudo header's sum, as the merged length is."""
    _, _, _, _, _, _, _, _, saddr, daddr = ip_hdr(skb)
    return csum_tcpudp_nofold(saddr, daddr, skb.len - (thoff - skb.data), proto).to_bytes(2, "big")


def tcp4_gro_complete(off: TcpOffload, skb: SkBuff, thoff: int) -> None:
    cb = gro_cb(skb)
    skb.transport_header = thoff
    skb.replace(thoff + 16, _pseudo_sum(skb, thoff, IPPROTO_TCP))
    skb.csum_start = thoff
    skb.csum_offset = 16
    skb.ip_summed = CHECKSUM_PARTIAL
    skb.gso_segs = cb.count
    skb.gso_type = SKB_GSO_TCPV4
    if cb.ip_fixedid if off.ip.id_in_transport else cb.is_atomic:
        skb.gso_type |= SKB_GSO_TCP_FIXEDID


# --- UDP ----------------------------------------------------------------------------------------------------


class UdpOffload(NetOffload):
    __slots__ = ("ip",)

    def __init__(self, ip: IpOffload) -> None:
        self.ip = ip

    def gro_receive(self, napi: NapiStruct, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
        return udp4_gro_receive(self, held, skb)

    def gro_complete(self, skb: SkBuff, thoff: int) -> None:
        udp4_gro_complete(skb, thoff)


def udp4_gro_receive(off: UdpOffload, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
    cb: GroCb = skb.gro
    head = skb.head
    t = skb.data + 20
    if skb.tail - t < 8:
        cb.flush = 1
        return None
    # a zero checksum means that the sender computed none: as good as verified, and nothing to convert
    if not cb.flush and (head[t + 6] or head[t + 7]):
        if cb.csum_cnt and skb.ip_summed == CHECKSUM_UNNECESSARY:  # `_checksum_valid` of what the device summed
            cb.csum_cnt -= 1
        elif not _checksum_valid(skb, cb, IPPROTO_UDP):
            cb.flush = 1
            return None
    elif not cb.flush:
        if cb.csum_cnt:
            cb.csum_cnt -= 1
        elif skb.ip_summed != CHECKSUM_UNNECESSARY:
            skb.ip_summed = CHECKSUM_UNNECESSARY
            skb.csum_level = 0
    sk: Sock | None = None
    look = off.ip.udp_lookup
    if look.needed:
        sk = look.lookup(skb, head[t] << 8 | head[t + 1], head[t + 2] << 8 | head[t + 3])
    return udp_gro_receive(off, held, skb, sk)


def udp_gro_receive(off: UdpOffload, held: list[SkBuff], skb: SkBuff, sk: Sock | None) -> SkBuff | None:
    """Only for a socket with UDP_GRO, or a device told to merge for forwarding or as a list; else NORMAL."""
    cb: GroCb = skb.gro
    dev = skb.dev
    assert dev is not None
    features = dev.features
    enabled = sk is not None and off.ip.udp_lookup.gro_enabled(sk)
    cb.is_flist = bool(features & NETIF_F_GRO_FRAGLIST) and (sk is None or not enabled)
    if (sk is None and features & NETIF_F_GRO_UDP_FWD) or enabled or cb.is_flist:
        return _udp_gro_receive_segment(off, held, skb, cb)
    cb.flush = 1
    return None


def _udp_gro_receive_segment(off: UdpOffload, held: list[SkBuff], skb: SkBuff, cb: GroCb) -> SkBuff | None:
    head = skb.head
    t = skb.data + cb.data_offset
    ulen = head[t + 4] << 8 | head[t + 5]
    have = skb.len - cb.data_offset
    if not (head[t + 6] or head[t + 7]) or ulen <= 8 or ulen != have:
        cb.flush = 1
        return None
    ports = head[t : t + 4]
    hlen = cb.data_offset + 8
    cb.data_offset = hlen
    pp: SkBuff | None = None
    for p in held:
        pcb = gro_cb(p)
        if not pcb.same_flow:
            continue
        t2 = p.transport_header
        if p.head[t2 : t2 + 4] != ports:
            pcb.same_flow = False
            continue
        if pcb.is_flist != cb.is_flist:
            cb.flush = 1
            return p
        ulen2 = p.head[t2 + 4] << 8 | p.head[t2 + 5]
        if _id_flush(off.ip, pcb, cb) or pcb.flush or ulen > ulen2:
            return p
        if cb.is_flist:
            if skb.ip_summed != p.ip_summed or skb.csum_level != p.csum_level:
                cb.flush = 1
                return None
            ok = _gro_receive_list(p, skb)
        else:
            ok = skb_gro_receive(p, skb, hlen)
        if not ok or ulen != ulen2 or gro_cb(p).count >= UDP_GRO_CNT_MAX:
            pp = p
        return pp
    return None


def _gro_receive_list(p: SkBuff, skb: SkBuff) -> bool:
    """skb_gro_receive_list: the packet itself, headers and all, hangs on the held one."""
    cb = gro_cb(skb)
    pcb = gro_cb(p)
    if p.len + skb.len >= 65536 or cb.flush:
        return False
    skb.data = skb.transport_header + 8
    length = skb.tail - skb.data
    skb.len = length
    if p.frag_list is None:
        p.frag_list = [skb]
    else:
        p.frag_list.append(skb)
    pcb.count += 1
    p.data_len += length
    p.truesize += skb.truesize
    p.len += length
    skb_move_tokens(p, skb)
    cb.same_flow = True
    return True


def udp4_gro_complete(skb: SkBuff, thoff: int) -> None:
    cb = gro_cb(skb)
    skb.transport_header = thoff
    skb.gso_segs = cb.count
    t2 = skb.head[thoff + 4] << 8 | skb.head[thoff + 5]
    skb.gso_size = t2 - 8
    length = (skb.len - (thoff - skb.data)).to_bytes(2, "big")
    if cb.is_flist:
        skb.replace(thoff + 4, length)
        skb.gso_type = SKB_GSO_FRAGLIST | SKB_GSO_UDP_L4
        skb.csum_level = min(skb.csum_level + 1, 3) if skb.ip_summed == CHECKSUM_UNNECESSARY else 0
        skb.ip_summed = CHECKSUM_UNNECESSARY
        return
    skb.replace(thoff + 4, length + _pseudo_sum(skb, thoff, IPPROTO_UDP))
    skb.gso_type = SKB_GSO_UDP_L4
    skb.csum_start = thoff
    skb.csum_offset = 6
    skb.ip_summed = CHECKSUM_PARTIAL
