"""Facts about one UDP socket: what it lost, its buffer, whether its queue stands full."""

from __future__ import annotations

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


def _rb(v: View, s: Snapshot) -> int | None:
    ss = s.ss()
    if ss is None or v.socket is None:
        return None
    for row in ss.rows:
        if row.skmem is not None and row.local_port == str(v.socket[1]):
            return row.skmem.rb
    return None


@fact("socket", "receive buffer of the socket (rb of ss -m), bytes")
def rb(v: View) -> Fact:
    n = _rb(v, v.b)
    return (
        Fact(n, (Evidence("ss -uampn", f"port {v.socket[1] if v.socket else 0} rb", None, n),))
        if n is not None
        else unknown_fact("ss -uampn")
    )


@fact("socket", "true when the queue was full at both moments: arrivals exceed what the program reads")
def full_both(v: View) -> Fact:
    n = v.number("rb")
    a, b = _sock(v, v.a), _sock(v, v.b)
    if n is None:
        return v.get("rb")
    if v.pair.single or a is None or b is None:
        return unknown_fact("cat /proc/net/udp (twice, 10 s apart)")
    full = a[1] * 10 >= n * 9 and b[1] * 10 >= n * 9
    return Fact(
        full,
        (Evidence("/proc/net/udp", f"port {v.socket[1] if v.socket else 0} rx_queue, bytes", a[1], b[1]),),
    )
