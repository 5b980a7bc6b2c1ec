"""One moment of one host, typed: what the recognised texts said.

Belongs here: holding pieces and asking them for what they know (rows, devices, CPUs, identity).  Not:
recognising texts (intake.py), comparing moments (delta.py), judging (facts/, engine.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ..formats import cpumask
from ..formats.cpuinfo import Cpuinfo
from ..formats.ethtool.channels import Channels
from ..formats.ethtool.coalesce import Coalesce
from ..formats.ethtool.driver_info import DriverInfo
from ..formats.ethtool.features import Features
from ..formats.ethtool.ring import Ring
from ..formats.ethtool.rxfh import Rxfh
from ..formats.ethtool.statistics import Statistics
from ..formats.interrupts import Interrupts, IrqRow
from ..formats.line_pairs import LinePairs
from ..formats.net_dev import NetDev
from ..formats.sockstat import Sockstat
from ..formats.softirqs import Softirqs
from ..formats.softnet_stat import SoftnetStat
from ..formats.ss import Ss
from ..formats.tcp import Tcp
from ..formats.udp import Udp
from ..formats.uname import Uname
from .counters import DriverNames, names_of, recognise_driver
from .release import Kernel, kernel_of

UNNAMED = "(unnamed)"  # the device of an ethtool text that came without its name


@dataclass(frozen=True, slots=True)
class Piece:
    """One recognised text.  `kind` as in intake.KINDS; `device` "" where the text is of the whole host.

    `source` is how a person would call it: a command or a path; `time_ns` is Unix time, None where nobody
    told.
    """

    kind: str
    device: str
    value: object
    source: str
    time_ns: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """The cpu lines of /proc/stat in 1/100 s, by CPU; `btime` 0 where the text was only the cpu lines."""

    cpus: dict[int, tuple[int, ...]]
    btime: int = 0
    intr_total: int = 0


@dataclass(frozen=True, slots=True)
class Thread:
    """One line of /proc/PID/task/TID/stat: times in 1/100 s, `cpu` where it ran last."""

    tid: int
    name: str
    ticks: int
    cpu: int


@dataclass(slots=True)
class Snapshot:
    """All pieces of one moment.  Lookups return None for what is not there; nothing is invented."""

    label: str
    pieces: dict[tuple[str, str], Piece] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    time_ns: int | None = None
    time_from: str = ""  # "header", "date", "file": how far the time may be trusted
    boot: bool = False  # the empty moment at boot that a lone snapshot is compared with

    # -- raw access
    def value(self, kind: str, device: str = "") -> object | None:
        piece = self.pieces.get((kind, device))
        return piece.value if piece is not None else None

    def piece(self, kind: str, device: str = "") -> Piece | None:
        return self.pieces.get((kind, device))

    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted({kind for kind, _ in self.pieces}))

    # -- typed access
    def softnet(self) -> SoftnetStat | None:
        """Rows with their CPU.  Where the release prints no CPU number, rows are those of the online CPUs in order."""
        v = self.value("softnet_stat")
        if not isinstance(v, SoftnetStat):
            return None
        times = self.cpu_times()
        if times is not None and len(times.cpus) == len(v.rows) and all(r.backlog_len is None for r in v.rows):
            return SoftnetStat(tuple(replace(r, cpu=c) for c, r in zip(sorted(times.cpus), v.rows, strict=True)))
        return v

    def interrupts(self) -> Interrupts | None:
        v = self.value("interrupts")
        return v if isinstance(v, Interrupts) else None

    def softirqs(self) -> Softirqs | None:
        v = self.value("softirqs")
        return v if isinstance(v, Softirqs) else None

    def cpu_times(self) -> CpuTimes | None:
        v = self.value("stat")
        return v if isinstance(v, CpuTimes) else None

    def net_dev(self) -> NetDev | None:
        v = self.value("net_dev")
        return v if isinstance(v, NetDev) else None

    def snmp(self) -> LinePairs | None:
        v = self.value("snmp")
        return v if isinstance(v, LinePairs) else None

    def netstat(self) -> LinePairs | None:
        v = self.value("netstat")
        return v if isinstance(v, LinePairs) else None

    def sockstat(self) -> Sockstat | None:
        v = self.value("sockstat")
        return v if isinstance(v, Sockstat) else None

    def udp(self) -> tuple[Udp, ...]:
        found = (self.value("udp"), self.value("udp6"))
        return tuple(v for v in found if isinstance(v, Udp))

    def tcp(self) -> Tcp | None:
        v = self.value("tcp")
        return v if isinstance(v, Tcp) else None

    def ss(self) -> Ss | None:
        v = self.value("ss")
        return v if isinstance(v, Ss) else None

    def threads(self) -> tuple[Thread, ...] | None:
        v = self.value("threads")
        return v if isinstance(v, tuple) else None

    def uname(self) -> Uname | None:
        v = self.value("uname")
        return v if isinstance(v, Uname) else None

    def cpuinfo(self) -> Cpuinfo | None:
        v = self.value("cpuinfo")
        return v if isinstance(v, Cpuinfo) else None

    def statistics(self, device: str) -> Statistics | None:
        v = self.value("ethtool-S", device)
        return v if isinstance(v, Statistics) else None

    def driver_info(self, device: str) -> DriverInfo | None:
        v = self.value("ethtool-i", device)
        return v if isinstance(v, DriverInfo) else None

    def ring(self, device: str) -> Ring | None:
        v = self.value("ethtool-g", device)
        return v if isinstance(v, Ring) else None

    def channels(self, device: str) -> Channels | None:
        v = self.value("ethtool-l", device)
        return v if isinstance(v, Channels) else None

    def coalesce(self, device: str) -> Coalesce | None:
        v = self.value("ethtool-c", device)
        return v if isinstance(v, Coalesce) else None

    def features(self, device: str) -> Features | None:
        v = self.value("ethtool-k", device)
        return v if isinstance(v, Features) else None

    def rxfh(self, device: str) -> Rxfh | None:
        v = self.value("ethtool-x", device)
        return v if isinstance(v, Rxfh) else None

    # -- derived
    def kernel(self) -> Kernel | None:
        """The kernel named by uname, or by osrelease among the sysctls."""
        u = self.uname()
        release = u.release if u is not None else self.sysctls.get("kernel.osrelease", "")
        return kernel_of(release) if release else None

    def host(self) -> str:
        """The host's own name, "" where no text tells it."""
        u = self.uname()
        if u is not None and u.nodename and u.nodename != "(none)":
            return u.nodename
        return self.notes.get("host", "") or self.sysctls.get("kernel.hostname", "")

    def uptime_cs(self) -> int | None:
        v = self.value("uptime")
        return v if isinstance(v, int) else None

    def sysctl(self, name: str) -> int | None:
        """One number of sysctl -a or /proc/sys; None where absent or not one number."""
        words = self.sysctls.get(name, "").split()
        return int(words[0]) if len(words) == 1 and re.fullmatch(r"-?\d{1,18}", words[0], re.ASCII) else None

    def sysctl_vector(self, name: str) -> tuple[int, ...] | None:
        words = self.sysctls.get(name, "").split()
        if not words or not all(re.fullmatch(r"-?\d{1,18}", w, re.ASCII) for w in words):
            return None
        return tuple(int(w) for w in words)

    def path_int(self, path: str) -> int | None:
        text = self.paths.get(path, "").strip()
        return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None

    def mask_of(self, path: str) -> int | None:
        """A CPU mask file (hex groups), None where absent or not a mask."""
        text = self.paths.get(path)
        return _mask(text) if text is not None else None

    def list_of(self, path: str) -> tuple[int, ...] | None:
        """A CPU list file like 0-3,8."""
        text = self.paths.get(path)
        return cpu_list(text) if text is not None else None

    def devices(self) -> tuple[str, ...]:
        """Network devices that the texts speak of, in order of name; loopback and pure software devices
        are left out when the snapshot knows the driver of another one."""
        names = {d for kind, d in self.pieces if d and kind.startswith("ethtool")}
        rows = self.net_dev()
        if rows is not None:
            names |= {r.name for r in rows.rows if r.name != "lo" and not software_device(r.name)}
        for path in self.paths:
            match = re.match(r"/sys/class/net/([^/]+)/(?:queues|device|statistics|gro_flush)", path)
            if match and match[1] != "lo" and not software_device(match[1]):
                names.add(match[1])
        named = sorted(n for n in names if n != "lo")
        return tuple(named)

    def driver(self, device: str) -> str | None:
        """From `ethtool -i`, else from the names in `ethtool -S`."""
        info = self.driver_info(device)
        if info is not None and info.driver:
            return info.driver
        stats = self.statistics(device)
        return recognise_driver([n for n, _ in stats.items]) if stats is not None else None

    def names(self, device: str) -> DriverNames:
        return names_of(self.driver(device))

    def online_cpus(self) -> tuple[int, ...]:
        """From whatever text lists CPUs; () where none does."""
        times = self.cpu_times()
        if times is not None and times.cpus:
            return tuple(sorted(times.cpus))
        irqs = self.interrupts()
        if irqs is not None:
            return irqs.cpus
        soft = self.softnet()
        if soft is not None:
            return tuple(sorted(r.cpu for r in soft.rows))
        return self.list_of("/sys/devices/system/cpu/online") or ()

    def siblings(self, cpu: int) -> tuple[int, ...] | None:
        """CPUs of the same physical core, itself included; None where the topology is not in the snapshot."""
        return self.list_of(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")

    def physical_cores(self) -> int | None:
        cpus = self.online_cpus()
        groups = {self.siblings(c) for c in cpus}
        return None if not cpus or None in groups else len(groups)

    def node_of(self, cpu: int) -> int | None:
        for path in self.paths:
            match = re.fullmatch(r"/sys/devices/system/node/node(\d+)/cpulist", path)
            if match and cpu in (self.list_of(path) or ()):
                return int(match[1])
        return None

    def nodes(self) -> int:
        return sum(1 for p in self.paths if re.fullmatch(r"/sys/devices/system/node/node\d+/cpulist", p))

    def rx_irqs(self, device: str) -> tuple[IrqRow, ...]:
        """The interrupt lines that carry a device's receive queues: all of its lines, without those that
        only transmit, manage or signal the link; () where the names do not tell."""
        irqs = self.interrupts()
        if irqs is None:
            return ()
        own = list(irqs.of_action(device))
        listed = {
            int(p.rsplit("/", 1)[1]) for p in self.paths if p.startswith(f"/sys/class/net/{device}/device/msi_irqs/")
        }
        if listed:
            own += [r for r in irqs.rows if r.irq in listed and r not in own]
        info = self.driver_info(device)
        bus = info.bus_info if info is not None else None
        if bus:
            own += [r for r in irqs.rows if r not in own and any(a.endswith("@pci:" + bus) for a in r.actions)]
            own += [r for r in irqs.rows if r not in own and r.chip.endswith(bus) and len(bus) >= 7]
        if not own and self.driver(device) == "virtio_net":
            # before 6.2 the lines name the virtio device, not the interface: clear only when there is one
            virtio = [r for r in irqs.rows if any(re.fullmatch(r"virtio\d+-input(?:\.\d+)?", a) for a in r.actions)]
            if len({a.split("-")[0] for r in virtio for a in r.actions}) == 1:
                own = virtio
        return tuple(r for r in own if not any(_not_rx(a) for a in r.actions)) if own else ()

    def rps_masks(self, device: str) -> tuple[int, ...] | None:
        """rps_cpus of each receive queue; None where no such file is in the snapshot."""
        found: list[int] = []
        for path in self.paths:
            if re.fullmatch(rf"/sys/class/net/{re.escape(device)}/queues/rx-\d+/rps_cpus", path):
                mask = self.mask_of(path)
                if mask is not None:
                    found.append(mask)
        return tuple(found) if found else None


_NOT_RX = re.compile(
    r"(?:^|[-_@])tx-?\d*$|-tx-\d+$|async|mgmnt|mgmt|:misc|:fdir|:ctrl|config$|-output\.\d+$|:lsc|:aq|control",
    re.ASCII | re.I,
)


def _not_rx(action: str) -> bool:
    return _NOT_RX.search(action) is not None and "txrx" not in action.lower() and "rxtx" not in action.lower()


_SOFTWARE = re.compile(
    r"(?:lo|veth|docker|br-|br\d|vmbr|virbr|cni|flannel|cali|tun|tap|vxlan|geneve|gre|sit|ip6tnl|ifb|dummy|bond|"
    r"team|wg|nlmon|kube|vnet|ovs|tailscale|erspan|vlan|macvlan|ipvlan|vrf|lxc|lxd)"
)


def software_device(name: str) -> bool:
    """Whether a name is by custom that of a device without hardware of its own (or a VLAN on one)."""
    return _SOFTWARE.match(name) is not None or "." in name or "@" in name


def _mask(text: str) -> int | None:
    try:
        return cpumask.mask_of_text(text)
    except ValueError:
        return None


def cpu_list(text: str) -> tuple[int, ...] | None:
    """A list like 0-3,8; None where it is something else."""
    if not re.fullmatch(r"[0-9,\- ]{1,4096}", text.strip(), re.ASCII):
        return None
    try:
        return cpumask.cpus_of(cpumask.parse_list(text.strip(), 8192))
    except (OSError, ValueError):
        return None


def cpus_of_mask(mask: int) -> tuple[int, ...]:
    return cpumask.cpus_of(mask)
