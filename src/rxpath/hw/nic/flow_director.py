"""Flow Director of the 82599 and the X540: the table of flows and the search in it.

What belongs here: the registers FDIRCTRL to FDIRSKEY, perfect match filters (entered by a driver for rules) and
signature filters (entered for flows that were sent). What does not: what the receive path does with the answer.
Facts: what ixgbe_82599.c writes (Linux 6.1) and the chips' published descriptions. Not modelled: IPv6 filters, pools,
the limit of a bucket's length, and the search limit; commands take no time.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.hw.nic.offload import IPPROTO_TCP, IPPROTO_UDP, RxPacket
from rxpath.hw.regs import ixgbe as r

IPPROTO_SCTP: Final = 132
CACHE_FLOWS: Final = 8192
_IPS: Final = struct.Struct(">II")
_PORTS: Final = struct.Struct(">HH")


class FlowFilter:
    """One entry. `drop`: to the drop queue instead of `queue`; `word`: what REPORT_STATUS puts in the descriptor."""

    __slots__ = ("drop", "flow", "key", "queue", "word")

    def __init__(self, key: int, flow: tuple[int, ...], queue: int, drop: bool, word: int) -> None:
        self.key: int = key
        self.flow: tuple[int, ...] = flow
        self.queue: int = queue
        self.drop: bool = drop
        self.word: int = word


def _big(value: int) -> int:
    """A register that holds an IPv4 address in network order, as a number."""
    return int.from_bytes((value & 0xFFFFFFFF).to_bytes(4, "little"), "big")


def _reversed16(v: int) -> int:
    out = 0
    for i in range(16):
        out |= (v >> i & 1) << (15 - i)
    return out


def flow_hash(key: int, head: int, common: int) -> int:
    """15 bits. `head`: pool, flow type and VLAN tag (32 bits); `common`: all other words of the flow, XORed."""
    high = common
    low = common >> 16 | common << 16 & 0xFFFFFFFF
    high ^= head ^ head >> 16
    out = 0
    for n in range(16):
        if n == 1:
            low ^= head ^ head << 16 & 0xFFFFFFFF
        if key >> n & 1:
            out ^= low >> n
        if key >> n + 16 & 1:
            out ^= high >> n
    return out & 0x7FFF


class FlowDirector:
    """The unit. `on` once FDIRCTRL gave it memory; `find` is asked for every frame then.

    Memory of 64 KiB holds 2046 perfect or 8190 signature filters, and in proportion.
    """

    __slots__ = ("by_flow", "by_key", "cache", "capacity", "on", "perfect", "regs", "report", "threshold")

    def __init__(self) -> None:
        self.regs: dict[int, int] = {}
        self.by_key: dict[int, FlowFilter] = {}
        self.by_flow: dict[tuple[int, ...], FlowFilter] = {}
        self.cache: dict[bytes, FlowFilter | None] = {}
        self.on: bool = False
        self.perfect: bool = False
        self.report: bool = False
        self.capacity: int = 0
        self.threshold: int = 0

    def reset(self) -> None:
        """As after power-on."""
        self.regs.clear()
        self._clear()
        self.on = False

    def _clear(self) -> None:
        self.by_key.clear()
        self.by_flow.clear()
        self.cache.clear()

    def read(self, off: int) -> int:
        """A register; those that count updates are cleared."""
        if off == r.FDIRFREE:
            return self.capacity - len(self.by_key) if self.on else 0
        v = self.regs.get(off, 0)
        if off in (r.FDIRUSTAT, r.FDIRFSTAT):
            self.regs[off] = 0
        return v

    def write(self, off: int, value: int) -> bool:
        """A register. True when the table has come down to the threshold: interrupt."""
        if off == r.FDIRCTRL:
            self._clear()
            self.regs[off] = value | r.FDIRCTRL_INIT_DONE
            memory = value & r.FDIRCTRL_PBALLOC_MASK
            self.on = memory != 0
            self.perfect = bool(value & r.FDIRCTRL_PERFECT_MATCH)
            self.report = bool(value & r.FDIRCTRL_REPORT_STATUS)
            self.capacity = ((1024 if self.perfect else 4096) << memory) - 2
            self.threshold = (value >> r.FDIRCTRL_FULL_THRESH_SHIFT) * 16
            return False
        if off != r.FDIRCMD:
            self.regs[off] = value
            self.cache.clear()  # keys and masks
            return False
        if value & r.FDIRCMD_CLEARHT:
            self._clear()
        cmd = value & r.FDIRCMD_CMD_MASK
        full = False
        value &= ~(r.FDIRCMD_CMD_MASK | r.FDIRCMD_FILTER_VALID)
        key = self.regs.get(r.FDIRHASH, 0) & 0x7FFF7FFF
        if cmd == r.FDIRCMD_CMD_ADD_FLOW:
            full = self._add(key, value)
        elif cmd == r.FDIRCMD_CMD_REMOVE_FLOW:
            self._remove(key)
        elif cmd == r.FDIRCMD_CMD_QUERY_REM_FILT and key in self.by_key:
            value |= r.FDIRCMD_FILTER_VALID
        self.regs[off] = value
        return full

    def _add(self, key: int, value: int) -> bool:
        if not self.on:
            return False
        regs = self.regs
        flow: tuple[int, ...] = (key,)
        if self.perfect:
            ports = regs.get(r.FDIRPORT, 0)
            vlan = regs.get(r.FDIRVLAN, 0)
            flow = self._masked(
                value >> r.FDIRCMD_FLOW_TYPE_SHIFT & 7,
                vlan & 0xFFFF,
                _big(regs.get(r.FDIRIPDA, 0)),
                _big(regs.get(r.FDIRIPSA, 0)),
                ports & 0xFFFF,
                ports >> 16,
                (vlan >> 16 & 0xFF) << 8 | vlan >> 24,
                key & 0x1FFF,
            )
        old = self.by_flow.get(flow)
        if old is not None:  # FILTER_UPDATE: the new one takes its place
            if not value & r.FDIRCMD_FILTER_UPDATE:
                return False
            del self.by_key[old.key]
        elif len(self.by_key) >= self.capacity:
            regs[r.FDIRFSTAT] = regs.get(r.FDIRFSTAT, 0) + 1 & 0xFFFF
            return True
        replaced = self.by_key.get(key)
        if replaced is not None and self.by_flow.get(replaced.flow) is replaced:
            del self.by_flow[replaced.flow]
        f = FlowFilter(key, flow, value >> r.FDIRCMD_RX_QUEUE_SHIFT & 0x7F, bool(value & r.FDIRCMD_DROP), key)
        self.by_key[key] = f
        self.by_flow[flow] = f
        self.cache.clear()
        regs[r.FDIRUSTAT] = regs.get(r.FDIRUSTAT, 0) + 1 & 0xFFFFFFFF
        return old is None and self.capacity - len(self.by_key) <= self.threshold

    def _remove(self, key: int) -> None:
        f = self.by_key.pop(key, None)
        if f is None:
            self.regs[r.FDIRFSTAT] = self.regs.get(r.FDIRFSTAT, 0) + 0x100 & 0xFFFF
            return
        if self.by_flow.get(f.flow) is f:
            del self.by_flow[f.flow]
        self.cache.clear()
        self.regs[r.FDIRUSTAT] = self.regs.get(r.FDIRUSTAT, 0) + 0x10000 & 0xFFFFFFFF

    def _masked(
        self, kind: int, vlan: int, dst: int, src: int, sport: int, dport: int, flex: int, bucket: int
    ) -> tuple[int, ...]:
        """The flow as the mask registers leave it, and its bucket; `bucket` < 0: it is to be worked out."""
        regs = self.regs
        m = regs.get(r.FDIRM, 0)
        ports = ~regs.get(r.FDIRUDPM if kind & 3 == 1 else r.FDIRTCPM, 0)
        sport &= _reversed16(ports & 0xFFFF)
        dport &= _reversed16(ports >> 16 & 0xFFFF)
        if m & r.FDIRM_L4P:
            kind &= 4
            sport = dport = 0
        if m & r.FDIRM_VLANID:
            vlan &= ~0x0FFF
        if m & r.FDIRM_VLANP:
            vlan &= ~0xE000
        vlan &= 0xEFFF
        if m & r.FDIRM_FLEX:
            flex = 0
        src &= ~_big(regs.get(r.FDIRSIP4M, 0))
        dst &= ~_big(regs.get(r.FDIRDIP4M, 0))
        if bucket < 0:
            common = dst ^ src ^ (sport << 16 | dport) ^ flex << 16
            bucket = flow_hash(regs.get(r.FDIRHKEY, 0), kind << 16 | vlan, common) & 0x1FFF
        return kind, vlan, dst, src, sport, dport, flex, bucket

    def find(self, frame: bytes, p: RxPacket, tci: int) -> FlowFilter | None:
        """The filter of an IPv4 frame (`p` as parsed, `tci` its VLAN tag or -1); None: no match."""
        if not self.by_key or p.l3 != 4:
            return None
        l4 = p.l4
        at = p.l3_off
        has_ports = not p.fragment and l4 in (IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP)
        ident = frame[12:16] + frame[at + 9 : at + 10] + frame[at + 12 : at + 20]
        if has_ports:
            ident += frame[p.l4_off : p.l4_off + 4]
        try:
            return self.cache[ident]
        except KeyError:
            pass
        kind = (2 if l4 == IPPROTO_TCP else 1 if l4 == IPPROTO_UDP else 3) if has_ports else 0
        src, dst = _IPS.unpack_from(frame, at + 12)
        sport, dport = _PORTS.unpack_from(frame, p.l4_off) if has_ports else (0, 0)
        flex = frame[12] << 8 | frame[13]
        vlan = max(tci, 0)
        if self.perfect:
            f = self.by_flow.get(self._masked(kind, vlan, dst, src, sport, dport, flex, -1))
        elif not has_ports:
            f = None
        else:
            head = kind << 16 | vlan
            common = (sport ^ flex) << 16 ^ dport ^ src ^ dst
            bucket = flow_hash(self.regs.get(r.FDIRHKEY, 0), head, common)
            f = self.by_key.get(flow_hash(self.regs.get(r.FDIRSKEY, 0), head, common) << 16 | bucket)
        if len(self.cache) >= CACHE_FLOWS:
            self.cache.clear()
        self.cache[ident] = f
        return f
