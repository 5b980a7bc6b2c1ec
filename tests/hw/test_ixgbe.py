"""The X540 and the 82599 against their own rules: filters, packet buffer, RSS, coalescing, interrupts, transmit, PHY."""

from __future__ import annotations

import itertools
import random
import struct
from typing import Any

import pytest
from hostbus import HostBus
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.hw.nic.ixgbe import I82599, X540, Coalesced, Ixgbe, RxQueue
from rxpath.hw.nic.offload import fold, ones_sum
from rxpath.hw.regs import ixgbe as r

MAC = b"\x52\x54\x00\x12\x34\x56"
PEER = b"\x02\0\0\0\0\1"
RING, BUFS, TXRING, TXBUF = 0x2000, 0x20000, 0x8000, 0xC000
WB = struct.Struct("<IIIHH")
CHIPS = pytest.mark.parametrize("chip", [X540, I82599])
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


def ip4(proto: int, payload: bytes, src: bytes = b"\x0a\0\0\1", dst: bytes = b"\x0a\0\0\2") -> bytes:
    h = b"\x45\0" + (20 + len(payload)).to_bytes(2, "big") + b"\0\x07\x40\0\x40" + bytes([proto]) + b"\0\0" + src + dst
    return h[:10] + fold(ones_sum(h)).to_bytes(2, "big") + h[12:] + payload


def udp(payload: bytes = b"", dst: bytes = MAC, vlan: int | None = None, sport: int = 1000) -> bytes:
    d = struct.pack(">HHHH", sport, 2000, 8 + len(payload), 0) + payload
    c = fold(ones_sum(b"\x0a\0\0\1\x0a\0\0\2\0\x11" + struct.pack(">H", len(d)) + d)) or 0xFFFF
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return (dst + PEER + tag + b"\x08\0" + ip4(17, d[:6] + struct.pack(">H", c) + payload)).ljust(60, b"\0")


def tcp(seq: int, data: bytes, flags: int = 0x10, sport: int = 7) -> bytes:
    seg = struct.pack(">HHIIBBHHH", sport, 80, seq, 1, 0x50, flags, 99, 0, 0) + data
    c = fold(ones_sum(b"\x0a\0\0\1\x0a\0\0\2\0\x06" + struct.pack(">H", len(seg)) + seg))
    return (MAC + PEER + b"\x08\0" + ip4(6, seg[:16] + struct.pack(">H", c) + seg[18:])).ljust(60, b"\0")


class Box:
    """A device on its bus with one receive ring of `n` descriptors, all but one given to it."""

    def __init__(self, chip: type[Ixgbe] = X540, n: int = 64, mode: str = "MSI-X", bsize: int = 2) -> None:
        self.bus = HostBus()
        self.nic: Ixgbe = chip(MAC)
        self.nic.attach(self.bus)
        self.nic.reset()
        self.nic.config_write(4, 2, 6)
        self.out: list[bytes] = []
        self.nic.tx_sink = self.out.append
        self.nic.link_change(True)
        self.n = n
        if mode == "MSI-X":
            self.nic.config_write(0x72, 2, 0x8000)
            for v in range(64):
                for i, x in enumerate((0xFEE00000, 0, 0x40 + v, 0)):
                    self.nic.mmio_write(4, 16 * v + 4 * i, 4, x)
            self.w(r.GPIE, r.GPIE_MSIX_MODE | r.GPIE_PBA_SUPPORT | r.GPIE_OCD | r.GPIE_EIAME)
            self.w(r.EIAC, 0xFFFF)
            self.w(r.EIAM_EX(0), 0xFFFFFFFF)
            self.w(r.EIAM_EX(1), 0xFFFFFFFF)
            self.w(r.IVAR(0), 0x80)
            self.w(r.IVAR_MISC, 0x8100)
        else:
            if mode == "MSI":
                self.nic.config_write(0x54, 4, 0xFEE00000)
                self.nic.config_write(0x5C, 2, 0x41)
                self.nic.config_write(0x52, 2, 1)
            self.w(r.EIAM, 0xFFFF)
            self.w(r.IVAR(0), 0x8080)
        self.w(r.MHADD, 1518 << 16)
        self.w(r.HLREG0, self.rd(r.HLREG0) | r.HLREG0_JUMBOEN)
        self.w(r.FCTRL, r.FCTRL_BAM)
        self.w(r.RXCSUM, r.RXCSUM_PCSD)
        self.w(r.RFCTL, r.RFCTL_RSC_DIS)
        self.ring(0, RING, BUFS, bsize)
        self.w(r.RXCTRL, r.RXCTRL_RXEN)
        self.w(r.EIMS, r.EICR_LSC | r.EICR_RX_MISS)
        self.w(r.EIMS_EX(0), 0xFFFFFFFF)
        self.w(r.EIMS_EX(1), 0xFFFFFFFF)
        self.bus.sent.clear()

    def ring(self, q: int, ring: int, bufs: int, bsize: int = 2) -> None:
        for i in range(self.n):
            struct.pack_into("<QQ", self.bus.mem, ring + 16 * i, bufs + 4096 * i, 0)
        self.w(r.RDBAL(q), ring)
        self.w(r.RDLEN(q), 16 * self.n)
        self.w(r.SRRCTL(q), bsize | r.SRRCTL_DESCTYPE_ADV_ONEBUF)
        self.w(r.RXDCTL(q), r.RXDCTL_ENABLE)
        self.w(r.RDT(q), self.n - 1)

    def give(self, count: int) -> None:
        """`count` more descriptors of queue 0, written anew as a driver does."""
        tail = self.rd(r.RDT(0))
        for _ in range(count):
            struct.pack_into("<QQ", self.bus.mem, RING + 16 * tail, BUFS + 4096 * tail, 0)
            tail = (tail + 1) % self.n
        self.w(r.RDT(0), tail)

    def w(self, off: int, v: int) -> None:
        self.nic.mmio_write(0, off, 4, v)

    def rd(self, off: int) -> int:
        return self.nic.mmio_read(0, off, 4)

    def wb(self, i: int, ring: int = RING) -> tuple[int, int, int, int, int]:
        return WB.unpack_from(self.bus.mem, ring + 16 * i)

    def data(self, i: int, n: int) -> bytes:
        return bytes(self.bus.mem[BUFS + 4096 * i : BUFS + 4096 * i + n])


@CHIPS
def test_a_frame_is_stored_with_its_descriptor(chip: type[Ixgbe]) -> None:
    b = Box(chip)
    f = udp(b"hello" * 20)
    assert b.nic.receive(f, 9)
    info, _hash, st, n, vlan = b.wb(0)
    assert n == len(f) and b.data(0, n) == f and vlan == 0
    assert st & 0xF == r.RXD_STAT_DD | r.RXD_STAT_EOP and st & r.RXD_STAT_L4CS and not st >> 24
    assert info & 0xFFF0 == r.RXDADV_PKTTYPE_IPV4 | r.RXDADV_PKTTYPE_UDP
    assert b.bus.writes == [(BUFS, len(f), 9)] and b.bus.sent == [(b.bus.now, 0xFEE00000, 0x40)]
    assert b.rd(r.QPRC(0)) == 1 and b.rd(r.QPRC(0)) == 0 and b.rd(r.STAT_AT["GPRC"]) == 1
    assert b.rd(r.STAT_AT["GORC"]) == len(f) + 4


def test_what_the_mac_refuses_and_counts() -> None:
    b = Box()
    b.nic.receive(udp(dst=PEER), 1)
    b.nic.receive(udp(dst=b"\1\0\x5e\0\0\1"), 2)
    b.nic.receive(udp(), 3, False)
    b.nic.receive(udp()[:50], 4)
    b.nic.receive(udp(bytes(1473)), 5)
    b.w(r.VLNCTRL, 0x8100 | r.VLNCTRL_VFE)
    b.nic.receive(udp(vlan=5), 6)
    assert [(t, why, c) for t, why, c in b.bus.dropped] == [
        (1, "mac filter", "none"),
        (2, "mac filter", "none"),
        (3, "crc error", "rx_crc_errors"),
        (4, "runt", "rx_short_length_errors"),
        (5, "frame too long", "rx_long_length_errors"),
        (6, "vlan filter", "none"),
    ]
    assert [b.rd(r.STAT_AT[x]) for x in ("CRCERRS", "RUC", "ROC", "TPR", "GPRC")] == [1, 1, 1, 6, 0]
    b.w(r.VFTA(0), 1 << 5)
    assert b.nic.receive(udp(bytes(1472), vlan=5))  # a tag may make a frame four bytes longer
    b.nic.link_change(False)
    b.nic.receive(udp(), 7)
    assert b.bus.dropped[-1] == (7, "link down", "none")


def test_the_queue_length_limit_is_the_x540s_alone() -> None:
    for chip, takes in ((X540, False), (I82599, True)):
        b = Box(chip)
        b.w(r.RXDCTL(0), r.RXDCTL_ENABLE | r.RXDCTL_RLPML_EN | 100)
        assert b.nic.receive(udp(bytes(100)), 1) == takes


def test_packet_buffer_waits_then_misses_then_drains_in_order() -> None:
    b = Box(n=8)
    size = len(udp(bytes(1000)))
    room = (384 << 10) // ((size + 4 + 31) & ~15)
    for i in range(7 + room + 3):
        assert b.nic.receive(udp(i.to_bytes(2, "big") + bytes(998)), i) == (i < 7 + room)
    assert b.nic.in_flight() == room
    assert b.rd(r.MPC(0)) == 3 and b.rd(r.STAT_AT["GPRC"]) == 7 + room + 3  # what is missed is counted there, too
    assert [d[2] for d in b.bus.dropped] == ["rx_missed_errors"] * 3
    while b.nic.in_flight():
        b.give(4)
    assert [t for _a, _n, t in b.bus.writes] == list(range(7 + room))


def test_drop_enable_loses_only_its_own_queues_frames() -> None:
    b = Box(n=8)
    b.w(r.SRRCTL(0), 2 | r.SRRCTL_DESCTYPE_ADV_ONEBUF | r.SRRCTL_DROP_EN)
    for i in range(10):
        b.nic.receive(udp(), i)
    assert b.rd(r.QPRDC(0)) == 3 and b.nic.in_flight() == 0
    assert b.bus.dropped == [(i, "no rx descriptor", "rx_no_dma_resources") for i in (7, 8, 9)]


@pytest.mark.parametrize(
    ("src", "dst", "sport", "dport", "ip_hash", "tcp_hash"),
    [
        ((66, 9, 149, 187), (161, 142, 100, 80), 2794, 1766, 0x323E8FC2, 0x51CCC178),
        ((199, 92, 111, 2), (65, 69, 140, 83), 14230, 4739, 0xD718262A, 0xC626B0EA),
        ((24, 19, 198, 95), (12, 22, 207, 184), 12898, 38024, 0xD2D0A5DE, 0x5C2B394A),
        ((38, 27, 205, 30), (209, 142, 163, 6), 48228, 2217, 0x82989176, 0xAFC7327F),
        ((153, 39, 163, 191), (202, 188, 127, 2), 44251, 1303, 0x5D1809C5, 0x10E828A2),
    ],
)
@CHIPS
def test_published_hashes_and_the_table(
    chip: type[Ixgbe], src: tuple[int, ...], dst: tuple[int, ...], sport: int, dport: int, ip_hash: int, tcp_hash: int
) -> None:
    b = Box(chip)
    for i in range(10):
        b.w(r.RSSRK(i), int.from_bytes(KEY[4 * i : 4 * i + 4], "little"))
    b.w(r.RETA((tcp_hash & 127) >> 2), 3 << 8 * (tcp_hash & 3))
    b.ring(3, RING + 0x1000, BUFS + 0x40000)
    b.w(r.IVAR(1), 0x87 << 16)
    b.w(r.MRQC, r.MRQC_RSSEN | r.MRQC_RSS_FIELD_IPV4_TCP | r.MRQC_RSS_FIELD_IPV4)
    seg = struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, 0x10, 9, 0, 0)
    f = (MAC + PEER + b"\x08\0" + ip4(6, seg, bytes(src), bytes(dst))).ljust(60, b"\0")
    b.nic.receive(f)
    info, h, _st, n, _v = b.wb(0, RING + 0x1000)
    assert n == 60 and h == tcp_hash and info & 15 == r.RXDADV_RSSTYPE_IPV4_TCP
    assert b.bus.sent[-1][2] == 0x47
    b.w(r.MRQC, r.MRQC_RSSEN | r.MRQC_RSS_FIELD_IPV4)
    b.w(r.RETA((ip_hash & 127) >> 2), 0)
    b.nic.receive(f)
    info, h, _st, n, _v = b.wb(0)
    assert n == 60 and h == ip_hash and info & 15 == r.RXDADV_RSSTYPE_IPV4


# --- receive side coalescing ------------------------------------------------------------------------------------


def rsc_box(n: int = 64, bsize: int = 2) -> Box:
    b = Box(n=n, bsize=bsize)
    b.w(r.RFCTL, 0)
    b.w(r.EITR(0), 0x80000000 | 200)
    b.w(r.RSCCTL(0), r.RSCCTL_RSCEN | r.RSCCTL_MAXDESC_16)
    return b


def test_coalesced_frames_are_chained_counted_and_told_apart() -> None:
    b = rsc_box()
    body = bytes(i & 0xFF for i in range(5 * 1448))
    for i in range(5):
        assert b.nic.receive(tcp(1 + 1448 * i, body[1448 * i : 1448 * i + 1448]), 10 + i)
    assert b.bus.writes == [] and b.nic.in_flight() == 5
    b.bus.advance(200_000)
    assert b.nic.in_flight() == 0
    n = -(-(54 + len(body)) // 2048)
    whole = b"".join(b.data(i, b.wb(i)[3]) for i in range(n))
    assert whole[54:] == body and ones_sum(whole[14:34]) % 0xFFFF == 0
    assert struct.unpack_from(">H", whole, 16)[0] == 40 + len(body)
    assert [t for _a, _n, t in b.bus.writes] == [(10, 11, 12, 13, 14)] + [None] * (n - 1)
    joined = 0
    for i in range(n):
        info, _h, st_, size, _v = b.wb(i)
        cnt = (info & r.RXDADV_RSCCNT_MASK) >> r.RXDADV_RSCCNT_SHIFT
        joined += cnt - 1
        assert cnt >= 1 and size and st_ & r.RXD_STAT_DD
        if i < n - 1:
            assert not st_ & r.RXD_STAT_EOP and (st_ & r.RXDADV_NEXTP_MASK) >> r.RXDADV_NEXTP_SHIFT == i + 1
        else:
            assert st_ & r.RXD_STAT_EOP
    assert joined == 4 and len(b.bus.sent) == 1


def test_counts_of_frames_a_buffer() -> None:
    c = Coalesced(RxQueue(X540(MAC), 0), bytes(100), 14, 54, 1, None)
    for end in (200, 250, 300, 305):
        c.data += bytes(end - len(c.data))
        c.ends.append(end)
    assert c.counts(1000) == [5] and c.counts(200) == [2, 3] and c.counts(150) == [2, 3, 1]


def test_held_frames_wait_for_descriptors_and_stay_in_order() -> None:
    b = rsc_box(n=8)
    for i in range(7):
        b.nic.receive(udp(), i)
    b.bus.writes.clear()
    b.nic.receive(tcp(1, b"a" * 100), 20)
    b.nic.receive(tcp(101, b"b" * 100), 21)
    b.nic.receive(tcp(301, b"d" * 100), 22)  # a hole: what is held must go first, and cannot
    assert b.nic.in_flight() == 3 and b.bus.writes == []
    b.nic.receive(udp(), 23)
    b.give(5)
    b.bus.advance(1_000_000)
    assert [t for _a, _n, t in b.bus.writes] == [(20, 21), 23, 22] or [t for _a, _n, t in b.bus.writes] == [
        (20, 21),
        22,
        23,
    ]
    assert b.nic.in_flight() == 0


def test_a_queue_that_is_switched_off_reports_what_it_held() -> None:
    b = rsc_box()
    b.nic.receive(tcp(1, b"a" * 100), 1)
    b.nic.receive(tcp(101, b"a" * 100), 2)
    b.w(r.RXDCTL(0), 0)
    assert b.bus.dropped == [((1, 2), "rx queue disabled", "none")] and b.nic.in_flight() == 0
    b = rsc_box()
    b.nic.receive(tcp(1, b"a" * 100), 1)
    b.w(r.CTRL, r.CTRL_RST)
    assert b.bus.dropped == [(1, "device reset", "none")] and b.bus.pending() == 0


# --- interrupts -------------------------------------------------------------------------------------------------


def test_auto_mask_and_unmask() -> None:
    b = Box()
    b.nic.receive(udp())
    b.nic.receive(udp())
    assert len(b.bus.sent) == 1 and not b.rd(r.EIMS_EX(0)) & 1
    b.w(r.EIMS_EX(0), 1)
    assert len(b.bus.sent) == 2
    b.w(r.EIMS_EX(0), 1)
    assert len(b.bus.sent) == 2  # nothing new


def test_moderation_spaces_messages_and_loses_none() -> None:
    b = Box()
    b.w(r.EITR(0), 0x80000000 | 100 << 2)
    for _ in range(100):
        b.nic.receive(udp()) if b.nic.rx[0].head != b.nic.rx[0].tail else None
        b.w(r.EIMS_EX(0), 1)
        b.w(r.RDT(0), (b.nic.rx[0].head + 60) % 64)
        b.bus.advance(10_000)
    times = [t for t, _a, _d in b.bus.sent]
    assert 9 <= len(times) <= 11 and all(y - x >= 50 * 2048 for x, y in itertools.pairwise(times))


def test_other_causes_have_their_own_vector_and_clear_by_write() -> None:
    b = Box()
    b.nic.link_change(False)
    assert [d for _t, _a, d in b.bus.sent] == [0x41]
    assert b.rd(r.EICS) == r.EICR_LSC | r.EICR_OTHER and b.rd(r.EICS) & r.EICR_LSC
    b.w(r.EICR, r.EICR_LSC)
    assert not b.rd(r.EICS)
    b.w(r.EICS, 0x00100000)
    assert len(b.bus.sent) == 2
    assert b.rd(r.EICR) & r.EICR_LSC and not b.rd(r.EICR)


@pytest.mark.parametrize("mode", ["MSI", "INTx"])
def test_msi_and_line(mode: str) -> None:
    b = Box(mode=mode)
    b.nic.receive(udp())
    b.nic.receive(udp())
    if mode == "MSI":
        assert [d for _t, _a, d in b.bus.sent] == [0x41]
    else:
        assert b.bus.lines == [(b.bus.now, 1, True)]
    assert b.rd(r.EICR) & 1
    assert not b.rd(r.EIMS) & 1  # reading masks the queues
    if mode == "INTx":
        assert b.bus.lines[-1][2] is False
    b.nic.receive(udp())
    b.w(r.EIMS_EX(0), 1)
    assert len(b.bus.sent) == 2 if mode == "MSI" else b.bus.lines[-1][2]


# --- transmit ---------------------------------------------------------------------------------------------------


def test_transmit_inserts_tags_and_reports() -> None:
    b = Box()
    b.w(r.TDBAL(0), TXRING)
    b.w(r.TDLEN(0), 16 * 8)
    b.w(r.DMATXCTL, b.rd(r.DMATXCTL) | r.DMATXCTL_TE)
    b.w(r.TXDCTL(0), r.TXDCTL_ENABLE)
    b.w(r.IVAR(0), 0x8280)
    f = udp(b"x" * 100)
    b.bus.mem[TXBUF : TXBUF + len(f)] = f
    ctx = struct.pack("<IIII", 5 << 16 | 14 << 9, 0, r.TXD_CMD_DEXT | r.ADVTXD_DTYP_CTXT, 0)
    cmd = r.TXD_CMD_DEXT | r.ADVTXD_DTYP_DATA | r.TXD_CMD_IFCS | r.TXD_CMD_EOP | r.TXD_CMD_RS | r.TXD_CMD_VLE
    b.bus.mem[TXRING : TXRING + 32] = ctx + struct.pack("<QII", TXBUF, cmd | len(f), 0)
    b.w(r.TDT(0), 2)
    assert b.out == [f[:12] + b"\x81\0\0\5" + f[12:]]
    assert b.bus.mem[TXRING + 16 + 12] & 1 and b.bus.sent[-1][2] == 0x42 and b.rd(r.TDH(0)) == 2


def test_pause_frames_hold_transmission() -> None:
    b = Box()
    b.w(r.MFLCN, r.MFLCN_RFCE | r.MFLCN_DPF)
    b.w(r.TDBAL(0), TXRING)
    b.w(r.TDLEN(0), 16 * 8)
    b.w(r.DMATXCTL, b.rd(r.DMATXCTL) | r.DMATXCTL_TE)
    b.w(r.TXDCTL(0), r.TXDCTL_ENABLE)
    f = udp()
    b.bus.mem[TXBUF : TXBUF + 60] = f
    cmd = r.TXD_CMD_DEXT | r.ADVTXD_DTYP_DATA | r.TXD_CMD_IFCS | r.TXD_CMD_EOP | r.TXD_CMD_RS
    b.bus.mem[TXRING : TXRING + 16] = struct.pack("<QII", TXBUF, cmd | 60, 0)
    pause = b"\x01\x80\xc2\0\0\1" + PEER + b"\x88\x08\0\1" + (100).to_bytes(2, "big") + bytes(42)
    b.nic.receive(pause, 1)
    assert b.bus.dropped == [(1, "pause frame", "rx_flow_control_xoff")]
    b.w(r.TDT(0), 1)
    assert b.out == []
    b.bus.advance(100 * 512 // 10)
    assert b.out == [f]


def test_pause_frames_are_sent_at_the_water_marks() -> None:
    b = Box(n=8)
    sent: list[int] = []
    b.nic.pause_sink = sent.append
    b.w(r.FCCFG, r.FCCFG_TFCE_802_3X)
    b.w(r.FCTTV(0), 0x12341234)
    b.w(r.FCRTH(0), r.FCRTH_FCEN | 4096)
    b.w(r.FCRTL(0), r.FCRTL_XONE | 2048)
    for i in range(7 + 6):
        b.nic.receive(udp(bytes(1000)), i)
    assert sent == [0x1234] and b.rd(r.STAT_AT["LXOFFTXC"]) == 1
    b.bus.advance(0x1234 * 512)  # the buffer does not empty: it asks again before the pause is over
    assert sent == [0x1234] * 3
    b.w(r.RDT(0), 6)
    assert sent == [0x1234] * 3 + [0] and b.rd(r.STAT_AT["LXONTXC"]) == 1


# --- management -------------------------------------------------------------------------------------------------


def test_semaphores_are_taken_by_reading() -> None:
    b = Box()
    assert not b.rd(r.SWSM) & 1 and b.rd(r.SWSM) & 1
    b.w(r.SWSM, 0)
    assert not b.rd(r.SWFW_SYNC) >> 31 and b.rd(r.SWFW_SYNC) >> 31
    b.w(r.SWFW_SYNC, 1)
    assert b.rd(r.SWFW_SYNC) & 0x7FFFFFFF == 1


def mdio(b: Box, mmd: int, reg: int, value: int | None = None, phy: int = 0) -> int:
    at = reg | mmd << 16 | phy << 21 | r.MSCA_MDI_COMMAND
    if value is not None:
        b.w(r.MSRWD, value)
    b.w(r.MSCA, at)
    b.w(r.MSCA, at | (r.MSCA_READ if value is None else r.MSCA_WRITE))
    assert not b.rd(r.MSCA) & r.MSCA_MDI_COMMAND
    return b.rd(r.MSRWD) >> 16


def test_phy_speeds_follow_what_is_advertised() -> None:
    b = Box()
    assert mdio(b, 1, 2) << 16 | mdio(b, 1, 3) == r.PHY_ID_X540
    assert mdio(b, 1, 2, phy=3) == 0xFFFF
    for reg, value, speed in ((32, 0, r.LINKS_SPEED_1G), (0xC400, 0, r.LINKS_SPEED_100)):
        mdio(b, 7, reg, value)
        mdio(b, 7, 0, 0x3200)
        assert b.rd(r.LINKS) & r.LINKS_SPEED_MASK == speed and b.rd(r.LINKS) & r.LINKS_UP
    mdio(b, 30, 0, r.MDIO_CTRL1_LPOWER)
    assert not b.rd(r.LINKS) & r.LINKS_UP


@CHIPS
def test_master_abort_is_survived(chip: type[Ixgbe]) -> None:
    b = Box(chip)
    struct.pack_into("<Q", b.bus.mem, RING, 0x10)
    b.nic.receive(udp(), 1)
    assert b.bus.dropped == [(1, "dma fault", "none")] and b.nic.config_read(6, 2) & 0x2000
    assert b.nic.receive(udp(), 2) and b.wb(1)[3] == 60
    b.w(r.RDBAL(0), 0xFFFFFF80)
    assert b.nic.receive(udp(), 3) and b.nic.in_flight() == 1


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.booleans())
def test_random_registers_and_frames_never_raise_and_account(seed: int, x540: bool) -> None:
    rnd = random.Random(seed)
    b = rsc_box() if x540 else Box(I82599)
    known = sorted(r.WRITE_MASKS) + sorted(r.NAMES)
    tags = 0
    taken: set[int] = set()
    for _ in range(120):
        what = rnd.randrange(10)
        if what < 3:
            off = rnd.choice(known) if rnd.random() < 0.8 else rnd.randrange(0, 0x20000, 4)
            if off not in (r.RDBAL(0), r.RDBAH(0)):
                b.w(off, rnd.choice((0, 0xFFFFFFFF, rnd.getrandbits(32), 1 << rnd.randrange(32))))
        elif what < 5:
            b.rd(rnd.choice(known))
        elif what < 6:
            b.bus.advance(rnd.randrange(300_000))
        elif what < 7:
            b.nic.link_change(rnd.random() < 0.8)
        else:
            tags += 1
            kind: Any = rnd.choice(
                (
                    udp(rnd.randbytes(rnd.randrange(1400))),
                    tcp(tags, b"z" * rnd.randrange(200)),
                    rnd.randbytes(rnd.randrange(14, 200)),
                    tcp(1, b"q" * 100),
                )
            )
            b.nic.receive(kind, tags, rnd.random() < 0.9)
    b.bus.advance(10_000_000)
    lost: list[int] = []
    for tag, _why, _c in b.bus.dropped:
        lost.extend(tag if isinstance(tag, tuple) else [tag] if tag is not None else [])
    for _a, _n, tag in b.bus.writes:
        taken.update(tag if isinstance(tag, tuple) else {tag} if tag is not None else set())
    assert len(lost) == len(set(lost)) and not taken & set(lost)
    assert len(taken) + len(lost) + b.nic.in_flight() == tags
    b.nic.reset()
    assert b.nic.in_flight() == 0
