"""TLS on the machine's sockets beside the same Python on the host's: same calls, same answers, errors and words.

The judge is this interpreter's own `ssl` (what it makes of a reset or an end differs between versions).  Nothing here
depends on time: a call that blocks is made where it must end, one that may not block where nothing can come, and what
the peer did has arrived (TCP_INFO) before the first call.
"""

from __future__ import annotations

import os
import random
import re
import select
import socket as host_socket
import ssl as host_ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.test_tls import certificate

import rxpath
from rxpath.live.machine import LiveMachine, live

BIG = bytes(6_000_000)  # more than the send and the receive buffer may grow to
ESTABLISHED, CLOSE, CLOSE_WAIT = 1, 7, 8


@pytest.fixture(scope="module")
def net() -> Iterator[LiveMachine]:
    with live(None, "10.9.0.2/24") as machine:
        yield machine


class World:
    """Sockets and TLS, the host's or the machine's."""

    def __init__(self, sockets: Any, tls: Any) -> None:
        self.s = sockets
        self.tls = tls

    def context(self, server: bool, version: str) -> Any:
        c = self.tls.SSLContext(self.tls.PROTOCOL_TLS_SERVER if server else self.tls.PROTOCOL_TLS_CLIENT)
        c.minimum_version = c.maximum_version = getattr(self.tls.TLSVersion, version)
        if server:
            c.load_cert_chain(certificate())
        else:
            c.check_hostname = False
            c.verify_mode = self.tls.CERT_NONE
        return c


# --- what the peer does ---------------------------------------------------------------------------------------------


def _notify(w: World, s: Any) -> Any:
    s.setblocking(False)
    try:
        s.unwrap()
    except OSError:
        pass
    return s


def _fin(w: World, s: Any) -> Any:
    w.s.socket.shutdown(s, w.s.SHUT_WR)
    return s


def _reset(w: World, s: Any) -> None:
    s.setsockopt(w.s.SOL_SOCKET, w.s.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def _said(w: World, s: Any) -> Any:
    s.sendall(b"hello")
    return s


def _plain(octets: bytes) -> Callable[[World, Any], Any]:
    def send(w: World, s: Any) -> Any:
        raw = w.s.socket(fileno=s.detach())
        raw.sendall(octets)
        return raw

    return send


PART = b"\x17\x03\x03\x00\x20" + bytes(8)  # of a record
# What it does, and the client's state when that has arrived.
ACTS: dict[str, tuple[list[Callable[[World, Any], Any]], int]] = {
    "silence": ([], ESTABLISHED),
    "part of a record": ([_plain(PART)], ESTABLISHED),
    "goodbye": ([_notify], ESTABLISHED),
    "goodbye and the end": ([_notify, _fin], CLOSE_WAIT),
    "the end alone": ([_fin], CLOSE_WAIT),
    "reset": ([_reset], CLOSE),
    "data and the end": ([_said, _fin], CLOSE_WAIT),
    "data and goodbye": ([_said, _notify], ESTABLISHED),
    "data and reset": ([_said, _reset], CLOSE),
    "no TLS": ([_plain(b"\x99" * 40)], ESTABLISHED),
    "HTTP": ([_plain(b"GET / HTTP/1.0\r\n\r\n"), _fin], CLOSE_WAIT),
    "a record with a wrong sum": ([_plain(b"\x17\x03\x03\x00\x20" + bytes(32))], ESTABLISHED),
    "a record too long": ([_plain(b"\x17\x03\x03\xff\xff" + bytes(2000))], ESTABLISHED),
    "part of a record and the end": ([_plain(PART), _fin], CLOSE_WAIT),
    "part of a header and the end": ([_plain(PART[:2]), _fin], CLOSE_WAIT),
    "part of a record and reset": ([_plain(PART), _reset], CLOSE),
    "plain words after goodbye": ([_notify, _plain(b"plain words"), _fin], CLOSE_WAIT),
    "an alert in plain words": ([_plain(b"\x15\x03\x03\x00\x02\x02\x28")], ESTABLISHED),
}
WAITS = ("silence", "part of a record")  # a read would wait for ever
ENDS = (CLOSE, CLOSE_WAIT)

# --- what the client does -------------------------------------------------------------------------------------------


def _unwrap(w: World, c: Any) -> Any:
    return type(c.unwrap()).__name__


def _recv_into(w: World, c: Any) -> Any:
    room = bytearray(20)
    n = c.recv_into(room)
    return n, bytes(room[:n])


def _file(w: World, c: Any) -> Any:
    with c.makefile("rb") as f:
        return f.read()


CALLS: dict[str, Callable[[World, Any], Any]] = {
    "recv": lambda w, c: c.recv(100),
    "recv1": lambda w, c: c.recv(1),
    "recv0": lambda w, c: c.recv(0),
    "into": _recv_into,
    "into0": lambda w, c: c.recv_into(bytearray(0)),
    "read": lambda w, c: c.read(),
    "file": _file,
    "send": lambda w, c: c.send(b"x"),
    "send0": lambda w, c: c.send(b""),
    "big": lambda w, c: c.sendall(BIG),
    "unwrap": _unwrap,
    "pending": lambda w, c: c.pending(),
    "shutdown": lambda w, c: c.shutdown(w.s.SHUT_RDWR),
    "raw shutdown": lambda w, c: w.s.socket.shutdown(c, w.s.SHUT_WR),
    "handshake": lambda w, c: c.do_handshake(),
    "version": lambda w, c: c.version(),
    "close": lambda w, c: c.close(),
    "certificate": lambda w, c: bool(c.getpeercert(True)),
    "binding": lambda w, c: type(c.get_channel_binding()).__name__,
    "session": lambda w, c: (c.session is not None, c.session_reused),
    "later": lambda w, c: c.verify_client_post_handshake(),
    "recvfrom": lambda w, c: c.recvfrom(10),
    "sendto": lambda w, c: c.sendto(b"x", ("127.0.0.1", 1)),
    "recvmsg": lambda w, c: c.recvmsg(10),
    "dup": lambda w, c: c.dup(),
    "urgent": lambda w, c: c.send(b"x", w.s.MSG_OOB),
    "peek": lambda w, c: c.recv(1, w.s.MSG_PEEK),
}
READS = ("recv", "recv1", "into", "read", "file", "unwrap")
SEQUENCES = [
    x.split()
    for x in (
        "recv recv|recv send recv|send recv|send send recv|into recv|read read|file|unwrap|unwrap unwrap|recv unwrap|"
        "recv unwrap recv|unwrap recv|unwrap send|recv1 pending recv recv|recv0 recv|into0 recv|shutdown send|"
        "handshake recv|close recv|close close send|version certificate binding session|send0 recv|later recv|"
        "recvfrom sendto recvmsg dup urgent peek|recv recv recv unwrap|recv version close version certificate pending|"
        "big recv|big send send0|big unwrap|big version recv1 big"
    ).split("|")
]


def words_of(e: BaseException) -> str:
    text = re.sub(r" ?\(_ssl\.c:\d+\)", "", str(e))
    text = re.sub(r"rxpath\.live\.ssl_[0-9a-f]+", "ssl", text)
    text = re.sub(r"fd=\d+|\('127.0.0.1', \d+\)", "N", text)
    more = f" reason {e.reason} library {e.library}" if isinstance(e, host_ssl.SSLError) else ""
    return f"{type(e).__name__} {getattr(e, 'errno', '-')} {text}{more}"


def ended(act: str, calls: list[str]) -> bool:
    """Whether a socket that blocks comes to the end of these calls, and the same one each time."""
    state = ACTS[act][1]
    reads = sum(c in READS for c in calls)
    if "big" in calls:
        return state == CLOSE and calls == ["big", "recv"]
    if "shutdown" in calls and state == ESTABLISHED:
        return False  # a ticket of the session's may come later, and draw a reset
    if state in ENDS:
        # a write to a peer that has closed draws a reset, some time
        return state == CLOSE or "send" not in calls or calls.index("send") == len(calls) - 1
    if act in WAITS:
        return not reads
    return reads <= 1 and "unwrap" not in calls and ("send" not in calls)


def story(w: World, act: str, calls: list[str], version: str, ragged: bool, blocks: bool) -> list[str]:
    """What the calls of a client gave, after the peer has done its act."""
    acts, state = ACTS[act]
    go, gone, over = threading.Event(), threading.Event(), threading.Event()
    out: list[str] = []
    with w.s.create_server(("127.0.0.1", 0)) as listener:

        def peer() -> None:
            try:
                s = w.context(True, version).wrap_socket(listener.accept()[0], server_side=True)
                go.wait(20)
                for a in acts:
                    s = a(w, s)
                gone.set()
                over.wait(20)
                if s is not None:
                    s.close()
            except BaseException as e:
                out.append(f"peer {words_of(e)}")
            finally:
                gone.set()

        thread = threading.Thread(target=peer)
        thread.start()
        c = None
        try:
            raw = w.s.create_connection(listener.getsockname(), timeout=20)
            c = w.context(False, version).wrap_socket(raw, suppress_ragged_eofs=ragged)
            go.set()
            assert gone.wait(20)
            end = time.monotonic() + 20
            while c.getsockopt(w.s.IPPROTO_TCP, w.s.TCP_INFO, 104)[0] != state:
                assert time.monotonic() < end
                time.sleep(0.001)
            c.settimeout(None if blocks else 0)
            for name in calls:
                try:
                    out.append(f"{name}: {CALLS[name](w, c)!r}")
                except Exception as e:
                    out.append(f"{name}: {words_of(e)}")
        finally:
            go.set()
            over.set()
            if c is not None:
                c.close()
            thread.join(20)
        assert not thread.is_alive()
    return out


@pytest.mark.parametrize("act", ACTS)
def test_each_call_gives_what_it_gives_on_the_hosts_sockets(net: LiveMachine, act: str, soak: bool) -> None:
    """Some of the ways, drawn by a fixed seed; all of them in a long run."""
    ours, judge = World(net.socket, net.ssl), World(host_socket, host_ssl)
    ways = [
        (act, calls, version, ragged, blocks)
        for calls in SEQUENCES
        for version in ("TLSv1_2", "TLSv1_3")
        for ragged in (True, False)
        for blocks in (True, False)
        if (ended(act, calls) if blocks else act in WAITS and "shutdown" not in calls)
    ]
    for way in ways if soak else random.Random(act).sample(ways, min(8, len(ways))):
        assert story(ours, *way) == story(judge, *way), way


# --- both ways at once ------------------------------------------------------------------------------------------------


def test_who_reads_is_not_kept_by_a_writer_without_room(net: LiveMachine) -> None:
    """Both ends have more to say than the buffers take, and read in another thread: neither waits for ever."""
    w = World(net.socket, net.ssl)
    got: dict[str, int] = {}

    def talk(name: str, s: Any) -> None:
        writer = threading.Thread(target=s.sendall, args=(BIG,), daemon=True)
        writer.start()
        n = 0
        while n < len(BIG):
            n += len(s.recv(65536))
        got[name] = n
        writer.join(60)

    with w.s.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with w.context(True, "TLSv1_3").wrap_socket(listener.accept()[0], server_side=True) as s:
                assert select.select([s], [], [], 20)[0]
                talk("server", s)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        raw = w.s.create_connection(listener.getsockname())
        with w.context(False, "TLSv1_3").wrap_socket(raw) as c:
            talk("client", c)
            thread.join(60)
        assert got == {"server": len(BIG), "client": len(BIG)}


def test_what_came_is_read_while_a_write_waits_for_room(net: LiveMachine) -> None:
    """A socket that may not block, full of what it wrote, gives what the peer said."""
    w = World(net.socket, net.ssl)
    with w.s.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with w.context(True, "TLSv1_2").wrap_socket(listener.accept()[0], server_side=True) as s:
                s.sendall(b"hello")
                over.wait(20)
                n = 0
                while n < len(BIG):
                    n += len(s.recv(1 << 16))
                s.sendall(b"all")

        over = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        raw = w.s.create_connection(listener.getsockname())
        with w.context(False, "TLSv1_2").wrap_socket(raw) as c:
            c.setblocking(False)
            with pytest.raises(host_ssl.SSLWantWriteError):
                c.send(BIG)
            assert select.select([c], [], [], 20)[0]
            assert c.recv(100) == b"hello"
            over.set()
            while True:
                try:
                    assert c.send(BIG) == len(BIG)
                    break
                except host_ssl.SSLWantWriteError:
                    assert select.select([], [c], [], 20)[1]
            c.settimeout(20)
            assert c.recv(100) == b"all"
        thread.join(20)


def test_everyday_programs_say_what_they_say_on_the_hosts_sockets() -> None:
    """asyncio's TLS, http.server and urllib over it, `sendfile`, a session used again."""

    def said(*way: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, *way, str(Path(__file__).parent / "tls_everyday.py"), str(certificate())],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(rxpath.__file__).parents[1])},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return sorted(done.stdout.splitlines())

    judge = said()
    assert len(judge) == 4 + 4 + 3 + 1 + 1
    assert said("-m", "rxpath.run", "--address", "10.9.0.2/24") == judge
