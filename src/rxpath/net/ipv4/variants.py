"""What of IPv4 differs between releases beyond kernel/release.py: one `Ipv4Variant` a release, as data.

No version number outside of the table at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Ipv4Variant:
    """`route_reasons`: route errors carry drop reasons of their own (6.14; recorded on 6.18).

    `network_broadcast`: the lowest address of a subnet is a broadcast address too (before 5.14). `frag_reasons`:
    reassembly names its drops (6.12; recorded on 6.18). `raw_never_receives`: an ICMP error that quotes protocol 255
    is an error itself (recorded on 6.18). `xrlim_by_jiffy`: a peer's bucket is filled and bounded once a jiffy
    (recorded on 6.18). `ping_takes_packet`: an echo reply itself, not a clone, is queued to its ping socket (recorded
    on 6.18). `ext_echo`: ping sockets may send extended echo requests (5.13). `udp_max_segments`: most datagrams that
    one send with UDP_SEGMENT makes (128 since 6.9; recorded on 6.18). `udp_hash4`: connected UDP sockets stand in a
    table of both ends, too (6.13; recorded on 6.18). `paged_sends`: a large datagram that is sent lies in pages where
    the device takes them (5.14; recorded on 6.18). `alert_readable`: IP_ROUTER_ALERT can be read back (recorded on
    6.18). `protocols`: how many protocol numbers a socket may name (IPPROTO_MAX: 263 since 5.6, with those of SMC and
    MPTCP). `udp_strict_full`: a datagram is taken when rmem + truesize <= rcvbuf or the queue is empty (recorded on
    6.18).
    """

    route_reasons: bool = False
    frag_reasons: bool = False
    socket_close_reason: bool = False
    udp_strict_full: bool = False
    small_heads: bool = False
    network_broadcast: bool = False
    option_reason: bool = False
    raw_early_full: bool = False
    icmp_bcast_first: bool = False
    forw_early: bool = False
    csum_minus_zero: bool = True
    zeronet_is_net: bool = False
    raw_never_receives: bool = False
    xrlim_by_jiffy: bool = False
    udp_hash4: bool = False
    udp_max_segments: int = 64
    ping_takes_packet: bool = False
    ext_echo: bool = True
    protocols: int = 263
    paged_sends: bool = True
    alert_readable: bool = False


V_6_1 = Ipv4Variant()
V_3_13 = replace(
    V_6_1,
    network_broadcast=True,
    csum_minus_zero=False,
    zeronet_is_net=True,
    ext_echo=False,
    protocols=256,
    paged_sends=False,
)
V_6_18 = replace(
    V_6_1,
    route_reasons=True,
    frag_reasons=True,
    socket_close_reason=True,
    udp_strict_full=True,
    small_heads=True,
    option_reason=True,
    raw_early_full=True,
    icmp_bcast_first=True,
    forw_early=True,
    raw_never_receives=True,
    xrlim_by_jiffy=True,
    udp_hash4=True,
    udp_max_segments=128,
    ping_takes_packet=True,
    alert_readable=True,
)

VARIANTS: dict[str, Ipv4Variant] = {"3.13": V_3_13, "5.15": V_6_1, "6.1": V_6_1, "6.18": V_6_18}
