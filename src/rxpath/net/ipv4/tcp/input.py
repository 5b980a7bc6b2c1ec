"""The state machine: header prediction, validation of segments, every state's reaction.

Facts: net/ipv4/tcp_input.c tcp_rcv_established, tcp_validate_incoming, tcp_rcv_state_process,
tcp_rcv_synsent_state_process (5.15, 6.1; 6.18 as recorded); order of functions recorded on 6.1.
"""

from __future__ import annotations

from rxpath.net.core.skbuff import (
    CHECKSUM_COMPLETE,
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    SkBuff,
    consume_skb,
    kfree_skb_reason,
)
from rxpath.net.core.sock import (
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_LAST_ACK,
    TCP_LISTEN,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    TCP_TIME_WAIT,
    sock_def_readable,
    sock_def_wakeup,
)
from rxpath.net.ipv4.mib import TCP_MIB_CSUMERRORS, TCP_MIB_INERRS
from rxpath.net.ipv4.route import dst_metric
from rxpath.net.ipv4.tcp.accecn import tcp_ecn_rcv_synack, tcp_ecn_received_counters
from rxpath.net.ipv4.tcp.ack import (
    ACK_TOO_OLD,
    ACK_UNSENT,
    FLAG_DATA,
    FLAG_NO_CHALLENGE_ACK,
    FLAG_SLOWPATH,
    FLAG_TS_PROGRESS,
    FLAG_UPDATE_TS_RECENT,
    tcp_ack,
    tcp_oow_rate_limited,
    tcp_send_challenge_ack,
)
from rxpath.net.ipv4.tcp.fastopen import (
    tcp_parse_fastopen_option,
    tcp_rcv_fastopen_synack,
    tcp_rcv_synrecv_state_fastopen,
)
from rxpath.net.ipv4.tcp.minisocks import tcp_check_req_fastopen, tcp_time_wait, timewait_len
from rxpath.net.ipv4.tcp.options import tcp_fast_parse_options, tcp_parse_aligned_timestamp, tcp_parse_options
from rxpath.net.ipv4.tcp.output import (
    TCP_TIMEOUT_MIN,
    inet_csk_reset_xmit_timer,
    jiffies,
    tcp_data_snd_check,
    tcp_init_cwnd,
    tcp_mstamp_refresh,
    tcp_mtup_init,
    tcp_send_ack,
    tcp_send_ack_reflect_ect,
    tcp_send_synack,
    tcp_sync_mss,
    tcp_time_stamp,
    tcp_update_pacing_rate,
)
from rxpath.net.ipv4.tcp.prequeue import Ucopy
from rxpath.net.ipv4.tcp.rcvbuf import (
    tcp_init_buffer_space,
    tcp_initialize_rcv_mss,
    tcp_rcv_rtt_measure_ts,
    tcp_receive_window,
)
from rxpath.net.ipv4.tcp.rcvq import (
    __tcp_ack_snd_check,
    inet_csk_schedule_ack,
    tcp_ack_snd_check,
    tcp_data_queue,
    tcp_data_ready,
    tcp_drop_reason,
    tcp_enter_quickack_mode,
    tcp_event_data_recv,
    tcp_fast_path_on,
    tcp_queue_rcv,
    tcp_rcv_nxt_update,
    tcp_send_dupack,
)
from rxpath.net.ipv4.tcp.seq import M32, after, before, between, s32
from rxpath.net.ipv4.tcp.sites import (
    SITE_ABORT_ON_DATA,
    SITE_ACK,
    SITE_ACK_UNSENT,
    SITE_BEYOND,
    SITE_CLOSED,
    SITE_CSUM,
    SITE_FLAGS,
    SITE_INVALID_ACK,
    SITE_INVALID_END,
    SITE_INVALID_SEQUENCE,
    SITE_INVALID_SYN,
    SITE_NOT_SPECIFIED,
    SITE_OLD_ACK,
    SITE_OLD_SEQUENCE,
    SITE_PAWS,
    SITE_PAWS_ACK,
    SITE_RESET,
    SITE_RST,
    SITE_SHORT_HDR,
    SITE_SYN,
    SITE_TOO_OLD_ACK,
)
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_SCHED,
    ICSK_ACK_TIMER,
    ICSK_TIME_RETRANS,
    TCP_ECN_MODE_ACCECN,
    TCP_ECN_MODE_ANY,
    TCP_MAX_QUICKACKS,
    TCP_URG_NOTYET,
    TCP_URG_VALID,
    TcpSock,
    tcb,
)
from rxpath.net.ipv4.tcp.state import end_unread, tcp_done, tcp_reset, tcp_set_state
from rxpath.sim.ledger import Site
from rxpath.wire.checksum import csum_partial, csum_tcpudp_magic
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_CWR, TCPHDR_ECE, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN, TCPHDR_URG


def tcp_checksum_complete(skb: SkBuff) -> bool:
    """True when the checksum is BAD.  Verified once."""
    if skb.csum_valid or skb.ip_summed in (CHECKSUM_UNNECESSARY, CHECKSUM_PARTIAL):
        return False
    c = tcb(skb)
    off = skb.data - c.th
    if skb.frag_list is None:
        seg = skb.head[c.th : skb.tail]
    else:
        seg = skb.head[c.th : skb.data] + skb.tobytes()
    n = skb.len + off
    if csum_tcpudp_magic(c.saddr, c.daddr, n, 6, csum_partial(seg)):
        return True
    skb.csum_valid = True
    if skb.ip_summed == CHECKSUM_COMPLETE:
        skb.ip_summed = CHECKSUM_UNNECESSARY
    return False


def tcp_copy_to_iovec(sk: TcpSock, skb: SkBuff, hlen: int) -> bool:
    """The payload behind `hlen` bytes of header into the buffer of the reader, who has room for it (until 4.13).
    False: the checksum is bad (it is looked at while copying).
    """
    if tcp_checksum_complete(skb):
        return False
    Ucopy.copy(sk, skb, hlen, skb.len - hlen)
    return True


def tcp_csum_error(sk: TcpSock, skb: SkBuff) -> None:
    tp = sk.net.kernel.trace.tcp_bad_csum
    if tp.on:
        tp.fire(skb)
    tcp = sk.ts.ipv4.tcp
    tcp[TCP_MIB_CSUMERRORS] += 1
    tcp[TCP_MIB_INERRS] += 1


def pull_header(skb: SkBuff) -> None:
    """skb.data to the payload."""
    skb.pull(tcb(skb).doff)


def tcp_store_ts_recent(sk: TcpSock) -> int:
    """FLAG_TS_PROGRESS when the peer's clock went on."""
    flag = FLAG_TS_PROGRESS if after(sk.rx_opt.rcv_tsval, sk.rx_opt.ts_recent) else 0
    sk.rx_opt.ts_recent = sk.rx_opt.rcv_tsval
    sk.rx_opt.ts_recent_stamp = sk.ts.ipv4.kernel.engine.now // 1_000_000_000 + 1
    return flag


def tcp_rcv_established(sk: TcpSock, skb: SkBuff) -> None:
    """A segment of an established connection; skb.data at the TCP header."""
    tcp_mstamp_refresh(sk)
    opt = sk.rx_opt
    opt.saw_tstamp = False
    opt.accecn = 0
    flag = 0
    c = tcb(skb)
    hl = sk.header_len
    fast = c.word & sk.v.hp_mask == sk.pred_flags and c.seq == sk.rcv_nxt and not after(c.ack_seq, sk.snd_nxt)
    if fast and hl == 32:
        fast = tcp_parse_aligned_timestamp(sk, skb, c.th) and s32(opt.rcv_tsval - opt.ts_recent) >= 0
    if fast:
        n = skb.len
        if n <= hl:
            if n < hl:
                sk.ts.ipv4.tcp[TCP_MIB_INERRS] += 1
                tcp_drop_reason(sk, skb, SITE_SHORT_HDR)
                return
            if hl == 32 and sk.rcv_nxt == sk.rcv_wup:
                flag = tcp_store_ts_recent(sk)
            if c.dsfield & 3 or sk.prev_ecnfield:
                tcp_ecn_received_counters(sk, skb, 0)
            tcp_ack(sk, skb, flag)
            consume_skb(skb, SITE_ACK)
            tcp_data_snd_check(sk)
            sk.rcv_rtt_last_tsecr = opt.rcv_tsecr
            return
        eaten = False
        if n - hl <= sk.ucopy_len and sk.copied_seq == sk.rcv_nxt and Ucopy.is_reader(sk):
            Ucopy.wake(sk)
            eaten = tcp_copy_to_iovec(sk, skb, hl)
        if not eaten and tcp_checksum_complete(skb):
            tcp_csum_error(sk, skb)
            tcp_drop_reason(sk, skb, SITE_CSUM)
            return
        if sk.v.end_sequence and after(c.end_seq, (sk.rcv_nxt + tcp_receive_window(sk)) & M32):
            if not tcp_validate_incoming(sk, skb, True):
                return
        elif eaten or skb.truesize <= sk.forward_alloc:
            if hl == 32 and sk.rcv_nxt == sk.rcv_wup:
                flag = tcp_store_ts_recent(sk)
            tcp_rcv_rtt_measure_ts(sk, skb)
            if c.dsfield & 3 or sk.prev_ecnfield:
                tcp_ecn_received_counters(sk, skb, n - hl)
            pull_header(skb)
            if eaten:
                tcp_rcv_nxt_update(sk, c.end_seq)
                sk.ts.ipv4.tcpext["TCPHPHitsToUser"] += 1
            else:
                sk.ts.ipv4.tcpext["TCPHPHits"] += 1
                tcp_queue_rcv(sk, skb)
            tcp_event_data_recv(sk, skb)
            if c.ack_seq != sk.snd_una:
                tcp_ack(sk, skb, flag | FLAG_DATA)
                tcp_data_snd_check(sk)
                if not sk.ack_pending & ICSK_ACK_SCHED:
                    if eaten:
                        Ucopy.consume(sk, skb)
                    tcp_data_ready(sk)
                    return
            else:
                sk.snd_wl1 = c.seq
            __tcp_ack_snd_check(sk, False)
            if eaten:
                Ucopy.consume(sk, skb)
            tcp_data_ready(sk)
            return
    else:
        if tcp_checksum_complete(skb):
            tcp_csum_error(sk, skb)
            tcp_drop_reason(sk, skb, SITE_CSUM)
            return
        if not c.flags & sk.v.first_flags:
            tcp_drop_reason(sk, skb, SITE_FLAGS)
            return
        if not tcp_validate_incoming(sk, skb, True):
            return
    if c.dsfield & 3 or sk.prev_ecnfield:
        tcp_ecn_received_counters(sk, skb, skb.len - c.doff)
    r = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT)
    if r < 0:
        tcp_drop_reason(sk, skb, ack_site(r))
        return
    tcp_rcv_rtt_measure_ts(sk, skb)
    tcp_urg(sk, skb)
    pull_header(skb)
    tcp_data_queue(sk, skb)
    tcp_data_snd_check(sk)
    tcp_ack_snd_check(sk)


def ack_site(r: int) -> Site:
    return SITE_TOO_OLD_ACK if r == ACK_TOO_OLD else SITE_ACK_UNSENT if r == ACK_UNSENT else SITE_OLD_ACK


# --- validation -----------------------------------------------------------------------------------


def tcp_paws_discard(sk: TcpSock, skb: SkBuff) -> bool:
    opt = sk.rx_opt
    if s32(opt.ts_recent - opt.rcv_tsval) <= 1:
        return False
    if sk.ts.ipv4.kernel.engine.now // 1_000_000_000 + 1 - opt.ts_recent_stamp >= 24 * 86400 or not opt.ts_recent:
        return False
    return not tcp_disordered_ack(sk, skb)


def tcp_disordered_ack(sk: TcpSock, skb: SkBuff) -> bool:
    """A pure ACK that was overtaken does no harm."""
    c = tcb(skb)
    opt = sk.rx_opt
    win = c.window << opt.snd_wscale
    may_update = after(c.ack_seq, sk.snd_una) or after(c.seq, sk.snd_wl1) or (c.seq == sk.snd_wl1 and win > sk.snd_wnd)
    replay = sk.rto * sk.v.replay_window // sk.ts.ipv4.kernel.hz
    return bool(
        c.flags & TCPHDR_ACK
        and c.seq == c.end_seq
        and c.seq == sk.rcv_nxt
        and c.ack_seq == sk.snd_una
        and not may_update
        and s32(opt.ts_recent - opt.rcv_tsval) <= replay
    )


def tcp_sequence(sk: TcpSock, seq: int, end_seq: int, fin: bool) -> Site | None:
    """Why the segment is outside of the window, or None.  (Inline in Linux.)"""
    v = sk.v
    if before(end_seq, sk.rcv_wup):
        return SITE_OLD_SEQUENCE if v.old_sequence_reason else SITE_INVALID_SEQUENCE
    end = (sk.rcv_nxt + tcp_receive_window(sk)) & M32
    if v.end_sequence:
        if after(end_seq, end):
            if fin and not after((end_seq - 1) & M32, end):
                return None  # stable releases since 2026: a FIN may stand beyond the window
            if after(seq, end):
                return SITE_BEYOND
            if sk.receive_queue:
                return SITE_INVALID_END
        return None
    return SITE_INVALID_SEQUENCE if after(seq, end) else None


def tcp_reset_check(sk: TcpSock, seq: int) -> bool:
    """A RST with the number of the FIN that it follows (4.13)."""
    return (
        sk.v.rst_behind_fin
        and seq == (sk.rcv_nxt - 1) & M32
        and sk.state in (TCP_CLOSE_WAIT, TCP_LAST_ACK, TCP_CLOSING)
    )


def tcp_validate_incoming(sk: TcpSock, skb: SkBuff, syn_inerr: bool) -> bool:
    """PAWS, sequence, RST, SYN.  False: the segment was ended."""
    c = tcb(skb)
    ext = sk.ts.ipv4.tcpext
    rst = c.flags & TCPHDR_RST
    if tcp_fast_parse_options(sk, skb) and sk.rx_opt.saw_tstamp and tcp_paws_discard(sk, skb) and not rst:
        if c.flags & TCPHDR_SYN and sk.v.paws_old_ack:
            _syn_challenge(sk, skb, syn_inerr)
            return False
        if sk.v.paws_old_ack and c.flags & TCPHDR_ACK and c.seq == c.end_seq and before(c.seq, sk.rcv_nxt):
            ext["PAWSOldAck"] += 1
            tcp_drop_reason(sk, skb, SITE_PAWS_ACK)
            return False
        ext["PAWSEstab"] += 1
        if not tcp_oow_rate_limited(sk, skb, "TCPACKSkippedPAWS"):
            tcp_send_dupack(sk, skb)
        tcp_drop_reason(sk, skb, SITE_PAWS)
        return False
    bad = tcp_sequence(sk, c.seq, c.end_seq, bool(c.flags & TCPHDR_FIN))
    if bad is not None:
        if not rst:
            if c.flags & TCPHDR_SYN:
                _syn_challenge(sk, skb, syn_inerr)
                return False
            if bad is SITE_BEYOND or bad is SITE_INVALID_END:
                if "BeyondWindow" in ext:
                    ext["BeyondWindow"] += 1
            if not tcp_oow_rate_limited(sk, skb, "TCPACKSkippedSeq"):
                tcp_send_dupack(sk, skb)
        elif tcp_reset_check(sk, c.seq):
            tcp_reset(sk)
            consume_skb(skb, SITE_RST)
            return False
        tcp_drop_reason(sk, skb, bad)
        return False
    if rst:
        ok = c.seq == sk.rcv_nxt or tcp_reset_check(sk, c.seq)
        if not ok and sk.v.rst_sack_edge and sk.rx_opt.sack_ok and sk.selective_acks:
            edge = sk.selective_acks[0][1]
            for b in sk.selective_acks[1:]:
                if after(b[1], edge):
                    edge = b[1]
            ok = c.seq == edge
        if ok:
            tcp_reset(sk)
            consume_skb(skb, SITE_RST)
            return False
        tcp_send_challenge_ack(sk)
        tcp_drop_reason(sk, skb, SITE_RESET)
        return False
    if c.flags & TCPHDR_SYN:
        if (
            sk.v.crossed_syn_passes
            and sk.state == TCP_SYN_RECV
            and not sk.orphan
            and c.flags & TCPHDR_ACK
            and (c.seq + 1) & M32 == c.end_seq == sk.rcv_nxt
            and c.ack_seq == sk.snd_nxt
        ):
            return True
        _syn_challenge(sk, skb, syn_inerr, True)
        return False
    return True


def _syn_challenge(sk: TcpSock, skb: SkBuff, syn_inerr: bool, inside: bool = False) -> None:
    if syn_inerr:
        sk.ts.ipv4.tcp[TCP_MIB_INERRS] += 1
    sk.ts.ipv4.tcpext["TCPSYNChallenge"] += 1
    # only a SYN inside the window is answered with AccECN's reflection
    tcp_send_challenge_ack(sk, inside and bool(sk.ecn_flags & TCP_ECN_MODE_ACCECN))
    tcp_drop_reason(sk, skb, SITE_INVALID_SYN)


# --- urgent data ----------------------------------------------------------------------------------


def tcp_check_urg(sk: TcpSock, skb: SkBuff) -> None:
    c = tcb(skb)
    ptr = c.urg_ptr
    if ptr and not sk.ts.tcp_stdurg:
        ptr -= 1
    ptr = (ptr + c.seq) & M32
    if after(sk.copied_seq, ptr) or before(ptr, sk.rcv_nxt):
        return
    if sk.urg_data and not after(ptr, sk.urg_seq):
        return
    if sk.urg_seq == sk.copied_seq and sk.urg_data and not sk.urginline and sk.copied_seq != sk.rcv_nxt:
        sk.copied_seq = (sk.copied_seq + 1) & M32
        if sk.receive_queue and not before(sk.copied_seq, tcb(sk.receive_queue[0]).end_seq):
            end_unread(sk, sk.receive_queue.popleft())
    sk.urg_data = TCP_URG_NOTYET
    sk.urg_seq = ptr
    sk.pred_flags = 0


def tcp_urg(sk: TcpSock, skb: SkBuff) -> None:
    c = tcb(skb)
    if c.flags & TCPHDR_URG:
        tcp_check_urg(sk, skb)
    if sk.urg_data == TCP_URG_NOTYET:
        ptr = (sk.urg_seq - c.seq) + c.doff - (1 if c.flags & TCPHDR_SYN else 0)
        ptr &= M32
        if ptr < skb.len:
            sk.urg_data = TCP_URG_VALID | skb.tobytes()[ptr]
            if not sk.orphan:
                sock_def_readable(sk)


# --- the other states -----------------------------------------------------------------------------


def tcp_init_transfer(sk: TcpSock) -> None:
    tcp_mtup_init(sk)
    sk.ts.handlers.rebuild_header(sk)
    sk.snd_cwnd = 1 if sk.total_retrans > 1 and sk.undo_marker else tcp_init_cwnd(sk)
    sk.snd_cwnd_stamp = jiffies(sk)
    rto_min = dst_metric(sk.dst, "rto_min")
    if rto_min:
        sk.rto_min = max(rto_min * sk.ts.ipv4.kernel.hz // 1000, 1)
    if not sk.srtt_us:
        sk.rttvar_us = sk.mdev_us = sk.mdev_max_us = 3_000_000
        sk.rto = 3 * sk.ts.ipv4.kernel.hz
    sk.ca_ops.init(sk)
    sk.tos &= ~3  # none of these controls wants ECN of itself: INET_ECN_dontxmit
    tcp_init_buffer_space(sk)


def tcp_finish_connect(sk: TcpSock) -> None:
    tcp_set_state(sk, TCP_ESTABLISHED)
    sk.lrcvtime = jiffies(sk)
    tcp_init_transfer(sk)
    sk.lsndtime = jiffies(sk)
    if sk.keepalive:
        sk.ts.handlers.reset_keepalive(sk, sk.keepalive_time or sk.ts.tcp_keepalive_time)
    if not sk.rx_opt.snd_wscale:
        tcp_fast_path_on(sk)
    else:
        sk.pred_flags = 0


def tcp_clear_options(sk: TcpSock, mss_clamp: int) -> None:
    o = sk.rx_opt
    o.tstamp_ok = o.sack_ok = o.wscale_ok = False
    o.snd_wscale = 0
    o.mss_clamp = mss_clamp


def tcp_rcv_synsent_state_process(sk: TcpSock, skb: SkBuff) -> tuple[bool, Site | None]:
    """(True: the segment was ended, reason for a RST or None).  False: go on with its text."""
    c = tcb(skb)
    opt = sk.rx_opt
    saved = opt.mss_clamp
    tcp_parse_options(sk.ts, skb, opt, False)
    if opt.saw_tstamp and opt.rcv_tsecr:
        opt.rcv_tsecr = (opt.rcv_tsecr - sk.tsoffset) & M32
    if c.flags & TCPHDR_ACK:
        if not after(c.ack_seq, sk.snd_una) or after(c.ack_seq, sk.snd_nxt):
            if sk.retransmits == 0:
                inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN)
            tcp_clear_options(sk, saved)
            return True, SITE_INVALID_ACK
        if opt.saw_tstamp and opt.rcv_tsecr:
            first = sk.ts.clock(sk.retrans_stamp)
            if not between(opt.rcv_tsecr, first, (tcp_time_stamp(sk) - sk.tsoffset) & M32):
                sk.ts.ipv4.tcpext["PAWSActive"] += 1
                tcp_clear_options(sk, saved)
                return True, SITE_PAWS
        if c.flags & TCPHDR_RST:
            tcp_reset(sk)
            consume_skb(skb, SITE_RST)
            return True, None
        if not c.flags & TCPHDR_SYN:
            tcp_clear_options(sk, saved)
            tcp_drop_reason(sk, skb, SITE_FLAGS)
            return True, None
        tcp_ecn_rcv_synack(sk, skb)
        sk.snd_wl1 = c.seq
        tcp_ack(sk, skb, FLAG_SLOWPATH)
        sk.rcv_nxt = (c.seq + 1) & M32
        sk.rcv_wup = sk.rcv_nxt
        sk.snd_wnd = c.window
        if not opt.wscale_ok:
            opt.snd_wscale = opt.rcv_wscale = 0
            sk.window_clamp = min(sk.window_clamp, 65535)
        if opt.saw_tstamp:
            opt.tstamp_ok = True
            sk.header_len = 32
            sk.advmss -= 12
            tcp_store_ts_recent(sk)
        else:
            sk.header_len = 20
        sk.max_window = max(sk.max_window, sk.snd_wnd)
        tcp_sync_mss(sk, sk.pmtu_cookie)
        tcp_initialize_rcv_mss(sk)
        sk.copied_seq = sk.rcv_nxt
        tcp_finish_connect(sk)
        failed = (sk.syn_fastopen or sk.syn_data) and tcp_rcv_fastopen_synack(sk, skb, tcp_parse_fastopen_option(skb))
        if not sk.orphan:
            sock_def_wakeup(sk)
        if failed:
            consume_skb(skb, SITE_SYN)
            return True, None
        if sk.write_pending or sk.defer_accept or sk.pingpong >= sk.ts.tcp_pingpong_thresh:
            inet_csk_schedule_ack(sk)
            tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS)
            sk.ack_timeout = jiffies(sk) + sk.delack_max
            sk.ack_pending |= ICSK_ACK_TIMER
            sk.delack_timer.mod_timer(sk.ack_timeout)
            consume_skb(skb, SITE_SYN)
            return True, None
        if sk.ecn_flags & TCP_ECN_MODE_ACCECN:
            tcp_send_ack_reflect_ect(sk)
        else:
            tcp_send_ack(sk)
        return False, None
    if c.flags & TCPHDR_RST:
        tcp_clear_options(sk, saved)
        tcp_drop_reason(sk, skb, SITE_RESET)
        return True, None
    if c.flags & TCPHDR_SYN:
        tcp_set_state(sk, TCP_SYN_RECV)
        if opt.saw_tstamp:
            opt.tstamp_ok = True
            tcp_store_ts_recent(sk)
            sk.header_len = 32
        else:
            sk.header_len = 20
        sk.rcv_nxt = (c.seq + 1) & M32
        sk.copied_seq = sk.rcv_nxt
        sk.rcv_wup = sk.rcv_nxt
        sk.snd_wnd = c.window
        sk.snd_wl1 = c.seq
        sk.max_window = sk.snd_wnd
        if sk.ecn_flags & TCP_ECN_MODE_ANY and c.flags & (TCPHDR_ECE | TCPHDR_CWR) != TCPHDR_ECE | TCPHDR_CWR:
            sk.ecn_flags = 0
        tcp_mtup_init(sk)
        tcp_sync_mss(sk, sk.pmtu_cookie)
        tcp_initialize_rcv_mss(sk)
        tcp_send_synack(sk)
        consume_skb(skb, SITE_SYN)
        return True, None
    tcp_clear_options(sk, saved)
    tcp_drop_reason(sk, skb, SITE_NOT_SPECIFIED)
    return True, None


def tcp_fin_time(sk: TcpSock) -> int:
    t = sk.linger2 or sk.ts.tcp_fin_timeout
    rto = sk.rto
    return max(t, (rto << 2) - (rto >> 1))


def tcp_rcv_state_process(sk: TcpSock, skb: SkBuff) -> Site | None:
    """All states but ESTABLISHED and TIME_WAIT; skb.data at the TCP header.  A site: answer with RST, then
    drop it there.
    """
    c = tcb(skb)
    state = sk.state
    h = sk.ts.handlers
    if state == TCP_CLOSE:
        tcp_drop_reason(sk, skb, SITE_CLOSED)
        return None
    if state == TCP_LISTEN:
        if c.flags & TCPHDR_ACK:
            return SITE_FLAGS
        if c.flags & TCPHDR_RST:
            tcp_drop_reason(sk, skb, SITE_RESET)
            return None
        if c.flags & TCPHDR_SYN:
            if c.flags & TCPHDR_FIN:
                tcp_drop_reason(sk, skb, SITE_FLAGS)
                return None
            h.conn_request(sk, skb)
            return None
        tcp_drop_reason(sk, skb, SITE_FLAGS)
        return None
    if state == TCP_SYN_SENT:
        sk.rx_opt.saw_tstamp = False
        tcp_mstamp_refresh(sk)
        done, site = tcp_rcv_synsent_state_process(sk, skb)
        if done:
            return site
        tcp_urg(sk, skb)
        consume_skb(skb, SITE_SYN)
        tcp_data_snd_check(sk)
        return None
    tcp_mstamp_refresh(sk)
    sk.rx_opt.saw_tstamp = False
    req = sk.fastopen_rsk
    if req is not None:
        refused = tcp_check_req_fastopen(sk, skb, req)
        if refused is not None:
            tcp_drop_reason(sk, skb, refused)
            return None
    if not c.flags & sk.v.first_flags:
        tcp_drop_reason(sk, skb, SITE_FLAGS)
        return None
    if not tcp_validate_incoming(sk, skb, False):
        return None
    if not c.flags & TCPHDR_ACK:
        tcp_drop_reason(sk, skb, SITE_FLAGS)
        return None
    r = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK)
    if r <= 0:
        if sk.state == TCP_SYN_RECV:
            return SITE_OLD_ACK if r == 0 else ack_site(r)
        if r < 0 and sk.v.bad_ack_ends:
            tcp_send_challenge_ack(sk)
            tcp_drop_reason(sk, skb, ack_site(r))
            return None
    state = sk.state
    if state == TCP_SYN_RECV:
        sk.delivered += 1
        if not sk.srtt_us:
            h.synack_rtt_meas(sk)
        if req is None and (sk.hashed_key is None or sk.listener is None):
            sk.copied_seq = sk.rcv_nxt
        if sk.v.advmss_early and sk.rx_opt.tstamp_ok:
            sk.advmss -= 12
        if sk.undo_marker and sk.rx_opt.saw_tstamp and sk.synack_stamp == sk.rx_opt.rcv_tsecr and sk.synack_stamp:
            sk.undo_marker = 0
        if req is not None:
            tcp_rcv_synrecv_state_fastopen(sk)
        else:
            tcp_init_transfer(sk)
        tcp_update_pacing_rate(sk)
        tcp_set_state(sk, TCP_ESTABLISHED)
        if not sk.orphan:
            sock_def_wakeup(sk)
        sk.snd_una = c.ack_seq
        sk.snd_wnd = c.window << sk.rx_opt.snd_wscale
        sk.snd_wl1 = c.seq
        if not sk.v.advmss_early and sk.rx_opt.tstamp_ok:
            sk.advmss -= 12
        sk.lsndtime = jiffies(sk)
        tcp_initialize_rcv_mss(sk)
        tcp_fast_path_on(sk)
        if sk.shutdown & SEND_SHUTDOWN:
            h.tcp_shutdown(sk, SEND_SHUTDOWN)
    elif state == TCP_FIN_WAIT1:
        if req is not None:
            tcp_rcv_synrecv_state_fastopen(sk)
        if sk.snd_una == sk.write_seq:
            tcp_set_state(sk, TCP_FIN_WAIT2)
            sk.shutdown |= SEND_SHUTDOWN
            if not sk.orphan:
                sock_def_wakeup(sk)
            else:
                fin = 1 if c.flags & TCPHDR_FIN else 0
                if sk.linger2 < 0 or (c.end_seq != c.seq and after((c.end_seq - fin) & M32, sk.rcv_nxt)):
                    sk.ts.ipv4.tcpext["TCPAbortOnData"] += 1
                    tcp_done(sk)
                    return SITE_ABORT_ON_DATA
                tmo = tcp_fin_time(sk)
                tw = timewait_len(sk.ts)
                if tmo > tw:
                    h.reset_keepalive(sk, tmo - tw)
                elif fin or sk.owned:
                    h.reset_keepalive(sk, tmo)
                else:
                    tcp_time_wait(sk, TCP_FIN_WAIT2, tmo)
                    consume_skb(skb, SITE_ACK)
                    return None
    elif state == TCP_CLOSING:
        if sk.snd_una == sk.write_seq:
            tcp_time_wait(sk, TCP_TIME_WAIT, 0)
            consume_skb(skb, SITE_ACK)
            return None
    elif state == TCP_LAST_ACK:
        if sk.snd_una == sk.write_seq:
            tcp_done(sk)
            consume_skb(skb, SITE_ACK)
            return None
    tcp_urg(sk, skb)
    state = sk.state
    queued = False
    if state in (TCP_CLOSE_WAIT, TCP_CLOSING, TCP_LAST_ACK, TCP_FIN_WAIT1, TCP_FIN_WAIT2):
        if state in (TCP_FIN_WAIT1, TCP_FIN_WAIT2) or before(c.seq, sk.rcv_nxt):
            if sk.shutdown & RCV_SHUTDOWN and c.end_seq != c.seq:
                fin = 1 if c.flags & TCPHDR_FIN else 0
                if after((c.end_seq - fin) & M32, sk.rcv_nxt):
                    sk.ts.ipv4.tcpext["TCPAbortOnData"] += 1
                    tcp_reset(sk)
                    return SITE_ABORT_ON_DATA
            pull_header(skb)
            tcp_data_queue(sk, skb)
            queued = True
    elif state == TCP_ESTABLISHED:
        pull_header(skb)
        tcp_data_queue(sk, skb)
        queued = True
    if sk.state != TCP_CLOSE:
        tcp_data_snd_check(sk)
        tcp_ack_snd_check(sk)
    if not queued:
        if c.seq == c.end_seq and state in (TCP_CLOSE_WAIT, TCP_CLOSING, TCP_LAST_ACK):
            drop_ack(sk, skb)
        else:
            tcp_drop_reason(sk, skb, SITE_NOT_SPECIFIED)
    return None


def drop_ack(sk: TcpSock, skb: SkBuff) -> None:
    """A pure ACK in a state that queues nothing: used, though Linux shows it as a drop without a reason."""
    sk.drops += 1
    kfree_skb_reason(skb, SITE_NOT_SPECIFIED)
