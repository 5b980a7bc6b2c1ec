"""The 82574L against its own rules: filters, packet buffer, descriptors, moderation, interrupts, transmit."""

from __future__ import annotations

import itertools
import pathlib
import random
import struct
import zlib

import pytest
from hostbus import HostBus
from hypothesis import given
from hypothesis import strategies as st

from rxpath.hw.nic.i82574 import I82574
from rxpath.hw.nic.offload import Toeplitz, fold, ones_sum
from rxpath.hw.regs import i82574 as r

MAC = b"\x52\x54\x00\x12\x34\x56"
PEER = b"\x02\0\0\0\0\1"
RING, BUFS, TXRING, TXBUF = 0x2000, 0x10000, 0x8000, 0xC000
EXT = struct.Struct("<IIIHH")


def udp(
    payload: bytes = b"",
    dst: bytes = MAC,
    vlan: int | None = None,
    spoil: int = 0,
    proto: int = 17,
    sport: int = 1000,
) -> bytes:
    src_ip, dst_ip = b"\x0a\0\0\1", b"\x0a\0\0\2"
    n = 8 + len(payload)
    head = struct.pack(">HHHH", sport, 2000, n, 0)
    c = fold(ones_sum(src_ip + dst_ip + struct.pack(">HH", 17, n) + head + payload)) or 0xFFFF
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + n, 7, 0, 64, proto, 0) + src_ip + dst_ip
    ip = ip[:10] + struct.pack(">H", fold(ones_sum(ip))) + ip[12:]
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return (dst + PEER + tag + b"\x08\0" + ip + head[:6] + struct.pack(">H", c ^ spoil) + payload).ljust(60, b"\0")


class Box:
    """A device on its bus with a ring of `n` extended descriptors, all but one given to it."""

    def __init__(self, n: int = 64, mode: str = "MSI-X", given: int | None = None, rctl: int = 0, **kw: int) -> None:
        self.bus = HostBus()
        self.nic = I82574(MAC, **kw)
        self.nic.attach(self.bus)
        self.nic.reset()
        self.nic.config_write(4, 2, 6)
        self.out: list[bytes] = []
        self.nic.tx_sink = self.out.append
        self.nic.link_change(True)
        if mode == "MSI-X":
            self.nic.config_write(0xA2, 2, 0x8000)
            for v in range(5):
                for i, x in enumerate((0xFEE00000, 0, 0x40 + v, 0)):
                    self.nic.mmio_write(3, 16 * v + 4 * i, 4, x)
            self.w(r.IVAR, 0x800A0908)
            self.w(r.EIAC, r.ICR_RXQ0 | r.ICR_TXQ0)
            self.w(r.CTRL_EXT, r.CTRL_EXT_EIAME | r.CTRL_EXT_PBA_CLR)
        else:
            if mode == "MSI":
                self.nic.config_write(0xD4, 4, 0xFEE00000)
                self.nic.config_write(0xDC, 2, 0x50)
                self.nic.config_write(0xD2, 2, 1)
            self.w(r.IAM, 0xFFFFFFFF)
            self.w(r.CTRL_EXT, r.CTRL_EXT_IAME)
        self.n = n
        self.w(r.VET, 0x8100)
        self.w(r.RFCTL, r.RFCTL_EXTEN | r.RFCTL_ACK_DIS)
        self.w(r.RXCSUM, r.RXCSUM_IPOFL | r.RXCSUM_TUOFL | r.RXCSUM_PCSD)
        self.w(r.PBA, 32)
        self.fill(n, 16)
        self.w(r.RDBAL(0), RING)
        self.w(r.RDLEN(0), 16 * n)
        self.w(r.RDT(0), n - 1 if given is None else given)
        self.w(r.RCTL, r.RCTL_EN | r.RCTL_BAM | r.RCTL_SECRC | rctl)
        self.rd(r.ICR)
        self.bus.sent.clear()

    def fill(self, n: int, size: int) -> None:
        for i in range(n):
            struct.pack_into("<QQ", self.bus.mem, RING + size * i, BUFS + 2048 * i, 0)

    def w(self, off: int, value: int) -> None:
        self.nic.mmio_write(0, off, 4, value)

    def rd(self, off: int) -> int:
        return self.nic.mmio_read(0, off, 4)

    def desc(self, i: int) -> tuple[int, int, int, int, int]:
        mrq, word, status, length, vlan = EXT.unpack_from(self.bus.mem, RING + 16 * i)
        return mrq, word, status, length, vlan

    def data(self, i: int) -> bytes:
        return bytes(self.bus.mem[BUFS + 2048 * i : BUFS + 2048 * i + self.desc(i)[3]])

    def stat(self, name: str) -> int:
        return self.rd(dict(r.STATS)[name])


def test_configuration_space_as_recorded() -> None:
    """Byte for byte what a recorded 82574L shows, where firmware and driver did not write."""
    want = bytearray(4096)
    for line in (pathlib.Path(__file__).parent / "golden" / "i82574-config.txt").read_text().splitlines():
        if line[0] != "*" and "|" in line:
            data = bytes.fromhex(line[10:58])
            want[int(line[:8], 16) : int(line[:8], 16) + len(data)] = data
    nic = I82574(MAC, sub_device=0)
    for off, size in ((0x10, 4), (0x14, 4), (0x18, 4), (0x1C, 4), (0x30, 4), (0x3C, 1), (4, 2), (0xA2, 2)):
        nic.config_write(off, size, int.from_bytes(want[off : off + size], "little"))
    got = bytearray(nic.config.mem)
    for off in (0x06, 0xCA):  # capability list bit, power management: as they stand
        assert got[off] == want[off]
    different = [hex(i) for i in range(4096) if got[i] != want[i]]
    assert different == [], [(d, got[int(d, 16)], want[int(d, 16)]) for d in different]


def test_nvm_and_address() -> None:
    box = Box()
    words = []
    for i in range(64):
        box.w(r.EERD, i << 2 | r.EERD_START)
        v = box.rd(r.EERD)
        assert v & r.EERD_DONE
        words.append(v >> 16)
    assert sum(words) & 0xFFFF == 0xBABA
    assert struct.pack("<HHH", *words[:3]) == MAC
    assert struct.pack("<IH", box.rd(r.RAL(0)), box.rd(r.RAH(0)) & 0xFFFF) == MAC


def test_receive_writes_data_then_descriptor_then_message() -> None:
    box = Box()
    box.w(r.IMS, r.ICR_RXQ0)
    f = udp(b"x" * 100)
    assert box.nic.receive(f, 77)
    assert box.bus.writes == [(BUFS, len(f), 77)]
    mrq, _w, status, length, vlan = box.desc(0)
    assert (mrq, length, vlan) == (0, len(f), 0) and box.data(0) == f
    assert status == (r.RXD_STAT_DD | r.RXD_STAT_EOP | r.RXD_STAT_IPCS | r.RXD_STAT_UDPCS)
    assert [d for _t, _a, d in box.bus.sent] == [0x40]
    assert box.rd(r.RDH(0)) == 1
    assert (box.stat("GPRC"), box.stat("GORCL"), box.stat("GORCH"), box.stat("PRC255")) == (
        1,
        len(f) + 4,
        0,
        1,
    )
    assert box.stat("GPRC") == 0  # clear on read


def test_checksum_verdicts_and_ixsm() -> None:
    box = Box()
    box.nic.receive(udp(b"abc", spoil=0x1111))
    assert box.desc(0)[2] & (r.RXDEXT_STATERR_TCPE | r.RXDEXT_STATERR_IPE) == r.RXDEXT_STATERR_TCPE
    box.nic.receive(MAC + PEER + b"\x08\x06" + bytes(46))
    assert box.desc(1)[2] & r.RXD_STAT_IXSM
    box.w(r.RXCSUM, 0)
    box.nic.receive(udp(b"abc", spoil=0x1111))
    assert box.desc(2)[2] & 0xFF == 0x07 and not box.desc(2)[2] & 0xFF000000


def test_filters() -> None:
    box = Box()
    group = b"\x01\0\x5e\1\2\3"
    for f in (udp(dst=b"\x52\x54\0\0\0\1"), udp(dst=group)):
        assert not box.nic.receive(f, 5)
    assert box.bus.dropped == [(5, "mac filter", "none")] * 2
    assert box.nic.receive(udp(dst=b"\xff" * 6))
    h = (group[4] >> 4 | group[5] << 4) & 0xFFF
    box.w(r.MTA + 4 * (h >> 5), 1 << (h & 31))
    assert box.nic.receive(udp(dst=group))
    assert not box.nic.receive(udp(dst=b"\x01\0\x5e\1\2\4"))
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_MPE | r.RCTL_UPE)
    assert box.nic.receive(udp(dst=b"\x01\0\x5e\1\2\4")) and box.nic.receive(udp(dst=b"\x52\x54\0\0\0\1"))
    box.w(r.RCTL, r.RCTL_EN)
    assert not box.nic.receive(udp(dst=b"\xff" * 6))
    assert (box.stat("BPRC"), box.stat("MPRC"), box.stat("TPR")) == (1, 2, 8)


def test_vlan_filter_and_strip() -> None:
    box = Box(rctl=r.RCTL_VFE)
    box.w(r.VFTA, 1 << 5)
    assert box.nic.receive(udp(b"v" * 40, vlan=5)) and box.nic.receive(udp(b"plain"))
    assert not box.nic.receive(udp(b"v", vlan=6), 9)
    assert box.bus.dropped == [(9, "vlan filter", "none")]
    assert not box.desc(0)[2] & r.RXD_STAT_VP and box.data(0) == udp(b"v" * 40, vlan=5)
    assert box.desc(0)[2] & r.RXD_STAT_UDPCS  # looked through the tag
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_VME)
    box.nic.receive(udp(b"v" * 40, vlan=0x6005))
    assert box.desc(2)[2] & r.RXD_STAT_VP and box.desc(2)[4] == 0x6005
    assert box.data(2) == udp(b"v" * 40)


@pytest.mark.parametrize(
    ("n", "fcs", "reason", "counter", "stat"),
    [
        (59, True, "runt", "rx_short_length_errors", "RUC"),
        (59, False, "runt", "none", "RFC"),
        (1519, True, "frame too long", "rx_long_length_errors", "ROC"),
        (1519, False, "frame too long", "none", "RJC"),
        (100, False, "crc error", "rx_crc_errors", "CRCERRS"),
    ],
)
def test_bad_frames(n: int, fcs: bool, reason: str, counter: str, stat: str) -> None:
    box = Box()
    assert not box.nic.receive((MAC + PEER).ljust(n, b"\0"), 3, fcs)
    assert box.bus.dropped == [(3, reason, counter)] and box.stat(stat) == 1 and box.stat("GPRC") == 0
    assert box.nic.receive((MAC + PEER).ljust(1518, b"\0"))
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_SBP)  # store bad packets; no CRC stripping
    if stat == "CRCERRS":
        f = (MAC + PEER).ljust(n, b"\0")
        assert box.nic.receive(f, 3, False)
        assert box.desc(1)[2] & r.RXDEXT_STATERR_CE
        assert box.data(1) == f + (zlib.crc32(f) ^ 0xFFFFFFFF).to_bytes(4, "little")


def test_fifo_rnbc_then_mpc() -> None:
    """4 descriptors, then the packet buffer, then loss; each frame is booked once and order is kept."""
    box = Box(given=4)
    box.w(r.IMS, r.ICR_OTHER | r.IMS_OTHER_MASK)
    frames = [udp(b"%05d" % i + bytes(1000)) for i in range(60)]
    took = [box.nic.receive(f, i) for i, f in enumerate(frames)]
    size = (len(frames[0]) + 4 + 16 + 15) & ~15
    fits = (32 << 10) // size
    assert took == [True] * (4 + fits) + [False] * (60 - 4 - fits)
    assert box.nic.in_flight() == fits
    assert (box.stat("RNBC"), box.stat("MPC"), box.stat("ICRXOC")) == (fits, 60 - 4 - fits, 60 - 4 - fits)
    assert box.bus.dropped == [(i, "rx fifo full", "rx_missed_errors") for i in range(4 + fits, 60)]
    assert [d for _t, _a, d in box.bus.sent] == [0x42]  # one message for the overrun, though it went on
    assert box.rd(r.ICR) & (r.ICR_RXO | r.ICR_OTHER | r.ICR_INT_ASSERTED) == (
        r.ICR_RXO | r.ICR_OTHER | r.ICR_INT_ASSERTED
    )
    box.w(r.RDT(0), 4 + fits)
    assert box.nic.in_flight() == 0
    assert [t for _a, _n, t in box.bus.writes] == list(range(4 + fits))
    assert box.stat("GPRC") == 4 + fits


def test_pause_frames_at_thresholds() -> None:
    box = Box(given=0)
    sent: list[int] = []
    box.nic.pause_sink = sent.append
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_TFCE)
    box.w(r.FCRTH, 0x2000)
    box.w(r.FCRTL, 0x1FF8 | r.FCRTL_XONE)
    box.w(r.FCTTV, 0xFFFF)
    for _ in range(12):
        box.nic.receive(udp(bytes(1000)))
    assert sent == [0xFFFF] and box.stat("XOFFTXC") == 1
    # the buffer does not empty: it asks again before the pause is over
    box.bus.advance(0xFFFF * 512)
    assert sent == [0xFFFF] * 3 and box.stat("XOFFTXC") == 2  # cleared by reading
    box.w(r.RDT(0), 12)
    assert sent == [0xFFFF] * 3 + [0] and box.stat("XONTXC") == 1
    box.bus.advance(0xFFFF * 512)
    assert len(sent) == 4


def test_pause_received_stops_transmit() -> None:
    box = Box()
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_RFCE)
    pause = b"\x01\x80\xc2\0\0\1" + PEER + b"\x88\x08\0\1\0\x64" + bytes(42)
    assert not box.nic.receive(pause, 1)
    assert box.bus.dropped == [(1, "pause frame", "rx_flow_control_xoff")]
    assert box.rd(r.STATUS) & r.STATUS_TXOFF
    transmit(box, [udp(b"later")])
    assert box.out == []
    box.bus.advance(100 * 512)
    assert box.out == [udp(b"later")] and not box.rd(r.STATUS) & r.STATUS_TXOFF


def test_multi_descriptor_frames_and_legacy_format() -> None:
    box = Box(rctl=r.RCTL_LPE)
    f = udp(bytes(range(250)) * 20)
    assert box.nic.receive(f, 8)
    assert [box.desc(i)[3] for i in range(3)] == [2048, 2048, len(f) - 4096]
    assert [box.desc(i)[2] & 3 for i in range(3)] == [1, 1, 3]
    assert b"".join(box.data(i) for i in range(3)) == f
    assert [t for _a, _n, t in box.bus.writes] == [8, None, None]
    box = Box(given=2, rctl=r.RCTL_LPE)
    assert box.nic.receive(f) and box.nic.in_flight() == 1  # 3 are needed: it waits
    box = Box()
    box.w(r.RFCTL, 0)
    box.w(r.RXCSUM, r.RXCSUM_IPOFL | r.RXCSUM_TUOFL | 14)
    f = udp(b"legacy", spoil=1)
    box.nic.receive(f)
    length, csum, status, errors, special = struct.unpack_from("<HHBBH", box.bus.mem, RING + 8)
    assert (length, status, errors, special) == (len(f), 0x53, 0x20, 0)
    assert struct.unpack_from("<Q", box.bus.mem, RING)[0] == BUFS
    assert csum.to_bytes(2, "little") == ones_sum(f[14:]).to_bytes(2, "big")


@pytest.mark.parametrize("n", [0, 50, 86, 87, 1400, 4096 + 86, 8900])
def test_packet_split(n: int) -> None:
    box = Box(n=64)
    box.w(r.PSRCTL, 1 | 4 << 8 | 4 << 16 | 4 << 24)
    for i in range(32):
        struct.pack_into("<QQQQ", box.bus.mem, RING + 32 * i, 0x20000, 0x21000, 0x22000, 0x23000)
    box.w(r.RDT(0), 8)
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_LPE | r.RCTL_SECRC | r.RCTL_DTYP_PS)
    f = udp(bytes(i * 7 & 255 for i in range(n)))
    assert box.nic.receive(f, 1)
    _mrq, _w, status, l0, _vlan, head, l1, l2, l3, _ = struct.unpack_from("<IIIHHHHHHQ", box.bus.mem, RING)
    assert status & 3 == 3 and head == (0x8000 | 42) and l0 == 42 and l0 + l1 + l2 + l3 == len(f)
    m = box.bus.mem
    assert (
        bytes(
            m[0x20000 : 0x20000 + l0]
            + m[0x21000 : 0x21000 + l1]
            + m[0x22000 : 0x22000 + l2]
            + m[0x23000 : 0x23000 + l3]
        )
        == f
    )
    assert box.rd(r.RDH(0)) == 2
    arp = MAC + PEER + b"\x08\x06" + bytes(200)
    box.nic.receive(arp)
    *_, head, l1, l2, l3, _ = struct.unpack_from("<IIIHHHHHHQ", box.bus.mem, RING + 32)
    assert (head, l1, l2, l3) == (0, len(arp) - 128, 0, 0)


def test_rss_hash_type_and_queue() -> None:
    key = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
    box = Box()
    for i in range(10):
        box.w(r.RSSRK + 4 * i, int.from_bytes(key[4 * i : 4 * i + 4], "little"))
    box.w(r.MRQC, r.MRQC_RSS_FIELD_IPV4 | r.MRQC_RSS_FIELD_IPV4_TCP)
    box.nic.receive(udp(b"x"))
    want = Toeplitz(key).hash(b"\x0a\0\0\1\x0a\0\0\2")
    assert box.desc(0)[:2] == (r.RSS_TYPE_IPV4, want)
    tcp = bytearray(udp(bytes(40), proto=6))
    tcp[46] = 0x50
    box.nic.receive(bytes(tcp))
    assert box.desc(1)[:2] == (r.RSS_TYPE_IPV4_TCP, Toeplitz(key).hash(bytes(tcp[26:38])))
    # two queues: the table sends this hash to queue 1
    box.w(r.MRQC, r.MRQC_RSS_FIELD_IPV4 | 1)
    box.w(r.RETA + (want & 0x7C), 0x80 << (8 * (want & 3)))
    struct.pack_into("<QQ", box.bus.mem, 0x3000, 0xA0000, 0)
    box.w(r.RDBAL(1), 0x3000)
    box.w(r.RDLEN(1), 128)
    box.w(r.RDT(1), 4)
    box.w(r.IVAR, 0x80000098)
    box.w(r.IMS, r.ICR_RXQ1)
    box.nic.receive(udp(b"y"))
    assert EXT.unpack_from(box.bus.mem, 0x3000)[:2] == (1 << 8 | r.RSS_TYPE_IPV4, want)
    assert box.rd(r.RDH(1)) == 1 and [d for _t, _a, d in box.bus.sent] == [0x41]


def test_delay_timers() -> None:
    """RDTR starts anew with each frame, RADV bounds the wait; one timer stands for both."""
    box = Box()
    box.w(r.IMS, r.ICR_RXQ0)
    box.w(r.RDTR, 32)
    box.w(r.RADV, 64)
    t0 = box.bus.now
    for _ in range(5):
        box.nic.receive(udp())
        box.bus.advance(20_000)
        assert box.bus.pending() <= 1
    assert [t - t0 for t, _a, _d in box.bus.sent] == [64 * 1024]
    assert box.stat("ICRXATC") == 1
    box.w(r.IMS, r.ICR_RXQ0)
    box.bus.advance(100_000)
    box.w(r.IMS, r.ICR_RXQ0)
    box.bus.sent.clear()
    box.nic.receive(udp())
    t0 = box.bus.now
    box.bus.advance(100_000)
    assert [t - t0 for t, _a, _d in box.bus.sent] == [32 * 1024]
    assert box.stat("ICRXPTC") == 1 + 1  # the tail of the first round, and this one


def test_eitr_spaces_messages() -> None:
    box = Box()
    box.w(r.EITR(0), 195)
    for _ in range(50):
        box.w(r.IMS, r.ICR_RXQ0)
        box.nic.receive(udp())
        box.w(r.RDT(0), (box.rd(r.RDH(0)) - 1) % 64)
        box.bus.advance(5_000)
    times = [t for t, _a, _d in box.bus.sent]
    gaps = {y - x for x, y in itertools.pairwise(times)}
    assert gaps == {195 * 256} and len(times) == 6


def test_msix_auto_clear_and_mask() -> None:
    box = Box()
    box.w(r.IAM, r.ICR_RXQ0)
    box.w(r.IMS, r.ICR_RXQ0 | r.ICR_OTHER | r.IMS_OTHER_MASK)
    box.nic.receive(udp())
    assert len(box.bus.sent) == 1
    assert not box.rd(r.IMS) & r.ICR_RXQ0 and not box.rd(r.ICS) & r.ICR_RXQ0
    box.nic.receive(udp())
    assert len(box.bus.sent) == 1 and box.rd(r.ICS) & r.ICR_RXQ0
    box.w(r.IMS, r.ICR_RXQ0)  # end of poll: the second frame must not be forgotten
    assert len(box.bus.sent) == 2
    box.nic.link_change(False)
    assert [d for _t, _a, d in box.bus.sent] == [0x40, 0x40, 0x42]
    icr = box.rd(r.ICR)
    assert icr & r.ICR_LSC and icr & r.ICR_OTHER and icr & r.ICR_INT_ASSERTED
    assert box.rd(r.ICR) == 0
    # masked entry: pending, sent once at unmask
    box.nic.mmio_write(3, 12, 4, 1)
    box.w(r.IMS, r.ICR_RXQ0)
    box.w(r.ICS, r.ICR_RXQ0)
    assert len(box.bus.sent) == 3 and box.nic.mmio_read(3, 0x2000, 4) == 1
    box.nic.mmio_write(3, 12, 4, 0)
    assert len(box.bus.sent) == 4


def test_msix_masks_by_itself_only_what_iam_names() -> None:
    box = Box()
    box.w(r.IAM, 0)
    box.w(r.IMS, r.ICR_RXQ0)
    box.nic.receive(udp())
    assert len(box.bus.sent) == 1
    assert box.rd(r.IMS) & r.ICR_RXQ0


def test_msi_auto_mask() -> None:
    box = Box(mode="MSI")
    box.w(r.IMS, r.IMS_ENABLE_MASK)
    box.nic.receive(udp())
    box.nic.receive(udp())
    assert box.bus.sent == [(box.bus.now, 0xFEE00000, 0x50)]
    assert box.rd(r.ICR) & (r.ICR_RXT0 | r.ICR_INT_ASSERTED) == r.ICR_RXT0 | r.ICR_INT_ASSERTED
    assert box.rd(r.IMS) == 0  # reading masked everything (IAM)
    box.nic.receive(udp())
    assert len(box.bus.sent) == 1
    box.w(r.IMS, r.IMS_ENABLE_MASK)
    assert len(box.bus.sent) == 2


def test_intx_is_a_level() -> None:
    box = Box(mode="INTx")
    box.w(r.ITR, 100)
    box.w(r.IMS, r.IMS_ENABLE_MASK)
    box.nic.receive(udp())
    box.nic.receive(udp())
    assert [x for _t, *x in box.bus.lines] == [[1, True]] and box.nic.config_read(6, 2) & 8
    box.rd(r.ICR)
    assert [x for _t, *x in box.bus.lines] == [[1, True], [1, False]] and not box.nic.config_read(6, 2) & 8
    box.w(r.IMS, r.IMS_ENABLE_MASK)
    box.nic.receive(udp())
    assert len(box.bus.lines) == 2  # throttled
    box.bus.advance(100 * 256)
    assert [x for _t, *x in box.bus.lines[2:]] == [[1, True]]
    box.nic.config_write(4, 2, 0x406)
    assert box.bus.lines[-1][1:] == (1, False)


def test_icr_read_without_assertion_has_no_effect() -> None:
    box = Box(mode="INTx")
    box.w(r.IMS, r.ICR_LSC)
    box.nic.receive(udp())
    assert box.rd(r.ICR) & r.ICR_RXT0 and box.rd(r.ICR) & r.ICR_RXT0
    box.w(r.IMC, 0xFFFFFFFF)
    assert box.rd(r.ICR) & r.ICR_RXT0
    assert box.rd(r.ICR) == 0


def test_rxdmt0_at_half_ring() -> None:
    box = Box(mode="INTx", given=40)
    box.w(r.RDTR, 1000)
    box.w(r.IMS, r.ICR_RXDMT0)
    for i in range(8):
        box.nic.receive(udp())
        assert bool(box.bus.lines) == (i == 7)  # 32 of 64 left
    assert box.stat("ICRXDMTC") == 1


def test_no_bus_mastering_no_dma_no_message() -> None:
    box = Box()
    box.w(r.IMS, r.ICR_RXQ0)
    box.nic.config_write(4, 2, 2)
    assert box.nic.receive(udp(), 1) and box.nic.in_flight() == 1
    assert box.bus.writes == [] and box.bus.sent == []
    box.nic.config_write(4, 2, 6)
    assert box.nic.in_flight() == 0 and len(box.bus.writes) == 1 and len(box.bus.sent) == 1
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_GIO_MASTER_DISABLE)
    assert not box.rd(r.STATUS) & r.STATUS_GIO_MASTER_ENABLE
    assert box.nic.receive(udp()) and box.nic.in_flight() == 1
    box.nic.config_write(4, 2, 4)
    assert box.rd(r.STATUS) == 0xFFFFFFFF  # the BAR does not decode


def test_faults_are_survived_and_booked() -> None:
    box = Box()
    struct.pack_into("<Q", box.bus.mem, RING, 0x10)  # not mapped
    assert box.nic.receive(udp(), 4)
    assert box.bus.dropped == [(4, "dma fault", "none")] and box.nic.config_read(6, 2) & 0x2000
    assert box.nic.receive(udp(), 5) and box.data(1) == udp()
    box.w(r.RDBAL(0), 0x10)
    box.w(r.RDT(0), 60)
    assert box.nic.receive(udp(), 6) and box.nic.in_flight() == 1
    box.w(r.CTRL, r.CTRL_RST)
    assert box.nic.in_flight() == 0 and box.bus.dropped[-1] == (6, "device reset", "none")


def test_reset_and_link() -> None:
    box = Box(autoneg_ns=2_000_000)
    assert not box.rd(r.STATUS) & r.STATUS_LU
    assert not box.nic.receive(udp(), 1) and box.bus.dropped == [(1, "link down", "none")]
    box.w(r.IMS, r.ICR_LSC | r.ICR_OTHER)
    box.bus.advance(2_000_000)
    assert box.rd(r.STATUS) & r.STATUS_LU and len(box.bus.sent) == 1
    assert box.nic.receive(udp())
    box.w(r.CTRL, r.CTRL_RST)
    assert box.rd(r.RCTL) == 0 and box.rd(r.IMS) == 0 and box.rd(r.PBA) == 32 | 8 << 16
    assert not box.nic.receive(udp(), 2) and box.bus.dropped[-1] == (2, "receiver disabled", "none")

    def phy(reg: int) -> int:
        box.w(r.MDIC, reg << 16 | 1 << 21 | r.MDIC_OP_READ)
        assert box.rd(r.MDIC) & r.MDIC_READY
        return box.rd(r.MDIC) & 0xFFFF

    assert phy(2) << 16 | phy(3) == 0x01410CB1
    assert phy(1) & 4 == 0 and phy(1) & 0x24 == 0x24  # latched low, then up
    box.nic.link_change(False)
    assert phy(1) & 4 == 0 and not box.rd(r.STATUS) & r.STATUS_LU


# --------------------------------------------------------------------- transmit
def transmit(
    box: Box, frames: list[bytes], cmd: int = 0x0B000000, setup: list[bytes] | None = None, extra: int = 0
) -> None:
    box.w(r.TDBAL(0), TXRING)
    box.w(r.TDLEN(0), 128 * 16)
    at = box.rd(r.TDT(0))
    for d in setup or []:
        box.bus.mem[TXRING + 16 * at : TXRING + 16 * at + 16] = d
        at += 1
    pos = TXBUF
    for f in frames:
        box.bus.mem[pos : pos + len(f)] = f
        struct.pack_into("<QII", box.bus.mem, TXRING + 16 * at, pos, len(f) | cmd, extra)
        pos += len(f)
        at += 1
    box.w(r.TCTL, r.TCTL_EN | r.TCTL_PSP)
    box.w(r.TDT(0), at)


def test_transmit_reports_and_interrupts() -> None:
    box = Box(mode="INTx")
    box.w(r.IMS, r.ICR_TXDW)
    transmit(box, [b"\xff" * 6 + MAC + b"\x08\0" + bytes(20), udp(bytes(1000))])
    assert [len(f) for f in box.out] == [60, 1042]
    assert box.bus.mem[TXRING + 12] & 1 and box.bus.mem[TXRING + 28] & 1
    assert len(box.bus.lines) == 1 and box.rd(r.ICR) & r.ICR_TXDW
    assert (box.stat("GPTC"), box.stat("GOTCL"), box.stat("BPTC"), box.stat("PTC64")) == (2, 64 + 1046, 1, 1)
    box.w(r.IMS, r.ICR_TXDW)
    box.w(r.TIDV, 8)
    box.bus.lines.clear()
    transmit(box, [udp()], cmd=0x8B000000)  # with IDE: later
    assert box.bus.lines == []
    box.bus.advance(8 * 1024)
    assert [x for _t, *x in box.bus.lines] == [[1, True]]


def test_transmit_checksum_and_vlan() -> None:
    box = Box()
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_VME)
    f = bytearray(udp(b"payload of some length, odd"))
    good = bytes(f)
    f[40:42] = struct.pack(">H", ones_sum(f[26:34] + struct.pack(">HH", 17, len(f) - 34)))
    context = struct.pack("<BBHBBHIBBH", 14, 24, 33, 34, 40, 0, r.TXD_CMD_DEXT, 0, 0, 0)
    transmit(box, [bytes(f)], cmd=0x6B100000, setup=[context], extra=0x0200 | 9 << 16)
    assert box.out == [good[:12] + b"\x81\0\0\x09" + good[12:]]
    box.out.clear()
    transmit(box, [bytes(f)], cmd=0x0F000000 | 40 << 16, extra=34 << 8)  # the legacy way
    assert box.out == [good]


def test_tso() -> None:
    box = Box()
    ips = b"\x0a\0\0\2\x0a\0\0\1"
    tcp = struct.pack(">HHIIBBHHH", 5, 6, 1, 2, 0x50, 0x18, 100, ones_sum(ips + b"\0\6"), 0)
    head = PEER + MAC + b"\x08\0" + struct.pack(">BBHHHBBH", 0x45, 0, 0, 1, 0x4000, 64, 6, 0) + ips + tcp
    data = bytes(i * 13 & 255 for i in range(4000))
    context = struct.pack("<BBHBBHIBBH", 14, 24, 33, 34, 50, 0, 4000 | 0x27000000, 0, 54, 1460)
    transmit(box, [head + data], cmd=0x2F100000, setup=[context], extra=0x0300)
    assert [len(f) for f in box.out] == [1514, 1514, 54 + 1080]
    assert b"".join(f[54:] for f in box.out) == data
    for i, f in enumerate(box.out):
        assert ones_sum(f[14:34]) == 0 and ones_sum(f[26:34] + struct.pack(">HH", 6, len(f) - 34) + f[34:]) == 0
        assert struct.unpack_from(">HH", f, 16) == (len(f) - 14, 1 + i)
        assert struct.unpack_from(">I", f, 38)[0] == 1 + 1460 * i and f[47] == (0x18 if i == 2 else 0x10)
    assert box.stat("TSCTC") == 1


def test_unmasking_a_set_cause_interrupts_again() -> None:
    box = Box()
    box.w(r.IMS, r.ICR_OTHER | r.IMS_OTHER_MASK)
    box.nic.link_change(False)
    box.nic.link_change(True)
    assert len(box.bus.sent) == 1  # announced, and nobody read ICR
    box.w(r.IMS, r.ICR_OTHER)
    assert len(box.bus.sent) == 2


def test_transmit_corner_cases() -> None:
    box = Box()
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_RFCE)
    pause = b"\x01\x80\xc2\0\0\1" + PEER + b"\x88\x08\0\1\0\x64" + bytes(42)
    box.nic.tx_sink = lambda f: (box.out.append(f), box.nic.receive(pause))[0]
    transmit(box, [udp(b"one"), udp(b"two")])
    assert box.out == [udp(b"one")] and box.rd(r.TDH(0)) == 1  # paused between two frames
    box.nic.tx_sink = box.out.append
    box.bus.advance(1_000_000)
    assert box.out == [udp(b"one"), udp(b"two")]
    box.out.clear()
    transmit(box, [udp(b"own fcs") + b"\1\2\3\4"], cmd=0x09000000)  # no IFCS: the driver brought it
    assert box.out == [udp(b"own fcs")]


def test_transmit_interrupt_on_every_write_back() -> None:
    box = Box()
    box.w(r.TIDV, 100)
    box.w(r.IMS, r.ICR_TXQ0)
    transmit(box, [udp()], cmd=0x8B000000)
    assert [d for _t, _a, d in box.bus.sent] == [0x41]
    box.w(r.IVAR, 0x000A0908)
    box.w(r.IMS, r.ICR_TXQ0)
    transmit(box, [udp()], cmd=0x8B000000)
    assert len(box.bus.sent) == 1
    box.bus.advance(100 * 1024)
    assert len(box.bus.sent) == 2


def test_too_long_is_never_stored() -> None:
    box = Box(rctl=r.RCTL_SBP)
    assert not box.nic.receive(udp(bytes(1600)), 1)
    assert box.bus.dropped == [(1, "frame too long", "rx_long_length_errors")]
    assert box.nic.receive(udp()[:40], 2)  # a runt is


def test_phy_loopback() -> None:
    box = Box(rctl=r.RCTL_UPE)
    box.nic.link_change(False)
    box.w(r.MDIC, 0x4140 | 1 << 21 | r.MDIC_OP_WRITE)
    transmit(box, [udp(b"round")])
    assert box.out == [] and box.data(0) == udp(b"round")
    assert not box.nic.receive(udp(), 3) and box.bus.dropped == [(3, "phy loopback", "none")]


@pytest.mark.parametrize(
    ("reg", "mask", "write"),
    [
        (r.FCAL, 0xFFFFFFFF, 0xFFFFFFFF),
        (r.FCAH, 0xFFFF, 0xFFFFFFFF),
        (r.FCT, 0xFFFF, 0xFFFFFFFF),
        (r.VET, 0xFFFF, 0xFFFFFFFF),
        (r.RDTR, 0xFFFF, 0xFFFFFFFF),
        (r.RDBAH(0), 0xFFFFFFFF, 0xFFFFFFFF),
        (r.RDLEN(0), 0x000FFF80, 0x000FFFFF),
        (r.RDH(0), 0xFFFF, 0xFFFF),
        (r.RDT(0), 0xFFFF, 0xFFFF),
        (r.FCRTH, 0xFFF8, 0xFFF8),
        (r.FCTTV, 0xFFFF, 0xFFFF),
        (r.TIPG, 0x3FFFFFFF, 0x3FFFFFFF),
        (r.TDBAH(0), 0xFFFFFFFF, 0xFFFFFFFF),
        (r.TDLEN(0), 0x000FFF80, 0x000FFFFF),
        (r.RDBAL(0), 0xFFFFFFF0, 0xFFFFFFFF),
        (r.TXCW, 0xC000FFFF, 0x0000FFFF),
        (r.TDBAL(0), 0xFFFFFFF0, 0xFFFFFFFF),
        (r.TIDV, 0xFFFF, 0xFFFF),
        (r.RAH(3), 0x8003FFFF, 0xFFFFFFFF),
        (r.MTA + 40, 0xFFFFFFFF, 0xFFFFFFFF),
    ],
)
def test_register_patterns(reg: int, mask: int, write: int) -> None:
    """What `ethtool -t` writes and expects back."""
    box = Box()
    for pattern in (0x5A5A5A5A, 0xA5A5A5A5, 0, 0xFFFFFFFF):
        box.w(reg, pattern & write)
        assert box.rd(reg) == pattern & write & mask


# --------------------------------------------------------------------- hardening
OFFSETS = st.one_of(st.sampled_from(sorted(r.NAMES)), st.integers(0, 0x1FFFF))
STEP = st.one_of(
    st.tuples(st.just("frame"), st.binary(max_size=200), st.booleans()),
    st.tuples(st.just("udp"), st.integers(0, 3000), st.booleans()),
    st.tuples(st.just("write"), OFFSETS, st.integers(0, 0xFFFFFFFF), st.sampled_from((1, 2, 4, 8))),
    st.tuples(st.just("read"), OFFSETS, st.just(0), st.sampled_from((1, 2, 4, 8))),
    st.tuples(st.just("config"), st.sampled_from((4, 0xA2, 0xD2, 0xCC)), st.integers(0, 0xFFFF)),
    st.tuples(st.just("time"), st.integers(0, 10_000_000)),
    st.tuples(st.just("link"), st.booleans()),
    st.tuples(st.just("scribble"), st.integers(0x1000, 0x9000), st.binary(min_size=1, max_size=64)),
    st.tuples(st.just("flags"), st.sampled_from((r.RCTL, r.TCTL, r.RFCTL, r.CTRL)), st.integers(0, 0x0FFFFFFF)),
)


@given(st.sampled_from(("MSI-X", "MSI", "INTx")), st.lists(STEP, max_size=60))
def test_nothing_raises_and_every_frame_is_accounted_for(mode: str, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """Random frames, register writes, memory: no exception; taken = written + waiting + reported lost."""
    box = Box(mode=mode)
    tag = 0
    for step in steps:
        kind = step[0]
        if kind in ("frame", "udp"):
            f = step[1] if kind == "frame" else udp(bytes(step[1]))
            box.nic.receive(MAC + f if step[2] else f, tag, bool(len(f) % 7))
            tag += 1
        elif kind == "write":
            box.nic.mmio_write(0, step[1], step[3], step[2])
        elif kind == "read":
            assert 0 <= box.nic.mmio_read(0, step[1], step[3]) < 1 << 8 * step[3]
        elif kind == "config":
            box.nic.config_write(step[1], 2, step[2])
        elif kind == "time":
            box.bus.advance(step[1])
        elif kind == "link":
            box.nic.link_change(step[1])
        elif kind == "flags":
            box.w(step[1], step[2])
        else:
            box.bus.mem[step[1] : step[1] + len(step[2])] = step[2]
        assert box.bus.pending() < 16
    written = {t for _a, _n, t in box.bus.writes if t is not None}
    lost = [t for t, _r, _c in box.bus.dropped if t is not None]
    assert len(lost) == len(set(lost)) and not written & set(lost)
    assert len(written) + len(lost) + box.nic.in_flight() == tag


def test_many_random_frames(soak: bool) -> None:
    """A million frames (a sample without `make soak`): mutations and noise, settings changing."""
    rnd = random.Random(82574)
    box = Box(n=256)
    kinds = [udp(bytes(n), vlan=v) for n in (0, 40, 900, 1472, 3000) for v in (None, 5)]
    kinds += [MAC + PEER + b"\x86\xdd" + bytes((0x60,)) + bytes(100), MAC + PEER + b"\x88\x08" + bytes(46)]
    total = 1_000_000 if soak else 20_000
    for i in range(total):
        f = bytearray(rnd.choice(kinds))
        for _ in range(rnd.randrange(4)):
            f[rnd.randrange(len(f))] = rnd.randrange(256)
        box.nic.receive(bytes(f[: rnd.choice((len(f), len(f), len(f), rnd.randrange(len(f) + 1)))]), i, i % 11 != 0)
        if i % 8 == 0:
            box.w(r.RDT(0), rnd.randrange(256))
            box.w(r.IMS, r.ICR_RXQ0)
            box.bus.advance(10_000)
        if i % 500 == 0:
            box.bus.sent.clear()
            box.w(r.RCTL, (rnd.getrandbits(31) | r.RCTL_EN) & ~r.RCTL_LBM_MASK)
            box.w(r.CTRL, (rnd.getrandbits(32) | r.CTRL_SLU) & ~(r.CTRL_RST | r.CTRL_PHY_RST))
            box.w(r.MRQC, rnd.getrandbits(32))
            box.w(r.RXCSUM, rnd.getrandbits(14))
            box.w(r.PSRCTL, rnd.getrandbits(32))
            box.w(r.PBA, rnd.randrange(41))
            box.fill(256, 16)
    assert box.stat("TPR") == total
    written = sum(1 for _a, _n, t in box.bus.writes if t is not None)
    assert written + len(box.bus.dropped) + box.nic.in_flight() == total


class Unhurried(I82574):
    """Every frame goes the general way."""

    __slots__ = ()

    def _quick(self, frame: bytes, tag: object) -> bool:
        return False


SETUPS = st.fixed_dictionaries(
    {},
    optional={
        "MRQC": st.sampled_from([0x00370001, 0x00330001, 0x00020002]),
        "RDTR": st.sampled_from([0, 32]),
        "RADV": st.sampled_from([0, 20]),
        "RXCSUM": st.sampled_from([0, r.RXCSUM_IPOFL, r.RXCSUM_IPOFL | r.RXCSUM_TUOFL | r.RXCSUM_PCSD]),
        "RSRPD": st.sampled_from([0, 64, 200]),
        "VET": st.sampled_from([0x8100, 0x0800]),
        "RFCTL": st.sampled_from([0, r.RFCTL_EXTEN]),
    },
)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1600),  # payload
            st.sampled_from([MAC, PEER, b"\xff" * 6, b"\1\0\x5e\0\0\1"]),
            st.sampled_from([None, None, None, 5]),
            st.integers(-1, 90),  # a byte that is spoiled, -1 none
            st.sampled_from([17, 17, 17, 6]),
            st.sampled_from([0, 100_000]),  # time that passes
        ),
        max_size=30,
    ),
    SETUPS,
    st.sampled_from(["MSI-X", "MSI", "INTx"]),
    st.sampled_from([r.RCTL_SECRC, 0, r.RCTL_SECRC | r.RCTL_VFE, r.RCTL_SECRC | r.RCTL_LPE]),
)
def test_the_quick_way_does_what_the_general_way_does(
    frames: list[tuple[int, bytes, int | None, int, int, int]], setup: dict[str, int], mode: str, rctl: int
) -> None:
    boxes = [Box(16, mode, rctl=rctl), Box(16, mode, rctl=rctl)]
    boxes[1].nic.__class__ = Unhurried
    for box in boxes:
        box.w(r.RCTL, r.RCTL_EN | r.RCTL_BAM | rctl)
        for name, value in setup.items():
            box.w(getattr(r, name), value)
        for i in range(10):
            box.w(r.RSSRK + 4 * i, 0x6D5A56DA + i)
        box.w(r.IMS, r.ICR_RXQ0 | r.ICR_RXT0 | r.ICR_RXDMT0)
        for i, (size, dst, vlan, spoil, proto, pause) in enumerate(frames):
            frame = bytearray(udp(bytes(size), dst, vlan, proto=proto))
            if spoil >= 0 and spoil + 14 < len(frame):
                frame[spoil + 14] ^= 0x41
            box.nic.receive(bytes(frame), i)
            if pause:
                box.bus.advance(pause)
            if i % 7 == 6:
                box.w(r.RDT(0), (box.rd(r.RDH(0)) - 1) % 16)
                box.rd(r.ICR)
    a, b = boxes
    assert a.bus.mem == b.bus.mem and a.bus.writes == b.bus.writes and a.bus.dropped == b.bus.dropped
    assert a.bus.sent == b.bus.sent and a.bus.lines == b.bus.lines and a.bus.pending() == b.bus.pending()
    assert a.nic.in_flight() == b.nic.in_flight()
    for off in (r.RDH(0), r.RDT(0), r.RDH(1), r.IMS, r.ICR):
        assert a.rd(off) == b.rd(off)
    assert [(name, a.rd(at)) for name, at in r.STATS] == [(name, b.rd(at)) for name, at in r.STATS]


def test_the_quick_way_is_taken() -> None:
    box = Box()
    assert box.nic._quick(udp(b"x" * 100), 1) and not box.nic._quick(udp(b"x" * 100, spoil=1), 2)
