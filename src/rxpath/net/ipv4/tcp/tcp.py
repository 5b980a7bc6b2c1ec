"""The socket interface of TCP: listen, accept, send, receive, shutdown, close, options, poll.

Facts: net/ipv4/tcp.c, af_inet.c, inet_connection_sock.c (5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.kernel.errno import (
    EADDRINUSE,
    EAGAIN,
    ECONNABORTED,
    ECONNRESET,
    EDESTADDRREQ,
    EINVAL,
    ENOPROTOOPT,
    ENOTCONN,
    ENOTSUP,
    EOPNOTSUPP,
    EPIPE,
    linux_error,
)
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING, Task
from rxpath.net.core.busy_poll import sk_busy_loop
from rxpath.net.core.skbuff import SkBuff, consume_skb
from rxpath.net.core.sock import (
    INT_MAX,
    MSG_DONTWAIT,
    MSG_EOR,
    MSG_ERRQUEUE,
    MSG_MORE,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRNORM,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SHUTDOWN_MASK,
    SK_PACING_UNLIMITED,
    SO_KEEPALIVE,
    SO_MAX_PACING_RATE,
    SO_RCVLOWAT,
    SOCK_RCVBUF_LOCK,
    SOL_TCP,
    AutoremoveWait,
    Msg,
    __wake_up,
    current_task,
    lock_sock,
    opt_int,
    sk_rmem_schedule,
    sk_wmem_schedule,
    sock_def_wakeup,
    sock_error,
    sock_recv_cmsgs,
    sock_rfree,
)
from rxpath.net.ipv4.af_inet import enter, leave
from rxpath.net.ipv4.ip_sockglue import ip_recv_error
from rxpath.net.ipv4.route import Rtable, ipv4_mtu
from rxpath.net.ipv4.tcp.accecn import AccEcn
from rxpath.net.ipv4.tcp.fastopen import (
    KEY_LENGTH,
    TFO_CLIENT_ENABLE,
    fastopen_queue_tune,
    reqsk_fastopen_remove,
    tcp_fastopen_keys,
    tcp_fastopen_listen,
)
from rxpath.net.ipv4.tcp.hashtables import inet_csk_get_port, inet_hash, inet_put_port, inet_unhash
from rxpath.net.ipv4.tcp.input import tcp_fin_time
from rxpath.net.ipv4.tcp.minisocks import tcp_time_wait, timewait_len
from rxpath.net.ipv4.tcp.output import (
    CHRONO_RWND_LIMITED,
    CHRONO_SNDBUF_LIMITED,
    __tcp_push_pending_frames,
    inet_csk_clear_xmit_timers,
    jiffies,
    sk_stream_is_writeable,
    sk_stream_memory_free,
    sk_wmem_charge,
    tcp_check_probe_timer,
    tcp_current_mss,
    tcp_mark_urg,
    tcp_mstamp_refresh,
    tcp_need_reset,
    tcp_push_one,
    tcp_push_pending_frames,
    tcp_send_ack,
    tcp_send_active_reset,
    tcp_send_fin,
    tcp_skb_entail,
    tcp_stream_alloc_skb,
    tcp_xmit_size_goal,
    wfree,
)
from rxpath.net.ipv4.tcp.prequeue import Ucopy, tcp_prequeue_process
from rxpath.net.ipv4.tcp.rcvbuf import (
    __tcp_select_window,
    sk_forced_mem_schedule,
    tcp_full_space,
    tcp_rcv_space_adjust,
    tcp_receive_window,
    tcp_set_window_clamp,
    tcp_space_from_win,
    tcp_win_from_space,
)
from rxpath.net.ipv4.tcp.rcvq import tcp_data_ready, tcp_epollin_ready, tcp_fast_path_check
from rxpath.net.ipv4.tcp.seq import (
    M32,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_LAST_ACK,
    TCP_LISTEN,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    TCPHDR_FIN,
    TCPHDR_PSH,
    TCPHDR_SYN,
    after,
    before,
)
from rxpath.net.ipv4.tcp.sites import SITE_FIN
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_NOMEM,
    ICSK_ACK_NOW,
    ICSK_ACK_PUSHED,
    ICSK_ACK_PUSHED2,
    ICSK_ACK_SCHED,
    SK_PACING_NEEDED,
    SS_CONNECTED,
    SS_CONNECTING,
    SS_DISCONNECTING,
    SS_UNCONNECTED,
    TCP_ECN_MODE_ANY,
    TCP_ECN_SEEN,
    TCP_INFINITE_SSTHRESH,
    TCP_MIN_MSS,
    TCP_NAGLE_CORK,
    TCP_NAGLE_OFF,
    TCP_NAGLE_PUSH,
    TCP_URG_NOTYET,
    TCP_URG_READ,
    TCP_URG_VALID,
    RxOpt,
    TcpSock,
    TxSkb,
    tcb,
)
from rxpath.net.ipv4.tcp.state import (
    end_unread,
    inet_csk_destroy_sock,
    ofo_purge,
    receive_queue_purge,
    tcp_done,
    tcp_set_state,
    tcp_write_queue_purge,
)
from rxpath.net.ipv4.tcp.timer import tcp_delack_timer_handler, tcp_tsq_write, tcp_write_timer_handler

TCP_NODELAY: Final = 1
TCP_MAXSEG: Final = 2
TCP_CORK: Final = 3
TCP_KEEPIDLE: Final = 4
TCP_KEEPINTVL: Final = 5
TCP_KEEPCNT: Final = 6
TCP_SYNCNT: Final = 7
TCP_LINGER2: Final = 8
TCP_DEFER_ACCEPT: Final = 9
TCP_WINDOW_CLAMP: Final = 10
TCP_INFO: Final = 11
TCP_QUICKACK: Final = 12
TCP_CONGESTION: Final = 13
TCP_MD5SIG: Final = 14
TCP_THIN_LINEAR_TIMEOUTS: Final = 16
TCP_THIN_DUPACK: Final = 17
TCP_USER_TIMEOUT: Final = 18
TCP_REPAIR: Final = 19
TCP_FASTOPEN: Final = 23
TCP_NOTSENT_LOWAT: Final = 25
TCP_FASTOPEN_CONNECT: Final = 30
TCP_FASTOPEN_KEY: Final = 33
TCP_FASTOPEN_NO_COOKIE: Final = 34
TCP_SAVE_SYN: Final = 27
TCP_SAVED_SYN: Final = 28
TCP_INQ: Final = 36

TCPI_OPT_TIMESTAMPS: Final = 1
TCPI_OPT_SACK: Final = 2
TCPI_OPT_WSCALE: Final = 4
TCPI_OPT_ECN: Final = 8
TCPI_OPT_ECN_SEEN: Final = 16
TCPI_OPT_SYN_DATA: Final = 32
_INFO_HEAD: Final = Struct("<8B24I")
_INFO_TAIL: Final = Struct("<4Q6I4Q2I2Q5I")
_INFO_LATE: Final = Struct("<I2HI7I2H")  # 6.2 to 6.18


# --- the lock -------------------------------------------------------------------------------------


def lock(sk: TcpSock) -> None:
    lock_sock(sk)


def lock_sock_nested(sk: TcpSock) -> None:
    lock_sock(sk)


def __release_sock(sk: TcpSock) -> None:
    """What came in while the socket was ours."""
    while sk.backlog:
        skb = sk.backlog.popleft()
        sk.backlog_len -= skb.truesize
        sk.backlog_rcv(skb)


def tcp_release_cb(sk: TcpSock) -> None:
    """Timers that found the socket owned."""
    f = sk.tsq_flags
    sk.tsq_flags = 0

    if f & 1:
        tcp_tsq_write(sk)
    if f & 2:
        tcp_write_timer_handler(sk)
    if f & 4:
        tcp_delack_timer_handler(sk)
    if f & 8:
        sk.ts.handlers.mtu_reduced(sk)
    if f & 16 and sk.ack_pending & ICSK_ACK_SCHED:
        tcp_send_ack(sk)


def release_sock(sk: TcpSock) -> None:
    while sk.backlog or sk.tsq_flags:  # again: a packet may come while the timers' work is done
        if sk.backlog:
            __release_sock(sk)
        if sk.tsq_flags:
            tcp_release_cb(sk)
    sk.owned = False
    wq = sk.lock_wq
    if wq is not None and wq.entries:
        __wake_up(wq, 1, 0)


def deadline_of(sk: TcpSock, timeo: int) -> int:
    """-1 = wait for ever, 0 = not at all, else the engine's time."""
    if timeo == 0:
        return 0
    return -1 if timeo < 0 else sk.net.kernel.engine.now + timeo


def wait(sk: TcpSock, deadline: int) -> bool:
    """Sleep until the socket's wait queue is woken; the lock is given up meanwhile.  False: time is up or
    nobody may sleep.
    """
    task = current_task(sk.net)
    if deadline == 0 or task is None:
        return False
    k = sk.net.kernel
    left = -1
    if deadline > 0:
        left = deadline - k.engine.now
        if left <= 0:
            return False
    e = AutoremoveWait(task, False)
    sk.wq.add(e)
    task.state = TASK_INTERRUPTIBLE
    try:
        release_sock(sk)
        return bool(k.sched.sleep(left))
    finally:
        task.state = TASK_RUNNING
        sk.wq.remove(e)
        lock_sock(sk)


def sk_wait_data(sk: TcpSock, deadline: int) -> bool:
    return wait(sk, deadline)


# --- listen and accept ----------------------------------------------------------------------------


def inet_listen(sk: TcpSock, backlog: int) -> None:
    lock(sk)
    try:
        if sk.state not in (TCP_CLOSE, TCP_LISTEN) or sk.ss_state != SS_UNCONNECTED:
            raise linux_error(EINVAL)
        n = backlog & M32
        sk.max_ack_backlog = min(n, sk.net.somaxconn)
        if sk.state != TCP_LISTEN:
            tcp_fastopen_listen(sk, n)
            inet_csk_listen_start(sk)
    finally:
        release_sock(sk)


def inet_csk_listen_start(sk: TcpSock) -> None:
    sk.ack_backlog = 0
    sk.ack_pending = sk.ack_quick = sk.pingpong = sk.ato = 0  # inet_csk_delack_init
    tcp_set_state(sk, TCP_LISTEN)
    if sk.bind_hashed or not sk.num:
        ok = inet_csk_get_port(sk, sk.num)
    else:
        ok = True
    if ok:
        sk.sport = sk.num
        sk.dst = None
        inet_hash(sk)
        return
    sk.state = TCP_CLOSE
    raise linux_error(EADDRINUSE)


def inet_accept(sk: TcpSock, flags: int) -> TcpSock:
    return inet_csk_accept(sk, flags)


def inet_csk_accept(sk: TcpSock, flags: int) -> TcpSock:
    lock(sk)
    try:
        if sk.state != TCP_LISTEN:
            raise linux_error(EINVAL)
        deadline = 0 if sk.nonblock or flags & MSG_DONTWAIT else deadline_of(sk, sk.rcvtimeo)
        while not sk.accept_queue:
            if not wait(sk, deadline):
                raise linux_error(EAGAIN)
            if sk.state != TCP_LISTEN:
                raise linux_error(EINVAL)
        child = sk.accept_queue.popleft()
        sk.ack_backlog -= 1
        child.listener = None
        child.ss_state = SS_CONNECTED
        return child
    finally:
        release_sock(sk)


def __sys_listen(sk: TcpSock, backlog: int) -> None:
    out = enter(sk.net)
    try:
        inet_listen(sk, backlog)
    finally:
        if out:
            leave(sk.net)


def __sys_accept4(sk: TcpSock, flags: int) -> TcpSock:
    """`flags`: MSG_DONTWAIT not to wait."""
    out = enter(sk.net)
    try:
        return inet_accept(sk, flags)
    finally:
        if out:
            leave(sk.net)


sys_listen = __sys_listen
sys_accept = __sys_accept4


# --- send -----------------------------------------------------------------------------------------


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


def tcp_sendmsg(sk: TcpSock, data: bytes, flags: int) -> int:
    lock(sk)
    try:
        return tcp_sendmsg_locked(sk, data, flags)
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


def tcp_sendmsg_locked(sk: TcpSock, data: bytes, flags: int) -> int:
    """Queue and send.  Raises EPIPE, EAGAIN, the pending error."""
    deadline = 0 if flags & MSG_DONTWAIT or sk.nonblock else deadline_of(sk, sk.sndtimeo)
    while not 1 << sk.state & (1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT) and sk.fastopen_rsk is None:
        if sk.err:
            raise linux_error(sock_error(sk))
        if not 1 << sk.state & (1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV):
            raise linux_error(EPIPE)
        if not wait(sk, deadline):
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
                tcp_push(sk, flags & ~MSG_MORE, mss, TCP_NAGLE_PUSH)
            if not wait(sk, deadline):
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
        tcp_push(sk, flags, mss, sk.nonagle)
    return copied


# --- receive --------------------------------------------------------------------------------------


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


def tcp_recv_urg(sk: TcpSock, flags: int) -> Msg:
    """MSG_OOB: the urgent byte.  Raises EINVAL, EAGAIN, ENOTCONN."""
    if sk.urginline or not sk.urg_data or sk.urg_data == TCP_URG_READ:
        raise linux_error(EINVAL)
    if sk.state == TCP_CLOSE and not sk.shutdown & RCV_SHUTDOWN:
        raise linux_error(ENOTCONN)
    m = Msg()
    if sk.urg_data & TCP_URG_VALID:
        m.data = bytes((sk.urg_data & 0xFF,))
        m.n = 1
        m.flags = MSG_OOB
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
        return tcp_recv_urg(sk, flags)
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
    if last_skb is not None and (sk.rcvtstamp or sk.tsflags) and v.rx_stamps:
        sock_recv_cmsgs(m, sk, last_skb)
    if sk.inq_hint:
        m.control.append((SOL_TCP, TCP_INQ, tcp_inq_hint(sk).to_bytes(4, "little")))
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


def tcp_poll(sk: TcpSock) -> int:
    if sk.state == TCP_LISTEN:
        return POLLIN | POLLRDNORM if sk.accept_queue else 0
    mask = 0
    if sk.shutdown == SHUTDOWN_MASK or sk.state == TCP_CLOSE:
        mask |= POLLHUP
    if sk.shutdown & RCV_SHUTDOWN:
        mask |= POLLIN | POLLRDNORM | POLLRDHUP
    if sk.state == TCP_SYN_SENT and sk.fastopen_defer:
        mask |= POLLOUT | POLLWRNORM
    if sk.state not in (TCP_SYN_SENT, TCP_SYN_RECV) or sk.fastopen_rsk is not None:
        target = sk.rcvlowat
        if sk.urg_seq == sk.copied_seq and not sk.urginline and sk.urg_data:
            target += 1
        if tcp_epollin_ready(sk, target):
            mask |= POLLIN | POLLRDNORM
        if not sk.shutdown & SEND_SHUTDOWN:
            if sk_stream_is_writeable(sk):
                mask |= POLLOUT | POLLWRNORM
            else:
                sk.nospace = True
        else:
            mask |= POLLOUT | POLLWRNORM
        if sk.urg_data & TCP_URG_VALID:
            mask |= POLLPRI
    if sk.err or sk.error_queue:
        mask |= POLLERR
    return mask


# --- ending ---------------------------------------------------------------------------------------

_NEW_STATE: Final = {
    1: (TCP_FIN_WAIT1, True),
    2: (TCP_CLOSE, False),
    3: (TCP_FIN_WAIT1, True),
    4: (TCP_FIN_WAIT1, False),
    5: (TCP_FIN_WAIT2, False),
    7: (TCP_CLOSE, False),
    8: (TCP_LAST_ACK, True),
    9: (TCP_LAST_ACK, False),
    10: (TCP_CLOSE, False),
    11: (11, False),
}


def tcp_close_state(sk: TcpSock) -> bool:
    """Next state when this side has nothing more to send; True: a FIN is due."""
    state, fin = _NEW_STATE[sk.state]
    tcp_set_state(sk, state)
    return fin


def tcp_shutdown(sk: TcpSock, how: int) -> None:
    if not how & SEND_SHUTDOWN:
        return
    if sk.state in (TCP_ESTABLISHED, TCP_SYN_SENT, TCP_CLOSE_WAIT) or (
        sk.state == TCP_SYN_RECV and sk.v.shutdown_in_syn_recv
    ):
        if tcp_close_state(sk):
            tcp_send_fin(sk)


def inet_shutdown(sk: TcpSock, how: int) -> None:
    """`how` 0, 1, 2.  Raises ENOTCONN."""
    bits = how + 1
    lock(sk)
    try:
        if sk.ss_state == SS_CONNECTING:
            early = sk.state in (TCP_SYN_SENT, TCP_SYN_RECV, TCP_CLOSE)
            sk.ss_state = SS_DISCONNECTING if early else SS_CONNECTED
        err = 0
        if sk.state == TCP_CLOSE:
            err = ENOTCONN
        if sk.state == TCP_SYN_SENT or (sk.state == TCP_LISTEN and bits & RCV_SHUTDOWN):
            tcp_disconnect(sk, locked=True)
            sk.ss_state = SS_UNCONNECTED
        elif sk.state != TCP_LISTEN:
            sk.shutdown |= bits
            if not err:
                tcp_shutdown(sk, bits)
        sock_def_wakeup(sk)
        if err:
            raise linux_error(err)
    finally:
        release_sock(sk)


def inet_release(sk: TcpSock) -> None:
    """close(2)."""
    if sk.orphan or sk.dead:
        return
    tcp_close(sk, deadline_of(sk, sk.lingertime * 1_000_000_000) if sk.linger else 0)


def tcp_close(sk: TcpSock, deadline: int) -> None:
    lock(sk)
    __tcp_close(sk, deadline)
    release_sock(sk)
    if sk.state == TCP_CLOSE and sk.orphan and not sk.dead:
        inet_csk_destroy_sock(sk)


def __tcp_close(sk: TcpSock, deadline: int) -> None:
    ts = sk.ts
    ext = ts.ipv4.tcpext
    sk.shutdown = SHUTDOWN_MASK
    unread = 0
    send_fin_wait = True
    if sk.state == TCP_LISTEN:
        tcp_set_state(sk, TCP_CLOSE)
        ts.handlers.listen_stop(sk)
        send_fin_wait = False
    else:
        while sk.receive_queue:
            skb = sk.receive_queue.popleft()
            c = tcb(skb)
            n = (c.end_seq - (sk.copied_seq if before(c.seq, sk.copied_seq) else c.seq)) & M32
            if c.flags & TCPHDR_FIN:
                n -= 1
            if n > 0 and not n & 0x80000000:
                unread += n
            end_unread(sk, skb)
        if sk.state != TCP_CLOSE:
            if unread:
                ext["TCPAbortOnClose"] += 1
                tcp_set_state(sk, TCP_CLOSE)
                tcp_send_active_reset_closed(sk)
            elif sk.linger and not sk.lingertime:
                tcp_disconnect(sk, locked=True)
                ext["TCPAbortOnData"] += 1
            elif tcp_close_state(sk):
                tcp_send_fin(sk)
            if send_fin_wait and sk.linger and sk.lingertime and deadline:
                while 1 << sk.state & (1 << TCP_FIN_WAIT1 | 1 << 11 | 1 << TCP_LAST_ACK):
                    if not wait(sk, deadline):
                        break
    state = sk.state
    sk.orphan = True
    ts.orphans += 1
    if sk.backlog:
        __release_sock(sk)
    if state != TCP_CLOSE and sk.state == TCP_CLOSE:
        return
    if sk.state == TCP_FIN_WAIT2:
        if sk.linger2 < 0:
            tcp_set_state(sk, TCP_CLOSE)
            tcp_send_active_reset_closed(sk)
            ext["TCPAbortOnLinger"] += 1
        else:
            tmo = tcp_fin_time(sk)
            if tmo > timewait_len(ts):
                ts.handlers.reset_keepalive(sk, tmo - timewait_len(ts))
            else:
                tcp_time_wait(sk, TCP_FIN_WAIT2, tmo)
                return
    if sk.state != TCP_CLOSE and ts.orphans > ts.tcp_max_orphans:
        tcp_set_state(sk, TCP_CLOSE)
        tcp_send_active_reset_closed(sk)
        ext["TCPAbortOnMemory"] += 1
    if sk.state == TCP_CLOSE:
        inet_csk_destroy_sock(sk)


def tcp_send_active_reset_closed(sk: TcpSock) -> None:
    tcp_send_active_reset(sk)


def tcp_disconnect_child(child: TcpSock) -> None:
    """inet_child_forget: a connection whose listener ended before anybody accepted it."""
    tcp_disconnect(child, locked=True)
    inet_csk_destroy_sock(child)


def tcp_disconnect(sk: TcpSock, locked: bool = False) -> None:
    """Back to CLOSE; a RST where the state asks for one."""
    if not locked:
        lock(sk)
    old = sk.state
    if old != TCP_CLOSE:
        tcp_set_state(sk, TCP_CLOSE)
    if old == TCP_LISTEN:
        sk.ts.handlers.listen_stop(sk)
    elif tcp_need_reset(old) or (sk.snd_nxt != sk.write_seq and old in (TCP_LAST_ACK, 11)):
        tcp_send_active_reset(sk)
        sk.err = ECONNRESET
    elif old == TCP_SYN_SENT:
        sk.err = ECONNRESET
    inet_csk_clear_xmit_timers(sk)
    receive_queue_purge(sk)
    sk.copied_seq = sk.rcv_nxt
    sk.urg_data = 0
    tcp_write_queue_purge(sk)
    ofo_purge(sk)
    sk.dport = 0
    sk.daddr = 0
    if not sk.bind_addr_lock:
        sk.saddr = sk.rcv_saddr = 0
    sk.peek_off = -1
    sk.shutdown = 0
    sk.sock_done = False
    sk.srtt_us = 0
    sk.mdev_us = 1_000_000
    sk.rcv_rtt_last_tsecr = 0
    sk.write_seq = (sk.write_seq + sk.max_window + 2) & M32 or 1
    sk.backoff = 0
    sk.probes_out = 0
    sk.probes_tstamp = 0
    sk.rto = sk.ts.ipv4.kernel.hz
    sk.snd_ssthresh = TCP_INFINITE_SSTHRESH
    sk.snd_cwnd = 10
    sk.snd_cwnd_cnt = 0
    sk.is_cwnd_limited = False
    sk.max_packets_out = 0
    sk.window_clamp = 0
    sk.delivered = sk.delivered_ce = 0
    sk.accecn = None
    sk.prev_ecnfield = 0
    sk.rto_stats = [0, 0, 0, 0]
    sk.ca_state = 0
    sk.sack_reneg = False
    sk.retrans_stamp = 0
    sk.retransmits = 0
    sk.undo_marker = 0
    sk.undo_retrans = -1
    sk.total_retrans = 0
    sk.ack_pending = sk.ack_quick = sk.pingpong = sk.ato = 0
    sk.rcv_mss = TCP_MIN_MSS
    sk.rx_opt = RxOpt()
    sk.dst = None
    sk.rx_dst = None
    sk.saved_syn = b""
    sk.compressed_ack = 0
    sk.segs_in = sk.segs_out = 0
    sk.bytes_acked = sk.bytes_received = sk.bytes_sent = sk.bytes_retrans = 0
    sk.data_segs_in = sk.data_segs_out = 0
    sk.dsack_dups = sk.reord_seen = 0
    sk.tlp_high_seq = 0
    sk.last_oow_ack_time = 0
    sk.rack_us = 0
    sk.rack_advanced = sk.rack_dsack = False
    sk.rack_reo_steps = 1
    sk.rack_last_delivered = sk.rack_persist = 0
    sk.rcv_ooopack = 0
    reqsk_fastopen_remove(sk, False)
    sk.fastopen_defer = False
    sk.fastopen_client_fail = 0
    sk.fastopen_req = None
    sk.syn_data = sk.syn_data_acked = sk.syn_fastopen = False
    sk.selective_acks.clear()
    sk.duplicate_sack = []
    sock_def_wakeup(sk)
    if not locked:
        release_sock(sk)


# --- options --------------------------------------------------------------------------------------


def tcp_set_rcvlowat(sk: TcpSock, val: int) -> None:
    if not sk.v.data_ready_checks:
        sk.rcvlowat = val or 1
        return
    cap = sk.ts.tcp_rmem[2] >> 1 if not sk.userlocks & SOCK_RCVBUF_LOCK else sk.rcvbuf >> 1
    val = min(val, cap)
    sk.rcvlowat = val or 1
    tcp_data_ready(sk)
    if sk.userlocks & SOCK_RCVBUF_LOCK:
        return
    space = tcp_space_from_win(sk, val)
    if space > sk.rcvbuf:
        sk.rcvbuf = space
        if sk.window_clamp and sk.window_clamp < val:
            sk.window_clamp = val


def after_setsockopt(sk: TcpSock, level: int, optname: int) -> None:
    if level == 1 and optname == SO_KEEPALIVE:
        if sk.state in (TCP_CLOSE, TCP_LISTEN):
            return
        if sk.keepalive:
            if not sk.keepalive_timer.queued:
                sk.ts.handlers.reset_keepalive(sk, sk.keepalive_time or sk.ts.tcp_keepalive_time)
        else:
            sk.keepalive_timer.del_timer()
    elif level == 1 and optname == SO_MAX_PACING_RATE:
        if sk.max_pacing_rate != SK_PACING_UNLIMITED and sk.v.internal_pacing and not sk.pacing_status:
            sk.pacing_status = SK_PACING_NEEDED


def keepalive_time_elapsed(sk: TcpSock) -> int:
    now = jiffies(sk)
    return min(now - sk.lrcvtime, now - sk.rcv_tstamp)


def secs_to_retrans(seconds: int, timeout: int, rto_max: int) -> int:
    """TCP_DEFER_ACCEPT counts SYN-ACKs."""
    res = 0
    if seconds > 0:
        period = timeout
        res = 1
        while seconds > period and res < 255:
            res += 1
            timeout = min(timeout << 1, rto_max)
            period += timeout
    return res


def retrans_to_secs(retrans: int, timeout: int, rto_max: int) -> int:
    period = 0
    if retrans > 0:
        period = timeout
        while retrans > 1:
            retrans -= 1
            timeout = min(timeout << 1, rto_max)
            period += timeout
    return period


def do_tcp_setsockopt(sk: TcpSock, optname: int, value: int | bytes) -> None:
    """SOL_TCP.  Raises EINVAL, ENOPROTOOPT, ENOENT (unknown congestion control)."""
    ts = sk.ts
    hz = ts.ipv4.kernel.hz
    if optname in sk.v.options_absent:
        raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")
    if optname == TCP_CONGESTION:
        name = value.split(b"\0")[0].decode("latin-1") if isinstance(value, bytes) else ""
        ops = ts.ca_ops.get(name)
        if ops is None:
            raise linux_error(2, name)
        sk.ca_ops = ops
        if sk.state != TCP_CLOSE:
            ops.init(sk)
        return
    if optname == TCP_FASTOPEN_KEY:
        if not isinstance(value, bytes) or len(value) not in (KEY_LENGTH, 2 * KEY_LENGTH):
            raise linux_error(EINVAL)
        sk.fastopen_keys = (value[:KEY_LENGTH], value[KEY_LENGTH:])
        return
    val = opt_int(value)
    if optname == TCP_NODELAY:
        if val:
            sk.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH
            tcp_push_pending_frames(sk)
            sk.nonagle &= ~TCP_NAGLE_PUSH
        else:
            sk.nonagle &= ~TCP_NAGLE_OFF
    elif optname == TCP_CORK:
        if val:
            sk.nonagle |= TCP_NAGLE_CORK
        else:
            sk.nonagle &= ~TCP_NAGLE_CORK
            tcp_push_pending_frames(sk)
    elif optname == TCP_MAXSEG:
        if val and not 88 <= val <= 32767:
            raise linux_error(EINVAL)
        sk.rx_opt.user_mss = val
    elif optname == TCP_KEEPIDLE:
        if not 1 <= val <= 32767:
            raise linux_error(EINVAL)
        sk.keepalive_time = val * hz
        if sk.keepalive and sk.state not in (TCP_CLOSE, TCP_LISTEN):
            elapsed = keepalive_time_elapsed(sk)
            ts.handlers.reset_keepalive(sk, max(sk.keepalive_time - elapsed, 0))
    elif optname == TCP_KEEPINTVL:
        if not 1 <= val <= 32767:
            raise linux_error(EINVAL)
        sk.keepalive_intvl = val * hz
    elif optname == TCP_KEEPCNT:
        if not 1 <= val <= 127:
            raise linux_error(EINVAL)
        sk.keepalive_probes = val
    elif optname == TCP_SYNCNT:
        if not 1 <= val <= 127:
            raise linux_error(EINVAL)
        sk.syn_retries = val
    elif optname == TCP_LINGER2:
        if val < 0:
            sk.linger2 = -1
        elif val > 120:
            sk.linger2 = 120 * hz
        else:
            sk.linger2 = val * hz
    elif optname == TCP_DEFER_ACCEPT:
        sk.defer_accept = secs_to_retrans(val, 1, 120)
    elif optname == TCP_WINDOW_CLAMP:
        if not val:
            if sk.state != TCP_CLOSE:
                raise linux_error(EINVAL)
            sk.window_clamp = 0
        else:
            tcp_set_window_clamp(sk, val)
    elif optname == TCP_QUICKACK:
        if not val:
            sk.pingpong = ts.tcp_pingpong_thresh
        else:
            sk.pingpong = 0
            if sk.state in (TCP_ESTABLISHED, TCP_CLOSE_WAIT) and sk.ack_pending & ICSK_ACK_SCHED:
                sk.ack_pending |= ICSK_ACK_PUSHED
                tcp_cleanup_rbuf(sk, 1)
                if not val & 1:
                    sk.pingpong = ts.tcp_pingpong_thresh
    elif optname == TCP_USER_TIMEOUT:
        if val < 0:
            raise linux_error(EINVAL)
        sk.user_timeout = val
    elif optname == TCP_NOTSENT_LOWAT:
        sk.notsent_lowat = val & M32
    elif optname in (TCP_THIN_LINEAR_TIMEOUTS, TCP_THIN_DUPACK):
        if not 0 <= val <= 1:
            raise linux_error(EINVAL)
        sk.thin_lto = bool(val)
    elif optname == TCP_INQ:
        if not 0 <= val <= 1:
            raise linux_error(EINVAL)
        sk.inq_hint = val
    elif optname == TCP_SAVE_SYN:
        if not 0 <= val <= 2:
            raise linux_error(EINVAL)
        sk.save_syn = val
    elif optname == TCP_FASTOPEN:
        if val < 0 or sk.state not in (TCP_CLOSE, TCP_LISTEN):
            raise linux_error(EINVAL)
        fastopen_queue_tune(sk, val)
    elif optname == TCP_FASTOPEN_CONNECT:
        if not 0 <= val <= 1:
            raise linux_error(EINVAL)
        if not ts.tcp_fastopen & TFO_CLIENT_ENABLE:
            raise linux_error(EOPNOTSUPP)
        if sk.state != TCP_CLOSE:
            raise linux_error(EINVAL)
        sk.fastopen_connect = val
    elif optname == TCP_FASTOPEN_NO_COOKIE:
        if not 0 <= val <= 1 or sk.state not in (TCP_CLOSE, TCP_LISTEN):
            raise linux_error(EINVAL)
        sk.fastopen_no_cookie = val
    elif optname in (TCP_MD5SIG, TCP_REPAIR):
        raise linux_error(ENOTSUP, {TCP_MD5SIG: "TCP_MD5SIG", TCP_REPAIR: "TCP_REPAIR"}[optname])
    else:
        raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")


def do_tcp_getsockopt(sk: TcpSock, optname: int) -> int | bytes:
    ts = sk.ts
    hz = ts.ipv4.kernel.hz
    if optname in sk.v.options_absent:
        raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")
    if optname == TCP_NODELAY:
        return int(bool(sk.nonagle & TCP_NAGLE_OFF))
    if optname == TCP_CORK:
        return int(bool(sk.nonagle & TCP_NAGLE_CORK))
    if optname == TCP_MAXSEG:
        if sk.rx_opt.user_mss and sk.state in (TCP_CLOSE, TCP_LISTEN):
            return sk.rx_opt.user_mss
        return sk.mss_cache
    if optname == TCP_KEEPIDLE:
        return (sk.keepalive_time or ts.tcp_keepalive_time) // hz
    if optname == TCP_KEEPINTVL:
        return (sk.keepalive_intvl or ts.tcp_keepalive_intvl) // hz
    if optname == TCP_KEEPCNT:
        return sk.keepalive_probes or ts.tcp_keepalive_probes
    if optname == TCP_SYNCNT:
        return sk.syn_retries or ts.tcp_syn_retries
    if optname == TCP_LINGER2:
        return sk.linger2 if sk.linger2 < 0 else (sk.linger2 or ts.tcp_fin_timeout) // hz
    if optname == TCP_DEFER_ACCEPT:
        return retrans_to_secs(sk.defer_accept, 1, 120)
    if optname == TCP_WINDOW_CLAMP:
        return sk.window_clamp
    if optname == TCP_INFO:
        return tcp_get_info(sk)
    if optname == TCP_QUICKACK:
        return int(sk.pingpong < ts.tcp_pingpong_thresh)
    if optname == TCP_CONGESTION:
        return sk.ca_ops.name.encode().ljust(16, b"\0")
    if optname == TCP_USER_TIMEOUT:
        return sk.user_timeout
    if optname == TCP_NOTSENT_LOWAT:
        return sk.notsent_lowat
    if optname == TCP_INQ:
        return sk.inq_hint
    if optname == TCP_SAVE_SYN:
        return sk.save_syn
    if optname == TCP_SAVED_SYN:
        saved = sk.saved_syn
        sk.saved_syn = b""
        return saved
    if optname == TCP_FASTOPEN:
        return sk.fastopenq_max
    if optname == TCP_FASTOPEN_CONNECT:
        return sk.fastopen_connect
    if optname == TCP_FASTOPEN_NO_COOKIE:
        return sk.fastopen_no_cookie
    if optname == TCP_FASTOPEN_KEY:
        first, second = tcp_fastopen_keys(sk)
        return first + second
    raise linux_error(ENOPROTOOPT, f"SOL_TCP option {optname}")


def tcp_get_info(sk: TcpSock) -> bytes:
    """`struct tcp_info` as long as the release has it (6.18: to tcpi_rcv_wnd)."""
    o = sk.rx_opt
    tick_us = 1_000_000 // sk.ts.ipv4.kernel.hz
    ms = 1000 // sk.ts.ipv4.kernel.hz
    now = jiffies(sk)
    opts = (
        (TCPI_OPT_TIMESTAMPS if o.tstamp_ok else 0)
        | (TCPI_OPT_SACK if o.sack_ok else 0)
        | (TCPI_OPT_WSCALE if o.wscale_ok else 0)
        | (TCPI_OPT_ECN if sk.ecn_flags & TCP_ECN_MODE_ANY else 0)
        | (TCPI_OPT_ECN_SEEN if sk.ecn_flags & TCP_ECN_SEEN else 0)
        | (TCPI_OPT_SYN_DATA if sk.syn_data_acked else 0)
    )
    listen = sk.state == TCP_LISTEN
    rt = sk.dst
    pmtu = sk.pmtu_cookie
    if isinstance(rt, Rtable) and not pmtu:
        pmtu = ipv4_mtu(rt)
    unacked, sacked = sk.packets_out, sk.sacked_out
    if listen:
        unacked, sacked = sk.ack_backlog, sk.max_ack_backlog
    head = _INFO_HEAD.pack(
        sk.state,
        sk.ca_state,
        sk.retransmits & 255,
        sk.probes_out & 255,
        sk.backoff & 255,
        opts,
        (o.snd_wscale & 15 | (o.rcv_wscale & 15) << 4) if o.wscale_ok else 0,
        sk.fastopen_client_fail << 1,
        sk.rto * tick_us,
        sk.ato * tick_us,
        sk.mss_cache,
        sk.rcv_mss,
        unacked,
        sacked,
        sk.lost_out,
        sk.retrans_out,
        0,
        (max(now - sk.lsndtime, 0) * ms & M32),
        0,
        (max(now - sk.lrcvtime, 0) * ms & M32),
        (max(now - sk.rcv_tstamp, 0) * ms & M32),
        pmtu,
        sk.rcv_ssthresh,
        sk.srtt_us >> 3,
        sk.mdev_us >> 2,
        sk.snd_ssthresh & M32,
        sk.snd_cwnd,
        sk.advmss,
        sk.reordering,
        sk.rcv_rtt_us >> 3,
        sk.rcvq_space,
        sk.total_retrans,
    )
    notsent = (sk.write_seq - sk.snd_nxt) & M32
    chrono = [
        (n + (now - sk.chrono_start if i + 1 == sk.chrono_type else 0)) * tick_us for i, n in enumerate(sk.chrono_stat)
    ]
    tail = _INFO_TAIL.pack(
        sk.pacing_rate,
        sk.max_pacing_rate,
        sk.bytes_acked,
        sk.bytes_received,
        sk.segs_out,
        sk.segs_in,
        notsent if notsent < 1 << 31 else 0,
        sk.rtt_min_us & M32,
        sk.data_segs_in,
        sk.data_segs_out,
        0,
        sum(chrono),
        chrono[CHRONO_RWND_LIMITED - 1],
        chrono[CHRONO_SNDBUF_LIMITED - 1],
        sk.delivered,
        sk.delivered_ce,
        sk.bytes_sent,
        sk.bytes_retrans,
        sk.dsack_dups,
        sk.reord_seen,
        sk.rcv_ooopack,
        sk.snd_wnd & M32,
        sk.rcv_wnd & M32,
    )
    if sk.v.info_length <= len(head) + len(tail):
        return (head + tail)[: sk.v.info_length]
    rtos, recoveries, rto_ms, since = sk.rto_stats
    if since:
        rto_ms += sk.ts.ipv4.kernel.engine.now // 1_000_000 - since
    a = sk.accecn or AccEcn()
    _, d1, d0, dce = a.delivered_ecn_bytes
    _, r1, r0, rce = a.received_ecn_bytes
    late = _INFO_LATE.pack(
        sk.timeout_rehash, rtos & 0xFFFF, recoveries & 0xFFFF, rto_ms & M32, a.received_ce, d1, d0, dce, r1, r0, rce,
        a.accecn_fail_mode, a.saw_accecn_opt,
    )  # fmt: skip
    return head + tail + late


__all__ = [
    "ECONNABORTED",
    "EDESTADDRREQ",
    "ICSK_ACK_NOMEM",
    "ICSK_ACK_NOW",
    "INT_MAX",
    "SO_RCVLOWAT",
    "TCP_URG_NOTYET",
    "inet_put_port",
    "inet_unhash",
    "sk_rmem_schedule",
    "tcp_check_probe_timer",
    "tcp_done",
    "tcp_full_space",
    "tcp_win_from_space",
    "__wake_up",
]
