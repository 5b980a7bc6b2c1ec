"""Wire formats: checksums against the plain definition, builders against readers, packets known from
elsewhere.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.wire import addr, arp, build, checksum, ethernet, icmp, igmp, ipv4, tcp, udp
from rxpath.wire.ethernet import EthernetView, WireError
from rxpath.wire.ipv4 import Ipv4View

A = addr.mac("02:00:00:00:00:0a")
B = addr.mac("02-00-00-00-00-0B")
SRC = addr.ip4("192.168.1.10")
DST = addr.ip4("10.20.30.40")
u32 = st.integers(0, 2**32 - 1)
u16 = st.integers(0, 2**16 - 1)


def plain_sum(data: bytes, start: int = 0) -> int:
    """RFC 1071 as it is written there: words, one by one, end-around carry."""
    total = start
    for i in range(0, len(data), 2):
        total += data[i] << 8 | (data[i + 1] if i + 1 < len(data) else 0)
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=300), u16)
def test_sum_is_the_definition(data: bytes, start: int) -> None:
    assert checksum.csum_partial(data, start) == plain_sum(data, start)
    assert checksum.ip_compute_csum(data) == plain_sum(data) ^ 0xFFFF


@pytest.mark.parametrize(
    "data", [b"", b"\0\0", b"\xff\xff", b"\xff\xff\0\0", b"\0\x01\xff\xfe", b"\xff", b"\0" * 9]
)
def test_both_zeros(data: bytes) -> None:
    assert checksum.csum_partial(data) == plain_sum(data)


@given(st.binary(min_size=2, max_size=80), u32, u32, st.sampled_from([6, 17]))
def test_pseudo_header(data: bytes, saddr: int, daddr: int, proto: int) -> None:
    header = (
        saddr.to_bytes(4, "big") + daddr.to_bytes(4, "big") + bytes((0, proto)) + len(data).to_bytes(2, "big")
    )
    expected = plain_sum(header + data) ^ 0xFFFF
    assert checksum.transport_checksum(saddr, daddr, proto, data) == expected
    folded = checksum.csum_partial(data)
    assert checksum.csum_tcpudp_magic(saddr, daddr, len(data), proto, folded) == expected
    assert checksum.csum_fold(checksum.csum_tcpudp_nofold(saddr, daddr, len(data), proto, folded)) == expected


@given(st.lists(u16, min_size=4, max_size=20), st.data())
def test_incremental_update(words: list[int], data: st.DataObject) -> None:
    words[0] = words[0] or 1  # a header is never all zeros
    at = data.draw(st.integers(1, len(words) - 2))
    new = data.draw(u32)
    before = b"".join(w.to_bytes(2, "big") for w in words)
    check = checksum.ip_compute_csum(before)
    old = words[at] << 16 | words[at + 1]
    words[at], words[at + 1] = new >> 16, new & 0xFFFF
    after = checksum.ip_compute_csum(b"".join(w.to_bytes(2, "big") for w in words))
    assert checksum.csum_replace4(check, old, new) == after
    two = checksum.csum_replace2(check, old >> 16, new >> 16)
    assert checksum.csum_replace2(two, old & 0xFFFF, new & 0xFFFF) == after


def test_checksum_of_a_known_header() -> None:
    # the worked example of many textbooks: 192.168.0.1 > 192.168.0.199, checksum 0xb861
    header = bytes.fromhex("4500007300004000401100 00c0a80001c0a800c7".replace(" ", ""))
    assert checksum.ip_fast_csum(header) == 0xB861


@given(u32)
def test_ip4_text_round_trip(n: int) -> None:
    assert addr.ip4(addr.ip4_str(n)) == n


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.x", "1..2.3", "1.2.3.4 ", "٣.1.1.1", "1.2.3.-4"]
)
def test_ip4_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not an IPv4 address"):
        addr.ip4(text)


@pytest.mark.parametrize("text", ["", "02:00", "02:00:00:00:00:0g", "02:00:00:00:00:00:00", "2:0:0:0:0:"])
def test_mac_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not a MAC address"):
        addr.mac(text)


def test_addresses() -> None:
    assert addr.mac_str(B) == "02:00:00:00:00:0b"
    assert addr.ip4_net("10.9.0.2/24") == (0x0A090002, 24)
    assert addr.inet_make_mask(24) == 0xFFFFFF00
    assert addr.inet_make_mask(0) == 0
    assert addr.ip_eth_mc_map(addr.ip4("239.129.2.3")) == bytes.fromhex("01005e010203")
    with pytest.raises(ValueError, match="prefix"):
        addr.ip4_net("10.0.0.0/33")


vlans = st.one_of(st.none(), u16, st.tuples(u16, u16))


@given(st.binary(max_size=100), u16, u16, vlans, st.binary(max_size=40), u16)
def test_udp_frame_reads_back(
    payload: bytes, sport: int, dport: int, vlan: int | tuple[int, int] | None, options: bytes, ident: int
) -> None:
    frame = build.udp_frame(A, B, SRC, DST, sport, dport, payload, vlan=vlan, ident=ident, options=options)
    assert len(frame) >= 60
    eth = EthernetView(frame)
    assert (eth.src, eth.dst, eth.protocol) == (A, B, 0x0800)
    assert eth.vlan_tci == (() if vlan is None else (vlan,) if isinstance(vlan, int) else vlan)
    assert ethernet.network_offset(frame) == (eth.network, 0x0800)
    ip = Ipv4View(frame, eth.network)
    assert (ip.saddr, ip.daddr, ip.protocol, ip.id, ip.ttl) == (SRC, DST, 17, ident, 64)
    assert ip.check_ok()
    assert ip.options[: len(options)] == options
    datagram = udp.UdpView(ip.payload)
    assert (datagram.source, datagram.dest, bytes(datagram.payload)) == (sport, dport, payload)
    assert datagram.check != 0
    assert datagram.check_ok(SRC, DST)
    broken = bytearray(ip.payload)
    broken[-1] ^= 1
    assert not udp.UdpView(broken).check_ok(SRC, DST)


def test_udp_sum_of_zero_is_sent_as_ffff() -> None:
    # choose the payload so that all words add up to 0xffff
    probe = udp.udp_datagram(SRC, DST, 1, 2, b"\0\0")
    fix = int.from_bytes(probe[6:8], "big")
    datagram = udp.udp_datagram(SRC, DST, 1, 2, fix.to_bytes(2, "big"))
    assert datagram[6:8] == b"\xff\xff"
    assert udp.UdpView(datagram).check_ok(SRC, DST)
    none = udp.udp_datagram(SRC, DST, 1, 2, b"x", checksum=0)
    assert none[6:8] == b"\0\0"
    assert udp.UdpView(none).check_ok(SRC, DST)


@given(st.binary(max_size=200), u32, u32, st.integers(0, 255))
def test_tcp_frame_reads_back(payload: bytes, seq: int, ack: int, flags: int) -> None:
    options = tcp.TcpOptions(mss=1460, wscale=7, sack_ok=True, tsval=5, tsecr=6)
    frame = build.tcp_frame(A, B, SRC, DST, 80, 81, seq, ack, flags, payload, tcp_options=options, window=77)
    ip = Ipv4View(frame, 14)
    segment = tcp.TcpView(ip.payload)
    assert (segment.seq, segment.ack_seq, segment.flags, segment.window, segment.doff) == (
        seq,
        ack,
        flags,
        77,
        40,
    )
    assert bytes(segment.payload) == payload
    assert segment.check_ok(SRC, DST)
    back = tcp.TcpOptions.parse(segment.options)
    assert (back.mss, back.wscale, back.sack_ok, back.tsval, back.tsecr) == (1460, 7, True, 5, 6)


def test_tcp_options_sack_and_garbage() -> None:
    raw = tcp.TcpOptions(tsval=1, sack=((1, 2), (3, 2**32 - 1))).emit()
    assert len(raw) % 4 == 0
    assert tcp.TcpOptions.parse(raw).sack == ((1, 2), (3, 2**32 - 1))
    assert tcp.TcpOptions.parse(b"\x02\x04\x05\xb4\x08\x00").mss == 1460
    with pytest.raises(WireError, match="bad length"):
        list(tcp.tcp_options(b"\x02\x01"))
    with pytest.raises(WireError, match="at most 40"):
        tcp.tcp_segment(1, 2, 3, 4, 5, 6, 0, options=bytes(41))


def test_sequence_space() -> None:
    assert tcp.before(0xFFFFFFF0, 5)
    assert tcp.after(5, 0xFFFFFFF0)
    assert not tcp.before(7, 7)


def test_arp_request_as_captured() -> None:
    # who-has 10.0.0.1 tell 10.0.0.2, as any host sends it
    frame = build.arp_frame(arp.ARPOP_REQUEST, A, 0x0A000002, b"", 0x0A000001)
    assert frame.hex() == (
        "ffffffffffff02000000000a0806"
        + "0001080006040001"
        + "02000000000a0a000002"
        + "0000000000000a000001"
        + "00" * 18
    )
    reply = build.arp_frame(arp.ARPOP_REPLY, B, 1, A, 2)
    back = arp.ArpRepr.parse(reply, 14)
    assert (back.op, back.sha, back.sip, back.tha, back.tip) == (2, B, 1, A, 2)
    assert reply[:6] == A
    with pytest.raises(WireError, match="hardware 6"):
        arp.ArpRepr.parse(b"\0\x06" + frame[16:42])


def test_icmp() -> None:
    frame = build.icmp_echo_frame(A, B, SRC, DST, 7, 9, b"ping")
    message = icmp.IcmpView(Ipv4View(frame, 14).payload)
    assert (message.type, message.code, message.id, message.sequence) == (8, 0, 7, 9)
    assert bytes(message.payload) == b"ping"
    assert message.check_ok()
    error = build.icmp_error_frame(B, A, DST, SRC, 3, icmp.ICMP_FRAG_NEEDED, bytes(2000), info=1400)
    packet = Ipv4View(error, 14)
    assert packet.tot_len == 576
    quoted = icmp.IcmpView(packet.payload)
    assert (quoted.type, quoted.code, quoted.sequence) == (3, 4, 1400)
    assert quoted.check_ok()


def test_igmp() -> None:
    group = addr.ip4("239.1.2.3")
    frame = build.igmp_frame(A, SRC, group, igmp.IGMPV2_HOST_MEMBERSHIP_REPORT, group)
    packet = Ipv4View(frame, 14)
    assert (packet.ttl, packet.options, frame[:6]) == (1, b"\x94\x04\0\0", addr.ip_eth_mc_map(group))
    assert igmp.IgmpView(packet.payload).check_ok()
    raw = igmp.igmpv3_report([igmp.IgmpGroupRecord(4, group, (1, 2)), igmp.IgmpGroupRecord(3, group)])
    report = igmp.IgmpView(raw)
    assert report.check_ok()
    assert [(r.type, r.group, r.sources) for r in report.records] == [(4, group, (1, 2)), (3, group, ())]
    with pytest.raises(WireError, match="group records"):
        igmp.IgmpView(raw[:-8] + b"\x01\0\0\x09\0\0\0\0")
    query = igmp.igmpv3_query(group, sources=(5,))
    assert igmp.IgmpView(query).check_ok()
    assert len(query) == 16


@given(st.integers(0, 4000), st.integers(68, 1500), st.booleans())
def test_fragments_make_the_whole(size: int, mtu: int, with_options: bool) -> None:
    payload = bytes(i % 251 for i in range(size))
    # record route is not copied into later fragments, router alert is
    options = b"\x07\x07\x04\0\0\0\0\x94\x04\0\0" if with_options else b""
    frame = build.ipv4_frame(A, B, SRC, DST, 17, payload, ident=99, options=options)
    pieces = build.fragment_frame(frame, mtu)
    whole = bytearray()
    for n, piece in enumerate(pieces):
        view = Ipv4View(piece, 14)
        assert view.check_ok()
        assert view.tot_len <= mtu
        assert view.id == 99
        assert (view.frag_off & ipv4.IP_OFFSET) * 8 == len(whole)
        assert bool(view.frag_off & ipv4.IP_MF) == (n < len(pieces) - 1)
        kinds = [kind for kind, _ in ipv4.ipv4_options(view.options)]
        if with_options:
            assert 148 in kinds
            assert (7 in kinds) == (n == 0)
        whole += view.payload
    assert whole == payload


@given(st.binary(max_size=80))
def test_readers_raise_only_wire_errors(data: bytes) -> None:
    for reader in (
        EthernetView,
        Ipv4View,
        udp.UdpView,
        tcp.TcpView,
        icmp.IcmpView,
        igmp.IgmpView,
        arp.ArpRepr.parse,
    ):
        try:
            reader(data)
        except WireError as err:
            assert "\n" not in str(err)
    ethernet.network_offset(data)


def test_lengths_that_contradict() -> None:
    good = ipv4.ipv4_packet(SRC, DST, 17, b"12345678")
    with pytest.raises(WireError, match="28 bytes, 27 present"):
        Ipv4View(good[:-1])
    with pytest.raises(WireError, match="version 6"):
        Ipv4View(b"\x65" + good[1:])
    with pytest.raises(WireError, match="header of 16"):
        Ipv4View(b"\x44" + good[1:])
    with pytest.raises(WireError, match="at most 65535"):
        ipv4.ipv4_header(1, 2, 17, 65530)


def test_wire_bytes() -> None:
    # 64 byte frames on gigabit: 672 ns; 1518: 12304 ns
    assert ethernet.wire_bytes(42) * 8 == ethernet.wire_bytes(60) * 8 == 672
    assert ethernet.wire_bytes(1514) * 8 == 12304
