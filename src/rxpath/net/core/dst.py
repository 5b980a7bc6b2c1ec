"""Destinations: the routing decision that an skb carries and the functions it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxpath.net.core.netdevice import NetDevice
    from rxpath.net.core.skbuff import SkBuff


class Dst:
    """`struct dst_entry`: subclass and implement `input` and `output`."""

    __slots__ = ("dev", "error", "obsolete", "mtu_metric")

    def __init__(self, dev: NetDevice) -> None:
        self.dev = dev
        self.error = 0
        self.obsolete = False
        self.mtu_metric = 0

    def input(self, skb: SkBuff) -> int:
        """dst_input: where a received packet goes."""
        raise NotImplementedError

    def output(self, skb: SkBuff) -> int:
        """dst_output: how a packet is sent."""
        raise NotImplementedError
