"""UDP that GRO merges: for a socket with UDP_GRO, for forwarding, as a list; and what socket, counters and wire see of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.tools.run import run_checked
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import tcp_frame, udp_frame
from rxpath.wire.ipv4 import Ipv4View

PEER_MAC, FAR_MAC = mac("02:00:00:00:00:01"), mac("02:00:00:00:00:09")
PEER, HOST, FAR = ip4("10.0.0.1"), ip4("10.0.0.2"), ip4("10.0.0.9")
UDP_GRO = 104
MODERN = ["5.15", "6.1", "6.18"]


class Box:
    """A machine with one card whose frames come in one poll; `merged`: (bytes, segment size, segments) as handed up."""

    def __init__(self, release: str = "6.1", *features: str, model: str = "e1000e", **sysctls: str) -> None:
        nic = NicConfig(model=model, addresses=["10.0.0.2/24"])
        off = {f"net.ipv4.conf.{x}.send_redirects": "0" for x in ("all", "eth0")}
        self.m = Machine(MachineConfig(release=release, cpus=1, costs="none", nics=[nic], sysctls=sysctls))
        self.m.boot()
        for name, value in off.items():
            self.m.kernel.sysctl.set(name, value)
        self.port = self.m.ports[0]
        dev = self.port.dev
        assert dev is not None
        self.dev = dev
        for a, lladdr in ((PEER, PEER_MAC), (FAR, FAR_MAC)):
            self.m.in_task(lambda a=a, lladdr=lladdr: neigh_add(self.m.net.ipv4.arp_tbl, a, dev, lladdr, NUD_PERMANENT))
        self.do("ethtool -C eth0 rx-usecs 100")
        for f in features:
            self.do(f"ethtool -K eth0 {f}")
        self.m.wait_for_link()
        self.port.keep_transmitted = []
        self.merged: list[tuple[int, int, int]] = []
        self.m.kernel.trace.netif_receive_skb.attach(self._up)

    def _up(self, tp: Any, cpu: int, now: int, values: tuple[Any, ...]) -> None:
        s = values[0]
        self.merged.append((s.len, s.gso_size, s.gso_segs))

    def do(self, line: str) -> str:
        return str(run_checked(self.m, line).stdout)

    def feed(self, frames: list[bytes]) -> None:
        self.m.attach(0, iter([(1000, f) for f in frames]))
        self.m.run()
        self.m.run(self.m.now + 10_000_000)  # what the transmit queue's limit holds back
        self.m.check()

    def datagram(self, data: bytes, ident: int = 1, dst: int = HOST, **kw: Any) -> bytes:
        return udp_frame(PEER_MAC, self.dev.dev_addr, PEER, dst, 5555, 7000, data, ident=ident, **kw)

    def out(self) -> list[bytes]:
        kept = self.port.keep_transmitted
        assert kept is not None
        return [f for _, f in kept if f[12:14] == b"\x08\x00"]

    def counter(self, name: str) -> int:
        for line in self.do("nstat -asz").splitlines():
            if line.split()[:1] == [name]:
                return int(line.split()[1])
        raise AssertionError(name)


def reader(b: Box, gro: bool) -> list[tuple[int, int]]:
    """A program on port 7000; what each recvmsg gave: (bytes, segment size of the control message or 0)."""
    got: list[tuple[int, int]] = []

    def program() -> None:
        s = b.m.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", 7000))
        if gro:
            s.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        while True:
            data, anc, _flags, _src = s.recvmsg(65536, 64)
            size = [int.from_bytes(v[:4], "little") for lvl, t, v in anc if (lvl, t) == (socket.SOL_UDP, UDP_GRO)]
            got.append((len(data), size[0] if size else 0))

    b.m.spawn(program)
    b.m.run(b.m.now + 1_000_000)
    return got


@pytest.mark.parametrize("release", MODERN)
def test_a_socket_sees_segment_sizes(release: str) -> None:
    b = Box(release)
    got = reader(b, gro=True)
    b.feed([b.datagram(bytes(100), i) for i in range(1, 6)] + [b.datagram(bytes(40), 6)])
    assert got == [(540, 100)]
    assert b.merged == [(20 + 8 + 540, 100, 6)]
    assert b.m.ledger.delivered == 6 and b.counter("UdpInDatagrams") == 1
    b.m.close()


@pytest.mark.parametrize("release", ["3.13", *MODERN])
def test_a_flood_merges_nothing(release: str) -> None:
    b = Box(release)
    got = reader(b, gro=False)
    b.feed([b.datagram(bytes(100), i) for i in range(30)])
    assert got == [(100, 0)] * 30 and b.merged == [(128, 0, 0)] * 30
    b.m.close()


@pytest.mark.parametrize("release", MODERN)
def test_sixty_four_and_no_more(release: str) -> None:
    b = Box(release)
    got = reader(b, gro=True)
    b.feed([b.datagram(bytes(20), i) for i in range(130)])
    assert sum(n for n, _ in got) == 130 * 20
    assert max(n for n, _ in got) == 64 * 20
    b.m.close()


@pytest.mark.parametrize("release", MODERN)
@pytest.mark.parametrize("ids", ["counting", "fixed", "mixed"])
def test_identification(release: str, ids: str) -> None:
    """Counting or fixed, as TCP's; what began as fixed does not go on counting."""
    b = Box(release)
    got = reader(b, gro=True)
    seq = {"counting": [1, 2, 3, 4], "fixed": [7, 7, 7, 7], "mixed": [7, 7, 9, 10]}[ids]
    b.feed([b.datagram(bytes(50), i, frag_off=0x4000) for i in seq])
    assert got == ([(200, 50)] if ids != "mixed" else [(100, 50), (100, 50)])
    b.m.close()


@pytest.mark.parametrize("release", MODERN)
def test_a_list_is_taken_apart_for_a_socket(release: str) -> None:
    b = Box(release, "rx-gro-list on")
    got = reader(b, gro=False)
    b.feed([b.datagram(bytes(100), i) for i in range(1, 6)] + [b.datagram(bytes(40), 6)])
    assert b.merged == [(568, 100, 6)]
    assert got == [(100, 0)] * 5 + [(40, 0)]
    assert b.m.ledger.delivered == 6 and b.counter("UdpInDatagrams") == 6
    b.m.close()


@pytest.mark.parametrize("release", MODERN)
@pytest.mark.parametrize("feature", ["rx-gro-list on", "rx-udp-gro-forwarding on"])
def test_forwarding_merges_and_cuts(release: str, feature: str) -> None:
    b = Box(release, feature, **{"net.ipv4.ip_forward": "1"})
    sent = [b.datagram(bytes([i]) * 100, 10 + i, FAR, ttl=9) for i in range(8)] + [
        b.datagram(bytes(30), 18, FAR, ttl=9)
    ]
    b.feed(sent)
    assert b.merged == [(20 + 8 + 830, 100, 9)]
    out = b.out()
    # of a list only the first one's TTL is counted down
    assert [Ipv4View(f[14:]).ttl for f in out] == [8] + [9 if "list" in feature else 8] * 8
    assert all(Ipv4View(f[14:]).check_ok() for f in out)
    assert [f[34 : 14 + int.from_bytes(f[16:18], "big")] for f in out] == [
        f[34 : 14 + int.from_bytes(f[16:18], "big")] for f in sent
    ]
    assert [f[18:20] for f in out] == [f[18:20] for f in sent]  # identification
    assert b.counter("IpForwDatagrams") == 1
    assert b.m.ledger.total_consumed() == 9 and b.m.in_flight() == 0
    b.m.close()


def test_forwarded_segments_that_fit_pass_although_the_whole_does_not() -> None:
    b = Box("6.1", **{"net.ipv4.ip_forward": "1"})
    frames = [
        tcp_frame(
            PEER_MAC, b.dev.dev_addr, PEER, FAR, 1, 2, 1 + i * 1000, 1, 0x10, bytes(1000), ident=i, frag_off=0x4000
        )
        for i in range(5)
    ]
    b.feed(frames)
    assert b.merged == [(5040, 1000, 5)]
    out = b.out()
    assert [(len(f), f[12:14], f[23]) for f in out] == [(1054, b"\x08\x00", 6)] * 5
    assert b.counter("IpFragFails") == 0
    b.m.close()


# --- the kernel of this machine -----------------------------------------------------------------------------------

KERNEL = """
import fcntl, os, struct, subprocess, sys, time
feature, frames = sys.argv[1], [bytes.fromhex(x) for x in sys.argv[2:]]
fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"t0", 0x0002 | 0x1000 | 0x0010))
def sh(line):
    subprocess.run(line, shell=True, check=True, capture_output=True)
sh("mount -t sysfs nodev /sys")
sh("ip link set t0 address 02:00:00:00:00:02; ip addr add 10.0.0.2/24 dev t0; ip link set t0 up")
sh("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 nud permanent dev t0")
sh("ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 nud permanent dev t0")
sh("ethtool -K t0 " + feature)
for x in ("ip_forward=1", "conf.all.send_redirects=0", "conf.t0.send_redirects=0"):
    k, v = x.split("=")
    open("/proc/sys/net/ipv4/" + k.replace(".", "/"), "w").write(v)
open("/sys/class/net/t0/gro_flush_timeout", "w").write("60000000")
time.sleep(0.05)
try:
    while os.read(fd, 65536):
        pass
except BlockingIOError:
    pass
for f in frames:
    os.write(fd, f)
end = time.monotonic() + 0.2
while time.monotonic() < end:
    try:
        d = os.read(fd, 65536)
    except BlockingIOError:
        time.sleep(0.01)
        continue
    if d[12:14] == b"\\x08\\x00" and d[23] == 17:
        print(d.hex())
snmp = [x.split() for x in open("/proc/net/snmp") if x.startswith("Ip:")]
print("ForwDatagrams", dict(zip(*snmp))["ForwDatagrams"])
"""


TRIES = 10  # a jiffy that ends within a train parts it (napi_gro_flush): then the kernel is asked again


def kernel(feature: str, frames: list[bytes]) -> tuple[list[bytes], int]:
    """What this machine's kernel forwards out of a TAP with NAPI, in a network namespace, and how many it counted."""
    done = subprocess.run(
        ["unshare", "-n", "-m", sys.executable, "-c", KERNEL, feature, *(f.hex() for f in frames)],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [bytes.fromhex(x) for x in lines[:-1]], int(lines[-1].split()[1])


def trains(b: Box) -> Iterator[tuple[str, list[bytes]]]:
    def one(data: bytes, ident: int, **kw: Any) -> bytes:
        return b.datagram(data, ident, FAR, ttl=9, **kw)

    yield "equal, shorter last", [one(bytes([i]) * 100, 10 + i) for i in range(8)] + [one(bytes(30), 18)]
    yield "fixed ids", [one(bytes([i]) * 100, 7, frag_off=0x4000) for i in range(5)]
    yield "ids that jump", [one(bytes(60), i) for i in (1, 2, 9, 10)]
    yield "longer next", [one(bytes(60), 1), one(bytes(80), 2), one(bytes(80), 3)]
    yield "no checksum", [one(bytes(60), i, checksum=0) for i in range(3)]
    yield "sixty-four", [one(bytes(40), i) for i in range(70)]
    yield "reserved bit", [one(bytes(60), 1), one(bytes(60), 2, frag_off=0x8000), one(bytes(60), 3)]
    yield "fixed, then counting", [one(bytes(60), i, frag_off=0x4000) for i in (7, 7, 9, 10)]


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/net/tun"), reason="needs root and /dev/net/tun")
@pytest.mark.parametrize("feature", ["rx-gro-list on", "rx-udp-gro-forwarding on", "rx-gro-list off"])
def test_the_kernel_forwards_the_same(feature: str) -> None:
    release = os.uname().release
    if not release.startswith("6.18"):
        pytest.skip(f"a 6.18 judges, this is {release}")
    names = [n for n, _ in trains(Box("6.18"))]
    for name in names:
        b = Box("6.18", "rx off", feature, **{"net.ipv4.ip_forward": "1"})  # a TAP checks no checksums
        frames = dict(trains(b))[name]
        hw = b.dev.dev_addr
        b.feed(frames)
        mine = [f.replace(hw, mac("02:00:00:00:00:02"), 1) for f in b.out()]
        for _ in range(TRIES):
            theirs, counted = kernel(feature, [f.replace(hw, mac("02:00:00:00:00:02"), 1) for f in frames])
            if mine == theirs:
                break
        assert mine == theirs, name
        assert b.counter("IpForwDatagrams") == counted, name
        b.m.close()
