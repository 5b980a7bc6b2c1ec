"""What the doctor found, as text, as JSON and as a shell script.

Belongs here: wording and layout only; colour is the caller's choice.
"""

from __future__ import annotations

from .engine import Diagnosis, Finding, Report, Step
from .facts import Evidence

COLOURS = {"fault": "31", "warning": "33", "advice": "36", "harmless": "32"}


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def evidence_line(e: Evidence) -> str:
    """One line: file, counter, movement and rate."""
    if e.delta is None:
        return f"{e.file}  {e.counter} = {e.after}"
    if e.since_boot:
        return f"{e.file}  {e.counter} = {e.after} since boot"
    rate = f"  ({e.per_second:,.1f}/s)" if e.per_second is not None else ""
    if e.before is None:
        return f"{e.file}  {e.counter} +{e.delta}{rate}"
    return f"{e.file}  {e.counter} {e.before} -> {e.after}  +{e.delta}{rate}"


def text(report: Report, colour: bool = False, verbose: bool = False, quiet: bool = False) -> str:
    """The report for a person.  `quiet`: findings only, one line each."""
    out: list[str] = []
    for d in report.diagnoses:
        if len(report.diagnoses) > 1 and out:
            out.append("")
        out.extend(_quiet(d) if quiet else _diagnosis(d, colour, verbose))
    return "".join(line + "\n" for line in out)


def _quiet(d: Diagnosis) -> list[str]:
    return [f"{f.rule} {f.kind} {f.stage} {f.subject}: {f.title} ({f.certainty})" for f in d.findings]


def _diagnosis(d: Diagnosis, colour: bool, verbose: bool) -> list[str]:
    out: list[str] = []
    who = f"host {d.host}" if d.host else "a host without name"
    out.append(f"{who}, kernel {d.kernel or 'unknown (uname -r tells)'}")
    if verbose:
        out.extend(f"  known to differ: {line}" for line in d.kernel_differs)
        out.append(f"  read: {', '.join(d.seen)}")
    if d.single and not d.unusable:
        out.append("one snapshot: totals since boot, no rates; when it happened is not known")
    elif d.seconds is not None:
        out.append(f"two snapshots, {d.seconds:.1f} s apart (by {d.interval_from})")
    out.extend(f"note: {line}" for line in d.lines)
    if d.unusable:
        out.append("no verdict: these texts cannot be compared")
    for number, f in enumerate(d.findings, 1):
        out.append("")
        out.extend(_finding(number, f, colour))
    for f in d.harmless:
        out.append("")
        out.append(f"{_paint('harmless', COLOURS['harmless'], colour)}: {f.title} ({f.rule}, {f.subject}). {f.cause}")
        out.extend(f"   {evidence_line(e)}" for e in f.evidence[:4])
        out.extend(f"   {rule}: {words}" for rule, words in f.negative)
    if not d.findings and not d.unusable:
        out.append("")
        out.append(f"nothing found in: {', '.join(d.seen)}")
    if d.missing and (verbose or len(d.missing) < 9 or d.single or d.findings):
        out.append("")
        out.append("for a fuller answer give also (or all at once: rxpath snapshot --interval 10 -o FILE):")
        out.extend(f"   {line}" for line in d.missing)
    return out


def _finding(number: int, f: Finding, colour: bool) -> list[str]:
    since = ", since boot" if f.since_boot else ""
    out = [
        f"{number}. {_paint(f.kind, COLOURS[f.kind], colour)} at {f.stage}, {f.subject}: {f.title}",
        f"   rule {f.rule}, {f.certainty}{since}",
    ]
    if f.evidence:
        out.append("   evidence")
        out.extend(f"     {evidence_line(e)}" for e in f.evidence)
    out.append(f"   cause: {f.cause}")
    if f.explanation:
        out.append(f"   why: {f.explanation}")
    out.extend(f"   verdict {rule}: {words}" for rule, words in f.negative)
    if f.cures_cancelled:
        out.append("   no cure by knobs, see the verdict")
    elif f.steps:
        out.append("   cure")
        for step in f.steps:
            out.extend(_step(step))
    if f.warning and not f.cures_cancelled:
        out.append(f"   warning: {f.warning}")
    if f.needs:
        out.append("   to decide, take:" if f.undecided else "   to be surer, take:")
        out.extend(f"     {n}" for n in f.needs)
    if f.source:
        out.append(f"   source: {f.source}")
    return out


def _step(s: Step) -> list[str]:
    out: list[str] = []
    if s.condition:
        out.append(f"     if {s.condition} (not known from these texts):")
    if s.say:
        return [*out, f"     {s.say}"]
    if s.missing:
        out.append(f"     a value is missing; first: {'; '.join(s.missing)}")
    for label, line in (("apply", s.apply), ("verify", s.verify), ("undo", s.undo)):
        if line:
            out.append(f"     {label + ':':<10} {line}")
    out.extend(f"     {'permanent:':<10} {line}" for line in s.permanent)
    return out


def as_json(report: Report) -> dict[str, object]:
    """The report as plain values.  Movements are integers, rates a second are numbers or null."""
    return {
        "problems": report.problems,
        "status": report.status(),
        "hosts": [
            {
                "host": d.host,
                "kernel": d.kernel,
                "single": d.single,
                "seconds": d.seconds,
                "interval_from": d.interval_from,
                "notes": d.lines,
                "unusable": d.unusable,
                "findings": [_json_finding(f) for f in d.findings],
                "harmless": [_json_finding(f) for f in d.harmless],
                "read": list(d.seen),
                "missing": list(d.missing),
            }
            for d in report.diagnoses
        ],
    }


def _json_finding(f: Finding) -> dict[str, object]:
    return {
        "rule": f.rule,
        "title": f.title,
        "kind": f.kind,
        "stage": f.stage,
        "subject": f.subject,
        "certainty": f.certainty,
        "undecided_between": list(f.candidates),
        "cause": f.cause,
        "explanation": f.explanation,
        "evidence": [
            {
                "file": e.file,
                "counter": e.counter,
                "before": e.before,
                "after": e.after,
                "delta": e.delta,
                "per_second": e.per_second,
                "since_boot": e.since_boot,
            }
            for e in f.evidence
        ],
        "cure": []
        if f.cures_cancelled
        else [
            {
                "apply": s.apply,
                "verify": s.verify,
                "undo": s.undo,
                "permanent": list(s.permanent),
                "say": s.say,
                "condition": s.condition,
                "missing": list(s.missing),
            }
            for s in f.steps
        ],
        "negative": [{"rule": r, "verdict": w} for r, w in f.negative],
        "warning": f.warning,
        "risk": f.risk,
        "needs": list(f.needs),
        "source": f.source,
    }


def script(report: Report) -> str:
    """A shell script: `sh FILE show|apply|verify|undo|permanent [RULE...]`.  Nothing happens without a
    word; lines that lack a value or a decision stand as comments."""
    actions: dict[str, list[str]] = {"apply": [], "verify": [], "undo": [], "permanent": []}
    for d in report.diagnoses:
        for f in d.findings:
            head = f"{f.rule} {f.subject}: {f.title} ({f.certainty})"
            for word, lines in actions.items():
                body: list[str] = []
                if f.cures_cancelled:
                    body = [f"# {words}" for _, words in f.negative]
                for s in () if f.cures_cancelled else f.steps:
                    own = {
                        "apply": (s.apply,),
                        "verify": (s.verify,),
                        "undo": (s.undo,),
                        "permanent": s.permanent,
                    }[word]
                    if s.say and word == "apply":
                        body.append(f"# {s.say}")
                    for line in own:
                        if line:
                            hold = (bool(s.missing or s.condition) and word != "verify") or (
                                "<" in line and ">" in line and "_" in line
                            )
                            reason = f"   # not known: {s.condition or '; '.join(s.missing)}" if hold else ""
                            body.append(f"# {line}{reason}" if hold and not line.startswith("#") else line)
                if word == "apply" and f.warning and not f.cures_cancelled:
                    body.insert(0, f"# warning: {f.warning}")
                if any(not b.startswith("#") for b in body):
                    lines.append(f"  if wanted {f.rule}; then   # {head}")
                    lines.extend(f"    {b}" for b in body)
                    lines.append("  fi")
                elif body:
                    lines.append(f"  # {head}")
                    lines.extend(f"  {b}" for b in body)
    out = [
        "#!/bin/sh",
        "# Written by rxpath doctor --as-script. Read it first; then: sh FILE apply|verify|undo|permanent [RULE...]",
        'action=${1:-show}; [ $# -gt 0 ] && shift; chosen="$*"',
        'wanted() { [ -z "$chosen" ] || case " $chosen " in *" $1 "*) true ;; *) false ;; esac; }',
    ]
    for word, lines in actions.items():
        out += [f"do_{word}() {{", "  :", *lines, "}"]
    out += [
        'case "$action" in',
        "  apply|verify|undo|permanent) set -x; do_$action ;;",
        '  *) cat "$0" ;;',
        "esac",
    ]
    return "".join(line + "\n" for line in out)
