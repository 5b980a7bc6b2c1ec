"""Round trips, losses and what the sender makes of them: RTT and RTO, RACK, recovery by proportional rate
reduction, undo.

Facts: net/ipv4/tcp_input.c, tcp_recovery.c (6.1).  Without SACK losses are found by three duplicate ACKs (Reno).
"""

from __future__ import annotations

from rxpath.net.core.sock import TCP_SYN_SENT
from rxpath.net.ipv4.tcp.output import (
    TCP_TIMEOUT_MIN_US,
    inet_csk_reset_xmit_timer,
    jiffies,
    rto_max,
    tcp_current_mss,
    tcp_packets_in_flight,
    tcp_rearm_rto,
    tcp_skb_seglen,
)
from rxpath.net.ipv4.tcp.retransmit import tcp_xmit_retransmit_queue
from rxpath.net.ipv4.tcp.seq import M32, after, before
from rxpath.net.ipv4.tcp.sock import (
    EVER_RETRANS,
    ICSK_TIME_REO_TIMEOUT,
    LOST,
    SACKED_ACKED,
    SACKED_RETRANS,
    TCP_CA_CWR,
    TCP_ECN_MODE_ANY,
    TCP_ECN_MODE_RFC3168,
    TCP_ECN_QUEUE_CWR,
    TCP_CA_Disorder,
    TCP_CA_Loss,
    TCP_CA_Open,
    TCP_CA_Recovery,
    TcpSock,
    TxSkb,
)

# --- RTT ------------------------------------------------------------------------------------------


def tcp_rtt_estimator(sk: TcpSock, mrtt_us: int) -> None:
    """Jacobson's estimator as Linux has it: srtt times 8, mdev times 4."""
    m = mrtt_us
    srtt = sk.srtt_us
    if srtt:
        m -= srtt >> 3
        srtt += m
        if m < 0:
            m = -m
            m -= sk.mdev_us >> 2
            if m > 0:
                m >>= 3
        else:
            m -= sk.mdev_us >> 2
        sk.mdev_us += m
        if sk.mdev_us > sk.mdev_max_us:
            sk.mdev_max_us = sk.mdev_us
            if sk.mdev_max_us > sk.rttvar_us:
                sk.rttvar_us = sk.mdev_max_us
        if after(sk.snd_una, sk.rtt_seq):
            if sk.mdev_max_us < sk.rttvar_us:
                sk.rttvar_us -= (sk.rttvar_us - sk.mdev_max_us) >> 2
            sk.rtt_seq = sk.snd_nxt
            sk.mdev_max_us = rto_min_us(sk)
    else:
        srtt = m << 3
        sk.mdev_us = m << 1
        sk.rttvar_us = max(sk.mdev_us, rto_min_us(sk))
        sk.mdev_max_us = sk.rttvar_us
        sk.rtt_seq = sk.snd_nxt
    sk.srtt_us = max(1, srtt)


def rto_min_us(sk: TcpSock) -> int:
    return sk.rto_min * (1_000_000 // sk.ts.ipv4.kernel.hz)


def tcp_set_rto(sk: TcpSock) -> None:
    sk.rto = min(sk.ts.ipv4.kernel.usecs_to_jiffies((sk.srtt_us >> 3) + sk.rttvar_us), rto_max(sk))


def tcp_ack_update_rtt(sk: TcpSock, acked: bool, seq_rtt_us: int, sack_rtt_us: int, ca_rtt_us: int) -> tuple[bool, int]:
    """A sample from what was acknowledged (-1 = none); time stamps when nothing else helps.  (taken, RTT for
    congestion control).
    """
    opt = sk.rx_opt
    if seq_rtt_us < 0:
        seq_rtt_us = sack_rtt_us
    if seq_rtt_us < 0 and acked and opt.saw_tstamp and opt.rcv_tsecr:
        delta = (sk.ts.clock(sk.mstamp_us) - opt.rcv_tsecr) & M32
        if delta < 0x7FFFFFFF // 1000:
            seq_rtt_us = ca_rtt_us = max(delta, 1) * sk.ts.stamp_us
    if seq_rtt_us < 0:
        return False, ca_rtt_us
    now = jiffies(sk)
    rtt = max(ca_rtt_us if ca_rtt_us >= 0 else seq_rtt_us, 1)
    if rtt <= sk.rtt_min_us or now - sk.rtt_min_stamp > 300 * sk.ts.ipv4.kernel.hz:
        sk.rtt_min_us = rtt
        sk.rtt_min_stamp = now
    tcp_rtt_estimator(sk, seq_rtt_us)
    tcp_set_rto(sk)
    sk.backoff = 0
    return True, ca_rtt_us


# --- states of the sender -------------------------------------------------------------------------


def tcp_set_ca_state(sk: TcpSock, new: int) -> None:
    sk.ca_ops.set_state(sk, new)
    sk.ca_state = new


def tcp_current_ssthresh(sk: TcpSock) -> int:
    if sk.ca_state in (TCP_CA_CWR, TCP_CA_Recovery):
        return sk.snd_ssthresh
    return max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2))


def tcp_init_cwnd_reduction(sk: TcpSock) -> None:
    sk.high_seq = sk.snd_nxt
    sk.tlp_high_seq = 0
    sk.snd_cwnd_cnt = 0
    sk.prior_cwnd = sk.snd_cwnd
    sk.prr_delivered = 0
    sk.prr_out = 0
    sk.snd_ssthresh = sk.ca_ops.ssthresh(sk)
    if sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_RFC3168:
        sk.ecn_flags |= TCP_ECN_QUEUE_CWR


def tcp_enter_cwr(sk: TcpSock) -> None:
    sk.prior_ssthresh = 0
    if sk.ca_state < TCP_CA_CWR:
        sk.undo_marker = 0
        tcp_init_cwnd_reduction(sk)
        tcp_set_ca_state(sk, TCP_CA_CWR)


def tcp_end_cwnd_reduction(sk: TcpSock) -> None:
    if sk.snd_ssthresh < 0x7FFFFFFF and (sk.ca_state == TCP_CA_CWR or sk.undo_marker):
        sk.snd_cwnd = sk.snd_ssthresh
        sk.snd_cwnd_stamp = jiffies(sk)


def tcp_cwnd_reduction(sk: TcpSock, newly_acked: int, newly_lost: int, advanced: bool) -> None:
    """Proportional rate reduction (RFC 6937)."""
    if newly_acked <= 0 or not sk.prior_cwnd:
        return
    sk.prr_delivered += newly_acked
    delta = sk.snd_ssthresh - tcp_packets_in_flight(sk)
    if delta < 0:
        dividend = sk.snd_ssthresh * sk.prr_delivered + sk.prior_cwnd - 1
        sndcnt = dividend // sk.prior_cwnd - sk.prr_out
    else:
        sndcnt = max(sk.prr_delivered - sk.prr_out, newly_acked)
        if advanced and not newly_lost:
            sndcnt += 1
        sndcnt = min(delta, sndcnt)
    sndcnt = max(sndcnt, 0 if sk.prr_out else 1)
    sk.snd_cwnd = tcp_packets_in_flight(sk) + sndcnt


def tcp_init_undo(sk: TcpSock) -> None:
    sk.undo_marker = sk.snd_una or 1
    # a loss probe on the way may be reported by a D-SACK too; 0 would mean "undo now"
    probe = 1 if sk.tlp_high_seq and sk.tlp_retrans else 0
    sk.undo_retrans = sk.retrans_out + probe or -1


def tcp_any_retrans_done(sk: TcpSock) -> bool:
    return bool(sk.retrans_out or (sk.rtx_queue and sk.rtx_queue[0].sacked & EVER_RETRANS))


def tcp_retrans_stamp_cleanup(sk: TcpSock) -> None:
    if not tcp_any_retrans_done(sk):
        sk.retrans_stamp = 0


def tcp_enter_recovery(sk: TcpSock, ece: bool) -> None:
    tcp_retrans_stamp_cleanup(sk)
    sk.ts.ipv4.tcpext["TCPSackRecovery" if sk.rx_opt.sack_ok else "TCPRenoRecovery"] += 1
    sk.prior_ssthresh = 0
    tcp_init_undo(sk)
    if sk.ca_state not in (TCP_CA_CWR, TCP_CA_Recovery):
        if not ece:
            sk.prior_ssthresh = tcp_current_ssthresh(sk)
        tcp_init_cwnd_reduction(sk)
    tcp_set_ca_state(sk, TCP_CA_Recovery)


def tcp_mark_skb_lost(sk: TcpSock, t: TxSkb) -> None:
    sacked = t.sacked
    if sacked & SACKED_ACKED:
        return
    if sacked & LOST:
        if sacked & SACKED_RETRANS:
            t.sacked &= ~SACKED_RETRANS
            sk.retrans_out -= t.pcount
            sk.ts.ipv4.tcpext["TCPLostRetransmit"] += t.pcount
            sk.lost += t.pcount
    else:
        sk.lost_out += t.pcount
        sk.lost += t.pcount
        t.sacked |= LOST


def tcp_is_rack(sk: TcpSock) -> bool:
    return sk.v.rack and (sk.v.rack_always or bool(sk.ts.tcp_recovery & 1))


def tcp_enter_loss(sk: TcpSock) -> None:
    """The retransmission timer fired: all that is out is lost."""
    new_recovery = sk.ca_state < TCP_CA_Recovery
    # mark
    reneg = bool(sk.rtx_queue) and bool(sk.rtx_queue[0].sacked & SACKED_ACKED)
    if reneg:
        sk.ts.ipv4.tcpext["TCPSACKReneging"] += 1
        sk.sacked_out = 0
        sk.sack_reneg = True
        for t in sk.rtx_queue:
            t.sacked &= ~SACKED_ACKED
    elif not sk.rx_opt.sack_ok:
        sk.sacked_out = 0
    rack = tcp_is_rack(sk)
    head = sk.rtx_queue[0] if sk.rtx_queue else None
    for t in sk.rtx_queue:
        if not reneg and rack and t is not head and rack_skb_timeout(sk, t, 0) > 0:
            continue
        tcp_mark_skb_lost(sk, t)
    if (
        sk.ca_state <= TCP_CA_Disorder
        or not after(sk.high_seq, sk.snd_una)
        or (sk.ca_state == TCP_CA_Loss and not sk.retransmits)
    ):
        sk.prior_ssthresh = tcp_current_ssthresh(sk)
        sk.prior_cwnd = sk.snd_cwnd
        sk.snd_ssthresh = sk.ca_ops.ssthresh(sk)
        tcp_init_undo(sk)
    sk.snd_cwnd = tcp_packets_in_flight(sk) + 1
    sk.snd_cwnd_cnt = 0
    sk.snd_cwnd_stamp = jiffies(sk)
    if sk.ca_state <= TCP_CA_Disorder and sk.sacked_out >= sk.ts.tcp_reordering:
        sk.reordering = min(sk.reordering, sk.ts.tcp_reordering)
    tcp_set_ca_state(sk, TCP_CA_Loss)
    sk.high_seq = sk.snd_nxt
    sk.tlp_high_seq = 0
    if sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_RFC3168:
        sk.ecn_flags |= TCP_ECN_QUEUE_CWR
    sk.frto = bool(sk.ts.tcp_frto) and (new_recovery or sk.retransmits > 0) and not sk.mtup_probe_size


# --- RACK -----------------------------------------------------------------------------------------


def tcp_rack_sent_after(t1: int, t2: int, seq1: int, seq2: int) -> bool:
    return t1 > t2 or (t1 == t2 and after(seq1, seq2))


def tcp_rack_reo_wnd(sk: TcpSock) -> int:
    """The reordering window in us."""
    if not sk.reord_seen:
        if sk.ca_state >= TCP_CA_Recovery:
            return 0
        if sk.sacked_out >= sk.reordering and not sk.ts.tcp_recovery & 4:
            return 0
    return min((sk.rtt_min_us >> 2) * sk.rack_reo_steps, sk.srtt_us >> 3)


def rack_skb_timeout(sk: TcpSock, t: TxSkb, reo_wnd: int) -> int:
    return sk.rack_rtt_us + reo_wnd - (sk.mstamp_us - t.tx_us)


def tcp_rack_advance(sk: TcpSock, sacked: int, end_seq: int, xmit_us: int) -> None:
    rtt = sk.mstamp_us - xmit_us
    if sacked & EVER_RETRANS and rtt < sk.rtt_min_us:
        return
    sk.rack_advanced = True
    sk.rack_rtt_us = rtt
    if tcp_rack_sent_after(xmit_us, sk.rack_us, end_seq, sk.rack_end_seq):
        sk.rack_us = xmit_us
        sk.rack_end_seq = end_seq


def tcp_rack_detect_loss(sk: TcpSock) -> int:
    """Mark what was sent well before something that has arrived; returns us until the next may be marked, 0 = none."""
    reo = tcp_rack_reo_wnd(sk)
    timeout = 0
    for t in sk.rtx_queue:
        if t.sacked & SACKED_ACKED or (t.sacked & LOST and not t.sacked & SACKED_RETRANS):
            continue
        if not tcp_rack_sent_after(sk.rack_us, t.tx_us, sk.rack_end_seq, t.end_seq):
            continue
        remaining = rack_skb_timeout(sk, t, reo)
        if remaining <= 0:
            tcp_mark_skb_lost(sk, t)
        else:
            timeout = max(remaining, timeout)
    return timeout


def tcp_rack_mark_lost(sk: TcpSock) -> bool:
    if not sk.rack_advanced:
        return False
    sk.rack_advanced = False
    timeout = tcp_rack_detect_loss(sk)
    if timeout:
        k = sk.ts.ipv4.kernel
        when = k.usecs_to_jiffies(timeout + TCP_TIMEOUT_MIN_US)
        inet_csk_reset_xmit_timer(sk, ICSK_TIME_REO_TIMEOUT, min(when, sk.rto))
    return bool(timeout)


# --- undo -----------------------------------------------------------------------------------------


def tcp_packet_delayed(sk: TcpSock) -> bool:
    """The original arrived after all: nothing was sent again yet, or its echo is older than that."""
    opt = sk.rx_opt
    if sk.retrans_stamp:
        return bool(opt.saw_tstamp and opt.rcv_tsecr and before(opt.rcv_tsecr, sk.ts.clock(sk.retrans_stamp)))
    if not sk.v.packet_delayed_exceptions:
        return True
    if not sk.rx_opt.sack_ok and not before(sk.snd_una, sk.high_seq):
        return False
    return sk.state != TCP_SYN_SENT


def tcp_may_undo(sk: TcpSock) -> bool:
    return bool(sk.undo_marker and (not sk.undo_retrans or tcp_packet_delayed(sk)))


def tcp_undo_cwnd_reduction(sk: TcpSock, unmark_loss: bool) -> None:
    if unmark_loss:
        for t in sk.rtx_queue:
            t.sacked &= ~LOST
        sk.lost_out = 0
    if sk.prior_ssthresh:
        sk.snd_cwnd = sk.ca_ops.undo_cwnd(sk)
        if sk.prior_ssthresh > sk.snd_ssthresh:
            sk.snd_ssthresh = sk.prior_ssthresh
            sk.ecn_flags &= ~TCP_ECN_QUEUE_CWR
    sk.snd_cwnd_stamp = jiffies(sk)
    sk.undo_marker = 0
    sk.rack_advanced = True


def tcp_is_non_sack_preventing_reopen(sk: TcpSock) -> bool:
    if sk.snd_una == sk.high_seq and not sk.rx_opt.sack_ok:
        if not tcp_any_retrans_done(sk):
            sk.retrans_stamp = 0
        return True
    return False


def tcp_try_undo_recovery(sk: TcpSock) -> bool:
    if tcp_may_undo(sk):
        ext = sk.ts.ipv4.tcpext
        name = "TCPLossUndo" if sk.ca_state == TCP_CA_Loss else "TCPFullUndo"
        tcp_undo_cwnd_reduction(sk, False)
        ext[name] += 1
    elif sk.rack_persist:
        sk.rack_persist -= 1
    if tcp_is_non_sack_preventing_reopen(sk):
        return True
    tcp_set_ca_state(sk, TCP_CA_Open)
    sk.sack_reneg = False
    return False


def tcp_try_undo_loss(sk: TcpSock, frto_undo: bool) -> bool:
    if frto_undo or tcp_may_undo(sk):
        tcp_undo_cwnd_reduction(sk, True)
        ext = sk.ts.ipv4.tcpext
        ext["TCPLossUndo"] += 1
        if frto_undo:
            ext["TCPSpuriousRTOs"] += 1
        sk.retransmits = 0
        if tcp_is_non_sack_preventing_reopen(sk):
            return True
        if frto_undo or sk.rx_opt.sack_ok:
            tcp_set_ca_state(sk, TCP_CA_Open)
            sk.sack_reneg = False
        return True
    return False


def tcp_try_undo_dsack(sk: TcpSock) -> bool:
    if sk.undo_marker and not sk.undo_retrans:
        sk.rack_persist = min(16, sk.rack_persist + 1)
        tcp_undo_cwnd_reduction(sk, False)
        sk.ts.ipv4.tcpext["TCPDSACKUndo"] += 1
        return True
    return False


def tcp_highest_sack_seq(sk: TcpSock) -> int:
    """Where the highest selectively acknowledged element begins."""
    if not sk.sacked_out:
        return sk.snd_una
    return sk.highest_sack.seq if sk.highest_sack is not None else sk.snd_nxt


def tcp_check_sack_reordering(sk: TcpSock, low_seq: int, by_stamp: bool = False) -> None:
    fack = tcp_highest_sack_seq(sk)
    if not before(low_seq, fack):
        return
    metric = (fack - low_seq) & M32
    mss = sk.mss_cache
    if mss and metric > sk.reordering * mss:
        sk.reordering = min((metric + mss - 1) // mss, sk.ts.tcp_max_reordering)
    sk.reord_seen += 1
    sk.ts.ipv4.tcpext["TCPTSReorder" if by_stamp else "TCPSACKReorder"] += 1


def tcp_try_undo_partial(sk: TcpSock, prior_snd_una: int) -> bool:
    if sk.undo_marker and tcp_packet_delayed(sk):
        tcp_check_sack_reordering(sk, prior_snd_una, True)
        if sk.retrans_out:
            return True
        tcp_retrans_stamp_cleanup(sk)
        tcp_undo_cwnd_reduction(sk, True)
        sk.ts.ipv4.tcpext["TCPPartialUndo"] += 1
        tcp_try_keep_open(sk)
    return False


def tcp_rack_update_reo_wnd(sk: TcpSock, prior_delivered: int) -> None:
    """D-SACKs of what was sent again widen the reordering window, a step a round trip."""
    if sk.ts.tcp_recovery & 2 or not prior_delivered:
        return
    if before(prior_delivered, sk.rack_last_delivered):
        sk.rack_dsack = False
    if sk.rack_dsack:
        sk.rack_reo_steps = min(255, sk.rack_reo_steps + 1)
        sk.rack_dsack = False
        sk.rack_last_delivered = sk.delivered
        sk.rack_persist = 16
    elif not sk.rack_persist:
        sk.rack_reo_steps = 1


def tcp_try_keep_open(sk: TcpSock) -> None:
    state = TCP_CA_Disorder if sk.sacked_out or sk.lost_out or tcp_any_retrans_done(sk) else TCP_CA_Open
    if sk.ca_state != state:
        tcp_set_ca_state(sk, state)
        sk.high_seq = sk.snd_nxt


def tcp_rearm_rto_(sk: TcpSock) -> None:
    tcp_rearm_rto(sk)


def tcp_limit_reno_sacked(sk: TcpSock) -> bool:
    """Without SACK no more can have arrived than is out, holes taken off.  True: the count was too high."""
    holes = min(max(sk.lost_out, 1), sk.packets_out)
    if sk.sacked_out + holes > sk.packets_out:
        sk.sacked_out = sk.packets_out - holes
        return True
    return False


def tcp_non_congestion_loss_retransmit(sk: TcpSock) -> None:
    """What is marked lost goes again, and the window stays what it was."""
    if sk.ca_state != TCP_CA_Loss:
        sk.high_seq = sk.snd_nxt
        sk.snd_ssthresh = tcp_current_ssthresh(sk)
        sk.prior_ssthresh = 0
        sk.undo_marker = 0
        tcp_set_ca_state(sk, TCP_CA_Loss)
    tcp_xmit_retransmit_queue(sk)


def tcp_retransmit_syn_data(sk: TcpSock) -> None:
    """The data that went with the SYN was not taken (tcp_rcv_fastopen_synack); no congestion."""
    for t in sk.rtx_queue:
        tcp_mark_skb_lost(sk, t)
    tcp_non_congestion_loss_retransmit(sk)


def tcp_simple_retransmit(sk: TcpSock) -> None:
    """The path takes less than what was sent: whatever is too long now is lost."""
    # the SYN of a Fast Open and its data are two elements, and what was too long is both together
    mss = -1 if sk.syn_data and sk.state == TCP_SYN_SENT else tcp_current_mss(sk)
    for t in sk.rtx_queue:
        if tcp_skb_seglen(t) > mss:
            tcp_mark_skb_lost(sk, t)
    if not sk.lost_out:
        return
    if not sk.rx_opt.sack_ok:
        tcp_limit_reno_sacked(sk)
    tcp_non_congestion_loss_retransmit(sk)
