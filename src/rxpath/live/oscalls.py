"""`os.read`, `os.write`, `os.sendfile`, `os.close`, `os.dup`, `os.dup2` and `fcntl` that know the descriptors of a live
machine.

A descriptor of the machine carries no data (descriptors.py), so programs that go past the module `socket` would find
nothing there.  What is in the table goes to the machine, everything else to the host.
Not here: putting them into place (rxpath.run).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from rxpath.live import access
from rxpath.live.sockets import PIECE, LiveSocket, plain_error
from rxpath.net.core.dev_ioctl import IFREQ_SIZE, SIOCETHTOOL

NAMES: Final = ("close", "dup", "dup2", "read", "readv", "sendfile", "write", "writev")
FIONREAD: Final = 0x541B
SIOCOUTQ: Final = 0x5411
SIOCATMARK: Final = 0x8905
EFAULT: Final = 14
_INTERFACES: Final = range(0x8910, 0x8950)  # of a struct ifreq


host_fcntl: Any
try:
    import fcntl as host_fcntl
except ImportError:  # no Unix
    host_fcntl = None


def _no(*args: Any) -> Any:
    raise NotImplementedError


class OsCalls:
    """The calls for the machine of a stand-in for `_socket`; each method has the name of what it stands for."""

    def __init__(self, raw: ModuleType) -> None:
        self.cls: type[LiveSocket] = vars(raw)["socket"]
        self.files = self.cls.files
        self.table = self.files.table
        self.host: dict[str, Callable[..., Any]] = {n: getattr(os, n) for n in NAMES if hasattr(os, n)}
        self.host_ioctl: Callable[..., Any] = _no
        self.host_fcntl: Callable[..., Any] = _no
        self.copies: set[int] = set()

    def install(self) -> None:
        """Put them into `os` and `fcntl`."""
        for n in self.host:
            setattr(os, n, getattr(self, n))
        if host_fcntl is not None:
            self.host_ioctl = host_fcntl.ioctl
            self.host_fcntl = host_fcntl.fcntl
            self.copies = {getattr(host_fcntl, n) for n in ("F_DUPFD", "F_DUPFD_CLOEXEC") if hasattr(host_fcntl, n)}
            host_fcntl.ioctl = self.ioctl
            host_fcntl.fcntl = self.fcntl

    def _ours(self, fd: int) -> bool:
        return fd in self.table and self.files.get(fd) is not None

    def _on(self, fd: int, call: Callable[[LiveSocket], Any]) -> Any:
        """`call` with a socket for `fd`, which is closed no more after it than before."""
        s = self.cls(fileno=fd)
        try:
            LiveSocket.borrow(s, os.get_blocking(fd))
            return call(s)
        finally:
            LiveSocket.give_back(s)

    def read(self, fd: int, length: int, /) -> bytes:
        if not self._ours(fd):
            data: bytes = self.host["read"](fd, length)
            return data
        got: bytes = self._on(fd, lambda s: LiveSocket.recv(s, length))
        return got

    def readv(self, fd: int, buffers: Any, /) -> int:
        if not self._ours(fd):
            return int(self.host["readv"](fd, buffers))
        return int(self._on(fd, lambda s: LiveSocket.recvmsg_into(s, buffers)[0]))

    def write(self, fd: int, data: Any, /) -> int:
        if not self._ours(fd):
            return int(self.host["write"](fd, data))
        return int(self._on(fd, lambda s: LiveSocket.send(s, data)))

    def writev(self, fd: int, buffers: Any, /) -> int:
        if not self._ours(fd):
            return int(self.host["writev"](fd, buffers))
        return int(self._on(fd, lambda s: LiveSocket.sendmsg(s, buffers)))

    def sendfile(self, out_fd: int, in_fd: int, offset: int | None, count: int, *more: Any, **named: Any) -> int:
        """Up to PIECE octets at once, as sendfile(2) too may send less than `count`."""
        if not self._ours(out_fd):
            return int(self.host["sendfile"](out_fd, in_fd, offset, count, *more, **named))
        n = min(count, PIECE)
        data = self.host["read"](in_fd, n) if offset is None else os.pread(in_fd, n, offset)
        sent = 0
        try:
            if data:
                sent = int(self._on(out_fd, lambda s: LiveSocket.send(s, data)))
            return sent
        finally:
            if offset is None and sent < len(data):
                os.lseek(in_fd, sent - len(data), os.SEEK_CUR)

    def close(self, fd: int) -> None:
        if self._ours(fd):
            self.files.close(fd)
        else:
            self.host["close"](fd)

    def dup(self, fd: int, /) -> int:
        return self.files.dup(fd) if self._ours(fd) else int(self.host["dup"](fd))

    def dup2(self, fd: int, fd2: int, inheritable: bool = True) -> int:
        if fd != fd2 and self.files.get(fd2) is not None:
            self.files.close(fd2)
        new = int(self.host["dup2"](fd, fd2, inheritable))
        if fd != fd2:
            self.files.copied(fd, new)
        return new

    def fcntl(self, fd: Any, cmd: int, arg: Any = 0, /) -> Any:
        got = self.host_fcntl(fd, cmd, arg)
        if cmd in self.copies:
            self.files.copied(_number(fd), int(got))
        return got

    def ioctl(self, fd: Any, request: int, arg: Any = 0, mutate_flag: bool = True, /) -> Any:
        """Of a socket of the machine what is known of it: how much lies there to read and unacknowledged, the mark of
        urgent data, and the machine's interfaces.
        """
        n = _number(fd)
        if n not in self.table or (request not in (FIONREAD, SIOCOUTQ, SIOCATMARK) and request not in _INTERFACES):
            return self.host_ioctl(fd, request, arg, mutate_flag)
        file = self.files.get(n)
        if file is None:
            return self.host_ioctl(fd, request, arg, mutate_flag)
        inner = file.inner
        ask = {FIONREAD: inner.inq, SIOCOUTQ: inner.outq, SIOCATMARK: inner.at_mark}.get(request)
        given = arg if isinstance(arg, int) else bytes(memoryview(arg))
        if ask is not None:
            answer = int(self.files.bridge.call(ask)).to_bytes(4, "little")
        elif isinstance(given, int) or request == SIOCETHTOOL:  # memory that only C can reach
            raise OSError(EFAULT, "Bad address")
        else:
            ifr = bytearray(given[:IFREQ_SIZE].ljust(IFREQ_SIZE, b"\0"))
            m = self.files.bridge.machine
            assert m is not None
            try:
                self.files.bridge.call(lambda: access.ioctl(m, request, ifr, bytearray()))
            except OSError as e:
                raise plain_error(e) from None
            answer = bytes(ifr)
        if isinstance(given, int):
            return 0
        answer = (answer + given[len(answer) :])[: len(given)]
        if isinstance(arg, bytes | str) or not mutate_flag or memoryview(arg).readonly:
            return answer
        memoryview(arg).cast("B")[:] = answer
        return 0


def _number(fd: Any) -> int:
    return fd if isinstance(fd, int) else int(fd.fileno())
