"""ss: who owns a socket, tables, filters by state, address and port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.tools.run import run_checked, run_command


@pytest.fixture(scope="module")
def busy() -> Iterator[Machine]:
    with Machine(MachineConfig(nics=[NicConfig(model="e1000e", addresses=["10.0.0.2/24"])])) as m:

        def server() -> None:
            udp = m.socket()
            udp.bind(("10.0.0.2", 5353))
            tcp: Any = m.socket(2, 1)
            tcp.bind(("", 80))
            tcp.listen(5)
            gone = m.socket()
            gone.close()
            late = m.socket()
            late.bind(("", 9000))
            udp.recv(100)

        m.spawn(server, name="server")
        m.run(m.now + 1_000_000)
        yield m


def test_processes(busy: Machine) -> None:
    shown = run_checked(busy, "ss -unap").stdout.splitlines()
    pid = shown[1].partition("pid=")[2].partition(",")[0]
    assert shown[1].endswith(f'0.0.0.0:*    users:(("server",pid={pid},fd=3))')
    # the descriptor that was closed is taken again
    assert shown[2].endswith(f'users:(("server",pid={pid},fd=5))')
    listing = run_checked(busy, "ss -tlnp").stdout.splitlines()
    assert listing[1].split()[0] == "LISTEN" and listing[1].endswith(f'users:(("server",pid={pid},fd=4))')
    assert "users" not in run_checked(busy, "ss -una").stdout


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("ss -Hunal", ["5353", "9000"]),
        ("ss -Hunal sport = :9000", ["9000"]),
        ("ss -Hunal sport ge :9000", ["9000"]),
        ("ss -Hunal sport != :9000", ["5353"]),
        ("ss -Hunal src 10.0.0.2", ["5353"]),
        ("ss -Hunal src 10.0.0.0/24:5353", ["5353"]),
        ("ss -Hunal src 10.1.0.0/16", []),
        ("ss -Htnl sport = :http", ["80"]),
        ("ss -Htnl state established", []),
        ("ss -Hn -A udp -a", ["5353", "9000"]),
        ("ss -Hn -A inet -l", ["5353", "9000", "80"]),
    ],
)
def test_filters(busy: Machine, line: str, want: list[str]) -> None:
    got = []
    for row in run_checked(busy, line).stdout.splitlines():
        got.append(next(w for w in row.split() if ":" in w).rpartition(":")[2])
    assert got == want


@pytest.mark.parametrize("line", ["ss -x", "ss -A unix", "ss -f inet6", "ss -tn sport = :1 or sport = :2"])
def test_what_is_not_modelled_is_refused_by_name(busy: Machine, line: str) -> None:
    done = run_command(busy, line)
    assert done.status == 1 and done.stderr.startswith("ss: not modelled: ss")
