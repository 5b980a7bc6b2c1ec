"""The 82576 and the I350 against their own rules: filters, RSS, rings, packet buffer, vectors, NVM, PHY, transmit."""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from typing import Any

import pytest
from hostbus import HostBus
from hypothesis import given
from hypothesis import strategies as st

from rxpath.hw.nic.igb import I350, I82576, Igb
from rxpath.hw.nic.offload import Toeplitz, fold, ones_sum
from rxpath.hw.regs import igb as r

MAC = b"\x52\x54\x00\x12\x34\x56"
PEER = b"\x02\0\0\0\0\1"
RING, BUFS, TXRING, TXBUF = 0x2000, 0x20000, 0x8000, 0xC000
ADV = struct.Struct("<HHIIHH")
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
CHIPS = pytest.mark.parametrize("chip", [I82576, I350])
Q = r.RXDCTL_QUEUE_ENABLE
RSS = r.MRQC_ENABLE_RSS_MQ


def udp(
    payload: bytes = b"",
    dst: bytes = MAC,
    vlan: int | None = None,
    spoil: int = 0,
    proto: int = 17,
    ips: tuple[bytes, bytes] = (b"\x0a\0\0\1", b"\x0a\0\0\2"),
    ports: tuple[int, int] = (1000, 2000),
    options: bytes = b"",
) -> bytes:
    n = 8 + len(payload)
    head = struct.pack(">HHHH", *ports, n, 0)
    c = fold(ones_sum(ips[0] + ips[1] + struct.pack(">HH", 17, n) + head + payload)) or 0xFFFF
    ihl = 20 + len(options)
    ip = struct.pack(">BBHHHBBH", 0x40 | ihl >> 2, 0, ihl + n, 7, 0, 64, proto, 0) + ips[0] + ips[1] + options
    ip = ip[:10] + struct.pack(">H", fold(ones_sum(ip))) + ip[12:]
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return (dst + PEER + tag + b"\x08\0" + ip + head[:6] + struct.pack(">H", c ^ spoil) + payload).ljust(60, b"\0")


def tcp(ips: tuple[bytes, bytes], ports: tuple[int, int], payload: bytes = b"") -> bytes:
    seg = struct.pack(">HHIIBBHHH", *ports, 1, 0, 0x50, 0x10, 100, 0, 0) + payload
    if len(ips[0]) == 16:
        head = struct.pack(">IHBB", 6 << 28, len(seg), 6, 64) + ips[0] + ips[1]
        return MAC + PEER + b"\x86\xdd" + head + seg  # longer than 60 bytes
    h = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(seg), 7, 0, 64, 6, 0) + ips[0] + ips[1]
    h = h[:10] + struct.pack(">H", fold(ones_sum(h))) + h[12:]
    return (MAC + PEER + b"\x08\0" + h + seg).ljust(60, b"\0")


def ring_at(q: int) -> int:
    return RING + 0x400 * q


class Box:
    """A device on its bus; queue 0 has `n` advanced descriptors, all but one given to it."""

    def __init__(
        self, chip: type[Igb] = I82576, n: int = 16, mode: str = "MSI-X", queues: int = 1, given: int | None = None
    ) -> None:
        self.bus = HostBus()
        self.nic = chip(MAC)
        self.nic.attach(self.bus)
        self.nic.reset()
        self.nic.config_write(4, 2, 6)
        self.out: list[bytes] = []
        self.nic.tx_sink = self.out.append
        self.nic.link_change(True)
        self.n = n
        if mode == "MSI-X":
            self.nic.config_write(0x72, 2, 0x8000)
            for v in range(10):
                for i, x in enumerate((0xFEE00000, 0, 0x40 + v, 0)):
                    self.nic.mmio_write(3, 16 * v + 4 * i, 4, x)
            self.w(r.GPIE, r.GPIE_MSIX_MODE | r.GPIE_PBA | r.GPIE_EIAME | r.GPIE_NSICR)
            self.w(r.IVAR_MISC, 0x8000)  # the other causes: vector 0
            for q in range(queues):
                self.ivar(q, 1 + q)
            self.w(r.EIAC, 0x3FF)
            self.w(r.EIAM, 0x3FF)
        elif mode == "MSI":
            self.nic.config_write(0x54, 4, 0xFEE00000)
            self.nic.config_write(0x5C, 2, 0x50)
            self.nic.config_write(0x52, 2, 1)
            self.w(r.IAM, r.IMS_ENABLE_MASK)
        else:
            self.w(r.IAM, r.IMS_ENABLE_MASK)
        self.w(r.RXCSUM, r.RXCSUM_IPOFL | r.RXCSUM_TUOFL | r.RXCSUM_PCSD)
        self.w(r.RCTL, r.RCTL_EN | r.RCTL_BAM | r.RCTL_SECRC)
        for q in range(queues):
            self.queue(q, n, n - 1 if given is None else given)
        self.rd(r.ICR)
        self.bus.sent.clear()

    def ivar(self, q: int, vec: int, tx: bool = False) -> None:
        """Each chip packs its vector allocation in its own order."""
        if self.nic.i350:
            off, shift = r.IVAR0 + 4 * (q >> 1), (q & 1) << 4
        else:
            off, shift = r.IVAR0 + 4 * (q & 7), (q & 8) << 1
        shift += 8 if tx else 0
        self.w(off, self.rd(off) & ~(0xFF << shift) | (0x80 | vec) << shift)

    def queue(self, q: int, n: int, tail: int, srrctl: int = 2 | r.SRRCTL_DESCTYPE_ADV_ONEBUF) -> None:
        self.fill(q, n)
        self.w(r.RXDCTL(q), 0)
        self.w(r.RDBAL(q), ring_at(q))
        self.w(r.RDLEN(q), 16 * n)
        self.w(r.SRRCTL(q), srrctl)
        self.w(r.RDH(q), 0)
        self.w(r.RXDCTL(q), Q)
        self.w(r.RDT(q), tail)

    def fill(self, q: int, n: int) -> None:
        for i in range(n):
            struct.pack_into("<QQ", self.bus.mem, ring_at(q) + 16 * i, BUFS + 0x8000 * q + 2048 * i, 0)

    def give(self, q: int = 0) -> None:
        """All descriptors but one to the device, with addresses in them again."""
        self.fill(q, self.n)
        self.w(r.RDT(q), (self.rd(r.RDH(q)) - 1) % self.n)

    def w(self, off: int, value: int) -> None:
        self.nic.mmio_write(0, off, 4, value)

    def rd(self, off: int) -> int:
        return self.nic.mmio_read(0, off, 4)

    def desc(self, i: int, q: int = 0) -> tuple[int, int, int, int, int]:
        """(packet information, hash or checksum, status and errors, length, VLAN tag)"""
        info, _hdr, word, status, length, vlan = ADV.unpack_from(self.bus.mem, ring_at(q) + 16 * i)
        return info, word, status, length, vlan

    def data(self, i: int, q: int = 0) -> bytes:
        at = BUFS + 0x8000 * q + 2048 * i
        return bytes(self.bus.mem[at : at + self.desc(i, q)[3]])

    def stat(self, name: str) -> int:
        return self.rd(dict(r.STATS)[name])

    def rss(self, key: bytes = KEY) -> None:
        for i in range(10):
            self.w(r.RSSRK + 4 * i, int.from_bytes(key[4 * i : 4 * i + 4], "little"))

    def messages(self) -> list[int]:
        out = [d - 0x40 for _t, _a, d in self.bus.sent]
        self.bus.sent.clear()
        return out


# --------------------------------------------------------------------- identity, NVM, PHY
@CHIPS
def test_nvm_regions_and_address(chip: type[Igb]) -> None:
    box = Box(chip)

    def word(i: int) -> int:
        box.w(r.EERD, i << r.EERD_ADDR_SHIFT | r.EERD_START)
        v = box.rd(r.EERD)
        assert v & r.EERD_DONE
        return v >> r.EERD_DATA_SHIFT

    for at in r.NVM_REGIONS_I350 if chip is I350 else (0,):
        assert sum(word(at + i) for i in range(64)) & 0xFFFF == r.NVM_SUM
        assert struct.pack("<HHH", *(word(at + i) for i in range(3))) == MAC
    assert struct.pack("<IH", box.rd(r.RAL(0)), box.rd(r.RAH(0)) & 0xFFFF) == MAC
    assert box.rd(r.RAH(0)) & r.RAH_AV
    eecd = box.rd(r.EECD)
    assert eecd & r.EECD_PRES and eecd & r.EECD_AUTO_RD and not eecd & r.EECD_GNT
    box.w(r.EECD, r.EECD_REQ)
    assert box.rd(r.EECD) & r.EECD_GNT


@CHIPS
def test_phy_identity_link_and_faults(chip: type[Igb]) -> None:
    box = Box(chip)

    def mdic(reg: int, addr: int = 1, write: int | None = None) -> int:
        op = r.MDIC_OP_READ if write is None else r.MDIC_OP_WRITE | write
        box.w(r.MDIC, op | reg << r.MDIC_REG_SHIFT | addr << r.MDIC_PHY_SHIFT)
        v = box.rd(r.MDIC)
        assert v & r.MDIC_READY
        return v

    ident = (mdic(2) & 0xFFFF) << 16 | mdic(3) & 0xFFFF
    assert ident == (0x015403B0 if chip is I350 else 0x02A80391)
    # an 82576 names the PHY in the command, an I350 in MDICNFG
    assert bool(mdic(2, addr=2) & r.MDIC_ERROR) == (chip is I82576)
    if chip is I350:
        box.w(r.MDICNFG, 3 << r.MDIC_PHY_SHIFT)
        assert mdic(2) & r.MDIC_ERROR
        box.w(r.MDICNFG, 1 << r.MDIC_PHY_SHIFT)
    mdic(1)  # the link bit latches low
    assert mdic(1) & 4 and box.rd(r.STATUS) & (r.STATUS_LU | r.STATUS_FD | r.STATUS_SPEED_1000) == 0x83
    box.w(r.IMS, r.ICR_LSC)
    box.nic.link_change(False)
    assert not box.rd(r.STATUS) & r.STATUS_LU
    box.w(r.EIMS, 1)
    assert box.messages() == [0] and box.rd(r.ICR) & r.ICR_LSC
    assert not box.nic.receive(udp(), 5) and box.bus.dropped[-1] == (5, "link down", "none")
    if chip is I82576:  # paged by register 31: what is written on one page does not show on another
        mdic(31, write=0x100)
        mdic(0x19, write=0x1234)
        mdic(31, write=0x200)
        assert mdic(0x19) & 0xFFFF == 0
        mdic(31, write=0x100)
        assert mdic(0x19) & 0xFFFF == 0x1234


@CHIPS
def test_semaphores(chip: type[Igb]) -> None:
    box = Box(chip)
    assert box.rd(r.SWSM) & r.SWSM_SMBI == 0 and box.rd(r.SWSM) & r.SWSM_SMBI
    box.w(r.SWSM, r.SWSM_SWESMBI)
    assert box.rd(r.SWSM) & r.SWSM_SWESMBI
    box.w(r.SW_FW_SYNC, r.SWFW_PHY0_SM)
    assert box.rd(r.SW_FW_SYNC) == r.SWFW_PHY0_SM


def test_autonegotiation_takes_its_time() -> None:
    bus = HostBus()
    nic = I82576(MAC, autoneg_ns=2_000_000_000)
    nic.attach(bus)
    nic.reset()
    nic.config_write(4, 2, 6)
    nic.link_change(True)
    bus.advance(1_999_999_999)
    assert not nic.mmio_read(0, r.STATUS, 4) & r.STATUS_LU
    bus.advance(1)
    assert nic.mmio_read(0, r.STATUS, 4) & r.STATUS_LU and bus.pending() == 0


# --------------------------------------------------------------------- receive
@CHIPS
def test_receive_writes_data_then_descriptor_then_message(chip: type[Igb]) -> None:
    box = Box(chip)
    box.w(r.EIMS, 2)
    f = udp(b"x" * 100)
    assert box.nic.receive(f, 77)
    assert box.bus.writes == [(BUFS, len(f), 77)] and box.data(0) == f
    info, word, status, length, vlan = box.desc(0)
    assert info == r.RXDADV_PKTTYPE_IPV4 | r.RXDADV_PKTTYPE_UDP and word == 0
    assert status == (r.RXD_STAT_DD | r.RXD_STAT_EOP | r.RXD_STAT_IPCS | r.RXD_STAT_TCPCS | r.RXD_STAT_UDPCS)
    assert (length, vlan) == (len(f), 0) and box.rd(r.RDH(0)) == 1
    assert box.messages() == [1]
    assert box.nic.receive(udp(b"x", spoil=1)) and box.desc(1)[2] & r.RXDEXT_STATERR_TCPE
    bad = bytearray(udp(b"x"))
    bad[24] ^= 1
    assert box.nic.receive(bytes(bad)) and box.desc(2)[2] & r.RXDEXT_STATERR_IPE
    box.nic.receive(MAC + PEER + b"\x88\xb5" + bytes(46))
    assert box.desc(3)[2] == r.RXD_STAT_DD | r.RXD_STAT_EOP | r.RXD_STAT_IXSM and box.desc(3)[0] == 0
    box.nic.receive(udp(b"x", options=bytes(4)))
    assert box.desc(4)[0] & r.RXDADV_PKTTYPE_IPV4_EX


def test_receive_checksum_switches_and_packet_checksum() -> None:
    box = Box()
    box.w(r.RXCSUM, 0x0E)  # offloads off, packet checksum from byte 14, in the place of the hash
    f = udp(b"abc")
    box.nic.receive(f)
    _info, word, status, _n, _vlan = box.desc(0)
    assert status & (r.RXD_STAT_IPCS | r.RXD_STAT_TCPCS) == 0
    total = ones_sum(f[14:])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert word & 0xFFFF == 7 and (word >> 16).to_bytes(2, "little") == total.to_bytes(2, "big")


@CHIPS
def test_address_filters(chip: type[Igb]) -> None:
    box = Box(chip)
    group = b"\x01\0\x5e\1\2\3"
    f = bytes(54)

    def takes(dst: bytes) -> bool:
        box.give()
        return box.nic.receive(dst + f)

    assert takes(MAC) and takes(b"\xff" * 6) and not takes(PEER) and not takes(group)
    h = (group[4] >> 4 | group[5] << 4) & 0xFFF
    box.w(r.MTA + 4 * (h >> 5), 1 << (h & 31))
    assert takes(group) and not takes(group[:5] + b"\x99")
    last = 31 if chip is I350 else 23
    box.w(r.RAL(last), int.from_bytes(PEER[:4], "little"))
    box.w(r.RAH(last), r.RAH_AV | int.from_bytes(PEER[4:], "little"))
    assert takes(PEER)
    box.w(r.RAH(last), 0)
    assert not takes(PEER)
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_UPE | r.RCTL_MPE | r.RCTL_SECRC)
    assert takes(PEER) and takes(group[:5] + b"\x99") and takes(b"\xff" * 6)
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_SECRC)
    assert not takes(b"\xff" * 6)
    assert {x[1] for x in box.bus.dropped} == {"mac filter"}


def test_vlan_filter_strip_and_tci() -> None:
    box = Box()
    base = r.RCTL_EN | r.RCTL_BAM | r.RCTL_SECRC
    f = udp(b"v" * 30, vlan=0x2005)
    assert box.nic.receive(f) and box.data(0) == f and not box.desc(0)[2] & r.RXD_STAT_VP
    assert box.desc(0)[2] & r.RXD_STAT_IPCS  # looks behind the tag
    box.w(r.RCTL, base | r.RCTL_VFE)
    assert not box.nic.receive(f, 9) and box.bus.dropped == [(9, "vlan filter", "none")]
    box.w(r.VFTA, 1 << 5)
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_VME)
    assert box.nic.receive(f)
    assert box.data(1) == f[:12] + f[16:] and box.desc(1)[4] == 0x2005 and box.desc(1)[2] & r.RXD_STAT_VP
    assert box.nic.receive(udp(b"v")) and not box.desc(2)[2] & r.RXD_STAT_VP  # untagged passes the filter


@CHIPS
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
def test_bad_frames(chip: type[Igb], n: int, fcs: bool, reason: str, counter: str, stat: str) -> None:
    box = Box(chip)
    assert not box.nic.receive(MAC + bytes(n - 6), 3, fcs)
    assert box.bus.dropped == [(3, reason, counter)] and box.stat("TPR") == 1 and box.stat("GPRC") == 0
    assert box.stat(stat) == 1 and box.stat(stat) == 0  # cleared by the read
    box.w(r.RCTL, box.rd(r.RCTL) | r.RCTL_SBP)
    assert box.nic.receive(MAC + bytes(n - 6), 4, fcs) == (n < 1519)
    if not fcs and n < 1519:
        assert box.desc(0)[2] & r.RXDEXT_STATERR_CE


def test_long_frames_by_rlpml_and_crc_kept() -> None:
    box = Box()
    box.w(r.RLPML, 3000)
    assert not box.nic.receive(MAC + bytes(2000))
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_LPE)
    assert box.nic.receive(MAC + bytes(2990)) and not box.nic.receive(MAC + bytes(2991))
    f = MAC + bytes(60)
    box.nic.receive(f)
    assert box.data(2) == f + zlib.crc32(f).to_bytes(4, "little")


@pytest.mark.parametrize("adv", [True, False])
def test_frames_over_several_descriptors_and_the_legacy_format(adv: bool) -> None:
    box = Box()
    box.queue(0, 16, 15, 1 | (r.SRRCTL_DESCTYPE_ADV_ONEBUF if adv else 0))  # buffers of 1 KiB
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_LPE | r.RCTL_SECRC)
    box.w(r.RLPML, 9000)
    f = udp(bytes(i & 255 for i in range(2500)))
    for k in range(6):  # and round the end of the ring
        box.bus.writes.clear()
        box.give()
        first = box.rd(r.RDH(0))
        assert box.nic.receive(f, 4 + k)
        assert [(n, t) for _a, n, t in box.bus.writes] == [(1024, 4 + k), (1024, None), (len(f) - 2048, None)]
        got = b""
        for i in range(3):
            at = RING + 16 * ((first + i) % 16)
            if adv:
                info, _h, _w, status, n, _v = ADV.unpack_from(box.bus.mem, at)
                assert bool(info) == (i == 2) and bool(status & r.RXD_STAT_IPCS) == (i == 2)
            else:
                _addr, n, _c, status, errors, _v = struct.unpack_from("<QHHBBH", box.bus.mem, at)
                assert errors == 0
            assert status & r.RXD_STAT_DD and bool(status & r.RXD_STAT_EOP) == (i == 2)
            buf = BUFS + 2048 * ((first + i) % 16)
            got += bytes(box.bus.mem[buf : buf + n])
        assert got == f
    assert box.stat("GPRC") == 6 and box.stat("PRC1522") == 6


def test_a_frame_that_lacks_one_descriptor_waits_whole() -> None:
    box = Box(given=2)
    box.queue(0, 16, 2, 1 | r.SRRCTL_DESCTYPE_ADV_ONEBUF)
    box.w(r.RCTL, r.RCTL_EN | r.RCTL_LPE | r.RCTL_SECRC)
    box.w(r.RLPML, 9000)
    assert box.nic.receive(udp(bytes(2500)), 1) and box.nic.in_flight() == 1 and box.bus.writes == []
    box.w(r.RDT(0), 3)
    assert box.nic.in_flight() == 0 and box.rd(r.RDH(0)) == 3 and box.bus.writes[0][2] == 1


def test_time_stamp_before_the_frame_is_the_i350s() -> None:
    for chip in (I82576, I350):
        box = Box(chip)
        box.w(r.TIMINCA, 1 << 24 | 16 << 19)
        box.w(r.RXPBS, box.rd(r.RXPBS) | r.RXPBS_CFG_TS_EN)
        box.w(r.TSYNCRXCTL, r.TSYNCRXCTL_ENABLED | r.TSYNCRXCTL_TYPE_ALL)
        box.queue(0, 16, 15, 2 | r.SRRCTL_DESCTYPE_ADV_ONEBUF | r.SRRCTL_TIMESTAMP)
        box.bus.advance(5_000)
        f = udp(b"t")
        box.nic.receive(f)
        stamped = chip is I350
        assert bool(box.desc(0)[2] & r.RXDADV_STAT_TSIP) == stamped
        assert box.data(0)[16 if stamped else 0 :] == f
        if stamped:
            low = box.rd(r.SYSTIML)
            assert struct.unpack("<QQ", box.data(0)[:16]) == (0, low | box.rd(r.SYSTIMH) << 32)


# --------------------------------------------------------------------- queues
V4 = ((66, 9, 149, 187), (161, 142, 100, 80))
V6 = ("3ffe2501020000030000000000000007", "3ffe2501020000010000000000000001")


@CHIPS
def test_rss_types_hash_and_table(chip: type[Igb]) -> None:
    """The published vectors of receive side scaling, from the wire to the descriptor and the queue."""
    nq = 8 if chip is I350 else 16
    box = Box(chip, queues=nq)
    box.rss()
    every = r.MRQC_RSS_FIELD_IPV4 | r.MRQC_RSS_FIELD_IPV4_TCP | r.MRQC_RSS_FIELD_IPV6 | r.MRQC_RSS_FIELD_IPV6_TCP
    box.w(r.MRQC, every | RSS)
    v4 = (bytes(V4[0]), bytes(V4[1]))
    v6 = (bytes.fromhex(V6[0]), bytes.fromhex(V6[1]))
    t = Toeplitz(KEY)
    v6_hash = t.hash(v6[0] + v6[1])
    v6_tcp = t.hash(v6[0] + v6[1] + struct.pack(">HH", 2794, 1766))
    for kind, f, want in (
        (r.RSS_TYPE_IPV4_TCP, tcp(v4, (2794, 1766), b"x" * 9), 0x51CCC178),
        (r.RSS_TYPE_IPV4, udp(b"x" * 30, ips=v4, ports=(2794, 1766)), 0x323E8FC2),  # UDP: the addresses only
        (r.RSS_TYPE_IPV6_TCP, tcp(v6, (2794, 1766), b"x"), v6_tcp),
        (r.RSS_TYPE_IPV6, tcp(v6, (1, 2), b"x").replace(b"\6\x40\x3f\xfe", b"\x3b\x40\x3f\xfe"), v6_hash),
    ):
        for q in (3, nq - 1):
            box.w(r.RETA + (want & 0x7C), q << (8 * (want & 3)))
            at = box.rd(r.RDH(q))
            box.nic.receive(f)
            info, word, _s, _n, _v = box.desc(at, q)
            assert (info & 15, word) == (kind, want) and box.rd(r.RDH(q)) == at + 1
    # not IP: queue 0, no type
    box.nic.receive(MAC + PEER + b"\x88\xb5" + bytes(46))
    assert box.desc(0)[0] & 15 == 0 and box.desc(0)[1] == 0
    # with its field on, UDP is hashed with the ports
    box.w(r.MRQC, every | RSS | r.MRQC_RSS_FIELD_IPV4_UDP)
    box.nic.receive(udp(b"x" * 30, ips=v4, ports=(2794, 1766)))
    q = box.nic.reta[0x51CCC178 & 0x7F]
    assert box.desc(box.rd(r.RDH(q)) - 1, q)[:2] == (
        r.RSS_TYPE_IPV4_UDP | r.RXDADV_PKTTYPE_IPV4 | r.RXDADV_PKTTYPE_UDP,
        0x51CCC178,
    )
    # hash without the table (not in multi-queue mode): queue 0 gets it
    box.w(r.MRQC, every)
    at = box.rd(r.RDH(0))
    box.nic.receive(tcp(v4, (2794, 1766)))
    assert box.desc(at)[1] == 0x51CCC178


@given(
    st.binary(min_size=12, max_size=12), st.binary(min_size=40, max_size=40), st.lists(st.integers(0, 7), min_size=128)
)
def test_any_flow_goes_where_hash_and_table_say(flow: bytes, key: bytes, table: list[int]) -> None:
    box = Box(I350, queues=8)
    box.rss(key)
    for i in range(32):
        box.w(r.RETA + 4 * i, int.from_bytes(bytes(table[4 * i : 4 * i + 4]), "little"))
    box.w(r.MRQC, RSS | r.MRQC_RSS_FIELD_IPV4 | r.MRQC_RSS_FIELD_IPV4_TCP)
    s, d = struct.unpack(">HH", flow[8:])
    h = Toeplitz(key).hash(flow)
    assert box.nic.receive(tcp((flow[:4], flow[4:8]), (s, d)))
    q = table[h & 127]
    assert [box.rd(r.RDH(i)) for i in range(8)] == [int(i == q) for i in range(8)] and box.desc(0, q)[1] == h


def test_ethertype_and_priority_rules_come_before_rss() -> None:
    box = Box(queues=8)
    box.w(r.ETQF(2), 0x88B5 | r.ETQF_FILTER_ENABLE | r.ETQF_QUEUE_ENABLE | 5 << r.ETQF_QUEUE_SHIFT)
    box.w(r.VLAPQF, (8 | 6) << 4 * 3)
    box.nic.receive(MAC + PEER + b"\x88\xb5" + bytes(46))
    box.nic.receive(udp(b"x", vlan=3 << 13 | 5))
    box.nic.receive(udp(b"x", vlan=2 << 13 | 5))
    assert [box.rd(r.RDH(q)) for q in range(8)] == [1, 0, 0, 0, 0, 1, 1, 0]
    box.w(r.ETQF(2), 0)
    box.w(r.VLAPQF, 0)
    box.nic.receive(MAC + PEER + b"\x88\xb5" + bytes(46))
    assert box.rd(r.RDH(0)) == 2


@CHIPS
def test_vector_allocation_is_each_chips_own(chip: type[Igb]) -> None:
    nq = 8 if chip is I350 else 16
    box = Box(chip)
    for q in range(nq):
        box.ivar(q, q % 10)
        box.ivar(q, (q + 3) % 10, tx=True)
    assert [q.vec for q in box.nic.rx] == [q % 10 for q in range(nq)]
    assert [q.vec for q in box.nic.tx] == [(q + 3) % 10 for q in range(nq)]
    # by hand, as the data sheets put them: queue 1 is the upper half of the first word, or the second word
    for off in range(r.IVAR0, r.IVAR0 + 32, 4):
        box.w(off, 0)
    box.w(r.IVAR0, 0x00810000)
    want = 1 if chip is I350 else 8
    assert [q.index for q in box.nic.rx if q.vec >= 0] == [want] and box.nic.rx[want].vec == 1


def test_a_disabled_queue_takes_nothing() -> None:
    box = Box()
    box.w(r.RXDCTL(0), 0)
    assert not box.nic.receive(udp(), 4) and box.bus.dropped == [(4, "rx queue disabled", "none")]
    assert box.stat("GPRC") == 0


# --------------------------------------------------------------------- no descriptor
@CHIPS
def test_without_drop_enable_one_full_queue_holds_up_all(chip: type[Igb]) -> None:
    box = Box(chip, queues=2)
    box.w(r.ETQF(0), 0x88B5 | r.ETQF_FILTER_ENABLE | r.ETQF_QUEUE_ENABLE | 1 << r.ETQF_QUEUE_SHIFT)
    other = MAC + PEER + b"\x88\xb5" + bytes(46)
    f = udp(bytes(1000))
    for i in range(15):
        assert box.nic.receive(f, i)
    room = (36 if chip is I350 else 64) * 1024 // ((len(f) + 4 + 31) & ~15)
    for i in range(room):
        assert box.nic.receive(f, 100 + i)
    assert box.nic.in_flight() == room and box.stat("RNBC") == room and box.stat("MPC") == 0
    box.w(r.EIMS, 1)
    box.w(r.IMS, r.ICR_RXO)
    assert not box.nic.receive(f, 999) and box.bus.dropped[-1] == (999, "rx fifo full", "rx_missed_errors")
    assert box.stat("MPC") == 1 and box.messages() == [0] and box.rd(r.ICR) & r.ICR_RXO
    assert box.rd(r.RDH(1)) == 0
    box.give()  # 15 more descriptors: as many frames move up
    assert box.nic.in_flight() == room - 15
    assert box.nic.receive(other, 500) and box.rd(r.RDH(1)) == 0  # behind the others, though its queue is free
    while box.nic.in_flight():
        box.give()
    assert box.rd(r.RDH(1)) == 1
    assert [t for _a, _n, t in box.bus.writes] == [*range(15), *range(100, 100 + room), 500]
    assert box.rd(r.RQDPC(0)) == 0


@pytest.mark.parametrize("how", ["SRRCTL", "QDE"])
def test_with_drop_enable_the_queue_alone_suffers(how: str) -> None:
    box = Box(queues=2)
    box.w(r.ETQF(0), 0x88B5 | r.ETQF_FILTER_ENABLE | r.ETQF_QUEUE_ENABLE | 1 << r.ETQF_QUEUE_SHIFT)
    if how == "QDE":
        box.w(r.QDE, 1)
    else:
        box.w(r.SRRCTL(0), box.rd(r.SRRCTL(0)) | r.SRRCTL_DROP_EN)
    taken = [box.nic.receive(udp(b"x"), i) for i in range(20)]
    assert taken == [True] * 15 + [False] * 5
    assert box.bus.dropped == [(15 + i, "no rx descriptor", "rx_queue_0_drops") for i in range(5)]
    assert box.nic.receive(MAC + PEER + b"\x88\xb5" + bytes(46)) and box.rd(r.RDH(1)) == 1
    assert box.rd(r.RQDPC(0)) == 5 and box.rd(r.RQDPC(0)) == 0 and box.stat("RNBC") == 0 and box.stat("MPC") == 0


def test_pause_frames_at_the_watermarks() -> None:
    box = Box(given=0)
    sent: list[int] = []
    box.nic.pause_sink = sent.append
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_TFCE)
    box.w(r.FCTTV, 0xFFFF)
    box.w(r.FCRTH, 0x4000)
    box.w(r.FCRTL, 0x3FF0 | r.FCRTL_XONE)
    for _ in range(16):
        box.nic.receive(udp(bytes(1000)))
    assert sent == [0xFFFF] and box.stat("XOFFTXC") == 1
    box.bus.advance(0xFFFF * 512)  # the buffer does not empty: it asks again before the pause is over
    assert sent == [0xFFFF] * 3
    box.w(r.RDT(0), 15)
    assert sent == [0xFFFF] * 3 + [0] and box.stat("XONTXC") == 1


def test_pause_received_stops_transmit() -> None:
    box = Box()
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_RFCE)
    pause = b"\x01\x80\xc2\0\0\1" + PEER + b"\x88\x08\0\1\1\0" + bytes(42)
    assert not box.nic.receive(pause, 6)
    assert box.bus.dropped == [(6, "pause frame", "rx_flow_control_xoff")] and box.rd(r.STATUS) & r.STATUS_TXOFF
    send(box, [frame := udp(b"late")])
    assert box.out == []
    box.bus.advance(256 * 512)
    assert box.out == [frame] and box.stat("XOFFRXC") == 1


# --------------------------------------------------------------------- interrupts
def test_auto_clear_auto_mask_and_kick() -> None:
    box = Box()
    box.nic.receive(udp(b"x"))
    assert box.messages() == [] and box.nic.mmio_read(0, r.EICR, 4) == 2
    box.nic.receive(udp(b"x"))
    box.w(r.EIMS, 2)  # unmasking a set cause sends
    assert box.messages() == [1]
    assert box.rd(r.EICR) == 0 and box.rd(r.EIMS) == 0  # cleared by EIAC, masked by EIAM
    box.nic.receive(udp(b"x"))
    assert box.messages() == []
    box.w(r.EIMS, 2)
    assert box.messages() == [1]
    box.w(r.EIMS, 6)
    box.w(r.EICS, 6)
    assert box.messages() == [1, 2]
    box.w(r.EIAM, 0)
    box.w(r.EIAC, 4)
    box.w(r.EIMS, 2)
    box.w(r.EICS, 2)
    box.w(r.EICS, 2)
    assert box.messages() == [1, 1] and box.rd(r.EIMS) == 2 and box.rd(r.EICR) == 2 and box.rd(r.EICR) == 0
    box.w(r.EIMC, 2)
    box.w(r.EICS, 2)
    assert box.messages() == []
    box.w(r.EICR, 2)  # write to clear
    box.w(r.EIMS, 2)
    assert box.messages() == []


def test_a_masked_table_entry_keeps_its_message_pending() -> None:
    box = Box()
    box.w(r.EIMS, 2)
    box.nic.mmio_write(3, 16 + 12, 4, 1)
    box.nic.receive(udp(b"x"))
    assert box.messages() == [] and box.nic.mmio_read(3, r.MSIX_PBA, 4) == 2
    box.nic.mmio_write(3, 16 + 12, 4, 0)
    assert box.messages() == [1]


@pytest.mark.parametrize("us", [10, 50, 250])
def test_the_interval_spaces_messages_of_its_vector_only(us: int) -> None:
    box = Box(queues=2, n=64)
    box.w(r.ETQF(0), 0x88B5 | r.ETQF_FILTER_ENABLE | r.ETQF_QUEUE_ENABLE | 1 << r.ETQF_QUEUE_SHIFT)
    box.w(r.EIAM, 0)
    box.w(r.EITR(1), us << 2 | r.EITR_CNT_IGNR)
    box.w(r.EIMS, 6)
    for i in range(1000):
        box.give(0)
        box.give(1)
        box.nic.receive(udp(b"x"))
        if i % 100 == 0:
            box.nic.receive(MAC + PEER + b"\x88\xb5" + bytes(46))
        box.bus.advance(1_000)
    times = [t for t, _a, d in box.bus.sent if d == 0x41]
    gaps = {b - a for a, b in itertools.pairwise(times)}
    assert gaps == {us * 1000} and len(times) == 1000 // us + 1
    assert sum(1 for _t, _a, d in box.bus.sent if d == 0x42) == 10


def test_a_new_interval_without_ignore_ends_the_running_one() -> None:
    box = Box()
    box.w(r.EIAM, 0)
    box.w(r.EITR(1), 1000 << 2 | r.EITR_CNT_IGNR)
    box.w(r.EIMS, 2)
    box.nic.receive(udp(b"x"))
    box.nic.receive(udp(b"x"))
    assert box.messages() == [1]
    box.w(r.EITR(1), 2000 << 2 | r.EITR_CNT_IGNR)
    box.bus.advance(999_999)
    assert box.messages() == []
    box.bus.advance(1)
    assert box.messages() == [1]
    box.nic.receive(udp(b"x"))
    assert box.messages() == []
    box.w(r.EITR(1), 10 << 2)  # counter taken over at once
    assert box.messages() == [1]


@CHIPS
@pytest.mark.parametrize("mode", ["MSI", "INTx"])
def test_one_cause_register_with_msi_or_the_line(chip: type[Igb], mode: str) -> None:
    box = Box(chip, mode=mode)
    box.w(r.IMS, r.IMS_ENABLE_MASK)
    box.nic.receive(udp(b"x"))
    box.nic.receive(udp(b"x"))
    if mode == "MSI":
        assert [d for _t, _a, d in box.bus.sent] == [0x50] and box.bus.lines == []
    else:
        assert box.bus.sent == [] and [x[2] for x in box.bus.lines] == [True]
    icr = box.rd(r.ICR)
    assert icr == r.ICR_INT_ASSERTED | r.ICR_RXT0 and box.rd(r.IMS) == 0 and box.rd(r.ICR) == 0
    if mode == "INTx":
        assert [x[2] for x in box.bus.lines] == [True, False]
    box.nic.receive(udp(b"x"))
    box.bus.sent.clear()
    box.bus.lines.clear()
    box.w(r.IMS, r.IMS_ENABLE_MASK)
    assert len(box.bus.sent) + len(box.bus.lines) == 1
    box.rd(r.ICR)
    box.w(r.EITR(0), 100 << 2 | r.EITR_CNT_IGNR)
    box.bus.sent.clear()
    box.bus.lines.clear()
    for _ in range(3):
        box.w(r.IMS, r.IMS_ENABLE_MASK)
        box.w(r.ICS, r.ICR_RXDMT0)
        box.rd(r.ICR)
    assert len([x for x in box.bus.lines if x[2]]) + len(box.bus.sent) == 1


def test_descriptors_running_low_is_a_cause_of_its_own() -> None:
    box = Box(mode="MSI", n=64)
    box.queue(0, 64, 63, 2 | r.SRRCTL_DESCTYPE_ADV_ONEBUF | 2 << r.SRRCTL_RDMTS_SHIFT)  # at 32 free
    seen = []
    for i in range(63):
        box.nic.receive(udp(b"x"))
        if box.rd(r.ICR) & r.ICR_RXDMT0:
            seen.append(i)
    assert seen == [30]


def test_no_bus_mastering_no_dma_no_message() -> None:
    box = Box()
    box.w(r.EIMS, 2)
    box.nic.config_write(4, 2, 2)
    assert box.nic.receive(udp(b"x"), 1) and box.nic.in_flight() == 1 and box.bus.writes == []
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_GIO_MASTER_DISABLE)
    box.nic.config_write(4, 2, 6)
    assert box.nic.in_flight() == 1 and not box.rd(r.STATUS) & r.STATUS_GIO_MASTER_ENABLE
    box.w(r.CTRL, box.rd(r.CTRL) & ~r.CTRL_GIO_MASTER_DISABLE)
    assert box.nic.in_flight() == 0 and box.messages() == [1]
    box.nic.config_write(4, 2, 4)
    assert box.rd(r.STATUS) == 0xFFFFFFFF


# --------------------------------------------------------------------- reset, faults
@CHIPS
def test_reset_books_what_waited_and_keeps_what_survives(chip: type[Igb]) -> None:
    box = Box(chip, given=0)
    box.nic.receive(udp(b"x"), (1, 2))
    box.nic.receive(udp(b"x"), 3)
    box.w(r.RXPBS, 5)
    assert box.nic.in_flight() == 3
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_RST)
    assert box.bus.dropped == [((1, 2), "device reset", "none"), (3, "device reset", "none")]
    assert box.nic.in_flight() == 0 and box.rd(r.RCTL) == 0 and box.rd(r.RDT(0)) == 0 and box.rd(r.EIMS) == 0
    assert box.rd(r.RXPBS) == 5 and box.rd(r.STATUS) & r.STATUS_LU
    assert struct.pack("<IH", box.rd(r.RAL(0)), box.rd(r.RAH(0)) & 0xFFFF) == MAC
    assert all(box.stat(n) == 0 for n, _off in r.STATS)
    if chip is I350:
        box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_DEV_RST)
        assert box.rd(r.STATUS) & r.STATUS_DEV_RST_SET
        box.w(r.STATUS, r.STATUS_DEV_RST_SET)
        assert not box.rd(r.STATUS) & r.STATUS_DEV_RST_SET
    box.nic.reset()
    assert box.nic.config_read(4, 2) == 0 and not box.nic.config.msix_on


def test_faults_are_survived_and_booked() -> None:
    box = Box()
    struct.pack_into("<Q", box.bus.mem, RING, 0xDEAD00000000)
    assert box.nic.receive(udp(b"x"), 8) and box.bus.dropped == [(8, "dma fault", "none")]
    assert box.nic.receive(udp(b"y"), 9) and box.data(1) == udp(b"y")
    assert box.nic.config_read(6, 2) & 0x2000
    box.w(r.RDBAL(0), 0xFFFFFF80)
    box.w(r.RDBAH(0), 0xFFFF)
    box.w(r.RDT(0), 14)
    assert box.nic.receive(udp(b"z"), 10) and box.nic.in_flight() == 1
    box.w(r.TCTL, r.TCTL_EN | r.TCTL_PSP)
    box.w(r.TXDCTL(0), r.TXDCTL_QUEUE_ENABLE)
    box.w(r.TDBAL(0), 0xFFFFFF80)
    box.w(r.TDLEN(0), 256)
    box.w(r.TDT(0), 3)
    assert box.out == []


def test_wide_counters_are_latched_by_their_low_half() -> None:
    box = Box()
    box.nic.receive(udp(bytes(100)))
    box.nic.stats[r.S_GORCL] += 1 << 32
    assert box.stat("GORCL") == len(udp(bytes(100))) + 4 and box.stat("GORCH") == 1
    assert box.stat("GORCL") == 0 and box.stat("GORCH") == 0
    sizes = ((60, "PRC64"), (100, "PRC127"), (200, "PRC255"), (400, "PRC511"), (900, "PRC1023"), (1500, "PRC1522"))
    for n, name in sizes:
        box.stat(name)
        box.nic.receive(MAC + PEER + b"\x88\xb5" + bytes(n - 14))
        assert box.stat(name) == 1
    box.nic.receive(b"\xff" * 6 + PEER + bytes(48))
    assert box.stat("BPRC") == 1 and box.stat("MPRC") == 0


# --------------------------------------------------------------------- transmit
def send(
    box: Box,
    frames: list[bytes],
    q: int = 0,
    olinfo: int = 0,
    cmd: int = 0,
    context: tuple[int, int, int, int] | None = None,
    split: int = 0,
) -> None:
    """Put frames into transmit queue `q` with advanced descriptors and ring."""
    base, buf = TXRING + 0x200 * q, TXBUF + 0x4000 * q
    box.w(r.TCTL, r.TCTL_EN | r.TCTL_PSP)
    box.w(r.TDBAL(q), base)
    box.w(r.TDLEN(q), 512)
    box.w(r.TXDCTL(q), r.TXDCTL_QUEUE_ENABLE)
    at = box.rd(r.TDT(q))
    flags = r.ADVTXD_DTYP_DATA | r.TXD_CMD_DEXT | r.TXD_CMD_IFCS | cmd
    if context is not None:
        struct.pack_into("<IIII", box.bus.mem, base + 16 * at, *context)
        at = (at + 1) % 32
    for f in frames:
        box.bus.mem[buf : buf + len(f)] = f
        parts = [(buf, len(f))] if not split else [(buf, split), (buf + split, len(f) - split)]
        for i, (addr, n) in enumerate(parts):
            end = r.TXD_CMD_EOP | r.TXD_CMD_RS if i == len(parts) - 1 else 0
            word = olinfo | len(f) << r.ADVTXD_PAYLEN_SHIFT
            struct.pack_into("<QII", box.bus.mem, base + 16 * at, addr, flags | end | n, word & 0xFFFFFFFF)
            at = (at + 1) % 32
        buf += (len(f) + 15) & ~15
    box.w(r.TDT(q), at)


@CHIPS
def test_transmit_reports_and_interrupts(chip: type[Igb]) -> None:
    box = Box(chip)
    box.ivar(7, 9, tx=True)
    box.w(r.EIMS, 1 << 9)
    f = udp(bytes(100))
    send(box, [f, f[:40]], q=7, split=20)
    assert box.out == [f, f[:40] + bytes(20)] and box.messages() == [9]  # padded
    assert [box.bus.mem[TXRING + 0x200 * 7 + 16 * i + 12] & 1 for i in range(4)] == [0, 1, 0, 1]
    assert box.rd(r.TDH(7)) == 4 and box.stat("GPTC") == 2 and box.stat("GOTCL") == len(f) + 4 + 64
    box.nic.link_change(False)
    send(box, [f], q=7)
    assert len(box.out) == 2
    box.nic.link_change(True)
    assert len(box.out) == 3


def test_transmit_checksum_and_tag() -> None:
    box = Box()
    f = bytearray(udp(b"payload" * 9))
    want = bytes(f)
    f[24:26] = b"\0\0"
    f[40:42] = struct.pack(">H", ~fold(ones_sum(b"\x0a\0\0\1\x0a\0\0\2" + struct.pack(">HH", 17, 71))) & 0xFFFF)
    tucmd = r.TXD_CMD_DEXT | r.ADVTXD_DTYP_CTXT | r.ADVTXD_TUCMD_IPV4 | r.ADVTXD_TUCMD_L4T_UDP
    context = (5 << 16 | 14 << r.ADVTXD_MACLEN_SHIFT | 20, 0, tucmd, 0)
    send(box, [bytes(f)], olinfo=r.TXD_POPTS_IXSM | r.TXD_POPTS_TXSM, context=context)
    assert box.out == [want]
    box.w(r.CTRL, box.rd(r.CTRL) | r.CTRL_VME)
    send(box, [want], cmd=r.TXD_CMD_VLE)
    assert box.out[1] == want[:12] + b"\x81\0\0\5" + want[12:]


def test_segmentation() -> None:
    box = Box()
    payload = bytes(i & 255 for i in range(3500))
    raw = bytearray(tcp((b"\x0a\0\0\1", b"\x0a\0\0\2"), (1, 2), payload))
    pseudo = b"\x0a\0\0\1\x0a\0\0\2\0\6"
    raw[24:26] = b"\0\0"
    raw[50:52] = struct.pack(">H", ~fold(ones_sum(pseudo)) & 0xFFFF)  # without the length, as the chip wants it
    f = bytes(raw)
    tucmd = r.TXD_CMD_DEXT | r.ADVTXD_DTYP_CTXT | r.ADVTXD_TUCMD_IPV4 | r.ADVTXD_TUCMD_L4T_TCP
    context = (14 << r.ADVTXD_MACLEN_SHIFT | 20, 0, tucmd, 1000 << r.ADVTXD_MSS_SHIFT | 20 << r.ADVTXD_L4LEN_SHIFT)
    send(box, [f], olinfo=r.TXD_POPTS_IXSM | r.TXD_POPTS_TXSM, cmd=r.ADVTXD_DCMD_TSE, context=context)
    assert [len(x) - 54 for x in box.out] == [1000, 1000, 1000, 500]
    assert b"".join(x[54:] for x in box.out) == payload and box.stat("TSCTC") == 1
    for i, x in enumerate(box.out):
        assert ones_sum(x[14:34]) % 0xFFFF == 0 and struct.unpack(">I", x[38:42])[0] == 1 + 1000 * i
        assert ones_sum(pseudo + struct.pack(">H", len(x) - 34) + x[34:]) % 0xFFFF == 0


def test_loopback_frames_come_back() -> None:
    box = Box()
    box.w(r.RCTL, box.rd(r.RCTL) | r.RCTL_LBM_MAC)
    send(box, [udp(b"round")])
    assert box.out == [] and box.data(0) == udp(b"round")
    assert not box.nic.receive(udp(), 3) and box.bus.dropped == [(3, "phy loopback", "none")]


# --------------------------------------------------------------------- registers as ethtool's test sees them
@CHIPS
def test_register_patterns(chip: type[Igb]) -> None:
    box = Box(chip)
    nq = 8 if chip is I350 else 16
    pairs = [
        (r.FCAL, 0xFFFFFFFF),
        (r.FCAH, 0xFFFF),
        (r.FCT, 0xFFFF),
        (r.VET, 0xFFFFFFFF),
        (r.FCRTH, 0x3FFF0),
        (r.FCTTV, 0xFFFF),
        (r.TIPG, 0x3FFFFFFF),
        (r.MTA + 40, 0xFFFFFFFF),
        (r.RAL(3), 0xFFFFFFFF),
        (r.RAH(20), 0xC3FFFFFF if chip is I350 else 0x83FFFFFF),
    ]
    for q in range(nq):
        pairs += [(r.RDBAL(q), 0xFFFFFF80), (r.RDBAH(q), 0xFFFFFFFF), (r.TDBAL(q), 0xFFFFFF80), (r.RDT(q), 0xFFFF)]
    for reg, mask in pairs:
        for pattern in (0x5A5A5A5A, 0xA5A5A5A5, 0, 0xFFFFFFFF):
            box.w(reg, pattern & mask)
            assert box.rd(reg) & mask == pattern & mask
        for size in (1, 2):
            box.nic.mmio_write(0, reg, size, 0)
        assert box.rd(reg) & 0xFFFF == 0
    assert box.rd(r.RDBAL(8)) == 0 if chip is I350 else True


# --------------------------------------------------------------------- hardening
OFFSETS = st.one_of(st.sampled_from(sorted(r.NAMES)), st.integers(0, 0x1FFFF))
STEP = st.one_of(
    st.tuples(st.just("frame"), st.binary(max_size=200), st.booleans()),
    st.tuples(st.just("udp"), st.integers(0, 3000), st.booleans()),
    st.tuples(st.just("write"), OFFSETS, st.integers(0, 0xFFFFFFFF), st.sampled_from((1, 2, 4, 8))),
    st.tuples(st.just("read"), OFFSETS, st.just(0), st.sampled_from((1, 2, 4, 8))),
    st.tuples(st.just("config"), st.sampled_from((4, 0x44, 0x52, 0x72)), st.integers(0, 0xFFFF)),
    st.tuples(st.just("table"), st.integers(0, 0x3FFF), st.integers(0, 0xFFFFFFFF)),
    st.tuples(st.just("time"), st.integers(0, 10_000_000)),
    st.tuples(st.just("link"), st.booleans()),
    st.tuples(st.just("scribble"), st.integers(0x1000, 0x9000), st.binary(min_size=1, max_size=64)),
    st.tuples(
        st.just("flags"),
        st.sampled_from((r.RCTL, r.TCTL, r.CTRL, r.MRQC, r.SRRCTL(0), r.GPIE, r.TDT(0), r.RDT(0), r.EICS, r.EIMS)),
        st.integers(0, 0x0FFFFFFF),
    ),
)


@given(st.sampled_from((I82576, I350)), st.sampled_from(("MSI-X", "MSI", "INTx")), st.lists(STEP, max_size=60))
def test_nothing_raises_and_every_frame_is_accounted_for(
    chip: type[Igb], mode: str, steps: list[tuple[Any, ...]]
) -> None:
    """Random frames, register writes, memory: no exception; taken = written + waiting + reported lost."""
    box = Box(chip, mode=mode)
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
        elif kind == "table":
            box.nic.mmio_write(3, step[1] & ~3, 4, step[2])
            assert 0 <= box.nic.mmio_read(3, step[1], 4) < 1 << 32
        elif kind == "time":
            box.bus.advance(step[1])
        elif kind == "link":
            box.nic.link_change(step[1])
        elif kind == "flags":
            box.w(step[1], step[2])
        else:
            box.bus.mem[step[1] : step[1] + len(step[2])] = step[2]
        assert box.bus.pending() < 20
    written = {t for _a, _n, t in box.bus.writes if t is not None}
    lost = [t for t, _r, _c in box.bus.dropped if t is not None]
    assert len(lost) == len(set(lost)) and not written & set(lost)
    assert len(written) + len(lost) + box.nic.in_flight() == tag


@CHIPS
def test_many_random_frames(chip: type[Igb], soak: bool) -> None:
    """A million frames (a sample without `make soak`): mutations and noise, settings changing."""
    rnd = random.Random(82576)
    box = Box(chip, n=16, queues=8)
    kinds = [udp(bytes(n), vlan=v) for n in (0, 40, 900, 1472, 3000) for v in (None, 5)]
    kinds += [MAC + PEER + b"\x86\xdd" + bytes((0x60,)) + bytes(100), MAC + PEER + b"\x88\x08" + bytes(46)]
    total = 1_000_000 if soak else 15_000
    for i in range(total):
        f = bytearray(rnd.choice(kinds))
        for _ in range(rnd.randrange(4)):
            f[rnd.randrange(len(f))] = rnd.randrange(256)
        box.nic.receive(bytes(f[: rnd.choice((len(f), len(f), len(f), rnd.randrange(len(f) + 1)))]), i, i % 11 != 0)
        if i % 8 == 0:
            box.w(r.RDT(rnd.randrange(8)), rnd.randrange(16))
            box.w(r.EIMS, 0x3FF)
            box.bus.advance(10_000)
        if i % 500 == 0:
            box.bus.sent.clear()
            box.w(r.RCTL, (rnd.getrandbits(31) | r.RCTL_EN) & ~r.RCTL_LBM_MASK)
            box.w(r.CTRL, (rnd.getrandbits(32) | r.CTRL_SLU) & ~(r.CTRL_RST | r.CTRL_PHY_RST | r.CTRL_DEV_RST))
            box.w(r.MRQC, rnd.getrandbits(32))
            box.w(r.RXCSUM, rnd.getrandbits(14))
            box.w(r.RETA, rnd.getrandbits(32))
            box.w(r.ETQF(1), rnd.getrandbits(32))
            box.w(r.RLPML, rnd.getrandbits(14))
            for q in range(8):
                box.w(r.SRRCTL(q), rnd.getrandbits(32))
                box.fill(q, 16)
    assert box.stat("TPR") == total
    written = sum(1 for _a, _n, t in box.bus.writes if t is not None)
    assert written + len(box.bus.dropped) + box.nic.in_flight() == total
