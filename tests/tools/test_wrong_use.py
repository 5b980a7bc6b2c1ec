"""Wrong use of the commands: the words and exit status of the real programs, as recorded on a 6.18 with Debian 12's
iproute2 6.1, ethtool 6.1, procps 4.0.2, net-tools 2.10, kmod 30, coreutils 9.1 and util-linux 2.38.

`python -m tests.tools.test_wrong_use` records again (root; the programs installed).  What follows a line that begins
with "Usage:" is not compared: help texts are this project's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.tools.run import run_command

HERE = Path(__file__).parent
LINES = HERE / "wrong_use.txt"
RECORD = HERE / "golden" / "wrong_use.json"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "HOME": "/nonexistent"}
PROGRAMS = ("ip", "ethtool", "sysctl", "ss", "nstat", "ifconfig", "modprobe", "dmesg")
SETUP = (
    "ip link set lo up; ip link add eth0 type veth peer name v1; ip link set eth0 up; ip link set v1 up; "
    "ip addr add 10.0.0.2/24 dev eth0; mount -t sysfs sys /sys"
)
RELEASE = "@RELEASE@"


def plain(text: str) -> str:
    out = []
    for line in text.split("\n"):
        out.append(line)
        if line.startswith("Usage:"):
            break
    return "\n".join(out)


def real() -> list[list[object]]:
    """Every line in one fresh namespace, in order."""
    name = f"rxpath-wrong-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, env=ENV)
    rows: list[list[object]] = []
    try:
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", SETUP], check=False, env=ENV, capture_output=True)
        for line in LINES.read_text().splitlines():
            r = subprocess.run(
                ["ip", "netns", "exec", name, "bash", "--norc", "-c", line],
                capture_output=True, text=True, env=ENV, timeout=20, cwd="/",
            )  # fmt: skip
            err = r.stderr.replace("bash: line 1: ", "sh: ").replace("sh: echo: ", "sh: ")
            rows.append([line, r.returncode, *(plain(t).replace(os.uname().release, RELEASE) for t in (r.stdout, err))])
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True, env=ENV)
    return rows


def ours() -> list[list[object]]:
    rows: list[list[object]] = []
    nic = NicConfig(model="e1000e", addresses=["10.0.0.2/24"])
    with Machine(MachineConfig(release="6.18", nics=[nic])) as m:
        for line in LINES.read_text().splitlines():
            done = run_command(m, line)
            texts = (plain(t).replace(m.kernel.release.uname, RELEASE) for t in (done.stdout, done.stderr))
            rows.append([line, done.status, *texts])
    return rows


def test_as_recorded() -> None:
    record = json.loads(RECORD.read_text())
    assert len(record) > 270
    for got, want in zip(ours(), record, strict=True):
        assert got == want


@pytest.mark.netns
@pytest.mark.skipif(not all(shutil.which(x, path=ENV["PATH"]) for x in PROGRAMS), reason="needs Debian's programs")
def test_the_record_is_what_the_programs_say() -> None:
    for got, want in zip(real(), json.loads(RECORD.read_text()), strict=True):
        assert got == want


def main() -> None:
    rows = [json.dumps(r) for r in real()]
    RECORD.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
