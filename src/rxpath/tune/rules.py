"""Rules as data: data/rules.toml, read, checked and typed.

Belongs here: the form of a rule and its release and driver ranges.  Not: running rules (engine.py) nor the
facts that they speak of (facts/).
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from .expr import ExprError, compile_expr, names_in
from .facts import FACTS
from .release import Kernel

SCOPES = ("host", "device", "cpu", "socket")
KINDS = ("fault", "warning", "advice", "harmless", "negative")
CERTAINTIES = ("certain", "likely", "possible")


class RuleError(ValueError):
    """A rule file that does not hold together; one line that names the rule."""


@dataclass(frozen=True, slots=True)
class Cure:
    """One step.  `when` None = always.  Texts are templates over facts: {name}, and {{ }} for braces."""

    when: ast.expr | None
    when_text: str = ""
    do: str = ""
    undo: str = ""
    verify: str = ""
    keep: str = ""
    link: str = ""
    say: str = ""
    sysctl: str = ""
    value: str = ""
    was: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.  `symptom` and `when` are predicates; see the head of data/rules.toml for the words."""

    id: str
    title: str
    stage: str
    scope: str
    kind: str
    releases: str
    drivers: tuple[str, ...]
    symptom_text: str
    symptom: ast.expr
    when_text: str
    when: ast.expr
    certainty: str
    evidence: tuple[str, ...]
    cause: str
    explanation: str
    cure: tuple[Cure, ...]
    warning: str
    risk: str
    source: str
    yields: tuple[str, ...]
    on: tuple[str, ...]

    def for_driver(self, driver: str | None) -> bool:
        """Whether the rule speaks of cards with this driver; unknown drivers only match rules for all."""
        return "all" in self.drivers or (driver or "") in self.drivers

    def for_release(self, kernel: Kernel | None) -> bool | None:
        """Whether the release is in range; None when the kernel is not known and the range matters."""
        if self.releases == "all":
            return True
        if kernel is None:
            return None
        low, high = release_range(self.releases)
        return low <= kernel.number <= high


_FIRST = (0, 0)
_LAST = (999, 999)


def release_range(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """ "<=3.18", ">=3.19", "4.9-6.3" or "all" -> first and last release, both in the range.  RuleError
    otherwise."""
    if text == "all":
        return _FIRST, _LAST
    m = re.fullmatch(r"(<=|>=)?(\d+)\.(\d+)(?:-(\d+)\.(\d+))?", text)
    if m is None or (m[1] and m[4]):
        raise RuleError(f"not a range of releases: {text!r}")
    one = (int(m[2]), int(m[3]))
    if m[1] == "<=":
        return _FIRST, one
    if m[1] == ">=":
        return one, _LAST
    return one, (int(m[4]), int(m[5])) if m[4] else one


def _cure(raw: Mapping[str, str], where: str) -> Cure:
    extra = set(raw) - {"if", "do", "undo", "verify", "keep", "link", "say", "sysctl", "value", "was"}
    if extra:
        raise RuleError(f"{where}: unknown key {sorted(extra)[0]!r} in a cure")
    text = raw.get("if", "")
    fields = {k: raw[k] for k in ("do", "undo", "verify", "keep", "link", "say", "sysctl", "value", "was") if k in raw}
    if not fields:
        raise RuleError(f"{where}: an empty cure")
    return Cure(compile_expr(text) if text else None, text, **fields)


PLACE = re.compile(r"(?<!\{)\{([a-z][a-z0-9_]*)\}(?!\})")


def _templates(rule: Rule) -> list[str]:
    texts = [rule.cause, rule.warning, rule.explanation]
    for c in rule.cure:
        texts += [c.do, c.undo, c.verify, c.keep, c.link, c.say, c.sysctl, c.value, c.was]
    return texts


def _rule(raw: Mapping[str, object]) -> Rule:
    name = str(raw.get("id", "?"))

    def text(key: str, default: str | None = None) -> str:
        v = raw.get(key, default)
        if not isinstance(v, str):
            raise RuleError(f"{name}: {key} is missing or not a text")
        return v

    def many(key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        v = raw.get(key, list(default))
        if not isinstance(v, list) or not all(isinstance(x, str) for x in v):
            raise RuleError(f"{name}: {key} is not a list of texts")
        return tuple(v)

    try:
        symptom, when = compile_expr(text("symptom")), compile_expr(text("when"))
        cures = raw.get("cure", [])
        if not isinstance(cures, list):
            raise RuleError(f"{name}: cure is not a list")
        rule = Rule(
            name,
            text("title"),
            text("stage"),
            text("scope"),
            text("kind"),
            text("releases", "all"),
            many("drivers", ("all",)),
            text("symptom"),
            symptom,
            text("when"),
            when,
            text("certainty"),
            many("evidence"),
            text("cause"),
            text("explanation"),
            tuple(_cure(c, name) for c in cures),
            text("warning"),
            text("risk"),
            text("source"),
            many("yields"),
            many("on"),
        )
    except ExprError as error:
        raise RuleError(f"{name}: {error}") from error
    release_range(rule.releases)
    if rule.scope not in SCOPES or rule.kind not in KINDS or rule.certainty not in CERTAINTIES:
        raise RuleError(f"{name}: unknown scope, kind or certainty")
    wanted = [*names_in(symptom), *names_in(when), *rule.evidence]
    for c in rule.cure:
        wanted += names_in(c.when) if c.when is not None else ()
    for t in _templates(rule):
        wanted += PLACE.findall(t)
    for n in wanted:
        info = FACTS.get(n)
        if info is None:
            raise RuleError(f"{name}: no fact is called {n!r}")
        if info.scope not in ("host", rule.scope):
            raise RuleError(f"{name}: fact {n!r} is of scope {info.scope}, the rule of scope {rule.scope}")
    return rule


@cache
def rules() -> tuple[Rule, ...]:
    """All rules in the order of the file.  RuleError when the file does not hold together (a test reads
    it)."""
    raw = tomllib.loads(resources.files("rxpath.tune").joinpath("data/rules.toml").read_text("utf-8"))
    out = tuple(_rule(r) for r in raw["rule"])
    ids = [r.id for r in out]
    for r in out:
        if ids.count(r.id) > 1:
            raise RuleError(f"{r.id} stands twice")
        for other in (*r.yields, *r.on):
            if other not in ids:
                raise RuleError(f"{r.id}: no rule is called {other!r}")
    return out
