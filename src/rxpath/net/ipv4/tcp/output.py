"""What TCP sends: segments and their headers, when data may go, retransmission, probes, resets of our own.

Facts: net/ipv4/tcp_output.c (5.15, 6.1); order of functions recorded on 6.1.  Segments are cut to the MSS when
written (no TSO super-packets);
there is no pacing and no TCP small queue.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import EAGAIN, EHOSTUNREACH
from rxpath.net.core.skbuff import SkBuff, __alloc_skb, skb_put
from rxpath.net.core.sock import SOCK_RCVBUF_LOCK, sock_def_write_space
from rxpath.net.ipv4.mib import (
    IPSTATS_MIB_OUTOCTETS,
    IPSTATS_MIB_OUTPKTS,
    IPSTATS_MIB_OUTREQUESTS,
    TCP_MIB_OUTRSTS,
    TCP_MIB_OUTSEGS,
    TCP_MIB_RETRANSSEGS,
)
from rxpath.net.ipv4.route import Rtable, ipv4_mtu
from rxpath.net.ipv4.tcp.ipxmit import __sk_dst_check, ip_queue_xmit
from rxpath.net.ipv4.tcp.options import tcp_options_write
from rxpath.net.ipv4.tcp.rcvbuf import tcp_full_space, tcp_select_initial_window, tcp_select_window
from rxpath.net.ipv4.tcp.seq import (
    M32,
    TCP_CLOSE,
    TCPF_CLOSE,
    TCPF_LISTEN,
    TCPF_SYN_SENT,
    TCPHDR_ACK,
    TCPHDR_CWR,
    TCPHDR_ECE,
    TCPHDR_FIN,
    TCPHDR_PSH,
    TCPHDR_RST,
    TCPHDR_SYN,
    TCPHDR_URG,
    after,
    before,
    between,
    s32,
)
from rxpath.net.ipv4.tcp.sock import (
    EVER_RETRANS,
    ICSK_ACK_SCHED,
    ICSK_TIME_LOSS_PROBE,
    ICSK_TIME_PROBE0,
    ICSK_TIME_REO_TIMEOUT,
    ICSK_TIME_RETRANS,
    LOST,
    SACKED_ACKED,
    SACKED_RETRANS,
    TAGBITS,
    TCP_CA_CWR,
    TCP_ECN_DEMAND_CWR,
    TCP_ECN_OK,
    TCP_ECN_QUEUE_CWR,
    TCP_INIT_CWND,
    TCP_MSS_DEFAULT,
    TCP_NAGLE_CORK,
    TCP_NAGLE_OFF,
    TCP_NAGLE_PUSH,
    TCP_CA_Loss,
    TCP_CA_Open,
    TCP_CA_Recovery,
    TcpSock,
    TxSkb,
)
from rxpath.wire.checksum import transport_checksum

_TCP: Final = Struct(">HHIIBBHHH")
MAX_TCP_OPTION_SPACE: Final = 40


# --- time and timers
# ------------------------------------------------------------------------------------------------------------


def tcp_mstamp_refresh(sk: TcpSock) -> None:
    sk.mstamp_us = sk.ts.ipv4.kernel.engine.now // 1000


def tcp_time_stamp(sk: TcpSock) -> int:
    """TSval: milliseconds and the connection's offset.  (Inline in Linux.)"""
    return (sk.mstamp_us // 1000 + sk.tsoffset) & M32


def jiffies(sk: TcpSock) -> int:
    return sk.ts.ipv4.kernel.jiffies()


def rto_max(sk: TcpSock) -> int:
    return sk.ts.ipv4.kernel.hz * sk.ts.tcp_rto_max_ms // 1000


def inet_csk_reset_xmit_timer(sk: TcpSock, what: int, when: int) -> None:
    """Arm the one timer that serves retransmission, probes and RACK, `when` jiffies from now."""
    when = max(min(when, rto_max(sk)), 1)
    sk.icsk_pending = what
    sk.icsk_timeout = jiffies(sk) + when
    sk.retransmit_timer.mod_timer(sk.icsk_timeout)


def inet_csk_clear_xmit_timer(sk: TcpSock) -> None:
    sk.icsk_pending = 0
    sk.retransmit_timer.del_timer()


def inet_csk_clear_xmit_timers(sk: TcpSock) -> None:
    sk.icsk_pending = 0
    sk.ack_pending = 0
    sk.retransmit_timer.del_timer()
    sk.delack_timer.del_timer()
    sk.keepalive_timer.del_timer()


def tcp_rto_delta_us(sk: TcpSock) -> int:
    """Microseconds until the first unacknowledged segment's timeout."""
    rto_us = sk.rto * (1_000_000 // sk.ts.ipv4.kernel.hz)
    if not sk.rtx_queue:
        return rto_us
    return sk.rtx_queue[0].tx_us + rto_us - sk.mstamp_us


def tcp_rearm_rto(sk: TcpSock) -> None:
    if not sk.packets_out:
        inet_csk_clear_xmit_timer(sk)
        return
    rto = sk.rto
    if sk.icsk_pending in (ICSK_TIME_REO_TIMEOUT, ICSK_TIME_LOSS_PROBE):
        delta = tcp_rto_delta_us(sk)
        rto = sk.ts.ipv4.kernel.usecs_to_jiffies(max(delta, 1))
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, rto)


# --- sizes --------------------------------------------------------------------------------------------------
# ----------------------


def tcp_mtu_to_mss(sk: TcpSock, pmtu: int) -> int:
    mss = pmtu - 40
    if sk.rx_opt.mss_clamp and mss > sk.rx_opt.mss_clamp:
        mss = sk.rx_opt.mss_clamp
    mss -= sk.ext_hdr_len
    return max(mss, sk.ts.tcp_min_snd_mss) - (sk.header_len - 20)


def tcp_bound_to_half_wnd(sk: TcpSock, size: int) -> int:
    cutoff = sk.max_window >> 1 if sk.max_window > TCP_MSS_DEFAULT else sk.max_window
    if cutoff and size > cutoff:
        return max(cutoff, 68 - sk.header_len)
    return size


def tcp_sync_mss(sk: TcpSock, pmtu: int) -> int:
    mss = tcp_bound_to_half_wnd(sk, tcp_mtu_to_mss(sk, pmtu))
    sk.pmtu_cookie = pmtu
    sk.mss_cache = mss
    return mss


def eff_sacks(sk: TcpSock) -> int:
    return len(sk.selective_acks) + (1 if sk.rx_opt.dsack else 0)


def tcp_current_mss(sk: TcpSock) -> int:
    """The segment size now: path, options of this moment."""
    mss = sk.mss_cache
    rt = sk.dst
    if isinstance(rt, Rtable):
        mtu = ipv4_mtu(rt)
        if mtu != sk.pmtu_cookie:
            mss = tcp_sync_mss(sk, mtu)
    n = eff_sacks(sk)
    if n:
        room = MAX_TCP_OPTION_SPACE - (sk.header_len - 20)
        n = min(n, (room - 4) // 8)
        if n > 0:
            mss -= 4 + 8 * n
    return mss


def ipv4_default_advmss(rt: Rtable) -> int:
    return min(max(ipv4_mtu(rt) - 40, rt.ipv4.min_advmss), 65535 - 40)


def tcp_wnd_end(sk: TcpSock) -> int:
    return (sk.snd_una + sk.snd_wnd) & M32


# --- one segment --------------------------------------------------------------------------------------------
# ----------------------


def tcp_established_options(sk: TcpSock) -> bytes:
    """Time stamp and SACK blocks, ready to write (a D-SACK first)."""
    opt = sk.rx_opt
    if not opt.tstamp_ok and not opt.dsack and not sk.selective_acks:
        return b""
    ts = (tcp_time_stamp(sk), opt.ts_recent) if opt.tstamp_ok else None
    blocks: list[tuple[int, int]] = []
    if opt.dsack or sk.selective_acks:
        room = MAX_TCP_OPTION_SPACE - (12 if ts is not None else 0)
        blocks = (sk.duplicate_sack if opt.dsack else []) + sk.selective_acks
        blocks = blocks[: (room - 4) // 8]
        opt.dsack = False
    return tcp_options_write(0, -1, False, ts, blocks)


def tcp_syn_options(sk: TcpSock) -> bytes:
    ts = sk.ts
    t = (tcp_time_stamp(sk), sk.rx_opt.ts_recent) if ts.tcp_timestamps else None
    scale = -1
    if ts.tcp_window_scaling:
        scale = sk.rx_opt.rcv_wscale
    return tcp_options_write(sk.advmss, scale, bool(ts.tcp_sack), t, [])


def tcp_dec_quickack_mode(sk: TcpSock) -> None:
    if sk.ack_quick:
        n = 1 if sk.ack_pending & ICSK_ACK_SCHED or not sk.v.can_ingest else 0
        if n >= sk.ack_quick:
            sk.ack_quick = 0
            sk.ato = ato_min(sk)
        else:
            sk.ack_quick -= n


def ato_min(sk: TcpSock) -> int:
    return max(sk.ts.ipv4.kernel.hz // 25, 1)


def tcp_event_ack_sent(sk: TcpSock) -> None:
    """An ACK went out with this segment.  (Inline in Linux.)"""
    if sk.compressed_ack:
        sk.ts.ipv4.tcpext["TCPAckCompressed"] += sk.compressed_ack
        sk.compressed_ack = 0
        sk.compressed_timer.cancel()
    tcp_dec_quickack_mode(sk)
    sk.ack_pending = 0
    sk.delack_timer.del_timer()


def tcp_event_data_sent(sk: TcpSock) -> None:
    """Data goes: restart after idle, interactive mode.  (Inline in Linux.)"""
    now = jiffies(sk)
    if not sk.packets_out:
        sk.ca_ops.tx_start(sk)
    sk.lsndtime = now
    if now - sk.lrcvtime < sk.ato:
        inet_csk_inc_pingpong_cnt(sk)


def inet_csk_inc_pingpong_cnt(sk: TcpSock) -> None:
    if sk.pingpong < 255:
        sk.pingpong += 1


def in_pingpong(sk: TcpSock) -> bool:
    return sk.pingpong >= sk.ts.tcp_pingpong_thresh


def tcp_v4_send_check(saddr: int, daddr: int, segment: bytes) -> bytes:
    """The checksum put into a segment."""
    c = transport_checksum(saddr, daddr, 6, segment)
    return segment[:16] + c.to_bytes(2, "big") + segment[18:]


def __tcp_transmit_skb(sk: TcpSock, seq: int, flags: int, data: bytes, ect: int) -> int:
    """Header in front, then IP: 0 or a negative errno."""
    ipv4 = sk.ts.ipv4
    if flags & TCPHDR_SYN:
        options = tcp_syn_options(sk)
        window = min(sk.rcv_wnd, 65535)
    else:
        options = tcp_established_options(sk)
        window = tcp_select_window(sk)
    hl = 20 + len(options)
    skb = __alloc_skb(ipv4.net, hl + len(data) + 64)
    urg = 0
    if sk.snd_up != sk.snd_una and before(seq, sk.snd_up):
        if before(sk.snd_up, (seq + 0x10000) & M32):
            urg = (sk.snd_up - seq) & M32
            flags |= TCPHDR_URG
        elif after((seq + 0xFFFF) & M32, sk.snd_nxt):
            urg = 0xFFFF
            flags |= TCPHDR_URG
    ecn = 0
    if sk.ecn_flags & TCP_ECN_OK and not flags & TCPHDR_SYN:
        if data and not before(seq, sk.snd_nxt):
            ecn = 2 if ect else 0
            if sk.ecn_flags & TCP_ECN_QUEUE_CWR:
                sk.ecn_flags &= ~TCP_ECN_QUEUE_CWR
                flags |= TCPHDR_CWR
        if sk.ecn_flags & TCP_ECN_DEMAND_CWR:
            flags |= TCPHDR_ECE
    ack = sk.rcv_nxt if flags & TCPHDR_ACK or not flags & TCPHDR_SYN else 0
    seg = _TCP.pack(sk.sport, sk.dport, seq, ack, hl << 2, flags & 0xFF, window, 0, urg) + options + data
    skb_put(skb, tcp_v4_send_check(sk.saddr, sk.daddr, seg))
    if flags & TCPHDR_ACK:
        tcp_event_ack_sent(sk)
    if data:
        tcp_event_data_sent(sk)
        sk.data_segs_out += 1
        sk.bytes_sent += len(data)
    sk.segs_out += 1
    end_seq = (seq + len(data) + (1 if flags & (TCPHDR_SYN | TCPHDR_FIN) else 0)) & M32
    if end_seq == seq or after(end_seq, sk.snd_nxt):
        # what was sent before does not count as a segment sent
        ipv4.tcp[TCP_MIB_OUTSEGS] += 1
    err = ip_queue_xmit(sk, skb, sk.tos, ecn)
    if err > 0:
        from rxpath.net.ipv4.tcp.recovery import tcp_enter_cwr

        tcp_enter_cwr(sk)
        return 0 if err == 2 else err  # net_xmit_eval: congestion notified is as good as sent
    return err


def tcp_update_pacing_rate(sk: TcpSock) -> None:
    """Bytes a second that the window and the round trip time stand for; sizes super-packets (nothing is paced)."""
    ts = sk.ts
    rate = sk.mss_cache * 80_000
    rate *= ts.tcp_pacing_ss_ratio if sk.snd_cwnd < sk.snd_ssthresh // 2 else ts.tcp_pacing_ca_ratio
    rate *= max(sk.snd_cwnd, sk.packets_out)
    if sk.srtt_us:
        rate //= sk.srtt_us
    sk.pacing_rate = min(rate, sk.max_pacing) if sk.max_pacing >= 0 else rate


def tcp_tso_segs(sk: TcpSock, mss: int) -> int:
    """Segments of a super-packet that takes a millisecond at the pacing rate; near peers get larger ones."""
    size = sk.pacing_rate >> 10
    if sk.v.tso_by_rtt:
        r = sk.rtt_min_us >> 9
        if r < 32:
            size += 65215 >> r
    return max(min(size, 65215) // mss, sk.ts.tcp_min_tso_segs)


def tcp_transmit_skb(sk: TcpSock, t: TxSkb, push: bool = False) -> int:
    """Send an element of a queue (again)."""
    t.tx_us = sk.mstamp_us
    if not t.first_tx_us:
        if not sk.packets_out:
            sk.first_tx_us = sk.delivered_us = sk.mstamp_us
        t.first_tx_us = sk.first_tx_us or sk.mstamp_us
    t.delivered = sk.delivered
    t.delivered_us = sk.delivered_us
    return __tcp_transmit_skb(sk, t.seq, t.flags | TCPHDR_PSH if push else t.flags, t.data, 1)


def __tcp_send_ack(sk: TcpSock) -> None:
    if sk.state == TCP_CLOSE:
        return
    tcp_mstamp_refresh(sk)
    # an acceptable sequence: never beyond the peer's window
    __tcp_transmit_skb(sk, tcp_acceptable_seq(sk), TCPHDR_ACK, b"", 0)


def tcp_acceptable_seq(sk: TcpSock) -> int:
    end = tcp_wnd_end(sk)
    if not before(end, sk.snd_nxt) or (sk.rx_opt.wscale_ok and (sk.snd_nxt - end) & M32 < 1 << sk.rx_opt.rcv_wscale):
        return sk.snd_nxt
    return end


def tcp_send_ack(sk: TcpSock) -> None:
    __tcp_send_ack(sk)


# --- new data -----------------------------------------------------------------------------------------------
# ----------------------


def tcp_packets_in_flight(sk: TcpSock) -> int:
    return sk.packets_out - (sk.sacked_out + sk.lost_out) + sk.retrans_out


def tcp_in_initial_slowstart(sk: TcpSock) -> bool:
    return sk.snd_ssthresh >= 0x7FFFFFFF


def tcp_event_new_data_sent(sk: TcpSock, t: TxSkb) -> None:
    prior = sk.packets_out
    sk.snd_nxt = t.end_seq
    sk.write_queue.popleft()
    sk.rtx_queue.append(t)
    sk.packets_out += 1
    if not prior or sk.icsk_pending == ICSK_TIME_LOSS_PROBE:
        tcp_rearm_rto(sk)
    sk.ts.ipv4.tcpext["TCPOrigDataSent"] += 1


def tcp_nagle_test(sk: TcpSock, t: TxSkb, mss: int, nonagle: int) -> bool:
    """Whether a small segment may go now."""
    if nonagle & TCP_NAGLE_PUSH:
        return True
    if sk.snd_up != sk.snd_una or t.flags & TCPHDR_FIN:
        return True
    if len(t.data) >= mss:
        return True
    if nonagle & TCP_NAGLE_CORK:
        return False
    if nonagle == 0 and sk.packets_out and not after(sk.snd_sml, sk.snd_nxt) and after(sk.snd_sml, sk.snd_una):
        return False
    return True


def tcp_fragment(sk: TcpSock, t: TxSkb, size: int) -> TxSkb:
    """Cut an element in two; returns the second part (the caller puts it behind the first)."""
    rest = TxSkb((t.seq + size) & M32, t.data[size:], t.flags)
    t.data = t.data[:size]
    t.flags &= ~(TCPHDR_FIN | TCPHDR_PSH)
    t.end_seq = rest.seq
    rest.sacked = t.sacked
    rest.tx_us = t.tx_us
    rest.first_tx_us = t.first_tx_us
    rest.delivered = t.delivered
    rest.delivered_us = t.delivered_us
    sk.wmem_queued += 1280
    t.truesize = len(t.data) + 1280
    return rest


def tcp_cwnd_validate(sk: TcpSock, limited: bool) -> None:
    if (
        not before(sk.snd_una, sk.cwnd_usage_seq)
        or limited
        or (not sk.is_cwnd_limited and sk.packets_out > sk.max_packets_out)
    ):
        sk.is_cwnd_limited = limited
        sk.max_packets_out = sk.packets_out
        sk.cwnd_usage_seq = sk.snd_nxt
    now = jiffies(sk)
    if sk.is_cwnd_limited or (sk.snd_cwnd < sk.snd_ssthresh and sk.snd_cwnd < 2 * sk.max_packets_out):
        sk.snd_cwnd_used = 0
        sk.snd_cwnd_stamp = now
    else:
        if sk.packets_out > sk.snd_cwnd_used:
            sk.snd_cwnd_used = sk.packets_out
        if sk.ts.tcp_slow_start_after_idle and now - sk.snd_cwnd_stamp >= sk.rto:
            tcp_cwnd_application_limited(sk)


def tcp_cwnd_application_limited(sk: TcpSock) -> None:
    if sk.ca_state == TCP_CA_Open:
        win_used = max(sk.snd_cwnd_used, TCP_INIT_CWND)
        if win_used < sk.snd_cwnd:
            sk.snd_ssthresh = max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2))
            sk.snd_cwnd = (sk.snd_cwnd + win_used) >> 1
        sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp = jiffies(sk)


def tcp_cwnd_restart(sk: TcpSock, delta: int) -> None:
    """After an idle time: halve for every RTO, not below the initial window."""
    restart = min(TCP_INIT_CWND, sk.snd_cwnd)
    cwnd = sk.snd_cwnd
    sk.snd_ssthresh = (
        max(sk.snd_ssthresh, (cwnd >> 1) + (cwnd >> 2)) if not tcp_in_initial_slowstart(sk) else sk.snd_ssthresh
    )
    while delta > sk.rto and cwnd > restart:
        delta -= sk.rto
        cwnd >>= 1
    sk.snd_cwnd = max(cwnd, restart)
    sk.snd_cwnd_stamp = jiffies(sk)
    sk.snd_cwnd_used = 0


def tcp_slow_start_after_idle_check(sk: TcpSock) -> None:
    if not sk.ts.tcp_slow_start_after_idle or sk.packets_out:
        return
    delta = jiffies(sk) - sk.lsndtime
    if delta > sk.rto:
        tcp_cwnd_restart(sk, delta)


def tcp_tso_should_defer(sk: TcpSock, mss: int) -> bool:
    """Wait for a larger super-packet: the window has room for less than a third of itself, and an ACK will
    come soon.
    """
    if not sk.packets_out or not sk.rtx_queue or sk.ca_state >= TCP_CA_Recovery:
        return False
    wq = sk.write_queue
    if len(wq) < 2 or wq[-1].flags & TCPHDR_FIN:
        return False
    room = (tcp_wnd_end(sk) - wq[0].seq) & M32
    limit = min(room, (sk.snd_cwnd - tcp_packets_in_flight(sk)) * mss)
    if limit >= (65535 - 320) // mss * mss or limit >= (sk.write_seq - wq[0].seq) & M32:
        return False
    div = sk.ts.tcp_tso_win_divisor
    if div:
        if limit >= min(sk.snd_wnd, sk.snd_cwnd * mss) // div:
            return False
    elif limit > 3 * mss:
        return False
    return sk.mstamp_us - sk.rtx_queue[0].tx_us >= sk.srtt_us >> 4


def tcp_gso_group(sk: TcpSock, mss: int) -> int:
    """How many of the waiting segments Linux sends as one super-packet: half of the congestion window, the
    peer's window, 64 KB.
    """
    quota = min(max(sk.snd_cwnd >> 1, 1), max(sk.snd_cwnd - tcp_packets_in_flight(sk), 1), tcp_tso_segs(sk, mss))
    n = 0
    end = tcp_wnd_end(sk)
    for t in sk.write_queue:
        if n >= quota or after(t.end_seq, end) or len(t.data) > mss:
            break
        if n and len(t.data) < mss and t is not sk.write_queue[-1]:
            break
        n += 1
        if len(t.data) < mss:
            break
    return max(n, 1)


def tcp_gso_counted_once(sk: TcpSock) -> None:
    """IP counts a super-packet as one packet with one header; its later segments take their count back."""
    ipv4 = sk.ts.ipv4
    ipv4.ip[IPSTATS_MIB_OUTREQUESTS] -= 1
    if ipv4.kernel.release.ip_out_transmits:
        ipv4.ip[IPSTATS_MIB_OUTPKTS] -= 1
    ipv4.ipext[IPSTATS_MIB_OUTOCTETS] -= 20 + sk.header_len


def tcp_write_xmit(sk: TcpSock, mss: int, nonagle: int, push_one: int) -> bool:
    """Send what windows allow.  `push_one` 1: one segment, 2: one whatever the congestion window says.  True:
    nothing is in flight and data waits.
    """
    sent = 0
    tcp_mstamp_refresh(sk)
    limited = False
    wq = sk.write_queue
    of_many = False
    group = 0  # segments left of the super-packet that Linux would send as one (GSO)
    while wq:
        t = wq[0]
        if tcp_packets_in_flight(sk) >= sk.snd_cwnd and push_one != 2:
            limited = True
            break
        if len(t.data) > mss:
            wq.insert(1, tcp_fragment(sk, t, mss))
        end = t.end_seq
        if after(end, tcp_wnd_end(sk)):
            room = s32(tcp_wnd_end(sk) - t.seq)
            if (t is not wq[-1] and room >= mss) or room <= 0 or len(t.data) <= room or room < mss:
                break
            wq.insert(1, tcp_fragment(sk, t, room))
        last = len(wq) == 1
        if not tcp_nagle_test(sk, t, mss, nonagle if last else TCP_NAGLE_PUSH):
            break
        if t.eor and not t.data and not t.flags & TCPHDR_FIN:
            break
        inside = group > 0
        if not inside and not push_one and tcp_tso_should_defer(sk, mss):
            limited = True
            break
        if not inside and not push_one:
            group = tcp_gso_group(sk, mss)
            of_many = group > 1
        elif not inside:
            group = 1
            of_many = False
        group -= 1
        err = tcp_transmit_skb(sk, t, of_many and group == 0)
        if err:
            break
        if inside:
            tcp_gso_counted_once(sk)
        tcp_event_new_data_sent(sk, t)
        if len(t.data) < mss:
            sk.snd_sml = t.end_seq
        sent += 1
        if push_one:
            break
    if sent:
        if sk.ca_state in (TCP_CA_CWR, TCP_CA_Recovery):
            sk.prr_out += sent
        if push_one != 2:
            tcp_schedule_loss_probe(sk, False)
        limited = limited or tcp_packets_in_flight(sk) >= sk.snd_cwnd
        tcp_cwnd_validate(sk, limited)
        return False
    return not sk.packets_out and bool(wq)


def __tcp_push_pending_frames(sk: TcpSock, mss: int, nonagle: int) -> None:
    if sk.state == TCP_CLOSE:
        return
    if tcp_write_xmit(sk, mss, nonagle, 0):
        tcp_check_probe_timer(sk)


def tcp_push_pending_frames(sk: TcpSock) -> None:
    if sk.write_queue:
        __tcp_push_pending_frames(sk, tcp_current_mss(sk), sk.nonagle)


def tcp_push_one(sk: TcpSock, mss: int) -> None:
    tcp_write_xmit(sk, mss, TCP_NAGLE_PUSH, 1)


def tcp_check_probe_timer(sk: TcpSock) -> None:
    if not sk.packets_out and not sk.icsk_pending:
        inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_probe0_base(sk))


def tcp_probe0_base(sk: TcpSock) -> int:
    return max(sk.rto, sk.rto_min)


def tcp_probe0_when(sk: TcpSock, max_when: int) -> int:
    backoff = min((rto_max(sk) // sk.rto_min).bit_length() - 1 + 1, sk.backoff)
    return min(tcp_probe0_base(sk) << backoff, max_when)


def tcp_data_snd_check(sk: TcpSock) -> None:
    tcp_push_pending_frames(sk)
    tcp_check_space(sk)


def tcp_check_space(sk: TcpSock) -> None:
    """Room for the writer again: wake it."""
    if sk.wq.entries and sk_stream_wspace(sk) >= sk.wmem_queued >> 1:
        sock_def_write_space(sk)


def sk_stream_wspace(sk: TcpSock) -> int:
    return sk.sndbuf - sk.wmem_queued


def sk_stream_is_writeable(sk: TcpSock) -> bool:
    return sk_stream_wspace(sk) >= sk.wmem_queued >> 1 and (
        (sk.write_seq - sk.snd_nxt) & M32 < (sk.notsent_lowat or sk.ts.tcp_notsent_lowat)
    )


def wfree(sk: TcpSock, t: TxSkb) -> None:
    """sk_wmem_free_skb."""
    sk.wmem_queued -= t.truesize


# --- loss probe ---------------------------------------------------------------------------------------------
# ------------------------


def tcp_schedule_loss_probe(sk: TcpSock, advancing_rto: bool) -> bool:
    if not sk.v.tlp or sk.ts.tcp_early_retrans not in (3, 4) or not sk.packets_out or not sk.rx_opt.sack_ok:
        return False
    if sk.ca_state not in (TCP_CA_Open, TCP_CA_CWR):
        return False
    k = sk.ts.ipv4.kernel
    if sk.srtt_us:
        t = sk.srtt_us >> 2
        if sk.packets_out == 1:
            t += sk.rto_min * (1_000_000 // k.hz)
        else:
            t += 2 * (1_000_000 // k.hz)
        timeout = k.usecs_to_jiffies(t)
    else:
        timeout = k.hz
    rto_us = sk.rto * (1_000_000 // k.hz) if advancing_rto else tcp_rto_delta_us(sk)
    if rto_us > 0:
        timeout = min(timeout, k.usecs_to_jiffies(rto_us))
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_LOSS_PROBE, timeout)
    return True


def tcp_send_loss_probe(sk: TcpSock) -> None:
    if sk.tlp_high_seq:
        tcp_rearm_rto(sk)
        return
    sk.tlp_retrans = False
    mss = tcp_current_mss(sk)
    ok = False
    if sk.write_queue and not after(sk.write_queue[0].end_seq, tcp_wnd_end(sk)):
        before_ = sk.packets_out
        tcp_write_xmit(sk, mss, TCP_NAGLE_OFF, 2)
        ok = sk.packets_out > before_
        if not ok:
            tcp_rearm_rto(sk)
            return
    if not ok:
        if not sk.rtx_queue:
            sk.icsk_pending = 0
            return
        t = sk.rtx_queue[-1]
        if tcp_retransmit_skb(sk, t):
            tcp_rearm_rto(sk)
            return
        sk.tlp_retrans = True
    sk.tlp_high_seq = sk.snd_nxt
    sk.ts.ipv4.tcpext["TCPLossProbes"] += 1
    sk.icsk_pending = 0
    tcp_rearm_rto(sk)


# --- retransmission -----------------------------------------------------------------------------------------
# --------------------------


def __tcp_retransmit_skb(sk: TcpSock, t: TxSkb) -> int:
    """Send an element of the retransmission queue again: 0 or a negative errno."""
    ipv4 = sk.ts.ipv4
    if before(t.seq, sk.snd_una) and not t.flags & TCPHDR_SYN:
        n = (sk.snd_una - t.seq) & M32
        t.data = t.data[n:]
        t.seq = sk.snd_una
    if __sk_dst_check(sk) is None:
        from rxpath.net.ipv4.tcp.ipxmit import inet_sk_rebuild_header

        if inet_sk_rebuild_header(sk) is None:
            return -EHOSTUNREACH
    mss = tcp_current_mss(sk)
    room = s32(tcp_wnd_end(sk) - t.seq)
    if room <= 0:
        if t.seq != sk.snd_una:
            return -EAGAIN
        room = mss
    limit = min(mss, room) if room > 0 else mss
    if len(t.data) > limit:
        i = sk.rtx_queue.index(t)
        rest = tcp_fragment(sk, t, limit)
        sk.rtx_queue.insert(i + 1, rest)
        sk.packets_out += 1
        if rest.sacked & LOST:
            sk.lost_out += 1
        if rest.sacked & SACKED_RETRANS:
            sk.retrans_out += 1
        if rest.sacked & SACKED_ACKED:
            sk.sacked_out += 1
    if t.flags & TCPHDR_SYN_ECN_ == TCPHDR_SYN_ECN_ and sk.ts.tcp_ecn_fallback:
        t.flags &= ~(TCPHDR_ECE | TCPHDR_CWR)
    ipv4.tcp[TCP_MIB_RETRANSSEGS] += 1
    ext = ipv4.tcpext
    if t.flags & TCPHDR_SYN:
        ext["TCPSynRetrans"] += 1
    sk.total_retrans += 1
    sk.bytes_retrans += len(t.data)
    tp = ipv4.kernel.trace.tcp_retransmit_skb
    if tp.on:
        tp.fire(sk, t)
    err = tcp_transmit_skb(sk, t)
    if err:
        ext["TCPRetransFail"] += 1
    t.sacked |= EVER_RETRANS
    return err


TCPHDR_SYN_ECN_: Final = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR


def tcp_retransmit_skb(sk: TcpSock, t: TxSkb) -> int:
    tcp_mstamp_refresh(sk)
    err = __tcp_retransmit_skb(sk, t)
    if err == 0:
        if not t.sacked & SACKED_RETRANS:
            sk.retrans_out += 1
        t.sacked |= SACKED_RETRANS
        if not sk.retrans_stamp:
            sk.retrans_stamp = t.tx_us or 1
    if sk.undo_retrans < 0:
        sk.undo_retrans = 0
    sk.undo_retrans += 1
    t.retrans += 1
    return err


def tcp_xmit_retransmit_queue(sk: TcpSock) -> None:
    """Send again what is marked lost, as far as the congestion window goes."""
    if not sk.packets_out or not sk.lost_out:
        return
    rearm = False
    ext = sk.ts.ipv4.tcpext
    for t in list(sk.rtx_queue):
        if sk.snd_cwnd - tcp_packets_in_flight(sk) <= 0:
            break
        if t.sacked & (SACKED_ACKED | SACKED_RETRANS) or not t.sacked & LOST:
            continue
        if sk.ca_state == TCP_CA_Loss:
            mib = "TCPSlowStartRetrans"
        else:
            mib = "TCPFastRetrans"
        first = t is sk.rtx_queue[0]
        if tcp_retransmit_skb(sk, t):
            break
        ext[mib] += 1
        if sk.ca_state in (TCP_CA_CWR, TCP_CA_Recovery):
            sk.prr_out += 1
        if first and sk.icsk_pending != ICSK_TIME_REO_TIMEOUT:
            rearm = True
    if rearm:
        inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, sk.rto)


# --- FIN, RST, SYN, probes ----------------------------------------------------------------------------------
# ----------------------------


def tcp_queue_skb(sk: TcpSock, t: TxSkb) -> None:
    sk.write_seq = t.end_seq
    sk.write_queue.append(t)
    sk.wmem_queued += t.truesize


def tcp_send_fin(sk: TcpSock) -> None:
    if sk.write_queue:
        t = sk.write_queue[-1]
        t.flags |= TCPHDR_FIN
        t.end_seq = (t.end_seq + 1) & M32
        sk.write_seq = (sk.write_seq + 1) & M32
    else:
        tcp_queue_skb(sk, TxSkb(sk.write_seq, b"", TCPHDR_ACK | TCPHDR_FIN))
    __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF)


def tcp_send_active_reset(sk: TcpSock) -> None:
    """A RST in sequence."""
    ipv4 = sk.ts.ipv4
    ipv4.tcp[TCP_MIB_OUTRSTS] += 1
    tcp_mstamp_refresh(sk)
    tp = ipv4.kernel.trace.tcp_send_reset
    if tp.on:
        tp.fire(sk, None)
    __tcp_transmit_skb(sk, tcp_acceptable_seq(sk), TCPHDR_ACK | TCPHDR_RST, b"", 0)


def tcp_send_synack(sk: TcpSock) -> int:
    """Answer the SYN of a simultaneous open."""
    if not sk.rtx_queue:
        return -14
    t = sk.rtx_queue[0]
    if not t.flags & TCPHDR_SYN:
        return -14
    if not t.flags & TCPHDR_ACK:
        t.flags |= TCPHDR_ACK
        t.flags &= ~(TCPHDR_ECE | TCPHDR_CWR)
    tcp_mstamp_refresh(sk)
    return tcp_transmit_skb(sk, t)


def tcp_xmit_probe_skb(sk: TcpSock, urgent: int, mib: str) -> int:
    """An ACK with an old sequence number: the peer must answer."""
    sk.ts.ipv4.tcpext[mib] += 1
    return __tcp_transmit_skb(sk, (sk.snd_una - (0 if urgent else 1)) & M32, TCPHDR_ACK, b"", 0)


def tcp_write_wakeup(sk: TcpSock, mib: str) -> int:
    """Send what there is that may answer the question whether the peer lives."""
    if sk.state == TCP_CLOSE:
        return -1
    tcp_mstamp_refresh(sk)
    if sk.write_queue and before(sk.write_queue[0].seq, tcp_wnd_end(sk)):
        t = sk.write_queue[0]
        mss = tcp_current_mss(sk)
        room = (tcp_wnd_end(sk) - t.seq) & M32
        if before(sk.pushed_seq, t.end_seq):
            sk.pushed_seq = t.end_seq
        if room < (t.end_seq - t.seq) & M32 or len(t.data) > mss:
            room = min(room, mss)
            t.flags |= TCPHDR_PSH
            sk.write_queue.insert(1, tcp_fragment(sk, t, room))
        t.flags |= TCPHDR_PSH
        err = tcp_transmit_skb(sk, t)
        if not err:
            tcp_event_new_data_sent(sk, t)
        return err
    if between(sk.snd_up, (sk.snd_una + 1) & M32, (sk.snd_una + 0xFFFF) & M32):
        tcp_xmit_probe_skb(sk, 1, mib)
    return tcp_xmit_probe_skb(sk, 0, mib)


def tcp_send_probe0(sk: TcpSock) -> None:
    err = tcp_write_wakeup(sk, "TCPWinProbe")
    if sk.packets_out or not sk.write_queue:
        sk.probes_out = 0
        sk.backoff = 0
        sk.probes_tstamp = 0
        return
    sk.probes_out += 1
    if err <= 0:
        if sk.backoff < sk.ts.tcp_retries2:
            sk.backoff += 1
        when = tcp_probe0_when(sk, rto_max(sk))
    else:
        when = max(sk.ts.ipv4.kernel.hz // 2, 1)
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, when)


def tcp_connect_init(sk: TcpSock) -> None:
    ts = sk.ts
    rt = sk.dst
    assert isinstance(rt, Rtable)
    sk.header_len = 20 + (12 if ts.tcp_timestamps else 0)
    if sk.rx_opt.user_mss:
        sk.rx_opt.mss_clamp = sk.rx_opt.user_mss
    sk.max_window = 0
    tcp_sync_mss(sk, ipv4_mtu(rt))
    if not sk.window_clamp:
        pass
    sk.advmss = ipv4_default_advmss(rt)
    if sk.rx_opt.user_mss:
        sk.advmss = min(sk.advmss, sk.rx_opt.user_mss)
    tcp_initialize_rcv_mss_(sk)
    full = tcp_full_space(sk)
    if sk.userlocks & SOCK_RCVBUF_LOCK and (sk.window_clamp > full or sk.window_clamp == 0):
        sk.window_clamp = full
    opt_len = sk.header_len - 20
    init = sk.v.init_rcv_wnd_segments
    sk.rcv_wnd, sk.window_clamp, sk.rx_opt.rcv_wscale = tcp_select_initial_window(
        ts,
        full,
        sk.advmss - (opt_len if sk.rx_opt.ts_recent_stamp else 0),
        sk.window_clamp,
        bool(ts.tcp_window_scaling),
        init,
    )
    sk.rcv_ssthresh = sk.rcv_wnd
    sk.err = 0
    sk.snd_wnd = 0
    sk.snd_wl1 = 0
    sk.write_queue.clear()
    sk.rtx_queue.clear()
    sk.snd_una = sk.snd_sml = sk.snd_up = sk.snd_nxt = sk.write_seq
    sk.rcv_nxt = 0
    sk.rcv_wup = 0
    sk.copied_seq = 0
    sk.rto = sk.ts.ipv4.kernel.hz
    sk.retransmits = 0
    sk.retrans_stamp = 0


def tcp_initialize_rcv_mss_(sk: TcpSock) -> None:
    from rxpath.net.ipv4.tcp.rcvbuf import tcp_initialize_rcv_mss

    tcp_initialize_rcv_mss(sk)


def tcp_connect(sk: TcpSock) -> int:
    """Send the SYN: 0 or a negative errno."""
    from rxpath.net.ipv4.mib import TCP_MIB_ACTIVEOPENS

    tcp_connect_init(sk)
    flags = TCPHDR_SYN
    if sk.ts.tcp_ecn == 1:
        flags |= TCPHDR_ECE | TCPHDR_CWR
        sk.ecn_flags = TCP_ECN_OK
    t = TxSkb(sk.write_seq, b"", flags)
    tcp_mstamp_refresh(sk)
    sk.retrans_stamp = sk.mstamp_us or 1
    sk.write_seq = t.end_seq
    sk.wmem_queued += t.truesize
    sk.packets_out += 1
    sk.rtx_queue.append(t)
    err = tcp_transmit_skb(sk, t)
    if err == -111:
        return err
    sk.snd_nxt = sk.write_seq
    sk.pushed_seq = sk.write_seq
    sk.ts.ipv4.tcp[TCP_MIB_ACTIVEOPENS] += 1
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, sk.rto)
    return 0


def tcp_mark_urg(sk: TcpSock, flags: int) -> None:
    if flags & 1:
        sk.snd_up = sk.write_seq


def tcp_need_reset(state: int) -> bool:
    """Whether closing in this state sends a RST."""
    return bool(1 << state & (1 << 1 | 1 << 8 | 1 << 4 | 1 << 5 | 1 << 3))


__all__ = ["SkBuff", "TAGBITS", "TCPF_CLOSE", "TCPF_LISTEN", "TCPF_SYN_SENT"]
