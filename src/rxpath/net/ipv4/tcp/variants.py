"""What of TCP differs between releases beyond kernel/release.py: one `TcpVariant` a release, as data.

No version number outside of the table at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rxpath.kernel.sysctl import INT_MAX
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_RST, TCPHDR_SYN


@dataclass(frozen=True)
class TcpVariant:
    """`scaling_ratio`: the window is a measured share of the buffer (6.6); else tcp_adv_win_scale.
    `old_sequence_reason`, `end_sequence`: tcp_sequence names its refusals and looks at the segment's end (6.12, 6.17;
    recorded on 6.18).  `can_ingest`: the buffer limit counts the new packet's length (6.17; recorded on 6.18).
    `forced_first`: an empty receive queue takes a segment without asking (4.20 to 6.8).  `challenge_limit`:
    tcp_challenge_ack_limit.  `oow_limit`: out-of-window ACKs are limited a socket (4.0).  `ack_compress`: duplicate
    ACKs are compressed (4.18).  `rcvbuf_grow`: v3_13 | v5_15 | v6_18.  `init_rcv_wnd_segments`: initial window in
    segments without the route metric; 0 = no such cap.  `prequeue`: a sleeping reader does the work itself (until
    4.13).  `cleanup_first`: a window update may be sent before the backlog is looked at for more (until 5.16).
    `data_ready_checks`: a reader is woken when there is enough for it, not by every segment, and SO_RCVLOWAT has its
    say in windows and ACKs (4.18).  `stamps_in_jiffies`: the clock of time stamps and of the receiver's measurements
    (until 4.12; then 1 ms, 1 us).  `fixup_rcvbuf`: a new connection's buffer is raised at once (until 4.19).
    `window_sixteenth`: less than 1/16 of the buffer is offered as nothing (3.15).  `rcv_mss_capped`: what the peer's
    segments seem to be is not more than was advertised, and a push counts for full ones (4.11).  `grow_adjusts`: see
    tcp_grow_window; `grow_obeys_space`: growth ends where the buffer does (5.1).  `collapse_always`: pruning
    collapses even when clamping helped (until 4.17).  `ofo_tree`: out-of-order data are a tree; new ones join any
    neighbour, and the receive queue's tail (4.9).  `drops_counted`: dropped segments are counted at the socket (4.7).
    `ecn_quickacks`: ACKs at once after a mark.  `fin_coalesces`: a FIN is joined to what is before it (3.19).
    `hole_quickacks`: data beyond a hole start quick ACKs; later releases send just one when it is filled (4.18).
    `nomem_acks`: without memory the window is shut with an ACK (4.20).  `replay_window`: how old the time stamp of an
    ACK may be, in RTOs of ms.  `first_flags`: a segment without any of them is not looked at (SYN: 3.19).
    `rst_behind_fin`: see tcp_reset_check (4.13).  `crossed_syn_passes`: a SYN-ACK of crossed SYNs is no challenge
    (6.9).  `bad_ack_ends`: a wrong ACK ends a segment in closing states, too (4.7).  `backlog_checksum`: it is
    verified before the backlog (4.20).  `ack_blocked`: an ACK whose timer found the socket owned goes with the next
    chance (until 5.9).  `peek_off`: SO_PEEK_OFF (6.9).  `rx_stamps`: time stamps with recvmsg (4.15).
    `options_absent`: of SOL_TCP.  `info_length`: of struct tcp_info.  `rtt_by_least`: the least of the receiver's
    round trips counts.  `prune_keeps_older`: what stands before the new segment is not pruned for it (6.4).
    `pressure_shrinks`: see tcp_grow_window (5.16).  `shutdown_in_syn_recv`: shutdown sends its FIN before the
    handshake is done (3.13; later releases' stable updates wait).  `timeouts_apart`: TCPTimeouts leaves out what
    another counter has, and what follows the first (3.13).  `request_ehash`: request sockets are in the main table
    (4.4).  `backlog_factor`: receive buffers that the backlog may hold.  `rack`: RACK detects losses (4.9 on).
    `max_tcp_header`: room kept for headers of what is sent; depends on the kernel's options, 6.18's as recorded.
    `tso_by_rtt`: near peers get larger super-packets (5.18).  `delack_rto_min`: no delayed ACK waits as long as the
    least retransmission timeout (6.11).  `estab_reset_in_done`: EstabResets is counted in CLOSE_WAIT too.
    `tsecr_check`: a third ACK's echo is checked (6.15).
    """

    scaling_ratio: bool = False
    old_sequence_reason: bool = False
    end_sequence: bool = False
    can_ingest: bool = False
    forced_first: bool = True
    challenge_limit: int = INT_MAX
    oow_limit: bool = True
    ack_compress: bool = True
    rcvbuf_grow: str = "v5_15"
    init_rcv_wnd_segments: int = 0
    prequeue: bool = False
    cleanup_first: bool = False
    data_ready_checks: bool = True
    stamps_in_jiffies: bool = False
    fixup_rcvbuf: bool = False
    window_sixteenth: bool = True
    rcv_mss_capped: bool = True
    grow_adjusts: bool = True
    grow_obeys_space: bool = True
    collapse_always: bool = False
    ofo_tree: bool = True
    drops_counted: bool = True
    ecn_quickacks: int = 2
    fin_coalesces: bool = True
    hole_quickacks: bool = False
    nomem_acks: bool = True
    replay_window: int = 1024
    first_flags: int = TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN
    rst_behind_fin: bool = True
    crossed_syn_passes: bool = True
    bad_ack_ends: bool = True
    backlog_checksum: bool = True
    ack_blocked: bool = False
    peek_off: bool = False
    rx_stamps: bool = True
    stats_rehash: bool = False  # TCP's statistics in a time stamp tell how often the path was changed (6.2)
    stamps_sent: bool = False  # what a write left all sent is stamped too (recorded on 6.18)
    options_absent: frozenset[int] = frozenset({43, 44, 45})
    info_length: int = 232
    rtt_by_least: bool = True
    prune_keeps_older: bool = False
    pressure_shrinks: bool = True
    shutdown_in_syn_recv: bool = False
    timeouts_apart: bool = False
    request_ehash: bool = True
    synq: str = "v5_15"
    backlog_factor: int = 2
    backlog_sndbuf_shift: int = 1
    backlog_extra: int = 64 * 1024
    rack: bool = True
    tlp: bool = True
    tsecr_check: bool = False
    rst_sack_edge: bool = True
    timeout_rehash: bool = True
    queue_purge_reason: bool = False
    zero_window_fin: bool = False
    zero_window_drop: bool = True
    tcp_limit_output: int = 1048576
    base_mss: int = 1024
    internal_pacing: bool = True  # without fq a sender waits in a timer of its own (4.13)
    mtup_search: bool = True  # a probe is the middle of what is left (4.1), before twice the segment
    min_pmtu_syn: int = 88
    rmem_pressure_any: bool = True
    tw_reuse: int = 2
    tw_reuse_delay: bool = False  # the delay in milliseconds, never in FIN_WAIT2 (6.14)
    reject_ts_reason: bool = False
    rto_min_tlp: bool = True
    max_syn_backlog_shift: int = 7
    close_wait_estab: bool = True
    advmss_early: bool = True
    rst_exact_in_syn_recv: bool = False
    delack_rto_min: bool = False
    ofo_measure: bool = False
    challenge_unsent: bool = False
    eat_consumes: bool = False
    ofo_dsack_exact: bool = True
    ecn_by_reserved: bool = True  # a SYN with an ECN field and a reserved bit may still agree (4.1)
    hp_mask: int = 0xF0F7FFFF  # bits that header prediction compares: not PSH, not the reserved ones
    accecn: bool = False  # accurate ECN; every segment's ECN field is counted (6.18)
    max_tcp_header: int = 320
    fin_obeys_cwnd: bool = False
    ts_recent_deferred: bool = True  # a request keeps the time stamp of its SYN (6.14, read in 6.1.192)
    reqsk_ack_ect: bool = True  # an ACK of a request bears the ECN field of what it answers
    tw_oow_ack_ect: bool = True  # TIME_WAIT's ACK of what is out of its window keeps the last segment's ECN field
    tw_in_place: bool = False  # TIME_WAIT takes the place of its socket in the bucket, not the first (6.10)
    listening_by_address: bool = True  # (6.0)
    user_timeout_clamps: bool = True  # (4.19)
    auth_options: bool = False  # options that cannot be walked: no reset, and refused by a socket (6.7)
    rack_always: bool = False
    packet_delayed_exceptions: bool = False
    ack_within_acked: bool = False
    tso_grow: bool = False
    defer_threshold: bool = False
    initial_window_whole: bool = False
    rst_before_ack_in_syn_recv: bool = False
    synack_undo: bool = False
    paws_old_ack: bool = False
    cookie_drop_no_socket: bool = False
    tso_by_rtt: bool = True
    backlog_coalesces: bool = True  # what waits for the socket's owner is joined (5.0)
    limit_output_most: bool = True  # tcp_limit_output_bytes is the most that may be in the device; the least in 3.13


V_6_1: Final = TcpVariant()
V_5_15: Final = replace(
    V_6_1,
    challenge_limit=1000,
    backlog_factor=1,
    tso_by_rtt=False,
    cleanup_first=True,
    ofo_dsack_exact=False,
    pressure_shrinks=False,
    ts_recent_deferred=False,
    listening_by_address=False,
)
V_3_13: Final = replace(
    V_5_15,
    challenge_limit=100,
    oow_limit=False,
    ack_compress=False,
    rcvbuf_grow="v3_13",
    init_rcv_wnd_segments=20,
    prequeue=True,
    data_ready_checks=False,
    stamps_in_jiffies=True,
    fixup_rcvbuf=True,
    window_sixteenth=False,
    rcv_mss_capped=False,
    grow_obeys_space=False,
    collapse_always=True,
    ofo_tree=False,
    drops_counted=False,
    ecn_quickacks=16,
    fin_coalesces=False,
    hole_quickacks=True,
    nomem_acks=False,
    first_flags=TCPHDR_ACK | TCPHDR_RST,
    rst_behind_fin=False,
    crossed_syn_passes=False,
    bad_ack_ends=False,
    backlog_checksum=False,
    ack_blocked=True,
    rx_stamps=False,
    options_absent=frozenset({24, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 43, 44, 45}),
    info_length=104,
    rtt_by_least=False,
    grow_adjusts=False,
    shutdown_in_syn_recv=True,
    timeouts_apart=True,
    initial_window_whole=True,
    advmss_early=False,
    close_wait_estab=False,
    max_tcp_header=304,
    request_ehash=False,
    synq="v3_13",
    backlog_sndbuf_shift=0,
    backlog_extra=0,
    rack=False,
    ecn_by_reserved=False,
    forced_first=False,
    rst_sack_edge=False,
    timeout_rehash=False,
    zero_window_drop=False,
    tw_reuse=0,
    base_mss=512,
    mtup_search=False,
    internal_pacing=False,
    max_syn_backlog_shift=8,
    user_timeout_clamps=False,
    limit_output_most=False,
    backlog_coalesces=False,
)
V_6_18: Final = replace(
    V_6_1,
    scaling_ratio=True,
    old_sequence_reason=True,
    end_sequence=True,
    can_ingest=True,
    forced_first=False,
    rcvbuf_grow="v6_18",
    tsecr_check=True,
    queue_purge_reason=True,
    stamps_sent=True,
    options_absent=frozenset(),
    stats_rehash=True,
    zero_window_fin=True,
    reject_ts_reason=True,
    advmss_early=True,
    ofo_measure=True,
    challenge_unsent=True,
    eat_consumes=True,
    prune_keeps_older=True,
    accecn=True,
    hp_mask=0xF1F7FFFF,  # the first of them is AE now
    replay_window=1200,
    peek_off=True,
    info_length=280,
    max_tcp_header=192,
    tso_grow=True,
    rack_always=True,
    packet_delayed_exceptions=True,
    ack_within_acked=True,
    defer_threshold=True,
    initial_window_whole=True,
    rst_before_ack_in_syn_recv=True,
    synack_undo=True,
    paws_old_ack=True,
    cookie_drop_no_socket=True,
    rst_exact_in_syn_recv=True,
    delack_rto_min=True,
    tw_reuse_delay=True,
    fin_obeys_cwnd=True,
    reqsk_ack_ect=False,
    tw_oow_ack_ect=False,
    tw_in_place=True,
    auth_options=True,
)

VARIANTS: Final[dict[str, TcpVariant]] = {"3.13": V_3_13, "5.15": V_5_15, "6.1": V_6_1, "6.18": V_6_18}
