"""TLS on the machine's sockets: blocking, with a time limit, without blocking, and its end.  The interpreter's `ssl`."""

from __future__ import annotations

import importlib.util
import select
import socket as host_socket
import ssl as host_ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rxpath.live.machine import LiveMachine

PORT = 4433


def certificate() -> Path:
    """Python's own test suite brings one, with its key."""
    spec = importlib.util.find_spec("test")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        for found in (Path(place) / "keycert.pem", Path(place) / "certdata" / "keycert.pem"):
            if found.exists():
                return found
    pytest.skip("this Python comes without its own tests (keycert.pem)")


@pytest.fixture
def ssl(net: LiveMachine) -> ModuleType:
    return net.ssl


class Served:
    """One connection, its server's end in a thread."""

    def __init__(self, net: LiveMachine, serve: Callable[[Any], None], begin: threading.Event | None = None) -> None:
        self.failed: list[BaseException] = []
        context = net.ssl.SSLContext(net.ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate())
        self.listener = net.socket.create_server(("127.0.0.1", PORT))

        def body() -> None:
            try:
                raw, _ = self.listener.accept()
                if begin is not None:
                    begin.wait(20)
                with context.wrap_socket(raw, server_side=True) as s:
                    serve(s)
            except BaseException as e:
                self.failed.append(e)

        self.thread = threading.Thread(target=body)
        self.thread.start()

    def end(self) -> None:
        self.thread.join(20)
        self.listener.close()
        assert not self.thread.is_alive() and self.failed == []


@pytest.fixture
def served(net: LiveMachine) -> Iterator[Callable[..., None]]:
    made: list[Served] = []
    yield lambda serve, begin=None: made.append(Served(net, serve, begin))
    for s in made:
        s.end()


def client(net: LiveMachine, **how: Any) -> Any:
    context = net.ssl.SSLContext(net.ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = net.ssl.CERT_NONE
    return context.wrap_socket(net.socket.create_connection(("127.0.0.1", PORT)), **how)


def echo(s: Any) -> None:
    while data := s.recv(65536):
        s.sendall(data)


def test_every_octet_both_ways_at_once(net: LiveMachine, served: Any) -> None:
    served(echo)
    data = bytes(range(256)) * 4096
    with client(net) as c:
        assert c.version() in ("TLSv1.2", "TLSv1.3") and c.getpeercert(True) and c.cipher()[2] >= 128
        writer = threading.Thread(target=c.sendall, args=(data,))
        writer.start()
        got = bytearray()
        while len(got) < len(data):
            piece = c.recv(65536)
            assert piece
            got += piece
        writer.join()
        assert bytes(got) == data
        assert isinstance(c, net.ssl.SSLSocket) and isinstance(c, net.socket.socket)
        assert c._sslobj.context is c.context and c.session is not None and c.server_side is False


def test_a_socket_that_may_not_block_says_what_it_waits_for(net: LiveMachine, ssl: ModuleType, served: Any) -> None:
    begin, go = threading.Event(), threading.Event()
    whole = bytes(12_000_000)  # more than both buffers may grow to

    def serve(s: Any) -> None:
        go.wait(20)
        n = 0
        while n < len(whole):
            n += len(s.recv(65536))
        s.sendall(b"all")
        assert s.recv(1) == b""

    served(serve, begin)
    with client(net, do_handshake_on_connect=False) as c:
        c.setblocking(False)
        wants = set()
        while True:
            try:
                c.do_handshake()
                break
            except ssl.SSLWantReadError:
                wants.add("handshake")
                begin.set()
                assert select.select([c], [], [], 20)[0]
        with pytest.raises(ssl.SSLWantReadError):
            c.recv(10)
        sent = 0
        while sent < len(whole):
            try:
                sent += c.send(whole[sent : sent + 100_000])
            except ssl.SSLWantWriteError:
                wants.add("write")
                go.set()
                assert select.select([], [c], [], 20)[1]
        assert wants == {"handshake", "write"}
        while True:  # the first records are the session's tickets
            assert select.select([c], [], [], 20)[0]
            try:
                assert c.recv(10) == b"all"
                break
            except ssl.SSLWantReadError:
                pass


def test_a_time_limit_holds(net: LiveMachine, served: Any) -> None:
    go = threading.Event()

    def serve(s: Any) -> None:
        go.wait(20)
        s.sendall(b"late")
        s.recv(1)

    served(serve)
    with client(net) as c:
        c.settimeout(0.05)
        with pytest.raises(TimeoutError, match="The read operation timed out"):
            c.recv(4)
        go.set()
        c.settimeout(20)
        assert c.recv(4) == b"late"


def test_a_peer_that_never_answers_a_handshake(net: LiveMachine) -> None:
    with net.socket.create_server(("127.0.0.1", PORT)):
        context = net.ssl.SSLContext(net.ssl.PROTOCOL_TLS_CLIENT)
        raw = net.socket.create_connection(("127.0.0.1", PORT), timeout=0.05)
        with pytest.raises(TimeoutError, match="The handshake operation timed out"):
            context.wrap_socket(raw, server_hostname="localhost")
        raw.close()


def test_after_unwrap_the_socket_has_what_came_after_the_tls(net: LiveMachine, served: Any) -> None:
    def serve(s: Any) -> None:
        assert s.recv(10) == b"bye"
        plain = s.unwrap()
        plain.sendall(b"in plain words")
        plain.close()

    served(serve)
    c = client(net)
    c.sendall(b"bye")
    plain = c.unwrap()
    got = b""
    while data := plain.recv(100):
        got += data
    assert got == b"in plain words"
    plain.close()


def test_a_stream_that_ends_without_a_word_is_an_error(net: LiveMachine, ssl: ModuleType, served: Any) -> None:
    def serve(s: Any) -> None:
        s.recv(1)
        net.socket.socket.shutdown(s, net.socket.SHUT_WR)
        with pytest.raises(ssl.SSLError, match="DECODE_ERROR"):  # the client's alert
            s.recv(1)

    served(serve)
    with client(net, suppress_ragged_eofs=False) as c:
        c.send(b"x")
        with pytest.raises(ssl.SSLEOFError):
            c.recv(1)


@pytest.mark.parametrize("call", ["handshake", "recv", "send", "send twice", "unwrap"])
def test_a_reset_is_raised_as_the_interpreter_raises_it(net: LiveMachine, ssl: ModuleType, call: str) -> None:
    """The judge is the same Python on the host's sockets: what it makes of a reset depends on its version."""

    def raised(sockets: Any, tls: Any) -> str:
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate())
        asks = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        asks.check_hostname = False
        asks.verify_mode = tls.CERT_NONE
        cut, gone = threading.Event(), threading.Event()
        with sockets.create_server(("127.0.0.1", 0)) as listener:

            def server() -> None:
                s, _ = listener.accept()
                if call == "handshake":
                    s.recv(1)
                else:
                    s = context.wrap_socket(s, server_side=True)
                    cut.wait(20)
                s.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
                gone.set()

            thread = threading.Thread(target=server)
            thread.start()
            c = sockets.create_connection(listener.getsockname())
            try:
                c = asks.wrap_socket(c, suppress_ragged_eofs=False)
                cut.set()
                assert gone.wait(20)
                if call == "recv":
                    c.recv(1)
                elif call == "unwrap":
                    c.unwrap()
                else:
                    c.settimeout(20)
                    if call == "send twice":
                        with pytest.raises(OSError):
                            c.send(b"x")
                    c.send(b"x")
                return "nothing"
            except OSError as e:
                return f"{type(e).__name__} {e.errno}"
            finally:
                c.close()
                thread.join(20)

    expected = raised(host_socket, host_ssl)
    assert expected != "nothing"
    assert raised(net.socket, ssl) == expected


def test_what_is_no_tls_is_refused_at_once(net: LiveMachine, ssl: ModuleType) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate())
    with net.socket.create_server(("127.0.0.1", PORT)) as listener:
        plain = net.socket.create_connection(("127.0.0.1", PORT))
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        raw, _ = listener.accept()
        with pytest.raises(ssl.SSLError, match="HTTP_REQUEST"):
            context.wrap_socket(raw, server_side=True)
        plain.close()


def test_the_hosts_sockets_are_hosts_sockets(net: LiveMachine, ssl: ModuleType) -> None:
    a, b = net.socket.socketpair()
    assert isinstance(a, net.socket.socket) and not isinstance(a, ssl.SSLSocket)
    assert ssl.SSLWantReadError is host_ssl.SSLWantReadError
    a.close()
    b.close()


def test_a_closed_socket_is_gone_with_its_errors(net: LiveMachine) -> None:
    """An error keeps no frame, and so no socket, alive in a cycle."""
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        s = net.socket.socket()
        try:
            s.getpeername()
        except OSError:
            pass
        s.close()
        seen = weakref.ref(s)
        del s
        assert seen() is None
    finally:
        gc.enable()
