"""Intel 82574L, at the level of its registers.

What belongs here: everything between a frame on the wire and bytes, write-backs and interrupt messages on
the bus, as the 82574 does it. Facts: the e1000e driver's expectations (Linux 6.1) and the chip's published
description. Not modelled: wake-up, manageability, hardware time stamps of frames, the flash's contents.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from rxpath.hw.bus import DmaFault, Tag
from rxpath.hw.nic.intel import BROADCAST, SIZES, STORED, WAITS, E1000Nic, Ring, TxRing
from rxpath.hw.nic.mii import MiiPhy, Nvm
from rxpath.hw.nic.offload import (
    CSUM_BAD,
    CSUM_NONE,
    IPPROTO_TCP,
    Toeplitz,
    fold_long,
    insert_checksum,
    segment,
)
from rxpath.hw.pci import BAR_IO, MsixTable, PciConfig
from rxpath.hw.regs import i82574 as r

_ADDR: Final = struct.Struct("<Q")
_PS_READ: Final = struct.Struct("<QQQQ")
_WB_LEGACY: Final = struct.Struct("<HHBBH")
_WB_EXT: Final = struct.Struct("<IIIHH")
_WB_PS: Final = struct.Struct("<IIIHHHHHHQ")
_TXD: Final = struct.Struct("<QII")
_CONTEXT: Final = struct.Struct("<BBHBBHIBBH")
# from the Ethernet type on: type, version and IHL, total length, fragment, protocol; UDP length and checksum
_UDP4: Final = struct.Struct(">HBxHxxHxB14xHH")

UNIT_NS: Final = 256                    # ITR, EITR
DELAY_NS: Final = 1024                  # RDTR, RADV, TIDV, TADV
NEVER: Final = 1 << 62
ITR_VECTOR: Final = 5                   # the slot of INTx and MSI beside the five MSI-X vectors

# Plain local names for what is used for every frame (mypyc makes module constants of them).
DD_EOP: Final = r.RXD_STAT_DD | r.RXD_STAT_EOP
S_TPR: Final = r.S_TPR
S_TORL: Final = r.S_TORL
S_GPRC: Final = r.S_GPRC
S_GORCL: Final = r.S_GORCL
ETH_P_IP: Final = 0x0800
UDP_GOOD: Final = DD_EOP | r.RXD_STAT_IPCS | r.RXD_STAT_UDPCS


# buffer addresses of so many descriptors in a row
_PREFETCH: Final = tuple(struct.Struct("<" + "Q8x" * n) for n in range(17))


class RxQueue(Ring):
    """A receive ring; head, tail and entries count 16-byte units.

    `ready`: buffer addresses of the next `fetched` descriptors, of which `used` were written to.
    """

    __slots__ = ("fetched", "low", "ready", "used")

    def clear(self) -> None:
        super().clear()
        self.ready: tuple[int, ...] = ()
        self.fetched: int = 0
        self.used: int = 0
        self.low: int = 0               # RDMT0 when no more than these are left


class TxQueue(TxRing):
    """A transmit ring and the frame that is being put together from its descriptors."""

    __slots__ = ("context", "tso")

    def clear(self) -> None:
        super().clear()
        self.context: tuple[int, ...] = (0,) * 10
        self.tso: tuple[int, ...] = (0,) * 10


class I82574(E1000Nic):
    """An 82574L: 2 receive and 2 transmit queues, 5 MSI-X vectors, 40 KiB packet buffer.

    `receive` runs to the end of the frame's DMA when a descriptor is free; else the frame waits in the
    packet buffer, and is lost when that is full. Transmission takes no time.
    """

    __slots__ = (
        "bsize", "eiac", "interval", "irq_next", "irq_timer", "ivar", "pba", "ps_sizes", "quick", "quick_cause",
        "quick_max", "quick_min", "quick_mrq", "quick_sizes", "quick_words", "radv_ns", "rdtr_ns", "rfctl",
        "rsrpd", "rx", "rx_abs_due", "rx_causes", "rx_due", "rx_mode", "rx_timer", "rx_timer_at", "signalled",
        "tx", "tx_abs_due", "tx_causes", "tx_due", "tx_timer", "tx_timer_at", "vec_of",
    )

    MODE_LEGACY: Final = 0
    MODE_EXT: Final = 1
    MODE_PS: Final = 2

    def __init__(self, mac: bytes = b"\x52\x54\x00\x12\x34\x56", *, autoneg_ns: int = 0,
                 sub_vendor: int = 0x8086,
                 sub_device: int = 0) -> None:
        """`mac`: permanent address, 6 bytes, also in the NVM. `autoneg_ns`: time autonegotiation takes."""
        config = PciConfig(r.VENDOR_ID, r.DEVICE_ID, sub_vendor=sub_vendor, sub_device=sub_device)
        config.add_bar(0, r.CSR_SIZE)
        config.add_bar(1, r.FLASH_SIZE)
        config.add_bar(2, r.IO_SIZE, BAR_IO)
        config.add_bar(3, r.MSIX_SIZE)
        config.add_rom(0x40000)
        config.add_pm(0xC8, pmc=0x0022)
        config.add_msi(0xD0)
        config.add_pcie(0xE0, version=1, devcap=0x8000, lnkcap=0x400)
        config.add_msix(0xA0, r.MSIX_VECTORS, 3, 0, 3, r.MSIX_PBA)
        config.add_aer(0x100, version=2, severity=0x00462030, cor_mask=0xE000, control=0xA0)
        config.add_dsn(0x140, mac)
        words = [0xFFFF] * r.NVM_WORDS
        words[0:16] = [
            mac[0] | mac[1] << 8, mac[2] | mac[3] << 8, mac[4] | mac[5] << 8, 0x0420, 0xF746, 0x2010, 0xFFFF,
            0xFFFF,
            0x0000, 0x0000, 0x026B, sub_device, sub_vendor, r.DEVICE_ID, 0x0000, 0x8058]
        words[0x12] = 0x7E7C
        words[0x14] = 0x0000
        words[0x1A] = 0x0000
        words[0x24] = 0x0400                # wake on magic packet is armed
        nvm = Nvm(words)
        nvm.fix_checksum()
        super().__init__(
            config, mac, MsixTable(config, r.MSIX_VECTORS), MiiPhy(r.PHY_ID1, r.PHY_ID2), nvm, autoneg_ns,
            r.RAR_ENTRIES, r.WRITE_MASKS, (r.STATS_END - r.STATS_BASE) >> 2)
        self.rx: list[RxQueue] = [RxQueue(0), RxQueue(1)]
        self.tx: list[TxQueue] = [TxQueue(0), TxQueue(1)]
        self.pba: int = 0
        # decoded registers
        self.rfctl: int = 0
        self.bsize: int = 2048
        self.rx_mode: int = 0
        self.ps_sizes: tuple[int, ...] = (256, 4096, 4096, 0)
        self.rsrpd: int = 0
        self.rdtr_ns: int = 0
        self.radv_ns: int = 0
        self.quick: bool = False
        self.quick_min: int = 0
        self.quick_max: int = 0
        self.quick_mrq: int = 0
        self.quick_cause: int = 0
        self.quick_sizes: dict[int, int] = {}
        self.quick_words: dict[int, int] = {}           # hashes by source and destination address
        # interrupts
        self.eiac: int = 0
        self.ivar: int = 0
        self.signalled: int = 0
        self.vec_of: list[int] = [-1] * 5
        self.interval: list[int] = [0] * 6
        self.irq_next: list[int] = [0] * 6
        self.irq_timer: list[object] = [None] * 6
        # moderation
        self.rx_timer: object = None
        self.rx_timer_at: int = 0
        self.rx_due: int = 0
        self.rx_abs_due: int = 0
        self.rx_causes: int = 0
        self.tx_timer: object = None
        self.tx_timer_at: int = 0
        self.tx_due: int = 0
        self.tx_abs_due: int = 0
        self.tx_causes: int = 0
        self._power_on_buffers()
        self._global_reset()

    # ------------------------------------------------------------------ reset
    def _power_on_buffers(self) -> None:
        self.pba = r.PBA_DEFAULT
        self.fifo_size = self.pba << 10

    def _global_reset(self) -> None:
        self._begin_reset()
        self.regs = dict(r.RESET_VALUES)
        self.quick_sizes = {}
        for q in self.rx:
            q.clear()
        for t in self.tx:
            t.clear()
        self.eiac = self.ivar = self.signalled = 0
        self.vec_of = [-1] * 5
        self.interval = [0] * 6
        self.irq_next = [0] * 6
        for v in range(6):
            if self.irq_timer[v] is not None:
                self.bus.cancel(self.irq_timer[v])
                self.irq_timer[v] = None
        if self.rx_timer is not None:
            self.bus.cancel(self.rx_timer)
            self.rx_timer = None
        if self.tx_timer is not None:
            self.bus.cancel(self.tx_timer)
            self.tx_timer = None
        self.rx_causes = 0
        self.tx_causes = 0
        self.rx_due = self.rx_abs_due = self.tx_due = self.tx_abs_due = 0
        self.rsrpd = 0
        self.rdtr_ns = self.radv_ns = 0
        self.ctrl = r.RESET_VALUES[r.CTRL]
        self.ctrl_ext = r.RESET_VALUES[r.CTRL_EXT]
        self.tctl = 0
        self.vet = 0
        self.rfctl = 0
        self.rxcsum = r.RESET_VALUES[r.RXCSUM]
        self._end_reset()

    def _decode_rx(self) -> None:
        """Work out what receive needs from RCTL, RFCTL, PSRCTL, RXCSUM, CTRL."""
        rctl = self.rctl
        self.max_size = 16384 if rctl & r.RCTL_LPE else 1522
        self._decode_mac()
        flx = rctl >> r.RCTL_FLXBUF_SHIFT & 0xF
        code = (rctl & r.RCTL_SZ_MASK) >> r.RCTL_SZ_SHIFT
        if flx:
            self.bsize = flx << 10
        elif rctl & r.RCTL_BSEX:
            self.bsize = (2048, 16384, 8192, 4096)[code]
        else:
            self.bsize = (2048, 1024, 512, 256)[code]
        if rctl & r.RCTL_DTYP_MASK == r.RCTL_DTYP_PS:
            self.rx_mode = self.MODE_PS
        elif self.rfctl & r.RFCTL_EXTEN:
            self.rx_mode = self.MODE_EXT
        else:
            self.rx_mode = self.MODE_LEGACY
        ps = self.regs.get(r.PSRCTL, 0)
        self.ps_sizes = ((ps & 0x7F) << 7, (ps >> 8 & 0x3F) << 10, (ps >> 16 & 0x3F) << 10,
                         (ps >> 24 & 0x3F) << 10)
        self.rss = self.mrqc & 0x003F0000
        self.rss_multi = self.mrqc & 3 == 1
        csum = r.RXCSUM_PCSD | r.RXCSUM_IPOFL | r.RXCSUM_TUOFL
        self.quick = (self.rx_on and self._master() and self.rx_mode == self.MODE_EXT and self.strip_crc
                      and self.rxcsum & csum == csum and not self.rss_multi and self.vet != ETH_P_IP)
        self.quick_min = max(60, self.rsrpd - 3)        # shorter ones are runts, or small enough for SRPD
        self.quick_max = min(self.bsize, self.max_size - 4)
        self.quick_mrq = r.RSS_TYPE_IPV4 if self.rss & r.MRQC_RSS_FIELD_IPV4 else 0
        self.quick_cause = r.ICR_RXQ0 if self.config.msix_on else r.ICR_RXT0
        for q in self.rx:
            q.low = q.entries >> (1 + (rctl >> r.RCTL_RDMTS_SHIFT & 3))

    # ------------------------------------------------------------------ registers
    def _read32(self, off: int) -> int:
        if off == r.ICR:
            return self._read_icr()
        if r.STATS_BASE <= off < r.STATS_END:
            return self._read_stat((off - r.STATS_BASE) >> 2)
        if off == r.IMS:
            return self.ims
        if off == r.ICS:
            return self.icr
        if off == r.SWSM:
            return self._take_semaphore(off, r.SWSM_SMBI)
        if off == r.EECD:
            v = self.regs.get(off, 0) & (r.EECD_REQ | 0xF)
            return v | r.EECD_PRES | r.EECD_AUTO_RD | (r.EECD_GNT if v & r.EECD_REQ else 0)
        if off == r.PBA:
            return self.pba | max(r.PACKET_BUFFER_KIB - self.pba, 0) << 16
        if 0x2800 <= off < 0x2A00:
            q = self.rx[off >> 8 & 1]
            if off & 0xFF == 0x10:
                return q.head
            if off & 0xFF == 0x18:
                return q.tail
        elif 0x3800 <= off < 0x3A00:
            t = self.tx[off >> 8 & 1]
            if off & 0xFF == 0x10:
                return t.head
            if off & 0xFF == 0x18:
                return t.tail
        elif off == r.SYSTIML:
            return self._read_systim()
        elif off == r.RDFPC:
            return len(self.fifo)
        return self.regs.get(off, 0)

    def _write32(self, off: int, value: int) -> None:
        if off == r.IMS:
            self.ims |= value & r.ICR_CAUSES
            self.signalled &= ~value                    # unmasking a cause that is set interrupts again
            self._evaluate()
            return
        mask = r.WRITE_MASKS.get(off, 0)
        if 0x2800 <= off < 0x2A00 and off & 0xFF <= 0x18:
            self._write_rx_ring(off, value & mask)
        elif 0x3800 <= off < 0x3A00 and off & 0xFF <= 0x18:
            self._write_tx_ring(off, value & mask)
        elif off == r.ICS:
            self._raise(value & r.ICR_CAUSES)
        elif r.EITR0 <= off < r.EITR0 + 4 * r.MSIX_VECTORS:
            self.regs[off] = value & 0xFFFF
            self.interval[(off - r.EITR0) >> 2] = (value & 0xFFFF) * UNIT_NS
        elif off == r.IMC:
            self.ims &= ~value
            self._evaluate()
        elif off == r.ICR:
            self.icr &= ~value
            if self.ctrl_ext & r.CTRL_EXT_IAME:
                self.ims &= ~self.iam
            self._evaluate()
        else:
            self._write_other(off, value, mask)

    def _write_other(self, off: int, value: int, mask: int) -> None:
        """Everything that is not written in the course of traffic."""
        kept = value & mask
        if self._write_management(off, value, kept):
            return
        if off == r.EEWR:
            addr = value >> r.EERD_ADDR_SHIFT & 0x3FFF
            if value & r.EERD_START:
                self.nvm.write(addr, value >> 16)
            self.regs[off] = value & ~r.EERD_START | r.EERD_DONE
        elif off == r.STATUS:
            self.regs[off] = self.regs.get(off, 0) & (~r.STATUS_PHYRA | value & r.STATUS_PHYRA)
        elif off == r.PBA:
            self.pba = min(value & 0xFFFF, r.PACKET_BUFFER_KIB)
            self.fifo_size = self.pba << 10
        elif off == r.RDTR:
            self.regs[off] = kept
            self.rdtr_ns = kept * DELAY_NS
            if value & r.RDTR_FPD and self.rx_causes:
                self._rx_interrupt()
        elif not mask:
            return                                      # read only, or not there at all
        else:
            self.regs[off] = kept
            if off == r.RCTL:
                self.rctl = kept
                self._update_link()
                self._drain()
            elif off == r.TCTL:
                self.tctl = kept
                self._tx_kick()
            elif off == r.RADV:
                self.radv_ns = kept * DELAY_NS
            elif off == r.ITR:
                self.interval[ITR_VECTOR] = kept * UNIT_NS
            elif off == r.IAM:
                self.iam = kept
            elif off == r.EIAC:
                self.eiac = kept
            elif off == r.IVAR:
                self._decode_ivar(kept)
            elif off == r.RXCSUM:
                self.rxcsum = kept
                self._decode_rx()
            elif off == r.RFCTL:
                self.rfctl = kept
                self._decode_rx()
            elif off == r.PSRCTL:
                self._decode_rx()
            elif off == r.MRQC:
                self.mrqc = kept
                self._decode_rx()
            elif off == r.RSRPD:
                self.rsrpd = kept
                self._decode_rx()
            elif off == r.VET:
                self.vet = kept
                self._decode_rx()
            elif r.RSSRK <= off < r.RSSRK + 4 * r.RSSRK_ENTRIES:
                self.quick_words.clear()
                self._load_rss_key(r.RSSRK)
            else:
                self._write_filter(off, kept)

    def config_changed(self, off: int, size: int) -> None:
        """Bus mastering, power state or the interrupt kind may have changed."""
        if off < 8 or off >= 0xA0:
            self._decode_rx()
            self._evaluate()
            self._drain()
            self._tx_kick()

    def _systim(self) -> int:
        tim = self.regs.get(r.TIMINCA, 0)
        period = (tim >> 24) * 40                       # of a 25 MHz clock
        if not period:
            return self.systim_base
        return self.systim_base + (self.bus.now_ns() - self.systim_t0) // period * (tim & 0xFFFFFF)

    def _read_stat(self, i: int) -> int:
        stats = self.stats
        for length, n in self.quick_sizes.items():      # what `_quick` received since the last look
            size = length + 4
            stats[S_TPR] += n
            stats[S_TORL] += n * size
            stats[S_GPRC] += n
            stats[S_GORCL] += n * size
            stats[r.S_PRC64 + bisect_left(SIZES, size)] += n
        self.quick_sizes = {}
        return self._read_cell(i, i in (r.S_GORCL, r.S_GOTCL, r.S_TORL, r.S_TOTL))

    # ------------------------------------------------------------------ interrupts
    def _decode_ivar(self, ivar: int) -> None:
        """Which vector each cause (RxQ0, RxQ1, TxQ0, TxQ1, other) goes to, -1 for none."""
        self.ivar = ivar
        for i in range(5):
            nibble = ivar >> (4 * i) & 0xF
            self.vec_of[i] = nibble & 7 if nibble & r.IVAR_VALID else -1

    def _raise(self, causes: int) -> None:
        icr = self.icr | causes
        if causes & r.IMS_OTHER_MASK:
            icr |= r.ICR_OTHER
        self.icr = icr
        if icr & self.ims & ~self.signalled:
            self._evaluate()

    def _read_icr(self) -> int:
        """Read ICR: clears it when everything is masked or an interrupt is asserted; masks by IAM in the
        latter case.
        """
        v = self.icr
        config = self.config
        if not config.msix_on:
            v &= ~r.ICR_OTHER
        asserted = v & self.ims & ~r.ICR_OTHER
        if asserted:
            v |= r.ICR_INT_ASSERTED
            if self.ctrl_ext & r.CTRL_EXT_IAME:
                self.ims &= ~self.iam
            self.icr = 0
        elif not self.ims:
            self.icr = 0
        self._evaluate()
        return v

    def _evaluate(self) -> None:
        """Send what is due: messages for causes that are set, unmasked and not yet announced, or the INTx
        line.
        """
        active = self.icr & self.ims
        self.signalled &= active
        config = self.config
        if config.msix_on:
            new = active & ~self.signalled & r.EIAC_MASK
            if new:
                for i in range(5):
                    cause = r.ICR_RXQ0 << i
                    if new & cause:
                        self._msix_cause(self.vec_of[i], cause)
            return
        if not config.msi_on and not active:
            self.set_intx(False)
            return
        if active & ~self.signalled:
            now = self.bus.now_ns()
            if now < self.irq_next[ITR_VECTOR]:
                if self.irq_timer[ITR_VECTOR] is None:
                    self.irq_timer[ITR_VECTOR] = self.bus.at_ns(self.irq_next[ITR_VECTOR], self._itr_expired)
                return
            if not config.bus_master and config.msi_on:
                return
            self.signalled |= active
            self.irq_next[ITR_VECTOR] = now + self.interval[ITR_VECTOR]
            self.stats[r.S_IAC] += 1
            if config.msi_on:
                self.fire_msi(0)
            else:
                self.set_intx(True)

    def _itr_expired(self) -> None:
        self.irq_timer[ITR_VECTOR] = None
        self._evaluate()

    def _msix_cause(self, vec: int, cause: int) -> None:
        if vec < 0 or vec >= r.MSIX_VECTORS:
            return
        interval = self.interval[vec]
        if interval:
            now = self.bus.now_ns()
            if now < self.irq_next[vec]:
                if self.irq_timer[vec] is None:
                    self.irq_timer[vec] = self.bus.at_ns(self.irq_next[vec], self._vector_timer(vec))
                return
            self.irq_next[vec] = now + interval
        done = self.eiac & cause
        self.icr &= ~done
        if self.ctrl_ext & r.CTRL_EXT_EIAME:
            self.ims &= ~(done & self.iam)
        self.signalled |= cause & ~done
        self.stats[r.S_IAC] += 1
        if self.msix is not None:
            self.msix.fire(vec)

    def _vector_timer(self, vec: int) -> Callable[[], None]:
        if vec == 0:
            return self._vec0
        if vec == 1:
            return self._vec1
        if vec == 2:
            return self._vec2
        return self._vec3 if vec == 3 else self._vec4

    def _vec0(self) -> None:
        self.irq_timer[0] = None
        self._evaluate()

    def _vec1(self) -> None:
        self.irq_timer[1] = None
        self._evaluate()

    def _vec2(self) -> None:
        self.irq_timer[2] = None
        self._evaluate()

    def _vec3(self) -> None:
        self.irq_timer[3] = None
        self._evaluate()

    def _vec4(self) -> None:
        self.irq_timer[4] = None
        self._evaluate()

    # ------------------------------------------------------------------ receive: the MAC
    def receive(self, frame: bytes, tag: Tag | None = None, fcs_ok: bool = True) -> bool:
        """See NicModel. Lost frames are booked with the ethtool name of the counter that moved."""
        if self.quick and fcs_ok and not self.fifo and self._quick(frame, tag):
            return True
        if self.rx_on:
            return self._accept(frame, tag, fcs_ok)
        return super().receive(frame, tag, fcs_ok)

    def _quick(self, frame: bytes, tag: Tag | None) -> bool:
        """What `_accept` and `_store` do, for the frame that a loaded receiver sees most: UDP over IPv4 to this
        station with good checksums, whole and without options or VLAN tag, into one extended descriptor.

        False: another kind of frame, or more to do than to write and announce it; nothing was done.
        """
        n = len(frame)
        if not self.quick_min <= n <= self.quick_max or frame[:6] not in self.rar:
            return False
        q = self.rx[0]
        if q.used >= q.fetched and not self._prefetch(q):
            return False
        view = q.view
        if view is None:
            return False
        kind, ihl, total, frag, proto, ulen, check = _UDP4.unpack_from(frame, 12)
        if (kind != ETH_P_IP or ihl != 0x45 or proto != 17 or frag & 0x3FFF or not check or ulen < 8
                or ulen + 20 > total or total + 14 > n):
            return False
        # one number for both checksums: a header that sums to nothing adds nothing to the datagram's sum
        packet = int.from_bytes(frame[14:34 + ulen], "big")
        header = packet >> (ulen << 3)
        addresses = header & 0xFFFFFFFFFFFFFFFF
        if ulen & 1:
            packet <<= 8
        if ulen > 512:
            packet = fold_long(packet)
        if header % 0xFFFF or (packet + addresses + 17 + ulen) % 0xFFFF:
            return False
        word: int | None = 0
        if self.quick_mrq:
            word = self.quick_words.get(addresses)
            if word is None:
                if len(self.quick_words) >= Toeplitz.CACHE_SIZE:
                    self.quick_words.clear()
                word = self.quick_words[addresses] = self.toeplitz.hash(frame[26:34])
        used = q.used
        q.used = used + 1
        try:
            self.bus.dma_write(q.ready[used], frame, tag)
        except DmaFault:
            self._fault(tag)
        head = q.head
        _WB_EXT.pack_into(view, head << 4, self.quick_mrq, word, UDP_GOOD, n, 0)
        head += 1
        q.head = head if head < q.entries else 0
        sizes = self.quick_sizes
        sizes[n] = sizes.get(n, 0) + 1
        self.rx_causes |= self.quick_cause
        delay = self.rdtr_ns
        if not delay or self.rx_timer is None or not self.rx_abs_due or self.rx_abs_due < self.rx_timer_at:
            self._rx_announce()
        else:
            due = self.rx_due = self.bus.now_ns() + delay
            if due < self.rx_timer_at:
                self._rx_announce()
        return True

    def _prefetch(self, q: RxQueue) -> bool:
        """Read the addresses of the next descriptors, as the chip does, and not of the one that makes RDMT0 due.
        False: none.
        """
        view = q.view
        if view is None:
            view = self._ring_view(q)
            if view is None:
                return False
        left = (q.tail - q.head) % q.entries
        if left > q.low:
            left -= q.low + 1
        n = min(left, q.entries - q.head, 16)
        q.ready = _PREFETCH[n].unpack_from(view, q.head << 4)
        q.fetched = n
        q.used = 0
        return n > 0

    def _overrun(self) -> None:
        self.stats[r.S_ICRXOC] += 1
        self._raise(r.ICR_RXO)

    # ------------------------------------------------------------------ receive: descriptors and DMA
    def _write_rx_ring(self, off: int, value: int) -> None:
        q = self.rx[off >> 8 & 1]
        reg = off & 0xFF
        q.fetched = q.used = 0
        if reg == 0x18:
            q.tail = value
            q.view = None                               # look at the ring's mapping afresh
            if self.fifo:
                self._drain()
            return
        self.regs[off] = value
        if reg == 0x10:
            q.head = value
        elif reg == 0x08:
            q.entries = value >> 4
            q.low = q.entries >> (1 + (self.rctl >> r.RCTL_RDMTS_SHIFT & 3))
        else:
            base = off & ~0xFF
            q.base = self.regs.get(base, 0) | self.regs.get(base + 4, 0) << 32
        q.view = None

    def _store(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> int:
        q = self.rx[0]
        if q.head == q.tail and not self.rss_multi:
            return WAITS
        if not self._master():
            return WAITS
        status = DD_EOP
        vlan = 0
        off = 14
        data = frame
        kind = frame[12] << 8 | frame[13]
        if kind == self.vet and kind and len(frame) >= 18:
            kind = frame[16] << 8 | frame[17]
            if self.vme:
                vlan = frame[14] << 8 | frame[15]
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
        if p.ip_csum != CSUM_NONE:
            status |= r.RXD_STAT_IPCS
            if p.ip_csum == CSUM_BAD:
                status |= r.RXDEXT_STATERR_IPE
        if p.l4_csum != CSUM_NONE:
            status |= r.RXD_STAT_TCPCS if p.l4 == IPPROTO_TCP else r.RXD_STAT_UDPCS
            if p.l4_csum == CSUM_BAD:
                status |= r.RXDEXT_STATERR_TCPE
        elif p.ip_csum == CSUM_NONE:
            status |= r.RXD_STAT_IXSM
        mrq = 0
        word = 0
        if self.rss:
            l4 = p.l4_off
            src = p.l3_off + 12
            if p.l3 == 4:
                if p.l4 == IPPROTO_TCP and self.rss & r.MRQC_RSS_FIELD_IPV4_TCP:
                    mrq = r.RSS_TYPE_IPV4_TCP
                    word = self.toeplitz.hash(data[src:src + 12] if l4 == src + 8
                                              else data[src:src + 8] + data[l4:l4 + 4])
                elif self.rss & r.MRQC_RSS_FIELD_IPV4:
                    mrq = r.RSS_TYPE_IPV4
                    word = self.toeplitz.hash(data[src:src + 8])
            elif p.l3 == 6:
                src = p.l3_off + 8
                if p.l4 == IPPROTO_TCP and self.rss & (r.MRQC_RSS_FIELD_IPV6_TCP |
                r.MRQC_RSS_FIELD_IPV6_TCP_EX):
                    mrq = r.RSS_TYPE_IPV6_TCP
                    word = self.toeplitz.hash(data[src:src + 32] + data[l4:l4 + 4])
                elif self.rss & r.MRQC_RSS_FIELD_IPV6:
                    mrq = r.RSS_TYPE_IPV6
                    word = self.toeplitz.hash(data[src:src + 32])
            if mrq and self.rss_multi:
                i = word & 0x7F
                if self.regs.get(r.RETA + (i & ~3), 0) >> (8 * (i & 3)) & 0x80:
                    q = self.rx[1]
                    mrq |= 1 << 8
        if q.head == q.tail:
            return WAITS
        q.fetched = q.used = 0
        csum = 0
        if not rxcsum & r.RXCSUM_PCSD:
            csum = self._packet_checksum(data)
            word = (p.ip_id | csum << 16) if p.l3 == 4 else csum << 16
            mrq &= ~0xF
            if p.l3 == 4:
                status |= r.RXDEXT_STAT_IPIDV
        if p.ack_only and not self.rfctl & r.RFCTL_ACK_DIS:
            status |= r.RXDEXT_STAT_ACK
        view = q.view
        if view is None:
            view = self._ring_view(q)
            if view is None:
                return WAITS
        before = (q.tail - q.head) % q.entries
        if self.rx_mode == self.MODE_PS:
            used = self._dma_split(q, view, data, tag, mrq, word, status, vlan, before)
        else:
            used = self._dma_plain(q, view, data, tag, mrq, word, status, vlan, csum, before)
        if not used:
            return WAITS
        # counted and announced once the descriptor is written
        size = len(frame) + 4
        if fcs_ok:
            stats = self.stats
            stats[S_GPRC] += 1
            stats[S_GORCL] += size
            if frame[0] & 1:
                stats[r.S_BPRC if frame[:6] == BROADCAST else r.S_MPRC] += 1
            stats[r.S_PRC64 + bisect_left(SIZES, size)] += 1
        msix = self.config.msix_on
        if msix:
            cause = r.ICR_RXQ0 if q is self.rx[0] else r.ICR_RXQ1
        else:
            cause = r.ICR_RXT0
        self.rx_causes |= cause
        if before > q.low >= before - used:
            self.stats[r.S_ICRXDMTC] += 1
            self._raise(r.ICR_RXDMT0 | (cause if msix else 0))
        if status & r.RXDEXT_STAT_ACK:
            self._raise(r.ICR_ACK)
        if size <= self.rsrpd:
            self._raise(r.ICR_SRPD | cause)
        self._rx_announce()
        return STORED

    def _rx_announce(self) -> None:
        """A frame was written: interrupt for it, now or when the delay timers say so."""
        delay = self.rdtr_ns
        if not delay:
            self._rx_interrupt()
            return
        now = self.bus.now_ns()
        self.rx_due = now + delay
        if not self.rx_abs_due:
            self.rx_abs_due = now + self.radv_ns if self.radv_ns else NEVER
        due = self.rx_due
        if due > self.rx_abs_due:
            due = self.rx_abs_due
        if self.rx_timer is None or due < self.rx_timer_at:
            if self.rx_timer is not None:
                self.bus.cancel(self.rx_timer)
            self.rx_timer_at = due
            self.rx_timer = self.bus.at_ns(due, self._rx_timer_expired)

    def _rx_timer_expired(self) -> None:
        """The delay timers: one event stands for both, and is put off when later packets moved the packet
        timer.
        """
        self.rx_timer = None
        if not self.rx_causes:
            return
        now = self.bus.now_ns()
        due = min(self.rx_due, self.rx_abs_due)
        if now < due:
            self.rx_timer_at = due
            self.rx_timer = self.bus.at_ns(due, self._rx_timer_expired)
            return
        self.stats[r.S_ICRXPTC if self.rx_due <= self.rx_abs_due else r.S_ICRXATC] += 1
        self._rx_interrupt()

    def _rx_interrupt(self) -> None:
        causes = self.rx_causes
        self.rx_causes = 0
        self.rx_abs_due = 0
        self._raise(causes)

    def _dma_plain(self, q: RxQueue, view: memoryview, data: bytes, tag: Tag | None, mrq: int, word: int,
                   status: int,
                   vlan: int, csum: int, free: int) -> int:
        """Legacy and extended descriptors. Returns how many were used, 0 when too few are free."""
        n = len(data)
        bsize = self.bsize
        head = q.head
        if n <= bsize:
            try:
                self.bus.dma_write(_ADDR.unpack_from(view, head << 4)[0], data, tag)
            except DmaFault:
                self._fault(tag)
            if self.rx_mode == self.MODE_EXT:
                _WB_EXT.pack_into(view, head << 4, mrq, word, status, n, vlan)
            else:
                _WB_LEGACY.pack_into(view, (head << 4) + 8, n, csum, status & 0xFF, status >> 24, vlan)
            head += 1
            q.head = head if head < q.entries else 0
            return 1
        count = -(-n // bsize)
        if count > free:
            return 0
        for i in range(count):
            part = data[i * bsize:(i + 1) * bsize]
            try:
                self.bus.dma_write(_ADDR.unpack_from(view, head << 4)[0], part, tag if not i else None)
            except DmaFault:
                self._fault(tag if not i else None)
            last = i == count - 1
            st = status if last else r.RXD_STAT_DD
            if self.rx_mode == self.MODE_EXT:
                _WB_EXT.pack_into(view, head << 4, mrq, word, st, len(part), vlan if last else 0)
            else:
                _WB_LEGACY.pack_into(view, (head << 4) + 8, len(part), csum if last else 0, st & 0xFF,
                                     st >> 24,
                                     vlan if last else 0)
            head += 1
            if head >= q.entries:
                head = 0
            q.head = head
        return count

    def _dma_split(self, q: RxQueue, view: memoryview, data: bytes, tag: Tag | None, mrq: int, word: int,
                   status: int,
                   vlan: int, free: int) -> int:
        """Packet split descriptors, two 16-byte units each. Headers that are understood and fit go to
        buffer 0.
        """
        n = len(data)
        b0, b1, b2, b3 = self.ps_sizes
        p = self.pkt
        pages = b1 + b2 + b3
        # an IP packet without a layer 4 that is understood (or a fragment) splits behind the IP header
        header = p.payload or (p.l4_off if p.l3 else 0)
        split = 0 < header <= b0 and header <= n
        first = header if split else min(n, b0)
        rest = n - first
        count = 1 if rest <= pages else (1 + -(-(rest - pages) // pages) if pages else 0)
        if not count:
            # no page buffers at all: the rest has nowhere to go
            count = 1
            n = first
            if not n and tag is not None:
                self.bus.frame_dropped(tag, "no buffer size set", "none")
        if 2 * count > free:
            return 0
        header_status = (r.RXDPS_HDRSTAT_HDRSP | header & 0x3FF) if split else 0
        pos = 0
        head = q.head
        for i in range(count):
            at = head << 4
            if at + 32 > len(view):
                at = 0                                  # an odd head: the driver set it so
                head = 0
            a0, a1, a2, a3 = _PS_READ.unpack_from(view, at)
            lens = [0, 0, 0, 0]
            addrs = (a0, a1, a2, a3)
            sizes = (first if not i else 0, b1, b2, b3)
            for k in range(4):
                take = min(sizes[k], n - pos)
                if take <= 0:
                    continue
                try:
                    self.bus.dma_write(addrs[k], data[pos:pos + take], tag if not pos else None)
                except DmaFault:
                    self._fault(tag if not pos else None)
                lens[k] = take
                pos += take
            last = i == count - 1
            _WB_PS.pack_into(view, at, mrq, word, status if last else r.RXD_STAT_DD, lens[0],
                             vlan if last else 0,
                             header_status if not i else 0, lens[1], lens[2], lens[3], 0)
            head += 2
            if head >= q.entries:
                head = 0
            q.head = head
        return 2 * count

    # ------------------------------------------------------------------ transmit
    def _write_tx_ring(self, off: int, value: int) -> None:
        t = self.tx[off >> 8 & 1]
        reg = off & 0xFF
        if reg == 0x18:
            t.tail = value
            t.view = None
            self._tx_run(t)
            return
        self.regs[off] = value
        if reg == 0x10:
            t.head = value
        elif reg == 0x08:
            t.entries = value >> 4
        else:
            base = off & ~0xFF
            t.base = self.regs.get(base, 0) | self.regs.get(base + 4, 0) << 32
        t.view = None

    def _tx_kick(self) -> None:
        for t in self.tx:
            if t.head != t.tail:
                self._tx_run(t)

    def _tx_run(self, t: TxQueue) -> None:
        """Work through the ring from head to tail."""
        if (self.tx_running or not self.tctl & r.TCTL_EN or not self._master() or self.paused
                or not (self.link_lu or self.loop)):
            return
        if not t.entries or t.head >= t.entries or t.tail >= t.entries or t.head == t.tail:
            return
        view = t.view
        if view is None:
            view = self._ring_view(t)
            if view is None:
                return
        self.tx_running = True
        report = False
        delayed = True
        while t.head != t.tail:
            at = t.head << 4
            addr, cmd, upper = _TXD.unpack_from(view, at)
            t.head = t.head + 1 if t.head + 1 < t.entries else 0
            if cmd & r.TXD_CMD_DEXT and not cmd & r.TXD_DTYP_MASK:
                context = _CONTEXT.unpack_from(view, at)
                if cmd & r.TXD_CMD_TSE:
                    t.tso = context
                    self.stats[r.S_TSCTC] += 1
                else:
                    t.context = context
            else:
                self._tx_data(t, addr, cmd, upper)
            if cmd & r.TXD_CMD_RS:
                view[at + 12] = view[at + 12] | r.TXD_STAT_DD
                report = True
                if not cmd & r.TXD_CMD_IDE:
                    delayed = False
            if self.paused:
                break
        self.tx_running = False
        if t.head == t.tail:
            self.stats[r.S_ICTXQEC] += 1
            self.icr |= r.ICR_TXQE
        if not report:
            if self.ims & r.ICR_TXQE:
                self._evaluate()
            return
        if self.config.msix_on:
            self.tx_causes |= r.ICR_TXQ0 << t.index
            if self.ivar & r.IVAR_TX_INT_EVERY_WB:
                delayed = False
        else:
            self.tx_causes |= r.ICR_TXDW
        tidv = self.regs.get(r.TIDV, 0) * DELAY_NS
        if not delayed or not tidv:
            self._tx_interrupt()
            return
        now = self.bus.now_ns()
        self.tx_due = now + tidv
        if not self.tx_abs_due:
            tadv = self.regs.get(r.TADV, 0) * DELAY_NS
            self.tx_abs_due = now + tadv if tadv else NEVER
        due = min(self.tx_due, self.tx_abs_due)
        if self.tx_timer is None or due < self.tx_timer_at:
            if self.tx_timer is not None:
                self.bus.cancel(self.tx_timer)
            self.tx_timer_at = due
            self.tx_timer = self.bus.at_ns(due, self._tx_timer_expired)

    def _tx_timer_expired(self) -> None:
        self.tx_timer = None
        if not self.tx_causes:
            return
        now = self.bus.now_ns()
        due = min(self.tx_due, self.tx_abs_due)
        if now < due:
            self.tx_timer_at = due
            self.tx_timer = self.bus.at_ns(due, self._tx_timer_expired)
            return
        self.stats[r.S_ICTXPTC if self.tx_due <= self.tx_abs_due else r.S_ICTXATC] += 1
        self._tx_interrupt()

    def _tx_interrupt(self) -> None:
        causes = self.tx_causes
        self.tx_causes = 0
        self.tx_abs_due = 0
        self._raise(causes)

    def _tx_data(self, t: TxQueue, addr: int, cmd: int, upper: int) -> None:
        """One data descriptor; at the end of a packet the frame leaves."""
        extended = bool(cmd & r.TXD_CMD_DEXT)
        n = cmd & (0xFFFFF if extended else 0xFFFF)
        if not t.parts:
            t.popts = upper & 0xFF00 if extended else 0
            t.tse = extended and bool(cmd & r.TXD_CMD_TSE)
        frame = t.gather(self, addr, n, cmd)
        if not frame:
            return
        tag = upper >> 16 if cmd & r.TXD_CMD_VLE and self.vme else -1
        if extended:
            if t.tse:
                ipcss, ipcso, ipcse, tucss, tucso, tucse, tucmd, _sta, hdr, mss = t.tso
                ip4 = bool(tucmd & r.TXD_TUCMD_IP)
                tcp = bool(tucmd & r.TXD_TUCMD_TCP)
                for seg in segment(frame, hdr, mss, ipcss, ip4, tucss, tcp):
                    if t.popts & r.TXD_POPTS_IXSM:
                        insert_checksum(seg, ipcss, ipcso, ipcse + 1, False)
                    if t.popts & r.TXD_POPTS_TXSM:
                        insert_checksum(seg, tucss, tucso, tucse + 1 if tucse else 0, not tcp)
                    self._tx_emit(t, bytes(seg), tag)
                return
            if t.popts:
                ipcss, ipcso, ipcse, tucss, tucso, tucse, tucmd, _sta, _hdr, _mss = t.context
                buf = bytearray(frame)
                if t.popts & r.TXD_POPTS_IXSM:
                    insert_checksum(buf, ipcss, ipcso, ipcse + 1 if ipcse else 0, False)
                if t.popts & r.TXD_POPTS_TXSM:
                    insert_checksum(buf, tucss, tucso, tucse + 1 if tucse else 0, not tucmd & r.TXD_TUCMD_TCP)
                frame = bytes(buf)
        elif cmd & r.TXD_CMD_IC:
            buf = bytearray(frame)
            insert_checksum(buf, upper >> 8 & 0xFF, cmd >> 16 & 0xFF, 0, False)
            frame = bytes(buf)
        self._tx_emit(t, frame, tag)
