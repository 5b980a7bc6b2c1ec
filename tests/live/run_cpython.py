"""Runs suites of CPython's own on the machine's sockets (under rxpath.run) and prints the result as JSON.

python -m rxpath.run --address 10.9.0.2/24 tests/live/run_cpython.py LIST.toml [PART/PARTS] [--all] SUITE...

A suite is a name of LIST.toml; `--all` runs what LIST.toml keeps for long runs, too.  Of each suite the JSON says what
ran, failed (twice), skipped itself, and was left out.
"""

from __future__ import annotations

import fnmatch
import importlib
import json
import sys
import tomllib
import unittest
from collections.abc import Iterator
from typing import Any


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from flat(t)
        else:
            assert isinstance(t, unittest.TestCase)
            yield t


def ids(result: unittest.TestResult) -> list[str]:
    """Of what failed; a subtest by its test's name."""
    bad = [*(t for t, _ in [*result.failures, *result.errors]), *result.unexpectedSuccesses]
    return sorted({getattr(t, "test_case", t).id() for t in bad})


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def run(row: dict[str, Any], part: int, parts: int, everything: bool) -> dict[str, Any]:
    module = row["name"]
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as e:
        return {"missing": str(e)}
    except unittest.SkipTest as e:
        return {"missing": str(e)}
    patterns = [p for x in row.get("exclude", []) for p in x["tests"]]
    long = [] if everything else [p for x in row.get("long", []) for p in x["tests"]]
    chosen = unittest.TestSuite()
    excluded: list[str] = []
    for n, t in enumerate(flat(unittest.defaultTestLoader.loadTestsFromModule(imported))):
        name = t.id().removeprefix(module + ".")
        if matches(name, patterns):
            excluded.append(name)
        elif n % parts == part and not matches(name, long):
            chosen.addTest(t)
    count = chosen.countTestCases()
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(chosen)
    failed = ids(result)
    if failed:  # once more: some give the other side a hundredth of a second, which a busy machine does not have
        names = unittest.defaultTestLoader.loadTestsFromNames(failed)
        failed = ids(unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(names))
    return {
        "ran": count,
        "failed": failed,
        "skipped": {f"{t.id()}": why for t, why in result.skipped},
        "excluded": excluded,
        "patterns without a test": [p for p in patterns if not matches_any(p, excluded)],
    }


def matches_any(pattern: str, names: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(n, pattern) for n in names)


def main() -> None:
    import socket

    from test import support

    assert socket.socket.__module__ == "rxpath.live"
    support.use_resources = ["network", "subprocess"]
    with open(sys.argv[1], "rb") as f:
        rows = {r["name"]: r for r in tomllib.load(f)["suite"]}
    part, parts, everything = 0, 1, False
    out: dict[str, Any] = {}
    for word in sys.argv[2:]:
        if word == "--all":
            everything = True
        elif "/" in word:
            part, parts = (int(w) for w in word.split("/"))
        else:
            out[word] = run(rows[word], part, parts, everything)
    print("\n" + json.dumps(out))


if __name__ == "__main__":
    main()
