"""Observed and recorded answers, field by field.

An answer has sections: frames sent, results of steps and of making sockets, counters, drop reasons, final
state.  Fields that differed between runs of the kernel that was recorded are skipped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from rxpath.conform.tapfmt import leaves

SECTIONS: Final = ("tx", "steps", "sockets", "counters", "drops", "final")


@dataclass
class SectionResult:
    """How many leaves of a section agree; `diffs` are (path, expected, got)."""

    ok: int = 0
    bad: int = 0
    skipped: int = 0
    diffs: list[tuple[str, Any, Any]] = field(default_factory=list)


def path_key(path: str) -> list[tuple[int, int, str]]:
    """Sorts numbers in a path as numbers."""
    return [(0, int(x), "") if x.isdigit() else (1, 0, x) for x in path.split("/")]


def compare(
    observed: dict[str, Any], expected: dict[str, Any], unstable: list[str]
) -> dict[str, SectionResult]:
    """Section -> result.  A counter that is missing is 0; a section that was not recorded is skipped."""
    out: dict[str, SectionResult] = {}
    for name in SECTIONS:
        r = out[name] = SectionResult()
        if expected.get(name) is None:
            continue
        want = leaves(expected.get(name), "/" + name)
        got = leaves(observed.get(name), "/" + name)
        zero = name == "counters"
        missing: Any = 0 if zero else "<absent>"
        for p in sorted(set(want) | set(got), key=path_key):
            if zero and p.startswith("/counters/dev/lo/"):
                continue
            if any(p == u or p.startswith(u + "/") for u in unstable):
                r.skipped += 1
                continue
            a, b = want.get(p, missing), got.get(p, missing)
            if type(a) is type(b) and a == b:
                r.ok += 1
            else:
                r.bad += 1
                r.diffs.append((p, a, b))
    return out


def agrees(result: dict[str, SectionResult]) -> bool:
    return all(r.bad == 0 for r in result.values())


def lines(result: dict[str, SectionResult], limit: int = 12) -> list[str]:
    """The differences, a line each."""
    out: list[str] = []
    for name, r in result.items():
        if not r.bad:
            continue
        out.append(f"{name}: {r.ok} equal, {r.bad} different")
        for p, a, b in r.diffs[:limit]:
            out.append(f"    {p}: expected {json.dumps(a)}, got {json.dumps(b)}")
        if r.bad > limit:
            out.append(f"    ... {r.bad - limit} more")
    return out
