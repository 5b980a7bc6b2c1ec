"""A TAP or TUN device: what a program writes is received, what the stack sends the program reads.

What lives here: how Linux's tun makes an skb of a write (which sets truesize), the plain and the NAPI way up, the
queue to the reader.  What does not: the host's own TAP devices (link/tap).  Facts: drivers/net/tun.c (6.1); truesize
steps recorded on 6.18.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from rxpath.kernel.errno import EINVAL, EIO, linux_error
from rxpath.kernel.mm import (
    NET_SKB_PAD,
    PAGE_SIZE,
    SKB_OVERHEAD,
    SKB_SHARED_INFO,
    SKB_SMALL_HEAD,
    SKB_STRUCT,
    kmalloc_size,
    skb_data_align,
)
from rxpath.net.core.gro import napi_gro_receive
from rxpath.net.core.napi import napi_complete_done, napi_disable, napi_enable, napi_schedule
from rxpath.net.core.netdevice import (
    NETIF_F_GRO,
    NETIF_F_GSO,
    NapiStruct,
    Net,
    NetDevice,
    NetdevQueue,
    RtnlLinkStats64,
    netif_napi_add,
    register_netdev,
)
from rxpath.net.core.receive import eth_type_trans, netif_receive_skb
from rxpath.net.core.skbuff import SKB_GSO_DODGY, SKB_GSO_TCPV4, SkBuff, kfree_skb_reason
from rxpath.net.core.timestamping import skb_tstamp_tx
from rxpath.net.core.xmit import __dev_kfree_skb_any, netif_tx_start_queue, netif_tx_stop_queue
from rxpath.sim.ledger import Site

SITE_FULL: Final = Site("tun", "reader's queue is full", "tx_dropped", "FULL_RING")
SITE_DOWN: Final = Site("tun", "device went down", "rx_dropped", "NOT_SPECIFIED")
SMALL_HEAD: Final = SKB_SMALL_HEAD
XDP_PACKET_HEADROOM: Final = 256


class TunNapi(NapiStruct):
    """tun_napi_poll: takes what writes have queued."""

    __slots__ = ("tun",)

    def __init__(self, tun: TunDevice) -> None:
        super().__init__(tun.net, tun)
        self.tun = tun

    def poll(self, budget: int) -> int:
        return tun_napi_receive(self, budget)


class TunDevice(NetDevice):
    """`nonblock`: the writer's file is non-blocking, so small frames sit in page fragments (build_skb).

    `ip_only`: IFF_TUN, the program reads and writes IP packets.  Inside they carry an Ethernet header all the same.
    """

    __slots__ = (
        "ip_only",
        "nonblock",
        "use_napi",
        "napi",
        "queue",
        "to_reader",
        "rx_packets",
        "rx_bytes",
        "tx_packets",
        "tx_bytes",
        "rx_dropped",
        "tx_dropped",
        "small_heads",
    )

    def __init__(self, net: Net, name: str, *, nonblock: bool = True, napi: bool = False) -> None:
        super().__init__(net, name)
        self.ip_only = False
        self.nonblock = nonblock
        self.use_napi = napi
        self.max_mtu = 65521
        self.min_mtu = 68
        self.tx_queue_len = 1000
        self.hw_features = NETIF_F_GRO | NETIF_F_GSO
        self.features = NETIF_F_GRO | NETIF_F_GSO
        self.queue: deque[SkBuff] = deque()
        self.to_reader: deque[SkBuff] = deque()
        self.rx_packets = 0
        self.rx_bytes = 0
        self.tx_packets = 0
        self.tx_bytes = 0
        self.rx_dropped = 0
        self.tx_dropped = 0
        self.small_heads = net.kernel.release.skb_alloc == "v6_18"
        self.napi: TunNapi | None = None
        if napi:
            self.napi = TunNapi(self)
            netif_napi_add(self, self.napi)

    def ndo_open(self) -> None:
        if self.napi is not None:
            napi_enable(self.napi)
        netif_tx_start_queue(self.tx_queues[0])

    def ndo_stop(self) -> None:
        netif_tx_stop_queue(self.tx_queues[0])
        if self.napi is not None:
            napi_disable(self.napi)
        while self.queue:
            kfree_skb_reason(self.queue.popleft(), SITE_DOWN)

    def ndo_set_mac_address(self, addr: bytes) -> None:
        self.dev_addr = addr

    def ndo_start_xmit(self, skb: SkBuff, txq: NetdevQueue) -> int:
        return tun_net_xmit(self, skb)

    def ndo_get_stats64(self, s: RtnlLinkStats64) -> None:
        s.rx_packets = self.rx_packets
        s.rx_bytes = self.rx_bytes
        s.tx_packets = self.tx_packets
        s.tx_bytes = self.tx_bytes
        s.rx_dropped = self.rx_dropped
        s.tx_dropped = self.tx_dropped

    def rx_in_flight(self) -> int:
        """Wire frames that wait for the NAPI poll."""
        return sum(s.tokens for s in self.queue)

    def tx_in_flight(self) -> int:
        return sum(1 for s in self.to_reader if s.own)


def tun_skb_truesize(dev: TunDevice, length: int) -> tuple[int, bool]:
    """What a frame of `length` bytes is charged as, and whether its head is a page fragment."""
    if dev.nonblock:
        n = skb_data_align(length + NET_SKB_PAD) + SKB_SHARED_INFO
        if n + XDP_PACKET_HEADROOM <= PAGE_SIZE:  # room for XDP is kept, used or not
            return n + SKB_STRUCT, True
    pages = 0
    if dev.ip_only and length + NET_SKB_PAD >= PAGE_SIZE:  # in page fragments, with an empty head
        pages = frags_truesize(length)
        length = 0
    elif dev.small_heads and length + NET_SKB_PAD >= PAGE_SIZE:  # 6.4: a page for the head, the rest in fragments
        linear = PAGE_SIZE - NET_SKB_PAD - SKB_SHARED_INFO
        return PAGE_SIZE + SKB_STRUCT + frags_truesize(length - linear), False
    n = skb_data_align(length + NET_SKB_PAD) + SKB_SHARED_INFO
    if dev.small_heads and n <= SMALL_HEAD:
        return SMALL_HEAD + SKB_STRUCT + pages, False
    return kmalloc_size(n) + SKB_STRUCT + pages, False


def frags_truesize(length: int) -> int:
    """alloc_skb_with_frags: pieces of up to eight pages, as large as what is left fills."""
    total = 0
    order = 3
    while length > 0:
        while order and (length + PAGE_SIZE - 1) // PAGE_SIZE < 1 << order:
            order -= 1
        total += PAGE_SIZE << order
        length -= PAGE_SIZE << order
    return total


def tun_get_user(dev: TunDevice, frame: bytes, tag: int | None = None, gso_size: int = 0) -> int:
    """write(2) of one frame; it is received before the call returns (unless NAPI).  Raises EIO (down), EINVAL
    (short).  `gso_size`: of a virtio header, the frame is TCP segments of that many bytes in one.
    """
    if not dev.running():
        raise linux_error(EIO, dev.name)
    n = len(frame)
    net = dev.net
    if dev.ip_only:
        if not n or frame[0] >> 4 != 4:
            raise linux_error(EINVAL, "not an IPv4 packet")
        frame = dev.dev_addr + dev.dev_addr + b"\x08\x00" + frame
    elif n < 14:
        raise linux_error(EINVAL, "frame shorter than an Ethernet header")
    truesize, frag = tun_skb_truesize(dev, n)
    skb = SkBuff(net, frame, truesize)
    skb.head_frag = frag
    if dev.small_heads and n + NET_SKB_PAD >= PAGE_SIZE and not dev.ip_only:
        skb.head_size = PAGE_SIZE + SKB_STRUCT - SKB_OVERHEAD  # the rest is in page fragments
    skb.rx_queue_recorded = True  # the file's only queue, 0
    if gso_size and n > gso_size:
        skb.gso_size = gso_size
        skb.gso_segs = -(-(n - 40) // gso_size)
        skb.gso_type = SKB_GSO_TCPV4 | SKB_GSO_DODGY  # a program says so
    if tag is not None:
        skb.tokens = 1
        skb.tag = tag
    eth_type_trans(skb, dev)
    dev.rx_packets += 1
    dev.rx_bytes += n
    cpu = net.kernel.cur()
    cpu.local_bh_disable()
    if dev.napi is not None:
        dev.queue.append(skb)
        napi_schedule(dev.napi)
    else:
        netif_receive_skb(skb)
    cpu.local_bh_enable()
    return n


def tun_napi_receive(napi: TunNapi, budget: int) -> int:
    q = napi.tun.queue
    received = 0
    while received < budget and q:
        napi_gro_receive(napi, q.popleft())
        received += 1
    if received < budget:
        napi_complete_done(napi, received)
    return received


def tun_net_xmit(dev: TunDevice, skb: SkBuff) -> int:
    """To the reader; a full queue drops."""
    if skb.txstamp is not None:
        skb_tstamp_tx(skb)
    if len(dev.to_reader) >= dev.tx_queue_len:
        dev.tx_dropped += 1
        kfree_skb_reason(skb, SITE_FULL)
        return 0
    sk = skb.destructor_w
    if sk is not None:  # skb_orphan
        skb.destructor_w = None
        sk.wmem_free(skb.truesize)
    dev.to_reader.append(skb)
    return 0


def tun_do_read(dev: TunDevice) -> bytes | None:
    """read(2): the next frame that the stack sent, None when there is none."""
    if not dev.to_reader:
        return None
    skb = dev.to_reader.popleft()
    frame = skb.tobytes()
    if dev.ip_only:
        frame = frame[14:]
    dev.tx_packets += 1
    dev.tx_bytes += len(frame)
    __dev_kfree_skb_any(skb)
    return frame


def tun_create(net: Net, name: str, *, nonblock: bool = True, napi: bool = False) -> TunDevice:
    """TUNSETIFF with IFF_TAP | IFF_NO_PI: the device is made and registered."""
    dev = TunDevice(net, name, nonblock=nonblock, napi=napi)
    dev.dev_addr = dev.perm_addr = b"\x02" + net.kernel.rng("tun").randbytes(5)
    register_netdev(dev)
    return dev
