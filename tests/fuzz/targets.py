"""What is fuzzed: one function a parser, bytes in; an exception that is not documented ends it.

Both drivers use these: hypothesis in the suite (test_targets.py) and atheris for as long as wanted (`make fuzz`,
tools/fuzz_parsers.py).  A target never writes, never waits and bounds what it reads.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import tomllib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.formats.parsers import parsers

from rxpath.config import (
    ConfigError,
    MachineConfig,
    NicConfig,
    parse_cpus,
    parse_listen,
    parse_nic,
    parse_set,
    sysctl_name,
)
from rxpath.conform.adapter import observe
from rxpath.conform.rename import rename
from rxpath.conform.scenario import ScenarioError
from rxpath.formats.errors import FormatError
from rxpath.link.capture import CaptureError, CaptureReader
from rxpath.link.faults import apply_faults
from rxpath.link.filter import FilterError, compile_filter
from rxpath.link.generator import Sizes
from rxpath.link.source import ListSource
from rxpath.live.access import perform
from rxpath.machine import Machine
from rxpath.net.core.dev_ioctl import dev_ioctl
from rxpath.net.core.ethtool_ioctl import dev_ethtool
from rxpath.net.core.filter import BpfProgram, sk_run_filter
from rxpath.net.core.rtnetlink import rtnetlink_rcv
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.rtnetlink import HANDLERS
from rxpath.packetdrill.parser import parse as parse_script
from rxpath.packetdrill.script import ScriptError
from rxpath.sim.costs import ProfileError, profile_of
from rxpath.tools.run import run_command
from rxpath.tune.intake import read_archive, read_text
from rxpath.tune.lint import read_settings
from rxpath.units import (
    parse_bits,
    parse_count,
    parse_cpu_list,
    parse_factor,
    parse_ppm,
    parse_rate,
    parse_size,
    parse_time,
)
from rxpath.wire.arp import ArpRepr
from rxpath.wire.ethernet import WireError
from rxpath.wire.ipv4 import ipv4_fragment, ipv4_options
from rxpath.wire.tcp import tcp_options

ROOT = Path(__file__).resolve().parents[2]
MOST = 1 << 16  # bytes of one input
PARSERS = parsers()


class Machines:
    """Machines that targets share, made when first asked for."""

    def __init__(self) -> None:
        self.made: dict[str, Machine] = {}
        self.since = 0

    def get(self, model: str = "e1000e") -> Machine:
        self.since += 1
        if self.since > 2000:  # a long run starts anew now and then, so that what leaks stays small
            self.close()
        m = self.made.get(model)
        if m is None:
            m = self.made[model] = Machine(MachineConfig(nics=[NicConfig(model=model, addresses=["10.0.0.2/24"])]))
            m.boot()
        return m

    def close(self) -> None:
        self.since = 0
        for m in self.made.values():
            m.close()
        self.made.clear()


MACHINES = Machines()


def words(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", " ")


def capture(data: bytes) -> None:
    """pcap and pcapng: CaptureError, and no more records than bytes."""
    try:
        with CaptureReader(io.BytesIO(data)) as reader:
            n = sum(1 for _ in reader.records())
            assert n <= len(data)
            for _ in reader:
                pass
    except CaptureError as e:
        assert "\n" not in str(e)


def machine_file(data: bytes) -> None:
    """A machine file: ConfigError in one line."""
    try:
        MachineConfig.from_toml(words(data))
    except ConfigError as e:
        assert "\n" not in str(e)


def snapshot(data: bytes) -> None:
    """What a host told: never an exception, problems are listed."""
    read_text(words(data))


def format_text(data: bytes) -> None:
    """A file of /proc or a command's output, given to every parser: FormatError at most."""
    text = words(data)
    for parse in PARSERS.values():
        try:
            parse(text)
        except FormatError as e:
            assert "\n" not in str(e)


def capture_filter(data: bytes) -> None:
    """A filter's text and a frame behind a zero byte: FilterError, and a filter takes any frame."""
    text, _, frame = data.partition(b"\0")
    try:
        compile_filter(text.decode("utf-8", "replace"))(frame)
    except FilterError as e:
        assert "\n" not in str(e)


def script(data: bytes) -> None:
    """A packetdrill script: ScriptError."""
    try:
        parse_script(words(data))
    except ScriptError as e:
        assert str(e)


def ethtool_ioctl(data: bytes) -> None:
    """ioctl(SIOCETHTOOL): 0, a result or -errno, whatever the structure holds."""
    net = MACHINES.get().net
    r = MACHINES.get().in_task(lambda: dev_ethtool(net, "eth0", bytearray(data)))
    assert -4096 < r


def interface_ioctl(data: bytes) -> None:
    """ioctl on an ifreq: OSError with Linux's errno."""
    m = MACHINES.get()
    cmd = 0x8900 + (data[0] if data else 0)
    try:
        m.in_task(lambda: dev_ioctl(m.net, cmd, bytearray((b"eth0" + bytes(12) + data[1:]).ljust(40, b"\0")[:40])))
    except OSError as e:
        assert e.errno


def command(data: bytes) -> None:
    """A line for the machine's shell: an exit status, never an exception."""
    done = run_command(MACHINES.get(), words(data)[:300])
    assert 0 <= done.status <= 255 and "Traceback" not in done.stderr


def iptables(data: bytes) -> None:
    """Arguments of iptables."""
    done = run_command(MACHINES.get(), "iptables " + words(data).replace("\n", " ")[:300])
    assert 0 <= done.status <= 255 and "Traceback" not in done.stderr


def frames(data: bytes) -> None:
    """Frames, each behind its length in two bytes, through device, driver and stack; the law of the ledger holds."""
    m = MACHINES.get()
    port = m.ports[0]
    i = 0
    while i + 2 <= len(data):
        n = int.from_bytes(data[i : i + 2], "big") % 1600
        port.receive(data[i + 2 : i + 2 + n])
        i += 2 + max(n, 1)
    m.run(m.now + 1_000_000)
    m.check()


def packet_headers(data: bytes) -> None:
    """The wire parsers: WireError at most."""
    for fn in (
        lambda: list(ipv4_options(data[:40])),
        lambda: list(tcp_options(data[:40])),
        lambda: ipv4_fragment(data, 100),
        lambda: ArpRepr.parse(data),
    ):
        _wire(fn)


def _wire(fn: Callable[[], Any]) -> None:
    try:
        fn()
    except WireError as e:
        assert str(e)


def renaming(data: bytes) -> None:
    """A frame of a scenario under other names: any bytes."""
    rename({"name": "x", "group": "x", "sockets": [], "steps": [{"op": "inject", "frames": [data.hex()]}]})


def _tool(name: str, data: bytes) -> None:
    done = run_command(MACHINES.get(), name + " " + words(data).replace("\n", " ")[:300])
    assert 0 <= done.status <= 255 and "Traceback" not in done.stderr


def ip_command(data: bytes) -> None:
    """Arguments of ip."""
    _tool("ip", data)


def ethtool_command(data: bytes) -> None:
    """Arguments of ethtool."""
    _tool("ethtool", data)


def ss_command(data: bytes) -> None:
    """Arguments of ss, its filter expressions included."""
    _tool("ss", data)


def sysctl_command(data: bytes) -> None:
    """Arguments of sysctl: names and values."""
    _tool("sysctl", data)


def machine_file_written(data: bytes) -> None:
    """A text written to a file of /proc or /sys, chosen by the first two bytes: OSError with Linux's errno."""
    m = MACHINES.get()
    paths = sorted(p for p, f in m.files.files.items() if f.write is not None and "cpu" not in p)
    path = paths[int.from_bytes(data[:2].ljust(2, b"\0"), "big") % len(paths)]
    try:
        m.in_task(lambda: m.files.write(path, words(data[2:])))
    except OSError as e:
        assert e.errno


def netlink(data: bytes) -> None:
    """A datagram of an AF_NETLINK socket: answers, whatever it holds; no more of them than requests ask for."""
    m = MACHINES.get()
    out = m.in_task(lambda: rtnetlink_rcv(m.net, data, 1, HANDLERS))
    assert sum(map(len, out)) <= 64 * 1024 * (1 + len(data) // 16)


def foreign_request(data: bytes) -> None:
    """What another process asks a machine for, in JSON: an answer with an errno, or a missing key or wrong value."""
    try:
        what = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(what, dict) or what.get("op") == "open":
        return
    m = MACHINES.get()
    try:
        m.in_task(lambda: perform(m, what))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        pass  # the server answers these by an error's text: the other end is our own program


def bpf(data: bytes) -> None:
    """A classic BPF program behind its number of instructions, and a frame that it sees: OSError, or a length."""
    n = data[0] if data else 0
    text = data[1 : 1 + 8 * n]
    try:
        program = BpfProgram(text[: len(text) & ~7])
    except OSError as e:
        assert e.errno
        return
    m = MACHINES.get()

    skb = SkBuff(m.net, data[1 + 8 * n :].ljust(64, b"\0")[:2048], 768)
    skb.mac_header, skb.network_header, skb.transport_header = 0, 14, 34
    skb.dev = m.dev("eth0")
    assert 0 <= sk_run_filter(program, skb) <= 0xFFFFFFFF


def cost_profile(data: bytes) -> None:
    """A cost profile: ProfileError in one line."""
    try:
        profile_of(tomllib.loads(words(data)), "x").costs()
    except ProfileError as e:
        assert "\n" not in str(e)
    except (tomllib.TOMLDecodeError, RecursionError):
        pass  # load_profile says so


def fault_text(data: bytes) -> None:
    """--faults: ValueError in one line; and no more frames than two for each, whatever is asked for."""
    try:
        source = apply_faults(ListSource([(i, bytes(60)) for i in range(20)]), words(data)[:200], 1)
    except ValueError as e:
        assert "\n" not in str(e)
        return
    assert sum(1 for _ in source) <= 20 << 10


def option_text(data: bytes) -> None:
    """Numbers, rates, sizes, times, lists of CPUs, --listen, --nic, --set: ValueError in one line."""
    text = words(data)[:200]
    for parse in (
        parse_count, parse_rate, parse_bits, parse_time, parse_size, parse_factor, parse_ppm, parse_cpu_list, parse_cpus,
        parse_listen, parse_nic, parse_set, sysctl_name, Sizes.parse,
    ):  # fmt: skip
        try:
            made = parse(text)
        except (ValueError, ConfigError) as e:
            assert "\n" not in str(e)
        else:
            assert not isinstance(made, list) or len(made) <= 1 << 16


def settings(data: bytes) -> None:
    """A sysctl.conf for lint."""
    read_settings(words(data))


def archive(data: bytes) -> None:
    """A support archive for the doctor: problems are listed."""
    problems: list[Any] = []
    read_archive(data, "x.tar", problems)
    assert all("\n" not in str(p) for p in problems)


def changed(tree: Any, data: bytes) -> Any:
    """A copy of a JSON document with places of it changed as `data` says, three bytes a change."""
    tree = json.loads(json.dumps(tree))
    odd: tuple[Any, ...] = (None, -1, 0, 1 << 70, 1e300, "", "zz", [], {}, True, "\ud800", [[]], {"op": "inject"}, "00" * 70, 65536)
    for i in range(0, min(len(data), 30) - 2, 3):
        at, key = tree, None
        for step in range(data[i] % 6 + 1):
            if isinstance(at, dict) and at:
                keys = sorted(at)
            elif isinstance(at, list) and at:
                keys = list(range(len(at)))
            else:
                break
            holder, key = at, keys[(data[i + 1] * (step + 7) >> step) % len(keys)]
            at = holder[key]
        if key is None:
            return deepcopy(odd[data[i + 2] % len(odd)])
        kind = data[i + 2] % (len(odd) + 4)
        if kind < len(odd):
            holder[key] = deepcopy(odd[kind])
        elif kind == len(odd):
            del holder[key]
        elif kind == len(odd) + 1 and isinstance(holder, list) and len(holder) < 30:
            holder.insert(key, deepcopy(at))
        elif isinstance(at, int):
            holder[key] = at ^ 1 << data[i + 1] % 40
        elif isinstance(at, str):
            holder[key] = at[: len(at) // 2] + chr(data[i + 1] or 65) + at[len(at) // 2 + 1 :]
    return tree


SCENARIOS = [
    json.loads(p.read_text())["scenario"]
    for group in ("udp", "tcp_data", "frag", "igmp", "mcast", "raw", "icmp", "arp", "forward")
    for p in sorted((ROOT / "tests" / "conform" / "cases" / group).glob("*.json"))[:2]
]


def scenario(data: bytes) -> None:
    """A scenario of `conform --observe`: a document, ScenarioError in one line, or OSError.

    Behind a zero byte the JSON text itself; else changes of a good scenario.
    """
    if data[:1] == b"\0":
        text = data[1:]
    else:
        good = SCENARIOS[(data[0] if data else 1) % len(SCENARIOS)]
        text = json.dumps(changed(good, data[1:])).encode()
        made = json.loads(text)
        if isinstance(made, dict):  # what takes long is another test's
            steps = made.get("steps")
            made["steps"] = steps[:12] if isinstance(steps, list) else steps
            text = json.dumps(made).encode()
    try:
        observe(text)
    except ScenarioError as e:
        assert "\n" not in str(e)
    except OSError as e:
        assert e.errno


TARGETS: dict[str, Callable[[bytes], None]] = {
    f.__name__: f
    for f in (
        capture,
        machine_file,
        snapshot,
        format_text,
        capture_filter,
        script,
        ethtool_ioctl,
        interface_ioctl,
        command,
        iptables,
        frames,
        packet_headers,
        renaming,
        ip_command,
        ethtool_command,
        ss_command,
        sysctl_command,
        machine_file_written,
        netlink,
        foreign_request,
        bpf,
        cost_profile,
        fault_text,
        option_text,
        settings,
        archive,
        scenario,
    )
}


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in (("sos/proc/net/softnet_stat", b"00000001 0 0\n"), ("sos/sos_commands/networking/ethtool_-S_eth0", b"NIC statistics:\n")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


def _netlink_request(kind: int, flags: int, body: bytes) -> bytes:
    return (16 + len(body)).to_bytes(4, "little") + kind.to_bytes(2, "little") + flags.to_bytes(2, "little") + bytes(8) + body


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "ip_command": lambda: [b"-s -d link show dev eth0", b"addr add 10.9.0.1/24 dev eth0", b"route add 10.8.0.0/16 via 10.0.0.1 metric 3", b"neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 nud permanent dev eth0", b"-j -4 route get 10.0.0.5", b"link set eth0 mtu 1400 promisc on txqueuelen 10", b"maddr show", b"-o rule", b"link add link eth0 name v type vlan id 5"],
    "ethtool_command": lambda: [b"-G eth0 rx 512 tx 256", b"-C eth0 rx-usecs 5 adaptive-rx off", b"-K eth0 gro off lro on", b"-L eth0 combined 2", b"-X eth0 equal 2", b"-N eth0 flow-type udp4 dst-port 9 action 1", b"-S eth0", b"-s eth0 speed 100 duplex full autoneg off", b"-A eth0 rx on", b"-t eth0", b"-d eth0 raw on", b"-e eth0 offset 0 length 16"],
    "ss_command": lambda: [b"-uanmpie", b"-t state established '( dport = :80 or sport >= :1024 )'", b"-s", b"-H -x src 10.0.0.0/8", b"-A udp,tcp -K"],
    "sysctl_command": lambda: [b"-w net.ipv4.tcp_rmem='4096 131072 6291456'", b"-a --pattern rmem", b"net.core.flow_limit_cpu_bitmap=3", b"-n net/ipv4/conf/all/rp_filter", b"-e -q x=y", b"net.ipv4.ip_local_port_range=1 65535"],
    "machine_file_written": lambda: [bytes((i >> 8, i & 255)) + v for i in range(0, 700, 23) for v in (b"1\n", b"ffffffff,00000003", b"-1 2 3 4")],
    "netlink": lambda: [_netlink_request(k, f, b) for k, f, b in ((18, 0x301, bytes(16)), (18, 1, bytes(4) + b"\2" + bytes(11)), (22, 0x301, bytes(8)), (26, 1, b"\2 " + bytes(10) + b"\x08\0\1\0\n\0\0\5"), (28, 0x301, bytes(12)), (16, 5, bytes(4) + b"\2" + bytes(11) + b"\x08\0\4\0\xdc\5\0\0"), (20, 0x605, b"\2\x18\0\0\2\0\0\0\x08\0\2\0\x0a\x09\0\1"), (24, 0x605, b"\2\x18\0\0\xfe\3\0\1" + bytes(4) + b"\x08\0\1\0\x0a\x08\0\0\x08\0\4\0\2\0\0\0"))],
    "foreign_request": lambda: [json.dumps(x).encode() for x in ({"op": "lstat", "path": "/proc/net/dev"}, {"op": "names", "path": "/sys/class/net"}, {"op": "contents", "path": "/proc/net/arp"}, {"op": "write", "path": "/proc/sys/net/core/rmem_max", "text": "1"}, {"op": "ioctl", "cmd": 0x8946, "ifr": base64.b64encode(bytes(40)).decode(), "data": ""}, {"op": "rtnetlink", "data": base64.b64encode(_netlink_request(18, 0x301, bytes(16))).decode(), "portid": 1}, {"op": "uname"})],
    "bpf": lambda: [bytes([n]) + p + bytes(60) for n, p in ((1, b"\x06\0\0\0\xff\xff\0\0"), (4, bytes.fromhex("280000000c000000" "1500000100080000" "06000000ffff0000" "0600000000000000")), (5, bytes.fromhex("20000000 04f0ffff" "02000000 03000000" "60000000 03000000" "84000000 00000000" "16000000 00000000")), (3, bytes.fromhex("b100000 00e000000".replace(" ", "").ljust(16, "0")) + bytes.fromhex("4000000002000000" "1600000000000000")))],
    "cost_profile": lambda: [(ROOT / "src/rxpath/sim/costs/default.toml").read_bytes()[:4096], b'[stage.irq_entry]\nlow = 1\ncentral = 2\nhigh = 3\nsource = "x"\n'],
    "fault_text": lambda: [b"drop=1%,duplicate=0.5,corrupt=0.001,delay=5%:50us:10us", b"reorder=20%:3,corrupt-bits=1"],
    "option_text": lambda: [b"300k", b"10Mpps", b"1.5us", b"4MiB", b"0-3,7", b"udp:9,cpu=1,cost=5us,rcvbuf=4M,readers=4,address=10.0.0.2,echo", b"igb:i350", b"net.core.rmem_max=1", b"64:7,576:4,1500:1", b"imix", b"64-1472", b"50ppm", b"2x"],
    "settings": lambda: [b"net.core.rmem_max = 1\n-net/ipv4/ip_forward=1\n# x\n; y\nnet.ipv4.conf.eth0/1.rp_filter=1\n"],
    "archive": lambda: [_tar()],
    "scenario": lambda: [bytes((i, *c)) for i in range(18) for c in ((2, 40, 3), (3, 9, 7, 1, 1, 1), (4, 200, 17))] + [b"\0" + json.dumps(SCENARIOS[0]).encode()],
}


def seeds(name: str) -> list[bytes]:
    """Good inputs of a target, to be mutated."""
    if name == "capture":
        return [p.read_bytes()[:4000] for p in sorted((ROOT / "captures").glob("*.pcap*"))]
    if name == "machine_file":
        return [p.read_bytes() for p in sorted(ROOT.glob("examples/**/*.toml"))[:20]] or [b'release = "6.1"\n']
    if name in ("snapshot", "format_text"):
        return [p.read_bytes()[:3000] for p in sorted((ROOT / "tests" / "formats" / "golden").rglob("*.txt"))[:60]]
    if name == "capture_filter":
        return [b"udp port 53 and not host 10.0.0.1\0" + bytes(60), b"vlan and (tcp or ether proto 0x806)\0"]
    if name == "script":
        return [b"0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+.1 < S 0:0(0) win 100 <mss 1000>\n"]
    if name == "ethtool_ioctl":
        return [c.to_bytes(4, "little") + bytes(n) for c in (1, 3, 0x10, 0x29, 0x2D, 0x37, 0x39, 0x3A, 0x46, 0x4C) for n in (0, 36, 200)]
    if name == "interface_ioctl":
        return [bytes((c,)) + bytes(24) for c in (0x12, 0x13, 0x14, 0x15, 0x21, 0x22, 0x27, 0x42)]
    if name == "command":
        return [b"ip -s link show dev eth0", b"ethtool -S eth0 | grep rx_ && sysctl -a", b"ss -uamn; cat /proc/net/dev"]
    if name == "iptables":
        return [b"-A INPUT -p udp --dport 53 -m limit --limit 3/s -j DROP", b"-t raw -I PREROUTING 1 -s 10.0.0.0/8 -j NOTRACK",
                b"-L -n -v -x --line-numbers", b"-P FORWARD ACCEPT", b"-N X", b"-D INPUT 1", b"-S"]
    if name == "packet_headers":
        return [bytes.fromhex("45000028000040004006b7c80a0000010a000002") + bytes(20), b"\x44\x0c\x05\0" + bytes(8)]
    if name in SEEDS:
        return SEEDS[name]()
    return [bytes.fromhex("0040020000000002020000000001080045000024123400004011") + bytes(60)]


def options(name: str) -> dict[str, Any]:
    """Sizes for the drivers."""
    return {"max_len": 4096 if name != "frames" else 1 << 14}
