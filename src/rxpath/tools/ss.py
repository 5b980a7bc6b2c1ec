"""ss (iproute2 6.1): sockets of IPv4; -u -t -w -a -l -n -m -e -p -H -O -s, state and port filters."""

from __future__ import annotations

from rxpath.formats import ss
from rxpath.kernel.errno import ENOTSUP
from rxpath.net.core.sock import Sock, sk_meminfo, sock_gen_cookie
from rxpath.net.ipv4.inet_sock import InetSock
from rxpath.net.ipv4.tcp.hashtables import established_in_order, listening_in_order
from rxpath.net.ipv4.tcp.sock import tcp_state_of
from rxpath.tools.iptables_ext import service_port
from rxpath.tools.process import Process, Usage
from rxpath.wire.addr import inet_make_mask, ip4_str

# by the kernel's number of a state
STATES = {
    1: "ESTAB",
    2: "SYN-SENT",
    3: "SYN-RECV",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "UNCONN",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
}
LISTENING = ("LISTEN", "UNCONN")
WORDS = {
    "established": ("ESTAB",),
    "syn-sent": ("SYN-SENT",),
    "syn-recv": ("SYN-RECV",),
    "fin-wait-1": ("FIN-WAIT-1",),
    "fin-wait-2": ("FIN-WAIT-2",),
    "time-wait": ("TIME-WAIT",),
    "closed": ("UNCONN",),
    "unconnected": ("UNCONN",),
    "close-wait": ("CLOSE-WAIT",),
    "last-ack": ("LAST-ACK",),
    "listening": ("LISTEN",),
    "closing": ("CLOSING",),
    "all": tuple(STATES.values()),
    "connected": tuple(s for s in STATES.values() if s not in LISTENING),
}
LONG = {
    "--udp": "u",
    "--tcp": "t",
    "--raw": "w",
    "--all": "a",
    "--listening": "l",
    "--numeric": "n",
    "--memory": "m",
    "--extended": "e",
    "--processes": "p",
    "--no-header": "H",
    "--oneline": "O",
    "--ipv4": "4",
    "--summary": "s",
    "--info": "i",
}
NETIDS = {"UDP": "udp", "TCP": "tcp", "RAW": "raw", "PING": "icmp"}


def main(p: Process, args: list[str]) -> int:
    """The program.  Status 255 for wrong use.  Ports are numbers always: there is no list of services."""
    flags = ""
    states: tuple[str, ...] | None = None
    ports: list[tuple[str, str, str]] = []
    hosts: list[tuple[str, int, int, str]] = []
    words: list[str] = []
    at = 0
    while at < len(args):
        a = args[at]
        at += 1
        name, equals, value = a.partition("=")
        if a in LONG:
            flags += LONG[a]
        elif a in ("-V", "--version"):
            p.out("ss utility, iproute2-6.1.0\n")
            return 0
        elif name in ("--query", "--socket", "--family") or a in ("-A", "-f"):
            if not equals:
                if at >= len(args):
                    long = f"option '{a}' requires an argument"
                    raise _usage(long if a.startswith("--") else f"option requires an argument -- '{a[1]}'")
                value = args[at]
                at += 1
            flags += _family(value) if name == "--family" or a == "-f" else _tables(value)
        elif a.startswith("--"):
            raise _usage(f"unrecognized option '{a}'")
        elif a.startswith("-") and len(a) > 1:
            for c in a[1:]:
                if c in "x06dSEKNDF":
                    raise OSError(ENOTSUP, f"ss -{c}")
                if c in "Zz":
                    raise Usage("ss: SELinux is not enabled.\n")
                if c not in "utwalnmepHO4sirbo":
                    raise _usage(f"invalid option -- '{c}'")
            flags += a[1:]
        else:
            words.append(a)
    words = [w for w in " ".join(words).replace("(", " ").replace(")", " ").split() if w != "and"]
    at = 0
    while at < len(words):
        w = words[at]
        at += 1
        if w in ("or", "not", "|", "||", "!", "&", "&&"):
            raise OSError(ENOTSUP, f"ss: '{w}' in a filter")
        if w in ("state", "exclude"):
            if at >= len(words):
                raise Usage('Command line is not complete. Try option "help"\n', 255)
            v = words[at].lower()
            at += 1
            if v not in WORDS:
                raise Usage(f"ss: wrong state name: {words[at - 1]}\n", 255)
            if w == "state":
                states = (states or ()) + WORDS[v]
            else:
                states = tuple(s for s in (states or WORDS["all"]) if s not in WORDS[v])
            continue
        if w in ("sport", "dport", "src", "dst"):
            op = "="
            if at < len(words) and words[at] in OPERATORS:
                op = OPERATORS[words[at]]
                at += 1
            if at >= len(words):
                raise _usage('bison bellows (while parsing filter): "syntax error!" Sorry.')
            v = words[at]
            at += 1
        else:
            op, v = "=", w
            w = "dst"
        if w in ("sport", "dport"):
            ports.append((w, op, _port(v)))
        else:
            host, port = _host(v)
            hosts.append((w, *host, op))
            if port:
                ports.append(("sport" if w == "src" else "dport", op, port))
    if "s" in flags:
        return _summary(p)
    kinds = [k for c, k in (("u", "UDP"), ("t", "TCP"), ("w", "RAW")) if c in flags]
    shown_kinds = kinds or ["PING", "UDP", "RAW", "TCP"]
    if states is None:
        if "a" in flags:
            states = WORDS["all"]
        elif "l" in flags:
            states = LISTENING
        else:
            states = WORDS["connected"]
    rows: list[ss.SsSock] = []
    for kind in ("PING", "UDP", "RAW", "TCP"):
        if kind in shown_kinds:
            rows += [
                _row(p, s, flags, kind)
                for s in sockets(p, kind)
                if _state(s) in states and _fits(s, ports) and _from(s, hosts)
            ]
    if "l" in flags and "a" not in flags:
        rows = [r for r in rows if r.state == "LISTEN" or r.netid != "tcp"]
    p.out(
        ss.render(
            rows,
            header="H" not in flags,
            netid=len(shown_kinds) > 1,
            state=len(states) > 1,
            oneline="O" in flags,
        )
    )
    return 0


def sockets(p: Process, kind: str) -> list[InetSock]:
    """The programs' sockets of one protocol that inet_diag finds, by port, TCP's by their buckets; the kernel's own are
    not shown.
    """
    out: list[InetSock] = []
    for s in p.net.sockets:
        if not isinstance(s, InetSock) or s.prot.name != kind or s.dead or type(s).__name__ == "KernelSock":
            continue
        if s.num == 0 or (kind == "TCP" and s.state == 7):
            continue
        out.append(s)
    out.sort(key=lambda s: (s.num, s.inode))
    if kind == "TCP" and out:
        ts = tcp_state_of(out[0].ipv4)
        walk = [*listening_in_order(ts), *established_in_order(ts)]
        place = {id(s): i for i, s in enumerate(walk)}
        out.sort(key=lambda s: place.get(id(s), len(place)))
    return out


def _state(s: Sock) -> str:
    return STATES.get(s.state, "UNCONN")


def _fits(s: InetSock, ports: list[tuple[str, str, str]]) -> bool:
    for side, op, port in ports:
        have, want = s.num if side == "sport" else s.dport, int(port)
        if not {"=": have == want, "!=": have != want, ">=": have >= want, "<=": have <= want}[op]:
            return False
    return True


def _from(s: InetSock, hosts: list[tuple[str, int, int, str]]) -> bool:
    """Whether the addresses lie in (or, with !=, outside of) the prefixes."""
    for side, addr, mask, op in hosts:
        have = s.rcv_saddr if side == "src" else s.daddr
        if (have & mask == addr) != (op == "="):
            return False
    return True


USAGE = "Usage: ss [ OPTIONS ]\n       ss [ OPTIONS ] [ FILTER ]\n"
OPERATORS = {
    "=": "=", "==": "=", "eq": "=", "!=": "!=", "ne": "!=", "neq": "!=",
    ">=": ">=", "ge": ">=", "geq": ">=", "<=": "<=", "le": "<=", "leq": "<=",
}  # fmt: skip
TABLES = {"udp": "u", "tcp": "t", "raw": "w", "inet": "utw", "all": "utw"}


def _usage(text: str) -> Usage:
    return Usage(f"ss: {text}\n{USAGE}", 255)


def _tables(text: str) -> str:
    """-A: tables of sockets, joined by commas."""
    out = ""
    for word in text.split(","):
        if word in ("unix", "unix_dgram", "unix_stream", "unix_seqpacket", "packet", "packet_raw", "packet_dgram",
                    "netlink", "dccp", "sctp", "vsock", "tipc", "xdp", "mptcp"):  # fmt: skip
            raise OSError(ENOTSUP, f"ss -A {word}")
        if word not in TABLES:
            raise _usage(f'"{word}" is illegal socket table id')
        out += TABLES[word]
    return out


def _family(text: str) -> str:
    if text in ("inet6", "unix", "link", "netlink", "vsock", "tipc", "xdp"):
        raise OSError(ENOTSUP, f"ss -f {text}")
    if text != "inet":
        raise _usage(f'"{text}" is invalid family')
    return "4"


def _port(text: str) -> str:
    """A port as filters take it: with or without a colon, or the name of a service."""
    word = text.rpartition(":")[2]
    if word.isdigit() and int(word) < 65536:
        return word
    number = service_port(word, "")
    if number < 0:
        raise Usage(f'Error: "{word}" does not look like a port.\nCannot parse dst/src address.\n')
    return str(number)


def _host(text: str) -> tuple[tuple[int, int], str]:
    """((address, mask), port) of ADDRESS[/LENGTH][:PORT]."""
    host, colon, port = text.partition(":")
    if host in ("*", "any", "all", ""):
        return (0, 0), _port(port) if colon and port not in ("", "*") else ""
    addr, slash, length = host.partition("/")
    parts = addr.split(".")
    good = 1 <= len(parts) <= 4 and all(x.isdigit() and int(x) < 256 for x in parts)
    if not good or (slash and not (length.isdigit() and int(length) <= 32)):
        raise Usage(f'Error: an inet prefix is expected rather than "{host}".\nCannot parse dst/src address.\n')
    value = int.from_bytes(bytes(int(x) for x in [*parts, *["0"] * (4 - len(parts))]), "big")
    mask = inet_make_mask(int(length) if slash else 32)
    return (value & mask, mask), _port(port) if colon and port not in ("", "*") else ""


def _row(p: Process, s: InetSock, flags: str, kind: str) -> ss.SsSock:
    state = _state(s)
    recv, send = s.rmem_alloc, s.wmem_alloc
    if kind == "TCP":
        if state == "LISTEN":
            recv, send = getattr(s, "ack_backlog", 0), getattr(s, "max_ack_backlog", 0)
        else:
            recv = (getattr(s, "rcv_nxt", 0) - getattr(s, "copied_seq", 0)) & 0xFFFFFFFF
            send = (getattr(s, "write_seq", 0) - getattr(s, "snd_una", 0)) & 0xFFFFFFFF
    memory = None
    if "m" in flags:
        m = sk_meminfo(s)
        drops = m[8] if p.kernel.release.name != "3.13" else None
        memory = ss.Skmem(m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], drops)
    owner = p.net.sock_owners.get(s.inode) if "p" in flags else None
    users = f'users:(("{owner[0]}",pid={owner[1]},fd={owner[2]}))' if owner is not None else ""
    extra = f"ino:{s.inode} sk:{sock_gen_cookie(s):x} <->" if "e" in flags else ""
    bound = ""
    if s.bound_dev_if:
        dev = p.net.by_index.get(s.bound_dev_if)
        bound = f"%{dev.name}" if dev is not None else ""
    return ss.SsSock(
        recv,
        send,
        ip4_str(s.rcv_saddr) + bound,
        str(s.num) if kind != "RAW" else {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 255: "raw"}.get(s.num, str(s.num)),
        ip4_str(s.daddr),
        str(s.dport) if s.dport else "*",
        state,
        NETIDS[kind],
        memory,
        " ".join(x for x in (users, extra) if x),
    )


def _summary(p: Process) -> int:
    count = {k: len(sockets(p, k)) for k in ("UDP", "TCP", "RAW")}
    tcp = sockets(p, "TCP")
    estab = sum(1 for s in tcp if _state(s) == "ESTAB")
    total = len([s for s in p.net.sockets if type(s).__name__ != "KernelSock"])
    p.out(f"Total: {total}\nTCP:   {count['TCP']} (estab {estab}, closed 0, orphaned 0, timewait 0)\n\n")
    p.out("Transport Total     IP        IPv6\n")
    inet = sum(count.values())
    for name, n in (
        ("RAW\t", count["RAW"]),
        ("UDP\t", count["UDP"]),
        ("TCP\t", count["TCP"]),
        ("INET\t", inet),
        ("FRAG\t", 0),
    ):
        p.out(f"{name}  {n:<9d} {n:<9d} {0:<9d}\n")
    p.out("\n")
    return 0
