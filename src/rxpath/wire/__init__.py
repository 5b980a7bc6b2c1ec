"""Frames and packets as bytes: parse and build for Ethernet, VLAN, ARP, IPv4, ICMP, IGMP, UDP and TCP.

What belongs here: byte offsets (named once, in the module of their protocol), checked views that read
fields where they lie, small plain representations that emit themselves, whole-frame builders, checksums and
address texts. What does not: state of any kind, sockets, time, files. Nothing here imports another room of
the house.

Addresses are plain: an IPv4 address is an `int` (u32, host order), a MAC address six `bytes`.
"""

from __future__ import annotations
