"""What an incoming acknowledgement does to the sender: window, SACK blocks, the retransmission queue, congestion
control.

Facts: net/ipv4/tcp_input.c tcp_ack and its helpers (5.15, 6.1).
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.tcp.options import sack_blocks
from rxpath.net.ipv4.tcp.output import (
    inet_csk_clear_xmit_timer,
    inet_csk_reset_xmit_timer,
    jiffies,
    rto_max,
    tcp_current_mss,
    tcp_packets_in_flight,
    tcp_probe0_when,
    tcp_rearm_rto,
    tcp_schedule_loss_probe,
    tcp_send_ack,
    tcp_sync_mss,
    tcp_update_pacing_rate,
    tcp_wnd_end,
    tcp_write_xmit,
    tcp_xmit_retransmit_queue,
    wfree,
)
from rxpath.net.ipv4.tcp.rcvbuf import tcp_sndbuf_expand
from rxpath.net.ipv4.tcp.recovery import (
    tcp_ack_update_rtt,
    tcp_cwnd_reduction,
    tcp_end_cwnd_reduction,
    tcp_enter_cwr,
    tcp_enter_loss,
    tcp_enter_recovery,
    tcp_init_cwnd_reduction,
    tcp_mark_skb_lost,
    tcp_rack_advance,
    tcp_rack_mark_lost,
    tcp_rack_reo_wnd,
    tcp_set_ca_state,
    tcp_try_keep_open,
    tcp_try_undo_dsack,
    tcp_try_undo_loss,
    tcp_try_undo_partial,
    tcp_try_undo_recovery,
)
from rxpath.net.ipv4.tcp.seq import M32, TCPHDR_ECE, TCPHDR_SYN, after, before
from rxpath.net.ipv4.tcp.sock import (
    EVER_RETRANS,
    ICSK_TIME_LOSS_PROBE,
    ICSK_TIME_PROBE0,
    LOST,
    SACKED_ACKED,
    SACKED_RETRANS,
    TCP_CA_CWR,
    TCP_ECN_OK,
    TCP_NAGLE_OFF,
    TCP_CA_Disorder,
    TCP_CA_Loss,
    TCP_CA_Open,
    TCP_CA_Recovery,
    TcpSock,
    tcb,
)

FLAG_DATA: Final = 0x01
FLAG_WIN_UPDATE: Final = 0x02
FLAG_DATA_ACKED: Final = 0x04
FLAG_RETRANS_DATA_ACKED: Final = 0x08
FLAG_SYN_ACKED: Final = 0x10
FLAG_DATA_SACKED: Final = 0x20
FLAG_ECE: Final = 0x40
FLAG_LOST_RETRANS: Final = 0x80
FLAG_SLOWPATH: Final = 0x100
FLAG_ORIG_SACK_ACKED: Final = 0x200
FLAG_SND_UNA_ADVANCED: Final = 0x400
FLAG_DSACKING_ACK: Final = 0x800
FLAG_SET_XMIT_TIMER: Final = 0x1000
FLAG_SACK_RENEGING: Final = 0x2000
FLAG_UPDATE_TS_RECENT: Final = 0x4000
FLAG_NO_CHALLENGE_ACK: Final = 0x8000
FLAG_DSACK_TLP: Final = 0x20000
FLAG_ACKED: Final = FLAG_DATA_ACKED | FLAG_SYN_ACKED
FLAG_NOT_DUP: Final = FLAG_DATA | FLAG_WIN_UPDATE | FLAG_ACKED
FLAG_CA_ALERT: Final = FLAG_DATA_SACKED | FLAG_ECE | FLAG_DSACKING_ACK
FLAG_FORWARD_PROGRESS: Final = FLAG_ACKED | FLAG_DATA_SACKED

ACK_TOO_OLD: Final = -1
ACK_UNSENT: Final = -2


def tcp_oow_rate_limited(sk: TcpSock, skb: SkBuff, mib: str) -> bool:
    """Whether an answer to an out-of-window segment comes too soon after the last one; segments with data are
    never limited.
    """
    c = tcb(skb)
    if c.seq != c.end_seq and not c.flags & TCPHDR_SYN:
        return False
    return tcp_oow_rate_limited_at(sk, mib)


def tcp_oow_rate_limited_at(sk: TcpSock, mib: str) -> bool:
    if not sk.v.oow_limit:
        return False
    now = jiffies(sk)
    last = sk.last_oow_ack_time
    if last and 0 <= now - last < sk.ts.tcp_invalid_ratelimit:
        sk.ts.ipv4.tcpext[mib] += 1
        return True
    sk.last_oow_ack_time = now
    return False


def tcp_send_challenge_ack(sk: TcpSock) -> None:
    """An ACK that makes an honest peer show itself (RFC 5961), limited a socket and a namespace."""
    ts = sk.ts
    ext = ts.ipv4.tcpext
    if tcp_oow_rate_limited_at(sk, "TCPACKSkippedChallenge"):
        return
    limit = ts.tcp_challenge_ack_limit
    if limit != (1 << 31) - 1:
        now = jiffies(sk) // ts.ipv4.kernel.hz
        if now != ts.challenge_timestamp:
            ts.challenge_timestamp = now
            ts.challenge_count = (limit + 1) // 2 + ts.rng.randrange(max(limit, 1)) if sk.v.oow_limit else limit
        if ts.challenge_count <= 0:
            return
        ts.challenge_count -= 1
    ext["TCPChallengeACK"] += 1
    tcp_send_ack(sk)


def tcp_replace_ts_recent(sk: TcpSock, seq: int) -> None:
    opt = sk.rx_opt
    if opt.saw_tstamp and not after(seq, sk.rcv_wup):
        if not tcp_paws_check_discard(sk):
            opt.ts_recent = opt.rcv_tsval
            opt.ts_recent_stamp = sk.ts.ipv4.kernel.engine.now // 1_000_000_000 + 1


def tcp_paws_check_discard(sk: TcpSock) -> bool:
    """Whether the time stamp is older than the last one (and that one is not too old itself)."""
    opt = sk.rx_opt
    d = (opt.ts_recent - opt.rcv_tsval) & M32
    if d & 0x80000000 or d == 0:
        return False
    if sk.ts.ipv4.kernel.engine.now // 1_000_000_000 + 1 - opt.ts_recent_stamp >= 24 * 86400:
        return False
    return bool(opt.ts_recent)


def tcp_in_ack_event(sk: TcpSock) -> None:
    """Where a congestion control listens to every ACK; Reno and CUBIC do not."""


def tcp_snd_una_update(sk: TcpSock, ack: int) -> None:
    sk.bytes_acked += (ack - sk.snd_una) & M32
    sk.snd_una = ack


def tcp_ack_update_window(sk: TcpSock, skb: SkBuff, ack: int, ack_seq: int) -> int:
    c = tcb(skb)
    flag = 0
    win = c.window
    if not c.flags & TCPHDR_SYN:
        win <<= sk.rx_opt.snd_wscale
    if (
        after(ack, sk.snd_una)
        or after(ack_seq, sk.snd_wl1)
        or (ack_seq == sk.snd_wl1 and (win > sk.snd_wnd or not win))
    ):
        flag = FLAG_WIN_UPDATE
        sk.snd_wl1 = ack_seq
        if sk.snd_wnd != win:
            sk.snd_wnd = win
            sk.pred_flags = 0
            sk.ts.handlers.fast_path_check(sk)
            if win > sk.max_window:
                sk.max_window = win
                tcp_sync_mss(sk, sk.pmtu_cookie)
    tcp_snd_una_update(sk, ack)
    return flag


# --- SACK ---------------------------------------------------------------------------------------------------
# -----------------------------


class AckState:
    """What one acknowledgement was found to do."""

    __slots__ = ("flag", "sack_rtt_us", "first_rtt_us", "last_rtt_us", "reord", "rexmit", "prior_lost", "acked")

    def __init__(self, flag: int) -> None:
        self.flag = flag
        self.sack_rtt_us = -1
        self.first_rtt_us = -1
        self.last_rtt_us = -1
        self.reord = -1
        self.rexmit = 0
        self.prior_lost = 0
        self.acked = 0


def tcp_check_dsack(sk: TcpSock, blocks: list[tuple[int, int]], ack: int, prior_snd_una: int) -> int:
    """D-SACK in the first block: our retransmission was not needed."""
    ext = sk.ts.ipv4.tcpext
    s0, e0 = blocks[0]
    flag = 0
    if before(s0, ack):
        ext["TCPDSACKRecv"] += 1
    elif len(blocks) > 1 and not after(e0, blocks[1][1]) and not before(s0, blocks[1][0]):
        ext["TCPDSACKOfoRecv"] += 1
    else:
        return 0
    if sk.undo_marker and sk.undo_retrans > 0 and not after(e0, prior_snd_una) and after(e0, sk.undo_marker):
        sk.undo_retrans = max(0, sk.undo_retrans - 1)
    if "TCPDSACKRecvSegs" in ext:
        ext["TCPDSACKRecvSegs"] += 1
    sk.dsack_dups += 1
    sk.rack_dsack = True
    if sk.tlp_high_seq and sk.tlp_retrans and e0 == sk.tlp_high_seq:
        flag |= FLAG_DSACK_TLP
    elif sk.reord_seen:
        pass
    return flag | FLAG_DSACKING_ACK


def tcp_sacktag_write_queue(
    sk: TcpSock, skb: SkBuff, blocks: list[tuple[int, int]], prior_snd_una: int, st: AckState
) -> None:
    """Mark what the peer has."""
    c = tcb(skb)
    dup = tcp_check_dsack(sk, blocks, c.ack_seq, prior_snd_una)
    st.flag |= dup
    if not sk.packets_out or before(c.ack_seq, (prior_snd_una - sk.max_window) & M32):
        return
    use = blocks[1:] if dup else blocks
    for s, e in use:
        if not before(s, e) or after(e, sk.snd_nxt) or not after(e, sk.snd_una):
            if dup == 0 or (s, e) != blocks[0]:
                if not before(s, e) or after(e, sk.snd_nxt):
                    sk.ts.ipv4.tcpext["TCPSACKDiscard"] += 1
            continue
        for t in sk.rtx_queue:
            if not before(t.seq, e):
                break
            if t.sacked & SACKED_ACKED or before(t.seq, s) or after(t.end_seq, e):
                continue
            st.flag |= FLAG_DATA_SACKED
            tcp_rack_advance(sk, t.sacked, t.end_seq, t.tx_us)
            if t.sacked & SACKED_RETRANS:
                if t.sacked & LOST:
                    t.sacked &= ~(LOST | SACKED_RETRANS)
                    sk.lost_out -= 1
                    sk.retrans_out -= 1
                else:
                    t.sacked &= ~SACKED_RETRANS
                    sk.retrans_out -= 1
            else:
                if not t.sacked & EVER_RETRANS:
                    if sk.highest_sack_seq and before(t.seq, sk.highest_sack_seq):
                        tcp_check_sack_reordering(sk, t.seq)
                    if not after(t.end_seq, sk.high_seq):
                        st.flag |= FLAG_ORIG_SACK_ACKED
                    st.sack_rtt_us = sk.mstamp_us - t.tx_us
                if t.sacked & LOST:
                    t.sacked &= ~LOST
                    sk.lost_out -= 1
            t.sacked |= SACKED_ACKED
            sk.sacked_out += 1
            sk.delivered += 1
            if not sk.highest_sack_seq or after(t.seq, sk.highest_sack_seq) or before(sk.highest_sack_seq, sk.snd_una):
                sk.highest_sack_seq = t.seq


def tcp_check_sack_reordering(sk: TcpSock, low_seq: int) -> None:
    fack = sk.highest_sack_seq
    if not before(low_seq, fack):
        return
    metric = (fack - low_seq) & M32
    mss = sk.mss_cache
    if metric > sk.reordering * mss and mss:
        sk.reordering = min((metric + mss - 1) // mss, sk.ts.tcp_max_reordering)
    sk.reord_seen += 1
    sk.ts.ipv4.tcpext["TCPSACKReorder"] += 1


# --- the retransmission queue -------------------------------------------------------------------------------
# --------------------------------


def tcp_clean_rtx_queue(sk: TcpSock, st: AckState, prior_sacked: int) -> None:
    """Free what is acknowledged; samples of the round trip."""
    flag = 0
    first_tx = 0
    last_tx = 0
    q = sk.rtx_queue
    while q:
        t = q[0]
        if after(t.end_seq, sk.snd_una):
            if after(sk.snd_una, t.seq) and not t.flags & TCPHDR_SYN:
                n = (sk.snd_una - t.seq) & M32
                t.data = t.data[n:]
                t.seq = sk.snd_una
            break
        sacked = t.sacked
        if sacked & EVER_RETRANS:
            if sacked & SACKED_RETRANS:
                sk.retrans_out -= 1
            flag |= FLAG_RETRANS_DATA_ACKED
        elif not sacked & SACKED_ACKED:
            last_tx = t.tx_us
            if not first_tx:
                first_tx = last_tx or 1
            if not after(t.end_seq, sk.high_seq):
                flag |= FLAG_ORIG_SACK_ACKED
        if sacked & SACKED_ACKED:
            sk.sacked_out -= 1
        elif sk.rx_opt.sack_ok:
            sk.delivered += 1
            tcp_rack_advance(sk, sacked, t.end_seq, t.tx_us)
        if sacked & LOST:
            sk.lost_out -= 1
        sk.packets_out -= 1
        st.acked += 1
        if t.flags & TCPHDR_SYN:
            flag |= FLAG_SYN_ACKED
            sk.retrans_stamp = 0
        else:
            flag |= FLAG_DATA_ACKED
        q.popleft()
        wfree(sk, t)
    if q and q[0].sacked & SACKED_ACKED:
        flag |= FLAG_SACK_RENEGING
    ca_rtt = -1
    seq_rtt = -1
    if first_tx and not flag & FLAG_RETRANS_DATA_ACKED:
        seq_rtt = sk.mstamp_us - first_tx
        ca_rtt = sk.mstamp_us - last_tx
    rtt_update = tcp_ack_update_rtt(sk, seq_rtt, st.sack_rtt_us, ca_rtt)
    st.flag |= flag
    if flag & FLAG_ACKED:
        st.flag |= FLAG_SET_XMIT_TIMER
        if not sk.rx_opt.sack_ok:
            # Reno: what the cumulative ACK covers was no duplicate
            sk.delivered += max(st.acked - sk.sacked_out, 1)
            sk.sacked_out = max(0, sk.sacked_out - max(st.acked - 1, 0)) if sk.sacked_out else 0
        if not sk.packets_out:
            sk.sacked_out = 0
    elif rtt_update and st.sack_rtt_us >= 0:
        st.flag |= FLAG_SET_XMIT_TIMER
    sk.ca_ops.pkts_acked(sk, ca_rtt if ca_rtt >= 0 else st.sack_rtt_us)


def tcp_ack_probe(sk: TcpSock) -> None:
    """Nothing was out: is a window probe still needed?"""
    if not sk.write_queue:
        return
    if not after(sk.write_queue[0].end_seq, tcp_wnd_end(sk)):
        sk.backoff = 0
        sk.probes_tstamp = 0
        inet_csk_clear_xmit_timer(sk)
    else:
        inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_probe0_when(sk, rto_max(sk)))


def tcp_process_tlp_ack(sk: TcpSock, ack: int, flag: int) -> None:
    if before(ack, sk.tlp_high_seq):
        return
    if not sk.tlp_retrans:
        sk.tlp_high_seq = 0
    elif flag & FLAG_DSACK_TLP:
        sk.tlp_high_seq = 0
    elif after(ack, sk.tlp_high_seq):
        tcp_init_cwnd_reduction(sk)
        tcp_set_ca_state(sk, TCP_CA_CWR)
        tcp_end_cwnd_reduction(sk)
        tcp_try_keep_open(sk)
        sk.ts.ipv4.tcpext["TCPLossProbeRecovery"] += 1
    elif not flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED):
        sk.tlp_high_seq = 0


def tcp_add_reno_sack(sk: TcpSock, n: int) -> None:
    if n:
        sk.sacked_out = min(sk.sacked_out + n, max(sk.packets_out - 1, 0))
        sk.delivered += n


def tcp_identify_packet_loss(sk: TcpSock, st: AckState) -> None:
    if not sk.rtx_queue:
        return
    if not sk.rx_opt.sack_ok:
        # Reno: the head is lost after the threshold of duplicate ACKs
        if sk.sacked_out >= sk.reordering or (sk.ca_state == TCP_CA_Recovery and st.flag & FLAG_SND_UNA_ADVANCED):
            tcp_mark_skb_lost(sk, sk.rtx_queue[0])
    elif sk.v.rack and sk.ts.tcp_recovery & 1:
        prior_retrans = sk.retrans_out
        tcp_rack_mark_lost(sk)
        if prior_retrans > sk.retrans_out:
            st.flag |= FLAG_LOST_RETRANS
    elif sk.sacked_out > sk.reordering - 1:
        n = sk.sacked_out - sk.reordering + 1
        for t in sk.rtx_queue:
            if n <= 0 or not before(t.seq, sk.highest_sack_seq):
                break
            if not t.sacked & (SACKED_ACKED | LOST):
                tcp_mark_skb_lost(sk, t)
                n -= 1


def tcp_fastretrans_alert(sk: TcpSock, prior_snd_una: int, dupacks: int, st: AckState) -> None:
    """The state machine of the sender, run when an ACK is not plain good news."""
    is_dup = dupacks > 0
    if not sk.packets_out and sk.sacked_out:
        sk.sacked_out = 0
    if st.flag & FLAG_ECE:
        sk.prior_ssthresh = 0
    if st.flag & FLAG_SACK_RENEGING and sk.rtx_queue:
        st.flag &= ~FLAG_SET_XMIT_TIMER
        inet_csk_reset_xmit_timer(sk, 1, max(sk.rto >> 1, 1))
        return
    if sk.ca_state == TCP_CA_Open:
        sk.retrans_stamp = 0
    elif not before(sk.snd_una, sk.high_seq):
        if sk.ca_state == TCP_CA_CWR:
            if sk.snd_una != sk.high_seq:
                tcp_end_cwnd_reduction(sk)
                tcp_set_ca_state(sk, TCP_CA_Open)
        elif sk.ca_state == TCP_CA_Recovery:
            if not sk.rx_opt.sack_ok:
                sk.sacked_out = 0
            if tcp_try_undo_recovery(sk):
                return
            tcp_end_cwnd_reduction(sk)
    if sk.ca_state == TCP_CA_Recovery:
        if not st.flag & FLAG_SND_UNA_ADVANCED:
            if not sk.rx_opt.sack_ok:
                tcp_add_reno_sack(sk, dupacks)
        else:
            if tcp_try_undo_partial(sk):
                return
        if tcp_try_undo_dsack(sk):
            tcp_try_keep_open(sk)
        tcp_identify_packet_loss(sk, st)
        if sk.ca_state != TCP_CA_Recovery:
            _time_to_recover(sk, st, is_dup)
            return
    elif sk.ca_state == TCP_CA_Loss:
        tcp_process_loss(sk, dupacks, st)
        if sk.ca_state != TCP_CA_Loss:
            tcp_identify_packet_loss(sk, st)
        if not (sk.ca_state == TCP_CA_Open or st.flag & FLAG_LOST_RETRANS):
            return
    else:
        if not sk.rx_opt.sack_ok:
            if st.flag & FLAG_SND_UNA_ADVANCED:
                sk.sacked_out = 0
            tcp_add_reno_sack(sk, dupacks)
        if sk.ca_state <= TCP_CA_Disorder:
            tcp_try_undo_dsack(sk)
        tcp_identify_packet_loss(sk, st)
        _time_to_recover(sk, st, is_dup)
        if sk.ca_state != TCP_CA_Recovery:
            return
    st.rexmit = 1


def _time_to_recover(sk: TcpSock, st: AckState, is_dup: bool) -> None:
    """tcp_time_to_recover and what follows."""
    if not sk.lost_out:
        if sk.ca_state != TCP_CA_CWR:
            tcp_try_to_open(sk, st)
        elif st.flag & FLAG_ECE:
            tcp_enter_cwr(sk)
        return
    tcp_enter_recovery(sk, bool(st.flag & FLAG_ECE))
    st.rexmit = 1


def tcp_try_to_open(sk: TcpSock, st: AckState) -> None:
    if not sk.retrans_out and not sk.undo_marker:
        sk.retrans_stamp = 0
    if st.flag & FLAG_ECE:
        tcp_enter_cwr(sk)
    if sk.ca_state != TCP_CA_CWR:
        tcp_try_keep_open(sk)


def tcp_process_loss(sk: TcpSock, dupacks: int, st: AckState) -> None:
    recovered = not before(sk.snd_una, sk.high_seq)
    if st.flag & FLAG_SND_UNA_ADVANCED and tcp_try_undo_loss(sk, False):
        return
    if sk.frto:
        if st.flag & FLAG_ORIG_SACK_ACKED and tcp_try_undo_loss(sk, True):
            return
        if after(sk.snd_nxt, sk.high_seq):
            if st.flag & FLAG_DATA_SACKED or dupacks:
                sk.frto = False
        elif st.flag & FLAG_SND_UNA_ADVANCED and not recovered:
            sk.high_seq = sk.snd_nxt
            if sk.write_queue and after(tcp_wnd_end(sk), sk.snd_nxt):
                st.rexmit = 2
            else:
                sk.frto = False
            if st.rexmit:
                return
    if recovered:
        tcp_try_undo_recovery(sk)
        if sk.ca_state == TCP_CA_Loss:
            tcp_set_ca_state(sk, TCP_CA_Open)
        return
    if not sk.rx_opt.sack_ok:
        if after(sk.snd_nxt, sk.high_seq) and dupacks:
            tcp_add_reno_sack(sk, dupacks)
        elif st.flag & FLAG_SND_UNA_ADVANCED:
            sk.sacked_out = 0
            if sk.rtx_queue and not sk.rtx_queue[0].sacked & LOST:
                tcp_mark_skb_lost(sk, sk.rtx_queue[0])
    else:
        tcp_identify_packet_loss(sk, st)
    st.rexmit = 1


def tcp_ack_is_dubious(sk: TcpSock, flag: int) -> bool:
    return not flag & FLAG_NOT_DUP or bool(flag & FLAG_CA_ALERT) or sk.ca_state != TCP_CA_Open


def tcp_cong_control(sk: TcpSock, acked: int, lost: int, flag: int) -> None:
    if sk.ca_state in (TCP_CA_CWR, TCP_CA_Recovery):
        tcp_cwnd_reduction(sk, acked, lost, bool(flag & FLAG_SND_UNA_ADVANCED))
    else:
        raise_ = (
            bool(flag & FLAG_FORWARD_PROGRESS) if sk.reordering > sk.ts.tcp_reordering else bool(flag & FLAG_DATA_ACKED)
        )
        if raise_ and acked > 0:
            sk.ca_ops.cong_avoid(sk, acked)
            sk.snd_cwnd_stamp = jiffies(sk)


def tcp_newly_delivered(sk: TcpSock, prior: int) -> int:
    n = sk.delivered - prior
    sk.ts.ipv4.tcpext["TCPDelivered"] += n
    return n


def tcp_xmit_recovery(sk: TcpSock, rexmit: int) -> None:
    if not rexmit or sk.state == 2:
        return
    if rexmit == 2:
        tcp_write_xmit(sk, tcp_current_mss(sk), TCP_NAGLE_OFF, 0)
        if after(sk.snd_nxt, sk.high_seq):
            return
        sk.frto = False
    tcp_xmit_retransmit_queue(sk)


def tcp_ack(sk: TcpSock, skb: SkBuff, flag: int) -> int:
    """1 = fine, 0 = an old one, ACK_TOO_OLD, ACK_UNSENT: the segment is not to be used."""
    c = tcb(skb)
    ext = sk.ts.ipv4.tcpext
    prior_snd_una = sk.snd_una
    ack_seq = c.seq
    ack = c.ack_seq
    prior_packets = sk.packets_out
    delivered = sk.delivered
    lost = sk.lost
    st = AckState(flag)
    blocks = sack_blocks(skb) if sk.rx_opt.sack_ok and c.doff > 20 else []
    if before(ack, prior_snd_una):
        if before(
            ack, (prior_snd_una - min(sk.max_window, sk.bytes_acked if sk.v.can_ingest else sk.max_window)) & M32
        ):
            if not flag & FLAG_NO_CHALLENGE_ACK:
                tcp_send_challenge_ack(sk)
            return ACK_TOO_OLD
        if blocks:
            tcp_sacktag_write_queue(sk, skb, blocks, prior_snd_una, st)
            tcp_fastretrans_alert(sk, prior_snd_una, 0, st)
            tcp_newly_delivered(sk, delivered)
            tcp_xmit_recovery(sk, st.rexmit)
        return 0
    if after(ack, sk.snd_nxt):
        if sk.v.challenge_unsent and not flag & FLAG_NO_CHALLENGE_ACK:
            tcp_send_challenge_ack(sk)
        return ACK_UNSENT
    if after(ack, prior_snd_una):
        st.flag |= FLAG_SND_UNA_ADVANCED
        sk.retransmits = 0
    if flag & FLAG_UPDATE_TS_RECENT:
        tcp_replace_ts_recent(sk, c.seq)
    if st.flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED) == FLAG_SND_UNA_ADVANCED:
        sk.snd_wl1 = ack_seq
        tcp_snd_una_update(sk, ack)
        st.flag |= FLAG_WIN_UPDATE
        tcp_in_ack_event(sk)
        ext["TCPHPAcks"] += 1
    else:
        if ack_seq != c.end_seq:
            st.flag |= FLAG_DATA
        else:
            ext["TCPPureAcks"] += 1
        st.flag |= tcp_ack_update_window(sk, skb, ack, ack_seq)
        if blocks:
            tcp_sacktag_write_queue(sk, skb, blocks, prior_snd_una, st)
        if sk.ecn_flags & TCP_ECN_OK and c.flags & TCPHDR_ECE and not c.flags & TCPHDR_SYN:
            st.flag |= FLAG_ECE
        tcp_in_ack_event(sk)
    sk.err_soft = 0
    sk.probes_out = 0
    sk.rcv_tstamp = jiffies(sk)
    if not prior_packets:
        if st.flag & FLAG_DSACKING_ACK:
            tcp_fastretrans_alert(sk, prior_snd_una, 0, st)
            tcp_newly_delivered(sk, delivered)
        tcp_ack_probe(sk)
        if sk.tlp_high_seq:
            tcp_process_tlp_ack(sk, ack, st.flag)
        return 1
    tcp_clean_rtx_queue(sk, st, sk.sacked_out)
    if sk.tlp_high_seq:
        tcp_process_tlp_ack(sk, ack, st.flag)
    if tcp_ack_is_dubious(sk, st.flag):
        dup = 0
        if not st.flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK):
            dup = max(1, skb.gso_segs)
        tcp_fastretrans_alert(sk, prior_snd_una, dup, st)
    if st.flag & FLAG_SET_XMIT_TIMER and sk.icsk_pending != 6:
        if not tcp_schedule_loss_probe(sk, True):
            tcp_rearm_rto(sk)
    elif not sk.packets_out and sk.icsk_pending in (1, ICSK_TIME_LOSS_PROBE):
        inet_csk_clear_xmit_timer(sk)
    n = tcp_newly_delivered(sk, delivered)
    tcp_cong_control(sk, n, sk.lost - lost, st.flag)
    tcp_update_pacing_rate(sk)
    if st.flag & FLAG_DATA_ACKED and not sk.userlocks & 1 and tcp_packets_in_flight(sk) < sk.snd_cwnd:
        tcp_sndbuf_expand(sk)
    tcp_xmit_recovery(sk, st.rexmit)
    return 1


__all__ = ["tcp_ack", "tcp_enter_loss", "tcp_rack_reo_wnd"]
