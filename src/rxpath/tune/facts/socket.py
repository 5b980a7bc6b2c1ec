"""Facts about one UDP socket: what it lost, its buffer, whether its queue stands full."""

from __future__ import annotations

from ...formats.ss import Skmem
from ..snapshot import Snapshot
from .base import Evidence, Fact, View, fact, material, moved_fact, unknown_fact


def _sock(v: View, s: Snapshot) -> tuple[int, int] | None:
    """(drops, truesize bytes queued) of the socket."""
    for table in s.udp():
        for row in table.rows:
            if (row.head.local, row.head.lport) == v.socket:
                return row.drops, row.head.rx_queue
    return None


@fact("socket", "local port of the socket")
def port(v: View) -> Fact:
    return Fact(v.socket[1] if v.socket else 0)


@fact("socket", "datagrams that this socket lost")
def sock_drops(v: View) -> Fact:
    b, a = _sock(v, v.b), _sock(v, v.a)
    name = f"{v.socket[0]}:{v.socket[1]} drops" if v.socket else "drops"
    got = moved_fact(
        v,
        a[0] if a is not None else None,
        b[0] if b is not None else None,
        32,
        "/proc/net/udp",
        name,
        "cat /proc/net/udp (twice)",
    )
    return material(v, got, v.number("udp_in"))


def _skmem(v: View, s: Snapshot) -> Skmem | None:
    """What `ss -m` says of the socket's memory."""
    ss = s.ss()
    if ss is None or v.socket is None:
        return None
    address, port = v.socket
    for row in ss.rows:
        local = row.local.strip("[]").split("%")[0]
        if row.skmem is not None and row.local_port == str(port) and local in (address, "*"):
            return row.skmem
    return None


def _full(v: View, s: Snapshot) -> Evidence | None:
    """Evidence that the queue stands full; None where it does not or nobody tells.

    `r` of ss is the memory charged; rx_queue of /proc/net/udp lacks what the reader took and has not given back yet
    (up to a quarter of the buffer: udp_rmem_release of 4.10 and later).
    """
    memory, row = _skmem(v, s), _sock(v, s)
    if memory is None or not memory.rb:
        return None
    port = v.socket[1] if v.socket else 0
    if memory.r * 10 >= memory.rb * 9:
        return Evidence("ss -uampn", f"port {port} r (charged) of rb {memory.rb}", None, memory.r)
    if row is not None and row[1] * 100 >= memory.rb * 74:
        return Evidence("/proc/net/udp", f"port {port} rx_queue, bytes", None, row[1])
    return None


@fact("socket", "receive buffer of the socket (rb of ss -m), bytes")
def rb(v: View) -> Fact:
    memory = _skmem(v, v.b)
    if memory is None:
        return unknown_fact("ss -uampn")
    return Fact(memory.rb, (Evidence("ss -uampn", f"port {v.socket[1] if v.socket else 0} rb", None, memory.rb),))


@fact("socket", "true when the queue was full at both moments: arrivals exceed what the program reads")
def full_both(v: View) -> Fact:
    if v.pair.single or _skmem(v, v.a) is None or _skmem(v, v.b) is None:
        return unknown_fact("ss -uampn (twice, 10 s apart)")
    first, second = _full(v, v.a), _full(v, v.b)
    if first is None or second is None:
        return Fact(False)
    return Fact(True, (first, second))
