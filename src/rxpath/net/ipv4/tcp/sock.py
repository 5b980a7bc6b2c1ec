"""The TCP socket and its relatives: request socket, TIME_WAIT socket, control blocks, the tables and sysctl values
of a namespace.

Structures only; what happens to them is in the other rooms.
Facts: include/linux/tcp.h, include/net/tcp.h, include/net/inet_connection_sock.h (6.1).
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import EINVAL, EOPNOTSUPP, linux_error
from rxpath.kernel.sched import Task
from rxpath.kernel.timer import HrTimer, TimerList
from rxpath.net.core.netdevice import Net
from rxpath.net.core.skbuff import SkBuff, slab_truesize
from rxpath.net.core.sock import (
    SOCK_STREAM,
    SOF_TIMESTAMPING_OPT_ID_TCP,
    SOL_TCP,
    TCP_CLOSE,
    TCP_LISTEN,
    TCP_NEW_SYN_RECV,
    TCP_TIME_WAIT,
    Msg,
    Proto,
    count_tokens,
)
from rxpath.net.core.sock import __wake_up as wake_up
from rxpath.net.ipv4.inet_sock import Address, Cmsg, InetSock
from rxpath.net.ipv4.netns import Ipv4
from rxpath.net.ipv4.tcp.cong import CubicOps, RenoOps
from rxpath.net.ipv4.tcp.rbtree import RbNode, RbTree
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.variants import VARIANTS, TcpVariant
from rxpath.wire.checksum import csum_tcpudp_nofold

if TYPE_CHECKING:
    from rxpath.net.core.timestamping import TxStamp
    from rxpath.net.ipv4.ip_options import IpOptions
    from rxpath.net.ipv4.route import Rtable
    from rxpath.net.ipv4.tcp.accecn import AccEcn
    from rxpath.net.ipv4.tcp.cong import CongOps
    from rxpath.net.ipv4.tcp.fastopen import FastOpenRequest
    from rxpath.net.ipv4.tcp.ipv4 import TcpHandlers
    from rxpath.net.ipv4.tcp.notify import SendNotice

_ADDRS: Final = Struct(">II")
MSG_FASTOPEN: Final = 0x20000000
MSG_ZEROCOPY: Final = 0x4000000
TCP_MSS_DEFAULT: Final = 536
TCP_MIN_MSS: Final = 88
TCP_INIT_CWND: Final = 10
# what the system calls know of a socket (socket_state)
SS_UNCONNECTED: Final = 1
SS_CONNECTING: Final = 2
SS_CONNECTED: Final = 3
SS_DISCONNECTING: Final = 4
TCP_INFINITE_SSTHRESH: Final = 0x7FFFFFFF
MAX_TCP_WINDOW: Final = 32767
TCP_MAX_QUICKACKS: Final = 16
TCP_NUM_SACKS: Final = 4
TCP_MAX_WSCALE: Final = 14

ICSK_TIME_RETRANS: Final = 1
ICSK_TIME_PROBE0: Final = 3
ICSK_TIME_LOSS_PROBE: Final = 5
ICSK_TIME_REO_TIMEOUT: Final = 6

SK_PACING_NONE: Final = 0
SK_PACING_NEEDED: Final = 1
SK_PACING_FQ: Final = 2
ICSK_ACK_SCHED: Final = 1
ICSK_ACK_TIMER: Final = 2
ICSK_ACK_PUSHED: Final = 4
ICSK_ACK_PUSHED2: Final = 8
ICSK_ACK_NOW: Final = 16
ICSK_ACK_NOMEM: Final = 32

TCP_NAGLE_OFF: Final = 1
TCP_NAGLE_CORK: Final = 2
TCP_NAGLE_PUSH: Final = 4

TCP_CA_Open: Final = 0
TCP_CA_Disorder: Final = 1
TCP_CA_CWR: Final = 2
TCP_CA_Recovery: Final = 3
TCP_CA_Loss: Final = 4

TCP_ECN_MODE_RFC3168: Final = 1
TCP_ECN_QUEUE_CWR: Final = 2
TCP_ECN_DEMAND_CWR: Final = 4
TCP_ECN_SEEN: Final = 8
TCP_ECN_MODE_ACCECN: Final = 16
TCP_ECN_MODE_ANY: Final = TCP_ECN_MODE_RFC3168 | TCP_ECN_MODE_ACCECN

TCP_URG_VALID: Final = 0x0100
TCP_URG_NOTYET: Final = 0x0200
TCP_URG_READ: Final = 0x0400

SACKED_ACKED: Final = 1
SACKED_RETRANS: Final = 2
LOST: Final = 4
EVER_RETRANS: Final = 0x80
TAGBITS: Final = 7

# what waits for the owner of a locked socket (sk_tsq_flags)
TCPF_TSQ_DEFERRED: Final = 1
TCPF_WRITE_TIMER_DEFERRED: Final = 2
TCPF_DELACK_TIMER_DEFERRED: Final = 4
TCPF_MTU_REDUCED_DEFERRED: Final = 8
TCPF_ACK_DEFERRED: Final = 16


class TcpCb:
    """TCP_SKB_CB of a received segment, with the header's fields: sequence numbers u32, lengths in bytes.

    `word`: bytes 12 to 15 of the header, as header prediction compares them.
    """

    __slots__ = (
        "seq",
        "end_seq",
        "ack_seq",
        "flags",
        "doff",
        "window",
        "urg_ptr",
        "word",
        "saddr",
        "daddr",
        "sport",
        "dport",
        "th",
        "dsfield",
        "ip_opt",
        "tw_isn",
        "ttl",
        "ip_flags",
        "collapsed",
        "rbnode",
    )

    def __init__(self) -> None:
        self.seq = 0
        self.end_seq = 0
        self.ack_seq = 0
        self.flags = 0
        self.doff = 0
        self.window = 0
        self.urg_ptr = 0
        self.word = 0
        self.saddr = 0
        self.daddr = 0
        self.sport = 0
        self.dport = 0
        self.th = 0
        self.dsfield = 0
        self.ttl = 0
        self.ip_flags = 0
        self.rbnode: RbNode | None = None  # its place in the tree of the out-of-order queue
        self.collapsed = False  # made by tcp_collapse: no room is left in front of its data
        self.ip_opt: IpOptions | None = None
        self.tw_isn = 0


def tcb(skb: SkBuff) -> TcpCb:
    """The control block (tcp_v4_fill_cb made it)."""
    c = skb.cb
    assert isinstance(c, TcpCb)
    return c


class TxSkb:
    """An element of the write or retransmission queue: data not yet acknowledged.  `tx_us`: when last sent; `pcount`:
    segments that it is (0: not known yet), of `gso_size` bytes when more than one.
    """

    __slots__ = (
        "seq",
        "end_seq",
        "data",
        "flags",
        "sacked",
        "tx_us",
        "first_tx_us",
        "delivered",
        "delivered_us",
        "truesize",
        "retrans",
        "in_flight",
        "eor",
        "app_limited",
        "pcount",
        "gso_size",
        "txstamp",
        "looped",
    )

    def __init__(self, seq: int, data: bytes, flags: int) -> None:
        self.looped: list[int] | None = None  # dataref of its clone that went to the machine itself
        self.pcount = 0
        self.gso_size = 0
        self.seq = seq
        self.data = data
        self.end_seq = (seq + len(data) + (1 if flags & 3 else 0)) & M32
        self.flags = flags
        self.sacked = 0
        self.tx_us = 0
        self.first_tx_us = 0
        self.delivered = 0
        self.delivered_us = 0
        self.truesize = len(data) + 1280
        self.retrans = 0
        self.in_flight = 0
        self.eor = False
        self.app_limited = False
        self.txstamp: TxStamp | None = None


class RxOpt:
    """`struct tcp_options_received`."""

    __slots__ = (
        "ts_recent",
        "ts_recent_stamp",
        "rcv_tsval",
        "rcv_tsecr",
        "saw_tstamp",
        "tstamp_ok",
        "dsack",
        "wscale_ok",
        "sack_ok",
        "snd_wscale",
        "rcv_wscale",
        "user_mss",
        "mss_clamp",
        "sacks",
        "saw_unknown",
        "accecn",
    )

    def __init__(self) -> None:
        self.accecn = 0  # where the AccECN option stands in the TCP header; 0: none
        self.ts_recent = 0
        self.ts_recent_stamp = 0
        self.rcv_tsval = 0
        self.rcv_tsecr = 0
        self.saw_tstamp = False
        self.tstamp_ok = False
        self.dsack = False
        self.wscale_ok = False
        self.sack_ok = False
        self.snd_wscale = 0
        self.rcv_wscale = 0
        self.user_mss = 0
        self.mss_clamp = 0
        self.sacks: list[tuple[int, int]] = []
        self.saw_unknown = False


class ConnHint:
    """The captured host's side of a connection, for the stack to answer as it did: its initial sequence number, its
    time stamp with the first segment (-1: none seen), and what it refused of the peer's options.
    """

    __slots__ = ("isn", "tsval", "no_tstamp", "no_sack", "no_wscale")

    def __init__(self, isn: int, tsval: int = -1) -> None:
        self.isn = isn
        self.tsval = tsval
        self.no_tstamp = False
        self.no_sack = False
        self.no_wscale = False


class RequestSock:
    """`struct tcp_request_sock`: a connection between SYN and third ACK."""

    __slots__ = (
        "ipv4",
        "listener",
        "loc_addr",
        "rmt_addr",
        "num",
        "rmt_port",
        "iif",
        "rcv_isn",
        "snt_isn",
        "rcv_nxt",
        "mss",
        "ts_recent",
        "snd_wscale",
        "rcv_wscale",
        "tstamp_ok",
        "sack_ok",
        "wscale_ok",
        "ecn_ok",
        "acked",
        "num_retrans",
        "num_timeout",
        "timeout",
        "timer",
        "rsk_rcv_wnd",
        "rsk_window_clamp",
        "snt_synack_us",
        "last_oow_ack_time",
        "ts_off",
        "opt",
        "tos",
        "hashed",
        "young",
        "mark",
        "cookie_ts",
        "txhash",
        "snt_tsval_first",
        "snt_tsval_last",
        "state",
        "dst",
        "saved_syn",
        "fastopen",
    )

    def __init__(self, ipv4: Ipv4, listener: TcpSock) -> None:
        self.ipv4 = ipv4
        self.listener = listener
        self.state = TCP_NEW_SYN_RECV
        self.loc_addr = 0
        self.rmt_addr = 0
        self.num = 0
        self.rmt_port = 0
        self.iif = 0
        self.rcv_isn = 0
        self.snt_isn = 0
        self.rcv_nxt = 0
        self.mss = 0
        self.ts_recent = 0
        self.snd_wscale = 0
        self.rcv_wscale = 0
        self.tstamp_ok = False
        self.sack_ok = False
        self.wscale_ok = False
        self.ecn_ok = False
        self.acked = False
        self.num_retrans = 0
        self.num_timeout = 0
        self.timeout = 0
        self.timer: TimerList | None = None
        self.rsk_rcv_wnd = 0
        self.rsk_window_clamp = 0
        self.snt_synack_us = 0
        self.last_oow_ack_time = 0
        self.ts_off = 0
        self.opt: IpOptions | None = None
        self.tos = 0
        self.hashed = False
        self.young = False
        self.mark = 0
        self.cookie_ts = False
        self.txhash = 0
        self.snt_tsval_first = 0
        self.snt_tsval_last = 0
        self.dst: Rtable | None = None
        self.saved_syn = b""
        self.fastopen = False

    def timer_due(self) -> None:
        tcp_state_of(self.ipv4).handlers.reqsk_timer(self)


class TimewaitSock:
    """`struct tcp_timewait_sock`: what is left of a connection; `substate` FIN_WAIT2 or TIME_WAIT."""

    __slots__ = (
        "ipv4",
        "state",
        "substate",
        "loc_addr",
        "rmt_addr",
        "num",
        "rmt_port",
        "bound_dev_if",
        "rcv_nxt",
        "snd_nxt",
        "rcv_wnd",
        "rcv_wscale",
        "ts_recent",
        "ts_recent_stamp",
        "ts_offset",
        "last_oow_ack_time",
        "timer",
        "tos",
        "reuse",
        "mark",
        "timeout",
        "transparent",
        "ts_recent_stamp_s",
        "entry_stamp",
        "reuseport",
        "uid",
        "inode",
        "connect_bind",
    )

    def __init__(self, ipv4: Ipv4) -> None:
        self.ipv4 = ipv4
        self.state = TCP_TIME_WAIT
        self.substate = TCP_TIME_WAIT
        self.loc_addr = 0
        self.rmt_addr = 0
        self.num = 0
        self.rmt_port = 0
        self.bound_dev_if = 0
        self.rcv_nxt = 0
        self.snd_nxt = 0
        self.rcv_wnd = 0
        self.rcv_wscale = 0
        self.ts_recent = 0
        self.ts_recent_stamp = 0
        self.entry_stamp = 0  # ms
        self.ts_offset = 0
        self.last_oow_ack_time = 0
        self.tos = 0
        self.reuse = 0
        self.reuseport = 0
        self.connect_bind = False
        self.mark = 0
        self.timeout = 0
        self.timer = TimerList(ipv4.kernel, self.timer_due)

    def timer_due(self) -> None:
        tcp_state_of(self.ipv4).handlers.tw_timer(self)


class TcpSock(InetSock):
    """`struct tcp_sock` with inet_connection_sock.  Times ending in _us in microseconds of the engine,
    jiffies else.
    """

    __slots__ = (
        "ts",
        "v",
        "backlog_limit",
        "accept_queue",
        "ack_backlog",
        "max_ack_backlog",
        "req_count",
        "req_young",
        "defer_accept",
        "syn_overflow",
        "syn_flood_warned",
        "orphan",
        "listener",
        "hashed_key",
        "bind_hashed",
        "connect_bind",
        "listen_hashed",
        "header_len",
        "pred_flags",
        "rcv_nxt",
        "copied_seq",
        "rcv_wup",
        "snd_nxt",
        "segs_in",
        "segs_out",
        "data_segs_in",
        "data_segs_out",
        "bytes_received",
        "bytes_acked",
        "bytes_sent",
        "bytes_retrans",
        "dsack_dups",
        "snd_una",
        "snd_sml",
        "rcv_tstamp",
        "lsndtime",
        "last_oow_ack_time",
        "snd_wl1",
        "snd_wnd",
        "max_window",
        "mss_cache",
        "window_clamp",
        "rcv_ssthresh",
        "scaling_ratio",
        "advmss",
        "ecn_flags",
        "prev_ecnfield",
        "accecn",
        "nonagle",
        "repair",
        "frto",
        "mstamp_us",
        "srtt_us",
        "mdev_us",
        "mdev_max_us",
        "rttvar_us",
        "rtt_seq",
        "rtt_min_us",
        "rtt_min_stamp",
        "packets_out",
        "retrans_out",
        "sacked_out",
        "lost_out",
        "max_packets_out",
        "cwnd_usage_seq",
        "is_cwnd_limited",
        "urg_data",
        "urg_seq",
        "snd_up",
        "keepalive_probes",
        "keepalive_time",
        "keepalive_intvl",
        "rx_opt",
        "snd_ssthresh",
        "snd_cwnd",
        "snd_cwnd_cnt",
        "snd_cwnd_clamp",
        "snd_cwnd_used",
        "snd_cwnd_stamp",
        "prior_cwnd",
        "prr_delivered",
        "prr_out",
        "delivered",
        "delivered_us",
        "delivered_ce",
        "lost",
        "first_tx_us",
        "rcv_wnd",
        "write_seq",
        "pushed_seq",
        "lost_cnt_hint",
        "ofo",
        "ofo_root",
        "duplicate_sack",
        "selective_acks",
        "prior_ssthresh",
        "high_seq",
        "retrans_stamp",
        "undo_marker",
        "synack_stamp",
        "sock_done",
        "save_syn",
        "ss_state",
        "saved_syn",
        "tx_overhead",
        "gso_segs",
        "nospace",
        "wstamp_ns",
        "clock_cache",
        "pacing_status",
        "pacing_timer",
        "highest_sack",
        "recv_sack_cache",
        "sack_reneg",
        "rack_last_delivered",
        "rack_persist",
        "undo_retrans",
        "undone",
        "total_retrans",
        "linger2",
        "syn_retries",
        "user_timeout",
        "rcv_rtt_us",
        "rcv_rtt_seq",
        "rcv_rtt_time",
        "rcv_rtt_last_tsecr",
        "rcvq_space",
        "rcvq_seq",
        "rcvq_time",
        "tsoffset",
        "compressed_ack",
        "compressed_ack_rcv_nxt",
        "dup_ack_counter",
        "rack_us",
        "rack_rtt_us",
        "rack_end_seq",
        "rack_dsack",
        "rack_reo_steps",
        "rack_advanced",
        "reord_seen",
        "reordering",
        "tlp_high_seq",
        "tlp_retrans",
        "rto",
        "rto_min",
        "rto_max_ms",
        "delack_max",
        "icsk_pending",
        "icsk_timeout",
        "retransmits",
        "backoff",
        "probes_out",
        "probes_tstamp",
        "ca_state",
        "ca_ops",
        "ca",
        "ack_pending",
        "ack_quick",
        "pingpong",
        "ato",
        "ack_timeout",
        "lrcvtime",
        "last_seg_size",
        "rcv_mss",
        "pmtu_cookie",
        "ext_hdr_len",
        "mtup_enabled",
        "mtup_high",
        "mtup_low",
        "mtup_probe_size",
        "mtup_timestamp",
        "mtup_seq_start",
        "mtup_seq_end",
        "write_queue",
        "rtx_queue",
        "retransmit_timer",
        "delack_timer",
        "keepalive_timer",
        "compressed_timer",
        "tsq_flags",
        "mtu_info",
        "tw_bits",
        "tcp_header_len_extra",
        "rcv_ooopack",
        "isn_override",
        "unsent_acks",
        "rcv_wnd_max",
        "quickack_opt",
        "last_ack_sent_us",
        "tso_segs_out",
        "notsent_lowat",
        "save_syn",
        "saved_syn",
        "urg_byte",
        "prequeue",
        "prequeue_mem",
        "ucopy_task",
        "ucopy_iov",
        "ucopy_len",
        "ack_blocked",
        "listen_no",
        "listen_end",
        "timeout_rehash",
        "reqsk_timeout_base",
        "thin_lto",
        "snd_wscale_sent",
        "inq_hint",
        "fastopen_qlen",
        "peer_rst_err",
        "syn_data",
        "fastopen_rsk",
        "fastopen_req",
        "syn_fastopen",
        "syn_fastopen_exp",
        "syn_data_acked",
        "fastopen_connect",
        "fastopen_no_cookie",
        "fastopen_client_fail",
        "fastopen_defer",
        "fastopenq_max",
        "fastopenq_rst",
        "fastopen_keys",
        "notices",
        "chrono_type",
        "chrono_start",
        "chrono_stat",
        "zckey",
        "total_rto",
        "rto_stats",
        "sk_txhash",
    )

    def __init__(self, net: Net, prot: Proto, ipv4_protocol: int = 6) -> None:
        super().__init__(net, SOCK_STREAM, ipv4_protocol, prot)
        ts = tcp_state_of(self.ipv4)
        k = net.kernel
        self.ts = ts
        self.v = ts.v
        self.rcvbuf = ts.tcp_rmem[1]
        self.sndbuf = ts.tcp_wmem[1]
        self.tx_overhead = ts.tx_overhead
        # listener
        self.backlog_limit = 0
        self.accept_queue: deque[TcpSock] = deque()
        self.ack_backlog = 0
        self.max_ack_backlog = 0
        self.req_count = 0
        self.req_young = 0
        self.defer_accept = 0
        self.syn_overflow = -(1 << 40)
        self.syn_flood_warned = False
        self.orphan = False  # SOCK_DEAD: no program holds it
        self.listener: TcpSock | None = None  # set while it waits in an accept queue
        self.hashed_key: tuple[int, int, int, int] | None = None
        self.bind_hashed = False
        self.connect_bind = False  # SOCK_CONNECT_BIND: connect() chose the port
        self.listen_hashed = False
        self.header_len = 20
        self.pred_flags = 0
        self.rcv_nxt = 0
        self.copied_seq = 0
        self.rcv_wup = 0
        self.snd_nxt = 0
        self.segs_in = 0
        self.segs_out = 0
        self.data_segs_in = 0
        self.data_segs_out = 0
        self.bytes_received = 0
        self.bytes_acked = 0
        self.bytes_sent = 0
        self.bytes_retrans = 0
        self.dsack_dups = 0
        self.snd_una = 0
        self.snd_sml = 0
        self.rcv_tstamp = 0
        self.lsndtime = 0
        self.last_oow_ack_time = 0
        self.snd_wl1 = 0
        self.snd_wnd = 0
        self.max_window = 0
        self.mss_cache = TCP_MSS_DEFAULT
        self.window_clamp = 0
        self.rcv_ssthresh = 0
        self.scaling_ratio = 128
        self.advmss = TCP_MSS_DEFAULT
        self.ecn_flags = 0
        self.prev_ecnfield = 0
        self.accecn: AccEcn | None = None
        self.nonagle = 0
        self.repair = False
        self.frto = False
        self.mstamp_us = 0
        self.srtt_us = 0
        self.mdev_us = 1_000_000
        self.mdev_max_us = 0
        self.rttvar_us = 0
        self.rtt_seq = 0
        self.rtt_min_us = M32
        self.rtt_min_stamp = 0
        self.packets_out = 0
        self.retrans_out = 0
        self.sacked_out = 0
        self.lost_out = 0
        self.max_packets_out = 0
        self.cwnd_usage_seq = 0
        self.is_cwnd_limited = False
        self.urg_data = 0
        self.urg_seq = 0
        self.snd_up = 0
        self.keepalive_probes = 0
        self.keepalive_time = 0
        self.keepalive_intvl = 0
        self.rx_opt = RxOpt()
        self.snd_ssthresh = TCP_INFINITE_SSTHRESH
        self.snd_cwnd = TCP_INIT_CWND
        self.snd_cwnd_cnt = 0
        self.snd_cwnd_clamp = M32
        self.snd_cwnd_used = 0
        self.snd_cwnd_stamp = 0
        self.prior_cwnd = 0
        self.prr_delivered = 0
        self.prr_out = 0
        self.delivered = 0
        self.delivered_us = 0
        self.delivered_ce = 0
        self.lost = 0
        self.first_tx_us = 0
        self.rcv_wnd = 0
        self.write_seq = 0
        self.pushed_seq = 0
        self.lost_cnt_hint = 0
        self.ofo: list[SkBuff] = []  # out-of-order queue in sequence order
        self.ofo_root = RbTree()  # the same segments as Linux finds them
        self.duplicate_sack: list[tuple[int, int]] = []
        self.selective_acks: list[tuple[int, int]] = []
        self.prior_ssthresh = 0
        self.high_seq = 0
        self.retrans_stamp = 0
        self.undo_marker = 0
        self.synack_stamp = 0
        self.gso_segs = 0
        self.nospace = False
        self.wstamp_ns = 0  # the earliest departure of what is sent next
        self.clock_cache = 0  # ns, of tcp_mstamp_refresh
        self.pacing_status = SK_PACING_NONE
        self.pacing_timer = HrTimer(k, self.on_pacing_timer)
        self.highest_sack: TxSkb | None = None
        self.recv_sack_cache: list[tuple[int, int]] = [(0, 0)] * 4
        self.sack_reneg = False
        self.rack_last_delivered = 0
        self.rack_persist = 0
        self.sock_done = False
        self.save_syn = 0
        self.ss_state = SS_UNCONNECTED
        self.saved_syn = b""
        self.undo_retrans = 0
        self.undone = False
        self.total_retrans = 0
        self.linger2 = 0
        self.syn_retries = 0
        self.user_timeout = 0
        self.rcv_rtt_us = 0
        self.rcv_rtt_seq = 0
        self.rcv_rtt_time = 0
        self.rcv_rtt_last_tsecr = 0
        self.rcvq_space = 0
        self.rcvq_seq = 0
        self.rcvq_time = 0
        self.tsoffset = 0
        self.compressed_ack = 0
        self.compressed_ack_rcv_nxt = 0
        self.dup_ack_counter = 0
        self.rack_us = 0
        self.rack_rtt_us = 0
        self.rack_end_seq = 0
        self.rack_dsack = False
        self.rack_reo_steps = 1
        self.rack_advanced = False
        self.reord_seen = 0
        self.reordering = ts.tcp_reordering
        self.tlp_high_seq = 0
        self.tlp_retrans = False
        self.rto = k.hz
        self.rto_max_ms = ts.tcp_rto_max_ms
        self.rto_min = max(k.usecs_to_jiffies(ts.tcp_rto_min_us), 1)
        self.delack_max = max(k.hz // 5, 1)
        self.icsk_pending = 0
        self.icsk_timeout = 0
        self.retransmits = 0
        self.backoff = 0
        self.probes_out = 0
        self.probes_tstamp = 0
        self.ca_state = TCP_CA_Open
        self.ca_ops: CongOps = ts.default_ca
        self.ca: object = None
        self.ack_pending = 0
        self.ack_quick = 0
        self.pingpong = 0
        self.ato = 0
        self.ack_timeout = 0
        self.lrcvtime = 0
        self.last_seg_size = 0
        self.rcv_mss = 0
        self.pmtu_cookie = 0
        self.ext_hdr_len = 0
        # icsk_mtup and mtu_probe: MTUs between which the path is, of the probe that is out, and its sequence numbers
        self.mtup_enabled = False
        self.mtup_high = 0
        self.mtup_low = 0
        self.mtup_probe_size = 0
        self.mtup_timestamp = 0
        self.mtup_seq_start = 0
        self.mtup_seq_end = 0
        self.write_queue: deque[TxSkb] = deque()
        self.rtx_queue: deque[TxSkb] = deque()
        self.retransmit_timer = TimerList(k, self.on_write_timer)
        self.delack_timer = TimerList(k, self.on_delack_timer)
        self.keepalive_timer = TimerList(k, self.on_keepalive_timer)
        self.compressed_timer = HrTimer(k, self.on_compressed_timer)
        self.tsq_flags = 0
        self.mtu_info = 0
        self.tw_bits = 0
        self.tcp_header_len_extra = 0
        self.rcv_ooopack = 0
        self.isn_override = -1
        self.unsent_acks = 0
        self.rcv_wnd_max = 0
        self.quickack_opt = 0
        self.last_ack_sent_us = 0
        self.tso_segs_out = 0
        self.notsent_lowat = 0
        self.save_syn = 0
        self.saved_syn = b""
        self.urg_byte = 0
        self.prequeue: deque[SkBuff] = deque()
        self.prequeue_mem = 0
        self.ucopy_task: Task | None = None  # the reader that the prequeue is for
        self.ucopy_iov: list[bytes] = []
        self.ucopy_len = 0
        self.ack_blocked = False  # the timer of delayed ACKs found the socket owned
        self.listen_no = 0  # how many listened before
        self.listen_end = 0  # listen_count of the machine when it stopped listening
        self.timeout_rehash = 0
        self.reqsk_timeout_base = k.hz
        self.thin_lto = False
        self.snd_wscale_sent = 0
        self.inq_hint = 0
        self.fastopen_qlen = 0
        self.peer_rst_err = 0
        self.syn_data = False
        self.fastopen_rsk: RequestSock | None = None
        self.fastopen_req: FastOpenRequest | None = None
        self.syn_fastopen = False
        self.syn_fastopen_exp = False
        self.syn_data_acked = False
        self.fastopen_connect = 0
        self.fastopen_no_cookie = 0
        self.fastopen_client_fail = 0
        self.fastopen_defer = False  # DEFER_CONNECT: connected in name, the SYN goes with the first write
        self.fastopenq_max = 0
        self.fastopenq_rst: list[int] = []
        self.fastopen_keys: tuple[bytes, bytes] = (b"", b"")
        self.notices: list[SendNotice] = []  # sends that the error queue will tell about
        self.chrono_type = 0  # what it waits for: 1 busy, 2 the peer's window, 3 send buffer
        self.chrono_start = 0
        self.chrono_stat = [0, 0, 0]
        self.zckey = 0
        self.total_rto = 0
        # of TCP_INFO (6.7): timeouts, recoveries that they began, their time in ms, when the current one began
        self.rto_stats = [0, 0, 0, 0]
        self.sk_txhash = 0

    # --- what needs the rooms above: reached through the handlers that registration put there --------------------
    def on_write_timer(self) -> None:
        self.ts.handlers.write_timer(self)

    def on_delack_timer(self) -> None:
        self.ts.handlers.delack_timer(self)

    def on_keepalive_timer(self) -> None:
        self.ts.handlers.keepalive_timer(self)

    def on_compressed_timer(self) -> None:
        self.ts.handlers.compressed_timer(self)

    def on_pacing_timer(self) -> None:
        self.ts.handlers.pacing_timer(self)

    def wmem_free(self, truesize: int) -> None:
        self.wmem_alloc -= truesize

    def bh_unlock(self) -> None:
        """bh_unlock_sock.  What other CPUs wanted meanwhile, and would have spun for, is done first."""
        from rxpath.net.ipv4.tcp.ipv4 import tcp_v4_do_rcv
        from rxpath.net.ipv4.tcp.prequeue import tcp_prequeue
        from rxpath.net.ipv4.tcp.tcp import tcp_release_cb

        while self.bh_spinning or self.tsq_flags:
            if self.bh_spinning:
                skb = self.bh_spinning.popleft()
                if not (self.v.prequeue and tcp_prequeue(self, skb)):
                    tcp_v4_do_rcv(self, skb)
            else:
                tcp_release_cb(self)
        self.bh_locked = False
        wq = self.lock_wq
        if wq is not None and wq.entries:
            wake_up(wq, 1, 0)

    def rcv_clock(self) -> int:
        """The receiver's measurements are in us, in 3.13 in jiffies (here in us all the same)."""
        if self.v.stamps_in_jiffies:
            return self.mstamp_us // self.ts.stamp_us * self.ts.stamp_us
        return self.mstamp_us

    def backlog_rcv(self, skb: SkBuff) -> int:
        return self.ts.handlers.backlog_rcv(self, skb)

    def get_port(self, snum: int) -> bool:
        return self.ts.handlers.get_port(self, snum)

    def hash(self) -> None:
        self.ts.handlers.hash(self)

    def unhash(self) -> None:
        self.ts.handlers.unhash(self)

    def connect(self, addr: int, port: int, flags: int) -> None:
        self.ts.handlers.connect(self, addr, port, flags)

    def disconnect(self) -> None:
        self.ts.handlers.disconnect(self)

    def listen(self, backlog: int) -> None:
        """Raises OSError (EINVAL, EADDRINUSE)."""
        self.ts.handlers.listen(self, backlog)

    def accept(self, flags: int) -> tuple[TcpSock, tuple[str, int]]:
        """(the next connection, its peer); sleeps unless nonblocking.  Raises OSError (EAGAIN, EINVAL)."""
        return self.ts.handlers.accept(self, flags)

    def sendmsg(self, data: bytes, name: Address | None, control: list[Cmsg], flags: int) -> int:
        if control or self.tsflags or (self.zerocopy and flags & MSG_ZEROCOPY):
            return self.ts.handlers.sendmsg_noticed(self, data, name, control, flags)
        if flags & MSG_FASTOPEN or self.fastopen_defer:
            return self.ts.handlers.sendmsg_fastopen(self, data, name, flags)
        return self.ts.handlers.sendmsg(self, data, name, flags)

    def recvmsg(self, size: int, flags: int) -> Msg:
        return self.ts.handlers.recvmsg(self, size, flags)

    def close(self) -> None:
        self.ts.handlers.close(self)

    def shutdown_how(self, how: int) -> None:
        self.ts.handlers.shutdown(self, how)

    def first_tskey(self, tsflags: int) -> int:
        """Raises EINVAL: without a connection there are no numbers."""
        if self.state in (TCP_CLOSE, TCP_LISTEN):
            raise linux_error(EINVAL)
        return self.write_seq if tsflags & SOF_TIMESTAMPING_OPT_ID_TCP else self.snd_una

    def tskey_base(self) -> int:
        return self.tskey

    def unfinished_checksum(self, skb: SkBuff) -> None:
        nh = skb.network_header
        th = nh + ((skb.head[nh] & 15) << 2)
        saddr, daddr = _ADDRS.unpack_from(skb.head, nh + 12)
        sum_ = csum_tcpudp_nofold(saddr, daddr, skb.len - (th - skb.data), 6)
        skb.replace(th + 16, sum_.to_bytes(2, "big"))

    def opt_stats(self, ack: SkBuff | None) -> bytes:
        return self.ts.handlers.opt_stats(self, ack)

    def poll(self) -> int:
        return self.ts.handlers.poll(self)

    def siocinq(self) -> int:
        return self.ts.handlers.siocinq(self)

    def setsockopt(self, level: int, optname: int, value: int | bytes) -> None:
        if level == SOL_TCP:
            self.ts.handlers.setsockopt(self, optname, value)
        else:
            super().setsockopt(level, optname, value)
            self.ts.handlers.after_setsockopt(self, level, optname)

    def getsockopt(self, level: int, optname: int) -> int | bytes:
        if level == SOL_TCP:
            return self.ts.handlers.getsockopt(self, optname)
        return super().getsockopt(level, optname)

    def set_rcvlowat(self, val: int) -> None:
        self.ts.handlers.set_rcvlowat(self, val)

    def get_peek_off(self) -> int:
        if not self.v.peek_off:
            raise linux_error(EOPNOTSUPP)
        return self.peek_off

    def set_peek_off(self, val: int) -> None:
        if not self.v.peek_off:
            raise linux_error(EOPNOTSUPP)
        self.peek_off = val

    def power_off(self) -> None:
        from rxpath.net.ipv4.tcp.state import inet_csk_destroy_sock

        inet_csk_destroy_sock(self)

    def in_flight(self, seen: dict[int, int]) -> int:
        n = super().in_flight(seen)
        for skb in self.ofo:
            n += count_tokens(skb, seen)
        for skb in self.prequeue:
            n += count_tokens(skb, seen)
        return n


class TcpState:
    """TCP of one namespace: tables by address and port, and the sysctls' values (jiffies where Linux keeps
    jiffies).
    """

    __slots__ = (
        "ipv4",
        "v",
        "handlers",
        "ehash",
        "tx_overhead",
        "listening",
        "bhash",
        "default_ca",
        "stamp_us",
        "stamp_base",
        "ca_ops",
        "orphans",
        "tw_count",
        "ehash_secret",
        "hash_mix",
        "listen_count",
        "rng_isn",
        "rng",
        "rng_cookie",
        "cookie_secret",
        "hints",
        "challenge_timestamp",
        "challenge_count",
        "isn_secret",
        "ctl_seq",
        "req_rng",
        "last_port_offset",
        "tcp_rmem",
        "tcp_wmem",
        "tcp_mem",
        "tcp_syncookies",
        "tcp_timestamps",
        "tcp_window_scaling",
        "tcp_sack",
        "tcp_dsack",
        "tcp_ecn",
        "tcp_ecn_fallback",
        "tcp_ecn_option",
        "tcp_ecn_option_beacon",
        "tcp_retries1",
        "tcp_retries2",
        "tcp_syn_retries",
        "tcp_synack_retries",
        "tcp_fin_timeout",
        "tcp_keepalive_time",
        "tcp_keepalive_probes",
        "tcp_keepalive_intvl",
        "tcp_abort_on_overflow",
        "tcp_rfc1337",
        "tcp_stdurg",
        "tcp_max_syn_backlog",
        "tcp_adv_win_scale",
        "tcp_app_win",
        "tcp_moderate_rcvbuf",
        "tcp_shrink_window",
        "tcp_invalid_ratelimit",
        "tcp_challenge_ack_limit",
        "tcp_comp_sack_delay_ns",
        "tcp_comp_sack_slack_ns",
        "tcp_comp_sack_nr",
        "tcp_tw_reuse",
        "tcp_tw_reuse_delay",
        "tcp_max_tw_buckets",
        "tcp_max_orphans",
        "tcp_orphan_retries",
        "tcp_reordering",
        "tcp_max_reordering",
        "tcp_recovery",
        "tcp_early_retrans",
        "tcp_slow_start_after_idle",
        "tcp_base_mss",
        "tcp_min_snd_mss",
        "tcp_mtu_probing",
        "tcp_mtu_probe_floor",
        "tcp_probe_interval",
        "tcp_probe_threshold",
        "tcp_no_metrics_save",
        "tcp_low_latency",
        "tcp_workaround_signed_windows",
        "tcp_retrans_collapse",
        "tcp_frto",
        "tcp_notsent_lowat",
        "tcp_limit_output_bytes",
        "tcp_autocorking",
        "tcp_fastopen",
        "tcp_thin_linear_timeouts",
        "tcp_syn_linear_timeouts",
        "tcp_pingpong_thresh",
        "tcp_fwmark_accept",
        "tcp_congestion_control",
        "tcp_migrate_req",
        "tcp_min_tso_segs",
        "tcp_tso_win_divisor",
        "tcp_reflect_tos",
        "tcp_backlog_ack_defer",
        "tcp_rto_min_us",
        "tcp_rto_max_ms",
        "tcp_pacing_ss_ratio",
        "tcp_pacing_ca_ratio",
        "tcp_fack",
        "tcp_fastopen_blackhole_timeout_sec",
        "tcp_fastopen_key",
        "tcp_fastopen_key2",
        "fastopen_cache",
        "metrics",
        "max_wscale_rmem",
    )

    def __init__(self, ipv4: Ipv4) -> None:
        k = ipv4.kernel
        r = k.release
        hz = k.hz
        self.ipv4 = ipv4
        self.v: TcpVariant = VARIANTS[r.name]
        self.handlers: TcpHandlers
        # what an element of the write queue is charged before it has data: a head of MAX_TCP_HEADER bytes
        self.tx_overhead = slab_truesize(ipv4.net, self.v.max_tcp_header)
        self.ehash: dict[tuple[int, int, int, int], TcpSock | TimewaitSock | RequestSock] = {}
        self.listening: dict[int, list[TcpSock]] = {}
        self.bhash: dict[int, list[TcpSock | TimewaitSock]] = {}
        reno = RenoOps()
        cubic = CubicOps()
        self.ca_ops: dict[str, CongOps] = {"reno": reno, "cubic": cubic}
        self.default_ca: CongOps = cubic
        # the clock of time stamps: us a tick, and where it began
        self.stamp_us = 1_000_000 // hz if self.v.stamps_in_jiffies else 1000
        self.stamp_base = k.boot_jiffies if self.v.stamps_in_jiffies else 0
        self.orphans = 0
        self.tw_count = 0
        rng = k.rng("tcp hash")
        self.ehash_secret = rng.getrandbits(32)  # inet_ehash_secret
        self.hash_mix = rng.getrandbits(32)  # net_hash_mix
        self.listen_count = 0
        self.rng_isn = k.rng("tcp isn")
        self.rng = k.rng("tcp")
        self.rng_cookie = k.rng("tcp syncookies")
        self.isn_secret = self.rng_isn.getrandbits(64)
        self.cookie_secret = self.rng_cookie.getrandbits(128)
        # what a replay knows of connections to come: (laddr, lport, raddr, rport, the peer's ISN or -1 for
        # one opened here)
        self.hints: dict[tuple[int, int, int, int, int], ConnHint] = {}
        self.challenge_timestamp = -1
        self.challenge_count = 0
        self.ctl_seq = 0
        self.req_rng = k.rng("tcp requests")
        self.last_port_offset = self.rng.getrandbits(16)
        self.tcp_rmem = [4096, r.tcp_rmem_default, r.tcp_rmem_max]
        self.tcp_wmem = [4096, 16384, 4194304]
        self.tcp_mem = ipv4.tcp_prot.mem
        self.tcp_syncookies = 1
        self.tcp_timestamps = 1
        self.tcp_window_scaling = 1
        self.tcp_sack = 1
        self.tcp_dsack = 1
        self.tcp_ecn = 2
        self.tcp_ecn_fallback = 1
        self.tcp_ecn_option = 2
        self.tcp_ecn_option_beacon = 3
        self.tcp_retries1 = 3
        self.tcp_retries2 = 15
        self.tcp_syn_retries = 6
        self.tcp_synack_retries = 5
        self.tcp_fin_timeout = 60 * hz
        self.tcp_keepalive_time = 7200 * hz
        self.tcp_keepalive_probes = 9
        self.tcp_keepalive_intvl = 75 * hz
        self.tcp_abort_on_overflow = 0
        self.tcp_rfc1337 = 0
        self.tcp_stdurg = 0
        self.tcp_max_syn_backlog = 512
        self.tcp_adv_win_scale = 1
        self.tcp_app_win = 31
        self.tcp_moderate_rcvbuf = 1
        self.tcp_shrink_window = 0
        self.tcp_invalid_ratelimit = hz // 2
        self.tcp_challenge_ack_limit = self.v.challenge_limit
        self.tcp_comp_sack_delay_ns = 1_000_000
        self.tcp_comp_sack_slack_ns = 100_000
        self.tcp_comp_sack_nr = 44
        self.tcp_tw_reuse = self.v.tw_reuse
        self.tcp_tw_reuse_delay = 1000
        self.tcp_max_tw_buckets = 8192
        self.tcp_max_orphans = 8192
        self.tcp_orphan_retries = 0
        self.tcp_reordering = 3
        self.tcp_max_reordering = 300
        self.tcp_recovery = 1
        self.tcp_early_retrans = 3
        self.tcp_slow_start_after_idle = 1
        self.tcp_base_mss = self.v.base_mss
        self.tcp_min_snd_mss = 48
        self.tcp_mtu_probing = 0
        self.tcp_mtu_probe_floor = 48
        self.tcp_probe_interval = 600
        self.tcp_probe_threshold = 8
        self.tcp_no_metrics_save = 0
        self.tcp_low_latency = 0
        self.tcp_workaround_signed_windows = 0
        self.tcp_retrans_collapse = 1
        self.tcp_frto = 2
        self.tcp_notsent_lowat = M32
        self.tcp_limit_output_bytes = self.v.tcp_limit_output
        self.tcp_autocorking = 1
        self.tcp_fastopen = 1
        self.tcp_thin_linear_timeouts = 0
        self.tcp_syn_linear_timeouts = 4
        self.tcp_pingpong_thresh = 1
        self.tcp_fwmark_accept = 0
        self.tcp_congestion_control = "cubic"
        self.tcp_migrate_req = 0
        self.tcp_min_tso_segs = 2
        self.tcp_tso_win_divisor = 3
        self.tcp_reflect_tos = 0
        self.tcp_backlog_ack_defer = 1
        self.tcp_rto_min_us = 200_000
        self.tcp_rto_max_ms = 120_000
        self.tcp_pacing_ss_ratio = 200
        self.tcp_pacing_ca_ratio = 120
        self.tcp_fack = 0
        self.tcp_fastopen_blackhole_timeout_sec = 0
        self.tcp_fastopen_key = b""
        self.tcp_fastopen_key2 = b""
        # peer -> (MSS, cookie, experimental option, tried the experimental option): what the client remembers
        self.fastopen_cache: dict[int, tuple[int, bytes, bool, int]] = {}
        self.metrics: dict[int, int] = {}
        self.max_wscale_rmem = 0

    def clock(self, us: int) -> int:
        """The time stamp, without a connection's offset, of a moment in us of the engine."""
        return us // self.stamp_us + self.stamp_base & M32


def tcp_state_of(ipv4: Ipv4) -> TcpState:
    s = ipv4.tcp_state
    assert isinstance(s, TcpState)
    return s
