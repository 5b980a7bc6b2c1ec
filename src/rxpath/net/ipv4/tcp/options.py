"""TCP options, both ways: parsing what came, writing what goes.

Facts: net/ipv4/tcp_input.c tcp_parse_options, net/ipv4/tcp_output.c tcp_options_write, tcp_syn_options,
tcp_established_options.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import TCP_MAX_WSCALE, RxOpt, TcpSock, TcpState, tcb
from rxpath.net.ipv4.tcp.variants import TcpVariant
from rxpath.wire.tcp import TCPHDR_SYN, TCPOPT_MD5SIG

TCPOPT_TSTAMP_HDR: Final = 0x0101080A
ACCECN_KINDS: Final = (172, 174)
TCPOLEN_MD5SIG: Final = 18
TCPOPT_AO: Final = 29
_TS: Final = Struct(">II")
_TS3: Final = Struct(">III")


def tcp_parse_options(ts: TcpState, skb: SkBuff, opt: RxOpt, estab: bool) -> None:
    """Walk the options; a bad length ends the walk, unknown ones are skipped.  `estab`: only agreed ones count."""
    c = tcb(skb)
    head = skb.head
    i = c.th + 20
    end = c.th + c.doff
    opt.saw_tstamp = False
    opt.saw_unknown = False
    opt.accecn = 0
    syn = bool(c.flags & TCPHDR_SYN)
    while i < end:
        kind = head[i]
        if kind == 0:
            return
        if kind == 1:
            i += 1
            continue
        if i + 1 >= end:
            return
        size = head[i + 1]
        if size < 2 or i + size > end:
            return
        if kind == 2:
            if size == 4 and syn and not estab:
                mss = head[i + 2] << 8 | head[i + 3]
                if mss:
                    if opt.user_mss and opt.user_mss < mss:
                        mss = opt.user_mss
                    opt.mss_clamp = mss
        elif kind == 3:
            if size == 3 and syn and not estab and ts.tcp_window_scaling:
                opt.wscale_ok = True
                opt.snd_wscale = min(head[i + 2], TCP_MAX_WSCALE)
        elif kind == 8:
            if size == 10 and ((estab and opt.tstamp_ok) or (not estab and ts.tcp_timestamps)):
                opt.saw_tstamp = True
                opt.rcv_tsval, opt.rcv_tsecr = _TS.unpack_from(head, i + 2)
        elif kind == 4:
            if size == 2 and syn and not estab and ts.tcp_sack:
                opt.sack_ok = True
                opt.dsack = False
        elif kind in ACCECN_KINDS and ts.v.accecn:
            opt.accecn = i - c.th
        elif kind != 5:
            opt.saw_unknown = True
        i += size


def sack_blocks(skb: SkBuff) -> list[tuple[int, int]]:
    """The blocks of a SACK option as they stand there (TCP_SKB_CB->sacked is their offset in Linux)."""
    c = tcb(skb)
    head = skb.head
    i = c.th + 20
    end = c.th + c.doff
    while i < end:
        kind = head[i]
        if kind == 0:
            break
        if kind == 1:
            i += 1
            continue
        if i + 1 >= end:
            break
        size = head[i + 1]
        if size < 2 or i + size > end:
            break
        if kind == 5 and size >= 10 and not (size - 2) % 8:
            return [_TS.unpack_from(head, j) for j in range(i + 2, i + size, 8)]
        i += size
    return []


def tcp_parse_aligned_timestamp(sk: TcpSock, skb: SkBuff, th: int) -> bool:
    """The form that every segment of a connection has: two NOPs and the option.  (Inline in Linux.)"""
    word, val, ecr = _TS3.unpack_from(skb.head, th + 20)
    if word != TCPOPT_TSTAMP_HDR:
        return False
    opt = sk.rx_opt
    opt.saw_tstamp = True
    opt.rcv_tsval = val
    opt.rcv_tsecr = (ecr - sk.tsoffset) & M32 if ecr else 0
    return True


def tcp_fast_parse_options(sk: TcpSock, skb: SkBuff) -> bool:
    """Options of a segment of a connection: True when a time stamp was seen.  (Inline in Linux.)"""
    c = tcb(skb)
    opt = sk.rx_opt
    if c.doff == 20:
        opt.saw_tstamp = False
        opt.accecn = 0
        return False
    if opt.tstamp_ok and c.doff == 32 and tcp_parse_aligned_timestamp(sk, skb, c.th):
        opt.accecn = 0
        return True
    tcp_parse_options(sk.ts, skb, opt, True)
    if opt.saw_tstamp and opt.rcv_tsecr:
        opt.rcv_tsecr = (opt.rcv_tsecr - sk.tsoffset) & M32
    return opt.saw_tstamp


AUTH_NONE: Final = 0
AUTH_SIGNED: Final = 1
AUTH_BAD: Final = 2


def tcp_parse_md5sig_option(v: TcpVariant, skb: SkBuff) -> int:
    """Whether a segment carries an MD5 signature: AUTH_NONE, AUTH_SIGNED, AUTH_BAD.

    Since 6.7 (tcp_do_parse_auth_options, a kernel without TCP_AO) options that cannot be walked as far as a signature
    has room, and a signature given twice or of a wrong length, are bad.
    """
    c = tcb(skb)
    left = c.doff - 20
    strict = v.auth_options
    head = skb.head
    i = c.th + 20
    found = AUTH_NONE
    while left >= TCPOLEN_MD5SIG:
        kind = head[i]
        if kind == 0:
            break
        if kind == 1:
            i += 1
            left -= 1
            continue
        size = head[i + 1]
        if size < 2 or size > left:
            return AUTH_BAD if strict else AUTH_NONE
        if kind == TCPOPT_MD5SIG:
            if size == TCPOLEN_MD5SIG and not found:
                found = AUTH_SIGNED
                if not strict:
                    break
            elif strict:
                return AUTH_BAD
        elif kind == TCPOPT_AO and strict and (size <= 4 or found):
            return AUTH_BAD
        i += size
        left -= size
    return found


def tcp_options_write(
    mss: int,
    wscale: int,
    sack_perm: bool,
    ts: tuple[int, int] | None,
    sacks: list[tuple[int, int]],
    accecn: bytes = b"",
) -> bytes:
    """Options in Linux's order and alignment; `mss` 0 and `wscale` -1 = absent.  `accecn`: that option without padding;
    its last bytes may stand where the SACK option has its NOPs.
    """
    pad = b"\x01\x01"
    out = b""
    if mss:
        out = b"\x02\x04" + mss.to_bytes(2, "big")
    if ts is not None:
        out += (b"\x04\x02\x08\x0a" if sack_perm else b"\x01\x01\x08\x0a") + _TS.pack(ts[0], ts[1])
    elif sack_perm:
        out += b"\x01\x01\x04\x02"
    if wscale >= 0:
        out += b"\x01\x03\x03" + bytes((wscale,))
    if len(accecn) == 11:
        out += accecn + b"\x01"
    elif accecn:
        n = len(accecn) & ~3
        out += accecn[:n]
        pad = accecn[n:].ljust(2, b"\x01")
    if sacks:
        out += pad + bytes((5, 2 + 8 * len(sacks)))
        for a, b in sacks:
            out += _TS.pack(a, b)
    elif pad != b"\x01\x01":
        out += pad + b"\x01\x01"
    return out
