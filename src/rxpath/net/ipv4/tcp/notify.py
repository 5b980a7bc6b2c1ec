"""What TCP tells a sender through the error queue: MSG_ZEROCOPY is done with a buffer, time stamps of transmission.

Facts: net/core/skbuff.c msg_zerocopy_realloc, __msg_zerocopy_callback; tcp.c tcp_tx_timestamp,
tcp_get_timestamping_opt_stats; tcp_output.c tcp_fragment_tstamp, tcp_skb_collapse_tstamp; tcp_input.c tcp_ack_tstamp
(6.1, 6.12).  Bytes are copied here as on a device without scatter and gather, so each notice says COPIED; a page a
buffer as the limit of a segment is not modelled.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.net.core.skbuff import SkBuff, __alloc_skb, skb_put
from rxpath.net.core.sock import (
    SOF_TIMESTAMPING_OPT_TSONLY,
    SOF_TIMESTAMPING_TX_ACK,
    SOF_TIMESTAMPING_TX_RECORD_MASK,
    SockErr,
    sk_error_report,
)
from rxpath.net.core.timestamping import SCM_TSTAMP_ACK, TxStamp, __skb_tstamp_tx
from rxpath.net.ipv4.tcp.seq import M32, before
from rxpath.net.ipv4.tcp.sock import TcpSock, TxSkb

SO_EE_ORIGIN_ZEROCOPY: Final = 5
SO_EE_CODE_ZEROCOPY_COPIED: Final = 1

# attributes of SCM_TIMESTAMPING_OPT_STATS (TCP_NLA_*)
TCP_NLA_BUSY: Final = 1
TCP_NLA_RWND_LIMITED: Final = 2
TCP_NLA_SNDBUF_LIMITED: Final = 3
TCP_NLA_DATA_SEGS_OUT: Final = 4
TCP_NLA_TOTAL_RETRANS: Final = 5
TCP_NLA_PACING_RATE: Final = 6
TCP_NLA_DELIVERY_RATE: Final = 7
TCP_NLA_SND_CWND: Final = 8
TCP_NLA_REORDERING: Final = 9
TCP_NLA_MIN_RTT: Final = 10
TCP_NLA_RECUR_RETRANS: Final = 11
TCP_NLA_DELIVERY_RATE_APP_LMT: Final = 12
TCP_NLA_SNDQ_SIZE: Final = 13
TCP_NLA_CA_STATE: Final = 14
TCP_NLA_SND_SSTHRESH: Final = 15
TCP_NLA_DELIVERED: Final = 16
TCP_NLA_DELIVERED_CE: Final = 17
TCP_NLA_BYTES_SENT: Final = 18
TCP_NLA_BYTES_RETRANS: Final = 19
TCP_NLA_DSACK_DUPS: Final = 20
TCP_NLA_REORD_SEEN: Final = 21
TCP_NLA_SRTT: Final = 22
TCP_NLA_TIMEOUT_REHASH: Final = 23
TCP_NLA_BYTES_NOTSENT: Final = 24
TCP_NLA_EDT: Final = 25
TCP_NLA_TTL: Final = 26
TCP_NLA_REHASH: Final = 27

_NLA: Final = Struct("=HH")


class SendNotice:
    """One sendmsg with MSG_ZEROCOPY: `last` is the sequence number of its last byte, `lo` and `hi` its numbers."""

    __slots__ = ("hi", "last", "lo")

    def __init__(self, last: int, lo: int) -> None:
        self.last = last
        self.lo = self.hi = lo


# --- zero copy


def tcp_notice_sendmsg(sk: TcpSock, n: int) -> SendNotice:
    """Before `n` bytes are queued with MSG_ZEROCOPY: what is to be told about them."""
    m = SendNotice((sk.write_seq + n - 1) & M32, sk.zckey)
    sk.zckey = (sk.zckey + 1) & M32
    sk.notices.append(m)
    return m


def tcp_notice_sent(sk: TcpSock, m: SendNotice, n: int, wanted: int) -> None:
    """After the call: `n` bytes were taken of `wanted`."""
    if n == wanted:
        return
    if n > 0:
        m.last = (m.last - (wanted - n)) & M32
        return
    if m in sk.notices:
        sk.notices.remove(m)
    sk.zckey = (sk.zckey - 1) & M32


def tcp_notice_acked(sk: TcpSock) -> None:
    """snd_una moved: what ends before it is done with."""
    while sk.notices and before(sk.notices[0].last, sk.snd_una):
        tcp_zerocopy_done(sk, sk.notices.pop(0))


def tcp_notice_purge(sk: TcpSock) -> None:
    """The queues are thrown away: buffers are given back."""
    left, sk.notices = sk.notices, []
    for m in left:
        tcp_zerocopy_done(sk, m)


def tcp_zerocopy_done(sk: TcpSock, m: SendNotice) -> None:
    """A notice, or a longer range in the one that nobody has read yet."""
    if sk.orphan or sk.dead:
        return
    tail = sk.error_queue[-1] if sk.error_queue else None
    if tail is not None and tail.origin == SO_EE_ORIGIN_ZEROCOPY and (tail.data + 1) & M32 == m.lo:
        tail.data = m.hi
    else:
        skb = __alloc_skb(sk.net, 0)
        skb.own = False
        skb.truesize = 0  # sock_omalloc: not on the receive buffer's account
        e = SockErr(skb, 0, SO_EE_ORIGIN_ZEROCOPY, 0, SO_EE_CODE_ZEROCOPY_COPIED, m.lo, 0)
        e.data = m.hi
        sk.error_queue.append(e)
    sk_error_report(sk)


# --- time stamps


def tcp_tx_timestamp(sk: TcpSock, tsflags: int) -> None:
    """After a write: the last element is stamped, by the number of its last byte.  Of several writes in one element
    the last is known.
    """
    if not tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK:
        return
    if sk.write_queue:
        t = sk.write_queue[-1]
    elif sk.rtx_queue and sk.v.stamps_sent:
        t = sk.rtx_queue[-1]
    else:
        return
    stamp = t.txstamp
    if stamp is None:
        stamp = t.txstamp = TxStamp(sk, 0, 0)
    stamp.flags |= tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK
    stamp.key = (t.seq + len(t.data) - 1) & M32


def tcp_fragment_tstamp(t: TxSkb, rest: TxSkb) -> None:
    """An element was cut: the stamp goes with its byte."""
    stamp = t.txstamp
    if stamp is not None and not before(stamp.key, rest.seq):
        rest.txstamp = stamp
        t.txstamp = None


def tcp_skb_collapse_tstamp(t: TxSkb, following: TxSkb) -> None:
    """An element took over the next one."""
    nxt = following.txstamp
    if nxt is None:
        return
    if t.txstamp is None:
        t.txstamp = TxStamp(nxt.sk, 0, 0)
    t.txstamp.flags |= nxt.flags
    t.txstamp.key = nxt.key


def tcp_ack_tstamp(sk: TcpSock, t: TxSkb, ack: SkBuff, prior_snd_una: int) -> None:
    """The byte that is followed was acknowledged."""
    stamp = t.txstamp
    if stamp is None or not stamp.flags & SOF_TIMESTAMPING_TX_ACK:
        return
    if before(stamp.key, prior_snd_una) or not before(stamp.key, sk.snd_una):
        return
    skb: SkBuff | None = None
    if not sk.tsflags & SOF_TIMESTAMPING_OPT_TSONLY:
        skb = __alloc_skb(sk.net, 0)
        skb_put(skb, t.data)
        stamp.truesize = t.truesize
    __skb_tstamp_tx(stamp, skb, SCM_TSTAMP_ACK, ack)


def _nla(type_: int, value: int, size: int) -> bytes:
    """A netlink attribute, padded to four bytes."""
    b = _NLA.pack(4 + size, type_) + (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return b + bytes(-len(b) & 3)


def tcp_get_timestamping_opt_stats(sk: TcpSock, ack: SkBuff | None) -> bytes:
    """The attributes of SCM_TIMESTAMPING_OPT_STATS.  A delivery rate is not kept (0)."""
    busy, rwnd, sndbuf = tcp_chrono_us(sk)
    out = [
        _nla(TCP_NLA_BUSY, busy, 8),
        _nla(TCP_NLA_RWND_LIMITED, rwnd, 8),
        _nla(TCP_NLA_SNDBUF_LIMITED, sndbuf, 8),
        _nla(TCP_NLA_DATA_SEGS_OUT, sk.data_segs_out, 8),
        _nla(TCP_NLA_TOTAL_RETRANS, sk.total_retrans, 8),
        _nla(TCP_NLA_PACING_RATE, sk.pacing_rate, 8),
        _nla(TCP_NLA_DELIVERY_RATE, 0, 8),
        _nla(TCP_NLA_SND_CWND, sk.snd_cwnd, 4),
        _nla(TCP_NLA_REORDERING, sk.reordering, 4),
        _nla(TCP_NLA_MIN_RTT, sk.rtt_min_us, 4),
        _nla(TCP_NLA_RECUR_RETRANS, sk.retransmits, 1),
        _nla(TCP_NLA_DELIVERY_RATE_APP_LMT, 0, 1),
        _nla(TCP_NLA_SND_SSTHRESH, sk.snd_ssthresh, 4),
        _nla(TCP_NLA_DELIVERED, sk.delivered, 4),
        _nla(TCP_NLA_DELIVERED_CE, sk.delivered_ce, 4),
        _nla(TCP_NLA_SNDQ_SIZE, sk.write_seq - sk.snd_una, 4),
        _nla(TCP_NLA_CA_STATE, sk.ca_state, 1),
        _nla(TCP_NLA_BYTES_SENT, sk.bytes_sent, 8),
        _nla(TCP_NLA_BYTES_RETRANS, sk.bytes_retrans, 8),
        _nla(TCP_NLA_DSACK_DUPS, sk.dsack_dups, 4),
        _nla(TCP_NLA_REORD_SEEN, sk.reord_seen, 4),
        _nla(TCP_NLA_SRTT, sk.srtt_us >> 3, 4),
        _nla(TCP_NLA_TIMEOUT_REHASH, sk.timeout_rehash, 2),
        _nla(TCP_NLA_BYTES_NOTSENT, max(0, (sk.write_seq - sk.snd_nxt) & M32), 4),
        _nla(TCP_NLA_EDT, sk.wstamp_ns, 8),
    ]
    if ack is not None:
        out.append(_nla(TCP_NLA_TTL, ack.head[ack.network_header + 8], 1))
    if sk.v.stats_rehash:
        out.append(_nla(TCP_NLA_REHASH, sk.timeout_rehash, 4))
    return b"".join(out)


def tcp_chrono_us(sk: TcpSock) -> tuple[int, int, int]:
    """tcp_get_info_chrono_stats: microseconds with data, limited by the window, by the send buffer."""
    k = sk.ts.ipv4.kernel
    now = k.jiffies()
    a, b, c = (
        (n + (now - sk.chrono_start if i + 1 == sk.chrono_type else 0)) * (1_000_000 // k.hz)
        for i, n in enumerate(sk.chrono_stat)
    )
    return a + b + c, b, c
