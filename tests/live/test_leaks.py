"""What many short connections leave behind: nothing. And programs and peers that behave badly."""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import Any

import pytest

from rxpath.live.machine import LiveMachine
from rxpath.net.core.skbuff import SkBuff
from rxpath.sim.engine import SWEEP_AT

PORT = 7000


def held(net: LiveMachine) -> dict[str, int]:
    """What the machine and this process hold of sockets, descriptors, calls, timers and frames."""
    b = net.bridge
    assert b is not None and b.machine is not None
    m = b.machine

    def look() -> dict[str, int]:
        tcp = next(w for w in map(str.split, m.files.read("/proc/net/sockstat").splitlines()) if w[0] == "TCP:")
        return {
            "owners": len(m.net.sock_owners),
            "tcp in use": int(tcp[2]),
            "tcp allocated": int(tcp[8]),
            "orphans": int(tcp[4]),
            "pending calls": len(b.pending) + len(b.ops),
            "mirrors": len(b.at_end),
            "tasks": len(m.kernel.sched.tasks),
        }

    found: dict[str, int] = b.call(look)
    found["descriptors"] = len(os.listdir("/proc/self/fd"))
    found["threads"] = threading.active_count()
    return found


def objects(net: LiveMachine) -> tuple[int, int]:
    """(frames, armed timers); of the cancelled ones no more lie about than the engine lets."""
    b = net.bridge
    assert b is not None and b.machine is not None
    m = b.machine

    def look() -> tuple[int, int]:
        gc.collect()
        heap = m.kernel.engine.heap
        armed = sum(e[2].fn is not None for e in heap)
        assert len(heap) - armed <= max(SWEEP_AT, armed)
        return sum(type(o) is SkBuff for o in gc.get_objects()), armed

    found: tuple[int, int] = b.call(look)
    return found


def resident() -> int:
    """Octets of this process in memory."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def left_over(net: LiveMachine, before: dict[str, int]) -> dict[str, int]:
    """What there is more of than `before`, once what was closed has gone; at most some seconds.

    Less is no fault: another test's threads may have ended since.
    """
    end = time.monotonic() + 10
    while True:
        more = {k: n - before[k] for k, n in held(net).items() if n > before[k]}
        if not more or time.monotonic() > end:
            return more
        time.sleep(0.05)


def no_time_wait(net: LiveMachine) -> None:
    assert net.run("sysctl -w net.ipv4.tcp_max_tw_buckets=16").status == 0


def exchange(net: LiveMachine, listener: Any, n: int, every: int = 0) -> None:
    """n connections one after another, both ends here; each `every`th is watched with select, some are reset."""
    mod = net.socket
    import select
    import struct

    def serve() -> None:
        for _ in range(n):
            conn, _ = listener.accept()
            with conn:
                conn.sendall(conn.recv(100))
                conn.recv(1)

    t = threading.Thread(target=serve)
    t.start()
    for i in range(n):
        with mod.create_connection(("127.0.0.1", PORT)) as c:
            c.sendall(b"word")
            if every and i % every == 0:
                assert select.select([c], [], [], 20)[0]
            assert c.recv(100) == b"word"
            if i % 7 == 0:  # a reset where the other end waits
                c.setsockopt(mod.SOL_SOCKET, mod.SO_LINGER, struct.pack("ii", 1, 0))
    t.join(300)
    assert not t.is_alive()


def test_short_connections_leave_nothing(net: LiveMachine, soak: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 20_000 if soak else 300
    no_time_wait(net)
    mod = net.socket
    with mod.create_server(("", PORT)) as listener:
        # resets end the server's thread unless it takes them
        monkeypatch.setattr(mod.socket, "recv", _forgiving(mod.socket.recv))
        exchange(net, listener, 100, every=5)
        time.sleep(0.1)
        before, frames, memory = held(net), objects(net), resident()
        exchange(net, listener, n, every=5)
        assert left_over(net, before) == {}
        after = objects(net)
        assert after[0] <= frames[0] + 20 and after[1] <= frames[1] + 40
        assert resident() - memory < 4_000_000 + 300 * n  # a leak of a socket would be thousands of octets each


def _forgiving(recv: Any) -> Any:
    def forgiving(self: Any, *args: Any) -> bytes:
        try:
            data: bytes = recv(self, *args)
            return data
        except ConnectionResetError:
            return b""

    return forgiving


def test_a_program_that_never_accepts(net: LiveMachine) -> None:
    """The queue of a listener is full: who comes waits and gives up; the machine serves others, and closes clean."""
    no_time_wait(net)
    mod = net.socket
    before = held(net)
    with mod.create_server(("", PORT), backlog=2), mod.create_server(("", PORT + 1)) as other:
        first = [mod.create_connection(("127.0.0.1", PORT), 5) for _ in range(3)]
        with pytest.raises(TimeoutError):
            mod.create_connection(("127.0.0.1", PORT), 0.2)
        with mod.create_connection(("127.0.0.1", PORT + 1)) as c:
            conn, _ = other.accept()
            conn.sendall(b"served")
            assert c.recv(10) == b"served"
            conn.close()
    for c in first:  # the listener's end reset them
        with pytest.raises(ConnectionResetError):
            c.recv(1)
        c.close()
    assert left_over(net, before) == {}


def test_half_open_connections_end_by_keepalive(net: LiveMachine) -> None:
    """A peer that went without a word: what it left ends by keepalive, not never."""
    mod = net.socket
    before = held(net)
    with mod.create_server(("", PORT)) as listener:
        c = mod.create_connection(("127.0.0.1", PORT))
        conn, _ = listener.accept()
        assert net.run("iptables -A INPUT -p tcp --dport 7000 -j DROP").status == 0
        assert net.run("iptables -A INPUT -p tcp --sport 7000 -j DROP").status == 0
        for option, value in ((mod.TCP_KEEPIDLE, 1), (mod.TCP_KEEPINTVL, 1), (mod.TCP_KEEPCNT, 1)):
            conn.setsockopt(mod.IPPROTO_TCP, option, value)
        conn.setsockopt(mod.SOL_SOCKET, mod.SO_KEEPALIVE, 1)
        conn.settimeout(15)
        with pytest.raises(TimeoutError) as e:
            conn.recv(1)
        assert e.value.errno == 110  # the kernel's, not the time limit's
        conn.close()
        assert net.run("iptables -F").status == 0
        c.settimeout(10)
        c.sendall(b"is anybody there")
        with pytest.raises(ConnectionResetError):
            c.recv(1)
        c.close()
    assert left_over(net, before) == {}


def test_threads_that_raise_leave_their_sockets_to_the_collector(net: LiveMachine) -> None:
    no_time_wait(net)
    mod = net.socket
    before = held(net)
    errors: list[str] = []

    def raises() -> None:
        try:
            c = mod.create_connection(("127.0.0.1", PORT))
            c.sendall(b"x")
            raise RuntimeError("a program's own fault")
        except RuntimeError as e:
            errors.append(str(e))
            raise

    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        with mod.create_server(("", PORT)) as listener, pytest.warns(ResourceWarning, match="unclosed"):
            for _ in range(5):
                t = threading.Thread(target=raises)
                t.start()
                conn, _ = listener.accept()
                t.join()
                with conn:
                    assert conn.recv(10) == b"x"
                    gc.collect()
                    conn.settimeout(10)
                    assert conn.recv(10) == b""  # its destructor closed it
    finally:
        threading.excepthook = hook
    assert len(errors) == 5
    assert left_over(net, before) == {}
