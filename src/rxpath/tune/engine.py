"""The doctor: rules run over a pair of snapshots, giving findings with evidence and cure.

Belongs here: which rule speaks for which subject, how certain it is, what is undecided and what would
decide it.  Not: printing (report.py), thresholds (data/rules.toml).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .delta import Pair, make_pairs
from .expr import Result, evaluate
from .facts import Evidence, View, udp_sockets
from .intake import Intake
from .rules import CERTAINTIES, PLACE, Cure, Rule, rules
from .snapshot import UNNAMED, Piece, Snapshot

FOUND, NOTHING, USAGE, UNDECIDED = 1, 0, 2, 3
STAGES = (
    "wire",
    "hypervisor",
    "NIC memory",
    "NIC",
    "ring",
    "refill",
    "irq",
    "rss",
    "napi",
    "softirq",
    "steering",
    "backlog",
    "gro",
    "netfilter",
    "core",
    "transport",
    "udp",
    "tcp",
    "socket",
    "application",
    "CPU",
    "wake-up",
    "host",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a cure, filled in.  `missing`: commands to take first, because a line lacks a value
    (shown as <name>)."""

    apply: str = ""
    verify: str = ""
    undo: str = ""
    permanent: tuple[str, ...] = ()
    say: str = ""
    condition: str = ""
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class Finding:
    """One verdict.  `candidates`: when the cause is undecided, the rules between which `needs` would
    decide."""

    rule: str
    title: str
    kind: str
    stage: str
    subject: str
    certainty: str
    cause: str
    explanation: str
    evidence: tuple[Evidence, ...]
    steps: tuple[Step, ...] = ()
    warning: str = ""
    risk: str = ""
    source: str = ""
    needs: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    negative: list[tuple[str, str]] = field(default_factory=list)  # (rule, words)
    cures_cancelled: bool = False
    since_boot: bool = False

    @property
    def undecided(self) -> bool:
        return bool(self.candidates)


@dataclass(slots=True)
class Diagnosis:
    """What the doctor says of one host."""

    host: str
    kernel: str
    kernel_differs: tuple[str, ...]
    single: bool
    seconds: float | None
    interval_from: str
    lines: list[str]
    findings: list[Finding]
    harmless: list[Finding]
    seen: tuple[str, ...]
    missing: tuple[str, ...]
    unusable: bool = False


@dataclass(slots=True)
class Report:
    """All hosts that the texts speak of, and what could not be read."""

    diagnoses: list[Diagnosis]
    problems: list[str]

    def status(self) -> int:
        """0 nothing found, 1 something found, 2 nothing usable was given, 3 undecided."""
        if not self.diagnoses:
            return USAGE
        if not any(d.seen for d in self.diagnoses):
            return USAGE
        found = [f for d in self.diagnoses for f in d.findings]
        if any(not f.undecided or f.kind == "fault" for f in found):
            return FOUND
        if found or any(d.unusable or _contradicted(d) for d in self.diagnoses):
            return UNDECIDED
        return NOTHING


def _contradicted(d: Diagnosis) -> bool:
    """Nothing found, but part of what was given could not be compared: not a clean bill of health."""
    return any("reset" in line or "not compared" in line or "restarted" in line for line in d.lines)


# what a full judgement wants, by kind of text
_WANTED: tuple[tuple[str, str, str], ...] = (
    ("softnet_stat", "cat /proc/net/softnet_stat", "backlog, squeezes, RPS"),
    ("interrupts", "cat /proc/interrupts", "which CPU serves which queue"),
    ("stat", "cat /proc/stat", "how busy the CPUs are"),
    ("ethtool-S", "ethtool -S DEV", "losses in the card"),
    ("net_dev", "cat /proc/net/dev", "packets and drops of the interfaces"),
    ("snmp", "cat /proc/net/snmp", "UDP and TCP losses"),
    ("netstat", "cat /proc/net/netstat", "TCP receive memory, accept queues"),
    ("udp", "cat /proc/net/udp", "which socket loses"),
    ("uname", "uname -a", "the release"),
)


def diagnose(intake: Intake, notes: dict[str, str] | None = None) -> Report:
    """Judge everything that was taken in.  `notes`: what the engineer says (goal, p50_us, p99_us,
    cache_miss_pct)."""
    for s in intake.snapshots:
        adopt_unnamed(s)
        if notes:
            s.notes.update(notes)
    usable = [s for s in intake.snapshots if s.pieces or s.paths or s.sysctls]
    report = Report([], [str(p) for p in intake.problems])
    for pair in make_pairs(usable):
        report.diagnoses.append(diagnose_pair(pair))
    return report


def adopt_unnamed(s: Snapshot) -> None:
    """An ethtool text without the name of its device belongs to the only device that the snapshot knows,
    if it is one."""
    unnamed = [key for key in s.pieces if key[1] == UNNAMED]
    if not unnamed:
        return
    named = [d for d in s.devices() if d != UNNAMED]
    if len(named) != 1 or any((kind, named[0]) in s.pieces for kind, _ in unnamed):
        return
    for kind, _ in unnamed:
        old = s.pieces.pop((kind, UNNAMED))
        s.pieces[(kind, named[0])] = Piece(old.kind, named[0], old.value, old.source, old.time_ns, old.file)


def diagnose_pair(pair: Pair) -> Diagnosis:
    """Judge one host."""
    after = pair.after
    host = View(pair)
    kernel = after.kernel()
    d = Diagnosis(
        after.host(),
        kernel.line() if kernel is not None else "",
        kernel.differs if kernel is not None else (),
        pair.single,
        pair.seconds(),
        pair.interval_from,
        list(pair.lines),
        [],
        [],
        _seen(after),
        (),
        pair.unusable,
    )
    if pair.unusable:
        d.missing = ("rxpath snapshot --interval 10 -o FILE   (both moments in one file, in order)",)
        return d
    views = {
        "host": [host],
        "device": [View(pair, device=x, host=host) for x in after.devices()],
        "cpu": [View(pair, cpu=c, host=host) for c in _cpus(after)],
        "socket": [View(pair, socket=k, host=host) for k in udp_sockets(pair)],
    }
    outcomes: list[tuple[Rule, View, Result, Result]] = []
    for rule in rules():
        if rule.kind == "negative":
            continue
        for view in views[rule.scope]:
            outcome = _judge(rule, view)
            if outcome is not None:
                outcomes.append((rule, view, *outcome))
    fired = [(r, v, w) for r, v, _, w in outcomes if w.value is True]
    found: list[tuple[Rule, View, Finding]] = []
    for rule, view, when in fired:
        if any(other.id in rule.yields and _same_subject(view, v2) for other, v2, _ in fired):
            continue
        found.append((rule, view, _finding(rule, view, when)))
    undecided = _undecided(outcomes, fired)
    _negatives(found, host, views)
    for _, _, f in found:
        (d.harmless if f.kind == "harmless" else d.findings).append(f)
    d.harmless = _merge_cpus(d.harmless)
    d.findings = _merge_cpus(d.findings) + undecided
    order = {k: i for i, k in enumerate(("fault", "warning", "advice"))}
    d.findings.sort(key=lambda f: (order[f.kind], f.undecided, STAGES.index(f.stage), f.rule, f.subject))
    d.missing = _missing(after, pair)
    return d


def _cpus(s: Snapshot) -> tuple[int, ...]:
    rows = s.softnet()
    if rows is not None:
        return tuple(r.cpu for r in rows.rows)
    return s.online_cpus()


def _seen(s: Snapshot) -> tuple[str, ...]:
    names = [p.source.removeprefix("cat ") for p in s.pieces.values()]
    if s.paths:
        names.append("/proc/irq, /sys")
    if s.sysctls:
        names.append("sysctl")
    return tuple(sorted(set(names)))


def _judge(rule: Rule, view: View) -> tuple[Result, Result] | None:
    """(symptom, when), or None where the rule does not speak of this driver, release or subject."""
    if rule.scope == "device" and not rule.for_driver(
        view.b.names(view.device).driver if view.b.driver(view.device) else None
    ):
        return None
    in_range = rule.for_release(view.b.kernel())
    if in_range is False and not _proven(rule, view):
        return None
    symptom = evaluate(rule.symptom, view.value)
    if symptom.value is not True:
        return None if symptom.value is False else (symptom, Result(None))
    when = evaluate(rule.when, view.value)
    if when.value is True and in_range is None and not _proven(rule, view):
        when.assumed.append("release")
    when.value = bool(when.value) if when.value is not None else None
    return symptom, when


def _proven(rule: Rule, view: View) -> bool:
    """Rules that a sysctl or the text itself binds to a behaviour do not depend on the number in uname."""
    return "repolls" in rule.when_text and "net.core.netdev_budget_usecs" in view.b.sysctls


def _same_subject(a: View, b: View) -> bool:
    """Whether two findings speak of the same thing: same device, same CPU, or the CPU that serves the
    device."""
    if a.device and b.device:
        return a.device == b.device
    if a.cpu >= 0 and b.cpu >= 0:
        return a.cpu == b.cpu
    if a.cpu >= 0 and b.device:
        return b.value("hot_cpu") == a.cpu
    if a.socket is not None and b.socket is not None:
        return a.socket == b.socket
    return a.host is None or b.host is None


def _down(certainty: str, steps: int) -> str:
    return CERTAINTIES[min(len(CERTAINTIES) - 1, CERTAINTIES.index(certainty) + steps)]


def _finding(rule: Rule, view: View, when: Result) -> Finding:
    steps_down = 1 if when.assumed else 0
    kernel = view.b.kernel()
    if rule.releases != "all" and kernel is not None and kernel.backports and not _proven(rule, view):
        steps_down += 1
    if view.pair.single:
        steps_down += 1
    evidence = _evidence(rule, view)
    needs: list[str] = []
    for name in when.assumed:
        needs += ["uname -r"] if name == "release" else list(view.get(name).need)
    return Finding(
        rule.id,
        rule.title,
        rule.kind,
        rule.stage,
        view.subject(),
        _down(rule.certainty, steps_down),
        fill(rule.cause, view)[0],
        fill(rule.explanation, view)[0],
        evidence,
        tuple(s for c in rule.cure if (s := _step(c, view)) is not None),
        _warning(rule, view),
        rule.risk,
        rule.source,
        tuple(dict.fromkeys(needs)),
        since_boot=view.pair.single,
    )


def _warning(rule: Rule, view: View) -> str:
    """The warning; sentences whose numbers are not known are left out."""
    kept = [text for sentence in _sentences(rule.warning) for text, missing in (fill(sentence, view),) if not missing]
    return " ".join(kept)


def _sentences(text: str) -> list[str]:
    out: list[str] = []
    for part in text.split(". "):
        out.append(part if part.endswith((".", "!")) or not part else part + ".")
    return [p for p in out if p]


def _evidence(rule: Rule, view: View) -> tuple[Evidence, ...]:
    """Evidence of the rule's facts: movements first, each once; long lists are cut to the largest."""
    out: list[Evidence] = []
    for name in rule.evidence:
        own = [e for e in view.get(name).evidence if e not in out]
        moved = sorted(own, key=lambda e: -(e.delta or 0))
        out.extend(moved[:4])
        if len(moved) > 4:
            rest = sum(e.delta or 0 for e in moved[4:])
            out.append(
                Evidence(
                    moved[0].file,
                    f"and {len(moved) - 4} more",
                    None,
                    rest,
                    rest,
                    view.per_second(rest),
                    view.pair.single,
                )
            )
    return tuple(out)


def fill(template: str, view: View) -> tuple[str, tuple[str, ...]]:
    """A template with facts put in; unknown ones stay as <name>, and the commands that would tell come
    second."""
    missing: list[str] = []
    unknown = False
    out: list[str] = []
    at = 0
    for m in PLACE.finditer(template):
        out.append(template[at : m.start()].replace("{{", "{").replace("}}", "}"))
        at = m.end()
        f = view.get(m[1])
        if f.value is None:
            unknown = True
            missing += f.need
            out.append(f"<{m[1]}>")
        elif isinstance(f.value, float):
            out.append(f"{f.value:g}")
        else:
            out.append(str(f.value))
    out.append(template[at:].replace("{{", "{").replace("}}", "}"))
    return "".join(out), tuple(dict.fromkeys(missing)) or (("a value that the texts do not tell",) if unknown else ())


def _step(cure: Cure, view: View) -> Step | None:
    condition = ""
    if cure.when is not None:
        ok = evaluate(cure.when, view.value)
        if ok.value is False:
            return None
        if ok.value is None:
            condition = cure.when_text
    if cure.say:
        return Step(say=fill(cure.say, view)[0], condition=condition)
    missing: list[str] = []

    def put(text: str) -> str:
        filled, lacks = fill(text, view)
        missing.extend(lacks)
        return filled

    if cure.sysctl:
        name, value = put(cure.sysctl), put(cure.value)
        shown = f"'{value}'" if " " in value else value
        was, lacks = fill(cure.was, view)
        undo = f"sysctl -w {name}={_quote(was)}" if not lacks else f"# note the present value first: sysctl {name}"
        keep = (f"echo '{name} = {value}' > /etc/sysctl.d/90-rxpath-{name.rsplit('.', 1)[-1]}.conf",)
        verify = f"sysctl {name}" + (f"; {put(cure.verify)}" if cure.verify and cure.verify != f"sysctl {name}" else "")
        return Step(f"sysctl -w {name}={shown}", verify, undo, keep, "", condition, tuple(dict.fromkeys(missing)))
    apply, verify = put(cure.do), put(cure.verify)
    undo, lacks = fill(cure.undo, view)
    if lacks:
        undo = f"# note the present value first ({'; '.join(lacks)}), then: {undo}"
    permanent: list[str] = []
    if cure.link:
        device = str(view.value("dev"))
        permanent = [
            f"printf '[Match]\\nOriginalName={device}\\n[Link]\\nNamePolicy=keep kernel database "
            f"onboard slot path\\n{put(cure.link)}\\n'"
            f" > /etc/systemd/network/10-rxpath-{device}.link",
            "udevadm control --reload   # takes effect when the device appears again",
        ]
    if cure.keep:
        permanent.append(put(cure.keep))
    return Step(apply, verify, undo, tuple(permanent), "", condition, tuple(dict.fromkeys(missing)))


def _quote(text: str) -> str:
    return f"'{text}'" if " " in text else text


def _undecided(
    outcomes: Sequence[tuple[Rule, View, Result, Result]], fired: Sequence[tuple[Rule, View, Result]]
) -> list[Finding]:
    """A symptom that is there although no rule of its group is true: the cause stays open, and what would
    decide is said."""
    groups: dict[tuple[str, str], list[tuple[Rule, View, Result, Result]]] = {}
    for o in outcomes:
        groups.setdefault((o[0].symptom_text, o[1].subject()), []).append(o)
    out: list[Finding] = []
    for group in groups.values():
        rule, view, symptom, _ = group[0]
        if symptom.value is not True or rule.kind not in ("fault", "warning"):
            continue
        if any(w.value is True for _, _, _, w in group):
            continue
        if any(r.stage == rule.stage and _same_subject(view, v) for r, v, _ in fired):
            continue
        open_rules = [(r, w) for r, _, _, w in group if w.value is None]
        if not open_rules and rule.kind != "fault":
            continue
        needs: list[str] = []
        for _, w in open_rules:
            for name in w.unknown:
                needs += view.get(name).need
        names = tuple(r.id for r, _ in open_rules) or tuple(r.id for r, _, _, _ in group)
        titles = "; ".join(f"{r.id} {r.title}" for r, _, _, _ in group if r.id in names)
        if open_rules:
            cause = f"The symptom is certain, its cause is not decided by these texts. Possible: {titles}."
        else:
            cause = (
                f"The symptom is certain, and none of the known causes fits these numbers "
                f"({titles}): the values lie between them."
            )
        symptom_facts = tuple(dict.fromkeys(symptom.used))
        evidence = tuple(dict.fromkeys(e for n in symptom_facts for e in view.get(n).evidence))[:6]
        what = {
            "ring": "Frames lost at the receive ring",
            "socket": "A socket loses datagrams",
            "backlog": "A CPU's backlog overflows",
            "softirq": "Polling ends early",
            "irq": "Interrupts gather on one CPU",
            "steering": "One busy CPU beside idle ones",
        }
        out.append(
            Finding(
                "+".join(names),
                f"{what.get(rule.stage, rule.title)}: cause undecided",
                rule.kind,
                rule.stage,
                view.subject(),
                "undecided",
                cause,
                "",
                evidence,
                (),
                "",
                "",
                "",
                tuple(dict.fromkeys(needs)),
                names,
                since_boot=view.pair.single,
            )
        )
    return _merge_cpus(out)


def _negatives(found: list[tuple[Rule, View, Finding]], host: View, views: dict[str, list[View]]) -> None:
    """Attach negative verdicts to the findings that they speak of."""
    for rule in rules():
        if rule.kind != "negative":
            continue
        for base, view, finding in found:
            if base.id not in rule.on:
                continue
            subject = view if rule.scope == base.scope else host
            if rule.scope not in ("host", base.scope):
                continue
            when = evaluate(rule.when, subject.value)
            if when.value is True:
                finding.negative.append((rule.id, fill(rule.cause, subject)[0]))
                if rule.id == "N2":
                    finding.cures_cancelled = True


def _merge_cpus(findings: list[Finding]) -> list[Finding]:
    """The same verdict on many CPUs or sockets is said once: the list of subjects, the evidence of the
    first few."""
    out: list[Finding] = []
    for f in findings:
        for have in out:
            if have.rule == f.rule and f.subject.startswith("CPU ") and have.subject.startswith("CPU"):
                have.subject = f"{have.subject}, {f.subject[4:]}"
                if len(have.evidence) < 12:
                    have.evidence += tuple(e for e in f.evidence if e not in have.evidence)[:3]
                break
        else:
            out.append(f)
    return out


def _missing(s: Snapshot, pair: Pair) -> tuple[str, ...]:
    kinds = set(s.kinds())
    lines = [f"{command}   ({why})" for kind, command, why in _WANTED if kind not in kinds]
    if pair.single:
        lines.insert(0, "the same once more, 10 s later   (rates, and whether it is happening now)")
    elif pair.interval_ns is None:
        lines.insert(0, "the times of the snapshots   (date, /proc/uptime)")
    return tuple(lines)
