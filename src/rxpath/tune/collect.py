"""Taking a snapshot of the host that this runs on: one readable text, sections with the command and the time.

Belongs here: which files and commands tell of receiving, and writing them down unchanged.  Nothing is
interpreted and nothing on the host is changed.  Root is not needed; what a plain user may not read is left
out and said.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .intake import START, ns_to_iso

LIMIT = 4 << 20  # of one file: a table of a million connections tells nothing more

MOVING = (
    "/proc/uptime",
    "/proc/stat",
    "/proc/net/softnet_stat",
    "/proc/interrupts",
    "/proc/softirqs",
    "/proc/net/dev",
    "/proc/net/snmp",
    "/proc/net/netstat",
    "/proc/net/sockstat",
    "/proc/net/udp",
    "/proc/net/udp6",
    "/proc/net/tcp",
)
ETHTOOL = ("-i", "-g", "-l", "-c", "-k", "-x", "-a", "")
DEVICE_FILES = (
    "address",
    "mtu",
    "speed",
    "operstate",
    "gro_flush_timeout",
    "napi_defer_hard_irqs",
    "threaded",
    "tx_queue_len",
    "device/numa_node",
)

Progress = Callable[[str], None]


class Taker:
    """Takes moments.  `root` is "/" but for tests, which give a directory that looks like one; `run` runs
    a command and gives its output (and what it said on its error stream when it failed), None when it is
    not installed.

    `_read`, `_small`, `_glob`, `_uname`, `_threads` and `devices` are all that touches the host: whoever has
    another kind of host (tools/machine_snapshot.py) overrides them."""

    def __init__(
        self,
        say: Progress,
        root: str = "/",
        run: Callable[[list[str]], str | None] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.say = say
        self.root = Path(root)
        self.run = run if run is not None else run_command
        self.now_ns = now_ns
        self.left_out: list[str] = []

    def _path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _read(self, path: str) -> str | None:
        data = b""
        try:
            # small reads: some files of /proc/sys refuse a buffer of megabytes
            with open(self._path(path), "rb", buffering=0) as f:
                while len(data) <= LIMIT and (part := f.read(16384)):
                    data += part
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self.left_out.append(f"{path}: {error.strerror}")
            return None
        if len(data) > LIMIT:
            self.left_out.append(f"{path}: larger than {LIMIT >> 20} MiB")
            return None
        return data.decode("utf-8", "replace")

    def _small(self, path: str) -> str | None:
        """A small file that may well not be there, stripped; None when it cannot be read."""
        try:
            return self._path(path).read_text("utf-8", "replace").strip()
        except OSError:
            return None

    def _glob(self, pattern: str) -> list[str]:
        """Absolute paths of the host that fit, in no order."""
        return [f"/{p.relative_to(self.root)}" for p in self.root.glob(pattern.lstrip("/"))]

    def _section(self, command: str, text: str) -> str:
        body = text if text.endswith("\n") or not text else text + "\n"
        return f"# {command}  ## {ns_to_iso(self.now_ns())}\n{body}"

    def _files(self, paths: tuple[str, ...]) -> Iterator[str]:
        for path in paths:
            text = self._read(path)
            if text:
                yield self._section(f"cat {path}", text)

    def devices(self) -> list[str]:
        """Interfaces with a device behind them; without any, all but loopback."""
        base = self._path("/sys/class/net")
        try:
            names = sorted(p.name for p in base.iterdir())
        except OSError as error:
            self.left_out.append(f"/sys/class/net: {error.strerror}")
            return []
        own = [n for n in names if (base / n / "device").exists()]
        return own or [n for n in names if n != "lo"]

    def moment(self, whole: bool) -> str:
        """One moment.  `whole` False: only what moves, for the first of two."""
        host = (self._read("/proc/sys/kernel/hostname") or "").strip() or os.uname().nodename
        out = [f"{START} 1 host={host.replace(' ', '_')} time={ns_to_iso(self.now_ns())}\n"]
        out.append(self._section("uname -a", self._uname()))
        out.extend(self._files(MOVING))
        devices = self.devices()
        for d in devices:
            out.append(self._section(f"ethtool -S {d}", self._command(["ethtool", "-S", d])))
        out.append(self._section("ss -uampn", self._command(["ss", "-uampn"])))
        threads = self._threads()
        if threads:
            out.append(self._section("cat /proc/[0-9]*/task/[0-9]*/stat", threads))
        if whole:
            out.extend(self._still(devices))
        return "".join(out)

    def _still(self, devices: list[str]) -> Iterator[str]:
        for d in devices:
            for flag in ETHTOOL:
                command = ["ethtool", *([flag] if flag else []), d]
                yield self._section(" ".join(command), self._command(command))
        yield self._section("sysctl net.core net.ipv4 net.netfilter vm.min_free_kbytes", self._sysctls())
        yield self._section(
            "grep -H . /proc/irq/*/smp_affinity ... /sys/class/net/*/... /sys/devices/system/...",
            self._values(devices),
        )
        info = self._read("/proc/cpuinfo")
        if info:
            yield self._section("head -40 /proc/cpuinfo", info.split("\n\n")[0] + "\n")
        yield from self._files(("/proc/modules",))

    def _uname(self) -> str:
        version = self._read("/proc/version") if self.root != Path("/") else None
        if version is not None:
            return version
        u = os.uname()
        return f"{u.sysname} {u.nodename} {u.release} {u.version} {u.machine} GNU/Linux\n"

    def _command(self, command: list[str]) -> str:
        got = self.run(command)
        if got is None:
            line = f"{command[0]}: not installed"
            if line not in self.left_out:
                self.left_out.append(line)
            return ""
        return got

    def _threads(self) -> str:
        out: list[str] = []
        base = self._path("/proc")
        try:
            pids = sorted(int(p.name) for p in base.iterdir() if p.name.isdigit())
        except OSError:
            return ""
        for pid in pids[:4000]:
            try:
                tids = sorted(int(t) for t in os.listdir(base / str(pid) / "task"))
            except OSError:
                continue
            for tid in tids[:256]:
                try:
                    line = (base / str(pid) / "task" / str(tid) / "stat").read_text("utf-8", "replace")
                except OSError:
                    continue
                if "\n" in line.rstrip("\n"):
                    continue  # a thread may carry a newline in its name
                out.append(line if line.endswith("\n") else line + "\n")
        return "".join(out)

    def _sysctls(self) -> str:
        out: list[str] = []
        base = "/proc/sys/"
        wanted = [
            *sorted(self._glob(base + "net/core/*")),
            *sorted(self._glob(base + "net/ipv4/*")),
            *(base + "net/netfilter/" + n for n in ("nf_conntrack_count", "nf_conntrack_max")),
            base + "vm/min_free_kbytes",
            base + "kernel/osrelease",
        ]
        for p in wanted:
            if p.endswith("/netdev_rss_key"):  # the key of the hash is a secret of the host
                continue
            value = self._small(p)
            if value is not None and "\n" not in value:
                out.append(f"{p.removeprefix(base).replace('/', '.')} = {value}\n")
        return "".join(out)

    def _values(self, devices: list[str]) -> str:
        patterns: list[str] = []
        for irq in sorted(self._irqs()):
            patterns += [
                f"/proc/irq/{irq}/{n}" for n in ("smp_affinity", "smp_affinity_list", "effective_affinity_list", "node")
            ]
        for d in devices:
            patterns += [f"/sys/class/net/{d}/{n}" for n in DEVICE_FILES]
            patterns += [
                f"/sys/class/net/{d}/queues/rx-*/rps_cpus",
                f"/sys/class/net/{d}/queues/rx-*/rps_flow_cnt",
                f"/sys/class/net/{d}/statistics/rx_*",
                f"/sys/class/net/{d}/device/msi_irqs/*",
            ]
        patterns += [
            "/sys/devices/system/cpu/online",
            "/sys/devices/system/cpu/cpu*/topology/thread_siblings_list",
            "/sys/devices/system/node/node*/cpulist",
            "/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow",
        ]
        out: list[str] = []
        for pattern in patterns:
            for p in sorted(self._glob(pattern), key=_natural):
                value = self._small(p)
                if value and "\n" not in value:
                    out.append(f"{p} = {value}\n")
        return "".join(out)

    def _irqs(self) -> list[int]:
        text = self._read("/proc/interrupts") or ""
        return [int(m[1]) for m in re.finditer(r"^ *(\d+):", text, re.M)]


def _natural(text: str) -> list[tuple[int, int, str]]:
    return [(0, int(w), "") if w.isdigit() else (1, 0, w) for w in re.split(r"(\d+)", text)]


def run_command(command: list[str]) -> str | None:
    """Output of a command (both streams: a refusal is worth knowing), None when it is not installed."""
    environment = dict(os.environ, LC_ALL="C", PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False, env=environment)
    except (FileNotFoundError, PermissionError):
        return None
    except subprocess.TimeoutExpired:
        return f"(no answer within 20 s: {' '.join(command)})\n"
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def write_atomically(path: str, text: str) -> None:
    """The whole file or nothing; gzip when the name ends in .gz.  OSError as the system says it."""
    data = text.encode("utf-8", "replace")
    if path.endswith(".gz"):
        import gzip

        data = gzip.compress(data, mtime=0)
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        part.write_bytes(data)
        os.replace(part, target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
