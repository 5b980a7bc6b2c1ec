"""sysctl: the record of procps-ng on a real kernel, every line whose name this machine has."""

from __future__ import annotations

from typing import Any

import pytest

from rxpath.formats import sysctl as fmt
from rxpath.tools.run import run_simple

from .conftest import session

RECORD = [
    (c, t, s)
    for c, t, s in session("sysctl-command.txt")
    if not c.startswith("nobody") and "--version" not in c
]


def argv(command: str) -> list[str]:
    """The record does not keep quotes: a value of several words was one argument."""
    words = command.split(" ")
    if " = " in command:
        return [*words[:-3], " ".join(words[-3:])]
    for i, w in enumerate(words):
        if "=" in w and not w.endswith("=") and w != "=":
            return [*words[:i], " ".join(words[i:])]
    return words


def test_the_record(m: Any) -> None:
    """In its order, since later lines read what earlier ones wrote."""
    n = 0
    for command, text, status in RECORD:
        words = argv(command)
        name = next((w.partition("=")[0] for w in words[1:] if "." in w), "")
        path = fmt.path_of_name(name)
        if name and "nosuch" not in name and not m.files.exists(path):
            continue
        if "tcp_rmem" in command and "6291456" in command:
            continue  # the default's third number depends on memory
        if command.endswith("tcp_rmem"):
            continue
        done = run_simple(m, words)
        assert ((done.stdout + done.stderr).strip(), done.status) == (text, status), command
        n += 1
    assert n >= 12


def test_all_parses_and_every_name_reads(shared: Any) -> None:
    values = fmt.parse(run_simple(shared, ["sysctl", "-a"]).stdout).values
    assert values["net.core.netdev_budget"] == "300" and len(values) > 30
    for name, value in values.items():
        assert run_simple(shared, ["sysctl", "-n", name]).stdout.strip() == value.strip()


def test_a_file_of_settings(m: Any, tmp_path: Any) -> None:
    f = tmp_path / "s.conf"
    f.write_text(
        "# a comment\nnet.core.netdev_budget = 600\n\n-net.core.nosuch = 1\nnet.core.rmem_max=4194304\n"
    )
    done = run_simple(m, ["sysctl", "-p", str(f)])
    assert done.stdout == "net.core.netdev_budget = 600\nnet.core.rmem_max = 4194304\n"
    assert done.status == 0 and m.net.netdev_budget == 600 and m.net.rmem_max == 4194304
    assert run_simple(m, ["sysctl", "-p", str(tmp_path / "no")]).status == 1


@pytest.mark.parametrize(("words", "status"), [(["-Z"], 0), (["--nosuch"], 0), ([], 1)])
def test_wrong_use(shared: Any, words: list[str], status: int) -> None:
    """procps shows its usage, and calls only the empty line an error."""
    done = run_simple(shared, ["sysctl", *words])
    assert done.status == status and done.stderr.startswith("sysctl: " if words else "\nUsage:")
