"""Record cases with this machine's kernel, or check what is recorded against it.

    python -m tools.record_cases [--runs N] FILE...     write what the kernel answers into case files (or make them)
    python -m tools.record_cases --check N [CASE...]    ask the kernel for every so-manieth case, N in all

A file to record is a case or a bare scenario.  `expected` is the first run, `unstable` what differed between runs.
--check fails when the kernel disagrees with the record (three attempts a case), but for the cases that
docs/differences.md explains; without root or TUN, or on another release than the record's, it says so and passes.
Exit status: 0 fine, 1 disagreement, 2 cannot record here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from rxpath.conform.compare import agrees, compare, lines
from rxpath.conform.corpus import case_files, case_name, known_differences, load
from rxpath.conform.differ import plain, unstable_paths
from rxpath.conform.kernel import Recorder, RecorderError

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "conform" / "cases"
RECORDED_ON = "6.18"


def record(recorder: Recorder, scenario: dict[str, Any], runs: int) -> dict[str, Any]:
    """The document of a case file."""
    docs = [plain(recorder.run(scenario)) for _ in range(runs)]
    return {"scenario": scenario, "expected": docs[0], "unstable": unstable_paths(docs), "runs": runs}


def write(path: Path, doc: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(doc, indent=1, sort_keys=True) + "\n")


def check(paths: list[Path], count: int) -> int:
    step = max(1, len(paths) // count)
    sample = paths[::step][:count]
    bad = 0
    known = known_differences(ROOT / "docs" / "differences.md")
    with Recorder() as recorder:
        for p in sample:
            doc = load(p)
            for _ in range(3):
                result = compare(plain(recorder.run(doc["scenario"])), doc["expected"], doc.get("unstable", []))
                if agrees(result):
                    break
            else:
                name = case_name(p)
                if name in known:
                    print(f"known {p}: {known[name]}")
                    continue
                bad += 1
                print(f"{p}: the kernel disagrees with the record")
                print("\n".join("    " + line for line in lines(result, 6)))
    print(f"{len(sample)} of {len(paths)} cases asked of the kernel again, {bad} disagree")
    return 1 if bad else 0


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("files", nargs="*", type=Path)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--check", type=int, metavar="N", default=0)
    a = p.parse_args(argv)
    try:
        Recorder().close()
    except RecorderError as e:
        print(f"record_cases: {e}", file=sys.stderr)
        return 0 if a.check else 2
    if a.check:
        release = os.uname().release
        if not release.startswith(RECORDED_ON + "."):
            print(f"record_cases: this kernel is {release}, the record is of {RECORDED_ON}: nothing checked")
            return 0
        return check(case_files(a.files or [CASES]), a.check)
    with Recorder() as recorder:
        for path in a.files:
            doc = json.loads(path.read_text())
            try:
                new = record(recorder, doc.get("scenario", doc), a.runs)
            except RecorderError as e:
                print(f"{path}: {e}", file=sys.stderr)
                return 2
            write(path, new)
            print(f"{path}: {len(new['unstable'])} unstable")
    return 0


if __name__ == "__main__":
    sys.exit(main())
