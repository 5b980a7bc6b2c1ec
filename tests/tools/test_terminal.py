"""`rxpath shell` at a real terminal, and a running machine from another one: prompt, history, completion, Ctrl-C."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rxpath

pty = pytest.importorskip("pty", reason="needs terminals of Unix")
if "libedit" in (pytest.importorskip("readline", reason="needs a Python with readline").__doc__ or ""):
    pytest.skip("libedit's keys are others", allow_module_level=True)

SRC = str(Path(rxpath.__file__).parents[1])
LIMIT = 40.0
PROMPT = r"\d+\.\d{3} # $"


class Terminal:
    """A program at a terminal of its own: what it wrote, what is typed."""

    def __init__(self, home: Path, *args: str) -> None:
        self.master, slave = pty.openpty()
        env = {
            **os.environ,
            "PYTHONPATH": SRC,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "TERM": "dumb",
            "COLUMNS": "200",
            "INPUTRC": "/dev/null",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rxpath", *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(slave)
        self.text = ""

    def until(self, pattern: str) -> str:
        """Everything up to where `pattern` matches at the end; it is taken away."""
        end = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self.text)):
            left = end - time.monotonic()
            assert left > 0, f"{pattern!r} does not come after {self.text!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    got = os.read(self.master, 65536)
                except OSError:
                    got = b""
                assert got, f"ended before {pattern!r}: {self.text!r}"
                self.text += got.decode().replace("\r", "").replace("\x07", "")
        out, self.text = self.text[: found.end()], self.text[found.end() :]
        return out

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def line(self, text: str, until: str = PROMPT) -> str:
        """Type a line; what comes until the next prompt, without the echo."""
        self.type(text + "\n")
        self.until(re.escape(text) + "\n")
        return self.until(until)

    def end(self) -> int:
        """Read what is left, so that it can end; its status."""
        limit = time.monotonic() + LIMIT
        while self.process.poll() is None and time.monotonic() < limit:
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    os.read(self.master, 65536)
                except OSError:
                    break
        return self.process.wait(LIMIT)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Terminal]:
    t = Terminal(tmp_path, "shell")
    try:
        assert "Linux 6.1" in t.until(PROMPT)
        yield t
    finally:
        t.close()


def test_a_session(shell: Terminal) -> None:
    assert "BROADCAST,MULTICAST,UP" in shell.line("ip link show eth0")
    assert "1 frame of 106 bytes at eth0's wire" in shell.line("inject udp dport=9")
    before = shell.line("time")
    shell.line("run 10ms")
    after = shell.line("time")
    first, second = (float(re.findall(r"(\d+\.\d+) s\n", t)[0]) for t in (before, after))
    assert round(second - first, 9) == 0.010
    assert "no socket on that port" in shell.line("drops")
    assert shell.line("ethtool -S eth0 | grep -c dropped").split("\n")[0].isdigit()
    assert "500 frames in" in shell.line("load rate=100k count=500")
    shell.line("step")
    assert "command not found (did you mean 'load'?)" in shell.line("laod")
    shell.line("ethtool -G eth0 rx 4096")
    assert "4096" in shell.line("ethtool -g eth0 | grep ^RX:")
    shell.type("exit\n")
    assert shell.end() == 0


def test_stop_at_a_function_step_and_go_on(shell: Terminal) -> None:
    shell.line("stop-at udp_rcv")
    shell.line("inject udp")
    at = shell.line("run 5ms", r"udp_rcv> $")
    assert "stopped at udp_rcv on cpu" in at
    where = shell.line("where", r"udp_rcv> $")
    assert where.index("net_rx_action") < where.index("e1000e_poll") < where.index("udp_rcv")
    assert "stopped at __udp4_lib_rcv" in shell.line("step", r"__udp4_lib_rcv> $")
    shell.line("stop-at off", r"__udp4_lib_rcv> $")
    shell.line("continue")
    shell.line("trace on")
    shell.line("inject udp")
    assert "e1000e_poll" in shell.line("run 5ms")


def test_completion(shell: Terminal) -> None:
    shell.type("etht\t")
    shell.until(r"ethtool $")
    shell.type("-S et\t")
    shell.until(r"-S eth0 $")
    shell.type("\n")
    assert "NIC statistics:" in shell.until(PROMPT)
    shell.type("cat /proc/net/softn\t")
    shell.until(r"/proc/net/softnet_stat ?$")
    shell.type("\n")
    assert re.search(r"^[0-9a-f]{8} ", shell.until(PROMPT), re.M)
    shell.type("sysctl net.core.netdev_bud\t")
    shell.until(r"netdev_budget")
    shell.type("\x15")  # the line is thrown away
    shell.type("stop-at __udp4_lib_rc\t")
    shell.until(r"stop-at __udp4_lib_rcv $")
    shell.type("\x15")
    shell.type("inject udp dpo\t")
    shell.until(r"dport=$")
    shell.type("\x15")
    shell.type("trace napi:\t")
    shell.until(r"napi:napi_poll $")
    shell.type("\n")
    shell.until(PROMPT)
    shell.line("inject icmp")
    assert re.search(r"\[000\] .*: napi_poll: napi=\d+ dev_name=eth0 work=1 budget=64", shell.line("run 1ms"))


def test_history_is_kept_between_sessions(tmp_path: Path) -> None:
    first = Terminal(tmp_path, "shell")
    try:
        first.until(PROMPT)
        first.line("uname -r")
        first.type("\x10\n")  # Ctrl-P: the line before
        assert "6.1" in first.until(PROMPT)
        first.type("\x04")  # Ctrl-D
        assert first.end() == 0
    finally:
        first.close()
    assert "uname -r" in (tmp_path / "state" / "rxpath" / "shell_history").read_text().splitlines()
    second = Terminal(tmp_path, "shell")
    try:
        second.until(PROMPT)
        second.type("\x10")
        second.until(r"uname -r$")
        second.type("\n")
        assert "6.1" in second.until(PROMPT)
    finally:
        second.close()


def test_ctrl_c_at_the_prompt_and_while_time_passes(shell: Terminal) -> None:
    shell.type("ethtool -S no")
    shell.until(r"ethtool -S no$")
    shell.type("\x03")
    shell.until(PROMPT)
    said = ""
    for _ in range(5):  # on a busy machine it may come before the command has begun: then it ends the line
        shell.type("run 1000000s\n")
        shell.until(r"run 1000000s\n")
        time.sleep(0.5)
        shell.type("\x03")
        said = shell.until(PROMPT)
        if "interrupted" in said:
            break
    assert "interrupted" in said
    assert "eth0" in shell.line("ip -br link")
    shell.type("\x04")
    assert shell.end() == 0


def test_a_running_machine_from_another_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rxpath -n NAME ...` at a terminal; `live` itself at another, ended by Ctrl-C with status 130."""
    from rxpath.live.machine import live

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with live(None, "10.9.0.2/24", name="m", listen=["udp:7,echo"]):
        t = Terminal(tmp_path, "-n", "m", "ethtool", "-g", "eth0")
        try:
            assert "Current hardware settings:" in t.until(r"RX:\s+256\n")
            assert t.end() == 0
        finally:
            t.close()
        t = Terminal(tmp_path, "-n", "m", "ethtool -G eth0 rx 99999")
        try:
            t.until("Invalid argument\n")
            assert t.end() == 81
        finally:
            t.close()


OTHER_USER = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    s.sendall(b'{"op": "info"}\\n')
    print("got", len(s.recv(100)))
except OSError as e:
    print(type(e).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_only_the_owner_may_talk_to_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user is stopped by the directory's mode, by the socket's, and were these lost, by the server."""
    from rxpath.live.machine import live

    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:
        os.chmod(runtime, 0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        with live(None, "10.9.0.2/24", name="m"):
            path = Path(runtime) / "rxpath" / "m.sock"

            def other() -> str:
                done = subprocess.run(
                    [sys.executable, "-c", OTHER_USER, str(path)],
                    capture_output=True,
                    text=True,
                    timeout=LIMIT,
                    check=True,
                )
                return done.stdout.strip()

            assert other() == "PermissionError"
            path.parent.chmod(0o755)
            assert other() == "PermissionError"
            path.chmod(0o666)
            assert other() in ("got 0", "ConnectionResetError", "BrokenPipeError")


def test_live_ends_by_ctrl_c(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        pytest.skip("needs root and /dev/net/tun")
    tap = f"rxt{os.getpid() % 100000}"
    t = Terminal(tmp_path, "live", "--tap", tap, "--address", "10.253.7.2/24")
    try:
        t.until(r"ready: 10.253.7.2/24 on .* Ctrl-C ends it\n")
        t.type("\x03")
        t.until(r"frames from the wire")
        assert t.end() == 128 + signal.SIGINT
    finally:
        t.close()
    assert not os.path.exists(f"/sys/class/net/{tap}")
