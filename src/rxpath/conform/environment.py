"""What else the recorded kernel had built in: protocols that a frame may meet and that do nothing but drop it here.

The recorder's machine has LLC (802.2) and IPv6, the latter switched off; both register packet types, so such frames
do not count as unhandled.  Nothing of either is modelled.
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.netdevice import Net, NetDevice, PacketType, dev_add_pack
from rxpath.net.core.skbuff import PACKET_OTHERHOST, SkBuff, kfree_skb_reason
from rxpath.sim.ledger import Site
from rxpath.wire.ethernet import ETH_P_802_2, ETH_P_IPV6

SITE_LLC: Final = Site("llc", "LLC without a service access point", "none", "NOT_SPECIFIED")
SITE_IPV6_OTHERHOST: Final = Site("ipv6", "frame is for another host", "rx_otherhost_dropped", "OTHERHOST")
SITE_IPV6_NONE: Final = Site("ipv6", "no IPv6 on the device", "none", "NOT_SPECIFIED")
SITE_IPV6_DISABLED: Final = Site("ipv6", "IPv6 is switched off", "none", "IPV6DISABLED")


class LlcPacketType(PacketType):
    """llc_rcv with no SAP opened."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(ETH_P_802_2, "llc_rcv")

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        if skb.pkt_type != PACKET_OTHERHOST:
            skb.shared = False  # skb_share_check
        kfree_skb_reason(skb, SITE_LLC)
        return 0


class Ipv6OffPacketType(PacketType):
    """ipv6_rcv with disable_ipv6 set."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(ETH_P_IPV6, "ipv6_rcv")

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        if skb.pkt_type == PACKET_OTHERHOST:
            dev.core_rx_otherhost += 1
            kfree_skb_reason(skb, SITE_IPV6_OTHERHOST)
        else:
            skb.shared = False  # skb_share_check
            # below IPv6's least MTU the device has no IPv6 at all
            kfree_skb_reason(skb, SITE_IPV6_DISABLED if dev.mtu >= 1280 else SITE_IPV6_NONE)
        return 0


def recorded_environment(net: Net) -> None:
    dev_add_pack(net, LlcPacketType())
    dev_add_pack(net, Ipv6OffPacketType())
