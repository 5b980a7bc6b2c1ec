"""ICMP errors about segments of ours: a smaller path, an unreachable peer, the end of an attempt.

Facts: net/ipv4/tcp_ipv4.c tcp_v4_err, tcp_v4_mtu_reduced, tcp_ld_RTO_revert, tcp_req_err; tcp_input.c
tcp_simple_retransmit (6.1), RFC 5927, RFC 6069.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import EHOSTUNREACH, EMSGSIZE, ENOENT, EPROTO
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.sock import TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, sk_error_report
from rxpath.net.ipv4.inet_sock import IP_PMTUDISC_DONT, ip_sk_accept_pmtu
from rxpath.net.ipv4.ip_output import ip_dont_fragment
from rxpath.net.ipv4.ip_sockglue import ICMP_ERR_CONVERT, ip_icmp_error
from rxpath.net.ipv4.mib import ICMP_MIB_INERRORS
from rxpath.net.ipv4.netns import ipv4_of
from rxpath.net.ipv4.route import __ip_rt_update_pmtu, inet_iif, ipv4_mtu
from rxpath.net.ipv4.tcp.hashtables import __inet_lookup_established
from rxpath.net.ipv4.tcp.ipxmit import inet_sk_rebuild_header
from rxpath.net.ipv4.tcp.minisocks import inet_csk_reqsk_queue_drop
from rxpath.net.ipv4.tcp.output import (
    inet_csk_reset_xmit_timer,
    rto_max,
    tcp_mstamp_refresh,
    tcp_rto_delta_us,
    tcp_sync_mss,
)
from rxpath.net.ipv4.tcp.recovery import tcp_simple_retransmit
from rxpath.net.ipv4.tcp.request import tcp_listendrop
from rxpath.net.ipv4.tcp.seq import between
from rxpath.net.ipv4.tcp.sock import (
    ICSK_TIME_RETRANS,
    TCPF_MTU_REDUCED_DEFERRED,
    RequestSock,
    TcpSock,
    TimewaitSock,
    tcp_state_of,
)
from rxpath.net.ipv4.tcp.state import tcp_done
from rxpath.net.ipv4.tcp.timer import tcp_retransmit_timer
from rxpath.wire.icmp import (
    ICMP_DEST_UNREACH,
    ICMP_FRAG_NEEDED,
    ICMP_HOST_UNREACH,
    ICMP_NET_UNREACH,
    ICMP_PARAMETERPROB,
    ICMP_TIME_EXCEEDED,
    NR_ICMP_UNREACH,
)

_ADDRS: Final = Struct(">II")
_TH: Final = Struct(">HHI")  # ports and sequence number: as much of a segment as an error must quote


def tcp_v4_mtu_reduced(sk: TcpSock) -> None:
    """The path takes less: cut smaller and send what is lost again."""
    if sk.state in (TCP_LISTEN, TCP_CLOSE):
        return
    rt = inet_sk_rebuild_header(sk)
    if rt is None:
        return
    __ip_rt_update_pmtu(sk.ipv4, rt, sk.daddr, sk.mtu_info)
    sk.dst = None
    rt = inet_sk_rebuild_header(sk)
    if rt is None:
        return
    mtu = ipv4_mtu(rt)
    if sk.mtu_info < mtu and ip_dont_fragment(sk, rt):
        sk.err_soft = EMSGSIZE  # less than min_pmtu: the reason, should the connection end of it
    if sk.pmtudisc != IP_PMTUDISC_DONT and ip_sk_accept_pmtu(sk) and sk.pmtu_cookie > mtu:
        tcp_sync_mss(sk, mtu)
        tcp_simple_retransmit(sk)


def tcp_v4_err(skb: SkBuff, info: int) -> int:
    """An ICMP error about a segment of ours; skb.data at the quoted IP header.  `info`: the MTU, where it tells one.

    Returns 0, or -ENOENT when no socket sent the segment.
    """
    ipv4 = ipv4_of(skb.net)
    ts = tcp_state_of(ipv4)
    head = skb.head
    nh = skb.data
    th = nh + ((head[nh] & 15) << 2)
    if skb.tail < th + 8:
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return 0
    saddr, daddr = _ADDRS.unpack_from(head, nh + 12)
    sport, dport, seq = _TH.unpack_from(head, th)
    type_, code = head[skb.transport_header], head[skb.transport_header + 1]
    sk = __inet_lookup_established(ts, daddr, dport, saddr, sport, inet_iif(skb))
    if sk is None:
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return -ENOENT
    if isinstance(sk, TimewaitSock):
        return 0
    if isinstance(sk, RequestSock):
        unreachable = type_ == ICMP_DEST_UNREACH and code in (ICMP_NET_UNREACH, ICMP_HOST_UNREACH)
        tcp_req_err(sk, seq, unreachable or type_ in (ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB))
        return 0
    frag_needed = type_ == ICMP_DEST_UNREACH and code == ICMP_FRAG_NEEDED
    if sk.owned and not frag_needed:
        ipv4.tcpext["LockDroppedIcmps"] += 1
    if sk.state == TCP_CLOSE:
        return 0
    if sk.min_ttl and head[nh + 8] < sk.min_ttl:
        ipv4.tcpext["TCPMinTTLDrop"] += 1
        return 0
    una = sk.snd_una if sk.fastopen_rsk is None else sk.fastopen_rsk.snt_isn
    if sk.state != TCP_LISTEN and not between(seq, una, sk.snd_nxt):
        ipv4.tcpext["OutOfWindowIcmps"] += 1
        return 0
    if frag_needed:
        if sk.state != TCP_LISTEN:
            sk.mtu_info = info
            if sk.owned:
                sk.tsq_flags |= TCPF_MTU_REDUCED_DEFERRED
            else:
                tcp_v4_mtu_reduced(sk)
        return 0
    if type_ == ICMP_PARAMETERPROB:
        err = EPROTO
    elif type_ == ICMP_TIME_EXCEEDED:
        err = EHOSTUNREACH
    elif type_ == ICMP_DEST_UNREACH and code <= NR_ICMP_UNREACH:
        err = ICMP_ERR_CONVERT[code][0]
        if code in (ICMP_NET_UNREACH, ICMP_HOST_UNREACH):
            tcp_ld_RTO_revert(sk, seq)
    else:
        return 0
    if sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
        ip_icmp_error(sk, skb, err, dport, info, th)
        if sk.owned:
            sk.err_soft = err
        else:
            sk.err = err
            sk_error_report(sk)
            tcp_done(sk)
    elif sk.recverr and not sk.owned:
        sk.err = err
        sk_error_report(sk)
    else:
        sk.err_soft = err  # an established connection outlives it; what ends it later says why
    return 0


def tcp_req_err(req: RequestSock, seq: int, abort: bool) -> None:
    """An error about a SYN-ACK: the request ends when nobody can be reached (`abort`) and the SYN-ACK is ours."""
    if seq != req.snt_isn:
        req.ipv4.tcpext["OutOfWindowIcmps"] += 1
    elif abort:
        inet_csk_reqsk_queue_drop(req)
        tcp_listendrop(req.listener)


def tcp_ld_RTO_revert(sk: TcpSock, seq: int) -> None:
    """RFC 6069: an unreachable while we back off takes one doubling back."""
    if sk.owned or seq != sk.snd_una or not sk.retransmits or not sk.backoff or not sk.rtx_queue:
        return
    sk.backoff -= 1
    k = sk.ts.ipv4.kernel
    base = k.usecs_to_jiffies((sk.srtt_us >> 3) + sk.rttvar_us) if sk.srtt_us else k.hz
    sk.rto = min(base << sk.backoff, rto_max(sk))
    tcp_mstamp_refresh(sk)
    left = tcp_rto_delta_us(sk)
    if left > 0:
        inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, k.usecs_to_jiffies(left))
    else:
        tcp_retransmit_timer(sk)
