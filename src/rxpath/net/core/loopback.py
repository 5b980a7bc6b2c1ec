"""lo: what is sent comes back through netif_rx."""

from __future__ import annotations

from rxpath.net.core.netdevice import (
    IFF_LOOPBACK,
    NETIF_F_GRO,
    NETIF_F_GSO,
    NETIF_F_HW_CSUM,
    NETIF_F_RXCSUM,
    NETIF_F_SG,
    Net,
    NetDevice,
    NetdevQueue,
    RtnlLinkStats64,
    register_netdev,
)
from rxpath.net.core.receive import eth_type_trans, netif_rx
from rxpath.net.core.skbuff import PACKET_HOST, SkBuff
from rxpath.net.core.timestamping import skb_tstamp_tx


class Loopback(NetDevice):
    __slots__ = ("packets", "bytes_")

    def __init__(self, net: Net) -> None:
        super().__init__(net, "lo")
        self.mtu = 65536
        self.max_mtu = 1 << 31
        self.min_mtu = 0
        self.flags = IFF_LOOPBACK
        self.type = 772
        self.is_loopback = True
        self.noarp = True
        self.broadcast = b"\0" * 6
        self.takes_gso = True
        self.features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_GRO | NETIF_F_GSO
        self.packets = 0
        self.bytes_ = 0
        self.tx_queues[0].stopped = False

    def ndo_start_xmit(self, skb: SkBuff, txq: NetdevQueue) -> int:
        if skb.txstamp is not None:
            skb_tstamp_tx(skb)
        if skb.own:
            self.net.kernel.ledger.own_looped += 1
            skb.own = False
        skb.sk = None
        # the route stays: it says that the packet is for us (skb_dst_force)
        sk = skb.destructor_w
        if sk is not None:
            skb.destructor_w = None
            sk.wmem_free(skb.truesize)
        skb.pkt_type = PACKET_HOST
        eth_type_trans(skb, self)
        skb.pkt_type = PACKET_HOST
        self.packets += 1
        self.bytes_ += skb.len  # without the link's header
        skb.transport_header = -1
        netif_rx(skb)
        return 0

    def ndo_get_stats64(self, s: RtnlLinkStats64) -> None:
        s.rx_packets = s.tx_packets = self.packets
        s.rx_bytes = s.tx_bytes = self.bytes_


def loopback_net_init(net: Net) -> None:
    dev = Loopback(net)
    register_netdev(dev)
    net.loopback = dev
