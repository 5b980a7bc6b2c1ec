"""The ledger's law needs every booking: one is taken away at a time, a stage each, and the law fails each time."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from rxpath.hw.pcibus import HostBus
from rxpath.hw.regs import i82574, igb, ixgbe
from rxpath.net.core import skbuff
from rxpath.net.core.netdevice import dev_close
from rxpath.sim.ledger import Ledger, LedgerError, Site
from rxpath.wire.arp import ARPOP_REQUEST
from rxpath.wire.build import arp_frame, icmp_echo_frame, ipv4_frame, udp_frame
from rxpath.wire.ethernet import ether_frame

from .box import HOST, MS, OTHER_MAC, PEER, PEER_MAC, Box

plain = pytest.mark.skipif(not str(skbuff.__file__).endswith(".py"), reason="compiled functions cannot be replaced")


def mac_filter(b: Box) -> None:
    b.rx(udp_frame(PEER_MAC, OTHER_MAC, PEER, HOST, 1, 9, b"x" * 20))


def masked(b: Box, n: int) -> None:
    """`n` frames while the device may not interrupt."""
    model = b.m.config.nics[0].model
    dev = b.m.dev("eth0")
    if model == "e1000e":
        dev.adapter.the_hw().ew32(i82574.IMC, 0xFFFFFFFF)
    elif model == "igb":
        dev.priv().the_hw().wr32(igb.EIMC, 0xFFFFFFFF)
    else:
        for bank in range(2):
            dev.priv().hw.write(ixgbe.EIMC_EX(bank), 0xFFFFFFFF)
    for _ in range(n):
        b.m.ports[0].receive(b.udp(9, 1000))


def fifo(b: Box) -> None:
    masked(b, 400 if b.m.config.nics[0].model == "e1000e" else 1200)


def no_descriptor(b: Box) -> None:
    """Several queues and no pause frames: a queue drops for itself instead of holding the others up."""
    b.do("ethtool -A eth0 autoneg off rx off tx off")
    b.m.wait_for_link()
    b.run(50 * MS)
    masked(b, 1200)


def steered(b: Box, maximum: int, limit: int) -> None:
    """A burst of one flow to a CPU that takes nothing meanwhile."""
    for irq, desc in b.m.kernel.irq.descs.items():
        if desc.actions:
            b.m.files.write(f"/proc/irq/{irq}/smp_affinity", "1")
    b.rx(b.udp(9, 64), 2)  # the queue's interrupt has moved to CPU 0
    for queue in range(2):
        b.do(f"echo 2 > /sys/class/net/eth0/queues/rx-{queue}/rps_cpus")
    b.do(f"sysctl -w net.core.netdev_max_backlog={maximum} net.core.flow_limit_cpu_bitmap={limit}")
    stuck = b.m.kernel.cpus[1]
    stuck.local_irq_disable()
    for _ in range(8):
        for _ in range(25):
            b.m.ports[0].receive(b.udp(9, 64))
        b.run()
    stuck.irqs_off -= 1
    stuck.need_attention()
    b.run()


def full_backlog(b: Box) -> None:
    steered(b, 100, 0)


def flow_limit(b: Box) -> None:
    steered(b, 150, 1)


def tag_filter(b: Box) -> None:
    vlan(b)


def ring(b: Box) -> None:
    masked(b, 100)
    dev = b.m.dev("eth0")
    b.m.in_task(lambda: dev_close(dev))


def ethertype(b: Box) -> None:
    b.rx(ether_frame(b.mac, PEER_MAC, 0x88B5, b"z" * 64))


def vlan(b: Box) -> None:
    b.rx(udp_frame(PEER_MAC, b.mac, PEER, HOST, 1, 9, b"x" * 40, vlan=5))


def protocol(b: Box) -> None:
    b.rx(ipv4_frame(PEER_MAC, b.mac, PEER, HOST, 253, b"x" * 40))


def header(b: Box) -> None:
    f = b.udp(9, 64)
    b.rx(f[:24] + bytes([f[24] ^ 0x55]) + f[25:])


def other_host(b: Box) -> None:
    b.rx(udp_frame(PEER_MAC, b.mac, PEER, 0x0A090909, 1, 9, b"x" * 40))


def closed_port(b: Box) -> None:
    b.rx(b.udp(9, 64))


def bad_checksum(b: Box) -> None:
    b.rx(b.udp(9, 64, checksum=0x1234))


def full_socket(b: Box) -> None:
    s = b.bound(5000, 2304)
    b.rx(b.udp(5000, 64), 10)
    b.drain(s)


def closed_unread(b: Box) -> None:
    s = b.bound(5000)
    b.rx(b.udp(5000, 64), 3)
    b.m.in_task(s.close)


def read(b: Box) -> None:
    s = b.bound(5000)
    b.rx(b.udp(5000, 64), 3)
    assert b.drain(s) == [64] * 3


def ping(b: Box) -> None:
    b.rx(icmp_echo_frame(PEER_MAC, b.mac, PEER, HOST, 1, 1, b"e" * 56))


def who_has(b: Box) -> None:
    b.rx(arp_frame(ARPOP_REQUEST, PEER_MAC, PEER, b"\0" * 6, HOST))


# stage, word of the reason, where the booking call is made (module, function), what brings a frame there
CASES: list[tuple[str, str, str, str, Callable[[Box], None]]] = [
    ("nic", "mac filter", "hw.pcibus", "frame_dropped", mac_filter),
    ("nic", "rx fifo full", "hw.pcibus", "frame_dropped", fifo),
    ("ring", "ring discarded on down", "sim.ledger", "book_drop", ring),
    ("core", "no protocol handler", "net.core.receive", "kfree_skb_reason", ethertype),
    ("ip", "frame is for another host", "net.ipv4.ip_input", "kfree_skb_reason", vlan),
    ("ip", "no such protocol", "net.ipv4.ip_input", "kfree_skb_reason", protocol),
    ("ip", "bad IP header checksum", "net.ipv4.ip_input", "kfree_skb_reason", header),
    ("ip", "not for this host and forwarding is off", "net.ipv4.route", "kfree_skb_reason", other_host),
    ("udp", "no socket on that port", "net.ipv4.udp", "kfree_skb_reason", closed_port),
    ("udp", "bad UDP checksum", "net.ipv4.udp", "kfree_skb_reason", bad_checksum),
    ("socket", "receive buffer full", "net.ipv4.udp", "kfree_skb_reason", full_socket),
    ("socket", "socket closed unread", "net.ipv4.udp", "kfree_skb_reason", closed_unread),
    ("delivered", "", "net.ipv4.udp", "consume_skb", read),
    ("icmp", "ICMP", "net.ipv4.icmp", "consume_skb", ping),
    ("arp", "ARP", "net.ipv4.arp", "consume_skb", who_has),
]


# igb and ixgbe filter tags in the device; with more than one queue a queue without descriptors drops for itself
COMMON = [c for c in CASES if c[4] is not vlan]
OTHERS = [
    *COMMON,
    ("nic", "vlan filter", "hw.pcibus", "frame_dropped", tag_filter),
]
TWO_CPUS = [
    ("nic", "no rx descriptor", "hw.pcibus", "frame_dropped", no_descriptor),
    ("backlog", "backlog of the CPU is full", "net.core.steering", "kfree_skb_reason", full_backlog),
    ("backlog", "flow limit", "net.core.steering", "kfree_skb_reason", flow_limit),
]
ALL = [
    *(("e1000e", 1, c) for c in CASES),
    *((model, 1, c) for model in ("igb", "ixgbe") for c in OTHERS),
    *((model, 2, c) for model in ("igb", "ixgbe") for c in TWO_CPUS),
]


def booked(b: Box, stage: str, reason: str) -> int:
    led: Ledger = b.m.kernel.ledger
    if stage == "delivered":
        return led.delivered
    return sum(n for (s, why, _), n in led.dropped.items() if (s, why) == (stage, reason)) + led.consumed.get(
        (stage, reason), 0
    )


def take_away(monkeypatch: pytest.MonkeyPatch, stage: str, reason: str, module: str, name: str) -> list[int]:
    """Skip the booking of this stage and reason, there alone; the list grows with every call skipped."""
    skipped: list[int] = []
    if name == "frame_dropped":
        lost = HostBus.frame_dropped

        def frame_dropped(self: HostBus, tag: Any, why: str, counter: str) -> None:
            if why == reason:
                skipped.append(1)
            else:
                lost(self, tag, why, counter)

        monkeypatch.setattr(HostBus, name, frame_dropped)
    elif name == "book_drop":
        book = Ledger.book_drop

        def book_drop(self: Ledger, site: Site, tokens: int) -> None:
            if (site.stage, site.reason) == (stage, reason):
                skipped.append(1)
            else:
                book(self, site, tokens)

        monkeypatch.setattr(Ledger, name, book_drop)
    else:
        where = importlib.import_module("rxpath." + module)
        end = getattr(where, name)

        def unbooked(skb: Any, site: Site | None) -> None:
            if ("delivered", "") == (stage, reason) if site is None else (site.stage, site.reason) == (stage, reason):
                skipped.append(1)
                skb.tokens = 0
            end(skb, site)

        monkeypatch.setattr(where, name, unbooked)
    return skipped


@plain
@pytest.mark.parametrize(
    ("model", "cpus", "case"), ALL, ids=[f"{m}-{c[0]}-{c[1]}".replace(" ", "_") for m, _, c in ALL]
)
def test_the_law_fails_without_the_booking(
    model: str, cpus: int, case: tuple[str, str, str, str, Callable[[Box], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, reason, module, name, act = case
    whole = Box(model=model, cpus=cpus)
    act(whole)
    assert booked(whole, stage, reason) > 0
    whole.m.check()
    whole.close()
    with monkeypatch.context() as m:
        b = Box(model=model, cpus=cpus)
        skipped = take_away(m, stage, reason, module, name)
        act(b)
        assert skipped
        with pytest.raises(LedgerError):
            b.m.check()
        b.m.closed = True
        b.m.kernel.close()


def test_every_stage_has_a_case() -> None:
    from rxpath.tune.replay import STAGE_OF

    for model in ("e1000e", "igb", "ixgbe"):
        own = {c[0] for m, _, c in ALL if m == model and c[0] != "delivered"}
        assert {STAGE_OF[x] for x in own} >= {"nic", "ring", "gro", "ip", "transport", "socket"}
        assert model == "e1000e" or "backlog" in own
