"""The wire made out of a capture: merged frames, own transmissions, tags, cut and partial frames, and the
verdict.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.link.capture import CaptureReader
from rxpath.link.capture_writer import PcapngWriter
from rxpath.link.captured import WireSource, as_wire
from rxpath.link.compose import capture_chain
from rxpath.link.survey import survey
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import arp_frame, icmp_echo_frame, icmp_error_frame, ipv4_frame, tcp_frame, udp_frame
from rxpath.wire.checksum import csum_tcpudp_nofold
from rxpath.wire.ethernet import EthernetView, network_offset
from rxpath.wire.icmp import IcmpView
from rxpath.wire.ipv4 import Ipv4View
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_CWR, TCPHDR_FIN, TCPHDR_PSH, TCPHDR_SYN, TcpOptions, TcpView
from rxpath.wire.udp import UdpView

HOST, PEER = ip4("10.0.0.1"), ip4("10.0.0.2")
HM, PM = mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")
STAMP = TcpOptions(tsval=1, tsecr=2)

Rec = tuple[bytes, int, int]  # frame, original length, direction


def capture(records: Iterable[Rec | bytes], linktype: int = 1, name: str = "eth0") -> CaptureReader:
    out = io.BytesIO()
    with PcapngWriter(out) as writer:
        writer.add_interface(name, linktype=linktype)
        for n, record in enumerate(records):
            frame, orig, direction = record if isinstance(record, tuple) else (record, len(record), 0)
            writer.write(n * 1000, frame, orig, direction=direction)
    return CaptureReader(out)


def frames(source: WireSource) -> list[bytes]:
    out = [frame for _, frame in source]
    assert source.tally().balance() == 0
    return out


def check(frame: bytes) -> tuple[Ipv4View, memoryview]:
    """The packet, after all its checksums were found right."""
    ip = Ipv4View(frame, EthernetView(frame).network)
    assert ip.check_ok()
    if ip.is_fragment:
        return ip, ip.payload
    if ip.protocol == 17:
        assert UdpView(ip.payload).check_ok(ip.saddr, ip.daddr)
    elif ip.protocol == 6:
        assert TcpView(ip.payload).check_ok(ip.saddr, ip.daddr)
    elif ip.protocol == 1:
        assert IcmpView(ip.payload).check_ok()
    return ip, ip.payload


def udp_in(payload: bytes = b"x" * 30, **more: int) -> bytes:
    return udp_frame(PM, HM, PEER, HOST, 1000, 2000, payload, **more)


def merged(size: int, flags: int = TCPHDR_ACK | TCPHDR_PSH, seq: int = 7, **more: int) -> bytes:
    return tcp_frame(
        PM,
        HM,
        PEER,
        HOST,
        80,
        5000,
        seq,
        9,
        flags,
        bytes(i % 251 for i in range(size)),
        tcp_options=STAMP,
        ident=40,
        **more,
    )


def test_wire_is_left_alone() -> None:
    items = [udp_in(), merged(100), merged(4000)]
    source = as_wire(capture(items), "wire")
    assert frames(source) == items
    assert source.reconstruction.as_dict() == {"captured_at": "wire", "why": ["as told"]}


def test_merged_frame_is_split_to_the_mtu() -> None:
    flags = TCPHDR_ACK | TCPHDR_PSH | TCPHDR_FIN | TCPHDR_CWR
    whole = merged(4 * 1448 + 10, flags, seq=2**32 - 100)
    source = as_wire(capture([whole]))
    got = frames(source)
    assert source.reconstruction.captured_at == "host"
    payload, seq = b"", 2**32 - 100
    for n, frame in enumerate(got):
        ip, segment = check(frame)
        view = TcpView(segment)
        assert ip.id == 40 + n
        assert ip.tot_len <= 1500
        assert view.seq == (seq + len(payload)) % 2**32
        assert view.options == STAMP.emit()
        last = n == len(got) - 1
        assert view.flags == TCPHDR_ACK | (TCPHDR_PSH | TCPHDR_FIN if last else 0) | (0 if n else TCPHDR_CWR)
        payload += view.payload
    assert [len(f) for f in got] == [1514] * 4 + [14 + 52 + 10]
    assert payload == bytes(i % 251 for i in range(4 * 1448 + 10))
    assert (source.reconstruction.merged, source.reconstruction.segments) == (1, 5)
    assert source.tally().added == {"split from merged frames": 4, "cut into IP fragments": 0}


def test_split_follows_the_segment_size_that_the_receiver_announced() -> None:
    syn = tcp_frame(
        HM, PM, HOST, PEER, 5000, 80, 0, 0, TCPHDR_SYN, tcp_options=TcpOptions(mss=1000, sack_ok=True)
    )
    got = frames(as_wire(capture([syn, merged(2964)]), "host"))[1:]
    assert [len(TcpView(check(f)[1]).payload) for f in got] == [988, 988, 988]


def test_vlan_tagged_and_offloaded_total_length_of_zero() -> None:
    frame = bytearray(merged(3000, vlan=100))
    frame[20:22] = b"\0\0"
    got = frames(as_wire(capture([bytes(frame)]), "host"))
    assert [len(TcpView(check(f)[1]).payload) for f in got] == [1448, 1448, 104]
    assert all(EthernetView(f).vlan_tci == (100,) for f in got)


def test_ipv6_is_split_too() -> None:
    body = TcpView(Ipv4View(merged(3000), 14).payload).buf
    packet = (
        b"\x60\0\0\0"
        + len(body).to_bytes(2, "big")
        + b"\x06\x40"
        + bytes(15)
        + b"\x01"
        + bytes(15)
        + b"\x02"
        + bytes(body)
    )
    got = frames(as_wire(capture([HM + PM + b"\x86\xdd" + packet]), "host"))
    assert len(got) == 3
    for frame in got:
        pseudo = frame[22:54] + (len(frame) - 54).to_bytes(4, "big") + b"\0\0\0\x06"
        total = int.from_bytes(pseudo, "big") + int.from_bytes(frame[54:] + b"\0" * (len(frame) & 1), "big")
        assert total % 0xFFFF == 0
    assert b"".join(f[14 + 40 + 32 :] for f in got) == bytes(i % 251 for i in range(3000))


def test_large_datagrams_become_fragments() -> None:
    got = frames(as_wire(capture([udp_in(bytes(4000))]), "host", mtu=1500))
    assert [Ipv4View(f, 14).tot_len for f in got] == [1500, 1500, 1068]
    for frame in got:
        check(frame)


def test_jumbo_frames_are_no_sign_of_merging() -> None:
    source = as_wire(capture([udp_in(bytes(8900)), merged(8000)]))
    assert source.reconstruction.captured_at == "wire"
    assert len(frames(source)) == 2


def test_own_transmissions_by_direction_address_and_mac() -> None:
    out = udp_frame(HM, PM, HOST, PEER, 1, 2, b"mine" * 10)
    arp = arp_frame(2, HM, HOST, PM, PEER)
    told = as_wire(capture([(out, len(out), 2), (udp_in(), 72, 1), (arp, 60, 2)]))
    assert told.reconstruction.captured_at == "host"
    assert frames(told) == [udp_in()]
    assert told.tally().not_sent["own transmissions"] == 2
    assert frames(as_wire(capture([out, udp_in(), arp]), "host", host=HOST)) == [udp_in()]
    assert frames(as_wire(capture([out, udp_in(), arp]), "host", own_macs=frozenset({HM}))) == [udp_in()]
    assert len(frames(as_wire(capture([out, udp_in(), arp]), "host"))) == 3


def partial(src_mac: bytes, dst_mac: bytes, src: int, dst: int) -> bytes:
    length = 8 + 40
    return udp_frame(
        src_mac, dst_mac, src, dst, 1, 2, b"p" * 40, checksum=csum_tcpudp_nofold(src, dst, length, 17)
    )


def test_offloaded_checksums_give_the_host_away() -> None:
    source = as_wire(capture([partial(HM, PM, HOST, PEER), udp_in()]))
    assert source.reconstruction.captured_at == "host"
    assert any("02:00:00:00:00:01 is taken for the host" in why for why in source.reconstruction.why)
    assert frames(source) == [udp_in()]


def test_partial_checksums_of_received_frames_are_completed() -> None:
    source = as_wire(
        capture([partial(PM, HM, PEER, HOST), partial(HM, PM, HOST, PEER), udp_in()]), "host", host=HOST
    )
    got = frames(source)
    assert len(got) == 2
    for frame in got:
        check(frame)
    assert source.reconstruction.partial_checksums == 1


def test_really_bad_checksums_stay_bad() -> None:
    bad = udp_in(checksum=0x1234)
    for mode in ("wire", "host"):
        assert frames(as_wire(capture([bad]), mode)) == [bad]


def test_unpadded_frames_of_one_mac() -> None:
    short = udp_frame(HM, PM, HOST, PEER, 1, 2, b"", pad=False)
    padded = udp_frame(PM, HM, PEER, HOST, 1, 2, b"")
    source = as_wire(capture([short, padded]))
    assert source.reconstruction.captured_at == "host"
    assert frames(source) == [padded]
    both = as_wire(capture([short, udp_frame(PM, HM, PEER, HOST, 1, 2, b"", pad=False)]))
    assert both.reconstruction.captured_at == "wire"
    assert [len(f) for f in frames(both)] == [60, 60]
    assert both.reconstruction.padded == 2


@given(st.integers(0, 1600), st.integers(20, 120), st.sampled_from(["udp", "tcp", "icmp"]), st.booleans())
def test_cut_frames_come_whole_and_good(size: int, snap: int, kind: str, tagged: bool) -> None:
    vlan = 5 if tagged else None
    payload = b"\xa5" * size
    if kind == "udp":
        frame, need = udp_frame(PM, HM, PEER, HOST, 1, 2, payload, vlan=vlan), 42
    elif kind == "tcp":
        frame, need = tcp_frame(PM, HM, PEER, HOST, 1, 2, 3, 4, TCPHDR_ACK, payload, vlan=vlan), 52
    else:
        frame, need = icmp_echo_frame(PM, HM, PEER, HOST, 1, 2, payload, vlan=vlan), 38
    cut = frame[:snap]
    source = as_wire(capture([(cut, len(frame), 0)]), "wire")
    (got,) = frames(source)
    assert len(got) == len(frame)
    assert got[: min(snap, 34)] == cut[:34]
    if len(cut) == len(frame):
        assert got == frame
    elif snap >= need + (4 if tagged else 0):
        check(got)
        assert source.reconstruction.cut_checksum == 1
    assert source.reconstruction.cut == (len(cut) < len(frame))


def test_cut_udp_without_checksum_stays_without() -> None:
    frame = udp_in(bytes(500), checksum=0)
    (got,) = frames(as_wire(capture([(frame[:60], len(frame), 0)])))
    assert got[40:42] == b"\0\0"


def test_cut_first_fragment_goes_without_checksum() -> None:
    whole = udp_in(bytes(1472))
    first = ipv4_frame(PM, HM, PEER, HOST, 17, whole[34:1510], frag_off=0x2000)
    later = ipv4_frame(PM, HM, PEER, HOST, 17, b"\xff" * 400, frag_off=185)
    source = as_wire(capture([(first[:80], len(first), 0), (later[:80], len(later), 0)]))
    got = frames(source)
    assert got[0][40:42] == b"\0\0"
    assert got[1] == later[:80] + bytes(len(later) - 80)
    assert (source.reconstruction.cut, source.reconstruction.cut_checksum) == (2, 1)


def test_tag_is_restored_from_the_interface() -> None:
    source = as_wire(capture([udp_in()], name="eth0.123"), "host")
    (got,) = frames(source)
    assert EthernetView(got).vlan_tci == (123,)
    assert source.reconstruction.tagged == 1
    assert network_offset(got) == (18, 0x0800)
    assert frames(as_wire(capture([udp_in()], name="eth0.123"), "wire")) == [udp_in()]


def test_cooked_capture() -> None:
    def cooked(pkttype: int, address: bytes, frame: bytes) -> bytes:
        return b"\0" + bytes((pkttype,)) + b"\0\x01\0\x06" + address + b"\0\0" + frame[12:]

    mine = udp_frame(HM, PM, HOST, PEER, 1, 2, b"mine" * 10)
    source = as_wire(capture([cooked(0, PM, udp_in()), cooked(4, HM, mine)], linktype=113))
    assert source.reconstruction.captured_at == "host"
    (got,) = frames(source)
    assert got[6:] == udp_in()[6:]
    assert source.reconstruction.as_dict()["synthetic"] == 2


def test_loopback_keeps_both_directions() -> None:
    there = udp_frame(
        bytes(6), bytes(6), HOST, HOST, 1, 2, b"p" * 40, checksum=csum_tcpudp_nofold(HOST, HOST, 48, 17)
    )
    source = as_wire(capture([there, there]))
    assert source.reconstruction.captured_at == "host"
    assert len(frames(source)) == 2


def test_unknown_word() -> None:
    with pytest.raises(ValueError, match="one of wire, host, auto"):
        as_wire(capture([]), "moon")


def test_survey_chooses_the_host_and_its_ports() -> None:
    items = [udp_in() for _ in range(5)] + [udp_frame(HM, PM, HOST, PEER, 1, 7, b"x") for _ in range(3)]
    items.append(icmp_error_frame(HM, PM, HOST, PEER, 3, 3, udp_in()[14:]))
    items.append(udp_frame(PM, b"\xff" * 6, PEER, 0xFFFFFFFF, 68, 67, b""))
    source = as_wire(capture(items), "wire")
    seen = survey(source)
    host = seen.host()
    assert host is not None
    assert (host.ip, host.mac, host.frames, host.sent) == (HOST, HM, 5, 4)
    assert (host.udp, host.refused) == ({2000: 5}, {2000: 1})
    assert list(seen.groups) == [0xFFFFFFFF]
    assert source.tally().read == 0  # the books are clean for the replay
    # the host's own refusal is remembered although it is left out
    own = survey(as_wire(capture(items), "host", host=HOST)).host()
    assert own is not None
    assert (own.ip, own.refused) == (HOST, {2000: 1})


def test_chain_reports_what_was_spread() -> None:
    reader = capture([(udp_in(), 72, 1), (udp_in(), 72, 1), (udp_in(), 72, 2)])
    chain = capture_chain(reader._file, link_bps=10_000_000, start_ns=50, loop=2)
    got = list(chain.source)
    assert [t for t, _ in got][:2] == [50, 50 + 96 * 800]
    assert len(got) == 4
    tally = chain.tally()
    assert tally.balance() == 0
    assert (tally.read, tally.wire, tally.not_sent["own transmissions"]) == (6, 4, 2)
    report = chain.reconstruction()
    assert report is not None
    assert report.spread == 2
    assert "2 frames delayed to fit the link's rate" in report.lines()


def test_loopback_beside_another_interface() -> None:
    lo = udp_frame(
        bytes(6), bytes(6), HOST, HOST, 1, 2, b"p" * 40, checksum=csum_tcpudp_nofold(HOST, HOST, 48, 17)
    )
    source = as_wire(capture([lo, udp_in()]))
    assert source.own_macs == frozenset()
    assert len(frames(source)) == 2


def test_checksums_that_cannot_be_made_good_are_told() -> None:
    whole = tcp_frame(PM, HM, PEER, HOST, 1, 2, 3, 4, TCPHDR_ACK, bytes(200))
    fragment = icmp_echo_frame(PM, HM, PEER, HOST, 1, 2, bytes(100))
    fragment = fragment[:20] + b"\x20\0" + fragment[22:]
    source = as_wire(
        capture([(whole[:45], len(whole), 0), (whole[:20], len(whole), 0), (fragment[:60], 142, 0)])
    )
    assert [len(frame) for frame in frames(source)] == [254, 254, 142]
    assert (source.reconstruction.cut, source.reconstruction.checksum_unknown) == (3, 3)
    assert source.reconstruction.cut_checksum == 0
