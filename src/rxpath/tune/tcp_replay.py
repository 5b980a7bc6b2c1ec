"""The captured host's side of its TCP conversations, played by programs of the modelled machine.

What lives here: listeners, one program a conversation that sends, shuts down and resets when the captured host did,
what is told to the stack so that the recorded peer stays in the conversation, and the account of what then differs.
What was in the capture is link/conversations.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import Any, Final

from rxpath.drivers.lib import sleep_ns
from rxpath.link.conversations import (
    BEFORE,
    BY_HOST,
    BY_PEER,
    CONNECT,
    MOST_FRAME,
    RST,
    SEND,
    Act,
    Conversation,
    Conversations,
    Sent,
    signed,
)
from rxpath.machine import Machine
from rxpath.net.core.sock import MSG_MORE, SO_LINGER, SO_RCVBUF, SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET, TCP_CLOSE
from rxpath.net.ipv4.tcp.fastopen import (
    TFO_CLIENT_ENABLE,
    TFO_CLIENT_NO_COOKIE,
    TFO_SERVER_COOKIE_NOT_REQD,
    TFO_SERVER_ENABLE,
    TFO_SERVER_WO_SOCKOPT1,
)
from rxpath.net.ipv4.tcp.output import tcp_packets_in_flight
from rxpath.net.ipv4.tcp.repair import tcp_restore, tcp_set_tsval
from rxpath.net.ipv4.tcp.sock import MSG_FASTOPEN, ConnHint, TcpSock, tcp_state_of
from rxpath.sim.ledger import Site
from rxpath.sockets import Socket
from rxpath.units import human_count
from rxpath.wire.addr import ip4_str
from rxpath.wire.ethernet import ETH_P_IP, network_offset
from rxpath.wire.ipv4 import IPPROTO_TCP
from rxpath.wire.tcp import TCP_HDR, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN

M32: Final = 0xFFFFFFFF
PORTS_SEQ: Final = Struct(">HHI")
SOL_TCP: Final = 6
TCP_NODELAY: Final = 1
BACKLOG: Final = 4096
READ_SIZE: Final = 65536
MOST_LISTED: Final = 100
SHUT_WR: Final = 1
RESET_ON_CLOSE: Final = b"\x01\0\0\0\0\0\0\0"
AF_INET: Final = 2
SOCK_STREAM: Final = 1


@dataclass(slots=True)
class TcpListener:
    """A listening program: it converses as the captured host did, or `echo`es, or (`sink`) reads only."""

    port: int
    address: int = 0
    cpu: int = 0
    cost_ns: int = 0
    rcvbuf: int = 0
    readers: int = 1
    echo: bool = False
    sink: bool = False
    reuseport: bool = False


class Live:
    """A conversation as it runs here."""

    __slots__ = (
        "broken", "established", "finished", "host", "lost", "max_sent", "raised", "read", "sent", "sock", "start_seq",
        "talk", "waiting",
    )  # fmt: skip

    def __init__(self, talk: Conversation, host: int) -> None:
        self.talk = talk
        self.host = host
        self.sock: Socket | None = None
        self.sent = Sent()
        self.start_seq = -1
        self.max_sent = 0
        self.read = 0
        self.raised = 0
        self.established = False
        self.waiting = 2
        self.finished = False
        self.broken = ""
        self.lost: dict[str, int] = {}  # frames of the peer that were dropped, by reason, the first one first

    @property
    def name(self) -> str:
        t = self.talk
        way = "->" if t.opened == BY_HOST else "<-"
        return f":{t.lport} {way} {ip4_str(t.raddr)}:{t.rport}"

    def acks_of_unsent(self) -> int:
        return self.sock.sk.unsent_acks if self.sock is not None else 0

    def differences(self) -> dict[str, list[int]]:
        """Name -> [here, in the capture], where that makes the conversation another one."""
        t = self.talk
        out: dict[str, list[int]] = {}
        if not self.established and t.confirmed:
            out["established"] = [0, 1]
        if self.read != t.peer_bytes:
            out["bytes read"] = [self.read, t.peer_bytes]
        if self.sent.bytes != t.host_sent.bytes:
            out["bytes sent"] = [self.sent.bytes, t.host_sent.bytes]
        if self.sent.resets > t.host_sent.resets:
            out["resets"] = [self.sent.resets, t.host_sent.resets]
        unsent = self.acks_of_unsent()
        if unsent:
            out["acknowledgments of data not sent"] = [unsent, 0]
        return out

    def reason(self, differs: dict[str, list[int]]) -> str:
        """Why it differs: what is wrong with the capture, what became of its frames, or who behaved otherwise."""
        t = self.talk
        why: list[str] = []
        if t.jump:
            why.append(f"the capture lacks most of it: its sequence numbers jump by {human_count(t.jump)} bytes")
        if 127 in (t.raddr >> 24, self.host >> 24):
            why.append("it is of the loopback device, whose addresses are refused from a wire")
        if t.synack_data:
            why.append("the captured host sent data with its SYN-ACK, which Linux does not")
        if t.spurned and self.broken:
            why.append("the peer's reset ended it here, the captured host went on")
        if t.backwards and "acknowledgments of data not sent" in differs:
            why.append("times in the capture go backwards, so that acknowledgments come before what they acknowledge")
        if list(differs) == ["resets"]:
            why.append("after its end every segment is answered with a reset here, the captured host answered fewer")
        if self.lost and not why:
            words, count = next(iter(self.lost.items()))
            why.append(f"{of_the_peer(count)} dropped: {words}")
        if t.long and not self.established:
            why.append(f"{of_the_peer(t.long)} longer than a card takes ({MOST_FRAME} bytes)")
        if not why and "acknowledgments of data not sent" in differs:
            why.append("the peer acknowledges what the captured host was not seen to send")
        return "; ".join(why) or "the captured host behaved otherwise than this release"


def of_the_peer(count: int) -> str:
    return "a frame of the peer's was" if count == 1 else f"{count} frames of the peer's were"


class TcpReplay:
    """All of it on one machine. `prepare` before the first frame, `begin` when its time is known, `report` after."""

    def __init__(
        self, machine: Machine, found: Conversations | None, listeners: list[TcpListener], host: int, everyone: bool
    ) -> None:
        """`everyone`: all conversations of the capture are played, not only those of the listeners' ports."""
        self.machine = machine
        self.host = host
        self.listeners = listeners
        self.reads: dict[int, int] = {}
        own = {s.port for s in listeners if not s.echo and not s.sink}
        self.lives = [
            Live(t, host)
            for t in (found.found if found is not None else ())
            if t.answered and t.peer_base >= 0 and t.host_nxt >= 0 and (everyone or t.lport in own)
        ]
        self.found = found
        self.by_key: dict[tuple[int, int, int], list[Live]] = {}
        for live in self.lives:
            t = live.talk
            self.by_key.setdefault((t.raddr, t.lport, t.rport), []).append(live)
        self.offset = 0
        self.first = 0
        self.speed: tuple[int, int] = (1, 1)
        self.cuts: list[tuple[int, int]] = []
        self.strays = Sent()
        self.restored = 0
        self.counting = False
        self.turn = 0

    # --- before the first frame ---

    def prepare(self) -> None:
        """Hints, restored connections, listeners."""
        m = self.machine
        ts = tcp_state_of(m.net.ipv4)
        for t in self.found.found if self.found is not None else ():
            if t.opened == BEFORE or t.isn < 0:
                continue
            if t.fast_open and t.opened == BY_PEER:
                ts.tcp_fastopen |= TFO_SERVER_ENABLE | TFO_SERVER_COOKIE_NOT_REQD | TFO_SERVER_WO_SOCKOPT1
            hint = ConnHint(t.isn, t.host_tsval)
            hint.no_tstamp, hint.no_sack, hint.no_wscale = t.no_tstamp, t.no_sack, t.no_wscale
            ts.hints[(self.host, t.lport, t.raddr, t.rport, t.peer_isn if t.opened == BY_PEER else -1)] = hint
        before = [live for live in self.lives if live.talk.opened == BEFORE]
        if before:
            m.in_task(partial(self.restore, before), "restore")
        for spec in self.listeners:
            self.listen(spec)
        m.kernel.ledger.on_drop = self.dropped
        port = m.ports[0]
        earlier = port.on_transmit
        port.on_transmit = self.transmitted if earlier is None else partial(self.both, earlier)

    def restore(self, lives: list[Live]) -> None:
        """Connections that the capture shows from the middle on."""
        by_port: dict[int, list[Live]] = {}
        for live in lives:
            by_port.setdefault(live.talk.lport, []).append(live)
        for port, some in by_port.items():
            base = Socket(self.machine.net, AF_INET, SOCK_STREAM)
            try:
                base.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
                base.bind((ip4_str(self.host), port))
                base.listen(1)
                for live in some:
                    self.restore_one(base.sk, live)
            except OSError as e:
                for live in some:
                    live.broken = live.broken or str(e)
            finally:
                base.close()

    def restore_one(self, listener: TcpSock, live: Live) -> None:
        t = live.talk
        key = (self.host, t.lport, t.raddr, t.rport)
        if key in listener.ts.ehash:
            live.broken = "begins twice"
            return
        recent = max(t.peer_tsval, 0) if t.tstamps else -1
        first = self.first_host_seq(t)
        sk = tcp_restore(listener, self.host, t.raddr, t.rport, t.peer_base, first, t.window or 65535, recent)
        if sk is not None:
            live.sock = Socket(self.machine.net, AF_INET, SOCK_STREAM, 0, sk=sk)
            self.restored += 1

    @staticmethod
    def first_host_seq(t: Conversation) -> int:
        """Where the host's stream began for us: what it ends at, less all that it sends."""
        return (t.host_nxt - t.host_sent.bytes) & M32

    def listen(self, spec: TcpListener) -> None:
        m = self.machine
        cpus = len(m.kernel.cpus)
        copies = spec.readers if spec.reuseport else 1
        for n in range(copies):
            sock = m.socket(AF_INET, SOCK_STREAM)
            sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            if spec.reuseport:
                sock.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
            if spec.rcvbuf:
                sock.setsockopt(SOL_SOCKET, SO_RCVBUF, spec.rcvbuf)
            sock.bind((ip4_str(spec.address) if spec.address else "", spec.port))
            sock.listen(BACKLOG)
            self.reads.setdefault(spec.port, 0)
            for k in range(1 if spec.reuseport else spec.readers):
                cpu = (spec.cpu + n + k) % cpus
                m.spawn(partial(self.accepting, sock, spec, cpu), cpu=cpu, name=f"tcp:{spec.port}")

    # --- times ---

    def begin(self, first: int, offset: int, speed: tuple[int, int], cuts: list[tuple[int, int]]) -> None:
        """The first frame is of time `first` and comes at `first + offset`; from now on programs act."""
        self.first, self.offset, self.speed, self.cuts = first, offset, speed, cuts
        self.counting = True
        m = self.machine
        for live in self.lives:
            t = live.talk
            if t.opened == BEFORE and live.sock is not None:
                if t.host_tsval >= 0:
                    tcp_set_tsval(live.sock.sk, t.host_tsval - (self.at(t.start) - m.now) // 1_000_000)
                self.converse(live, 0, 0)
            elif t.opened == BY_HOST:
                cpu = self.next_cpu()
                m.spawn(partial(self.connect, live, cpu), cpu=cpu, name="connect")

    def at(self, time: int) -> int:
        """A time of the capture as the machine's."""
        cut = 0
        for when, total in self.cuts:
            if time > when:
                cut = total
        num, den = self.speed
        return self.first + (time - cut - self.first) * den // num + self.offset

    def acts_before(self, time: int) -> bool:
        """Whether a program acts before the first frame is there."""
        return any(live.talk.acts and live.talk.acts[0].time < time for live in self.lives)

    def end(self) -> int:
        """The machine's time of the last act."""
        return max((self.at(live.talk.acts[-1].time) for live in self.lives if live.talk.acts), default=0)

    def next_cpu(self) -> int:
        self.turn += 1
        return self.turn % len(self.machine.kernel.cpus)

    # --- programs ---

    def accepting(self, sock: Socket, spec: TcpListener, cpu: int) -> None:
        m = self.machine
        while True:
            try:
                conn, _ = sock.accept()
            except OSError:
                continue
            if spec.echo or spec.sink:
                m.spawn(partial(self.serve, conn, spec), cpu=cpu, name=f"tcp:{spec.port}")
                continue
            live = self.expected(conn.sk)
            if live is None:
                m.spawn(partial(self.serve, conn, spec), cpu=cpu, name=f"tcp:{spec.port}")
                continue
            live.sock = conn
            self.converse(live, cpu, spec.cost_ns)

    def expected(self, sk: TcpSock) -> Live | None:
        for live in self.by_key.get((sk.daddr, sk.num, sk.dport), ()):
            if live.sock is None and live.talk.opened == BY_PEER and (live.talk.isn + 1) & M32 == sk.snd_una:
                return live
        return None

    def serve(self, conn: Socket, spec: TcpListener) -> None:
        """A connection that the capture has no words for: read, and echo."""
        try:
            while True:
                data = conn.recv(READ_SIZE)
                if not data:
                    break
                self.took(spec.port, len(data), spec.cost_ns)
                if spec.echo:
                    conn.sendall(data)
        except OSError:
            pass
        conn.close()

    def took(self, port: int, size: int, cost_ns: int) -> None:
        self.reads[port] = self.reads.get(port, 0) + size
        if cost_ns:
            self.machine.kernel.cur().charge(cost_ns)

    def converse(self, live: Live, cpu: int, cost_ns: int) -> None:
        """Reader and writer of an established connection."""
        m = self.machine
        live.established = True
        sock = live.sock
        assert sock is not None
        sk = sock.sk
        sk.sndbuf = max(sk.sndbuf, sk.ts.tcp_wmem[2])
        sk.nonagle |= 1
        m.spawn(partial(self.reading, live, sock, cost_ns), cpu=cpu, name="reader")
        m.spawn(partial(self.writing, live, sock), cpu=cpu, name="writer")

    def connect(self, live: Live, cpu: int) -> None:
        t = live.talk
        m = self.machine
        self.sleep_until(t.acts[0])
        sock = m.socket(AF_INET, SOCK_STREAM)
        to = (ip4_str(t.raddr), t.rport)
        try:
            sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            sock.bind((ip4_str(self.host), t.lport))
            live.sock = sock
            if t.fast_open:
                first = t.acts[0]
                sock.sk.ts.tcp_fastopen |= TFO_CLIENT_ENABLE | TFO_CLIENT_NO_COOKIE
                sock.sendto(first.data.ljust(first.size, b"\0"), MSG_FASTOPEN, to)
            else:
                sock.connect(to)
        except OSError as e:
            live.broken = str(e)
            sock.close()
            return
        self.converse(live, cpu, 0)

    def sleep_until(self, act: Act) -> None:
        kernel = self.machine.kernel
        left = self.at(act.time) - kernel.engine.now
        if left > 0:
            sleep_ns(kernel, left)

    def reading(self, live: Live, sock: Socket, cost_ns: int) -> None:
        try:
            while True:
                data = sock.recv(READ_SIZE)
                if not data:
                    break
                live.read += len(data)
                self.took(live.talk.lport, len(data), cost_ns)
        except OSError as e:
            live.broken = live.broken or str(e)
        self.done(live, sock)

    def writing(self, live: Live, sock: Socket) -> None:
        acts = live.talk.acts
        ended = False
        try:
            for n, act in enumerate(acts):
                if act.kind == CONNECT:
                    continue
                self.sleep_until(act)
                if act.kind == SEND:
                    more = n + 1 < len(acts) and acts[n + 1].time == act.time
                    self.send(live, sock, act, MSG_MORE if more else 0)
                elif act.kind == RST:
                    sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
                    live.waiting = 1
                    ended = True
                    break
                elif live.talk.closed:
                    live.waiting = 1
                    ended = True
                    break
                else:
                    sock.shutdown(SHUT_WR)
                    ended = True
        except OSError as e:
            live.broken = live.broken or str(e)
            ended = True
        if ended:
            self.done(live, sock)

    def send(self, live: Live, sock: Socket, act: Act, flags: int) -> None:
        """The bytes, and a congestion window that lets them out: the captured host's did."""
        sk = sock.sk
        if sk.state != TCP_CLOSE and sk.mss_cache:
            need = tcp_packets_in_flight(sk) + act.size // sk.mss_cache + 2
            if need > sk.snd_cwnd:
                sk.snd_cwnd = need
                live.raised += 1
        data = act.data if len(act.data) == act.size else act.data.ljust(act.size, b"\0")
        while data:
            data = data[sock.send(data, flags) :]

    def done(self, live: Live, sock: Socket) -> None:
        """Reader or writer has ended; the last one closes."""
        live.waiting -= 1
        if live.waiting <= 0 and not live.finished:
            live.finished = True
            sock.close()

    # --- what is lost ---

    def dropped(self, skb: Any, site: Site) -> None:
        """A frame ended by a drop: whose it was."""
        head: bytes = skb.head
        off = skb.network_header
        if len(head) < off + 40 or head[off] >> 4 != 4 or off < 14:
            off, protocol = network_offset(head)
            if protocol != ETH_P_IP:
                return
        if len(head) < off + 24 or head[off + 9] != IPPROTO_TCP:
            return
        th = off + (head[off] & 15) * 4
        if len(head) < th + 8:
            return
        raddr = int.from_bytes(head[off + 12 : off + 16], "big")
        rport, lport, seq = PORTS_SEQ.unpack_from(head, th)
        lives = self.by_key.get((raddr, lport, rport))
        if lives:
            live = min(lives, key=lambda v: abs(signed(seq - v.talk.peer_base)))
            live.lost[site.reason] = live.lost.get(site.reason, 0) + 1

    # --- what goes out ---

    def both(self, earlier: Callable[[int, bytes], None], now: int, frame: bytes) -> None:
        earlier(now, frame)
        self.transmitted(now, frame)

    def transmitted(self, now: int, frame: bytes) -> None:
        """Count what the stack sends, as Conversations counts what the host sent."""
        off, protocol = network_offset(frame)
        if not self.counting or protocol != ETH_P_IP or len(frame) < off + 40 or frame[off + 9] != IPPROTO_TCP:
            return
        th = off + (frame[off] & 15) * 4
        sport, dport, seq, _, doff, flags, _, _, _ = TCP_HDR.unpack_from(frame, th)
        size = off + (frame[off + 2] << 8 | frame[off + 3]) - th - (doff >> 4) * 4
        live = self.sender(int.from_bytes(frame[off + 16 : off + 20], "big"), sport, dport, seq)
        sent = live.sent if live is not None else self.strays
        if flags & TCPHDR_RST:
            sent.resets += 1
            return
        if flags & TCPHDR_SYN:
            if not size:
                return
            seq += 1
        sent.segments += 1
        if flags & TCPHDR_FIN:
            sent.fins += 1
        elif not size:
            sent.acks += 1
        if live is None or not size:
            return
        end = signed(seq + size - live.start_seq - live.max_sent)
        new = min(end, size)
        if new < size:
            sent.again += 1
        if new > 0:
            sent.bytes += new
            live.max_sent += end

    def sender(self, raddr: int, lport: int, rport: int, seq: int) -> Live | None:
        """Whose segment that is: of those with the same ports, the one nearest before the sequence number."""
        lives = self.by_key.get((raddr, lport, rport))
        if lives is None:
            return None
        for live in lives:
            if live.start_seq < 0:
                live.start_seq = self.first_host_seq(live.talk)
        if len(lives) == 1:
            return lives[0]
        live = min(lives, key=lambda v: abs(signed(seq - v.start_seq - v.max_sent)))
        return live

    # --- after ---

    def report(self) -> dict[str, Any]:
        """The account; empty without conversations and without listeners."""
        if not self.lives and not self.strays.segments and not self.strays.resets:
            return {}
        rows: list[dict[str, Any]] = []
        whole = 0
        here, captured = Sent(), Sent()
        read = could = raised = unsent = 0
        for live in self.lives:
            t = live.talk
            found = live.differences()
            if not found:
                whole += 1
            elif len(rows) < MOST_LISTED:
                row: dict[str, Any] = {"conversation": live.name, "opened": t.opened, "differs": found}
                row["reason"] = live.reason(found)
                if live.broken:
                    row["error"] = live.broken
                rows.append(row)
            for name in Sent.__slots__:
                setattr(here, name, getattr(here, name) + getattr(live.sent, name))
                setattr(captured, name, getattr(captured, name) + getattr(t.host_sent, name))
            read += live.read
            could += t.peer_bytes
            raised += live.raised
            unsent += live.acks_of_unsent()
        numbers = {n: [getattr(here, n), getattr(captured, n)] for n in sorted(Sent.__slots__)}
        numbers["read"] = [read, could]
        refused = self.found.refused if self.found is not None else 0
        numbers["resets_elsewhere"] = [self.strays.resets, refused]
        return {
            "conversations": len(self.lives),
            "whole": whole,
            "restored": self.restored,
            "here_and_captured": numbers,
            "acks_of_unsent_data": unsent,
            "congestion_windows_raised": raised,
            "unseen_bytes_sent_as_zeros": sum(live.talk.unseen for live in self.lives),
            "differences": rows,
            "differences_left_out": len(self.lives) - whole - len(rows),
        }


def ports_of(found: Conversations) -> list[int]:
    """The ports on which the host answered a SYN."""
    return sorted({t.lport for t in found.found if t.opened == BY_PEER and t.answered})
