"""connect: the route, the ports, the first SYN and its data, waiting for the answer; sendmsg with MSG_FASTOPEN.

Facts: net/ipv4/tcp_ipv4.c tcp_v4_connect, tcp_output.c tcp_connect, tcp_send_syn_data, af_inet.c inet_stream_connect,
tcp.c tcp_sendmsg_fastopen (6.1).
"""

from __future__ import annotations

from rxpath.kernel.errno import (
    EALREADY,
    ECONNABORTED,
    ECONNREFUSED,
    EINPROGRESS,
    EINVAL,
    EISCONN,
    ENETUNREACH,
    EOPNOTSUPP,
    linux_error,
)
from rxpath.net.core.sock import MSG_DONTWAIT, SOCK_RCVBUF_LOCK, TCP_CLOSE, TCP_SYN_RECV, TCP_SYN_SENT, lock_sock
from rxpath.net.ipv4.datagram import parse_addr
from rxpath.net.ipv4.inet_sock import Address
from rxpath.net.ipv4.mib import IPSTATS_MIB_OUTNOROUTES, TCP_MIB_ACTIVEOPENS
from rxpath.net.ipv4.route import (
    RTCF_BROADCAST,
    RTCF_MULTICAST,
    Flowi4,
    Rtable,
    dst_metric,
    ip_route_output_flow,
    ipv4_mtu,
)
from rxpath.net.ipv4.tcp.fastopen import (
    TFO_CLIENT_ENABLE,
    FastOpenRequest,
    tcp_fastopen_cookie_check,
    tcp_fastopen_defer_connect,
)
from rxpath.net.ipv4.tcp.hashtables import inet_hash_connect
from rxpath.net.ipv4.tcp.output import (
    MAX_TCP_OPTION_SPACE,
    __tcp_transmit_skb,
    inet_csk_reset_xmit_timer,
    ipv4_default_advmss,
    sk_wmem_charge,
    tcp_mstamp_refresh,
    tcp_mtu_to_mss,
    tcp_mtup_init,
    tcp_sync_mss,
    tcp_transmit_skb,
)
from rxpath.net.ipv4.tcp.rcvbuf import (
    sk_forced_mem_schedule,
    tcp_full_space,
    tcp_initialize_rcv_mss,
    tcp_select_initial_window,
)
from rxpath.net.ipv4.tcp.request import tcp_v4_init_seq_and_ts_off
from rxpath.net.ipv4.tcp.sendmsg import tcp_sendmsg
from rxpath.net.ipv4.tcp.sock import (
    ICSK_TIME_RETRANS,
    MSG_FASTOPEN,
    SS_CONNECTED,
    SS_CONNECTING,
    SS_UNCONNECTED,
    TCP_ECN_MODE_RFC3168,
    TcpSock,
    TxSkb,
)
from rxpath.net.ipv4.tcp.state import tcp_set_state
from rxpath.net.ipv4.tcp.tcp import deadline_of, release_sock, sk_wait_event, tcp_disconnect
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_CWR, TCPHDR_ECE, TCPHDR_PSH, TCPHDR_SYN


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


def tcp_connect_init(sk: TcpSock) -> None:
    ts = sk.ts
    rt = sk.dst
    assert isinstance(rt, Rtable)
    sk.header_len = 20 + (12 if ts.tcp_timestamps else 0)
    if sk.rx_opt.user_mss:
        sk.rx_opt.mss_clamp = sk.rx_opt.user_mss
    sk.max_window = 0
    tcp_mtup_init(sk)
    tcp_sync_mss(sk, ipv4_mtu(rt))
    if not sk.window_clamp:
        sk.window_clamp = dst_metric(rt, "window")
    sk.advmss = ipv4_default_advmss(rt)
    if sk.rx_opt.user_mss:
        sk.advmss = min(sk.advmss, sk.rx_opt.user_mss)
    tcp_initialize_rcv_mss(sk)
    full = tcp_full_space(sk)
    if sk.userlocks & SOCK_RCVBUF_LOCK and (sk.window_clamp > full or sk.window_clamp == 0):
        sk.window_clamp = full
    opt_len = sk.header_len - 20
    init = dst_metric(rt, "initrwnd") or sk.v.init_rcv_wnd_segments
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


def tcp_send_syn_data(sk: TcpSock, syn: TxSkb) -> int:
    """A SYN with Fast Open's option, and with data when there is a cookie: 0 or a negative errno."""
    fo = sk.fastopen_req
    assert fo is not None
    sk.rx_opt.mss_clamp = sk.advmss
    if tcp_fastopen_cookie_check(sk, fo.cookie):
        if sk.rx_opt.user_mss and sk.rx_opt.user_mss < sk.rx_opt.mss_clamp:
            sk.rx_opt.mss_clamp = sk.rx_opt.user_mss
        tcp_sync_mss(sk, sk.pmtu_cookie)
        room = max(tcp_mtu_to_mss(sk, sk.pmtu_cookie) + (sk.header_len - 20) - MAX_TCP_OPTION_SPACE, 0)
        data = fo.data[:room]
        fo.pending = len(data) < len(fo.data)
        fo.copied = len(data)
        t = TxSkb(sk.write_seq, data, TCPHDR_ACK | TCPHDR_PSH)
        t.tx_us = syn.tx_us = sk.mstamp_us
        err = __tcp_transmit_skb(sk, syn.seq, syn.flags, data)
        fo.cookie.len = -1
        if not err:
            sk.syn_data = fo.copied > 0
            if data:
                t.pcount = 1
                sk.write_seq = t.end_seq
                sk_wmem_charge(sk, t.truesize)
                sk.packets_out += 1
                sk.rtx_queue.append(t)
            sk.ts.ipv4.tcpext["TCPOrigDataSent"] += 1
        return err
    if fo.cookie.len > 0:
        fo.cookie.len = 0
    err = tcp_transmit_skb(sk, syn)
    if err:
        sk.syn_fastopen = False
    fo.cookie.len = -1
    return err


def tcp_connect(sk: TcpSock) -> int:
    """Send the SYN: 0 or a negative errno."""
    tcp_connect_init(sk)
    flags = TCPHDR_SYN
    if sk.ts.tcp_ecn == 1 or dst_metric(sk.dst, "features"):
        flags |= TCPHDR_ECE | TCPHDR_CWR
        sk.ecn_flags = TCP_ECN_MODE_RFC3168
    t = TxSkb(sk.write_seq, b"", flags)
    t.truesize = sk.tx_overhead
    t.pcount = 1
    sk_forced_mem_schedule(sk, t.truesize)
    tcp_mstamp_refresh(sk)
    sk.retrans_stamp = sk.mstamp_us or 1
    sk.write_seq = t.end_seq
    sk_wmem_charge(sk, t.truesize)
    sk.packets_out += 1
    sk.rtx_queue.append(t)
    err = tcp_send_syn_data(sk, t) if sk.fastopen_req is not None else tcp_transmit_skb(sk, t)
    if err == -ECONNREFUSED:
        return err
    sk.snd_nxt = sk.write_seq
    sk.pushed_seq = sk.write_seq
    sk.ts.ipv4.tcp[TCP_MIB_ACTIVEOPENS] += 1
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, sk.rto)
    return 0
