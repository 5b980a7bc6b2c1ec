"""Recorded cases under other ports, addresses, MAC addresses, device and seeds: this machine's kernel beside ours.

    python -m tools.rename_cases [--salt N] [--jobs N] [CASE...]

A score below that of `rxpath conform` would say that something keys on a name of the corpus.  Exit status: 0 all agree,
1 some differ, 2 cannot run here.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

from rxpath.conform.compare import lines
from rxpath.conform.corpus import case_files, load
from rxpath.conform.differ import ask
from rxpath.conform.kernel import Recorder, RecorderError
from rxpath.conform.rename import rename

CASES = Path(__file__).parents[1] / "tests" / "conform" / "cases"


def worker(args: tuple[int, list[Path], int]) -> list[tuple[str, Path, list[str]]]:
    """(group, case, differences) of some cases."""
    cpu, paths, salt = args
    out: list[tuple[str, Path, list[str]]] = []
    with Recorder(cpu) as recorder:
        for p in paths:
            sc = rename(load(p)["scenario"], salt)
            try:
                diff, _ = ask(recorder, sc)
            except RecorderError as e:
                out.append((sc["group"], p, [str(e)]))
                continue
            out.append((sc["group"], p, [] if diff is None else lines(diff.result, 6)))
    return out


def main(argv: list[str] | None = None) -> int:
    ap = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ap.add_argument("cases", nargs="*", type=Path, default=[CASES])
    ap.add_argument("--salt", type=int, default=1, help="which renaming (default %(default)s)")
    ap.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="cases at a time (default %(default)s)")
    a = ap.parse_args(argv)
    try:
        Recorder().close()
    except RecorderError as e:
        print(f"rename_cases: {e}", file=sys.stderr)
        return 2
    paths = [p for p in case_files(a.cases) if p.parent.name != "found"]
    parts: list[Any] = [(i, paths[i :: a.jobs * 4], a.salt) for i in range(a.jobs * 4)]
    table: dict[str, list[int]] = {}
    bad: list[tuple[Path, list[str]]] = []
    with multiprocessing.get_context("forkserver").Pool(a.jobs) as pool:
        for rows in pool.imap(worker, parts):
            for group, path, diffs in rows:
                t = table.setdefault(group, [0, 0])
                t[0] += 1
                t[1] += not diffs
                if diffs:
                    bad.append((path, diffs))
    for path, diffs in sorted(bad):
        print(path)
        print("\n".join("    " + d for d in diffs))
    for group, (n, ok) in sorted(table.items()):
        print(f"{group:<12}{n:>6}{ok:>6}")
    print(f"{'all':<12}{sum(t[0] for t in table.values()):>6}{sum(t[1] for t in table.values()):>6}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
