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

_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)


class BpfProgram:
    """A checked program: a list of (code, jt, jf, k).  Raises EINVAL as bpf_check_classic does."""

    __slots__ = ("insns",)

    def __init__(self, text: bytes | list[tuple[int, int, int, int]]) -> None:
        insns = [_INSN.unpack_from(text, i) for i in range(0, len(text), 8)] if isinstance(text, bytes) else list(text)
        if not insns or len(insns) > MAXINSNS:
            raise linux_error(EINVAL, "BPF program length")
        n = len(insns)
        for pc, (code, jt, jf, k) in enumerate(insns):
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
            elif cls == _ALU and code & 8 == 0 and code & 0xF0 in (0x30, 0x90) and k == 0:
                raise linux_error(EINVAL, "BPF division by zero")
        if insns[-1][0] & 7 != _RET:
            raise linux_error(EINVAL, "BPF program does not end in RET")
        self.insns: list[tuple[int, int, int, int]] = [(int(a), int(b), int(c), int(d)) for a, b, c, d in insns]


def _ancillary(skb: SkBuff, k: int) -> int | None:
    dev = skb.dev
    if k == 0:
        return skb.protocol
    if k == 4:
        return skb.pkt_type
    if k == 8:
        return dev.ifindex if dev is not None else None
    if k == 20:
        return skb.mark
    if k == 24:
        return skb.queue_mapping
    if k == 28:
        return dev.type if dev is not None else None
    if k == 32:
        return skb.hash
    if k == 36:
        c = skb.net.kernel.engine.current
        return c.id if c is not None else 0
    if k == 44:
        return skb.vlan_tci
    if k == 48:
        return 1 if skb.vlan_present else 0
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
                if off >= SKF_AD_OFF:
                    anc = _ancillary(skb, off - SKF_AD_OFF)
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
                a = a << v if v < 32 else 0
            elif op == 0x70:
                a = a >> v if v < 32 else 0
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


__all__ = ["BpfProgram", "sk_run_filter"]
