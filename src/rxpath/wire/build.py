"""Whole Ethernet frames in one call, for generators, tests and replies: `udp_frame`, `tcp_frame`,
`arp_frame`, ...

Every builder returns the frame without FCS, padded with zeros to 60 bytes unless `pad=False`. MAC addresses
are six bytes, IPv4 addresses u32. `vlan` is a TCI (or, outer to inner, several). A checksum argument of
None means: compute.
"""

from __future__ import annotations

from rxpath.wire.addr import BROADCAST_MAC, ZERO_MAC, ip_eth_mc_map
from rxpath.wire.arp import ARPOP_REQUEST, ArpRepr
from rxpath.wire.ethernet import ETH_P_ARP, ETH_P_IP, ether_frame, network_offset
from rxpath.wire.icmp import ICMP_ECHO, ICMP_ECHOREPLY, icmp_error, icmp_message
from rxpath.wire.igmp import igmp_message
from rxpath.wire.ipv4 import (
    IPDEFTTL,
    IPPROTO_ICMP,
    IPPROTO_IGMP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    ipv4_fragment,
    ipv4_header,
)
from rxpath.wire.tcp import TcpOptions, tcp_segment
from rxpath.wire.udp import udp_datagram

Buffer = bytes | bytearray | memoryview
Vlan = int | tuple[int, ...] | None


def ipv4_frame(
    src_mac: bytes,
    dst_mac: bytes,
    src: int,
    dst: int,
    protocol: int,
    payload: Buffer,
    *,
    ttl: int = IPDEFTTL,
    tos: int = 0,
    ident: int = 0,
    frag_off: int = 0,
    options: bytes = b"",
    ip_checksum: int | None = None,
    vlan: Vlan = None,
    pad: bool = True,
) -> bytes:
    """An IPv4 packet with any protocol and payload. `frag_off` is the whole field (IP_DF, IP_MF, offset)."""
    header = ipv4_header(
        src, dst, protocol, len(payload), ttl=ttl, tos=tos, ident=ident, frag_off=frag_off,
        options=options, checksum=ip_checksum,
    )  # fmt: skip
    return ether_frame(dst_mac, src_mac, ETH_P_IP, header + payload, vlan, pad)


def udp_frame(
    src_mac: bytes,
    dst_mac: bytes,
    src: int,
    dst: int,
    sport: int,
    dport: int,
    payload: Buffer,
    *,
    ttl: int = IPDEFTTL,
    tos: int = 0,
    ident: int = 0,
    frag_off: int = 0,
    options: bytes = b"",
    checksum: int | None = None,
    ip_checksum: int | None = None,
    vlan: Vlan = None,
    pad: bool = True,
) -> bytes:
    """A UDP datagram. `checksum`: None computes, 0 sends none, another number is written as it is."""
    datagram = udp_datagram(src, dst, sport, dport, payload, checksum)
    return ipv4_frame(
        src_mac, dst_mac, src, dst, IPPROTO_UDP, datagram, ttl=ttl, tos=tos, ident=ident, frag_off=frag_off,
        options=options, ip_checksum=ip_checksum, vlan=vlan, pad=pad,
    )  # fmt: skip


def tcp_frame(
    src_mac: bytes,
    dst_mac: bytes,
    src: int,
    dst: int,
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    payload: Buffer = b"",
    *,
    window: int = 65535,
    tcp_options: bytes | TcpOptions = b"",
    urg_ptr: int = 0,
    ttl: int = IPDEFTTL,
    tos: int = 0,
    ident: int = 0,
    frag_off: int = 0,
    checksum: int | None = None,
    ip_checksum: int | None = None,
    vlan: Vlan = None,
    pad: bool = True,
) -> bytes:
    """A TCP segment; `flags` are TCPHDR_*, `seq` and `ack` u32."""
    segment = tcp_segment(
        src, dst, sport, dport, seq, ack, flags, payload, window=window, options=tcp_options, urg_ptr=urg_ptr,
        checksum=checksum,
    )  # fmt: skip
    return ipv4_frame(
        src_mac, dst_mac, src, dst, IPPROTO_TCP, segment, ttl=ttl, tos=tos, ident=ident, frag_off=frag_off,
        ip_checksum=ip_checksum, vlan=vlan, pad=pad,
    )  # fmt: skip


def icmp_echo_frame(
    src_mac: bytes,
    dst_mac: bytes,
    src: int,
    dst: int,
    ident: int,
    sequence: int,
    payload: Buffer = b"",
    *,
    reply: bool = False,
    ttl: int = IPDEFTTL,
    ip_ident: int = 0,
    vlan: Vlan = None,
    pad: bool = True,
) -> bytes:
    """An echo request, or with `reply` the answer to one."""
    message = icmp_message(ICMP_ECHOREPLY if reply else ICMP_ECHO, 0, ident, sequence, payload)
    return ipv4_frame(src_mac, dst_mac, src, dst, IPPROTO_ICMP, message, ttl=ttl, ident=ip_ident, vlan=vlan, pad=pad)


def icmp_error_frame(
    src_mac: bytes, dst_mac: bytes, src: int, dst: int, type_: int, code: int, original: Buffer, info: int = 0
) -> bytes:
    """An ICMP error that quotes `original`, an IPv4 packet from its header on."""
    return ipv4_frame(src_mac, dst_mac, src, dst, IPPROTO_ICMP, icmp_error(type_, code, original, info))


def arp_frame(
    op: int,
    sha: bytes,
    sip: int,
    tha: bytes,
    tip: int,
    *,
    dst_mac: bytes | None = None,
    vlan: Vlan = None,
    pad: bool = True,
) -> bytes:
    """An ARP packet; `dst_mac` defaults to broadcast for a request and to `tha` for all else."""
    if dst_mac is None:
        dst_mac = BROADCAST_MAC if op == ARPOP_REQUEST else tha
    if op == ARPOP_REQUEST and not tha:
        tha = ZERO_MAC
    return ether_frame(dst_mac, sha, ETH_P_ARP, ArpRepr(op, sha, sip, tha, tip).emit(), vlan, pad)


def igmp_frame(src_mac: bytes, src: int, dst: int, type_: int, group: int, code: int = 0, vlan: Vlan = None) -> bytes:
    """An IGMP version 1 or 2 message to the group address `dst`, TTL 1, with the router alert option."""
    message = igmp_message(type_, group, code)
    return ipv4_frame(
        src_mac,
        ip_eth_mc_map(dst),
        src,
        dst,
        IPPROTO_IGMP,
        message,
        ttl=1,
        options=b"\x94\x04\0\0",
        vlan=vlan,
    )


def fragment_frame(frame: Buffer, mtu: int, pad: bool = True) -> list[bytes]:
    """Cut the IPv4 packet of a frame into frames whose packets are at most `mtu` bytes. WireError when it
    is not IPv4.
    """
    off, _ = network_offset(frame)
    head = bytes(frame[:off])
    out = []
    for piece in ipv4_fragment(frame[off:], mtu):
        cut = head + piece
        out.append(cut.ljust(60, b"\0") if pad else cut)
    return out
