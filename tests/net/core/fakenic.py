"""A net device without hardware: frames in a list, one message interrupt, one NAPI a queue; and a machine without IPv4."""

from __future__ import annotations

from typing import Any

from rxpath.hw.irqchip import msi_message
from rxpath.kernel import procfs
from rxpath.kernel.core import Kernel
from rxpath.kernel.irq import IRQ_HANDLED
from rxpath.kernel.release import R_6_1, Release
from rxpath.net.core import dev as core_dev
from rxpath.net.core.gro import napi_gro_receive
from rxpath.net.core.napi import napi_complete_done, napi_enable, napi_schedule
from rxpath.net.core.netdevice import (
    NapiStruct,
    Net,
    NetDevice,
    PacketType,
    dev_add_pack,
    dev_open,
    netif_napi_add,
    register_netdev,
)
from rxpath.net.core.receive import eth_type_trans
from rxpath.net.core.skbuff import CHECKSUM_UNNECESSARY, SkBuff, __napi_alloc_skb, consume_skb, skb_put
from rxpath.sim.costs import Costs

alloc = __napi_alloc_skb


class FakeNapi(NapiStruct):
    def __init__(self, dev: FakeNic, index: int) -> None:
        super().__init__(dev.net, dev)
        self.nic = dev
        self.ring: list[tuple[bytes, int]] = []
        self.queue = index
        self.masked = True
        self.desc = dev.net.kernel.irq.alloc_msi(index, "msix", "fake", lambda cpu, vec: None)
        self.works: list[int] = []

    def poll(self, budget: int) -> int:
        n = 0
        while self.ring and n < budget:
            frame, rss = self.ring.pop(0)
            n += 1
            skb = alloc(self.net, len(frame))
            skb.head_frag = True
            skb_put(skb, frame)
            skb.tokens = 1
            skb.tag = self.nic.tag
            self.nic.tag += 1
            self.net.kernel.ledger.wire += 1
            eth_type_trans(skb, self.nic)
            skb.hash = rss
            skb.ip_summed = self.nic.ip_summed
            skb.queue_mapping = self.queue
            skb.rx_queue_recorded = True
            if self.nic.cost:
                self.net.kernel.cur().charge(self.nic.cost)
            napi_gro_receive(self, skb)
        self.works.append(n)
        if n < budget and napi_complete_done(self, n):
            self.masked = False
            if self.ring:
                self.fire()
        return n

    def fire(self) -> None:
        if not self.masked:
            self.masked = True
            self.net.kernel.irqchip.msi(*msi_message(self.desc.cpu, self.desc.vector))


class FakeNic(NetDevice):
    """`deliver(frames)` puts frames into a ring and interrupts."""

    def __init__(self, net: Net, queues: int = 1) -> None:
        super().__init__(net, "eth%d", rxqs=queues, txqs=1)
        self.dev_addr = b"\x02\0\0\0\0\x02"
        self.tag = 0
        self.cost = 0
        self.ip_summed = CHECKSUM_UNNECESSARY
        self.napis = [FakeNapi(self, i) for i in range(queues)]
        for n in self.napis:
            netif_napi_add(self, n)

    def ndo_open(self) -> None:
        for n in self.napis:
            self.net.kernel.irq.request_irq(n.desc.irq, self.handler, 0, f"{self.name}-rx-{n.queue}", n)
            napi_enable(n)
            n.masked = False

    def handler(self, irq: int, dev: object) -> int:
        assert isinstance(dev, FakeNapi)
        napi_schedule(dev)
        return IRQ_HANDLED

    def rx_in_flight(self) -> int:
        return 0

    def deliver(self, frames: list[bytes], queue: int = 0, rss: int = 0) -> None:
        n = self.napis[queue]
        n.ring.extend((f, rss) for f in frames)
        n.fire()


class Catcher(PacketType):
    """Where IPv4 would be: keeps what is handed up and calls it delivered."""

    def __init__(self, type_: int = 0x0800, cost: int = 0) -> None:
        super().__init__(type_, "catcher")
        self.has_list_func = True
        self.got: list[tuple[int, int, int]] = []  # (time, cpu, length)
        self.skbs: list[SkBuff] = []
        self.cost = cost

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        k = skb.net.kernel
        self.got.append((k.engine.now, k.cur().id, skb.len))
        self.skbs.append(skb)
        if self.cost:
            k.cur().charge(self.cost)
        consume_skb(skb, None)
        return 0

    def list_func(self, skbs: list[SkBuff], dev: NetDevice, orig_dev: NetDevice) -> None:
        for s in skbs:
            self.func(s, dev, orig_dev)


class Host:
    """Kernel, network core, one FakeNic that is up, a Catcher."""

    def __init__(self, release: Release = R_6_1, *, ncpus: int = 1, queues: int = 1, costs: Costs | None = None, **kw: Any) -> None:
        self.k = Kernel(release, ncpus=ncpus, costs=costs, **kw)
        self.net = Net(self.k)
        self.k.start()
        self.k.initcalls.add("fs", "proc", lambda: procfs.register(self.k))
        core_dev.register_initcalls(self.k, self.net)
        self.k.initcalls.do_initcalls()
        self.nic = FakeNic(self.net, queues)
        register_netdev(self.nic)
        dev_open(self.nic)
        self.ip = Catcher()
        dev_add_pack(self.net, self.ip)
        for c in self.k.cpus:  # ksoftirqd threads go to sleep
            assert c.ksoftirqd is not None
            self.k.sched.wake_up_process(c.ksoftirqd)
        self.k.engine.run(0)

    def run(self, until: int | None = None) -> None:
        if until is None:
            self.k.engine.run()
        else:
            self.k.engine.run(until)

    def check(self) -> None:
        self.k.ledger.check(core_dev.core_in_flight(self.net))

    def softnet(self, cpu: int = 0) -> dict[str, int]:
        sd = self.net.softnet[cpu]
        return {n: int(getattr(sd, n)) for n in ("processed", "dropped", "time_squeeze", "received_rps", "flow_limit_count")}
