"""The real drivers' rules (ethtool -N) on our models: what they drop, where they steer, and the same words from our drivers."""

from __future__ import annotations

import bench as b
import pytest
from bench import Bench, udp
from chips import CHIPS

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.tools.run import run_command

WHY = b.missing()
pytestmark = [
    pytest.mark.real_driver,
    pytest.mark.skipif(bool(WHY), reason=WHY),
    pytest.mark.xdist_group("real_drivers"),
]
LISTED = (
    "flow-type tcp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 80 action 0 loc 7",
    "flow-type udp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 53 action -1 loc 3",
    "flow-type sctp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 9 action 0 loc 2045",
    "flow-type udp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 54 action -1 loc 3",
    # refused
    "flow-type udp4 dst-port 54 action 0 loc 1",
    "flow-type udp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 53 action 1 loc 1",
    "flow-type udp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 53 action 0 loc 2046",
    "flow-type ether proto 0x88f7 action 0 loc 1",
    "flow-type ip4 l4proto 1 action 0 loc 1",
    "delete 12",
    "delete 7",
)


def ours(cpus: int, model: str, variant: str, lines: list[str]) -> list[str]:
    """What our driver says to each line."""
    m = Machine(MachineConfig(cpus=cpus, costs="none", nics=[NicConfig(model=model, variant=variant)]))
    m.boot()
    out = []
    for line in lines:
        if line == "sleep":
            m.wait_for_link()
            continue
        done = run_command(m, line, host=True)
        out.append((done.stdout + done.stderr).rstrip())
    m.close()
    return out


def theirs(bench: Bench, lines: list[str]) -> list[str]:
    bench.sh("dmesg -n 1")  # the log stays out of the console
    out = []
    for line in lines:
        if line == "sleep":
            bench.carrier()
            continue
        out.append(bench.sh(f"{line} 2>&1").replace("\r", "").rstrip())
    return out


def test_flow_director_drops_what_the_rules_name() -> None:
    with Bench(CHIPS["X540"].make()) as bench:
        bench.up()
        bench.echo_server()
        bench.sh("ethtool -K eth0 ntuple on")
        bench.carrier()
        bench.run(1)
        bench.sh("ethtool -N eth0 flow-type udp4 src-ip 10.0.0.1 src-port 5001 dst-port 7777 action -1")
        bench.sh("ethtool -N eth0 flow-type udp4 src-ip 10.0.0.1 src-port 5002 dst-port 7777 action 0")
        s0 = bench.stats()
        frames = [udp(b"%d" % i, sport=5000 + i % 4) for i in range(40)]
        bench.burst(frames, gap_ns=50_000, settle=0.1)
        s1 = bench.stats()
        assert bench.echoes() == [b"%d" % i for i in range(40) if i % 4 != 1]
        assert bench.bus.dropped == [(None, "flow director rule", "fdir_match")] * 10
        assert s1["fdir_match"] - s0["fdir_match"] == 20
        assert s1["fdir_miss"] - s0["fdir_miss"] == 20
        bench.sh("ethtool -G eth0 rx 256")  # a reset: rules are entered again
        bench.carrier()
        bench.run(1)
        bench.burst(frames, gap_ns=50_000, settle=0.1)
        assert bench.echoes() == [b"%d" % i for i in range(40) if i % 4 != 1]
        bench.sh("ethtool -N eth0 delete 2045; ethtool -N eth0 delete 2044")
        bench.burst(frames, gap_ns=50_000, settle=0.1)
        assert bench.echoes() == [b"%d" % i for i in range(40)]
        bench.sh("ethtool -N eth0 flow-type ip4 src-ip 10.0.0.0 m 0.0.0.255 action -1")
        bench.burst(frames[:4], gap_ns=50_000, settle=0.1)
        assert bench.echoes() == []
        bench.sh("ethtool -N eth0 delete 2045; ethtool -N eth0 flow-type udp4 src-port 5000 m 0x0001 action -1")
        bench.burst(frames, gap_ns=50_000, settle=0.1)
        assert bench.echoes() == [b"%d" % i for i in range(40) if i % 4 > 1]
        bench.sh("ethtool -N eth0 delete 2045; ip link set eth0 promisc on")
        bench.sh("ethtool -N eth0 flow-type udp4 dst-port 7777 vlan 5 m 0xf000 action -1")
        lost = len(bench.bus.dropped)
        bench.burst([udp(b"v", vlan=v) for v in (5, 6, 0x2005)] + [udp(b"plain")], gap_ns=50_000, settle=0.1)
        assert len(bench.bus.dropped) - lost == 2
        assert bench.echoes() == [b"plain"]
        assert bench.bus.faults == 0 and bench.model.in_flight() == 0


def test_ixgbe_says_the_same() -> None:
    lines = ["ethtool -N eth0 flow-type udp4 dst-port 9 action 0 loc 1", "ethtool -n eth0", "ethtool -K eth0 ntuple on"]
    lines += ["sleep"] + ["ethtool -N eth0 " + x for x in LISTED]
    lines += ["ethtool -n eth0", "ethtool -n eth0 rule 3", "ethtool -n eth0 rule 4", "ethtool -G eth0 rx 300", "sleep"]
    lines += ["ethtool -n eth0", "ethtool -K eth0 ntuple off", "sleep", "ethtool -n eth0", "ip link set eth0 down"]
    lines += ["ethtool -n eth0"]
    want = ours(1, "ixgbe", "x540", lines)
    with Bench(CHIPS["X540"].make()) as bench:
        bench.up()
        got = theirs(bench, lines)
    said = [x for x in lines if x != "sleep"]
    assert list(zip(said, got, strict=True)) == list(zip(said, want, strict=True))


IGB_LINES = [
    "ethtool -N eth0 flow-type ether proto 0x88f7 action 1 loc 1",
    "ethtool -K eth0 ntuple on",
    "sleep",
    "ethtool -N eth0 flow-type ether proto 0x0800 action 1 loc 2",
    "ethtool -N eth0 flow-type ether proto 0x0800 action 2 loc 3",
    "ethtool -N eth0 flow-type ether proto 0x0800 m 0x00ff action 2 loc 3",
    "ethtool -N eth0 flow-type ether src 02:00:00:00:00:01 action 1 loc 4",
    "ethtool -N eth0 flow-type ether dst 02:00:00:00:00:01 action 1 loc 4",
    "ethtool -N eth0 flow-type ether proto 0x0806 vlan 0x6000 m 0x1fff action 3 loc 5",
    "ethtool -N eth0 flow-type ether proto 0x0806 vlan 0x6000 m 0x0fff action 3 loc 6",
    "ethtool -N eth0 flow-type ether proto 0x0807 vlan 0x6000 m 0x1fff action 2 loc 6",
    "ethtool -N eth0 flow-type ether proto 0x0808 action 4 loc 6",
    "ethtool -N eth0 flow-type ether proto 0x0808 action -1 loc 6",
    "ethtool -N eth0 flow-type ether proto 0x0808 action 1 loc 16",
    "ethtool -N eth0 flow-type udp4 dst-port 9 action 1 loc 6",
    "ethtool -n eth0",
    "ethtool -N eth0 delete 9",
    "ethtool -N eth0 delete 2",
    "ethtool -n eth0 rule 5",
    "ethtool -n eth0 rule 2",
    "ethtool -N eth0 rx-flow-hash udp4 sdfn",
    "ethtool -n eth0 rx-flow-hash udp4",
    "ethtool -N eth0 rx-flow-hash udp4 s",
    "ethtool -N eth0 rx-flow-hash tcp4 sd",
    "ethtool -X eth0 hkey 01:02",
    "ethtool -K eth0 ntuple off",
    "sleep",
    "ethtool -n eth0",
]


@pytest.mark.parametrize("name", ["82576", "I350"])
def test_igb_says_the_same(name: str) -> None:
    lines = ["ethtool -L eth0 combined 4", "sleep", *IGB_LINES]
    want = ours(4, "igb", name.lower(), lines)
    chip = CHIPS[name]
    with Bench(chip.make(), cmdline=chip.cmdline) as bench:
        bench.up()
        got = theirs(bench, lines)
    said = [x for x in lines if x != "sleep"]
    assert list(zip(said, got, strict=True)) == list(zip(said, want, strict=True))


def test_igb_steers_by_ethertype_and_priority() -> None:
    chip = CHIPS["I350"]
    with Bench(chip.make(), cmdline=chip.cmdline) as bench:
        bench.up()
        bench.sh("ethtool -L eth0 combined 4; ethtool -X eth0 equal 1; ethtool -K eth0 ntuple on")
        bench.carrier()
        bench.sh("ip link set eth0 promisc on")
        bench.run(3)
        bench.carrier()
        for rule in ("proto 0x88f7 action 1", "vlan 0x6000 m 0x1fff action 3"):
            bench.sh("ethtool -N eth0 flow-type ether " + rule)
        bench.run(3)
        s0 = bench.stats()
        ptp = b"\x52\x54\x00\x12\x34\x56" + b.HOST_MAC + b"\x88\xf7" + bytes(46)
        frames = [ptp] * 5 + [udp(b"p", vlan=0x6005)] * 7 + [udp(b"p", vlan=0x4005)] * 2 + [udp(b"x")] * 3
        bench.burst(frames, gap_ns=50_000, settle=3)
        s1 = bench.stats()
        moved = [s1[f"rx_queue_{q}_packets"] - s0[f"rx_queue_{q}_packets"] for q in range(4)]
        assert moved == [5, 5, 0, 7]
        assert bench.bus.faults == 0 and bench.bus.dropped == []
