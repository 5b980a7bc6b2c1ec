"""TLS over the sockets of a live machine: what the interpreter's `_ssl` does with a descriptor, done with memory BIOs.

The C part of the standard library's `ssl` wants its own socket class and reads and writes the descriptor itself.
Here is a stand-in for `_ssl` whose contexts know our sockets too: OpenSSL works on two memory BIOs, and `Conversation`
carries the octets between them and the socket.  `ssl.py` above it is the interpreter's own.

Not here: sockets (sockets.py), the module `socket` (module.py).
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

from rxpath.live.sockets import PIECE, LiveSocket
from rxpath.sockets import EBADF, Socket

T = TypeVar("T")
HEADER: Final = 5  # octets of a TLS record's header; the last two are the length of the rest
NOT_YET: Final = "The operation did not complete"
# What `_ssl` makes of a socket's error in read() and write(): until 3.13 (gh-115627) it saw an end there.
ERROR_IS_END: Final = sys.version_info < (3, 13)


class Conversation:
    """What `_ssl._SSLSocket` is for a socket of ours: the same calls, errors and time limits.

    No more than one record is read ahead of what was asked for, as OpenSSL does it, so that `select` tells the
    truth and `unwrap` leaves what comes after the TLS in the socket.  One thread may read while another writes.
    """

    __slots__ = ("_at", "_came", "_in", "_left", "_lock", "_out", "_rest", "_head", "_raw", "_receiving", "_round",
                 "_sending", "_socket", "_tls", "_sent")  # fmt: skip

    def __init__(self, raw: ModuleType, context: Any, sock: LiveSocket, **how: Any) -> None:
        self._raw = raw
        self._in = raw.MemoryBIO()
        self._out = raw.MemoryBIO()
        self._tls = context._wrap_bio(self._in, self._out, **how)
        self._socket = weakref.ref(sock)
        self._lock = threading.Lock()  # OpenSSL's state and the BIOs
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._left = b""  # taken from `_out`
        self._at = 0  # so much of it is sent
        self._came: list[bytes] = []  # taken from the socket, not yet given to OpenSSL; b"" is the end
        self._head = bytearray()  # of the record that comes
        self._rest = 0  # octets of it that are still to come
        self._round = 0  # how often something came
        self._sent = 0  # plain octets that OpenSSL has taken, of a write that could not be ended

    # --- between OpenSSL and the socket --------------------------------------------------------------------------
    def _open(self) -> LiveSocket:
        sock = self._socket()
        if sock is None:
            raise OSError(EBADF, "Bad file descriptor")
        return sock

    @staticmethod
    def _deadline(sock: LiveSocket) -> float | None:
        limit = sock.gettimeout()
        return time.monotonic() + limit if limit else None

    @staticmethod
    def _left_of(end: float | None, what: str) -> float | None:
        if end is None:
            return None
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"The {what} operation timed out")
        return left

    def _error(self, kind: str, number: int, words: str, reason: str | None = None) -> OSError:
        """An error of `_ssl`, with the attributes that it gives one."""
        error: OSError = getattr(self._raw, kind)(number, words)
        error.library = reason and "SSL"  # type: ignore[attr-defined]
        error.reason = reason  # type: ignore[attr-defined]
        return error

    def _next(self) -> bytes | memoryview:
        """What is to be sent next; the caller has `_sending`."""
        if self._at == len(self._left):
            with self._lock:
                self._left = self._out.read()
            self._at = 0
        return memoryview(self._left)[self._at : self._at + PIECE] if self._at else self._left

    def _flush(self, sock: LiveSocket, end: float | None, what: str) -> None:
        """Send what OpenSSL wants sent.  SSLWantWriteError when the socket may not block and has no room."""
        while self._at < len(self._left) or self._out.pending:
            with self._sending:
                while data := self._next():
                    try:
                        self._at += sock.send_within(data, self._left_of(end, what))
                    except BlockingIOError:
                        raise self._error(
                            "SSLWantWriteError", self._raw.SSL_ERROR_WANT_WRITE, f"{NOT_YET} (write)"
                        ) from None
                    except TimeoutError:
                        raise TimeoutError(f"The {what} operation timed out") from None

    def _flush_some(self, sock: LiveSocket) -> None:
        """Send what the socket has room for and nobody else is sending; the rest goes with the next write.

        For a reader, who is not kept from what came because another thread's data find no room.
        """
        while self._out.pending or self._at < len(self._left):
            if not self._sending.acquire(blocking=False):
                return  # who has it looks once more before it returns
            try:
                while data := self._next():
                    self._at += sock.send_within(data, 0.0)
            except OSError:  # no room; or an error, which the next write meets too
                return
            finally:
                self._sending.release()

    def _take(self, s: Socket) -> bool:
        """In the engine: the rest of a record's header, and of the record if it is there.  BlockingIOError."""
        data = s.recv(self._rest or HEADER - len(self._head), 0)
        self._came.append(data)
        if self._rest:
            self._rest -= len(data)
            return True
        self._head += data
        if len(self._head) == HEADER:
            self._rest = self._head[3] << 8 | self._head[4]
            self._head.clear()
            try:
                data = s.recv(self._rest, 0) if self._rest else b""
            except OSError:  # not yet; or an error or the end, which the next call gets
                data = b""
            if data:
                self._came.append(data)
                self._rest -= len(data)
        return True

    def _fill(self, sock: LiveSocket, end: float | None, what: str, seen: int) -> None:
        """One piece of a record from the socket to OpenSSL, unless another thread has brought one since `seen`."""
        with self._receiving:
            if self._round != seen:
                return
            try:
                if not self._came and not sock.take_within(self._take, self._left_of(end, what)):
                    self._came.append(b"")  # receiving is shut down
            except BlockingIOError:
                raise self._error("SSLWantReadError", self._raw.SSL_ERROR_WANT_READ, f"{NOT_YET} (read)") from None
            except TimeoutError:
                raise TimeoutError(f"The {what} operation timed out") from None
            with self._lock:
                self._round += 1
                for data in self._came:
                    if data:
                        self._in.write(data)
                    else:
                        self._in.write_eof()
                self._came.clear()

    def _drive(self, step: Callable[[], T], what: str, *, reads: bool = False, end: float | None = None) -> T:
        """Do `step` and what it needs of the socket.  Want errors when the socket may not block; TimeoutError.

        `reads`: what is to be sent need not be sent first.  `end`: a time limit that runs already.
        """
        sock = self._open()
        end = end or self._deadline(sock)
        while True:
            want = False
            failed: BaseException | None = None
            with self._lock:
                seen = self._round
                try:
                    got = step()
                except self._raw.SSLWantReadError:
                    want = True
                except BaseException as e:
                    failed = e
            if failed is not None or reads:
                self._flush_some(sock)  # an alert for the peer, say
            if not want:
                break
            if not reads:
                self._flush(sock, end, "handshake" if what == "handshake" else "write")
            self._fill(sock, end, what, seen)
        if failed is not None:
            raise failed
        if not reads:
            try:
                self._flush(sock, end, what)
            except OSError:
                if what == "write":  # a call that has its answer must give it; who writes next learns of it
                    raise
        return got

    # --- the calls of _ssl._SSLSocket ----------------------------------------------------------------------------
    def do_handshake(self) -> None:
        self._drive(self._tls.do_handshake, "handshake")

    def _data_error(self, error: OSError) -> OSError:
        """What the interpreter's `_ssl` raises in read() and write() for `error`."""
        if not ERROR_IS_END or error.errno in (None, EBADF) or isinstance(error, self._raw.SSLError):
            return error
        return self._error("SSLEOFError", self._raw.SSL_ERROR_EOF, "EOF occurred in violation of protocol")

    def read(self, *args: Any) -> Any:
        try:
            return self._drive(lambda: self._tls.read(*args), "read", reads=True)
        except OSError as e:
            raise self._data_error(e) from None

    def write(self, data: Any) -> int:
        """All of `data` is taken, or SSLWantWriteError; then the caller comes again with the same data."""
        try:
            return self._write(data)
        except OSError as e:
            raise self._data_error(e) from None

    def _write(self, data: Any) -> int:
        """In pieces, so that OpenSSL need not hold all of a large one."""
        with memoryview(data) as given, given.cast("B") as view:
            total = len(view)
            sock = self._open()
            end = self._deadline(sock)
            if total < self._sent:
                try:
                    if end is not None:  # a time limit comes first
                        self._flush(sock, end, "write")
                except TimeoutError:
                    raise
                except OSError:
                    pass
                raise self._error("SSLError", self._raw.SSL_ERROR_SSL, "[SSL: BAD_LENGTH] bad length", "BAD_LENGTH")
            if self._sent:
                self._flush(sock, end, "write")
            while True:
                with view[self._sent : self._sent + PIECE] as piece:

                    def step(piece: memoryview = piece) -> None:
                        self._sent += self._tls.write(piece)

                    self._drive(step, "write", end=end)
                if self._sent >= total:
                    self._sent = 0
                    return total

    def shutdown(self) -> LiveSocket:
        """Say goodbye and wait for the peer's; returns the socket."""
        self._drive(self._tls.shutdown, "read")
        return self._open()

    def pending(self) -> int:
        with self._lock:
            return int(self._tls.pending())

    @property
    def context(self) -> Any:
        return self._tls.context

    @context.setter
    def context(self, value: Any) -> None:
        self._tls.context = value

    @property
    def session(self) -> Any:
        return self._tls.session

    @session.setter
    def session(self, value: Any) -> None:
        self._tls.session = value

    @property
    def owner(self) -> Any:
        return self._tls.owner

    @owner.setter
    def owner(self, value: Any) -> None:
        self._tls.owner = value

    def __getattr__(self, name: str) -> Any:
        """Certificates, ciphers, versions: questions to OpenSSL alone."""
        return getattr(self._tls, name)


def make_raw_ssl(name: str) -> ModuleType | None:
    """The stand-in for `_ssl`; None for a Python without it."""
    try:
        import _ssl as host
    except ImportError:
        return None
    raw = ModuleType(name, "_ssl of the interpreter, with contexts that take sockets of a live machine too.")
    space = vars(raw)
    space.update({k: v for k, v in vars(host).items() if not k.startswith("__")})

    base: Any = host._SSLContext

    class _SSLContext(base):  # type: ignore[misc]
        """_ssl._SSLContext, for sockets of the host and of the machine."""

        __slots__ = ()

        def _wrap_socket(
            self, sock: Any, server_side: bool, server_hostname: Any = None, *, owner: Any = None, session: Any = None
        ) -> Any:
            how = {"server_side": server_side, "server_hostname": server_hostname, "owner": owner, "session": session}
            if type(sock) is not LiveSocket and LiveSocket in type(sock).__mro__:
                return Conversation(raw, self, sock, **how)
            return super()._wrap_socket(sock, server_side, server_hostname, owner=owner, session=session)

    _SSLContext.__module__ = "_ssl"
    _SSLContext.__qualname__ = "_SSLContext"
    space["_SSLContext"] = _SSLContext
    return raw
