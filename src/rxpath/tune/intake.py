"""From what an engineer has (files, directories, tarballs, pasted text) to snapshots in order of time.

Belongs here: finding where one text ends and the next begins, recognising each by its content (a header line such as
`# cat /proc/net/softnet_stat` or a file name helps, but is not needed), giving it a time and a host, and grouping
pieces into moments.  Not: what the texts mean.

A text that cannot be read becomes one `Problem` line and is left out; it never changes what the others say.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .. import formats
from ..formats import FormatError, stat
from ..formats.errors import decimal
from ..formats.line_pairs import Group, LinePairs
from .paste import decoded, unpasted
from .snapshot import UNNAMED, CpuTimes, Piece, Snapshot, Thread

MAX_BYTES = 64 << 20  # of one text: a support archive holds journals that are no use here
START = "# rxpath snapshot"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was given and could not be used: `where` a file or "standard input", `line` one clear
    line."""

    where: str
    line: str

    def __str__(self) -> str:
        return f"{self.where}: {self.line}"


@dataclass(slots=True)
class Intake:
    """All snapshots, oldest first, and what could not be read."""

    snapshots: list[Snapshot] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """Consecutive lines of one text, before it is parsed."""

    kind: str
    device: str
    lines: list[str]
    source: str
    time_ns: int | None
    file: str


# -- recognising one text
# ------------------------------------------------------------------------------------------

_HEX8 = r"[0-9a-f]{8}"
_STARTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.ASCII))
    for kind, pattern in (
        ("softnet_stat", rf"{_HEX8}(?: {_HEX8}){{8,19}}\s*$"),
        ("ethtool-S", r"\s*NIC statistics:\s*$"),
        ("ethtool-g", r"Ring parameters for (?P<dev>\S+):"),
        ("ethtool-l", r"Channel parameters for (?P<dev>\S+):"),
        ("ethtool-c", r"Coalesce parameters for (?P<dev>\S+):"),
        ("ethtool-k", r"(?:Features|Offload parameters) for (?P<dev>\S+):"),
        ("ethtool-x", r"RX flow hash indirection table for (?P<dev>\S+) with"),
        ("ethtool-a", r"Pause parameters for (?P<dev>\S+):"),
        ("ethtool", r"Settings for (?P<dev>\S+):"),
        ("ethtool-i", r"driver: \S+\s*$"),
        ("net_dev", r"Inter-\|\s+Receive"),
        ("interrupts", r"\s+CPU\d+(?:\s+CPU\d+)*\s*$"),
        ("stat", r"cpu\d*\s+\d+ \d+ \d+ \d+"),
        ("snmp", r"Ip: Forwarding\b"),
        ("netstat", r"TcpExt: \w*[A-Za-z]\w*\b"),
        ("sockstat", r"sockets: used \d+"),
        ("sock", r"\s+sl\s+local_address\s"),
        ("ss", r"(?:Netid\s+)?(?:State\s+)?Recv-Q\s+Send-Q\s"),
        ("paths", r"/(?:proc|sys)/[^\s:=]+(?::| = ).*$"),
        ("sysctl", r"(?:net|kernel|vm|fs|dev|user|abi|debug)\.[A-Za-z0-9_.@/:*-]+\s?=\s?.*$"),
        ("nstat", r"#kernel\s*$"),
        ("uname", r"Linux \S+ \d+\.\d+\S* #.+$|Linux version \d+\.\d+\S* .+$"),
        ("uptime", r"\d+\.\d\d \d+\.\d\d\s*$"),
        ("cpuinfo", r"processor\s*:\s*\d+\s*$"),
        ("threads", r"\d+ \(.{1,64}\) [RSDTtZXxKWPI] -?\d+ -?\d+ -?\d+ "),
        ("modules", r"\w+ \d+ \d+ \S+ (?:Live|Loading|Unloading) 0x[0-9a-f]+"),
        ("date", r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .{10,40}\d{4}.*$|\d{10}(?:\.\d{1,9})?\s*$"),
        ("mpstat", r"\d\d:\d\d:\d\d(?: [AP]M)?\s+CPU\s+%usr\s"),
    )
)

# lines that may follow inside a block of that kind (else the block ends there)
_INSIDE: dict[str, re.Pattern[str]] = {
    kind: re.compile(pattern, re.ASCII)
    for kind, pattern in {
        "softnet_stat": r"[0-9a-fA-F ]+$",
        "ethtool-S": r"\s*\S.*:\s*-?\d+\s*$",
        "ethtool-i": r"[a-z-]+:.*$",
        "net_dev": r"\s*(?:face \||[^\s|]+:\s*\d).*$",
        "interrupts": r"\s*[A-Za-z0-9_]+:(?:\s|$).*$",
        "stat": r"(?:cpu\d*|intr|ctxt|btime|processes|procs_running|procs_blocked|softirq|page|swap) .*$",
        "snmp": r"(?:Ip|Icmp|IcmpMsg|Tcp|Udp|UdpLite): .*$",
        "netstat": r"(?:TcpExt|IpExt|MPTcpExt): .*$",
        "sockstat": r"(?:TCP|UDP|UDPLITE|RAW|FRAG): .*$",
        "sock": r"\s*\d+: [0-9A-F]+:[0-9A-F]{4} .*$",
        "paths": r"/(?:proc|sys)/[^\s:=]+(?::| = ).*$|count \d+|unhandled \d+|last_unhandled .*",
        "sysctl": r"[\w.@/:*-]+\s?=\s?.*$|sysctl: .*|[#;].*",
        "cpuinfo": r"[^:]+:.*$|\s*$",
        "threads": r"\d+ \(.{1,64}\) [RSDTtZXxKWPI] -?\d+ .*$",
        "modules": r"\w+ \d+ \d+ \S+ \S+ .*$",
        "nstat": r"[A-Z][A-Za-z0-9]+\s+-?\d+(?:\s.*)?$",
        "mpstat": r"\d\d:\d\d:\d\d.*$|Average:.*$|\s*$",
        "ss": r"(?:\s+skmem:|\s|[A-Z0-9-]+ |\w+\s+\w+ |\d+ ).*$",
    }.items()
}
# before netlink, ethtool prints the title first and then that the driver refuses
_REFUSED = re.compile(r"[A-Z]\w+ parameters for \S+:\n(?:Cannot get [^\n]*: Operation not supported\n)+\n*", re.ASCII)
_ONE_LINE = frozenset(("uname", "uptime", "date"))

_COMMANDS = (
    "cat|grep|egrep|zgrep|head|tail|ethtool|ip|ss|sysctl|uname|date|uptime|lscpu|numactl|ls|for|find|ps|nstat|netstat|"
    "mpstat|echo|dmesg|sudo|lsmod|top|watch|modinfo|perf|awk|sed|hostname|lspci|cd|sleep|tc|bridge|note"
)
_HEADER = re.compile(
    rf"(?:(?:\[?[\w.-]+@[\w.-]+[^#$]{{0,80}})?[#$]\s?|\+ )(?P<cmd>(?:\S*/)?(?:{_COMMANDS})\b.*)$"
    r"|==> (?P<path>\S+) <==\s*$",
    re.ASCII,
)
_AT = re.compile(r"\s+## (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)\s*$", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def iso_to_ns(text: str) -> int | None:
    """2025-11-21T03:04:05.123456Z -> Unix time in ns; None when it is not that form or no such moment."""
    m = _ISO.fullmatch(text.strip())
    if m is None:
        return None
    import calendar

    year, month, day, hour, minute, second = (int(m[i]) for i in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61 and 1970 <= year):
        return None
    base = calendar.timegm((year, month, day, hour, minute, second))
    return base * 1_000_000_000 + int((m[7] or "0").ljust(9, "0"))


def ns_to_iso(ns: int) -> str:
    """Unix time in ns -> 2025-11-21T03:04:05.123456Z (microseconds)."""
    import time

    t = time.gmtime(ns // 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", t) + f".{ns % 1_000_000_000 // 1000:06d}Z"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_to_ns(line: str) -> int | None:
    """Output of `date`, of `date +%s` or `date +%s.%N`.  A zone other than UTC or GMT counts as UTC: only differences
    matter and they are the same on one host."""
    line = line.strip()
    if re.fullmatch(r"\d{10}(?:\.\d{1,9})?", line, re.ASCII):
        whole, _, part = line.partition(".")
        return int(whole) * 1_000_000_000 + int(part.ljust(9, "0") or "0")
    clock = re.search(r"(\d\d?):(\d\d):(\d\d)(?: ?([AP]M))?", line, re.ASCII)
    month = re.search(r"\b(" + "|".join(_MONTHS) + r")", line, re.ASCII)
    year = re.search(r"\b((?:19|20)\d\d)\b", line, re.ASCII)
    rest = line.replace(clock[0], " ") if clock else line
    day = re.search(r"(?<!\d)(\d{1,2})(?!\d)", rest.replace(year[0], " ") if year else rest, re.ASCII)
    if clock is None or month is None or year is None or day is None:
        return None
    hour = int(clock[1]) % 12 + 12 * (clock[4] == "PM") if clock[4] else int(clock[1])
    return iso_to_ns(f"{year[1]}-{_MONTHS.index(month[1]) + 1:02d}-{int(day[1]):02d}T{hour:02d}:{clock[2]}:{clock[3]}Z")


# -- splitting a text into blocks
# ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Round:
    """Pieces of one file that belong to one moment."""

    order: int
    file: str
    time_ns: int | None = None
    time_from: str = ""
    host: str = ""
    pieces: list[Piece] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def keys(self) -> set[tuple[str, str]]:
        return {(p.kind, p.device) for p in self.pieces}

    def empty(self) -> bool:
        return not (self.pieces or self.paths or self.sysctls)


def _device_of(command: str) -> str:
    """The device that an ethtool command names, "" else."""
    m = re.search(r"ethtool\s+((?:-{1,2}[\w-]+\s+)*)([A-Za-z][\w.@:-]{0,30})", command, re.ASCII)
    return m[2] if m else ""


_KIND_OF_PATH: tuple[tuple[str, str], ...] = (
    ("net/softnet_stat", "softnet_stat"),
    ("proc/interrupts", "interrupts"),
    ("proc/softirqs", "softirqs"),
    ("proc/stat", "stat"),
    ("net/dev", "net_dev"),
    ("net/snmp", "snmp"),
    ("net/netstat", "netstat"),
    ("net/udp6", "udp6"),
    ("net/udp", "udp"),
    ("net/tcp6", "tcp6"),
    ("net/tcp", "tcp"),
    ("net/raw6", "raw"),
    ("net/raw", "raw"),
    ("net/sockstat", "sockstat"),
    ("proc/uptime", "uptime"),
    ("proc/modules", "modules"),
    ("proc/cpuinfo", "cpuinfo"),
)


def kind_of_command(command: str) -> str:
    """The kind that a header or a file name promises, "" when it promises none."""
    flat = command.replace("_", "/") if "/" not in command else command
    for ending, kind in _KIND_OF_PATH:
        if re.search(re.escape(ending) + r"(?:\s|$|\.|;)", command) or flat.endswith(ending):
            return kind
    m = re.search(r"ethtool[ _]+(?:--?(?P<flag>[a-zA-Z-]+)[ _]+)?", command)
    if m and re.search(r"\bethtool", command):
        flag = m["flag"] or ""
        long = {
            "statistics": "S",
            "driver": "i",
            "show-ring": "g",
            "show-channels": "l",
            "show-coalesce": "c",
            "show-features": "k",
            "show-rxfh": "x",
            "show-pause": "a",
            "show-rxfh-indir": "x",
        }
        letter = long.get(flag, flag)
        return f"ethtool-{letter}" if letter in "Siglckxa" and letter else "ethtool" if not flag else ""
    return ""


def _blocks(text: str, file: str) -> Iterator[Block | str]:
    """Blocks of a text; a plain string is a marker line (snapshot start, note)."""
    command, device, at = "", "", None
    promised = kind_of_command(file.rsplit("/", 1)[-1] if "/proc/" not in "/" + file else file)
    file_device = _device_of(re.sub(r"[_]", " ", file.rsplit("/", 1)[-1])) if "ethtool" in file else ""
    block: Block | None = None
    lines = text.split("\n")
    for index, raw in enumerate(lines):
        line = raw.rstrip("\r")
        if line.startswith(START):
            if block is not None:
                yield block
                block = None
            command, device, at, promised = "", "", None, ""
            yield line
            continue
        header = _HEADER.match(line)
        if header is not None:
            if block is not None:
                yield block
                block = None
            command = header["cmd"] or "cat " + header["path"]
            at = None
            stamp = _AT.search(command)
            if stamp is not None:
                at = iso_to_ns(stamp["time"])
                command = command[: stamp.start()]
            if command.startswith("note "):
                yield "# " + command
                command = ""
            promised = kind_of_command(command)
            device = _device_of(command)
            continue
        kind, found = _start(line, lines, index)
        if block is not None:
            inside = _INSIDE.get(block.kind)
            if (
                inside is not None
                and inside.match(line)
                and not (kind and kind != block.kind and kind not in ("sysctl", "stat"))
            ):
                block.lines.append(line)
                continue
            if inside is None and block.kind not in _ONE_LINE and not kind:
                block.lines.append(line)
                continue
            yield block
            block = None
        if kind == "sock":
            kind = promised if promised in ("udp", "udp6", "tcp", "tcp6", "raw") else _sock_kind(line)
        if not kind and promised == "ethtool-S" and re.match(r"\s*\S.*:\s*\d+\s*$", line):
            kind = "ethtool-S"
        if not kind and re.fullmatch(r"\d+\.\d+\S*", line.strip()) and re.search(r"uname -r|osrelease", command + file):
            kind = "uname"
        if not kind and promised == "hostname":
            continue
        if kind:
            dev = ""
            if kind.startswith("ethtool"):
                dev = found or device or file_device or UNNAMED
            source = command or (file if file and not kind.startswith("ethtool") else _SOURCES.get(kind, kind))
            block = Block(kind, dev, [line], source, at, file)
            continue
        if line.strip():
            # nothing that we know: a bare list of `name: number` lines may be a grep of ethtool -S
            if re.match(
                r"\s*(?:\[?\d*\]?:?\s?)?(?:rx|tx|port\.|veb\.|rxq|queue_|alloc_rx|mac_rx)"
                r"[\w.\[\]: -]*:\s*\d+\s*$",
                line,
            ):
                block = Block("ethtool-S", device or file_device or UNNAMED, [line], command or "ethtool -S", at, file)
                continue
            yield Block("", "", [line], command, at, file)
    if block is not None:
        yield block


_SOURCES = {
    "softnet_stat": "/proc/net/softnet_stat",
    "interrupts": "/proc/interrupts",
    "softirqs": "/proc/softirqs",
    "stat": "/proc/stat",
    "net_dev": "/proc/net/dev",
    "snmp": "/proc/net/snmp",
    "netstat": "/proc/net/netstat",
    "udp": "/proc/net/udp",
    "udp6": "/proc/net/udp6",
    "tcp": "/proc/net/tcp",
    "sockstat": "/proc/net/sockstat",
    "ss": "ss -uampn",
    "sysctl": "sysctl -a",
    "uname": "uname -a",
    "uptime": "/proc/uptime",
    "date": "date",
    "threads": "/proc/PID/task/TID/stat",
    "modules": "/proc/modules",
    "cpuinfo": "/proc/cpuinfo",
    "ethtool-S": "ethtool -S",
    "ethtool-i": "ethtool -i",
    "ethtool-g": "ethtool -g",
    "ethtool-l": "ethtool -l",
    "ethtool-c": "ethtool -c",
    "ethtool-k": "ethtool -k",
    "ethtool-x": "ethtool -x",
    "ethtool-a": "ethtool -a",
    "ethtool": "ethtool",
    "mpstat": "mpstat -P ALL",
}


def _start(line: str, lines: list[str], index: int) -> tuple[str, str]:
    for kind, pattern in _STARTS:
        m = pattern.match(line)
        if m is None:
            continue
        if kind == "interrupts":
            after = lines[index + 1].strip() if index + 1 < len(lines) else ""
            if after.startswith("HI:"):
                return "softirqs", ""
        return kind, (m["dev"] if "dev" in pattern.groupindex else "")
    return "", ""


def _begins(line: str) -> bool:
    return _HEADER.match(line) is not None or any(pattern.match(line) for _, pattern in _STARTS)


_INSIDE["softirqs"] = re.compile(r"\s*[A-Z_]+:\s+\d.*$", re.ASCII)
for _kind in ("udp", "udp6", "tcp", "tcp6", "raw"):
    _INSIDE[_kind] = _INSIDE["sock"]


def _sock_kind(header: str) -> str:
    v6 = "remote_address" in header
    if header.rstrip().endswith("drops"):
        return "udp6" if v6 else "udp"
    return "tcp6" if v6 else "tcp"


# -- parsing one block
# ---------------------------------------------------------------------------------------------


def _parse_stat(text: str) -> CpuTimes:
    try:
        whole = stat.parse(text)
        return CpuTimes(whole.cpus, whole.btime, whole.intr[0])
    except FormatError as error:
        cpus: dict[int, tuple[int, ...]] = {}
        btime = 0
        intr = 0
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if words and re.fullmatch(r"cpu\d+", words[0]):
                if len(words) < 8:
                    raise FormatError("stat", number, "a cpu line with fewer than 7 times") from error
                cpus[int(words[0][3:])] = tuple(decimal(w, "stat", number) for w in words[1:])
            elif words[0:1] == ["btime"] and len(words) == 2:
                btime = decimal(words[1], "stat", number)
            elif words[0:1] == ["intr"] and len(words) > 1:
                intr = decimal(words[1], "stat", number)
        if not cpus:
            raise
        if any(len(t) != len(next(iter(cpus.values()))) for t in cpus.values()):
            raise FormatError("stat", 0, "cut: cpu lines of different length") from error
        return CpuTimes(cpus, btime, intr)


def _parse_threads(text: str) -> tuple[Thread, ...]:
    out: list[Thread] = []
    for number, line in enumerate(text.splitlines(), 1):
        left, _, rest = line.partition(" (")
        name, _, tail = rest.rpartition(") ")
        words = tail.split()
        if len(words) < 37:
            raise FormatError("stat of a thread", number, f"expected at least 39 columns, found {len(words) + 2}")
        ticks = decimal(words[11], "thread", number) + decimal(words[12], "thread", number)
        out.append(Thread(decimal(left, "thread", number), name, ticks, decimal(words[36], "thread", number)))
    return tuple(out)


def _parse_uptime(text: str) -> int:
    words = text.split()
    return int(words[0].replace(".", ""))


def _parse_modules(text: str) -> tuple[str, ...]:
    return tuple(line.split()[0] for line in text.splitlines() if line.strip())


def _parse_mpstat(text: str) -> dict[int, int]:
    """%soft per CPU in hundredths of a percent: the average lines when there are some, else the last
    round."""
    soft: dict[int, int] = {}
    average: dict[int, int] = {}
    column = -1
    for line in text.splitlines():
        words = [w for w in line.split() if w not in ("AM", "PM")]
        if "%soft" in words and "CPU" in words:
            column = words.index("%soft") - words.index("CPU")
        elif column > 0 and len(words) > column + 1 and words[1].isdigit():
            m = re.fullmatch(r"(\d{1,3})[.,](\d\d)", words[1 + column])
            if m is not None:
                (average if words[0] == "Average:" else soft)[int(words[1])] = int(m[1]) * 100 + int(m[2])
    if not soft and not average:
        raise FormatError("mpstat", 0, "no %soft column")
    return average or soft


_NSTAT_GROUPS = ("TcpExt", "IpExt", "MPTcpExt", "IcmpMsg", "Icmp", "UdpLite", "Udp", "Tcp", "Ip")


def _nstat_as_files(value: object) -> Iterator[tuple[str, LinePairs]]:
    """The counters of `nstat -a` as the two files have them: names that it leaves out are zero."""
    groups: dict[str, dict[str, int]] = {}
    for name, number in getattr(value, "counters", {}).items():
        group = next((g for g in _NSTAT_GROUPS if name.startswith(g)), "")
        if group and name[len(group) : len(group) + 1].isupper():
            groups.setdefault(group, {})[name[len(group) :]] = number
    for kind, wanted in (("snmp", ("Ip", "Icmp", "Tcp", "Udp", "UdpLite")), ("netstat", ("TcpExt", "IpExt"))):
        found = [Group(g, tuple(groups[g]), tuple(groups[g].values())) for g in wanted if g in groups]
        if found:
            yield kind, LinePairs(tuple(found))


def _parser(kind: str) -> Callable[[str], object]:
    """The function that reads a kind; imported when first needed, so that a small paste loads little."""
    from importlib import import_module

    own: dict[str, Callable[[str], object]] = {
        "stat": _parse_stat,
        "threads": _parse_threads,
        "uptime": _parse_uptime,
        "modules": _parse_modules,
        "mpstat": _parse_mpstat,
        "date": date_to_ns,
    }
    if kind in own:
        return own[kind]
    module = {
        "ethtool-S": "ethtool.statistics",
        "ethtool-i": "ethtool.driver_info",
        "ethtool-g": "ethtool.ring",
        "ethtool-l": "ethtool.channels",
        "ethtool-c": "ethtool.coalesce",
        "ethtool-k": "ethtool.features",
        "ethtool-x": "ethtool.rxfh",
        "ethtool-a": "ethtool.pause",
        "ethtool": "ethtool.settings",
        "udp6": "udp",
        "tcp6": "tcp",
    }.get(kind, kind)
    parse: Callable[[str], object] = import_module(f"{formats.__name__}.{module}").parse
    return parse


# -- one file --------------------------------------------------------------------------------------------------------


def _read_text(text: str, file: str, order: int, mtime_ns: int | None, problems: list[Problem]) -> list[_Round]:
    """The rounds of one file.  The same kind again means the next moment."""
    text = unpasted(text, _begins)
    rounds: list[_Round] = [_Round(order, file)]
    recognised = 0
    unknown = ""
    marked = False
    for item in _blocks(text, file):
        if isinstance(item, str):
            if item.startswith(START):
                # a marker opens a moment; what stands above the first marker is the file's own preface
                new = _Round(order, file)
                _read_marker(item, new)
                if rounds[-1].empty() and not marked:
                    rounds[-1] = new
                else:
                    rounds.append(new)
                marked = True
            else:
                for word in item.split()[2:]:
                    key, equals, told = word.partition("=")
                    if equals:
                        rounds[-1].notes[key] = told
            continue
        if not item.kind:
            unknown = unknown or item.lines[0]
            continue
        where = item.file or "standard input"
        body = "\n".join(item.lines).rstrip("\n") + "\n"
        if item.kind == "paths":
            recognised += 1
            target = rounds[-1]
            if not marked and _repeats(target.paths, item.lines):
                target = _Round(order, file)
                rounds.append(target)
            _take_paths(item.lines, target)
            continue
        if _REFUSED.fullmatch(body):
            recognised += 1  # the driver has no such settings: an answer, and nothing to keep of it
            continue
        try:
            value = _parser(item.kind)(body)
        except FormatError as error:
            problems.append(Problem(where, f"{error} (cut or damaged; not used)"))
            recognised += 1
            continue
        except (ValueError, IndexError, KeyError) as error:
            problems.append(Problem(where, f"{item.source}: cannot be read ({error}); not used"))
            recognised += 1
            continue
        recognised += 1
        if item.kind == "nstat":
            if not re.search(r"nstat\s+-\w*a|nstat_-\w*a", item.source + " " + file):
                line = "nstat without -a counts from its last call, which nobody knows; give: nstat -az (not used)"
                problems.append(Problem(where, line))
                continue
            for kind, pairs in _nstat_as_files(value):
                own = Block(kind, "", [], item.source, item.time_ns, item.file)
                _place(rounds, own, pairs, order, file, marked)
            continue
        _place(rounds, item, value, order, file, marked)
    if recognised == 0 and text.strip():
        shown = ascii((unknown or text.strip().splitlines()[0])[:60])
        problems.append(Problem(file or "standard input", f"not a text that doctor knows; it begins {shown}"))
    for r in rounds:
        if r.time_ns is None and mtime_ns is not None and len(rounds) == 1:
            r.time_ns, r.time_from = mtime_ns, "file"
    return [r for r in rounds if not r.empty() or r.notes]


def _read_marker(line: str, new: _Round) -> None:
    for word in line.split():
        key, _, value = word.partition("=")
        if key == "time":
            new.time_ns = iso_to_ns(value)
            new.time_from = "header"
        elif key == "host":
            new.host = value
            new.notes["host"] = value


def _repeats(have: dict[str, str], lines: list[str]) -> bool:
    for line in lines:
        path = re.split(r":| = ", line, maxsplit=1)[0]
        if path in have:
            return True
    return False


def _take_paths(lines: list[str], target: _Round) -> None:
    for line in lines:
        m = re.match(r"(/(?:proc|sys)/[^\s:=]+(?:[^\s=]*[^\s:=])?)(?: = |:)(.*)$", line)
        if m is None:
            continue
        # a path may hold colons itself (PCI addresses): `grep -H` and ` = ` are told apart by the first one that fits
        path, value = _split_path(line)
        if path.startswith("/proc/sys/"):
            target.sysctls[path[len("/proc/sys/") :].replace("/", ".")] = value
        else:
            target.paths[path] = value


def _split_path(line: str) -> tuple[str, str]:
    left, equals, right = line.partition(" = ")
    if equals and " " not in left:
        return left, right.strip()
    # these trees have no colon in their names (but for PCI addresses under /sys/devices/pci...)
    m = re.match(r"(/(?:sys/class/net|sys/devices/system|proc)/[^:\s]+):(.*)$", line)
    if m is None:
        m = re.match(r"(/\S*?[^:]):(?![0-9a-f]{2}[:.])(.*)$", line)
    if m is None:
        left, _, right = line.partition(":")
        return left, right.strip()
    return m[1], m[2].strip()


def _place(rounds: list[_Round], item: Block, value: object, order: int, file: str, marked: bool) -> None:
    if item.kind == "sysctl":
        values = getattr(value, "values", {})
        if not marked and any(k in rounds[-1].sysctls and rounds[-1].sysctls[k] != v for k, v in values.items()):
            rounds.append(_Round(order, file))
        rounds[-1].sysctls.update(values)
        return
    if item.kind == "date":
        if isinstance(value, int):
            # a date opens a moment when the one before already has content and a date
            if not marked and rounds[-1].time_from == "date" and not rounds[-1].empty():
                rounds.append(_Round(order, file))
            if rounds[-1].time_from != "header":
                rounds[-1].time_ns, rounds[-1].time_from = value, "date"
        return
    piece = Piece(item.kind, item.device, value, item.source, item.time_ns, item.file)
    key = (piece.kind, piece.device)
    if marked:
        if key not in rounds[-1].keys():
            rounds[-1].pieces.append(piece)
        return
    for r in rounds:
        if key not in r.keys():
            r.pieces.append(piece)
            return
    rounds.append(_Round(order, file, pieces=[piece]))


# -- many files ------------------------------------------------------------------------------------------------------


def _merge(rounds: list[_Round]) -> list[Snapshot]:
    """Moments from the rounds of all files: a round joins the moment nearest in time that lacks all of
    its kinds."""
    # files whose time is known first, oldest first; the others in the order given
    ordered = sorted(rounds, key=lambda r: (r.time_ns is None or r.time_from == "file", r.time_ns or 0, r.order))
    if all(r.time_from in ("file", "") for r in rounds):
        distinct = {r.time_ns for r in rounds}
        ordered = sorted(rounds, key=lambda r: (r.time_ns or 0, r.order) if len(distinct) > 1 else (0, r.order))
    moments: list[_Round] = []
    for r in ordered:
        best: _Round | None = None
        for m in moments:
            if m.keys() & r.keys() or (m.host and r.host and m.host != r.host) or _path_clash(m, r):
                continue
            if m.time_ns is not None and r.time_ns is not None and abs(m.time_ns - r.time_ns) > 3600 * 10**9:
                if "file" not in (m.time_from, r.time_from):
                    continue
            if best is None or _far(m, r) < _far(best, r):
                best = m
        if best is None:
            moments.append(
                _Round(
                    r.order,
                    r.file,
                    r.time_ns,
                    r.time_from,
                    r.host,
                    list(r.pieces),
                    dict(r.paths),
                    dict(r.sysctls),
                    dict(r.notes),
                )
            )
            continue
        best.pieces.extend(r.pieces)
        best.paths.update(r.paths)
        best.sysctls.update(r.sysctls)
        best.notes.update(r.notes)
        best.host = best.host or r.host
        if best.time_from in ("", "file") and r.time_ns is not None and r.time_from not in ("", "file"):
            best.time_ns, best.time_from = r.time_ns, r.time_from
    out: list[Snapshot] = []
    for number, m in enumerate(moments, 1):
        label = m.file or "standard input"
        if sum(1 for other in moments if other.file == m.file) > 1:
            label += f" at {ns_to_iso(m.time_ns)}" if m.time_ns is not None else f", moment {number}"
        out.append(
            Snapshot(
                label,
                {(p.kind, p.device): p for p in m.pieces},
                m.paths,
                m.sysctls,
                m.notes,
                m.time_ns,
                m.time_from,
            )
        )
    return out


def _path_clash(a: _Round, b: _Round) -> bool:
    return any(k in a.paths and a.paths[k] != v for k, v in b.paths.items())


def _far(a: _Round, b: _Round) -> int:
    if a.time_ns is None or b.time_ns is None:
        return 0
    return abs(a.time_ns - b.time_ns)


_WANTED = re.compile(
    r"(?:^|/)(?:proc/(?:net/(?:softnet_stat|dev|snmp6?|netstat|udp6?|tcp|sockstat|raw)$|interrupts$|softirqs$|stat$|uptime$|"
    r"cpuinfo$|modules$|version$|irq/|sys/)|sys/(?:class/net|devices/system/(?:node|cpu))/|uname|date$|uptime$|"
    r"sos_commands/(?:networking/(?:ethtool|ss_)|kernel/(?:uname|sysctl)|host/(?:uname|date|uptime)|date/)|ethtool)"
)


def read_archive(data: bytes, name: str, problems: list[Problem]) -> list[_Round]:
    """The rounds of a support archive (sosreport, or any tar): members that doctor knows by path, all
    one moment."""
    import lzma
    import tarfile
    import zlib

    rounds: list[_Round] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as tar:
            for order, member in enumerate(tar):
                if not member.isfile() or member.size > MAX_BYTES:
                    continue
                single = _single_value(member.name)
                if not single and not _WANTED.search(member.name) and "snapshot" not in member.name:
                    continue
                stream = tar.extractfile(member)
                if stream is None:
                    continue
                text = stream.read().decode("utf-8", "replace")
                path = "/" + member.name.split("/", 1)[-1] if "/" in member.name else member.name
                if single:
                    rounds.append(_single_round(single, text, order))
                    continue
                if not text.strip():
                    continue
                quiet: list[Problem] = []
                got = _read_text(text, path, order, None, quiet)
                problems.extend(Problem(f"{name}:{p.where}", p.line) for p in quiet if "not a text" not in p.line)
                rounds.extend(got)
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        where = name or "standard input"
        why = str(error).split(":\n")[0].split("\n")[0]
        if not rounds:
            problems.append(Problem(where, f"not a readable archive ({why})"))
            return []
        problems.append(Problem(where, f"cut or damaged archive ({why}); used what was read before"))
    return rounds


def _single_value(path: str) -> str:
    """The /proc or /sys path of a one-value file inside an archive or directory, "" when it is none."""
    m = re.search(
        r"(?:^|/)((?:proc/(?:irq/\d+/|sys/net/|sys/vm/min_free_kbytes|sys/kernel/(?:osrelease|hostname))|"
        r"sys/(?:class/net/|devices/system/))\S*)$",
        path,
    )
    return "/" + m[1] if m else ""


def _single_round(path: str, text: str, order: int) -> _Round:
    r = _Round(order, path)
    value = text.strip().replace("\n", " ")[:4096]
    if path.startswith("/proc/sys/"):
        r.sysctls[path[len("/proc/sys/") :].replace("/", ".")] = value
    else:
        r.paths[path] = value
    return r


def _is_archive(data: bytes) -> bool:
    return data[:2] == b"\x1f\x8b" or data[:3] == b"BZh" or data[:6] == b"\xfd7zXZ\x00" or data[257:262] == b"ustar"


def _from_bytes(data: bytes, name: str, order: int, mtime_ns: int | None, problems: list[Problem]) -> list[_Round]:
    if _is_archive(data):
        if data[:2] == b"\x1f\x8b":
            import gzip
            import zlib

            try:
                with gzip.open(io.BytesIO(data)) as stream:
                    plain = stream.read(MAX_BYTES * 8)
            except (OSError, EOFError, zlib.error) as error:
                problems.append(Problem(name or "standard input", f"cut or damaged gzip file ({error})"))
                return []
            if plain[257:262] != b"ustar":
                return _from_bytes(plain, name.removesuffix(".gz"), order, mtime_ns, problems)
        got = read_archive(data, name, problems)
        return _fold(got, name, order)
    text = decoded(data)
    if "\0" in text[:4096]:
        problems.append(Problem(name or "standard input", "binary data, not a text that doctor knows"))
        return []
    return _read_text(text, name, order, mtime_ns, problems)


def _fold(rounds: list[_Round], name: str, order: int) -> list[_Round]:
    """All of an archive or directory is one moment unless kinds repeat."""
    for r in rounds:
        r.order = order
        if r.time_from == "file":
            r.time_ns = None
    out: list[_Round] = []
    for snap_round in rounds:
        for have in out:
            if (
                not (have.keys() & snap_round.keys())
                and not _path_clash(have, snap_round)
                and (have.time_from != "header" or snap_round.time_from != "header")
            ):
                have.pieces.extend(snap_round.pieces)
                have.paths.update(snap_round.paths)
                have.sysctls.update(snap_round.sysctls)
                have.notes.update(snap_round.notes)
                if have.time_ns is None:
                    have.time_ns, have.time_from = snap_round.time_ns, snap_round.time_from
                break
        else:
            snap_round.file = name
            out.append(snap_round)
    return out


def read_inputs(paths: Iterable[str], stdin: Callable[[], bytes] | None = None) -> Intake:
    """Everything that the command line named: files, directories, archives, "-" for standard input.

    Never raises for bad content: what cannot be read is in `problems`.  OSError of a file that is not
    there is one too.
    """
    result = Intake()
    rounds: list[_Round] = []
    for order, name in enumerate(paths):
        if name == "-":
            data = stdin() if stdin is not None else b""
            if not data.strip():
                result.problems.append(Problem("standard input", "empty"))
                continue
            rounds.extend(_from_bytes(data, "", order, None, result.problems))
            continue
        path = Path(name)
        try:
            if path.is_dir():
                rounds.extend(_read_directory(path, order, result.problems))
                continue
            data = path.read_bytes()
            mtime = path.stat().st_mtime_ns
        except OSError as error:
            result.problems.append(Problem(name, f"{error.strerror or error}"))
            continue
        if not data.strip():
            result.problems.append(Problem(name, "empty"))
            continue
        rounds.extend(_from_bytes(data, name, order, mtime, result.problems))
    result.snapshots = _merge(rounds)
    return result


def _read_directory(root: Path, order: int, problems: list[Problem]) -> list[_Round]:
    """A directory: an unpacked support archive (one moment), or a handful of loose files (moments by
    their times)."""
    rounds: list[_Round] = []
    files = sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    tree = any(_single_value(str(p)) or "/proc/" in str(p) or "sos_commands" in str(p) for p in files)
    for p in files[:20000]:
        name = str(p.relative_to(root))
        try:
            if p.stat().st_size > MAX_BYTES:
                continue
            single = _single_value(name)
            if tree and not single and not _WANTED.search(name):
                continue
            data = p.read_bytes()
            mtime = p.stat().st_mtime_ns
        except OSError as error:
            problems.append(Problem(str(p), f"{error.strerror or error}"))
            continue
        if single:
            rounds.append(_single_round(single, data.decode("utf-8", "replace"), order))
        elif data.strip():
            rounds.extend(_from_bytes(data, name, order, None if tree else mtime, problems))
    if tree:
        return _fold(rounds, str(root), order)
    if not rounds:
        problems.append(Problem(str(root), "no file that doctor knows"))
    return rounds


def read_text(text: str, name: str = "") -> Intake:
    """Snapshots of one text, as if it had come on standard input (or from a file of that name)."""
    result = Intake()
    result.snapshots = _merge(_read_text(text, name, 0, None, result.problems))
    return result


def read_machine_snapshot(text: str, machine: str) -> Intake:
    """Snapshots that a machine of rxpath wrote: the same form as a real host's and read by the same code.

    `machine` names it in messages.  Kept as an entry of its own so that whoever writes such snapshots has one place
    to meet this package.
    """
    return read_text(text, machine)
