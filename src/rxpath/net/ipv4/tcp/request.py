"""A listener's side of the handshake: a SYN becomes a request, the request is answered, its ACK makes a child.

What belongs here: tcp_conn_request and SYN-ACKs, the child of a request or of a SYN cookie, and the end of a listener's
requests.  What does not: the check of a segment for a request (minisocks.py), the cookies themselves (cookies.py).
Facts: net/ipv4/tcp_input.c tcp_conn_request, tcp_ipv4.c, tcp_output.c tcp_make_synack, syncookies.c cookie_v4_check,
inet_connection_sock.c (5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from rxpath.kernel.timer import TimerList
from rxpath.net.core.skbuff import CHECKSUM_PARTIAL, SkBuff, __alloc_skb, consume_skb, skb_put
from rxpath.net.core.sock import sock_def_readable, this_cpu
from rxpath.net.ipv4.ip_options import __ip_options_echo
from rxpath.net.ipv4.mib import IPSTATS_MIB_OUTNOROUTES, TCP_MIB_OUTSEGS, TCP_MIB_RETRANSSEGS
from rxpath.net.ipv4.netns import Ipv4
from rxpath.net.ipv4.route import (
    RTCF_BROADCAST,
    RTCF_MULTICAST,
    Flowi4,
    Rtable,
    dst_metric,
    inet_iif,
    ip_route_output_flow,
    ipv4_mtu,
)
from rxpath.net.ipv4.tcp.cookies import (
    cookie_init_sequence,
    cookie_init_timestamp,
    cookie_timestamp_decode,
    cookie_v4_check_mss,
    secure_tcp_ts_off,
    tcp_synq_no_recent_overflow,
    tcp_synq_overflow,
)
from rxpath.net.ipv4.tcp.fastopen import FastOpenCookie, fastopen_option, tcp_parse_fastopen_option, tcp_try_fastopen
from rxpath.net.ipv4.tcp.hashtables import bind_add, inet_ehash_insert, inet_hash, reuseport_migrate_sock
from rxpath.net.ipv4.tcp.ipxmit import ip_build_and_send_pkt
from rxpath.net.ipv4.tcp.minisocks import inet_csk_reqsk_queue_drop, req_key, tcp_create_openreq_child
from rxpath.net.ipv4.tcp.options import tcp_options_write, tcp_parse_options
from rxpath.net.ipv4.tcp.output import ipv4_default_advmss, tcp_sync_mss, tcp_v4_send_check
from rxpath.net.ipv4.tcp.rcvbuf import tcp_full_space, tcp_initialize_rcv_mss, tcp_select_initial_window
from rxpath.net.ipv4.tcp.recovery import tcp_ack_update_rtt
from rxpath.net.ipv4.tcp.reply import now_ts
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sites import SITE_SYN
from rxpath.net.ipv4.tcp.sock import ConnHint, RequestSock, RxOpt, TcpSock, TcpState, tcb
from rxpath.net.ipv4.tcp.state import tcp_done
from rxpath.net.ipv4.tcp.tcp import tcp_disconnect_child
from rxpath.wire.tcp import TCP_HDR, TCPHDR_ACK, TCPHDR_CWR, TCPHDR_ECE, TCPHDR_RST, TCPHDR_SYN


def inet_reqsk_alloc(ipv4: Ipv4, sk: TcpSock) -> RequestSock:
    return RequestSock(ipv4, sk)


def inet_csk_route_req(sk: TcpSock, req: RequestSock) -> Rtable | None:
    opt = req.opt
    daddr = opt.faddr if opt is not None and opt.srr else req.rmt_addr
    fl4 = Flowi4(
        daddr,
        req.loc_addr,
        oif=sk.bound_dev_if,
        tos=sk.tos & 0x1C,
        proto=6,
        mark=req.mark,
        sport=req.num,
        dport=req.rmt_port,
    )
    rt = ip_route_output_flow(sk.ipv4, fl4)
    if rt is None:
        sk.ipv4.ip[IPSTATS_MIB_OUTNOROUTES] += 1
    return rt


def tcp_v4_route_req(sk: TcpSock, req: RequestSock) -> Rtable | None:
    return inet_csk_route_req(sk, req)


def tcp_v4_init_seq_and_ts_off(ts: TcpState, laddr: int, raddr: int, hint: ConnHint | None = None) -> tuple[int, int]:
    """(ISN, time stamp offset): drawn from the machine's generator, or what a replay's hint says."""
    if hint is not None:
        if hint.tsval >= 0:
            return hint.isn, (hint.tsval - now_ts(ts)) & M32
        return hint.isn, secure_tcp_ts_off(ts, laddr, raddr)
    isn = (ts.rng_isn.getrandbits(32) + ts.ipv4.kernel.engine.now // 64) & M32
    return isn, secure_tcp_ts_off(ts, laddr, raddr)


def tcp_heed_hint(opt: RxOpt, hint: ConnHint) -> None:
    """The SYN's options without those that the captured host refused.  (Not in Linux.)"""
    if hint.no_tstamp:
        opt.saw_tstamp = False
    if hint.no_sack:
        opt.sack_ok = False
    if hint.no_wscale:
        opt.wscale_ok = False
        opt.snd_wscale = 0


def tcp_openreq_init_rwin(req: RequestSock, sk: TcpSock, rt: Rtable) -> None:
    """The window that the SYN-ACK offers."""
    ts = sk.ts
    if req.rsk_rcv_wnd:
        return
    full = tcp_full_space(sk)
    mss = ipv4_default_advmss(rt)
    if sk.rx_opt.user_mss and sk.rx_opt.user_mss < mss:
        mss = sk.rx_opt.user_mss
    clamp = sk.window_clamp or dst_metric(rt, "window")
    if sk.userlocks & 2 and (clamp > full or clamp == 0):
        clamp = full
    init = dst_metric(rt, "initrwnd") or sk.v.init_rcv_wnd_segments
    req.rsk_rcv_wnd, req.rsk_window_clamp, req.rcv_wscale = tcp_select_initial_window(
        ts, full, mss - (12 if req.tstamp_ok else 0), clamp, req.wscale_ok, init
    )


def inet_csk_reqsk_queue_hash_add(sk: TcpSock, req: RequestSock) -> bool:
    ts = sk.ts
    if not inet_ehash_insert(ts, req_key(req), req):
        return False
    req.hashed = True
    req.timeout = sk.reqsk_timeout_base
    req.timer = TimerList(ts.ipv4.kernel, req.timer_due, pinned=True)
    req.timer.mod_timer(ts.ipv4.kernel.jiffies() + req.timeout)
    req.young = True
    sk.req_count += 1
    sk.req_young += 1
    return True


def tcp_make_synack(sk: TcpSock, req: RequestSock, rt: Rtable, foc: FastOpenCookie | None = None) -> SkBuff:
    """The SYN-ACK segment."""
    ts = sk.ts
    mss = ipv4_default_advmss(rt)
    if sk.rx_opt.user_mss and sk.rx_opt.user_mss < mss:
        mss = sk.rx_opt.user_mss
    stamp = None
    if req.tstamp_ok:
        if req.cookie_ts:
            v = (cookie_init_timestamp(req, now_ts(ts)) + req.ts_off) & M32
        else:
            v = (now_ts(ts) + req.ts_off) & M32
        if not req.snt_synack_us:
            req.snt_tsval_first = v
        req.snt_tsval_last = v
        stamp = (v, req.ts_recent)
    if not req.snt_synack_us:
        req.snt_synack_us = ts.ipv4.kernel.engine.now // 1000 or 1
    options = tcp_options_write(mss, req.rcv_wscale if req.wscale_ok else -1, req.sack_ok, stamp, [])
    options += fastopen_option(foc, 40 - len(options))
    flags = TCPHDR_SYN | TCPHDR_ACK
    if req.ecn_ok:
        flags |= TCPHDR_ECE
    seg = (
        TCP_HDR.pack(
            req.num,
            req.rmt_port,
            req.snt_isn,
            req.rcv_nxt,
            (20 + len(options)) << 2,
            flags,
            min(req.rsk_rcv_wnd, 65535),
            0,
            0,
        )
        + options
    )
    skb = __alloc_skb(sk.net, 256 + 64)
    partial = rt.dev.is_loopback
    if partial:
        skb.ip_summed = CHECKSUM_PARTIAL
    skb_put(skb, tcp_v4_send_check(req.loc_addr, req.rmt_addr, seg, partial))
    ts.ipv4.tcp[TCP_MIB_OUTSEGS] += 1
    return skb


def tcp_v4_send_synack(sk: TcpSock, req: RequestSock, rt: Rtable | None, foc: FastOpenCookie | None = None) -> bool:
    """False: there is no route."""
    if rt is None:
        rt = inet_csk_route_req(sk, req)
        if rt is None:
            return False
    skb = tcp_make_synack(sk, req, rt, foc)
    tos = req.tos & 0xFC | sk.tos & 3 if sk.ts.tcp_reflect_tos else sk.tos
    ip_build_and_send_pkt(sk, skb, rt, req.loc_addr, req.rmt_addr, req.opt, tos)
    return True


def tcp_rtx_synack(sk: TcpSock, req: RequestSock) -> bool:
    """inet_rtx_syn_ack: again; True when it was sent."""
    if not tcp_v4_send_synack(sk, req, None):
        return False
    req.num_retrans += 1
    ipv4 = sk.ts.ipv4
    ipv4.tcp[TCP_MIB_RETRANSSEGS] += 1
    ipv4.tcpext["TCPSynRetrans"] += 1
    return True


def tcp_listendrop(sk: TcpSock) -> None:
    if sk.v.drops_counted:
        sk.drops += 1
    sk.ts.ipv4.tcpext["ListenDrops"] += 1


def tcp_syn_flood_action(sk: TcpSock) -> bool:
    """The SYN queue is full: True = send a cookie."""
    ts = sk.ts
    want = bool(ts.tcp_syncookies)
    ts.ipv4.tcpext["TCPReqQFullDoCookies" if want else "TCPReqQFullDrop"] += 1
    if not sk.syn_flood_warned and ts.tcp_syncookies != 2:
        sk.syn_flood_warned = True
        ts.ipv4.kernel.log.info(
            "TCP: request_sock_TCP: Possible SYN flooding on port %s. %s."
            % (
                "0.0.0.0:%d" % sk.num if ts.v.oow_limit else "%d" % sk.num,
                "Sending cookies" if want else "Dropping request",
            )
        )
    return want


def inet_csk_reqsk_queue_is_full(sk: TcpSock) -> bool:
    if sk.v.synq == "v3_13":
        n = max(8, min(sk.max_ack_backlog, sk.ts.tcp_max_syn_backlog)) + 1
        return sk.req_count >> (n - 1).bit_length() != 0
    return sk.req_count > sk.max_ack_backlog


def sk_acceptq_is_full(sk: TcpSock) -> bool:
    return sk.ack_backlog > sk.max_ack_backlog


def tcp_v4_conn_request(sk: TcpSock, skb: SkBuff) -> None:
    """A SYN for a listener.  Ends the skb."""
    rt = skb.dst
    if isinstance(rt, Rtable) and rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST):
        tcp_listendrop(sk)
        consume_skb(skb, SITE_SYN)
        return
    tcp_conn_request(sk, skb)
    consume_skb(skb, SITE_SYN)


def _openreq_init(req: RequestSock, opt: RxOpt, skb: SkBuff, isn: int) -> None:
    """What a SYN, or the ACK of a cookie, says of a request; `isn` is the first sequence number of its sender."""
    c = tcb(skb)
    req.rcv_isn = isn
    req.rcv_nxt = (isn + 1) & M32
    req.tstamp_ok = opt.saw_tstamp
    req.ts_recent = opt.rcv_tsval if opt.saw_tstamp else 0
    req.num = c.dport
    req.rmt_port = c.sport
    req.loc_addr = c.daddr
    req.rmt_addr = c.saddr
    req.iif = inet_iif(skb)
    if c.ip_opt is not None and c.ip_opt.optlen:
        req.opt = __ip_options_echo(req.ipv4, skb, c.ip_opt)


def tcp_conn_request(sk: TcpSock, skb: SkBuff) -> None:
    ts = sk.ts
    ipv4 = ts.ipv4
    c = tcb(skb)
    want_cookie = False
    isn = c.tw_isn
    if (ts.tcp_syncookies == 2 or inet_csk_reqsk_queue_is_full(sk)) and not isn:
        want_cookie = tcp_syn_flood_action(sk)
        if not want_cookie:
            tcp_listendrop(sk)
            return
    if sk_acceptq_is_full(sk) and (sk.v.synq != "v3_13" or sk.req_young > 1):
        ipv4.tcpext["ListenOverflows"] += 1
        tcp_listendrop(sk)
        return
    req = inet_reqsk_alloc(ipv4, sk)
    opt = RxOpt()
    opt.mss_clamp = 536
    opt.user_mss = sk.rx_opt.user_mss
    tcp_parse_options(ts, skb, opt, False)
    hint = ts.hints.get((c.daddr, c.dport, c.saddr, c.sport, c.seq)) if ts.hints else None
    if hint is not None:
        tcp_heed_hint(opt, hint)
    if want_cookie and not opt.saw_tstamp:
        opt.wscale_ok = opt.sack_ok = False
        opt.snd_wscale = 0
    req.cookie_ts = want_cookie and opt.saw_tstamp
    _openreq_init(req, opt, skb, c.seq)
    req.mss = opt.mss_clamp
    req.sack_ok = opt.sack_ok
    req.snd_wscale = opt.snd_wscale
    req.wscale_ok = opt.wscale_ok
    req.mark = sk.mark
    if sk.save_syn:
        start = skb.mac_header if sk.save_syn == 2 else skb.network_header
        req.saved_syn = skb.head[start : c.th + c.doff]
    rt = tcp_v4_route_req(sk, req)
    if rt is None:
        tcp_listendrop(sk)
        return
    new_isn, ts_off = tcp_v4_init_seq_and_ts_off(ts, req.loc_addr, req.rmt_addr, hint)
    if opt.saw_tstamp:
        req.ts_off = ts_off
    if not want_cookie and not isn:
        limit = ts.tcp_max_syn_backlog
        if not ts.tcp_syncookies and limit - sk.req_count < limit >> 2:
            tcp_listendrop(sk)
            return
    if not isn or hint is not None:
        isn = new_isn
    th_ecn = c.flags & (TCPHDR_ECE | TCPHDR_CWR) == TCPHDR_ECE | TCPHDR_CWR
    if th_ecn and (ts.tcp_ecn or dst_metric(rt, "features")) and (not want_cookie or opt.saw_tstamp):
        # an ECN field on a SYN is somebody's mistake, unless a reserved bit (AE of 6.18) shows a later protocol
        req.ecn_ok = c.dsfield & 3 == 0 or bool(ts.v.ecn_by_reserved and c.word & 0x0F000000)
    if want_cookie:
        tcp_synq_overflow(sk)
        ipv4.tcpext["SyncookiesSent"] += 1
        isn, req.mss = cookie_init_sequence(ts, c.saddr, c.daddr, c.sport, c.dport, c.seq, req.mss)
        if not opt.saw_tstamp:
            req.ecn_ok = False
    req.snt_isn = isn
    req.tos = c.dsfield
    tcp_openreq_init_rwin(req, sk, rt)
    foc: FastOpenCookie | None = None
    if not want_cookie:
        foc = tcp_parse_fastopen_option(skb)
        child = tcp_try_fastopen(sk, skb, req, foc)
        if child is not None:
            tcp_v4_send_synack(child, req, rt, foc)
            sock_def_readable(sk)
            return
        req.fastopen = False
        if not inet_csk_reqsk_queue_hash_add(sk, req):
            return
    tcp_v4_send_synack(sk, req, rt, foc)
    if want_cookie and sk.v.synq == "v3_13":
        tcp_listendrop(sk)  # the request is forgotten by the way of those that were refused


def tcp_v4_syn_recv_sock(lsk: TcpSock, skb: SkBuff, req: RequestSock) -> TcpSock | None:
    """The child in its tables, or None: the accept queue is full."""
    ts = lsk.ts
    if sk_acceptq_is_full(lsk):
        ts.ipv4.tcpext["ListenOverflows"] += 1
        tcp_listendrop(lsk)
        return None
    child = tcp_create_openreq_child(lsk, req, skb)
    child.inet_opt = req.opt
    child.saved_syn = req.saved_syn
    child.incoming_cpu = this_cpu(lsk.net).id
    child.mc_ttl = tcb(skb).ttl
    if ts.tcp_reflect_tos:
        child.tos = req.tos & 0xFC
    if req.opt is not None:
        child.ext_hdr_len = req.opt.optlen
    rt = inet_csk_route_req(lsk, req)
    if rt is None:
        child.orphan = True
        ts.orphans += 1
        tcp_done(child)
        tcp_listendrop(lsk)
        return None
    child.dst = rt
    tcp_sync_mss(child, ipv4_mtu(rt))
    adv = ipv4_default_advmss(rt)
    if child.rx_opt.user_mss and child.rx_opt.user_mss < adv:
        adv = child.rx_opt.user_mss
    child.advmss = adv

    tcp_initialize_rcv_mss(child)
    inet_csk_reqsk_queue_drop(req)
    inet_hash(child)
    bind_add(ts, child.num, child)
    child.bind_hashed = True
    if req.snt_synack_us and req.num_retrans == 0:
        child.retrans_stamp = 0
        child.total_rto = req.snt_synack_us
    elif req.snt_synack_us:
        child.total_rto = 0
    # inet_csk_complete_hashdance: into the accept queue
    if req.listener is not lsk:
        ts.ipv4.tcpext["TCPMigrateReqSuccess"] += 1
    child.listener = lsk
    lsk.accept_queue.append(child)
    lsk.ack_backlog += 1
    return child


def tcp_synack_rtt_meas(sk: TcpSock) -> None:
    """The first round trip: SYN-ACK to ACK (not when it was sent again)."""
    sent = sk.total_rto
    rtt = max(sk.mstamp_us - sent, 1) if sent else -1
    tcp_ack_update_rtt(sk, True, rtt, -1, rtt)
    sk.total_rto = 0


def tcp_v4_cookie_check(sk: TcpSock, skb: SkBuff) -> TcpSock | None:
    """An ACK for a listener may carry a cookie: the connection, the listener when it does not, None when
    it cannot be taken.
    """
    c = tcb(skb)
    if c.flags & TCPHDR_SYN:
        return sk
    return cookie_v4_check(sk, skb)


def cookie_v4_check(sk: TcpSock, skb: SkBuff) -> TcpSock | None:
    ts = sk.ts
    ipv4 = ts.ipv4
    c = tcb(skb)
    if not ts.tcp_syncookies or not c.flags & TCPHDR_ACK or c.flags & TCPHDR_RST or tcp_synq_no_recent_overflow(sk):
        return sk
    mss = cookie_v4_check_mss(ts, c.saddr, c.daddr, c.sport, c.dport, (c.seq - 1) & M32, (c.ack_seq - 1) & M32)
    if not mss:
        ipv4.tcpext["SyncookiesFailed"] += 1
        return sk
    ipv4.tcpext["SyncookiesRecv"] += 1
    opt = RxOpt()
    tcp_parse_options(ts, skb, opt, False)
    req = inet_reqsk_alloc(ipv4, sk)
    if opt.saw_tstamp and opt.rcv_tsecr:
        req.ts_off = secure_tcp_ts_off(ts, c.daddr, c.saddr)
        opt.rcv_tsecr = (opt.rcv_tsecr - req.ts_off) & M32
    if not cookie_timestamp_decode(ts, req, opt.saw_tstamp, opt.rcv_tsecr):
        return sk
    _openreq_init(req, opt, skb, (c.seq - 1) & M32)
    req.snt_isn = (c.ack_seq - 1) & M32
    req.mss = mss
    req.tos = c.dsfield
    rt = inet_csk_route_req(sk, req)
    if rt is None:
        return None
    req.ecn_ok = req.ecn_ok and bool(ts.tcp_ecn or dst_metric(rt, "features"))
    full = tcp_full_space(sk)
    clamp = sk.window_clamp or dst_metric(rt, "window")
    if sk.userlocks & 2 and (clamp > full or clamp == 0):
        clamp = full
    # unlike for a SYN, the time stamp option is not taken off here
    req.rsk_rcv_wnd, req.rsk_window_clamp, req.rcv_wscale = tcp_select_initial_window(
        ts, full, req.mss, clamp, req.wscale_ok, dst_metric(rt, "initrwnd") or sk.v.init_rcv_wnd_segments
    )
    if sk_acceptq_is_full(sk):
        ipv4.tcpext["ListenOverflows"] += 1
        tcp_listendrop(sk)
        return None
    return tcp_v4_syn_recv_sock(sk, skb, req)


def inet_reqsk_purge(sk: TcpSock) -> None:
    """A listener ends: the connections that nobody accepted go; requests wait for their timer or a segment, since
    they have a table of their own no longer (4.4).
    """
    ts = sk.ts
    if not sk.v.request_ehash:
        for s in [s for s in ts.ehash.values() if isinstance(s, RequestSock) and s.listener is sk]:
            inet_csk_reqsk_queue_drop(s)
    while sk.accept_queue:
        child = sk.accept_queue.popleft()
        sk.ack_backlog -= 1
        heir = reuseport_migrate_sock(sk, child.num, child.dport)
        if heir is not None:
            child.listener = heir
            heir.accept_queue.append(child)
            heir.ack_backlog += 1
            ts.ipv4.tcpext["TCPMigrateReqSuccess"] += 1
            continue
        child.listener = None
        child.orphan = True
        ts.orphans += 1
        # inet_child_forget: disconnect sends a RST where the state asks for one
        tcp_disconnect_child(child)
