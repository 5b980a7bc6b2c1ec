"""What of TCP differs between releases beyond kernel/release.py: one `TcpVariant` a release, as data.

No version number outside of the table at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

INT_MAX: Final = (1 << 31) - 1


@dataclass(frozen=True)
class TcpVariant:
    """`scaling_ratio`: the window is a measured share of the buffer (6.6); else tcp_adv_win_scale.
    `old_sequence_reason`, `end_sequence`: tcp_sequence names its refusals and looks at the segment's end (6.12,
    6.17; recorded on 6.18).
    `can_ingest`: the buffer limit counts the new packet's length (6.17; recorded on 6.18).
    `forced_first`: an empty receive queue takes a segment without asking (4.20 to 6.8).
    `challenge_limit`: tcp_challenge_ack_limit.  `oow_limit`: out-of-window ACKs are limited a socket (4.0).
    `ack_compress`: duplicate ACKs are compressed (4.18).  `rcvbuf_grow`: v3_13 | v5_15 | v6_18.
    `init_rcv_wnd_segments`: initial window in segments without the route metric; 0 = no such cap.
    `prequeue`: a sleeping reader does the work itself (until 4.13).  `cleanup_first`: a window update may be sent
    before the backlog is looked at for more (until 5.16).  `data_ready_checks`: a reader is woken when there is
    enough for it, not by every segment (4.18).  `request_ehash`: request sockets are in the
    main table (4.4).
    `backlog_factor`: receive buffers that the backlog may hold.  `rack`: RACK detects losses (4.9 on).
    `max_tcp_header`: room kept for headers of what is sent; depends on the kernel's options, 6.18's as recorded.
    `tso_by_rtt`: near peers get larger super-packets (5.18).
    `estab_reset_in_done`: EstabResets is counted in CLOSE_WAIT too.  `tsecr_check`: a third ACK's echo is checked
    (6.15).
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
    ofo_measure: bool = False
    challenge_unsent: bool = False
    eat_consumes: bool = False
    ofo_dsack_exact: bool = False
    ecn_seen_always: bool = False
    max_tcp_header: int = 320
    fin_obeys_cwnd: bool = False
    rack_always: bool = False
    packet_delayed_exceptions: bool = False
    ack_within_acked: bool = False
    old_ack_updates_ts: bool = True
    tso_grow: bool = False
    defer_threshold: bool = False
    initial_window_whole: bool = False
    rst_before_ack_in_syn_recv: bool = False
    synack_undo: bool = False
    paws_old_ack: bool = False
    cookie_drop_no_socket: bool = False
    tso_by_rtt: bool = True


V_6_1: Final = TcpVariant()
V_5_15: Final = replace(V_6_1, challenge_limit=1000, backlog_factor=1, tso_by_rtt=False, cleanup_first=True)
V_3_13: Final = replace(
    V_5_15,
    challenge_limit=100,
    oow_limit=False,
    ack_compress=False,
    rcvbuf_grow="v3_13",
    init_rcv_wnd_segments=20,
    prequeue=True,
    data_ready_checks=False,
    request_ehash=False,
    synq="v3_13",
    backlog_sndbuf_shift=0,
    backlog_extra=0,
    rack=False,
    forced_first=False,
    rst_sack_edge=False,
    timeout_rehash=False,
    zero_window_drop=False,
    tw_reuse=0,
    base_mss=512,
    max_syn_backlog_shift=8,
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
    zero_window_fin=True,
    reject_ts_reason=True,
    advmss_early=True,
    ofo_measure=True,
    challenge_unsent=True,
    eat_consumes=True,
    ofo_dsack_exact=True,
    ecn_seen_always=True,
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
    tw_reuse_delay=True,
)

VARIANTS: Final[dict[str, TcpVariant]] = {"3.13": V_3_13, "5.15": V_5_15, "6.1": V_6_1, "6.18": V_6_18}
