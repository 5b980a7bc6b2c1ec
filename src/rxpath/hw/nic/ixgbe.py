"""Intel X540 and 82599 at the level of their registers.

What belongs here: everything between a frame on the wire and bytes, write-backs and interrupt messages on the bus, as
these chips do it. Facts: what the ixgbe driver expects (Linux 6.1) and the chips' published descriptions.
The 82599 is the backplane device (KX4): no SFP+ module, no I2C. Not modelled: virtual functions and pools (VMDq), DCB
(one packet buffer, one traffic class), FCoE, MACsec, IPsec, header split, 5-tuple and ethertype filters (their
registers keep values, no frame matches), low latency interrupts, wake-up, manageability, the firmware's mailbox,
hardware time stamps of frames.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from collections import deque
from typing import Final

from rxpath.hw.bus import DmaFault, Tag
from rxpath.hw.nic.flow_director import FlowDirector
from rxpath.hw.nic.intel import (
    BROADCAST,
    LOST,
    PAUSE_DST,
    PAUSE_QUANTUM_BITS,
    SIZES,
    STORED,
    WAITS,
    AdvTxQueue,
    IntelNic,
    Ring,
    TxRing,
    Vector,
    Vectors,
)
from rxpath.hw.nic.mii import PHY_RESTART, PHY_SAME, Nvm, Phy
from rxpath.hw.nic.offload import (
    CSUM_BAD,
    CSUM_NONE,
    CSUM_OK,
    IPPROTO_TCP,
    IPPROTO_UDP,
    fold,
    ones_sum,
)
from rxpath.hw.pci import BAR_IO, BAR_MEM64, MsixTable, PciConfig
from rxpath.hw.regs import ixgbe as r

_ADDR: Final = struct.Struct("<Q")
_WB_LEGACY: Final = struct.Struct("<HHBBH")
_WB_ADV: Final = struct.Struct("<IIIHH")
_TCP: Final = struct.Struct(">HHIIBBH")

EITR_UNIT_NS: Final = 2048  # one step of EITR[11:3] at 10 and 1 Gb/s
RSC_UNIT_NS: Final = 4096  # one step of GPIE.RSC_DELAY
RSC_CONTEXTS: Final = 32
RSC_FRAMES_A_BUFFER: Final = 15  # RSCCNT has four bits
ALL_VECTORS: Final = (1 << 64) - 1

# fields of a ring's registers
_BASE_LOW: Final = 0x00
_BASE_HIGH: Final = 0x04
_LEN: Final = 0x08
_HEAD: Final = 0x10
_SRRCTL: Final = 0x14
_TAIL: Final = 0x18
_DCTL: Final = 0x28
_RSCCTL: Final = 0x2C
_TX: Final = 0x10000  # added to the code of a transmit ring's register

DD_EOP: Final = r.RXD_STAT_DD | r.RXD_STAT_EOP
S_TPR: Final = r.S_TPR
S_TOR: Final = r.S_TOR
S_GPRC: Final = r.S_GPRC
S_GORC: Final = r.S_GORC


class X540Phy(Phy):
    """The copper PHY of the X540: clause 45 registers, autonegotiation of 10 Gb/s, 1 Gb/s and 100 Mb/s. A
    register's number is that of its device (MMD), shifted by 16, and its own.

    The link partner can do all three and offers symmetric and asymmetric pause.
    """

    __slots__ = ("regs",)

    def __init__(self) -> None:
        super().__init__()
        self.regs: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        self.done = False
        self.regs = {
            r.MMD_AN << 16 | r.MDIO_AN_ADVERTISE: 0x0001 | r.ADVERTISE_100FULL,
            r.MMD_AN << 16 | r.MDIO_AN_10GBT_CTRL: r.MDIO_AN_10GBT_CTRL_ADV10G,
            r.MMD_AN << 16 | r.MII_AUTONEG_VENDOR_PROVISION_1: r.MII_1GBASE_T_ADVERTISE,
            r.MMD_AN << 16 | r.MDIO_CTRL1: 0x1000,
            r.MMD_PMA << 16 | r.MDIO_CTRL1: 0x2040,
        }

    def speed(self) -> int:
        an = r.MMD_AN << 16
        if self.regs.get(an | r.MDIO_AN_10GBT_CTRL, 0) & r.MDIO_AN_10GBT_CTRL_ADV10G:
            return 10000
        if self.regs.get(an | r.MII_AUTONEG_VENDOR_PROVISION_1, 0) & r.MII_1GBASE_T_ADVERTISE:
            return 1000
        if self.regs.get(an | r.MDIO_AN_ADVERTISE, 0) & r.ADVERTISE_100FULL:
            return 100
        return 0

    def link(self) -> bool:
        low = (self.regs.get(r.MMD_PMA << 16, 0) | self.regs.get(r.MMD_VEND1 << 16, 0)) & r.MDIO_CTRL1_LPOWER
        return self.cable and self.done and not low and self.speed() > 0

    def read(self, reg: int) -> int:
        at = reg
        mmd = at >> 16
        reg = at & 0xFFFF
        if mmd not in (r.MMD_PMA, r.MMD_PCS, r.MMD_PHYXS, r.MMD_AN, r.MMD_VEND1, 29):
            return 0
        if reg == r.MDIO_DEVID1:
            return r.PHY_ID_X540 >> 16
        if reg == r.MDIO_DEVID2:
            return r.PHY_ID_X540 & 0xFFFF
        if reg == r.MDIO_DEVS1:
            return 1 << r.MMD_PMA | 1 << r.MMD_PCS | 1 << r.MMD_PHYXS | 1 << r.MMD_AN
        if reg == r.MDIO_DEVS2:
            return 0x6000
        if reg == r.MDIO_STAT2:
            return r.MDIO_STAT2_DEVPRST_VAL
        if mmd == r.MMD_PMA:
            if reg == r.MDIO_SPEED:
                return r.MDIO_SPEED_10G | r.MDIO_PMA_SPEED_1000 | r.MDIO_PMA_SPEED_100
            if reg == r.MDIO_PMA_EXTABLE:
                return 0x01A4  # 10GBASE-T, 1000BASE-T, 100BASE-TX
            if reg == r.MDIO_STAT1:
                return r.MDIO_STAT1_LSTATUS | 2 if self.link() else 2
        elif mmd == r.MMD_AN:
            if reg == r.MDIO_STAT1:
                v = 0x0009
                if self.link():
                    v |= r.MDIO_STAT1_LSTATUS
                return v | (r.MDIO_AN_STAT1_COMPLETE if self.done else 0)
            if reg == r.MDIO_AN_LPA:
                return 0x0D01 if self.done else 0
            if reg == r.MDIO_AN_10GBT_STAT:
                return 0x0800 if self.done else 0
            if reg == r.MDIO_AUTO_NEG_VENDOR_STAT:
                speed = self.speed() if self.link() else 0
                return 7 if speed == 10000 else 5 if speed == 1000 else 3 if speed == 100 else 0
        return self.regs.get(at, 0)

    def write(self, reg: int, value: int) -> int:
        if reg & 0xFFFF != r.MDIO_CTRL1:
            self.regs[reg] = value & 0xFFFF
            return PHY_SAME
        if value & r.MDIO_CTRL1_RESET:
            self.reset()
            return PHY_RESTART
        old = self.regs.get(reg, 0)
        self.regs[reg] = value & ~r.MDIO_AN_CTRL1_RESTART
        again = reg >> 16 == r.MMD_AN and value & r.MDIO_AN_CTRL1_RESTART
        return PHY_RESTART if again or (old ^ value) & r.MDIO_CTRL1_LPOWER else PHY_SAME


class Coalesced:
    """Frames of one TCP flow that receive side coalescing holds back."""

    __slots__ = ("data", "ends", "hdr", "info", "l3", "next_seq", "queue", "status", "tags", "vlan", "word")

    def __init__(self, queue: RxQueue, data: bytes, l3: int, hdr: int, seq: int, tag: Tag | None) -> None:
        """`data`: the first frame as it will be stored, trimmed to the datagram; `hdr` bytes of it are headers."""
        self.queue: RxQueue = queue
        self.data: bytearray = bytearray(data)
        self.ends: list[int] = [len(data)]
        self.l3: int = l3
        self.hdr: int = hdr
        self.next_seq: int = seq + len(data) - hdr & 0xFFFFFFFF
        self.tags: list[Tag | None] = [tag]
        self.info: int = 0
        self.word: int = 0
        self.status: int = 0
        self.vlan: int = 0

    def tag(self) -> Tag | None:
        """All tokens of the frames inside."""
        out: list[int] = []
        for t in self.tags:
            if isinstance(t, tuple):
                out.extend(t)
            elif t is not None:
                out.append(t)
        if not out:
            return None
        return out[0] if len(out) == 1 else tuple(out)

    def counts(self, bsize: int) -> list[int]:
        """For each buffer of `bsize` bytes the number of frames that have bytes in it."""
        out = []
        start = 0
        total = len(self.data)
        first = 0
        while start < total:
            end = start + bsize
            last = first
            while last < len(self.ends) - 1 and self.ends[last] < end:
                last += 1
            out.append(last - first + 1)
            first = last + 1 if self.ends[last] == end else last
            start = end
        return out


class Waiting:
    """What waits in the packet buffer: a frame, or coalesced frames whose queue has no descriptors."""

    __slots__ = ("fcs_ok", "frame", "rsc", "size", "tag")

    def __init__(self, frame: bytes, tag: Tag | None, fcs_ok: bool, rsc: Coalesced | None, size: int) -> None:
        self.frame: bytes = frame
        self.tag: Tag | None = tag
        self.fcs_ok: bool = fcs_ok
        self.rsc: Coalesced | None = rsc
        self.size: int = size


class RxQueue(Ring):
    """A receive ring; head, tail and entries count 16-byte descriptors."""

    __slots__ = ("bsize", "drop_en", "legacy", "limit", "maxdesc", "nic", "rsc", "rsc_on", "rsc_timer", "stat", "vme")

    def __init__(self, nic: Ixgbe, index: int) -> None:
        self.nic: Ixgbe = nic
        self.stat: int = 0
        self.rsc: dict[bytes, Coalesced] = {}
        self.rsc_timer: object = None
        super().__init__(index)

    def clear(self) -> None:
        super().clear()
        self.bsize: int = 2048
        self.legacy: bool = True
        self.drop_en: bool = False
        self.vme: bool = False
        self.limit: int = 1 << 30
        self.rsc_on: bool = False
        self.maxdesc: int = 1

    def rsc_expired(self) -> None:
        self.rsc_timer = None
        self.nic.rsc_flush(self)


class Ixgbe(IntelNic):
    """One port of an X540 (384 KiB receive buffer) or an 82599 (512 KiB), 128 queues, 64 MSI-X vectors.

    `receive` runs to the end of the frame's DMA when its queue has a descriptor; else the frame is dropped
    (SRRCTL.DROP_EN or QDE, counted in QPRDC) or waits in the packet buffer, with all that come behind it. With
    receive side coalescing on, TCP frames of a flow are held for at most the vector's EITR interval and stored as
    one. Descriptors are written back at once and transmission takes no time.
    """

    __slots__ = (
        "dmatxctl",
        "eiac",
        "eiam",
        "fctrl",
        "fdir",
        "fifo",
        "gpie",
        "hlreg0",
        "ints",
        "mfs",
        "micr",
        "mims",
        "mrqc",
        "other_vec",
        "qbrc",
        "qbtc",
        "qde_mask",
        "qprc",
        "qprdc",
        "qptc",
        "reta",
        "ring_regs",
        "rx",
        "rxctrl",
        "stat_at",
        "tx",
        "veiam",
        "vlnctrl",
        "x540",
    )

    def __init__(
        self,
        mac: bytes = b"\x52\x54\x00\x12\x34\x56",
        *,
        x540: bool = True,
        autoneg_ns: int = 0,
        sub_vendor: int = 0x8086,
        sub_device: int = -1,
    ) -> None:
        """`mac`: permanent address, 6 bytes. `autoneg_ns`: time autonegotiation takes."""
        device = r.DEV_ID_X540T if x540 else r.DEV_ID_82599_KX4
        if sub_device < 0:
            sub_device = 0x0002 if x540 else 0x000C
        config = PciConfig(r.VENDOR_ID, device, revision=1, sub_vendor=sub_vendor, sub_device=sub_device)
        config.add_bar(0, r.CSR_SIZE_X540 if x540 else r.CSR_SIZE_82599, BAR_MEM64, True)
        config.add_bar(2, r.IO_SIZE, BAR_IO)
        config.add_bar(4, r.MSIX_SIZE, BAR_MEM64, True)
        config.add_pm(0x40, pmc=0x0023, pmcsr=0x0008)
        config.add_msi(0x50, maskable=True)
        config.add_msix(0x70, r.MSIX_VECTORS, 4, 0, 4, r.MSIX_PBA)
        config.add_pcie(0xA0, version=2, devcap=0x10008CC2, speed=2, width=8, lnkcap=0x400)
        config.add_aer(0x100, version=1)
        config.add_dsn(0x140, mac)
        nvm = Nvm(self._nvm_words(mac, device, sub_vendor, sub_device))
        nvm.fix_checksum()
        rar_at = [r.RAL(i) for i in range(r.RAR_ENTRIES)]
        super().__init__(config, mac, MsixTable(config, r.MSIX_VECTORS), X540Phy(), nvm, autoneg_ns, rar_at)
        self.nvm_mac = r.NVM_MAC0
        self.msix_bar = 4
        self.io_end = r.CSR_SIZE_82599
        self.vme = True
        self.x540: bool = x540
        self.stats = [0] * len(r.STATS)
        self.stat_at: dict[int, int] = {off: i for i, (_name, off) in enumerate(r.STATS)}
        self.qprc: list[int] = [0] * r.STAT_QUEUES
        self.qbrc: list[int] = [0] * r.STAT_QUEUES
        self.qprdc: list[int] = [0] * r.STAT_QUEUES
        self.qptc: list[int] = [0] * r.STAT_QUEUES
        self.qbtc: list[int] = [0] * r.STAT_QUEUES
        self.rx: list[RxQueue] = [RxQueue(self, i) for i in range(r.MAX_QUEUES)]
        self.tx: list[AdvTxQueue] = [AdvTxQueue(i) for i in range(r.MAX_QUEUES)]
        self.ring_regs: dict[int, int] = {}
        for q in range(r.MAX_QUEUES):
            for field in (_BASE_LOW, _BASE_HIGH, _LEN, _HEAD, _TAIL, _DCTL, _RSCCTL):
                self.ring_regs[r.RDBAL(q) + field] = q << 8 | field
            self.ring_regs[r.SRRCTL(q)] = q << 8 | _SRRCTL
            for field in (_BASE_LOW, _BASE_HIGH, _LEN, _HEAD, _TAIL, _DCTL):
                self.ring_regs[r.TDBAL(q) + field] = _TX | q << 8 | field
        self.fifo: deque[Waiting] = deque()
        self.fdir: FlowDirector = FlowDirector()
        # decoded registers
        self.rxctrl: int = 0
        self.dmatxctl: int = 0
        self.hlreg0: int = 0
        self.fctrl: int = 0
        self.vlnctrl: int = 0
        self.mrqc: int = 0
        self.mfs: int = 1518
        self.qde_mask: int = 0
        self.reta: list[int] = [0] * r.RETA_ENTRIES
        # interrupts: other causes (bits of EICR), and one bit a vector
        self.micr: int = 0
        self.mims: int = 0
        self.ints: Vectors = Vectors(self, r.MSIX_VECTORS)
        self.veiam: int = 0
        self.eiam: int = 0
        self.eiac: int = 0
        self.gpie: int = 0
        self.other_vec: int = -1
        self._global_reset()

    @staticmethod
    def _nvm_words(mac: bytes, device: int, sub_vendor: int, sub_device: int) -> list[int]:
        words = [0xFFFF] * r.NVM_WORDS
        words[0:16] = [0x0000] * 16
        words[r.NVM_PBANUM0_PTR : r.NVM_PBANUM0_PTR + 2] = [r.PBANUM_PTR_GUARD, 0x0120]
        words[0x120:0x126] = [0x0006, 0x4736, 0x3334, 0x3831, 0x2D30, 0x3033]  # "G63481-003"
        words[0x1A] = device
        words[r.NVM_DEVICE_CAPS] = r.NVM_DEVICE_CAPS_NO_CROSSTALK_WR
        words[r.NVM_ETK_OFF_LOW] = 0x0314
        words[r.NVM_ETK_OFF_HI] = 0x8000
        words[0x30:0x32] = [sub_device, sub_vendor]
        words[r.NVM_MAC0 : r.NVM_MAC0 + 3] = [
            mac[0] | mac[1] << 8,
            mac[2] | mac[3] << 8,
            mac[4] | mac[5] << 8,
        ]
        return words

    # ------------------------------------------------------------------ reset
    def device_reset(self) -> None:
        """Power-on: registers, PHY, counters. The cable stays as it is."""
        self._global_reset()
        self.phy.reset()
        self._renegotiate()
        self.micr = 0

    def _global_reset(self) -> None:
        """CTRL.RST: all but PCI configuration, PHY and NVM."""
        for w in self.fifo:
            self.bus.frame_dropped(w.tag, "device reset", "none")
        self.fifo.clear()
        self._common_reset()
        self.regs = dict(r.RESET_VALUES)
        kib = r.RX_PB_KIB_X540 if self.x540 else r.RX_PB_KIB_82599
        self.regs[r.RXPBSIZE(0)] = kib << 10
        self.fifo_size = kib << 10
        if not self.x540:
            self.regs[r.AUTOC] = r.AUTOC_LMS_KX4_KX_KR | r.AUTOC_KX4_SUPP | r.AUTOC_KX_SUPP
        n = r.STAT_QUEUES
        self.qprc, self.qbrc, self.qprdc, self.qptc, self.qbtc = [0] * n, [0] * n, [0] * n, [0] * n, [0] * n
        for q in self.rx:
            self._rsc_discard(q, "device reset")
            q.clear()
            q.stat = 0
        for t in self.tx:
            t.clear()
            t.stat = 0
        self.reta = [0] * r.RETA_ENTRIES
        self.fdir.reset()
        self.ints.reset()
        self.micr = self.mims = self.veiam = self.eiam = self.eiac = self.gpie = 0
        self._decode_vectors()
        self.other_vec = -1
        self.ctrl = self.rxctrl = self.rxcsum = self.mrqc = self.fctrl = self.qde_mask = 0
        self.dmatxctl = self.regs[r.DMATXCTL]
        self.hlreg0 = self.regs[r.HLREG0]
        self.vlnctrl = self.regs[r.VLNCTRL]
        self._load_mac()
        self._update_link()
        self.micr = 0
        self.set_intx(False)

    def _decode_rx(self) -> None:
        """Work out what receive needs from MHADD, HLREG0, VLNCTRL, MRQC, RXCTRL."""
        self.mfs = self.regs.get(r.MHADD, 0) >> r.MHADD_MFS_SHIFT
        self.max_size = self.mfs if self.hlreg0 & r.HLREG0_JUMBOEN else 1518
        self.strip_crc = bool(self.hlreg0 & r.HLREG0_RXCRCSTRP)
        self.vet = self.vlnctrl & r.VLNCTRL_VET
        self.vlan_cfi = int(bool(self.vlnctrl & r.VLNCTRL_CFI)) if self.vlnctrl & r.VLNCTRL_CFIEN else -1
        self.rss = self.mrqc & r.MRQC_RSS_FIELD_MASK
        self.rss_multi = self.mrqc & r.MRQC_MRQE_MASK == r.MRQC_RSSEN
        on = bool(self.rxctrl & r.RXCTRL_RXEN) and self.link_lu and self.config.d_state == 0
        self.rx_on = on and not self.loop and not self.regs.get(r.SECRXCTRL, 0) & r.SECRXCTRL_RX_DIS

    def _decode_queue(self, q: RxQueue) -> None:
        """What a receive queue needs from SRRCTL, RXDCTL, RSCCTL, RFCTL and QDE."""
        regs = self.regs
        srrctl = regs.get(r.SRRCTL(q.index), 0)
        q.bsize = (srrctl & r.SRRCTL_BSIZEPKT_MASK) << r.SRRCTL_BSIZEPKT_SHIFT or 1024
        q.legacy = not srrctl & r.SRRCTL_DESCTYPE_MASK
        q.drop_en = bool(srrctl & r.SRRCTL_DROP_EN) or bool(self.qde_mask >> q.index & 1)
        dctl = regs.get(r.RXDCTL(q.index), 0)
        q.vme = bool(dctl & r.RXDCTL_VME)
        q.limit = dctl & r.RXDCTL_RLPMLMASK if self.x540 and dctl & r.RXDCTL_RLPML_EN else 1 << 30
        rscctl = regs.get(r.RSCCTL(q.index), 0)
        on = bool(rscctl & r.RSCCTL_RSCEN) and not regs.get(r.RFCTL, 0) & r.RFCTL_RSC_DIS and self.strip_crc
        if q.rsc_on and not on:
            self.rsc_flush(q)
        q.rsc_on = on and not q.legacy
        q.maxdesc = (1, 4, 8, 16)[rscctl >> 2 & 3]

    # ------------------------------------------------------------------ link and PHY
    def _speed(self) -> int:
        if self.x540:
            return self.phy.speed()
        autoc = self.regs.get(r.AUTOC, 0)
        return 10000 if autoc & r.AUTOC_KX4_SUPP else 1000 if autoc & r.AUTOC_KX_SUPP else 0

    def _update_link(self) -> None:
        """Follow the PHY: LINKS, LSC on a change, and what depends on the link."""
        forced = self.regs.get(r.MACC, 0) & r.MACC_FLU if self.x540 else self.regs.get(r.AUTOC, 0) & r.AUTOC_FLU
        self.loop = bool(self.hlreg0 & r.HLREG0_LPBK)
        up = (self.phy.link() if self.x540 else self.phy.cable and self.phy.done) or bool(forced and self.loop)
        changed = up != self.link_lu
        self.link_lu = up
        links = 0
        if up:
            speed = self._speed() or 10000
            links = r.LINKS_UP
            links |= r.LINKS_SPEED_10G if speed == 10000 else r.LINKS_SPEED_1G if speed == 1000 else r.LINKS_SPEED_100
            if not self.x540:
                links |= r.LINKS_KX_AN_COMP
        self.regs[r.LINKS] = links
        self._decode_rx()
        if changed:
            self._raise(r.EICR_LSC)
            if up:
                self._tx_kick()

    def _mdio(self, command: int) -> None:
        """MSCA: one management frame, done at once. The address cycle is implied by the register field."""
        self.regs[r.MSCA] = command & ~r.MSCA_MDI_COMMAND
        if not command & r.MSCA_MDI_COMMAND:
            return
        mmd = command >> r.MSCA_DEV_TYPE_SHIFT & 0x1F
        reg = command & r.MSCA_NP_ADDR_MASK
        here = self.x540 and command >> r.MSCA_PHY_ADDR_SHIFT & 0x1F == r.PHY_ADDR
        op = command & r.MSCA_OP_MASK
        low = self.regs.get(r.MSRWD, 0) & 0xFFFF
        if command & r.MSCA_OLD_PROTOCOL:
            if op != r.MSCA_WRITE:
                self.regs[r.MSRWD] = low | 0xFFFF << r.MSRWD_READ_DATA_SHIFT  # no clause 22 device
        elif op in (r.MSCA_READ, r.MSCA_READ_AUTOINC):
            value = self.phy.read(mmd << 16 | reg) if here else 0xFFFF
            self.regs[r.MSRWD] = low | value << r.MSRWD_READ_DATA_SHIFT
        elif op == r.MSCA_WRITE and here:
            if self.phy.write(mmd << 16 | reg, low) == PHY_RESTART:
                self._renegotiate()

    # ------------------------------------------------------------------ registers
    def _read32(self, off: int) -> int:
        if off == r.EICR:
            return self._read_eicr()
        code = self.ring_regs.get(off, -1)
        if code >= 0:
            field = code & 0xFF
            n = code >> 8 & 0xFF
            if field == _HEAD:
                return self.tx[n].head if code & _TX else self.rx[n].head
            if field == _TAIL:
                return self.tx[n].tail if code & _TX else self.rx[n].tail
            return self.regs.get(off, 0)
        stat = self.stat_at.get(off, -1)
        if stat >= 0:
            return self._read_stat(stat)
        if off == r.EICS:
            return self.micr | self.ints.cause & 0xFFFF | (r.EICR_OTHER if self.micr else 0)
        if off == r.EIMS:
            return self.mims | self.ints.mask & 0xFFFF
        if off == r.STATUS:
            return 0 if self.ctrl & r.CTRL_GIO_DIS else r.STATUS_GIO
        if r.EIMS_EX0 <= off < r.EIMS_EX0 + 8:
            return self.ints.mask >> 8 * (off - r.EIMS_EX0) & 0xFFFFFFFF
        if r.EICS_EX0 <= off < r.EICS_EX0 + 8:
            return self.ints.cause >> 8 * (off - r.EICS_EX0) & 0xFFFFFFFF
        if off == r.SWSM:
            return self._take_semaphore(off, r.SWSM_SMBI)
        if off == r.SWFW_SYNC and self.x540:
            return self._take_semaphore(off, r.SWFW_REGSMP)
        if off == r.EEC:
            v = self.regs.get(off, 0) & (r.EEC_REQ | 0xF)
            return (
                v
                | r.EEC_PRES
                | r.EEC_ARD
                | r.EEC_ADDR_SIZE
                | r.NVM_SIZE_CODE << r.EEC_SIZE_SHIFT
                | r.EEC_FLUDONE
                | (r.EEC_GNT if v & r.EEC_REQ else 0)
            )
        if off >= 0x1000 and (off < 0x1840 or 0x6030 <= off < 0x6430 or 0x8700 <= off < 0x8780):
            return self._read_queue_stat(off)
        if r.FDIRCTRL <= off <= r.FDIRIP6M:
            return self.fdir.read(off)
        if off == r.FRTIMER:
            return self.bus.now_ns() // 1000 & 0xFFFFFFFF
        if off == r.SYSTIML:
            v = self.bus.now_ns() & 0xFFFFFFFFFFFFFFFF if self.regs.get(r.TIMINCA, 0) else 0
            self.regs[r.SYSTIMH] = v >> 32
            return v & 0xFFFFFFFF
        if off == r.LINKS2:
            return 0
        return self.regs.get(off, 0)

    def _read_stat(self, i: int) -> int:
        v = self.stats[i]
        self.stats[i] = 0
        if i in r.WIDE_STATS:
            self.regs[r.STATS[i][1] + 4] = v >> 32 & 0xF
            return v & 0xFFFFFFFF
        return min(v, 0xFFFFFFFF)

    def _read_queue_stat(self, off: int) -> int:
        """QPRC, QBRC, QPRDC, QPTC, QBTC: clear when read; an upper half is latched with its lower one."""
        table: list[int] | None = None
        i = 0
        if off < 0x1430:
            i = (off - 0x1000) >> 6
            if off & 0x3F == 0x30:
                table = self.qprc
            elif off & 0x3F == 0x34:
                table = self.qbrc
        elif off < 0x1840:
            i = (off - 0x1430) >> 6
            if off & 0x3F == 0x30:
                table = self.qprdc
        elif off < 0x6430:
            i = (off - 0x6000) >> 6
            if off & 0x3F == 0x30:
                table = self.qptc
        elif not off & 7:
            i = (off - 0x8700) >> 3
            table = self.qbtc
        if table is None or i >= r.STAT_QUEUES:
            return self.regs.get(off, 0)
        v = table[i]
        table[i] = 0
        if table is self.qbrc or table is self.qbtc:
            self.regs[off + 4] = v >> 32 & 0xF
        return v & 0xFFFFFFFF

    def _write32(self, off: int, value: int) -> None:
        ints = self.ints
        if r.EIMS_EX0 <= off < r.EIMS_EX0 + 8:
            bits = value << 8 * (off - r.EIMS_EX0)
            ints.mask |= bits
            ints.want |= ints.cause & bits  # unmasking a cause that is set interrupts again
            if self.multi:
                ints.send_wanted()
            else:
                self._evaluate(bits & 0xFFFF)
            return
        code = self.ring_regs.get(off, -1)
        if code >= 0:
            kept = value & r.WRITE_MASKS.get(off, 0)
            if code & _TX:
                self._write_tx_ring(self.tx[code >> 8 & 0xFF], code & 0xFF, off, kept)
            else:
                self._write_rx_ring(self.rx[code >> 8 & 0xFF], code & 0xFF, off, kept)
        elif r.EITR(0) <= off <= r.EITR(23) or r.EITR(24) <= off <= r.EITR(63):
            self._write_eitr(off, value)
        elif off == r.EIMS:
            self.mims |= value & r.EICR_MISC
            ints.mask |= value & 0xFFFF
            ints.want |= ints.cause & value & 0xFFFF
            ints.signalled &= ~value
            if self.multi:
                ints.send_wanted()
                if self.micr & value & r.EICR_MISC:
                    self._queue_event(self.other_vec)
            else:
                self._evaluate(value)
        elif off == r.EIMC:
            self.mims &= ~value
            ints.mask &= ~(value & 0xFFFF)
            self._evaluate(0)
        elif r.EIMC_EX0 <= off < r.EIMC_EX0 + 8:
            ints.mask &= ~(value << 8 * (off - r.EIMC_EX0))
            self._evaluate(0)
        elif off == r.EICS:
            self._cause(value & 0xFFFF)
            self._raise(value & r.EICR_MISC)
        elif r.EICS_EX0 <= off < r.EICS_EX0 + 8:
            self._cause(value << 8 * (off - r.EICS_EX0))
        elif off == r.EICR:
            self.micr &= ~value
            ints.cause &= ~(value & 0xFFFF)
            ints.want &= ~(value & 0xFFFF)
            self._evaluate(0)
        elif off == r.EIAM:
            self.eiam = value & 0x7FFFFFFF
            self.veiam = self.veiam & ~0xFFFF | value & 0xFFFF
            self._decode_vectors()
            self.regs[off] = self.eiam
        elif r.EIAM_EX0 <= off < r.EIAM_EX0 + 8:
            shift = 8 * (off - r.EIAM_EX0)
            self.veiam = self.veiam & ~(0xFFFFFFFF << shift) | value << shift
            self._decode_vectors()
            self.regs[off] = value
        else:
            self._write_other(off, value, r.WRITE_MASKS.get(off, 0))

    def _write_eitr(self, off: int, value: int) -> None:
        v = self.ints.vectors[(off - 0x820) >> 2 if off < 0x12300 else 24 + ((off - 0x12300) >> 2)]
        self.regs[off] = value & (r.EITR_ITR_INT_MASK | r.EITR_LLI_MOD)
        v.moderate(((value & r.EITR_ITR_INT_MASK) >> 3) * EITR_UNIT_NS, not value & r.EITR_CNT_WDIS)

    def _write_other(self, off: int, value: int, mask: int) -> None:
        """Everything that is not written in the course of traffic."""
        kept = value & mask
        if off == r.MSCA:
            self._mdio(value)
        elif off == r.EERD:
            self._nvm_read_register(off, value)
        elif off == r.EEWR:
            self.nvm.write(value >> r.EERD_ADDR_SHIFT & 0x3FFF, value >> r.EERD_DATA_SHIFT & 0xFFFF)
            self.regs[off] = value | r.EERD_DONE
        elif off == r.EEC:
            self.regs[off] = value & 0x4F
        elif off == r.SWSM:
            self.regs[off] = value & 0x7
        elif off == r.SWFW_SYNC:
            self.regs[off] = value
        elif off == r.MSRWD:
            self.regs[off] = self.regs.get(off, 0) & 0xFFFF0000 | kept
        elif off == r.CTRL:
            if value & r.CTRL_RST_MASK:
                self._global_reset()
                if value & r.CTRL_LNK_RST:
                    self._renegotiate()
                return
            self.ctrl = kept
            self.regs[off] = kept
            self._drain()
            self._tx_kick()
        elif r.FDIRCTRL <= off <= r.FDIRIP6M:
            if self.fdir.write(off, value):
                self._raise(r.EICR_FLOW_DIR)
        elif not mask:
            return  # read only, or not there at all
        else:
            self.regs[off] = kept
            if off == r.RDRXCTL:
                self.regs[off] = kept | r.RDRXCTL_DMAIDONE
            elif off == r.RXCTRL:
                self.rxctrl = kept
                self._decode_rx()
                self._drain()
            elif off == r.SECRXCTRL or off == r.MHADD:
                self._decode_rx()
            elif off == r.HLREG0:
                self.hlreg0 = kept
                self._update_link()
                for q in self.rx:
                    self._decode_queue(q)
            elif off == r.MACC:
                self._update_link()
            elif off == r.AUTOC:
                if value & r.AUTOC_AN_RESTART and not self.x540:
                    self._renegotiate()
                else:
                    self._update_link()
            elif off == r.DMATXCTL:
                self.dmatxctl = kept
                self._tx_kick()
            elif off == r.GPIE:
                self.gpie = kept
                self._decode_interrupts()
            elif off == r.EIAC:
                self.eiac = kept
                self._decode_vectors()
            elif r.IVAR0 <= off < r.IVAR0 + 4 * r.IVAR_REG_NUM:
                self._decode_ivar((off - r.IVAR0) >> 2)
            elif off == r.IVAR_MISC:
                self.other_vec = self._vector_of(kept >> 8 & 0xFF)
            elif off == r.RXCSUM:
                self.rxcsum = kept
            elif off == r.RFCTL:
                for q in self.rx:
                    self._decode_queue(q)
            elif off == r.FCTRL:
                self.fctrl = kept
            elif off == r.VLNCTRL:
                self.vlnctrl = kept
                self._decode_rx()
            elif off == r.MRQC:
                self.mrqc = kept
                self._decode_rx()
            elif off == r.QDE:
                if kept & 0x10000:  # write enable: queue in bits 14:8, bit 0 the value
                    bit = 1 << (kept >> 8 & 0x7F)
                    self.qde_mask = self.qde_mask | bit if kept & 1 else self.qde_mask & ~bit
                    self._decode_queue(self.rx[kept >> 8 & 0x7F])
                    self._drain()
            elif off == r.RXPBSIZE(0):
                self.fifo_size = kept
            elif r.RETA(0) <= off < r.RETA(0) + r.RETA_ENTRIES:
                i = off - r.RETA(0)
                self.reta[i : i + 4] = [kept >> 8 * k & 0xF for k in range(4)]
            elif r.RSSRK(0) <= off <= r.RSSRK(9):
                self._load_rss_key(r.RSSRK(0))
            elif r.RAL(0) <= off < r.RAL(0) + 0x80 or r.RAL(16) <= off <= r.RAH(127):
                self._decode_rar()
            elif r.MTA(0) <= off <= r.MTA(127):
                self._write_mta((off - r.MTA(0)) >> 2, kept)
            elif r.VFTA(0) <= off <= r.VFTA(127):
                self.vfta[(off - r.VFTA(0)) >> 2] = kept
            elif r.RQSMR(0) <= off <= r.RQSMR(31):
                for k in range(4):
                    self.rx[off - r.RQSMR(0) + k].stat = kept >> 8 * k & 0xF
            elif 0x08600 <= off < 0x08680:
                for k in range(4):
                    self.tx[off - 0x08600 + k].stat = kept >> 8 * k & 0xF

    def config_changed(self, off: int, size: int) -> None:
        """Bus mastering, power state or the interrupt kind may have changed."""
        if off < 8 or off >= 0x40:
            self._decode_interrupts()
            self._decode_rx()
            self._evaluate(0)
            self._drain()
            self._tx_kick()

    def _master(self) -> bool:
        return self.config.bus_master and not self.ctrl & r.CTRL_GIO_DIS

    # ------------------------------------------------------------------ interrupts
    def _vector_of(self, entry: int) -> int:
        return entry & 0x3F if entry & r.IVAR_ALLOC_VAL else -1

    def _decode_ivar(self, n: int) -> None:
        """Which vector queues 2n and 2n+1 go to, -1 for none."""
        entry = self.regs.get(r.IVAR(n), 0)
        for k in range(2):
            self.rx[2 * n + k].vec = self._vector_of(entry >> 16 * k & 0xFF)
            self.tx[2 * n + k].vec = self._vector_of(entry >> 16 * k + 8 & 0xFF)

    def _decode_interrupts(self) -> None:
        self.multi = bool(self.gpie & r.GPIE_MSIX_MODE) and self.config.msix_on
        self._decode_vectors()

    def _decode_vectors(self) -> None:
        """What a message clears (the vectors that EICR does not show: always) and masks."""
        self.ints.auto_clear = self.eiac | ALL_VECTORS & ~0xFFFF
        self.ints.auto_mask = self.veiam if self.gpie & r.GPIE_EIAME else 0

    def _read_eicr(self) -> int:
        """Read EICR: it clears (only the other causes with GPIE.OCD); EIAM masks when not in MSI-X mode."""
        ints = self.ints
        v = self.micr | ints.cause & 0xFFFF | (r.EICR_OTHER if self.micr else 0)
        self.micr = 0
        if not self.gpie & r.GPIE_OCD:
            ints.cause &= ~0xFFFF
            ints.want &= ~0xFFFF
        if not self.multi:
            ints.mask &= ~(self.eiam & 0xFFFF)
            self.mims &= ~(self.eiam & r.EICR_MISC)
            self._evaluate(0)
        return v

    def _queue_event(self, vec: int) -> None:
        """A queue (or, with MSI-X, the other causes) has something for vector `vec`."""
        if vec < 0:
            return
        ints = self.ints
        if not self.multi:
            bit = 1 << vec
            ints.cause |= bit & 0xFFFF
            if ints.mask & bit & ~ints.signalled:
                self._evaluate(0)
        elif vec == self.other_vec:
            ints.send(ints.vectors[vec])
        else:
            ints.event(vec)

    def _cause(self, bits: int) -> None:
        """Software sets causes of vectors (EICS)."""
        self.ints.cause |= bits
        if self.multi:
            self.ints.want |= bits
            self.ints.send_wanted()
        else:
            self._evaluate(0)

    def vector_expired(self, v: Vector) -> None:
        """The moderation interval of `v` is over."""
        if self.multi:
            if v.index == self.other_vec:
                if self.micr & self.mims:
                    self.ints.send(v)
            elif self.ints.want & self.ints.mask & v.bit:
                self.ints.send(v)
        elif v.index == 0:
            self._evaluate(0)

    def _raise(self, causes: int) -> None:
        """Set other causes in EICR and interrupt if the mask lets them."""
        if not causes:
            return
        self.micr |= causes
        if self.multi:
            if causes & self.mims:
                self._queue_event(self.other_vec)
        else:
            self._evaluate(0)

    def _evaluate(self, unmasked: int) -> None:
        """MSI and INTx: one message for causes not yet announced, or the line's level. `unmasked`: causes that a
        write of EIMS just let through.
        """
        if self.multi:
            return
        ints = self.ints
        active = self.micr & self.mims | ints.cause & ints.mask & 0xFFFF
        ints.signalled &= active & ~unmasked
        ints.announce(active)

    # ------------------------------------------------------------------ receive: the MAC
    def _deaf(self) -> str:
        return "mac loopback" if self.loop else super()._deaf()

    def _accept(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> bool:
        stats = self.stats
        size = len(frame) + 4
        stats[S_TPR] += 1
        stats[S_TOR] += size
        if (size < 64 or size > self.max_size or not fcs_ok) and not self._odd_size(frame, size, tag, fcs_ok):
            return False
        dst = frame[:6]
        fctrl = self.fctrl
        if frame[12:14] == b"\x88\x08" and fcs_ok and self._mac_control(frame, dst, tag):
            return False
        if dst in self.rar:
            pass
        elif dst[0] & 1:
            if dst == BROADCAST:
                if not fctrl & r.FCTRL_BAM:
                    self.bus.frame_dropped(tag, "mac filter", "none")
                    return False
            elif not fctrl & r.FCTRL_MPE and not self._group_match(dst):
                self.bus.frame_dropped(tag, "mac filter", "none")
                return False
        elif not fctrl & r.FCTRL_UPE:
            self.bus.frame_dropped(tag, "mac filter", "none")
            return False
        if self.vlnctrl & r.VLNCTRL_VFE and not self._vlan_match(frame):
            self.bus.frame_dropped(tag, "vlan filter", "none")
            return False
        if fcs_ok:
            # GPRC counts what the packet buffer then refuses, too: the driver subtracts MPC from it
            stats[S_GPRC] += 1
            stats[S_GORC] += size
            if frame[0] & 1:
                stats[r.S_BPRC if dst == BROADCAST else r.S_MPRC] += 1
            stats[r.S_PRC64 + bisect_left(SIZES, size)] += 1
        if not self.fifo:
            fate = self._store(frame, tag, fcs_ok)
            if fate != WAITS:
                return fate == STORED
        # the frame waits in the packet buffer, if it has room
        need = (size + 31) & ~15
        if self.fifo_bytes + need > self.fifo_size:
            stats[r.S_MPC0] += 1
            self.bus.frame_dropped(tag, "rx fifo full", "rx_missed_errors")
            self._raise(r.EICR_RX_MISS)
            return False
        self._wait(Waiting(frame, tag, fcs_ok, None, need))
        return True

    def _wait(self, w: Waiting) -> None:
        self.fifo.append(w)
        self.fifo_bytes += w.size
        if self.regs.get(r.FCCFG, 0) & r.FCCFG_TFCE_802_3X and not self.sent_xoff:
            high = self.regs.get(r.FCRTH(0), 0)
            if high & r.FCRTH_FCEN and self.fifo_bytes > high & 0x7FFE0:
                self.sent_xoff = True
                self._xoff()

    def _xoff(self) -> None:
        self.stats[r.S_LXOFFTXC] += 1
        self._send_pause(self.regs.get(r.FCTTV(0), 0) & 0xFFFF)

    def _odd_size(self, frame: bytes, size: int, tag: Tag | None, fcs_ok: bool) -> bool:
        """A runt, a giant or a bad FCS: count it. True when it is stored all the same.

        A tagged frame may be 4 bytes longer than MHADD.MFS; a bad one is stored with FCTRL.SBP.
        """
        stats = self.stats
        store = bool(self.fctrl & r.FCTRL_SBP) and size >= 18
        if size < 64:
            stats[r.S_RUC if fcs_ok else r.S_RFC] += 1
            reason = "runt"
            counter = "rx_short_length_errors" if fcs_ok else "none"
        elif size > self.max_size:
            tagged = len(frame) >= 18 and frame[12] << 8 | frame[13] == self.vet
            if tagged and fcs_ok and size <= self.max_size + 4:
                return True
            stats[r.S_ROC if fcs_ok else r.S_RJC] += 1
            reason = "frame too long"
            counter = "rx_long_length_errors" if fcs_ok else "none"
            store = False  # what is too long is never stored
        else:
            stats[r.S_CRCERRS] += 1
            reason = "crc error"
            counter = "rx_crc_errors"
        if not store:
            self.bus.frame_dropped(tag, reason, counter)
        return store

    def _group_match(self, dst: bytes) -> bool:
        """The multicast table, when MCSTCTRL.MFE is set."""
        ctl = self.regs.get(r.MCSTCTRL, 0)
        return bool(self.mta_any and ctl & r.MCSTCTRL_MFE and self._hash_match(dst, ctl & r.MCSTCTRL_MO))

    def _mac_control(self, frame: bytes, dst: bytes, tag: Tag | None) -> bool:
        """A MAC control frame. True when the MAC keeps it (booked as lost to the host)."""
        mflcn = self.regs.get(r.MFLCN, 0)
        if not mflcn & r.MFLCN_RFCE or (dst != PAUSE_DST and dst not in self.rar):
            return False
        if frame[14:16] != b"\x00\x01" or len(frame) < 18:
            return False
        quanta = frame[16] << 8 | frame[17]
        self.stats[r.S_LXOFFRXCNT if quanta else r.S_LXONRXCNT] += 1
        # in bit times at the speed of the link
        self._pause(quanta * PAUSE_QUANTUM_BITS * 1000 // (self._speed() or 10000))
        if mflcn & r.MFLCN_PMCF and not mflcn & r.MFLCN_DPF:
            return False
        self.bus.frame_dropped(tag, "pause frame", "rx_flow_control_xoff" if quanta else "rx_flow_control_xon")
        return True

    # ------------------------------------------------------------------ receive: descriptors and DMA
    def _write_rx_ring(self, q: RxQueue, field: int, off: int, value: int) -> None:
        if field == _TAIL:
            q.tail = value
            q.view = None  # look at the ring's mapping afresh
            if self.fifo:
                self._drain()
            return
        self.regs[off] = value
        if field == _HEAD:
            q.head = value
        elif field == _LEN:
            q.entries = value >> 4
        elif field == _SRRCTL or field == _RSCCTL:
            self._decode_queue(q)
        elif field == _DCTL:
            was = q.enabled
            q.enabled = bool(value & r.RXDCTL_ENABLE)
            self._decode_queue(q)
            if was and not q.enabled:
                self._rsc_discard(q, "rx queue disabled")
            elif q.enabled:
                self._drain()
        else:
            base = r.RDBAL(q.index)
            q.base = self.regs.get(base, 0) | self.regs.get(base + 4, 0) << 32
        q.view = None

    def _drain(self) -> None:
        """Move waiting frames to memory while descriptors last. The first one holds up all behind it."""
        fifo = self.fifo
        if not fifo or not self.rxctrl & r.RXCTRL_RXEN:
            return
        while fifo:
            w = fifo.popleft()
            n = len(fifo)
            if w.rsc is not None:
                fate = self._deliver_rsc(w.rsc)
            else:
                fate = self._store(w.frame, w.tag, w.fcs_ok)
            if fate == WAITS:
                fifo.insert(len(fifo) - n, w)  # behind coalesced frames of its flow that had to wait, too
                break
            self.fifo_bytes -= w.size
        if self.sent_xoff:
            low = self.regs.get(r.FCRTL(0), 0)
            if self.fifo_bytes < low & 0x7FFE0:
                self.sent_xoff = False
                if low & r.FCRTL_XONE:
                    self.stats[r.S_LXONTXC] += 1
                    if self.pause_sink is not None:
                        self.pause_sink(0)

    def _store(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> int:
        """Write one frame to host memory with its descriptor(s) and interrupt; returns WAITS, STORED or LOST."""
        if not self._master():
            return WAITS
        status = DD_EOP
        off = 14
        tci = -1
        kind = frame[12] << 8 | frame[13]
        if kind == self.vet and len(frame) >= 18:
            kind = frame[16] << 8 | frame[17]
            tci = frame[14] << 8 | frame[15]
            off = 18
        p = self.pkt
        p.parse(frame, off, kind, True, True)
        info = 0
        if p.l3 == 4:
            info = (
                r.RXDADV_PKTTYPE_IPV4
                if p.l4_off <= p.l3_off + 20
                else (r.RXDADV_PKTTYPE_IPV4 | r.RXDADV_PKTTYPE_IPV4_EX)
            )
        elif p.l3 == 6:
            info = (
                r.RXDADV_PKTTYPE_IPV6
                if p.l4_off <= p.l3_off + 40
                else (r.RXDADV_PKTTYPE_IPV6 | r.RXDADV_PKTTYPE_IPV6_EX)
            )
        if p.ip_csum != CSUM_NONE:
            status |= r.RXD_STAT_IPCS
            if p.ip_csum == CSUM_BAD:
                status |= r.RXDADV_ERR_IPE
        if p.l4 == IPPROTO_TCP:
            info |= r.RXDADV_PKTTYPE_TCP
        elif p.l4 == IPPROTO_UDP:
            info |= r.RXDADV_PKTTYPE_UDP
        if p.l4_csum != CSUM_NONE:
            status |= r.RXD_STAT_L4CS if p.l4 == IPPROTO_TCP else r.RXD_STAT_L4CS | r.RXD_STAT_UDPCS
            if p.l4_csum == CSUM_BAD:
                status |= r.RXDADV_ERR_TCPE
        elif not self.x540 and p.l4 == IPPROTO_UDP and not p.fragment and p.l3 == 4:
            # the 82599 reports a UDP datagram without a checksum as checked and wrong
            status |= r.RXD_STAT_L4CS | r.RXD_STAT_UDPCS | r.RXDADV_ERR_TCPE
        if not fcs_ok:
            status |= r.RXDADV_ERR_CE
        word = 0
        index = 0
        rss = self.rss
        if rss and self.rss_multi:
            l4 = p.l4_off
            if p.l3 == 4:
                src = p.l3_off + 12
                if (p.l4 == IPPROTO_TCP and rss & r.MRQC_RSS_FIELD_IPV4_TCP and not p.fragment) or (
                    p.l4 == IPPROTO_UDP and rss & r.MRQC_RSS_FIELD_IPV4_UDP and not p.fragment
                ):
                    info |= r.RXDADV_RSSTYPE_IPV4_TCP if p.l4 == IPPROTO_TCP else r.RXDADV_RSSTYPE_IPV4_UDP
                    word = self.toeplitz.hash(
                        frame[src : src + 12] if l4 == src + 8 else frame[src : src + 8] + frame[l4 : l4 + 4]
                    )
                elif rss & r.MRQC_RSS_FIELD_IPV4:
                    info |= r.RXDADV_RSSTYPE_IPV4
                    word = self.toeplitz.hash(frame[src : src + 8])
            elif p.l3 == 6:
                src = p.l3_off + 8
                if p.l4 == IPPROTO_TCP and rss & r.MRQC_RSS_FIELD_IPV6_TCP and not p.fragment:
                    info |= r.RXDADV_RSSTYPE_IPV6_TCP
                    word = self.toeplitz.hash(frame[src : src + 32] + frame[l4 : l4 + 4])
                elif p.l4 == IPPROTO_UDP and rss & r.MRQC_RSS_FIELD_IPV6_UDP and not p.fragment:
                    info |= r.RXDADV_RSSTYPE_IPV6_UDP
                    word = self.toeplitz.hash(frame[src : src + 32] + frame[l4 : l4 + 4])
                elif rss & r.MRQC_RSS_FIELD_IPV6:
                    info |= r.RXDADV_RSSTYPE_IPV6
                    word = self.toeplitz.hash(frame[src : src + 32])
            if info & 15:
                index = self.reta[word & 0x7F]
        if self.fdir.on and p.l3:
            match = self.fdir.find(frame, p, tci)
            if match is None:
                self.stats[r.S_FDIRMISS] += 1
            else:
                self.stats[r.S_FDIRMATCH] += 1
                if match.drop:
                    self.bus.frame_dropped(tag, "flow director rule", "fdir_match")
                    return LOST
                status |= r.RXD_STAT_FLM
                index = match.queue
                if self.fdir.report:
                    info |= r.RXDADV_RSSTYPE_MASK
                    word = match.word
        q = self.rx[index]
        if not q.enabled:
            self.bus.frame_dropped(tag, "rx queue disabled", "none")
            return LOST
        data = frame
        vlan = 0
        stripped = 0
        if tci >= 0 and q.vme:
            vlan = tci
            status |= r.RXD_STAT_VP
            data = frame[:12] + frame[16:]
            stripped = 4
        if len(data) + 4 > q.limit:
            self.bus.frame_dropped(tag, "longer than the queue's limit", "none")
            return LOST
        if not self.strip_crc:
            fcs = zlib.crc32(frame)
            data = data + (fcs if fcs_ok else fcs ^ 0xFFFFFFFF).to_bytes(4, "little")
        if not self.rxcsum & r.RXCSUM_PCSD:
            word = (p.ip_id if p.l3 == 4 else 0) | self._packet_checksum(data) << 16
        if q.rsc_on:
            if fcs_ok and p.l3 == 4 and p.l4 == IPPROTO_TCP:
                fate = self._coalesce(q, data, tag, info, word, status, vlan, stripped)
                if fate != LOST:
                    return fate
        return self._deliver(q, data, tag, info, word, status, vlan, None)

    def _deliver(
        self,
        q: RxQueue,
        data: bytes | bytearray,
        tag: Tag | None,
        info: int,
        word: int,
        status: int,
        vlan: int,
        counts: list[int] | None,
    ) -> int:
        """Write a frame's bytes and descriptors and interrupt. `counts`: RSCCNT of each buffer, if coalesced."""
        n = len(data)
        free = q.tail - q.head
        if free < 0:
            free += q.entries
        count = 1 if n <= q.bsize else -(-n // q.bsize)
        if count > free:
            if not q.drop_en:
                return WAITS
            if q.stat < r.STAT_QUEUES:
                self.qprdc[q.stat] += 1
            self.bus.frame_dropped(tag, "no rx descriptor", "rx_no_dma_resources")
            return LOST
        view = q.view
        if view is None:
            view = self._ring_view(q)
            if view is None:
                return WAITS
        head = q.head
        if count == 1:
            at = head << 4
            if counts is not None:
                info |= counts[0] << r.RXDADV_RSCCNT_SHIFT
            try:
                self.bus.dma_write(_ADDR.unpack_from(view, at)[0], bytes(data), tag)
            except DmaFault:
                self._fault(tag)
            if q.legacy:
                _WB_LEGACY.pack_into(view, at + 8, n, word >> 16, status & 0xFF, status >> 24, vlan)
            else:
                _WB_ADV.pack_into(view, at, info, word, status, n, vlan)
            head += 1
            q.head = head if head < q.entries else 0
        else:
            self._dma_parts(q, view, data, tag, info, word, status, vlan, count, counts)
        self.qprc[q.stat] += 1 if counts is None else 0
        self.qbrc[q.stat] += n + 4 if counts is None else 0
        self._queue_event(q.vec)
        return STORED

    def _dma_parts(
        self,
        q: RxQueue,
        view: memoryview,
        data: bytes | bytearray,
        tag: Tag | None,
        info: int,
        word: int,
        status: int,
        vlan: int,
        count: int,
        counts: list[int] | None,
    ) -> None:
        """A frame that is longer than one buffer: `count` descriptors, the last one with EOP and the rest.

        Coalesced frames name the next descriptor (NEXTP) and have RSCCNT in each.
        """
        bsize = q.bsize
        head = q.head
        for i in range(count):
            part = bytes(data[i * bsize : (i + 1) * bsize])
            at = head << 4
            try:
                self.bus.dma_write(_ADDR.unpack_from(view, at)[0], part, tag if not i else None)
            except DmaFault:
                self._fault(tag if not i else None)
            last = i == count - 1
            head += 1
            if head >= q.entries:
                head = 0
            st = status if last else r.RXD_STAT_DD
            low = info if last else 0
            if counts is not None:
                low |= counts[i] << r.RXDADV_RSCCNT_SHIFT
                if not last:
                    st |= head << r.RXDADV_NEXTP_SHIFT
            if q.legacy:
                _WB_LEGACY.pack_into(
                    view,
                    at + 8,
                    len(part),
                    word >> 16 if last else 0,
                    st & 0xFF,
                    st >> 24,
                    vlan if last else 0,
                )
            else:
                _WB_ADV.pack_into(view, at, low, word if last else 0, st, len(part), vlan if last else 0)
            q.head = head

    def _packet_checksum(self, data: bytes) -> int:
        """One's complement sum from the network header to the end, as the write-back has it."""
        s = ones_sum(data[14:])
        return s >> 8 | (s & 0xFF) << 8

    def in_flight(self) -> int:
        """Frames in the packet buffer, those held by receive side coalescing included."""
        n = 0
        for w in self.fifo:
            n += len(w.rsc.tags) if w.rsc is not None else 1
        for q in self.rx:
            for c in q.rsc.values():
                n += len(c.tags)
        return n

    # ------------------------------------------------------------------ receive side coalescing
    def _coalesce(
        self,
        q: RxQueue,
        data: bytes,
        tag: Tag | None,
        info: int,
        word: int,
        status: int,
        vlan: int,
        stripped: int,
    ) -> int:
        """Hold a TCP frame, or add it to those held. LOST: not a candidate, deliver it by itself.

        Rules of the chip's description: IPv4 without options, not a fragment, both checksums good, data, no flags
        but ACK and PSH, no TCP options but the time stamp; in sequence, same header length. PSH, a full descriptor
        count or 64 KiB close it; so does a frame of the flow that does not fit.
        """
        p = self.pkt
        l3 = p.l3_off - stripped
        l4 = p.l4_off - stripped
        end = p.end - stripped
        key = data[l3 + 12 : l3 + 20] + data[l4 : l4 + 4]
        held = q.rsc.get(key)
        hlen = (data[l4 + 12] >> 4) * 4 if len(data) > l4 + 13 else 0
        flags = data[l4 + 13] if len(data) > l4 + 13 else 0
        hdr = l4 + hlen
        fits = (
            l4 == l3 + 20
            and not p.fragment
            and p.ip_csum == CSUM_OK
            and p.l4_csum == CSUM_OK
            and flags & 0xF7 == 0x10
            and hdr < end <= len(data)
            and (hlen == 20 or (hlen == 32 and data[l4 + 20 : l4 + 24] == b"\x01\x01\x08\x0a"))
        )
        if not fits:
            if held is not None and self._rsc_close(held, key) == WAITS:
                return WAITS
            return LOST
        seq = int.from_bytes(data[l4 + 4 : l4 + 8], "big")
        n = end - hdr
        if held is not None:
            total = len(held.data) + n
            if (
                held.next_seq != seq
                or held.hdr != hdr
                or held.vlan != vlan
                or total - l3 > 65535
                or -(-total // q.bsize) > q.maxdesc
                or len(held.ends) >= RSC_FRAMES_A_BUFFER * max(1, total // q.bsize)
            ):
                if self._rsc_close(held, key) == WAITS:
                    return WAITS
                held = None
        if held is None:
            if len(q.rsc) >= RSC_CONTEXTS or flags & 0x08 or not self.ints.vectors[max(q.vec, 0)].interval:
                return LOST
            held = Coalesced(q, data[:end], l3, hdr, seq, tag)
            held.info = info
            held.word = word
            held.status = status
            held.vlan = vlan
            q.rsc[key] = held
            if q.rsc_timer is None:
                delay = max(
                    self.ints.vectors[max(q.vec, 0)].interval,
                    ((self.gpie >> r.GPIE_RSC_DELAY_SHIFT & 7) + 1) * RSC_UNIT_NS,
                )
                q.rsc_timer = self.bus.at_ns(self.bus.now_ns() + delay, q.rsc_expired)
        else:
            held.data += data[hdr:end]
            held.ends.append(len(held.data))
            held.tags.append(tag)
            held.next_seq = seq + n & 0xFFFFFFFF
            # acknowledgement, flags, window and time stamp are those of the last frame
            held.data[l4 + 8 : l4 + 12] = data[l4 + 8 : l4 + 12]
            held.data[l4 + 13 : l4 + 16] = data[l4 + 13 : l4 + 16]
            held.data[l4 + 20 : hdr] = data[l4 + 20 : hdr]
        self.qprc[q.stat] += 1
        self.qbrc[q.stat] += len(data) + 4
        if flags & 0x08:
            self._rsc_close(held, key)
        return STORED

    def _rsc_close(self, held: Coalesced, key: bytes) -> int:
        """Store what is held of a flow. When descriptors lack, it moves on to wait in the packet buffer."""
        q = held.queue
        del q.rsc[key]
        if not q.rsc and q.rsc_timer is not None:
            self.bus.cancel(q.rsc_timer)
            q.rsc_timer = None
        if len(held.ends) > 1:
            l3 = held.l3
            held.data[l3 + 2 : l3 + 4] = (len(held.data) - l3).to_bytes(2, "big")
            held.data[l3 + 10 : l3 + 12] = b"\0\0"
            held.data[l3 + 10 : l3 + 12] = fold(ones_sum(bytes(held.data[l3 : l3 + 20]))).to_bytes(2, "big")
        fate = self._deliver_rsc(held)
        if fate == WAITS:
            # older than anything of its flow that waits already
            w = Waiting(b"", held.tag(), True, held, len(held.data) + 36 & ~15)
            self.fifo.appendleft(w)
            self.fifo_bytes += w.size
        return fate

    def _deliver_rsc(self, held: Coalesced) -> int:
        q = held.queue
        if not q.enabled:
            self.bus.frame_dropped(held.tag(), "rx queue disabled", "none")
            return LOST
        counts = held.counts(q.bsize) if len(held.ends) > 1 else [0]
        if len(held.ends) == 1 and len(held.data) > q.bsize:
            counts = [0] * -(-len(held.data) // q.bsize)
        return self._deliver(q, bytes(held.data), held.tag(), held.info, held.word, held.status, held.vlan, counts)

    def rsc_flush(self, q: RxQueue) -> None:
        """Store all that queue `q` holds back, oldest flow first."""
        for key in list(q.rsc):
            self._rsc_close(q.rsc[key], key)

    def _rsc_discard(self, q: RxQueue, reason: str) -> None:
        if q.rsc_timer is not None:
            self.bus.cancel(q.rsc_timer)
            q.rsc_timer = None
        for held in q.rsc.values():
            self.bus.frame_dropped(held.tag(), reason, "none")
        q.rsc = {}

    # ------------------------------------------------------------------ transmit
    def _write_tx_ring(self, t: AdvTxQueue, field: int, off: int, value: int) -> None:
        if field == _TAIL:
            t.tail = value
            t.view = None
            self._tx_run(t)
            return
        self.regs[off] = value
        if field == _HEAD:
            t.head = value
        elif field == _LEN:
            t.entries = value >> 4
        elif field == _DCTL:
            t.enabled = bool(value & r.TXDCTL_ENABLE)
            if t.enabled and t.head != t.tail:
                self._tx_run(t)
        else:
            base = r.TDBAL(t.index)
            t.base = self.regs.get(base, 0) | self.regs.get(base + 4, 0) << 32
        t.view = None

    def _tx_kick(self) -> None:
        for t in self.tx:
            if t.head != t.tail:
                self._tx_run(t)

    def _tx_run(self, t: AdvTxQueue) -> None:
        if self.dmatxctl & r.DMATXCTL_TE and t.run(self):
            self._queue_event(t.vec)

    def _tx_emit(self, t: TxRing, frame: bytes, vlan: int) -> None:
        """A frame goes out: tag, pad, count, hand to the wire or back to the receiver."""
        kind = self.dmatxctl >> r.DMATXCTL_VT_SHIFT & 0xFFFF
        frame = self._tx_frame(frame, vlan, kind, bool(self.hlreg0 & r.HLREG0_TXPADEN))
        if not frame:
            return
        size = len(frame) + 4
        stats = self.stats
        stats[r.S_GPTC] += 1
        stats[r.S_TPT] += 1
        stats[r.S_GOTC] += size
        at = t.stat
        self.qptc[at] += 1
        self.qbtc[at] += size
        if frame[0] & 1:
            stats[r.S_BPTC if frame[:6] == BROADCAST else r.S_MPTC] += 1
        stats[r.S_PTC64 + bisect_left(SIZES, size)] += 1
        self._tx_leave(frame, bool(self.rxctrl & r.RXCTRL_RXEN))


class X540(Ixgbe):
    """An X540-T (8086:1528)."""

    __slots__ = ()

    def __init__(self, mac: bytes = b"\x52\x54\x00\x12\x34\x56", *, autoneg_ns: int = 0) -> None:
        super().__init__(mac, x540=True, autoneg_ns=autoneg_ns)


class I82599(Ixgbe):
    """An 82599 as backplane device KX4 (8086:10f7)."""

    __slots__ = ()

    def __init__(self, mac: bytes = b"\x52\x54\x00\x12\x34\x56", *, autoneg_ns: int = 0) -> None:
        super().__init__(mac, x540=False, autoneg_ns=autoneg_ns)
