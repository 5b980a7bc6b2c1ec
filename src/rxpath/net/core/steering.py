"""Packet steering: flow hash, RPS and RFS, per-CPU backlogs, flow limit.

Facts: net/core/dev.c get_rps_cpu, enqueue_to_backlog, process_backlog; net/core/flow_dissector.c (3.13, 5.15, 6.1,
6.12); backlog limits recorded on 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.softirq import NET_RX_SOFTIRQ, __raise_softirq_irqoff
from rxpath.net.core.netdevice import (
    NAPI_STATE_SCHED,
    NapiStruct,
    Net,
    SoftnetData,
)
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason
from rxpath.sim.ledger import Site

if TYPE_CHECKING:
    from rxpath.net.core.sock import Sock

TCP_ESTABLISHED: Final = 1

SITE_BACKLOG: Final = Site("backlog", "backlog of the CPU is full", "softnet_stat dropped", "CPU_BACKLOG")
SITE_FLOW_LIMIT: Final = Site("backlog", "flow limit", "softnet_stat flow_limit_count", "CPU_BACKLOG")
SITE_NOT_RUNNING: Final = Site("backlog", "device is down", "rx_dropped", "DEV_READY")

NET_RX_SUCCESS: Final = 0
NET_RX_DROP: Final = 1


RPS_NO_CPU: Final = 0xFFFF
RPS_UNSET: Final = 0xFFFFFFFF  # an entry of the sockets' table that no reader wrote


class RpsDevFlow:
    """`struct rps_dev_flow`: where the packets of a flow (by hash) of one queue go now."""

    __slots__ = ("cpu", "last_qtail")

    def __init__(self) -> None:
        self.cpu = RPS_NO_CPU
        self.last_qtail = 0


class SdFlowLimit:
    """`struct sd_flow_limit`: the recent history of flows that one CPU enqueued."""

    __slots__ = ("buckets", "history", "history_head", "num_buckets")

    HISTORY: Final = 128

    def __init__(self, num_buckets: int) -> None:
        self.num_buckets = num_buckets
        self.buckets = [0] * num_buckets
        self.history = [0] * SdFlowLimit.HISTORY
        self.history_head = 0


def get_rps_cpu(net: Net, skb: SkBuff) -> int:
    """The CPU that should process `skb`, or -1 for no steering.

    RFS first (the CPU where the flow's reader last ran, once all earlier packets of the flow have left the
    old CPU's backlog), then the RPS map of the queue.
    """
    dev = skb.dev
    assert dev is not None
    k = net.kernel
    index = 0
    if skb.rx_queue_recorded:
        index = skb.queue_mapping
        if index >= dev.real_num_rx_queues:
            k.log.warn_once(
                "rps_queue",
                "%s received packet on queue %u, but number of RX queues is %u"
                % (dev.name, index, dev.real_num_rx_queues),
            )
            return -1
    q = dev.rx_queues[index]
    rps = q.rps_map
    flows = q.rps_flow_table
    if rps is None and flows is None:
        return -1
    if rps is not None and len(rps) == 1 and flows is None and not k.release.rfs_entry_has_hash:
        return rps[0] if k.cpus[rps[0]].online else -1
    h = skb_get_hash(net, skb)
    if h == 0:
        return -1
    table = net.rps_sock_flow_table
    if flows is not None and table is not None:
        mask_bits = net.rps_cpu_mask
        unset = RPS_UNSET if k.release.rfs_entry_has_hash else RPS_NO_CPU
        ident = table.get(h & (net.rps_sock_flow_entries - 1), unset)
        if not k.release.rfs_entry_has_hash or (ident ^ h) & ~mask_bits & 0xFFFFFFFF == 0:
            next_cpu = ident & mask_bits if k.release.rfs_entry_has_hash else ident
            entry = flows.get(h & (q.rps_flow_cnt - 1))
            if entry is None:
                entry = flows[h & (q.rps_flow_cnt - 1)] = RpsDevFlow()
            tcpu = entry.cpu
            if tcpu != next_cpu and (
                tcpu >= len(k.cpus)
                or not k.cpus[tcpu].online
                or _signed(net.softnet[tcpu].input_queue_head - entry.last_qtail) >= 0
            ):
                tcpu = next_cpu
                entry.cpu = next_cpu if next_cpu < len(k.cpus) else RPS_NO_CPU
                if next_cpu < len(k.cpus):
                    entry.last_qtail = net.softnet[next_cpu].input_queue_head
            if tcpu < len(k.cpus) and k.cpus[tcpu].online:
                net.rps_flow = entry
                return int(tcpu)
    if rps is not None:
        cpu = rps[(h * len(rps)) >> 32]
        if k.cpus[cpu].online:
            return cpu
    return -1


def _signed(v: int) -> int:
    v &= 0xFFFFFFFF
    return v - (1 << 32) if v & 0x80000000 else v


def sock_rps_record_flow(sk: Sock) -> None:
    """A program reads from or writes to this socket here; only connected ones count (3.13: all).  Inline in Linux."""
    if sk.state == TCP_ESTABLISHED or not sk.net.kernel.release.rfs_entry_has_hash:
        sock_rps_record_flow_hash(sk.net, sk.rxhash)


def sock_rps_record_flow_hash(net: Net, flow_hash: int) -> None:
    """A reader of this flow runs here (sock_rps_record_flow): remember it in the global table."""
    table = net.rps_sock_flow_table
    if table is not None and flow_hash:
        cpu = net.kernel.cur().id
        if net.kernel.release.rfs_entry_has_hash:
            table[flow_hash & (net.rps_sock_flow_entries - 1)] = (flow_hash & ~net.rps_cpu_mask & 0xFFFFFFFF) | cpu
        else:
            table[flow_hash & (net.rps_sock_flow_entries - 1)] = cpu


def skb_get_hash(net: Net, skb: SkBuff) -> int:
    """The stored hash if it covers ports or is ours, else a software hash of addresses and ports."""
    if not skb.l4_hash and not skb.sw_hash:
        __skb_get_hash(net, skb)
    return skb.hash


def __skb_get_hash(net: Net, skb: SkBuff) -> None:
    skb.hash = flow_hash(net, skb)
    skb.sw_hash = True


def flow_hash(net: Net, skb: SkBuff) -> int:
    """A keyed hash of the dissected flow; 0 becomes 1.

    Linux: jhash of three words (3.13) or SipHash with a boot-random key (5.15); the value itself shows in
    no interface but traces, so any good keyed hash serves.  Dissected: VLAN tags in the payload, IPv4
    addresses, ports of TCP and UDP but not of fragments.
    """
    h = skb.head
    o = skb.data
    end = skb.tail
    proto = skb.protocol
    while proto in (0x8100, 0x88A8) and end - o >= 4:
        proto = h[o + 2] << 8 | h[o + 3]
        o += 4
    if proto != 0x0800 or end - o < 20 or h[o] >> 4 != 4 or h[o] & 15 < 5:
        if proto == 0x86DD and end - o >= 40:
            return _mix(net, int.from_bytes(h[o + 8 : o + 40], "big") ^ h[o + 6])
        return _mix(net, proto) if net.kernel.release.flow_hash != "jhash3" else 0
    ihl = (h[o] & 15) * 4
    src = int.from_bytes(h[o + 12 : o + 16], "big")
    dst = int.from_bytes(h[o + 16 : o + 20], "big")
    ip_proto = h[o + 9]
    sport = dport = 0
    fragment = h[o + 6] & 0x3F or h[o + 7]
    if ip_proto in (6, 17, 132, 136) and not fragment and end - o >= ihl + 4:
        sport = h[o + ihl] << 8 | h[o + ihl + 1]
        dport = h[o + ihl + 2] << 8 | h[o + ihl + 3]
    if net.kernel.release.flow_symmetric_independent:
        if dst < src:
            src, dst = dst, src
        if dport < sport:
            sport, dport = dport, sport
        return _mix(net, src << 64 | dst << 32 | sport << 16 | dport | ip_proto << 96)
    if dst < src or (dst == src and dport < sport):
        src, dst = dst, src
        sport, dport = dport, sport
    return _mix(net, src << 64 | dst << 32 | sport << 16 | dport)


def _mix(net: Net, v: int) -> int:
    """A 128-bit multiply-and-fold of the keyed input to 32 bits."""
    m = (1 << 128) - 1
    v = ((v ^ net.hash_secret) * 0x9E3779B97F4A7C15F39CC0605CEDC835) & m
    v ^= v >> 67
    v = (v * 0xD1B54A32D192ED03) & m
    return (v >> 80) & 0xFFFFFFFF or 1


def skb_flow_limit(net: Net, sd: SoftnetData, skb: SkBuff, qlen: int) -> bool:
    """Whether the flow of `skb` has more than half of the recent history of a queue that is half full."""
    if qlen < net.netdev_max_backlog >> 1:
        return False
    fl = net.softnet[net.kernel.cur().id].flow_limit
    if fl is None:
        return False
    new = skb_get_hash(net, skb) & (fl.num_buckets - 1)
    old = fl.history[fl.history_head]
    fl.history[fl.history_head] = new
    fl.history_head = (fl.history_head + 1) & (SdFlowLimit.HISTORY - 1)
    if fl.buckets[old]:
        fl.buckets[old] -= 1
    fl.buckets[new] += 1
    if fl.buckets[new] > SdFlowLimit.HISTORY >> 1:
        net.softnet[net.kernel.cur().id].flow_limit_count += 1
        return True
    return False


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
    flow = net.rps_flow
    net.rps_flow = None
    qlen = len(sd.input_pkt_queue)
    limited = qlen <= net.netdev_max_backlog and skb_flow_limit(net, sd, skb, qlen)
    if qlen <= net.netdev_max_backlog and not limited:
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
                    if not my.in_net_rx_action and not my.in_napi_threaded_poll:
                        __raise_softirq_irqoff(cur, NET_RX_SOFTIRQ)
        sd.input_pkt_queue.append(skb)
        sd.input_queue_tail += 1
        if flow is not None:
            flow.last_qtail = sd.input_queue_tail
        return NET_RX_SUCCESS
    sd.dropped += 1
    dev.core_rx_dropped += 1
    kfree_skb_reason(skb, SITE_FLOW_LIMIT if limited else SITE_BACKLOG)
    return NET_RX_DROP


def _schedule_backlog(sd: SoftnetData) -> None:
    b = sd.backlog
    assert b is not None
    sd.poll_list.append(b)
    b.on_list = True
    b.list_owner = sd.cpu.id
    if not sd.in_net_rx_action:
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
                net.softnet[napi.list_owner].poll_list.remove(napi)
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
