"""What the receive calls of datagram sockets share: taking the next packet, waiting for it, ending it.

What lives here: net/core/datagram.c.  What does not: what a protocol makes of the packet, its address and control
messages; the sleep itself (`__skb_wait_for_more_packets` in sock.py); UDP's second queue (udp.py).
Facts: net/core/datagram.c (3.13 to 6.18).
"""

from __future__ import annotations

from collections import deque

from rxpath.kernel.errno import EAGAIN, linux_error
from rxpath.net.core.skbuff import SkBuff, consume_skb
from rxpath.net.core.sock import (
    MSG_PEEK,
    MSG_TRUNC,
    Msg,
    Sock,
    __skb_wait_for_more_packets,
    sock_deadline,
    sock_error,
    sock_rfree,
)


def __skb_try_recv_from_queue(sk: Sock, queue: deque[SkBuff], flags: int, off: int) -> tuple[SkBuff | None, int]:
    """The next datagram, taken out unless peeking; with a peek offset the one that holds it, and the offset within."""
    if not flags & MSG_PEEK:
        if not queue:
            return None, off
        skb = queue.popleft()
        return skb, 0 if off < 0 else off
    for skb in queue:
        if 0 <= off >= skb.len and (off or skb.peeked):
            off -= skb.len
            continue
        if not skb.len:
            skb.peeked = True  # it is passed over the next time
        skb.users += 1
        return skb, off
    return None, off


def __skb_recv_datagram(sk: Sock, flags: int, off: int) -> tuple[SkBuff | None, int]:
    """The next packet of the receive queue, waiting for it if allowed, and the offset within; None: shut down.

    Raises OSError: the pending error, EAGAIN, EINTR.
    """
    deadline = sock_deadline(sk, flags, sk.rcvtimeo)
    while True:
        if sk.err:
            raise linux_error(sock_error(sk))
        skb, o = __skb_try_recv_from_queue(sk, sk.receive_queue, flags, off)
        if skb is not None:
            return skb, o
        if deadline == 0:
            raise linux_error(EAGAIN)
        if not __skb_wait_for_more_packets(sk, deadline):
            return None, 0


def skb_recv_datagram(sk: Sock, flags: int) -> SkBuff | None:
    """The same without an offset.  `skb_free_datagram` must follow."""
    return __skb_recv_datagram(sk, flags, -1)[0]


def skb_copy_datagram_msg(msg: Msg, skb: SkBuff, size: int) -> None:
    """As many bytes as the program has room for; MSG_TRUNC when there are more."""
    data = skb.tobytes()
    if size < len(data):
        msg.flags |= MSG_TRUNC
        data = data[:size]
    msg.data = data
    msg.n = len(data)


def skb_free_datagram(sk: Sock, skb: SkBuff, flags: int) -> None:
    """The program has the packet: its memory goes back to the socket.  A look (MSG_PEEK) leaves it in the queue."""
    if flags & MSG_PEEK:
        skb.users -= 1
        return
    sock_rfree(sk, skb.truesize)
    hook = sk.net.on_delivered
    if hook is not None:
        hook(skb)
    consume_skb(skb, None)
