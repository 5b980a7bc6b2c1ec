"""What TCP sends: segments and their headers, when data may go, probes of a shut window, resets of our own.

What does not belong here: sending again (retransmit.py), the SYN (connect.py), answers without a socket (reply.py).
Facts: net/ipv4/tcp_output.c (5.15, 6.1; 6.18 as recorded); order of functions recorded on 6.1.  An element of a queue
may stand for many segments (`pcount`): it goes down as one packet, and the device or the stack's last step (GSO) cuts
it.  A sender that is paced waits in its own timer; of the TCP small queue only tcp_limit_output_bytes 0 shows.
Probes of the path's MTU: mtup.py.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EFAULT
from rxpath.kernel.mm import SKB_OVERHEAD
from rxpath.net.core.skbuff import CHECKSUM_PARTIAL, SKB_GSO_TCP_ACCECN, SKB_GSO_TCPV4, __alloc_skb, skb_put
from rxpath.net.core.sock import (
    SK_PACING_UNLIMITED,
    SOCK_SNDBUF_LOCK,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_ESTABLISHED,
    sk_mem_reclaim,
    sk_stream_moderate_sndbuf,
    sk_wmem_schedule,
    sock_def_write_space,
)
from rxpath.net.core.timestamping import TxStamp
from rxpath.net.ipv4.mib import TCP_MIB_OUTRSTS, TCP_MIB_OUTSEGS
from rxpath.net.ipv4.route import Rtable, dst_metric, ipv4_mtu
from rxpath.net.ipv4.tcp.accecn import (
    TCP_ACCECN_ACE_FAIL_RECV,
    accecn_option,
    accecn_sent,
    state_of,
    tcp_accecn_reflector_flags,
    tcp_accecn_set_ace,
    tcp_options_fit_accecn,
    wants_option,
)
from rxpath.net.ipv4.tcp.ipxmit import ip_queue_xmit
from rxpath.net.ipv4.tcp.notify import tcp_fragment_tstamp, tcp_skb_collapse_tstamp
from rxpath.net.ipv4.tcp.options import tcp_options_write
from rxpath.net.ipv4.tcp.rcvbuf import sk_forced_mem_schedule, tcp_select_window, tcp_sndbuf_expand
from rxpath.net.ipv4.tcp.seq import M32, after, before, between
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_SCHED,
    ICSK_TIME_LOSS_PROBE,
    ICSK_TIME_PROBE0,
    ICSK_TIME_REO_TIMEOUT,
    ICSK_TIME_RETRANS,
    LOST,
    SACKED_ACKED,
    SACKED_RETRANS,
    SK_PACING_FQ,
    TCP_CA_CWR,
    TCP_ECN_DEMAND_CWR,
    TCP_ECN_MODE_ACCECN,
    TCP_ECN_MODE_ANY,
    TCP_ECN_MODE_RFC3168,
    TCP_ECN_QUEUE_CWR,
    TCP_INIT_CWND,
    TCP_MSS_DEFAULT,
    TCP_NAGLE_CORK,
    TCP_NAGLE_OFF,
    TCP_NAGLE_PUSH,
    TCP_CA_Open,
    TCP_CA_Recovery,
    TcpSock,
    TxSkb,
)
from rxpath.wire.checksum import csum_tcpudp_nofold, transport_checksum
from rxpath.wire.tcp import (
    TCP_HDR,
    TCPHDR_ACK,
    TCPHDR_CWR,
    TCPHDR_ECE,
    TCPHDR_FIN,
    TCPHDR_PSH,
    TCPHDR_RST,
    TCPHDR_SYN,
    TCPHDR_URG,
)

MAX_TCP_OPTION_SPACE: Final = 40
CHRONO_BUSY: Final = 1
CHRONO_RWND_LIMITED: Final = 2
CHRONO_SNDBUF_LIMITED: Final = 3
GSO_MAX_SIZE: Final = 65536 - 320 - 1  # sk_gso_max_size
TCP_TIMEOUT_MIN: Final = 2  # jiffies
TCP_TIMEOUT_MIN_US: Final = 2000


# --- time and timers ------------------------------------------------------------------------------


def tcp_mstamp_refresh(sk: TcpSock) -> None:
    sk.clock_cache = sk.ts.ipv4.kernel.engine.now
    sk.mstamp_us = sk.clock_cache // 1000


def tcp_time_stamp(sk: TcpSock) -> int:
    """TSval: the clock and the connection's offset.  (Inline in Linux.)"""
    return (sk.ts.clock(sk.mstamp_us) + sk.tsoffset) & M32


def jiffies(sk: TcpSock) -> int:
    return sk.ts.ipv4.kernel.jiffies()


def rto_max(sk: TcpSock) -> int:
    return sk.ts.ipv4.kernel.hz * sk.rto_max_ms // 1000


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


def tcp_reset_xmit_timer(sk: TcpSock, what: int, when: int) -> None:
    """A timer that does not run while the pace keeps the segment back.  (Inline in Linux.)"""
    if sk.pacing_status:
        late = sk.wstamp_ns - sk.clock_cache
        if late > 0:
            when += late * sk.ts.ipv4.kernel.hz // 1_000_000_000
    inet_csk_reset_xmit_timer(sk, what, when)


def tcp_rto_delta_us(sk: TcpSock) -> int:
    """Microseconds until the first unacknowledged segment's timeout."""
    rto_us = sk.rto * (1_000_000 // sk.ts.ipv4.kernel.hz)
    if not sk.rtx_queue:
        return rto_us
    return sk.rtx_queue[0].tx_us + rto_us - sk.mstamp_us


def tcp_rearm_rto(sk: TcpSock) -> None:
    if sk.fastopen_rsk is not None:  # the timer is the SYN-ACK's
        return
    if not sk.packets_out:
        inet_csk_clear_xmit_timer(sk)
        return
    rto = sk.rto
    if sk.icsk_pending in (ICSK_TIME_REO_TIMEOUT, ICSK_TIME_LOSS_PROBE):
        delta = tcp_rto_delta_us(sk)
        rto = sk.ts.ipv4.kernel.usecs_to_jiffies(max(delta, 1))
    tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, rto)


# --- sizes ----------------------------------------------------------------------------------------


def tcp_mtu_to_mss(sk: TcpSock, pmtu: int) -> int:
    mss = pmtu - 40
    if sk.rx_opt.mss_clamp and mss > sk.rx_opt.mss_clamp:
        mss = sk.rx_opt.mss_clamp
    mss -= sk.ext_hdr_len
    return max(mss, sk.ts.tcp_min_snd_mss) - (sk.header_len - 20)


def tcp_mss_to_mtu(sk: TcpSock, mss: int) -> int:
    return mss + sk.header_len + sk.ext_hdr_len + 20


def tcp_mtup_init(sk: TcpSock) -> None:
    """Where the search for the path's MTU begins: between tcp_base_mss and what the peer takes."""
    ts = sk.ts
    sk.mtup_enabled = ts.tcp_mtu_probing > 1
    sk.mtup_high = sk.rx_opt.mss_clamp + 40
    sk.mtup_low = tcp_mss_to_mtu(sk, ts.tcp_base_mss)
    sk.mtup_probe_size = 0
    if sk.mtup_enabled:
        sk.mtup_timestamp = jiffies(sk)


def tcp_bound_to_half_wnd(sk: TcpSock, size: int) -> int:
    cutoff = sk.max_window >> 1 if sk.max_window > TCP_MSS_DEFAULT else sk.max_window
    if cutoff and size > cutoff:
        return max(cutoff, 68 - sk.header_len)
    return size


def tcp_xmit_size_goal(sk: TcpSock, mss: int, large_allowed: bool) -> int:
    """Bytes that one element of the write queue should hold."""
    if not large_allowed:
        return mss
    new = tcp_bound_to_half_wnd(sk, GSO_MAX_SIZE)
    goal = sk.gso_segs * mss
    if new < goal or new >= goal + mss:
        sk.gso_segs = min(new // mss, 65535)
        goal = sk.gso_segs * mss
    return max(goal, mss)


def tcp_sync_mss(sk: TcpSock, pmtu: int) -> int:
    if sk.mtup_high > pmtu:
        sk.mtup_high = pmtu
    mss = tcp_bound_to_half_wnd(sk, tcp_mtu_to_mss(sk, pmtu))
    sk.pmtu_cookie = pmtu
    if sk.mtup_enabled:
        mss = min(mss, tcp_mtu_to_mss(sk, sk.mtup_low))
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
        n = max(min(n, (room - 4) // 8), 0)
        if n:
            mss -= 4 + 8 * n
    if sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_ACCECN and wants_option(sk):
        room = MAX_TCP_OPTION_SPACE - (sk.header_len - 20) - (4 + 8 * n if n else 0)
        _, size, left = tcp_options_fit_accecn(state_of(sk).accecn_minlen, room, n)
        mss -= size - 8 * (n - left)
    return mss


def ipv4_default_advmss(rt: Rtable) -> int:
    """The MSS to offer on a route: its metric, or what its MTU leaves."""
    metric = dst_metric(rt, "advmss")
    if metric:
        return metric
    return min(max(ipv4_mtu(rt) - 40, rt.ipv4.min_advmss), 65535 - 40)


def tcp_wnd_end(sk: TcpSock) -> int:
    return (sk.snd_una + sk.snd_wnd) & M32


# --- one segment ----------------------------------------------------------------------------------


def tcp_established_options(sk: TcpSock) -> bytes:
    """Time stamp and SACK blocks, ready to write (a D-SACK first)."""
    opt = sk.rx_opt
    accurate = sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_ACCECN and wants_option(sk)
    if not opt.tstamp_ok and not opt.dsack and not sk.selective_acks and not accurate:
        return b""
    ts = (tcp_time_stamp(sk), opt.ts_recent) if opt.tstamp_ok else None
    blocks: list[tuple[int, int]] = []
    if opt.dsack or sk.selective_acks:
        room = MAX_TCP_OPTION_SPACE - (12 if ts is not None else 0)
        blocks = (sk.duplicate_sack if opt.dsack else []) + sk.selective_acks
        blocks = blocks[: (room - 4) // 8]
        opt.dsack = False
    more = b""
    if accurate:
        a = state_of(sk)
        n = len(blocks)
        room = MAX_TCP_OPTION_SPACE - (12 if ts is not None else 0) - (4 + 8 * n if n else 0)
        fields, _, n = tcp_options_fit_accecn(a.accecn_minlen, room, n)
        if fields >= 0:
            blocks = blocks[:n]
            more = accecn_option(a.received_ecn_bytes, fields)
            accecn_sent(sk)
    return tcp_options_write(0, -1, False, ts, blocks, more)


def tcp_syn_fastopen(sk: TcpSock, options: bytes) -> bytes:
    """The Fast Open option of a SYN.  (Inline in tcp_syn_options.)"""
    fo = sk.fastopen_req
    if fo is None or fo.cookie.len < 0:
        return options
    from rxpath.net.ipv4.tcp.fastopen import fastopen_option

    more = fastopen_option(fo.cookie, MAX_TCP_OPTION_SPACE - len(options))
    if more:
        sk.syn_fastopen = True
        sk.syn_fastopen_exp = fo.cookie.exp
    return options + more


def tcp_advertise_mss(sk: TcpSock) -> int:
    """The MSS to offer: never more than the path has now.  (Inline in Linux.)"""
    rt = sk.dst
    if isinstance(rt, Rtable):
        sk.advmss = min(sk.advmss, ipv4_default_advmss(rt))
    return sk.advmss


def tcp_syn_options(sk: TcpSock, data: bytes) -> bytes:
    ts = sk.ts
    t = (tcp_time_stamp(sk), sk.rx_opt.ts_recent) if ts.tcp_timestamps else None
    scale = -1
    if ts.tcp_window_scaling:
        scale = sk.rx_opt.rcv_wscale
    return tcp_syn_fastopen(sk, tcp_options_write(tcp_advertise_mss(sk), scale, bool(ts.tcp_sack), t, []))


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
    sk.ack_blocked = False
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


def tcp_v4_send_check(saddr: int, daddr: int, segment: bytes, partial: bool = False) -> bytes:
    """The checksum put into a segment; `partial`: the pseudo header's sum, for whoever completes it (nobody on lo)."""
    if partial:
        c = csum_tcpudp_nofold(saddr, daddr, len(segment), 6)
    else:
        c = transport_checksum(saddr, daddr, 6, segment)
    return segment[:16] + c.to_bytes(2, "big") + segment[18:]


def __tcp_transmit_skb(
    sk: TcpSock,
    seq: int,
    flags: int,
    data: bytes,
    pcount: int = 1,
    gso_size: int = 0,
    stamp: TxStamp | None = None,
    looped: TxSkb | None = None,
) -> int:
    """Header in front, then IP: 0 or a negative errno.  `pcount` segments of `gso_size` bytes in one packet."""
    ipv4 = sk.ts.ipv4
    if sk.wstamp_ns < sk.clock_cache:
        sk.wstamp_ns = sk.clock_cache
    if flags & TCPHDR_SYN:
        options = tcp_syn_options(sk, data)
        window = min(sk.rcv_wnd, 65535)
    else:
        options = tcp_established_options(sk)
        window = tcp_select_window(sk)
    hl = 20 + len(options)
    skb = __alloc_skb(ipv4.net, hl + len(data) + 64)
    skb.txstamp = stamp
    urg = 0
    if sk.snd_up != sk.snd_una and before(seq, sk.snd_up):
        if before(sk.snd_up, (seq + 0x10000) & M32):
            urg = (sk.snd_up - seq) & M32
            flags |= TCPHDR_URG
        elif after((seq + 0xFFFF) & M32, sk.snd_nxt):
            urg = 0xFFFF
            flags |= TCPHDR_URG
    # the ECN field is kept in the socket's TOS, as IP_TOS and TIME_WAIT show
    mode = 0 if flags & TCPHDR_SYN else sk.ecn_flags & TCP_ECN_MODE_ANY
    if mode == TCP_ECN_MODE_ACCECN:
        sk.tos &= ~3
        if not state_of(sk).accecn_fail_mode & TCP_ACCECN_ACE_FAIL_RECV:
            sk.tos |= 2
        flags = tcp_accecn_set_ace(sk, flags)
    elif mode == TCP_ECN_MODE_RFC3168:
        sk.tos &= ~3
        if data and not before(seq, sk.snd_nxt):
            sk.tos |= 2
            if sk.ecn_flags & TCP_ECN_QUEUE_CWR:
                sk.ecn_flags &= ~TCP_ECN_QUEUE_CWR
                flags |= TCPHDR_CWR
        if sk.ecn_flags & TCP_ECN_DEMAND_CWR:
            flags |= TCPHDR_ECE
    ack = sk.rcv_nxt if flags & TCPHDR_ACK or not flags & TCPHDR_SYN else 0
    seg = (
        TCP_HDR.pack(sk.sport, sk.dport, seq, ack, hl << 2 | flags >> 8, flags & 0xFF, window, 0, urg) + options + data
    )
    rt = sk.dst
    partial = rt is not None and rt.dev.is_loopback
    if partial:
        skb.ip_summed = CHECKSUM_PARTIAL
    if gso_size:
        skb.gso_size = gso_size
        skb.gso_segs = pcount
        skb.gso_type = SKB_GSO_TCPV4 | (SKB_GSO_TCP_ACCECN if mode == TCP_ECN_MODE_ACCECN else 0)
        skb_put(skb, tcp_v4_send_check(sk.saddr, sk.daddr, seg, True))  # each segment gets its own when it is cut
    else:
        skb_put(skb, tcp_v4_send_check(sk.saddr, sk.daddr, seg, partial))
    if flags & TCPHDR_ACK:
        tcp_event_ack_sent(sk)
    if data:
        tcp_event_data_sent(sk)
        sk.data_segs_out += pcount
        sk.bytes_sent += len(data)
    sk.segs_out += pcount
    end_seq = (seq + len(data) + (1 if flags & (TCPHDR_SYN | TCPHDR_FIN) else 0)) & M32
    if end_seq == seq or after(end_seq, sk.snd_nxt):
        # what was sent before does not count as a segment sent
        ipv4.tcp[TCP_MIB_OUTSEGS] += pcount
    if data and looped is not None and isinstance(sk.dst, Rtable) and sk.dst.dev.is_loopback:
        # what comes back is a clone of the queue's element: its data are in pages
        skb.head_size = sk.tx_overhead - SKB_OVERHEAD
        skb.truesize = sk.tx_overhead + len(data)
        skb.data_len = len(data)
        skb.nr_frags = 1
        skb.cloned = True
        skb.dataref = looped.looped = [2]
    err = ip_queue_xmit(sk, skb, sk.tos)
    if err > 0:
        from rxpath.net.ipv4.tcp.recovery import tcp_enter_cwr

        tcp_enter_cwr(sk)
        return 0 if err == 2 else err  # net_xmit_eval: congestion notified is as good as sent
    return err


def tcp_update_pacing_rate(sk: TcpSock) -> None:
    """Bytes a second that the window and the round trip time stand for: sizes super-packets, and paces who asked."""
    ts = sk.ts
    rt = sk.dst
    if isinstance(rt, Rtable) and rt.dev.fq:  # fq would keep a segment until its time: the sender's timer does
        sk.pacing_status = SK_PACING_FQ
    rate = sk.mss_cache * 80_000
    rate *= ts.tcp_pacing_ss_ratio if sk.snd_cwnd < sk.snd_ssthresh // 2 else ts.tcp_pacing_ca_ratio
    rate *= max(sk.snd_cwnd, sk.packets_out)
    if sk.srtt_us:
        rate //= sk.srtt_us
    sk.pacing_rate = min(rate, sk.max_pacing_rate)


def tcp_pacing_check(sk: TcpSock) -> bool:
    """True: not yet; the timer goes on when it is time."""
    if not sk.pacing_status or sk.wstamp_ns <= sk.clock_cache:
        return False
    if not sk.pacing_timer.queued:
        sk.pacing_timer.start(max(sk.wstamp_ns - sk.ts.ipv4.kernel.engine.now, 0))
    return True


def tcp_update_skb_after_send(sk: TcpSock, n: int, prior_wstamp: int) -> None:
    """`n` bytes went: when the next may go.  The first ten segments are not paced; half of a delay is forgiven."""
    rate = sk.pacing_rate
    if rate and rate != SK_PACING_UNLIMITED and sk.data_segs_out >= 10:
        ns = n * 1_000_000_000 // rate
        sk.wstamp_ns += ns - min(ns // 2, sk.wstamp_ns - prior_wstamp)


def tcp_tso_segs(sk: TcpSock, mss: int) -> int:
    """Segments of a super-packet that takes a millisecond at the pacing rate; near peers get larger ones."""
    size = sk.pacing_rate >> 10
    if sk.v.tso_by_rtt:
        r = min(sk.rtt_min_us, M32) >> 9
        if r < 32:
            size += GSO_MAX_SIZE >> r
    return max(min(size, GSO_MAX_SIZE) // mss, sk.ts.tcp_min_tso_segs)


def tcp_transmit_skb(sk: TcpSock, t: TxSkb) -> int:
    """Send an element of a queue (again).  Super-packets go with PSH, which the element does not keep."""
    prior = sk.wstamp_ns
    t.tx_us = max(sk.mstamp_us, prior // 1000) if sk.pacing_status else sk.mstamp_us
    if not t.first_tx_us:
        if not sk.packets_out:
            sk.first_tx_us = sk.delivered_us = sk.mstamp_us
        t.first_tx_us = sk.first_tx_us or sk.mstamp_us
    t.delivered = sk.delivered
    t.delivered_us = sk.delivered_us
    flags = t.flags | TCPHDR_PSH if t.pcount > 1 else t.flags
    stamp = t.txstamp
    if stamp is not None:
        stamp.truesize = t.truesize
    err = __tcp_transmit_skb(sk, t.seq, flags, t.data, t.pcount, t.gso_size, stamp, t)
    if sk.pacing_status and not err:
        tcp_update_skb_after_send(sk, len(t.data), prior)
    return err


def __tcp_send_ack(sk: TcpSock, flags: int = 0) -> None:
    if sk.state == TCP_CLOSE:
        return
    tcp_mstamp_refresh(sk)
    # an acceptable sequence: never beyond the peer's window
    __tcp_transmit_skb(sk, tcp_acceptable_seq(sk), TCPHDR_ACK | flags, b"")


def tcp_send_ack_reflect_ect(sk: TcpSock) -> None:
    """An ACK whose ACE field says how the peer's SYN-ACK arrived.  (Inline in Linux.)"""
    __tcp_send_ack(sk, tcp_accecn_reflector_flags(state_of(sk).syn_ect_rcv))


def tcp_acceptable_seq(sk: TcpSock) -> int:
    end = tcp_wnd_end(sk)
    if not before(end, sk.snd_nxt) or (sk.rx_opt.wscale_ok and (sk.snd_nxt - end) & M32 < 1 << sk.rx_opt.rcv_wscale):
        return sk.snd_nxt
    return end


def tcp_send_ack(sk: TcpSock) -> None:
    __tcp_send_ack(sk)


# --- new data -------------------------------------------------------------------------------------


def tcp_packets_in_flight(sk: TcpSock) -> int:
    return sk.packets_out - (sk.sacked_out + sk.lost_out) + sk.retrans_out


def tcp_in_initial_slowstart(sk: TcpSock) -> bool:
    return sk.snd_ssthresh >= 0x7FFFFFFF


def tcp_set_skb_tso_segs(t: TxSkb, mss: int) -> int:
    """How many segments of `mss` bytes an element is."""
    n = len(t.data)
    if n <= mss:
        t.pcount = 1
        t.gso_size = 0
    else:
        t.gso_size = mss
        t.pcount = -(-n // mss)
    return t.pcount


def tcp_skb_seglen(t: TxSkb) -> int:
    return len(t.data) if t.pcount == 1 else t.gso_size


def tcp_stream_alloc_skb(sk: TcpSock, force: bool) -> TxSkb | None:
    """An empty element; None: no memory."""
    t = TxSkb(sk.write_seq, b"", TCPHDR_ACK)
    t.truesize = sk.tx_overhead
    if force:
        sk_forced_mem_schedule(sk, t.truesize)
    elif not sk_wmem_schedule(sk, t.truesize):
        sk_stream_moderate_sndbuf(sk)
        return None
    return t


def sk_wmem_charge(sk: TcpSock, n: int) -> None:
    """sk_wmem_queued_add and sk_mem_charge."""
    sk.wmem_queued += n
    sk.forward_alloc -= n


def sk_mem_uncharge(sk: TcpSock, n: int) -> None:
    sk.forward_alloc += n
    sk_mem_reclaim(sk)


def tcp_chrono_set(sk: TcpSock, new: int) -> None:
    now = jiffies(sk)
    if sk.chrono_type:
        sk.chrono_stat[sk.chrono_type - 1] += now - sk.chrono_start
    sk.chrono_start = now
    sk.chrono_type = new


def tcp_chrono_start(sk: TcpSock, what: int) -> None:
    """The highest reason is the one that counts."""
    if what > sk.chrono_type:
        tcp_chrono_set(sk, what)


def tcp_chrono_stop(sk: TcpSock, what: int) -> None:
    if not sk.write_queue and not sk.rtx_queue:
        tcp_chrono_set(sk, 0)
    elif what == sk.chrono_type:
        tcp_chrono_set(sk, CHRONO_BUSY)


def tcp_skb_entail(sk: TcpSock, t: TxSkb) -> None:
    """A new element at the end of the write queue."""
    sk.write_queue.append(t)
    if len(sk.write_queue) == 1:
        tcp_chrono_start(sk, CHRONO_BUSY)
    sk_wmem_charge(sk, t.truesize)
    sk.nonagle &= ~TCP_NAGLE_PUSH
    tcp_slow_start_after_idle_check(sk)


def tcp_event_new_data_sent(sk: TcpSock, t: TxSkb) -> None:
    prior = sk.packets_out
    sk.snd_nxt = t.end_seq
    sk.write_queue.popleft()
    sk.rtx_queue.append(t)
    if sk.highest_sack is None:
        sk.highest_sack = t
    sk.packets_out += t.pcount
    if not prior or sk.icsk_pending == ICSK_TIME_LOSS_PROBE:
        tcp_rearm_rto(sk)
    sk.ts.ipv4.tcpext["TCPOrigDataSent"] += t.pcount
    tcp_check_space(sk)


def tcp_nagle_check(sk: TcpSock, partial: bool, nonagle: int) -> bool:
    """True: a small segment must wait."""
    return partial and bool(
        nonagle & TCP_NAGLE_CORK
        or (not nonagle and sk.packets_out and after(sk.snd_sml, sk.snd_una) and not after(sk.snd_sml, sk.snd_nxt))
    )


def tcp_nagle_test(sk: TcpSock, t: TxSkb, mss: int, nonagle: int) -> bool:
    """Whether a small segment may go now."""
    if nonagle & TCP_NAGLE_PUSH or sk.snd_up != sk.snd_una or t.flags & TCPHDR_FIN:
        return True
    return not tcp_nagle_check(sk, len(t.data) < mss, nonagle)


def tcp_snd_wnd_test(sk: TcpSock, t: TxSkb, mss: int) -> bool:
    """Whether at least one segment of an element fits the peer's window."""
    end = (t.seq + mss) & M32 if len(t.data) > mss else t.end_seq
    return not after(end, tcp_wnd_end(sk))


def tcp_cwnd_test(sk: TcpSock, t: TxSkb) -> int:
    """Segments that the congestion window lets go, at most half of it at once."""
    if t.flags & TCPHDR_FIN and len(t.data) <= sk.mss_cache and not sk.v.fin_obeys_cwnd:
        return 1
    left = sk.snd_cwnd - tcp_packets_in_flight(sk)
    if left <= 0:
        return 0
    return min(max(sk.snd_cwnd >> 1, 1), left)


def tcp_mss_split_point(sk: TcpSock, t: TxSkb, mss: int, segs: int, nonagle: int) -> int:
    window = (tcp_wnd_end(sk) - t.seq) & M32
    most = mss * segs
    if most <= window and t is not sk.write_queue[-1]:
        return most
    needed = min(len(t.data), window)
    if most <= needed:
        return most
    partial = needed % mss
    if tcp_nagle_check(sk, partial != 0, nonagle):
        return needed - partial
    return needed


def split(sk: TcpSock, t: TxSkb, size: int, mss: int) -> TxSkb:
    """The second part of an element, which keeps its first `size` bytes (skb_split; both parts' segments)."""
    rest = TxSkb((t.seq + size) & M32, t.data[size:], t.flags)
    rest.end_seq = t.end_seq
    rest.truesize = sk.tx_overhead
    sk_forced_mem_schedule(sk, rest.truesize)
    sk_wmem_charge(sk, rest.truesize)
    n = len(t.data) - size
    rest.truesize += n
    t.truesize -= n
    t.data = t.data[:size]
    t.flags &= ~(TCPHDR_FIN | TCPHDR_PSH)
    t.end_seq = rest.seq
    rest.eor = t.eor
    t.eor = False
    tcp_set_skb_tso_segs(t, mss)
    tcp_set_skb_tso_segs(rest, mss)
    if t.txstamp is not None:
        tcp_fragment_tstamp(t, rest)
    return rest


def tso_fragment(sk: TcpSock, t: TxSkb, size: int, mss: int) -> None:
    """Cut the head of the write queue."""
    sk.write_queue.insert(1, split(sk, t, size, mss))


def tcp_adjust_pcount(sk: TcpSock, t: TxSkb, decr: int) -> None:
    sk.packets_out -= decr
    if t.sacked & SACKED_ACKED:
        sk.sacked_out -= decr
    if t.sacked & SACKED_RETRANS:
        sk.retrans_out -= decr
    if t.sacked & LOST:
        sk.lost_out -= decr
    if not sk.rx_opt.sack_ok and decr > 0:
        sk.sacked_out -= min(sk.sacked_out, decr)


def tcp_fragment(sk: TcpSock, t: TxSkb, size: int, mss: int) -> bool:
    """Cut an element that was sent; False: the queue is too big for that."""
    q = sk.rtx_queue
    if sk.wmem_queued >> 1 > sk.sndbuf + 2 * (65536 + 576) and t is not q[0] and t is not q[-1]:
        sk.ts.ipv4.tcpext["TCPWqueueTooBig"] += 1
        return False
    old = t.pcount
    rest = split(sk, t, size, mss)
    rest.sacked = t.sacked
    rest.tx_us = t.tx_us
    rest.first_tx_us = t.first_tx_us
    rest.delivered = t.delivered
    rest.delivered_us = t.delivered_us
    if not before(sk.snd_nxt, rest.end_seq):
        diff = old - t.pcount - rest.pcount
        if diff:
            tcp_adjust_pcount(sk, t, diff)
    q.insert(q.index(t) + 1, rest)
    return True


def tcp_trim_head(sk: TcpSock, t: TxSkb, n: int) -> None:
    """Forget what is acknowledged of an element."""
    t.data = t.data[n:]
    t.seq = (t.seq + n) & M32
    t.truesize -= n
    sk.wmem_queued -= n
    sk_mem_uncharge(sk, n)
    if t.pcount > 1:
        tcp_set_skb_tso_segs(t, t.gso_size)


def tcp_grow_skb(sk: TcpSock, t: TxSkb, n: int) -> None:
    """6.11: fill an element from the next one before it is sent."""
    wq = sk.write_queue
    if len(wq) < 2:
        return
    nxt = wq[1]
    if t.eor or not nxt.data or t.flags & TCPHDR_FIN:
        return
    n = min(n, len(nxt.data), 65535 * 8 - len(t.data))
    if n <= 0:
        return
    t.data += nxt.data[:n]
    t.end_seq = (t.end_seq + n) & M32
    t.truesize += n
    nxt.data = nxt.data[n:]
    nxt.truesize -= n
    nxt.seq = (nxt.seq + n) & M32
    if not nxt.data:
        t.eor = nxt.eor
        t.flags |= nxt.flags
        t.end_seq = nxt.end_seq
        tcp_skb_collapse_tstamp(t, nxt)
        del wq[1]
        wfree(sk, nxt)


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
        if not sk.write_queue and sk.nospace and sk.state in (TCP_ESTABLISHED, TCP_CLOSE_WAIT):
            tcp_chrono_start(sk, CHRONO_SNDBUF_LIMITED)


def tcp_init_cwnd(sk: TcpSock) -> int:
    """The first congestion window: the route's metric, or ten."""
    return dst_metric(sk.dst, "initcwnd") or TCP_INIT_CWND


def tcp_cwnd_application_limited(sk: TcpSock) -> None:
    if sk.ca_state == TCP_CA_Open and not sk.orphan and not sk.nospace:
        win_used = max(sk.snd_cwnd_used, tcp_init_cwnd(sk))
        if win_used < sk.snd_cwnd:
            sk.snd_ssthresh = max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2))
            sk.snd_cwnd = (sk.snd_cwnd + win_used) >> 1
        sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp = jiffies(sk)


def tcp_cwnd_restart(sk: TcpSock, delta: int) -> None:
    """After an idle time: halve for every RTO, not below the initial window."""
    restart = min(tcp_init_cwnd(sk), sk.snd_cwnd)
    cwnd = sk.snd_cwnd
    sk.snd_ssthresh = (
        max(sk.snd_ssthresh, (cwnd >> 1) + (cwnd >> 2)) if not tcp_in_initial_slowstart(sk) else sk.snd_ssthresh
    )
    while True:
        delta -= sk.rto
        if delta <= 0 or cwnd <= restart:
            break
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


DEFER_NO: Final = 0
DEFER_CWND: Final = 1
DEFER_RWND: Final = 2
DEFER_APP: Final = 3


def tcp_tso_should_defer(sk: TcpSock, t: TxSkb, max_segs: int) -> int:
    """Whether to wait for a larger super-packet, and which window is the reason."""
    if sk.ca_state >= TCP_CA_Recovery or sk.clock_cache - sk.wstamp_ns - 1_000_000 > 0:
        return DEFER_NO
    n = len(t.data)
    send_win = (tcp_wnd_end(sk) - t.seq) & M32
    cong_win = (sk.snd_cwnd - tcp_packets_in_flight(sk)) * sk.mss_cache
    limit = min(send_win, cong_win)
    if limit >= max_segs * sk.mss_cache or (t is not sk.write_queue[-1] and limit >= n):
        return DEFER_NO
    div = sk.ts.tcp_tso_win_divisor
    if div:
        if limit >= min(sk.snd_wnd, sk.snd_cwnd * sk.mss_cache) // div:
            return DEFER_NO
    elif limit > 3 * sk.mss_cache:
        return DEFER_NO
    if not sk.rtx_queue:
        return DEFER_NO
    if sk.v.defer_threshold:
        srtt_ns = sk.srtt_us * 125
        left = sk.rtx_queue[0].tx_us * 1000 + srtt_ns - sk.mstamp_us * 1000
        if left - min(srtt_ns >> 1, 1_000_000) > 0:
            return DEFER_NO
    elif sk.mstamp_us - sk.rtx_queue[0].tx_us < sk.srtt_us >> 4:
        return DEFER_NO
    if cong_win < send_win:
        if cong_win <= n:
            return DEFER_CWND
    elif send_win <= n:
        return DEFER_RWND
    if t.flags & TCPHDR_FIN or t.eor:
        return DEFER_NO
    return DEFER_APP


def tcp_small_queue_check(sk: TcpSock) -> bool:
    """True: enough is under way in the device.  What drivers hold is charged to nobody here, so only the count's bias
    of one stands against tcp_limit_output_bytes: 0 leaves two packets unacknowledged, and any other value all.
    """
    none = not (sk.ts.tcp_limit_output_bytes or sk.pacing_status)
    return none and sk.v.limit_output_most and len(sk.rtx_queue) > 1


def tcp_write_xmit(sk: TcpSock, mss: int, nonagle: int, push_one: int) -> bool:
    """Send what windows allow.  `push_one` 1: one packet, 2: one whatever the congestion window says.  True:
    nothing is in flight and data waits.
    """
    sent = 0
    tcp_mstamp_refresh(sk)
    cwnd_limited = False
    rwnd_limited = False
    wq = sk.write_queue
    if sk.mtup_enabled and not push_one:
        from rxpath.net.ipv4.tcp.mtup import tcp_mtu_probe

        r = tcp_mtu_probe(sk)
        if not r:
            return False
        sent = max(r, 0)
    max_segs = tcp_tso_segs(sk, mss)
    grow = sk.v.tso_grow
    while wq:
        t = wq[0]
        if sk.pacing_status and tcp_pacing_check(sk):
            break
        if not grow:
            if not t.pcount or (t.pcount > 1 and t.gso_size != mss):
                tcp_set_skb_tso_segs(t, mss)
        quota = tcp_cwnd_test(sk, t)
        if not quota:
            if push_one != 2:
                break
            quota = 1
        quota = min(quota, max_segs)
        if grow:
            missing = quota * mss - len(t.data)
            if missing > 0:
                tcp_grow_skb(sk, t, missing)
            tcp_set_skb_tso_segs(t, mss)
        if not tcp_snd_wnd_test(sk, t, mss):
            rwnd_limited = True
            break
        if t.pcount == 1:
            if not tcp_nagle_test(sk, t, mss, nonagle if len(wq) == 1 else TCP_NAGLE_PUSH):
                break
        elif not push_one:
            d = tcp_tso_should_defer(sk, t, max_segs)
            if d:
                cwnd_limited = d == DEFER_CWND
                rwnd_limited = d == DEFER_RWND
                break
        limit = mss
        if t.pcount > 1 and sk.snd_up == sk.snd_una:
            limit = tcp_mss_split_point(sk, t, mss, quota, nonagle)
        if len(t.data) > limit:
            tso_fragment(sk, t, limit, mss)
        if tcp_small_queue_check(sk):
            break
        if t.end_seq == t.seq:
            break
        if tcp_transmit_skb(sk, t):
            break
        tcp_event_new_data_sent(sk, t)
        if len(t.data) < t.pcount * mss:
            sk.snd_sml = t.end_seq
        sent += t.pcount
        if push_one:
            break
    if rwnd_limited:
        tcp_chrono_start(sk, CHRONO_RWND_LIMITED)
    else:
        tcp_chrono_stop(sk, CHRONO_RWND_LIMITED)
    cwnd_limited = cwnd_limited or tcp_packets_in_flight(sk) >= sk.snd_cwnd
    if sent or cwnd_limited:
        tcp_cwnd_validate(sk, cwnd_limited)
    if sent:
        if sk.ca_state in (TCP_CA_CWR, TCP_CA_Recovery):
            sk.prr_out += sent
        if push_one != 2:
            tcp_schedule_loss_probe(sk, False)
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
        tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_probe0_base(sk))


def tcp_probe0_base(sk: TcpSock) -> int:
    return max(sk.rto, sk.rto_min)


def tcp_probe0_when(sk: TcpSock, max_when: int) -> int:
    backoff = min((rto_max(sk) // sk.rto_min).bit_length() - 1 + 1, sk.backoff)
    return min(tcp_probe0_base(sk) << backoff, max_when)


def tcp_data_snd_check(sk: TcpSock) -> None:
    tcp_push_pending_frames(sk)
    tcp_check_space(sk)


def tcp_check_space(sk: TcpSock) -> None:
    """A writer waits for room: make more, and wake it when there is enough."""
    if not sk.nospace:
        return
    if (
        not sk.userlocks & SOCK_SNDBUF_LOCK
        and not sk.prot.memory_pressure
        and sk.prot.memory_allocated < sk.prot.mem[0]
        and tcp_packets_in_flight(sk) < sk.snd_cwnd
    ):
        tcp_sndbuf_expand(sk)
        sk.snd_cwnd_stamp = jiffies(sk)
    if sk_stream_is_writeable(sk):
        sk.nospace = False
        sock_def_write_space(sk)
    if not sk.nospace:
        tcp_chrono_stop(sk, CHRONO_SNDBUF_LIMITED)


def sk_stream_wspace(sk: TcpSock) -> int:
    return sk.sndbuf - sk.wmem_queued


def sk_stream_memory_free(sk: TcpSock, wake: int = 0) -> bool:
    if sk.wmem_queued >= sk.sndbuf:
        return False
    return ((sk.write_seq - sk.snd_nxt) & M32) << wake < (sk.notsent_lowat or sk.ts.tcp_notsent_lowat)


def sk_stream_is_writeable(sk: TcpSock) -> bool:
    return sk_stream_wspace(sk) >= sk.wmem_queued >> 1 and sk_stream_memory_free(sk, 1)


def wfree(sk: TcpSock, t: TxSkb) -> None:
    """tcp_wmem_free_skb."""
    if t.looped is not None:
        t.looped[0] -= 1
        t.looped = None
    sk.wmem_queued -= t.truesize
    sk_mem_uncharge(sk, t.truesize)


# --- loss probe -----------------------------------------------------------------------------------


def tcp_schedule_loss_probe(sk: TcpSock, advancing_rto: bool) -> bool:
    if not sk.v.tlp or sk.ts.tcp_early_retrans not in (3, 4) or not sk.packets_out or not sk.rx_opt.sack_ok:
        return False
    if sk.ca_state not in (TCP_CA_Open, TCP_CA_CWR) or sk.fastopen_rsk is not None:
        return False
    k = sk.ts.ipv4.kernel
    if sk.srtt_us:
        t = sk.srtt_us >> 2
        if sk.packets_out == 1:
            t += sk.rto_min * (1_000_000 // k.hz)
        else:
            t += TCP_TIMEOUT_MIN_US
        timeout = k.usecs_to_jiffies(t)
    else:
        timeout = k.hz
    rto_us = sk.rto * (1_000_000 // k.hz) if advancing_rto else tcp_rto_delta_us(sk)
    if rto_us > 0:
        timeout = min(timeout, k.usecs_to_jiffies(rto_us))
    tcp_reset_xmit_timer(sk, ICSK_TIME_LOSS_PROBE, timeout)
    return True


# --- retransmission -------------------------------------------------------------------------------


# --- FIN, RST, SYN, probes ------------------------------------------------------------------------


def tcp_queue_skb(sk: TcpSock, t: TxSkb) -> None:
    sk.write_seq = t.end_seq
    sk.write_queue.append(t)
    if len(sk.write_queue) == 1:
        tcp_chrono_start(sk, CHRONO_BUSY)
    sk_wmem_charge(sk, t.truesize)


def tcp_send_fin(sk: TcpSock) -> None:
    if sk.write_queue:
        t = sk.write_queue[-1]
        t.flags |= TCPHDR_FIN
        t.end_seq = (t.end_seq + 1) & M32
        sk.write_seq = (sk.write_seq + 1) & M32
    elif sk.rtx_queue and sk.prot.memory_pressure:
        # as if it had been sent with the last one: it goes when that is sent again
        t = sk.rtx_queue[-1]
        t.flags |= TCPHDR_FIN
        t.end_seq = (t.end_seq + 1) & M32
        sk.write_seq = (sk.write_seq + 1) & M32
        sk.snd_nxt = (sk.snd_nxt + 1) & M32
        return
    else:
        t = TxSkb(sk.write_seq, b"", TCPHDR_ACK | TCPHDR_FIN)
        t.truesize = sk.tx_overhead
        t.pcount = 1
        sk_forced_mem_schedule(sk, t.truesize)
        tcp_queue_skb(sk, t)
    __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF)


def tcp_send_active_reset(sk: TcpSock) -> None:
    """A RST in sequence."""
    ipv4 = sk.ts.ipv4
    ipv4.tcp[TCP_MIB_OUTRSTS] += 1
    tcp_mstamp_refresh(sk)
    tp = ipv4.kernel.trace.tcp_send_reset
    if tp.on:
        tp.fire(sk, None)
    __tcp_transmit_skb(sk, tcp_acceptable_seq(sk), TCPHDR_ACK | TCPHDR_RST, b"")


def tcp_send_synack(sk: TcpSock) -> int:
    """Answer the SYN of a simultaneous open."""
    if not sk.rtx_queue:
        return -EFAULT
    t = sk.rtx_queue[0]
    if not t.flags & TCPHDR_SYN:
        return -EFAULT
    if not t.flags & TCPHDR_ACK:
        t.flags |= TCPHDR_ACK
        t.flags &= ~(TCPHDR_CWR if sk.ecn_flags & TCP_ECN_MODE_ANY else TCPHDR_ECE | TCPHDR_CWR)
    tcp_mstamp_refresh(sk)
    return tcp_transmit_skb(sk, t)


def tcp_xmit_probe_skb(sk: TcpSock, urgent: int, mib: str) -> int:
    """An ACK with an old sequence number: the peer must answer."""
    sk.ts.ipv4.tcpext[mib] += 1
    return __tcp_transmit_skb(sk, (sk.snd_una - (0 if urgent else 1)) & M32, TCPHDR_ACK, b"")


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
            tso_fragment(sk, t, room, mss)
        elif not t.pcount:
            tcp_set_skb_tso_segs(t, mss)
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
    tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_clamp_probe0_to_user_timeout(sk, when))


def tcp_clamp_probe0_to_user_timeout(sk: TcpSock, when: int) -> int:
    """A probe comes no later than TCP_USER_TIMEOUT ends."""
    if not sk.user_timeout or not sk.probes_tstamp:
        return when
    elapsed = max(jiffies(sk) - sk.probes_tstamp, 0)
    left = sk.ts.ipv4.kernel.msecs_to_jiffies(sk.user_timeout) - elapsed
    return min(max(left, TCP_TIMEOUT_MIN), when)


def tcp_mark_urg(sk: TcpSock, flags: int) -> None:
    if flags & 1:
        sk.snd_up = sk.write_seq


def tcp_need_reset(state: int) -> bool:
    """Whether closing in this state sends a RST."""
    return bool(1 << state & (1 << 1 | 1 << 8 | 1 << 4 | 1 << 5 | 1 << 3))
