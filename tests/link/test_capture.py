"""Reading and writing captures: both formats and byte orders, damage, foreign files, link types, and fuzz."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import zlib
from binascii import crc32
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.link import linktypes
from rxpath.link.cable import Cable, Monotonic
from rxpath.link.capture import CaptureError, CaptureReader, Record
from rxpath.link.capture_writer import PcapngWriter, PcapWriter, open_writer
from rxpath.link.captured import as_wire
from rxpath.link.source import BadFcsFrame
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import arp_frame, udp_frame
from rxpath.wire.ethernet import EthernetView

A, B = mac("02:00:00:00:00:0a"), mac("02:00:00:00:00:0b")
FRAME = udp_frame(A, B, ip4("10.0.0.2"), ip4("10.0.0.1"), 1, 2, b"hello" * 5)
# examples, in twenties: a fixed sample in the suite, many more when the full counts are asked for
FUZZ = 1000 if os.environ.get("RXPATH_SOAK") else 20
T0 = 1_700_000_000_123_456_789


def frames(n: int) -> list[tuple[int, bytes]]:
    return [(T0 + i * 1000, udp_frame(A, B, 1, 2, 3, 4, bytes(i % 40), pad=False)) for i in range(n)]


def pcap(order: str, nano: bool, items: list[tuple[int, bytes]]) -> bytes:
    out = io.BytesIO()
    with PcapWriter(out, order=order, nano=nano) as writer:
        for t, frame in items:
            writer.write(t, frame)
    return out.getvalue()


def pcapng(order: str, items: list[tuple[int, bytes]], ticks: int = 10**9) -> bytes:
    out = io.BytesIO()
    with PcapngWriter(out, order=order) as writer:
        writer.add_interface("eth0", ticks=ticks)
        for t, frame in items:
            writer.write(t, frame, direction=1)
    return out.getvalue()


def reader(data: bytes) -> CaptureReader:
    return CaptureReader(io.BytesIO(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [True, False])
def test_pcap_round_trip(order: str, nano: bool) -> None:
    items = frames(30)
    unit = 1 if nano else 1000
    expected = [(t // unit * unit, frame) for t, frame in items]
    source = reader(pcap(order, nano, items))
    assert list(source) == expected
    assert list(source) == expected  # again from the start
    assert source.tally().balance() == 0
    assert source.tally().read == 60


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ticks", [10**9, 10**6, 10**3, 1 << 30, 10**10])
def test_pcapng_round_trip(order: str, ticks: int) -> None:
    items = frames(30)
    expected = [(t * ticks // 10**9 * 10**9 // ticks, frame) for t, frame in items]
    source = reader(pcapng(order, items, ticks))
    assert list(source) == expected
    assert [r[4] for r in source.records()] == [1] * 30
    assert source.interfaces[0].name == "eth0"
    assert source.interfaces[0].ticks == ticks


def test_header_bytes_of_pcap() -> None:
    # from the format's description, not from our writer
    data = bytes.fromhex("a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000001".replace(" ", ""))
    data += bytes.fromhex("00000001 00000002 00000003 00000040".replace(" ", "")) + b"abc"
    assert list(reader(data).records()) == [(1_000_002_000, b"abc", 64, 0, 0)]
    record = Record(*next(iter(reader(data).records())))
    assert (record.original_length, record.data) == (64, b"abc")


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(linktype: int = 1, snaplen: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)


def packet(
    index: int, stamp: int, data: bytes, orig: int | None = None, options: bytes = b"", order: str = "<"
) -> bytes:
    head = struct.pack(
        order + "IIIII",
        index,
        stamp >> 32,
        stamp & 0xFFFFFFFF,
        len(data),
        len(data) if orig is None else orig,
    )
    return block(6, head + data + b"\0" * (-len(data) % 4) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def test_pcapng_sections_interfaces_and_blocks() -> None:
    data = (
        section() + interface() + interface(options=option(9, b"\x09") + option(14, struct.pack("<q", 100)))
    )
    data += packet(0, 5, b"micro") + packet(1, 5, b"nano", options=option(2, struct.pack("<I", 2)))
    data += block(0xBAD, b"skip me.") + block(10, b"secrets ")
    data += block(2, struct.pack("<HHIIII", 1, 0, 0, 7, 3, 3) + b"old\0")
    data += block(
        5, struct.pack("<III", 1, 0, 0) + option(5, struct.pack("<Q", 4)) + option(7, struct.pack("<Q", 3))
    )
    data += section(">") + interface(snaplen=4, options=option(9, b"\x8a", ">"), order=">")
    data += packet(0, 3, b"binary", options=option(1, b"comment!", ">"), order=">")
    data += block(3, struct.pack(">I", 9) + b"simp", ">")
    source = reader(data)
    assert list(source.records()) == [
        (5_000, b"micro", 5, 0, 0),
        (100 * 10**9 + 5, b"nano", 4, 1, 2),
        (100 * 10**9 + 7, b"old", 3, 1, 0),
        (3 * 10**9 // 1024, b"binary", 6, 2, 0),
        (3 * 10**9 // 1024, b"simp", 9, 2, 0),
    ]
    assert source.interfaces[1].dropped == 7


def test_gzip_members_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pcap("<", True, frames(9))
    packed = gzip.compress(data[:100]) + gzip.compress(data[100:]) + b"\0" * 512
    assert list(reader(packed)) == frames(9)
    name = tmp_path / "x.pcap"
    name.write_bytes(data)
    with open(name, "rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        source = CaptureReader("-")
        assert list(source) == list(source) == frames(9)
        assert source.name == "standard input"
        source.close()


def test_a_pipe_is_read_twice(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    if (pid := os.fork()) == 0:
        with open(fifo, "wb") as out:
            out.write(pcap("<", True, frames(5)))
        os._exit(0)
    source = CaptureReader(fifo)
    os.waitpid(pid, 0)
    assert list(source) == list(source) == frames(5)


@pytest.mark.parametrize("suffix", [".pcap", ".pcap.gz", ".pcapng", ".pcapng.gz"])
def test_open_writer(tmp_path: Path, suffix: str) -> None:
    name = tmp_path / f"out{suffix}"
    for _ in range(2):
        with open_writer(name) as writer:
            for t, frame in frames(20):
                writer.write(t, frame)
        first = name.read_bytes()
    assert first == name.read_bytes()
    assert first.startswith(b"\x1f\x8b") == suffix.endswith("gz")
    with CaptureReader(name) as source:
        assert list(source) == frames(20)


def test_snaplen_and_original_length() -> None:
    out = io.BytesIO()
    with PcapWriter(out, snaplen=20) as writer:
        writer.write(0, FRAME)
    assert list(reader(out.getvalue()).records()) == [(0, FRAME[:20], len(FRAME), 0, 0)]


def damage(data: bytes) -> tuple[int, str]:
    """(records before the damage, the error's line)."""
    source = reader(data)
    got = 0
    with pytest.raises(CaptureError) as caught:
        for _ in source.records():
            got += 1
    assert caught.value.records == got
    assert "\n" not in str(caught.value)
    return got, str(caught.value)


@pytest.mark.parametrize("make", [lambda i: pcap("<", True, i), lambda i: pcapng(">", i)])
@pytest.mark.parametrize("lost", [1, 5, 40])
def test_truncated_gives_what_precedes(make: Callable[[list[tuple[int, bytes]]], bytes], lost: int) -> None:
    got, line = damage(make(frames(12))[:-lost])
    assert got == 11
    assert "truncated at record 12" in line


def test_truncated_gzip_gives_what_precedes() -> None:
    data = pcap("<", True, [(i, os.urandom(600)) for i in range(40)])
    got, line = damage(gzip.compress(data)[: len(data) // 2])
    assert 10 < got < 30
    assert "gzip stream ends early" in line
    broken = bytearray(gzip.compress(data, 0))
    broken[-6] ^= 1
    got, line = damage(bytes(broken))
    assert got == 40
    assert "incorrect data check" in line
    data = pcap("<", True, frames(2000))
    broken = bytearray(gzip.compress(data))
    broken[len(broken) // 2 :] = b"\xff" * 9000
    got, line = damage(bytes(broken))
    assert 500 < got < 1500
    assert "gzip stream" in line


def test_damaged_lengths() -> None:
    head = pcap("<", True, [(0, FRAME)])
    assert damage(head + struct.pack("<IIII", 0, 0, 10**9, 10**9))[0] == 1
    assert "at most 262144" in damage(head + struct.pack("<IIII", 0, 0, 10**9, 10**9))[1]
    start = section() + interface() + packet(0, 0, b"good")
    for bad, word in [
        (struct.pack("<III", 6, 13, 0), "block of 13 bytes"),
        (struct.pack("<III", 99, 1 << 31, 0), f"block of {1 << 31} bytes"),
        (packet(3, 0, b"x"), "interface 3 is not described"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 500, 500)), "500 captured bytes in a block of 32"),
        (block(0x0A0D0D0A, struct.pack("<IHHq", 5, 1, 0, -1)), "byte-order magic"),
        (block(1, b"\0\0\0\0"), "interface block of 16"),
    ]:
        got, line = damage(start + bad)
        assert got == 1
        assert word in line


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"# Title\n", "not a capture: begins with 23 20 54 69"),
        (b"snoop\0\0\0", "a snoop capture"),
        (b"\x28\xb5\x2f\xfd1234", "zstd"),
        (b"\xd4\xc3\xb2\xa1\x02\0", "truncated: 6 bytes"),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0junk", "byte-order magic"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 9, 4, 0, 0, 65535, 1), "version 9"),
        (
            struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 249),
            "USBPcap (link type 249) carries no IP",
        ),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 201), "Bluetooth HCI H4 with direction"),
        (gzip.compress(b"text", mtime=0), "not a capture"),
        (b"\x1f\x8bnot gzip", "damaged gzip stream"),
    ],
)
def test_refused(data: bytes, word: str) -> None:
    with pytest.raises(CaptureError) as caught:
        reader(data)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        CaptureReader(tmp_path / "nothing")
    with pytest.raises(CaptureError, match="Is a directory"):
        CaptureReader(tmp_path)


def test_pcapng_interface_without_ip() -> None:
    only = section() + interface(189) + packet(0, 0, b"usb")
    with pytest.raises(CaptureError, match=r"USB \(Linux\) \(link type 189\) carries no IP"):
        list(reader(only))
    both = section() + interface(189) + interface() + packet(0, 0, b"usb") + packet(1, 0, FRAME)
    source = reader(both)
    assert list(source) == [(0, FRAME)]
    assert source.tally().as_dict() == {
        "read": 2, "added": {}, "wire": 1, "not_sent": {"no Ethernet form": 1}, "held": 0,
    }  # fmt: skip


def test_fcs_is_taken_off_and_checked() -> None:
    good = FRAME + crc32(FRAME).to_bytes(4, "little")
    bad = FRAME + b"\0\0\0\0"
    data = section() + interface(options=option(13, b"\x04")) + packet(0, 1, good) + packet(0, 2, bad)
    got = [frame for _, frame in reader(data)]
    assert got == [FRAME, FRAME]
    assert [type(frame) for frame in got] == [bytes, BadFcsFrame]
    flagged = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1 | 0x04000000 | 2 << 28)
    flagged += struct.pack("<IIII", 0, 0, len(good), len(good)) + good
    assert [frame for _, frame in reader(flagged)] == [FRAME]


IP = FRAME[14:]
SYN_DST, SYN_SRC = linktypes.synthetic_mac(ip4("10.0.0.1")), linktypes.synthetic_mac(ip4("10.0.0.2"))
SNAP = b"\xaa\xaa\x03\0\0\0\x08\0"
MADE = SYN_DST + SYN_SRC + b"\x08\0" + IP
# link type, header before the IPv4 packet, the Ethernet header expected (None: synthetic), direction
KINDS: list[tuple[int, bytes, bytes | None, int]] = [
    (0, b"\x02\0\0\0", None, 0),
    (0, b"\0\0\0\x02", None, 0),
    (108, b"\0\0\0\x02", None, 0),
    (101, b"", None, 0),
    (12, b"", None, 0),
    (228, b"", None, 0),
    (9, b"\xff\x03\0\x21", None, 0),
    (9, b"\x21", None, 0),
    (50, b"\xff\x03\x21", None, 0),
    (104, b"\x0f\0\x08\0", None, 0),
    (100, SNAP, None, 0),
    (107, b"\x18\x41\x03\xcc", None, 0),
    (113, b"\0\0\0\x01\0\x06" + A + b"\0\0\x08\0", SYN_DST + A + b"\x08\0", 1),
    (113, b"\0\x04\0\x01\0\x06" + A + b"\0\0\x08\0", SYN_DST + A + b"\x08\0", 2),
    (113, b"\0\x01\0\x01\0\x06" + A + b"\0\0\x08\0", b"\xff" * 6 + A + b"\x08\0", 1),
    (113, b"\0\0\x03\x04\0\x06" + bytes(6) + b"\0\0\x08\0", None, 1),
    (276, b"\x08\0\0\0\0\0\0\x02\0\x01\x04\x06" + A + b"\0\0", SYN_DST + A + b"\x08\0", 2),
    (10, b"\x50" + B + A + SNAP, B + A + b"\x08\0", 0),
    (6, b"\x10\x40" + B + A + SNAP, B + A + b"\x08\0", 0),
    (122, b"\0\0" + B + b"\0\0" + A + SNAP, B + A + b"\x08\0", 0),
    (138, bytes(16) + b"\x08\0", None, 0),
    (105, b"\x08\x01\0\0" + bytes(6) + A + B + b"\0\0" + SNAP, B + A + b"\x08\0", 0),
    (105, b"\x88\x02\0\0" + B + bytes(6) + A + b"\0\0\0\0" + SNAP, B + A + b"\x08\0", 0),
    (127, b"\0\0\x08\0\0\0\0\0" + b"\x08\x02\0\0" + B + bytes(6) + A + b"\0\0" + SNAP, B + A + b"\x08\0", 0),
    (109, b"\x02\0\0\0" + bytes(8), None, 0),
    (117, b"\x3d\x02" + bytes(62), None, 0),
    (166, b"\x01\xff\x03\0\x21", None, 2),
    (192, b"\0\0\x08\0\x65\0\0\0", None, 0),
    (239, b"\x02\0\0\0\x08\0\x01\0abcd" + struct.pack("<HH", 4 + len(IP), 9), None, 0),
    (219, b"", SYN_DST[:1] + bytes(5) + SYN_DST[:1] + bytes(5) + b"\x88\x47", 0),
    (51, b"\x11\0\0\x01\0\x20\0\x21",
     b"\x02" + bytes(5) + b"\x02" + bytes(5) + b"\x88\x64\x11\0\0\x01\0\x20\0\x21", 0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "head", "expected", "direction"), KINDS)
def test_link_types_become_ethernet(kind: int, head: bytes, expected: bytes | None, direction: int) -> None:
    data = section() + interface(kind) + packet(0, 0, head + IP, len(head + IP) + 10)
    header = MADE[:14] if expected is None else expected
    assert list(reader(data).ethernet()) == [(0, header + IP, len(header + IP) + 10, 0, direction)]


def test_cooked_arp_vlan_llc_and_others() -> None:
    def one(pkttype: int, hatype: int, protocol: int, body: bytes) -> bytes:
        head = struct.pack(">HHH", pkttype, hatype, 6) + A + b"\0\0" + struct.pack(">H", protocol)
        return linktypes.CONVERTERS[113](head + body, len(head + body))[0]

    request = arp_frame(1, A, ip4("10.0.0.2"), b"", ip4("10.0.0.1"), pad=False)
    assert one(1, 1, 0x0806, request[14:]) == request
    reply = arp_frame(2, A, ip4("10.0.0.2"), SYN_DST, ip4("10.0.0.1"), pad=False)
    assert one(0, 1, 0x0806, reply[14:]) == reply
    tagged = one(0, 1, 0x8100, b"\0\x64\x08\0" + IP)
    assert EthernetView(tagged).vlan_tci == (100,)
    stp = one(2, 1, 4, b"\x42\x42\x03" + bytes(35))
    assert stp[12:17] == b"\0\x26\x42\x42\x03"
    assert one(0, 824, 0, bytes(16)) == b""
    assert one(0, 1, 0x0C, bytes(16)) == b""


def test_radio_without_data_is_refused_by_name() -> None:
    beacon = b"\x80\0\0\0" + bytes(40)
    data = section() + interface(105) + packet(0, 0, beacon) * 3
    with pytest.raises(CaptureError, match=r"none of its 3 records carries IP in the clear: 802.11"):
        list(reader(data))


def consume(data: bytes) -> None:
    """All the way, in every mode; nothing but CaptureError may come out, and the books must balance."""
    for mode in ("auto", "wire", "host"):
        try:
            wire = as_wire(reader(data), mode, host=ip4("10.0.0.2") if mode == "host" else None)
            source = Cable(Monotonic(wire), 10**9, 5)
        except CaptureError as err:
            assert "\n" not in str(err)
            return
        last = -(1 << 80)
        try:
            for t, frame in source:
                assert t >= last
                assert len(frame) >= 60 or type(frame) is BadFcsFrame
                last = t
        except CaptureError as err:
            assert "\n" not in str(err)
        assert source.tally().balance() == 0


SEEDS = [
    pcap("<", True, frames(4)),
    pcap(">", False, frames(4)),
    pcapng("<", frames(4)),
    section() + interface(113, options=option(9, b"\x06") + option(14, bytes(8)))
    + packet(0, 7, bytes(16) + IP, 1500),
    section() + interface(127) + packet(0, 7, KINDS[23][1] + IP)
    + interface(239) + packet(1, 8, KINDS[28][1] + IP),
    section(">") + interface(order=">") + block(3, struct.pack(">I", len(FRAME)) + FRAME, ">"),
]  # fmt: skip


@settings(max_examples=20 * FUZZ)
@given(st.sampled_from(SEEDS), st.data())
def test_fuzz_changed_captures(seed: bytes, data: st.DataObject) -> None:
    broken = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.sampled_from([0, 1, 4, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)) | st.just(len(broken)))
    consume(bytes(broken[:cut]))


@settings(max_examples=10 * FUZZ)
@given(
    st.sampled_from([b"", SEEDS[0][:24], SEEDS[1][:24], section() + interface(), b"\x1f\x8b\x08\0"]),
    st.binary(),
)
def test_fuzz_random_bytes(head: bytes, tail: bytes) -> None:
    consume(head + tail)


@settings(max_examples=8 * FUZZ)
@given(st.sampled_from(sorted(linktypes.CONVERTERS)), st.binary(max_size=90), st.integers(0, 3000))
def test_fuzz_link_types(kind: int, body: bytes, more: int) -> None:
    consume(section() + interface(kind) + packet(0, 0, body, len(body) + more))


def test_memory_is_bounded_by_what_is_there() -> None:
    # a bomb: 64 MiB of zeros in 64 KiB; every zero record header is a record of no bytes
    import tracemalloc

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = (
        packer.compress(SEEDS[0][:24])
        + b"".join(packer.compress(bytes(1 << 20)) for _ in range(64))
        + packer.flush()
    )
    source = reader(bomb)
    tracemalloc.start()
    count = 0
    for _ in source.records():
        count += 1
        if count == 100_000:
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 16 << 20
