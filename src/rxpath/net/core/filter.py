"""Classic BPF: the interpreter that socket filters run on.

What lives here: checking a program and running it over an skb.  Facts: net/core/filter.c, linux/filter.h (all
releases alike).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import EINVAL, linux_error
from rxpath.net.core.skbuff import SkBuff

_INSN: Final = Struct("=HBBI")
MAXINSNS: Final = 4096
SKF_AD_OFF: Final = 0xFFFFF000
SKF_NET_OFF: Final = 0xFFF00000
SKF_LL_OFF: Final = 0xFFE00000

SKF_AD_MAX: Final = 64

_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_NLATTR: Final = Struct("=HH")
# loads of words, halves and bytes; immediate, memory, length, IP header length; all arithmetic, jumps, ends
_ALLOWED: Final = frozenset(
    [0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0x01, 0x61, 0x81, 0xB1, 0x02, 0x03]
    + [_ALU | op << 4 | src for op in range(11) if op != 8 for src in (0, 8)]
    + [_ALU | 0x80, _JMP, _RET, _RET | 0x10, _MISC, _MISC | 0x80]
    + [_JMP | op << 4 | src for op in (1, 2, 3, 4) for src in (0, 8)]
)


class BpfProgram:
    """A checked program: a list of (code, jt, jf, k).  Raises EINVAL as bpf_check_classic does."""

    __slots__ = ("insns",)

    def __init__(self, text: bytes | list[tuple[int, int, int, int]]) -> None:
        insns = [_INSN.unpack_from(text, i) for i in range(0, len(text), 8)] if isinstance(text, bytes) else list(text)
        if not insns or len(insns) > MAXINSNS:
            raise linux_error(EINVAL, "BPF program length")
        n = len(insns)
        for pc, (code, jt, jf, k) in enumerate(insns):
            if code not in _ALLOWED:
                raise linux_error(EINVAL, "BPF operation")
            cls = code & 7
            if cls == _JMP:
                if code & 0xF0 == 0:
                    if pc + 1 + k >= n:
                        raise linux_error(EINVAL, "BPF jump out of range")
                elif pc + 1 + jt >= n or pc + 1 + jf >= n:
                    raise linux_error(EINVAL, "BPF jump out of range")
            elif cls in (_ST, _STX) or (cls in (_LD, _LDX) and code & 0xE0 == 0x60):
                if k >= 16:
                    raise linux_error(EINVAL, "BPF memory slot")
            elif cls == _LD and code & 0xE0 == 0x20:
                if k >= SKF_AD_OFF and (k - SKF_AD_OFF & 3 or k - SKF_AD_OFF >= SKF_AD_MAX):
                    raise linux_error(EINVAL, "BPF ancillary data")
            elif cls == _ALU and code & 8 == 0:
                if code & 0xF0 in (0x30, 0x90) and k == 0:
                    raise linux_error(EINVAL, "BPF division by zero")
                if code & 0xF0 in (0x60, 0x70) and k >= 32:
                    raise linux_error(EINVAL, "BPF shift")
        if insns[-1][0] & 7 != _RET:
            raise linux_error(EINVAL, "BPF program does not end in RET")
        check_load_and_stores(insns)
        self.insns: list[tuple[int, int, int, int]] = [(int(a), int(b), int(c), int(d)) for a, b, c, d in insns]


def check_load_and_stores(insns: list[tuple[int, int, int, int]]) -> None:
    """A slot of memory must have been written on every way to its reading.  Raises EINVAL."""
    masks = [0xFFFF] * len(insns)
    valid = 0
    for pc, (code, jt, jf, k) in enumerate(insns):
        valid &= masks[pc]
        cls = code & 7
        if cls in (_ST, _STX):
            valid |= 1 << k
        elif cls in (_LD, _LDX) and code & 0xE0 == 0x60:
            if not valid >> k & 1:
                raise linux_error(EINVAL, "BPF memory slot read before it was written")
        elif cls == _JMP:
            if code & 0xF0 == 0:
                masks[pc + 1 + k] &= valid
            else:
                masks[pc + 1 + jt] &= valid
                masks[pc + 1 + jf] &= valid
            valid = 0xFFFF


def _nla_find(data: bytes, at: int, kind: int) -> int:
    """Where in `data` the netlink attribute of this type stands, looked for from `at` on; 0 = nowhere."""
    while len(data) - at >= 4:
        n, t = _NLATTR.unpack_from(data, at)
        if n < 4 or n > len(data) - at:
            break
        if t & 0x3FFF == kind:
            return at
        at += n + 3 & ~3
    return 0


def _pay_offset(skb: SkBuff) -> int:
    """skb_get_poff: where the payload behind the transport header begins, from `skb.data`; IPv4 and ARP only."""
    nh = skb.network_header
    head = skb.head
    if skb.protocol == 0x0806:
        return min(nh, skb.tail) - skb.data
    if skb.protocol != 0x0800 or skb.tail < nh + 20 or head[nh] & 15 < 5:
        return 0
    th = nh + ((head[nh] & 15) << 2)
    at = th - skb.data
    if head[nh + 6] & 0x1F or head[nh + 7]:
        return at
    proto = head[nh + 9]
    if proto == 6:
        return at + max(20, head[th + 12] >> 4 << 2) if skb.tail > th + 12 else at
    return at + (8 if proto in (1, 2, 17, 136) else 12 if proto == 132 else 0)


def _ancillary(skb: SkBuff, k: int, a: int, x: int) -> int | None:
    dev = skb.dev
    if k == 0:
        return skb.protocol
    if k == 4:
        return skb.pkt_type
    if k == 8:
        return dev.ifindex if dev is not None else None
    if k in (12, 16):
        data = skb.tobytes()
        if a + 4 > len(data):
            return 0
        if k == 16:
            n = _NLATTR.unpack_from(data, a)[0]
            if n < 4 or n > len(data) - a:
                return 0
            return _nla_find(data[: a + n], a + 4, x)
        return _nla_find(data, a, x)
    if k == 20:
        return skb.mark
    if k == 24:
        return skb.queue_mapping + skb.rx_queue_recorded  # Linux keeps a received packet's queue plus one
    if k == 28:
        return dev.type if dev is not None else None
    if k == 32:
        return skb.hash
    if k == 36:
        c = skb.net.kernel.engine.current
        return c.id if c is not None else 0
    if k == 40:
        return a ^ x
    if k == 44:
        return skb.vlan_tci
    if k == 48:
        return 1 if skb.vlan_present else 0
    if k == 52:
        return _pay_offset(skb)
    if k == 56:
        return skb.net.ipv4.random.getrandbits(32) if skb.net.ipv4 is not None else 0
    if k == 60:
        return skb.vlan_proto
    return None


def sk_run_filter(prog: BpfProgram, skb: SkBuff) -> int:
    """Run over the bytes from `skb.data` on; the result is how many bytes to keep, 0 = drop."""
    data = skb.tobytes()
    n = len(data)
    insns = prog.insns
    a = 0
    x = 0
    mem = [0] * 16
    pc = 0
    while True:
        code, jt, jf, k = insns[pc]
        pc += 1
        cls = code & 7
        if cls == _LD or cls == _LDX:
            mode = code & 0xE0
            size = (4, 2, 1, 0)[(code >> 3) & 3]
            if mode == 0x00:
                v = k
            elif mode == 0x60:
                v = mem[k]
            elif mode == 0x80:
                v = n
            elif mode == 0xA0:  # MSH
                if k >= n:
                    return 0
                v = (data[k] & 15) << 2
            else:
                off = k if mode == 0x20 else (k + x) & 0xFFFFFFFF
                if mode == 0x20 and off >= SKF_AD_OFF:
                    anc = _ancillary(skb, off - SKF_AD_OFF, a, x)
                    if anc is None:
                        return 0
                    v = anc
                elif off >= SKF_LL_OFF:
                    base = skb.network_header if off >= SKF_NET_OFF else skb.mac_header
                    at = base + (off - (SKF_NET_OFF if off >= SKF_NET_OFF else SKF_LL_OFF))
                    if at + size > skb.tail:
                        return 0
                    v = int.from_bytes(skb.head[at : at + size], "big")
                else:
                    if off + size > n:
                        return 0
                    v = int.from_bytes(data[off : off + size], "big")
            if cls == _LD:
                a = v
            else:
                x = v
        elif cls == _ST:
            mem[k] = a
        elif cls == _STX:
            mem[k] = x
        elif cls == _ALU:
            v = x if code & 8 else k
            op = code & 0xF0
            if op == 0x00:
                a += v
            elif op == 0x10:
                a -= v
            elif op == 0x20:
                a *= v
            elif op == 0x30:
                if v == 0:
                    return 0
                a //= v
            elif op == 0x40:
                a |= v
            elif op == 0x50:
                a &= v
            elif op == 0x60:
                a <<= v & 31
            elif op == 0x70:
                a >>= v & 31
            elif op == 0x80:
                a = -a
            elif op == 0x90:
                if v == 0:
                    return 0
                a %= v
            elif op == 0xA0:
                a ^= v
            a &= 0xFFFFFFFF
        elif cls == _JMP:
            op = code & 0xF0
            if op == 0:
                pc += k
                continue
            v = x if code & 8 else k
            if op == 0x10:
                hit = a == v
            elif op == 0x20:
                hit = a > v
            elif op == 0x30:
                hit = a >= v
            else:
                hit = a & v != 0
            pc += jt if hit else jf
        elif cls == _RET:
            return a if code & 0x18 == 0x10 else k
        else:
            if code & 0xF8:
                a = x
            else:
                x = a
