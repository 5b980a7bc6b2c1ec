"""Kernel beside ours: ask both, compare, and make a difference small.

What lives here: one question to both sides, what to do with answers that the kernel itself does not repeat, shrinking,
the case file of a difference.  What does not: which scenarios to ask (generate.py), the loop and its output
(tools/fuzz_kernel.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from rxpath.conform.adapter import run_ours
from rxpath.conform.compare import SECTIONS, SectionResult, agrees, compare
from rxpath.conform.kernel import Recorder
from rxpath.conform.tapfmt import leaves

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def plain(doc: dict[str, Any]) -> dict[str, Any]:
    """As it looks after having been written and read as JSON."""
    return dict(json.loads(json.dumps(doc)))


def unstable_paths(runs: list[dict[str, Any]]) -> list[str]:
    """Paths of leaves in which runs of the same scenario differ; a list of varying length counts as a whole."""
    maps: list[dict[str, Any]] = []
    for r in runs:
        m: dict[str, Any] = {}
        for s in SECTIONS:
            m.update(leaves(r.get(s), "/" + s))
        maps.append(m)
    bad: set[str] = set()
    for p in sorted(set().union(*maps)):
        missing = 0 if p.startswith("/counters/") else None
        if len({json.dumps(m.get(p, missing)) for m in maps}) > 1:
            bad.add(p.removesuffix("/#len"))
    return sorted(p for p in bad if not any(p != q and p.startswith(q + "/") for q in bad))


def ours(scenario: dict[str, Any]) -> dict[str, Any]:
    """Our answer; an exception is an answer too, which no kernel gives."""
    try:
        return plain(run_ours(scenario))
    except Exception as e:
        return dict.fromkeys(SECTIONS) | {"steps": f"{type(e).__name__}: {e}"}


class Difference:
    """A scenario on which both sides do not agree: the kernel's answer, what it does not repeat, the comparison."""

    __slots__ = ("scenario", "expected", "unstable", "runs", "result")

    def __init__(
        self,
        scenario: dict[str, Any],
        expected: dict[str, Any],
        unstable: list[str],
        runs: int,
        result: dict[str, SectionResult],
    ) -> None:
        self.scenario = scenario
        self.expected = expected
        self.unstable = unstable
        self.runs = runs
        self.result = result

    def case(self) -> dict[str, Any]:
        """The document of a case file."""
        return {
            "scenario": self.scenario,
            "expected": self.expected,
            "unstable": self.unstable,
            "runs": self.runs,
        }

    def signature(self) -> str:
        """What differs, without positions: differences of one cause mostly share it."""
        parts = []
        for r in self.result.values():
            for p, a, b in r.diffs[:3]:
                parts.append(f"{re.sub('/[0-9]+', '/N', p)} {_kind(a)} {_kind(b)}")
        return "; ".join(parts[:3])


def _kind(v: Any) -> str:
    if isinstance(v, str):
        return re.sub(r"[0-9a-f]{6,}|\d+", "#", v)
    return str(v) if v is None or isinstance(v, bool) else "n"


def ask(recorder: Recorder, scenario: dict[str, Any], repeats: int = 3) -> tuple[Difference | None, dict[str, Any]]:
    """(what differs or None, the kernel's answer).

    Where they differ the kernel is asked `repeats` times more, and three times as often again if they still differ;
    what it does not repeat is left out (a group of SO_REUSEPORT chooses by a secret of its namespace).
    """
    first = recorder.run(scenario)
    mine = ours(scenario)
    result = compare(mine, first, [])
    runs = [first]
    unstable: list[str] = []
    for more in (repeats, 3 * repeats):
        if agrees(result):
            return None, first
        runs += [recorder.run(scenario) for _ in range(more)]
        unstable = unstable_paths(runs)
        result = compare(mine, first, unstable)
    if agrees(result):
        return None, first
    return Difference(scenario, first, unstable, len(runs), result), first


# --- shrinking -------------------------------------------------------------------------------------------------------


def _without(sc: dict[str, Any], path: list[Any], drop: slice | None = None) -> dict[str, Any]:
    """A copy of the scenario without one key or slice of a list."""
    new: dict[str, Any] = plain(sc)
    at: Any = new
    for k in path[:-1] if drop is None else path:
        at = at[k]
    if drop is None:
        del at[path[-1]]
    else:
        del at[drop]
    return new


class Shrinker:
    """Makes a scenario smaller as long as `differs` says so; at most `limit` questions."""

    def __init__(self, differs: Callable[[dict[str, Any]], bool], limit: int = 300) -> None:
        self.differs = differs
        self.left = limit

    def _try(self, new: dict[str, Any]) -> bool:
        if self.left <= 0:
            return False
        self.left -= 1
        try:
            return self.differs(new)
        except Exception:
            return False  # no scenario any more

    def _list(self, sc: dict[str, Any], path: list[Any]) -> dict[str, Any]:
        """Leave out runs of a list's items, halves first."""
        at: Any = sc
        for k in path:
            at = at[k]
        size = max(1, len(at) // 2)
        while size >= 1:
            i = 0
            while True:
                at = sc
                for k in path:
                    at = at[k]
                if i >= len(at):
                    break
                new = _without(sc, path, slice(i, i + size))
                if self._try(new):
                    sc = new
                else:
                    i += size
            size //= 2
        return sc

    def _keys(self, sc: dict[str, Any], path: list[Any], keep: tuple[str, ...] = ()) -> dict[str, Any]:
        at: Any = sc
        for k in path:
            at = at.get(k, {}) if isinstance(k, str) else at[k]
        for key in list(at):
            if key not in keep:
                new = _without(sc, [*path, key])
                if self._try(new):
                    sc = new
        return sc

    def shrink(self, sc: dict[str, Any]) -> dict[str, Any]:
        while self.left > 0:
            before = json.dumps(sc)
            sc = self._list(sc, ["steps"])
            for i, st in enumerate(sc["steps"]):
                if st["op"] == "inject":
                    sc = self._list(sc, ["steps", i, "frames"])
                    for j, f in enumerate(sc["steps"][i]["frames"]):
                        if isinstance(f, dict):
                            sc = self._keys(sc, ["steps", i, "frames", j], ("hex", "rel"))
                sc = self._keys(
                    sc,
                    ["steps", i],
                    ("op", "sock", "frames", "id", "type", "opt", "value", "key", "data", "to", "how", "ms"),
                )
            sc = self._list(sc, ["sockets"])
            for i, s in enumerate(sc["sockets"]):
                sc = self._keys(sc, ["sockets", i], ("id", "type", "proto"))
                for key in ("opts", "join", "join_source"):
                    if key in sc["sockets"][i] and key in s:
                        sc = self._list(sc, ["sockets", i, key])
            sc = self._keys(sc, ["sysctls"]) if "sysctls" in sc else sc
            sc = self._keys(sc, ["env"]) if "env" in sc else sc
            if json.dumps(sc) == before:
                break
        return sc


def shrink(recorder: Recorder, d: Difference, limit: int = 300) -> Difference:
    """The smallest neighbour found that still differs."""
    best = d

    def differs(sc: dict[str, Any]) -> bool:
        nonlocal best
        found, _ = ask(recorder, sc, 1)
        if found is None:
            return False
        best = found
        return True

    Shrinker(differs, limit).shrink(d.scenario)
    final, _ = ask(recorder, best.scenario)
    return final or best
