"""Releases are data: one `Release` a kernel, every field with where it is known from.

Scalars are read at boot.  Algorithms that differ are whole functions, one a variant; the field names the variant and
whoever registers binds it.  No release test inside a per-frame loop, never a version number in code.

`source` in a field's metadata: "sheet" = read in kernel source for that release, "recorded" = seen on a running
kernel, "unchecked" = from knowledge only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import Any


def known(source: str, default: Any) -> Any:
    return field(default=default, metadata={"source": source})


@dataclass(frozen=True)
class Release:
    """Everything in which one kernel release differs from another, as far as the receive path shows it."""

    name: str
    uname: str = known("recorded for 6.1 and 6.18, else a plain vanilla string", "6.1.0")
    # --- interrupts and softirqs
    irq_spread: bool = known("unchecked (irq_matrix allocator, 4.15)", True)
    softirq_defer_to_ksoftirqd: bool = known("sheet 2.2: ksoftirqd_running() 4.9 to 6.4", True)
    napi_schedule_wakes_ksoftirqd: bool = known("sheet 2.1: ____napi_schedule uses raise_softirq_irqoff", True)
    cpu_hotplug: str = known("read in 6.1.192 (v6_1); unchecked: v3_13 (notifiers), v5_15", "v6_1")
    strtobool: str = known("read in 6.1.192 (v6_1); unchecked: v3_13, v4_6", "v6_1")
    affinity_hint_applied: bool = known("6.1 only hints (read); unchecked: 4.0 to 5.16 set the affinity too", False)
    irq_poll_label: str = known("sheet 1.5", "IRQ_POLL")
    timer_wheel: str = known(
        "read in 6.1.192 (v4_8), asked of 6.18 (v6_9: pinned timers first); unchecked: v3_13 is exact, by arming",
        "v4_8",
    )
    # --- NAPI
    net_rx_action: str = known("sheet 3.5: v3_13 | v5_15 | v6_12", "v5_15")
    napi_complete: str = known("sheet 3.3: plain | done", "done")
    napi_missed: bool = known("sheet 3.1", True)
    netdev_budget: int = known("sheet", 300)
    budget_usecs_per_hz: int = known("sheet 3.5: netdev_budget_usecs = this / HZ; 0 = two jiffies fixed", 2_000_000)
    budget_usecs_min_checked: bool = known("sheet 17: below 2e6/HZ refused (6.1.192)", True)
    weight_bias: bool = known("sheet 3.7 (4.12)", True)
    threaded_napi: bool = known("sheet 3.8 (5.12)", True)
    busy_poll: bool = known("sheet 3.9; 3.13 asks the driver, and none here answers", True)
    irq_defer: bool = known("sheet 3.3: gro_flush_timeout, napi_defer_hard_irqs", True)
    so_options: int = known("asm-generic/socket.h of 6.1; recorded on 6.18: the last option of SOL_SOCKET", 75)
    pass_unix_only: bool = known("recorded on 6.18: SO_PASSCRED and the like are AF_UNIX's (6.16)", False)
    timestamping_flags: int = known("net_tstamp.h of 6.1: bits of SO_TIMESTAMPING; unchecked: 3.13", 16)
    priority_cmsg: bool = known("recorded on 6.18: a call may name its packet's priority (6.14)", False)
    ts_opt_id_cmsg: bool = known("recorded on 6.18: SCM_TS_OPT_ID, the number of a time stamp (6.13)", False)
    # --- GRO
    gro_storage: str = known("sheet 4.2: list8 | buckets8", "buckets8")
    gro_of_gso: bool = known("net/core/gro.c dev_gro_receive: what a device merged may be merged on (6.1)", True)
    gro_normal_batch: int = known("sheet 4.1; 0 = each packet at once", 8)
    gro_fixed_id: bool = known("sheet 4.5", True)
    gro_cwr_compared: bool = known("recorded on 6.18", False)
    gro_id_in_transport: bool = known("sheet 4.5: evaluated in the transport step (6.12)", False)
    gro_fixed_id_without_df: bool = known("recorded on 6.18: equal ids merge with DF clear too", False)
    udp_gro: bool = known("sheet 4.9", True)
    gro_flush_old_hz: int = known("sheet 3.5: at this HZ or above only packets of older jiffies are flushed", 1000)
    # --- steering
    flow_hash: str = known("sheet 5.2: jhash3 | siphash", "siphash")
    flow_symmetric_independent: bool = known("sheet 5.2", True)
    rfs_entry_has_hash: bool = known("sheet 5.3", True)
    process_backlog: str = known("sheet 5.7: v3_13 | v5_15 | v6_12", "v5_15")
    backlog_not_running_drops: bool = known("sheet 5.5", True)
    # --- core
    netif_receive_list: bool = known("sheet 7.3 (4.19)", True)
    drop_reasons: bool = known("sheet 10", True)
    rx_nohandler: bool = known("sheet 7.2 (4.6)", True)
    skb_alloc: str = known("sheet 1.2 of sockets: v3_13 | v5_15 | v6_1 | v6_18", "v6_1")
    skb_defer_free: bool = known("sheet 3.5 (5.19, 6.1)", True)
    # --- files
    sysctls_absent: frozenset[str] = known("sheets 15, 16; else unchecked (kernel history)", frozenset())
    sysfs_net_absent: frozenset[str] = known("sheet 14; else unchecked (kernel history)", frozenset())
    softnet_columns: int = known("sheet 1 of proc-files", 13)
    interrupts_hwirq: bool = known("sheet 2 of proc-files", True)
    # --- IPv4, UDP
    ip_early_demux_split: bool = known("sheet 16: tcp_early_demux and udp_early_demux", True)
    netns_ok: bool = known("sheet 0.1: protocol needs netns_ok", False)
    frag_overlap: str = known("sheet 8.6: trim | kill", "kill")
    udp_queue: str = known("sheet 2.5 of sockets: v3_13 | v5_15 | v6_12", "v5_15")
    udp_lookup: str = known("sheet 2.3 of sockets: v3_13 | v5_15", "v5_15")
    udp_ignored_multi: bool = known("sheet 2.4 of sockets", True)
    udp_mem_errors: bool = known("sheet 2.6 of sockets", True)
    udp_csum_break: int = known("sheet 2.2 of sockets: verify up to this length at once; 0 = always deferred", 76)
    icmp_global_limit: bool = known("sheet 8.7", True)
    icmp_outratelimit: bool = known("sheet 5 of proc-files: OutRateLimitGlobal/Host (6.1.192)", True)
    icmp_global_per_netns: bool = known("sheet 8.7: 6.1.192 and later", True)
    packet_vnet_hdr_sz: bool = known("recorded on 6.18 (6.6): PACKET_VNET_HDR_SZ", False)
    packet_chains_per_net: bool = known("recorded on 6.18 (6.15): sockets' packet types come after protocols", False)
    packet_vlan_header: bool = known(
        "read in 6.1.192 packet_parse_headers (5.19): the network header of a frame to send is behind its tags", True
    )
    vlan_all_cleared: bool = known(
        "recorded on 6.18 (6.2, without vlan_present): a tag that is taken off takes its protocol along", False
    )
    otherhost_dropped: bool = known("sheet 7.4", True)
    ip_out_transmits: bool = known("sheet 5 of proc-files (6.12)", False)
    fib_merged: bool = known("unchecked (4.1): local and main are one trie until a rule is made", True)
    rt_cache_file: bool = known("recorded on 6.1 and 6.18: a header and nothing else", True)
    net_warnings: int = known("sheet 15", 0)
    proc_net_write_refused: bool = known("unchecked (4.18): opening /proc/net/* for writing gives EACCES", True)
    live_rename: bool = known("unchecked (6.2): an interface that is up may be renamed", False)
    ipfrag_secret_interval: int = known("sheet 16", 0)
    unres_qlen_bytes: int = known("sheet 16.1", 212992)
    default_qdisc: str = known("recorded: fq_codel on Debian's 6.1, pfifo_fast on 6.18; else sheet 15", "fq_codel")
    rmem_max: int = known("sheet 15; recorded 4194304 on 6.18", 212992)
    wmem_max: int = known("sheet 15; recorded on 6.18", 212992)
    optmem_max: int = known("sheet 15", 20480)
    somaxconn: int = known("sheet 15", 4096)
    tcp_rmem_default: int = known("sheet 16", 131072)
    tcp_rmem_max: int = known("sheet 16; recorded 33554432 on 6.18", 6291456)
    local_port_max: int = known("sheet 16", 60999)
    # --- drivers
    driver_banner_version: bool = known("sheet of e1000e section 1", False)
    ethtool_netlink: bool = known("golden/ethtool-set (6.1); 5.6 and later", True)
    rss_key_random: bool = known("sheet 5.1 (3.19)", True)
    default_rss_physical: bool = known("drivers.md section 3 (5.18)", True)


# what came after a release: names below net.core and net.ipv4, of conf/DEV and neigh/DEV; files of /sys/class/net/DEV
_AFTER_6_1 = frozenset(
    {
        "core.rps_default_mask",
        "ipv4.fib_multipath_hash_seed",
        "ipv4.tcp_backlog_ack_defer",
        "ipv4.tcp_ecn_option",
        "ipv4.tcp_ecn_option_beacon",
        "ipv4.tcp_pingpong_thresh",
        "ipv4.tcp_plb_cong_thresh",
        "ipv4.tcp_plb_enabled",
        "ipv4.tcp_plb_idle_rehash_rounds",
        "ipv4.tcp_plb_rehash_rounds",
        "ipv4.tcp_plb_suspend_rto_sec",
        "ipv4.tcp_rto_max_ms",
        "ipv4.tcp_rto_min_us",
        "ipv4.tcp_syn_linear_timeouts",
        "ipv4.tcp_tw_reuse_delay",
        "ipv4.udp_child_hash_entries",
        "ipv4.udp_hash_entries",
    }
)
_AFTER_5_15 = _AFTER_6_1 | {
    "core.skb_defer_max",
    "core.mem_pcpu_rsv",
    "core.txrehash",
    "conf.arp_evict_nocarrier",
    "neigh.interval_probe_time_ms",
    "ipv4.tcp_shrink_window",
    "ipv4.tcp_child_ehash_entries",
    "ipv4.tcp_ehash_entries",
    "ipv4.tcp_tso_rtt_log",
}
_AFTER_3_13 = _AFTER_5_15 | {
    "core.max_skb_frags",
    "core.tstamp_allow_data",
    "core.high_order_alloc_disable",
    "core.bpf_jit_harden",
    "core.bpf_jit_kallsyms",
    "core.bpf_jit_limit",
    "core.devconf_inherit_init_net",
    "core.fb_tunnels_only_for_init_net",
    "core.netdev_unregister_timeout_secs",
    "conf.bc_forwarding",
    "conf.drop_gratuitous_arp",
    "conf.drop_unicast_in_l2_multicast",
    "conf.ignore_routes_with_linkdown",
    "neigh.mcast_resolicit",
    "ipv4.fib_sync_mem",
    "ipv4.igmp_link_local_mcast_reports",
    "ipv4.igmp_qrv",
    "ipv4.ip_forward_use_pmtu",
    "ipv4.tcp_autocorking",
    "ipv4.tcp_available_ulp",
    "ipv4.tcp_comp_sack_delay_ns",
    "ipv4.tcp_comp_sack_nr",
    "ipv4.tcp_comp_sack_slack_ns",
    "ipv4.tcp_ecn_fallback",
    "ipv4.tcp_fastopen_blackhole_timeout_sec",
    "ipv4.tcp_fwmark_accept",
    "ipv4.tcp_invalid_ratelimit",
    "ipv4.tcp_l3mdev_accept",
    "ipv4.tcp_max_reordering",
    "ipv4.tcp_migrate_req",
    "ipv4.tcp_min_rtt_wlen",
    "ipv4.tcp_min_snd_mss",
    "ipv4.tcp_mtu_probe_floor",
    "ipv4.tcp_no_ssthresh_metrics_save",
    "ipv4.tcp_pacing_ca_ratio",
    "ipv4.tcp_pacing_ss_ratio",
    "ipv4.tcp_probe_interval",
    "ipv4.tcp_probe_threshold",
    "ipv4.tcp_recovery",
    "ipv4.tcp_reflect_tos",
}
_GONE_SINCE_3_13 = frozenset({"ipv4.tcp_tw_recycle", "ipv4.tcp_thin_dupack"})
_SYSFS_AFTER_3_13 = frozenset(
    {
        "name_assign_type",
        "phys_port_name",
        "phys_switch_id",
        "proto_down",
        "dev_port",
        "carrier_changes",
        "carrier_up_count",
        "carrier_down_count",
        "testing",
        "queues/tx/traffic_class",
        "queues/tx/tx_maxrate",
        "queues/tx/xps_rxqs",
    }
)

R_6_1 = Release("6.1", uname="6.1.0-56-amd64", sysctls_absent=_AFTER_6_1 | _GONE_SINCE_3_13)

R_5_15 = replace(
    R_6_1,
    name="5.15",
    gro_of_gso=False,
    so_options=72,
    uname="5.15.135",
    default_qdisc="pfifo_fast",
    sysctls_absent=_AFTER_5_15 | _GONE_SINCE_3_13,
    napi_schedule_wakes_ksoftirqd=False,
    cpu_hotplug="v5_15",
    affinity_hint_applied=True,
    strtobool="v4_6",
    budget_usecs_min_checked=False,
    drop_reasons=False,
    skb_alloc="v5_15",
    skb_defer_free=False,
    icmp_outratelimit=False,
    icmp_global_per_netns=False,
    packet_vlan_header=False,
    otherhost_dropped=False,
    default_rss_physical=False,
)

R_3_13 = replace(
    R_5_15,
    name="3.13",
    so_options=47,
    uname="3.13.0",
    timestamping_flags=7,
    net_warnings=1,
    proc_net_write_refused=False,
    ipfrag_secret_interval=600,
    unres_qlen_bytes=65536,
    fib_merged=False,
    sysctls_absent=_AFTER_3_13,
    sysfs_net_absent=_SYSFS_AFTER_3_13,
    irq_spread=False,
    cpu_hotplug="v3_13",
    timer_wheel="v3_13",
    affinity_hint_applied=False,
    strtobool="v3_13",
    softirq_defer_to_ksoftirqd=False,
    irq_poll_label="BLOCK_IOPOLL",
    net_rx_action="v3_13",
    napi_complete="plain",
    napi_missed=False,
    budget_usecs_per_hz=0,
    weight_bias=False,
    threaded_napi=False,
    busy_poll=False,
    irq_defer=False,
    gro_storage="list8",
    gro_of_gso=False,
    gro_normal_batch=0,
    gro_fixed_id=False,
    udp_gro=False,
    flow_hash="jhash3",
    flow_symmetric_independent=False,
    rfs_entry_has_hash=False,
    process_backlog="v3_13",
    backlog_not_running_drops=False,
    netif_receive_list=False,
    rx_nohandler=False,
    skb_alloc="v3_13",
    softnet_columns=11,
    interrupts_hwirq=False,
    ip_early_demux_split=False,
    netns_ok=True,
    frag_overlap="trim",
    udp_queue="v3_13",
    udp_lookup="v3_13",
    udp_ignored_multi=False,
    udp_mem_errors=False,
    udp_csum_break=0,
    icmp_global_limit=False,
    somaxconn=128,
    tcp_rmem_default=87380,
    local_port_max=61000,
    driver_banner_version=True,
    ethtool_netlink=False,
    rss_key_random=False,
)

R_6_18 = replace(
    R_6_1,
    name="6.18",
    so_options=83,
    pass_unix_only=True,
    uname="6.18.44",
    timestamping_flags=19,
    priority_cmsg=True,
    ts_opt_id_cmsg=True,
    timer_wheel="v6_9",
    default_qdisc="pfifo_fast",
    live_rename=True,
    sysctls_absent=_GONE_SINCE_3_13,
    gro_cwr_compared=True,
    gro_id_in_transport=True,
    gro_fixed_id_without_df=True,
    softirq_defer_to_ksoftirqd=False,
    net_rx_action="v6_12",
    process_backlog="v6_12",
    skb_alloc="v6_18",
    softnet_columns=15,
    udp_queue="v6_12",
    packet_chains_per_net=True,
    packet_vnet_hdr_sz=True,
    vlan_all_cleared=True,
    ip_out_transmits=True,
    rmem_max=4194304,
    wmem_max=4194304,
    optmem_max=131072,
    tcp_rmem_max=33554432,
)

RELEASES: dict[str, Release] = {r.name: r for r in (R_3_13, R_5_15, R_6_1, R_6_18)}


# the last minor number of each major one; 7 is open
LAST_MINOR: dict[int, int] = {2: 6, 3: 19, 4: 20, 5: 19, 6: 19, 7: 19}


class ReleaseError(ValueError):
    """No release can be made out of a text."""


def find_release(text: str) -> Release:
    """The release for "5.15", "v5.15", or a `uname -r` string ("5.4.0-150-generic"), mapped to the nearest.

    Nearest: by (major, minor) laid on one scale; at equal distance the newer.  Raises ReleaseError for what is no
    release and for numbers that Linux never had (9.9, 5.20).
    """
    m = re.fullmatch(r"\s*v?(\d+)\.(\d+)(?:[.\-+~_]\S*)?\s*", text)
    if m is None:
        raise ReleaseError(f"'{text}' names no kernel release (known: {', '.join(RELEASES)})")
    major, minor = int(m.group(1)), int(m.group(2))
    if minor > LAST_MINOR.get(major, -1):
        raise ReleaseError(f"'{text}': Linux has no release {major}.{minor} (known: {', '.join(RELEASES)})")
    want = _position(major, minor)
    best = R_6_1
    best_d = 1 << 30
    for r in RELEASES.values():
        a, b = r.name.split(".")
        d = abs(_position(int(a), int(b)) - want)
        if d <= best_d:
            best, best_d = r, d
    return best


def taken_for(text: str) -> str:
    """One line when `text` is not the name of a release that is known itself, else ""."""
    name = find_release(text).name
    return "" if text.strip().removeprefix("v") == name else f"release {text.strip()}: taken for {name}, the nearest"


def _position(major: int, minor: int) -> int:
    """Releases in order of their appearance: 2.6.39 -> 3.0 -> ... 3.19 -> 4.0 ... 4.20 -> 5.0 ... 5.19 -> 6.0
    ...
    """
    base = {0: 0, 1: 0, 2: 0, 3: 40, 4: 60, 5: 81}
    return base.get(major, 101 + (major - 6) * 20) + minor


def provenance() -> dict[str, str]:
    """Field name -> where its values are known from."""
    return {f.name: str(f.metadata.get("source", "")) for f in fields(Release)}
