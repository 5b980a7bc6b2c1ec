"""One TCP scenario under construction: frames of the peer, the connection, steps.

What lives here: option bytes, `seg` (one frame of the peer), `icmp_error`, and `Tcp`, which grows a scenario step by
step.  What does not: which scenarios to make (generate_tcp.py, tests/conform/tcp_scenarios.py), running them
(adapter.py, kernel.py).  The peer is 10.0.0.1, the machine 10.0.0.2; sequence numbers of the peer are absolute,
acknowledgements count from the machine's initial number.
"""

from __future__ import annotations

import struct
from typing import Any

from rxpath.wire.checksum import ip_compute_csum, transport_checksum

PEER, HOST = 0x0A000001, 0x0A000002
PORT, CPORT = 8000, 40000
ISN = 1000
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}
Scenario = dict[str, Any]


def ip_packet(
    proto: int,
    body: bytes,
    src: int = PEER,
    dst: int = HOST,
    tos: int = 0,
    ttl: int = 64,
    ident: int = 0x1234,
    df: int = 0,
    opts: bytes = b"",
) -> bytes:
    """`opts` of the IP header are filled up to a multiple of four."""
    opts += bytes(-len(opts) % 4)
    hl = 20 + len(opts)
    h = struct.pack("!BBHHHBBHII", 0x40 | hl // 4, tos, hl + len(body), ident, df << 14, ttl, proto, 0, src, dst) + opts
    return h[:10] + struct.pack("!H", ip_compute_csum(h)) + h[12:] + body


def eth(packet: bytes) -> bytes:
    return bytes.fromhex("02000000000202000000000108 00".replace(" ", "")) + packet


def mss(n: int) -> bytes:
    return b"\2\4" + struct.pack("!H", n)


def ws(n: int) -> bytes:
    return b"\1\3\3" + bytes((n,))


SOK = b"\1\1\4\2"
NOP = b"\1"


def ts(val: int, ecr: int = 0) -> bytes:
    return b"\1\1\x08\x0a" + struct.pack("!II", val & 0xFFFFFFFF, ecr & 0xFFFFFFFF)


def sack(*blocks: tuple[int, int]) -> bytes:
    return b"\1\1\5" + bytes((2 + 8 * len(blocks),)) + b"".join(struct.pack("!II", a, b) for a, b in blocks)


def pat(n: int, seed: int = 0, start: int = 0) -> bytes:
    return bytes((seed * 37 + i * 7 + (i >> 8)) & 0xFF for i in range(start, start + n))


def seg(
    flags: str,
    seq: int = ISN + 1,
    ack: int | None = None,
    data: bytes = b"",
    opts: bytes = b"",
    win: int = 65535,
    urg: int = 0,
    sport: int = CPORT,
    dport: int = PORT,
    tos: int = 0,
    ttl: int = 64,
    bad: bool = False,
    absolute: bool = False,
    tsecr: bool = True,
    doff: int = 0,
    res: int = 0,
    ident: int = 0x1234,
    df: int = 0,
    vlan: int = -1,
    src: int = PEER,
    dst: int = HOST,
    ipopts: bytes = b"",
) -> Any:
    """One frame of the peer.  `ack` counts from the machine's own initial number unless `absolute`; a time stamp's echo
    from its last one unless `tsecr` is False."""
    while len(opts) % 4:
        opts += b"\0"
    fl = sum(FLAGS[f] for f in flags)
    if ack is None:
        ack = 1 if "A" in flags else 0
    hl = 20 + len(opts)
    h = struct.pack(
        "!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, ((doff or hl // 4) << 4) | res, fl, win, 0, urg
    )
    body = h + opts + data
    c = transport_checksum(src, dst, 6, body) ^ (0x5555 if bad else 0)
    body = body[:16] + struct.pack("!H", c) + body[18:]
    f = eth(ip_packet(6, body, src, dst, tos, ttl, ident, df, ipopts))
    if vlan >= 0:
        f = f[:12] + b"\x81\0" + struct.pack("!H", vlan) + f[12:]
    rel = []
    if "A" in flags and not absolute:
        rel.append("ack")
        if (opts.find(b"\5") >= 0 and len(opts) >= 12 and opts[2] == 5) or b"\1\1\5" in opts:
            rel.append("sack")
    if tsecr and b"\x08\x0a" in opts and "A" in flags:
        rel.append("tsecr")
    return {"hex": f.hex(), "rel": rel} if rel else f.hex()


def icmp_error(
    type_: int,
    code: int,
    seq: int,
    info: int = 0,
    sport: int = PORT,
    dport: int = CPORT,
    size: int = 8,
    rel: bool = True,
) -> Any:
    """An ICMP error about a segment that the machine sent with sequence number `seq` (from its initial number)."""
    inner = ip_packet(
        6,
        struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, 0, 0x50, 0x10, 1000, 0, 0)[:size],
        src=HOST,
        dst=PEER,
        df=1,
    )
    body = struct.pack("!BBHI", type_, code, 0, info) + inner
    body = body[:2] + struct.pack("!H", ip_compute_csum(body + b"\0" * (len(body) % 2))) + body[4:]
    f = eth(ip_packet(1, body))
    return {"hex": f.hex(), "rel": ["inner_seq"]} if rel else f.hex()


class Tcp:
    """A scenario that grows: `listen` or `connect`, then steps."""

    def __init__(self, name: str, group: str = "tcp", **env: Any) -> None:
        self.name = f"{group}/{name}"
        self.group = group
        self.env = env
        self.sysctls: dict[str, str] = {}
        self.sockets: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.tsval = 0

    def done(self) -> Scenario:
        d: Scenario = {"name": self.name, "group": self.group, "sockets": self.sockets, "steps": self.steps}
        if self.env:
            d["env"] = self.env
        if self.sysctls:
            d["sysctls"] = self.sysctls
        return d

    def sysctl(self, **kw: Any) -> Tcp:
        for k, v in kw.items():
            self.sysctls["net.ipv4." + k if not k.startswith("net") else k.replace("__", ".")] = str(v)
        return self

    def listen(self, opts: list[Any] | None = None, backlog: int = 8, port: int = PORT, id: str = "l") -> Tcp:
        d: dict[str, Any] = {"id": id, "type": "tcp_listen", "bind": ["0.0.0.0", port], "listen": backlog}
        if opts:
            d["opts"] = opts
        self.sockets.append(d)
        return self

    def connect(self, opts: list[Any] | None = None, to: Any = ("10.0.0.1", 9000), id: str = "k") -> Tcp:
        d: dict[str, Any] = {"id": id, "type": "tcp_connect", "bind": ["10.0.0.2", 6000], "connect": list(to)}
        if opts:
            d["opts"] = opts
        self.sockets.append(d)
        return self

    def step(self, op: str, **kw: Any) -> Tcp:
        self.steps.append({"op": op, **kw})
        return self

    def inject(self, *frames: Any, burst: bool = False) -> Tcp:
        st: dict[str, Any] = {"op": "inject", "frames": list(frames)}
        if burst:
            st["burst"] = True
        self.steps.append(st)
        return self

    def sleep(self, ms: int) -> Tcp:
        return self.step("sleep", ms=ms)

    def syn(self, opts: bytes = b"\2\4\5\xb4", **kw: Any) -> Tcp:
        return self.inject(seg("S", ISN, 0, opts=opts, **kw))

    def open(
        self, opts: bytes = b"\2\4\5\xb4", accept: bool = True, win: int = 65535, ackopts: bytes = b"", **kw: Any
    ) -> Tcp:
        """Handshake of the peer; `opts` of its SYN."""
        if b"\x08\x0a" in opts and not ackopts:
            ackopts = ts(struct.unpack_from("!I", opts, opts.index(b"\x08\x0a") + 2)[0] + 1)
        self.inject(seg("S", ISN, 0, opts=opts, win=win, **kw), seg("A", opts=ackopts, win=win, **kw))
        if accept:
            self.step("accept", sock="l", **{"as": "c"})
        return self

    def established(self, opts: bytes = b"\2\4\5\xb4", sockopts: list[Any] | None = None, **kw: Any) -> Tcp:
        return self.listen(sockopts).open(opts, **kw)

    def send(self, n: int, sock: str = "c", flags: list[str] | None = None) -> Tcp:
        kw: dict[str, Any] = {"flags": flags} if flags else {}
        if n % 10 == 0 and n:
            return self.step("send", sock=sock, data="30313233343536373839", times=n // 10, **kw)
        return self.step("send", sock=sock, data="41", times=n, **kw)

    def recv_all(self, sock: str = "c") -> Tcp:
        return self.step("recv_all", sock=sock)

    def recv(self, n: int, flags: list[str] | None = None, sock: str = "c") -> Tcp:
        kw: dict[str, Any] = {"flags": flags} if flags else {}
        return self.step("recv", sock=sock, len=n, **kw)

    def state(self, sock: str = "c") -> Tcp:
        return self.step("state", sock=sock)

    def poll(self, sock: str = "c") -> Tcp:
        return self.step("poll", sock=sock)

    def set(self, opt: str, value: Any, sock: str = "c") -> Tcp:
        return self.step("setsockopt", sock=sock, opt=opt, value=value)

    def get(self, opt: str, sock: str = "c") -> Tcp:
        return self.step("getsockopt", sock=sock, opt=opt)


TS_OPTS = mss(1460) + SOK[2:] + ts(100)[2:]
FULL = mss(1460) + SOK[2:] + ts(100)[2:] + ws(7)
SACK_OPTS = mss(1460) + SOK
PLAIN = mss(1460)
