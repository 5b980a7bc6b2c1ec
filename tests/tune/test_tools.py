"""Diff, lint, machine files, taking a snapshot, and the commands with their exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rxpath.config import MachineConfig
from rxpath.tune import collect, delta, diff, engine, intake, lint, machinefile, report
from rxpath.tune.release import kernel_of

from .hosts import START, Host, healthy, pair
from .scenarios import SCENARIOS

SRC = str(Path(__file__).parents[2] / "src")


def run(*args: str, data: str = "", status: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": SRC, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "rxpath", *args],
        input=data,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    if status is not None:
        assert done.returncode == status, done.stdout + done.stderr
    return done


# -- diff


def test_diff_lists_movements_with_rates():
    pairs = delta.make_pairs(intake.read_text(pair(Host(), lambda h: h.lose("missed", 5000))).snapshots)
    moved = {(m.file, m.counter): m for m in diff.differences(pairs[0])}
    m = moved[("ethtool -S eth0", "rx_missed_errors")]
    assert (m.delta, m.per_second) == (5000, 500.0)
    assert ("snmp", "UdpInDatagrams") in moved
    assert ("snmp", "TcpRtoAlgorithm") not in moved
    assert "5000" in diff.text(list(moved.values()))


def test_diff_names_resets():
    h = Host()
    first = h.mark()
    h.tick(10)
    h.eth["rx_pkts_nic"] = 3
    pairs = delta.make_pairs(intake.read_text(first + h.text()).snapshots)
    m = next(x for x in diff.differences(pairs[0]) if x.counter == "rx_pkts_nic")
    assert m.delta is None and "reset" in m.why


# -- lint


def remarks(text: str, release: str = "6.1.0-18-amd64") -> dict[str, str]:
    settings, _ = lint.read_settings(text)
    return {r.name: r.kind for r in lint.check(settings, kernel_of(release), "file")}


def test_lint_by_release():
    conf = "net.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_low_latency=1\n# a comment\nnet.core.netdev_budget = 600\n"
    assert remarks(conf) == {
        "net.ipv4.tcp_tw_recycle": "gone",
        "net.ipv4.tcp_low_latency": "inert",
        "net.core.netdev_budget": "inert",
    }
    assert remarks(conf, "3.13.0-170-generic") == {"net.ipv4.tcp_tw_recycle": "harmful"}


def test_lint_leaves_sensible_settings_alone():
    conf = (
        "net.core.rmem_max = 16777216\nnet.core.netdev_max_backlog = 5000\nnet.ipv4.tcp_rmem = 4096 131072 16777216\n"
    )
    for release in ("3.13.0-170-generic", "5.15.0-91-generic", "6.18.2"):
        assert remarks(conf, release) == {}


def test_lint_units_and_forms():
    assert remarks("net/ipv4/tcp_mem = 4096 87380 1073741824\n") == {"net.ipv4.tcp_mem": "harmful"}
    assert remarks("-net.core.somaxconn = 128\n") == {"net.core.somaxconn": "harmful"}


def test_lint_of_a_snapshot_remarks_nothing_that_nobody_set():
    for seed in range(12):
        for s in intake.read_text(healthy(seed)).snapshots:
            assert lint.check_snapshot(s, "x") == []


def test_lint_of_a_snapshot_finds_inert_steering():
    h = Host()
    h.sysctls["net.core.rps_sock_flow_entries"] = "32768"
    h.paths["/sys/class/net/eth0/queues/rx-0/rps_flow_cnt"] = "0"
    (remark,) = lint.check_snapshot(intake.read_text(h.text()).snapshots[0], "x")
    assert remark.kind == "inert" and "rps_flow_cnt" in remark.reason


def test_every_lint_line_can_be_reached():
    for rule in lint.table():
        assert rule.kind in ("inert", "gone", "harmful") and rule.reason and rule.source


# -- machine files


def test_machine_of_a_modelled_card():
    h = Host(driver="igb", queues=4, cpus=4, ring=1024, release="6.1.0-18-amd64")
    config, notes = machinefile.machine_of(intake.read_text(h.text()).snapshots[0])
    assert (config.release, config.cpus, config.nics[0].model) == ("6.1", 4, "igb")
    assert "ethtool -G eth0 rx 1024" in config.do and "ethtool -L eth0 combined 4" in config.do
    assert not any("modelled as igb" in n for n in notes)
    text = machinefile.text_of(config, notes, "web1")
    assert MachineConfig.from_toml(text) == config


def test_machine_of_a_card_that_is_not_modelled_says_so():
    h = Host(driver="ice", queues=8, cpus=8, release="5.14.0-427.13.1.el9_4.x86_64", speed=100000)
    config, notes = machinefile.machine_of(intake.read_text(h.text()).snapshots[0])
    assert config.nics[0].model == "ixgbe" and config.nics[0].link_rate() == 100_000_000_000
    assert any(n.startswith("eth0: modelled as ixgbe: ice is not modelled") for n in notes)
    assert config.release == "5.15" and any("modelled as 5.15" in n for n in notes)


@pytest.mark.parametrize("seed", range(16))
def test_machine_files_read_back(seed):
    config, notes = machinefile.machine_of(intake.read_text(healthy(seed)).snapshots[-1])
    assert MachineConfig.from_toml(machinefile.text_of(config, notes, "x")) == config


# -- taking a snapshot


def test_taken_text_is_read_back(tmp_path):
    """A directory that looks like a small host: what is taken is what the files say, and doctor reads it whole."""
    h = Host(cpus=2, queues=2)
    parts = h.parts()
    for name in ("stat", "softnet", "interrupts", "softirqs", "dev", "snmp", "netstat", "sockstat", "udp", "uptime"):
        command, body = parts[name]
        path = tmp_path / command.removeprefix("cat /")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
    (tmp_path / "proc/sys/net/core").mkdir(parents=True)
    (tmp_path / "proc/sys/net/core/rmem_max").write_text("212992\n")
    (tmp_path / "proc/sys/net/core/netdev_rss_key").write_text("aa:bb\n")
    (tmp_path / "sys/class/net/eth0/device").mkdir(parents=True)
    (tmp_path / "sys/class/net/eth0/mtu").write_text("1500\n")
    (tmp_path / "proc/irq/40").mkdir(parents=True)
    (tmp_path / "proc/irq/40/smp_affinity").write_text("3\n")
    (tmp_path / "proc/version").write_text("Linux version 6.1.0-18-amd64 (x@y) #1 SMP\n")

    def command_of(argv: list[str]) -> str | None:
        key = argv[0] + (argv[1] if len(argv) == 3 else "")
        return parts[key][1] if key in parts else parts["ss"][1] if argv[0] == "ss" else None

    said: list[str] = []
    taker = collect.Taker(said.append, str(tmp_path), command_of, lambda: 1_700_000_000_000_000_000)
    text = taker.moment(whole=True)
    assert "netdev_rss_key" not in text
    taken = intake.read_text(text)
    assert taken.problems == []
    (s,) = taken.snapshots
    assert s.time_ns == 1_700_000_000_000_000_000
    for kind in ("softnet_stat", "interrupts", "stat", "net_dev", "snmp", "netstat", "udp", "ss", "uptime", "uname"):
        assert s.value(kind) is not None, kind
    assert s.statistics("eth0") is not None and s.ring("eth0") is not None
    assert s.sysctl("net.core.rmem_max") == 212992
    assert s.paths["/proc/irq/40/smp_affinity"] == "3"


def test_snapshot_of_this_host(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("snapshots are taken on Linux")
    target = tmp_path / "here.txt"
    run("snapshot", "--interval", "0.5", "-q", "-o", str(target), status=0)
    taken = intake.read_inputs([str(target)])
    assert len(taken.snapshots) == 2
    assert taken.problems == []
    assert taken.snapshots[1].softnet() is not None and taken.snapshots[1].cpu_times() is not None
    assert engine.diagnose(taken).status() in (0, 1)  # whatever this host suffers from, it is readable
    assert list(tmp_path.iterdir()) == [target]


# -- the commands


def test_doctor_on_standard_input():
    done = run("doctor", "-", data=SCENARIOS["R01"](True), status=1)
    assert "R01" in done.stdout and "ethtool -G eth0 rx 2048" in done.stdout and "\x1b" not in done.stdout
    assert run("doctor", "-", data=healthy(1), status=0).stdout.count("nothing found") == 1
    assert run("doctor", "-q", "-", data=healthy(1), status=0).stdout == ""


def test_doctor_json_and_script(tmp_path):
    value = json.loads(run("doctor", "--json", "-", data=SCENARIOS["R22"](True), status=1).stdout)
    (finding,) = [f for f in value["hosts"][0]["findings"] if f["rule"] == "R22"]
    assert finding["cure"][1]["apply"] == "sysctl -w net.core.netdev_budget_usecs=12000"
    assert finding["cure"][1]["undo"] == "sysctl -w net.core.netdev_budget_usecs=8000"
    script = tmp_path / "cure.sh"
    script.write_text(run("doctor", "--as-script", "-", data=SCENARIOS["R22"](True), status=1).stdout)
    subprocess.run(["sh", "-n", str(script)], check=True)
    shown = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True).stdout
    assert shown == script.read_text()  # without a word it only shows itself


@pytest.mark.parametrize("rule", sorted(SCENARIOS))
def test_every_script_is_a_shell_script(rule, tmp_path):
    path = tmp_path / "cure.sh"
    path.write_text(report.script(engine.diagnose(intake.read_text(SCENARIOS[rule](True)))))
    subprocess.run(["sh", "-n", str(path)], check=True)


def test_script_applies_only_what_is_chosen(tmp_path):
    """Run with commands of our own in place of the host's: apply, undo and verify do what they say, for the chosen rule."""
    text = pair(Host(), lambda h: (h.lose("missed", 5000), h.soft[2].__setitem__("dropped", 4000)) and None)
    path = tmp_path / "cure.sh"
    path.write_text(report.script(engine.diagnose(intake.read_text(text))))
    log = tmp_path / "log"
    for name in ("ethtool", "sysctl"):
        fake = tmp_path / name
        fake.write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\n')
        fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", str(path), "apply", "R01"], env=environment, check=True, capture_output=True)
    assert log.read_text() == "ethtool -G eth0 rx 2048\n"
    log.unlink()
    subprocess.run(["sh", str(path), "undo"], env=environment, check=True, capture_output=True)
    assert log.read_text() == "ethtool -G eth0 rx 512\nsysctl -w net.core.netdev_max_backlog=1000\n"


@pytest.mark.parametrize(
    "args",
    [
        ("doctor", "/nowhere/at/all"), ("doctor", "--json", "--as-script", "-"), ("doctor", "--goal", "beauty", "-"),
        ("doctor", "--release", "yesterday", "-"), ("doctor", "-", "-"), ("diff", "/nowhere"), ("lint", "/nowhere"),
        ("machine", "/nowhere"), ("snapshot", "--interval", "-1"), ("snapshot", "-o", "/nowhere/x"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_and_status_two(args):
    done = run(*args, data="softnet\n", status=2)
    assert done.stdout == ""
    assert done.stderr.startswith("rxpath: ") and "Traceback" not in done.stderr


def test_release_from_the_command_line():
    text = SCENARIOS["R21"](True)
    without = "".join(s for s in text.splitlines(True) if "3.13" not in s and "uname" not in s)
    assert "R21" in run("doctor", "-q", "--release", "3.13.0", "-", data=without, status=1).stdout


def test_diff_lint_and_machine_commands(tmp_path):
    text = SCENARIOS["R01"](True)
    cut = text.rindex(START)
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text(text[:cut])
    b.write_text(text[cut:])
    assert "rx_missed_errors" in run("diff", str(a), str(b), status=1).stdout
    assert run("diff", str(a), str(a), status=0).stdout == "nothing moved\n"
    assert run("diff", str(a), status=2).stderr.count("one moment only") == 1
    conf = tmp_path / "x.conf"
    conf.write_text("net.ipv4.tcp_tw_recycle = 1\n")
    assert "gone" in run("lint", str(conf), "--release", "6.1.0", status=1).stdout
    assert "removed in 4.12" in run("lint", str(conf), status=1).stdout
    assert run("lint", str(b), status=0).stdout == ""
    made = run("machine", str(b), status=0)
    assert MachineConfig.from_toml(made.stdout).nics[0].model == "ixgbe"


def test_help_ends_with_examples():
    for command in ("doctor", "snapshot", "diff", "lint", "machine"):
        text = run(command, "--help", status=0).stdout
        assert f"  rxpath {command}" in text.split("Examples:")[1]
