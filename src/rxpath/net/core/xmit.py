"""The way out: dev_queue_xmit, a FIFO qdisc under the default's name, the driver's start_xmit, NET_TX and
completion.

Frames that the machine makes have a law of their own: generated = sent + looped + dropped + in flight.
Facts: net/core/dev.c, net/sched/sch_generic.c; order recorded on 6.1.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.cpu import Cpu
from rxpath.kernel.softirq import NET_TX_SOFTIRQ, SoftirqAction, raise_softirq_irqoff
from rxpath.net.core.netdevice import IFF_UP, NETIF_F_TSO, Net, NetDevice, NetdevQueue, SoftnetData
from rxpath.net.core.skbuff import (
    CHECKSUM_PARTIAL,
    PACKET_OUTGOING,
    SKB_GSO_TCPV4,
    SKB_GSO_UDP_L4,
    SkBuff,
    kfree_skb_reason,
    kfree_skbmem,
    skb_clone_observer,
    skb_release_data,
    skb_release_head_state,
)
from rxpath.net.core.timestamping import skb_tstamp_sched
from rxpath.sim.ledger import Site

NETDEV_TX_OK: Final = 0
NETDEV_TX_BUSY: Final = 16
NET_XMIT_SUCCESS: Final = 0
NET_XMIT_CN: Final = 2
NET_XMIT_DROP: Final = 1

SITE_TX_DOWN: Final = Site("xmit", "device went down", "tx_dropped", "QDISC_DROP")
SITE_QDISC_FULL: Final = Site("xmit", "qdisc is full", "qdisc drops", "QDISC_DROP")
SITE_NO_CARRIER: Final = Site("xmit", "no qdisc on a device that is down", "none", "QDISC_DROP")
SITE_XMIT_RECURSION: Final = Site("xmit", "recursion limit", "tx_dropped", "NOT_SPECIFIED")

GSO_SENT: Final = SKB_GSO_TCPV4 | SKB_GSO_UDP_L4  # what a device may have to have cut for it
GSO_MAX_SIZE: Final = 65536  # of every device: a longer packet is cut before it (gso_features_check)


def dev_queue_xmit(skb: SkBuff) -> int:
    """Send: `skb.data` at the link header, `skb.dev` set."""
    return __dev_queue_xmit(skb)


def __dev_queue_xmit(skb: SkBuff) -> int:
    dev = skb.dev
    assert dev is not None
    net = dev.net
    k = net.kernel
    cpu = k.cur()
    if skb.own:
        k.ledger.own_generated += 1
    skb.mac_header = skb.data
    if skb.txstamp is not None:
        skb_tstamp_sched(skb)
    cost = k.costs.xmit
    cpu.local_bh_disable()
    if cost:
        cpu.charge(cost)
    if k.trace.net_dev_queue.on:
        k.trace.net_dev_queue.fire(skb, dev)
    txq = netdev_core_pick_tx(dev, skb)
    rc = NET_XMIT_SUCCESS
    if not dev.flags & IFF_UP:  # every queue has the noop qdisc
        kfree_skb_reason(skb, SITE_NO_CARRIER)  # noop_enqueue
        rc = NET_XMIT_CN
    elif dev.qdisc_name == "noqueue":
        sd = net.softnet[cpu.id]
        if sd.xmit_recursion > 8:
            dev.core_tx_dropped += 1
            kfree_skb_reason(skb, SITE_XMIT_RECURSION)
            rc = -100
        else:
            sd.xmit_recursion += 1
            if skb.gso_type & GSO_SENT and (not dev.takes_gso or skb.len >= GSO_MAX_SIZE):
                for s in skb_gso_segment(skb, dev):
                    dev_hard_start_xmit(dev, s, txq)
            else:
                dev_hard_start_xmit(dev, skb, txq)
            sd.xmit_recursion -= 1
    else:
        rc = __dev_xmit_skb(dev, txq, skb)
    cpu.local_bh_enable()
    return rc


def __dev_xmit_skb(dev: NetDevice, txq: NetdevQueue, skb: SkBuff) -> int:
    """Queue and run; an empty qdisc that may be bypassed sends at once.  (Inline in Linux.)"""
    if txq.limit and not txq.q and not txq.running and txq.requeued is None and not txq.stopped and not txq.stack_xoff:
        txq.running = True
        txq.bytes += skb.len
        txq.packets += 1
        if sch_direct_xmit(skb, dev, txq):
            __qdisc_run(txq)
        txq.running = False
        return NET_XMIT_SUCCESS
    if len(txq.q) >= txq.limit:
        txq.drops += 1
        kfree_skb_reason(skb, SITE_QDISC_FULL)
        return NET_XMIT_DROP
    txq.q.append(skb)
    if not txq.running:
        txq.running = True
        __qdisc_run(txq)
        txq.running = False
    return NET_XMIT_SUCCESS


def _xps_queue(dev: NetDevice, skb: SkBuff, n: int) -> int:
    """get_xps_queue: the queues whose xps_cpus has this CPU; among several the hash chooses.  -1: none has."""
    cpu = dev.net.kernel.cur().id
    mine = [i for i in range(n) if dev.tx_queues[i].xps_mask >> cpu & 1]
    if len(mine) <= 1:
        return mine[0] if mine else -1
    return mine[skb.hash * len(mine) >> 32]


def netdev_core_pick_tx(dev: NetDevice, skb: SkBuff) -> NetdevQueue:
    n = dev.real_num_tx_queues
    if n == 1:
        return dev.tx_queues[0]
    q = dev.ndo_select_queue(skb)
    if q < 0:
        q = _xps_queue(dev, skb, n)
    if q < 0:
        if skb.rx_queue_recorded:
            q = skb.queue_mapping % n
        else:
            q = (skb.hash * n) >> 32 if skb.hash else dev.net.kernel.cur().id % n
    skb.queue_mapping = q
    return dev.tx_queues[q]


def skb_network_protocol(skb: SkBuff) -> int:
    return skb.protocol


def passthru_features_check(skb: SkBuff, dev: NetDevice, features: int) -> int:
    return features


def netif_skb_features(skb: SkBuff, dev: NetDevice) -> int:
    f = passthru_features_check(skb, dev, dev.features)
    skb_network_protocol(skb)
    return f


def validate_xmit_xfrm(skb: SkBuff, features: int) -> SkBuff:
    return skb


def validate_xmit_skb(skb: SkBuff, dev: NetDevice) -> SkBuff:
    features = netif_skb_features(skb, dev)
    return validate_xmit_xfrm(skb, features)


def validate_xmit_skb_list(skb: SkBuff, dev: NetDevice) -> SkBuff:
    return validate_xmit_skb(skb, dev)


def skb_gso_segment(skb: SkBuff, dev: NetDevice) -> list[SkBuff]:
    """Cut a packet that stands for many segments, for a device that does not (Linux: by the protocols' callbacks)."""
    po = dev.net.offloads.get(skb.protocol)
    assert po is not None
    segs = po.gso_segment(skb)
    if skb.own:
        skb.own = False
        dev.net.kernel.ledger.own_generated += len(segs) - 1
    skb_release_head_state(skb)
    skb_release_data(skb)
    return segs


def sch_direct_xmit(skb: SkBuff, dev: NetDevice, txq: NetdevQueue, validate: bool = True) -> bool:
    """Give one packet to the driver; True when more may be sent."""
    if skb.gso_type & SKB_GSO_TCPV4 and dev.features & NETIF_F_TSO:  # the card cuts it and makes the checksums
        skb.ip_summed = CHECKSUM_PARTIAL
        skb.csum_start = skb.transport_header
        skb.csum_offset = 16
    elif skb.gso_type & GSO_SENT and not dev.takes_gso:
        segs = skb_gso_segment(skb, dev)
        for i, s in enumerate(segs):
            if txq.stopped or txq.stack_xoff:
                txq.q.extendleft(reversed(segs[i:]))
                return False
            if not sch_direct_xmit(s, dev, txq, validate):
                txq.q.extendleft(reversed(segs[i + 1 :]))
                return False
        return True
    if validate:
        skb = validate_xmit_skb_list(skb, dev)
    if txq.stopped or txq.stack_xoff:
        txq.requeued = skb
        return False
    if dev_hard_start_xmit(dev, skb, txq) == NETDEV_TX_BUSY:
        txq.requeued = skb
        return False
    return True


def dev_hard_start_xmit(dev: NetDevice, skb: SkBuff, txq: NetdevQueue) -> int:
    net = dev.net
    for pt in net.ptype_all + dev.ptype_all:
        if not pt.ignore_outgoing and (skb.sk is None or pt.af_packet_sk is not skb.sk):
            c = skb_clone_observer(skb)
            c.own = False
            c.pkt_type = PACKET_OUTGOING
            if c.network_header < c.data or c.network_header > c.data + c.len:
                c.network_header = c.data
            pt.func(c, dev, dev)
    ln = skb.len
    rc = dev.ndo_start_xmit(skb, txq)
    cpu = net.kernel.cur()
    if cpu.attention:  # interrupts are on: a completion that came at once is taken here
        cpu.charge(0)
    tp = net.kernel.trace.net_dev_xmit
    if tp.on:
        tp.fire(skb, rc, dev, ln)
    return rc


def fq_codel_dequeue(txq: NetdevQueue) -> SkBuff | None:
    return __fq_codel_dequeue(txq)


def __fq_codel_dequeue(txq: NetdevQueue) -> SkBuff | None:
    return txq.q.popleft() if txq.q else None


def __qdisc_run(txq: NetdevQueue) -> None:
    """Send what is queued while the driver takes it."""
    quota = txq.dev.net.dev_tx_weight
    while not txq.stopped and not txq.stack_xoff:
        skb = txq.requeued
        if skb is not None:
            txq.requeued = None
        else:
            skb = fq_codel_dequeue(txq)
            if skb is None:
                return
        if not sch_direct_xmit(skb, txq.dev, txq):
            return
        quota -= 1
        if quota <= 0:
            netif_schedule_queue(txq)
            return


# --- queue state, as drivers use it -------------------------------------------------------------------------


def netif_tx_start_queue(q: NetdevQueue) -> None:
    q.stopped = False


def netif_tx_stop_queue(q: NetdevQueue) -> None:
    q.stopped = True
    q.trans_start = q.dev.net.kernel.jiffies()


def netdev_tx_sent_queue(q: NetdevQueue, nbytes: int) -> None:
    """The driver gave `nbytes` to the device; above the limit the stack waits (inline in Linux)."""
    q.dql.queued(nbytes)
    if q.dql.avail() < 0:
        q.stack_xoff = True


def netdev_tx_completed_queue(q: NetdevQueue, pkts: int, nbytes: int) -> None:
    """The device has sent `nbytes`; the queue goes on when the limit allows (inline in Linux)."""
    if not nbytes:
        return
    k = q.dev.net.kernel
    q.dql.completed(nbytes, k.jiffies(), k.msecs_to_jiffies(q.bql_hold_ms))
    if q.dql.avail() < 0:
        return
    if q.stack_xoff:
        q.stack_xoff = False
        netif_schedule_queue(q)


def netdev_tx_reset_queue(q: NetdevQueue) -> None:
    """The ring was emptied."""
    q.stack_xoff = False
    q.dql.reset()


def netif_tx_wake_queue(q: NetdevQueue) -> None:
    if q.stopped:
        q.stopped = False
        netif_schedule_queue(q)


def netif_schedule_queue(q: NetdevQueue) -> None:
    if not q.stopped and not q.sched_pending:
        __netif_reschedule(q)


def __netif_reschedule(q: NetdevQueue) -> None:
    net = q.dev.net
    cpu = net.kernel.cpus[0] if net.kernel.engine.current is None else net.kernel.cur()
    q.sched_pending = True
    net.softnet[cpu.id].output_queue.append(q)
    raise_softirq_irqoff(cpu, NET_TX_SOFTIRQ)


def __dev_kfree_skb_any(skb: SkBuff) -> None:
    """The device has sent it: free it, through NET_TX when in a hard interrupt.  Books own_sent."""
    net = skb.net
    if skb.own:
        net.kernel.ledger.own_sent += 1
        skb.own = False
    cpu = net.kernel.cur()
    if cpu.hardirq_count or cpu.irqs_off:
        __dev_kfree_skb_irq(skb)
    else:
        skb_release_head_state(skb)
        skb_release_data(skb)
        kfree_skbmem(skb)


def __dev_kfree_skb_irq(skb: SkBuff) -> None:
    net = skb.net
    cpu = net.kernel.cur()
    net.softnet[cpu.id].completion_queue.append(skb)
    raise_softirq_irqoff(cpu, NET_TX_SOFTIRQ)


def __kfree_skb_defer(skb: SkBuff) -> None:
    skb_release_head_state(skb)
    skb_release_data(skb)


class NetTxAction(SoftirqAction):
    """NET_TX."""

    __slots__ = ("net",)

    def __init__(self, net: Net) -> None:
        self.net = net

    def action(self, cpu: Cpu) -> None:
        net_tx_action(self.net.softnet[cpu.id])


def net_tx_action(sd: SoftnetData) -> None:
    """Free what was completed in hard interrupts, then run the queues that were scheduled."""
    if sd.completion_queue:
        done = sd.completion_queue
        sd.completion_queue = []
        while done:
            __kfree_skb_defer(done.pop())
    if sd.output_queue:
        lst = sd.output_queue
        sd.output_queue = []
        for q in lst:
            q.sched_pending = False
            if not q.running:
                q.running = True
                __qdisc_run(q)
                q.running = False
    xfrm_dev_backlog()


def xfrm_dev_backlog() -> None:
    """No IPsec offload here."""


def own_in_flight(net: Net) -> int:
    """Frames of the machine's own that wait in qdiscs (drivers count their rings)."""
    n = 0
    for dev in net.devices:
        for q in dev.tx_queues:
            for s in q.q:
                if s.own:
                    n += 1
            if q.requeued is not None and q.requeued.own:
                n += 1
    return n
