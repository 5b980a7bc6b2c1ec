"""The command as a user has it: bad input, seeds, and a full socket by release, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .box import DEMO, ROOT


def rxpath(*args: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-m", "rxpath", *args], env=env, text=True, capture_output=True, check=False, timeout=120
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit status 2, nothing on standard output, one line on standard error that has these words."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("rxpath: "), done.stderr
    for word in words:
        assert word in lines[0]


def test_a_truncated_capture(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(DEMO.read_bytes()[:3000])
    refused(rxpath("replay", str(cut)), "cut.pcapng", "truncated")


def test_a_file_that_is_no_capture(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("this is no capture\n" * 10)
    refused(rxpath("replay", str(text)), "notes.txt", "not a capture")
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(b"")
    refused(rxpath("replay", str(empty)), "empty.pcap")


def test_a_capture_that_is_not_there(tmp_path: Path) -> None:
    refused(rxpath("replay", str(tmp_path / "none.pcap")), "none.pcap", "No such file or directory")


def test_a_ring_too_large() -> None:
    refused(rxpath("replay", str(DEMO), "--do", "ethtool -G eth0 rx 5000"), "requested ring size exceeds maximum")


def test_an_unknown_key_of_a_machine_file(tmp_path: Path) -> None:
    machine = tmp_path / "m.toml"
    machine.write_text("cpus = 1\nfoo = 3\n")
    refused(rxpath("replay", str(DEMO), "-m", str(machine)), "m.toml", "unknown key 'foo'")


@pytest.mark.parametrize("args", [
    ["--set", "net.core.nosuch=1"], ["--listen", "udp:99999"], ["--listen", "sctp:1"], ["--nic", "e1001"],
    ["--cpus", "0"], ["--do", "echo 1 > /proc/nothing"],
], ids=" ".join)  # fmt: skip
def test_other_bad_input(args: list[str]) -> None:
    refused(rxpath("replay", str(DEMO), *args))


def account(text: str) -> dict[str, Any]:
    result = json.loads(text)
    assert isinstance(result, dict)
    return result


def test_another_seed_changes_the_load_it_draws_and_no_count() -> None:
    load = ("load", "--rate", "50k", "--size", "18-1400", "--count", "2000", "--flows", "4", "--json")
    one = rxpath(*load, "--seed", "1", hash_seed="1")
    assert one.returncode == 0, one.stderr
    assert rxpath(*load, "--seed", "1", hash_seed="2").stdout == one.stdout
    other = account(rxpath(*load, "--seed", "2", hash_seed="1").stdout)
    first = account(one.stdout)
    assert other["counters"]["ethtool:eth0"]["rx_bytes"] != first["counters"]["ethtool:eth0"]["rx_bytes"]
    assert other["ledger"]["wire"] == first["ledger"]["wire"] == 2000
    for result, seed in ((first, 1), (other, 2)):
        assert result["config"].pop("seed") == seed
    assert other["config"] == first["config"]


def test_another_seed_changes_nothing_of_a_replay_that_draws_nothing() -> None:
    args = ("replay", str(DEMO), "-c", "900", "--json")
    one, two = (account(rxpath(*args, "--seed", s).stdout) for s in ("1", "2"))
    assert (one["config"].pop("seed"), two["config"].pop("seed")) == (1, 2)
    assert one == two


@pytest.mark.parametrize("release,counted", [("3.13", False), ("5.15", True), ("6.1", True), ("6.18", True)])
def test_a_full_socket_in_the_demo_by_release(release: str, counted: bool) -> None:
    """A reader too slow for its socket: InErrors rises everywhere, RcvbufErrors not in 3.13; the ledger balances."""
    done = rxpath("replay", str(DEMO), "--json", "--release", release, "--listen", "udp:5000,rcvbuf=3000,cost=5ms")
    assert done.returncode == 0, done.stderr
    result = account(done.stdout)
    led = result["ledger"]
    assert led["wire"] == led["delivered"] + led["consumed"] + sum(d["count"] for d in led["dropped"]) + led["in_flight"]
    full = sum(d["count"] for d in led["dropped"] if d["reason"] == "receive buffer full")
    assert full > 0
    snmp = result["counters"]["snmp"]
    assert snmp["Udp.InErrors"] >= full
    assert snmp.get("Udp.RcvbufErrors", 0) == (full if counted else 0)
