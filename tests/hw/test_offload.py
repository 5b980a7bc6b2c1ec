"""Checksum, hash and segmentation engines."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.hw.nic.offload import (
    CSUM_BAD,
    CSUM_NONE,
    CSUM_OK,
    ETH_P_IP,
    ETH_P_IPV6,
    RxPacket,
    Toeplitz,
    fold,
    insert_checksum,
    ones_sum,
    segment,
)

KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


def ip(a: str) -> bytes:
    return bytes(int(x) for x in a.split("."))


# The published check vectors of receive side scaling, for the default key.
@pytest.mark.parametrize(
    ("src", "sport", "dst", "dport", "two", "four"),
    [
        ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
        ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
        ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ],
)
def test_toeplitz_vectors(src: str, sport: int, dst: str, dport: int, two: int, four: int) -> None:
    t = Toeplitz(KEY)
    assert t.hash(ip(src) + ip(dst)) == two
    assert t.hash(ip(src) + ip(dst) + struct.pack(">HH", sport, dport)) == four
    t.set_key(bytes(40))
    assert t.hash(ip(src) + ip(dst)) == 0


def udp(payload: bytes, csum: int | None = None, l3: int = 4) -> bytes:
    src, dst = (ip("10.0.0.1"), ip("10.0.0.2")) if l3 == 4 else (bytes(15) + b"\1", bytes(15) + b"\2")
    n = 8 + len(payload)
    head = struct.pack(">HHHH", 1000, 2000, n, 0)
    c = fold(ones_sum(src + dst + struct.pack(">HH", 17, n)) + ones_sum(head + payload))
    seg = struct.pack(">HHHH", 1000, 2000, n, (c or 0xFFFF) if csum is None else csum) + payload
    if l3 == 6:
        return bytes(12) + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, n, 17, 64) + src + dst + seg
    h = struct.pack(">BBHHHBBH", 0x45, 0, 20 + n, 7, 0, 64, 17, 0) + src + dst
    h = h[:10] + struct.pack(">H", fold(ones_sum(h))) + h[12:]
    return bytes(12) + b"\x08\x00" + h + seg


@pytest.mark.parametrize("l3", [4, 6])
@pytest.mark.parametrize("n", [0, 1, 17, 18, 1471, 1472])
def test_udp_checksum_verdicts(n: int, l3: int) -> None:
    p, kind = RxPacket(), ETH_P_IP if l3 == 4 else ETH_P_IPV6
    good = udp(bytes(i & 0xFF for i in range(n)), l3=l3)
    p.parse(good + bytes(3), 14, kind, True, True)
    assert (p.l3, p.l4, p.l4_csum) == (l3, 17, CSUM_OK)
    bad = bytearray(good)
    bad[-1] ^= 0x40
    p.parse(bytes(bad), 14, kind, True, True)
    assert p.l4_csum == CSUM_BAD
    p.parse(udp(b"x" * n, 0, l3), 14, kind, True, True)
    assert p.l4_csum == CSUM_NONE
    assert p.ip_csum == (CSUM_OK if l3 == 4 else CSUM_NONE)


def test_ip_header_verdicts() -> None:
    p = RxPacket()
    f = bytearray(udp(b"hello"))
    f[22] ^= 1
    p.parse(bytes(f), 14, ETH_P_IP, True, True)
    assert p.ip_csum == CSUM_BAD
    f = bytearray(udp(b"hello"))
    f[14] = 0x55
    p.parse(bytes(f), 14, ETH_P_IP, True, True)
    assert (p.ip_csum, p.l3) == (CSUM_BAD, 0)
    f = bytearray(udp(b"hello"))
    f[20] = 0x20  # more fragments
    p.parse(bytes(f), 14, ETH_P_IP, True, True)
    assert p.fragment and p.l4 == 0 and p.l4_csum == CSUM_NONE


@given(st.binary(max_size=200), st.sampled_from((0x0800, 0x86DD, 0x0806)))
@settings(max_examples=500)
def test_any_bytes_parse(data: bytes, kind: int) -> None:
    p = RxPacket()
    p.parse(data, 14, kind, True, True)
    head = {0x0800: b"\x45", 0x86DD: b"\x60"}.get(kind, b"")
    p.parse(bytes(14) + head + data, 14, kind, True, True)
    assert p.payload <= len(data) + 15


@given(st.integers(1, 5000), st.integers(1, 1460), st.booleans())
@settings(max_examples=100)
def test_segments_carry_valid_checksums(n: int, mss: int, v4: bool) -> None:
    src, dst = (ip("10.0.0.1"), ip("10.0.0.2")) if v4 else (bytes(15) + b"\1", bytes(15) + b"\2")
    data = bytes(i * 7 & 0xFF for i in range(n))
    seed = ones_sum(src + dst + struct.pack(">HH", 0, 6))
    tcp = struct.pack(">HHIIBBHHH", 1, 2, 0xFFFFFF00, 5, 0x50, 0x19, 100, seed, 0)
    if v4:
        l3 = struct.pack(">BBHHHBBH", 0x45, 0, 0, 9, 0x4000, 64, 6, 0) + src + dst
    else:
        l3 = struct.pack(">IHBB", 6 << 28, 0, 6, 64) + src + dst
    head = bytes(12) + (b"\x08\x00" if v4 else b"\x86\xdd") + l3 + tcp
    l4 = 14 + len(l3)
    got, p = b"", RxPacket()
    segs = segment(head + data, len(head), mss, 14, v4, l4, True)
    for i, s in enumerate(segs):
        if v4:
            insert_checksum(s, 14, 24, 34, False)
        insert_checksum(s, l4, l4 + 16, 0, False)
        p.parse(bytes(s), 14, ETH_P_IP if v4 else ETH_P_IPV6, True, True)
        assert p.l4_csum == CSUM_OK and p.ip_csum == (CSUM_OK if v4 else CSUM_NONE)
        assert struct.unpack_from(">I", s, l4 + 4)[0] == (0xFFFFFF00 + i * mss) & 0xFFFFFFFF
        assert s[l4 + 13] == (0x19 if i == len(segs) - 1 else 0x10)
        got += bytes(s[len(head) :])
    assert got == data and len(segs) == -(-n // mss)
