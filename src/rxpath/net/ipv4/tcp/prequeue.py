"""The prequeue of releases up to 4.13: segments wait for the reader that sleeps, and it does TCP's work itself.

What belongs here: putting a segment there, emptying it, and the copy past the receive queue into the buffer of
the reader.  What does not: who reads (recvmsg.py), what is done with a segment (input.py, rcvq.py).

A reader that waits installs itself (`ucopy_task`, `ucopy_iov`, `ucopy_len`).  What then comes for a socket that
nobody owns is not looked at but put into `prequeue`; the reader wakes, owns the socket and takes it from there,
and data in order goes straight into its buffer, without ever being charged to the socket.

Facts: net/ipv4/tcp_ipv4.c tcp_prequeue, tcp.c tcp_prequeue_process, tcp_recvmsg, tcp_input.c tcp_data_queue (3.13).
"""

from __future__ import annotations

from rxpath.kernel.sched import TASK_RUNNING
from rxpath.net.core.skbuff import SkBuff, consume_skb
from rxpath.net.core.sock import POLLIN, POLLRDBAND, POLLRDNORM, __wake_up_sync_key, this_cpu
from rxpath.net.ipv4.tcp.rcvbuf import tcp_rcv_space_adjust
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sites import SITE_FIN
from rxpath.net.ipv4.tcp.sock import ICSK_ACK_SCHED, ICSK_ACK_TIMER, TcpSock, tcb


def tcp_prequeue(sk: TcpSock, skb: SkBuff) -> bool:
    """Leave the segment to the reader that sleeps; skb.data at the TCP header, the socket locked and not owned.

    False: nobody sleeps there, or a bare ACK would be the first.  The first one wakes the reader, and the timer
    of delayed ACKs takes over when it does not come; when they hold more memory than the receive buffer, all
    are looked at here and now.
    """
    if sk.ucopy_task is None or sk.ts.tcp_low_latency:
        return False
    q = sk.prequeue
    if not q and skb.len <= tcb(skb).doff:
        return False
    q.append(skb)
    sk.prequeue_mem += skb.truesize
    if sk.prequeue_mem > sk.rcvbuf:
        ext = sk.ts.ipv4.tcpext
        while q:
            sk.backlog_rcv(q.popleft())
            ext["TCPPrequeueDropped"] += 1
        sk.prequeue_mem = 0
    elif len(q) == 1:
        if sk.wq.entries:
            __wake_up_sync_key(sk.wq, POLLIN | POLLRDNORM | POLLRDBAND)
        if not sk.ack_pending & ICSK_ACK_SCHED:
            sk.ack_pending |= ICSK_ACK_TIMER
            sk.ack_timeout = sk.ts.ipv4.kernel.jiffies() + 3 * sk.rto_min // 4
            sk.delack_timer.mod_timer(sk.ack_timeout)
    return True


def tcp_prequeue_process(sk: TcpSock) -> None:
    """The reader, who owns the socket, does what softirq left to it; softirqs wait meanwhile."""
    sk.ts.ipv4.tcpext["TCPPrequeued"] += 1
    cpu = this_cpu(sk.net)
    cpu.local_bh_disable()
    q = sk.prequeue
    while q:
        sk.backlog_rcv(q.popleft())
    cpu.local_bh_enable()
    sk.prequeue_mem = 0


class Ucopy:
    """What is inline in Linux."""

    __slots__ = ()

    @staticmethod
    def is_reader(sk: TcpSock) -> bool:
        """Whether the installed reader is who runs, and owns the socket."""
        return sk.owned and this_cpu(sk.net).curr is sk.ucopy_task

    @staticmethod
    def copy(sk: TcpSock, skb: SkBuff, off: int, n: int) -> None:
        """`n` bytes from `off` on into the reader's buffer."""
        if skb.frag_list is not None:
            skb.linearize()
        p = skb.data + off
        sk.ucopy_iov.append(skb.head[p : p + n])
        sk.ucopy_len -= n
        sk.copied_seq = (sk.copied_seq + n) & M32
        tcp_rcv_space_adjust(sk)

    @staticmethod
    def data_queue(sk: TcpSock, skb: SkBuff) -> int:
        """A segment in order, skb.data at the payload.  1: the reader has all of it, 0: the beginning of it, -1:
        nothing (it does not read here, or urgent data is near).
        """
        if sk.urg_data or sk.copied_seq != sk.rcv_nxt or not Ucopy.is_reader(sk):
            return -1
        n = min(skb.len, sk.ucopy_len)
        Ucopy.wake(sk)
        Ucopy.copy(sk, skb, 0, n)
        return int(n == skb.len)

    @staticmethod
    def consume(sk: TcpSock, skb: SkBuff) -> None:
        """The reader has all of the segment."""
        hook = sk.net.on_socket
        if hook is not None:
            hook(skb)
        consume_skb(skb, None if skb.len else SITE_FIN)

    @staticmethod
    def wake(sk: TcpSock) -> None:
        """It was on its way to sleep, perhaps."""
        task = sk.ucopy_task
        assert task is not None
        task.state = TASK_RUNNING

    @staticmethod
    def chunk(sk: TcpSock, left: int, name: str) -> int:
        """How much the reader got past the receive queue since it asked for `left` bytes; counted in bytes."""
        n = left - sk.ucopy_len
        if n:
            sk.ts.ipv4.tcpext[name] += n
        return n

    @staticmethod
    def leave(sk: TcpSock, left: int) -> int:
        """The reader goes, with room for `left` bytes (0: it takes an error or an end with it).  What waits is
        done; returns the bytes that it still gets.
        """
        n = 0
        if sk.prequeue:
            sk.ucopy_len = left
            tcp_prequeue_process(sk)
            n = Ucopy.chunk(sk, left, "TCPDirectCopyFromPrequeue")
        Ucopy.uninstall(sk)
        return n

    @staticmethod
    def uninstall(sk: TcpSock) -> None:
        sk.ucopy_task = None
        sk.ucopy_iov = []
        sk.ucopy_len = 0
