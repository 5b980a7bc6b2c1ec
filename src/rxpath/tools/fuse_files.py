"""A running machine's /proc and /sys as a file system: the operations that FUSE asks for, and the loop that answers.

What lives here: what a file system of Linux's kind says to each call (errors, modes, sizes), and laying the machine's
files over the host's.  Contents and rights are the machine's (live/access.py).  Not here: where it is mounted and
which program sees it (namespace.py, cli/mount.py).
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rxpath.kernel.errno import EACCES, EIO, EISDIR, ENOENT, ENOTDIR, EPERM, EROFS, linux_error
from rxpath.live.control import Client, ControlError

READ: Final = 1
WRITE: Final = 2
HOW: Final = {os.O_RDONLY: READ, os.O_WRONLY: WRITE, os.O_RDWR: READ | WRITE}
KINDS: Final = {"dir": stat.S_IFDIR, "file": stat.S_IFREG, "link": stat.S_IFLNK}
PAGE: Final = 4096

# Directories in which the host's entries show beside the machine's.  Every other directory that the machine has is
# its own whole: /proc/irq, /proc/sys/net, /sys/class/net, /sys/devices/system/cpu, a driver's directories.
SHARED: Final = frozenset(
    {
        "/proc",
        "/proc/sys",
        "/proc/sys/kernel",
        "/sys",
        "/sys/bus",
        "/sys/class",
        "/sys/devices",
        "/sys/devices/system",
        "/sys/module",
    }
)
# of the host's entries in them, what would be another machine's network, interrupts or CPUs
HIDDEN: Final = frozenset({"/proc/net", "/proc/irq", "/sys/class/net", "/sys/bus/pci", "/sys/devices/system/node"})

# of what shows through, what is not a link to the host's own but its text: sysctl(8) wants no links there
COPIED: Final = "/proc/sys/"


class MountError(OSError):
    """FUSE cannot be had: one line."""

    def __init__(self, line: str) -> None:
        super().__init__(0, line)


class Handle:
    """An open file: what it read like when it was opened, until it is read from the beginning once more."""

    __slots__ = ("errno", "fresh", "path", "real", "text")

    def __init__(self, path: str) -> None:
        self.path = path
        self.real = ""  # where the host has it, when it is the host's
        self.text = b""
        self.errno = 0
        self.fresh = False


class MachineFiles:
    """FUSE's operations on the machine behind `client`, for mfusepy; /proc and /sys at its root.

    `host`: {"/proc": PATH, "/sys": PATH} where the host's own trees are to be found; their entries then show, as
    links, where the machine has none (SHARED, HIDDEN).  Each method raises OSError with the errno of the call.
    """

    use_ns = True

    def __init__(
        self,
        client: Client,
        host: dict[str, str] | None = None,
        ready: Callable[[], None] | None = None,
    ) -> None:
        self.client = client
        self.host = host or {}
        self.ready = ready
        self.mounted = False
        self.handles: dict[int, Handle] = {}
        self.next_handle = 1

    def ask(self, op: str, **what: Any) -> dict[str, Any]:
        try:
            answer = self.client.ask({"op": op, **what})
        except (ControlError, OSError):  # the machine has ended
            raise linux_error(EIO, op) from None
        if "errno" in answer:
            raise linux_error(int(answer["errno"]), str(what.get("path", op)))
        return answer

    def init(self, path: str) -> None:
        self.mounted = True
        if self.ready is not None:
            self.ready()

    # --- the tree -----------------------------------------------------------------------------------------------
    def _real(self, path: str) -> str:
        """Where the host has what this path names; "" outside of /proc and /sys."""
        tree = "/" + path[1:].partition("/")[0]
        return self.host[tree] + path[len(tree) :] if tree in self.host else ""

    def _beneath(self, path: str) -> str:
        """The host's own path of an entry that shows through; "" when none does.  The machine has none there."""
        real = self._real(path)
        if not real or path in HIDDEN or not os.path.lexists(real):
            return ""
        while (parent := path.rpartition("/")[0]) not in SHARED:
            if not path.startswith(COPIED) or self._has(parent):
                return ""
            path = parent
        return real

    def shines_through(self, path: str) -> bool:
        """Whether a path that the machine has not is the host's: it, or what it is in, stands beside the machine's."""
        entry = path
        while (parent := entry.rpartition("/")[0]) not in SHARED:
            if not parent:
                return False
            entry = parent
        return entry not in HIDDEN and (entry == path or not self._has(entry))

    def _has(self, path: str) -> bool:
        try:
            self.ask("lstat", path=path)
        except OSError as e:
            if e.errno not in (ENOENT, ENOTDIR):
                raise
            return False
        return True

    def _look(self, path: str) -> dict[str, Any]:
        try:
            return self.ask("lstat", path=path)
        except OSError as e:
            real = self._beneath(path) if e.errno in (ENOENT, ENOTDIR) else ""
            if not real:
                raise
        if not path.startswith(COPIED):
            return {"kind": "link", "mode": 0o777, "target": real}
        mode = os.lstat(real).st_mode
        return {"kind": "dir" if stat.S_ISDIR(mode) else "file", "mode": stat.S_IMODE(mode) & 0o555}

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """Times are zero: nobody keeps them.  A file of /proc has size 0, one of /sys a page, as in Linux."""
        what = self._look(path)
        kind = str(what["kind"])
        in_sys = path.startswith("/sys/") and kind == "file"
        return {
            "st_mode": KINDS[kind] | int(what["mode"]),
            "st_nlink": 2 if kind == "dir" else 1,
            "st_size": PAGE if in_sys else len(what.get("target", "")),
            "st_uid": 0,
            "st_gid": 0,
            "st_blksize": PAGE,
        }

    def readlink(self, path: str) -> str:
        return str(self._look(path).get("target", ""))

    def readdir(self, path: str, fh: int) -> list[tuple[str, int, int]]:
        real = ""
        if path == "/":
            found = {"proc": "dir", "sys": "dir"}
        else:
            try:
                found = {str(n): str(k) for n, k in self.ask("names", path=path)["names"]}
                real = self._real(path) if path in SHARED else ""
            except OSError as e:
                real = self._beneath(path) if e.errno == ENOENT else ""
                if not real:
                    raise
                found = {}
        for name in os.listdir(real) if real else ():
            if f"{path}/{name}" not in HIDDEN:
                inside = path in SHARED and not path.startswith(COPIED.rstrip("/"))
                found.setdefault(name, "link" if inside else "dir" if os.path.isdir(f"{real}/{name}") else "file")
        dots = [(name, stat.S_IFDIR, 0) for name in (".", "..")]
        return dots + [(name, KINDS[kind], 0) for name, kind in found.items()]

    # --- one file -----------------------------------------------------------------------------------------------
    def open(self, path: str, flags: int) -> int:
        how = HOW[flags & os.O_ACCMODE]
        h = Handle(path)
        try:
            self._take(h, self.ask("open", path=path, how=how))
        except OSError as e:
            h.real = self._beneath(path) if e.errno in (ENOENT, ENOTDIR) else ""
            if not h.real:
                raise
            if how & WRITE:
                raise linux_error(EROFS, path) from None
            self._take(h, self._host(h.real))
        self.handles[self.next_handle] = h
        self.next_handle += 1
        return self.next_handle - 1

    @staticmethod
    def _host(real: str) -> dict[str, Any]:
        try:
            with open(real, "rb") as f:
                return {"text": f.read().decode("utf-8", "surrogateescape")}
        except OSError as e:
            return {"read_errno": e.errno or EIO}

    @staticmethod
    def _take(h: Handle, answer: dict[str, Any]) -> None:
        h.text = str(answer.get("text", "")).encode("utf-8", "surrogateescape")
        h.errno = int(answer.get("read_errno", 0))
        h.fresh = True

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        h = self.handles[fh]
        if offset == 0 and not h.fresh:
            self._take(h, self._host(h.real) if h.real else self.ask("read", path=path))
        h.fresh = False
        if h.errno:
            raise linux_error(h.errno, path)
        return h.text[offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self.ask("write", path=path, text=data.decode("utf-8", "surrogateescape"))
        self.handles[fh].fresh = False
        return len(data)

    def release(self, path: str, fh: int) -> int:
        self.handles.pop(fh, None)
        return 0

    # --- what nobody may do ---------------------------------------------------------------------------------------
    def create(self, path: str, mode: int, flags: int) -> int:
        """open(O_CREAT) of a name that is not there: /sys has the place, /proc has not even that."""
        raise linux_error(EACCES if path.startswith("/sys/") else ENOENT, path)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """Files of the kernel have no length to cut: O_TRUNC does nothing."""
        if self._look(path)["kind"] == "dir":
            raise linux_error(EISDIR, path)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        raise linux_error(EPERM if path.startswith("/sys/") else ENOENT, path)

    def unlink(self, path: str) -> int:
        raise linux_error(EPERM, path)

    def rmdir(self, path: str) -> int:
        raise linux_error(EPERM, path)

    def rename(self, old: str, new: str) -> int:
        raise linux_error(EPERM if new.startswith("/sys/") else ENOENT, new)

    def symlink(self, target: str, source: str) -> int:
        raise linux_error(EPERM if target.startswith("/sys/") else ENOENT, target)

    def link(self, target: str, source: str) -> int:
        raise linux_error(EPERM, target)

    def chmod(self, path: str, mode: int) -> int:
        raise linux_error(EPERM, path)

    def chown(self, path: str, uid: int, gid: int) -> int:
        raise linux_error(EPERM, path)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        raise linux_error(EPERM, path)

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": PAGE, "f_namemax": 255}


def load_fuse() -> Any:
    """The module mfusepy.  MountError in one line: what is missing."""
    if not Path("/dev/fuse").exists():
        raise MountError("no FUSE here: /dev/fuse is missing")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise MountError("no FUSE here: /dev/fuse may not be opened by this user")
    if "FUSE_LIBRARY_PATH" not in os.environ:  # the search for it by name runs a compiler
        try:
            ctypes.CDLL("libfuse3.so.3")
            os.environ["FUSE_LIBRARY_PATH"] = "libfuse3.so.3"
        except OSError:
            pass
    try:
        import mfusepy
    except ImportError:
        raise MountError("mfusepy is missing: pip install 'rxpath[fuse]'") from None
    except OSError:
        raise MountError("libfuse is missing (Debian: apt install fuse3)") from None
    return mfusepy


def has_fuse() -> bool:
    try:
        load_fuse()
    except MountError:
        return False
    return True


def serve(files: MachineFiles, where: str, *, everybody: bool = False) -> None:
    """Mount at the directory `where` and answer until it is unmounted or a signal comes; then it is unmounted.

    `everybody`: other users may look too (root only).  MountError when FUSE refuses, which says why itself.
    """
    fuse = load_fuse()
    options: dict[str, Any] = {"allow_other": True} if everybody else {}
    try:
        fuse.FUSE(
            files,
            where,
            foreground=True,
            nothreads=True,
            direct_io=True,
            fsname="rxpath",
            attr_timeout=0,
            entry_timeout=0,
            negative_timeout=0,
            **options,
        )
    except RuntimeError as e:
        if files.mounted:  # libfuse 3.14 and later: a signal ended it
            return
        raise MountError(f"{where}: FUSE does not mount it (status {e})") from None


def end_with(name: str) -> None:
    """From now on this process gets SIGTERM when the machine `name` ends."""
    client = Client(name)
    main = threading.main_thread().ident
    assert main is not None

    def watch() -> None:
        try:
            client.conn.recv(1)
        except OSError:
            pass
        signal.pthread_kill(main, signal.SIGTERM)

    client.ask({"op": "info"})
    threading.Thread(target=watch, name="rxpath-watch", daemon=True).start()
