"""A machine's /proc and /sys without FUSE: a program's system calls on their paths, answered one by one.

What lives here: open, stat, access and readlink of a path under /proc or /sys, and write(2) to what was opened so.
An open file is a copy in a directory of ours, as it was when it was opened; what is written goes to the machine at
once and its errno comes back.  Not here: the loop and the filter (supervisor.py), what shows through of the host
(fuse_files.py, which decides it for both ways).
"""

from __future__ import annotations

import os
import platform
import stat
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rxpath.kernel.errno import EACCES, EINVAL, EISDIR, ENOENT, ENOTDIR, EROFS
from rxpath.tools.fuse_files import HOW, KINDS, READ, WRITE, MachineFiles

if TYPE_CHECKING:
    from rxpath.tools.supervisor import Call, Supervisor

AT_FDCWD: Final = -100
AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_EMPTY_PATH: Final = 0x1000
PATH_MAX: Final = 4096
ENAMETOOLONG: Final = 36
TREES: Final = ("/proc", "/sys")
STATX: Final = struct.Struct("<IIQIIIHxxQQQQ64xIIII")
STATX_BASIC_STATS: Final = 0x7FF

# name -> number, by `uname -m`
SYSCALLS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "read": 0,
        "write": 1,
        "open": 2,
        "stat": 4,
        "lstat": 6,
        "pread64": 17,
        "access": 21,
        "creat": 85,
        "readlink": 89,
        "openat": 257,
        "newfstatat": 262,
        "readlinkat": 267,
        "faccessat": 269,
        "statx": 332,
        "openat2": 437,
        "faccessat2": 439,
    },
    "aarch64": {
        "read": 63,
        "write": 64,
        "pread64": 67,
        "openat": 56,
        "newfstatat": 79,
        "readlinkat": 78,
        "faccessat": 48,
        "statx": 291,
        "openat2": 437,
        "faccessat2": 439,
    },
}


def syscall_numbers() -> dict[str, int]:
    return SYSCALLS[platform.machine()]


def pack_stat(mode: int, size: int, inode: int) -> bytes:
    """struct stat of this architecture, owned by root, times zero."""
    if platform.machine() == "x86_64":
        return struct.pack("<QQQIII4xQqqq72x", 0, inode, 1, mode, 0, 0, 0, size, 4096, 0)
    return struct.pack("<QQIIIIQ8xqi4xq56x", 0, inode, mode, 1, 0, 0, 0, size, 4096, 0)


def pack_statx(mode: int, size: int, inode: int) -> bytes:
    """struct statx, 256 bytes."""
    return STATX.pack(STATX_BASIC_STATS, 4096, 0, 1, 0, 0, mode, inode, size, 0, 0, 0, 0, 0, 0).ljust(256, b"\0")


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


class FileCalls:
    """Answers the calls of SYSCALLS for a Supervisor; `place` is a directory of ours for the copies.

    Each method returns the call's result, or raises Fault(errno), or Continue where the kernel shall do it.
    """

    def __init__(self, supervisor: Supervisor, place: str) -> None:
        self.s = supervisor
        self.place = place
        self.files = MachineFiles(supervisor.client, {t: t for t in TREES})
        self.writers: dict[int, str] = {}  # inode of a copy that was opened for writing -> its path
        self.refusals: dict[int, int] = {}  # inode of a copy that cannot be read -> errno
        self.calls: dict[str, Callable[[Call], int]] = {
            "read": self.read,
            "pread64": self.read,
            "write": self.write,
            "open": lambda c: self.open(c, AT_FDCWD, c.args[0], c.args[1]),
            "creat": lambda c: self.open(c, AT_FDCWD, c.args[0], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            "openat": lambda c: self.open(c, _signed(c.args[0]), c.args[1], c.args[2]),
            "openat2": self.openat2,
            "stat": lambda c: self.stat(c, AT_FDCWD, c.args[0], c.args[1], 0),
            "lstat": lambda c: self.stat(c, AT_FDCWD, c.args[0], c.args[1], AT_SYMLINK_NOFOLLOW),
            "newfstatat": lambda c: self.stat(c, _signed(c.args[0]), c.args[1], c.args[2], c.args[3]),
            "statx": lambda c: self.stat(c, _signed(c.args[0]), c.args[1], c.args[4], c.args[2], extended=True),
            "access": lambda c: self.access(c, AT_FDCWD, c.args[0], c.args[1]),
            "faccessat": lambda c: self.access(c, _signed(c.args[0]), c.args[1], c.args[2]),
            "faccessat2": lambda c: self.access(c, _signed(c.args[0]), c.args[1], c.args[2]),
            "readlink": lambda c: self.readlink(c, AT_FDCWD, c.args[0], c.args[1], c.args[2]),
            "readlinkat": lambda c: self.readlink(c, _signed(c.args[0]), c.args[1], c.args[2], c.args[3]),
        }

    # --- which file -------------------------------------------------------------------------------------------------
    def _path(self, call: Call, dirfd: int, address: int) -> str:
        """The path in the machine; Continue for what is not under /proc or /sys, or is the host's."""
        from rxpath.tools.supervisor import Continue, Fault

        raw = b""
        while b"\0" not in raw:  # mostly the first piece has it all
            raw += self.s.memory.read_some(call.tid, address + len(raw), 256)
            if len(raw) > PATH_MAX:
                raise Fault(ENAMETOOLONG)
        path = os.fsdecode(raw.split(b"\0", 1)[0])
        if not path:
            raise Continue
        if not path.startswith("/"):
            link = f"{self.s.proc}/{call.tid}/" + ("cwd" if dirfd == AT_FDCWD else f"fd/{dirfd}")
            try:
                base = os.readlink(link)
            except OSError:
                raise Continue from None
            path = f"{base}/{path}"
        if path.startswith(self.place + "/"):
            path = path[len(self.place) :]
        path = os.path.normpath(path).replace("//", "/")
        if not path.startswith(TREES) or (path not in TREES and not path.startswith(("/proc/", "/sys/"))):
            raise Continue
        return path

    def _look(self, path: str, follow: bool, how: int = READ) -> dict[str, Any]:
        """What the machine has there; Continue when the host's shines through, which is only to be read."""
        from rxpath.tools.supervisor import Continue, Fault

        try:
            return self.s.ask("stat" if follow else "lstat", path=path)
        except Fault as e:
            if e.errno not in (ENOENT, ENOTDIR) or not self.files.shines_through(path):
                raise
            # a process's own files are the host's business, and nobody's knob
            own = path[6:7].isdigit() or path.startswith(("/proc/self/", "/proc/thread-self/"))
            if how & WRITE and not own:
                if not os.path.lexists(path):
                    raise
                raise Fault(EROFS) from None
        raise Continue

    # --- the calls --------------------------------------------------------------------------------------------------
    def openat2(self, call: Call) -> int:
        (flags,) = struct.unpack("<Q", self.s.memory.read(call.tid, call.args[2], 8))
        return self.open(call, _signed(call.args[0]), call.args[1], flags)

    def open(self, call: Call, dirfd: int, address: int, flags: int) -> int:
        from rxpath.tools.supervisor import FIRST_FD, Fault

        path = self._path(call, dirfd, address)
        how = HOW.get(flags & os.O_ACCMODE, READ)
        try:
            what = self._look(path, not flags & os.O_NOFOLLOW, how)
        except Fault as e:
            if e.errno == ENOENT and flags & os.O_CREAT and path.startswith("/sys/"):
                raise Fault(EACCES) from None
            raise
        path = str(what.get("path", path))
        if what["kind"] == "dir":
            if how & WRITE:
                raise Fault(EISDIR)
            return self._give(call, self._directory(path), flags, 0)
        if flags & os.O_DIRECTORY:
            raise Fault(ENOTDIR)
        got = self.s.ask("open", path=path, how=how)
        fd = self._copy(path, str(got.get("text", "")), int(what["mode"]), how)
        inode = os.fstat(fd).st_ino
        self.writers.pop(inode, None)
        self.refusals.pop(inode, None)
        if how & WRITE:
            self.writers[inode] = path
        if "read_errno" in got:
            self.refusals[inode] = int(got["read_errno"])
        return self._give(call, fd, flags, FIRST_FD if how & WRITE or "read_errno" in got else 0)

    def _give(self, call: Call, fd: int, flags: int, first: int) -> int:
        try:
            return self.s.add_fd(call, fd, bool(flags & os.O_CLOEXEC), first)
        finally:
            os.close(fd)

    def _copy(self, path: str, text: str, mode: int, how: int) -> int:
        """A file of ours with this text, opened."""
        where = self.place + path
        os.makedirs(os.path.dirname(where), exist_ok=True)
        temporary = f"{self.place}/new"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(fd, "wb", closefd=False) as f:
                f.write(text.encode("utf-8", "surrogateescape"))
            os.fchmod(fd, mode)
            self._clear(where)
            os.rename(temporary, where)
            access = {READ: os.O_RDONLY, WRITE: os.O_WRONLY}.get(how, os.O_RDWR)
            return os.open(f"{self.s.proc}/self/fd/{fd}", access | os.O_CLOEXEC)
        finally:
            os.close(fd)

    @staticmethod
    def _clear(where: str) -> None:
        """So that a file can be put there, whatever was before."""
        try:
            if stat.S_ISDIR(os.lstat(where).st_mode):
                os.rmdir(where)
        except OSError:
            pass

    def _directory(self, path: str) -> int:
        """A directory of ours with entries of these names and kinds, opened."""
        where = self.place + path
        wanted = {name: mode for name, mode, _ in self.files.readdir(path, 0) if name not in (".", "..")}
        os.makedirs(where, exist_ok=True)
        for name in os.listdir(where):
            if name not in wanted:
                try:
                    os.unlink(f"{where}/{name}")
                except OSError:  # a directory that copies are in
                    pass
        for name, mode in wanted.items():
            entry = f"{where}/{name}"
            if os.path.lexists(entry):
                continue
            if stat.S_ISDIR(mode):
                os.mkdir(entry)
            elif stat.S_ISLNK(mode):
                os.symlink("-", entry)
            else:
                os.close(os.open(entry, os.O_CREAT | os.O_WRONLY, 0o444))
        return os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def read(self, call: Call) -> int:
        from rxpath.tools.supervisor import Continue, Fault

        fd = self.s.take_fd(call)
        try:
            errno = self.refusals.get(os.fstat(fd).st_ino, 0)
        finally:
            os.close(fd)
        if errno:
            raise Fault(errno)
        raise Continue

    def write(self, call: Call) -> int:
        from rxpath.tools.supervisor import MAX_BUFFER, Continue

        if not self.writers:
            raise Continue
        fd = self.s.take_fd(call)
        try:
            path = self.writers.get(os.fstat(fd).st_ino, "")
            if not path:
                raise Continue
            data = self.s.memory.read(call.tid, call.args[1], min(call.args[2], MAX_BUFFER))
            self.s.ask("write", path=path, text=data.decode("utf-8", "surrogateescape"))
            now = self.s.ask("read", path=path).get("text", "")
            self.refusals.pop(os.fstat(fd).st_ino, None)
            copy = os.open(f"{self.s.proc}/self/fd/{fd}", os.O_WRONLY | os.O_TRUNC)
            with os.fdopen(copy, "wb") as f:  # who reads there afterwards reads what it is now
                f.write(str(now).encode("utf-8", "surrogateescape"))
            return len(data)
        finally:
            os.close(fd)

    def stat(self, call: Call, dirfd: int, address: int, to: int, flags: int, *, extended: bool = False) -> int:
        path = self._path(call, dirfd, address)
        what = self._look(path, not flags & AT_SYMLINK_NOFOLLOW)
        kind = str(what["kind"])
        mode = KINDS[kind] | int(what["mode"])
        size = 4096 if path.startswith("/sys/") and kind == "file" else len(what.get("target", ""))
        pack = pack_statx if extended else pack_stat
        self.s.memory.write(call.tid, to, pack(mode, size, zlib.crc32(path.encode("utf-8", "surrogateescape"))))
        return 0

    def access(self, call: Call, dirfd: int, address: int, wanted: int) -> int:
        from rxpath.tools.supervisor import Fault

        path = self._path(call, dirfd, address)
        what = self._look(path, True, WRITE if wanted & os.W_OK else READ)
        # root may read and write what no mode allows; execute only what somebody may
        if wanted & os.X_OK and what["kind"] == "file":
            raise Fault(EACCES)
        return 0

    def readlink(self, call: Call, dirfd: int, address: int, to: int, room: int) -> int:
        from rxpath.tools.supervisor import Fault

        path = self._path(call, dirfd, address)
        what = self._look(path, False)
        if what["kind"] != "link":
            raise Fault(EINVAL)
        target = os.fsencode(str(what["target"]))[:room]
        self.s.memory.write(call.tid, to, target)
        return len(target)
