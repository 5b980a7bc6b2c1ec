"""The stand-in for `socket`: what is true of the standard library's is true of ours.

Most tests run twice, once on the host's own loopback and once in a machine: the host's kernel is the judge.
"""

from __future__ import annotations

import asyncio
import errno
import selectors
import socket as stdlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import rxpath
from rxpath.live.machine import LiveMachine

linux = pytest.mark.skipif(sys.platform != "linux", reason="the host's kernel is the judge: Linux only")


@pytest.fixture(params=["live", pytest.param("host", marks=linux)])
def mod(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "host":
        yield stdlib
    else:
        yield request.getfixturevalue("net").socket


def pair(mod: Any) -> tuple[Any, Any]:
    """Two connected UDP sockets."""
    a = mod.socket(mod.AF_INET, mod.SOCK_DGRAM)
    b = mod.socket(mod.AF_INET, mod.SOCK_DGRAM)
    a.bind(("127.0.0.1", 0))
    b.bind(("127.0.0.1", 0))
    a.connect(b.getsockname())
    b.connect(a.getsockname())
    return a, b


def test_send_and_receive_in_every_way(mod: Any) -> None:
    a, b = pair(mod)
    with a, b:
        assert a.getpeername() == b.getsockname()
        assert a.send(b"one") == 3
        assert b.recv(100) == b"one"
        a.sendall(memoryview(b"two"))
        assert b.recvfrom(100) == (b"two", a.getsockname())
        assert a.sendto(bytearray(b"three"), b.getsockname()) == 5
        buffer = bytearray(10)
        assert b.recv_into(buffer) == 5 and buffer[:5] == b"three"
        assert a.sendto(b"four", 0, b.getsockname()) == 4
        assert b.recvfrom_into(buffer, 2) == (2, a.getsockname()) and buffer[:3] == b"for"
        assert a.sendmsg([b"fi", b"ve"], [], 0, b.getsockname()) == 4
        assert b.recvmsg(3, 0) == (b"fiv", [], mod.MSG_TRUNC, a.getsockname())
        assert a.send(b"") == 0
        assert b.recv(10) == b""
        a.send(b"sixseven")
        x, y = bytearray(3), bytearray(20)
        n, anc, flags, who = b.recvmsg_into([x, y])
        assert (n, anc, flags, who) == (8, [], 0, a.getsockname()) and x + y[:5] == b"sixseven"
        a.send(b"eight")
        assert b.recv(10, mod.MSG_PEEK) == b"eight"
        assert b.recv(2) == b"ei"


def test_defaults(mod: Any) -> None:
    s = mod.socket(mod.AF_INET, mod.SOCK_DGRAM)
    assert (s.family, s.type, s.proto, s.timeout) == (mod.AF_INET, mod.SOCK_DGRAM, 0, None)
    assert s.gettimeout() is None and s.getblocking()
    assert s.getsockname() == ("0.0.0.0", 0)
    s.setblocking(False)
    assert s.gettimeout() == 0.0 and not s.getblocking()
    assert not s.get_inheritable()
    s.close()
    assert s.fileno() == -1
    with mod.socket(mod.AF_INET, mod.SOCK_DGRAM | mod.SOCK_NONBLOCK) as s:
        assert s.gettimeout() == 0.0 and s.type == mod.SOCK_DGRAM
    assert mod.getdefaulttimeout() is None
    mod.setdefaulttimeout(2.5)
    try:
        with mod.socket(mod.AF_INET, mod.SOCK_DGRAM) as s:
            assert s.gettimeout() == 2.5
    finally:
        mod.setdefaulttimeout(None)
    assert mod.timeout is TimeoutError and mod.error is OSError


def code(fn: Any) -> tuple[type[BaseException], int | None]:
    try:
        fn()
    except OSError as e:
        return type(e), e.errno
    except (ValueError, TypeError, OverflowError) as e:
        return type(e), None
    raise AssertionError("no error")


def test_errors(mod: Any) -> None:
    a, b = pair(mod)
    with a, b:
        a.setblocking(False)
        assert code(lambda: a.recv(1)) == (BlockingIOError, errno.EAGAIN)
        a.setblocking(True)
        assert code(lambda: a.recv(1, mod.MSG_DONTWAIT)) == (BlockingIOError, errno.EAGAIN)
        a.settimeout(0.01)
        assert code(lambda: a.recv(1)) == (TimeoutError, None)
        assert code(lambda: a.settimeout(-1)) == (ValueError, None)
        with mod.socket(mod.AF_INET, mod.SOCK_DGRAM) as s:
            assert code(lambda: s.bind(a.getsockname())) == (OSError, errno.EADDRINUSE)
            assert code(lambda: s.send(b"x")) == (OSError, errno.EDESTADDRREQ)
            assert code(lambda: s.getpeername()) == (OSError, errno.ENOTCONN)
            assert code(lambda: s.sendto(b"x" * 66000, b.getsockname())) == (OSError, errno.EMSGSIZE)
            assert code(lambda: s.sendto(b"x", ("127.0.0.1", 70000))) == (OverflowError, None)
            assert code(lambda: s.setsockopt(mod.SOL_SOCKET, 9999, 1)) == (OSError, errno.ENOPROTOOPT)
            assert code(lambda: s.shutdown(mod.SHUT_RD)) == (OSError, errno.ENOTCONN)
            assert code(lambda: s.bind(("203.0.113.1", 5))) == (OSError, errno.EADDRNOTAVAIL)
        assert code(lambda: s.recv(1)) == (OSError, errno.EBADF)
        gone = b.getsockname()
    with mod.socket(mod.AF_INET, mod.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect(gone)
        s.send(b"x")
        assert code(lambda: s.recv(1)) == (ConnectionRefusedError, errno.ECONNREFUSED)
        assert s.connect_ex(("127.0.0.1", 9)) == 0


def test_shutdown_wakes_the_reader(mod: Any) -> None:
    a, b = pair(mod)
    got: list[bytes] = []
    t = threading.Thread(target=lambda: got.append(a.recv(10)), daemon=True)
    t.start()
    while t.is_alive():
        try:
            a.shutdown(mod.SHUT_RDWR)
        except OSError:
            pass
        t.join(0.01)
    assert got == [b""]
    a.close()
    b.close()


def test_options(mod: Any) -> None:
    with mod.socket(mod.AF_INET, mod.SOCK_DGRAM) as s:
        s.setsockopt(mod.SOL_SOCKET, mod.SO_RCVBUF, 5000)
        assert s.getsockopt(mod.SOL_SOCKET, mod.SO_RCVBUF) == 10000
        assert s.getsockopt(mod.SOL_SOCKET, mod.SO_RCVBUF, 4) == (10000).to_bytes(4, "little")
        s.setsockopt(mod.SOL_SOCKET, mod.SO_REUSEADDR, True)
        assert s.getsockopt(mod.SOL_SOCKET, mod.SO_REUSEADDR) == 1
        assert s.getsockopt(mod.SOL_SOCKET, mod.SO_TYPE) == mod.SOCK_DGRAM
        s.setsockopt(mod.IPPROTO_IP, mod.IP_TTL, 9)
        assert s.getsockopt(mod.IPPROTO_IP, mod.IP_TTL) == 9


def test_a_selector_sees_what_can_be_read(mod: Any) -> None:
    a, b = pair(mod)
    with selectors.DefaultSelector() as sel, a, b:
        sel.register(b, selectors.EVENT_READ)
        assert b.fileno() >= 0
        assert sel.select(0) == []
        for n in range(3):
            a.send(b"%d" % n)
        for n in range(3):
            assert [k.fileobj for k, _ in sel.select(5)] == [b]
            assert b.recv(10) == b"%d" % n
        assert sel.select(0) == []
        # what was there before anybody asked counts too
        b.send(b"x")
        sel.register(a, selectors.EVENT_READ)
        assert [k.fileobj for k, _ in sel.select(5)] == [a]


def test_asyncio_serves_and_asks(mod: Any) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(data.upper(), addr)

    async def main() -> list[bytes]:
        loop = asyncio.get_running_loop()
        server = mod.socket(mod.AF_INET, mod.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        where = server.getsockname()
        server.setblocking(False)
        transport, _ = await loop.create_datagram_endpoint(Echo, sock=server)
        out = []
        with mod.socket(mod.AF_INET, mod.SOCK_DGRAM) as s:
            s.setblocking(False)
            await loop.sock_connect(s, where)
            for n in range(20):
                s.send(b"ask %d" % n)
                out.append(await asyncio.wait_for(loop.sock_recv(s, 100), 20))
        transport.close()
        return out

    assert asyncio.run(main()) == [b"ASK %d" % n for n in range(20)]


def test_names_and_numbers(mod: Any) -> None:
    assert mod.inet_aton("10.0.0.1") == b"\n\0\0\1" and mod.inet_ntoa(b"\n\0\0\1") == "10.0.0.1"
    assert mod.htons(1) == stdlib.htons(1)
    assert mod.gethostbyname("10.1.2.3") == "10.1.2.3"
    assert mod.getaddrinfo("127.0.0.1", 53, mod.AF_INET, mod.SOCK_DGRAM) == [
        (mod.AF_INET, mod.SOCK_DGRAM, mod.IPPROTO_UDP, "", ("127.0.0.1", 53))
    ]
    assert mod.if_nametoindex("lo") == 1 and mod.if_indextoname(1) == "lo"


def test_constants_are_the_standard_librarys(net: LiveMachine) -> None:
    names = [n for n in dir(stdlib) if n.isupper() and isinstance(getattr(stdlib, n), int)]
    assert {n: getattr(net.socket, n) for n in names} == {n: getattr(stdlib, n) for n in names}


def test_no_resolver_no_other_family(net: LiveMachine) -> None:
    with pytest.raises(stdlib.gaierror, match="no resolver"):
        net.socket.gethostbyname("example.org")
    with pytest.raises(stdlib.gaierror):
        net.socket.getaddrinfo("::1", 53, stdlib.AF_INET6)
    with pytest.raises(OSError) as e:
        net.socket.socket(net.socket.AF_INET6, net.socket.SOCK_DGRAM)
    assert e.value.errno == errno.EAFNOSUPPORT
    with pytest.raises(AttributeError, match="such_thing"):
        _ = net.socket.such_thing


def test_a_selector_wakes_when_the_machine_ends() -> None:
    net = rxpath.live(None, "10.9.0.2/24").start()
    s = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
    with selectors.DefaultSelector() as sel:
        sel.register(s, selectors.EVENT_READ)
        net.close()
        assert sel.select(10)
        sel.unregister(s)
    s.close()


def test_watching_leaks_no_descriptor(net: LiveMachine) -> None:
    b = net.bridge
    assert b is not None
    ends = len(b.at_end)
    for _ in range(5):
        with net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM) as s:
            assert s.fileno() >= 0
    assert len(b.at_end) == ends
