"""What TCP shows: /proc/net/tcp, its sysctls.

Facts: net/ipv4/tcp_ipv4.c tcp4_seq_show, net/ipv4/sysctl_net_ipv4.c (6.1).
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EINVAL, ENOENT, linux_error
from rxpath.net.core.sock import TCP_LISTEN, TCP_SYN_RECV
from rxpath.net.ipv4.tcp.fastopen import key_text, parse_keys
from rxpath.net.ipv4.tcp.hashtables import established_in_order, listening_in_order
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import (
    ICSK_TIME_LOSS_PROBE,
    ICSK_TIME_PROBE0,
    ICSK_TIME_REO_TIMEOUT,
    ICSK_TIME_RETRANS,
    RequestSock,
    TcpSock,
    TcpState,
    TimewaitSock,
)

HEADER: Final = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    "                                                     "
)


def _addr(a: int, p: int) -> str:
    return "%08X:%04X" % (int.from_bytes(a.to_bytes(4, "big"), "little"), p)


def _clock(ts: TcpState, j: int) -> int:
    """jiffies_to_clock_t of what is left, never below 0."""
    left = max(j - ts.ipv4.kernel.jiffies(), 0)
    return left * 100 // ts.ipv4.kernel.hz


def get_tcp4_sock(ts: TcpState, sk: TcpSock, i: int) -> str:
    active, when = 0, 0
    if sk.icsk_pending in (ICSK_TIME_RETRANS, ICSK_TIME_LOSS_PROBE, ICSK_TIME_REO_TIMEOUT):
        active, when = 1, sk.icsk_timeout
    elif sk.icsk_pending == ICSK_TIME_PROBE0:
        active, when = 4, sk.icsk_timeout
    elif sk.keepalive_timer.queued:
        active, when = 2, sk.keepalive_timer.expires
    else:
        when = ts.ipv4.kernel.jiffies()
    rx = sk.ack_backlog if sk.state == TCP_LISTEN else max(((sk.rcv_nxt - sk.copied_seq) & M32), 0)
    if rx & 0x80000000:
        rx = 0
    hz = ts.ipv4.kernel.hz
    slow = -1 if sk.snd_ssthresh >= 0x7FFFFFFF else sk.snd_ssthresh
    ref = (
        1
        + (1 if sk.retransmit_timer.queued else 0)
        + (1 if sk.delack_timer.queued else 0)
        + (1 if sk.keepalive_timer.queued else 0)
    )
    return "%4d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x %d %d %d %d %d" % (
        i,
        _addr(sk.rcv_saddr, sk.sport or sk.num),
        _addr(sk.daddr, sk.dport),
        sk.state,
        (sk.write_seq - sk.snd_una) & M32,
        rx,
        active,
        _clock(ts, when),
        sk.retransmits,
        sk.uid,
        sk.probes_out,
        0 if sk.orphan or sk.listener is not None else sk.inode,
        ref,
        0,
        sk.rto * 100 // hz,
        sk.ato * 100 // hz,
        sk.ack_quick << 1 | int(sk.pingpong >= ts.tcp_pingpong_thresh),
        sk.snd_cwnd,
        0 if sk.state == TCP_LISTEN else slow,
    )


def get_openreq4(ts: TcpState, req: RequestSock, i: int) -> str:
    when = req.timer.expires if req.timer is not None else 0
    return "%4d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x" % (
        i,
        _addr(req.loc_addr, req.num),
        _addr(req.rmt_addr, req.rmt_port),
        TCP_SYN_RECV,
        0,
        0,
        1,
        _clock(ts, when),
        req.num_timeout,
        req.listener.uid,
        0,
        0,
        0,
        0,
    )


def get_timewait4_sock(ts: TcpState, tw: TimewaitSock, i: int) -> str:
    return "%4d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x" % (
        i,
        _addr(tw.loc_addr, tw.num),
        _addr(tw.rmt_addr, tw.rmt_port),
        tw.substate,
        0,
        0,
        3,
        _clock(ts, tw.timer.expires),
        0,
        0,
        0,
        0,
        3,
        0,
    )


def tcp4_text(ts: TcpState) -> str:
    """/proc/net/tcp: listeners, then the established table, both in the order of their buckets."""
    lines = [HEADER.rstrip().ljust(149)]
    i = 0
    for sk in listening_in_order(ts):
        lines.append(get_tcp4_sock(ts, sk, i).ljust(149))
        i += 1
    for s in established_in_order(ts):
        if isinstance(s, TcpSock):
            line = get_tcp4_sock(ts, s, i)
        elif isinstance(s, TimewaitSock):
            line = get_timewait4_sock(ts, s, i)
        else:
            line = get_openreq4(ts, s, i)
        lines.append(line.ljust(149))
        i += 1
    return "\n".join(lines) + "\n"


def tcp_proc_init(ts: TcpState) -> None:
    ts.ipv4.kernel.files.add("/proc/net/tcp", lambda: tcp4_text(ts), None, 0o444)


class _Int:
    """One plain integer sysctl bound to an attribute of TcpState; `scale` > 1: the file is in seconds (or
    ms), the value in jiffies.
    """

    __slots__ = ("ts", "attr", "num", "den")

    def __init__(self, ts: TcpState, attr: str, num: int = 1, den: int = 1) -> None:
        self.ts = ts
        self.attr = attr
        self.num = num
        self.den = den

    def get(self) -> int:
        return int(getattr(self.ts, self.attr)) * self.den // self.num

    def put(self, v: int) -> None:
        setattr(self.ts, self.attr, (v * self.num + self.den - 1) // self.den)


INTS: Final[tuple[tuple[str, int, int], ...]] = (
    ("tcp_syncookies", 0, 255),
    ("tcp_timestamps", 0, 255),
    ("tcp_window_scaling", 0, 255),
    ("tcp_sack", 0, 255),
    ("tcp_dsack", 0, 255),
    ("tcp_ecn", 0, 2),
    ("tcp_ecn_fallback", 0, 1),
    ("tcp_ecn_option", 0, 2),
    ("tcp_ecn_option_beacon", 0, 3),
    ("tcp_retries1", 0, 255),
    ("tcp_retries2", 0, 255),
    ("tcp_syn_retries", 1, 127),
    ("tcp_synack_retries", 0, 255),
    ("tcp_keepalive_probes", 0, 255),
    ("tcp_abort_on_overflow", 0, 255),
    ("tcp_rfc1337", 0, 255),
    ("tcp_stdurg", 0, 255),
    ("tcp_max_syn_backlog", 0, 2147483647),
    ("tcp_adv_win_scale", -31, 31),
    ("tcp_app_win", 0, 31),
    ("tcp_moderate_rcvbuf", 0, 255),
    ("tcp_shrink_window", 0, 1),
    ("tcp_challenge_ack_limit", 0, 2147483647),
    ("tcp_comp_sack_delay_ns", 0, 2147483647),
    ("tcp_comp_sack_slack_ns", 0, 2147483647),
    ("tcp_comp_sack_nr", 0, 255),
    ("tcp_tw_reuse", 0, 2),
    ("tcp_tw_reuse_delay", 1, 60000),
    ("tcp_max_tw_buckets", 0, 2147483647),
    ("tcp_max_orphans", 0, 2147483647),
    ("tcp_orphan_retries", 0, 255),
    ("tcp_reordering", 0, 2147483647),
    ("tcp_max_reordering", 0, 2147483647),
    ("tcp_recovery", 0, 255),
    ("tcp_early_retrans", 0, 4),
    ("tcp_slow_start_after_idle", 0, 255),
    ("tcp_base_mss", 0, 2147483647),
    ("tcp_min_snd_mss", 48, 65535),
    ("tcp_mtu_probing", 0, 255),
    ("tcp_mtu_probe_floor", 48, 65535),
    ("tcp_probe_interval", 0, 2147483647),
    ("tcp_probe_threshold", -2147483648, 2147483647),
    ("tcp_no_metrics_save", 0, 255),
    ("tcp_low_latency", 0, 2147483647),
    ("tcp_workaround_signed_windows", 0, 255),
    ("tcp_retrans_collapse", 0, 255),
    ("tcp_frto", 0, 255),
    ("tcp_limit_output_bytes", 0, 2147483647),
    ("tcp_autocorking", 0, 255),
    ("tcp_fastopen", 0, 2147483647),
    ("tcp_thin_linear_timeouts", 0, 255),
    ("tcp_fwmark_accept", 0, 255),
    ("tcp_migrate_req", 0, 1),
    ("tcp_min_tso_segs", 0, 255),
    ("tcp_tso_win_divisor", 0, 255),
    ("tcp_reflect_tos", 0, 1),
    ("tcp_backlog_ack_defer", 0, 1),
    ("tcp_pacing_ss_ratio", 0, 1000),
    ("tcp_pacing_ca_ratio", 0, 1000),
    ("tcp_fack", 0, 255),
    ("tcp_fastopen_blackhole_timeout_sec", 0, 2147483647),
    ("tcp_syn_linear_timeouts", 0, 127),
    ("tcp_rto_max_ms", 1000, 120000),
    ("tcp_rto_min_us", 1, 2147483647),
    ("tcp_pingpong_thresh", 0, 255),
)


def tcp_sysctl_init(ts: TcpState) -> None:
    ipv4 = ts.ipv4
    t = ipv4.kernel.sysctl
    hz = ipv4.kernel.hz
    for name, lo, hi in INTS:
        b = _Int(ts, name)
        t.int_value("net.ipv4." + name, b.get, b.put, lo, hi)
    for name in ("tcp_fin_timeout", "tcp_keepalive_time", "tcp_keepalive_intvl"):
        b = _Int(ts, name, hz)
        t.int_value("net.ipv4." + name, b.get, b.put)
    b = _Int(ts, "tcp_invalid_ratelimit", hz, 1000)
    t.int_value("net.ipv4.tcp_invalid_ratelimit", b.get, b.put)
    b = _Int(ts, "tcp_notsent_lowat")
    t.int_value("net.ipv4.tcp_notsent_lowat", b.get, b.put, 0, 4294967295)

    def put_mem(v: list[int]) -> None:
        ipv4.tcp_prot.mem[:] = v

    def put_rmem(v: list[int]) -> None:
        ts.tcp_rmem = v
        ipv4.tcp_prot.rmem_min = v[0]

    def put_wmem(v: list[int]) -> None:
        ts.tcp_wmem = v
        ipv4.tcp_prot.wmem_min = v[0]

    t.vector("net.ipv4.tcp_mem", lambda: list(ipv4.tcp_prot.mem), put_mem, 0)
    t.vector("net.ipv4.tcp_rmem", lambda: list(ts.tcp_rmem), put_rmem, 1)
    t.vector("net.ipv4.tcp_wmem", lambda: list(ts.tcp_wmem), put_wmem, 1)

    def put_key(text: str) -> None:
        ts.tcp_fastopen_key, ts.tcp_fastopen_key2 = parse_keys(text)

    t.register("net.ipv4.tcp_fastopen_key", lambda: key_text(ts.tcp_fastopen_key, ts.tcp_fastopen_key2), put_key)

    def put_cc(text: str) -> None:
        name = text.strip()
        ops = ts.ca_ops.get(name)
        if ops is None:
            raise linux_error(ENOENT, name) if name else linux_error(EINVAL)
        ts.default_ca = ops
        ts.tcp_congestion_control = name

    t.register("net.ipv4.tcp_congestion_control", lambda: ts.default_ca.name, put_cc)
    t.register("net.ipv4.tcp_available_congestion_control", lambda: "reno cubic", None)
