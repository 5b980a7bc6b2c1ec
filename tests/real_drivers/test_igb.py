"""What only a chip with many queues shows: the real igb driver spreads by RSS, filters and drops per queue."""

from __future__ import annotations

import os
import re
from typing import cast

import bench as b
import pytest
from bench import Bench, udp
from chips import CHIPS

from rxpath.hw.nic.igb import Igb
from rxpath.hw.nic.offload import Toeplitz
from rxpath.hw.regs import igb as r

WHY = b.missing()
pytestmark = [pytest.mark.skipif(bool(WHY), reason=WHY), pytest.mark.xdist_group("real_drivers")]
NAMES = ("82576", "I350")


def key_of(model: Igb) -> Toeplitz:
    regs = model.regs
    return Toeplitz(b"".join(regs[r.RSSRK + 4 * i].to_bytes(4, "little") for i in range(10)))


def queue_counts(bench: Bench, n: int) -> list[int]:
    stats = bench.stats()
    return [stats["rx_queue_%d_packets" % q] for q in range(n)]


def shown_table(bench: Bench) -> list[int]:
    """The indirection table as ethtool -x prints it."""
    rows = re.findall(r"^ *\d+: +(.*)$", bench.sh("ethtool -x eth0"), re.M)
    table = [int(v) for row in rows for v in row.split()]
    assert len(table) == 128
    return table


@pytest.mark.parametrize("name", NAMES)
def test_rss_spreads_as_the_table_says(name: str) -> None:
    chip = CHIPS[name]
    model = cast(Igb, chip.make())
    with Bench(model, cmdline=chip.cmdline) as bench:
        bench.up()
        bench.sh("ethtool -L eth0 combined 4")
        bench.carrier()
        lines = bench.sh("grep eth0 /proc/interrupts")
        for q in range(4):
            assert f"eth0-rx-{q}" in lines and f"eth0-tx-{q}" in lines  # 4 queues are not paired
        bench.echo_server()
        addresses = [bytes((10, 0, 1 + i % 5, i)) for i in range(200)]
        table = [j * 4 // 128 for j in range(128)]
        for setting in ("", "ethtool -X eth0 equal 2", "ethtool -X eth0 weight 1 0 0 3"):
            if setting:
                bench.sh(setting)
                table = shown_table(bench)
            want = [0] * 4
            toeplitz = key_of(model)
            for a in addresses:
                want[table[toeplitz.hash(a + b.GUEST_IP) & 0x7F]] += 1
            before = queue_counts(bench, 4)
            bench.burst([udp(b"flow", src_ip=a) for a in addresses])
            got = [x - y for x, y in zip(queue_counts(bench, 4), before, strict=True)]
            assert got == want, setting
        # UDP ports take part only when asked for
        frames = [udp(b"port", sport=2000 + i) for i in range(100)]
        before = queue_counts(bench, 4)
        bench.burst(frames)
        assert sum(x != y for x, y in zip(queue_counts(bench, 4), before, strict=True)) == 1
        bench.sh("ethtool -X eth0 equal 4; ethtool -N eth0 rx-flow-hash udp4 sdfn")
        table = shown_table(bench)
        want = [0] * 4
        toeplitz = key_of(model)
        for i in range(100):
            ports = (2000 + i).to_bytes(2, "big") + (7777).to_bytes(2, "big")
            want[table[toeplitz.hash(b.HOST_IP + b.GUEST_IP + ports) & 0x7F]] += 1
        before = queue_counts(bench, 4)
        bench.burst(frames)
        assert [x - y for x, y in zip(queue_counts(bench, 4), before, strict=True)] == want
        assert bench.bus.faults == 0 and bench.bus.dropped == []


@pytest.mark.parametrize("name", NAMES)
def test_more_than_half_the_queues_are_paired(name: str) -> None:
    chip = CHIPS[name]
    with Bench(chip.make(), cmdline=chip.cmdline) as bench:
        bench.up()
        bench.sh("ethtool -L eth0 combined 8")
        bench.carrier()
        lines = bench.sh("grep eth0 /proc/interrupts")
        assert [f"eth0-TxRx-{q}" in lines for q in range(8)] == [True] * 8
        bench.echo_server()
        bench.sh("ip route add default via 10.0.0.1")
        # the key is drawn at boot, and addresses that differ in few bits may all meet in half of the queues under it
        peers = [bytes((10, 0, i * 40503 >> 8 & 255, i * 40503 & 255)) for i in range(1, 129)]
        bench.burst([udp(b"%d" % i, src_ip=peer) for i, peer in enumerate(peers)])
        assert sum(queue_counts(bench, 8)) == 128
        assert sum(n > 0 for n in queue_counts(bench, 8)) == 8
        for i in range(3):
            bench.sh("ip link set eth0 down; ethtool -L eth0 combined %d; ip link set eth0 up" % (2 * i + 1))
            bench.carrier()
            bench.sh("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent")
            bench.echoes()
            bench.burst([udp(b"again %d" % i)])
            assert bench.echoes() == [b"again %d" % i]
        assert bench.bus.faults == 0


@pytest.mark.parametrize("name", NAMES)
def test_drop_enable_counts_per_queue(name: str) -> None:
    """With pause off and several queues the driver sets DROP_EN: a full queue loses its own frames only."""
    chip = CHIPS[name]
    with Bench(chip.make(), cmdline=chip.cmdline) as bench:
        bench.up()
        bench.sh("ethtool -L eth0 combined 2; ethtool -G eth0 rx 64")
        bench.carrier()
        bench.sh("ethtool -A eth0 autoneg off rx off tx off")
        bench.run(3)
        bench.carrier()
        bench.echo_server()
        s0 = bench.stats()
        data = [b"%03d" % i for i in range(300)]
        bench.burst([udp(p) for p in data], gap_ns=0, settle=0.2)
        s1 = bench.stats()
        drops = [s1["rx_queue_%d_drops" % q] - s0["rx_queue_%d_drops" % q] for q in (0, 1)]
        assert sum(drops) == 300 - 63 and min(drops) == 0
        assert s1["rx_missed_errors"] == s0["rx_missed_errors"]
        assert s1["rx_fifo_errors"] - s0["rx_fifo_errors"] == sum(drops)
        assert len(bench.bus.dropped) == sum(drops)
        full = drops.index(max(drops))
        assert {c for _t, _r, c in bench.bus.dropped} == {"rx_queue_%d_drops" % full}
        assert bench.echoes() == data[:63]


@pytest.mark.parametrize("name", NAMES)
def test_without_msi_the_line_is_shared(name: str) -> None:
    chip = CHIPS[name]
    model = chip.make()
    for at in (0x50, 0x70):  # a chip whose MSI and MSI-X capabilities are of an unknown kind
        model.config.put(at, 1, 0x09)
    with Bench(model, cmdline=chip.cmdline) as bench:
        assert "Using legacy interrupts" in bench.dmesg()
        bench.up()
        bench.echo_server()
        line = bench.sh("grep eth0 /proc/interrupts")
        assert "MSI" not in line, line
        data = [b"%03d" % i for i in range(100)]
        bench.burst([udp(p) for p in data], gap_ns=50_000)
        assert bench.echoes() == data


@pytest.mark.parametrize("name", NAMES)
def test_one_msi(name: str) -> None:
    chip = CHIPS[name]
    model = chip.make()
    model.config.put(0x70, 1, 0x09)
    with Bench(model, cmdline=chip.cmdline) as bench:
        assert "Using MSI interrupts" in bench.dmesg()
        bench.up()
        bench.echo_server()
        assert "MSI" in bench.sh("grep eth0 /proc/interrupts")
        data = [b"%03d" % i for i in range(100)]
        bench.burst([udp(p) for p in data], gap_ns=50_000)
        assert bench.echoes() == data
        if not os.environ.get("RXPATH_SOAK"):
            return
        out = bench.sh("ethtool -t eth0 online", timeout=60)
        assert "PASS" in out


def test_ethertype_rule_names_a_queue() -> None:
    """`ethtool -N flow-type ether`: only the I350's driver offers it."""
    model = cast(Igb, CHIPS["I350"].make())
    with Bench(model) as bench:
        bench.up()
        bench.sh("ethtool -L eth0 combined 4")
        bench.carrier()
        bench.sh("ethtool -K eth0 ntuple on")
        bench.run(3)
        bench.carrier()
        out = bench.sh("ethtool -N eth0 flow-type ether proto 0x88b5 action 3")
        assert "Added rule" in out, out
        before = queue_counts(bench, 4)
        frame = b"\x52\x54\x00\x12\x34\x56" + b.HOST_MAC + b"\x88\xb5" + bytes(50)
        bench.burst([frame] * 5)
        assert [x - y for x, y in zip(queue_counts(bench, 4), before, strict=True)] == [0, 0, 0, 5]
