"""The recorded call chains of a real 6.1 with e1000e, and ours with the function trace on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.net.core.netdevice import NAPI_STATE_MISSED
from rxpath.observe.function_trace import FunctionTrace
from rxpath.wire.addr import ip4, mac
from rxpath.wire.arp import ARPOP_REQUEST
from rxpath.wire.build import arp_frame, icmp_echo_frame, udp_frame

from .chains import normalise, not_modelled, parse

GOLDEN = Path(__file__).parent / "golden"
PEER, PEER_MAC = ip4("10.0.0.1"), mac("02:00:00:00:00:01")
HOST = ip4("10.0.0.2")


class Bench:
    def __init__(self) -> None:
        self.m = Machine(MachineConfig(costs="none", nics=[NicConfig(model="e1000e", addresses=["10.0.0.2/24"])]))
        self.m.boot()
        dev = self.m.ports[0].dev
        assert dev is not None
        self.mac = dev.dev_addr

    def neighbour(self) -> None:
        """The peer's entry is there and connected, as after a while of traffic."""
        net = self.m.net
        self.m.in_task(lambda: neigh_add(net.ipv4.arp_tbl, PEER, self.m.dev("eth0"), PEER_MAC, NUD_PERMANENT))

    def arp(self) -> bytes:
        return arp_frame(ARPOP_REQUEST, PEER_MAC, PEER, b"\0" * 6, HOST)

    def udp(self, port: int, n: int, *, bad: bool = False) -> bytes:
        return udp_frame(PEER_MAC, self.mac, PEER, HOST, 4000, port, b"d" * n, checksum=0x1234 if bad else None)

    def trace(self, frame: bytes, second_interrupt: bool) -> list[str]:
        self.m.run(self.m.now + 3_000_000_000)  # the link's and the driver's timers are past
        if second_interrupt:
            # the record's emulator interrupts again during the poll; its subtree is dropped, its effect is MISSED
            napi = self.m.dev("eth0").napi_list[0]

            def missed(*args: object) -> None:
                napi.state |= NAPI_STATE_MISSED
                tp.detach(missed)

            tp = self.m.kernel.trace.napi_gro_receive_entry
            tp.attach(missed)
        with FunctionTrace() as t:
            self.m.ports[0].receive(frame)
            self.m.run(self.m.now + 1_000_000)
        return normalise(parse(t.text()), not_modelled())


def reader(b: Bench) -> None:
    sock = b.m.socket()
    sock.bind(("", 9000))

    def main() -> None:
        while True:
            sock.recvfrom(2048)

    b.m.spawn(main)
    b.m.run(b.m.now + 1_000_000)
    b.m.ports[0].receive(b.udp(9000, 64))  # the socket has read before: it holds memory from its pool
    b.m.run(b.m.now + 1_000_000)


def small(b: Bench) -> bytes:
    reader(b)
    return b.udp(9000, 64)


def large(b: Bench) -> bytes:
    reader(b)
    return b.udp(9000, 1000)


def closed(b: Bench) -> bytes:
    b.neighbour()
    return b.udp(9, 64)


def bad(b: Bench) -> bytes:
    return b.udp(9000, 64, bad=True)


def arp(b: Bench) -> bytes:
    b.m.ports[0].receive(b.arp())  # not the first one: the entry is there
    b.m.run(b.m.now + 50_000_000)
    return b.arp()


def echo(b: Bench) -> bytes:
    b.neighbour()
    b.m.ports[0].receive(icmp_echo_frame(PEER_MAC, b.mac, PEER, HOST, 1, 1, b"e" * 56))  # not the first of its size
    b.m.run(b.m.now + 50_000_000)
    return icmp_echo_frame(PEER_MAC, b.mac, PEER, HOST, 1, 2, b"e" * 56)


CASES: dict[str, Callable[[Bench], bytes]] = {
    "udp_small_to_blocked_recvfrom": small,
    "udp_1000B_to_blocked_recvfrom": large,
    "udp_closed_port": closed,
    "udp_bad_checksum": bad,
    "arp_request": arp,
    "icmp_echo_request": echo,
}


def interrupted_again(name: str) -> bool:
    """Whether the record shows a second interrupt while NAPI owned the device."""
    text = (GOLDEN / (name + ".txt")).read_text()
    below = text[text.index("net_rx_action"):]
    return "e1000_intr_msix_rx" in below


@pytest.mark.parametrize("name", sorted(CASES))
def test_recorded_chain(name: str) -> None:
    want = normalise(parse((GOLDEN / (name + ".txt")).read_text()), not_modelled())
    b = Bench()
    got = b.trace(CASES[name](b), interrupted_again(name))
    assert got == want


def test_what_is_not_modelled_is_short() -> None:
    names = not_modelled()
    print(f"{len(names)} names of the recorded chains are not modelled")
    assert len(names) < 30
