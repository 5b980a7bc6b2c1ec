"""Makes captures/demo.pcapng: what a host 10.0.0.1 saw on its gigabit link in 0.6 s, all of it invented here.

    PYTHONPATH=src python captures/make_demo.py [FILE]

The capture is as a host's own tcpdump would have it: its answers are in it, marked outbound, and one TCP
record is what GRO had merged. The same bytes come out every time. Addresses and ports:

    10.0.0.1    02:00:00:00:00:01   the host; listens on UDP 5000 and 5001
    10.0.0.2-5  02:00:00:00:00:02-5 its neighbours
    UDP 9999    nobody listens there; the host says so

At 0.4 s comes a burst of 3200 datagrams of 18 bytes to 32 ports, back to back at line rate (672 ns apart, 1.49 million
a second).
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from rxpath.link.capture_writer import PcapngWriter
from rxpath.link.generator import LoadGenerator, Sizes
from rxpath.link.linktypes import DIR_INBOUND, DIR_OUTBOUND
from rxpath.wire.addr import BROADCAST_MAC, ip4, ip_eth_mc_map
from rxpath.wire.arp import ARPOP_REPLY, ARPOP_REQUEST
from rxpath.wire.build import (
    arp_frame,
    fragment_frame,
    icmp_echo_frame,
    icmp_error_frame,
    tcp_frame,
    udp_frame,
)
from rxpath.wire.ethernet import ETH_P_LLDP, ether_frame
from rxpath.wire.icmp import ICMP_DEST_UNREACH, ICMP_PORT_UNREACH
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_FIN, TCPHDR_PSH, TCPHDR_SYN, TcpOptions

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
LINK_BPS = 1_000_000_000
BURST = 3200
BURST_PORT = 5100
BURST_PORTS = 32
HOST = ip4("10.0.0.1")
HOST_MAC = b"\x02\x00\x00\x00\x00\x01"

Item = tuple[int, bytes, int]


def neighbour(n: int) -> tuple[int, bytes]:
    """(address, MAC) of neighbour n, 2 to 5."""
    return HOST - 1 + n, HOST_MAC[:5] + bytes((n,))


def talk() -> list[Item]:
    """ARP and pings, both ways."""
    peer, mac = neighbour(2)
    out = [
        (0, arp_frame(ARPOP_REQUEST, mac, peer, b"", HOST), DIR_INBOUND),
        (18_000, arp_frame(ARPOP_REPLY, HOST_MAC, HOST, mac, peer), DIR_OUTBOUND),
        (
            5 * MS,
            arp_frame(ARPOP_REQUEST, neighbour(4)[1], neighbour(4)[0], b"", neighbour(5)[0]),
            DIR_INBOUND,
        ),
    ]
    payload = bytes(range(0x10, 0x48))
    for n in range(10):
        at = (10 + 10 * n) * MS
        out.append((at, icmp_echo_frame(mac, HOST_MAC, peer, HOST, 77, n + 1, payload, ip_ident=n), DIR_INBOUND))
        reply = icmp_echo_frame(HOST_MAC, mac, HOST, peer, 77, n + 1, payload, reply=True, ip_ident=900 + n)
        out.append((at + 21_000, reply, DIR_OUTBOUND))
    return out


def flows() -> list[Item]:
    """Four calm UDP flows of mixed sizes to 5000, one of large ones to 5001."""
    peer, mac = neighbour(3)
    mixed = LoadGenerator(
        count=600, pps=2000, sizes=Sizes.imix(), flows=4, spread="random", src=peer, src_mac=mac, dst=HOST,
        dst_mac=HOST_MAC, sport=40000, dport=5000, seed=1, start_ns=20 * MS,
    )  # fmt: skip
    peer, mac = neighbour(4)
    large = LoadGenerator(
        count=200, pps=1000, sizes=1472, burst=10, link_bps=LINK_BPS, src=peer, src_mac=mac, dst=HOST,
        dst_mac=HOST_MAC, sport=41000, dport=5001, seed=2, start_ns=30 * MS + 333,
    )  # fmt: skip
    return [(t, frame, DIR_INBOUND) for source in (mixed, large) for t, frame in source]


def odd() -> list[Item]:
    """What does not end in a socket, each for a reason of its own."""
    peer, mac = neighbour(2)
    out: list[Item] = []
    for n in range(20):
        frame = udp_frame(mac, HOST_MAC, peer, HOST, 42000, 9999, b"is anybody there?", ident=n, frag_off=0x4000)
        at = (50 + 2 * n) * MS + 700_000
        out.append((at, frame, DIR_INBOUND))
        if n < 6:
            error = icmp_error_frame(
                HOST_MAC, mac, HOST, peer, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, frame[14 : 14 + 45]
            )
            out.append((at + 25_000, error, DIR_OUTBOUND))
    for n in range(5):
        good = udp_frame(mac, HOST_MAC, peer, HOST, 42001, 5000, b"damaged on the way", ident=50 + n)
        bad = int.from_bytes(good[40:42], "big") ^ 0x5555
        frame = udp_frame(mac, HOST_MAC, peer, HOST, 42001, 5000, b"damaged on the way", ident=50 + n, checksum=bad)
        out.append(((120 + n) * MS + 100_000, frame, DIR_INBOUND))
    for n in range(10):
        frame = udp_frame(mac, HOST_MAC, peer, HOST, 42002, 5000, b"tagged", ident=60 + n, vlan=100)
        out.append(((130 + n) * MS + 200_000, frame, DIR_INBOUND))
    for n in range(3):
        whole = udp_frame(mac, HOST_MAC, peer, HOST, 42003, 5001, bytes(range(250)) * 16, ident=70 + n)
        pieces = fragment_frame(whole, 1500)
        if n == 2:
            pieces.pop()  # a datagram that never gets whole
        out += [((150 + n) * MS + 12_304 * i, piece, DIR_INBOUND) for i, piece in enumerate(pieces)]
    for n in range(5):
        other, other_mac = neighbour(5)
        frame = udp_frame(mac, other_mac, peer, other, 42004, 5000, b"for my neighbour", ident=80 + n)
        out.append(((160 + n) * MS + 300_000, frame, DIR_INBOUND))
    group = ip4("239.1.2.3")
    for n in range(4):
        frame = udp_frame(mac, ip_eth_mc_map(group), peer, group, 42005, 5000, b"for a group", ident=90 + n, ttl=1)
        out.append(((170 + n) * MS + 400_000, frame, DIR_INBOUND))
    frame = udp_frame(mac, BROADCAST_MAC, peer, 0xFFFFFFFF, 68, 67, bytes(300), ident=99)
    out.append((176 * MS, frame, DIR_INBOUND))
    lldp = bytes.fromhex("020704020000000002040403657468060200780000")
    out.append((178 * MS, ether_frame(bytes.fromhex("0180c200000e"), mac, ETH_P_LLDP, lldp), DIR_INBOUND))
    short = udp_frame(mac, HOST_MAC, peer, HOST, 42006, 5000, b"", ident=100, ttl=1)
    out.append((179 * MS, short, DIR_INBOUND))
    return out


def tcp() -> list[Item]:
    """A connection to port 80: handshake, a request, five segments that GRO merged into one record, the
    end."""
    peer, mac = neighbour(3)
    options = TcpOptions(mss=1460, wscale=7, sack_ok=True, tsval=1000, tsecr=0)
    stamp = TcpOptions(tsval=1010, tsecr=500)
    answer = TcpOptions(tsval=510, tsecr=1010)
    out: list[Item] = []
    seq, ack, ident, at = 1000, 5000, 300, 200 * MS

    def here(flags: int, payload: bytes = b"", opts: TcpOptions = stamp) -> None:
        nonlocal seq, ident, at
        frame = tcp_frame(
            mac, HOST_MAC, peer, HOST, 43000, 80, seq, 0 if flags & TCPHDR_SYN else ack, flags, payload,
            window=502, tcp_options=opts, ident=ident, frag_off=0x4000,
        )  # fmt: skip
        out.append((at, frame, DIR_INBOUND))
        seq += len(payload) + (1 if flags & (TCPHDR_SYN | TCPHDR_FIN) else 0)
        ident += -(-len(payload) // 1448) or 1
        at += MS

    def there(flags: int, opts: TcpOptions = answer) -> None:
        nonlocal ack
        frame = tcp_frame(
            HOST_MAC,
            mac,
            HOST,
            peer,
            80,
            43000,
            ack,
            seq,
            flags,
            window=509,
            tcp_options=opts,
            frag_off=0x4000,
        )
        out.append((at - MS + 30_000, frame, DIR_OUTBOUND))
        ack += 1 if flags & (TCPHDR_SYN | TCPHDR_FIN) else 0

    here(TCPHDR_SYN, opts=options)
    there(TCPHDR_SYN | TCPHDR_ACK, TcpOptions(mss=1460, wscale=7, sack_ok=True, tsval=500, tsecr=1000))
    here(TCPHDR_ACK)
    here(TCPHDR_ACK | TCPHDR_PSH, b"POST /upload HTTP/1.1\r\nHost: 10.0.0.1\r\nContent-Length: 7240\r\n\r\n")
    there(TCPHDR_ACK)
    here(TCPHDR_ACK | TCPHDR_PSH, bytes(n % 251 for n in range(5 * 1448)))
    there(TCPHDR_ACK)
    here(TCPHDR_FIN | TCPHDR_ACK)
    there(TCPHDR_FIN | TCPHDR_ACK)
    here(TCPHDR_ACK)
    return out


def burst() -> list[Item]:
    """Small datagrams at line rate to many readers, longer than a ring of the default size can bridge."""
    peer, mac = neighbour(5)
    out: list[Item] = []
    for i in range(BURST):
        frame = udp_frame(
            mac, HOST_MAC, peer, HOST, 44000, BURST_PORT + i % BURST_PORTS, i.to_bytes(18, "big"), ident=i & 0xFFFF
        )
        out.append((400 * MS + i * 672, frame, DIR_INBOUND))
    return out


def after() -> list[Item]:
    """Calm again: what comes after the burst is received whole."""
    peer, mac = neighbour(2)
    load = LoadGenerator(
        count=100, pps=1000, sizes=64, src=peer, src_mac=mac, dst=HOST, dst_mac=HOST_MAC, sport=45000,
        dport=5000, stamp=True, seed=4, start_ns=480 * MS,
    )  # fmt: skip
    return [(t, frame, DIR_INBOUND) for t, frame in load]


def items() -> list[Item]:
    """All of it in order of time: (time in ns from the start, frame, direction)."""
    everything = talk() + flows() + odd() + tcp() + burst() + after()
    everything.sort(key=lambda item: item[0])
    return everything


def main(path: str) -> None:
    with (
        open(path, "wb") as file,
        gzip.GzipFile("", "wb", 9, file, 0) as packed,
        PcapngWriter(packed) as writer,  # type: ignore[arg-type]
    ):
        interface = writer.add_interface("eth0", speed=LINK_BPS)
        for t, frame, direction in items():
            writer.write(START_NS + t, frame, interface=interface, direction=direction)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent / "demo.pcapng"))
