"""The recorded cases: find them, run them, score them by group."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rxpath.conform.adapter import run_ours
from rxpath.conform.compare import SECTIONS, SectionResult, agrees, compare


class CaseError(ValueError):
    """A file that is no case: one clear line."""


def case_name(path: Path) -> str:
    """group/name, as the file lies."""
    return f"{path.parent.name}/{path.stem}"


@dataclass
class Outcome:
    """One case: `result` by section, or `error` when running it failed."""

    path: Path
    group: str
    result: dict[str, SectionResult] = field(default_factory=dict)
    error: str = ""

    @property
    def name(self) -> str:
        return case_name(self.path)

    @property
    def ok(self) -> bool:
        return not self.error and agrees(self.result)


def case_files(paths: Iterable[Path]) -> list[Path]:
    """Case files under files and folders, sorted.  CaseError for what is not there."""
    out: list[Path] = []
    for p in paths:
        if p.is_dir():
            out.extend(sorted(p.rglob("*.json")))
        elif p.exists():
            out.append(p)
        else:
            raise CaseError(f"{p}: no such case or folder")
    return out


def load(path: Path) -> dict[str, Any]:
    try:
        doc = json.loads(path.read_text())
        doc["scenario"]["group"], doc["expected"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise CaseError(f"{path}: not a case ({e})") from None
    return dict(doc)


def run_case(path: Path) -> Outcome:
    """Run one case here and compare."""
    doc = load(path)
    out = Outcome(path, doc["scenario"]["group"])
    try:
        seen = json.loads(json.dumps(run_ours(doc["scenario"])))
    except Exception as e:
        out.error = f"{type(e).__name__}: {e}"
        return out
    out.result = compare(seen, doc["expected"], doc.get("unstable", []))
    return out


def run(paths: Iterable[Path], progress: Callable[[int], None] | None = None) -> Iterator[Outcome]:
    for n, p in enumerate(case_files(paths), 1):
        yield run_case(p)
        if progress is not None:
            progress(n)


def known_differences(path: Path) -> dict[str, str]:
    """The cases (group/name) that a Markdown file lists as differing and justified, each with the reason.

    They are the rows of every table whose first column is headed "case"; the reason is the column "why".  CaseError for
    a file that cannot be read or has no such table.
    """
    try:
        text = path.read_text()
    except (OSError, ValueError) as e:
        raise CaseError(f"{path}: {e}") from None
    out: dict[str, str] = {}
    found = False
    header: list[str] = []
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells or not header:
            header = cells
            found = found or cells[:1] == ["case"]
        elif header[0] == "case" and cells[0].strip("-: "):
            out[cells[0]] = dict(zip(header, cells, strict=False)).get("why", "")
    if not found:
        raise CaseError(f"{path}: no table of cases (its first column is headed 'case')")
    return out


def score(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Group -> cases, equal in all sections, equal in each section."""
    out: dict[str, dict[str, int]] = {}
    for o in outcomes:
        g = out.setdefault(o.group, {"cases": 0, "all": 0, **dict.fromkeys(SECTIONS, 0)})
        g["cases"] += 1
        g["all"] += o.ok
        for s in SECTIONS:
            if not o.error:
                g[s] += o.result[s].bad == 0
    return dict(sorted(out.items()))
