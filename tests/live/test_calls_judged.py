"""Every call of calls_everyday.py answers on the machine's sockets as on the host's: the host's kernel is the judge."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.live.real import environment

from rxpath.live.machine import LiveMachine

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


def test_a_descriptor_that_is_there_is_not_given_up_as_lost(net: LiveMachine) -> None:
    """Two threads may see at once that a descriptor is gone; one reference goes, and once."""
    a, c = net.socket.socket(), net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
    with a, c:
        files = type(a).files
        fd = c.fileno()
        file = files.get(fd)
        assert file is not None
        with c.dup() as d:
            files.let_go(file, fd, lost=True)  # it is there
            assert file.refs == 2 and files.get(fd) is file
            os.close(fd)  # past the machine
            threads = [threading.Thread(target=files.get, args=(fd,)) for _ in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert file.refs == 1 and files.get(fd) is None
            d.bind(("127.0.0.1", 0))
            d.sendto(b"alive", d.getsockname())
            assert d.recv(9) == b"alive"
        c.detach()
        assert file.refs == 0
