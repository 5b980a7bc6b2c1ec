"""The socket interface of TCP: its lock and waiting, listen, accept, poll, shutdown, close, disconnect.

What does not belong here: sendmsg.py, recvmsg.py and sockopt.py, which stand above this file; connect is connect.py's.

Facts: net/ipv4/tcp.c, af_inet.c, inet_connection_sock.c (5.15, 6.1); order of functions recorded on 6.1.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from rxpath.kernel.errno import EADDRINUSE, EAGAIN, ECONNRESET, EINVAL, ENOTCONN, linux_error
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING
from rxpath.net.core.sock import (
    MSG_DONTWAIT,
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
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_LAST_ACK,
    TCP_LISTEN,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    AutoremoveWait,
    __wake_up,
    current_task,
    lock_sock,
    sock_def_wakeup,
)
from rxpath.net.ipv4.af_inet import enter, leave
from rxpath.net.ipv4.tcp.fastopen import reqsk_fastopen_remove, tcp_fastopen_listen
from rxpath.net.ipv4.tcp.hashtables import inet_csk_get_port, inet_hash
from rxpath.net.ipv4.tcp.input import tcp_fin_time
from rxpath.net.ipv4.tcp.minisocks import tcp_time_wait, timewait_len
from rxpath.net.ipv4.tcp.output import (
    inet_csk_clear_xmit_timers,
    sk_stream_is_writeable,
    tcp_need_reset,
    tcp_send_ack,
    tcp_send_active_reset,
    tcp_send_fin,
)
from rxpath.net.ipv4.tcp.rcvq import tcp_epollin_ready
from rxpath.net.ipv4.tcp.seq import M32, before
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_SCHED,
    SS_CONNECTED,
    SS_CONNECTING,
    SS_DISCONNECTING,
    SS_UNCONNECTED,
    TCP_INFINITE_SSTHRESH,
    TCP_MIN_MSS,
    TCP_URG_VALID,
    TCPF_ACK_DEFERRED,
    TCPF_DELACK_TIMER_DEFERRED,
    TCPF_MTU_REDUCED_DEFERRED,
    TCPF_TSQ_DEFERRED,
    TCPF_WRITE_TIMER_DEFERRED,
    RxOpt,
    TcpSock,
    tcb,
)
from rxpath.net.ipv4.tcp.state import (
    end_unread,
    inet_csk_destroy_sock,
    ofo_purge,
    receive_queue_purge,
    tcp_set_state,
    tcp_write_queue_purge,
)
from rxpath.net.ipv4.tcp.timer import tcp_delack_timer_handler, tcp_tsq_write, tcp_write_timer_handler
from rxpath.wire.tcp import TCPHDR_FIN

# --- the lock -------------------------------------------------------------------------------------


def lock_sock_nested(sk: TcpSock) -> None:
    lock_sock(sk)


def __release_sock(sk: TcpSock) -> None:
    """What came in while the socket was ours: taken as a whole, what comes meanwhile is a list of its own."""
    while sk.backlog:
        taken = sk.backlog
        sk.backlog = deque()
        while taken:
            skb = taken.popleft()
            sk.backlog_len -= skb.truesize
            sk.backlog_rcv(skb)


def tcp_release_cb(sk: TcpSock) -> None:
    """Timers that found the socket owned."""
    f = sk.tsq_flags
    sk.tsq_flags = 0
    if f & TCPF_TSQ_DEFERRED:
        tcp_tsq_write(sk)
    if f & TCPF_WRITE_TIMER_DEFERRED:
        tcp_write_timer_handler(sk)
    if f & TCPF_DELACK_TIMER_DEFERRED:
        tcp_delack_timer_handler(sk)
    if f & TCPF_MTU_REDUCED_DEFERRED:
        sk.ts.handlers.mtu_reduced(sk)
    if f & TCPF_ACK_DEFERRED and sk.ack_pending & ICSK_ACK_SCHED:
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


def sk_wait_event(sk: TcpSock, deadline: int) -> bool:
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
    return sk_wait_event(sk, deadline)


# --- listen and accept ----------------------------------------------------------------------------


def inet_listen(sk: TcpSock, backlog: int) -> None:
    lock_sock(sk)
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
    lock_sock(sk)
    try:
        if sk.state != TCP_LISTEN:
            raise linux_error(EINVAL)
        deadline = 0 if sk.nonblock or flags & MSG_DONTWAIT else deadline_of(sk, sk.rcvtimeo)
        while not sk.accept_queue:
            if not sk_wait_event(sk, deadline):
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


# --- poll -----------------------------------------------------------------------------------------


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

_NEW_STATE: Final = {  # tcp_close's state: the next one, and whether a FIN is due
    TCP_ESTABLISHED: (TCP_FIN_WAIT1, True),
    TCP_SYN_SENT: (TCP_CLOSE, False),
    TCP_SYN_RECV: (TCP_FIN_WAIT1, True),
    TCP_FIN_WAIT1: (TCP_FIN_WAIT1, False),
    TCP_FIN_WAIT2: (TCP_FIN_WAIT2, False),
    TCP_CLOSE: (TCP_CLOSE, False),
    TCP_CLOSE_WAIT: (TCP_LAST_ACK, True),
    TCP_LAST_ACK: (TCP_LAST_ACK, False),
    TCP_LISTEN: (TCP_CLOSE, False),
    TCP_CLOSING: (TCP_CLOSING, False),
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
    lock_sock(sk)
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
    lock_sock(sk)
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
                    if not sk_wait_event(sk, deadline):
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
        lock_sock(sk)
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
