"""Who is connected, who listens, which ports are taken.

Facts: net/ipv4/inet_hashtables.c, inet_connection_sock.c (6.1; 3.13's listener scores where they differ).
The established table holds connections, TIME_WAIT sockets and (4.4) request sockets under one key.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EADDRNOTAVAIL, linux_error
from rxpath.net.core.sock import TCP_CLOSE, TCP_LISTEN, TCP_TIME_WAIT
from rxpath.net.ipv4.inet_sock import inet_is_local_reserved_port
from rxpath.net.ipv4.tcp.seq import M32
from rxpath.net.ipv4.tcp.sock import RequestSock, TcpSock, TcpState, TimewaitSock

Key = tuple[int, int, int, int]
Hashed = TcpSock | TimewaitSock | RequestSock

EHASH_MASK: Final = 4095  # net.ipv4.tcp_ehash_entries
LHASH2_MASK: Final = 255  # one slot for 2 MiB where the established table has one for 128 KiB
INET_LHTABLE_SIZE: Final = 32
REUSE_HASH: Final = 0x9E3779B1


def inet_ehashfn(laddr: int, lport: int, faddr: int, fport: int) -> Key:
    """The key of a connection, as the local side sees it.  (Linux: jhash of the four; here the four themselves.)"""
    return (laddr, lport, faddr, fport)


def _jhash(words: tuple[int, ...], initval: int) -> int:
    """jhash_3words and shorter (include/linux/jhash.h)."""
    iv = (initval + 0xDEADBEEF + (len(words) << 2)) & M32
    a, b, c = ((w + iv) & M32 for w in (*words, 0, 0)[:3])
    for shift, x in ((14, 0), (11, 1), (25, 2), (16, 0), (4, 1), (14, 2), (24, 0)):
        if x == 0:
            c = ((c ^ b) - (b << shift | b >> (32 - shift))) & M32
        elif x == 1:
            a = ((a ^ c) - (c << shift | c >> (32 - shift))) & M32
        else:
            b = ((b ^ a) - (a << shift | a >> (32 - shift))) & M32
    return c


def listening_in_order(ts: TcpState) -> list[TcpSock]:
    """Listeners as a walk of their buckets meets them, in a bucket the newest first.

    Buckets: of the port (32 of them, inet_lhashfn), since 6.0 of address and port (inet_lhash2_bucket).
    """
    mix = ts.hash_mix
    two = ts.v.listening_by_address

    def bucket(sk: TcpSock) -> int:
        if two:
            return (_jhash((_be32(sk.rcv_saddr),), mix) ^ sk.num) & LHASH2_MASK
        return (sk.num + mix) & INET_LHTABLE_SIZE - 1

    socks = [sk for port in ts.listening for sk in ts.listening[port]]
    socks.sort(key=lambda sk: -sk.listen_no)
    return sorted(socks, key=bucket)


def established_in_order(ts: TcpState) -> list[Hashed]:
    """Connections, TIME_WAIT sockets and requests as a walk of the established table meets them (inet_ehashfn)."""
    initval = (ts.ehash_secret + ts.hash_mix) & M32

    def bucket(key: Key) -> int:
        laddr, lport, faddr, fport = key
        fport_be = (fport & 0xFF) << 8 | fport >> 8
        return _jhash((_be32(laddr), _be32(faddr), lport << 16 | fport_be), initval) & EHASH_MASK

    keys = list(ts.ehash)
    keys.reverse()  # in a bucket the newest first
    keys.sort(key=bucket)
    return [ts.ehash[key] for key in keys]


def _be32(addr: int) -> int:
    return int.from_bytes(addr.to_bytes(4, "big"), "little")


def _bound_dev(s: Hashed) -> int:
    if isinstance(s, RequestSock):
        return 0
    return s.bound_dev_if


def __inet_lookup_established(ts: TcpState, saddr: int, sport: int, daddr: int, hnum: int, dif: int) -> Hashed | None:
    s = ts.ehash.get(inet_ehashfn(daddr, hnum, saddr, sport))
    if s is not None:
        b = _bound_dev(s)
        if b and b != dif:
            return None
    return s


def inet_lhash2_lookup(
    ts: TcpState, socks: list[TcpSock], addr: int, dif: int, saddr: int, sport: int, daddr: int, hnum: int, cpu: int
) -> TcpSock | None:
    """Best listener bound to `addr`: device 2, plus one for the CPU that takes the packet; SO_REUSEPORT groups
    share by hash.
    """
    best: TcpSock | None = None
    best_score = 0
    for sk in socks:
        if sk.rcv_saddr != addr:
            continue
        if sk.bound_dev_if:
            if sk.bound_dev_if != dif:
                continue
            score = 3
        else:
            score = 2
        if sk.incoming_cpu == cpu:
            score += 1
        if score > best_score:
            best, best_score = sk, score
            if sk.reuseport:
                group = [s for s in socks if s.reuseport and s.rcv_saddr == addr and s.bound_dev_if == sk.bound_dev_if]
                if len(group) > 1:
                    h = (
                        (daddr ^ saddr * REUSE_HASH ^ sport * 0x85EBCA77 ^ hnum ^ ts.ipv4.net.hash_secret) * 0xC2B2AE35
                    ) & 0xFFFFFFFF
                    return group[h * len(group) >> 32]
    return best


def __inet_lookup_listener(
    ts: TcpState, saddr: int, sport: int, daddr: int, hnum: int, dif: int, cpu: int
) -> TcpSock | None:
    """A listener on the exact address, else one on any address."""
    socks = ts.listening.get(hnum, [])
    sk = inet_lhash2_lookup(ts, socks, daddr, dif, saddr, sport, daddr, hnum, cpu)
    if sk is None:
        sk = inet_lhash2_lookup(ts, socks, 0, dif, saddr, sport, daddr, hnum, cpu)
    return sk


def reuseport_migrate_sock(sk: TcpSock, num: int, chosen: int) -> TcpSock | None:
    """Who of an ended listener's group of port `num` takes over what nobody accepted (tcp_migrate_req; 5.14)."""
    ts = sk.ts
    if not sk.reuseport or not ts.tcp_migrate_req:
        return None
    addr, dev = sk.rcv_saddr, sk.bound_dev_if
    group = [s for s in ts.listening.get(num, []) if s.reuseport and s.rcv_saddr == addr and s.bound_dev_if == dev]
    if not any(s.listen_no <= sk.listen_end for s in group):  # the group is of those who listened together
        ts.ipv4.tcpext["TCPMigrateReqFailure"] += 1
        return None
    return group[chosen % len(group)]


# --- entering and leaving -------------------------------------------------------------------------


def inet_ehash_insert(ts: TcpState, key: Key, s: Hashed, old: Hashed | None = None) -> bool:
    """False when another connection has the key already (and is not `old`)."""
    cur = ts.ehash.get(key)
    if cur is not None and cur is not old:
        return False
    ts.ehash.pop(key, None)  # at the head of its bucket: what the dictionary holds last
    ts.ehash[key] = s
    return True


def inet_hash(sk: TcpSock) -> None:
    """Into the listening table, or the established one."""
    ts = sk.ts
    if sk.state == TCP_LISTEN:
        if not sk.listen_hashed:
            sk.listen_hashed = True
            ts.listening.setdefault(sk.num, []).append(sk)
            ts.listen_count += 1
            sk.listen_no = ts.listen_count
    elif sk.hashed_key is None and sk.state != TCP_CLOSE:
        key = inet_ehashfn(sk.rcv_saddr or sk.saddr, sk.num, sk.daddr, sk.dport)
        ts.ehash[key] = sk
        sk.hashed_key = key


def inet_unhash(sk: TcpSock) -> None:
    ts = sk.ts
    if sk.listen_hashed:
        sk.listen_hashed = False
        sk.listen_end = ts.listen_count
        lst = ts.listening[sk.num]
        lst.remove(sk)
        if not lst:
            del ts.listening[sk.num]
    key = sk.hashed_key
    if key is not None:
        sk.hashed_key = None
        if ts.ehash.get(key) is sk:
            del ts.ehash[key]


def bind_add(ts: TcpState, port: int, s: TcpSock | TimewaitSock) -> None:
    ts.bhash.setdefault(port, []).append(s)


def bind_del(ts: TcpState, port: int, s: TcpSock | TimewaitSock) -> None:
    lst = ts.bhash.get(port)
    if lst is not None and s in lst:
        lst.remove(s)
        if not lst:
            del ts.bhash[port]


def inet_put_port(sk: TcpSock) -> None:
    if sk.bind_hashed:
        sk.bind_hashed = False
        sk.connect_bind = False
        bind_del(sk.ts, sk.num, sk)
        sk.num = 0


# --- ports ----------------------------------------------------------------------------------------


def inet_csk_bind_conflict(sk: TcpSock, owners: list[TcpSock | TimewaitSock], chosen: bool, relax: bool) -> bool:
    """Whether `sk` may not share the port with those who have it.  `chosen`: the program named it; what the machine
    looks for by itself is shared by SO_REUSEADDR only with `relax` (ip_autobind_reuse), and never by SO_REUSEPORT.
    """
    for o in owners:
        if o is sk:
            continue
        tw = isinstance(o, TimewaitSock)
        ostate = TCP_TIME_WAIT if tw else o.state
        oaddr = o.loc_addr if isinstance(o, TimewaitSock) else o.rcv_saddr
        if sk.bound_dev_if and o.bound_dev_if and sk.bound_dev_if != o.bound_dev_if:
            continue
        together = sk.reuseport and o.reuseport and (tw or (isinstance(o, TcpSock) and o.uid == sk.uid))
        if sk.reuse and o.reuse and ostate != TCP_LISTEN:
            if relax and (chosen or not together):
                continue
        elif chosen and together:
            continue
        if not sk.rcv_saddr or not oaddr or sk.rcv_saddr == oaddr:
            return True
    return False


def inet_csk_find_open_port(sk: TcpSock) -> int:
    """A free port of the local range, 0 when there is none.  Odd distances first, for a connection looks at even ones;
    with SO_REUSEADDR the lower half of the range first.
    """
    ts = sk.ts
    low, last, _ = inet_sk_get_local_port_range(sk)
    end = last + 1
    halves = [(low, end)]
    if sk.reuse and end - low >= 4:
        half = low + (((end - low) >> 2) << 1)
        halves = [(low, half), (half, end)]
    for relax in (False, True) if sk.ipv4.ip_autobind_reuse else (False,):
        for lo, hi in halves:
            n = hi - lo
            if n > 1:
                n &= ~1
            first = ts.rng.randrange(n) | 1
            for off in (first, first - 1):
                p = lo + off
                for _ in range(0, n, 2):
                    if p >= hi:
                        p -= n
                    owners = ts.bhash.get(p)
                    if not inet_is_local_reserved_port(sk.ipv4, p) and not (
                        owners and inet_csk_bind_conflict(sk, owners, False, relax)
                    ):
                        return p
                    p += 2
    return 0


def inet_csk_get_port(sk: TcpSock, snum: int) -> bool:
    """Take port `snum`, or a free one of the local range when 0 (even ones first, as for bind in Linux)."""
    ts = sk.ts
    if snum:
        owners = ts.bhash.get(snum)
        if owners and inet_csk_bind_conflict(sk, owners, True, True):
            return False
        port = snum
    else:
        port = inet_csk_find_open_port(sk)
        if not port:
            return False
    sk.num = port
    if not sk.bind_hashed:
        sk.bind_hashed = True
        bind_add(ts, port, sk)
    return True


def inet_sk_get_local_port_range(sk: TcpSock) -> tuple[int, int, bool]:
    """First and last local port, and whether the socket has its own range (IP_LOCAL_PORT_RANGE)."""
    first, last = sk.local_port_range()
    return first, last, bool(sk.port_lo or sk.port_hi)


def __inet_check_established(sk: TcpSock, lport: int, bound: bool = False) -> bool:
    """Whether (local port, destination) is free; a TIME_WAIT socket may be taken over when time stamps make that
    safe.
    """
    ts = sk.ts
    cur = ts.ehash.get(inet_ehashfn(sk.rcv_saddr, lport, sk.daddr, sk.dport))
    if cur is None:
        return True
    if isinstance(cur, TimewaitSock) and ts.handlers.twsk_unique(sk, cur, bound):
        ts.ipv4.tcpext["TWRecycled"] += 1
        return True
    return False


def inet_hash_connect(sk: TcpSock) -> None:
    """Choose a local port for a connection (or check the bound one) and enter the established table.  Raises
    EADDRNOTAVAIL.
    """
    ts = sk.ts
    ipv4 = ts.ipv4
    if sk.num:
        if not __inet_check_established(sk, sk.num, True):
            raise linux_error(EADDRNOTAVAIL)
        inet_hash(sk)
        return
    lo, hi, own = inet_sk_get_local_port_range(sk)
    hi += 1
    n = hi - lo
    if n > 1 and not own:
        n &= ~1
    step = 1 if own else 2
    h = (sk.rcv_saddr * REUSE_HASH ^ sk.daddr * 0x85EBCA77 ^ sk.dport * 0xC2B2AE35 ^ ipv4.net.hash_secret) & 0xFFFFFFFF
    off = (ts.last_port_offset + h) % max(n, 1) & -step
    for half in range(step):
        p = lo + off + half
        for i in range(max(n // step, 1)):
            if p >= hi:
                p -= n
            owners = ts.bhash.get(p)
            ok = not inet_is_local_reserved_port(ipv4, p)
            if owners and ok:
                ok = all(o.connect_bind for o in owners) and __inet_check_established(sk, p)
            if ok:
                sk.num = p
                sk.sport = p
                sk.bind_hashed = True
                sk.connect_bind = True
                bind_add(ts, p, sk)
                ts.last_port_offset += i + 2
                inet_hash(sk)
                return
            p += step
    raise linux_error(EADDRNOTAVAIL)
