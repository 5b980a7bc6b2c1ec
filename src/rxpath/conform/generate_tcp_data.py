"""Makes scenarios of data transfer over TCP from a seed: both directions, losses, windows, reading in between, merging.

What lives here: the makers of the groups tcp_data, tcp_win and gro, on the base of generate_tcp.py.  What does not:
connections' set-up and segments (generate_tcp.py), the bytes of a frame (tcp_script.py).

What the kernel decides by microseconds of real time is kept apart: acknowledgements are not compressed in most
scenarios, and sleeps end well before or behind the timers (40, 200, 400 ms).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any, Final

from rxpath.conform.generate_tcp import Conn, TcpGen
from rxpath.conform.tcp_script import (
    FULL,
    ISN,
    PLAIN,
    SACK_OPTS,
    TS_OPTS,
    Scenario,
    eth,
    icmp_error,
    ip_packet,
    mss,
    pat,
    sack,
    seg,
    ts,
    ws,
)
from rxpath.wire.checksum import transport_checksum

OPTS: Final = (PLAIN, SACK_OPTS, SACK_OPTS, TS_OPTS, FULL, FULL, mss(536), mss(1000) + ws(2))
SLEEPS: Final = (20, 20, 100, 330)
SIZES: Final = (1, 10, 100, 200, 500, 536, 1000, 1448)
WINDOWS: Final = (0, 1, 100, 1000, 1460, 3000, 10000, 65535)
NAPI: Final = {"rx_mode": "napi", "gro_flush_timeout": 60_000_000}


class DataGen(TcpGen):
    """One connection whose peer sends and acknowledges in every order."""

    def begin(self, sockopts: list[Any] | None = None) -> Conn:
        opts = self.pick(OPTS)
        t = self.t
        if self.chance(0.7):
            t.sysctl(tcp_comp_sack_nr=0)
        for name, value in (("tcp_dsack", 0), ("tcp_stdurg", 1), ("tcp_shrink_window", 1), ("tcp_adv_win_scale", 2)):
            if self.chance(0.06):
                t.sysctl(**{name: value})
        c = self.open_passive(opts, sockopts)
        self.acked = 1
        self.win = 65535
        self.lost: list[tuple[int, int]] = []  # what the peer has sent and must send again, from its next number
        return c

    def options(self, c: Conn, blocks: list[tuple[int, int]]) -> dict[str, Any]:
        o = b""
        if c.stamps:
            c.val += self.rng.choice((0, 0, 1, 3))
            o = ts(c.val)
        if blocks and b"\4\2" in c.opts:
            o += sack(*blocks[: 3 if c.stamps else 4])
        return {"opts": o}

    def piece(self, c: Conn, off: int, n: int, flags: str = "") -> Any:
        """Bytes of the peer's stream at its next number + `off`."""
        at = (c.nxt + off - c.isn - 1) & 0xFFFFFFFF
        kw = self.options(c, [])
        fl = flags or self.pick(("A", "PA", "PA"))
        if "U" in fl:
            kw["urg"] = self.pick((0, 1, max(n - 1, 1), n, n + 1, n + 7))
        if self.chance(self.odd / 4):
            kw[self.pick(("win", "tos", "bad"))] = self.pick((1, 3, 2))
        s = seg(fl, c.nxt + off, self.acked, pat(n, 0, at), sport=c.sport, dport=c.dport, **kw)
        return s

    def run(self, c: Conn) -> None:
        """Some segments, in an order and with losses and repetitions of their own."""
        n = self.pick(SIZES)
        k = self.rng.randrange(1, 6)
        order = list(range(k))
        if self.weird() or self.chance(0.2):
            self.rng.shuffle(order)
        frames: list[Any] = []
        for i in order:
            if self.chance(self.odd / 2):
                self.lost.append(((c.nxt + i * n) & 0xFFFFFFFF, n))
                continue
            off = i * n
            size = n
            if self.chance(self.odd / 2):  # another cut of the same stream
                d = self.pick((-n, -n // 2, -1, 1, n // 2))
                off, size = (off + d, n) if self.chance(0.5) else (off, max(1, n + d))
            frames.append(self.piece(c, off, size, "UPA" if self.chance(0.04) else ""))
            if self.chance(self.odd / 3):
                frames.append(frames[-1])
        if frames:
            self.inject(*frames)
        c.nxt = (c.nxt + k * n) & 0xFFFFFFFF
        if self.lost and self.chance(0.6):
            self.repair(c)

    def repair(self, c: Conn) -> None:
        """Send again what was lost, perhaps in other pieces."""
        self.rng.shuffle(self.lost)
        for at, n in self.lost:
            d = (at - c.nxt) & 0xFFFFFFFF
            self.inject(self.piece(c, d - (1 << 32) if d >> 31 else d, n))
        self.lost.clear()

    def acknowledge(self, c: Conn) -> None:
        """The peer's word about what the machine sent."""
        k = self.rng.randrange(12)
        out = c.sent - self.acked
        if k < 6:
            if out > 0:
                self.acked += out if k < 4 else min(out, self.pick((1, 100, 1448, 1460, 2920, 5000)))
            self.inject(self.segment(c, ack=self.acked, win=self.win, **self.options(c, [])))
        elif k < 9 and out > 3000:
            first = self.acked + 1460
            for i in range(self.pick((1, 2, 3, 4, 5))):
                end = min(first + 1460 * (i + 1), c.sent)
                self.inject(self.segment(c, ack=self.acked, win=self.win, **self.options(c, [(first, end)])))
        elif k == 9:
            self.win = self.pick(WINDOWS)
            self.inject(self.segment(c, ack=self.acked, win=self.win, **self.options(c, [])))
        elif k == 10 and self.acked > 2000:
            dup = [(self.acked - 1460, self.acked)]
            self.inject(self.segment(c, ack=self.acked, win=self.win, **self.options(c, dup)))
        elif self.weird():
            d = self.pick((-1, 1, -500, 5000, -70000, 1 << 31))
            self.inject(self.segment(c, "PA", ack=self.acked + d, data=pat(self.pick((0, 10))), win=self.win))
        if self.chance(0.02):
            e = self.pick(((3, 4, 1000), (3, 4, 576), (3, 1, 0), (11, 0, 0), (3, 3, 0)))
            self.inject(icmp_error(e[0], e[1], self.acked, e[2]))

    def read(self, c: Conn) -> None:
        t, s = self.t, c.sock
        k = self.rng.randrange(10)
        if k < 3:
            t.recv_all(s)
        elif k < 6:
            t.recv(self.pick((1, 10, 500, 3000)), sock=s)
        elif k == 6:
            t.recv(self.pick((1, 100, 3000)), ["PEEK"], s)
        elif k == 7:
            t.recv(1, self.pick((["OOB"], ["OOB", "PEEK"])), s)
        elif k == 8:
            t.step("inq", sock=s)
        else:
            t.poll(s)

    def tune(self, c: Conn) -> None:
        name, values = self.pick(
            (
                ("TCP_NODELAY", (0, 1)),
                ("TCP_CORK", (0, 1)),
                ("TCP_QUICKACK", (0, 1)),
                ("SO_OOBINLINE", (0, 1)),
                ("SO_RCVLOWAT", (1, 100, 5000)),
                ("SO_PEEK_OFF", (-1, 0, 50)),
                ("TCP_WINDOW_CLAMP", (2000, 20000)),
                ("SO_RCVBUF", (4096, 30000)),
                ("SO_SNDBUF", (5000, 50000)),
            )
        )
        self.t.set(name, self.pick(values), c.sock)


def tcp_data(g: DataGen) -> None:
    """Data both ways."""
    c = g.begin()
    t = g.t
    both = g.chance(0.6)
    while g.left > 0:
        k = g.rng.randrange(20)
        if k < 7:
            g.run(c)
        elif k < 10 and both:
            g.write(c, g.pick((1, 10, 100, 1000, 1460, 3000, 9000)))
            g.left -= 1
        elif k < 14 and both:
            g.acknowledge(c)
            g.left -= 1
        elif k < 16:
            g.read(c)
        elif k == 16:
            t.sleep(g.pick(SLEEPS))
            g.left -= 1
        elif k == 17:
            t.state(c.sock)
        elif k == 18 and g.weird():
            g.tune(c)
        else:
            g.left -= 1
    g.repair(c)
    end = g.pick(("", "", "FA", "FPA", "RA"))
    if end:
        g.inject(g.piece(c, 0, 10 if "P" in end else 0, end))
    t.sleep(20).state(c.sock).recv_all(c.sock).state(c.sock).sleep(100)


def tcp_win(g: DataGen) -> None:
    """Buffers that fill, are read and pruned."""
    t = g.t
    if g.chance(0.4):
        t.env["skb_alloc"] = "alloc_skb"
    rb = g.pick((0, 0, 2304, 4096, 8192, 16384, 50000))
    if g.chance(0.2):
        t.sysctls["net.ipv4.tcp_rmem"] = g.pick(("4096 4096 4096", "4096 16384 32768", "4096 131072 200000"))
    if g.chance(0.1):
        t.sysctl(**{g.pick(("tcp_moderate_rcvbuf", "tcp_app_win")): g.pick((0, 1))})
    c = g.begin([["SO_RCVBUF", rb]] if rb else None)
    t.sysctl(tcp_comp_sack_nr=0)
    base = g.pick(SIZES[2:])
    hole = False
    while g.left > 0:
        k = g.rng.randrange(16)
        n = base if g.chance(0.7) else g.pick(SIZES)
        if k < 8:
            for _ in range(g.rng.randrange(1, 6)):
                g.inject(g.piece(c, 0, n, "A"))
                c.nxt = (c.nxt + n) & 0xFFFFFFFF
        elif k < 10:
            if not hole:
                c.nxt = (c.nxt + n) & 0xFFFFFFFF
                g.lost.append(((c.nxt - n) & 0xFFFFFFFF, n))
            else:
                g.repair(c)
            hole = not hole
        elif k < 13:
            g.read(c)
        elif k == 13:
            t.state(c.sock)
        elif k == 14 and g.weird():
            g.tune(c)
        elif g.chance(0.2):
            t.sleep(g.pick((20, 100)))
    g.repair(c)
    t.sleep(20).state(c.sock).recv_all(c.sock).state(c.sock)
    g.inject(g.piece(c, 0, 10, "PA"))
    t.state(c.sock).recv_all(c.sock).sleep(100)


# --- GRO -------------------------------------------------------------------------------------------------------------


def udp_frame(
    n: int, sport: int, data: int, ident: int = 0x1234, bad: bool = False, zero: bool = False, ttl: int = 64
) -> Any:
    """A datagram of `n` bytes for port 7000."""
    head = struct.pack("!HHHH", sport, 7000, 8 + n, 0)
    body = head + pat(n, data)
    s = 0 if zero else (transport_checksum(0x0A000001, 0x0A000002, 17, body) ^ (0x5555 if bad else 0))
    body = head[:6] + struct.pack("!H", s) + body[8:]
    return eth(ip_packet(17, body, ident=ident, ttl=ttl)).hex()


def burst(g: DataGen, k: int, sport: int, start: int, absolute: bool, opts: bytes = b"") -> list[Any]:
    """Segments of one flow, mostly alike."""
    n = g.pick((1, 100, 500, 1000, 1448))
    frames: list[Any] = []
    pos, ident = start, g.pick((0, 0x1234))
    step = g.pick((0, 1))
    df = g.pick((0, 1))
    for i in range(k):
        kw: dict[str, Any] = {"ident": ident & 0xFFFF, "df": df, "opts": opts}
        ident += step
        fl, size, ack = "A", n, 500 if absolute else 1
        if g.weird():
            what = g.rng.randrange(12)
            if what == 0:
                fl = g.pick(("PA", "FA", "RA", "SA", "UA", "EA", "CA", "ECA", "", "P"))
            elif what == 1:
                size = g.pick((0, 1, n // 2, n + 1, min(2 * n, 1460)))
            elif what == 2:
                kw["tos"] = g.pick((1, 2, 3, 4))
            elif what == 3:
                kw["ttl"] = 63
            elif what == 4:
                kw["df"] = 1 - df
            elif what == 5:
                kw["ident"] = g.pick((0, 7, ident + 5)) & 0xFFFF
            elif what == 6:
                kw["win"] = g.pick((65534, 0))
            elif what == 7:
                kw["bad"] = True
            elif what == 8:
                pos += g.pick((-n, n, 1, -1))
            elif what == 9:
                ack += g.pick((1, 100))
            elif what == 10:
                kw["res"] = 1
            else:
                kw["opts"] = g.pick((b"", ts(7, 9), ts(8, 9), b"\1\1\1\1"))
        frames.append(seg(fl, pos, ack, pat(size, i), sport=sport, absolute=absolute, tsecr=False, **kw))
        pos += size
        if g.chance(g.odd / 6):
            frames.append(frames[-1])
    return frames


def gro(g: DataGen) -> None:
    """Bursts into a NAPI that merges, seen by a packet socket, a stream or UDP sockets."""
    t = g.t
    t.env.update(NAPI)
    if g.chance(0.1):
        t.env["gro_flush_timeout"] = 0
    kind = g.rng.randrange(4)
    if kind == 0:
        t.listen()
        t.inject(seg("S", ISN, 0, opts=PLAIN)).sleep(150).inject(seg("A")).sleep(150)
        t.step("accept", sock="l", **{"as": "c"})
        pos = ISN + 1
        for _ in range(g.rng.randrange(1, 4)):
            frames = burst(g, g.rng.randrange(2, 12), 40000, pos, False)
            t.inject(*frames, burst=True)
            g.left -= len(frames)
            t.sleep(150).state("c").recv_all("c")
        return
    t.sockets.append({"id": "pk", "type": "packet"})
    if kind == 1:
        o: list[Any] = [["UDP_GRO", 1]] if g.chance(0.7) else []
        t.sockets.append({"id": "u", "type": "udp", "bind": ["10.0.0.2", 7000], "opts": o})
        n = g.pick((1, 100, 500, 1000, 1400))
        frames = []
        for i in range(g.rng.randrange(2, 20)):
            kw: dict[str, Any] = {"ident": 0x1234 + (i if g.chance(0.8) else 0)}
            size = n
            if g.weird():
                what = g.rng.randrange(5)
                if what == 0:
                    size = g.pick((0, 1, n // 2, n + 1))
                elif what < 3:
                    kw[("bad", "zero")[what - 1]] = True
                elif what == 3:
                    kw["ttl"] = 63
            frames.append(udp_frame(size, 533 + (g.rng.randrange(2) if g.weird() else 0), i, **kw))
        t.inject(*frames, burst=True).sleep(150).recv_all("pk").step("recv_all", sock="u").step("mem", sock="u")
        return
    t.listen()
    flows = g.pick((1, 1, 2, 3, 9))
    parts = [
        burst(g, g.rng.randrange(1, 1 + max(2, 20 // flows)), 40000 + f, ISN, True, g.pick((b"", b"", ts(5, 9))))
        for f in range(flows)
    ]
    frames = []
    while any(parts):
        p = g.pick([x for x in parts if x])
        frames.append(p.pop(0))
    if g.chance(0.1):
        frames.insert(g.rng.randrange(len(frames) + 1), udp_frame(50, 533, 1))
    t.inject(*frames, burst=True).sleep(150).recv_all("pk")


Maker = Callable[[DataGen], None]
MAKERS: Final[dict[str, Maker]] = {"tcp_data": tcp_data, "tcp_win": tcp_win, "gro": gro}


def generate_tcp_data(seed: int, group: str, frames: int = 30) -> Scenario:
    """The scenario of a seed: about `frames` frames."""
    g = DataGen(random.Random(f"{group}/{seed}"), group, f"fuzz/{group}_{seed}", frames)
    MAKERS[group](g)
    return g.t.done()
