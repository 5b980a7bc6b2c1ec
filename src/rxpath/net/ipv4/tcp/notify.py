"""What TCP tells a sender through the error queue: MSG_ZEROCOPY is done with a buffer, time stamps of transmission.

Facts: net/core/skbuff.c msg_zerocopy_realloc, __msg_zerocopy_callback, __skb_tstamp_tx; tcp.c tcp_tx_timestamp;
tcp_input.c tcp_ack_tstamp (6.1, 6.12).  Bytes are copied here as on a device without scatter and gather, so each
notice says COPIED; a page a buffer as the limit of a segment is not modelled.
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.skbuff import __alloc_skb, skb_put
from rxpath.net.core.sock import SockErr, sk_error_report
from rxpath.net.ipv4.tcp.seq import M32, before
from rxpath.net.ipv4.tcp.sock import TcpSock, TxSkb

MSG_ZEROCOPY: Final = 0x4000000
SO_EE_ORIGIN_TIMESTAMPING: Final = 4
SO_EE_ORIGIN_ZEROCOPY: Final = 5
SO_EE_CODE_ZEROCOPY_COPIED: Final = 1
ENOMSG: Final = 42
SCM_TSTAMP_SND: Final = 0
SCM_TSTAMP_SCHED: Final = 1
SCM_TSTAMP_ACK: Final = 2
TX_SOFTWARE: Final = 1 << 1
OPT_ID: Final = 1 << 7
OPT_ID_TCP: Final = 1 << 16
TX_SCHED: Final = 1 << 8
TX_ACK: Final = 1 << 9
OPT_TSONLY: Final = 1 << 11
TX_RECORD_MASK: Final = TX_SOFTWARE | TX_SCHED | TX_ACK | 1


class SendNotice:
    """One sendmsg that is followed: up to which byte, and either its zero-copy numbers or its stamps.

    `last`: sequence number of its last byte.  `flags`: SOF_TIMESTAMPING_TX_* that are due; 0 for zero copy.
    """

    __slots__ = ("flags", "hi", "last", "lo")

    def __init__(self, last: int, lo: int, flags: int) -> None:
        self.last = last
        self.lo = self.hi = lo
        self.flags = flags


def tcp_notice_sendmsg(sk: TcpSock, n: int, zerocopy: bool) -> list[SendNotice]:
    """Before `n` bytes are queued: what is to be told about them."""
    made: list[SendNotice] = []
    last = (sk.write_seq + n - 1) & M32
    if sk.tsflags & TX_RECORD_MASK:
        made.append(SendNotice(last, 0, sk.tsflags & TX_RECORD_MASK))
    if zerocopy:
        made.append(SendNotice(last, sk.zckey, 0))
        sk.zckey = (sk.zckey + 1) & M32
    sk.notices += made
    return made


def tcp_notice_sent(sk: TcpSock, made: list[SendNotice], n: int, wanted: int) -> None:
    """After the call: `n` bytes were taken of `wanted`."""
    if n == wanted:
        return
    for m in made:
        if n <= 0:
            if m in sk.notices:
                sk.notices.remove(m)
            if not m.flags:
                sk.zckey = (sk.zckey - 1) & M32
        else:
            m.last = (m.last - (wanted - n)) & M32


def tcp_notice_transmit(sk: TcpSock, t: TxSkb) -> None:
    """An element goes down: stamps SCHED and SND for the writes that end in it."""
    for m in list(sk.notices):
        if m.flags and not before(m.last, t.seq) and before(m.last, t.end_seq):
            if m.flags & TX_SCHED:
                tcp_tstamp_tx(sk, m, SCM_TSTAMP_SCHED, t.data)
            if m.flags & TX_SOFTWARE:
                tcp_tstamp_tx(sk, m, SCM_TSTAMP_SND, t.data)


def tcp_notice_acked(sk: TcpSock) -> None:
    """snd_una moved: what ends before it is done with."""
    while sk.notices and before(sk.notices[0].last, sk.snd_una):
        m = sk.notices.pop(0)
        if not m.flags:
            tcp_zerocopy_done(sk, m)
        elif m.flags & TX_ACK:
            tcp_tstamp_tx(sk, m, SCM_TSTAMP_ACK, b"")


def tcp_notice_purge(sk: TcpSock) -> None:
    """The queues are thrown away: buffers are given back."""
    left, sk.notices = sk.notices, []
    for m in left:
        if not m.flags:
            tcp_zerocopy_done(sk, m)


def queue_notice(sk: TcpSock, origin: int, errno: int, code: int, info: int, data: int, payload: bytes) -> None:
    if sk.orphan or sk.dead:
        return
    skb = __alloc_skb(sk.net, len(payload))
    skb.own = False
    skb_put(skb, payload)
    skb.truesize = 0  # sock_omalloc: not on the receive buffer's account
    skb.tstamp = sk.net.kernel.ktime_get_real() if origin == SO_EE_ORIGIN_TIMESTAMPING else 0
    e = SockErr(skb, errno, origin, 0, code, info, 0)
    e.data = data
    e.addr_offset = -1
    sk.error_queue.append(e)
    sk_error_report(sk)


def tcp_zerocopy_done(sk: TcpSock, m: SendNotice) -> None:
    """A notice, or a longer range in the one that nobody has read yet."""
    tail = sk.error_queue[-1] if sk.error_queue else None
    if tail is not None and tail.origin == SO_EE_ORIGIN_ZEROCOPY and (tail.data + 1) & M32 == m.lo:
        tail.data = m.hi
        sk_error_report(sk)
        return
    queue_notice(sk, SO_EE_ORIGIN_ZEROCOPY, 0, SO_EE_CODE_ZEROCOPY_COPIED, m.lo, m.hi, b"")


def tcp_tstamp_tx(sk: TcpSock, m: SendNotice, what: int, payload: bytes) -> None:
    key = (m.last - sk.tskey) & M32 if sk.tsflags & OPT_ID else 0
    only = bool(sk.tsflags & OPT_TSONLY)
    queue_notice(sk, SO_EE_ORIGIN_TIMESTAMPING, ENOMSG, 0, what, key, b"" if only else payload or b"\0")
