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

from rxpath.conform.tcp_script import FULL, ISN, PLAIN, PORT, SACK_OPTS, TS_OPTS, Tcp, mss, seg, ts, ws

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


Maker = Callable[[TcpGen], None]
MAKERS: Final[dict[str, Maker]] = {}


def generate_tcp(seed: int, group: str, frames: int = 30) -> dict[str, Any]:
    """The scenario of a seed: about `frames` frames."""
    g = TcpGen(random.Random(f"{group}/{seed}"), group, f"fuzz/{group}_{seed}", frames)
    MAKERS[group](g)
    return g.t.done()
