"""TCP's IPv4 side: tcp_v4_rcv and what it hands a segment to; the table of handlers and the registration.

What does not belong here: requests (request.py), answers without a socket (reply.py), ICMP errors (err.py), connect
(connect.py).  Facts: net/ipv4/tcp_ipv4.c (5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.core import Kernel
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import PACKET_HOST, SkBuff, kfree_skb_reason, skb_move_tokens
from rxpath.net.core.sock import (
    SOCK_STREAM,
    SOF_TIMESTAMPING_TX_RECORD_MASK,
    TCP_CLOSE,
    TCP_ESTABLISHED,
    TCP_LISTEN,
    TCP_SYN_RECV,
    Msg,
    SockcmCookie,
    lock_sock,
    sk_filter_trim_cap,
    sock_cmsg_send,
    sock_def_readable,
    this_cpu,
)
from rxpath.net.ipv4.inet_sock import Address, Cmsg, InetSock
from rxpath.net.ipv4.ip_cb import ip_cb_peek
from rxpath.net.ipv4.mib import TCP_MIB_CSUMERRORS, TCP_MIB_INERRS, TCP_MIB_INSEGS
from rxpath.net.ipv4.netns import Inetsw, Ipv4, NetProtocol, inet_add_protocol, ipv4_of
from rxpath.net.ipv4.route import Rtable, inet_iif
from rxpath.net.ipv4.tcp.connect import inet_stream_connect, tcp_sendmsg_fastopen
from rxpath.net.ipv4.tcp.err import tcp_v4_err, tcp_v4_mtu_reduced
from rxpath.net.ipv4.tcp.hashtables import (
    __inet_lookup_established,
    __inet_lookup_listener,
    inet_csk_get_port,
    inet_hash,
    inet_unhash,
    reuseport_migrate_sock,
)
from rxpath.net.ipv4.tcp.input import (
    tcp_checksum_complete,
    tcp_init_transfer,
    tcp_rcv_established,
    tcp_rcv_state_process,
)
from rxpath.net.ipv4.tcp.ipxmit import inet_sk_rebuild_header, ipv4_dst_check
from rxpath.net.ipv4.tcp.minisocks import (
    TCP_TW_ACK,
    TCP_TW_ACK_OOW,
    TCP_TW_RST,
    TCP_TW_SYN,
    inet_csk_reqsk_queue_drop,
    inet_twsk_deschedule_put,
    tcp_check_req,
    tcp_time_wait,
    tcp_timewait_state_process,
    tcp_twsk_unique,
    tw_timer_handler,
)
from rxpath.net.ipv4.tcp.notify import tcp_get_timestamping_opt_stats, tcp_notice_sendmsg, tcp_notice_sent
from rxpath.net.ipv4.tcp.options import AUTH_NONE, AUTH_SIGNED, tcp_parse_md5sig_option
from rxpath.net.ipv4.tcp.prequeue import tcp_prequeue
from rxpath.net.ipv4.tcp.proc import tcp_proc_init, tcp_sysctl_init
from rxpath.net.ipv4.tcp.rcvq import skb_try_coalesce, tcp_drop_reason, tcp_fast_path_check
from rxpath.net.ipv4.tcp.recovery import tcp_enter_loss
from rxpath.net.ipv4.tcp.recvmsg import tcp_inq, tcp_recvmsg
from rxpath.net.ipv4.tcp.reply import tcp_v4_reqsk_send_ack, tcp_v4_send_reset, tcp_v4_timewait_ack
from rxpath.net.ipv4.tcp.request import (
    inet_reqsk_purge,
    tcp_rtx_synack,
    tcp_synack_rtt_meas,
    tcp_v4_conn_request,
    tcp_v4_cookie_check,
    tcp_v4_syn_recv_sock,
)
from rxpath.net.ipv4.tcp.sendmsg import tcp_sendmsg
from rxpath.net.ipv4.tcp.seq import M32, before
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
)
from rxpath.net.ipv4.tcp.sock import (
    MSG_FASTOPEN,
    MSG_ZEROCOPY,
    SS_UNCONNECTED,
    RequestSock,
    TcpCb,
    TcpSock,
    TcpState,
    TimewaitSock,
    tcb,
    tcp_state_of,
)
from rxpath.net.ipv4.tcp.sockopt import after_setsockopt, do_tcp_getsockopt, do_tcp_setsockopt, tcp_set_rcvlowat
from rxpath.net.ipv4.tcp.state import tcp_set_state
from rxpath.net.ipv4.tcp.tcp import (
    inet_release,
    inet_shutdown,
    release_sock,
    sys_accept,
    sys_listen,
    tcp_disconnect,
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
    tcp_write_timer,
)
from rxpath.sim.ledger import Site
from rxpath.wire.addr import ip4_str
from rxpath.wire.tcp import (
    TCP_HDR,
    TCPHDR_ACK,
    TCPHDR_CWR,
    TCPHDR_ECE,
    TCPHDR_FIN,
    TCPHDR_RST,
    TCPHDR_SYN,
    TCPHDR_URG,
)

_ADDRS: Final = Struct(">II")
_PORTS: Final = Struct(">HH")
_WORD: Final = Struct(">I")


# --- receive --------------------------------------------------------------------------------------


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


def tcp_backlog_coalesce(sk: TcpSock, tail: SkBuff, skb: SkBuff) -> bool:
    """Join a segment to the last one that waits, though there were no room.  (Inline in tcp_add_backlog.)"""
    ct = tcb(tail)
    c = tcb(skb)
    if (
        ct.end_seq != c.seq
        or ct.dsfield != c.dsfield
        or (ct.flags | c.flags) & (TCPHDR_SYN | TCPHDR_RST | TCPHDR_URG)
        or not ct.flags & c.flags & TCPHDR_ACK
        or (ct.flags ^ c.flags) & (TCPHDR_ECE | TCPHDR_CWR)
        or (sk.v.accecn and (ct.word ^ c.word) & 1 << 24)
        or ct.doff != c.doff
        or tail.head[ct.th + 20 : ct.th + ct.doff] != skb.head[c.th + 20 : c.th + c.doff]
    ):
        return False
    hl = c.doff
    size = max(skb.gso_size or skb.len - hl, tail.gso_size or tail.len - hl)
    segs = min((skb.gso_segs or 1) + (tail.gso_segs or 1), 0xFFFF)
    skb.pull(hl)
    delta = skb_try_coalesce(tail, skb)
    if delta < 0:
        skb.data -= hl
        skb.len += hl
        return False
    tail.gso_segs = segs
    tail.gso_size = size
    ct.end_seq = c.end_seq
    if not before(c.ack_seq, ct.ack_seq):
        ct.ack_seq = c.ack_seq
        ct.window = c.window
        ct.word = ct.word & ~0xFFFF | c.word & 0xFFFF
    ct.word |= c.word & TCPHDR_FIN << 16
    ct.flags |= c.flags
    skb_move_tokens(tail, skb)
    sk.backlog_len += delta
    sk.ts.ipv4.tcpext["TCPBacklogCoalesce"] += 1
    return True


def tcp_add_backlog(sk: TcpSock, skb: SkBuff) -> None:
    """The owner of the lock will see to it, if there is room."""
    ext = sk.ts.ipv4.tcpext
    if sk.v.backlog_checksum and tcp_checksum_complete(skb):
        sk.ts.ipv4.tcp[TCP_MIB_CSUMERRORS] += 1
        sk.ts.ipv4.tcp[TCP_MIB_INERRS] += 1
        tcp_drop_reason(sk, skb, SITE_CSUM)
        return
    v = sk.v
    if v.backlog_coalesces and sk.backlog and tcp_backlog_coalesce(sk, sk.backlog[-1], skb):
        return
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

    def sendmsg_noticed(self, sk: TcpSock, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
        """With control messages or news for the error queue: MSG_ZEROCOPY, time stamps of transmission."""
        sockc = SockcmCookie(sk)
        if control:
            sock_cmsg_send(sk, control, sockc)
        m = tcp_notice_sendmsg(sk, len(data)) if data and sk.zerocopy and flags & MSG_ZEROCOPY else None
        first = sk.state == TCP_CLOSE  # Fast Open: the sequence numbers begin with this call
        n = 0
        try:
            if flags & MSG_FASTOPEN or sk.fastopen_defer:
                n = tcp_sendmsg_fastopen(sk, data, name, flags)
            else:
                n = tcp_sendmsg(sk, data, flags, sockc.tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK)
        finally:
            if m is not None:
                if first and n > 0:
                    m.last = (sk.snd_una + n) & M32
                tcp_notice_sent(sk, m, n, n if first and n > 0 else len(data))
        return n

    def opt_stats(self, sk: TcpSock, ack: SkBuff | None) -> bytes:
        return tcp_get_timestamping_opt_stats(sk, ack)

    def init_transfer(self, sk: TcpSock) -> None:
        tcp_init_transfer(sk)

    def enter_loss(self, sk: TcpSock) -> None:
        tcp_enter_loss(sk)

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
        lock_sock(sk)  # what is sent may be answered at once
        try:
            do_tcp_setsockopt(sk, optname, value)
        finally:
            release_sock(sk)

    def after_setsockopt(self, sk: TcpSock, level: int, optname: int) -> None:
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
