"""Watching a device as tcpdump does: a tap of the receive and transmit paths, with a tap's effects.

What lives here: DeviceTap.  Who wants the wire itself, without any effect, listens to a machine's `Port`.

Effects that a tap has on Linux, and here: every frame that reaches it is cloned, so its skb is shared from then on;
it sees what the stack sees, which is frames merged by GRO, tags stripped by hardware put back as libpcap does, no
frame that the card dropped, and its own host's frames before the card cuts them; a frame that no protocol wants is
not counted in rx_dropped, since the tap took it.
Facts: net/core/dev.c __netif_receive_skb_core, dev_queue_xmit_nit; net/packet/af_packet.c packet_rcv (6.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rxpath.net.core.netdevice import ETH_P_ALL, Net, NetDevice, PacketType, dev_add_pack, dev_remove_pack
from rxpath.net.core.skbuff import PACKET_LOOPBACK, PACKET_OUTGOING, SkBuff, consume_skb, kfree_skb_reason
from rxpath.sim.ledger import Site

SITE_ONLY_TAP: Final = Site("core", "no handler, seen by a tap")


class DeviceTap(PacketType):
    """Calls `seen(engine ns, frame, outgoing)` for every frame that `dev` receives or sends, when the stack sees it."""

    __slots__ = ("net", "seen")

    def __init__(self, net: Net, dev: NetDevice, seen: Callable[[int, bytes, bool], None]) -> None:
        super().__init__(ETH_P_ALL, "packet_rcv", dev)
        self.net = net
        self.seen = seen
        self.observer = True

    def open(self) -> None:
        dev_add_pack(self.net, self)

    def close(self) -> None:
        dev_remove_pack(self.net, self)

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        if skb.pkt_type != PACKET_LOOPBACK:
            self._show(skb)
        skb.shared = False
        if skb.tokens:  # the last of the handlers is given the frame itself
            kfree_skb_reason(skb, SITE_ONLY_TAP)
        else:
            consume_skb(skb, None)
        return 0

    def _show(self, skb: SkBuff) -> None:
        outgoing = skb.pkt_type == PACKET_OUTGOING
        if not outgoing:
            skb.len += skb.data - skb.mac_header
            skb.data = skb.mac_header
        frame = skb.tobytes()
        if skb.vlan_present:
            frame = frame[:12] + skb.vlan_proto.to_bytes(2, "big") + skb.vlan_tci.to_bytes(2, "big") + frame[12:]
        self.seen(self.net.kernel.engine.now, frame, outgoing)
