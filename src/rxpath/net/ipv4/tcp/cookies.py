"""SYN cookies: a connection request that needs no memory here.

Facts: net/ipv4/syncookies.c (6.1): the sequence number hides a minute count and an index of eight segment sizes; the
time stamp's low six bits hide window scale, SACK and ECN.  The hash is keyed by a secret of the machine's generator.
"""

from __future__ import annotations

import hashlib
from typing import Final

from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import RequestSock, TcpSock, TcpState

COOKIEBITS: Final = 24
COOKIEMASK: Final = (1 << COOKIEBITS) - 1
MAX_SYNCOOKIE_AGE: Final = 2
TSBITS: Final = 6
TSMASK: Final = (1 << TSBITS) - 1
TS_OPT_WSCALE_MASK: Final = 0xF
TS_OPT_SACK: Final = 1 << 4
TS_OPT_ECN: Final = 1 << 5
MSSTAB: Final = (536, 1300, 1440, 1460)


def cookie_hash(ts: TcpState, saddr: int, daddr: int, sport: int, dport: int, count: int, c: int) -> int:
    msg = b"%d %d %d %d %d %d %d" % (saddr, daddr, sport, dport, count, c, ts.cookie_secret)
    return int.from_bytes(hashlib.blake2s(msg, digest_size=4).digest(), "big")


def tcp_cookie_time(ts: TcpState) -> int:
    return ts.ipv4.kernel.engine.now // 60_000_000_000 + 1


def cookie_init_sequence(
    ts: TcpState, saddr: int, daddr: int, sport: int, dport: int, sseq: int, mss: int
) -> tuple[int, int]:
    """(sequence number, the segment size that it can express)."""
    ind = len(MSSTAB) - 1
    while ind and mss < MSSTAB[ind]:
        ind -= 1
    count = tcp_cookie_time(ts)
    v = (
        cookie_hash(ts, saddr, daddr, sport, dport, 0, 0)
        + sseq
        + (count << COOKIEBITS)
        + ((cookie_hash(ts, saddr, daddr, sport, dport, count, 1) + ind) & COOKIEMASK)
    ) & M32
    return v, MSSTAB[ind]


def cookie_v4_check_mss(ts: TcpState, saddr: int, daddr: int, sport: int, dport: int, sseq: int, cookie: int) -> int:
    """The segment size in a valid cookie, or 0."""
    count = tcp_cookie_time(ts)
    v = (cookie - cookie_hash(ts, saddr, daddr, sport, dport, 0, 0) - sseq) & M32
    diff = (count - (v >> COOKIEBITS)) & (M32 >> COOKIEBITS)
    if diff >= MAX_SYNCOOKIE_AGE:
        return 0
    ind = (v - cookie_hash(ts, saddr, daddr, sport, dport, count - diff, 1)) & COOKIEMASK
    return MSSTAB[ind] if ind < len(MSSTAB) else 0


def cookie_init_timestamp(req: RequestSock, now_ms: int) -> int:
    """TSval of a cookie's SYN-ACK: options in the low bits, never ahead of the clock."""
    options = req.snd_wscale if req.wscale_ok else TS_OPT_WSCALE_MASK
    if req.sack_ok:
        options |= TS_OPT_SACK
    if req.ecn_ok:
        options |= TS_OPT_ECN
    t = now_ms & ~TSMASK | options
    if t > now_ms:
        t -= 1 << TSBITS
    return t & M32


def cookie_timestamp_decode(ts: TcpState, req: RequestSock, saw_tstamp: bool, tsecr: int) -> bool:
    """The options hidden in the echoed time stamp; False: they are not allowed here."""
    if not saw_tstamp:
        req.tstamp_ok = req.sack_ok = req.wscale_ok = False
        return True
    if not ts.tcp_timestamps:
        return False
    req.ecn_ok = bool(tsecr & TS_OPT_ECN)
    req.sack_ok = bool(tsecr & TS_OPT_SACK)
    if req.sack_ok and not ts.tcp_sack:
        return False
    if tsecr & TS_OPT_WSCALE_MASK == TS_OPT_WSCALE_MASK:
        req.wscale_ok = False
        return True
    req.wscale_ok = True
    req.snd_wscale = tsecr & TS_OPT_WSCALE_MASK
    return bool(ts.tcp_window_scaling)


def tcp_synq_overflow(sk: TcpSock) -> None:
    sk.syn_overflow = sk.ts.ipv4.kernel.engine.now // 1_000_000


def tcp_synq_no_recent_overflow(sk: TcpSock) -> bool:
    return sk.ts.ipv4.kernel.engine.now // 1_000_000 - sk.syn_overflow > MAX_SYNCOOKIE_AGE * 60_000


def secure_tcp_ts_off(ts: TcpState, laddr: int, raddr: int) -> int:
    """The offset of a pair of hosts' time stamps (4.10); none when tcp_timestamps is 2, none in 3.13."""
    if ts.tcp_timestamps != 1 or not ts.v.oow_limit:
        return 0
    return cookie_hash(ts, laddr, raddr, 0, 0, 0, 2)
