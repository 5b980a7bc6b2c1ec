"""Generic receive offload: hold, merge, complete, and the batch of packets that nothing merges with.

What lives here: the protocol-independent part (results, buckets, flush rules, the GRO_NORMAL batch).  IPv4, TCP and
UDP callbacks register as offloads from net/ipv4.  Facts: net/core/dev.c (3.13), net/core/gro.c (5.15 to 6.12); order
and sizes recorded on 6.1.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.cpu import Cpu
from rxpath.net.core.netdevice import NETIF_F_GRO, NapiStruct
from rxpath.net.core.receive import netif_receive_skb, netif_receive_skb_list_internal
from rxpath.net.core.skbuff import SKB_GSO_DODGY, SKB_GSO_TCPV4, SkBuff, consume_skb

GRO_MERGED: Final = 0
GRO_MERGED_FREE: Final = 1
GRO_HELD: Final = 2
GRO_NORMAL: Final = 3
GRO_CONSUMED: Final = 4

MAX_GRO_SKBS: Final = 8


class GroCb:
    """`struct napi_gro_cb`: what the layers tell each other about one packet while it is in GRO."""

    __slots__ = (
        "data_offset",
        "flush",
        "flush_id",
        "count",
        "age",
        "same_flow",
        "csum_valid",
        "csum_cnt",
        "free",
        "is_atomic",
        "mss",
        "is_flist",
        "ip_fixedid",
        "last",
    )

    def __init__(self) -> None:
        self.data_offset = 0  # from skb.data
        self.flush = 0
        self.flush_id = 0
        self.count = 1
        self.age = 0
        self.same_flow = False
        self.csum_valid = False
        self.csum_cnt = 0
        self.free = 0
        self.is_atomic = True
        self.mss = 0
        self.is_flist = False
        self.ip_fixedid = False
        self.last: SkBuff | None = None


def gro_cb(skb: SkBuff) -> GroCb:
    c: GroCb = skb.gro
    return c


def napi_gro_receive(napi: NapiStruct, skb: SkBuff) -> int:
    """A driver hands up one packet.  Returns the GRO result."""
    net = napi.net
    k = net.kernel
    skb.napi_id = napi.napi_id
    trace = k.trace
    if trace.napi_gro_receive_entry.on:
        trace.napi_gro_receive_entry.fire(skb)
    ret = dev_gro_receive(napi, skb)
    if ret == GRO_NORMAL:
        batch = net.gro_normal_batch
        if batch:
            napi.rx_list.append(skb)
            n = napi.rx_count + 1
            napi.rx_count = n
            if n >= batch:
                gro_normal_list(napi)
        else:
            netif_receive_skb(skb)  # 3.13: at once (napi_skb_finish)
    elif ret == GRO_MERGED_FREE:
        consume_skb(skb, None)
    if trace.napi_gro_receive_exit.on:
        trace.napi_gro_receive_exit.fire(ret)
    return ret


def dev_gro_receive(napi: NapiStruct, skb: SkBuff) -> int:
    dev = skb.dev
    assert dev is not None
    if not dev.features & NETIF_F_GRO:
        return GRO_NORMAL
    net = napi.net
    po = net.offloads.get(skb.protocol)
    if po is None:
        return GRO_NORMAL
    k = net.kernel
    list8 = net.gro_list8
    merged = skb.gso_size != 0 or skb.frag_list is not None  # by the device
    if merged and list8:
        return GRO_NORMAL
    cb = GroCb()
    skb.gro = cb
    if merged:
        cb.count = skb.gso_segs
        plain_tcp = skb.gso_type & (SKB_GSO_TCPV4 | SKB_GSO_DODGY) == SKB_GSO_TCPV4
        if not plain_tcp or skb.frag_list is not None or not k.release.gro_of_gso:
            cb.flush = 1
    bucket = 0 if list8 else skb.hash & 7
    held = napi.gro_hash[bucket]
    if held:
        gro_list_prepare(held, skb, list8)
    skb.network_header = skb.data
    pp = po.gro_receive(napi, held, skb)
    same_flow = cb.same_flow
    ret = GRO_MERGED_FREE if cb.free else GRO_MERGED
    if pp is not None:
        held.remove(pp)
        napi.gro_count -= 1
        napi_gro_complete(napi, pp)
        _note_bucket(napi, bucket)
    if same_flow:
        return ret
    if cb.flush or (list8 and napi.gro_count >= MAX_GRO_SKBS):
        skb.gro = None
        cost = k.costs.gro_normal
        if cost:
            cpu: Cpu = k.engine.current
            cpu.charge(cost)
        return GRO_NORMAL
    if not list8 and len(held) >= MAX_GRO_SKBS:
        gro_flush_oldest(napi, held)
    cb.age = k.jiffies()
    cb.mss = skb.len - cb.data_offset
    cb.last = skb
    if not merged:
        skb.gso_size = cb.mss
    held.insert(0, skb)
    napi.gro_count += 1
    napi.gro_bitmask |= 1 << bucket
    cost = k.costs.gro_merge
    if cost:
        k.cur().charge(cost)
    return GRO_HELD


def _note_bucket(napi: NapiStruct, bucket: int) -> None:
    if napi.gro_hash[bucket]:
        napi.gro_bitmask |= 1 << bucket
    else:
        napi.gro_bitmask &= ~(1 << bucket)


def gro_list_prepare(held: list[SkBuff], skb: SkBuff, list8: bool) -> None:
    """Which of the held packets may be of the flow: device, VLAN, Ethernet header (5.15: raw hash too)."""
    head = skb.head
    mac = skb.mac_header
    eth = head[mac : mac + 14]
    for p in held:
        pcb = gro_cb(p)
        pcb.flush = 0
        pcb.flush_id = 0
        same = (
            p.dev is skb.dev
            and p.vlan_present == skb.vlan_present
            and p.vlan_tci == skb.vlan_tci
            and p.head[p.mac_header : p.mac_header + 14] == eth
        )
        if same and not list8:
            same = p.hash == skb.hash
        pcb.same_flow = same


def gro_flush_oldest(napi: NapiStruct, held: list[SkBuff]) -> None:
    oldest = held.pop()
    napi.gro_count -= 1
    napi_gro_complete(napi, oldest)


def napi_gro_complete(napi: NapiStruct, skb: SkBuff) -> None:
    """A held packet goes up: headers are corrected when it stands for several."""
    cb = gro_cb(skb)
    if cb.count == 1:
        skb.gso_size = 0
    else:
        po = napi.net.offloads.get(skb.protocol)
        assert po is not None
        po.gro_complete(skb, 0)
    skb.gro = None
    net = napi.net
    batch = net.gro_normal_batch
    if batch:
        napi.rx_list.append(skb)
        napi.rx_count += skb.gso_segs or 1
        if napi.rx_count >= batch:
            gro_normal_list(napi)
    else:
        netif_receive_skb(skb)


def gro_normal_list(napi: NapiStruct) -> None:
    """Deliver the batch (inline in Linux: pass_gro list to netif_receive_skb_list_internal)."""
    lst = napi.rx_list
    if not lst:
        return
    napi.rx_list = []
    napi.rx_count = 0
    netif_receive_skb_list_internal(napi.net, lst)


def napi_gro_flush(napi: NapiStruct, flush_old: bool) -> None:
    """Complete held packets, oldest first, bucket by bucket; `flush_old`: only those of earlier jiffies."""
    mask = napi.gro_bitmask
    if not mask:
        return
    now = napi.net.kernel.jiffies()
    for i in range(8):
        if mask >> i & 1:
            held = napi.gro_hash[i]
            while held:
                p = held[-1]
                if flush_old and gro_cb(p).age == now:
                    break
                held.pop()
                napi.gro_count -= 1
                napi_gro_complete(napi, p)
            _note_bucket(napi, i)


def gro_in_flight(napi: NapiStruct) -> int:
    """Wire frames that this NAPI holds or has batched."""
    n = 0
    for s in napi.rx_list:
        n += s.tokens
    for held in napi.gro_hash:
        for s in held:
            n += s.tokens
    return n
