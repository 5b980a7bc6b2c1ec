"""The line of shell: cutting, redirection, pipes; cat, echo, tee, modules; what --do makes of a failure."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.tools.commands import run_action
from rxpath.tools.run import CommandFailed, SyntaxFault, parse, run_command

from .conftest import GOLDEN


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12), min_size=1, max_size=5
    )
)
def test_what_a_shell_quotes_comes_back(words: list[str]) -> None:
    line = " ".join(shlex.quote(w) for w in words)
    found = parse(line)
    assert [w.text for w in found[0].commands[0].words] == words and len(found) == 1


@given(st.text(st.sampled_from("ab /\"'\\|&;>#*2 \n$"), max_size=30))
def test_any_line_is_cut_or_refused(line: str) -> None:
    try:
        for p in parse(line):
            assert all(c.words for c in p.commands)
    except SyntaxFault as e:
        assert "\n" not in str(e)


def test_joined_commands(shared: Any) -> None:
    assert run_command(shared, "echo a; echo b").stdout == "a\nb\n"
    assert run_command(shared, "false && echo b || echo c").stdout == "c\n"
    assert run_command(shared, "true || echo b").stdout == ""
    assert run_command(shared, "nosuch 2>/dev/null; echo after").stdout == "after\n"
    assert run_command(shared, "nosuch 2>&1 | cat").stdout == "sh: nosuch: command not found\n"
    assert run_command(shared, "sudo sh -c 'echo x | cat'").stdout == "x\n"
    assert run_command(shared, "echo 'a  b' \"c\"# d").stdout == "a  b c# d\n"


def test_no_such_command_and_bad_lines(shared: Any) -> None:
    done = run_command(shared, "ethtol -g eth0")
    assert done.status == 127 and done.stderr == "sh: ethtol: command not found\n"
    for line in ("echo 'x", "echo >", "; | a", "a &&", "echo $HOME", "(a)"):
        done = run_command(shared, line)
        assert done.status == 2 and done.stderr.count("\n") == 1, line
    assert run_command(shared, "echo a | head -1").status == 127
    assert run_command(shared, "echo a | head -1", host=True).stdout == "a\n"


def test_files(m: Any) -> None:
    assert run_command(m, "cat /sys/class/net/*/mtu").stdout == "1500\n65536\n"
    assert run_command(m, "echo 3 > /sys/class/net/eth0/queues/rx-0/rps_cpus").status == 0
    assert run_command(m, "cat /sys/class/net/eth0/queues/rx-0/rps_cpus").stdout == "3\n"
    assert run_command(m, "echo 5 | sudo tee /sys/class/net/eth0/queues/rx-*/rps_cpus").stdout == "5\n"
    assert m.files.read("/sys/class/net/eth0/queues/rx-0/rps_cpus") == "5\n"
    done = run_command(m, "cat /proc/net/dev /proc/nosuch")
    assert done.status == 1 and done.stderr == "cat: /proc/nosuch: No such file or directory\n"
    assert "eth0:" in done.stdout
    assert run_command(m, "cat /proc/net").stderr == "cat: /proc/net: Is a directory\n"
    assert run_command(m, "echo 1 > /proc/nosuch").stderr == "sh: /proc/nosuch: No such file or directory\n"
    assert run_command(m, "echo 1 > /etc/passwd").stderr == "sh: /etc/passwd: Read-only file system\n"
    assert run_command(m, "echo 1 > /sys/class/net/eth0/address").stderr.endswith("Permission denied\n")
    assert run_command(m, "echo x | tee /sys/class/net/eth0/mtu").stderr == (
        "tee: /sys/class/net/eth0/mtu: Invalid argument\n"
    )


def test_affinity_refusals_are_linux_own(m: Any) -> None:
    """The record wrote 0, 10 and zz to smp_affinity, 4 to the list, and to effective_affinity."""
    said = (GOLDEN / "affinity-down.txt").read_text(encoding="utf-8").splitlines()
    recorded = [x for x in said if x.startswith("sh: write error: ")]
    path = "/proc/irq/eth0-rx-0/"
    lines = [
        f"echo 0 > {path}smp_affinity",
        f"echo 10 > {path}smp_affinity",
        f"echo zz > {path}smp_affinity",
        f"echo 4 > {path}smp_affinity_list",
        f"echo 1 > {path}effective_affinity",
    ]
    ours = [run_command(m, x) for x in lines]
    assert [x.stderr.strip() for x in ours] == recorded[-5:]
    assert {x.status for x in ours} == {1}
    assert run_command(m, f"echo c > {path}smp_affinity; cat {path}smp_affinity").stdout == "c\n"
    descs = m.kernel.irq.descs
    number = next(n for n in sorted(descs) if any(a.name == "eth0-rx-0" for a in descs[n].actions))
    assert m.files.read(f"/proc/irq/{number}/smp_affinity") == "c\n"


def test_modules(m: Any) -> None:
    assert run_command(m, "modprobe e1000e").status == 0
    assert run_command(m, "modprobe -r e1000e && ls /sys/class/net").stdout == "lo\n"
    assert run_command(m, "rmmod e1000e").stderr == "rmmod: ERROR: Module e1000e is not currently loaded\n"
    assert run_command(m, "modprobe e1000e IntMode=x").stderr == (
        "modprobe: ERROR: could not insert 'e1000e': Invalid argument\n"
    )
    assert run_command(m, "modprobe e1000e IntMode=0 nosuch=1").status == 0
    assert "unknown parameter 'nosuch' ignored" in run_command(m, "dmesg -l warn").stdout
    run_command(m, "ip link set eth0 up")
    assert "eth0-rx-0" not in run_command(m, "cat /proc/interrupts").stdout  # INTx: one line
    assert run_command(m, "modprobe nosuch").stderr == (
        "modprobe: FATAL: Module nosuch not found in directory /lib/modules/6.1.0-56-amd64\n"
    )


def test_a_failing_action_is_one_clear_line(m: Any) -> None:
    for line, text in (
        ("ethtool -G eth0 rx 4097", "requested ring size exceeds maximum"),
        (
            "ethtool -N eth0 rx-flow-hash udp4 sdfn",
            "Operation not supported",
        ),  # exit status 0 in the original
        ("nosuch", "command not found"),
        ("echo 99 > /proc/irq/eth0-rx-0/smp_affinity", "Value too large"),
        ("sysctl -w net.core.nosuch=1", "cannot stat /proc/sys/net/core/nosuch"),
    ):
        with pytest.raises(CommandFailed) as caught:
            run_action(m, line)
        said = str(caught.value)
        assert said.startswith(line) and text in said and "\n" not in said
    run_action(m, "ethtool -G eth0 rx 4096")
    assert m.dev("eth0").carrier_ok  # the link is back before the run begins
