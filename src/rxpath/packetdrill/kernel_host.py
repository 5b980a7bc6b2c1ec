"""The host's own kernel as the host of a script: a network namespace of its own, a TUN device, real sockets, real time.

Root and Linux only.  The script runs in a child process, so that the caller's namespace stays what it is.  What the
kernel sends is watched with a packet socket, as packetdrill does, so that large segments are seen whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rxpath.packetdrill.host import Epoll, Host, Pending, Setup
from rxpath.packetdrill.runner import FAIL, SKIP, Options, Result, run_on
from rxpath.packetdrill.script import Script
from rxpath.wire.checksum import ip_compute_csum

CLONE_NEWNET: Final = 0x40000000
TUNSETIFF: Final = 0x400454CA
TUNSETOFFLOAD: Final = 0x400454D0
IFF_TUN: Final = 1
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
OFFLOADS: Final = 0x1 | 0x2 | 0x4 | 0x8  # checksum, TSO for IPv4, IPv6, with ECN
SO_TIMESTAMPNS: Final = 35
ETH_P_IP: Final = 0x0800
PACKET_OUTGOING: Final = 4
LIMIT_S: Final = 60
CALL_S: Final = 29.0  # less than the runner waits for a call


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class KernelEpoll(Epoll):
    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.libc = libc
        self.fd = libc.epoll_create1(0x80000)

    def ctl(self, op: int, sock: Any, events: int, data: int) -> None:
        ev = ctypes.create_string_buffer(struct.pack("<IQ", events & 0xFFFFFFFF, data & (1 << 64) - 1))
        if self.libc.epoll_ctl(self.fd, op, sock.fileno(), ev) < 0:
            e = ctypes.get_errno()
            raise OSError(e, os.strerror(e))

    def wait(self, maxevents: int, timeout_us: int) -> list[tuple[int, int]]:
        buf = ctypes.create_string_buffer(12 * max(maxevents, 1))
        n = self.libc.epoll_wait(self.fd, buf, maxevents, -1 if timeout_us < 0 else timeout_us // 1000)
        if n < 0:
            e = ctypes.get_errno()
            raise OSError(e, os.strerror(e))
        return [struct.unpack_from("<IQ", buf.raw, 12 * i) for i in range(n)]

    def close(self) -> None:
        os.close(self.fd)


class KernelSocket:
    """A socket of the standard library; its time-outs are the kernel's, not Python's."""

    def __init__(self, s: socket.socket) -> None:
        self.s = s
        self.type = s.type & 15
        nonblocking = s.gettimeout() == 0.0
        s.settimeout(None)
        os.set_blocking(s.fileno(), not nonblocking)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.s, name)

    def setblocking(self, flag: bool) -> None:
        os.set_blocking(self.s.fileno(), flag)

    def getblocking(self) -> bool:
        return os.get_blocking(self.s.fileno())

    def accept(self) -> tuple[KernelSocket, Any]:
        new, name = self.s.accept()
        return KernelSocket(new), name

    def close(self) -> None:
        self.s.close()


class Stuck(Exception):
    """A system call that blocks and was not to."""


def stuck(signum: int, frame: object) -> None:
    raise Stuck


class KernelHost(Host):
    name = "kernel"

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.congestion = ""
        self.tun = -1
        self.sniffer: socket.socket

    def bring_up(self) -> None:
        """In the child: namespace, device, addresses.  Raises OSError."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) < 0:
            e = ctypes.get_errno()
            raise OSError(e, os.strerror(e), "network namespace")
        s = self.setup
        for path in ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "/proc/sys/net/ipv6/conf/default/disable_ipv6"):
            with contextlib.suppress(OSError):
                Path(path).write_text("1")
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        mode = IFF_TUN | IFF_NO_PI | (IFF_VNET_HDR if s.mss else 0)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", s.dev.encode(), mode))
        fcntl.ioctl(self.tun, TUNSETOFFLOAD, OFFLOADS)
        _ip("link", "set", "lo", "up")
        _ip("link", "set", s.dev, "mtu", str(s.mtu), "up")
        _ip("addr", "add", f"{s.local_ip}/{s.prefix}", "dev", s.dev)
        with contextlib.suppress(subprocess.CalledProcessError):  # 192.0.2.0/24 may hold the local address
            _ip(
                "route",
                "add",
                str(ipaddress.ip_network(f"{s.remote_ip}/{s.remote_prefix}", strict=False)),
                "dev",
                s.dev,
            )
        with contextlib.suppress(subprocess.CalledProcessError, OSError):
            subprocess.run(["tc", "qdisc", "add", "dev", s.dev, "root", "pfifo"], check=False, capture_output=True)
        self.sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self.sniffer.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sniffer.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)
        self.sniffer.bind((s.dev, 3))  # ETH_P_ALL
        self.sniffer.setblocking(False)

    def now_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1000

    def wall_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_REALTIME)

    def sleep_until(self, t_us: int) -> None:
        while True:
            left = t_us - self.now_us()
            if left <= 0:
                return
            if left > 2000:
                time.sleep((left - 1000) / 1e6)
            # the rest is spun away

    def inject(self, packet: bytes, gso_size: int = 0) -> None:
        if self.setup.mss:
            ihl = (packet[0] & 15) * 4
            if gso_size and packet[9] == 6 and len(packet) > gso_size + ihl + 20:
                hlen = ihl + (packet[ihl + 12] >> 4) * 4
                pseudo = packet[12:20] + b"\0\6" + (len(packet) - ihl).to_bytes(2, "big")
                csum = ~ip_compute_csum(pseudo) & 0xFFFF
                packet = packet[: ihl + 16] + csum.to_bytes(2, "big") + packet[ihl + 18 :]
                packet = struct.pack("<BBHHHH", 1, 1, hlen, gso_size, ihl, 16) + packet
            else:
                packet = bytes(10) + packet
        os.write(self.tun, packet)

    def event_done(self) -> None:
        """Real time passes by itself."""

    def drain(self) -> None:
        """The device's own queue is not looked at."""
        with contextlib.suppress(BlockingIOError):
            while True:
                os.read(self.tun, 70000)

    def packet_before(self, t_us: int) -> tuple[int, bytes] | None:
        self.drain()
        while True:
            try:
                data, anc, _, name = self.sniffer.recvmsg(70000, 256)
            except BlockingIOError:
                left = t_us - self.now_us()
                if left <= 0:
                    return None
                select.select([self.sniffer], [], [], left / 1e6)
                continue
            if name[2] != PACKET_OUTGOING or name[1] != ETH_P_IP:
                continue
            t = self.now_us()
            for level, type_, b in anc:
                if level == socket.SOL_SOCKET and type_ == SO_TIMESTAMPNS:
                    sec, ns = struct.unpack("<qq", b[:16])
                    t = sec * 1_000_000 + ns // 1000
            return t, data

    def finish(self, fn: Callable[[], Any], p: Pending) -> Pending:
        try:
            p.value = fn()
        except OSError as e:
            p.error = e
        p.end_us = self.now_us()
        p.done = True
        return p

    def call(self, fn: Callable[[], Any]) -> Pending:
        """A call that is not meant to block.  One that does is left after CALL_S, and its Pending is never done."""
        p = Pending()
        signal.signal(signal.SIGALRM, stuck)
        signal.setitimer(signal.ITIMER_REAL, CALL_S)
        try:
            return self.finish(fn, p)
        except Stuck:
            return p
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def start(self, fn: Callable[[], Any]) -> Pending:
        p = Pending()
        threading.Thread(target=self.finish, args=(fn, p), daemon=True).start()
        return p

    def join(self, p: Pending, t_us: int) -> bool:
        while not p.done and self.now_us() < t_us:
            time.sleep(0.0002)
        return p.done

    def socket(self, family: int, type_: int, proto: int) -> Any:
        s = socket.socket(family, type_, proto)
        if self.congestion and s.type == socket.SOCK_STREAM:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, self.congestion.encode())
        return KernelSocket(s)

    def disconnect(self, sock: Any) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.connect(sock.fileno(), struct.pack("<H14x", 0), 16) < 0:
            e = ctypes.get_errno()
            raise OSError(e, os.strerror(e))

    def poll(self, socks: list[tuple[Any, int]], timeout_us: int) -> list[int]:
        p = select.poll()
        for s, events in socks:
            if s is not None:
                p.register(s.fileno(), events)
        found = dict(p.poll(None if timeout_us < 0 else timeout_us / 1000))
        return [0x20 if s is None else found.get(s.fileno(), 0) for s, _ in socks]

    def epoll(self) -> Epoll:
        return KernelEpoll()

    def ioctl(self, sock: Any, request: int) -> int:
        out = fcntl.ioctl(sock.fileno(), request, struct.pack("i", 0))
        return int(struct.unpack("i", out)[0])

    def sysctl(self, name: str, value: str | None = None) -> str:
        path = Path(name if name.startswith("/") else "/proc/sys/" + name.replace(".", "/"))
        if not str(path).startswith("/proc/sys/net/"):
            raise OSError(1, f"{name}: only settings of the namespace")
        before = path.read_text().strip()
        if value is not None:
            try:
                path.write_text(value)
            except PermissionError:
                if path.name != "tcp_congestion_control":
                    raise
                known = path.with_name("tcp_available_congestion_control").read_text().split()
                if value.strip() not in known:
                    raise
                self.congestion = value.strip()  # not for this namespace, but its sockets may ask for it
            else:
                if path.name == "tcp_congestion_control":
                    self.congestion = ""
        return before

    def flush_metrics(self) -> None:
        subprocess.run(["ip", "tcp_metrics", "flush", "all"], check=False, capture_output=True)

    def shell(self, line: str) -> str | None:
        if line.split()[0] not in ("ip", "tc"):
            return None
        done = subprocess.run(line.split(), check=False, capture_output=True, text=True)
        return "" if done.returncode == 0 else (done.stderr.strip() or f"exit status {done.returncode}")

    def close(self) -> None:
        self.sniffer.close()
        os.close(self.tun)


def run_on_kernel(script: Script, o: Options, result: Result) -> Result:
    """The script in a child process in a namespace of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        result.outcome, result.message = SKIP, "--on kernel needs root on Linux"
        return result
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            host = KernelHost(o.setup)
            try:
                host.bring_up()
                run_on(host, script, o, result)
            except OSError as e:
                result.outcome, result.message = (
                    SKIP,
                    f"--on kernel: {e.filename or ''} {e.strerror}".replace("  ", " "),
                )
            with os.fdopen(writer, "wb") as f:
                f.write(pickle.dumps(result))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    data = b""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if select.select([reader], [], [], 0.5)[0]:
            got = os.read(reader, 1 << 16)
            if not got:
                break
            data += got
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(reader)
    os.waitpid(pid, 0)
    if not data:
        result.outcome, result.message = FAIL, f"the script's process did not end within {LIMIT_S} s, or died"
        return result
    done: Result = pickle.loads(data)
    return done


__all__ = ["KernelHost", "run_on_kernel"]
