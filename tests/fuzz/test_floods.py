"""Floods stay inside the limits that Linux has: fragments, neighbours, ICMP, SYN, sockets that close; and inside the
memory of the host that runs the machine, whatever comes.
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.formats import snmp as snmp_file
from rxpath.machine import Machine
from rxpath.net.ipv4.tcp.sock import tcp_state_of
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


def connect(m: Machine, own: bytes, listener: object, source: int, port: int, isn: int) -> object:
    """A client's handshake by frames; the accepted socket."""
    out: list[bytes] = []
    model = m.ports[0].model
    old, model.tx_sink = model.tx_sink, out.append
    m.ports[0].receive(tcp_frame(PEER_MAC, own, source, HOST, port, 80, isn, 0, 2))
    m.run(m.now + MS)
    answer = next(f for f in out if f[12:14] == b"\x08\0" and f[23] == 6)
    theirs = int.from_bytes(answer[38:42], "big")
    m.ports[0].receive(tcp_frame(PEER_MAC, own, source, HOST, port, 80, isn + 1, theirs + 1, 0x10))
    m.run(m.now + MS)
    model.tx_sink = old
    return m.in_task(listener.accept)[0], theirs + 1  # type: ignore[attr-defined]


def test_sockets_in_time_wait_and_orphans() -> None:
    m, own = box("6.1", net__ipv4__tcp_max_tw_buckets="8", net__ipv4__tcp_max_orphans="5")
    flood(m, [arp_frame(1, PEER_MAC, PEER, b"", HOST)])
    s = m.socket(2, 1)
    s.bind(("", 80))
    s.listen(64)
    for i in range(40):  # ours closes first, theirs answers: TIME_WAIT here
        c, theirs = connect(m, own, s, PEER, 2000 + i, 1000)  # type: ignore[misc]
        m.in_task(c.close)
        flood(m, [tcp_frame(PEER_MAC, own, PEER, HOST, 2000 + i, 80, 1001, theirs + 1, 0x11)])
    ts = tcp_state_of(m.net.ipv4)
    assert ts.tw_count == 8
    rows = m.files.read("/proc/net/tcp").splitlines()
    assert sum(r.split()[3] == "06" for r in rows[1:]) == 8
    for i in range(40):  # theirs never answers the FIN: orphans
        c, _ = connect(m, own, s, PEER, 3000 + i, 1000)  # type: ignore[misc]
        m.in_task(c.close)
    assert ts.orphans <= 5 + 1
    m.check()
    m.close()


def test_a_backlog_that_nobody_accepts() -> None:
    m, own = box(net__core__somaxconn="7")
    s = m.socket(2, 1)
    s.bind(("", 80))
    s.listen(1000)
    flood(m, [arp_frame(1, PEER_MAC, PEER, b"", HOST)])
    out: list[bytes] = []
    m.ports[0].model.tx_sink = out.append
    for i in range(60):
        m.ports[0].receive(tcp_frame(PEER_MAC, own, PEER, HOST, 2000 + i, 80, 1000, 0, 2))
        m.run(m.now + MS)
        answers = [f for f in out if f[12:14] == b"\x08\0" and f[23] == 6]
        out.clear()
        if answers:
            theirs = int.from_bytes(answers[0][38:42], "big")
            m.ports[0].receive(tcp_frame(PEER_MAC, own, PEER, HOST, 2000 + i, 80, 1001, theirs + 1, 0x10))
            m.run(m.now + MS)
    assert len(s.sk.accept_queue) == 7 + 1  # Linux's comparison lets one more in
    m.check()
    m.close()


Frames = Callable[[bytes, int], bytes]


def group_frame(own: bytes, i: int) -> bytes:
    """A multicast datagram of a group that nobody joined."""
    group = ip4("239.0.0.0") + i
    dst = b"\x01\0\x5e" + (group & 0x7FFFFF).to_bytes(3, "big")
    return udp_frame(PEER_MAC, dst, PEER, group, 4000, 5000, b"x" * 30)


def host(i: int) -> int:
    return ip4("10.1.0.0") + i


FLOODS: dict[str, Frames] = {
    "flows to a socket": lambda own, i: udp_frame(PEER_MAC, own, host(i), HOST, 1024 + i % 60000, 7000, b"x" * 30),
    "datagrams for nobody": lambda own, i: udp_frame(PEER_MAC, own, host(i), HOST, 4000, 9, b"x"),
    "gratuitous arp": lambda own, i: arp_frame(2, b"\2\0" + i.to_bytes(4, "big"), host(i), b"\xff" * 6, host(i)),
    "arp requests": lambda own, i: arp_frame(1, b"\2\0" + i.to_bytes(4, "big"), host(i), b"", HOST),
    "pings": lambda own, i: icmp_echo_frame(PEER_MAC, own, host(i), HOST, i & 0xFFFF, i & 0xFFFF),
    "fragments": lambda own, i: ipv4_frame(
        PEER_MAC, own, host(i), HOST, 17, bytes(1480), ident=i & 0xFFFF, frag_off=0x2000
    ),
    "syns to a closed port": lambda own, i: tcp_frame(PEER_MAC, own, host(i), HOST, 1024 + i % 60000, 81, i, 0, 2),
    "syns to a listener": lambda own, i: tcp_frame(PEER_MAC, own, host(i), HOST, 1024 + i % 60000, 80, i, 0, 2),
    "segments of no connection": lambda own, i: tcp_frame(
        PEER_MAC, own, host(i), HOST, 1024 + i % 60000, 80, i, i, 0x10, payload=b"x" * 100
    ),
    "groups": group_frame,
    "protocols": lambda own, i: ipv4_frame(PEER_MAC, own, host(i), HOST, i % 251, bytes(40), ident=i & 0xFFFF),
    "ethertypes": lambda own, i: own + PEER_MAC + (0x600 + i % 60000).to_bytes(2, "big") + bytes(50),
    "other stations": lambda own, i: b"\2\0" + i.to_bytes(4, "big") + PEER_MAC + b"\x08\0" + bytes(50),
    "noise": lambda own, i: own + random.Random(i).randbytes(20 + i % 900),
}
SOAK = bool(os.environ.get("RXPATH_SOAK"))
FIRST = 5000 if SOAK else 2200  # more than the tables below hold
MORE = 20_000 if SOAK else 1500
STEERED = ("flows to a socket", "gratuitous arp", "segments of no connection", "noise")


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize(
    ("kind", "steered"),
    [(k, s) for k in sorted(FLOODS) for s in (False, True) if SOAK or k in STEERED or not s],
)
def test_the_host_s_memory_does_not_grow(kind: str, steered: bool) -> None:
    """Twice as many frames again, all of new flows, leave no more objects behind than the tables' limits allow."""
    m = Machine(
        MachineConfig(
            release="6.18" if steered else "6.1",
            cpus=2,
            nics=[NicConfig(model="ixgbe" if steered else "e1000e", addresses=["10.0.0.2/8"])],
            sysctls={
                "net.ipv4.neigh.default.gc_thresh2": "64",
                "net.ipv4.neigh.default.gc_thresh3": "128",
                "net.ipv4.ipfrag_low_thresh": "196608",
                "net.ipv4.ipfrag_high_thresh": "262144",
                "net.ipv4.inet_peer_threshold": "128",
                "net.ipv4.tcp_max_syn_backlog": "64",
                "net.ipv4.conf.all.arp_accept": "1",
                "net.core.rmem_default": "65536",
            },
        )
    )
    m.boot()
    if steered:
        m.files.write("/proc/sys/net/core/rps_sock_flow_entries", "256")
        for queue in range(2):
            m.files.write(f"/sys/class/net/eth0/queues/rx-{queue}/rps_cpus", "3")
            m.files.write(f"/sys/class/net/eth0/queues/rx-{queue}/rps_flow_cnt", "128")
    dev = m.ports[0].dev
    assert dev is not None
    reader, idle, packets = m.socket(), m.socket(), m.socket(17, 3, 3)
    reader.bind(("", 7000))
    idle.bind(("", 7001))
    listener = m.socket(2, 1)
    listener.bind(("", 80))
    listener.listen(16)
    reader.setblocking(False)

    def read() -> None:
        while True:
            try:
                reader.recv(2048)
            except OSError:
                return

    make = FLOODS[kind]

    def send(first: int, n: int) -> None:
        for at in range(first, first + n, 50):
            for i in range(at, at + 50):
                m.ports[0].receive(make(dev.dev_addr, i))
            m.run(m.now + MS)
            m.in_task(read)

    send(0, FIRST)
    before = objects()
    send(FIRST, MORE)
    assert objects() - before <= 400, kind
    assert packets.sk.rmem_alloc <= packets.sk.rcvbuf + 20000
    assert m.net.ipv4.fqdir.mem <= 262144 + 64 * 2304
    assert len(m.net.ipv4.arp_tbl.entries) <= 128 + 16
    assert m.ledger.wire == FIRST + MORE
    assert len(m.ledger.dropped) + len(m.ledger.consumed) < 100  # reasons, not frames
    assert len(m.kernel.log.records) <= m.kernel.log.limit
    for q in dev.rx_queues:
        assert q.rps_flow_table is None or len(q.rps_flow_table) <= 128
    m.check()
    m.close()


def test_large_tables_cost_what_is_used() -> None:
    """The greatest tables that Linux lets a user ask for hold what came, not what was asked for."""
    m, own = box()
    m.files.write("/proc/sys/net/core/rps_sock_flow_entries", str(1 << 29))
    m.files.write("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", str(1 << 29))
    flood(m, [udp_frame(PEER_MAC, own, PEER, HOST, 1024 + i, 9, b"x") for i in range(64)])
    table = m.ports[0].dev.rx_queues[0].rps_flow_table  # type: ignore[union-attr]
    assert m.files.read("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt") == f"{1 << 29}\n" and len(table) <= 64
    m.files.write("/proc/sys/net/core/flow_limit_table_len", str(1 << 24))
    with pytest.raises(OSError, match="allocate"):
        m.files.write("/proc/sys/net/core/flow_limit_cpu_bitmap", "1")
    m.check()
    m.close()
