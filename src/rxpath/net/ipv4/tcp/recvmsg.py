"""What a program reads: bytes out of the receive queue, urgent data, how much is there; the window that opens for it.

What belongs here: tcp_recvmsg and what it calls until a byte has left.  How bytes come into the queue is rcvq.py's.
Facts: net/ipv4/tcp.c (3.13, 5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EAGAIN, EINVAL, ENOTCONN, linux_error
from rxpath.kernel.sched import Task
from rxpath.net.core.busy_poll import sk_busy_loop
from rxpath.net.core.skbuff import SkBuff, consume_skb
from rxpath.net.core.sock import (
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    RCV_SHUTDOWN,
    SOL_TCP,
    TCP_CLOSE,
    TCP_ESTABLISHED,
    TCP_LISTEN,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    Msg,
    __sock_recv_timestamp,
    current_task,
    lock_sock,
    sock_error,
    sock_rfree,
)
from rxpath.net.ipv4.ip_sockglue import ip_recv_error
from rxpath.net.ipv4.tcp.output import tcp_mstamp_refresh, tcp_send_ack
from rxpath.net.ipv4.tcp.prequeue import Ucopy, tcp_prequeue_process
from rxpath.net.ipv4.tcp.rcvbuf import __tcp_select_window, tcp_rcv_space_adjust, tcp_receive_window
from rxpath.net.ipv4.tcp.rcvq import tcp_fast_path_check
from rxpath.net.ipv4.tcp.seq import M32, after, before
from rxpath.net.ipv4.tcp.sites import SITE_FIN
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_PUSHED,
    ICSK_ACK_PUSHED2,
    ICSK_ACK_SCHED,
    TCP_URG_READ,
    TCP_URG_VALID,
    TcpSock,
    tcb,
)
from rxpath.net.ipv4.tcp.tcp import deadline_of, lock_sock_nested, release_sock, sk_wait_data
from rxpath.wire.tcp import TCPHDR_FIN, TCPHDR_SYN

TCP_CM_INQ: Final = 36  # the control message has the number of its option, TCP_INQ


def tcp_cleanup_rbuf(sk: TcpSock, copied: int) -> None:
    """After reading: is a window update due?"""
    __tcp_cleanup_rbuf(sk, copied)


def __tcp_cleanup_rbuf(sk: TcpSock, copied: int) -> None:
    now = False
    if sk.ack_pending & ICSK_ACK_SCHED:
        p = sk.ack_pending
        if (
            (sk.rcv_nxt - sk.rcv_wup) & M32 > sk.rcv_mss
            or sk.ack_blocked
            or (
                copied > 0
                and (p & ICSK_ACK_PUSHED2 or (p & ICSK_ACK_PUSHED and sk.pingpong < sk.ts.tcp_pingpong_thresh))
                and not sk.rmem_alloc
            )
        ):
            now = True
    if copied > 0 and not now and not sk.shutdown & RCV_SHUTDOWN:
        win = tcp_receive_window(sk)
        if 2 * win <= sk.window_clamp:
            new = __tcp_select_window(sk)
            if new and new >= 2 * win:
                now = True
    if now:
        tcp_mstamp_refresh(sk)
        tcp_send_ack(sk)


def tcp_eat_recv_skb(sk: TcpSock, skb: SkBuff) -> None:
    """The whole segment was read."""
    sk.receive_queue.remove(skb) if sk.receive_queue[0] is not skb else sk.receive_queue.popleft()
    if skb.sk is sk:
        skb.sk = None
        sock_rfree(sk, skb.truesize)
    if skb.listed is not None and sk.v.eat_consumes:  # what hangs behind it is consumed with it
        skb.listed[0] -= 1
        skb.listed = None
    consume_skb(skb, None if skb.len else SITE_FIN)


def tcp_recv_urg(sk: TcpSock, size: int, flags: int) -> Msg:
    """MSG_OOB: the urgent byte.  A reader without room is told so; MSG_TRUNC takes it and leaves the buffer as it was.
    Raises EINVAL, EAGAIN, ENOTCONN.
    """
    if sk.urginline or not sk.urg_data or sk.urg_data == TCP_URG_READ:
        raise linux_error(EINVAL)
    if sk.state == TCP_CLOSE and not sk.sock_done:
        raise linux_error(ENOTCONN)
    m = Msg()
    if sk.urg_data & TCP_URG_VALID:
        m.flags = MSG_OOB
        if size > 0:
            m.data = b"\0" if flags & MSG_TRUNC else bytes((sk.urg_data & 0xFF,))
            m.n = 1
        else:
            m.flags |= MSG_TRUNC
        if not flags & MSG_PEEK:
            sk.urg_data = TCP_URG_READ
        return m
    if sk.state == TCP_CLOSE or sk.shutdown & RCV_SHUTDOWN:
        return m
    raise linux_error(EAGAIN)


def tcp_recvmsg(sk: TcpSock, size: int, flags: int) -> Msg:
    if flags & MSG_ERRQUEUE:
        return ip_recv_error(sk, size)
    if sk.busy_poll > 0 and not sk.receive_queue and sk.state == TCP_ESTABLISHED:
        sk_busy_loop(sk, bool(flags & MSG_DONTWAIT) or sk.nonblock)
    lock_sock_nested(sk)
    try:
        return tcp_recvmsg_locked(sk, size, flags)
    except BaseException as e:
        if sk.ucopy_task is not None:
            if not isinstance(e, OSError):  # the machine ends, and its programs with it
                Ucopy.uninstall(sk)
            elif Ucopy.is_reader(sk):
                Ucopy.leave(sk, 0)
        raise
    finally:
        release_sock(sk)


def tcp_recvmsg_locked(sk: TcpSock, size: int, flags: int) -> Msg:
    """Copy from the receive queue.  Raises ENOTCONN, EAGAIN, the pending error."""
    if sk.state == TCP_LISTEN:
        raise linux_error(ENOTCONN)
    if flags & MSG_OOB:
        return tcp_recv_urg(sk, size, flags)
    m = Msg()
    deadline = 0 if flags & MSG_DONTWAIT or sk.nonblock else deadline_of(sk, sk.rcvtimeo)
    peek = bool(flags & MSG_PEEK)
    peek_at = max(sk.peek_off, 0) if peek else 0
    seq = (sk.copied_seq + peek_at) & M32
    v = sk.v
    target = min(size, sk.rcvlowat) if not flags & MSG_WAITALL else size
    target = max(target, 1)
    parts: list[bytes] = []
    copied = 0
    urg_hole = 0
    left = size
    last_skb: SkBuff | None = None
    user: Task | None = None
    first = True
    while left > 0 or first:
        first = False
        if sk.urg_data and sk.urg_seq == seq and copied:
            break
        found: SkBuff | None = None
        for skb in sk.receive_queue:
            c = tcb(skb)
            off = (seq - c.seq) & M32
            if c.flags & TCPHDR_SYN:
                off = (off - 1) & M32
            if off < skb.len:
                found = skb
                break
            if c.flags & TCPHDR_FIN and off == skb.len:
                found = skb
                break
        if found is None:
            if copied >= target and not sk.backlog:
                break
            if copied:
                if sk.err or sk.state == TCP_CLOSE or sk.shutdown & RCV_SHUTDOWN or deadline == 0:
                    break
            else:
                if sk.sock_done:
                    break
                if sk.err:
                    raise linux_error(sock_error(sk))
                if sk.shutdown & RCV_SHUTDOWN:
                    break
                if sk.state == TCP_CLOSE:
                    raise linux_error(ENOTCONN)
                if deadline == 0 and not sk.backlog:
                    raise linux_error(EAGAIN)
            if copied < target or v.cleanup_first:
                tcp_cleanup_rbuf(sk, copied)
            waiting = False
            if v.prequeue and sk.ucopy_task is user and (user is not None or not sk.ts.tcp_low_latency):
                if user is None and not flags & (MSG_TRUNC | MSG_PEEK):
                    user = sk.ucopy_task = current_task(sk.net)
                    sk.ucopy_iov = parts
                sk.ucopy_len = left
                waiting = bool(sk.prequeue)  # before anything of the backlog, which is younger
            woken = True
            if waiting:
                pass
            elif copied >= target:
                # only the backlog may bring more
                release_sock(sk)
                lock_sock(sk)
            else:
                woken = sk_wait_data(sk, deadline)
            if user is not None and not waiting:
                n = Ucopy.chunk(sk, left, "TCPDirectCopyFromBacklog")
                left -= n
                copied += n
                woken = woken or n > 0
                waiting = bool(sk.prequeue) and sk.rcv_nxt == sk.copied_seq
            if waiting:
                tcp_prequeue_process(sk)
                woken = True
                if user is not None:
                    n = Ucopy.chunk(sk, left, "TCPDirectCopyFromPrequeue")
                    left -= n
                    copied += n
            if not woken:
                if copied:
                    break
                if sk.err:
                    raise linux_error(sock_error(sk))
                if (sk.receive_queue and tcb(sk.receive_queue[-1]).end_seq != seq) or sk.shutdown & RCV_SHUTDOWN:
                    continue
                raise linux_error(EAGAIN)
            if not peek:
                seq = sk.copied_seq
            elif (seq - copied - urg_hole - peek_at) & M32 != sk.copied_seq:
                seq = (sk.copied_seq + peek_at) & M32  # another reader took what was peeked at
            continue
        c = tcb(found)
        off = (seq - c.seq) & M32
        if off >= found.len:
            # the FIN
            if not peek:
                seq = (seq + 1) & M32
                sk.copied_seq = seq
                tcp_eat_recv_skb(sk, found)
            break
        used = min(found.len - off, left)
        if sk.urg_data:
            uo = (sk.urg_seq - seq) & M32
            if uo < used:
                if not uo:
                    if not sk.urginline:
                        seq = (seq + 1) & M32
                        urg_hole += 1
                        if not peek:
                            sk.copied_seq = seq
                        off += 1
                        used -= 1
                        if not used:
                            _skip(sk, found, off, seq, peek)
                            continue
                else:
                    used = uo
        if not flags & MSG_TRUNC:
            if found.frag_list is not None:
                found.linearize()
            p = found.data + off
            parts.append(found.head[p : p + used])
        seq = (seq + used) & M32
        copied += used
        left -= used
        last_skb = found
        if not peek:
            sk.copied_seq = seq
        tcp_rcv_space_adjust(sk)
        if sk.urg_data and after(sk.copied_seq, sk.urg_seq):
            sk.urg_data = 0
            tcp_fast_path_check(sk)
        if used + off < found.len:
            continue
        if c.flags & TCPHDR_FIN:
            if not peek:
                seq = (seq + 1) & M32
                sk.copied_seq = seq
                tcp_eat_recv_skb(sk, found)
            break
        if not peek:
            tcp_eat_recv_skb(sk, found)
    if user is not None:
        copied += Ucopy.leave(sk, left if copied else 0)
    m.data = bytes(copied) if flags & MSG_TRUNC else b"".join(parts)
    m.n = copied
    if last_skb is not None and (sk.rcvtstamp or sk.tsflags) and v.rx_stamps and last_skb.tstamp:
        __sock_recv_timestamp(m, sk, last_skb)  # tcp_recv_timestamp
    if sk.inq_hint:
        m.control.append((SOL_TCP, TCP_CM_INQ, tcp_inq_hint(sk).to_bytes(4, "little")))
    if peek and sk.peek_off >= 0:
        sk.peek_off += copied
    elif not peek and sk.peek_off > 0:
        sk.peek_off = max(0, sk.peek_off - copied)
    tcp_cleanup_rbuf(sk, copied)
    return m


def tcp_inq_hint(sk: TcpSock) -> int:
    """TCP_CM_INQ: bytes left to read; 1 when only the end of file is left."""
    n = (sk.rcv_nxt - sk.copied_seq) & M32
    return n or int(bool(sk.shutdown & RCV_SHUTDOWN))


def _skip(sk: TcpSock, skb: SkBuff, off: int, seq: int, peek: bool) -> None:
    """The urgent byte was all that was left of a segment."""
    if sk.urg_data and after(sk.copied_seq, sk.urg_seq):
        sk.urg_data = 0
        tcp_fast_path_check(sk)
    if off >= skb.len and not peek and not tcb(skb).flags & TCPHDR_FIN:
        tcp_eat_recv_skb(sk, skb)


def tcp_inq(sk: TcpSock) -> int:
    """SIOCINQ: bytes that can be read up to the urgent mark."""
    if sk.state == TCP_LISTEN:
        raise linux_error(EINVAL)
    if sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
        return 0
    if sk.urginline or not sk.urg_data or before(sk.urg_seq, sk.copied_seq) or not before(sk.urg_seq, sk.rcv_nxt):
        n = (sk.rcv_nxt - sk.copied_seq) & M32
        return n - 1 if n and sk.sock_done else n
    return (sk.urg_seq - sk.copied_seq) & M32
