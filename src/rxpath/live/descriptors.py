"""Descriptors of the host for sockets of a live machine: what select, poll, epoll and asyncio watch.

A socket of the machine has no descriptor of its own.  When a program asks for one it gets an end of a Unix socket
pair that is readable and writable exactly while the machine's socket is: readable by an octet that lies in it;
writable by a send buffer that is made larger or smaller than what lies unread in it.  Only the engine's thread
changes them, so both always agree.  The end is shut for writing: whoever writes to the descriptor itself, as
sendfile(2) would, gets EPIPE instead of losing data.  `OpenFile` is the machine's socket with all descriptors and
objects that stand for it (Linux: struct file).

Not here: what a socket looks like to a program (sockets.py).
"""

from __future__ import annotations

import socket as stdlib
from collections.abc import Callable
from os import close as host_close  # a program's `os` may have others in their place (oscalls.py)
from os import dup as host_dup
from os import fstat
from typing import Final

from rxpath.live.bridge import Bridge
from rxpath.net.core.sock import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRNORM,
    WaitQueueEntry,
)
from rxpath.sockets import EBADF, Socket

READABLE: Final = POLLIN | POLLRDNORM | POLLERR | POLLHUP | POLLRDHUP
WRITABLE: Final = POLLOUT | POLLWRNORM | POLLERR | POLLHUP
_LOAD: Final = bytes(2048)
_WIDE: Final = 1 << 16  # a send buffer that the load leaves writable; with the least there is it is not
_DONTWAIT: Final = stdlib.MSG_DONTWAIT


class Mirror(WaitQueueEntry):
    """Stays in a socket's wait queue and keeps the pair as the socket is; `ino` names the program's end."""

    __slots__ = ("ino", "inner", "ours", "readable", "theirs", "writable")

    def __init__(self, inner: Socket) -> None:
        super().__init__(None)
        self.inner = inner
        self.theirs, self.ours = stdlib.socketpair(stdlib.AF_UNIX, stdlib.SOCK_STREAM)
        self.ino = _identity(self.theirs.fileno())
        self.theirs.send(_LOAD)
        self.theirs.shutdown(stdlib.SHUT_WR)
        self.theirs.setsockopt(stdlib.SOL_SOCKET, stdlib.SO_SNDBUF, _WIDE)
        self.readable = False
        self.writable = True
        inner.sk.wq.add(self)
        self.update()

    def func(self, key: int) -> bool:
        self.update()
        return False

    def update(self) -> None:
        """Make the pair as the socket is now.  Asking for writability also asks to be woken when it comes."""
        if self.wq is None:
            return
        mask = self.inner.poll()
        readable = bool(mask & READABLE)
        if readable != self.readable:
            self.readable = readable
            if readable:
                self.ours.send(b"x", _DONTWAIT)
            else:
                try:
                    self.theirs.recv(16, _DONTWAIT)
                except BlockingIOError:  # the program itself has read from the descriptor
                    pass
        writable = bool(mask & WRITABLE)
        if writable != self.writable:
            self.writable = writable
            self.theirs.setsockopt(stdlib.SOL_SOCKET, stdlib.SO_SNDBUF, _WIDE if writable else 0)

    def end(self) -> None:
        """Whoever still watches sees the end of file."""
        if self.wq is not None:
            self.wq.remove(self)
        self.ours.close()


class OpenFile:
    """A machine's socket, and how many descriptors and objects stand for it (`refs`)."""

    __slots__ = ("family", "fds", "inner", "mirror", "refs", "type")

    def __init__(self, inner: Socket, family: int, type_: int) -> None:
        self.inner = inner
        self.family = family
        self.type = type_
        self.refs = 1
        self.mirror: Mirror | None = None
        self.fds: list[int] = []


class Descriptors:
    """The descriptors of one machine.  Only the engine's thread changes the table; any thread may look."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.table: dict[int, OpenFile] = {}
        self.inodes: dict[tuple[int, int], OpenFile] = {}

    def get(self, fd: int) -> OpenFile | None:
        """What `fd` stands for.  C code may have closed the descriptor past `os.close`, and its number may be the
        host's by now.
        """
        file = self.table.get(fd)
        if file is None or _is(fd, file):
            return file
        if not self.bridge.finished and not self.bridge.in_engine():
            self.let_go(file, fd, lost=True)
        return None

    def adopt(self, fd: int) -> OpenFile | None:
        """For a descriptor that was made past the machine (SCM_RIGHTS): None unless it is of one of our sockets."""
        try:
            file = self.inodes.get(_identity(fd)) if self.inodes else None
        except OSError:
            return None
        if file is None or not _is(fd, file):
            return None
        self.bridge.call(lambda: self._another(file, fd))
        return file

    def _another(self, file: OpenFile, fd: int) -> int:
        """In the engine: one reference more, which has the descriptor `fd` already."""
        file.refs += 1
        return self._add(file, fd)

    def _add(self, file: OpenFile, fd: int) -> int:
        self.table[fd] = file
        file.fds.append(fd)
        return fd

    def make(self, file: OpenFile) -> int:
        """In the engine: a descriptor for a reference that has none yet."""
        m = file.mirror
        if m is None:
            file.mirror = m = Mirror(file.inner)
            self.bridge.at_end[m.end] = None
            self.inodes[m.ino] = file
            return self._add(file, m.theirs.fileno())
        return self._add(file, host_dup(file.fds[0]))

    def dup(self, fd: int) -> int:
        """dup(2) of a descriptor of the table, by any thread.  OSError EBADF."""

        def op() -> int:
            file = self.table.get(fd)
            if file is None:
                raise OSError(EBADF, "Bad file descriptor")
            return self._another(file, host_dup(fd))

        new: int = self.bridge.call(op)
        return new

    def copied(self, fd: int, new: int) -> None:
        """After dup2(2) or F_DUPFD by any thread: `new` stands for what `fd` does, if that is the machine's."""
        file = self.get(fd)
        if file is not None:
            self.bridge.call(lambda: self._another(file, new))

    def close(self, fd: int) -> None:
        """close(2) of a descriptor of the table, by any thread.  OSError EBADF."""
        file = self.get(fd)
        if file is None:
            raise OSError(EBADF, "Bad file descriptor")
        self.let_go(file, fd)

    def let_go(self, file: OpenFile, fd: int, lost: bool = False) -> None:
        """One reference less, by any thread; the last one closes the socket, as close(2) does.  `lost`: somebody has
        closed the descriptor.
        """
        try:
            sk = file.inner.sk
            if file.refs == 1 and sk.linger and sk.lingertime:
                self.bridge.run_task(self.closer(file, fd, lost), "close")  # may wait for the peer
            else:
                self.bridge.call(self.closer(file, fd, lost))
        except OSError:  # the machine has ended, and its sockets with it
            self.forget(file, fd, lost)

    def closer(self, file: OpenFile, fd: int, lost: bool = False) -> Callable[[], None]:
        """What `let_go` does, to be run in the engine."""

        def end() -> None:
            if lost and (self.table.get(fd) is not file or _is(fd, file)):
                return  # somebody was faster
            file.refs -= 1
            m = file.mirror
            if file.refs <= 0:
                if m is not None:
                    m.end()
                    self.bridge.at_end.pop(m.end, None)
                    self.inodes.pop(m.ino, None)
                self.forget(file, fd, lost)
                self.bridge.fail_waiters(file.inner.sk.wq)
                file.inner.close()
            else:
                self.forget(file, fd, lost)

        return end

    def forget(self, file: OpenFile, fd: int, lost: bool = False) -> None:
        """Close the descriptor, when there is one (not `lost`), and no more."""
        if fd < 0 or self.table.pop(fd, None) is None:
            return
        file.fds.remove(fd)
        m = file.mirror
        if m is not None and m.theirs.fileno() == fd:
            m.theirs.detach()
            if file.fds:  # the engine goes on with another name of the same pair
                m.theirs = stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_STREAM, 0, file.fds[0])
            elif file.refs > 0:  # whoever asks for a descriptor gets a new pair
                file.mirror = None
                m.end()
                self.bridge.at_end.pop(m.end, None)
                self.inodes.pop(m.ino, None)
        if not lost:
            host_close(fd)


def _identity(fd: int) -> tuple[int, int]:
    st = fstat(fd)
    return st.st_dev, st.st_ino


def _is(fd: int, file: OpenFile) -> bool:
    """Whether the descriptor is the end of the pair of `file` still."""
    m = file.mirror
    try:
        return m is not None and _identity(fd) == m.ino
    except OSError:
        return False


def more_descriptors() -> None:
    """As many open files as this process may have: each watched socket takes two."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
