"""The adapter that puts a device model under the real Linux driver, in a User Mode Linux guest.

The transport, the guest's clock and the guest itself live outside this repository (docs/real-drivers.md):
the folder is named by RXPATH_REAL_DRIVERS, the kernel by UML_KERNEL. Here: the translation of the bus, and
small conveniences for scenarios (addresses, datagrams, counters).
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from rxpath.hw.bus import DeviceBus, DmaFault, Tag
from rxpath.hw.nic.base import NicModel
from rxpath.hw.nic.igb import I82576, Igb
from rxpath.hw.nic.offload import fold, ones_sum

HOST_MAC = bytes.fromhex("020000000001")
HOST_IP = bytes((10, 0, 0, 1))
GUEST_IP = bytes((10, 0, 0, 2))
MS = 1_000_000
SECOND = 1_000_000_000


def missing() -> str:
    """Why the real drivers cannot run here, or an empty string."""
    folder = os.environ.get("RXPATH_REAL_DRIVERS")
    kernel = os.environ.get("UML_KERNEL")
    if not folder or not os.path.exists(os.path.join(folder, "vhost_pcidev.py")):
        return "RXPATH_REAL_DRIVERS does not name the folder with vhost_pcidev.py"
    if not kernel or not os.access(kernel, os.X_OK):
        return "UML_KERNEL does not name a User Mode Linux kernel"
    for tool in ("busybox", "setarch", "ip", "ethtool"):
        if not shutil.which(tool):
            return f"no {tool} on this machine"
    return ""


def load(name: str) -> Any:
    """A module of the bench folder."""
    folder = os.environ["RXPATH_REAL_DRIVERS"]
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


class BenchBus(DeviceBus):
    """Our bus on top of the transport's. `dropped` records what the model said it lost."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.virtual = hasattr(backend, "advance")
        self.fault = load("vhost_pcidev").DmaFault
        self.dropped: list[tuple[Tag | None, str, str]] = []
        self.faults = 0
        self.level = [False] * 5
        self.messages = 0

    def dma_read(self, addr: int, n: int) -> bytes:
        try:
            return bytes(self.backend.dma_view(addr, n))
        except self.fault:
            self.faults += 1
            raise DmaFault(addr, n) from None

    def dma_write(self, addr: int, data: bytes | memoryview, tag: Tag | None = None) -> None:
        try:
            self.backend.dma_view(addr, len(data))[:] = data
        except self.fault:
            self.faults += 1
            raise DmaFault(addr, len(data)) from None

    def dma_view(self, addr: int, n: int) -> memoryview:
        try:
            view: memoryview = self.backend.dma_view(addr, n)
            return view
        except self.fault:
            self.faults += 1
            raise DmaFault(addr, n) from None

    def msi(self, addr: int, data: int, size: int = 4) -> None:
        self.messages += 1
        self.backend.msi(addr, data, size)

    def intx(self, pin: int, level: bool) -> None:
        self.level[pin] = level
        if level:
            self.messages += 1
            self._pulse(pin)

    def _pulse(self, pin: int) -> None:
        """The guest's line is edge-like: say it again while it stays asserted."""
        if self.level[pin]:
            self.backend.intx(pin)
            self.at_ns(self.now_ns() + MS, lambda: self._pulse(pin))

    def now_ns(self) -> int:
        return self.backend.time if self.virtual else time.monotonic_ns()

    def at_ns(self, t: int, fn: Callable[[], None]) -> object:
        if self.virtual:
            return self.backend.at(t, fn)
        return self.backend.call_later(max(0, t - self.now_ns()) / 1e9, fn)

    def cancel(self, handle: object) -> None:
        self.backend.cancel(handle)

    def frame_dropped(self, tag: Tag | None, reason: str, counter: str) -> None:
        self.dropped.append((tag, reason, counter))


class Device:
    """What the transport wants of a device, by way of our NicModel."""

    def __init__(self, model: NicModel) -> None:
        self.model = model
        self.bus: BenchBus | None = None
        self.accesses = 0

    def attach(self, backend: Any) -> None:
        self.bus = BenchBus(backend)
        self.model.attach(self.bus)

    def config_read(self, off: int, size: int) -> int:
        return self.model.config_read(off, size)

    def config_write(self, off: int, size: int, value: int) -> None:
        self.model.config_write(off, size, value)

    def mmio_read(self, bar: int, off: int, size: int) -> int:
        self.accesses += 1
        return self.model.mmio_read(bar, off, size)

    def mmio_write(self, bar: int, off: int, size: int, value: int) -> None:
        self.accesses += 1
        self.model.mmio_write(bar, off, size, value)


def udp(
    payload: bytes,
    sport: int = 5000,
    dport: int = 7777,
    *,
    dst: bytes = b"\x52\x54\x00\x12\x34\x56",
    src_ip: bytes = HOST_IP,
    dst_ip: bytes = GUEST_IP,
    vlan: int | None = None,
    bad_l4: bool = False,
    bad_ip: bool = False,
) -> bytes:
    """An Ethernet frame with a UDP datagram, without FCS, padded to 60 bytes."""
    n = 8 + len(payload)
    head = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + n.to_bytes(2, "big") + b"\0\0"
    pseudo = src_ip + dst_ip + b"\0\x11" + n.to_bytes(2, "big")
    c = fold(ones_sum(pseudo + head + payload)) or 0xFFFF
    if bad_l4:
        c = (c ^ 0x5555) or 0x1234
    ip = b"\x45\0" + (20 + n).to_bytes(2, "big") + b"\0\x07\0\0\x40\x11\0\0" + src_ip + dst_ip
    s = fold(ones_sum(ip)) ^ (0x0F0F if bad_ip else 0)
    ip = ip[:10] + s.to_bytes(2, "big") + ip[12:]
    tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
    f = dst + HOST_MAC + tag + b"\x08\x00" + ip + head[:6] + c.to_bytes(2, "big") + payload
    return f + bytes(max(0, 60 - len(f)))


ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(("", 7777))
open("/tmp/echo", "w").close()
while True:
    d, a = s.recvfrom(65536)
    s.sendto(d, a)
"""


def needs_real_time(model: NicModel) -> bool:
    """Whether the driver of `model` probes in real time only: igb, on a kernel without fix_posted_writes.py."""
    return isinstance(model, Igb) and not writes_long_runs(os.environ["UML_KERNEL"])


@functools.cache
def writes_long_runs(kernel: str) -> bool:
    """Whether this kernel's transport takes more than 256 register writes in a row in virtual time: igb probes."""
    with Bench(I82576(), real_time=False) as bench:
        return "PCIe link lost" not in bench.dmesg()


class Bench:
    """One guest with one device under it: in virtual time, or in real time when told so or when nothing else works."""

    def __init__(
        self,
        model: NicModel,
        *,
        real_time: bool | None = None,
        cmdline: tuple[str, ...] = (),
        mem: str = "128M",
        firmware: Callable[[str], None] | None = None,
        trace: Any = None,
    ) -> None:
        if real_time is None:
            real_time = needs_real_time(model)
        self.model = model
        self.device = Device(model)
        self.folder = tempfile.mkdtemp(prefix="rxpath-bench-")
        self.sent: list[bytes] = []
        self.echoed: list[bytes] = []
        self.arp = 0
        if firmware is not None:
            firmware(self.folder)
            cmdline = (*cmdline, "firmware_class.path=/mnt")
        sock = os.path.join(self.folder, "dev.sock")
        args = ["ipv6.disable=1", *cmdline]
        if real_time:
            self.backend = load("vhost_pcidev").Backend(self.device, sock, trace=trace)
        else:
            clock = os.path.join(self.folder, "time.sock")
            self.backend = load("um_calendar").VirtualBackend(self.device, sock, clock, trace=trace)
            args.append("time-travel=ext:" + clock)
        self.real_time = real_time
        assert self.device.bus is not None
        self.bus = self.device.bus
        self.guest = load("uml_guest").Guest(
            os.environ["UML_KERNEL"], self.backend, workdir=self.folder, mem=mem, cmdline=args
        )
        model.tx_sink = self._transmitted
        model.reset()
        model.link_change(True)

    def __enter__(self) -> Bench:
        self.guest.__enter__()
        self.guest.boot()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.guest.stop()
        finally:
            self.backend.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------------ guest
    def sh(self, command: str, timeout: float = 120) -> str:
        text: str = self.guest.sh(command, timeout)
        return text

    def dmesg(self) -> str:
        return self.sh("dmesg")

    def run(self, seconds: float) -> None:
        self.guest.run_for(seconds)

    def up(self, mtu: int = 1500) -> None:
        """Configure eth0 and wait for the carrier."""
        self.sh(f"ip link set eth0 mtu {mtu}; ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up")
        self.carrier()
        self.sh(
            "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent; sysctl -qw"
            " net.core.rmem_max=8388608 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0"
        )

    def carrier(self, want: str = "1") -> None:
        for _ in range(60):
            if self.sh("cat /sys/class/net/eth0/carrier 2>/dev/null").strip() == want:
                return
            self.run(0.25)
        raise AssertionError(f"no carrier {want}: " + self.dmesg()[-2000:])

    def echo_server(self) -> None:
        """Start the guest's UDP echo program on port 7777."""
        path = os.path.join(self.folder, "echo.py")
        with open(path, "w") as f:
            f.write(ECHO)
        self.sh(f"{sys.executable} /mnt/echo.py &")
        for _ in range(100):
            if self.sh("ls /tmp/echo 2>/dev/null").strip():
                return
            self.run(0.1)
        raise AssertionError("the echo program did not start")

    def stats(self) -> dict[str, int]:
        """ethtool -S eth0."""
        return {k: int(v) for k, v in re.findall(r"^\s*(\S[^:\n]*): (\d+)$", self.sh("ethtool -S eth0"), re.M)}

    def snmp(self, proto: str) -> dict[str, int]:
        """A line pair of /proc/net/snmp."""
        rows = [line.split()[1:] for line in self.sh(f"grep ^{proto}: /proc/net/snmp").splitlines()]
        return dict(zip(rows[0], map(int, rows[1]), strict=True))

    def interrupts(self) -> dict[str, int]:
        """Counts of /proc/interrupts by action name, eth0's."""
        out: dict[str, int] = {}
        for line in self.sh("grep eth0 /proc/interrupts").splitlines():
            parts = line.split()
            out[parts[-1]] = int(parts[1])
        return out

    # ------------------------------------------------------------------ wire
    def _transmitted(self, frame: bytes) -> None:
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x01" and frame[38:42] == HOST_IP:
            self.arp += 1
            reply = (frame[6:12] + HOST_MAC + frame[12:20] + b"\0\x02" + HOST_MAC + HOST_IP + frame[22:32]).ljust(
                60, b"\0"
            )
            self.bus.at_ns(self.bus.now_ns() + 1000, lambda: self._deliver(reply))
            return
        self.sent.append(frame)

    def _deliver(self, frame: bytes, fcs_ok: bool = True) -> None:
        self.model.receive(frame, None, fcs_ok)

    def burst(self, frames: list[bytes], gap_ns: int = 20_000, settle: float = 0.05) -> None:
        """Let frames arrive `gap_ns` apart (0: at one instant), then let the guest work for `settle`
        seconds.
        """
        if self.real_time:
            self._burst_in_real_time(frames, gap_ns, settle)
            return
        t = self.backend.time + 1000
        for i, f in enumerate(frames):
            self.backend.at(t + i * gap_ns, self._deliver, f)
        self.backend.advance(t + len(frames) * gap_ns + int(settle * 1e9), wall_timeout=300)

    def _burst_in_real_time(self, frames: list[bytes], gap_ns: int, settle: float) -> None:
        """Nobody waits for a slow guest here: frames that are apart come in groups, the next when the guest has rest."""
        group = len(frames) if gap_ns == 0 else 32 if gap_ns < MS else 1
        for i in range(0, len(frames), group):
            for f in frames[i : i + group]:
                self._deliver(f)
            self.rest(max(0.02, gap_ns / 1e9))
        self.rest(settle)

    def rest(self, seconds: float) -> None:
        """Real time: go on until the guest has not touched the device for so long."""
        while True:
            before = self.device.accesses
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                self.backend.step(left)
            if self.device.accesses == before:
                return

    def after(self, ns: int, fn: Callable[[], object]) -> None:
        """Call `fn` that many nanoseconds from now, while a burst or `run` goes on."""
        self.bus.at_ns(self.bus.now_ns() + ns, lambda: fn() and None)

    def echoes(self) -> list[bytes]:
        """Payloads of the UDP datagrams from port 7777 that came out since the last call."""
        out = []
        for f in self.sent:
            if f[12:14] == b"\x81\x00":
                f = f[:12] + f[16:]
            if f[12:14] == b"\x08\x00" and f[23] == 17 and f[34:36] == b"\x1e\x61":
                out.append(f[42 : 34 + int.from_bytes(f[38:40], "big")])
        self.sent.clear()
        return out
