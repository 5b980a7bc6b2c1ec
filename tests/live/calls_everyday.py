"""What calls of sockets answer, one line each: run on the host's sockets and on the machine's, and compared.

Run by test_calls_judged.py; prints nothing that depends on time or on a port.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

warnings.simplefilter("ignore")
RESET = struct.pack("ii", 1, 0)
PAUSE = 0.05


def told(value: Any) -> str:
    text = re.sub(r"('127\.0\.0\.1'|'0\.0\.0\.0'), \d{4,5}", r"\1, PORT", repr(value))
    return re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", text)


def ask(label: str, call: Callable[..., Any], *args: Any) -> Any:
    """One line: what it gives or raises."""
    try:
        value = call(*args)
    except Exception as e:
        number = e.errno if isinstance(e, OSError) else None
        name = errno.errorcode.get(number, number) if number else number
        print(f"{label} !! {type(e).__name__} {name} {told(str(e))}", flush=True)
        return None
    print(f"{label} -> {told(value)}", flush=True)
    return value


def pair() -> tuple[Any, Any]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        c = socket.create_connection(listener.getsockname())
        return listener.accept()[0], c


def udp() -> Any:
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("127.0.0.1", 0))
    return u


def later(call: Callable[..., Any], *args: Any, delay: float = 0.1) -> None:
    def run() -> None:
        time.sleep(delay)
        call(*args)

    threading.Thread(target=run, daemon=True).start()


def reset(s: Any) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    s.close()
    time.sleep(PAUSE)


def kinds() -> None:
    for args in [(2, 1), (2, 2), (2, 1, 17), (2, 5), (2, 99), (2, 1, 999), (2, 1, -5), (99, 1), (2, 1 | 0x400000)]:
        ask(f"socket{args}", lambda a=args: socket.socket(*a).close())
    for bad in [("x", 1), (2, "x"), (2.0,)]:
        ask(f"socket{bad}", socket.socket, *bad)


def closed() -> None:
    s = socket.socket()
    s.close()
    for name, args in [
        ("settimeout", (1,)),
        ("setblocking", (True,)),
        ("gettimeout", ()),
        ("recv", (1,)),
        ("fileno", ()),
    ]:
        ask(f"closed {name}", getattr(s, name), *args)


def arguments() -> None:
    s = socket.socket()
    for flag in (None, "x", [], 1, 0, True):
        ask(f"setblocking {flag!r}", s.setblocking, flag)
    ask("settimeout tiny", lambda: (s.settimeout(1e-20), s.gettimeout()))
    ask("pair", s.bind, ("127.0.0.1",))
    ask("null", s.setsockopt, 1, 2, None, 4)
    ask("big", s.setsockopt, 1, 2, 1 << 40)
    ask("float", s.setsockopt, 1, 2, 1.5)
    ask("level", s.getsockopt, "a", 1)
    ask("signed", lambda: (s.setsockopt(6, 25, -1), s.getsockopt(6, 25)))
    ask("listen", s.listen, 1 << 40)
    a, c = pair()
    ask("not contiguous", c.send, memoryview(b"abcdef")[::2])
    ask("read only", a.recv_into, b"xxx")
    ask("too small", a.recv_into, bytearray(3), 4)
    ask("no buffers", a.recvmsg_into, 5)
    ask("read only buffers", a.recvmsg_into, [b"x"])
    ask("no buffers to send", c.sendmsg, None)
    ask("too many", c.sendmsg, [b"x"] * 1025)
    ask("huge", a.recv, 1 << 70)
    ask("control", c.sendmsg, [b"a"], [(socket.SOL_SOCKET, 77, b"")])
    ask("interface", socket.if_nametoindex, "nope")
    ask("index", socket.if_indextoname, 9999)
    ask("no name", socket.getaddrinfo, "", 80)
    ask("canonical", socket.getaddrinfo, "localhost", 80, 2, 1, 6, socket.AI_CANONNAME)


def connecting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()
    s = socket.socket()
    ask("refused", s.connect, nobody)
    ask("refused again", s.connect, nobody)
    ask("address after", s.getsockname)
    s = socket.socket()
    s.settimeout(1)
    ask("refused in time", s.connect, nobody)
    ask("again in time", s.connect_ex, nobody)
    a, c = pair()
    ask("connected again", c.connect, a.getsockname())
    ask("connected again", c.connect_ex, a.getsockname())


def waiting() -> None:
    """With a time limit Python waits for readiness first, whatever the call is."""
    listener = socket.create_server(("127.0.0.1", 0))
    for limit in (0.1, 0):
        listener.settimeout(limit)
        ask(f"listener recv {limit}", listener.recv, 1)
        ask(f"listener send {limit}", listener.send, b"x")
        ask(f"listener accept {limit}", listener.accept)
        u = udp()
        u.settimeout(limit)
        ask(f"udp accept {limit}", u.accept)
        s = socket.socket()
        s.settimeout(limit)
        ask(f"fresh recv {limit}", s.recv, 1)
        ask(f"fresh send {limit}", s.send, b"x")
        ask(f"fresh accept {limit}", s.accept)
        u = udp()
        u.connect(("127.0.0.1", 9))
        u.settimeout(limit)
        u.shutdown(socket.SHUT_RD)
        ask(f"udp shut {limit}", u.recv, 1)
    u = udp()
    u.connect(("127.0.0.1", 9))
    u.shutdown(socket.SHUT_RD)
    ask("udp shut", u.recv, 1)
    a, c = pair()
    c.settimeout(0.2)
    ask("all at once", c.sendall, b"x" * 30_000_000)
    ask("full", c.send, b"x" * 4_000_000)
    ask("full, at once", c.send, b"x", socket.MSG_DONTWAIT)
    later(a.send, b"late")
    ask("late, at once", c.recv, 9, socket.MSG_DONTWAIT)


def kernels_limits() -> None:
    limit = struct.pack("ll", 0, 100_000)
    a, c = pair()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    ask("recv", c.recv, 5)
    ask("recvmsg", c.recvmsg, 5)
    ask("sendall", c.sendall, b"x" * 30_000_000)
    a.send(b"12")
    ask("waitall", c.recv, 5, socket.MSG_WAITALL)
    c.settimeout(0.05)
    ask("both", c.recv, 5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        ask("accept", listener.accept)
    u = udp()
    u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    ask("recvfrom", u.recvfrom, 5)


def all_of_it() -> None:
    a, c = pair()
    for name, *args in [("recv", 8), ("recvfrom", 8), ("recvmsg", 8, 0), ("recv_into", bytearray(8), 8)]:
        c.send(b"12345")
        later(c.send, b"678")
        ask(f"{name} waits for all", getattr(a, name), *args, socket.MSG_WAITALL)
    c.send(b"12345")
    later(c.send, b"678")
    ask("peek waits for all", a.recv, 8, socket.MSG_WAITALL | socket.MSG_PEEK)
    ask("nothing was taken", a.recv, 9)
    c.send(b"12345")
    time.sleep(PAUSE)
    ask("at once", a.recv, 8, socket.MSG_WAITALL | socket.MSG_DONTWAIT)
    c.send(b"12345")
    later(c.shutdown, socket.SHUT_WR)
    ask("the end", a.recv, 8, socket.MSG_WAITALL)
    got: list[int] = []

    def read() -> None:
        n = 0
        while data := a.recv(1 << 20):
            n += len(data)
        got.append(n)

    a, c = pair()
    t = threading.Thread(target=read)
    t.start()
    ask("a little", c.send, b"x" * 200_000)
    ask("a lot", c.send, b"x" * 8_000_000)
    ask("in parts", c.sendmsg, [b"q" * 1_000_000] * 3)
    ask("os.writev", os.writev, c.fileno(), [b"q" * 500_000] * 3)
    c.close()
    t.join()
    print("read", got)


def resets() -> None:
    a, c = pair()
    later(reset, a)
    ask("reset under sendall", c.sendall, b"x" * 30_000_000)
    a, c = pair()
    later(a.close)
    ask("close under sendall", c.sendall, b"x" * 30_000_000)
    a, c = pair()
    later(reset, a)
    ask("reset under send", lambda: 0 < c.send(b"x" * 30_000_000) < 30_000_000)
    ask("next send", c.send, b"x")
    ask("and next", c.send, b"x")
    a, c = pair()
    later(reset, a)
    ask("reset under recv", c.recv, 1)
    a, c = pair()
    later(c.shutdown, socket.SHUT_WR)
    ask("shut under sendall", c.sendall, b"x" * 30_000_000)


def copies() -> None:
    a, c = pair()
    d = c.dup()
    d.setblocking(False)
    ask("O_NONBLOCK is of both", c.recv, 1)
    d.settimeout(None)
    later(a.send, b"z")
    ask("and gone", c.recv, 1)
    os.set_blocking(c.fileno(), False)
    ask("by os.set_blocking", c.recv, 1)
    os.set_blocking(c.fileno(), True)
    for name, make in [
        ("os.dup2", lambda: os.dup2(c.fileno(), 250)),
        ("F_DUPFD", lambda: fcntl.fcntl(c.fileno(), fcntl.F_DUPFD, 100)),
        ("F_DUPFD_CLOEXEC", lambda: fcntl.fcntl(c, fcntl.F_DUPFD_CLOEXEC, 100)),
    ]:
        fd = make()
        ask(name, os.write, fd, b"by another name")
        ask(name, a.recv, 99)
        os.close(fd)
    x, y = socket.socketpair()
    socket.send_fds(x, [b"m"], [c.fileno()])
    fd = socket.recv_fds(y, 10, 2)[1][0]
    with socket.socket(fileno=fd) as e:
        ask("SCM_RIGHTS", lambda: (e.family, e.type, e.send(b"passed"), a.recv(9)))
    last = os.dup(c.fileno())
    c.close()
    d.close()
    os.write(last, b"last")
    ask("the last", a.recv, 9)
    os.close(last)
    ask("the end", a.recv, 9)
    # closed by C code, past os.close: the number is the host's again
    f = os.dup(a.fileno())
    os.fdopen(f, "rb", buffering=0).close()
    r, w = os.pipe()
    ask("number again", lambda: (f in (r, w), os.write(w, b"pipe"), os.read(r, 9))[1:])


def ioctls() -> None:
    a, c = pair()
    c.send(b"12345")
    time.sleep(PAUSE)
    for name, number in [("FIONREAD", 0x541B), ("SIOCOUTQ", 0x5411), ("SIOCATMARK", 0x8905)]:
        ask(name, fcntl.ioctl, a.fileno(), number, b"\0" * 4)
        room = bytearray(6)
        ask(name, fcntl.ioctl, a, number, room)
        ask(name, bytes, room)
    ask("SIOCGIFADDR", lambda: fcntl.ioctl(a, 0x8915, struct.pack("256s", b"lo"))[20:24])
    ask("SIOCGIFMTU", lambda: len(fcntl.ioctl(a, 0x8921, struct.pack("40s", b"lo"))))
    ask("no interface", fcntl.ioctl, a, 0x8915, struct.pack("40s", b"nope"))
    u = udp()
    u.sendto(b"x" * 77, u.getsockname())
    ask("FIONREAD of a datagram", fcntl.ioctl, u, 0x541B, b"\0" * 4)


def inherited() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        c = socket.create_connection(listener.getsockname())
        a = listener.accept()[0]
        ask("SO_DONTROUTE", a.getsockopt, socket.SOL_SOCKET, socket.SO_DONTROUTE)
        ask("TCP_QUICKACK", a.getsockopt, socket.IPPROTO_TCP, socket.TCP_QUICKACK)
        c.close()


def answered_at_once() -> None:
    """What an option lets go meets a reset that comes back before the call ends."""
    for name, option, value in [("TCP_CORK", socket.TCP_CORK, 0), ("TCP_NODELAY", socket.TCP_NODELAY, 1)]:
        a, c = pair()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        c.send(b"held")
        a.close()
        time.sleep(PAUSE)
        ask(name, c.setsockopt, socket.IPPROTO_TCP, option, value)
        ask("then", c.send, b"x")
    a, c = pair()
    a.send(b"u", socket.MSG_OOB)
    time.sleep(PAUSE)
    reset(a)
    ask("urgent after a reset", c.recv, 1, socket.MSG_OOB)


def packets() -> None:
    try:
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    except PermissionError:
        return
    s.bind(("lo", 0))
    ask("address", lambda: s.getsockname()[:2])
    for bad in [("nope", 0), ("lo",), 5]:
        ask(f"bind {bad}", s.bind, bad)


def selected() -> None:
    """What a selector may be told differs (docs/live.md), not when."""
    a, c = pair()
    with select.epoll() as e:
        e.register(c, select.EPOLLIN | select.EPOLLET)
        a.send(b"1")
        ask("edge", lambda: len(e.poll(1)))
        ask("no edge", lambda: len(e.poll(0.05)))
        c.recv(9)
        a.send(b"2")
        ask("edge again", lambda: len(e.poll(1)))


for case in (
    kinds, closed, arguments, connecting, waiting, kernels_limits, all_of_it, resets, copies, ioctls, inherited, answered_at_once, packets, selected,
):  # fmt: skip
    print("---", case.__name__, flush=True)
    case()
