"""Sending again: one segment, what is marked lost, the tail as a probe (TLP).

What belongs here: which segment goes again, and in which cut.  What does not: who marks it lost (recovery.py, ack.py),
the timers (timer.py).  Facts: net/ipv4/tcp_output.c (5.15, 6.1; 6.18 as recorded); order of functions recorded on 6.1.
"""

from __future__ import annotations

import struct

from rxpath.kernel.errno import EAGAIN, EBUSY, EHOSTUNREACH, EINVAL, ENOMEM
from rxpath.net.core.neighbour import Neighbour
from rxpath.net.ipv4.mib import TCP_MIB_RETRANSSEGS
from rxpath.net.ipv4.route import Rtable
from rxpath.net.ipv4.tcp.ipxmit import __sk_dst_check, inet_sk_rebuild_header
from rxpath.net.ipv4.tcp.notify import tcp_skb_collapse_tstamp
from rxpath.net.ipv4.tcp.output import (
    tcp_adjust_pcount,
    tcp_current_mss,
    tcp_fragment,
    tcp_pacing_check,
    tcp_packets_in_flight,
    tcp_rearm_rto,
    tcp_reset_xmit_timer,
    tcp_set_skb_tso_segs,
    tcp_small_queue_check,
    tcp_snd_wnd_test,
    tcp_transmit_skb,
    tcp_trim_head,
    tcp_tso_segs,
    tcp_wnd_end,
    tcp_write_xmit,
    wfree,
)
from rxpath.net.ipv4.tcp.seq import M32, TCPHDR_SYN_ECN, after, before, s32
from rxpath.net.ipv4.tcp.sock import (
    EVER_RETRANS,
    ICSK_TIME_REO_TIMEOUT,
    ICSK_TIME_RETRANS,
    LOST,
    SACKED_ACKED,
    SACKED_RETRANS,
    TCP_CA_CWR,
    TCP_NAGLE_OFF,
    TCP_CA_Loss,
    TCP_CA_Recovery,
    TcpSock,
    TxSkb,
)
from rxpath.wire.tcp import TCPHDR_CWR, TCPHDR_ECE, TCPHDR_SYN


def tcp_send_loss_probe(sk: TcpSock) -> None:
    if sk.tlp_high_seq:
        tcp_rearm_rto(sk)
        return
    sk.tlp_retrans = False
    mss = tcp_current_mss(sk)
    if sk.write_queue and tcp_snd_wnd_test(sk, sk.write_queue[0], mss):
        out = sk.packets_out
        tcp_write_xmit(sk, mss, TCP_NAGLE_OFF, 2)
        if sk.packets_out <= out:
            tcp_rearm_rto(sk)
            return
    else:
        if not sk.rtx_queue:
            sk.icsk_pending = 0
            return
        t = sk.rtx_queue[-1]
        if skb_still_in_host_queue(sk, t):
            tcp_rearm_rto(sk)
            return
        if t.pcount > 1 and len(t.data) > (t.pcount - 1) * mss:
            if not tcp_fragment(sk, t, (t.pcount - 1) * mss, mss):
                tcp_rearm_rto(sk)
                return
            t = sk.rtx_queue[-1]
        if __tcp_retransmit_skb(sk, t, 1):
            tcp_rearm_rto(sk)
            return
        sk.tlp_retrans = True
    sk.tlp_high_seq = sk.snd_nxt
    sk.ts.ipv4.tcpext["TCPLossProbes"] += 1
    sk.icsk_pending = 0
    tcp_rearm_rto(sk)


def tcp_retrans_try_collapse(sk: TcpSock, to: TxSkb, space: int) -> None:
    """Small neighbours join what is sent again."""
    if not sk.ts.tcp_retrans_collapse or to.flags & TCPHDR_SYN:
        return
    q = sk.rtx_queue
    i = q.index(to)
    first = True
    while True:
        j = i if first else i + 1
        if j >= len(q):
            return
        t = q[j]
        if t.pcount > 1 or t.sacked & SACKED_ACKED or to.eor:
            return
        space -= len(t.data)
        if first:
            first = False
            continue
        if space < 0 or after(t.end_seq, tcp_wnd_end(sk)):
            return
        to.data += t.data
        to.truesize += len(t.data)
        t.truesize -= len(t.data)
        if sk.highest_sack is t:
            sk.highest_sack = to
        to.end_seq = t.end_seq
        to.flags |= t.flags
        to.sacked |= t.sacked & EVER_RETRANS
        to.eor = t.eor
        tcp_skb_collapse_tstamp(to, t)
        tcp_adjust_pcount(sk, t, t.pcount)
        del q[j]
        wfree(sk, t)


def skb_still_in_host_queue(sk: TcpSock, t: TxSkb) -> bool:
    """What went last still waits for its neighbour's address: sending it again would help nobody."""
    rt = sk.dst
    n = rt.neigh if isinstance(rt, Rtable) else None
    if not isinstance(n, Neighbour) or not n.queue:
        return False
    want = struct.pack("!II", sk.daddr, (sk.num << 16 | sk.dport)) + t.seq.to_bytes(4, "big")
    for skb in n.queue:
        head, nh, th = skb.head, skb.network_header, skb.transport_header
        if head[nh + 9] != 6 or head[nh + 16 : nh + 20] + head[th : th + 8] != want:
            continue
        if skb.tail > th + (head[th + 12] >> 4) * 4 or head[th + 13] & 3:
            sk.ts.ipv4.tcpext["TCPSpuriousRtxHostQueues"] += 1
            return True
    return False


def __tcp_retransmit_skb(sk: TcpSock, t: TxSkb, segs: int) -> int:
    """Send up to `segs` segments of an element of the retransmission queue again: 0 or a negative errno."""
    ipv4 = sk.ts.ipv4
    sk.mtup_probe_size = 0  # what goes again says nothing about a probe
    if skb_still_in_host_queue(sk, t):
        return -EBUSY
    if before(t.seq, sk.snd_una):
        if t.flags & TCPHDR_SYN:
            t.flags &= ~TCPHDR_SYN
            t.seq = (t.seq + 1) & M32
        if before(t.end_seq, sk.snd_una):
            return -EINVAL
        if before(t.seq, sk.snd_una):
            tcp_trim_head(sk, t, (sk.snd_una - t.seq) & M32)
    if __sk_dst_check(sk) is None:
        if inet_sk_rebuild_header(sk) is None:
            return -EHOSTUNREACH
    mss = tcp_current_mss(sk)
    room = s32(tcp_wnd_end(sk) - t.seq)
    if room <= 0:
        if t.seq != sk.snd_una:
            return -EAGAIN
        room = mss
    n = mss * (segs if sk.snd_up == sk.snd_una else 1)
    if n > room:
        n = room // mss * mss or room
    if len(t.data) > n:
        if not tcp_fragment(sk, t, n, mss):
            return -ENOMEM
    else:
        diff = t.pcount
        diff -= tcp_set_skb_tso_segs(t, mss)
        if diff:
            tcp_adjust_pcount(sk, t, diff)
        room = min(room, mss)
        if len(t.data) < room:
            tcp_retrans_try_collapse(sk, t, room)
    if t.flags & TCPHDR_SYN_ECN == TCPHDR_SYN_ECN and sk.ts.tcp_ecn_fallback:
        t.flags &= ~(TCPHDR_ECE | TCPHDR_CWR)
    segs = t.pcount
    ipv4.tcp[TCP_MIB_RETRANSSEGS] += segs
    ext = ipv4.tcpext
    if t.flags & TCPHDR_SYN:
        ext["TCPSynRetrans"] += 1
    sk.total_retrans += segs
    sk.bytes_retrans += len(t.data)
    tp = ipv4.kernel.trace.tcp_retransmit_skb
    if tp.on:
        tp.fire(sk, t)
    err = tcp_transmit_skb(sk, t)
    if err:
        ext["TCPRetransFail"] += segs
    t.sacked |= EVER_RETRANS
    return err


def tcp_retransmit_skb(sk: TcpSock, t: TxSkb, segs: int = 1) -> int:
    err = __tcp_retransmit_skb(sk, t, segs)
    if err == 0:
        t.sacked |= SACKED_RETRANS | EVER_RETRANS
        sk.retrans_out += t.pcount
    if not sk.retrans_stamp:
        sk.retrans_stamp = t.tx_us or 1
    if sk.undo_retrans < 0:
        sk.undo_retrans = 0
    sk.undo_retrans += t.pcount
    t.retrans += 1
    return err


def tcp_xmit_retransmit_queue(sk: TcpSock) -> None:
    """Send again what is marked lost, as far as the congestion window goes."""
    if not sk.packets_out:
        return
    rearm = False
    ext = sk.ts.ipv4.tcpext
    max_segs = tcp_tso_segs(sk, tcp_current_mss(sk))
    q = sk.rtx_queue
    head = q[0] if q else None
    i = 0
    while i < len(q):
        t = q[i]
        i += 1
        if sk.pacing_status and tcp_pacing_check(sk):
            break
        segs = min(sk.snd_cwnd - tcp_packets_in_flight(sk), max_segs)
        if segs <= 0 or sk.retrans_out >= sk.lost_out:
            break
        if t.sacked & (SACKED_ACKED | SACKED_RETRANS) or not t.sacked & LOST:
            continue
        mib = "TCPSlowStartRetrans" if sk.ca_state == TCP_CA_Loss else "TCPFastRetrans"
        if tcp_small_queue_check(sk) or tcp_retransmit_skb(sk, t, segs):
            break
        ext[mib] += t.pcount
        if sk.ca_state in (TCP_CA_CWR, TCP_CA_Recovery):
            sk.prr_out += t.pcount
        if t is head and sk.icsk_pending != ICSK_TIME_REO_TIMEOUT:
            rearm = True
    if rearm:
        tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, sk.rto)
