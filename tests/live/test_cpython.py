"""CPython's own suites on the machine's sockets: every applicable case, against the written list of the rest."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import rxpath

HERE = Path(__file__).parent
LISTED = HERE / "cpython.toml"
LIST: dict[str, Any] = tomllib.loads(LISTED.read_text("utf-8"))
SOAK = bool(os.environ.get("RXPATH_SOAK"))
MEASURED = (3, 11)  # the Python whose suites `passes` counts

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_socket") is None,
    reason="this Python comes without its own tests (test.test_socket)",
)


def batches() -> dict[str, list[dict[str, Any]]]:
    """Suites by batch, or batch and part, in their order; without SOAK none that are for long runs alone."""
    out: dict[str, list[dict[str, Any]]] = {}
    for row in LIST["suite"]:
        if row.get("soak") and not SOAK:
            continue
        parts = row.get("parts", 1)
        for n in range(parts):
            out.setdefault(row["batch"] if parts == 1 else f"{row['batch']} {n}/{parts}", []).append(row)
    return out


def run(names: list[str], part: str, where: Path) -> dict[str, Any]:
    """What run_cpython.py prints of these suites, and what was said on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "rxpath.run", "--address", "10.9.0.2/24"]
        + [str(HERE / "run_cpython.py"), str(LISTED), *([part] if part else []), *(["--all"] if SOAK else []), *names],
        capture_output=True,
        text=True,
        timeout=1200 if SOAK else 250,
        check=False,
        cwd=where,  # some write a file where they are
        env={**os.environ, "PYTHONPATH": str(Path(rxpath.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    result["said"] = done.stderr
    return result


@pytest.mark.parametrize("batch", batches())
def test_every_applicable_case_passes(batch: str, tmp_path: Path) -> None:
    rows = batches()[batch]
    part = batch.partition(" ")[2]
    got = run([row["name"] for row in rows], part, tmp_path)
    reasons = LIST["skips"]["reasons"]
    bad: list[str] = []
    for row in rows:
        name, r = row["name"], got[row["name"]]
        if "missing" in r:  # a module that a later Python has no more
            assert sys.version_info[:2] != MEASURED, r["missing"]
            continue
        bad += r["failed"]
        skipped = {t: why for t, why in r["skipped"].items() if why}  # one of test_selectors has no words
        bad += [f"{t}: skipped: {why}" for t, why in skipped.items() if not any(s in why for s in reasons)]
        passed = r["ran"] - len(r["skipped"]) - len(r["failed"])
        least = row["passes"] // row.get("parts", 1)
        if row.get("parts"):
            least -= 20  # the parts are not quite alike
        if sys.version_info[:2] == MEASURED:
            bad += [f"{name}: no test is called {p}" for p in r["patterns without a test"]]
            if passed < least:
                bad.append(f"{name}: {passed} passed, not {least}")
    assert bad == [], got["said"][-6000:]


def test_each_exclusion_has_a_reason() -> None:
    for row in LIST["suite"]:
        for x in [*row.get("exclude", []), *row.get("long", [])]:
            assert len(x["why"]) > 20 and x["tests"], row["name"]
