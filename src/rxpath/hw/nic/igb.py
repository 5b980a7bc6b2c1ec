"""Intel 82576 and I350 at the level of their registers.

What belongs here: everything between a frame on the wire and bytes, write-backs and interrupt messages on the bus, as
these chips do it. Facts: what the igb driver expects (Linux 6.1) and the chips' published descriptions.
Not modelled: virtual functions and pools (VMDq), header split, 5-tuple and SYN filters, low latency interrupts,
wake-up, manageability, SerDes and SGMII links, SCTP checksums, header write-back of the transmit head, hardware
stamps of received frames on the 82576 (the I350 stamps all frames in front of their data when told to).
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from typing import Final

from rxpath.hw.bus import DmaFault, Tag
from rxpath.hw.nic.intel import (
    BROADCAST,
    LOST,
    SIZES,
    STORED,
    WAITS,
    AdvTxQueue,
    E1000Nic,
    Ring,
    Vector,
    Vectors,
)
from rxpath.hw.nic.mii import MiiPhy, Nvm
from rxpath.hw.nic.offload import (
    CSUM_BAD,
    CSUM_NONE,
    IPPROTO_TCP,
    IPPROTO_UDP,
)
from rxpath.hw.pci import BAR_IO, MsixTable, PciConfig
from rxpath.hw.regs import igb as r

_ADDR: Final = struct.Struct("<Q")
_WB_LEGACY: Final = struct.Struct("<HHBBH")
_WB_ADV: Final = struct.Struct("<HHIIHH")
_STAMP: Final = struct.Struct("<QQ")

# fields of a ring's registers
_BASE_LOW: Final = 0x00
_BASE_HIGH: Final = 0x04
_LEN: Final = 0x08
_SRRCTL: Final = 0x0C
_HEAD: Final = 0x10
_TAIL: Final = 0x18
_DCTL: Final = 0x28
_TX: Final = 0x1000  # added to the code of a transmit ring's register

DD_EOP: Final = r.RXD_STAT_DD | r.RXD_STAT_EOP
S_GPRC: Final = r.S_GPRC
S_GORCL: Final = r.S_GORCL
S_RPTHC: Final = r.S_RPTHC
S_HGORCL: Final = r.S_HGORCL


class IgbPhy(MiiPhy):
    """The chips' own copper PHYs; the link partner offers asymmetric pause, so a driver that asks for both gets RX."""

    __slots__ = ("i350",)

    def __init__(self, i350: bool) -> None:
        self.i350: bool = i350
        ident = r.PHY_ID_I350 if i350 else r.PHY_ID_82576
        super().__init__(ident >> 16, ident & 0xFFFF, 0 if i350 else r.IGP01_PHY_PAGE_SELECT)

    def reset(self) -> None:
        super().reset()
        self.regs[4] = 0x0DE1
        if self.i350:
            self.regs[r.I82580_CFG_REG] = 0x0000

    def read(self, reg: int) -> int:
        if reg == 5:
            return 0xC9E1 if self.done else 0
        if reg < 16:
            return super().read(reg)
        speed = self.speed() if self.link() else 0
        if self.i350:
            if reg == r.I82580_PHY_STATUS_2:
                return 0x0200 if speed == 1000 else 0x0100 if speed == 100 else 0
            if reg == r.I82580_PHY_DIAG_STATUS:
                return 10 << 2  # metres of cable
            return self.regs.get(reg, 0)
        if reg == r.IGP01_PHY_PAGE_SELECT:
            return self.page
        if reg == r.IGP01_PHY_PORT_STATUS:
            if self.page in (0x11B1, 0x12B1, 0x14B1, 0x18B1):
                return 0x10 << 9  # gain: a short cable
            return 0xC000 if speed == 1000 else 0x8000 if speed == 100 else 0x4000 if speed else 0
        return self.regs.get(self.page << 5 | reg, 0)

    def write(self, reg: int, value: int) -> int:
        if reg == r.IGP01_PHY_PAGE_SELECT and not self.i350:
            self.page = value
            return 0
        if reg >= 16:
            self.regs[reg if self.i350 else self.page << 5 | reg] = value
            return 0
        return super().write(reg, value)


class RxQueue(Ring):
    """A receive ring; head, tail and entries count 16-byte descriptors."""

    __slots__ = ("bsize", "drop_en", "drops", "legacy", "low", "stamp")

    def __init__(self, index: int) -> None:
        self.drops: int = 0
        super().__init__(index)

    def clear(self) -> None:
        super().clear()
        self.bsize: int = 2048
        self.legacy: bool = True
        self.drop_en: bool = False
        self.stamp: bool = False
        self.low: int = 0


class Igb(E1000Nic):
    """One port of an 82576 (16 queues, 64 KiB receive buffer) or an I350 (8 queues, 36 KiB), 10 MSI-X vectors.

    `receive` runs to the end of the frame's DMA when its queue has a descriptor; else the frame is dropped
    (SRRCTL.DROP_EN or QDE, counted in RQDPC) or waits in the packet buffer, with all that come behind it. Descriptors
    are written back at once and transmission takes no time.
    """

    __slots__ = (
        "eiac",
        "eiam",
        "etqf_any",
        "gpie",
        "i350",
        "ints",
        "nqueues",
        "other_vec",
        "qde",
        "reta",
        "ring_regs",
        "rx",
        "rxpbs",
        "stamp_all",
        "tx",
    )

    def __init__(
        self,
        mac: bytes = b"\x52\x54\x00\x12\x34\x56",
        *,
        i350: bool = False,
        autoneg_ns: int = 0,
        sub_vendor: int = 0x8086,
        sub_device: int = -1,
    ) -> None:
        """`mac`: permanent address, 6 bytes, also in the NVM. `autoneg_ns`: time autonegotiation takes."""
        device = r.DEV_ID_I350_COPPER if i350 else r.DEV_ID_82576
        if sub_device < 0:
            sub_device = 0x0001 if i350 else 0xA03C
        config = PciConfig(r.VENDOR_ID, device, revision=1, sub_vendor=sub_vendor, sub_device=sub_device)
        config.add_bar(0, 0x100000 if i350 else 0x20000)
        if not i350:
            config.add_bar(1, 0x20000)
        config.add_bar(2, r.IO_SIZE, BAR_IO)
        config.add_bar(3, r.MSIX_SIZE)
        config.add_pm(0x40, pmc=0xC823, pmcsr=0x0008)
        config.add_msi(0x50, maskable=True)
        config.add_msix(0x70, r.MSIX_VECTORS, 3, 0, 3, r.MSIX_PBA)
        config.add_pcie(0xA0, version=2, devcap=0x10008CC2, speed=2 if i350 else 1, width=4, lnkcap=0x400)
        config.add_aer(0x100, version=1)
        config.add_dsn(0x140, mac)
        nvm = Nvm(self._nvm_words(mac, i350, device, sub_vendor, sub_device))
        for at in r.NVM_REGIONS_I350 if i350 else (0,):
            nvm.fix_checksum(at, at + r.NVM_CHECKSUM_REG)
        super().__init__(
            config,
            mac,
            MsixTable(config, r.MSIX_VECTORS),
            IgbPhy(i350),
            nvm,
            autoneg_ns,
            16,
            r.write_masks(i350),
            (r.STATS_END - r.STATS_BASE) >> 2,
        )
        self.rar_at.extend([r.RAL(i) for i in range(16, 32 if i350 else 24)])
        self.status_kept |= r.STATUS_DEV_RST_SET
        if i350:
            self.status_set |= r.STATUS_PF_RST_DONE
        self.i350: bool = i350
        self.nqueues: int = 8 if i350 else 16
        self.rx: list[RxQueue] = [RxQueue(i) for i in range(self.nqueues)]
        self.tx: list[AdvTxQueue] = [AdvTxQueue(i) for i in range(self.nqueues)]
        self.ring_regs: dict[int, int] = {}
        for q in range(self.nqueues):
            for field in (_BASE_LOW, _BASE_HIGH, _LEN, _SRRCTL, _HEAD, _TAIL, _DCTL):
                self.ring_regs[r.RDBAL(q) + field] = q << 8 | field
                if field != _SRRCTL:
                    self.ring_regs[r.TDBAL(q) + field] = _TX | q << 8 | field
        self.rxpbs: int = 0
        # decoded registers
        self.stamp_all: bool = False
        self.qde: int = 0
        self.etqf_any: bool = False
        self.reta: list[int] = [0] * r.RETA_ENTRIES
        # interrupts: causes of the legacy kind (ICR), and one bit a vector with MSI-X (EICR)
        self.ints: Vectors = Vectors(self, r.MSIX_VECTORS)
        self.gpie: int = 0
        self.eiac: int = 0
        self.eiam: int = 0
        self.other_vec: int = -1
        self._power_on_buffers()
        self._global_reset()

    @staticmethod
    def _nvm_words(mac: bytes, i350: bool, device: int, sub_vendor: int, sub_device: int) -> list[int]:
        words = [0xFFFF] * 0x200
        words[0:16] = [
            mac[0] | mac[1] << 8,
            mac[2] | mac[3] << 8,
            mac[4] | mac[5] << 8,
            0x0D34,
            0xFFFF,
            0x2010,
            0xFFFF,
            0xFFFF,
            0xE437,
            0x0903,
            0x002B,
            sub_device,
            sub_vendor,
            device,
            0x0000,
            0x70C3,
        ]
        words[0x24] = 0x0400  # wake on magic packet is armed
        if i350:
            words[0x05] = 0x1063  # version 1.6, image 3
            words[0x42] = 0x090A
            words[0x43] = 0x8000  # an image identification follows
            for at in r.NVM_REGIONS_I350[1:]:
                words[at : at + 3] = words[0:3]
        return words

    def _power_on_buffers(self) -> None:
        self.rxpbs = r.RXPBS_DEFAULT_I350 if self.i350 else r.RXPBS_DEFAULT_82576
        self._size_fifo()

    def _size_fifo(self) -> None:
        if self.i350:
            code = self.rxpbs & 0xF
            self.fifo_size = (r.RXPBS_TABLE_82580[code] if code < len(r.RXPBS_TABLE_82580) else 36) << 10
        else:
            self.fifo_size = (self.rxpbs & r.RXPBS_SIZE_MASK_82576) << 10

    # ------------------------------------------------------------------ reset
    def _global_reset(self) -> None:
        self._begin_reset()
        self.regs = dict(r.RESET_VALUES)
        for q in self.rx:
            q.clear()
            q.drops = 0
        for t in self.tx:
            t.clear()
        self.rx[0].enabled = True
        self.tx[0].enabled = True
        self.reta = [0] * r.RETA_ENTRIES
        self.ints.reset()
        self.gpie = self.eiac = self.eiam = 0
        self.other_vec = -1
        self.qde = 0
        self.etqf_any = False
        self.ctrl = r.RESET_VALUES[r.CTRL]
        self.ctrl_ext = r.RESET_VALUES[r.CTRL_EXT]
        self.tctl = r.RESET_VALUES[r.TCTL]
        self.vet = r.RESET_VALUES[r.VET] & 0xFFFF
        self.rxcsum = r.RESET_VALUES[r.RXCSUM]
        self._end_reset()

    def _decode_rx(self) -> None:
        """Work out what receive needs from RCTL, RLPML, RXCSUM, MRQC, CTRL."""
        self._decode_mac()
        self.max_size = self.regs.get(r.RLPML, 0) if self.rctl & r.RCTL_LPE else 1522
        self.rss = self.mrqc & r.MRQC_RSS_FIELDS
        self.rss_multi = self.mrqc & r.MRQC_ENABLE_MASK == r.MRQC_ENABLE_RSS_MQ
        stamp = self.regs.get(r.TSYNCRXCTL, 0)
        self.stamp_all = (
            self.i350
            and bool(stamp & r.TSYNCRXCTL_ENABLED)
            and bool(self.rxpbs & r.RXPBS_CFG_TS_EN)
            and stamp & r.TSYNCRXCTL_TYPE_MASK == r.TSYNCRXCTL_TYPE_ALL
        )

    def _decode_queue(self, q: RxQueue) -> None:
        """What a receive queue needs from SRRCTL, QDE and RCTL."""
        srrctl = self.regs.get(r.SRRCTL(q.index), 0)
        kib = srrctl & r.SRRCTL_BSIZEPKT_MASK
        q.bsize = kib << r.SRRCTL_BSIZEPKT_SHIFT if kib else 2048 >> ((self.rctl & r.RCTL_SZ_MASK) >> r.RCTL_SZ_SHIFT)
        q.legacy = not srrctl >> r.SRRCTL_DESCTYPE_SHIFT & 7
        q.drop_en = bool(srrctl & r.SRRCTL_DROP_EN) or bool(self.qde >> q.index & 1)
        q.stamp = bool(srrctl & r.SRRCTL_TIMESTAMP)
        q.low = ((srrctl & r.SRRCTL_RDMTS_MASK) >> r.SRRCTL_RDMTS_SHIFT) << 4

    def _phy_address(self, mdic: int) -> int:
        which = self.regs.get(r.MDICNFG, 0) if self.i350 else mdic
        return which >> r.MDIC_PHY_SHIFT & 0x1F

    # ------------------------------------------------------------------ registers
    def _read32(self, off: int) -> int:
        if off == r.ICR:
            return self._read_icr()
        if off == r.EICR:
            v = self.ints.cause
            self.ints.cause = 0
            self.ints.want = 0
            return v
        if r.STATS_BASE <= off < r.STATS_END:
            return self._read_stat((off - r.STATS_BASE) >> 2)
        code = self.ring_regs.get(off, -1)
        if code >= 0:
            field = code & 0xFF
            if field == _HEAD:
                return self.tx[code >> 8 & 15].head if code & _TX else self.rx[code >> 8 & 15].head
            if field == _TAIL:
                return self.tx[code >> 8 & 15].tail if code & _TX else self.rx[code >> 8 & 15].tail
            return self.regs.get(off, 0)
        if off >= r.RQDPC0 and off & 0x3F == 0x30 and off < r.RQDPC(self.nqueues):
            q = self.rx[(off - r.RQDPC0) >> 6]
            v = q.drops
            q.drops = 0
            return min(v, 0xFFFFFFFF)
        if off == r.IMS:
            return self.ims
        if off == r.ICS:
            return self.icr
        if off == r.EIMS:
            return self.ints.mask
        if off == r.SWSM:
            return self._take_semaphore(off, r.SWSM_SMBI)
        if off == r.EECD:
            v = self.regs.get(off, 0) & (r.EECD_REQ | 0xF)
            return (
                v
                | r.EECD_PRES
                | r.EECD_AUTO_RD
                | r.EECD_ADDR_BITS
                | r.NVM_SIZE_CODE << r.EECD_SIZE_EX_SHIFT
                | (r.EECD_GNT if v & r.EECD_REQ else 0)
            )
        if off == r.RXPBS:
            return self.rxpbs
        if off == r.SYSTIML:
            return self._read_systim()
        if off == r.TXSTMPH:
            self.regs[r.TSYNCTXCTL] = self.regs.get(r.TSYNCTXCTL, 0) & ~1
        elif off == r.TSICR:
            v = self.regs.get(off, 0)
            self.regs[off] = 0
            return v
        elif off == r.FRTIMER:
            return self.bus.now_ns() // 1000 & 0xFFFFFFFF
        return self.regs.get(off, 0)

    def _write32(self, off: int, value: int) -> None:
        if off == r.EIMS:
            value &= r.EICR_VECTORS
            self.ints.mask |= value
            self.ints.want |= self.ints.cause & value  # unmasking a cause that is set interrupts again
            self.ints.send_wanted()
            return
        code = self.ring_regs.get(off, -1)
        if code >= 0:
            kept = value & self.masks.get(off, 0)
            if code & _TX:
                self._write_tx_ring(self.tx[code >> 8 & 15], code & 0xFF, off, kept)
            else:
                self._write_rx_ring(self.rx[code >> 8 & 15], code & 0xFF, off, kept)
        elif r.EITR0 <= off < r.EITR0 + 4 * r.MSIX_VECTORS:
            self.regs[off] = value & r.EITR_INTERVAL_MASK
            self.ints.vectors[(off - r.EITR0) >> 2].moderate(
                ((value & r.EITR_INTERVAL_MASK) >> 2) * 1000, not value & r.EITR_CNT_IGNR
            )
        elif off == r.IMS:
            self.ims |= value & r.ICR_CAUSES
            self.ints.signalled &= ~value
            self._evaluate(value)
        elif off == r.ICS:
            self._raise(value & r.ICR_CAUSES)
        elif off == r.EICS:
            value &= r.EICR_VECTORS
            self.ints.cause |= value
            self.ints.want |= value
            self.ints.send_wanted()
        elif off == r.EIMC:
            self.ints.mask &= ~value
        elif off == r.IMC:
            self.ims &= ~value
            self._evaluate(0)
        elif off == r.ICR:
            self.icr &= ~value
            self._evaluate(0)
        elif off == r.EICR:
            self.ints.cause &= ~value
            self.ints.want &= ~value
        else:
            self._write_other(off, value, self.masks.get(off, 0))

    def _write_other(self, off: int, value: int, mask: int) -> None:
        """Everything that is not written in the course of traffic."""
        kept = value & mask
        if self._write_management(off, value, kept):
            return
        if off == r.STATUS:
            keep = r.STATUS_PHYRA
            now = self.regs.get(off, 0) & (~keep | value & keep)
            self.regs[off] = now & ~(value & r.STATUS_DEV_RST_SET)
        elif off == r.RXPBS:
            self.rxpbs = kept
            self._size_fifo()
            self._decode_rx()
        elif not mask:
            return  # read only, or not there at all
        else:
            self.regs[off] = kept
            if off == r.RCTL:
                self.rctl = kept
                for q in self.rx:
                    self._decode_queue(q)
                self._update_link()
                self._drain()
            elif off == r.TCTL:
                self.tctl = kept
                self._tx_kick()
            elif off == r.GPIE:
                self.gpie = kept
                self._decode_interrupts()
            elif off == r.EIAC:
                self.eiac = self.ints.auto_clear = kept
            elif off == r.EIAM:
                self.eiam = kept
                self._decode_interrupts()
            elif off == r.IAM:
                self.iam = kept
            elif off == r.ITR:
                self._write32(r.EITR0, value)
            elif r.IVAR0 <= off < r.IVAR0 + 32 or off == r.IVAR_MISC:
                self._decode_ivar()
            elif off == r.RXCSUM:
                self.rxcsum = kept
                self._decode_rx()
            elif off == r.RLPML or off == r.TSYNCRXCTL:
                self._decode_rx()
            elif off == r.MRQC:
                self.mrqc = kept
                self._decode_rx()
            elif off == r.QDE:
                self.qde = kept
                for q in self.rx:
                    self._decode_queue(q)
            elif off == r.VET:
                self.vet = kept & 0xFFFF
            elif r.RETA <= off < r.RETA + r.RETA_ENTRIES:
                i = off - r.RETA
                self.reta[i : i + 4] = [kept >> 8 * k & (self.nqueues - 1) for k in range(4)]
            elif self._write_filter(off, kept):
                pass
            elif r.RA2 <= off < r.RA2 + 0x80:
                self._decode_rar()
            elif r.RSSRK <= off < r.RSSRK + 4 * r.RSSRK_ENTRIES:
                self._load_rss_key(r.RSSRK)
            elif r.ETQF0 <= off < r.ETQF0 + 4 * r.ETQF_ENTRIES or off == r.VLAPQF:
                self.etqf_any = bool(self.regs.get(r.VLAPQF, 0)) or any(
                    self.regs.get(r.ETQF(i), 0) & r.ETQF_QUEUE_ENABLE for i in range(r.ETQF_ENTRIES)
                )

    def _write_ctrl(self, value: int) -> None:
        if self.i350 and value & r.CTRL_DEV_RST:
            self._global_reset()
            self.regs[r.STATUS] |= r.STATUS_DEV_RST_SET
            return
        super()._write_ctrl(value)

    def config_changed(self, off: int, size: int) -> None:
        """Bus mastering, power state or the interrupt kind may have changed."""
        if off < 8 or off >= 0x40:
            self._decode_interrupts()
            self._decode_rx()
            self._evaluate(0)
            self._drain()
            self._tx_kick()

    def _systim(self) -> int:
        """Nanoseconds in an I350; steps of TIMINCA, every 16 ns a period, in an 82576."""
        passed = self.bus.now_ns() - self.systim_t0
        if self.i350:
            return self.systim_base + passed & 0xFFFFFFFFFF
        tim = self.regs.get(r.TIMINCA, 0)
        period = (tim >> 24) * 16
        if not period:
            return self.systim_base
        return self.systim_base + passed // period * (tim & 0xFFFFFF) & 0xFFFFFFFFFFFFFFFF

    def _read_stat(self, i: int) -> int:
        if i == r.S_IAC:
            self.stats[i] += self.ints.sent
            self.ints.sent = 0
        return self._read_cell(i, i in r.WIDE_STATS)

    # ------------------------------------------------------------------ interrupts
    def _decode_ivar(self) -> None:
        """Which vector each queue and the other causes go to, -1 for none."""
        for q in range(self.nqueues):
            if self.i350:
                entry = self.regs.get(r.IVAR0 + 4 * (q >> 1), 0) >> ((q & 1) << 4)
            else:
                entry = self.regs.get(r.IVAR0 + 4 * (q & 7), 0) >> ((q & 8) << 1)
            self.rx[q].vec = self._vector_of(entry & 0xFF)
            self.tx[q].vec = self._vector_of(entry >> 8 & 0xFF)
        self.other_vec = self._vector_of(self.regs.get(r.IVAR_MISC, 0) >> 8 & 0xFF)

    def _vector_of(self, entry: int) -> int:
        v = entry & 0x1F
        return v if entry & r.IVAR_VALID and v < r.MSIX_VECTORS else -1

    def _decode_interrupts(self) -> None:
        self.multi = bool(self.gpie & r.GPIE_MSIX_MODE) and self.config.msix_on
        self.ints.auto_mask = self.eiam if self.gpie & r.GPIE_EIAME else 0

    def vector_expired(self, v: Vector) -> None:
        """The moderation interval of `v` is over."""
        if self.multi:
            if self.ints.want & self.ints.mask & v.bit:
                self.ints.send(v)
        elif v.index == 0:
            self._evaluate(0)

    def _raise(self, causes: int) -> None:
        self.icr |= causes
        if self.multi:
            if causes & self.ims:
                self.ints.event(self.other_vec)
        elif self.icr & self.ims & ~self.ints.signalled:
            self._evaluate(0)

    def _read_icr(self) -> int:
        """Read ICR: clears it (always with GPIE.NSICR, else if everything is masked or an interrupt is asserted)."""
        v = self.icr
        asserted = v & self.ims
        if asserted:
            v |= r.ICR_INT_ASSERTED
        if asserted or self.gpie & r.GPIE_NSICR:
            self.ims &= ~self.iam
            self.icr = 0
        elif not self.ims:
            self.icr = 0
        if not self.multi:
            self._evaluate(0)
        return v

    def _evaluate(self, unmasked: int) -> None:
        """After a change of causes or masks: one message for causes not yet announced, or the INTx line's level.

        `unmasked`: causes that a write of IMS just let through.
        """
        active = self.icr & self.ims
        if self.multi:
            if active & unmasked:
                self.ints.event(self.other_vec)
            return
        self.ints.signalled &= active
        self.ints.announce(active)

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
        elif field == _SRRCTL:
            self._decode_queue(q)
        elif field == _DCTL:
            q.enabled = bool(value & r.RXDCTL_QUEUE_ENABLE)
            self._drain()
        else:
            base = r.RDBAL(q.index)
            q.base = self.regs.get(base, 0) | self.regs.get(base + 4, 0) << 32
        q.view = None

    def _filter_queue(self, kind: int, vlan_tci: int) -> int:
        """EtherType and VLAN priority filters that name a queue; -1 when none matches."""
        regs = self.regs
        for i in range(r.ETQF_ENTRIES):
            etqf = regs.get(r.ETQF(i), 0)
            if etqf & r.ETQF_FILTER_ENABLE and etqf & r.ETQF_QUEUE_ENABLE and etqf & r.ETQF_ETYPE_MASK == kind:
                return (etqf & r.ETQF_QUEUE_MASK) >> r.ETQF_QUEUE_SHIFT
        if vlan_tci >= 0:
            field = regs.get(r.VLAPQF, 0) >> 4 * (vlan_tci >> 13)
            if field & 8:
                return field & 7
        return -1

    def _store(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> int:
        if not self._master():
            return WAITS
        status = DD_EOP
        vlan = 0
        tci = -1
        off = 14
        data = frame
        kind = frame[12] << 8 | frame[13]
        if kind == self.vet and len(frame) >= 18:
            kind = frame[16] << 8 | frame[17]
            tci = frame[14] << 8 | frame[15]
            if self.vme:
                vlan = tci
                status |= r.RXD_STAT_VP
                data = frame[:12] + frame[16:]
            else:
                off = 18
        if not self.strip_crc:
            fcs = zlib.crc32(frame)
            data = data + (fcs if fcs_ok else fcs ^ 0xFFFFFFFF).to_bytes(4, "little")
        if not fcs_ok:
            status |= r.RXDEXT_STATERR_CE
        p = self.pkt
        rxcsum = self.rxcsum
        p.parse(data, off, kind, bool(rxcsum & r.RXCSUM_IPOFL), self.l4_on)
        info = 0
        if p.l3 == 4:
            info = r.RXDADV_PKTTYPE_IPV4
            if p.l4_off > p.l3_off + 20:
                info |= r.RXDADV_PKTTYPE_IPV4_EX
        elif p.l3 == 6:
            info = r.RXDADV_PKTTYPE_IPV6
            if p.l4_off > p.l3_off + 40:
                info |= r.RXDADV_PKTTYPE_IPV6_EX
        if p.ip_csum != CSUM_NONE:
            status |= r.RXD_STAT_IPCS
            if p.ip_csum == CSUM_BAD:
                status |= r.RXDEXT_STATERR_IPE
        if p.l4 == IPPROTO_TCP:
            info |= r.RXDADV_PKTTYPE_TCP
        elif p.l4 == IPPROTO_UDP:
            info |= r.RXDADV_PKTTYPE_UDP
        if p.l4_csum != CSUM_NONE:
            status |= r.RXD_STAT_TCPCS if p.l4 == IPPROTO_TCP else r.RXD_STAT_TCPCS | r.RXD_STAT_UDPCS
            if p.l4_csum == CSUM_BAD:
                status |= r.RXDEXT_STATERR_TCPE
        elif p.ip_csum == CSUM_NONE:
            status |= r.RXD_STAT_IXSM
        word = 0
        index = 0
        rss = self.rss
        if rss:
            l4 = p.l4_off
            if p.l3 == 4:
                src = p.l3_off + 12
                if (p.l4 == IPPROTO_TCP and rss & r.MRQC_RSS_FIELD_IPV4_TCP) or (
                    p.l4 == IPPROTO_UDP and rss & r.MRQC_RSS_FIELD_IPV4_UDP
                ):
                    info |= r.RSS_TYPE_IPV4_TCP if p.l4 == IPPROTO_TCP else r.RSS_TYPE_IPV4_UDP
                    word = self.toeplitz.hash(
                        data[src : src + 12] if l4 == src + 8 else data[src : src + 8] + data[l4 : l4 + 4]
                    )
                elif rss & r.MRQC_RSS_FIELD_IPV4:
                    info |= r.RSS_TYPE_IPV4
                    word = self.toeplitz.hash(data[src : src + 8])
            elif p.l3 == 6:
                src = p.l3_off + 8
                if p.l4 == IPPROTO_TCP and rss & (r.MRQC_RSS_FIELD_IPV6_TCP | r.MRQC_RSS_FIELD_IPV6_TCP_EX):
                    info |= r.RSS_TYPE_IPV6_TCP
                    word = self.toeplitz.hash(data[src : src + 32] + data[l4 : l4 + 4])
                elif p.l4 == IPPROTO_UDP and rss & r.MRQC_RSS_FIELD_IPV6_UDP:
                    info |= r.RSS_TYPE_IPV6_UDP
                    word = self.toeplitz.hash(data[src : src + 32] + data[l4 : l4 + 4])
                elif rss & r.MRQC_RSS_FIELD_IPV6:
                    info |= r.RSS_TYPE_IPV6
                    word = self.toeplitz.hash(data[src : src + 32])
            if self.rss_multi and info & 15:
                index = self.reta[word & 0x7F]
        if self.etqf_any:
            named = self._filter_queue(kind, tci)
            if named >= 0:
                index = named
        q = self.rx[index]
        if not q.enabled:
            self.bus.frame_dropped(tag, "rx queue disabled", "none")
            return LOST
        if q.stamp and self.stamp_all:
            data = _STAMP.pack(0, self._systim()) + data
            status |= r.RXDADV_STAT_TSIP
        if not rxcsum & r.RXCSUM_PCSD:
            csum = self._packet_checksum(data)
            word = p.ip_id | csum << 16 if p.l3 == 4 else csum << 16
        n = len(data)
        free = q.tail - q.head
        if free < 0:
            free += q.entries
        count = 1 if n <= q.bsize else -(-n // q.bsize)
        if count > free:
            if not q.drop_en:
                return WAITS
            q.drops += 1
            self.bus.frame_dropped(tag, "no rx descriptor", "rx_queue_%d_drops" % index)
            return LOST
        view = q.view
        if view is None:
            view = self._ring_view(q)
            if view is None:
                return WAITS
        head = q.head
        if count == 1:
            at = head << 4
            try:
                self.bus.dma_write(_ADDR.unpack_from(view, at)[0], data, tag)
            except DmaFault:
                self._fault(tag)
            if q.legacy:
                _WB_LEGACY.pack_into(view, at + 8, n, word >> 16, status & 0xFF, status >> 24, vlan)
            else:
                _WB_ADV.pack_into(view, at, info, 0, word, status, n, vlan)
            head += 1
            q.head = head if head < q.entries else 0
        else:
            self._dma_parts(q, view, data, tag, info, word, status, vlan, count)
        # counted and announced once the descriptor is written
        size = len(frame) + 4
        if fcs_ok:
            stats = self.stats
            stats[S_GPRC] += 1
            stats[S_GORCL] += size
            stats[S_RPTHC] += 1
            stats[S_HGORCL] += size
            if frame[0] & 1:
                stats[r.S_BPRC if frame[:6] == BROADCAST else r.S_MPRC] += 1
            stats[r.S_PRC64 + bisect_left(SIZES, size)] += 1
        if self.multi:
            self.ints.event(q.vec)
        else:
            self._raise(r.ICR_RXT0 | r.ICR_RXDMT0 if free > q.low >= free - count else r.ICR_RXT0)
        return STORED

    def _dma_parts(
        self,
        q: RxQueue,
        view: memoryview,
        data: bytes,
        tag: Tag | None,
        info: int,
        word: int,
        status: int,
        vlan: int,
        count: int,
    ) -> None:
        """A frame that is longer than one buffer: `count` descriptors, the last one with EOP and the rest."""
        bsize = q.bsize
        head = q.head
        for i in range(count):
            part = data[i * bsize : (i + 1) * bsize]
            at = head << 4
            try:
                self.bus.dma_write(_ADDR.unpack_from(view, at)[0], part, tag if not i else None)
            except DmaFault:
                self._fault(tag if not i else None)
            last = i == count - 1
            st = status if last else r.RXD_STAT_DD | status & r.RXDADV_STAT_TSIP
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
                _WB_ADV.pack_into(
                    view, at, info if last else 0, 0, word if last else 0, st, len(part), vlan if last else 0
                )
            head += 1
            if head >= q.entries:
                head = 0
            q.head = head

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
            t.enabled = bool(value & r.TXDCTL_QUEUE_ENABLE)
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
        if self.tctl & r.TCTL_EN and t.run(self):
            if self.multi:
                self.ints.event(t.vec)
            else:
                self._raise(r.ICR_TXDW)

    def _tx_context(self, mss: int) -> None:
        if mss:
            self.stats[r.S_TSCTC] += 1

    def _tx_stamp(self) -> None:
        if self.regs.get(r.TSYNCTXCTL, 0) & (r.TSYNCTXCTL_ENABLED | 1) != r.TSYNCTXCTL_ENABLED:
            return
        v = self._systim()
        self.regs[r.TXSTMPL] = v & 0xFFFFFFFF
        self.regs[r.TXSTMPH] = v >> 32 & 0xFFFFFFFF
        self.regs[r.TSYNCTXCTL] = self.regs.get(r.TSYNCTXCTL, 0) | 1
        if self.regs.get(r.TSIM, 0) & 2:
            self.regs[r.TSICR] = self.regs.get(r.TSICR, 0) | 2
            self._raise(r.ICR_TS)

    def _tx_count(self, size: int) -> None:
        self.stats[r.S_HGPTC] += 1
        self.stats[r.S_HGOTCL] += size


class I82576(Igb):
    """An 82576 (8086:10c9)."""

    __slots__ = ()

    def __init__(self, mac: bytes = b"\x52\x54\x00\x12\x34\x56", *, autoneg_ns: int = 0) -> None:
        super().__init__(mac, i350=False, autoneg_ns=autoneg_ns)


class I350(Igb):
    """An I350, copper (8086:1521)."""

    __slots__ = ()

    def __init__(self, mac: bytes = b"\x52\x54\x00\x12\x34\x56", *, autoneg_ns: int = 0) -> None:
        super().__init__(mac, i350=True, autoneg_ns=autoneg_ns)
