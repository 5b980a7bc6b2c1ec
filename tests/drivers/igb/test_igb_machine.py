"""igb in a whole machine: the tools a user has, sockets behind eight queues, and the law at the end."""

from __future__ import annotations

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.tools.run import run_checked
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import arp_frame, icmp_echo_frame, udp_frame

PEER_MAC = mac("02:00:00:00:00:01")
HOST = ip4("10.0.0.2")
MS = 1_000_000


def out(m: Machine, line: str) -> str:
    return run_checked(m, line).stdout


@pytest.mark.parametrize("variant", ["82576", "i350"])
@pytest.mark.parametrize(("release", "costs"), [("3.13", "none"), ("6.1", "default"), ("6.18", "none")])
def test_flows_reach_sockets_over_all_queues(variant: str, release: str, costs: str) -> None:
    nic = NicConfig(model="igb", variant=variant, addresses=["10.0.0.2/24"])
    with Machine(MachineConfig(release=release, cpus=8, costs=costs, nics=[nic])) as m:
        m.boot()
        port = m.ports[0]
        dev = port.dev
        assert dev is not None
        s = m.socket()
        s.setsockopt(1, 8, 1 << 22)
        s.bind(("", 5000))
        s.setblocking(False)
        for i in range(150):
            src = ip4("10.0.0.%d" % (3 + i))
            port.receive(udp_frame(PEER_MAC, dev.dev_addr, src, HOST, 4000, 5000, b"d" * 50).ljust(60, b"\0"))
            if i % 20 == 19:
                m.run(m.now + 2 * MS)
        port.receive(arp_frame(1, PEER_MAC, ip4("10.0.0.1"), b"\0" * 6, HOST).ljust(60, b"\0"))
        m.run(m.now + 2 * MS)
        port.receive(icmp_echo_frame(PEER_MAC, dev.dev_addr, ip4("10.0.0.1"), HOST, 7, 1, b"e" * 40))
        m.run(m.now + 20 * MS)
        assert port.transmitted >= 2
        m.check()
        stats = out(m, "ethtool -S eth0")
        got = [int(x.split(":")[1]) for x in stats.splitlines() if "rx_queue" in x and "packets" in x]
        assert len(got) == 8 and sum(got) == 152 and sum(1 for x in got if x > 5) == 8
        read: list[int] = []

        def reader() -> None:
            try:
                while True:
                    read.append(len(s.recv(100)))
            except BlockingIOError:
                pass

        m.in_task(reader, "reader")
        assert read == [50] * 150
        irqs = m.files.read("/proc/interrupts")
        assert all("eth0-TxRx-%d" % i in irqs for i in range(8))
        assert "driver: igb" in out(m, "ethtool -i eth0")
        assert "RX:\t\t4096" in out(m, "ethtool -g eth0") and "Combined:\t8" in out(m, "ethtool -l eth0")
        m.check()


@pytest.mark.parametrize("variant", ["82576", "i350"])
def test_tools_change_a_running_port(variant: str) -> None:
    nic = NicConfig(model="igb", variant=variant, addresses=["10.0.0.2/24"])
    with Machine(MachineConfig(cpus=4, costs="none", nics=[nic])) as m:
        m.boot()
        dev = m.ports[0].dev
        assert dev is not None
        f = udp_frame(PEER_MAC, dev.dev_addr, ip4("10.0.0.9"), HOST, 1, 2, b"x" * 30)
        for line in (
            "ethtool -G eth0 rx 1024",
            "ethtool -L eth0 combined 2",
            "ethtool -C eth0 rx-usecs 100",
            "ethtool -X eth0 equal 1",
            "ethtool -N eth0 rx-flow-hash udp4 sdfn",
            "ethtool -K eth0 rx off",
            "ethtool -A eth0 autoneg off rx off",
            "ip link set eth0 mtu 4000",
            "ip link set eth0 promisc on",
            "ip link set eth0 down",
            "ip link set eth0 up",
        ):
            run_checked(m, line)
            m.wait_for_link() if dev.flags & 1 else None
            for _ in range(10):
                m.ports[0].receive(f)
            m.run(m.now + 5 * MS)
            m.check()
        assert "RX:\t\t1024" in out(m, "ethtool -g eth0")
        for line in (
            "ethtool eth0",
            "ethtool -c eth0",
            "ethtool -k eth0",
            "ethtool -a eth0",
            "ethtool -x eth0",
            "ethtool -d eth0",
            "ethtool -n eth0",
            "ethtool -t eth0 online",
            "ip -s -s link show eth0",
        ):
            assert out(m, line)
