"""Runs CPython's test_socket on the machine's sockets (under rxpath.run) and prints the result as JSON.

python -m rxpath.run --address 10.9.0.2/24 tests/live/run_test_socket.py EXCLUDED.toml PART PARTS
"""

from __future__ import annotations

import fnmatch
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


def main() -> None:
    import socket

    from test import test_socket

    assert socket.socket.__module__ == "rxpath.live" and test_socket.socket is socket
    with open(sys.argv[1], "rb") as f:
        patterns = [p for row in tomllib.load(f)["exclude"] for p in row["tests"]]
    part, parts = int(sys.argv[2]), int(sys.argv[3])
    chosen = unittest.TestSuite()
    excluded: list[str] = []
    for n, t in enumerate(flat(unittest.defaultTestLoader.loadTestsFromModule(test_socket))):
        name = t.id().removeprefix("test.test_socket.")
        if any(fnmatch.fnmatchcase(name, p) for p in patterns):
            excluded.append(name)
        elif n % parts == part:
            chosen.addTest(t)
    count = chosen.countTestCases()
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(chosen)
    failed = sorted({t.id() for t, _ in [*result.failures, *result.errors]})
    if failed:  # once more: some give the other side a hundredth of a second, which a busy machine does not have
        names = unittest.defaultTestLoader.loadTestsFromNames(failed)
        again = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(names)
        failed = sorted({t.id() for t, _ in [*again.failures, *again.errors]})
    out: dict[str, Any] = {
        "ran": count,
        "failed": failed,
        "skipped": {str(t): why for t, why in result.skipped},
        "excluded": excluded,
        "patterns without a test": [p for p in patterns if not any(fnmatch.fnmatchcase(e, p) for e in excluded)],
    }
    print(json.dumps(out))


if __name__ == "__main__":
    main()
