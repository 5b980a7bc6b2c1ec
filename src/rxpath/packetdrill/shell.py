"""Commands in backticks: sysctls are set on the host, known set-up scripts are read, everything else is
skipped with a word.

A `.sh` beside the script is read line by line for what it sets; the scripts of public test suites that set the usual
values are known by name when they are not there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rxpath.packetdrill.host import Host

# what public suites' defaults.sh sets (names and values of settings)
DEFAULTS: Final[tuple[tuple[str, str], ...]] = (
    ("net.ipv4.tcp_rmem", "4096 540000 15728640"),
    ("net.ipv4.tcp_wmem", "4096 262144 4194304"),
    ("net.ipv4.tcp_timestamps", "1"),
    ("net.ipv4.tcp_syn_retries", "5"),
    ("net.ipv4.tcp_synack_retries", "5"),
    ("net.ipv4.tcp_frto", "2"),
    ("net.ipv4.tcp_sack", "1"),
    ("net.ipv4.tcp_dsack", "1"),
    ("net.ipv4.tcp_reordering", "3"),
    ("net.ipv4.tcp_congestion_control", "cubic"),
    ("net.ipv4.tcp_slow_start_after_idle", "0"),
    ("net.ipv4.tcp_early_retrans", "4"),
    ("net.ipv4.tcp_recovery", "1"),
    ("net.ipv4.tcp_tso_win_divisor", "3"),
    ("net.ipv4.tcp_ecn", "0"),
    ("net.ipv4.tcp_pacing_ss_ratio", "200"),
    ("net.ipv4.tcp_pacing_ca_ratio", "120"),
    ("net.ipv4.tcp_notsent_lowat", "4294967295"),
    ("net.ipv4.tcp_fastopen", "459779"),
    ("net.ipv4.tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"),
    ("net.ipv4.tcp_syncookies", "1"),
)
_QUIET: Final = frozenset(
    "true : set source . export readonly declare local shift exit return if then else elif fi for while do done "
    "{ } [ [[ test "
    "cd sync modprobe".split()
)
_ARITH: Final = re.compile(r"\$\(\(([0-9xa-fA-F+*/()\s<>|-]+)\)\)")
MAX_DEPTH: Final = 5
MAX_FILE: Final = 1 << 26


class Shell:
    """`say(text)` tells what was skipped."""

    def __init__(self, host: Host, folder: Path, say: Callable[[str], None]) -> None:
        self.host = host
        self.folder = folder
        self.say = say
        self.restore: list[tuple[str, str]] = []
        self.files: dict[str, bytes] = {}

    def run(self, text: str, depth: int = 0) -> None:
        text = _ARITH.sub(lambda m: str(arithmetic(m.group(1))), text.replace("\\\n", " "))
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            for one in re.split(r"\s*(?:;|&&|\|\||\s\|\s)\s*(?=(?:[^'\"]|'[^']*'|\"[^\"]*\")*$)", line):
                if one.strip():
                    self.command(one.strip(), depth)

    def command(self, line: str, depth: int) -> None:
        target = ""
        m = re.search(r"(?<![0-9&])>>?\s*(/\S+)\s*$", re.sub(r"\s*2>\s*(?:&1|/dev/null)", "", line))
        bare = re.sub(r"\s*[12&]?>>?\s*(?:&[12]|/\S+)", "", line)
        if m:
            target = m.group(1)
        try:
            words = shlex.split(bare, comments=True)
        except ValueError:
            self.say(f"skipped command: {line}")
            return
        while words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0]):
            words.pop(0)
        if words and words[0] in ("sudo", "bash", "sh", "python", "python3", "exec"):
            words.pop(0)
        if not words:
            return
        name = words[0].rsplit("/", 1)[-1]
        if name == "sysctl":
            for w in words[1:]:
                if "=" in w and not w.startswith("-"):
                    key, _, value = w.partition("=")
                    self.set(key.strip(), value)
        elif name in ("echo", "printf") and target.startswith(("/proc/", "/sys/")):
            self.set(target, " ".join(w for w in words[1:] if w != "-n"))
        elif name == "set_sysctls.py":
            for w in words[1:]:
                key, _, value = w.partition("=")
                self.set(key, value, remember=True)
        elif name.startswith("sysctl_restore"):
            for key, value in reversed(self.restore):
                self.set(key, value)
            self.restore.clear()
        elif name.endswith(".sh"):
            self.script(words[0], name, depth)
        elif name == "sleep" and len(words) > 1 and re.fullmatch(r"\d{1,7}(\.\d*)?|\.\d+", words[1]):
            self.host.sleep_until(self.host.now_us() + int(float(words[1]) * 1_000_000))
        elif name == "ip" and "tcp_metrics" in words and "flush" in words:
            self.host.flush_metrics()
        elif name == "dd" and any(w.startswith("of=") for w in words):
            given = dict(w.split("=", 1) for w in words[1:] if "=" in w)
            size = number(given.get("bs", "512")) * number(given.get("count", "0"))
            if size <= MAX_FILE:
                self.files[given["of"]] = bytes(size)
        elif name == "rm":
            for w in words[1:]:
                self.files.pop(w, None)
        elif name in _QUIET or name == "echo":
            pass
        else:
            bad = self.host.shell(bare)
            if bad is None:
                self.say(f"skipped command: {line}")
            elif bad:
                self.say(f"command failed: {line}: {bad}")

    def script(self, path: str, name: str, depth: int) -> None:
        if depth >= MAX_DEPTH:
            return
        for place in (self.folder / path, Path(path), *(p / path for p in self.folder.parents)):
            if place.is_file():
                self.run(place.read_text(errors="replace"), depth + 1)
                return
        if name in ("defaults.sh", "defaults-linux.sh"):
            for key, value in DEFAULTS:
                self.set(key, value)
        else:
            self.say(f"skipped script: {path}")

    def set(self, key: str, value: str, remember: bool = False) -> None:
        dotted = key
        if key.startswith("/proc/sys/"):
            dotted = key[len("/proc/sys/") :].replace("/", ".")
        elif key.startswith("/"):
            dotted = key
        elif "/" in key and "." not in key:
            dotted = key.replace("/", ".")
        try:
            before = self.host.sysctl(dotted, value.strip().strip("\"'"))
        except OSError as e:
            self.say(f"skipped setting {dotted}={value}: {e.strerror}")
            return
        if remember:
            self.restore.append((dotted, before))


def number(text: str) -> int:
    """dd's numbers: 5, 4k, 1M."""
    m = re.fullmatch(r"(\d{1,12})([kKMG]?)", text)
    return int(m.group(1)) << {"": 0, "k": 10, "K": 10, "M": 20, "G": 30}[m.group(2)] if m else 0


def arithmetic(text: str) -> int:
    """$((...)): digits and + - * / ( ) << >> |."""
    import ast

    def walk(e: ast.expr) -> int:
        if isinstance(e, ast.Constant) and isinstance(e.value, int):
            return e.value
        if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
            return -walk(e.operand)
        if isinstance(e, ast.BinOp):
            a, b = walk(e.left), walk(e.right)
            if isinstance(e.op, ast.Add):
                return a + b
            if isinstance(e.op, ast.Sub):
                return a - b
            if isinstance(e.op, ast.Mult):
                return a * b
            if isinstance(e.op, ast.Div | ast.FloorDiv) and b:
                return a // b
            if isinstance(e.op, ast.LShift) and 0 <= b < 64:
                return a << b
            if isinstance(e.op, ast.RShift) and 0 <= b < 64:
                return a >> b
            if isinstance(e.op, ast.BitOr):
                return a | b
        raise ValueError(text)

    try:
        return walk(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0


__all__ = ["DEFAULTS", "Shell"]
