"""What an incoming acknowledgement does to the sender: window, SACK blocks, the retransmission queue, congestion
control.

Facts: net/ipv4/tcp_input.c tcp_ack and its helpers (5.15, 6.1).
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.sock import TCP_SYN_SENT
from rxpath.net.ipv4.tcp.accecn import tcp_accecn_process
from rxpath.net.ipv4.tcp.mtup import tcp_mtup_probe_failed, tcp_mtup_probe_success
from rxpath.net.ipv4.tcp.notify import tcp_ack_tstamp, tcp_notice_acked, tcp_skb_collapse_tstamp
from rxpath.net.ipv4.tcp.options import sack_blocks
from rxpath.net.ipv4.tcp.output import (
    CHRONO_BUSY,
    __tcp_push_pending_frames,
    inet_csk_clear_xmit_timer,
    inet_csk_reset_xmit_timer,
    jiffies,
    rto_max,
    tcp_chrono_stop,
    tcp_clamp_probe0_to_user_timeout,
    tcp_current_mss,
    tcp_fragment,
    tcp_probe0_when,
    tcp_rearm_rto,
    tcp_reset_xmit_timer,
    tcp_schedule_loss_probe,
    tcp_send_ack,
    tcp_send_ack_reflect_ect,
    tcp_skb_seglen,
    tcp_slow_start_after_idle_check,
    tcp_sync_mss,
    tcp_trim_head,
    tcp_update_pacing_rate,
    tcp_wnd_end,
    wfree,
)
from rxpath.net.ipv4.tcp.rcvq import tcp_fast_path_on
from rxpath.net.ipv4.tcp.recovery import (
    tcp_ack_update_rtt,
    tcp_check_sack_reordering,
    tcp_cwnd_reduction,
    tcp_end_cwnd_reduction,
    tcp_enter_cwr,
    tcp_enter_recovery,
    tcp_highest_sack_seq,
    tcp_init_cwnd_reduction,
    tcp_is_rack,
    tcp_limit_reno_sacked,
    tcp_mark_skb_lost,
    tcp_rack_advance,
    tcp_rack_mark_lost,
    tcp_rack_update_reo_wnd,
    tcp_retrans_stamp_cleanup,
    tcp_set_ca_state,
    tcp_simple_retransmit,
    tcp_try_keep_open,
    tcp_try_undo_dsack,
    tcp_try_undo_loss,
    tcp_try_undo_partial,
    tcp_try_undo_recovery,
)
from rxpath.net.ipv4.tcp.retransmit import tcp_xmit_retransmit_queue
from rxpath.net.ipv4.tcp.seq import M32, after, before, between
from rxpath.net.ipv4.tcp.sock import (
    EVER_RETRANS,
    ICSK_ACK_NOW,
    ICSK_TIME_PROBE0,
    ICSK_TIME_RETRANS,
    LOST,
    SACKED_ACKED,
    SACKED_RETRANS,
    TAGBITS,
    TCP_CA_CWR,
    TCP_ECN_DEMAND_CWR,
    TCP_ECN_MODE_ACCECN,
    TCP_ECN_MODE_ANY,
    TCP_ECN_MODE_RFC3168,
    TCP_NAGLE_OFF,
    TCP_CA_Disorder,
    TCP_CA_Loss,
    TCP_CA_Open,
    TCP_CA_Recovery,
    TcpSock,
    TxSkb,
    tcb,
)
from rxpath.wire.tcp import TCPHDR_CWR, TCPHDR_ECE, TCPHDR_FIN, TCPHDR_SYN

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
FLAG_TS_PROGRESS: Final = 0x40000
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


def tcp_send_challenge_ack(sk: TcpSock, accecn_reflector: bool = False) -> None:
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
            half = (limit + 1) >> 1
            if not sk.v.oow_limit:
                ts.challenge_count = limit
            elif limit:
                ts.challenge_count = half + ts.rng.randrange(limit)
            else:  # a range that ends before it begins is no limit
                ts.challenge_count = 1 << 31
        if ts.challenge_count <= 0:
            return
        ts.challenge_count -= 1
    ext["TCPChallengeACK"] += 1
    if accecn_reflector:
        tcp_send_ack_reflect_ect(sk)
    else:
        tcp_send_ack(sk)


def tcp_replace_ts_recent(sk: TcpSock, seq: int) -> int:
    """FLAG_TS_PROGRESS when the peer's clock went on."""
    opt = sk.rx_opt
    flag = 0
    if opt.saw_tstamp and not after(seq, sk.rcv_wup):
        if not tcp_paws_check_discard(sk):
            if after(opt.rcv_tsval, opt.ts_recent):
                flag = FLAG_TS_PROGRESS
            opt.ts_recent = opt.rcv_tsval
            opt.ts_recent_stamp = sk.ts.ipv4.kernel.engine.now // 1_000_000_000 + 1
    return flag


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
    if sk.notices:
        tcp_notice_acked(sk)


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
            if sk.write_queue:
                tcp_slow_start_after_idle_check(sk)
    tcp_snd_una_update(sk, ack)
    return flag


# --- SACK -----------------------------------------------------------------------------------------


class AckState:
    """What one acknowledgement was found to do (`struct tcp_sacktag_state` and the rate sample's beginnings)."""

    __slots__ = ("flag", "first_sackt", "last_sackt", "reord", "rexmit", "sack_delivered", "prior_delivered", "nbytes")

    def __init__(self, flag: int) -> None:
        self.flag = flag
        self.first_sackt = 0
        self.last_sackt = 0
        self.reord = 0
        self.rexmit = 0
        self.sack_delivered = 0
        self.prior_delivered = 0
        self.nbytes = 0  # delivered_bytes: what this ACK newly covers


def tcp_dsack_seen(sk: TcpSock, start: int, end: int, st: AckState) -> int:
    """Segments that came twice; 0: nothing that we sent twice."""
    if not before(start, end):
        return 0
    n = (end - start) & M32
    segs = 1
    if n > sk.max_window:
        return 0
    if n > sk.mss_cache:
        segs = -(-n // sk.mss_cache)
    elif sk.tlp_high_seq and sk.tlp_high_seq == end:
        st.flag |= FLAG_DSACK_TLP
    sk.dsack_dups += segs
    if sk.dsack_dups > sk.total_retrans:
        return 0
    if sk.reord_seen and not st.flag & FLAG_DSACK_TLP:
        sk.rack_dsack = True
    st.flag |= FLAG_DSACKING_ACK
    st.sack_delivered += segs
    return segs


def tcp_check_dsack(sk: TcpSock, blocks: list[tuple[int, int]], ack: int, prior_snd_una: int, st: AckState) -> bool:
    """D-SACK in the first block: our retransmission was not needed."""
    ext = sk.ts.ipv4.tcpext
    s0, e0 = blocks[0]
    if before(s0, ack):
        ext["TCPDSACKRecv"] += 1
    elif len(blocks) > 1:
        if after(e0, blocks[1][1]) or before(s0, blocks[1][0]):
            return False
        ext["TCPDSACKOfoRecv"] += 1
    else:
        return False
    segs = tcp_dsack_seen(sk, s0, e0, st)
    if not segs:
        if "TCPDSACKIgnoredDubious" in ext:
            ext["TCPDSACKIgnoredDubious"] += 1
        return False
    if "TCPDSACKRecvSegs" in ext:
        ext["TCPDSACKRecvSegs"] += segs
    if sk.undo_marker and sk.undo_retrans > 0 and not after(e0, prior_snd_una) and after(e0, sk.undo_marker):
        sk.undo_retrans = max(0, sk.undo_retrans - segs)
    return True


def tcp_is_sackblock_valid(sk: TcpSock, dsack: bool, start: int, end: int) -> bool:
    if after(end, sk.snd_nxt) or not before(start, end) or not before(start, sk.snd_nxt):
        return False
    if after(start, sk.snd_una):
        return True
    if not dsack or not sk.undo_marker or after(end, sk.snd_una):
        return False
    if not before(start, sk.undo_marker):
        return True
    if not after(end, sk.undo_marker):
        return False
    return not before(start, (end - sk.max_window) & M32)


def tcp_match_skb_to_sack(sk: TcpSock, t: TxSkb, start: int, end: int) -> int:
    """1: the element is inside of the block (cut at a segment's border when it was partly); 0 not, -1 failed."""
    inside = not after(start, t.seq) and not before(end, t.end_seq)
    if t.pcount > 1 and not inside and after(t.end_seq, start):
        mss = t.gso_size
        inside = not after(start, t.seq)
        if not inside:
            n = max((start - t.seq) & M32, mss)
        else:
            n = (end - t.seq) & M32
            if n < mss:
                return -1
        if n > mss:
            whole = n // mss * mss
            if not inside and whole < n:
                whole += mss
            n = whole
        if n >= len(t.data) and not inside:
            return 0
        if not tcp_fragment(sk, t, n, mss):
            return -1
    return int(inside)


def tcp_sacktag_one(
    sk: TcpSock, st: AckState, sacked: int, start: int, end: int, dup: bool, pcount: int, xmit_us: int
) -> int:
    """New marks of a range that a block covers."""
    if dup and sacked & (SACKED_RETRANS | EVER_RETRANS):
        if sk.undo_marker and sk.undo_retrans > 0 and after(end, sk.undo_marker):
            sk.undo_retrans = max(0, sk.undo_retrans - pcount)
        if sacked & SACKED_ACKED and before(start, st.reord):
            st.reord = start
    if not after(end, sk.snd_una):
        return sacked
    if not sacked & SACKED_ACKED:
        tcp_rack_advance(sk, sacked, end, xmit_us)
        if sacked & SACKED_RETRANS:
            if sacked & LOST:
                sacked &= ~(LOST | SACKED_RETRANS)
                sk.lost_out -= pcount
                sk.retrans_out -= pcount
        else:
            if not sacked & EVER_RETRANS:
                if before(start, tcp_highest_sack_seq(sk)) and before(start, st.reord):
                    st.reord = start
                if not after(end, sk.high_seq):
                    st.flag |= FLAG_ORIG_SACK_ACKED
                if not st.first_sackt:
                    st.first_sackt = xmit_us
                st.last_sackt = xmit_us
            if sacked & LOST:
                sacked &= ~LOST
                sk.lost_out -= pcount
        sacked |= SACKED_ACKED
        st.flag |= FLAG_DATA_SACKED
        sk.sacked_out += pcount
        st.sack_delivered += pcount
        st.nbytes += (end - start) & M32
    if dup and sacked & SACKED_RETRANS:
        sacked &= ~SACKED_RETRANS
        sk.retrans_out -= pcount
    return sacked


def tcp_advance_highest_sack(sk: TcpSock, t: TxSkb) -> None:
    q = sk.rtx_queue
    i = q.index(t) + 1
    sk.highest_sack = q[i] if i < len(q) else None


def _shift(sk: TcpSock, to: TxSkb, t: TxSkb, n: int) -> None:
    """skb_shift: the first `n` bytes of `t` go to the end of `to`."""
    to.data += t.data[:n]
    t.data = t.data[n:]
    to.truesize += n
    t.truesize -= n


def tcp_shifted_skb(sk: TcpSock, prev: TxSkb, t: TxSkb, st: AckState, pcount: int, n: int, mss: int, dup: bool) -> bool:
    """Bookkeeping of a shift; True: all of `t` was taken."""
    start = t.seq
    end = (start + n) & M32
    tcp_sacktag_one(sk, st, t.sacked, start, end, dup, pcount, t.tx_us)
    prev.end_seq = (prev.end_seq + n) & M32
    t.seq = end
    prev.pcount += pcount
    t.pcount -= pcount
    if not prev.gso_size:
        prev.gso_size = mss
    if t.pcount <= 1:
        t.gso_size = 0
    prev.sacked |= t.sacked & EVER_RETRANS
    ext = sk.ts.ipv4.tcpext
    if t.data:
        ext["TCPSackShifted"] += 1
        return False
    prev.flags |= t.flags
    prev.eor = t.eor
    tcp_skb_collapse_tstamp(prev, t)
    if t.flags & TCPHDR_FIN:
        prev.end_seq = (prev.end_seq + 1) & M32
    if t is sk.highest_sack:
        tcp_advance_highest_sack(sk, t)
    sk.rtx_queue.remove(t)
    wfree(sk, t)
    ext["TCPSackMerged"] += 1
    return True


def tcp_shift_skb_data(sk: TcpSock, t: TxSkb, st: AckState, start: int, end: int, dup: bool) -> TxSkb | None:
    """Join what is newly acknowledged to the acknowledged element before it.  None: it could not be done."""
    q = sk.rtx_queue
    i = q.index(t)
    ok = (
        (dup or t.sacked & (LOST | SACKED_RETRANS) != SACKED_RETRANS)
        and bool(t.data)
        and after(t.end_seq, sk.snd_una)
        and i > 0
    )
    if ok:
        prev = q[i - 1]
        ok = prev.sacked & TAGBITS == SACKED_ACKED and not prev.eor
    if not ok:
        sk.ts.ipv4.tcpext["TCPSackShiftFallback"] += 1
        return None
    inside = not after(start, t.seq) and not before(end, t.end_seq)
    if inside:
        n = len(t.data)
        pcount = t.pcount
        mss = tcp_skb_seglen(t)
    else:
        if not after(t.end_seq, start) or t.pcount <= 1:
            return t
        if after(start, t.seq):
            sk.ts.ipv4.tcpext["TCPSackShiftFallback"] += 1
            return None
        n = (end - t.seq) & M32
        mss = t.gso_size
        pcount = n // mss
    if mss != tcp_skb_seglen(prev):
        sk.ts.ipv4.tcpext["TCPSackShiftFallback"] += 1
        return None
    if not inside:
        if not pcount:
            return t
        n = pcount * mss
    if not after((t.seq + n) & M32, sk.snd_una):
        sk.ts.ipv4.tcpext["TCPSackShiftFallback"] += 1
        return None
    _shift(sk, prev, t, n)
    if not tcp_shifted_skb(sk, prev, t, st, pcount, n, mss, dup):
        return prev
    if i < len(q):
        t = q[i]
        if t.data and t.sacked & TAGBITS == SACKED_ACKED and mss == tcp_skb_seglen(t) and not prev.eor:
            n = len(t.data)
            _shift(sk, prev, t, n)
            tcp_shifted_skb(sk, prev, t, st, t.pcount, n, mss, False)
    return prev


def tcp_sacktag_walk(
    sk: TcpSock, t: TxSkb | None, next_dup: tuple[int, int] | None, st: AckState, start: int, end: int, dup_in: bool
) -> TxSkb | None:
    q = sk.rtx_queue
    while t is not None:
        if not before(t.seq, end):
            break
        inside = 0
        dup = dup_in
        if next_dup is not None and before(t.seq, next_dup[1]):
            inside = tcp_match_skb_to_sack(sk, t, next_dup[0], next_dup[1])
            if inside > 0:
                dup = True
        if inside <= 0:
            got = tcp_shift_skb_data(sk, t, st, start, end, dup)
            if got is not None:
                if got is not t:
                    i = q.index(got) + 1
                    t = q[i] if i < len(q) else None
                    continue
                inside = 0
            else:
                inside = tcp_match_skb_to_sack(sk, t, start, end)
        if inside < 0:
            break
        if inside:
            t.sacked = tcp_sacktag_one(sk, st, t.sacked, t.seq, t.end_seq, dup, t.pcount, t.tx_us)
            if not before(t.seq, tcp_highest_sack_seq(sk)):
                tcp_advance_highest_sack(sk, t)
        i = q.index(t) + 1
        t = q[i] if i < len(q) else None
    return t


def tcp_sacktag_skip(sk: TcpSock, t: TxSkb | None, seq: int) -> TxSkb | None:
    """The element that holds `seq`; not before `t` when that is known to be behind it."""
    if t is not None and after(t.seq, seq):
        return t
    for x in sk.rtx_queue:
        if not before(seq, x.seq) and before(seq, x.end_seq):
            return x
    return None


def tcp_sacktag_write_queue(
    sk: TcpSock, skb: SkBuff, blocks: list[tuple[int, int]], prior_snd_una: int, st: AckState
) -> None:
    """Mark what the peer has."""
    c = tcb(skb)
    ext = sk.ts.ipv4.tcpext
    blocks = blocks[:4]
    st.reord = sk.snd_nxt
    if not sk.sacked_out:
        sk.highest_sack = sk.rtx_queue[0] if sk.rtx_queue else None
    found_dup = tcp_check_dsack(sk, blocks, c.ack_seq, prior_snd_una, st)
    if before(c.ack_seq, (prior_snd_una - sk.max_window) & M32) or not sk.packets_out:
        return
    sp: list[tuple[int, int]] = []
    first = 0
    for i, (s, e) in enumerate(blocks):
        dup = not i and found_dup
        if not tcp_is_sackblock_valid(sk, dup, s, e):
            if dup:
                ext["TCPDSACKIgnoredOld" if sk.undo_marker else "TCPDSACKIgnoredNoUndo"] += 1
            else:
                if c.ack_seq != sk.snd_una and not after(e, sk.snd_una):
                    continue
                ext["TCPSACKDiscard"] += 1
            if not i:
                first = -1
            continue
        if not after(e, prior_snd_una):
            if not i:
                first = -1
            continue
        sp.append((s, e))
    for i in range(len(sp) - 1, 0, -1):
        for j in range(i):
            if after(sp[j][0], sp[j + 1][0]):
                sp[j], sp[j + 1] = sp[j + 1], sp[j]
                if j == first:
                    first = j + 1
    cache = sk.recv_sack_cache
    k = 4
    if sk.sacked_out:
        k = 0
        while k < 4 and cache[k] == (0, 0):
            k += 1
    t: TxSkb | None = None
    i = 0
    while i < len(sp):
        s, e = sp[i]
        dup = found_dup and i == first
        next_dup = sp[i + 1] if found_dup and i + 1 == first and i + 1 < len(sp) else None
        while k < 4 and not before(s, cache[k][1]):
            k += 1
        walk = False
        if k < 4 and not dup and after(e, cache[k][0]):
            if before(s, cache[k][0]):
                t = tcp_sacktag_skip(sk, t, s)
                t = tcp_sacktag_walk(sk, t, next_dup, st, s, cache[k][0], dup)
            if not after(e, cache[k][1]):
                i += 1
                continue
            if next_dup is not None and before(next_dup[0], cache[k][1]):
                t = tcp_sacktag_skip(sk, t, next_dup[0])
                t = tcp_sacktag_walk(sk, t, None, st, next_dup[0], next_dup[1], True)
            if tcp_highest_sack_seq(sk) == cache[k][1]:
                t = sk.highest_sack
                if t is None:
                    break
                k += 1
                walk = True
            else:
                t = tcp_sacktag_skip(sk, t, cache[k][1])
                k += 1
                continue
        if not walk:
            if not before(s, tcp_highest_sack_seq(sk)):
                t = sk.highest_sack
                if t is None:
                    break
            t = tcp_sacktag_skip(sk, t, s)
        t = tcp_sacktag_walk(sk, t, next_dup, st, s, e, dup)
        i += 1
    sk.recv_sack_cache = [(0, 0)] * (4 - len(sp)) + sp
    if sk.ca_state != TCP_CA_Loss or sk.undo_marker:
        tcp_check_sack_reordering(sk, st.reord)


# --- the retransmission queue ---------------------------------------------------------------------


def tcp_count_delivered(sk: TcpSock, n: int, ece: bool) -> None:
    sk.delivered += n
    if ece:
        sk.delivered_ce += n


def tcp_clean_rtx_queue(sk: TcpSock, st: AckState, skb: SkBuff, prior_fack: int, prior_snd_una: int) -> None:
    """Free what `skb` acknowledged; samples of the round trip."""
    flag = 0
    first_ackt = last_ackt = 0
    prior_sacked = sk.sacked_out
    reord = sk.snd_nxt
    ece = bool(st.flag & FLAG_ECE)
    pkts = 0
    whole = True
    q = sk.rtx_queue
    sack = sk.rx_opt.sack_ok
    while q:
        t = q[0]
        start = t.seq
        sacked = t.sacked
        if after(t.end_seq, sk.snd_una):
            if t.pcount == 1 or not after(sk.snd_una, t.seq):
                break
            n = t.pcount
            tcp_trim_head(sk, t, (sk.snd_una - t.seq) & M32)
            n -= t.pcount
            if not n:
                break
            whole = False
        else:
            n = t.pcount
        if sacked & (SACKED_RETRANS | EVER_RETRANS):
            if sacked & SACKED_RETRANS:
                sk.retrans_out -= n
            flag |= FLAG_RETRANS_DATA_ACKED
        elif not sacked & SACKED_ACKED:
            last_ackt = t.tx_us or 1
            if not first_ackt:
                first_ackt = last_ackt
            if before(start, reord):
                reord = start
            if not after(t.end_seq, sk.high_seq):
                flag |= FLAG_ORIG_SACK_ACKED
        if sacked & SACKED_ACKED:
            sk.sacked_out -= n
            st.nbytes -= (t.end_seq - t.seq) & M32
        elif sack:
            tcp_count_delivered(sk, n, ece)
            if not (
                sacked & EVER_RETRANS
                and sk.rx_opt.saw_tstamp
                and sk.rx_opt.rcv_tsecr
                and before(sk.rx_opt.rcv_tsecr, sk.ts.clock(t.tx_us))
            ):
                tcp_rack_advance(sk, sacked, t.end_seq, t.tx_us)
        if sacked & LOST:
            sk.lost_out -= n
        sk.packets_out -= n
        pkts += n
        if t.delivered_us:
            if not st.prior_delivered or after(t.delivered, st.prior_delivered):
                st.prior_delivered = t.delivered
        if t.flags & TCPHDR_SYN:
            flag |= FLAG_SYN_ACKED
            sk.retrans_stamp = 0
        else:
            flag |= FLAG_DATA_ACKED
        if not whole:
            break
        if t.txstamp is not None:
            tcp_ack_tstamp(sk, t, skb, prior_snd_una)
        q.popleft()
        if sk.highest_sack is t:
            sk.highest_sack = q[0] if q else None
        wfree(sk, t)
    st.nbytes += (sk.snd_una - prior_snd_una) & M32
    if between(sk.snd_up, prior_snd_una, sk.snd_una):
        sk.snd_up = sk.snd_una
    head = q[0] if q else None
    if head is None:
        tcp_chrono_stop(sk, CHRONO_BUSY)
    if head is not None and head.txstamp is not None:
        tcp_ack_tstamp(sk, head, skb, prior_snd_una)
    if head is not None and head.sacked & SACKED_ACKED:
        flag |= FLAG_SACK_RENEGING
    ca_rtt = seq_rtt = sack_rtt = -1
    if first_ackt and not flag & FLAG_RETRANS_DATA_ACKED:
        seq_rtt = sk.mstamp_us - first_ackt
        ca_rtt = sk.mstamp_us - last_ackt
    if st.first_sackt:
        sack_rtt = sk.mstamp_us - st.first_sackt
        ca_rtt = sk.mstamp_us - st.last_sackt
    taken, rtt = tcp_ack_update_rtt(sk, bool(flag & FLAG_ACKED), seq_rtt, sack_rtt, ca_rtt)
    if flag & FLAG_ACKED:
        flag |= FLAG_SET_XMIT_TIMER
        if sk.mtup_probe_size and not after(sk.mtup_seq_end, sk.snd_una):
            tcp_mtup_probe_success(sk)
        if not sack:
            # Reno: what the cumulative ACK covers was no duplicate
            if pkts > 0:
                tcp_count_delivered(sk, max(pkts - sk.sacked_out, 1), ece)
                sk.sacked_out = 0 if pkts - 1 >= sk.sacked_out else sk.sacked_out - (pkts - 1)
            tcp_check_reno_reordering(sk, pkts)
            if flag & FLAG_RETRANS_DATA_ACKED:
                flag &= ~FLAG_ORIG_SACK_ACKED
        elif before(reord, prior_fack):
            tcp_check_sack_reordering(sk, reord)
    elif head is not None and taken and sack_rtt >= 0 and sack_rtt > sk.mstamp_us - head.tx_us:
        flag |= FLAG_SET_XMIT_TIMER
    del prior_sacked
    st.flag |= flag
    sk.ca_ops.pkts_acked(sk, rtt)


def tcp_check_reno_reordering(sk: TcpSock, addend: int) -> None:
    if not tcp_limit_reno_sacked(sk):
        return
    sk.reordering = min(sk.packets_out + addend, sk.ts.tcp_max_reordering)
    sk.reord_seen += 1
    sk.ts.ipv4.tcpext["TCPRenoReorder"] += 1


def tcp_ack_probe(sk: TcpSock) -> None:
    """Nothing was out: is a window probe still needed?"""
    if not sk.write_queue:
        return
    if not after(sk.write_queue[0].end_seq, tcp_wnd_end(sk)):
        sk.backoff = 0
        sk.probes_tstamp = 0
        inet_csk_clear_xmit_timer(sk)
    else:
        when = tcp_clamp_probe0_to_user_timeout(sk, tcp_probe0_when(sk, rto_max(sk)))
        tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, when)


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


def tcp_add_reno_sack(sk: TcpSock, n: int, ece: bool) -> None:
    if n:
        prior = sk.sacked_out
        sk.sacked_out += n
        tcp_check_reno_reordering(sk, 0)
        if sk.sacked_out > prior:
            tcp_count_delivered(sk, sk.sacked_out - prior, ece)


def tcp_newreno_mark_lost(sk: TcpSock, advanced: bool) -> None:
    """Without SACK: the head is lost after the threshold of duplicate ACKs, and at each partial ACK."""
    if (sk.ca_state < TCP_CA_Recovery and sk.sacked_out >= sk.reordering) or (
        sk.ca_state == TCP_CA_Recovery and advanced
    ):
        t = sk.rtx_queue[0]
        if t.sacked & LOST:
            return
        mss = t.gso_size
        if t.pcount > 1 and len(t.data) > mss:
            tcp_fragment(sk, t, mss, mss)
        tcp_mark_skb_lost(sk, t)


def tcp_mark_head_lost(sk: TcpSock, packets: int, mark_head: bool) -> None:
    """RFC 6675 without RACK: what lies before `packets` acknowledged ones is lost."""
    cnt = 0
    for t in sk.rtx_queue:
        if mark_head and after(t.seq, sk.snd_una):
            return
        if t.sacked & SACKED_ACKED:
            cnt += t.pcount
        if cnt > packets:
            return
        if not t.sacked & LOST:
            tcp_mark_skb_lost(sk, t)
        if mark_head:
            return


def tcp_identify_packet_loss(sk: TcpSock, st: AckState) -> None:
    if not sk.rtx_queue:
        return
    if not sk.rx_opt.sack_ok:
        tcp_newreno_mark_lost(sk, bool(st.flag & FLAG_SND_UNA_ADVANCED))
    elif tcp_is_rack(sk):
        prior = sk.retrans_out
        if tcp_rack_mark_lost(sk):
            st.flag &= ~FLAG_SET_XMIT_TIMER
        if prior > sk.retrans_out:
            st.flag |= FLAG_LOST_RETRANS


def tcp_check_sack_reneging(sk: TcpSock, st: AckState) -> bool:
    if st.flag & FLAG_SACK_RENEGING and st.flag & FLAG_SND_UNA_ADVANCED:
        k = sk.ts.ipv4.kernel
        inet_csk_reset_xmit_timer(
            sk, ICSK_TIME_RETRANS, max(k.usecs_to_jiffies(sk.srtt_us >> 4), k.usecs_to_jiffies(10_000))
        )
        st.flag &= ~FLAG_SET_XMIT_TIMER
        return True
    return False


def tcp_time_to_recover(sk: TcpSock) -> bool:
    return bool(sk.lost_out) or (not tcp_is_rack(sk) and sk.sacked_out + 1 > sk.reordering)


def tcp_fastretrans_alert(sk: TcpSock, prior_snd_una: int, dupacks: int, st: AckState) -> None:
    """The state machine of the sender, run when an ACK is not plain good news."""
    flag = st.flag
    ece = bool(flag & FLAG_ECE)
    force = after(tcp_highest_sack_seq(sk), (sk.snd_una + sk.reordering * sk.mss_cache) & M32)
    do_lost = bool(dupacks) or bool(flag & FLAG_DATA_SACKED and force)
    fast = False
    if not sk.packets_out and sk.sacked_out:
        sk.sacked_out = 0
    if ece:
        sk.prior_ssthresh = 0
    if tcp_check_sack_reneging(sk, st):
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
        if not flag & FLAG_SND_UNA_ADVANCED:
            if not sk.rx_opt.sack_ok:
                tcp_add_reno_sack(sk, dupacks, ece)
        elif tcp_try_undo_partial(sk, prior_snd_una):
            return
        else:
            do_lost = force
        if tcp_try_undo_dsack(sk):
            tcp_try_to_open(sk, flag)
        tcp_identify_packet_loss(sk, st)
        if sk.ca_state != TCP_CA_Recovery:
            if not tcp_time_to_recover(sk):
                return
            tcp_enter_recovery(sk, ece)
    else:
        if sk.ca_state == TCP_CA_Loss:
            tcp_process_loss(sk, dupacks, st)
            if sk.ca_state != TCP_CA_Loss and sk.rto_stats[3]:  # tcp_update_rto_time
                sk.rto_stats[2] += sk.mstamp_us // 1000 - sk.rto_stats[3]
                sk.rto_stats[3] = 0
            tcp_identify_packet_loss(sk, st)
            if not (sk.ca_state == TCP_CA_Open or st.flag & FLAG_LOST_RETRANS):
                return
        if not sk.rx_opt.sack_ok:
            if flag & FLAG_SND_UNA_ADVANCED:
                sk.sacked_out = 0
            tcp_add_reno_sack(sk, dupacks, ece)
        if sk.ca_state <= TCP_CA_Disorder:
            tcp_try_undo_dsack(sk)
        tcp_identify_packet_loss(sk, st)
        if not tcp_time_to_recover(sk):
            tcp_try_to_open(sk, flag)
            return
        if sk.ca_state < TCP_CA_CWR and sk.mtup_probe_size and sk.snd_una == sk.mtup_seq_start:
            tcp_mtup_probe_failed(sk)
            sk.snd_cwnd += 1  # what the probe took
            tcp_simple_retransmit(sk)
            return
        tcp_enter_recovery(sk, ece)
        fast = True
    if not tcp_is_rack(sk) and do_lost and sk.rx_opt.sack_ok:
        upto = sk.sacked_out - sk.reordering
        if upto >= 0:
            tcp_mark_head_lost(sk, upto, False)
        elif fast:
            tcp_mark_head_lost(sk, 1, True)
    st.rexmit = 1


def tcp_try_to_open(sk: TcpSock, flag: int) -> None:
    tcp_retrans_stamp_cleanup(sk)
    if flag & FLAG_ECE:
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
                return
            sk.frto = False
    if recovered:
        tcp_try_undo_recovery(sk)
        return
    if not sk.rx_opt.sack_ok:
        if after(sk.snd_nxt, sk.high_seq) and dupacks:
            tcp_add_reno_sack(sk, dupacks, bool(st.flag & FLAG_ECE))
        elif st.flag & FLAG_SND_UNA_ADVANCED:
            sk.sacked_out = 0
    st.rexmit = 1


def tcp_ack_is_dubious(sk: TcpSock, flag: int) -> bool:
    return not flag & FLAG_NOT_DUP or bool(flag & FLAG_CA_ALERT) or sk.ca_state != TCP_CA_Open


def tcp_cong_control(sk: TcpSock, acked: int, lost: int, flag: int) -> None:
    if sk.ca_state in (TCP_CA_CWR, TCP_CA_Recovery):
        tcp_cwnd_reduction(sk, acked, lost, bool(flag & FLAG_SND_UNA_ADVANCED))
    else:
        if sk.reordering > sk.ts.tcp_reordering:
            grow = bool(flag & FLAG_FORWARD_PROGRESS)
        else:
            grow = bool(flag & FLAG_DATA_ACKED)
        if grow:
            sk.ca_ops.cong_avoid(sk, acked)
            sk.snd_cwnd_stamp = jiffies(sk)
    tcp_update_pacing_rate(sk)


def tcp_newly_delivered(sk: TcpSock, prior: int, ecn_count: int, flag: int) -> int:
    n = sk.delivered - prior
    ext = sk.ts.ipv4.tcpext
    ext["TCPDelivered"] += n
    if flag & FLAG_ECE:
        ext["TCPDeliveredCE"] += ecn_count if sk.ecn_flags & TCP_ECN_MODE_ACCECN else n
    return n


def tcp_xmit_recovery(sk: TcpSock, rexmit: int) -> None:
    if not rexmit or sk.state == TCP_SYN_SENT:
        return
    if rexmit == 2:
        __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF)
        if after(sk.snd_nxt, sk.high_seq):
            return
        sk.frto = False
    tcp_xmit_retransmit_queue(sk)


def _accecn(sk: TcpSock, skb: SkBuff, pkts: int, st: AckState) -> int:
    """tcp_accecn_process: new marks that an ACK shows count as an echo of congestion."""
    flag = st.flag
    n = tcp_accecn_process(
        sk,
        skb,
        pkts,
        st.nbytes,
        bool(flag & (FLAG_FORWARD_PROGRESS | FLAG_TS_PROGRESS)),
        bool(flag & FLAG_SLOWPATH),
        bool(flag & FLAG_SYN_ACKED),
    )
    if n > 0:
        sk.delivered_ce += n
        st.flag |= FLAG_ECE
        if sk.pred_flags:
            tcp_fast_path_on(sk)
    return n


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
        most = min(sk.max_window, sk.bytes_acked) if sk.v.ack_within_acked else sk.max_window
        if before(ack, (prior_snd_una - most) & M32):
            if not flag & FLAG_NO_CHALLENGE_ACK:
                tcp_send_challenge_ack(sk)
            return ACK_TOO_OLD
        if blocks:
            tcp_sacktag_write_queue(sk, skb, blocks, prior_snd_una, st)
            tcp_fastretrans_alert(sk, prior_snd_una, 0, st)
            tcp_newly_delivered(sk, delivered, 0, st.flag)
            tcp_xmit_recovery(sk, st.rexmit)
        return 0
    if after(ack, sk.snd_nxt):
        sk.unsent_acks += 1
        if sk.v.challenge_unsent and not flag & FLAG_NO_CHALLENGE_ACK:
            tcp_send_challenge_ack(sk)
        return ACK_UNSENT
    if after(ack, prior_snd_una):
        st.flag |= FLAG_SND_UNA_ADVANCED
        sk.retransmits = 0
    prior_fack = tcp_highest_sack_seq(sk) if sk.rx_opt.sack_ok else sk.snd_una
    if flag & FLAG_UPDATE_TS_RECENT:
        st.flag |= tcp_replace_ts_recent(sk, c.seq)
    if st.flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED) == FLAG_SND_UNA_ADVANCED:
        sk.snd_wl1 = ack_seq
        tcp_snd_una_update(sk, ack)
        st.flag |= FLAG_WIN_UPDATE
        ext["TCPHPAcks"] += 1
    else:
        if ack_seq != c.end_seq:
            st.flag |= FLAG_DATA
        else:
            ext["TCPPureAcks"] += 1
        st.flag |= tcp_ack_update_window(sk, skb, ack, ack_seq)
        if blocks:
            tcp_sacktag_write_queue(sk, skb, blocks, prior_snd_una, st)
        classic = sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_RFC3168
        if classic and c.flags & TCPHDR_ECE and not c.flags & TCPHDR_SYN:
            st.flag |= FLAG_ECE
        if st.sack_delivered:
            tcp_count_delivered(sk, st.sack_delivered, bool(st.flag & FLAG_ECE))
    if c.flags & TCPHDR_CWR and (sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_RFC3168 or not sk.v.accecn):
        sk.ecn_flags &= ~TCP_ECN_DEMAND_CWR
        if c.seq != c.end_seq:
            sk.ack_pending |= ICSK_ACK_NOW
    sk.err_soft = 0
    sk.probes_out = 0
    sk.rcv_tstamp = jiffies(sk)
    accurate = bool(sk.ecn_flags & TCP_ECN_MODE_ACCECN)
    ecn_count = 0
    if not prior_packets:
        if accurate:
            ecn_count = _accecn(sk, skb, sk.delivered - delivered, st)
        tcp_in_ack_event(sk)
        if st.flag & FLAG_DSACKING_ACK:
            tcp_fastretrans_alert(sk, prior_snd_una, 0, st)
            tcp_newly_delivered(sk, delivered, ecn_count, st.flag)
        tcp_ack_probe(sk)
        if sk.tlp_high_seq:
            tcp_process_tlp_ack(sk, ack, st.flag)
        return 1
    tcp_clean_rtx_queue(sk, st, skb, prior_fack, prior_snd_una)
    if accurate:
        ecn_count = _accecn(sk, skb, sk.delivered - delivered, st)
    tcp_rack_update_reo_wnd(sk, st.prior_delivered)
    tcp_in_ack_event(sk)
    if sk.tlp_high_seq:
        tcp_process_tlp_ack(sk, ack, st.flag)
    if tcp_ack_is_dubious(sk, st.flag):
        dup = 0
        if not st.flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK):
            dup = 1 if st.flag & FLAG_DATA else max(1, skb.gso_segs)
        tcp_fastretrans_alert(sk, prior_snd_una, dup, st)
    if st.flag & FLAG_SET_XMIT_TIMER:
        if not tcp_schedule_loss_probe(sk, True):
            tcp_rearm_rto(sk)
    n = tcp_newly_delivered(sk, delivered, ecn_count, st.flag)
    tcp_cong_control(sk, n, sk.lost - lost, st.flag)
    tcp_xmit_recovery(sk, st.rexmit)
    return 1
