"""CPython's own test_socket on the machine's sockets: every applicable case, against the written list of the rest."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rxpath

HERE = Path(__file__).parent
LISTED = HERE / "test_socket_excluded.toml"
PARTS = 2


def run(part: int) -> dict[str, object]:
    """One part of the suite in a process of its own; what run_test_socket.py prints."""
    done = subprocess.run(
        [sys.executable, "-m", "rxpath.run", "--address", "10.9.0.2/24"]
        + [str(HERE / "run_test_socket.py"), str(LISTED), str(part), str(PARTS)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(rxpath.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    result["said"] = done.stderr
    return result


@pytest.mark.skipif(
    importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_socket") is None,
    reason="this Python comes without its own tests (test.test_socket)",
)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_applicable_case_passes(part: int) -> None:
    listed = tomllib.loads(LISTED.read_text("utf-8"))
    r = run(part)
    assert r["failed"] == [], r["said"]
    skipped = r["skipped"]
    assert isinstance(skipped, dict) and isinstance(r["ran"], int)
    reasons = listed["skips"]["reasons"]
    assert [f"{t}: {why}" for t, why in skipped.items() if not any(s in why for s in reasons)] == []
    version = "%d.%d" % sys.version_info[:2]
    least = listed["passes"].get(version, listed["passes"]["other"]) // PARTS
    assert r["ran"] - len(skipped) >= least - 20  # the parts are not quite alike
    if version in listed["passes"]:
        assert r["patterns without a test"] == []
