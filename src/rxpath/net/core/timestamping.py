"""Time stamps of what is sent (SO_TIMESTAMPING): what a packet is to be stamped with, and the record of each stamp on
its socket's error queue.

What lives here: the flags, `TxStamp` (of skb_shared_info: tx_flags, tskey), __skb_tstamp_tx and the error queue's
reader for sockets that are not IPv4's.  What does not: who asks for stamps (the protocols' send calls), stamps of what
is received (sock.py), stamps of devices (no model makes them for a program).
Facts: net/core/skbuff.c __skb_tstamp_tx, net/core/sock.c __sock_tx_timestamp (6.1); numbers, contents and sizes of the
records recorded on 6.18.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EAGAIN, ENOMSG, linux_error
from rxpath.net.core.skbuff import PACKET_OUTGOING, SkBuff, __alloc_skb, kfree_skb_reason, skb_clone_observer, skb_put
from rxpath.net.core.sock import (
    MSG_ERRQUEUE,
    MSG_TRUNC,
    SO_EE_ORIGIN_TIMESTAMPING,
    SOF_TIMESTAMPING_OPT_ID,
    SOF_TIMESTAMPING_OPT_STATS,
    SOF_TIMESTAMPING_OPT_TSONLY,
    SOF_TIMESTAMPING_TX_SCHED,
    SOF_TIMESTAMPING_TX_SOFTWARE,
    Msg,
    Sock,
    SockErr,
    sock_dequeue_err_skb,
    sock_queue_err_skb,
    sock_recv_timestamp,
)
from rxpath.sim.ledger import Site

SCM_TSTAMP_SND: Final = 0
SCM_TSTAMP_SCHED: Final = 1
SCM_TSTAMP_ACK: Final = 2
M32: Final = 0xFFFFFFFF

SITE_STAMP_NO_ROOM: Final = Site("socket", "no room for a time stamp", "none", "NOT_SPECIFIED")
SITE_STAMP_READ: Final = Site("socket", "time stamp read", "none", "NOT_SPECIFIED")


class TxStamp:
    """What a packet is to be stamped with: `sk` (who wants to know), `flags` (SOF_TIMESTAMPING_TX_*), `key` (OPT_ID's
    number), `truesize` (what a clone is charged as, 0 = as the packet).
    """

    __slots__ = ("flags", "key", "sk", "truesize")

    def __init__(self, sk: Sock, flags: int, key: int) -> None:
        self.sk = sk
        self.flags = flags
        self.key = key
        self.truesize = 0

    def of_segment(self, n: int, total: int) -> TxStamp:
        """That of a segment with `n` bytes of a super-packet's `total`."""
        s = TxStamp(self.sk, self.flags, self.key)
        s.truesize = self.truesize - total + n
        return s


def sock_tx_timestamp(sk: Sock, flags: int, opt_id: int) -> TxStamp | None:
    """The stamps that a message of a datagram socket gets (inline in Linux).  `flags`: SOF_TIMESTAMPING_TX_* that the
    socket or the call wants and the protocol numbers; `opt_id`: the number that the call brought, -1 = the next one.
    """
    if not flags:
        return None
    key = 0
    if sk.tsflags & SOF_TIMESTAMPING_OPT_ID:
        if opt_id >= 0:
            key = opt_id
        else:
            key = sk.tskey
            sk.tskey = (key + 1) & M32
    return TxStamp(sk, flags, key)


def __skb_tstamp_tx(stamp: TxStamp, skb: SkBuff | None, what: int, ack: SkBuff | None = None) -> None:
    """A record of `what` (SCM_TSTAMP_*) on the error queue: with a clone of `skb`, or with OPT_TSONLY an empty packet,
    or with OPT_STATS the statistics of TCP.
    """
    sk = stamp.sk
    if sk.dead:
        return
    stats = b""
    if sk.tsflags & SOF_TIMESTAMPING_OPT_TSONLY:
        if sk.tsflags & SOF_TIMESTAMPING_OPT_STATS:
            stats = sk.opt_stats(ack)
        c = __alloc_skb(sk.net, len(stats))
        if stats:
            skb_put(c, stats)
    else:
        assert skb is not None
        c = skb_clone_observer(skb)
        if what == SCM_TSTAMP_SCHED:
            sk.unfinished_checksum(c)
        if stamp.truesize:
            c.truesize = stamp.truesize
    c.own = False
    c.tstamp = sk.net.kernel.ktime_get_real()
    c.pkt_type = PACKET_OUTGOING
    c.cb = None
    e = SockErr(c, ENOMSG, SO_EE_ORIGIN_TIMESTAMPING, 0, 0, what, 0)
    e.opt_stats = bool(stats)
    if c.dev is not None:
        e.iif = c.dev.ifindex
    if sk.tsflags & SOF_TIMESTAMPING_OPT_ID:
        e.data = (stamp.key - sk.tskey_base()) & M32
    if not sock_queue_err_skb(sk, e):
        kfree_skb_reason(c, SITE_STAMP_NO_ROOM)


def skb_tstamp_sched(skb: SkBuff) -> None:
    """On the way into the queueing discipline."""
    stamp = skb.txstamp
    if stamp is not None and stamp.flags & SOF_TIMESTAMPING_TX_SCHED:
        __skb_tstamp_tx(stamp, skb, SCM_TSTAMP_SCHED)


def skb_tstamp_tx(skb: SkBuff) -> None:
    """By a driver, when the packet goes to the device."""
    stamp = skb.txstamp
    if stamp is not None and stamp.flags & SOF_TIMESTAMPING_TX_SOFTWARE:
        __skb_tstamp_tx(stamp, skb, SCM_TSTAMP_SND)


def sock_recv_errqueue(sk: Sock, size: int, level: int, type_: int) -> Msg:
    """recvmsg with MSG_ERRQUEUE of a socket that is not IPv4's.  Raises EAGAIN."""
    e = sock_dequeue_err_skb(sk)
    if e is None:
        raise linux_error(EAGAIN)
    msg = Msg()
    data = e.skb.tobytes()
    if len(data) > size:
        msg.flags |= MSG_TRUNC
        data = data[:size]
    msg.data = data
    msg.n = len(data)
    sock_recv_timestamp(msg, sk, e.skb, e)
    msg.control.append((level, type_, e.pack()))
    msg.flags |= MSG_ERRQUEUE
    kfree_skb_reason(e.skb, SITE_STAMP_READ)
    return msg


__all__ = [
    "SCM_TSTAMP_ACK",
    "SCM_TSTAMP_SCHED",
    "SCM_TSTAMP_SND",
    "TxStamp",
    "__skb_tstamp_tx",
    "skb_tstamp_sched",
    "skb_tstamp_tx",
    "sock_recv_errqueue",
    "sock_tx_timestamp",
]
