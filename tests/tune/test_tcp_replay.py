"""Captured TCP conversations: the recorded peer stays in them, and what differs is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rxpath.config import ListenConfig, MachineConfig, NicConfig
from rxpath.link.capture_writer import open_writer
from rxpath.tune import replay
from rxpath.tune.plan import ReplayOptions, prepare
from rxpath.wire.ethernet import ether_frame
from rxpath.wire.ipv4 import IPPROTO_TCP, ipv4_packet
from rxpath.wire.tcp import TcpOptions, tcp_segment

PEER, HOST = 0xC0000201, 0xC0000202
PEER_MAC, HOST_MAC = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}
START = 1_700_000_000_000_000_000
# (milliseconds, "peer" or "host", flags, seq, ack, data, options)
Segment = tuple[float, str, str, int, int, bytes, TcpOptions | None]
SYN_OPTIONS = TcpOptions(mss=1460, wscale=7, sack_ok=True, tsval=5000)


def seg(
    ms: float, who: str, flags: str, seq: int, ack: int = 0, data: bytes = b"", options: TcpOptions | None = None
) -> Segment:
    return ms, who, flags, seq, ack, data, options


def write(path: Path, segments: Sequence[Segment], hport: int = 80, pport: int = 40000) -> Path:
    with open_writer(path) as out:
        for ms, who, flags, seq, ack, data, options in segments:
            a, b = (PEER, HOST) if who == "peer" else (HOST, PEER)
            sp, dp = (pport, hport) if who == "peer" else (hport, pport)
            bits = sum(FLAGS[f] for f in flags)
            s = tcp_segment(a, b, sp, dp, seq, ack, bits, data, options=options or b"")
            macs = (HOST_MAC, PEER_MAC) if who == "peer" else (PEER_MAC, HOST_MAC)
            out.write(START + int(ms * 1_000_000), ether_frame(*macs, 0x0800, ipv4_packet(a, b, IPPROTO_TCP, s)))
    return path


def run(path: Path, listeners: Sequence[ListenConfig] = (), release: str = "6.1") -> replay.ReplayResult:
    nic = NicConfig(model="e1000e")
    machine = MachineConfig(release=release, nics=[nic], listeners=list(listeners))
    plan = prepare(ReplayOptions(machine=machine, capture=str(path), host=HOST))
    result = replay.run(plan.request)
    plan.finish(result.messages)
    return result


def request(peer: int = 1000, host: int = 777, size: int = 3000) -> list[Segment]:
    """A request and an answer of `size` bytes, closed by the host."""
    q = b"GET / HTTP/1.0\r\n\r\n"
    answer = bytes(i % 251 for i in range(size))
    out = [
        seg(0, "peer", "S", peer, 0, b"", SYN_OPTIONS),
        seg(0.1, "host", "SA", host, peer + 1, b"", TcpOptions(mss=1460, sack_ok=True)),
        seg(20, "peer", "A", peer + 1, host + 1),
        seg(20.5, "peer", "PA", peer + 1, host + 1, q),
        seg(20.6, "host", "A", host + 1, peer + 1 + len(q)),
    ]
    at, nxt, done = 25.0, host + 1, peer + 1 + len(q)
    for i in range(0, size, 1460):
        part = answer[i : i + 1460]
        out.append(seg(at, "host", "A", nxt, done, part))
        nxt += len(part)
        at += 0.02
    out += [
        seg(at, "host", "FA", nxt, done),
        seg(at + 20, "peer", "A", done, nxt + 1),
        seg(at + 20.1, "peer", "FA", done, nxt + 1),
        seg(at + 20.2, "host", "A", nxt + 1, done + 1),
    ]
    return out


def numbers(result: replay.ReplayResult) -> dict[str, list[int]]:
    found: dict[str, list[int]] = result.tcp["here_and_captured"]
    return found


@pytest.mark.parametrize("release", ["3.13", "5.15", "6.1", "6.18"])
@pytest.mark.parametrize("size", [10, 3000, 60_000])
def test_the_peer_that_asked_is_answered_as_it_was(tmp_path: Path, release: str, size: int) -> None:
    result = run(write(tmp_path / "c.pcap", request(size=size)), release=release)
    assert result.tcp["whole"] == result.tcp["conversations"] == 1, result.tcp
    assert numbers(result)["bytes"] == [size, size]
    assert numbers(result)["read"] == [18, 18]
    assert numbers(result)["resets"] == [0, 0]
    assert result.sockets == [{"proto": "tcp", "port": 80, "cpu": 0, "readers": 1, "read": 18, "unit": "bytes"}]
    assert bool(result.tcp["congestion_windows_raised"]) == (size > 20_000)


def test_a_capture_that_begins_in_the_middle(tmp_path: Path) -> None:
    for begin in range(2, 9):
        result = run(write(tmp_path / "c.pcap", request()[begin:]))
        assert result.tcp["whole"] == result.tcp["conversations"] == result.tcp["restored"] == 1, (begin, result.tcp)
        assert not result.tcp["acks_of_unsent_data"]


def test_only_the_peers_frames_were_captured(tmp_path: Path) -> None:
    result = run(write(tmp_path / "c.pcap", [s for s in request() if s[1] == "peer"]))
    assert result.tcp["conversations"] == result.tcp["whole"] == 1, result.tcp
    # the last byte is the host's FIN
    assert result.tcp["unseen_bytes_sent_as_zeros"] == 3001


def swapped(segments: Sequence[Segment]) -> list[Segment]:
    return [(ms, "host" if who == "peer" else "peer", *rest) for ms, who, *rest in segments]  # type: ignore[misc]


def test_the_host_opens(tmp_path: Path) -> None:
    result = run(write(tmp_path / "c.pcap", swapped(request()), hport=40000, pport=80))
    assert result.tcp["whole"] == result.tcp["conversations"] == 1, result.tcp
    assert numbers(result)["bytes"] == [18, 18]
    assert numbers(result)["read"] == [3000, 3000]


def test_the_same_ports_twice(tmp_path: Path) -> None:
    again = [(ms + 90_000, *rest) for ms, *rest in request(900_000, 5_000_000)]
    result = run(write(tmp_path / "c.pcap", [*request(), *again]))  # type: ignore[list-item]
    assert result.tcp["whole"] == result.tcp["conversations"] == 2, result.tcp


def test_a_reset_of_the_hosts(tmp_path: Path) -> None:
    segments = [*request()[:5], seg(22, "host", "RA", 778, 1019)]
    result = run(write(tmp_path / "c.pcap", segments))
    assert result.tcp["whole"] == 1, result.tcp
    assert numbers(result)["resets"] == [1, 1]


def test_closed_with_data_on_its_way(tmp_path: Path) -> None:
    segments = [
        *request()[:5],
        seg(22, "host", "FA", 778, 1019),
        seg(40, "peer", "PA", 1019, 779, b"more"),
        seg(40.1, "host", "R", 779),
    ]
    result = run(write(tmp_path / "c.pcap", segments))
    assert result.tcp["whole"] == 1, result.tcp
    assert numbers(result)["resets"] == [1, 1]
    assert numbers(result)["read"] == [18, 18]


def test_data_captured_behind_the_fin(tmp_path: Path) -> None:
    segments = request(size=100)
    segments[5], segments[6] = segments[6], segments[5]
    result = run(write(tmp_path / "c.pcap", segments))
    assert result.tcp["whole"] == 1, result.tcp
    assert result.tcp["unseen_bytes_sent_as_zeros"] == 0


def test_fast_open(tmp_path: Path) -> None:
    q = b"GET / HTTP/1.0\r\n\r\n"
    segments = [
        seg(0, "peer", "S", 1000, 0, q, SYN_OPTIONS),
        seg(0.1, "host", "SA", 777, 1019, b"", TcpOptions(mss=1460, sack_ok=True)),
        seg(1, "host", "PA", 778, 1019, b"answer"),
        seg(2, "peer", "A", 1019, 778),
        seg(20, "peer", "A", 1019, 784),
    ]
    for host_opens in (False, True):
        found = swapped(segments) if host_opens else segments
        ports = (40000, 80) if host_opens else (80, 40000)
        result = run(write(tmp_path / "c.pcap", found, *ports))
        assert result.tcp["whole"] == 1, (host_opens, result.tcp)
        assert numbers(result)["read"] == ([6, 6] if host_opens else [18, 18])


def test_what_differs_is_said(tmp_path: Path) -> None:
    # the peer acknowledges a byte more than was sent, and the capture goes on to show it
    segments = [*request()[:4], seg(20.6, "host", "FA", 778, 1019), seg(40, "peer", "A", 1019, 900)]
    result = run(write(tmp_path / "c.pcap", segments))
    assert result.tcp["whole"] == 0
    assert result.tcp["acks_of_unsent_data"] == 1
    (row,) = result.tcp["differences"]
    assert row["conversation"] == ":80 <- 192.0.2.1:40000"
    assert row["differs"] == {"acknowledgments of data not sent": [1, 0]}


def listener(**values: Any) -> ListenConfig:
    return ListenConfig(proto="tcp", port=80, **values)


def test_an_echo_and_a_sink_have_words_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "c.pcap", request()[:4])
    result = run(path, [listener(echo=True)])
    assert not result.tcp or result.tcp["conversations"] == 0
    assert result.sockets[0]["read"] == 18
    assert result.counters["snmp"]["Tcp.OutSegs"] > 2
    result = run(path, [listener(sink=True, cost_ns=5_000_000, rcvbuf=4096, readers=2)])
    assert result.sockets[0]["read"] == 18
    # the listener that is neither holds the conversation
    result = run(write(tmp_path / "d.pcap", request()), [listener()])
    assert result.tcp["whole"] == 1


def test_speed_and_long_pauses(tmp_path: Path) -> None:
    late = [s if n < 5 else (s[0] + 7_200_000, *s[1:]) for n, s in enumerate(request())]
    result = run(write(tmp_path / "c.pcap", late))
    assert result.tcp["whole"] == 1, result.tcp


def test_fins_that_crossed(tmp_path: Path) -> None:
    # captured at the peer: its FIN is there first, but the host's does not acknowledge it
    segments = [
        *request()[:5],
        seg(30, "peer", "FA", 1019, 778),
        seg(30.1, "host", "FA", 778, 1019),
        seg(30.2, "peer", "FA", 1019, 779),
        seg(55, "host", "A", 779, 1020),
        seg(55.1, "peer", "A", 1020, 779),
    ]
    result = run(write(tmp_path / "c.pcap", segments))
    assert result.tcp["whole"] == 1, result.tcp
    assert numbers(result)["resets"] == [0, 0]


def test_a_peer_that_never_came_back(tmp_path: Path) -> None:
    late = [seg(30, "peer", "A", 1001, 778, b"lost"), seg(30.1, "host", "R", 778)]
    segments = [*request()[:2], seg(20, "peer", "R", 1001), *late]
    result = run(write(tmp_path / "c.pcap", segments))
    assert result.tcp["whole"] == result.tcp["conversations"] == 1, result.tcp
    assert numbers(result)["read"] == [0, 0]


def test_an_answer_that_does_not_take_the_syn_is_none(tmp_path: Path) -> None:
    segments = [seg(0, "peer", "S", 1000), seg(1, "host", "A", 0, 1000), seg(2, "peer", "R", 1001)]
    result = run(write(tmp_path / "c.pcap", segments))
    assert not result.tcp.get("conversations")


def test_the_answer_was_captured_before_the_question(tmp_path: Path) -> None:
    segments = request()
    segments[0], segments[1] = (0, *segments[1][1:]), (0.1, *segments[0][1:])
    result = run(write(tmp_path / "c.pcap", segments))
    assert result.tcp["whole"] == result.tcp["conversations"] == 1, result.tcp
    assert result.tcp["restored"] == 0


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        (
            [*request()[:4], seg(20.6, "host", "FA", 778, 1019), seg(40, "peer", "A", 1019, 900)],
            "a frame of the peer's was dropped: acknowledges what was never sent",
        ),
        (
            [*request()[:5], seg(30, "peer", "A", 1019, 500_000_778)],
            "the capture lacks most of it: its sequence numbers jump by 500,000,000 bytes",
        ),
        (
            [*request()[:5], seg(30, "peer", "R", 1019), seg(40, "host", "PA", 778, 1019, b"on")],
            "the peer's reset ended it here, the captured host went on",
        ),
        (
            [
                request()[0],
                seg(0.1, "host", "SA", 777, 1001, b"early"),
                seg(1, "peer", "A", 1001, 783),
                seg(2, "peer", "A", 1001, 783, b"x"),
            ],
            "the captured host sent data with its SYN-ACK, which Linux does not",
        ),
    ],
    ids=["unsent", "jump", "reset", "syn-ack data"],
)
def test_the_reason_is_said(tmp_path: Path, segments: list[Segment], reason: str) -> None:
    result = run(write(tmp_path / "c.pcap", segments))
    (row,) = result.tcp["differences"]
    assert row["reason"] == reason


def test_frames_that_were_lost_are_the_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "c.pcap", request())
    data = bytearray(path.read_bytes())
    at = data.index(b"GET / HTTP")
    data[at] ^= 1
    path.write_bytes(bytes(data))
    (row,) = run(path).tcp["differences"]
    assert row["reason"] == "a frame of the peer's was dropped: bad TCP checksum"


@pytest.mark.parametrize(("peer", "host"), [(0xFFFFFFF0, 5), (5, 0xFFFFFFFF - 1500), (0xFFFFFFFE, 0xFFFFFFFE)])
@pytest.mark.parametrize("begin", [0, 5])
def test_sequence_numbers_wrap(tmp_path: Path, peer: int, host: int, begin: int) -> None:
    segments = [(ms, who, f, s & 0xFFFFFFFF, a & 0xFFFFFFFF, d, o) for ms, who, f, s, a, d, o in request(peer, host)]
    result = run(write(tmp_path / "c.pcap", segments[begin:]))
    assert result.tcp["whole"] == result.tcp["conversations"] == 1, result.tcp
