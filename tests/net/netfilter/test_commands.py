"""iptables on the machine prints what the real program prints: the record, and the program itself where it is."""

from __future__ import annotations

import pytest
from tests.net.netfilter import iptables_real as real

from rxpath.config import MachineConfig
from rxpath.machine import Machine
from rxpath.tools.run import run_command

RECORD = real.read_record()


@pytest.mark.parametrize("number", range(len(RECORD)))
def test_record(number: int) -> None:
    with Machine(MachineConfig()) as m:
        for line, status, out, err in RECORD[number]:
            done = run_command(m, line)
            assert (done.status, done.stdout, done.stderr) == (status, out, err), line


def test_record_covers_the_lines() -> None:
    assert [[row[0] for row in rows] for rows in RECORD] == real.sequences()
    texts = "".join(row[2] + row[3] for rows in RECORD for row in rows)
    assert texts.count("\n") > 1000


@pytest.mark.netns
@pytest.mark.skipif(not real.PROGRAM, reason="needs iptables-legacy")
@pytest.mark.parametrize("number", range(len(RECORD)))
def test_real_program_says_the_same(number: int) -> None:
    assert real.run_real(real.sequences()[number]) == RECORD[number]
