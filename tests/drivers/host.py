"""A machine without protocols: kernel, network core, one 82574L, e1000e, and a tap that keeps what comes up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxpath.drivers.e1000e import E1000eModule
from rxpath.drivers.e1000e.e1000 import E1000Adapter
from rxpath.drivers.e1000e.netdev import E1000NetDevice
from rxpath.drivers.pci import PciDev, pci_bus, pci_scan_slot
from rxpath.hw.nic.i82574 import I82574
from rxpath.kernel.core import Kernel
from rxpath.kernel.release import find_release
from rxpath.net.core import dev as core_dev
from rxpath.net.core.netdevice import ETH_P_ALL, Net, NetDevice, PacketType, dev_add_pack, dev_close, dev_open
from rxpath.net.core.skbuff import SkBuff, consume_skb
from rxpath.sim.costs import Costs
from rxpath.sim.ledger import Site

MAC = b"\x52\x54\x00\x12\x34\x56"
PEER = b"\x52\x54\x00\xaa\xbb\xcc"
SITE_TAP = Site("test", "seen by the test", "none")


class Tap(PacketType):
    """Keeps (bytes from the link header on, truesize, skb fields) of every frame, and ends it as consumed."""

    __slots__ = ("frames", "skbs", "on_frame")

    def __init__(self, type_: int) -> None:
        super().__init__(type_, "tap")
        self.frames: list[bytes] = []
        self.skbs: list[SkBuff] = []
        self.on_frame: Callable[[SkBuff], None] | None = None

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        self.frames.append(skb.head[skb.mac_header : skb.tail])
        self.skbs.append(skb)
        if self.on_frame is not None:
            self.on_frame(skb)
        consume_skb(skb, SITE_TAP)
        return 0


class Host:
    def __init__(
        self,
        *,
        release: str = "6.1",
        params: dict[str, str] | None = None,
        ncpus: int = 1,
        refuse: tuple[str, ...] = (),
        costs: Costs | None = None,
        nics: int = 1,
        load: bool = True,
        model: Callable[[int], Any] | None = None,
        protocol: int = 0x88B5,
        hz: int = 250,
    ) -> None:
        self.kernel = k = Kernel(find_release(release), ncpus=ncpus, costs=costs, hz=hz)
        self.net = Net(k)
        self.models: list[Any] = []
        self.sent: list[list[bytes]] = []
        for i in range(nics):
            mac = MAC[:5] + bytes([MAC[5] + i])
            m = model(i) if model is not None else I82574(mac)
            slot = k.pci.plug(m)
            k.pci.assign_bars(slot)
            out: list[bytes] = []
            m.tx_sink = out.append
            self.models.append(m)
            self.sent.append(out)
        k.start()
        core_dev.register_initcalls(k, self.net)
        self.task(k.initcalls.do_initcalls)
        self.bus = pci_bus(k)
        if refuse:
            for s in k.pci.slots:
                pci_scan_slot(self.bus, s, refuse)
        self.tap = Tap(protocol)
        dev_add_pack(self.net, self.tap)
        self.module = E1000eModule(params)
        self.tags = 0
        if load:
            self.task(lambda: self.module.init(k, self.net))

    # --- doing things ---------------------------------------------------------------------------------------
    def task(self, fn: Callable[[], Any], cpu: int = 0) -> Any:
        """Run `fn` as a task to its end; raises what it raised."""
        return self.kernel.in_task(fn, "test", cpu)

    def run(self, ns: int = 10_000_000) -> None:
        """Let time pass."""
        eng = self.kernel.engine
        eng.run(eng.now + ns)
        if self.kernel.task_errors:
            raise self.kernel.task_errors.pop(0)[1]

    def up(self, name: str = "eth0") -> None:
        """Cable in, interface up, wait for the carrier."""
        i = [d.name for d in self.net.devices if d is not self.net.loopback].index(name)
        self.models[i].link_change(True)
        dev = self.dev(name)
        self.task(lambda: dev_open(dev))
        for _ in range(600):
            if dev.carrier_ok:
                return
            self.run(10_000_000)
        raise AssertionError("no carrier on %s" % name)

    def down(self, name: str = "eth0") -> None:
        dev = self.dev(name)
        self.task(lambda: dev_close(dev))

    def rx(self, frame: bytes, n: int = 1, nic: int = 0, fcs_ok: bool = True) -> int:
        """`n` copies arrive now, each with a tag; how many the device took."""
        took = 0
        for _ in range(n):
            self.kernel.ledger.wire += 1
            self.tags += 1
            took += self.models[nic].receive(frame, self.tags, fcs_ok)
        return took

    # --- looking --------------------------------------------------------------------------------------------
    def dev(self, name: str = "eth0") -> E1000NetDevice:
        d = self.net.dev_get_by_name(name)
        assert isinstance(d, E1000NetDevice)
        return d

    def adapter(self, name: str = "eth0") -> E1000Adapter:
        return self.dev(name).priv()

    def pdev(self, i: int = 0) -> PciDev:
        return self.bus.devices[i]

    def log(self) -> list[str]:
        return [r.text for r in self.kernel.log.records]

    def in_flight(self) -> int:
        n = core_dev.core_in_flight(self.net)
        n += sum(m.in_flight() for m in self.models)
        return n + sum(d.rx_in_flight() for d in self.net.devices)

    def check(self) -> None:
        self.kernel.ledger.check(self.in_flight())


def frame(length: int = 60, proto: int = 0x88B5, dst: bytes = MAC, src: bytes = PEER, fill: int = 0) -> bytes:
    """An Ethernet frame of `length` bytes without FCS."""
    head = dst + src + proto.to_bytes(2, "big")
    body = bytes((fill + i) & 0xFF for i in range(length - 14))
    return head + body


__all__ = ["ETH_P_ALL", "MAC", "PEER", "Host", "Tap", "frame"]
