"""What Intel's network chips have in common: a base class between `NicModel` and the chips.

What belongs here: link and autonegotiation, BARs, rings, pause frames (`IntelNic`), moderated vectors (`Vectors`), the
advanced transmit descriptors of the 82576 and its successors (`AdvTxQueue`), and the MAC that the 82574, the 82576 and
the I350 share (`E1000Nic`). A register stands here only when all chips of its class have it at the same place with the
same meaning (hw/regs/e1000.py, txd.py); all else is in the chip's own file.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Final

from rxpath.hw.bus import DmaFault, Tag
from rxpath.hw.nic.base import NicModel
from rxpath.hw.nic.mii import PHY_CHANGED, PHY_RESTART, Nvm, Phy
from rxpath.hw.nic.offload import RxPacket, Toeplitz, insert_checksum, ones_sum, segment
from rxpath.hw.pci import PCI_STATUS_REC_MASTER_ABORT, MsixTable, PciConfig
from rxpath.hw.regs import e1000 as r
from rxpath.hw.regs import txd

_TXD: Final = struct.Struct("<QII")
_CONTEXT: Final = struct.Struct("<IIII")

BROADCAST: Final = b"\xff\xff\xff\xff\xff\xff"
PAUSE_DST: Final = b"\x01\x80\xc2\x00\x00\x01"
PAUSE_QUANTUM_BITS: Final = 512
REFRESH_NS: Final = 256  # of each quantum: a PAUSE is sent again after half of its time at 1 Gb/s

TABLE_ENTRIES: Final = 128  # words of 32 bits of the multicast and of the VLAN filter

# what became of a frame that was offered to its queue
WAITS: Final = 0
STORED: Final = 1
LOST: Final = 2

SIZES: Final = (64, 127, 255, 511, 1023)
"""The counters of frames by size follow one another: `first + bisect_left(SIZES, size)`, FCS included."""

S_TPR: Final = r.S_TPR
S_TORL: Final = r.S_TORL


class Ring:
    """A descriptor ring; head, tail and entries count units of 16 bytes."""

    __slots__ = ("base", "enabled", "entries", "head", "index", "tail", "vec", "view")

    def __init__(self, index: int) -> None:
        self.index: int = index
        self.clear()

    def clear(self) -> None:
        """As after reset."""
        self.base: int = 0
        self.entries: int = 0
        self.head: int = 0
        self.tail: int = 0
        self.view: memoryview | None = None
        self.enabled: bool = False
        self.vec: int = -1
        """The vector of its interrupt, -1 for none."""


class TxRing(Ring):
    """A transmit ring and the frame that is being put together from its descriptors."""

    __slots__ = ("parts", "popts", "stat", "tse")

    def __init__(self, index: int) -> None:
        self.stat: int = 0
        """Which counters of queues are its own."""
        super().__init__(index)

    def clear(self) -> None:
        super().clear()
        self.parts: list[bytes] = []
        self.popts: int = 0
        self.tse: bool = False

    def gather(self, nic: IntelNic, addr: int, n: int, cmd: int) -> bytes:
        """Read one descriptor's buffer of `n` bytes; the whole frame at the end of a packet, without FCS. Empty: the
        frame is not complete, or it is lost (too short, or its last buffer is not mapped).
        """
        parts = self.parts
        ok = True
        if n:
            try:
                parts.append(nic.bus.dma_read(addr, n))
            except DmaFault:
                nic.config.set_status(PCI_STATUS_REC_MASTER_ABORT)
                parts.append(b"")
                ok = False
        if not cmd & txd.TXD_CMD_EOP:
            return b""
        frame = parts[0] if len(parts) == 1 else b"".join(parts)
        self.parts = []
        if not ok or len(frame) < 14:
            return b""
        return frame if cmd & txd.TXD_CMD_IFCS else frame[:-4]  # else the driver brought its own FCS


class AdvTxQueue(TxRing):
    """A transmit ring with advanced descriptors: two contexts, and data descriptors that name one of them."""

    __slots__ = ("context", "idx", "stamp")

    def clear(self) -> None:
        super().clear()
        self.stamp: bool = False
        self.idx: int = 0
        self.context: list[tuple[int, int, int, int]] = [(0, 0, 0, 0), (0, 0, 0, 0)]

    def run(self, nic: IntelNic) -> bool:
        """Work through the ring from head to tail. True: a descriptor asked for a report and has it."""
        if nic.tx_running or not self.enabled or not nic._master() or nic.paused or not (nic.link_lu or nic.loop):
            return False
        if not self.entries or self.head >= self.entries or self.tail >= self.entries or self.head == self.tail:
            return False
        view = self.view
        if view is None:
            view = nic._ring_view(self)
            if view is None:
                return False
        nic.tx_running = True
        report = False
        while self.head != self.tail:
            at = self.head << 4
            addr, cmd, upper = _TXD.unpack_from(view, at)
            self.head = self.head + 1 if self.head + 1 < self.entries else 0
            if cmd & txd.TXD_CMD_DEXT and cmd & txd.TXD_DTYP_MASK == txd.ADVTXD_DTYP_CTXT:
                context = _CONTEXT.unpack_from(view, at)
                self.context[context[3] >> 4 & 1] = context
                nic._tx_context(context[3] >> txd.ADVTXD_MSS_SHIFT)
            else:
                self.data(nic, addr, cmd, upper)
            if cmd & txd.TXD_CMD_RS:
                view[at + 12] = view[at + 12] | txd.TXD_STAT_DD
                report = True
            if nic.paused:
                break
        nic.tx_running = False
        return report

    def data(self, nic: IntelNic, addr: int, cmd: int, upper: int) -> None:
        """One data descriptor; at the end of a packet the frame leaves."""
        extended = bool(cmd & txd.TXD_CMD_DEXT)
        if not self.parts:
            self.popts = upper & 0x3F00 if extended else 0
            self.tse = extended and bool(cmd & txd.ADVTXD_DCMD_TSE)
            self.idx = upper >> 4 & 1
            self.stamp = extended and bool(cmd & txd.ADVTXD_MAC_TSTAMP)
        frame = self.gather(nic, addr, cmd & 0xFFFF, cmd)
        if not frame:
            return
        if self.stamp:
            nic._tx_stamp()
        lens, _seq, tucmd, mss_l4 = self.context[self.idx]
        vlan = -1
        if cmd & txd.TXD_CMD_VLE and nic.vme:
            vlan = lens >> 16 if extended else upper >> 16
        if not extended:
            if cmd & txd.TXD_CMD_IC:
                buf = bytearray(frame)
                insert_checksum(buf, upper >> 8 & 0xFF, cmd >> 16 & 0xFF, 0, False)
                frame = bytes(buf)
            nic._tx_emit(self, frame, vlan)
            return
        if not self.popts and not self.tse:
            nic._tx_emit(self, frame, vlan)
            return
        ip = lens >> txd.ADVTXD_MACLEN_SHIFT & 0x7F
        l4 = ip + (lens & 0x1FF)
        kind = tucmd & txd.ADVTXD_TUCMD_L4T_MASK
        tcp = kind == txd.ADVTXD_TUCMD_L4T_TCP
        csum_at = l4 + (16 if tcp else 6)
        ip4 = bool(tucmd & txd.ADVTXD_TUCMD_IPV4)
        if self.tse:
            hdr = l4 + (mss_l4 >> txd.ADVTXD_L4LEN_SHIFT & 0xFF)
            for seg in segment(frame, hdr, mss_l4 >> txd.ADVTXD_MSS_SHIFT, ip, ip4, l4, tcp):
                if self.popts & txd.TXD_POPTS_IXSM:
                    insert_checksum(seg, ip, ip + 10, l4, False)
                if self.popts & txd.TXD_POPTS_TXSM:
                    insert_checksum(seg, l4, csum_at, 0, not tcp)
                nic._tx_emit(self, bytes(seg), vlan)
            return
        buf = bytearray(frame)
        if self.popts & txd.TXD_POPTS_IXSM:
            insert_checksum(buf, ip, ip + 10, l4, False)
        if self.popts & txd.TXD_POPTS_TXSM and kind != txd.ADVTXD_TUCMD_L4T_SCTP:
            insert_checksum(buf, l4, csum_at, 0, not tcp)
        nic._tx_emit(self, bytes(buf), vlan)


class Vector:
    """One interrupt vector's moderation: the least interval (EITR) and when the next message may leave."""

    __slots__ = ("bit", "index", "interval", "next", "nic", "timer")

    def __init__(self, nic: IntelNic, index: int) -> None:
        self.nic: IntelNic = nic
        self.index: int = index
        self.bit: int = 1 << index
        self.interval: int = 0
        self.next: int = 0
        self.timer: object = None

    def expired(self) -> None:
        self.timer = None
        self.nic.vector_expired(self)

    def moderate(self, interval: int, restart: bool) -> None:
        """Set the least interval, in ns; `restart`: the one that runs is over at once."""
        self.interval = interval
        if restart and self.next:
            self.next = 0
            if self.timer is not None:
                self.nic.bus.cancel(self.timer)
                self.expired()


class Vectors:
    """Interrupt vectors that are moderated one by one: a cause and a mask bit each, auto-clear and auto-mask."""

    __slots__ = ("auto_clear", "auto_mask", "cause", "mask", "nic", "sent", "signalled", "vectors", "want")

    def __init__(self, nic: IntelNic, count: int) -> None:
        self.nic: IntelNic = nic
        self.vectors: list[Vector] = [Vector(nic, i) for i in range(count)]
        self.sent: int = 0
        """Interrupts asserted, for a counter that reads it."""
        self.cause: int = 0
        self.mask: int = 0
        """Vectors that may interrupt."""
        self.want: int = 0
        """Vectors whose cause was not announced yet."""
        self.auto_clear: int = 0
        self.auto_mask: int = 0
        self.signalled: int = 0
        """MSI and INTx: causes that were announced."""

    def reset(self) -> None:
        """All causes, masks and intervals are gone."""
        self.sent = self.cause = self.mask = self.want = self.auto_clear = self.auto_mask = self.signalled = 0
        for v in self.vectors:
            v.interval = 0
            v.next = 0
            if v.timer is not None:
                self.nic.bus.cancel(v.timer)
                v.timer = None

    def event(self, vec: int) -> None:
        """MSI-X: something happened that vector `vec` (-1: none) tells of."""
        if vec < 0:
            return
        v = self.vectors[vec]
        bit = v.bit
        self.cause |= bit
        self.want |= bit
        if self.mask & bit:
            self.send(v)

    def send(self, v: Vector) -> None:
        """Send a vector's message now, or when its interval is over; then auto-clear and auto-mask."""
        nic = self.nic
        if v.interval:
            now = nic.bus.now_ns()
            if now < v.next:
                if v.timer is None:
                    v.timer = nic.bus.at_ns(v.next, v.expired)
                return
            v.next = now + v.interval
        bit = v.bit
        self.want &= ~bit
        self.cause &= ~(self.auto_clear & bit)
        self.mask &= ~(self.auto_mask & bit)
        self.sent += 1
        if nic.msix is not None:
            nic.msix.fire(v.index)

    def send_wanted(self) -> None:
        """Masks were opened: send what waited for it."""
        todo = self.want & self.mask
        if not todo or not self.nic.multi:
            return
        for v in self.vectors:
            if todo & v.bit:
                self.send(v)

    def announce(self, active: int) -> None:
        """MSI and INTx: one message for those of the `active` causes that were not announced, or the line's level."""
        nic = self.nic
        config = nic.config
        edge = config.msi_on or config.msix_on
        if not edge and not active:
            nic.set_intx(False)
            return
        if not active & ~self.signalled:
            return
        v = self.vectors[0]
        now = nic.bus.now_ns()
        if now < v.next:
            if v.timer is None:
                v.timer = nic.bus.at_ns(v.next, v.expired)
            return
        if edge and not config.bus_master:
            return
        self.signalled |= active
        v.next = now + v.interval if v.interval else 0
        self.sent += 1
        if config.msix_on:
            if nic.msix is not None:
                nic.msix.fire(0)
        elif config.msi_on:
            nic.fire_msi(0)
        else:
            nic.set_intx(True)


class IntelNic(NicModel):
    """What the 82574, the 82576, the I350, the 82599 and the X540 do alike.

    A chip implements the registers (`_read32`, `_write32`, `_global_reset`), what receive needs of them (`_decode_rx`,
    `_update_link`), `_accept`, `_drain`, `_tx_kick` and `_tx_emit`. The link comes up `autoneg_ns` after cable and PHY
    are ready. `pause_sink`, if set, is called with the pause quanta (0 = go on) that the chip sends.
    """

    __slots__ = (
        "autoneg_ns",
        "autoneg_timer",
        "ctrl",
        "fifo_bytes",
        "fifo_size",
        "io_addr",
        "io_end",
        "link_lu",
        "loop",
        "max_size",
        "msix_bar",
        "msix_pba",
        "mta",
        "mta_any",
        "multi",
        "nvm",
        "nvm_mac",
        "pause_sink",
        "paused",
        "phy",
        "pkt",
        "rar",
        "rar_at",
        "regs",
        "rss",
        "rss_multi",
        "rx_on",
        "rxcsum",
        "sent_xoff",
        "xoff_again",
        "stats",
        "strip_crc",
        "toeplitz",
        "tx_resume",
        "tx_running",
        "vet",
        "vfta",
        "vlan_cfi",
        "vme",
    )

    def __init__(
        self, config: PciConfig, mac: bytes, msix: MsixTable, phy: Phy, nvm: Nvm, autoneg_ns: int, rar_at: list[int]
    ) -> None:
        """`rar_at`: registers of the receive addresses, low half of each."""
        super().__init__(config, mac, msix)
        self.phy: Phy = phy
        self.nvm: Nvm = nvm
        self.nvm_mac: int = 0
        """The NVM's word with the first bytes of the address."""
        self.autoneg_ns: int = autoneg_ns
        self.autoneg_timer: object = None
        self.pause_sink: Callable[[int], None] | None = None
        self.msix_bar: int = 3
        self.msix_pba: int = r.MSIX_PBA
        self.io_addr: int = 0
        self.io_end: int = 0x20000
        """The I/O window reaches the registers below this, a power of two."""
        self.regs: dict[int, int] = {}
        self.stats: list[int] = []
        self.pkt: RxPacket = RxPacket()
        self.toeplitz: Toeplitz = Toeplitz()
        self.fifo_bytes: int = 0
        self.fifo_size: int = 0
        # decoded registers
        self.ctrl: int = 0
        self.rxcsum: int = 0
        self.vet: int = 0
        self.vme: bool = False
        """Transmit descriptors may ask for a VLAN tag."""
        self.vlan_cfi: int = -1
        """The CFI bit that a VLAN tag must have to pass the filter, -1 any."""
        self.strip_crc: bool = False
        self.max_size: int = 1522
        self.rss: int = 0
        self.rss_multi: bool = False
        self.rar: dict[bytes, int] = {}
        self.rar_at: list[int] = rar_at
        self.mta: list[int] = [0] * TABLE_ENTRIES
        self.mta_any: bool = False
        self.vfta: list[int] = [0] * TABLE_ENTRIES
        self.multi: bool = False
        """A vector each for queues and other causes, by MSI-X."""
        # link
        self.link_lu: bool = False
        self.loop: bool = False
        self.rx_on: bool = False
        self.tx_running: bool = False
        self.paused: bool = False
        self.tx_resume: object = None
        self.sent_xoff: bool = False
        self.xoff_again: object | None = None

    # ------------------------------------------------------------------ what a chip implements
    def _global_reset(self) -> None:
        raise NotImplementedError

    def _read32(self, off: int) -> int:
        raise NotImplementedError

    def _write32(self, off: int, value: int) -> None:
        raise NotImplementedError

    def _master(self) -> bool:
        """Whether the device may start transactions."""
        raise NotImplementedError

    def _update_link(self) -> None:
        """Follow the PHY: the status register, the interrupt on a change, and what depends on the link."""
        raise NotImplementedError

    def _update_status(self) -> None:
        """The status register, where one tells of pauses."""

    def _accept(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> bool:
        raise NotImplementedError

    def _drain(self) -> None:
        """Move waiting frames to memory while descriptors last."""
        raise NotImplementedError

    def _tx_kick(self) -> None:
        """Run all transmit rings that have something to send."""
        raise NotImplementedError

    def _tx_emit(self, t: TxRing, frame: bytes, vlan: int) -> None:
        """A frame goes out, with a VLAN tag if `vlan` is not negative."""
        raise NotImplementedError

    def _tx_context(self, mss: int) -> None:
        """A context descriptor was read."""

    def _tx_stamp(self) -> None:
        """A frame leaves whose descriptor asks for its time."""

    def vector_expired(self, v: Vector) -> None:
        """The moderation interval of `v` is over."""

    # ------------------------------------------------------------------ reset
    def _common_reset(self) -> None:
        """What a reset of any of the chips clears; the chip has emptied its packet buffer, and loads its registers."""
        self.fifo_bytes = 0
        self.sent_xoff = False
        self.stats = [0] * len(self.stats)
        self.rar = {}
        self.mta = [0] * TABLE_ENTRIES
        self.mta_any = False
        self.vfta = [0] * TABLE_ENTRIES
        self.multi = False
        if self.tx_resume is not None:
            self.bus.cancel(self.tx_resume)
            self.tx_resume = None
        self.paused = False

    def _load_mac(self) -> None:
        """Auto-read of the NVM: the address goes to receive address 0."""
        w = self.nvm.words
        at = self.nvm_mac
        low = self.rar_at[0]
        self.regs[low] = w[at] | w[at + 1] << 16
        self.regs[low + 4] = w[at + 2] | r.RAH_AV
        self._decode_rar()

    def _decode_rar(self) -> None:
        rar: dict[bytes, int] = {}
        for i, low in enumerate(self.rar_at):
            high = self.regs.get(low + 4, 0)
            if high & r.RAH_AV and not high & 0x00030000:  # address select: 00 = destination
                rar[(self.regs.get(low, 0) | (high & 0xFFFF) << 32).to_bytes(6, "little")] = i
        self.rar = rar

    def _load_rss_key(self, at: int) -> None:
        """The hash key stands in ten registers from `at` on."""
        self.toeplitz.set_key(b"".join(self.regs.get(at + 4 * i, 0).to_bytes(4, "little") for i in range(10)))

    def _write_mta(self, i: int, value: int) -> None:
        self.mta[i] = value
        self.mta_any = value != 0 or any(self.mta)

    def _nvm_read_register(self, off: int, value: int) -> None:
        """EERD: the word is there at once."""
        addr = value >> r.EERD_ADDR_SHIFT & 0x3FFF
        if value & r.EERD_START:
            word = self.nvm.read(addr) << r.EERD_DATA_SHIFT
            self.regs[off] = word | addr << r.EERD_ADDR_SHIFT | r.EERD_DONE
        else:
            self.regs[off] = value & ~r.EERD_DONE

    def _take_semaphore(self, off: int, bit: int) -> int:
        """Reading takes it."""
        v = self.regs.get(off, 0)
        self.regs[off] = v | bit
        return v

    # ------------------------------------------------------------------ link
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

    # ------------------------------------------------------------------ BARs
    def mmio_read(self, bar: int, off: int, size: int) -> int:
        """BAR 0 registers (32 bits wide), 2 I/O window, 3 (4 in the ten gigabit chips) MSI-X table and pending bits; a
        flash reads as erased.
        """
        config = self.config
        if not (config.decode_io if bar == 2 else config.decode_mem):
            return (1 << (8 * size)) - 1
        if bar == 0:
            if size == 4 and not off & 3:
                return self._read32(off)
            if size == 8 and not off & 3:
                return self._read32(off) | self._read32(off + 4) << 32
            return (self._read32(off & ~3) >> (8 * (off & 3))) & ((1 << (8 * size)) - 1)
        if bar == self.msix_bar and self.msix is not None:
            if off >= self.msix_pba:
                return self.msix.pba_read(off - self.msix_pba, size)
            return self.msix.read(off, size)
        if bar == 2:
            if off == 0:
                return self.io_addr
            return self._read32(self.io_addr & ~3) if off == 4 and self.io_addr < self.io_end else 0
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
        elif bar == self.msix_bar:
            if self.msix is not None and off < self.msix_pba:
                self.msix.write(off, size, value)
        elif bar == 2:
            if off == 0:
                self.io_addr = value & 0xFFFFFFFF
            elif off == 4 and self.io_addr < self.io_end:
                self._write32(self.io_addr & ~3, value & 0xFFFFFFFF)

    # ------------------------------------------------------------------ receive
    def receive(self, frame: bytes, tag: Tag | None = None, fcs_ok: bool = True) -> bool:
        """See NicModel. Lost frames are booked with the ethtool name of the counter that moved."""
        if not self.rx_on:
            self.bus.frame_dropped(tag, self._deaf(), "none")
            return False
        return self._accept(frame, tag, fcs_ok)

    def _deaf(self) -> str:
        """Why the receiver takes nothing."""
        if self.loop and self.link_lu:
            return "phy loopback"
        return "receiver disabled" if self.link_lu else "link down"

    def _hash_match(self, dst: bytes, mo: int) -> bool:
        """Multicast table: 12 bits of the address, chosen by `mo`."""
        left = 4 + mo if mo < 3 else 8
        h = (dst[4] >> (8 - left) | dst[5] << left) & 0xFFF
        return bool(self.mta[h >> 5] >> (h & 31) & 1)

    def _vlan_match(self, frame: bytes) -> bool:
        if len(frame) < 18 or frame[12] << 8 | frame[13] != self.vet:
            return True
        tci = frame[14] << 8 | frame[15]
        if self.vlan_cfi >= 0 and tci >> 12 & 1 != self.vlan_cfi:
            return False
        vid = tci & 0xFFF
        return bool(self.vfta[vid >> 5] >> (vid & 31) & 1)

    def _xoff(self) -> None:
        """Count a PAUSE and send it."""
        raise NotImplementedError

    def _send_pause(self, quanta: int) -> None:
        """Send a PAUSE, and again before its time is over as long as the FIFO has not fallen below FCRTL."""
        if self.pause_sink is None:
            return
        self.pause_sink(quanta)
        if self.xoff_again is not None:
            self.bus.cancel(self.xoff_again)
            self.xoff_again = None
        if quanta:
            self.xoff_again = self.bus.at_ns(self.bus.now_ns() + quanta * REFRESH_NS, self._refresh_xoff)

    def _refresh_xoff(self) -> None:
        self.xoff_again = None
        if self.sent_xoff:
            self._xoff()

    def _pause(self, ns: int) -> None:
        """The link partner asks for silence for `ns`, 0: to go on."""
        if self.tx_resume is not None:
            self.bus.cancel(self.tx_resume)
            self.tx_resume = None
        if ns:
            self.paused = True
            self.tx_resume = self.bus.at_ns(self.bus.now_ns() + ns, self._pause_over)
            self._update_status()
        else:
            self._pause_over()

    def _pause_over(self) -> None:
        self.tx_resume = None
        self.paused = False
        self._update_status()
        self._tx_kick()

    def _ring_view(self, q: Ring) -> memoryview | None:
        """The ring's memory, or None when there is nothing sensible to work on."""
        if not q.entries or q.head >= q.entries or q.tail >= q.entries or not self._master():
            return None
        try:
            q.view = self.bus.dma_view(q.base, q.entries << 4)
        except DmaFault:
            self.config.set_status(PCI_STATUS_REC_MASTER_ABORT)
            q.view = None
        return q.view

    def _fault(self, tag: Tag | None) -> None:
        self.config.set_status(PCI_STATUS_REC_MASTER_ABORT)
        if tag is not None:
            self.bus.frame_dropped(tag, "dma fault", "none")

    # ------------------------------------------------------------------ transmit
    def _tx_frame(self, frame: bytes, vlan: int, vet: int, pad: bool) -> bytes:
        """The frame as it leaves: with its tag, padded. Empty: it is none."""
        if vlan >= 0:
            frame = frame[:12] + vet.to_bytes(2, "big") + vlan.to_bytes(2, "big") + frame[12:]
        if len(frame) < 60:
            if pad:
                return frame + bytes(60 - len(frame))
            if len(frame) < 14:
                return b""
        return frame

    def _tx_leave(self, frame: bytes, receiver: bool) -> None:
        """To the wire, or back to the receiver if that is on."""
        if self.loop:
            if receiver:
                self._accept(frame, None, True)
        elif self.tx_sink is not None:
            self.tx_sink(frame)


class E1000Nic(IntelNic):
    """The MAC of the 82574, the 82576 and the I350."""

    __slots__ = (
        "ctrl_ext",
        "fifo",
        "icr",
        "ims",
        "iam",
        "l4_on",
        "masks",
        "mrqc",
        "rctl",
        "status_kept",
        "status_set",
        "systim_base",
        "systim_t0",
        "tctl",
    )

    def __init__(
        self,
        config: PciConfig,
        mac: bytes,
        msix: MsixTable,
        phy: Phy,
        nvm: Nvm,
        autoneg_ns: int,
        addresses: int,
        masks: dict[int, int],
        stats: int,
    ) -> None:
        """`addresses`: how many of the receive addresses are at RA. `masks`: bits that can be written. `stats`: cells
        of the statistics registers.
        """
        super().__init__(config, mac, msix, phy, nvm, autoneg_ns, [r.RA + 8 * i for i in range(addresses)])
        self.masks: dict[int, int] = masks
        self.stats = [0] * stats
        self.fifo: deque[tuple[bytes, Tag | None, bool]] = deque()
        self.ctrl_ext: int = 0
        self.rctl: int = 0
        self.tctl: int = 0
        self.mrqc: int = 0
        self.l4_on: bool = True
        self.icr: int = 0
        self.ims: int = 0
        self.iam: int = 0
        self.status_set: int = r.STATUS_LAN_INIT_DONE | 0x80000000
        self.status_kept: int = r.STATUS_PHYRA
        self.systim_base: int = 0
        self.systim_t0: int = 0

    # ------------------------------------------------------------------ what a chip implements
    def _raise(self, causes: int) -> None:
        """Set causes in ICR and interrupt if the mask lets them."""
        raise NotImplementedError

    def _decode_rx(self) -> None:
        """Work out what receive needs from the registers."""
        raise NotImplementedError

    def _store(self, frame: bytes, tag: Tag | None, fcs_ok: bool) -> int:
        """Write one frame to host memory with its descriptor(s) and interrupt; returns WAITS, STORED or LOST."""
        raise NotImplementedError

    def _systim(self) -> int:
        """The clock for time stamps."""
        raise NotImplementedError

    def _power_on_buffers(self) -> None:
        """The packet buffer's split at power-on."""
        raise NotImplementedError

    # ------------------------------------------------------------------ reset
    def device_reset(self) -> None:
        """Power-on: registers, PHY, packet buffer split, counters. The cable stays as it is."""
        self._power_on_buffers()
        self._global_reset()
        self.phy.reset()
        self._renegotiate()
        self.icr = 0

    def _begin_reset(self) -> None:
        """CTRL.RST: all but PCI configuration, PHY, NVM and the split of the packet buffer. First half: frames are
        lost, registers have their power-on values but for the chip's own.
        """
        while self.fifo:
            _frame, tag, _ok = self.fifo.popleft()
            self.bus.frame_dropped(tag, "device reset", "none")
        self._common_reset()
        self.icr = self.ims = self.iam = 0
        self.mrqc = 0
        self.rctl = 0
        self.systim_base = 0
        self.systim_t0 = self.bus.now_ns()

    def _end_reset(self) -> None:
        """Second half: what follows from the registers."""
        self._load_mac()
        self._decode_rx()
        self._update_status()
        self.set_intx(False)

    # ------------------------------------------------------------------ link and PHY
    def _update_link(self) -> None:
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
        s = self.status_set
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
        self.regs[r.STATUS] = s | self.regs.get(r.STATUS, 0) & self.status_kept

    def _phy_address(self, mdic: int) -> int:
        """Which PHY a management frame is for."""
        return mdic >> r.MDIC_PHY_SHIFT & 0x1F

    def _write_mdic(self, value: int) -> None:
        reg = value >> r.MDIC_REG_SHIFT & 0x1F
        out = value & 0x23FF0000 | r.MDIC_READY
        if self._phy_address(value) != r.PHY_ADDR:
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

    # ------------------------------------------------------------------ registers
    def _master(self) -> bool:
        return self.config.bus_master and not self.ctrl & r.CTRL_GIO_MASTER_DISABLE

    def _write_ctrl(self, value: int) -> None:
        if value & r.CTRL_RST:
            self._global_reset()
            return
        self.ctrl = value & self.masks[r.CTRL] & ~r.CTRL_RST
        self.regs[r.CTRL] = self.ctrl
        if value & r.CTRL_PHY_RST:
            self.phy.reset()
            self.regs[r.STATUS] = self.regs.get(r.STATUS, 0) | r.STATUS_PHYRA
            self._renegotiate()
        self._update_link()
        self._drain()
        self._tx_kick()

    def _write_management(self, off: int, value: int, kept: int) -> bool:
        """Device control, PHY, NVM and the clock. False: another register."""
        if off == r.MDIC:
            self._write_mdic(value)
        elif off == r.EERD:
            self._nvm_read_register(off, value)
        elif off == r.EECD:
            self.regs[off] = value & 0x4F
        elif off == r.SWSM:
            self.regs[off] = value & 0xB
        elif off == r.CTRL:
            self._write_ctrl(value)
        elif off == r.CTRL_EXT:
            if value & r.CTRL_EXT_EE_RST:
                self._load_mac()
            self.ctrl_ext = kept
            self.regs[off] = kept
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
        else:
            return False
        return True

    def _write_filter(self, off: int, kept: int) -> bool:
        """Receive addresses at RA, the multicast and the VLAN table. False: another register."""
        if r.RA <= off < r.RA + 0x80:
            self._decode_rar()
        elif r.MTA <= off < r.MTA + 4 * TABLE_ENTRIES:
            self._write_mta((off - r.MTA) >> 2, kept)
        elif r.VFTA <= off < r.VFTA + 4 * TABLE_ENTRIES:
            self.vfta[(off - r.VFTA) >> 2] = kept
        else:
            return False
        return True

    def _read_systim(self) -> int:
        """The lower half; it latches the upper one."""
        v = self._systim()
        self.regs[r.SYSTIMH] = v >> 32 & 0xFFFFFFFF
        return v & 0xFFFFFFFF

    def _read_cell(self, i: int, wide: bool) -> int:
        """A statistics register, which its read clears; the lower half of a wide one latches the upper one."""
        v = self.stats[i]
        self.stats[i] = 0
        if wide:
            self.stats[i + 1] = v >> 32 & 0xFFFFFFFF
            return v & 0xFFFFFFFF
        return min(v, 0xFFFFFFFF)

    def _decode_mac(self) -> None:
        """What RCTL, CTRL, MRQC and RXCSUM have alike in these chips."""
        rctl = self.rctl
        self.strip_crc = bool(rctl & r.RCTL_SECRC)
        self.vme = bool(self.ctrl & r.CTRL_VME)
        self.vlan_cfi = int(bool(rctl & r.RCTL_CFI)) if rctl & r.RCTL_CFIEN else -1
        self.l4_on = bool(self.rxcsum & r.RXCSUM_TUOFL)
        self.rx_on = bool(rctl & r.RCTL_EN) and self.link_lu and not self.loop and self.config.d_state == 0

    # ------------------------------------------------------------------ receive: the MAC
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
            elif not rctl & r.RCTL_MPE and not (self.mta_any and self._hash_match(dst, rctl >> r.RCTL_MO_SHIFT & 3)):
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
        # no descriptor: the frame waits in the packet buffer, if it has room
        need = (size + 31) & ~15
        if self.fifo_bytes + need > self.fifo_size:
            stats[r.S_MPC] += 1
            self.bus.frame_dropped(tag, "rx fifo full", "rx_missed_errors")
            self._overrun()
            return False
        stats[r.S_RNBC] += 1
        self.fifo.append((frame, tag, fcs_ok))
        self.fifo_bytes += need
        if self.ctrl & r.CTRL_TFCE and not self.sent_xoff:
            high = self.regs.get(r.FCRTH, 0)
            if high and self.fifo_bytes > high:
                self.sent_xoff = True
                self._xoff()
        return True

    def _xoff(self) -> None:
        self.stats[r.S_XOFFTXC] += 1
        self._send_pause(self.regs.get(r.FCTTV, 0))

    def _overrun(self) -> None:
        """The packet buffer was full."""
        self._raise(r.ICR_RXO)

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
        self.stats[r.S_XOFFRXC if quanta else r.S_XONRXC] += 1
        self._pause(quanta * PAUSE_QUANTUM_BITS)  # a bit a nanosecond
        if self.rctl & r.RCTL_PMCF and not self.rctl & r.RCTL_DPF:
            return False
        self.bus.frame_dropped(tag, "pause frame", "rx_flow_control_xoff" if quanta else "rx_flow_control_xon")
        return True

    # ------------------------------------------------------------------ receive: the packet buffer
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
        low = self.regs.get(r.FCRTL, 0)
        if self.sent_xoff and self.fifo_bytes < low & ~r.FCRTL_XONE:
            self.sent_xoff = False
            if low & r.FCRTL_XONE:
                self.stats[r.S_XONTXC] += 1
                if self.pause_sink is not None:
                    self.pause_sink(0)

    def in_flight(self) -> int:
        """Frames in the packet buffer."""
        return sum(len(tag) if isinstance(tag, tuple) else 1 for _f, tag, _ok in self.fifo)

    def _packet_checksum(self, data: bytes) -> int:
        """One's complement sum from RXCSUM.PCSS to the end, as the write-back has it (low byte first in memory)."""
        tail = data[self.rxcsum & 0xFF :]
        s = ones_sum(tail)
        if not s and any(tail):
            s = 0xFFFF
        return s >> 8 | (s & 0xFF) << 8

    # ------------------------------------------------------------------ transmit
    def _tx_emit(self, t: TxRing, frame: bytes, vlan: int) -> None:
        """A frame goes out: tag, pad, count, hand to the wire or back to the receiver."""
        frame = self._tx_frame(frame, vlan, self.vet, bool(self.tctl & r.TCTL_PSP))
        if not frame:
            return
        size = len(frame) + 4
        stats = self.stats
        stats[r.S_GPTC] += 1
        stats[r.S_TPT] += 1
        stats[r.S_GOTCL] += size
        stats[r.S_TOTL] += size
        if frame[0] & 1:
            stats[r.S_BPTC if frame[:6] == BROADCAST else r.S_MPTC] += 1
        stats[r.S_PTC64 + bisect_left(SIZES, size)] += 1
        self._tx_count(size)
        self._tx_leave(frame, bool(self.rctl & r.RCTL_EN))

    def _tx_count(self, size: int) -> None:
        """Counters of the chip's own for a frame that was sent."""
