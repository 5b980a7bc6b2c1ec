"""The control socket of a running machine: `rxpath list`, `rxpath stop NAME`, `rxpath -n NAME COMMAND`.

A Unix socket NAME.sock, mode 0600, in a directory that only its owner may enter: $XDG_RUNTIME_DIR/rxpath, else
/tmp/rxpath-UID.  Requests and answers by turns, each a line of JSON: {"op": "info"}, {"op": "stop"},
{"op": "run", "line": TEXT}, and the operations of access.py; the answer has "error" when the request was refused.

Not here: what the commands do (rxpath.tools), words for a person (cli/live.py).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from rxpath.live.operations import OPERATIONS

MAX_REQUEST: Final = 4 << 20
MAX_ANSWER: Final = 64 << 20
MAX_CLIENTS: Final = 64
CLIENT_LIMIT_S: Final = 10.0
INFO_LIMIT_S: Final = 2.0
PLACE_LIMIT_S: Final = 1.0
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./*?\[\]-]+")


class ControlError(OSError):
    """A machine that cannot be reached or named: one line."""

    def __init__(self, line: str) -> None:
        super().__init__(0, line)


def check_name(name: str) -> str:
    """The name, or ControlError: letters, digits, `_`, `-`, `.`, 32 at most, no `.` or `-` first."""
    if not _NAME.fullmatch(name):
        raise ControlError(f"not a name for a machine: {name!r} (letters, digits, _ - . , at most 32)")
    return name


def directory(*, make: bool = False) -> Path:
    """Where the sockets are.  ControlError when it belongs to somebody else or lets others in."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    uid = os.getuid()
    if runtime:
        path = Path(runtime) / "rxpath"
    else:
        import tempfile  # brings compression and random numbers along

        path = Path(tempfile.gettempdir()) / f"rxpath-{uid}"
    if make:
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            pass
    try:
        st = path.lstat()
    except FileNotFoundError:
        return path
    if not stat.S_ISDIR(st.st_mode) or st.st_uid != uid or st.st_mode & 0o077:
        raise ControlError(f"{path}: must be a directory of your own that nobody else may enter (mode 0700)")
    return path


def _read_line(conn: socket.socket, limit: int) -> bytes:
    parts: list[bytes] = []
    n = 0
    while True:
        got = conn.recv(65536)
        parts.append(got)
        n += len(got)
        if not got or got.endswith(b"\n"):
            return b"".join(parts)
        if n > limit:
            raise ControlError("too long a line on a control socket")


class Client:
    """A connection to the machine `name`, for as many requests as one likes; one thread at a time.

    ControlError when it does not run, has ended or refuses.  `path`: the socket itself, for a process that may not
    find it by name.
    """

    def __init__(self, name: str, timeout: float | None = None, path: Path | None = None) -> None:
        self.name = check_name(name)
        self.path = path if path is not None else directory() / f"{name}.sock"
        self.conn = socket.socket(socket.AF_UNIX)
        self.conn.settimeout(timeout)
        end = time.monotonic() + (CLIENT_LIMIT_S if timeout is None else timeout)
        while True:
            try:
                self.conn.connect(str(self.path))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                self.conn.close()
                raise ControlError(f"no machine '{name}' runs here (rxpath list)") from None
            except BlockingIOError:  # many ask at once
                if time.monotonic() > end:
                    self.conn.close()
                    raise ControlError(f"the machine '{name}' does not answer") from None
                time.sleep(0.01)

    def ask(self, what: dict[str, Any]) -> dict[str, Any]:
        """One request and its answer."""
        name = self.name
        try:
            self.conn.sendall(json.dumps(what).encode() + b"\n")
            raw = _read_line(self.conn, MAX_ANSWER)
        except TimeoutError:
            raise ControlError(f"the machine '{name}' does not answer") from None
        except (BrokenPipeError, ConnectionResetError):
            raw = b""
        try:
            answer = json.loads(raw)
        except ValueError:
            raise ControlError(f"the machine '{name}' ended before it answered") from None
        if not isinstance(answer, dict):
            raise ControlError(f"the machine '{name}' answered nonsense")
        if "error" in answer:
            raise ControlError(f"{name}: {answer['error']}")
        return answer

    def close(self) -> None:
        self.conn.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def request(name: str, what: dict[str, Any], timeout: float | None = None) -> dict[str, Any]:
    """Ask the machine `name` once.  ControlError when it does not run or refuses."""
    with Client(name, timeout) as client:
        return client.ask(what)


def machines() -> list[dict[str, Any]]:
    """The running machines of this user, by name; sockets that nobody listens on any more are removed."""
    out: list[dict[str, Any]] = []
    where = directory()
    if not where.is_dir():
        return out
    for path in sorted(where.glob("*.sock")):
        name = path.name[:-5]
        if not _NAME.fullmatch(name):
            continue
        try:
            out.append(request(name, {"op": "info"}, INFO_LIMIT_S))
        except ControlError as e:
            if _dead(path):
                path.unlink(missing_ok=True)
            else:
                out.append({"name": name, "error": e.strerror})
    return out


def _dead(path: Path) -> bool:
    """Whether nobody listens on the socket."""
    with socket.socket(socket.AF_UNIX) as conn:
        conn.settimeout(INFO_LIMIT_S)
        try:
            conn.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False


def stop(name: str, timeout: float = 15.0) -> dict[str, Any]:
    """End the machine `name`; returns when its process has let go of the control socket."""
    return request(name, {"op": "stop"}, timeout)


def one_line(words: str | Sequence[str]) -> str:
    """Arguments as a line of the machine's shell; `*` stays a wildcard, a single argument is a line already."""
    if isinstance(words, str):
        return words
    if len(words) == 1:
        return words[0]
    return " ".join(w if _PLAIN.fullmatch(w) else shlex.quote(w) for w in words)


def client(name: str, line: str | Sequence[str]) -> int:
    """Run a command on the machine `name`, print what it prints, and return its exit status."""
    done = request(name, {"op": "run", "line": one_line(line)})
    sys.stderr.write(str(done.get("stderr", "")))
    sys.stderr.flush()
    sys.stdout.write(str(done.get("stdout", "")))
    sys.stdout.flush()
    return int(done.get("status", 0))


class Server:
    """Answers on NAME.sock from threads of its own.  ControlError when a machine of that name runs."""

    def __init__(
        self,
        name: str,
        describe: Callable[[], dict[str, Any]],
        run: Callable[[str], Any],
        stop: Callable[[], None],
        perform: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self.name = check_name(name)
        self.describe = describe
        self.run = run
        self.stop = stop
        self.perform = perform
        self.ended = threading.Event()
        self.places = threading.BoundedSemaphore(MAX_CLIENTS)
        self.lock = threading.Lock()
        self.open: list[socket.socket] = []
        self.thread: threading.Thread | None = None
        where = directory(make=True)
        self.path = where / f"{name}.sock"
        # Bound under another name first, then linked: the link is what says atomically who has the name.
        temporary = where / f".{os.getpid()}.{threading.get_ident()}"
        temporary.unlink(missing_ok=True)
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.bind(str(temporary))
            temporary.chmod(0o600)
            self.sock.listen(MAX_CLIENTS)
            try:
                os.link(temporary, self.path)
            except FileExistsError:
                if not _dead(self.path):
                    raise ControlError(f"a machine '{name}' runs already (rxpath stop {name})") from None
                self.path.unlink(missing_ok=True)
                os.link(temporary, self.path)
        except BaseException:
            self.sock.close()
            raise
        finally:
            temporary.unlink(missing_ok=True)
        self.inode = self.path.lstat().st_ino

    def start(self) -> None:
        self.thread = threading.Thread(target=self._accept, name="rxpath-control", daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        self.sock.settimeout(0.5)
        while not self.ended.is_set():
            try:
                conn, _ = self.sock.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if not _ours(conn) or not self.places.acquire(timeout=PLACE_LIMIT_S):
                conn.close()
                continue
            threading.Thread(target=self._serve, args=(conn,), name="rxpath-client", daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        with self.lock:
            self.open.append(conn)
        try:
            with conn:
                conn.settimeout(CLIENT_LIMIT_S)
                while not self.ended.is_set():
                    raw = _read_line(conn, MAX_REQUEST)
                    if not raw.endswith(b"\n"):
                        return
                    conn.settimeout(None)  # a request holds a place; who made one may wait before the next
                    conn.sendall(json.dumps(self._answer(raw)).encode() + b"\n")
        except OSError:  # the client went away
            pass
        finally:
            with self.lock:
                self.open.remove(conn)
            self.places.release()

    def _answer(self, raw: bytes) -> dict[str, Any]:
        try:
            what = json.loads(raw)
        except (ValueError, RecursionError):
            return {"error": "not a line of JSON"}
        op = what.get("op") if isinstance(what, dict) else None
        try:
            if op == "info":
                return {**self.describe(), "pid": os.getpid()}
            if op == "stop":
                self.stop()
                self.ended.wait(CLIENT_LIMIT_S)
                return {"stopped": self.name, "pid": os.getpid()}
            if op == "run":
                done = self.run(str(what.get("line", "")))
                return {"status": done.status, "stdout": done.stdout, "stderr": done.stderr}
            if self.perform is not None and op in OPERATIONS:
                return self.perform(what)
        except Exception as e:
            return {"error": " ".join(str(e).split()) or type(e).__name__}
        return {"error": f"no such request: {op!r}"}

    def close(self) -> None:
        """Let go of the name; who waits for an answer gets it first (for a second)."""
        if self.ended.is_set():
            return
        try:
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()
        except FileNotFoundError:
            pass
        self.ended.set()
        self.sock.close()
        with self.lock:
            waiting = list(self.open)
        for conn in waiting:  # ends those that wait for a next request; an answer on its way still goes out
            try:
                conn.shutdown(socket.SHUT_RD)
            except OSError:
                pass
        for _ in range(MAX_CLIENTS):
            if not self.places.acquire(timeout=1.0):
                break


def _ours(conn: socket.socket) -> bool:
    """Whether the peer is this user or root (where the system can tell; the modes say so everywhere)."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, uid, _ = struct.unpack("3i", conn.getsockopt(socket.SOL_SOCKET, option, 12))
    return uid in (os.getuid(), 0)
