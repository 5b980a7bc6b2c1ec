"""What a scenario means, step by step, whoever answers: the kernel of the host (kernel.py) or our machine (adapter.py).

What lives here: sockets, options, steps, decoding of messages, the observed document.  What does not: how a frame is
put on the wire, how time passes, where counters and drop reasons come from; those are the hooks of `Runner`.
Formats: tests/conform/README.md.
"""

from __future__ import annotations

import errno
import json
import struct
from typing import Any, Final

from rxpath.conform import tapfmt
from rxpath.conform.tapfmt import blob, decode, ip_s, mac_s
from rxpath.kernel.errno import NAMES
from rxpath.net.ipv4.tcp.seq import STATE_NAMES
from rxpath.wire.addr import ip4

MAX_FRAMES: Final = 5000
MAX_RECV: Final = 5000

S, IPL, T, P, U = 1, 0, 6, 263, 17  # SOL_SOCKET, SOL_IP, SOL_TCP, SOL_PACKET, SOL_UDP
INT_OPTS: Final[dict[str, tuple[int, int]]] = {
    "SO_RCVBUF": (S, 8),
    "SO_RCVBUFFORCE": (S, 33),
    "SO_SNDBUF": (S, 7),
    "SO_REUSEADDR": (S, 2),
    "SO_REUSEPORT": (S, 15),
    "SO_BROADCAST": (S, 6),
    "SO_KEEPALIVE": (S, 9),
    "SO_OOBINLINE": (S, 10),
    "SO_RCVLOWAT": (S, 18),
    "SO_RXQ_OVFL": (S, 40),
    "SO_NO_CHECK": (S, 11),
    "SO_ERROR": (S, 4),
    "SO_ACCEPTCONN": (S, 30),
    "SO_PRIORITY": (S, 12),
    "SO_MARK": (S, 36),
    "SO_INCOMING_CPU": (S, 49),
    "SO_PEEK_OFF": (S, 42),
    "SO_TIMESTAMP": (S, 29),
    "SO_TIMESTAMPNS": (S, 35),
    "SO_TIMESTAMPING": (S, 37),
    "SO_SELECT_ERR_QUEUE": (S, 45),
    "SO_TIMESTAMPING_NEW": (S, 65),
    "IP_TOS": (IPL, 1),
    "IP_TTL": (IPL, 2),
    "IP_HDRINCL": (IPL, 3),
    "IP_PKTINFO": (IPL, 8),
    "IP_RECVERR": (IPL, 11),
    "IP_RECVTTL": (IPL, 12),
    "IP_RECVTOS": (IPL, 13),
    "IP_RECVOPTS": (IPL, 6),
    "IP_RETOPTS": (IPL, 7),
    "IP_MINTTL": (IPL, 21),
    "IP_MTU_DISCOVER": (IPL, 10),
    "IP_MTU": (IPL, 14),
    "IP_RECVORIGDSTADDR": (IPL, 20),
    "IP_CHECKSUM": (IPL, 23),
    "IP_MULTICAST_ALL": (IPL, 49),
    "IP_MULTICAST_LOOP": (IPL, 34),
    "IP_RECVFRAGSIZE": (IPL, 25),
    "IP_TRANSPARENT": (IPL, 19),
    "IP_FREEBIND": (IPL, 15),
    "TCP_NODELAY": (T, 1),
    "TCP_MAXSEG": (T, 2),
    "TCP_CORK": (T, 3),
    "TCP_KEEPIDLE": (T, 4),
    "TCP_KEEPINTVL": (T, 5),
    "TCP_KEEPCNT": (T, 6),
    "TCP_SYNCNT": (T, 7),
    "TCP_LINGER2": (T, 8),
    "TCP_DEFER_ACCEPT": (T, 9),
    "TCP_WINDOW_CLAMP": (T, 10),
    "TCP_QUICKACK": (T, 12),
    "TCP_USER_TIMEOUT": (T, 18),
    "TCP_SAVE_SYN": (T, 27),
    "UDP_GRO": (U, 104),
    "UDP_SEGMENT": (U, 103),
    "UDP_CORK": (U, 1),
    "PACKET_AUXDATA": (P, 8),
    "PACKET_IGNORE_OUTGOING": (P, 23),
}
MSG: Final = {
    "PEEK": 2,
    "OOB": 1,
    "TRUNC": 0x20,
    "WAITALL": 0x100,
    "ERRQUEUE": 0x2000,
    "CTRUNC": 8,
    "EOR": 0x80,
    "MORE": 0x8000,
    "DONTWAIT": 0x40,
}
IOCTLS: Final = {"SIOCGSTAMP": 0x8906, "SIOCGSTAMPNS": 0x8907}
STAMPS: Final = {29: "timestamp", 35: "timestampns", 63: "timestamp_new", 64: "timestampns_new"}
# TCP's statistics in a time stamp (TCP_NLA_*): name, and whether it is a measure of time, which is never shown
STATS: Final = {
    1: ("busy", True),
    2: ("rwnd_limited", True),
    3: ("sndbuf_limited", True),
    4: ("data_segs_out", False),
    5: ("total_retrans", False),
    6: ("pacing_rate", True),
    7: ("delivery_rate", True),
    8: ("snd_cwnd", False),
    9: ("reordering", False),
    10: ("min_rtt", True),
    11: ("recur_retrans", False),
    12: ("delivery_rate_app_lmt", True),
    13: ("sndq_size", False),
    14: ("ca_state", False),
    15: ("snd_ssthresh", False),
    16: ("delivered", False),
    17: ("delivered_ce", False),
    18: ("bytes_sent", False),
    19: ("bytes_retrans", False),
    20: ("dsack_dups", False),
    21: ("reord_seen", False),
    22: ("srtt", True),
    23: ("timeout_rehash", False),
    24: ("bytes_notsent", False),
    25: ("edt", True),
    26: ("ttl", False),
    27: ("rehash", False),
}
POLLS: Final = ((1, "IN"), (2, "PRI"), (4, "OUT"), (8, "ERR"), (16, "HUP"), (0x2000, "RDHUP"))
DEV_KEYS: Final = (
    "rx_bytes",
    "rx_packets",
    "rx_errs",
    "rx_drop",
    "rx_fifo",
    "rx_frame",
    "rx_compressed",
    "rx_multicast",
    "tx_bytes",
    "tx_packets",
    "tx_errs",
    "tx_drop",
    "tx_fifo",
    "tx_colls",
    "tx_carrier",
    "tx_compressed",
)


def errname(e: int) -> str:
    return NAMES.get(e) or errno.errorcode.get(e, str(e))


def option(name: Any) -> tuple[int, int]:
    """Level and number of an option: by name, or [level, number]."""
    if isinstance(name, list):
        return int(name[0]), int(name[1])
    return INT_OPTS[name]


def ip4_bytes(text: str) -> bytes:
    return ip4(text).to_bytes(4, "big")


def delta(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """b - a, leaves that are not zero."""
    out: dict[str, Any] = {}
    for k, v in b.items():
        if isinstance(v, dict):
            d = delta(a.get(k, {}), v)
            if d:
                out[k] = d
        elif v - a.get(k, 0):
            out[k] = v - a.get(k, 0)
    return out


def extended_err(b: bytes) -> tuple[str, int, int]:
    """`struct sock_extended_err`: its text without ee_data, ee_origin and ee_data."""
    e, org, typ, code, _, info, data = struct.unpack("=IBBBBII", b[:16])
    return "err %s origin %d type %d code %d info %d" % (errname(e), org, typ, code, info), org, data


def masked_stamp(b: bytes) -> str:
    """A time in seconds and parts: whether it is there."""
    return "*" if any(b) else "0"


def stats_text(b: bytes) -> str:
    """The attributes of SCM_TIMESTAMPING_OPT_STATS in their order; measures of time are masked."""
    out = []
    at = 0
    while at + 4 <= len(b):
        n, t = struct.unpack_from("=HH", b, at)
        if n < 4:
            break
        if t:
            name, timed = STATS.get(t, (str(t), False))
            v = int.from_bytes(b[at + 4 : at + n], "little")
            out.append("%s %s" % (name, "*" if timed else v))
        at += (n + 3) & ~3
    return "stats " + ", ".join(out)


class ScenarioError(ValueError):
    """A scenario that says something unknown: one clear line."""


class Runner:
    """One scenario; subclasses say where frames go, how time passes and what was counted."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.sc = scenario
        self.env = tapfmt.merged_env(scenario)
        self.flows = tapfmt.Flows()
        self.socks: dict[str, Any] = {}
        self.types: dict[str, str] = {}
        self.tx: list[dict[str, Any]] = []
        self.setup_tx: list[dict[str, Any]] = []
        self.drops: list[dict[str, Any]] = []
        self.step = -1
        self.frame: int | None = None

    # --- hooks -------------------------------------------------------------------------------------------------------
    def setup(self) -> None:
        """Device, addresses, routes, neighbours, sysctls."""
        raise NotImplementedError

    def sysctl(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def new_socket(self, family: int, type_: int, proto: int) -> Any:
        """A socket with the manners of `socket.socket`, non-blocking."""
        raise NotImplementedError

    def bind_packet(self, s: Any, dev: str, proto: int) -> None:
        """Bind a packet socket; `dev` empty = any device."""
        raise NotImplementedError

    def attach_filter(self, s: Any, program: list[list[int]]) -> None:
        raise NotImplementedError

    def disconnect(self, s: Any) -> None:
        raise NotImplementedError

    def close_socket(self, s: Any) -> None:
        s.close()

    def recvmsg(self, s: Any, size: int, ancillary: int, flags: int) -> Any:
        """(data, control messages, flags, address); what the call leaves unwritten of its buffer is zero."""
        return s.recvmsg(size, ancillary, flags)

    def poll(self, s: Any) -> int:
        raise NotImplementedError

    def inq(self, s: Any) -> int:
        raise NotImplementedError

    def ioctl(self, s: Any, request: int) -> bytes:
        """What ioctl(2) writes."""
        raise NotImplementedError

    def mem_values(self, s: Any) -> Any:
        """The nine numbers of SO_MEMINFO."""
        raise NotImplementedError

    def inode(self, s: Any) -> int:
        raise NotImplementedError

    def if_name(self, index: int) -> str:
        raise NotImplementedError

    def read_proc(self, path: str) -> str:
        raise NotImplementedError

    def neighbours(self) -> dict[str, list[Any]]:
        raise NotImplementedError

    def write_frame(self, frame: bytes) -> None:
        """One frame into the device; OSError as write(2)."""
        raise NotImplementedError

    def preparing(self, spec: Any) -> None:
        """A frame that is not part of a burst is about to be made ready."""

    def written(self, burst: bool) -> None:
        """After every write_frame."""

    def reply_read(self) -> None:
        """A frame that was sent has been read."""

    def read_frame(self) -> bytes | None:
        """The next frame that was sent, without waiting."""
        raise NotImplementedError

    def pause(self, ms: float) -> None:
        """Let time pass; frames sent meanwhile are taken."""
        raise NotImplementedError

    def wait_tick(self) -> None:
        """To just after a timer tick."""
        raise NotImplementedError

    def set_mark(self, step: int, frame: int) -> None:
        """Drops from here on belong to this step and frame (-1: to a call)."""
        raise NotImplementedError

    def drop_list(self) -> list[dict[str, Any]] | None:
        """Drop reasons seen; None = this host cannot tell."""
        return self.drops

    def is_dropped(self, step: int, frame: int, reason: str) -> None:
        """A drop was seen; runs of consecutive frames dropped alike are one entry."""
        if step < 0:
            return
        p = self.drops[-1] if self.drops else None
        if p and p["step"] == step and p["reason"] == reason and frame >= 0 and frame == p["in"] + p.get("n", 1):
            p["n"] = p.get("n", 1) + 1
            return
        self.drops.append({"step": step, "in": frame, "reason": reason})

    def set_sysctls(self) -> dict[str, str]:
        """Write the base and the scenario's sysctls, in an order that their bounds allow; those of the device are
        given back: they must wait for it."""
        late: dict[str, str] = {}
        again: dict[str, str] = {}
        for k, v in {**tapfmt.BASE_SYSCTLS, **self.sc.get("sysctls", {})}.items():
            if "." + self.env["dev"] + "." in k:
                late[k] = v
                continue
            try:
                self.sysctl(k, v)
            except OSError:
                again[k] = v
        for k, v in again.items():
            self.sysctl(k, v)
        return late

    # --- what the stack sends ----------------------------------------------------------------------------------------
    def drain(self, ms: float = 0) -> None:
        if ms:
            self.pause(ms)
        while (f := self.read_frame()) is not None:
            self.flows.learn(f)
            if tapfmt.is_noise(f):
                continue
            self.reply_read()
            if self.step >= 0:
                self.tx.append({"step": self.step, "in": self.frame, "frame": decode(f, self.flows, "tx")})

    # --- sockets -----------------------------------------------------------------------------------------------------
    def make_socket(self, d: dict[str, Any]) -> Any:
        t = d["type"]
        try:
            if t == "udp":
                s = self.new_socket(2, 2, 0)
            elif t in ("tcp", "tcp_listen", "tcp_connect"):
                s = self.new_socket(2, 1, 0)
            elif t == "raw":
                s = self.new_socket(2, 3, d["proto"])
            elif t == "ping":
                s = self.new_socket(2, 2, 1)
            elif t == "packet":
                s = self.new_socket(17, 2 if d.get("cooked") else 3, 0)
                s.setsockopt(P, 23, 1)
                s.setsockopt(P, 8, 1)
            else:
                raise ScenarioError("socket type " + t)
        except OSError as e:
            return {"err": errname(e.errno or 0)}
        self.types[d["id"]] = t
        self.socks[d["id"]] = s
        try:
            for name, val in d.get("opts", []):
                self.set_opt(s, name, val)
            if t == "packet":
                self.bind_packet(s, "" if d.get("nodev") else d.get("dev", self.env["dev"]), d.get("proto", 3))
            if "bind" in d:
                s.bind((d["bind"][0], d["bind"][1]))
            for grp, ifc in d.get("join", []):
                s.setsockopt(IPL, 35, ip4_bytes(grp) + ip4_bytes(ifc))
            for grp, ifc, src in d.get("join_source", []):
                s.setsockopt(IPL, 39, ip4_bytes(grp) + ip4_bytes(ifc) + ip4_bytes(src))
            if "connect" in d:
                rc = s.connect_ex((d["connect"][0], d["connect"][1]))
                if rc:
                    return {"err": errname(rc)}
            if "listen" in d:
                s.listen(max(0, d["listen"]))
            return "ok"
        except OSError as e2:
            return {"err": errname(e2.errno or 0)}

    def set_opt(self, s: Any, name: str, val: Any) -> None:
        if name == "SO_LINGER":
            s.setsockopt(S, 13, struct.pack("ii", *val))
        elif name == "SO_BINDTODEVICE":
            s.setsockopt(S, 25, val.encode() + b"\0")
        elif name == "SO_ATTACH_FILTER":
            self.attach_filter(s, val)
        elif name == "ICMP_FILTER":
            s.setsockopt(255, 1, struct.pack("=I", val))
        elif name == "IP_DROP_MEMBERSHIP":
            s.setsockopt(IPL, 36, ip4_bytes(val[0]) + ip4_bytes(val[1]))
        else:
            lv, on = option(name)
            s.setsockopt(lv, on, bytes.fromhex(val["hex"]) if isinstance(val, dict) else val)

    def addr(self, sid: str, a: Any) -> Any:
        if self.types.get(sid) == "packet":
            if not a:
                return None
            return {"proto": "%04x" % a[1], "pkttype": a[2], "mac": mac_s(a[4])}
        return list(a) if a else None

    def ancdata(self, anc: list[tuple[int, int, bytes]]) -> list[str]:
        out = []
        for lv, ty, b in anc:
            if lv == IPL and ty == 2:
                out.append("ttl %d" % struct.unpack("i", b[:4])[0])
            elif lv == IPL and ty == 1:
                out.append("tos %d" % b[0])
            elif lv == IPL and ty == 8:
                ix, sd, ad = struct.unpack("i4s4s", b[:12])
                out.append("pktinfo %s %s %s" % (self.if_name(ix), ip_s(sd), ip_s(ad)))
            elif lv == IPL and ty == 11:
                off = ip_s(b[20:24]) if len(b) >= 24 else ""
                text, org, data = extended_err(b)
                out.append(text + " offender " + off + (" data %d" % data if org in (4, 5) else ""))
            elif lv == IPL and ty == 20:
                out.append("origdst %s:%d" % (ip_s(b[4:8]), struct.unpack("!H", b[2:4])[0]))
            elif lv == IPL and ty in (6, 7):
                out.append("%s %s" % ("recvopts" if ty == 6 else "retopts", b.hex()))
            elif lv == IPL and ty == 23:
                out.append("checksum %08x" % struct.unpack("I", b[:4])[0])
            elif lv == IPL and ty == 25:
                out.append("fragsize %d" % struct.unpack("i", b[:4])[0])
            elif lv == S and ty == 40:
                out.append("rxq_ovfl %d" % struct.unpack("I", b[:4])[0])
            elif lv == P and ty == 16:  # PACKET_TX_TIMESTAMP
                text, _, data = extended_err(b)
                out.append(text + " data %d" % data)
            elif lv == S and ty in STAMPS:
                out.append("%s %s" % (STAMPS[ty], masked_stamp(b)))
            elif lv == S and ty in (37, 65):
                third = len(b) // 3
                three = [masked_stamp(b[i * third : (i + 1) * third]) for i in range(3)]
                out.append("timestamping%s %s" % ("_new" if ty == 65 else "", " ".join(three)))
            elif lv == S and ty == 54:
                out.append(stats_text(b))
            elif lv == U and ty == 104:
                out.append("udp_gro %d" % struct.unpack("i" if len(b) >= 4 else "h", b[:4])[0])
            elif lv == P and ty == 8:
                st, ln, snap, mc, nt, tci, tpid = struct.unpack("=IIIHHHH", b[:20])
                t = "aux len %d snap %d mac %d net %d" % (ln, snap, mc, nt)
                t += " csum_%s" % ("notready" if st & 8 else "valid" if st & 128 else "none")
                if st & 16:
                    t += " vlan %04x" % tci
                if st & 64:
                    t += " tpid %04x" % tpid
                out.append(t)
            else:
                out.append("cmsg %d/%d %s" % (lv, ty, b.hex()))
        return out

    def recv_one(self, sid: str, n: int, flags: list[str]) -> dict[str, Any]:
        s = self.socks[sid]
        try:
            b, anc, mf, a = self.recvmsg(s, n, 1024, sum(MSG[x] for x in flags))
        except OSError as e:
            return {"err": errname(e.errno or 0)}
        r: dict[str, Any] = {"n": len(b)}
        t = self.types.get(sid)
        if t == "packet" and not mf & (MSG["TRUNC"] | MSG["ERRQUEUE"]):
            texts = self.ancdata(anc)
            part = any("csum_notready" in x for x in texts)
            if len(b) >= 14 and b[12:14] == struct.pack("!H", a[1]):
                r["frame"] = decode(b, self.flows, "rx", part)
            else:
                r["data"] = blob(b)
            r["from"] = self.addr(sid, a)
            r["anc"] = texts
            return r
        if mf & MSG["ERRQUEUE"] and b[12:14] == b"\x08\0" and b[14:15] >= b"\x45":  # a frame that was stamped
            r["frame"] = decode(b, self.flows, "tx")
        elif any((lv, ty) == (S, 54) for lv, ty, _ in anc):  # the same as in the control message
            pass
        elif t == "raw" and len(b) >= 40 and b[9] == 6:
            r["packet"] = tapfmt.decode_ip(b, self.flows, "rx")
        else:
            r["data"] = blob(b)
        ad = self.addr(sid, a)
        if ad:
            r["from"] = ad
        got = [k for k in ("TRUNC", "CTRUNC", "OOB", "ERRQUEUE", "EOR") if mf & MSG[k]]
        if got:
            r["flags"] = got
        if anc:
            r["anc"] = self.ancdata(anc)
        return r

    def is_stream(self, sid: str) -> bool:
        return self.types.get(sid, "").startswith("tcp")

    def op_recv(self, st: dict[str, Any]) -> Any:
        out: list[Any] = []
        for _ in range(min(st.get("count", 1), MAX_RECV)):
            r = self.recv_one(st["sock"], st.get("len", 65535), st.get("flags", []))
            out.append(r)
            if "err" in r or (self.is_stream(st["sock"]) and r["n"] == 0):
                break
            self.drain(0)
        return out[0] if st.get("count", 1) == 1 else out

    def op_recv_all(self, st: dict[str, Any]) -> dict[str, Any]:
        sid = st["sock"]
        n = st.get("len", 65535)
        if self.is_stream(sid):
            got, end = bytearray(), "limit"
            for _ in range(MAX_RECV):
                try:
                    b = self.socks[sid].recv(n)
                except OSError as e:
                    end = errname(e.errno or 0)
                    break
                if not b:
                    end = "EOF"
                    break
                got += b
                self.drain(0)
            return {"n": len(got), "data": blob(got), "end": end}
        out: list[Any] = []
        for _ in range(MAX_RECV):
            r = self.recv_one(sid, n, st.get("flags", []))
            if "err" in r:
                return {"count": len(out), "msgs": out, "end": r["err"]}
            out.append(r)
        return {"count": len(out), "msgs": out, "end": "limit"}

    def op_recv_count(self, st: dict[str, Any]) -> dict[str, Any]:
        r = self.op_recv_all(st)
        if "msgs" in r:
            return {"count": r["count"], "bytes": sum(m["n"] for m in r["msgs"]), "end": r["end"]}
        return {"bytes": r["n"], "end": r["end"]}

    def op_recv_pool(self, st: dict[str, Any]) -> dict[str, Any]:
        msgs: list[Any] = []
        used = 0
        for sid in st["socks"]:
            r = self.op_recv_all({"sock": sid})
            used += bool(r["msgs"])
            msgs += r["msgs"]
        msgs.sort(key=lambda m: json.dumps(m, sort_keys=True))
        out: dict[str, Any] = {"count": len(msgs), "msgs": msgs}
        if st.get("report_used"):
            out["used"] = used
        return out

    def tcp_info(self, s: Any) -> dict[str, Any]:
        b = s.getsockopt(T, 11, 256)
        assert isinstance(b, bytes)

        def u(o: int) -> int:
            return int(struct.unpack_from("=I", b, o)[0])

        def q(o: int) -> int:
            return int(struct.unpack_from("=Q", b, o)[0])

        opts = [n for i, n in enumerate(("ts", "sack", "wscale", "ecn", "ecn_seen", "fo")) if b[5] >> i & 1]
        d: dict[str, Any] = {"state": STATE_NAMES[b[0]], "opts": opts}
        if d["state"] in ("LISTEN", "CLOSE"):
            if d["state"] == "LISTEN":
                d.update(acceptq=u(24), backlog=u(28))
            return d
        d.update(
            snd_wscale=b[6] & 15,
            rcv_wscale=b[6] >> 4,
            snd_mss=u(16),
            rcv_mss=u(20),
            unacked=u(24),
            pmtu=u(60),
            rcv_ssthresh=u(64),
            advmss=u(84),
            rcv_space=u(96),
            bytes_acked=q(120),
            bytes_received=q(128),
            segs_out=u(136),
            segs_in=u(140),
            data_segs_in=u(152),
            rcv_ooopack=u(224),
            snd_wnd=u(228),
            rcv_wnd=u(232),
            snd_cwnd=u(80),
            retransmits=b[2],
        )
        return d

    def mem_info(self, s: Any) -> dict[str, int]:
        v = self.mem_values(s)
        return {"rmem_alloc": v[0], "rcvbuf": v[1], "backlog": v[7], "drops": v[8]}

    def sock_state(self, sid: str) -> dict[str, Any]:
        s = self.socks[sid]
        t = self.types[sid]
        d: dict[str, Any] = {}
        try:
            d["mem"] = self.mem_info(s)
            if t.startswith("tcp"):
                d["tcp"] = self.tcp_info(s)
            if t == "packet":
                b = s.getsockopt(P, 6, 8)
                assert isinstance(b, bytes)
                p, dr = struct.unpack("II", b)
                d["packet_stats"] = {"packets": p, "drops": dr}
            elif t in ("udp", "raw"):
                for ln in self.read_proc("/proc/net/" + t).splitlines()[1:]:
                    w = ln.split()
                    if w[9] == str(self.inode(s)):
                        d["proc_drops"] = int(w[12])
        except OSError as e:
            d["err"] = errname(e.errno or 0)
        return d

    def counters(self) -> dict[str, Any]:
        c: dict[str, Any] = {
            "snmp": _pairs(self.read_proc("/proc/net/snmp")),
            "netstat": _pairs(self.read_proc("/proc/net/netstat")),
        }
        c["snmp"].get("Tcp", {}).pop("MaxConn", None)
        c["dev"] = {}
        for ln in self.read_proc("/proc/net/dev").splitlines()[2:]:
            name, rest = ln.split(":")
            c["dev"][name.strip()] = dict(zip(DEV_KEYS, (int(x) for x in rest.split()), strict=False))
        return c

    # --- steps -------------------------------------------------------------------------------------------------------
    def do_step(self, st: dict[str, Any]) -> Any:
        op = st["op"]
        sid = st.get("sock")
        if sid is not None and sid not in self.socks and op != "socket":
            return {"err": "nosock"}
        if op == "inject":
            return self.op_inject(st)
        if op == "sleep":
            self.frame = None
            self.pause(st["ms"])
            return None
        if op == "recv":
            return self.op_recv(st)
        if op == "recv_all":
            return self.op_recv_all(st)
        if op == "recv_count":
            return self.op_recv_count(st)
        if op == "recv_pool":
            return self.op_recv_pool(st)
        if op == "socket":
            return self.make_socket(dict(st, id=st["id"]))
        try:
            return self.do_call(op, st, self.socks[sid] if sid is not None else None, sid or "")
        except OSError as e:
            return {"err": errname(e.errno or 0)}

    def op_inject(self, st: dict[str, Any]) -> Any:
        res: list[str] = []
        n = 0
        burst = st.get("burst")
        ready: list[tuple[bytes, str | None]] = []
        if burst:
            ready = [tapfmt.patch_frame(spec, self.flows) for spec in st["frames"]]
            if self.env["rx_mode"] == "napi":
                self.wait_tick()
        for k, spec in enumerate(st["frames"]):
            f, err = ready[k] if burst else tapfmt.patch_frame(spec, self.flows)
            if not burst:
                self.preparing(spec)
            for _ in range(spec.get("repeat", 1) if isinstance(spec, dict) else 1):
                if n >= MAX_FRAMES:
                    break
                self.frame = n
                self.set_mark(self.step, n)
                r = err or "ok"
                try:
                    self.write_frame(f)
                except OSError as e:
                    r = errname(e.errno or 0)
                res.append(r)
                self.written(bool(burst))
                if not burst:
                    self.drain(0)
                n += 1
        if burst:
            self.frame = None
        self.drain(1 if self.env["rx_mode"] == "napi" else 0)
        self.set_mark(self.step, -1)
        self.frame = None
        return "ok" if all(r == "ok" for r in res) else res

    def do_call(self, op: str, st: dict[str, Any], s: Any, sid: str) -> Any:
        if op == "accept":
            c, a = s.accept()
            c.setblocking(False)
            self.socks[st["as"]] = c
            self.types[st["as"]] = "tcp"
            return {"from": list(a)}
        if op == "send":
            return {
                "n": s.send(bytes.fromhex(st["data"]) * st.get("times", 1), sum(MSG[x] for x in st.get("flags", [])))
            }
        if op == "sendto":
            return {"n": s.sendto(bytes.fromhex(st["data"]) * st.get("times", 1), (st["to"][0], st["to"][1]))}
        if op == "sendmsg":
            control = [(lv, ty, bytes.fromhex(v)) for lv, ty, v in st.get("control", [])]
            to = st.get("to")
            name = None if to is None else (*to[:4], bytes.fromhex(to[4])) if len(to) == 5 else tuple(to)
            data = bytes.fromhex(st["data"]) * st.get("times", 1)
            flags = sum(MSG[x] for x in st.get("flags", []))
            return {"n": s.sendmsg([data], control, flags, *([name] if name is not None else []))}
        if op == "ioctl":
            b = self.ioctl(s, IOCTLS[st["request"]])
            return {"value": masked_stamp(b) if "STAMP" in st["request"] else int.from_bytes(b[:4], "little")}
        if op == "connect":
            e = s.connect_ex((st["to"][0], st["to"][1]))
            return {"err": errname(e)} if e else "ok"
        if op == "disconnect":
            self.disconnect(s)
            return "ok"
        if op == "listen":
            s.listen(max(0, st["backlog"]))  # as socket.listen does
            return "ok"
        if op == "close":
            self.close_socket(s)
            del self.socks[sid]
            return "ok"
        if op == "shutdown":
            s.shutdown({"rd": 0, "wr": 1, "rdwr": 2}[st["how"]])
            return "ok"
        if op == "setsockopt":
            self.set_opt(s, st["opt"], st["value"])
            return "ok"
        if op == "getsockopt":
            lv, on = option(st["opt"])
            if "len" in st:
                return {"value": s.getsockopt(lv, on, st["len"]).hex()}
            v = s.getsockopt(lv, on)
            if st["opt"] == "SO_ERROR":
                v = errname(v) if v else 0
            return {"value": v}
        if op == "poll":
            e = self.poll(s)
            return {"events": [n for bit, n in POLLS if e & bit]}
        if op == "inq":
            return {"inq": self.inq(s)}
        if op == "state":
            return self.sock_state(sid)
        if op == "mem":
            return self.mem_info(s)
        if op == "getpeername":
            return {"name": list(s.getpeername())}
        if op == "getsockname":
            return {"name": list(s.getsockname())}
        if op == "sysctl":
            self.sysctl(st["key"], st["value"])
            return "ok"
        if op == "neighbours":
            return self.neighbours()
        raise ScenarioError("op " + op)

    def program(self) -> dict[str, Any]:
        """The whole scenario, in the task."""
        sc = self.sc
        self.setup()
        made = {d["id"]: self.make_socket(d) for d in sc.get("sockets", [])}
        joins = any(d.get("join") or d.get("join_source") for d in sc.get("sockets", []))
        if joins:
            self.drain(60)
        elif any(d["type"] == "tcp_connect" for d in sc.get("sockets", [])):
            self.step = 0
            self.drain(3)
            self.setup_tx = [dict(t, step=-1) for t in self.tx]
            self.tx = []
            self.step = -1
        else:
            self.drain(2)
        base = self.counters()
        results = []
        for i, st in enumerate(sc["steps"]):
            self.step, self.frame = i, None
            self.set_mark(i, -1)
            results.append(self.do_step(st))
            self.drain(0)
        self.set_mark(-1, -1)
        drops = self.drop_list()
        d = delta(base, self.counters())
        return {
            "format": tapfmt.FORMAT,
            "name": sc["name"],
            "sockets": made,
            "steps": results,
            "tx": self.setup_tx + self.tx,
            "drops": drops,
            "counters": d,
            "final": {sid: self.sock_state(sid) for sid in sorted(self.socks)},
        }


def _pairs(text: str) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    lines = text.splitlines()
    for a, b in zip(lines[::2], lines[1::2], strict=True):
        h, v = a.split(), b.split()
        out.setdefault(h[0].rstrip(":"), {}).update(zip(h[1:], (int(x) for x in v[1:]), strict=True))
    return out
