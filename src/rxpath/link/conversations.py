"""The TCP conversations of one host in a capture: one pass over its records, both directions.

What belongs here: what was sent when, by whom, and what a host that is to take the captured one's place has to know
of it.  What does not: programs and sockets (tune/tcp_replay.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

from rxpath.link.capture import RawRecord
from rxpath.link.source import BadFcsFrame
from rxpath.wire.ethernet import ETH_P_IP, WireError, network_offset
from rxpath.wire.ipv4 import IPPROTO_TCP
from rxpath.wire.tcp import (
    TCP_HDR,
    TCPHDR_ACK,
    TCPHDR_FIN,
    TCPHDR_RST,
    TCPHDR_SYN,
    TCPOPT_SACK_PERM,
    TCPOPT_TIMESTAMP,
    TCPOPT_WINDOW,
    tcp_options,
)

_ADDRS: Final = Struct(">II")
M32: Final = 0xFFFFFFFF

BY_PEER: Final = "peer"
BY_HOST: Final = "host"
BEFORE: Final = "before the capture"

CONNECT: Final = "connect"
SEND: Final = "send"
FIN: Final = "shutdown"
RST: Final = "reset"

# How long before a captured segment its program acts, at most: a system call and the way down take time.
LEAD_NS: Final = 200_000
# An acknowledgment further ahead is no sign of data that the capture lost.
MOST_UNSEEN: Final = 16 << 20
MOST_KEPT: Final = 256 << 20
# A frame with one VLAN tag that a card with the usual MTU takes, without FCS.
MOST_FRAME: Final = 1518


class Act:
    """What the host's program did: at `time` (of the capture, ns), `kind`, with `size` bytes of `data` (zeros follow
    where the capture has fewer).
    """

    __slots__ = ("data", "kind", "size", "time")

    def __init__(self, time: int, kind: str, data: bytes = b"", size: int = 0) -> None:
        self.time = time
        self.kind = kind
        self.data = data
        self.size = size


class Sent:
    """What one side was seen to send: `bytes` once, whatever was sent again in `again` (segments with data)."""

    __slots__ = ("acks", "again", "bytes", "fins", "resets", "segments")

    def __init__(self) -> None:
        self.segments = 0
        self.bytes = 0
        self.again = 0
        self.acks = 0
        self.fins = 0
        self.resets = 0


class Conversation:
    """One connection of the host. Sequence numbers are as on the wire; -1 is unknown.

    `closed`: the host's program closed it at once, so that what came later was answered with a reset. `fast_open`: data
    went with the SYN, and was taken. `confirmed`: the peer was seen to go on behind the handshake.

    What may make another one of it here: `jump`, the largest step of a sequence number that cannot be followed;
    `backwards`, a record was earlier than the one before it; `synack_data`, data went with the SYN-ACK; `spurned`, the
    host went on behind a reset of the peer's; `long`, frames of the peer beyond what a card takes.
    """

    __slots__ = (
        "acts", "answered", "backwards", "closed", "confirmed", "fast_open", "gaps", "host_nxt", "host_sent",
        "host_tsval", "isn", "jump", "last", "long", "lport", "no_sack", "no_tstamp", "no_wscale", "opened", "over",
        "peer_base", "peer_fin", "peer_fin_time", "peer_isn", "peer_tsval", "raddr", "ranges", "read_at_fin",
        "reset", "rport", "spurned", "start", "synack_data", "tstamps", "unseen", "window",
    )  # fmt: skip

    def __init__(self, lport: int, raddr: int, rport: int, opened: str, start: int) -> None:
        self.lport = lport
        self.raddr = raddr
        self.rport = rport
        self.opened = opened
        self.start = start
        self.last = start
        self.isn = -1
        self.peer_isn = -1
        self.answered = opened != BY_PEER
        self.host_nxt = -1
        self.peer_base = -1
        self.host_tsval = -1
        self.peer_tsval = -1
        self.window = 0
        self.tstamps = False
        self.no_tstamp = self.no_sack = self.no_wscale = False
        self.acts: list[Act] = []
        self.host_sent = Sent()
        # bytes of the peer, from peer_base on, without gaps between: [from, to)
        self.ranges: list[list[int]] = []
        self.unseen = 0
        self.over = False
        self.closed = False
        self.read_at_fin = 0
        self.fast_open = False
        # what the host sent and the capture had not shown when its end was seen: (first byte, act)
        self.gaps: list[tuple[int, Act]] = []
        self.confirmed = opened == BEFORE
        self.peer_fin = -1
        self.peer_fin_time = 0
        self.jump = 0
        self.backwards = False
        self.synack_data = False
        self.reset = False
        self.spurned = False
        self.long = 0

    @property
    def peer_bytes(self) -> int:
        """What a program could read: up to the first gap, and not once it had closed."""
        return self.read_at_fin if self.closed else self.contiguous()

    def contiguous(self) -> int:
        return self.ranges[0][1] if self.ranges and self.ranges[0][0] == 0 else 0

    def act(self, now: int, kind: str, data: bytes = b"", size: int = 0) -> None:
        self.acts.append(Act(now - min((now - self.last) // 2, LEAD_NS), kind, data, size))

    def finished(self, now: int, ack: int) -> None:
        """The host's FIN; one that crossed the peer's was sent before that came, however the capture shows them."""
        self.act(now, FIN)
        if self.peer_fin >= 0 and signed(ack - self.peer_fin) < 0:
            earlier = self.acts[-2].time if len(self.acts) > 1 else self.start
            last = self.acts[-1]
            last.time = max(min(last.time, self.peer_fin_time - LEAD_NS), earlier)

    def host_sends(self, now: int, upto: int, data: bytes = b"", size: int = 0) -> None:
        """The host's stream now ends at `upto`, with `size` bytes of which the capture has `data`; what lies before is
        unseen.
        """
        gap = ((upto - self.host_nxt) & M32) - size
        if gap > 0:
            self.unseen += gap
            self.act(now, SEND, b"", gap)
            self.gaps.append((self.host_nxt, self.acts[-1]))
        if size:
            self.act(now, SEND, data, size)
        self.host_sent.bytes += gap + size
        self.host_nxt = upto

    def fill(self, seq: int, data: bytes) -> None:
        """Data of a segment that came late or again: it may be what a gap had."""
        for first, act in self.gaps:
            at = signed(first - seq)
            if 0 <= at and at + act.size <= len(data) and not act.data:
                act.data = data[at : at + act.size]
                self.unseen -= act.size

    def peer_range(self, seq: int, size: int) -> None:
        start = signed(seq - self.peer_base)
        if self.ranges and self.ranges[-1][1] > 1 << 30:  # far from the beginning: count from the end
            top = self.ranges[-1][1]
            start = top + signed(seq - self.peer_base - top)
        end = start + size
        start = max(start, 0)
        if end <= start:
            return
        ranges = self.ranges
        if ranges and ranges[-1][0] <= start <= ranges[-1][1]:
            ranges[-1][1] = max(ranges[-1][1], end)
            return
        ranges.append([start, end])
        ranges.sort()
        merged = [ranges[0]]
        for r in ranges[1:]:
            if r[0] <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], r[1])
            else:
                merged.append(r)
        self.ranges = merged


class Conversations:
    """All conversations of `host`, in the order of their beginning. `refused`: resets that the host sent from ports
    where nobody listened. `loops`: segments from the host to itself.
    """

    __slots__ = ("current", "found", "host", "kept", "latest", "loops", "refused")

    def __init__(self, host: int) -> None:
        self.host = host
        self.found: list[Conversation] = []
        self.current: dict[tuple[int, int, int], Conversation] = {}
        self.refused = 0
        self.loops = 0
        self.kept = 0
        self.latest = 0

    def begin(self, key: tuple[int, int, int], opened: str, now: int) -> Conversation:
        talk = Conversation(key[0], key[1], key[2], opened, now)
        self.found.append(talk)
        self.current[key] = talk
        return talk

    def look(self, now: int, frame: bytes, length: int) -> None:
        """One record; `length` is that of the frame, of which `frame` may be the beginning."""
        off, protocol = network_offset(frame)
        have = len(frame)
        if protocol != ETH_P_IP or have < off + 40 or frame[off + 9] != IPPROTO_TCP or frame[off] >> 4 != 4:
            return
        if (frame[off + 6] & 0x3F) | frame[off + 7]:
            return
        src, dst = _ADDRS.unpack_from(frame, off + 12)
        host = self.host
        if src != host and dst != host:
            return
        if src == dst:
            self.loops += 1
            return
        th = off + (frame[off] & 15) * 4
        if have < th + 20:
            return
        sport, dport, seq, ack, doff, flags, window, _, _ = TCP_HDR.unpack_from(frame, th)
        start = th + (doff >> 4) * 4
        total = frame[off + 2] << 8 | frame[off + 3]
        end = off + total if total else length
        if start < th + 20 or end < start:
            return
        if flags & TCPHDR_SYN and flags & (TCPHDR_FIN | TCPHDR_RST):
            return  # no stack opens by that
        backwards = now < self.latest
        self.latest = max(now, self.latest)
        size = end - start
        tsval, tsecr = -1, -1
        seen: set[int] = set()
        if start > th + 20 and start <= have:
            tsval, tsecr, seen = options(frame[th + 20 : start])
        if src == host:
            data = frame[start : min(end, have)]
            key = (sport, dst, dport)
            self.from_host(now, key, seq, ack, flags, window, data, size, tsval, tsecr, seen)
        else:
            key = (dport, src, sport)
            self.from_peer(now, key, seq, ack, flags, window, size, tsval, tsecr)
        talk = self.current.get(key)
        if talk is not None:
            talk.backwards = talk.backwards or backwards
            if src != host and length > MOST_FRAME:
                talk.long += 1

    def from_peer(
        self,
        now: int,
        key: tuple[int, int, int],
        seq: int,
        ack: int,
        flags: int,
        window: int,
        size: int,
        tsval: int,
        tsecr: int,
    ) -> None:
        talk = self.current.get(key)
        if flags & TCPHDR_RST:
            if talk is not None:
                talk.last = now
                # one that answers a SYN must say which
                if talk.peer_base >= 0 or (flags & TCPHDR_ACK and ack == talk.host_nxt):
                    talk.over = True
                    talk.reset = True
            return
        if flags & TCPHDR_SYN:
            if not flags & TCPHDR_ACK:
                if talk is not None and talk.opened == BEFORE and talk.isn >= 0 and talk.peer_base == (seq + 1) & M32:
                    talk.opened = BY_PEER  # the answer was captured before the question
                    talk.peer_isn = seq
                elif talk is None or talk.over or talk.peer_isn != seq:
                    talk = self.begin(key, BY_PEER, now)
                    talk.peer_isn = seq
                    talk.peer_base = (seq + 1) & M32
            elif talk is None or talk.over or talk.opened != BY_HOST:
                talk = self.begin(key, BY_HOST, now)
                talk.isn = (ack - 1) & M32
                talk.host_nxt = ack
                talk.host_tsval = tsecr
                talk.acts.append(Act(now - LEAD_NS, CONNECT))
            if flags & TCPHDR_ACK and talk is not None:
                talk.confirmed = talk.confirmed or talk.opened == BY_HOST
                talk.peer_isn = seq
                talk.peer_base = (seq + 1) & M32
                first = talk.acts[0] if talk.acts else None
                if first is not None and first.size and ack == (talk.isn + 1 + first.size) & M32:
                    talk.fast_open = True
                    talk.host_nxt = ack
                    talk.host_sent.bytes += first.size
            if talk is not None:
                talk.last = now
            return
        if talk is None or (talk.over and talk.peer_base < 0):
            if not flags & TCPHDR_ACK:
                return
            talk = self.begin(key, BEFORE, now)
            talk.peer_base = seq
            talk.host_nxt = ack
            talk.host_tsval = tsecr
        if talk.over and not talk.confirmed:
            return  # it ended before it began
        if flags & TCPHDR_ACK and talk.answered:
            talk.confirmed = True
        if talk.peer_base < 0:
            talk.peer_base = seq
        if talk.host_nxt < 0 and flags & TCPHDR_ACK:  # its SYN-ACK is not in the capture
            talk.isn = (ack - 1) & M32
            talk.host_nxt = ack
            talk.host_tsval = tsecr
            talk.answered = talk.confirmed = True
        if tsval >= 0:
            talk.tstamps = True
            if talk.peer_tsval < 0:
                talk.peer_tsval = tsval
        if not talk.window:
            talk.window = window
        ahead = signed(ack - talk.host_nxt) if flags & TCPHDR_ACK and not talk.host_sent.fins else 0
        if 0 < ahead <= MOST_UNSEEN:
            talk.host_sends(now, ack)
        elif ahead > 0:
            talk.jump = max(talk.jump, ahead)
        if flags & TCPHDR_FIN and talk.peer_fin < 0:
            talk.peer_fin = (seq + size + 1) & M32
            talk.peer_fin_time = now
        if size:
            talk.peer_range(seq, size)
        talk.last = now

    @staticmethod
    def answers(talk: Conversation, seq: int, tsval: int, seen: set[int]) -> None:
        """The host's SYN-ACK, for the first time."""
        talk.isn = seq
        talk.host_nxt = (seq + 1) & M32
        talk.host_tsval = tsval
        talk.answered = True
        talk.no_tstamp = TCPOPT_TIMESTAMP not in seen
        talk.no_sack = TCPOPT_SACK_PERM not in seen
        talk.no_wscale = TCPOPT_WINDOW not in seen

    def from_host(
        self,
        now: int,
        key: tuple[int, int, int],
        seq: int,
        ack: int,
        flags: int,
        window: int,
        data: bytes,
        size: int,
        tsval: int,
        tsecr: int,
        seen: set[int],
    ) -> None:
        talk = self.current.get(key)
        if flags & TCPHDR_RST:
            if talk is None or (talk.opened == BY_PEER and not talk.answered):
                self.refused += 1
                return
            if talk.host_sent.fins:
                talk.closed = True
            elif not talk.over:
                talk.act(now, RST)
            talk.host_sent.resets += 1
            talk.over = True
            talk.last = now
            return
        if flags & TCPHDR_SYN:
            if not flags & TCPHDR_ACK:
                if talk is None or talk.over or talk.isn != seq:
                    talk = self.begin(key, BY_HOST, now)
                    talk.isn = seq
                    talk.host_nxt = (seq + 1) & M32
                    talk.host_tsval = tsval
                    talk.acts.append(Act(now - LEAD_NS, CONNECT, data, size))
            elif talk is None or talk.over:
                talk = self.begin(key, BEFORE, now)
                talk.peer_base = ack
                self.answers(talk, seq, tsval, seen)
            elif talk.isn < 0:
                self.answers(talk, seq, tsval, seen)
                talk.synack_data = size > 0
                if signed(ack - talk.peer_base) > 0:
                    talk.fast_open = True
                    talk.peer_range(talk.peer_base, signed(ack - talk.peer_base))
            talk.last = now
            return
        if talk is None:
            if not flags & TCPHDR_ACK:
                return
            talk = self.begin(key, BEFORE, now)
            talk.host_nxt = seq
            talk.peer_base = ack
            talk.host_tsval = tsval
            talk.peer_tsval = tsecr
        if talk.host_nxt < 0:
            if talk.peer_base >= 0 and signed(ack - talk.peer_base) < 0:
                return  # it does not take the SYN
            talk.host_nxt = seq
            talk.isn = (seq - 1) & M32
            talk.answered = True
        if talk.reset and size:
            talk.spurned = True
        if tsval >= 0:
            talk.tstamps = True
        if talk.opened == BEFORE and not talk.ranges and signed(ack - talk.peer_base) > 0:
            talk.peer_base = ack
        sent = talk.host_sent
        sent.segments += 1
        fin = flags & TCPHDR_FIN
        new = signed(seq + size - talk.host_nxt)
        if new > MOST_UNSEEN + size:
            talk.jump = max(talk.jump, new)
            return
        if size or (fin and new > 0 and not sent.fins):
            if new < size:
                sent.again += 1
            if talk.gaps:
                talk.fill(seq, data)
            if new > 0 and not sent.fins:
                part = min(new, size)
                kept = data[size - part :]
                self.kept += len(kept)
                if self.kept > MOST_KEPT:
                    kept = b""
                talk.host_sends(now, (seq + size) & M32, kept, part)
        if fin:
            if not sent.fins:
                talk.finished(now, ack)
                talk.read_at_fin = talk.contiguous()
            sent.fins += 1
        elif not size:
            sent.acks += 1
        talk.last = now


def signed(n: int) -> int:
    """A difference of sequence numbers."""
    n &= M32
    return n - 0x100000000 if n & 0x80000000 else n


def options(block: bytes) -> tuple[int, int, set[int]]:
    """(TSval, TSecr, kinds present); -1 without a time stamp."""
    tsval = tsecr = -1
    seen: set[int] = set()
    try:
        for kind, body in tcp_options(block):
            seen.add(kind)
            if kind == TCPOPT_TIMESTAMP and len(body) == 8:
                tsval, tsecr = _ADDRS.unpack(body)
    except WireError:  # what came before counts, as for the kernel
        pass
    return tsval, tsecr, seen


def conversations(records: Iterable[RawRecord], host: int) -> Conversations:
    """One pass over the records as Ethernet frames. CaptureError passes through."""
    out = Conversations(host)
    for now, frame, length, _, _ in records:
        if type(frame) is not BadFcsFrame:
            out.look(now, frame, length)
    return out
