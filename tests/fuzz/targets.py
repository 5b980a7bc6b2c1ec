"""What is fuzzed: one function a parser, bytes in; an exception that is not documented ends it.

Both drivers use these: hypothesis in the suite (test_targets.py) and atheris for as long as wanted (`make fuzz`,
tools/fuzz_parsers.py).  A target never writes, never waits and bounds what it reads.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rxpath.config import ConfigError, MachineConfig, NicConfig
from rxpath.conform.rename import rename
from rxpath.formats.errors import FormatError
from rxpath.formats.recognise import recognise_all
from rxpath.link.capture import CaptureError, CaptureReader
from rxpath.link.filter import FilterError, compile_filter
from rxpath.machine import Machine
from rxpath.net.core.dev_ioctl import dev_ioctl
from rxpath.net.core.ethtool_ioctl import dev_ethtool
from rxpath.packetdrill.parser import parse as parse_script
from rxpath.packetdrill.script import ScriptError
from rxpath.tools.run import run_command
from rxpath.tune.intake import read_text
from rxpath.wire.arp import ArpRepr
from rxpath.wire.ethernet import WireError
from rxpath.wire.ipv4 import ipv4_fragment, ipv4_options
from rxpath.wire.tcp import tcp_options

ROOT = Path(__file__).resolve().parents[2]
MOST = 1 << 16  # bytes of one input


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
    """A file of /proc or a command's output, known or not: FormatError at most."""
    try:
        recognise_all(words(data))
    except FormatError as e:
        assert str(e)


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
    )
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
    return [bytes.fromhex("0040020000000002020000000001080045000024123400004011") + bytes(60)]


def options(name: str) -> dict[str, Any]:
    """Sizes for the drivers."""
    return {"max_len": 4096 if name != "frames" else 1 << 14}
