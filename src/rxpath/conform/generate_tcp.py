"""Makes TCP scenarios from a seed: connections, what the peer sends to them, what the program does with its sockets.

What lives here: `TcpGen`, the common base (choice, connections that are followed, the peer's segments, steps of a
program), and one maker a group in `MAKERS`.  What does not: the bytes of a frame (tcp_script.py), the grammar of the
groups below TCP (generate.py), running (adapter.py, kernel.py), comparing (compare.py).  The same seed and group give
the same scenario.

A scenario is mostly ordinary: each segment deviates with a chance drawn once a scenario, so that it reaches deep into
a state and yet every field deviates somewhere.  Sleeps stay away from the times at which timers run out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from rxpath.conform.tcp_script import (
    FULL,
    ISN,
    PLAIN,
    PORT,
    SACK_OPTS,
    SOK,
    TS_OPTS,
    Tcp,
    icmp_error,
    mss,
    pat,
    seg,
    ts,
    ws,
)

SYN_OPTS: Final = (PLAIN, PLAIN, SACK_OPTS, TS_OPTS, FULL, FULL, b"", mss(536), mss(1000) + ws(2), mss(1460) + ts(100))
SLEEPS: Final = (10, 20, 70, 70, 120, 330, 700, 1150)
SIZES: Final = (0, 1, 2, 10, 100, 500, 1000, 1448, 1460)


class Conn:
    """One connection as the peer believes it to be."""

    __slots__ = ("sport", "dport", "opts", "isn", "nxt", "sent", "val", "sock")

    def __init__(self, sport: int, dport: int, opts: bytes, isn: int, sock: str) -> None:
        self.sport = sport
        self.dport = dport
        self.opts = opts
        self.isn = isn
        self.nxt = (isn + 1) & 0xFFFFFFFF  # the peer's next sequence number
        self.sent = 1  # what the machine has sent, FIN and SYN with it, from its initial number
        self.val = 101  # the peer's clock
        self.sock = sock  # id of the machine's socket, "" before it is accepted

    @property
    def stamps(self) -> bool:
        return b"\x08\x0a" in self.opts


class TcpGen:
    """A scenario's maker.  `rng` decides."""

    def __init__(self, rng: random.Random, group: str, name: str, frames: int) -> None:
        self.rng = rng
        self.odd = rng.choice((0.0, 0.05, 0.1, 0.25, 0.5))
        self.t = Tcp(name, group)
        self.t.name = name
        self.conns: list[Conn] = []
        self.left = frames
        self.count = 0

    # --- choice ------------------------------------------------------------------------------------------------------
    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def weird(self) -> bool:
        return self.rng.random() < self.odd

    def pick(self, seq: Any) -> Any:
        return seq[self.rng.randrange(len(seq))]

    def new_id(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    # --- the peer's segments -----------------------------------------------------------------------------------------
    def inject(self, *frames: Any) -> None:
        self.left -= len(frames)
        self.t.inject(*frames)

    def syn(self, c: Conn, flags: str = "S", **kw: Any) -> Any:
        return seg(flags, c.isn, 0, opts=c.opts, sport=c.sport, dport=c.dport, **kw)

    def segment(
        self, c: Conn, flags: str = "A", off: int = 0, ack: int | None = None, data: bytes = b"", **kw: Any
    ) -> Any:
        """A segment of the connection at its peer's next number + `off`; it does not move what is known of it."""
        if c.stamps and "opts" not in kw:
            c.val += self.rng.choice((0, 0, 1, 3))
            kw["opts"] = ts(c.val)
        a = (c.sent if ack is None else ack) if "A" in flags else 0
        return seg(flags, c.nxt + off, a, data, sport=c.sport, dport=c.dport, **kw)

    def send(self, c: Conn, flags: str = "PA", data: bytes = b"", **kw: Any) -> Any:
        """A segment in order: the peer's number moves on."""
        s = self.segment(c, flags, data=data, **kw)
        c.nxt = (c.nxt + len(data) + ("F" in flags)) & 0xFFFFFFFF
        return s

    # --- set-up ------------------------------------------------------------------------------------------------------
    def open_passive(self, opts: bytes | None = None, sockopts: list[Any] | None = None, backlog: int = 8) -> Conn:
        """A listener `l` when there is none yet, and an accepted connection to it."""
        if not any(s["id"] == "l" for s in self.t.sockets):
            self.t.listen(sockopts, backlog)
        c = Conn(40000 + len(self.conns), PORT, self.pick(SYN_OPTS) if opts is None else opts, ISN, self.new_id("c"))
        self.conns.append(c)
        self.inject(self.syn(c), self.segment(c))
        self.t.step("accept", sock="l", **{"as": c.sock})
        return c

    def open_active(self, opts: bytes | None = None, sockopts: list[Any] | None = None) -> Conn:
        """A connection that the machine opens; made before the steps, so the first one of a scenario."""
        self.t.connect(sockopts)
        c = Conn(9000, 6000, self.pick(SYN_OPTS) if opts is None else opts, ISN, "k")
        self.conns.append(c)
        self.inject(seg("SA", ISN, 1, opts=c.opts, sport=9000, dport=6000))
        return c

    # --- what a program does -----------------------------------------------------------------------------------------
    def write(self, c: Conn, n: int | None = None) -> None:
        n = self.pick((1, 10, 100, 1000, 3000)) if n is None else n
        self.t.send(n, c.sock)
        c.sent += n

    def look(self, c: Conn) -> None:
        t, s = self.t, c.sock
        k = self.rng.randrange(6)
        if k == 0:
            t.poll(s)
        elif k == 1:
            t.state(s)
        elif k == 2:
            t.recv_all(s)
        elif k == 3:
            t.get("SO_ERROR", s)
        elif k == 4:
            t.recv(self.pick((1, 10, 1000)), sock=s)
        else:
            t.sleep(self.pick(SLEEPS))


# --- tcp_hs, tcp_close, tcp_client ----------------------------------------------------------------------------------

SYN_FLAGS: Final = ("S", "S", "S", "S", "SE", "SC", "SEC", "SP", "SU", "SF", "SR", "SA", "SPU", "SFR", "SRA", "SFA")
ANY_FLAGS: Final = (
    "A", "A", "PA", "PA", "FA", "FA", "FPA", "R", "RA", "S", "SA", "SF", "", "F", "P", "U", "UA", "UPA", "EA", "CA", "ECA",
    "SR", "FRA", "SEC", "UFA", "FR",
)  # fmt: skip
OFFSETS: Final = (-100000, -1000, -2, -1, 1, 2, 10, 1000, 30000, 64239, 64240, 64241, 65535, 100000, 1 << 31)
ACKS: Final = (-100000, -65536, -1000, -1, 1, 2, 100, 70000, 1 << 30, 1 << 31)
STAMPS: Final = (-(1 << 31), -100000, -1000, -2, -1, 1, 100, 1 << 30, 1 << 31)
WINDOWS: Final = (0, 1, 100, 536, 1000, 5000, 65535)
OPTS_PIECES: Final = (
    mss(1460), mss(1460), mss(0), mss(1), mss(47), mss(48), mss(88), mss(536), mss(9000), mss(65535), SOK, SOK, ts(100), ts(100),
    ts(0), ts(1, 7), ts(0xFFFFFFFF), ws(0), ws(7), ws(7), ws(14), ws(15), ws(255), b"\1", b"\1\1", b"\0", b"\2\3\5", b"\2\4\5",
    b"\3\2", b"\3\4\7\7", b"\4\3\0", b"\5\2", b"\5\x0a\0\0\0\1\0\0\0\2", b"\x08\x09" + bytes(7), b"\x08\x0b" + bytes(9), b"\x13\x12" + bytes(16),
    b"\x1c\4\0\1", b"\x1e\4\0\0", b"\x22\2", b"\x22\x0aabcdefgh", b"\xfd\4\1\2", b"\xfe\4\xf9\x89", b"\xff\2", b"\x42\0", b"\x42\1", b"\x42\x40",
    b"\xac\5\1\2\3", b"\xae\x0b" + bytes(9),
)  # fmt: skip
LISTEN_OPTS: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("TCP_DEFER_ACCEPT", (1, 1, 3, 10)), ("TCP_SYNCNT", (1, 2, 127)), ("TCP_SAVE_SYN", (1,)), ("TCP_MAXSEG", (88, 536, 1000, 2000)),
    ("TCP_WINDOW_CLAMP", (1, 1000, 3000, 100000)), ("TCP_USER_TIMEOUT", (100, 1000, 5000)), ("TCP_LINGER2", (-1, 0, 1, 100)),
    ("TCP_NODELAY", (1,)), ("TCP_CORK", (1,)), ("TCP_QUICKACK", (0, 1)), ("SO_RCVBUF", (0, 2304, 5000, 20000, 1000000)),
    ("SO_SNDBUF", (0, 4608, 20000)), ("SO_LINGER", ([1, 0], [0, 0])), ("SO_KEEPALIVE", (1,)), ("TCP_KEEPIDLE", (1,)),
    ("TCP_KEEPINTVL", (1,)), ("TCP_KEEPCNT", (1, 2)), ("IP_TOS", (4, 0x10, 0xB8, 3)), ("IP_TTL", (1, 33, 255)), ("IP_MINTTL", (64, 65, 255)),
    ("IP_RECVERR", (1,)), ("IP_MTU_DISCOVER", (0, 1, 2, 3, 4, 5)), ("SO_OOBINLINE", (1,)), ("SO_RCVLOWAT", (1, 10, 1000)),
    ("SO_PRIORITY", (5,)), ("SO_MARK", (7,)), ("SO_REUSEADDR", (1,)), ("SO_REUSEPORT", (1,)), ("IP_TRANSPARENT", (1,)), ("IP_FREEBIND", (1,)),
)  # fmt: skip
SOCKET_OPTS: Final = (
    ("TCP_NODELAY", (0, 1)), ("TCP_CORK", (0, 1)), ("TCP_QUICKACK", (0, 1)), ("TCP_LINGER2", (-1, 0, 1)), ("SO_LINGER", ([1, 0], [0, 0])),
    ("SO_RCVBUF", (0, 5000, 300000)), ("TCP_WINDOW_CLAMP", (0, 1000, 10000)), ("IP_RECVERR", (0, 1)), ("IP_MINTTL", (0, 65)),
    ("SO_KEEPALIVE", (0, 1)), ("TCP_KEEPIDLE", (1,)), ("TCP_KEEPINTVL", (1,)), ("TCP_USER_TIMEOUT", (0, 300, 1000)), ("TCP_MAXSEG", (100,)),
    ("SO_OOBINLINE", (0, 1)), ("SO_RCVLOWAT", (1, 100)), ("IP_TOS", (0, 16)), ("IP_TTL", (5,)), ("TCP_SYNCNT", (1,)), ("TCP_DEFER_ACCEPT", (1,)),
)  # fmt: skip
TCP_SYSCTLS: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("tcp_syncookies", (0, 1, 2)), ("tcp_abort_on_overflow", (1,)), ("tcp_synack_retries", (0, 1, 2)), ("tcp_max_syn_backlog", (1, 2, 4)),
    ("tcp_ecn", (0, 1, 2)), ("tcp_timestamps", (0, 1, 2)), ("tcp_sack", (0,)), ("tcp_window_scaling", (0,)), ("tcp_reflect_tos", (1,)),
    ("tcp_rfc1337", (1,)), ("tcp_tw_reuse", (0, 1, 2)), ("tcp_fin_timeout", (1, 2, 60)), ("tcp_max_tw_buckets", (0, 1)),
    ("tcp_orphan_retries", (1, 2)), ("tcp_syn_retries", (1, 2)), ("tcp_retries2", (1, 2, 3)), ("tcp_invalid_ratelimit", (0, 100, 1000)),
    ("tcp_challenge_ack_limit", (0, 1)), ("tcp_abort_on_overflow", (1,)), ("tcp_stdurg", (1,)), ("tcp_dsack", (0,)), ("tcp_early_demux", (0,)),
    ("tcp_keepalive_time", (1,)), ("tcp_base_mss", (500,)), ("tcp_migrate_req", (1,)), ("tcp_autocorking", (0,)), ("tcp_no_metrics_save", (0,)),
    ("tcp_fwmark_accept", (1,)), ("tcp_recovery", (0,)), ("tcp_early_retrans", (0,)), ("tcp_frto", (0,)), ("tcp_fastopen", (1, 2, 3, 0x403)),
    ("tcp_syn_linear_timeouts", (0,)), ("tcp_shrink_window", (1,)), ("tcp_rmem", ("4096 8192 16384",)), ("ip_default_ttl", (5,)),
    ("ip_early_demux", (0,)), ("ip_no_pmtu_disc", (1, 2)), ("tcp_min_snd_mss", (48, 500)),
)  # fmt: skip
IP_OPTIONS: Final = (
    b"\x07\x07\x04\0\0\0\0", b"\x44\x08\x05\0\0\0\0\0", b"\x94\x04\0\0", b"\x83\x07\x04\x0a\0\0\1", b"\x83\x07\x08\x0a\0\0\x09", b"\x89\x07\x08\x0a\0\0\x09",
    b"\1\1\1\1", b"\x88\4\0\0", b"\x63\4\1\2", b"\x07\xff\4\0",
)  # fmt: skip
ERRORS: Final = (
    (3, 0),
    (3, 1),
    (3, 2),
    (3, 3),
    (3, 4),
    (3, 5),
    (3, 9),
    (3, 13),
    (3, 16),
    (11, 0),
    (11, 1),
    (12, 0),
    (4, 0),
    (5, 1),
)


def odd_options(g: TcpGen) -> bytes:
    """Options in any order, wrong ones among them; at most 40 bytes."""
    out = b""
    for _ in range(g.pick((1, 2, 3, 4, 6))):
        piece = g.pick(OPTS_PIECES)
        if len(out) + len(piece) <= 40:
            out += piece
    return out


def odd_header(g: TcpGen) -> dict[str, Any]:
    """What may be strange about a segment besides its numbers."""
    k = g.rng.randrange(14)
    if k == 0:
        return {"bad": True}
    if k == 1:
        return {"win": g.pick(WINDOWS)}
    if k == 2:
        return {"tos": g.pick((1, 2, 3, 4, 0x10, 0xB8, 0xFF))}
    if k == 3:
        return {"ttl": g.pick((1, 63, 65, 255))}
    if k == 4:
        return {"res": g.pick((1, 1, 2, 4, 8, 15))}
    if k == 5:
        return {"doff": g.pick((5, 6, 15))}
    if k == 6:
        return {"ipopts": g.pick(IP_OPTIONS)}
    if k == 7:
        return {"src": g.pick((0x0A000009, 0x0A0000FF, 0x0A000002, 0x7F000001, 0xE0000001, 0xFFFFFFFF, 0, 0xC0000201))}
    if k == 8:
        return {"dst": g.pick((0x0A000003, 0x0A0000FF, 0x7F000001, 0xE0000001, 0xFFFFFFFF, 0x0A000001))}
    if k == 9:
        return {"df": 1}
    if k == 10:
        return {"urg": g.pick((1, 5, 65535))}
    return {}


def any_segment(g: TcpGen, c: Conn) -> Any:
    """A segment to a connection: mostly one that fits, each of its parts strange at times."""
    flags = g.pick(ANY_FLAGS) if g.chance(0.25 + g.odd) else g.pick(("A", "A", "PA", "PA", "FA"))
    data = b""
    if "P" in flags or g.weird():
        n = g.pick(SIZES)
        data = pat(n, c.nxt & 0xFF)
    kw: dict[str, Any] = odd_header(g) if g.weird() else {}
    if "U" in flags:
        kw.setdefault("urg", g.pick((0, 1, 3, len(data), len(data) + 1)))
    off = g.pick(OFFSETS) if g.weird() else 0
    ack = (c.sent + g.pick(ACKS)) if g.weird() else g.rng.randrange(1, c.sent + 1) if g.chance(0.15) else None
    if c.stamps:
        if g.weird():
            kw["opts"] = ts(c.val + g.pick(STAMPS), g.pick((0, 0, -100000, -1, 1, 100000)))
            kw["tsecr"] = g.chance(0.8)
        elif g.chance(0.05):
            kw["opts"] = b""
    elif g.weird() and g.chance(0.3):
        kw["opts"] = odd_options(g)
    if off == 0 and ack is None and not kw and "R" not in flags and "S" not in flags and "A" in flags:
        return g.send(c, flags, data)
    return g.segment(c, flags, off, ack, data, **kw)


def icmp(g: TcpGen, c: Conn) -> Any:
    t, code = g.pick(ERRORS)
    seq = g.pick((0, 1, c.sent - 1, c.sent, c.sent + 1, -1, 100000)) if g.chance(0.4) else min(c.sent, 1)
    info = g.pick((0, 68, 552, 576, 1000, 1400, 1500, 9000)) if (t, code) == (3, 4) else 0
    return icmp_error(t, code, seq, info, c.dport, c.sport, g.pick((8, 8, 8, 20)))


def configure(g: TcpGen) -> list[Any]:
    """Some sysctls; options for the scenario's first socket."""
    for _ in range(g.pick((0, 0, 1, 1, 2, 3))):
        name, values = g.pick(TCP_SYSCTLS)
        v = g.pick(values)
        if name in ("ip_default_ttl", "ip_early_demux", "ip_no_pmtu_disc"):
            g.t.sysctls["net.ipv4." + name] = str(v)
        else:
            g.t.sysctl(**{name: v})
    if g.chance(0.05):
        g.t.env["skb_alloc"] = "alloc_skb"
    if g.chance(0.04):
        g.t.env["mtu"] = g.pick((576, 1000, 1280, 9000))
    if g.chance(0.06):
        g.t.env["neigh"] = [["10.0.0.1", "02:00:00:00:00:01"], ["10.0.0.9", "02:00:00:00:00:09"]]
        g.t.env["routes"] = [["default", "10.0.0.1"]]
    return [[n, g.pick(v)] for n, v in (g.pick(LISTEN_OPTS) for _ in range(g.pick((0, 0, 0, 1, 1, 2))))]


def program(g: TcpGen, c: Conn) -> None:
    """A step of the program that holds the connection's socket."""
    k = g.rng.randrange(16)
    t, s = g.t, c.sock
    if k < 8:
        g.look(c)
    elif k == 8:
        g.write(c)
    elif k == 9:
        t.step("shutdown", sock=s, how=g.pick(("rd", "wr", "wr", "rdwr")))
        c.sent += 1 if t.steps[-1]["how"] != "rd" else 0
    elif k == 10:
        name, values = g.pick(SOCKET_OPTS)
        t.set(name, g.pick(values), s)
    elif k == 11:
        t.get(
            g.pick(
                (
                    "TCP_MAXSEG",
                    "SO_ERROR",
                    "TCP_LINGER2",
                    "IP_TOS",
                    "IP_MTU",
                    "TCP_WINDOW_CLAMP",
                    "TCP_QUICKACK",
                    "TCP_SYNCNT",
                )
            ),
            s,
        )
    elif k == 12 and g.chance(0.6):
        t.step("close", sock=s)
        c.sent += 1
    elif k == 13 and g.chance(0.5):
        t.step("disconnect", sock=s)
    elif k == 14 and g.chance(0.5):
        t.step("connect", sock=s, to=["10.0.0.1", g.pick((9000, 9001))])
    elif k == 15:
        t.step(g.pick(("inq", "getpeername", "getsockname")), sock=s)
    else:
        t.sleep(g.pick(SLEEPS))


def hs(g: TcpGen) -> None:
    """Listeners, SYNs of every kind, what comes for a request, accepting."""
    t = g.t
    t.listen(configure(g), g.pick((0, 1, 2, 8, 8, 8)))
    if g.chance(0.1):
        t.listen([["SO_REUSEPORT", 1]] if g.chance(0.5) else None, 4, g.pick((PORT, 8001)), "m")
    while g.left > 0:
        k = g.rng.randrange(20)
        if k < 7 or not g.conns:
            isn = g.pick((ISN, ISN, ISN, ISN, 0, 0xFFFFFFFF, 0x7FFFFFFF, ISN + 500, ISN + 100000))
            opts = odd_options(g) if g.weird() else g.pick(SYN_OPTS)
            c = Conn(
                40000 + g.rng.randrange(4) if g.chance(0.3) else 41000 + len(g.conns),
                PORT if g.chance(0.95) else 8009,
                opts,
                isn,
                "",
            )
            g.conns.append(c)
            data = pat(g.pick(SIZES)) if g.weird() else b""
            kw = odd_header(g) if g.weird() else {}
            g.inject(g.syn(c, g.pick(SYN_FLAGS) if g.weird() else "S", data=data, **kw))
        elif k < 10:
            c = g.pick(g.conns)
            g.inject(g.segment(c))
        elif k < 15:
            g.inject(any_segment(g, g.pick(g.conns)))
        elif k == 15:
            g.inject(g.syn(g.pick(g.conns)))
        elif k == 16:
            g.inject(icmp(g, g.pick(g.conns)))
        elif k == 17:
            sid = g.new_id("c")
            t.step("accept", sock="l", **{"as": sid})
            if g.chance(0.6):
                c = Conn(0, 0, b"", 0, sid)
                program(g, c)
        elif k == 18:
            t.sleep(g.pick(SLEEPS)) if g.chance(0.7) else t.sleep(g.pick((1150, 2200, 3300)))
        else:
            j = g.rng.randrange(8)
            if j == 0 and g.chance(0.4):
                t.step("close", sock="l")
            elif j == 1:
                t.step("listen", sock="l", backlog=g.pick((0, 1, 3)))
            elif j == 2 and g.chance(0.5):
                t.step("shutdown", sock="l", how=g.pick(("rd", "wr", "rdwr")))
            elif j == 3 and g.chance(0.5):
                t.step("disconnect", sock="l")
            elif j == 4:
                t.poll("l")
            elif j == 5:
                name, values = g.pick(LISTEN_OPTS)
                t.set(name, g.pick(values), "l")
            else:
                t.state("l")
    t.step("accept", sock="l", **{"as": "z"}).state("l").sleep(70)


def close(g: TcpGen) -> None:
    """Connections that end: every state against every segment and call."""
    opts = configure(g)
    if g.chance(0.75):
        c = g.open_passive(sockopts=opts)
        if g.chance(0.15):
            g.open_passive()
    else:
        c = g.open_active(sockopts=opts)
    for _ in range(g.pick((0, 0, 1, 2))):
        if g.chance(0.5):
            g.write(c)
        else:
            g.inject(g.send(c, "PA", pat(g.pick((1, 10, 500, 1448)))))
    for step in g.pick(((), ("close",), ("close", "ack"), ("close", "fin"), ("wr",), ("wr", "ack"), ("wr", "fin"), ("fin",), ("fin", "close"), ("fin", "wr"),
                        ("rd",), ("rdwr",), ("close", "finack"), ("wr", "finack"), ("fin", "wr", "ack"), ("linger0",))):  # fmt: skip
        if step == "close":
            g.t.step("close", sock=c.sock)
            c.sent += 1
        elif step in ("wr", "rd", "rdwr"):
            g.t.step("shutdown", sock=c.sock, how=step)
            c.sent += step != "rd"
        elif step == "ack":
            g.inject(g.segment(c))
        elif step == "linger0":
            g.t.set("SO_LINGER", [1, 0], c.sock).step("close", sock=c.sock)
        else:
            g.inject(g.send(c, "FA", ack=max(1, c.sent - 1) if step == "fin" else None))
    while g.left > 0:
        c = g.pick(g.conns)
        k = g.rng.randrange(12)
        if k < 6:
            g.inject(*[any_segment(g, c) for _ in range(g.pick((1, 1, 1, 2, 3)))])
        elif k < 10:
            program(g, c)
        elif k == 10:
            g.inject(icmp(g, c))
        elif g.chance(0.5):
            c.nxt = (c.nxt + g.pick((0, 10, 100000, -50000))) & 0xFFFFFFFF
            c.isn = (c.nxt - 1) & 0xFFFFFFFF
            g.inject(g.syn(c, g.pick(SYN_FLAGS) if g.weird() else "S"))
        else:
            g.t.sleep(g.pick((1150, 2200)))
    g.t.sleep(70)


def client(g: TcpGen) -> None:
    """Connecting, and what may answer a SYN."""
    t = g.t
    t.connect(configure(g))
    c = Conn(9000, 6000, odd_options(g) if g.weird() else g.pick(SYN_OPTS), ISN, "k")
    g.conns.append(c)
    for _ in range(g.pick((0, 0, 1, 2))):
        program(g, c) if g.chance(0.5) else t.sleep(g.pick((20, 700, 1150, 2200)))
    while g.left > 0:
        k = g.rng.randrange(14)
        if k < 4:
            flags = g.pick(
                (
                    "SA",
                    "SA",
                    "SA",
                    "SAE",
                    "SAC",
                    "SAEC",
                    "SAF",
                    "SAP",
                    "SAR",
                    "SAU",
                    "S",
                    "SE",
                    "A",
                    "R",
                    "RA",
                    "FA",
                    "",
                    "F",
                    "PA",
                )
            )
            ack = g.pick((0, 2, -1, 100, -100000)) if g.weird() else 1
            kw = odd_header(g) if g.weird() else {}
            data = pat(g.pick(SIZES)) if g.weird() else b""
            seq = c.isn if "S" in flags else g.pick((0, c.isn, c.nxt))
            tsecr = not (c.stamps and g.weird())
            g.inject(
                seg(
                    flags,
                    seq,
                    ack if "A" in flags else 0,
                    data,
                    c.opts if "S" in flags else b"",
                    sport=9000,
                    dport=6000,
                    tsecr=tsecr,
                    **kw,
                )
            )
        elif k < 8:
            g.inject(any_segment(g, c))
        elif k == 8:
            g.inject(icmp(g, c))
        else:
            program(g, c)
    t.poll("k").get("SO_ERROR", "k").sleep(70)


Maker = Callable[[TcpGen], None]
MAKERS: Final[dict[str, Maker]] = {"tcp_hs": hs, "tcp_close": close, "tcp_client": client}


def generate_tcp(seed: int, group: str, frames: int = 30) -> dict[str, Any]:
    """The scenario of a seed: about `frames` frames."""
    g = TcpGen(random.Random(f"{group}/{seed}"), group, f"fuzz/{group}_{seed}", frames)
    MAKERS[group](g)
    return g.t.done()
