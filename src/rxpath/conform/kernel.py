"""The recorder: runs one scenario against the kernel of the host, in a network namespace of its own with a TAP device.

Needs root, /dev/net/tun and iproute2's `ip`; drop reasons need tracefs (without it that section is left out).

`run_kernel(scenario)` gives the observed document.  Whoever asks often keeps a `Recorder`: a helper process with its
own mount namespace and tracing instance that forks a child a scenario, so nothing of a scenario outlives it.  What the
steps mean stands in scenario.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rxpath.conform.scenario import Runner, S, ScenarioError

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
TUNSETIFF: Final = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_NAPI = 0x0002, 0x1000, 0x0010
FIONREAD: Final = 0x541B
SO_MEMINFO: Final = 55
CLOCK_MONOTONIC_COARSE: Final = 6  # moves with the timer tick
TRACEFS: Final = "/sys/kernel/tracing"
CHILD_LIMIT_S: Final = 60
MAX_STEPS: Final = 1000
POLL_MASK: Final = 0x2007
MARK: Final = re.compile(r"(?:tracing_mark_write|print): RXM (-?\d+) (-?\d+)|kfree_skb: .*reason: (\S+)")


class RecorderError(RuntimeError):
    """The recorder cannot run here, or a scenario broke it: one clear line."""


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _must(rc: int, what: str) -> None:
    if rc != 0:
        e = ctypes.get_errno()
        raise OSError(e, f"{what}: {os.strerror(e)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as f:
        f.write(text)


def _read(path: str) -> str:
    with open(path) as f:
        return f.read()


class KernelRunner(Runner):
    """One scenario in this process's network namespace.  `marker` is a descriptor of trace_marker, -1 without."""

    def __init__(self, scenario: dict[str, Any], marker: int = -1) -> None:
        super().__init__(scenario)
        self.marker = marker
        self.fd = -1

    def setup(self) -> None:
        env = self.env
        self.fd = os.open("/dev/net/tun", os.O_RDWR | (os.O_NONBLOCK if env["skb_alloc"] == "build_skb" else 0))
        flags = IFF_TAP | IFF_NO_PI | (IFF_NAPI if env["rx_mode"] == "napi" else 0)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", env["dev"].encode(), flags))
        late = self.set_sysctls()
        dev = env["dev"]
        cmds = [f"link set {dev} address {env['mac']} mtu {env['mtu']}"]
        cmds += [f"addr add {a} brd + dev {dev}" for a in env["addrs"]]
        if env["lo_up"]:
            cmds.append("link set lo up")
        on = {True: "on", False: "off"}
        cmds.append(f"link set {dev} up promisc {on[bool(env['promisc'])]} allmulticast {on[bool(env['allmulti'])]}")
        cmds += [f"neigh replace {ip} lladdr {hw} nud permanent dev {dev}" for ip, hw in env["neigh"]]
        cmds += [f"route add {pre} {'via ' + gw if gw else ''} dev {dev}" for pre, gw in env["routes"]]
        done = subprocess.run(
            ["ip", "-batch", "-"], input="\n".join(cmds) + "\n", text=True, capture_output=True, timeout=20
        )
        if done.returncode:
            raise RecorderError("ip: " + " ".join(done.stderr.split()))
        for k, v in late.items():
            self.sysctl(k, v)
        if env["gro_flush_timeout"]:
            _must(_libc().unshare(CLONE_NEWNS), "unshare")
            _must(_libc().mount(b"nodev", b"/sys", b"sysfs", 0, None), "mount sysfs")
            _write(f"/sys/class/net/{dev}/gro_flush_timeout", str(env["gro_flush_timeout"]))

    def sysctl(self, key: str, value: Any) -> None:
        _write("/proc/sys/" + key.replace(".", "/"), str(value))

    def new_socket(self, family: int, type_: int, proto: int) -> socket.socket:
        return socket.socket(family, type_ | socket.SOCK_NONBLOCK, proto)

    def bind_packet(self, s: socket.socket, dev: str, proto: int) -> None:
        if dev:
            s.bind((dev, proto))
            return
        sa = struct.pack("=HHiHBB8s", 17, socket.htons(proto), 0, 0, 0, 0, b"")
        _must(_libc().bind(s.fileno(), sa, len(sa)), "bind")

    def attach_filter(self, s: socket.socket, program: list[list[int]]) -> None:
        code = b"".join(struct.pack("=HBBI", *ins) for ins in program)
        buf = ctypes.create_string_buffer(code)
        s.setsockopt(S, 26, struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buf)))

    def disconnect(self, s: socket.socket) -> None:
        _must(_libc().connect(s.fileno(), struct.pack("=H14x", 0), 16), "connect")

    def recvmsg(self, s: socket.socket, size: int, ancillary: int, flags: int) -> Any:
        buf = bytearray(size)  # MSG_TRUNC may tell of bytes that it does not write
        n, anc, got, name = s.recvmsg_into([buf], ancillary, flags)
        return bytes(buf[:n]), anc, got, name

    def poll(self, s: socket.socket) -> int:
        p = select.poll()
        p.register(s, POLL_MASK)
        ready = p.poll(0)
        return ready[0][1] if ready else 0

    def inq(self, s: socket.socket) -> int:
        return int(struct.unpack("i", fcntl.ioctl(s.fileno(), FIONREAD, b"\0\0\0\0"))[0])

    def ioctl(self, s: socket.socket, request: int) -> bytes:
        return fcntl.ioctl(s.fileno(), request, bytes(16))

    def mem_values(self, s: socket.socket) -> tuple[int, ...]:
        b = s.getsockopt(S, SO_MEMINFO, 64)
        return struct.unpack("=%dI" % (len(b) // 4), b)

    def inode(self, s: socket.socket) -> int:
        return os.fstat(s.fileno()).st_ino

    def if_name(self, index: int) -> str:
        return socket.if_indextoname(index)

    def read_proc(self, path: str) -> str:
        return _read(path)

    def neighbours(self) -> dict[str, list[Any]]:
        text = subprocess.run(
            ["ip", "neigh", "show", "dev", self.env["dev"]], capture_output=True, text=True, timeout=20
        ).stdout
        out: dict[str, list[Any]] = {}
        for line in text.splitlines():
            w = line.split()
            out[w[0]] = [w[w.index("lladdr") + 1] if "lladdr" in w else None, w[-1]]
        return out

    def write_frame(self, frame: bytes) -> None:
        os.write(self.fd, frame)

    def read_frame(self) -> bytes | None:
        if not select.select([self.fd], [], [], 0)[0]:
            return None
        try:
            return os.read(self.fd, 70000)
        except BlockingIOError:
            return None

    def pause(self, ms: float) -> None:
        end = time.monotonic() + ms / 1000
        while (left := end - time.monotonic()) > 0:
            select.select([self.fd], [], [], left)
            self.drain()

    def wait_tick(self) -> None:
        t0 = time.clock_gettime(CLOCK_MONOTONIC_COARSE)
        end = time.monotonic() + 0.05
        while time.clock_gettime(CLOCK_MONOTONIC_COARSE) == t0 and time.monotonic() < end:
            pass

    def set_mark(self, step: int, frame: int) -> None:
        if self.marker >= 0:
            os.write(self.marker, b"RXM %d %d" % (step, frame))

    def drop_list(self) -> list[dict[str, Any]] | None:
        return None  # filled in by the recorder, which reads the trace

    def run(self) -> dict[str, Any]:
        if len(self.sc["steps"]) > MAX_STEPS:
            raise ScenarioError("too many steps")
        return self.program()


class Tracing:
    """An instance of tracefs that sees this process and its children: the reasons of skb:kfree_skb."""

    def __init__(self) -> None:
        self.dir = ""
        self.marker = -1
        self.pipe = -1
        self.rest = ""
        if not os.path.isdir(TRACEFS + "/instances"):
            _must(_libc().mount(b"nodev", TRACEFS.encode(), b"tracefs", 0, None), "mount tracefs")
        d = f"{TRACEFS}/instances/rxpath{os.getpid()}"
        os.mkdir(d)
        self.dir = d
        try:
            _write(d + "/options/event-fork", "1")
            _write(d + "/set_event_pid", str(os.getpid()))
            _write(d + "/buffer_size_kb", "2048")
            _write(d + "/events/skb/kfree_skb/enable", "1")
            self.marker = os.open(d + "/trace_marker", os.O_WRONLY)
            self.pipe = os.open(d + "/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            self.close()
            raise

    def lines(self) -> list[str]:
        """What was traced since the last call."""
        parts = [self.rest]
        while True:
            try:
                b = os.read(self.pipe, 1 << 16)
            except BlockingIOError:
                break
            if not b:
                break
            parts.append(b.decode("ascii", "replace"))
        text = "".join(parts)
        *out, self.rest = text.split("\n")
        return out

    def close(self) -> None:
        for fd in (self.marker, self.pipe):
            if fd >= 0:
                os.close(fd)
        self.marker = self.pipe = -1
        if self.dir:
            with contextlib.suppress(OSError):
                _write(self.dir + "/events/skb/kfree_skb/enable", "0")
            with contextlib.suppress(OSError):
                os.rmdir(self.dir)
            self.dir = ""


def drops_of(lines: list[str]) -> list[dict[str, Any]]:
    """Drop reasons with their step and frame from the lines of a trace."""
    r = Runner({"name": "", "steps": []})
    step = frame = -1
    for line in lines:
        m = MARK.search(line)
        if m is None:
            continue
        if m.group(3) is None:
            step, frame = int(m.group(1)), int(m.group(2))
        else:
            r.is_dropped(step, frame, m.group(3))
    return r.drops


def _child(scenario: dict[str, Any], marker: int, out: int) -> None:
    """In the forked child: run, write the document or {"error"} to `out`."""
    try:
        signal.alarm(CHILD_LIMIT_S)
        _must(_libc().unshare(CLONE_NEWNET), "unshare")
        doc = KernelRunner(scenario, marker).run()
    except Exception as e:
        doc = {"error": f"{type(e).__name__}: {e}"}
    with os.fdopen(out, "w") as f:
        json.dump(doc, f)


def _serve(cpu: int) -> int:
    """The helper process: a scenario a line on standard input, a document a line on standard output."""
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[cpu % len(cpus)]})
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -19)  # steadier timing
    _must(_libc().unshare(CLONE_NEWNS), "unshare (root is needed)")
    _must(_libc().mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    trace: Tracing | None = None
    with contextlib.suppress(OSError):
        trace = Tracing()
    try:
        for line in sys.stdin:
            scenario = json.loads(line)
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(r)
                _child(scenario, trace.marker if trace else -1, w)
                os._exit(0)
            os.close(w)
            with os.fdopen(r) as f:
                text = f.read()
            os.waitpid(pid, 0)
            doc = json.loads(text) if text else {"error": "the recorder's child died"}
            if trace is not None:
                lines = trace.lines()
                if "error" not in doc:
                    doc["drops"] = drops_of(lines)
            sys.stdout.write(json.dumps(doc) + "\n")
            sys.stdout.flush()
    finally:
        if trace is not None:
            trace.close()
    return 0


class Recorder:
    """A helper process that asks the kernel; `run` as often as wanted, then `close` (or use it as a context manager).

    `cpu` is the index of the CPU that it runs on.  RecorderError: no root, no TUN, or a scenario that cannot be set up.
    """

    def __init__(self, cpu: int = 0) -> None:
        if os.geteuid() != 0:
            raise RecorderError("recording needs root")
        if not os.path.exists("/dev/net/tun"):
            raise RecorderError("recording needs /dev/net/tun")
        src = str(Path(__file__).parents[2])
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([src, os.environ.get("PYTHONPATH", "")])}
        self.p = subprocess.Popen(
            [sys.executable, "-m", "rxpath.conform.kernel", "--serve", str(cpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    def run(self, scenario: dict[str, Any]) -> dict[str, Any]:
        """The observed document of one scenario (seconds for one that sleeps)."""
        assert self.p.stdin is not None and self.p.stdout is not None
        try:
            self.p.stdin.write(json.dumps(scenario) + "\n")
            self.p.stdin.flush()
        except BrokenPipeError:
            raise RecorderError("the recorder ended") from None
        line = self.p.stdout.readline()
        if not line:
            raise RecorderError("the recorder ended")
        doc: dict[str, Any] = json.loads(line)
        if "error" in doc:
            raise RecorderError(doc["error"])
        return doc

    def close(self) -> None:
        assert self.p.stdin is not None and self.p.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.p.stdin.close()
        try:
            self.p.wait(CHILD_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.p.stdout.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, t: type[BaseException] | None, v: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def run_kernel(scenario: dict[str, Any]) -> dict[str, Any]:
    """One scenario against this machine's kernel: the observed document.  RecorderError where it cannot run."""
    with Recorder(os.getpid()) as r:
        return r.run(scenario)


if __name__ == "__main__":
    sys.exit(_serve(int(sys.argv[2])))
