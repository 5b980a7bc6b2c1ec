"""What a program writes: its bytes into segments of the write queue, waiting for memory, the push.

What belongs here: tcp_sendmsg and what it calls until __tcp_push_pending_frames.  When and how segments leave is
output.py's.  Facts: net/ipv4/tcp.c (5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from rxpath.kernel.errno import EAGAIN, EPIPE, linux_error
from rxpath.net.core.sock import (
    MSG_DONTWAIT,
    MSG_EOR,
    MSG_MORE,
    MSG_OOB,
    SEND_SHUTDOWN,
    TCP_CLOSE_WAIT,
    TCP_ESTABLISHED,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    lock_sock,
    sk_wmem_schedule,
    sock_error,
)
from rxpath.net.ipv4.tcp.notify import tcp_tx_timestamp
from rxpath.net.ipv4.tcp.output import (
    __tcp_push_pending_frames,
    sk_stream_memory_free,
    sk_wmem_charge,
    tcp_current_mss,
    tcp_mark_urg,
    tcp_push_one,
    tcp_skb_entail,
    tcp_stream_alloc_skb,
    tcp_xmit_size_goal,
    wfree,
)
from rxpath.net.ipv4.tcp.rcvbuf import sk_forced_mem_schedule
from rxpath.net.ipv4.tcp.seq import M32, after
from rxpath.net.ipv4.tcp.sock import TCP_NAGLE_CORK, TCP_NAGLE_PUSH, TcpSock, TxSkb
from rxpath.net.ipv4.tcp.tcp import deadline_of, release_sock, sk_wait_event
from rxpath.wire.tcp import TCPHDR_PSH


def forced_push(sk: TcpSock) -> bool:
    return after(sk.write_seq, (sk.pushed_seq + (sk.max_window >> 1)) & M32)


def tcp_mark_push(sk: TcpSock, t: TxSkb) -> None:
    t.flags |= TCPHDR_PSH
    sk.pushed_seq = sk.write_seq


def tcp_push(sk: TcpSock, flags: int, mss: int, nonagle: int) -> None:
    if not sk.write_queue:
        return
    t = sk.write_queue[-1]
    if not flags & MSG_MORE or forced_push(sk):
        tcp_mark_push(sk, t)
    tcp_mark_urg(sk, flags)
    if flags & MSG_MORE:
        nonagle = TCP_NAGLE_CORK
    __tcp_push_pending_frames(sk, mss, nonagle)


def tcp_sendmsg(sk: TcpSock, data: bytes, flags: int, tsflags: int = 0) -> int:
    """`tsflags`: the time stamps that are wanted of it (SOF_TIMESTAMPING_TX_*)."""
    lock_sock(sk)
    try:
        return tcp_sendmsg_locked(sk, data, flags, tsflags)
    finally:
        release_sock(sk)


def tcp_wmem_schedule(sk: TcpSock, n: int) -> int:
    """How much of `n` bytes there is memory for; a socket with little queued always gets some."""
    if sk_wmem_schedule(sk, n):
        return n
    left = sk.ts.tcp_wmem[0] - sk.wmem_queued
    if left > 0:
        sk_forced_mem_schedule(sk, min(left, n))
    return min(n, sk.forward_alloc)


def tcp_remove_empty_skb(sk: TcpSock) -> None:
    if sk.write_queue and sk.write_queue[-1].seq == sk.write_queue[-1].end_seq:
        wfree(sk, sk.write_queue.pop())


def tcp_sendmsg_locked(sk: TcpSock, data: bytes, flags: int, tsflags: int = 0) -> int:
    """Queue and send.  Raises EPIPE, EAGAIN, the pending error."""
    deadline = 0 if flags & MSG_DONTWAIT or sk.nonblock else deadline_of(sk, sk.sndtimeo)
    while not 1 << sk.state & (1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT) and sk.fastopen_rsk is None:
        if sk.err:
            raise linux_error(sock_error(sk))
        if not 1 << sk.state & (1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV):
            raise linux_error(EPIPE)
        if not sk_wait_event(sk, deadline):
            raise linux_error(EAGAIN)
    copied = 0
    n = len(data)
    mss = tcp_current_mss(sk)
    goal = tcp_xmit_size_goal(sk, mss, not flags & MSG_OOB)
    if sk.err or sk.shutdown & SEND_SHUTDOWN:
        raise linux_error(sock_error(sk) or EPIPE)
    wq = sk.write_queue
    while copied < n:
        t = wq[-1] if wq else None
        room = goal - len(t.data) if t is not None else 0
        got = 0
        if t is None or room <= 0 or t.eor:
            t = None
            if sk_stream_memory_free(sk):
                t = tcp_stream_alloc_skb(sk, not sk.rtx_queue and not wq)
                if t is not None:
                    tcp_skb_entail(sk, t)
                    room = goal
        if t is not None:
            got = tcp_wmem_schedule(sk, min(room, n - copied))
        if t is None or got <= 0:
            sk.nospace = True
            if copied:
                if tsflags and deadline == 0:
                    tcp_tx_timestamp(sk, tsflags)
                tcp_push(sk, flags & ~MSG_MORE, mss, TCP_NAGLE_PUSH)
            if not sk_wait_event(sk, deadline):
                tcp_remove_empty_skb(sk)
                if copied:
                    break
                raise linux_error(EAGAIN)
            if sk.err or sk.shutdown & SEND_SHUTDOWN:
                tcp_remove_empty_skb(sk)
                if copied:
                    break
                raise linux_error(sock_error(sk) or EPIPE)
            mss = tcp_current_mss(sk)
            goal = tcp_xmit_size_goal(sk, mss, not flags & MSG_OOB)
            continue
        t.data += data[copied : copied + got]
        t.truesize += got
        sk_wmem_charge(sk, got)
        if not copied:
            t.flags &= ~TCPHDR_PSH
        t.end_seq = (t.end_seq + got) & M32
        t.pcount = 0
        sk.write_seq = (sk.write_seq + got) & M32
        copied += got
        if copied >= n:
            if flags & MSG_EOR:
                t.eor = True
            break
        if len(t.data) < goal or flags & MSG_OOB:
            continue
        if forced_push(sk):
            tcp_mark_push(sk, t)
            __tcp_push_pending_frames(sk, mss, TCP_NAGLE_PUSH)
        elif t is wq[0]:
            tcp_push_one(sk, mss)
    if copied:
        if tsflags:
            tcp_tx_timestamp(sk, tsflags)
        tcp_push(sk, flags, mss, sk.nonagle)
    return copied
