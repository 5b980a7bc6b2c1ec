"""Accurate ECN (RFC 9768) as 6.18 has it: the ACE field, the counters and the option, both ways.

6.18 offers AccECN to nobody (net.ipv4.tcp_ecn takes 0 to 2): a connection speaks it when the answer to a SYN with
classic ECN's flags agrees to it.  What classic ECN (RFC 3168) does stands where it happens; here are the modes that
both share.  Facts: include/net/tcp_ecn.h, net/ipv4/tcp_input.c, tcp_output.c (6.18), checked against a running 6.18.
"""

from __future__ import annotations

from typing import Final

from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_NOW,
    TCP_CA_CWR,
    TCP_ECN_MODE_ACCECN,
    TCP_ECN_MODE_ANY,
    TCP_ECN_MODE_RFC3168,
    TCP_ECN_SEEN,
    TCP_CA_Open,
    TcpSock,
    tcb,
)
from rxpath.wire.tcp import TCPHDR_ACE, TCPHDR_AE, TCPHDR_CWR, TCPHDR_ECE

INET_ECN_NOT_ECT: Final = 0
INET_ECN_ECT_1: Final = 1
INET_ECN_ECT_0: Final = 2
INET_ECN_CE: Final = 3

TCPOPT_ACCECN0: Final = 172  # fields E0B, CEB, E1B
TCPOPT_ACCECN1: Final = 174  # fields E1B, CEB, E0B: the order that Linux sends
TCP_ACCECN_CEP_INIT_OFFSET: Final = 5
TCP_ACCECN_CEP_ACE_MASK: Final = 7
TCP_ACCECN_ACE_MAX_DELTA: Final = 6
TCP_ACCECN_MAXSIZE: Final = 11
TCP_ACCECN_NUMFIELDS: Final = 3
TCP_ACCECN_SAFETY_SHIFT: Final = 1

TCP_ACCECN_ACE_FAIL_SEND: Final = 1
TCP_ACCECN_ACE_FAIL_RECV: Final = 2
TCP_ACCECN_OPT_FAIL_SEND: Final = 4
TCP_ACCECN_OPT_FAIL_RECV: Final = 8

TCP_ACCECN_OPT_NOT_SEEN: Final = 0
TCP_ACCECN_OPT_EMPTY_SEEN: Final = 1
TCP_ACCECN_OPT_COUNTER_SEEN: Final = 2
TCP_ACCECN_OPT_FAIL_SEEN: Final = 3

# what the byte counters of the option begin with, by ECN field
_INIT: Final = (0, 1, 1, 0)
# how many fields the option needs for this ECN field's counter
_OPTFIELD: Final = (0, 1, 3, 2)
_ORDER: Final = ((INET_ECN_ECT_0, INET_ECN_CE, INET_ECN_ECT_1), (INET_ECN_ECT_1, INET_ECN_CE, INET_ECN_ECT_0))
# the ACE field that says with what ECN field a SYN or SYN-ACK came, and the way back
_REFLECT: Final = (0b010, 0b011, 0b100, 0b110)
_EXTRACT: Final = (2, 1, 0, 1, 2, 1, 3, 1)


class AccEcn:
    """A connection's AccECN state, under Linux's names; byte counters by ECN field (index 0 unused)."""

    __slots__ = (
        "received_ce",
        "received_ce_pending",
        "received_ecn_bytes",
        "delivered_ecn_bytes",
        "accecn_minlen",
        "accecn_opt_demand",
        "est_ecnfield",
        "accecn_opt_tstamp",
        "syn_ect_rcv",
        "saw_accecn_opt",
        "accecn_fail_mode",
    )

    def __init__(self) -> None:
        self.received_ce = 0
        self.received_ce_pending = 0
        self.received_ecn_bytes = [0, 0, 0, 0]
        self.delivered_ecn_bytes = [0, 0, 0, 0]
        self.accecn_minlen = 0
        self.accecn_opt_demand = 0
        self.est_ecnfield = 0
        self.accecn_opt_tstamp = 0
        self.syn_ect_rcv = 0
        self.saw_accecn_opt = TCP_ACCECN_OPT_NOT_SEEN
        self.accecn_fail_mode = 0


def state_of(sk: TcpSock) -> AccEcn:
    """The connection's AccECN state, made when it is first needed."""
    a = sk.accecn
    if a is None:
        a = sk.accecn = AccEcn()
    return a


def tcp_accecn_ace(skb: SkBuff) -> int:
    """AE, CWR and ECE of a received segment as one number.  (Inline in Linux.)"""
    c = tcb(skb)
    return c.word >> 22 & 7


def ace_flags(ace: int) -> int:
    """Header flags that hold an ACE value."""
    return (TCPHDR_AE if ace & 4 else 0) | (TCPHDR_CWR if ace & 2 else 0) | (TCPHDR_ECE if ace & 1 else 0)


def tcp_accecn_reflector_flags(ect: int) -> int:
    """ACE of a SYN-ACK, or of the third ACK: the ECN field that the other's segment came with.  (Inline in Linux.)"""
    return ace_flags(_REFLECT[ect & 3])


def tcp_accecn_validate_syn_feedback(sk: TcpSock, ace: int, sent: int) -> bool:
    """Whether the ECN field that the peer saw can be what was sent; if not, no more ECT is sent.  (Inline in Linux.)"""
    if not sk.ts.tcp_ecn_fallback:
        return True
    got = _EXTRACT[ace & 7]
    if got == sent or (sent and got and sent != INET_ECN_CE):
        return True
    state_of(sk).accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_RECV
    return False


def tcp_accecn_option_init(skb: SkBuff, off: int) -> int:
    """What the first option of the peer shows: nothing, counters, or zeros that a middlebox wrote.  (Inline.)"""
    c = tcb(skb)
    p = c.th + off
    n = skb.head[p + 1] - 2
    p += 2
    if n < 3:
        return TCP_ACCECN_OPT_EMPTY_SEEN
    if not any(skb.head[p : p + 3]):
        return TCP_ACCECN_OPT_FAIL_SEEN
    if n >= 9 and not any(skb.head[p + 6 : p + 9]):
        return TCP_ACCECN_OPT_FAIL_SEEN
    return TCP_ACCECN_OPT_COUNTER_SEEN


def saw_opt(sk: TcpSock, saw: int) -> None:
    a = state_of(sk)
    a.saw_accecn_opt = saw
    if saw == TCP_ACCECN_OPT_FAIL_SEEN:
        a.accecn_fail_mode |= TCP_ACCECN_OPT_FAIL_RECV


def tcp_ecn_received_counters(sk: TcpSock, skb: SkBuff, n: int) -> None:
    """6.18: every segment's ECN field is counted, with its `n` bytes of payload; a change makes an ACK go at once.

    Until then nothing (TCP_ECN_SEEN of classic ECN is tcp_data_ecn_check's).
    """
    if not sk.v.accecn:
        return
    ect = tcb(skb).dsfield & 3
    ce = ect == INET_ECN_CE
    a = state_of(sk)
    if ect:
        tcp_ecn_seen(sk)
        if ce:
            segs = max(1, skb.gso_segs)
            a.received_ce = (a.received_ce + segs) & M32
            a.received_ce_pending = min(a.received_ce_pending + segs, 15)
        if n > 0:
            old = a.received_ecn_bytes[ect]
            new = a.received_ecn_bytes[ect] = (old + n) & M32
            a.accecn_minlen = max(a.accecn_minlen, _OPTFIELD[ect])
            if (old ^ new) >> 22:
                a.accecn_opt_demand = max(a.accecn_opt_demand, 1)
    edge = sk.prev_ecnfield != ect
    if edge or ce:
        sk.prev_ecnfield = ect
        if sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_ACCECN:
            if edge:
                sk.ack_pending |= ICSK_ACK_NOW
            a.accecn_opt_demand = 2


def tcp_ecn_seen(sk: TcpSock) -> None:
    """6.18: a marked segment of an established connection is remembered even where ECN was not agreed."""
    if sk.v.accecn and sk.ecn_flags & TCP_ECN_MODE_ANY != TCP_ECN_MODE_RFC3168:
        sk.ecn_flags |= TCP_ECN_SEEN


def tcp_ecn_rcv_synack(sk: TcpSock, skb: SkBuff) -> None:
    """What the SYN-ACK agrees to: classic ECN, from 6.18 on AccECN, or nothing.  (Inline in Linux.)"""
    if not sk.ecn_flags & TCP_ECN_MODE_ANY:
        return
    c = tcb(skb)
    if not sk.v.accecn:
        if c.flags & (TCPHDR_ECE | TCPHDR_CWR) != TCPHDR_ECE:
            sk.ecn_flags = 0
        return
    ace = tcp_accecn_ace(skb)
    if ace in (0, 7):
        sk.ecn_flags &= ~TCP_ECN_MODE_ANY
    elif ace not in (1, 5):
        a = state_of(sk)
        sk.ecn_flags = sk.ecn_flags & ~TCP_ECN_MODE_ANY | TCP_ECN_MODE_ACCECN
        a.syn_ect_rcv = c.dsfield & 3
        if sk.rx_opt.accecn and a.saw_accecn_opt < TCP_ACCECN_OPT_COUNTER_SEEN:
            saw_opt(sk, tcp_accecn_option_init(skb, sk.rx_opt.accecn))
            a.accecn_opt_demand = 2
        if c.dsfield & 3 == INET_ECN_CE and tcp_accecn_validate_syn_feedback(sk, ace, sk.tos & 3):
            a.received_ce += 1
            a.received_ce_pending += 1


def tcp_accecn_set_ace(sk: TcpSock, flags: int) -> int:
    """ACE of a segment: how many marked ones came, unless it is one that reflects.  (Inline in Linux.)"""
    a = state_of(sk)
    if not flags & TCPHDR_ACE:
        flags |= ace_flags((a.received_ce + TCP_ACCECN_CEP_INIT_OFFSET) & 7)
        a.received_ce_pending = 0
    return flags


# --- the option -----------------------------------------------------------------------------------------------------


def tcp_options_fit_accecn(required: int, room: int, sacks: int) -> tuple[int, int, int]:
    """How many counters the option may hold in `room` bytes: (fields or -1, its padded size, SACK blocks left).

    It may use the two bytes of a SACK option's padding; when too few fit, SACK blocks beyond two give way.
    """
    saving = 2 if sacks else 0
    size = TCP_ACCECN_MAXSIZE
    fields = TCP_ACCECN_NUMFIELDS
    reduced = 0
    while fields >= required:
        aligned = (size + 3) & ~3 if size & 3 > saving else size & ~3
        if room >= aligned:
            size = aligned
            break
        if fields == required and sacks > 2 and required > 0:
            sacks -= 1
            reduced += 1
            room += 8
            fields = TCP_ACCECN_NUMFIELDS
            size = TCP_ACCECN_MAXSIZE
            continue
        fields -= 1
        size -= 3
    if fields < required:
        return -1, 0, sacks + reduced
    return fields, size, sacks


def accecn_option(received: list[int], fields: int) -> bytes:
    """The option without padding."""
    out = bytes((TCPOPT_ACCECN1, 2 + 3 * fields))
    for ect in _ORDER[1][:fields]:
        out += ((received[ect] + _INIT[ect]) & 0xFFFFFF).to_bytes(3, "big")
    return out


def tcp_accecn_option_beacon_check(sk: TcpSock) -> bool:
    """It is time to send the option again: so many times a round trip.  (Inline in Linux.)"""
    beacon = sk.ts.tcp_ecn_option_beacon
    if not beacon:
        return False
    return (sk.mstamp_us - state_of(sk).accecn_opt_tstamp) * beacon >= sk.srtt_us >> 3


def wants_option(sk: TcpSock) -> bool:
    """Whether a segment of an AccECN connection is to carry the option."""
    a = state_of(sk)
    how = sk.ts.tcp_ecn_option
    if not how or not a.saw_accecn_opt or a.accecn_fail_mode & TCP_ACCECN_OPT_FAIL_SEND:
        return False
    return how >= 2 or a.accecn_opt_demand > 0 or tcp_accecn_option_beacon_check(sk)


def accecn_sent(sk: TcpSock) -> None:
    """The option was written into a segment."""
    a = state_of(sk)
    a.accecn_minlen = 0
    a.accecn_opt_tstamp = sk.mstamp_us
    if a.accecn_opt_demand:
        a.accecn_opt_demand -= 1


def tcp_accecn_process_option(sk: TcpSock, skb: SkBuff, delivered_bytes: int, slow: bool) -> bool:
    """Take the peer's byte counters; True: they can be trusted."""
    a = state_of(sk)
    if a.accecn_fail_mode & TCP_ACCECN_OPT_FAIL_RECV:
        return False
    off = sk.rx_opt.accecn
    estimate = a.est_ecnfield
    if not slow or not off:
        if not a.saw_accecn_opt:
            if sk.bytes_sent >= (1 << 23) - 1:
                saw_opt(sk, TCP_ACCECN_OPT_FAIL_SEEN)
            return False
        if estimate:
            a.delivered_ecn_bytes[estimate] = (a.delivered_ecn_bytes[estimate] + delivered_bytes) & M32
            return True
        return False
    head = skb.head
    p = tcb(skb).th + off
    order = _ORDER[1 if head[p] == TCPOPT_ACCECN1 else 0]
    n = head[p + 1] - 2
    p += 2
    if a.saw_accecn_opt < TCP_ACCECN_OPT_COUNTER_SEEN:
        saw_opt(sk, tcp_accecn_option_init(skb, off))
    res = bool(estimate)
    changed = ambiguous = False
    for ect in order:
        if n < 3:
            break
        value = (int.from_bytes(head[p : p + 3], "big") - _INIT[ect]) & 0xFFFFFF
        delta = (value - a.delivered_ecn_bytes[ect]) & 0xFFFFFF
        if delta & 0x800000:
            delta -= 1 << 24
        a.delivered_ecn_bytes[ect] = (a.delivered_ecn_bytes[ect] + delta) & M32
        if delta < 0:
            res = False
            ambiguous = True
        if delta and ect != estimate:
            if not changed:
                a.est_ecnfield = ect
                changed = True
            else:
                res = False
                ambiguous = True
        n -= 3
        p += 3
    if ambiguous:
        a.est_ecnfield = 0
    return res


def tcp_accecn_process(sk: TcpSock, skb: SkBuff, pkts: int, nbytes: int, progress: bool, slow: bool, syn: bool) -> int:
    """How many more of our segments were marked, by an ACK that covers `pkts` of them and `nbytes`.

    `progress`: it is newer than the last one; `slow`: it did not take the fast path; `syn`: it covers our SYN.
    """
    if not progress:
        return 0
    a = state_of(sk)
    old_ceb = a.delivered_ecn_bytes[INET_ECN_CE]
    valid = tcp_accecn_process_option(sk, skb, nbytes, slow)
    mask = TCP_ACCECN_CEP_ACE_MASK
    if not slow and pkts <= mask:
        return 0
    if syn:
        return 0
    if a.received_ce_pending >= TCP_ACCECN_ACE_MAX_DELTA:
        sk.ack_pending |= ICSK_ACK_NOW
    delta = (tcp_accecn_ace(skb) - TCP_ACCECN_CEP_INIT_OFFSET - sk.delivered_ce) & mask
    if pkts <= mask:
        return delta
    safe = pkts - ((pkts - delta) & mask)
    if valid:
        d_ceb = (a.delivered_ecn_bytes[INET_ECN_CE] - old_ceb) & M32
        if not d_ceb:
            return delta
        if pkts >= (mask + 1) * 2 and (sk.rx_opt.sack_ok or sk.ca_state in (TCP_CA_Open, TCP_CA_CWR)):
            if nbytes <= d_ceb:
                return safe
            est = -(-d_ceb * pkts // nbytes)
            return min(safe, delta + (est & ~mask))
        if d_ceb > delta * sk.mss_cache:
            return safe
        if d_ceb < safe * sk.mss_cache >> TCP_ACCECN_SAFETY_SHIFT:
            return delta
    return safe
