"""Rules and the frames that meet them: run by the real kernel (iptables_real.py) and by ours (test_traffic.py)."""

from __future__ import annotations

from typing import Any

from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import icmp_echo_frame, ipv4_frame, udp_frame
from rxpath.wire.checksum import transport_checksum

HOST, HOST_MAC = ip4("10.0.0.2"), mac("02:00:00:00:00:02")
PEER, PEER_MAC = ip4("10.0.0.1"), mac("02:00:00:00:00:01")
FAR = ip4("10.9.1.1")
SYN, ACK, RST, FIN, PSH, URG = 2, 16, 4, 1, 8, 32


def udp(dport: int, n: int = 8, *, sport: int = 4000, src: int = PEER, dst: int = HOST, **more: Any) -> bytes:
    return udp_frame(PEER_MAC, HOST_MAC, src, dst, sport, dport, b"u" * n, pad=False, **more)


def tcp(
    dport: int,
    flags: int,
    data: bytes = b"",
    *,
    sport: int = 4000,
    options: bytes = b"",
    good: bool = True,
    src: int = PEER,
    dst: int = HOST,
    ack: int = 0,
) -> bytes:
    head = (
        sport.to_bytes(2, "big")
        + dport.to_bytes(2, "big")
        + (1000).to_bytes(4, "big")
        + ack.to_bytes(4, "big")
        + bytes(((20 + len(options)) << 2, flags))
        + (512).to_bytes(2, "big")
        + bytes(4)
        + options
    )
    check = transport_checksum(src, dst, 6, head + data) ^ (0 if good else 0x1111)
    head = head[:16] + check.to_bytes(2, "big") + head[18:]
    return ipv4_frame(PEER_MAC, HOST_MAC, src, dst, 6, head + data, pad=False)


def echo(n: int = 8, dst: int = HOST) -> bytes:
    return icmp_echo_frame(PEER_MAC, HOST_MAC, PEER, dst, 7, 1, b"e" * n, pad=False)


def ip(proto: int, data: bytes, **more: Any) -> bytes:
    return ipv4_frame(PEER_MAC, HOST_MAC, PEER, HOST, proto, data, pad=False, **more)


def scenario(setup: list[str], frames: list[bytes]) -> dict[str, Any]:
    return {"setup": setup, "frames": [f.hex() for f in frames]}


A = "iptables -A INPUT "
MIX = [
    udp(53),
    udp(99, 20),
    udp(100),
    tcp(22, SYN),
    tcp(22, SYN | ACK, ack=5),
    tcp(80, ACK, b"data", ack=9),
    echo(),
    echo(40),
]

SCENARIOS: dict[str, dict[str, Any]] = {
    "ports": scenario(
        [
            A + "-p udp --dport 53 -j DROP",
            A + "-p udp --dport 90:99 -j DROP",
            A + "-p udp ! --sport 4000 -j ACCEPT",
            A + "-p tcp -m multiport --dports 22,80:90 -j DROP",
        ],
        [*MIX, udp(53, sport=1), udp(90, sport=5)],
    ),
    "flags": scenario(
        [
            A + "-p tcp --syn -j DROP",
            A + "-p tcp --tcp-flags ACK,FIN FIN",
            A + "-p tcp --tcp-flags ALL NONE -j DROP",
            A + "-p tcp --tcp-option 8 -j DROP",
            A + "-p tcp ! --syn -j DROP",
        ],
        [
            tcp(22, SYN),
            tcp(22, FIN),
            tcp(22, 0),
            tcp(22, ACK),
            tcp(22, ACK, options=bytes((1, 1, 8, 10)) + bytes(8)),
            tcp(22, SYN | FIN),
            tcp(22, SYN | ACK),
            tcp(22, 0xC2),
        ],
    ),
    "chains": scenario(
        [
            "iptables -N one",
            "iptables -N two",
            A + "-p udp -j one",
            A + "-p icmp -g one",
            A + "-p tcp -j RETURN",
            "iptables -A one -p udp --dport 53 -j two",
            "iptables -A one -p udp --dport 99 -j RETURN",
            "iptables -A one -p icmp -j RETURN",
            "iptables -A one",
            "iptables -A two -j DROP",
            A + "-p udp",
            "iptables -P INPUT DROP",
        ],
        MIX,
    ),
    "addresses": scenario(
        [
            A + "-s 10.0.0.0/30 -d 10.0.0.2",
            A + "! -s 10.0.0.1",
            A + "-s 10.0.0.1/255.0.0.255",
            A + "-i tap0",
            A + "-i ta+",
            A + "! -i tap0",
            A + "-i lo+",
            A + "-p 17",
            A + "! -p udp",
        ],
        [*MIX, udp(9, src=ip4("10.0.0.77"))],
    ),
    "icmp": scenario(
        [
            A + "-p icmp --icmp-type 8",
            A + "-p icmp --icmp-type echo-reply",
            A + "-p icmp --icmp-type any",
            A + "-p icmp ! --icmp-type 8",
            A + "-p icmp --icmp-type 8/1",
            A + "-p icmp --icmp-type ping -j DROP",
        ],
        [echo(), ip(1, b"\xc8\0\x37\xff" + bytes(16)), ip(1, b"\x08\0"), echo(100)],
    ),
    "reject": scenario(
        [
            A + "-p udp --dport 53 -j REJECT",
            A + "-p udp --dport 99 -j REJECT --reject-with icmp-admin-prohibited",
            A + "-p udp --dport 100 -j REJECT --reject-with icmp-host-unreachable",
            A + "-p tcp --dport 22 -j REJECT --reject-with tcp-reset",
            A + "-p tcp -j REJECT --reject-with icmp-net-prohibited",
            A + "-p icmp -j REJECT --reject-with icmp-proto-unreachable",
        ],
        [
            *MIX,
            tcp(22, FIN | ACK, b"bye", ack=77),
            tcp(22, RST),
            tcp(22, 0, b"abc"),
            tcp(22, SYN, good=False),
            tcp(80, SYN, good=False),
            udp(53, checksum=0),
            udp(53, 3, checksum=0x1234),
        ],
    ),
    "fragments": scenario(
        [
            A + "-f -j DROP",
            A + "-p udp --dport 53 -j DROP",
            "iptables -t raw -A PREROUTING -f",
            "iptables -t raw -A PREROUTING -p udp --dport 53",
        ],
        [
            ip(17, udp(53, 24)[34:], ident=5),
            ip(17, udp(53, 24)[34:58], ident=6, frag_off=0x2000),
            ip(17, udp(53, 24)[58:], ident=6, frag_off=3),
            ip(17, udp(53, 24)[34:58], ident=7, frag_off=0x2001),
            ip(6, tcp(22, SYN)[34:], ident=8, frag_off=1),
            ip(17, b"\0\1\0\2"),
        ],
    ),
    "raw drops first": scenario(
        [
            "iptables -t raw -A PREROUTING -p udp --dport 53 -j DROP",
            "iptables -t raw -A PREROUTING -s 10.0.0.1 -p icmp",
            A + "-p udp --dport 53",
            A + "-p icmp",
            "iptables -t raw -A OUTPUT -p icmp --icmp-type echo-reply",
            "iptables -A OUTPUT -p icmp --icmp-type echo-reply -j DROP",
            "iptables -A OUTPUT -o tap0 -p icmp --icmp-type 3 -j ACCEPT",
        ],
        MIX,
    ),
    "forward": scenario(
        [
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.tap0.send_redirects=0",
            "iptables -A FORWARD -p udp --dport 53 -j DROP",
            "iptables -A FORWARD -i tap0 -o tap0 -p udp --dport 99 -j REJECT",
            "iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
            "iptables -A FORWARD -o lo",
        ],
        [
            udp(53, dst=FAR),
            udp(99, dst=FAR),
            udp(100, dst=FAR),
            tcp(22, SYN, dst=FAR),
            tcp(22, ACK, b"xy", ack=4, dst=FAR),
        ],
    ),
    "short": scenario(
        [
            A + "-p tcp --dport 22",
            A + "-p tcp -m multiport --dports 22",
            A + "-p icmp --icmp-type 8",
            A + "-p udp -m udp",
        ],
        [ip(6, b"\0\1\0\x16"), ip(6, b"\0\1\0"), ip(1, b"\x08"), ip(17, b"\0\1\0\2\0"), tcp(22, SYN)],
    ),
    "limit": scenario(
        [A + "-p udp -m limit --limit 1/hour --limit-burst 3 -j ACCEPT", A + "-p udp -j DROP"],
        [udp(9)] * 5,
    ),
}

L = "-j LOG --log-prefix"
LOG_RULES = [
    A + f"{L} all --log-tcp-sequence --log-tcp-options --log-ip-options",
    A + f'-p udp {L} "a b: " --log-level debug --log-macdecode',
    "iptables -A OUTPUT -p icmp -j LOG --log-prefix out --log-level 1",
    "iptables -t raw -A PREROUTING -f -j LOG --log-prefix frag",
]
LOG_FRAMES = [
    udp(53),
    udp(99, 20, tos=0xB8, ident=77, frag_off=0x4000, ttl=3, options=bytes((1, 1, 1, 0))),
    tcp(22, SYN, options=bytes((2, 4, 5, 0xB4))),
    tcp(22, 0xC0 | URG | PSH | ACK, b"x", ack=9),
    echo(),
    ip(1, b"\x03\x04\xf2\xff" + bytes((0, 0, 5, 0xDC)) + udp(53)[14:42]),
    ip(1, b"\x05\x01\xf2\xff" + bytes((10, 0, 0, 9)) + udp(53)[14:42]),
    ip(1, b"\x0c\x00\xf2\xff" + bytes((20, 0, 0, 0)) + udp(53)[14:42]),
    ip(1, b"\x0b\x00\xf2\xff" + bytes(4) + udp(53)[14:30]),
    ip(50, bytes(range(12))),
    ip(51, bytes(range(16))),
    ip(47, bytes(8)),
    ip(6, b"\0\1\0\2\0"),
    ip(17, b"\0\1\0\2\0"),
    ip(17, udp(53, 24)[34:58], ident=6, frag_off=0x2000),
    ip(17, udp(53, 24)[58:], ident=6, frag_off=3),
]
LOG = scenario(LOG_RULES, LOG_FRAMES)
