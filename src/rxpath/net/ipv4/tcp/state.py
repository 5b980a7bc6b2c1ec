"""Changing the state of a connection and ending it: counters, tables, purging, the socket's death.

Facts: net/ipv4/tcp.c tcp_set_state, tcp_done; inet_connection_sock.c inet_csk_destroy_sock (6.1).
"""

from __future__ import annotations

from rxpath.kernel.errno import ECONNREFUSED, ECONNRESET, EPIPE
from rxpath.net.core.skbuff import SkBuff, skb_end
from rxpath.net.core.sock import (
    SHUTDOWN_MASK,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_ESTABLISHED,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    Sock,
    sk_error_report,
    sk_release,
    sock_def_wakeup,
    sock_rfree,
)
from rxpath.net.ipv4.mib import TCP_MIB_ATTEMPTFAILS, TCP_MIB_CURRESTAB, TCP_MIB_ESTABRESETS
from rxpath.net.ipv4.tcp.hashtables import inet_put_port, inet_unhash
from rxpath.net.ipv4.tcp.notify import tcp_notice_purge
from rxpath.net.ipv4.tcp.output import inet_csk_clear_xmit_timers, wfree
from rxpath.net.ipv4.tcp.sites import SITE_FIN, SITE_UNREAD
from rxpath.net.ipv4.tcp.sock import TcpSock
from rxpath.sim.ledger import CONSUMED, DROPPED


def tcp_set_state(sk: TcpSock, state: int) -> None:
    old = sk.state
    tcp = sk.ts.ipv4.tcp
    tp = sk.net.kernel.trace.inet_sock_set_state
    if tp.on:
        tp.fire(sk, old, state)
    if state == TCP_ESTABLISHED:
        if old != TCP_ESTABLISHED:
            tcp[TCP_MIB_CURRESTAB] += 1
    elif state == TCP_CLOSE_WAIT and sk.v.close_wait_estab:
        if old == TCP_SYN_RECV:
            tcp[TCP_MIB_CURRESTAB] += 1
    else:
        if state == TCP_CLOSE:
            if old in (TCP_CLOSE_WAIT, TCP_ESTABLISHED):
                tcp[TCP_MIB_ESTABRESETS] += 1
            inet_unhash(sk)
            if sk.bind_hashed and not sk.bind_port_lock:
                inet_put_port(sk)
        if old == TCP_ESTABLISHED or (old == TCP_CLOSE_WAIT and sk.v.close_wait_estab):
            tcp[TCP_MIB_CURRESTAB] -= 1
    sk.state = state


def end_unread(sk: Sock, skb: SkBuff, shown: str = "") -> None:
    """A queued segment that nobody will read.  `shown`: the reason with which Linux shows it as dropped, "" = not
    at all; a bare FIN was used all the same.
    """
    if skb.sk is sk:
        skb.sk = None
        sock_rfree(sk, skb.truesize)
    tp = skb.net.kernel.trace.kfree_skb
    if shown and tp.on:
        tp.fire(skb, "tcp", skb.protocol, shown)
    if skb.tokens:
        if skb.len:
            skb_end(skb, DROPPED, SITE_UNREAD)
        else:
            skb_end(skb, CONSUMED, SITE_FIN)


def tcp_write_queue_purge(sk: TcpSock) -> None:
    if sk.notices:
        tcp_notice_purge(sk)
    while sk.write_queue:
        wfree(sk, sk.write_queue.popleft())
    while sk.rtx_queue:
        wfree(sk, sk.rtx_queue.popleft())
    sk.highest_sack = None
    sk.packets_out = sk.sacked_out = sk.lost_out = sk.retrans_out = 0
    sk.backoff = 0


def receive_queue_purge(sk: TcpSock) -> None:
    """What is queued for reading ends (__skb_queue_purge); only some releases show it as dropped."""
    while sk.receive_queue:
        end_unread(sk, sk.receive_queue.popleft(), "QUEUE_PURGE" if sk.v.queue_purge_reason else "")


def ofo_purge(sk: TcpSock) -> None:
    """What came out of order ends (skb_rbtree_purge)."""
    while sk.ofo:
        end_unread(sk, sk.ofo.pop(0), "NOT_SPECIFIED")


def inet_csk_destroy_sock(sk: TcpSock) -> None:
    """The end of an orphan."""
    if sk.dead:
        return
    tp = sk.net.kernel.trace.tcp_destroy_sock
    if tp.on:
        tp.fire(sk)
    inet_csk_clear_xmit_timers(sk)
    sk.compressed_timer.cancel()
    sk.pacing_timer.cancel()
    tcp_write_queue_purge(sk)
    ofo_purge(sk)
    receive_queue_purge(sk)
    while sk.prequeue:
        end_unread(sk, sk.prequeue.popleft())
    while sk.backlog:
        end_unread(sk, sk.backlog.popleft())
    if sk.v.queue_purge_reason:
        tp = sk.net.kernel.trace.kfree_skb
        if tp.on:  # the errors that nobody read (inet_sock_destruct)
            for e in sk.error_queue:
                tp.fire(e.skb, "tcp", e.skb.protocol, "QUEUE_PURGE")
    inet_unhash(sk)
    inet_put_port(sk)
    if sk.orphan:
        sk.ts.orphans -= 1
    sk_release(sk)


def tcp_done(sk: TcpSock) -> None:
    if sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
        sk.ts.ipv4.tcp[TCP_MIB_ATTEMPTFAILS] += 1
    tcp_set_state(sk, TCP_CLOSE)
    inet_csk_clear_xmit_timers(sk)
    if sk.fastopen_rsk is not None:
        sk.fastopen_rsk.listener.fastopen_qlen -= 1
        sk.fastopen_rsk = None
    sk.shutdown = SHUTDOWN_MASK
    if sk.orphan:
        inet_csk_destroy_sock(sk)
    else:
        sock_def_wakeup(sk)


def tcp_reset(sk: TcpSock) -> None:
    """A RST was accepted."""
    tp = sk.net.kernel.trace.tcp_receive_reset
    if tp.on:
        tp.fire(sk)
    if sk.state == TCP_SYN_SENT:
        sk.err = ECONNREFUSED
    elif sk.state == TCP_CLOSE_WAIT:
        sk.err = EPIPE
    elif sk.state == TCP_CLOSE:
        return
    else:
        sk.err = ECONNRESET
    tcp_write_queue_purge(sk)
    tcp_done(sk)
    if not sk.orphan:
        sk_error_report(sk)
