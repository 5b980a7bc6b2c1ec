"""TCP's IPv4 side: receive, lookup, requests and answers without a socket, active open, ICMP errors; the registration.

Facts: net/ipv4/tcp_ipv4.c, tcp_input.c tcp_conn_request (5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import (
    EADDRNOTAVAIL,
    EALREADY,
    ECONNABORTED,
    ECONNREFUSED,
    EHOSTUNREACH,
    EINPROGRESS,
    EINVAL,
    EISCONN,
    EMSGSIZE,
    ENETUNREACH,
    EOPNOTSUPP,
    EPROTO,
    linux_error,
)
from rxpath.kernel.timer import TimerList
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import PACKET_HOST, SkBuff, __alloc_skb, consume_skb, kfree_skb_reason, skb_put
from rxpath.net.core.sock import (
    MSG_DONTWAIT,
    SO_TIMESTAMPING,
    SOCK_STREAM,
    Msg,
    lock_sock,
    sk_error_report,
    sk_filter_trim_cap,
    sock_def_readable,
    this_cpu,
)
from rxpath.net.ipv4.datagram import parse_addr
from rxpath.net.ipv4.inet_sock import IP_PMTUDISC_DONT, Address, InetSock, ip_sk_accept_pmtu
from rxpath.net.ipv4.ip_cb import ip_cb_peek
from rxpath.net.ipv4.ip_options import __ip_options_echo
from rxpath.net.ipv4.ip_output import ip_dont_fragment
from rxpath.net.ipv4.ip_sockglue import ip_icmp_error
from rxpath.net.ipv4.mib import (
    ICMP_MIB_INERRORS,
    IPSTATS_MIB_OUTNOROUTES,
    TCP_MIB_CSUMERRORS,
    TCP_MIB_INERRS,
    TCP_MIB_INSEGS,
    TCP_MIB_OUTRSTS,
    TCP_MIB_OUTSEGS,
    TCP_MIB_RETRANSSEGS,
)
from rxpath.net.ipv4.netns import Inetsw, Ipv4, NetProtocol, inet_add_protocol, ipv4_of
from rxpath.net.ipv4.route import (
    RTCF_BROADCAST,
    RTCF_LOCAL,
    RTCF_MULTICAST,
    Flowi4,
    Rtable,
    __ip_rt_update_pmtu,
    dst_metric,
    ip_route_output_flow,
    ipv4_mtu,
)
from rxpath.net.ipv4.tcp.ack import tcp_limit_reno_sacked
from rxpath.net.ipv4.tcp.cookies import (
    cookie_init_sequence,
    cookie_init_timestamp,
    cookie_timestamp_decode,
    cookie_v4_check_mss,
    secure_tcp_ts_off,
    tcp_synq_no_recent_overflow,
    tcp_synq_overflow,
)
from rxpath.net.ipv4.tcp.fastopen import (
    TFO_CLIENT_ENABLE,
    FastOpenCookie,
    FastOpenRequest,
    fastopen_option,
    tcp_fastopen_defer_connect,
    tcp_parse_fastopen_option,
    tcp_try_fastopen,
)
from rxpath.net.ipv4.tcp.hashtables import (
    __inet_lookup_established,
    __inet_lookup_listener,
    bind_add,
    inet_csk_get_port,
    inet_ehash_insert,
    inet_hash,
    inet_hash_connect,
    inet_unhash,
    reuseport_migrate_sock,
)
from rxpath.net.ipv4.tcp.input import (
    tcp_checksum_complete,
    tcp_init_transfer,
    tcp_rcv_established,
    tcp_rcv_state_process,
)
from rxpath.net.ipv4.tcp.ipxmit import (
    __sk_dst_check,
    inet_sk_rebuild_header,
    ip_build_and_send_pkt,
    ip_send_unicast_reply,
    ipv4_dst_check,
)
from rxpath.net.ipv4.tcp.minisocks import (
    TCP_TW_ACK,
    TCP_TW_ACK_OOW,
    TCP_TW_RST,
    TCP_TW_SYN,
    inet_csk_reqsk_queue_drop,
    inet_twsk_deschedule_put,
    req_key,
    reqsk_timeout,
    tcp_check_req,
    tcp_create_openreq_child,
    tcp_time_wait,
    tcp_timewait_state_process,
    tcp_twsk_unique,
    tw_timer_handler,
)
from rxpath.net.ipv4.tcp.notify import MSG_ZEROCOPY, OPT_ID, OPT_ID_TCP, tcp_notice_sendmsg, tcp_notice_sent
from rxpath.net.ipv4.tcp.options import (
    AUTH_BAD,
    AUTH_NONE,
    AUTH_SIGNED,
    tcp_options_write,
    tcp_parse_md5sig_option,
    tcp_parse_options,
)
from rxpath.net.ipv4.tcp.output import (
    inet_csk_reset_xmit_timer,
    ipv4_default_advmss,
    jiffies,
    tcp_connect,
    tcp_current_mss,
    tcp_mstamp_refresh,
    tcp_rto_delta_us,
    tcp_skb_seglen,
    tcp_sync_mss,
    tcp_v4_send_check,
    tcp_write_xmit,
    tcp_xmit_retransmit_queue,
)
from rxpath.net.ipv4.tcp.prequeue import tcp_prequeue
from rxpath.net.ipv4.tcp.proc import tcp_proc_init, tcp_sysctl_init
from rxpath.net.ipv4.tcp.rcvbuf import tcp_full_space, tcp_initialize_rcv_mss, tcp_select_initial_window
from rxpath.net.ipv4.tcp.rcvq import tcp_drop_reason, tcp_fast_path_check
from rxpath.net.ipv4.tcp.recovery import (
    tcp_ack_update_rtt,
    tcp_current_ssthresh,
    tcp_enter_loss,
    tcp_mark_skb_lost,
    tcp_set_ca_state,
)
from rxpath.net.ipv4.tcp.recvmsg import tcp_inq, tcp_recvmsg
from rxpath.net.ipv4.tcp.sendmsg import tcp_sendmsg
from rxpath.net.ipv4.tcp.seq import (
    M32,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_ESTABLISHED,
    TCP_LISTEN,
    TCP_NEW_SYN_RECV,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    TCP_TIME_WAIT,
    TCPHDR_ACK,
    TCPHDR_CWR,
    TCPHDR_ECE,
    TCPHDR_FIN,
    TCPHDR_RST,
    TCPHDR_SYN,
    between,
)
from rxpath.net.ipv4.tcp.sites import (
    SITE_AUTH_HDR,
    SITE_BACKLOG,
    SITE_COOKIE_LOST,
    SITE_CSUM,
    SITE_DOFF,
    SITE_FILTER,
    SITE_LISTEN,
    SITE_MD5,
    SITE_MINTTL,
    SITE_NO_SOCKET,
    SITE_NOT_HOST,
    SITE_SHORT,
    SITE_SHORT_HDR,
    SITE_SYN,
)
from rxpath.net.ipv4.tcp.sock import (
    MSG_FASTOPEN,
    SS_CONNECTED,
    SS_CONNECTING,
    SS_UNCONNECTED,
    ConnHint,
    RequestSock,
    RxOpt,
    TcpCb,
    TcpSock,
    TcpState,
    TimewaitSock,
    tcb,
    tcp_state_of,
)
from rxpath.net.ipv4.tcp.sockopt import after_setsockopt, do_tcp_getsockopt, do_tcp_setsockopt, tcp_set_rcvlowat
from rxpath.net.ipv4.tcp.state import tcp_done, tcp_set_state
from rxpath.net.ipv4.tcp.tcp import (
    deadline_of,
    inet_release,
    inet_shutdown,
    release_sock,
    sk_wait_event,
    sys_accept,
    sys_listen,
    tcp_disconnect,
    tcp_disconnect_child,
    tcp_poll,
    tcp_shutdown,
)
from rxpath.net.ipv4.tcp.timer import (
    reqsk_timer_handler,
    reset_keepalive,
    tcp_compressed_ack_kick,
    tcp_delack_timer,
    tcp_keepalive_timer,
    tcp_pace_kick,
    tcp_retransmit_timer,
    tcp_write_timer,
)
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.tcp import TCP_HDR

_ADDRS: Final = Struct(">II")
_PORTS: Final = Struct(">HH")
_WORD: Final = Struct(">I")


# --- receive --------------------------------------------------------------------------------------


def inet_iif(skb: SkBuff) -> int:
    if skb.skb_iif:
        return skb.skb_iif
    dev = skb.dev
    return dev.ifindex if dev is not None else 0


def tcp_v4_early_demux(ipv4: Ipv4, skb: SkBuff) -> int:
    """Attach the socket of an established connection and its remembered route."""
    if skb.pkt_type != PACKET_HOST:
        return 0
    nh = skb.network_header
    head = skb.head
    th = nh + ((head[nh] & 15) << 2)
    if skb.tail < th + 20 or head[th + 12] >> 4 < 5:
        return 0
    saddr, daddr = _ADDRS.unpack_from(head, nh + 12)
    sport, dport = _PORTS.unpack_from(head, th)
    dev = skb.dev
    ts = tcp_state_of(ipv4)
    s = __inet_lookup_established(ts, saddr, sport, daddr, dport, dev.ifindex if dev is not None else 0)
    if isinstance(s, TcpSock):
        skb.sk = s
        rt = s.rx_dst
        if isinstance(rt, Rtable) and dev is not None and s.rx_dst_ifindex == dev.ifindex and ipv4_dst_check(rt):
            skb.dst = rt
    return 0


def tcp_v4_fill_cb(skb: SkBuff) -> TcpCb:
    """Header fields into the control block."""
    head = skb.head
    nh = skb.network_header
    th = skb.data
    c = TcpCb()
    c.sport, c.dport, c.seq, c.ack_seq, doff, c.flags, c.window, _, c.urg_ptr = TCP_HDR.unpack_from(head, th)
    c.doff = (doff >> 4) << 2
    c.word = _WORD.unpack_from(head, th + 12)[0]
    c.saddr, c.daddr = _ADDRS.unpack_from(head, nh + 12)
    c.th = th
    c.dsfield = head[nh + 1]
    c.ttl = head[nh + 8]
    f = c.flags
    c.end_seq = (c.seq + (f >> 1 & 1) + (f & 1) + skb.len - c.doff) & M32
    cb = ip_cb_peek(skb)
    if cb is not None:
        c.ip_opt = cb.opt
    skb.cb = c
    return c


def tcp_inbound_md5_hash(sk: TcpSock, skb: SkBuff) -> Site | None:
    """No keys can be set here: a signature that nobody expects is refused."""
    found = tcp_parse_md5sig_option(sk.v, skb)
    if found == AUTH_NONE:
        return None
    if found == AUTH_SIGNED:
        sk.ts.ipv4.tcpext["TCPMD5Unexpected"] += 1
        return SITE_MD5
    return SITE_AUTH_HDR


def tcp_filter(sk: TcpSock, skb: SkBuff) -> bool:
    """True: drop."""
    if sk.filter is None:
        sk_filter_trim_cap(sk, skb, 20)
        return False
    c = tcb(skb)
    n = skb.len
    if sk_filter_trim_cap(sk, skb, c.doff):
        return True
    if skb.len != n:  # the control block is filled again from what is left
        c.end_seq = (c.end_seq - n + skb.len) & M32
    return False


def tcp_v4_rcv(skb: SkBuff) -> int:
    """A TCP segment for this host; skb.data at its header."""
    ipv4 = ipv4_of(skb.net)
    ts = tcp_state_of(ipv4)
    tcp = ipv4.tcp
    if skb.pkt_type != PACKET_HOST:
        kfree_skb_reason(skb, SITE_NOT_HOST)
        return 0
    tcp[TCP_MIB_INSEGS] += 1
    if skb.len < 20:
        kfree_skb_reason(skb, SITE_SHORT)
        return 0
    if skb.linear_len() < 20:
        skb.linearize()
    doff = (skb.head[skb.data + 12] >> 4) << 2
    if doff < 20:
        tcp[TCP_MIB_INERRS] += 1
        kfree_skb_reason(skb, SITE_DOFF)
        return 0
    if doff > skb.len:
        kfree_skb_reason(skb, SITE_SHORT_HDR)
        return 0
    if skb.linear_len() < doff:
        skb.linearize()
    saved_sk = skb.sk
    c = tcp_v4_fill_cb(skb)
    if skb.len <= 76 and tcp_checksum_complete(skb):
        return _csum_error(ts, skb)
    dif = inet_iif(skb)
    s: TcpSock | TimewaitSock | RequestSock | None = saved_sk if isinstance(saved_sk, TcpSock) else None
    skb.sk = None
    if s is None:
        s = __inet_lookup_established(ts, c.saddr, c.sport, c.daddr, c.dport, dif)
        if s is None:
            s = __inet_lookup_listener(ts, c.saddr, c.sport, c.daddr, c.dport, dif, this_cpu(skb.net).id)
    if s is None:
        return _no_tcp_socket(ts, skb)
    if isinstance(s, TimewaitSock):
        if tcp_checksum_complete(skb):
            return _csum_error(ts, skb)
        verdict, site = tcp_timewait_state_process(s, skb)
        if verdict == TCP_TW_SYN:
            lsk = __inet_lookup_listener(ts, c.saddr, c.sport, c.daddr, c.dport, dif, this_cpu(skb.net).id)
            if lsk is not None:
                inet_twsk_deschedule_put(ts, s)
                s = lsk
            else:
                verdict = TCP_TW_ACK
        if isinstance(s, TimewaitSock):
            if verdict in (TCP_TW_ACK, TCP_TW_ACK_OOW):
                tcp_v4_timewait_ack(ts, s, skb, s.tos if verdict == TCP_TW_ACK else s.tos & ~3)
            elif verdict == TCP_TW_RST:
                tcp_v4_send_reset(ts, None, skb)
                inet_twsk_deschedule_put(ts, s)
            kfree_skb_reason(skb, site)
            return 0
    if isinstance(s, RequestSock):
        req = s
        lsk = req.listener
        refused = tcp_inbound_md5_hash(lsk, skb)
        if refused is not None:
            tcp_drop_reason(lsk, skb, refused)
            return 0
        if tcp_checksum_complete(skb):
            return _csum_error(ts, skb)
        if lsk.state != TCP_LISTEN:
            heir = reuseport_migrate_sock(lsk, req.num, req.rmt_port)
            if heir is None:
                inet_csk_reqsk_queue_drop(req)
                return tcp_v4_rcv_again(skb)
            lsk = heir
        if not lsk.v.request_ehash and lsk.min_ttl and c.ttl < lsk.min_ttl:
            ipv4.tcpext["TCPMinTTLDrop"] += 1
            tcp_drop_reason(lsk, skb, SITE_MINTTL)
            return 0
        if tcp_filter(lsk, skb):
            tcp_drop_reason(lsk, skb, SITE_FILTER)
            return 0
        nsk, site = tcp_check_req(lsk, skb, req)
        if nsk is None:
            tcp_drop_reason(lsk, skb, site)
            return 0
        if nsk is not lsk:
            r = tcp_child_process(lsk, nsk, skb)
            if r is not None:
                tcp_v4_send_reset(ts, nsk, skb)
                kfree_skb_reason(skb, r)
            return 0
        s = lsk
    sk = s
    if sk.min_ttl and c.ttl < sk.min_ttl:
        ipv4.tcpext["TCPMinTTLDrop"] += 1
        tcp_drop_reason(sk, skb, SITE_MINTTL)
        return 0
    refused = tcp_inbound_md5_hash(sk, skb)
    if refused is not None:
        tcp_drop_reason(sk, skb, refused)
        return 0
    if tcp_filter(sk, skb):
        tcp_drop_reason(sk, skb, SITE_FILTER)
        return 0
    skb.dev = None
    if sk.state == TCP_LISTEN:
        sk.segs_in += max(1, skb.gso_segs)
        tcp_v4_do_rcv(sk, skb)
        return 0
    sk.incoming_cpu = this_cpu(skb.net).id
    sk.segs_in += max(1, skb.gso_segs)
    if skb.len > c.doff:
        sk.data_segs_in += max(1, skb.gso_segs)
    if sk.bh_locked:
        sk.bh_spinning.append(skb)
    elif not sk.owned:
        sk.bh_locked = True
        if not (sk.v.prequeue and tcp_prequeue(sk, skb)):
            tcp_v4_do_rcv(sk, skb)
        sk.bh_unlock()
    else:
        tcp_add_backlog(sk, skb)
    return 0


def tcp_v4_rcv_again(skb: SkBuff) -> int:
    """goto lookup: the request's listener is gone."""
    ipv4 = ipv4_of(skb.net)
    ts = tcp_state_of(ipv4)
    c = tcb(skb)
    lsk = __inet_lookup_listener(ts, c.saddr, c.sport, c.daddr, c.dport, inet_iif(skb), this_cpu(skb.net).id)
    if lsk is None:
        return _no_tcp_socket(ts, skb)
    tcp_v4_do_rcv(lsk, skb)
    return 0


def _csum_error(ts: TcpState, skb: SkBuff) -> int:
    tp = skb.net.kernel.trace.tcp_bad_csum
    if tp.on:
        tp.fire(skb)
    ts.ipv4.tcp[TCP_MIB_CSUMERRORS] += 1
    ts.ipv4.tcp[TCP_MIB_INERRS] += 1
    kfree_skb_reason(skb, SITE_CSUM)
    return 0


def _no_tcp_socket(ts: TcpState, skb: SkBuff) -> int:
    if tcp_checksum_complete(skb):
        return _csum_error(ts, skb)
    tcp_v4_send_reset(ts, None, skb)
    kfree_skb_reason(skb, SITE_NO_SOCKET)
    return 0


def tcp_add_backlog(sk: TcpSock, skb: SkBuff) -> None:
    """The owner of the lock will see to it, if there is room."""
    ext = sk.ts.ipv4.tcpext
    if sk.v.backlog_checksum and tcp_checksum_complete(skb):
        sk.ts.ipv4.tcp[TCP_MIB_CSUMERRORS] += 1
        sk.ts.ipv4.tcp[TCP_MIB_INERRS] += 1
        tcp_drop_reason(sk, skb, SITE_CSUM)
        return
    v = sk.v
    limit = sk.rcvbuf * v.backlog_factor + (sk.sndbuf >> v.backlog_sndbuf_shift) + v.backlog_extra
    if sk.backlog_len + sk.rmem_alloc > limit:
        ext["TCPBacklogDrop"] += 1
        tcp_drop_reason(sk, skb, SITE_BACKLOG)
        return
    skb.sk = None
    sk.backlog.append(skb)
    sk.backlog_len += skb.truesize


def sk_rx_dst_set(sk: TcpSock, skb: SkBuff) -> None:
    """Remember the route of what comes in (inet_sk_rx_dst_set; inline)."""
    rt = skb.dst
    if isinstance(rt, Rtable):
        sk.rx_dst = rt
        sk.rx_dst_ifindex = inet_iif(skb)


def tcp_v4_do_rcv(sk: TcpSock, skb: SkBuff) -> int:
    """The socket is ours: established, listening, or any other state."""
    ts = sk.ts
    if sk.state == TCP_ESTABLISHED:
        sk.rxhash = skb.hash
        sk.napi_id = skb.napi_id
        rt = sk.rx_dst
        if isinstance(rt, Rtable):
            if (sk.rx_dst_ifindex != inet_iif(skb) and skb.skb_iif) or not ipv4_dst_check(rt):
                sk.rx_dst = None
        if sk.rx_dst is None:
            sk_rx_dst_set(sk, skb)
        tcp_rcv_established(sk, skb)
        return 0
    if tcp_checksum_complete(skb):
        return _csum_error(ts, skb)
    if sk.state == TCP_LISTEN:
        nsk = tcp_v4_cookie_check(sk, skb)
        if nsk is None:
            kfree_skb_reason(skb, SITE_COOKIE_LOST if sk.v.cookie_drop_no_socket else SITE_LISTEN)
            return 0
        if nsk is not sk:
            r = tcp_child_process(sk, nsk, skb)
            if r is not None:
                tcp_v4_send_reset(ts, nsk, skb)
                kfree_skb_reason(skb, r)
            return 0
    site = tcp_rcv_state_process(sk, skb)
    if site is not None:
        tcp_v4_send_reset(ts, sk, skb)
        kfree_skb_reason(skb, site)
    return 0


def tcp_child_process(parent: TcpSock, child: TcpSock, skb: SkBuff) -> Site | None:
    """The segment that made the connection is its first one."""
    child.segs_in += max(1, skb.gso_segs)
    if skb.len > tcb(skb).doff:
        child.data_segs_in += max(1, skb.gso_segs)
    child.napi_id = skb.napi_id
    sk_rx_dst_set(child, skb)
    r: Site | None = None
    if child.owned:  # found by its own name before this lock was taken
        skb.sk = None
        child.backlog.append(skb)
        child.backlog_len += skb.truesize
        return r
    child.bh_locked = True
    r = tcp_rcv_state_process(child, skb)
    if child.state != TCP_SYN_RECV:
        sock_def_readable(parent)
    child.bh_unlock()
    return r


# --- answers without a socket ---------------------------------------------------------------------


def tcp_v4_send_reset(ts: TcpState, sk: TcpSock | None, skb: SkBuff) -> None:
    ipv4 = ts.ipv4
    c = tcb(skb)
    if c.flags & TCPHDR_RST:
        return
    rt = skb.dst
    if (
        sk is None
        and isinstance(rt, Rtable)
        and not (rt.rt_flags & RTCF_LOCAL and not rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST))
    ):
        return
    signed = tcp_parse_md5sig_option(ts.v, skb)
    if signed == AUTH_BAD or (signed == AUTH_SIGNED and sk is None):
        return  # no listener has the key that would sign the answer
    if c.flags & TCPHDR_ACK:
        seg = TCP_HDR.pack(c.dport, c.sport, c.ack_seq, 0, 5 << 4, TCPHDR_RST, 0, 0, 0)
    else:
        seg = TCP_HDR.pack(c.dport, c.sport, 0, c.end_seq, 5 << 4, TCPHDR_RST | TCPHDR_ACK, 0, 0, 0)
    tp = ipv4.kernel.trace.tcp_send_reset
    if tp.on:
        tp.fire(sk, skb)
    oif = sk.bound_dev_if if sk is not None else 0
    opt = __ip_options_echo(ipv4, skb, c.ip_opt) if c.ip_opt is not None else None
    if c.ip_opt is None or opt is not None:  # else not sent, and counted all the same
        ip_send_unicast_reply(
            ipv4,
            tcp_v4_send_check(c.daddr, c.saddr, seg),
            c.daddr,
            c.saddr,
            c.dsfield & ~3,  # never with ECN bits
            oif,
            sk.mark if sk is not None else 0,
            opt,
        )
    ipv4.tcp[TCP_MIB_OUTSEGS] += 1
    ipv4.tcp[TCP_MIB_OUTRSTS] += 1


def tcp_v4_send_ack(
    ts: TcpState,
    skb: SkBuff,
    saddr: int,
    sport: int,
    daddr: int,
    dport: int,
    seq: int,
    ack: int,
    win: int,
    stamp: tuple[int, int] | None,
    oif: int,
    tos: int,
    mark: int,
) -> None:
    """A bare ACK from (saddr, sport) to `skb`, whose IP options it echoes; where they cannot be, it is not sent."""
    if stamp is not None and not stamp[1]:
        stamp = None
    options = tcp_options_write(0, -1, False, stamp, [])
    seg = TCP_HDR.pack(sport, dport, seq, ack, (20 + len(options)) << 2, TCPHDR_ACK, win, 0, 0) + options
    came = tcb(skb).ip_opt
    opt = __ip_options_echo(ts.ipv4, skb, came) if came is not None else None
    if came is None or opt is not None:
        ip_send_unicast_reply(ts.ipv4, tcp_v4_send_check(saddr, daddr, seg), saddr, daddr, tos, oif, mark, opt)
    ts.ipv4.tcp[TCP_MIB_OUTSEGS] += 1


def now_ts(ts: TcpState) -> int:
    return ts.clock(ts.ipv4.kernel.engine.now // 1000)


def tcp_v4_timewait_ack(ts: TcpState, tw: TimewaitSock, skb: SkBuff, tos: int) -> None:
    stamp = ((now_ts(ts) + tw.ts_offset) & M32, tw.ts_recent) if tw.ts_recent_stamp else None
    tcp_v4_send_ack(
        ts,
        skb,
        tw.loc_addr,
        tw.num,
        tw.rmt_addr,
        tw.rmt_port,
        tw.snd_nxt,
        tw.rcv_nxt,
        tw.rcv_wnd >> tw.rcv_wscale & 0xFFFF,  # not capped: the field holds what fits
        stamp,
        tw.bound_dev_if,
        tos,
        tw.mark,
    )


def tcp_v4_reqsk_send_ack(lsk: TcpSock, skb: SkBuff, req: RequestSock) -> None:
    ts = lsk.ts
    stamp = ((now_ts(ts) + req.ts_off) & M32, req.ts_recent) if req.tstamp_ok else None
    tcp_v4_send_ack(
        ts,
        skb,
        req.loc_addr,
        req.num,
        req.rmt_addr,
        req.rmt_port,
        (req.snt_isn + 1) & M32,
        req.rcv_nxt,
        min(req.rsk_rcv_wnd >> req.rcv_wscale, 65535),
        stamp,
        0,
        tcb(skb).dsfield & (0xFF if ts.v.reqsk_ack_ect else 0xFC),
        req.mark,
    )


# --- requests -------------------------------------------------------------------------------------


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
    req.timer = TimerList(ts.ipv4.kernel, req.timer_due)
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
    skb_put(skb, tcp_v4_send_check(req.loc_addr, req.rmt_addr, seg))
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
    req.rcv_isn = c.seq
    req.rcv_nxt = (c.seq + 1) & M32
    req.mss = opt.mss_clamp
    req.ts_recent = opt.rcv_tsval if opt.saw_tstamp else 0
    req.tstamp_ok = opt.saw_tstamp
    req.sack_ok = opt.sack_ok
    req.snd_wscale = opt.snd_wscale
    req.wscale_ok = opt.wscale_ok
    req.num = c.dport
    req.rmt_port = c.sport
    req.loc_addr = c.daddr
    req.rmt_addr = c.saddr
    req.iif = inet_iif(skb)
    req.mark = sk.mark
    if sk.save_syn:
        start = skb.mac_header if sk.save_syn == 2 else skb.network_header
        req.saved_syn = skb.head[start : c.th + c.doff]
    if c.ip_opt is not None and c.ip_opt.optlen:
        req.opt = __ip_options_echo(ipv4, skb, c.ip_opt)
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
    req.rcv_isn = (c.seq - 1) & M32
    req.rcv_nxt = c.seq
    req.snt_isn = (c.ack_seq - 1) & M32
    req.mss = mss
    req.tstamp_ok = opt.saw_tstamp
    req.ts_recent = opt.rcv_tsval if opt.saw_tstamp else 0
    req.num = c.dport
    req.rmt_port = c.sport
    req.loc_addr = c.daddr
    req.rmt_addr = c.saddr
    req.iif = inet_iif(skb)
    req.tos = c.dsfield
    if c.ip_opt is not None and c.ip_opt.optlen:
        req.opt = __ip_options_echo(ipv4, skb, c.ip_opt)
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


# --- active open ----------------------------------------------------------------------------------


def tcp_v4_connect(sk: TcpSock, addr: int, port: int) -> None:
    """Route, port, SYN.  Raises OSError."""
    ts = sk.ts
    ipv4 = ts.ipv4
    nexthop = addr
    opt = sk.inet_opt
    if opt is not None and opt.srr:
        nexthop = opt.faddr
    fl4 = Flowi4(
        nexthop, sk.saddr, oif=sk.bound_dev_if, tos=sk.tos & 0x1C, proto=6, mark=sk.mark, sport=sk.sport, dport=port
    )
    rt = ip_route_output_flow(ipv4, fl4)
    if rt is None:
        err = -fl4.error if fl4.error else ENETUNREACH
        if err == ENETUNREACH:
            ipv4.ip[IPSTATS_MIB_OUTNOROUTES] += 1
        raise linux_error(err)
    if rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST):
        raise linux_error(ENETUNREACH)
    if not addr:
        addr = fl4.daddr
    if not sk.saddr:
        sk.saddr = fl4.saddr
        sk.rcv_saddr = fl4.saddr
    sk.dport = port
    sk.daddr = addr
    sk.ext_hdr_len = opt.optlen if opt is not None else 0
    sk.rx_opt.mss_clamp = 536
    sk.rx_opt.ts_recent_stamp = 0
    sk.rx_opt.ts_recent = 0
    sk.write_seq = 0
    tcp_set_state(sk, TCP_SYN_SENT)
    try:
        inet_hash_connect(sk)
    except OSError:
        tcp_set_state(sk, TCP_CLOSE)
        if not sk.bind_addr_lock:
            sk.saddr = sk.rcv_saddr = 0
        sk.dport = 0
        raise
    sk.sport = sk.num
    sk.dst = rt
    hint = ts.hints.get((sk.saddr, sk.num, addr, port, -1)) if ts.hints else None
    isn, sk.tsoffset = tcp_v4_init_seq_and_ts_off(ts, sk.saddr, addr, hint)
    if not sk.write_seq:  # a TIME_WAIT socket that is taken over has chosen already
        sk.write_seq = sk.isn_override if sk.isn_override >= 0 else isn
    if tcp_fastopen_defer_connect(sk):
        return
    tcp_connect_or_close(sk)


def tcp_connect_or_close(sk: TcpSock) -> None:
    """Send the SYN.  Raises OSError, and the socket is closed again."""
    err = tcp_connect(sk)
    if err:
        tcp_set_state(sk, TCP_CLOSE)
        sk.dport = 0
        raise linux_error(-err)


def tcp_sendmsg_fastopen(sk: TcpSock, data: bytes, name: Address | None, flags: int) -> int:
    """sendmsg with MSG_FASTOPEN, or the first write after a connect that waits for it.  Raises OSError."""
    ts = sk.ts
    if not sk.fastopen_defer and sk.state not in (TCP_CLOSE, TCP_SYN_SENT, TCP_SYN_RECV):
        return tcp_sendmsg(sk, data, flags & ~MSG_FASTOPEN)
    if not ts.tcp_fastopen & TFO_CLIENT_ENABLE or (name is not None and name[0] == ""):
        raise linux_error(EOPNOTSUPP)
    if sk.fastopen_req is not None:
        raise linux_error(EALREADY)
    sk.fastopen_req = fo = FastOpenRequest(data)
    try:
        if sk.fastopen_defer:
            tcp_connect_or_close(sk)
        addr, port = parse_addr((str(name[0]), int(name[1]))) if name is not None else (sk.daddr, sk.dport)
        inet_stream_connect(sk, addr, port, flags & MSG_DONTWAIT, True)
    except OSError as e:
        if sk.fastopen_req is not None:
            sk.fastopen_req = None
            sk.fastopen_defer = False
            if e.errno == EINPROGRESS and fo.copied:
                return fo.copied
        raise
    sk.fastopen_req = None
    sk.fastopen_defer = False
    if fo.copied >= len(data):
        return fo.copied
    return fo.copied + tcp_sendmsg(sk, data[fo.copied :], flags & ~MSG_FASTOPEN)


def tcp_retransmit_syn_data(sk: TcpSock) -> None:
    """The data that went with the SYN is lost; no congestion."""
    for t in sk.rtx_queue:
        tcp_mark_skb_lost(sk, t)
    if sk.ca_state != 4:
        sk.high_seq = sk.snd_nxt
        sk.snd_ssthresh = tcp_current_ssthresh(sk)
        sk.prior_ssthresh = 0
        sk.undo_marker = 0
        tcp_set_ca_state(sk, 4)
    tcp_xmit_retransmit_queue(sk)


def inet_stream_connect(sk: TcpSock, addr: int, port: int, flags: int, is_sendmsg: bool = False) -> None:
    """connect: EINPROGRESS when it may not sleep.  Raises OSError."""
    lock_sock(sk)
    bias = 0
    try:
        if sk.ss_state == SS_CONNECTED:
            raise linux_error(EISCONN)
        if sk.ss_state == SS_UNCONNECTED:
            if sk.state != TCP_CLOSE:
                raise linux_error(EISCONN)
            tcp_v4_connect(sk, addr, port)
            sk.ss_state = SS_CONNECTING
            if sk.fastopen_defer:
                return
            err = EINPROGRESS
        elif sk.ss_state == SS_CONNECTING:
            err = EALREADY
            if sk.fastopen_defer:
                err = EINPROGRESS if is_sendmsg else EISCONN
        else:
            raise linux_error(EINVAL)
        if sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
            if flags & MSG_DONTWAIT or sk.nonblock:
                raise linux_error(err)
            fo = sk.fastopen_req
            if fo is not None and fo.pending:
                bias = 1
            sk.write_pending += bias
            deadline = deadline_of(sk, sk.sndtimeo)
            while sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
                if not sk_wait_event(sk, deadline):
                    raise linux_error(err)
        if sk.state == TCP_CLOSE:
            e = sk.err or ECONNABORTED
            sk.err = 0
            sk.ss_state = SS_UNCONNECTED
            tcp_disconnect(sk, locked=True)
            raise linux_error(e)
        sk.ss_state = SS_CONNECTED
    finally:
        sk.write_pending -= bias
        release_sock(sk)


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


# --- ICMP -----------------------------------------------------------------------------------------


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


def tcp_simple_retransmit(sk: TcpSock) -> None:
    # the SYN of a Fast Open and its data are two elements, and what was too long is both together
    mss = -1 if sk.syn_data and sk.state == TCP_SYN_SENT else tcp_current_mss(sk)
    for t in sk.rtx_queue:
        if tcp_skb_seglen(t) > mss:
            tcp_mark_skb_lost(sk, t)
    if not sk.lost_out:
        return
    if not sk.rx_opt.sack_ok:
        tcp_limit_reno_sacked(sk)
    if sk.ca_state != 4:
        sk.high_seq = sk.snd_nxt
        sk.snd_ssthresh = tcp_current_ssthresh(sk)
        sk.prior_ssthresh = 0
        sk.undo_marker = 0
        tcp_set_ca_state(sk, 4)
    tcp_xmit_retransmit_queue(sk)


def tcp_v4_err(skb: SkBuff, info: int) -> int:
    """An ICMP error about a segment of ours; skb.data at the quoted IP header."""
    ipv4 = ipv4_of(skb.net)
    ts = tcp_state_of(ipv4)
    head = skb.head
    nh = skb.data
    ihl = (head[nh] & 15) << 2
    th = nh + ihl
    if skb.tail < th + 8:
        ipv4.icmp[ICMP_MIB_INERRORS] += 1
        return 0
    saddr, daddr = _ADDRS.unpack_from(head, nh + 12)
    sport, dport = _PORTS.unpack_from(head, th)
    seq = _WORD.unpack_from(head, th + 4)[0]
    icmph = skb.transport_header
    type_, code = head[icmph], head[icmph + 1]
    s = __inet_lookup_established(ts, daddr, dport, saddr, sport, inet_iif(skb))
    if s is None:
        s = __inet_lookup_listener(ts, daddr, dport, saddr, sport, inet_iif(skb), 0)
        if s is None or True:
            ipv4.icmp[ICMP_MIB_INERRORS] += 1
            return -2
    if isinstance(s, TimewaitSock):
        return 0
    hard_err = {
        0: ENETUNREACH,
        1: EHOSTUNREACH,
        2: 92,
        3: ECONNREFUSED,
        4: 90,
        5: 95,
        6: ENETUNREACH,
        7: 112,
        8: 64,
        9: ENETUNREACH,
        10: EHOSTUNREACH,
        11: ENETUNREACH,
        12: EHOSTUNREACH,
        13: EHOSTUNREACH,
        14: EHOSTUNREACH,
        15: EHOSTUNREACH,
    }
    fatal = {2, 3, 4, 9, 10, 13, 14, 15}
    if isinstance(s, RequestSock):
        if seq != s.snt_isn:
            ipv4.tcpext["OutOfWindowIcmps"] += 1
        elif type_ in (11, 12) or (type_ == 3 and code in (0, 1)):
            inet_csk_reqsk_queue_drop(s)
            tcp_listendrop(s.listener)
        return 0
    sk = s
    if sk.owned and not (type_ == 3 and code == 4):
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
    if type_ == 5 or type_ == 4:
        return 0
    if type_ == 12:
        err = EPROTO
    elif type_ == 3:
        if code > 15:
            return 0
        if code == 4:
            if sk.state == TCP_LISTEN:
                return 0
            sk.mtu_info = info
            if not sk.owned:
                tcp_v4_mtu_reduced(sk)
            else:
                sk.tsq_flags |= 8
            return 0
        err = hard_err[code]
        if code in (0, 1):
            tcp_ld_RTO_revert(sk, seq)
    elif type_ == 11:
        err = EHOSTUNREACH
    else:
        return 0
    if sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
        ip_icmp_error(sk, skb, err, dport, info, th)
        if not sk.owned:
            sk.err = err
            sk_error_report(sk)
            tcp_done(sk)
        else:
            sk.err_soft = err
        return 0
    if not sk.owned and sk.recverr:
        sk.err = err
        sk_error_report(sk)
    else:
        sk.err_soft = err
    del fatal
    return 0


def tcp_ld_RTO_revert(sk: TcpSock, seq: int) -> None:
    """RFC 6069: an unreachable while we back off takes one doubling back."""
    if sk.owned or seq != sk.snd_una or not sk.retransmits or not sk.backoff or not sk.rtx_queue:
        return

    sk.backoff -= 1
    k = sk.ts.ipv4.kernel
    base = k.usecs_to_jiffies((sk.srtt_us >> 3) + sk.rttvar_us) if sk.srtt_us else k.hz
    sk.rto = min(base << sk.backoff, 120 * k.hz)
    tcp_mstamp_refresh(sk)
    left = tcp_rto_delta_us(sk)
    if left > 0:
        inet_csk_reset_xmit_timer(sk, 1, k.usecs_to_jiffies(left))
    else:
        tcp_retransmit_timer(sk)


# --- what sockets call upwards --------------------------------------------------------------------


class TcpHandlers:
    """The functions that lower rooms and the socket's methods reach by one table (struct proto,
    inet_connection_sock_af_ops).
    """

    __slots__ = ("ts",)

    def __init__(self, ts: TcpState) -> None:
        self.ts = ts

    def reqsk_timer(self, req: RequestSock) -> None:
        reqsk_timer_handler(req)

    def tw_timer(self, tw: TimewaitSock) -> None:
        tw_timer_handler(self.ts, tw)

    def write_timer(self, sk: TcpSock) -> None:
        tcp_write_timer(sk)

    def delack_timer(self, sk: TcpSock) -> None:
        tcp_delack_timer(sk)

    def keepalive_timer(self, sk: TcpSock) -> None:
        tcp_keepalive_timer(sk)

    def compressed_timer(self, sk: TcpSock) -> None:
        tcp_compressed_ack_kick(sk)

    def pacing_timer(self, sk: TcpSock) -> None:
        tcp_pace_kick(sk)

    def simple_retransmit(self, sk: TcpSock) -> None:
        tcp_simple_retransmit(sk)

    def backlog_rcv(self, sk: TcpSock, skb: SkBuff) -> int:
        return tcp_v4_do_rcv(sk, skb)

    def get_port(self, sk: TcpSock, snum: int) -> bool:
        return inet_csk_get_port(sk, snum)

    def hash(self, sk: TcpSock) -> None:
        inet_hash(sk)

    def unhash(self, sk: TcpSock) -> None:
        inet_unhash(sk)

    def connect(self, sk: TcpSock, addr: int, port: int, flags: int) -> None:
        inet_stream_connect(sk, addr, port, flags)

    def disconnect(self, sk: TcpSock) -> None:
        tcp_disconnect(sk)
        sk.ss_state = SS_UNCONNECTED

    def listen(self, sk: TcpSock, backlog: int) -> None:
        sys_listen(sk, backlog)

    def accept(self, sk: TcpSock, flags: int) -> tuple[TcpSock, tuple[str, int]]:
        child = sys_accept(sk, flags)
        return child, (ip4_str(child.daddr), child.dport)

    def sendmsg(self, sk: TcpSock, data: bytes, name: Address | None, flags: int) -> int:
        return tcp_sendmsg(sk, data, flags)

    def sendmsg_fastopen(self, sk: TcpSock, data: bytes, name: Address | None, flags: int) -> int:
        return tcp_sendmsg_fastopen(sk, data, name, flags)

    def sendmsg_noticed(self, sk: TcpSock, data: bytes, name: Address | None, flags: int) -> int:
        """With notices on the error queue: MSG_ZEROCOPY, time stamps of transmission."""
        made = tcp_notice_sendmsg(sk, len(data), bool(sk.zerocopy and flags & MSG_ZEROCOPY))
        first = sk.state == TCP_CLOSE  # Fast Open: the sequence numbers begin with this call
        n = 0
        try:
            if flags & MSG_FASTOPEN or sk.fastopen_defer:
                n = tcp_sendmsg_fastopen(sk, data, name, flags)
            else:
                n = tcp_sendmsg(sk, data, flags)
        finally:
            if first and n > 0:
                for m in made:
                    m.last = (sk.snd_una + n) & M32
            tcp_notice_sent(sk, made, n, n if first and n > 0 else len(data))
        return n

    def init_transfer(self, sk: TcpSock) -> None:
        tcp_init_transfer(sk)

    def enter_loss(self, sk: TcpSock) -> None:
        tcp_enter_loss(sk)

    def retransmit_syn_data(self, sk: TcpSock) -> None:
        tcp_retransmit_syn_data(sk)

    def recvmsg(self, sk: TcpSock, size: int, flags: int) -> Msg:
        return tcp_recvmsg(sk, size, flags)

    def close(self, sk: TcpSock) -> None:
        inet_release(sk)

    def shutdown(self, sk: TcpSock, how: int) -> None:
        inet_shutdown(sk, how)

    def tcp_shutdown(self, sk: TcpSock, how: int) -> None:
        """Of a segment's handler, which has the socket."""
        tcp_shutdown(sk, how)

    def poll(self, sk: TcpSock) -> int:
        return tcp_poll(sk)

    def siocinq(self, sk: TcpSock) -> int:
        return tcp_inq(sk)

    def setsockopt(self, sk: TcpSock, optname: int, value: int | bytes) -> None:
        do_tcp_setsockopt(sk, optname, value)

    def after_setsockopt(self, sk: TcpSock, level: int, optname: int) -> None:
        if level == 1 and optname == SO_TIMESTAMPING and sk.tsflags & OPT_ID:
            sk.tskey = sk.write_seq if sk.tsflags & OPT_ID_TCP else sk.snd_una
        after_setsockopt(sk, level, optname)

    def getsockopt(self, sk: TcpSock, optname: int) -> int | bytes:
        return do_tcp_getsockopt(sk, optname)

    def set_rcvlowat(self, sk: TcpSock, val: int) -> None:
        tcp_set_rcvlowat(sk, val)

    def twsk_unique(self, sk: TcpSock, tw: TimewaitSock, bound: bool) -> bool:
        return tcp_twsk_unique(sk, tw, bound)

    def dst_changed(self, sk: TcpSock) -> None:
        """A new route: the segment size is looked at when the next segment is cut."""

    def fast_path_check(self, sk: TcpSock) -> None:
        tcp_fast_path_check(sk)

    def set_state(self, sk: TcpSock, state: int) -> None:
        tcp_set_state(sk, state)

    def time_wait(self, sk: TcpSock, state: int, timeo: int) -> None:
        tcp_time_wait(sk, state, timeo)

    def reset_keepalive(self, sk: TcpSock, when: int) -> None:
        reset_keepalive(sk, when)

    def rtx_syn_ack(self, sk: TcpSock, req: RequestSock) -> bool:
        return tcp_rtx_synack(sk, req)

    def reqsk_send_ack(self, sk: TcpSock, skb: SkBuff, req: RequestSock) -> None:
        tcp_v4_reqsk_send_ack(sk, skb, req)

    def syn_recv_sock(self, sk: TcpSock, skb: SkBuff, req: RequestSock) -> TcpSock | None:
        return tcp_v4_syn_recv_sock(sk, skb, req)

    def send_reset(self, sk: TcpSock, skb: SkBuff) -> None:
        tcp_v4_send_reset(self.ts, sk, skb)

    def rebuild_header(self, sk: TcpSock) -> None:
        inet_sk_rebuild_header(sk)

    def synack_rtt_meas(self, sk: TcpSock) -> None:
        tcp_synack_rtt_meas(sk)

    def conn_request(self, sk: TcpSock, skb: SkBuff) -> None:
        tcp_v4_conn_request(sk, skb)

    def mtu_reduced(self, sk: TcpSock) -> None:
        tcp_v4_mtu_reduced(sk)

    def listen_stop(self, sk: TcpSock) -> None:
        inet_reqsk_purge(sk)


class TcpProtocol(NetProtocol):
    __slots__ = ()

    def handler(self, skb: SkBuff) -> int:
        return tcp_v4_rcv(skb)

    def err_handler(self, skb: SkBuff, info: int) -> int:
        return tcp_v4_err(skb, info)

    def early_demux(self, skb: SkBuff) -> int:
        return tcp_v4_early_demux(ipv4_of(skb.net), skb)


class TcpInetsw(Inetsw):
    __slots__ = ()

    def create(self, net: Net, protocol: int) -> InetSock:
        ipv4 = ipv4_of(net)
        return TcpSock(net, ipv4.tcp_prot)


def register_initcalls(k: Kernel, net: Net) -> None:
    """Put TCP into the boot order, behind inet_init (before the initcalls run)."""
    k.initcalls.add("fs", "tcp_init", lambda: tcp_init(ipv4_of(net)))


def tcp_init(ipv4: Ipv4) -> None:
    """Register TCP with IPv4 (what inet_init and tcp_init do): protocol 6, SOCK_STREAM, sysctls, /proc/net/tcp."""
    net = ipv4.net
    ts = TcpState(ipv4)
    ipv4.tcp_state = ts
    ts.handlers = TcpHandlers(ts)
    prot = TcpProtocol("TCP", no_policy=True, strict=True)
    prot.has_early_demux = True
    inet_add_protocol(net, prot, 6)
    ipv4.inetsw.insert(0, TcpInetsw(SOCK_STREAM, 6))
    pages = 2048 * 1024 // 4
    limit = max(pages // 16, 128)
    ipv4.tcp_prot.mem = [limit // 4 * 3, limit, limit // 4 * 3 * 2]
    ts.tcp_mem = ipv4.tcp_prot.mem
    ipv4.tcp_prot.rmem_min = ts.tcp_rmem[0]
    ipv4.tcp_prot.wmem_min = ts.tcp_wmem[0]
    tcp_sysctl_init(ts)
    tcp_proc_init(ts)


__all__ = [
    "EADDRNOTAVAIL",
    "TCPHDR_FIN",
    "TCP_CLOSE_WAIT",
    "TCP_NEW_SYN_RECV",
    "TCP_TIME_WAIT",
    "__sk_dst_check",
    "jiffies",
    "reqsk_timeout",
    "tcp_init",
    "tcp_v4_rcv",
    "tcp_write_xmit",
]
