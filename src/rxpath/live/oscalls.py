"""`os.read`, `os.write`, `os.sendfile`, `os.close` and `os.dup` that know the descriptors of a live machine.

A descriptor of the machine carries no data (descriptors.py), so programs that go past the module `socket` would find
nothing there.  What is in the table goes to the machine, everything else to the host.
Not here: putting them into place (rxpath.run).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from rxpath.live.sockets import PIECE, LiveSocket

NAMES: Final = ("close", "dup", "read", "readv", "sendfile", "write", "writev")


class OsCalls:
    """The calls for the machine of a stand-in for `_socket`; each method has the name of what it stands for."""

    def __init__(self, raw: ModuleType) -> None:
        self.cls: type[LiveSocket] = vars(raw)["socket"]
        self.files = self.cls.files
        self.table = self.files.table
        self.host: dict[str, Callable[..., Any]] = {n: getattr(os, n) for n in NAMES if hasattr(os, n)}

    def install(self) -> None:
        """Put them into `os`."""
        for n in self.host:
            setattr(os, n, getattr(self, n))

    def _on(self, fd: int, call: Callable[[LiveSocket], Any]) -> Any:
        """`call` with a socket for `fd`, which is closed no more after it than before."""
        s = self.cls(fileno=fd)
        try:
            LiveSocket.borrow(s, os.get_blocking(fd))
            return call(s)
        finally:
            LiveSocket.give_back(s)

    def read(self, fd: int, length: int, /) -> bytes:
        if fd not in self.table:
            data: bytes = self.host["read"](fd, length)
            return data
        got: bytes = self._on(fd, lambda s: LiveSocket.recv(s, length))
        return got

    def readv(self, fd: int, buffers: Any, /) -> int:
        if fd not in self.table:
            return int(self.host["readv"](fd, buffers))
        return int(self._on(fd, lambda s: LiveSocket.recvmsg_into(s, buffers)[0]))

    def write(self, fd: int, data: Any, /) -> int:
        if fd not in self.table:
            return int(self.host["write"](fd, data))
        return int(self._on(fd, lambda s: LiveSocket.send(s, data)))

    def writev(self, fd: int, buffers: Any, /) -> int:
        if fd not in self.table:
            return int(self.host["writev"](fd, buffers))
        return int(self._on(fd, lambda s: LiveSocket.sendmsg(s, buffers)))

    def sendfile(self, out_fd: int, in_fd: int, offset: int | None, count: int, *more: Any, **named: Any) -> int:
        """Up to PIECE octets at once, as sendfile(2) too may send less than `count`."""
        if out_fd not in self.table:
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
        if fd in self.table:
            self.files.close(fd)
        else:
            self.host["close"](fd)

    def dup(self, fd: int, /) -> int:
        return self.files.dup(fd) if fd in self.table else int(self.host["dup"](fd))
