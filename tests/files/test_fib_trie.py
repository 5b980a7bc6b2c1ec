"""/proc/net/fib_trie against the kernel's own, for routes drawn at random."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.tools.run import run_checked

RECORD = Path(__file__).parent / "fib_trie.txt"


def routes(seed: int) -> list[str]:
    """ip commands: an address and up to 40 routes."""
    rnd = random.Random(seed)
    lines = ["ip addr add 10.1.2.3/24 dev eth0"]
    seen: set[tuple[int, int]] = set()
    for _ in range(rnd.choice([3, 10, 40])):
        plen = rnd.choice([8, 12, 16, 20, 24, 24, 24, 28, 30, 32])
        mask = 0xFFFFFFFF << (32 - plen) & 0xFFFFFFFF
        a = rnd.getrandbits(32) & mask
        if rnd.random() < 0.6:
            a = (a & 0x00FFFFFF | 0x0A000000) & mask
        if a >> 28 >= 14 or a >> 24 in (0, 127) or (a, plen) in seen:
            continue
        seen.add((a, plen))
        text = ".".join(str(a >> s & 255) for s in (24, 16, 8, 0))
        lines.append(f"ip route add {text}/{plen} via 10.1.2.1")
    return lines


def ours(seed: int, release: str = "6.18") -> str:
    with Machine(MachineConfig(release=release, nics=[NicConfig(model="e1000e", addresses=[])])) as m:
        for line in routes(seed):
            run_checked(m, line)
        text: str = m.files.read("/proc/net/fib_trie")
        return text


def kernels(seed: int) -> str:
    name = f"rxpath-trie-{os.getpid()}"
    setup = "ip link add eth0 type veth peer name v1; ip link set v1 up; ip link set eth0 up; ip link set lo up; "
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        script = setup + "; ".join(routes(seed)) + "; cat /proc/net/fib_trie"
        done = subprocess.run(
            ["ip", "netns", "exec", name, "sh", "-c", script], capture_output=True, text=True, check=True
        )
        return done.stdout
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_as_recorded() -> None:
    assert ours(6) == RECORD.read_text()


def test_two_tries_in_3_13() -> None:
    main, local = ours(2, "3.13").split("Local:\n")
    assert "127.0.0.0" in local and "127.0.0.0" not in main


@pytest.mark.netns
@pytest.mark.parametrize("seed", range(8))
def test_against_the_kernel(seed: int) -> None:
    assert ours(seed) == kernels(seed)
