"""Every rule fires for its pair of snapshots and is silent for the near one; the rule data holds together."""

from __future__ import annotations

import re

import pytest

from rxpath.tune import engine, intake, report
from rxpath.tune.expr import ExprError, compile_expr, evaluate
from rxpath.tune.release import kernel_of
from rxpath.tune.rules import RuleError, release_range, rules

from .scenarios import SCENARIOS

IDS = [r.id for r in rules()]


def judge(text: str) -> engine.Report:
    taken = intake.read_text(text)
    assert not taken.problems
    return engine.diagnose(taken)


def fired(result: engine.Report) -> set[str]:
    """Rules with a decided verdict, negative verdicts included."""
    out: set[str] = set()
    for d in result.diagnoses:
        for f in [*d.findings, *d.harmless]:
            if not f.undecided:
                out.add(f.rule)
            out |= {rule for rule, _ in f.negative}
    return out


def test_every_rule_has_a_scenario_and_a_number_of_the_sheet():
    assert set(IDS) == set(SCENARIOS)
    assert {f"R{n:02d}" for n in range(1, 52)} | {"N1", "N2", "N3"} <= set(IDS)


@pytest.mark.parametrize("rule", IDS)
def test_fires(rule):
    result = judge(SCENARIOS[rule](True))
    assert rule in fired(result)
    found = [f for f in (*result.diagnoses[0].findings, *result.diagnoses[0].harmless) if f.rule == rule]
    for f in found:
        assert f.evidence and f.cause and f.source
        assert "<" not in f.cause, "a text with a value that nobody knows"
    harmless_only = not result.diagnoses[0].findings
    assert result.status() == (0 if harmless_only else 1)


@pytest.mark.parametrize("rule", IDS)
def test_near_one_does_not_fire(rule):
    assert rule not in fired(judge(SCENARIOS[rule](False)))


@pytest.mark.parametrize("rule", [r for r in rules() if r.cure], ids=lambda r: r.id)
def test_cure_can_be_pasted(rule):
    """Every cure of the firing pair is filled in: no gap, no brace left, and what is applied can be undone and verified."""
    result = judge(SCENARIOS[rule.id](True))
    found = [f for f in (*result.diagnoses[0].findings, *result.diagnoses[0].harmless) if f.rule == rule.id]
    assert found
    for step in found[0].steps:
        text = " ".join((step.apply, step.verify, step.undo, *step.permanent, step.say))
        assert not step.missing and not re.search(r"<[a-z_0-9]+>", text), text
        assert "{{" not in text and not re.search(r"(?<!ATTR)\{[a-z_]+\}", text), text  # ATTR{..} is udev's own
        if step.apply.startswith(("sysctl -w", "ethtool -", "echo ")) and "|" not in step.apply[:12]:
            changing = not re.match(r"ethtool (-S|-[a-z] )|ethtool [a-z]", step.apply)
            assert step.verify
            assert step.undo or not changing, step.apply


def test_flapping_cures_warn():
    for r in rules():
        if any(c.do.startswith(("ethtool -G", "ethtool -L")) for c in r.cure):
            assert "link" in r.warning.lower() or "ring" in r.warning.lower(), r.id


def test_negative_verdict_takes_the_cure_away():
    result = judge(SCENARIOS["N2"](True))
    finding = next(f for f in result.diagnoses[0].findings if f.rule == "R02")
    assert finding.cures_cancelled
    assert "ethtool -L" not in report.text(result)
    assert "\n    ethtool -L" not in report.script(result)


def test_bad_wire_says_that_no_knob_helps():
    text = report.text(judge(SCENARIOS["R07"](True)))
    assert "no sysctl, ring or queue setting helps" in text


def test_unknown_cpu_load_leaves_the_cause_open_and_asks():
    from .hosts import Host, pair

    h = Host()
    h.without = {"stat"}
    result = judge(pair(h, lambda x: x.lose("missed", 5000)))
    (finding,) = result.diagnoses[0].findings
    assert finding.undecided and finding.candidates == ("R01", "R02")
    assert any("/proc/stat" in n for n in finding.needs)
    assert result.status() == 1  # the loss itself is certain


def test_load_between_the_rules_is_said_to_be_between():
    from .hosts import Host, pair

    def fault(h: Host) -> None:
        h.lose("missed", 5000)
        h.set_cpu(0, 10, 0.88)

    (finding,) = judge(pair(Host(), fault)).diagnoses[0].findings
    assert finding.undecided and "between" in finding.cause


def test_vendor_kernel_lowers_certainty_of_release_bound_rules():
    from .hosts import Host, pair

    def fault(h: Host) -> None:
        h.threads = [(15, "ksoftirqd/0", 500, 0)]

    found = []
    for release in ("5.15.0-91-generic", "4.18.0-513.5.1.el8_9.x86_64"):
        h = Host(release=release)
        h.notes = {"p50_us": "60", "p99_us": "4000"}
        h.threads = [(15, "ksoftirqd/0", 100, 0)]
        (f,) = (f for f in judge(pair(h, fault)).diagnoses[0].findings if f.rule == "R33")
        found.append(f.certainty)
    assert found == ["likely", "possible"]


def test_evidence_names_file_counter_and_movement():
    finding = next(f for f in judge(SCENARIOS["R01"](True)).diagnoses[0].findings if f.rule == "R01")
    first = finding.evidence[0]
    assert (first.file, first.counter, first.delta) == ("ethtool -S eth0", "rx_missed_errors", 4000)
    assert first.per_second == pytest.approx(400)


# -- the language of predicates


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a > 0 and b > 0", None),
        ("a > 5 and b > 0", False),
        ("a > 0 or b > 0", True),
        ("not b", None),
        ("plausible(b > 0) and a == 1", True),
        ("known(b)", False),
        ("a / zero > 1", None),
        ("2 * a + 1 >= 3", True),
        ("word == 'latency'", True),
        ("1 < a < 3", False),
    ],
)
def test_three_valued_logic(text, value):
    facts = {"a": 1, "b": None, "zero": 0, "word": "latency"}
    assert evaluate(compile_expr(text), facts.__getitem__).value is value


def test_decided_without_the_unknown_part_asks_for_nothing():
    result = evaluate(compile_expr("b > 0 and a > 5"), {"a": 1, "b": None}.__getitem__)
    assert result.value is False and result.unknown == []


@pytest.mark.parametrize("text", ["__import__('os')", "a.b", "[x for x in a]", "a[0]", "lambda: 1", "a >", "f(a, b)"])
def test_language_is_closed(text):
    with pytest.raises(ExprError):
        compile_expr(text)


# -- releases


@pytest.mark.parametrize(
    ("name", "nearest", "vendor", "backports"),
    [
        ("3.13.0-170-generic", "3.13", "Ubuntu", False),
        ("3.10.0-1160.el7.x86_64", "3.13", "Red Hat Enterprise Linux 7 family", True),
        ("4.18.0-513.5.1.el8_9.x86_64", "5.15", "Red Hat Enterprise Linux 8 family", True),
        ("5.14.0-427.13.1.el9_4.x86_64", "5.15", "Red Hat Enterprise Linux 9 family", True),
        ("5.15.0-91-generic", "5.15", "Ubuntu", False),
        ("5.4.0-1103-aws", "5.15", "Ubuntu (cloud kernel)", False),
        ("5.14.21-150500.55.28-default", "5.15", "SUSE", True),
        ("6.1.0-18-amd64", "6.1", "Debian", False),
        ("6.1.66-91.160.amzn2023.x86_64", "6.1", "Amazon Linux 2023", False),
        ("6.8.0-31-generic", "6.18", "Ubuntu", False),
        ("6.18.2", "6.18", "", False),
    ],
)
def test_vendor_kernels(name, nearest, vendor, backports):
    kernel = kernel_of(name)
    assert kernel is not None
    assert (kernel.nearest, kernel.vendor, kernel.backports) == (nearest, vendor, backports)


def test_release_ranges():
    assert release_range("4.9-6.3") == ((4, 9), (6, 3))
    assert release_range("<=3.18")[1] == (3, 18)
    assert kernel_of("not a kernel") is None
    with pytest.raises(RuleError):
        release_range("from 3 on")
