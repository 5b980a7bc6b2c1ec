"""TCP Fast Open: cookies, the server's child made by a SYN, the client's SYN with data, what the client remembers.

Facts: net/ipv4/tcp_fastopen.c, tcp_output.c tcp_send_syn_data, tcp_input.c tcp_rcv_fastopen_synack (6.1, 6.12).  The
metrics cache is a table by peer and keeps what Fast Open needs; the blackhole detection is not modelled.
"""

from __future__ import annotations

from copy import copy
from typing import Final

from rxpath.kernel.errno import EINVAL, linux_error
from rxpath.net.core.skbuff import SkBuff, skb_clone
from rxpath.net.core.sock import TCP_LISTEN
from rxpath.net.ipv4.tcp.options import tcp_parse_options
from rxpath.net.ipv4.tcp.output import inet_csk_reset_xmit_timer, jiffies, rto_max, tcp_mstamp_refresh, tcp_rearm_rto
from rxpath.net.ipv4.tcp.rcvbuf import sk_forced_mem_schedule
from rxpath.net.ipv4.tcp.rcvq import tcp_fin, tcp_queue_rcv
from rxpath.net.ipv4.tcp.recovery import tcp_retransmit_syn_data
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import ICSK_TIME_RETRANS, RequestSock, RxOpt, TcpSock, TcpState, tcb
from rxpath.wire.tcp import TCPHDR_FIN, TCPHDR_SYN, TCPOPT_FASTOPEN

TFO_CLIENT_ENABLE: Final = 1
TFO_SERVER_ENABLE: Final = 2
TFO_CLIENT_NO_COOKIE: Final = 4
TFO_SERVER_COOKIE_NOT_REQD: Final = 0x200
TFO_SERVER_WO_SOCKOPT1: Final = 0x400
TCPOPT_EXP: Final = 254
FASTOPEN_MAGIC: Final = b"\xf9\x89"
COOKIE_MIN: Final = 4
COOKIE_MAX: Final = 16
KEY_LENGTH: Final = 16
RST_WAIT_S: Final = 60
_M64: Final = (1 << 64) - 1

TFO_COOKIE_UNAVAILABLE: Final = 1
TFO_DATA_NOT_ACKED: Final = 2
TFO_SYN_RETRANSMITTED: Final = 3


class FastOpenCookie:
    """`struct tcp_fastopen_cookie`.  `len` -1: no option, 0: a cookie is asked for; `exp`: the experimental option."""

    __slots__ = ("exp", "len", "val")

    def __init__(self, length: int = -1, val: bytes = b"", exp: bool = False) -> None:
        self.len = length
        self.val = val
        self.exp = exp


class FastOpenRequest:
    """`struct tcp_fastopen_request`: what the client sends with its SYN.  `copied`: bytes that went with it."""

    __slots__ = ("cookie", "copied", "data", "pending")

    def __init__(self, data: bytes = b"") -> None:
        self.cookie = FastOpenCookie(0)
        self.data = data
        self.copied = 0
        self.pending = bool(data)  # more waits behind the connection


def _count(ts: TcpState, name: str) -> None:
    ext = ts.ipv4.tcpext
    if name in ext:
        ext[name] += 1


# --- cookies ------------------------------------------------------------------------------------------------------


def siphash(data: bytes, key: bytes) -> int:
    """SipHash-2-4, 64 bits (lib/siphash.c)."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:16], "little")
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    n = len(data)
    words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, n - n % 8, 8)]
    words.append(int.from_bytes(data[n - n % 8 :], "little") | (n & 255) << 56)
    for at, m in enumerate([*words, 0]):
        last = at == len(words)
        if last:
            v2 ^= 0xFF
        else:
            v3 ^= m
        for _ in range(4 if last else 2):
            v0 = (v0 + v1) & _M64
            v1 = ((v1 << 13 | v1 >> 51) & _M64) ^ v0
            v0 = (v0 << 32 | v0 >> 32) & _M64
            v2 = (v2 + v3) & _M64
            v3 = ((v3 << 16 | v3 >> 48) & _M64) ^ v2
            v0 = (v0 + v3) & _M64
            v3 = ((v3 << 21 | v3 >> 43) & _M64) ^ v0
            v2 = (v2 + v1) & _M64
            v1 = ((v1 << 17 | v1 >> 47) & _M64) ^ v2
            v2 = (v2 << 32 | v2 >> 32) & _M64
        if not last:
            v0 ^= m
    return v0 ^ v1 ^ v2 ^ v3


def tcp_fastopen_keys(sk: TcpSock) -> tuple[bytes, bytes]:
    """(first, second) key of the socket, else of the namespace (made when first needed)."""
    if sk.fastopen_keys[0]:
        return sk.fastopen_keys
    ts = sk.ts
    if not ts.tcp_fastopen_key:
        ts.tcp_fastopen_key = ts.ipv4.kernel.rng("tcp fastopen").randbytes(KEY_LENGTH)
    return ts.tcp_fastopen_key, ts.tcp_fastopen_key2


def tcp_fastopen_cookie_gen(req: RequestSock, key: bytes) -> bytes:
    data = req.rmt_addr.to_bytes(4, "big") + req.loc_addr.to_bytes(4, "big")
    return siphash(data, key).to_bytes(8, "little")


def key_text(key: bytes, second: bytes) -> str:
    """The sysctl's form: four words a key, keys separated by a comma."""

    def one(k: bytes) -> str:
        return "-".join("%08x" % int.from_bytes(k[i : i + 4], "little") for i in range(0, 16, 4))

    return one(key or bytes(16)) + ("," + one(second) if second else "")


def parse_keys(text: str) -> tuple[bytes, bytes]:
    """Raises EINVAL."""
    out: list[bytes] = []
    for part in text.strip().split(","):
        words = part.strip().split("-")
        if len(words) != 4 or any(not w or len(w) > 8 or set(w.lower()) - set("0123456789abcdef") for w in words):
            raise linux_error(EINVAL, "tcp_fastopen_key")
        out.append(b"".join(int(w, 16).to_bytes(4, "little") for w in words))
    if not 1 <= len(out) <= 2:
        raise linux_error(EINVAL, "tcp_fastopen_key")
    return out[0], out[1] if len(out) == 2 else b""


def tcp_parse_fastopen_option(skb: SkBuff) -> FastOpenCookie:
    """The option of a SYN or SYN-ACK."""
    c = tcb(skb)
    head = skb.head
    i = c.th + 20
    end = c.th + c.doff
    foc = FastOpenCookie()
    while i + 1 < end:
        kind = head[i]
        if kind == 0:
            break
        if kind == 1:
            i += 1
            continue
        size = head[i + 1]
        if size < 2 or i + size > end:
            break
        value: bytes | None = None
        if kind == TCPOPT_FASTOPEN:
            value = head[i + 2 : i + size]
        elif kind == TCPOPT_EXP and size >= 4 and head[i + 2 : i + 4] == FASTOPEN_MAGIC:
            value = head[i + 4 : i + size]
        if value is not None and c.flags & TCPHDR_SYN and not len(value) & 1:
            n = len(value)
            foc.exp = kind == TCPOPT_EXP
            if COOKIE_MIN <= n <= COOKIE_MAX:
                foc.len, foc.val = n, bytes(value)
            else:
                foc.len = 0 if n == 0 else -1
        i += size
    return foc


def fastopen_option(foc: FastOpenCookie | None, room: int) -> bytes:
    """The option's bytes, padded; none when there is no room."""
    if foc is None or foc.len < 0:
        return b""
    value = foc.val[: foc.len]
    if foc.exp:
        out = bytes((TCPOPT_EXP, 4 + len(value))) + FASTOPEN_MAGIC + value
    else:
        out = bytes((TCPOPT_FASTOPEN, 2 + len(value))) + value
    out += b"\x01" * (-len(out) & 3)
    return out if len(out) <= room else b""


# --- the server ---------------------------------------------------------------------------------------------------


def fastopen_queue_tune(sk: TcpSock, backlog: int) -> None:
    sk.fastopenq_max = min(backlog & M32, sk.net.somaxconn)


def tcp_fastopen_listen(sk: TcpSock, backlog: int) -> None:
    """listen(): every listener is enabled when the sysctl says so."""
    v = sk.ts.tcp_fastopen
    if v & TFO_SERVER_WO_SOCKOPT1 and v & TFO_SERVER_ENABLE and not sk.fastopenq_max:
        fastopen_queue_tune(sk, backlog)


def tcp_fastopen_queue_check(sk: TcpSock) -> bool:
    if not sk.fastopenq_max:
        return False
    if sk.fastopen_qlen >= sk.fastopenq_max:
        now = jiffies(sk)
        if not sk.fastopenq_rst or sk.fastopenq_rst[0] > now:
            _count(sk.ts, "TCPFastOpenListenOverflow")
            return False
        sk.fastopenq_rst.pop(0)
        sk.fastopen_qlen -= 1
    return True


def tcp_fastopen_no_cookie(sk: TcpSock, flag: int) -> bool:
    return bool(sk.ts.tcp_fastopen & flag or sk.fastopen_no_cookie)


def tcp_try_fastopen(sk: TcpSock, skb: SkBuff, req: RequestSock, foc: FastOpenCookie) -> TcpSock | None:
    """The child of a SYN that may be served at once; `foc` becomes what the SYN-ACK says of cookies."""
    ts = sk.ts
    c = tcb(skb)
    syn_data = c.end_seq != (c.seq + 1) & M32
    if foc.len == 0:
        _count(ts, "TCPFastOpenCookieReqd")
    if not (ts.tcp_fastopen & TFO_SERVER_ENABLE and (syn_data or foc.len >= 0) and tcp_fastopen_queue_check(sk)):
        foc.len = -1
        return None
    valid = FastOpenCookie(exp=foc.exp)
    first, second = tcp_fastopen_keys(sk)
    which = 0
    serve = tcp_fastopen_no_cookie(sk, TFO_SERVER_COOKIE_NOT_REQD)
    if not serve:
        if foc.len == 0:
            valid.len, valid.val = 8, tcp_fastopen_cookie_gen(req, first)
        elif foc.len > 0:
            valid.len, valid.val = 8, tcp_fastopen_cookie_gen(req, first)
            if foc.val == valid.val:
                which = 1
            elif second and foc.val == tcp_fastopen_cookie_gen(req, second):
                which = 2
            if not which:
                _count(ts, "TCPFastOpenPassiveFail")
            serve = which > 0
    if serve:
        child = tcp_fastopen_create_child(sk, skb, req)
        if child is not None:
            if which == 2:
                foc.len, foc.val = valid.len, valid.val
                _count(ts, "TCPFastOpenPassiveAltKey")
            else:
                foc.len = -1
            _count(ts, "TCPFastOpenPassive")
            return child
        _count(ts, "TCPFastOpenPassiveFail")
    foc.len, foc.val = valid.len, valid.val
    return None


def tcp_fastopen_create_child(sk: TcpSock, skb: SkBuff, req: RequestSock) -> TcpSock | None:
    h = sk.ts.handlers
    req.timeout = sk.reqsk_timeout_base
    req.fastopen = True
    child = h.syn_recv_sock(sk, skb, req)
    if child is None:
        return None
    sk.fastopen_qlen += 1
    child.fastopen_rsk = req
    tcp_mstamp_refresh(child)
    c = tcb(skb)
    child.snd_wnd = c.window  # a SYN's window is never scaled
    child.max_window = child.snd_wnd
    child.total_rto = 0
    inet_csk_reset_xmit_timer(child, 1, req.timeout)
    h.init_transfer(child)
    child.rcv_nxt = (c.seq + 1) & M32
    tcp_fastopen_add_skb(child, skb)
    req.rcv_nxt = child.rcv_nxt
    child.rcv_wup = child.rcv_nxt
    return child


def tcp_fastopen_add_skb(sk: TcpSock, skb: SkBuff) -> None:
    """The data of a SYN (or SYN-ACK) goes into the receive queue."""
    c = tcb(skb)
    if c.end_seq == sk.rcv_nxt:
        return
    alone = skb.fate is None and not skb.cloned
    tokens, tag = skb.tokens, skb.tag
    if alone:
        skb.tokens = 0
    clone = skb_clone(skb)
    if alone:  # the segment itself is let go of at once: the clone counts as none from then on, and is the frame
        clone.tokens, clone.tag = tokens, tag
        clone.cloned = skb.cloned = False
        clone.dataref = skb.dataref = None
    clone.cb = k = copy(c)
    clone.dst = None
    clone.pull(c.doff)
    sk.segs_in = 0
    sk.segs_in += 1
    if clone.len:
        sk.data_segs_in += 1
    k.seq = (k.seq + 1) & M32
    k.flags &= ~TCPHDR_SYN
    k.doff = 0
    n = clone.len
    sk_forced_mem_schedule(sk, clone.truesize)
    tcp_queue_rcv(sk, clone)
    sk.syn_data_acked = True
    sk.bytes_received = n
    if c.flags & TCPHDR_FIN:
        tcp_fin(sk)


def reqsk_fastopen_remove(sk: TcpSock, reset: bool) -> None:
    """The third packet came (or a RST): the child is like any other now."""
    req = sk.fastopen_rsk
    if req is None:
        return
    sk.fastopen_rsk = None
    lsk = req.listener
    if reset and lsk.state == TCP_LISTEN and sk.listener is None:  # accepted already
        lsk.fastopenq_rst.append(jiffies(sk) + RST_WAIT_S * sk.ts.ipv4.kernel.hz)
        return
    lsk.fastopen_qlen -= 1


def tcp_rcv_synrecv_state_fastopen(sk: TcpSock) -> None:
    sk.retrans_stamp = 0
    sk.retransmits = 0
    reqsk_fastopen_remove(sk, False)
    tcp_rearm_rto(sk)


def tcp_fastopen_synack_timer(sk: TcpSock, req: RequestSock) -> bool:
    """The SYN-ACK was not answered.  True: given up."""
    ts = sk.ts
    ts.ipv4.tcpext["TCPTimeouts"] += 1
    if req.num_timeout >= (sk.syn_retries or ts.tcp_synack_retries + 1):
        return True
    if sk.retransmits == 1:
        ts.handlers.enter_loss(sk)
    ts.handlers.rtx_syn_ack(sk, req)
    req.num_timeout += 1
    sk.retransmits += 1
    tcp_mstamp_refresh(sk)
    if not sk.retrans_stamp:
        sk.retrans_stamp = sk.mstamp_us or 1
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, min(req.timeout << req.num_timeout, rto_max(sk)))
    return False


# --- the client ---------------------------------------------------------------------------------------------------


def tcp_fastopen_cache_get(sk: TcpSock, foc: FastOpenCookie) -> None:
    """What is remembered of the peer: MSS (into the clamp) and cookie."""
    known = sk.ts.fastopen_cache.get(sk.daddr)
    if known is None:
        return
    mss, cookie, exp, try_exp = known
    if mss:
        sk.rx_opt.mss_clamp = mss
    foc.len, foc.val, foc.exp = len(cookie), cookie, exp
    if not cookie and try_exp == 1:
        foc.exp = True


def tcp_fastopen_cache_set(sk: TcpSock, mss: int, foc: FastOpenCookie | None, try_exp: int) -> None:
    old_mss, cookie, exp, tried = sk.ts.fastopen_cache.get(sk.daddr, (0, b"", False, 0))
    if mss:
        old_mss = mss
    if foc is not None and foc.len > 0:
        cookie, exp = foc.val[: foc.len], foc.exp
    elif try_exp > tried and not cookie and not exp:
        tried = try_exp
    sk.ts.fastopen_cache[sk.daddr] = (old_mss, cookie, exp, tried)


def tcp_fastopen_cookie_check(sk: TcpSock, foc: FastOpenCookie) -> bool:
    """Whether the SYN may carry data."""
    tcp_fastopen_cache_get(sk, foc)
    if tcp_fastopen_no_cookie(sk, TFO_CLIENT_NO_COOKIE):
        foc.len = -1
        return True
    if foc.len > 0:
        return True
    sk.fastopen_client_fail = TFO_COOKIE_UNAVAILABLE
    return False


def tcp_fastopen_defer_connect(sk: TcpSock) -> bool:
    """TCP_FASTOPEN_CONNECT: connect() only takes note when the first write can go with the SYN."""
    if sk.fastopen_connect and sk.fastopen_req is None:
        foc = FastOpenCookie(0)
        if tcp_fastopen_cookie_check(sk, foc):
            sk.fastopen_defer = True
            return True
        sk.fastopen_req = FastOpenRequest()
        sk.fastopen_req.cookie = foc
    return False


def tcp_rcv_fastopen_synack(sk: TcpSock, skb: SkBuff, foc: FastOpenCookie) -> bool:
    """True: the data of the SYN was not taken; it is sent again, with the ACK."""
    ts = sk.ts
    data = bool(sk.syn_data and sk.rtx_queue)
    mss = sk.rx_opt.mss_clamp
    try_exp = 0
    if mss == sk.rx_opt.user_mss:
        opt = RxOpt()
        tcp_parse_options(ts, skb, opt, False)
        mss = opt.mss_clamp
    if not sk.syn_fastopen:
        foc.len = -1
    elif sk.total_retrans:
        pass
    elif foc.len < 0 and not sk.syn_data:
        try_exp = 2 if sk.syn_fastopen_exp else 1
    tcp_fastopen_cache_set(sk, mss, foc, try_exp)
    if data:
        sk.fastopen_client_fail = TFO_SYN_RETRANSMITTED if sk.total_retrans else TFO_DATA_NOT_ACKED
        tcp_retransmit_syn_data(sk)
        _count(ts, "TCPFastOpenActiveFail")
        return True
    sk.syn_data_acked = sk.syn_data
    if sk.syn_data_acked:
        _count(ts, "TCPFastOpenActive")
        if sk.delivered > 1:
            sk.delivered -= 1
    tcp_fastopen_add_skb(sk, skb)
    return False
