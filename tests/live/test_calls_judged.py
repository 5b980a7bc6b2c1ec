"""Every call of calls_everyday.py answers on the machine's sockets as on the host's: the host's kernel is the judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.live.real import environment

PROGRAM = str(Path(__file__).with_name("calls_everyday.py"))
LIMIT = 60


@pytest.mark.skipif(sys.platform != "linux", reason="the host's kernel is the judge: Linux only")
def test_calls_answer_as_on_the_hosts_sockets() -> None:
    on_host, on_machine = (
        subprocess.Popen(
            [sys.executable, *options, PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for options in ([], ["-m", "rxpath.run", "--address", "10.9.0.2/24", "--release", "6.18"])
    )
    try:
        expected, wrong = on_host.communicate(timeout=LIMIT)
        got, wrong_too = on_machine.communicate(timeout=LIMIT)
    finally:
        on_host.kill()
        on_machine.kill()
    assert on_host.returncode == 0, wrong
    assert got.splitlines() == expected.splitlines(), wrong_too
    assert on_machine.returncode == 0, wrong_too
    assert expected.count("\n") > 120
