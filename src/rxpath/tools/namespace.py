"""A program in a private mount namespace where a machine's files lie over /proc and /sys: `run_program`.

What lives here: namespaces, mounts, and the processes involved: this one answers system calls (supervisor.py), one
answers FUSE (fuse_files.py), one becomes the program.  Without root a user namespace makes this user root in it.
Nothing is left behind: all mounts are private, and end with the processes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from rxpath.live.control import Client
from rxpath.tools import file_calls, fuse_files, supervisor

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2
PR_SET_PDEATHSIG: Final = 1
CANNOT_RUN: Final = 126
NOT_FOUND: Final = 127


class NamespaceError(OSError):
    """A namespace or mount cannot be had: one line."""

    def __init__(self, line: str) -> None:
        super().__init__(0, line)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        raise NamespaceError(f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, flags: int) -> None:
    done = _libc().mount(source.encode(), target.encode(), b"none", ctypes.c_ulong(flags), None)
    _check(done, f"mount {target}")


def _unshare() -> None:
    """A mount namespace of our own; without root in a user namespace where this user is root."""
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | (CLONE_NEWUSER if uid else 0)
    _check(_libc().unshare(ctypes.c_int(flags)), "no private namespace")
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    _mount("none", "/", MS_REC | MS_PRIVATE)


def _die_with_parent() -> None:
    _libc().prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def _serve_files(name: str, path: Path, where: str, host: dict[str, str], ready: int) -> NoReturn:
    """The process that answers FUSE; it says so on the descriptor `ready`."""
    status = 1
    try:
        _die_with_parent()
        os.setpgid(0, 0)  # Ctrl-C is for the program
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        files = fuse_files.MachineFiles(Client(name, path=path), host, lambda: _say_ready(ready))
        fuse_files.serve(files, where, everybody=True)
        status = 0
    except Exception as e:
        os.write(ready, " ".join(str(getattr(e, "strerror", None) or e).split()).encode())
    finally:
        os._exit(status)


def _say_ready(fd: int) -> None:
    os.write(fd, b"\0")


def _overlay(name: str, path: Path, place: str) -> int:
    """Mount the machine's files over /proc and /sys; returns the pid of the process that serves them."""
    host = {}
    for tree in ("/proc", "/sys"):
        host[tree] = f"{place}{tree}"
        os.mkdir(host[tree])
        # what of the host shows through can be read and not written: it is not the machine
        _mount(tree, host[tree], MS_BIND | MS_REC)
        _mount("none", host[tree], MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    where = f"{place}/machine"
    os.mkdir(where)
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        _serve_files(name, path, where, host, w)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        said = os.read(f.fileno(), 512)
    if said != b"\0":
        os.waitpid(pid, 0)
        raise NamespaceError(said.decode(errors="replace") or "the machine's files could not be mounted")
    try:
        for tree in ("/proc", "/sys"):
            _mount(where + tree, tree, MS_BIND)
    except OSError:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    return pid


def _become(
    argv: Sequence[str], conn: socket.socket, numbers: dict[str, int], calls: dict[str, int] | None
) -> NoReturn:
    """The process that becomes the program."""
    status = CANNOT_RUN
    try:
        _die_with_parent()
        for n in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(n, signal.SIG_DFL)
        # from here on a call may wait until somebody answers: nothing is imported or opened before
        fd = supervisor.install(numbers, calls)
        conn.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))])
        os.close(fd)
        conn.recv(1)
        conn.close()
        try:
            os.execvp(argv[0], list(argv))
        except FileNotFoundError:
            status = NOT_FOUND
            _complain(f"{argv[0]}: command not found")
        except OSError as e:
            _complain(f"{argv[0]}: {e.strerror}")
    except Exception as e:
        _complain(" ".join(str(e).split()))
    finally:
        os._exit(status)


def _complain(line: str) -> None:
    os.write(2, f"rxpath: exec: {line}\n".encode())


@contextlib.contextmanager
def _signals(pid: int) -> Iterator[None]:
    """While the program runs: Ctrl-C goes to it from the terminal; what is meant to end us ends it."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def ignore(number: int, frame: FrameType | None) -> None:
        pass

    saved = [(n, signal.signal(n, pass_on)) for n in (signal.SIGTERM, signal.SIGHUP)]
    saved += [(n, signal.signal(n, ignore)) for n in (signal.SIGINT, signal.SIGQUIT)]
    try:
        yield
    finally:
        for n, handler in saved:
            signal.signal(n, handler)


def _supervise(
    pid: int, conn: socket.socket, client: Client, proc: str, numbers: dict[str, int], copies: str | None
) -> None:
    _, fds, _, _ = socket.recv_fds(conn, 1, 1)
    if not fds:  # it could not have the filter, and has said so
        return
    conn.send(b"x")
    pidfd = os.pidfd_open(pid)
    try:
        supervisor.Supervisor(fds[0], client, proc, numbers, copies).run(pidfd)
    finally:
        os.close(pidfd)
        os.close(fds[0])


MOUNTED: Final = ("machine", "sys", "proc")
AUTO: Final = "auto"
FUSE: Final = "fuse"
CALLS: Final = "calls"
NONE: Final = "none"
WAYS: Final = (AUTO, FUSE, CALLS, NONE)


def choose_way(files: str) -> str:
    """How the machine's files come to the program: FUSE where it can be had, else call by call."""
    if files not in WAYS:
        raise NamespaceError(f"--files: {', '.join(WAYS)}, not '{files}'")
    if files == FUSE:
        fuse_files.load_fuse()
    if files != AUTO:
        return files
    return FUSE if fuse_files.has_fuse() else CALLS


def run_program(name: str, argv: Sequence[str], *, files: str = AUTO) -> int:
    """Run a program of the host on the machine `name`; returns its exit status (128 + n for signal n).

    `files`: how it gets /proc and /sys (WAYS); NONE leaves it the host's.  Its questions about interfaces are the
    machine's always.  Status 127: no such program, 126: it cannot be started.  NamespaceError,
    fuse_files.MountError: what it takes is not here.
    """
    numbers = supervisor.syscall_numbers()
    if numbers is None:
        raise NamespaceError("system calls are answered on Linux x86-64 and AArch64 only")
    way = choose_way(files)
    with Client(name) as client:
        client.ask({"op": "info"})
        place = tempfile.mkdtemp(prefix="rxpath-exec-")
        server = 0
        try:
            proc = "/proc"
            if way == FUSE:
                try:
                    _unshare()
                    server = _overlay(name, client.path, place)
                    proc = f"{place}/proc"
                except OSError:
                    if files != AUTO:
                        raise
                    _clear(place, 0)  # no right to namespaces or mounts: in a container, say
                    os.makedirs(place, mode=0o700, exist_ok=True)
                    way = CALLS
            return _run(argv, client, proc, numbers, os.path.realpath(place) if way == CALLS else None)
        finally:
            _clear(place, server)


def _run(argv: Sequence[str], client: Client, proc: str, numbers: dict[str, int], copies: str | None) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become(argv, theirs, numbers, file_calls.syscall_numbers() if copies is not None else None)
    theirs.close()
    with _signals(pid), ours:
        _supervise(pid, ours, client, proc, numbers, copies)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _clear(place: str, server: int) -> None:
    """Take the mounts away (they are ours alone) and the directory."""
    libc = _libc()
    if server:
        for where in ("/proc", "/sys"):
            libc.umount2(where.encode(), MNT_DETACH)
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGTERM)
        os.waitpid(server, 0)
    for part in MOUNTED:
        libc.umount2(f"{place}/{part}".encode(), MNT_DETACH)
        with contextlib.suppress(OSError):
            os.rmdir(f"{place}/{part}")
    if not any(os.path.ismount(f"{place}/{part}") for part in MOUNTED):  # copies of files, and nothing of the host
        shutil.rmtree(place, ignore_errors=True)
