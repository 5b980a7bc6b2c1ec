"""Every example of the repository, run as a reader would run it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .box import ROOT

PRINTS = {
    "own_protocol.py": [
        "IPv4: hello, Ada",
        "Ethernet on eth0: hello, Grace",
        "2 taken in transport: greeting",
        "1 dropped in transport: greeting without a name (counter: none)",
    ],
    "udp_server.py": ["Receive from client:hello"],
}


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_what_it_prints(name: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)], env=env, text=True, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == PRINTS[name]
