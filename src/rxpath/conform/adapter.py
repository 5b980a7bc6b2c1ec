"""The adapter: runs one scenario on a machine of release 6.18 in virtual time and gives the observed document.

The scenario and document formats are those of the recorder that asked the kernel (tests/conform/README.md).  All
steps run in one task of the
machine, as the recorder is one process; `sleep` is the only step that takes time.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any, Final

from rxpath.config import MachineConfig
from rxpath.conform import tapfmt
from rxpath.conform.environment import recorded_environment
from rxpath.conform.tapfmt import blob, decode, ip_s, mac_s
from rxpath.drivers.tun.tun import TunDevice, tun_create, tun_do_read, tun_get_user
from rxpath.kernel.errno import NAMES
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, Task
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_NAMES, NUD_NOARP, NUD_PERMANENT, NUD_VALID, neigh_add
from rxpath.net.core.netdevice import dev_get_stats, dev_open, dev_set_allmulti, dev_set_mtu, dev_set_promiscuity
from rxpath.net.core.sock import sk_meminfo
from rxpath.net.ipv4.devinet import inet_insert_ifa
from rxpath.net.ipv4.fib import fib_add_route
from rxpath.net.packet.af_packet import packet_init
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4, ip4_net, mac

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
TCP_STATES: Final = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
)
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
    return NAMES.get(e, str(e))


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


class Scenario:
    """One scenario on one machine."""

    def __init__(self, scenario: dict[str, Any], release: str = "6.18", seed: int = 0) -> None:
        self.sc = scenario
        self.env = tapfmt.merged_env(scenario)
        self.flows = tapfmt.Flows()
        self.socks: dict[str, Socket] = {}
        self.types: dict[str, str] = {}
        self.tx: list[dict[str, Any]] = []
        self.setup_tx: list[dict[str, Any]] = []
        self.drops: list[dict[str, Any]] = []
        self.step = -1
        self.frame: int | None = None
        self.mark = (-1, -1)
        self.tap: TunDevice
        self.task: Task | None = None
        self.machine = Machine(MachineConfig(release=release, costs="none", seed=seed))

    # --- set-up ------------------------------------------------------------------------------------------------------
    def setup(self) -> None:
        m = self.machine
        env = self.env
        net = m.net
        if net.packet is None:
            packet_init(net)
        recorded_environment(net)
        self.tap = tap = tun_create(
            net, env["dev"], nonblock=env["skb_alloc"] == "build_skb", napi=env["rx_mode"] == "napi"
        )
        sysctls = dict(tapfmt.BASE_SYSCTLS)
        sysctls.update(self.sc.get("sysctls", {}))
        late: dict[str, str] = {}
        again: dict[str, str] = {}
        for k, v in sysctls.items():
            if "." + env["dev"] + "." in k:
                late[k] = v
                continue
            try:
                self.sysctl(k, v)
            except OSError:
                again[k] = v
        for k, v in again.items():
            self.sysctl(k, v)
        tap.ndo_set_mac_address(mac(env["mac"]))
        dev_set_mtu(tap, env["mtu"])
        for a in env["addrs"]:
            addr, plen = ip4_net(a)
            inet_insert_ifa(tap, addr, plen, broadcast=-1)
        lo = net.loopback
        if not env["lo_up"] and lo is not None:
            from rxpath.net.core.netdevice import dev_close

            dev_close(lo)
        dev_open(tap)
        if env["promisc"]:
            dev_set_promiscuity(tap, 1)
        if env["allmulti"]:
            dev_set_allmulti(tap, 1)
        for ip, hw in env["neigh"]:
            neigh_add(net.ipv4.arp_tbl, ip4(ip), tap, mac(hw), NUD_PERMANENT)
        for prefix, gw in env["routes"]:
            p, n = (0, 0) if prefix == "default" else ip4_net(prefix)
            fib_add_route(net.ipv4, p, n, dev=tap, gw=ip4(gw) if gw else 0)
        for k, v in late.items():
            self.sysctl(k, v)
        if env["gro_flush_timeout"]:
            tap.gro_flush_timeout = env["gro_flush_timeout"]
        m.kernel.trace.kfree_skb.attach(self._on_kfree)

    def sysctl(self, key: str, value: Any) -> None:
        if key.startswith("net.ipv6."):
            return
        table = self.machine.kernel.sysctl
        if key not in table.entries and key.startswith("net.ipv4.tcp_"):
            return
        table.set(key, str(value))

    def _on_kfree(self, tp: Any, cpu: int, t: int, values: tuple[Any, ...]) -> None:
        k = self.machine.kernel
        if k.cpus[0].curr is not self.task:
            return
        step, frame = self.mark
        if step < 0:
            return
        reason = values[3]
        if reason in ("SOCKET_CLOSE", "CONSUMED"):
            return  # sockets free their queues after a grace period, in nobody's context
        p = self.drops[-1] if self.drops else None
        if p and p["step"] == step and p["reason"] == reason and frame >= 0 and frame == p["in"] + p.get("n", 1):
            p["n"] = p.get("n", 1) + 1
            return
        self.drops.append({"step": step, "in": frame, "reason": reason})

    # --- what the stack sends ----------------------------------------------------------------------------------------
    def drain(self, ms: float = 0) -> None:
        if ms:
            self.pause(ms)
        while True:
            f = tun_do_read(self.tap)
            if f is None:
                return
            self.flows.learn(f)
            if tapfmt.is_noise(f):
                continue
            if self.step >= 0:
                self.tx.append({"step": self.step, "in": self.frame, "frame": decode(f, self.flows, "tx")})

    def pause(self, ms: float) -> None:
        """Let `ms` of virtual time pass; frames sent meanwhile are read at their moment."""
        k = self.machine.kernel
        end = k.engine.now + int(ms * 1_000_000)
        task = self.task
        assert task is not None
        while k.engine.now < end:
            task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(min(end - k.engine.now, 100_000_000))
            self.drain()

    def wait_tick(self) -> None:
        """To just after a timer tick."""
        k = self.machine.kernel
        self.pause((k.tick_ns - k.engine.now % k.tick_ns) / 1_000_000)

    # --- sockets -----------------------------------------------------------------------------------------------------
    def make_socket(self, d: dict[str, Any]) -> Any:
        t = d["type"]
        net = self.machine.net
        try:
            if t == "udp":
                s = Socket(net, 2, 2)
            elif t in ("tcp", "tcp_listen", "tcp_connect"):
                s = Socket(net, 2, 1)
            elif t == "raw":
                s = Socket(net, 2, 3, d["proto"])
            elif t == "ping":
                s = Socket(net, 2, 2, 1)
            elif t == "packet":
                s = Socket(net, 17, 2 if d.get("cooked") else 3, 0)
                s.setsockopt(P, 23, 1)
                s.setsockopt(P, 8, 1)
            else:
                raise ValueError("socket type " + t)
        except OSError as e:
            return {"err": errname(e.errno or 0)}
        s.setblocking(False)
        self.types[d["id"]] = t
        self.socks[d["id"]] = s
        try:
            for name, val in d.get("opts", []):
                self.set_opt(s, name, val)
            if t == "packet":
                s.bind(("" if d.get("nodev") else d.get("dev", self.env["dev"]), d.get("proto", 3)))
            if "bind" in d:
                s.bind((d["bind"][0], d["bind"][1]))
            for grp, ifc in d.get("join", []):
                s.setsockopt(IPL, 35, ip4(grp).to_bytes(4, "big") + ip4(ifc).to_bytes(4, "big"))
            for grp, ifc, src in d.get("join_source", []):
                s.setsockopt(IPL, 39, b"".join(ip4(x).to_bytes(4, "big") for x in (grp, ifc, src)))
            if "connect" in d:
                rc = s.connect_ex((d["connect"][0], d["connect"][1]))
                if rc:
                    return {"err": errname(rc)}
            if "listen" in d:
                s.listen(d["listen"])
            return "ok"
        except OSError as e2:
            return {"err": errname(e2.errno or 0)}

    def set_opt(self, s: Socket, name: str, val: Any) -> None:
        if name == "SO_LINGER":
            s.setsockopt(S, 13, struct.pack("ii", *val))
        elif name == "SO_BINDTODEVICE":
            s.setsockopt(S, 25, val.encode() + b"\0")
        elif name == "SO_ATTACH_FILTER":
            s.setsockopt(S, 26, b"".join(struct.pack("=HBBI", *ins) for ins in val))
        elif name == "ICMP_FILTER":
            s.setsockopt(255, 1, struct.pack("=I", val))
        elif name == "IP_DROP_MEMBERSHIP":
            s.setsockopt(IPL, 36, ip4(val[0]).to_bytes(4, "big") + ip4(val[1]).to_bytes(4, "big"))
        else:
            lv, on = INT_OPTS[name]
            s.setsockopt(lv, on, val)

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
                out.append("pktinfo %s %s %s" % (self.machine.net.by_index[ix].name, ip_s(sd), ip_s(ad)))
            elif lv == IPL and ty == 11:
                e, org, typ, code, _, info, _ = struct.unpack("=IBBBBII", b[:16])
                off = ip_s(b[20:24]) if len(b) >= 24 else ""
                out.append(
                    "err %s origin %d type %d code %d info %d offender %s" % (errname(e), org, typ, code, info, off)
                )
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
            b, anc, mf, a = s.recvmsg(n, 1024, sum(MSG[x] for x in flags))
        except OSError as e:
            return {"err": errname(e.errno or 0)}
        r: dict[str, Any] = {"n": len(b)}
        t = self.types.get(sid)
        if t == "packet" and not mf & MSG["TRUNC"]:
            texts = self.ancdata(anc)
            part = any("csum_notready" in x for x in texts)
            if len(b) >= 14 and b[12:14] == struct.pack("!H", a[1]):
                r["frame"] = decode(b, self.flows, "rx", part)
            else:
                r["data"] = blob(b)
            r["from"] = self.addr(sid, a)
            r["anc"] = texts
            return r
        if t == "raw" and len(b) >= 40 and b[9] == 6:
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

    def tcp_info(self, s: Socket) -> dict[str, Any]:
        b = s.getsockopt(T, 11, 256)
        assert isinstance(b, bytes)

        def u(o: int) -> int:
            return int(struct.unpack_from("=I", b, o)[0])

        def q(o: int) -> int:
            return int(struct.unpack_from("=Q", b, o)[0])

        opts = [n for i, n in enumerate(("ts", "sack", "wscale", "ecn", "ecn_seen", "fo")) if b[5] >> i & 1]
        d: dict[str, Any] = {"state": TCP_STATES[b[0]], "opts": opts}
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

    def mem_info(self, s: Socket) -> dict[str, int]:
        v = sk_meminfo(s.sk)
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
                for ln in self.machine.files.read("/proc/net/" + t).splitlines()[1:]:
                    w = ln.split()
                    if w[9] == str(s.sk.inode):
                        d["proc_drops"] = int(w[12])
        except OSError as e:
            d["err"] = errname(e.errno or 0)
        return d

    # --- counters ----------------------------------------------------------------------------------------------------
    def counters(self) -> dict[str, Any]:
        f = self.machine.files
        c: dict[str, Any] = {"snmp": _pairs(f.read("/proc/net/snmp")), "netstat": _pairs(f.read("/proc/net/netstat"))}
        c["snmp"].get("Tcp", {}).pop("MaxConn", None)
        c["dev"] = {}
        for ln in f.read("/proc/net/dev").splitlines()[2:]:
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
            for _ in range(spec.get("repeat", 1) if isinstance(spec, dict) else 1):
                if n >= MAX_FRAMES:
                    break
                self.frame = n
                self.mark = (self.step, n)
                r = err or "ok"
                try:
                    tun_get_user(self.tap, f)
                except OSError as e:
                    r = errname(e.errno or 0)
                res.append(r)
                if not burst:
                    self.drain(0)
                n += 1
        if burst:
            self.frame = None
        self.drain(1 if self.env["rx_mode"] == "napi" else 0)
        self.mark = (self.step, -1)
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
        if op == "connect":
            e = s.connect_ex((st["to"][0], st["to"][1]))
            return {"err": errname(e)} if e else "ok"
        if op == "disconnect":
            s.disconnect()
            return "ok"
        if op == "listen":
            s.listen(st["backlog"])
            return "ok"
        if op == "close":
            s.close()
            del self.socks[sid]
            return "ok"
        if op == "shutdown":
            s.shutdown({"rd": 0, "wr": 1, "rdwr": 2}[st["how"]])
            return "ok"
        if op == "setsockopt":
            self.set_opt(s, st["opt"], st["value"])
            return "ok"
        if op == "getsockopt":
            lv, on = INT_OPTS[st["opt"]]
            v = s.getsockopt(lv, on)
            if st["opt"] == "SO_ERROR":
                v = errname(v) if v else 0
            return {"value": v}
        if op == "poll":
            e = s.poll() & (0x2007 | 8 | 16)
            return {"events": [n for bit, n in POLLS if e & bit]}
        if op == "inq":
            return {"inq": s.inq()}
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
        raise ValueError("op " + op)

    def neighbours(self) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        for n in self.machine.net.ipv4.arp_tbl.entries.values():
            if n.dev is self.tap and not n.nud_state & NUD_NOARP:
                out[ip_s(n.key.to_bytes(4, "big"))] = [
                    mac_s(n.ha) if n.nud_state & NUD_VALID else None,
                    NUD_NAMES[n.nud_state],
                ]
        return out

    def program(self) -> dict[str, Any]:
        """The whole scenario, in the task."""
        sc = self.sc
        self.task = self.machine.kernel.sched.current()
        self.setup()
        self.pause(10)
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
            self.mark = (i, -1)
            results.append(self.do_step(st))
            self.drain(0)
        self.mark = (-1, -1)
        d = delta(base, self.counters())
        return {
            "format": tapfmt.FORMAT,
            "name": sc["name"],
            "sockets": made,
            "steps": results,
            "tx": self.setup_tx + self.tx,
            "drops": self.drops,
            "counters": d,
            "final": {sid: self.sock_state(sid) for sid in sorted(self.socks)},
        }

    def run(self) -> dict[str, Any]:
        m = self.machine.boot()
        out: dict[str, Any] = m.in_task(self.program, "scenario")
        return out


def _pairs(text: str) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    lines = text.splitlines()
    for a, b in zip(lines[::2], lines[1::2], strict=True):
        h, v = a.split(), b.split()
        out.setdefault(h[0].rstrip(":"), {}).update(zip(h[1:], (int(x) for x in v[1:]), strict=True))
    return out


def observe(scenario: dict[str, Any]) -> dict[str, Any]:
    """Run one scenario; the observed document."""
    return Scenario(scenario).run()


def main() -> int:
    """One scenario on standard input, one document on standard output."""
    json.dump(observe(json.load(sys.stdin)), sys.stdout)
    return 0


__all__ = ["Scenario", "dev_get_stats", "main", "observe"]

if __name__ == "__main__":
    sys.exit(main())
