"""A protocol of one's own, at both doors that Linux has for one: an IP protocol number and an ethertype.

    python examples/own_protocol.py

`inet_add_protocol` fills one of the 256 slots of inet_protos, `dev_add_pack` joins the list of an ethertype; after that
the machine delivers to them as it does to UDP and ARP.  A handler owns the packet that it is given and must end it.
"""

from __future__ import annotations

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.net.core.netdevice import NetDevice, PacketType, dev_add_pack
from rxpath.net.core.skbuff import SkBuff, consume_skb, kfree_skb_reason
from rxpath.net.ipv4.netns import NetProtocol, inet_add_protocol
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import ipv4_frame
from rxpath.wire.ethernet import ether_frame

IPPROTO_GREETING = 253  # for experiments, RFC 3692
ETH_P_GREETING = 0x88B5  # for local experiments, IEEE 802
PEER_MAC, PEER, HOST = mac("02:00:00:00:00:01"), ip4("10.0.0.1"), ip4("10.0.0.2")

# where a frame may end: stage, reason, the counter that moves
TAKEN = Site("transport", "greeting")
TOO_SHORT = Site("transport", "greeting without a name", "none")


class GreetingProtocol(NetProtocol):
    """Over IPv4: the payload is a name."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__("greeting")
        self.heard = heard

    def handler(self, skb: SkBuff) -> int:
        """skb.data is at the transport header.  0: done; -n would hand the packet to protocol n."""
        name = skb.tobytes()
        if not name:
            kfree_skb_reason(skb, TOO_SHORT)
            return 0
        self.heard.append("IPv4: hello, " + name.decode())
        consume_skb(skb, TAKEN)
        return 0


class GreetingPackets(PacketType):
    """Straight over Ethernet: the payload is a name, padded with zeros."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(ETH_P_GREETING, "greeting_rcv")
        self.heard = heard

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        self.heard.append("Ethernet on %s: hello, %s" % (dev.name, skb.tobytes().rstrip(b"\0").decode()))
        consume_skb(skb, TAKEN)
        return 0


def main() -> list[str]:
    """Boot a host, register both, send three frames; returns what was heard and where each frame ended."""
    heard: list[str] = []
    with Machine(MachineConfig(nics=[NicConfig(model="e1000e", addresses=["10.0.0.2/24"])])) as m:
        assert inet_add_protocol(m.net, GreetingProtocol(heard), IPPROTO_GREETING) == 0
        assert inet_add_protocol(m.net, GreetingProtocol(heard), IPPROTO_GREETING) != 0  # one owner a slot
        dev_add_pack(m.net, GreetingPackets(heard))
        host = m.dev("eth0").dev_addr
        frames = [
            ipv4_frame(PEER_MAC, host, PEER, HOST, IPPROTO_GREETING, b"Ada"),
            ether_frame(host, PEER_MAC, ETH_P_GREETING, b"Grace"),
            ipv4_frame(PEER_MAC, host, PEER, HOST, IPPROTO_GREETING, b""),
        ]
        m.attach("eth0", [(n * 100_000, frame) for n, frame in enumerate(frames)])
        m.run()
        ledger = m.kernel.ledger
        for (stage, reason), n in ledger.consumed.items():
            heard.append(f"{n} taken in {stage}: {reason}")
        for (stage, reason, counter), n in ledger.dropped.items():
            heard.append(f"{n} dropped in {stage}: {reason} (counter: {counter})")
    return heard


if __name__ == "__main__":
    print("\n".join(main()))
