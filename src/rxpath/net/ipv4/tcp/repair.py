"""A connection from what is known of it, without a handshake, as TCP_REPAIR restores one.

What belongs here: `tcp_restore`, for a replay whose capture begins in the middle.  What does not: the socket option
TCP_REPAIR, which is not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.net.core.skbuff import __alloc_skb, consume_skb
from rxpath.net.core.sock import TCP_ESTABLISHED
from rxpath.net.ipv4.route import ipv4_mtu
from rxpath.net.ipv4.tcp.hashtables import bind_add, inet_hash
from rxpath.net.ipv4.tcp.input import tcp_init_transfer
from rxpath.net.ipv4.tcp.minisocks import tcp_create_openreq_child
from rxpath.net.ipv4.tcp.output import ipv4_default_advmss, jiffies, tcp_sync_mss
from rxpath.net.ipv4.tcp.rcvbuf import tcp_full_space, tcp_initialize_rcv_mss
from rxpath.net.ipv4.tcp.reply import now_ts
from rxpath.net.ipv4.tcp.request import inet_csk_route_req, inet_reqsk_alloc, tcp_openreq_init_rwin
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sites import SITE_SYN
from rxpath.net.ipv4.tcp.sock import SS_CONNECTED, TcpCb, TcpSock
from rxpath.net.ipv4.tcp.state import tcp_set_state

if TYPE_CHECKING:
    from rxpath.net.core.skbuff import SkBuff

# The scale that the peer agreed to is in no segment but its SYN; with the greatest its window is never too small.
MOST_WSCALE: Final = 14


def tcp_restore(
    listener: TcpSock,
    laddr: int,
    raddr: int,
    rport: int,
    rcv_nxt: int,
    snd_nxt: int,
    window: int,
    ts_recent: int,
) -> TcpSock | None:
    """An established connection of the listener's port: the peer's next byte is `rcv_nxt`, ours `snd_nxt`, its window
    field was `window`, its last time stamp `ts_recent` (-1: it uses none).  The receive buffer is the largest that
    tcp_rmem allows, all of it offered.  None without a route.
    """
    ts = listener.ts
    req = inet_reqsk_alloc(ts.ipv4, listener)
    req.loc_addr, req.rmt_addr = laddr, raddr
    req.num, req.rmt_port = listener.num, rport
    req.rcv_isn, req.snt_isn = (rcv_nxt - 1) & M32, (snd_nxt - 1) & M32
    req.rcv_nxt = rcv_nxt
    req.mark = listener.mark
    req.wscale_ok = req.sack_ok = True
    req.snd_wscale = MOST_WSCALE
    req.tstamp_ok = ts_recent >= 0
    req.ts_recent = max(ts_recent, 0)
    rt = inet_csk_route_req(listener, req)
    if rt is None:
        return None
    req.mss = ipv4_default_advmss(rt)
    tcp_openreq_init_rwin(req, listener, rt)
    skb: SkBuff = __alloc_skb(listener.net, 64)
    c = TcpCb()
    c.window = window
    skb.cb = c
    sk = tcp_create_openreq_child(listener, req, skb)
    consume_skb(skb, SITE_SYN)
    sk.dst = rt
    tcp_sync_mss(sk, ipv4_mtu(rt))
    sk.advmss = req.mss - (12 if req.tstamp_ok else 0)
    inet_hash(sk)
    bind_add(ts, sk.num, sk)
    sk.bind_hashed = True
    tcp_init_transfer(sk)
    tcp_set_state(sk, TCP_ESTABLISHED)
    sk.rcvbuf = max(sk.rcvbuf, ts.tcp_rmem[2])
    sk.window_clamp = sk.rcv_ssthresh = sk.rcv_wnd = tcp_full_space(sk)
    sk.snd_wnd = sk.max_window = window << MOST_WSCALE
    sk.snd_wl1 = req.rcv_isn
    sk.lsndtime = jiffies(sk)
    tcp_initialize_rcv_mss(sk)
    sk.pred_flags = 0
    sk.ss_state = SS_CONNECTED
    return sk


def tcp_set_tsval(sk: TcpSock, tsval: int) -> None:
    """Our time stamps are `tsval` now and go on from there."""
    sk.tsoffset = (tsval - now_ts(sk.ts)) & M32
