"""The real ixgbe takes what the X540's receive side coalescing merges: bytes, counts, descriptor chains."""

from __future__ import annotations

import hashlib
import os

import bench as b
import pytest
from bench import HOST_IP, HOST_MAC, Bench
from chips import CHIPS

from rxpath.hw.nic.offload import fold, ones_sum

WHY = b.missing()
pytestmark = [
    pytest.mark.real_driver,
    pytest.mark.skipif(bool(WHY), reason=WHY),
    pytest.mark.xdist_group("real_drivers"),
]
MAC = b"\x52\x54\x00\x12\x34\x56"

SNIFF = """
import hashlib, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.bind(("eth0", 0))
s.settimeout(2)
open("/tmp/ready", "w").close()
try:
    while True:
        d = s.recv(70000)
        if d[:6] == bytes.fromhex("525400123456"):
            print(len(d), hashlib.md5(d[54:]).hexdigest(), int.from_bytes(d[16:18], "big"), flush=True)
except TimeoutError:
    pass
"""


def segment(seq: int, data: bytes, flags: int = 0x10) -> bytes:
    seg = b"\x0f\xa0\x00\x50" + seq.to_bytes(4, "big") + b"\0\0\0\1" + bytes((0x50, flags)) + b"\x10\0\0\0\0\0" + data
    pseudo = HOST_IP + b.GUEST_IP + b"\0\x06" + len(seg).to_bytes(2, "big")
    seg = seg[:16] + fold(ones_sum(pseudo + seg)).to_bytes(2, "big") + seg[18:]
    ip = b"\x45\0" + (20 + len(seg)).to_bytes(2, "big") + b"\0\x07\x40\0\x40\x06\0\0" + HOST_IP + b.GUEST_IP
    ip = ip[:10] + fold(ones_sum(ip)).to_bytes(2, "big") + ip[12:]
    return (MAC + HOST_MAC + b"\x08\0" + ip + seg).ljust(60, b"\0")


def test_merged_frames_reach_the_stack_whole() -> None:
    with Bench(CHIPS["X540"].make()) as bench:
        bench.up()
        bench.sh("ethtool -K eth0 lro on gro off")
        bench.carrier()
        with open(os.path.join(bench.folder, "sniff.py"), "w") as f:
            f.write(SNIFF)
        bench.sh(f"{b.sys.executable} /mnt/sniff.py > /tmp/out &")
        for _ in range(50):
            if bench.sh("ls /tmp/ready 2>/dev/null").strip():
                break
            bench.run(0.1)
        data = bytes(i * 7 & 255 for i in range(20 * 1448))
        bench.burst([segment(1 + i * 1448, data[i * 1448 : (i + 1) * 1448]) for i in range(20)], gap_ns=0)
        small = [segment(50_000 + i * 100, data[i * 100 : i * 100 + 100], 0x18 if i == 9 else 0x10) for i in range(10)]
        bench.burst(small, gap_ns=500)
        bench.run(3)
        seen = [line.split() for line in bench.sh("cat /tmp/out").splitlines()]
        want = [(data, len(data)), (data[:1000], 1000)]
        assert seen == [[str(54 + n), hashlib.md5(d[:n]).hexdigest(), str(40 + n)] for d, n in want]
        stats = bench.stats()
        assert (stats["hw_rsc_aggregated"], stats["hw_rsc_flushed"]) == (19 + 9, 2)
        assert (stats["rx_packets"], stats["rx_pkts_nic"]) == (2, 30)
        assert bench.bus.faults == 0 and bench.bus.dropped == [] and bench.model.in_flight() == 0
