"""Packet steering: flow hash, RPS and RFS, per-CPU backlogs, flow limit.

Facts: net/core/dev.c get_rps_cpu, enqueue_to_backlog, process_backlog; net/core/flow_dissector.c (3.13, 5.15,
6.1, 6.12); backlog limits
recorded on 6.1.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.softirq import NET_RX_SOFTIRQ, __raise_softirq_irqoff
from rxpath.net.core.netdevice import (
    NAPI_STATE_SCHED,
    NapiStruct,
    Net,
    SoftnetData,
)
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason
from rxpath.sim.ledger import Site

SITE_BACKLOG: Final = Site("backlog", "backlog of the CPU is full", "softnet_stat dropped", "CPU_BACKLOG")
SITE_FLOW_LIMIT: Final = Site("backlog", "flow limit", "softnet_stat flow_limit_count", "CPU_BACKLOG")
SITE_NOT_RUNNING: Final = Site("backlog", "device is down", "rx_dropped", "DEV_READY")

NET_RX_SUCCESS: Final = 0
NET_RX_DROP: Final = 1


def get_rps_cpu(net: Net, skb: SkBuff) -> int:
    """The CPU that should process `skb`, or -1 for no steering."""
    dev = skb.dev
    assert dev is not None
    q = dev.rx_queues[skb.queue_mapping if skb.rx_queue_recorded else 0]
    m = q.rps_map
    if m is None:
        return -1
    h = skb_get_hash(net, skb)
    if h == 0:
        return -1
    cpu = m[(h * len(m)) >> 32]
    return cpu if net.kernel.cpus[cpu].online else -1


def skb_get_hash(net: Net, skb: SkBuff) -> int:
    """The stored hash if it covers ports or is ours, else a software hash of addresses and ports."""
    if not skb.l4_hash and not skb.sw_hash:
        skb.hash = _software_hash(net, skb)
        skb.sw_hash = True
    return skb.hash


def _software_hash(net: Net, skb: SkBuff) -> int:
    h = skb.head
    o = skb.data
    if skb.protocol != 0x0800 or skb.tail - o < 20:
        return 0
    ihl = (h[o] & 15) * 4
    src = int.from_bytes(h[o + 12 : o + 16], "big")
    dst = int.from_bytes(h[o + 16 : o + 20], "big")
    sport = dport = 0
    if h[o + 9] in (6, 17) and not (h[o + 6] & 0x3F or h[o + 7]) and skb.tail - o >= ihl + 4:
        sport = h[o + ihl] << 8 | h[o + ihl + 1]
        dport = h[o + ihl + 2] << 8 | h[o + ihl + 3]
    if dst < src:
        src, dst = dst, src
    if dport < sport:
        sport, dport = dport, sport
    v = (src << 64 | dst << 32 | sport << 16 | dport) ^ (h[o + 9] << 96)
    v = (v ^ net.hash_secret) * 0x9E3779B97F4A7C15F39CC0605CEDC835 & (1 << 128) - 1
    v ^= v >> 67
    v = v * 0xD1B54A32D192ED03 & (1 << 128) - 1
    return (v >> 80 & 0xFFFFFFFF) or 1


def enqueue_to_backlog(net: Net, skb: SkBuff, cpu: int) -> int:
    """Queue on `cpu`: accepted while its input queue is not longer than netdev_max_backlog."""
    k = net.kernel
    sd = net.softnet[cpu]
    dev = skb.dev
    assert dev is not None
    if k.release.backlog_not_running_drops and not dev.running():
        dev.core_rx_dropped += 1
        kfree_skb_reason(skb, SITE_NOT_RUNNING)
        return NET_RX_DROP
    cur = k.cur()
    cost = k.costs.rps_enqueue
    if cost:
        cur.accrued_or_charge(cost)
    qlen = len(sd.input_pkt_queue)
    if qlen <= net.netdev_max_backlog:
        if qlen == 0:
            b = sd.backlog
            assert b is not None
            if not b.state & NAPI_STATE_SCHED:
                b.state |= NAPI_STATE_SCHED
                my = net.softnet[cur.id]
                if my is sd:
                    _schedule_backlog(my)
                else:
                    my.rps_ipi_list.append(sd)
                    __raise_softirq_irqoff(cur, NET_RX_SOFTIRQ)
        sd.input_pkt_queue.append(skb)
        sd.input_queue_tail += 1
        return NET_RX_SUCCESS
    sd.dropped += 1
    dev.core_rx_dropped += 1
    kfree_skb_reason(skb, SITE_BACKLOG)
    return NET_RX_DROP


def _schedule_backlog(sd: SoftnetData) -> None:
    b = sd.backlog
    assert b is not None
    sd.poll_list.append(b)
    b.on_list = True
    b.list_owner = sd.cpu.id
    __raise_softirq_irqoff(sd.cpu, NET_RX_SOFTIRQ)


def rps_trigger_softirq(sd: SoftnetData) -> None:
    """On the target CPU, in the function-call interrupt: schedule its backlog."""
    _schedule_backlog(sd)
    sd.received_rps += 1


def net_rps_send_ipi(sd: SoftnetData) -> None:
    """Interrupt every CPU to whose backlog this one queued."""
    lst = sd.rps_ipi_list
    sd.rps_ipi_list = []
    k = sd.net.kernel
    for remote in lst:
        if remote.cpu.online:
            k.smp_call_function_single_async(remote.cpu, remote.csd)


def net_rps_action_and_irq_enable(sd: SoftnetData) -> None:
    net_rps_send_ipi(sd)


class BacklogNapi(NapiStruct):
    """softnet_data.backlog: its poll is process_backlog."""

    __slots__ = ("sd", "early_completion")

    def __init__(self, net: Net, sd: SoftnetData) -> None:
        super().__init__(net, None)
        self.sd = sd
        self.early_completion = net.kernel.release.process_backlog == "v3_13"

    def poll(self, budget: int) -> int:
        if self.early_completion:
            return process_backlog_3_13(self, budget)
        return process_backlog(self, budget)


def process_backlog(napi: BacklogNapi, quota: int) -> int:
    """5.15 and later: drain process_queue, then take over input_pkt_queue whole, until both are empty."""
    from rxpath.net.core.receive import __netif_receive_skb

    sd = napi.sd
    net = napi.net
    if sd.rps_ipi_list:
        net_rps_action_and_irq_enable(sd)
    napi.weight = net.dev_rx_weight
    work = 0
    pq = sd.process_queue
    while True:
        while pq:
            skb = pq.popleft()
            __netif_receive_skb(skb)
            sd.input_queue_head += 1
            work += 1
            if work >= quota:
                return work
        if not sd.input_pkt_queue:
            napi.state &= ~NAPI_STATE_SCHED
            napi.on_list = False
            return work
        pq.extend(sd.input_pkt_queue)
        sd.input_pkt_queue.clear()


def process_backlog_3_13(napi: BacklogNapi, quota: int) -> int:
    """3.13: when what is left fits the quota the NAPI leaves the list before these packets are processed."""
    from rxpath.net.core.receive import __netif_receive_skb

    sd = napi.sd
    net = napi.net
    if sd.rps_ipi_list:
        net_rps_action_and_irq_enable(sd)
    napi.weight = net.dev_weight
    work = 0
    pq = sd.process_queue
    while work < quota:
        while pq:
            skb = pq.popleft()
            __netif_receive_skb(skb)
            sd.input_queue_head += 1
            work += 1
            if work >= quota:
                return work
        qlen = len(sd.input_pkt_queue)
        if qlen:
            pq.extend(sd.input_pkt_queue)
            sd.input_pkt_queue.clear()
        if qlen < quota - work:
            if napi.on_list:
                sd.poll_list.remove(napi)
                napi.on_list = False
            napi.state &= ~NAPI_STATE_SCHED
            quota = work + qlen
    return work


def backlog_in_flight(sd: SoftnetData) -> int:
    n = 0
    for s in sd.process_queue:
        n += s.tokens
    for s in sd.input_pkt_queue:
        n += s.tokens
    return n
