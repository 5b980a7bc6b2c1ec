"""Answers of TCP that no socket sends: a reset, and ACKs for a TIME_WAIT socket and for a request.

Facts: net/ipv4/tcp_ipv4.c (5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.fib import RTN_LOCAL
from rxpath.net.ipv4.ip_options import __ip_options_echo
from rxpath.net.ipv4.mib import TCP_MIB_OUTRSTS, TCP_MIB_OUTSEGS
from rxpath.net.ipv4.route import Rtable
from rxpath.net.ipv4.tcp.ipxmit import ip_send_unicast_reply
from rxpath.net.ipv4.tcp.options import AUTH_BAD, AUTH_SIGNED, tcp_options_write, tcp_parse_md5sig_option
from rxpath.net.ipv4.tcp.output import tcp_v4_send_check
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import RequestSock, TcpSock, TcpState, TimewaitSock, tcb
from rxpath.wire.tcp import TCP_HDR, TCPHDR_ACK, TCPHDR_RST


def tcp_v4_send_reset(ts: TcpState, sk: TcpSock | None, skb: SkBuff) -> None:
    ipv4 = ts.ipv4
    c = tcb(skb)
    if c.flags & TCPHDR_RST:
        return
    rt = skb.dst
    if sk is None and isinstance(rt, Rtable) and rt.rt_type != RTN_LOCAL:
        return
    signed = tcp_parse_md5sig_option(ts.v, skb)
    if signed == AUTH_BAD or (signed == AUTH_SIGNED and sk is None):
        return  # no listener has the key that would sign the answer
    if c.flags & TCPHDR_ACK:
        seg = TCP_HDR.pack(c.dport, c.sport, c.ack_seq, 0, 5 << 4, TCPHDR_RST, 0, 0, 0)
    else:
        seg = TCP_HDR.pack(c.dport, c.sport, 0, c.end_seq, 5 << 4, TCPHDR_RST | TCPHDR_ACK, 0, 0, 0)
    tp = ipv4.kernel.trace.tcp_send_reset
    if tp.on:
        tp.fire(sk, skb)
    oif = sk.bound_dev_if if sk is not None else 0
    opt = __ip_options_echo(ipv4, skb, c.ip_opt) if c.ip_opt is not None else None
    if c.ip_opt is None or opt is not None:  # else not sent, and counted all the same
        ip_send_unicast_reply(
            ipv4,
            tcp_v4_send_check(c.daddr, c.saddr, seg),
            c.daddr,
            c.saddr,
            c.dsfield & ~3,  # never with ECN bits
            oif,
            sk.mark if sk is not None else 0,
            opt,
        )
    ipv4.tcp[TCP_MIB_OUTSEGS] += 1
    ipv4.tcp[TCP_MIB_OUTRSTS] += 1


def tcp_v4_send_ack(
    ts: TcpState,
    skb: SkBuff,
    saddr: int,
    sport: int,
    daddr: int,
    dport: int,
    seq: int,
    ack: int,
    win: int,
    stamp: tuple[int, int] | None,
    oif: int,
    tos: int,
    mark: int,
) -> None:
    """A bare ACK from (saddr, sport) to `skb`, whose IP options it echoes; where they cannot be, it is not sent."""
    if stamp is not None and not stamp[1]:
        stamp = None
    options = tcp_options_write(0, -1, False, stamp, [])
    seg = TCP_HDR.pack(sport, dport, seq, ack, (20 + len(options)) << 2, TCPHDR_ACK, win, 0, 0) + options
    came = tcb(skb).ip_opt
    opt = __ip_options_echo(ts.ipv4, skb, came) if came is not None else None
    if came is None or opt is not None:
        ip_send_unicast_reply(ts.ipv4, tcp_v4_send_check(saddr, daddr, seg), saddr, daddr, tos, oif, mark, opt)
    ts.ipv4.tcp[TCP_MIB_OUTSEGS] += 1


def now_ts(ts: TcpState) -> int:
    return ts.clock(ts.ipv4.kernel.engine.now // 1000)


def tcp_v4_timewait_ack(ts: TcpState, tw: TimewaitSock, skb: SkBuff, tos: int) -> None:
    stamp = ((now_ts(ts) + tw.ts_offset) & M32, tw.ts_recent) if tw.ts_recent_stamp else None
    tcp_v4_send_ack(
        ts,
        skb,
        tw.loc_addr,
        tw.num,
        tw.rmt_addr,
        tw.rmt_port,
        tw.snd_nxt,
        tw.rcv_nxt,
        tw.rcv_wnd >> tw.rcv_wscale & 0xFFFF,  # not capped: the field holds what fits
        stamp,
        tw.bound_dev_if,
        tos,
        tw.mark,
    )


def tcp_v4_reqsk_send_ack(lsk: TcpSock, skb: SkBuff, req: RequestSock) -> None:
    ts = lsk.ts
    stamp = ((now_ts(ts) + req.ts_off) & M32, req.ts_recent) if req.tstamp_ok else None
    tcp_v4_send_ack(
        ts,
        skb,
        req.loc_addr,
        req.num,
        req.rmt_addr,
        req.rmt_port,
        (req.snt_isn + 1) & M32,
        req.rcv_nxt,
        min(req.rsk_rcv_wnd >> req.rcv_wscale, 65535),
        stamp,
        0,
        tcb(skb).dsfield & (0xFF if ts.v.reqsk_ack_ect else 0xFC),
        req.mark,
    )
