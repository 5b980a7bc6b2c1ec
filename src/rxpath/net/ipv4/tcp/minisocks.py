"""Small sockets: requests on their way to a connection, and what remains of one in TIME_WAIT.

Facts: net/ipv4/tcp_minisocks.c, inet_timewait_sock.c, inet_connection_sock.c (5.15, 6.1; 6.18 as recorded).
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.sock import TCP_FIN_WAIT2, TCP_SYN_RECV, TCP_TIME_WAIT, sock_enable_timestamp
from rxpath.net.ipv4.mib import TCP_MIB_ATTEMPTFAILS, TCP_MIB_PASSIVEOPENS
from rxpath.net.ipv4.tcp.fastopen import reqsk_fastopen_remove
from rxpath.net.ipv4.tcp.hashtables import bind_add, bind_del, inet_ehashfn
from rxpath.net.ipv4.tcp.options import tcp_parse_options
from rxpath.net.ipv4.tcp.output import jiffies, rto_max
from rxpath.net.ipv4.tcp.rcvbuf import tcp_receive_window
from rxpath.net.ipv4.tcp.seq import M32, after, before, between, s32
from rxpath.net.ipv4.tcp.sites import (
    SITE_FASTOPEN,
    SITE_INVALID_ACK,
    SITE_OVERFLOW,
    SITE_OVERWINDOW,
    SITE_PAWS,
    SITE_REQ_OLD,
    SITE_TSECR,
    SITE_TW,
    SITE_TW_PAWS,
)
from rxpath.net.ipv4.tcp.sock import RequestSock, RxOpt, TcpSock, TcpState, TimewaitSock, tcb, tcp_state_of
from rxpath.net.ipv4.tcp.state import tcp_done, tcp_reset
from rxpath.sim.ledger import Site
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN

TCP_TW_SUCCESS: Final = 0
TCP_TW_RST: Final = 1
TCP_TW_ACK: Final = 2
TCP_TW_SYN: Final = 3
TCP_TW_ACK_OOW: Final = 4


def timewait_len(ts: TcpState) -> int:
    return 60 * ts.ipv4.kernel.hz


def tcp_in_window(seq: int, end_seq: int, s_win: int, e_win: int) -> bool:
    if seq == s_win:
        return True
    if after(end_seq, s_win) and before(seq, e_win):
        return True
    return seq == e_win and seq == end_seq


def tcp_paws_reject(ts: TcpState, opt: RxOpt, rst: bool) -> bool:
    d = s32(opt.ts_recent - opt.rcv_tsval)
    if d <= 0:
        return False
    now = ts.ipv4.kernel.engine.now // 1_000_000_000 + 1
    if now - opt.ts_recent_stamp >= 24 * 86400 or not opt.ts_recent:
        return False
    return not (rst and now - opt.ts_recent_stamp >= 60)


# --- TIME_WAIT ------------------------------------------------------------------------------------


def inet_twsk_schedule(tw: TimewaitSock, timeo: int, rearm: bool) -> None:
    k = tw.ipv4.kernel
    if not rearm:
        tw.ipv4.tcpext["TWKilled" if timeo <= 4 * k.hz else "TW"] += 1
    tw.timer.mod_timer(k.jiffies() + max(timeo, 1))


def inet_twsk_kill(ts: TcpState, tw: TimewaitSock) -> None:
    tw.timer.del_timer()
    key = inet_ehashfn(tw.loc_addr, tw.num, tw.rmt_addr, tw.rmt_port)
    if ts.ehash.get(key) is tw:
        del ts.ehash[key]
    bind_del(ts, tw.num, tw)
    ts.tw_count -= 1


def inet_twsk_deschedule_put(ts: TcpState, tw: TimewaitSock) -> None:
    inet_twsk_kill(ts, tw)


def tw_timer_handler(ts: TcpState, tw: TimewaitSock) -> None:
    inet_twsk_kill(ts, tw)


def tcp_time_wait(sk: TcpSock, state: int, timeo: int) -> None:
    """The socket becomes a TIME_WAIT socket (or one in FIN_WAIT2) and ends."""
    ts = sk.ts
    if ts.tw_count < ts.tcp_max_tw_buckets and sk.hashed_key is not None:
        tw = TimewaitSock(ts.ipv4)
        rto = (sk.rto << 2) - (sk.rto >> 1)
        tw.substate = state
        tw.loc_addr = sk.rcv_saddr or sk.saddr
        tw.rmt_addr = sk.daddr
        tw.num = sk.num
        tw.rmt_port = sk.dport
        tw.bound_dev_if = sk.bound_dev_if
        tw.rcv_wscale = sk.rx_opt.rcv_wscale
        tw.rcv_nxt = sk.rcv_nxt
        tw.snd_nxt = sk.snd_nxt

        tw.rcv_wnd = tcp_receive_window(sk)
        tw.ts_recent = sk.rx_opt.ts_recent
        tw.ts_recent_stamp = sk.rx_opt.ts_recent_stamp
        tw.entry_stamp = ts.ipv4.kernel.engine.now // 1_000_000
        tw.ts_offset = sk.tsoffset
        tw.last_oow_ack_time = 0
        tw.tos = sk.tos
        tw.mark = sk.mark
        tw.reuse = sk.reuse
        tw.reuseport = sk.reuseport
        tw.connect_bind = sk.connect_bind
        timeo = max(timeo, rto)
        if state == TCP_TIME_WAIT:
            timeo = timewait_len(ts)
        if not ts.v.tw_in_place:
            del ts.ehash[sk.hashed_key]
        ts.ehash[sk.hashed_key] = tw
        sk.hashed_key = None
        bind_add(ts, tw.num, tw)
        ts.tw_count += 1
        inet_twsk_schedule(tw, timeo, False)
    else:
        ts.ipv4.tcpext["TCPTimeWaitOverflow"] += 1
    tcp_done(sk)


def tcp_timewait_check_oow_rate_limit(tw: TimewaitSock, ts: TcpState, skb: SkBuff, mib: str) -> int:
    c = tcb(skb)
    if c.seq == c.end_seq or c.flags & TCPHDR_SYN:
        now = ts.ipv4.kernel.jiffies()
        if ts.v.oow_limit:
            if tw.last_oow_ack_time and 0 <= now - tw.last_oow_ack_time < ts.tcp_invalid_ratelimit:
                ts.ipv4.tcpext[mib] += 1
                return TCP_TW_SUCCESS
            tw.last_oow_ack_time = now
    return TCP_TW_ACK if ts.v.tw_oow_ack_ect else TCP_TW_ACK_OOW


def tcp_timewait_state_process(tw: TimewaitSock, skb: SkBuff) -> tuple[int, Site]:
    """(what to do, where the segment ends)."""
    ts = tcp_state_of(tw.ipv4)
    c = tcb(skb)
    opt = RxOpt()
    paws = False
    now_s = ts.ipv4.kernel.engine.now // 1_000_000_000 + 1
    if c.doff > 20 and tw.ts_recent_stamp:
        tcp_parse_options(ts, skb, opt, False)
        if opt.saw_tstamp:
            opt.ts_recent = tw.ts_recent
            opt.ts_recent_stamp = tw.ts_recent_stamp
            paws = tcp_paws_reject(ts, opt, bool(c.flags & TCPHDR_RST))
    rst = c.flags & TCPHDR_RST
    syn = c.flags & TCPHDR_SYN
    if tw.substate == TCP_FIN_WAIT2:
        if paws or not tcp_in_window(c.seq, c.end_seq, tw.rcv_nxt, (tw.rcv_nxt + tw.rcv_wnd) & M32):
            return tcp_timewait_check_oow_rate_limit(tw, ts, skb, "TCPACKSkippedFinWait2"), SITE_TW
        if rst:
            inet_twsk_deschedule_put(ts, tw)
            return TCP_TW_SUCCESS, SITE_TW
        if syn and not before(c.seq, tw.rcv_nxt):
            return TCP_TW_RST, SITE_TW
        if not c.flags & TCPHDR_ACK or not after(c.end_seq, tw.rcv_nxt) or c.end_seq == c.seq:
            return TCP_TW_SUCCESS, SITE_TW
        if not c.flags & TCPHDR_FIN or c.end_seq != (tw.rcv_nxt + 1) & M32:
            return TCP_TW_RST, SITE_TW
        tw.substate = TCP_TIME_WAIT
        tw.rcv_nxt = c.end_seq
        if opt.saw_tstamp:
            tw.ts_recent_stamp = now_s
            tw.ts_recent = opt.rcv_tsval
            tw.entry_stamp = ts.ipv4.kernel.engine.now // 1_000_000
        inet_twsk_schedule(tw, timewait_len(ts), True)
        return TCP_TW_ACK, SITE_TW
    if not paws and c.seq == tw.rcv_nxt and (c.seq == c.end_seq or rst):
        if rst:
            if not ts.tcp_rfc1337:
                inet_twsk_deschedule_put(ts, tw)
                return TCP_TW_SUCCESS, SITE_TW
        else:
            inet_twsk_schedule(tw, timewait_len(ts), True)
        if opt.saw_tstamp:
            tw.ts_recent = opt.rcv_tsval
            tw.ts_recent_stamp = now_s
        return TCP_TW_SUCCESS, SITE_TW
    if (
        syn
        and not rst
        and not c.flags & TCPHDR_ACK
        and not paws
        and (after(c.seq, tw.rcv_nxt) or (opt.saw_tstamp and s32(tw.ts_recent - opt.rcv_tsval) < 0))
    ):
        c.tw_isn = (tw.snd_nxt + 65535 + 2) & M32 or 1
        return TCP_TW_SYN, SITE_TW
    site = SITE_TW
    if paws:
        ts.ipv4.tcpext["PAWSTimewait" if ts.v.reject_ts_reason else "PAWSEstab"] += 1
        if ts.v.reject_ts_reason:
            site = SITE_TW_PAWS
    if not rst:
        if paws or c.flags & TCPHDR_ACK:
            inet_twsk_schedule(tw, timewait_len(ts), True)
        return tcp_timewait_check_oow_rate_limit(tw, ts, skb, "TCPACKSkippedTimeWait"), site
    return TCP_TW_SUCCESS, site


def tcp_twsk_unique(sk: TcpSock, tw: TimewaitSock, bound: bool) -> bool:
    """Whether an active open may take over a TIME_WAIT socket's ports (safe with time stamps after a second; at once
    when the port is `bound`).
    """
    ts = sk.ts
    reuse = ts.tcp_tw_reuse
    if ts.v.tw_reuse_delay and tw.substate == TCP_FIN_WAIT2:
        reuse = 0
    if reuse == 2:
        reuse = 1 if tw.loc_addr >> 24 == 127 or tw.rmt_addr >> 24 == 127 else 0
    now = ts.ipv4.kernel.engine.now
    if ts.v.tw_reuse_delay:
        late = now // 1_000_000 > tw.entry_stamp + ts.tcp_tw_reuse_delay
    else:
        late = now // 1_000_000_000 + 1 > tw.ts_recent_stamp
    if tw.ts_recent_stamp and (bound or (reuse and late)):
        seq = (tw.snd_nxt + 65535 + 2) & M32
        sk.write_seq = seq or 1
        sk.rx_opt.ts_recent = tw.ts_recent
        sk.rx_opt.ts_recent_stamp = tw.ts_recent_stamp
        inet_twsk_deschedule_put(ts, tw)
        return True
    return False


# --- requests -------------------------------------------------------------------------------------


def req_key(req: RequestSock) -> tuple[int, int, int, int]:
    return inet_ehashfn(req.loc_addr, req.num, req.rmt_addr, req.rmt_port)


def inet_csk_reqsk_queue_drop(req: RequestSock) -> bool:
    """Forget a request; False when somebody did already."""
    if not req.hashed:
        return False

    ts = tcp_state_of(req.ipv4)
    req.hashed = False
    key = req_key(req)
    if ts.ehash.get(key) is req:
        del ts.ehash[key]
    if req.timer is not None:
        req.timer.del_timer()
    lsk = req.listener
    lsk.req_count -= 1
    if req.young:
        req.young = False
        lsk.req_young -= 1
    return True


def reqsk_timeout(req: RequestSock) -> int:
    k = req.ipv4.kernel
    return min(req.timeout << req.num_timeout, 120 * k.hz)


def tcp_create_openreq_child(listener: TcpSock, req: RequestSock, skb: SkBuff) -> TcpSock:
    """A connection with what was agreed (the fields; its tables are entered by the caller)."""
    ts = listener.ts
    sk = TcpSock(listener.net, listener.prot)
    now = jiffies(sk)
    sk.state = TCP_SYN_RECV
    for name in INHERITED:
        setattr(sk, name, getattr(listener, name))
    if listener.tstamp_on:
        sock_enable_timestamp(sk, listener.tstamp_on)
    sk.keepalive_time = listener.keepalive_time
    sk.num = req.num
    sk.sport = req.num
    sk.dport = req.rmt_port
    sk.daddr = req.rmt_addr
    sk.saddr = sk.rcv_saddr = req.loc_addr
    sk.mark = req.mark
    sk.rx_opt.user_mss = listener.rx_opt.user_mss
    sk.pred_flags = 0
    seq = (req.rcv_isn + 1) & M32
    sk.rcv_wup = sk.copied_seq = sk.rcv_nxt = seq
    sk.segs_in = 1
    sk.snd_sml = sk.snd_una = sk.snd_nxt = sk.snd_up = sk.write_seq = sk.pushed_seq = (req.snt_isn + 1) & M32
    sk.snd_wl1 = req.rcv_isn
    sk.srtt_us = 0
    sk.mdev_us = 1_000_000
    sk.rcv_tstamp = sk.lsndtime = sk.lrcvtime = now
    if sk.keepalive:
        ts.handlers.reset_keepalive(sk, sk.keepalive_time or ts.tcp_keepalive_time)
    o = sk.rx_opt
    o.tstamp_ok = req.tstamp_ok
    o.sack_ok = req.sack_ok
    sk.window_clamp = req.rsk_window_clamp
    sk.rcv_ssthresh = sk.rcv_wnd = req.rsk_rcv_wnd
    o.wscale_ok = req.wscale_ok
    if o.wscale_ok:
        o.snd_wscale = req.snd_wscale
        o.rcv_wscale = req.rcv_wscale
    else:
        sk.window_clamp = min(sk.window_clamp, 65535)
    c = tcb(skb)
    sk.snd_wnd = c.window << o.snd_wscale
    sk.max_window = sk.snd_wnd
    if o.tstamp_ok:
        sk.tsoffset = req.ts_off
        o.ts_recent = req.ts_recent
        o.ts_recent_stamp = ts.ipv4.kernel.engine.now // 1_000_000_000 + 1
        sk.header_len = 32
    else:
        sk.header_len = 20
    if req.fastopen:
        sk.snd_wnd = sk.max_window = c.window
    if skb.len >= 536 + sk.header_len:
        sk.last_seg_size = skb.len - sk.header_len
    o.mss_clamp = req.mss
    sk.ecn_flags = 1 if req.ecn_ok else 0
    sk.snd_cwnd = 10
    sk.retrans_stamp = 0
    sk.total_retrans = req.num_retrans
    if ts.v.synack_undo and req.num_timeout:
        sk.undo_marker = req.snt_isn
        sk.synack_stamp = ts.clock(req.snt_synack_us)
    ts.ipv4.tcp[TCP_MIB_PASSIVEOPENS] += 1
    return sk


INHERITED: Final = (
    "max_pacing_rate",
    "pacing_rate",
    "pacing_status",
    "rcvbuf",
    "sndbuf",
    "userlocks",
    "rcvlowat",
    "rcvtimeo",
    "sndtimeo",
    "reuse",
    "reuseport",
    "bound_dev_if",
    "keepalive",
    "localroute",
    "pingpong",
    "urginline",
    "linger",
    "lingertime",
    "tos",
    "uc_ttl",
    "min_ttl",
    "pmtudisc",
    "recverr",
    "cmsg_flags",
    "nonagle",
    "keepalive_intvl",
    "keepalive_probes",
    "linger2",
    "user_timeout",
    "ca_ops",
    "scaling_ratio",
    "notsent_lowat",
    "rcvtstamp",
    "rcvtstampns",
    "filter",
    "uid",
    "transparent",
    "freebind",
    "busy_poll",
    "prefer_busy_poll",
    "busy_poll_budget",
    "thin_lto",
    "zerocopy",
    "rto_min",
    "rto_max_ms",
    "delack_max",
    "broadcast",
    "rxq_ovfl",
    "no_check_tx",
    "peek_off",
    "mc_loop",
    "mc_all",
    "uc_index",
    "recverr_rfc4884",
    "nodefrag",
    "bind_address_no_port",
    "port_lo",
    "port_hi",
    "syn_retries",
    "save_syn",
    "inq_hint",
    "fastopen_no_cookie",
    "tsflags",
    "tskey",
    "tstamp_new",
    "select_err_queue",
    "rcvmark",
    "rcvpriority",
)


def tcp_check_req(listener: TcpSock, skb: SkBuff, req: RequestSock) -> tuple[TcpSock | None, Site]:
    """A segment for a request: the listener itself (it shall answer), the new connection, or None (ended
    at the site).
    """
    ts = listener.ts
    ipv4 = ts.ipv4
    ext = ipv4.tcpext
    h = ts.handlers
    c = tcb(skb)
    flg = c.flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK)
    opt = RxOpt()
    paws = False
    tsecr_bad = False
    if c.doff > 20:
        tcp_parse_options(ts, skb, opt, False)
        if opt.saw_tstamp:
            opt.ts_recent = req.ts_recent
            if opt.rcv_tsecr:
                if ts.v.tsecr_check and req.tstamp_ok:
                    tsecr_bad = not between(opt.rcv_tsecr, req.snt_tsval_first, req.snt_tsval_last)
                opt.rcv_tsecr = (opt.rcv_tsecr - req.ts_off) & M32
            opt.ts_recent_stamp = ipv4.kernel.engine.now // 1_000_000_000 + 1 - reqsk_timeout(req) // ipv4.kernel.hz
            paws = tcp_paws_reject(ts, opt, bool(c.flags & TCPHDR_RST))
    if c.seq == req.rcv_isn and flg == TCPHDR_SYN and not paws:
        if not _oow(req, ts, skb):
            if h.rtx_syn_ack(listener, req):
                if req.timer is not None and req.timer.queued:
                    req.timer.mod_timer(ipv4.kernel.jiffies() + reqsk_timeout(req))
        return None, SITE_REQ_OLD
    if (
        flg & TCPHDR_ACK
        and c.ack_seq != (req.snt_isn + 1) & M32
        and not (flg & TCPHDR_RST and ts.v.rst_before_ack_in_syn_recv)
    ):
        return listener, SITE_INVALID_ACK
    if paws or tsecr_bad or not tcp_in_window(c.seq, c.end_seq, req.rcv_nxt, (req.rcv_nxt + req.rsk_rcv_wnd) & M32):
        if not flg & TCPHDR_RST and not _oow(req, ts, skb):
            h.reqsk_send_ack(listener, skb, req)
        if paws:
            ext["PAWSEstab"] += 1
            return None, SITE_PAWS
        if tsecr_bad:
            ext["TSEcrRejected"] += 1
            return None, SITE_TSECR
        return None, SITE_OVERWINDOW if ts.v.reject_ts_reason else SITE_REQ_OLD
    if flg & TCPHDR_RST and ts.v.rst_exact_in_syn_recv and c.seq != req.rcv_nxt:
        if not _oow_rate_limited(req, ts, "TCPACKSkippedChallenge"):
            ext["TCPChallengeACK"] += 1
            h.reqsk_send_ack(listener, skb, req)
        return None, SITE_REQ_OLD
    newer = opt.saw_tstamp and not after(c.seq, req.rcv_nxt)
    if newer and not ts.v.ts_recent_deferred:
        req.ts_recent = opt.rcv_tsval
    if c.seq == req.rcv_isn:
        flg &= ~TCPHDR_SYN
    if flg & (TCPHDR_RST | TCPHDR_SYN):
        ipv4.tcp[TCP_MIB_ATTEMPTFAILS] += 1
        return _embryonic(listener, skb, req, flg)
    if not flg & TCPHDR_ACK:
        return None, SITE_REQ_OLD
    if req.num_timeout < listener.defer_accept and c.end_seq == (req.rcv_isn + 1) & M32:
        req.acked = True
        ext["TCPDeferAcceptDrop"] += 1
        return None, SITE_REQ_OLD
    child = h.syn_recv_sock(listener, skb, req)
    if child is None:
        site = SITE_OVERFLOW if ts.v.reject_ts_reason else SITE_REQ_OLD
        if not ts.tcp_abort_on_overflow:
            req.acked = True
            return None, site
        _embryonic(listener, skb, req, flg)
        return None, site
    if newer and ts.v.ts_recent_deferred:
        child.rx_opt.ts_recent = opt.rcv_tsval
    return child, SITE_REQ_OLD


def tcp_check_req_fastopen(sk: TcpSock, skb: SkBuff, req: RequestSock) -> Site | None:
    """tcp_check_req() for the child of a Fast Open: None when the segment may be used, else where it ends.

    The child itself looks at the acknowledgement; a RST ends it and lets the listener's queue wait.
    """
    ts = sk.ts
    ipv4 = ts.ipv4
    h = ts.handlers
    c = tcb(skb)
    flg = c.flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK)
    told = ts.v.reject_ts_reason
    refused = SITE_FASTOPEN if told else SITE_REQ_OLD
    opt = RxOpt()
    paws = False
    if c.doff > 20:
        tcp_parse_options(ts, skb, opt, False)
        if opt.saw_tstamp:
            opt.ts_recent = req.ts_recent
            opt.ts_recent_stamp = ipv4.kernel.engine.now // 1_000_000_000 + 1 - reqsk_timeout(req) // ipv4.kernel.hz
            paws = tcp_paws_reject(ts, opt, bool(flg & TCPHDR_RST))
    if c.seq == req.rcv_isn and flg == TCPHDR_SYN and not paws:
        if not _oow(req, ts, skb) and h.rtx_syn_ack(sk, req):
            sk.icsk_timeout = jiffies(sk) + min(req.timeout << req.num_timeout, rto_max(sk))
        return refused
    if paws or not tcp_in_window(c.seq, c.end_seq, req.rcv_nxt, (req.rcv_nxt + req.rsk_rcv_wnd) & M32):
        if not flg & TCPHDR_RST and not _oow(req, ts, skb):
            h.reqsk_send_ack(sk, skb, req)
        if paws:
            ipv4.tcpext["PAWSEstab"] += 1
            return SITE_PAWS
        return SITE_OVERWINDOW if told else refused
    if flg & TCPHDR_RST and ts.v.rst_exact_in_syn_recv and c.seq != req.rcv_nxt:
        if not _oow_rate_limited(req, ts, "TCPACKSkippedChallenge"):
            ipv4.tcpext["TCPChallengeACK"] += 1
            h.reqsk_send_ack(sk, skb, req)
        return refused
    if c.seq == req.rcv_isn:
        flg &= ~TCPHDR_SYN
    if flg & (TCPHDR_RST | TCPHDR_SYN):
        ipv4.tcp[TCP_MIB_ATTEMPTFAILS] += 1
        if flg & TCPHDR_RST:
            reqsk_fastopen_remove(sk, True)
            tcp_reset(sk)
        else:
            h.send_reset(sk, skb)
        return refused
    return None if flg & TCPHDR_ACK else refused


def _embryonic(listener: TcpSock, skb: SkBuff, req: RequestSock, flg: int) -> tuple[None, Site]:
    ts = listener.ts
    if not flg & TCPHDR_RST:
        ts.handlers.send_reset(listener, skb)
    if inet_csk_reqsk_queue_drop(req):
        ts.ipv4.tcpext["EmbryonicRsts"] += 1
    return None, SITE_REQ_OLD


def _oow(req: RequestSock, ts: TcpState, skb: SkBuff) -> bool:
    c = tcb(skb)
    if (c.seq != c.end_seq and not c.flags & TCPHDR_SYN) or not ts.v.oow_limit:
        return False
    return _oow_rate_limited(req, ts, "TCPACKSkippedSynRecv")


def _oow_rate_limited(req: RequestSock, ts: TcpState, mib: str) -> bool:
    now = ts.ipv4.kernel.jiffies()
    if req.last_oow_ack_time and 0 <= now - req.last_oow_ack_time < ts.tcp_invalid_ratelimit:
        ts.ipv4.tcpext[mib] += 1
        return True
    req.last_oow_ack_time = now
    return False
