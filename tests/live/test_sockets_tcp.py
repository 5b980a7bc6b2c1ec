"""TCP through the stand-in for `socket`; each test runs on the host's own sockets too: the host's kernel is the judge."""

from __future__ import annotations

import errno
import os
import select
import selectors
import socket as stdlib
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rxpath.live.machine import LiveMachine

linux = pytest.mark.skipif(sys.platform != "linux", reason="the host's kernel is the judge: Linux only")


@pytest.fixture(params=["live", pytest.param("host", marks=linux)])
def mod(request: pytest.FixtureRequest) -> Iterator[Any]:
    yield stdlib if request.param == "host" else request.getfixturevalue("net").socket


def pair(mod: Any) -> tuple[Any, Any]:
    """(client, server): two ends of a connection."""
    with mod.create_server(("127.0.0.1", 0)) as listener:
        c = mod.create_connection(listener.getsockname(), 20)
        s, who = listener.accept()
        assert who == c.getsockname()
    c.settimeout(20)
    s.settimeout(20)
    return c, s


def state(s: Any, how: str) -> tuple[bool, bool]:
    """(readable, writable) now, by select, poll or epoll."""
    if how == "select":
        r, w, _ = select.select([s], [s], [], 0)
        return bool(r), bool(w)
    if how == "poll":
        p = select.poll()
        p.register(s, select.POLLIN | select.POLLOUT)
        got = dict(p.poll(0)).get(s.fileno(), 0)
        return bool(got & select.POLLIN), bool(got & select.POLLOUT)
    with select.epoll() as e:
        e.register(s, select.EPOLLIN | select.EPOLLOUT)
        got = dict(e.poll(0)).get(s.fileno(), 0)
        return bool(got & select.EPOLLIN), bool(got & select.EPOLLOUT)


HOWS = ["select", pytest.param("poll", marks=linux), pytest.param("epoll", marks=linux)]


@pytest.mark.parametrize("how", HOWS)
def test_readiness_is_level_triggered_both_ways(mod: Any, how: str) -> None:
    c, s = pair(mod)
    with c, s:
        assert state(c, how) == (False, True)
        s.sendall(b"abc")
        select.select([c], [], [], 20)
        assert state(c, how) == (True, True)
        assert state(c, how) == (True, True)
        assert c.recv(2) == b"ab" and state(c, how) == (True, True)
        assert c.recv(2) == b"c" and state(c, how) == (False, True)
        # full: not writable, and writable again when the other side has read enough
        c.setblocking(False)
        sent = 0
        with pytest.raises(BlockingIOError):
            while True:
                sent += c.send(bytes(65536))
        assert state(c, how) == (False, False)
        got = 0
        while got < sent:
            got += len(s.recv(1 << 20))
        assert select.select([], [c], [], 20)[1] == [c]
        assert state(c, how) == (False, True)
        s.shutdown(mod.SHUT_WR)
        assert select.select([c], [], [], 20)[0] == [c]
        assert state(c, how) == (True, True)
        assert c.recv(10) == b""
        assert state(c, how) == (True, True)


def test_a_listener_is_readable_while_somebody_waits(mod: Any) -> None:
    with mod.create_server(("127.0.0.1", 0)) as listener:
        assert state(listener, "select") == (False, False)
        clients = [mod.create_connection(listener.getsockname()) for _ in range(2)]
        for _ in clients:
            assert select.select([listener], [], [], 20)[0] == [listener]
            listener.accept()[0].close()
        assert state(listener, "select") == (False, False)
        for c in clients:
            c.close()


def test_connecting_without_blocking(mod: Any) -> None:
    with mod.create_server(("127.0.0.1", 0)) as listener, mod.socket() as c:
        c.setblocking(False)
        assert c.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        assert select.select([], [c], [], 20)[1] == [c]
        assert c.getsockopt(mod.SOL_SOCKET, mod.SO_ERROR) == 0
        assert c.connect_ex(listener.getsockname()) in (0, errno.EISCONN)
        where = listener.getsockname()
    with mod.socket() as c:  # nobody listens there any more
        c.setblocking(False)
        if c.connect_ex(where) == errno.EINPROGRESS:
            assert select.select([c], [c], [], 20)[1] == [c]
            assert c.getsockopt(mod.SOL_SOCKET, mod.SO_ERROR) == errno.ECONNREFUSED
            assert c.getsockopt(mod.SOL_SOCKET, mod.SO_ERROR) == 0
    with pytest.raises(ConnectionRefusedError):
        mod.create_connection(where, 20)


def test_a_reset_wakes_and_is_seen_once(mod: Any) -> None:
    c, s = pair(mod)
    with c:
        c.fileno()
        s.setsockopt(mod.SOL_SOCKET, mod.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        assert select.select([c], [], [], 20)[0] == [c]
        with pytest.raises(ConnectionResetError):
            c.recv(1)
        assert c.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            c.send(b"x")


def test_dup_and_detach_name_the_same_socket(mod: Any) -> None:
    c, s = pair(mod)
    d = c.dup()
    assert d.fileno() != c.fileno() and d.getsockname() == c.getsockname()
    c.sendall(b"one")
    c.close()
    d.sendall(b"two")  # the connection lives while one name of it does
    got = b""
    while len(got) < 6:
        got += s.recv(6)
    assert got == b"onetwo"
    fd = d.detach()
    assert d.fileno() == -1
    with pytest.raises(OSError) as e:
        d.send(b"x")
    assert e.value.errno == errno.EBADF
    f = mod.socket(fileno=fd)
    assert (f.fileno(), f.family, f.type, f.proto) == (fd, mod.AF_INET, mod.SOCK_STREAM, mod.IPPROTO_TCP)
    g = mod.fromfd(fd, mod.AF_INET, mod.SOCK_STREAM)
    f.close()
    assert state(g, "select") == (False, True)
    g.sendall(b"three")
    assert s.recv(10) == b"three"
    assert state(s, "select") == (False, True)
    fd = g.detach()
    mod.close(fd)
    with pytest.raises(OSError) as e:
        mod.close(fd)
    assert s.recv(10) == b""
    assert e.value.errno == errno.EBADF
    s.close()


def test_sendfile_makefile_and_large_sends(mod: Any, tmp_path: Path) -> None:
    data = os.urandom(700_000)
    (tmp_path / "f").write_bytes(data)
    c, s = pair(mod)
    with c, s:
        got: list[bytes] = []

        def reader() -> None:
            with s.makefile("rb") as f:
                got.append(f.read(len(data)))
                got.append(f.read(len(data) - 10))
                got.append(f.read(3))

        t = threading.Thread(target=reader)
        t.start()
        with open(tmp_path / "f", "rb") as f:
            assert c.sendfile(f) == len(data)
            assert f.tell() == len(data)
            assert c.sendfile(f, 10) == len(data) - 10
        c.sendall(memoryview(b"end"))
        t.join(30)
        assert got == [data, data[10:], b"end"]
        c.settimeout(None)
        t = threading.Thread(target=lambda: got.append(s.recv(len(data), mod.MSG_WAITALL)))
        s.settimeout(None)
        t.start()
        assert c.send(data) == len(data)  # a blocking send waits for room
        t.join(30)
        assert got[-1] == data


def test_a_time_limit_while_sending_and_receiving(mod: Any) -> None:
    c, s = pair(mod)
    with c, s:
        c.settimeout(0.05)
        with pytest.raises(TimeoutError):
            c.recv(1)
        with pytest.raises(TimeoutError):
            c.sendall(bytes(50_000_000))
        assert select.select([c], [c], [], 0) == ([], [], [])


def test_half_close_and_shutdown_wake_a_blocked_reader(mod: Any) -> None:
    c, s = pair(mod)
    with c, s:
        c.settimeout(None)
        got: list[bytes] = []
        t = threading.Thread(target=lambda: got.append(c.recv(10)))
        t.start()
        while t.is_alive():
            c.shutdown(mod.SHUT_RD)
            t.join(0.05)
        assert got == [b""]
        c.sendall(b"still")
        assert s.recv(10) == b"still"
        c.shutdown(mod.SHUT_WR)
        assert s.recv(10) == b""
        with pytest.raises(BrokenPipeError):
            c.send(b"x")


def test_options_of_tcp(mod: Any) -> None:
    c, s = pair(mod)
    with c, s:
        for name, value in (("TCP_NODELAY", 1), ("TCP_KEEPIDLE", 70), ("TCP_KEEPINTVL", 9), ("TCP_KEEPCNT", 3)):
            c.setsockopt(mod.IPPROTO_TCP, getattr(mod, name), value)
            assert c.getsockopt(mod.IPPROTO_TCP, getattr(mod, name)) == value
        assert c.getsockopt(mod.SOL_SOCKET, mod.SO_ACCEPTCONN) == 0
        assert c.getsockopt(mod.IPPROTO_TCP, mod.TCP_INFO, 1) == b"\1"  # ESTABLISHED
        c.setsockopt(mod.SOL_SOCKET, mod.SO_LINGER, struct.pack("ii", 1, 5))
        assert c.getsockopt(mod.SOL_SOCKET, mod.SO_LINGER, 8) == struct.pack("ii", 1, 5)


def test_closing_with_linger_waits_for_the_peer(mod: Any) -> None:
    """And nobody else waits with it."""
    c, s = pair(mod)
    with s:
        c.setsockopt(mod.SOL_SOCKET, mod.SO_LINGER, struct.pack("ii", 1, 20))
        c.settimeout(None)
        c.sendall(bytes(100_000))
        t = threading.Thread(target=c.close)
        t.start()
        n = 0
        while data := s.recv(65536):
            n += len(data)
        t.join(20)
        assert n == 100_000 and not t.is_alive()


def test_peek_urgent_and_messages(mod: Any) -> None:
    c, s = pair(mod)
    with c, s:
        c.sendall(b"abc")
        assert s.recv(10, mod.MSG_PEEK) == b"abc"
        assert s.recvfrom(2) == (b"ab", None)
        assert s.recvmsg(10)[0] == b"c"
        c.sendmsg([b"de", b"f"])
        buffers = [bytearray(2), bytearray(5)]
        n, anc, flags, who = s.recvmsg_into(buffers)
        assert (n, anc, flags, who) == (3, [], 0, None) and buffers[0] + buffers[1][:1] == b"def"
        s.settimeout(None)  # with a limit Python waits for plain data first
        c.send(b"xy", mod.MSG_OOB)
        assert s.recv(10) == b"x"
        assert s.recv(10, mod.MSG_OOB) == b"y"


def test_unix_sockets_are_the_hosts_own(mod: Any) -> None:
    a, b = mod.socketpair()
    with a, b:
        assert isinstance(a, mod.socket)
        a.send(b"x")
        assert b.recv(1) == b"x" and a.family == mod.AF_UNIX
    with mod.socket(mod.AF_UNIX, mod.SOCK_DGRAM) as u:
        assert u.getsockname() == ""


def test_a_selector_over_both_kinds(net: LiveMachine) -> None:
    c, s = pair(net.socket)
    a, b = stdlib.socketpair()
    with selectors.DefaultSelector() as sel, a, b, c, s:
        for x in (a, c):
            sel.register(x, selectors.EVENT_READ)
        b.send(b"x")
        assert [k.fileobj for k, _ in sel.select(5)] == [a]
        a.recv(1)
        s.send(b"x")
        assert [k.fileobj for k, _ in sel.select(5)] == [c]


def test_an_unclosed_socket_is_said_and_closed(net: LiveMachine) -> None:
    s = net.socket.create_server(("127.0.0.1", 4242))
    with pytest.warns(ResourceWarning, match="unclosed.*4242"):
        del s
    with net.socket.create_server(("127.0.0.1", 4242)):
        pass


def test_writing_to_the_descriptor_itself_is_refused(net: LiveMachine) -> None:
    c, s = pair(net.socket)
    with c, s, pytest.raises(BrokenPipeError):
        os.write(c.fileno(), b"x")


def test_closing_leaves_no_descriptor_behind(net: LiveMachine) -> None:
    def once() -> None:
        c, s = pair(net.socket)
        with c, s, c.dup() as d:
            state(c, "select")
            state(s, "select")
            state(d, "select")

    once()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        once()
    assert len(os.listdir("/proc/self/fd")) == before


def test_waiting_calls_end_when_the_machine_does() -> None:
    import rxpath

    net = rxpath.live(None, "10.9.0.2/24").start()
    listener = net.socket.create_server(("127.0.0.1", 0))
    errors: list[int | None] = []

    def wait() -> None:
        try:
            listener.accept()
        except OSError as e:
            errors.append(e.errno)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for t in threads:
        t.start()
    net.close()
    for t in threads:
        t.join(20)
    assert errors == [errno.ESHUTDOWN] * 3
    listener.close()
