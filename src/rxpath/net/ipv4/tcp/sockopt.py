"""Options of SOL_TCP, both ways, and struct tcp_info.

What belongs here: do_tcp_setsockopt, do_tcp_getsockopt, and what the socket's own level asks of TCP (SO_RCVLOWAT,
SO_KEEPALIVE, SO_MAX_PACING_RATE).  Facts: net/ipv4/tcp.c, include/uapi/linux/tcp.h (5.15, 6.1; 6.18 as recorded).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import EINVAL, ENOENT, ENOPROTOOPT, ENOTSUP, EOPNOTSUPP, EPERM, linux_error
from rxpath.net.core.sock import (
    SK_PACING_UNLIMITED,
    SO_KEEPALIVE,
    SO_MAX_PACING_RATE,
    SOCK_RCVBUF_LOCK,
    SOL_SOCKET,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_ESTABLISHED,
    TCP_LISTEN,
    opt_int,
)
from rxpath.net.ipv4.route import Rtable, ipv4_mtu
from rxpath.net.ipv4.tcp.accecn import AccEcn
from rxpath.net.ipv4.tcp.fastopen import KEY_LENGTH, TFO_CLIENT_ENABLE, fastopen_queue_tune, tcp_fastopen_keys
from rxpath.net.ipv4.tcp.output import CHRONO_RWND_LIMITED, CHRONO_SNDBUF_LIMITED, jiffies, tcp_push_pending_frames
from rxpath.net.ipv4.tcp.rcvbuf import tcp_set_window_clamp, tcp_space_from_win
from rxpath.net.ipv4.tcp.rcvq import tcp_data_ready
from rxpath.net.ipv4.tcp.recvmsg import tcp_cleanup_rbuf
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_PUSHED,
    ICSK_ACK_SCHED,
    SK_PACING_NEEDED,
    TCP_ECN_MODE_ANY,
    TCP_ECN_SEEN,
    TCP_NAGLE_CORK,
    TCP_NAGLE_OFF,
    TCP_NAGLE_PUSH,
    TcpSock,
)

TCP_NODELAY: Final = 1


TCP_MAXSEG: Final = 2


TCP_CORK: Final = 3


TCP_KEEPIDLE: Final = 4


TCP_KEEPINTVL: Final = 5


TCP_KEEPCNT: Final = 6


TCP_SYNCNT: Final = 7


TCP_LINGER2: Final = 8


TCP_DEFER_ACCEPT: Final = 9


TCP_WINDOW_CLAMP: Final = 10


TCP_INFO: Final = 11


TCP_QUICKACK: Final = 12


TCP_CONGESTION: Final = 13


TCP_MD5SIG: Final = 14


TCP_THIN_LINEAR_TIMEOUTS: Final = 16


TCP_THIN_DUPACK: Final = 17


TCP_USER_TIMEOUT: Final = 18


TCP_REPAIR: Final = 19


TCP_REPAIR_QUEUE: Final = 20


TCP_QUEUE_SEQ: Final = 21


TCP_REPAIR_OPTIONS: Final = 22


TCP_FASTOPEN: Final = 23


TCP_TIMESTAMP: Final = 24


TCP_NOTSENT_LOWAT: Final = 25


TCP_CC_INFO: Final = 26


TCP_REPAIR_WINDOW: Final = 29


TCP_FASTOPEN_CONNECT: Final = 30


TCP_ULP: Final = 31


TCP_MD5SIG_EXT: Final = 32


TCP_ZEROCOPY_RECEIVE: Final = 35


TCP_TX_DELAY: Final = 37


TCP_IS_MPTCP: Final = 43


TCP_RTO_MAX_MS: Final = 44


TCP_RTO_MIN_US: Final = 45


TCP_FASTOPEN_KEY: Final = 33


TCP_FASTOPEN_NO_COOKIE: Final = 34


TCP_SAVE_SYN: Final = 27


TCP_SAVED_SYN: Final = 28


TCP_INQ: Final = 36


MD5SIG_LENGTH: Final = 216  # of struct tcp_md5sig

TCPI_OPT_TIMESTAMPS: Final = 1


TCPI_OPT_SACK: Final = 2


TCPI_OPT_WSCALE: Final = 4


TCPI_OPT_ECN: Final = 8


TCPI_OPT_ECN_SEEN: Final = 16


TCPI_OPT_SYN_DATA: Final = 32


_INFO_HEAD: Final = Struct("<8B24I")


_INFO_TAIL: Final = Struct("<4Q6I4Q2I2Q5I")


_INFO_LATE: Final = Struct("<I2HI7I2H")  # 6.2 to 6.18


def tcp_set_rcvlowat(sk: TcpSock, val: int) -> None:
    if not sk.v.data_ready_checks:
        sk.rcvlowat = val or 1
        return
    cap = sk.ts.tcp_rmem[2] >> 1 if not sk.userlocks & SOCK_RCVBUF_LOCK else sk.rcvbuf >> 1
    val = min(val, cap)
    sk.rcvlowat = val or 1
    tcp_data_ready(sk)
    if sk.userlocks & SOCK_RCVBUF_LOCK:
        return
    space = tcp_space_from_win(sk, val)
    if space > sk.rcvbuf:
        sk.rcvbuf = space
        if sk.window_clamp and sk.window_clamp < val:
            sk.window_clamp = val


def after_setsockopt(sk: TcpSock, level: int, optname: int) -> None:
    if level == SOL_SOCKET and optname == SO_KEEPALIVE:
        if sk.state in (TCP_CLOSE, TCP_LISTEN):
            return
        if sk.keepalive:
            if not sk.keepalive_timer.queued:
                sk.ts.handlers.reset_keepalive(sk, sk.keepalive_time or sk.ts.tcp_keepalive_time)
        else:
            sk.keepalive_timer.del_timer()
    elif level == SOL_SOCKET and optname == SO_MAX_PACING_RATE:
        if sk.max_pacing_rate != SK_PACING_UNLIMITED and sk.v.internal_pacing and not sk.pacing_status:
            sk.pacing_status = SK_PACING_NEEDED


def keepalive_time_elapsed(sk: TcpSock) -> int:
    now = jiffies(sk)
    return min(now - sk.lrcvtime, now - sk.rcv_tstamp)


def secs_to_retrans(seconds: int, timeout: int, rto_max: int) -> int:
    """TCP_DEFER_ACCEPT counts SYN-ACKs."""
    res = 0
    if seconds > 0:
        period = timeout
        res = 1
        while seconds > period and res < 255:
            res += 1
            timeout = min(timeout << 1, rto_max)
            period += timeout
    return res


def retrans_to_secs(retrans: int, timeout: int, rto_max: int) -> int:
    period = 0
    if retrans > 0:
        period = timeout
        while retrans > 1:
            retrans -= 1
            timeout = min(timeout << 1, rto_max)
            period += timeout
    return period


def do_tcp_setsockopt(sk: TcpSock, optname: int, value: int | bytes) -> None:
    """SOL_TCP.  Raises EINVAL, ENOPROTOOPT, ENOENT (unknown congestion control)."""
    ts = sk.ts
    hz = ts.ipv4.kernel.hz
    if optname in sk.v.options_absent:
        raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")
    if optname in (TCP_CONGESTION, TCP_ULP) and value == b"":
        raise linux_error(EINVAL)
    if optname == TCP_ULP:
        if isinstance(value, bytes) and value.split(b"\0")[0] in (b"tls", b"espintcp", b"smc"):
            raise linux_error(ENOTSUP, "TCP_ULP")
        raise linux_error(ENOENT)
    if optname == TCP_CONGESTION:
        name = value.split(b"\0")[0].decode("latin-1") if isinstance(value, bytes) else ""
        ops = ts.ca_ops.get(name)
        if ops is None:
            raise linux_error(ENOENT, name)
        sk.ca_ops = ops
        sk.tos &= ~3
        if sk.state != TCP_CLOSE:
            ops.init(sk)
        return
    if optname == TCP_FASTOPEN_KEY:
        if not isinstance(value, bytes) or len(value) not in (KEY_LENGTH, 2 * KEY_LENGTH):
            raise linux_error(EINVAL)
        sk.fastopen_keys = (value[:KEY_LENGTH], value[KEY_LENGTH:])
        return
    val = opt_int(value)
    if optname == TCP_NODELAY:
        if val:
            sk.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH
            tcp_push_pending_frames(sk)
            sk.nonagle &= ~TCP_NAGLE_PUSH
        else:
            sk.nonagle &= ~TCP_NAGLE_OFF
    elif optname == TCP_CORK:
        if val:
            sk.nonagle |= TCP_NAGLE_CORK
        else:
            sk.nonagle &= ~TCP_NAGLE_CORK
            tcp_push_pending_frames(sk)
    elif optname == TCP_MAXSEG:
        if val and not 88 <= val <= 32767:
            raise linux_error(EINVAL)
        sk.rx_opt.user_mss = val
    elif optname == TCP_KEEPIDLE:
        if not 1 <= val <= 32767:
            raise linux_error(EINVAL)
        sk.keepalive_time = val * hz
        if sk.keepalive and sk.state not in (TCP_CLOSE, TCP_LISTEN):
            elapsed = keepalive_time_elapsed(sk)
            ts.handlers.reset_keepalive(sk, max(sk.keepalive_time - elapsed, 0))
    elif optname == TCP_KEEPINTVL:
        if not 1 <= val <= 32767:
            raise linux_error(EINVAL)
        sk.keepalive_intvl = val * hz
    elif optname == TCP_KEEPCNT:
        if not 1 <= val <= 127:
            raise linux_error(EINVAL)
        sk.keepalive_probes = val
    elif optname == TCP_SYNCNT:
        if not 1 <= val <= 127:
            raise linux_error(EINVAL)
        sk.syn_retries = val
    elif optname == TCP_LINGER2:
        if val < 0:
            sk.linger2 = -1
        elif val > 120:
            sk.linger2 = 120 * hz
        else:
            sk.linger2 = val * hz
    elif optname == TCP_DEFER_ACCEPT:
        sk.defer_accept = secs_to_retrans(val, 1, 120)
    elif optname == TCP_WINDOW_CLAMP:
        if not val:
            if sk.state != TCP_CLOSE:
                raise linux_error(EINVAL)
            sk.window_clamp = 0
        else:
            tcp_set_window_clamp(sk, val)
    elif optname == TCP_QUICKACK:
        if not val:
            sk.pingpong = ts.tcp_pingpong_thresh
        else:
            sk.pingpong = 0
            if sk.state in (TCP_ESTABLISHED, TCP_CLOSE_WAIT) and sk.ack_pending & ICSK_ACK_SCHED:
                sk.ack_pending |= ICSK_ACK_PUSHED
                tcp_cleanup_rbuf(sk, 1)
                if not val & 1:
                    sk.pingpong = ts.tcp_pingpong_thresh
    elif optname == TCP_USER_TIMEOUT:
        if val < 0:
            raise linux_error(EINVAL)
        sk.user_timeout = val
    elif optname == TCP_NOTSENT_LOWAT:
        sk.notsent_lowat = val & M32
    elif optname in (TCP_THIN_LINEAR_TIMEOUTS, TCP_THIN_DUPACK):
        if not 0 <= val <= 1:
            raise linux_error(EINVAL)
        if optname == TCP_THIN_LINEAR_TIMEOUTS:
            sk.thin_lto = bool(val)
    elif optname == TCP_INQ:
        if not 0 <= val <= 1:
            raise linux_error(EINVAL)
        sk.inq_hint = val
    elif optname == TCP_SAVE_SYN:
        if not 0 <= val <= 2:
            raise linux_error(EINVAL)
        sk.save_syn = val
    elif optname == TCP_FASTOPEN:
        if val < 0 or sk.state not in (TCP_CLOSE, TCP_LISTEN):
            raise linux_error(EINVAL)
        fastopen_queue_tune(sk, val)
    elif optname == TCP_FASTOPEN_CONNECT:
        if not 0 <= val <= 1:
            raise linux_error(EINVAL)
        if not ts.tcp_fastopen & TFO_CLIENT_ENABLE:
            raise linux_error(EOPNOTSUPP)
        if sk.state != TCP_CLOSE:
            raise linux_error(EINVAL)
        sk.fastopen_connect = val
    elif optname == TCP_FASTOPEN_NO_COOKIE:
        if not 0 <= val <= 1 or sk.state not in (TCP_CLOSE, TCP_LISTEN):
            raise linux_error(EINVAL)
        sk.fastopen_no_cookie = val
    elif optname in (TCP_MD5SIG, TCP_MD5SIG_EXT):
        if isinstance(value, int) or len(value) < MD5SIG_LENGTH:
            raise linux_error(EINVAL)
        raise linux_error(ENOTSUP, "TCP_MD5SIG")
    elif optname == TCP_REPAIR:
        raise linux_error(ENOTSUP, "TCP_REPAIR")
    elif optname in (TCP_REPAIR_QUEUE, TCP_REPAIR_WINDOW, TCP_TIMESTAMP):  # of a socket under repair
        raise linux_error(EPERM)
    elif optname in (TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS):
        raise linux_error(EINVAL)
    elif optname == TCP_TX_DELAY:
        if not 0 <= val < 1 << 28:
            raise linux_error(EINVAL)
        if val:
            raise linux_error(ENOTSUP, "TCP_TX_DELAY")
    elif optname == TCP_RTO_MAX_MS:
        if not 1000 <= val <= 120_000:
            raise linux_error(EINVAL)
        sk.rto_max_ms = val
    elif optname == TCP_RTO_MIN_US:
        k = ts.ipv4.kernel
        if not 0 < k.usecs_to_jiffies(max(val, 0)) <= k.usecs_to_jiffies(200_000) or val < 2_000_000 // hz:
            raise linux_error(EINVAL)
        sk.rto_min = k.usecs_to_jiffies(val)
    else:
        raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")


def do_tcp_getsockopt(sk: TcpSock, optname: int) -> int | bytes:
    ts = sk.ts
    hz = ts.ipv4.kernel.hz
    if optname in sk.v.options_absent:
        raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")
    if optname == TCP_NODELAY:
        return int(bool(sk.nonagle & TCP_NAGLE_OFF))
    if optname == TCP_CORK:
        return int(bool(sk.nonagle & TCP_NAGLE_CORK))
    if optname == TCP_MAXSEG:
        if sk.rx_opt.user_mss and sk.state in (TCP_CLOSE, TCP_LISTEN):
            return sk.rx_opt.user_mss
        return sk.mss_cache
    if optname == TCP_KEEPIDLE:
        return (sk.keepalive_time or ts.tcp_keepalive_time) // hz
    if optname == TCP_KEEPINTVL:
        return (sk.keepalive_intvl or ts.tcp_keepalive_intvl) // hz
    if optname == TCP_KEEPCNT:
        return sk.keepalive_probes or ts.tcp_keepalive_probes
    if optname == TCP_SYNCNT:
        return sk.syn_retries or ts.tcp_syn_retries
    if optname == TCP_LINGER2:
        return sk.linger2 if sk.linger2 < 0 else (sk.linger2 or ts.tcp_fin_timeout) // hz
    if optname == TCP_DEFER_ACCEPT:
        return retrans_to_secs(sk.defer_accept, 1, 120)
    if optname == TCP_WINDOW_CLAMP:
        return sk.window_clamp
    if optname == TCP_INFO:
        return tcp_get_info(sk)
    if optname == TCP_QUICKACK:
        return int(sk.pingpong < ts.tcp_pingpong_thresh)
    if optname == TCP_CONGESTION:
        return sk.ca_ops.name.encode().ljust(16, b"\0")
    if optname == TCP_USER_TIMEOUT:
        return sk.user_timeout
    if optname == TCP_NOTSENT_LOWAT:
        return sk.notsent_lowat
    if optname == TCP_INQ:
        return sk.inq_hint
    if optname == TCP_SAVE_SYN:
        return sk.save_syn
    if optname == TCP_SAVED_SYN:
        saved = sk.saved_syn
        sk.saved_syn = b""
        return saved
    if optname == TCP_FASTOPEN:
        return sk.fastopenq_max
    if optname == TCP_FASTOPEN_CONNECT:
        return sk.fastopen_connect
    if optname == TCP_FASTOPEN_NO_COOKIE:
        return sk.fastopen_no_cookie
    if optname == TCP_FASTOPEN_KEY:
        first, second = tcp_fastopen_keys(sk)
        return first + second
    if optname == TCP_THIN_LINEAR_TIMEOUTS:
        return int(sk.thin_lto)
    if optname in (TCP_THIN_DUPACK, TCP_REPAIR, TCP_TX_DELAY, TCP_IS_MPTCP):
        return 0
    if optname in (TCP_REPAIR_QUEUE, TCP_REPAIR_WINDOW, TCP_QUEUE_SEQ, TCP_ZEROCOPY_RECEIVE):
        raise linux_error(EINVAL)
    if optname == TCP_TIMESTAMP:
        v = (ts.clock(ts.ipv4.kernel.engine.now // 1000) + sk.tsoffset) & M32
        return v - (v >> 31 << 32)
    if optname in (TCP_CC_INFO, TCP_ULP):  # neither Reno nor CUBIC tells anything
        return b""
    if optname == TCP_RTO_MAX_MS:
        return sk.rto_max_ms
    if optname == TCP_RTO_MIN_US:
        return sk.rto_min * (1_000_000 // hz)
    raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")


def tcp_get_info(sk: TcpSock) -> bytes:
    """`struct tcp_info` as long as the release has it (6.18: to tcpi_rcv_wnd)."""
    o = sk.rx_opt
    tick_us = 1_000_000 // sk.ts.ipv4.kernel.hz
    ms = 1000 // sk.ts.ipv4.kernel.hz
    now = jiffies(sk)
    opts = (
        (TCPI_OPT_TIMESTAMPS if o.tstamp_ok else 0)
        | (TCPI_OPT_SACK if o.sack_ok else 0)
        | (TCPI_OPT_WSCALE if o.wscale_ok else 0)
        | (TCPI_OPT_ECN if sk.ecn_flags & TCP_ECN_MODE_ANY else 0)
        | (TCPI_OPT_ECN_SEEN if sk.ecn_flags & TCP_ECN_SEEN else 0)
        | (TCPI_OPT_SYN_DATA if sk.syn_data_acked else 0)
    )
    listen = sk.state == TCP_LISTEN
    rt = sk.dst
    pmtu = sk.pmtu_cookie
    if isinstance(rt, Rtable) and not pmtu:
        pmtu = ipv4_mtu(rt)
    unacked, sacked = sk.packets_out, sk.sacked_out
    if listen:
        unacked, sacked = sk.ack_backlog, sk.max_ack_backlog
    head = _INFO_HEAD.pack(
        sk.state,
        sk.ca_state,
        sk.retransmits & 255,
        sk.probes_out & 255,
        sk.backoff & 255,
        opts,
        (o.snd_wscale & 15 | (o.rcv_wscale & 15) << 4) if o.wscale_ok else 0,
        sk.fastopen_client_fail << 1,
        sk.rto * tick_us,
        sk.ato * tick_us,
        sk.mss_cache,
        sk.rcv_mss,
        unacked,
        sacked,
        sk.lost_out,
        sk.retrans_out,
        0,
        (max(now - sk.lsndtime, 0) * ms & M32),
        0,
        (max(now - sk.lrcvtime, 0) * ms & M32),
        (max(now - sk.rcv_tstamp, 0) * ms & M32),
        pmtu,
        sk.rcv_ssthresh,
        sk.srtt_us >> 3,
        sk.mdev_us >> 2,
        sk.snd_ssthresh & M32,
        sk.snd_cwnd,
        sk.advmss,
        sk.reordering,
        sk.rcv_rtt_us >> 3,
        sk.rcvq_space,
        sk.total_retrans,
    )
    notsent = (sk.write_seq - sk.snd_nxt) & M32
    chrono = [
        (n + (now - sk.chrono_start if i + 1 == sk.chrono_type else 0)) * tick_us for i, n in enumerate(sk.chrono_stat)
    ]
    tail = _INFO_TAIL.pack(
        sk.pacing_rate,
        sk.max_pacing_rate,
        sk.bytes_acked,
        sk.bytes_received,
        sk.segs_out,
        sk.segs_in,
        notsent if notsent < 1 << 31 else 0,
        sk.rtt_min_us & M32,
        sk.data_segs_in,
        sk.data_segs_out,
        0,
        sum(chrono),
        chrono[CHRONO_RWND_LIMITED - 1],
        chrono[CHRONO_SNDBUF_LIMITED - 1],
        sk.delivered,
        sk.delivered_ce,
        sk.bytes_sent,
        sk.bytes_retrans,
        sk.dsack_dups,
        sk.reord_seen,
        sk.rcv_ooopack,
        sk.snd_wnd & M32,
        sk.rcv_wnd & M32,
    )
    if sk.v.info_length <= len(head) + len(tail):
        return (head + tail)[: sk.v.info_length]
    rtos, recoveries, rto_ms, since = sk.rto_stats
    if since:
        rto_ms += sk.ts.ipv4.kernel.engine.now // 1_000_000 - since
    a = sk.accecn or AccEcn()
    _, d1, d0, dce = a.delivered_ecn_bytes
    _, r1, r0, rce = a.received_ecn_bytes
    late = _INFO_LATE.pack(
        sk.timeout_rehash, rtos & 0xFFFF, recoveries & 0xFFFF, rto_ms & M32, a.received_ce, d1, d0, dce, r1, r0, rce,
        a.accecn_fail_mode, a.saw_accecn_opt,
    )  # fmt: skip
    return head + tail + late
