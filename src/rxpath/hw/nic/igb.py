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
from collections import deque
from collections.abc import Callable
from typing import Final

from rxpath.hw.bus import DmaFault, Tag
from rxpath.hw.nic.base import NicModel
from rxpath.hw.nic.mii import PHY_CHANGED, PHY_RESTART, MiiPhy, Nvm
from rxpath.hw.nic.offload import (
    CSUM_BAD,
    CSUM_NONE,
    IPPROTO_TCP,
    IPPROTO_UDP,
    RxPacket,
    Toeplitz,
    insert_checksum,
    segment,
)
from rxpath.hw.pci import BAR_IO, PCI_STATUS_REC_MASTER_ABORT, MsixTable, PciConfig
from rxpath.hw.regs import igb as r

_ADDR: Final = struct.Struct("<Q")
_WB_LEGACY: Final = struct.Struct("<HHBBH")
_WB_ADV: Final = struct.Struct("<HHIIHH")
_TXD: Final = struct.Struct("<QII")
_CONTEXT: Final = struct.Struct("<IIII")
_STAMP: Final = struct.Struct("<QQ")

BROADCAST: Final = b"\xff\xff\xff\xff\xff\xff"
PAUSE_DST: Final = b"\x01\x80\xc2\x00\x00\x01"

PAUSE_QUANTUM_NS: Final = 512  # 512 bit times at 1 Gb/s

# what became of a frame that was offered to its queue
WAITS: Final = 0
STORED: Final = 1
LOST: Final = 2

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
S_TPR: Final = r.S_TPR
S_TORL: Final = r.S_TORL
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


class RxQueue:
    """A receive ring; head, tail and entries count 16-byte descriptors."""

    __slots__ = (
        "base",
        "bsize",
        "drop_en",
        "drops",
        "enabled",
        "entries",
        "head",
        "index",
        "legacy",
        "low",
        "stamp",
        "tail",
        "vec",
        "view",
    )

    def __init__(self, index: int) -> None:
        self.index: int = index
        self.drops: int = 0
        self.clear()

    def clear(self) -> None:
        self.base: int = 0
        self.entries: int = 0
        self.head: int = 0
        self.tail: int = 0
        self.view: memoryview | None = None
        self.enabled: bool = False
        self.bsize: int = 2048
        self.legacy: bool = True
        self.drop_en: bool = False
        self.stamp: bool = False
        self.low: int = 0
        self.vec: int = -1


class TxQueue:
    """A transmit ring and the frame that is being put together from its descriptors."""

    __slots__ = (
        "base",
        "context",
        "enabled",
        "entries",
        "head",
        "idx",
        "index",
        "parts",
        "popts",
        "tail",
        "tse",
        "tstamp",
        "vec",
        "view",
    )

    def __init__(self, index: int) -> None:
        self.index: int = index
        self.clear()

    def clear(self) -> None:
        self.base: int = 0
        self.entries: int = 0
        self.head: int = 0
        self.tail: int = 0
        self.view: memoryview | None = None
        self.enabled: bool = False
        self.vec: int = -1
        self.parts: list[bytes] = []
        self.popts: int = 0
        self.tse: bool = False
        self.tstamp: bool = False
        self.idx: int = 0
        self.context: list[tuple[int, int, int, int]] = [(0, 0, 0, 0), (0, 0, 0, 0)]


class Vector:
    """One interrupt vector's moderation: the least interval (EITR) and when the next message may leave."""

    __slots__ = ("bit", "index", "interval", "next", "nic", "timer")

    def __init__(self, nic: Igb, index: int) -> None:
        self.nic: Igb = nic
        self.index: int = index
        self.bit: int = 1 << index
        self.interval: int = 0
        self.next: int = 0
        self.timer: object = None

    def expired(self) -> None:
        self.timer = None
        self.nic.vector_expired(self)


class Igb(NicModel):
    """One port of an 82576 (16 queues, 64 KiB receive buffer) or an I350 (8 queues, 36 KiB), 10 MSI-X vectors.

    `receive` runs to the end of the frame's DMA when its queue has a descriptor; else the frame is dropped
    (SRRCTL.DROP_EN or QDE, counted in RQDPC) or waits in the packet buffer, with all that come behind it. Descriptors
    are written back at once and transmission takes no time. The link comes up `autoneg_ns` after cable and PHY are
    ready. `pause_sink`, if set, is called with the pause quanta (0 = go on) that the chip sends.
    """

    __slots__ = (
        "auto_mask",
        "autoneg_ns",
        "autoneg_timer",
        "ctrl",
        "ctrl_ext",
        "eiac",
        "eiam",
        "eicr",
        "eims",
        "etqf_any",
        "fifo",
        "fifo_bytes",
        "fifo_size",
        "gpie",
        "i350",
        "iam",
        "icr",
        "ims",
        "io_addr",
        "l4_on",
        "link_lu",
        "loop",
        "masks",
        "max_size",
        "mrqc",
        "msg_next",
        "mta",
        "mta_any",
        "multi",
        "nqueues",
        "nvm",
        "other_vec",
        "pause_sink",
        "paused",
        "phy",
        "pkt",
        "qde",
        "rar",
        "rctl",
        "regs",
        "reta",
        "ring_regs",
        "rss",
        "rss_multi",
        "rx",
        "rx_on",
        "rxcsum",
        "rxpbs",
        "sent_xoff",
        "signalled",
        "stamp_all",
        "stats",
        "strip_crc",
        "systim_base",
        "systim_t0",
        "tctl",
        "toeplitz",
        "tx",
        "tx_resume",
        "tx_running",
        "vectors",
        "vet",
        "vfta",
        "vme",
        "want",
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
        super().__init__(config, mac, MsixTable(config, r.MSIX_VECTORS))
        self.i350: bool = i350
        self.nqueues: int = 8 if i350 else 16
        self.masks: dict[int, int] = r.write_masks(i350)
        self.nvm: Nvm = Nvm(self._nvm_words(device, sub_vendor, sub_device))
        for at in r.NVM_REGIONS_I350 if i350 else (0,):
            self.nvm.fix_checksum(at, at + r.NVM_CHECKSUM_REG)
        self.phy: MiiPhy = IgbPhy(i350)
        self.autoneg_ns: int = autoneg_ns
        self.autoneg_timer: object = None
        self.pause_sink: Callable[[int], None] | None = None
        self.regs: dict[int, int] = {}
        self.stats: list[int] = [0] * ((r.STATS_END - r.STATS_BASE) >> 2)
        self.rx: list[RxQueue] = [RxQueue(i) for i in range(self.nqueues)]
        self.tx: list[TxQueue] = [TxQueue(i) for i in range(self.nqueues)]
        self.ring_regs: dict[int, int] = {}
        for q in range(self.nqueues):
            for field in (_BASE_LOW, _BASE_HIGH, _LEN, _SRRCTL, _HEAD, _TAIL, _DCTL):
                self.ring_regs[r.RDBAL(q) + field] = q << 8 | field
                if field != _SRRCTL:
                    self.ring_regs[r.TDBAL(q) + field] = _TX | q << 8 | field
        self.vectors: list[Vector] = [Vector(self, i) for i in range(r.MSIX_VECTORS)]
        self.fifo: deque[tuple[bytes, Tag | None, bool]] = deque()
        self.fifo_bytes: int = 0
        self.rxpbs: int = 0
        self.fifo_size: int = 0
        self.pkt: RxPacket = RxPacket()
        self.toeplitz: Toeplitz = Toeplitz()
        self.io_addr: int = 0
        # decoded registers
        self.ctrl: int = 0
        self.ctrl_ext: int = 0
        self.rctl: int = 0
        self.tctl: int = 0
        self.rxcsum: int = 0
        self.mrqc: int = 0
        self.vet: int = 0
        self.vme: bool = False
        self.strip_crc: bool = False
        self.stamp_all: bool = False
        self.max_size: int = 1522
        self.rss: int = 0
        self.rss_multi: bool = False
        self.l4_on: bool = True
        self.qde: int = 0
        self.etqf_any: bool = False
        self.reta: list[int] = [0] * r.RETA_ENTRIES
        self.rar: dict[bytes, int] = {}
        self.mta: list[int] = [0] * r.MTA_ENTRIES
        self.mta_any: bool = False
        self.vfta: list[int] = [0] * r.VFTA_ENTRIES
        # interrupts: causes of the legacy kind, and one bit a vector with MSI-X
        self.icr: int = 0
        self.ims: int = 0
        self.iam: int = 0
        self.signalled: int = 0
        self.gpie: int = 0
        self.multi: bool = False
        self.eicr: int = 0
        self.eims: int = 0
        self.eiac: int = 0
        self.eiam: int = 0
        self.auto_mask: int = 0
        self.want: int = 0
        self.other_vec: int = -1
        self.msg_next: int = 0
        # link
        self.link_lu: bool = False
        self.loop: bool = False
        self.rx_on: bool = False
        self.tx_running: bool = False
        self.paused: bool = False
        self.tx_resume: object = None
        self.sent_xoff: bool = False
        self.systim_base: int = 0
        self.systim_t0: int = 0
        self._power_on_buffers()
        self._global_reset()

    def _nvm_words(self, device: int, sub_vendor: int, sub_device: int) -> list[int]:
        mac = self.mac
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
        if self.i350:
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
    def device_reset(self) -> None:
        """Power-on: registers, PHY, packet buffer split, counters. The cable stays as it is."""
        self._power_on_buffers()
        self._global_reset()
        self.phy.reset()
        self._renegotiate()
        self.icr = 0

    def _global_reset(self) -> None:
        """CTRL.RST: all but PCI configuration, PHY, NVM and the split of the packet buffer."""
        while self.fifo:
            _frame, tag, _ok = self.fifo.popleft()
            self.bus.frame_dropped(tag, "device reset", "none")
        self.fifo_bytes = 0
        self.sent_xoff = False
        self.regs = dict(r.RESET_VALUES)
        self.stats = [0] * len(self.stats)
        for q in self.rx:
            q.clear()
            q.drops = 0
        for t in self.tx:
            t.clear()
        self.rx[0].enabled = True
        self.tx[0].enabled = True
        self.rar = {}
        self.mta = [0] * r.MTA_ENTRIES
        self.mta_any = False
        self.vfta = [0] * r.VFTA_ENTRIES
        self.reta = [0] * r.RETA_ENTRIES
        self.icr = self.ims = self.iam = self.signalled = self.gpie = 0
        self.eicr = self.eims = self.eiac = self.eiam = self.auto_mask = self.want = 0
        self.multi = False
        self.other_vec = -1
        for v in self.vectors:
            v.interval = 0
            v.next = 0
            if v.timer is not None:
                self.bus.cancel(v.timer)
                v.timer = None
        self.mrqc = 0
        self.qde = 0
        self.etqf_any = False
        self.ctrl = r.RESET_VALUES[r.CTRL]
        self.ctrl_ext = r.RESET_VALUES[r.CTRL_EXT]
        self.rctl = 0
        self.tctl = r.RESET_VALUES[r.TCTL]
        self.vet = r.RESET_VALUES[r.VET] & 0xFFFF
        self.rxcsum = r.RESET_VALUES[r.RXCSUM]
        self.systim_base = 0
        self.systim_t0 = self.bus.now_ns()
        if self.tx_resume is not None:
            self.bus.cancel(self.tx_resume)
            self.tx_resume = None
        self.paused = False
        self._load_mac()
        self._decode_rx()
        self._update_status()
        self.set_intx(False)

    def _load_mac(self) -> None:
        """Auto-read of the NVM: the address goes to receive address 0."""
        w = self.nvm.words
        self.regs[r.RAL(0)] = w[0] | w[1] << 16
        self.regs[r.RAH(0)] = w[2] | r.RAH_AV
        self._decode_rar()

    def _decode_rar(self) -> None:
        rar: dict[bytes, int] = {}
        for i in range(32 if self.i350 else 24):
            high = self.regs.get(r.RAH(i), 0)
            if high & r.RAH_AV and not high & 0x00030000:  # address select: 00 = destination
                rar[(self.regs.get(r.RAL(i), 0) | (high & 0xFFFF) << 32).to_bytes(6, "little")] = i
        self.rar = rar

    def _decode_rx(self) -> None:
        """Work out what receive needs from RCTL, RLPML, RXCSUM, MRQC, CTRL."""
        rctl = self.rctl
        self.max_size = self.regs.get(r.RLPML, 0) if rctl & r.RCTL_LPE else 1522
        self.strip_crc = bool(rctl & r.RCTL_SECRC)
        self.vme = bool(self.ctrl & r.CTRL_VME)
        self.rss = self.mrqc & r.MRQC_RSS_FIELDS
        self.rss_multi = self.mrqc & r.MRQC_ENABLE_MASK == r.MRQC_ENABLE_RSS_MQ
        self.l4_on = bool(self.rxcsum & r.RXCSUM_TUOFL)
        stamp = self.regs.get(r.TSYNCRXCTL, 0)
        self.stamp_all = (
            self.i350
            and bool(stamp & r.TSYNCRXCTL_ENABLED)
            and bool(self.rxpbs & r.RXPBS_CFG_TS_EN)
            and stamp & r.TSYNCRXCTL_TYPE_MASK == r.TSYNCRXCTL_TYPE_ALL
        )
        self.rx_on = bool(rctl & r.RCTL_EN) and self.link_lu and not self.loop and self.config.d_state == 0

    def _decode_queue(self, q: RxQueue) -> None:
        """What a receive queue needs from SRRCTL, QDE and RCTL."""
        srrctl = self.regs.get(r.SRRCTL(q.index), 0)
        kib = srrctl & r.SRRCTL_BSIZEPKT_MASK
        q.bsize = (
            kib << r.SRRCTL_BSIZEPKT_SHIFT
            if kib
            else 2048 >> ((self.rctl & r.RCTL_SZ_MASK) >> r.RCTL_SZ_SHIFT)
        )
        q.legacy = not srrctl >> r.SRRCTL_DESCTYPE_SHIFT & 7
        q.drop_en = bool(srrctl & r.SRRCTL_DROP_EN) or bool(self.qde >> q.index & 1)
        q.stamp = bool(srrctl & r.SRRCTL_TIMESTAMP)
        q.low = ((srrctl & r.SRRCTL_RDMTS_MASK) >> r.SRRCTL_RDMTS_SHIFT) << 4

    # ------------------------------------------------------------------ link and PHY
    def link_change(self, up: bool) -> None:
        """Cable in or out. With it in, the link comes up when autonegotiation is over."""
        self.link_up = up
        if up == self.phy.cable:
            return
        self.phy.cable = up
        self._renegotiate()

    def _renegotiate(self) -> None:
        self.phy.restart()
        self._update_link()
        if self.autoneg_timer is not None:
            self.bus.cancel(self.autoneg_timer)
            self.autoneg_timer = None
        if not self.phy.cable:
            return
        if self.autoneg_ns <= 0:
            self._autoneg_done()
        else:
            self.autoneg_timer = self.bus.at_ns(self.bus.now_ns() + self.autoneg_ns, self._autoneg_done)

    def _autoneg_done(self) -> None:
        self.autoneg_timer = None
        self.phy.complete()
        self._update_link()

    def _update_link(self) -> None:
        """Follow the PHY: STATUS, LSC on a change, and what depends on the link."""
        up = self.phy.link()
        self.loop = self.phy.loopback() or bool(self.rctl & r.RCTL_LBM_MASK)
        changed = up != self.link_lu
        self.link_lu = up
        self._update_status()
        self._decode_rx()
        if changed:
            self._raise(r.ICR_LSC)
            if up:
                self._tx_kick()

    def _update_status(self) -> None:
        s = r.STATUS_LAN_INIT_DONE | 0x80000000 | (r.STATUS_PF_RST_DONE if self.i350 else 0)
        if self.link_lu:
            s |= r.STATUS_LU
        if self.ctrl & r.CTRL_FRCDPX:
            fd = bool(self.ctrl & r.CTRL_FD)
        else:
            fd = self.phy.full_duplex()
        if fd:
            s |= r.STATUS_FD
        if self.ctrl & r.CTRL_FRCSPD:
            s |= (self.ctrl >> 8 & 3) << 6
        else:
            speed = self.phy.speed()
            s |= r.STATUS_SPEED_1000 if speed == 1000 else r.STATUS_SPEED_100 if speed == 100 else 0
        if not self.ctrl & r.CTRL_GIO_MASTER_DISABLE:
            s |= r.STATUS_GIO_MASTER_ENABLE
        if self.paused:
            s |= r.STATUS_TXOFF
        s |= self.regs.get(r.STATUS, 0) & (r.STATUS_PHYRA | r.STATUS_DEV_RST_SET)
        self.regs[r.STATUS] = s

    def _write_mdic(self, value: int) -> None:
        reg = value >> r.MDIC_REG_SHIFT & 0x1F
        out = value & 0x23FF0000 | r.MDIC_READY
        addr = (
            self.regs.get(r.MDICNFG, 0) >> r.MDIC_PHY_SHIFT & 0x1F
            if self.i350
            else value >> r.MDIC_PHY_SHIFT & 0x1F
        )
        if addr != r.PHY_ADDR:
            self.regs[r.MDIC] = out | r.MDIC_ERROR
        elif value & r.MDIC_OP_READ:
            self.regs[r.MDIC] = out | r.MDIC_OP_READ | self.phy.read(reg)
        elif value & r.MDIC_OP_WRITE:
            self.regs[r.MDIC] = out | r.MDIC_OP_WRITE | value & 0xFFFF
            what = self.phy.write(reg, value & 0xFFFF)
            if what == PHY_RESTART:
                self._renegotiate()
            elif what == PHY_CHANGED:
                self._update_link()
        else:
            self.regs[r.MDIC] = out | value & 0xFFFF
        if value & r.MDIC_INT_EN:
            self._raise(r.ICR_MDAC)

    # ------------------------------------------------------------------ BARs
    def mmio_read(self, bar: int, off: int, size: int) -> int:
        """BAR 0 registers (32 bits wide), 1 flash (erased), 2 I/O window, 3 MSI-X table and pending bits."""
        config = self.config
        if not (config.decode_io if bar == 2 else config.decode_mem):
            return (1 << (8 * size)) - 1
        if bar == 0:
            if size == 4 and not off & 3:
                return self._read32(off)
            if size == 8 and not off & 3:
                return self._read32(off) | self._read32(off + 4) << 32
            return (self._read32(off & ~3) >> (8 * (off & 3))) & ((1 << (8 * size)) - 1)
        if bar == 3 and self.msix is not None:
            if off >= r.MSIX_PBA:
                return self.msix.pba_read(off - r.MSIX_PBA, size)
            return self.msix.read(off, size)
        if bar == 2:
            if off == 0:
                return self.io_addr
            return self._read32(self.io_addr & 0x1FFFC) if off == 4 and self.io_addr < 0x20000 else 0
        return (1 << (8 * size)) - 1

    def mmio_write(self, bar: int, off: int, size: int, value: int) -> None:
        """See `mmio_read`. Narrow writes of a register keep its other bytes."""
        config = self.config
        if not (config.decode_io if bar == 2 else config.decode_mem):
            return
        if bar == 0:
            if size == 4 and not off & 3:
                self._write32(off, value & 0xFFFFFFFF)
            elif size == 8 and not off & 3:
                self._write32(off, value & 0xFFFFFFFF)
                self._write32(off + 4, value >> 32 & 0xFFFFFFFF)
            else:
                at = off & ~3
                shift = 8 * (off & 3)
                mask = ((1 << (8 * size)) - 1) << shift & 0xFFFFFFFF
                self._write32(at, self.regs.get(at, 0) & ~mask | value << shift & mask)
        elif bar == 3:
            if self.msix is not None and off < r.MSIX_PBA:
                self.msix.write(off, size, value)
        elif bar == 2:
            if off == 0:
                self.io_addr = value & 0xFFFFFFFF
            elif off == 4 and self.io_addr < 0x20000:
                self._write32(self.io_addr & 0x1FFFC, value & 0xFFFFFFFF)

    def _read32(self, off: int) -> int:
        if off == r.ICR:
            return self._read_icr()
        if off == r.EICR:
            v = self.eicr
            self.eicr = 0
            self.want = 0
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
            return self.eims
        if off == r.SWSM:
            v = self.regs.get(off, 0)
            self.regs[off] = v | r.SWSM_SMBI  # reading takes the semaphore
            return v
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
            v = self._systim()
            self.regs[r.SYSTIMH] = v >> 32 & 0xFFFFFFFF
            return v & 0xFFFFFFFF
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
            self.eims |= value
            self.want |= self.eicr & value  # unmasking a cause that is set interrupts again
            self._send_wanted()
            return
        code = self.ring_regs.get(off, -1)
        if code >= 0:
            kept = value & self.masks.get(off, 0)
            if code & _TX:
                self._write_tx_ring(self.tx[code >> 8 & 15], code & 0xFF, off, kept)
            else:
                self._write_rx_ring(self.rx[code >> 8 & 15], code & 0xFF, off, kept)
        elif r.EITR0 <= off < r.EITR0 + 4 * r.MSIX_VECTORS:
            v = self.vectors[(off - r.EITR0) >> 2]
            self.regs[off] = value & r.EITR_INTERVAL_MASK
            v.interval = ((value & r.EITR_INTERVAL_MASK) >> 2) * 1000
            if not value & r.EITR_CNT_IGNR and v.next:
                v.next = 0
                if v.timer is not None:
                    self.bus.cancel(v.timer)
                    v.expired()
        elif off == r.IMS:
            self.ims |= value & r.ICR_CAUSES
            self.signalled &= ~value
            self._evaluate(value)
        elif off == r.ICS:
            self._raise(value & r.ICR_CAUSES)
        elif off == r.EICS:
            value &= r.EICR_VECTORS
            self.eicr |= value
            self.want |= value
            self._send_wanted()
        elif off == r.EIMC:
            self.eims &= ~value
        elif off == r.IMC:
            self.ims &= ~value
            self._evaluate(0)
        elif off == r.ICR:
            self.icr &= ~value
            self._evaluate(0)
        elif off == r.EICR:
            self.eicr &= ~value
            self.want &= ~value
        else:
            self._write_other(off, value, self.masks.get(off, 0))

    def _write_other(self, off: int, value: int, mask: int) -> None:
        """Everything that is not written in the course of traffic."""
        kept = value & mask
        if off == r.MDIC:
            self._write_mdic(value)
        elif off == r.EERD:
            addr = value >> r.EERD_ADDR_SHIFT & 0x3FFF
            if value & r.EERD_START:
                self.regs[off] = (
                    self.nvm.read(addr) << r.EERD_DATA_SHIFT | addr << r.EERD_ADDR_SHIFT | r.EERD_DONE
                )
            else:
                self.regs[off] = value & ~r.EERD_DONE
        elif off == r.EECD:
            self.regs[off] = value & 0x4F
        elif off == r.SWSM:
            self.regs[off] = value & 0xB
        elif off == r.STATUS:
            keep = r.STATUS_PHYRA
            now = self.regs.get(off, 0) & (~keep | value & keep)
            self.regs[off] = now & ~(value & r.STATUS_DEV_RST_SET)
        elif off == r.CTRL:
            self._write_ctrl(value)
        elif off == r.CTRL_EXT:
            if value & r.CTRL_EXT_EE_RST:
                self._load_mac()
            self.ctrl_ext = kept
            self.regs[off] = kept
        elif off == r.RXPBS:
            self.rxpbs = kept
            self._size_fifo()
            self._decode_rx()
        elif off == r.SYSTIML or off == r.SYSTIMH:
            now = self._systim()
            if off == r.SYSTIML:
                now = now & ~0xFFFFFFFF | value
            else:
                now = now & 0xFFFFFFFF | value << 32
            self.systim_base = now
            self.systim_t0 = self.bus.now_ns()
        elif off == r.TIMINCA:
            self.systim_base = self._systim()
            self.systim_t0 = self.bus.now_ns()
            self.regs[off] = value
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
                self.eiac = kept
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
            elif r.RA <= off < r.RA + 0x80 or r.RA2 <= off < r.RA2 + 0x80:
                self._decode_rar()
            elif r.MTA <= off < r.MTA + 4 * r.MTA_ENTRIES:
                self.mta[(off - r.MTA) >> 2] = kept
                self.mta_any = kept != 0 or any(self.mta)
            elif r.VFTA <= off < r.VFTA + 4 * r.VFTA_ENTRIES:
                self.vfta[(off - r.VFTA) >> 2] = kept
            elif r.RSSRK <= off < r.RSSRK + 4 * r.RSSRK_ENTRIES:
                self.toeplitz.set_key(
                    b"".join(
                        self.regs.get(r.RSSRK + 4 * i, 0).to_bytes(4, "little")
                        for i in range(r.RSSRK_ENTRIES)
                    )
                )
            elif r.ETQF0 <= off < r.ETQF0 + 4 * r.ETQF_ENTRIES or off == r.VLAPQF:
                self.etqf_any = bool(self.regs.get(r.VLAPQF, 0)) or any(
                    self.regs.get(r.ETQF(i), 0) & r.ETQF_QUEUE_ENABLE for i in range(r.ETQF_ENTRIES)
                )

    def _write_ctrl(self, value: int) -> None:
        if value & r.CTRL_RST or (self.i350 and value & r.CTRL_DEV_RST):
            self._global_reset()
            if self.i350 and value & r.CTRL_DEV_RST:
                self.regs[r.STATUS] |= r.STATUS_DEV_RST_SET
            return
        self.ctrl = value & self.masks[r.CTRL]
        self.regs[r.CTRL] = self.ctrl
        if value & r.CTRL_PHY_RST:
            self.phy.reset()
            self.regs[r.STATUS] = self.regs.get(r.STATUS, 0) | r.STATUS_PHYRA
            self._renegotiate()
        self._update_link()
        self._drain()
        self._tx_kick()

    def config_changed(self, off: int, size: int) -> None:
        """Bus mastering, power state or the interrupt kind may have changed."""
        if off < 8 or off >= 0x40:
            self._decode_interrupts()
            self._decode_rx()
            self._evaluate(0)
            self._drain()
            self._tx_kick()

    def _master(self) -> bool:
        return self.config.bus_master and not self.ctrl & r.CTRL_GIO_MASTER_DISABLE

    def _systim(self) -> int:
        """The clock for time stamps: nanoseconds in an I350; steps of TIMINCA, every 16 ns a period, in an 82576."""
        passed = self.bus.now_ns() - self.systim_t0
        if self.i350:
            return self.systim_base + passed & 0xFFFFFFFFFF
        tim = self.regs.get(r.TIMINCA, 0)
        period = (tim >> 24) * 16
        if not period:
            return self.systim_base
        return self.systim_base + passed // period * (tim & 0xFFFFFF) & 0xFFFFFFFFFFFFFFFF

    def _read_stat(self, i: int) -> int:
        v = self.stats[i]
        if i in r.WIDE_STATS:
            self.stats[i] = 0
            self.stats[i + 1] = v >> 32 & 0xFFFFFFFF
            return v & 0xFFFFFFFF
        self.stats[i] = 0
        return min(v, 0xFFFFFFFF)

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
        self.auto_mask = self.eiam if self.gpie & r.GPIE_EIAME else 0

    def _queue_event(self, vec: int) -> None:
        """MSI-X: a queue (or the other causes) has something for vector `vec`."""
        if vec < 0:
            return
        v = self.vectors[vec]
        bit = v.bit
        self.eicr |= bit
        self.want |= bit
        if self.eims & bit:
            self._send(v)

    def _send(self, v: Vector) -> None:
        """Send a vector's message now, or when its interval is over; then auto-clear and auto-mask."""
        if v.interval:
            now = self.bus.now_ns()
            if now < v.next:
                if v.timer is None:
                    v.timer = self.bus.at_ns(v.next, v.expired)
                return
            v.next = now + v.interval
        bit = v.bit
        self.want &= ~bit
        if self.eiac & bit:
            self.eicr &= ~bit
        self.eims &= ~(self.auto_mask & bit)
        self.stats[r.S_IAC] += 1
        if self.msix is not None:
            self.msix.fire(v.index)

    def _send_wanted(self) -> None:
        todo = self.want & self.eims
        if not todo or not self.multi:
            return
        for v in self.vectors:
            if todo & v.bit:
                self._send(v)

    def vector_expired(self, v: Vector) -> None:
        """The moderation interval of `v` is over."""
        if self.multi:
            if self.want & self.eims & v.bit:
                self._send(v)
        elif v.index == 0:
            self._evaluate(0)

    def _raise(self, causes: int) -> None:
        """Set causes in ICR and interrupt if the mask lets them."""
        self.icr |= causes
        if self.multi:
            if causes & self.ims:
                self._queue_event(self.other_vec)
        elif self.icr & self.ims & ~self.signalled:
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
                self._queue_event(self.other_vec)
            return
        self.signalled &= active
        config = self.config
        edge = config.msi_on or config.msix_on
        if not edge and not active:
            self.set_intx(False)
            return
        if active & ~self.signalled:
            v = self.vectors[0]
            now = self.bus.now_ns()
            if now < v.next:
                if v.timer is None:
                    v.timer = self.bus.at_ns(v.next, v.expired)
                return
            if edge and not config.bus_master:
                return
            self.signalled |= active
            v.next = now + v.interval if v.interval else 0
            self.stats[r.S_IAC] += 1
            if config.msix_on:
                if self.msix is not None:
                    self.msix.fire(0)
            elif config.msi_on:
                self.fire_msi(0)
            else:
                self.set_intx(True)

    # ------------------------------------------------------------------ receive: the MAC
    def receive(self, frame: bytes, tag: Tag | None = None, fcs_ok: bool = True) -> bool:
        """See NicModel. Lost frames are booked with the ethtool name of the counter that moved."""
        if not self.rx_on:
            if self.loop and self.link_lu:
                reason = "phy loopback"
            elif not self.link_lu:
                reason = "link down"
            else:
                reason = "receiver disabled"
            self.bus.frame_dropped(tag, reason, "none")
            return False
        return self._accept(frame, tag, fcs_ok)

    def _accept(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> bool:
        stats = self.stats
        size = len(frame) + 4
        stats[S_TPR] += 1
        stats[S_TORL] += size
        if (size < 64 or size > self.max_size or not fcs_ok) and not self._odd_size(frame, size, tag, fcs_ok):
            return False
        dst = frame[:6]
        rctl = self.rctl
        if frame[12:14] == b"\x88\x08" and fcs_ok and self._mac_control(frame, dst, tag):
            return False
        if dst in self.rar:
            pass
        elif dst[0] & 1:
            if dst == BROADCAST:
                if not rctl & (r.RCTL_BAM | r.RCTL_MPE):
                    self.bus.frame_dropped(tag, "mac filter", "none")
                    return False
            elif not rctl & r.RCTL_MPE and not (self.mta_any and self._hash_match(dst)):
                self.bus.frame_dropped(tag, "mac filter", "none")
                return False
        elif not rctl & r.RCTL_UPE:
            self.bus.frame_dropped(tag, "mac filter", "none")
            return False
        if rctl & r.RCTL_VFE and not self._vlan_match(frame):
            self.bus.frame_dropped(tag, "vlan filter", "none")
            return False
        if not self.fifo:
            fate = self._store(frame, tag, fcs_ok)
            if fate != WAITS:
                return fate == STORED
        # the frame waits in the packet buffer, if it has room
        need = (size + 31) & ~15
        if self.fifo_bytes + need > self.fifo_size:
            stats[r.S_MPC] += 1
            self.bus.frame_dropped(tag, "rx fifo full", "rx_missed_errors")
            self._raise(r.ICR_RXO)
            return False
        stats[r.S_RNBC] += 1
        self.fifo.append((frame, tag, fcs_ok))
        self.fifo_bytes += need
        if self.ctrl & r.CTRL_TFCE and not self.sent_xoff:
            high = self.regs.get(r.FCRTH, 0)
            if high and self.fifo_bytes > high:
                self.sent_xoff = True
                stats[r.S_XOFFTXC] += 1
                if self.pause_sink is not None:
                    self.pause_sink(self.regs.get(r.FCTTV, 0))
        return True

    def _odd_size(self, frame: bytes, size: int, tag: Tag | None, fcs_ok: bool) -> bool:
        """A runt, a giant or a bad FCS: count it. True when it is stored all the same (RCTL.SBP)."""
        stats = self.stats
        store = bool(self.rctl & r.RCTL_SBP) and size >= 18
        if size < 64:
            stats[r.S_RUC if fcs_ok else r.S_RFC] += 1
            stats[r.S_RLEC] += 1
            reason = "runt"
            counter = "rx_short_length_errors" if fcs_ok else "none"
        elif size > self.max_size:
            stats[r.S_ROC if fcs_ok else r.S_RJC] += 1
            stats[r.S_RLEC] += 1
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

    def _hash_match(self, dst: bytes) -> bool:
        """Multicast table: 12 bits of the address, chosen by RCTL.MO."""
        mo = self.rctl >> r.RCTL_MO_SHIFT & 3
        left = 4 + mo if mo < 3 else 8
        h = (dst[4] >> (8 - left) | dst[5] << left) & 0xFFF
        return bool(self.mta[h >> 5] >> (h & 31) & 1)

    def _vlan_match(self, frame: bytes) -> bool:
        if len(frame) < 18 or frame[12] << 8 | frame[13] != self.vet:
            return True
        tci = frame[14] << 8 | frame[15]
        if self.rctl & r.RCTL_CFIEN and bool(tci & 0x1000) != bool(self.rctl & r.RCTL_CFI):
            return False
        vid = tci & 0xFFF
        return bool(self.vfta[vid >> 5] >> (vid & 31) & 1)

    def _mac_control(self, frame: bytes, dst: bytes, tag: Tag | None) -> bool:
        """A MAC control frame. True when the MAC keeps it (booked as lost to the host)."""
        if not self.ctrl & r.CTRL_RFCE:
            return False
        if dst != PAUSE_DST and dst not in self.rar:
            return False
        if frame[14:16] != b"\x00\x01" or len(frame) < 18:
            self.stats[r.S_FCRUC] += 1
            return False
        quanta = frame[16] << 8 | frame[17]
        if quanta:
            self.stats[r.S_XOFFRXC] += 1
            counter = "rx_flow_control_xoff"
            self.paused = True
            if self.tx_resume is not None:
                self.bus.cancel(self.tx_resume)
            self.tx_resume = self.bus.at_ns(self.bus.now_ns() + quanta * PAUSE_QUANTUM_NS, self._pause_over)
        else:
            self.stats[r.S_XONRXC] += 1
            counter = "rx_flow_control_xon"
            if self.tx_resume is not None:
                self.bus.cancel(self.tx_resume)
                self.tx_resume = None
            self.paused = False
        self._update_status()
        if not self.paused:
            self._tx_kick()
        if self.rctl & r.RCTL_PMCF and not self.rctl & r.RCTL_DPF:
            return False
        self.bus.frame_dropped(tag, "pause frame", counter)
        return True

    def _pause_over(self) -> None:
        self.tx_resume = None
        self.paused = False
        self._update_status()
        self._tx_kick()

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

    def _ring_view(self, q: RxQueue) -> memoryview | None:
        """The ring's memory, or None when there is nothing sensible to work on."""
        if not q.entries or q.head >= q.entries or q.tail >= q.entries or not self._master():
            return None
        try:
            q.view = self.bus.dma_view(q.base, q.entries << 4)
        except DmaFault:
            self.config.set_status(PCI_STATUS_REC_MASTER_ABORT)
            q.view = None
        return q.view

    def _drain(self) -> None:
        """Move waiting frames to memory while descriptors last. The first one holds up all behind it."""
        fifo = self.fifo
        if not fifo or not self.rctl & r.RCTL_EN:
            return
        while fifo:
            frame, tag, fcs_ok = fifo[0]
            if self._store(frame, tag, fcs_ok) == WAITS:
                break
            fifo.popleft()
            self.fifo_bytes -= (len(frame) + 35) & ~15
        if self.sent_xoff and self.fifo_bytes < (self.regs.get(r.FCRTL, 0) & 0x3FFF0):
            self.sent_xoff = False
            if self.regs.get(r.FCRTL, 0) & r.FCRTL_XONE:
                self.stats[r.S_XONTXC] += 1
                if self.pause_sink is not None:
                    self.pause_sink(0)

    def _filter_queue(self, kind: int, vlan_tci: int) -> int:
        """EtherType and VLAN priority filters that name a queue; -1 when none matches."""
        regs = self.regs
        for i in range(r.ETQF_ENTRIES):
            etqf = regs.get(r.ETQF(i), 0)
            if (
                etqf & r.ETQF_FILTER_ENABLE
                and etqf & r.ETQF_QUEUE_ENABLE
                and etqf & r.ETQF_ETYPE_MASK == kind
            ):
                return (etqf & r.ETQF_QUEUE_MASK) >> r.ETQF_QUEUE_SHIFT
        if vlan_tci >= 0:
            field = regs.get(r.VLAPQF, 0) >> 4 * (vlan_tci >> 13)
            if field & 8:
                return field & 7
        return -1

    def _store(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> int:
        """Write one frame to host memory with its descriptor(s) and interrupt; returns WAITS, STORED or LOST."""
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
            if size >= 1024:
                stats[r.S_PRC1522] += 1
            elif size > 255:
                stats[r.S_PRC511 if size < 512 else r.S_PRC1023] += 1
            elif size > 64:
                stats[r.S_PRC127 if size < 128 else r.S_PRC255] += 1
            else:
                stats[r.S_PRC64] += 1
        if self.multi:
            self._queue_event(q.vec)
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

    def _packet_checksum(self, data: bytes) -> int:
        """One's complement sum from RXCSUM.PCSS to the end, as the write-back has it (low byte first in memory)."""
        tail = data[self.rxcsum & 0xFF :]
        n = int.from_bytes(tail, "big")
        if len(tail) & 1:
            n <<= 8
        s = n % 0xFFFF
        if not s and n:
            s = 0xFFFF
        return s >> 8 | (s & 0xFF) << 8

    def _fault(self, tag: Tag | None) -> None:
        self.config.set_status(PCI_STATUS_REC_MASTER_ABORT)
        if tag is not None:
            self.bus.frame_dropped(tag, "dma fault", "none")

    def in_flight(self) -> int:
        """Frames in the packet buffer."""
        return sum(len(tag) if isinstance(tag, tuple) else 1 for _f, tag, _ok in self.fifo)

    # ------------------------------------------------------------------ transmit
    def _write_tx_ring(self, t: TxQueue, field: int, off: int, value: int) -> None:
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

    def _tx_run(self, t: TxQueue) -> None:
        """Work through the ring from head to tail."""
        if (
            self.tx_running
            or not t.enabled
            or not self.tctl & r.TCTL_EN
            or not self._master()
            or self.paused
            or not (self.link_lu or self.loop)
        ):
            return
        if not t.entries or t.head >= t.entries or t.tail >= t.entries or t.head == t.tail:
            return
        view = t.view
        if view is None:
            try:
                view = self.bus.dma_view(t.base, t.entries << 4)
            except DmaFault:
                self.config.set_status(PCI_STATUS_REC_MASTER_ABORT)
                return
            t.view = view
        self.tx_running = True
        report = False
        while t.head != t.tail:
            at = t.head << 4
            addr, cmd, upper = _TXD.unpack_from(view, at)
            t.head = t.head + 1 if t.head + 1 < t.entries else 0
            if cmd & r.TXD_CMD_DEXT and cmd & r.TXD_DTYP_MASK == r.ADVTXD_DTYP_CTXT:
                context = _CONTEXT.unpack_from(view, at)
                t.context[context[3] >> 4 & 1] = context
                if context[3] >> r.ADVTXD_MSS_SHIFT:
                    self.stats[r.S_TSCTC] += 1
            else:
                self._tx_data(t, addr, cmd, upper)
            if cmd & r.TXD_CMD_RS:
                view[at + 12] = view[at + 12] | r.TXD_STAT_DD
                report = True
            if self.paused:
                break
        self.tx_running = False
        if not report:
            return
        if self.multi:
            self._queue_event(t.vec)
        else:
            self._raise(r.ICR_TXDW)

    def _tx_data(self, t: TxQueue, addr: int, cmd: int, upper: int) -> None:
        """One data descriptor; at the end of a packet the frame leaves."""
        extended = bool(cmd & r.TXD_CMD_DEXT)
        n = cmd & 0xFFFF
        if not t.parts:
            t.popts = upper & 0x3F00 if extended else 0
            t.tse = extended and bool(cmd & r.ADVTXD_DCMD_TSE)
            t.idx = upper >> 4 & 1
            t.tstamp = extended and bool(cmd & r.ADVTXD_MAC_TSTAMP)
        ok = True
        if n:
            try:
                t.parts.append(self.bus.dma_read(addr, n))
            except DmaFault:
                self.config.set_status(PCI_STATUS_REC_MASTER_ABORT)
                t.parts.append(b"")
                ok = False
        if not cmd & r.TXD_CMD_EOP:
            return
        frame = t.parts[0] if len(t.parts) == 1 else b"".join(t.parts)
        t.parts = []
        if not ok or len(frame) < 14:
            return
        if not cmd & r.TXD_CMD_IFCS:
            frame = frame[:-4]  # the driver brought its own FCS
        if t.tstamp and self.regs.get(r.TSYNCTXCTL, 0) & (r.TSYNCTXCTL_ENABLED | 1) == r.TSYNCTXCTL_ENABLED:
            self._tx_stamp()
        lens, _seq, tucmd, mss_l4 = t.context[t.idx]
        vlan = -1
        if cmd & r.TXD_CMD_VLE and self.vme:
            vlan = lens >> 16 if extended else upper >> 16
        if not extended:
            if cmd & r.TXD_CMD_IC:
                buf = bytearray(frame)
                insert_checksum(buf, upper >> 8 & 0xFF, cmd >> 16 & 0xFF, 0, False)
                frame = bytes(buf)
            self._tx_emit(frame, vlan)
            return
        if not t.popts and not t.tse:
            self._tx_emit(frame, vlan)
            return
        ip = lens >> r.ADVTXD_MACLEN_SHIFT & 0x7F
        l4 = ip + (lens & 0x1FF)
        kind = tucmd & r.ADVTXD_TUCMD_L4T_MASK
        tcp = kind == r.ADVTXD_TUCMD_L4T_TCP
        csum_at = l4 + (16 if tcp else 6)
        ip4 = bool(tucmd & r.ADVTXD_TUCMD_IPV4)
        if t.tse:
            hdr = l4 + (mss_l4 >> r.ADVTXD_L4LEN_SHIFT & 0xFF)
            for seg in segment(frame, hdr, mss_l4 >> r.ADVTXD_MSS_SHIFT, ip, ip4, l4, tcp):
                if t.popts & r.TXD_POPTS_IXSM:
                    insert_checksum(seg, ip, ip + 10, l4, False)
                if t.popts & r.TXD_POPTS_TXSM:
                    insert_checksum(seg, l4, csum_at, 0, not tcp)
                self._tx_emit(bytes(seg), vlan)
            return
        buf = bytearray(frame)
        if t.popts & r.TXD_POPTS_IXSM:
            insert_checksum(buf, ip, ip + 10, l4, False)
        if t.popts & r.TXD_POPTS_TXSM and kind != r.ADVTXD_TUCMD_L4T_SCTP:
            insert_checksum(buf, l4, csum_at, 0, not tcp)
        self._tx_emit(bytes(buf), vlan)

    def _tx_stamp(self) -> None:
        v = self._systim()
        self.regs[r.TXSTMPL] = v & 0xFFFFFFFF
        self.regs[r.TXSTMPH] = v >> 32 & 0xFFFFFFFF
        self.regs[r.TSYNCTXCTL] = self.regs.get(r.TSYNCTXCTL, 0) | 1
        if self.regs.get(r.TSIM, 0) & 2:
            self.regs[r.TSICR] = self.regs.get(r.TSICR, 0) | 2
            self._raise(r.ICR_TS)

    def _tx_emit(self, frame: bytes, vlan: int) -> None:
        """A frame goes out: tag, pad, count, hand to the wire or back to the receiver."""
        if vlan >= 0:
            frame = frame[:12] + self.vet.to_bytes(2, "big") + vlan.to_bytes(2, "big") + frame[12:]
        if len(frame) < 60:
            if self.tctl & r.TCTL_PSP:
                frame = frame + bytes(60 - len(frame))
            elif len(frame) < 14:
                return
        size = len(frame) + 4
        stats = self.stats
        stats[r.S_GPTC] += 1
        stats[r.S_HGPTC] += 1
        stats[r.S_TPT] += 1
        stats[r.S_GOTCL] += size
        stats[r.S_HGOTCL] += size
        stats[r.S_TOTL] += size
        if frame[0] & 1:
            stats[r.S_BPTC if frame[:6] == BROADCAST else r.S_MPTC] += 1
        if size <= 64:
            stats[r.S_PTC64] += 1
        elif size < 128:
            stats[r.S_PTC127] += 1
        elif size < 256:
            stats[r.S_PTC255] += 1
        elif size < 512:
            stats[r.S_PTC511] += 1
        elif size < 1024:
            stats[r.S_PTC1023] += 1
        else:
            stats[r.S_PTC1522] += 1
        if self.loop:
            if self.rctl & r.RCTL_EN:
                self._accept(frame, None, True)
        elif self.tx_sink is not None:
            self.tx_sink(frame)


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
