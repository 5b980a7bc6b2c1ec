"""The machine one sits at: frames and time by hand, stops, traces, pipes; and `rxpath shell` from outside."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from rxpath.cli.shell import completions
from rxpath.tools.console import Console


class Seat:
    """A console whose stops are answered from a list."""

    def __init__(self, machine: Any, answers: list[str] | None = None) -> None:
        self.parts: list[str] = []
        self.answers = list(answers or [])
        self.console = Console(machine, self.parts.append, self.ask)

    def ask(self, prompt: str) -> str | None:
        return self.answers.pop(0) if self.answers else None

    def do(self, line: str) -> str:
        self.parts.clear()
        done = self.console.execute(line)
        return "".join(self.parts) + done.stdout + done.stderr


def test_inject_and_run(m: Any) -> None:
    s = Seat(m)
    t = m.now
    assert "1 frame of 106 bytes at eth0's wire" in s.do("inject udp dport=9 size=64")
    assert m.now == t  # time stands still
    s.do("run 10ms")
    assert m.now == t + 10_000_000 and m.ledger.wire == 1
    assert "1 dropped: udp: no socket on that port" in s.do("drops")
    assert s.do("drops | grep -c NoPorts") == "1\n"
    assert s.do("ethtool -S eth0 | grep rx_packets").split() == ["rx_packets:", "1"]
    assert "3 frames" in s.do("inject udp count=3")
    frame = "ffffffffffff 020000000001 0806" + "00" * 46
    assert "1 frame of 60 bytes" in s.do(f"inject {frame}")


def test_load_and_listen(m: Any) -> None:
    s = Seat(m)
    s.do("listen udp:9,cpu=1")
    assert "500 frames in" in (text := s.do("load rate=100k count=500")) and "500 delivered" in text
    s.do("ethtool -G eth0 rx 64")
    assert m.ledger.delivered == 500


def test_replay(m: Any, tmp_path: Any) -> None:
    from rxpath.link.capture_writer import open_writer
    from rxpath.wire.build import udp_frame

    path = str(tmp_path / "a.pcap")
    w = open_writer(path)
    for i in range(20):
        w.write(
            i * 1000,
            udp_frame(b"\x02\0\0\0\0\x01", m.dev("eth0").dev_addr, 0x0A000001, 0x0A000002, 5, 9, bytes(20)),
        )
    w.close()
    assert "20 frames in" in Seat(m).do(f"replay {path}")
    assert "No such file" in Seat(m).do("replay /nosuch/file")


def test_stop_where_step_continue(m: Any) -> None:
    s = Seat(
        m, ["where", "cat /proc/uptime", "ip link set eth0 down", "step", "where", "stop-at off", "continue"]
    )
    s.do("stop-at udp_rcv")
    s.do("inject udp")
    text = s.do("run 5ms")
    assert "stopped at udp_rcv on cpu0" in text and "skb of 72 bytes, eth0" in text
    assert "net_rx_action" in text and "stopped at __udp4_lib_rcv" in text
    assert "at a stop nothing can be changed" in text and m.dev("eth0").flags & 1
    assert m.ledger.wire == 1 and not s.answers
    s.do("inject udp")
    assert "stopped" not in s.do("run 5ms")


def test_trace_on_and_off(m: Any) -> None:
    s = Seat(m)
    s.do("trace on")
    s.do("inject udp")
    text = s.do("run 1ms")
    lines = [x.strip() for x in text.splitlines()]
    assert lines.index("e1000e_poll") < lines.index("ip_rcv_core") < lines.index("udp_rcv")
    s.do("trace off")
    s.do("inject udp")
    assert s.do("run 1ms") == ""


def test_tracepoints(m: Any) -> None:
    s = Seat(m)
    assert "napi:napi_poll napi dev_name work budget" in s.do("trace list")
    s.do("trace napi:napi_poll skb:*")
    s.do("inject udp")
    text = s.do("run 1ms")
    assert "napi_poll: napi=" in text and "work=1 budget=64" in text
    assert "kfree_skb: skb=" in text and "reason=NO_SOCKET" in text
    s.do("trace off")
    s.do("inject udp")
    assert s.do("run 1ms") == "" and not m.kernel.trace.napi_poll.on


def test_every_kind_of_frame(m: Any) -> None:
    s = Seat(m)
    for kind in ("arp", "icmp", "tcp"):
        s.do(f"inject {kind}")
        s.do("run 1ms")
    assert s.do("nstat -az IcmpInEchos TcpInSegs | grep -c 1").strip() == "2"
    assert s.do("cat /proc/net/arp").count("02:00:00:00:00:01") == 1
    assert m.ledger.wire == 3 and m.ports[0].transmitted == 3  # a reply, an echo, a reset


def test_step_goes_to_the_next_event(m: Any) -> None:
    s = Seat(m)
    t = m.now
    s.do("step")
    assert m.now > t


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("inject zz", "inject: 'zz' is no frame in hex"),
        ("inject 00", "inject: 1 bytes are no frame (14 at least)"),
        ("inject", "inject: give a frame in hex, or udp"),
        ("inject udp dprt=3", "inject: 'dprt=3' is not understood (did you mean 'dport'?)"),
        ("inject udp src=x", "inject: 'x' is no IPv4 address"),
        ("inject udp dev=eth7", "inject: no interface 'eth7' with a cable"),
        ("run x", "run: 'x' is no time (like 50us or 5ms)"),
        ("load rate=x", "load: 'x' is no"),
        ("lod", "sh: lod: command not found (did you mean 'load'?)"),
        ("trace maybe", "trace: no tracepoint 'maybe'"),
        ("trace", "trace: on, off, list, or tracepoints"),
        ("stop-at udp_rvc", "stop-at: no kernel function 'udp_rvc' here (did you mean 'udp_rcv'?)"),
        ("listen tcp:1", "listen: a reader of tcp is not modelled here"),
    ],
)
def test_wrong_use_is_one_line(shared: Any, line: str, text: str) -> None:
    done = Console(shared, lambda _: None, lambda _: None).execute(line)
    assert done.status != 0 and done.stderr.count("\n") == 1 and done.stderr.startswith(text)


def test_completion(shared: Any) -> None:
    c = Console(shared, lambda _: None, lambda _: None)
    assert completions(c, "eth", "eth") == ["ethtool "]
    assert completions(c, "ethtool -S et", "et") == ["eth0 "]
    assert "/proc/net/softnet_stat" in completions(c, "cat /proc/net/soft", "/proc/net/soft")
    assert completions(c, "cat /sys/class/net/eth", "/sys/class/net/eth") == ["/sys/class/net/eth0/"]
    assert completions(c, "stop-at __udp4_lib_rc", "__udp4_lib_rc") == ["__udp4_lib_rcv "]
    assert completions(c, "inject ", "") == ["arp ", "icmp ", "tcp ", "udp "]
    assert completions(c, "load rate=1k co", "co") == ["count="]
    assert completions(c, "ip link show dev ", "") == ["eth0 ", "lo "]
    assert completions(c, "time; ethtool -i e", "e") == ["eth0 "]
    assert completions(c, "trace o", "o") == ["off ", "on "]
    assert completions(c, f"replay {__file__[:-3]}", __file__[:-3]) == [__file__ + " "]
    assert completions(c, "sysctl net.core.netdev_bud", "net.core.netdev_bud")[0] == "net.core.netdev_budget "


def rxpath(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rxpath", *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_shell_from_standard_input() -> None:
    done = rxpath(
        "shell", stdin="ip -br addr show eth0\nethtool -g eth0 | grep ^RX: | tail -1\nexit\nnever\n"
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == "eth0             UP             10.0.0.2/24 \nRX:\t\t256\n"


def test_shell_with_lines_and_the_last_status() -> None:
    done = rxpath("shell", "-c", "ethtool -G eth0 rx 512", "-c", "ethtool -G eth0 rx 9999")
    assert done.returncode == 81 and "requested ring size exceeds maximum" in done.stderr


def test_do_of_a_run_says_what_failed() -> None:
    done = rxpath("load", "-c", "100", "-q", "--do", "ethtool -L eth0 combined 4")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "rxpath: ethtool -L eth0 combined 4: netlink error: Operation not supported\n"
    done = rxpath("load", "-c", "100", "-q", "--do", "ethtool -G eth0 rx 4096")
    assert done.returncode == 0 and "100 on the wire" in done.stdout
