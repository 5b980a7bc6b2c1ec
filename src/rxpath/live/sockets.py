"""`LiveSocket`: the standard library's `_socket.socket`, in a live machine.

What belongs here: the class for ordinary threads of the host program.  Each call is an operation for the engine
(bridge.py); blocking and time limits happen here, on the caller's thread.
Not here: the module around it (module.py), descriptors (descriptors.py), what the calls do (rxpath.sockets, the
kernel's part).
"""

from __future__ import annotations

import math
import operator
import os
import socket as stdlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from rxpath.kernel.errno import EAGAIN, EINPROGRESS, EMSGSIZE, ENOPROTOOPT, ENOTSUP, linux_error
from rxpath.live.bridge import Bridge
from rxpath.live.descriptors import Descriptors, OpenFile
from rxpath.net.core.sock import (
    AF_INET,
    AF_PACKET,
    MSG_DONTWAIT,
    MSG_PEEK,
    MSG_WAITALL,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SO_ERROR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
)
from rxpath.sockets import EBADF, Socket, stdlib_error

PIECE: Final = 1 << 18  # of a large sendall: what the engine is given at once
_TYPE_FLAGS: Final = SOCK_NONBLOCK | SOCK_CLOEXEC
_OWN_TIMEOUT: Final = -1.0  # "as settimeout says"
READ: Final = POLLIN | POLLERR | POLLHUP  # what poll(2) tells of who waits for POLLIN
WRITE: Final = POLLOUT | POLLERR | POLLHUP
UIO_MAXIOV: Final = 1024
EFAULT: Final = 14


class Accepted(int):
    """What `_accept` gives in place of a descriptor: the socket itself; one is made when somebody asks."""

    file: OpenFile


class ModuleState:
    """What the calls of one socket module share: the default time limit and how names become numbers."""

    __slots__ = ("host", "timeout")

    def __init__(self, host: Callable[[str], str]) -> None:
        self.timeout: float | None = None
        self.host = host


def check_timeout(value: Any) -> float | None:
    """A time limit as settimeout takes it.  TypeError, ValueError, OverflowError."""
    if value is None:
        return None
    if isinstance(value, str | bytes):
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    limit = float(value)
    if 0 < limit < 1e-9:  # Python counts in nanoseconds, rounded up
        limit = 1e-9
    if math.isnan(limit):
        raise ValueError("Invalid value NaN (not a number)")
    if limit < 0:
        raise ValueError("Timeout value out of range")
    if limit > threading.TIMEOUT_MAX:
        raise OverflowError("timeout doesn't fit into C timeval")
    return limit


def _size(n: Any, call: str) -> int:
    size = operator.index(n)
    if size > sys.maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    if size < 0:
        raise ValueError(f"negative buffersize in {call}")
    return size


def _int32(n: Any) -> int:
    v = operator.index(n)
    if not -(1 << 31) <= v < 1 << 31:
        raise OverflowError(f"signed integer is {'greater than maximum' if v > 0 else 'less than minimum'}")
    return v


def _bytes(data: Any) -> bytes:
    """The octets of a bytes-like object.  TypeError for anything else, a str above all."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'") from None
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return bytes(view)


def plain_error(e: OSError) -> OSError:
    """With the C library's words alone; what is not known here (ENOPROTOOPT, ENOTSUP) keeps its name."""
    if e.errno is None or e.errno in (ENOPROTOOPT, ENOTSUP):
        return e
    return stdlib_error(linux_error(e.errno))


class SocketType(type):
    """So that the host's own sockets, which the same module gives out, are instances of its class too (where it says
    `hosts_too`; not of classes that a program derives), and that a class which is marked `immutable` is, as the
    standard library's is.
    """

    def __setattr__(cls, name: str, value: Any) -> None:
        if "immutable" in cls.__dict__:
            raise TypeError(f"cannot set {name!r} attribute of immutable type '_socket.{cls.__name__}'")
        super().__setattr__(name, value)

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or (
            cls.__dict__.get("hosts_too", False) and isinstance(instance, stdlib.SocketType)
        )


class LiveSocket(metaclass=SocketType):
    """The standard library's `_socket.socket`, in a machine: the same calls, defaults, errors and time limits.

    Any number of threads may use one.  `fileno` is a real descriptor that select, poll, epoll and asyncio may
    watch; it carries no data.  Closing a socket ends the calls that wait on it (EBADF).  Constants are Linux's
    numbers.  Unix sockets, and descriptors that are no socket of the machine, are the host's own.
    """

    __slots__ = ("_family", "_fd", "_file", "_proto", "_timeout", "_type")

    bridge: ClassVar[Bridge]
    files: ClassVar[Descriptors]
    state: ClassVar[ModuleState]

    def __new__(cls, *args: Any, **more: Any) -> Any:
        family = args[0] if args else more.get("family", -1)
        fileno = args[3] if len(args) > 3 else more.get("fileno")
        if fileno is not None and not isinstance(fileno, Accepted):
            fd = operator.index(fileno)
            if cls.files.get(fd) is None and cls.files.adopt(fd) is None:
                return stdlib.socket(*args, **more)
        elif fileno is None and family == stdlib.AF_UNIX:
            return stdlib.socket(*args, **more)
        return super().__new__(cls)

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: Any = None) -> None:
        self._file: OpenFile | None = None
        self._fd = -1
        self._timeout: float | None = self.state.timeout
        sys.audit("socket.__new__", self, family, type, proto)
        self._family = AF_INET if family == -1 else operator.index(family)
        self._type = SOCK_STREAM if type == -1 else operator.index(type) & ~_TYPE_FLAGS
        self._proto = 0 if proto == -1 else operator.index(proto)
        if fileno is not None:
            fd = operator.index(fileno)
            file = fileno.file if isinstance(fileno, Accepted) else self.files.get(fd)
            if file is None:
                raise OSError(EBADF, "Bad file descriptor")
            if family == -1:
                self._family = file.family
            if type == -1:
                self._type = file.type
            if proto == -1:
                self._proto = file.inner.sk.protocol
            self._file = file
            self._fd = fd
            return
        if type != -1 and type & SOCK_NONBLOCK:
            self._timeout = 0.0

        def make() -> OpenFile:
            m = self.bridge.machine
            assert m is not None
            inner = Socket(m.net, self._family, self._type, self._proto)
            inner.settimeout(0)
            return OpenFile(inner, self._family, self._type)

        try:
            self._file = self.bridge.call(make)
        except OSError as e:
            raise plain_error(e) from None

    # --- calling ----------------------------------------------------------------------------------------------
    def _open(self) -> OpenFile:
        file = self._file
        if file is None:
            raise OSError(EBADF, "Bad file descriptor")
        return file

    def _call(
        self,
        fn: Callable[[Socket], Any],
        *,
        wait: bool = True,
        left: float | None = _OWN_TIMEOUT,
        end: Any = None,
        need: int = 0,
    ) -> Any:
        """Run `fn` on the machine's socket; block as the time limit says (`left`: seconds instead of it).

        `end`: what a datagram reader that may wait for ever gets once receiving is shut down (one that may not wait
        gets EAGAIN, as in Linux's __skb_wait_for_more_packets).  `need`: READ or WRITE, what CPython's sock_call
        polls for before each try when there is a time limit, whatever `wait` says.  Without one the kernel's own
        limits hold (SO_RCVTIMEO, SO_SNDTIMEO: BlockingIOError), and a descriptor that somebody has made O_NONBLOCK.
        """
        file = self._open()
        inner = file.inner
        limit = self._timeout
        blocks = (wait or bool(need)) if limit else wait and limit is None
        first = need if limit else 0
        kernel = 0
        if left != _OWN_TIMEOUT:
            limit = left
        elif blocks and limit is None:
            if self._fd >= 0 and not os.get_blocking(self._fd):
                blocks = False
            else:
                kernel = inner.sk.rcvtimeo if need & POLLIN else inner.sk.sndtimeo
                if kernel > 0:
                    limit = kernel / 1e9
        ends = self._timeout is None or left != _OWN_TIMEOUT

        def op() -> Any:
            try:
                if first and not inner.poll() & first:
                    raise BlockingIOError
                return fn(inner)
            except BlockingIOError:
                if ends and blocks and end is not None and inner.sk.shutdown & RCV_SHUTDOWN:
                    return end
                raise
            except OSError as e:
                raise plain_error(e) from None
            finally:
                m = file.mirror
                if m is not None:
                    m.update()

        if not blocks:
            return self.bridge.call(op)
        try:
            return self.bridge.call(op, inner.sk.wq, limit)
        except TimeoutError as e:
            if kernel > 0 and e.errno is None:
                raise stdlib_error(linux_error(EAGAIN if need else EINPROGRESS)) from None
            raise

    @property
    def family(self) -> int:
        return self._family

    @property
    def type(self) -> int:
        return self._type

    @property
    def proto(self) -> int:
        return self._proto

    @property
    def timeout(self) -> float | None:
        return self._timeout

    def __repr__(self) -> str:
        return f"<socket object, fd={self._fd}, family={self.family}, type={self.type}, proto={self.proto}>"

    # --- time limits --------------------------------------------------------------------------------------------
    def settimeout(self, value: float | None, /) -> None:
        """Seconds; 0 = do not block, None = block for ever."""
        limit = check_timeout(value)
        self._open()
        self._timeout = limit
        if self._fd >= 0:
            os.set_blocking(self._fd, limit is None)

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool, /) -> None:
        true = bool(flag) if sys.version_info >= (3, 12) else operator.index(flag)
        LiveSocket.settimeout(self, None if true else 0.0)

    def getblocking(self) -> bool:
        return self._timeout != 0

    # --- addresses ----------------------------------------------------------------------------------------------
    def _address(self, address: Any, call: str) -> Any:
        """With the name of the host as a number.  TypeError, OverflowError, gaierror."""
        if self._family != AF_INET:
            if self._family == AF_PACKET:
                if not isinstance(address, tuple):
                    raise TypeError(f"{call}(): AF_PACKET address must be tuple, not {type(address).__name__}")
                if not 2 <= len(address) <= 5:
                    raise TypeError("AF_PACKET address must be a tuple of two to five elements")
            return address
        if not isinstance(address, tuple):
            raise TypeError(f"{call}(): AF_INET address must be tuple, not {type(address).__name__}")
        if len(address) != 2:
            raise TypeError("AF_INET address must be a pair (host, port)")
        host, port = address
        if isinstance(host, bytes | bytearray):
            host = bytes(host).decode("ascii")
        if not isinstance(host, str):
            raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
        port = operator.index(port)
        if not 0 <= port <= 0xFFFF:
            raise OverflowError(f"{call}(): port must be 0-65535.")
        return self.state.host(host), port

    def bind(self, address: Any, /) -> None:
        where = self._address(address, "bind")
        sys.audit("socket.bind", self, address)
        self._call(lambda s: s.bind(where), wait=False)

    def connect(self, address: Any, /) -> None:
        where = self._address(address, "connect")
        sys.audit("socket.connect", self, address)
        begun: list[bool] = []

        def attempt(s: Socket) -> None:
            if not begun:
                try:
                    s.connect(where)
                except BlockingIOError:
                    begun.append(True)
                    raise
                return
            if not s.poll() & WRITE:
                raise BlockingIOError
            if self._timeout is None:  # the very call that waits in the kernel takes the error and the state
                s.connect(where)
                return
            error = s.getsockopt(SOL_SOCKET, SO_ERROR)
            if error:
                raise stdlib_error(OSError(error, os.strerror(int(error))))

        self._call(attempt)

    def connect_ex(self, address: Any, /) -> int:
        """As connect, but gives the errno."""
        try:
            LiveSocket.connect(self, address)
        except TimeoutError as e:
            return e.errno or 11
        except stdlib.gaierror:
            raise
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
    def _all(self, flags: int) -> bool:
        """Whether MSG_WAITALL has its effect: with a time limit Python's sockets do not block in the kernel."""
        return bool(flags & MSG_WAITALL) and self._type == SOCK_STREAM and self._timeout is None

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        size = _size(bufsize, "recv")
        if flags & MSG_WAITALL and LiveSocket._all(self, flags):
            return self._recv_all(size, 0, flags)[0]
        data: bytes = self._call(lambda s: s.recv(size, flags), wait=not flags & MSG_DONTWAIT, end=b"", need=READ)
        return data

    def _recv_all(self, bufsize: int, room: int, flags: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """recvmsg with MSG_WAITALL: until all has come, the stream has ended, or an error that the next call gets."""
        parts: list[bytes] = []
        last: list[tuple[list[tuple[int, int, bytes]], int, Any]] = []
        left = bufsize
        flags &= ~MSG_WAITALL

        def more(s: Socket) -> None:
            nonlocal left
            if flags & MSG_PEEK:
                got = s.recvmsg(bufsize, room, flags)
                short = len(got[0]) < bufsize and not flags & MSG_DONTWAIT
                if short and not s.sk.shutdown & RCV_SHUTDOWN and not s.sk.err:
                    raise BlockingIOError
                parts.append(got[0])
                last.append(got[1:])
                return
            while left:
                if parts and s.sk.err:
                    return
                data, anc, out, name = s.recvmsg(left, room, flags)
                last.append((anc, out, name))
                if not data:
                    return
                parts.append(data)
                left -= len(data)

        try:
            self._call(more, wait=not flags & MSG_DONTWAIT, need=READ)
        except BlockingIOError:
            if not parts:
                raise
        anc, out, name = last[-1] if last else ([], 0, None)
        return b"".join(parts), anc, out, name

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        size = _size(bufsize, "recvfrom")
        if flags & MSG_WAITALL and LiveSocket._all(self, flags):
            return self._recv_all(size, 0, flags)[0], None
        stream = self._type == SOCK_STREAM
        got: tuple[bytes, Any] = self._call(
            lambda s: s.recvfrom(size, flags), wait=not flags & MSG_DONTWAIT, end=(b"", None), need=READ
        )
        return (got[0], None) if stream else got

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view, n = self._into(buffer, nbytes, "recv_into")
        data = LiveSocket.recv(self, n, flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view, n = self._into(buffer, nbytes, "recvfrom_into")
        data, address = LiveSocket.recvfrom(self, n, flags)
        view[: len(data)] = data
        return len(data), address

    @staticmethod
    def _into(buffer: Any, nbytes: int, call: str) -> tuple[memoryview, int]:
        try:
            view = memoryview(buffer)
        except TypeError:
            view = memoryview(b"")
        if view.readonly:
            raise TypeError(f"{call}() argument 1 must be read-write bytes-like object, not {type(buffer).__name__}")
        if not view.c_contiguous:
            raise BufferError("memoryview: underlying buffer is not C-contiguous")
        view = view.cast("B")
        if nbytes < 0:
            raise ValueError(f"negative buffersize in {call}")
        if nbytes > len(view):
            raise ValueError("buffer too small for requested bytes")
        return view, nbytes or len(view)

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        size = operator.index(bufsize)
        room = operator.index(ancbufsize)
        if size < 0:
            raise ValueError("negative buffer size in recvmsg()")
        if not 0 <= room <= 0x7FFFFFFF:
            raise ValueError("invalid ancillary data buffer length")
        if flags & MSG_WAITALL and LiveSocket._all(self, flags):
            data, anc, out, _ = self._recv_all(size, room, flags)
            return data, anc, out, None
        stream = self._type == SOCK_STREAM
        data, anc, out, address = self._call(
            lambda s: s.recvmsg(size, room, flags), wait=not flags & MSG_DONTWAIT, end=(b"", [], 0, None), need=READ
        )
        return data, anc, out, None if stream else address

    def recvmsg_into(
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        try:
            each = list(buffers)
        except TypeError:
            raise TypeError("recvmsg_into() argument 1 must be an iterable") from None
        try:
            views = [self._into(b, 0, "recvmsg_into")[0] for b in each]
        except TypeError:
            raise TypeError(
                "recvmsg_into() argument 1 must be an iterable of single-segment read-write buffers"
            ) from None
        if len(views) > UIO_MAXIOV:
            raise linux_error(EMSGSIZE)
        data, anc, out, address = LiveSocket.recvmsg(self, sum(len(v) for v in views), ancbufsize, flags)
        at = 0
        for v in views:
            part = data[at : at + len(v)]
            v[: len(part)] = part
            at += len(part)
        return len(data), anc, out, address

    def send(self, data: Any, flags: int = 0, /) -> int:
        raw = _bytes(data)
        if self._type == SOCK_STREAM and (self._timeout is None or len(raw) > PIECE):
            return self._send_some(raw, flags)
        return int(self._call(lambda s: s.send(raw, flags), wait=not flags & MSG_DONTWAIT, need=WRITE))

    def take_within(self, take: Callable[[Socket], bool], left: float | None) -> bool:
        """`take` on the machine's socket, tried again as `recv` is; waits `left` seconds, or as settimeout says when
        that is not to block.  False when receiving is shut down.
        """
        return bool(self._call(take, left=left, end=False))

    def send_within(self, data: bytes | memoryview, left: float | None) -> int:
        """`send` of this very class, likewise; not more than a piece of `data`."""
        raw = bytes(data[:PIECE])
        return int(self._call(lambda s: s.send(raw, 0), left=left))

    def _send_some(self, raw: bytes, flags: int) -> int:
        """To a stream: all of it when the socket blocks (Linux's tcp_sendmsg waits for room), else what fits."""
        if self._timeout is None and not flags & MSG_DONTWAIT:
            return self._send_all(raw, flags, _OWN_TIMEOUT, True)
        done = 0

        def some(s: Socket) -> int:
            nonlocal done
            try:
                while True:
                    piece = raw[done : done + PIECE]
                    n = s.send(piece, flags)
                    done += n
                    if n < len(piece) or done >= len(raw) or s.sk.err:
                        break
            except OSError:
                if not done:
                    raise
            return done

        return int(self._call(some, wait=not flags & MSG_DONTWAIT, need=WRITE))

    def _send_all(
        self,
        raw: bytes,
        flags: int,
        limit: float | None,
        one: bool,
        begin: Callable[[Socket], int] | None = None,
    ) -> int:
        """Stays in the engine until all is queued, so that the caller's thread is woken once.

        `one` system call (send): what was queued before an error counts, and the next call gets the error.
        `begin`: what sends the first octets.
        """
        done = 0
        polls = bool(self._timeout)

        def more(s: Socket) -> int:
            nonlocal done
            while True:
                if done:
                    if one and (s.sk.err or s.sk.shutdown & SEND_SHUTDOWN):
                        return done
                    if polls and not s.poll() & WRITE:
                        raise BlockingIOError
                    done += s.send(raw[done : done + PIECE], flags)
                elif begin is not None:
                    done += begin(s)
                else:
                    done += s.send(raw if len(raw) <= PIECE else raw[:PIECE], flags)
                if done >= len(raw):
                    return done

        try:
            return int(self._call(more, left=limit, need=WRITE))
        except OSError:
            if done and one:
                return done
            raise

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        raw = _bytes(data)
        if self._type != SOCK_STREAM:
            LiveSocket.send(self, raw, flags)
            return
        if self._timeout == 0 or flags & MSG_DONTWAIT:
            at = 0
            while True:
                at += self._send_some(raw[at:] if at else raw, flags)
                if at >= len(raw):
                    return
        self._send_all(raw, flags, _OWN_TIMEOUT, False)

    def sendto(self, data: Any, *args: Any) -> int:
        """sendto(data, address) or sendto(data, flags, address)."""
        if not 1 <= len(args) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        raw = _bytes(data)
        flags = operator.index(args[0]) if len(args) == 2 else 0
        where = self._address(args[-1], "sendto")
        sys.audit("socket.sendto", self, args[-1])
        return int(self._call(lambda s: s.sendto(raw, flags, where), wait=not flags & MSG_DONTWAIT, need=WRITE))

    def sendmsg(self, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0, address: Any = None, /) -> int:
        try:
            each = list(buffers)
        except TypeError:
            raise TypeError("sendmsg() argument 1 must be an iterable") from None
        raw = [_bytes(b) for b in each]
        if len(raw) > UIO_MAXIOV:
            raise linux_error(EMSGSIZE)
        control: list[tuple[int, int, bytes]] = []
        for item in ancdata:
            if not isinstance(item, tuple) or len(item) != 3:
                raise TypeError("[sendmsg() ancillary data items must be tuples of 3]")
            level, kind, content = item
            control.append((operator.index(level), operator.index(kind), _bytes(content)))
        flags = operator.index(flags)
        where = None if address is None else self._address(address, "sendmsg")
        sys.audit("socket.sendmsg", self, address)
        if self._type == SOCK_STREAM and self._timeout is None and not flags & MSG_DONTWAIT:
            whole = b"".join(raw)
            return self._send_all(
                whole, flags, _OWN_TIMEOUT, True, lambda s: s.sendmsg([whole[:PIECE]], control, flags, where)
            )
        return int(
            self._call(lambda s: s.sendmsg(raw, control, flags, where), wait=not flags & MSG_DONTWAIT, need=WRITE)
        )

    def sendmsg_afalg(self, *args: Any, **more: Any) -> int:
        raise OSError(ENOTSUP, "sendmsg_afalg on a socket of a live machine")

    # --- options ----------------------------------------------------------------------------------------------------
    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None, /) -> None:
        lev, opt = _int32(level), _int32(optname)
        v: int | bytes
        if value is None:
            if optlen is None:
                raise TypeError("setsockopt() requires 4 arguments when the third is None")
            if _int32(optlen):  # a null pointer: only AF_ALG has a use for one
                raise OSError(EFAULT, "Bad address")
            v = b""
        elif optlen is not None:
            raise TypeError(f"setsockopt() argument 3 must be None, not {type(value).__name__}")
        else:
            try:
                v = _int32(value)
            except (TypeError, OverflowError):
                v = _bytes(value)
        self._call(lambda s: s.setsockopt(lev, opt, v), wait=False)

    def getsockopt(self, level: int, optname: int, buflen: int = 0, /) -> int | bytes:
        """An int, or with `buflen` the bytes (cut to it)."""
        lev, opt = _int32(level), _int32(optname)
        if not 0 <= buflen <= 1024:
            raise OSError("getsockopt buflen out of range")
        got: int | bytes = self._call(lambda s: s.getsockopt(lev, opt, buflen), wait=False)
        return ((got + (1 << 31)) & 0xFFFFFFFF) - (1 << 31) if isinstance(got, int) else got

    # --- descriptors ------------------------------------------------------------------------------------------------
    def fileno(self) -> int:
        """A descriptor that is readable and writable while this socket is; -1 when closed."""
        file = self._file
        if file is None:
            return -1
        if self._fd < 0:

            def make() -> int:
                if self._fd < 0:
                    self._fd = self.files.make(file)
                    if self._timeout is not None:
                        os.set_blocking(self._fd, False)
                return self._fd

            return int(self.bridge.call(make))
        return self._fd

    def detach(self) -> int:
        """Give the descriptor away: socket(fileno=...) or close() of the module take it."""
        fd = LiveSocket.fileno(self)
        self._file = None
        self._fd = -1
        return fd

    def borrow(self, blocks: bool) -> None:
        """A socket of a descriptor that belongs to somebody else, for one call."""
        self._timeout = None if blocks else 0.0

    def give_back(self) -> None:
        """Let go of it without closing anything."""
        self._file = None
        self._fd = -1

    # --- connections --------------------------------------------------------------------------------------------------
    def listen(self, backlog: int = 128, /) -> None:
        n = max(0, _int32(backlog))
        self._call(lambda s: s.listen(n), wait=False)

    def _accept(self) -> tuple[int, Any]:
        file = self._open()

        def attempt(s: Socket) -> tuple[OpenFile, Any]:
            new, name = s.accept()
            new.settimeout(0)
            return OpenFile(new, file.family, file.type), name

        got, name = self._call(attempt, need=READ)
        fd = Accepted(-1)
        fd.file = got
        return fd, name

    def shutdown(self, how: int, /) -> None:
        side = _int32(how)
        self._call(lambda s: s.shutdown(side), wait=False)

    def close(self) -> None:
        """Close it; when nothing else stands for the socket, a call that waits on it ends with EBADF."""
        file, self._file = self._file, None
        fd, self._fd = self._fd, -1
        if file is None:
            return
        if fd >= 0 and self.files.get(fd) is not file:
            raise OSError(EBADF, "Bad file descriptor")
        self.files.let_go(file, fd)

    def __del__(self) -> None:
        file = getattr(self, "_file", None)
        if not isinstance(file, OpenFile):
            return
        bridge = self.bridge
        if not bridge.finished and not sys.is_finalizing() and not bridge.in_engine():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        fd, self._fd = self._fd, -1  # after the warning, whose words may have made one
        if fd >= 0 and self.files.get(fd) is not file:
            pass
        elif not bridge.finished:
            bridge.post(self.files.closer(file, fd))
        else:
            self.files.forget(file, fd)
        self._file = None
