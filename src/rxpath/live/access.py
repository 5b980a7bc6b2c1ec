"""What another process may do with a machine beside running commands: files, interface ioctls, rtnetlink.

What lives here: requests as dictionaries (texts and base64, so that they travel as JSON), the rules of open(2) that
Linux's /proc and /sys have, and answers.  An errno is an answer, not an error.  Not here: sockets and threads
(control.py), FUSE and system calls (rxpath.tools.fuse_files, .supervisor).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Final

from rxpath.kernel.errno import EACCES, EINVAL, EIO, EISDIR, ENOENT, ENOTDIR, ENOTSUP, linux_error
from rxpath.kernel.files import File, FileTree
from rxpath.machine import Machine
from rxpath.net.core.dev_ioctl import IFREQ_SIZE, SIOCETHTOOL, ifr_name
from rxpath.net.core.ethtool_ioctl import dev_ethtool
from rxpath.net.core.rtnetlink import rtnetlink_rcv
from rxpath.net.ipv4.inet_ioctl import inet_gifconf, inet_ioctl
from rxpath.net.ipv4.rtnetlink import HANDLERS

READ: Final = 1
WRITE: Final = 2

Answer = dict[str, Any]


def _parent(path: str) -> str:
    return path.rsplit("/", 1)[0] or "/"


def _relative(link: str, target: str) -> str:
    """A link's target seen from the link's directory, as sysfs gives it."""
    if not target.startswith("/"):
        return target
    here = [p for p in _parent(link).split("/") if p]
    there = [p for p in target.split("/") if p]
    same = 0
    while same < min(len(here), len(there)) and here[same] == there[same]:
        same += 1
    return "/".join([".."] * (len(here) - same) + there[same:]) or "."


def _place(f: FileTree, path: str) -> str:
    """The path with the links on its way followed, but not the last component."""
    path = "/" + path.strip("/")
    if path == "/":
        return path
    head, _, last = path.rpartition("/")
    return (f.resolve(head or "/").rstrip("/") or "") + "/" + last


def lstat(f: FileTree, path: str) -> Answer:
    """{"kind": "dir", "file" or "link", "mode", for a link "target"}.  ENOENT, ENOTDIR."""
    p = _place(f, path)
    if p in f.links:
        return {"kind": "link", "mode": 0o777, "target": _relative(p, f.links[p])}
    if p in f.files:
        return {"kind": "file", "mode": f.files[p].mode}
    if p in f.dirs or p in ("/", "/proc", "/sys"):
        in_proc = p == "/" or (p + "/").startswith("/proc/") or p == "/sys"
        return {"kind": "dir", "mode": 0o555 if in_proc else 0o755}
    if _parent(p) in f.files:
        raise linux_error(ENOTDIR, path)
    raise linux_error(ENOENT, path)


def names(f: FileTree, path: str) -> list[list[str]]:
    """[name, kind] of each entry of a directory, sorted."""
    p = f.resolve(path)
    out = []
    for name in sorted(f.listdir(p)):
        whole = (p.rstrip("/") or "") + "/" + name
        out.append([name, "link" if whole in f.links else "file" if whole in f.files else "dir"])
    return out


def may_open(f: FileTree, path: str, how: int) -> File:
    """The file, or OSError with what open(2) gives root in Linux.

    /sys and /proc/sys refuse what the mode does not allow; /proc/net refuses writing where nothing is written; other
    files of /proc open, and write(2) gives EIO.
    """
    p = f.resolve(path)
    file = f.files.get(p)
    if file is None:
        if f.is_dir(p):
            raise linux_error(EISDIR, path)
        raise linux_error(ENOTDIR if _parent(p) in f.files else ENOENT, path)
    if how & READ and file.read is None:
        raise linux_error(EACCES, path)
    if how & WRITE and file.write is None and p.startswith(("/sys/", "/proc/sys/", "/proc/net/")):
        raise linux_error(EACCES, path)
    return file


def read(f: FileTree, path: str) -> str:
    file = may_open(f, path, READ)
    assert file.read is not None
    return file.read()


def write(f: FileTree, path: str, text: str) -> None:
    file = may_open(f, path, WRITE)
    if file.write is None:
        raise linux_error(EIO, path)
    file.write(text)


def ioctl(machine: Machine, cmd: int, ifr: bytearray, data: bytearray) -> int:
    """One SIOC* on an AF_INET socket of the machine; `data` is the memory at ifr_data (SIOCETHTOOL only)."""
    if len(ifr) != IFREQ_SIZE:
        raise linux_error(EINVAL, "struct ifreq")
    if cmd == SIOCETHTOOL:
        return dev_ethtool(machine.net, ifr_name(ifr).partition(":")[0], data)
    return inet_ioctl(machine.net, cmd, ifr)


# (machine, request) -> answer
Operation = Callable[[Machine, Answer], Answer]


def _lstat(m: Machine, what: Answer) -> Answer:
    return lstat(m.files, str(what["path"]))


def _stat(m: Machine, what: Answer) -> Answer:
    """As lstat, of what a link leads to; "path" is where that is."""
    path = m.files.resolve(str(what["path"]))
    return {**lstat(m.files, path), "path": path}


def _names(m: Machine, what: Answer) -> Answer:
    return {"names": names(m.files, str(what["path"]))}


def _open(m: Machine, what: Answer) -> Answer:
    """May it be opened; when for reading, its contents (or the errno that read(2) will give)."""
    how = int(what["how"])
    may_open(m.files, str(what["path"]), how)
    return _contents(m, what) if how & READ else {}


def _contents(m: Machine, what: Answer) -> Answer:
    try:
        return {"text": read(m.files, str(what["path"]))}
    except OSError as e:
        return {"read_errno": e.errno or EIO}


def _write(m: Machine, what: Answer) -> Answer:
    write(m.files, str(what["path"]), str(what["text"]))
    return {}


def _ioctl(m: Machine, what: Answer) -> Answer:
    ifr = bytearray(b64decode(what["ifr"]))
    data = bytearray(b64decode(what.get("data", "")))
    result = ioctl(m, int(what["cmd"]), ifr, data)
    return {"result": result, "ifr": b64encode(ifr).decode(), "data": b64encode(data).decode()}


def _ifconf(m: Machine, what: Answer) -> Answer:
    return {"data": b64encode(inet_gifconf(m.net)).decode()}


def _rtnetlink(m: Machine, what: Answer) -> Answer:
    got = rtnetlink_rcv(m.net, b64decode(what["data"]), int(what["portid"]) & 0xFFFFFFFF, HANDLERS)
    return {"datagrams": [b64encode(d).decode() for d in got]}


def _uname(m: Machine, what: Answer) -> Answer:
    return {"release": m.kernel.release.uname, "version": "#1 SMP (rxpath)"}


FUNCTIONS: Final[dict[str, Operation]] = {
    "lstat": _lstat,
    "stat": _stat,
    "names": _names,
    "open": _open,
    "read": _contents,
    "write": _write,
    "ioctl": _ioctl,
    "ifconf": _ifconf,
    "rtnetlink": _rtnetlink,
    "uname": _uname,
}


def perform(machine: Machine, what: Answer) -> Answer:
    """One request, in the engine.  {"errno": N} for what Linux refuses; KeyError: no such operation."""
    fn = FUNCTIONS[str(what.get("op"))]
    try:
        return fn(machine, what)
    except OSError as e:
        return {"errno": e.errno or ENOTSUP}
