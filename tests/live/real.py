"""What tests of real programs share: is a program here, running it on a machine, frames into its cable."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rxpath
from rxpath.live.machine import LiveMachine
from rxpath.tools.fuse_files import has_fuse
from rxpath.wire.build import udp_frame

SRC = str(Path(rxpath.__file__).parents[1])
LIMIT = 60

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
numbers = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="system calls are answered on x86-64 and AArch64 only"
)
fuse = pytest.mark.skipif(
    sys.platform != "linux" or not has_fuse() or os.geteuid() != 0, reason="needs root, /dev/fuse, mfusepy and libfuse"
)


def program(name: str) -> Any:
    """Skips where the program is not installed; sbin counts."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return pytest.mark.skipif(found is None, reason=f"needs the program {name}")


def environment() -> dict[str, str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return {**os.environ, "PYTHONPATH": SRC, "PATH": path, "LC_ALL": "C.UTF-8"}


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "rxpath", *args]


def rxpath_(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), input=stdin, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment()
    )


def on(net: LiveMachine, *argv: str, stdin: str = "", files: str = "none") -> subprocess.CompletedProcess[str]:
    """`rxpath exec NAME -- argv`."""
    assert net.name is not None
    return rxpath_("exec", f"--files={files}", net.name, "--", *argv, stdin=stdin)


def read(net: LiveMachine, path: str) -> str:
    done = net.run(f"cat {path}")
    assert done.status == 0, done.stderr
    text: str = done.stdout
    return text


def frames(net: LiveMachine, sources: int, each: int = 1) -> list[bytes]:
    """UDP to port 9 of 10.9.0.2 from so many addresses: cards with several queues spread them."""
    assert net.bridge is not None and net.bridge.machine is not None
    m = net.bridge.machine
    mac = net.bridge.call(lambda: m.dev("eth0").dev_addr)
    return [
        udp_frame(b"\x02\0\0\0\0\x01", mac, 0x0A090003 + i, 0x0A090002, 10000, 9, bytes(60)) for i in range(sources)
    ] * each


def feed(net: LiveMachine, burst: list[bytes]) -> None:
    """All of it at once into the first card's cable."""
    assert net.bridge is not None and net.bridge.machine is not None
    port = net.bridge.machine.ports[0]

    def go() -> None:
        for f in burst:
            port.receive(f)

    net.bridge.call(go)


def settle(net: LiveMachine, delivered: int) -> None:
    """Wait until so many frames were read by the machine's programs."""
    import time

    end = time.monotonic() + 20
    while net.account()["delivered"] < delivered:
        assert time.monotonic() < end, net.account()
        time.sleep(0.02)
