"""Unmodified Linux 6.1 drivers drive our device models: what they accept, count and deliver."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator

import bench as b
import pytest
from bench import MS, Bench, udp
from chips import CHIPS, Chip

WHY = b.missing()
pytestmark = [
    pytest.mark.real_driver,
    pytest.mark.skipif(bool(WHY), reason=WHY),
    pytest.mark.xdist_group("real_drivers"),
]
ECHOES = 10_000


@pytest.fixture(params=sorted(CHIPS))
def chip(request: pytest.FixtureRequest) -> Chip:
    c = CHIPS[request.param]
    assert c.present(), f"the model {c.module} is gone"
    return c


@pytest.fixture
def up(chip: Chip) -> Iterator[Bench]:
    """A guest with the link up."""
    with Bench(chip.make(), cmdline=chip.cmdline, firmware=chip.firmware) as bench:
        bench.up()
        yield bench


def virtual_time(chip: Chip) -> None:
    """For scenarios that measure the guest's clock."""
    if b.needs_real_time(chip.make()):
        pytest.xfail(f"{chip.driver} needs a kernel with fix_posted_writes.py for virtual time")


def role(chip: Chip, name: str) -> str:
    if name not in chip.stat:
        pytest.fail(f"{chip.name} names no statistic for {name}")
    return chip.stat[name]


def payloads(n: int, seed: int, most: int = 1472) -> list[bytes]:
    """`n` payloads: every length there is first, then random lengths, different bytes each."""
    rnd = random.Random(seed)
    sizes = list(range(most + 1)) if n > most else []
    sizes += [rnd.randrange(most + 1) for _ in range(n - len(sizes))]
    return [rnd.randbytes(size) for size in sizes[:n]]


def test_probe_and_link(chip: Chip) -> None:
    with Bench(chip.make(), cmdline=chip.cmdline, firmware=chip.firmware) as bench:
        text = bench.dmesg()
        assert chip.marketing in text, text[-3000:]
        assert f"driver: {chip.driver}" in bench.sh("ethtool -i eth0")
        assert "52:54:00:12:34:56" in bench.sh("ip link show eth0")
        bench.up()
        tool = bench.sh("ethtool eth0")
        assert f"Speed: {chip.speed}" in tool and "Duplex: Full" in tool and "Link detected: yes" in tool
        text = "\n".join(line for line in bench.dmesg().splitlines() if chip.driver in line or "Trace" in line)
        for bad in ("Hardware Error", "Call Trace", "WARNING", "Hang", "not valid", "failed"):
            assert bad not in text, text[-3000:]
        assert bench.bus.faults == 0


def test_receive_and_echo(chip: Chip, up: Bench) -> None:
    up.echo_server()
    before = up.stats()
    data = payloads(ECHOES, 1)
    up.burst([udp(p) for p in data], gap_ns=20_000, settle=0.2)
    assert up.echoes() == data
    after = up.stats()
    assert after[role(chip, "rx")] - before[role(chip, "rx")] == len(data)
    assert up.bus.dropped == [] and up.bus.faults == 0
    assert up.model.in_flight() == 0


def test_mac_filter(chip: Chip, up: Bench) -> None:
    up.echo_server()
    other = bytes.fromhex("525400999999")
    group = bytes.fromhex("01005e010203")
    up.burst([udp(b"mine"), udp(b"other", dst=other), udp(b"group", dst=group), udp(b"all", dst=b"\xff" * 6)])
    assert up.echoes() == [b"mine", b"all"]
    assert [reason for _t, reason, _c in up.bus.dropped] == ["mac filter", "mac filter"]
    up.sh("ip maddr add 01:00:5e:01:02:03 dev eth0; ip link set eth0 promisc off")
    up.burst([udp(b"group", dst=group), udp(b"other", dst=other)])
    assert up.echoes() == [b"group"]
    up.sh("ip link set eth0 promisc on")
    up.bus.dropped.clear()
    rx = up.stats()[role(chip, "rx")]
    up.burst([udp(b"other", dst=other)] * 3)
    assert up.stats()[role(chip, "rx")] - rx == 3 and up.bus.dropped == []
    up.sh("ip link set eth0 promisc off")
    up.burst([udp(b"other", dst=other)])
    assert len(up.bus.dropped) == 1


def test_vlan(chip: Chip, up: Bench) -> None:
    up.echo_server()
    up.sh(
        "ip link add link eth0 name eth0.5 type vlan id 5; ip link set eth0.5 up;"
        " ip addr add 10.0.0.2/32 dev eth0.5;"
        " ip route add 10.5.0.0/24 dev eth0.5; ip neigh replace 10.5.0.1 lladdr 02:00:00:00:00:01 dev eth0.5"
        " nud permanent"
    )
    src = bytes((10, 5, 0, 1))
    up.sent.clear()
    up.burst([udp(b"five", vlan=5, src_ip=src), udp(b"six", vlan=6, src_ip=src), udp(b"none")])
    tagged = [f for f in up.sent if f[12:14] == b"\x81\x00"]
    assert len(tagged) == 1 and tagged[0][14:16] == b"\0\5"
    assert up.echoes() == [b"five", b"none"]
    # VLAN 6 was not asked for
    assert [reason for _t, reason, _c in up.bus.dropped] == (["vlan filter"] if chip.vlan_filter else [])
    # without stripping the tag stays in the frame, and the stack takes it off
    up.sh("ethtool -K eth0 rxvlan off")
    up.run(1)
    up.burst([udp(b"again", vlan=5, src_ip=src)])
    assert up.echoes() == [b"again"]


def test_bad_checksums(chip: Chip, up: Bench) -> None:
    up.echo_server()
    s0, ip0, udp0 = up.stats(), up.snmp("Ip"), up.snmp("Udp")
    frames = [udp(b"good%d" % i) for i in range(5)]
    frames += [udp(b"bad udp %d" % i * (1 + 25 * i), bad_l4=True) for i in range(7)]
    frames += [udp(b"bad ip", bad_ip=True) for _ in range(3)]
    up.burst(frames)
    s1, ip1, udp1 = up.stats(), up.snmp("Ip"), up.snmp("Udp")
    assert up.echoes() == [b"good%d" % i for i in range(5)]
    assert udp1["InCsumErrors"] - udp0["InCsumErrors"] == 7
    assert ip1["InHdrErrors"] - ip0["InHdrErrors"] == 3
    bad = role(chip, "csum_bad")
    assert s1[bad] - s0[bad] == chip.csum_bad
    if "csum_good" in chip.stat:
        good = chip.stat["csum_good"]
        assert s1[good] - s0[good] == 5


def test_ring_overrun(chip: Chip, up: Bench) -> None:
    """More frames at one instant than ring and packet buffer hold: first they wait, then they are lost."""
    up.sh(f"ethtool -G eth0 rx {chip.small_ring}")
    up.carrier()
    up.echo_server()
    up.bus.dropped.clear()
    s0 = up.stats()
    n = 400
    data = [b"%04d" % i + bytes(1400) for i in range(n)]
    up.burst([udp(p) for p in data], gap_ns=0, settle=0.2)
    got = up.echoes()
    s1 = up.stats()
    lost = [c for _t, reason, c in up.bus.dropped]
    assert lost and set(lost) == {role(chip, "missed")}
    assert s1[role(chip, "missed")] - s0[role(chip, "missed")] == len(lost)
    assert got == data[: n - len(lost)]
    assert s1[role(chip, "rx")] - s0[role(chip, "rx")] == n - len(lost)
    if "no_buffer" in chip.stat:
        waited = s1[role(chip, "no_buffer")] - s0[role(chip, "no_buffer")]
        assert waited > 0
        if chip.fifo_frames:
            assert waited == chip.fifo_frames
    assert up.model.in_flight() == 0


def test_bad_frames(chip: Chip, up: Bench) -> None:
    up.echo_server()
    s0 = up.stats()
    for i in range(4):
        up.after((i + 1) * MS, lambda: up.model.receive(udp(b"crc"), None, False))
    up.burst([udp(b"x")[:40]] * 2 + [udp(bytes(1600))] * 3 + [udp(b"fine")], gap_ns=MS, settle=0.1)
    s1 = up.stats()
    for what, n in (("crc", 4), ("short", 2), ("long", 3)):
        if what in chip.stat:
            assert s1[chip.stat[what]] - s0[chip.stat[what]] == n, what
    assert up.echoes() == [b"fine"]


def test_ring_change_and_up_down(chip: Chip, up: Bench) -> None:
    up.echo_server()
    want, back = chip.ring
    up.sh(f"ethtool -G eth0 rx {want}")
    assert re.search(rf"Current hardware.*?RX:\s+{back}\b", up.sh("ethtool -g eth0"), re.S)
    up.carrier()
    data = payloads(600, 2)
    up.burst([udp(p) for p in data])
    assert up.echoes() == data
    for i in range(3):
        up.sh("ip link set eth0 down")
        up.bus.dropped.clear()
        up.burst([udp(b"nobody")])
        assert len(up.bus.dropped) == 1 or up.model.in_flight() == 1
        up.sh("ip link set eth0 up; ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent")
        up.carrier()
        up.burst([udp(b"after %d" % i)])
        assert up.echoes() == [b"after %d" % i]
    assert up.bus.faults == 0


def test_link_flap(chip: Chip, up: Bench) -> None:
    up.echo_server()
    for i in range(3):
        up.model.link_change(False)
        up.run(3)
        up.carrier("0")
        up.bus.dropped.clear()
        up.burst([udp(b"lost")])
        assert [reason for _t, reason, _c in up.bus.dropped] == ["link down"]
        up.model.link_change(True)
        up.run(3)
        up.carrier("1")
        up.burst([udp(b"flap %d" % i)])
        assert up.echoes() == [b"flap %d" % i]
    assert up.dmesg().count("Link is Down") == 3


def test_jumbo(chip: Chip, up: Bench) -> None:
    up.sh(f"ip link set eth0 mtu {chip.mtu}")
    up.carrier()
    up.echo_server()
    s0 = up.stats()
    data = payloads(200, 3, chip.mtu - 28) + [bytes(chip.mtu - 28), b"", b"x" * 100, b"y" * 129]
    up.burst([udp(p) for p in data], gap_ns=100_000)
    assert up.echoes() == data
    s1 = up.stats()
    if "split" in chip.stat:
        assert s1[chip.stat["split"]] - s0[chip.stat["split"]] == len(data)
    up.sh("ip link set eth0 mtu 1500")
    up.carrier()
    up.burst([udp(b"back")])
    assert up.echoes() == [b"back"]
    assert up.bus.faults == 0


@pytest.mark.parametrize(("name", "mode"), [(c.name, m) for c in CHIPS.values() for m in c.modes])
def test_interrupt_modes(name: str, mode: str) -> None:
    chip = CHIPS[name]
    args, word = chip.modes[mode]
    with Bench(chip.make(), cmdline=(*chip.cmdline, *args), firmware=chip.firmware) as bench:
        bench.up()
        bench.echo_server()
        text = bench.sh("grep eth0 /proc/interrupts")
        assert word in text, text
        assert ("MSI" in text) == (mode != "INTx"), text
        assert "test failed" not in bench.dmesg()
        before = sum(bench.interrupts().values())
        data = payloads(300, 4)
        bench.burst([udp(p) for p in data], gap_ns=50_000)
        assert bench.echoes() == data
        assert sum(bench.interrupts().values()) > before
        config = bench.model.config
        assert (config.msix_on, config.msi_on) == (mode == "MSI-X", mode == "MSI")


def test_moderation(chip: Chip, up: Bench) -> None:
    """Interrupts against frame spacing: never above the set rate, one a frame when far apart."""
    virtual_time(chip)
    up.sh("ethtool -C eth0 rx-usecs 100")
    counts = []
    for gap in (2_000, 10_000, 50_000, 1_000_000):
        before = sum(v for k, v in up.interrupts().items() if "tx" not in k)
        up.burst([udp(b"z", dport=9)] * 200, gap_ns=gap, settle=0.01)
        counts.append(sum(v for k, v in up.interrupts().items() if "tx" not in k) - before)
    span = 200 * 50_000
    assert 4 <= counts[0] <= 20 and counts[0] <= counts[1] <= counts[2] <= span // 100_000 + 10, counts
    assert 200 <= counts[3] <= 215, counts


def test_large_sends_are_segmented(chip: Chip, up: Bench) -> None:
    """A TCP stream out of the guest, with TSO; our side only acknowledges."""
    peer = TcpPeer(up)
    program = os.path.join(up.folder, "send.py")
    with open(program, "w") as f:
        f.write(
            "import socket\ns = socket.create_connection(('10.0.0.1', 99))\n"
            "s.sendall(bytes(i * 31 & 255 for i in range(200000)))\ns.close()\n"
        )
    up.model.tx_sink = peer.segment
    up.sh(f"{b.sys.executable} /mnt/send.py &")
    up.run(3)
    assert bytes(peer.data) == bytes(i * 31 & 255 for i in range(200000))
    assert peer.bad == [], peer.bad[:3]
    assert peer.most > 60 and peer.most <= 1514


class TcpPeer:
    """Just enough of a TCP receiver to take a stream."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.next = 0
        self.seq = 1000
        self.data = bytearray()
        self.bad: list[str] = []
        self.most = 0

    def segment(self, frame: bytes) -> None:
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            return
        total = int.from_bytes(frame[16:18], "big")
        if b.ones_sum(frame[14:34]) % 0xFFFF:
            self.bad.append("ip checksum " + frame.hex())
        seg = frame[34 : 14 + total]
        if b.ones_sum(frame[26:34] + b"\0\x06" + len(seg).to_bytes(2, "big") + seg) % 0xFFFF:
            self.bad.append("tcp checksum " + frame.hex())
        self.most = max(self.most, len(frame))
        seq = int.from_bytes(seg[4:8], "big")
        flags = seg[13]
        body = seg[(seg[12] >> 4) * 4 :]
        answer = 0x10
        if flags & 2:
            self.next = seq + 1 & 0xFFFFFFFF
            answer = 0x12
        elif seq == self.next:
            self.data += body
            self.next = seq + len(body) + (flags & 1) & 0xFFFFFFFF
            if not body and not flags & 1:
                return
        sport, dport = seg[2:4], seg[0:2]
        head = (
            sport
            + dport
            + self.seq.to_bytes(4, "big")
            + self.next.to_bytes(4, "big")
            + bytes((0x50, answer))
            + b"\xff\xff\0\0\0\0"
        )
        if answer == 0x12:
            self.seq += 1
        pseudo = b.HOST_IP + b.GUEST_IP + b"\0\x06" + len(head).to_bytes(2, "big")
        head = head[:16] + b.fold(b.ones_sum(pseudo + head)).to_bytes(2, "big") + head[18:]
        ip = b"\x45\0" + (20 + len(head)).to_bytes(2, "big") + b"\0\0\x40\0\x40\x06\0\0" + b.HOST_IP + b.GUEST_IP
        ip = ip[:10] + b.fold(b.ones_sum(ip)).to_bytes(2, "big") + ip[12:]
        reply = (frame[6:12] + b.HOST_MAC + b"\x08\x00" + ip + head).ljust(60, b"\0")
        bus = self.bench.bus
        bus.at_ns(bus.now_ns() + 20_000, lambda: self.bench._deliver(reply))


def test_self_test_in_real_time(chip: Chip) -> None:
    """`ethtool -t offline`: registers, NVM, interrupts, loopback, link. In real time: it spins on jiffies."""
    if not chip.self_test:
        pytest.fail(f"{chip.name}: the driver's self test is not passed")
    with Bench(chip.make(), real_time=True, cmdline=chip.cmdline, firmware=chip.firmware) as bench:
        bench.up()
        out = bench.sh("ethtool -t eth0 offline", timeout=180)
        assert "result is PASS" in out, out + bench.dmesg()[-1500:]
        bench.carrier()
        bench.echo_server()
        data = payloads(500, 5)
        got: list[bytes] = []
        for i in range(0, len(data), 50):  # in real time nobody waits for a slow guest, so keep within its ring
            bench.burst([udp(p) for p in data[i : i + 50]], gap_ns=0, settle=0)
            bench.backend.run(until=lambda: len(bench.sent) >= 50, timeout=20)
            got += bench.echoes()
        assert got == data


def test_two_runs_are_the_same(chip: Chip) -> None:
    """In virtual time a run repeats: same frames out, same instants, same interrupts."""
    virtual_time(chip)
    seen = []
    for _ in range(2):
        with Bench(chip.make(), cmdline=chip.cmdline, firmware=chip.firmware) as bench:
            bench.up()
            out: list[tuple[int, bytes]] = []
            bench.echo_server()
            t0 = bench.backend.time

            def sink(frame: bytes, bench: Bench = bench, out: list[tuple[int, bytes]] = out, t0: int = t0) -> None:
                out.append((bench.backend.time - t0, frame))

            bench.model.tx_sink = sink
            messages = bench.bus.messages
            bench.burst([udp(p) for p in payloads(100, 6)], gap_ns=7_000)
            messages = bench.bus.messages - messages
            # the IP id starts anywhere in each boot: leave it and its checksum out
            seen.append(([f[:18] + f[20:24] + f[26:] for _t, f in out], [t - out[0][0] for t, _f in out], messages))
            assert len(out) == 100
    assert seen[0] == seen[1]
