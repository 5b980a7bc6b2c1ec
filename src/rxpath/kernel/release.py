"""Releases are data: one `Release` a kernel, every field with where it is known from.

Scalars are read at boot.  Algorithms that differ are whole functions, one a variant; the field names the
variant and whoever
registers binds it.  No release test inside a per-frame loop, never a version number in code.

`source` in a field's metadata: "sheet" = read in kernel source for that release, "recorded" = seen on a
running kernel,
"unchecked" = from knowledge only.
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
    napi_schedule_wakes_ksoftirqd: bool = known(
        "sheet 2.1: ____napi_schedule uses raise_softirq_irqoff", True
    )
    cpu_hotplug: str = known("read in 6.1.192 (v6_1); unchecked: v3_13 (notifiers), v5_15", "v6_1")
    strtobool: str = known("read in 6.1.192 (v6_1); unchecked: v3_13, v4_6", "v6_1")
    irq_poll_label: str = known("sheet 1.5", "IRQ_POLL")
    # --- NAPI
    net_rx_action: str = known("sheet 3.5: v3_13 | v5_15 | v6_12", "v5_15")
    napi_complete: str = known("sheet 3.3: plain | done", "done")
    napi_missed: bool = known("sheet 3.1", True)
    netdev_budget: int = known("sheet", 300)
    budget_usecs_per_hz: int = known(
        "sheet 3.5: netdev_budget_usecs = this / HZ; 0 = two jiffies fixed", 2_000_000
    )
    budget_usecs_min_checked: bool = known("sheet 17: below 2e6/HZ refused (6.1.192)", True)
    weight_bias: bool = known("sheet 3.7 (4.12)", True)
    threaded_napi: bool = known("sheet 3.8 (5.12)", True)
    irq_defer: bool = known("sheet 3.3: gro_flush_timeout, napi_defer_hard_irqs", True)
    # --- GRO
    gro_storage: str = known("sheet 4.2: list8 | buckets8", "buckets8")
    gro_normal_batch: int = known("sheet 4.1; 0 = each packet at once", 8)
    gro_fixed_id: bool = known("sheet 4.5", True)
    gro_id_in_transport: bool = known("sheet 4.5: evaluated in the transport step (6.12)", False)
    gro_fixed_id_without_df: bool = known("recorded on 6.18: equal ids merge with DF clear too", False)
    udp_gro: bool = known("sheet 4.9", True)
    gro_flush_old_hz: int = known(
        "sheet 3.5: at this HZ or above only packets of older jiffies are flushed", 1000
    )
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
    udp_csum_break: int = known(
        "sheet 2.2 of sockets: verify up to this length at once; 0 = always deferred", 76
    )
    icmp_global_limit: bool = known("sheet 8.7", True)
    icmp_outratelimit: bool = known("sheet 5 of proc-files: OutRateLimitGlobal/Host (6.1.192)", True)
    icmp_global_per_netns: bool = known("sheet 8.7: 6.1.192 and later", True)
    packet_chains_per_net: bool = known("recorded on 6.18 (6.15): sockets' packet types come after protocols", False)
    otherhost_dropped: bool = known("sheet 7.4", True)
    ip_out_transmits: bool = known("sheet 5 of proc-files (6.12)", False)
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


R_6_1 = Release("6.1", uname="6.1.0-56-amd64")

R_5_15 = replace(
    R_6_1,
    name="5.15",
    uname="5.15.135",
    napi_schedule_wakes_ksoftirqd=False,
    cpu_hotplug="v5_15",
    strtobool="v4_6",
    budget_usecs_min_checked=False,
    drop_reasons=False,
    skb_alloc="v5_15",
    skb_defer_free=False,
    icmp_outratelimit=False,
    icmp_global_per_netns=False,
    otherhost_dropped=False,
    default_rss_physical=False,
)

R_3_13 = replace(
    R_5_15,
    name="3.13",
    uname="3.13.0",
    irq_spread=False,
    cpu_hotplug="v3_13",
    strtobool="v3_13",
    softirq_defer_to_ksoftirqd=False,
    irq_poll_label="BLOCK_IOPOLL",
    net_rx_action="v3_13",
    napi_complete="plain",
    napi_missed=False,
    budget_usecs_per_hz=0,
    weight_bias=False,
    threaded_napi=False,
    irq_defer=False,
    gro_storage="list8",
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
    uname="6.18.44",
    gro_id_in_transport=True,
    gro_fixed_id_without_df=True,
    softirq_defer_to_ksoftirqd=False,
    net_rx_action="v6_12",
    process_backlog="v6_12",
    skb_alloc="v6_18",
    softnet_columns=15,
    udp_queue="v6_12",
    packet_chains_per_net=True,
    ip_out_transmits=True,
    rmem_max=4194304,
    wmem_max=4194304,
    optmem_max=131072,
    tcp_rmem_max=33554432,
)

RELEASES: dict[str, Release] = {r.name: r for r in (R_3_13, R_5_15, R_6_1, R_6_18)}


class ReleaseError(ValueError):
    """No release can be made out of a text."""


def find_release(text: str) -> Release:
    """The release for "5.15", "v5.15", or a `uname -r` string ("5.4.0-150-generic"), mapped to the nearest.

    Nearest: by (major, minor) laid on one scale; at equal distance the newer.  Raises ReleaseError.
    """
    m = re.match(r"\s*v?(\d+)\.(\d+)", text)
    if m is None:
        raise ReleaseError(f"'{text}' names no kernel release (known: {', '.join(RELEASES)})")
    want = _position(int(m.group(1)), int(m.group(2)))
    best = R_6_1
    best_d = 1 << 30
    for r in RELEASES.values():
        a, b = r.name.split(".")
        d = abs(_position(int(a), int(b)) - want)
        if d <= best_d:
            best, best_d = r, d
    return best


def _position(major: int, minor: int) -> int:
    """Releases in order of their appearance: 2.6.39 -> 3.0 -> ... 3.19 -> 4.0 ... 4.20 -> 5.0 ... 5.19 -> 6.0
    ...
    """
    base = {0: 0, 1: 0, 2: 0, 3: 40, 4: 60, 5: 81}
    return base.get(major, 101 + (major - 6) * 20) + minor


def provenance() -> dict[str, str]:
    """Field name -> where its values are known from."""
    return {f.name: str(f.metadata.get("source", "")) for f in fields(Release)}
