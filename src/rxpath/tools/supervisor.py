"""A program's sockets, as far as they ask about interfaces, answered by a machine: seccomp user notification.

What lives here: the filter that a program gets before it starts, and the loop that answers the system calls which it
holds up: ioctl(SIOC*), sockets of AF_NETLINK (rtnetlink is the machine's, generic netlink and sock_diag are refused,
so that programs fall back to ioctl and /proc), AF_PACKET (refused) and uname.  It needs no root, works for static
programs too, and wants Linux 5.9 on x86-64 or AArch64.  Not here: files (fuse_files.py), starting (namespace.py).
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
import socket
import struct
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from rxpath.kernel.errno import EAFNOSUPPORT, EAGAIN, EFAULT, EIO, ENOPROTOOPT, EOPNOTSUPP, EPROTONOSUPPORT
from rxpath.live.control import Client, ControlError
from rxpath.tools import file_calls

SECCOMP_SET_MODE_FILTER: Final = 1
FLAG_NEW_LISTENER: Final = 1 << 3
FLAG_WAIT_KILLABLE_RECV: Final = 1 << 5
RET_ALLOW: Final = 0x7FFF0000
RET_USER_NOTIF: Final = 0x7FC00000
NOTIF_RECV: Final = 0xC0502100
NOTIF_SEND: Final = 0xC0182101
NOTIF_ADDFD: Final = 0x40182103
NOTIF_FLAG_CONTINUE: Final = 1
ADDFD_FLAG_SETFD: Final = 1
NOTIF: Final = struct.Struct("<QIIiIQ6Q")  # id, pid, flags, nr, arch, ip, args
RESP: Final = struct.Struct("<QqiI")  # id, val, error, flags
ADDFD: Final = struct.Struct("<QIIII")  # id, flags, srcfd, newfd, newfd_flags
PR_SET_NO_NEW_PRIVS: Final = 38
O_CLOEXEC: Final = os.O_CLOEXEC
O_NONBLOCK: Final = os.O_NONBLOCK

# Sockets that we answer get numbers from here on, so that the filter can tell them by their number.
FIRST_FD: Final = 800
LAST_FD: Final = 1023

# name -> number, by `uname -m`; the architecture's AUDIT_ARCH number
SYSCALLS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "arch": 0xC000003E,
        "seccomp": 317,
        "ioctl": 16,
        "socket": 41,
        "connect": 42,
        "sendto": 44,
        "recvfrom": 45,
        "sendmsg": 46,
        "recvmsg": 47,
        "bind": 49,
        "getsockname": 51,
        "setsockopt": 54,
        "getsockopt": 55,
        "uname": 63,
        "pidfd_getfd": 438,
    },
    "aarch64": {
        "arch": 0xC00000B7,
        "seccomp": 277,
        "ioctl": 29,
        "socket": 198,
        "connect": 203,
        "sendto": 206,
        "recvfrom": 207,
        "sendmsg": 211,
        "recvmsg": 212,
        "bind": 200,
        "getsockname": 204,
        "setsockopt": 208,
        "getsockopt": 209,
        "uname": 160,
        "pidfd_getfd": 438,
    },
}
ON_OURS: Final = (
    "connect",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "bind",
    "getsockname",
    "setsockopt",
    "getsockopt",
)

AF_NETLINK: Final = 16
AF_PACKET: Final = 17
NETLINK_ROUTE: Final = 0
# sock_diag, netfilter, generic: their answers would be the host's
REFUSED_NETLINK: Final = frozenset({4, 12, 16})
SOL_NETLINK: Final = 270
MSG_PEEK: Final = 2
MSG_TRUNC: Final = 0x20
MSG_DONTWAIT: Final = 0x40

SIOCGIFCONF: Final = 0x8912
SIOCETHTOOL: Final = 0x8946
# socket ioctls that are not about interfaces: owner, mark, time stamps, queue lengths
NOT_OURS: Final = frozenset({*range(0x8901, 0x8908), 0x894B, 0x894C})
IFREQ_SIZE: Final = 40
MAX_BUFFER: Final = 1 << 20
EMFILE: Final = 24

# SIOCETHTOOL commands whose buffer's length stands in it: command -> (head, where the counts are, bytes an item)
ETHTOOL_LENGTHS: Final[dict[int, tuple[int, tuple[tuple[int, int], ...]]]] = {
    0x04: (12, ((8, 1),)),  # GREGS
    0x0B: (16, ((12, 1),)),  # GEEPROM
    0x0C: (16, ((12, 1),)),  # SEEPROM
    0x1A: (16, ((12, 8),)),  # TEST
    0x1B: (12, ((8, 32),)),  # GSTRINGS
    0x1D: (8, ((4, 8),)),  # GSTATS
    0x20: (8, ((4, 1),)),  # GPERMADDR
    0x30: (192, ((184, 4),)),  # GRXCLSRLALL
    0x38: (8, ((4, 4),)),  # GRXFHINDIR
    0x39: (8, ((4, 4),)),  # SRXFHINDIR
    0x3A: (8, ((4, 16),)),  # GFEATURES
    0x46: (24, ((8, 4), (12, 1))),  # GRSSH
    0x47: (24, ((8, 4), (12, 1))),  # SRSSH
}


def syscall_numbers() -> dict[str, int] | None:
    """Numbers of this machine's system calls; None where we do not know them."""
    return SYSCALLS.get(platform.machine()) if platform.system() == "Linux" else None


# --- the filter ---------------------------------------------------------------------------------------------------

LD: Final = 0x20
JEQ: Final = 0x15
JGE: Final = 0x35
AND: Final = 0x54
RET: Final = 0x06
AT_NR: Final = 0
AT_ARCH: Final = 4


def _arg(n: int) -> int:
    return 16 + 8 * n


def program(numbers: dict[str, int], files: dict[str, int] | None = None) -> bytes:
    """The filter's instructions, struct sock_filter each: what it does not hold up is allowed.

    `files`: the numbers of the calls that file_calls.py answers, when it does.
    """
    code: list[tuple[int, int, str]] = []  # operation, k, where to when true ("" = on)
    labels: dict[str, int] = {}

    def add(op: int, k: int, to: str = "") -> None:
        code.append((op, k, to))

    def label(name: str) -> None:
        labels[name] = len(code)

    add(LD, AT_ARCH)
    add(JEQ, numbers["arch"], "known")
    add(RET, RET_ALLOW)
    label("known")
    add(LD, AT_NR)
    add(JEQ, numbers["socket"], "socket")
    add(JEQ, numbers["ioctl"], "ioctl")
    add(JEQ, numbers["uname"], "notify")
    for name in ON_OURS:
        add(JEQ, numbers[name], "fd")
    for name, number in (files or {}).items():
        add(JEQ, number, {"write": "write", "read": "fd", "pread64": "fd"}.get(name, "notify"))
    add(RET, RET_ALLOW)
    label("socket")
    add(LD, _arg(0))
    add(JEQ, AF_NETLINK, "notify")
    add(JEQ, AF_PACKET, "notify")
    add(RET, RET_ALLOW)
    label("ioctl")
    add(LD, _arg(1))
    add(AND, 0xFFFFFF00)
    add(JEQ, 0x8900, "notify")
    add(JEQ, 0x8B00, "notify")
    add(RET, RET_ALLOW)
    label("write")  # a shell puts the file it opened in the place of a standard stream
    add(LD, _arg(0))
    add(JGE, 3, "fd")
    add(RET, RET_USER_NOTIF)
    label("fd")
    add(LD, _arg(0))
    add(JGE, FIRST_FD, "notify")
    add(RET, RET_ALLOW)
    label("notify")
    add(RET, RET_USER_NOTIF)
    out = b""
    for at, (op, k, to) in enumerate(code):
        out += struct.pack("<HBBI", op, labels[to] - at - 1 if to else 0, 0, k)
    return out


class _Fprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install(numbers: dict[str, int], files: dict[str, int] | None = None) -> int:
    """Put the filter on this process, and return the descriptor on which its calls can be answered.  OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = program(numbers, files)
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = _Fprog(len(code) // 8, ctypes.addressof(buffer))

    def attempt(flags: int) -> int:
        return int(
            libc.syscall(
                ctypes.c_long(numbers["seccomp"]),
                ctypes.c_ulong(SECCOMP_SET_MODE_FILTER),
                ctypes.c_ulong(flags),
                ctypes.byref(prog),
            )
        )

    for again in (False, True):
        for flags in (FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV, FLAG_NEW_LISTENER):  # 5.19 has the former
            fd = attempt(flags)
            if fd >= 0:
                return fd
        # without CAP_SYS_ADMIN a filter is for those who give up setuid programs
        if again or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            break
    raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))


# --- the program's memory -----------------------------------------------------------------------------------------


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Fault(Exception):
    """A system call that ends with an errno."""

    def __init__(self, errno: int) -> None:
        super().__init__(os.strerror(errno))
        self.errno = errno


class Memory:
    """The memory of a thread that waits in a system call.  Fault(EFAULT) for what is not there."""

    def __init__(self) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)

    def _move(self, fn: Any, pid: int, address: int, buffer: Any, n: int) -> int:
        local = _Iovec(ctypes.addressof(buffer), n)
        remote = _Iovec(address, n)
        return int(
            fn(
                ctypes.c_int(pid),
                ctypes.byref(local),
                ctypes.c_ulong(1),
                ctypes.byref(remote),
                ctypes.c_ulong(1),
                ctypes.c_ulong(0),
            )
        )

    def read(self, pid: int, address: int, n: int) -> bytes:
        if n == 0:
            return b""
        buffer = ctypes.create_string_buffer(n)
        if not address or self._move(self.libc.process_vm_readv, pid, address, buffer, n) != n:
            raise Fault(EFAULT)
        return buffer.raw

    def read_some(self, pid: int, address: int, n: int) -> bytes:
        """What can be read of `n` bytes: up to the first page that is not there."""
        out = b""
        while len(out) < n:
            step = min(n - len(out), 4096 - (address + len(out)) % 4096)
            try:
                out += self.read(pid, address + len(out), step)
            except Fault:
                break
        if not out:
            raise Fault(EFAULT)
        return out

    def write(self, pid: int, address: int, data: bytes) -> None:
        if not data:
            return
        buffer = ctypes.create_string_buffer(data, len(data))
        if not address or self._move(self.libc.process_vm_writev, pid, address, buffer, len(data)) != len(data):
            raise Fault(EFAULT)


def changed_pieces(before: bytes, after: bytes) -> list[tuple[int, bytes]]:
    """(offset, bytes) of what differs, joined over gaps of less than eight bytes."""
    out: list[tuple[int, bytes]] = []
    at = 0
    n = min(len(before), len(after))
    while at < n:
        if before[at] == after[at]:
            at += 1
            continue
        end = last = at
        while end < n and end - last < 8:
            if before[end] != after[end]:
                last = end
            end += 1
        out.append((at, after[at : last + 1]))
        at = last + 1
    return out


def ethtool_size(head: bytes) -> int:
    """How long the buffer of an SIOCETHTOOL is whose beginning is `head`: as its counts say, at least a page."""
    (cmd,) = struct.unpack_from("<I", head)
    size, counts = ETHTOOL_LENGTHS.get(cmd, (0, ()))
    for at, each in counts:
        if at + 4 <= len(head):
            n = struct.unpack_from("<I", head, at)[0]
            size += each * n if n != 0xFFFFFFFF else 0  # GRSSH: no table is meant
    return max(size, 4096)


# --- answering ----------------------------------------------------------------------------------------------------


class Session:
    """One NETLINK_ROUTE socket: our end, and what does not fit into it yet."""

    __slots__ = ("end", "portid", "rest", "waiting")

    def __init__(self, end: socket.socket, portid: int) -> None:
        self.end = end
        self.portid = portid
        self.rest: deque[bytes] = deque()
        self.waiting: list[Call] = []

    def put(self, datagrams: list[bytes]) -> None:
        self.rest += datagrams
        self.flush()

    def flush(self) -> None:
        while self.rest:
            try:
                self.end.send(self.rest[0])
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return
            self.rest.popleft()


class Call:
    """One system call that waits: struct seccomp_notif."""

    __slots__ = ("args", "id", "nr", "tid")

    def __init__(self, raw: bytes) -> None:
        v = NOTIF.unpack(raw)
        self.id: int = v[0]
        self.tid: int = v[1]
        self.nr: int = v[3]
        self.args: tuple[int, ...] = v[6:]


class Pending(Exception):
    """The call is answered later."""


class Continue(Exception):
    """The kernel shall do the call itself."""


class Supervisor:
    """Answers the system calls that come on `listener` with the machine behind `client`.

    `proc`: where the host's own /proc is.  `place`: a directory for copies, when files are answered too.
    `run` returns when the process `pidfd` has ended.
    """

    def __init__(
        self, listener: int, client: Client, proc: str, numbers: dict[str, int], place: str | None = None
    ) -> None:
        self.listener = listener
        self.client = client
        self.proc = proc
        self.numbers = numbers
        self.memory = Memory()
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.sessions: dict[int, Session] = {}  # by the inode of the program's end
        self.by_fd: dict[int, int] = {}
        self.poll = select.poll()
        self.calls: dict[int, Callable[[Call], int]] = {
            numbers[n]: getattr(self, "_do_" + n) for n in ("ioctl", "socket", "uname", *ON_OURS)
        }
        if place is not None:
            files = file_calls.FileCalls(self, place)
            self.calls.update({number: files.calls[n] for n, number in file_calls.syscall_numbers().items()})
        self.uname: dict[str, Any] | None = None

    def run(self, pidfd: int) -> None:
        self.poll.register(self.listener, select.POLLIN)
        self.poll.register(pidfd, select.POLLIN)
        while True:
            for fd, event in self.poll.poll():
                if fd == pidfd:
                    return
                if fd == self.listener:
                    if event & select.POLLIN:
                        self._next()
                    else:  # nobody has the filter any more
                        self.poll.unregister(fd)
                else:
                    self._ours(fd, event)

    def _ours(self, fd: int, event: int) -> None:
        """write(2) on a socket of ours, or its end."""
        ino = self.by_fd[fd]
        s = self.sessions[ino]
        if event & select.POLLIN:
            data = s.end.recv(1 << 16)
            if data:
                self._rtnetlink(s, data)
                return
        self.poll.unregister(fd)
        del self.by_fd[fd], self.sessions[ino]
        s.end.close()

    def _next(self) -> None:
        raw = ctypes.create_string_buffer(NOTIF.size)
        if self.libc.ioctl(self.listener, ctypes.c_ulong(NOTIF_RECV), raw):
            return  # the caller is gone
        self._serve(Call(raw.raw))

    def _serve(self, call: Call) -> None:
        value, error, flags = 0, 0, 0
        try:
            value = self.calls[call.nr](call)
        except Pending:
            return
        except Continue:
            flags = NOTIF_FLAG_CONTINUE
        except Fault as e:
            error = -e.errno
        except ControlError:  # the machine has ended
            error = -EIO
        except OSError as e:  # or the program has
            error = -(e.errno or EIO)
        except Exception as e:  # a fault of ours must not leave the program waiting for ever
            os.write(2, f"rxpath: exec: call {call.nr} failed: {type(e).__name__}: {e}\n".encode())
            error = -EIO
        resp = ctypes.create_string_buffer(RESP.pack(call.id, value, error, flags), RESP.size)
        self.libc.ioctl(self.listener, ctypes.c_ulong(NOTIF_SEND), resp)  # fails when the caller was killed

    def ask(self, op: str, **what: Any) -> dict[str, Any]:
        answer = self.client.ask({"op": op, **what})
        if "errno" in answer:
            raise Fault(int(answer["errno"]))
        return answer

    # --- which process ----------------------------------------------------------------------------------------------
    def _tgid(self, tid: int) -> int:
        with open(f"{self.proc}/{tid}/status", encoding="utf-8", errors="replace") as f:
            for line in f:
                if line.startswith("Tgid:"):
                    return int(line.split()[1])
        raise Fault(EIO)

    def take_fd(self, call: Call) -> int:
        """The open file that the call's first argument names, as our own descriptor.  Continue when there is none."""
        pidfd = os.pidfd_open(self._tgid(call.tid))
        try:
            fd = self.libc.syscall(
                ctypes.c_long(self.numbers["pidfd_getfd"]),
                ctypes.c_int(pidfd),
                ctypes.c_int(call.args[0] & 0xFFFFFFFF),
                ctypes.c_uint(0),
            )
        finally:
            os.close(pidfd)
        if fd < 0:
            raise Continue
        return int(fd)

    def add_fd(self, call: Call, fd: int, cloexec: bool, first: int = 0) -> int:
        """Give the program our open file `fd`, with `first` under a number from there on.  Fault: it has no room."""
        number = first
        if first:
            tgid = self._tgid(call.tid)
            while os.path.lexists(f"{self.proc}/{tgid}/fd/{number}"):
                number += 1
                if number > LAST_FD:
                    raise Fault(EMFILE)
        flags = ADDFD_FLAG_SETFD if first else 0
        add = ADDFD.pack(call.id, flags, fd, number, O_CLOEXEC if cloexec else 0)
        got = self.libc.ioctl(self.listener, ctypes.c_ulong(NOTIF_ADDFD), ctypes.create_string_buffer(add, ADDFD.size))
        if got < 0:
            raise Fault(ctypes.get_errno())
        return int(got)

    def _dup(self, call: Call) -> socket.socket:
        """The program's socket itself.  Continue when it is none of ours."""
        fd = self.take_fd(call)
        if os.fstat(fd).st_ino not in self.sessions:
            os.close(fd)
            raise Continue
        return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fd)

    def _session(self, call: Call) -> Session:
        with self._dup(call) as s:
            return self.sessions[os.fstat(s.fileno()).st_ino]

    # --- system calls -------------------------------------------------------------------------------------------------
    def _do_uname(self, call: Call) -> int:
        """The machine's release; the rest is the host's."""
        if self.uname is None:
            self.uname = self.ask("uname")
        real = os.uname()
        fields = (real.sysname, real.nodename, self.uname["release"], self.uname["version"], real.machine, "(none)")
        self.memory.write(call.tid, call.args[0], b"".join(str(f).encode()[:64].ljust(65, b"\0") for f in fields))
        return 0

    def _do_socket(self, call: Call) -> int:
        family, kind, protocol = (a & 0xFFFFFFFF for a in call.args[:3])
        if family == AF_PACKET:
            raise Fault(EAFNOSUPPORT)
        if protocol in REFUSED_NETLINK:
            raise Fault(EPROTONOSUPPORT)
        if protocol != NETLINK_ROUTE:
            raise Continue
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            theirs.setblocking(not kind & O_NONBLOCK)
            ino = os.fstat(theirs.fileno()).st_ino
            try:
                fd = self.add_fd(call, theirs.fileno(), bool(kind & O_CLOEXEC), FIRST_FD)
            except Fault:
                ours.close()
                raise
        self.sessions[ino] = Session(ours, self._tgid(call.tid))
        self.by_fd[ours.fileno()] = ino
        self.poll.register(ours.fileno(), select.POLLIN)
        return fd

    def _do_bind(self, call: Call) -> int:
        s = self._session(call)
        name = self.memory.read(call.tid, call.args[1], 12)
        s.portid = struct.unpack_from("<I", name, 4)[0] or s.portid
        return 0

    def _do_connect(self, call: Call) -> int:
        self._session(call)
        return 0

    def _do_getsockname(self, call: Call) -> int:
        s = self._session(call)
        self._put_name(call.tid, call.args[1], call.args[2], s.portid)
        return 0

    def _put_name(self, tid: int, address: int, length_at: int, portid: int) -> None:
        """A struct sockaddr_nl where the program wants one."""
        if not address or not length_at:
            return
        (room,) = struct.unpack("<I", self.memory.read(tid, length_at, 4))
        self.memory.write(tid, address, struct.pack("<HHII", AF_NETLINK, 0, portid, 0)[:room])
        self.memory.write(tid, length_at, struct.pack("<I", 12))

    def _do_setsockopt(self, call: Call) -> int:
        self._session(call)
        if call.args[1] & 0xFFFFFFFF == SOL_NETLINK:
            return 0
        raise Continue

    def _do_getsockopt(self, call: Call) -> int:
        self._session(call)
        if call.args[1] & 0xFFFFFFFF == SOL_NETLINK:
            raise Fault(ENOPROTOOPT)
        raise Continue

    def _rtnetlink(self, s: Session, data: bytes) -> None:
        s.put(
            [b64decode(d) for d in self.ask("rtnetlink", data=b64encode(data).decode(), portid=s.portid)["datagrams"]]
        )
        waiting, s.waiting = s.waiting, []
        for call in waiting:
            self._serve(call)

    def _do_sendto(self, call: Call) -> int:
        s = self._session(call)
        data = self.memory.read(call.tid, call.args[1], min(call.args[2], MAX_BUFFER))
        self._rtnetlink(s, data)
        return len(data)

    def _iov(self, tid: int, head: bytes) -> list[tuple[int, int]]:
        at, n = struct.unpack_from("<QQ", head, 16)
        raw = self.memory.read(tid, at, 16 * min(n, 1024))
        return [struct.unpack_from("<QQ", raw, 16 * i) for i in range(len(raw) // 16)]

    def _do_sendmsg(self, call: Call) -> int:
        s = self._session(call)
        head = self.memory.read(call.tid, call.args[1], 56)
        data = b"".join(self.memory.read(call.tid, at, min(n, MAX_BUFFER)) for at, n in self._iov(call.tid, head))
        self._rtnetlink(s, data)
        return len(data)

    def _receive(self, call: Call, flags: int) -> bytes:
        """The next datagram; it stays with MSG_PEEK.  Pending or EAGAIN when there is none."""
        with self._dup(call) as theirs:
            s = self.sessions[os.fstat(theirs.fileno()).st_ino]
            s.flush()
            # os.get_blocking reads the file's own flag, which Python's socket object does not know
            blocking = os.get_blocking(theirs.fileno()) and not flags & MSG_DONTWAIT
            try:
                return theirs.recv(1 << 20, MSG_DONTWAIT | flags & MSG_PEEK)
            except BlockingIOError:
                if not blocking:
                    raise Fault(EAGAIN) from None
                s.waiting.append(call)
                raise Pending from None

    def _do_recvfrom(self, call: Call) -> int:
        flags = call.args[3] & 0xFFFFFFFF
        data = self._receive(call, flags)
        self.memory.write(call.tid, call.args[1], data[: call.args[2]])
        self._put_name(call.tid, call.args[4], call.args[5], 0)
        return len(data) if flags & MSG_TRUNC else min(len(data), call.args[2])

    def _do_recvmsg(self, call: Call) -> int:
        flags = call.args[2] & 0xFFFFFFFF
        head = self.memory.read(call.tid, call.args[1], 56)
        data = self._receive(call, flags)
        at = 0
        for address, n in self._iov(call.tid, head):
            piece = data[at : at + n]
            self.memory.write(call.tid, address, piece)
            at += len(piece)
        name, room = struct.unpack_from("<QI", head)
        if name:
            self.memory.write(call.tid, name, struct.pack("<HHII", AF_NETLINK, 0, 0, 0)[:room])
            self.memory.write(call.tid, call.args[1] + 8, struct.pack("<I", 12))
        truncated = MSG_TRUNC if at < len(data) else 0
        # msg_controllen, msg_flags
        self.memory.write(call.tid, call.args[1] + 40, struct.pack("<Qi", 0, truncated))
        return len(data) if flags & MSG_TRUNC else at

    def _do_ioctl(self, call: Call) -> int:
        cmd = call.args[1] & 0xFFFFFFFF
        if cmd in NOT_OURS:
            raise Continue
        if not 0x8910 <= cmd <= 0x8970:
            raise Fault(EOPNOTSUPP)
        tid, where = call.tid, call.args[2]
        if cmd == SIOCGIFCONF:
            return self._ifconf(tid, where)
        ifr = self.memory.read(tid, where, IFREQ_SIZE)
        data = b""
        (at,) = struct.unpack_from("<Q", ifr, 16)
        if cmd == SIOCETHTOOL:
            head = self.memory.read_some(tid, at, 256)
            if len(head) < 4:
                raise Fault(EFAULT)
            data = self.memory.read_some(tid, at, min(ethtool_size(head), MAX_BUFFER))
        got = self.ask("ioctl", cmd=cmd, ifr=b64encode(ifr).decode(), data=b64encode(data).decode())
        if got["result"] < 0:
            raise Fault(-int(got["result"]))
        for offset, piece in changed_pieces(data, b64decode(got["data"])):
            self.memory.write(tid, at + offset, piece)
        for offset, piece in changed_pieces(ifr, b64decode(got["ifr"])):
            self.memory.write(tid, where + offset, piece)
        return int(got["result"])

    def _ifconf(self, tid: int, where: int) -> int:
        """struct ifconf: int ifc_len, pointer; without one it asks for the length."""
        length, at = struct.unpack("<i4xQ", self.memory.read(tid, where, 16))
        data = b64decode(self.ask("ifconf")["data"])
        if at:
            data = data[: max(0, length) // IFREQ_SIZE * IFREQ_SIZE]
            self.memory.write(tid, at, data)
        self.memory.write(tid, where, struct.pack("<i", len(data)))
        return 0
