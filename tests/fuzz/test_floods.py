"""Floods stay inside the limits that Linux has: fragments, neighbours, ICMP, SYN."""

from __future__ import annotations

import random

from rxpath.config import MachineConfig, NicConfig
from rxpath.formats import snmp as snmp_file
from rxpath.machine import Machine
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import arp_frame, icmp_echo_frame, ipv4_frame, tcp_frame, udp_frame

PEER, HOST = ip4("10.0.0.1"), ip4("10.0.0.2")
PEER_MAC = mac("02:00:00:00:00:01")
MS = 1_000_000


def box(release: str = "6.1", prefix: int = 24, **sysctls: str) -> tuple[Machine, bytes]:
    m = Machine(
        MachineConfig(
            release=release,
            nics=[NicConfig(model="e1000e", addresses=[f"10.0.0.2/{prefix}"])],
            sysctls={k.replace("__", "."): v for k, v in sysctls.items()},
        )
    )
    m.boot()
    dev = m.ports[0].dev
    assert dev is not None
    return m, dev.dev_addr


def flood(m: Machine, frames: list[bytes]) -> None:
    """32 at a time, so that the ring is not what limits."""
    for i in range(0, len(frames), 32):
        for f in frames[i : i + 32]:
            m.ports[0].receive(f)
        m.run(m.now + MS)


def counter(m: Machine, group: str, name: str) -> int:
    return snmp_file.parse(m.files.read("/proc/net/snmp")).get(group, name)


def test_fragments_that_never_end() -> None:
    m, own = box()
    high = int(m.files.read("/proc/sys/net/ipv4/ipfrag_high_thresh"))
    frames = [
        ipv4_frame(PEER_MAC, own, PEER - 1 + i % 200, HOST, 17, bytes(1480), ident=i & 0xFFFF, frag_off=0x2000)
        for i in range(6000)
    ]
    flood(m, frames)
    most = high + 64 * 2304  # what one batch may bring above the limit
    assert 0 < m.net.ipv4.fqdir.mem <= most
    assert counter(m, "Ip", "ReasmFails") > 0
    m.check()
    m.run(m.now + 40_000 * MS)  # ipfrag_time is 30 s
    assert m.net.ipv4.fqdir.mem == 0 and not m.net.ipv4.fqdir.queues
    m.check()
    m.close()


def test_neighbours_without_number() -> None:
    m, own = box(prefix=8, net__ipv4__neigh__default__gc_thresh3="512", net__ipv4__neigh__default__gc_thresh2="256")
    frames = [
        arp_frame(1, b"\x02\0" + i.to_bytes(4, "big"), ip4("10.1.0.0") + i, b"", HOST) for i in range(3000)
    ]
    flood(m, frames)
    assert len(m.net.ipv4.arp_tbl.entries) <= 512 + 16
    # and those that somebody here wants to reach and that never answer
    flood(m, [icmp_echo_frame(PEER_MAC, own, ip4("10.2.0.0") + i, HOST, 1, i & 0xFFFF) for i in range(3000)])
    assert len(m.net.ipv4.arp_tbl.entries) <= 512 + 16
    m.check()
    m.close()


def test_errors_are_sent_within_the_limits() -> None:
    m, own = box("6.18")
    m.files.write("/proc/sys/net/ipv4/icmp_msgs_burst", "50")
    before = counter(m, "Icmp", "OutDestUnreachs")
    rng = random.Random(1)
    flood(m, [udp_frame(PEER_MAC, own, PEER, HOST, 4000, 9, rng.randbytes(20)) for _ in range(2000)])
    one_host = counter(m, "Icmp", "OutDestUnreachs") - before
    assert 6 <= one_host <= 8  # six in a burst, one a second
    m.run(m.now + 1000 * MS)
    start = m.now
    before += one_host
    flood(m, [udp_frame(PEER_MAC, own, ip4("10.0.0.3") + i % 200, HOST, 4000, 9, b"x") for i in range(4000)])
    seconds = (m.now - start) / 1e9
    all_hosts = counter(m, "Icmp", "OutDestUnreachs") - before
    assert all_hosts <= 2 * (50 + 1000 * seconds)  # credits are taken 0 to 2 at a time
    assert counter(m, "Icmp", "OutDestUnreachs") < 2000
    m.check()
    m.close()


def test_syns_from_everywhere() -> None:
    m, own = box(net__ipv4__tcp_max_syn_backlog="64", net__ipv4__tcp_syncookies="0")
    s = m.socket(2, 1)
    s.bind(("", 80))
    s.listen(32)
    held = []
    frames = [
        tcp_frame(PEER_MAC, own, ip4("10.0.0.3") + i % 200, HOST, 1024 + i // 200, 80, i, 0, 2) for i in range(3000)
    ]
    for i in range(0, len(frames), 300):
        flood(m, frames[i : i + 300])
        held.append(len(m.files.read("/proc/net/tcp").splitlines()))
    assert max(held) <= 64 + 4
    m.check()
    m.close()
