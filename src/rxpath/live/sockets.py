"""A stand-in for the standard library's module `socket`, whose sockets are those of a live machine.

What belongs here: the class `socket` for ordinary threads of the host program, and the module around it.  Each
call is an operation for the engine (bridge.py); blocking and time limits happen here, on the caller's thread.
Not here: what the calls do (rxpath.sockets, the kernel's part).
"""

from __future__ import annotations

import io
import socket as stdlib
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, NoReturn

from rxpath.kernel.errno import EISCONN, ENOTSUP, linux_error
from rxpath.live.bridge import Bridge
from rxpath.net.core.sock import (
    MSG_DONTWAIT,
    MSG_WAITALL,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLRDHUP,
    POLLRDNORM,
    RCV_SHUTDOWN,
    WaitQueueEntry,
)
from rxpath.sockets import EBADF, Socket

READABLE: Final = POLLIN | POLLRDNORM | POLLERR | POLLHUP | POLLRDHUP


class Watch(WaitQueueEntry):
    """Stays in a socket's wait queue and keeps one end of a socket pair readable while the socket is.

    Only the engine's thread writes and takes back the byte, so both always agree.
    """

    __slots__ = ("inner", "ours", "raised", "theirs")

    def __init__(self, inner: Socket) -> None:
        super().__init__(None)
        self.inner = inner
        self.theirs, self.ours = stdlib.socketpair()
        self.theirs.setblocking(False)
        self.ours.setblocking(False)
        self.raised = False
        inner.sk.wq.add(self)
        self.update()

    def func(self, key: int) -> bool:
        if not self.raised and (not key or key & READABLE):
            self.raised = True
            self.ours.send(b"x")
        return False

    def update(self) -> None:
        """After a call on the socket: is there still something to read?"""
        ready = bool(self.inner.poll() & READABLE)
        if ready and not self.raised:
            self.raised = True
            self.ours.send(b"x")
        elif self.raised and not ready:
            self.raised = False
            self.theirs.recv(1)

    def end(self) -> None:
        """Whoever still watches sees the end of file."""
        if self.wq is not None:
            self.wq.remove(self)
        self.ours.close()


def _receive(n: int, flags: int) -> Callable[[Socket], bytes]:
    return lambda s: s.recv(n, flags)


def _send(data: bytes, flags: int) -> Callable[[Socket], int]:
    return lambda s: s.send(data, flags)


class LiveSocket:
    """The standard library's `socket.socket`, in a machine: the same calls, defaults, errors and time limits.

    Any number of threads may use one.  `fileno` is a descriptor that select, poll and asyncio may watch for
    reading; it carries no data.  Closing a socket ends the calls that wait on it (EBADF).  Constants are
    Linux's numbers.
    """

    bridge: ClassVar[Bridge]
    module: ClassVar[SocketModule]

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None, _inner: Any = None
    ) -> None:
        self._inner: Socket | None = None
        self._watch: Watch | None = None
        self._closed = False
        self._io_refs = 0
        if fileno is not None:
            raise OSError(ENOTSUP, "a socket from a descriptor")
        self._family = 2 if family == -1 else int(family)
        self._type = 1 if type == -1 else int(type)
        self._proto = 0 if proto == -1 else int(proto)
        self._timeout = 0.0 if self._type & stdlib.SOCK_NONBLOCK else self.module.getdefaulttimeout()
        self._inner = _inner if _inner is not None else self.bridge.call(self._make)

    def _make(self) -> Socket:
        m = self.bridge.machine
        assert m is not None
        inner = Socket(m.net, self._family, self._type, self._proto)
        inner.settimeout(0)
        return inner

    # --- calling ----------------------------------------------------------------------------------------------
    def _call(
        self, fn: Callable[[Socket], Any], *, wait: bool = True, left: float | None = -1.0, end: Any = None
    ) -> Any:
        """Run `fn` on the machine's socket; block as the time limit says (`left`: seconds instead of it).

        `end`: what a datagram reader that may wait gets once receiving is shut down (one that may not wait
        gets EAGAIN, as in Linux's __skb_wait_for_more_packets).
        """
        inner = self._inner
        if inner is None or self._closed:
            raise OSError(EBADF, "Bad file descriptor")

        def op() -> Any:
            try:
                return fn(inner)
            except BlockingIOError:
                if blocks and end is not None and inner.sk.shutdown & RCV_SHUTDOWN:
                    return end
                raise
            finally:
                w = self._watch
                if w is not None and w.wq is not None:
                    w.update()

        limit = self._timeout if left == -1.0 else left
        blocks = wait and self._timeout != 0
        if not blocks:
            return self.bridge.call(op)
        return self.bridge.call(op, inner.sk.wq, limit)

    @property
    def family(self) -> int:
        return stdlib.AddressFamily(self._family)

    @property
    def type(self) -> int:
        return stdlib.SocketKind(self._type & 0xF)

    @property
    def proto(self) -> int:
        return self._proto

    @property
    def timeout(self) -> float | None:
        return self._timeout

    def __enter__(self) -> LiveSocket:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._closed:
            self.close()

    def __repr__(self) -> str:
        state = " [closed]" if self._closed else ""
        return f"<rxpath.live socket family={self._family} type={self._type & 0xF} proto={self._proto}{state}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {self.__class__.__name__!r} object")

    # --- time limits --------------------------------------------------------------------------------------------
    def settimeout(self, value: float | None) -> None:
        """Seconds; 0 = do not block, None = block for ever."""
        if value is not None:
            value = float(value)
            if value < 0:
                raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0

    # --- addresses ----------------------------------------------------------------------------------------------
    def bind(self, address: Any) -> None:
        self._call(lambda s: s.bind(address), wait=False)

    def connect(self, address: Any) -> None:
        begun: list[bool] = []

        def attempt(s: Socket) -> None:
            try:
                s.connect(address)
            except BlockingIOError:
                begun.append(True)
                raise
            except OSError as e:
                if e.errno != EISCONN or not begun:
                    raise

        self._call(attempt)

    def connect_ex(self, address: Any) -> int:
        """As connect, but gives the errno."""
        try:
            self.connect(address)
        except TimeoutError as e:
            return e.errno or 11
        except OSError as e:
            if e.errno is None:
                raise
            return e.errno
        return 0

    def getsockname(self) -> Any:
        return self._call(lambda s: s.getsockname(), wait=False)

    def getpeername(self) -> Any:
        return self._call(lambda s: s.getpeername(), wait=False)

    # --- data -----------------------------------------------------------------------------------------------------
    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        if flags & MSG_WAITALL and self._type & 0xF == stdlib.SOCK_STREAM and self._timeout is None:
            return self._recv_all(bufsize, flags & ~MSG_WAITALL)
        data: bytes = self._call(lambda s: s.recv(bufsize, flags), wait=not flags & MSG_DONTWAIT, end=b"")
        return data

    def _recv_all(self, bufsize: int, flags: int) -> bytes:
        parts: list[bytes] = []
        left = bufsize
        while left:
            data: bytes = self._call(_receive(left, flags))
            if not data:
                break
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        got: tuple[bytes, Any] = self._call(
            lambda s: s.recvfrom(bufsize, flags), wait=not flags & MSG_DONTWAIT, end=(b"", None)
        )
        return got

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view = memoryview(buffer).cast("B")
        if nbytes < 0:
            raise ValueError("negative buffersize in recvfrom_into")
        if nbytes > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        data, address = self.recvfrom(nbytes or len(view), flags)
        n = min(len(data), len(view))
        view[:n] = data[:n]
        return n, address

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        got: tuple[bytes, list[tuple[int, int, bytes]], int, Any] = self._call(
            lambda s: s.recvmsg(bufsize, ancbufsize, flags), wait=not flags & MSG_DONTWAIT, end=(b"", [], 0, None)
        )
        return got

    def recvmsg_into(
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        views = [memoryview(b).cast("B") for b in buffers]
        data, anc, out, address = self.recvmsg(sum(len(v) for v in views), ancbufsize, flags)
        at = 0
        for v in views:
            part = data[at : at + len(v)]
            v[: len(part)] = part
            at += len(part)
        return len(data), anc, out, address

    def send(self, data: Any, flags: int = 0) -> int:
        raw = bytes(data)
        return int(self._call(lambda s: s.send(raw, flags), wait=not flags & MSG_DONTWAIT))

    def sendall(self, data: Any, flags: int = 0) -> None:
        raw = bytes(data)
        end = None if not self._timeout else time.monotonic() + self._timeout
        at = 0
        while True:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("timed out")
            at += self._call(_send(raw[at:], flags), left=left)
            if at >= len(raw):
                return

    def sendto(self, data: Any, *args: Any) -> int:
        """sendto(data, address) or sendto(data, flags, address)."""
        if not 1 <= len(args) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        flags = int(args[0]) if len(args) == 2 else 0
        raw = bytes(data)
        return int(self._call(lambda s: s.sendto(raw, flags, args[-1]), wait=not flags & MSG_DONTWAIT))

    def sendmsg(self, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        raw = [bytes(b) for b in buffers]
        control = list(ancdata)
        return int(self._call(lambda s: s.sendmsg(raw, control, flags, address), wait=not flags & MSG_DONTWAIT))

    # --- options ----------------------------------------------------------------------------------------------------
    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None) -> None:
        v = bytes(optlen or 0) if value is None else int(value) if isinstance(value, int) else bytes(value)
        self._call(lambda s: s.setsockopt(int(level), int(optname), v), wait=False)

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> int | bytes:
        """An int, or with `buflen` the bytes (cut to it)."""
        got: int | bytes = self._call(lambda s: s.getsockopt(int(level), int(optname), buflen), wait=False)
        return got

    # --- watching -----------------------------------------------------------------------------------------------------
    def fileno(self) -> int:
        """A descriptor that is readable while this socket is (and always writable); -1 when closed."""
        if self._closed:
            return -1
        if self._watch is None:

            def begin(s: Socket) -> None:
                if self._watch is None:
                    self._watch = w = Watch(s)
                    self.bridge.at_end.append(w.end)

            self._call(begin, wait=False)
        assert self._watch is not None
        return self._watch.theirs.fileno()

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        if inheritable:
            raise OSError(ENOTSUP, "a socket of a live machine in another process")

    def dup(self) -> NoReturn:
        raise OSError(ENOTSUP, "dup of a socket of a live machine")

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file over the socket, as the standard library's makefile."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        reading = "r" in mode or "w" not in mode
        writing = "w" in mode
        raw: Any = stdlib.SocketIO(self, ("r" if reading else "") + ("w" if writing else ""))  # type: ignore
        self._io_refs += 1
        if buffering is None or buffering < 0:
            buffering = io.DEFAULT_BUFFER_SIZE
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("unbuffered streams must be binary")
            return raw
        if reading and writing:
            buffer: Any = io.BufferedRWPair(raw, raw, buffering)
        elif reading:
            buffer = io.BufferedReader(raw, buffering)
        else:
            buffer = io.BufferedWriter(raw, buffering)
        return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding, errors, newline)

    def _decref_socketios(self) -> None:
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    # --- connections --------------------------------------------------------------------------------------------------
    def listen(self, backlog: int = 128) -> None:
        self._call(lambda s: s.listen(backlog), wait=False)

    def accept(self) -> tuple[LiveSocket, Any]:
        def attempt(s: Socket) -> tuple[Socket, Any]:
            new, name = s.accept()
            new.settimeout(0)
            return new, name

        inner, name = self._call(attempt)
        return self.__class__(self._family, self._type & 0xF, self._proto, _inner=inner), name

    def shutdown(self, how: int) -> None:
        self._call(lambda s: s.shutdown(int(how)), wait=False)

    def close(self) -> None:
        """Close it; a call that waits on it in another thread ends with EBADF."""
        self._closed = True
        if self._io_refs > 0:
            return
        inner, self._inner = self._inner, None
        if inner is None:
            return
        try:
            self.bridge.call(lambda: self._end(inner))
        except OSError:  # the machine has ended, and its sockets with it
            pass
        if self._watch is not None:
            self._watch.theirs.close()

    def _end(self, inner: Socket) -> None:
        w = self._watch
        if w is not None:
            w.end()
            if w.end in self.bridge.at_end:
                self.bridge.at_end.remove(w.end)
        self.bridge.fail_waiters(inner.sk.wq)
        inner.close()

    def detach(self) -> NoReturn:
        raise OSError(ENOTSUP, "detach of a socket of a live machine")

    def __del__(self) -> None:
        inner = getattr(self, "_inner", None)
        if inner is not None:
            w = self._watch
            bridge = self.bridge

            def end() -> None:
                if w is not None:
                    w.end()
                    w.theirs.close()
                inner.close()

            bridge.post(end)


# functions of the standard library's module that touch no socket
_PURE: Final = (
    "CMSG_LEN",
    "CMSG_SPACE",
    "getprotobyname",
    "getservbyname",
    "getservbyport",
    "htonl",
    "htons",
    "inet_aton",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "ntohl",
    "ntohs",
)


class SocketModule:
    """What `import socket` gives, for one machine: give it to code under the name `socket`.

    There is no resolver in the machine: names other than "", "localhost" and "<broadcast>" are a gaierror.
    """

    has_ipv6 = False
    error = OSError
    timeout = TimeoutError
    gaierror = stdlib.gaierror
    herror = stdlib.herror
    AddressFamily = stdlib.AddressFamily
    SocketKind = stdlib.SocketKind
    MsgFlag = stdlib.MsgFlag
    SocketIO = stdlib.SocketIO

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._default: float | None = None
        for name in dir(stdlib):
            if name.isupper() and isinstance(getattr(stdlib, name), int):
                setattr(self, name, getattr(stdlib, name))
        for name in _PURE:
            setattr(self, name, getattr(stdlib, name))
        self.socket: Any = type(
            "socket", (LiveSocket,), {"bridge": bridge, "module": self, "__module__": "rxpath.live"}
        )
        self.SocketType = self.socket

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the socket module of a live machine has no {name}")

    def setdefaulttimeout(self, timeout: float | None) -> None:
        if timeout is not None and timeout < 0:
            raise ValueError("Timeout value out of range")
        self._default = None if timeout is None else float(timeout)

    def getdefaulttimeout(self) -> float | None:
        return self._default

    def create_connection(
        self,
        address: tuple[str, int],
        timeout: Any = -1,
        source_address: tuple[str, int] | None = None,
        *,
        all_errors: bool = False,
    ) -> Any:
        """A connected TCP socket; `timeout` as for settimeout."""
        sock = self.socket(stdlib.AF_INET, stdlib.SOCK_STREAM)
        try:
            if timeout != -1:
                sock.settimeout(timeout)
            if source_address is not None:
                sock.bind(source_address)
            sock.connect((self.gethostbyname(address[0]), address[1]))
        except BaseException:
            sock.close()
            raise
        return sock

    def create_server(
        self, address: tuple[str, int], *, family: int = 2, backlog: int | None = None, reuse_port: bool = False
    ) -> Any:
        """A listening TCP socket, SO_REUSEADDR set."""
        sock = self.socket(family, stdlib.SOCK_STREAM)
        try:
            sock.setsockopt(stdlib.SOL_SOCKET, stdlib.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(stdlib.SOL_SOCKET, stdlib.SO_REUSEPORT, 1)
            sock.bind(address)
            sock.listen(128 if backlog is None else backlog)
        except BaseException:
            sock.close()
            raise
        return sock

    def socketpair(self, *args: Any) -> NoReturn:
        raise OSError(ENOTSUP, "socketpair in a live machine")

    def fromfd(self, *args: Any) -> NoReturn:
        raise OSError(ENOTSUP, "a socket from a descriptor")

    def gethostname(self) -> str:
        return "rxpath"

    def getfqdn(self, name: str = "") -> str:
        return name or self.gethostname()

    def gethostbyname(self, name: str) -> str:
        """Dotted numbers for a dotted number, "" or "localhost"; gaierror for any other name."""
        if name in ("", "0.0.0.0"):
            return "0.0.0.0"
        if name == "localhost":
            return "127.0.0.1"
        if name == "<broadcast>":
            return "255.255.255.255"
        try:
            return stdlib.inet_ntoa(stdlib.inet_aton(name))
        except OSError:
            raise stdlib.gaierror(
                stdlib.EAI_NONAME, f"the machine has no resolver: {name!r} is no IPv4 address"
            ) from None

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """For numbers only, IPv4 only."""
        if family not in (0, stdlib.AF_INET):
            raise stdlib.gaierror(stdlib.EAI_FAMILY, "the machine speaks IPv4 only")
        if host is None:
            host = "0.0.0.0" if flags & stdlib.AI_PASSIVE else "127.0.0.1"
        text = host.decode() if isinstance(host, bytes) else str(host)
        numeric = self.gethostbyname(text)
        return stdlib.getaddrinfo(numeric, port, stdlib.AF_INET, type, proto, flags | stdlib.AI_NUMERICHOST)

    def getnameinfo(self, sockaddr: tuple[str, int], flags: int) -> tuple[str, str]:
        return stdlib.getnameinfo(sockaddr, flags | stdlib.NI_NUMERICHOST)

    def if_nameindex(self) -> list[tuple[int, str]]:
        """The machine's interfaces."""

        def look() -> list[tuple[int, str]]:
            m = self._bridge.machine
            assert m is not None
            return [(d.ifindex, d.name) for d in m.net.devices]

        got: list[tuple[int, str]] = self._bridge.call(look)
        return got

    def if_nametoindex(self, name: str) -> int:
        for i, n in self.if_nameindex():
            if n == name:
                return i
        raise linux_error(19, name)

    def if_indextoname(self, index: int) -> str:
        for i, n in self.if_nameindex():
            if i == index:
                return n
        raise linux_error(6, str(index))
