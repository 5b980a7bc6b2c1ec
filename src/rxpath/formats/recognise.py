"""Which of the formats is this?  For texts that somebody pasted, piped in, or that lie in a report's files.

Belongs here: telling formats apart by their content, taking a shell session apart into commands and their
outputs, and reading names of report files (`ethtool_-S_eth0`).  No judgement of the numbers.

A text is cleaned first: byte order mark, CRLF, terminal colours, mail quoting, uniform indentation, and
prompts after the last output go.  Then it is divided at commands (`# ethtool -S eth0`, `root@host:~$ cat
/proc/softirqs`, a bare `ethtool -g eth0`), at the headings of head and tail (`==> FILE <==`), and where a
known heading begins in the middle.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import (
    arp,
    cpuinfo,
    dev_mcast,
    dmesg,
    igmp,
    interrupts,
    irq,
    meminfo,
    neigh_stat,
    net_dev,
    netstat,
    nstat,
    packet,
    protocols,
    ptype,
    raw,
    route,
    snmp,
    snmp6,
    sockstat,
    softirqs,
    softnet_stat,
    ss,
    stat,
    sysctl,
    sysfs,
    tcp,
    trace_event,
    udp,
    uname,
)
from .errors import FormatError, shown
from .ethtool import (
    channels,
    coalesce,
    driver_info,
    features,
    messages,
    pause,
    register_dump,
    ring,
    rx_flow_hash,
    rxclass,
    rxfh,
    self_test,
    settings,
    statistics,
)
from .ip import link, neigh
from .ip import route as ip_route
from .line_pairs import LinePairs

FORMAT = "input"


@dataclass(frozen=True, slots=True)
class Recognised:
    """One text and what it is.

    `kind`: a key of KINDS.  `value`: what that format's `parse` gives.  `device`: from the text, else from
    the command or file name, else "".  `source`: the command or file name that stood before the text, else
    "".
    """

    kind: str
    value: object
    device: str = ""
    source: str = ""
    text: str = ""


# kind -> parser; the kind of a /proc file is its path below /proc without net/, of a program its command
KINDS: dict[str, Callable[[str], object]] = {
    "softnet_stat": softnet_stat.parse,
    "interrupts": interrupts.parse,
    "softirqs": softirqs.parse,
    "stat": stat.parse,
    "meminfo": meminfo.parse,
    "cpuinfo": cpuinfo.parse,
    "dev": net_dev.parse,
    "snmp": snmp.parse,
    "netstat": netstat.parse,
    "snmp6": snmp6.parse,
    "udp": udp.parse,
    "tcp": tcp.parse,
    "raw": raw.parse,
    "ptype": ptype.parse,
    "protocols": protocols.parse,
    "sockstat": sockstat.parse,
    "arp": arp.parse,
    "route": route.parse,
    "igmp": igmp.parse,
    "dev_mcast": dev_mcast.parse,
    "packet": packet.parse,
    "cache_stat": neigh_stat.parse,
    "spurious": irq.parse_spurious,
    "sysctl": sysctl.parse,
    "sysfs": sysfs.parse,
    "uname": uname.parse,
    "dmesg": dmesg.parse,
    "trace": trace_event.parse,
    "ss": ss.parse,
    "nstat": nstat.parse,
    "ip link": link.parse,
    "ip route": ip_route.parse,
    "ip neigh": neigh.parse,
    "ethtool": settings.parse,
    "ethtool -a": pause.parse,
    "ethtool -c": coalesce.parse,
    "ethtool -d": register_dump.parse_registers,
    "ethtool -e": register_dump.parse,
    "ethtool -g": ring.parse,
    "ethtool -i": driver_info.parse,
    "ethtool -k": features.parse,
    "ethtool -l": channels.parse,
    "ethtool -n": rxclass.parse,
    "ethtool -n rx-flow-hash": rx_flow_hash.parse,
    "ethtool -S": statistics.parse,
    "ethtool -t": self_test.parse,
    "ethtool -x": rxfh.parse,
    "message": messages.parse,
}

# what the first line of a text looks like -> its kind.  The order decides where two would match.
_FIRST: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.ASCII))
    for kind, pattern in (
        ("ethtool -S", r"(?:NIC|PHY) statistics:$"),
        ("ethtool -g", r"Ring parameters for \S+:$"),
        ("ethtool -l", r"Channel parameters for \S+:$"),
        ("ethtool -k", r"(?:Features|Offload parameters) for \S+:$"),
        ("ethtool -c", r"Coalesce parameters for \S+:$"),
        ("ethtool -a", r"Pause parameters for \S+:$"),
        ("ethtool -x", r"RX flow hash indirection table for \S+ with "),
        (
            "ethtool -n rx-flow-hash",
            r".* flows (?:use these fields for computing Hash flow key:|- All matching)",
        ),
        ("ethtool -n", r"[0-9]+ RX rings available$|Total [0-9]+ rules$"),
        ("ethtool", r"Settings for \S+:$"),
        ("ethtool -i", r"driver: \S+"),
        ("ethtool -t", r"The test result is (?:PASS|FAIL)$"),
        ("ethtool -e", r"Offset\s+Values$"),
        ("ethtool -d", r"MAC Registers$"),
        ("softnet_stat", r"(?:[0-9a-f]{8} ?){9,64}$"),
        ("dev", r"Inter-\| +Receive "),
        ("snmp", r"Ip: Forwarding |(?:Icmp|IcmpMsg|Tcp|Udp|UdpLite): [A-Z]"),
        ("netstat", r"(?:TcpExt|IpExt|MPTcpExt): [A-Z]"),
        ("snmp6", r"Ip6InReceives\s"),
        ("udp", r"\s*sl +local_address .* drops *$"),
        ("tcp", r"\s*sl +local_address .* inode *$"),
        ("ptype", r"Type Device +Function$"),
        ("protocols", r"protocol +size +sockets "),
        ("sockstat", r"sockets: used |TCP6: inuse "),
        ("arp", r"IP address +HW type "),
        ("route", r"Iface\s+Destination\s+Gateway "),
        ("igmp", r"Idx\s+Device +: Count Querier"),
        ("packet", r"sk +RefCnt Type Proto "),
        ("cache_stat", r"entries +(?:allocs|in_hit) "),
        ("stat", r"cpu  ?[0-9]+ [0-9]+ "),
        ("meminfo", r"MemTotal: +[0-9]+ kB$"),
        ("cpuinfo", r"processor\s*: [0-9]+$"),
        ("spurious", r"count [0-9]+$"),
        ("uname", r"Linux version [0-9]|Linux \S+ [0-9]+\.[0-9]+"),
        ("ss", r"(?:Netid +)?(?:State +)?Recv-Q +Send-Q +Local Address:Port"),
        ("ss", r"(?:UNCONN|ESTAB|LISTEN) +[0-9]+ +[0-9]+ +\S+:"),
        ("nstat", r"#(?:kernel|[0-9]+\.[0-9]+ )|\{\"kernel\":"),
        ("ip link", r"[0-9]+: [^\s:]+(?:@\S+)?: <[A-Z]"),
        ("ip link", r"[0-9]+: [^\s:]+ +inet6? "),
        ("ip neigh", r"\S+ dev \S+ (?:lladdr \S+ .*)?(?:[A-Z]+) ?$"),
        (
            "ip route",
            r"(?:(?:unicast|local|broadcast|unreachable) )?(?:default|[0-9.]+/[0-9]+) (?:via |dev |nhid )",
        ),
        ("ip route", r"(?:local|broadcast|unreachable|blackhole|prohibit) [0-9.]+(?:/[0-9]+)? ?(?:dev |$)"),
        ("dmesg", r"(?:<[0-9]+>)?\[ *[0-9]+\.[0-9]{6}\](?: |$)"),
        ("trace", r"# tracer: |.{1,64}-[0-9]+ +(?:\(.{7}\) )?\[[0-9]{3,}\] .*[0-9]\.[0-9]{6}: \w+:"),
        ("sysctl", r"[a-z0-9_]+(?:\.[A-Za-z0-9_@:/*-]+)+ ?= ?|/proc/sys/[^\s:=]+(?: = |:)"),
        ("sysfs", r"/(?:sys|proc)/\S+?(?: = |:|=)"),
        ("dev_mcast", r"[0-9]+ +\S+ +[0-9]+ +[0-9]+ +[0-9a-f]{12,40}$"),
        ("message", r"(?:netlink error: |Cannot get |no stats available$)"),
    )
)
_CPU_HEADER = re.compile(r"\s*CPU[0-9]+(?:\s+CPU[0-9]+)*\s*$", re.ASCII)
_IRQ_ROW = re.compile(r"\s*(?:[0-9]+|[A-Z]{3}): +(?:[0-9]+ +)+\S*[A-Za-z]", re.ASCII)
_SOFTIRQ_ROW = re.compile(
    r"\s*(?:HI|TIMER|NET_TX|NET_RX|BLOCK|TASKLET|SCHED|HRTIMER|RCU|(?:BLOCK_IOPOLL|IRQ_POLL)): "
)
_NETDEV_ROW = re.compile(r"\s*\S+?: *[0-9]+(?: +[0-9]+){15}\s*$", re.ASCII)

_PROGRAMS = (
    "cat|zcat|more|less|head|tail|grep|egrep|zgrep|ethtool|ip|ss|nstat|netstat|sysctl|dmesg|uname|ifconfig"
    "|lspci|for|find|ls|ps|watch"
)
_BIN = r"(?:sudo +)?(?:/\S*/)?"
_PROMPT = re.compile(
    rf"(?:\[?[\w.-]+@[\w.-]+[^#$%]{{0,80}}[#$%] ?|(?:ba|z)?sh[-0-9.]*[#$] ?|[#$%] )"
    rf"(?P<command>{_BIN}(?:{_PROGRAMS})(?: .*)?)",
    re.ASCII,
)
_BARE = re.compile(
    rf"(?P<command>{_BIN}(?:ethtool(?: -{{1,2}}[A-Za-z][\w-]*)? [\w.@:-]+(?: [\w-]+)*"
    r"|(?:cat|zcat) /\S+(?: /\S+)*|ss -[A-Za-z]+|nstat(?: -\w+)?"
    r"|ip(?: -\w+)* (?:link|addr|a|route|r|neigh|n)(?: show)?(?: \S+)*|sysctl -a|dmesg|uname -[ar])) *",
    re.ASCII,
)
_EMPTY_PROMPT = re.compile(r"\[?[\w.-]+@[\w.-]+[^#$%]{0,80}[#$%] *", re.ASCII)
_HEADING = re.compile(r"==> (?P<file>.+) <==")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_OPTIONS = {
    "--driver": "-i",
    "--statistics": "-S",
    "--show-ring": "-g",
    "--show-channels": "-l",
    "--show-features": "-k",
    "--show-offload": "-k",
    "--show-coalesce": "-c",
    "--show-rxfh": "-x",
    "--show-rxfh-indir": "-x",
    "--show-nfc": "-n",
    "--show-ntuple": "-n",
    "-u": "-n",
    "--show-pause": "-a",
    "--register-dump": "-d",
    "--test": "-t",
}


def clean(text: str) -> str:
    """The text without what copying adds: byte order mark, CRLF, colours, quoting, uniform indentation."""
    text = (
        _COLOUR.sub("", text.removeprefix("\ufeff"))
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\0", "")
    )
    lines = text.split("\n")
    full = [line for line in lines if line.strip()]
    if full and all(line.startswith(">") for line in full):
        lines = [line[1:].removeprefix(" ") if line.startswith(">") else line for line in lines]
    while lines and (not lines[0].strip()):
        lines.pop(0)
    while lines and (not lines[-1].strip() or _EMPTY_PROMPT.fullmatch(lines[-1].rstrip())):
        lines.pop()
    if not lines:
        return ""
    whole = "\n".join(lines) + "\n"
    return whole if kind_of(whole) else textwrap.dedent(whole)


def kind_of(text: str) -> str:
    """The kind of ONE clean text by its content; "" for none.  Cheap: looks at the first lines only."""
    lines = text.split("\n")[:200]
    first = next((line for line in lines if line.strip()), "")
    if _CPU_HEADER.match(first):
        if any(_SOFTIRQ_ROW.match(line) for line in lines):
            return "softirqs"
        return "interrupts" if any(":" in x for x in lines) else ""
    for kind, pattern in _FIRST:
        if pattern.match(first):
            if (
                kind == "udp"
                and first.startswith("  sl")
                and first.endswith("drops")
                and "remote_address" not in first
            ):
                return "raw"  # not padded, unlike udp
            return kind
    if first.startswith("["):
        return _json_kind(text)
    if _NETDEV_ROW.match(first):
        return "dev"
    if _IRQ_ROW.match(first) and not _SOFTIRQ_ROW.match(first):
        return "interrupts"
    return ""


def _json_kind(text: str) -> str:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, list) or not data or not isinstance(data[0], dict):
        return ""
    if "ifname" in data[0] and "flags" in data[0]:
        return "ip link json"
    return ""


@dataclass(frozen=True, slots=True)
class Hint:
    """What a command line or a file name says: the kind (or ""), the device (or "")."""

    kind: str = ""
    device: str = ""


_FILE_KINDS = {
    "softnet_stat": "softnet_stat",
    "interrupts": "interrupts",
    "softirqs": "softirqs",
    "stat": "stat",
    "meminfo": "meminfo",
    "cpuinfo": "cpuinfo",
    "dev": "dev",
    "snmp": "snmp",
    "netstat": "netstat",
    "snmp6": "snmp6",
    "udp": "udp",
    "udp6": "udp",
    "udplite": "udp",
    "tcp": "tcp",
    "tcp6": "tcp",
    "raw": "raw",
    "raw6": "raw",
    "icmp": "raw",
    "ptype": "ptype",
    "protocols": "protocols",
    "sockstat": "sockstat",
    "sockstat6": "sockstat",
    "arp": "arp",
    "route": "route",
    "igmp": "igmp",
    "dev_mcast": "dev_mcast",
    "packet": "packet",
    "spurious": "spurious",
    "arp_cache": "cache_stat",
    "rt_cache": "cache_stat",
    "version": "uname",
}
_REPORT = re.compile(r"(?:.*/)?(ethtool|ip|ss|sysctl|dmesg|uname|nstat|netstat)(?:_(.*))?")
_PROC_FILE = re.compile(r"(?:.*/)?(?:proc/)(?:net/|net/stat/|irq/[0-9]+/|self/net/)?([a-z0-9_]+)", re.ASCII)


def hint_of(source: str) -> Hint:
    """The hint in a command line (`ethtool -S eth0`), a path (`/proc/net/udp`) or a report's file name.

    A bare `softnet_stat` or `interrupts` counts as the file of that name.
    """
    words = source.strip().split()
    while words and (words[0] == "sudo" or words[0] in ("cat", "zcat", "more", "less", "head", "tail", "-n")):
        words.pop(0)
    if not words:
        return Hint()
    if len(words) == 1:
        name = re.sub(r"\.(?:txt|log|out|gz)$", "", words[0])
        match = _PROC_FILE.fullmatch(name)
        if match is not None and match[1] in _FILE_KINDS:
            return Hint(_FILE_KINDS[match[1]])
        if name in _FILE_KINDS:
            return Hint(_FILE_KINDS[name])
        match = _REPORT.fullmatch(name)
        if match is not None:
            return _report_hint(match[1], match[2] or "")
        return Hint()
    program = words[0].rsplit("/", 1)[-1]
    if program == "ethtool":
        pipe = words.index("|") if "|" in words else len(words)
        return _ethtool_hint(words[1:pipe])
    if program == "ip":
        names = [w for w in words[1:] if not w.startswith("-")]
        return Hint(_ip_kind(names[0]) if names else "", "")
    if program in ("ss", "nstat", "dmesg", "uname", "sysctl"):
        return Hint(program)
    return Hint()


def _report_hint(program: str, rest: str) -> Hint:
    if program == "ethtool":
        match = re.fullmatch(r"(-{1,2}[A-Za-z][A-Za-z-]*)_(.+)", rest)
        return _ethtool_hint([match[1], match[2]] if match is not None else [rest])
    if program == "ip":
        names = [w for w in rest.split("_") if w and not w.startswith("-")]
        return Hint(_ip_kind(names[0]) if names else "")
    return Hint(program if program in KINDS else "")


def _ip_kind(word: str) -> str:
    for name, kind in (
        ("link", "ip link"),
        ("address", "ip link"),
        ("route", "ip route"),
        ("neighbour", "ip neigh"),
    ):
        if name.startswith(word):
            return kind
    return "ip neigh" if word == "neighbor" else ""


def _ethtool_hint(words: list[str]) -> Hint:
    options = [
        w for w in words if w.startswith("-") and w not in ("-I", "--json", "-j", "--include-statistics")
    ]
    names = [w for w in words if not w.startswith("-") and w not in ("hex", "on", "off", "raw")]
    option = _OPTIONS.get(options[0], options[0]) if options else ""
    kind = f"ethtool {option}".strip()
    if "rx-flow-hash" in names:
        kind = "ethtool -n rx-flow-hash"
    return Hint(kind if kind in KINDS else "", names[0] if names else "")


def recognise(text: str, source: str = "") -> Recognised:
    """What ONE text is.  `source`: the command or file name it came from, "" when unknown.

    FormatError, one line: nothing known, or known by its first line but broken further down.
    """
    text = clean(text)
    hint = hint_of(source)
    if not text.strip():
        raise FormatError(FORMAT, 0, "empty")
    kind = "message" if _all_messages(text) else kind_of(text)
    if kind in ("udp", "raw") and hint.kind in ("udp", "raw"):
        kind = hint.kind
    if kind == "ip link json":
        return Recognised("ip link", link.from_json(json.loads(text)), hint.device, source, text)
    if not kind and hint.kind:  # e.g. lines of ethtool -S that grep cut out
        try:
            value = KINDS[hint.kind](text)
        except FormatError:
            pass  # something else that this command prints
        else:
            return Recognised(hint.kind, value, _device(value) or hint.device, source, text)
    if not kind:
        found = _one_value(text, source)
        if found is not None:
            return found
        raise FormatError(
            FORMAT, 1, f"this is none of the texts I know: {shown(text.strip().split(chr(10))[0])}"
        )
    value = KINDS[kind](text)
    return Recognised(kind, value, _device(value) or hint.device, source, text)


def _all_messages(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    return bool(lines) and all(messages.is_message(line) for line in lines)


def _one_value(text: str, source: str) -> Recognised | None:
    """A file of one value: `cat /sys/class/net/eth0/mtu`, /proc/sys/net/core/rmem_max,
    /proc/irq/24/smp_affinity.
    """
    word = source.strip().split()[-1] if source.strip() else ""
    at = max(word.rfind("/proc/sys/"), word.rfind("/sys/class/"), word.rfind("/proc/irq/"))
    if at < 0 and word.startswith(("proc/sys/", "sys/class/", "proc/irq/")):
        word, at = "/" + word, 0
    if at < 0 or text.count("\n") > 1:
        return None
    path = word[at:]
    if path.startswith("/proc/sys/"):
        value: object = sysctl.SysctlAll({sysctl.name_of_path(path): text.strip()})
        return Recognised("sysctl", value, "", source, text)
    return Recognised("sysfs", sysfs.Sysfs({path: text.strip()}), "", source, text)


def _device(value: object) -> str:
    device = getattr(value, "device", "")
    return device if isinstance(device, str) else ""


def recognise_all(text: str, source: str = "") -> list[Recognised]:
    """Everything in a text: a shell session, several outputs one after the other, or one output.

    Parts that are nothing known are passed over as long as something else is known; FormatError when nothing
    is, or when a part is known by its heading but broken.
    """
    found: list[Recognised] = []
    unknown: FormatError | None = None
    for part_source, part in split(clean(text), source):
        if not part.strip():
            continue
        for block in [part] if _all_messages(part) else _blocks(part):
            known = "" if _all_messages(block) else kind_of(clean(block))
            try:
                found.extend(_apart(recognise(block, part_source)))
            except FormatError as error:
                if known:
                    raise
                unknown = unknown or error
    if not found:
        raise unknown or FormatError(FORMAT, 0, "empty")
    return found


def _apart(one: Recognised) -> list[Recognised]:
    """snmp and netstat printed by one cat are one text of line pairs: make them two."""
    if one.kind not in ("snmp", "netstat") or not isinstance(one.value, LinePairs):
        return [one]
    ext = tuple(g for g in one.value.groups if g.name.endswith("Ext"))
    mib = tuple(g for g in one.value.groups if not g.name.endswith("Ext"))
    out: list[Recognised] = []
    if mib:
        out.append(replace(one, kind="snmp", value=LinePairs(mib)))
    if ext:
        out.append(replace(one, kind="netstat", value=LinePairs(ext)))
    return out


def split(text: str, source: str = "") -> list[tuple[str, str]]:
    """(command or file name, output) in order; what stands before the first command has `source`."""
    out: list[tuple[str, list[str]]] = [(source, [])]
    for line in text.split("\n"):
        stripped = line.strip()
        heading = _HEADING.fullmatch(stripped)
        match = _PROMPT.fullmatch(stripped) or _BARE.fullmatch(stripped)
        if heading is not None:
            out.append((heading["file"], []))
        elif match is not None:
            out.append((match["command"].strip(), []))
        elif not _EMPTY_PROMPT.fullmatch(line.rstrip()):
            out[-1][1].append(line)
    return [(name, "\n".join(lines) + "\n") for name, lines in out if any(x.strip() for x in lines)]


def _blocks(text: str) -> list[str]:
    """Cut a text where another known heading begins.  Rows of the same kind stay together."""
    blocks: list[list[str]] = [[]]
    kind = ""
    for line in text.split("\n"):
        starts = _starts(line)
        again = starts in _HEADED and not (starts == "ss" and "Recv-Q" not in line)
        if starts and blocks[-1] and (starts != kind or again) and not _inside(kind, starts):
            if any(x.strip() for x in blocks[-1]):
                blocks.append([])
            kind = starts
        elif starts and not kind:
            kind = starts
        blocks[-1].append(line)
    return ["\n".join(b) + "\n" for b in blocks if any(x.strip() for x in b)]


# kinds whose first line appears only once in a text: a second one opens a second text
_HEADED = frozenset(
    {
        "ethtool -S", "ethtool -g", "ethtool -l", "ethtool -k", "ethtool -c", "ethtool -a", "ethtool -x",
        "ethtool", "ethtool -i", "ethtool -t", "ethtool -e", "ethtool -d", "ethtool -n rx-flow-hash", "dev",
        "cpu", "ss", "nstat", "arp", "route", "udp", "tcp", "ptype", "packet", "igmp", "protocols",
        "cache_stat",
    }
)  # fmt: skip


def _starts(line: str) -> str:
    if _CPU_HEADER.match(line):
        return "cpu"
    if line[:1] in (" ", "\t") and not line.lstrip().startswith("sl "):
        return ""
    for kind, pattern in _FIRST:
        if pattern.match(line):
            return kind
    return ""


def _inside(kind: str, starts: str) -> bool:
    """Lines that look like the start of another kind but belong to the one at hand."""
    pairs = ("snmp", "netstat")
    if kind in pairs and starts in pairs:
        return True
    if kind == "cpu":
        return starts not in _HEADED and starts not in (
            "snmp",
            "netstat",
            "softnet_stat",
            "ip link",
            "sysctl",
            "dmesg",
        )
    if kind in (
        "dmesg",
        "trace",
        "ip link",
        "sysctl",
        "sysfs",
        "stat",
        "cpuinfo",
        "nstat",
        "ethtool",
        "ethtool -d",
    ):
        loose = (
            "ip neigh",
            "ip route",
            "message",
            "stat",
            "spurious",
            "sysfs",
            "sysctl",
            "cpuinfo",
            "dmesg",
            "dev_mcast",
        )
        return starts in loose or (kind == "nstat" and starts == "snmp6")
    if kind == "ethtool -n":
        return starts == "ethtool -n"
    if kind in ("ip route", "ip neigh", "ss", "tcp", "udp"):
        return starts in ("ip route", "ip neigh", "ss") and not (kind == starts == "ss")
    return False
